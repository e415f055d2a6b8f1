"""Layers that only change the shape."""

from __future__ import annotations

import rushlight as rl

from .. import functional as F
from ..module import Module
from .argument import shown, tensor


class Flatten(Module):
    """Axes start_dim to end_dim become one.  [b, *s] -> [b, n] by default.

    >>> Flatten()(rl.zeros(2, 3, 4)).shape
    (2, 12)
    """

    def __init__(self, start_dim: int = 1, end_dim: int = -1) -> None:
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input with those axes in one."""
        return rl.flatten(input, self.start_dim, self.end_dim)

    def extra_repr(self) -> str:
        return shown(self, "start_dim", "end_dim")


class Unflatten(Module):
    """Axis dim becomes several.  [*a, n, *b] -> [*a, *unflattened_size, *b].

    unflattened_size: their lengths; one may be -1, for what remains.

    >>> Unflatten(1, (3, -1))(rl.zeros(2, 12)).shape
    (2, 3, 4)
    """

    def __init__(self, dim: int, unflattened_size: tuple[int, ...] | list[int]) -> None:
        super().__init__()
        lengths: object = unflattened_size
        if type(dim) is not int or not isinstance(lengths, (tuple, list)):
            raise TypeError(
                f"Unflatten: dim {dim!r} into {unflattened_size!r}; give an axis number and lengths"
            )
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input with that axis in several."""
        tensor("Unflatten", input)
        shape = tuple(input.shape)
        if not -len(shape) <= self.dim < len(shape):
            raise rl.IndexOutOfRange(
                f"Unflatten: axis {self.dim} of {input.spec}; give one that it has"
            )
        dim = self.dim % len(shape)
        return input.reshape(*shape[:dim], *self.unflattened_size, *shape[dim + 1 :])

    def extra_repr(self) -> str:
        return shown(self, "dim", "unflattened_size")


class PixelShuffle(Module):
    """Channels become squares of pixels.  [*b, c r r, h, w] -> [*b, c, h r, w r], r upscale_factor.

    Source: Shi et al. 2016, arXiv:1609.05158, eq. 4.

    >>> PixelShuffle(3)(rl.zeros(1, 9, 4, 4)).shape
    (1, 1, 12, 12)
    """

    def __init__(self, upscale_factor: int) -> None:
        super().__init__()
        self.upscale_factor = upscale_factor

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input with fewer channels and more pixels."""
        return F.pixel_shuffle(input, self.upscale_factor)

    def extra_repr(self) -> str:
        return shown(self, "upscale_factor")


class PixelUnshuffle(Module):
    """Squares of pixels become channels.  [*b, c, h r, w r] -> [*b, c r r, h, w].

    downscale_factor: r; it divides height and width.

    Source: Shi et al. 2016, arXiv:1609.05158, eq. 4.

    >>> PixelUnshuffle(3)(rl.zeros(1, 1, 12, 12)).shape
    (1, 9, 4, 4)
    """

    def __init__(self, downscale_factor: int) -> None:
        super().__init__()
        self.downscale_factor = downscale_factor

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input with more channels and fewer pixels."""
        return F.pixel_unshuffle(input, self.downscale_factor)

    def extra_repr(self) -> str:
        return shown(self, "downscale_factor")


class ChannelShuffle(Module):
    """The first channel of each group, the second of each, ..  [b, c, *s] -> [b, c, *s].

    groups: into how many groups the channels are parted; it divides them.

    Source: Zhang, Zhou, Lin, Sun 2017, arXiv:1707.01083, section 3.1.

    >>> ChannelShuffle(2)(rl.arange(4.0).reshape(1, 4, 1)).flatten().tolist()
    [0.0, 2.0, 1.0, 3.0]
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input with its channels in another order."""
        return F.channel_shuffle(input, self.groups)

    def extra_repr(self) -> str:
        return shown(self, "groups")
