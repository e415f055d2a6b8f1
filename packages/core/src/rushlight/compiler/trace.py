"""The interpreter that writes operations down.  Runs no kernel."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..cell import Cell, Number, compute
from ..device import Device
from ..eager import Inputs, Meaning
from ..errors import TracingError
from ..node import Leaf
from ..op import Operation, spec_of
from ..spec import Spec
from ..straight import wrap
from ..tensor import Tensor, caller
from .graph import Step, Sum, Value


class Guard(NamedTuple):
    """A comparison that decided what was traced: holds while its outcome is the same."""

    source: Any  # a Cell, or the place of a number among the arguments
    how: str
    other: Any  # the same, or a plain number
    outcome: bool


UNREAD: Any = object()  # a gradient that was assigned, and had not been looked at before


class Trace:
    """All that was written down: shared by the recording and the quiet interpreter of one trace."""

    def __init__(self) -> None:
        self.steps: list[Step | Sum] = []
        self.captures: dict[Tensor, Value] = {}  # what a concrete tensor held at the start
        self.held: dict[Tensor, Value] = {}  # and what it holds now
        self.cells: dict[Cell, Number] = {}  # the same for numbers
        self.cells_held: dict[Cell, Any] = {}
        self.grads_before: dict[Tensor, Tensor | None] = {}  # what .grad was at the start
        self.grads_held: dict[Tensor, Any] = {}  # and what that held
        self.asked: list[tuple[Tensor, Any]] = []  # what became, in place, what asks for a gradient
        self.grads: dict[Tensor, Tensor | None] = {}  # and what it is now
        self.aliases: dict[Tensor, Tensor] = {}  # arguments that the function also knows otherwise
        self.met: set[Tensor] = set()  # which of them it did meet
        self.given: dict[Tensor, Tensor] = {}  # the argument that each stand-in stands for
        self.nodes: dict[Tensor, Any] = {}  # those of concrete tensors that are assigned, before
        self.guards: list[Guard] = []
        self.attributes: list[tuple[dict[str, Any], str, Any]] = []  # that were read: of whom, what
        self.born: set[Tensor] = set()  # made of given values by the function: anew at each call

    def restore(self) -> None:
        """Take the steps of this trace off the tensors that outlive it."""
        for x, node in self.nodes.items():
            x._node = node


class Tracing(Meaning):
    """Writes each call into a list of steps.

    whole: an operation's kernel is called where there is one, or, on a backend that compiles, where
    it wishes so; if False, every body is opened.  unopened: the name of one that never is.
    """

    traces = True

    def __init__(
        self, trace: Trace, recording: bool, whole: bool = True, unopened: str = ""
    ) -> None:
        super().__init__(recording)
        self.trace, self.whole, self.unopened = trace, whole, unopened

    def quiet(self, recording: bool) -> Tracing:
        return Tracing(self.trace, recording, self.whole, self.unopened)

    def has_kernel(self, op: Operation, device: Device, inputs: Inputs, params: Inputs) -> bool:
        if op.name == self.unopened:
            return True
        if not op.has_body or not self.whole:
            return not op.has_body
        backend = device.backend
        if not backend.compiles:
            return op.name in device.kernels
        specs = [spec_of(x) for x in inputs]
        return op.name in backend.whole or backend.keeps(op.name, specs, params)

    def read(self, x: Tensor) -> Any:
        """What x holds at this point; a concrete tensor met for the first time is captured."""
        x = self.meant(x)
        if isinstance(x._data, Value):
            return x._data
        held = self.trace.held
        if x not in held:
            held[x] = self.trace.captures[x] = Value(x.spec)
        return held[x]

    def assign(self, x: Tensor, value: Tensor) -> None:
        """x becomes value here, and, if it is concrete, at the end of each call."""
        data, x = self.read(value), self.meant(x)
        if isinstance(x._data, Value):
            x._data = data
        else:
            self.read(x)
            self.trace.held[x] = data
            if x not in self.trace.born:
                if self.recording and value._node is not None:
                    self.trace.asked.append((x, value._node))
                self.trace.nodes.setdefault(x, x._node)
        if self.recording and not isinstance(x._node, Leaf):
            x._node = value._node

    def bear(self, x: Tensor) -> None:
        """x was made of values that the function gives: what becomes of it ends with the call."""
        self.trace.born.add(x)

    def meant(self, x: Tensor) -> Tensor:
        """x, or what stands in for it if it is an argument of this call too."""
        if x in self.trace.aliases:
            self.trace.met.add(x)
            return self.trace.aliases[x]
        return x

    def run(
        self, op: Operation, device: Device, inputs: tuple[Any, ...], params: tuple[Any, ...]
    ) -> Any:
        specs = infer(op, device, tuple([spec_of(x) for x in inputs]), params)
        several = isinstance(specs, tuple) and not isinstance(specs, Spec)
        out = tuple([None if s is None else Value(s) for s in (specs if several else (specs,))])
        data = tuple([self.read(x) if isinstance(x, Tensor) else x for x in inputs])
        self.trace.steps.append(Step(op, device, data, params, out))
        return out if several else out[0]

    def read_grad(self, x: Tensor) -> Tensor | None:
        """x.grad at this point; a concrete one met for the first time is captured."""
        x = self.meant(x)
        if x not in self.trace.grads:
            owner = self.trace.given.get(x, x)
            before = None if isinstance(owner._data, Value) else getattr(owner, "_grad", None)
            if before is not None:
                before = wrap(Value(before.spec), before.device)
            self.trace.grads[x] = self.trace.grads_before[x] = before
            self.trace.grads_held[x] = None if before is None else before._data
        return self.trace.grads[x]

    def assign_grad(self, x: Tensor, value: Tensor | None) -> None:
        """x.grad becomes value here, and at the end of each call."""
        x = self.meant(x)
        if x not in self.trace.grads:  # whether there was one makes no difference
            self.trace.grads_before[x] = UNREAD
        self.trace.grads[x] = value

    def read_cell(self, cell: Cell) -> Any:
        """The number a cell holds at this point."""
        held = self.trace.cells_held
        if cell not in held:
            held[cell] = self.trace.cells[cell] = Number(self, type(cell.held), cell)
        return held[cell]

    def assign_cell(self, cell: Cell, value: Any) -> None:
        """The cell holds value here, and at the end of each call."""
        self.read_cell(cell)
        self.trace.cells_held[cell] = value

    def number(self, how: str, x: Any, y: Any) -> Number:
        """Arithmetic on numbers, done at each call."""
        sample = [v.kind(1) if isinstance(v, Number) else v or 1 for v in (x, y)]
        made = Number(self, type(compute(how, *sample)))
        self.trace.steps.append(Sum(how, (x, y), (made,)))
        return made

    def guard(self, number: Number, how: str, other: Any) -> bool:
        """The outcome of a comparison now.  Raises: TracingError for a number computed here."""
        sides = [x.source if isinstance(x, Number) else x for x in (number, other)]
        if None in sides:
            raise TracingError(
                f"compare: a number computed while tracing has no value yet, {caller()}; compare "
                f"the number that it was computed from, or do so outside of the compiled function"
            )
        here = [x.held if isinstance(x, Cell) else getattr(x, "value", x) for x in sides]
        outcome = bool(compute(how, *here))
        self.trace.guards.append(Guard(sides[0], how, sides[1], outcome))
        return outcome


def infer(op: Operation, device: Device, specs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
    """The Spec of the result (a tuple for several): by contract, or what a body comes to."""
    # A half: with 1 - beta and its like, neither 0 nor 1 can stand for every number.
    specs = tuple([x.kind(0.5) or x.kind(1) if isinstance(x, Number) else x for x in specs])
    if not op.has_body:
        return op.contract(specs, params)
    try:
        return op.contracts[specs, params]
    except KeyError:
        pass
    stand_ins = [wrap(Value(x), device) if isinstance(x, Spec) else x for x in specs]
    z = Tracing(Trace(), recording=False, whole=False).open(op, (*stand_ins,), params, False)
    several = isinstance(z, (tuple, list))
    found = tuple([None if part is None else part.spec for part in z]) if several else z.spec
    op.contracts[specs, params] = found
    return found
