"""Differentiation as users ask for it: backward, grad, Function, gradcheck."""

from __future__ import annotations

from collections.abc import Sequence
from threading import RLock
from typing import TYPE_CHECKING, Any

from .. import ops, straight
from ..creation import zeros_like
from ..eager import enable_grad, interpreter, interpreting, no_grad, set_grad_enabled
from ..errors import ContractError, DeviceError, NoGradient
from ..node import HOOKED, Leaf, Node, hooked
from ..spec import Spec, size
from ..tensor import Tensor, alone, connect
from .tape import gathered, walk

if TYPE_CHECKING:
    from .check import gradcheck, gradgradcheck
    from .custom import Function

__all__ = [
    "Function", "backward", "enable_grad", "grad", "gradcheck", "gradgradcheck", "no_grad",
    "set_grad_enabled",
]  # fmt: skip


def mend(g: Any, node: Node) -> Any:
    """g summed over the axes along which the node's result was stretched, in its element type.

    Raises: ContractError if g is not of a shape to which that result stretches: a wrong rule.
    """
    x = g._data
    if x.shape == node.shape:
        return g if x.dtype is node.dtype else ops.cast(g, node.dtype)
    lead = len(x.shape) - len(node.shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(node.shape, x.shape[lead:], strict=True)):
        raise ContractError(
            f"backward: a rule returned a cotangent {g.spec} for an input "
            f"{Spec(node.shape, node.dtype)}; it must have the shape of the input"
        )
    g = ops.sum(g, tuple(range(lead)), False) if lead else g
    stretched = tuple([i for i, n in enumerate(node.shape) if n != g.shape[i]])
    g = ops.sum(g, stretched, True) if stretched else g
    return g if g._data.dtype is node.dtype else ops.cast(g, node.dtype)


def rooted(
    op: str, outputs: Sequence[Tensor], given: Sequence[Tensor | None]
) -> dict[Node, Tensor]:
    """Where a walk begins, with cotangents.  Raises: NoGradient, ContractError, DeviceError."""
    if len(outputs) != len(given):
        raise ContractError(
            f"{op}: {len(given)} cotangents for {len(outputs)} outputs; give one for each"
        )
    return gathered([root(op, x, g) for x, g in zip(outputs, given)])  # noqa: B905  it is slower


def root(op: str, x: Tensor, g: Tensor | None) -> tuple[Node, Tensor]:
    """One of them."""
    if x._node is None:
        raise NoGradient(
            f"{op}: {x.spec} does not require a gradient; set requires_grad on what it is computed "
            f"from"
        )
    return x._node, seed(op, x) if g is None else fitting(op, x, g)


def fitting(op: str, x: Tensor, g: Tensor) -> Tensor:
    """The cotangent that the user gives for x, in its element type."""
    if g.shape != x.shape:
        raise ContractError(f"{op}: cotangent {g.spec} for {x.spec}; give it the same shape")
    if g.device is not x.device:
        raise DeviceError(
            f"{op}: cotangent on {g.device} for a tensor on {x.device}; move it with "
            f".to({str(x.device)!r})"
        )
    return g if g.dtype is x.dtype else ops.cast(g, x.dtype)


def seed(op: str, x: Tensor) -> Tensor:
    """The cotangent 1 of one number.  In eager the same tensor every time: nobody writes it."""
    data = x._data
    g = seeds.get((data.dtype, data.shape))
    if g is None or g.device is not x.device or not straight.current().eager:
        if size(data.shape) != 1:
            raise NoGradient(f"{op}: {x.spec} is not one number; sum it, or give its cotangent")
        g = ops.full(1, shape=x.shape, dtype=x.dtype, device=x.device)
        if straight.current().eager:
            seeds[data.dtype, data.shape] = g
    return g


