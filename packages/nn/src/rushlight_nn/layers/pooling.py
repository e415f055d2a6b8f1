"""Pooling: the largest or the mean value of each window."""

from __future__ import annotations

import rushlight as rl

from .. import functional as F
from ..module import Module
from .conv import Size, sizes


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
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        dilation: Size = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        if return_indices:
            raise rl.ContractError(
                f"{type(self).__name__}: return_indices=True; leave it out, it returns values only"
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


class MaxPool1d(MaxPool2d):
    """MaxPool of sequences.  [*b, c, t] -> [*b, c, t'].

    Formula and options: `MaxPool2d`.

    >>> MaxPool1d(2)(rl.zeros(1, 2, 4)).shape
    (1, 2, 2)
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The windows of the input, each as one number."""
        return F.max_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
        )


class MaxPool3d(MaxPool2d):
    """MaxPool of volumes.  [*b, c, d, h, w] -> [*b, c, d', h', w'].

    Formula and options: `MaxPool2d`.

    >>> MaxPool3d(2)(rl.zeros(1, 2, 4, 4, 4)).shape
    (1, 2, 2, 2, 2)
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The windows of the input, each as one number."""
        return F.max_pool3d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode
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
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
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


class AvgPool1d(Module):
    """The mean of each window.  [*b, c, t] -> [*b, c, t'].

    Formula and options: `AvgPool2d`.

    >>> AvgPool1d(2)(rl.arange(4.0).reshape(1, 1, 4)).tolist()
    [[[0.5, 2.5]]]
    """

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = sizes("AvgPool1d", 1, "kernel_size", kernel_size, 1)
        stride = self.kernel_size if stride is None else stride
        self.stride = sizes("AvgPool1d", 1, "stride", stride, 1)
        self.padding = sizes("AvgPool1d", 1, "padding", padding, 0)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The mean of each window of the input."""
        return F.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool3d(AvgPool2d):
    """AvgPool of volumes.  [*b, c, d, h, w] -> [*b, c, d', h', w'].

    Formula and options: `AvgPool2d`.

    >>> AvgPool3d(2)(rl.zeros(1, 2, 4, 4, 4)).shape
    (1, 2, 2, 2, 2)
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The windows of the input, each as one number."""
        return F.avg_pool3d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad, self.divisor_override,
        )  # fmt: skip


class AdaptiveAvgPool2d(Module):
    """The mean of each of output_size windows.  [*b, c, h, w] -> [*b, c, *output_size].

    Window i of o over h is floor(i * h / o) to ceil((i + 1) * h / o); they may overlap.

    output_size: height and width, or one number for both; None keeps that length.

    >>> AdaptiveAvgPool2d(1)(rl.arange(16.0).reshape(1, 1, 4, 4)).tolist()
    [[[[7.5]]]]
    """

    def __init__(self, output_size: int | tuple[int | None, ...] | None) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The means of the windows of the input."""
        return F.adaptive_avg_pool2d(input, self.output_size)

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(AdaptiveAvgPool2d):
    """AdaptiveAvgPool of sequences.  [*b, c, t] -> [*b, c, t'].

    Formula and options: `AdaptiveAvgPool2d`.

    >>> AdaptiveAvgPool1d(2)(rl.zeros(1, 2, 5)).shape
    (1, 2, 2)
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The windows of the input, each as one number."""
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool3d(AdaptiveAvgPool2d):
    """AdaptiveAvgPool of volumes.  [*b, c, d, h, w] -> [*b, c, *output_size].

    Formula and options: `AdaptiveAvgPool2d`.

    >>> AdaptiveAvgPool3d(2)(rl.zeros(1, 2, 4, 4, 4)).shape
    (1, 2, 2, 2, 2)
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The windows of the input, each as one number."""
        return F.adaptive_avg_pool3d(input, self.output_size)
