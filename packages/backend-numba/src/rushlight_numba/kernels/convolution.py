"""Convolutions and their gradients as correlations: how each is cut, and its argument blocks.

Knows no code.  Nothing here depends on the number of threads, so results do not either.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

from rushlight.extend import Access, Call, LoopNest, Node, Shape, Store, Value

from ..codegen.llvm import LANES
from ..lowering import Extra, Place, Work, joined, of_nest, place
from ..tiles import Width, width
from .correlation import CorrelationWords, PackWords, Tile, correlation, packer
from .filters import Cells, FilterWords, filter_sums
from .outer import Block, outer_sums
from .window import ENTRY_WORDS, BlockWords, WindowWords, copier

COPY_BYTES = 384 << 10  # of parts of images, which share the second cache with weights
WEIGHT_BYTES = 768 << 10
NEAR_BYTES, FEW_OUTPUTS = 24 << 10, 8  # the same in the first, for so few outputs
ALIGN = 64
FLOPS_PER_NS = {4: 110.0, 8: 55.0}  # of one thread, by the element's bytes
ELEMENT_NS = 0.1  # copied
CHUNK_NS = 20_000.0
MOST_CHUNKS, MOST_SUMS = 32, 16  # the second where copies of the result are added up
PACKED = 1 << 14  # weights that a chunk packs
REGISTERS = 32 if LANES == 16 else 16
MOST_ROWS, MOST_VECTORS = 14, 8
MOST_CELL_ROWS = 6
MOST_OUTPUTS = 128  # of a block of the gradient of filters
CELL_BYTES = 768 << 10  # of the sums of such a block
OUTER_OUTPUTS, OUTER_ELEMENTS = 12, 64  # for which what is multiplied is turned
TURNED_FOR = 288  # elements of windows at least, if there are
PANEL_PIXELS = 128  # that are turned at a time
LOAD_CYCLES = 1.4  # of a vector of pixels, which lies on two lines and often not in the first cache
STEP_CYCLES = 0.5  # beside them
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
    plane, phase: pitches.  taps: where the elements of a window begin.
    """

    block: tuple[int, int, int]
    planes: int
    rows: int
    width: int
    phases: tuple[int, ...]
    plane: int
    phase: int
    taps: list[int]

    @property
    def slice(self) -> int:
        """From one z to the next."""
        return self.rows * self.width


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
    phase = planes * rows * width
    plane = _up(phase * len(phases), 16)
    if plane % 256 == 0:  # lines so far apart would fall on the same sets of the first cache
        plane += 16
    taps = [
        phases.index(far % step) * phase + (z * rows + y) * width + far // step
        for z, y, far in product(*(axis.reach for axis in axes))
    ]
    return Part(block, planes, rows, width, tuple(phases), plane, phase, taps)


