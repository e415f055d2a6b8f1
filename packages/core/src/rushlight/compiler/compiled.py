"""Compiled: a function with the programs that were made of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial, update_wrapper
from threading import RLock
from typing import Any, NamedTuple

from .. import ops
from ..alias import refresh, wholes
from ..autograd import mend
from ..autograd.custom import Context, remember
from ..autograd.tape import count_uses, gathered, walk
from ..cell import Cell, Number, compute
from ..eager import QUIET, interpreter, interpreting
from ..errors import ContractError, NoGradient, RushlightError, StaleValue
from ..node import SPENT, Leaf
from ..spec import Spec
from ..straight import wrap
from ..tensor import Tensor
from .argument import Constant, Place, flatten, parts, rebuild
from .graph import Graph, Program, Step, Value, blame, is_made
from .trace import Guard, Trace, Tracing

Owner = Tensor | Place  # of a gradient: a captured tensor, or the place of an argument
MANY = 8  # programs of one function after which a warning says what keeps changing

_epoch = 0


def retrace() -> None:
    """Programs traced before now are stale: what changed no key shows, such as a module's mode."""
    global _epoch  # noqa: PLW0603  one number for all functions
    _epoch += 1


def is_compiling() -> bool:
    """Whether operations are being written down now, instead of run."""
    return bool(interpreter.get().traces)


@contextmanager
def paused() -> Iterator[None]:
    """Inside, operations run now although a trace is going on: they are no part of the program.

    For state that is made when it is first needed, such as an optimizer's: the trace captures it.
    """
    with interpreting(QUIET):
        yield


def compile(fn: Callable[..., Any] | None = None, **options: Any) -> Any:
    """A function that does what fn does, traced once for each kind of arguments and then replayed.

    A kind: the shapes, types and devices of tensors, whether they require gradients and whether
    gradients are remembered, and the values of ints, bools, strings and other objects.  A float may
    change freely, and so may tensors that fn uses without being given them, the numbers of an
    optimizer, and a random stream.
    Python code that looks at the value of a tensor (`if t:`, `float(t)`) raises TracingError.

    >>> import rushlight as rl
    >>> double = rl.compile(lambda x: x + x)
    >>> double(rl.tensor([1.0, 2.0])).tolist()
    [2.0, 4.0]
    """
    if options:
        raise ContractError(f"compile: no option {next(iter(options))!r}; give the function only")
    if fn is not None and not callable(fn):
        raise ContractError(f"compile: {type(fn).__name__} is no function; give one to compile")
    return Compiled(fn) if fn is not None else Compiled


class Argument(NamedTuple):
    """Where a symbolic number came from: the i-th leaf of the arguments."""

    i: int
    value: float


