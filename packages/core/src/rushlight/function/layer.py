"""The functions behind layers."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .. import dtypes, ops
from ..dtypes import DType
from ..errors import ContractError
from ..ops.conv import check as check_conv
from ..ops.creation import constant
from ..ops.elementwise import convert
from ..ops.fused import per_channel, scaled
from ..ops.movement import Widths, part
from ..spec import Shape, normal_axis, size
from .chain import chain
from .elementwise import bent
from .given import beside, floating, rank, sized, together, whole
from .movement import squeeze, unsqueeze
from .precision import autocasts, rounds_once

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "batch_norm", "bilinear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "elu", "gelu", "glu", "group_norm", "instance_norm", "layer_norm",
    "leaky_relu", "linear", "log_softmax", "rms_norm", "softmax", "softplus",
]  # fmt: skip


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """input weight^T + bias.  [*s, n], [m, n], [m] -> [*s, m].

    Raises: ContractError if the lengths differ.
    """
    try:
        dims, of_weight = len(input._data.shape), len(weight._data.shape)
    except AttributeError:
        dims, of_weight = rank("linear", input), rank("linear", weight)
    if of_weight == 1 and dims:
        z = ops.linear(input if dims > 1 else unsqueeze(input, 0), unsqueeze(weight, 0), bias)
        return ops.reshape(z, input.shape[:-1])
    if dims == 1:
        z = ops.linear(unsqueeze(input, 0), weight, bias)
        return ops.reshape(z, (z.shape[1],))
    return ops.linear(input, weight, bias)


@autocasts("given")
def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Sums of input1[i] weight[o, i, j] input2[j] over i and j, plus bias[o].

    [*s, n], [*s, m], [o, n, m], [o] -> [*s, o].
    Raises: ContractError if shapes do not fit.
    """
    together("bilinear", input1, input2, weight, optional=(bias,))
    given, (o, n, m) = input1.shape[:-1], (weight.shape * 3)[:3]
    fits = weight.ndim == 3 and input1.shape == (*given, n) and input2.shape == (*given, m)
    if not fits or (bias is not None and bias.shape != (o,)):
        raise ContractError(
            f"bilinear: {input1.spec}, {input2.spec}, weight {weight.spec}; give [*s, n], [*s, m] "
            "and [o, n, m], and for bias [o]"
        )
    flat = ops.reshape(ops.permute(weight, (1, 0, 2)), (n, o * m))
    rows = ops.reshape(ops.matmul(ops.reshape(input1, (size(given), n)), flat), (*given, o, m))
    z: Tensor = ops.matmul(rows, ops.reshape(input2, (*given, m, 1)))
    z = ops.reshape(z, (*given, o))
    return z if bias is None else z + bias


COUNT = ("", "", "two", "three")  # how a message counts spatial dims
SPATIAL = ("", "t", "h, w", "d, h, w")


def repeated(op: str, name: str, value: Any, least: int = 1, n: int = 2) -> Shape:
    """One integer for all n spatial dims, or one for each.  Raises: ContractError."""
    given = each(value, n)
    if len(given) != n or builtins.any(type(x) is not int or x < least for x in given):
        several = f", or {COUNT[n]} of them" if n > 1 else ""
        raise ContractError(f"{op}: {name} {value!r}; give an integer from {least}{several}")
    return given


