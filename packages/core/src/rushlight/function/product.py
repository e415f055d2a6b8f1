"""Products of matrices and tensors, and what is laid out by pairs."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

from .. import ops
from ..errors import ContractError
from ..spec import broadcast, normal_axis
from .creation import meshgrid
from .given import lengths, rank, together, whole
from .indexing import dot, matmul, outer
from .linalg import cross as vector_product
from .movement import cat, flat, matrix, movedim, several, stack
from .precision import autocasts, rounds_once

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "addmm", "addmv", "baddbmm", "block_diag", "cartesian_prod", "cross", "ger", "inner", "kron",
    "tensordot", "vdot",
]  # fmt: skip


@autocasts("narrow")
@rounds_once
def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta input + alpha mat1 mat2; input is not read if beta is 0.  .., [m, k], [k, n] -> [m, n].

    Raises: ContractError unless all are of one dtype and input stretches to the result.
    """
    return added("addmm", input, mat1, mat2, (2, 2), beta, alpha)


@autocasts("given")
@rounds_once
def addmv(input: Tensor, mat: Tensor, vec: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta input + alpha mat vec.  [m], [m, k], [k] -> [m].  See addmm."""
    return added("addmv", input, mat, vec, (2, 1), beta, alpha)


@autocasts("narrow")
@rounds_once
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """beta input + alpha batch1 batch2.  .., [b, m, k], [b, k, n] -> [b, m, n].  See addmm."""
    return added("baddbmm", input, batch1, batch2, (3, 3), beta, alpha)


def added(
    op: str, x: Tensor, y: Tensor, z: Tensor, dims: tuple[int, int], beta: float, alpha: float
) -> Tensor:
    """beta x + alpha y z, called by this name."""
    together(op, x, y, z)
    if (y.ndim, z.ndim) != dims or y.shape[:-2] != z.shape[: len(y.shape[:-2])]:
        raise ContractError(f"{op}: {y.spec} and {z.spec}; give {dims[0]} and {dims[1]} dims")
    if len({x.dtype, y.dtype, z.dtype}) > 1:
        raise ContractError(f"{op}: {x.spec}, {y.spec} and {z.spec}; convert them with .to()")
    made = matmul(y, z)
    if broadcast(op, x.shape, made.shape) != made.shape:
        raise ContractError(f"{op}: {x.spec} does not stretch to {made.spec}; give those lengths")
    made = made if alpha == 1 else made * alpha
    return made if beta == 0 else ops.add(x if beta == 1 else x * beta, made)


def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """a b, summed over dims: the last of a and first of b, or two lists of them.

    [*s, *k], [*k, *t] -> [*s, *t].  Raises: ContractError unless they are alike.
    """
    op = "tensordot"
    together(op, a, b)
    if isinstance(dims, int):
        k = whole(op, "dims", dims)
        dims = range(a.ndim - k, a.ndim), range(k)
    ours, theirs = (
        [normal_axis(op, d, x.ndim) for d in lengths((given,))]
        for x, given in zip((a, b), dims, strict=True)
    )
    shared = [a.shape[i] for i in ours]
    if shared != [b.shape[i] for i in theirs]:
        raise ContractError(
            f"{op}: {a.spec} and {b.spec} over {ours} and {theirs}; make them alike"
        )
    x = movedim(a, ours, tuple(range(-len(ours), 0)))
    y = movedim(b, theirs, tuple(range(len(theirs))))
    before, after = x.shape[: x.ndim - len(ours)], y.shape[len(theirs) :]
    n = math.prod(shared)
    z = matmul(ops.reshape(x, (math.prod(before), n)), ops.reshape(y, (n, math.prod(after))))
    return ops.reshape(z, (*before, *after))


def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sums of products over the last dim of both.  [*s, n], [*t, n] -> [*s, *t]."""
    together("inner", input, other)
    if input.ndim == 0 or other.ndim == 0:
        return ops.mul(input, other)
    if input.ndim == other.ndim == 1:
        return dot(input, other)  # which autocast leaves alone
    return tensordot(input, other, ([-1], [-1]))


def kron(input: Tensor, other: Tensor) -> Tensor:
    """Each element of input times all of other, as blocks.  [a, b], [c, d] -> [a c, b d]."""
    together("kron", input, other)
    n = max(input.ndim, other.ndim)
    ours, theirs = ((1,) * (n - x.ndim) + x.shape for x in (input, other))
    x = ops.reshape(input, tuple(itertools.chain(*[(a, 1) for a in ours])))
    y = ops.reshape(other, tuple(itertools.chain(*[(1, b) for b in theirs])))
    return ops.reshape(x * y, tuple([a * b for a, b in zip(ours, theirs, strict=True)]))


def cross(input: Tensor, other: Tensor, dim: int | None = None) -> Tensor:
    """The vector product along dim, or the first dim of 3.  [.., 3, ..] twice -> [.., 3, ..]."""
    rank("cross", input)
    if dim is None:
        dim = input.shape.index(3) if 3 in input.shape else -1
    return vector_product(input, other, dim=dim)


def block_diag(*tensors: Tensor) -> Tensor:
    """Matrices along a diagonal, 0 elsewhere.  [m_i, n_i], .. -> [sum m_i, sum n_i]."""
    given = [matrix(x) for x in several("block_diag", tensors)]
    starts = [0, *itertools.accumulate(x.shape[1] for x in given)]
    widths = [(i, starts[-1] - i - x.shape[1]) for i, x in zip(starts, given, strict=False)]
    return cat([ops.pad(x, ((0, 0), w), 0) for x, w in zip(given, widths, strict=True)], 0)


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All tuples of one element of each vector.  [m], [n], .. -> [m n .., k]; [m] of one alone."""
    grids = [flat(x) for x in meshgrid([*tensors], indexing="ij")]
    return grids[0] if len(grids) == 1 else stack(grids, 1)


def vdot(input: Tensor, other: Tensor) -> Tensor:
    """sum(input * other) of two vectors.  [n], [n] -> []."""
    return dot(input, other)


ger = outer
