"""Copies of the object: what `copy` and `pickle` ask of a tensor."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from ..alias import link
from ..device import resolve
from ..dtypes import as_dtype
from ..errors import ContractError
from ..tensor import Kind, Tensor

if TYPE_CHECKING:
    import numpy as np


def shallow(x: Kind) -> Kind:
    """A leaf with the values of x; changing it in place changes x, as a view of it would."""
    z = x.detach().as_subclass(type(x))
    z._base = link(x)
    vars_of(z).update(vars_of(x))
    return z.requires_grad_(x.requires_grad)


def deep(x: Kind, memo: dict[int, Any]) -> Kind:
    """A leaf of its own with the values of x and a copy of its gradient.

    Raises: ContractError for what was computed with gradients.
    """
    if not x.is_leaf:
        raise ContractError(
            "deepcopy: this tensor was computed with gradients; use .detach().clone()"
        )
    memo[id(x)] = z = x.detach().clone().as_subclass(type(x))
    z.grad = deepcopy(x.grad, memo)
    vars_of(z).update(deepcopy(vars_of(x), memo))
    return z.requires_grad_(x.requires_grad)


def parts(x: Tensor) -> tuple[Any, ...]:
    """What pickle keeps: class, values, device, whether x asks for a gradient; not its tape."""
    values, name = x.values("pickle"), x.dtype.name
    raw = values.view("uint16") if name == "bfloat16" else values
    given = (type(x), raw, name, str(x.device), x.requires_grad)
    return rebuilt, given, vars_of(x) or None


def rebuilt(
    cls: type[Kind], values: np.ndarray[Any, Any], name: str, device: str, requires_grad: bool
) -> Kind:
    """The tensor that was pickled, a leaf.

    Raises: BackendUnavailable or DeviceError if its device is not here.
    """
    values = values.view(as_dtype(name))  # unpickled, numpy's dtype object is another one
    z = object.__new__(cls)
    z.device = resolve(device)
    z._data, z._node, z._base = z.device.put(values), None, None
    return z.requires_grad_(requires_grad)


def vars_of(x: Tensor) -> dict[str, Any]:
    """The attributes that a subclass without slots has; elsewhere none."""
    return getattr(x, "__dict__", {})
