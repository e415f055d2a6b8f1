"""Kernels of numpy for few elements, of operations that the reference has none for.

A program is traced for each shape that it meets; these are not, and are as fast while there is
little to do.  Knows no program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from rushlight.extend import DType, Shape

Kernel = Callable[..., Any]


def kernels(reference: Mapping[str, Kernel]) -> dict[str, Kernel]:
    """The kernels, and those of the reference."""
    argsort = reference["argsort"]
    found: dict[str, Kernel] = {"uniform": hollow, "normal": hollow}
    found |= {"argselect": partial(argselect, argsort), "middle": partial(middle, argsort)}
    return found | {"flat_index": flat_index, "searchsorted": searchsorted} | {**reference}


def hollow(_key: int, _counter: int, shape: Shape, dtype: DType, _device: int) -> Any:
    """Random numbers where there are none to make."""
    return np.empty(shape, dtype)


def argselect(
    argsort: Kernel, x: Any, axis: int, first: int, count: int, descending: bool
) -> Any:  # fmt: skip
    """A part of the order."""
    return np.take(argsort(x, axis, descending), range(first, first + count), axis)


def middle(argsort: Kernel, x: Any, axis: int) -> Any:
    """Where the lower of the two in the middle stands; the first nan, if there is one."""
    n = x.shape[axis]
    odd = np.count_nonzero(x != x, axis, keepdims=True)  # noqa: PLR0124  nan alone is not itself
    rank = np.where(odd > 0, n - odd, (n - 1) // 2)
    return np.take_along_axis(argsort(x, axis, False), rank, axis)


def flat_index(*ts: Any, lengths: Shape) -> Any:
    """The number of the element at ts; -1 if there is none."""
    index: Any = 0
    wrong: Any = False
    for t, n in zip(ts, lengths, strict=True):
        index = index * n + np.where(t < 0, t + n, t)
        wrong = wrong | (t < -n) | (t >= n)
    return np.where(wrong, -1, index)


def searchsorted(sequence: Any, x: Any, right: bool) -> Any:
    """How many of a sorted line are below each x; not above it, if right.  nan is beyond all."""
    n = sequence.shape[-1]
    side: Any = "right" if right else "left"
    if x.dtype.itemsize == 2 and x.dtype.kind not in "iu":  # numpy does not order bfloat16's nan
        sequence, x = sequence.astype(np.float32), x.astype(np.float32)
    z = np.empty(x.shape, np.int64)
    for line in np.ndindex(x.shape[:-1]):
        z[line] = np.searchsorted(sequence[line], x[line], side)
    z[x != x] = n  # noqa: PLR0124  nan alone is not equal to itself
    return z
