"""Core alone: a small program in an environment that holds rushlight and its dependencies only."""

from importlib.metadata import distributions
from importlib.util import find_spec

import rushlight as rl

INSTALLERS = {"pip", "setuptools", "wheel"}
NEEDED = {"rushlight", "numpy", "pluggy", "ml_dtypes"}

installed = {found.name.replace("-", "_") for found in distributions()} - INSTALLERS
assert installed == NEEDED, f"this environment is not bare: {installed ^ NEEDED}"
assert find_spec("rushlight_nn") is find_spec("rushlight_numba") is None

# A line through noisy points, by hand: gradients, assignment, randomness.
rl.manual_seed(0)
x = rl.rand(64, 1)
y = x * 3.0 - 1.0 + rl.randn(64, 1) * 0.01
weight = rl.zeros(1, 1, requires_grad=True)
bias = rl.zeros(1, requires_grad=True)


def step(x: rl.Tensor, y: rl.Tensor) -> rl.Tensor:
    """One step of gradient descent."""
    weight.grad = bias.grad = None
    loss = ((x @ weight + bias - y) * (x @ weight + bias - y)).mean()
    loss.backward()
    with rl.no_grad():
        weight.sub_(weight.grad * 0.5)
        bias.sub_(bias.grad * 0.5)
    return loss


for _ in range(150):
    loss = step(x, y)
compiled = rl.compile(step)
for _ in range(150):
    loss = compiled(x, y)
assert loss.item() < 1e-3, loss
assert abs(weight.item() - 3.0) < 0.05, weight
assert rl.tensor([1.5]).to(rl.bfloat16).float().item() == 1.5

states = {device.name: device.available for device in rl.devices()}
assert states["numpy"], states
print(f"core alone: loss {loss.item():.2e}, devices {states}")
