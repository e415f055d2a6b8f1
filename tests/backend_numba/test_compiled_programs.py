"""Compiled programs on `numba` as users meet them: errors, threads, forks, modes, memory, layouts.

That they compute what eager computes is what the random programs and the suite of devices test.
"""

import contextlib
import gc
import os
import resource
import signal
import sys
import threading
import time
import warnings
from functools import partial

import numpy as np
import pytest

import rushlight as rl
import rushlight_nn as nn
from rushlight.errors import IndexOutOfRange, KernelFailed
from rushlight.testing.close import assert_close, assert_same_bits
from rushlight_numba import program
from rushlight_numba.kernels import KERNELS

TERMS = 64  # of the longest sum here


@pytest.fixture
def device():
    return rl.device("numba")


@pytest.fixture(autouse=True)
def _threads():
    """As many threads as before."""
    before = rl.get_num_threads()
    yield
    rl.set_num_threads(before)


def drawn(device, *shape, seed=0, dtype="float32"):
    """Numbers between -1 and 1 on the device."""
    values = np.random.default_rng((seed, *shape)).uniform(-1, 1, shape)
    return rl.tensor(values, dtype=rl.float32).to(device, rl.dtype(dtype))


def array(x):
    return x.detach().numpy(force=True).copy()


def close(what, ours, theirs, terms=TERMS):
    """Two tensors of one type and shape, as close as rounding allows."""
    assert ours.dtype == theirs.dtype, what
    assert_close(what, array(ours), array(theirs), terms=terms)


def agree(function, *given, terms=TERMS):
    """Twice compiled, the function makes what it makes at once.  Returns: the compiled one."""
    compiled = rl.compile(function)
    wanted = function(*given)
    for call in range(2):
        for i, (ours, theirs) in enumerate(zip(compiled(*given), wanted, strict=True)):
            close(f"call {call}, result {i}", ours, theirs, terms)
    return compiled


def programs(compiled):
    """How many programs a compiled function has."""
    return sum(map(len, compiled.traced.values()))


class Net(nn.Module):
    """Products, a norm, a sum over rows, and a kernel that is called."""

    def __init__(self, wide=8):
        super().__init__()
        self.first, self.norm = nn.Linear(6, wide), nn.LayerNorm(wide)
        self.last = nn.Linear(wide, 3)

    def forward(self, x):
        return self.last(self.norm(self.first(x)).tanh())


def made(device, wide=8):
    """A model with the same parameters each time."""
    rl.manual_seed(1)
    return Net(wide).to(device)


def step_of(model, optimizer, through=lambda z: z):
    """A training step that has changed everything when `through` runs."""

    def step(x):
        optimizer.zero_grad()
        loss = model(x).square().mean()
        loss.backward()
        optimizer.step()
        return loss.detach(), through(model.last.weight.detach() * 2.0)

    return step


def state(model, optimizer):
    """All that a step may change."""
    found = {name: array(x) for name, x in model.state_dict().items()}
    for i, kept in optimizer.state_dict()["state"].items():
        found |= {f"{name} of {i}": np.array(array(x) if isinstance(x, rl.Tensor) else x)
                  for name, x in kept.items() if x is not None}  # fmt: skip
    return found


def same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, x in theirs.items():
        assert_same_bits(name, ours[name], x)


# ---- what fails


class Kernel:
    """A kernel that does as it did, after an act."""

    def __init__(self, right):
        self.right, self.act = right, lambda: None

    def __call__(self, *inputs, **params):
        self.act()
        return self.right(*inputs, **params)

    def fails(self, error, times=1000):
        """From now on it raises; so many times."""
        left = [error] * times

        def act():
            if left:
                raise left.pop()

        self.act = act


@pytest.fixture
def sort(device, monkeypatch):
    """The kernel of argsort, in Python: as of what has no native code."""
    monkeypatch.delitem(KERNELS, "argsort")
    kernel = Kernel(device.kernels["argsort"])
    monkeypatch.setitem(device.kernels, "argsort", kernel)
    return kernel


