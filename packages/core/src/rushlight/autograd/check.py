"""gradcheck and gradgradcheck: stated gradients against finite differences."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .. import dtypes
from ..creation import held
from ..eager import enable_grad
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

    func: may itself call backward() or grad(); with create_graph=True its result is checked too.
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
    try:
        for which in range(len(outputs_of(func, args))):
            for i in checked:
                compare(func, args, which, i, eps, atol, rtol)
    except WrongGradient:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    grad_outputs: Tensor | Sequence[Tensor] | None = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """Whether backward() through backward() agrees with differences of backward().

    What is differenced are the gradients of func, as a function of inputs and grad_outputs; they
    must also be those that backward() gives without create_graph.
    grad_outputs: float64 cotangents of the outputs that require a gradient; 1, -1/2, 1/3, .. over
    the elements if left out.
    Otherwise as `gradcheck`.
    Raises: ContractError also if no output requires a gradient.
    """
    args = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if grad_outputs is None:
        outputs = [z for z in outputs_of(func, args) if z.requires_grad]
        given = tuple([uneven(z).requires_grad_() for z in outputs])
    else:
        given = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs)
    if not given:
        raise ContractError(
            "gradgradcheck: no output requires a gradient; set requires_grad on an input that it "
            "is computed from"
        )

    def gradients(*values: Any, create_graph: bool = True) -> tuple[Tensor, ...]:
        from . import grad

        at, cotangents = values[: len(args)], values[len(args) :]
        outputs = [z for z in outputs_of(func, at) if z.requires_grad]
        asking = [x for x in at if isinstance(x, Tensor) and x.requires_grad]
        found = grad(outputs, asking, cotangents, create_graph=create_graph, allow_unused=True)
        return tuple([g for g in found if g is not None])

    # Gradients that cannot be differentiated come from other kernels.
    pairs = zip(gradients(*args, *given), gradients(*args, *given, create_graph=False), strict=True)
    for i, (recorded, quiet) in enumerate(pairs):
        for j, ours, theirs in unlike(flat(recorded), flat(quiet), atol, rtol):
            if not raise_exception:
                return False
            raise WrongGradient(
                f"gradgradcheck: gradient {i}[{j}] is {ours:.6g} with create_graph=True, "
                f"{theirs:.6g} without; correct the rule, which reads what it cannot derive"
            )
    return gradcheck(
        gradients, (*args, *given), eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception
    )


def flat(x: Tensor) -> list[float]:
    """Its elements in order."""
    found: list[float] = x.numpy(force=True).reshape(-1).tolist()
    return found


def unlike(
    ours: Sequence[float], theirs: Sequence[float], atol: float, rtol: float
) -> list[tuple[int, float, float]]:
    """The places at which two rows are not close, with both values."""
    pairs = enumerate(zip(ours, theirs, strict=True))
    return [(j, a, b) for j, (a, b) in pairs if not abs(a - b) <= atol + rtol * abs(b)]


def uneven(like: Tensor) -> Tensor:
    """1, -1/2, 1/3, -1/4, .. in the shape of another tensor.  [*s] -> [*s]."""
    values = like.numpy(force=True).copy()
    values.reshape(-1)[:] = [(-1) ** k / (k + 1) for k in range(values.size)]
    return held(values, like.device)


def outputs_of(func: Callable[..., Any], args: Sequence[Any]) -> list[Tensor]:
    """The floating outputs of a function, remembered for gradients."""
    with enable_grad():
        made = func(*args)
    made = made if isinstance(made, (tuple, list)) else (made,)
    return [z for z in made if isinstance(z, Tensor) and z.is_floating_point()]


def compare(
    func: Callable[..., Any], args: Sequence[Any], which: int, i: int,
    eps: float, atol: float, rtol: float,
) -> None:  # fmt: skip
    """Raises: WrongGradient if d output[which] / d args[i] differs from differences."""
    from . import grad

    for k, numeric in enumerate(differences(func, args, which, i, eps)):
        z = outputs_of(func, args)[which]
        seed = z.numpy(force=True).copy()
        seed[...] = 0
        seed.reshape(-1)[k] = 1
        g = None
        if z.requires_grad:
            (g,) = grad(z, args[i], held(seed, z.device), retain_graph=True, allow_unused=True)
        row = flat(g) if g is not None else [0.0] * len(numeric)
        for j, ours, theirs in unlike(row, numeric, atol, rtol):
            raise WrongGradient(
                f"gradcheck: d output {which}[{k}] / d input {i}[{j}] is {ours:.6g} by "
                f"backward, {theirs:.6g} by differences; correct the gradient, or move the "
                f"input off a kink"
            )


def differences(
    func: Callable[..., Any], args: Sequence[Any], which: int, i: int, eps: float
) -> Iterable[tuple[float, ...]]:
    """Central differences: one row per output element, one column per input element.

    Every input goes on asking for its gradient, for a function that asks for some itself.
    """
    x = args[i].numpy(force=True)
    columns = []
    for j in range(x.size):
        values = []
        for step in (eps, -eps):
            moved = x.copy()
            moved.reshape(-1)[j] += step
            there = held(moved, args[i].device).requires_grad_()
            values.append(flat(outputs_of(func, (*args[:i], there, *args[i + 1 :]))[which]))
        columns.append([(up - down) / (2 * eps) for up, down in zip(*values, strict=True)])
    return zip(*columns, strict=True)
