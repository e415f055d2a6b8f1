"""Functions over dims."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from .. import dtypes, ops
from ..dtypes import DType
from ..ops.reduction import nonempty
from ..spec import EVERY, Shape, normal_axes, normal_axis, reduced, size
from .elementwise import isfinite
from .given import Dim, floating, operands, rank

if TYPE_CHECKING:
    from ..tensor import Tensor


def sum(
    input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Sum over dim, or over all; of bools and integers as int64.  [.., n, ..] -> [.., ..]."""
    n = rank("sum", input)
    axes = EVERY[n] if dim is None else normal_axes("sum", dim, n)
    if dtype is not None or input._data.dtype not in dtypes.FLOATING:
        input = ops.cast(input, dtype=dtypes.as_dtype(dtype or dtypes.int64))
    return ops.sum(input, axes, keepdim)


def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Product over dim, or over all; of bools and integers as int64.  [.., n, ..] -> [.., ..]."""
    axes = normal_axes("prod", dim, rank("prod", input))
    if dtype is not None or input.dtype not in dtypes.FLOATING:
        input = ops.cast(input, dtype=dtypes.as_dtype(dtype or dtypes.int64))
    return ops.prod(input, axes=axes, keepdim=keepdim)


def mean(
    input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """sum(input) / n over dim, or over all; nan of nothing.  [.., n, ..] -> [.., ..].

    Raises: ContractError for bools and integers, unless a floating dtype is given.
    """
    axes = normal_axes("mean", dim, rank("mean", input))
    if dtype is not None:
        input = ops.cast(input, dtype=dtypes.as_dtype(dtype))
    floating("mean", input)
    return ops.mean(input, axes=axes, keepdim=keepdim)


def var(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *,
    correction: float | None = None,
) -> Tensor:  # fmt: skip
    """sum((input - mean)^2) / (n - correction) over dim, or over all.  [.., n, ..] -> [.., ..].

    unbiased: False for correction 0; also in place of dim, as in PyTorch.
    """
    return variance("var", input, dim, unbiased, keepdim, correction)


def std(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *,
    correction: float | None = None,
) -> Tensor:  # fmt: skip
    """The square root of var.  [.., n, ..] -> [.., ..]."""
    return ops.root(variance("std", input, dim, unbiased, keepdim, correction))


def variance(
    op: str, x: Tensor, dim: Any, unbiased: bool, keepdim: bool, correction: float | None
) -> Tensor:
    """var, called by this name."""
    n = rank(op, x)
    floating(op, x)
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    correction = float(unbiased) if correction is None else correction
    return ops.var(x, axes=normal_axes(op, dim, n), correction=correction, keepdim=keepdim)


def chosen(op: str, x: Tensor, dim: Dim) -> Shape:
    """dim as axes.  Raises: ContractError if there is nothing among which to choose."""
    n = rank(op, x)
    axes = EVERY[n] if dim is None else normal_axes(op, dim, n)
    nonempty(op, x._data, axes)
    return axes


class Extreme(NamedTuple):
    """What max and min along a dim return."""

    values: Tensor
    indices: Tensor


def extreme(op: str, x: Tensor, dim: int, keepdim: bool) -> Extreme:
    """The max or min along dim, and where it first stands.  [.., n, ..] -> [.., ..] twice."""
    axis = normal_axis(op, dim, rank(op, x))
    chosen(op, x, dim)
    if x.ndim == 0:
        return Extreme(ops.reshape(x, shape=()), argmax(x))
    turned = x if op == "max" else -x if x.dtype in dtypes.FLOATING else ~x
    indices = ops.argmax(turned, axis=axis, keepdim=True)
    values = ops.gather(x, indices, axis=axis)
    if not keepdim:
        shape = (*x.shape[:axis], *x.shape[axis + 1 :])
        values, indices = ops.reshape(values, shape=shape), ops.reshape(indices, shape=shape)
    return Extreme(values, indices)


def max(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The largest of all; along dim also where it first stands; of two tensors the larger.

    [.., n, ..] -> [], or (values, indices) [.., ..].  nan if any is.
    Raises: ContractError if there is nothing to choose from.
    """
    if dim is None:
        return ops.max(input, chosen("max", input, None), False)
    if isinstance(dim, int):
        return extreme("max", input, dim, keepdim)
    operands("max", input, dim)
    return ops.maximum(input, dim)


