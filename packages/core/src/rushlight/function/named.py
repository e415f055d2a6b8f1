"""Functions under PyTorch's argument names, where a statement or another function has its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import FunctionType
from typing import TYPE_CHECKING, Any

from .. import ops

if TYPE_CHECKING:
    from ..tensor import Tensor


def named(function: Any, *names: str, called: str = "") -> Callable[..., Any]:
    """The function with its first arguments under these names, perhaps under one of its own.

    It shares code and closure, so a call costs the same, and what an operation is told later holds
    here too.
    """
    code = function.__code__
    others = code.co_varnames[len(names) :]
    assert not {*code.co_cellvars} & {*code.co_varnames[: len(names)]}, "read by an inner function"
    made = FunctionType(
        code.replace(
            co_varnames=(*names, *others),
            co_name=called or code.co_name,
            co_qualname=called or code.co_qualname,
        ),
        function.__globals__,
        called or function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    made.__kwdefaults__, made.__module__ = function.__kwdefaults__, function.__module__
    new = dict(zip(code.co_varnames, names, strict=False))
    made.__annotations__ = {new.get(k, k): kind for k, kind in function.__annotations__.items()}
    made.__doc__ = function.__doc__
    made.__dict__.update(function.__dict__)
    return made


def public(operations: str, *names: str) -> Iterator[Callable[..., Tensor]]:
    """Each of these operations with its inputs as `input` and `other`, or under these names."""
    for name in operations.split():
        statement = getattr(ops, name)
        inputs = (names or ("input", "other"))[: statement.__code__.co_argcount]
        made = named(statement, *inputs)
        made.__module__ = f"{__package__}.elementwise"  # where it is found, as pickle wants it
        yield made
