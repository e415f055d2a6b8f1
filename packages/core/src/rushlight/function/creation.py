"""Tensors of the type and place of another: the new_ methods, and pairs of axes as grids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import dtypes, ops
from ..errors import ContractError
from ..ops.creation import constant
from .given import rank, whole
from .indexing import filling
from .movement import several

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["fill", "meshgrid", "scalar_tensor", "tril_indices", "triu_indices"]


def new_tensor(
    input: Tensor, data: Any, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A copy of data, of the type and place of input.  [*s] -> [*t]."""
    from ..creation import tensor

    rank("new_tensor", input)
    return tensor(
        data, dtype=dtype or input.dtype, device=device or input.device, requires_grad=requires_grad
    )


def new_full(
    input: Tensor, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """fill_value everywhere, of the type and place of input.  [*s] -> [*size]."""
    return new("new_full", input, fill_value, dtype, device, requires_grad, (size,))


def new_zeros(
    input: Tensor, size: Any, *more: Any, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Zeros of the type and place of input.  [*s] -> [*size]."""
    return new("new_zeros", input, 0, dtype, device, requires_grad, (size, *more))


def new_ones(
    input: Tensor, size: Any, *more: Any, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Ones of the type and place of input.  [*s] -> [*size]."""
    return new("new_ones", input, 1, dtype, device, requires_grad, (size, *more))


def new_empty(
    input: Tensor, size: Any, *more: Any, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Values of no meaning, here zeros, of the type and place of input.  [*s] -> [*size]."""
    return new("new_empty", input, 0, dtype, device, requires_grad, (size, *more))


def new(op: str, x: Tensor, value: Any, *how: Any) -> Tensor:
    """value everywhere, of the type and place of x, called by this name."""
    from ..creation import like

    return like(op, x, value, *how)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """Vectors stretched over the grid that they span.  [m], [n], .. -> [m, n, ..], ..

    indexing: "xy" exchanges the first two dims of the results.
    """
    given = several("meshgrid", tensors[0] if len(tensors) == 1 else tensors)
    if indexing not in ("ij", "xy"):
        raise ContractError(f"meshgrid: indexing {indexing!r}; give 'ij' or 'xy'")
    for x in given:
        if x.ndim > 1:
            raise ContractError(f"meshgrid: {x.spec}; give vectors")
        if x.dtype is not given[0].dtype:
            raise ContractError(f"meshgrid: {given[0].spec} and {x.spec}; give all the same dtype")
    order = list(range(len(given)))
    if indexing == "xy":
        order[:2] = reversed(order[:2])
    shape = tuple([given[i].numel() for i in order])
    made = []
    for i, x in enumerate(given):
        column = tuple([shape[j] if order[j] == i else 1 for j in range(len(shape))])
        made.append(ops.expand(ops.reshape(x, column), shape))
    return tuple(made)


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Rows and columns of the places on and below a diagonal.  -> int64[2, k]."""
    return corner(
        "tril_indices", row, col, lambda i, j: j - i <= offset, dtype, device, requires_grad
    )


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Rows and columns of the places on and above a diagonal.  -> int64[2, k]."""
    return corner(
        "triu_indices", row, col, lambda i, j: j - i >= offset, dtype, device, requires_grad
    )


def corner(op: str, row: int, col: int, inside: Any, *how: Any) -> Tensor:
    """The places that are inside, called by this name."""
    from ..creation import tensor

    m, n = whole(op, "row", row), whole(op, "col", col)
    found = [(i, j) for i in range(m) for j in range(n) if inside(i, j)]
    dtype, device, requires_grad = how
    dtype = dtype or dtypes.int64
    made = tensor(found, dtype=dtype, device=device, requires_grad=requires_grad)
    return ops.permute(ops.reshape(made, (len(found), 2)), (1, 0))


def scalar_tensor(
    s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A number as a tensor, of the default floating type unless another is named.  -> []."""
    from ..creation import full

    dtype = dtype or dtypes.default_float
    return full((), s, dtype=dtype, device=device, requires_grad=requires_grad)


def fill(input: Tensor, value: Any) -> Tensor:
    """value in the shape, type and place of input; a tensor [] with its gradient.  [*s] -> [*s]."""
    rank("fill", input)
    if getattr(value, "ndim", 0):
        raise ContractError(f"fill: value {value.spec}; give a number or a tensor []")
    every = constant(True, (), input, dtypes.bool_)
    return ops.where(every, filling(value, input, input.shape), input)
