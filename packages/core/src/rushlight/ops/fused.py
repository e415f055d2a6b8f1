"""Composites worth a kernel of their own: softmax, attention, norms and losses."""

from __future__ import annotations

from math import inf
from typing import Any

from .. import dtypes
from ..errors import ContractError
from ..op import composite
from ..spec import EVERY, Shape, Spec
from .contraction import matmul, turned
from .creation import iota
from .elementwise import (
    cast,
    equal,
    exp,
    floating_composite,
    greater_equal,
    log,
    maximum,
    not_equal,
    rsqrt,
    where,
)
from .indexing import gather
from .movement import reshape
from .reduction import count, max, mean, nonempty, sum

__all__ = [
    "attention", "batch_norm", "binary_cross_entropy", "cross_entropy", "layer_norm", "log_softmax",
    "mse", "softmax",
]  # fmt: skip


@floating_composite
def softmax(x: Any, *, axis: int) -> Any:
    """exp(x) / sum(exp(x)) along an axis, without overflow.  [.., n, ..] -> [.., n, ..]."""
    nonempty("softmax", x, (axis,))
    e = exp(x - max(x, (axis,), keepdim=True))
    return e / sum(e, (axis,), keepdim=True)


@softmax.vjp
def softmax_vjp(g: Any, z: Any, *, axis: int) -> tuple[Any]:
    """(g - sum(g z)) z."""
    return ((g - sum(g * z, (axis,), keepdim=True)) * z,)


@floating_composite
def log_softmax(x: Any, *, axis: int) -> Any:
    """x - log(sum(exp(x))) along an axis, without overflow.  [.., n, ..] -> [.., n, ..]."""
    nonempty("log_softmax", x, (axis,))
    x = x - max(x, (axis,), keepdim=True)
    return x - log(sum(exp(x), (axis,), keepdim=True))


@log_softmax.vjp
def log_softmax_vjp(g: Any, z: Any, *, axis: int) -> tuple[Any]:
    """g - softmax(x) sum(g)."""
    return (g - exp(z) * sum(g, (axis,), keepdim=True),)


@composite(free=("mask",))
def attention(q: Any, k: Any, v: Any, mask: Any, *, causal: bool, scale: float) -> Any:
    """softmax(q k^T scale + mask) v.  [*b, l, e], [*b, s, e], [*b, s, v], [*b, l, s] -> [*b, l, v].

    mask: None, added, or bools: True where a key is seen.  A row that sees none becomes 0.
    causal: the i-th row of q sees the first i + 1 of k and v.
    Source: Vaswani et al. 2017, arXiv:1706.03762, eq. 1.
    """
    return attention_fwd(q, k, v, mask, causal=causal, scale=scale)[0]


def scores(q: Any, k: Any, mask: Any, causal: bool) -> Any:
    """q k^T + mask, -inf where a row of q does not see one of k.  -> [*b, l, s]."""
    z = matmul(q, turned(k))
    if mask is not None:
        if mask.shape != z.shape:
            raise ContractError(
                f"attention: a mask {list(mask.shape)} for scores {list(z.shape)}; expand it"
            )
        z = where(mask, z, -inf) if mask.dtype is dtypes.bool_ else z + cast(mask, z.dtype)
    if not causal:
        return z
    rows, columns = (iota(length=n, dtype=dtypes.int64, device=q.device) for n in z.shape[-2:])
    return where(greater_equal(reshape(rows, (z.shape[-2], 1)), columns), z, -inf)


@attention.residuals("top", "total")
def attention_fwd(
    q: Any, k: Any, v: Any, mask: Any, *, causal: bool, scale: float
) -> tuple[Any, Any, Any]:
    """attention; of each row of scores the largest, and sum(exp(score - largest)); 0, 1 of none."""
    s = scores(q * scale, k, mask, causal)
    rows = (s.ndim - 1,)
    nonempty("attention", s, rows)
    top = max(s, rows, keepdim=True)
    blind = None if mask is None else equal(top, -inf)
    top = top if mask is None else where(blind, 0.0, top)
    e = exp(s - top)
    total = sum(e, rows, keepdim=True)
    total = total if mask is None else where(blind, 1.0, total)
    return matmul(e / total, v), top, total


