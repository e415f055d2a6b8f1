"""Pooling and sliding windows: max_pool with its gradient, sum_pool, windows, fold.

Images have three axes, of which those that are missing have one element.  A plane is an image of
one channel; chunks are planes.  The results of a row whose windows lie inside are one loop, which
LLVM turns into vectors, for common sizes of windows are constants of its code.  A window reads its
elements in order, and a gradient sums them in the order of `fold` in `rushlight.ops`.  Each element
is read and written once, but where windows overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from rushlight.extend import Call, Shape

from ..lowering import Extra, Place, Work, place
from .jitted import NUMBERS, Jitted, Pointer
from .line import grain, merged
from .widened import widened

AXES = 3  # of an image
ELEMENT_NS = 0.5  # of a window

KD, KH, KW = 0, 0, 0  # the sizes of a window that has code of its own; 0 where it is of any size
COMMON = {(2, 2), (3, 3)}  # which have: the results of a row become vectors
IS_PLACED = True  # whether places are stored too


class Frame(NamedTuple):
    """Windows over images, by axes.

    first, last: the results of a row whose windows lie inside of it, from first up to last.
    """

    image: Shape
    results: Shape
    strides: Shape
    before: Shape  # how far the first window begins before the image
    dilations: Shape
    first: int
    last: int


def frame(
    image: Sequence[int], sizes: Sequence[int], strides: Sequence[int],
    padding: Sequence[tuple[int, int]], dilations: Sequence[int],
) -> Frame:  # fmt: skip
    """The windows over an image that is padded."""
    spans = [d * (k - 1) + 1 for d, k in zip(dilations, sizes, strict=True)]
    padded = [n + a + b for n, (a, b) in zip(image, padding, strict=True)]
    results = [(n - m) // s + 1 for n, m, s in zip(padded, spans, strides, strict=True)]
    before = [a for a, _ in padding]
    first = min(-(-before[-1] // strides[-1]), results[-1])
    last = (image[-1] + before[-1] - spans[-1]) // strides[-1] + 1
    last = max(first, min(last, results[-1]))
    return Frame(
        full(image, 1), full(results, 1), full(strides, 1), full(before, 0), full(dilations, 1),
        first, last,
    )  # fmt: skip


def full(lengths: Sequence[int], missing: int) -> Shape:
    """Of three axes, of which those that an image lacks come first."""
    return (*[missing] * (AXES - len(lengths)), *lengths)


class Steps(NamedTuple):
    """Elements from one to the next: groups of planes, planes, and each axis of an image."""

    inner: int  # planes in a group
    group: int
    plane: int
    axes: Shape


def steps(shape: Sequence[int], strides: Sequence[int], n: int) -> Steps | None:
    """Where the planes of an array lie whose last n axes are those of images; None if anywhere."""
    lead = len(shape) - n
    for cut in range(lead, -1, -1):
        group = merged(shape[:cut], strides[:cut])
        plane = merged(shape[cut:lead], strides[cut:lead])
        if group is not None and plane is not None:
            return Steps(prod(shape[cut:lead]), group, plane, full(strides[lead:], 0))
    return None


def words(*parts: Any) -> list[int]:
    """All integers of nested tuples, in order."""
    found: list[int] = []
    for part in parts:
        found += [part] if isinstance(part, int) else words(*part)
    return found


# -- in numba's Python

# `how` is the words of a Frame, of Steps, the steps from one element of a window to the next (of
# fold), and the sizes of windows.  Where each of them begins:
IMAGE, RESULTS, STRIDES, BEFORE, DILATIONS, FIRST, LAST = 0, 3, 6, 9, 12, 15, 16
INNER, GROUP, PLANE, WITHIN, ELEMENTS, SIZES = 17, 18, 19, 20, 23, 26


def three(how: Pointer, at: int) -> tuple[int, int, int]:
    """The words of three axes."""
    return how[at], how[at + 1], how[at + 2]


def sizes_of(how: Pointer) -> tuple[int, int, int]:
    """The sizes of the windows: constants if they are common."""
    return (KD, KH, KW) if KD > 0 else three(how, SIZES)


def begin(how: Pointer, plane: int) -> int:
    """Where a plane of the input begins."""
    group, rest = plane // how[INNER], plane % how[INNER]
    at: int = group * how[GROUP] + rest * how[PLANE]
    return at


def bounds(start: int, step: int, size: int, length: int) -> tuple[int, int]:
    """Which elements of a window that begins at `start` lie in 0..length-1."""
    low = 0 if start >= 0 else -(start // step)
    return low, min(size, max(low, -((start - length) // step)))


def largest(
    x: Pointer, at: int, a0: int, a1: int, b0: int, b1: int, c0: int, c1: int,
    xd: int, xh: int, xw: int, kh: int, kw: int, least: Any,
) -> tuple[Any, int]:  # fmt: skip
    """The first largest or nan of a part of a window, and its place in the whole."""
    top, found = least, 0
    for a in range(a0, a1):
        for b in range(b0, b1):
            for c in range(c0, c1):
                v = x[at + a * xd + b * xh + c * xw]
                wins = (v > top) | ((v != v) & (top == top))  # noqa: PLR0124  nan
                top = v if wins else top
                found = (a * kh + b) * kw + c if wins else found
    return top, found


def total(
    x: Pointer, at: int, a0: int, a1: int, b0: int, b1: int, c0: int, c1: int,
    xd: int, xh: int, xw: int, kh: int, kw: int, zero: Any,  # noqa: ARG001  called as `largest` is
) -> tuple[Any, int]:  # fmt: skip
    """The sum of a part of a window, and no place."""
    z = zero
    for a in range(a0, a1):
        for b in range(b0, b1):
            for c in range(c0, c1):
                z = z + x[at + a * xd + b * xh + c * xw]
    return z, 0


reduce = largest


def pool(
    x: Pointer, z: Pointer, places: Pointer, how: Pointer, empty: Any, planes: int, width: int,
    chunk: int,
) -> None:  # fmt: skip
    """Planes of this chunk.  empty: what a window without elements comes to."""
    d, h, w = three(how, IMAGE)
    td, th, tw = three(how, RESULTS)
    sd, sh, sw = three(how, STRIDES)
    pd, ph, pw = three(how, BEFORE)
    dd, dh, dw = three(how, DILATIONS)
    first, last = how[FIRST], how[LAST]
    xd, xh, xw = three(how, WITHIN)
    kd, kh, kw = sizes_of(how)
    for plane in range(chunk * width, min((chunk + 1) * width, planes)):
        start = begin(how, plane)
        for i in range(td):
            a0, a1 = bounds(i * sd - pd, dd, kd, d)
            for j in range(th):
                b0, b1 = bounds(j * sh - ph, dh, kh, h)
                row = start + (i * sd - pd) * xd + (j * sh - ph) * xh - pw * xw
                to = ((plane * td + i) * th + j) * tw
                k = 0
                while k < tw:
                    if k == first and a1 - a0 == kd and b1 - b0 == kh:
                        for m in range(first, last):
                            z[to + m], found = reduce(
                                x, row + m * sw * xw, 0, kd, 0, kh, 0, kw,
                                dd * xd, dh * xh, dw * xw, kh, kw, empty,
                            )  # fmt: skip
                            if IS_PLACED:
                                places[to + m] = found
                        k = last
                    if k < tw:
                        c0, c1 = bounds(k * sw - pw, dw, kw, w)
                        z[to + k], found = reduce(
                            x, row + k * sw * xw, a0, a1, b0, b1, c0, c1,
                            dd * xd, dh * xh, dw * xw, kh, kw, empty,
                        )  # fmt: skip
                        if IS_PLACED:
                            places[to + k] = found
                    k += 1


def max_pool_vjp(
    g: Pointer, places: Pointer, gx: Pointer, how: Pointer, zero: Any, planes: int, width: int,
    chunk: int,
) -> None:  # fmt: skip
    """Planes of this chunk.  From the last window to the first, as `fold` sums."""
    d, h, w = three(how, IMAGE)
    td, th, tw = three(how, RESULTS)
    sd, sh, sw = three(how, STRIDES)
    pd, ph, pw = three(how, BEFORE)
    dd, dh, dw = three(how, DILATIONS)
    gd, gh, gw = three(how, WITHIN)
    _, kh, kw = sizes_of(how)
    for plane in range(chunk * width, min((chunk + 1) * width, planes)):
        start = begin(how, plane)
        to = plane * d * h * w
        for m in range(d * h * w):
            gx[to + m] = zero
        for i in range(td - 1, -1, -1):
            for j in range(th - 1, -1, -1):
                for k in range(tw - 1, -1, -1):
                    won = places[((plane * td + i) * th + j) * tw + k]
                    a = i * sd - pd + won // (kh * kw) * dd
                    b = j * sh - ph + won // kw % kh * dh
                    c = k * sw - pw + won % kw * dw
                    if 0 <= a < d and 0 <= b < h and 0 <= c < w:
                        gx[to + (a * h + b) * w + c] += g[start + i * gd + j * gh + k * gw]


def fold(
    x: Pointer, z: Pointer, how: Pointer, zero: Any, planes: int, width: int, chunk: int
) -> None:
    """Windows of this chunk's planes, summed to where they came from."""
    d, h, w = three(how, IMAGE)
    td, th, tw = three(how, RESULTS)
    sd, sh, sw = three(how, STRIDES)
    dd, dh, dw = three(how, DILATIONS)
    xd, xh, xw = three(how, WITHIN)
    xa, xb, xc = three(how, ELEMENTS)
    kd, kh, kw = sizes_of(how)
    for plane in range(chunk * width, min((chunk + 1) * width, planes)):
        start = begin(how, plane)
        to = plane * d * h * w
        for m in range(d * h * w):
            z[to + m] = zero
        for a in range(kd):
            for b in range(kh):
                for c in range(kw):
                    for i in range(td):
                        for j in range(th):
                            line = to + ((i * sd + a * dd) * h + j * sh + b * dh) * w + c * dw
                            at = start + i * xd + j * xh + a * xa + b * xb + c * xc
                            for k in range(tw):
                                z[line + k * sw] += x[at + k * xw]


