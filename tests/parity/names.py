"""Public names: where each stands, as a function of its arguments.

Knows both libraries alike, and imports neither PyTorch nor what compares them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from copy import copy
from typing import Any

import numpy as np
from parity.call import Call
from parity.calls import CALLS
from parity.exceptions import OWN

import rushlight as rl
import rushlight_nn as nn
from rushlight.testing.case import Values

F = nn.functional
METHODS = {name for name in dir(rl.Tensor) if not name.startswith("_")}
PLUMBING = """
__annotations__ __array_ufunc__ __deepcopy__ __module__ __slots__ __weakref__
""".split()
OPERATORS = {*vars(rl.Tensor), "__eq__", "__ne__"} - {*vars(object), *PLUMBING}
OPERATORS = {name for name in OPERATORS if name.startswith("__")}
READ = {
    "__array__": np.asarray,
    "__bool__": bool,
    "__copy__": copy,
    "__float__": float,
    "__int__": int,
    "__iter__": list,
    "__len__": len,
    "__reversed__": reversed,
}
PROGRAMS = {"__dlpack__", "__dlpack_device__"}


def places(name: str) -> list[str]:
    """Where a name stands: linalg, rl, F for nn.functional, Tensor; not where it is the same."""
    if name.startswith("linalg."):
        return ["linalg"]
    found = ["rl"] if name in rl.__all__ else []
    if name in F.__all__ and getattr(rl, name, None) is not getattr(F, name):
        found.append("F")
    return found + ["Tensor"] * (name in METHODS | OPERATORS)


def function(library: Any, where: str, name: str) -> Callable[..., Any]:
    """What a library has there, on tensors; an in-place form on a copy."""
    functional = F if library is rl else library.nn.functional
    if where == "linalg":
        found = getattr(library.linalg, name.removeprefix("linalg."))
    elif where == "Tensor":
        found = applied(name) if name in OPERATORS else method(library.Tensor, name)
    elif where == "rl" and library is rl:
        found = getattr(rl, name)
    else:
        rooms = (functional, library, library.Tensor)
        found = next(getattr(room, name) for room in rooms if hasattr(room, name))
    in_place = where == "F" and name.endswith("_")
    return changed(found) if in_place else found


def method(kind: Any, name: str) -> Callable[..., Any]:
    """A method or property as a function of the tensor; an in-place one on a copy."""
    if name.endswith("_") and name != "requires_grad_":
        return changed(lambda x, *given, **options: getattr(x, name)(*given, **options))
    if callable(getattr(kind, name)):
        return lambda x, *given, **options: getattr(x, name)(*given, **options)
    return lambda x: getattr(x, name)


def changed(function: Callable[..., Any]) -> Callable[..., Any]:
    """What a copy of the first argument becomes."""

    def run(x: Any, *given: Any, **options: Any) -> Any:
        z = x.clone()
        made = function(z, *given, **options)
        assert made is z or made is None
        return z

    return run


def applied(name: str) -> Callable[..., Any]:
    """An operator as a function; a reflected one with the tensor given first."""
    if name in READ:
        return READ[name]
    if name in PROGRAMS:
        return repr
    if name.startswith("__i") and name not in {"__invert__", "__index__"}:
        return changed(getattr(operator, name))
    if name == "__setitem__":
        return changed(operator.setitem)
    if name.startswith("__r") and name != "__rshift__":
        plain = getattr(operator, name.replace("__r", "__", 1))
        return lambda x, other: plain(other, x)
    return getattr(operator, name)


def in_place_of(name: str) -> list[Call]:
    """Calls of an in-place form: those of the plain one, on tensors."""
    base = name.replace("__i", "__") if name.startswith("__i") else name.removesuffix("_")
    plain = CALLS.get(base, [])
    return [one for one in plain if one.args and isinstance(one.args[0], Values)]


LINALG = {f"linalg.{name}" for name in rl.linalg.__all__ if name != "LinAlgError"}
NAMES = sorted({*rl.__all__, *LINALG, *F.__all__, *METHODS, *OPERATORS} - OWN.keys())
TABLE = {name: CALLS.get(name) or in_place_of(name) for name in NAMES}
