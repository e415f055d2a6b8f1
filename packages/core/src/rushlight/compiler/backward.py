"""Backward: the gradient of a compiled function's results, taken outside of it."""

from typing import Any

from .. import ops
from ..autograd import mend
from ..autograd.custom import Context, remember
from ..autograd.tape import count_uses, gathered, walk
from ..eager import interpreter, interpreting
from ..errors import NoGradient, StaleValue
from ..node import SPENT, Leaf
from ..straight import wrap
from ..tensor import Tensor
from .argument import Owner, Place
from .graph import Graph, Value, is_made
from .program import built, run
from .trace import Trace, Tracing


class Backward:
    """The backward pass of results that are differentiated outside of the compiled function.

    start: how many of the trace's steps belong to the forward pass.  kept: what is needed of it.
    """

    def __init__(
        self, trace: Trace, tracing: Tracing, fresh: list[Any], places: dict[int, Place]
    ) -> None:
        self.start = len(trace.steps)
        self.kept: list[Any] = []
        self.refusal = ""
        self.roots = [
            i for i, x in enumerate(fresh)
            if isinstance(x, Tensor) and x._node is not None and x._node.op is not SPENT
        ]  # fmt: skip
        seeds = [wrap(Value(fresh[i].spec), fresh[i].device) for i in self.roots]
        with interpreting(tracing):
            roots = gathered((fresh[i]._node, g) for i, g in zip(self.roots, seeds, strict=True))
            try:
                ends = walk(roots, mend, keep=True)
            except NoGradient:  # part of the tape was used up inside the function
                self.roots = []
                return
            except StaleValue as error:  # of interest only if somebody asks for this pass
                self.refusal = str(error)
                ends = dict.fromkeys(count_uses(roots), seeds[0])
            leaves = [
                (x, g)
                for node, g in ends.items()
                if isinstance(node, Leaf) and (x := node.tensor()) is not None
            ]
            outputs = tuple([tracing.read(g) for _, g in leaves])
        if not leaves:  # those of its own are gone
            self.roots = []
            return
        self.leaves: list[Owner] = [places.get(id(x), x) for x, _ in leaves]
        self.devices = [g.device for _, g in leaves]
        self.specs = [(x.spec, x.device) for x in seeds]
        graph = Graph((), tuple(trace.steps[self.start :]), outputs).pruned()
        known = {x._data for x in seeds} | {v for step in graph.steps for v in step.outputs}
        read = [x for step in graph.steps for x in step.inputs] + list(outputs)
        self.kept = list(dict.fromkeys(x for x in read if is_made(x) and x not in known))
        self.program = built(graph._replace(inputs=(*(x._data for x in seeds), *self.kept)))

    __name__ = "compiled"

    def attach(self, fresh: list[Any], leaves: list[Any], kept: list[Any]) -> None:
        """Put one call on the tape."""
        edges = tuple([(leaves[x.i] if isinstance(x, Place) else x)._node for x in self.leaves])
        ctx = Context()
        ctx.set_materialize_grads(False)  # backward fills in what is missing
        ctx.kept = kept
        remember(self, ctx, edges, [fresh[i] for i in self.roots], [False] * len(self.roots))

    def backward(self, ctx: Any, *cotangents: Tensor | None) -> tuple[Tensor, ...]:
        """The cotangents of the leaves.  Raises: NoGradient if these must be differentiable."""
        if interpreter.get().recording:
            raise NoGradient(
                "compiled: a second derivative through a compiled function; take the first inside "
                "of it"
            )
        if self.refusal:
            raise StaleValue(self.refusal)
        given = []
        for g, (spec, device) in zip(cotangents, self.specs, strict=True):
            if g is None:
                g = ops.full(0, shape=spec.shape, dtype=spec.dtype, device=device)
            given.append(g._data)
        out = run(self.program, [*given, *ctx.kept])
        return tuple([wrap(data, device) for data, device in zip(out, self.devices, strict=True)])
