"""Products, and elements chosen by tensors of integers."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import dtypes, ops
from ..errors import ContractError, IndexOutOfRange
from ..ops.contraction import unmatched
from ..ops.creation import constant, naturals
from ..ops.indexing import indices
from ..ops.movement import part
from ..spec import EVERY, Shape, broadcast, normal_axis, size
from .given import rank, together, whole
from .movement import along, flat, movedim, stack, unbind, unsqueeze, vector
from .precision import autocasts
from .reduction import all, any, chosen

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "argsort", "bincount", "bmm", "bucketize", "clone", "detach", "dot", "embedding", "equal",
    "gather", "index_add", "index_copy", "index_fill", "index_select", "is_floating_point",
    "masked_select", "matmul", "mm", "mv", "nonzero", "numel", "one_hot", "outer", "scatter",
    "scatter_add", "searchsorted", "sort", "take_along_dim", "topk", "unique", "unique_consecutive",
]  # fmt: skip


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
    try:
        z = ops.matmul(x, y)
    except ContractError:  # of operands with 2 dims, which nobody gave
        raise unmatched(input.spec, other.spec) from None
    shape = z.shape[:-2] + (() if m == 1 else z.shape[-2:-1]) + (() if n == 1 else z.shape[-1:])
    return ops.reshape(z, shape)


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """The product of two matrices.  [m, k], [k, n] -> [m, n].  Raises: ContractError for others."""
    return product("mm", input, mat2, 2)


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """A product of matrices for each of a batch.  [b, m, k], [b, k, n] -> [b, m, n].

    Raises: ContractError for other dims, and for two lengths of batches.
    """
    return product("bmm", input, mat2, 3)


def product(op: str, x: Tensor, y: Tensor, dims: int) -> Tensor:
    """matmul of so many dims, called by this name."""
    if not rank(op, x) == rank(op, y) == dims or x._data.shape[:-2] != y._data.shape[:-2]:
        raise ContractError(
            f"{op}: {x.spec} @ {y.spec}; give both {dims} dims, and batches of one length"
        )
    return ops.matmul(x, y)


@autocasts("given")
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """sum(input * tensor) of two vectors.  [n], [n] -> []."""
    vectors("dot", input, tensor)
    return matmul(input, tensor)


@autocasts("given")
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """A matrix times a vector.  [m, n], [n] -> [m]."""
    vectors("mv", vec)
    if rank("mv", input) != 2:
        kind = ContractError if input.ndim else IndexOutOfRange
        raise kind(f"mv: {input.spec}; give a matrix")
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


def is_floating_point(input: Tensor) -> bool:
    """Whether the element type is a floating one."""
    rank("is_floating_point", input)
    return input.dtype in dtypes.FLOATING


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
    axis = normal_axis("gather", dim, rank("gather", input))
    if rank("gather", index) and input.ndim:
        return ops.gather(input, index, axis)
    return ops.reshape(ops.gather(vector(input), vector(index), axis), index.shape)


def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """input with src[.., j, ..] added at [.., index[.., j, ..], ..] along dim.

    [.., n, ..], int64[.., m, ..], [.., m, ..] -> [.., n, ..].
    """
    axis = normal_axis("scatter_add", dim, rank("scatter_add", input))
    z = ops.scatter_add(vector(input), vector(index), vector(src), axis=axis)
    return z if input.ndim else ops.reshape(z, ())


def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """Rows of input along dim.  [.., n, ..], int[m] -> [.., m, ..].

    Raises: IndexOutOfRange, also for an index of more dims.
    """
    op = "index_select"
    axis = normal_axis(op, dim, rank(op, input))
    if rank(op, index) > 1:
        raise IndexOutOfRange(f"{op}: the index is {index.spec}; give a vector")
    z = taken(op, vector(input), vector(index), axis)
    return z if input.ndim else ops.reshape(z, ())


def embedding(input: Tensor, weight: Tensor) -> Tensor:
    """Row input[i] of weight for each i.  int[*s], [n, d] -> [*s, d]."""
    if rank("embedding", weight) != 2:
        raise ContractError(f"embedding: weight {weight.spec}; give [n, d]")
    return taken("embedding", weight, input, 0)


def taken(op: str, x: Tensor, index: Tensor, axis: int) -> Tensor:
    """Rows of x along an axis.  Raises: IndexOutOfRange for one that it has not."""
    together(op, x, index)
    indices(op, index)
    return placed(op, ops.take, axis, x, index)


def placed(op: str, operation: Any, axis: int, x: Tensor, *given: Tensor) -> Tensor:
    """The operation along an axis of x, whose error of an index names this function."""
    try:
        z: Tensor = operation(x, *given, axis=axis)
    except IndexOutOfRange as error:
        told = str(error).partition(": ")[2]
        raise IndexOutOfRange(f"{op}: {told}; give 0 to {x.shape[axis] - 1}") from error
    return z


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """1 at the place of the class, 0 elsewhere.  int64[*s] -> int64[*s, num_classes].

    num_classes: -1 for one more than the largest class.
    Raises: IndexOutOfRange for a class that is negative, or not below num_classes.
    """
    op = "one_hot"
    if rank(op, tensor) >= 0 and tensor.dtype not in dtypes.INTEGER:
        raise ContractError(f"{op}: {tensor.spec} are no classes; convert them with .long()")
    num_classes = whole(op, "num_classes", num_classes, -1)
    if num_classes == -1:
        chosen(op, tensor, None)
        num_classes = int(ops.max(tensor, EVERY[tensor.ndim], False).item()) + 1
    shape, place = tensor.shape, unsqueeze(tensor, -1)
    z = constant(0, (*shape, num_classes), tensor, dtypes.int64)
    return placed(op, ops.scatter, len(shape), z, place, filling(1, z, place.shape))


class Ordered(NamedTuple):
    """What sort and topk return."""

    values: Tensor
    indices: Tensor


def argsort(
    input: Tensor, dim: int = -1, descending: bool = False, stable: bool = False,  # noqa: ARG001  always
) -> Tensor:  # fmt: skip
    """Where along dim the elements stand in order, nan as the largest.  [*s] -> int64[*s].

    stable: equal elements keep their order; they always do here.
    """
    return order("argsort", input, dim, descending)


def order(op: str, x: Tensor, dim: int, descending: bool) -> Tensor:
    """argsort, called by this name."""
    axis = normal_axis(op, dim, rank(op, x))
    if x.ndim == 0:
        return constant(0, (), x, dtypes.int64)
    return ops.argsort(x, axis=axis, descending=bool(descending))


def sort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False,  # noqa: ARG001  always
) -> Ordered:  # fmt: skip
    """In order along dim, nan as the largest, and where each element stood.  [*s] -> [*s] twice.

    stable: equal elements keep their order; they always do here.
    """
    indices = order("sort", input, dim, descending)
    if input.ndim == 0:
        return Ordered(ops.clone(input), indices)
    return Ordered(ops.gather(input, indices, axis=normal_axis("sort", dim, input.ndim)), indices)


def topk(
    input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True,  # noqa: ARG001  always in order
) -> Ordered:  # fmt: skip
    """The k largest along dim, or smallest, in order, and where they stood.

    [.., n, ..] -> [.., k, ..] twice.  Raises: ContractError unless k is from 0 to n.
    """
    axis, k = normal_axis("topk", dim, rank("topk", input)), whole("topk", "k", k)
    n = input.shape[axis] if input.ndim else 1
    if k > n:
        raise ContractError(f"topk: k {k} along a dim of {n}; give at most {n}")
    if input.ndim == 0:
        return sort(input)
    found = ops.argselect(input, axis=axis, first=0, count=k, descending=bool(largest))
    return Ordered(ops.gather(input, found, axis), found)


def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """Where elements are not 0, row by row.  [*s] -> int64[k, d], or d times int64[k].

    Raises: TracingError while tracing, since k depends on values.
    """
    from ..creation import from_numpy

    x = input if rank("nonzero", input) or not as_tuple else ops.reshape(input, (1,))
    if x.ndim == 0:
        return ops.full(
            0, shape=(int(bool(x.values("nonzero"))), 0), dtype=dtypes.int64, device=x.device
        )
    found = [from_numpy(at).to(x.device) for at in x.values("nonzero").nonzero()]
    return tuple(found) if as_tuple else stack(found, 1)


def unique(
    input: Tensor, sorted: bool = True, return_inverse: bool = False,  # noqa: ARG001  always
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:  # fmt: skip
    """Elements, or rows along dim, in order and each once.  [*s] -> [k].

    With return_inverse also where each is in the result, int64[*s]; with return_counts also how
    often it was, int64[k].  Raises: TracingError while tracing, since k depends on values.
    """
    return once("unique", input, dim, ranks_of, return_inverse, return_counts)


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False,
    dim: int | None = None,
) -> Any:  # fmt: skip
    """unique, but only of equal neighbours, in the order that they have.  [*s] -> [k]."""
    return once("unique_consecutive", input, dim, None, return_inverse, return_counts)


def ranks_of(rows: Tensor, places: Tensor) -> Tensor:
    """In which order rows are sorted.  [n, k], int64[n] -> int64[n]."""
    for i, keys in enumerate(reversed(unbind(rows, 1))):
        keys = ops.take(keys, places, axis=0) if i else keys
        turn = ops.argsort(keys, axis=0, descending=False)
        places = ops.take(places, turn, axis=0) if i else turn
    return places


def in_rows(op: str, input: Tensor, dim: int | None) -> tuple[Tensor, int, Tensor]:
    """input, flat without dim; dim as an axis of it; and what is to be compared.  [n, k]."""
    axis = 0 if dim is None else normal_axis(op, dim, rank(op, input))
    if dim is not None and input.ndim == 0:
        raise IndexOutOfRange(f"{op}: dim {dim} of {input.spec}, which has none; leave it out")
    if dim is not None and 0 in (*input.shape[:axis], *input.shape[axis + 1 :]):
        raise ContractError(f"{op}: rows of {input.spec} along dim {dim} have no elements")
    x = flat(input) if dim is None else input
    count = x.shape[axis]
    return x, axis, ops.reshape(movedim(x, axis, 0), (count, size(x.shape) // (count or 1)))


def once(
    op: str, input: Tensor, dim: int | None, order: Any, return_inverse: bool, return_counts: bool
) -> Any:
    """Of elements or rows, in this order if one is given, the first of equal neighbours."""
    x, axis, rows = in_rows(op, input, dim)
    count = rows.shape[0]
    places = naturals(count, x)
    places = starts = fresh = order(rows, places) if order else places
    if count:
        ordered = ops.take(rows, places, axis=0)
        pairs = part(ordered, 0, 1, count - 1), part(ordered, 0, 0, count - 1)
        fresh = any(ops.not_equal(*pairs), 1)
        fresh = ops.concat(constant(True, (1,), x, dtypes.bool_), fresh, axis=0)
        starts = nonzero(fresh, as_tuple=True)[0]
    made = [ops.take(x, ops.take(places, starts, axis=0), axis)]
    if return_inverse:
        groups = ops.cumsum(ops.cast(fresh, dtypes.int64), axis=0) - 1
        inverse = ops.scatter(places, places, groups, axis=0)
        made.append(ops.reshape(inverse, input.shape) if dim is None else inverse)
    if return_counts:
        ends = constant(count, (1,), x, dtypes.int64)
        ends = ops.concat(part(starts, 0, 1, len(starts) - 1), ends, axis=0) if count else starts
        made.append(ends - starts)
    return made[0] if len(made) == 1 else tuple(made)


def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where mask holds, after both are stretched to meet.  [*s], bool[*s] -> [k]."""
    op = "masked_select"
    together(op, input, mask)
    if mask.dtype is not dtypes.bool_:
        raise ContractError(f"{op}: mask {mask.spec}; convert it with .bool()")
    shape = broadcast(op, input.shape, mask.shape)
    chosen: Tensor = ops.expand(input, shape)[ops.expand(mask, shape)]
    return chosen


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """gather, after all other dims are stretched to meet; of all elements if dim is None.

    [.., n, ..], int64[.., m, ..] -> [.., m, ..].
    """
    op = "take_along_dim"
    together(op, input, indices)
    if dim is None:
        return take_along_dim(flat(input), flat(indices), 0)
    axis = normal_axis(op, dim, input.ndim)
    if indices.ndim != input.ndim:
        raise ContractError(f"{op}: indices {indices.spec} for {input.spec}; give as many dims")
    indices = counted(indices, input.shape[axis])
    ours, theirs = list(input.shape), list(indices.shape)
    ours[axis] = theirs[axis] = 1
    met = broadcast(op, tuple(ours), tuple(theirs))
    wide = [(*met[:axis], x.shape[axis], *met[axis + 1 :]) for x in (input, indices)]
    return ops.gather(ops.expand(input, wide[0]), ops.expand(indices, wide[1]), axis)


