"""`x[...]` and `x[...] = v`: what stands between brackets becomes slices, reshapes and takes."""

from __future__ import annotations

from typing import Any, NamedTuple

from . import dtypes, ops
from .alias import refresh
from .errors import ContractError, IndexOutOfRange, WrongType
from .ops.creation import naturals
from .spec import Shape, broadcast, inside, size
from .straight import current
from .tensor import Tensor


class Plan(NamedTuple):
    """What an index means: a slice of every axis, then a reshape; and tensors.

    tensors: each with its axis after that, and the dim that it was given for.
    """

    bounds: tuple[tuple[int, int, int], ...]
    shape: Shape
    tensors: tuple[tuple[int, int, Tensor], ...]


def plan(x: Tensor, index: Any) -> Plan:
    """What index means for x.

    Raises: IndexOutOfRange for an int beyond its axis, ContractError for what is no index of x.
    """
    parts = index if isinstance(index, tuple) else (index,)
    parts = tuple([as_part(x, part) for part in parts])
    used = sum(map(width, parts))
    if used > x.ndim:
        raise IndexOutOfRange(f"index: {used} indices for {x.spec}; it has {x.ndim} dims")
    dots = [i for i, part in enumerate(parts) if part is Ellipsis]
    if len(dots) > 1:
        raise ContractError("index: more than one '...'; use it once")
    rest = (slice(None),) * (x.ndim - used)
    (at,) = dots or [len(parts)]
    parts = (*parts[:at], *rest, *parts[at + 1 :])
    bounds, shape, tensors, axis = [], [], [], 0
    for part in parts:
        if part is None:
            shape.append(1)
            continue
        if is_mask(part) and part.ndim == 0:  # of a new axis of length one
            tensors.append((len(shape), axis, ops.reshape(part, (1,))))
            shape.append(1)
            continue
        n = x.shape[axis]
        if isinstance(part, int):
            inside([part], axis, n)
            bounds.append((part % n, 1, 1))
        elif isinstance(part, slice):
            start, stop, step = part.indices(n)
            length = len(range(start, stop, step))
            bounds.append((start, length, step) if length else (0, 0, 1))
            shape.append(length)
        else:
            tensors.append((len(shape), axis, part))
            lengths = x.shape[axis : axis + width(part)]
            bounds += [(0, m, 1) for m in lengths]
            shape += lengths
        axis += width(part)
    return Plan(tuple(bounds), tuple(shape), tuple(tensors))


def as_part(x: Tensor, part: Any) -> Any:
    """One part of an index: int, slice, None, Ellipsis or a tensor of integers or bools."""
    if part is None or part is Ellipsis or isinstance(part, slice):
        return part
    if isinstance(part, (list, range, bool)) or hasattr(part, "__array_interface__"):
        from .creation import tensor

        part = tensor(list(part) if isinstance(part, range) else part, device=x.device)
        part = part if part.numel() else part.long()  # an empty list is of floats
    if not isinstance(part, Tensor):
        try:
            return part.__index__()
        except AttributeError:
            given = type(part).__name__
            raise (WrongType if isinstance(part, str) else IndexOutOfRange)(
                f"index: {given} is no index; use ints, slices, None, '...' or tensors"
            ) from None
    if part.dtype is dtypes.uint8:  # what masks were before there were bools
        return part.bool()
    if part.dtype is dtypes.bool_ or part.dtype in dtypes.INTEGER:
        return part
    raise IndexOutOfRange(f"index: a tensor {part.spec} is no index; convert it to int64 or bool")


def is_mask(part: Any) -> bool:
    """Whether a part of an index is a tensor of bools."""
    return isinstance(part, Tensor) and part.dtype is dtypes.bool_


def width(part: Any) -> int:
    """How many axes a part of an index is for."""
    return part.ndim if is_mask(part) else part is not None and part is not Ellipsis


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
    """Elements by tensors, which stretch to meet.  [*a, n, .., *b], int[*i], .. -> [*a, *i, *b].

    The new dims stand in front if the tensors are not side by side.
    """
    given = coordinates(x, found)
    if any(t.ndim for _, _, t in given):
        for one in reversed([part for part in given if not part[2].ndim]):
            x = rows(x, [one], one[0])  # as an int would: it parts no others
            given = [(a - (a > one[0]), d, t) for a, d, t in given if t is not one[2]]
    first, axes = given[0][0], [axis for axis, _, _ in given]
    if axes != [*range(first, first + len(given))]:
        x = ops.permute(x, (*axes, *[i for i in range(x.ndim) if i not in axes]))
        first = 0
    return rows(x, given, first)


