"""Products end in their epilogue, equal numpy's in float64, and touch nothing else."""

import ctypes
import functools
import math
import mmap
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from rushlight_numba import products
from rushlight_numba.codegen.llvm import Fn, native

FLOAT32 = np.dtype(np.float32)
GUARD = 64  # elements around memory that nobody may touch


def copy_block(ty: str) -> Fn:
    """Epilogue of four loops: C[b0, b1, i, j] = block[i, j]; its own copy counts the blocks.

    args: address of C, its four strides, address of counters.
    """
    f = Fn(f"copy_{ty}", "ptr %args, ptr %ranges, ptr %scratch")
    c, counts = f.arg("%args", 0, "ptr"), f.arg("%args", 5, "ptr")
    strides = [f.arg("%args", 1 + d) for d in range(4)]
    ends = [(f.arg("%ranges", 2 * d), f.arg("%ranges", 2 * d + 1)) for d in range(4)]
    copy, block = f.arg("%ranges", 8), f.arg("%ranges", 9, "ptr")
    row = f.arg("%ranges", 10)
    count = f.gep(counts, copy, "i64")
    f.store("i64", f.add(f.load("i64", count), 1), count)
    with (
        f.loop(*ends[0]) as b0,
        f.loop(*ends[1]) as b1,
        f.loop(*ends[2]) as i,
        f.loop(*ends[3]) as j,
    ):
        at = f.add(f.mul(f.sub(i, ends[2][0]), row), f.sub(j, ends[3][0]))
        to = [f.mul(x, s) for x, s in zip((b0, b1, i, j), strides, strict=True)]
        x = f.load(ty, f.gep(block, at, ty))
        f.store(ty, x, f.gep(c, functools.reduce(f.add, to), ty))
    return f


@functools.cache
def code(dtype: Any, lanes: int) -> tuple[Any, Any, int]:
    """Callables of pack_b and gemm, and the address of the epilogue."""
    epilogue = copy_block({4: "float", 8: "double"}[dtype.itemsize])
    at = native([*products.functions(dtype, lanes), epilogue])
    record = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    pack, gemm = (record(at[name]) for name in products.entry_points(dtype, lanes))
    return pack, gemm, at[epilogue.name]


