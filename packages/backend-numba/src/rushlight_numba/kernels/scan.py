"""Running reductions: z[i] = z[i - 1] op x[i] along an axis, one after the other as in numpy.

Four lines at once, or neighbouring ones, hide the time from one result to the next.  Reads and
writes each element once.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from rushlight.extend import Call

from ..lowering import Place, Work, place
from .jitted import NUMBERS, Jitted, Pointer
from .line import grain, lines

ELEMENT_NS = 0.3


def plus(x: Any, y: Any) -> Any:
    """x + y."""
    return x + y


def times(x: Any, y: Any) -> Any:
    """x y."""
    return x * y


def larger(x: Any, y: Any) -> Any:
    """The larger of x, or nan, and y."""
    return x if x >= y or x != x else y  # noqa: PLR0124  nan alone is not equal to itself


combine = plus


def along(
    x: Pointer, z: Pointer, n: int, count: int, width: int, x_step: int, x_line: int,
    chunk: int,
) -> None:  # fmt: skip
    """Lines whose results are neighbours, four at once."""
    last = min((chunk + 1) * width, count)
    for line in range(chunk * width, last - 3, 4):
        four(x, z, n, line, x_step, x_line)
    for line in range(last - (last - chunk * width) % 4, last):
        at, to = line * x_line, line * n
        a = z[to] = x[at]
        for i in range(1, n):
            z[to + i] = a = combine(a, x[at + i * x_step])


def four(x: Pointer, z: Pointer, n: int, line: int, x_step: int, x_line: int) -> None:
    """Four lines."""
    p = line * x_line
    q, r, s = p + x_line, p + 2 * x_line, p + 3 * x_line
    to = line * n
    a, b, c, d = x[p], x[q], x[r], x[s]
    z[to], z[to + n], z[to + 2 * n], z[to + 3 * n] = a, b, c, d
    for i in range(1, n):
        at = i * x_step
        z[to + i] = a = combine(a, x[p + at])
        z[to + n + i] = b = combine(b, x[q + at])
        z[to + 2 * n + i] = c = combine(c, x[r + at])
        z[to + 3 * n + i] = d = combine(d, x[s + at])


def beside(
    x: Pointer, z: Pointer, n: int, count: int, blocks: int, width: int,
    x_group: int, x_step: int, x_line: int,
    chunk: int,
) -> None:  # fmt: skip
    """Lines that are neighbours, walked along together.  count: of the lines of a group."""
    group, first = chunk // blocks, chunk % blocks * width
    m = min(width, count - first)
    at, to = group * x_group + first * x_line, group * n * count + first
    for k in range(m):
        z[to + k] = x[at + k * x_line]
    for _ in range(1, n):
        at += x_step
        to += count
        for k in range(m):
            z[to + k] = combine(z[to - count + k], x[at + k * x_line])


def scan_work(combine: Callable[[Any, Any], Any], call: Call) -> list[Work] | None:
    """The work of a running reduction of numbers."""
    (x,), (z,), (axis,) = call.inputs, call.step.outputs, call.step.params
    found = lines(call, axis)
    if found is None or x.dtype.name not in NUMBERS:
        return None
    outer, n, inner, x_group, x_step, x_line = found
    kind, constants = f"{x.dtype.name}*", {"combine": combine}
    ns = found.size * ELEMENT_NS
    if inner == 1:
        width = -(-grain(outer, ns) // 4) * 4
        code = Jitted(along, kind, kind, *["int64"] * 5, constants=constants)
        words = [place(x), Place(z, 0), n, outer, width, x_step, x_group]
        return [Work(code, words, -(-outer // width), ns)]
    width = grain(inner, ns / outer)
    blocks = -(-inner // width)
    code = Jitted(beside, kind, kind, *["int64"] * 7, constants=constants)
    words = [place(x), Place(z, 0), n, inner, blocks, width, x_group, x_step, x_line]
    return [Work(code, words, outer * blocks, ns)]


KERNELS = {
    "cumsum": partial(scan_work, plus),
    "cumprod": partial(scan_work, times),
    "cummax": partial(scan_work, larger),
}
