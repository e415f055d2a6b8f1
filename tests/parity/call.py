"""Call: a public name and what it is given, in the same words for rushlight and for PyTorch.

Knows neither library: `made` is handed one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

import rushlight as rl
from rushlight.testing.case import HIGH, LOW, Values, spelled

DTYPES = ("float64", "float32", "bfloat16", "int64", "bool")
LAYOUTS = ("plain", "strided", "reversed")


class Attribute(str):
    """The library's own object of this name: a dtype, mostly."""

    __slots__ = ()


TYPE = Attribute("the type under test")


class Call(NamedTuple):
    """Arguments.  Values among them, nested too, become tensors of the type under test.

    types: on which it is compared.  bad: PyTorch refuses it, whatever the type.
    drawn: the result is random, or left unset: only shape and type are compared.
    order: how many gradients are compared.
    elementwise: whether the error of each element is relative to itself, not to the largest.
    wider: a factor on the tolerance.  why: the reason for it, or what a program does.
    program: is run instead of the name, with the library.
    """

    args: tuple[Any, ...]
    options: dict[str, Any]
    types: tuple[str, ...] = DTYPES
    bad: bool = False
    drawn: bool = False
    order: int = 2
    elementwise: bool = False
    wider: float = 1.0
    why: str = ""
    program: Callable[[Any], Any] | None = None

    @property
    def label(self) -> str:
        """The arguments as a test's id shows them."""
        if self.program:
            return self.why
        named = [f"{name}={told(x)}" for name, x in self.options.items()]
        return ", ".join([*map(told, self.args), *named]).replace("::", ":")

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The types under test; float32 for all if nothing depends on it."""
        return self.types if depends((self.args, self.options)) else ("float32",)

    @property
    def usual(self) -> str:
        """The type on which PyTorch must refuse it if it is bad, and else must not."""
        return "float32" if "float32" in self.dtypes else self.dtypes[0]

    def on(self, *types: str) -> Call:
        """On these types only."""
        return self._replace(types=types)

    def of_elements(self) -> Call:
        """Of a function of single elements."""
        return self._replace(elementwise=True)

    def rounding(self, wider: float, why: str) -> Call:
        """With so much more of rounding than others have, and the reason."""
        return self._replace(wider=wider, why=why)

    def up_to(self, order: int) -> Call:
        """With so many gradients compared."""
        return self._replace(order=order)


def call(*args: Any, **options: Any) -> Call:
    """The arguments of a call that PyTorch answers."""
    return Call(args, options)


def bad(*args: Any, **options: Any) -> Call:
    """The arguments of a call that PyTorch refuses."""
    return Call(args, options, bad=True)


def drawn(*args: Any, **options: Any) -> Call:
    """The arguments of a call whose result is random."""
    return Call(args, options, drawn=True)


def program(about: str, run: Callable[[Any], Any], **more: Any) -> Call:
    """What `run` returns, or raises, given the library."""
    return Call((), {}, why=about, program=run, **more)


class Still(NamedTuple):
    """Values of which no gradient is asked."""

    values: Values


def still(*shape: int, low: float = LOW, high: float = HIGH) -> Still:
    """Of the type under test, without a gradient: a weight that PyTorch does not differentiate."""
    return Still(Values(shape, low, high))


def told(x: Any) -> str:
    """An argument in an id: short, and without what an id must not hold."""
    match x:
        case Values():
            values = "".join(f":{v:g}" for v in x.given[:3])
            return spelled(x) + values + "…" * (len(x.given) > 3)
        case Still():
            return told(x.values)
        case np.ndarray():
            return f"numpy:{x.dtype.name}{list(x.shape)}"
        case Attribute():
            return str(x).partition(" ")[0]
        case list() | tuple():
            inner = ", ".join(map(told, x))
            return f"[{inner}]" if isinstance(x, list) else f"({inner})"
        case slice():
            ends = (x.start, x.stop) if x.step is None else (x.start, x.stop, x.step)
            return ":".join("" if end is None else str(end) for end in ends)
    return "..." if x is ... else repr(x)


def depends(x: Any) -> bool:
    """Whether a value among these is of the type under test."""
    if isinstance(x, Still):
        return depends(x.values)
    if isinstance(x, Values):
        return not x.dtype
    if isinstance(x, dict):
        return depends([*x.values()])
    return x is TYPE or (isinstance(x, (list, tuple)) and any(map(depends, x)))


class Maker:
    """Makes the arguments of one call for one library, the same values each time.

    tensor: a tensor of the library from an array.
    leaves: the tensors made that have a gradient.
    """

    def __init__(self, library: Any, dtype: str, tensor: Callable[..., Any], label: str) -> None:
        self.library, self.dtype, self.tensor, self.label = library, dtype, tensor, label
        self.leaves: list[Any] = []
        self.count = self.elements = 0

    def made(self, x: Any) -> Any:
        """x with tensors for Values."""
        if isinstance(x, Still):
            asked = len(self.leaves)
            z = self.made(x.values).detach()
            del self.leaves[asked:]
            return z
        if isinstance(x, Values):
            self.count += 1
            seed = crc32(f"{self.label} {self.count}".encode())
            array = x.array(rl.dtypes.as_dtype(self.dtype), seed, self.count / 10)
            self.elements = max(self.elements, array.size)
            z = self.tensor(array)
            if z.requires_grad:
                self.leaves.append(z)
            return z
        if x is TYPE:
            return getattr(self.library, self.dtype)
        if isinstance(x, Attribute):
            return getattr(self.library, x)
        if isinstance(x, dict):
            return {name: self.made(value) for name, value in x.items()}
        return type(x)(map(self.made, x)) if type(x) in {list, tuple} else x
