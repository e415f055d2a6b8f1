"""Convolutions and their gradients as correlations: how each is cut, and its argument blocks.

Knows no code.  Nothing here depends on the number of threads, so results do not either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

from rushlight.extend import Access, Call

from ..codegen.llvm import LANES
from ..lowering import Extra, Place, Work, place
from ..tiles import Width, width
from .correlation import CorrelationWords, PackWords, Tile, correlation, packer
from .window import ENTRY_WORDS, BlockWords, WindowWords, copier

COPY_BYTES = 384 << 10  # of a part of an image, which shares the second cache with weights
ALIGN = 64
FLOPS_PER_NS = {4: 110.0, 8: 55.0}  # of one thread, by the element's bytes
ELEMENT_NS = 0.1  # copied
CHUNK_NS = 20_000.0
MOST_CHUNKS = 32
PACKED = 1 << 14  # weights that a chunk packs
REGISTERS = 32 if LANES == 16 else 16
MOST_ROWS, MOST_VECTORS = 14, 8
TILE_CYCLES = 30.0  # of its beginning and end


class Axis(NamedTuple):
    """One axis of a correlation.

    size, stride: extent and stride of the image.  taps: where the elements of the first window lie;
    negative: before the image.  step: from one window to the next.  count: windows.
    start, apart: of the results in memory: the first, and from one to the next.
    """

    size: int
    stride: int
    taps: tuple[int, ...]
    step: int
    count: int
    start: int
    apart: int

    @property
    def base(self) -> int:
        """Where the first window begins."""
        return min(self.taps, default=0)

    @property
    def reach(self) -> tuple[int, ...]:
        """How far each element of a window is from its beginning."""
        return tuple([tap - self.base for tap in self.taps])


ONE = Axis(1, 0, (0,), 1, 1, 0, 0)  # an axis that an image lacks


class Images(NamedTuple):
    """Many images: where they lie, [batch, groups, channels, *axes], and strides of the first 3."""

    at: Place
    n: int
    group: int
    c: int


class Part(NamedTuple):
    """The copy of a part of the images: its layout for blocks of results.

    block: results along each axis.  planes, rows, width, phases: of a channel.
    plane, slice, row: pitches.  taps: where the elements of a window begin.
    """

    block: tuple[int, int, int]
    planes: int
    rows: int
    width: int
    phases: tuple[int, ...]
    plane: int
    slice: int
    row: int
    taps: list[int]


def part(axes: Sequence[Axis], block: tuple[int, int, int]) -> Part:
    """The copy that the windows of a block need."""
    step = axes[2].step
    phases = sorted({far % step for far in axes[2].reach}) or [0]
    shifts = [far // step for far in axes[2].reach]
    width = block[2] + max(shifts, default=0)
    planes, rows = (
        (n - 1) * axis.step + max(axis.reach, default=0) + 1
        for n, axis in zip(block[:2], axes[:2], strict=True)
    )
    row = width * len(phases)
    plane = -(-planes * rows * row // 16) * 16
    if plane % 256 == 0:  # lines so far apart would fall on the same sets of the first cache
        plane += 16
    taps = [
        z * rows * row + y * row + phases.index(far % step) * width + far // step
        for z, y, far in product(*(axis.reach for axis in axes))
    ]
    return Part(block, planes, rows, width, tuple(phases), plane, rows * row, row, taps)


def cut(axes: Sequence[Axis], channels: int, w: Width) -> tuple[int, int, int]:
    """The largest block of results whose part of the images fits in cache."""
    block = [axis.count for axis in axes]
    for d, least in enumerate((1, 1, 64)):
        while block[d] > least and room(axes, channels, block, w) > COPY_BYTES:
            block[d] = -(-block[d] // 2)
    return block[0], block[1], block[2]


def room(axes: Sequence[Axis], channels: int, block: Sequence[int], w: Width) -> int:
    """Bytes of the copy for a block."""
    found = part(axes, (block[0], block[1], block[2]))
    return _up((channels * found.plane + 4 * w.lanes) * w.size, ALIGN)


def window_words(images: Images, axes: Sequence[Axis], found: Part) -> list[Any]:
    """How a part is copied."""
    return list(
        WindowWords(
            images.c, *(axis.stride for axis in axes), *(axis.size for axis in axes),
            found.planes, found.rows, found.width, found.plane, found.slice, found.row,
            axes[2].step, len(found.phases), list(found.phases),
        )
    )  # fmt: skip


def block_words(axes: Sequence[Axis], batch: int, found: Part, far: Sequence[int]) -> BlockWords:
    """How results are cut into blocks.  far: strides of results beside the copy."""
    counts = [-(-axis.count // n) for axis, n in zip(axes, found.block, strict=True)]
    near = found.slice * axes[0].step, found.row * axes[1].step
    return BlockWords(
        *(axis.count for axis in axes), *found.block, *counts[1:], prod(counts),
        batch * prod(counts), *(axis.step for axis in axes), *(axis.base for axis in axes),
        *near, *far,
    )  # fmt: skip


def shape_of(outputs: int, steps: int, block: tuple[int, int, int], w: Width) -> Tile:
    """The tile that takes the least time for a block."""

    def cycles(tile: Tile) -> float:
        rows, vectors, pieces = tile
        count = block[0] * block[1] * -(-block[2] // (w.lanes // pieces))
        tiles = -(-outputs // rows) * -(-count // (vectors * pieces))
        arithmetic = rows * vectors / 2 + vectors * (pieces - 1) / 2
        loads = (rows + 1.5 * vectors * pieces) / 2
        return tiles * (steps * max(arithmetic, loads, 4.5) + TILE_CYCLES + rows * vectors * pieces)

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
    ns = 2 * batch * groups * outputs * prod(x.count for x in axes) * steps / FLOPS_PER_NS[w.size]
    wanted = int(max(1, min(MOST_CHUNKS, ns // CHUNK_NS)))
    block = cut(axes, channels, w)
    while batch * groups * _blocks(axes, block) <= wanted // 2 and block[1] >= 8:
        block = block[0], -(-block[1] // 2), block[2]
    found = part(axes, block)
    tile = shape_of(outputs, steps, block, w)
    tiles = -(-outputs // tile.rows)
    positions = batch * _blocks(axes, block)
    at_once = max(1, positions // wanted)
    group_blocks = min(groups, -(-wanted // positions))
    groups_at_once = -(-groups // group_blocks)
    group_blocks = -(-groups // groups_at_once)
    tile_blocks = 1
    if positions * group_blocks <= wanted // 2:
        tile_blocks = min(tiles, wanted // (positions * group_blocks))
    tiles_at_once = -(-tiles // tile_blocks)
    tile_blocks = -(-tiles // tiles_at_once)
    slab = tile.rows * (1 + steps)
    packed = Place(Extra(groups * tiles * slab * w.size), 0)
    copy_bytes = room(axes, channels, block, w)
    lanes = w.lanes // tile.pieces
    pieces = block[0] * block[1] * -(-block[2] // lanes) + tile.vectors * tile.pieces
    table_bytes = _up(8 * ENTRY_WORDS * pieces, ALIGN)
    at = result.at._replace(offset=result.at.offset + w.size * sum(x.start for x in axes))
    words = CorrelationWords(
        images.at, images.n, images.group, copier(w), window_words(images, axes, found),
        found.plane, found.taps, len(found.taps), packed, slab, at, result.n, result.c,
        channels, outputs, groups, tiles, at_once, groups_at_once, tiles_at_once, group_blocks,
        tile_blocks, copy_bytes, copy_bytes + table_bytes,
    )  # fmt: skip
    chunks = -(-positions // at_once) * group_blocks * tile_blocks
    scratch_bytes = copy_bytes + table_bytes + _up(8 * steps, ALIGN)
    blocks = block_words(axes, batch, found, [x.apart for x in axes])
    ns += positions * groups * tile_blocks * channels * found.plane * ELEMENT_NS
    return [
        packing(weights, packed, tile, (groups, channels, outputs), w),
        Work(correlation(w, tile), [*words, *blocks], chunks, ns, scratch_bytes),
    ]


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


def conv(call: Call) -> list[Work] | None:
    """The works of a convolution; None of one that there is no code for."""
    x, weight, bias = call.inputs
    stride, padding, dilation, groups = call.step.params
    shape, filters = call.shapes[0], call.shapes[1]
    z = call.step.outputs[0]
    w = fitting(x, shape, filters)
    if w is None or z is None or shape is None or filters is None or not prod(z.shape):
        return None
    n = len(shape) - 2
    steps = pitches(z.shape)
    axes = [
        Axis(size, along, tuple([d * j - p for j in range(k)]), s, count, 0, apart)
        for size, along, k, s, (p, _), d, count, apart in zip(
            shape[2:], x.strides[2:], filters[2:], stride, padding, dilation, z.shape[2:],
            steps[2:], strict=True,
        )
    ]  # fmt: skip
    channels, outputs = filters[1], filters[0] // groups
    images = Images(place(x), x.strides[0], channels * x.strides[1], x.strides[1])
    taps = [
        sum(j * along for j, along in zip(tap, weight.strides[2:], strict=True))
        for tap in product(*map(range, filters[2:]))
    ]
    weights = Weights(
        place(weight), outputs * weight.strides[0], weight.strides[0], weight.strides[1], taps, bias
    )
    result = Images(Place(z, 0), steps[0], outputs * steps[1], steps[1])
    sizes = shape[0], groups, channels, outputs
    return correlated(images, [*[ONE] * (3 - n), *axes], weights, result, sizes, w)


def fitting(x: Access, *shapes: Any) -> Width | None:
    """The width of vectors; None where there is no code for the element type, dims or sizes."""
    if x.dtype.name not in ("float32", "float64"):
        return None
    if not all(3 <= len(shape) <= 5 and prod(shape) for shape in shapes):
        return None
    return width(x.dtype)


def pitches(shape: Sequence[int]) -> list[int]:
    """The strides of an array in order."""
    return [prod(shape[d + 1 :]) for d in range(len(shape))]


def _blocks(axes: Sequence[Axis], block: Sequence[int]) -> int:
    return prod(-(-axis.count // n) for axis, n in zip(axes, block, strict=True))


def _up(x: int, to: int) -> int:
    return -(-x // to) * to


KERNELS: dict[str, Callable[[Call], list[Work] | None]] = {"conv": conv}
