"""Handwritten digits by hand: datasets, layers, a training loop, a checkpoint.

What `rushlight train digits` does, without its comforts.  Runs in seconds; needs scikit-learn.
"""

import tempfile
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

import rushlight as rl
import rushlight_nn as nn
from rushlight_nn import checkpoint, optim
from rushlight_nn.data import DataLoader, TensorDataset, random_split

rl.manual_seed(0)
images, labels = load_digits(return_X_y=True)
samples = TensorDataset(
    rl.tensor(images.reshape(-1, 1, 8, 8).astype(np.float32) / 16), rl.tensor(labels)
)
train, test = random_split(samples, [0.8, 0.2])


def network():
    """[b, 1, 8, 8] -> [b, 10]."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.25),
        nn.Linear(32 * 4 * 4, 10),
    )


def accuracy(model):
    """The fraction of test images that the model classifies right."""
    model.eval()
    with rl.no_grad():
        right = [(model(x).argmax(1) == y).sum().item() for x, y in DataLoader(test, 128)]
    return sum(right) / len(test)


epochs = 4
batches = DataLoader(train, batch_size=64, shuffle=True)
model = network()
criterion = nn.CrossEntropyLoss()
optimizer = optim.AdamW(model.parameters(), lr=3e-3)
schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)

for epoch in range(1, epochs + 1):
    model.train()
    for x, y in batches:
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
    schedule.step()
    print(f"epoch {epoch}: loss {loss.item():.4f}, accuracy {accuracy(model):.1%}")

assert accuracy(model) > 0.97

# The weights go to a file of safetensors and come back: the second network answers as the first.
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "digits.safetensors"
    checkpoint.save(model.state_dict(), path)
    other = network()
    other.load_state_dict(checkpoint.load(path))
assert accuracy(other) == accuracy(model)
print("saved and loaded: the same answers")
