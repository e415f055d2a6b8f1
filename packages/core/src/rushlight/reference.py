"""The numpy backend: the definition of every primitive, and kernels for the commonest composites.

The only room that computes.  Knows no tensor and no tape.  A kernel bears the name of its
operation, which says what it computes.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from .backend import HostBackend
from .errors import ContractError, IndexOutOfRange, LinAlgError, WrongDtype
from .spec import Shape

__all__ = ["ARRAY", "KERNELS", "SELF_CHECKING", "NumpyBackend", "lift", "rushlight_backend"]

Array = np.ndarray[Any, Any]
ARRAY = np.ndarray
lift = np.asarray  # numpy's functions return scalars for 0-d results; a tensor holds arrays only

# Infinities and nan are results here, as in PyTorch, not events to be reported.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"rushlight\.")

FLOAT32, BOOL = np.dtype(np.float32), np.dtype(np.bool_)
WIDE = frozenset(map(np.dtype, "?bBhHiIlLfd"))  # all types but float16 and bfloat16


def narrow(x: Array) -> bool:
    """Whether sums of x are carried in float32."""
    dtype = x.dtype
    return dtype is not FLOAT32 and dtype not in WIDE


def widened(x: Array) -> Array:
    """x, or float32 if x is narrow."""
    return x if x.dtype in WIDE else x.astype(np.float32)


def cast(x: Array, dtype: Any) -> Array:
    return x.astype(dtype, copy=False)


def clone(x: Array) -> Array:
    """The same in memory of its own: that of x may be a numpy array of the user's."""
    return x.copy()


def whole(x: Any) -> bool:
    """Whether an array or a number is of integers or bools."""
    return x.dtype.kind in "iub" if hasattr(x, "dtype") else not isinstance(x, float)


def floordiv(x: Any, y: Any) -> Any:
    """floor(x / y).  Raises: ContractError for an integer divided by 0, and for bools."""
    refuse_zero("floordiv", x, y)
    return np.floor_divide(x, y)


def remainder(x: Any, y: Any) -> Any:
    """x - y floor(x / y); a 0 has the sign of x.  Raises: as floordiv."""
    refuse_zero("remainder", x, y)
    z = np.remainder(x, y)
    zero = z == 0
    if whole(z) or not zero.any():
        return z
    return np.where(zero, np.copysign(z, x), z)


def refuse_zero(op: str, x: Any, y: Any) -> None:
    """Raises: ContractError for an integer divided by 0, and for bools."""
    refuse_bools(op, x, y)
    if whole(x) and whole(y) and not np.all(y) and np.size(x):
        raise ContractError(
            f"{op}: an integer divided by zero; make the divisor nonzero or floating point"
        )


def refuse_bools(op: str, x: Any, y: Any) -> None:
    """Raises: WrongDtype if both are of bools."""
    if getattr(x, "dtype", BOOL) is BOOL and getattr(y, "dtype", BOOL) is BOOL:
        raise WrongDtype(f"{op}: of bools there is none; convert one with .to()")


def power(x: Any, y: Any) -> Any:
    """x ** y.  Raises: ContractError for an integer to a negative number, and for bools."""
    refuse_bools("pow", x, y)
    try:
        return x**y  # the operator has fast paths for small whole exponents, np.power has not
    except ValueError as error:
        if isinstance(y, int):
            told = f"pow: {error}; convert the base to floating point"
            raise ContractError(told.lower()) from error
    # to a negative power 0 is left of integers, but of 1 and -1; theirs matter modulo 2
    down, dtype = y < 0, np.result_type(x, y)
    x = np.where(down & (np.abs(x) != 1), 0, x)
    return (x ** np.where(down, 2 - (y & 1), y)).astype(dtype)


error_function = np.frompyfunc(math.erf, 1, 1)


def erf(x: Array) -> Array:
    """The C library's, element by element in float64."""
    return np.asarray(error_function(x.astype(np.float64))).astype(x.dtype)


def where(cond: Array, x: Any, y: Any) -> Any:
    return np.where(cond, x, y)


def relu(x: Array) -> Any:
    return np.maximum(x, ZERO.get(x.dtype, 0))


