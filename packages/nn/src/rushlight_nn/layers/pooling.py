"""Pooling: the largest or the mean value of each window."""

from __future__ import annotations

import rushlight as rl

from .. import functional as F
from ..module import Module
from .conv import Pair


class MaxPool2d(Module):
    """The largest value of each window.  [*b, c, h, w] -> [*b, c, h', w'].

    h' = floor((h + 2 * padding - dilation * (kernel_size - 1) - 1) / stride + 1), w' alike.
    Padding counts as -inf; of equal values the first gets the gradient; NaN is the largest.

    kernel_size, stride, padding, dilation: of height and width, or one number for both.
    stride: the window's own size if None.
    ceil_mode: round h' and w' up, so that a last window may reach over the edge.

    >>> MaxPool2d(2)(rl.arange(16.0).reshape(1, 1, 4, 4)).tolist()
    [[[[5.0, 7.0], [13.0, 15.0]]]]
    """

    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
        dilation: int | Pair = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        if return_indices:
            raise rl.ContractError(
                "MaxPool2d: return_indices=True; leave it out, it returns values only"
            )
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.ceil_mode = ceil_mode

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The largest value of each window of the input."""
        return F.max_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        )

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class AvgPool2d(Module):
    """The mean of each window.  [*b, c, h, w] -> [*b, c, h', w'].

    h' = floor((h + 2 * padding - kernel_size) / stride + 1), w' alike.

    kernel_size, stride, padding: of height and width, or one number for both.
    stride: the window's own size if None.
    ceil_mode: round h' and w' up, so that a last window may reach over the edge.
    count_include_pad: whether the zeros of the padding count in the mean.
    divisor_override: divide each sum by this number instead.

    >>> AvgPool2d(2)(rl.arange(16.0).reshape(1, 1, 4, 4)).tolist()
    [[[[2.5, 4.5], [10.5, 12.5]]]]
    """

    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The mean of each window of the input."""
        return F.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AdaptiveAvgPool2d(Module):
    """The mean of each of output_size windows.  [*b, c, h, w] -> [*b, c, *output_size].

    The windows part the image without overlap: forward raises ContractError unless output_size
    divides height and width.

    output_size: height and width, or one number for both; None keeps that length.

    >>> AdaptiveAvgPool2d(1)(rl.arange(16.0).reshape(1, 1, 4, 4)).tolist()
    [[[[7.5]]]]
    """

    def __init__(self, output_size: int | tuple[int | None, int | None] | None) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The means of the windows of the input."""
        return F.adaptive_avg_pool2d(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"
