"""Code of nests against numpy's run of the same nests."""

import copy

import numpy as np
import pytest
from fuzz.nest import place, run
from hypothesis import HealthCheck, given, settings, strategies as st

from rushlight.extend import (
    Access,
    LoopNest,
    Node,
    Store,
    bfloat16,
    bool_,
    float32,
    float64,
    int64,
)
from rushlight_numba.codegen.nest import NestCode, supports

from .random_nest import nests

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@settings(max_examples=200, deadline=None, suppress_health_check=SLOW, derandomize=True)
@given(nests(), st.sampled_from([16, 8, 1]))
def test_random_nests_are_numpys(drawn, lanes):
    nest, buffers, errors = drawn
    given, exact = copy.deepcopy(buffers), copy.deepcopy(buffers)
    run(nest, exact)
    NestCode(nest, lanes).run(given, apart=dict.fromkeys(range(len(nest.stores)), 0))
    for k, (s, error) in enumerate(zip(nest.stores, errors, strict=True)):
        x, y = (place(s.access, nest.extents, b) for b in (given, exact))
        x, y = x.astype(np.float64), y.astype(np.float64)
        assert np.abs(x - y).max() <= error, f"store {k} of\n{nest}"
        outside(nest, given, exact, s)


def outside(nest, given, exact, store):
    """Nothing but the places of a store is written."""
    x, y = given[store.access.buffer], exact[store.access.buffer]
    place(store.access, nest.extents, given)[...] = 0
    place(store.access, nest.extents, exact)[...] = 0
    assert np.array_equal(x, y)


# -- what random nests do not reach ---------------------------------------------------------------


def elementwise(op, dtypes, result, n):
    """A nest of one row: one operation on as many buffers as there are types."""
    row = frozenset({0})
    reads = tuple(Access(k, (1,), 0, d) for k, d in enumerate(dtypes))
    nodes = tuple(Node("read", (), k, d, row) for k, d in enumerate(dtypes))
    nodes += (Node(op, tuple(range(len(dtypes))), None, result, row),)
    return LoopNest((n,), reads, nodes, (Store(len(dtypes), Access("z", (1,), 0, result)),))


def softmax(extents, *, blocked=False):
    """Of the rows of x, or of a product's block."""
    n = extents[-1]
    both, once = frozenset({0, 1}), frozenset({0})
    nodes = (
        Node("read", (), 0, float32, both),
        Node("row_max", (0,), None, float32, once),
        Node("sub", (0, 1), None, float32, both),
        Node("exp", (2,), None, float32, both),
        Node("row_sum", (3,), None, float32, once),
        Node("div", (3, 4), None, float32, both),
    )
    read = Access(None, (0, 0), 0, float32) if blocked else Access("x", (n, 1), 0, float32)
    return LoopNest(extents, (read,), nodes, (Store(5, Access("z", (n, 1), 0, float32)),))


def column_sums(rows, n, how="sum", *, apart=False):
    """Of x [rows, n] over its rows."""
    nodes = (Node("read", (), 0, float32, frozenset({0, 1})),)
    read = Access("x", (n, 1), 0, float32)
    store = Store(0, Access("z", (0, 1), 0, float32), how, frozenset({0}), apart)
    return LoopNest((rows, n), (read,), nodes, (store,))


def numbers(*shape):
    return np.random.default_rng(3).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("n", [1, 15, 16, 17, 64, 100, 1000])
def test_softmax_is_one_nest_of_three_passes(n):
    x = numbers(5, n)
    code = NestCode(softmax((5, n)))
    assert (code.schedule.passes, code.stash_count) == (3, 1)
    z = np.empty_like(x)
    code.run({"x": x, "z": z})
    exact = np.exp(x.astype(np.float64))
    np.testing.assert_allclose(z, exact / exact.sum(1, keepdims=True), rtol=1e-6)


@pytest.mark.parametrize("where", [0, 1, 17, 99])
def test_nan_and_infinity_pass_through_reductions(where):
    x = numbers(3, 100)
    x[0, where], x[1, where], x[2, where] = np.nan, np.inf, -np.inf
    z = np.empty_like(x)
    NestCode(softmax((3, 100))).run({"x": x, "z": z})
    assert np.isnan(z[0]).all()
    assert np.isnan(z[1, where])
    assert np.isfinite(z[2]).all()
    assert z[2, where] == 0


@pytest.mark.parametrize("scale", [2.0**-149, 1e-39, 1e-30, 1.0, 1e30, 3e38, 0.0, np.inf, np.nan])
@pytest.mark.parametrize("lanes", [1, 16])
def test_a_division_by_a_scalar_of_the_row_has_no_bad_scale(scale, lanes):
    x = np.array([0.0, -0.0, 1.0, -3.0, 1e-45, 1e-38, 3e38, np.inf, np.nan, 7e29], np.float32)
    s = np.array([scale], np.float32)
    row = frozenset({1})
    reads = (Access("x", (0, 1), 0, float32), Access("s", (1, 0), 0, float32))
    nodes = (Node("read", (), 0, float32, row), Node("read", (), 1, float32, frozenset({0})))
    nodes += (Node("div", (0, 1), None, float32, row),)
    z = np.empty(10, np.float32)
    nest = LoopNest((1, 10), reads, nodes, (Store(2, Access("z", (0, 1), 0, float32)),))
    NestCode(nest, lanes).run({"x": x, "s": s, "z": z})
    with np.errstate(all="ignore"):
        exact = x / s
    np.testing.assert_allclose(z, exact, rtol=2.0**-22, atol=2.0**-148)


