"""Checks that layers make of their arguments."""

from __future__ import annotations

from operator import index

import rushlight as rl


def whole(who: str, least: int = 0, **arguments: object) -> None:
    """Raises: ContractError unless these are integers, none below the least."""
    for name, value in arguments.items():
        try:
            n = index(value)  # type: ignore[arg-type]  # what is no integer is the question
        except TypeError:
            n = least - 1
        if n < least:
            raise rl.ContractError(f"{who}: {name} is {value!r}; give an integer from {least}")


def tensor(who: str, x: object) -> None:
    """Raises: ContractError unless this is a tensor."""
    if not isinstance(x, rl.Tensor):
        raise rl.ContractError(
            f"{who}: {type(x).__name__} is not a tensor; make one with rl.tensor()"
        )
