"""Layers that resize images, and cut them into patches."""

from __future__ import annotations

import rushlight as rl

from .. import functional as F
from ..module import Module
from .argument import shown

Lengths = int | tuple[int, ...]


class Upsample(Module):
    """Images at another size.  [b, c, *s] -> [b, c, *size], up to three spatial dims.

    size, scale_factor: one of them is given, a number or one for each dim.
    mode, align_corners, recompute_scale_factor: as `functional.interpolate` has them.

    >>> Upsample(scale_factor=2)(rl.zeros(1, 3, 4, 5)).shape
    (1, 3, 8, 10)
    """

    def __init__(
        self,
        size: Lengths | None = None,
        scale_factor: float | tuple[float, ...] | None = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size, self.mode = size, mode
        self.scale_factor = scale_factor
        self.align_corners = align_corners
        self.recompute_scale_factor = recompute_scale_factor

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input, resized."""
        return F.interpolate(
            input,
            self.size,
            self.scale_factor,
            self.mode,
            self.align_corners,
            recompute_scale_factor=self.recompute_scale_factor,
        )

    def extra_repr(self) -> str:
        return shown(self, "size" if self.size else "scale_factor", "mode")


class UpsamplingNearest2d(Upsample):
    """Upsample by the nearest value.  [b, c, h, w] -> [b, c, *size].

    >>> UpsamplingNearest2d(scale_factor=2)(rl.ones(1, 1, 2, 2)).shape
    (1, 1, 4, 4)
    """

    def __init__(
        self, size: Lengths | None = None, scale_factor: float | tuple[float, float] | None = None
    ) -> None:
        super().__init__(size, scale_factor, mode="nearest")


class UpsamplingBilinear2d(Upsample):
    """Upsample bilinearly, the outermost values kept outermost.  [b, c, h, w] -> [b, c, *size].

    >>> UpsamplingBilinear2d(size=3)(rl.tensor([[[[0.0, 2.0]]]])).tolist()
    [[[[0.0, 1.0, 2.0], [0.0, 1.0, 2.0], [0.0, 1.0, 2.0]]]]
    """

    def __init__(
        self, size: Lengths | None = None, scale_factor: float | tuple[float, float] | None = None
    ) -> None:
        super().__init__(size, scale_factor, mode="bilinear", align_corners=True)


class Unfold(Module):
    """Patches of an image as columns.  [b, c, h, w] -> [b, c kh kw, patches], or without b.

    >>> Unfold(2, stride=2)(rl.zeros(1, 3, 4, 6)).shape
    (1, 12, 6)
    """

    def __init__(
        self, kernel_size: Lengths, dilation: Lengths = 1, padding: Lengths = 0, stride: Lengths = 1
    ) -> None:
        super().__init__()
        self.kernel_size, self.dilation = kernel_size, dilation
        self.padding, self.stride = padding, stride

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The patches of the input."""
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        return shown(self, "kernel_size", "dilation", "padding", "stride")


class Fold(Module):
    """Patches summed to an image of output_size.  [b, c kh kw, patches] -> [b, c, h, w].

    >>> Fold((4, 6), 2, stride=2)(rl.zeros(1, 12, 6)).shape
    (1, 3, 4, 6)
    """

    def __init__(
        self,
        output_size: Lengths,
        kernel_size: Lengths,
        dilation: Lengths = 1,
        padding: Lengths = 0,
        stride: Lengths = 1,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.kernel_size, self.dilation = kernel_size, dilation
        self.padding, self.stride = padding, stride

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The image of these patches."""
        how = (self.kernel_size, self.dilation, self.padding, self.stride)
        return F.fold(input, self.output_size, *how)

    def extra_repr(self) -> str:
        return shown(self, "output_size", "kernel_size", "dilation", "padding", "stride")
