"""Movement: the same elements in another arrangement.  Most backends make views of these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import ContractError
from ..op import composite, primitive
from ..spec import Shape, Spec, broadcast, has_axis, integers, size

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["concat", "expand", "fold", "pad", "permute", "reshape", "slice", "unslice", "windows"]

Bounds = tuple[tuple[int, int, int], ...]  # start, length and step of each axis
Widths = tuple[tuple[int, int], ...]  # how much is added before and after each axis


@primitive
def reshape(x: Spec, *, shape: Shape) -> Spec:
    """The same elements in the same order, folded to shape.  [*s] -> [*shape]."""
    integers("reshape", shape)
    if size(x.shape) != size(shape):
        raise ContractError(
            f"reshape: {x} has {size(x.shape)} elements, shape {list(shape)} needs {size(shape)}; "
            f"use a shape of the same size"
        )
    return Spec(shape, x.dtype)


reshape.gradients(x=lambda g, x_shape: reshape(g, shape=x_shape))
reshape.view(lambda x, z, _: reshape(z, x.shape))


@primitive
def permute(x: Spec, *, order: Shape) -> Spec:
    """Axes in a new order.  [*s] -> [s[order[0]], s[order[1]], ..]."""
    if sorted(order) != list(range(x.ndim)):
        raise ContractError(f"permute: order {order} for {x}; name each of its {x.ndim} axes once")
    return Spec(tuple(x.shape[i] for i in order), x.dtype)


def unpermute(g: Any, order: Shape) -> Any:
    """Axes back in the order that they had before permute."""
    return permute(g, tuple(sorted(range(len(order)), key=order.__getitem__)))


permute.gradients(x=unpermute)
permute.view(lambda x, z, order: unpermute(z, order))  # noqa: ARG005  a put is given x


@primitive
def expand(x: Spec, *, shape: Shape) -> Spec:
    """Axes of length one stretched, and new ones in front.  [.., 1, ..] -> [.., n, ..]."""
    if broadcast("expand", x.shape, shape) != shape:
        raise ContractError(
            f"expand: {x} does not stretch to {list(shape)}; only axes of length 1 do"
        )
    return Spec(shape, x.dtype)


def unexpand(x: Any, z: Any, shape: Shape) -> Any:
    """z as x, if nothing was stretched."""
    if size(x.shape) != size(shape):
        raise ContractError(
            f"expand: {z.spec} shows elements of {x.spec} many times, so it cannot be assigned; "
            f"clone() it first"
        )
    return reshape(z, x.shape)


expand.gradients(x=lambda g: g)  # the tape walk sums it back
expand.view(unexpand)


@primitive
def slice(x: Spec, *, bounds: Bounds) -> Spec:
    """Of each axis length elements from start on, step (also < 0) apart.  [*s] -> [length, ..]."""
    if len(bounds) != x.ndim:
        raise ContractError(f"slice: {len(bounds)} bounds for {x}; give one for each axis")
    for (start, length, step), n in zip(bounds, x.shape, strict=True):
        last = start + (length - 1) * step
        if length < 0 or step == 0 or (length and not (0 <= start < n and 0 <= last < n)):
            raise ContractError(
                f"slice: start {start}, length {length}, step {step} leave an axis of {n} in {x}"
            )
    return Spec(tuple(length for _, length, _ in bounds), x.dtype)


@composite
def unslice(x: Any, *, shape: Shape, bounds: Bounds) -> Any:
    """Zeros, but x where slice took it from: the adjoint of slice.  [length, ..] -> [*shape]."""
    for i, (start, length, step) in enumerate(bounds):
        if step < 0:
            x = flipped(x, i)
            start, step = start + (length - 1) * step, -step
        x = dilated(x, i, step)
        x = pad(x, widths=around(len(shape), i, start, shape[i] - start - x.shape[i]), value=0)
    return x


slice.gradients(x=lambda g, x_shape, bounds: unslice(g, shape=x_shape, bounds=bounds))
unslice.gradients(x=lambda g, bounds: slice(g, bounds=bounds))


def part(x: Any, axis: int, start: int, length: int, step: int = 1) -> Tensor:
    """So many elements along an axis.  [.., n, ..] -> [.., length, ..]."""
    bounds = [(0, n, 1) for n in x.shape]
    bounds[axis] = (start, length, step)
    return slice(x, tuple(bounds))


def flipped(x: Any, axis: int) -> Any:
    """x backwards along an axis.  [.., n, ..] -> [.., n, ..]."""
    n = x.shape[axis]
    return part(x, axis, n - 1, n, -1) if n else x


def dilated(x: Any, axis: int, step: int) -> Any:
    """x with step - 1 zeros between neighbours.  [.., n, ..] -> [.., (n - 1) step + 1, ..]."""
    n, ndim = x.shape[axis], x.ndim
    if step == 1 or n == 0:
        return x
    before, after = x.shape[:axis], x.shape[axis + 1 :]
    x = reshape(x, (*before, n, 1, *after))
    x = pad(x, widths=around(ndim + 1, axis + 1, 0, step - 1), value=0)
    return part(reshape(x, (*before, n * step, *after)), axis, 0, (n - 1) * step + 1)


def around(ndim: int, axis: int, before: int, after: int) -> Widths:
    """Widths that pad one axis only."""
    return tuple((before, after) if i == axis else (0, 0) for i in range(ndim))


@primitive
def pad(x: Spec, *, widths: Widths, value: float) -> Spec:
    """value before and after each axis.  [*s] -> [before + n + after, ..]."""
    if len(widths) != x.ndim or any(w < 0 for pair in widths for w in pair):
        raise ContractError(
            f"pad: widths {widths} for {x}; give a pair of lengths >= 0 for each axis"
        )
    return Spec(tuple(a + n + b for (a, b), n in zip(widths, x.shape, strict=True)), x.dtype)


pad.gradients(
    x=lambda g, x_shape, widths: slice(
        g, tuple((before, n, 1) for (before, _), n in zip(widths, x_shape, strict=True))
    )
)


@primitive
def concat(*xs: Spec, axis: int) -> Spec:
    """Joined along an axis.  [.., n_i, ..], .. -> [.., sum n_i, ..]."""
    first = xs[0]
    has_axis("concat", first, axis)
    for x in xs:
        if x.dtype is not first.dtype or x.shape[:axis] + x.shape[axis + 1 :] != (
            first.shape[:axis] + first.shape[axis + 1 :]
        ):
            raise ContractError(
                f"concat: {first} and {x} along axis {axis}; all else must be equal"
            )
    total = sum(x.shape[axis] for x in xs)
    return Spec((*first.shape[:axis], total, *first.shape[axis + 1 :]), first.dtype)


@concat.vjp
def concat_vjp(g: Any, *, specs: tuple[Spec, ...], axis: int, asked: tuple[bool, ...]) -> list[Any]:
    """The part of g that each input made."""
    parts, start = [], 0
    for spec, wanted in zip(specs, asked, strict=True):
        n = spec.shape[axis]
        parts.append(part(g, axis, start, n) if wanted else None)
        start += n
    return parts


@primitive
def windows(x: Spec, *, axes: Shape, sizes: Shape, strides: Shape, dilations: Shape) -> Spec:
    """A window of sizes at every stride along axes, as new axes at the end.

    [.., n, ..] -> [.., (n - dilation (size - 1) - 1) // stride + 1, .., *sizes].
    """
    shape = list(x.shape)
    for i, k, s, d in zip(axes, sizes, strides, dilations, strict=True):
        has_axis("windows", x, i)
        span = d * (k - 1) + 1
        if k < 1 or s < 1 or d < 1 or span > x.shape[i]:
            raise ContractError(
                f"windows: size {k}, stride {s}, dilation {d} along axis {i} of {x}; a window "
                f"spans {span} elements and must fit, all three are at least 1"
            )
        shape[i] = (x.shape[i] - span) // s + 1
    return Spec((*shape, *sizes), x.dtype)


@composite
def fold(
    x: Any, *, shape: Shape, axes: Shape, sizes: Shape, strides: Shape, dilations: Shape
) -> Any:
    """Windows summed to where they came from: the adjoint of windows.  [.., *sizes] -> [*shape]."""
    places: list[Shape] = [()]
    for k in sizes:
        places = [(*place, j) for place in places for j in range(k)]
    n, total = len(shape), None
    for place in places:  # one element of every window at a time
        bounds = (*((0, m, 1) for m in x.shape[:n]), *((j, 1, 1) for j in place))
        one = reshape(slice(x, bounds), x.shape[:n])
        target = [(0, m, 1) for m in shape]
        for i, j, s, d in zip(axes, place, strides, dilations, strict=True):
            target[i] = (j * d, x.shape[i], s)
        one = unslice(one, shape=shape, bounds=tuple(target))
        total = one if total is None else total + one
    return total


windows.gradients(
    x=lambda g, x_shape, axes, sizes, strides, dilations: fold(
        g, shape=x_shape, axes=axes, sizes=sizes, strides=strides, dilations=dilations
    )
)
fold.gradients(
    x=lambda g, axes, sizes, strides, dilations: windows(
        g, axes=axes, sizes=sizes, strides=strides, dilations=dilations
    )
)
