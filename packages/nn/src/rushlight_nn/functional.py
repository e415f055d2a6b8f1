"""The functions behind the layers, under torch.nn.functional's names.  They hold no parameters.

inplace, where PyTorch has it: the input itself becomes the result, and is returned.
"""

from __future__ import annotations

from collections.abc import Callable

import rushlight as rl
from rushlight import (
    adaptive_avg_pool2d,
    avg_pool2d,
    batch_norm,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    conv2d,
    cosine_similarity,
    cross_entropy,
    dropout,
    embedding,
    gelu,
    huber_loss,
    kl_div,
    l1_loss,
    layer_norm,
    linear,
    log_softmax,
    max_pool2d,
    mse_loss,
    nll_loss,
    normalize,
    one_hot,
    pad,
    sigmoid,
    smooth_l1_loss,
    softmax,
    softplus,
    tanh,
)

__all__ = [
    "adaptive_avg_pool2d",
    "avg_pool2d",
    "batch_norm",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "conv2d",
    "cosine_similarity",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "gelu",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "relu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "tanh",
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


def _in_place(function: Callable[..., rl.Tensor], input: rl.Tensor, *options: float) -> rl.Tensor:
    """The input, become the function of what it was."""
    before = input.as_subclass(rl.Tensor)  # a tensor of its own, which keeps the value for backward
    return input.assign_(function(before, *options))
