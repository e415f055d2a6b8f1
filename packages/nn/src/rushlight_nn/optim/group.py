"""ParamGroup: parameters with the options of their steps.  Knows no optimizer.

Numbers among the options live in cells, so that a learning rate may change between two calls of a
compiled training step without tracing it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, NamedTuple

import rushlight as rl
from rushlight import Cell
from rushlight.extend import Number


class Cells(NamedTuple):
    """A tuple of numbers, as Adam's betas."""

    cells: tuple[rl.Cell, ...]


class ParamGroup(MutableMapping[str, Any]):
    """A mapping from option to value, with the parameters under "params": PyTorch's param group.

    Reading gives plain values and writing keeps the cell, so `group["lr"] *= 0.1` reaches programs
    that were compiled before.  Any other change of an option has them traced again.

    >>> group = ParamGroup({"lr": 0.5, "betas": (0.9, 0.999), "maximize": False, "params": []})
    >>> group["lr"] *= 0.5
    >>> group
    {'lr': 0.25, 'betas': (0.9, 0.999), 'maximize': False, 'params': []}
    """

    __slots__ = ("_held", "params")

    params: list[rl.Tensor]

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._held: dict[str, Any] = {}
        self.params = []
        for key, value in options.items():
            self[key] = value

    def __getitem__(self, key: str) -> Any:
        held = self._held[key]
        kind = type(held)
        if kind is Cell:
            return held.value
        return tuple([cell.value for cell in held.cells]) if kind is Cells else held

    def __setitem__(self, key: str, value: Any) -> None:
        if isinstance(value, rl.Tensor):
            value = value.item()
        held = self._held.get(key)
        if type(held) is rl.Cell and _is_number(value):
            held.value = value
        elif type(held) is Cells and _is_numbers(value) and len(value) == len(held.cells):
            for cell, number in zip(held.cells, value, strict=True):
                cell.value = number
        else:
            self._hold(key, value)

    def _hold(self, key: str, value: Any) -> None:
        if key in self._held and self._held[key] is not value:
            rl.compiler.retrace()
        if key == "params":
            self.params = value
        elif _is_number(value):
            value = rl.Cell(value)
        elif _is_numbers(value):
            value = Cells(tuple(map(rl.Cell, value)))
        self._held[key] = value

    def __delitem__(self, key: str) -> None:
        del self._held[key]
        rl.compiler.retrace()

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, key: object) -> bool:
        return key in self._held

    def copy(self) -> dict[str, Any]:
        """The options and their values now, in a dict."""
        return dict(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return ParamGroup, (self.copy(),)

    def __repr__(self) -> str:
        return repr(self.copy())


def _is_number(value: object) -> bool:
    """Whether this is a number to be put into a cell: a Python one, or one of a trace."""
    return isinstance(value, (int, float, Number)) and not isinstance(value, bool)


def _is_numbers(value: object) -> bool:
    return isinstance(value, (tuple, list)) and bool(value) and all(map(_is_number, value))
