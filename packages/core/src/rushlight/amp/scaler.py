"""The scaling of losses, so that gradients do not vanish in float16.  Knows no optimizer."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Any

from .. import dtypes
from ..compiler import is_compiling, paused
from ..creation import tensor
from ..device import Device
from ..eager import no_grad
from ..errors import ContractError, TracingError
from ..function import all, isfinite, stack
from ..tensor import Tensor, become


class OutOfTurn(ContractError, AssertionError):
    """A method of a scaler was called before what it needs, or twice."""


@dataclass
class Seen:
    """What is known of one optimizer since the last update.

    finite: for each device, whether all gradients there are, as bool[].
    """

    finite: tuple[Tensor, ...] = ()
    unscaled: bool = False
    stepped: bool = False

    def overflowed(self) -> bool:
        """Whether a gradient is infinite or nan; waits for the devices."""
        return not min([flag.item() for flag in self.finite])


class GradScaler:
    """Multiplies losses by a scale, and skips the steps in which gradients overflowed.

    After such a step the scale is multiplied by backoff_factor; after growth_interval others in a
    row by growth_factor.

    init_scale: the first one.
    device: accepted as in PyTorch; a scale is kept wherever there is something to scale.
    enabled: False for a scaler that does nothing.

    scale() may be part of a compiled function.  Whether a step is made depends on values, so
    unscale_(), step() and update() are called outside of it.

    Raises: ContractError for a growth_factor up to 1, or a backoff_factor from 1.
    Source: Micikevicius et al. 2018, arXiv:1710.03740, section 3.2.

    >>> import rushlight as rl
    >>> scaler = rl.amp.GradScaler(init_scale=8.0)
    >>> scaler.scale(rl.tensor(0.5)).item()
    4.0
    """

    def __init__(
        self,
        device: str = "cpu",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if enabled and not growth_factor > 1.0:
            raise OutOfTurn(f"GradScaler: growth_factor {growth_factor}; give a number above 1")
        if enabled and not backoff_factor < 1.0:
            raise OutOfTurn(f"GradScaler: backoff_factor {backoff_factor}; give a number below 1")
        self._device, self._enabled = device, enabled
        self._scale = float(init_scale)
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        self._growth_tracker = 0  # steps in a row in which nothing overflowed
        self._scales: dict[Device, Tensor] = {}
        self._seen: dict[int, Seen] = {}  # by the optimizer's id

    def scale(self, outputs: Any) -> Any:
        """A tensor times the scale, or a list, tuple or other iterable of tensors.

        Raises: ContractError for anything else.
        """
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale_on(outputs.device)
        if isinstance(outputs, (list, tuple)):
            return type(outputs)([self.scale(x) for x in outputs])
        if isinstance(outputs, Iterable):
            return map(self.scale, outputs)
        raise ContractError(
            f"GradScaler.scale: {type(outputs).__name__}; give a tensor or an iterable of tensors"
        )

    def _scale_on(self, device: Device) -> Tensor:
        """The scale as float32[]: a tensor that a compiled function meets again at each call."""
        if device not in self._scales:
            with paused():
                scale = tensor(self._scale, dtype=dtypes.float32, device=device)
            self._scales[device] = scale
        return self._scales[device]

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of an optimizer's parameters by the scale, before they are clipped.

        Left out, step() does it.
        Raises: ContractError if that was done since the last update(), or for float16 gradients.
        """
        if not self._enabled:
            return
        seen = self._of("unscale_", optimizer)
        if seen.stepped:
            raise OutOfTurn("GradScaler.unscale_: after step(); call it before")
        if seen.unscaled:
            raise OutOfTurn(
                "GradScaler.unscale_: a second time for this optimizer since the last update(); "
                "call it once a step"
            )
        params = [p for group in optimizer.param_groups for p in group["params"]]
        grads = [p.grad for p in params if p.grad is not None]
        for g in grads:
            if g.dtype is dtypes.float16:
                raise ContractError(
                    f"GradScaler.unscale_: a gradient {g.spec}; keep parameters in float32, and "
                    f"let autocast choose float16"
                )
        finite: dict[Device, list[Tensor]] = {}
        inverse = 1.0 / self._scale if self._scale else inf  # 0: so often did gradients overflow
        with no_grad():
            become(grads, [g * inverse for g in grads])
            for g in grads:
                finite.setdefault(g.device, []).append(all(isfinite(g)))
            seen.finite = tuple([all(stack(flags)) for flags in finite.values()])
        seen.unscaled = True

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """optimizer.step(), unless a gradient is infinite or nan.

        Returns: what that returned, or None.
        Raises: ContractError a second time since the last update(), without gradients, and for a
        closure.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if args or "closure" in kwargs:
            raise ContractError(
                "GradScaler.step: a closure, which would be scaled by nothing; compute the loss "
                "before the step"
            )
        seen = self._of("step", optimizer)
        if seen.stepped:
            raise OutOfTurn(
                "GradScaler.step: a second time for this optimizer since the last update(); call "
                "update() after the steps"
            )
        if not seen.unscaled:
            self.unscale_(optimizer)
        if not seen.finite:
            raise OutOfTurn("GradScaler.step: no parameter has a gradient; call backward() before")
        result = None if seen.overflowed() else optimizer.step(**kwargs)
        seen.stepped = True
        return result

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Change the scale by what the steps found, or to new_scale; steps may be made again.

        Raises: ContractError if there was neither step() nor unscale_() since the last one.
        """
        if not self._enabled:
            return
        self._refuse_tracing("update")
        if new_scale is not None:
            self._assign(float(new_scale))
        else:
            self._adapt([seen.overflowed() for seen in self._seen.values() if seen.finite])
        self._seen.clear()

    def _adapt(self, overflowed: list[bool]) -> None:
        """The next scale, given what was found."""
        if not overflowed:
            raise OutOfTurn("GradScaler.update: no gradients were looked at; call step() before")
        if max(overflowed):
            self._assign(self._scale * self._backoff_factor)
            self._growth_tracker = 0
            return
        self._growth_tracker += 1
        if self._growth_tracker == self._growth_interval:
            grown = self._scale * self._growth_factor
            if grown <= float(dtypes.finfo(dtypes.float32).max):
                self._assign(grown)
            self._growth_tracker = 0

    def _assign(self, scale: float) -> None:
        self._scale = scale
        with no_grad():
            for x in self._scales.values():
                x.fill_(scale)

    def _of(self, method: str, optimizer: Any) -> Seen:
        """What is known of an optimizer.  Raises: TracingError."""
        self._refuse_tracing(method)
        return self._seen.setdefault(id(optimizer), Seen())

    def _refuse_tracing(self, method: str) -> None:
        if is_compiling():
            raise TracingError(
                f"GradScaler.{method}: whether a step is made depends on values, which a compiled "
                f"function has not yet; call it outside, after the function with backward()"
            )

    def get_scale(self) -> float:
        """The scale; 1 if disabled."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """By what the scale grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Let the scale grow by this."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """By what the scale is multiplied after an overflow."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Let the scale be multiplied by this after an overflow."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many steps without overflow the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Let the scale grow after so many steps without overflow."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """Scale, factors and progress, in PyTorch's layout; empty if disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state dict, also from PyTorch's.

        Raises: ContractError for an empty one.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise ContractError(
                "GradScaler.load_state_dict: an empty state, perhaps of a disabled scaler; give "
                "that of an enabled one"
            )
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]
        self._assign(float(state_dict["scale"]))

    def __getstate__(self) -> dict[str, Any]:
        if self._seen:
            raise OutOfTurn("GradScaler: copied within a step; do so after update()")
        return {**vars(self), "_scales": {}}
