"""gradcheck: stated gradients against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import dtypes
from ..creation import held
from ..eager import no_grad
from ..errors import ContractError, WrongGradient
from ..tensor import Tensor


def gradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Whether backward() agrees with (f(x + eps) - f(x - eps)) / (2 eps) in every element.

    inputs: float64 tensors, of which those that require a gradient are checked.
    atol, rtol: as numpy's allclose has them.
    Raises: WrongGradient naming the first element that differs, unless raise_exception is False;
    ContractError for an input of another type, whose differences would be noise.
    """
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    checked = [i for i, x in enumerate(args) if isinstance(x, Tensor) and x.requires_grad]
    if not checked:
        raise ContractError("gradcheck: no input requires a gradient; set requires_grad on one")
    for i in checked:
        if args[i].dtype is not dtypes.float64:
            raise ContractError(
                f"gradcheck: input {i} is {args[i].spec}; use float64, finite differences need it"
            )
    count = len(outputs_of(func, args))
    for which in range(count):
        for i in checked:
            problem = compare(func, args, which, i, eps, atol, rtol)
            if problem:
                if raise_exception:
                    raise WrongGradient(problem)
                return False
    return True


def outputs_of(func: Callable[..., Any], args: Sequence[Any]) -> list[Tensor]:
    """The floating outputs of a function."""
    made = func(*args)
    made = made if isinstance(made, (tuple, list)) else (made,)
    return [z for z in made if isinstance(z, Tensor) and z.is_floating_point()]


def compare(
    func: Callable[..., Any], args: Sequence[Any], which: int, i: int,
    eps: float, atol: float, rtol: float,
) -> str:  # fmt: skip
    """What differs in d output[which] / d args[i]; empty if nothing does."""
    from . import grad

    x = args[i].numpy(force=True)
    z = outputs_of(func, args)[which]
    numeric = differences(func, args, which, i, eps)
    for k in range(z.numel()):
        seed = z.numpy(force=True).copy()
        seed[...] = 0
        seed.reshape(-1)[k] = 1
        z = outputs_of(func, args)[which]
        g = None
        if z.requires_grad:
            (g,) = grad(z, args[i], held(seed, z.device), allow_unused=True)
        row = g.numpy(force=True).reshape(-1).tolist() if g is not None else [0.0] * x.size
        for j, (ours, theirs) in enumerate(zip(row, numeric[k], strict=True)):
            if not abs(ours - theirs) <= atol + rtol * abs(theirs):
                return (
                    f"gradcheck: d output {which}[{k}] / d input {i}[{j}] is {ours:.6g} by "
                    f"backward, {theirs:.6g} by differences; correct the gradient, or move the "
                    f"input off a kink"
                )
    return ""


def differences(
    func: Callable[..., Any], args: Sequence[Any], which: int, i: int, eps: float
) -> list[list[float]]:
    """Central differences: one row per output element, one column per input element."""
    x = args[i].numpy(force=True)
    columns = []
    for j in range(x.size):
        values = []
        for step in (eps, -eps):
            moved = x.copy()
            moved.reshape(-1)[j] += step
            at = (*args[:i], held(moved, args[i].device), *args[i + 1 :])
            with no_grad():
                values.append(outputs_of(func, at)[which].numpy(force=True).reshape(-1).tolist())
        columns.append([(up - down) / (2 * eps) for up, down in zip(*values, strict=True)])
    return [list(row) for row in zip(*columns, strict=True)] if columns else []