def sorted_by_kernel(z):
    return z.sort(-1)[0] + 1.0


@pytest.mark.parametrize("how", ["SGD", "Adam"])
@pytest.mark.parametrize(
    ("raised", "seen", "words"),
    [
        (
            ValueError("of no use"),
            KernelFailed,
            "^argsort: the kernel of numba failed on .*of no use",
        ),
        (
            MemoryError("too much"),
            KernelFailed,
            "^argsort: the kernel of numba failed on .*too much",
        ),
        (IndexError("row 9 of 3"), IndexOutOfRange, "^argsort: row 9 of 3"),
        (KeyboardInterrupt(), KeyboardInterrupt, None),
        (SystemExit(3), SystemExit, "3"),
    ],
    ids=lambda x: x.__class__.__name__ if isinstance(x, BaseException) else "",
)
def test_a_step_that_fails_changes_nothing(device, sort, how, raised, seen, words):
    model = made(device)
    kinds = {"SGD": lambda p: nn.optim.SGD(p, 0.1, momentum=0.9), "Adam": nn.optim.Adam}
    optimizer = kinds[how](list(model.parameters()))
    step, x = rl.compile(step_of(model, optimizer, sorted_by_kernel)), drawn(device, 5, 6)
    for _ in range(3):
        step(x)
    before = state(model, optimizer)
    sort.fails(raised)
    for _ in range(2):
        with pytest.raises(seen, match=words):
            step(x)
        same(state(model, optimizer), before)
    sort.act = lambda: None
    twin = made(device)
    other = kinds[how](list(twin.parameters()))
    reference = step_of(twin, other, sorted_by_kernel)
    for _ in range(4):
        wanted = reference(x)
    for i, (ours, theirs) in enumerate(zip(step(x), wanted, strict=True)):
        assert_close(f"after a failure, {i}", array(ours), array(theirs), terms=TERMS, wider=8)


def test_a_kernel_that_fails_once_is_reported_as_it_failed(device, sort):
    f, x = rl.compile(lambda x: sorted_by_kernel(x * 2.0)), drawn(device, 4, 5)
    f(x)

    sort.fails(ValueError("once"), times=1)
    with pytest.raises((ValueError, KernelFailed), match="once"):
        f(x)
    close("then", f(x), sorted_by_kernel(x * 2.0))


def test_an_index_out_of_range_names_the_operation_and_changes_nothing(device):
    table, w = drawn(device, 5, 3), drawn(device, 3)
    before = array(w)

    def look_up(i):
        z = table[i] * w
        w.add_(1.0)
        return z.exp()

    f = rl.compile(look_up)
    with rl.no_grad():
        f(rl.tensor([0, 4]).to(device))
        with pytest.raises(IndexOutOfRange, match="5"):
            f(rl.tensor([5, 1]).to(device))
    assert_same_bits("w", array(w), before + 1)


def test_warnings_that_are_errors_are_none(device):
    def odd(x):
        z = (x * 1e38).exp() + x.log() + 1.0 / x + (x * 0.0 - 1.0).sqrt()
        return z, z.sort(-1)[0], x @ (x.mT * float("inf"))

    x = rl.tensor([[0.0, -1.0, 2.0], [-0.0, 3.0, 1e-40]]).to(device)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = odd(x)
    compiled = rl.compile(odd)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            for ours, theirs in zip(compiled(x), wanted, strict=True):
                close("odd", ours, theirs)


def test_a_kernel_that_warns_gives_its_value(device, sort):
    w, x = drawn(device, 3), drawn(device, 4, 5)
    before = array(w)

    def f(x):
        w.add_(1.0)
        return sorted_by_kernel(x * 2.0)

    compiled = rl.compile(f)
    with rl.no_grad():
        compiled(x)
        sort.act = lambda: warnings.warn("be careful", stacklevel=1)
        z = compiled(x)  # warnings are errors in all tests
    sort.act = lambda: None
    close("sorted", z, sorted_by_kernel(x * 2.0))
    assert_same_bits("w, changed once by each call", array(w), before + 1 + 1)


