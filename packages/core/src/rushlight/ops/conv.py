"""Convolution and pooling, as products and reductions over sliding windows."""

from __future__ import annotations

from math import inf
from typing import Any

from .. import dtypes
from ..errors import ContractError
from ..op import composite
from ..spec import Shape, Spec, size
from .contraction import matmul, turned
from .indexing import gather, ungather
from .movement import Widths, expand, fold, pad, permute, reshape, slice, windows
from .reduction import argmax, max, sum

__all__ = ["conv", "conv_transpose", "max_pool", "sum_pool"]


@composite
def conv(
    x: Any, weight: Any, bias: Any, *, stride: Shape, padding: Widths, dilation: Shape, groups: int
) -> Any:
    """Cross-correlation over n axes.  [b, c, *s], [o, c / groups, *k], [o] or None -> [b, o, *t].

    z[b, o, t] = bias[o] + sum over c, j of x[b, c, stride t + dilation j - padding] weight[o, c, j]
    Raises: ContractError if channels, dims or element types do not fit together.
    """
    check("conv", x, weight, bias, groups)
    cols, spatial = columns(x, weight.shape[2:], stride, padding, dilation, groups)
    z = placed(matmul(cols, turned(kernels(weight, groups))), x.shape[0], spatial)
    return z if bias is None else z + reshape(bias, (weight.shape[0], *(1 for _ in spatial)))


@conv.vjp
def conv_vjp(
    g: Any, x: Any, weight: Any, *,
    stride: Shape, padding: Widths, dilation: Shape, groups: int, asked: tuple[bool, ...],
) -> tuple[Any, Any, Any]:  # fmt: skip
    """gweight sums g times the windows of x; gx sums g times weight back over the windows."""
    params: Any = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
    gx = spread(g, weight, x.shape[2:], **params) if asked[0] else None
    gweight = None
    if asked[1]:
        cols, _ = columns(x, weight.shape[2:], stride, padding, dilation, groups)
        gweight = reshape(matmul(turned(rowed(g, groups)), cols), weight.shape)
    gbias = sum(g, axes=(0, *range(2, g.ndim)), keepdim=False) if asked[2] else None
    return gx, gweight, gbias


