"""Parameter: a tensor that a module owns and an optimizer trains.  Knows nothing of modules."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Self

import numpy as np

import rushlight as rl


class Parameter(rl.Tensor):
    """A leaf tensor that registers itself where it becomes an attribute of a module.

    data: the tensor to begin with; None makes an empty one of shape [0].  Its values are shared
    until one of the two is assigned, its history is not.
    requires_grad: False for a tensor that is saved with the module and not trained.

    Any attribute may be set on it, such as a mark that an optimizer's groups are made by; copies
    made by `copy` and `pickle` have it too.  `deepcopy` leaves the gradient behind.

    Raises: ContractError for data that is no tensor, and for integers that ask for a gradient.

    >>> Parameter(rl.zeros(2))
    Parameter containing:
    tensor([0., 0.], requires_grad=True)
    """

    def __new__(cls, data: rl.Tensor | None = None, requires_grad: bool = True) -> Self:
        """A parameter of class cls."""
        if data is None:
            data = rl.empty(0)
        elif not isinstance(data, rl.Tensor):
            raise rl.ContractError(
                f"Parameter: data is a {type(data).__name__}; "
                "make it a tensor first, with rl.tensor(data)"
            )
        made = data.detach().as_subclass(cls)
        return made.requires_grad_(requires_grad)

    def __deepcopy__(self, memo: dict[Any, Any]) -> Self:
        memo[id(self)] = made = type(self)(self.detach().clone(), self.requires_grad)
        made.__dict__.update(deepcopy(self.__dict__, memo))
        return made

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


def undrawn(
    *shape: int, device: str | rl.device | None = None, dtype: np.dtype[Any] | None = None
) -> Parameter:
    """A parameter whose values are still to be drawn."""
    return Parameter(rl.empty(shape, device=device, dtype=dtype))
