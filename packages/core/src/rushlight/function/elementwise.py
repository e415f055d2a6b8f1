"""Functions of each element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import dtypes, ops
from ..errors import ContractError
from .given import operands, rank

if TYPE_CHECKING:
    from ..tensor import Tensor


eq, ne = ops.equal, ops.not_equal
lt, le, gt, ge = ops.less, ops.less_equal, ops.greater, ops.greater_equal
bitwise_not, bitwise_and = ops.bitwise_not, ops.bitwise_and
bitwise_or, bitwise_xor = ops.bitwise_or, ops.bitwise_xor


def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """input, but at least min and at most max; None for no bound.  [*s] -> [*s].

    The gradient is 0 where a bound holds, 1 elsewhere, the bounds themselves included.
    """
    if min is None and max is None:
        raise ContractError("clamp: neither min nor max is given; give at least one")
    rank("clamp", input)
    operands("clamp", input, *[x for x in (min, max) if x is not None])
    z = input
    if min is not None:
        z = ops.where(ops.less(z, min), min, z)
    if max is not None:
        z = ops.where(ops.greater(z, max), max, z)
    return z


clip = clamp


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """value where mask holds, input elsewhere.  [*s], bool[*s] -> [*s]."""
    rank("masked_fill", input)
    rank("masked_fill", mask)
    operands("masked_fill", mask, input, value)
    if mask.dtype is not dtypes.bool_:
        raise ContractError(
            f"masked_fill: the mask is {mask.spec}; compare it with something to get bool"
        )
    return ops.where(mask, value, input)


def where(condition: Tensor, input: Any, other: Any) -> Tensor:
    """input where condition holds, other elsewhere.  bool[*s], [*s], [*s] -> [*s]."""
    return ops.where(condition, input, other)


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other; rounding_mode "floor" or "trunc" rounds the quotient.  [*s], [*s] -> [*s]."""
    if rounding_mode is None:
        return ops.div(input, other)
    operands("div", input, other)
    if rounding_mode == "floor":
        return ops.floordiv(input, other)
    if rounding_mode == "trunc":
        z = ops.div(input, other)
        z = ops.where(ops.less(z, 0), -ops.floor(-z), ops.floor(z))
        dtype = ops.elementwise.common((input, other))
        return z if dtype in dtypes.FLOATING else ops.cast(z, dtype=dtype)
    raise ContractError(f"div: rounding_mode {rounding_mode!r}; choose None, 'floor' or 'trunc'")


def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input - alpha other.  [*s], [*s] -> [*s]."""
    if alpha != 1:
        operands("sub", input, other, alpha)
        other = other * alpha
    return ops.sub(input, other)


def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input + alpha other.  [*s], [*s] -> [*s]."""
    if alpha != 1:
        operands("add", input, other, alpha)
        other = other * alpha
    return ops.add(input, other)


def square(input: Tensor) -> Tensor:
    """input * input.  [*s] -> [*s]."""
    rank("square", input)
    return ops.mul(input, input)


def reciprocal(input: Tensor) -> Tensor:
    """1 / input.  [*s] -> [*s]."""
    rank("reciprocal", input)
    return ops.div(1.0, input)


def isnan(input: Tensor) -> Tensor:
    """Whether each element is nan.  [*s] -> bool[*s]."""
    rank("isnan", input)
    return ops.not_equal(input, input)


def isinf(input: Tensor) -> Tensor:
    """Whether each element is infinite.  [*s] -> bool[*s]."""
    rank("isinf", input)
    return ops.equal(ops.abs(input), float("inf"))


def isfinite(input: Tensor) -> Tensor:
    """Whether each element is neither infinite nor nan.  [*s] -> bool[*s]."""
    rank("isfinite", input)
    return ops.less(ops.abs(input), float("inf"))


def logical_not(input: Tensor) -> Tensor:
    """input == 0.  [*s] -> bool[*s]."""
    rank("logical_not", input)
    return ops.equal(input, 0)


def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """Whether both are nonzero.  [*s], [*s] -> bool[*s]."""
    rank("logical_and", input)
    rank("logical_and", other)
    operands("logical_and", input, other)
    return ops.bitwise_and(ops.not_equal(input, 0), ops.not_equal(other, 0))


def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """Whether either is nonzero.  [*s], [*s] -> bool[*s]."""
    rank("logical_or", input)
    rank("logical_or", other)
    operands("logical_or", input, other)
    return ops.bitwise_or(ops.not_equal(input, 0), ops.not_equal(other, 0))
