"""Losses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import dtypes, ops
from ..errors import ContractError, WrongDtype, WrongType
from ..spec import broadcast, size
from .chain import chain
from .elementwise import clamp, square
from .given import Dim, floating, operands, rank, together, whole
from .indexing import numel, placed
from .layer import log_softmax
from .movement import squeeze, unsqueeze
from .precision import autocasts
from .reduction import mean, norm, sum

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "binary_cross_entropy", "binary_cross_entropy_with_logits", "cosine_embedding_loss",
    "cosine_similarity", "cross_entropy", "hinge_embedding_loss", "huber_loss", "kl_div", "l1_loss",
    "margin_ranking_loss", "mse_loss", "nll_loss", "normalize", "pairwise_distance",
    "poisson_nll_loss", "smooth_l1_loss", "triplet_margin_loss",
]  # fmt: skip


def reduce(op: str, losses: Tensor, reduction: str) -> Tensor:
    """losses as they are ("none"), their "mean" or their "sum"."""
    if reduction == "none":
        return losses
    if reduction == "mean":
        floating(op, losses)
        return mean(losses)
    if reduction == "sum":
        return sum(losses)
    raise ContractError(f"{op}: reduction={reduction!r}; choose 'none', 'mean' or 'sum'")


def alike(op: str, input: Tensor, target: Tensor) -> None:
    """Raises: ContractError unless both have one shape: a broadcast loss is a mistake."""
    try:
        same = input._data.shape == target._data.shape
    except AttributeError:
        together(op, input, target)
        raise
    if not same:
        raise ContractError(
            f"{op}: input {input.spec} and target {target.spec}; give both the same shape"
        )


def mse_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None
) -> Tensor:
    """(input - target)^2.  [*s], [*s] -> [] or [*s].

    weight: factors of the losses, by whose sum a mean is divided.
    """
    alike("mse_loss", input, target)
    dtype, shape = input._data.dtype, input._data.shape
    plain = dtype is target._data.dtype and dtype in dtypes.FLOATING and 0 not in shape
    if reduction == "mean" and plain and weight is None:
        return ops.mse(input, target)
    return squared_error(input, target, reduction, weight)


@autocasts("wide")
@chain
def squared_error(input: Tensor, target: Tensor, reduction: str, weight: Tensor | None) -> Tensor:
    """mse_loss where it is not one operation."""
    return weighed("mse_loss", square(input - target), reduction, weight)


def weighed(op: str, losses: Tensor, reduction: str, weight: Tensor | None) -> Tensor:
    """Losses times weight, reduced; a mean is divided by the sum of weight."""
    if weight is None:
        return reduce(op, losses, reduction)
    alike(op, losses, weight)
    return divided(op, losses * weight, weight, reduction)


def divided(op: str, losses: Tensor, weights: Tensor, reduction: str) -> Tensor:
    """Losses, times weights already, reduced; a mean is divided by the sum of weights."""
    return sum(losses) / sum(weights) if reduction == "mean" else reduce(op, losses, reduction)


@autocasts("wide")
@chain
def l1_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None
) -> Tensor:
    """|input - target|.  [*s], [*s] -> [] or [*s].

    weight: factors of the losses, by whose sum a mean is divided.
    """
    alike("l1_loss", input, target)
    return weighed("l1_loss", ops.abs(input - target), reduction, weight)


@autocasts("wide")
@chain
def smooth_l1_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0
) -> Tensor:
    """d^2 / (2 beta) where d = |input - target| < beta, else d - beta / 2.

    [*s], [*s] -> [] or [*s].
    Raises: ContractError for a beta below 0; with 0 it is l1_loss.
    Source: Girshick 2015, arXiv:1504.08083, eq. 3.
    """
    op = "smooth_l1_loss"
    alike(op, input, target)
    operands(op, beta)
    if beta < 0:
        raise ContractError(f"{op}: beta {beta}; give a number from 0")
    if beta == 0:
        return reduce(op, ops.abs(input - target), reduction)
    return reduce(op, bent(op, input, target, beta) / beta, reduction)


@autocasts("wide")
@chain
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """d^2 / 2 where d = |input - target| < delta, else delta (d - delta / 2).

    [*s], [*s] -> [] or [*s].
    weight: factors of the losses.
    Raises: ContractError for a delta that is not above 0.
    Source: Huber 1964, doi:10.1214/aoms/1177703732.
    """
    op = "huber_loss"
    alike(op, input, target)
    operands(op, delta)
    if delta <= 0:
        raise ContractError(f"{op}: delta {delta}; give a number above 0")
    losses = bent(op, input, target, delta)
    if weight is not None:
        alike(op, input, weight)
        losses = losses * weight
    return reduce(op, losses, reduction)


def bent(op: str, input: Tensor, target: Tensor, bend: float) -> Tensor:
    """huber_loss of each element.  [*s], [*s] -> [*s]."""
    away = input - target
    floating(op, away)
    d = ops.abs(away)
    far = ops.greater_equal(d, bend)
    inner = ops.where(far, 0.0, away)  # so that what is infinite meets no factor 0 in backward
    return ops.where(far, (d - 0.5 * bend) * bend, inner * inner * 0.5)


@autocasts("wide")
@chain
def kl_div(
    input: Tensor, target: Tensor, reduction: str = "mean", log_target: bool = False
) -> Tensor:
    """target (log(target) - input), the divergence of input from target; 0 where target is 0.

    [*s], [*s] -> [] or [*s].
    input: log-probabilities.  log_target: whether target are logarithms too.
    reduction: also "batchmean", the sum divided by the first length, which is the mean divergence.
    Raises: ContractError for bools and integers.
    """
    op = "kl_div"
    together(op, input, target)
    floating(op, input)
    floating(op, target)
    broadcast(op, input.shape, target.shape)
    if log_target:
        losses = ops.exp(target) * (target - input)
    else:
        positive = ops.where(ops.equal(target, 0), 1, target)
        losses = target * ops.log(positive) - target * input
    if reduction == "batchmean":
        return sum(losses) / float(input.shape[0] if input.ndim else 1)
    return reduce(op, losses, reduction)


@chain
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """sum(x1 x2) / (max(|x1|, eps) max(|x2|, eps)) along dim.  [.., n, ..], [.., n, ..] -> [..]."""
    op = "cosine_similarity"
    operands(op, x1, x2, eps)
    floating(op, x1)
    floating(op, x2)
    shape = broadcast(op, x1.shape, x2.shape)
    x1, x2 = (ops.expand(x, shape) if x.shape != shape else x for x in (x1, x2))
    x1, x2 = (x / ops.maximum(norm(x, 2.0, dim, True), eps) for x in (x1, x2))
    return sum(x1 * x2, dim)


@chain
def normalize(input: Tensor, p: float = 2.0, dim: Dim = 1, eps: float = 1e-12) -> Tensor:
    """input / max(|input|_p, eps), the norm over dim.  [.., n, ..] -> [.., n, ..]."""
    floating("normalize", input)
    return input / ops.maximum(norm(input, p, dim, True), eps)


@autocasts("wide")
def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """-(target log(input) + (1 - target) log(1 - input)), logarithms at least -100.

    [*s], [*s] -> [] or [*s].
    input: probabilities from 0 to 1.  weight: factors of the losses.
    Raises: ContractError unless both have one floating type, and for other numbers, where they can
    be looked at without waiting: on the CPU, and not while tracing.  Elsewhere the loss is nan.
    """
    op = "binary_cross_entropy"
    alike(op, input, target)
    dtype = input._data.dtype
    if dtype is not target._data.dtype or dtype not in dtypes.FLOATING:
        floating(op, input)
        raise WrongDtype(
            f"{op}: input {input.spec} and target {target.spec}; give both the same dtype"
        )
    losses = ops.binary_cross_entropy(input, target)
    if weight is not None:
        weigh(op, input, weight)
        losses = losses * weight
    z = reduce(op, losses, reduction)
    # the logarithm of what is no probability is nan, and so is all that is made of it
    made = seen(z)
    if made is not None and (made != made).any():  # noqa: PLR0124  nan alone differs from itself
        values = seen(input)
        least, most = values.min(), values.max()
        if not (least >= 0 and most <= 1):
            raise ContractError(
                f"{op}: input from {least} to {most}; give probabilities from 0 to 1, as sigmoid "
                f"makes them, or use binary_cross_entropy_with_logits"
            )
    return z


def seen(x: Tensor) -> Any:
    """The array of x where it can be looked at without waiting: on the CPU, and not traced."""
    return x._data if x.device.host and isinstance(x._data, x.device.array) else None


def weigh(op: str, input: Tensor, *weights: Any) -> None:
    """Raises: ContractError unless these are tensors that stretch to the input."""
    together(op, input, *weights)
    for w in weights:
        if broadcast(op, input.shape, w.shape) != input.shape:
            raise ContractError(f"{op}: weight {w.spec} for {input.spec}; give it the same shape")


@autocasts("wide")
@chain
def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """binary_cross_entropy of sigmoid(input), without overflow.  [*s], [*s] -> [] or [*s].

    pos_weight: factors of the term of target 1.
    Raises: ContractError for bools and integers.
    """
    op = "binary_cross_entropy_with_logits"
    alike(op, input, target)
    floating(op, input)
    floating(op, target)
    given = [w for w in (weight, pos_weight) if w is not None]
    if given:
        weigh(op, input, *given)
    if pos_weight is None:
        losses = ops.log1p_exp(input) - input * target
    else:
        scale = 1.0 + (pos_weight - 1.0) * target
        losses = (1.0 - target) * input + scale * ops.log1p_exp(-input)
    losses = losses if weight is None else losses * weight
    return reduce(op, losses, reduction)


@autocasts("wide")
@chain
def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """-weight[target] input[target]; the mean divides by the sum of weights.

    [n, c, *s], int[n, *s] -> [] or [n, *s].
    input: log-probabilities, [n, c, *s] or [c].  Rows whose target is ignore_index count nothing.
    Raises: IndexOutOfRange for a target that is no class.
    """
    together("nll_loss", input, target, optional=(weight,))
    if type(ignore_index) is not int:
        ignore_index = as_class("nll_loss", ignore_index)
    return of_classes("nll_loss", input, target, weight, ignore_index, reduction)


def of_classes(
    op: str, input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int,
    reduction: str, smoothing: float = 0.0,
) -> Tensor:  # fmt: skip
    """nll_loss, called by this name; smoothing: the share that is spread over all classes."""
    if input.ndim == 1:
        x, y = unsqueeze(input, 0), ops.reshape(target, (1,)) if numel(target) == 1 else target
        z = of_classes(op, x, y, weight, ignore_index, reduction, smoothing)
        return squeeze(z, 0) if reduction == "none" else z
    fits = input.ndim > 1 and target.shape == (input.shape[0], *input.shape[2:])
    if not fits or target.dtype not in dtypes.INTEGER:
        raise ContractError(
            f"{op}: input {input.spec} with target {target.spec}; give [n, c, *s] and int [n, *s]"
        )
    floating(op, input)
    class_weight(op, input, weight, 1)
    valid = ops.not_equal(target, ignore_index)
    safe = ops.where(valid, target, 0)
    picked = squeeze(placed(op, ops.gather, 1, input, unsqueeze(safe, 1)), 1)
    factors = ops.cast(valid, input.dtype)
    if weight is not None:
        factors = factors * ops.take(weight, safe, axis=0)
    losses = -picked * factors
    if smoothing:
        spread = -sum(weighted(input, weight, 1), 1) / input.shape[1]
        losses = losses * (1.0 - smoothing) + spread * smoothing
    return divided(op, ops.where(valid, losses, 0.0), factors, reduction)


def as_class(op: str, ignore_index: Any) -> int:
    """ignore_index as an int.  Raises: WrongType for what stood here long ago: size_average."""
    if ignore_index is None or isinstance(ignore_index, bool):
        raise WrongType(
            f"{op}: ignore_index {ignore_index}; give an integer, and what was size_average as "
            f"reduction='mean' or 'sum'"
        )
    return whole(op, "ignore_index", ignore_index, -(2**63))


def class_weight(op: str, input: Tensor, weight: Tensor | None, axis: int) -> None:
    """Raises: ContractError unless there is one weight per class."""
    if weight is not None and weight.shape != input.shape[axis : axis + 1]:
        raise ContractError(
            f"{op}: weight {weight.spec} for input {input.spec}; give one weight per class"
        )


def cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, ignore_index: int = -100,
    reduction: str = "mean", label_smoothing: float = 0.0,
) -> Tensor:  # fmt: skip
    """-log_softmax(input)[target], or of a target of probabilities.

    [n, c, *s], int[n, *s] or float[n, c, *s] -> [] or [n, *s].
    weight: of classes; the mean divides by the sum of weights.
    ignore_index: a target that counts nothing.
    label_smoothing: the share of the target that is spread over all classes.
    Raises: IndexOutOfRange for a target that is no class, ContractError if shapes do not fit.
    """
    op = "cross_entropy"
    if type(ignore_index) is not int:
        ignore_index = as_class(op, ignore_index)
    plain = weight is None and label_smoothing == 0 and reduction == "mean"
    if rank(op, input) != 2 or rank(op, target) != 1 or not plain:
        together(op, input, target, optional=(weight,))
    elif target.dtype in dtypes.INTEGER and input.dtype in dtypes.FLOATING:
        return ops.cross_entropy(input, target, ignore=ignore_index)
    floating(op, input)
    return of_shares(input, target, weight, ignore_index, reduction, label_smoothing)


@autocasts("wide")
@chain
def of_shares(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str,
    label_smoothing: float,
) -> Tensor:  # fmt: skip
    """cross_entropy where it is not one operation."""
    op = "cross_entropy"
    axis = 0 if input.ndim == 1 else 1
    if input.ndim == 0 or input.shape[axis] == 0:
        raise ContractError(f"{op}: input {input.spec} has no classes; give [n, c, *s]")
    class_weight(op, input, weight, axis)
    operands(op, label_smoothing)
    if not 0 <= label_smoothing <= 1:
        raise ContractError(f"{op}: label_smoothing {label_smoothing}; give a share from 0 to 1")
    logs = log_softmax(input, axis)
    if target.dtype in dtypes.FLOATING:
        if target.shape != input.shape:
            raise ContractError(
                f"{op}: input {input.spec} with target {target.spec}; give probabilities "
                f"in the shape of the input, or classes, int [n, *s]"
            )
        shares = target * (1.0 - label_smoothing) + label_smoothing / input.shape[axis]
        losses = -sum(weighted(logs, weight, axis) * shares, axis)
        if reduction == "mean":
            return sum(losses) / float(size(losses.shape))
        return reduce(op, losses, reduction)
    return of_classes(op, logs, target, weight, ignore_index, reduction, label_smoothing)


def weighted(x: Tensor, weight: Tensor | None, axis: int) -> Tensor:
    """x times a weight per class, along an axis."""
    if weight is None:
        return x
    return x * ops.reshape(weight, tuple(n if i == axis else 1 for i, n in enumerate(x.shape)))


@autocasts("wide")
@chain
def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """max(0, margin - target (input1 - input2)), target 1 if input1 is to be larger, else -1.

    [*s], [*s], [*s] -> [] or [*s].
    Raises: ContractError for different numbers of dims.
    """
    op = "margin_ranking_loss"
    operands(op, input1, input2, target)
    if not input1.ndim == input2.ndim == target.ndim:
        raise ContractError(
            f"{op}: {input1.spec}, {input2.spec}, target {target.spec}; give all as many dims"
        )
    return reduce(op, clamp(margin - target * (input1 - input2), min=0), reduction)


@autocasts("wide")
@chain
def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, reduction: str = "mean"
) -> Tensor:
    """input where target is 1, max(0, margin - input) where it is -1.  [*s], [*s] -> [] or [*s]."""
    operands("hinge_embedding_loss", input, target)
    far = ops.where(ops.not_equal(target, 1), clamp(margin - input, min=0), 0)
    near = ops.where(ops.not_equal(target, -1), input, 0)
    return reduce("hinge_embedding_loss", far + near, reduction)


@autocasts("wide")
@chain
def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: str = "mean"
) -> Tensor:
    """1 - cos where target is 1, max(0, cos - margin) where it is -1.

    cos = sum(x y) / sqrt((sum(x^2) + 1e-12) (sum(y^2) + 1e-12)), of the rows x and y of the inputs.
    [n, d], [n, d], [n] or [d], [d], [] -> [] or [n].
    Raises: ContractError for other dims.
    """
    op = "cosine_embedding_loss"
    operands(op, input1, input2)
    together(op, input1, target)
    if target.ndim > 1 or not input1.ndim == input2.ndim == target.ndim + 1:
        raise ContractError(
            f"{op}: {input1.spec}, {input2.spec}, target {target.spec}; give [n, d], [n, d], [n]"
        )
    x, y = (sum(square(v), -1) + 1e-12 for v in (input1, input2))
    cos = sum(input1 * input2, -1) / ops.sqrt(x * y)
    losses = ops.where(ops.equal(target, 1), 1 - cos, 0.0)
    losses = losses + ops.where(ops.equal(target, -1), clamp(cos - margin, min=0), 0.0)
    return reduce(op, losses, reduction)


@chain
def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """|x1 - x2 + eps|_p over the last dim.  [*s, n], [*s, n] -> [*s] or [*s, 1]."""
    operands("pairwise_distance", x1, x2, p, eps)
    return norm(x1 - x2 + eps, p, -1, keepdim)


@autocasts("wide")
@chain
def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2.0,
    eps: float = 1e-6, swap: bool = False, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, |anchor - positive| - |anchor - negative| + margin), see pairwise_distance.

    [*s, n], [*s, n], [*s, n] -> [] or [*s].
    swap: of negative's distances from anchor and positive take the smaller.
    Raises: ContractError for different numbers of dims, and unless margin is above 0.
    Source: Balntas, Riba, Ponsa, Mikolajczyk 2016, doi:10.5244/C.30.119.
    """

    def distance(x: Tensor, y: Tensor) -> Tensor:
        return pairwise_distance(x, y, p, eps)

    return of_triplets(
        "triplet_margin_loss", anchor, positive, negative, distance, margin, swap, reduction
    )