class Compiled:
    """A function with its programs.  Attributes that it lacks are the function's (or module's)."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn
        self.traced: dict[Any, list[Traced]] = {}
        self.latest: Any = None
        self.count = 0
        self.lock = RLock()
        if hasattr(fn, "__name__"):
            update_wrapper(self, fn)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else partial(self, instance)

    def __getattr__(self, name: str) -> Any:
        if name == "fn":  # not set yet, while being copied or unpickled
            raise AttributeError(name)
        return getattr(self.fn, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        mode = interpreter.get()
        if mode.traces:
            return self.fn(*args, **kwargs)  # part of a larger trace
        leaves: list[Any] = []
        structure = flatten((args, kwargs), leaves, {}, (Tensor, float))
        key = (structure, tuple(map(kind, leaves)), mode, _epoch)
        for traced in self.traced.get(key, ()):
            if traced.holds(leaves):
                return traced(leaves)
        with self.lock:
            traced = self.trace(structure, leaves, mode)
            self.remember(key, traced)
        return traced(leaves)

    def trace(self, structure: Any, leaves: list[Any], mode: Any) -> Traced:
        """Run the function on stand-ins for the leaves, and make a program of what it did."""
        trace = Trace()
        tracing = Tracing(trace, mode.recording)
        with interpreting(mode.around(tracing)):
            stand_ins = [stand_in(tracing, i, x) for i, x in enumerate(leaves)]
            given = [x._data if isinstance(x, Tensor) else x for x in stand_ins]
            args, kwargs = rebuild(structure, stand_ins)
            known = zip(leaves, stand_ins, strict=True)
            trace.aliases = {x: z for x, z in known if isinstance(x, Tensor)}
            try:
                result = self.fn(*args, **kwargs)
            finally:
                trace.restore()
        return Traced(trace, mode.recording, stand_ins, given, result)

    def remember(self, key: Any, traced: Traced) -> None:
        """Keep a program, and drop stale ones."""
        stale = [other for other in self.traced if other[-1] != _epoch]
        for other in stale:
            del self.traced[other]
        self.traced.setdefault(key, []).append(traced)
        self.count = 1 if stale else self.count + 1
        if self.count == MANY + 1:
            warnings.warn(
                f"compile: {self.fn!r} was traced {self.count} times; {changed(self.latest, key)}; "
                f"keep it the same, or pass what changes as a float or in a tensor",
                stacklevel=3,
            )
        self.latest = key

    def explain(self) -> str:
        """Every program, as the Python text that is replayed."""
        texts = [str(traced.program) for found in self.traced.values() for traced in found]
        return f"{len(texts)} programs of {self.fn!r}\n\n" + "\n".join(texts)

    def __repr__(self) -> str:
        return f"<compiled {self.fn!r}>"


def kind(x: Any) -> Any:
    """What of a leaf is part of the key."""
    if not isinstance(x, Tensor):
        return float
    ungiven = getattr(x, "_grad", None) is None
    return (x._data.shape, x._data.dtype, x.device, x._node is not None, ungiven)


def changed(before: Any, after: Any) -> str:
    """What differs between two keys, in words."""
    was, now = arguments(before), arguments(after)
    for name in [*now, *was]:
        x, y = (texts.get(name, "not given") for texts in (was, now))
        if x != y:
            x, y = (text if len(text) <= 60 else f"{text[:58]}.." for text in (x, y))
            return f"argument {name} changed, last from {x} to {y}"
    if before[0] != after[0]:
        return "the type of a container among its arguments changed"
    return (
        "what it captures changes: a tensor's shape, a number it compares, or whether a gradient "
        "is there"
    )


def arguments(key: Any) -> dict[str, str]:
    """The leaves of the arguments in words, by their places: `0`, `options['rate']`."""
    structure, kinds = key[:2]
    given, named = structure.parts
    found: dict[str, str] = {}
    for i, part in enumerate(given.parts):
        found |= {f"{i}{path}": described(leaf, kinds) for path, leaf in parts(part)}
    for name, part in zip(named.keys, named.parts, strict=True):
        found |= {f"{name.value}{path}": described(leaf, kinds) for path, leaf in parts(part)}
    return found


def described(leaf: Place | Constant, kinds: Any) -> str:
    """A leaf of the arguments in words: what of it is part of a key."""
    if isinstance(leaf, Constant):
        return repr(leaf.value)
    if kinds[leaf.i] is float:
        return "a float"
    shape, dtype, device, asks, ungiven = kinds[leaf.i]
    gradient = "" if not asks else " that asks for a gradient" if ungiven else " with a gradient"
    return f"{Spec(shape, dtype)} on {device}{gradient}"


def stand_in(tracing: Tracing, i: int, x: Any) -> Any:
    """What the function gets in place of an argument."""
    if not isinstance(x, Tensor):
        return Number(tracing, float, Argument(i, x))
    z = wrap(Value(x.spec), x.device)
    if x._node is not None:
        z.requires_grad_()
    before = getattr(x, "_grad", None)
    if before is not None:
        before = wrap(Value(before.spec), before.device)
    tracing.trace.grads[z] = tracing.trace.grads_before[z] = before
    tracing.trace.grads_held[z] = None if before is None else before._data
    return z


class Capture(NamedTuple):
    """A concrete tensor that the function met, and what of it the program relies on."""

    tensor: Tensor
    spec: Spec
    asks: bool

    def holds(self) -> bool:
        """Whether it is still of that kind."""
        data = self.tensor._data
        return (
            data.dtype is self.spec.dtype
            and data.shape == self.spec.shape
            and (self.tensor._node is not None) is self.asks
        )


class Traced:
    """One program of a function: what it reads, checks, and writes back.

    Every list of Values or Numbers here stands in the order of the program's inputs or outputs.
    """

    def __init__(
        self,
        trace: Trace,
        recording: bool,
        stand_ins: list[Any],
        given: list[Any],
        result: Any,
    ) -> None:
        tracing = Tracing(trace, recording=False)
        places = {id(x): Place(i) for i, x in enumerate(stand_ins)}
        found: list[Any] = []
        self.structure = flatten(result, found, {}, (Tensor, Number))
        # what is handed back as it is: a tensor that was there before, or an argument
        self.same = [x if is_concrete(x) else places.get(id(x)) for x in found]
        fresh = [x for x, same in zip(found, self.same, strict=True) if same is None]
        self.made = [x if isinstance(x, Number) else tracing.read(x) for x in fresh]
        self.devices = [getattr(x, "device", None) for x in fresh]
        backward = Backward(trace, tracing, fresh, places) if recording else None
        self.backward = backward if backward and backward.roots else None
        self.writes = [(x, v) for x, v in trace.held.items() if v is not trace.captures[x]]
        self.argument_writes = [
            (i, x._data)
            for i, (x, data) in enumerate(zip(stand_ins, given, strict=True))
            if isinstance(x, Tensor) and x._data is not data
        ]
        for x, node in [
            *trace.asked, *[(stand_ins[i], stand_ins[i]._node) for i, _ in self.argument_writes]
        ]:  # fmt: skip
            if (
                recording
                and node is not None
                and not isinstance(node, Leaf)
                and node.op is not SPENT
            ):
                raise ContractError(
                    f"compile: a tensor {x.spec} from outside becomes, in place, what asks for a "
                    f"gradient; return that instead, or do it under rl.no_grad()"
                )
        left: list[tuple[Owner, Tensor | None]] = [
            (places.get(id(x), x), g)
            for x, g in trace.grads.items()
            if (is_concrete(x) or id(x) in places)
            and (g is not trace.grads_before[x] or held_by(g) is not trace.grads_held[x])
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

        before = trace.grads_before.items()
        held_grads = [(places.get(id(x), x), g) for x, g in before if g is not None]
        self.grads_read: list[Owner] = [x for x, _ in held_grads]
        self.grads_absent = [x for x, g in before if g is None and is_concrete(x)]
        self.captures = [Capture(x, x.spec, x._node is not None) for x in trace.captures]
        concrete = {id(z): x for x, z in trace.aliases.items()}
        self.aliased = [
            (i, concrete[id(z)])
            for i, z in enumerate(stand_ins)
            if id(z) in concrete and concrete[id(z)] in trace.met
        ]
        self.captured = set(trace.captures)
        self.cells_read = list(trace.cells)
        self.guards: list[Guard] = trace.guards
        inputs = (
            *given, *trace.captures.values(),
            *(v for v in trace.grads_held.values() if v is not None), *trace.cells.values(),
        )  # fmt: skip
        outputs = (
            *self.made, *(v for _, v in self.writes), *(v for _, v in self.argument_writes),
            *(v for _, v, _ in self.grads), *(n for _, n in self.cells),
            *(self.backward.kept if self.backward else ()),
        )  # fmt: skip
        steps = trace.steps[: self.backward.start] if self.backward else trace.steps
        graph = Graph(inputs, tuple(steps), outputs).pruned()
        graph.refuse_leftovers()
        self.program = built(graph)

    def holds(self, leaves: list[Any]) -> bool:
        """Whether what was traced is what would be traced now."""
        # lists, because generators take twice the time and this is asked at each call
        return (
            all([capture.holds() for capture in self.captures])  # noqa: C419
            and all([leaves[i] is x for i, x in self.aliased])  # noqa: C419
            and self.captured.isdisjoint([x for x in leaves if isinstance(x, Tensor)])
            and all([getattr(x, "_grad", None) is None for x in self.grads_absent])  # noqa: C419
            and all([grad_of(x, leaves) is not None for x in self.grads_read])  # noqa: C419
            and all([self.decided(guard, leaves) for guard in self.guards])  # noqa: C419
        )

    def decided(self, guard: Guard, leaves: list[Any]) -> bool:
        """Whether a comparison comes out as it did."""
        sides = [
            x.held if isinstance(x, Cell) else leaves[x.i] if isinstance(x, Argument) else x
            for x in (guard.source, guard.other)
        ]
        return bool(compute(guard.how, *sides)) is guard.outcome

    def refuse_tangled(self, leaves: list[Any]) -> None:
        """Raises: ContractError if an argument is a part of another tensor, and one is changed."""
        changed = {leaves[i] for i, _ in self.argument_writes} | {x for x, _ in self.writes}
        known = {x for x in leaves if isinstance(x, Tensor)} | self.captured
        for x in leaves:
            for whole in wholes(x) if isinstance(x, Tensor) else ():
                others = [y for y in known if y is whole or (y is not x and whole in wholes(y))]
                if others and not changed.isdisjoint((x, *others)):
                    raise ContractError(
                        f"compile: an argument {x.spec} is a part of {whole.spec}, of which the "
                        f"function knows more, and that is changed; take the parts inside"
                    )

    def __call__(self, leaves: list[Any]) -> Any:
        if self.writes or self.argument_writes:
            self.refuse_tangled(leaves)
        for cell, _ in self.cells:
            cell.lock.acquire()
        try:
            return self.replay(leaves)
        finally:
            for cell, _ in self.cells:
                cell.lock.release()

    def replay(self, leaves: list[Any]) -> Any:
        """Run the program on what there is now, and write back what it assigned."""
        for i, _ in self.argument_writes:
            refresh(leaves[i])
        inputs = [x._data if isinstance(x, Tensor) else x for x in leaves]
        inputs += [capture.tensor._data for capture in self.captures]
        inputs += [grad_of(x, leaves)._data for x in self.grads_read]
        inputs += [cell.held for cell in self.cells_read]
        out = iter(run(self.program, inputs))
        fresh = [
            next(out) if device is None else wrap(next(out), device) for device in self.devices
        ]
        for tensor, _ in self.writes:
            tensor._data = next(out)
        if self.argument_writes:
            with interpreting(QUIET):
                for i, _ in self.argument_writes:
                    leaves[i].assign_(wrap(next(out), leaves[i].device))
        for x, _, device in self.grads:
            if x in self.grads_kept:  # changed in place
                grad_of(x, leaves)._data = next(out)
            else:
                (leaves[x.i] if isinstance(x, Place) else x)._grad = wrap(next(out), device)
        for x in self.cleared:
            (leaves[x.i] if isinstance(x, Place) else x)._grad = None
        for cell, _ in self.cells:
            cell.held = next(out)
        if self.backward is not None:
            self.backward.attach(fresh, leaves, list(out))
        made = iter(fresh)
        results = [
            next(made) if same is None else leaves[same.i] if isinstance(same, Place) else same
            for same in self.same
        ]
        return rebuild(self.structure, results)


def built(graph: Graph) -> Program:
    """The graph as a program: of the one backend that does it all, if that compiles, or replayed."""
    backends = {step.device.backend for step in graph.steps if isinstance(step, Step)}
    if len(backends) == 1 and (backend := backends.pop()).compiles:
        from .fuse import fuse
        from .simplify import simplify

        fused = fuse(simplify(graph), backend.policy)
        run = backend.compile(fused)
        if run is not None:
            return Program(graph, str(fused), run)
    return graph.program()


def held_by(g: Tensor | None) -> Any:
    """What a gradient holds, if there is one."""
    return None if g is None else g._data


def is_concrete(x: Any) -> bool:
    """Whether x is a tensor that was there before the trace."""
    return isinstance(x, Tensor) and not isinstance(x._data, Value)


def grad_of(x: Owner, leaves: list[Any]) -> Any:
    """The .grad of a captured tensor, or of an argument given by its place."""
    return getattr(leaves[x.i] if isinstance(x, Place) else x, "_grad", None)


def run(program: Program, inputs: Iterable[Any]) -> list[Any]:
    """The program's outputs; a failure names the operation."""
    inputs = list(inputs)
    try:
        return program.run(*inputs)
    except Warning:  # a user who made warnings errors gets the value that others get
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return program.run(*inputs)
    except RushlightError:
        raise
    except Exception:  # run again step by step, which raises what it was and where
        blame(program.graph, inputs)
        raise


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
