"""The functions behind the layers, under torch.nn.functional's names.  They hold no parameters.

inplace, where PyTorch has it: the input itself becomes the result, and is returned.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import rushlight as rl
from rushlight import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    batch_norm,
    bilinear,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
    cosine_embedding_loss,
    cosine_similarity,
    cross_entropy,
    dropout,
    gaussian_nll_loss,
    gelu,
    glu,
    group_norm,
    hardshrink,
    hinge_embedding_loss,
    huber_loss,
    instance_norm,
    kl_div,
    l1_loss,
    layer_norm,
    linear,
    log_softmax,
    logsigmoid,
    margin_ranking_loss,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    mse_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    nll_loss,
    normalize,
    one_hot,
    pad,
    pairwise_distance,
    poisson_nll_loss,
    prelu,
    rms_norm,
    sigmoid,
    smooth_l1_loss,
    soft_margin_loss,
    softmax,
    softplus,
    softshrink,
    softsign,
    tanh,
    tanhshrink,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from rushlight.function import (
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    lp_pool1d,
    lp_pool2d,
    lp_pool3d,
    max_unpool1d,
    max_unpool2d,
    max_unpool3d,
)

from .sampling import affine_grid, fold, grid_sample, interpolate, unfold

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "affine_grid",
    "alpha_dropout",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "celu_",
    "channel_shuffle",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cosine_embedding_loss",
    "cosine_similarity",
    "cross_entropy",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "elu_",
    "embedding",
    "embedding_bag",
    "feature_alpha_dropout",
    "fold",
    "gaussian_nll_loss",
    "gelu",
    "glu",
    "grid_sample",
    "group_norm",
    "gumbel_softmax",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "hinge_embedding_loss",
    "huber_loss",
    "instance_norm",
    "interpolate",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "local_response_norm",
    "log_softmax",
    "logsigmoid",
    "lp_pool1d",
    "lp_pool2d",
    "lp_pool3d",
    "margin_ranking_loss",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "max_unpool1d",
    "max_unpool2d",
    "max_unpool3d",
    "mish",
    "mse_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "multilabel_soft_margin_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "pixel_shuffle",
    "pixel_unshuffle",
    "poisson_nll_loss",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "rms_norm",
    "rrelu",
    "rrelu_",
    "scaled_dot_product_attention",
    "selu",
    "selu_",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "soft_margin_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "threshold_",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "unfold",
]


def relu(input: rl.Tensor, inplace: bool = False) -> rl.Tensor:
    """max(input, 0).  [*s] -> [*s]."""
    return _in_place(rl.relu, input) if inplace else rl.relu(input)


def leaky_relu(input: rl.Tensor, negative_slope: float = 0.01, inplace: bool = False) -> rl.Tensor:
    """input where positive, negative_slope * input elsewhere.  [*s] -> [*s]."""
    if inplace:
        return _in_place(rl.leaky_relu, input, negative_slope)
    return rl.leaky_relu(input, negative_slope)


def elu(input: rl.Tensor, alpha: float = 1.0, inplace: bool = False) -> rl.Tensor:
    """input where positive, alpha * (exp(input) - 1) elsewhere.  [*s] -> [*s]."""
    return _in_place(rl.elu, input, alpha) if inplace else rl.elu(input, alpha)


def silu(input: rl.Tensor, inplace: bool = False) -> rl.Tensor:
    """input * sigmoid(input).  [*s] -> [*s]."""
    return _in_place(rl.silu, input) if inplace else rl.silu(input)


def hardswish(input: rl.Tensor, inplace: bool = False) -> rl.Tensor:
    """input min(max(input + 3, 0), 6) / 6.  [*s] -> [*s]."""
    return _in_place(rl.hardswish, input) if inplace else rl.hardswish(input)


def hardsigmoid(input: rl.Tensor, inplace: bool = False) -> rl.Tensor:
    """min(max(input + 3, 0), 6) / 6.  [*s] -> [*s]."""
    return _in_place(rl.hardsigmoid, input) if inplace else rl.hardsigmoid(input)


def relu6(input: rl.Tensor, inplace: bool = False) -> rl.Tensor:
    """min(max(input, 0), 6).  [*s] -> [*s]."""
    return _in_place(rl.relu6, input) if inplace else rl.relu6(input)


def mish(input: rl.Tensor, inplace: bool = False) -> rl.Tensor:
    """input tanh(log(1 + exp(input))).  [*s] -> [*s]."""
    return _in_place(rl.mish, input) if inplace else rl.mish(input)


def selu(input: rl.Tensor, inplace: bool = False) -> rl.Tensor:
    """1.0507 input where positive, 1.7581 (exp(input) - 1) elsewhere.  [*s] -> [*s]."""
    return _in_place(rl.selu, input) if inplace else rl.selu(input)


def celu(input: rl.Tensor, alpha: float = 1.0, inplace: bool = False) -> rl.Tensor:
    """input where positive, alpha (exp(input / alpha) - 1) elsewhere.  [*s] -> [*s]."""
    return _in_place(rl.celu, input, alpha) if inplace else rl.celu(input, alpha)


def hardtanh(
    input: rl.Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> rl.Tensor:
    """min(max(input, min_val), max_val).  [*s] -> [*s]."""
    if inplace:
        return _in_place(rl.hardtanh, input, min_val, max_val)
    return rl.hardtanh(input, min_val, max_val)


def threshold(input: rl.Tensor, threshold: float, value: float, inplace: bool = False) -> rl.Tensor:
    """value where input <= threshold, input elsewhere.  [*s] -> [*s]."""
    if inplace:
        return _in_place(rl.threshold, input, threshold, value)
    return rl.threshold(input, threshold, value)


def rrelu(
    input: rl.Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False,
    inplace: bool = False,
) -> rl.Tensor:  # fmt: skip
    """input where positive, slope input elsewhere.  [*s] -> [*s].

    training: the slope of each element is drawn evenly from [lower, upper); else it is their mean.
    Raises: ContractError if lower is above upper.
    Source: Xu, Wang, Chen, Li 2015, arXiv:1505.00853, section 2.4.
    """
    if not lower <= upper:
        raise rl.ContractError(f"rrelu: from {lower} to {upper}; give the lower bound first")
    if not training:
        return leaky_relu(input, (lower + upper) / 2, inplace)
    slopes = rl.empty_like(input).uniform_(lower, upper)
    bent: Callable[..., rl.Tensor] = rl.leaky_relu
    return _in_place(bent, input, slopes) if inplace else bent(input, slopes)


relu_, elu_, selu_, celu_, leaky_relu_, hardtanh_, threshold_, rrelu_ = (
    partial(function, inplace=True)
    for function in (relu, elu, selu, celu, leaky_relu, hardtanh, threshold, rrelu)
)


def softmin(input: rl.Tensor, dim: int, *, dtype: np.dtype[Any] | None = None) -> rl.Tensor:
    """softmax of -input along dim.  [.., n, ..] -> [.., n, ..]."""
    return rl.softmax(-input, dim, dtype=dtype)


def _in_place(function: Callable[..., rl.Tensor], input: rl.Tensor, *options: Any) -> rl.Tensor:
    """The input, become the function of what it was."""
    before = input.as_subclass(rl.Tensor)  # a tensor of its own, which keeps the value for backward
    return input.assign_(function(before, *options))


def embedding(input: rl.Tensor, weight: rl.Tensor, padding_idx: int | None = None) -> rl.Tensor:
    """Row input[i] of weight for each i.  int[*s], [n, d] -> [*s, d].

    padding_idx: a row to which no gradient goes.
    """
    rows = rl.embedding(input, weight)
    if padding_idx is None:
        return rows
    if not -weight.shape[0] <= padding_idx < weight.shape[0]:
        raise rl.ContractError(
            f"embedding: padding_idx {padding_idx} of {weight.shape[0]} rows; give one of them"
        )
    padding = rl.eq(input, padding_idx % weight.shape[0]).unsqueeze(-1)
    passing: rl.Tensor = rl.where(padding, rows.detach(), rows)
    return passing


def embedding_bag(
    input: rl.Tensor, weight: rl.Tensor, offsets: rl.Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,  # noqa: ARG001  of max_norm
    scale_grad_by_freq: bool = False,
    mode: str = "mean", sparse: bool = False, per_sample_weights: rl.Tensor | None = None,
    include_last_offset: bool = False, padding_idx: int | None = None,
) -> rl.Tensor:  # fmt: skip
    """The sum, mean or max of rows of weight, by bag; 0 of none.

    int[b, l], [n, d] -> [b, d], or int[l], [n, d], int[b] -> [b, d].

    offsets: where in a flat input each bag begins; with include_last_offset, then where the last
        one ends.
    mode: "sum", "mean" or "max"; the max of a flat input takes memory for [b, l, d].
    per_sample_weights: a factor for each row, in the shape of input; of sums only.
    padding_idx: a row that counts nothing.
    Raises: ContractError if arguments do not fit, and for max_norm, scale_grad_by_freq and sparse,
    which are not supported.
    """
    op, factors = "embedding_bag", per_sample_weights
    if max_norm or scale_grad_by_freq or sparse:
        raise rl.ContractError(
            f"{op}: max_norm, scale_grad_by_freq and sparse are not supported; leave them out"
        )
    if mode not in ("sum", "mean", "max"):
        raise rl.ContractError(f"{op}: mode {mode!r}; give 'sum', 'mean' or 'max'")
    if input.ndim not in (1, 2) or (offsets is None or offsets.ndim != 1) != (input.ndim == 2):
        raise rl.ContractError(
            f"{op}: {_told(input)} with offsets {_told(offsets)}; give [b, l], or [l] and offsets "
            "[b]"
        )
    if factors is not None and (mode != "sum" or factors.shape != input.shape):
        raise rl.ContractError(
            f"{op}: per_sample_weights {_told(factors)} for {_told(input)}, mode {mode!r}; give "
            "them input's shape, and mode 'sum'"
        )
    rows = embedding(input, weight, padding_idx)
    rows = rows if factors is None else rows * factors.unsqueeze(-1)
    seen = rl.ones_like(input) > 0
    if padding_idx is not None:
        seen = rl.ne(input, padding_idx % weight.shape[0])
    if offsets is None:
        return _bagged(rows, seen, mode)
    b = offsets.shape[0] - include_last_offset
    bag = rl.searchsorted(offsets, rl.arange(input.shape[0], device=input.device), right=True) - 1
    seen = seen & (bag >= 0) & (bag < b)
    if mode == "max":
        seen = seen & (bag == rl.arange(b, device=input.device).unsqueeze(1))
        return _bagged(rows.unsqueeze(0).expand(b, *rows.shape), seen, mode)
    zeros, bag = rl.zeros(b, 1, dtype=rows.dtype, device=rows.device), bag.clamp(0, max(b - 1, 0))
    rows = rl.where(seen.unsqueeze(-1), rows, 0.0)
    total = zeros.expand(b, rows.shape[1]).index_add(0, bag, rows)
    if mode == "sum":
        return total
    return total / zeros.index_add(0, bag, seen.to(rows.dtype).unsqueeze(-1)).clamp(min=1)


def _bagged(rows: rl.Tensor, seen: rl.Tensor, mode: str) -> rl.Tensor:
    """The sum, mean or max over those that are seen.  [b, l, d], bool[b, l] -> [b, d]."""
    if mode == "max" and rows.shape[1]:
        most = rl.where(seen.unsqueeze(-1), rows, -math.inf).max(1).values
        largest: rl.Tensor = rl.where(seen.any(1, keepdim=True), most, 0.0)
        return largest
    total: rl.Tensor = rl.where(seen.unsqueeze(-1), rows, 0.0).sum(1)
    return total / seen.sum(1, keepdim=True).clamp(min=1) if mode == "mean" else total


def scaled_dot_product_attention(
    query: rl.Tensor, key: rl.Tensor, value: rl.Tensor, attn_mask: rl.Tensor | None = None,
    dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None,
    enable_gqa: bool = False,
) -> rl.Tensor:  # fmt: skip
    """softmax(query key^T scale + attn_mask) value.

    [*b, l, e], [*b, s, e], [*b, s, v] -> [*b, l, v].

    attn_mask: broadcast to [*b, l, s]; added, or of bools: True where a key is seen.  A query that
    sees no key becomes 0.
    dropout_p: of the weights, always: give 0 in evaluation.
    is_causal: query i sees keys 0 to i; there is no other mask then.
    scale: None for 1 / sqrt(e).
    enable_gqa: key and value may have fewer heads, axis -3, each for as many of query's in a row.
    Raises: ContractError if lengths, heads or masks do not fit.
    Source: Vaswani et al. 2017, arXiv:1706.03762, eq. 1.
    """
    op = "scaled_dot_product_attention"
    given: tuple[object, ...] = (query, key, value)
    for x in given:
        if not isinstance(x, rl.Tensor) or x.ndim < 2:
            raise rl.ContractError(f"{op}: {_told(x)}; give tensors of at least 2 axes")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise rl.ContractError(
            f"{op}: query {_told(query)}, key {_told(key)}, value {_told(value)}; "
            "give [.., l, e], [.., s, e] and [.., s, v]"
        )
    if is_causal and attn_mask is not None:
        raise rl.ContractError(f"{op}: attn_mask with is_causal=True; give one of them")
    if enable_gqa:
        key, value = (_for_heads(op, query, x) for x in (key, value))
    if scale is None:
        scale = query.shape[-1] ** -0.5 if query.shape[-1] else 1.0
    scores = query * scale @ key.transpose(-2, -1)
    if is_causal:
        rows, columns = (rl.arange(n, device=query.device) for n in scores.shape[-2:])
        attn_mask = rl.ge(rows.unsqueeze(1), columns)
    if attn_mask is None:
        weights = rl.softmax(scores, -1)
    else:
        if attn_mask.dtype == rl.dtype("bool"):
            scores = rl.where(attn_mask, scores, -math.inf)
        else:
            scores = scores + attn_mask
        blind = rl.eq(rl.amax(scores.detach(), -1, True), -math.inf)
        weights = rl.softmax(rl.where(blind, 0.0, scores), -1)
        weights = rl.where(blind, 0.0, weights)
    return rl.dropout(weights, dropout_p) @ value


def _for_heads(op: str, query: rl.Tensor, x: rl.Tensor) -> rl.Tensor:
    """Each head of x as often as it serves a head of query.  [.., h, s, e] -> [.., heads, s, e]."""
    if x.ndim < 3 or query.ndim < 3 or not x.shape[-3] or query.shape[-3] % x.shape[-3]:
        raise rl.ContractError(
            f"{op}: {_told(x)} for query {_told(query)}; give heads in axis -3 that divide query's"
        )
    *before, heads, s, e = x.shape
    times = query.shape[-3] // heads
    wide = x.unsqueeze(-3).expand(*before, heads, times, s, e)
    return wide.reshape(*before, heads * times, s, e)


def _told(x: object) -> str:
    """A tensor as a message shows it."""
    return f"{x.dtype}{list(x.shape)}" if isinstance(x, rl.Tensor) else type(x).__name__


def pixel_shuffle(input: rl.Tensor, upscale_factor: int) -> rl.Tensor:
    """Channels become squares of r x r pixels, r the factor.

    [*b, c r r, h, w] -> [*b, c, h r, w r].

    Raises: ContractError unless r * r divides the channels.
    Source: Shi et al. 2016, arXiv:1609.05158, eq. 4.
    """
    r = upscale_factor
    if type(r) is not int or r < 1 or input.ndim < 3 or input.shape[-3] % (r * r):
        raise rl.ContractError(
            f"pixel_shuffle: {_told(input)} by {r!r}; give [*b, c, h, w] with c divisible by its "
            "square"
        )
    *before, c, h, w = input.shape
    n = len(before)
    z = input.reshape(*before, c // (r * r), r, r, h, w)
    z = z.permute(*range(n), n, n + 3, n + 1, n + 4, n + 2)
    return z.reshape(*before, c // (r * r), h * r, w * r)


def pixel_unshuffle(input: rl.Tensor, downscale_factor: int) -> rl.Tensor:
    """Squares of r x r pixels become channels, r the factor: pixel_shuffle undone.

    [*b, c, h r, w r] -> [*b, c r r, h, w].

    Raises: ContractError unless r divides height and width.
    Source: Shi et al. 2016, arXiv:1609.05158, eq. 4.
    """
    r = downscale_factor
    if type(r) is not int or r < 1 or input.ndim < 3 or any(m % r for m in input.shape[-2:]):
        raise rl.ContractError(
            f"pixel_unshuffle: {_told(input)} by {r!r}; give [*b, c, h, w], h and w divisible by it"
        )
    *before, c, h, w = input.shape
    n = len(before)
    z = input.reshape(*before, c, h // r, r, w // r, r)
    z = z.permute(*range(n), n, n + 2, n + 4, n + 1, n + 3)
    return z.reshape(*before, c * r * r, h // r, w // r)


def channel_shuffle(input: rl.Tensor, groups: int) -> rl.Tensor:
    """Channels, group after group, become the first of each group, the second, ..

    [b, groups k, *s] -> [b, k groups, *s].

    Raises: ContractError unless groups divides the channels.
    Source: Zhang, Zhou, Lin, Sun 2017, arXiv:1707.01083, section 3.1.
    """
    if type(groups) is not int or groups < 1 or input.ndim < 3 or input.shape[1] % groups:
        raise rl.ContractError(
            f"channel_shuffle: {_told(input)} in {groups!r} groups; give [b, c, *s], c divisible "
            "by groups"
        )
    b, c, *image = input.shape
    return input.reshape(b, groups, c // groups, *image).transpose(1, 2).reshape(input.shape)


def dropout1d(
    input: rl.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> rl.Tensor:
    """Dropout of whole channels.  [b, c, t] -> [b, c, t], or [c, t] -> [c, t]."""
    return _drop_channels("dropout1d", input, (2, 3), p, training, inplace)


def dropout2d(
    input: rl.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> rl.Tensor:
    """Dropout of whole channels.  [b, c, h, w] -> [b, c, h, w]."""
    return _drop_channels("dropout2d", input, (4,), p, training, inplace)


def dropout3d(
    input: rl.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> rl.Tensor:
    """Dropout of whole channels.  [b, c, d, h, w] -> [b, c, d, h, w], or without b."""
    return _drop_channels("dropout3d", input, (4, 5), p, training, inplace)


def alpha_dropout(
    input: rl.Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> rl.Tensor:
    """Dropout that keeps mean 0 and variance 1: to SELU's lower bound, not to 0.  [*s] -> [*s].

    Raises: ContractError unless 0 <= p <= 1.
    Source: Klambauer et al. 2017, arXiv:1706.02515, section 2, "new dropout technique".
    """
    return _alpha_drop("alpha_dropout", input, tuple(input.shape), p, training, inplace)


def feature_alpha_dropout(
    input: rl.Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> rl.Tensor:
    """alpha_dropout of whole channels.  [b, c, *s] -> [b, c, *s]."""
    shape = (*input.shape[:2], *(1 for _ in input.shape[2:]))
    return _alpha_drop("feature_alpha_dropout", input, shape, p, training, inplace)


def _alpha_drop(
    op: str, input: rl.Tensor, shape: tuple[int, ...], p: float, training: bool, inplace: bool
) -> rl.Tensor:
    """alpha_dropout of one number per element of this shape."""
    if not 0 <= p <= 1:
        raise rl.ContractError(f"{op}: p={p}; a probability is from 0 to 1")
    if not training or p == 0:
        return input
    if p == 1:
        return input.mul_(0.0) if inplace else input * 0.0
    low = -1.7580993408473766  # of selu: -scale alpha
    scale = ((1 - p) * (1 + p * low * low)) ** -0.5
    kept = rl.rand(shape, dtype=input.dtype, device=input.device) >= p
    z: rl.Tensor = (rl.where(kept, input, low) - p * low) * scale
    return input.assign_(z) if inplace else z


def gumbel_softmax(
    logits: rl.Tensor, tau: float = 1, hard: bool = False,
    eps: float = 1e-10,  # noqa: ARG001  PyTorch has it, and does not use it either
    dim: int = -1,
) -> rl.Tensor:  # fmt: skip
    """softmax((logits + g) / tau) along dim, g = -log(e), e exponential.  [*s] -> [*s].

    hard: 1 at the largest and 0 elsewhere, with the gradient of the softmax.
    Source: Jang, Gu, Poole 2016, arXiv:1611.01144, eq. 2; Maddison, Mnih, Teh 2016,
    arXiv:1611.00712.
    """
    noise = rl.empty_like(logits).exponential_()
    soft = rl.softmax((logits - noise.log()) / tau, dim)
    if not hard:
        return soft
    one = rl.zeros_like(soft).scatter(dim, soft.argmax(dim, keepdim=True), 1.0)
    return one - soft.detach() + soft


def local_response_norm(
    input: rl.Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> rl.Tensor:
    """input / (k + alpha m)^beta, m the mean square over size channels around each.

    [b, c, *s] -> [b, c, *s].
    Raises: ContractError for fewer than 3 axes.
    Source: Krizhevsky, Sutskever, Hinton 2012, ImageNet classification with deep convolutional
    neural networks, section 3.3.
    """
    if input.ndim < 3:
        raise rl.ContractError(f"local_response_norm: {_told(input)}; give [b, c, *s]")
    b, c, *image = input.shape
    squares = (input * input).reshape(b, 1, c, math.prod(image))
    around = rl.pad(squares, (0, 0, size // 2, (size - 1) // 2))
    means = rl.avg_pool2d(around, (size, 1), 1).reshape(input.shape) if input.numel() else input
    return input / (means * alpha + k) ** beta


def _drop_channels(
    op: str, input: rl.Tensor, ndims: tuple[int, ...], p: float, training: bool, inplace: bool
) -> rl.Tensor:
    """Dropout of one number per channel.  ndims: of the input; with the last, it is a batch."""
    if not 0 <= p <= 1:
        raise rl.ContractError(f"{op}: p={p}; a probability is from 0 to 1")
    if input.ndim not in ndims:
        wanted = " or ".join(map(str, ndims))
        raise rl.ContractError(f"{op}: {input.dtype}{list(input.shape)}; give {wanted} axes")
    if not training or p == 0:
        return input
    kept = 2 if input.ndim == ndims[-1] else 1
    shape = (*input.shape[:kept], *(1 for _ in input.shape[kept:]))
    mask = rl.dropout(rl.ones(shape, dtype=input.dtype, device=input.device), p)
    return input.mul_(mask) if inplace else input * mask
