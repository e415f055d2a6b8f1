"""argmax: where the first largest stands along an axis, or the first nan.

Reads each element once, and once more from a cache where it looks for the largest.
"""

from __future__ import annotations

from rushlight.extend import Call

from ..lowering import Place, Work, place
from .jitted import Jitted, Pointer
from .line import grain, lines

NUMBERS = frozenset("bool uint8 uint32 int8 int16 int32 int64 float32 float64".split())
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
        for k in range(LANES):
            best[k] = x[start]
        whole = n - n % LANES
        for i in range(0, whole, LANES):
            for k in range(LANES):
                v = x[start + i + k]
                best[k] = v if v > best[k] or v != v else best[k]  # noqa: PLR0124  nan
        for k in range(n - whole):
            v = x[start + whole + k]
            best[k] = v if v > best[k] or v != v else best[k]  # noqa: PLR0124  nan
        top = best[0]
        for k in range(1, LANES):
            v = best[k]
            top = v if v > top or v != v else top  # noqa: PLR0124  nan
        z[line] = found(x, start, n, top)


def found(x: Pointer, start: int, n: int, top: float) -> int:
    """Where the first element equal to `top` stands; the first nan if that is nan."""
    at = 0
    while at + LANES <= n:
        hits = 0
        for k in range(LANES):
            v = x[start + at + k]
            hits += 1 if v == top or v != v else 0  # noqa: PLR0124  nan
        if hits:
            break
        at += LANES
    while at < n - 1:
        v = x[start + at]
        if v == top or v != v:  # noqa: PLR0124  nan
            break
        at += 1
    return at


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
            wins = (v > top) | ((v != v) & (top == top))  # noqa: PLR0124  nan
            best[k] = v if wins else top
            z[place + k] = i if wins else z[place + k]


def argmax(call: Call) -> list[Work] | None:
    """The work of an argmax."""
    (x,), (z,) = call.inputs, call.step.outputs
    axis, _ = call.step.params
    place_of = lines(call, axis)
    if place_of is None or x.dtype.name not in NUMBERS:
        return None
    outer, n, inner, x_group, x_step, x_line = place_of
    kind = "uint8*" if x.dtype.name == "bool" else f"{x.dtype.name}*"
    ns = place_of.size * ELEMENT_NS + outer * inner * LINE_NS
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


KERNELS = {"argmax": argmax}
