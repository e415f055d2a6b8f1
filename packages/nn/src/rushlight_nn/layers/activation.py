"""Activations: nonlinear functions of each element, and softmax along an axis."""

from __future__ import annotations

import rushlight as rl

from .. import functional as F
from ..module import Module


class _InPlace(Module):
    """An activation.

    inplace: the input itself becomes the result.
    """

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        return "inplace=True" if self.inplace else ""


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

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input, shrunk where it is negative."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope}" + (", inplace=True" if self.inplace else "")


class ELU(_InPlace):
    """x where x > 0, alpha * (exp(x) - 1) elsewhere.  [*s] -> [*s].

    Source: Clevert, Unterthiner, Hochreiter 2015, arXiv:1511.07289, eq. 15.

    >>> ELU()(rl.tensor([0.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input, bent towards -alpha where it is negative."""
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}" + (", inplace=True" if self.inplace else "")


class SiLU(_InPlace):
    """x * sigmoid(x).  [*s] -> [*s].

    Source: Elfwing, Uchibe, Doya 2017, arXiv:1702.03118, eq. 8.

    >>> SiLU()(rl.zeros(1)).tolist()
    [0.0]
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """input * sigmoid(input)."""
        return F.silu(input, self.inplace)


class ReLU6(_InPlace):
    """min(max(x, 0), 6).  [*s] -> [*s].

    >>> ReLU6()(rl.tensor([-1.0, 7.0])).abs().tolist()
    [0.0, 6.0]
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The function of each element."""
        return F.relu6(input, self.inplace)


class Hardswish(_InPlace):
    """x * min(max(x + 3, 0), 6) / 6.  [*s] -> [*s].

    >>> Hardswish()(rl.tensor([-4.0, 3.0])).abs().tolist()
    [0.0, 3.0]
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The function of each element."""
        return F.hardswish(input, self.inplace)


class Hardsigmoid(_InPlace):
    """min(max(x + 3, 0), 6) / 6.  [*s] -> [*s].

    >>> Hardsigmoid()(rl.tensor([-4.0, 3.0])).abs().tolist()
    [0.0, 1.0]
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The function of each element."""
        return F.hardsigmoid(input, self.inplace)


class Mish(_InPlace):
    """x * tanh(log(1 + exp(x))).  [*s] -> [*s].

    >>> Mish()(rl.tensor([0.0])).abs().tolist()
    [0.0]
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The function of each element."""
        return F.mish(input, self.inplace)


class SELU(_InPlace):
    """1.0507 * x where x > 0, 1.0507 * 1.6733 * (exp(x) - 1) elsewhere.  [*s] -> [*s].

    >>> SELU()(rl.tensor([0.0])).abs().tolist()
    [0.0]
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The function of each element."""
        return F.selu(input, self.inplace)


class Softsign(Module):
    """x / (1 + |x|).  [*s] -> [*s].

    >>> Softsign()(rl.zeros(1)).shape
    (1,)
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The function of each element."""
        return F.softsign(input)


class LogSigmoid(Module):
    """log(1 / (1 + exp(-x))).  [*s] -> [*s].

    >>> LogSigmoid()(rl.zeros(1)).shape
    (1,)
    """

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The function of each element."""
        return F.logsigmoid(input)


class Hardtanh(_InPlace):
    """x between min_val and max_val.  [*s] -> [*s].

    >>> Hardtanh()(rl.tensor([-4.0, 0.5])).tolist()
    [-1.0, 0.5]
    """

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.min_val = min_val
        self.max_val = max_val

    def forward(self, input: rl.Tensor) -> rl.Tensor:
        """The input, bounded."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        said = f"min_val={self.min_val}, max_val={self.max_val}"
        return said + (", inplace=True" if self.inplace else "")


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
        return f"approximate={self.approximate!r}"


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
        return f"beta={self.beta}, threshold={self.threshold}"


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
        return f"dim={self.dim}"


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
