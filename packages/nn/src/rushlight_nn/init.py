"""Initialisation: fill a tensor with its first values, in place and outside of any gradient.

Every function returns the tensor that it filled.  Random ones draw from `generator`, or from the
default random stream.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

import rushlight as rl

SQRT_2 = math.sqrt(2.0)

# 2 / sqrt(pi), the slope of erf in 0
ERF_SLOPE = 2.0 / math.sqrt(math.pi)

LINEAR = {"linear", *(f"conv{kind}{n}d" for kind in ("", "_transpose") for n in (1, 2, 3))}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """What undoes the shrinking of the standard deviation by a nonlinearity, as a factor.

    1 for linear layers and sigmoid, 5/3 for tanh, sqrt(2) for relu, 3/4 for selu,
    sqrt(2 / (1 + slope**2)) for leaky_relu, whose slope `param` is (0.01 if None).
    Raises: ContractError for another name.
    Source: He, Zhang, Ren, Sun 2015, arXiv:1502.01852, eq. 15.

    >>> calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity in LINEAR or nonlinearity == "sigmoid":
        return 1.0
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return SQRT_2
    if nonlinearity == "selu":
        return 3.0 / 4
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    raise rl.ContractError(
        f"calculate_gain: nonlinearity {nonlinearity!r}; "
        "give linear, sigmoid, tanh, relu, leaky_relu or selu"
    )


def uniform_(
    tensor: rl.Tensor, a: float = 0.0, b: float = 1.0, generator: rl.Generator | None = None
) -> rl.Tensor:
    """Uniform values in [a, b)."""
    with rl.no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(
    tensor: rl.Tensor, mean: float = 0.0, std: float = 1.0, generator: rl.Generator | None = None
) -> rl.Tensor:
    """Normal values of this mean and standard deviation."""
    with rl.no_grad():
        return tensor.normal_(mean, std, generator=generator)


def trunc_normal_(
    tensor: rl.Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: rl.Generator | None = None,
) -> rl.Tensor:
    """Normal values of this mean and standard deviation, given that they lie in [a, b].

    By inversion of the distribution function: mean + sqrt(2) * std * erfinv(2 * u - 1), with u
    uniform between the values of the distribution function in a and b.  Of bounds that lie more
    than about five standard deviations on one side of the mean, float32 resolves little.
    """
    if not a < b:
        raise rl.ContractError(f"trunc_normal_: bounds {a} and {b}; give a < b")
    low, high = (math.erf((bound - mean) / (std * SQRT_2)) for bound in (a, b))
    with rl.no_grad():
        wide = tensor if tensor.dtype in {rl.float32, rl.float64} else tensor.to(rl.float32)
        u = rl.empty_like(wide).uniform_(low, high, generator=generator)
        values = (_erfinv(u) * (std * SQRT_2) + mean).clamp(a, b)
        return tensor.copy_(values)


def _erfinv(y: rl.Tensor) -> rl.Tensor:
    """x with erf(x) = y.  [*s] -> [*s].  Where y is 1 it is large, not infinite.

    A first guess that is right to 0.2 %, then Newton's method with the second derivative
    (Halley's), which triples the number of right digits each time.
    Source: Winitzki 2008, A handy approximation for the error function and its inverse, eq. 7.
    """
    a = 0.147
    largest = 1.0 - float(np.finfo(y.dtype).epsneg)
    y = y.clamp(-largest, largest)
    tail = rl.log((1.0 - y) * (1.0 + y))
    half = tail * 0.5 + 2.0 / (math.pi * a)
    x: rl.Tensor = rl.sqrt(rl.sqrt(half * half - tail / a) - half)
    x = rl.where(y < 0.0, -x, x)
    for _ in range(2):
        change = (rl.erf(x) - y) / (ERF_SLOPE * rl.exp(-(x * x)))
        x = x - change / (1.0 + x * change)
    return x


def constant_(tensor: rl.Tensor, val: float) -> rl.Tensor:
    """The same value everywhere."""
    with rl.no_grad():
        return tensor.fill_(val)


def ones_(tensor: rl.Tensor) -> rl.Tensor:
    """1 everywhere."""
    return constant_(tensor, 1.0)


def zeros_(tensor: rl.Tensor) -> rl.Tensor:
    """0 everywhere."""
    return constant_(tensor, 0.0)


def eye_(tensor: rl.Tensor) -> rl.Tensor:
    """1 on the diagonal, 0 elsewhere.  [n, m].  Raises: ContractError unless there are 2 axes."""
    if tensor.ndim != 2:
        raise rl.ContractError(f"eye_: {tensor.spec}; give a tensor of 2 axes")
    n, m = tensor.shape
    with rl.no_grad():
        return tensor.copy_(rl.eye(n, m, dtype=tensor.dtype, device=tensor.device))


