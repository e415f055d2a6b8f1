"""Linear algebra on batches of matrices [*b, m, n] of float32 or float64, as in torch.linalg."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import dtypes, ops
from ..errors import ContractError
from ..ops.contraction import turned
from ..ops.creation import constant
from ..ops.linalg import offset, triplets
from ..ops.movement import part
from ..spec import normal_axis
from .given import Dim, lengths, rank, together, whole
from .indexing import matmul
from .movement import movedim, roll, tril, triu, unsqueeze
from .precision import autocasts
from .reduction import amax, amin, normed, sum

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["cholesky_solve", "det", "inverse", "logdet", "matrix_power", "pinverse", "slogdet"]


def vector_norm(
    x: Tensor, ord: float = 2, dim: Dim = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """(sum of |x|^ord)^(1 / ord) over dim, or over all.  [.., n, ..] -> [.., ..]."""
    return normed("vector_norm", x, ord, dim, keepdim, dtype)


def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *,
    dtype: Any = None,
) -> Tensor:  # fmt: skip
    """The norm of matrices in two dims.  [.., m, .., n, ..] -> [.., .., ..].

    ord: "fro", the root of the sum of squares; "nuc", the sum of singular values; 2 and -2, the
    largest and smallest of them; 1 and -1, the largest and smallest sum of |A| of a column; inf and
    -inf, of a row.
    Raises: ContractError for another ord, and unless there are two dims.
    """
    op, n = "matrix_norm", rank("matrix_norm", A)
    axes = [normal_axis(op, d, n) for d in lengths((dim,))]
    if len(set(axes)) != 2 or n < 2:
        raise ContractError(f"{op}: dim {dim} of {A.spec}; give two different dims")
    if ord == "fro":
        return normed(op, A, 2, axes, keepdim, dtype)
    if ord not in ("nuc", 1, -1, 2, -2, math.inf, -math.inf):
        raise ContractError(f"{op}: ord {ord!r}; give 'fro', 'nuc', inf, -inf, 1, -1, 2 or -2")
    A = A if dtype is None else ops.cast(A, dtypes.as_dtype(dtype))
    x = movedim(A, axes, (-2, -1))
    along = -2 if ord in (1, -1) else -1
    values = svdvals(x) if ord in (2, -2, "nuc") else sum(ops.abs(x), along)
    z = sum(values, -1) if ord == "nuc" else (amax if ord > 0 else amin)(values, -1)
    if keepdim:
        for axis in sorted(axes):
            z = unsqueeze(z, axis)
    return z


def norm(
    A: Tensor, ord: Any = None, dim: Any = None, keepdim: bool = False, *,
    dtype: Any = None,
) -> Tensor:  # fmt: skip
    """matrix_norm over two dims, else vector_norm; without ord the 2-norm of all elements."""
    axes = range(rank("norm", A)) if dim is None else lengths((dim,))
    if ord is None or len(axes) == 1:
        if isinstance(ord, str):
            raise ContractError(f"norm: ord {ord!r} of a vector; give a number")
        return normed("norm", A, 2 if ord is None else ord, dim, keepdim, dtype)
    if len(axes) != 2:
        raise ContractError(f"norm: ord {ord!r} of {len(axes)} dims; name one dim or two")
    return matrix_norm(A, ord, tuple(axes), keepdim, dtype=dtype)


@autocasts("wide")
def inv(A: Tensor) -> Tensor:
    """The inverse.  [*b, n, n] -> [*b, n, n].  Raises: LinAlgError for a singular matrix."""
    return ops.inv(A)


inverse = inv


@autocasts("wide")
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """The x with A x = B; x A = B unless left.  [*b, n, n], [*b, n, k] or [*b, n] -> as B.

    Raises: LinAlgError for a singular A.
    """
    together("solve", A, B)
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and A.shape[:-1] == B.shape)
    y = unsqueeze(B, -1) if vector else B
    if not left and vector:
        raise ContractError(f"solve: left=False with a vector {B.spec}; give matrices")
    z = ops.solve(A, y) if left else turned(ops.solve(turned(A), turned(y)))
    return ops.reshape(z, z.shape[:-1]) if vector else z


@autocasts("wide")
def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """The x with A x = B; x A = B unless left.  [*b, n, n], [*b, n, k] -> [*b, n, k].

    upper: which triangle of A is read.  unitriangular: as if its diagonal were ones.
    Raises: LinAlgError for a 0 on the diagonal.
    """
    together("solve_triangular", A, B)
    half = triu(A, int(unitriangular)) if upper else tril(A, -int(unitriangular))
    if unitriangular:
        half = half + ops.cast(ops.equal(offset(A), 0), A.dtype)
    return ops.solve(half, B) if left else turned(ops.solve(turned(half), turned(B)))


@autocasts("wide")
def cholesky_solve(input: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """The x with L L^T x = input; L^T L if upper.  [*b, n, k], [*b, n, n] -> [*b, n, k]."""
    together("cholesky_solve", input, L)
    low = turned(triu(L)) if upper else tril(L)
    return ops.solve(turned(low), ops.solve(low, input))


@autocasts("wide")
def pinv(
    A: Tensor, *, atol: float | None = None, rtol: float | None = None, hermitian: bool = False,
) -> Tensor:  # fmt: skip
    """The Moore-Penrose inverse.  [*b, m, n] -> [*b, n, m].

    Singular values up to max(atol, rtol s_0) count as 0; rtol is max(m, n) eps unless one is given.
    hermitian: A is taken for symmetric, of which the lower triangle is read.
    """
    atol, rtol = tolerance("pinv", A, atol, rtol)
    A = tril(A) + turned(tril(A, -1)) if hermitian else A
    return ops.pinv(A, atol=atol, rtol=rtol)


@autocasts("wide")
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """pinv, singular values up to rcond times the largest one counted as 0."""
    return pinv(input, rtol=rcond)


def tolerance(op: str, x: Tensor, atol: Any, rtol: Any) -> tuple[float, float]:
    """Up to where singular values count as 0.  Raises: ContractError for what is no matrix."""
    if rank(op, x) < 2 or x.dtype not in (dtypes.float32, dtypes.float64):
        raise ContractError(f"{op}: {x.spec}; give float32 or float64 matrices [*b, m, n]")
    if rtol is None:
        rtol = 0.0 if atol else float(dtypes.finfo(x.dtype).eps) * max(x.shape[-2:])
    return float(atol or 0.0), float(rtol)


@autocasts("wide")
def matrix_rank(
    A: Tensor, *, atol: float | None = None, rtol: float | None = None, hermitian: bool = False,
) -> Tensor:  # fmt: skip
    """How many singular values count, see pinv.  [*b, m, n] -> int64[*b]."""
    atol, rtol = tolerance("matrix_rank", A, atol, rtol)
    s = svdvals(A.detach())
    most = part(s, s.ndim - 1, 0, min(1, s.shape[-1]))
    return sum(ops.greater(s, ops.maximum(most * rtol, atol)), -1)


class LeastSquares(NamedTuple):
    """What lstsq returns."""

    solution: Tensor
    residuals: Tensor
    rank: Tensor
    singular_values: Tensor


@autocasts("wide")
def lstsq(A: Tensor, B: Tensor, rcond: float | None = None, *, driver: Any = None) -> LeastSquares:
    """The x of least norm that makes the norm of A x - B least.  [*b, m, n], [*b, m, k] -> ..

    solution: [*b, n, k]; rank: int64[*b]; singular_values: of no element.
    residuals: the sums of squares [*b, k] if a driver other than "gelsy" is named, m > n and all
    ranks are n; else of no element.  The driver makes no other difference.
    rcond: singular values up to rcond s_0 count as 0.
    """
    together("lstsq", A, B)
    x = matmul(pinv(A, rtol=rcond), B)
    full = matrix_rank(A, rtol=rcond)
    none = constant(0.0, (0,), A)
    m, n = A.shape[-2:]
    away = matmul(A, x) - B
    least = driver not in (None, "gelsy") and m > n and bool(ops.equal(full, n).all())
    return LeastSquares(x, sum(away * away, -2) if least else none, full, none)


def det(A: Tensor) -> Tensor:
    """The determinant.  [*b, n, n] -> [*b]."""
    return ops.det(A)


class SignedLogarithm(NamedTuple):
    """What slogdet returns."""

    sign: Tensor
    logabsdet: Tensor


def slogdet(A: Tensor) -> SignedLogarithm:
    """The sign of the determinant, and the logarithm of its size.  [*b, n, n] -> [*b] twice."""
    z = ops.slogdet(A)
    return SignedLogarithm(z[..., 0].detach(), z[..., 1])


def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant; nan of a negative one.  [*b, n, n] -> [*b]."""
    sign, size = slogdet(input)
    return ops.where(ops.less(sign, 0), math.nan, size)


