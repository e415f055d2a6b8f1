"""Elements put where tensors say: by places along a dim, by masks, by flat numbers."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from .. import dtypes, ops
from ..errors import ContractError
from ..ops.creation import constant, naturals
from ..ops.indexing import indices
from ..ops.movement import part
from ..spec import normal_axis, size
from .given import rank, together
from .indexing import filling, nonzero, numel, placed, searchsorted, sort, trimmed
from .movement import flat, numbered, stretched
from .reduction import any, reverse

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["argwhere", "index_put", "isin", "masked_scatter", "scatter_reduce", "take"]


def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """What of src comes to each place, see scatter, reduced to one.  [.., n, ..] -> [.., n, ..].

    reduce: "sum", "prod", "mean", or "amax" and "amin", where equals share the gradient.
    include_self: what input has there takes part.
    Raises: ContractError for other words; IndexOutOfRange.
    """
    op, n = "scatter_reduce", rank("scatter_reduce", input)
    together(op, input, index, src)
    axis, dtype = normal_axis(op, dim, n), input.dtype
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise ContractError(
            f"{op}: reduce {reduce!r}; give 'sum', 'prod', 'mean', 'amax' or 'amin'"
        )
    if index.dtype not in dtypes.INTEGER or src.dtype is not dtype:
        raise ContractError(f"{op}: index {index.spec}, src {src.spec}; give int64, {dtype.name}")
    x, index, src = (v if v.ndim else flat(v) for v in (input, index, src))
    src = trimmed(src, index.shape)
    scattered = partial(placed, op)
    if not include_self:
        nothing = filling(neutral(reduce, dtype), input, index.shape)
        x = scattered(ops.scatter, axis, x, index, nothing)
    if reduce in ("amax", "amin"):
        x, src = (v if reduce == "amax" else reverse(v) for v in (x, src))
        z = scattered(ops.scatter_max, axis, x, index, src)
        z = z if reduce == "amax" else reverse(z)
    elif reduce == "prod":
        z = x * products(x, index, src, axis)
    else:
        z = scattered(ops.scatter_add, axis, x, index, src)
    if reduce == "mean":
        own = filling(1, input, x.shape)
        if not include_self:
            own = ops.scatter(own, index, filling(0, input, index.shape), axis=axis)
        count = ops.scatter_add(own, index, filling(1, input, index.shape), axis=axis)
        count = ops.maximum(count, 1)
        z = z / count if dtype in dtypes.FLOATING else ops.floordiv(z, count)
    return ops.reshape(z, input.shape)


def products(x: Tensor, index: Tensor, src: Tensor, axis: int) -> Tensor:
    """The product of what of src comes to each place of x; 1 where nothing does.

    What comes to one place is made neighbours by sorting; then each element is multiplied by the
    one 1, 2, 4, .. before it, while that is for the same place.
    """
    m = index.shape[axis]
    numbers = numbered(m, axis, x)
    order = ops.argsort(index, axis=axis, descending=False)
    index, z = (ops.gather(v, order, axis) for v in (index, src))
    step = 1
    while step < m:
        rest = part(z, axis, step, m - step)
        same = ops.equal(part(index, axis, step, m - step), part(index, axis, 0, m - step))
        rest = rest * ops.where(same, part(z, axis, 0, m - step), filling(1, src, ()))
        z, step = ops.concat(part(z, axis, 0, step), rest, axis=axis), step * 2
    shape = tuple([x.shape[i] if i == axis else k for i, k in enumerate(index.shape)])
    none = constant(-1, shape, x, dtypes.int64)
    last = placed("scatter_reduce", ops.scatter, axis, none, index, ops.expand(numbers, z.shape))
    if m:
        whole = ops.gather(z, ops.maximum(last, 0), axis)
        z = ops.where(ops.less(last, 0), filling(1, src, ()), whole)
    else:
        z = filling(1, src, shape)
    return ops.pad(z, tuple([(0, m - k) for m, k in zip(x.shape, z.shape, strict=True)]), 1)


def neutral(reduce: str, dtype: Any) -> Any:
    """What changes nothing when values of a type are reduced."""
    if reduce in ("sum", "prod", "mean"):
        return int(reduce == "prod")
    if dtype in dtypes.FLOATING:
        return -math.inf if reduce == "amax" else math.inf
    if dtype is dtypes.bool_:
        return reduce == "amin"
    limits = dtypes.iinfo(dtype)
    return int(limits.min if reduce == "amax" else limits.max)


def index_put(
    input: Tensor, indices: Sequence[Any], values: Tensor, accumulate: bool = False
) -> Tensor:
    """input with values at input[indices]; accumulate: added to it.  [*s] -> [*s].

    indices: tensors of integers or bools, None for all of a dim.
    """
    together("index_put", input, values)
    if values.dtype is not input.dtype:
        raise ContractError(f"index_put: {values.spec} into {input.spec}; give it the same dtype")
    numbers = naturals(numel(input), input)
    where = tuple([slice(None) if i is None else i for i in indices])
    spots = ops.reshape(numbers, input.shape)[where]
    source = flat(stretched("index_put", values, spots.shape))
    put = ops.scatter_add if accumulate else ops.scatter
    return ops.reshape(put(flat(input), flat(spots), source, axis=0), input.shape)


def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements by their number, row by row, from the end if below 0.  [*s], int[*t] -> [*t]."""
    together("take", input, index)
    indices("take", index)
    made: Tensor = flat(input)[index]
    return made