def gate(x: Array, open: Array) -> Any:
    bits = BITS.get(x.dtype)
    if bits is None:
        return np.where(open > 0, x, ZERO.get(x.dtype, 0))
    # the bits of x times 0 or 1: 0.15 ms where np.where takes 0.97 ms (256 x 1024, signs at random)
    return np.multiply(x.view(bits), open > ZERO.get(open.dtype, 0)).view(x.dtype)


BITS = {np.dtype(f): np.dtype(u) for f, u in (("e", "u2"), ("f", "u4"), ("d", "u8"))}
# beside x twice as fast as a Python 0
ZERO: dict[Any, Any] = {dtype: np.zeros((), dtype) for dtype in map(np.dtype, "bBhilfd")}


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), by exp(-|x|), which does not overflow."""
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x < 0, e, ONE.get(x.dtype, 1.0)) / (1.0 + e), x.dtype)


ONE = {dtype: np.ones((), dtype) for dtype in map(np.dtype, "efd")}

# numpy's own annotations know reduce by keywords only
add_reduce: Callable[..., Array] = np.add.reduce
max_reduce: Callable[..., Array] = np.maximum.reduce
min_reduce: Callable[..., Array] = np.minimum.reduce


def reduction(reduce: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel of a ufunc's reduce over axes, narrow types in float32."""

    def kernel(x: Array, axes: Shape, keepdim: bool) -> Any:
        dtype = x.dtype
        if dtype is FLOAT32:  # the commonest type finds its way first
            return reduce(x, axes, dtype, out=..., keepdims=keepdim)
        if dtype in WIDE:
            return reduce(x, axes, dtype, None, keepdim)
        return reduce(x, axes, FLOAT32, None, keepdim).astype(dtype)

    return kernel


def largest(x: Array, axes: Shape, keepdim: bool) -> Any:
    """The largest over axes; nan if any is."""
    return max_reduce(x, axes, None, None, keepdim)


def smallest(x: Array, axes: Shape, keepdim: bool) -> Any:
    """The smallest over axes; nan if any is."""
    return min_reduce(x, axes, None, None, keepdim)


def argmax(x: Array, axis: int, keepdim: bool) -> Any:
    return x.argmax(axis, keepdims=keepdim)


def mean(x: Array, axes: Shape, keepdim: bool) -> Any:
    n = math.prod([x.shape[i] for i in axes])
    return np.true_divide(total(widened(x), axes, keepdim), n).astype(x.dtype, copy=False)


total = reduction(add_reduce)


