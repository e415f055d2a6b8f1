"""The functions of tensors: PyTorch's names and arguments, brought to normal form, then operations.

Most are methods of Tensor too, under the same name: the function is the method.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from operator import index as as_index
from typing import TYPE_CHECKING, Any, NamedTuple

from . import dtypes, ops
from .dtypes import DType
from .errors import ContractError, DeviceError, IndexOutOfRange, OutOfMemory
from .ops.conv import check as check_conv
from .ops.elementwise import number_type
from .ops.reduction import nonempty
from .spec import (
    EVERY,
    MAX_NDIM,
    Shape,
    broadcast,
    normal_axes,
    normal_axis,
    reduced,
    resolve_shape,
    size,
)

if TYPE_CHECKING:
    from .tensor import Tensor

Dim = int | Sequence[int] | None

eq, ne = ops.equal, ops.not_equal
lt, le, gt, ge = ops.less, ops.less_equal, ops.greater, ops.greater_equal
bitwise_not, bitwise_and = ops.bitwise_not, ops.bitwise_and
bitwise_or, bitwise_xor = ops.bitwise_or, ops.bitwise_xor

# -- what was given: checked here, so that a message names the function that was called ------------


def rank(op: str, x: Any) -> int:
    """The number of dims of x.  Raises: ContractError for what is no tensor."""
    try:
        return len(x._data.shape)
    except AttributeError:
        raise ContractError(
            f"{op}: {type(x).__name__} is not a tensor; make one with rl.tensor()"
        ) from None


def together(op: str, *xs: Any, optional: tuple[Any, ...] = ()) -> None:
    """Raises: ContractError for what is no tensor, DeviceError for two devices.

    optional: these may be None.
    """
    device: Any = None
    for x in (*xs, *[x for x in optional if x is not None]):
        rank(op, x)
        device = device or x.device
        if x.device is not device:
            raise DeviceError(
                f"{op}: inputs on {device} and {x.device}; move one with .to({str(device)!r})"
            )


def operands(op: str, *xs: Any) -> None:
    """Raises: ContractError unless these are tensors or numbers, and their shapes meet."""
    tensors = [x for x in xs if number_type(x) is None and getattr(x, "shape", None) != ()]
    together(op, *tensors)
    if len(tensors) > 1:
        broadcast(op, *[x.shape for x in tensors])
    if any_floating(xs):
        return
    for x in xs:
        if type(x) is int and not -(2**63) <= x < 2**63:
            raise ContractError(f"{op}: {x} is beyond int64; give a smaller number or a float")


def any_floating(xs: Sequence[Any]) -> bool:
    """Whether one of these is a tensor of a floating type."""
    return builtins.any(getattr(x, "dtype", None) in dtypes.FLOATING for x in xs)


def whole(op: str, name: str, value: Any, least: int = 0) -> int:
    """value as an int.  Raises: ContractError unless it is an integer, and not below the least."""
    try:
        n = as_index(value)
    except TypeError:
        n = least - 1
    if n < least:
        raise ContractError(f"{op}: {name} {value!r}; give an integer from {least}")
    return n


def sized(op: str, given: Any) -> Shape:
    """The lengths of f(2, 3), f((2, 3)) or f([2, 3]).  Raises: ContractError for no lengths."""
    try:
        shape = tuple([as_index(n) for n in lengths(given)])
    except TypeError:
        said = ", ".join(map(repr, given))
        raise ContractError(f"{op}: size {said}; give lengths, which are integers") from None
    if builtins.min(shape, default=0) < 0:
        raise ContractError(f"{op}: size {list(shape)}; lengths are not negative")
    if len(shape) > MAX_NDIM:
        raise ContractError(f"{op}: {len(shape)} dims; give at most {MAX_NDIM}")
    return shape


def roomy(op: str, shape: Shape, dtype: DType, make: Any) -> Any:
    """make().  Raises: OutOfMemory, which says for what there is no room."""
    try:
        if size(shape) * dtype.itemsize < 2**63:
            return make()
    except (MemoryError, OutOfMemory):
        pass
    raise OutOfMemory(
        f"{op}: no room for {dtype.name}{list(shape)}, {size(shape) * dtype.itemsize:.3g} bytes; "
        f"give shorter lengths or a smaller dtype"
    )


# -- elementwise ----------------------------------------------------------------------------------


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """input, but at least min and at most max; None for no bound.  [*s] -> [*s].

    The gradient is 0 where a bound holds, 1 elsewhere, the bounds themselves included.
    """
    if min is None and max is None:
        raise ContractError("clamp: neither min nor max is given; give at least one")
    rank("clamp", input)
    operands("clamp", input, *[x for x in (min, max) if x is not None])
    z = input
    if min is not None:
        z = ops.where(ops.less(z, min), min, z)
    if max is not None:
        z = ops.where(ops.greater(z, max), max, z)
    return z


clip = clamp


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """value where mask holds, input elsewhere.  [*s], bool[*s] -> [*s]."""
    rank("masked_fill", input)
    rank("masked_fill", mask)
    operands("masked_fill", mask, input, value)
    if mask.dtype is not dtypes.bool_:
        raise ContractError(
            f"masked_fill: the mask is {mask.spec}; compare it with something to get bool"
        )
    return ops.where(mask, value, input)


def where(condition: Tensor, input: Any, other: Any) -> Tensor:
    """input where condition holds, other elsewhere.  bool[*s], [*s], [*s] -> [*s]."""
    return ops.where(condition, input, other)


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other; rounding_mode "floor" or "trunc" rounds the quotient.  [*s], [*s] -> [*s]."""
    if rounding_mode is None:
        return ops.div(input, other)
    operands("div", input, other)
    if rounding_mode == "floor":
        return ops.floordiv(input, other)
    if rounding_mode == "trunc":
        z = ops.div(input, other)
        z = ops.where(ops.less(z, 0), -ops.floor(-z), ops.floor(z))
        dtype = ops.elementwise.common((input, other))
        return z if dtype in dtypes.FLOATING else ops.cast(z, dtype=dtype)
    raise ContractError(f"div: rounding_mode {rounding_mode!r}; choose None, 'floor' or 'trunc'")