def long_one(x):
    """Milliseconds of native code, before a kernel is called and after."""
    for _ in range(20):
        x = (x.sin() * 1.01 + 0.1).exp().tanh()
    return x.sort(-1)[0].sin() * 2.0


@pytest.mark.usefixtures("sort")
def test_an_interrupt_in_native_code_is_raised(device, monkeypatch):
    f, x = rl.compile(long_one), drawn(device, 200, 1000)
    wanted = array(f(x))
    took = float("inf")  # at the least: a signal that comes after the call is no use
    for _ in range(5):
        begun = time.perf_counter()
        f(x)
        took = min(took, time.perf_counter() - begun)
    # what a handler raises as a callback begins, ctypes tells and drops: the program raises it anew
    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        for part in (0.2, 0.4, 0.6):
            signal.setitimer(signal.ITIMER_REAL, took * part)
            with pytest.raises(KeyboardInterrupt):
                f(x)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert_same_bits("after interrupts", array(f(x)), wanted)


# ---- threads and processes


@pytest.mark.parametrize("n", [1, 2])
def test_threads_run_one_program_at_once(device, n):
    rl.set_num_threads(n)
    model = made(device, 32)

    def f(x):
        z = model(x)
        return z.softmax(-1), sorted_by_kernel(z).sum(0)

    with rl.no_grad():
        compiled = rl.compile(f)
        inputs = [drawn(device, 64, 6, seed=i) for i in range(4)]
        wanted = [[array(z) for z in compiled(x)] for x in inputs]
    failures = []

    def work(i):
        with rl.no_grad():
            for _ in range(100):
                found = [array(z) for z in compiled(inputs[i])]
                if any((x != y).any() for x, y in zip(found, wanted[i], strict=True)):
                    failures.append(i)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert not failures
    assert not any(thread.is_alive() for thread in threads)
    assert programs(compiled) == 1


def in_a_child(act, within=60):
    """The exit status of a forked child that acts, 0 if what it returns is true.

    within: the seconds after which a child that hangs is ended.
    """
    child = os.fork()
    if not child:
        signal.alarm(within)
        status = 1
        with contextlib.suppress(BaseException):
            status = 0 if act() else 1
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_of_a_fork_runs_and_traces_programs(device, n):
    rl.set_num_threads(n)
    f = rl.compile(lambda x: ((x @ x.mT).exp().sum(0), sorted_by_kernel(x)))
    x, y = drawn(device, 200, 200), drawn(device, 30, 40)
    wanted = [array(z) for z in f(x)]

    def act():
        again = all((array(z) == w).all() for z, w in zip(f(x), wanted, strict=True))
        f(y)  # traced here
        close("in the child", f(y)[0], (y @ y.mT).exp().sum(0))
        return again and programs(f) == 2

    assert in_a_child(act) == 0
    assert all((array(z) == w).all() for z, w in zip(f(x), wanted, strict=True))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_while_another_thread_runs_the_program(device):
    rl.set_num_threads(2)
    f, x = rl.compile(lambda x: (x @ x.mT).sin().exp().tanh().sum(0)), drawn(device, 300, 300)

    def as_before():
        return (array(f(x)) == wanted).all()

    wanted, over = array(f(x)), threading.Event()

    def work():
        while not over.is_set():
            f(x)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(3):
            assert in_a_child(as_before, 5) == 0
    finally:
        over.set()
        thread.join()


