"""Normalisation: of batches, layers, groups and instances."""

from __future__ import annotations

from typing import Any

import numpy as np

import rushlight as rl

from .. import functional as F, init
from ..module import Module
from ..parameter import Parameter
from .argument import shown, tensor, whole

Place = str | rl.device | None


class Affine(Module):
    """What normalisations share: a weight and a bias, which begin as ones and zeros."""

    weight: Parameter | None
    bias: Parameter | None

    def _own_scale(
        self, shape: tuple[int, ...], device: Place, dtype: np.dtype[Any] | None, **asked: bool
    ) -> None:
        """Parameters of this shape, or None for those that are not asked."""
        for name, there in asked.items():
            value = rl.empty(shape, device=device, dtype=dtype) if there else None
            self.register_parameter(name, None if value is None else Parameter(value))
        Affine.reset_parameters(self)

    def reset_parameters(self) -> None:
        """Begin anew: weights 1, biases 0."""
        for name, fill in (("weight", init.ones_), ("bias", init.zeros_)):
            p = getattr(self, name, None)
            if p is not None:
                fill(p)


def lengths(who: str, given: int | tuple[int, ...] | list[int]) -> tuple[int, ...]:
    """A shape, of what may be one length.  Raises: ContractError."""
    shape = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    for length in shape:
        whole(who, normalized_shape=length)
    return shape


class BatchNorm(Affine):
    """(x - mean) / sqrt(var + eps) * weight + bias by channel.  [b, c, *s] -> [b, c, *s].

    In training mode mean and var are the batch's (var without Bessel's correction), and the running
    ones follow them: running = (1 - momentum) * running + momentum * batch (var with the
    correction).  In evaluation mode they are the running ones.

    momentum: None makes the running ones the plain mean over all batches so far.
    affine: whether there are a weight and a bias, which begin as ones and zeros.
    track_running_stats: False keeps no running ones, and uses the batch's in evaluation mode too.

    Source: Ioffe, Szegedy 2015, arXiv:1502.03167, algorithm 1.
    """

    axes: tuple[int, ...] = ()  # numbers of axes that an input may have
    _younger = frozenset({"num_batches_tracked"})  # PyTorch saves it since 0.4.1

    running_mean: rl.Tensor | None
    running_var: rl.Tensor | None
    num_batches_tracked: rl.Tensor | None

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        whole(type(self).__name__, num_features=num_features)
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats

        def make(fill: float) -> rl.Tensor:
            return rl.full((num_features,), fill, device=device, dtype=dtype)

        self._own_scale((num_features,), device, dtype, weight=affine, bias=affine and bias)
        self.register_buffer("running_mean", make(0.0) if track_running_stats else None)
        self.register_buffer("running_var", make(1.0) if track_running_stats else None)
        self.register_buffer(
            "num_batches_tracked",
            rl.tensor(0, dtype=rl.int64, device=device) if track_running_stats else None,
        )

    def reset_running_stats(self) -> None:
        """Forget the batches seen: means 0, variances 1."""
        if self.running_mean is not None:
            init.zeros_(self.running_mean)
        if self.running_var is not None:
            init.ones_(self.running_var)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Begin anew: `reset_running_stats`, weights 1, biases 0."""
        self.reset_running_stats()
        super().reset_parameters()

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The normalised input; in training mode the running statistics move."""
        tensor(type(self).__name__, input)
        if input.ndim not in self.axes:
            raise rl.ContractError(
                f"{type(self).__name__}: {input.spec}; "
                f"give an input of {' or '.join(map(str, self.axes))} axes, channels in axis 1"
            )
        if not self.training or self.num_batches_tracked is None:
            return self._normalise(input, self.running_mean, self.running_var, 0.0)
        self.num_batches_tracked.add_(1)
        if self.momentum is not None:
            return self._normalise(input, self.running_mean, self.running_var, self.momentum)
        return self._average(input, self.num_batches_tracked)

    def _normalise(
        self,
        input: rl.Tensor,
        mean: rl.Tensor | None,
        var: rl.Tensor | None,
        momentum: float,
    ) -> rl.Tensor:
        training = self.training or mean is None
        return rl.batch_norm(input, mean, var, self.weight, self.bias, training, momentum, self.eps)

    def _average(self, input: rl.Tensor, count: rl.Tensor) -> rl.Tensor:
        """As `_normalise`, the running statistics becoming the mean over `count` batches."""
        assert self.running_mean is not None
        assert self.running_var is not None
        mean, var = self.running_mean.clone(), self.running_var.clone()
        result = self._normalise(input, mean, var, 1.0)
        with rl.no_grad():
            share = 1.0 / count.to(mean.dtype)
            for running, batch in ((self.running_mean, mean), (self.running_var, var)):
                running.add_((batch - running) * share)
        return result

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class BatchNorm1d(BatchNorm):
    """BatchNorm of rows or sequences.  [b, c] -> [b, c], [b, c, t] -> [b, c, t].

    Formula, options and source: `BatchNorm`.

    >>> BatchNorm1d(2)(rl.tensor([[1.0, 2.0], [3.0, 4.0]])).shape
    (2, 2)
    """

    axes = (2, 3)


class BatchNorm2d(BatchNorm):
    """BatchNorm of images.  [b, c, h, w] -> [b, c, h, w].

    Formula, options and source: `BatchNorm`.

    >>> BatchNorm2d(3)(rl.zeros(2, 3, 4, 4)).shape
    (2, 3, 4, 4)
    """

    axes = (4,)