def coordinates(x: Tensor, found: Plan) -> list[tuple[int, int, Tensor]]:
    """The tensors of a plan, a mask as one of integers for each of its dims.

    Raises: IndexOutOfRange for a mask of other lengths than x has there.
    """
    given = []
    for axis, dim, t in found.tensors:
        if not is_mask(t):
            given.append((axis, dim, t.long()))
            continue
        lengths = x.shape[axis : axis + t.ndim]
        if lengths != t.shape:
            raise IndexOutOfRange(
                f"index: mask {t.spec} for lengths {list(lengths)} from dim {dim}; give it the same"
            )
        given += [(axis + i, dim + i, u) for i, u in enumerate(places(t))]
    return given


def rows(x: Tensor, given: list[tuple[int, int, Tensor]], first: int) -> Tensor:
    """x at tensors of integers, one for each axis from `first` on.

    Raises: IndexOutOfRange naming index, dim and size.
    """
    lengths = x.shape[first : first + len(given)]
    try:
        broadcast("index", *[t.shape for _, _, t in given])
    except ContractError as error:
        raise IndexOutOfRange(str(error)) from error
    before, after = x.shape[:first], x.shape[first + len(given) :]
    flat = ops.reshape(x, (*before, size(lengths), *after))
    parts = [(t, dim, n) for (_, dim, t), n in zip(given, lengths, strict=True)]
    index: Any = ops.flat_index(*[t for t, *_ in parts], lengths=lengths)
    if current().traces:
        index._data.parts = [(current().read(t), *at) for t, *at in parts]
    try:
        return ops.take(flat, index, axis=first)
    except IndexOutOfRange:
        for t, *at in parts:
            inside(t.reshape(-1).tolist(), *at)
        raise


def places(mask: Tensor) -> list[Tensor]:
    """Where a mask holds, which cannot be known while tracing.  bool[*s] -> int64[k], .."""
    from .creation import from_numpy

    return [from_numpy(at).to(mask.device) for at in mask.values("index by mask").nonzero()]


def write(x: Tensor, index: Any, value: Any) -> None:
    """x[index] = value, stretched to fit; converted too, but see `convertible`."""
    refresh(x)
    found = plan(x, index)
    if isinstance(value, Tensor) and value.dtype is not x.dtype and type(index) is not bool:
        convertible(x, found, value)
    if not isinstance(value, Tensor):
        from .creation import tensor

        value = tensor(value, dtype=x.dtype, device=x.device)
    value = value.to(x.dtype)
    if not found.tensors:
        x.assign_(replaced(x, found, fitted(value, found.shape)))
        return
    (axis, _, mask), *others = found.tensors
    whole, rest = sliced(x, found), found.shape[mask.ndim :]
    alone = not others and is_mask(mask) and axis == 0 and mask.shape == found.shape[: mask.ndim]
    if alone and value.ndim <= len(rest):  # needs no values of the mask: it can be traced
        mask = ops.reshape(mask, (*mask.shape, *[1] * len(rest)))
        x.assign_(replaced(x, found, ops.where(mask, ops.expand(value, rest), whole)))
        return
    numbers = naturals(whole.numel(), x)
    spots = taken(ops.reshape(numbers, found.shape), found)
    value = ops.reshape(fitted(value, spots.shape), (spots.numel(),))
    flat = ops.reshape(whole, (whole.numel(),))
    flat = ops.scatter(flat, ops.reshape(spots, (spots.numel(),)), value, axis=0)
    x.assign_(replaced(x, found, ops.reshape(flat, found.shape)))


def convertible(x: Tensor, found: Plan, value: Tensor) -> None:
    """Raises: ContractError for an assignment by tensors that would convert, as in PyTorch.

    One element by one mask is converted, and so is what tensors without dims, as ints, choose.
    """
    tensors = [t for _, _, t in found.tensors if t.ndim]
    one = len(tensors) == 1 and is_mask(tensors[0]) and value.numel() == 1
    if tensors and not one:
        raise ContractError(
            f"index: {value.spec} assigned by index tensors to {x.spec}; convert it with "
            f".to({x.dtype.name!r})"
        )


def fitted(value: Tensor, shape: Shape) -> Tensor:
    """value stretched to shape; leading dims of length one too many fall away."""
    while value.ndim > len(shape) and value.shape[0] == 1:
        value = ops.reshape(value, value.shape[1:])
    return ops.expand(value, shape)


def replaced(x: Tensor, found: Plan, value: Tensor) -> Tensor:
    """x with value at the place that the plan speaks of."""
    part = tuple([length for _, length, _ in found.bounds])
    return ops.put_slice(x, ops.reshape(value, part), bounds=found.bounds)
