"""Losses: how far a result is from its target.

reduction, everywhere: "mean" of all elements, their "sum", or "none": the loss of each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import rushlight as rl

from .. import functional as F
from ..module import Module


class Loss(Module):
    """A loss with a reduction."""

    reductions: tuple[str, ...] = ("mean", "sum", "none")

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        if reduction not in self.reductions:
            *others, last = map(repr, self.reductions)
            raise rl.ContractError(
                f"{type(self).__name__}: reduction {reduction!r}; "
                f"give {', '.join(others)} or {last}"
            )
        self.reduction = reduction


class WeightedLoss(Loss):
    """A loss with weights: a buffer, since they move with the module and are not trained."""

    weight: rl.Tensor | None

    def __init__(self, weight: rl.Tensor | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.register_buffer("weight", weight)


class MarginLoss(Loss):
    """A loss with a margin."""

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.margin = margin


class L1Loss(Loss):
    """|x - y|.  [*s], [*s] -> [].

    >>> L1Loss()(rl.tensor([1.0, 2.0]), rl.tensor([1.0, 4.0])).item()
    1.0
    """

    def forward(self, input: rl.Tensor, target: rl.Tensor) -> rl.Tensor:
        """|input - target|, reduced."""
        return F.l1_loss(input, target, reduction=self.reduction)


class MSELoss(Loss):
    """(x - y)**2.  [*s], [*s] -> [].

    >>> MSELoss()(rl.tensor([1.0, 2.0]), rl.tensor([1.0, 4.0])).item()
    2.0
    """

    def forward(self, input: rl.Tensor, target: rl.Tensor) -> rl.Tensor:
        """(input - target)**2, reduced."""
        return F.mse_loss(input, target, reduction=self.reduction)


class SmoothL1Loss(Loss):
    """(x - y)**2 / (2 * beta) where |x - y| < beta, else |x - y| - beta / 2.  [*s], [*s] -> [].

    Source: Girshick 2015, arXiv:1504.08083, eq. 3.

    >>> SmoothL1Loss()(rl.tensor([1.0, 2.0]), rl.tensor([1.0, 4.0])).item()
    0.75
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: rl.Tensor, target: rl.Tensor) -> rl.Tensor:
        """The loss of input - target, reduced."""
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


