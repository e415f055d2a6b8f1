"""A network learns XOR in the plane: is a point in the first or third quarter, or not?

PyTorch's own idiom; only the imports differ.  Runs in a second.
"""

import rushlight as rl
import rushlight_nn as nn
from rushlight_nn import optim


class Network(nn.Module):
    """Two numbers to the probability that they have different signs."""

    def __init__(self, hidden):
        super().__init__()
        self.layer1 = nn.Linear(2, hidden)
        self.layer2 = nn.Linear(hidden, hidden)
        self.layer3 = nn.Linear(hidden, 1)

    def forward(self, x):
        h = self.layer1.forward(x).relu()
        h = self.layer2.forward(h).relu()
        return self.layer3.forward(h).sigmoid()


rl.manual_seed(0)
points = rl.rand(200, 2) * 2 - 1
different = ((points[:, :1] > 0) != (points[:, 1:] > 0)).float()

model = Network(hidden=16)
criterion = nn.BCELoss()
optimizer = optim.Adam(model.parameters(), lr=0.02)

for epoch in range(1, 301):
    optimizer.zero_grad()
    found = model(points)
    loss = criterion(found, different)
    loss.backward()
    optimizer.step()
    if epoch % 50 == 0:
        right = ((found > 0.5).float() == different).float().mean()
        print(f"epoch {epoch:3}: loss {loss.item():.4f}, accuracy {right.item():.1%}")

with rl.no_grad():
    right = ((model(points) > 0.5).float() == different).float().mean().item()
print(f"{right:.1%} of the points right")
assert right == 1.0
