"""What an eager step of an optimizer may write over: only what nobody else can see."""

from __future__ import annotations

import contextvars
import gc
import itertools
import signal
import sys
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

import rushlight as rl
import rushlight_nn as nn
from rushlight import ops
from rushlight_numba import memory, program
from rushlight_numba.eager import Programs

# Of a weight that has a block, and of no other in this process: what is patched below stays in the
# program that is made.
SHAPES = ((129 + i, 131) for i in itertools.count())


OPTIMIZERS = {
    "adam": (nn.optim.Adam, {"weight_decay": 0.1}),
    "adamw": (nn.optim.AdamW, {"maximize": True}),
    "nesterov": (nn.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "sgd": (nn.optim.SGD, {"weight_decay": 0.1}),
}


class Training:
    """A weight and a bias, whose gradients are drawn, and their optimizer."""

    def __init__(self, shape, name="adam", device="numba"):
        self.rng = np.random.default_rng(0)
        self.weight = nn.Parameter(self.drawn(*shape).to(device))
        self.bias = nn.Parameter(self.drawn(shape[0]).to(device))
        make, options = OPTIMIZERS[name]
        self.optimizer = make([self.weight, self.bias], lr=0.01, **options)

    def drawn(self, *shape):
        return rl.tensor(self.rng.standard_normal(shape).astype(np.float32))

    def steps(self, n):
        for _ in range(n):
            for p in (self.weight, self.bias):
                p.grad = self.drawn(*p.shape).to(p.device)
            self.optimizer.step()
        return self

    def arrays(self):
        """Of the flat state, then of the parameters; of the latter the last is small."""
        (arrangement,) = self.optimizer._arrangements
        (bucket,) = arrangement.buckets
        return [x._data for x in bucket.targets]

    def copies(self):
        return [x.copy() for x in self.arrays()]

    def addresses(self):
        """Where the large arrays lie."""
        return [x.ctypes.data for x in self.arrays()[:-1]]


def assert_same(arrays, others):
    for x, y in zip(arrays, others, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_writes_over_the_parameter_and_its_state(name):
    shape = next(SHAPES)
    training = Training(shape, name).steps(2)
    before = training.addresses()
    training.steps(3)
    assert training.addresses() == before
    holding = Training(shape, name)
    held = [holding.steps(1).arrays() for _ in range(5)]
    assert len({*(x.ctypes.data for x in itertools.chain(*held))}) == 5 * len(held[0])
    assert_same(training.arrays(), holding.arrays())
    expected = Training(shape, name, "numpy").steps(5)
    for x, y in zip(training.arrays(), expected.arrays(), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


HOLDERS = {
    "detach": lambda p: p.detach(),
    "data": lambda p: p.data,
    "numpy": lambda p: p.detach().numpy(),
    "a row of numpy's": lambda p: p.detach().numpy()[1:2],
    "a view of a view": lambda p: p.detach().view(-1)[5:].numpy()[3:],
    "a view": lambda p: p.detach()[1:],
    "clone": lambda p: p.detach().clone(),
    "another device": lambda p: p.detach().to("numpy"),
    "state_dict": lambda p: nn.ParameterList([p]).state_dict()["0"],
    "dlpack": lambda p: np.from_dlpack(p.detach()),
    "memoryview": lambda p: memoryview(p.detach().numpy()),
    "iterator": lambda p: list(p.detach()),
}


MEMORY = {"dlpack": rl.from_dlpack, "numpy": rl.from_numpy, "part": lambda x: rl.from_numpy(x[:])}


@pytest.mark.parametrize("name", MEMORY)
def test_memory_of_others_is_left_alone(name):
    x = np.ones(next(SHAPES), np.float32)
    p = nn.Parameter(MEMORY[name](x).to("numba"))
    optimizer = nn.optim.SGD([p], lr=0.5)
    for _ in range(2):
        p.grad = rl.ones(*x.shape).to("numba")
        optimizer.step()
    assert (x == 1).all()
    np.testing.assert_array_equal(values(p), 0 * x)


def values(held):
    """What is held, as an array of its own."""
    if isinstance(held, list):
        return np.stack([x.numpy() for x in held])
    return np.array(held.detach().numpy() if isinstance(held, rl.Tensor) else held)


@pytest.mark.parametrize("name", HOLDERS)
def test_what_somebody_holds_is_left_alone(name):
    training = Training(next(SHAPES)).steps(2)
    held = HOLDERS[name](training.weight)
    before, weight = values(held), values(training.weight)
    training.steps(2)
    np.testing.assert_array_equal(values(held), before)
    assert not np.array_equal(values(training.weight), weight)


def test_a_saved_state_is_left_alone():
    shape = next(SHAPES)
    training = Training(shape).steps(2)
    saved = training.optimizer.state_dict()
    before = [values(x) for held in saved["state"].values() for x in held.values()]
    weight, bias = training.weight.detach(), training.bias.detach()
    training.steps(2)
    assert_same([values(x) for held in saved["state"].values() for x in held.values()], before)
    again = Training(shape)
    again.rng.standard_normal((2, shape[0] * (shape[1] + 1)))  # what two steps drew
    with rl.no_grad():
        again.weight.copy_(weight)
        again.bias.copy_(bias)
    again.optimizer.load_state_dict(saved)
    assert_same(again.steps(2).arrays(), training.arrays())
    assert_same([values(weight), values(bias)], Training(shape).steps(2).arrays()[2:])


def test_a_tape_keeps_the_values_that_it_saved():
    training = Training(next(SHAPES)).steps(2)
    loss = training.weight.sin().sum()
    expected = np.cos(values(training.weight))
    kept = training.weight.detach()  # what the tape saved is told from what came after
    training.steps(1)
    training.weight.data, training.weight.grad = kept, None
    loss.backward()
    np.testing.assert_allclose(values(training.weight.grad), expected, rtol=1e-5, atol=1e-6)


def test_a_stale_tape_alone_holds_what_it_saved():
    training = Training(next(SHAPES)).steps(2)
    loss = training.weight.sin().sum()
    before = training.addresses()
    training.steps(1)
    assert [x == y for x, y in zip(training.addresses(), before, strict=True)] == [1, 1, 0]
    with pytest.raises(rl.StaleValue):
        loss.backward()


def test_a_step_after_backward_writes_over():
    rl.manual_seed(0)
    net = nn.Sequential(nn.Linear(150, 151), nn.ReLU(), nn.Linear(151, 152)).to("numba")
    optimizer, x = nn.optim.Adam(net.parameters()), rl.randn(8, 150).to("numba")
    found = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = net(x).square().mean()
        loss.backward()
        optimizer.step()
        found.append([net[0].weight._data.ctypes.data, net[2].weight._data.ctypes.data])
    assert found[1] == found[2] == found[3]
    assert loss.item() > 0


def pair(shape, device):
    """Two parameters that hold one array, in one optimizer, and one of them in another too."""
    p = nn.Parameter(Training(shape, device=device).weight.detach())
    q = nn.Parameter(p.detach())
    assert p._data is q._data
    both = nn.optim.Adam([{"params": [p], "lr": 0.1}, {"params": [q], "lr": 0.2}])
    other = nn.optim.SGD([p], lr=0.3, momentum=0.9)
    rng = np.random.default_rng(1)
    for _ in range(4):
        p.grad = rl.tensor(rng.standard_normal(shape).astype(np.float32)).to(device)
        q.grad = p.grad
        both.step()
        other.step()
    return p.detach().numpy(), q.detach().numpy()


def test_parameters_that_share_an_array_part():
    shape = next(SHAPES)
    for x, y in zip(pair(shape, "numba"), pair(shape, "numpy"), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


def test_a_gradient_that_is_the_parameter_is_left_alone():
    p = nn.Parameter(Training(next(SHAPES)).weight.detach())
    optimizer = nn.optim.SGD([p], lr=0.5)
    for _ in range(3):
        before = values(p)
        p.grad = p.detach()
        g = p.grad
        optimizer.step()
        np.testing.assert_array_equal(values(p), before * 0.5)
        np.testing.assert_array_equal(values(g), before)


def scope_of_last_program():
    """The names that the newest program of Adam sees."""
    cells = rl.device("numba").kernels["adam"].over.__closure__
    (programs,) = [x.cell_contents for x in cells if isinstance(x.cell_contents, Programs)]
    return [*programs.lent.values()][-1].__globals__


def test_what_another_thread_comes_to_hold_at_the_last_moment_is_left_alone(monkeypatch):
    shape = next(SHAPES)
    training, held = Training(shape).steps(2), []
    scope = scope_of_last_program()
    start, looks = scope["start"], False

    def begun(arrays, *over):
        if looks:
            held.append(arrays[2])
        return start(arrays, *over)

    monkeypatch.setitem(scope, "start", begun)
    before = training.addresses()
    assert training.steps(1).addresses() == before
    looks, weight = True, values(training.weight)
    assert not {*before} & {*training.steps(1).addresses()}
    np.testing.assert_array_equal(held[0], weight)
    assert_same(training.arrays(), Training(shape).steps(4).arrays())


def test_other_threads_see_no_array_change():
    training, done, wrong = Training((517, 523)).steps(2), threading.Event(), []
    interval = sys.getswitchinterval()

    def look():
        while not done.is_set():
            for p in (training.weight, training.bias):
                x = p.detach().numpy()
                first = x.copy()
                time.sleep(1e-4)
                wrong.append(not np.array_equal(x, first))

    sys.setswitchinterval(1e-6)
    looking = threading.Thread(target=look)
    looking.start()
    try:
        training.steps(100)
    finally:
        done.set()
        looking.join()
        sys.setswitchinterval(interval)
    assert len(wrong) > 10
    assert not any(wrong)
    assert_same(training.arrays(), Training((517, 523)).steps(102).arrays())
    training.steps(1)
    assert training.addresses() == training.steps(1).addresses()


def test_without_counts_nothing_is_written_over(monkeypatch):
    monkeypatch.setattr(program, "TELLING", False)
    shape = next(SHAPES)
    training = Training(shape).steps(2)
    before = training.addresses()
    assert not {*before} & {*training.steps(1).addresses()}
    expected = Training(shape, device="numpy").steps(3)
    for x, y in zip(training.arrays(), expected.arrays(), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


def test_a_step_without_room_for_its_results_changes_nothing(monkeypatch):
    shape = next(SHAPES)
    training = Training(shape).steps(2)
    before, held = training.copies(), training.weight.detach()

    def full(*_):
        raise MemoryError

    with monkeypatch.context() as patch:
        memory.cache.clear()
        patch.setattr(memory.np, "empty", full)
        with pytest.raises(rl.OutOfMemory):
            training.optimizer.step()
    assert_same(training.arrays(), before)
    np.testing.assert_array_equal(values(held), before[2])


@contextmanager
def after(seconds, error):
    """Inside, a signal's handler raises this, so many seconds from now."""

    def handler(*_):
        raise error

    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
        finally:
            signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, TimeoutError])
def test_what_a_handler_raises_leaves_every_array_whole(kind):
    # in a context of its own, where `no_grad` may have been left in the middle
    assert contextvars.copy_context().run(times_interrupted, kind) == 30


def times_interrupted(kind):
    """In 30 steps.  Each leaves an array as it was or as the step makes it, and made once."""
    training, interrupted = Training((1000 + next(SHAPES)[0], 1000)).steps(2), 0
    kernel = rl.device("numba").kernels["adam"]
    count = training.optimizer._arrangements[0].buckets[0].steps
    grads = [x.grad._data for x in (training.weight, training.bias)]
    for i in range(30):
        before, n = training.copies(), count.value + 1
        numbers = n, 0.01, 0.9, 0.999, 1e-8, 0.1
        made = kernel(*numbers, *before, *grads, decoupled=False, maximize=False)
        try:
            with after(1e-4 * (1 + i % 8), kind("now")):
                training.optimizer.step()
                time.sleep(1e-3)
        except kind:
            interrupted += 1
        gc.collect()  # of the error, whose frames see the arrays
        for x, old, new in zip(training.arrays(), before, made, strict=True):
            assert np.array_equal(x, old) or np.array_equal(x, new)
        count.value = n  # of a step that was not counted, or not made
    return interrupted


def test_a_scaler_that_finds_infinity_skips_the_step():
    training = Training(next(SHAPES)).steps(2)
    scaler = rl.amp.GradScaler("numba", init_scale=4.0)
    before, where = training.copies(), training.addresses()
    scaler.scale((training.weight * float("inf")).sum()).backward()
    scaler.step(training.optimizer)
    scaler.update()
    assert_same(training.arrays(), before)
    training.optimizer.zero_grad()
    scaler.scale((training.weight * training.weight).sum() + training.bias.sum()).backward()
    scaler.step(training.optimizer)
    assert training.addresses() == where
    assert not any(map(np.array_equal, training.arrays(), before))


def inputs(shape, device="numba"):
    """The numbers and the tensors of a step of Adam on one parameter."""
    rng = np.random.default_rng(0)
    flat = shape[0] * shape[1]
    arrays = [rng.random(s, np.float32) for s in ((flat,), (flat,), shape, shape)]
    tensors = [rl.tensor(x).to(device) for x in arrays]
    for x in tensors if device == "numba" else ():
        own = memory.empty(x.shape, x.dtype)
        np.copyto(own, x._data)
        x._data = own
    return tensors


STEP = {"decoupled": False, "maximize": False, "donated": True}


def test_without_donation_or_while_recording_nothing_is_written_over():
    tensors = inputs(next(SHAPES))
    before = [values(x) for x in tensors]
    with rl.no_grad():
        ops.adam(2, 0.1, 0.9, 0.999, 1e-8, 0.0, *tensors, **{**STEP, "donated": False})
    with rl.enable_grad():
        ops.adam(2, 0.1, 0.9, 0.999, 1e-8, 0.0, *tensors, **STEP)
    assert_same(map(values, tensors), before)
    with rl.no_grad():
        made = ops.adam(2, 0.1, 0.9, 0.999, 1e-8, 0.0, *tensors, **STEP)
    assert_same(map(values, tensors[:3]), map(values, made))
    np.testing.assert_array_equal(values(tensors[3]), before[3])


@pytest.mark.parametrize(
    "numbers",
    [(2**70, 0.1, 0.9, 0.999, 1e-8, 0.0), (2, 1, 0.5, 0.5, 1, 0), (True, 0.1, 0.9, 0.9, 1e-8, 0.1)],
    ids=["beyond 64 bits", "integers", "bool"],
)
def test_numbers_of_all_kinds_give_what_they_give_without_donation(numbers):
    shape = next(SHAPES)
    with rl.no_grad():
        for _ in range(2):
            made = ops.adam(*numbers, *inputs(shape), **STEP)
            expected = ops.adam(*numbers, *inputs(shape, "numpy"), **STEP)
            for x, y in zip(made, expected, strict=True):
                np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("turned", [2, 3], ids=["parameter", "gradient"])
def test_what_lies_turned_gives_what_it_gives_without_donation(turned):
    tensors = inputs((143, 143))
    tensors[turned] = tensors[turned].mT
    before = [values(x) for x in tensors]
    with rl.no_grad():
        made = ops.adam(2, 0.1, 0.9, 0.999, 1e-8, 0.0, *tensors, **STEP)
        again = [rl.tensor(x).to("numpy") for x in before]
        expected = ops.adam(2, 0.1, 0.9, 0.999, 1e-8, 0.0, *again, **STEP)
    for x, y in zip(made, expected, strict=True):
        np.testing.assert_allclose(x.numpy(), y.numpy(), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(values(tensors[turned]), before[turned])


def test_a_kernel_that_declines_leaves_it_to_the_other(monkeypatch):
    kernel = rl.device("numba").kernels["adam"]
    monkeypatch.setattr(kernel, "over", lambda *_: None)
    training = Training(next(SHAPES)).steps(2)
    before = training.addresses()
    assert not {*before} & {*training.steps(1).addresses()}
