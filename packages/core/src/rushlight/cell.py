"""Cell: a Python number that may change between calls of a compiled function.  Knows no tensor.

A learning rate, a step count, the counter of a random stream.  In eager a Cell is just a number; in
a trace it is read at each call, as a symbolic `Number`, and what was assigned is written back.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from threading import RLock
from typing import TYPE_CHECKING, Any

from . import straight
from .errors import TracingError

if TYPE_CHECKING:
    from .compiler.trace import Tracing


class Cell:
    """A number read and written through `.value`.

    lock: held by who reads the number, computes and writes another.
    """

    __slots__ = ("__weakref__", "held", "lock")

    def __init__(self, value: Any) -> None:
        self.held = value
        self.lock = RLock()

    @property
    def value(self) -> Any:
        """The number; while tracing, a symbolic one on which arithmetic works."""
        mode: Any = straight.current()
        return mode.read_cell(self) if mode.traces else self.held

    @value.setter
    def value(self, value: Any) -> None:
        mode: Any = straight.current()
        if mode.traces:
            mode.assign_cell(self, value)
        else:
            self.held = value

    def __repr__(self) -> str:
        return f"Cell({self.held})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Cell, (self.held,)


class Number:
    """A number to be: what a Cell holds while tracing.

    Arithmetic is written down and done in Python's own numbers at each call.  A comparison is
    decided by the present value and becomes a guard: when its outcome changes, the function is
    traced again.
    """

    __slots__ = ("kind", "recorder", "source")

    def __init__(self, recorder: Tracing, kind: type, source: Any = None) -> None:
        self.recorder, self.kind, self.source = recorder, kind, source

    def __bool__(self) -> bool:
        return self.recorder.guard(self, "ne", 0)

    def __float__(self) -> float:
        raise TracingError(
            "float: a number that changes between calls has no fixed value while tracing; compute "
            "with it as it is, or read it outside of the compiled function"
        )

    def __neg__(self) -> Any:
        return self.recorder.number("sub", 0, self)

    def __format__(self, spec: str) -> str:
        raise TracingError(
            "format: a number that changes between calls has no fixed value while tracing; print "
            "it outside of the compiled function"
        )

    def __abs__(self) -> Any:
        raise TracingError(
            "a function of a number that changes between calls, such as abs, round or math.sqrt, "
            "cannot be traced; use + - * / // % **, or compute it outside of the compiled function"
        )

    __int__ = __index__ = __float__
    __round__ = __floor__ = __ceil__ = __trunc__ = __abs__
    __hash__ = object.__hash__


def arithmetic(how: str, *, reflected: bool = False) -> Callable[[Number, Any], Any]:
    """The method of Number that writes down `self how other`, or `other how self`."""

    def method(self: Number, other: Any) -> Any:
        if not isinstance(other, (bool, int, float, Number)):
            return NotImplemented
        return self.recorder.number(how, *((other, self) if reflected else (self, other)))

    return method


def comparison(how: str) -> Callable[[Number, Any], Any]:
    """The method of Number that decides `self how other` now, and guards the outcome."""

    def method(self: Number, other: Any) -> Any:
        if not isinstance(other, (bool, int, float, Number)):
            return NotImplemented
        return self.recorder.guard(self, how, other)

    return method


for _how in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    setattr(Number, f"__{_how}__", arithmetic(_how))
    setattr(Number, f"__r{_how}__", arithmetic(_how, reflected=True))
for _how in ("eq", "ne", "lt", "le", "gt", "ge"):
    setattr(Number, f"__{_how}__", comparison(_how))


def compute(how: str, x: Any, y: Any) -> Any:
    """The arithmetic or comparison of that name, on numbers."""
    return getattr(operator, how)(x, y)