@autocasts("wide")
def cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """The lower triangular L with L L^T = A, or its transpose.  [*b, n, n] -> [*b, n, n].

    Raises: LinAlgError unless A is positive definite.
    """
    return turned(ops.cholesky(turned(A))) if upper else ops.cholesky(A)


class Orthogonal(NamedTuple):
    """What qr returns."""

    Q: Tensor
    R: Tensor


@autocasts("wide")
def qr(A: Tensor, mode: str = "reduced") -> Orthogonal:
    """Q R = A, Q orthonormal, R upper triangular.  [*b, m, n] -> [*b, m, k], [*b, k, n].

    k is min(m, n); with mode "complete" m, where m > n has no gradient; with "r" Q is left empty.
    """
    if mode not in ("reduced", "complete", "r"):
        raise ContractError(f"qr: mode {mode!r}; give 'reduced', 'complete' or 'r'")
    if rank("qr", A) < 2:
        raise ContractError(f"qr: {A.spec}; give matrices [*b, m, n]")
    m, n = A.shape[-2:]
    x = part(A, A.ndim - 1, 0, min(m, n))
    if mode == "complete" and m > n:
        x = ops.pad(x, widths=((0, 0),) * (A.ndim - 1) + ((0, m - n),), value=0)
    z = ops.qr(x)
    q, r = z[..., :m, :], turned(z[..., m : m + n, :])
    if m < n:
        r = ops.concat(r, matmul(turned(q), A[..., m:]), axis=A.ndim - 1)
    return Orthogonal(q.new_empty(0) if mode == "r" else q, r)