@attention.vjp
def attention_vjp(
    g: Any, q: Any, k: Any, v: Any, mask: Any, top: Any, total: Any,
    *, causal: bool, scale: float, asked: tuple[bool, ...],
) -> tuple[Any, ...]:  # fmt: skip
    """gv = p^T g, gq = h k scale, gk = h^T q scale, gmask = h.

    p = softmax(q k^T scale + mask), which is computed again and not kept; h = p (y - sum(y p)),
    y = g v^T.  Source: Dao et al. 2022, arXiv:2205.14135, appendix B.4.
    """
    q = q * scale
    p = exp(scores(q, k, mask, causal) - top) / total
    y = matmul(g, turned(v))
    h = (y - sum(y * p, (y.ndim - 1,), keepdim=True)) * p
    gmask = cast(h, mask.dtype) if asked[3] else None
    return matmul(h, k) * scale, matmul(turned(h), q), matmul(turned(p), g), gmask


def scaled(z: Any, weight: Any, bias: Any) -> Any:
    """z weight + bias, each of which may be None."""
    z = z if weight is None else z * weight
    return z if bias is None else z + bias


@composite
def layer_norm(x: Any, weight: Any, bias: Any, *, axes: Shape, eps: float) -> Any:
    """(x - mean) / sqrt(var + eps) * weight + bias over the last axes.

    [*s, *n], [*n], [*n] -> [*s, *n].  weight and bias may be None.
    eps: added to the variance, in units of x squared.
    Source: Ba, Kiros, Hinton 2016, arXiv:1607.06450, eq. 4.
    """
    return layer_norm_fwd(x, weight, bias, axes=axes, eps=eps)[0]


@layer_norm.residuals("mu", "rstd")
def layer_norm_fwd(
    x: Any, weight: Any, bias: Any, *, axes: Shape, eps: float
) -> tuple[Any, Any, Any]:
    """layer_norm, with the mean and 1 / sqrt(var + eps) of each row."""
    row = tuple(x.shape[axes[0] :])
    for p in (weight, bias):
        if p is not None and p.shape != row:
            raise ContractError(
                f"layer_norm: weight or bias {list(p.shape)} for {Spec(x.shape, x.dtype)}; "
                f"give it shape {list(row)}"
            )
    mu = mean(x, axes, keepdim=True)
    away = x - mu
    rstd = rsqrt(mean(away * away, axes, keepdim=True) + eps)
    return scaled(away * rstd, weight, bias), mu, rstd


@layer_norm.vjp
def layer_norm_vjp(
    g: Any, x: Any, weight: Any, mu: Any, rstd: Any, *, axes: Shape, asked: tuple[bool, ...]
) -> tuple[Any, Any, Any]:
    """gx = rstd (h - mean(h) - y mean(h y)) with h = g weight, y = (x - mean) rstd."""
    y = (x - mu) * rstd
    rows = tuple(range(axes[0]))
    gx = None
    if asked[0]:
        h = g if weight is None else g * weight
        h_mean, hy_mean = (mean(v, axes, keepdim=True) for v in (h, h * y))
        gx = (h - h_mean - y * hy_mean) * rstd
    gweight = sum(g * y, rows, keepdim=False) if asked[1] else None
    return gx, gweight, sum(g, rows, keepdim=False) if asked[2] else None


@composite
def batch_norm(x: Any, weight: Any, bias: Any, *, eps: float) -> Any:
    """(x - mean) / sqrt(var + eps) * weight + bias, per channel.

    [b, c, *s], [c], [c] -> [b, c, *s].
    mean and var are of all but axis 1, var without correction.  weight and bias may be None.
    Source: Ioffe, Szegedy 2015, arXiv:1502.03167, algorithm 1.
    """
    return batch_norm_fwd(x, weight, bias, eps=eps)[0]


def per_channel(p: Any, ndim: int) -> Any:
    """[c] -> [1, c, 1, ..]."""
    return None if p is None else reshape(p, (1, p.shape[0], *(1,) * (ndim - 2)))


@batch_norm.residuals("mu", "variance")
def batch_norm_fwd(x: Any, weight: Any, bias: Any, *, eps: float) -> tuple[Any, Any, Any]:
    """batch_norm, with the mean and variance of each channel, [1, c, 1, ..]."""
    axes, ndim = (0, *range(2, x.ndim)), x.ndim
    mu = mean(x, axes, keepdim=True)
    away = x - mu
    variance = mean(away * away, axes, keepdim=True)
    z = away * rsqrt(variance + eps)
    return scaled(z, per_channel(weight, ndim), per_channel(bias, ndim)), mu, variance