def of_triplets(
    op: str, anchor: Tensor, positive: Tensor, negative: Tensor,
    distance: Callable[[Tensor, Tensor], Tensor], margin: float, swap: bool, reduction: str,
) -> Tensor:  # fmt: skip
    """triplet_margin_with_distance_loss, called by this name."""
    together(op, anchor, positive, negative)
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise ContractError(
            f"{op}: {anchor.spec}, {positive.spec}, {negative.spec}; give all as many dims"
        )
    if margin <= 0:
        raise ContractError(f"{op}: margin {margin}; give a number above 0")
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = ops.minimum(far, distance(positive, negative))
    return reduce(op, clamp(near - far + margin, min=0), reduction)


@autocasts("wide")
@chain
def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool = True, full: bool = False, eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """exp(input) - target input, or input - target log(input + eps).  [*s], [*s] -> [] or [*s].

    log_input: whether input is the logarithm of what is expected.
    full: adds Stirling's approximation of log(target!) where target is above 1.
    """
    op = "poisson_nll_loss"
    operands(op, input, target, eps)
    expected, log = (ops.exp(input), input) if log_input else (input, ops.log(input + eps))
    losses = expected - target * log
    if full:
        many = ops.greater(target, 1)
        y = ops.where(many, target, 1)
        rest = y * ops.log(y) - y + ops.log(y * (2 * math.pi)) * 0.5
        losses = losses + ops.cast(ops.where(many, rest, 0), losses.dtype)
    return reduce(op, losses, reduction)
