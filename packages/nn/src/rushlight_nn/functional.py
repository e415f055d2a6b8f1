"""The functions behind the layers, under torch.nn.functional's names.  They hold no parameters.

inplace, where PyTorch has it: the input itself becomes the result, and is returned.
"""

from __future__ import annotations

import rushlight as rl
from rushlight import (
    adaptive_avg_pool2d,
    avg_pool2d,
    batch_norm,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    conv2d,
    cross_entropy,
    dropout,
    embedding,
    gelu,
    l1_loss,
    layer_norm,
    linear,
    log_softmax,
    max_pool2d,
    mse_loss,
    nll_loss,
    one_hot,
    sigmoid,
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
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "gelu",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "max_pool2d",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]


def relu(input: rl.Tensor, inplace: bool = False) -> rl.Tensor:
    """max(input, 0).  [*s] -> [*s]."""
    return _settle(input, rl.relu(input), inplace)


def leaky_relu(input: rl.Tensor, negative_slope: float = 0.01, inplace: bool = False) -> rl.Tensor:
    """input where positive, negative_slope * input elsewhere.  [*s] -> [*s]."""
    return _settle(input, rl.leaky_relu(input, negative_slope), inplace)


def elu(input: rl.Tensor, alpha: float = 1.0, inplace: bool = False) -> rl.Tensor:
    """input where positive, alpha * (exp(input) - 1) elsewhere.  [*s] -> [*s]."""
    return _settle(input, rl.elu(input, alpha), inplace)


def silu(input: rl.Tensor, inplace: bool = False) -> rl.Tensor:
    """input * sigmoid(input).  [*s] -> [*s]."""
    return _settle(input, rl.silu(input), inplace)


def _settle(input: rl.Tensor, result: rl.Tensor, inplace: bool) -> rl.Tensor:
    return input.assign_(result) if inplace else result
