"""Order statistics, differences and sums along dims."""

from __future__ import annotations

import builtins
import math
from typing import TYPE_CHECKING, Any

from .. import dtypes, ops
from ..errors import ContractError, IndexOutOfRange
from ..ops.creation import constant
from ..ops.movement import part
from ..spec import normal_axis, size
from .elementwise import lerp
from .given import Dim, floating, hold, rank, together, whole
from .indexing import sort
from .movement import along, flat, joined, movedim, numbered, unsqueeze, vector
from .precision import autocasts
from .reduction import Extreme, found, nansum, sum

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "diff", "histc", "kthvalue", "mode", "nanmean", "nanquantile", "quantile", "trapezoid", "trapz",
]  # fmt: skip


def nanmean(input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """mean of what is not nan; nan of nothing else.  [.., n, ..] -> [.., ..]."""
    floating("nanmean", input)
    count = sum(ops.equal(input, input), dim, keepdim)
    return nansum(input, dim, keepdim, dtype=dtype) / count


@autocasts("wide")
def quantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *,
    interpolation: str = "linear",
) -> Tensor:  # fmt: skip
    """The value below which a part q of the elements lies, along dim or of all; nan if any is.

    [.., n, ..] -> [.., ..], or [k, .., ..] for a vector q of k parts from 0 to 1.
    interpolation: between neighbours "linear" or "midpoint", else "lower", "higher" or "nearest".
    Raises: ContractError for integers, another dtype of q, a q beyond 0 to 1 (not while tracing),
    and an empty dim.
    """
    return parted("quantile", input, q, dim, keepdim, interpolation)


@autocasts("wide")
def nanquantile(
    input: Tensor, q: Any, dim: int | None = None, keepdim: bool = False, *,
    interpolation: str = "linear",
) -> Tensor:  # fmt: skip
    """quantile of what is not nan.  [.., n, ..] -> [.., ..]."""
    return parted("nanquantile", input, q, dim, keepdim, interpolation)


def parted(
    op: str, input: Tensor, q: Any, dim: int | None, keepdim: bool, interpolation: str
) -> Tensor:
    """quantile, called by this name."""
    n = rank(op, input)
    if input.dtype not in (dtypes.float32, dtypes.float64):
        raise ContractError(f"{op}: {input.spec}; convert it with .float()")
    if not hasattr(q, "_data"):
        q = constant(q, (), input)
    together(op, input, q)
    wrong = f"q {q.spec} of {input.spec}; give it that dtype, from 0 to 1"
    if q.dtype is not input.dtype or q.ndim > 1:
        raise ContractError(f"{op}: {wrong}")
    hold(op, ops.greater_equal(q, 0) & ops.less_equal(q, 1), wrong)
    if interpolation not in (*ROUNDED, "linear", "midpoint"):
        known = ", ".join(["linear", "midpoint", *ROUNDED])
        raise ContractError(f"{op}: interpolation {interpolation!r}; give one of {known}")
    axis = normal_axis(op, dim or 0, n)
    whole = dim is None or n == 0
    x = flat(input) if whole else movedim(input, axis, -1)
    count, last = x.shape[-1], x.ndim - 1
    if not count:
        raise ContractError(f"{op}: {input.spec}; give elements to order")
    x = sort(x, -1).values
    odd = sum(ops.not_equal(x, x), -1, True)  # they come last in order
    q_ = flat(q)
    if op == "nanquantile":
        at = ops.maximum(q_ * (count - 1 - odd), 0.0)
    else:
        at = ops.where(ops.greater(odd, 0), count - 1.0, q_ * (count - 1))
    low = ROUNDED.get(interpolation, ops.floor)(at)
    share = ops.ceil(at - low) / 2 if interpolation == "midpoint" else at - low
    places = [ops.cast(v, dtypes.int64) for v in (low, ops.ceil(at))]
    below, above = (ops.gather(x, place, axis=last) for place in places)
    z = movedim(below if interpolation in ROUNDED else lerp(below, above, share), -1, 0)
    if keepdim:
        z = ops.reshape(z, (z.shape[0], *(1,) * n)) if whole else unsqueeze(z, axis + 1)
    return z if q.ndim else ops.reshape(z, z.shape[1:])


# which element a place between two stands for; without these, a share of both
ROUNDED: dict[str, Any] = {"lower": ops.floor, "higher": ops.ceil, "nearest": ops.round}


