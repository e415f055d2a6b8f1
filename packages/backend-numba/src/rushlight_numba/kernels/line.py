"""Arrays as lines along an axis, for kernels that walk along it.  Knows no kernel."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from rushlight.extend import Call

from ..lowering import CHUNK_NS, MOST_CHUNKS


class Lines(NamedTuple):
    """The lines of an array along an axis: `outer` groups of `inner` lines of `length` elements.

    The others: elements from one to the next.  A result lies in order, so that it is 1 from one
    line of a group to the next.
    """

    outer: int
    length: int
    inner: int
    outer_step: int
    step: int
    inner_step: int

    @property
    def size(self) -> int:
        """How many elements there are."""
        return self.outer * self.length * self.inner


def lines(call: Call, axis: int) -> Lines | None:
    """The lines of a call's first input; None if the axes before, or behind, are no one loop."""
    x, shape = call.inputs[0], call.shapes[0]
    assert shape is not None
    before, after = shape[:axis], shape[axis + 1 :]
    outer_step = merged(before, x.strides[:axis])
    inner_step = merged(after, x.strides[axis + 1 :])
    if outer_step is None or inner_step is None:
        return None
    n, step = shape[axis], x.strides[axis]
    return Lines(prod(before), n, prod(after), outer_step, step, inner_step)


def merged(shape: Sequence[int], strides: Sequence[int]) -> int | None:
    """The step of the one loop that walks over these axes in order; None if there is none."""
    step, reach = 0, None
    for n, stride in zip(reversed(shape), reversed(strides), strict=True):
        if n == 1:
            continue
        if reach is None:
            step = stride
        elif stride != reach:
            return None
        reach = stride * n
    return step


def grain(count: int, ns: float) -> int:
    """How many of `count` things a chunk takes, if all of them take `ns`."""
    chunks = max(1, min(MOST_CHUNKS, count, int(ns // CHUNK_NS)))
    return -(-count // chunks)
