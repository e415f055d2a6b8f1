"""Correlation of images of one channel with a filter each, and the gradient of the filters.

    result[n, g, p] = bias[g] + sum over j of image[n, g, p + tap j] filters[g, j]
    gradient[g, j]  = sum over n, p of other[n, g, p] image[n, g, p + tap j]

Knows nothing of convolutions.  Each pixel is used as often as a window has elements, which is too
seldom to pay for copies: rows are read where they lie, by vectors whose lanes beyond the border are
zero, and each is multiplied for all rows of results that it reaches.  So images are read once from
beyond the first cache, and a result is written once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ...codegen.llvm import Fn, Routine
from ...tiles import RECORD, Width, Word, affine, first_lanes, load_words, masked_load, splat
from .correlation import masked_store, run_nest


class Window(NamedTuple):
    """A window of rows x columns, whose elements lie so far apart; rows of results at a time."""

    rows: int
    columns: int
    below: int
    beside: int
    at_once: int


class PixelWords(NamedTuple):
    """What windows read; strides in elements.

    image, image_n, image_z, image_group, image_y: address, strides over images, planes, groups and
    rows; height, width: of a plane.  base_y, base_x: where the first window begins.
    rows, columns: of results; images, depth, groups: how many planes there are, n x z x group.
    """

    image: Word
    image_n: Word
    image_z: Word
    image_group: Word
    image_y: Word
    height: Word
    width: Word
    base_y: Word
    base_x: Word
    rows: Word
    columns: Word
    images: Word
    depth: Word
    groups: Word

    def plane(self, f: Fn, w: Width, n: str, z: str, group: str) -> str:
        """Where a plane begins."""
        strides = self.image_n, self.image_z, self.image_group
        return f.gep(self.image, affine(f, *zip((n, z, group), strides, strict=True)), w.ty)


class PlaneWords(NamedTuple):
    """Argument block of `planes` after its PixelWords.  A chunk is `at_once` planes.

    result, ..: address and strides.
    filters, filters_group: weights, and their stride over groups; taps: where elements lie.
    bias, bias_o, biased: address and stride of the bias, and whether there is one.
    nest, nest_arguments, line: what is done with the results of a plane, see `run_nest`.
    """

    result: Word
    result_n: Word
    result_z: Word
    result_group: Word
    result_y: Word
    filters: Word
    filters_group: Word
    taps: Word
    bias: Word
    bias_o: Word
    biased: Word
    at_once: Word
    nest: Word
    nest_arguments: Word
    line: Word


class PlaneSumWords(NamedTuple):
    """Argument block of `plane_sums` after its PixelWords.  A chunk is `at_once` groups.

    other, ..: what is multiplied, address and strides.  result: [groups][elements of a window].
    """

    other: Word
    other_n: Word
    other_z: Word
    other_group: Word
    other_y: Word
    result: Word
    at_once: Word


def planes(w: Width, window: Window) -> Routine:
    """The function that correlates planes with such windows."""
    name = w.name("planes" + "x".join(map(str, window)))
    return Routine(name, lambda: _planes(name, w, window))


def plane_sums(w: Width, window: Window) -> Routine:
    """The function that sums over planes for each element of such windows."""
    name = w.name("plane_sums" + "x".join(map(str, window)))
    return Routine(name, lambda: _plane_sums(name, w, window))


def _planes(name: str, w: Width, window: Window) -> Fn:
    f = Fn(name, RECORD)
    pixels = load_words(f, PixelWords)
    words = load_words(f, PlaneWords, first=len(PixelWords._fields))
    zeros, nowhere = _zeros(f, w, window), f.alloca(w.vector, align=64)
    start = f.mul("%chunk", words.at_once)
    count = f.mul(f.mul(pixels.images, pixels.depth), pixels.groups)
    with f.loop(start, f.imin(f.add(start, words.at_once), count)) as plane:
        group, rest = f.urem(plane, pixels.groups), f.udiv(plane, pixels.groups)
        z, n = f.urem(rest, pixels.depth), f.udiv(rest, pixels.depth)
        image = pixels.plane(f, w, n, z, group)
        at = affine(f, (n, words.result_n), (z, words.result_z), (group, words.result_group))
        result = f.gep(words.result, at, w.ty)
        filters = f.gep(words.filters, f.mul(group, words.filters_group), w.ty)
        taps = [f.arg(words.taps, j) for j in range(window.rows * window.columns)]
        weights = [splat(f, w, f.load(w.ty, f.gep(filters, at, w.ty))) for at in taps]
        bias = f.alloca(w.ty)
        f.store(w.ty, "0.0", bias)
        with f.when(f.icmp("ne", words.biased, 0)):
            x = f.load(w.ty, f.gep(words.bias, f.mul(group, words.bias_o), w.ty))
            f.store(w.ty, x, bias)
        total = splat(f, w, f.load(w.ty, bias))
        with f.loop(0, pixels.columns, w.lanes) as x:
            masks = _masks(f, w, window, pixels, x)
            stored = first_lanes(f, f.sub(pixels.columns, x), w.lanes)
            with f.loop(0, pixels.rows, window.at_once) as y:
                sums = [total] * window.at_once
                for value, j, i in _reached(f, w, window, pixels, (image, zeros), masks, (y, x)):
                    sums[i] = _fma(f, w, value, weights[j], sums[i])
                for i, value in enumerate(sums):  # without branches, which would part the sums
                    at = f.add(f.mul(f.add(y, i), words.result_y), x)
                    there = f.icmp("slt", f.add(y, i), pixels.rows)
                    place = f.select(there, "ptr", f.gep(result, at, w.ty), nowhere)
                    masked_store(f, w, value, place, stored, w.lanes)
        made = (n, f.add(n, 1)), (z, f.add(z, 1)), (group, f.add(group, 1))
        whole = ("0", pixels.rows), ("0", pixels.columns)
        run_nest(f, (words.nest, words.nest_arguments, words.line), (*made, *whole))
    return f


def _plane_sums(name: str, w: Width, window: Window) -> Fn:
    f = Fn(name, RECORD)
    pixels = load_words(f, PixelWords)
    words = load_words(f, PlaneSumWords, first=len(PixelWords._fields))
    zeros = _zeros(f, w, window)
    sums = [f.alloca(w.vector, align=64) for _ in range(window.rows * window.columns)]
    start = f.mul("%chunk", words.at_once)
    with f.loop(start, f.imin(f.add(start, words.at_once), pixels.groups)) as group:
        for place in sums:
            f.store(w.vector, "zeroinitializer", place)
        with f.loop(0, pixels.images) as n, f.loop(0, pixels.depth) as z:
            image = pixels.plane(f, w, n, z, group)
            at = affine(f, (n, words.other_n), (z, words.other_z), (group, words.other_group))
            other = f.gep(words.other, at, w.ty)
            with f.loop(0, pixels.columns, w.lanes) as x:
                masks = _masks(f, w, window, pixels, x)
                mask = first_lanes(f, f.sub(pixels.columns, x), w.lanes)
                with f.loop(0, pixels.rows, window.at_once) as y:
                    lines = []
                    for i in range(window.at_once):
                        at = f.add(f.mul(f.add(y, i), words.other_y), x)
                        there = f.icmp("slt", f.add(y, i), pixels.rows)
                        place = f.select(there, "ptr", f.gep(other, at, w.ty), zeros)
                        lines.append(masked_load(f, w, place, mask, w.lanes))
                    for value, j, i in _reached(
                        f, w, window, pixels, (image, zeros), masks, (y, x)
                    ):
                        total = _fma(f, w, value, lines[i], f.load(w.vector, sums[j]))
                        f.store(w.vector, total, sums[j])
        for j, place in enumerate(sums):
            reduce = f"llvm.vector.reduce.fadd.v{w.lanes}f{8 * w.size}"
            lanes = f.load(w.vector, place)
            total = f.call(w.ty, reduce, (w.ty, "-0.0"), (w.vector, lanes), flags="reassoc")
            at = f.add(f.mul(group, len(sums)), j)
            f.store(w.ty, total, f.gep(words.result, at, w.ty))
    return f


def _fma(f: Fn, w: Width, *given: str) -> str:
    """x y + z, rounded once."""
    name = f"llvm.fma.v{w.lanes}f{8 * w.size}"
    return f.call(w.vector, name, *[(w.vector, x) for x in given])


def _zeros(f: Fn, w: Width, window: Window) -> str:
    """A row beyond the border."""
    vectors = -(-(w.lanes + window.beside * (window.columns - 1)) // w.lanes)
    zeros = f.alloca(w.vector, vectors, align=64)
    for number in range(vectors):
        f.store(w.vector, "zeroinitializer", f.gep(zeros, number, w.vector))
    return zeros


def _masks(f: Fn, w: Width, window: Window, pixels: PixelWords, x: str) -> list[str]:
    """The lanes that an image has, for each column of the windows that begin at `x`."""
    ty = f"<{w.lanes} x i1>"
    masks = []
    for j in range(window.columns):
        start = f.add(f.add(x, pixels.base_x), window.beside * j)
        until = first_lanes(f, f.sub(pixels.width, start), w.lanes)
        before = first_lanes(f, f.sub(0, start), w.lanes)
        masks.append(f.op(f"and {ty} {until}, {f.op(f'xor {ty} {before}, splat (i1 true)')}"))
    return masks


def _reached(
    f: Fn,
    w: Width,
    window: Window,
    pixels: PixelWords,
    sources: tuple[str, str],
    masks: Sequence[str],
    start: tuple[str, str],
) -> Iterator[tuple[str, int, int]]:
    """Vectors of pixels, each with an element of the window and a row of results that it reaches.

    sources: the plane, and a row beyond its border.  start: the first row and column of results.
    """
    (image, zeros), (y, x) = sources, start
    reach = [window.below * t for t in range(window.rows)]
    for below in sorted({i + far for i in range(window.at_once) for far in reach}):
        row = f.add(f.add(y, pixels.base_y), below)
        at = f.add(f.mul(row, pixels.image_y), f.add(x, pixels.base_x))
        there = f.icmp("ult", row, pixels.height)
        line = f.select(there, "ptr", f.gep(image, at, w.ty), zeros)
        for j, mask in enumerate(masks):
            value = masked_load(f, w, f.gep(line, window.beside * j, w.ty), mask, w.lanes)
            for t, far in enumerate(reach):
                if 0 <= below - far < window.at_once:
                    yield value, t * window.columns + j, below - far
