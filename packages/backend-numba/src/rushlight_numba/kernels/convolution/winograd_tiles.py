"""Correlation with filters of 3 x 3 by tiles of 4 x 4 results, and the gradient of the filters.

    result[n, o, p] = bias[o] + sum over c, j of image[n, c, p + tap j] filters[o, c, j]

Knows nothing of convolutions.  A chunk copies a part of the images, turns it so that a pixel's
channels are the lanes of vectors, and takes its tiles to the 36 points of `winograd`.  There they
are 36 small products, [tiles, channels] x [channels, outputs], by the register tiles of products;
what these come to is taken back, and turned back, while it is in the core's own cache.  So an
element of the result has its sums in one order, which no thread changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...codegen.llvm import Fn, Operand, Routine
from ...packing import transposed
from ...tiles import RECORD, TILE_ROWS, Width, Word, affine, first_lanes, load_words
from .correlation import masked_store, run_nest
from .window import BlockWords, Three, copy, corner, origin
from .winograd import (
    POINTS,
    PRODUCTS,
    RESULTS,
    TAPS,
    Lanes,
    Line,
    both,
    of_filter,
    of_image,
    to_results,
)


class PartWords(NamedTuple):
    """How a part of images is read: as far as the transformed tiles of its channels.

    image, image_n, image_c: address, strides over images and channels.
    copy, window: the function that copies a part of them, and its words; plane: the pitch of a
    channel there; pixels, rows, width: of a channel there.
    channels: how many; pitch: elements from tile to tile, no fewer; apart: from point to point.
    turned_at, tiles_at: bytes of scratch before what is turned, and before the tiles; the copy
    lies first.
    """

    image: Word
    image_n: Word
    image_c: Word
    copy: Word
    window: Word
    plane: Word
    pixels: Word
    rows: Word
    width: Word
    channels: Word
    pitch: Word
    apart: Word
    turned_at: Word
    tiles_at: Word


class TileWords(NamedTuple):
    """Argument block of `winograd_correlation` between its PartWords and its BlockWords.

    A chunk is `at_once` positions and `panels_at_once` panels of outputs.
    product: the function that multiplies rows by a panel; columns: of a panel.
    filters: the bias, then panels [36][panels][channels][columns] of weights at the points, at
    element `first`, `filters_apart` from point to point.
    result, result_n, result_o: address, strides over images and outputs.
    sums_at, sums_apart: bytes of scratch before the products; elements from point to point.
    rows_at: bytes before the results of one row of tiles; row: pixels of one row of those.
    nest, nest_arguments, line: what is done with the results of a panel, see `run_nest`.
    """

    product: Word
    columns: Word
    filters: Word
    first: Word
    filters_apart: Word
    result: Word
    result_n: Word
    result_o: Word
    outputs: Word
    panel_count: Word
    at_once: Word
    panels_at_once: Word
    panel_blocks: Word
    sums_at: Word
    sums_apart: Word
    rows_at: Word
    row: Word
    nest: Word
    nest_arguments: Word
    line: Word


class FilterTileWords(NamedTuple):
    """Argument block of `winograd_filters`; a chunk is a vector of outputs by `at_once` channels.

    source, o, i: address and strides of weights over outputs and inputs; taps: where the elements
    of a window lie.  bias, bias_o, biased: address and stride of the bias, whether there is one.
    The others are those of `TileWords` and `PartWords`.
    """

    source: Word
    o: Word
    i: Word
    taps: Word
    bias: Word
    bias_o: Word
    biased: Word
    filters: Word
    first: Word
    filters_apart: Word
    columns: Word
    channels: Word
    outputs: Word
    at_once: Word
    across: Word


class Counts(NamedTuple):
    """Tiles of a block: along each axis, and all."""

    z: str
    y: str
    x: str
    all: str


def winograd_filters(w: Width) -> Routine:
    """The function that takes filters to the points."""
    name = w.name("winograd_filters")
    return Routine(name, lambda: _filters(name, w))


def winograd_correlation(w: Width) -> Routine:
    """The function that correlates by tiles."""
    name = w.name("winograd_correlation")
    return Routine(name, lambda: _correlation(name, w))


def _filters(name: str, w: Width) -> Fn:
    f = Fn(name, RECORD)
    words = load_words(f, FilterTileWords)
    vector, block = f.udiv("%chunk", words.across), f.urem("%chunk", words.across)
    o, c = f.mul(vector, w.lanes), f.mul(block, words.at_once)
    mask = first_lanes(f, f.sub(words.outputs, o), w.lanes)
    with f.when(f.icmp("eq", c, 0)):
        bias = f.alloca(w.vector, align=64)
        f.store(w.vector, "zeroinitializer", bias)
        with f.when(f.icmp("ne", words.biased, 0)):
            start = f.gep(words.bias, f.mul(o, words.bias_o), w.ty)
            f.store(w.vector, _gathered(f, w, start, words.bias_o, mask), bias)
        f.store(w.vector, f.load(w.vector, bias), f.gep(words.filters, o, w.ty), w.size)
    panel, column = f.udiv(o, words.columns), f.urem(o, words.columns)
    with f.loop(c, f.imin(f.add(c, words.at_once), words.channels)) as channel:
        line = f.gep(words.source, affine(f, (o, words.o), (channel, words.i)), w.ty)
        taps = [
            _gathered(f, w, f.gep(line, f.arg(words.taps, j), w.ty), words.o, mask)
            for j in range(TAPS * TAPS)
        ]
        cells = [taps[i : i + TAPS] for i in range(0, len(taps), TAPS)]
        row = f.add(f.mul(panel, words.channels), channel)
        at = f.add(words.first, f.add(f.mul(row, words.columns), column))
        made = both(Lanes(f, w), of_filter, cells)
        _spread(f, w, made, f.gep(words.filters, at, w.ty), words.filters_apart)
    return f


def _gathered(f: Fn, w: Width, start: str, stride: Operand, mask: str) -> str:
    """The lanes of a mask, `stride` elements apart; zero beyond."""
    ty = f"<{w.lanes} x i64>"
    one = f.op(f"insertelement {ty} poison, i64 {stride}, i32 0")
    strides = f.op(f"shufflevector {ty} {one}, {ty} poison, <{w.lanes} x i32> zeroinitializer")
    numbers = ", ".join(f"i64 {lane}" for lane in range(w.lanes))
    at = f.op(f"mul {ty} {strides}, <{numbers}>")
    pointers = f.op(f"getelementptr {w.ty}, ptr {start}, {ty} {at}")
    return f.call(
        w.vector,
        f"llvm.masked.gather.v{w.lanes}f{8 * w.size}.v{w.lanes}p0",
        (f"<{w.lanes} x ptr>", pointers),
        ("i32", w.size),
        (f"<{w.lanes} x i1>", mask),
        (w.vector, "zeroinitializer"),
    )


def _spread(f: Fn, w: Width, cells: Sequence[Sequence[str]], place: str, apart: Operand) -> None:
    """Store a matrix of vectors, each `apart` elements from the one before."""
    every = [x for row in cells for x in row]
    for number, x in enumerate(every):
        f.store(w.vector, x, f.gep(place, f.mul(apart, number), w.ty), w.size)


def collected(
    f: Fn, w: Width, n: int, place: str, steps: tuple[Operand, Operand]
) -> list[list[str]]:
    """A matrix of n x n vectors, with so many elements from row to row and within a row."""
    below, beside = steps
    lines = [f.gep(place, f.mul(below, i), w.ty) for i in range(n)]
    return [
        [f.load(w.vector, f.gep(line, f.mul(beside, j), w.ty), w.size) for j in range(n)]
        for line in lines
    ]


def counted(f: Fn, lo: Three, hi: Three) -> Counts:
    """The tiles of a block."""
    z, y, x = (f.sub(*pair) for pair in zip(hi, lo, strict=True))
    y, x = (f.udiv(f.add(n, RESULTS - 1), RESULTS) for n in (y, x))
    return Counts(z, y, x, f.mul(f.mul(z, y), x))


def transformed(
    f: Fn,
    w: Width,
    words: PartWords,
    source: str,
    channels: str,
    begin: Sequence[str],
    counts: Counts,
    how: tuple[int, Line],
) -> str:
    """Take the tiles of a block to the points, [36][tiles][channels]; where they lie.

    Channels beyond the last one are that again: numbers, and none that would slow arithmetic down.
    how: the pixels of a tile along each axis, and the transform of a line of them.
    """
    size, line = how
    turned, tiles = (f.gep("%scratch", at, "i8") for at in (words.turned_at, words.tiles_at))
    last = f.sub(channels, 1)
    with f.loop(0, words.pitch, w.lanes) as c:
        channel = f.imin(c, last)
        here = f.gep(source, f.mul(channel, words.image_c), w.ty)
        few = f.imin(f.sub(channels, channel), w.lanes)
        copy(f, (words.copy, words.window), here, few, begin, "%scratch")
        starts = [f.mul(words.plane, f.imin(i, f.sub(few, 1))) for i in range(w.lanes)]
        with f.loop(0, words.pixels, w.lanes) as p:
            places = [f.gep("%scratch", f.add(start, p), w.ty) for start in starts]
            lines = [f.load(w.vector, place, w.size) for place in places]
            for lane, x in enumerate(transposed(f, w, lines)):
                f.store(w.vector, x, f.gep(turned, f.add(p, lane), w.vector))
        with f.loop(0, counts.z) as z, f.loop(0, counts.y) as y, f.loop(0, counts.x) as x:
            number = f.add(f.mul(f.add(f.mul(z, counts.y), y), counts.x), x)
            row = f.add(f.mul(z, words.rows), f.mul(y, RESULTS))
            pixel = f.add(f.mul(row, words.width), f.mul(x, RESULTS))
            steps = f.mul(words.width, w.lanes), w.lanes
            cells = collected(f, w, size, f.gep(turned, pixel, w.vector), steps)
            to = f.gep(tiles, f.add(f.mul(number, words.pitch), c), w.ty)
            _spread(f, w, both(Lanes(f, w), line, cells), to, words.apart)
    return tiles


def _correlation(name: str, w: Width) -> Fn:
    f = Fn(name, RECORD)
    part = load_words(f, PartWords)
    words = load_words(f, TileWords, first=len(PartWords._fields))
    both_words = len(PartWords._fields) + len(TileWords._fields)
    blocks = load_words(f, BlockWords, first=both_words)
    share, number = f.urem("%chunk", words.panel_blocks), f.udiv("%chunk", words.panel_blocks)
    first, first_panel = f.mul(number, words.at_once), f.mul(share, words.panels_at_once)
    last_panel = f.imin(f.add(first_panel, words.panels_at_once), words.panel_count)
    sums = f.gep("%scratch", words.sums_at, "i8")
    panel_size = f.mul(part.channels, words.columns)
    with f.loop(first, f.imin(f.add(first, words.at_once), blocks.positions)) as position:
        image, lo, hi = corner(f, blocks, position)
        counts = counted(f, lo, hi)
        source = f.gep(part.image, f.mul(image, part.image_n), w.ty)
        begin = origin(f, blocks, lo)
        how = POINTS, of_image
        tiles = transformed(f, w, part, source, part.channels, begin, counts, how)
        with f.loop(first_panel, last_panel) as panel:
            at = f.add(words.first, f.mul(panel, panel_size))
            filters = f.gep(words.filters, at, w.ty)
            with f.loop(0, PRODUCTS) as k:
                a = f.gep(tiles, f.mul(k, part.apart), w.ty)
                b = f.gep(filters, f.mul(k, words.filters_apart), w.ty)
                c = f.gep(sums, f.mul(k, words.sums_apart), w.ty)
                rows = a, part.pitch, "1", f.mul(part.pitch, TILE_ROWS)
                multiplied(
                    f, words.product, rows, (b, words.columns), part.channels,
                    (c, words.columns), "0", counts.all,
                )  # fmt: skip
            _stored(f, w, words, blocks, (image, panel), lo, hi, counts, sums)
            o = f.mul(panel, words.columns)
            outputs = o, f.imin(f.add(o, words.columns), words.outputs)
            made = (image, f.add(image, 1)), (lo[0], hi[0]), outputs, (lo[1], hi[1]), (lo[2], hi[2])
            run_nest(f, (words.nest, words.nest_arguments, words.line), made)
    return f


def multiplied(
    f: Fn,
    product: str,
    a: tuple[str, str, str, str],
    b: tuple[str, str],
    depth: str,
    c: tuple[str, str],
    adds: str,
    rows: str,
) -> None:
    """c = a b, or c += a b, by the panel of a product.

    a: address, strides of rows and of columns, and from tile to tile; b, c: address and row.
    """
    given = ", ".join(
        [f"ptr {a[0]}", *[f"i64 {x}" for x in a[1:]], f"ptr {b[0]}, i64 {b[1]}, i64 {depth}"]
    )
    rest = f"i64 {adds}, i64 {rows}, ptr null, i64 0, i64 0, i64 0"
    f.indirect(product, f"{given}, ptr {c[0]}, i64 {c[1]}, {rest}")


def _stored(
    f: Fn,
    w: Width,
    words: TileWords,
    blocks: BlockWords,
    which: tuple[str, str],
    lo: Three,
    hi: Three,
    counts: Counts,
    sums: str,
) -> None:
    """Take a panel's products back, and store the results that there are."""
    image, panel = which
    lanes = Lanes(f, w)
    out = f.gep("%scratch", words.rows_at, "i8")
    first = f.mul(panel, words.columns)
    here = f.imin(words.columns, f.sub(words.outputs, first))
    with f.loop(0, here, w.lanes) as column, f.loop(0, counts.z) as z, f.loop(0, counts.y) as y:
        o = f.add(first, column)
        bias = f.load(w.vector, f.gep(words.filters, o, w.ty), w.size)
        with f.loop(0, counts.x) as x:
            number = f.add(f.mul(f.add(f.mul(z, counts.y), y), counts.x), x)
            place = f.gep(sums, f.add(f.mul(number, words.columns), column), w.ty)
            apart = f.mul(words.sums_apart, POINTS)
            cells = collected(f, w, POINTS, place, (apart, words.sums_apart))
            made = both(lanes, to_results, cells)
            for i, values in enumerate(made):
                left = f.add(f.mul(words.row, i), f.mul(x, RESULTS))
                for j, value in enumerate(values):
                    to = f.gep(out, f.add(left, j), w.vector)
                    f.store(w.vector, lanes.add(value, bias), to)
        top = f.add(lo[1], f.mul(y, RESULTS))
        at = affine(f, (image, words.result_n), (o, words.result_o), (lo[2], blocks.far_x))
        at = f.add(at, f.mul(f.add(lo[0], z), blocks.far_z))
        begin = f.gep(words.result, at, w.ty)
        wide = f.sub(hi[2], lo[2])
        with (
            f.loop(0, f.imin(RESULTS, f.sub(hi[1], top))) as r,
            f.loop(0, wide, w.lanes) as x,
        ):
            source = f.gep(out, f.add(f.mul(words.row, r), x), w.vector)
            pixels = [f.load(w.vector, f.gep(source, i, w.vector)) for i in range(w.lanes)]
            mask = first_lanes(f, f.sub(wide, x), w.lanes)
            line = f.gep(begin, f.add(f.mul(f.add(top, r), blocks.far_y), x), w.ty)
            for i, value in enumerate(transposed(f, w, pixels)):
                with f.when(f.icmp("slt", f.add(o, i), words.outputs)):
                    to = f.gep(line, f.mul(words.result_o, i), w.ty)
                    masked_store(f, w, value, to, mask, w.lanes)
