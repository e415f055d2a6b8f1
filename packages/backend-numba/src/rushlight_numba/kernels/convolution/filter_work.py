"""The works of the gradient of filters: sums over pixels, and copies of them that are added up.

Knows nothing of convolutions.  Nothing here depends on the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import NamedTuple

from rushlight.extend import Access, Store, Value

from ...codegen.llvm import Routine
from ...lowering import Extra, Place, Work, joined, of_nest
from ...products import FLOPS_PER_NS
from ...tiles import Width
from .filter_sums import Cells, FilterWords, filter_sums
from .outer_sums import OuterTile, outer_sums
from .part import (
    CHUNK_NS,
    LOAD_CYCLES,
    REGISTERS,
    STEP_CYCLES,
    TILE_CYCLES,
    Axis,
    Images,
    block_words,
    blocks_of,
    cache_bytes,
    cut,
    even,
    part,
    room,
    rounded,
    window_words,
)
from .window import ENTRY_WORDS, copier

MOST_CHUNKS, MOST_SUMS = 32, 16  # the second where lanes are outputs
MOST_OUTPUTS = 128  # of a chunk
CELL_BYTES = 768 << 10  # of the sums of a chunk
OUTER_OUTPUTS, OUTER_ELEMENTS = 12, 64  # for which lanes are outputs
TURNED_FOR = 288  # elements of windows of a chunk then, if there are so many
PANEL_PIXELS = 128  # of a block then

# Of the tiles that are looked at.
MOST_ROWS, MOST_COLUMNS = 6, 14  # where lanes are pixels
MOST_ELEMENTS, MOST_VECTORS = 14, 4  # where they are outputs


class Sums(NamedTuple):
    """The code of a chunk and what it needs of scratch.  cells: vectors of sums."""

    code: Routine
    cells: int
    table_bytes: int
    panel_bytes: int


class Chunks(NamedTuple):
    """How sums over pixels are cut into chunks.

    is_outer: whether lanes are outputs.  outputs, channels: those of a group whose sums a chunk
    has; output_blocks, channel_blocks: how many chunks there are side by side in a group.
    block: results whose pixels a chunk copies at a time; positions: such blocks of all images, of
    which a chunk adds up `at_once`, in a copy of its own of the result.
    ns: the estimated time of all.
    """

    is_outer: bool
    outputs: int
    output_blocks: int
    channels: int
    channel_blocks: int
    block: tuple[int, int, int]
    positions: int
    at_once: int
    ns: float

    @property
    def copies(self) -> int:
        """Of the result, which are added up."""
        return -(-self.positions // self.at_once)


def chunks_of(
    axes: Sequence[Axis], others: Sequence[Axis], sizes: tuple[int, int, int, int], w: Width
) -> Chunks:
    """The chunks of sums of these sizes, which are those of `filter_gradient`."""
    batch, groups, all_channels, all_outputs = sizes
    count = prod(len(axis.taps) for axis in axes)
    outputs = even(all_outputs, MOST_OUTPUTS)
    output_blocks = -(-all_outputs // outputs)
    is_outer = outputs >= OUTER_OUTPUTS and all_channels * count >= OUTER_ELEMENTS
    pixels = batch * prod(axis.results for axis in axes)
    ns = 2 * pixels * groups * all_outputs * all_channels * count / FLOPS_PER_NS[w.size]
    wanted = int(max(1, min(MOST_SUMS if is_outer else MOST_CHUNKS, ns // CHUNK_NS)))
    most = CELL_BYTES // (outputs * count * w.size * (1 if is_outer else w.lanes))
    if is_outer:  # blocks of channels cost less than copies of the result
        shared = int(2 * all_channels * groups * output_blocks / wanted)
        most = min(most, max(-(-TURNED_FOR // count), shared))
    channels = even(all_channels, max(1, most))
    channel_blocks = -(-all_channels // channels)
    blocks = groups * channel_blocks * output_blocks

    def fits(block: Sequence[int]) -> bool:
        if is_outer and prod(block) > PANEL_PIXELS:
            return False
        n_bytes = room(axes, channels, block, w) + room(others, outputs, block, w)
        return n_bytes <= cache_bytes(outputs)

    block = cut(axes, fits, wanted / 2 / (batch * blocks))
    positions = batch * blocks_of(axes, block)
    at_once = -(-positions // min(positions, -(-wanted // blocks)))
    return Chunks(
        is_outer, outputs, output_blocks, channels, channel_blocks, block, positions, at_once, ns
    )


def filter_gradient(
    images: Images,
    axes: Sequence[Axis],
    values: Images,
    others: Sequence[Axis],
    sizes: tuple[int, int, int, int],
    z: Value,
    w: Width,
) -> list[Work]:
    """The works that sum values times the windows of images into z.

    others: the axes of the values, which those of the images have results for.
    sizes: batch, groups; channels of the images and of the values, of one group.
    """
    batch, groups, all_channels, all_outputs = sizes
    cuts = chunks_of(axes, others, sizes, w)
    count = prod(len(axis.taps) for axis in axes)
    elements = cuts.channels * count
    size, copies = groups * all_outputs * all_channels * count, cuts.copies
    to = Place(Extra(copies * size * w.size) if copies > 1 else z, 0)
    found, other = part(axes, cuts.block), part(others, cuts.block)
    sums = (outer if cuts.is_outer else dotted)(cuts.outputs, elements, cuts.block, w)
    # scratch: the copies of both images, the table of pixels, streams, cells and a panel
    other_at = room(axes, cuts.channels, cuts.block, w)
    table_at = other_at + room(others, cuts.outputs, cuts.block, w)
    streams_at = table_at + rounded(sums.table_bytes)
    cells_at = streams_at + rounded(8 * elements)
    panel_at = cells_at + sums.cells * w.lanes * w.size
    words = FilterWords(
        images.at, images.n, images.group, images.c, values.at, values.n, values.group, values.c,
        copier(w), window_words(images, axes, found), window_words(values, others, other),
        found.plane, other.plane, found.taps, count, to, size, cuts.channels, all_channels,
        cuts.outputs, all_outputs, groups, cuts.channel_blocks, cuts.output_blocks, cuts.at_once,
        other_at, table_at, streams_at, cells_at, panel_at,
    )  # fmt: skip
    given = [*words, *block_words(axes, batch, found, (other.slice, other.width, 1))]
    chunks = copies * groups * cuts.channel_blocks * cuts.output_blocks
    works = [Work(sums.code, given, chunks, cuts.ns, panel_at + sums.panel_bytes)]
    if copies > 1:
        store = Store(0, Access(z, (1,), 0, z.dtype), "sum")
        works += of_nest(joined((size,), store, to.buffer, copies, size))
    return works


def outer(outputs: int, elements: int, block: tuple[int, int, int], w: Width) -> Sums:
    """Sums whose lanes are outputs."""
    tile = tile_of(outputs, elements, w)
    columns = tile.vectors * w.lanes
    tiles = -(-outputs // columns) * -(-elements // tile.rows)
    panel_bytes = (prod(block) + w.lanes) * columns * w.size
    return Sums(outer_sums(w, tile), tiles * tile.rows * tile.vectors, 8 * prod(block), panel_bytes)


def dotted(outputs: int, elements: int, block: tuple[int, int, int], w: Width) -> Sums:
    """Sums whose lanes are pixels."""
    cells = cells_of(outputs, elements, block, w)
    pieces = block[0] * block[1] * -(-block[2] // (w.lanes // cells.pieces)) + cells.pieces
    tiles = -(-outputs // cells.rows) * -(-elements // cells.columns)
    code = filter_sums(w, cells)
    return Sums(code, tiles * cells.rows * cells.columns, 8 * ENTRY_WORDS * pieces, 0)


@lru_cache(1024)
def cells_of(outputs: int, elements: int, block: tuple[int, int, int], w: Width) -> Cells:
    """The tile of `filter_sums` that takes the least time for a block."""

    def cycles(cells: Cells) -> float:
        rows, columns, pieces = cells
        count = -(-block[0] * block[1] * -(-block[2] // (w.lanes // pieces)) // pieces)
        tiles = -(-outputs // rows) * -(-elements // columns)
        arithmetic = rows * columns / 2 + (rows + columns) * (pieces - 1) / 2 + 1
        loads = (rows / 2 + LOAD_CYCLES * columns) * pieces
        around = TILE_CYCLES + 2 * rows * columns
        return tiles * (count * max(arithmetic, loads, 4.5) + around)

    shapes = [
        Cells(rows, columns, pieces)
        for rows in range(1, min(MOST_ROWS, outputs) + 1)
        for columns in range(1, min(MOST_COLUMNS, elements) + 1)
        for pieces in (1, 2, 4)
        if rows * columns + rows + columns < REGISTERS + 3 and w.lanes // pieces >= 4
    ]
    return min(shapes, key=lambda cells: (cycles(cells), cells))


@lru_cache(1024)
def tile_of(outputs: int, elements: int, w: Width) -> OuterTile:
    """The tile of `outer_sums` that takes the least time."""

    def cycles(tile: OuterTile) -> float:
        rows, vectors = tile
        tiles = -(-elements // rows) * -(-outputs // (vectors * w.lanes))
        # a row costs its own load, and that of its address where there are many
        loads = (rows + 2 * max(0, rows - 8) + 2.5 * vectors) / 2
        return tiles * (max(rows * vectors / 2, loads, 4.0) + STEP_CYCLES)

    shapes = [
        OuterTile(rows, vectors)
        for rows in range(1, MOST_ELEMENTS + 1)
        for vectors in range(1, MOST_VECTORS + 1)
        if rows * vectors + vectors < REGISTERS
    ]
    return min(shapes, key=lambda tile: (cycles(tile), tile))
