"""Spec: what is known of a tensor without its values, and arithmetic on shapes.  Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from math import prod
from operator import index, mul
from typing import NamedTuple, SupportsIndex

from .dtypes import DType
from .errors import ContractError, IndexOutOfRange, WrongType

Shape = tuple[int, ...]
MAX_NDIM = 32  # of numpy's views; also what tables of axes are made for
EVERY: list[Shape] = [tuple(range(n)) for n in range(MAX_NDIM + 1)]  # EVERY[n]: all axes of n


class Spec(NamedTuple):
    """Shape and element type of a tensor."""

    shape: Shape
    dtype: DType

    def __str__(self) -> str:
        return f"{self.dtype.name}{list(self.shape)}"

    @property
    def ndim(self) -> int:
        return len(self.shape)


def size(shape: Shape) -> int:
    """The number of elements."""
    return prod(shape)


def broadcast(op: str, *shapes: Shape) -> Shape:
    """The shape to which all the given ones stretch.

    Raises: ContractError naming the axis that does not.
    """
    n = max(map(len, shapes), default=0)
    out = [1] * n
    for shape in shapes:
        for i, length in enumerate(shape, n - len(shape)):
            if length != 1 and length != out[i]:
                if out[i] != 1:
                    given = " and ".join(str(list(s)) for s in shapes)
                    raise ContractError(
                        f"{op}: shapes {given} do not broadcast; axis {i} has lengths {out[i]} and "
                        f"{length}, make them equal or one of them 1"
                    )
                out[i] = length
    return tuple(out)


def inside(found: Iterable[int], dim: int, n: int) -> None:
    """Raises: IndexOutOfRange for the first that is no index of dim, of length n."""
    for i in found:
        if not -n <= i < n:
            raise IndexOutOfRange(
                f"index: {i} is out of range for dim {dim} with size {n}"
            ) from None


def normal_axis(op: str, dim: SupportsIndex, ndim: int) -> int:
    """dim, counted from the end if negative, as an axis in 0..ndim-1; 0-d tensors count as 1-d."""
    if dim is True or dim is False:
        raise WrongType(f"{op}: dim {dim}; give an integer")
    try:
        return EVERY[ndim or 1][dim]
    except IndexError:
        length = max(ndim, 1)
        raise IndexOutOfRange(
            f"{op}: dim {dim} of a tensor with {ndim} dims; use {-length} to {length - 1}"
        ) from None
    except TypeError:
        raise WrongType(f"{op}: dim {dim!r}; give an integer") from None


def normal_axes(op: str, dim: int | Iterable[int] | None, ndim: int) -> Shape:
    """dim as sorted axes without repeats; None means all of them."""
    if dim is None:
        return EVERY[ndim]
    if type(dim) is int or isinstance(dim, SupportsIndex):  # that protocol takes 4 us
        axis = normal_axis(op, dim, ndim)
        return (axis,) if ndim else ()
    try:
        axes = sorted([normal_axis(op, d, ndim) for d in dim])
    except TypeError:
        raise WrongType(f"{op}: dim {dim!r}; give an integer or a tuple of them") from None
    if len(set(axes)) != len(axes):
        raise ContractError(f"{op}: dim {tuple(dim)} names an axis twice; name each once")
    return (tuple(axes) or EVERY[ndim]) if ndim else ()


def has_axis(op: str, x: Spec, axis: int) -> None:
    """Raises: ContractError unless axis is one of x's, counted from 0."""
    if not 0 <= axis < x.ndim:
        raise ContractError(f"{op}: axis {axis} of {x}, which has {x.ndim}; count them from 0")


def reduced(shape: Shape, axes: Shape, keepdim: bool) -> Shape:
    """The shape after reducing the axes.  [.., n, ..] -> [.., 1, ..] or [.., ..]."""
    return tuple(1 if i in axes else n for i, n in enumerate(shape) if keepdim or i not in axes)


def integers(op: str, shape: Sequence[int]) -> None:
    """Raises: WrongType unless every length is an integer."""
    try:
        for n in shape:
            index(n)
    except TypeError:
        raise WrongType(f"{op}: shape {list(shape)}; lengths are integers") from None


def resolve_shape(op: str, shape: Sequence[int], count: int) -> Shape:
    """shape with its -1 replaced by the length that makes count elements."""
    integers(op, shape)
    known = prod(n for n in shape if n != -1)
    holes = sum(n == -1 for n in shape)
    if holes > 1 or any(n < -1 for n in shape):
        raise ContractError(
            f"{op}: shape {list(shape)}; lengths are not negative, and at most one is -1"
        )
    if holes:
        if known == 0 or count % known:
            raise ContractError(
                f"{op}: shape {list(shape)} for {count} elements; they do not divide evenly"
            )
        return tuple(count // known if n == -1 else n for n in shape)
    return tuple(shape)


def strides_of(shape: Shape) -> Shape:
    """The elements from one place along each axis to the next, where they lie in order."""
    return tuple(accumulate(shape[:0:-1], mul, initial=1))[::-1] if shape else ()


def several(n: int, word: str) -> str:
    """So many of something, as messages say it: 1 device, 2 devices."""
    return f"{n} {word}{'s' * (n != 1)}"