def windows(x: Pointer, z: Pointer, how: Pointer, planes: int, width: int, chunk: int) -> None:
    """Windows over this chunk's planes, one after the other."""
    td, th, tw = three(how, RESULTS)
    sd, sh, sw = three(how, STRIDES)
    dd, dh, dw = three(how, DILATIONS)
    xd, xh, xw = three(how, WITHIN)
    kd, kh, kw = sizes_of(how)
    for plane in range(chunk * width, min((chunk + 1) * width, planes)):
        start = begin(how, plane)
        to = plane * td * th * tw * (kd * kh * kw)
        for i in range(td):
            for j in range(th):
                for k in range(tw):
                    at = start + i * sd * xd + j * sh * xh + k * sw * xw
                    for a in range(kd):
                        for b in range(kh):
                            for c in range(kw):
                                z[to] = x[at + a * dd * xd + b * dh * xh + c * dw * xw]
                                to += 1


# -- steps as works


def window_sizes(sizes: Sequence[int]) -> dict[str, int]:
    """The constants of the code for windows of these sizes."""
    common = full(sizes, 1) if tuple(sizes) in COMMON else (0, 0, 0)
    return dict(zip(("KD", "KH", "KW"), common, strict=True))


def number(value: float, dtype: Any) -> int:
    """The word of a number of an element type."""
    return int.from_bytes(np.array(value, dtype).tobytes(), "little", signed=True)


