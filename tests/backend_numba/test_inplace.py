"""What a compiled step may write over: only what nobody else can see."""

from __future__ import annotations

import _thread
import operator
import signal
import threading
import time
from contextlib import contextmanager

import numpy as np
import pytest

import rushlight as rl
import rushlight_nn as nn
from rushlight_numba import entry, inplace, program

ROWS, COLUMNS = 24, 24


@pytest.fixture(autouse=True)
def _small_is_large(monkeypatch):
    """Small results are written over too; threads that other tests left behind are nobody."""
    monkeypatch.setattr(inplace, "LARGE", 0)
    monkeypatch.setattr(entry, "_count", lambda: 0)


def drawn(*shape):
    """A tensor on the device, the same at every call."""
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    return rl.tensor(x).to("numba")


class Training:
    """A small network, its optimizer, and a compiled step of it."""

    def __init__(self, make=nn.optim.Adam, **options):
        rl.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 5)).to("numba")
        self.optimizer = make(self.net.parameters(), lr=0.01, **options)
        self.x, self.y = drawn(32, 20), rl.arange(32).to("numba") % 5
        self.step = rl.compile(self.eager)

    def eager(self, x, y):
        self.optimizer.zero_grad()
        loss = nn.functional.cross_entropy(self.net(x), y)
        loss.backward()
        self.optimizer.step()
        return loss

    def arrays(self):
        """Of the parameters, then of their moments."""
        (arrangement,) = self.optimizer._arrangements
        flat = [x for bucket in arrangement.buckets for x in bucket.flat]
        return [x._data for x in (*self.net.parameters(), *flat)]

    def steps(self, n):
        for _ in range(n):
            self.step(self.x, self.y)
        return self


def addresses(training):
    """Where its arrays lie."""
    return [x.ctypes.data for x in training.arrays()]