@batch_norm.vjp
def batch_norm_vjp(
    g: Any, x: Any, weight: Any, mu: Any, variance: Any, *, eps: float, asked: tuple[bool, ...]
) -> tuple[Any, Any, Any]:
    """gx = weight rstd (g - mean(g) - y mean(g y)) with y = (x - mean) rstd."""
    axes, ndim = (0, *range(2, x.ndim)), x.ndim
    n = count(x.shape, axes)
    rstd = rsqrt(variance + eps)
    y = (x - mu) * rstd
    g_sum, gy_sum = (sum(v, axes, keepdim=True) for v in (g, g * y))
    gx = None
    if asked[0]:
        scale = rstd if weight is None else rstd * per_channel(weight, ndim)
        gx = (g - (g_sum + y * gy_sum) * (1.0 / n)) * scale
    channels = (x.shape[1],)
    gweight = reshape(gy_sum, channels) if asked[1] else None
    return gx, gweight, reshape(g_sum, channels) if asked[2] else None


@floating_composite
def binary_cross_entropy(x: Any, y: Any) -> Any:
    """-(y log(x) + (1 - y) log(1 - x)), logarithms at least -100.  [*s], [*s] -> [*s]."""
    yes, no = (maximum(log(p), -100.0) for p in (x, 1.0 - x))
    return -(y * yes + (1.0 - y) * no)


def binary_cross_entropy_gx(g: Any, x: Any, y: Any) -> Any:
    """g (x - y) / (x (1 - x)), the divisor at least 1e-12: finite at 0 and 1, as PyTorch's."""
    least = 1e-7 if x.dtype is dtypes.float16 else 1e-12  # in float16 1e-12 is 0
    return g * (x - y) / maximum((1.0 - x) * x, least)


def binary_cross_entropy_gy(g: Any, x: Any) -> Any:
    """g (log(1 - x) - log(x)), logarithms at least -100."""
    return g * (maximum(log(1.0 - x), -100.0) - maximum(log(x), -100.0))


binary_cross_entropy.gradients(x=binary_cross_entropy_gx, y=binary_cross_entropy_gy)


@composite(free=("target",))
def cross_entropy(x: Any, target: Any, *, ignore: int) -> Any:
    """The mean of -log_softmax(x)[target] over rows whose target is not `ignore`; nan of none.

    [n, c], int[n] -> [].
    Raises: IndexOutOfRange for a target that is no class.
    """
    return cross_entropy_fwd(x, target, ignore=ignore)[0]


@cross_entropy.residuals("top", "rest", "rows")
def cross_entropy_fwd(x: Any, target: Any, *, ignore: int) -> tuple[Any, Any, Any, Any]:
    """cross_entropy; log(sum(exp(x))) of each row as its largest and the rest; how many rows count.

    [n, c], int[n] -> [], [n, 1], [n, 1], [].
    """
    if x.ndim != 2 or target.shape != x.shape[:1]:
        logits, targets = Spec(x.shape, x.dtype), Spec(target.shape, target.dtype)
        raise ContractError(
            f"cross_entropy: logits {logits} with targets {targets}; give [n, classes] and int [n]"
        )
    nonempty("cross_entropy", x, (1,))
    top = max(x, (1,), keepdim=True)
    rest = log(sum(exp(x - top), (1,), keepdim=True))
    valid = reshape(not_equal(target, ignore), (x.shape[0], 1))
    safe = where(valid, reshape(target, (x.shape[0], 1)), 0)
    losses = where(valid, rest - (gather(x, safe, axis=1) - top), 0.0)
    rows = sum(cast(valid, x.dtype), (0, 1), keepdim=False)
    return sum(losses, (0, 1), keepdim=False) / rows, top, rest, rows


@cross_entropy.vjp
def cross_entropy_vjp(
    g: Any, x: Any, target: Any, top: Any, rest: Any, rows: Any, *, ignore: int
) -> tuple[Any, None]:
    """(softmax(x) - one_hot(target)) g / n in the rows that count."""
    n, c = x.shape
    column = reshape(target, (n, 1))
    classes = iota(length=c, dtype=target.dtype, device=target.device)
    away = exp(x - top - rest) - cast(equal(column, classes), x.dtype)
    return where(not_equal(column, ignore), away * (g / rows), 0.0), None


@composite
def mse(x: Any, y: Any) -> Any:
    """The mean of (x - y)^2.  [*s], [*s] -> []."""
    away = x - y
    return mean(away * away, axes=EVERY[x.ndim], keepdim=False)


@mse.vjp
def mse_vjp(g: Any, x: Any, y: Any, *, asked: tuple[bool, ...]) -> tuple[Any, Any]:
    """2 g (x - y) / n, and its opposite."""
    gx = (x - y) * (g * (2.0 / count(x.shape, EVERY[x.ndim])))
    return gx if asked[0] else None, -gx if asked[1] else None
