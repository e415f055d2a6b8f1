"""A training step of every layer, loss and optimizer, compiled as a whole, is the step at once."""

import copy

import numpy as np
import pytest
from parity.call import Still
from parity.layers import CONTAINERS, LAYERS

import rushlight as rl
import rushlight_nn as nn
from rushlight.errors import BackendUnavailable
from rushlight.testing.case import Values
from rushlight.testing.close import assert_close, assert_same_bits
from rushlight.testing.program import replays

DEVICES = ["numpy", "numba"]
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


def agree(what, device, ours, theirs, wider=1.0):
    """The same names, types and shapes; the same bits, or as close as rounding allows."""
    assert ours.keys() == theirs.keys(), what
    for name, x in theirs.items():
        if replays(device):
            assert_same_bits(f"{what}, {name}", ours[name], x)
        else:
            # an optimizer divides gradients by their own size, and sums are of some hundred terms
            assert_close(f"{what}, {name}", ours[name], x, terms=200, wider=4 * wider)


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


def trained(model, optimizer, batches, compiled, prepare=lambda step, model: None):
    """What each step leaves behind, and how many programs were traced."""
    params = list(model.parameters())

    def step(*inputs):
        results = [z for z in flat(model(*inputs)) if z.is_floating_point()]
        asked = [z for z in results if z.requires_grad]
        if asked:
            sum((z * z).mean() + z.sum() * 0.01 for z in asked).backward()
        if optimizer:
            optimizer.step()
            optimizer.zero_grad()
        return [z.detach() for z in results]

    run = rl.compile(step) if compiled else step
    rl.manual_seed(5)
    found = []
    for i, inputs in enumerate(batches):
        prepare(i, model)
        results = run(*inputs)
        found.append(held(model, optimizer, results))
        if not optimizer:
            for p in params:
                p.grad = None
    return found, programs(run) if compiled else 0


def pair(make):
    """Two models with the same parameters."""
    rl.manual_seed(3)
    model = make()
    return model, copy.deepcopy(model)


@pytest.mark.parametrize(("name", "layer"), GOOD)
def test_a_training_step_of_a_layer(name, layer, device):
    args = layer.call.args
    whole = any(isinstance(x, Values) and x.dtype for x in args)
    given = f"n.{name}({layer.given})"
    make = lambda: eval(given, {"n": nn}).to(device)  # noqa: E731
    found = []
    for compiled, model in zip((False, True), pair(make), strict=True):
        params = list(model.parameters())
        optimizer = nn.optim.SGD(params, 0.05, momentum=0.5) if params else None
        batches = []
        for i in range(4):
            inputs = made(args, device, 0 if whole else i)
            for x in flat(list(inputs)):
                if x.is_floating_point() and not params:
                    x.requires_grad_()
            batches.append(inputs)

        def prepare(step, model):
            model.train(step != 2)  # the third in evaluation

        steps, _ = trained(model, optimizer, batches, compiled, prepare)
        grads = [{f"{j}": x.grad.numpy() for j, x in enumerate(flat(list(inputs)))
                  if x.grad is not None} for inputs in batches]  # fmt: skip
        found.append((steps, grads))
    (theirs, their_grads), (ours, our_grads) = found
    for i, (x, y) in enumerate(zip(ours, theirs, strict=True)):
        agree(f"{name}, step {i}", device, x, y)
        agree(f"{name}, gradients of step {i}", device, our_grads[i], their_grads[i])


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


@pytest.mark.parametrize("how", OPTIMIZERS)
def test_several_steps_of_an_optimizer(how, device):
    found, batches = [], rows(device, [8, 8, 8, 5, 8, 8])
    for compiled, model in zip((False, True), pair(lambda: Net().to(device)), strict=True):
        optimizer = OPTIMIZERS[how](list(model.parameters()))
        steps, count = trained(model, optimizer, batches, compiled)
        found.append(steps)
        # the first step makes the state, and a smaller batch has a shape of its own
        assert count <= 3
    for i, (theirs, ours) in enumerate(zip(*found, strict=True)):
        agree(f"{how}, step {i}", device, ours, theirs, wider=2.0**i)


@pytest.mark.parametrize("how", SCHEDULES)
def test_a_schedule_takes_effect_without_a_new_trace(how, device):
    found, batches = [], rows(device, [4] * 6)
    for compiled, model in zip((False, True), pair(lambda: Net().to(device)), strict=True):
        optimizer = nn.optim.Adam(model.parameters(), 0.05, eps=0.01)
        schedule = SCHEDULES[how](optimizer)

        def prepare(step, model, schedule=schedule, optimizer=optimizer):
            if step:
                schedule.step()

        steps, count = trained(model, optimizer, batches, compiled, prepare)
        found.append([*steps, {"lr": np.asarray(optimizer.param_groups[0]["lr"])}])
        assert count <= 2  # of which the first makes the optimizer's state
    for i, (theirs, ours) in enumerate(zip(*found, strict=True)):
        agree(f"{how}, step {i}", device, ours, theirs, wider=2.0**i)


def test_training_and_evaluation_in_turn(device):
    found, batches = [], rows(device, [4, 4, 4, 3, 3, 4, 4])
    for compiled, model in zip((False, True), pair(lambda: Net().to(device)), strict=True):
        optimizer = nn.optim.SGD(model.parameters(), 0.05, momentum=0.9)
        steps, _ = trained(
            model, optimizer, batches, compiled, lambda i, model: model.train(i % 3 != 1)
        )
        found.append(steps)
    for i, (theirs, ours) in enumerate(zip(*found, strict=True)):
        agree(f"step {i}", device, ours, theirs, wider=2.0**i)


def test_every_layer_and_optimizer_is_here():
    layers = {name for name in nn.layers.__all__ if name not in CONTAINERS}
    assert layers == LAYERS.keys()
    optimizers = {name for name in nn.optim.__all__ if isinstance(getattr(nn.optim, name), type)}
    assert optimizers - {"Optimizer"} == {name.partition("-")[0] for name in OPTIMIZERS}
    kinds = vars(nn.optim.lr_scheduler).values()
    base = nn.optim.lr_scheduler.LRScheduler
    schedules = {k.__name__ for k in kinds if isinstance(k, type) and issubclass(k, base)}
    assert schedules - {"LRScheduler"} == set(SCHEDULES)
