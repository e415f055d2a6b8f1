"""`x[...]` and `x[...] = v`: what stands between brackets becomes slices, reshapes and takes."""

from __future__ import annotations

from typing import Any, NamedTuple

from . import dtypes, ops
from .alias import refresh
from .errors import ContractError, IndexOutOfRange
from .spec import Shape
from .tensor import Tensor


class Plan(NamedTuple):
    """What an index means: a slice of every axis, then a reshape; and tensors, by axis of that."""

    bounds: tuple[tuple[int, int, int], ...]
    shape: Shape
    tensors: tuple[tuple[int, Tensor], ...]


def plan(x: Tensor, index: Any) -> Plan:
    """What index means for x.

    Raises: IndexOutOfRange for an int beyond its axis, ContractError for what is no index of x.
    """
    parts = index if isinstance(index, tuple) else (index,)
    parts = tuple([as_part(x, part) for part in parts])
    used = sum(
        part.ndim if is_mask(part) else 1
        for part in parts
        if part is not None and part is not Ellipsis
    )
    if used > x.ndim:
        raise IndexOutOfRange(f"index: {used} indices for {x.spec}; it has {x.ndim} dims")
    dots = sum(part is Ellipsis for part in parts)
    if dots > 1:
        raise ContractError("index: more than one '...'; use it once")
    rest = (slice(None),) * (x.ndim - used)
    if dots:
        at = next(i for i, part in enumerate(parts) if part is Ellipsis)
        parts = (*parts[:at], *rest, *parts[at + 1 :])
    else:
        parts = (*parts, *rest)
    bounds, shape, tensors, axis = [], [], [], 0
    for part in parts:
        if part is None:
            shape.append(1)
            continue
        if is_mask(part) and part.ndim == 0:  # of a new axis of length one
            tensors.append((len(shape), ops.reshape(part, (1,))))
            shape.append(1)
            continue
        n = x.shape[axis]
        if isinstance(part, int):
            if not -n <= part < n:
                raise IndexOutOfRange(f"index: {part} is out of range for dim {axis} with size {n}")
            bounds.append((part % n, 1, 1))
        elif isinstance(part, slice):
            start, stop, step = part.indices(n)
            length = len(range(start, stop, step))
            bounds.append((start, length, step) if length else (0, 0, 1))
            shape.append(length)
        else:
            tensors.append((len(shape), part))
            for m in x.shape[axis : axis + (part.ndim if is_mask(part) else 1)]:
                bounds.append((0, m, 1))
                shape.append(m)
            axis += part.ndim - 1 if is_mask(part) else 0
        axis += 1
    return Plan(tuple(bounds), tuple(shape), tuple(tensors))


def as_part(x: Tensor, part: Any) -> Any:
    """One part of an index: int, slice, None, Ellipsis or a tensor of integers or bools."""
    if part is None or part is Ellipsis or isinstance(part, slice):
        return part
    if isinstance(part, (list, range)) or hasattr(part, "__array_interface__"):
        from .creation import tensor

        part = tensor(list(part) if isinstance(part, range) else part, device=x.device)
    if isinstance(part, bool):
        raise ContractError(
            "index: a bool is no index; use None for a new dim, or a bool tensor for a mask"
        )
    if not isinstance(part, Tensor):
        try:
            return part.__index__()
        except AttributeError:
            given = type(part).__name__
            raise ContractError(
                f"index: {given} is no index; use ints, slices, None, '...' or tensors"
            ) from None
    if part.dtype is dtypes.bool_ or part.dtype in dtypes.INTEGER:
        return part
    raise ContractError(f"index: a tensor {part.spec} is no index; convert it to int64 or bool")


def is_mask(part: Any) -> bool:
    """Whether a part of an index is a tensor of bools."""
    return isinstance(part, Tensor) and part.dtype is dtypes.bool_


def read(x: Tensor, index: Any) -> Tensor:
    """x[index]; of ints and slices a view that can be assigned through.  [*s] -> [..]."""
    found = plan(x, index)
    z = sliced(x, found)
    if found.tensors:
        return taken(z, found)
    return ops.reshape(x, x.shape) if z is x else z


def sliced(x: Tensor, found: Plan) -> Tensor:
    """x sliced and reshaped as the plan says; x itself if there is nothing to do."""
    if any(b != (0, n, 1) for b, n in zip(found.bounds, x.shape, strict=True)):
        x = ops.slice(x, found.bounds)
    return x if x.shape == found.shape else ops.reshape(x, found.shape)


def taken(x: Tensor, found: Plan) -> Tensor:
    """Rows by neighbouring tensors of integers, or elements by one mask."""
    axis, first = found.tensors[0]
    if is_mask(first):
        if len(found.tensors) > 1:
            raise ContractError(
                "index: a mask beside another tensor is not supported; use one of them at a time"
            )
        span = first.ndim
        if x.shape[axis : axis + span] != first.shape:
            raise ContractError(
                f"index: mask {first.spec} for {x.spec} from dim {axis}; give it the same lengths"
            )
        index = places(first)
    else:
        span = len(found.tensors)
        if any(is_mask(t) or at != axis + i for i, (at, t) in enumerate(found.tensors)):
            raise ContractError(
                "index: tensors that are not side by side are not supported; permute x first"
            )
        index = None
        for i, (_, t) in enumerate(found.tensors):
            n = x.shape[axis + i]
            t = t.long()
            t = ops.where(ops.less(t, 0), t + n, t)
            # an index out of its own axis must not reach a neighbour's row
            t = ops.where(ops.less(t, 0) | ops.greater_equal(t, n), -(2**62), t) if span > 1 else t
            index = t if index is None else index * n + t
    size = 1
    for n in x.shape[axis : axis + span]:
        size *= n
    flat = ops.reshape(x, (*x.shape[:axis], size, *x.shape[axis + span :]))
    return ops.take(flat, index, axis=axis)


def places(mask: Tensor) -> Tensor:
    """Where a flattened mask holds, which cannot be known while tracing.  bool[*s] -> int64[k]."""
    from .creation import from_numpy

    flat = mask.values("index by mask").reshape(-1)
    return from_numpy(flat.nonzero()[0]).to(mask.device)


def write(x: Tensor, index: Any, value: Any) -> None:
    """x[index] = value, stretched and converted to fit; ints, slices and one mask of x's shape."""
    refresh(x)
    found = plan(x, index)
    if not isinstance(value, Tensor):
        from .creation import tensor

        value = tensor(value, dtype=x.dtype, device=x.device)
    value = value.to(x.dtype)
    if not found.tensors:
        x.assign_(replaced(x, found, ops.expand(value, found.shape)))
        return
    (_, mask), *others = found.tensors
    if others or not is_mask(mask) or mask.shape != (x.shape or (1,)) or value.numel() != 1:
        raise ContractError(
            "index: assignment through tensors is supported for one mask of the same shape and one "
            "value; use rl.where() or scatter_add()"
        )
    x.assign_(ops.where(ops.reshape(mask, x.shape), ops.reshape(value, ()), x))


def replaced(x: Tensor, found: Plan, value: Tensor) -> Tensor:
    """x with value at the place that the plan speaks of."""
    part = tuple([length for _, length, _ in found.bounds])
    return ops.put_slice(x, ops.reshape(value, part), bounds=found.bounds)
