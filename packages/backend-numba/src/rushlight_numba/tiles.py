"""Native code of matrix products: packing, register tiles, and a driver that ends in an epilogue.

Knows nothing of tensors, of graphs, or of how a product is cut into blocks: the words of an
argument block say that (see products.py).

The product is never written.  A chunk of the work computes one block of it in its thread's scratch
and hands that block, still in cache, to a nest.  B lies in panels as wide as a register tile,
[panel][k][columns of the panel], the last panel as wide as it must be; every element of the product
is one chain of fused multiply-adds along k, so how the work is cut changes no bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeVar

from rushlight.extend import DType

from .codegen.llvm import LANES, Fn, Operand

TILE_ROWS = 6  # with 4 vectors of 32 registers, or 2 of 16: as many sums as registers hold
TAIL_ROWS = (4, 2, 1)  # tiles for the rows that are left
DOT_ROWS = (2, 1)
DOT_COLUMNS = 4  # that are summed at a time, of B whose k is contiguous
SLIVER_LANES = 8  # a sliver's 6 rows are copied by vectors of 8, each overwriting the tail before
SLIVER_GAP = 16  # elements between slivers, so that not all of them fall on the same cache sets
RECORD = "ptr noalias %args, i64 %chunk, ptr noalias %scratch"


Word = Any  # an integer, an address or what will become one; in code, the name of the loaded word
Words = TypeVar("Words", bound=tuple[Word, ...])


class PackWords(NamedTuple):
    """Argument block of `pack_b`, strides in elements; a chunk is a piece of a panel of a batch.

    source, row, column, batch0, batch1: address and strides of B, which is [batch0, batch1, k, n].
    panels: address of the packed copy; batch_size: elements of one batch in it.
    depth, columns: extents k and n; batches1: extent of batch1.
    across: panels per batch; pieces: of a panel, each of `piece` rows.
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
    across: Word
    pieces: Word
    piece: Word


