"""Checks that optimizers make of their options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import rushlight as rl


def refuse_unless(
    who: str, name: str, value: Any, *, low: float, below: float | None = None
) -> None:
    """Raises: ContractError unless the option is a number, at least low, and less than below."""
    if isinstance(value, rl.Tensor):
        value = value.item()
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not low <= value or (below is not None and not value < below):
        wanted = f"a number of at least {low}" + (
            "" if below is None else f" and less than {below}"
        )
        raise rl.ContractError(f"{who}: {name} is {value!r}; give {wanted}")


def refuse_unless_whole(who: str, name: str, value: Any, low: int) -> None:
    """Raises: ContractError unless the option is an integer, and at least low."""
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise rl.ContractError(f"{who}: {name} is {value!r}; give an integer from {low}")


def refuse(who: str, options: Mapping[str, Any], *names: str) -> None:
    """Raises: ContractError if one of these, which are not supported, is asked for."""
    for name in names:
        if options.get(name):
            raise rl.ContractError(
                f"{who}: {name}={options[name]!r} is not supported; leave it out"
            )
