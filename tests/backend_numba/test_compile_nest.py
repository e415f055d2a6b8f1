"""One nest as a function of arrays, and programs that core runs by such functions."""

from threading import Thread

import numpy as np
import pytest
from fuzz.fused import Interpreter
from fuzz.nest import run_on
from fuzz.programs import drawn, failure

import rushlight as rl
import rushlight_nn as nn
from rushlight.device import _furnish
from rushlight.dtypes import FLOATING
from rushlight.extend import Access, LoopNest, Node, Store, Value, float32
from rushlight.testing.close import assert_close
from rushlight_numba.backend import NumbaBackend
from rushlight_numba.codegen.nest import NestCode

TERMS = 200  # of the longest sum that is compared with numpy's


class ByNest(NumbaBackend):
    """Without what links whole programs."""

    def compile(self, program):
        return None


@pytest.fixture(scope="module")
def backend():
    return NumbaBackend()


@pytest.fixture(scope="module")
def bynest():
    return _furnish("numba", ByNest(), 0)


@pytest.fixture
def written(monkeypatch):
    """The keys of the nests whose code is made or loaded."""
    keys, right = [], NestCode.address
    monkeypatch.setattr(NestCode, "address", lambda code: keys.append(code.key) or right(code))
    monkeypatch.setattr("rushlight_numba.program._native", {})
    return keys


def nests_of(function, *given):
    """The nests that a function becomes."""
    device = _furnish("fused", Interpreter(), 0)
    tensors = [x if isinstance(x, float) else rl.from_numpy(x).to(device) for x in given]
    compiled = rl.compile(function)
    compiled(*tensors)
    (fused,) = [traced.program.fused for some in compiled.traced.values() for traced in some]
    records = [record for record in fused.records if isinstance(record, LoopNest)]
    assert len(records) == len(fused.records)
    return records


def contents(buffer, dtype, seed):
    """An array for a buffer: a value's own shape, or the words of a number."""
    random = np.random.default_rng(seed)
    shape = buffer.shape if isinstance(buffer, Value) else (2,)
    if dtype in FLOATING:
        return random.uniform(0.25, 1.0, shape).astype(dtype)
    return random.integers(0, 2 if dtype.kind == "b" else 6, shape).astype(dtype)


def arrays_of(nest):
    """An array for each read, and for each store; one for each buffer."""
    accesses = [*nest.reads, *(store.access for store in nest.stores)]
    made = {}
    for i, x in enumerate(accesses):
        if x.buffer not in made:
            made[x.buffer] = contents(x.buffer, x.dtype, i)
    return [made[x.buffer] for x in accesses]


def assert_runs(function, nest, *, views=False):
    """The function makes what numpy makes, and leaves what it reads.  views: that is strided."""
    ours, theirs = arrays_of(nest), arrays_of(nest)
    if views:
        ours[: len(nest.reads)] = [strided(x) for x in ours[: len(nest.reads)]]
    assert function(nest, ours) is None
    run_on(nest, theirs, wide=False)
    for i, (x, y) in enumerate(zip(ours, theirs, strict=True)):
        assert_close(f"array {i}", np.ascontiguousarray(x), y, terms=TERMS)


def strided(x):
    """The same elements, two apart along the last axis."""
    return np.repeat(x, 2, -1)[..., ::2] if x.ndim else x


def floats(*shape, dtype=np.float32):
    return np.random.default_rng(shape).uniform(-1, 1, shape).astype(dtype)


def halves(x):
    return x.to(rl.bfloat16)


def graded(x, weight, bias):
    x, weight = (y.detach().requires_grad_() for y in (x, weight))
    z = rl.layer_norm(x, [x.shape[1]], weight, bias)
    return rl.autograd.grad((z * z).sum(), (x, weight))


