"""The functions of tensors: PyTorch's names and arguments, brought to normal form, then operations.

Most are methods of Tensor too, under the same name: the function is the method.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from . import dtypes, ops
from .dtypes import DType
from .errors import ContractError
from .spec import EVERY, Shape, normal_axes, normal_axis, reduced, resolve_shape, size

if TYPE_CHECKING:
    from .tensor import Tensor

Dim = int | Sequence[int] | None

eq, ne = ops.equal, ops.not_equal
lt, le, gt, ge = ops.less, ops.less_equal, ops.greater, ops.greater_equal
bitwise_not, bitwise_and = ops.bitwise_not, ops.bitwise_and
bitwise_or, bitwise_xor = ops.bitwise_or, ops.bitwise_xor

# -- elementwise ----------------------------------------------------------------------------------


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """input, but at least min and at most max; None for no bound.  [*s] -> [*s].

    The gradient is 0 where a bound holds, 1 elsewhere, the bounds themselves included.
    """
    if min is None and max is None:
        raise ContractError("clamp: neither min nor max is given; give at least one")
    z = input
    if min is not None:
        z = ops.where(ops.less(z, min), min, z)
    if max is not None:
        z = ops.where(ops.greater(z, max), max, z)
    return z


clip = clamp


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """value where mask holds, input elsewhere.  [*s], bool[*s] -> [*s]."""
    return ops.where(mask, value, input)


def where(condition: Tensor, input: Any, other: Any) -> Tensor:
    """input where condition holds, other elsewhere.  bool[*s], [*s], [*s] -> [*s]."""
    return ops.where(condition, input, other)


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other; rounding_mode "floor" or "trunc" rounds the quotient.  [*s], [*s] -> [*s]."""
    if rounding_mode is None:
        return ops.div(input, other)
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
    return ops.sub(input, other if alpha == 1 else other * alpha)


def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input + alpha other.  [*s], [*s] -> [*s]."""
    return ops.add(input, other if alpha == 1 else other * alpha)


def square(input: Tensor) -> Tensor:
    """input * input.  [*s] -> [*s]."""
    return ops.mul(input, input)


def reciprocal(input: Tensor) -> Tensor:
    """1 / input.  [*s] -> [*s]."""
    return ops.div(1.0, input)


def isnan(input: Tensor) -> Tensor:
    """Whether each element is nan.  [*s] -> bool[*s]."""
    return ops.not_equal(input, input)


def isinf(input: Tensor) -> Tensor:
    """Whether each element is infinite.  [*s] -> bool[*s]."""
    return ops.equal(ops.abs(input), float("inf"))


def isfinite(input: Tensor) -> Tensor:
    """Whether each element is neither infinite nor nan.  [*s] -> bool[*s]."""
    return ops.less(ops.abs(input), float("inf"))


def logical_not(input: Tensor) -> Tensor:
    """input == 0.  [*s] -> bool[*s]."""
    return ops.equal(input, 0)


def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """Whether both are nonzero.  [*s], [*s] -> bool[*s]."""
    return ops.bitwise_and(ops.not_equal(input, 0), ops.not_equal(other, 0))


def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """Whether either is nonzero.  [*s], [*s] -> bool[*s]."""
    return ops.bitwise_or(ops.not_equal(input, 0), ops.not_equal(other, 0))


# -- reduction ------------------------------------------------------------------------------------


def sum(
    input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Sum over dim, or over all; of bools and integers as int64.  [.., n, ..] -> [.., ..]."""
    x = input._data
    axes = EVERY[len(x.shape)] if dim is None else normal_axes("sum", dim, len(x.shape))
    if dtype is not None or x.dtype not in dtypes.FLOATING:
        input = ops.cast(input, dtype=dtypes.as_dtype(dtype or dtypes.int64))
    return ops.sum(input, axes, keepdim)


def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """Product over dim, or over all; of bools and integers as int64.  [.., n, ..] -> [.., ..]."""
    axes = normal_axes("prod", dim, input.ndim)
    if dtype is not None or input.dtype not in dtypes.FLOATING:
        input = ops.cast(input, dtype=dtypes.as_dtype(dtype or dtypes.int64))
    return ops.prod(input, axes=axes, keepdim=keepdim)