class HuberLoss(Loss):
    """(x - y)**2 / 2 where |x - y| < delta, else delta * (|x - y| - delta / 2).  [*s], [*s] -> [].

    Source: Huber 1964, doi:10.1214/aoms/1177703732.

    >>> HuberLoss()(rl.tensor([1.0, 2.0]), rl.tensor([1.0, 4.0])).item()
    0.75
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input: rl.Tensor, target: rl.Tensor) -> rl.Tensor:
        """The loss of input - target, reduced."""
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


class KLDivLoss(Loss):
    """y * (log(y) - x), x log-probabilities.  [*s], [*s] -> [].

    reduction: also "batchmean", the sum divided by the first length.
    log_target: whether targets are log-probabilities too.

    >>> KLDivLoss("sum")(rl.tensor([0.0, 0.0]), rl.tensor([1.0, 0.0])).item()
    0.0
    """

    reductions = ("mean", "sum", "none", "batchmean")

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__(reduction)
        self.log_target = log_target

    def forward(self, input: rl.Tensor, target: rl.Tensor) -> rl.Tensor:
        """The divergence of the input from the target, reduced."""
        return F.kl_div(input, target, reduction=self.reduction, log_target=self.log_target)


class MarginRankingLoss(MarginLoss):
    """max(0, margin - y (x1 - x2)), y 1 if x1 is to be larger, else -1.  [*s], [*s], [*s] -> [].

    >>> MarginRankingLoss(1.0)(rl.tensor([2.0]), rl.tensor([3.0]), rl.tensor([1.0])).item()
    2.0
    """

    def forward(self, input1: rl.Tensor, input2: rl.Tensor, target: rl.Tensor) -> rl.Tensor:
        """max(0, margin - target (input1 - input2)), reduced."""
        return F.margin_ranking_loss(input1, input2, target, self.margin, self.reduction)


class HingeEmbeddingLoss(MarginLoss):
    """x where y is 1, max(0, margin - x) where y is -1.  [*s], [*s] -> [].

    >>> HingeEmbeddingLoss(reduction="sum")(rl.tensor([0.5, 0.5]), rl.tensor([1.0, -1.0])).item()
    1.0
    """

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__(margin, reduction)

    def forward(self, input: rl.Tensor, target: rl.Tensor) -> rl.Tensor:
        """input where target is 1, max(0, margin - input) where it is -1, reduced."""
        return F.hinge_embedding_loss(input, target, self.margin, self.reduction)


class SoftMarginLoss(Loss):
    """log(1 + exp(-y x)), y 1 or -1.  [*s], [*s] -> [].

    >>> SoftMarginLoss()(rl.tensor([0.0]), rl.tensor([1.0])).item()
    0.6931471824645996
    """

    def forward(self, input: rl.Tensor, target: rl.Tensor) -> rl.Tensor:
        """log(1 + exp(-target input)), reduced."""
        return F.soft_margin_loss(input, target, self.reduction)


class CosineEmbeddingLoss(MarginLoss):
    """1 - cos where y is 1, max(0, cos - margin) where it is -1, cos of the angle of x1 and x2.

    [n, d], [n, d], [n] -> [], or without n.

    >>> CosineEmbeddingLoss()(rl.tensor([3.0, 4.0]), rl.tensor([4.0, 3.0]), rl.tensor(-1)).item()
    0.9599999785423279
    """

    def forward(self, input1: rl.Tensor, input2: rl.Tensor, target: rl.Tensor) -> rl.Tensor:
        """1 - cos where target is 1, max(0, cos - margin) where it is -1, reduced."""
        return F.cosine_embedding_loss(input1, input2, target, self.margin, self.reduction)


class MultiMarginLoss(WeightedLoss):
    """sum of max(0, margin - x[y] + x[i])**p over all classes i but y, over c.  [n, c], [n] -> [].

    p: 1 or 2.
    weight: of each class, [c].

    >>> MultiMarginLoss()(rl.tensor([[0.5, 0.0]]), rl.tensor([1])).item()
    0.75
    """

    def __init__(
        self,
        p: int = 1,
        margin: float = 1.0,
        weight: rl.Tensor | None = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, reduction)
        self.p = p
        self.margin = margin

    def forward(self, input: rl.Tensor, target: rl.Tensor) -> rl.Tensor:
        """sum of max(0, margin - input[target] + input[i])**p over other i, over c, reduced."""
        return F.multi_margin_loss(input, target, self.p, self.margin, self.weight, self.reduction)


class MultiLabelMarginLoss(Loss):
    """sum of max(0, 1 - x[y] + x[i]) over target classes y and others i, over c.

    [n, c], int[n, c] -> [], or without n.
    target: classes, as many as stand before the first that is negative.

    >>> MultiLabelMarginLoss()(rl.tensor([0.5, 0.0]), rl.tensor([1, -1])).item()
    0.75
    """

    def forward(self, input: rl.Tensor, target: rl.Tensor) -> rl.Tensor:
        """sum of max(0, 1 - input[y] + input[i]) over targets y and others i, over c, reduced."""
        return F.multilabel_margin_loss(input, target, self.reduction)


class MultiLabelSoftMarginLoss(WeightedLoss):
    """BCEWithLogitsLoss, its mean over classes.  [*s, c], [*s, c] -> [].

    weight: of each class, [c].

    >>> MultiLabelSoftMarginLoss()(rl.zeros(1, 2), rl.ones(1, 2)).item()
    0.6931471824645996
    """

    def forward(self, input: rl.Tensor, target: rl.Tensor) -> rl.Tensor:
        """log(1 + exp(input)) - target input, its mean over classes, reduced."""
        return F.multilabel_soft_margin_loss(input, target, self.weight, self.reduction)


class PoissonNLLLoss(Loss):
    """exp(x) - y x, or x - y log(x + eps).  [*s], [*s] -> [].

    log_input: whether x is the logarithm of what is expected.
    full: adds Stirling's approximation of log(y!) where y is above 1.

    >>> PoissonNLLLoss()(rl.zeros(1), rl.ones(1)).item()
    1.0
    """

    def __init__(
        self, log_input: bool = True, full: bool = False, eps: float = 1e-8, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.log_input = log_input
        self.full = full
        self.eps = eps

    def forward(self, log_input: rl.Tensor, target: rl.Tensor) -> rl.Tensor:
        """exp(x) - target x, or x - target log(x + eps), x the log_input, reduced."""
        return F.poisson_nll_loss(
            log_input, target, self.log_input, self.full, self.eps, self.reduction
        )


class GaussianNLLLoss(Loss):
    """(log(v) + (x - y)**2 / v) / 2, v = max(var, eps).  [*s], [*s], [*s] -> [].

    full: adds log(2 pi) / 2.

    Source: Nix, Weigend 1994, doi:10.1109/ICNN.1994.374138.

    >>> GaussianNLLLoss()(rl.zeros(1), rl.ones(1), rl.ones(1)).item()
    0.5
    """

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.full = full
        self.eps = eps

    def forward(self, input: rl.Tensor, target: rl.Tensor, var: rl.Tensor | float) -> rl.Tensor:
        """(log(v) + (input - target)**2 / v) / 2, v = max(var, eps), reduced."""
        return F.gaussian_nll_loss(input, target, var, self.full, self.eps, self.reduction)


class TripletMarginLoss(Loss):
    """max(0, |a - p|_p - |a - n|_p + margin) of anchor, positive and negative.

    [*s, d], [*s, d], [*s, d] -> [].
    swap: of the negative's distances from anchor and positive take the smaller.

    Source: Balntas, Riba, Ponsa, Mikolajczyk 2016, doi:10.5244/C.30.119.

    >>> TripletMarginLoss()(rl.zeros(1, 2), rl.zeros(1, 2), rl.zeros(1, 2)).item()
    1.0
    """

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        self.margin = margin
        self.p = p
        self.eps = eps
        self.swap = swap

    def forward(self, anchor: rl.Tensor, positive: rl.Tensor, negative: rl.Tensor) -> rl.Tensor:
        """max(0, |anchor - positive|_p - |anchor - negative|_p + margin), reduced."""
        return F.triplet_margin_loss(
            anchor, positive, negative, self.margin, self.p, self.eps, self.swap, self.reduction
        )


class TripletMarginWithDistanceLoss(Loss):
    """TripletMarginLoss with another distance; None for `PairwiseDistance`.

    [*s, d], [*s, d], [*s, d] -> [].

    >>> TripletMarginWithDistanceLoss(margin=2.0)(*[rl.zeros(1, 2)] * 3).item()
    2.0
    """

    def __init__(
        self,
        *,
        distance_function: Callable[[rl.Tensor, rl.Tensor], rl.Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(reduction)
        self.distance_function = distance_function or PairwiseDistance()
        self.margin = margin
        self.swap = swap

    def forward(self, anchor: rl.Tensor, positive: rl.Tensor, negative: rl.Tensor) -> rl.Tensor:
        """max(0, d(anchor, positive) - d(anchor, negative) + margin), reduced."""
        return F.triplet_margin_with_distance_loss(
            anchor,
            positive,
            negative,
            distance_function=self.distance_function,
            margin=self.margin,
            swap=self.swap,
            reduction=self.reduction,
        )


class CosineSimilarity(Module):
    """sum(x * y) / (|x| * |y|) along axis dim, norms at least eps.  [b, n, *s] -> [b, *s].

    >>> CosineSimilarity(dim=0)(rl.tensor([1.0, 0.0]), rl.tensor([2.0, 0.0])).item()
    1.0
    """

    def __init__(self, dim: int = 1, eps: float = 1e-8) -> None:
        super().__init__()
        self.dim = dim
        self.eps = eps

    def forward(self, x1: rl.Tensor, x2: rl.Tensor) -> rl.Tensor:
        """The cosine of the angle between x1 and x2."""
        return F.cosine_similarity(x1, x2, self.dim, self.eps)


class PairwiseDistance(Module):
    """|x - y + eps|_p over the last axis.  [*s, n], [*s, n] -> [*s], or [*s, 1] with keepdim.

    >>> PairwiseDistance(1.0, eps=0.0)(rl.tensor([1.0, 0.0]), rl.tensor([2.0, 2.0])).item()
    3.0
    """

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm = p
        self.eps = eps
        self.keepdim = keepdim

    def forward(self, x1: rl.Tensor, x2: rl.Tensor) -> rl.Tensor:
        """The distances of x1 and x2."""
        return F.pairwise_distance(x1, x2, self.norm, self.eps, self.keepdim)


class BCELoss(WeightedLoss):
    """-weight * (y * log(x) + (1 - y) * log(1 - x)), x and y in [0, 1].  [*s], [*s] -> [].

    The logarithms end at -100, so that no loss is infinite.

    >>> BCELoss()(rl.tensor([0.5]), rl.tensor([1.0])).item()
    0.6931471824645996
    """

    def forward(self, input: rl.Tensor, target: rl.Tensor) -> rl.Tensor:
        """The cross-entropy of the target with the input, reduced."""
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


class BCEWithLogitsLoss(WeightedLoss):
    """BCELoss of sigmoid(x), computed without loss of digits.  [*s], [*s] -> [].

    -weight * (pos_weight * y * log(sigmoid(x)) + (1 - y) * log(1 - sigmoid(x)))

    pos_weight: of positive targets; broadcast against them.

    >>> BCEWithLogitsLoss()(rl.tensor([0.0]), rl.tensor([1.0])).item()
    0.6931471824645996
    """

    pos_weight: rl.Tensor | None

    def __init__(
        self,
        weight: rl.Tensor | None = None,
        reduction: str = "mean",
        pos_weight: rl.Tensor | None = None,
    ) -> None:
        super().__init__(weight, reduction)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input: rl.Tensor, target: rl.Tensor) -> rl.Tensor:
        """The cross-entropy of the target with sigmoid(input), reduced."""
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, reduction=self.reduction, pos_weight=self.pos_weight
        )


def as_class(who: str, ignore_index: Any) -> Any:
    """ignore_index.  Raises: WrongType for what stood here long ago: size_average."""
    if ignore_index is None or isinstance(ignore_index, bool):
        raise rl.WrongType(
            f"{who}: ignore_index is {ignore_index}; give an integer, and what was size_average as "
            f"reduction='mean' or 'sum'"
        )
    return ignore_index


class NLLLoss(WeightedLoss):
    """-weight[y] * x[y], x log-probabilities of classes.  [b, c, *s], [b, *s] or [c], [] -> [].

    The mean is weighted: the sum of losses over the sum of their weights.

    weight: of each class, [c].
    ignore_index: a target that counts neither in the loss nor in the mean.

    >>> NLLLoss()(rl.tensor([[-1.0, -2.0]]), rl.tensor([1])).item()
    2.0
    """

    def __init__(
        self,
        weight: rl.Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__(weight, reduction)
        self.ignore_index = as_class("NLLLoss", ignore_index)

    def forward(self, input: rl.Tensor, target: rl.Tensor) -> rl.Tensor:
        """The negative log-likelihood of the target classes, reduced."""
        return F.nll_loss(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


class CrossEntropyLoss(WeightedLoss):
    """NLLLoss of log_softmax(x).  [b, c, *s], [b, *s] or [c], [] -> [].

    target: class numbers, or probabilities of the input's shape.
    weight: of each class, [c].
    ignore_index: a class number that counts neither in the loss nor in the mean.
    label_smoothing: the share of the target that is spread evenly over all classes.

    Source: Szegedy et al. 2015, arXiv:1512.00567, section 7, for the smoothing.

    >>> CrossEntropyLoss()(rl.zeros(1, 2), rl.tensor([0])).item()
    0.6931471824645996
    """

    def __init__(
        self,
        weight: rl.Tensor | None = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(weight, reduction)
        self.ignore_index = as_class("CrossEntropyLoss", ignore_index)
        self.label_smoothing = label_smoothing

    def forward(self, input: rl.Tensor, target: rl.Tensor) -> rl.Tensor:
        """The cross-entropy of the target with softmax(input), reduced."""
        return F.cross_entropy(
            input,
            target,
            self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )
