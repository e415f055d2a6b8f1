"""A training step of every layer, loss and optimizer, compiled as a whole, is the step at once."""

from functools import partial

import numpy as np
import pytest
from fuzz.program import beyond, kinds, spreads
from parity.call import Still
from parity.layers import CONTAINERS, LAYERS

import rushlight as rl
import rushlight_nn as nn
from rushlight.errors import BackendUnavailable
from rushlight.testing.case import Values
from rushlight.testing.close import assert_close, assert_same_bits

DEVICES = ["numpy", "numba"]
TERMS = 200  # of the longest sum
GOOD = [
    pytest.param(name, layer, id=f"{name}({layer.label}")
    for name, layers in LAYERS.items()
    for layer in layers
    if not layer.call.bad
]
OPTIMIZERS = {
    "SGD": lambda params: nn.optim.SGD(params, 0.1),
    "SGD-decay": lambda params: nn.optim.SGD(params, 0.1, weight_decay=0.1, maximize=True),
    "SGD-momentum": lambda params: nn.optim.SGD(params, 0.1, momentum=0.9, dampening=0.5),
    "SGD-nesterov": lambda params: nn.optim.SGD(params, 0.1, momentum=0.9, nesterov=True),
    "Adam": lambda params: nn.optim.Adam(params, 0.05, eps=0.01),
    "Adam-decay": lambda params: nn.optim.Adam(
        params, 0.05, (0.8, 0.95), 0.01, weight_decay=0.1, maximize=True
    ),
    "AdamW": lambda params: nn.optim.AdamW(params, 0.05, eps=0.01, weight_decay=0.1),
    "Adam-groups": lambda params: nn.optim.Adam(
        [{"params": params[:1], "lr": 0.01}, {"params": params[1:]}], 0.05, eps=0.01
    ),
}
SCHEDULES = {
    "StepLR": lambda optimizer: nn.optim.lr_scheduler.StepLR(optimizer, 1, 0.5),
    "ExponentialLR": lambda optimizer: nn.optim.lr_scheduler.ExponentialLR(optimizer, 0.7),
    "LinearLR": lambda optimizer: nn.optim.lr_scheduler.LinearLR(optimizer, 0.2),
    "LambdaLR": lambda optimizer: nn.optim.lr_scheduler.LambdaLR(optimizer, lambda n: 1 / (n + 1)),
    "MultiStepLR": lambda optimizer: nn.optim.lr_scheduler.MultiStepLR(optimizer, [1, 3], 0.1),
    "CosineAnnealingLR": lambda optimizer: nn.optim.lr_scheduler.CosineAnnealingLR(optimizer, 4),
}


@pytest.fixture(scope="module", params=DEVICES)
def device(request):
    try:
        return rl.device(request.param)
    except BackendUnavailable as error:
        pytest.skip(str(error))


def programs(compiled):
    return sum(map(len, compiled.traced.values()))


def agree(what, device, run):
    """Compiled, each step leaves what it leaves at once: the same names, types, shapes and bits.

    run: what each step of a training leaves on a device; compiled: whether it is.
    A device that fuses adds in another order, so it may lie as far off as rounding allows, or as
    noise of some units in the last place carries the same steps: where terms cancel, such as in
    the gradient of a bias before a norm, what remains has the size of their rounding, not its own.
    """
    wanted, found = run(device, compiled=False), run(device, compiled=True)
    spread = []
    for i, (ours, theirs) in enumerate(zip(found, wanted, strict=True)):
        assert kinds(ours) == kinds(theirs), f"{what}, step {i}"
        for name, x in theirs.items():
            try:
                compared(f"{what}, step {i}, {name}", device, ours[name], x)
            except AssertionError:
                if not device.backend.compiles:
                    raise
                spread = spread or spreads(partial(run, compiled=False), wanted)
                if beyond(ours[name], x, spread[i][name], TERMS):
                    raise


def compared(what, device, ours, theirs):
    """The same bits where programs replay; else as close as rounding of such sums allows."""
    if not device.backend.compiles:
        assert_same_bits(what, ours, theirs)
    else:
        assert_close(what, ours, theirs, terms=TERMS)


def made(x, device, step, batch=None):
    """Tensors for Values, other ones at each step; batch: so many of the first dim."""
    if isinstance(x, Still):
        return made(x.values, device, step, batch)
    if isinstance(x, Values):
        array = x.array(rl.float32, step + 1, 0.3)
        return rl.from_numpy(np.ascontiguousarray(array[:batch])).to(device)
    return type(x)(made(y, device, step, batch) for y in x) if type(x) in {list, tuple} else x


def flat(x):
    if isinstance(x, (list, tuple)):
        return [z for part in x for z in flat(part)]
    return [x] if isinstance(x, rl.Tensor) else []


def held(model, optimizer, extra):
    """All that a step leaves: results, parameters, buffers, gradients, state, random state."""
    found = {f"result {i}": z for i, z in enumerate(extra)} | model.state_dict()
    found |= {f"{name}.grad": p.grad for name, p in model.named_parameters() if p.grad is not None}
    for i, state in optimizer.state_dict()["state"].items() if optimizer else ():
        found |= {f"{name} of {i}": value for name, value in state.items() if value is not None}
    found = {name: x.numpy(force=True).copy() if isinstance(x, rl.Tensor) else np.asarray(x)
             for name, x in found.items()}  # fmt: skip
    return found | {"counter": np.asarray(rl.get_rng_state()["counter"])}


def trained(model, optimizer, batches, compiled, prepare=None, fault=None):
    """What each step leaves behind, and how many programs were traced.

    prepare: called before each step, with its number.  fault: called after each pass backward.
    """
    params = list(model.parameters())

    def step(*inputs):
        if optimizer:
            optimizer.zero_grad()
        results = [z for z in flat(model(*inputs)) if z.is_floating_point()]
        asked = [z for z in results if z.requires_grad]
        if asked:
            sum((z * z).mean() + z.sum() * 0.01 for z in asked).backward()
        if fault:
            fault(model, optimizer)
        if optimizer:
            optimizer.step()
        return [z.detach() for z in results]

    run = rl.compile(step) if compiled else step
    rl.manual_seed(5)
    found = []
    for i, inputs in enumerate(batches):
        if prepare:
            prepare(i)
        results = run(*inputs)
        found.append(held(model, optimizer, results))
        if not optimizer:
            for p in params:
                p.grad = None
    return found, programs(run) if compiled else 0


def fresh(make, device):
    """A model with the same parameters each time."""
    rl.manual_seed(3)
    return make().to(device)


@pytest.mark.parametrize(("name", "layer"), GOOD)
def test_a_training_step_of_a_layer(name, layer, device):
    args = layer.call.args
    whole = any(isinstance(x, Values) and x.dtype for x in args)

    def run(place, *, compiled):
        model = fresh(lambda: eval(f"n.{name}({layer.given})", {"n": nn}), place)
        params = list(model.parameters())
        optimizer = nn.optim.SGD(params, 0.05, momentum=0.5) if params else None
        batches = [made(args, place, 0 if whole else i) for i in range(4)]
        asking = [[x for x in flat(list(z)) if x.is_floating_point()] for z in batches]
        for x in flat(asking) if not params else ():
            x.requires_grad_()
        # the third in evaluation
        found, _ = trained(model, optimizer, batches, compiled, lambda i: model.train(i != 2))
        for left, inputs in zip(found, asking, strict=True):
            grads = {f"grad of {j}": x.grad for j, x in enumerate(inputs)}
            left |= {key: g.numpy(force=True) for key, g in grads.items() if g is not None}
        return found

    agree(name, device, run)


class Net(nn.Module):
    """Layers of which training differs from evaluation, for rows of 6 numbers."""

    def __init__(self):
        super().__init__()
        self.first, self.norm = nn.Linear(6, 9), nn.BatchNorm1d(9)
        self.drop, self.last = nn.Dropout(0.3), nn.Linear(9, 4, bias=False)

    def forward(self, x):
        return self.last(self.drop(self.norm(self.first(x)).relu()))


def rows(device, sizes):
    """A batch for each size."""
    drawn = [np.random.default_rng(i).uniform(-1, 1, (n, 6)) for i, n in enumerate(sizes)]
    return [(rl.from_numpy(x.astype("float32")).to(device),) for x in drawn]


def steps_of(how, place, compiled, fault=None):
    """What steps of an optimizer leave on a device."""
    model = fresh(Net, place)
    optimizer = OPTIMIZERS[how](list(model.parameters()))
    batches = rows(place, [8, 8, 8, 5, 8, 8])
    found, count = trained(model, optimizer, batches, compiled, fault=compiled and fault)
    # the first step makes the state, and a smaller batch has a shape of its own
    assert count <= 3
    return found


@pytest.mark.parametrize("how", OPTIMIZERS)
def test_several_steps_of_an_optimizer(how, device):
    agree(how, device, lambda place, *, compiled: steps_of(how, place, compiled))


def set_in_groups(name, value):
    """A fault: an option of an optimizer has another value."""

    def fault(_model, optimizer):
        for group in optimizer.param_groups:
            group[name] = value

    return fault


def in_grad(path, change):
    """A fault: the gradient of a parameter is changed."""

    def fault(model, _optimizer):
        with rl.no_grad():
            change(model.get_parameter(path).grad)

    return fault


FAULTS = {
    "no gradient of a bias": ("SGD", in_grad("norm.bias", lambda g: g.zero_())),
    "one gradient 0.1 % off": ("SGD", in_grad("norm.bias", lambda g: g[3].mul_(1.001))),
    "a row counted twice": ("SGD", in_grad("first.weight", lambda g: g[2].mul_(2))),
    "a gradient where terms cancel": ("SGD", in_grad("first.bias", lambda g: g[5].add_(1e-5))),
    "of another sign": ("Adam", in_grad("last.weight", lambda g: g[1, 1].neg_())),
    "another momentum": ("SGD-momentum", set_in_groups("momentum", 0.899)),
    "no dampening": ("SGD-momentum", set_in_groups("dampening", 0.0)),
    "no look ahead": ("SGD-nesterov", set_in_groups("nesterov", value=False)),
    "no decay of SGD": ("SGD-decay", set_in_groups("weight_decay", 0.0)),
    "no decay of AdamW": ("AdamW", set_in_groups("weight_decay", 0.0)),
    "another beta": ("Adam", set_in_groups("betas", (0.9, 0.998))),
    "another eps": ("Adam", set_in_groups("eps", 0.0101)),
    "another rate": ("Adam", set_in_groups("lr", 0.05005)),
    "old statistics": ("SGD", lambda model, _: model.norm.running_var.fill_(1.0)),
}


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_in_a_compiled_step_is_found(what, device):
    how, fault = FAULTS[what]
    with pytest.raises(AssertionError, match=rf"^{how}, step [01], .* elements (are wrong|differ)"):
        agree(how, device, lambda place, *, compiled: steps_of(how, place, compiled, fault))


@pytest.mark.parametrize("how", SCHEDULES)
def test_a_schedule_takes_effect_without_a_new_trace(how, device):
    def run(place, *, compiled):
        model = fresh(Net, place)
        optimizer = nn.optim.Adam(model.parameters(), 0.05, eps=0.01)
        schedule = SCHEDULES[how](optimizer)
        steps, count = trained(
            model, optimizer, rows(place, [4] * 6), compiled, lambda i: i and schedule.step()
        )
        assert count <= 2  # of which the first makes the optimizer's state
        return [*steps, {"lr": np.asarray(optimizer.param_groups[0]["lr"])}]

    agree(how, device, run)


def test_training_and_evaluation_in_turn(device):
    def run(place, *, compiled):
        model = fresh(Net, place)
        optimizer = nn.optim.SGD(model.parameters(), 0.05, momentum=0.9)
        batches = rows(place, [4, 4, 4, 3, 3, 4, 4])
        return trained(model, optimizer, batches, compiled, lambda i: model.train(i % 3 != 1))[0]

    agree("in turn", device, run)


def test_every_layer_and_optimizer_is_here():
    layers = {name for name in nn.layers.__all__ if name not in CONTAINERS}
    assert layers == LAYERS.keys()
    optimizers = {name for name in nn.optim.__all__ if isinstance(getattr(nn.optim, name), type)}
    assert optimizers - {"Optimizer"} == {name.partition("-")[0] for name in OPTIMIZERS}
    kinds = vars(nn.optim.lr_scheduler).values()
    base = nn.optim.lr_scheduler.LRScheduler
    schedules = {k.__name__ for k in kinds if isinstance(k, type) and issubclass(k, base)}
    assert schedules - {"LRScheduler"} == set(SCHEDULES)