def mean(
    input: Tensor, dim: Dim = None, keepdim: bool = False, *, dtype: DType | None = None
) -> Tensor:
    """sum(input) / n over dim, or over all; nan of nothing.  [.., n, ..] -> [.., ..].

    Raises: ContractError for bools and integers, unless a floating dtype is given.
    """
    if dtype is not None:
        input = ops.cast(input, dtype=dtypes.as_dtype(dtype))
    floating("mean", input)
    return ops.mean(input, axes=normal_axes("mean", dim, input.ndim), keepdim=keepdim)


def var(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *,
    correction: float | None = None,
) -> Tensor:  # fmt: skip
    """sum((input - mean)^2) / (n - correction) over dim, or over all.  [.., n, ..] -> [.., ..].

    unbiased: False for correction 0; also in place of dim, as in PyTorch.
    """
    floating("var", input)
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    correction = float(unbiased) if correction is None else correction
    axes = normal_axes("var", dim, input.ndim)
    return ops.var(input, axes=axes, correction=correction, keepdim=keepdim)


def std(
    input: Tensor, dim: Any = None, unbiased: bool = True, keepdim: bool = False, *,
    correction: float | None = None,
) -> Tensor:  # fmt: skip
    """The square root of var.  [.., n, ..] -> [.., ..]."""
    return ops.sqrt(var(input, dim, unbiased, keepdim, correction=correction))


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
    axis = normal_axis(op, dim, x.ndim)
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
        return ops.max(input, EVERY[input.ndim], False)
    return extreme("max", input, dim, keepdim) if isinstance(dim, int) else ops.maximum(input, dim)