def rowed(g: Any, groups: int) -> Any:
    """[b, o, *t] -> [groups, b t, o / groups]."""
    b, o, *spatial = g.shape
    rows = reshape(g, (b, groups, o // groups, *spatial))
    rows = permute(rows, (1, 0, *range(3, len(spatial) + 3), 2))
    return reshape(rows, (groups, b * size(tuple(spatial)), o // groups))


def spread(
    g: Any, weight: Any, image: Shape, *,
    stride: Shape, padding: Widths, dilation: Shape, groups: int,
) -> Any:  # fmt: skip
    """g times weight, summed back over the windows of an image.

    [b, o, *t], [o, c / groups, *k] -> [b, c, *image].
    """
    (b, _, *spatial), n, c = g.shape, len(image), weight.shape[1] * groups
    cols = matmul(rowed(g, groups), kernels(weight, groups))  # [groups, b t, c / groups k]
    cols = reshape(cols, (groups, b, *spatial, weight.shape[1], *weight.shape[2:]))
    cols = permute(cols, (1, 0, n + 2, *range(2, n + 2), *range(n + 3, 2 * n + 3)))
    cols = reshape(cols, (b, c, *spatial, *weight.shape[2:]))
    return unpooled(cols, (b, c, *image), weight.shape[2:], stride, padding, dilation)


def unpooled(
    cols: Any, shape: Shape, sizes: Shape, stride: Shape, padding: Widths, dilation: Shape
) -> Any:
    """Windows over the last axes summed to where they came from.  [*b, *t, *sizes] -> [*shape]."""
    lead = len(shape) - len(sizes)
    widths = (*((0, 0),) * lead, *padding)
    z = fold(
        cols, shape=tuple(p + m + q for (p, q), m in zip(widths, shape, strict=True)),
        axes=tuple(range(lead, len(shape))), sizes=sizes, strides=stride, dilations=dilation,
    )  # fmt: skip
    return slice(z, tuple((p, m, 1) for (p, _), m in zip(widths, shape, strict=True)))


@composite
def conv_transpose(
    x: Any, weight: Any, *, stride: Shape, padding: Widths, dilation: Shape, groups: int
) -> Any:
    """conv's gradient with respect to its input.  [b, o, *t], [o, c / groups, *k] -> [b, c, *s].

    s = (t - 1) stride + dilation (k - 1) + 1 - padding, as long as t windows need.
    Raises: ContractError if channels, dims or element types do not fit together.
    """
    fits = x.ndim == weight.ndim and x.dtype is weight.dtype and groups > 0
    if not fits or x.shape[1] != weight.shape[0] or weight.shape[0] % groups:
        raise ContractError(
            f"conv_transpose: input {x.spec} with weight {weight.spec} and groups={groups}; input "
            f"channels must be weight.shape[0] and divisible by groups, dims and dtype the same"
        )
    image = tuple(
        (t - 1) * s + d * (k - 1) + 1 - p - q
        for t, s, d, k, (p, q) in zip(
            x.shape[2:], stride, dilation, weight.shape[2:], padding, strict=True
        )
    )
    if any(m < 0 for m in image):
        raise ContractError(f"conv_transpose: {x.spec} becomes {list(image)}; give less padding")
    return spread(
        x, weight, image, stride=stride, padding=padding, dilation=dilation, groups=groups
    )


@conv_transpose.vjp
def conv_transpose_vjp(
    g: Any, x: Any, weight: Any, *,
    stride: Shape, padding: Widths, dilation: Shape, groups: int, asked: tuple[bool, ...],
) -> tuple[Any, Any]:  # fmt: skip
    """gx is conv of g; gweight sums x times the windows of g."""
    cols, spatial = columns(g, weight.shape[2:], stride, padding, dilation, groups)
    gx = gweight = None
    if asked[0]:
        gx = placed(matmul(cols, turned(kernels(weight, groups))), x.shape[0], spatial)
    if asked[1]:
        gweight = reshape(matmul(turned(rowed(x, groups)), cols), weight.shape)
    return gx, gweight


def placed(rows: Any, b: int, spatial: Shape) -> Any:
    """[groups, b t, o / groups] -> [b, o, *t], the opposite of rowed."""
    groups, _, o = rows.shape
    z = reshape(rows, (groups, b, *spatial, o))
    z = permute(z, (1, 0, len(spatial) + 2, *range(2, len(spatial) + 2)))
    return reshape(z, (b, groups * o, *spatial))


def columns(
    x: Any, k: Shape, stride: Shape, padding: Widths, dilation: Shape, groups: int
) -> tuple[Any, Shape]:
    """Every window as a row, and how many lie along each axis.

    [b, c, *s] -> [groups, b t, c / groups k], where t counts the windows and k their elements.
    """
    n, b = len(k), x.shape[0]
    x = pooled(x, tuple(k), stride, padding, dilation, 0)
    spatial = x.shape[2 : n + 2]
    x = reshape(x, (b, groups, x.shape[1] // groups, *spatial, *k))
    x = permute(x, (1, 0, *range(3, n + 3), 2, *range(n + 3, 2 * n + 3)))
    return reshape(x, (groups, b * size(spatial), x.shape[n + 2] * size(tuple(k)))), spatial


def kernels(weight: Any, groups: int) -> Any:
    """[o, c / groups, *k] -> [groups, o / groups, c / groups k]."""
    o = weight.shape[0]
    return reshape(weight, (groups, o // groups, size(weight.shape[1:])))


def check(op: str, x: Any, weight: Any, bias: Any, groups: int) -> None:
    """Raises: ContractError if the parts of a convolution do not fit together."""
    given = f"{op}: input {x.spec} with weight {weight.spec}"
    if x.ndim != weight.ndim or x.dtype is not weight.dtype:
        raise ContractError(f"{given}; give both the same dims and dtype")
    if groups < 1 or weight.shape[0] % groups or x.shape[1] != weight.shape[1] * groups:
        raise ContractError(
            f"{given} and groups={groups}; input channels must be weight.shape[1] * groups, and "
            f"output channels divisible by groups"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ContractError(
            f"{op}: bias {list(bias.shape)} for weight {weight.spec}; give one value per output "
            f"channel"
        )


@composite(free=("place",))
def max_pool(x: Any, *, sizes: Shape, stride: Shape, padding: Widths, dilation: Shape) -> Any:
    """The largest in each window; nan if any is.  [b, c, *s] -> [b, c, *t].

    The gradient goes to the first of equals, as in PyTorch.
    """
    x = pooled(x, sizes, stride, padding, dilation)
    n = len(sizes)
    return max(x, axes=tuple(range(x.ndim - n, x.ndim)), keepdim=False)


@max_pool.residuals("place")
def max_pool_fwd(
    x: Any, *, sizes: Shape, stride: Shape, padding: Widths, dilation: Shape
) -> tuple[Any, Any]:
    """max_pool, and the place in its window of each result."""
    x = pooled(x, sizes, stride, padding, dilation)
    kept = x.shape[: x.ndim - len(sizes)]
    x = reshape(x, (*kept, size(sizes)))
    place = argmax(x, axis=len(kept), keepdim=True)
    return reshape(gather(x, place, axis=len(kept)), kept), place


@max_pool.vjp
def max_pool_vjp(
    g: Any, place: Any, *,
    sizes: Shape, stride: Shape, padding: Widths, dilation: Shape, specs: tuple[Spec, ...],
) -> tuple[Any]:  # fmt: skip
    """g, sent to the place that won each window."""
    kept = g.shape
    g = ungather(reshape(g, (*kept, 1)), place, shape=(*kept, size(sizes)), axis=len(kept))
    g = reshape(g, (*kept, *sizes))
    return (unpooled(g, specs[0].shape, sizes, stride, padding, dilation),)


def pooled(
    x: Any, sizes: Shape, stride: Shape, padding: Widths, dilation: Shape,
    value: float | None = None,
) -> Any:  # fmt: skip
    """Windows over the last axes, beyond the border holding value.  [b, c, *s] -> [b, c, *t, *k].

    value: None for the least of the type.
    """
    ndim, n = x.ndim, len(sizes)
    if any(map(any, padding)):
        if value is None:
            value = int(dtypes.iinfo(x.dtype).min) if x.dtype in dtypes.INTEGER else -inf
        x = pad(x, widths=(*((0, 0),) * (ndim - n), *padding), value=value)
    axes = tuple(range(ndim - n, ndim))
    return windows(x, axes=axes, sizes=sizes, strides=stride, dilations=dilation)


@composite
def sum_pool(x: Any, *, sizes: Shape, stride: Shape, padding: Widths) -> Any:
    """The sum of each window, zeros beyond the border.  [b, c, *s] -> [b, c, *t]."""
    x = pooled(x, sizes, stride, padding, (1,) * len(sizes), 0)
    n = len(sizes)
    return sum(x, axes=tuple(range(x.ndim - n, x.ndim)), keepdim=False)


def sum_pool_gx(g: Any, x_shape: Shape, sizes: Shape, stride: Shape, padding: Widths) -> Any:
    """g, for every element of its window."""
    g = reshape(g, (*g.shape, *(1,) * len(sizes)))
    g = expand(g, (*g.shape[: -len(sizes)], *sizes))
    return unpooled(g, x_shape, sizes, stride, padding, (1,) * len(sizes))


sum_pool.gradients(x=sum_pool_gx)
