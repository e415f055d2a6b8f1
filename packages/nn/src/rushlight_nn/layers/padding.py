"""Padding: the input with a frame around its last axes."""

from __future__ import annotations

import rushlight as rl

from .. import functional as F
from ..module import Module
from .argument import shown

Widths = int | tuple[int, ...]


class Pad(Module):
    """The input with more around it.  [*b, *s] -> [*b, *(s + before + after)].

    padding: before and after the last axis, then those of the axis in front of it, and so on; or
        one number for all.  Negative ones cut off.
    """

    spatial = 1  # the number of axes that are padded
    mode = "constant"
    value = 0.0

    def __init__(self, padding: Widths) -> None:
        super().__init__()
        many = (padding,) * (2 * self.spatial) if isinstance(padding, int) else tuple(padding)
        if len(many) != 2 * self.spatial:
            raise rl.ContractError(
                f"{type(self).__name__}: padding {padding}; give one number or {2 * self.spatial}"
            )
        self.padding = many

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The padded input."""
        return F.pad(input, self.padding, self.mode, self.value or None)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ConstantPad(Pad):
    """Pad of one value."""

    def __init__(self, padding: Widths, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def extra_repr(self) -> str:
        return shown(self, "padding", "value")


class ConstantPad1d(ConstantPad):
    """Pad of sequences, of value.  [*b, t] -> [*b, t'].

    Options: `Pad`.

    >>> ConstantPad1d(1, 9.0)(rl.tensor([[1.0, 2.0, 3.0]]))[0].tolist()
    [9.0, 1.0, 2.0, 3.0, 9.0]
    """


class ConstantPad2d(ConstantPad):
    """Pad of images, of value.  [*b, h, w] -> [*b, h', w'].

    Options: `Pad`.

    >>> ConstantPad2d(1, 9.0)(rl.zeros(1, 1, 4, 4)).shape
    (1, 1, 6, 6)
    """

    spatial = 2


class ConstantPad3d(ConstantPad):
    """Pad of volumes, of value.  [*b, d, h, w] -> [*b, d', h', w'].

    Options: `Pad`.

    >>> ConstantPad3d(1, 9.0)(rl.zeros(1, 1, 4, 4, 4)).shape
    (1, 1, 6, 6, 6)
    """

    spatial = 3


class ZeroPad(ConstantPad):
    """ConstantPad of zeros."""

    def __init__(self, padding: Widths) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class ZeroPad1d(ZeroPad, ConstantPad1d):
    """Pad of sequences, of zeros.  [*b, t] -> [*b, t'].

    Options: `Pad`.

    >>> ZeroPad1d(1)(rl.tensor([[1.0, 2.0, 3.0]]))[0].tolist()
    [0.0, 1.0, 2.0, 3.0, 0.0]
    """


class ZeroPad2d(ZeroPad, ConstantPad2d):
    """Pad of images, of zeros.  [*b, h, w] -> [*b, h', w'].

    Options: `Pad`.

    >>> ZeroPad2d(1)(rl.zeros(1, 1, 4, 4)).shape
    (1, 1, 6, 6)
    """


class ZeroPad3d(ZeroPad, ConstantPad3d):
    """Pad of volumes, of zeros.  [*b, d, h, w] -> [*b, d', h', w'].

    Options: `Pad`.

    >>> ZeroPad3d(1)(rl.zeros(1, 1, 4, 4, 4)).shape
    (1, 1, 6, 6, 6)
    """


class ReflectionPad1d(Pad):
    """Pad of sequences, of the input mirrored.  [*b, t] -> [*b, t'].

    Options: `Pad`.

    >>> ReflectionPad1d(1)(rl.tensor([[1.0, 2.0, 3.0]]))[0].tolist()
    [2.0, 1.0, 2.0, 3.0, 2.0]
    """

    mode = "reflect"


class ReflectionPad2d(Pad):
    """Pad of images, of the input mirrored.  [*b, h, w] -> [*b, h', w'].

    Options: `Pad`.

    >>> ReflectionPad2d(1)(rl.zeros(1, 1, 4, 4)).shape
    (1, 1, 6, 6)
    """

    spatial = 2
    mode = "reflect"


class ReflectionPad3d(Pad):
    """Pad of volumes, of the input mirrored.  [*b, d, h, w] -> [*b, d', h', w'].

    Options: `Pad`.

    >>> ReflectionPad3d(1)(rl.zeros(1, 1, 4, 4, 4)).shape
    (1, 1, 6, 6, 6)
    """

    spatial = 3
    mode = "reflect"


class ReplicationPad1d(Pad):
    """Pad of sequences, of the outermost elements, again.  [*b, t] -> [*b, t'].

    Options: `Pad`.

    >>> ReplicationPad1d(1)(rl.tensor([[1.0, 2.0, 3.0]]))[0].tolist()
    [1.0, 1.0, 2.0, 3.0, 3.0]
    """

    mode = "replicate"


class ReplicationPad2d(Pad):
    """Pad of images, of the outermost elements, again.  [*b, h, w] -> [*b, h', w'].

    Options: `Pad`.

    >>> ReplicationPad2d(1)(rl.zeros(1, 1, 4, 4)).shape
    (1, 1, 6, 6)
    """

    spatial = 2
    mode = "replicate"


class ReplicationPad3d(Pad):
    """Pad of volumes, of the outermost elements, again.  [*b, d, h, w] -> [*b, d', h', w'].

    Options: `Pad`.

    >>> ReplicationPad3d(1)(rl.zeros(1, 1, 4, 4, 4)).shape
    (1, 1, 6, 6, 6)
    """

    spatial = 3
    mode = "replicate"


class CircularPad1d(Pad):
    """Pad of sequences, of the input going round.  [*b, t] -> [*b, t'].

    Options: `Pad`.

    >>> CircularPad1d(1)(rl.tensor([[1.0, 2.0, 3.0]]))[0].tolist()
    [3.0, 1.0, 2.0, 3.0, 1.0]
    """

    mode = "circular"


class CircularPad2d(Pad):
    """Pad of images, of the input going round.  [*b, h, w] -> [*b, h', w'].

    Options: `Pad`.

    >>> CircularPad2d(1)(rl.zeros(1, 1, 4, 4)).shape
    (1, 1, 6, 6)
    """

    spatial = 2
    mode = "circular"


class CircularPad3d(Pad):
    """Pad of volumes, of the input going round.  [*b, d, h, w] -> [*b, d', h', w'].

    Options: `Pad`.

    >>> CircularPad3d(1)(rl.zeros(1, 1, 4, 4, 4)).shape
    (1, 1, 6, 6, 6)
    """

    spatial = 3
    mode = "circular"