def min(input: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
    """The smallest of all; along dim also where it first stands; of two tensors the smaller.

    [.., n, ..] -> [], or (values, indices) [.., ..].  nan if any is.
    Raises: ContractError if there is nothing to choose from.
    """
    if dim is None:
        return ops.min(input, EVERY[input.ndim], False)
    return extreme("min", input, dim, keepdim) if isinstance(dim, int) else ops.minimum(input, dim)


def amax(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The largest over dim, or over all; equals share the gradient.  [.., n, ..] -> [.., ..]."""
    return ops.max(input, axes=normal_axes("amax", dim, input.ndim), keepdim=keepdim)


def amin(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """The smallest over dim, or over all; equals share the gradient.  [.., n, ..] -> [.., ..]."""
    return ops.min(input, axes=normal_axes("amin", dim, input.ndim), keepdim=keepdim)


def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the first largest stands along dim, or of all.  [.., n, ..] -> int64[.., ..]."""
    if dim is None or input.ndim == 0:
        flat = ops.argmax(ops.reshape(input, shape=(size(input.shape),)), axis=0, keepdim=False)
        return ops.reshape(flat, shape=(1,) * input.ndim) if keepdim else flat
    return ops.argmax(input, axis=normal_axis("argmax", dim, input.ndim), keepdim=keepdim)


def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Where the first smallest stands along dim, or of all.  [.., n, ..] -> int64[.., ..]."""
    return argmax(-input if input.dtype in dtypes.FLOATING else ~input, dim, keepdim)


def any(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether an element is nonzero, over dim or all.  [.., n, ..] -> bool[.., ..]."""
    return ops.greater(sum(ops.not_equal(input, 0), dim, keepdim), 0)


def all(input: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """Whether every element is nonzero, over dim or all.  [.., n, ..] -> bool[.., ..].

    True of nothing.
    """
    return ops.equal(sum(ops.equal(input, 0), dim, keepdim), 0)


def logsumexp(input: Tensor, dim: Dim, keepdim: bool = False) -> Tensor:
    """log(sum(exp(input))) over dim, without overflow.  [.., n, ..] -> [.., ..]."""
    axes = normal_axes("logsumexp", dim, input.ndim)
    top = ops.max(input.detach(), axes=axes, keepdim=True)
    top = ops.where(isfinite(top), top, 0.0)
    z = ops.log(ops.sum(ops.exp(input - top), axes=axes, keepdim=True)) + top
    return z if keepdim else ops.reshape(z, shape=reduced(input.shape, axes, False))


def norm(input: Tensor, p: float = 2.0, dim: Dim = None, keepdim: bool = False) -> Tensor:
    """(sum of |input|^p)^(1 / p) over dim, or over all; p may be inf.  [.., n, ..] -> [.., ..]."""
    if p == float("inf"):
        return amax(ops.abs(input), dim, keepdim)
    if p == 2.0:
        return ops.sqrt(sum(input * input, dim, keepdim))
    if p == 1.0:
        return sum(ops.abs(input), dim, keepdim)
    return sum(ops.abs(input) ** p, dim, keepdim) ** (1.0 / p)


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
    if len(dims) == 1 and type(dims[0]) is not int:
        dims = lengths(dims)
    try:
        least = builtins.min(dims)
    except ValueError:
        least = 0
    if least < 0:
        dims = tuple([normal_axis("permute", d, input.ndim) for d in dims])
    return ops.permute(input, dims)


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dims exchanged.  [.., m, .., n, ..] -> [.., n, .., m, ..]."""
    n = input.ndim
    i, j = normal_axis("transpose", dim0, n), normal_axis("transpose", dim1, n)
    order = list(range(n))
    if n:
        order[i], order[j] = j, i
    return ops.permute(input, tuple(order))


def t(input: Tensor) -> Tensor:
    """A matrix transposed; a vector as it is.  [m, n] -> [n, m].

    Raises: ContractError for more dims.
    """
    if input.ndim > 2:
        raise ContractError(f"t: {input.spec} has more than 2 dims; use .mT or .permute()")
    return ops.permute(input, tuple(reversed(range(input.ndim))))


def squeeze(input: Tensor, dim: Dim = None) -> Tensor:
    """Without the dims of length one, or those of them that are named.  [.., 1, ..] -> [.., ..]."""
    axes = normal_axes("squeeze", dim, input.ndim)
    shape = tuple([n for i, n in enumerate(input.shape) if n != 1 or i not in axes])
    return ops.reshape(input, shape)


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A new dim of length one.  [.., ..] -> [.., 1, ..]."""
    i = normal_axis("unsqueeze", dim, input.ndim + 1)
    return ops.reshape(input, (*input.shape[:i], 1, *input.shape[i:]))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dims from start_dim to end_dim as one.  [.., a, b, ..] -> [.., a b, ..]."""
    first = normal_axis("flatten", start_dim, input.ndim)
    last = normal_axis("flatten", end_dim, input.ndim)
    if first > last:
        raise ContractError(
            f"flatten: start_dim {start_dim} comes after end_dim {end_dim}; exchange them"
        )
    whole = input.shape or (1,)
    shape = (*whole[:first], size(whole[first : last + 1]), *whole[last + 1 :])
    return ops.reshape(input, shape)


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dim as several; one of sizes may be -1.  [.., a b, ..] -> [.., a, b, ..]."""
    i = normal_axis("unflatten", dim, input.ndim)
    inner = resolve_shape("unflatten", tuple(sizes), input.shape[i])
    return ops.reshape(input, (*input.shape[:i], *inner, *input.shape[i + 1 :]))


def expand(input: Tensor, *sizes: Any) -> Tensor:
    """Dims of length one stretched, and new ones in front.  [.., 1, ..] -> [.., n, ..].

    A size of -1 keeps a length.  Raises: ContractError for fewer sizes than dims.
    """
    shape = lengths(sizes)
    lead = len(shape) - input.ndim
    if lead < 0:
        raise ContractError(
            f"expand: {input.spec} to {list(shape)}; give at least {input.ndim} lengths"
        )
    old = (-1,) * lead + input.shape
    return ops.expand(input, tuple([m if n == -1 else n for n, m in zip(shape, old, strict=True)]))


def broadcast_to(input: Tensor, shape: Sequence[int]) -> Tensor:
    """input stretched to shape.  [.., 1, ..] -> [.., n, ..]."""
    return ops.expand(input, tuple(shape))


def flip(input: Tensor, *dims: Any) -> Tensor:
    """Backwards along dims.  [.., n, ..] -> [.., n, ..]."""
    axes = normal_axes("flip", lengths(dims), input.ndim) if lengths(dims) else ()
    bounds = [(n - 1, n, -1) if i in axes and n else (0, n, 1) for i, n in enumerate(input.shape)]
    return ops.slice(input, tuple(bounds))


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """length elements from start on along dim.  [.., n, ..] -> [.., length, ..]."""
    axis = normal_axis("narrow", dim, input.ndim)
    bounds = [(start, length, 1) if i == axis else (0, n, 1) for i, n in enumerate(input.shape)]
    return ops.slice(input, tuple(bounds))


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Joined along dim.  [.., n_i, ..], .. -> [.., sum n_i, ..].

    Raises: ContractError unless all else is equal, or if there is nothing to join.
    """
    if not tensors:
        raise ContractError("cat: no tensors; give at least one")
    axis = normal_axis("cat", dim, tensors[0].ndim)
    found = ops.elementwise.common(tuple(tensors))
    return ops.concat(*[ops.elementwise.convert(x, found) for x in tensors], axis=axis)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Joined along a new dim.  [*s], .. -> [.., k, ..].

    Raises: ContractError unless all are alike, or if there is nothing to join.
    """
    if not tensors:
        raise ContractError("stack: no tensors; give at least one")
    return cat([unsqueeze(x, dim) for x in tensors], normal_axis("stack", dim, tensors[0].ndim + 1))


def split(
    input: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """Parts of the given length, the last one perhaps shorter, or of the given lengths.

    [.., n, ..] -> [.., n_i, ..], ..
    """
    axis = normal_axis("split", dim, input.ndim)
    n = input.shape[axis]
    if isinstance(split_size_or_sections, int):
        step = split_size_or_sections
        if step < 1:
            raise ContractError(f"split: length {step}; parts have at least length 1")
        sections: Sequence[int] = [builtins.min(step, n - i) for i in range(0, n, step)] or [0]
    else:
        sections = split_size_or_sections
        if builtins.sum(sections) != n:
            raise ContractError(
                f"split: lengths {list(sections)} of a dim of {n}; they must add up to it"
            )
    parts, start = [], 0
    for length in sections:
        parts.append(narrow(input, axis, start, length))
        start += length
    return tuple(parts)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` parts of equal length, the last one perhaps shorter.

    [.., n, ..] -> [.., n_i, ..], ..
    """
    if chunks < 1:
        raise ContractError(f"chunk: {chunks} chunks; ask for at least 1")
    n = input.shape[normal_axis("chunk", dim, input.ndim)]
    return split(input, builtins.max(-(-n // chunks), 1), dim)


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
    return input.shape == other.shape and bool(all(ops.equal(input, other)))


def numel(input: Tensor) -> int:
    """The number of elements."""
    return size(input.shape)


def clone(input: Tensor) -> Tensor:
    """The same values as a tensor of its own; gradients flow through.  [*s] -> [*s]."""
    return ops.cast(input, input.dtype)


def detach(input: Tensor) -> Tensor:
    """The same values, of which no gradient is asked.  [*s] -> [*s]."""
    return input.detach()


def gather(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """input[.., index[.., j, ..], ..] along dim.  [.., n, ..], int64[.., m, ..] -> [.., m, ..]."""
    return ops.gather(input, index, axis=normal_axis("gather", dim, input.ndim))


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """input with src[.., j, ..] added at [.., index[.., j, ..], ..] along dim.

    [.., n, ..], int64[.., m, ..], [.., m, ..] -> [.., n, ..].
    """
    axis = normal_axis("scatter_add", dim, input.ndim)
    return ops.scatter_add(input, index, src, axis=axis)


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Rows of input along dim.  [.., n, ..], int[m] -> [.., m, ..]."""
    return ops.take(input, index, axis=normal_axis("index_select", dim, input.ndim))


def embedding(input: Tensor, weight: Tensor) -> Tensor:
    """Row input[i] of weight for each i.  int[*s], [n, d] -> [*s, d]."""
    return ops.take(weight, input, axis=0)


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """1 at the place of the class, 0 elsewhere.  int64[*s] -> int64[*s, num_classes]."""
    if num_classes == -1:
        num_classes = int(ops.max(tensor, EVERY[tensor.ndim], False).item()) + 1
    classes = ops.iota(length=num_classes, dtype=dtypes.int64, device=tensor.device)
    return ops.cast(ops.equal(unsqueeze(tensor, -1), classes), dtype=dtypes.int64)


# -- layers ---------------------------------------------------------------------------------------


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input weight^T + bias.  [*s, n], [m, n], [m] -> [*s, m].

    Raises: ContractError if the lengths differ.
    """
    if len(input._data.shape) == 1:
        return ops.reshape(ops.linear(unsqueeze(input, 0), weight, bias), (weight.shape[0],))
    return ops.linear(input, weight, bias)


def repeated(op: str, name: str, value: int | Sequence[int], n: int) -> Shape:
    """One number for all n spatial dims, or one for each."""
    values = (value,) * n if isinstance(value, int) else tuple(value)
    if len(values) != n:
        raise ContractError(f"{op}: {name} {value!r}; give one number or {n}")
    return values


def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation over two dims.  [b, c, h, w], [o, c / groups, k, l], [o] -> [b, o, h', w'].

    h' = (h + 2 padding - dilation (k - 1) - 1) // stride + 1.  padding may be "valid" (none) or
    "same" (h' = h; stride 1 only).  An input [c, h, w] has no batch.
    Raises: ContractError if dims, channels or windows do not fit.
    """
    if input.ndim == 3:
        z = conv2d(unsqueeze(input, 0), weight, bias, stride, padding, dilation, groups)
        return squeeze(z, 0)
    if input.ndim != 4 or weight.ndim != 4:
        raise ContractError(
            f"conv2d: input {input.spec} with weight {weight.spec}; give [b, c, h, w] (or "
            f"[c, h, w]) and [o, c / groups, k, l]"
        )
    strides = repeated("conv2d", "stride", stride, 2)
    steps = repeated("conv2d", "dilation", dilation, 2)
    if padding == "same":
        if strides != (1, 1):
            raise ContractError(f"conv2d: padding 'same' with stride {stride}; it needs stride 1")
        spans = [d * (k - 1) for d, k in zip(steps, weight.shape[2:], strict=True)]
        widths = tuple((span // 2, span - span // 2) for span in spans)
    else:
        given = 0 if padding == "valid" else padding
        widths = tuple((p, p) for p in repeated("conv2d", "padding", given, 2))
    return ops.conv(
        input, weight, bias, stride=strides, padding=widths, dilation=steps, groups=groups
    )


def pool_windows(
    op: str, x: Tensor, kernel_size: Any, stride: Any, padding: Any
) -> tuple[Shape, Shape, tuple[tuple[int, int], ...]]:
    """Sizes, strides and widths of a pooling over the last two dims.  Raises: ContractError."""
    if x.ndim not in (3, 4):
        raise ContractError(f"{op}: {x.spec}; give [b, c, h, w] or [c, h, w]")
    sizes = repeated(op, "kernel_size", kernel_size, 2)
    strides = sizes if stride is None or stride == () else repeated(op, "stride", stride, 2)
    pads = repeated(op, "padding", padding, 2)
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
    steps = repeated("max_pool2d", "dilation", dilation, 2)
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
    alike = output_size is None or isinstance(output_size, int)
    given = (output_size,) * 2 if alike else tuple(output_size)
    out = tuple([n if o is None else o for o, n in zip(given, input.shape[-2:], strict=True)])
    if builtins.any(o < 1 or n % o for o, n in zip(out, input.shape[-2:], strict=True)):
        raise ContractError(
            f"adaptive_avg_pool2d: {input.spec} to {list(out)}; lengths must divide"
        )
    return avg_pool2d(input, tuple(n // o for o, n in zip(out, input.shape[-2:], strict=True)))


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
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    n = input.ndim
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
    if input.ndim < 2:
        raise ContractError(f"batch_norm: {input.spec}; give [b, c, *s]")
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
    return ops.where(ops.greater(input, 0), input, input * negative_slope)


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """input where positive, alpha (exp(input) - 1) elsewhere.  [*s] -> [*s]."""
    low = ops.exp(ops.minimum(input, 0.0)) - 1.0
    return ops.where(ops.greater(input, 0), input, low * alpha)


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta input)) / beta; input where beta input > threshold.  [*s] -> [*s]."""
    scaled = input * beta
    return ops.where(ops.greater(scaled, threshold), input, ops.log1p_exp(scaled) / beta)


def softmax(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """exp(input) / sum(exp(input)) along dim, without overflow.  [.., n, ..] -> [.., n, ..]."""
    if dtype is not None:
        input = ops.cast(input, dtype=dtypes.as_dtype(dtype))
    n = len(input._data.shape)
    if n == 0:
        return alone(ops.softmax, input)
    return ops.softmax(input, normal_axis("softmax", dim, n))


def log_softmax(input: Tensor, dim: int, *, dtype: DType | None = None) -> Tensor:
    """input - log(sum(exp(input))) along dim, without overflow.  [.., n, ..] -> [.., n, ..]."""
    if dtype is not None:
        input = ops.cast(input, dtype=dtypes.as_dtype(dtype))
    n = input.ndim
    if n == 0:
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
        return mean(losses)
    if reduction == "sum":
        return sum(losses)
    raise ContractError(f"{op}: reduction={reduction!r}; choose 'none', 'mean' or 'sum'")


def alike(op: str, input: Tensor, target: Tensor) -> None:
    """Raises: ContractError unless both have one shape: a broadcast loss is a mistake."""
    if input._data.shape != target._data.shape:
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
    """
    alike("binary_cross_entropy", input, target)
    losses = ops.binary_cross_entropy(input, target)
    return reduce("binary_cross_entropy", losses if weight is None else losses * weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """binary_cross_entropy of sigmoid(input), without overflow.  [*s], [*s] -> [] or [*s].

    pos_weight: factors of the term of target 1.
    """
    alike("binary_cross_entropy_with_logits", input, target)
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
    if input.ndim == 1:
        z = nll_loss(unsqueeze(input, 0), unsqueeze(target, 0), weight, ignore_index, reduction)
        return squeeze(z, 0) if reduction == "none" else z
    if input.ndim < 2 or target.shape != (input.shape[0], *input.shape[2:]):
        raise ContractError(
            f"nll_loss: input {input.spec} with target {target.spec}; "
            f"give [n, c, *s] and int [n, *s]"
        )
    valid = ops.not_equal(target, ignore_index)
    safe = ops.where(valid, target, 0)
    picked = squeeze(ops.gather(input, unsqueeze(safe, 1), axis=1), 1)
    factors = ops.cast(valid, dtype=input.dtype)
    if weight is not None:
        factors = factors * ops.take(weight, safe, axis=0)
    losses = ops.where(valid, -picked * factors, 0.0)
    if reduction == "mean":
        return sum(losses) / sum(factors)
    return reduce("nll_loss", losses, reduction)


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
    if plain and input.ndim == 2 and target.dtype in dtypes.INTEGER:
        return ops.cross_entropy(input, target, ignore=ignore_index)
    axis = 0 if input.ndim == 1 else 1
    logs = log_softmax(input, axis)
    if target.dtype in dtypes.FLOATING:
        alike("cross_entropy", input, target)
        shares = target * (1.0 - label_smoothing) + label_smoothing / input.shape[axis]
        losses = -sum(weighted(logs, weight, axis) * shares, axis)
        if reduction == "mean":
            return sum(losses) / float(builtins.max(size(losses.shape), 1))
        return reduce("cross_entropy", losses, reduction)
    hard = nll_loss(logs, target, weight, ignore_index, reduction)
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