class ProductWords(NamedTuple):
    """Argument block of `gemm`, strides in elements; a chunk is one block of one batch.

    a, a_row, a_column, a_batch0, a_batch1: address and strides of A, [batch0, batch1, m, k].
    b, b_row, b_column, b_batch0, b_batch1: the same of B.  In panels, b_row is 0 and b_column k.
    rows, columns, depth: extents m, n and k; piece: longest part of k that is summed at a time.
    block_rows, block_columns: of a full block; down, across: blocks per batch.
    batches1: extent of batch1.
    dots: whether elements are computed one by one along k, contiguous in A and B.
    packs_a: whether A's rows are copied next to each other, at byte packed_at of scratch.
    copy0, copy1, copy_down: strides over batches and blocks of the number that the nest is given
    as its chunk's, which tells apart what would otherwise be written by two chunks.
    nest, nest_arguments: the epilogue; skip: words of ranges that it does not have, 2 per loop.
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
    rows: Word
    columns: Word
    depth: Word
    piece: Word
    block_rows: Word
    block_columns: Word
    down: Word
    across: Word
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


class Width(NamedTuple):
    """Vectors of one element type.

    ty, size: the element in LLVM's words and in bytes.
    lanes: of a vector; vectors: of a full tile's row.
    """

    ty: str
    size: int
    lanes: int
    vectors: int

    @property
    def columns(self) -> int:
        """Columns of a full tile, and of a panel."""
        return self.lanes * self.vectors

    @property
    def vector(self) -> str:
        """The type of a vector."""
        return f"<{self.lanes} x {self.ty}>"

    def name(self, what: str) -> str:
        """The name of a function of this width."""
        return f"{what}_{self.ty}{self.lanes}"


def width(dtype: DType, lanes: int = LANES) -> Width:
    """Tiles for `dtype` (float32 or float64) where a vector is as wide as `lanes` float32."""
    return Width(
        {4: "float", 8: "double"}[dtype.itemsize],
        dtype.itemsize,
        lanes * 4 // dtype.itemsize,
        4 if lanes == 16 else 2,
    )


def functions(dtype: DType, lanes: int = LANES) -> list[Fn]:
    """All native functions of products of `dtype`; those to be called are `entry_points`."""
    w = width(dtype, lanes)
    out = [
        _tile(w, rows, vectors)
        for vectors in range(1, w.vectors + 1)
        for rows in (TILE_ROWS, *TAIL_ROWS)
    ]
    out += [_panel(w, vectors) for vectors in range(1, w.vectors + 1)]
    out += [_dots(w, rows) for rows in DOT_ROWS]
    return [*out, _pack_a(w), _pack_b(w), _gemm(w)]


def entry_points(dtype: DType, lanes: int = LANES) -> tuple[str, str]:
    """Names of the functions of records: of `pack_b`, of `gemm`."""
    w = width(dtype, lanes)
    return w.name("pack_b"), w.name("gemm")


# vectors


def _splat(f: Fn, w: Width, scalar: str) -> str:
    one = f.op(f"insertelement {w.vector} poison, {w.ty} {scalar}, i32 0")
    zeros = f"<{w.lanes} x i32> zeroinitializer"
    return f.op(f"shufflevector {w.vector} {one}, {w.vector} poison, {zeros}")


def _first(f: Fn, count: Operand, lanes: int) -> str:
    """A mask of the first `count` lanes."""
    ty = f"<{lanes} x i64>"
    one = f.op(f"insertelement {ty} poison, i64 {count}, i32 0")
    counts = f.op(f"shufflevector {ty} {one}, {ty} poison, <{lanes} x i32> zeroinitializer")
    numbers = ", ".join(f"i64 {lane}" for lane in range(lanes))
    return f.op(f"icmp slt {ty} <{numbers}>, {counts}")


def _masked_load(f: Fn, w: Width, pointer: str, mask: str, lanes: int) -> str:
    ty = f"<{lanes} x {w.ty}>"
    return f.call(
        ty,
        f"llvm.masked.load.v{lanes}f{8 * w.size}.p0",
        ("ptr", pointer),
        ("i32", w.size),
        (f"<{lanes} x i1>", mask),
        (ty, "zeroinitializer"),
    )


def _not(f: Fn, condition: str) -> str:
    return f.op(f"xor i1 {condition}, true")


def _transposed(f: Fn, w: Width, rows: list[str]) -> list[str]:
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


# register tiles


def _tile(w: Width, rows: int, vectors: int) -> Fn:
    """c[rows, columns] = sum over k of a[rows, k] b[k, columns], added to c if `adds`."""
    f = Fn(
        w.name(f"tile{rows}x{vectors}"),
        "ptr noalias %a, i64 %a_row, i64 %a_column, ptr noalias %b, i64 %b_row, i64 %depth, "
        "ptr noalias %c, i64 %c_row, i64 %adds",
    )
    cells = [(i, v) for i in range(rows) for v in range(vectors)]
    sums = {cell: f.alloca(w.vector, align=64) for cell in cells}
    for cell in cells:
        f.store(w.vector, "zeroinitializer", sums[cell])
    offsets = [f.mul("%a_row", i) for i in range(rows)]
    a, b = f.alloca("ptr"), f.alloca("ptr")
    f.store("ptr", "%a", a)
    f.store("ptr", "%b", b)
    with f.loop(0, "%depth"):
        a_now, b_now = f.load("ptr", a), f.load("ptr", b)
        columns = [
            f.load(w.vector, f.gep(b_now, v * w.lanes, w.ty), w.size) for v in range(vectors)
        ]
        for i in range(rows):
            scalar = _splat(f, w, f.load(w.ty, f.gep(a_now, offsets[i], w.ty)))
            for v in range(vectors):
                _multiply_add(f, w, scalar, columns[v], sums[i, v])
        f.store("ptr", f.gep(a_now, "%a_column", w.ty), a)
        f.store("ptr", f.gep(b_now, "%b_row", w.ty), b)
    places = {
        (i, v): f.gep(f.gep("%c", f.mul("%c_row", i), w.ty), v * w.lanes, w.ty) for i, v in cells
    }
    with f.when(f.icmp("ne", "%adds", 0)):
        for cell in cells:
            before = f.load(w.vector, places[cell], w.size)
            total = f.op(f"fadd {w.vector} {before}, {f.load(w.vector, sums[cell])}")
            f.store(w.vector, total, sums[cell])
    for cell in cells:
        f.store(w.vector, f.load(w.vector, sums[cell]), places[cell], w.size)
    return f


def _multiply_add(f: Fn, w: Width, x: str, y: str, place: str) -> None:
    total = f.load(w.vector, place)
    name = f"llvm.fmuladd.v{w.lanes}f{8 * w.size}"
    f.store(w.vector, f.call(w.vector, name, *((w.vector, z) for z in (x, y, total))), place)


def _panel(w: Width, vectors: int) -> Fn:
    """c[rows, columns of one panel], tile below tile, `a_below` elements of A between them.

    b_row: 0 if the panel is packed.
    """
    f = Fn(
        w.name(f"panel{vectors}"),
        "ptr noalias %a, i64 %a_row, i64 %a_column, i64 %a_below, ptr noalias %b, i64 %b_row, "
        "i64 %depth, ptr noalias %c, i64 %c_row, i64 %adds, i64 %rows",
    )

    def tile(rows: int, a: str, c: str) -> None:
        f.emit(
            f"call void @{w.name(f'tile{rows}x{vectors}')}(ptr {a}, i64 %a_row, i64 %a_column, "
            f"ptr %b, i64 %b_row, i64 %depth, ptr {c}, i64 %c_row, i64 %adds)"
        )

    rest = f.urem("%rows", TILE_ROWS)
    tiles, whole = f.udiv("%rows", TILE_ROWS), f.sub("%rows", rest)
    with f.loop(0, tiles) as number:
        a = f.gep("%a", f.mul(number, "%a_below"), w.ty)
        tile(TILE_ROWS, a, f.gep("%c", f.mul(f.mul(number, TILE_ROWS), "%c_row"), w.ty))
    below = f.gep("%a", f.mul(tiles, "%a_below"), w.ty)
    for rows, left in _halves(f, rest):
        with f.when(f.icmp("ne", f.op(f"and i64 {rest}, {rows}"), 0)):
            a = f.gep(below, f.mul(left, "%a_row"), w.ty)
            tile(rows, a, f.gep("%c", f.mul(f.add(whole, left), "%c_row"), w.ty))
    return f


def _halves(f: Fn, rest: str) -> Iterator[tuple[int, str]]:
    """(rows of a tile, rows of the tail above it): the binary digits of `rest`, highest first."""
    above = 0
    for rows in TAIL_ROWS:
        yield rows, f.op(f"and i64 {rest}, {above}")
        above += rows


def _dots(w: Width, rows: int) -> Fn:
    """c[rows, columns] of few rows, by vectors along k: B is read once and nothing is packed.

    Up to three elements after a row of c are overwritten.
    """
    f = Fn(
        w.name(f"dots{rows}"),
        "ptr noalias %a, i64 %a_row, ptr noalias %b, i64 %b_column, i64 %depth, "
        "ptr noalias %c, i64 %c_row, i64 %columns",
    )
    cells = [(i, q) for i in range(rows) for q in range(DOT_COLUMNS)]
    sums = {cell: f.alloca(w.vector, align=64) for cell in cells}
    lines = [f.gep("%a", f.mul("%a_row", i), w.ty) for i in range(rows)]
    rest = f.urem("%depth", w.lanes)
    whole = f.sub("%depth", rest)
    full, part = (_first(f, count, w.lanes) for count in (w.lanes, rest))
    last = f.sub("%columns", 1)
    with f.loop(0, "%columns", DOT_COLUMNS) as j:
        columns = [
            f.gep("%b", f.mul(f.imin(f.add(j, q), last), "%b_column"), w.ty)
            for q in range(DOT_COLUMNS)
        ]
        for cell in cells:
            f.store(w.vector, "zeroinitializer", sums[cell])

        def step(k: str, mask: str, columns: list[str] = columns) -> None:
            x = [_masked_load(f, w, f.gep(line, k, w.ty), mask, w.lanes) for line in lines]
            y = [_masked_load(f, w, f.gep(line, k, w.ty), mask, w.lanes) for line in columns]
            for i, q in cells:
                _multiply_add(f, w, x[i], y[q], sums[i, q])

        with f.loop(0, whole, w.lanes) as k:
            step(k, full)
        step(whole, part)
        name = f"llvm.vector.reduce.fadd.v{w.lanes}f{8 * w.size}"
        for i, q in cells:
            lanes = f.load(w.vector, sums[i, q])
            total = f.call(w.ty, name, (w.ty, "-0.0"), (w.vector, lanes), flags="reassoc")
            f.store(w.ty, total, f.gep("%c", f.add(f.mul("%c_row", i), f.add(j, q)), w.ty))
    return f


# packing


def _pack_a(w: Width) -> Fn:
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
        whole, last = _first(f, TILE_ROWS, SLIVER_LANES), _first(f, rest, SLIVER_LANES)
        slivers = f.udiv("%rows", TILE_ROWS)
        with f.loop(0, "%depth") as k:
            line = f.gep("%a", f.mul(k, "%column"), w.ty)
            place = f.gep("%packed", f.mul(k, TILE_ROWS), w.ty)
            with f.loop(0, slivers) as sliver:
                _copy_part(f, w, line, place, sliver, whole)
            with f.when(f.icmp("ne", rest, 0)):
                _copy_part(f, w, line, place, slivers, last)
    with f.when(_not(f, side_by_side)), f.loop(0, "%rows") as i:
        line = f.gep("%a", f.mul(i, "%row"), w.ty)
        sliver, row = f.udiv(i, TILE_ROWS), f.urem(i, TILE_ROWS)
        place = f.gep("%packed", f.add(f.mul(sliver, "%sliver"), row), w.ty)
        with f.loop(0, "%depth") as k:
            x = f.load(w.ty, f.gep(line, f.mul(k, "%column"), w.ty))
            f.store(w.ty, x, f.gep(place, f.mul(k, TILE_ROWS), w.ty))
    return f


def _copy_part(f: Fn, w: Width, line: str, place: str, sliver: str, mask: str) -> None:
    """Copy 6 elements of a line of A, or the last ones, to a sliver."""
    x = _masked_load(f, w, f.gep(line, f.mul(sliver, TILE_ROWS), w.ty), mask, SLIVER_LANES)
    to = f.gep(place, f.mul(sliver, "%sliver"), w.ty)
    f.store(f"<{SLIVER_LANES} x {w.ty}>", x, to, w.size)


def _pack_b(w: Width) -> Fn:
    """One piece of one panel of B, beside one another what a tile reads together."""
    f = Fn(w.name("pack_b"), RECORD)
    words = _words(f, PackWords)
    panel_number, piece = f.udiv("%chunk", words.pieces), f.urem("%chunk", words.pieces)
    batch, panel = f.udiv(panel_number, words.across), f.urem(panel_number, words.across)
    j, k = f.mul(panel, w.columns), f.mul(piece, words.piece)
    columns = f.imin(w.columns, f.sub(words.columns, j))
    wide = _rounded_up(f, columns, w.lanes)
    depth = f.imin(words.piece, f.sub(words.depth, k))
    batch0, batch1 = f.udiv(batch, words.batches1), f.urem(batch, words.batches1)
    at = _affine(
        f, (batch0, words.batch0), (batch1, words.batch1), (k, words.row), (j, words.column)
    )
    source = f.gep(words.source, at, w.ty)
    at = _affine(f, (batch, words.batch_size), (j, words.depth), (k, wide))
    panel = f.gep(words.panels, at, w.ty)
    row_by_row = f.icmp("eq", words.column, 1)
    with f.when(row_by_row):
        whole = f.icmp("eq", columns, w.columns)
        with f.when(whole):
            _copy_full_rows(f, w, source, words.row, depth, panel)
        with f.when(_not(f, whole)):
            _copy_rows(f, w, source, words.row, depth, columns, panel, wide)
    with f.when(_not(f, row_by_row)):
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


def _copy_full_rows(f: Fn, w: Width, source: str, row: str, depth: str, panel: str) -> None:
    with f.loop(0, depth) as k:
        line, to = f.gep(source, f.mul(k, row), w.ty), f.gep(panel, f.mul(k, w.columns), w.ty)
        for v in range(w.vectors):
            x = f.load(w.vector, f.gep(line, v * w.lanes, w.ty), w.size)
            f.store(w.vector, x, f.gep(to, v * w.lanes, w.ty), w.size)


def _copy_rows(
    f: Fn, w: Width, source: str, row: str, depth: str, columns: str, panel: str, wide: str
) -> None:
    with f.loop(0, wide, w.lanes) as v:
        mask = _first(f, f.sub(columns, v), w.lanes)
        line, to = f.gep(source, v, w.ty), f.gep(panel, v, w.ty)
        with f.loop(0, depth) as k:
            x = _masked_load(f, w, f.gep(line, f.mul(k, row), w.ty), mask, w.lanes)
            f.store(w.vector, x, f.gep(to, f.mul(k, wide), w.ty), w.size)


def _turn(
    f: Fn, w: Width, source: str, column: str, last: str, depth: str, panel: str, wide: str
) -> None:
    """Copy columns whose rows lie side by side, `depth` of them, a multiple of the lanes.

    Beyond column `last` that one is repeated: no column of a product depends on another.
    """
    starts = [f.mul(f.imin(lane, last), column) for lane in range(w.lanes)]
    with f.loop(0, depth, w.lanes) as k:
        lines = [f.load(w.vector, f.gep(source, f.add(x, k), w.ty), w.size) for x in starts]
        for lane, x in enumerate(_transposed(f, w, lines)):
            f.store(w.vector, x, f.gep(panel, f.mul(f.add(k, lane), wide), w.ty), w.size)


def _gather(f: Fn, w: Width, line: str, column: str, last: str, to: str) -> None:
    """Copy the lanes of one vector, element by element; beyond column `last`, that one."""
    with f.loop(0, w.lanes) as lane:
        x = f.load(w.ty, f.gep(line, f.mul(f.imin(lane, last), column), w.ty))
        f.store(w.ty, x, f.gep(to, lane, w.ty))


# driver


def _gemm(w: Width) -> Fn:
    """One block of a product into scratch, then the nest over that block."""
    f = Fn(w.name("gemm"), RECORD)
    words = _words(f, ProductWords)
    blocks = f.mul(words.down, words.across)
    batch, block = f.udiv("%chunk", blocks), f.urem("%chunk", blocks)
    batch0, batch1 = f.udiv(batch, words.batches1), f.urem(batch, words.batches1)
    down, across = f.udiv(block, words.across), f.urem(block, words.across)
    i, j = f.mul(down, words.block_rows), f.mul(across, words.block_columns)
    i_end = f.imin(f.add(i, words.block_rows), words.rows)
    j_end = f.imin(f.add(j, words.block_columns), words.columns)
    c_row = _rounded_up(f, f.sub(j_end, j), w.lanes)
    at = _affine(f, (batch0, words.a_batch0), (batch1, words.a_batch1), (i, words.a_row))
    a = f.gep(words.a, at, w.ty)
    at = _affine(f, (batch0, words.b_batch0), (batch1, words.b_batch1), (j, words.b_column))
    b = f.gep(words.b, at, w.ty)
    _block(f, w, words, a, b, f.sub(i_end, i), f.sub(j_end, j), c_row)
    copy = _affine(f, (batch0, words.copy0), (batch1, words.copy1), (down, words.copy_down))
    ends = [batch0, f.add(batch0, 1), batch1, f.add(batch1, 1), i, i_end, j, j_end]
    ranges = f.alloca("i64", 16, align=64)
    for number, value in enumerate([*ends, copy, None, c_row]):
        place = f.gep(ranges, number, "i64")
        f.store("ptr" if value is None else "i64", value or "%scratch", place)
    mine = f.gep(ranges, words.skip, "i64")
    f.indirect(words.nest, f"ptr {words.nest_arguments}, ptr {mine}, ptr %scratch")
    return f


def _block(
    f: Fn, w: Width, words: ProductWords, a: str, b: str, rows: str, columns: str, c_row: str
) -> None:
    """scratch[rows, columns] = a b."""
    dots = f.icmp("ne", words.dots, 0)
    with f.when(dots):
        _dot_rows(f, w, words, a, b, rows, columns, c_row)
    with f.when(_not(f, dots)):
        _pieces(f, w, words, a, b, rows, columns, c_row)


def _dot_rows(
    f: Fn, w: Width, words: ProductWords, a: str, b: str, rows: str, columns: str, c_row: str
) -> None:
    done = "0"
    for count in DOT_ROWS:
        end = f.sub(rows, f.urem(f.sub(rows, done), count))
        with f.loop(done, end, count) as i:
            line, c = (
                f.gep(a, f.mul(i, words.a_row), w.ty),
                f.gep("%scratch", f.mul(i, c_row), w.ty),
            )
            f.emit(
                f"call void @{w.name(f'dots{count}')}(ptr {line}, i64 {words.a_row}, ptr {b}, "
                f"i64 {words.b_column}, i64 {words.depth}, ptr {c}, i64 {c_row}, i64 {columns})"
            )
        done = end


def _pieces(
    f: Fn, w: Width, words: ProductWords, a: str, b: str, rows: str, columns: str, c_row: str
) -> None:
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
        below = f.select(packs, "i64", sliver, f.mul(words.a_row, TILE_ROWS))
        with f.loop(0, columns, w.columns) as j:
            wide = _rounded_up(f, f.imin(w.columns, f.sub(columns, j)), w.lanes)
            b_row = f.select(f.icmp("eq", words.b_row, 0), "i64", wide, words.b_row)
            panel = f.gep(b, f.add(f.mul(j, words.b_column), f.mul(k, b_row)), w.ty)
            c = f.gep("%scratch", j, w.ty)
            for vectors in range(1, w.vectors + 1):
                with f.when(f.icmp("eq", wide, vectors * w.lanes)):
                    f.emit(
                        f"call void @{w.name(f'panel{vectors}')}(ptr {source}, i64 {a_row}, "
                        f"i64 {a_column}, i64 {below}, ptr {panel}, i64 {b_row}, i64 {depth}, "
                        f"ptr {c}, i64 {c_row}, i64 {k}, i64 {rows})"
                    )


# arithmetic of addresses


def _words(f: Fn, block: type[Words]) -> Words:
    """The fields of an argument block, loaded."""
    pointers = ("source", "panels", "a", "b", "nest", "nest_arguments")
    fields: tuple[str, ...] = block._fields  # type: ignore[attr-defined]
    types = ("ptr" if name in pointers else "i64" for name in fields)
    return block(*(f.arg("%args", number, ty) for number, ty in enumerate(types)))


def _affine(f: Fn, *terms: tuple[str, Any]) -> str:
    """Sum of the products of pairs."""
    total = f.mul(*terms[0])
    for x, stride in terms[1:]:
        total = f.add(total, f.mul(x, stride))
    return total


def _rounded_up(f: Fn, x: str, to: int) -> str:
    """The least multiple of `to`, a power of two, that is not below x."""
    return f.op(f"and i64 {f.add(x, to - 1)}, {-to}")
