"""Factors of matrices and what they solve, in float32 or float64.

Optional for a backend: core computes them on the reference where a device has no kernel.  Several
factors are one result, one above the other, from which slices take them.
"""

from __future__ import annotations

from typing import Any

from ..dtypes import float32, float64
from ..errors import ContractError
from ..op import composite, primitive
from ..spec import Shape, Spec, broadcast
from .contraction import matmul, turned
from .creation import naturals
from .elementwise import equal, greater, greater_equal, less, maximum, where
from .reduction import prod, sum

__all__ = ["cholesky", "cofactor", "det", "eigh", "inv", "pinv", "qr", "slogdet", "solve", "svd"]


def matrix(op: str, x: Spec) -> None:
    """Raises: ContractError unless x is of matrices whose factors can be computed."""
    if x.ndim < 2 or x.dtype not in (float32, float64):
        raise ContractError(f"{op}: {x}; give matrices [*b, m, n] of float32 or float64")


def square(op: str, x: Spec) -> None:
    """Raises: ContractError unless x is of square matrices."""
    matrix(op, x)
    if x.shape[-1] != x.shape[-2]:
        raise ContractError(f"{op}: {x} is not square; give [*b, n, n]")


def offset(x: Any) -> Any:
    """Column less row of each place in a matrix.  [*b, m, n] -> int64[m, n]."""
    rows, columns = (naturals(n, x) for n in x.shape[-2:])
    return columns - rows.reshape(-1, 1)


def ratio(x: Any, y: Any) -> Any:
    """x / y, and 0 of 0 by 0, where equal eigenvalues leave the direction of vectors free."""
    return x / where(equal(x, 0) & equal(y, 0), 1.0, y)


@primitive(required=False)
def inv(x: Spec) -> Spec:
    """The inverse.  [*b, n, n] -> [*b, n, n].  Raises: LinAlgError for a singular matrix."""
    square("inv", x)
    return x


inv.gradients(x=lambda g, z: matmul(turned(z), matmul(-g, turned(z))))


@primitive(required=False)
def solve(x: Spec, y: Spec) -> Spec:
    """The z with x z = y.  [*b, n, n], [*b, n, k] -> [*b, n, k].

    Raises: LinAlgError for a singular x.
    """
    square("solve", x)
    if y.ndim < 2 or y.shape[-2] != x.shape[-1] or y.dtype is not x.dtype:
        raise ContractError(f"solve: {x} and {y}; give [*b, n, n] and [*b, n, k] of one dtype")
    return Spec((*broadcast("solve", x.shape[:-2], y.shape[:-2]), *y.shape[-2:]), x.dtype)


@solve.vjp
def solve_vjp(g: Any, x: Any, z: Any) -> tuple[Any, Any]:
    """gy = x^-T g, gx = -gy z^T.  Source: Giles 2008, "Collected matrix derivative results", 2.3.1.

    The matrix of y is not read.
    """
    gy = solve(turned(x), g)
    return -matmul(gy, turned(z)), gy


@primitive(required=False)
def det(x: Spec) -> Spec:
    """The determinant; 1 of an empty matrix.  [*b, n, n] -> [*b]."""
    square("det", x)
    return Spec(x.shape[:-2], x.dtype)


@composite
def cofactor(x: Any) -> Any:
    """The gradient of det(x): det(x) x^-T, and its limit where x is singular.  [*b, n, n] -> same.

    With x = U diag(s) V^T: det(U V^T) U diag(the product of all other s) V^T.
    """
    n = x.shape[-1]
    u, s, v = triplets(svd(x, full=False), n)
    others = prod(where(equal(offset(x), 0), 1.0, s), axes=(x.ndim - 1,), keepdim=False)
    sign = det(matmul(u, turned(v)))
    return matmul(u * others[..., None, :], turned(v)) * sign[..., None, None]


@cofactor.vjp
def cofactor_vjp(g: Any, x: Any, z: Any) -> tuple[Any]:
    """With p = x^-T: sum(g p) z - p g^T z.  Raises: LinAlgError for a singular x."""
    p, n = turned(inv(x)), x.ndim
    return (sum(g * p, axes=(n - 2, n - 1), keepdim=True) * z - matmul(p, matmul(turned(g), z)),)


det.gradients(x=lambda g, x: g[..., None, None] * cofactor(x))


@primitive(required=False)
def slogdet(x: Spec) -> Spec:
    """The sign of the determinant, and the logarithm of its size.  [*b, n, n] -> [*b, 2]."""
    square("slogdet", x)
    return Spec((*x.shape[:-2], 2), x.dtype)


slogdet.gradients(x=lambda g, x: g[..., 1:, None] * turned(inv(x)))


@primitive(required=False)
def cholesky(x: Spec) -> Spec:
    """The lower triangular z with z z^T = x; of x the lower triangle is read.  [*b, n, n] -> same.

    Raises: LinAlgError unless x is positive definite.
    """
    square("cholesky", x)
    return x


def cholesky_gx(g: Any, z: Any) -> Any:
    """The symmetric part of z^-T p z^-1, p the lower triangle of z^T g, its diagonal halved.

    Source: Murray 2016, arXiv:1602.07527, eq. 10.
    """
    p = matmul(turned(z), g)
    below = offset(p)
    p = where(less(below, 0), p, where(equal(below, 0), p * 0.5, 0.0))
    s = solve(turned(z), turned(solve(turned(z), p)))
    return (s + turned(s)) * 0.5


cholesky.gradients(x=cholesky_gx)