def cut(
    axes: Sequence[Axis], fits: Callable[[Sequence[int]], bool], least: float
) -> tuple[int, int, int]:
    """The largest block of results that fits, if there are at least so many; else a smaller one."""
    block = [axis.count for axis in axes]
    for d, end in enumerate((1, 1, 64)):
        while block[d] > end and not fits(block):
            block[d] = -(-block[d] // 2)
    for d, end in enumerate((1, 7)):
        while block[d] > end and _blocks(axes, block) < least:
            block[d] = -(-block[d] // 2)
    return block[0], block[1], block[2]


def cache_bytes(outputs: int) -> int:
    """How much of the images a block may need: what is read once only stays in the first cache."""
    return NEAR_BYTES if outputs <= FEW_OUTPUTS else COPY_BYTES


def room(axes: Sequence[Axis], channels: int, block: Sequence[int], w: Width) -> int:
    """Bytes of the copy for a block."""
    found = part(axes, (block[0], block[1], block[2]))
    return _up((channels * found.plane + 4 * w.lanes) * w.size, ALIGN)


def window_words(images: Images, axes: Sequence[Axis], found: Part) -> list[Any]:
    """How a part is copied: rows that lie one behind another as one."""
    words = WindowWords(
        images.c, axes[0].stride, axes[1].stride, axes[2].stride,
        axes[0].size, axes[1].size, axes[2].size, found.planes, found.rows, found.width,
        found.plane, found.phase, found.slice, found.width, axes[2].step, len(found.phases),
        list(found.phases),
    )  # fmt: skip
    _, y, x = axes
    are_whole = all(one.step == 1 and one.taps == (0,) for one in (y, x)) and x.stride == 1
    if are_whole and y.stride == x.size == found.width and y.size % found.rows == 0:
        words = words._replace(rows=1, width=found.slice, size_x=found.slice)
    return list(words)


def block_words(axes: Sequence[Axis], batch: int, found: Part, far: Sequence[int]) -> BlockWords:
    """How results are cut into blocks.  far: strides of results beside the copy."""
    counts = [-(-axis.count // n) for axis, n in zip(axes, found.block, strict=True)]
    near = found.slice * axes[0].step, found.width * axes[1].step
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
    most = cache_bytes(outputs)
    # weights that do not stay in cache are better shared out than read for each image
    shares = 4 if outputs * steps * w.size > WEIGHT_BYTES else 1
    least = wanted / 2 / (batch * groups * shares)
    block = cut(axes, lambda block: room(axes, channels, block, w) <= most, least)
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


class Stated(NamedTuple):
    """A convolution: its parameters and weights; see `rushlight.ops.conv`."""

    weight: Access
    filters: Shape
    stride: Shape
    padding: Sequence[tuple[int, int]]
    dilation: Shape
    groups: int

    @property
    def channels(self) -> int:
        """Of the images, of one group."""
        return self.filters[1]

    @property
    def outputs(self) -> int:
        """Of one group."""
        return self.filters[0] // self.groups

    def offset(self, tap: Sequence[int]) -> int:
        """Where an element of the window lies in the weights."""
        return sum(j * along for j, along in zip(tap, self.weight.strides[2:], strict=True))


class Batch(NamedTuple):
    """Images, [batch, channels, *axes]: an array that is read."""

    access: Access
    shape: Shape

    def images(self, channels: int) -> Images:
        """With so many channels of a group."""
        n, c = self.access.strides[:2]
        return Images(place(self.access), n, channels * c, c)


def whole(z: Value, channels: int) -> Images:
    """The images of a result, with so many channels of a group."""
    n, c = pitches(z.shape)[:2]
    return Images(Place(z, 0), n, channels * c, c)


def three(axes: Sequence[Axis], batch: Axis) -> list[Axis]:
    """Three axes: the batch is one, if there is room, so that a block may be of several images."""
    return [*axes] if len(axes) == 3 else [batch, *[ONE] * (2 - len(axes)), *axes]


def beyond(batch: int, dims: int) -> int:
    """The batch that is not among those axes."""
    return batch if dims == 3 else 1


def of_batch(x: Batch, apart: int) -> Axis:
    """The axis of the images of a batch, whose results lie so far apart."""
    n = x.shape[0]
    return Axis(n, x.access.strides[0], (0,), 1, n, 0, apart)


def windows(x: Batch, counts: Shape, apart: Sequence[int], stated: Stated) -> list[Axis]:
    """The axes of a convolution of x.  counts, apart: of its results, of which the batch first."""
    axes = [
        Axis(size, along, tuple([d * j - p for j in range(k)]), s, count, 0, step)
        for size, along, k, s, (p, _), d, count, step in zip(
            x.shape[2:], x.access.strides[2:], stated.filters[2:], stated.stride, stated.padding,
            stated.dilation, counts[2:], apart[2:], strict=True,
        )
    ]  # fmt: skip
    return three(axes, of_batch(x, apart[0]))


def forward(x: Batch, stated: Stated, bias: Access | None, z: Value, w: Width) -> list[Work]:
    """z = conv(x, weight, bias)."""
    axes = windows(x, z.shape, pitches(z.shape), stated)
    group, o, c = stated.weight.strides[0] * stated.outputs, *stated.weight.strides[:2]
    taps = [stated.offset(tap) for tap in product(*map(range, stated.filters[2:]))]
    weights = Weights(place(stated.weight), group, o, c, taps, bias)
    batch = beyond(x.shape[0], len(z.shape) - 2)
    sizes = batch, stated.groups, stated.channels, stated.outputs
    images = x.images(stated.channels)
    return correlated(images, axes, weights, whole(z, stated.outputs), sizes, w)


def spread(g: Batch, stated: Stated, z: Value, w: Width) -> list[Work]:
    """z[b, c, u] = sum over o and s t + d j - p = u of g[b, o, t] weight[o, c, j].

    For each phase u + p = r modulo s it is a correlation of g with the weights of those j whose
    d j is r modulo s.
    """
    group, c, o = stated.weight.strides[0] * stated.outputs, *stated.weight.strides[:2]
    batch = beyond(g.shape[0], len(z.shape) - 2)
    sizes = batch, stated.groups, stated.outputs, stated.channels
    images, result = g.images(stated.outputs), whole(z, stated.channels)
    works: list[Work] = []
    phases = _Phases(g, stated, z.shape, pitches(z.shape))
    per_axis = [[phases.phase(d, r) for r in range(s)] for d, s in enumerate(stated.stride)]
    for chosen in product(*per_axis):
        axes = three([axis for axis, _ in chosen], of_batch(g, phases.pitches[0]))
        if all(axis.count > 0 for axis in axes):
            taps = [stated.offset(tap) for tap in product(*(js for _, js in chosen))]
            weights = Weights(place(stated.weight), group, o, c, taps, None)
            works += correlated(images, axes, weights, result, sizes, w)
    return works


class _Phases(NamedTuple):
    """The results of `spread` along each axis, by their phases."""

    g: Batch
    stated: Stated
    shape: Shape
    pitches: Sequence[int]

    def phase(self, number: int, r: int) -> tuple[Axis, list[int]]:
        """The axis of the results u of phase r, and the elements of the window that reach them."""
        s, d = self.stated.stride[number], self.stated.dilation[number]
        p, pitch = self.stated.padding[number][0], self.pitches[2 + number]
        first = -((r - p) // s)  # the least q for which u = s q + r - p is not negative
        u = s * first + r - p
        reached = [j for j in range(self.stated.filters[2 + number]) if d * j % s == r]
        axis = Axis(
            self.g.shape[2 + number], self.g.access.strides[2 + number],
            tuple([first - d * j // s for j in reached]), 1,
            -(-(self.shape[2 + number] - u) // s), u * pitch, s * pitch,
        )  # fmt: skip
        return axis, reached


def summed(x: Batch, g: Batch, stated: Stated, z: Value, w: Width) -> list[Work]:
    """z[o, c, j] = sum over n, t of g[n, o, t] x[n, c, s t + d j - p]."""
    axes = windows(x, g.shape, [0] * len(g.shape), stated)
    others = three(
        [
            Axis(size, along, (0,), 1, size, 0, 0)
            for size, along in zip(g.shape[2:], g.access.strides[2:], strict=True)
        ],
        of_batch(g, 0),
    )
    count = prod(stated.filters[2:])
    batch, groups = beyond(x.shape[0], len(g.shape) - 2), stated.groups
    output_blocks = -(-stated.outputs // MOST_OUTPUTS)
    outputs = -(-stated.outputs // output_blocks)
    is_outer = outputs >= OUTER_OUTPUTS and stated.channels * count >= OUTER_ELEMENTS
    cell_bytes = outputs * count * w.size * (1 if is_outer else w.lanes)
    ns = 2 * prod(g.shape) * stated.channels * count / FLOPS_PER_NS[w.size]
    wanted = int(max(1, min(MOST_SUMS if is_outer else MOST_CHUNKS, ns // CHUNK_NS)))
    channels = _even(stated.channels, max(1, CELL_BYTES // cell_bytes))
    if is_outer:  # further blocks of channels cost less than copies of the result
        least = wanted / 2 / (groups * output_blocks)
        channels = min(
            channels,
            _even(stated.channels, max(-(-TURNED_FOR // count), int(stated.channels // least))),
        )
    channel_blocks = -(-stated.channels // channels)
    blocks = groups * channel_blocks * output_blocks

    def fits(block: Sequence[int]) -> bool:
        if is_outer and prod(block) > PANEL_PIXELS:
            return False
        n_bytes = room(axes, channels, block, w) + room(others, outputs, block, w)
        return n_bytes <= cache_bytes(outputs)

    block = cut(axes, fits, wanted / 2 / (batch * blocks))
    positions = batch * _blocks(axes, block)
    at_once = -(-positions // min(positions, -(-wanted // blocks)))
    copies = -(-positions // at_once)
    size = prod(stated.filters)
    to = Place(Extra(copies * size * w.size) if copies > 1 else z, 0)
    found, other = part(axes, block), part(others, block)
    near = room(axes, channels, block, w)
    table_at = near + room(others, outputs, block, w)
    if is_outer:
        tile = block_of(outputs, channels * count, w)
        code = outer_sums(w, tile)
        columns = tile.vectors * w.lanes
        tiles = -(-outputs // columns) * -(-channels * count // tile.rows)
        table_bytes, cells = 8 * prod(block), tiles * tile.rows * tile.vectors
        panel_bytes = (prod(block) + w.lanes) * columns * w.size
    else:
        shape = cells_of(outputs, channels * count, found.block, w)
        code = filter_sums(w, shape)
        pieces = block[0] * block[1] * -(-block[2] // (w.lanes // shape.pieces)) + shape.pieces
        table_bytes, panel_bytes = 8 * ENTRY_WORDS * pieces, 0
        cells = -(-outputs // shape.rows) * -(-channels * count // shape.columns)
        cells *= shape.rows * shape.columns
    streams_at = table_at + _up(table_bytes, ALIGN)
    cells_at = streams_at + _up(8 * channels * count, ALIGN)
    panel_at = cells_at + cells * w.lanes * w.size
    scratch_bytes = panel_at + panel_bytes
    images, values = x.images(stated.channels), g.images(stated.outputs)
    words = FilterWords(
        images.at, images.n, images.group, images.c, values.at, values.n, values.group, values.c,
        copier(w), window_words(images, axes, found), window_words(values, others, other),
        found.plane, other.plane, found.taps, count, to, size, channels, stated.channels, outputs,
        stated.outputs, groups, channel_blocks, output_blocks, at_once, near, table_at, streams_at,
        cells_at, panel_at,
    )  # fmt: skip
    cut_words = block_words(axes, batch, found, (other.slice, other.width, 1))
    works = [Work(code, [*words, *cut_words], copies * blocks, ns, scratch_bytes)]
    if copies > 1:
        store = Store(0, Access(z, (1,), 0, z.dtype), "sum")
        works += of_nest(joined((size,), store, to.buffer, copies, size))
    return works


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
        for rows in range(1, min(MOST_CELL_ROWS, outputs) + 1)
        for columns in range(1, min(MOST_ROWS, elements) + 1)
        for pieces in (1, 2, 4)
        if rows * columns + rows + columns < REGISTERS + 3 and w.lanes // pieces >= 4
    ]
    return min(shapes, key=lambda cells: (cycles(cells), cells))


def block_of(outputs: int, elements: int, w: Width) -> Block:
    """The tile of `outer_sums` that takes the least time."""

    def cycles(block: Block) -> float:
        rows, vectors = block
        tiles = -(-elements // rows) * -(-outputs // (vectors * w.lanes))
        # a row costs its own load, and that of its address where there are many
        loads = (rows + 2 * max(0, rows - 8) + 2.5 * vectors) / 2
        return tiles * (max(rows * vectors / 2, loads, 4.0) + STEP_CYCLES)

    shapes = [
        Block(rows, vectors)
        for rows in range(1, MOST_ROWS + 1)
        for vectors in range(1, 5)
        if rows * vectors + vectors < REGISTERS
    ]
    return min(shapes, key=lambda block: (cycles(block), block))


def totals(g: Batch, z: Value) -> list[Work]:
    """z[o] = sum over n, t of g[n, o, t]."""
    order = [1, 0, *range(2, len(g.shape))]
    extents = [g.shape[d] for d in order]
    strides = [g.access.strides[d] for d in order]
    while len(extents) > 3 and strides[-2] == extents[-1] * strides[-1]:  # rows one behind another
        n, step = extents.pop(), strides.pop()
        extents[-1], strides[-1] = extents[-1] * n, step
    every = range(len(extents))
    dtype = g.access.dtype
    read = Node("read", (), 0, dtype, frozenset(every))
    row = Node("row_sum", (0,), None, dtype, frozenset(every[:-1]))
    into = Access(z, (1, *[0] * (len(extents) - 1)), 0, dtype)
    store = Store(1, into, "sum", frozenset(every[1:-1]))
    source = g.access._replace(strides=tuple(strides))
    return [*of_nest(LoopNest(tuple(extents), (source,), (read, row), (store,)))]


def conv(call: Call) -> list[Work] | None:
    """The works of a convolution; None of one that there is no code for."""
    x, weight, bias = call.inputs
    w = fitting(x, *call.shapes[:2])
    (z,) = call.step.outputs
    if w is None or not prod(z.shape):
        return None
    stated = Stated(weight, call.shapes[1], *call.step.params)
    return forward(Batch(x, call.shapes[0]), stated, bias, z, w)


def conv_vjp(call: Call) -> list[Work] | None:
    """The works of its gradients; None of one that there is no code for."""
    g, x, weight = call.inputs
    w = fitting(x, *call.shapes)
    if w is None:
        return None
    stated = Stated(weight, call.shapes[2], *call.step.params[:4])
    cotangent, batch = Batch(g, call.shapes[0]), Batch(x, call.shapes[1])
    gx, gweight, gbias = call.step.outputs
    works = [] if gx is None else spread(cotangent, stated, gx, w)
    works += [] if gweight is None else summed(batch, cotangent, stated, gweight, w)
    return works + ([] if gbias is None else totals(cotangent, gbias))


def conv_transpose(call: Call) -> list[Work] | None:
    """The works of a transposed convolution; None of one that there is no code for."""
    x, weight = call.inputs
    w = fitting(x, *call.shapes)
    (z,) = call.step.outputs
    if w is None or not prod(z.shape):
        return None
    stated = Stated(weight, call.shapes[1], *call.step.params)
    return spread(Batch(x, call.shapes[0]), stated, z, w)


def conv_transpose_vjp(call: Call) -> list[Work] | None:
    """The works of its gradients; None of one that there is no code for."""
    g, x, weight = call.inputs
    w = fitting(x, *call.shapes)
    if w is None:
        return None
    stated = Stated(weight, call.shapes[2], *call.step.params[:4])
    cotangent, batch = Batch(g, call.shapes[0]), Batch(x, call.shapes[1])
    gx, gweight = call.step.outputs
    works = [] if gx is None else forward(cotangent, stated, None, gx, w)
    return works + ([] if gweight is None else summed(cotangent, batch, stated, gweight, w))


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


def _even(n: int, most: int) -> int:
    """The size of equal parts of n, none larger than `most`."""
    return -(-n // -(-n // most))


def _up(x: int, to: int) -> int:
    return -(-x // to) * to


KERNELS: dict[str, Callable[[Call], list[Work] | None]] = {
    "conv": conv,
    "conv.vjp": conv_vjp,
    "conv_transpose": conv_transpose,
    "conv_transpose.vjp": conv_transpose_vjp,
}