class BatchNorm3d(BatchNorm):
    """BatchNorm of volumes.  [b, c, d, h, w] -> [b, c, d, h, w].

    Formula, options and source: `BatchNorm`.

    >>> BatchNorm3d(3)(rl.zeros(2, 3, 4, 4, 4)).shape
    (2, 3, 4, 4, 4)
    """

    axes = (5,)


class InstanceNorm(BatchNorm):
    """(x - mean) / sqrt(var + eps) * weight + bias by sample and channel.

    [b, c, *s] -> [b, c, *s], [c, *s] -> [c, *s].
    track_running_stats: keeps running statistics, and uses them in evaluation mode.
    Options: `BatchNorm`; here affine and track_running_stats begin as False.

    Source: Ulyanov, Vedaldi, Lempitsky 2016, arXiv:1607.08022, eq. 4.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The normalised input; in training mode the running statistics move."""
        tensor(type(self).__name__, input)
        if input.ndim == self.axes[0] - 1:
            return rl.squeeze(self.forward(rl.unsqueeze(input, 0)), 0)
        if input.ndim != self.axes[0]:
            raise rl.ContractError(
                f"{type(self).__name__}: {input.spec}; "
                f"give an input of {self.axes[0]} axes, channels in axis 1, or one sample of it"
            )
        own = self.training or self.running_mean is None
        return rl.instance_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias,
            own, self.momentum or 0.0, self.eps,
        )  # fmt: skip


class InstanceNorm1d(InstanceNorm):
    """InstanceNorm of sequences.  [b, c, t] -> [b, c, t].

    Formula, options and source: `InstanceNorm`.

    >>> InstanceNorm1d(2)(rl.zeros(3, 2, 4)).shape
    (3, 2, 4)
    """

    axes = (3,)


class InstanceNorm2d(InstanceNorm):
    """InstanceNorm of images.  [b, c, h, w] -> [b, c, h, w].

    Formula, options and source: `InstanceNorm`.

    >>> InstanceNorm2d(2)(rl.zeros(3, 2, 4, 4)).shape
    (3, 2, 4, 4)
    """

    axes = (4,)


class InstanceNorm3d(InstanceNorm):
    """InstanceNorm of volumes.  [b, c, d, h, w] -> [b, c, d, h, w].

    Formula, options and source: `InstanceNorm`.

    >>> InstanceNorm3d(2)(rl.zeros(3, 2, 4, 4, 4)).shape
    (3, 2, 4, 4, 4)
    """

    axes = (5,)


class GroupNorm(Affine):
    """(x - mean) / sqrt(var + eps) * weight + bias by sample and group.  [b, c, *s] -> [b, c, *s].

    num_groups: into how many groups the channels are parted; it divides them.
    affine: whether there are a weight and a bias per channel, which begin as ones and zeros.

    Source: Wu, He 2018, arXiv:1803.08494, eq. 1 and 7.

    >>> GroupNorm(2, 4)(rl.zeros(3, 4, 5)).shape
    (3, 4, 5)
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        whole("GroupNorm", 1, num_groups=num_groups)
        whole("GroupNorm", num_channels=num_channels)
        if num_channels % num_groups:
            raise rl.ContractError(
                f"GroupNorm: {num_channels} channels in {num_groups} groups; "
                "give a number of groups that divides them"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._own_scale((num_channels,), device, dtype, weight=affine, bias=affine and bias)

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The normalised input."""
        return rl.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Affine):
    """x / sqrt(mean(x**2) + eps) * weight over the last axes.  [*b, *s] -> [*b, *s].

    normalized_shape: s, or its one length.
    eps: in units of x squared; None for the epsilon of the type that it is computed in.
    elementwise_affine: whether there is a weight of shape s, which begins as ones.

    Source: Zhang, Sennrich 2019, arXiv:1910.07467, eq. 4.

    >>> RMSNorm(4)(rl.zeros(2, 4)).shape
    (2, 4)
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...] | list[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = lengths("RMSNorm", normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._own_scale(self.normalized_shape, device, dtype, weight=elementwise_affine)

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input, scaled to a mean square of 1."""
        return rl.rms_norm(input, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )


class LayerNorm(Affine):
    """(x - mean) / sqrt(var + eps) * weight + bias over the last axes.  [*b, *s] -> [*b, *s].

    normalized_shape: s, or its one length.
    eps: added to the variance, in units of x squared.
    elementwise_affine: whether there are a weight and a bias of shape s, which begin as ones and
        zeros.
    bias: whether there is a bias beside the weight.

    Source: Ba, Kiros, Hinton 2016, arXiv:1607.06450, eq. 4.

    >>> LayerNorm(4)(rl.zeros(2, 4)).shape
    (2, 4)
    """

    def __init__(
        self,
        normalized_shape: int | tuple[int, ...] | list[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = lengths("LayerNorm", normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        asked = {"weight": elementwise_affine, "bias": elementwise_affine and bias}
        self._own_scale(self.normalized_shape, device, dtype, **asked)

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The normalised input."""
        return rl.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class LocalResponseNorm(Module):
    """x / (k + alpha * m)**beta, m the mean square over size channels around each.

    [b, c, *s] -> [b, c, *s].

    Source: Krizhevsky, Sutskever, Hinton 2012, ImageNet classification with deep convolutional
    neural networks, section 3.3.

    >>> LocalResponseNorm(2)(rl.zeros(1, 4, 3)).shape
    (1, 4, 3)
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input, damped by the channels around."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, {shown(self, 'alpha', 'beta', 'k')}"
