"""How an array that is a view lies in memory: as operations on a dense block.

Knows nothing of programs.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

import numpy as np

from rushlight.extend import Shape, operations

from .memory import empty

FAR_BYTES = 1 << 10  # from one element of a row to the next: each is in a line of its own
MANY_BYTES = 1 << 20  # of an array, which no cache of a core keeps until its lines are read again
LINE_BYTES = 64


class Layout(NamedTuple):
    """An array as a part of a dense block, which begins where the array does.

    block: its shape.  bounds: the part of it, as `slice` has them.  order: the axes of that as the
    array has them.  once: the array's shape before it is repeated.  Only block if the array is it.
    """

    block: Shape
    bounds: tuple[tuple[int, int, int], ...] = ()
    order: tuple[int, ...] = ()
    once: Shape = ()
    shape: Shape | None = None

    def view(self, x: Any) -> Any:
        """The tensor of the array, of that of the block."""
        if self.shape is None:
            return x
        steps = {"slice": self.bounds, "permute": self.order}
        steps |= {"reshape": self.once, "expand": self.shape}
        for name, param in steps.items():
            x = operations[name].run((x,), (param,))
        return x


def layout(x: Any) -> Layout | None:
    """How an array lies; None if it is no such part, as one that is read backwards."""
    if x.flags.c_contiguous:
        return Layout(x.shape)
    if any(step % x.itemsize for step in x.strides):
        return None
    return laid(x.shape, [step // x.itemsize for step in x.strides])


def laid(shape: Shape, strides: Sequence[int]) -> Layout | None:
    """How an array of these strides lies, in elements."""
    axes = [d for d, n in enumerate(shape) if n > 1 and strides[d]]
    steps = {d: strides[d] for d in axes}
    if any(step <= 0 for step in steps.values()):
        return None
    outwards = sorted(axes, key=lambda d: -steps[d])
    block, bounds = [], []
    room: int | None = None  # elements from one step of the axis before to its next
    for d in outwards:
        step = 1 if d != outwards[-1] else steps[d]
        unit = steps[d] // step  # elements from one place of the block's axis to the next
        reach = (shape[d] - 1) * step + 1
        if room is not None and (room % unit or room // unit < reach):
            return None
        block.append(reach if room is None else room // unit)
        bounds.append((0, shape[d], step))
        room = steps[d]
    order = tuple([outwards.index(d) for d in axes])
    once = tuple([n if d in steps else 1 for d, n in enumerate(shape)])
    return Layout(tuple(block), tuple(bounds), order, once, tuple(shape))


def dense_strides(shape: Sequence[int]) -> Shape:
    """The strides of an array in order, in elements."""
    return tuple([prod(shape[d + 1 :]) for d in range(len(shape))])


def is_dense(shape: Sequence[int], strides: Sequence[int]) -> bool:
    """Whether an array lies in order; strides of axes of one element say nothing."""
    both = zip(shape, strides, dense_strides(shape), strict=True)
    return all(n < 2 or stride == dense for n, stride, dense in both)


def common_order(arrays: Sequence[Any]) -> list[int] | None:
    """The axes of all arrays from the outermost to the innermost, as they lie in memory.

    None if they lie in different orders, in that of their shape, or repeat elements or are read
    backwards; an array without axes lies in any order.
    """
    shaped = [x for x in arrays if x.ndim]
    if len({x.shape for x in shaped}) != 1:
        return None
    long = [d for d, n in enumerate(shaped[0].shape) if n > 1]
    if any(x.strides[d] <= 0 for x in shaped for d in long):
        return None
    order = sorted(long, key=shaped[0].strides.__getitem__, reverse=True)
    ordered = [[x.strides[d] for d in order] for x in shaped]
    if order == long or any(steps != sorted(steps, reverse=True) for steps in ordered):
        return None
    return [d for d in range(shaped[0].ndim) if d not in long] + order


def is_far(x: Any, place: Layout | None) -> bool:
    """Whether a copy in order is read faster than the array, or the only way to read it."""
    return place is None or (x.nbytes >= MANY_BYTES and x.strides[-1] >= FAR_BYTES)


def in_order(x: Any) -> Any:
    """A copy whose elements lie in order."""
    z = empty(x.shape, x.dtype)
    step = max(x.shape[-1], 1)
    if x.strides[-1] >= FAR_BYTES:
        step = LINE_BYTES // x.itemsize  # a line of z is written while it is in cache
    for i in range(0, x.shape[-1], step):
        np.copyto(z[..., i : i + step], x[..., i : i + step])
    return z
