"""The gradient of a correlation with respect to its filters: sums over the pixels of all images.

    result[o, c, j] = sum over n, p of other[n, o, p] image[n, c, stride p + tap j]

Knows nothing of convolutions.  A tile is some outputs by some elements (c, j) of the windows; each
of its cells sums in the lanes of a vector, over positions in order: blocks of pixels of the images,
copied as a correlation copies them.  A chunk writes a copy of the result for its positions, and
a nest adds up the copies in order, so that neither block nor thread changes a sum.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ...codegen.llvm import Fn, Routine
from ...tiles import RECORD, Width, Word, affine, load_words, masked_load, multiply_add, negated
from .window import (
    ENTRY_WORDS,
    BlockWords,
    Three,
    copy,
    corner,
    lanes_of,
    listed,
    of_pieces,
    origin,
    streamed,
)


class Cells(NamedTuple):
    """The shape of a register tile.

    rows: outputs; columns: elements of the windows; pieces: of different rows of pixels in a
    vector.
    """

    rows: int
    columns: int
    pieces: int


class FilterWords(NamedTuple):
    """Argument block of `filter_sums`, before its BlockWords; strides in elements.

    A chunk is `at_once` positions, one group, `channels` of its channels and `outputs` of its
    outputs; there are channel_blocks and output_blocks of those.
    image, image_n, image_group, image_c: address, strides over images, groups and channels.
    other, other_n, other_group, other_o: the same of what is multiplied, over outputs.
    copy: the function that copies parts; window, other_window: its words for both.
    plane, other_plane: pitches of the copies' channels.
    taps, count: where the elements of a window begin in a channel's copy; how many.
    result, copy_size: the copies of the result, [copies][groups all_outputs, all_channels count].
    other_at, table_at, streams_at, cells_at, panel_at: bytes of scratch before those; the copy of
    the image lies first.
    """

    image: Word
    image_n: Word
    image_group: Word
    image_c: Word
    other: Word
    other_n: Word
    other_group: Word
    other_o: Word
    copy: Word
    window: Word
    other_window: Word
    plane: Word
    other_plane: Word
    taps: Word
    count: Word
    result: Word
    copy_size: Word
    channels: Word
    all_channels: Word
    outputs: Word
    all_outputs: Word
    groups: Word
    channel_blocks: Word
    output_blocks: Word
    at_once: Word
    other_at: Word
    table_at: Word
    streams_at: Word
    cells_at: Word
    panel_at: Word


class Chunk(NamedTuple):
    """What a chunk has to do: positions; a group, channels from c on and outputs from o on."""

    first: str
    last: str
    number: str
    group: str
    c: str
    o: str
    channels: str
    outputs: str
    elements: str

    def result(self, f: Fn, w: Width, words: FilterWords) -> str:
        """Where its part of its copy of the result begins."""
        o = f.add(f.mul(self.group, words.all_outputs), self.o)
        row = f.mul(words.all_channels, words.count)
        at = affine(f, (self.number, words.copy_size), (o, row), (self.c, words.count))
        return f.gep(words.result, at, w.ty)


def started(f: Fn, words: FilterWords, blocks: BlockWords) -> Chunk:
    """The beginning of a record's function."""
    output_block, rest = (how("%chunk", words.output_blocks) for how in (f.urem, f.udiv))
    channel_block, rest = (how(rest, words.channel_blocks) for how in (f.urem, f.udiv))
    group, number = (how(rest, words.groups) for how in (f.urem, f.udiv))
    first = f.mul(number, words.at_once)
    last = f.imin(f.add(first, words.at_once), blocks.positions)
    c, o = f.mul(channel_block, words.channels), f.mul(output_block, words.outputs)
    channels = f.imin(words.channels, f.sub(words.all_channels, c))
    outputs = f.imin(words.outputs, f.sub(words.all_outputs, o))
    elements = f.mul(channels, words.count)
    return Chunk(first, last, number, group, c, o, channels, outputs, elements)


def copied(
    f: Fn,
    w: Width,
    words: FilterWords,
    blocks: BlockWords,
    chunk: Chunk,
    position: str,
    other: str,
) -> tuple[Three, Three]:
    """Copy what a position needs; the first and the last results of its block, along each axis."""
    image, lo, hi = corner(f, blocks, position)
    begin = origin(f, blocks, lo)
    at = affine(
        f, (image, words.image_n), (chunk.group, words.image_group), (chunk.c, words.image_c)
    )
    source = f.gep(words.image, at, w.ty)
    copy(f, (words.copy, words.window), source, chunk.channels, begin, "%scratch")
    at = affine(
        f, (image, words.other_n), (chunk.group, words.other_group), (chunk.o, words.other_o)
    )
    source = f.gep(words.other, at, w.ty)
    copy(f, (words.copy, words.other_window), source, chunk.outputs, lo, other)
    return lo, hi


def filter_sums(w: Width, cells: Cells) -> Routine:
    """The function that sums by tiles of that shape."""
    name = w.name(f"filter_sums{cells.rows}x{cells.columns}x{cells.pieces}")
    return Routine(name, lambda: _filter_sums(name, w, cells))