seeds: dict[Any, Tensor] = {}
adding = RLock()  # two threads may add to the gradient of one leaf


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """Add d tensors / d leaf to the .grad of every leaf that asks.

    grad_tensors: cotangents of the tensors, which need none if they have one element.
    inputs: add to these leaves alone; only what leads to them is visited.
    Raises: NoGradient if a tensor asks for none, or the tape was used up; ContractError for inputs
    that are no leaves that ask, or none.
    """
    wanted = None if inputs is None else leaves(inputs)
    mode = interpreter.get()
    token = interpreter.set(mode.quiet(create_graph))
    try:
        if isinstance(tensors, Tensor) and (
            grad_tensors is None or isinstance(grad_tensors, Tensor)
        ):
            roots = dict((root("backward", tensors, grad_tensors),))
        else:
            roots = rooted("backward", *paired(tensors, grad_tensors))
        keep = create_graph if retain_graph is None else retain_graph
        some = wanted is not None
        ends: dict[Any, Tensor] = walk(roots, mend, targets=wanted or (), prune=some, keep=keep)
        if wanted is not None:
            ends = {node: g for node, g in ends.items() if node in wanted}
        plain = mode.eager and not HOOKED  # then a gradient fits: the walk has mended it
        if not plain:
            ends = {node: hooked(node, g) for node, g in ends.items()}
        with adding:
            for node, g in ends.items():
                leaf = node.tensor()
                if leaf is None:
                    continue
                if plain:
                    before = getattr(leaf, "_grad", None)
                    leaf._grad = alone(g) if before is None else before + g
                else:
                    leaf.grad = alone(g) if leaf.grad is None else leaf.grad + g
    finally:
        interpreter.reset(token)


def leaves(inputs: Tensor | Sequence[Tensor]) -> set[Any]:
    """Their nodes.  Raises: ContractError unless all are leaves that ask for a gradient."""
    given = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    for x in given:
        if not isinstance(x._node, Leaf):
            raise ContractError(
                f"backward: input {x.spec} is no leaf that requires a gradient; give leaves, or "
                f"use autograd.grad"
            )
    if not given:
        raise ContractError("backward: no inputs; give leaves, or leave inputs out")
    return {x._node for x in given}


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,  # noqa: ARG001  PyTorch's, which warns of False and goes on
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """d outputs / d inputs, one for each input; with create_graph, differentiable.

    inputs: leaves or computed tensors; only what leads to them is visited.
    only_inputs: taken for PyTorch's sake; no gradient is ever added to other leaves.
    materialize_grads: zeros for an input on which outputs do not depend.
    Raises: NoGradient if an input requires none, or if outputs do not depend on it, unless
    allow_unused; ContractError for is_grads_batched, and for allow_unused=False with
    materialize_grads.
    """
    if is_grads_batched:
        raise ContractError("grad: is_grads_batched; call it for each cotangent instead")
    if materialize_grads and allow_unused is False:
        raise ContractError(
            "grad: allow_unused=False with materialize_grads=True; leave one of them out"
        )
    outputs, given = paired(outputs, grad_outputs)
    wanted = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    nodes = []
    for x in wanted:
        if x._node is None:
            raise NoGradient(
                f"grad: input {x.spec} does not require a gradient; set requires_grad before it "
                f"is used"
            )
        nodes.append(x._node)
    keep = create_graph if retain_graph is None else retain_graph
    with interpreting(interpreter.get().quiet(create_graph)):
        roots = rooted("grad", outputs, given)
        ends = walk(roots, mend, targets=set(nodes), prune=True, keep=keep)
        if HOOKED:
            ends |= {x: mend(hooked(x, g), x) for x, g in ends.items() if isinstance(x, Leaf)}
    if not allow_unused and not materialize_grads:
        for x in wanted:
            if x._node not in ends:
                raise NoGradient(
                    f"grad: the outputs do not depend on input {x.spec}; pass allow_unused=True to "
                    f"get None"
                )
    found = [ends.get(node) for node in nodes]
    if materialize_grads:
        found = [zeros_like(x) if g is None else g for x, g in zip(wanted, found, strict=True)]
    return tuple([g if g is None else alone(g) for g in found])


def paired(tensors: Any, given: Any) -> tuple[Sequence[Tensor], Sequence[Tensor | None]]:
    """Tensors and their cotangents as two sequences."""
    if isinstance(tensors, Tensor) and given is None:
        return (tensors,), (None,)
    outputs = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    if given is None:
        return outputs, [None] * len(outputs)
    return outputs, [given] if isinstance(given, Tensor) else list(given)


connect(backward)


def __getattr__(name: str) -> Any:
    """What nobody needs at first."""
    room = LATE.get(name)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(room, __name__), name)


LATE = {"Function": ".custom", "gradcheck": ".check", "gradgradcheck": ".check"}