def test_the_number_of_threads_changes_no_bit(device):
    def f(x, w, c):
        z = rl.layer_norm(x @ w, (160,), eps=1e-5)
        loss = (z.tanh() * c).logsumexp(-1).mean() + z.sum(0).square().sum() * 0.01
        (gradient,) = rl.autograd.grad(loss, [w])
        return loss.detach(), gradient, z.detach().sum(0)

    x, c = drawn(device, 700, 150), drawn(device, 700, 160)
    w = drawn(device, 150, 160).requires_grad_()
    found, compiled = [], rl.compile(f)
    for n in (1, 2, 3, 1):
        rl.set_num_threads(n)
        for run in (compiled, rl.compile(f)):
            found += [[array(z) for z in run(x, w, c)] for _ in range(2)]
    for other in found[1:]:
        for i, (ours, theirs) in enumerate(zip(other, found[0], strict=True)):
            assert_same_bits(f"result {i}", ours, theirs)


def test_a_program_linked_for_one_thread_may_be_run_by_more_later(device, monkeypatch):
    monkeypatch.setattr(program, "processors", lambda: 3)
    rl.set_num_threads(1)
    compiled, x = rl.compile(lambda x: (x @ x).tanh()), drawn(device, 300, 300)
    before = array(compiled(x))
    (traced,) = next(iter(compiled.traced.values()))
    assert traced.program.run.__globals__["program"].head.threads == 3
    rl.set_num_threads(2)
    assert_same_bits("result", array(compiled(x)), before)


def test_ten_thousand_steps_leave_no_memory_behind(device):
    model = made(device)
    optimizer = nn.optim.Adam(list(model.parameters()), 0.001)
    step = rl.compile(step_of(model, optimizer, sorted_by_kernel))
    inputs = [drawn(device, 16, 6, seed=i) for i in range(4)]

    def peak():
        for i in range(5000):
            step(inputs[i % 4])
        gc.collect()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    peak()
    before = peak()
    kilobyte = 1024 if sys.platform == "darwin" else 1
    assert peak() - before < 300 * kilobyte
    assert programs(step) <= 2


def test_programs_that_are_dropped_leave_no_memory_behind(device):
    x = drawn(device, 300, 300)

    def peak():
        for _ in range(30):
            rl.compile(lambda x: (x.sin() @ x).exp().sum(0))(x)
        gc.collect()
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    peak()
    before = peak()
    kilobyte = 1024 if sys.platform == "darwin" else 1
    assert peak() - before < 8 * 300 * 300 * 4 // 1024 * kilobyte  # 30 arenas would be more


# ---- modes


@pytest.mark.parametrize("mode", [rl.no_grad, rl.inference_mode, rl.enable_grad])
def test_modes_of_gradients(device, mode):
    model = made(device)

    def f(x):
        z = model(x)
        return z, z.softmax(-1)

    x = drawn(device, 5, 6)
    compiled = rl.compile(f)
    for _ in range(2):
        with mode():
            wanted = f(x)
            found = compiled(x)
        for ours, theirs in zip(found, wanted, strict=True):
            close(mode.__name__, ours, theirs)
            assert ours.requires_grad is theirs.requires_grad


def test_one_function_in_all_modes(device):
    model = made(device)
    compiled, x = rl.compile(model), drawn(device, 5, 6)
    for _ in range(2):
        with rl.no_grad():
            assert not compiled(x).requires_grad
        assert compiled(x).requires_grad
        with rl.autocast("numba", dtype=rl.bfloat16):
            assert compiled(x).dtype is rl.bfloat16
        with rl.inference_mode():
            assert not compiled(x).requires_grad
    assert programs(compiled) <= 4


def trained_in(device, dtype, run, count=4):
    """Losses and parameters of steps in autocast, float16 with a scaler, one of which overflows."""
    model = made(device, 16)
    optimizer = nn.optim.SGD(list(model.parameters()), 0.05, momentum=0.9)
    scaler = rl.amp.GradScaler("numba", init_scale=2.0**10, enabled=dtype is rl.float16)

    def backward(x):
        optimizer.zero_grad()
        with rl.autocast("numba", dtype=dtype):
            loss = model(x).float().square().mean()
        scaler.scale(loss).backward()
        return loss.detach()

    backward = run(backward)
    losses = []
    for i in range(count):
        x = drawn(device, 7, 6, seed=i)
        losses.append(array(backward(x * 1e30 if i == 2 and dtype is rl.float16 else x)))
        scaler.step(optimizer)
        scaler.update()
    scale = float(scaler.get_scale())
    return losses, {name: array(p) for name, p in model.named_parameters()}, scale


