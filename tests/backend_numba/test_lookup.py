"""What is looked up, and put, at indices in compiled programs: as eager, and of few records."""

import numpy as np
import pytest
from fuzz.fused import execute
from fuzz.nest import run

import rushlight as rl
from rushlight.compiler.fuse import Call, fuse
from rushlight.compiler.nest import Access, LoopNest, Node, Store
from rushlight.compiler.simplify import simplify
from rushlight.dtypes import as_dtype, int64
from rushlight_numba.codegen.nest import NestCode

NUMBA = "numba"


def numbers(*shape, dtype="float32", asks=False):
    x = np.random.default_rng(len(shape)).normal(size=shape)
    return rl.tensor(x.astype(dtype), device=NUMBA).requires_grad_(asks)


def places(n, *shape, dtype="int64"):
    x = np.random.default_rng(7).integers(0, n, shape)
    return rl.tensor(x.astype(dtype), device=NUMBA)


def records(fn, *given):
    """What a function becomes: the records of its program."""
    (program,) = compiled(fn, *given)
    fused = fuse(simplify(program.graph), places(1).device.backend.policy)
    return fused.records


def compiled(fn, *given):
    """The programs of a function after one call."""
    made = rl.compile(fn)
    made(*given)
    return [traced.program for found in made.traced.values() for traced in found]


def assert_same(fn, *given):
    """Compiled as eager, to the bit."""
    wanted, found = fn(*given), rl.compile(fn)(*given)
    assert found.numpy().tobytes() == wanted.numpy().tobytes()


def kinds(found):
    return [type(record) for record in found]


def assert_lawful(fn, *given):
    """The records keep the laws of memory, and numpy makes of them what eager does."""
    (program,) = compiled(fn, *given)
    fused = fuse(simplify(program.graph), places(1).device.backend.policy)
    leaves = [x.numpy(force=True) for x in given]
    assert len(leaves) == len(program.graph.inputs)
    assert execute(fused, *leaves)[0].tobytes() == fn(*given).numpy().tobytes()


def cross_entropy(x, y):
    x.grad = None
    loss = rl.cross_entropy(x, y)
    loss.backward()
    return loss


def test_cross_entropy_calls_no_kernel():
    found = records(cross_entropy, numbers(12, 65, asks=True), places(65, 12))
    assert Call not in kinds(found)
    assert sum(record.extents[-1] == 65 for record in found) == 1


def log_likelihood(x, y):
    x.grad = None
    picked = x.log_softmax(1).gather(1, y.reshape(-1, 1))
    picked.sum().backward()
    return x.grad


def test_a_pick_and_its_gradient_are_one_nest():
    found = records(log_likelihood, numbers(12, 65, asks=True), places(65, 12))
    assert sum(isinstance(r, LoopNest) and r.extents[-1] == 65 for r in found) == len(found) - 1


ODD = [0.0, -0.0, float("inf"), -float("inf"), float("nan"), 1.5]


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
def test_a_pick_leaves_every_bit(dtype):
    x = rl.tensor(np.array([ODD, ODD[::-1]] * 3, dtype), device=NUMBA)
    y = rl.tensor(np.arange(6).reshape(6, 1), device=NUMBA)
    assert_same(lambda x, y: (x * 1.0).gather(1, y), x, y)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32"])
def test_an_index_of_few_bits_reaches_no_further(dtype):
    x = numbers(3, 300)
    y = places(120, 3, 1, dtype=dtype)
    assert_same(lambda x, y: (x * 1.0).gather(1, y.long() if dtype == "uint8" else y), x, y)


# -- gather and take as nodes ---------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (1,), (5,), (3, 4), (2, 1, 3)], ids=str)
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "bool"])
def test_take_is_part_of_a_nest(shape, axis, dtype):
    x, i = numbers(4, 6, 17).numpy(), places(4, *shape)
    x = rl.tensor((x > 0) if dtype == "bool" else (3 * x).astype(dtype), device=NUMBA)

    def rows(x, i):
        return rl.ops.take(x, i, axis=axis) + 1

    assert_same(rows, x, i)
    assert_lawful(rows, x, i)
    assert Call not in kinds(records(rows, x, i))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize(
    "shape", [(4, 6, 17), (2, 5, 9), (4, 1, 17), (1, 1, 1), (3, 6, 40)], ids=str
)
def test_gather_is_part_of_a_nest(shape, axis):
    x = numbers(4, 6, 17)
    shape = tuple(
        n if d == axis else min(n, m) for d, (n, m) in enumerate(zip(shape, x.shape, strict=True))
    )
    i = places(x.shape[axis], *shape)

    def elements(x, i):
        return x.gather(axis, i) * 2.0

    assert_same(elements, x, i)
    assert_lawful(elements, x, i)
    assert Call not in kinds(records(elements, x, i))


