"""Losses: how far a result is from its target.

reduction, everywhere: "mean" of all elements, their "sum", or "none": the loss of each.
"""

from __future__ import annotations

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
        self.ignore_index = ignore_index

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
        self.ignore_index = ignore_index
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