OPTIMIZERS = {
    "adam": (nn.optim.Adam, {}),
    "adamw": (nn.optim.AdamW, {"weight_decay": 0.1}),
    "momentum": (nn.optim.SGD, {"momentum": 0.9, "nesterov": True}),
    "sgd": (nn.optim.SGD, {}),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_writes_over_parameters_and_moments(name):
    make, options = OPTIMIZERS[name]
    held_on_to = Training(make, **options)
    held = []
    for _ in range(5):
        held_on_to.steps(1)
        held.append(held_on_to.arrays())
    training = Training(make, **options).steps(2)
    before = addresses(training)
    training.steps(3)
    assert addresses(training) == before
    for i in range(4):
        assert not any(map(operator.is_, held[i], held[i + 1]))
    for mine, other in zip(training.arrays(), held[-1], strict=True):
        np.testing.assert_array_equal(mine, other)


HOLDERS = {
    "detach": lambda p: p.detach(),
    "numpy": lambda p: p.detach().numpy(),
    "a row of numpy's": lambda p: p.detach().numpy()[1:2],
    "a view": lambda p: p.detach()[1:],
    "state_dict": lambda p: nn.ParameterList([p]).state_dict(),
    "dlpack": lambda p: np.from_dlpack(p.detach()),
    "tape": lambda p: p.sin(),
    "memoryview": lambda p: memoryview(p.detach().numpy()),
}


def values(held):
    """What is held, as an array of its own."""
    held = held["0"] if isinstance(held, dict) else held
    if isinstance(held, rl.Tensor):
        held = held.detach().numpy()
    return np.array(held)


@pytest.mark.parametrize("name", HOLDERS)
def test_what_somebody_holds_is_left_alone(name):
    training = Training().steps(2)
    weight = training.net[0].weight
    held = HOLDERS[name](weight)
    before, parameter = values(held), values(weight)
    training.steps(2)
    np.testing.assert_array_equal(values(held), before)
    assert not np.array_equal(values(weight), parameter)


def test_a_tape_from_before_keeps_its_value_until_it_is_used():
    training = Training().steps(2)
    weight = training.net[0].weight
    expected = np.cos(values(weight))
    z = weight.sin().sum()
    kept = weight.detach()  # what the tape keeps is told from what the parameter holds next
    training.steps(1)
    weight.data = kept
    weight.grad = None
    z.backward()
    np.testing.assert_allclose(values(weight.grad), expected, rtol=1e-5, atol=1e-6)


def test_beside_another_thread_nothing_is_written_over(monkeypatch):
    monkeypatch.setattr(entry, "_count", _thread._count)
    training, done = Training().steps(2), threading.Event()
    other = threading.Thread(target=done.wait)
    other.start()
    try:
        before = addresses(training)
        training.steps(1)
        after = addresses(training)
    finally:
        done.set()
        other.join()
    assert not {*before} & {*after}
    alone = Training().steps(3)
    for mine, expected in zip(training.arrays(), alone.arrays(), strict=True):
        np.testing.assert_array_equal(mine, expected)


@pytest.mark.parametrize("make", ["adam", "momentum"])
def test_a_step_that_fails_changes_nothing(make):
    kind, options = OPTIMIZERS[make]
    training = Training(kind, **options).steps(3)
    before = [x.copy() for x in training.arrays()]
    for _ in range(2):
        with pytest.raises(rl.IndexOutOfRange, match="index 9 is out of range"):
            training.step(training.x, training.y * 0 + 9)
        for mine, expected in zip(training.arrays(), before, strict=True):
            np.testing.assert_array_equal(mine, expected)
    training.steps(2)
    undisturbed = Training(kind, **options).steps(5)
    for mine, expected in zip(training.arrays(), undisturbed.arrays(), strict=True):
        np.testing.assert_array_equal(mine, expected)


def test_a_kernel_that_fails_changes_nothing():
    p = nn.Parameter(drawn(300, 300))
    optimizer = nn.optim.SGD([p], lr=0.1, momentum=0.9)

    @rl.compile
    def step(x):
        optimizer.zero_grad()
        factor = rl.linalg.cholesky(x)
        loss = (p * factor).sum()
        loss.backward()
        optimizer.step()
        return loss

    good = rl.eye(300).to("numba")
    for _ in range(3):
        step(good)
    before = values(p)
    with pytest.raises(rl.RushlightError):
        step(-good)
    np.testing.assert_array_equal(values(p), before)
    step(good)
    assert not np.array_equal(values(p), before)


# what two tensors become, given what they were
UPDATES = {
    "elementwise": lambda a, b: (a * 2 + b, b.tanh()),
    "swapped": lambda a, b: (b + 1, a * 2),
    "product": lambda a, b: (a @ b, b @ b),
    "turned": lambda a, b: (a.mT + b, b + 1),
    "reversed": lambda a, b: (a.flip(0) * 0.5, b.flip(1)),
    "rows": lambda a, b: (a.softmax(1), b - b.mean(1, keepdim=True)),
    "columns": lambda a, b: (a.softmax(0), b - b.mean(0, keepdim=True)),
    "shifted": lambda a, b: (a.roll(1, 0) + a, rl.cat([b[1:], b[:1]])),
    "running": lambda a, b: (a.cumsum(1) * 0.1, b.cumsum(0) * 0.1),
    "chosen": lambda a, b: (a[[*range(ROWS)][::-1]], b + a),
    "folded": lambda a, b: (a.reshape(-1, 2).flip(1).reshape(a.shape), b * b),
    "shared": lambda a, b: (a + b, a + b),
    "epilogue": lambda a, b: (a - 0.1 * (b @ b), b - 0.1 * (b.mT @ b)),
    "operand and epilogue": lambda a, b: (a - 0.1 * (a @ b), b * a.sum()),
    "cut": lambda a, b: (rl.cat([a[:3] * 2, a[3:] + b[3:]]), b),
    "crossed": lambda a, b: (rl.cat([a[12:], a[:12]]), b * 2),
}


def follow(update, device, calls=4):
    """The two tensors after some calls of the update, compiled on numba and plain elsewhere."""
    a, b = (x.to(device) for x in (drawn(ROWS, COLUMNS) * 0.2, drawn(COLUMNS, ROWS).mT * 0.3))
    a, b = a.clone(), b.contiguous().clone()

    def run():
        first, second = update(a, b)
        a.copy_(first)
        b.copy_(second)

    run = rl.compile(run) if device == "numba" else run
    for _ in range(calls):
        run()
    return a.numpy(), b.numpy()


@pytest.mark.parametrize("name", UPDATES)
def test_an_update_is_that_of_eager(name):
    made = [follow(UPDATES[name], device) for device in ("numba", "numpy")]
    for mine, expected in zip(*made, strict=True):
        np.testing.assert_allclose(mine, expected, rtol=2e-4, atol=2e-5)


def test_an_update_that_reads_elsewhere_needs_the_proof(monkeypatch):
    """Without `follows` some of the updates above go wrong: they would show what it misses."""
    monkeypatch.setattr(inplace, "follows", lambda *_: True)
    wrong = set()
    for name, update in UPDATES.items():
        pairs = zip(follow(update, "numba"), follow(update, "numpy"), strict=True)
        if not all(np.allclose(x, y, rtol=2e-4, atol=2e-5) for x, y in pairs):
            wrong.add(name)
    assert {"swapped", "turned", "reversed", "shifted", "crossed"} <= wrong, wrong


def chain(x, links):
    """Each link reads all of what the one before made, so that it cannot be the same loops."""
    z = x @ x.mT
    for _ in range(links):
        z = (z * (z.sum(0, keepdim=True) * 0.01)).sin()
    return z.sum()


def arrays_between(n, links):
    """How many arrays of n x n the memory between the records of `chain` has room for."""
    compiled, x = rl.compile(chain), drawn(n, 8) * 0.1
    made, expected = compiled(x, links), chain(x.to("numpy"), links)
    np.testing.assert_allclose(made.item(), expected.item(), rtol=1e-4)
    (traced,) = next(iter(compiled.traced.values()))
    return traced.program.run.report().arena_bytes / (4 * n * n)


def test_what_ends_where_another_begins_gives_it_its_memory(monkeypatch):
    assert 1 <= arrays_between(200, 6) < 1.5
    monkeypatch.setattr(program, "successors", lambda *_: {})
    assert 2 <= arrays_between(200, 6) < 2.5


def test_small_results_are_not_asked_about(monkeypatch):
    monkeypatch.undo()
    training = Training().steps(2)
    before = addresses(training)
    training.steps(1)
    assert not {*before} & {*addresses(training)}


@contextmanager
def after(seconds, handler):
    """Inside, the handler of a signal is called once, so many seconds from now."""
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
        finally:
            signal.signal(signal.SIGALRM, before)


def interrupt(*_):
    raise KeyboardInterrupt


def large():
    """A training whose step takes a millisecond or so."""
    training = Training()
    training.net = nn.Sequential(nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 512)).to("numba")
    training.optimizer = nn.optim.Adam(training.net.parameters())
    training.x, training.y = drawn(256, 512), rl.arange(256).to("numba")
    return training.steps(3)


