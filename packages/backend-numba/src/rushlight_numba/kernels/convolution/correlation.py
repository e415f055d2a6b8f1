"""Correlation of images with filters, by register tiles of output channels x vectors of pixels.

    result[n, o, p] = bias[o] + sum over c, j of image[n, c, stride p + tap j] filters[o, c, j]

Knows nothing of convolutions: a gradient with respect to their input is a correlation as well.  A
tile holds its sums in registers.  Each element of the windows is one step: vectors of pixels from a
copy of the image, times weights that lie in the order of their use.  So an element of the result is
one chain of fused multiply-adds, whose order no block and no thread changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...codegen.llvm import Fn, Routine
from ...tiles import RECORD, Width, Word, affine, load_words, multiply_add, splat
from .window import (
    ENTRY_WORDS,
    BlockWords,
    copy,
    corner,
    lanes_of,
    listed,
    of_pieces,
    origin,
    piece_of,
    streamed,
)


class Tile(NamedTuple):
    """The shape of a register tile.

    rows: output channels; vectors: of pixels; pieces: of different rows in a vector.
    """

    rows: int
    vectors: int
    pieces: int


class CorrelationWords(NamedTuple):
    """Argument block of a correlation, before its BlockWords; strides in elements.

    A chunk is `at_once` positions, `groups_at_once` groups and `tiles_at_once` tiles of channels.
    image, image_n, image_group: address, strides over images and groups.
    copies, window: the function that copies a part of the image, and its words.
    taps, count: where the elements of a window begin in a channel's copy; how many.
    filters, slab: packed weights, and their elements of one tile of channels.
    result, result_n, result_o: address, strides over images and channels.
    channels, outputs: of one group; groups, tiles: how many there are.
    table_at, streams_at: bytes of scratch before those; the copy of the image lies first.
    nest, nest_arguments, line: what is done with the results of a position, see `run_nest`.
    """

    image: Word
    image_n: Word
    image_group: Word
    copy: Word
    window: Word
    plane: Word
    taps: Word
    count: Word
    filters: Word
    slab: Word
    result: Word
    result_n: Word
    result_o: Word
    channels: Word
    outputs: Word
    groups: Word
    tiles: Word
    at_once: Word
    groups_at_once: Word
    tiles_at_once: Word
    group_blocks: Word
    tile_blocks: Word
    table_at: Word
    streams_at: Word
    nest: Word
    nest_arguments: Word
    line: Word


class PackWords(NamedTuple):
    """Argument block of `packer`; a chunk is `at_once` slabs, [1 + channels count][rows] each.

    source, group, o, i: address and strides of weights over groups, outputs and inputs of a group.
    taps: where the elements of a window lie in the weights, in the order of use.
    bias, bias_o, biased: address and stride of the bias, and whether there is one.
    """

    source: Word
    group: Word
    o: Word
    i: Word
    taps: Word
    count: Word
    bias: Word
    bias_o: Word
    biased: Word
    filters: Word
    slab: Word
    rows: Word
    channels: Word
    outputs: Word
    tiles: Word
    slabs: Word
    at_once: Word


def packer(w: Width) -> Routine:
    """The function that packs weights."""
    name = w.name("filters")
    return Routine(name, lambda: _packer(name, w))


def correlation(w: Width, tile: Tile) -> Routine:
    """The function that correlates by tiles of that shape."""
    name = w.name(f"correlation{tile.rows}x{tile.vectors}x{tile.pieces}")
    return Routine(name, lambda: _correlation(name, w, tile))


def _packer(name: str, w: Width) -> Fn:
    """Slabs of a bias and weights, of zeros where a tile has more rows than there are outputs."""
    f = Fn(name, RECORD)
    words = load_words(f, PackWords)
    first = f.mul("%chunk", words.at_once)
    zero = "0.0"
    with f.loop(first, f.imin(f.add(first, words.at_once), words.slabs)) as number:
        group, o = f.udiv(number, words.tiles), f.mul(f.urem(number, words.tiles), words.rows)
        slab = f.gep(words.filters, f.mul(number, words.slab), w.ty)
        with f.loop(0, words.rows) as r:
            output = f.add(o, r)
            there = f.icmp("slt", output, words.outputs)
            to = f.gep(slab, r, w.ty)
            f.store(w.ty, zero, to)
            with f.when(f.op(f"and i1 {there}, {f.icmp('ne', words.biased, 0)}")):
                channel = f.add(f.mul(group, words.outputs), output)
                x = f.load(w.ty, f.gep(words.bias, f.mul(channel, words.bias_o), w.ty))
                f.store(w.ty, x, to)
            output = f.imin(output, f.sub(words.outputs, 1))
            line = f.gep(words.source, affine(f, (group, words.group), (output, words.o)), w.ty)
            with f.loop(0, words.channels) as c:
                source = f.gep(line, f.mul(c, words.i), w.ty)
                step = f.add(f.mul(c, words.count), 1)
                with f.loop(0, words.count) as j:
                    x = f.load(w.ty, f.gep(source, f.arg(words.taps, j), w.ty))
                    x = f.select(there, w.ty, x, zero)
                    f.store(w.ty, x, f.gep(to, f.mul(f.add(step, j), words.rows), w.ty))
    return f


def _correlation(name: str, w: Width, tile: Tile) -> Fn:
    f = Fn(name, RECORD)
    words = load_words(f, CorrelationWords)
    blocks = load_words(f, BlockWords, first=len(CorrelationWords._fields))
    tiles, rest = f.urem("%chunk", words.tile_blocks), f.udiv("%chunk", words.tile_blocks)
    groups, start = f.urem(rest, words.group_blocks), f.udiv(rest, words.group_blocks)
    first = f.mul(start, words.at_once)
    first_tile, first_group = f.mul(tiles, words.tiles_at_once), f.mul(groups, words.groups_at_once)
    last_tile = f.imin(f.add(first_tile, words.tiles_at_once), words.tiles)
    last_group = f.imin(f.add(first_group, words.groups_at_once), words.groups)
    table = f.gep("%scratch", words.table_at, "i8")
    streams = f.gep("%scratch", words.streams_at, "i8")
    streamed(f, words.taps, words.count, words.channels, words.plane, streams)
    at_once = tile.vectors * tile.pieces
    with f.loop(first, f.imin(f.add(first, words.at_once), blocks.positions)) as position:
        image, lo, hi = corner(f, blocks, position)
        begin = origin(f, blocks, lo)
        pieces = listed(f, blocks, lo, hi, table, w.lanes // tile.pieces, at_once)
        with f.loop(first_group, last_group) as group:
            at = affine(f, (image, words.image_n), (group, words.image_group))
            source = f.gep(words.image, at, w.ty)
            copy(f, (words.copy, words.window), source, words.channels, begin, "%scratch")
            with f.loop(first_tile, last_tile) as number:
                slab = f.add(f.mul(group, words.tiles), number)
                filters = f.gep(words.filters, f.mul(slab, words.slab), w.ty)
                o = f.mul(number, tile.rows)
                channel = f.add(f.mul(group, words.outputs), o)
                at = affine(f, (image, words.result_n), (channel, words.result_o))
                result = f.gep(words.result, at, w.ty)
                left = f.sub(words.outputs, o)
                with f.loop(0, pieces, at_once) as piece:
                    entries = f.gep(table, f.mul(piece, ENTRY_WORDS), "i64")
                    sums = _sums(f, w, tile, words, streams, filters, entries)
                    _stored(f, w, tile, (words.result_o, blocks.far_x), sums, result, left, entries)
            outputs = _made(f, words, tile, group, (first_tile, last_tile))
            made = (image, f.add(image, 1)), (lo[0], hi[0]), outputs, (lo[1], hi[1]), (lo[2], hi[2])
            run_nest(f, (words.nest, words.nest_arguments, words.line), made)
    return f


def _made(
    f: Fn, words: CorrelationWords, tile: Tile, group: str, tiles: tuple[str, str]
) -> tuple[str, str]:
    """The first output that some tiles of a group have computed, and the end of them."""
    before = f.mul(group, words.outputs)
    rows = [f.imin(f.mul(number, tile.rows), words.outputs) for number in tiles]
    return f.add(before, rows[0]), f.add(before, rows[1])


def run_nest(f: Fn, how: tuple[Word, Word, Word], loops: Sequence[tuple[str, str]]) -> None:
    """Run a nest on a part of the results, if there is one.

    how: its code (null: there is none), its arguments, and the length of a row of results if
    neighbouring ones are one row to it, else 0.  loops: from where to where it runs over images, z,
    channels, y and x.
    """
    code, arguments, line = how
    *outer, (y, y_end), (x, x_end) = loops
    apart = f.icmp("eq", line, 0)
    rows = f.select(apart, "i64", y, 0), f.select(apart, "i64", y_end, 1)
    row = affine(f, (y, line), (x, 1)), affine(f, (f.sub(y_end, 1), line), (x_end, 1))
    ranges = f.alloca("i64", 2 * len(loops) + 1, align=64)
    for number, value in enumerate([x for pair in (*outer, rows, row) for x in pair]):
        f.store("i64", value, f.gep(ranges, number, "i64"))
    f.store("i64", "%chunk", f.gep(ranges, 2 * len(loops), "i64"))
    with f.when(f.op(f"icmp ne ptr {code}, null")):
        f.indirect(code, f"ptr {arguments}, ptr {ranges}, ptr %scratch")


def _sums(
    f: Fn, w: Width, tile: Tile, words: CorrelationWords, streams: str, filters: str, entries: str
) -> dict[tuple[int, int], str]:
    """The sums of one tile, in memory that becomes registers, by row and vector."""
    lanes = w.lanes // tile.pieces
    cells = [(r, v) for r in range(tile.rows) for v in range(tile.vectors)]
    sums = {cell: f.alloca(w.vector, align=64) for cell in cells}
    for r in range(tile.rows):
        bias = splat(f, w, f.load(w.ty, f.gep(filters, r, w.ty)))
        for v in range(tile.vectors):
            f.store(w.vector, bias, sums[r, v])
    every = range(tile.vectors * tile.pieces)
    places = [f.gep("%scratch", f.arg(entries, q * ENTRY_WORDS), w.ty) for q in every]
    weights = f.alloca("ptr")
    f.store("ptr", f.gep(filters, tile.rows, w.ty), weights)
    with f.loop(0, f.mul(words.channels, words.count)) as step:
        at = f.arg(streams, step)
        ty = f"<{lanes} x {w.ty}>"
        loads = [f.load(ty, f.gep(place, at, w.ty), w.size) for place in places]
        starts = range(0, len(loads), tile.pieces)
        x = [of_pieces(f, w.ty, loads[i : i + tile.pieces], lanes) for i in starts]
        here = f.load("ptr", weights)
        for r in range(tile.rows):
            y = splat(f, w, f.load(w.ty, f.gep(here, r, w.ty)))
            for v in range(tile.vectors):
                multiply_add(f, w, x[v], y, sums[r, v])
        f.store("ptr", f.gep(here, tile.rows, w.ty), weights)
    return sums


def _stored(
    f: Fn,
    w: Width,
    tile: Tile,
    strides: tuple[Word, Word],
    sums: dict[tuple[int, int], str],
    result: str,
    left: str,
    entries: str,
) -> None:
    """Store a tile: the first `left` of its rows, and the pixels that there are."""
    lanes = w.lanes // tile.pieces
    below, across = strides
    every = range(tile.vectors * tile.pieces)
    words = [[f.arg(entries, q * ENTRY_WORDS + i) for i in (1, 2)] for q in every]
    yes, no, done = f.fresh("dense"), f.fresh("apart"), f.fresh("done")
    f.branch(f.icmp("eq", across, 1), yes, no)
    f.label(yes)
    masks = [lanes_of(f, mask, lanes) for _, mask in words]
    for r in range(tile.rows):
        with f.when(f.icmp("slt", r, left)):
            line = f.gep(result, f.mul(below, r), w.ty)
            for q in every:
                v, number = divmod(q, tile.pieces)
                x = piece_of(f, w, f.load(w.vector, sums[r, v]), number, lanes)
                masked_store(f, w, x, f.gep(line, words[q][0], w.ty), masks[q], lanes)
    f.jump(done)
    f.label(no)
    cells = f.alloca(w.vector, tile.rows * tile.vectors, align=64)
    for (r, v), place in sums.items():
        x = f.load(w.vector, place)
        f.store(w.vector, x, f.gep(cells, r * tile.vectors + v, w.vector))
    with f.loop(0, f.imin(left, tile.rows)) as row:
        line = f.gep(result, f.mul(below, row), w.ty)
        with f.loop(0, len(every)) as piece:
            entry = f.gep(entries, f.mul(piece, ENTRY_WORDS), "i64")
            to = f.gep(line, f.arg(entry, 1), w.ty)
            there = f.call("i64", "llvm.ctpop.i64", ("i64", f.arg(entry, 2)))
            begin = affine(f, (row, w.lanes * tile.vectors), (piece, lanes))
            with f.loop(0, there) as lane:
                x = f.load(w.ty, f.gep(cells, f.add(begin, lane), w.ty))
                f.store(w.ty, x, f.gep(to, f.mul(lane, across), w.ty))
    f.jump(done)
    f.label(done)


def masked_store(f: Fn, w: Width, x: str, pointer: str, mask: str, lanes: int) -> None:
    """Store the lanes of a mask."""
    f.call(
        "void",
        f"llvm.masked.store.v{lanes}f{8 * w.size}.p0",
        (f"<{lanes} x {w.ty}>", x),
        ("ptr", pointer),
        ("i32", w.size),
        (f"<{lanes} x i1>", mask),
    )