def counted(index: Tensor, n: int) -> Tensor:
    """Indices below 0 counted from the end."""
    return ops.where(ops.less(index, 0), index + n, index)


def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, value: Any = None,
    reduce: str | None = None,
) -> Tensor:  # fmt: skip
    """input with src[.., j, ..], or one value, at [.., index[.., j, ..], ..] along dim.

    [.., n, ..], int64[.., m, ..], [.., m, ..] -> [.., n, ..].
    reduce: "add" or "multiply" with what is there.  Of repeated indices the last one counts.
    """
    op = "scatter"
    n = rank(op, input)
    axis = normal_axis(op, dim, n)
    together(op, input, index)
    src = value if src is None else src
    if hasattr(src, "_data") and src.ndim and src.dtype is not input.dtype:
        raise ContractError(f"{op}: src {src.spec} into {input.spec}; give it the same dtype")
    indices(op, index)
    if n == 0 or index.ndim == 0:
        made = scatter(vector(input), axis, flat(index), flat(src), reduce=reduce)
        return ops.reshape(made, input.shape)
    source = trimmed(filling(src, input, index.shape), index.shape)
    if reduce in (None, "add"):
        put = ops.scatter_add if reduce else ops.scatter
        return placed(op, put, axis, input, index, source)
    if reduce != "multiply":
        raise ContractError(f"{op}: reduce {reduce!r}; give 'add' or 'multiply'")
    from .placing import scatter_reduce

    return scatter_reduce(input, axis, index, source, "prod")