# A function, and what it is given in a size.
CASES = {
    "elementwise": (lambda x, y: (x.exp() * 2.5 + y).sqrt() / 3.0, lambda n: [floats(n, 7)] * 2),
    "a constant for each size": (lambda x: x * (1 / x.shape[0]) + x.shape[1],
                                 lambda n: [floats(n, 5)]),
    "rows in several passes": (lambda x: (x.softmax(-1), x.amax(1)), lambda n: [floats(3, n)]),
    "sums over outer loops": (lambda x: (x * x).sum(0), lambda n: [floats(n, 19)]),
    "a norm and its gradients": (graded, lambda n: [floats(n, 19), floats(19), floats(19)]),
    "strided and backwards": (lambda x: x.T[::2, ::-1] * 2, lambda n: [floats(n, 8)]),
    "offsets": (lambda x: rl.cat([x[1:, 3:], x[:2, :-3] + 1], 0), lambda n: [floats(n, 9)]),
    "bfloat16": (lambda x: (halves(x) * halves(x) + 1).sum(1), lambda n: [floats(n, 21)]),
    "whole numbers": (lambda x: (x * 3 - x // 4, (x > 2).sum(0)),
                      lambda n: [np.arange(7 * n).reshape(n, 7)]),
    "a lookup": (lambda x, i: rl.index_select(x, 0, i) * 2,
                 lambda n: [floats(n, 6), np.arange(n) % 3]),
    "a scatter": (lambda x, i: rl.zeros(9, 6, device=x.device).index_add(0, i, x),
                  lambda n: [floats(n, 6), np.arange(n) % 5]),
    "a number": (lambda x, rate: x * rate, lambda n: [floats(n, 6), 0.5]),
    "random words": (lambda x: nn.functional.dropout(x, 0.3), lambda n: [floats(n, 6)]),
}  # fmt: skip


@pytest.mark.parametrize("what", CASES)
def test_a_function_serves_all_sizes(what, backend, written):
    function, given = CASES[what]
    for small, large in zip(*(nests_of(function, *given(n)) for n in (5, 61)), strict=True):
        assert small.text() == large.text()
        found = backend.compile_nest(small)
        count = len(written)
        for nest in (small, large, small):
            assert_runs(found, nest)
        assert_runs(found, large, views=True)
        assert len(written) == count == len({*written})
        backend.compile_nest(large)
        assert len(written) == count


def test_it_is_none_for_what_there_is_no_code_for(backend):
    row = frozenset({0})
    read, x = Access("x", (1,), 0, float32), Node("read", (), 0, float32, row)
    made = [Store(1, Access("z", (1,), 0, float32))]
    for name, expected in (("neg", False), ("sort", True)):
        nest = LoopNest((5,), (read,), (x, Node(name, (0,), None, float32, row)), tuple(made))
        assert (backend.compile_nest(nest) is None) is expected
    block = LoopNest((1, 5), (Access(None, (0, 0), 0, float32),), (x,), (Store(0, made[0].access),))
    assert backend.compile_nest(block) is None


def long_sums(n):
    """A nest that is cut into chunks, each of which sums apart."""
    (nest,) = nests_of(lambda x: (x.exp() * x).sum(0), floats(n, 40))
    return nest


def ran(function, nest):
    arrays = arrays_of(nest)
    function(nest, arrays)
    return arrays[-1]


@pytest.fixture
def _threads():
    before = rl.get_num_threads()
    yield
    rl.set_num_threads(before)


@pytest.mark.usefixtures("_threads")
def test_any_number_of_threads_gives_the_same_bits(written):
    backend = rl.device("numba").backend
    nest = long_sums(20_000)
    function = backend.compile_nest(long_sums(3))
    found = []
    for n in (1, 2, 4, 1):
        rl.set_num_threads(n)
        found.append(ran(function, nest))
    assert all(np.array_equal(z, found[0]) for z in found)
    assert len(written) == 3  # the nest, the nest into copies, and what joins them
    arrays = arrays_of(nest)
    run_on(nest, arrays)
    assert_close("the sums", found[0], arrays[-1], terms=20_000)


def test_python_threads_run_it_at_once(backend):
    nests = [nests_of(lambda x: (x.exp() * x).sum(0), floats(n, 40))[0] for n in (90, 4_000)]
    function = backend.compile_nest(nests[0])
    wanted = [ran(function, nest) for nest in nests]
    wrong = []

    def work(i):
        for _ in range(50):
            same = np.array_equal(ran(function, nests[i % 2]), wanted[i % 2])
            wrong.extend([] if same else [i])

    threads = [Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# -- programs that core runs nest by nest ---------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_a_random_program_means_the_same_nest_by_nest(seed, bynest):
    told = failure(drawn(seed), bynest)
    assert not told, told


def losses(device, through, batches):
    """The losses of some training steps."""
    with rl.random.fork_rng():
        rl.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 9), nn.LayerNorm(9), nn.GELU(), nn.Linear(9, 3))
        model = model.to(device)
    optimizer = nn.optim.Adam(model.parameters(), 0.05)

    def step(x, classes):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), classes)
        loss.backward()
        optimizer.step()
        return loss.detach()

    run = through(step)
    given = [(floats(n, 6), np.arange(n) % 3) for n in batches]
    return [run(*[rl.from_numpy(x).to(device) for x in some]).item() for some in given]


def test_a_model_is_trained_and_another_batch_compiles_nothing(bynest, written):
    whole = (8, 8, 8, 8)
    ours = losses(bynest, rl.compile, whole)
    assert len(written) > 5
    np.testing.assert_allclose(ours, losses(bynest, lambda step: step, whole), rtol=1e-4)
    count = len(written)
    mixed = (8, 5, 8, 11)
    ours = losses(bynest, rl.compile, mixed)
    np.testing.assert_allclose(ours, losses(bynest, lambda step: step, mixed), rtol=1e-4)
    assert len(written) == count
