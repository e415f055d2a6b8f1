"""Gradients made smaller, in place: between backward() and step(), in compiled functions too."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import rushlight as rl
from rushlight.extend import become

Tensors = rl.Tensor | Iterable[rl.Tensor]


def get_total_norm(
    tensors: Tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False,
    foreach: bool | None = None,  # noqa: ARG001  PyTorch's
) -> rl.Tensor:  # fmt: skip
    """(sum of |x|^p)^(1 / p) over all elements x of all tensors, as [], on the first one's device.

    norm_type: p, inf included.
    error_if_nonfinite: look at the norm, which waits for the device, and refuse inf and nan.
    foreach: accepted as in PyTorch, and means nothing.
    Raises: ContractError for a norm that is refused.
    """
    xs = _listed("get_total_norm", tensors)
    p = float(norm_type)
    if not xs:
        return rl.tensor(0.0)
    with rl.no_grad():
        norms = [rl.norm(x, p).to(xs[0].device) for x in xs]
        total = rl.norm(rl.stack(norms), p)
        if error_if_nonfinite and not rl.isfinite(total):
            raise rl.ContractError(
                f"get_total_norm: the norm of order {p:g} is {total.item()}; find what overflows, "
                f"or leave out error_if_nonfinite to scale by it all the same"
            )
    return total


def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: rl.Tensor,
    foreach: bool | None = None,  # noqa: ARG001  PyTorch's
) -> None:  # fmt: skip
    """Multiply all gradients by max_norm / (total_norm + 1e-6), if that is less than 1.

    foreach: accepted as in PyTorch, and means nothing.
    """
    grads = _gradients("clip_grads_with_norm_", parameters)
    with rl.no_grad():
        factor = rl.clamp(max_norm / (total_norm + 1e-6), max=1.0)
        become(grads, [(g * factor.to(g.device)).to(g.dtype) for g in grads])


def clip_grad_norm_(
    parameters: Tensors, max_norm: float, norm_type: float = 2.0, error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> rl.Tensor:  # fmt: skip
    """Make the norm of all gradients together max_norm, if it is more.  Returns: what it was, [].

    Options and errors: as of `get_total_norm`.
    Source: Pascanu, Mikolov, Bengio 2013, arXiv:1211.5063, algorithm 1.
    """
    params = _listed("clip_grad_norm_", parameters)
    if not params and isinstance(parameters, Iterator):
        warnings.warn("clip_grad_norm_: the generator is empty; nothing is clipped", stacklevel=2)
    grads = _gradients("clip_grad_norm_", params)
    total = get_total_norm(grads, norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(params, max_norm, total, foreach)
    return total


def clip_grad_value_(
    parameters: Tensors, clip_value: float,
    foreach: bool | None = None,  # noqa: ARG001  PyTorch's
) -> None:  # fmt: skip
    """Bring every element of every gradient into [-clip_value, clip_value].

    foreach: accepted as in PyTorch, and means nothing.
    """
    grads = _gradients("clip_grad_value_", parameters)
    with rl.no_grad():
        become(grads, [g.clamp(-clip_value, clip_value) for g in grads])


def _gradients(op: str, parameters: Tensors) -> list[rl.Tensor]:
    """The gradients that are there."""
    grads = [p.grad for p in _listed(op, parameters)]
    return [g for g in grads if g is not None]


def _listed(op: str, given: Any) -> list[rl.Tensor]:
    """One tensor or several as a list."""
    if isinstance(given, rl.Tensor):
        return [given]
    if not isinstance(given, Iterable):
        raise rl.WrongType(
            f"{op}: {type(given).__name__}; give a tensor or several, such as model.parameters()"
        )
    return list(given)