def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest of all; along dim also where it first stands; of two tensors the smaller.

    [.., n, ..] -> [], or (values, indices) [.., ..].  nan if any is.
    Raises: ContractError if there is nothing to choose from.
    """
    if dim is None:
        return ops.min(input, chosen("min", input, None), False)
    if isinstance(dim, int):
        return extreme("min", input, dim, keepdim)
    operands("min", input, dim)
    return ops.minimum(input, dim)


def amax(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The largest over dim, or over all; equals share the gradient.  [.., n, ..] -> [.., ..]."""
    return ops.max(input, axes=chosen("amax", input, dim), keepdim=keepdim)


def amin(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The smallest over dim, or over all; equals share the gradient.  [.., n, ..] -> [.., ..]."""
    return ops.min(input, axes=chosen("amin", input, dim), keepdim=keepdim)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the first largest stands along dim, or of all.  [.., n, ..] -> int64[.., ..]."""
    return first("argmax", input, input, dim, keepdim)


def first(op: str, given: Tensor, x: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    """argmax of x, which an operation made of what it was given."""
    n = rank(op, given)
    axis = 0 if dim is None else normal_axis(op, dim, n)
    chosen(op, given, dim)
    if dim is None or n == 0:
        flat = ops.argmax(ops.reshape(x, shape=(size(x.shape),)), axis=0, keepdim=False)
        return ops.reshape(flat, shape=(1,) * n) if keepdim else flat
    return ops.argmax(x, axis=axis, keepdim=keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the first smallest stands along dim, or of all.  [.., n, ..] -> int64[.., ..]."""
    rank("argmin", input)
    turned = -input if input.dtype in dtypes.FLOATING else ~input
    return first("argmin", input, turned, dim, keepdim)


def any(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether an element is nonzero, over dim or all.  [.., n, ..] -> bool[.., ..]."""
    axes = normal_axes("any", dim, rank("any", input))
    return ops.greater(sum(ops.not_equal(input, 0), axes, keepdim), 0)


def all(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether every element is nonzero, over dim or all.  [.., n, ..] -> bool[.., ..].

    True of nothing.
    """
    axes = normal_axes("all", dim, rank("all", input))
    return ops.equal(sum(ops.equal(input, 0), axes, keepdim), 0)


def logsumexp(input: Tensor, dim: Dim, keepdim: bool = False) -> Tensor:
    """log(sum(exp(input))) over dim, without overflow.  [.., n, ..] -> [.., ..]."""
    axes = chosen("logsumexp", input, dim)
    top = ops.max(input.detach(), axes=axes, keepdim=True)
    top = ops.where(isfinite(top), top, 0.0)
    z = ops.log(ops.sum(ops.exp(input - top), axes=axes, keepdim=True)) + top
    return z if keepdim else ops.reshape(z, shape=reduced(input.shape, axes, False))


def norm(input: Tensor, p: float = 2.0, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """(sum of |input|^p)^(1 / p) over dim, or over all; p may be inf.  [.., n, ..] -> [.., ..]."""
    axes = normal_axes("norm", dim, rank("norm", input))
    operands("norm", p)
    if p == float("inf"):
        chosen("norm", input, axes)
        return amax(ops.abs(input), axes, keepdim)
    if p == 2.0:
        return ops.root(sum(input * input, axes, keepdim))
    if p == 1.0:
        return sum(ops.abs(input), axes, keepdim)
    return sum(ops.abs(input) ** p, axes, keepdim) ** (1.0 / p)
