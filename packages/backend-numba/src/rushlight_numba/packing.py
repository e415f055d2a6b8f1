"""Copies of operands that lie as register tiles read them.

Knows nothing of the product that follows.

B lies in panels as wide as a full tile, [panel][k][columns of the panel], the last one as wide as
it must be; the rows of one block of A in slivers as high as a tile, [sliver][k][row].
"""

from __future__ import annotations

from typing import NamedTuple

from .codegen.llvm import Fn
from .tiles import (
    RECORD,
    TILE_ROWS,
    Width,
    Word,
    affine,
    first_lanes,
    load_words,
    masked_load,
    negated,
    rounded_up,
)

SLIVER_LANES = 8  # a sliver's 6 rows are copied by vectors of 8, each overwriting the tail before
SLIVER_GAP = 16  # elements between slivers, so that not all of them fall on the same cache sets


class PackWords(NamedTuple):
    """Argument block of `pack_b`, strides in elements; a chunk is a piece of panels of a batch.

    source, row, column, batch0, batch1: address and strides of B, which is [batch0, batch1, k, n].
    panels: address of the packed copy; batch_size: elements of one batch in it.
    depth, columns: extents k and n; batches1: extent of batch1.
    span: panels of a chunk, 1 unless rows of B are contiguous; across: chunks beside one another.
    pieces: chunks below one another, each of `piece` rows.
    """

    source: Word
    row: Word
    column: Word
    batch0: Word
    batch1: Word
    panels: Word
    batch_size: Word
    depth: Word
    columns: Word
    batches1: Word
    span: Word
    across: Word
    pieces: Word
    piece: Word


def pack_a(w: Width) -> Fn:
    """Slivers of 6 rows [k][row] of A[rows, depth], `sliver` elements from one to the next.

    Contiguous rows are read line by line; up to two elements after a sliver are overwritten.
    """
    f = Fn(
        w.name("pack_a"),
        "ptr noalias %a, i64 %row, i64 %column, i64 %rows, i64 %depth, ptr noalias %packed, "
        "i64 %sliver",
    )
    rest = f.urem("%rows", TILE_ROWS)
    side_by_side = f.icmp("eq", "%row", 1)
    with f.when(side_by_side):
        whole, last = first_lanes(f, TILE_ROWS, SLIVER_LANES), first_lanes(f, rest, SLIVER_LANES)
        slivers = f.udiv("%rows", TILE_ROWS)
        with f.loop(0, "%depth") as k:
            line = f.gep("%a", f.mul(k, "%column"), w.ty)
            place = f.gep("%packed", f.mul(k, TILE_ROWS), w.ty)
            with f.loop(0, slivers) as sliver:
                _copy_part(f, w, line, place, sliver, whole)
            with f.when(f.icmp("ne", rest, 0)):
                _copy_part(f, w, line, place, slivers, last)
    with f.when(negated(f, side_by_side)), f.loop(0, "%rows") as i:
        line = f.gep("%a", f.mul(i, "%row"), w.ty)
        sliver, row = f.udiv(i, TILE_ROWS), f.urem(i, TILE_ROWS)
        place = f.gep("%packed", f.add(f.mul(sliver, "%sliver"), row), w.ty)
        with f.loop(0, "%depth") as k:
            x = f.load(w.ty, f.gep(line, f.mul(k, "%column"), w.ty))
            f.store(w.ty, x, f.gep(place, f.mul(k, TILE_ROWS), w.ty))
    return f


def _copy_part(f: Fn, w: Width, line: str, place: str, sliver: str, mask: str) -> None:
    """Copy 6 elements of a line of A, or the last ones, to a sliver."""
    x = masked_load(f, w, f.gep(line, f.mul(sliver, TILE_ROWS), w.ty), mask, SLIVER_LANES)
    to = f.gep(place, f.mul(sliver, "%sliver"), w.ty)
    f.store(f"<{SLIVER_LANES} x {w.ty}>", x, to, w.size)


