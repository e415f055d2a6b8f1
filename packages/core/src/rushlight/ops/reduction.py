"""Reductions over sorted axes."""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..errors import ContractError, IndexOutOfRange
from ..op import composite, primitive
from ..spec import EVERY, Shape, Spec, reduced, size
from .elementwise import (
    add,
    bitwise_and,
    bitwise_not,
    bitwise_or,
    cast,
    clone,
    equal,
    floating_composite,
    greater,
    logaddexp,
    maximum,
    mul,
    not_equal,
    where,
)
from .indexing import argsort, gather
from .movement import around, concat, expand, flipped, pad, part, reshape

__all__ = [
    "argmax", "cummax", "cumprod", "cumsum", "logcumsumexp", "max", "mean", "median", "middle",
    "min", "prod", "sum", "var",
]  # fmt: skip


def kept(op: str, x: Spec, axes: Shape, keepdim: bool) -> Spec:
    """The Spec of a reduction.  Raises: ContractError unless axes are sorted, distinct, there."""
    if list(axes) != sorted(set(axes)) or (axes and not 0 <= axes[0] <= axes[-1] < x.ndim):
        raise ContractError(
            f"{op}: axes {axes} of {x}; give sorted axes from 0 to {x.ndim - 1}, each once"
        )
    return Spec(reduced(x.shape, axes, keepdim), x.dtype)


def nonempty(op: str, x: Any, axes: Shape) -> None:
    """Raises: IndexOutOfRange if there is nothing among which to choose."""
    if any(n == 0 for i, n in enumerate(x.shape) if i in axes):
        given = Spec(x.shape, x.dtype)
        raise IndexOutOfRange(
            f"{op}: {given} has no elements along axes {axes}; there is no {op} of nothing"
        )


def unreduced(g: Any, shape: Shape, axes: Shape, keepdim: bool) -> Any:
    """g of a reduction, its lost axes back as length one where broadcasting needs them."""
    leading = axes == EVERY[len(axes)]
    return g if keepdim or leading else reshape(g, reduced(shape, axes, keepdim=True))


def count(shape: Shape, axes: Shape) -> int:
    """How many elements the axes span."""
    return size(tuple([shape[i] for i in axes]))


def widened(x: Any) -> Any:
    """x in float32 if it is of half precision, else x itself."""
    half = x.dtype in dtypes.FLOATING and x.dtype.itemsize == 2
    return cast(x, dtypes.float32) if half else x


@primitive
def sum(x: Spec, *, axes: Shape, keepdim: bool) -> Spec:
    """Sum over axes; 0 of nothing.  [.., n, ..] -> [.., 1, ..] or [.., ..].

    Sums of float16 and bfloat16 are carried in float32.
    """
    return kept("sum", x, axes, keepdim)


sum.gradients(
    x=lambda g, x_shape, axes, keepdim: expand(unreduced(g, x_shape, axes, keepdim), x_shape)
)


@primitive
def prod(x: Spec, *, axes: Shape, keepdim: bool) -> Spec:
    """Product over axes; 1 of nothing.  [.., n, ..] -> [.., 1, ..] or [.., ..]."""
    return kept("prod", x, axes, keepdim)


@prod.vjp
def prod_vjp(g: Any, x: Any, *, axes: Shape, keepdim: bool) -> tuple[Any]:
    """g times the product of all the others, by no division: right where elements are 0."""
    z = unreduced(g, x.shape, axes, keepdim)
    rest = widened(x)
    for i in reversed(axes):
        z = z * others(rest, i)
        rest = prod(rest, axes=(i,), keepdim=True)
    return (cast(z, x.dtype),)


def others(x: Any, axis: int) -> Any:
    """The product of all along an axis but each element itself.  [.., n, ..] -> [.., n, ..]."""
    widths = around(x.ndim, axis, 1, 0)
    before, after = (
        cumprod(part(pad(y, widths=widths, value=1), axis, 0, x.shape[axis]), axis=axis)
        for y in (x, flipped(x, axis))
    )
    return before * flipped(after, axis)


@primitive
def max(x: Spec, *, axes: Shape, keepdim: bool) -> Spec:
    """The largest over axes; nan if any is; ties share the gradient.

    [.., n, ..] -> [.., 1, ..] or [.., ..].
    Raises: ContractError if there is nothing to choose from.
    """
    made = kept("max", x, axes, keepdim)
    nonempty("max", x, axes)
    return made


@max.vjp
def max_vjp(g: Any, x: Any, z: Any, *, axes: Shape, keepdim: bool) -> tuple[Any]:
    """g, shared by all elements equal to the largest."""
    g, z = (unreduced(v, x.shape, axes, keepdim) for v in (g, z))
    largest = cast(equal(x, z), g.dtype)
    return (g * (largest / sum(largest, axes, keepdim=True)),)