def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Extreme:
    """The k-th smallest along dim, and where it stands.  [.., n, ..] -> [.., ..] twice.

    Raises: ContractError unless k is from 1 to n, IndexOutOfRange if n is 0.
    """
    axis = normal_axis("kthvalue", dim, rank("kthvalue", input))
    x = vector(input)
    if x.shape[axis] == 0:
        raise IndexOutOfRange(f"kthvalue: {x.spec} has nothing along dim {dim}; give elements")
    if not 1 <= k <= x.shape[axis]:
        raise ContractError(f"kthvalue: k {k}; give one from 1 to {x.shape[axis]}")
    place = ops.argselect(x, axis=axis, first=k - 1, count=1, descending=False)
    return found(input, x, place, axis, keepdim)


def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Extreme:
    """The most frequent along dim, of several the smallest, and where it last stands.

    [.., n, ..] -> [.., ..] twice.
    """
    axis = normal_axis("mode", dim, rank("mode", input))
    x = vector(input)
    if not x.shape[axis]:
        raise IndexOutOfRange(f"mode: {input.spec}; give elements to count")
    order = ops.argsort(x, axis=axis, descending=False)
    y = ops.gather(x.detach(), order, axis)
    n = x.shape[axis]
    numbers = numbered(n, axis, x)
    fresh = ops.not_equal(part(y, axis, 1, n - 1), part(y, axis, 0, n - 1))
    starts = ops.where(fresh, part(numbers, axis, 1, n - 1), 0)
    starts = ops.pad(starts, tuple([(int(i == axis), 0) for i in range(x.ndim)]), 0)
    runs = numbers - ops.cummax(starts, axis)  # how many equal ones come before each
    last = ops.argmax(runs, axis=axis, keepdim=True)
    return found(input, x, ops.gather(order, last, axis), axis, keepdim)


def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements lie in each of equal bins from min to max.  [*s] -> [bins].

    min, max: both 0 for the smallest and the largest element.
    Raises: ContractError for integers, bounds that are not finite, and max below min.
    """
    floating("histc", input)
    bins, x = whole("histc", "bins", bins, 1), ops.reshape(input.detach(), (size(input.shape),))
    low, high = float(min), float(max)
    if low == high and x.shape[0]:
        low, high = (float(f(x, (0,), keepdim=False).item()) for f in (ops.min, ops.max))
    low, high = (low - 1, high + 1) if low == high else (low, high)
    if not -math.inf < low < high < math.inf:
        raise ContractError(f"histc: bounds {low} and {high}; give finite ones, max above min")
    inside = ops.greater_equal(x, low) & ops.less_equal(x, high)
    at = ops.floor((ops.where(inside, x, low) - low) * (bins / (high - low)))
    at = ops.cast(ops.minimum(at, bins - 1), dtypes.int64)
    counts = constant(0, (bins,), x)
    return ops.scatter_add(counts, at, ops.cast(inside, x.dtype), axis=0)


def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Each element along dim less the one before, n times; of bools whether they differ.

    [.., m, ..] -> [.., m - n, ..].  prepend, append: joined to input before.
    """
    axis = along("diff", input, dim)
    x = joined([v for v in (prepend, input, append) if v is not None], axis)
    for _ in range(builtins.min(whole("diff", "n", n), x.shape[axis])):
        m = x.shape[axis] - 1
        ahead, behind = part(x, axis, 1, m), part(x, axis, 0, m)
        x = ops.not_equal(ahead, behind) if x.dtype is dtypes.bool_ else ahead - behind
    return x


def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """The area under y along dim, by straight lines over places x, or dx apart.

    [.., n, ..] -> [.., ..].
    """
    axis = along("trapezoid", y, dim)
    if dtypes.bool_ in (y.dtype, getattr(x, "dtype", None)):
        raise ContractError(f"trapezoid: {y.spec}; convert bools with .int()")
    n = builtins.max(y.shape[axis] - 1, 0)
    pairs = part(y, axis, n and 1, n) + part(y, axis, 0, n)
    if x is None:
        return sum(pairs, axis) * (0.5 * dx)
    together("trapezoid", y, x)
    x = ops.reshape(x, (*x.shape, *(1,) * (y.ndim - axis - 1))) if x.ndim == 1 else x
    return sum(pairs * diff(x, dim=x.ndim - y.ndim + axis), axis) * 0.5


trapz = trapezoid
