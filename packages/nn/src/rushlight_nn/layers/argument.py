"""What layers check of their arguments, and what their repr says of them."""

from __future__ import annotations

from operator import index
from typing import SupportsIndex

import rushlight as rl

from ..module import Module


def whole(who: str, least: int = 0, **arguments: object) -> None:
    """Raises: WrongType unless these are integers, ContractError for one below the least."""
    for name, value in arguments.items():
        number = index(value) if isinstance(value, SupportsIndex) else None
        if number is None or number < least:
            kind = rl.WrongType if number is None else rl.ContractError
            raise kind(f"{who}: {name} is {value!r}; give an integer from {least}")


def tensor(who: str, x: object) -> None:
    """Raises: ContractError unless this is a tensor."""
    if not isinstance(x, rl.Tensor):
        raise rl.ContractError(
            f"{who}: {type(x).__name__} is not a tensor; make one with rl.tensor()"
        )


def shown(module: Module, *names: str) -> str:
    """Attributes as a repr shows them: `p=0.5, inplace=True`."""
    return ", ".join(f"{name}={getattr(module, name)!r}" for name in names)
