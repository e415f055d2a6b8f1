"""Layers that take up the batch normalisation after them, for evaluation: one instead of two.

With s = gain / sqrt(var + eps), by channel:

    (w x + b - mean) s + shift = (s w) x + ((b - mean) s + shift)
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import TypeVar

import rushlight as rl

from ..layers.conv import Conv
from ..layers.linear import Linear
from ..layers.norm import BatchNorm
from ..parameter import Parameter

AnyConv = TypeVar("AnyConv", bound=Conv)
AnyLinear = TypeVar("AnyLinear", bound=Linear)


def fuse_conv_bn_eval(conv: AnyConv, bn: BatchNorm, transpose: bool = False) -> AnyConv:
    """A copy of the convolution that computes bn(conv(x)) by itself.

    transpose: whether it is a transposed one.
    Raises: ContractError if it is and transpose is False or the other way round, for layers in
    training mode, and for a bn without running statistics.
    """
    if transpose is not conv.is_transposed:
        raise rl.ContractError(
            f"fuse_conv_bn_eval: a {type(conv).__name__} and transpose={transpose}; "
            f"give transpose={conv.is_transposed}"
        )
    mean, var = _statistics("fuse_conv_bn_eval", conv, bn)
    fused = deepcopy(conv)
    fused.weight, fused.bias = fuse_conv_bn_weights(
        conv.weight, conv.bias, mean, var, bn.eps, bn.weight, bn.bias, transpose
    )
    return fused


def fuse_conv_bn_weights(
    conv_w: rl.Tensor, conv_b: rl.Tensor | None, bn_rm: rl.Tensor, bn_rv: rl.Tensor, bn_eps: float,
    bn_w: rl.Tensor | None, bn_b: rl.Tensor | None, transpose: bool = False,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """The weight and the bias of such a convolution, of its own weight and bias and those of bn.

    bn_rm, bn_rv: the running mean and variance, [o].
    transpose: conv_w is [c, o / groups, *k] and not [o, c / groups, *k].
    """
    c, o = conv_w.shape[:2]
    ones = (1,) * (conv_w.ndim - 2)

    def filters(scale: rl.Tensor) -> rl.Tensor:
        if not transpose:
            return scale.reshape(-1, 1, *ones)
        groups = scale.shape[0] // o
        return scale.reshape(groups, 1, o).expand(groups, c // groups, o).reshape(c, o, *ones)

    return _fused(conv_w, conv_b, (bn_rm, bn_rv, bn_eps, bn_w, bn_b), filters)


def fuse_linear_bn_eval(linear: AnyLinear, bn: BatchNorm) -> AnyLinear:
    """A copy of the linear layer that computes bn(linear(x)) by itself.

    Raises: ContractError for layers in training mode, for a bn without running statistics, and if
    it has neither one feature nor as many as the linear layer.
    """
    mean, var = _statistics("fuse_linear_bn_eval", linear, bn)
    if bn.num_features not in (1, linear.out_features):
        raise rl.ContractError(
            f"fuse_linear_bn_eval: {linear.out_features} features and a normalisation of "
            f"{bn.num_features}; give one of {linear.out_features} or of 1"
        )
    fused = deepcopy(linear)
    fused.weight, fused.bias = fuse_linear_bn_weights(
        linear.weight, linear.bias, mean, var, bn.eps, bn.weight, bn.bias
    )
    return fused


def fuse_linear_bn_weights(
    linear_w: rl.Tensor, linear_b: rl.Tensor | None, bn_rm: rl.Tensor, bn_rv: rl.Tensor,
    bn_eps: float, bn_w: rl.Tensor | None, bn_b: rl.Tensor | None,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """The weight and the bias of such a linear layer: as `fuse_conv_bn_weights`, [o, i], [o]."""
    given = bn_rm, bn_rv, bn_eps, bn_w, bn_b
    if linear_b is None:  # bn may be of one feature
        linear_b = rl.zeros(linear_w.shape[0], dtype=linear_w.dtype, device=linear_w.device)
    return _fused(linear_w, linear_b, given, lambda scale: scale.unsqueeze(-1))


def _statistics(name: str, layer: Conv | Linear, bn: BatchNorm) -> tuple[rl.Tensor, rl.Tensor]:
    """The running mean and variance, which both layers would use.  Raises: ContractError."""
    if layer.training or bn.training:
        raise rl.ContractError(f"{name}: a layer in training mode; call eval() on both before")
    if bn.running_mean is None or bn.running_var is None:
        raise rl.ContractError(
            f"{name}: a normalisation without running statistics; "
            "make it with track_running_stats=True"
        )
    return bn.running_mean, bn.running_var


def _fused(
    weight: rl.Tensor,
    bias: rl.Tensor | None,
    bn: tuple[rl.Tensor, rl.Tensor, float, rl.Tensor | None, rl.Tensor | None],
    along: Callable[[rl.Tensor], rl.Tensor],
) -> tuple[Parameter, Parameter]:
    """s w and (b - mean) s + shift.  along: s with the axes of the weight."""
    mean, var, eps, gain, shift = bn
    with rl.no_grad():
        scale = rl.rsqrt(var + eps)
        if gain is not None:
            scale = scale * gain
        moved = (-mean if bias is None else bias - mean) * scale
        if shift is not None:
            moved = moved + shift
        made = Parameter((weight * along(scale)).to(weight.dtype), weight.requires_grad)
        dtype = (weight if bias is None else bias).dtype
        return made, Parameter(moved.to(dtype), bias is not None and bias.requires_grad)