def _filter_sums(name: str, w: Width, cells: Cells) -> Fn:
    f = Fn(name, RECORD)
    words = load_words(f, FilterWords)
    blocks = load_words(f, BlockWords, first=len(FilterWords._fields))
    chunk = started(f, words, blocks)
    other, table, streams, sums = (
        f.gep("%scratch", at, "i8")
        for at in (words.other_at, words.table_at, words.streams_at, words.cells_at)
    )
    streamed(f, words.taps, words.count, chunk.channels, words.plane, streams)
    outputs, elements = chunk.outputs, chunk.elements
    across = f.udiv(f.add(elements, cells.columns - 1), cells.columns)

    def place(row: str, element: str) -> str:
        tile = f.add(f.mul(f.udiv(row, cells.rows), across), f.udiv(element, cells.columns))
        return f.gep(sums, f.mul(tile, cells.rows * cells.columns), w.vector)

    with f.loop(chunk.first, chunk.last) as position:
        lo, hi = copied(f, w, words, blocks, chunk, position, other)
        pieces = listed(f, blocks, lo, hi, table, w.lanes // cells.pieces, cells.pieces)
        far = blocks.far_z, blocks.far_y, blocks.far_x
        start = f.sub(0, affine(f, *zip(lo, far, strict=True)))  # the list counts from the image's
        begins = f.icmp("eq", position, chunk.first)
        with (
            f.loop(0, outputs, cells.rows) as row,
            f.loop(0, elements, cells.columns) as element,
        ):
            lines = [f.imin(f.add(row, r), f.sub(outputs, 1)) for r in range(cells.rows)]
            ys = [f.gep(other, f.add(start, f.mul(o, words.other_plane)), w.ty) for o in lines]
            last_one = f.sub(elements, 1)
            xs = [
                f.gep("%scratch", f.arg(streams, f.imin(f.add(element, t), last_one)), w.ty)
                for t in range(cells.columns)
            ]
            _tile(f, w, cells, xs, ys, (table, pieces), place(row, element), begins)
    result = chunk.result(f, w, words)
    with f.loop(0, outputs, cells.rows) as row, f.loop(0, elements, cells.columns) as element:
        here = place(row, element)
        rows, columns = f.sub(outputs, row), f.sub(elements, element)
        with (
            f.loop(0, f.imin(rows, cells.rows)) as r,
            f.loop(0, f.imin(columns, cells.columns)) as t,
        ):
            cell = f.gep(here, f.add(f.mul(r, cells.columns), t), w.vector)
            lanes = f.load(w.vector, cell)
            reduce = f"llvm.vector.reduce.fadd.v{w.lanes}f{8 * w.size}"
            total = f.call(w.ty, reduce, (w.ty, "-0.0"), (w.vector, lanes), flags="reassoc")
            line = f.mul(f.add(row, r), f.mul(words.all_channels, words.count))
            f.store(w.ty, total, f.gep(result, f.add(line, f.add(element, t)), w.ty))
    return f


@contextmanager
def held(
    f: Fn, w: Width, shape: tuple[int, int], place: str, begins: str
) -> Iterator[dict[tuple[int, int], str]]:
    """The sums of a tile, by row and column, in memory that becomes registers; at a place after.

    They begin with what is there, or at zero where the tile begins.
    """
    rows, columns = shape
    every = [(r, t) for r in range(rows) for t in range(columns)]
    sums = {cell: f.alloca(w.vector, align=64) for cell in every}
    places = {cell: f.gep(place, i, w.vector) for i, cell in enumerate(every)}
    for cell in every:
        f.store(w.vector, "zeroinitializer", sums[cell])
    with f.when(negated(f, begins)):
        for cell in every:
            f.store(w.vector, f.load(w.vector, places[cell]), sums[cell])
    yield sums
    for cell in every:
        f.store(w.vector, f.load(w.vector, sums[cell]), places[cell])


def _tile(
    f: Fn,
    w: Width,
    cells: Cells,
    xs: list[str],
    ys: list[str],
    pixels: tuple[str, str],
    place: str,
    begins: str,
) -> None:
    """Add the products of a block's pixels to the cells at a place, which may begin at zero.

    xs: where the elements of windows begin; ys: where the outputs do; pixels: their list, and how
    many pieces it has.
    """
    table, pieces = pixels
    lanes = w.lanes // cells.pieces
    with (
        held(f, w, (cells.rows, cells.columns), place, begins) as sums,
        f.loop(0, pieces, cells.pieces) as piece,
    ):
        entries = f.gep(table, f.mul(piece, ENTRY_WORDS), "i64")
        found = [
            [f.arg(entries, q * ENTRY_WORDS + i) for i in range(ENTRY_WORDS)]
            for q in range(cells.pieces)
        ]
        masks = [lanes_of(f, entry[2], lanes) for entry in found]

        def read(line: str, which: int) -> str:
            parts = [
                masked_load(f, w, f.gep(line, entry[which], w.ty), mask, lanes)
                for entry, mask in zip(found, masks, strict=True)
            ]
            return of_pieces(f, w.ty, parts, lanes)

        y = [read(line, 1) for line in ys]
        for t, line in enumerate(xs):
            x = read(line, 0)
            for r in range(cells.rows):
                multiply_add(f, w, x, y[r], sums[r, t])
