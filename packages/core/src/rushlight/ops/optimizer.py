"""Optimizer steps, each for a whole group of parameters at once.

The group is given as parameters, then their gradients.  State lies flat: one 1-d tensor for all of
the group, in order.  Numbers that may change between steps are inputs.  Results are new tensors.
"""

from __future__ import annotations

from typing import Any

from ..op import composite
from ..spec import size
from .elementwise import sqrt
from .movement import concat, reshape, slice

__all__ = ["adam", "sgd", "sgd_plain"]


def flat(tensors: tuple[Any, ...]) -> Any:
    """All elements one after another.  [*s_i], .. -> [n]."""
    return concat(*[reshape(x, (size(x.shape),)) for x in tensors], axis=0)


def like(whole: Any, tensors: tuple[Any, ...]) -> list[Any]:
    """The parts of a flat tensor in the shapes of these.  [n] -> [*s_i], .."""
    parts, start = [], 0
    for x in tensors:
        n = size(x.shape)
        parts.append(reshape(slice(whole, ((start, n, 1),)), x.shape))
        start += n
    return parts


def gradient(group: tuple[Any, ...], weight_decay: Any, maximize: bool) -> tuple[Any, Any]:
    """p and g + weight_decay p, flat; to maximize with -g in place of g."""
    half = len(group) // 2
    p, g = flat(group[:half]), flat(group[half:])
    return p, (-g if maximize else g) + p * weight_decay


@composite(constant=True, numbers=("lr", "weight_decay"))
def sgd_plain(lr: Any, weight_decay: Any, *group: Any, maximize: bool) -> tuple[Any, ...]:
    """p - lr (g + weight_decay p).  [*s_i], .., [*s_i], .. -> [*s_i], .."""
    p, g = gradient(group, weight_decay, maximize)
    return tuple(like(p - g * lr, group[: len(group) // 2]))


@composite(constant=True, numbers=("lr", "momentum", "dampening", "weight_decay"))
def sgd(
    lr: Any, momentum: Any, dampening: Any, weight_decay: Any, velocity: Any, *group: Any,
    nesterov: bool, maximize: bool,
) -> tuple[Any, ...]:  # fmt: skip
    """p - lr v, v = momentum v + (1 - dampening) g.  [n], [*s_i], .., [*s_i], .. -> [n], [*s_i], ..

    nesterov: the step is g + momentum v.  g includes weight_decay p.
    Source: Sutskever, Martens, Dahl, Hinton 2013, "On the importance of initialization and
    momentum", section 2.
    """
    p, g = gradient(group, weight_decay, maximize)
    velocity = velocity * momentum + g * (1 - dampening)
    step = g + velocity * momentum if nesterov else velocity
    return velocity, *like(p - step * lr, group[: len(group) // 2])


@composite(constant=True, numbers=("step", "lr", "beta1", "beta2", "eps", "weight_decay"))
def adam(
    step: Any, lr: Any, beta1: Any, beta2: Any, eps: Any, weight_decay: Any, m: Any, v: Any,
    *group: Any, decoupled: bool, maximize: bool,
) -> tuple[Any, ...]:  # fmt: skip
    """p - lr m' / (sqrt(v') + eps), m' and v' the moments of g without bias.

    [n], [n], [*s_i], .., [*s_i], .. -> [n], [n], [*s_i], ..
    step: counts this step, from 1.
    decoupled: weight decay shrinks p by lr weight_decay instead of joining g.
    Source: Kingma, Ba 2015, arXiv:1412.6980, algorithm 1; decoupled: Loshchilov, Hutter 2019,
    arXiv:1711.05101, algorithm 2.
    """
    p, g = gradient(group, 0.0 if decoupled else weight_decay, maximize)
    if decoupled:
        p = p * (1 - lr * weight_decay)
    m = m * beta1 + g * (1 - beta1)
    v = v * beta2 + g * g * (1 - beta2)
    root = (1 - beta2**step) ** 0.5
    # root stands outside of the fraction: a division less for each element
    change = m / (sqrt(v) + eps * root) * (lr * root / (1 - beta1**step))
    return m, v, *like(p - change, group[: len(group) // 2])
