"""StridedBackend: movement as arithmetic on strides, for a writer of raw kernels.

Knows no kernel: it asks the writer for one copy, where elements must be laid out anew.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from .backend import Backend, Kernel
from .spec import strides_of

if TYPE_CHECKING:
    from .backend import HostArray
    from .dtypes import DType
    from .spec import Shape


@dataclass(frozen=True, slots=True, eq=False)
class StridedArray:
    """A view of a buffer, whose element i stands at `offset + sum(i * strides)`.

    buffer: whatever the backend allocates; nobody else looks inside.
    strides, offset: in elements; a stride is negative on a reversed axis, 0 on a stretched one.
    """

    buffer: Any
    shape: Shape
    strides: Shape
    offset: int
    dtype: DType

    @property
    def size(self) -> int:
        """The number of elements."""
        return prod(self.shape)

    @property
    def is_packed(self) -> bool:
        """Whether the elements stand one after the other, in the order of their indices."""
        axes = zip(self.shape, self.strides, strides_of(self.shape), strict=True)
        return self.size == 0 or all(n == 1 or has == wants for n, has, wants in axes)

    def view(self, shape: Shape, strides: Sequence[int], offset: int = 0) -> StridedArray:
        """Another view of the buffer, beginning `offset` elements after this one."""
        return StridedArray(self.buffer, shape, tuple(strides), self.offset + offset, self.dtype)


class StridedBackend(Backend):
    """A backend of raw kernels over buffers, which gets movement as arithmetic on strides.

    Give `upload`, `download` and `pack`, and add `self.movement()` to the table of kernels:
    reshape (copies only where no strides describe the result), permute, expand, slice, windows.
    """

    array = StridedArray

    @abstractmethod
    def upload(self, values: HostArray, index: int) -> Any:
        """A new buffer on device `index` with these values.  [n]."""

    @abstractmethod
    def download(self, buffer: Any, dtype: DType, start: int, count: int) -> HostArray:
        """count elements of a buffer, from start on.  [count]."""

    @abstractmethod
    def pack(self, x: StridedArray) -> StridedArray:
        """The same elements in a new buffer, packed, at offset 0."""

    def put(self, values: HostArray, index: int) -> StridedArray:
        buffer = self.upload(values.ravel(), index)
        return StridedArray(buffer, values.shape, strides_of(values.shape), 0, values.dtype)

    def get(self, array: StridedArray) -> HostArray:
        x = array if array.is_packed else self.pack(array)
        return self.download(x.buffer, x.dtype, x.offset, x.size).reshape(x.shape)

    def movement(self) -> dict[str, Kernel]:
        """The kernels that only describe their input's buffer anew."""

        def reshape(x: StridedArray, shape: Shape) -> StridedArray:
            strides = refolded(x.shape, x.strides, shape)
            if strides is None:
                x, strides = self.pack(x), strides_of(shape)
            return x.view(shape, strides)

        return {
            "reshape": reshape,
            "permute": permute,
            "expand": expand,
            "slice": slice_,
            "windows": windows,
        }


def refolded(shape: Shape, strides: Shape, to: Shape) -> Shape | None:
    """Strides by which shape `to` has the same elements in the same order; None without any."""
    if 0 in shape:
        return strides_of(to)
    runs: list[tuple[int, int]] = []  # axes that step as one, as (length, stride), first axis first
    for length, stride in zip(shape, strides, strict=True):
        if length == 1:
            continue
        if runs and runs[-1][1] == stride * length:
            runs[-1] = (runs[-1][0] * length, stride)
        else:
            runs.append((length, stride))
    found: list[int] = []
    rest, stride = 1, 1  # of the run that is being cut, last axis first
    for length in reversed(to):
        if rest == 1 and length > 1:
            rest, stride = runs.pop()
        if rest % length:
            return None
        found.append(stride)
        rest, stride = rest // length, stride * length
    return tuple(reversed(found))


def permute(x: StridedArray, order: Shape) -> StridedArray:
    """Axes in a new order."""
    return x.view(tuple(x.shape[i] for i in order), [x.strides[i] for i in order])


def expand(x: StridedArray, shape: Shape) -> StridedArray:
    """Stretched axes, and new ones in front, step by nothing."""
    strides = [0 if n == 1 else stride for n, stride in zip(x.shape, x.strides, strict=True)]
    return x.view(shape, [0] * (len(shape) - len(strides)) + strides)


def slice_(x: StridedArray, bounds: Sequence[tuple[int, int, int]]) -> StridedArray:
    """Each axis from start on, step apart."""
    offset = sum(start * n for (start, _, _), n in zip(bounds, x.strides, strict=True))
    strides = [step * n for (_, _, step), n in zip(bounds, x.strides, strict=True)]
    return x.view(tuple(length for _, length, _ in bounds), strides, offset)


def windows(
    x: StridedArray, axes: Shape, sizes: Shape, strides: Shape, dilations: Shape
) -> StridedArray:
    """Each axis steps by windows, and a new one at the end within them."""
    shape, steps = list(x.shape), list(x.strides)
    for i, size, stride, dilation in zip(axes, sizes, strides, dilations, strict=True):
        shape[i] = (x.shape[i] - dilation * (size - 1) - 1) // stride + 1
        steps[i] = x.strides[i] * stride
    within = [x.strides[i] * dilation for i, dilation in zip(axes, dilations, strict=True)]
    return x.view((*shape, *sizes), [*steps, *within])
