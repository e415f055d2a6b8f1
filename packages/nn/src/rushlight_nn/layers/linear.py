"""Linear, Bilinear and Identity."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import rushlight as rl

from .. import functional as F, init
from ..module import Module
from ..parameter import Parameter, undrawn
from .argument import shown, whole


class Identity(Module):
    """x.  [*s] -> [*s].  Takes, and ignores, any arguments: it stands where a layer was taken out.

    >>> Identity(54, unused=0.1)(rl.ones(2))
    tensor([1., 1.])
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input itself."""
        return input


class Linear(Module):
    """x @ weight.T + bias.  [*b, in_features] -> [*b, out_features].

    weight: [out_features, in_features], bias: [out_features]; both begin uniform in
        [-1 / sqrt(in_features), 1 / sqrt(in_features)).
    bias: whether there is one.

    >>> Linear(20, 30)(rl.zeros(128, 20)).shape
    (128, 30)
    """

    bias: Parameter | None

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        super().__init__()
        whole("Linear", in_features=in_features, out_features=out_features)
        self.in_features = in_features
        self.out_features = out_features
        self.weight = undrawn(out_features, in_features, device=device, dtype=dtype)
        shift = undrawn(out_features, device=device, dtype=dtype) if bias else None
        self.register_parameter("bias", shift)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the first values anew."""
        reset_weight_and_bias(self.weight, self.bias)

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """input @ weight.T + bias."""
        return rl.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )


class Bilinear(Module):
    """x[i] * weight[o, i, j] * y[j], summed over i and j, plus bias[o].

    [*b, in1_features], [*b, in2_features] -> [*b, out_features].
    weight: [out_features, in1_features, in2_features], bias: [out_features]; both begin uniform in
        [-1 / sqrt(in1_features), 1 / sqrt(in1_features)).
    bias: whether there is one.

    >>> Bilinear(2, 3, 4)(rl.zeros(5, 2), rl.zeros(5, 3)).shape
    (5, 4)
    """

    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        super().__init__()
        whole("Bilinear", 1, in1_features=in1_features)
        whole("Bilinear", in2_features=in2_features, out_features=out_features)
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        shape = (out_features, in1_features, in2_features)
        self.weight = undrawn(*shape, device=device, dtype=dtype)
        shift = undrawn(out_features, device=device, dtype=dtype) if bias else None
        self.register_parameter("bias", shift)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the first values anew."""
        bound = 1 / math.sqrt(self.in1_features)
        for p in self.parameters():
            init.uniform_(p, -bound, bound)

    def forward(self, input1: rl.Tensor, input2: rl.Tensor) -> rl.Tensor:
        """The bilinear form of both inputs, plus bias."""
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        said = shown(self, "in1_features", "in2_features", "out_features")
        return f"{said}, bias={self.bias is not None}"


def reset_weight_and_bias(weight: Parameter, bias: Parameter | None) -> None:
    """Uniform values in [-1 / sqrt(fan_in), 1 / sqrt(fan_in)) for both: PyTorch's choice.

    Source: LeCun, Bottou, Orr, Müller 1998, Efficient BackProp, section 4.6, up to a factor.
    """
    if weight.numel():
        init.kaiming_uniform_(weight, a=math.sqrt(5))
    if bias is not None:
        fan_in, _ = init.fans("reset_parameters", weight)
        bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0.0
        init.uniform_(bias, -bound, bound)