def interrupted(training, y, seconds):
    """Whether a step was: it is begun, and a signal comes after so many seconds."""
    try:
        with after(seconds, interrupt):
            training.step(training.x, y)
            time.sleep(2 * seconds)
    except (KeyboardInterrupt, rl.IndexOutOfRange) as error:
        return isinstance(error, KeyboardInterrupt)
    return False


def test_a_step_that_is_interrupted_is_made_or_not():
    training, steps = large(), 3
    for i in range(20):
        before = [x.copy() for x in training.arrays()]
        interrupted(training, training.y, 1e-4 * (1 + i % 5))
        changed = {not np.array_equal(x, y) for x, y in zip(training.arrays(), before, strict=True)}
        assert len(changed) == 1, "a part of the step was made"
        steps += changed.pop()
        (arrangement,) = training.optimizer._arrangements
        assert arrangement.buckets[0].steps.value == steps


def test_no_signal_stays_blocked():
    training, before = large(), signal.pthread_sigmask(signal.SIG_BLOCK, ())
    for i in range(200):
        try:
            with after(1e-5 + 1e-6 * i, interrupt):
                training.steps(1)
                time.sleep(1e-3)
        except KeyboardInterrupt:
            pass
        assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_a_step_lives_on_after_a_failure_that_was_interrupted():
    training = large()
    for i in range(20):
        interrupted(training, training.y + 100_000, 1e-4 * (1 + i % 5))
        before = [x.copy() for x in training.arrays()]
        training.steps(1)
        assert not any(map(np.array_equal, training.arrays(), before))


def test_a_handler_may_call_the_step_that_it_interrupted():
    training, losses = large(), []
    with after(3e-4, lambda *_: losses.append(training.step(training.x, training.y).item())):
        while not losses:
            training.steps(1)
    assert np.isfinite(losses).all()


def test_measuring_repeats_no_record_on_what_it_wrote():
    table, i = drawn(4096, 64), rl.arange(2000).to("numba")

    @rl.compile
    def f(i):
        first = (i.cumsum(0) * 0 + i * 2).sort(0).values
        chosen = (first.flip(0) + 1).sort(0).values
        return table[chosen].sum(1), chosen

    before = [z.numpy().copy() for z in f(i)]
    assert "records" in f.measure(i)
    for z, expected in zip(f(i), before, strict=True):
        np.testing.assert_array_equal(z.numpy(), expected)