@primitive(required=False)
def qr(x: Spec) -> Spec:
    """An orthonormal q above r^T, r upper triangular, with q r = x.

    [*b, m, n] -> [*b, m + n, n], m not below n.
    """
    matrix("qr", x)
    m, n = x.shape[-2:]
    if m < n:
        raise ContractError(f"qr: {x}; give no more columns than rows")
    return Spec((*x.shape[:-2], m + n, n), x.dtype)


def qr_gx(g: Any, z: Any, x_shape: Shape) -> Any:
    """(gq + q h) r^-T, h the upper triangle of gr r^T - q^T gq, mirrored.

    Source: Seeger, Hetzel, Dai, Meissner, Lawrence 2017, arXiv:1710.08717, section 3.
    """
    m = x_shape[-2]
    gq, gr, q, r = g[..., :m, :], turned(g[..., m:, :]), z[..., :m, :], turned(z[..., m:, :])
    h = matmul(gr, turned(r)) - matmul(turned(q), gq)
    h = where(greater_equal(offset(h), 0), h, turned(h))
    return turned(solve(r, turned(gq + matmul(q, h))))


qr.gradients(x=qr_gx)


@primitive(required=False)
def eigh(x: Spec) -> Spec:
    """Eigenvalues in ascending order, and below each its unit eigenvector.

    [*b, n, n] -> [*b, 1 + n, n].  x is taken for symmetric: its lower triangle is read.
    """
    square("eigh", x)
    return Spec((*x.shape[:-2], x.shape[-1] + 1, x.shape[-1]), x.dtype)


def eigh_gx(g: Any, z: Any) -> Any:
    """v (diag(gw) + v^T gv / (w_j - w_i)) v^T.  Source: Giles 2008, section 3.1."""
    gw, w, v = g[..., :1, :], z[..., :1, :], z[..., 1:, :]
    h = matmul(turned(v), g[..., 1:, :])
    diagonal = equal(offset(h), 0)
    h = where(diagonal, gw, ratio(h, where(diagonal, 1.0, w - turned(w))))
    return matmul(matmul(v, h), turned(v))


eigh.gradients(x=eigh_gx)


@primitive(required=False)
def svd(x: Spec, *, full: bool) -> Spec:
    """In each column a left singular vector u_i, a singular value s_i, and a right vector v_i.

    x is the sum of s_i u_i v_i^T, s_i in descending order.
    [*b, m, n] -> [*b, m + 1 + n, min(m, n)]; full: max(m, n) columns, with 0 for what is not.
    """
    matrix("svd", x)
    m, n = x.shape[-2:]
    return Spec((*x.shape[:-2], m + 1 + n, max(m, n) if full else min(m, n)), x.dtype)


def triplets(z: Any, m: int) -> tuple[Any, Any, Any]:
    """The columns of a result of svd.  [*b, m + 1 + n, k] -> [*b, m, k], [*b, 1, k], [*b, n, k]."""
    return z[..., :m, :], z[..., m : m + 1, :], z[..., m + 1 :, :]


def svd_gx(g: Any, z: Any, x_shape: Shape) -> Any:
    """u (h s + s k + diag(gs)) v^T, and what gu and gv have outside of the span of u and v.

    h, k: (u^T gu, v^T gv less their transposes) / (s_j^2 - s_i^2).
    Source: Giles 2008, section 3.2; Seeger et al. 2017, arXiv:1710.08717, section 3.
    """
    m, n = x_shape[-2:]
    least = min(m, n)
    gu, gs, gv = triplets(g[..., :least], m)
    u, s, v = triplets(z[..., :least], m)
    gap = (s - turned(s)) * (s + turned(s))
    h, k = (matmul(turned(a), ga) for a, ga in ((u, gu), (v, gv)))
    h, k = ratio(h - turned(h), gap), ratio(k - turned(k), gap)
    inner = where(equal(offset(gap), 0), gs, h * s + turned(s) * k)
    gx = matmul(matmul(u, inner), turned(v))
    if m > n:
        gx = gx + matmul(beyond(ratio(gu, s), u), turned(v))
    return gx + matmul(u, turned(beyond(ratio(gv, s), v))) if n > m else gx


def beyond(y: Any, u: Any) -> Any:
    """What y has outside of the span of u.  [*b, m, k], [*b, m, k] -> [*b, m, k]."""
    return y - matmul(u, matmul(turned(u), y))


svd.gradients(x=svd_gx)


@composite
def pinv(x: Any, *, atol: float, rtol: float) -> Any:
    """The Moore-Penrose inverse; singular values up to max(atol, rtol s_0) count as 0.

    [*b, m, n] -> [*b, n, m].
    """
    u, s, v = triplets(svd(x, full=False), x.shape[-2])
    none = ~greater(s, maximum(s[..., :1] * rtol, atol))
    return matmul(where(none, 0.0, 1.0 / where(none, 1.0, s)) * v, turned(u))


@pinv.vjp
def pinv_vjp(g: Any, x: Any, z: Any) -> tuple[Any]:
    """-z^T g z^T + (1 - x z) g^T z z^T + z^T z g^T (1 - z x).

    Source: Golub, Pereyra 1973, "The differentiation of pseudo-inverses", eq. 4.12.
    """
    zt, gt = turned(z), turned(g)
    left, right = matmul(gt, matmul(z, zt)), matmul(matmul(zt, z), gt)
    gx = left - matmul(x, matmul(z, left)) + right - matmul(matmul(right, z), x)
    return (gx - matmul(matmul(zt, g), zt),)
