"""Schedules: learning rates as functions of the epoch, in PyTorch's chainable form.

Each step computes the new rate from the present one, so schedules of one optimizer multiply, and
what a program does to a rate itself stays in it.  Values agree with PyTorch's to the last bit.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import rushlight as rl

from .optimizer import Optimizer
from .option import refuse_unless, refuse_unless_whole

OWN = {"optimizer", "lr_lambdas"}  # attributes that no state dict holds as they are


class LRScheduler:
    """What every schedule shares; derive from it and state `get_lr`.

    last_epoch: -1 begins: the present learning rates become the base ones.  Another number goes on
        after that epoch, with an optimizer whose groups have "initial_lr", as its state dict has.

    Raises: TypeError for what is no optimizer, KeyError for a group without "initial_lr".
    """

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        self._of(optimizer)
        refuse_unless_whole(type(self).__name__, "last_epoch", last_epoch, -1)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", group["lr"])
            elif "initial_lr" not in group:
                raise KeyError(
                    f"{type(self).__name__}: param_groups[{i}] has no 'initial_lr' to go on from "
                    f"epoch {last_epoch}; load the optimizer's state first, or begin with "
                    "last_epoch=-1"
                )
        self.base_lrs: list[float] = self._read("initial_lr")
        self.last_epoch = last_epoch
        self._step_count = 0
        self._beginning = True
        self.step()
        self._beginning = False

    def _of(self, optimizer: Optimizer) -> None:
        if not isinstance(optimizer, Optimizer):
            raise TypeError(
                f"{type(self).__name__}: {type(optimizer).__name__} is not an Optimizer; "
                "give one of optim"
            )

    def _read(self, option: str) -> list[float]:
        return [group[option] for group in self.optimizer.param_groups]

    def get_lr(self) -> list[float]:
        """The learning rate of each group in epoch `last_epoch`, computed from the present ones."""
        raise NotImplementedError(f"{type(self).__name__} is missing get_lr(self)")

    def get_last_lr(self) -> list[float]:
        """The learning rates that the last step set."""
        return self._last_lr

    def step(self) -> None:
        """Begin the next epoch; call it after the optimizer's steps, outside of compiled functions.

        Raises: TracingError inside of a compiled function: an epoch would be counted once, not at
        each call.
        """
        if rl.compiler.is_compiling():
            raise rl.TracingError(
                f"{type(self).__name__}.step: called while tracing; call it outside of the "
                "compiled function, which reads the learning rate at each call"
            )
        self._step_count += 1
        self.last_epoch += 1
        for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
            group["lr"] = lr
        self._last_lr: list[float] = self._read("lr")

    def state_dict(self) -> dict[str, Any]:
        """All that this schedule knows but the optimizer."""
        return {key: value for key, value in self.__dict__.items() if key not in OWN}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take what another schedule of this class knew, PyTorch's included."""
        known = {key: value for key, value in state_dict.items() if key in self.state_dict()}
        if "last_epoch" not in known:
            raise rl.ContractError(
                f"{type(self).__name__}.load_state_dict: no 'last_epoch' in the state; "
                "give what state_dict() returned"
            )
        self.__dict__.update(known)


