"""The record that computes a product, block by block, and ends in an epilogue.

Knows nothing of how a product is best cut: the words of its argument block say that.

A chunk of the work computes one block of the product in its thread's scratch and hands that, still
in cache, to a nest.  Only a product that is itself the result is written where that lies.
"""

from __future__ import annotations

from typing import NamedTuple

from rushlight.extend import DType

from .codegen.llvm import LANES, Fn
from .packing import SLIVER_GAP, pack_a, pack_b
from .tiles import (
    AHEAD_WORDS,
    DOT_ROWS,
    MOST_AHEAD,
    RECORD,
    TILE_ROWS,
    Width,
    Word,
    affine,
    load_words,
    negated,
    rounded_up,
    tile_functions,
    width,
)


class ProductWords(NamedTuple):
    """Argument block of `gemm`, strides in elements; a chunk is one block of one batch.

    a, a_row, a_column, a_batch0, a_batch1: address and strides of A, [batch0, batch1, m, k].
    b, b_row, b_column, b_batch0, b_batch1: the same of B.  In panels, b_row is 0 and b_column k.
    c, c_row, c_batch0, c_batch1: the same of the result if that is the product itself, in rows of
    whole vectors; else c_row is 0 and there is a nest.
    rows, columns, depth: extents m, n and k; piece: longest part of k that is summed at a time.
    block_rows, block_columns: of a full block; down, across: blocks per batch.
    by_columns: whether blocks below one another are neighbours in order, else those beside.
    batches1: extent of batch1.
    dots: whether elements are computed one by one along k, contiguous in A and B.
    packs_a: whether A's rows are copied next to each other, at byte packed_at of scratch.
    copy0, copy1, copy_down: strides over batches and blocks of the number that the nest is given
    as its chunk's, which tells apart what would otherwise be written by two chunks.
    nest, nest_arguments: the epilogue; skip: words of ranges that it does not have, 2 per loop.
    ahead, ahead_count: arrays that the epilogue touches, each of AHEAD_WORDS, to be fetched into
    cache while the product is computed.
    """

    a: Word
    a_row: Word
    a_column: Word
    a_batch0: Word
    a_batch1: Word
    b: Word
    b_row: Word
    b_column: Word
    b_batch0: Word
    b_batch1: Word
    c: Word
    c_row: Word
    c_batch0: Word
    c_batch1: Word
    rows: Word
    columns: Word
    depth: Word
    piece: Word
    block_rows: Word
    block_columns: Word
    down: Word
    across: Word
    by_columns: Word
    batches1: Word
    dots: Word
    packs_a: Word
    packed_at: Word
    copy0: Word
    copy1: Word
    copy_down: Word
    nest: Word
    nest_arguments: Word
    skip: Word
    ahead: Word
    ahead_count: Word


def functions(dtype: DType, lanes: int = LANES) -> list[Fn]:
    """All native functions of products of `dtype`; those to be called are `entry_points`."""
    w = width(dtype, lanes)
    return [*tile_functions(w), pack_a(w), pack_b(w), _gemm(w)]


def entry_points(dtype: DType, lanes: int = LANES) -> tuple[str, str]:
    """Names of the functions of records: of `pack_b`, of `gemm`."""
    w = width(dtype, lanes)
    return w.name("pack_b"), w.name("gemm")


def _gemm(w: Width) -> Fn:
    """One block of a product into scratch, then the nest over that block."""
    f = Fn(w.name("gemm"), RECORD)
    words = load_words(f, ProductWords)
    blocks = f.mul(words.down, words.across)
    batch, block = f.udiv("%chunk", blocks), f.urem("%chunk", blocks)
    batch0, batch1 = f.udiv(batch, words.batches1), f.urem(batch, words.batches1)
    by_columns = f.icmp("ne", words.by_columns, 0)
    inner = f.select(by_columns, "i64", words.down, words.across)
    far, near = f.udiv(block, inner), f.urem(block, inner)
    down, across = (f.select(by_columns, "i64", *pair) for pair in ((near, far), (far, near)))
    i, j = f.mul(down, words.block_rows), f.mul(across, words.block_columns)
    i_end = f.imin(f.add(i, words.block_rows), words.rows)
    j_end = f.imin(f.add(j, words.block_columns), words.columns)
    bare = f.icmp("ne", words.c_row, 0)
    at = affine(f, (batch0, words.c_batch0), (batch1, words.c_batch1), (i, words.c_row))
    c = f.select(bare, "ptr", f.gep(words.c, f.add(at, j), w.ty), "%scratch")
    block_row = rounded_up(f, f.sub(j_end, j), w.lanes)
    c_row = f.select(bare, "i64", words.c_row, block_row)
    at = affine(f, (batch0, words.a_batch0), (batch1, words.a_batch1), (i, words.a_row))
    a = f.gep(words.a, at, w.ty)
    at = affine(f, (batch0, words.b_batch0), (batch1, words.b_batch1), (j, words.b_column))
    b = f.gep(words.b, at, w.ty)
    ahead = _ahead(f, w, words, (batch0, batch1, i, j))
    _block(f, w, words, a, b, f.sub(i_end, i), f.sub(j_end, j), c, c_row, ahead)
    copy = affine(f, (batch0, words.copy0), (batch1, words.copy1), (down, words.copy_down))
    ends = [batch0, f.add(batch0, 1), batch1, f.add(batch1, 1), i, i_end, j, j_end]
    ranges = f.alloca("i64", 16, align=64)
    for number, value in enumerate([*ends, copy, None, block_row]):
        place = f.gep(ranges, number, "i64")
        f.store("ptr" if value is None else "i64", value or "%scratch", place)
    mine = f.gep(ranges, words.skip, "i64")
    with f.when(negated(f, bare)):
        f.indirect(words.nest, f"ptr {words.nest_arguments}, ptr {mine}, ptr %scratch")
    return f


