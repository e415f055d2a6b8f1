"""Dropout, of elements and of channels."""

from __future__ import annotations

import rushlight as rl

from .. import functional as F
from ..module import Module
from .argument import shown


class Drop(Module):
    """What the layers that drop share.

    p: the probability with which each element or channel is dropped, independently.
    inplace: the input itself becomes the result.

    Raises: ContractError for p outside of [0, 1].
    """

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise rl.ContractError(
                f"{type(self).__name__}: p is {p}; give a probability between 0 and 1"
            )
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        return shown(self, "p", "inplace")


class Dropout(Drop):
    """x * mask / (1 - p) in training mode, x in evaluation mode.  [*s] -> [*s].

    p: the probability with which each element becomes 0, independently.
    inplace: the input itself becomes the result.

    Raises: ContractError for p outside of [0, 1].
    Source: Hinton et al. 2012, arXiv:1207.0580.

    >>> Dropout(0.2).eval()(rl.ones(2))
    tensor([1., 1.])
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input with elements dropped, in training mode."""
        return rl.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(Drop):
    """Dropout of whole channels.  [b, c, t] -> [b, c, t], [c, t] -> [c, t].

    >>> Dropout1d(0.2).eval()(rl.ones(1, 2, 3)).shape
    (1, 2, 3)
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input with channels dropped, in training mode."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(Drop):
    """Dropout of whole channels.  [b, c, h, w] -> [b, c, h, w].

    Source: Tompson et al. 2014, arXiv:1411.4280, section 3.2.

    >>> Dropout2d(0.2).eval()(rl.ones(1, 2, 3, 3)).shape
    (1, 2, 3, 3)
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input with channels dropped, in training mode."""
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(Drop):
    """Dropout of whole channels.  [b, c, d, h, w] -> [b, c, d, h, w].

    >>> Dropout3d(0.2).eval()(rl.ones(1, 2, 3, 3, 3)).shape
    (1, 2, 3, 3, 3)
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input with channels dropped, in training mode."""
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(Drop):
    """Dropout that keeps mean 0 and variance 1, for networks of SELU.  [*s] -> [*s].

    Source: Klambauer et al. 2017, arXiv:1706.02515, section 2, "new dropout technique".

    >>> AlphaDropout(0.2).eval()(rl.ones(2)).tolist()
    [1.0, 1.0]
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input with elements dropped, in training mode."""
        return F.alpha_dropout(input, self.p, self.training, self.inplace)


class FeatureAlphaDropout(Drop):
    """AlphaDropout of whole channels.  [b, c, *s] -> [b, c, *s].

    >>> FeatureAlphaDropout(0.2).eval()(rl.ones(1, 2, 3)).shape
    (1, 2, 3)
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input with channels dropped, in training mode."""
        return F.feature_alpha_dropout(input, self.p, self.training, self.inplace)
