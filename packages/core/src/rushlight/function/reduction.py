"""Functions over dims."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import dtypes, ops
from ..dtypes import DType
from ..errors import ContractError, WrongDtype, WrongType
from ..ops.creation import constant
from ..ops.reduction import nonempty
from ..spec import EVERY, Shape, normal_axes, normal_axis, reduced
from .chain import chain
from .elementwise import isfinite, logical_not, truths
from .given import Dim, floating, no_dims, operands, rank, tensors, together
from .movement import flat, numbered, vector
from .precision import autocasts, rounds_once

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "all", "amax", "amin", "aminmax", "any", "argmax", "argmin", "cdist", "count_nonzero", "cummax",
    "cummin", "cumprod", "cumsum", "dist", "logcumsumexp", "logsumexp", "max", "mean", "median",
    "min", "nansum", "norm", "prod", "std", "std_mean", "sum", "trace", "var", "var_mean",
]  # fmt: skip


def sum(
    input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Sum over dim, or over all; of bools and integers as int64.  [.., n, ..] -> [.., ..]."""
    n = rank("sum", input)
    axes = EVERY[n] if dim is None else normal_axes("sum", dim, n)
    if dtype is not None or input._data.dtype not in dtypes.FLOATING:
        input = ops.cast(input, dtypes.as_dtype(dtype or dtypes.int64))
    return ops.sum(input, axes, keepdim)


@autocasts("wide")
def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Product over dim, or over all; of bools and integers as int64.  [.., n, ..] -> [.., ..]."""
    axes = normal_axes("prod", dim, rank("prod", input))
    if dtype is not None or input.dtype not in dtypes.FLOATING:
        input = ops.cast(input, dtypes.as_dtype(dtype or dtypes.int64))
    return ops.prod(input, axes, keepdim)


def mean(
    input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """sum(input) / n over dim, or over all; nan of nothing.  [.., n, ..] -> [.., ..].

    Raises: ContractError for bools and integers, unless a floating dtype is given.
    """
    axes = normal_axes("mean", dim, rank("mean", input))
    if dtype is not None:
        input = ops.cast(input, dtypes.as_dtype(dtype))
    floating("mean", input)
    return ops.mean(input, axes, keepdim)


def var(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None,
) -> Tensor:  # fmt: skip
    """sum((input - mean)^2) / (n - correction) over dim, or over all.  [.., n, ..] -> [.., ..].

    unbiased: False for correction 0, else it is 1; also in place of dim, as in PyTorch.
    Raises: WrongType for both a correction and unbiased.
    """
    return variance("var", input, dim, unbiased, keepdim, correction)


@chain
@rounds_once
def std(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None,
) -> Tensor:  # fmt: skip
    """The square root of var.  [.., n, ..] -> [.., ..]."""
    return ops.root(variance("std", input, dim, unbiased, keepdim, correction))


def variance(
    op: str, x: Tensor, dim: Any, unbiased: bool | None, keepdim: bool, correction: float | None
) -> Tensor:
    """var, called by this name."""
    n = rank(op, x)
    floating(op, x)
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is None:
        correction = float(unbiased is not False)
    elif unbiased is not None:
        raise WrongType(f"{op}: correction {correction}, unbiased={unbiased}; give one of them")
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
    y = vector(x)
    place = ops.argmax(y if op == "max" else reverse(y), axis=axis, keepdim=True)
    return found(x, y, place, axis, keepdim)


def found(given: Tensor, x: Tensor, place: Tensor, axis: int, keepdim: bool) -> Extreme:
    """The elements of x, which was given, at places along an axis, and the places."""
    shape = place.shape if keepdim else reduced(place.shape, (axis,), False)
    shape = shape if given.ndim else ()
    return Extreme(*[ops.reshape(z, shape) for z in (ops.gather(x, place, axis), place)])


def reverse(x: Tensor) -> Tensor:
    """Numbers in the opposite order: the smallest of x is its largest.  [*s] -> [*s]."""
    return -x if x.dtype in dtypes.FLOATING else ~x


def is_dim(x: Any) -> bool:
    """Whether x is an integer, numpy's included, rather than a tensor to be compared with."""
    return hasattr(x, "__index__") and not hasattr(x, "_data")


