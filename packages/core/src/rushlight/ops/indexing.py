"""Indexing by tensors of integers: none negative, and a kernel refuses those out of range."""

from __future__ import annotations

from typing import Any

from ..dtypes import FLOATING, INTEGER, bool_, int64
from ..errors import ContractError
from ..op import composite, primitive
from ..spec import Shape, Spec, has_axis, size
from .creation import constant, naturals
from .elementwise import cast, equal, greater_equal, less, maximum, where
from .movement import Bounds, concat, expand, pad, part, reshape, slice, unslice

__all__ = [
    "argselect", "argsort", "flat_index", "gather", "put_slice", "scatter", "scatter_add",
    "scatter_max", "searchsorted", "take", "ungather", "untake",
]  # fmt: skip


def indices(op: str, index: Any) -> None:
    """Raises: ContractError unless index is made of integers."""
    if index.dtype not in INTEGER:
        told = Spec(index.shape, index.dtype)
        raise ContractError(f"{op}: the index is {told}; convert it to int64 with .long()")


@composite(constant=True)
def flat_index(*ts: Any, lengths: Shape) -> Any:
    """The number of the element at ts, negative ones from the end; -1 if none.  .. -> int64[*s]."""
    index: Any = 0
    wrong: Any = None
    for t, n in zip(ts, lengths, strict=True):
        index = index * n + where(less(t, 0), t + n, t)
        # an index out of its own axis must not reach a neighbour's row
        beyond = less(t, -n) | greater_equal(t, n)
        wrong = beyond if wrong is None else wrong | beyond
    return where(wrong, -1, index)


@composite
def put_slice(x: Any, part: Any, *, bounds: Bounds) -> Any:
    """x, but part where slice would take it from.  [*s], [length, ..] -> [*s]."""
    shape = x.shape
    inside = constant(True, part.shape, x, bool_)
    inside = unslice(inside, shape=shape, bounds=bounds)
    return where(inside, unslice(part, shape=shape, bounds=bounds), x)


put_slice.gradients(
    x=lambda g, bounds: put_slice(g, constant(0, lengths(bounds), g), bounds=bounds),
    part=lambda g, bounds: slice(g, bounds=bounds),
)
slice.view(lambda x, z, bounds: put_slice(x, z, bounds=bounds))


def lengths(bounds: Bounds) -> Shape:
    """The shape of a slice."""
    return tuple(length for _, length, _ in bounds)


@primitive(free=("index",))
def take(x: Spec, index: Spec, *, axis: int) -> Spec:
    """Rows of x along an axis.  [*a, n, *b], int[*i] -> [*a, *i, *b].

    Raises: IndexOutOfRange for an index below 0 or from n on.
    """
    indices("take", index)
    has_axis("take", x, axis)
    return Spec((*x.shape[:axis], *index.shape, *x.shape[axis + 1 :]), x.dtype)


@composite(free=("index",))
def untake(x: Any, index: Any, *, shape: Shape, axis: int) -> Any:
    """Rows summed to where take found them, its adjoint.  [*a, *i, *b], int[*i] -> [*a, n, *b]."""
    before, after = shape[:axis], shape[axis + 1 :]
    count = size(index.shape)
    x = reshape(x, (*before, count, *after))
    places = reshape(index, tuple(count if i == axis else 1 for i in range(len(shape))))
    return scatter_add(constant(0, shape, x), expand(places, x.shape), x, axis=axis)


take.gradients(
    x=lambda g, x_shape, index, axis: untake(g, index, shape=x_shape, axis=axis), index=None
)
untake.gradients(x=lambda g, index, axis: take(g, index, axis=axis), index=None)


@primitive(free=("index",))
def gather(x: Spec, index: Spec, *, axis: int) -> Spec:
    """x[.., index[.., j, ..], ..]: one element of x for each of index.

    [.., n, ..], int[.., m, ..] -> [.., m, ..].
    Raises: IndexOutOfRange for an index below 0 or from n on.
    """
    indices("gather", index)
    fits("gather", x, index, axis)
    return Spec(index.shape, x.dtype)


def fits(op: str, x: Spec, index: Spec, axis: int) -> None:
    """Raises: ContractError if index is longer than x along another axis."""
    has_axis(op, x, axis)
    others = (i for i in range(x.ndim) if i != axis)
    if index.ndim != x.ndim or any(index.shape[i] > x.shape[i] for i in others):
        raise ContractError(
            f"{op}: index {index} for {x} along axis {axis}; it needs as many dims, and elsewhere "
            f"no more length"
        )


@composite(free=("index",))
def ungather(x: Any, index: Any, *, shape: Shape, axis: int) -> Any:
    """Elements summed to where gather found them, its adjoint.  [.., m, ..] -> [.., n, ..]."""
    return scatter_add(constant(0, shape, x), index, x, axis=axis)


