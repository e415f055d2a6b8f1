"""Every public name beside PyTorch's, on the calls of the table and every element type."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from copy import copy
from typing import Any

import numpy as np
import pytest
import torch
from parity.call import LAYOUTS, Call
from parity.calls import CALLS, ELEMENT_TYPES
from parity.compare import check, outcome
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


def public(name: str) -> dict[str, tuple[Callable[..., Any], Callable[..., Any]]]:
    """Where a name stands in rushlight: what it is there, and in PyTorch."""
    found = {}
    if name.startswith("linalg."):
        name = name.removeprefix("linalg.")
        found["linalg"] = getattr(rl.linalg, name), getattr(torch.linalg, name)
        return found
    if name in rl.__all__:
        found["rl"] = getattr(rl, name), of_torch(name, torch.nn.functional, torch, torch.Tensor)
    if name in F.__all__ and not ("rl" in found and found["rl"][0] is getattr(F, name)):
        both = getattr(F, name), of_torch(name, torch.nn.functional, torch)
        found["F"] = tuple(map(changed, both)) if name.endswith("_") else both
    if name in METHODS:
        found["Tensor"] = method(rl.Tensor, name), method(torch.Tensor, name)
    if name in OPERATORS:
        found["Tensor"] = (applied(name),) * 2
    return found


def of_torch(name: str, *rooms: Any) -> Any:
    """The first of this name."""
    return next(getattr(room, name) for room in rooms if hasattr(room, name))


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
    if name.startswith("__r"):
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


def comparisons() -> Iterator[Any]:
    """(name, where, call, dtype, layout) of each; all types where the name stands first."""
    for name, calls in TABLE.items():
        for first, where in enumerate(public(name) if calls else ()):
            if where == "rl" and name in ELEMENT_TYPES:
                continue
            if where == "Tensor" and not hasattr(torch.Tensor, name):
                continue
            for one in CALLS.get(f"{where}.{name}", calls):
                if where == "Tensor" and one.args and not isinstance(one.args[0], Values):
                    continue
                for dtype in one.dtypes if not first else {*one.dtypes} & {"float32"}:
                    for layout in LAYOUTS if dtype == "float32" and not first else LAYOUTS[:1]:
                        about = f"{where}.{name.removeprefix(where + chr(46))}({one.label})-{dtype}"
                        about += f"-{layout}" if layout != "plain" else ""
                        yield pytest.param(name, where, one, dtype, layout, id=about)


@pytest.mark.parametrize(("name", "where", "call", "dtype", "layout"), [*comparisons()])
def test_a_call_is_pytorchs(name, where, call, dtype, layout):
    ours, theirs = public(name)[where]
    seed = f"{name} {call.label}"
    if layout != "plain":
        call = call.up_to(0)
    expected = outcome(torch, theirs, call, dtype, "plain", seed)
    found = outcome(rl, ours, call, dtype, layout, seed)
    strict = layout == "plain" and name in CALLS and where == next(iter(public(name)))
    check(name, call.label, dtype, call, found, expected, strict=strict)


def test_every_public_name_is_compared():
    missing = [name for name in NAMES if not TABLE[name] and name not in ELEMENT_TYPES]
    assert missing == [], "give each a line in tests/parity/calls.py, or a reason in exceptions.py"
