"""Products, and elements chosen by tensors of integers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import dtypes, ops
from ..errors import ContractError, IndexOutOfRange
from ..spec import EVERY, normal_axis, size
from .given import rank, together, whole
from .movement import along, unsqueeze
from .reduction import all, chosen

if TYPE_CHECKING:
    from ..tensor import Tensor


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


def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """sum(input * tensor) of two vectors.  [n], [n] -> []."""
    vectors("dot", input, tensor)
    return matmul(input, tensor)


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """A matrix times a vector.  [m, n], [n] -> [m]."""
    vectors("mv", vec)
    if rank("mv", input) != 2:
        raise ContractError(f"mv: {input.spec}; give a matrix")
    return matmul(input, vec)


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """input[i] vec2[j].  [m], [n] -> [m, n]."""
    vectors("outer", input, vec2)
    return ops.mul(unsqueeze(input, 1), vec2)


def vectors(op: str, *xs: Tensor) -> None:
    """Raises: ContractError unless all are vectors."""
    together(op, *xs)
    for x in xs:
        if x.ndim != 1:
            raise ContractError(f"{op}: {x.spec}; give a vector")


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