class Guarded:
    """Memory full of NaN, 64-byte aligned, between guards that must keep theirs."""

    def __init__(self, size_bytes: int) -> None:
        room = size_bytes + 2 * GUARD * 8 + 64
        self.raw = np.full(room // 8 + 1, np.nan)
        self.start = -(-(self.raw.ctypes.data + GUARD * 8) // 64) * 64 - self.raw.ctypes.data
        self.end = self.start + size_bytes
        self.address = self.raw.ctypes.data + self.start
        self.before = self.raw.view(np.uint8).copy()

    def view(self, dtype: Any, shape: tuple[int, ...]) -> Any:
        flat = self.raw.view(np.uint8)[self.start : self.end].view(dtype)
        return flat[: math.prod(shape)].reshape(shape)

    def is_intact(self) -> bool:
        now = self.raw.view(np.uint8)
        same = now == self.before
        return bool(same[: self.start].all() and same[self.end :].all())


def words(values: Any) -> Any:
    return np.array(values, np.int64)


def strides(x: Any) -> tuple[int, ...]:
    return tuple(s // x.itemsize for s in x.strides)


def product(a: Any, b: Any, lanes: int = 16, cut: Any = None, **needs: Any) -> tuple[Any, Any]:
    """(A B computed by chunks in reverse order, how many blocks each copy has seen)."""
    dtype = a.dtype
    extents = (*a.shape[:-1], b.shape[-1])
    p = products.plan(extents, a.shape[-1], strides(a), strides(b), dtype, lanes=lanes, **needs)
    if cut is not None:
        p = cut(p)
    pack, gemm, nest = code(dtype, lanes)
    panels = Guarded(p.pack.bytes if p.pack else 0)
    c, scratch = Guarded(math.prod(extents) * dtype.itemsize), Guarded(p.scratch_bytes)
    result = c.view(dtype, extents)
    counts = np.zeros(p.copies, np.int64)
    missing = 4 - len(extents)
    nest_arguments = words([c.address, *(0,) * missing, *strides(result), counts.ctypes.data])
    if p.pack:
        pack_words = p.pack.words._replace(source=b.ctypes.data, panels=panels.address)
        pack_arguments = words(pack_words)
        for chunk in reversed(range(p.pack.chunks)):
            pack(pack_arguments.ctypes.data, chunk, 0)
    ahead = words([c.address, *[0] * missing, *[s * dtype.itemsize for s in strides(result)[:-1]]])
    gemm_words = p.words._replace(
        a=a.ctypes.data,
        b=panels.address if p.pack else b.ctypes.data,
        nest=nest,
        nest_arguments=nest_arguments.ctypes.data,
        skip=0,
        ahead=ahead.ctypes.data,
        ahead_count=1,
    )
    arguments = words(gemm_words)
    for chunk in reversed(range(p.chunks)):
        gemm(arguments.ctypes.data, chunk, scratch.address)
    assert panels.is_intact()
    assert c.is_intact()
    assert scratch.is_intact()
    assert counts.sum() == p.chunks
    made = result.copy()
    if extents[-1] % products.width(dtype, lanes).lanes == 0:
        row, *batches = strides(result)[-2::-1]
        result[...] = np.nan
        bare = gemm_words._replace(nest=0, c=c.address, c_row=row or extents[-1])
        bare = bare._replace(**dict(zip(("c_batch1", "c_batch0"), batches, strict=False)))
        arguments = words(bare)
        for chunk in range(p.chunks):
            gemm(arguments.ctypes.data, chunk, scratch.address)
        assert c.is_intact()
        assert np.array_equal(result, made, equal_nan=True), "without a nest"
    return made, counts


def agrees(got: Any, a: Any, b: Any) -> bool:
    """Within the error of k roundings of sums of absolute products."""
    wide, other = a.astype(np.float64), b.astype(np.float64)
    exact = wide @ other
    bound = np.abs(wide) @ np.abs(other) * (a.shape[-1] + 2) * np.finfo(a.dtype).eps
    return bool((np.abs(got - exact) <= bound).all())


def normal(*shape: int, dtype: Any = np.float32) -> Any:
    return np.random.default_rng(math.prod(shape)).standard_normal(shape).astype(dtype)


LAYOUTS = ("rows", "columns", "sliced", "reversed", "repeated", "one row", "one column", "heads")


def laid_out(layout: str, *shape: int, dtype: Any) -> Any:
    """An array of that shape whose matrices lie in memory as said, among NaN."""
    *batch, m, n = shape
    if layout == "rows":
        return normal(*shape, dtype=dtype)
    if layout == "columns":
        return normal(*batch, n, m, dtype=dtype).swapaxes(-1, -2)
    if layout == "repeated":
        one = normal(*(1 for _ in batch), m, n, dtype=dtype)
        return np.broadcast_to(one, shape)
    if layout == "one row":
        return np.broadcast_to(normal(*batch, 1, n, dtype=dtype), shape)
    if layout == "one column":
        return np.broadcast_to(normal(*batch, m, 1, dtype=dtype), shape)
    if layout == "heads":  # of attention: batches lie between rows and columns
        whole = normal(m, *batch, n, dtype=dtype)
        return np.moveaxis(whole, 0, -2)
    wide = np.full((*batch, 2 * m + 1, 3 * n + 2), np.nan, dtype)
    part = wide[..., 1::2, 2::3] if layout == "sliced" else wide[..., -2::-2, -1:1:-3]
    part[...] = normal(*shape, dtype=dtype)
    return part


@pytest.mark.parametrize("lanes", [16, 8])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@settings(deadline=None, max_examples=120)
@given(
    batch=st.sampled_from([(), (3,), (2, 3), (1, 2)]),
    m=st.one_of(st.integers(1, 9), st.integers(1, 150)),
    n=st.one_of(st.integers(1, 150), st.sampled_from([16, 32, 64, 96, 128])),
    k=st.one_of(st.integers(0, 70), st.integers(0, 2500)),
    layouts=st.tuples(st.sampled_from(LAYOUTS), st.sampled_from(LAYOUTS)),
    whole_rows=st.booleans(),
)
def test_any_product(
    dtype: Any,
    lanes: int,
    batch: tuple[int, ...],
    m: int,
    n: int,
    k: int,
    layouts: tuple[str, str],
    whole_rows: bool,
) -> None:
    a = laid_out(layouts[0], *batch, m, k, dtype=dtype)
    b = laid_out(layouts[1], *batch, k, n, dtype=dtype)
    got, _ = product(a, b, lanes, whole_rows=whole_rows)
    assert agrees(got, a, b)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("m", "n", "k"), [(1, 1, 1), (1, 64, 300), (3, 64, 20), (5, 10, 2), (300, 1, 7), (7, 130, 0)]
)
def test_thin_product(layout: str, m: int, n: int, k: int) -> None:
    a = laid_out(layout, m, k, dtype=np.float32)
    b = laid_out(layout, k, n, dtype=np.float32)
    assert agrees(product(a, b)[0], a, b)


def test_without_anything_to_sum_the_product_is_zero() -> None:
    got, _ = product(np.empty((5, 0), np.float32), np.empty((0, 20), np.float32))
    assert not got.any()


@pytest.mark.parametrize(("m", "n"), [(0, 5), (5, 0), (0, 0)])
def test_epilogue_is_called_even_if_no_element_is_there(m: int, n: int) -> None:
    _, counts = product(normal(m, 4), normal(4, n), whole_rows=True)
    assert counts.sum() == 1


def test_without_batches_there_are_no_chunks() -> None:
    got, counts = product(normal(0, 5, 4), normal(0, 4, 6))
    assert got.shape == (0, 5, 6)
    assert counts.sum() == 0


@pytest.mark.parametrize("k", [1024, 1025, 2500])
@pytest.mark.parametrize("layout", ["rows", "columns"])
def test_how_it_is_cut_changes_no_bit(k: int, layout: str) -> None:
    a, b = laid_out(layout, 100, k, dtype=np.float32), normal(k, 200)
    results = []
    for rows, columns in ((100, 256), (6, 64), (18, 128), (97, 192)):

        def cut(p: products.ProductPlan, rows: int = rows, columns: int = columns) -> Any:
            down, across = -(-100 // rows), -(-200 // columns)
            w = p.words._replace(
                block_rows=rows, block_columns=columns, down=down, across=across, packed_at=102400
            )
            return p._replace(
                words=w, chunks=down * across, scratch_bytes=102400 + 102 * (k + 16) * 4
            )

        results.append(product(a, b, cut=cut)[0])
    assert agrees(results[0], a, b)
    for other in results[1:]:
        np.testing.assert_array_equal(results[0], other)


def test_a_batch_that_b_repeats_is_packed_once() -> None:
    p = products.plan((4, 3, 50, 70), 20, (3000, 1000, 20, 1), (0, 1400, 70, 1), FLOAT32)
    assert p.pack is not None
    assert p.pack.bytes == 3 * 20 * 80 * 4
    assert (p.words.b_batch0, p.words.b_batch1) == (0, 20 * 80)


@pytest.mark.parametrize(
    ("m", "n", "k", "row"),
    [(500, 64, 64, 64), (4, 512, 64, 512), (30, 100 * 16, 64, 1600), (90, 32, 64, 500)],
)
def test_b_is_read_where_it_lies_if_that_is_faster(m: int, n: int, k: int, row: int) -> None:
    assert products.plan((m, n), k, (k, 1), (row, 1), FLOAT32, lanes=16).pack is None
    assert products.plan((m, n - 6), k, (k, 1), (row, 1), FLOAT32, lanes=16).pack is not None
    assert products.plan((m + 500, n), k, (k, 1), (row + 1, 1), FLOAT32, lanes=16).pack is not None
    a, b = normal(m, k), normal(k, row)[:, :n]
    assert agrees(product(a, b)[0], a, b)


def test_few_rows_are_multiplied_with_columns_as_they_lie() -> None:
    p = products.plan((8, 100), 70, (70, 1), (1, 70), FLOAT32)
    assert (p.pack, p.words.dots, p.words.packs_a) == (None, 1, 0)
    assert products.plan((9, 100), 70, (70, 1), (1, 70), FLOAT32).pack is not None
    assert products.plan((8, 100), 70, (1, 8), (1, 70), FLOAT32).pack is not None


@pytest.mark.parametrize(("along_k", "n", "packs"), [(1024, 64, 1), (1000, 64, 0), (1000, 300, 1)])
def test_rows_of_a_are_copied_if_that_is_faster(along_k: int, n: int, packs: int) -> None:
    needs = {"whole_rows": True, "lanes": 16}
    p = products.plan((900, n), 500, (1, along_k), (n, 1), FLOAT32, **needs)
    assert p.words.packs_a == packs
    a, b = normal(500, along_k).T[:900], normal(500, n)
    assert agrees(product(a, b, **needs)[0], a, b)


def test_scratch_does_not_grow_with_long_sums() -> None:
    p = products.plan((512, 512), 10**7, (1, 512), (512, 1), FLOAT32)
    assert p.scratch_bytes < 2 * products.BLOCK_BYTES + 512 * products.PIECE * 4


@pytest.mark.parametrize(
    "sums", [frozenset[int](), frozenset({0}), frozenset({2}), frozenset({0, 1, 2})]
)
def test_sums_over_chunks_get_copies_that_no_two_chunks_of_one_column_share(
    sums: frozenset[int],
) -> None:
    a, b = normal(2, 3, 500, 40), normal(2, 3, 40, 300)
    counts = product(a, b, sums=sums)[1]
    p = products.plan((2, 3, 500, 300), 40, strides(a), strides(b), FLOAT32, sums=sums)
    extents = (2, 3, p.words.down)
    assert p.copies == math.prod(extents[loop] for loop in sums)
    assert (counts == p.chunks // p.copies).all()


@pytest.mark.parametrize(("extents", "loop"), [((5000, 300), 0), ((3, 5000, 300), 1)])
def test_loops_of_sums_are_counted_from_the_outermost_batch(
    extents: tuple[int, ...], loop: int
) -> None:
    a, b = normal(*extents[:-1], 40), normal(*extents[:-2], 40, 300)
    p = products.plan(extents, 40, strides(a), strides(b), FLOAT32, sums=frozenset({loop}))
    assert p.copies == p.words.down > 1
    assert (p.words.copy0, p.words.copy1, p.words.copy_down) == (0, 0, 1)


def test_epilogue_of_a_product_without_batches_gets_ranges_without_them() -> None:
    f = Fn("ranges_of_two_loops", "ptr %args, ptr %ranges, ptr %scratch")
    for word in range(7):
        f.store("i64", f.arg("%ranges", word), f.gep("%args", word, "i64"))
    nest = native([f])[f.name]
    seen, a, b = np.zeros(7, np.int64), normal(10, 5), normal(5, 64)
    p = products.plan(a.shape[:1] + b.shape[1:], 5, strides(a), strides(b), FLOAT32, lanes=16)
    scratch = Guarded(p.scratch_bytes)
    arguments = words(
        p.words._replace(
            a=a.ctypes.data, b=b.ctypes.data, nest=nest, nest_arguments=seen.ctypes.data, ahead=0
        )
    )
    assert (p.pack, p.chunks) == (None, 1)
    code(FLOAT32, 16)[1](arguments.ctypes.data, 0, scratch.address)
    assert seen.tolist() == [0, 10, 0, 64, 0, scratch.address, 64]


def at_the_edge(x: Any) -> Any:
    """A copy of `x`, laid out alike, whose last byte is the last before memory of nobody."""
    low = min(0, *((n - 1) * s for n, s in zip(x.shape, x.strides, strict=True)))
    span = sum((n - 1) * abs(s) for n, s in zip(x.shape, x.strides, strict=True)) + x.itemsize
    page = mmap.PAGESIZE
    room = -(-span // page) * page
    memory = mmap.mmap(-1, room + page)
    flat = np.frombuffer(memory, np.uint8)
    protect = ctypes.CDLL(None, use_errno=True).mprotect
    assert protect(ctypes.c_void_p(flat.ctypes.data + room), ctypes.c_size_t(page), 0) == 0
    y = np.ndarray(x.shape, x.dtype, memory, room - span - low, x.strides)
    y[...] = x
    return y


@pytest.mark.skipif(sys.platform == "win32", reason="protects memory by mprotect")
@pytest.mark.parametrize("layout", ["rows", "columns"])
@pytest.mark.parametrize(
    ("m", "n", "k"), [(6, 64, 16), (3, 9, 37), (11, 100, 37), (1, 3, 5), (67, 129, 20)]
)
def test_nothing_is_read_beyond_the_operands(layout: str, m: int, n: int, k: int) -> None:
    for layout_of_a in ("rows", "columns"):
        a = at_the_edge(laid_out(layout_of_a, m, k, dtype=np.float32))
        b = at_the_edge(laid_out(layout, k, n, dtype=np.float32))
        assert agrees(product(a, b)[0], a, b)


def test_what_is_not_finite_stays_in_its_row_and_column() -> None:
    a, b = normal(20, 30), normal(30, 70)
    a[3, 4], b[5, 69] = np.nan, np.inf
    got, _ = product(a, b)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(np.isfinite(got), np.isfinite(a @ b))


@settings(max_examples=200)
@given(
    extents=st.tuples(*(st.integers(0, 4000) for _ in range(2))),
    k=st.integers(0, 5000),
    whole_rows=st.booleans(),
)
def test_blocks_stay_in_cache_unless_rows_must_be_whole(
    extents: tuple[int, int], k: int, whole_rows: bool
) -> None:
    m, n = extents
    p = products.plan((m, n), k, (k, 1), (n, 1), FLOAT32, whole_rows=whole_rows)
    if whole_rows:
        assert p.block_columns >= n
    else:
        assert p.words.packed_at <= products.BLOCK_BYTES
    assert p.words.down * p.block_rows >= m
    assert p.words.across * p.block_columns >= n