def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input - alpha other.  [*s], [*s] -> [*s]."""
    if alpha != 1:
        operands("sub", input, other, alpha)
        other = other * alpha
    return ops.sub(input, other)


def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input + alpha other.  [*s], [*s] -> [*s]."""
    if alpha != 1:
        operands("add", input, other, alpha)
        other = other * alpha
    return ops.add(input, other)


def square(input: Tensor) -> Tensor:
    """input * input.  [*s] -> [*s]."""
    rank("square", input)
    return ops.mul(input, input)


def reciprocal(input: Tensor) -> Tensor:
    """1 / input.  [*s] -> [*s]."""
    rank("reciprocal", input)
    return ops.div(1.0, input)


def isnan(input: Tensor) -> Tensor:
    """Whether each element is nan.  [*s] -> bool[*s]."""
    rank("isnan", input)
    return ops.not_equal(input, input)


def isinf(input: Tensor) -> Tensor:
    """Whether each element is infinite.  [*s] -> bool[*s]."""
    rank("isinf", input)
    return ops.equal(ops.abs(input), float("inf"))


def isfinite(input: Tensor) -> Tensor:
    """Whether each element is neither infinite nor nan.  [*s] -> bool[*s]."""
    rank("isfinite", input)
    return ops.less(ops.abs(input), float("inf"))


def logical_not(input: Tensor) -> Tensor:
    """input == 0.  [*s] -> bool[*s]."""
    rank("logical_not", input)
    return ops.equal(input, 0)


def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """Whether both are nonzero.  [*s], [*s] -> bool[*s]."""
    rank("logical_and", input)
    rank("logical_and", other)
    operands("logical_and", input, other)
    return ops.bitwise_and(ops.not_equal(input, 0), ops.not_equal(other, 0))


def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """Whether either is nonzero.  [*s], [*s] -> bool[*s]."""
    rank("logical_or", input)
    rank("logical_or", other)
    operands("logical_or", input, other)
    return ops.bitwise_or(ops.not_equal(input, 0), ops.not_equal(other, 0))


# -- reduction ------------------------------------------------------------------------------------


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


def floating(op: str, x: Tensor) -> None:
    """Raises: ContractError unless x is of a floating type."""
    if x.dtype not in dtypes.FLOATING:
        raise ContractError(f"{op}: {x.spec} is not floating point; convert it with .float()")


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


# -- movement -------------------------------------------------------------------------------------