def trimmed(x: Tensor, shape: Shape) -> Tensor:
    """The first elements of x along each dim, in this shape; x itself where it is shorter."""
    if x.ndim != len(shape) or builtins.any(m > n for m, n in zip(shape, x.shape, strict=True)):
        return x
    return ops.slice(x, tuple([(0, m, 1) for m in shape]))


def filling(value: Any, x: Tensor, shape: Shape) -> Tensor:
    """A number, or a tensor without dims, of x's type and stretched; other tensors as they are."""
    if not hasattr(value, "_data"):
        return constant(value, shape, x)
    return value if value.ndim else ops.expand(ops.cast(value, x.dtype), shape)


def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Any = 1) -> Tensor:
    """input with alpha times rows of source added to rows index along dim.

    [.., n, ..], int64[m], [.., m, ..] -> [.., n, ..].
    """
    axis, wide = rows("index_add", input, dim, index, source)
    source = source if alpha == 1 else ops.cast(ops.mul(source, alpha), input.dtype)
    return placed("index_add", ops.scatter_add, axis, input, wide, source)


@autocasts("widest")
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """input with rows of source in place of rows index along dim.

    [.., n, ..], int64[m], [.., m, ..] -> [.., n, ..].
    """
    axis, wide = rows("index_copy", input, dim, index, source)
    return placed("index_copy", ops.scatter, axis, input, wide, source)


