"""Contractions: products summed over a shared axis."""

from __future__ import annotations

from typing import Any

from ..errors import ContractError
from ..op import composite, primitive
from ..spec import Spec, broadcast
from .movement import permute
from .reduction import sum

__all__ = ["linear", "matmul"]


@primitive
def matmul(x: Spec, y: Spec) -> Spec:
    """Matrix product.  [*b, m, k] @ [*b, k, n] -> [*b, m, n]."""
    if x.ndim < 2 or y.ndim < 2:
        raise ContractError(f"matmul: {x} @ {y}; give both at least 2 dims")
    if x.shape[-1] != y.shape[-2] or x.dtype is not y.dtype:
        raise unmatched(x, y)
    batch = broadcast("matmul", x.shape[:-2], y.shape[:-2])
    return Spec((*batch, x.shape[-2], y.shape[-1]), x.dtype)


def unmatched(x: Spec, y: Spec) -> ContractError:
    """Why two operands have no product; each of them may be a vector."""
    inner = x.shape[-1], y.shape[-min(y.ndim, 2)]
    if inner[0] == inner[1]:
        return ContractError(f"matmul: element types differ: {x} @ {y}; convert one with .to()")
    advice = "transpose one with .mT if that is meant"
    if x.ndim < 2 or y.ndim < 2:
        advice = "give both one inner length, {} or {}".format(*inner)
    return ContractError(f"matmul: inner lengths differ: {x} @ {y}; {advice}")


matmul.gradients(x=lambda g, y: matmul(g, turned(y)), y=lambda g, x: matmul(turned(x), g))


def turned(x: Any) -> Any:
    """The last two axes exchanged.  [*b, m, n] -> [*b, n, m]."""
    return permute(x, LAST_TWO_SWAPPED[x.ndim])


LAST_TWO_SWAPPED = [(*range(n - 2), n - 1, n - 2) for n in range(2, 33)]
LAST_TWO_SWAPPED = [(), (0,), *LAST_TWO_SWAPPED]


@composite
def linear(x: Any, weight: Any, bias: Any) -> Any:
    """x weight^T + bias.  [*s, n], [m, n], [m] or None -> [*s, m].

    Raises: ContractError if the lengths differ.
    """
    if x.shape[-1:] != weight.shape[-1:] or weight.ndim != 2:
        raise ContractError(
            f"linear: input {x.spec} with weight {weight.spec}; give an input whose last dim is "
            f"that of the weight, [*s, n] and [m, n]"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ContractError(
            f"linear: bias {bias.spec} for weight {weight.spec}; give one value per row of the "
            f"weight"
        )
    z = matmul(x, turned(weight))
    return z if bias is None else z + bias


@linear.vjp
def linear_vjp(g: Any, x: Any, weight: Any, *, asked: tuple[bool, ...]) -> tuple[Any, Any, Any]:
    """gx = g weight, gweight = g^T x, gbias = sum of g."""
    gx = matmul(g, weight) if asked[0] else None
    gweight = matmul(turned(rows(g)), rows(x)) if asked[1] else None
    gbias = sum(g, axes=tuple(range(g.ndim - 1)), keepdim=False) if asked[2] else None
    return gx, gweight, gbias


def rows(x: Any) -> Any:
    """All leading axes as one.  [*s, n] -> [prod s, n]."""
    return x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
