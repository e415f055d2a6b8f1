"""The works of a correlation by Winograd's tiles, and when they take less time than the direct one.

Knows nothing of convolutions.  Nothing here depends on the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import prod
from typing import NamedTuple

import numpy as np

from rushlight.extend import Access, Store, Value

from ... import products
from ...codegen.llvm import written_once
from ...lowering import Extra, Place, Work, joined, of_nest, place
from ...products import FLOPS_PER_NS
from ...tiles import Width
from .correlation_work import Weights, ending, pixel_order
from .part import Axis, Images, Part, block_words, blocks_of, even, part, rounded, window_words
from .window import copier
from .winograd import PRODUCTS, RESULTS, TAPS
from .winograd_sums import SumWords, winograd_sums
from .winograd_tiles import (
    FilterTileWords,
    PartWords,
    TileWords,
    winograd_correlation,
    winograd_filters,
)

# For which tiles take less time, on one thread of the machine of decision 18: of 12 x 24 channels
# and outputs 1.0 to 1.3 of the direct way's, of 16 x 16 0.85 to 1.0, of 64 x 64 0.4 to 0.65.
LEAST_CHANNELS = 16
LEAST_SUMMED, LEAST_OUTPUTS = 12, 8  # of the gradient of filters
FILTERS_PER_TILE = 1 << 14  # one tile of 128 x 128: 1.06, four of 512 x 512: 1.2
TILE_BYTES = 800 << 10  # of tiles and their products, which share the second cache with weights
LEAST_TILES, MOST_TILES = 24, 128  # of a block
WANTED = 8  # chunks
SUM_BYTES, SUM_OUTPUTS = 1200 << 10, 64  # of the sums of a chunk; of its outputs
FILTERS = 1 << 10  # that a chunk takes to the points
APART = 16  # elements between points, so that they do not fall on the same sets of the cache
MINIMAL = prod((TAPS, TAPS, RESULTS, RESULTS)) // PRODUCTS  # times fewer multiplications


class PanelCode(NamedTuple):
    """The function of products that multiplies rows by one panel of so many vectors: a `Code`."""

    w: Width
    vectors: int

    @property
    def key(self) -> str:
        """Its name."""
        return self.w.name(f"panel{self.vectors}")

    def address(self) -> int:
        """Of the function, compiled and loaded with all others of products."""
        write = partial(products.functions, np.dtype("float32"), self.w.lanes)
        return written_once(f"products {self.w.name('gemm')}", write, level=3)[self.key]


def is_tiled(axes: Sequence[Axis], groups: int, w: Width) -> bool:
    """Whether there are tiles for such windows."""
    z, *plane = axes
    of_three = all(sorted(x.reach) == [*range(TAPS)] and x.step == 1 for x in plane)
    return w.ty == "float" and groups == 1 and of_three and z.taps == (0,) and z.step == 1


def pays(axes: Sequence[Axis], sizes: tuple[int, int, int, int], w: Width) -> bool:
    """Whether a correlation takes less time by tiles.  sizes: batch, groups, channels, outputs."""
    batch, _, channels, outputs = sizes
    filters = channels * outputs
    tiles = batch * tiles_of([axis.results for axis in axes])
    filled = 2 * filters >= rounded(channels, w.lanes) * rounded(outputs, w.lanes)
    return (
        filled and min(channels, outputs) >= LEAST_CHANNELS and filters < FILTERS_PER_TILE * tiles
    )


def sums_pay(sizes: tuple[int, int, int, int]) -> bool:
    """Whether sums over pixels take less time by tiles.  sizes: those of `pays`."""
    return sizes[2] >= LEAST_SUMMED and sizes[3] >= LEAST_OUTPUTS


def tiles_of(block: Sequence[int]) -> int:
    """How many tiles a block of results has."""
    return block[0] * -(-block[1] // RESULTS) * -(-block[2] // RESULTS)


def block_of(axes: Sequence[Axis], most: int) -> tuple[int, int, int]:
    """A block of whole tiles, no more than `most`: of rows, of whole images, or of several."""
    z, y, x = (axis.results for axis in axes)
    down, across = -(-y // RESULTS), -(-x // RESULTS)
    if across >= most:
        return 1, RESULTS, RESULTS * even(across, most)
    if down * across > most:
        return 1, RESULTS * even(down, most // across), RESULTS * across
    return even(z, most // (down * across)), RESULTS * down, RESULTS * across


class Tiled(NamedTuple):
    """A part of images and its tiles: their words, and the scratch that they take."""

    part: Part
    words: PartWords
    end: int


def tiled(
    images: Images,
    axes: Sequence[Axis],
    channels: tuple[int, int],
    block: tuple[int, int, int],
    w: Width,
    before: Tiled | None = None,
) -> Tiled:
    """The tiles of a block.

    channels: how many, and their pitch.  before: what lies in scratch already, of no smaller parts.
    """
    found = part(axes, block)
    pixels = found.planes * found.rows * found.width
    count, pitch = channels
    apart = tiles_of(block) * pitch + APART
    if before is None:
        turned_at = rounded((w.lanes * found.plane + w.lanes) * w.size)
        tiles_at = turned_at + (pixels + w.lanes) * w.lanes * w.size
    else:
        turned_at, tiles_at = before.words.turned_at, before.end
    words = PartWords(
        images.at, images.n, images.c, copier(w), window_words(images, axes, found), found.plane,
        pixels, found.rows, found.width, count, pitch, apart, turned_at, tiles_at,
    )  # fmt: skip
    return Tiled(found, words, tiles_at + rounded(PRODUCTS * apart * w.size))


def filter_tiles(
    images: Images,
    axes: Sequence[Axis],
    values: Images,
    others: Sequence[Axis],
    sizes: tuple[int, int, int, int],
    z: Value,
    w: Width,
) -> list[Work]:
    """The works that sum values times the windows of images into z, as `filter_gradient` does."""
    batch, _, all_channels, all_outputs = sizes
    outputs = even(all_outputs, SUM_OUTPUTS)
    most = max(w.lanes, SUM_BYTES // (PRODUCTS * w.size * outputs))
    channels = even(all_channels, most)
    vectors = even(-(-channels // w.lanes), w.vectors)
    columns = vectors * w.lanes
    pitch = rounded(channels, columns), rounded(outputs, w.lanes)
    channel_blocks, output_blocks = -(-all_channels // channels), -(-all_outputs // outputs)
    block = block_of(axes, tiles_for(sum(pitch), w))
    positions = batch * blocks_of(axes, block)
    at_once = -(-positions // min(positions, -(-WANTED // (channel_blocks * output_blocks))))
    copies = -(-positions // at_once)
    size = all_outputs * all_channels * TAPS * TAPS
    to = Place(Extra(copies * size * w.size) if copies > 1 else z, 0)
    x = tiled(images, axes, (channels, pitch[0]), block, w)
    y = tiled(values, others, (outputs, pitch[1]), block, w, x)
    sums_apart = outputs * pitch[0] + APART
    words = SumWords(
        PanelCode(w, vectors), columns, to, size, all_channels, all_outputs, channel_blocks,
        output_blocks, at_once, y.end, sums_apart,
    )  # fmt: skip
    blocks = block_words(axes, batch, x.part, (0, 0, 0))
    ns = tile_ns(axes, sizes, w)
    scratch_bytes = y.end + PRODUCTS * sums_apart * w.size
    chunks = copies * channel_blocks * output_blocks
    given = [*x.words, *y.words, *words, *blocks]
    works = [Work(winograd_sums(w), given, chunks, ns, scratch_bytes)]
    if copies > 1:
        store = Store(0, Access(z, (1,), 0, z.dtype), "sum")
        works += of_nest(joined((size,), store, to.buffer, copies, size))
    return works


def tiles_for(channels: int, w: Width) -> int:
    """How many tiles of so many channels in all a block may have."""
    return max(LEAST_TILES, min(MOST_TILES, TILE_BYTES // (PRODUCTS * w.size * channels)))


def tile_ns(axes: Sequence[Axis], sizes: tuple[int, int, int, int], w: Width) -> float:
    """The estimated time of the products of all tiles."""
    flops = 2 * TAPS * TAPS * prod(sizes) * prod(x.results for x in axes)
    return flops / MINIMAL / FLOPS_PER_NS[w.size]


def minimal(
    images: Images,
    axes: Sequence[Axis],
    weights: Weights,
    result: Images,
    sizes: tuple[int, int, int, int],
    w: Width,
) -> list[Work]:
    """The works of one correlation.  sizes: batch, groups; channels and outputs of a group."""
    batch, _, channels, outputs = sizes
    vectors = even(-(-outputs // w.lanes), w.vectors)
    columns = vectors * w.lanes
    panels = -(-outputs // columns)
    most = tiles_for(rounded(channels, w.lanes) + columns, w)
    block = block_of(axes, most)
    while batch * blocks_of(axes, block) < WANTED and most > LEAST_TILES:
        most = max(LEAST_TILES, most // 2)
        block = block_of(axes, most)
    positions = batch * blocks_of(axes, block)
    panels_at_once = even(panels, max(1, panels * positions // WANTED))
    panel_blocks = -(-panels // panels_at_once)
    at_once = 1
    from_image = tiled(images, axes, (channels, rounded(channels, w.lanes)), block, w)
    sums_apart = tiles_of(block) * columns + APART
    rows_at = from_image.end + rounded(PRODUCTS * sums_apart * w.size)
    row = block[2] + w.lanes
    filters_apart = panels * channels * columns + APART
    packed = Place(Extra((panels * columns + PRODUCTS * filters_apart) * w.size), 0)
    at = result.at._replace(offset=result.at.offset + w.size * sum(x.start for x in axes))
    words = TileWords(
        PanelCode(w, vectors), columns, packed, panels * columns, filters_apart, at, result.n,
        result.c, outputs, panels, at_once, panels_at_once, panel_blocks, from_image.end,
        sums_apart, rows_at, row, None, None, 0,
    )  # fmt: skip
    blocks = block_words(axes, batch, from_image.part, [x.apart for x in axes])
    chunks = -(-positions // at_once) * panel_blocks
    ns = tile_ns(axes, sizes, w)
    given = [*from_image.words, *words, *blocks]
    first = len(PartWords._fields) + TileWords._fields.index("nest")
    end = ending(result.at.buffer, (batch, outputs), axes, block, first)
    scratch_bytes = rows_at + RESULTS * row * w.lanes * w.size
    return [
        filters_at_points(weights, axes, words, channels, w),
        Work(winograd_correlation(w), given, chunks, ns, scratch_bytes, end),
    ]


def filters_at_points(
    weights: Weights, axes: Sequence[Axis], tile: TileWords, channels: int, w: Width
) -> Work:
    """The work that takes filters to the points."""
    at_once = max(1, min(channels, FILTERS // w.lanes))
    across = -(-channels // at_once)
    bias = weights.bias
    words = FilterTileWords(
        weights.at, weights.o, weights.c, pixel_order(weights, axes),
        weights.at if bias is None else place(bias), 0 if bias is None else bias.strides[0],
        int(bias is not None), tile.filters, tile.first, tile.filters_apart, tile.columns,
        channels, tile.outputs, at_once, across,
    )  # fmt: skip
    vectors = tile.panel_count * tile.columns // w.lanes
    return Work(winograd_filters(w), [*words], vectors * across, 100.0 * vectors * channels)
