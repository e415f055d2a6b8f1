"""A whole training step is compiled: forward, backward, optimizer, dropout and schedule included.

The function is traced once and then replayed; the numbers are those of eager, bit for bit.
"""

import time

import rushlight as rl
import rushlight_nn as nn
from rushlight_nn import optim


def train(compiled):
    """Losses of 200 steps, and the seconds that the last 190 of them took."""
    rl.manual_seed(0)
    points = rl.rand(64, 2) * 2 - 1
    inside = ((points * points).sum(dim=1, keepdim=True) < 0.5).float()
    model = nn.Sequential(
        nn.Linear(2, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 1)
    )
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    schedule = optim.lr_scheduler.StepLR(optimizer, step_size=50, gamma=0.5)
    criterion = nn.BCEWithLogitsLoss()

    def step(x, y):
        optimizer.zero_grad()
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    if compiled:
        step = rl.compile(step)
    losses = []
    start = time.perf_counter()
    for i in range(200):
        if i == 10:  # by now it is traced
            start = time.perf_counter()
        losses.append(step(points, inside).item())
        schedule.step()
    return losses, time.perf_counter() - start


eager, eager_s = train(compiled=False)
replayed, replayed_s = train(compiled=True)
print(f"eager    {eager_s / 190 * 1e6:5.0f} us a step, loss {eager[-1]:.6f}")
print(f"compiled {replayed_s / 190 * 1e6:5.0f} us a step, loss {replayed[-1]:.6f}")
assert eager == replayed