def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """input with one value in rows index along dim.  [.., n, ..], int64[m] -> [.., n, ..]."""
    op = "index_fill"
    axis = along(op, input, dim)
    if getattr(value, "ndim", 0):
        raise ContractError(f"{op}: value {value.spec}; give a number or a tensor [].")
    count = numel(index)
    source = filling(value, input, (*input.shape[:axis], count, *input.shape[axis + 1 :]))
    axis, wide = rows(op, input, dim, counted(index, input.shape[axis]), source)
    return placed(op, ops.scatter, axis, input, wide, source)


def rows(op: str, x: Tensor, dim: int, index: Tensor, source: Tensor) -> tuple[int, Tensor]:
    """dim as an axis, and the index of rows stretched to that of elements of source."""
    together(op, x, index, source)
    axis = along(op, x, dim)
    if index.dtype not in dtypes.INTEGER or index.ndim > 1:
        raise ContractError(f"{op}: the index is {index.spec}; give a vector, int64[m]")
    wanted = (*x.shape[:axis], numel(index), *x.shape[axis + 1 :])
    if source.shape != wanted or source.dtype is not x.dtype:
        kind = IndexOutOfRange if op == "index_copy" else ContractError
        raise kind(f"{op}: {source.spec} for rows of {x.spec}; give {x.dtype.name}{list(wanted)}")
    column = tuple([numel(index) if i == axis else 1 for i in range(x.ndim)])
    return axis, ops.expand(ops.reshape(index, column), wanted)