def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """input with source at elements of these numbers.  [*s], int[*t], [*t] -> [*s].  See take."""
    together("put", input, index, source)
    made = index_put(flat(input), [index], ops.reshape(source, index.shape), accumulate)
    return ops.reshape(made, input.shape)


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """input, but where mask holds the next element of source, row by row.  [*s] -> [*s].

    Raises: ContractError for a mask of no bools, or another dtype; IndexOutOfRange if source is
    too short.
    """
    op = "masked_scatter"
    together(op, input, mask, source)
    if mask.dtype is not dtypes.bool_ or source.dtype is not input.dtype:
        given = f"mask {mask.spec}, source {source.spec}"
        raise ContractError(f"{op}: {given}; give bool and {input.dtype.name}")
    mask = flat(stretched(op, mask, input.shape))
    if not (numel(mask) and numel(source)):
        return ops.clone(input)
    place = ops.cumsum(ops.cast(mask, dtypes.int64), axis=0) - 1
    found = ops.take(flat(source), ops.where(mask, place, 0), axis=0)
    return ops.reshape(ops.where(mask, found, flat(input)), input.shape)


def isin(
    elements: Any, test_elements: Any, *, assume_unique: bool = False,  # noqa: ARG001  never wrong
    invert: bool = False,
) -> Tensor:  # fmt: skip
    """Whether each element is among test_elements; invert: is not.  [*s], [*t] -> bool[*s].

    assume_unique makes no difference.  Raises: ContractError for bools.
    """
    for x in (elements, test_elements):
        if getattr(x, "dtype", None) is dtypes.bool_:
            raise ContractError(f"isin: {x.spec}; convert it with .int()")
    if not (hasattr(elements, "_data") and hasattr(test_elements, "_data")):
        found = ops.equal(elements, test_elements)
        found = any(found) if hasattr(test_elements, "_data") else found
    else:
        together("isin", elements, test_elements)
        x, among = ops.elementwise.promoted(elements.detach(), flat(test_elements.detach()))
        if n := numel(among):
            among = sort(among).values
            place = ops.minimum(searchsorted(among, x), n - 1)
            found = ops.equal(ops.take(among, place, axis=0), x)
        else:
            found = constant(False, x.shape, x, dtypes.bool_)
    return ops.bitwise_not(found) if invert else found


def fill_diagonal(input: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """input with fill_value on its main diagonal; wrap: on and on below it.  [n, m] -> [n, m].

    Raises: ContractError for a vector, and for more than two dims unless they are alike.
    """
    n = rank("fill_diagonal", input)
    if n < 2 or (n > 2 and len(set(input.shape)) > 1):
        raise ContractError(f"fill_diagonal: {input.spec}; give a matrix, or dims of one length")
    step = 1 + builtins.sum(math.prod(input.shape[i:]) for i in range(1, n))
    limit = size(input.shape) if wrap or n > 2 else input.shape[1] ** 2
    numbers = naturals(size(input.shape), input)
    hit = ops.equal(ops.remainder(numbers, step), 0) & ops.less(numbers, limit)
    return ops.where(ops.reshape(hit, input.shape), filling(fill_value, input, ()), input)


def argwhere(input: Tensor) -> Tensor:
    """Where elements are not 0, row by row.  [*s] -> int64[k, d]."""
    made: Tensor = nonzero(input)
    return made