def each(value: Any, n: int) -> tuple[Any, ...]:
    """One value, n times; of several those."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * n


def padded(op: str, padding: Any, sizes: Shape, strides: Shape, steps: Shape) -> Widths:
    """What is put before and after each dim: "valid" is nothing, "same" as much as keeps lengths.

    Raises: ContractError for what is no padding, and for "same" with a stride.
    """
    if padding != "same":
        given = 0 if padding == "valid" else padding
        return tuple((p, p) for p in repeated(op, "padding", given, 0, len(sizes)))
    if builtins.max(strides) > 1:
        raise ContractError(f"{op}: padding 'same' with stride {list(strides)}; give stride 1")
    spans = [d * (k - 1) for d, k in zip(steps, sizes, strict=True)]
    return tuple((span // 2, span - span // 2) for span in spans)


def windowed(op: str, x: Tensor, sizes: Shape, widths: Widths, steps: Shape) -> None:
    """Raises: ContractError unless windows fit into the last dims."""
    spans = [d * (k - 1) + 1 for d, k in zip(steps, sizes, strict=True)]
    image = x.shape[x.ndim - len(sizes) :]
    padded = [m + p + q for m, (p, q) in zip(image, widths, strict=True)]
    if builtins.any(span > m for span, m in zip(spans, padded, strict=True)):
        raise ContractError(
            f"{op}: windows spanning {spans} over {x.spec}, which with its padding is {padded}; "
            f"give smaller windows or more padding"
        )


@autocasts("narrow")
def convolve(
    n: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any,
    dilation: Any, groups: int,
) -> Tensor:  # fmt: skip
    """conv1d, conv2d or conv3d."""
    op, dims = f"conv{n}d", SPATIAL[n]
    together(op, input, weight, optional=(bias,))
    if input.ndim == n + 1:
        return squeeze(
            convolve(n, unsqueeze(input, 0), weight, bias, stride, padding, dilation, groups), 0
        )
    if input.ndim != n + 2 or weight.ndim != n + 2:
        raise ContractError(
            f"{op}: input {input.spec} with weight {weight.spec}; give [b, c, {dims}] (or "
            f"[c, {dims}]) and [o, c / groups, {', '.join('klm'[:n])}]"
        )
    strides = repeated(op, "stride", stride, 1, n)
    steps = repeated(op, "dilation", dilation, 1, n)
    check_conv(op, input, weight, bias, whole(op, "groups", groups, 1))
    widths = padded(op, padding, weight.shape[2:], strides, steps)
    windowed(op, input, weight.shape[2:], widths, steps)
    return ops.conv(
        input, weight, bias, stride=strides, padding=widths, dilation=steps, groups=groups
    )


def conv1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation over one dim.  [b, c, t], [o, c / groups, k], [o] -> [b, o, t'].

    Lengths, padding and errors: as in `conv2d`.
    """
    return convolve(1, input, weight, bias, stride, padding, dilation, groups)


