"""How a matrix product is cut into blocks, and the argument blocks that say so.

Knows nothing of graphs and of buffers: operands are strides, extents and whatever stands for an
address.  Nothing here depends on the number of threads, so results do not either.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

from rushlight.extend import DType

from .blocks import ProductWords, entry_points, functions
from .codegen.llvm import LANES
from .packing import SLIVER_GAP, PackWords
from .tiles import FETCH_EVERY, MOST_AHEAD, TILE_ROWS, Width, lines_of_tile, width

__all__ = ["PackWords", "ProductPlan", "ProductWords", "entry_points", "functions", "plan", "tile"]

ALIGN = 64
BLOCK_BYTES = 128 << 10  # of a block that an epilogue finds in cache; best between 64 and 256 KB
LONGEST = 1024  # sums that are longer are cut, so that a panel and a sliver stay in cache
PIECE = 384
PACK_ROWS = 1024  # of a panel, packed by one chunk
PACK_ELEMENTS, PACK_PANELS = 1 << 15, 64  # of contiguous rows, packed by one chunk
PACK_SHARES = 4  # of columns: so many threads pack what they read themselves
DOTS = 8  # rows of A for which B is read once, by columns
DIRECT_ROWS, CROWDED_ROWS = 36, 12  # of A, for which packing B costs more than it saves
NEAR_ROWS, PANEL_BYTES = 192, 48 << 10  # as many if a panel fits the first level of cache
CROWDED_BYTES = 4096
CROWDED_DEPTHS = {4096: 64, 2048: 256}  # how many lines so far apart fit one or two cache sets

# The model of a chunk's time; only ratios matter to the choice of blocks.
FLOPS_PER_NS = {4: 110.0, 8: 55.0}  # of one thread, by the element's bytes
NEAR_BYTES = 1 << 20  # of an operand that a core's own cache holds
DEEP = 256  # the least k for which columns are shared: 768 x 128 x 512 took 10 % longer so
BYTES_PER_NS = 30.0  # from beyond the second level of cache
PACK_A_NS = 0.25  # an element of A whose k is not contiguous
PACK_B_NS = {4: 0.3, 8: 0.6}  # an element of B
COPY_NS = 0.1  # an element of a copy of sums, written and added up
CHUNK_NS = 60.0
SHARING_NS = 10_000.0  # what it costs a thread to take part at all
THREADS = (1, 2, 4, 8, 16)  # numbers of them for which blocks should be good
ROWS = (6, 12, 24, 48, 96, 192, 384)
PANELS = (1, 2, 4, 8, 16, 32)


class PackPlan(NamedTuple):
    """The record that packs B; addresses to fill in: source, panels.

    bytes: of the packed copy.
    """

    words: PackWords
    chunks: int
    bytes: int
    ns: float


class ProductPlan(NamedTuple):
    """One product, ready to become records.

    pack: the record before it, None where B is read where it lies.
    words: its own argument block.  Addresses to fill in: a, b (B, or the panels if there are), and
    nest, nest_arguments or c with its strides.
    chunks, ns: how many, and estimated nanoseconds of all without the nest.
    scratch_bytes: what it occupies of each thread's scratch; the nest's own may begin there.
    block_rows, block_columns: of the largest block; the nest's rows are not longer.
    copies: how many the nest must have of what it sums over several chunks; 1: none apart.
    """

    pack: PackPlan | None
    words: ProductWords
    chunks: int
    ns: float
    scratch_bytes: int
    block_rows: int
    block_columns: int
    copies: int


@functools.lru_cache(1024)
def plan(
    extents: Sequence[int],
    depth: int,
    a: Sequence[int],
    b: Sequence[int],
    dtype: DType,
    *,
    whole_rows: bool = False,
    sums: frozenset[int] = frozenset(),
    lanes: int = LANES,
) -> ProductPlan:
    """How to compute [batch.., m, k] x [batch.., k, n] -> blocks of [batch.., m, n].

    extents: (batch.., m, n), of none to two batches; depth: k.
    a, b: strides of the operands in elements, over (batch.., m, k) and (batch.., k, n).
    whole_rows: the epilogue reduces along n, so that it must see rows whole.
    sums: the loops among (batch.., m) over which the epilogue accumulates what it stores.
    lanes: float32 of a vector, 16 or 8.
    """
    w = width(dtype, lanes)
    missing = 4 - len(extents)
    batch0, batch1, m, n = (1,) * missing + tuple(extents)
    strides_a, strides_b = (0,) * missing + tuple(a), (0,) * missing + tuple(b)
    along_k = 1 if depth <= 1 else strides_a[3]
    along_n = 1 if n <= 1 else strides_b[3]
    strides_b = (*strides_b[:3], along_n)
    cut = _Cut(batch0 * batch1, m, n, depth, w, along_k != 1)
    rows, columns = tile(cut, whole_rows=whole_rows, sums=bool(sums))
    down, across = cut.blocks(rows, columns)
    pack = None
    dots = _is_dots(m, strides_b, along_k)
    if not dots and not _is_direct(w, m, n, depth, strides_b):
        pack, strides_b = _pack(w, (batch0, batch1, depth, n), strides_b)
    packs_a = not dots and along_k != 1 and _packs_a(w, columns, depth, strides_a[2], along_k)
    piece = _piece(depth)
    block_bytes = _up(rows * _up(columns, w.lanes) * w.size, ALIGN)
    sliver_bytes = _up(-(-rows // TILE_ROWS) * (TILE_ROWS * piece + SLIVER_GAP) * w.size, ALIGN)
    counts = (batch0, batch1, down)
    copy_strides, copies = _copies(counts, {loop + missing for loop in sums})
    by_columns = _by_columns(cut, down, across, is_packed=pack is not None)
    words = ProductWords(
        None, strides_a[2], along_k, strides_a[0], strides_a[1],
        None, strides_b[2], strides_b[3], strides_b[0], strides_b[1], 0, 0, 0, 0,
        m, n, depth, piece, rows, columns, down, across, int(by_columns), max(1, batch1),
        int(dots), int(packs_a), block_bytes, *copy_strides, None, None, 2 * missing, None, 0,
    )  # fmt: skip
    chunks = cut.batches * down * across
    ns = chunks * cut.chunk_ns(rows, columns)
    scratch_bytes = block_bytes + packs_a * sliver_bytes
    return ProductPlan(pack, words, chunks, ns, scratch_bytes, rows, columns, copies)


def room_ahead(depth: int, dtype: DType, lanes: int = LANES) -> int:
    """How many arrays can be fetched while tiles of this depth are computed.

    A part of what is needed is of no use: it slowed a product of depth 128 with seven arrays by
    half, and all of it made the step of a GPT faster by 7 %.
    """
    return min(MOST_AHEAD, depth // FETCH_EVERY // lines_of_tile(width(dtype, lanes)))


def _up(x: int, to: int) -> int:
    return -(-x // to) * to


def _piece(depth: int) -> int:
    """The longest part of k that is summed at a time."""
    if depth <= LONGEST:
        return max(1, depth)
    return -(-depth // -(-depth // PIECE))


def _copies(counts: Sequence[int], sums: set[int]) -> tuple[tuple[int, int, int], int]:
    """Strides of a copy's number over (batch0, batch1, blocks down), and how many there are."""
    strides, copies = [0, 0, 0], 1
    for loop in sorted(sums, reverse=True):
        strides[loop] = copies
        copies *= counts[loop]
    return (strides[0], strides[1], strides[2]), copies


