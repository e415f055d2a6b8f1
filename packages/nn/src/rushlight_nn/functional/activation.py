"""Activations, with an inplace argument where PyTorch has one.

inplace: the input itself becomes the result, and is returned.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import rushlight as rl


def relu(input: rl.Tensor, inplace: bool = False) -> rl.Tensor:
    """max(input, 0).  [*s] -> [*s]."""
    return _applied(rl.relu, input, inplace)


def leaky_relu(input: rl.Tensor, negative_slope: float = 0.01, inplace: bool = False) -> rl.Tensor:
    """input where positive, negative_slope * input elsewhere.  [*s] -> [*s]."""
    return _applied(rl.leaky_relu, input, inplace, negative_slope)


def elu(input: rl.Tensor, alpha: float = 1.0, inplace: bool = False) -> rl.Tensor:
    """input where positive, alpha * (exp(input) - 1) elsewhere.  [*s] -> [*s]."""
    return _applied(rl.elu, input, inplace, alpha)


def silu(input: rl.Tensor, inplace: bool = False) -> rl.Tensor:
    """input * sigmoid(input).  [*s] -> [*s]."""
    return _applied(rl.silu, input, inplace)


def hardswish(input: rl.Tensor, inplace: bool = False) -> rl.Tensor:
    """input min(max(input + 3, 0), 6) / 6.  [*s] -> [*s]."""
    return _applied(rl.hardswish, input, inplace)


def hardsigmoid(input: rl.Tensor, inplace: bool = False) -> rl.Tensor:
    """min(max(input + 3, 0), 6) / 6.  [*s] -> [*s]."""
    return _applied(rl.hardsigmoid, input, inplace)


def relu6(input: rl.Tensor, inplace: bool = False) -> rl.Tensor:
    """min(max(input, 0), 6).  [*s] -> [*s]."""
    return _applied(rl.relu6, input, inplace)


def mish(input: rl.Tensor, inplace: bool = False) -> rl.Tensor:
    """input tanh(log(1 + exp(input))).  [*s] -> [*s]."""
    return _applied(rl.mish, input, inplace)


def selu(input: rl.Tensor, inplace: bool = False) -> rl.Tensor:
    """1.0507 input where positive, 1.7581 (exp(input) - 1) elsewhere.  [*s] -> [*s]."""
    return _applied(rl.selu, input, inplace)


def celu(input: rl.Tensor, alpha: float = 1.0, inplace: bool = False) -> rl.Tensor:
    """input where positive, alpha (exp(input / alpha) - 1) elsewhere.  [*s] -> [*s]."""
    return _applied(rl.celu, input, inplace, alpha)


def hardtanh(
    input: rl.Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> rl.Tensor:
    """min(max(input, min_val), max_val).  [*s] -> [*s]."""
    return _applied(rl.hardtanh, input, inplace, min_val, max_val)


def threshold(input: rl.Tensor, threshold: float, value: float, inplace: bool = False) -> rl.Tensor:
    """value where input <= threshold, input elsewhere.  [*s] -> [*s]."""
    return _applied(rl.threshold, input, inplace, threshold, value)


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
    return _applied(rl.leaky_relu, input, inplace, slopes)


relu_, elu_, selu_, celu_, leaky_relu_, hardtanh_, threshold_, rrelu_ = (
    partial(function, inplace=True)
    for function in (relu, elu, selu, celu, leaky_relu, hardtanh, threshold, rrelu)
)


def _applied(
    function: Callable[..., rl.Tensor], input: rl.Tensor, inplace: bool, *options: Any
) -> rl.Tensor:
    """function(input, *options), which the input becomes if it is to."""
    if not inplace:
        return function(input, *options)
    before = input.as_subclass(rl.Tensor)  # a tensor of its own, which keeps the value for backward
    return input.assign_(function(before, *options))


def softmin(input: rl.Tensor, dim: int, *, dtype: np.dtype[Any] | None = None) -> rl.Tensor:
    """softmax of -input along dim.  [.., n, ..] -> [.., n, ..]."""
    return rl.softmax(-input, dim, dtype=dtype)


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
