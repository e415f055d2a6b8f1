"""Correlation of images of one channel with a filter each: depthwise convolution.

    result[n, g, p] = bias[g] + sum over j of image[n, g, p + tap j] filters[g, j]

Knows nothing of convolutions.  Each element is used as often as a window has some, which is too
seldom to pay for copies: rows are read where they lie, by vectors whose lanes beyond the border are
zero, and each is added to all rows of results that it reaches.  So it moves what it has to: an
image is read once from beyond the first cache, and a result written once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ...codegen.llvm import Fn, Routine
from ...lowering import Work, place
from ...tiles import RECORD, Width, Word, affine, first_lanes, load_words, masked_load, splat
from .correlation import masked_store, run_nest
from .correlation_work import Weights, ending, pixel_order
from .part import Axis, Images

MOST_ROWS = 8  # of results that are held in registers
MOST_ELEMENTS = 25  # of a window: their weights are in registers, or in the first cache; 49 took
# as long as by copies
ELEMENT_NS = 0.1  # of a result, and for each element of a window as much by lanes
CHUNK_NS, MOST_CHUNKS = 10_000.0, 64


class Window(NamedTuple):
    """A window of rows x columns, whose elements lie so far apart; rows of results at a time."""

    rows: int
    columns: int
    below: int
    beside: int
    at_once: int


class PlaneWords(NamedTuple):
    """Argument block of `planes`; strides in elements.  A chunk is `at_once` planes.

    image, image_n, image_z, image_group, image_y: address, strides over images, planes, groups and
    rows.  result, ..: the same.  height, width: of the image; rows, columns: of the result.
    base_y, base_x: where the first window begins.
    filters, filters_group: weights, and their stride over groups; taps: where elements lie.
    bias, bias_o, biased: address and stride of the bias, and whether there is one.
    nest, nest_arguments, line: what is done with the results of a plane, see `run_nest`.
    """

    image: Word
    image_n: Word
    image_z: Word
    image_group: Word
    image_y: Word
    result: Word
    result_n: Word
    result_z: Word
    result_group: Word
    result_y: Word
    height: Word
    width: Word
    rows: Word
    columns: Word
    base_y: Word
    base_x: Word
    filters: Word
    filters_group: Word
    taps: Word
    bias: Word
    bias_o: Word
    biased: Word
    depth: Word
    groups: Word
    planes: Word
    at_once: Word
    nest: Word
    nest_arguments: Word
    line: Word


def planes(w: Width, window: Window) -> Routine:
    """The function that correlates planes with such windows."""
    name = w.name("planes" + "x".join(map(str, window)))
    return Routine(name, lambda: _planes(name, w, window))


def _planes(name: str, w: Width, window: Window) -> Fn:
    f = Fn(name, RECORD)
    words = load_words(f, PlaneWords)
    vectors = -(-(w.lanes + window.beside * (window.columns - 1)) // w.lanes)
    zeros = f.alloca(w.vector, vectors, align=64)
    for number in range(vectors):
        f.store(w.vector, "zeroinitializer", f.gep(zeros, number, w.vector))
    start = f.mul("%chunk", words.at_once)
    with f.loop(start, f.imin(f.add(start, words.at_once), words.planes)) as plane:
        group, rest = f.urem(plane, words.groups), f.udiv(plane, words.groups)
        z, n = f.urem(rest, words.depth), f.udiv(rest, words.depth)
        strides = words.image_n, words.image_z, words.image_group
        image = f.gep(words.image, affine(f, *zip((n, z, group), strides, strict=True)), w.ty)
        strides = words.result_n, words.result_z, words.result_group
        result = f.gep(words.result, affine(f, *zip((n, z, group), strides, strict=True)), w.ty)
        filters = f.gep(words.filters, f.mul(group, words.filters_group), w.ty)
        taps = [f.arg(words.taps, j) for j in range(window.rows * window.columns)]
        weights = [splat(f, w, f.load(w.ty, f.gep(filters, at, w.ty))) for at in taps]
        bias = f.alloca(w.ty)
        f.store(w.ty, "0.0", bias)
        with f.when(f.icmp("ne", words.biased, 0)):
            x = f.load(w.ty, f.gep(words.bias, f.mul(group, words.bias_o), w.ty))
            f.store(w.ty, x, bias)
        total = splat(f, w, f.load(w.ty, bias))
        with f.loop(0, words.columns, w.lanes) as x:
            _strip(f, w, window, words, (image, zeros, result), (weights, total), x)
        made = (n, f.add(n, 1)), (z, f.add(z, 1)), (group, f.add(group, 1))
        whole = (("0", words.rows), ("0", words.columns))
        run_nest(f, (words.nest, words.nest_arguments, words.line), (*made, *whole))
    return f


def _strip(
    f: Fn,
    w: Width,
    window: Window,
    words: PlaneWords,
    planes: tuple[str, str, str],
    terms: tuple[Sequence[str], str],
    x: str,
) -> None:
    """All rows of one vector of columns.

    planes: the image, a row beyond its border, the result.  terms: the weights, and what a sum
    begins with.
    """
    image, zeros, result = planes
    weights, total = terms
    first = f.add(x, words.base_x)
    masks = [_inside(f, w, f.add(first, window.beside * j), words) for j in range(window.columns)]
    stored = first_lanes(f, f.sub(words.columns, x), w.lanes)
    reach = [window.below * t for t in range(window.rows)]
    nowhere = f.alloca(w.vector, align=64)
    with f.loop(0, words.rows, window.at_once) as y:
        sums = [total] * window.at_once
        for below in sorted({i + far for i in range(window.at_once) for far in reach}):
            row = f.add(f.add(y, words.base_y), below)
            there = f.icmp("ult", row, words.height)
            line = f.gep(image, f.add(f.mul(row, words.image_y), first), w.ty)
            line = f.select(there, "ptr", line, zeros)
            for j, mask in enumerate(masks):
                pixels = masked_load(f, w, f.gep(line, window.beside * j, w.ty), mask, w.lanes)
                for t, far in enumerate(reach):
                    if 0 <= below - far < window.at_once:
                        weight = weights[t * window.columns + j]
                        given = [(w.vector, z) for z in (pixels, weight, sums[below - far])]
                        name = f"llvm.fma.v{w.lanes}f{8 * w.size}"
                        sums[below - far] = f.call(w.vector, name, *given)
        for i, value in enumerate(sums):  # without branches, which would part the sums
            at = f.gep(result, f.add(f.mul(f.add(y, i), words.result_y), x), w.ty)
            there = f.icmp("slt", f.add(y, i), words.rows)
            masked_store(f, w, value, f.select(there, "ptr", at, nowhere), stored, w.lanes)


def _inside(f: Fn, w: Width, start: str, words: PlaneWords) -> str:
    """The lanes of columns from `start` on that an image has."""
    until = first_lanes(f, f.sub(words.width, start), w.lanes)
    before = first_lanes(f, f.sub(0, start), w.lanes)
    ty = f"<{w.lanes} x i1>"
    return f.op(f"and {ty} {until}, {f.op(f'xor {ty} {before}, splat (i1 true)')}")


def window_of(axes: Sequence[Axis], sizes: tuple[int, int, int, int]) -> Window | None:
    """The window, if it is one of single channels that lies evenly, and at every pixel.

    sizes: batch, groups; channels and outputs of a group.
    """
    z, y, x = axes
    if (
        sizes[2:] != (1, 1)
        or not (y.taps and x.taps)
        or (z.step, y.step, x.step) != (1, 1, 1)
        or z.taps != (0,)
    ):
        return None
    if (x.stride, x.apart) != (1, 1) or len(y.taps) * len(x.taps) > MOST_ELEMENTS:
        return None
    reaches = [sorted(axis.reach) for axis in (y, x)]
    apart = [reach[1] if len(reach) > 1 else 1 for reach in reaches]
    if any(r != [d * j for j in range(len(r))] for r, d in zip(reaches, apart, strict=True)):
        return None
    at_once = min(MOST_ROWS, 1 << (y.results - 1).bit_length())
    return Window(len(y.taps), len(x.taps), apart[0], apart[1], at_once)


def of_planes(
    window: Window,
    images: Images,
    axes: Sequence[Axis],
    weights: Weights,
    result: Images,
    sizes: tuple[int, int, int, int],
    w: Width,
) -> list[Work]:
    """The work of a correlation with such windows."""
    batch, groups, _, _ = sizes
    z, y, x = axes
    at = result.at._replace(offset=result.at.offset + w.size * sum(axis.start for axis in axes))
    count = batch * z.results * groups
    ns = count * y.results * x.results * ELEMENT_NS * (1 + len(weights.taps) / w.lanes)
    chunks = int(max(1, min(MOST_CHUNKS, count, ns // CHUNK_NS)))
    at_once = -(-count // chunks)
    bias = weights.bias
    words = PlaneWords(
        images.at, images.n, z.stride, images.group, y.stride, at, result.n, z.apart, result.group,
        y.apart, y.size, x.size, y.results, x.results, y.base, x.base, weights.at, weights.group,
        pixel_order(weights, axes), weights.at if bias is None else place(bias),
        0 if bias is None else bias.strides[0], int(bias is not None), z.results, groups, count,
        at_once, None, None, 0,
    )  # fmt: skip
    whole = z.results, y.results, x.results
    first = PlaneWords._fields.index("nest")
    end = ending(result.at.buffer, (batch, groups), axes, whole, first)
    return [Work(planes(w, window), [*words], -(-count // at_once), ns, 0, end)]
