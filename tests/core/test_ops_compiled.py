"""Any program means the same compiled: values, gradients, assignments, numbers, randomness."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import rushlight as rl

DEVICES = ["numpy", "hostile"]


class World:
    """What a program meets beside its arguments: parameters, a buffer, a number that changes."""

    def __init__(self, device):
        rl.manual_seed(11)
        self.w = rl.randn(3, 3, device=device).requires_grad_()
        self.b = rl.zeros(3, device=device, requires_grad=True)
        self.buffer = rl.ones(3, device=device)
        self.rate = rl.Cell(0.1)

    def state(self):
        """All of it, as numbers."""
        tensors = [self.w, self.b, self.buffer, self.w.grad, self.b.grad]
        found = [None if x is None else x.detach().numpy().tobytes() for x in tensors]
        return [*found, self.rate.value, rl.get_rng_state()]


def descend(world, x):
    world.w.grad = world.b.grad = None
    ((x.detach() @ world.w + world.b) * world.rate.value).tanh().sum().backward()
    with rl.no_grad():
        for p in (world.w, world.b):
            p.sub_(p.grad * world.rate.value)
    return x


def accumulate(world, x):
    (x.detach() @ world.w).sum().backward()
    return x + world.w.grad


def remember(world, x):
    world.buffer.mul_(0.9).add_(x.detach().mean(0), alpha=0.1)
    return x - world.buffer


def assign_rows(world, x):
    z = x * 1.0
    z[1] = world.buffer
    z[:, 0] += 2.0
    return z


def write_through(world, x):
    world.buffer[1:].fill_(0.25)
    return x * world.buffer


def differentiate(world, x):
    (g,) = rl.autograd.grad((x.detach() @ world.w).sigmoid().sum(), world.w, create_graph=True)
    (h,) = rl.autograd.grad((g * g).sum(), world.w)
    return x + h


def normalise(world, x):
    return rl.layer_norm(x, (3,), world.buffer, world.b)


def standardise(world, x):
    mean, var = rl.zeros(3, device=x.device), world.buffer
    return rl.batch_norm(x, mean, var, None, world.b, training=True) + mean


def schedule(world, x):
    world.rate.value = world.rate.value * 0.5 + 0.01
    return x * world.rate.value


STEPS = {
    "affine": lambda world, x: x @ world.w + world.b,
    "activate": lambda world, x: (x.relu() + rl.gelu(x) - x.sigmoid()) * 0.5,
    "choose": lambda world, x: rl.where(x > world.buffer, x, -x),
    "mix": lambda world, x: rl.cat([x, x.mT], 1)[:, ::2],
    "attend": lambda world, x: (x @ x.mT / 3.0).softmax(-1) @ x,
    "shake": lambda world, x: x + rl.randn(3, 3, device=x.device) * 0.1,
    "drop": lambda world, x: rl.dropout(x, 0.5),
    "reduce": lambda world, x: x - x.max(1, keepdim=True).values + x.var(0),
    "twist": lambda world, x: x.flip(0).reshape(-1)[[4, 4, 8, 0, 1, 2, 3, 5, 7]].view(3, 3),
    "clip": lambda world, x: x.clamp(-2.0, 2.0),
    "detach": lambda world, x: x.detach() * x,
    "descend": descend,
    "accumulate": accumulate,
    "remember": remember,
    "assign rows": assign_rows,
    "write through": write_through,
    "differentiate": differentiate,
    "normalise": normalise,
    "standardise": standardise,
    "schedule": schedule,
}  # fmt: skip


def outcome(names, device, compiled, calls=3):
    """What a program returns and leaves behind, call by call."""
    world = World(device)

    def program(x, scale):
        x = x * scale
        for name in names:
            x = STEPS[name](world, x)
        return x

    run, found = rl.compile(program) if compiled else program, []
    for i in range(calls):
        data = np.cos(np.arange(9.0) * (i + 1)).reshape(3, 3).astype("float32")
        x = rl.tensor(data, device=device, requires_grad=True)
        try:
            z = run(x, 1.0 + i / 4)  # a float may change without a new trace
            value = z.detach().numpy().tobytes()
            if z.requires_grad:
                z.sum().backward()
        except rl.StaleValue:  # the program assigns what its backward pass reads
            return [*found, rl.StaleValue]
        gradient = None if x.grad is None else x.grad.numpy().tobytes()
        found.append((value, gradient, world.state()))
    return found


@pytest.mark.parametrize("device", DEVICES)
@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=6))
@settings(max_examples=120, deadline=None)
def test_a_program_means_the_same_compiled(device, names):
    assert outcome(names, device, compiled=True) == outcome(names, device, compiled=False)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", STEPS)
def test_each_step_alone_and_twice(name, device):
    for names in ([name], [name, name]):
        assert outcome(names, device, compiled=True) == outcome(names, device, compiled=False)


@pytest.mark.parametrize("first", ["descend", "accumulate", "remember", "write through"])
@pytest.mark.parametrize(
    "second", ["affine", "differentiate", "normalise", "standardise", "descend"]
)
def test_what_reads_after_what_assigns(first, second):
    names = [first, second, first]
    assert outcome(names, "numpy", compiled=True) == outcome(names, "numpy", compiled=False)