def pack_b(w: Width) -> Fn:
    """One piece of panels of B, beside one another what a tile reads together."""
    f = Fn(w.name("pack_b"), RECORD)
    words = load_words(f, PackWords)
    place, piece = f.udiv("%chunk", words.pieces), f.urem("%chunk", words.pieces)
    batch, group = f.udiv(place, words.across), f.urem(place, words.across)
    first_panel, k = f.mul(group, words.span), f.mul(piece, words.piece)
    depth = f.imin(words.piece, f.sub(words.depth, k))
    batch0, batch1 = f.udiv(batch, words.batches1), f.urem(batch, words.batches1)
    at = affine(f, (batch0, words.batch0), (batch1, words.batch1), (k, words.row))
    rows = f.gep(words.source, at, w.ty)
    panels = f.gep(words.panels, f.mul(batch, words.batch_size), w.ty)
    row_by_row = f.icmp("eq", words.column, 1)
    with f.when(row_by_row):
        _copy_rows(f, w, words, rows, panels, k, depth, first_panel)
    j = f.mul(first_panel, w.columns)
    columns = f.imin(w.columns, f.sub(words.columns, j))
    wide = rounded_up(f, columns, w.lanes)
    source = f.gep(rows, f.mul(j, words.column), w.ty)
    panel = f.gep(panels, affine(f, (j, words.depth), (k, wide)), w.ty)
    with f.when(negated(f, row_by_row)):
        unit = f.icmp("eq", words.row, 1)
        turned = f.select(unit, "i64", f.sub(depth, f.urem(depth, w.lanes)), 0)
        with f.loop(0, wide, w.lanes) as v:
            last = f.sub(f.sub(columns, v), 1)
            first = f.gep(source, f.mul(v, words.column), w.ty)
            to = f.gep(panel, v, w.ty)
            _turn(f, w, first, words.column, last, turned, to, wide)
            with f.loop(turned, depth) as row:
                line = f.gep(first, f.mul(row, words.row), w.ty)
                _gather(f, w, line, words.column, last, f.gep(to, f.mul(row, wide), w.ty))
    return f


def _copy_rows(
    f: Fn, w: Width, words: PackWords, rows: str, panels: str, k: str, depth: str, first: str
) -> None:
    """Copy contiguous rows, each to all panels of the chunk: they are read as they lie."""
    count = f.udiv(f.add(words.columns, w.columns - 1), w.columns)
    end = f.imin(f.add(first, words.span), count)
    with f.loop(0, depth) as row:
        line, below = f.gep(rows, f.mul(row, words.row), w.ty), f.add(k, row)
        with f.loop(first, end) as panel:
            j = f.mul(panel, w.columns)
            columns = f.sub(words.columns, j)
            source = f.gep(line, j, w.ty)
            whole = f.icmp("sge", columns, w.columns)
            with f.when(whole):
                to = f.gep(panels, affine(f, (j, words.depth), (below, w.columns)), w.ty)
                for start in range(0, w.columns, w.lanes):
                    x = f.load(w.vector, f.gep(source, start, w.ty), w.size)
                    f.store(w.vector, x, f.gep(to, start, w.ty), w.size)
            with f.when(negated(f, whole)):
                wide = rounded_up(f, columns, w.lanes)
                to = f.gep(panels, affine(f, (j, words.depth), (below, wide)), w.ty)
                with f.loop(0, wide, w.lanes) as v:
                    mask = first_lanes(f, f.sub(columns, v), w.lanes)
                    x = masked_load(f, w, f.gep(source, v, w.ty), mask, w.lanes)
                    f.store(w.vector, x, f.gep(to, v, w.ty), w.size)


def _turn(
    f: Fn, w: Width, source: str, column: str, last: str, depth: str, panel: str, wide: str
) -> None:
    """Copy columns whose rows lie side by side, `depth` of them, a multiple of the lanes.

    Beyond column `last` that one is repeated: no column of a product depends on another.
    """
    starts = [f.mul(f.imin(lane, last), column) for lane in range(w.lanes)]
    with f.loop(0, depth, w.lanes) as k:
        lines = [f.load(w.vector, f.gep(source, f.add(x, k), w.ty), w.size) for x in starts]
        for lane, x in enumerate(transposed(f, w, lines)):
            f.store(w.vector, x, f.gep(panel, f.mul(f.add(k, lane), wide), w.ty), w.size)


def _gather(f: Fn, w: Width, line: str, column: str, last: str, to: str) -> None:
    """Copy the lanes of one vector, element by element; beyond column `last`, that one."""
    with f.loop(0, w.lanes) as lane:
        x = f.load(w.ty, f.gep(line, f.mul(f.imin(lane, last), column), w.ty))
        f.store(w.ty, x, f.gep(to, lane, w.ty))


def transposed(f: Fn, w: Width, rows: list[str]) -> list[str]:
    """As many vectors as lanes, transposed by exchanging ever smaller blocks."""
    rows = list(rows)
    half = w.lanes // 2
    while half:
        low = [j if not j & half else w.lanes + j - half for j in range(w.lanes)]
        high = [j + half if not j & half else w.lanes + j for j in range(w.lanes)]
        for i in range(w.lanes):
            if not i & half:
                both = f"{w.vector} {rows[i]}, {w.vector} {rows[i + half]}"
                rows[i], rows[i + half] = (
                    f.op(f"shufflevector {both}, <{w.lanes} x i32> <{_lanes(order)}>")
                    for order in (low, high)
                )
        half //= 2
    return rows


def _lanes(order: list[int]) -> str:
    return ", ".join(f"i32 {lane}" for lane in order)
