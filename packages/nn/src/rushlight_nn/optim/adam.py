"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

import rushlight as rl
from rushlight import ops

from .flat import Bucket, FlatOptimizer, Tensors
from .group import ParamGroup
from .option import refuse, refuse_unless

MOMENTS = ("exp_avg", "exp_avg_sq")


class Adam(FlatOptimizer):
    """p - lr * m' / (sqrt(v') + eps), m' and v' the moments of the gradient freed of their bias.

    m = beta1 * m + (1 - beta1) * g, m' = m / (1 - beta1**t);
    v = beta2 * v + (1 - beta2) * g**2, v' = v / (1 - beta2**t), t counting the steps of a
    parameter.

    lr: step length, about the change of each parameter in a step.
    betas: (beta1, beta2), the share of the moments that stays in a step.
    eps: added to the root, in units of the gradient.
    weight_decay: this times the parameter is added to its gradient.
    decoupled_weight_decay: instead the parameter shrinks by lr * weight_decay, as in AdamW.
    maximize: climb instead of descend.
    foreach, capturable, fused: taken for PyTorch's sake; a step is always one operation for a whole
        group and can always be compiled.

    Raises: ContractError for values out of range, and for amsgrad and differentiable, which are not
    there.
    Source: Kingma, Ba 2014, arXiv:1412.6980, algorithm 1.
    """

    counted = True

    def __init__(
        self,
        params: Iterable[rl.Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _check(self, options: Mapping[str, Any]) -> None:
        for name in ("lr", "eps", "weight_decay"):
            refuse_unless(self._name, name, options[name], low=0.0)
        betas = options["betas"]
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise rl.ContractError(f"{self._name}: betas is {betas!r}; give two numbers")
        for beta in betas:
            refuse_unless(self._name, "betas", beta, low=0.0, below=1.0)
        refuse(self._name, options, "amsgrad", "differentiable")

    def _names(self, group: ParamGroup) -> tuple[str, ...]:
        return MOMENTS

    def _update(self, group: ParamGroup, bucket: Bucket, grads: Tensors) -> Tensors:
        step = bucket.steps.value + 1
        beta1, beta2 = group["betas"]
        new = ops.adam(
            step,
            group["lr"],
            beta1,
            beta2,
            group["eps"],
            group["weight_decay"],
            *bucket.targets,
            *grads,
            decoupled=group["decoupled_weight_decay"],
            maximize=group["maximize"],
            donated=True,
        )
        bucket.steps.value = step
        return cast(Tensors, new)

    def _checked(self, held: Mapping[str, Any]) -> dict[str, Any]:
        missing = [name for name in ("step", *MOMENTS) if name not in held]
        if missing:
            raise rl.ContractError(
                f"{self._name}.load_state_dict: a parameter's state has no {missing[0]!r}; "
                "give the state of an Adam"
            )
        return {"step": int(held["step"]), **{name: held[name] for name in MOMENTS}}


class AdamW(Adam):
    """Adam whose weight decay shrinks the parameter itself, by lr * weight_decay.

    Options: as Adam's.
    Source: Loshchilov, Hutter 2017, arXiv:1711.05101, algorithm 2.
    """

    def __init__(
        self,
        params: Iterable[rl.Tensor] | Iterable[dict[str, Any]],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def _check(self, options: Mapping[str, Any]) -> None:
        super()._check(options)
        if not options["decoupled_weight_decay"]:
            raise rl.ContractError("AdamW: decoupled_weight_decay=False; use Adam")
