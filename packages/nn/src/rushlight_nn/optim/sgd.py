"""SGD."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import rushlight as rl
from rushlight import ops

from .flat import Bucket, FlatOptimizer, Tensors
from .group import ParamGroup
from .option import refuse, refuse_unless


class SGD(FlatOptimizer):
    """p - lr * v, v = momentum * v + (1 - dampening) * g; without momentum p - lr * g.

    The first step of a parameter is v = g, not dampened.

    lr: step length.
    momentum: the share of v that stays in a step.
    dampening: the share of g that is left out of v.
    weight_decay: this times the parameter is added to its gradient.
    nesterov: the step is g + momentum * v instead of v.
    maximize: climb instead of descend.
    foreach, fused: taken for PyTorch's sake; a step is always one operation for a whole group.

    Raises: ContractError for values out of range, for nesterov without momentum or with dampening,
    and for differentiable, which is not there.
    Source: Sutskever, Martens, Dahl, Hinton 2013, On the importance of initialization and momentum
    in deep learning, section 2, v in units of the gradient.
    """

    def __init__(
        self,
        params: Iterable[rl.Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def _check(self, options: Mapping[str, Any]) -> None:
        for name in ("lr", "momentum", "dampening", "weight_decay"):
            refuse_unless(self._name, name, options[name], low=0.0)
        if options["nesterov"] and (options["momentum"] <= 0 or options["dampening"] != 0):
            raise rl.ContractError(
                f"SGD: nesterov with momentum {options['momentum']} and dampening "
                f"{options['dampening']}; give a momentum, and no dampening"
            )
        refuse(self._name, options, "differentiable")

    def _names(self, group: ParamGroup) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] != 0 else ()

    def _update(self, group: ParamGroup, bucket: Bucket, grads: Tensors) -> Tensors:
        lr, weight_decay, maximize = group["lr"], group["weight_decay"], group["maximize"]
        if not bucket.flat:
            tensors = *bucket.params, *grads
            plain = ops.sgd_plain(lr, weight_decay, *tensors, maximize=maximize, donated=True)
            return cast(Tensors, plain)
        dampening = group["dampening"]
        if dampening != 0 and bucket.steps.value == 0:
            dampening = 0.0
        new = ops.sgd(
            lr,
            group["momentum"],
            dampening,
            weight_decay,
            *bucket.targets,
            *grads,
            nesterov=group["nesterov"],
            maximize=maximize,
            donated=True,
        )
        bucket.steps.value = 1  # all that matters is whether there was one
        return cast(Tensors, new)

    def _checked(self, held: Mapping[str, Any]) -> dict[str, Any]:
        buffer = held.get("momentum_buffer")
        return {} if buffer is None else {"step": 1, "momentum_buffer": buffer}