def lengths(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """The lengths of f(2, 3), f((2, 3)) or f([2, 3]), as one tuple."""
    return tuple(given[0]) if len(given) == 1 and hasattr(given[0], "__iter__") else given


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


# -- contraction and indexing ---------------------------------------------------------------------


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product over the last two dims.  [*b, m, k] @ [*b, k, n] -> [*b, m, n].

    A 1-d operand is a row on the left, a column on the right: [k] @ [k] -> [],
    [*b, m, k] @ [k] -> [*b, m].  Raises: ContractError for a 0-d operand.
    """
    try:
        m, n = len(input._data.shape), len(other._data.shape)
    except AttributeError:
        return ops.matmul(input, other)  # says what is no tensor
    if m > 1 and n > 1:
        return ops.matmul(input, other)
    if m == 0 or n == 0:
        raise ContractError(
            f"matmul: {input.spec} @ {other.spec}; both need at least 1 dim, use * for numbers"
        )
    x = ops.reshape(input, (1, input.shape[0])) if m == 1 else input
    y = ops.reshape(other, (other.shape[0], 1)) if n == 1 else other
    z = ops.matmul(x, y)
    shape = z.shape[:-2] + (() if m == 1 else z.shape[-2:-1]) + (() if n == 1 else z.shape[-1:])
    return ops.reshape(z, shape)


mm = bmm = matmul


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and elements, as a Python bool.  [*s], [*t] -> bool.

    Element by element it is eq.
    """
    together("equal", input, other)
    return input.shape == other.shape and bool(all(ops.equal(input, other)))


def numel(input: Tensor) -> int:
    """The number of elements."""
    rank("numel", input)
    return size(input.shape)


def clone(input: Tensor) -> Tensor:
    """The same values as a tensor of its own; gradients flow through.  [*s] -> [*s]."""
    rank("clone", input)
    return ops.clone(input)


def detach(input: Tensor) -> Tensor:
    """The same values, of which no gradient is asked.  [*s] -> [*s]."""
    rank("detach", input)
    return input.detach()


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """input[.., index[.., j, ..], ..] along dim.  [.., n, ..], int64[.., m, ..] -> [.., m, ..]."""
    return ops.gather(input, index, axis=normal_axis("gather", dim, rank("gather", input)))


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """input with src[.., j, ..] added at [.., index[.., j, ..], ..] along dim.

    [.., n, ..], int64[.., m, ..], [.., m, ..] -> [.., n, ..].
    """
    axis = normal_axis("scatter_add", dim, rank("scatter_add", input))
    return ops.scatter_add(input, index, src, axis=axis)


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Rows of input along dim.  [.., n, ..], int[m] -> [.., m, ..]."""
    axis = along("index_select", input, dim)
    return taken("index_select", input, index, axis)


def embedding(input: Tensor, weight: Tensor) -> Tensor:
    """Row input[i] of weight for each i.  int[*s], [n, d] -> [*s, d]."""
    if rank("embedding", weight) != 2:
        raise ContractError(f"embedding: weight {weight.spec}; give [n, d]")
    return taken("embedding", weight, input, 0)


def taken(op: str, x: Tensor, index: Tensor, axis: int) -> Tensor:
    """Rows of x along an axis.  Raises: IndexOutOfRange for one that it has not."""
    together(op, x, index)
    if index.dtype not in dtypes.INTEGER:
        raise ContractError(f"{op}: the index is {index.spec}; convert it to int64 with .long()")
    try:
        return ops.take(x, index, axis=axis)
    except IndexOutOfRange as error:
        raise beyond(op, x, axis, error) from error


def beyond(op: str, x: Tensor, axis: int, error: IndexOutOfRange) -> IndexOutOfRange:
    """The error of an inner operation, which has read the indices, as that of this one."""
    told = str(error).partition(": ")[2]
    return IndexOutOfRange(f"{op}: {told}; give 0 to {x.shape[axis] - 1}")


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """1 at the place of the class, 0 elsewhere.  int64[*s] -> int64[*s, num_classes]."""
    if rank("one_hot", tensor) >= 0 and tensor.dtype not in dtypes.INTEGER:
        raise ContractError(f"one_hot: {tensor.spec} are no classes; convert them with .long()")
    num_classes = whole("one_hot", "num_classes", num_classes, -1)
    if num_classes == -1:
        chosen("one_hot", tensor, None)
        num_classes = int(ops.max(tensor, EVERY[tensor.ndim], False).item()) + 1
    classes = ops.iota(length=num_classes, dtype=dtypes.int64, device=tensor.device)
    return ops.cast(ops.equal(unsqueeze(tensor, -1), classes), dtype=dtypes.int64)


# -- layers ---------------------------------------------------------------------------------------


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input weight^T + bias.  [*s, n], [m, n], [m] -> [*s, m].

    Raises: ContractError if the lengths differ.
    """
    if rank("linear", input) == 1:
        if rank("linear", weight) != 2:
            raise ContractError(f"linear: weight {weight.spec}; give [m, n]")
        z = ops.linear(unsqueeze(input, 0), weight, bias)
        return ops.reshape(z, (z.shape[1],))
    return ops.linear(input, weight, bias)


def repeated(op: str, name: str, value: Any, least: int = 1) -> tuple[int, int]:
    """One integer for both spatial dims, or one for each."""
    x, *rest = value if isinstance(value, (tuple, list)) and value else (value,)
    y = rest[0] if rest else x
    good = type(x) is int and type(y) is int and x >= least and y >= least and len(rest) <= 1
    if not good or (isinstance(value, (tuple, list)) and len(value) != 2):
        raise ContractError(f"{op}: {name} {value!r}; give an integer from {least}, or two of them")
    return x, y


def windowed(
    op: str, x: Tensor, sizes: Shape, widths: tuple[tuple[int, int], ...], steps: Shape
) -> None:
    """Raises: ContractError unless windows fit into the last two dims."""
    spans = [d * (k - 1) + 1 for d, k in zip(steps, sizes, strict=True)]
    padded = [n + p + q for n, (p, q) in zip(x.shape[-2:], widths, strict=True)]
    if spans[0] > padded[0] or spans[1] > padded[1]:
        raise ContractError(
            f"{op}: windows spanning {spans} over {x.spec}, which with its padding is {padded}; "
            f"give smaller windows or more padding"
        )


def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation over two dims.  [b, c, h, w], [o, c / groups, k, l], [o] -> [b, o, h', w'].

    h' = (h + 2 padding - dilation (k - 1) - 1) // stride + 1.  padding may be "valid" (none) or
    "same" (h' = h; stride 1 only).  An input [c, h, w] has no batch.
    Raises: ContractError if dims, channels or windows do not fit.
    """
    together("conv2d", input, weight, optional=(bias,))
    if input.ndim == 3:
        z = conv2d(unsqueeze(input, 0), weight, bias, stride, padding, dilation, groups)
        return squeeze(z, 0)
    if input.ndim != 4 or weight.ndim != 4:
        raise ContractError(
            f"conv2d: input {input.spec} with weight {weight.spec}; give [b, c, h, w] (or "
            f"[c, h, w]) and [o, c / groups, k, l]"
        )
    strides = repeated("conv2d", "stride", stride)
    steps = repeated("conv2d", "dilation", dilation)
    check_conv("conv2d", input, weight, bias, whole("conv2d", "groups", groups, 1))
    if padding == "same":
        if strides != (1, 1):
            raise ContractError(f"conv2d: padding 'same' with stride {stride}; it needs stride 1")
        spans = [d * (k - 1) for d, k in zip(steps, weight.shape[2:], strict=True)]
        widths = tuple((span // 2, span - span // 2) for span in spans)
    else:
        given = 0 if padding == "valid" else padding
        widths = tuple((p, p) for p in repeated("conv2d", "padding", given, 0))
    windowed("conv2d", input, weight.shape[2:], widths, steps)
    return ops.conv(
        input, weight, bias, stride=strides, padding=widths, dilation=steps, groups=groups
    )


def pool_windows(
    op: str, x: Tensor, kernel_size: Any, stride: Any, padding: Any
) -> tuple[Shape, Shape, tuple[tuple[int, int], ...]]:
    """Sizes, strides and widths of a pooling over the last two dims.  Raises: ContractError."""
    if rank(op, x) not in (3, 4):
        raise ContractError(f"{op}: {x.spec}; give [b, c, h, w] or [c, h, w]")
    sizes = repeated(op, "kernel_size", kernel_size)
    strides = sizes if stride is None or stride == () else repeated(op, "stride", stride)
    pads = repeated(op, "padding", padding, 0)
    for p, k in zip(pads, sizes, strict=True):
        if not 0 <= p <= k // 2:
            raise ContractError(
                f"{op}: padding {padding} for kernel_size {kernel_size}; at most half of it"
            )
    return sizes, strides, tuple((p, p) for p in pads)


def max_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Tensor:  # fmt: skip
    """The largest in each window, nan if any is.  [b, c, h, w] -> [b, c, h', w'].

    stride: None for kernel_size.  h' = (h + 2 padding - dilation (k - 1) - 1) // stride + 1.
    Raises: ContractError if windows do not fit, and for ceil_mode and return_indices, which are
    not supported.
    """
    unsupported("max_pool2d", ceil_mode=ceil_mode, return_indices=return_indices)
    sizes, strides, widths = pool_windows("max_pool2d", input, kernel_size, stride, padding)
    steps = repeated("max_pool2d", "dilation", dilation)
    windowed("max_pool2d", input, sizes, widths, steps)
    return ops.max_pool(input, sizes=sizes, stride=strides, padding=widths, dilation=steps)


def avg_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window.  [b, c, h, w] -> [b, c, h', w'].

    count_include_pad: whether zeros beyond the border count.
    divisor_override: divide by this instead.
    Raises: ContractError if windows do not fit, and for ceil_mode, which is not supported.
    """
    unsupported("avg_pool2d", ceil_mode=ceil_mode)
    sizes, strides, widths = pool_windows("avg_pool2d", input, kernel_size, stride, padding)
    windowed("avg_pool2d", input, sizes, widths, (1, 1))
    if divisor_override is not None:
        whole("avg_pool2d", "divisor_override", divisor_override, 1)
    total = ops.sum_pool(input, sizes=sizes, stride=strides, padding=widths)
    padded = builtins.any(map(builtins.any, widths))
    if divisor_override is not None or count_include_pad or not padded:
        return total / float(divisor_override or size(sizes))
    ones = ops.full(1, shape=input.shape, dtype=input.dtype, device=input.device)
    return total / ops.sum_pool(ones, sizes=sizes, stride=strides, padding=widths)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means of output_size windows that cover the image.  [b, c, h, w] -> [b, c, *output_size].

    Raises: ContractError unless output_size divides the image; None keeps a length.
    """
    if rank("adaptive_avg_pool2d", input) not in (3, 4):
        raise ContractError(f"adaptive_avg_pool2d: {input.spec}; give [b, c, h, w] or [c, h, w]")
    image = input.shape[-2:]
    given = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * 2
    if len(given) != 2:
        raise ContractError(
            f"adaptive_avg_pool2d: output_size {output_size!r}; give one integer or two"
        )
    out = tuple([
        n if o is None else whole("adaptive_avg_pool2d", "output_size", o, 1)
        for o, n in zip(given, image, strict=True)
    ])  # fmt: skip
    if 0 in image or builtins.any(n % o for o, n in zip(out, image, strict=True)):
        raise ContractError(
            f"adaptive_avg_pool2d: {input.spec} to {list(out)}; lengths must divide"
        )
    return avg_pool2d(input, tuple([n // o for o, n in zip(out, image, strict=True)]))


def unsupported(op: str, **options: Any) -> None:
    """Raises: ContractError for options that are asked for but not there yet."""
    for name, value in options.items():
        if value:
            raise ContractError(f"{op}: {name}={value!r} is not supported; leave it out")


def layer_norm(
    input: Tensor, normalized_shape: int | Sequence[int], weight: Tensor | None = None,
    bias: Tensor | None = None, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """(input - mean) / sqrt(var + eps) * weight + bias over the last dims.

    [*s, *n], [*n], [*n] -> [*s, *n].
    eps: added to the variance, in units of input squared.
    Raises: ContractError unless normalized_shape is the shape of the last dims.
    Source: Ba, Kiros, Hinton 2016, arXiv:1607.06450, eq. 4.
    """
    n = rank("layer_norm", input)
    shape = sized("layer_norm", (normalized_shape,))
    if not shape or input.shape[n - len(shape) :] != shape:
        raise ContractError(
            f"layer_norm: {input.spec} over {list(shape)}; give the shape of its last dims"
        )
    floating("layer_norm", input)
    return ops.layer_norm(input, weight, bias, axes=tuple(range(n - len(shape), n)), eps=eps)


def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None,
    weight: Tensor | None = None, bias: Tensor | None = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """(input - mean) / sqrt(var + eps) * weight + bias per channel.  [b, c, *s], [c] -> [b, c, *s].

    training: mean and var are the batch's, and running_mean and running_var, if given, move towards
    them by momentum (var with correction 1); else they are the running ones.
    Raises: ContractError if training has one value per channel, or evaluation nothing running.
    Source: Ioffe, Szegedy 2015, arXiv:1502.03167, algorithms 1 and 2.
    """
    together("batch_norm", input, optional=(running_mean, running_var, weight, bias))
    if input.ndim < 2:
        raise ContractError(f"batch_norm: {input.spec}; give [b, c, *s]")
    floating("batch_norm", input)
    per_channel = {
        "running_mean": running_mean,
        "running_var": running_var,
        "weight": weight,
        "bias": bias,
    }
    for name, p in per_channel.items():
        if p is not None and p.shape != input.shape[1:2]:
            raise ContractError(
                f"batch_norm: {name} {p.spec} for {input.spec}; give one value per channel"
            )
    if not training:
        if running_mean is None or running_var is None:
            raise ContractError(
                "batch_norm: no running statistics in evaluation; give them, or training=True"
            )
        shape = (1, input.shape[1], *(1,) * (input.ndim - 2))
        scale = ops.rsqrt(running_var + eps)
        if weight is not None:
            scale = scale * weight
        shift = -running_mean * scale if bias is None else bias - running_mean * scale
        return input * ops.reshape(scale, shape) + ops.reshape(shift, shape)
    n = size(input.shape) // builtins.max(input.shape[1], 1)
    if n <= 1:
        raise ContractError(
            f"batch_norm: {input.spec} has {n} values per channel; training needs more than 1"
        )
    made: tuple[Tensor, ...] = ops.batch_norm.op.with_residuals(input, weight, bias, eps=eps)
    z, mu, variance = made
    for running, new in ((running_mean, mu), (running_var, variance * (n / (n - 1)))):
        if running is not None:
            new = ops.reshape(new, running.shape)
            running.assign_(running.detach() * (1 - momentum) + new * momentum)
    return z


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """input Phi(input), Phi the normal distribution's function.  [*s] -> [*s].

    approximate: "tanh" for (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 in place of Phi(x).
    Source: Hendrycks, Gimpel 2016, arXiv:1606.08415.
    """
    if approximate not in ("none", "tanh"):
        raise ContractError(f"gelu: approximate={approximate!r}; choose 'none' or 'tanh'")
    return ops.gelu_tanh(input) if approximate == "tanh" else ops.gelu(input)


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """input where positive, negative_slope input elsewhere.  [*s] -> [*s]."""
    rank("leaky_relu", input)
    operands("leaky_relu", input, negative_slope)
    return ops.where(ops.greater(input, 0), input, input * negative_slope)


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """input where positive, alpha (exp(input) - 1) elsewhere.  [*s] -> [*s]."""
    rank("elu", input)
    operands("elu", input, alpha)
    low = ops.exp(ops.minimum(input, 0.0)) - 1.0
    return ops.where(ops.greater(input, 0), input, low * alpha)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta input)) / beta; input where beta input > threshold.  [*s] -> [*s]."""
    rank("softplus", input)
    operands("softplus", input, beta, threshold)
    scaled = input * beta
    return ops.where(ops.greater(scaled, threshold), input, ops.log1p_exp(scaled) / beta)


def softmax(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """exp(input) / sum(exp(input)) along dim, without overflow.  [.., n, ..] -> [.., n, ..]."""
    n = rank("softmax", input)
    if dtype is not None:
        input = ops.cast(input, dtype=dtypes.as_dtype(dtype))
    if n == 0:
        normal_axis("softmax", dim, n)
        return alone(ops.softmax, input)
    return ops.softmax(input, normal_axis("softmax", dim, n))


def log_softmax(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """input - log(sum(exp(input))) along dim, without overflow.  [.., n, ..] -> [.., n, ..]."""
    n = rank("log_softmax", input)
    if dtype is not None:
        input = ops.cast(input, dtype=dtypes.as_dtype(dtype))
    if n == 0:
        normal_axis("log_softmax", dim, n)
        return alone(ops.log_softmax, input)
    return ops.log_softmax(input, normal_axis("log_softmax", dim, n))


def alone(op: Any, x: Tensor) -> Tensor:
    """An operation along an axis, of a 0-d tensor."""
    return ops.reshape(op(ops.reshape(x, (1,)), axis=0), ())


# -- losses ---------------------------------------------------------------------------------------


def reduce(op: str, losses: Tensor, reduction: str) -> Tensor:
    """losses as they are ("none"), their "mean" or their "sum"."""
    if reduction == "none":
        return losses
    if reduction == "mean":
        floating(op, losses)
        return mean(losses)
    if reduction == "sum":
        return sum(losses)
    raise ContractError(f"{op}: reduction={reduction!r}; choose 'none', 'mean' or 'sum'")


def alike(op: str, input: Tensor, target: Tensor) -> None:
    """Raises: ContractError unless both have one shape: a broadcast loss is a mistake."""
    try:
        same = input._data.shape == target._data.shape
    except AttributeError:
        together(op, input, target)
        raise
    if not same:
        raise ContractError(
            f"{op}: input {input.spec} and target {target.spec}; give both the same shape"
        )


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """(input - target)^2.  [*s], [*s] -> [] or [*s]."""
    alike("mse_loss", input, target)
    if reduction == "mean" and input._data.dtype in dtypes.FLOATING and 0 not in input._data.shape:
        return ops.mse(input, target)
    return reduce("mse_loss", square(input - target), reduction)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """|input - target|.  [*s], [*s] -> [] or [*s]."""
    alike("l1_loss", input, target)
    return reduce("l1_loss", ops.abs(input - target), reduction)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """-(target log(input) + (1 - target) log(1 - input)), logarithms at least -100.

    [*s], [*s] -> [] or [*s].
    input: probabilities from 0 to 1.  weight: factors of the losses.
    Raises: ContractError for other numbers, where they can be looked at without waiting: on the
    CPU, and not while tracing.  Elsewhere the loss is nan.
    """
    op = "binary_cross_entropy"
    alike(op, input, target)
    losses = ops.binary_cross_entropy(input, target)
    if weight is not None:
        weigh(op, input, weight)
        losses = losses * weight
    z = reduce(op, losses, reduction)
    # the logarithm of what is no probability is nan, and so is all that is made of it
    if z.device.host and isinstance(z._data, z.device.array) and has_nan(z._data):
        values: Any = input._data
        least, most = values.min(), values.max()
        if not (least >= 0 and most <= 1):
            raise ContractError(
                f"{op}: input from {least} to {most}; give probabilities from 0 to 1, as sigmoid "
                f"makes them, or use binary_cross_entropy_with_logits"
            )
    return z


def has_nan(values: Any) -> bool:
    """Whether one of these is nan."""
    return bool((values != values).any())  # noqa: PLR0124  nan alone differs from itself


def weigh(op: str, input: Tensor, *weights: Any) -> None:
    """Raises: ContractError unless these are tensors that stretch to the input."""
    together(op, input, *weights)
    for w in weights:
        if broadcast(op, input.shape, w.shape) != input.shape:
            raise ContractError(f"{op}: weight {w.spec} for {input.spec}; give it the same shape")


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """binary_cross_entropy of sigmoid(input), without overflow.  [*s], [*s] -> [] or [*s].

    pos_weight: factors of the term of target 1.
    """
    alike("binary_cross_entropy_with_logits", input, target)
    given = [w for w in (weight, pos_weight) if w is not None]
    if given:
        weigh("binary_cross_entropy_with_logits", input, *given)
    if pos_weight is None:
        losses = ops.log1p_exp(input) - input * target
    else:
        scale = 1.0 + (pos_weight - 1.0) * target
        losses = (1.0 - target) * input + scale * ops.log1p_exp(-input)
    losses = losses if weight is None else losses * weight
    return reduce("binary_cross_entropy_with_logits", losses, reduction)


def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """-weight[target] input[target]; the mean divides by the sum of weights.

    [n, c, *s], int[n, *s] -> [] or [n, *s].
    input: log-probabilities, [n, c, *s] or [c].  Rows whose target is ignore_index count nothing.
    Raises: IndexOutOfRange for a target that is no class.
    """
    together("nll_loss", input, target, optional=(weight,))
    return of_classes("nll_loss", input, target, weight, ignore_index, reduction)


def of_classes(
    op: str, input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str
) -> Tensor:
    """nll_loss, called by this name."""
    if input.ndim == 1:
        x, y = unsqueeze(input, 0), ops.reshape(target, (1,)) if numel(target) == 1 else target
        z = of_classes(op, x, y, weight, ignore_index, reduction)
        return squeeze(z, 0) if reduction == "none" else z
    fits = input.ndim > 1 and target.shape == (input.shape[0], *input.shape[2:])
    if not fits or target.dtype not in dtypes.INTEGER:
        raise ContractError(
            f"{op}: input {input.spec} with target {target.spec}; give [n, c, *s] and int [n, *s]"
        )
    class_weight(op, input, weight, 1)
    valid = ops.not_equal(target, ignore_index)
    safe = ops.where(valid, target, 0)
    try:
        picked = squeeze(ops.gather(input, unsqueeze(safe, 1), axis=1), 1)
    except IndexOutOfRange as error:
        raise beyond(op, input, 1, error) from error
    factors = ops.cast(valid, dtype=input.dtype)
    if weight is not None:
        factors = factors * ops.take(weight, safe, axis=0)
    losses = ops.where(valid, -picked * factors, 0.0)
    if reduction == "mean":
        return sum(losses) / sum(factors)
    return reduce(op, losses, reduction)


def class_weight(op: str, input: Tensor, weight: Tensor | None, axis: int) -> None:
    """Raises: ContractError unless there is one weight per class."""
    if weight is not None and weight.shape != input.shape[axis : axis + 1]:
        raise ContractError(
            f"{op}: weight {weight.spec} for input {input.spec}; give one weight per class"
        )


def cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100,
    reduction: str = "mean", label_smoothing: float = 0.0,
) -> Tensor:  # fmt: skip
    """-log_softmax(input)[target], or of a target of probabilities.

    [n, c, *s], int[n, *s] or float[n, c, *s] -> [] or [n, *s].
    weight: of classes; the mean divides by the sum of weights.
    ignore_index: a target that counts nothing.
    label_smoothing: the share of the target that is spread over all classes.
    Raises: IndexOutOfRange for a target that is no class, ContractError if shapes do not fit.
    """
    plain = weight is None and label_smoothing == 0 and reduction == "mean"
    if rank("cross_entropy", input) != 2 or rank("cross_entropy", target) != 1 or not plain:
        together("cross_entropy", input, target, optional=(weight,))
    elif target.dtype in dtypes.INTEGER:
        return ops.cross_entropy(input, target, ignore=ignore_index)
    axis = 0 if input.ndim == 1 else 1
    if input.ndim == 0 or input.shape[axis] == 0:
        raise ContractError(f"cross_entropy: input {input.spec} has no classes; give [n, c, *s]")
    class_weight("cross_entropy", input, weight, axis)
    operands("cross_entropy", label_smoothing)
    if not 0 <= label_smoothing <= 1:
        raise ContractError(
            f"cross_entropy: label_smoothing {label_smoothing}; give a share from 0 to 1"
        )
    logs = log_softmax(input, axis)
    if target.dtype in dtypes.FLOATING:
        if target.shape != input.shape:
            raise ContractError(
                f"cross_entropy: input {input.spec} with target {target.spec}; give probabilities "
                f"in the shape of the input, or classes, int [n, *s]"
            )
        shares = target * (1.0 - label_smoothing) + label_smoothing / input.shape[axis]
        losses = -sum(weighted(logs, weight, axis) * shares, axis)
        if reduction == "mean":
            return sum(losses) / float(builtins.max(size(losses.shape), 1))
        return reduce("cross_entropy", losses, reduction)
    hard = of_classes("cross_entropy", logs, target, weight, ignore_index, reduction)
    if label_smoothing == 0:
        return hard
    valid = ops.not_equal(target, ignore_index)
    spread = ops.where(valid, -sum(weighted(logs, weight, axis), axis) / input.shape[axis], 0.0)
    if reduction == "mean":
        factors = ops.cast(valid, dtype=input.dtype)
        if weight is not None:
            factors = factors * ops.take(weight, ops.where(valid, target, 0), axis=0)
        spread = sum(spread) / sum(factors)
    else:
        spread = reduce("cross_entropy", spread, reduction)
    return hard * (1.0 - label_smoothing) + spread * label_smoothing


def weighted(x: Tensor, weight: Tensor | None, axis: int) -> Tensor:
    """x times a weight per class, along an axis."""
    if weight is None:
        return x
    return x * ops.reshape(weight, tuple(n if i == axis else 1 for i, n in enumerate(x.shape)))
