"""Losses that fewer programs need: of margins, and of a normal distribution."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import dtypes, ops
from ..errors import ContractError
from ..ops.creation import constant, naturals
from .chain import chain
from .elementwise import square
from .given import floating, operands, together
from .indexing import placed
from .loss import class_weight, of_triplets, pairwise_distance, reduce, seen
from .movement import unsqueeze
from .precision import autocasts
from .reduction import mean, sum

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "gaussian_nll_loss", "multi_margin_loss", "multilabel_margin_loss",
    "multilabel_soft_margin_loss", "soft_margin_loss", "triplet_margin_with_distance_loss",
]  # fmt: skip


@autocasts("wide")
@chain
def soft_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """log(1 + exp(-target input)), target 1 or -1, without overflow.  [*s], [*s] -> [] or [*s]."""
    operands("soft_margin_loss", input, target)
    return reduce("soft_margin_loss", ops.log1p_exp(-target * input), reduction)


def triplet_margin_with_distance_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None, margin: float = 1.0,
    swap: bool = False, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """triplet_margin_loss with another distance; None for pairwise_distance."""
    op, distance = "triplet_margin_with_distance_loss", distance_function or pairwise_distance
    return of_triplets(op, anchor, positive, negative, distance, margin, swap, reduction)


@autocasts("wide")
def multi_margin_loss(
    input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: Tensor | None = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """sum of max(0, margin - input[y] + input[i])^p over all classes i but the target y, over c.

    [n, c], int[n] or [c], int[] -> [] or [n].
    p: 1 or 2.  weight: of the target's class, [c].
    Raises: ContractError for another p or other dims, IndexOutOfRange for what is no class.
    """
    op = "multi_margin_loss"
    together(op, input, target, optional=(weight,))
    if p not in (1, 2):
        raise ContractError(f"{op}: p {p}; give 1 or 2")
    rows, _ = labelled(op, input, target, input.shape[:-1])
    class_weight(op, rows, weight, 1)
    n, c = rows.shape
    index = ops.reshape(target, (n, 1))
    over = ops.relu(rows - placed(op, ops.gather, 1, rows, index) + margin)
    over = over if p == 1 else square(over)
    if weight is not None:
        over = over * ops.reshape(ops.take(weight, index, axis=0), (n, 1))
    classes = naturals(c, input)
    losses = sum(ops.where(ops.equal(classes, index), 0.0, over), 1) / c
    return reduce(op, ops.reshape(losses, input.shape[:-1]), reduction)


@autocasts("wide")
def multilabel_margin_loss(input: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """sum of max(0, 1 - input[y] + input[i]) over target classes y and others i, over c.

    [n, c], int[n, c] or [c], int[c] -> [] or [n].
    target: classes, as many as stand before the first that is negative.
    Raises: ContractError for other shapes, IndexOutOfRange for what is no class.
    """
    op = "multilabel_margin_loss"
    together(op, input, target)
    x, y = labelled(op, input, target, input.shape)
    given = ops.cumprod(ops.cast(ops.greater_equal(y, 0), dtypes.int64), axis=1)
    chosen, y = ops.greater(given, 0), y * given
    among = ops.scatter_add(ops.cast(y * 0, dtypes.int64), y, given, axis=1)
    picked = placed(op, ops.gather, 1, x, y)
    over = ops.relu(1 - unsqueeze(picked, 2) + unsqueeze(x, 1))  # [n, y, i]
    counts = unsqueeze(chosen, 2) & ops.equal(unsqueeze(among, 1), 0)
    losses = sum(ops.where(counts, over, 0.0), (1, 2)) / x.shape[1]
    return reduce(op, ops.reshape(losses, input.shape[:-1]), reduction)


def labelled(
    op: str, input: Tensor, target: Tensor, wanted: tuple[int, ...]
) -> tuple[Tensor, Tensor]:
    """[n, c] of both, though there be one sample.  Raises: ContractError for other shapes."""
    floating(op, input)
    fits = input.ndim in (1, 2) and input.shape[-1] and target.shape == wanted
    if not fits or target.dtype not in dtypes.INTEGER:
        said = list(wanted) if input.ndim in (1, 2) else "[n] for an input of [n, c]"
        raise ContractError(f"{op}: input {input.spec}, target {target.spec}; give int{said}")
    return (unsqueeze(input, 0), unsqueeze(target, 0)) if input.ndim == 1 else (input, target)


def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """binary_cross_entropy_with_logits, its mean over the last dim.

    [*s, c], [*s, c] -> [] or [*s].
    weight: of each class.
    """
    op = "multilabel_soft_margin_loss"
    operands(op, input, target, *[w for w in (weight,) if w is not None])
    losses = ops.log1p_exp(input) - input * target
    losses = losses if weight is None else losses * weight
    return reduce(op, mean(losses, -1), reduction)


def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Tensor | float, full: bool = False, eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """(log(v) + (input - target)^2 / v) / 2, v = max(var, eps).  [*s], [*s], [*s] -> [] or [*s].

    var: of each element, or one along the last dim (which may be missing), or along one other.  Its
    gradient is as if v were var.
    full: adds log(2 pi) / 2.
    Raises: ContractError for other shapes, and for a var below 0 where it can be looked at without
    waiting: on the CPU, and not while tracing.
    Source: Nix, Weigend 1994, doi:10.1109/ICNN.1994.374138.
    """
    op = "gaussian_nll_loss"
    operands(op, input, target, eps)
    if isinstance(var, (int, float)):
        var = constant(var, input.shape, input)
    together(op, input, var)
    if var.shape == input.shape[:-1]:
        var = unsqueeze(var, -1)
    if var.shape != input.shape:
        other = [n for n, m in zip(var.shape, input.shape, strict=False) if n != m]
        if var.ndim != input.ndim or other != [1]:
            raise ContractError(f"{op}: var {var.spec} for {input.spec}; give both the same shape")
    values = seen(var)
    if values is not None and (values < 0).any():
        raise ContractError(f"{op}: var has values below 0; give variances")
    v = ops.where(ops.less(var, eps), var - var.detach() + eps, var)
    losses = (ops.log(v) + square(input - target) / v) * 0.5
    if full:
        losses = losses + 0.5 * math.log(2 * math.pi)
    return reduce(op, losses, reduction)