@composite
def min(x: Any, *, axes: Shape, keepdim: bool) -> Any:
    """The smallest over axes; nan if any is; ties share the gradient.

    [.., n, ..] -> [.., 1, ..] or [.., ..].
    """
    nonempty("min", x, axes)
    if x.dtype in dtypes.FLOATING:
        return -max(-x, axes, keepdim)
    # ~x is -1 - x: it turns the order round without overflow, and of bools too
    return bitwise_not(max(bitwise_not(x), axes, keepdim))


@primitive(constant=True)
def argmax(x: Spec, *, axis: int, keepdim: bool) -> Spec:
    """Where along an axis the first largest stands, or nan.  [.., n, ..] -> int64[.., ..]."""
    made = kept("argmax", x, (axis,), keepdim)
    nonempty("argmax", x, (axis,))
    return made._replace(dtype=dtypes.int64)


@composite(constant=True)
def middle(x: Any, *, axis: int) -> Any:
    """Where the middle one in order stands, the lower of two; nan if any is.

    [.., n, ..] -> int64[.., 1, ..].
    """
    n = x.shape[axis]
    order = argsort(x, axis=axis, descending=False)
    odd = sum(cast(not_equal(x, x), dtypes.int64), (axis,), keepdim=True)  # the last
    return gather(order, where(greater(odd, 0), n - odd, (n - 1) // 2), axis=axis)


@composite
def median(x: Any) -> Any:
    """The middle one of all in order, the lower of two; nan if any is; ties share the gradient.

    [*s] -> [].
    """
    nonempty("median", x, EVERY[x.ndim])
    flat = reshape(x, (size(x.shape),))
    return reshape(gather(flat, middle(flat, axis=0), axis=0), ())


@median.vjp
def median_vjp(g: Any, x: Any, z: Any) -> tuple[Any]:
    """g, shared by all elements equal to the median, or by those that are nan."""
    odd = bitwise_and(not_equal(x, x), not_equal(z, z))
    found = cast(bitwise_or(equal(x, z), odd), g.dtype)
    return (g * (found / sum(found, axes=EVERY[x.ndim], keepdim=False)),)


@composite
def mean(x: Any, *, axes: Shape, keepdim: bool) -> Any:
    """sum(x) / n over axes; nan of nothing.  [.., n, ..] -> [.., 1, ..] or [.., ..]."""
    wide = widened(x)  # the sum alone may not fit
    z = sum(wide, axes, keepdim) / count(x.shape, axes)
    return z if wide is x else cast(z, x.dtype)


def mean_gx(g: Any, x_shape: Shape, axes: Shape, keepdim: bool) -> Any:
    """g / n, for every element of the mean."""
    return expand(unreduced(g / count(x_shape, axes), x_shape, axes, keepdim), x_shape)


mean.gradients(x=mean_gx)


@composite
def var(x: Any, *, axes: Shape, correction: float, keepdim: bool) -> Any:
    """sum((x - mean)^2) / (n - correction) over axes.  [.., n, ..] -> [.., 1, ..] or [.., ..]."""
    away = x - mean(x, axes, keepdim=True)
    n = count(x.shape, axes)
    total = sum(away * away, axes, keepdim)
    return total / (n - correction if n > correction else 0)


# By doubling: after k steps each element holds what the 2^k up to it make (Hillis, Steele 1986).


def scanned(x: Any, axis: int, combine: Any, fill: float | None) -> Any:
    """Each element combined with all before it.  fill: changes nothing; None: twice is once."""
    n, step, z = x.shape[axis], 1, clone(x)
    while step < n:
        if fill is None:
            earlier = concat(part(z, axis, 0, step), part(z, axis, 0, n - step), axis=axis)
        else:
            widths = around(x.ndim, axis, step, 0)
            earlier = pad(part(z, axis, 0, n - step), widths=widths, value=fill)
        z, step = combine(earlier, z), step * 2
    return z


@composite
def cumsum(x: Any, *, axis: int) -> Any:
    """The sum of each element and all before it along an axis.  [.., n, ..] -> [.., n, ..]."""
    return cast(scanned(widened(x), axis, add, 0), x.dtype)


def cumsum_gx(g: Any, axis: int) -> Any:
    """The sum of g from each element on."""
    return flipped(cumsum(flipped(g, axis), axis=axis), axis)


cumsum.gradients(x=cumsum_gx)


@composite
def cumprod(x: Any, *, axis: int) -> Any:
    """The product of each element and all before it.  [.., n, ..] -> [.., n, ..]."""
    return scanned(x, axis, mul, 1)


@floating_composite
def logcumsumexp(x: Any, *, axis: int) -> Any:
    """log(cumsum(exp(x))), without overflow.  [.., n, ..] -> [.., n, ..]."""
    return scanned(x, axis, logaddexp, -math.inf)


@composite
def cummax(x: Any, *, axis: int) -> Any:
    """The largest of each element and all before it; nan after nan.  [.., n, ..] -> [.., n, ..]."""
    return scanned(x, axis, maximum, None)