@pytest.mark.parametrize("dtype", [rl.bfloat16, rl.float16], ids=["bfloat16", "float16"])
def test_training_in_autocast(device, dtype):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "overflow|invalid value", RuntimeWarning)
        ours, theirs = (trained_in(device, dtype, run) for run in (rl.compile, lambda f: f))
    # the roundings of the narrow type are not the same where a fused step keeps float32
    narrow = float(rl.finfo(dtype).eps)
    for x, y in zip(ours[0], theirs[0], strict=True):
        assert np.isfinite(x) == np.isfinite(y)
        assert not np.isfinite(y) or abs(x - y) <= 8 * narrow * abs(y)
    for name, y in theirs[1].items():
        assert np.isfinite(y).all()
        assert np.abs(ours[1][name] - y).max() <= 8 * narrow * np.abs(y).max(), name
    assert ours[2] == theirs[2] == (512.0 if dtype is rl.float16 else 1.0)


# ---- inputs


def unaligned(x):
    """A copy that begins at an odd address."""
    memory = bytearray(1) + bytearray(x.tobytes())
    return np.frombuffer(memory, x.dtype, offset=1).reshape(x.shape)


def read_only(x):
    z = x.copy()
    z.flags.writeable = False
    return z


LAYOUTS = {
    "contiguous": np.ascontiguousarray,
    "columns first": np.asfortranarray,
    "turned": lambda x: np.ascontiguousarray(x.T).T,
    "every other": lambda x: np.repeat(x, 2, -1)[:, ::2],
    "backwards": lambda x: x[::-1, ::-1].copy()[::-1, ::-1],
    "rows of more": lambda x: np.pad(x, ((1, 1), (3, 2)))[1:-1, 3:-2],
    "broadcast": lambda x: np.broadcast_to(x[:1], x.shape),
    "read-only": read_only,
    "unaligned": unaligned,
}