def conv2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation over two dims.  [b, c, h, w], [o, c / groups, k, l], [o] -> [b, o, h', w'].

    h' = (h + 2 padding - dilation (k - 1) - 1) // stride + 1.  padding may be "valid" (none) or
    "same" (h' = h; stride 1 only).  An input [c, h, w] has no batch.
    Raises: ContractError if dims, channels or windows do not fit.
    """
    return convolve(2, input, weight, bias, stride, padding, dilation, groups)


def conv3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """Cross-correlation over three dims.

    [b, c, d, h, w], [o, c / groups, k, l, m], [o] -> [b, o, d', h', w'].
    Lengths, padding and errors: as in `conv2d`.
    """
    return convolve(3, input, weight, bias, stride, padding, dilation, groups)


@autocasts("narrow")
def transposed(
    n: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any,
    output_padding: Any, groups: int, dilation: Any,
) -> Tensor:  # fmt: skip
    """conv_transpose1d, conv_transpose2d or conv_transpose3d."""
    op, dims = f"conv_transpose{n}d", SPATIAL[n]
    together(op, input, weight, optional=(bias,))
    if input.ndim == n + 1:
        more = (stride, padding, output_padding, groups, dilation)
        return squeeze(transposed(n, unsqueeze(input, 0), weight, bias, *more), 0)
    strides, steps = repeated(op, "stride", stride, 1, n), repeated(op, "dilation", dilation, 1, n)
    before = repeated(op, "padding", padding, 0, n)
    added = repeated(op, "output_padding", output_padding, 0, n)
    groups = whole(op, "groups", groups, 1)
    fits = input.ndim == n + 2 == weight.ndim and input.dtype is weight.dtype
    if not fits or input.shape[1] != weight.shape[0] or input.shape[1] % groups:
        raise ContractError(
            f"{op}: input {input.spec} with weight {weight.spec} and groups={groups}; give "
            f"[b, c, {dims}] and [c, o / groups, {', '.join('klm'[:n])}] of one dtype"
        )
    if bias is not None and bias.shape != (weight.shape[1] * groups,):
        raise ContractError(f"{op}: bias {bias.spec}; give [{weight.shape[1] * groups}]")
    for a, s, d in zip(added, strides, steps, strict=True):
        if a >= builtins.max(s, d):
            raise ContractError(
                f"{op}: output_padding {output_padding}; give less than stride or dilation"
            )
    after = [p - a for p, a in zip(before, added, strict=True)]  # below 0: zeros are added
    widths = tuple((p, builtins.max(q, 0)) for p, q in zip(before, after, strict=True))
    image = [
        (t - 1) * s + d * (k - 1) + 1 - p - q
        for t, s, d, k, p, q in zip(
            input.shape[2:], strides, steps, weight.shape[2:], before, after, strict=True
        )
    ]
    if builtins.min(image) < 1:
        raise ContractError(f"{op}: {input.spec} becomes {image}; give less padding")
    z: Tensor = ops.conv_transpose(
        input, weight, stride=strides, padding=widths, dilation=steps, groups=groups
    )
    if builtins.min(after) < 0:
        zeros = tuple((0, builtins.max(-q, 0)) for q in after)
        z = ops.pad(z, widths=((0, 0), (0, 0), *zeros), value=0)
    return z if bias is None else z + per_channel(bias, n + 2)


def conv_transpose1d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """conv1d's gradient with respect to its input, plus bias.

    [b, c, t], [c, o / groups, k], [o] -> [b, o, t'].
    Lengths and errors: as in `conv_transpose2d`.
    """
    return transposed(1, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose2d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """conv2d's gradient with respect to its input, plus bias.

    [b, c, h, w], [c, o / groups, k, l], [o] -> [b, o, h', w'].
    h' = (h - 1) stride - 2 padding + dilation (k - 1) + 1 + output_padding.
    Raises: ContractError if dims or channels do not fit, or nothing is left of the image.
    """
    return transposed(2, input, weight, bias, stride, padding, output_padding, groups, dilation)


def conv_transpose3d(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,
    output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
) -> Tensor:  # fmt: skip
    """conv3d's gradient with respect to its input, plus bias.

    [b, c, d, h, w], [c, o / groups, k, l, m], [o] -> [b, o, d', h', w'].
    Lengths and errors: as in `conv_transpose2d`.
    """
    return transposed(3, input, weight, bias, stride, padding, output_padding, groups, dilation)


def mixed(input: Tensor, *params: Tensor | None) -> bool:
    """Whether a half-precision input meets parameters of float32, as it does under autocast."""
    wide = [p for p in params if p is not None and p.dtype is dtypes.float32]
    return bool(wide) and input.dtype.itemsize == 2


def widely(norm: Callable[..., Tensor], input: Tensor, *given: Any) -> Tensor:
    """The norm computed in float32, in the input's type."""
    return ops.cast(norm(ops.cast(input, dtypes.float32), *given), input.dtype)


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
    given = normalized_shape
    shape = given if type(given) is tuple else sized("layer_norm", (given,))
    if not shape or input._data.shape[n - len(shape) :] != shape:
        shape = sized("layer_norm", (shape,))  # a tuple of anything
        raise ContractError(
            f"layer_norm: {input.spec} over {list(shape)}; give the shape of its last dims"
        )
    if input._data.dtype is not dtypes.float32:
        floating("layer_norm", input)
        if mixed(input, weight, bias):
            return widely(layer_norm, input, shape, weight, bias, eps)
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
    op = "batch_norm"
    scaling(op, input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    params = (running_mean, running_var, weight, bias)
    if mixed(input, *params):
        return widely(batch_norm, input, *params, training, momentum, eps)
    if not training:
        if running_mean is None or running_var is None:
            raise ContractError(
                "batch_norm: no running statistics in evaluation; give them, or training=True"
            )
        scale = ops.rsqrt(running_var + eps)
        if weight is not None:
            scale = scale * weight
        shift = -running_mean * scale if bias is None else bias - running_mean * scale
        return ops.addcmul(per_channel(shift, input.ndim), input, per_channel(scale, input.ndim))
    n = size(input.shape) // builtins.max(input.shape[1], 1)
    if n == 1:
        raise ContractError(
            f"batch_norm: {input.spec} has 1 value per channel; training needs more than 1"
        )
    if n == 0:  # nothing that the running statistics could move towards
        still = constant(1, input.shape[1:2], input)
        return batch_norm(input, still, still, weight, bias, eps=eps)
    made: tuple[Tensor, ...] = ops.batch_norm.op.with_residuals(input, weight, bias, eps=eps)
    z, mu, variance = made
    approach(running_mean, mu, momentum)
    approach(running_var, variance * (n / (n - 1)), momentum)
    return z


def approach(running: Tensor | None, new: Tensor, momentum: float) -> None:
    """Move running statistics, if any, towards new ones."""
    if running is not None:
        new = running.detach() * (1 - momentum) + ops.reshape(new, running.shape) * momentum
        running.assign_(new.to(running.dtype))


@chain
def rms_norm(
    input: Tensor, normalized_shape: int | Sequence[int], weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:  # fmt: skip
    """input / sqrt(mean(input^2) + eps) * weight over the last dims.  [*s, *n], [*n] -> [*s, *n].

    eps: in units of input squared; None for the epsilon of the type that it is computed in.
    Raises: ContractError unless normalized_shape is the shape of the last dims.
    Source: Zhang, Sennrich 2019, arXiv:1910.07467, eq. 4.
    """
    op = "rms_norm"
    n = rank(op, input)
    together(op, input, optional=(weight,))
    shape = sized(op, (normalized_shape,))
    fits = shape and input.shape[n - len(shape) :] == shape
    if not fits or (weight is not None and weight.shape != shape):
        given = "" if weight is None else f" with weight {weight.spec}"
        raise ContractError(
            f"{op}: {input.spec} over {list(shape)}{given}; give the shape of its last dims"
        )
    floating(op, input)
    wide = input if input.dtype.itemsize > 2 else ops.cast(input, dtypes.float32)
    eps = float(dtypes.finfo(wide.dtype).eps) if eps is None else eps
    axes = tuple(range(n - len(shape), n))
    z = wide * ops.rsqrt(ops.mean(wide * wide, axes, keepdim=True) + eps)
    made: Tensor = convert(z, input.dtype)
    return made if weight is None else convert(made * weight, input.dtype)


@chain
def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """(input - mean) / sqrt(var + eps) * weight + bias, mean and var per sample and group.

    [b, c, *s], [c], [c] -> [b, c, *s].
    Raises: ContractError unless num_groups divides the channels, or for one value per group.
    Source: Wu, He 2018, arXiv:1803.08494, eq. 1 and 7.
    """
    op = "group_norm"
    scaling(op, input, weight=weight, bias=bias)
    if mixed(input, weight, bias):
        return widely(group_norm, input, num_groups, weight, bias, eps)
    groups = whole(op, "num_groups", num_groups, 1)
    if input.shape[1] % groups:
        raise ContractError(
            f"{op}: {input.spec} in {groups} groups; give a number that divides the channels"
        )
    n = size(input.shape[1:]) // groups
    if n * input.shape[0] == 1:
        raise ContractError(f"{op}: {input.spec} has one value in {groups} groups; give more")
    return alike(input, ops.reshape(input, (input.shape[0], groups, n)), weight, bias, eps)


def alike(
    input: Tensor, rows: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """Rows [.., n] made alike in mean and variance, then input's channels scaled and shifted."""
    z = rows
    if 0 not in rows.shape:
        z = ops.layer_norm(rows, None, None, axes=(rows.ndim - 1,), eps=eps)
    n = input.ndim
    made: Tensor = scaled(ops.reshape(z, input.shape), per_channel(weight, n), per_channel(bias, n))
    return made


def scaling(op: str, input: Tensor, **per_channel: Tensor | None) -> None:
    """Raises: ContractError unless these hold one value per channel of a floating [b, c, *s]."""
    together(op, input, optional=tuple(per_channel.values()))
    if input.ndim < 2:
        raise ContractError(f"{op}: {input.spec}; give [b, c, *s]")
    floating(op, input)
    for name, p in per_channel.items():
        if p is not None and p.shape != input.shape[1:2]:
            raise ContractError(
                f"{op}: {name} {p.spec} for {input.spec}; give one value per channel"
            )


def instance_norm(
    input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None,
    weight: Tensor | None = None, bias: Tensor | None = None,
    use_input_stats: bool = True, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """(input - mean) / sqrt(var + eps) * weight + bias per sample and channel.

    [b, c, *s], [c] -> [b, c, *s].
    use_input_stats: mean and var are those of each sample, and running_mean and running_var, if
    given, move towards their means by momentum (var with correction 1); else they are the running.
    Raises: ContractError for one value per channel, or if neither statistics are there.
    Source: Ulyanov, Vedaldi, Lempitsky 2016, arXiv:1607.08022, eq. 4.
    """
    op = "instance_norm"
    scaling(op, input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    params = (running_mean, running_var, weight, bias)
    if mixed(input, *params):
        return widely(instance_norm, input, *params, use_input_stats, momentum, eps)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ContractError(f"{op}: no running statistics; give them, or use_input_stats=True")
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    n = size(input.shape[2:])
    if n == 1:
        raise ContractError(f"{op}: {input.spec} has one value per channel; give more than 1")
    rows = ops.reshape(input, (*input.shape[:2], n))
    found = rows.detach()
    mu = ops.mean(found, (0, 2), keepdim=False)
    variance = ops.var(found, axes=(2,), keepdim=False, correction=1)
    approach(running_mean, mu, momentum)
    approach(running_var, ops.mean(variance, (0,), False), momentum)
    return alike(input, rows, weight, bias, eps)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """input Phi(input), Phi the normal distribution's function.  [*s] -> [*s].

    approximate: "tanh" for (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2 in place of Phi(x).
    Source: Hendrycks, Gimpel 2016, arXiv:1606.08415.
    """
    if approximate not in ("none", "tanh"):
        raise ContractError(f"gelu: approximate={approximate!r}; choose 'none' or 'tanh'")
    return ops.gelu_tanh(input) if approximate == "tanh" else ops.gelu(input)


@chain
@rounds_once
def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """input where positive, negative_slope input elsewhere.  [*s] -> [*s]."""
    beside("leaky_relu", input, negative_slope)
    return ops.kink(ops.greater(input, 0), input, input * negative_slope)


@chain
def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """input where positive, alpha (exp(input) - 1) elsewhere.  [*s] -> [*s]."""
    beside("elu", input, alpha)
    return bent(input, alpha)


@chain
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta input)) / beta; input where beta input > threshold.  [*s] -> [*s]."""
    beside("softplus", input, beta, threshold)
    scaled = input * beta
    return ops.where(ops.greater(scaled, threshold), input, ops.log1p_exp(scaled) / beta)


def softmax(input: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
    """exp(input) / sum(exp(input)) along dim, without overflow.  [.., n, ..] -> [.., n, ..]."""
    return shares("softmax", ops.softmax, input, dim, dtype)


def log_softmax(input: Tensor, dim: int, dtype: DType | None = None) -> Tensor:
    """input - log(sum(exp(input))) along dim, without overflow.  [.., n, ..] -> [.., n, ..]."""
    return shares("log_softmax", ops.log_softmax, input, dim, dtype)


def shares(op: str, operation: Any, x: Tensor, dim: int, dtype: DType | None) -> Tensor:
    """softmax or log_softmax, by its operation; a 0-d tensor is one element."""
    n = rank(op, x)
    if dtype is not None:
        x = ops.cast(x, dtypes.as_dtype(dtype))
    axis = normal_axis(op, dim, n)
    if n == 0:
        return ops.reshape(operation(ops.reshape(x, (1,)), 0), ())
    if 0 in x._data.shape:
        return ops.exp(x)
    z: Tensor = operation(x, axis)
    return z


@chain
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """a sigmoid(b), a and b the halves of input along dim.  [.., 2 n, ..] -> [.., n, ..].

    Raises: ContractError unless the length is even.
    Source: Dauphin et al. 2016, arXiv:1612.08083, section 2.
    """
    n = rank("glu", input)
    axis = normal_axis("glu", dim, n)
    if not n or input.shape[axis] % 2:
        raise ContractError(f"glu: {input.spec} along dim {dim}; give an even length")
    half = input.shape[axis] // 2
    return part(input, axis, 0, half) * ops.sigmoid(part(input, axis, half, half))
