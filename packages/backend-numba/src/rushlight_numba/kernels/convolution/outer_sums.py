"""The gradient of a correlation with respect to its filters, by vectors of outputs.

    result[o, c, j] = sum over n, p of other[n, o, p] image[n, c, stride p + tap j]

Knows nothing of convolutions.  It is `filter_sums` for many outputs: what is multiplied is turned
so that a pixel's outputs lie side by side, and a tile adds up products of some elements (c, j) of
the windows, each in all lanes, with vectors of outputs.  So no pixel needs to lie beside the next,
and a cell is one chain of fused multiply-adds over the pixels of a chunk.
"""

from __future__ import annotations

from typing import NamedTuple

from ...codegen.llvm import Fn, Routine
from ...packing import transposed
from ...tiles import RECORD, Width, affine, load_words, multiply_add, splat
from .filter_sums import FilterWords, copied, held, started
from .window import BlockWords, Three, streamed


class OuterTile(NamedTuple):
    """The shape of a register tile.

    rows: elements of the windows; vectors: of outputs.
    """

    rows: int
    vectors: int


def outer_sums(w: Width, tile: OuterTile) -> Routine:
    """The function that sums by tiles of that shape; its words are those of `filter_sums`."""
    name = w.name(f"outer_sums{tile.rows}x{tile.vectors}")
    return Routine(name, lambda: _outer_sums(name, w, tile))


def _outer_sums(name: str, w: Width, tile: OuterTile) -> Fn:
    f = Fn(name, RECORD)
    words = load_words(f, FilterWords)
    blocks = load_words(f, BlockWords, first=len(FilterWords._fields))
    chunk = started(f, words, blocks)
    other, spots, streams, cells, panel = (
        f.gep("%scratch", at, "i8")
        for at in (
            words.other_at, words.table_at, words.streams_at, words.cells_at, words.panel_at
        )
    )  # fmt: skip
    streamed(f, words.taps, words.count, chunk.channels, words.plane, streams)
    columns = tile.vectors * w.lanes
    down = f.udiv(f.add(chunk.elements, tile.rows - 1), tile.rows)

    def place(o: str, element: str) -> str:
        number = f.add(f.mul(f.udiv(o, columns), down), f.udiv(element, tile.rows))
        return f.gep(cells, f.mul(number, tile.rows * tile.vectors), w.vector)

    with f.loop(chunk.first, chunk.last) as position:
        lo, hi = copied(f, w, words, blocks, chunk, position, other)
        extents = [f.sub(*pair) for pair in zip(hi, lo, strict=True)]
        pixels = f.mul(f.mul(extents[0], extents[1]), extents[2])
        _spotted(f, blocks, (extents[0], extents[1], extents[2]), spots)
        begins = f.icmp("eq", position, chunk.first)
        with f.loop(0, chunk.outputs, columns) as o:
            _turned(f, w, tile, words, blocks, extents, (other, o, chunk.outputs), panel)
            with f.loop(0, chunk.elements, tile.rows) as element:
                last = f.sub(chunk.elements, 1)
                every = [f.imin(f.add(element, r), last) for r in range(tile.rows)]
                xs = [f.gep("%scratch", f.arg(streams, e), w.ty) for e in every]
                _tile(f, w, tile, xs, (spots, panel, pixels), place(o, element), begins)
    result = chunk.result(f, w, words)
    line = f.mul(words.all_channels, words.count)
    with f.loop(0, chunk.outputs, columns) as o, f.loop(0, chunk.elements, tile.rows) as element:
        here = place(o, element)
        rows = f.imin(tile.rows, f.sub(chunk.elements, element))
        with f.loop(0, f.imin(columns, f.sub(chunk.outputs, o))) as column:
            to = f.gep(result, f.add(f.mul(f.add(o, column), line), element), w.ty)
            cell = f.gep(here, column, w.ty)
            with f.loop(0, rows) as r:
                x = f.load(w.ty, f.gep(cell, f.mul(r, columns), w.ty))
                f.store(w.ty, x, f.gep(to, r, w.ty))
    return f


def _spotted(f: Fn, blocks: BlockWords, extents: Three, spots: str) -> None:
    """Write where the windows of each pixel begin in the copy of the image."""
    with f.loop(0, extents[0]) as z, f.loop(0, extents[1]) as y, f.loop(0, extents[2]) as x:
        number = f.add(f.mul(f.add(f.mul(z, extents[1]), y), extents[2]), x)
        near = f.add(affine(f, (z, blocks.near_z), (y, blocks.near_y)), x)
        f.store("i64", near, f.gep(spots, number, "i64"))


def _turned(
    f: Fn,
    w: Width,
    tile: OuterTile,
    words: FilterWords,
    blocks: BlockWords,
    extents: list[str],
    source: tuple[str, str, str],
    panel: str,
) -> None:
    """Write [pixel][outputs of a tile], from output o on; after the last one that is repeated.

    Up to a vector's pixels after it are overwritten.
    """
    other, first, outputs = source
    columns = tile.vectors * w.lanes
    with f.loop(0, extents[0]) as z, f.loop(0, extents[1]) as y:
        row = affine(f, (z, blocks.far_z), (y, blocks.far_y))
        number = f.mul(f.add(f.mul(z, extents[1]), y), extents[2])
        with f.loop(0, extents[2], w.lanes) as x, f.loop(0, columns, w.lanes) as o:
            lines = []
            for lane in range(w.lanes):
                output = f.imin(f.add(f.add(first, o), lane), f.sub(outputs, 1))
                at = f.add(f.mul(output, words.other_plane), f.add(row, x))
                lines.append(f.load(w.vector, f.gep(other, at, w.ty), w.size))
            for lane, line in enumerate(transposed(f, w, lines)):
                pixel = f.add(f.add(number, x), lane)
                to = f.gep(panel, f.add(f.mul(pixel, columns), o), w.ty)
                f.store(w.vector, line, to, w.size)


def _tile(
    f: Fn,
    w: Width,
    tile: OuterTile,
    xs: list[str],
    pixels: tuple[str, str, str],
    place: str,
    begins: str,
) -> None:
    """Add the products of pixels to the cells at a place, which may begin at zero.

    xs: where the elements of windows begin; pixels: their places, their outputs, their number.
    """
    spots, panel, count = pixels
    with (
        held(f, w, (tile.rows, tile.vectors), place, begins) as sums,
        f.loop(0, count) as pixel,
    ):
        near = f.arg(spots, pixel)
        line = f.gep(panel, f.mul(pixel, tile.vectors), w.vector)
        y = [f.load(w.vector, f.gep(line, v, w.vector)) for v in range(tile.vectors)]
        for r, x in enumerate(xs):
            scalar = splat(f, w, f.load(w.ty, f.gep(x, near, w.ty)))
            for v in range(tile.vectors):
                multiply_add(f, w, y[v], scalar, sums[r, v])
