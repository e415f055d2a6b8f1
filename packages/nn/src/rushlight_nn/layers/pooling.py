"""Pooling: the largest or the mean value of each window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import rushlight as rl
from rushlight.extend import repeated

from .. import functional as F
from ..module import Module
from .argument import shown
from .conv import Size


class MaxPool(Module):
    """The largest value of each window.  [*b, c, *s] -> [*b, c, *t].

    t = floor((s + 2 * padding - dilation * (kernel_size - 1) - 1) / stride + 1).
    Padding counts as -inf; of equal values the first gets the gradient; NaN is the largest.

    kernel_size, stride, padding, dilation: of each axis, or one number for all.
    stride: the window's own size if None.
    return_indices: return also where in its plane each value stands, for `MaxUnpool`.
    ceil_mode: round t up, so that a last window may reach over the edge.
    """

    spatial = 2  # the number of axes that windows slide along

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
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def forward(self, input: rl.Tensor) -> Any:
        """The largest value of each window of the input, and where it stands if that is asked."""
        function = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[self.spatial - 1]
        return function(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode,
            self.return_indices,
        )  # fmt: skip

    def extra_repr(self) -> str:
        return shown(self, "kernel_size", "stride", "padding", "dilation", "ceil_mode")


class MaxPool1d(MaxPool):
    """MaxPool of sequences.  [*b, c, t] -> [*b, c, t'].

    Formula and options: `MaxPool`.

    >>> MaxPool1d(2)(rl.zeros(1, 2, 4)).shape
    (1, 2, 2)
    """

    spatial = 1


class MaxPool2d(MaxPool):
    """MaxPool of images.  [*b, c, h, w] -> [*b, c, h', w'].

    Formula and options: `MaxPool`.

    >>> MaxPool2d(2)(rl.arange(16.0).reshape(1, 1, 4, 4)).tolist()
    [[[[5.0, 7.0], [13.0, 15.0]]]]
    """


class MaxPool3d(MaxPool):
    """MaxPool of volumes.  [*b, c, d, h, w] -> [*b, c, d', h', w'].

    Formula and options: `MaxPool`.

    >>> MaxPool3d(2)(rl.zeros(1, 2, 4, 4, 4)).shape
    (1, 2, 2, 2, 2)
    """

    spatial = 3


class MaxUnpool(Module):
    """MaxPool undone: zeros, and the values where they stood.

    [*b, c, *t], [*b, c, *t] -> [*b, c, *s].
    s = (t - 1) * stride - 2 * padding + kernel_size, unless an output_size is given.

    kernel_size, stride, padding: of each axis, or one number for all.
    stride: the window's own size if None.

    Source: Zeiler, Fergus 2013, arXiv:1311.2901, section 2.1.
    """

    spatial = 2

    def __init__(self, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> None:
        super().__init__()
        who, n = type(self).__name__, self.spatial
        self.kernel_size = repeated(who, "kernel_size", kernel_size, 1, n)
        self.stride = repeated(who, "stride", self.kernel_size if stride is None else stride, 1, n)
        self.padding = repeated(who, "padding", padding, 0, n)

    def forward(
        self, input: rl.Tensor, indices: rl.Tensor, output_size: Sequence[int] | None = None
    ) -> rl.Tensor:
        """The input at these indices of larger planes.

        output_size: their lengths, with or without batch and channels.
        """
        function = (F.max_unpool1d, F.max_unpool2d, F.max_unpool3d)[self.spatial - 1]
        return function(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        return shown(self, "kernel_size", "stride", "padding")


class MaxUnpool1d(MaxUnpool):
    """MaxUnpool of sequences.  [*b, c, t], [*b, c, t] -> [*b, c, t'].

    Formula and options: `MaxUnpool`.

    >>> z, at = MaxPool1d(2, return_indices=True)(rl.tensor([[[1.0, 3.0, 4.0, 2.0]]]))
    >>> MaxUnpool1d(2)(z, at).tolist()
    [[[0.0, 3.0, 4.0, 0.0]]]
    """

    spatial = 1


class MaxUnpool2d(MaxUnpool):
    """MaxUnpool of images.  [*b, c, h, w], [*b, c, h, w] -> [*b, c, h', w'].

    Formula and options: `MaxUnpool`.

    >>> MaxUnpool2d(2)(*MaxPool2d(2, return_indices=True)(rl.zeros(1, 4, 4))).shape
    (1, 4, 4)
    """


class MaxUnpool3d(MaxUnpool):
    """MaxUnpool of volumes.  [*b, c, d, h, w], [*b, c, d, h, w] -> [*b, c, d', h', w'].

    Formula and options: `MaxUnpool`.

    >>> MaxUnpool3d(2)(*MaxPool3d(2, return_indices=True)(rl.zeros(1, 4, 4, 4))).shape
    (1, 4, 4, 4)
    """

    spatial = 3


class LPPool(Module):
    """(sum of x**norm_type over each window)**(1 / norm_type).  [*b, c, *s] -> [*b, c, *t].

    t = floor((s - kernel_size) / stride + 1).

    kernel_size, stride: of each axis, or one number for all.
    stride: the window's own size if None.
    ceil_mode: round t up; a window over the edge counts as if it were full.
    """

    spatial = 2

    def __init__(
        self,
        norm_type: float,
        kernel_size: Size,
        stride: Size | None = None,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The norm of each window of the input."""
        function = (F.lp_pool1d, F.lp_pool2d, F.lp_pool3d)[self.spatial - 1]
        return function(input, self.norm_type, self.kernel_size, self.stride, self.ceil_mode)

    def extra_repr(self) -> str:
        return shown(self, "norm_type", "kernel_size", "stride", "ceil_mode")


class LPPool1d(LPPool):
    """LPPool of sequences.  [*b, c, t] -> [*b, c, t'].

    Formula and options: `LPPool`.

    >>> LPPool1d(2, 2)(rl.tensor([[[3.0, 4.0]]])).tolist()
    [[[5.0]]]
    """

    spatial = 1


class LPPool2d(LPPool):
    """LPPool of images.  [*b, c, h, w] -> [*b, c, h', w'].

    Formula and options: `LPPool`.

    >>> LPPool2d(1, 2)(rl.ones(1, 2, 4, 4))[0, 0].tolist()
    [[4.0, 4.0], [4.0, 4.0]]
    """


class LPPool3d(LPPool):
    """LPPool of volumes.  [*b, c, d, h, w] -> [*b, c, d', h', w'].

    Formula and options: `LPPool`.

    >>> LPPool3d(1, 2)(rl.ones(1, 2, 2, 2, 2)).tolist()
    [[[[[8.0]]], [[[8.0]]]]]
    """

    spatial = 3


class AvgPool(Module):
    """The mean of each window.  [*b, c, *s] -> [*b, c, *t].

    t = floor((s + 2 * padding - kernel_size) / stride + 1).

    kernel_size, stride, padding: of each axis, or one number for all.
    stride: the window's own size if None.
    ceil_mode: round t up, so that a last window may reach over the edge.
    count_include_pad: whether the zeros of the padding count in the mean.
    divisor_override: divide each sum by this number instead.
    """

    spatial = 2

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
        function = F.avg_pool3d if self.spatial == 3 else F.avg_pool2d
        return function(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        return shown(self, "kernel_size", "stride", "padding")


class AvgPool1d(AvgPool):
    """AvgPool of sequences, without a divisor_override.  [*b, c, t] -> [*b, c, t'].

    Formula and options: `AvgPool`.

    >>> AvgPool1d(2)(rl.arange(4.0).reshape(1, 1, 4)).tolist()
    [[[0.5, 2.5]]]
    """

    spatial = 1

    def __init__(
        self,
        kernel_size: Size,
        stride: Size | None = None,
        padding: Size = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        sizes = repeated("AvgPool1d", "kernel_size", kernel_size, 1, 1)
        strides = sizes if stride is None else repeated("AvgPool1d", "stride", stride, 1, 1)
        pads = repeated("AvgPool1d", "padding", padding, 0, 1)
        super().__init__(sizes, strides, pads, ceil_mode, count_include_pad)

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The mean of each window of the input."""
        return F.avg_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.ceil_mode,
            self.count_include_pad,
        )  # fmt: skip


class AvgPool2d(AvgPool):
    """AvgPool of images.  [*b, c, h, w] -> [*b, c, h', w'].

    Formula and options: `AvgPool`.

    >>> AvgPool2d(2)(rl.arange(16.0).reshape(1, 1, 4, 4)).tolist()
    [[[[2.5, 4.5], [10.5, 12.5]]]]
    """


class AvgPool3d(AvgPool):
    """AvgPool of volumes.  [*b, c, d, h, w] -> [*b, c, d', h', w'].

    Formula and options: `AvgPool`.

    >>> AvgPool3d(2)(rl.zeros(1, 2, 4, 4, 4)).shape
    (1, 2, 2, 2, 2)
    """

    spatial = 3


class AdaptiveAvgPool(Module):
    """The mean of each of output_size windows.  [*b, c, *s] -> [*b, c, *output_size].

    Window i of o over an axis of length h is floor(i * h / o) to ceil((i + 1) * h / o); they may
    overlap.

    output_size: of each axis, or one number for all; None keeps that length.
    """

    spatial = 2

    def __init__(self, output_size: int | tuple[int | None, ...] | None) -> None:
        super().__init__()
        self.output_size = output_size

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The means of the windows of the input."""
        functions = (F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d)
        return functions[self.spatial - 1](input, self.output_size)

    def extra_repr(self) -> str:
        return shown(self, "output_size")


class AdaptiveAvgPool1d(AdaptiveAvgPool):
    """AdaptiveAvgPool of sequences.  [*b, c, t] -> [*b, c, t'].

    Windows and options: `AdaptiveAvgPool`.

    >>> AdaptiveAvgPool1d(2)(rl.zeros(1, 2, 5)).shape
    (1, 2, 2)
    """

    spatial = 1


class AdaptiveAvgPool2d(AdaptiveAvgPool):
    """AdaptiveAvgPool of images.  [*b, c, h, w] -> [*b, c, *output_size].

    Windows and options: `AdaptiveAvgPool`.

    >>> AdaptiveAvgPool2d(1)(rl.arange(16.0).reshape(1, 1, 4, 4)).tolist()
    [[[[7.5]]]]
    """


class AdaptiveAvgPool3d(AdaptiveAvgPool):
    """AdaptiveAvgPool of volumes.  [*b, c, d, h, w] -> [*b, c, *output_size].

    Windows and options: `AdaptiveAvgPool`.

    >>> AdaptiveAvgPool3d(2)(rl.zeros(1, 2, 4, 4, 4)).shape
    (1, 2, 2, 2, 2)
    """

    spatial = 3


class AdaptiveMaxPool(Module):
    """The largest of each of output_size windows.  [*b, c, *s] -> [*b, c, *output_size].

    Windows: as those of `AdaptiveAvgPool`.

    output_size: of each axis, or one number for all; None keeps that length.
    return_indices: return also where in its plane each value stands.
    """

    spatial = 2

    def __init__(
        self, output_size: int | tuple[int | None, ...] | None, return_indices: bool = False
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def forward(self, input: rl.Tensor) -> Any:
        """The largest value of each window of the input, and where it stands if that is asked."""
        functions = (F.adaptive_max_pool1d, F.adaptive_max_pool2d, F.adaptive_max_pool3d)
        return functions[self.spatial - 1](input, self.output_size, self.return_indices)

    def extra_repr(self) -> str:
        return shown(self, "output_size")


class AdaptiveMaxPool1d(AdaptiveMaxPool):
    """AdaptiveMaxPool of sequences.  [*b, c, t] -> [*b, c, t'].

    Windows and options: `AdaptiveMaxPool`.

    >>> AdaptiveMaxPool1d(2)(rl.arange(5.0).reshape(1, 5)).tolist()
    [[2.0, 4.0]]
    """

    spatial = 1


class AdaptiveMaxPool2d(AdaptiveMaxPool):
    """AdaptiveMaxPool of images.  [*b, c, h, w] -> [*b, c, *output_size].

    Windows and options: `AdaptiveMaxPool`.

    >>> AdaptiveMaxPool2d((1, 2))(rl.zeros(1, 2, 4, 5)).shape
    (1, 2, 1, 2)
    """


class AdaptiveMaxPool3d(AdaptiveMaxPool):
    """AdaptiveMaxPool of volumes.  [*b, c, d, h, w] -> [*b, c, *output_size].

    Windows and options: `AdaptiveMaxPool`.

    >>> AdaptiveMaxPool3d(2)(rl.zeros(1, 2, 4, 4, 4)).shape
    (1, 2, 2, 2, 2)
    """

    spatial = 3
