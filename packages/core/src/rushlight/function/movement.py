"""The same elements in another arrangement."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import ops
from ..errors import ContractError
from ..spec import broadcast, normal_axes, normal_axis, resolve_shape, size
from .given import Dim, lengths, rank, sized, together, whole

if TYPE_CHECKING:
    from ..tensor import Tensor


def reshape(input: Tensor, *shape: Any) -> Tensor:
    """The same elements in the same order, folded to shape.  [*s] -> [*shape].

    One length may be -1: what the others leave.
    """
    if len(shape) == 1 and type(shape[0]) is not int:
        shape = lengths(shape)
    if -1 in shape:
        shape = resolve_shape("reshape", shape, size(input.shape))
    return ops.reshape(input, shape)


def permute(input: Tensor, *dims: Any) -> Tensor:
    """Dims in a new order.  [*s] -> [s[dims[0]], s[dims[1]], ..]."""
    try:
        known = dims in ORDERS
    except TypeError:  # a list
        known = False
    if not known:
        n = rank("permute", input)
        given = lengths(dims) if len(dims) == 1 and type(dims[0]) is not int else dims
        dims = tuple([normal_axis("permute", d, n) for d in given])
        if len(ORDERS) < REMEMBERED:
            ORDERS.add(dims)
    return ops.permute(input, dims)


ORDERS: set[tuple[Any, ...]] = set()  # in which dims were asked for so far, none negative
REMEMBERED = 4096


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dims exchanged.  [.., m, .., n, ..] -> [.., n, .., m, ..]."""
    n = rank("transpose", input)
    i, j = normal_axis("transpose", dim0, n), normal_axis("transpose", dim1, n)
    order = list(range(n))
    if n:
        order[i], order[j] = j, i
    return ops.permute(input, tuple(order))


def t(input: Tensor) -> Tensor:
    """A matrix transposed; a vector as it is.  [m, n] -> [n, m].

    Raises: ContractError for more dims.
    """
    if rank("t", input) > 2:
        raise ContractError(f"t: {input.spec} has more than 2 dims; use .mT or .permute()")
    return ops.permute(input, tuple(reversed(range(input.ndim))))


def squeeze(input: Tensor, dim: Dim = None) -> Tensor:
    """Without the dims of length one, or those of them that are named.  [.., 1, ..] -> [.., ..]."""
    axes = normal_axes("squeeze", dim, rank("squeeze", input))
    shape = tuple([n for i, n in enumerate(input.shape) if n != 1 or i not in axes])
    return ops.reshape(input, shape)


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A new dim of length one.  [.., ..] -> [.., 1, ..]."""
    i = normal_axis("unsqueeze", dim, rank("unsqueeze", input) + 1)
    return ops.reshape(input, (*input.shape[:i], 1, *input.shape[i:]))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dims from start_dim to end_dim as one.  [.., a, b, ..] -> [.., a b, ..]."""
    n = rank("flatten", input)
    first, last = normal_axis("flatten", start_dim, n), normal_axis("flatten", end_dim, n)
    if first > last:
        raise ContractError(
            f"flatten: start_dim {start_dim} comes after end_dim {end_dim}; exchange them"
        )
    whole = input.shape or (1,)
    shape = (*whole[:first], size(whole[first : last + 1]), *whole[last + 1 :])
    return ops.reshape(input, shape)


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dim as several; one of sizes may be -1.  [.., a b, ..] -> [.., a, b, ..]."""
    i = normal_axis("unflatten", dim, rank("unflatten", input))
    if not isinstance(sizes, (tuple, list)):
        raise ContractError(f"unflatten: sizes {sizes!r}; give a tuple of lengths")
    inner = resolve_shape("unflatten", sizes, input.shape[i])
    if size(inner) != input.shape[i]:
        raise ContractError(
            f"unflatten: dim {dim} of {input.spec} to {list(inner)}; give lengths whose product is "
            f"{input.shape[i]}"
        )
    return ops.reshape(input, (*input.shape[:i], *inner, *input.shape[i + 1 :]))


def expand(input: Tensor, *sizes: Any) -> Tensor:
    """Dims of length one stretched, and new ones in front.  [.., 1, ..] -> [.., n, ..].

    A size of -1 keeps a length.  Raises: ContractError for fewer sizes than dims.
    """
    return stretched("expand", input, lengths(sizes))


def broadcast_to(input: Tensor, shape: Sequence[int]) -> Tensor:
    """input stretched to shape.  [.., 1, ..] -> [.., n, ..]."""
    return stretched("broadcast_to", input, lengths((shape,)))


def stretched(op: str, x: Tensor, shape: tuple[Any, ...]) -> Tensor:
    """expand, called by this name."""
    lead = len(shape) - rank(op, x)
    if lead < 0:
        raise ContractError(f"{op}: {x.spec} to {list(shape)}; give at least {x.ndim} lengths")
    old = (-1,) * lead + x.shape
    new = tuple([m if n == -1 else n for n, m in zip(shape, old, strict=True)])
    if new[lead:] != x.shape or not builtins.all(type(n) is int for n in new):
        new = sized(op, new)
        if broadcast(op, x.shape, new) != new:
            raise ContractError(
                f"{op}: {x.spec} does not stretch to {list(new)}; only dims of length 1 do"
            )
    return ops.expand(x, new)


def flip(input: Tensor, *dims: Any) -> Tensor:
    """Backwards along dims.  [.., n, ..] -> [.., n, ..]."""
    n = rank("flip", input)
    axes = normal_axes("flip", lengths(dims), n) if lengths(dims) else ()
    bounds = [(n - 1, n, -1) if i in axes and n else (0, n, 1) for i, n in enumerate(input.shape)]
    return ops.slice(input, tuple(bounds))


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """length elements from start on along dim.  [.., n, ..] -> [.., length, ..].

    A start below 0 counts from the end.
    """
    axis = normal_axis("narrow", dim, rank("narrow", input))
    n = input.shape[axis] if input.ndim else 0
    first = whole("narrow", "start", start, -n)
    first, length = first + n if first < 0 else first, whole("narrow", "length", length)
    if first + length > n:
        raise ContractError(
            f"narrow: start {start}, length {length} along dim {dim} of {input.spec}; end at {n}"
        )
    return part(input, axis, first, length)


def part(input: Tensor, axis: int, start: int, length: int) -> Tensor:
    """narrow, all checked."""
    bounds = [(start, length, 1) if i == axis else (0, n, 1) for i, n in enumerate(input.shape)]
    return ops.slice(input, tuple(bounds))


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Joined along dim.  [.., n_i, ..], .. -> [.., sum n_i, ..].

    Raises: ContractError unless all else is equal, or if there is nothing to join.
    """
    given = several("cat", tensors)
    first = given[0].shape
    axis = normal_axis("cat", dim, len(first))
    if not first:
        raise ContractError(f"cat: {given[0].spec} has no dims to join along; use stack")
    around = (first[:axis], first[axis + 1 :])
    for x in given:
        if x.shape != first and (x.shape[:axis], x.shape[axis + 1 :]) != around:
            raise ContractError(
                f"cat: {given[0].spec} and {x.spec} along dim {dim}; give all other dims the same "
                f"lengths"
            )
    return joined(given, axis)


