"""The works of a correlation: weights that are packed, and tiles that are summed.

Knows nothing of convolutions.  Nothing here depends on the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from math import prod
from typing import NamedTuple

from rushlight.extend import Access, Value, size

from ...lowering import Ending, Extra, Place, Work, place
from ...products import FLOPS_PER_NS
from ...tiles import Width
from .correlation import CorrelationWords, PackWords, Tile, correlation, packer
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

WEIGHT_BYTES = 768 << 10  # of weights that stay in the second cache
SHARES = 4  # of the outputs, where weights do not
MOST_CHUNKS = 32
PACKED = 1 << 14  # weights that a chunk packs
ELEMENT_NS = 0.1  # copied

MOST_ROWS, MOST_VECTORS = 14, 8  # of the tiles that are looked at
# By the dims of an image: which loops of `run_nest` the axes [batch, outputs, *axes] are.
LOOPS = {1: (1, 2, 4), 2: (1, 2, 3, 4), 3: (0, 2, 1, 3, 4)}


@lru_cache(1024)
def shape_of(outputs: int, steps: int, block: tuple[int, int, int], w: Width) -> Tile:
    """The tile that takes the least time for a block."""

    def cycles(tile: Tile) -> float:
        rows, vectors, pieces = tile
        count = block[0] * block[1] * -(-block[2] // (w.lanes // pieces))
        tiles = -(-outputs // rows) * -(-count // (vectors * pieces))
        arithmetic = rows * vectors / 2 + vectors * (pieces - 1) / 2
        loads = rows / 2 + LOAD_CYCLES * vectors * pieces
        step = max(arithmetic, loads, 4.0) + STEP_CYCLES + 0.3 * vectors * pieces
        return tiles * (steps * step + TILE_CYCLES + rows * vectors * pieces)

    shapes = [
        Tile(rows, vectors, pieces)
        for rows in range(1, min(MOST_ROWS, outputs) + 1)
        for vectors in range(1, MOST_VECTORS + 1)
        for pieces in (1, 2, 4)
        if rows * vectors + vectors < REGISTERS and w.lanes // pieces >= 4
    ]
    return min(shapes, key=lambda tile: (cycles(tile), tile))


class Weights(NamedTuple):
    """Weights as a correlation reads them.

    at: address.  group, o, c: strides over groups, outputs and inputs of one; taps: where the
    elements of a window lie.  bias: an access over outputs, or None.
    """

    at: Place
    group: int
    o: int
    c: int
    taps: list[int]
    bias: Access | None


def pixel_order(weights: Weights, axes: Sequence[Axis]) -> list[int]:
    """Where the elements of a window lie in the weights, in the order of its pixels."""
    pixels = [*product(*(axis.reach for axis in axes))]
    return [weights.taps[i] for i in sorted(range(len(pixels)), key=pixels.__getitem__)]


def correlated(
    images: Images,
    axes: Sequence[Axis],
    weights: Weights,
    result: Images,
    sizes: tuple[int, int, int, int],
    w: Width,
) -> list[Work]:
    """The works of one correlation.  sizes: batch, groups; channels and outputs of a group."""
    batch, groups, channels, outputs = sizes
    steps = channels * len(weights.taps)
    ns = 2 * batch * groups * outputs * prod(x.results for x in axes) * steps / FLOPS_PER_NS[w.size]
    wanted = int(max(1, min(MOST_CHUNKS, ns // CHUNK_NS)))
    most = cache_bytes(outputs)
    # weights that do not stay in cache are better shared out than read for each image
    shares = SHARES if outputs * steps * w.size > WEIGHT_BYTES else 1
    least = wanted / 2 / (batch * groups * shares)
    block = cut(axes, lambda block: room(axes, channels, block, w) <= most, least)
    found = part(axes, block)
    tile = shape_of(outputs, steps, block, w)
    tiles = -(-outputs // tile.rows)
    positions = batch * blocks_of(axes, block)
    at_once = max(1, positions // wanted)
    groups_at_once = even(groups, -(-groups // -(-wanted // positions)))
    group_blocks = -(-groups // groups_at_once)
    tiles_at_once = tiles
    if positions * group_blocks <= wanted // 2:
        tiles_at_once = -(-tiles // (wanted // (positions * group_blocks)))
    tile_blocks = -(-tiles // tiles_at_once)
    slab = tile.rows * (1 + steps)
    packed = Place(Extra(groups * tiles * slab * w.size), 0)
    copy_bytes = room(axes, channels, block, w)
    lanes = w.lanes // tile.pieces
    pieces = block[0] * block[1] * -(-block[2] // lanes) + tile.vectors * tile.pieces
    table_bytes = rounded(8 * ENTRY_WORDS * pieces)
    at = result.at._replace(offset=result.at.offset + w.size * sum(x.start for x in axes))
    words = CorrelationWords(
        images.at, images.n, images.group, copier(w), window_words(images, axes, found),
        found.plane, found.taps, len(found.taps), packed, slab, at, result.n, result.c,
        channels, outputs, groups, tiles, at_once, groups_at_once, tiles_at_once, group_blocks,
        tile_blocks, copy_bytes, copy_bytes + table_bytes, None, None, 0,
    )  # fmt: skip
    chunks = -(-positions // at_once) * group_blocks * tile_blocks
    scratch_bytes = copy_bytes + table_bytes + rounded(8 * steps)
    blocks = block_words(axes, batch, found, [x.apart for x in axes])
    ns += positions * groups * tile_blocks * channels * found.plane * ELEMENT_NS
    first = CorrelationWords._fields.index("nest")
    end = ending(result.at.buffer, (batch, groups * outputs), axes, block, first)
    return [
        packing(weights, packed, tile, (groups, channels, outputs), w),
        Work(correlation(w, tile), [*words, *blocks], chunks, ns, scratch_bytes, end),
    ]


def ending(
    z: Value, sizes: tuple[int, int], axes: Sequence[Axis], block: Sequence[int], first: int
) -> Ending | None:
    """Where a nest may follow, if z is all computed: `run_nest`.  sizes: batch, outputs."""
    batch, outputs = sizes
    results = [axis.results for axis in axes]
    if batch * outputs * prod(results) != size(z.shape):
        return None
    extents = batch, results[0], outputs, results[1], results[2]
    return Ending(z, extents, LOOPS[len(z.shape) - 2], block[2] >= results[2], first)


def packing(
    weights: Weights, packed: Place, tile: Tile, sizes: tuple[int, int, int], w: Width
) -> Work:
    """The work that packs weights.  sizes: groups, channels and outputs of a group."""
    groups, channels, outputs = sizes
    tiles = -(-outputs // tile.rows)
    slab = tile.rows * (1 + channels * len(weights.taps))
    slabs = groups * tiles
    at_once = max(1, PACKED // slab)
    bias = weights.bias
    words = PackWords(
        weights.at, weights.group, weights.o, weights.c, weights.taps, len(weights.taps),
        weights.at if bias is None else place(bias), 0 if bias is None else bias.strides[0],
        int(bias is not None), packed, slab, tile.rows, channels, outputs, tiles, slabs, at_once,
    )  # fmt: skip
    ns = 8 * ELEMENT_NS * slabs * slab
    return Work(packer(w), list(words), -(-slabs // at_once), ns)