def bincount(input: Tensor, weights: Tensor | None = None, minlength: int = 0) -> Tensor:
    """How often each number occurs, or the sum of its weights.  int64[n] -> int64[k].

    k: the largest number and 1, at least minlength.  Raises: ContractError for numbers below 0.
    """
    op = "bincount"
    if rank(op, input) != 1 or input.dtype not in dtypes.INTEGER:
        raise ContractError(f"{op}: {input.spec}; give a vector of integers")
    k = whole(op, "minlength", minlength)
    if numel(input):
        whole(op, "the smallest number", ops.min(input, (0,), False).item())
        k = builtins.max(k, int(ops.max(input, (0,), False).item()) + 1)
    if weights is None:
        weights = ops.expand(constant(1, (), input, dtypes.int64), input.shape)
    elif weights.dtype not in (dtypes.float32, dtypes.float64):
        weights = ops.cast(weights, dtypes.float64)
    if weights.shape != input.shape:
        raise ContractError(f"{op}: weights {weights.spec} of {input.spec}; give as many")
    counts = constant(0, (k,), input, weights.dtype)
    return ops.scatter_add(counts, input, weights, axis=0)


def searchsorted(
    sorted_sequence: Tensor, input: Any, *, out_int32: bool = False, right: bool = False,
    side: str | None = None, sorter: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """How many of a sorted sequence are below each input; or not above it, if right.

    [*b, n], [*b, m] -> int64[*b, m]; a sequence [n] serves inputs of any shape.
    side: "left" or "right", which says the same.
    sorter: the order, as of argsort, in which the sequence is sorted.
    Raises: ContractError for another side, and for "left" with right=True.
    """
    if side not in (None, "left", "right") or (right and side == "left"):
        raise ContractError(f"searchsorted: side {side!r}, right={right}; give one of them")
    if sorter is not None:
        sorted_sequence = gather(sorted_sequence, -1, sorter)
    return ranked("searchsorted", sorted_sequence, input, out_int32, right or side == "right")


def bucketize(
    input: Any, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """How many boundaries are below each input; or not above it, if right.  [*s] -> int64[*s]."""
    if rank("bucketize", boundaries) != 1:
        raise ContractError(f"bucketize: boundaries {boundaries.spec}; give a vector")
    return ranked("bucketize", boundaries, input, out_int32, right)


def ranked(op: str, sequence: Tensor, x: Any, out_int32: bool, right: bool) -> Tensor:
    """searchsorted, called by this name."""
    n = rank(op, sequence)
    sequence, x = ops.elementwise.promoted_tensors(sequence, x)
    together(op, sequence, x)
    if n == 0 or (n > 1 and sequence.shape[:-1] != x.shape[:-1]):
        raise ContractError(f"{op}: {sequence.spec} for {x.spec}; give all but the last dim alike")
    places = ops.searchsorted(sequence, flat(x) if n == 1 else x, right=bool(right))
    return ops.cast(ops.reshape(places, x.shape), dtypes.int32 if out_int32 else dtypes.int64)