@pytest.mark.parametrize(
    "see",
    [
        lambda x: x.t(),
        lambda x: x[1:, ::2],
        lambda x: x.reshape(4, 9),
        lambda x: x.t().reshape(4, 9),
        lambda x: x[:, :1].expand(6, 6),
        lambda x: x + 1.0,
        lambda x: rl.cat([x, x * 2.0]),
        lambda x: x > 0.0,
        lambda x: rl.ones(6, 6, device=NUMBA) * 2.0,
    ],
    ids="turned cut other copied repeated computed joined bool made".split(),
)
def test_what_is_looked_at_may_be_a_view_or_computed(see):
    x, i = numbers(6, 6), places(3, 3, 2)
    assert_same(lambda x, i: rl.ops.take(see(x), i, axis=0), x, i)
    assert_same(lambda x, i: rl.ops.take(see(x), i, axis=1), x, i)


def test_an_index_may_be_computed():
    x, i = numbers(6, 5), places(4, 3)
    assert_same(lambda x, i: rl.ops.take(x, i // 2 + 1, axis=0) * x[0], x, i)


def test_what_is_looked_up_is_looked_at_again():
    x, i = numbers(6, 5), places(5, 3)
    assert_same(lambda x, i: rl.ops.take(rl.ops.take(x, i, axis=0), i % 3, axis=0), x, i)
    assert_same(lambda x, i: rl.ops.take(x, rl.ops.take(i, i % 3, axis=0), axis=0), x, i)


def embedded(w, y):
    h = rl.embedding(y, w)
    return rl.layer_norm(h, (w.shape[1],))


def test_an_embedding_is_read_in_the_nest_of_a_norm():
    w, y = numbers(65, 32), places(65, 4, 7)
    found = records(embedded, w, y)
    assert kinds(found) == [LoopNest, LoopNest]  # the check of the index, and the norm
    np.testing.assert_allclose(rl.compile(embedded)(w, y), embedded(w, y), rtol=1e-5, atol=1e-6)


# -- scatter as stores at indices -----------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "uint8"])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("shape", [(4, 6, 17), (9, 6, 33), (3, 5, 1), (1, 1, 40)], ids=str)
@pytest.mark.parametrize("how", ["scatter", "scatter_add"])
def test_scatter_is_a_nest(how, shape, axis, dtype):
    x = rl.tensor((3 * numbers(4, 6, 17).numpy()).astype(dtype), device=NUMBA)
    shape = [n if d == axis else min(n, x.shape[d]) for d, n in enumerate(shape)]
    i = places(x.shape[axis], *shape)
    source = rl.tensor((3 * numbers(*shape).numpy()).astype(dtype), device=NUMBA)

    def changed(x, i, source):
        return getattr(x, how)(axis, i, source)

    assert_same(changed, x, i, source)
    assert_lawful(changed, x, i, source)
    assert Call not in kinds(records(changed, x, i, source))


def test_scatter_add_takes_a_part_of_a_longer_source():
    x, i, source = numbers(4, 9), places(4, 3, 5), numbers(5, 7)
    assert_same(lambda x, i, source: x.scatter_add(0, i, source), x, i, source)


@pytest.mark.parametrize("lanes", [16, 8, 1])
@pytest.mark.parametrize("n", [1, 5, 16, 40])
@pytest.mark.parametrize("apart", [0, 1], ids=["whole rows", "each element"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int8", "bool"])
@pytest.mark.parametrize("how", ["store", "sum"])
def test_a_store_at_indices_is_numpys(how, dtype, apart, n, lanes):
    rows, kept = 9, as_dtype(dtype)
    both = frozenset({0, 1})
    index = Access("i", (n * apart or 1, apart), 0, int64)
    nodes = (
        Node("read", (), 0, int64, both if apart else frozenset({0})),
        Node("read", (), 1, kept, both),
    )
    # gaps between the elements of a row, and rows in reverse order
    target = Access("z", (0, 2), 4 * 2 * n, kept)
    store = Store(1, target, how, frozenset({0}), at=(0, -2 * n))
    nest = LoopNest((rows, n), (index, Access("s", (n, 1), 0, kept)), nodes, (store,))
    random = np.random.default_rng(n)
    given = {
        "i": random.integers(0, 5, rows * n),
        "s": random.integers(0, 3, rows * n).astype(kept),
        "z": random.integers(0, 3, 10 * n).astype(kept),
    }
    found = {name: held.copy() for name, held in given.items()}
    run(nest, given)
    NestCode(nest, lanes).run(found)
    assert found["z"].tobytes() == given["z"].tobytes()


@pytest.mark.parametrize("n", [1, 3, 40, 130])
def test_a_vector_is_scattered_in_order(n):
    x, i, source = numbers(5), places(5, n), numbers(n)
    assert_same(lambda x, i, source: x.scatter_add(0, i, source), x, i, source)
    assert_same(lambda x, i, source: x.scatter(0, i, source), x, i, source)


@pytest.mark.parametrize(
    "see", [lambda x: x, lambda x: x.t(), lambda x: x * 2.0, lambda x: x > 0.0]
)
def test_what_is_changed_stays_as_it_was(see):
    x, i = numbers(6, 6), places(6, 4, 6)

    def both(x, i):
        y = see(x)
        source = y[:4] if y.dtype is rl.bool else -y[:4]
        return rl.cat([y.scatter(0, i, source), y])

    assert_same(both, x, i)
    assert_lawful(both, x, i)


def test_changes_follow_each_other():
    x, i = numbers(6, 6), places(6, 4, 6)

    def twice(x, i):
        y = x.scatter_add(0, i, x[:4])
        return y.scatter_add(1, i, y[:4]).scatter(0, i, y[2:]) + y

    assert_same(twice, x, i)
    assert_lawful(twice, x, i)


def rows_added(w, y):
    w.grad = None
    h = rl.embedding(y, w)
    (h * h).sum().backward()
    return w.grad


@pytest.mark.parametrize(("rows", "n"), [(12, 32), (3000, 130), (700, 1)])
def test_the_gradient_of_an_embedding_has_the_same_bits_on_any_number_of_threads(rows, n):
    w, y = numbers(65, n, asks=True), places(65, rows)
    wanted = rows_added(w, y).numpy().tobytes()
    before = rl.get_num_threads()
    try:
        for threads in (1, 2, 4):
            rl.set_num_threads(threads)
            made = rl.compile(rows_added)
            assert all(made(w, y).numpy().tobytes() == wanted for _ in range(3))
    finally:
        rl.set_num_threads(before)
    assert Call not in kinds(records(rows_added, w, y))


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [-1, 6, 2**40, -(2**33)])
@pytest.mark.parametrize(
    ("name", "fn"),
    [
        ("take", lambda x, i: rl.ops.take(x, i, axis=0)),
        ("gather", lambda x, i: x.gather(0, i.reshape(-1, 1))),
        ("gather", lambda x, i: (x * 2.0).gather(1, i.reshape(-1, 1))),
        ("scatter", lambda x, i: x.scatter(1, i.reshape(-1, 1), x[:, :1])),
        ("scatter_add", lambda x, i: x.scatter_add(1, i.reshape(-1, 1), x[:, :1])),
        ("scatter_add", lambda x, i: x.scatter_add(0, i.reshape(-1, 1).expand(6, 6), x)),
    ],
    ids="take gather pick scatter scatter_add rows".split(),
)
def test_an_index_out_of_range_is_told_as_eager_tells_it(name, fn, wrong):
    x, good = numbers(6, 6), places(6, 6)
    bad = rl.tensor([*good.tolist()[:-1], wrong], device=NUMBA)
    made = rl.compile(fn)
    before = made(x, good)
    with pytest.raises(rl.IndexOutOfRange) as eager:
        fn(x, bad)
    with pytest.raises(rl.IndexOutOfRange) as found:
        made(x, bad)
    assert str(eager.value).startswith(str(found.value))  # eager may add what to give
    assert str(found.value).startswith(f"{name}: ")
    assert made(x, good).tolist() == before.tolist()


def test_nothing_is_written_when_an_index_is_out_of_range():
    w, state = numbers(6, 3), numbers(2)

    def step(i):
        state.mul_(2.0)
        return rl.ops.take(w, i, axis=0)

    made = rl.compile(step)
    made(places(6, 2))
    before = state.tolist()
    with pytest.raises(rl.IndexOutOfRange):
        made(rl.tensor([0, 6], device=NUMBA))
    assert state.tolist() == before
