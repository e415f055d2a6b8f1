"""argmax: where the first largest stands along an axis, or the first nan.

Reads each element once, and once more from a cache where it looks for the largest.
"""

from __future__ import annotations

from rushlight.extend import Call

from ..lowering import Place, Work, place
from .jitted import NUMBERS, Jitted, Pointer
from .line import grain, lines

LANES = 64  # of the largest so far: vectors enough to hide the time of a comparison
COLUMNS = 512  # neighbouring lines that are walked along together
ELEMENT_NS = 0.2
LINE_NS = 50.0


def along(
    x: Pointer, z: Pointer, n: int, count: int, width: int, x_line: int,
    chunk: int, best: Pointer,
) -> None:  # fmt: skip
    """Lines whose elements are neighbours: the largest, then where it stands."""
    for line in range(chunk * width, min((chunk + 1) * width, count)):
        start = line * x_line
        lanes = min(LANES, n)
        for k in range(lanes):
            best[k] = x[start + k]
        whole = n - n % LANES
        for i in range(LANES, whole, LANES):
            for k in range(LANES):
                best[k] = larger(best[k], x[start + i + k])
        for i in range(max(whole, lanes), n):
            best[0] = larger(best[0], x[start + i])
        while lanes > 1:
            half = (lanes + 1) // 2
            for k in range(lanes - half):
                best[k] = larger(best[k], best[half + k])
            lanes = half
        z[line] = found(x, start, n, best[0])


def larger(x: float, y: float) -> float:
    """The larger of two; nan if one is."""
    return y if (y > x) | (y != y) else x  # noqa: PLR0124  nan alone is not equal to itself


def found(x: Pointer, start: int, n: int, top: float) -> int:
    """Where the first element equal to `top` stands, or the first nan if that is nan."""
    at, is_here = 0, False
    while at + LANES <= n and not is_here:
        for k in range(LANES):
            v = x[start + at + k]
            is_here |= (v == top) | (v != v)  # noqa: PLR0124  nan
        at += LANES
    at -= LANES if is_here else 0
    first = n
    for k in range(at, min(at + LANES, n)):
        v = x[start + k]
        first = min(first, k if (v == top) | (v != v) else n)  # noqa: PLR0124  nan
    return first


def beside(
    x: Pointer, z: Pointer, n: int, count: int, blocks: int, width: int,
    x_group: int, x_step: int, x_line: int,
    chunk: int, best: Pointer,
) -> None:  # fmt: skip
    """Lines that are neighbours, walked along together."""
    group, first = chunk // blocks, chunk % blocks * width
    m, start = min(width, count - first), group * x_group + first * x_line
    place = group * count + first
    for k in range(m):
        best[k] = x[start + k * x_line]
        z[place + k] = 0
    for i in range(1, n):
        for k in range(m):
            v, top = x[start + i * x_step + k * x_line], best[k]
            wins = (v > top) | ((v != v) & (top == top))  # noqa: PLR0124  the first nan
            best[k] = v if wins else top
            z[place + k] = i if wins else z[place + k]


def argmax_work(call: Call) -> list[Work] | None:
    """The work of an argmax."""
    (x,), (z,) = call.inputs, call.step.outputs
    axis, _ = call.step.params
    along_axis = lines(call, axis)
    if along_axis is None or x.dtype.name not in NUMBERS | {"bool"}:
        return None
    outer, n, inner, x_group, x_step, x_line = along_axis
    kind = "uint8*" if x.dtype.name == "bool" else f"{x.dtype.name}*"
    ns = along_axis.size * ELEMENT_NS + outer * inner * LINE_NS
    if inner == 1 and x_step == 1:
        width = grain(outer, ns)
        code = Jitted(along, kind, "int64*", *["int64"] * 4, scratch=kind)
        words = [place(x), Place(z, 0), n, outer, width, x_group]
        return [Work(code, words, -(-outer // width), ns, LANES * x.dtype.itemsize)]
    if inner == 1:
        outer, inner, x_group, x_line = 1, outer, 0, x_group
    width = min(COLUMNS, grain(inner, ns / outer))
    blocks = -(-inner // width)
    code = Jitted(beside, kind, "int64*", *["int64"] * 7, scratch=kind)
    words = [place(x), Place(z, 0), n, inner, blocks, width, x_group, x_step, x_line]
    return [Work(code, words, outer * blocks, ns, width * x.dtype.itemsize)]


KERNELS = {"argmax": argmax_work}
