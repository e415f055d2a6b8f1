"""Register tiles: the innermost code of matrix products, and what all their code shares.

Knows nothing of where operands come from and where results go: tiles are given addresses.

An element of a product is one chain of fused multiply-adds along k for each piece of k, or, by
`dots`, one for each lane: its bits depend on extents and strides, never on how work is cut.
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
LINE_BYTES = 64
AHEAD_WORDS = 4  # an address, and its strides in bytes over the first batch, the second, and rows
MOST_AHEAD = 8  # arrays that are fetched while a product is computed
FETCH_EVERY = 4  # steps along k between two of their lines
RECORD = "ptr noalias %args, i64 %chunk, ptr noalias %scratch"  # parameters of a record's function
POINTERS = frozenset(  # the fields of argument blocks, of whatever record, that are addresses
    "a b c ahead bias copy filters image nest nest_arguments other other_window panels product "
    "residues result source taps window".split()
)

Word = Any  # an integer, an address or what will become one; in code, the name of the loaded word
Words = TypeVar("Words", bound=tuple[Word, ...])


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


def tile_functions(w: Width) -> list[Fn]:
    """All tiles, the panels that are made of them, and dots."""
    every = range(1, w.vectors + 1)
    out = [_tile(w, rows, vectors) for vectors in every for rows in (TILE_ROWS, *TAIL_ROWS)]
    out += [_panel(w, vectors) for vectors in every]
    return out + [_dots(w, rows) for rows in DOT_ROWS]


# what code of products shares


def splat(f: Fn, w: Width, scalar: str) -> str:
    """A vector whose lanes are all one scalar."""
    one = f.op(f"insertelement {w.vector} poison, {w.ty} {scalar}, i32 0")
    zeros = f"<{w.lanes} x i32> zeroinitializer"
    return f.op(f"shufflevector {w.vector} {one}, {w.vector} poison, {zeros}")


def multiply_add(f: Fn, w: Width, x: str, y: str, place: str) -> None:
    """Add x y to the vector at a place, rounded once."""
    total = f.load(w.vector, place)
    name = f"llvm.fmuladd.v{w.lanes}f{8 * w.size}"
    f.store(w.vector, f.call(w.vector, name, *((w.vector, z) for z in (x, y, total))), place)


def first_lanes(f: Fn, count: Operand, lanes: int) -> str:
    """A mask of the first `count` lanes."""
    ty = f"<{lanes} x i64>"
    one = f.op(f"insertelement {ty} poison, i64 {count}, i32 0")
    counts = f.op(f"shufflevector {ty} {one}, {ty} poison, <{lanes} x i32> zeroinitializer")
    numbers = ", ".join(f"i64 {lane}" for lane in range(lanes))
    return f.op(f"icmp slt {ty} <{numbers}>, {counts}")


def masked_load(f: Fn, w: Width, pointer: str, mask: str, lanes: int) -> str:
    """A vector whose lanes beyond the mask are not read, and zero."""
    ty = f"<{lanes} x {w.ty}>"
    return f.call(
        ty,
        f"llvm.masked.load.v{lanes}f{8 * w.size}.p0",
        ("ptr", pointer),
        ("i32", w.size),
        (f"<{lanes} x i1>", mask),
        (ty, "zeroinitializer"),
    )


def negated(f: Fn, condition: str) -> str:
    """Whether it does not hold."""
    return f.op(f"xor i1 {condition}, true")


def load_words(f: Fn, block: type[Words], words: str = "%args", first: int = 0) -> Words:
    """The fields of an argument block, loaded, from word `first` on."""
    fields: tuple[str, ...] = block._fields  # type: ignore[attr-defined]  # of a NamedTuple
    types = ("ptr" if name in POINTERS else "i64" for name in fields)
    return block(*(f.arg(words, first + i, ty) for i, ty in enumerate(types)))


def affine(f: Fn, *terms: tuple[str, Any]) -> str:
    """Sum of the products of pairs."""
    total = f.mul(*terms[0])
    for x, stride in terms[1:]:
        total = f.add(total, f.mul(x, stride))
    return total


def rounded_up(f: Fn, x: str, to: int) -> str:
    """The least multiple of `to`, a power of two, that is not below x."""
    return f.op(f"and i64 {f.add(x, to - 1)}, {-to}")


# tiles


def _tile(w: Width, rows: int, vectors: int) -> Fn:
    """c[rows, columns] = sum over k of a[rows, k] b[k, columns], added to c if `adds`.

    ahead: where rows begin that will be touched soon.  Of their lines, numbered row by row, those
    from `first` on are fetched, up to `last`, one every few steps along k: the memory is idle here,
    and begun all at once they would hold up what this tile reads.
    """
    f = Fn(
        w.name(f"tile{rows}x{vectors}"),
        "ptr noalias %a, i64 %a_row, i64 %a_column, ptr noalias %b, i64 %b_row, i64 %depth, "
        "ptr noalias %c, i64 %c_row, i64 %adds, ptr %ahead, i64 %first, i64 %last",
    )
    cells = [(i, v) for i in range(rows) for v in range(vectors)]
    sums = {cell: f.alloca(w.vector, align=64) for cell in cells}
    for cell in cells:
        f.store(w.vector, "zeroinitializer", sums[cell])
    offsets = [f.mul("%a_row", i) for i in range(rows)]
    a, b = f.alloca("ptr"), f.alloca("ptr")
    f.store("ptr", "%a", a)
    f.store("ptr", "%b", b)
    done = "0"
    if rows == TILE_ROWS:
        done = f.sub("%depth", f.urem("%depth", FETCH_EVERY))
        with f.loop(0, done, FETCH_EVERY) as k:
            _fetch(f, w, vectors, f.udiv(k, FETCH_EVERY))
            for _ in range(FETCH_EVERY):
                _step(f, w, (a, b), offsets, sums)
    with f.loop(done, "%depth"):
        _step(f, w, (a, b), offsets, sums)
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


def lines_of_tile(w: Width) -> int:
    """Lines of the cache in a full tile of one array."""
    return TILE_ROWS * _lines(w, w.vectors)


def _lines(w: Width, vectors: int) -> int:
    """Lines of the cache in a tile's row, or the next power of two."""
    return 1 << (-(-vectors * w.lanes * w.size // LINE_BYTES) - 1).bit_length()


def _step(
    f: Fn, w: Width, places: tuple[str, str], offsets: list[str], sums: dict[tuple[int, int], str]
) -> None:
    """Add the products of one k to all sums, and go on to the next."""
    a, b = places
    a_now, b_now = f.load("ptr", a), f.load("ptr", b)
    vectors = 1 + max(v for _, v in sums)
    columns = [f.load(w.vector, f.gep(b_now, v * w.lanes, w.ty), w.size) for v in range(vectors)]
    for i, offset in enumerate(offsets):
        scalar = splat(f, w, f.load(w.ty, f.gep(a_now, offset, w.ty)))
        for v in range(vectors):
            multiply_add(f, w, scalar, columns[v], sums[i, v])
    f.store("ptr", f.gep(a_now, "%a_column", w.ty), a)
    f.store("ptr", f.gep(b_now, "%b_row", w.ty), b)


def _fetch(f: Fn, w: Width, vectors: int, number: str) -> None:
    """Begin to read a line of the rows ahead into the second level of cache."""
    line = f.imin(f.add("%first", number), "%last")
    row = f.arg("%ahead", f.udiv(line, _lines(w, vectors)), "ptr")
    place = f.gep(row, f.mul(f.urem(line, _lines(w, vectors)), LINE_BYTES), "i8")
    f.call("void", "llvm.prefetch.p0", ("ptr", place), ("i32", 0), ("i32", 2), ("i32", 1))


def _panel(w: Width, vectors: int) -> Fn:
    """c[rows, columns of one panel], tile below tile, `a_below` elements of A between them.

    b_row: 0 if the panel is packed.
    ahead, count: what will be touched soon: where the block's first row begins in it, and how many
    bytes lie between rows.  column: of the block, where the panel begins.  part: how many pieces of
    k were before this one.
    """
    f = Fn(
        w.name(f"panel{vectors}"),
        "ptr noalias %a, i64 %a_row, i64 %a_column, i64 %a_below, ptr noalias %b, i64 %b_row, "
        "i64 %depth, ptr noalias %c, i64 %c_row, i64 %adds, i64 %rows, "
        "ptr %ahead, i64 %count, i64 %column, i64 %part",
    )
    rows_ahead = f.alloca("ptr", MOST_AHEAD * TILE_ROWS, align=64)
    f.store("ptr", "%c", rows_ahead)  # where nothing is ahead, something is fetched all the same
    lines = f.mul("%count", TILE_ROWS * _lines(w, vectors))
    last = f.imax(f.sub(lines, 1), 0)
    first = f.imin(f.mul("%part", f.udiv("%depth", FETCH_EVERY)), last)

    def tile(rows: int, a: str, c: str, fetched: str) -> None:
        f.emit(
            f"call void @{w.name(f'tile{rows}x{vectors}')}(ptr {a}, i64 %a_row, i64 %a_column, "
            f"ptr %b, i64 %b_row, i64 %depth, ptr {c}, i64 %c_row, i64 %adds, ptr {rows_ahead}, "
            f"{fetched})"
        )

    rest = f.urem("%rows", TILE_ROWS)
    tiles, whole = f.udiv("%rows", TILE_ROWS), f.sub("%rows", rest)
    with f.loop(0, tiles) as number:
        above = f.mul(number, TILE_ROWS)
        with f.loop(0, "%count") as which:
            at = f.gep("%ahead", f.mul(which, 2), "i64")
            begin = f.gep(f.arg(at, 0, "ptr"), f.mul("%column", w.size), "i8")
            for i in range(TILE_ROWS):
                row = f.gep(begin, f.mul(f.arg(at, 1), f.add(above, i)), "i8")
                place = f.gep(rows_ahead, f.add(f.mul(which, TILE_ROWS), i), "ptr")
                f.store("ptr", row, place)
        a = f.gep("%a", f.mul(number, "%a_below"), w.ty)
        c = f.gep("%c", f.mul(above, "%c_row"), w.ty)
        tile(TILE_ROWS, a, c, f"i64 {first}, i64 {last}")
    below = f.gep("%a", f.mul(tiles, "%a_below"), w.ty)
    for rows, left in _halves(f, rest):
        with f.when(f.icmp("ne", f.op(f"and i64 {rest}, {rows}"), 0)):
            a = f.gep(below, f.mul(left, "%a_row"), w.ty)
            c = f.gep("%c", f.mul(f.add(whole, left), "%c_row"), w.ty)
            tile(rows, a, c, "i64 0, i64 0")
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
    full, part = (first_lanes(f, count, w.lanes) for count in (w.lanes, rest))
    last = f.sub("%columns", 1)
    with f.loop(0, "%columns", DOT_COLUMNS) as j:
        columns = [
            f.gep("%b", f.mul(f.imin(f.add(j, q), last), "%b_column"), w.ty)
            for q in range(DOT_COLUMNS)
        ]
        for cell in cells:
            f.store(w.vector, "zeroinitializer", sums[cell])

        def step(k: str, mask: str, columns: list[str] = columns) -> None:
            x = [masked_load(f, w, f.gep(line, k, w.ty), mask, w.lanes) for line in lines]
            y = [masked_load(f, w, f.gep(line, k, w.ty), mask, w.lanes) for line in columns]
            for i, q in cells:
                multiply_add(f, w, x[i], y[q], sums[i, q])

        with f.loop(0, whole, w.lanes) as k:
            step(k, full)
        step(whole, part)
        name = f"llvm.vector.reduce.fadd.v{w.lanes}f{8 * w.size}"
        for i, q in cells:
            lanes = f.load(w.vector, sums[i, q])
            total = f.call(w.ty, name, (w.ty, "-0.0"), (w.vector, lanes), flags="reassoc")
            f.store(w.ty, total, f.gep("%c", f.add(f.mul("%c_row", i), f.add(j, q)), w.ty))
    return f
