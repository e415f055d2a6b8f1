"""Traced: one program of a function, with what it relies on, reads and writes back."""

from typing import Any, NamedTuple

from ..cell import Number
from ..errors import ContractError
from ..node import END, SPENT
from ..spec import Spec
from ..tensor import Tensor
from .argument import Owner, Place, flatten
from .backward import Backward
from .call import holding, matching, replaying
from .graph import Graph, Value, is_made
from .program import built
from .trace import UNREAD, Guard, Trace, Tracing


class Capture(NamedTuple):
    """A concrete tensor that the function met, and what of it the program relies on."""

    tensor: Tensor
    spec: Spec
    asks: bool


class Gradient(NamedTuple):
    """The array of a gradient that was there before, as an input of the program."""

    owner: Owner


class Traced:
    """One program of a function: what it reads, checks, and writes back.

    Every list of Values or Numbers here stands in the order of the program's inputs or outputs.
    """

    def __init__(
        self,
        key: Any,
        trace: Trace,
        recording: bool,
        stand_ins: list[Any],
        given: list[Any],
        result: Any,
    ) -> None:
        self.key = key
        tracing = Tracing(trace, recording=False)
        places = {id(x): Place(i) for i, x in enumerate(stand_ins)}
        found: list[Any] = []
        self.structure = flatten(result, found, {}, (Tensor, Number))
        # what is handed back as it is: a tensor that was there before, or an argument
        self.same = [
            x if is_concrete(x) and x not in trace.born else places.get(id(x)) for x in found
        ]
        fresh = [x for x, same in zip(found, self.same, strict=True) if same is None]
        self.made = [x if isinstance(x, Number) else tracing.read(x) for x in fresh]
        self.devices = [getattr(x, "device", None) for x in fresh]
        backward = Backward(trace, tracing, fresh, places) if recording else None
        self.backward = backward if backward and backward.roots else None
        self.writes = [
            (x, v) for x, v in trace.held.items()
            if v is not trace.captures[x] and x not in trace.born
        ]  # fmt: skip
        self.argument_writes = [
            (i, x._data)
            for i, (x, data) in enumerate(zip(stand_ins, given, strict=True))
            if isinstance(x, Tensor) and x._data is not data
        ]
        for x, node in [
            *trace.asked, *[(stand_ins[i], stand_ins[i]._node) for i, _ in self.argument_writes]
        ]:  # fmt: skip
            if recording and node is not None and node.op not in (END, SPENT):
                raise ContractError(
                    f"compile: a tensor {x.spec} from outside becomes, in place, what asks for a "
                    f"gradient; return that instead, or do it under rl.no_grad()"
                )
        left: list[tuple[Owner, Tensor | None]] = [
            (places.get(id(x), x), g)
            for x, g in trace.grads.items()
            if (is_concrete(x) or id(x) in places)
            and (
                g is not trace.grads_before[x]
                or getattr(g, "_data", None) is not trace.grads_held[x]
            )
        ]
        self.grads_kept = {
            places.get(id(x), x)
            for x, g in trace.grads.items()
            if g is not None and g is trace.grads_before[x]
        }
        self.cleared = [x for x, g in left if g is None]
        self.grads = [(x, tracing.read(g), g.device) for x, g in left if g is not None]
        cells = [(c, n) for c, n in trace.cells_held.items() if n is not trace.cells[c]]
        self.cells = sorted(cells, key=lambda pair: id(pair[0]))  # locked in the same order by all

        before = [(places.get(id(x), x), x, g) for x, g in trace.grads_before.items()]
        self.grads_read = [owner for owner, _, g in before if g is not None and g is not UNREAD]
        self.grads_absent = [
            owner for owner, x, g in before if g is None and (is_concrete(x) or id(x) in places)
        ]
        self.captures = [Capture(x, x.spec, x._node is not None) for x in trace.captures]
        concrete = {id(z): x for x, z in trace.aliases.items()}
        self.aliased = [
            (i, concrete[id(z)])
            for i, z in enumerate(stand_ins)
            if id(z) in concrete and concrete[id(z)] in trace.met
        ]
        self.captured = set(trace.captures)
        self.cells_read = trace.cells
        self.guards: list[Guard] = trace.guards
        self.attributes = trace.attributes
        held = [v for v in trace.grads_held.values() if v is not None]
        sources: dict[Any, Any] = {
            **{v: Place(i) for i, v in enumerate(given)},
            **{v: x for x, v in trace.captures.items()},
            **{v: Gradient(x) for v, x in zip(held, self.grads_read, strict=True)},
            **{n: cell for cell, n in trace.cells.items()},
        }
        outputs = (
            *self.made, *(v for _, v in self.writes), *(v for _, v in self.argument_writes),
            *(v for _, v, _ in self.grads), *(n for _, n in self.cells),
            *(self.backward.kept if self.backward else ()),
        )  # fmt: skip
        steps = trace.steps[: self.backward.start] if self.backward else trace.steps
        gone = {v: trace.captures[x] for x, v in self.writes}
        replaced = tuple([gone.get(z) for z in outputs])
        graph = Graph(tuple(sources), tuple(steps), outputs, replaced=replaced).pruned()
        graph.refuse_leftovers()
        used = {x for step in graph.steps for x in step.inputs if is_made(x)}.union(outputs)
        self.sources: list[Any] = [source for x, source in sources.items() if x in used]
        self.program = built(graph._replace(inputs=tuple(x for x in sources if x in used)))
        self.holds = holding(self, len(given))
        self.replay = replaying(self, len(given))
        self.match = matching(self, len(given))


def is_concrete(x: Any) -> bool:
    """Whether x is a tensor that was there before the trace."""
    return isinstance(x, Tensor) and not isinstance(x._data, Value)
