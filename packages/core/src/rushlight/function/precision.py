"""What autocast does with a function that is more than one operation.  Knows no element type."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Literal, TypeVar

from .. import straight

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