@pytest.mark.parametrize("captured", [False, True], ids=["given", "captured"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_arrays_of_any_layout(device, layout, captured):
    rows, w = (
        np.random.default_rng(0).uniform(-1, 1, (37, 45)).astype("float32"),
        drawn(device, 45, 3),
    )
    laid = LAYOUTS[layout](rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a read-only array is shared
        x = rl.from_numpy(laid).to(device)
    wanted = laid.copy()

    def f(x):
        return x @ w, x.exp().sum(0), x.mT * 2.0, x.max(-1)[0], x[3:9, ::2] + 1.0

    with rl.no_grad():
        if captured:
            agree(partial(f, x))
        else:
            compiled = agree(f, x)
            # one program for all layouts
            other = rl.from_numpy(np.ascontiguousarray(rows)).to(device)
            for ours, theirs in zip(compiled(other), f(other), strict=True):
                close("contiguous", ours, theirs)
            assert programs(compiled) == 1
    assert_same_bits("the array", laid, wanted)


@pytest.mark.parametrize(
    "shape",
    [(), (0,), (1,), (0, 3), (3, 0), (1, 1), (2, 0, 3), (1, 7), (7, 1), (17,), (1, 1, 1, 1)],
)
def test_small_and_empty_arrays(device, shape):
    x = drawn(device, *shape).requires_grad_()

    def f(x):
        z = (x * 2.0).tanh() + x.exp()
        loss = z.sum() + (x * x).sum(tuple(range(x.ndim))) * 0.5
        (g,) = rl.autograd.grad(loss, [x])
        return z.detach(), loss.detach(), g, x.detach().sum(), z.detach().reshape(-1)

    compiled = agree(f, x)
    close("again", compiled(x)[2], f(x)[2])


@pytest.mark.parametrize("m", [0, 1, 2, 17])
@pytest.mark.parametrize("k", [0, 1, 3, 33])
@pytest.mark.parametrize("n", [0, 1, 16, 31])
def test_products_of_any_size(device, m, k, n):
    x, y, c = drawn(device, m, k), drawn(device, k, n), drawn(device, n)
    agree(lambda x, y, c: ((x @ y + c).relu(), (x * 2.0) @ y, (y.mT @ x.mT).sum(0)), x, y, c)


@pytest.mark.parametrize("dtype", ["float64", "float16", "bfloat16"])
def test_programs_of_other_floating_types(device, dtype):
    x, w = (drawn(device, *shape, dtype=dtype) for shape in ((9, 20), (20, 5)))

    def f(x, w):
        z = x @ w
        return z, x.exp() + 1.0, x.sum(-1), z.softmax(-1), x.float() * 2.0, x.to(rl.int32)

    compiled, wanted = rl.compile(f), f(x, w)
    for _ in range(2):
        for i, (ours, theirs) in enumerate(zip(compiled(x, w), wanted, strict=True)):
            assert ours.dtype == theirs.dtype
            assert_close(f"result {i}", array(ours), array(theirs), terms=20, wider=2)


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64", "uint8", "uint32", "bool"])
def test_programs_of_whole_numbers(device, dtype):
    info = None if dtype == "bool" else rl.iinfo(rl.dtype(dtype))
    edges = [0, 1] if info is None else [info.min, info.max, info.max - 1, 0, 1, 2, 3]
    drawn_ones = np.random.default_rng(3).integers(0, 2 if info is None else 100, 57)
    x = rl.from_numpy(np.append(edges, drawn_ones).astype(dtype)).to(device)
    y = rl.from_numpy(np.append(drawn_ones[::-1], edges).astype(dtype)).to(device)

    def f(x, y):
        z = x.float() * 0.5, x == y, x < y, rl.where(x > y, x, y), x & y, x | y, x ^ y, ~x
        if dtype == "bool":
            return *z, x.sum(), x.any(), x.all(), rl.maximum(x, y)
        wide = x.sum(), x * y, x + y, x - y, x.max(), x.min(), x // (y % 7 + 1), x % (y % 5 + 1)
        return *z, *wide, x << (y % 4), x >> 1, x.to(rl.int64) * 3, x.bool()

    wanted, compiled = f(x, y), rl.compile(f)
    for _ in range(2):
        for i, (ours, theirs) in enumerate(zip(compiled(x, y), wanted, strict=True)):
            assert_same_bits(f"result {i}", array(ours), array(theirs))


# ---- what is captured


def test_parameters_that_are_replaced(device):
    model, x = made(device), drawn(device, 5, 6)
    compiled = rl.compile(model)
    other = made(device)
    with rl.no_grad():
        for p in other.parameters():
            p.mul_(0.5)

        def check(what):
            close(what, compiled(x), model(x))

        check("at first")
        model.first.weight.data = drawn(device, 8, 6, seed=4)
        check("another array")
        model.first.weight.data = rl.from_numpy(
            np.asfortranarray(array(drawn(device, 8, 6, seed=5)))
        ).to(device)
        check("of another layout")
        model.load_state_dict(other.state_dict())
        check("loaded")
        close("as the other", compiled(x), other(x))
        model.first.weight[2:4] = 0.25
        check("changed in part")
        model.last.bias.copy_(drawn(device, 3, seed=9))
        check("copied into")
        model.double()
        close("in float64", compiled(x.double()), model(x.double()))
        model.float()
        check("and back")
        model.first = nn.Linear(6, 8).to(device)
        check("another layer")
        model.to("numpy")
        close("elsewhere", compiled(x.to("numpy")), model(x.to("numpy")))
        model.to(device)
        check("here again")


def test_one_tensor_as_two_arguments(device):
    def f(x, y, w):
        x = x * 2.0
        return x + y, x @ w, w.mul_(2.0), y - w

    compiled = rl.compile(f)
    for aliased in ("xy", "xw", "yw", "xyw", ""):
        tensors = [{n: drawn(device, 4, 4, seed=i) for i, n in enumerate("xyw")} for _ in range(2)]
        for names in tensors:
            for name in aliased:
                names[name] = names[aliased[0]]
        found, wanted = (
            run(*names.values()) for run, names in zip((compiled, f), tensors, strict=True)
        )
        for i, (ours, theirs) in enumerate(zip(found, wanted, strict=True)):
            close(f"{aliased}, {i}", ours, theirs)


def test_what_users_hold_of_parameters(device):
    model = made(device)
    optimizer = nn.optim.SGD(list(model.parameters()), 0.1, momentum=0.9)
    step, x = rl.compile(step_of(model, optimizer)), drawn(device, 5, 6)
    twin = made(device)
    other = nn.optim.SGD(list(twin.parameters()), 0.1, momentum=0.9)
    reference = step_of(twin, other)
    for i in range(8):
        copied = {name: array(p) for name, p in model.named_parameters()}
        moments = [array(s["momentum_buffer"]) for s in optimizer.state.values()]
        held = {name: p.detach().numpy() for name, p in model.named_parameters()}
        step(x), reference(x)
        for name, before in copied.items():
            # what numpy() gave is either the parameter's memory or what it was: never anything else
            now = array(model.get_parameter(name))
            assert (held[name] == before).all() or (held[name] == now).all(), (i, name)
            assert (now != before).any()
        assert len(moments) in {0, 6}
        for name, p in twin.named_parameters():
            close(f"step {i}, {name}", model.get_parameter(name), p)


def test_copies_that_users_hold_keep_their_values(device):
    model = made(device)
    optimizer = nn.optim.SGD(list(model.parameters()), 0.1)
    step, x = rl.compile(step_of(model, optimizer)), drawn(device, 5, 6)
    kept = []
    for _ in range(10):
        loss, doubled = step(x)
        weight = model.last.weight.detach()
        views = [doubled[1:].numpy(), memoryview(doubled.numpy()), doubled.mT, loss.numpy()]
        kept.append((views, [np.array(v) if not isinstance(v, rl.Tensor) else array(v)
                             for v in views], weight.clone(), array(weight)))  # fmt: skip
        del doubled, weight
    for views, values, clone, weight in kept:
        for view, value in zip(views, values, strict=True):
            assert (np.asarray(array(view) if isinstance(view, rl.Tensor) else view) == value).all()
        assert (array(clone) == weight).all()


def test_views_of_parameters_that_are_changed_outside(device):
    model = made(device)
    row, flat = model.first.weight.detach()[1], model.first.weight.detach().reshape(-1)
    optimizer = nn.optim.SGD(list(model.parameters()), 0.1)
    step, x = rl.compile(step_of(model, optimizer)), drawn(device, 5, 6)
    twin = made(device)
    reference = step_of(twin, nn.optim.SGD(list(twin.parameters()), 0.1))
    their_row, their_flat = twin.first.weight.detach()[1], twin.first.weight.detach().reshape(-1)
    for i in range(5):
        step(x), reference(x)
        for one, other in ((row, their_flat[6:12]), (their_row, flat[6:12])):
            close(f"step {i}, a view", one, other)
        for one in (row, their_row):
            one.mul_(0.5)
        for one in (flat, their_flat):
            one[-2:] = float(i)
        for name, p in twin.named_parameters():
            close(f"step {i}, {name}", model.get_parameter(name), p)


def test_results_given_back_as_arguments(device):
    f = rl.compile(lambda x, y: (x * 2.0 - y, y.mT.tanh().mT, x))
    x, y = drawn(device, 30, 30), drawn(device, 30, 30, seed=1)
    theirs = x, y
    for i in range(10):
        x, y, given = f(x, y)
        a, b = theirs
        theirs = a * 2.0 - b, b.mT.tanh().mT
        close(f"call {i}", x, theirs[0])
        close(f"call {i}", y, theirs[1])
        close(f"call {i}", given, a)