def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The largest of all; along dim also where it first stands; of two tensors the larger.

    [.., n, ..] -> [], or (values, indices) [.., ..].  nan if any is.
    Raises: ContractError if there is nothing to choose from.
    """
    return most("max", input, other if dim is None else dim, keepdim, ops.max, ops.maximum)


def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """The smallest of all; along dim also where it first stands; of two tensors the smaller.

    [.., n, ..] -> [], or (values, indices) [.., ..].  nan if any is.
    Raises: ContractError if there is nothing to choose from.
    """
    return most("min", input, other if dim is None else dim, keepdim, ops.min, ops.minimum)


def most(op: str, x: Tensor, dim: Any, keepdim: bool, of_all: Any, of_two: Any) -> Any:
    """max or min, by the operations that find it among all and of two; dim may be a tensor."""
    if dim is None:
        return of_all(x, chosen(op, x, None), False)
    if is_dim(dim):
        return extreme(op, x, dim, keepdim)
    rank(op, dim)
    operands(op, x, dim)
    return of_two(x, dim)


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
    if given.dtype is dtypes.bool_:
        raise WrongDtype(f"{op}: {given.spec} has no order; convert it with .to()")
    axis = 0 if dim is None else normal_axis(op, dim, n)
    chosen(op, given, dim)
    if dim is None or n == 0:
        z = ops.argmax(flat(x), axis=0, keepdim=False)
        return ops.reshape(z, (1,) * n) if keepdim else z
    return ops.argmax(x, axis=axis, keepdim=keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the first smallest stands along dim, or of all.  [.., n, ..] -> int64[.., ..]."""
    rank("argmin", input)
    return first("argmin", input, reverse(input), dim, keepdim)