def test_a_division_that_a_step_follows_is_exact():
    n = np.arange(1, 2000, dtype=np.float32)
    z = np.empty((1, 1), np.float32)
    reads = (Access("x", (1, 0), 0, float32),)
    both = frozenset({0, 1})
    nodes = (
        Node("read", (), 0, float32, frozenset({0})),
        Node("index", (), (0, (1, 1)), int64, both),
        Node("cast", (1,), None, float32, both),
        Node("div", (2, 0), None, float32, both),
        Node("floor", (3,), None, float32, both),
    )
    z = np.empty((1999, 3), np.float32)
    nest = LoopNest((1999, 3), reads, nodes, (Store(4, Access("z", (3, 1), 0, float32)),))
    NestCode(nest).run({"x": n, "z": z})
    i = np.arange(1999)[:, None] + np.arange(3)
    np.testing.assert_array_equal(z, np.floor(i.astype(np.float32) / n[:, None]))


@pytest.mark.parametrize("cut", [(0, 3), (3, 3), (2, 7)])
def test_a_product_block_is_read_from_its_own_rows(cut):
    rows, n = 7, 40
    lo, hi = cut
    x = numbers(rows, n)
    block = np.full((hi - lo, n), np.nan, np.float32)
    block[:] = x[lo:hi]
    z, exact = np.zeros_like(x), np.zeros_like(x)
    nest = softmax((rows, n), blocked=True)
    NestCode(nest).run({None: block, "z": z}, [(lo, hi), (0, n)])
    run(softmax((rows, n)), {"x": x, "z": exact})
    exact[:lo], exact[hi:] = 0, 0
    np.testing.assert_allclose(z, exact, rtol=1e-6)


@pytest.mark.parametrize("how", ["sum", "max", "prod"])
def test_the_first_turn_stores_over_whatever_lay_there(how):
    x = numbers(6, 37)
    z = np.full(37, np.nan, np.float32)
    NestCode(column_sums(6, 37, how)).run({"x": x, "z": z})
    exact = {"sum": x.sum(0), "max": x.max(0), "prod": x.prod(0)}[how]
    np.testing.assert_allclose(z, exact, rtol=1e-5)


def test_chunks_that_sum_apart_have_a_copy_each():
    x = numbers(6, 37)
    z = np.full((3, 40), np.nan, np.float32)
    code = NestCode(column_sums(6, 37, apart=True))
    for chunk in range(3):
        ranges = [(2 * chunk, 2 * chunk + 2), (0, 37)]
        code.run({"x": x, "z": z}, ranges, chunk, {0: 40})
    np.testing.assert_allclose(z[:, :37], x.reshape(3, 2, 37).sum(1), rtol=1e-6)
    assert np.isnan(z[:, 37:]).all()


@pytest.mark.parametrize("dtype", [float32, float64, bfloat16(), int64, bool_], ids=str)
def test_stores_past_the_caches_write_the_same(dtype):
    n = 16 * 9 + 5
    held = np.zeros(n * 8 + 64, np.uint8)
    skip = -held.ctypes.data % 64
    z = held[skip : skip + n * dtype.itemsize].view(dtype)
    x = numbers(n).astype(dtype)
    code = NestCode(elementwise("maximum", [dtype] * 2, dtype, n), nontemporal=[0])
    assert "nontemporal" in code.text()
    code.run({0: x, 1: x, "z": z})
    np.testing.assert_array_equal(z, x)


def test_a_store_may_overwrite_what_later_stores_read():
    x = numbers(50)
    row = frozenset({0})
    nodes = (Node("read", (), 0, float32, row), Node("exp", (0,), None, float32, row))
    here = Access("x", (1,), 0, float32)
    stores = (Store(1, here), Store(0, Access("z", (1,), 0, float32)))
    z, before = np.empty_like(x), x.copy()
    NestCode(LoopNest((50,), (here,), nodes, stores)).run({"x": x, "z": z})
    np.testing.assert_array_equal(z, before)
    np.testing.assert_allclose(x, np.exp(before), rtol=1e-6)


def test_sizes_strides_and_constants_are_no_part_of_the_code():
    assert NestCode(softmax((3, 7))).key == NestCode(softmax((300, 70))).key
    assert NestCode(softmax((3, 7))).name != NestCode(column_sums(3, 7)).name
    assert NestCode(softmax((3, 7)), 8).name != NestCode(softmax((3, 7)), 16).name


