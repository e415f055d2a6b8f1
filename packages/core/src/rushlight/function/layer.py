"""The functions behind layers."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import dtypes, ops
from ..dtypes import DType
from ..errors import ContractError
from ..ops.conv import check as check_conv
from ..spec import Shape, normal_axis, size
from .given import floating, operands, rank, sized, together, whole
from .movement import squeeze, unsqueeze

if TYPE_CHECKING:
    from ..tensor import Tensor


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


def rms_norm(
    input: Tensor, normalized_shape: int | Sequence[int], weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:  # fmt: skip
    """input / sqrt(mean(input^2) + eps) * weight over the last dims.  [*s, *n], [*n] -> [*s, *n].

    eps: in units of input squared; None for the epsilon of the type that it is computed in.
    Raises: ContractError unless normalized_shape is the shape of the last dims.
    Source: Zhang, Sennrich 2019, arXiv:1910.07467, eq. 4.
    """
    n = rank("rms_norm", input)
    together("rms_norm", input, optional=(weight,))
    shape = sized("rms_norm", (normalized_shape,))
    fits = shape and input.shape[n - len(shape) :] == shape
    if not fits or (weight is not None and weight.shape != shape):
        given = "" if weight is None else f" with weight {weight.spec}"
        raise ContractError(
            f"rms_norm: {input.spec} over {list(shape)}{given}; give the shape of its last dims"
        )
    floating("rms_norm", input)
    wide = input if input.dtype.itemsize > 2 else ops.cast(input, dtype=dtypes.float32)
    eps = float(dtypes.finfo(wide.dtype).eps) if eps is None else eps
    axes = tuple(range(n - len(shape), n))
    z = wide * ops.rsqrt(ops.mean(wide * wide, axes=axes, keepdim=True) + eps)
    z = z if z.dtype is input.dtype else ops.cast(z, dtype=input.dtype)
    return z if weight is None else z * weight


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """(input - mean) / sqrt(var + eps) * weight + bias, mean and var per sample and group.

    [b, c, *s], [c], [c] -> [b, c, *s].
    Raises: ContractError unless num_groups divides the channels, or for one value per group.
    Source: Wu, He 2018, arXiv:1803.08494, eq. 1 and 7.
    """
    scaling("group_norm", input, weight=weight, bias=bias)
    groups = whole("group_norm", "num_groups", num_groups, 1)
    if input.shape[1] % groups:
        raise ContractError(
            f"group_norm: {input.spec} in {groups} groups; give a number that divides the channels"
        )
    n = size(input.shape[1:]) // groups
    if n * input.shape[0] == 1:
        raise ContractError(f"group_norm: {input.spec} has one value in {groups} groups; give more")
    return alike(input, ops.reshape(input, (input.shape[0], groups, n)), weight, bias, eps)


def alike(
    input: Tensor, rows: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
) -> Tensor:
    """Rows [.., n] made alike in mean and variance, then input's channels scaled and shifted."""
    z = rows
    if 0 not in rows.shape:
        z = ops.layer_norm(rows, None, None, axes=(rows.ndim - 1,), eps=eps)
    z = ops.reshape(z, input.shape)
    channels = (1, input.shape[1], *(1 for _ in input.shape[2:]))
    z = z if weight is None else z * ops.reshape(weight, channels)
    return z if bias is None else z + ops.reshape(bias, channels)


def scaling(op: str, input: Tensor, **per_channel: Tensor | None) -> None:
    """Raises: ContractError unless these hold one value per channel of a floating [b, c, *s]."""
    together(op, input, optional=tuple(per_channel.values()))
    if input.ndim < 2:
        raise ContractError(f"{op}: {input.spec}; give [b, c, *s]")
    floating(op, input)
    for name, p in per_channel.items():
        if p is not None and p.shape != input.shape[1:2]:
            raise ContractError(f"{op}: {name} {p.spec} for {input.spec}; give one per channel")


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
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise ContractError(f"{op}: no running statistics; give them, or use_input_stats=True")
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    n = size(input.shape[2:])
    if n == 1:
        raise ContractError(f"{op}: {input.spec} has one value per channel; give more than 1")
    rows = ops.reshape(input, (*input.shape[:2], n))
    found = rows.detach()
    mu = ops.mean(found, axes=(0, 2), keepdim=False)
    variance = ops.var(found, axes=(2,), keepdim=False, correction=1)
    for running, new in ((running_mean, mu), (running_var, ops.mean(variance, (0,), False))):
        if running is not None:
            running.assign_(running.detach() * (1 - momentum) + new * momentum)
    return alike(input, rows, weight, bias, eps)


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
    up = ops.greater(input, 0)
    return ops.where(up, input, ops.expm1(ops.where(up, 0.0, input)) * alpha)


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