def running(accumulate: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel of a ufunc's accumulate along an axis, narrow types in float32."""

    def kernel(x: Array, axis: int) -> Any:
        z = widened(x)
        return accumulate(z, axis, z.dtype).astype(x.dtype, copy=False)

    return kernel


def expand(x: Array, shape: Shape) -> Array:
    """A view of x in which stretched axes have stride 0."""
    if not x.flags.c_contiguous:
        return np.broadcast_to(x, shape)
    # the same view; broadcast_to takes 2.3 us to make it, this 0.6
    lead = (0,) * (len(shape) - x.ndim)
    strides = [0 if n == 1 else stride for n, stride in zip(x.shape, x.strides, strict=True)]
    return np.ndarray(shape, x.dtype, x, 0, (*lead, *strides))


def cut(bounds: tuple[tuple[int, int, int], ...]) -> tuple[slice, ...]:
    """numpy's slices for (start, length, step); a backward one that reaches 0 ends at None."""
    out = []
    for start, length, step in bounds:
        stop = start + length * step
        out.append(slice(start, stop if stop >= 0 else None, step) if length else slice(0, 0))
    return tuple(out)


def put_slice(x: Array, part: Array, bounds: tuple[tuple[int, int, int], ...]) -> Array:
    if part.shape != tuple([length for _, length, _ in bounds]):
        raise ValueError("no room for the part")  # the body of the operation says how
    made = x.copy()
    made[cut(bounds)] = part
    return made


def unslice(x: Array, shape: Shape, bounds: tuple[tuple[int, int, int], ...]) -> Array:
    z = np.zeros(shape, x.dtype)
    z[cut(bounds)] = x
    return z


def pad(x: Array, widths: tuple[tuple[int, int], ...], value: float) -> Array:
    shape = tuple([a + n + b for (a, b), n in zip(widths, x.shape, strict=True)])
    z = np.full(shape, value, x.dtype)
    z[tuple([slice(a, a + n) for (a, _), n in zip(widths, x.shape, strict=True)])] = x
    return z


def windows(x: Array, axes: Shape, sizes: Shape, strides: Shape, dilations: Shape) -> Array:
    """A view with a window at every stride, its axes at the end."""
    shape, steps = list(x.shape), list(x.strides)
    for i, k, s, d in zip(axes, sizes, strides, dilations, strict=True):
        shape[i] = (x.shape[i] - d * (k - 1) - 1) // s + 1
        steps[i] *= s
    inner = [x.strides[i] * d for i, d in zip(axes, dilations, strict=True)]
    return np.lib.stride_tricks.as_strided(x, (*shape, *sizes), (*steps, *inner), writeable=False)


def fold(
    x: Array, shape: Shape, axes: Shape, sizes: Shape, strides: Shape, dilations: Shape
) -> Array:
    """Windows summed to where they came from, one element of all windows at a time."""
    z = np.zeros(shape, np.float32 if narrow(x) else x.dtype)
    everything = [slice(None)] * len(shape)
    for place in np.ndindex(*sizes):
        target = everything.copy()
        for i, j, s, d in zip(axes, place, strides, dilations, strict=True):
            target[i] = slice(j * d, j * d + (x.shape[i] - 1) * s + 1, s)
        z[tuple(target)] += x[(..., *place)]
    return z.astype(x.dtype, copy=False)


def matmul(x: Array, y: Array) -> Any:
    if x.dtype is not FLOAT32 and narrow(x):  # the reference sums in float32
        return np.matmul(x.astype(np.float32), y.astype(np.float32)).astype(x.dtype)
    # np.dot takes 0.6 us where np.matmul takes 0.9 us (2 x 2), and 1.0 for 2.0 us (50 x 16 x 16)
    if x.ndim == y.ndim == 2 and x.shape[1] != 1:  # with [1, 1] it says that 0 times nan is 0
        return x.dot(y)
    if x.ndim < 2 or y.ndim < 2:
        raise ValueError("matmul is of two dims or more")  # the contract says how
    return np.matmul(x, y)


def linear(x: Array, weight: Array, bias: Array | None) -> Any:
    if weight.ndim != 2:
        raise ValueError("weight is a matrix")  # the contract says how
    if x.dtype is not FLOAT32 and narrow(x):
        wide = linear(widened(x), widened(weight), None if bias is None else widened(bias))
        return wide.astype(x.dtype)
    z = x.dot(weight.T) if weight.shape[1] != 1 else np.matmul(x, weight.T)  # see matmul
    if bias is not None:
        np.add(z, bias, z)
    return z


@lru_cache(8)
def ones(n: int, dtype: Any) -> Array:
    """1, n times."""
    made = np.ones(n, dtype)
    made.flags.writeable = False
    return made


def linear_vjp(g: Array, x: Array, weight: Array, asked: tuple[bool, ...]) -> tuple[Any, Any, Any]:
    """g weight, g^T x and the sum of g over rows, where asked."""
    if g.ndim != 2:
        made = linear_vjp(g.reshape(-1, g.shape[-1]), x.reshape(-1, x.shape[-1]), weight, asked)
        return made[0] if made[0] is None else made[0].reshape(x.shape), *made[1:]
    dot = matmul if narrow(g) or 1 in g.shape else ARRAY.dot
    gx = dot(g, weight) if asked[0] else None
    gweight = dot(g.T, x) if asked[1] else None
    if not asked[2]:
        return gx, gweight, None
    # a product with ones takes two thirds of the time of a reduction
    dot = matmul if narrow(g) else ARRAY.dot
    return gx, gweight, dot(ones(len(g), g.dtype), g)


def within(op: str, index: Array, n: int, axis: int) -> Array:
    """The index, if it stays in 0..n-1.  Raises: IndexOutOfRange."""
    if index.size:
        low, high = int(index.min()), int(index.max())
        if low < 0 or high >= n:
            wrong = low if low < 0 else high
            raise IndexOutOfRange(
                f"{op}: index {wrong} is out of range for axis {axis} of length {n}"
            )
    return index


def take(x: Array, index: Array, axis: int) -> Array:
    return np.take(x, within("take", index, x.shape[axis], axis), axis)


def spots(op: str, x: Array, index: Array, axis: int) -> tuple[Any, ...]:
    """numpy's index of the elements that gather and scatter_add speak of."""
    within(op, index, x.shape[axis], axis)
    grid = list(np.ogrid[tuple(slice(n) for n in index.shape)])
    grid[axis] = index
    return tuple(grid)


def gather(x: Array, index: Array, axis: int) -> Array:
    return np.asarray(x[spots("gather", x, index, axis)])


def scatter_add(x: Array, index: Array, source: Array, axis: int) -> Array:
    z = x.astype(np.float32) if narrow(x) else x.copy()
    part = source[tuple(slice(n) for n in index.shape)]
    np.add.at(z, spots("scatter_add", x, index, axis), part)
    return z.astype(x.dtype, copy=False)


def scatter(x: Array, index: Array, source: Array, axis: int) -> Array:
    z = x.copy()
    z[spots("scatter", x, index, axis)] = source
    return z


def argsort(x: Array, axis: int, descending: bool) -> Array:
    """The stable order along an axis, nan last; descending, nan first."""
    x = widened(x)
    if not descending:
        return np.argsort(x, axis, kind="stable")
    order = np.argsort(np.flip(x, axis), axis, kind="stable")
    return np.ascontiguousarray(np.flip(x.shape[axis] - 1 - order, axis))


def ungather(x: Array, index: Array, shape: Shape, axis: int) -> Array:
    z = np.zeros(shape, x.dtype)
    if index.shape[axis] == 1:  # no index repeats
        z[spots("gather", z, index, axis)] = x
        return z
    return scatter_add(z, index, x, axis)


def lapack(op: str, function: Callable[..., Any], advice: str) -> Callable[..., Any]:
    """The kernel of one of numpy's functions.  Raises: LinAlgError for what it cannot compute."""

    def kernel(*given: Any) -> Any:
        try:
            return function(*given)
        except np.linalg.LinAlgError as error:
            raise LinAlgError(f"{op}: {error}; {advice}".lower()) from error

    return kernel


def cholesky(x: Array) -> Any:
    """The lower factor; LAPACK lets nan through."""
    z = np.linalg.cholesky(x)
    if np.isnan(np.linalg.diagonal(z)).any():
        raise np.linalg.LinAlgError("Matrix is not positive definite")
    return z


def slogdet(x: Array) -> Array:
    """The sign of the determinant beside the logarithm of its size."""
    return np.stack(np.linalg.slogdet(x), -1)


def qr(x: Array) -> Array:
    """q above r^T."""
    q, r = np.linalg.qr(x)
    return np.concatenate((q, r.mT), -2)


def eigh(x: Array) -> Array:
    """Eigenvalues above their vectors."""
    w, v = np.linalg.eigh(x)
    return np.concatenate((w[..., None, :], v), -2)


def svd(x: Array, full: bool) -> Array:
    """Left vectors above singular values above right vectors, with 0 where a column has none."""
    u, s, vt = np.linalg.svd(x, full)
    parts = (u, s[..., None, :], vt.mT)
    columns = max(u.shape[-1], vt.shape[-2])
    around = [(0, 0)] * (x.ndim - 1)
    return np.concatenate([np.pad(y, (*around, (0, columns - y.shape[-1]))) for y in parts], -2)


SINGULAR = "give matrices that have an inverse"
FINITE = "give finite matrices"


# numpy has one device, so these do not ask which
def full(value: Any, shape: Shape, dtype: Any, device: int) -> Array:  # noqa: ARG001
    return np.full(shape, value, dtype)


def iota(length: int, dtype: Any, device: int) -> Array:  # noqa: ARG001
    return np.arange(length).astype(dtype, copy=False)


MULTIPLY = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
WEYL = 0x9E3779B9, 0xBB67AE85
LOW, HALF = np.uint64(0xFFFFFFFF), np.uint64(32)


def random_bits(key: int, counter: int, shape: Shape, device: int) -> Array:  # noqa: ARG001
    """Philox4x32-10: ten rounds on blocks of 128 bits, which are counted in the lower 64."""
    count = math.prod(shape)
    lane, first = divmod(int(counter) % 2**128, 2**64)
    c = np.arange(-(-count // 4), dtype=np.uint64) + np.uint64(first)  # wraps, as the counter does
    c0, c1 = c & LOW, c >> HALF
    c2, c3 = np.full_like(c, lane % 2**32), np.full_like(c, lane // 2**32)
    k0, k1 = int(key) % 2**32, int(key) // 2**32 % 2**32
    for _ in range(10):
        p, q = c0 * MULTIPLY[0], c2 * MULTIPLY[1]
        c0, c1 = (q >> HALF) ^ c1 ^ np.uint64(k0), q & LOW
        c2, c3 = (p >> HALF) ^ c3 ^ np.uint64(k1), p & LOW
        k0, k1 = (k0 + WEYL[0]) % 2**32, (k1 + WEYL[1]) % 2**32
    words = np.stack([c0, c1, c2, c3], axis=1).astype(np.uint32)
    return words.reshape(-1)[:count].reshape(shape)


# A kernel writes arrays of its own in place: that halves the time on a thousand elements.


def softmax(x: Array, axis: int) -> Array:
    z = widened(x)
    z = z - max_reduce(z, axis, None, None, True)
    np.exp(z, z)
    z /= add_reduce(z, axis, None, None, True)
    return z.astype(x.dtype, copy=False)


def softmax_vjp(g: Array, z: Array, axis: int) -> tuple[Array]:
    """(g - sum(g z)) z."""
    gx = widened(g) * z
    gx -= z * add_reduce(gx, axis, None, None, True)
    return (gx.astype(g.dtype, copy=False),)


def mean_over(x: Array, axes: Shape) -> Array:
    """The mean over axes that stay as length one."""
    total = add_reduce(x, axes, None, None, True)
    total /= math.prod([x.shape[i] for i in axes])
    return np.asarray(total)


def layer_norm_fwd(
    x: Array, weight: Any, bias: Any, axes: Shape, eps: float
) -> tuple[Array, Array, Array]:
    """(x - mu) rstd weight + bias, mu and rstd = 1 / sqrt(var + eps) of each row."""
    z = widened(x)
    mu = mean_over(z, axes)
    z = z - mu
    rstd = mean_over(z * z, axes)
    rstd += eps
    np.sqrt(rstd, rstd)
    np.divide(1, rstd, rstd)
    z *= rstd
    return placed(z, weight, bias).astype(x.dtype, copy=False), mu, rstd


def placed(z: Array, weight: Any, bias: Any) -> Array:
    """z weight + bias, in z's memory."""
    if weight is not None:
        z *= weight
    if bias is not None:
        z += bias
    return z


def layer_norm(x: Array, weight: Any, bias: Any, axes: Shape, eps: float) -> Array:
    return layer_norm_fwd(x, weight, bias, axes, eps)[0]


def layer_norm_vjp(
    g: Array, x: Array, weight: Any, mu: Array, rstd: Array, axes: Shape, asked: tuple[bool, ...]
) -> tuple[Any, Any, Any]:
    """gx = rstd (h - mean(h) - y mean(h y)) with h = g weight, y = (x - mu) rstd."""
    dtype, g = g.dtype, widened(g)
    rows = tuple(range(axes[0]))
    y = x - mu
    y *= rstd
    gx = gweight = gbias = None
    if asked[1]:
        gweight = add_reduce(g * y, rows).astype(dtype, copy=False)
    if asked[2]:
        gbias = add_reduce(g, rows).astype(dtype, copy=False)
    if asked[0]:
        h = g if weight is None else g * weight
        gx = h - mean_over(h, axes)
        y *= mean_over(h * y, axes)
        gx -= y
        gx *= rstd
        gx = gx.astype(dtype, copy=False)
    return gx, gweight, gbias


def per_channel(p: Array, ndim: int) -> Array:
    """[c] -> [1, c, 1, ..]."""
    return p.reshape(1, -1, *(1,) * (ndim - 2))


def batch_norm_fwd(x: Array, weight: Any, bias: Any, eps: float) -> tuple[Array, ...]:
    """(x - mu) / sqrt(variance + eps) * weight + bias, mu and variance of each channel."""
    axes = (0, *range(2, x.ndim))
    z = widened(x)
    mu = mean_over(z, axes)
    z = z - mu
    variance = mean_over(z * z, axes)
    scale = 1 / np.sqrt(variance + eps)
    z *= scale if weight is None else scale * per_channel(weight, x.ndim)
    z = placed(z, None, None if bias is None else per_channel(bias, x.ndim))
    return tuple([v.astype(x.dtype, copy=False) for v in (z, mu, variance)])


def batch_norm(x: Array, weight: Any, bias: Any, eps: float) -> Array:
    return batch_norm_fwd(x, weight, bias, eps)[0]


def batch_norm_vjp(
    g: Array, x: Array, weight: Any, mu: Array, variance: Array, eps: float, asked: tuple[bool, ...]
) -> tuple[Any, Any, Any]:
    """gx = weight rstd (g - mean(g) - y mean(g y)) with y = (x - mu) rstd."""
    dtype, g = g.dtype, widened(g)
    axes = (0, *range(2, x.ndim))
    rstd = 1 / np.sqrt(widened(variance) + eps)
    y = x - mu
    y *= rstd
    g_mean, gy_mean = mean_over(g, axes), mean_over(g * y, axes)
    n = x.size // x.shape[1]
    gx = None
    if asked[0]:
        y *= gy_mean
        y += g_mean
        gx = np.subtract(g, y, y)
        gx *= rstd if weight is None else rstd * per_channel(weight, x.ndim)
        gx = gx.astype(dtype, copy=False)
    gweight, gbias = [
        (mean * n).reshape(-1).astype(dtype, copy=False) if wanted else None
        for mean, wanted in zip((gy_mean, g_mean), asked[1:], strict=True)
    ]
    return gx, gweight, gbias


def cross_entropy_fwd(x: Array, target: Array, ignore: int) -> tuple[Array, ...]:
    """The mean loss; log(sum(exp(x))) as the largest and the rest; how many rows count."""
    if x.ndim != 2 or target.shape != x.shape[:1]:
        raise ValueError("logits and targets do not fit")  # the body of the operation says how
    z = widened(x)
    top = max_reduce(z, 1, None, None, True)
    z = z - top
    rest = np.log(add_reduce(np.exp(z), 1, None, None, True))
    lines = np.arange(len(target))
    valid = target != ignore
    rows = np.count_nonzero(valid)
    if rows != len(target):
        lines, target = lines[valid], target[valid]
    within("cross_entropy", target, x.shape[1], 1)
    losses = rest[lines, 0]
    losses -= z[lines, target]
    loss = add_reduce(losses) / np.float32(rows)
    return tuple([np.asarray(v, x.dtype) for v in (loss, top, rest, rows)])


def cross_entropy(x: Array, target: Array, ignore: int) -> Any:
    return cross_entropy_fwd(x, target, ignore)[0]


def cross_entropy_vjp(
    g: Any, x: Array, target: Array, top: Array, rest: Array, rows: Any, ignore: int
) -> tuple[Array, None]:
    """(softmax(x) - one_hot(target)) g / rows in the rows that count."""
    gx = widened(x) - top
    gx -= rest
    np.exp(gx, gx)
    lines = np.flatnonzero(target != ignore)
    gx[lines, target[lines]] -= 1
    gx *= g / rows
    if len(lines) < len(target):
        gx[target == ignore] = 0  # also where g / rows is nan
    return gx.astype(x.dtype, copy=False), None


def mse(x: Array, y: Array) -> Any:
    away = widened(x) - widened(y)
    away *= away
    z = add_reduce(away, None) / away.size
    return z if z.dtype is x.dtype else z.astype(x.dtype)


def mse_vjp(g: Array, x: Array, y: Array, asked: tuple[bool, ...]) -> tuple[Any, Any]:
    """2 g (x - y) / n, and its opposite."""
    gx = widened(x) - widened(y)
    gx *= float(g) * (2.0 / max(x.size, 1))
    gx = gx if gx.dtype is x.dtype else gx.astype(x.dtype)
    return gx if asked[0] else None, -gx if asked[1] else None


def adam(
    step: int, lr: float, beta1: float, beta2: float, eps: float, weight_decay: float,
    m: Array, v: Array, *group: Array, decoupled: bool, maximize: bool,
) -> tuple[Array, ...]:  # fmt: skip
    """p - lr m' / (sqrt(v') + eps) for all parameters of a group at once."""
    if narrow(m):
        wide = map(widened, (m, v, *group))
        how: dict[str, Any] = {"decoupled": decoupled, "maximize": maximize}
        made = adam(step, lr, beta1, beta2, eps, weight_decay, *wide, **how)
        return tuple([x.astype(m.dtype) for x in made])
    half = len(group) // 2
    g = np.concatenate(group[half:], None)
    if maximize:
        np.negative(g, g)
    if weight_decay and not decoupled:
        g += np.concatenate(group[:half], None) * weight_decay
    keep_m, take_m, keep_v, take_v = shares(beta1, beta2, m.dtype)
    m = m * keep_m
    m += g * take_m
    g *= g
    g *= take_v
    v = v * keep_v
    v += g
    root = (1 - beta2**step) ** 0.5
    change = np.sqrt(v)
    change += eps * root  # the root is taken out of the fraction: one sweep less
    np.divide(m, change, change)
    change *= lr * root / (1 - beta1**step)
    keep = 1 - lr * weight_decay if decoupled and weight_decay else None
    new, start = [], 0
    for p in group[:half]:
        end = start + p.size
        part = change[start:end] if p.ndim == 1 else change[start:end].reshape(p.shape)
        new.append((p if keep is None else p * keep) - part)
        start = end
    return m, v, *new


@lru_cache
def shares(beta1: float, beta2: float, dtype: Any) -> tuple[Array, ...]:
    """beta1, 1 - beta1, beta2, 1 - beta2 as arrays: half the time of a product with a float."""
    return tuple([np.array(share, dtype) for share in (beta1, 1 - beta1, beta2, 1 - beta2)])


NUMPYS = (  # names that numpy has too
    "maximum minimum equal not_equal less less_equal greater greater_equal bitwise_and bitwise_or "
    "bitwise_xor abs floor exp log sqrt sin cos tanh ceil trunc round log1p expm1 log2 log10 exp2 "
    "logaddexp tan sinh cosh hypot"
)
OWN = (  # under their names; a pass `op_vjp` is `op.vjp`
    cast, clone, floordiv, remainder, where, erf, relu, gate, sigmoid, argmax, mean, expand,
    put_slice, unslice, pad, windows, fold, matmul, linear, linear_vjp, take, gather, ungather,
    scatter_add, scatter, argsort, slogdet, qr, full, iota, random_bits, softmax, softmax_vjp,
    layer_norm, layer_norm_fwd, layer_norm_vjp, batch_norm,
    batch_norm_fwd, batch_norm_vjp, cross_entropy, cross_entropy_fwd,
    cross_entropy_vjp, mse, mse_vjp, adam,
)  # fmt: skip
KERNELS: dict[str, Callable[..., Any]] = {
    **{name: getattr(np, name) for name in NUMPYS.split()},
    **{f"a{name}": getattr(np, f"arc{name}") for name in "sin cos tan tan2 sinh cosh tanh".split()},
    **{re.sub("_(fwd|vjp)$", r".\1", kernel.__name__): kernel for kernel in OWN},
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.true_divide,
    "pow": power,
    "bitwise_not": np.invert,
    "kink": where,
    "kinked": lambda x, cond, _: np.where(cond, x, ZERO.get(x.dtype, 0)),
    "neg": np.negative,
    "root": np.sqrt,
    "sum": total,
    "prod": reduction(np.multiply.reduce),
    "max": largest,
    "min": smallest,
    "cumsum": running(np.add.accumulate),
    "cumprod": running(np.multiply.accumulate),
    "cummax": np.maximum.accumulate,
    "reshape": ARRAY.reshape,
    "permute": ARRAY.transpose,
    "slice": lambda x, bounds: x[cut(bounds)],
    "concat": lambda *xs, axis: np.concatenate(xs, axis),
    "inv": lapack("inv", np.linalg.inv, SINGULAR),
    "solve": lapack("solve", np.linalg.solve, SINGULAR),
    "det": np.linalg.det,
    "cholesky": lapack("cholesky", cholesky, "give symmetric positive definite matrices"),
    "eigh": lapack("eigh", eigh, FINITE),
    "svd": lapack("svd", svd, FINITE),
}
# These raise by themselves on all that their contract forbids; the others numpy reads more laxly.
SELF_CHECKING = KERNELS.keys() & frozenset(
    "cast add mul div floordiv pow maximum minimum equal less bitwise_not bitwise_and bitwise_or "
    "bitwise_xor neg abs floor exp log sqrt sin cos tanh erf sum reshape permute matmul".split()
)


class NumpyBackend(HostBackend):
    """numpy on the CPU; embedded in core."""

    name = "numpy"
    protocol = (1, 0)


def rushlight_backend() -> NumpyBackend:
    """The plug-in hook; core calls it without pluggy."""
    return NumpyBackend()