def several(op: str, tensors: Any) -> tuple[Tensor, ...]:
    """The tensors of a sequence.  Raises: ContractError if it has none, or holds anything else."""
    if hasattr(tensors, "_data") or not hasattr(tensors, "__iter__"):
        raise ContractError(f"{op}: one {type(tensors).__name__}; give a list or tuple of tensors")
    given = tuple(tensors)
    if not given:
        raise ContractError(f"{op}: no tensors; give at least one")
    together(op, *given)
    return given


def joined(tensors: Sequence[Tensor], axis: int) -> Tensor:
    """Joined along an axis, in the type in which they meet."""
    found = ops.elementwise.common(tuple(tensors))
    return ops.concat(*[ops.elementwise.convert(x, found) for x in tensors], axis=axis)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Joined along a new dim.  [*s], .. -> [.., k, ..].

    Raises: ContractError unless all are alike, or if there is nothing to join.
    """
    given = several("stack", tensors)
    shape = given[0].shape
    for x in given:
        if x.shape != shape:
            raise ContractError(f"stack: {given[0].spec} and {x.spec}; give all the same shape")
    axis = normal_axis("stack", dim, len(shape) + 1)
    return joined([unsqueeze(x, axis) for x in given], axis)


def split(
    input: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """Parts of the given length, the last one perhaps shorter, or of the given lengths.

    [.., n, ..] -> [.., n_i, ..], ..
    """
    axis = along("split", input, dim)
    n = input.shape[axis]
    if isinstance(split_size_or_sections, (tuple, list)):
        sections = [whole("split", "length", k) for k in split_size_or_sections]
        if builtins.sum(sections) != n:
            raise ContractError(
                f"split: lengths {sections} of a dim of {n}; they must add up to it"
            )
    else:
        step = whole("split", "length", split_size_or_sections, 1)
        sections = [builtins.min(step, n - i) for i in range(0, n, step)] or [0]
    parts, start = [], 0
    for length in sections:
        parts.append(part(input, axis, start, length))
        start += length
    return tuple(parts)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` parts of equal length, the last one perhaps shorter.

    [.., n, ..] -> [.., n_i, ..], ..
    """
    chunks = whole("chunk", "number", chunks, 1)
    axis = along("chunk", input, dim)
    n = input.shape[axis]
    return split(input, builtins.max(-(-n // chunks), 1), dim)


def along(op: str, x: Tensor, dim: int) -> int:
    """dim as an axis.  Raises: ContractError if there is none."""
    n = rank(op, x)
    if n == 0:
        raise ContractError(f"{op}: {x.spec} has no dims; give it one with .reshape(1)")
    return normal_axis(op, dim, n)