def any(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether an element is nonzero, over dim or all.  [.., n, ..] -> bool[.., ..].

    Of uint8 it is uint8; over dim=() each element by itself.
    """
    axes, x = normal_axes("any", dim, rank("any", input)), truths(input)
    return truth(input, x if no_dims(dim) else somewhere(x, axes, keepdim))


def all(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether every element is nonzero, over dim or all.  [.., n, ..] -> bool[.., ..].

    True of nothing.  Of uint8 it is uint8; over dim=() each element by itself.
    """
    axes, x = normal_axes("all", dim, rank("all", input)), logical_not(input)
    return truth(input, ~(x if no_dims(dim) else somewhere(x, axes, keepdim)))


def somewhere(x: Tensor, axes: Shape, keepdim: bool) -> Tensor:
    """Whether one of bools is true, over axes; of nothing none is."""
    if 0 in x.shape:
        return ops.greater(sum(x, axes, keepdim), 0)
    most = ops.max(ops.cast(x, dtypes.uint8), axes, keepdim=keepdim)
    return ops.cast(most, dtypes.bool_)


def truth(x: Tensor, z: Tensor) -> Tensor:
    """z, which is of bools, in the type that any and all of x have."""
    return ops.cast(z, dtypes.uint8) if x.dtype is dtypes.uint8 else z


@chain
def logsumexp(input: Tensor, dim: Dim, keepdim: bool = False) -> Tensor:
    """log(sum(exp(input))) over dim, without overflow.  [.., n, ..] -> [.., ..].

    -inf of nothing.
    """
    axes = normal_axes("logsumexp", dim, rank("logsumexp", input))
    if 0 in input.shape:
        return ops.log(ops.sum(ops.exp(input), axes, keepdim))
    if input.dtype is dtypes.bool_:
        input = input.float()
    top = ops.max(input.detach(), axes, keepdim=True)
    top = ops.where(isfinite(top), top, 0.0)
    z = ops.log(ops.sum(ops.exp(input - top), axes, keepdim=True)) + top
    return z if keepdim else ops.reshape(z, reduced(input.shape, axes, False))


def norm(
    input: Tensor, p: Any = "fro", dim: Dim = None, keepdim: bool = False,
    dtype: DType | None = None,
) -> Tensor:  # fmt: skip
    """(sum of |input|^p)^(1 / p) over dim, or over all.  [.., n, ..] -> [.., ..].

    p: "fro" for 2; inf and -inf for the largest and smallest, 0 for how many are not 0; "nuc" for
    the sum of singular values over two dims.
    dtype: in which it is computed.
    Raises: ContractError for another p, for bools and integers, and for a narrower dtype.
    """
    return named_norm(input if dtype is None else widened("norm", input, dtype), p, dim, keepdim)


@chain
@rounds_once
def named_norm(input: Tensor, p: Any, dim: Dim, keepdim: bool) -> Tensor:
    """norm, in the type that is given."""
    if isinstance(p, str) and p != "fro":
        from .linalg import matrix_norm

        if p != "nuc":
            raise ContractError(f"norm: p {p!r}; give a number, 'fro' or 'nuc'")
        axes = normal_axes("norm", dim, rank("norm", input))
        return matrix_norm(input, "nuc", axes, keepdim)
    return normed("norm", input, p, dim, keepdim, None)


def widened(op: str, x: Tensor, dtype: DType) -> Tensor:
    """x in this type.  Raises: ContractError unless both are floating, and it is no narrower."""
    wanted = dtypes.as_dtype(dtype)
    floating(op, x)
    if dtypes.promote(x.dtype, wanted) is not wanted:
        raise ContractError(f"{op}: {x.spec} in {wanted.name}; give a wider floating dtype")
    return ops.cast(x, wanted)


def normed(op: str, x: Tensor, p: Any, dim: Dim, keepdim: bool, dtype: DType | None) -> Tensor:
    """norm, called by this name."""
    axes = normal_axes(op, dim, rank(op, x))
    p = 2.0 if p == "fro" or p is None else p
    operands(op, p)
    floating(op, x)
    if dtype is not None:
        x = widened(op, x, dtype)
    if p in (math.inf, -math.inf):
        nonempty(op, x, axes)
        return (amax if p > 0 else amin)(ops.abs(x), axes, keepdim)
    if p == 2.0:
        return ops.root(sum(x * x, axes, keepdim))
    if p == 0.0:
        return sum(ops.where(ops.not_equal(x, 0), 1.0, ops.sign(x)), axes, keepdim)
    if p == 1.0:
        return sum(ops.abs(x), axes, keepdim)
    return power(sum(power(ops.abs(x), p), axes, keepdim), 1.0 / p)


def power(x: Tensor, p: float) -> Tensor:
    """x^p with the gradient 0 where x is 0.  [*s] -> [*s]."""
    none = ops.equal(x, 0)
    return ops.where(none, 0.0 if p > 0 else math.inf, ops.pow(ops.where(none, 1.0, x), p))


def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Bounds:
    """The smallest and the largest along dim, or of all; equals share the gradient.

    [.., n, ..] -> [.., ..] twice.
    Raises: ContractError if there is nothing to choose from.
    """
    axes = chosen("aminmax", input, dim)
    return Bounds(*[f(input, axes, keepdim) for f in (ops.min, ops.max)])


class Bounds(NamedTuple):
    """What aminmax returns."""

    min: Tensor
    max: Tensor


def var_mean(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """var and mean over dim, or over all.  [.., n, ..] -> [.., ..] twice."""
    z = variance("var_mean", input, dim, unbiased, keepdim, correction)
    return z, mean(input, None if isinstance(dim, bool) else dim, keepdim)


def std_mean(
    input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *,
    correction: float | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """std and mean over dim, or over all.  [.., n, ..] -> [.., ..] twice."""
    z = variance("std_mean", input, dim, unbiased, keepdim, correction)
    return ops.root(z), mean(input, None if isinstance(dim, bool) else dim, keepdim)


def count_nonzero(input: Tensor, dim: Dim = None) -> Tensor:
    """How many elements are not zero, over dim or all.  [.., n, ..] -> int64[.., ..]."""
    axes = normal_axes("count_nonzero", dim, rank("count_nonzero", input))
    counted = ops.cast(ops.not_equal(input, 0), dtypes.int64)
    return ops.sum(counted, axes, keepdim=False)


def cumsum(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """The sum of each element and all before it; of integers as int64.  [.., n, ..] -> the same."""
    return running("cumsum", ops.cumsum, input, dim, dtype)


def cumprod(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """The product of each element and all before it; of integers as int64.

    [.., n, ..] -> [.., n, ..].
    """
    return running("cumprod", ops.cumprod, input, dim, dtype)


def running(op: str, scan: Any, x: Tensor, dim: int, dtype: DType | None) -> Tensor:
    """The scan of x along dim; a 0-d tensor is one element."""
    axis = normal_axis(op, dim, rank(op, x))
    if dtype is not None or x.dtype not in dtypes.FLOATING:
        x = ops.cast(x, dtypes.as_dtype(dtype or dtypes.int64))
    return ops.reshape(scan(vector(x), axis), x.shape)


def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """log(cumsum(exp(input))) along dim, without overflow.  [.., n, ..] -> [.., n, ..].

    Raises: ContractError for bools and integers.
    """
    floating("logcumsumexp", input)
    return running("logcumsumexp", ops.logcumsumexp, input, dim, None)


def cummax(input: Tensor, dim: int) -> Extreme:
    """The largest of each element and all before it, and where it last stands.

    [.., n, ..] -> [.., n, ..] twice.  After nan all are nan.
    """
    rank("cummax", input)
    return furthest("cummax", input, input, dim)


def cummin(input: Tensor, dim: int) -> Extreme:
    """The smallest of each element and all before it, and where it last stands.

    [.., n, ..] -> [.., n, ..] twice.  After nan all are nan.
    """
    rank("cummin", input)
    return furthest("cummin", input, reverse(input), dim)


def furthest(op: str, x: Tensor, turned: Tensor, dim: int) -> Extreme:
    """x where the running maximum of what was turned last stands."""
    axis = normal_axis(op, dim, x.ndim)
    flat, turned = (vector(v) for v in (x, turned.detach()))
    places = numbered(flat.shape[axis], axis, flat)
    hit = ops.equal(turned, ops.cummax(turned, axis)) | ops.not_equal(turned, turned)
    return found(x, flat, ops.cummax(ops.where(hit, places, 0), axis), axis, True)


@autocasts("wide")
def trace(input: Tensor) -> Tensor:
    """The sum of the diagonal; of integers as int64.  [n, m] -> [].

    Raises: ContractError unless input is a matrix.
    """
    if rank("trace", input) != 2:
        raise ContractError(f"trace: {input.spec} is no matrix; give one with 2 dims")
    rows, columns = (numbered(n, axis, input) for axis, n in enumerate(input.shape))
    return sum(ops.where(ops.equal(rows, columns), input, 0))


@chain
def dist(input: Tensor, other: Tensor, p: float = 2.0) -> Tensor:
    """The p-norm of input - other.  [*s], [*s] -> []."""
    tensors("dist", input, other)
    return norm(input - other, p)


@autocasts("wide")
@chain
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0) -> Tensor:
    """The p-norm of the difference of each row of x1 and each of x2.

    [*b, m, k], [*b, n, k] -> [*b, m, n].
    Raises: ContractError unless the rows are of one length, and p not negative.
    """
    together("cdist", x1, x2)
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise ContractError(f"cdist: {x1.spec} and {x2.spec}; give rows of one length")
    if not p >= 0:
        raise ContractError(f"cdist: p={p}; it is not negative")
    rows = ops.reshape(x1, (*x1.shape[:-1], 1, x1.shape[-1]))
    columns = ops.reshape(x2, (*x2.shape[:-2], 1, *x2.shape[-2:]))
    operands("cdist", rows, columns)
    return norm(rows - columns, p, -1)


def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The middle one in order, the lower of two; along dim also where it stands; nan if any is.

    Without dim, equals share the gradient.

    [.., n, ..] -> [], or (values, indices) [.., ..].
    Raises: ContractError if there is nothing to choose from.
    """
    if dim is None and input.dtype in dtypes.FLOATING and 0 in input.shape:
        return constant(math.nan, (), input)
    axes = chosen("median", input, dim)
    if dim is None:
        return ops.median(input)
    x = vector(input)
    axis = axes[0] if axes else 0
    return found(input, x, ops.middle(x, axis=axis), axis, keepdim)


def nansum(
    input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """sum, where nan counts as 0.  [.., n, ..] -> [.., ..]."""
    rank("nansum", input)
    return sum(ops.where(ops.not_equal(input, input), 0, input), dim, keepdim, dtype=dtype)
