"""Convolutions over one, two and three axes, and transposed ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import rushlight as rl
from rushlight.extend import padded, repeated

from ..module import Module
from ..parameter import Parameter, undrawn
from .argument import whole
from .linear import reset_weight_and_bias

Size = int | tuple[int, ...]


class Conv(Module):
    """Cross-correlation with learned windows, plus bias.  [*b, c, *s] -> [*b, out, *t].

    t = floor((s + 2 * padding - dilation * (kernel_size - 1) - 1) / stride + 1).

    kernel_size, stride, padding, dilation: of each axis, or one number for all.
    padding: zeros on each side; "valid" is none, "same" as many as keep s, with stride 1.
    groups: into how many groups channels are parted; each sees only its own.
    padding_mode: what is put around the input: "zeros", or "reflect", "replicate" or "circular" as
        in `pad`.
    weight: [out, c / groups, *kernel_size], bias: [out]; both begin uniform in
        [-1 / sqrt(fan_in), 1 / sqrt(fan_in)), fan_in = c / groups * the product of kernel_size.

    Raises: ContractError for channels that groups does not divide, another padding_mode, or "same"
    with a stride.
    Source: Dumoulin, Visin 2016, arXiv:1603.07285.
    """

    spatial = 2  # the number of axes that windows slide along
    is_transposed = False
    padding_modes: tuple[str, ...] = ("zeros", "reflect", "replicate", "circular")

    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: str | Size = 0,
        dilation: Size = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        super().__init__()
        who, n = type(self).__name__, self.spatial
        self._check(who, in_channels, out_channels, groups, padding, padding_mode)
        self.kernel_size = repeated(who, "kernel_size", kernel_size, 1, n)
        self.stride = repeated(who, "stride", stride, 1, n)
        self.dilation = repeated(who, "dilation", dilation, 1, n)
        around = padded(who, padding, self.kernel_size, self.stride, self.dilation)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.padding: Any = padding if isinstance(padding, str) else tuple(p for p, _ in around)
        # before and after each axis, the last axis first, as `pad` takes it
        self._around = [p for widths in reversed(around) for p in widths]
        self.groups = groups
        self.padding_mode = padding_mode
        channels = (out_channels, in_channels // groups)
        if self.is_transposed:
            channels = (in_channels, out_channels // groups)
        shape = (*channels, *self.kernel_size)
        self.weight = undrawn(*shape, device=device, dtype=dtype)
        shift = undrawn(out_channels, device=device, dtype=dtype) if bias else None
        self.register_parameter("bias", shift)
        self.reset_parameters()

    def _check(
        self, who: str, c: int, out: int, groups: int, padding: str | Size, padding_mode: str
    ) -> None:
        """Raises: ContractError for channels, groups or names of padding that do not fit."""
        whole(who, in_channels=c, out_channels=out, groups=groups)
        if groups <= 0 or c % groups or out % groups:
            raise rl.ContractError(
                f"{who}: {c} and {out} channels in {groups} groups; "
                "give a positive number of groups that divides both"
            )
        if padding_mode not in self.padding_modes:
            *others, last = map(repr, self.padding_modes)
            wanted = f"{', '.join(others)} or {last}" if others else last
            raise rl.ContractError(f"{who}: padding_mode {padding_mode!r}; give {wanted}")
        if isinstance(padding, str) and (padding not in {"same", "valid"} or self.is_transposed):
            raise rl.ContractError(
                f"{who}: padding {padding!r}; give a number, a pair, 'same' or 'valid'"
            )

    def reset_parameters(self) -> None:
        """Draw the first values anew."""
        reset_weight_and_bias(self.weight, self.bias)

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The cross-correlation of the input with the weight, plus bias."""
        function = (None, rl.conv1d, rl.conv2d, rl.conv3d)[self.spatial]
        assert function is not None
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = rl.pad(input, self._around, self.padding_mode), 0
        return function(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        said = [
            f"{self.in_channels}, {self.out_channels}",
            f"kernel_size={self.kernel_size}",
            f"stride={self.stride}",
        ]
        if self.padding != (0,) * self.spatial:
            said.append(f"padding={self.padding}")
        if self.dilation != (1,) * self.spatial:
            said.append(f"dilation={self.dilation}")
        said += self._more()
        if self.groups != 1:
            said.append(f"groups={self.groups}")
        if self.bias is None:
            said.append("bias=False")
        if self.padding_mode != "zeros":
            said.append(f"padding_mode={self.padding_mode}")
        return ", ".join(said)

    def _more(self) -> list[str]:
        return []


class Conv1d(Conv):
    """Conv of sequences.  [*b, c, t] -> [*b, out, t'].

    Formula, options, errors and source: `Conv`.

    >>> Conv1d(3, 8, 3, padding=1, stride=2)(rl.zeros(1, 3, 8)).shape
    (1, 8, 4)
    """

    spatial = 1


class Conv2d(Conv):
    """Conv of images.  [*b, c, h, w] -> [*b, out, h', w'].

    Formula, options, errors and source: `Conv`.

    >>> Conv2d(3, 8, 3, padding=1, stride=2)(rl.zeros(1, 3, 8, 8)).shape
    (1, 8, 4, 4)
    """

    spatial = 2


class Conv3d(Conv):
    """Conv of volumes.  [*b, c, d, h, w] -> [*b, out, d', h', w'].

    Formula, options, errors and source: `Conv`.

    >>> Conv3d(3, 8, 3, padding=1, stride=2)(rl.zeros(1, 3, 8, 8, 8)).shape
    (1, 8, 4, 4, 4)
    """

    spatial = 3


class ConvTranspose(Conv):
    """The gradient of a Conv with respect to its input, as a layer.  [*b, c, *s] -> [*b, out, *t].

    t = (s - 1) * stride - 2 * padding + dilation * (kernel_size - 1) + 1 + output_padding.

    output_padding: what is added to one side of each axis; less than stride or dilation.
    weight: [c, out / groups, *kernel_size].
    Other options: `Conv`.

    Source: Dumoulin, Visin 2016, arXiv:1603.07285, chapter 4.
    """

    is_transposed = True
    padding_modes = ("zeros",)

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size = 0,
        output_padding: Size = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Size = 1,
        padding_mode: str = "zeros",
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip
        self.output_padding = repeated(
            type(self).__name__, "output_padding", output_padding, 0, self.spatial
        )

    def forward(self, input: rl.Tensor, output_size: Sequence[int] | None = None) -> rl.Tensor:
        """The input, spread by the weight, plus bias.

        output_size: t, with or without the axes before; less than stride above the shortest t.
        """
        functions = (None, rl.conv_transpose1d, rl.conv_transpose2d, rl.conv_transpose3d)
        function = functions[self.spatial]
        assert function is not None
        added = self.output_padding if output_size is None else self._added(input, output_size)
        return function(
            input, self.weight, self.bias, self.stride, self.padding, added,
            self.groups, self.dilation,
        )  # fmt: skip

    def _added(self, input: rl.Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        """The output_padding that makes a result of these lengths."""
        n = self.spatial
        least = [
            (t - 1) * s - 2 * p + d * (k - 1) + 1
            for t, s, p, d, k in zip(
                input.shape[-n:], self.stride, self.padding, self.dilation, self.kernel_size,
                strict=True,
            )
        ]  # fmt: skip
        added = [m - q for m, q in zip(output_size[-n:], least, strict=False)]
        fits = len(output_size) in (n, input.ndim)
        if not fits or any(not 0 <= a < s for a, s in zip(added, self.stride, strict=True)):
            raise rl.ContractError(
                f"{type(self).__name__}: output_size {list(output_size)} of {input.spec}; "
                f"give {least}, or less than stride {self.stride} more"
            )
        return tuple(added)

    def _more(self) -> list[str]:
        none = self.output_padding == (0,) * self.spatial
        return [] if none else [f"output_padding={self.output_padding}"]


class ConvTranspose1d(ConvTranspose):
    """ConvTranspose of sequences.  [*b, c, t] -> [*b, out, t'].

    Formula, options and source: `ConvTranspose`.

    >>> ConvTranspose1d(3, 8, 2, stride=2)(rl.zeros(1, 3, 4)).shape
    (1, 8, 8)
    """

    spatial = 1


class ConvTranspose2d(ConvTranspose):
    """ConvTranspose of images.  [*b, c, h, w] -> [*b, out, h', w'].

    Formula, options and source: `ConvTranspose`.

    >>> ConvTranspose2d(3, 8, 2, stride=2)(rl.zeros(1, 3, 4, 4)).shape
    (1, 8, 8, 8)
    """

    spatial = 2


class ConvTranspose3d(ConvTranspose):
    """ConvTranspose of volumes.  [*b, c, d, h, w] -> [*b, out, d', h', w'].

    Formula, options and source: `ConvTranspose`.

    >>> ConvTranspose3d(3, 8, 2, stride=2)(rl.zeros(1, 3, 4, 4, 4)).shape
    (1, 8, 8, 8, 8)
    """

    spatial = 3
