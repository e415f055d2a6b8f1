"""searchsorted: how many of a sorted line are below each x, by halving, many x at once.

All x of a line halve what is left of it in the same steps, so that a step of many is one loop,
which LLVM turns into vectors.  nan is beyond all, another nan too.
"""

from __future__ import annotations

from math import prod
from typing import Any

from rushlight.extend import Call

from ..lowering import Place, Work, place
from .jitted import NUMBERS, Jitted, Pointer
from .line import grain, merged

BLOCK = 64  # x that are looked for together
STEP_NS = 0.4  # of one x


def below(x: Any, y: Any) -> Any:
    """x < y."""
    return x < y


def not_above(x: Any, y: Any) -> Any:
    """x <= y."""
    return x <= y


counts = below


def searchsorted(
    sequence: Pointer, x: Pointer, z: Pointer, n: int, m: int, lines: int, width: int,
    line_step: int, step: int, x_line: int, x_step: int,
    chunk: int, found: Pointer,
) -> None:  # fmt: skip
    """The x of this chunk.  found: of a block, how many count so far."""
    blocks = (m + BLOCK - 1) // BLOCK
    for block in range(chunk * width, min((chunk + 1) * width, lines * blocks)):
        line, first = block // blocks, block % blocks * BLOCK
        size = min(BLOCK, m - first)
        at, start = line * line_step, line * x_line + first * x_step
        for k in range(size):
            found[k] = 0
        left = n
        while left > 0:
            half = (left + 1) // 2  # every x has found or found + 1 .. found + left
            for k in range(size):
                ahead = found[k] + half
                is_beyond = counts(sequence[at + (ahead - 1) * step], x[start + k * x_step])
                found[k] = ahead if is_beyond else found[k]
            left -= half
        to = line * m + first
        for k in range(size):
            v = x[start + k * x_step]
            z[to + k] = found[k] if v == v else n  # noqa: PLR0124  nan alone is not equal to itself


def searchsorted_work(call: Call) -> list[Work] | None:
    """The work of a searchsorted."""
    (sequence, x), (shape, x_shape), (z,) = call.inputs, call.shapes, call.step.outputs
    (right,) = call.step.params
    assert shape is not None
    assert x_shape is not None
    *lead, m = x_shape
    line_step, x_line = merged(lead, sequence.strides[:-1]), merged(lead, x.strides[:-1])
    name = x.dtype.name
    if line_step is None or x_line is None or name not in NUMBERS | {"bool"}:
        return None
    kind = "uint8*" if name == "bool" else f"{name}*"
    n, lines = shape[-1], prod(lead)
    blocks = lines * -(-m // BLOCK)
    ns = lines * m * (n.bit_length() + 1) * STEP_NS
    width = grain(blocks, ns)
    code = Jitted(
        searchsorted, kind, kind, "int64*", *["int64"] * 8, scratch="int64*",
        constants={"counts": not_above if right else below},
    )  # fmt: skip
    words = [place(sequence), place(x), Place(z, 0), n, m, lines, width]
    words += [line_step, sequence.strides[-1], x_line, x.strides[-1]]
    return [Work(code, words, -(-blocks // width), ns, 8 * BLOCK)]


KERNELS = {"searchsorted": searchsorted_work}
