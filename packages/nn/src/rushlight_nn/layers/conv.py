"""Conv2d."""

from __future__ import annotations

from typing import Any

import numpy as np

import rushlight as rl

from ..module import Module
from ..parameter import Parameter
from .argument import whole
from .linear import reset_weight_and_bias

Pair = tuple[int, int]


def pair(name: str, value: int | Pair, least: int) -> Pair:
    """Height and width of what may be one integer for both.  Raises: ContractError."""
    both: Any = (value, value) if isinstance(value, int) else value
    good = isinstance(both, (tuple, list)) and len(both) == 2
    if not good or not all(isinstance(n, int) and n >= least for n in both):
        raise rl.ContractError(
            f"Conv2d: {name} is {value!r}; give an integer from {least}, or two of them"
        )
    return both[0], both[1]


class Conv2d(Module):
    """Cross-correlation with learned windows, plus bias.  [*b, c, h, w] -> [*b, out, h', w'].

    h' = floor((h + 2 * padding - dilation * (kernel_size - 1) - 1) / stride + 1), w' alike.

    kernel_size, stride, padding, dilation: of height and width, or one number for both.
    padding: zeros on each side; "valid" is none, "same" as many as keep h and w, with stride 1.
    groups: into how many groups channels are parted; each sees only its own.
    padding_mode: "zeros" is the only one.
    weight: [out, c / groups, *kernel_size], bias: [out]; both begin uniform in
        [-1 / sqrt(fan_in), 1 / sqrt(fan_in)), fan_in = c / groups * kernel height * kernel width.

    Raises: ContractError for channels that groups does not divide, another padding_mode, or "same"
    with a stride.
    Source: Dumoulin, Visin 2016, arXiv:1603.07285.

    >>> Conv2d(3, 8, 3, padding=1, stride=2)(rl.zeros(1, 3, 8, 8)).shape
    (1, 8, 4, 4)
    """

    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        stride: int | Pair = 1,
        padding: str | int | Pair = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        super().__init__()
        whole("Conv2d", in_channels=in_channels, out_channels=out_channels, groups=groups)
        if groups <= 0 or in_channels % groups or out_channels % groups:
            raise rl.ContractError(
                f"Conv2d: {in_channels} and {out_channels} channels in {groups} groups; "
                "give a positive number of groups that divides both"
            )
        if padding_mode != "zeros":
            raise rl.ContractError(
                f"Conv2d: padding_mode {padding_mode!r}; "
                "use 'zeros', or pad the input yourself and give padding=0"
            )
        if isinstance(padding, str) and padding not in {"same", "valid"}:
            raise rl.ContractError(
                f"Conv2d: padding {padding!r}; give a number, a pair, 'same' or 'valid'"
            )
        self.kernel_size = pair("kernel_size", kernel_size, 1)
        self.stride = pair("stride", stride, 1)
        self.dilation = pair("dilation", dilation, 1)
        if padding == "same" and self.stride != (1, 1):
            raise rl.ContractError(
                f"Conv2d: padding 'same' with stride {stride}; "
                "give stride 1, or the padding as numbers"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.padding = padding if isinstance(padding, str) else pair("padding", padding, 0)
        self.groups = groups
        self.padding_mode = padding_mode
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = Parameter(rl.empty(shape, device=device, dtype=dtype))
        self.register_parameter(
            "bias", Parameter(rl.empty(out_channels, device=device, dtype=dtype)) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the first values anew."""
        reset_weight_and_bias(self.weight, self.bias)

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The cross-correlation of the input with the weight, plus bias."""
        return rl.conv2d(
            input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        said = [
            f"{self.in_channels}, {self.out_channels}",
            f"kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        if self.padding != (0, 0):
            said.append(f"padding={self.padding}")
        if self.dilation != (1, 1):
            said.append(f"dilation={self.dilation}")
        if self.groups != 1:
            said.append(f"groups={self.groups}")
        if self.bias is None:
            said.append("bias=False")
        return ", ".join(said)
