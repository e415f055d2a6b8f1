"""What correlations read: copies of parts of an image, and lists of the pixels of a block.

Knows neither weights nor sums.  Every image has three axes z, y, x; those that are missing have one
element.  A part is copied with zeros beyond the border, and its rows are split by the phases of the
stride, so that for every element of a window the pixels of a row of results are contiguous:

    copy[c, phase, z, y, t] = image[c, z0 + z, y0 + y, x0 + residue[phase] + stride t]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...codegen.llvm import Fn, Operand, Routine
from ...tiles import Width, Word, affine, first_lanes, load_words, masked_load

ENTRY_WORDS = 3  # of a piece of a row: where it lies in the copy, where beside it, which lanes are
Three = tuple[str, str, str]


class WindowWords(NamedTuple):
    """How a part of an image is copied; strides and pitches in elements.

    channel, z, y, x: strides of the image; size_z, size_y, size_x: its extents.
    planes, rows, width: of the copy of a channel; width: of one phase of a row.
    plane, phase, slice, row: pitches of a channel's copy, of a phase, of z and of y.
    step: stride of the windows along x; residues: of each phase.
    """

    channel: Word
    z: Word
    y: Word
    x: Word
    size_z: Word
    size_y: Word
    size_x: Word
    planes: Word
    rows: Word
    width: Word
    plane: Word
    phase: Word
    slice: Word
    row: Word
    step: Word
    phases: Word
    residues: Word


class BlockWords(NamedTuple):
    """How results are cut into blocks, and where their pixels lie.

    z, y, x: extents of the results; block_z ..: of a block; across_y, across_x: blocks of an axis.
    blocks: of one image; positions: of all images.
    step_z ..: strides of the windows; base_z ..: where the first window of an image begins.
    near_z, near_y: pitches of results in the copy; far_z, far_y, far_x: beside it.
    """

    z: Word
    y: Word
    x: Word
    block_z: Word
    block_y: Word
    block_x: Word
    across_y: Word
    across_x: Word
    blocks: Word
    positions: Word
    step_z: Word
    step_y: Word
    step_x: Word
    base_z: Word
    base_y: Word
    base_x: Word
    near_z: Word
    near_y: Word
    far_z: Word
    far_y: Word
    far_x: Word


def copier(w: Width) -> Routine:
    """The function that copies a part of an image."""
    name = w.name("window")
    return Routine(name, lambda: _copier(name, w))


def _copier(name: str, w: Width) -> Fn:
    """copy[channels, ..] of the image at %image, from (z, y, x) on, which may be negative.

    Up to a vector's elements after it are overwritten.
    """
    f = Fn(
        name,
        "ptr noalias %words, ptr noalias %image, i64 %channels, i64 %z, i64 %y, i64 %x, "
        "ptr noalias %copy",
    )
    words = load_words(f, WindowWords, "%words")
    stride = f.mul(words.step, words.x)
    dense = f.icmp("eq", stride, 1)
    with f.loop(0, "%channels") as c, f.loop(0, words.phases) as phase:
        start = f.add("%x", f.arg(words.residues, phase))
        before = f.udiv(f.add(f.imax(f.sub(0, start), 0), f.sub(words.step, 1)), words.step)
        left = f.imax(f.sub(words.size_x, start), 0)
        until = f.udiv(f.add(left, f.sub(words.step, 1)), words.step)
        lo = f.imin(before, words.width)
        hi = f.imax(lo, f.imin(until, words.width))
        row = _Row(f, w, stride, dense, lo, hi, words.width)
        here = f.gep("%image", f.add(f.mul(c, words.channel), f.mul(start, words.x)), w.ty)
        to = f.gep("%copy", affine(f, (c, words.plane), (phase, words.phase)), w.ty)
        with f.loop(0, words.planes) as plane, f.loop(0, words.rows) as number:
            z, y = f.add("%z", plane), f.add("%y", number)
            pairs = (z, words.size_z), (y, words.size_y)
            inside = f.op(f"and i1 {', '.join(f.icmp('ult', *pair) for pair in pairs)}")
            line = f.gep(here, affine(f, (z, words.z), (y, words.y)), w.ty)
            at = affine(f, (plane, words.slice), (number, words.row))
            row.write(line, inside, f.gep(to, at, w.ty))
    return f


def copy(
    f: Fn, how: tuple[Word, Word], source: str, channels: Word, begin: Sequence[str], to: str
) -> None:
    """Call the copier.  how: it and its words; begin: where the part begins along each axis."""
    code, words = how
    z, y, x = begin
    f.indirect(
        code,
        f"ptr {words}, ptr {source}, i64 {channels}, i64 {z}, i64 {y}, i64 {x}, ptr {to}",
    )


class _Row:
    """Code that copies a row: zeros, then what the image has from `lo` to `hi`, then zeros."""

    def __init__(
        self, f: Fn, w: Width, stride: str, dense: str, lo: str, hi: str, width: str
    ) -> None:
        self.f, self.w, self.stride, self.dense = f, w, stride, dense
        self.lo, self.hi, self.width = lo, hi, width
        self.whole = f.sub(hi, f.urem(f.sub(hi, lo), w.lanes))  # where whole vectors end
        self.mask = first_lanes(f, f.sub(hi, self.whole), w.lanes)
        self.has_tail = f.icmp("slt", self.whole, hi)

    def write(self, source: str, inside: str, to: str) -> None:
        """Write a row, of zeros only unless it is inside of the image."""
        f = self.f
        yes, apart, no, done = (f.fresh(x) for x in ("dense", "apart", "no", "done"))
        begin = f.fresh("begin")
        f.branch(inside, begin, no)
        f.label(begin)
        self.zeros(to, "0", self.lo)
        f.branch(self.dense, yes, apart)
        f.label(yes)
        self.copied(source, to)
        f.jump(done)
        f.label(apart)
        self.strided(source, to)
        f.jump(done)
        f.label(no)
        self.zeros(to, "0", self.width)
        f.jump(done)
        f.label(done)

    def strided(self, source: str, to: str) -> None:
        """Elements that lie apart, every second one by vectors; and the zeros after them."""
        f, w = self.f, self.w
        pairs = f.select(f.icmp("eq", self.stride, 2), "i64", self.whole, self.lo)
        # the last element of the second vector is not wanted, and may lie beyond the image
        but_one = first_lanes(f, w.lanes - 1, w.lanes)
        order = ", ".join(f"i32 {2 * lane}" for lane in range(w.lanes))
        with f.loop(self.lo, pairs, w.lanes) as t:
            at = f.mul(t, 2)
            x = f.load(w.vector, f.gep(source, at, w.ty), w.size)
            y = masked_load(f, w, f.gep(source, f.add(at, w.lanes), w.ty), but_one, w.lanes)
            both = f"{w.vector} {x}, {w.vector} {y}"
            x = f.op(f"shufflevector {both}, <{w.lanes} x i32> <{order}>")
            f.store(w.vector, x, f.gep(to, t, w.ty), w.size)
        with f.loop(pairs, self.hi) as t:
            x = f.load(w.ty, f.gep(source, f.mul(t, self.stride), w.ty))
            f.store(w.ty, x, f.gep(to, t, w.ty), w.size)
        self.zeros(to, self.hi, self.width)

    def zeros(self, to: str, lo: str, hi: str) -> None:
        """Zeros from `lo` to `hi`, and up to a vector beyond."""
        with self.f.loop(lo, hi, self.w.lanes) as t:
            place = self.f.gep(to, t, self.w.ty)
            self.f.store(self.w.vector, "zeroinitializer", place, self.w.size)

    def copied(self, source: str, to: str) -> None:
        """Elements that lie side by side, and the zeros after them."""
        f, w = self.f, self.w
        with f.loop(self.lo, self.whole, w.lanes) as t:
            x = f.load(w.vector, f.gep(source, t, w.ty), w.size)
            f.store(w.vector, x, f.gep(to, t, w.ty), w.size)
        with f.when(self.has_tail):
            x = masked_load(f, w, f.gep(source, self.whole, w.ty), self.mask, w.lanes)
            f.store(w.vector, x, f.gep(to, self.whole, w.ty), w.size)
        after = f.select(self.has_tail, "i64", f.add(self.whole, w.lanes), self.whole)
        self.zeros(to, after, self.width)


def corner(f: Fn, words: BlockWords, position: str) -> tuple[str, Three, Three]:
    """The image of a position, and the first and the last results of its block, along each axis."""
    image, block = f.udiv(position, words.blocks), f.urem(position, words.blocks)
    above, across = f.udiv(block, words.across_x), f.urem(block, words.across_x)
    sizes = words.block_z, words.block_y, words.block_x
    numbers = f.udiv(above, words.across_y), f.urem(above, words.across_y), across
    lo = [f.mul(*pair) for pair in zip(numbers, sizes, strict=True)]
    ends = zip(lo, sizes, (words.z, words.y, words.x), strict=True)
    hi = [f.imin(f.add(start, size), extent) for start, size, extent in ends]
    return image, (lo[0], lo[1], lo[2]), (hi[0], hi[1], hi[2])


def origin(f: Fn, words: BlockWords, lo: Three) -> list[str]:
    """Where the windows of a block begin in the image."""
    steps, bases = words[10:13], words[13:16]
    return [f.add(f.mul(*pair), base) for *pair, base in zip(lo, steps, bases, strict=True)]


def listed(
    f: Fn, words: BlockWords, lo: Three, hi: Three, table: str, lanes: int, multiple: int
) -> str:
    """Write an entry for each piece of `lanes` pixels of a block's rows; how many there are.

    They are rounded up to a multiple by pieces without pixels.
    """
    count = f.alloca("i64")
    f.store("i64", 0, count)

    def entry(near: Operand, far: Operand, mask: Operand) -> None:
        n = f.load("i64", count)
        at = f.gep(table, f.mul(n, ENTRY_WORDS), "i64")
        for i, word in enumerate((near, far, mask)):
            f.store("i64", word, f.gep(at, i, "i64"))
        f.store("i64", f.add(n, 1), count)

    with f.loop(lo[0], hi[0]) as z, f.loop(lo[1], hi[1]) as y:
        inner = f.sub(z, lo[0]), f.sub(y, lo[1])
        near = affine(f, *zip(inner, (words.near_z, words.near_y), strict=True))
        far = affine(f, (z, words.far_z), (y, words.far_y))
        with f.loop(lo[2], hi[2], lanes) as x:
            there = f.imin(f.sub(hi[2], x), lanes)
            mask = f.sub(f.op(f"shl i64 1, {there}"), 1)
            entry(f.add(near, f.sub(x, lo[2])), f.add(far, f.mul(x, words.far_x)), mask)
    found = f.load("i64", count)
    wanted = f.mul(f.udiv(f.add(found, multiple - 1), multiple), multiple)
    with f.loop(found, wanted):
        entry(0, 0, 0)
    return wanted


def streamed(f: Fn, taps: str, count: str, channels: str, plane: str, table: str) -> None:
    """Write where each element of a window begins in the copy, channel by channel."""
    with f.loop(0, channels) as c, f.loop(0, count) as j:
        at = f.add(f.mul(c, plane), f.arg(taps, j))
        f.store("i64", at, f.gep(table, f.add(f.mul(c, count), j), "i64"))


def of_pieces(f: Fn, ty: str, parts: Sequence[str], lanes: int) -> str:
    """Vectors of `lanes` elements one behind the other: as many as a power of two."""
    vectors = list(parts)
    while len(vectors) > 1:
        one = f"<{lanes} x {ty}>"
        lanes *= 2
        order = ", ".join(f"i32 {lane}" for lane in range(lanes))
        vectors = [
            f.op(f"shufflevector {one} {a}, {one} {b}, <{lanes} x i32> <{order}>")
            for a, b in zip(vectors[::2], vectors[1::2], strict=True)
        ]
    return vectors[0]


def piece_of(f: Fn, w: Width, vector: str, number: int, lanes: int) -> str:
    """Piece `number` of `lanes` elements of a vector."""
    if lanes == w.lanes:
        return vector
    order = ", ".join(f"i32 {number * lanes + lane}" for lane in range(lanes))
    return f.op(f"shufflevector {w.vector} {vector}, {w.vector} poison, <{lanes} x i32> <{order}>")


def lanes_of(f: Fn, word: str, lanes: int) -> str:
    """The mask of lanes whose bits are set in a word."""
    return f.op(f"bitcast i{lanes} {f.op(f'trunc i64 {word} to i{lanes}')} to <{lanes} x i1>")