def _ahead(f: Fn, w: Width, words: ProductWords, start: tuple[str, str, str, str]) -> str:
    """Where a block begins in each array that the epilogue touches, and how far rows are apart."""
    places = f.alloca("i64", 2 * MOST_AHEAD, align=64)
    with f.loop(0, words.ahead_count) as number:
        given = f.gep(words.ahead, f.mul(number, AHEAD_WORDS), "i64")
        strides = [f.arg(given, word) for word in range(1, AHEAD_WORDS)]
        at = affine(f, *zip(start, (*strides, w.size), strict=True))
        place = f.gep(places, f.mul(number, 2), "i64")
        f.store("ptr", f.gep(f.arg(given, 0, "ptr"), at, "i8"), place)
        f.store("i64", strides[-1], f.gep(place, 1, "i64"))
    return places


def _block(
    f: Fn, w: Width, words: ProductWords, a: str, b: str, rows: str, columns: str, c: str,
    c_row: str, ahead: str,
) -> None:  # fmt: skip
    """c[rows, columns] = a b."""
    dots = f.icmp("ne", words.dots, 0)
    with f.when(dots):
        _dot_rows(f, w, words, a, b, rows, columns, c, c_row)
    with f.when(negated(f, dots)):
        _pieces(f, w, words, a, b, rows, columns, c, c_row, ahead)


def _dot_rows(
    f: Fn,
    w: Width,
    words: ProductWords,
    a: str,
    b: str,
    rows: str,
    columns: str,
    c: str,
    c_row: str,
) -> None:
    done = "0"
    for count in DOT_ROWS:
        end = f.sub(rows, f.urem(f.sub(rows, done), count))
        with f.loop(done, end, count) as i:
            line, to = f.gep(a, f.mul(i, words.a_row), w.ty), f.gep(c, f.mul(i, c_row), w.ty)
            f.emit(
                f"call void @{w.name(f'dots{count}')}(ptr {line}, i64 {words.a_row}, ptr {b}, "
                f"i64 {words.b_column}, i64 {words.depth}, ptr {to}, i64 {c_row}, i64 {columns})"
            )
        done = end


def _pieces(
    f: Fn, w: Width, words: ProductWords, a: str, b: str, rows: str, columns: str, c: str,
    c_row: str, ahead: str,
) -> None:  # fmt: skip
    """A piece of k at a time, by register tiles."""
    packs = f.icmp("ne", words.packs_a, 0)
    packed = f.gep("%scratch", words.packed_at, "i8")
    a_row = f.select(packs, "i64", 1, words.a_row)
    a_column = f.select(packs, "i64", TILE_ROWS, words.a_column)
    # without anything to sum there is one piece all the same: its zeros
    with f.loop(0, f.imax(words.depth, 1), words.piece) as k:
        depth = f.imin(words.piece, f.sub(words.depth, k))
        here = f.gep(a, f.mul(k, words.a_column), w.ty)
        sliver = f.add(f.mul(depth, TILE_ROWS), SLIVER_GAP)
        with f.when(packs):
            f.emit(
                f"call void @{w.name('pack_a')}(ptr {here}, i64 {words.a_row}, "
                f"i64 {words.a_column}, i64 {rows}, i64 {depth}, ptr {packed}, i64 {sliver})"
            )
        source = f.select(packs, "ptr", packed, here)
        part = f.udiv(k, words.piece)
        below = f.select(packs, "i64", sliver, f.mul(words.a_row, TILE_ROWS))
        with f.loop(0, columns, w.columns) as j:
            wide = rounded_up(f, f.imin(w.columns, f.sub(columns, j)), w.lanes)
            b_row = f.select(f.icmp("eq", words.b_row, 0), "i64", wide, words.b_row)
            panel = f.gep(b, f.add(f.mul(j, words.b_column), f.mul(k, b_row)), w.ty)
            to = f.gep(c, j, w.ty)
            for vectors in range(1, w.vectors + 1):
                with f.when(f.icmp("eq", wide, vectors * w.lanes)):
                    f.emit(
                        f"call void @{w.name(f'panel{vectors}')}(ptr {source}, i64 {a_row}, "
                        f"i64 {a_column}, i64 {below}, ptr {panel}, i64 {b_row}, i64 {depth}, "
                        f"ptr {to}, i64 {c_row}, i64 {k}, i64 {rows}, ptr {ahead}, "
                        f"i64 {words.ahead_count}, i64 {j}, i64 {part})"
                    )
