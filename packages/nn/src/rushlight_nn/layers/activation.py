"""Activations: nonlinear functions of each element, and softmax along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

import rushlight as rl

from .. import functional as F
from ..module import Module
from ..parameter import Parameter
from .argument import shown, tensor


class _InPlace(Module):
    """An activation.

    inplace: the input itself becomes the result.
    """

    options: tuple[str, ...] = ()  # attributes that the repr shows

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return shown(self, *self.options, *["inplace"] * self.inplace)


class ReLU(_InPlace):
    """max(x, 0).  [*s] -> [*s].  The gradient in 0 is 0.

    >>> ReLU()(rl.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """max(input, 0)."""
        return F.relu(input, inplace=True) if self.inplace else rl.relu(input)


class LeakyReLU(_InPlace):
    """x where x > 0, negative_slope * x elsewhere.  [*s] -> [*s].

    Source: Maas, Hannun, Ng 2013, Rectifier nonlinearities improve neural network acoustic models.

    >>> LeakyReLU(0.5)(rl.tensor([-1.0, 2.0])).tolist()
    [-0.5, 2.0]
    """

    options = ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input, shrunk where it is negative."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)


class ELU(_InPlace):
    """x where x > 0, alpha * (exp(x) - 1) elsewhere.  [*s] -> [*s].

    Source: Clevert, Unterthiner, Hochreiter 2015, arXiv:1511.07289, eq. 15.

    >>> ELU()(rl.tensor([0.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    options = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input, bent towards -alpha where it is negative."""
        return F.elu(input, self.alpha, self.inplace)


class SiLU(_InPlace):
    """x * sigmoid(x).  [*s] -> [*s].

    Source: Elfwing, Uchibe, Doya 2017, arXiv:1702.03118, eq. 8.

    >>> SiLU()(rl.zeros(1)).tolist()
    [0.0]
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """input * sigmoid(input)."""
        return F.silu(input, self.inplace)


class Hardswish(_InPlace):
    """x * min(max(x + 3, 0), 6) / 6.  [*s] -> [*s].

    >>> Hardswish()(rl.tensor([-4.0, 3.0])).abs().tolist()
    [0.0, 3.0]
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """input * min(max(input + 3, 0), 6) / 6."""
        return F.hardswish(input, self.inplace)


class Hardsigmoid(_InPlace):
    """min(max(x + 3, 0), 6) / 6.  [*s] -> [*s].

    >>> Hardsigmoid()(rl.tensor([-4.0, 3.0])).abs().tolist()
    [0.0, 1.0]
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """min(max(input + 3, 0), 6) / 6."""
        return F.hardsigmoid(input, self.inplace)


class Mish(_InPlace):
    """x * tanh(log(1 + exp(x))).  [*s] -> [*s].

    >>> Mish()(rl.tensor([0.0])).abs().tolist()
    [0.0]
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """input * tanh(log(1 + exp(input)))."""
        return F.mish(input, self.inplace)


class SELU(_InPlace):
    """1.0507 * x where x > 0, 1.0507 * 1.6733 * (exp(x) - 1) elsewhere.  [*s] -> [*s].

    >>> SELU()(rl.tensor([0.0])).abs().tolist()
    [0.0]
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """1.0507 * input where input > 0, 1.7581 * (exp(input) - 1) elsewhere."""
        return F.selu(input, self.inplace)


class Softsign(Module):
    """x / (1 + |x|).  [*s] -> [*s].

    >>> Softsign()(rl.zeros(1)).shape
    (1,)
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """input / (1 + |input|)."""
        return F.softsign(input)


class LogSigmoid(Module):
    """log(1 / (1 + exp(-x))).  [*s] -> [*s].

    >>> LogSigmoid()(rl.zeros(1)).shape
    (1,)
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """log(1 / (1 + exp(-input)))."""
        return F.logsigmoid(input)


class Hardtanh(_InPlace):
    """x between min_val and max_val.  [*s] -> [*s].

    >>> Hardtanh()(rl.tensor([-4.0, 0.5])).tolist()
    [-1.0, 0.5]
    """

    options: tuple[str, ...] = ("min_val", "max_val")

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.min_val = min_val
        self.max_val = max_val

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input, bounded."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)


class ReLU6(Hardtanh):
    """min(max(x, 0), 6).  [*s] -> [*s].

    >>> ReLU6()(rl.tensor([-1.0, 7.0])).abs().tolist()
    [0.0, 6.0]
    """

    options = ()

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)


class CELU(_InPlace):
    """x where x > 0, alpha * (exp(x / alpha) - 1) elsewhere.  [*s] -> [*s].

    Source: Barron 2017, arXiv:1704.07483, eq. 2.

    >>> CELU()(rl.tensor([0.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    options = ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input, bent towards -alpha where it is negative."""
        return F.celu(input, self.alpha, self.inplace)


class Threshold(_InPlace):
    """value where x <= threshold, x elsewhere.  [*s] -> [*s].

    >>> Threshold(0.5, 7.0)(rl.tensor([0.0, 2.0])).tolist()
    [7.0, 2.0]
    """

    options = ("threshold", "value")

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.threshold = threshold
        self.value = value

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """value where input <= threshold, input elsewhere."""
        return F.threshold(input, self.threshold, self.value, self.inplace)


class RReLU(_InPlace):
    """x where x > 0, slope * x elsewhere.  [*s] -> [*s].

    In training mode the slope of each element is drawn evenly from [lower, upper); in evaluation
    mode it is their mean.

    Source: Xu, Wang, Chen, Li 2015, arXiv:1505.00853, section 2.4.

    >>> RReLU(0.25, 0.75).eval()(rl.tensor([-1.0, 2.0])).tolist()
    [-0.5, 2.0]
    """

    options = ("lower", "upper")

    def __init__(
        self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False
    ) -> None:
        super().__init__(inplace)
        self.lower = lower
        self.upper = upper

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """input where input > 0, input times a drawn slope, or the mean one, elsewhere."""
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)


class Hardshrink(Module):
    """0 where |x| <= lambd, x elsewhere.  [*s] -> [*s].

    >>> Hardshrink()(rl.tensor([0.25, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """0 where |input| <= lambd, input elsewhere."""
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class Softshrink(Module):
    """x, moved by lambd towards 0 and no further.  [*s] -> [*s].

    >>> Softshrink()(rl.tensor([0.25, 2.0])).tolist()
    [0.0, 1.5]
    """

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """sign(input) * max(|input| - lambd, 0)."""
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        return str(self.lambd)


class Tanhshrink(Module):
    """x - tanh(x).  [*s] -> [*s].

    >>> Tanhshrink()(rl.zeros(1)).tolist()
    [0.0]
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """input - tanh(input)."""
        return F.tanhshrink(input)


class PReLU(Module):
    """x where x > 0, weight * x elsewhere.  [b, c, *s] -> [b, c, *s].

    weight: [num_parameters], one for all channels or one for each; begins as init.

    Source: He, Zhang, Ren, Sun 2015, arXiv:1502.01852, eq. 1.

    >>> PReLU()(rl.tensor([-1.0, 2.0])).tolist()
    [-0.25, 2.0]
    """

    def __init__(
        self,
        num_parameters: int = 1,
        init: float = 0.25,
        device: str | rl.device | None = None,
        dtype: np.dtype[Any] | None = None,
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(rl.full((num_parameters,), init, device=device, dtype=dtype))

    def reset_parameters(self) -> None:
        """Begin anew."""
        with rl.no_grad():
            self.weight.fill_(self.init)

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input, scaled where it is negative."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return shown(self, "num_parameters")


class GLU(Module):
    """a * sigmoid(b), a and b the halves of x along axis dim.  [.., 2 n, ..] -> [.., n, ..].

    Source: Dauphin et al. 2016, arXiv:1612.08083, section 2.

    >>> GLU()(rl.tensor([4.0, 0.0])).tolist()
    [2.0]
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """One half of the input, gated by the other."""
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        return shown(self, "dim")


class GELU(Module):
    """x * P(Z <= x), Z standard normal.  [*s] -> [*s].

    approximate: "none" computes it by erf, "tanh" by 0.5 * x * (1 + tanh(sqrt(2 / pi) * (x +
        0.044715 * x**3))).
    Source: Hendrycks, Gimpel 2016, arXiv:1606.08415, section 2.

    >>> GELU()(rl.zeros(1)).tolist()
    [0.0]
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """input * P(Z <= input)."""
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        return shown(self, "approximate")


class Sigmoid(Module):
    """1 / (1 + exp(-x)).  [*s] -> [*s].

    >>> Sigmoid()(rl.zeros(1)).tolist()
    [0.5]
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """1 / (1 + exp(-input))."""
        return rl.sigmoid(input)


class Tanh(Module):
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x)).  [*s] -> [*s].

    >>> Tanh()(rl.zeros(1)).tolist()
    [0.0]
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The hyperbolic tangent of the input."""
        return rl.tanh(input)


class Softplus(Module):
    """log(1 + exp(beta * x)) / beta.  [*s] -> [*s].  Where beta * x > threshold, x itself.

    >>> Softplus()(rl.tensor([50.0])).tolist()
    [50.0]
    """

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """log(1 + exp(beta * input)) / beta."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return shown(self, "beta", "threshold")


class _Along(Module):
    """A function along one axis."""

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def _axis(self) -> int:
        if self.dim is None:
            raise rl.ContractError(
                f"{type(self).__name__}: no axis is given; construct it with dim=, "
                "-1 for the last axis"
            )
        return self.dim

    def extra_repr(self) -> str:
        return shown(self, "dim")


class Softmax(_Along):
    """exp(x) / sum(exp(x)) along axis dim.  [*s] -> [*s].

    Raises: ContractError without dim.

    >>> Softmax(dim=0)(rl.zeros(4)).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The softmax of the input."""
        return rl.softmax(input, self._axis())


class LogSoftmax(_Along):
    """x - log(sum(exp(x))) along axis dim.  [*s] -> [*s].

    Raises: ContractError without dim.

    >>> LogSoftmax(dim=0)(rl.zeros(1)).tolist()
    [0.0]
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The logarithm of the softmax of the input."""
        return rl.log_softmax(input, self._axis())


class Softmin(_Along):
    """exp(-x) / sum(exp(-x)) along axis dim.  [*s] -> [*s].

    Raises: ContractError without dim.

    >>> Softmin(dim=0)(rl.zeros(4)).tolist()
    [0.25, 0.25, 0.25, 0.25]
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The softmax of -input."""
        return F.softmin(input, self._axis())


class Softmax2d(Module):
    """Softmax over the channels of each pixel.  [*b, c, h, w] -> [*b, c, h, w].

    Raises: ContractError unless there are 3 or 4 axes.

    >>> Softmax2d()(rl.zeros(2, 1, 1)).tolist()
    [[[0.5]], [[0.5]]]
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The softmax of the input."""
        tensor("Softmax2d", input)
        if input.ndim not in (3, 4):
            raise rl.ContractError(f"Softmax2d: {input.spec}; give [b, c, h, w] or [c, h, w]")
        return rl.softmax(input, -3)
