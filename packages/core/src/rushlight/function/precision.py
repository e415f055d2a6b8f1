"""In which element type a function of several operations computes."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Literal, TypeVar

from .. import dtypes, ops, straight

Policy = Literal["narrow", "wide", "widest", "given"]
F = TypeVar("F", bound=Callable[..., Any])


def autocasts(policy: Policy) -> Callable[[F], F]:
    """State, as a decorator, in which type a function computes under autocast.

    narrow: in autocast's type.  wide: in float32.  widest: in the widest type among its inputs.
    given: in the types that it is given, whatever operations it is made of.
    Inside of the function nothing more is cast.  A function without a policy is cast as its
    operations are.
    """

    def decorate(function: F) -> F:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            mode = straight.current()
            if mode.eager:
                return function(*args, **kwargs)
            return mode.perform(policy, function, args, kwargs)

        made: Any = call
        made.autocasts = policy
        return made  # type: ignore[no-any-return]  # it is called as the function is

    return decorate


def rounds_once(function: F) -> F:
    """State, as a decorator, that float16 and bfloat16 are computed in float32 and rounded once.

    Beside a tensor of another floating type the function decides, which promotes or refuses.
    """

    @wraps(function)
    def call(input: Any, *args: Any, **kwargs: Any) -> Any:
        dtype = getattr(input, "dtype", None)
        if dtype not in dtypes.FLOATING or dtype.itemsize > 2:
            return function(input, *args, **kwargs)
        beside = {getattr(x, "dtype", None) for x in (*args, *kwargs.values())}
        if not dtypes.FLOATING.isdisjoint(beside - {dtype}):
            return function(input, *args, **kwargs)
        args = tuple([wide(x, dtype) for x in args])
        kwargs = {name: wide(x, dtype) for name, x in kwargs.items()}
        return ops.cast(function(wide(input, dtype), *args, **kwargs), dtype)

    return call  # type: ignore[return-value]  # it is called as the function is


def wide(x: Any, dtype: Any) -> Any:
    """x in float32, if it is a tensor of this type."""
    return ops.cast(x, dtypes.float32) if getattr(x, "dtype", None) is dtype else x
