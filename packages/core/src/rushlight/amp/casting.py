"""Autocast: an interpreter that casts inputs, then leaves the operation to the one within.

Knows neither whether operations run nor whether they are written down: it stands around either.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from contextlib import ContextDecorator
from copy import copy
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Self

from .. import dtypes
from ..device import Device
from ..dtypes import DType
from ..eager import interpreter, interpreting
from ..errors import ContractError
from ..function.precision import Policy
from ..op import Operation
from ..ops.elementwise import convert
from ..plugins import REFERENCE
from ..tensor import Tensor

# Of single operations; a function of several has its own, see `function/precision.py`.
# Source: PyTorch's documentation, Automatic Mixed Precision package, the lists of CPU operations.
POLICIES: dict[str, Policy] = {
    "matmul": "narrow",
    "linear": "narrow",
    "attention": "narrow",
    "mse": "wide",
    "cross_entropy": "wide",
}
HOST = "cpu"  # as a device type: every device of the host's memory


class Choice(NamedTuple):
    """What one autocast chose.  device_type: None for every device."""

    device_type: str | None
    dtype: DType
    enabled: bool

    def holds(self, device: Device) -> bool:
        """Whether it is about this device."""
        return self.device_type in (None, device.type) or (self.device_type == HOST and device.host)


@dataclass(frozen=True)
class Casting:
    """Casts inputs by the operation's policy.

    within: the interpreter that does all else.  choices: innermost first.
    """

    within: Any
    choices: tuple[Choice, ...]
    eager: ClassVar[bool] = False  # no straight path: each call comes here

    def __getattr__(self, name: str) -> Any:
        return getattr(self.within, name)

    def quiet(self, recording: bool) -> Casting:
        return Casting(self.within.quiet(recording), self.choices)

    def around(self, within: Any) -> Casting:
        return Casting(within, self.choices)

    def apply(
        self, op: Operation, inputs: tuple[Any, ...], params: tuple[Any, ...], aside: bool = False
    ) -> Any:
        """The operation on inputs as its policy wants them; a body is not looked into."""
        if policy := POLICIES.get(op.name):
            inputs = self.cast(policy, inputs)
        if aside or not self.within.eager:
            return self.within.apply(op, inputs, params, aside)
        token = interpreter.set(self.within)  # for whom there is a straight path
        try:
            return op.call(*inputs, **op.named(params))
        finally:
            interpreter.reset(token)

    def perform(
        self, policy: Policy, function: Callable[..., Any], args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """A function of several operations on arguments as its policy wants them."""
        given = self.cast(policy, (*args, *kwargs.values()))
        named = dict(zip(kwargs, given[len(args) :], strict=True))
        with interpreting(self.within):
            return function(*given[: len(args)], **named)

    def cast(self, policy: Policy, given: tuple[Any, ...]) -> tuple[Any, ...]:
        """These in the type that the policy wants, those that autocast is about."""
        pairs = [(x, self.chosen(x)) for x in given]
        wide = any(dtype is not None and x.dtype is dtypes.float32 for x, dtype in pairs)
        if policy == "given" or (policy == "widest" and not wide):
            return given
        return tuple(
            [
                x if dtype is None else convert(x, dtype if policy == "narrow" else dtypes.float32)
                for x, dtype in pairs
            ]
        )

    def chosen(self, x: Any) -> DType | None:
        """Autocast's type for x; None if it is not about x: no tensor, no float, or a double."""
        if not isinstance(x, Tensor) or x.dtype not in dtypes.FLOATING or x.dtype is dtypes.float64:
            return None
        choice = innermost(self.choices, x.device)
        return choice.dtype if choice and choice.enabled else None


def innermost(choices: Iterable[Choice], device: Device) -> Choice | None:
    """The first of these that is about a device."""
    return next((choice for choice in choices if choice.holds(device)), None)


def present(device_type: str | None) -> Choice | None:
    """The choice that holds here for a type of device; None for the latest for any."""
    mode = interpreter.get()
    choices = mode.choices if isinstance(mode, Casting) else ()
    if device_type is None:
        return choices[0] if choices else None
    return innermost(choices, Device(REFERENCE if device_type == HOST else device_type))


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether operations on devices of this type are cast here; None: on any.

    Raises: BackendUnavailable if there are no such devices.
    """
    choice = present(device_type)
    return choice is not None and choice.enabled


def get_autocast_dtype(device_type: str | None = None) -> DType:
    """The type of the autocast that is around here, else bfloat16.

    Raises: BackendUnavailable if there are no such devices.
    """
    choice = present(device_type)
    return dtypes.bfloat16() if choice is None else choice.dtype


class autocast(ContextDecorator):
    """Inside, each operation computes in the type that suits it; this thread only.

    Also a decorator.

    Matrix products, linear layers, convolutions, attention and prelu compute in `dtype`; losses,
    prod, trace, cdist, pools of three dims and padding by reflect or replicate in float32; the
    others in the type that they are given.  Doubles are never cast.  Gradients arrive in the types
    of what they are gradients of.

    device_type: "cpu" for all devices of the host's memory, or a backend's name; left out, every
    device.  `autocast(rl.bfloat16)` is short for `autocast(dtype=rl.bfloat16)`.
    dtype: bfloat16 or float16; None for that of the autocast around this one, else bfloat16.
    Another one is warned of, and nothing is cast.
    enabled: False to cast nothing inside, where an autocast is around this one.
    cache_enabled: accepted as in PyTorch, and nothing: casts are not remembered.
    Raises: BackendUnavailable if there are no devices of this type; ContractError for no dtype.

    >>> import rushlight as rl
    >>> with rl.autocast("cpu", dtype=rl.bfloat16):
    ...     print((rl.ones(2, 3) @ rl.ones(3, 2)).dtype)
    bfloat16
    """

    def __init__(
        self,
        device_type: Any = None,
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if isinstance(device_type, Device):
            device_type = device_type.type
        elif device_type is not None and not isinstance(device_type, str):
            if dtype is not None:
                raise ContractError(
                    f"autocast: device_type {device_type!r}; give a name, such as {HOST!r}"
                )
            device_type, dtype = None, device_type
        chosen = get_autocast_dtype(device_type) if dtype is None else dtypes.as_dtype(dtype)
        if enabled and chosen not in (dtypes.float16, dtypes.bfloat16()):
            warnings.warn(
                f"autocast: {chosen} is not for autocast, so nothing is cast; give bfloat16 or "
                f"float16",
                stacklevel=2,
            )
            enabled = False
        self.choice = Choice(device_type, chosen, bool(enabled))
        self.before: list[Any] = []

    def _recreate_cm(self) -> Self:
        made = copy(self)  # a decorated function may run in many threads
        made.before = []
        return made

    def __enter__(self) -> Self:
        mode = interpreter.get()
        self.before.append(mode)
        if isinstance(mode, Casting):
            interpreter.set(Casting(mode.within, (self.choice, *mode.choices)))
        elif self.choice.enabled:
            interpreter.set(Casting(mode, (self.choice,)))
        return self

    def __exit__(self, *_: object) -> None:
        before, recording = self.before.pop(), interpreter.get().recording
        interpreter.set(before if before.recording is recording else before.quiet(recording))