class Singular(NamedTuple):
    """What svd returns."""

    U: Tensor
    S: Tensor
    Vh: Tensor


@autocasts("wide")
def svd(A: Tensor, full_matrices: bool = True, *, driver: Any = None) -> Singular:
    """U diag(S) Vh = A, S in descending order.

    [*b, m, n] -> [*b, m, m], [*b, k], [*b, n, n] with k = min(m, n); unless full_matrices [*b, m,
    k], [*b, k], [*b, k, n].  Where singular values are equal or 0, U and Vh have no gradient.
    """
    m, n = A.shape[-2:] if rank("svd", A) > 1 else (0, 0)
    u, s, v = triplets(ops.svd(A, full=bool(full_matrices)), m)
    return Singular(u[..., :m], s[..., 0, : min(m, n)], turned(v[..., :n]))


@autocasts("wide")
def svdvals(A: Tensor, *, driver: Any = None) -> Tensor:
    """Singular values in descending order.  [*b, m, n] -> [*b, min(m, n)]."""
    return svd(A, False).S


class Eigen(NamedTuple):
    """What eigh returns."""

    eigenvalues: Tensor
    eigenvectors: Tensor


@autocasts("wide")
def eigh(A: Tensor, UPLO: str = "L") -> Eigen:
    """Eigenvalues of symmetric matrices in ascending order, and vectors as columns.

    [*b, n, n] -> [*b, n], [*b, n, n].  UPLO: which triangle of A is read, "L" or "U".
    """
    if UPLO not in ("L", "U"):
        raise ContractError(f"eigh: UPLO {UPLO!r}; give 'L' or 'U'")
    z = ops.eigh(A if UPLO == "L" else turned(A))
    return Eigen(z[..., 0, :], z[..., 1:, :])


@autocasts("wide")
def eigvalsh(A: Tensor, UPLO: str = "L") -> Tensor:
    """Eigenvalues of symmetric matrices in ascending order.  [*b, n, n] -> [*b, n]."""
    return eigh(A, UPLO).eigenvalues


def matrix_power(A: Tensor, n: int) -> Tensor:
    """A A .. A, n times; of the inverse for n below 0.  [*b, m, m] -> [*b, m, m]."""
    k = whole("matrix_power", "n", n, -(2**62))
    if rank("matrix_power", A) < 2 or A.shape[-1] != A.shape[-2]:
        raise ContractError(f"matrix_power: {A.spec} is not square; give [*b, n, n]")
    x, k = (ops.inv(A), -k) if k < 0 else (A, k)
    one = ops.cast(ops.equal(offset(x), 0), x.dtype)
    z: Tensor = ops.expand(one, x.shape)
    while k:  # by squares
        z, x, k = matmul(z, x) if k % 2 else z, matmul(x, x) if k > 1 else x, k // 2
    return z


def multi_dot(tensors: Sequence[Tensor]) -> Tensor:
    """The product of matrices, from left to right; the first and last may be vectors."""
    if len(tensors) < 2:
        raise ContractError(f"multi_dot: {len(tensors)} tensors; give at least two")
    return reduce(matmul, tensors)


def cross(input: Tensor, other: Tensor, *, dim: int = -1) -> Tensor:
    """The vector product along dim, a dim of 3.  [.., 3, ..], [.., 3, ..] -> [.., 3, ..]."""
    together("cross", input, other)
    n = input.ndim
    axis = normal_axis("cross", dim, n)
    if other.ndim != n or n == 0 or (input.shape[axis], other.shape[axis]) != (3, 3):
        raise ContractError(
            f"cross: {input.spec} and {other.spec} along dim {dim}; give both as many dims, and 3 "
            f"along it"
        )
    (x, y), (u, v) = [[roll(z, -k, axis) for k in (1, 2)] for z in (input, other)]
    return x * v - y * u