class LambdaLR(LRScheduler):
    """base_lr * lr_lambda(epoch).

    lr_lambda: one function of the epoch, or one for each group.  A state dict holds the attributes
        of those that are objects, and nothing of functions.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        lr_lambda: Callable[[int], float] | Sequence[Callable[[int], float]],
        last_epoch: int = -1,
    ) -> None:
        self._of(optimizer)
        count = len(optimizer.param_groups)
        lambdas = list(lr_lambda) if isinstance(lr_lambda, Sequence) else [lr_lambda] * count
        if len(lambdas) != count:
            raise rl.ContractError(
                f"LambdaLR: {len(lambdas)} functions for {count} groups; give one, or one for each"
            )
        for factor in lambdas:
            if not callable(factor):
                raise rl.ContractError(
                    f"LambdaLR: lr_lambda is {factor!r}; give a function of the epoch"
                )
        self.lr_lambdas = lambdas
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        return [
            base * factor(self.last_epoch)
            for factor, base in zip(self.lr_lambdas, self.base_lrs, strict=True)
        ]

    def state_dict(self) -> dict[str, Any]:
        objects = [getattr(f, "__dict__", None) or None for f in self.lr_lambdas]
        return {**super().state_dict(), "lr_lambdas": [o and dict(o) for o in objects]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        rest = {key: value for key, value in state_dict.items() if key != "lr_lambdas"}
        super().load_state_dict(rest)
        for factor, held in zip(self.lr_lambdas, state_dict.get("lr_lambdas", ()), strict=False):
            if held is not None:
                factor.__dict__.update(held)


class StepLR(LRScheduler):
    """The rate times gamma every step_size epochs."""

    def __init__(
        self, optimizer: Optimizer, step_size: int, gamma: float = 0.1, last_epoch: int = -1
    ) -> None:
        refuse_unless_whole("StepLR", "step_size", step_size, 1)
        refuse_unless("StepLR", "gamma", gamma, low=0.0)
        self.step_size = step_size
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0 or self.last_epoch % self.step_size:
            return self._read("lr")
        return [lr * self.gamma for lr in self._read("lr")]


class MultiStepLR(LRScheduler):
    """The rate times gamma at each of these epochs; an epoch given twice counts twice."""

    def __init__(
        self,
        optimizer: Optimizer,
        milestones: Iterable[int],
        gamma: float = 0.1,
        last_epoch: int = -1,
    ) -> None:
        if not isinstance(milestones, Iterable):
            raise rl.ContractError(
                f"MultiStepLR: milestones is {milestones!r}; give a list of epochs"
            )
        self.milestones: Mapping[int, int] = Counter(milestones)
        for epoch in self.milestones:
            refuse_unless_whole("MultiStepLR", "one of milestones", epoch, 0)
        refuse_unless("MultiStepLR", "gamma", gamma, low=0.0)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch not in self.milestones:
            return self._read("lr")
        return [lr * self.gamma ** self.milestones[self.last_epoch] for lr in self._read("lr")]


class ExponentialLR(LRScheduler):
    """The rate times gamma every epoch."""

    def __init__(self, optimizer: Optimizer, gamma: float, last_epoch: int = -1) -> None:
        refuse_unless("ExponentialLR", "gamma", gamma, low=0.0)
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self._beginning:
            return self._read("lr")
        return [lr * self.gamma for lr in self._read("lr")]


class LinearLR(LRScheduler):
    """base_lr times a factor that goes in a straight line from start_factor to end_factor.

    total_iters: epochs until it is there; then it stays.
    Raises: ContractError for a start_factor outside of (0, 1] or an end_factor outside of [0, 1].
    """

    def __init__(
        self,
        optimizer: Optimizer,
        start_factor: float = 1.0 / 3,
        end_factor: float = 1.0,
        total_iters: int = 5,
        last_epoch: int = -1,
    ) -> None:
        refuse_unless("LinearLR", "start_factor", start_factor, low=0.0)
        refuse_unless("LinearLR", "end_factor", end_factor, low=0.0)
        if not 0.0 < start_factor <= 1.0 or not 0.0 <= end_factor <= 1.0:
            raise rl.ContractError(
                f"LinearLR: factors from {start_factor} to {end_factor}; "
                "begin greater than 0, and stay between 0 and 1"
            )
        refuse_unless_whole("LinearLR", "total_iters", total_iters, 1)
        self.start_factor = start_factor
        self.end_factor = end_factor
        self.total_iters = total_iters
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        if self.last_epoch == 0:
            return [lr * self.start_factor for lr in self._read("lr")]
        if self._beginning or self.last_epoch > self.total_iters:
            return self._read("lr")
        rise = self.end_factor - self.start_factor
        before = self.total_iters * self.start_factor + (self.last_epoch - 1) * rise
        return [lr * (1.0 + rise / before) for lr in self._read("lr")]


class CosineAnnealingLR(LRScheduler):
    """eta_min + (base_lr - eta_min) * (1 + cos(pi * epoch / T_max)) / 2, step by step.

    T_max: epochs from the base rate down to eta_min; then it rises again for as many.
    Source: Loshchilov, Hutter 2016, arXiv:1608.03983, eq. 5.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        T_max: int,  # noqa: N803 PyTorch's name
        eta_min: float = 0.0,
        last_epoch: int = -1,
    ) -> None:
        refuse_unless_whole("CosineAnnealingLR", "T_max", T_max, 1)
        refuse_unless("CosineAnnealingLR", "eta_min", eta_min, low=0.0)
        self.T_max = T_max
        self.eta_min = eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self) -> list[float]:
        low, present = self.eta_min, self._read("lr")
        if self._beginning:
            return present
        if (self.last_epoch - 1 - self.T_max) % (2 * self.T_max) == 0:  # at the bottom: up again
            rise = 1 - math.cos(math.pi / self.T_max)
            return [
                lr + (base - low) * rise / 2
                for lr, base in zip(present, self.base_lrs, strict=True)
            ]
        now = 1 + math.cos(math.pi * self.last_epoch / self.T_max)
        before = 1 + math.cos(math.pi * (self.last_epoch - 1) / self.T_max)
        return [now / before * (lr - low) + low for lr in present]