gather.gradients(
    x=lambda g, x_shape, index, axis: ungather(g, index, shape=x_shape, axis=axis), index=None
)
ungather.gradients(x=lambda g, index, axis: gather(g, index, axis=axis), index=None)


@primitive(free=("index",))
def scatter_add(x: Spec, index: Spec, source: Spec, *, axis: int) -> Spec:
    """x with source[.., j, ..] added at [.., index[.., j, ..], ..].

    [.., n, ..], int[.., m, ..], [.., m, ..] -> [.., n, ..].
    Repeated indices add up, in the order of source.
    Raises: IndexOutOfRange for an index below 0 or from n on.
    """
    indices("scatter_add", index)
    fits("scatter_add", x, index, axis)
    short = source.ndim != x.ndim or any(
        m > n for m, n in zip(index.shape, source.shape, strict=True)
    )
    if short or source.dtype is not x.dtype:
        raise ContractError(
            f"scatter_add: source {source} for index {index} into {x}; give it x's type and "
            f"index's shape"
        )
    return x


def scatter_add_gsource(g: Any, source_shape: Shape, index: Any, axis: int) -> Any:
    """What index picks of g, and 0 for the part of source that it does not reach."""
    g = gather(g, index, axis=axis)
    rest = tuple((0, n - m) for n, m in zip(source_shape, g.shape, strict=True))
    return pad(g, widths=rest, value=0) if any(map(any, rest)) else g


scatter_add.gradients(x=lambda g: g, index=None, source=scatter_add_gsource)


@primitive(free=("index",))
def scatter(x: Spec, index: Spec, source: Spec, *, axis: int) -> Spec:
    """x with source[.., j, ..] at [.., index[.., j, ..], ..].

    [.., n, ..], int[.., m, ..], [.., m, ..] -> [.., n, ..].
    Of repeated indices the last one counts; the gradient does not ask which that was.
    Raises: IndexOutOfRange for an index below 0 or from n on.
    """
    indices("scatter", index)
    fits("scatter", x, index, axis)
    if source.shape != index.shape or source.dtype is not x.dtype:
        raise ContractError(
            f"scatter: source {source} for index {index} into {x}; give it x's type and index's "
            f"shape"
        )
    return x


scatter.gradients(
    x=lambda g, index, axis: scatter(g, index, constant(0, index.shape, g), axis=axis),
    index=None,
    source=lambda g, index, axis: gather(g, index, axis=axis),
)


@composite(free=("index",))
def scatter_max(x: Any, index: Any, source: Any, *, axis: int) -> Any:
    """The largest of x and all of source that scatter would put there; equals share the gradient.

    [.., n, ..], int[.., m, ..], [.., m, ..] -> [.., n, ..].
    """
    order = argsort(source, axis=axis, descending=False)  # the last one that is put is the largest
    at, largest = gather(index, order, axis=axis), gather(source, order, axis=axis)
    return maximum(x, scatter(x, at, largest, axis=axis))


@scatter_max.vjp
def scatter_max_vjp(
    g: Any, x: Any, index: Any, source: Any, z: Any, *, axis: int
) -> tuple[Any, None, Any]:
    """g to all that equal the result, in equal shares."""
    own, theirs = equal(x, z), equal(source, gather(z, index, axis=axis))
    own, theirs = cast(own, g.dtype), cast(theirs, g.dtype)
    share = g / maximum(scatter_add(own, index, theirs, axis=axis), 1.0)
    return share * own, None, gather(share, index, axis=axis) * theirs


@primitive(constant=True)
def argsort(x: Spec, *, axis: int, descending: bool) -> Spec:
    """Where along an axis the elements stand in order, equal ones as before.

    [*s] -> int64[*s].  nan counts as the largest.
    """
    has_axis("argsort", x, axis)
    return Spec(x.shape, int64)


@composite(constant=True)
def argselect(x: Any, *, axis: int, first: int, count: int, descending: bool) -> Any:
    """A part of argsort.  [.., n, ..] -> int64[.., count, ..]."""
    return part(argsort(x, axis=axis, descending=descending), axis, first, count)


@composite(constant=True)
def searchsorted(sequence: Any, x: Any, *, right: bool) -> Any:
    """How many of a sorted sequence are below each x; or not above it, if right.  nan: all.

    [*b, n], [*b, m] -> int64[*b, m].
    """
    axis, n, m = x.ndim - 1, sequence.shape[-1], x.shape[-1]
    both = concat(sequence, x, axis=axis) if right else concat(x, sequence, axis=axis)
    places = part(standing(both, axis), axis, n if right else 0, m) - standing(x, axis)
    return where(equal(x, x), places, n) if x.dtype in FLOATING else places


def standing(x: Any, axis: int) -> Any:
    """At which place each element comes in order: argsort, inverted.  [*s] -> int64[*s]."""
    found = argsort(x, axis=axis, descending=False)
    places = naturals(x.shape[axis], x)
    return scatter(found, found, expand(places, x.shape), axis=axis)