def dirac_(tensor: rl.Tensor, groups: int = 1) -> rl.Tensor:
    """1 in the middle of windows from a channel to itself, 0 elsewhere.  [o, c, *k], 1 to 3 k.

    A convolution by it, with padding, returns its channels.
    groups: of the convolution; each maps its own channels to themselves.
    Raises: ContractError for other dims, or groups that do not divide o.
    """
    if tensor.ndim not in (3, 4, 5) or groups < 1 or tensor.shape[0] % groups:
        raise rl.ContractError(
            f"dirac_: {tensor.spec} in {groups} groups; give 3 to 5 axes, the first divisible by "
            "groups"
        )
    o, c, *window = tensor.shape
    values = np.zeros(tensor.shape)
    for channel in range(min(o // groups, c)):
        at: Any = (slice(channel, None, o // groups), channel, *(k // 2 for k in window))
        values[at] = 1.0
    with rl.no_grad():
        return tensor.copy_(rl.tensor(values, dtype=tensor.dtype, device=tensor.device))


def sparse_(
    tensor: rl.Tensor, sparsity: float, std: float = 0.01, generator: rl.Generator | None = None
) -> rl.Tensor:
    """Normal values of mean 0, but 0 in a share of each column, drawn evenly.  [n, m].

    sparsity: the share, rounded up to ceil(sparsity * n) zeros.
    Raises: ContractError unless there are 2 axes.
    Source: Martens 2010, Deep learning via Hessian-free optimization, section 5.
    """
    if tensor.ndim != 2:
        raise rl.ContractError(f"sparse_: {tensor.spec}; give a tensor of 2 axes")
    zeros = math.ceil(sparsity * tensor.shape[0])
    with rl.no_grad():
        tensor.normal_(0.0, std, generator=generator)
        drawn = rl.empty_like(tensor).uniform_(generator=generator)
        place = rl.argsort(rl.argsort(drawn, dim=0), dim=0)  # of each in its column's order
        tensor.masked_fill_(rl.lt(place, zeros), 0.0)
        return tensor


def xavier_uniform_(
    tensor: rl.Tensor, gain: float = 1.0, generator: rl.Generator | None = None
) -> rl.Tensor:
    """Uniform values in [-x, x], x = gain * sqrt(6 / (fan_in + fan_out)).

    Source: Glorot, Bengio 2010, Understanding the difficulty of training deep feedforward networks,
    eq. 16.
    """
    fan_in, fan_out = fans("xavier_uniform_", tensor)
    bound = gain * math.sqrt(6.0 / (fan_in + fan_out))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(
    tensor: rl.Tensor, gain: float = 1.0, generator: rl.Generator | None = None
) -> rl.Tensor:
    """Normal values of mean 0 and standard deviation gain * sqrt(2 / (fan_in + fan_out)).

    Source: Glorot, Bengio 2010, Understanding the difficulty of training deep feedforward networks,
    eq. 12.
    """
    fan_in, fan_out = fans("xavier_normal_", tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / (fan_in + fan_out)), generator)


def kaiming_uniform_(
    tensor: rl.Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: rl.Generator | None = None,
) -> rl.Tensor:
    """Uniform values in [-x, x], x = gain * sqrt(3 / fan).

    a: the negative slope of the leaky_relu that follows, from which `calculate_gain` has the gain.
    mode: "fan_in" keeps the variance of the forward pass, "fan_out" that of the backward pass.
    Source: He, Zhang, Ren, Sun 2015, arXiv:1502.01852, eq. 15.
    """
    std = _kaiming("kaiming_uniform_", tensor, a, mode, nonlinearity)
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator) if tensor.numel() else tensor


def kaiming_normal_(
    tensor: rl.Tensor,
    a: float = 0.0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: rl.Generator | None = None,
) -> rl.Tensor:
    """Normal values of mean 0 and standard deviation gain / sqrt(fan).

    a, mode and the source as for `kaiming_uniform_`.
    """
    std = _kaiming("kaiming_normal_", tensor, a, mode, nonlinearity)
    return normal_(tensor, 0.0, std, generator) if tensor.numel() else tensor


def _kaiming(name: str, tensor: rl.Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if mode not in {"fan_in", "fan_out"}:
        raise rl.ContractError(f"{name}: mode {mode!r}; give fan_in or fan_out")
    if not tensor.numel():
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return 0.0
    fan_in, fan_out = fans(name, tensor)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan_in if mode == "fan_in" else fan_out)


def orthogonal_(
    tensor: rl.Tensor, gain: float = 1.0, generator: rl.Generator | None = None
) -> rl.Tensor:
    """gain times a random matrix with orthonormal rows, or columns if it has more rows.  [n, *m].

    Drawn evenly from all of them (Haar measure).  The factorisation runs on the host, in numpy.
    Source: Saxe, McClelland, Ganguli 2013, arXiv:1312.6120; Mezzadri 2007, arXiv:math-ph/0609050.
    """
    if tensor.ndim < 2:
        raise rl.ContractError(f"orthogonal_: {tensor.spec}; give a tensor of 2 or more axes")
    if not tensor.numel():
        return tensor
    rows = tensor.shape[0]
    columns = tensor.numel() // rows
    drawn = rl.randn(
        max(rows, columns), min(rows, columns), generator=generator, device="numpy"
    ).numpy()
    q, r = np.linalg.qr(drawn)
    q = q * np.sign(np.diagonal(r))  # makes the factorisation unique, and so the distribution even
    values = (q.T if rows < columns else q) * gain
    with rl.no_grad():
        made = rl.tensor(values.reshape(tensor.shape), dtype=tensor.dtype, device=tensor.device)
        return tensor.copy_(made)


def fans(name: str, tensor: rl.Tensor) -> tuple[int, int]:
    """How many values each output is a sum of, and each input adds to: (fan_in, fan_out).

    Of a weight [out, in, *window]: in * window and out * window.
    Raises: ContractError if the tensor has fewer than 2 axes.
    """
    if tensor.ndim < 2:
        raise rl.ContractError(
            f"{name}: {tensor.spec} has no fan in and fan out; give a tensor of 2 or more axes"
        )
    window = math.prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window
