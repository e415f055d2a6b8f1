"""Function: an operation of the user's own, as PyTorch's autograd.Function."""

from __future__ import annotations

from typing import Any
from weakref import ref

from .. import ops, straight
from ..eager import interpreter, interpreting
from ..errors import ContractError, StaleValue
from ..node import Node
from ..tensor import Tensor, alone


class Context:
    """What `forward` leaves for `backward`: `save_for_backward`, `saved_tensors`, any attribute."""

    needs_input_grad: tuple[bool, ...]
    kept: Any  # of a compiled function, what its backward pass reads

    def __init__(self) -> None:
        self._saved: tuple[tuple[Any, Any], ...] = ()
        self._constant: tuple[Tensor, ...] = ()
        self._made: list[tuple[Tensor, Any]] = []  # results, and weak ways to their nodes
        self._zeros = True

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for `saved_tensors`, which tells backward if one was assigned since."""
        mode = straight.current()
        self._saved = tuple([(x, None if x is None else mode.read(x)) for x in tensors])

    def mark_non_differentiable(self, *outputs: Tensor) -> None:
        """No gradient is asked of these outputs."""
        self._constant = outputs

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros, rather than None, for results that were not used."""
        self._zeros = value

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What was saved.  Raises: StaleValue if one was assigned in place since."""
        mode = straight.current()
        for x, used in self._saved:
            if x is not None and mode.read(x) is not used:
                raise StaleValue(
                    f"backward: a saved tensor {x.spec} was assigned in place since; save its "
                    f"clone() instead"
                )
        return tuple([self._revived(x) for x, _ in self._saved])

    def _revived(self, x: Any) -> Any:
        """A saved result with its node, so that a second derivative sees how it was made."""
        if interpreter.get().recording:
            for made, way in self._made:
                if made is x:
                    x = alone(x)
                    x._node = way()
        return x


class Function:
    """A differentiable function in Python: derive, state `forward` and `backward`, call `apply`.

    forward(ctx, *args) computes on tensors of which no gradient is asked; or forward(*args), and
    setup_context(ctx, inputs, output) then leaves what backward needs;
    backward(ctx, *cotangents) returns one cotangent per argument, None where there is none.

    >>> class Square(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return g * x * 2
    """

    @staticmethod
    def forward(ctx: Any, *args: Any, **kwargs: Any) -> Any:
        """The result: a tensor or a tuple of tensors."""
        raise NotImplementedError("state forward(ctx, *args)")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Keep in ctx what backward reads; if this is stated, forward is called without ctx."""
        raise NotImplementedError("state setup_context(ctx, inputs, output)")

    @staticmethod
    def backward(ctx: Any, *cotangents: Any) -> Any:
        """The cotangents of the arguments, given those of the results."""
        raise NotImplementedError("state backward(ctx, *cotangents)")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """forward(ctx, *args), remembered for gradients."""
        ctx = Context()
        mode = interpreter.get()
        edges = tuple([x._node if isinstance(x, Tensor) else None for x in args])
        ctx.needs_input_grad = tuple([edge is not None for edge in edges])
        apart = cls.setup_context is not Function.setup_context
        with interpreting(mode.quiet(False)):
            made = cls.forward(*(() if apart else (ctx,)), *args, **kwargs)
            if apart:
                cls.setup_context(ctx, args, made)
        results = tuple(made) if isinstance(made, (tuple, list)) else (made,)
        if not (mode.recording and any(ctx.needs_input_grad)):
            return made
        if not isinstance(results[0], Tensor):
            raise ContractError(
                f"{cls.__name__}.forward: {type(results[0]).__name__} came back; return a tensor"
            )
        outputs = [fresh(x) if isinstance(x, Tensor) else x for x in results]
        remember(cls, ctx, edges, outputs, [any(x is c for c in ctx._constant) for x in results])
        ctx._made = [
            (x, ref(z._node))
            for x, z in zip(results, outputs, strict=True)
            if isinstance(z, Tensor) and z._node is not None
        ]
        return type(made)(outputs) if isinstance(made, (tuple, list)) else outputs[0]


def fresh(x: Tensor) -> Tensor:
    """The result as a tensor of its own, even if forward returned an argument."""
    z: Tensor = straight.wrap(straight.current().read(x), x.device)
    return z


class Applied:
    """The operation of one application: all cotangents of its results arrive together."""

    def __init__(self, function: Any, ctx: Any, outputs: list[Any]) -> None:
        self.function, self.ctx = function, ctx
        self.name = function.__name__
        self.kinds = [
            (x.shape, x.dtype, x.device) if isinstance(x, Tensor) else None for x in outputs
        ]

    def cotangents(self, node: Node, g: Any) -> tuple[Any, ...]:
        """One cotangent per argument.  Raises: ContractError if backward returns more or fewer."""
        parts = g.parts if isinstance(g, Parts) else (g,)
        arrived = [self.arrived(gx, kind) for gx, kind in zip(parts, self.kinds, strict=True)]
        given = self.function.backward(self.ctx, *arrived)
        given = tuple(given) if isinstance(given, (tuple, list)) else (given,)
        if all(gx is None for gx in given[len(node.edges) :]):  # PyTorch allows more of these
            given = given[: len(node.edges)]
        if len(given) != len(node.edges):
            raise ContractError(
                f"{self.name}.backward: {len(given)} cotangents for {len(node.edges)} arguments of "
                f"forward; return one for each, None where there is none"
            )
        for i, (gx, edge) in enumerate(zip(given, node.edges, strict=True)):
            if gx is not None and edge is not None and not isinstance(gx, Tensor):
                raise ContractError(
                    f"{self.name}.backward: cotangent {i} is {type(gx).__name__}; return a tensor"
                )
        return given

    def arrived(self, g: Any, kind: Any) -> Any:
        """The cotangent of one result as backward gets it: its own to change, or zeros for None."""
        if g is not None:
            return alone(g)
        if kind is None or not self.ctx._zeros:
            return None
        shape, dtype, device = kind
        return ops.full(0, shape=shape, dtype=dtype, device=device)


class Parts:
    """Cotangents of several results of one application, some of them perhaps absent.

    To the walk it is a cotangent that fits the application's node, which has no shape either.
    """

    shape: Any = None
    dtype: Any = None

    def __init__(self, parts: tuple[Any, ...]) -> None:
        self.parts = parts

    @property
    def _data(self) -> Parts:
        return self

    def __add__(self, other: Parts) -> Parts:
        pairs = zip(self.parts, other.parts, strict=True)
        return Parts(tuple([y if x is None else x if y is None else x + y for x, y in pairs]))


class Part:
    """The operation of one of several results: hands its cotangent on, in its place."""

    def __init__(self, name: str, i: int, count: int) -> None:
        self.name, self.i, self.count = name, i, count

    def cotangents(self, node: Node, g: Any) -> tuple[Parts]:
        """g among absent ones."""
        return (Parts(tuple([g if i == self.i else None for i in range(self.count)])),)


def remember(
    cls: Any, ctx: Any, edges: tuple[Any, ...], outputs: list[Any], constant: list[bool]
) -> None:
    """Put the application on the tape: one node, and for several results one more for each."""
    whole = Node()
    whole.op, whole.edges = Applied(cls, ctx, outputs), edges
    if len(outputs) == 1:
        whole.shape, whole.dtype = outputs[0].shape, outputs[0].dtype
        outputs[0]._node = None if constant[0] else whole
        return
    whole.shape, whole.dtype = Parts.shape, Parts.dtype
    for i, z in enumerate(outputs):
        if isinstance(z, Tensor) and z.is_floating_point() and not constant[i]:
            z._node = node = Node()
            node.op, node.edges = Part(cls.__name__, i, len(outputs)), (whole,)
            node.shape, node.dtype = z.shape, z.dtype