@pytest.mark.parametrize(
    ("op", "dtypes", "wanted"),
    [
        ("exp", [float32], True),
        ("exp", [bfloat16()], True),
        ("exp", [int64], False),
        ("add", [int64, int64], True),
        ("div", [int64, int64], False),
        ("bitwise_not", [bool_], True),
        ("bitwise_not", [float32], False),
        ("where", [bool_, float32, float32], True),
        ("matmul", [float32, float32], False),
        ("add", [np.dtype("complex64")], False),
    ],
)
def test_what_is_supported_is_told(op, dtypes, wanted):
    assert supports(op, dtypes) is wanted


@pytest.mark.parametrize("dtype", [float64, float32], ids=str)
def test_what_varies_over_no_loop_is_computed_once(dtype):
    """Adam's step size: lr / (1 - beta ** t), in Python's own precision."""
    nodes = (
        Node("read", (), 0, dtype, frozenset()),
        Node("constant", (), 0.999, dtype, frozenset()),
        Node("pow", (1, 0), None, dtype, frozenset()),
        Node("constant", (), 1.0, dtype, frozenset()),
        Node("sub", (3, 2), None, dtype, frozenset()),
        Node("cast", (4,), None, float32, frozenset()),
        Node("read", (), 1, float32, frozenset({0})),
        Node("div", (6, 5), None, float32, frozenset({0})),
    )
    reads = (Access("t", (0,), 0, dtype), Access("x", (1,), 0, float32))
    nest = LoopNest((20,), reads, nodes, (Store(7, Access("z", (1,), 0, float32)),))
    x, z = numbers(20), np.empty(20, np.float32)
    NestCode(nest).run({"t": np.array([3.0], dtype), "x": x, "z": z})
    exact = 1 - 0.999**3.0
    np.testing.assert_allclose(z, x / exact, rtol=1e-6 if dtype == float64 else 1e-3)


def test_a_store_may_lie_where_what_no_later_pass_reads_lies():
    nest = softmax((4, 100))
    assert NestCode(nest).may_overwrite(0, 0)  # the last pass reads the stash
    x, z = numbers(4, 100), np.empty((4, 100), np.float32)
    NestCode(nest).run({"x": x, "z": z})
    NestCode(nest).run({"x": x, "z": x})
    np.testing.assert_array_equal(x, z)


def test_a_store_may_not_lie_where_it_would_be_read_again():
    nest = softmax((4, 100))
    first = Store(0, Access("w", (100, 1), 0, float32))  # written in pass 0, read in pass 1
    twice = Store(5, Access("z", (0, 1), 0, float32))
    nest = nest._replace(stores=(first, twice, nest.stores[0]))
    assert [NestCode(nest).may_overwrite(k, 0) for k in range(3)] == [False, False, True]
    assert not NestCode(column_sums(3, 7)).may_overwrite(0, 0)


def test_a_nest_cut_into_chunks_writes_the_same():
    x = numbers(7, 100)
    whole, pieces = np.empty_like(x), np.empty_like(x)
    code = NestCode(softmax((7, 100)))
    code.run({"x": x, "z": whole})
    for chunk, lo in enumerate(range(0, 7, 3)):
        code.run({"x": x, "z": pieces}, [(lo, min(lo + 3, 7)), (0, 100)], chunk)
    np.testing.assert_array_equal(whole, pieces)


@pytest.mark.parametrize("op", ["exp", "tanh", "sin"])
def test_a_row_cut_anywhere_has_the_same_bits(op):
    x = numbers(333)
    whole, pieces = np.empty_like(x), np.empty_like(x)
    code = NestCode(elementwise(op, [float32], float32, 333))
    code.run({0: x, "z": whole})
    for lo, hi in [(0, 100), (100, 101), (101, 333)]:
        code.run({0: x, "z": pieces}, [(lo, hi)])
    np.testing.assert_array_equal(whole, pieces)


def test_a_product_and_a_sum_that_a_step_follows_are_rounded_one_by_one():
    """An index is floor(i * scale + offset): rounded once, it would be another one now and then."""
    row = frozenset({0})
    draw = np.random.default_rng(0)
    n = 100_000
    x, y = draw.integers(1, 1000, n), draw.integers(1, 1000, n)
    x, y = x.astype(np.float32), (x / y).astype(np.float32)
    s = -np.floor(x * y)
    nodes = [Node("read", (), k, float32, row) for k in range(3)]
    nodes += [Node("mul", (0, 1), None, float32, row), Node("add", (3, 2), None, float32, row)]
    nodes += [Node("floor", (4,), None, float32, row)]
    reads = tuple(Access(k, (1,), 0, float32) for k in "xys")
    nest = LoopNest((n,), reads, tuple(nodes), (Store(5, Access("z", (1,), 0, float32)),))
    z = np.empty_like(x)
    NestCode(nest).run({"x": x, "y": y, "s": s, "z": z})
    np.testing.assert_array_equal(z, np.floor(x * y + s))
    once = np.floor((x.astype(np.float64) * y + s).astype(np.float32))
    assert (z != once).any()