def max_pool_work(call: Call) -> list[Work] | None:
    """The work of max_pool, and of its forward pass, which also tells places."""
    (x,), (z, *rest) = call.inputs, call.step.outputs
    sizes, strides, padding, dilations = call.step.params
    least = int(np.iinfo(x.dtype).min) if x.dtype.kind in "iu" else -np.inf
    places = rest[0] if rest else None
    kind = {"reduce": largest, "IS_PLACED": places is not None}
    return pooled(call, z, places, least, (sizes, strides, padding, dilations), kind)


def sum_pool_work(call: Call) -> list[Work] | None:
    """The work of sum_pool."""
    (z,) = call.step.outputs
    sizes, strides, padding = call.step.params
    kind = {"reduce": total, "IS_PLACED": False}
    return pooled(call, z, None, 0, (sizes, strides, padding, (1,) * len(sizes)), kind)


def pooled(
    call: Call, z: Any, places: Any, empty: float, pooling: Sequence[Any], kind: dict[str, Any]
) -> list[Work] | None:
    """The work of a pooling.  pooling: sizes, strides, padding, dilations."""
    (x,), (shape,) = call.inputs, call.shapes
    assert shape is not None
    sizes, strides, padding, dilations = pooling
    n, name = len(sizes), x.dtype.name
    at = steps(shape, x.strides, n)
    if at is None or n > AXES or name not in NUMBERS:
        return None
    over = frame(shape[-n:], sizes, strides, padding, dilations)
    planes = prod(shape[:-n])
    results = planes * prod(over.results)
    ns = results * prod(sizes) * ELEMENT_NS
    width = grain(planes, ns)
    if z is None:
        z = Extra(results * x.dtype.itemsize)
    kinds = [f"{name}*", f"{name}*", "int64*", "int64*", name, "int64", "int64"]
    code = Jitted(pool, *kinds, constants=window_sizes(sizes) | kind)
    how = words(over, at, full((), 0), full(sizes, 1))
    found = 0 if places is None else Place(places, 0)
    block = [place(x), Place(z, 0), found, how, number(empty, x.dtype), planes, width]
    return [Work(code, block, -(-planes // width), ns)]


def max_pool_vjp_work(call: Call) -> list[Work] | None:
    """The work of max_pool's gradient."""
    (g, places), (shape, places_shape), (gx,) = call.inputs, call.shapes, call.step.outputs
    assert shape is not None
    assert places_shape is not None
    sizes, strides, padding, dilations, specs = call.step.params
    n, name, image = len(sizes), g.dtype.name, specs[0].shape
    at, dense = steps(shape, g.strides, n), merged(places_shape, places.strides)
    if at is None or dense not in (0, 1) or n > AXES or name not in NUMBERS:
        return None
    over = frame(image[-n:], sizes, strides, padding, dilations)
    planes = prod(shape[:-n])
    ns = (prod(image) + 2 * prod(shape)) * ELEMENT_NS
    width = grain(planes, ns)
    kinds = [f"{name}*", "int64*", f"{name}*", "int64*", name, "int64", "int64"]
    code = Jitted(max_pool_vjp, *kinds, constants=window_sizes(sizes))
    how = words(over, at, full((), 0), full(sizes, 1))
    block = [place(g), place(places), Place(gx, 0), how, 0, planes, width]
    return [Work(code, block, -(-planes // width), ns)]


def fold_work(call: Call) -> list[Work] | None:
    """The work of fold, of windows along the last axes."""
    (x,), (shape,), (z,) = call.inputs, call.shapes, call.step.outputs
    image, axes, sizes, strides, dilations = call.step.params
    assert shape is not None
    n, lead, name = len(sizes), len(image) - len(sizes), x.dtype.name
    at = steps(shape[: len(image)], x.strides[: len(image)], n)
    if at is None or axes != tuple(range(lead, len(image))) or n > AXES or name not in NUMBERS:
        return None
    over = frame(image[lead:], sizes, strides, ((0, 0),) * n, dilations)
    planes = prod(image[:lead])
    ns = prod(shape) * ELEMENT_NS
    width = grain(planes, ns)
    kinds = [f"{name}*", f"{name}*", "int64*", name, "int64", "int64"]
    code = Jitted(fold, *kinds, constants=window_sizes(sizes))
    how = words(over, at, full(x.strides[len(image) :], 0), full(sizes, 1))
    return [Work(code, [place(x), Place(z, 0), how, 0, planes, width], -(-planes // width), ns)]


def windows_work(call: Call) -> list[Work] | None:
    """The work of a copy of windows along the last axes."""
    (x,), (shape,), (z,) = call.inputs, call.shapes, call.step.outputs
    axes, sizes, strides, dilations = call.step.params
    assert shape is not None
    n, lead = len(sizes), len(shape) - len(sizes)
    at = steps(shape, x.strides, n)
    if at is None or axes != tuple(range(lead, len(shape))) or n > AXES:
        return None
    over = frame(shape[lead:], sizes, strides, ((0, 0),) * n, dilations)
    planes = prod(shape[:lead])
    ns = planes * prod(over.results) * prod(sizes) * ELEMENT_NS
    width = grain(planes, ns)
    kind = f"uint{8 * x.dtype.itemsize}*"
    code = Jitted(windows, kind, kind, "int64*", "int64", "int64", constants=window_sizes(sizes))
    how = words(over, at, full((), 0), full(sizes, 1))
    return [Work(code, [place(x), Place(z, 0), how, planes, width], -(-planes // width), ns)]


KERNELS = {
    "max_pool": widened(max_pool_work),
    "max_pool.fwd": widened(max_pool_work),
    "max_pool.vjp": widened(max_pool_vjp_work),
    "sum_pool": widened(sum_pool_work),
    "fold": widened(fold_work),
    "windows": windows_work,
}