def _is_dots(m: int, b: Sequence[int], along_k: int) -> bool:
    """Whether packing B, whose k is contiguous as A's is, costs more than the whole product."""
    return m <= DOTS and b[2] == 1 and along_k == 1 and b[3] != 1


def _is_direct(w: Width, m: int, n: int, depth: int, b: Sequence[int]) -> bool:
    """Whether tiles read B where it lies: no vector may reach beyond a row, and rows lie apart.

    A copy costs 0.3 ns per element; without it a panel is read at its stride for every six rows.
    At k = 512 and 784 (n = 512) the copy paid from 40 rows on, at a multiple of 4096 bytes from 14.
    A panel that fits the first level of cache is best read in place for far more: half of a copy
    comes from another core (128 x 128 x 128 on two cores: 18.8 us in place, 23 to 25 copied).
    """
    if b[3] != 1 or b[2] == 0 or n % w.lanes:
        return False
    if n <= w.columns and b[2] == n:
        return True
    if b[2] * w.size % CROWDED_BYTES == 0:
        return m <= CROWDED_ROWS
    near = depth * min(n, w.columns) * w.size <= PANEL_BYTES
    return m <= (NEAR_ROWS if near else DIRECT_ROWS)


def _packs_a(w: Width, columns: int, depth: int, row: int, along_k: int) -> bool:
    """Whether a copy of A's rows pays, whose elements along k lie apart.

    In place, a tile reads six neighbours on each of `depth` lines; the copy costs a quarter of a
    nanosecond per element.  Lines a multiple of 4096 bytes apart fall on the same cache sets: at
    k = 1024 that halves the speed of any block (83 instead of 131 to 164 GF/s), and of 2048 at
    k = 768 it takes a quarter (245 instead of 195 GF/s for 512 x 128).  Otherwise the copy gained
    8 % for four panels, 4 % for two, and lost 9 to 16 % for one.
    """
    panels = -(-columns // w.columns)
    apart = along_k * w.size
    if any(apart % n_bytes == 0 and depth > least for n_bytes, least in CROWDED_DEPTHS.items()):
        return True
    return panels >= (4 if row == 1 else 2)


def _pack(w: Width, extents: Sequence[int], b: Sequence[int]) -> tuple[PackPlan, tuple[int, ...]]:
    """The record that packs B [batch0, batch1, k, n], and the strides of what it makes.

    A batch that B repeats is packed once.
    """
    batch0, batch1 = (count if stride else 1 for count, stride in zip(extents, b[:2], strict=False))
    depth, n = extents[2:]
    size = depth * _up(n, w.lanes)
    panels = max(1, -(-n // w.columns))
    span, rows = 1, PACK_ROWS
    if b[3] == 1:
        span = max(1, min(panels // PACK_SHARES, PACK_PANELS))
        rows = max(1, PACK_ELEMENTS // (span * w.columns))
    across, pieces = -(-panels // span), max(1, -(-depth // rows))
    words = PackWords(
        None, b[2], b[3], b[0], b[1],
        None, size, depth, n, max(1, batch1), span, across, pieces, rows,
    )  # fmt: skip
    elements = batch0 * batch1 * size
    made = PackPlan(
        words, batch0 * batch1 * across * pieces, elements * w.size, elements * PACK_B_NS[w.size]
    )
    return made, (batch1 * size if b[0] else 0, size if b[1] else 0, 0, depth)


def _by_columns(cut: _Cut, down: int, across: int, *, is_packed: bool) -> bool:
    """Whether neighbouring blocks, a thread's share, have B's columns in common, or A's rows.

    A thread reads its share of one operand and all of the other.  What another core has written, as
    half of a packed B, costs twice as much; what is larger than its cache is read for every block.
    By columns, 1024 x 1536 x 384 took 11 % less time on two cores, and 512 x 512 x 512 6 %.
    """

    def read(elements: int, blocks: int) -> float:
        n_bytes = elements * cut.w.size
        return n_bytes * (max(1.0, blocks / 2) if n_bytes > NEAR_BYTES else 1.0)

    a, b = read(cut.m * cut.depth, across), read(cut.n * cut.depth, down)
    return cut.depth >= DEEP and a <= b * (2 if is_packed else 1)


class _Cut(NamedTuple):
    """A product that is to be cut into blocks; strided: A's k is not contiguous."""

    batches: int
    m: int
    n: int
    depth: int
    w: Width
    strided: bool

    def blocks(self, rows: int, columns: int) -> tuple[int, int]:
        """How many blocks of that size there are: below, and beside one another."""
        return max(1, -(-self.m // rows)), max(1, -(-self.n // columns))

    def chunk_ns(self, rows: int, columns: int) -> float:
        """Estimated nanoseconds of a block."""
        w = self.w
        rows, columns = min(rows, self.m), _up(min(columns, self.n), w.lanes)
        flops = 2 * (rows + bool(rows % TILE_ROWS)) * columns * self.depth
        panels = columns * self.depth * w.size
        lines = rows * self.depth * w.size
        block = rows * columns * w.size
        beyond = panels + lines + (4 * block if block > BLOCK_BYTES else 0)
        packing = rows * self.depth * PACK_A_NS if self.strided else 0.0
        return CHUNK_NS + flops / FLOPS_PER_NS[w.size] + beyond / BYTES_PER_NS + packing


@functools.lru_cache(1024)
def tile(cut: _Cut, *, whole_rows: bool, sums: bool) -> tuple[int, int]:
    """(rows, columns) of the blocks: the best on the mean over numbers of threads.

    whole_rows: blocks are as wide as the product.  sums: every further row of blocks needs copies
    of what the epilogue accumulates.
    """

    def cost(size: tuple[int, int]) -> float:
        down, across = cut.blocks(*size)
        chunks, each = cut.batches * down * across, cut.chunk_ns(*size)
        apart = cut.batches * down * cut.n * COPY_NS if sums and cut.batches * down > 1 else 0.0
        total = 0.0
        for threads in THREADS:
            if threads > 1 and chunks == 1:
                total += each * threads
            else:
                turns = -(-chunks // threads)
                total += turns * each * threads + apart + SHARING_NS * (threads - 1)
        return total

    w = cut.w
    panels = max(1, -(-cut.n // w.columns))
    heights = {min(_up(h, TILE_ROWS), max(1, cut.m)) for h in _even(max(1, cut.m), ROWS)}
    widths = {panels * w.columns} if whole_rows else {x * w.columns for x in _even(panels, PANELS)}
    sizes = [(h, x) for h in heights for x in widths]
    small = [s for s in sizes if s[0] * s[1] * w.size <= BLOCK_BYTES]
    return min(sizes if whole_rows else small, key=lambda size: (cost(size), size))


def _even(extent: int, sizes: Sequence[int]) -> set[int]:
    """Near each size the one that cuts `extent` into equal parts, and `extent` itself."""
    return {-(-extent // -(-extent // size)) for size in (*sizes, extent)}
