"""Fuse: a graph's steps gathered into groups, each of which becomes one kernel.

A group is a set of steps over one space of loops, at most one of them a product, its head; views
are places in memory and belong to none.  Knows no backend and no machine code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..backend import FusionPolicy
from ..cell import Number
from ..dtypes import bool_
from ..eager import call
from ..op import operations
from ..spec import Shape, Spec, reduced, size, strides_of
from .affine import (
    Affine,
    Index,
    Run,
    begun,
    expanded,
    identity,
    looked_up,
    nowhere,
    numbered,
    permuted,
    remembered,
    reshaped,
    shifted,
    sliced,
    split,
)
from .graph import Graph, Step, Sum, Value
from .kind import (
    MADE,
    VIEWS,
    domain,
    hosted,
    is_call,
    is_elementwise,
    is_lookup,
    is_pointwise,
    is_product,
    is_reduction,
    is_scatter,
)
from .nest import Access, LoopNest
from .nesting import Nesting, coalesced

# Not computed twice.
DEAR = frozenset("exp log tanh erf sin cos pow div sqrt floordiv remainder".split())
CONE = 8  # steps at most that are computed again to save a value
ROW_LIMIT = 4096  # elements of a row that the epilogue of a product may reduce: it stays in cache


class NotAffine(Exception):
    """A view is read at places that are no sums over loops: the value must be stored as it is."""

    def __init__(self, value: Value) -> None:
        self.value = value


class Product(NamedTuple):
    """A matrix product x @ y whose blocks the nest consumes.

    x: an access over (*batch, m, k).  y: over (*batch, k, n).  shape: (*batch, m, n).
    """

    x: Access
    y: Access
    k: int
    shape: Shape
    nest: LoopNest


class Call(NamedTuple):
    """A step that its kernel does.

    inputs: accesses over the axes of arrays, numbers, and None.  shapes: of the arrays.
    """

    step: Step
    inputs: tuple[Any, ...]
    shapes: tuple[Shape | None, ...]

    def run(self, given: list[Any]) -> tuple[Any, ...]:
        """What the device's kernel makes of arrays and numbers: one result per output."""
        op, device = self.step.op, self.step.device
        made = call(device.kernels[op.name], op, given, self.step.params)
        return tuple(made) if isinstance(made, (tuple, list)) else (made,)


Record = LoopNest | Product | Call


@dataclass
class Group:
    """Steps of one space.  shape: of the step that began it; extents: its loops."""

    shape: Shape
    extents: Shape
    head: Step | None = None
    steps: list[Step] = field(default_factory=list)
    members: dict[Value, Index] = field(default_factory=dict)
    needs: set[int] = field(default_factory=set)  # groups that run before it
    roots: set[Value] = field(default_factory=set)  # stored values that it reads
    is_closed: bool = False
    summed: set[Value] = field(default_factory=set)  # known only when the whole nest is done

    @property
    def last(self) -> int:
        return len(self.extents) - 1


class Fused(NamedTuple):
    """Records in order, and where values lie.

    places: of a value that is part of a larger one: (the whole, its first place there).
    outputs: where each result lies, an axis a loop.
    checks: where one integer lies that a run must leave 0; else it fails, and core finds out why.
    fuser: who knows why what is apart is apart.
    """

    graph: Graph
    records: tuple[Record, ...]
    stored: frozenset[Value]
    places: dict[Value, tuple[Value, Shape]]
    outputs: dict[Value, Access]
    checks: tuple[Access, ...] = ()
    fuser: Any = None

    def __str__(self) -> str:
        return "\n\n".join(map(str, self.records)) + "\n"

    def sums(self) -> list[Sum]:
        """Python's arithmetic on numbers at each call; the rest of it is part of the nests."""
        wanted = hosted(self.graph)
        steps = [step for step in self.graph.steps if isinstance(step, Sum)]
        return [step for step in steps if step.outputs[0] in wanted]


def fuse(graph: Graph, policy: FusionPolicy) -> Fused:
    """The graph as records.  Values that are no sums over loops where they are read are copied."""
    forced: set[Value] = set()
    while True:
        fuser = Fuser(graph, policy, forced)
        fused = fuser.run()
        if fused is not None:
            return fused._replace(fuser=fuser)
        assert not fuser.missing <= forced, "a stored value is read at any place"
        forced |= fuser.missing


class Fuser:
    """One attempt at fusing a graph.  forced: what must be stored as it is."""

    def __init__(self, graph: Graph, policy: FusionPolicy, forced: set[Value]) -> None:
        self.graph, self.policy, self.forced = graph, policy, forced
        self.hosted = hosted(graph)
        self.maker: dict[Any, Any] = {}  # the step of a value, the Sum of a number
        self.readers: dict[Any, list[Step | Sum]] = {}
        self.views: set[Value] = set()
        for step in graph.steps:
            self.maker.update((z, step) for z in step.outputs if z is not None)
            if isinstance(step, Step) and step.op.name in VIEWS:
                self.views |= {step.z} - forced
            for x in {x for x in step.inputs if isinstance(x, (Value, Number))}:
                self.readers.setdefault(x, []).append(step)
        results = {x for x in graph.outputs if isinstance(x, Value)}
        self.kept = results | {*graph.checks} | forced
        self.missing: set[Value] = set()  # what must be stored too, for the next attempt
        self.groups: list[Group] = []
        self.beside: dict[Value, set[int]] = {}  # the groups that read a stored value
        self.behind: dict[Value, frozenset[Value]] = {}  # what `roots` found
        self.where: dict[Value, int] = {}
        self.places: dict[Value, tuple[Value, Shape]] = {}
        self.inlining: dict[Value, bool] = {}
        self.joined: dict[Value, tuple[Value, ...]] = {}  # the parts of a concatenation

    # -- what a value is

    def foresee(self) -> None:
        """Force what is seen to be needed as it is, which spares an attempt."""
        for step in self.graph.steps:
            if isinstance(step, Step) and step.op.name == "reshape":
                (x,) = step.inputs
                if x in self.views and step.z in self.views:
                    self.attempt(self.lying, step.z)
            elif isinstance(step, Step) and is_call(step):
                self.kept.update(x for x in step.inputs if isinstance(x, Value))
        self.forced |= self.missing
        self.kept |= self.missing
        self.views -= self.missing
        self.missing = set()
        self.behind.clear()
        self.inlining.clear()

    def is_inlined(self, x: Value) -> bool:
        """Whether each reader computes it anew, instead of reading what was stored."""
        found = self.inlining.get(x)
        if found is None:
            found = self.inlining[x] = self.decide_inlined(x)
        return found

    def decide_inlined(self, x: Value) -> bool:
        step = self.maker.get(x)
        if not isinstance(step, Step) or x in self.kept:
            return False
        if step.op.name in MADE:
            return True
        if not is_elementwise(step):
            return False
        return x.dtype is bool_ or not self.sources(step) or self.has_one_use(x)

    def has_one_use(self, x: Value) -> bool:
        """Whether it is an inner node of its one reader's expression."""
        readers = self.readers.get(x, [])
        if len(readers) != 1 or not isinstance(readers[0], Step):
            return False
        step = readers[0]
        if is_lookup(step) or is_scatter(step):
            return x is not step.inputs[0]
        return is_pointwise(step) or is_reduction(step)

    def roots(self, x: Value) -> frozenset[Value]:
        """The stored values behind x, through views and what is computed anew."""
        found = self.behind.get(x)
        if found is None:
            if x in self.joined:
                found = frozenset(self.joined[x])
            elif x in self.views or self.is_inlined(x):
                found = self.sources(self.maker[x])
            else:
                found = frozenset((x,))
            self.behind[x] = found
        return found

    def sources(self, step: Step) -> frozenset[Value]:
        """The stored values behind the inputs of a step."""
        given = {self.roots(x) for x in step.inputs if isinstance(x, Value)}
        return given.pop() if len(given) == 1 else frozenset().union(*given)

    # -- places

    def resolve(self, x: Value, index: Index, extents: Shape) -> tuple[Value, Index]:
        """What is stored or computed behind views of x, and where.  Raises: NotAffine."""
        while x in self.views:
            step = self.maker[x]
            source = step.inputs[0]
            index = self.through(step, source, index, extents)
            x = source
        return x, index

    def through(self, step: Any, source: Value, index: Index, extents: Shape) -> Index:
        """The index into a view's input.  Raises: NotAffine."""
        shape, name = step.z.shape, step.op.name
        found: Index | None
        if name == "reshape":
            found = reshaped(index, shape, source.shape, extents)
        elif name == "permute":
            found = permuted(index, step.params[0])
        elif name == "expand":
            found = expanded(index, shape, source.shape, extents)
        else:
            found = sliced(index, step.params[0], shape, source.shape)
        if found is None:
            raise NotAffine(step.z)
        return found

    def operand(self, x: Value, shape: Shape, index: Index, extents: Shape, z: Any) -> Index:
        """The index into an input that broadcasts to z of this shape.  Raises: NotAffine."""
        found = index if x.shape == shape else expanded(index, shape, x.shape, extents)
        if found is None:
            raise NotAffine(z)
        return found

    def address(self, x: Value, index: Index, extents: Shape) -> tuple[Value, Affine]:
        """The buffer in which a stored value lies, and the place in it.  Raises: NotAffine."""
        while x in self.places:
            whole, starts = self.places[x]
            found = shifted(index, starts, x.shape, whole.shape, extents)
            if found is None:
                raise NotAffine(x)
            index, x = found, whole
        return x, numbered(index, x.shape, len(extents))

    def access(self, x: Value, index: Index, extents: Shape) -> Access:
        buffer, at = self.address(x, index, extents)
        strides = tuple([f if n > 1 else 0 for f, n in zip(at.factors, extents, strict=True)])
        return Access(buffer, strides, at.offset, x.dtype)

    # -- steps, as nests need them

    def prepared(self) -> Iterator[Step | Sum]:
        """The steps, with copies where a value must lie as it is or joins a larger one."""
        for step in self.graph.steps:
            if isinstance(step, Sum):
                yield step
            elif step.op.name == "concat":
                yield from self.join(step)
            elif step.op.name == "pad":
                yield from self.frame(step)
            elif step.op.name in VIEWS and step.z in self.forced:
                seen = Value(step.z.spec)
                self.maker[seen] = step._replace(outputs=(seen,))
                self.views.add(seen)
                yield self.copy(seen, step, step.z)
            elif is_reduction(step):
                yield from self.parts_of_reduction(step)
            elif is_scatter(step):
                yield from self.onto(step)
            else:
                yield step

    def copy(self, x: Any, like: Step, z: Any) -> Step:
        """A step that stores x as z."""
        self.maker[z] = made = Step(operations["cast"], like.device, (x,), (x.dtype,), (z,))
        self.readers.setdefault(x, []).append(made)
        return made

    def unread(self, x: Any, step: Step, *instead: Step) -> None:
        """x is read by a step no more, but by these in its place."""
        others = [reader for reader in self.readers.get(x, ()) if reader is not step]
        self.readers[x] = [*others, *instead]

    def join(self, step: Step) -> Iterator[Step]:
        """A concatenation: copies, each of which is stored in its part of the whole."""
        whole, axis, start = step.z, step.params[0], 0
        parts = []
        for x in step.inputs:
            self.unread(x, step)
            parts.append((x, tuple([start * (d == axis) for d in range(len(x.shape))])))
            start += x.shape[axis]
        yield from self.joining(step, whole, parts)

    def frame(self, step: Step) -> Iterator[Step]:
        """A padded value: a copy within slabs of a constant, two for each axis."""
        (x,), (widths, value), whole = step.inputs, step.params, step.z
        self.unread(x, step)
        parts = [(x, tuple([before for before, _ in widths]))]
        for d, (before, after) in enumerate(widths):
            for start, length in ((0, before), (whole.shape[d] - after, after)):
                if length:
                    inner = [(w[0], n) for w, n in zip(widths[:d], x.shape, strict=False)]
                    outer = [(0, n) for n in whole.shape[d + 1 :]]
                    spans = [*inner, (start, length), *outer]
                    slab = Value(Spec(tuple([n for _, n in spans]), x.dtype))
                    params = (slab.shape, slab.dtype, step.device)
                    self.maker[slab] = Step(
                        operations["full"], step.device, (value,), params, (slab,)
                    )
                    parts.append((slab, tuple([at for at, _ in spans])))
        yield from self.joining(step, whole, parts)

    def joining(self, like: Step, whole: Any, parts: Any) -> Iterator[Step]:
        """Copies of parts, each of which is stored at its place in the whole."""
        made = []
        for x, starts in parts:
            part = Value(x.spec)
            self.places[part] = (whole, starts)
            self.kept.add(part)
            made.append(part)
            yield self.copy(x, like, part)
        self.joined[whole] = tuple(made)

    def onto(self, step: Step) -> Iterator[Step]:
        """A scatter: a copy of what it changes, in the memory of its result, and the changes."""
        x, index, source = step.inputs
        before = Value(x.spec)
        self.places[before] = (step.z, (0,) * len(x.shape))
        self.kept.add(before)
        self.unread(x, step)
        yield self.copy(x, step, before)
        changes = step._replace(inputs=(before, index, source))
        self.maker[step.z] = changes
        for y in (before, index, source):
            self.unread(y, step, changes)
        yield changes

    def parts_of_reduction(self, step: Step) -> Iterator[Step]:
        """One along the row and one over the outer loops, where it is over both."""
        (x,), (axes, _), z = step.inputs, step.params, step.z
        long = [d for d, n in enumerate(x.shape) if n != 1]
        outer = tuple([d for d in axes if d in long[:-1]])
        if not outer or len(outer) == len([d for d in axes if d in long]):
            yield step
            return
        row = Value(Spec(reduced(x.shape, (long[-1],), keepdim=True), x.dtype))
        first = step._replace(params=((long[-1],), True), outputs=(row,))
        second = step._replace(inputs=(row,), params=(outer, True))
        self.maker.update({row: first, z: second})
        self.readers[row] = [second]
        self.unread(x, step, first)
        yield from (first, second)

    # -- steps into groups

    def run(self) -> Fused | None:
        """The graph fused, or None if it lacks what then stands in `missing`."""
        self.foresee()
        for step in self.prepared():
            if isinstance(step, Step) and self.is_computed(step):
                self.attempt(self.place, step)
        if self.missing:
            return None
        self.unite()
        self.thin()
        stored = self.stored()
        made = [self.attempt(self.record, self.groups[k], stored) for k in self.ordered()]
        given = [x for x in self.graph.outputs if isinstance(x, Value)]
        outputs = {x: self.attempt(self.lying, x) for x in given}
        checks = tuple([self.attempt(self.lying, x) for x in self.graph.checks])
        if self.missing:
            return None
        # what stores nothing is left out: its readers all compute it anew
        records = [x for x in made if isinstance(x, Call) or getattr(x, "nest", x).stores]
        return Fused(self.graph, tuple(records), frozenset(stored), self.places, outputs, checks)

    def attempt(self, do: Any, *args: Any) -> Any:
        """do(*args); what it would need to be stored is noted."""
        try:
            return do(*args)
        except NotAffine as found:
            self.missing.add(found.value)
            return None

    def is_computed(self, step: Step) -> bool:
        return len(step.outputs) > 1 or not (step.z in self.views or self.is_inlined(step.z))

    def place(self, step: Step) -> None:
        """Put a step where what it reads is computed, else where that is read, or by itself."""
        if not (is_elementwise(step) or is_reduction(step)):
            self.begin(step)
            return
        reads = self.sources(step)
        makers = {self.where[r] for r in reads if r in self.where}
        readers = set().union(*(self.beside.get(r, ()) for r in reads))
        for near, siblings in ((makers, False), (readers, True)):
            for k in sorted(near, reverse=True):
                group = self.groups[k]
                if self.is_near(group, step, reads, siblings) and self.is_before(k, reads):
                    index = self.fitting(group, step)
                    if index is not None:
                        self.add(k, step, index)
                        return
        self.begin(step)

    def begin(self, step: Step) -> None:
        """A new group for a step."""
        shape = () if is_call(step) else domain(step)
        if is_product(step):
            extents, index = identity(shape, every=True)
            group = Group(shape, extents, head=step, is_closed=not self.policy.epilogues)
        elif is_elementwise(step) or is_reduction(step):
            extents, index = identity(shape)
            group = Group(shape, extents)
            self.reads(step, index, extents)  # raises where it is no nest
        elif is_scatter(step):
            extents, index = identity(shape)
            group = Group(shape, extents, is_closed=True)
            self.reads(step, index, extents)
        else:
            index = ()
            group = Group((), (1,), head=step, is_closed=True)
        self.groups.append(group)
        self.add(len(self.groups) - 1, step, index)

    def add(self, k: int, step: Step, index: Index) -> None:
        group = self.groups[k]
        for z in step.outputs:
            if z is not None:
                self.where[z] = k
                group.members[z] = index
        if group.head is not step:
            group.steps.append(step)
        if is_reduction(step) and self.reduced_loops(step, index)[0] - {group.last}:
            group.summed.add(step.z)
        roots = self.sources(step) - group.members.keys()
        group.roots |= roots
        for r in roots:
            self.beside.setdefault(r, set()).add(k)
        group.needs |= {self.where[r] for r in roots if r in self.where} - {k}

    def is_near(self, group: Group, step: Step, reads: frozenset[Value], siblings: bool) -> bool:
        """Whether a group computes what the step reads; a sibling reads the same large value."""
        if group.is_closed:
            return False
        if not siblings:
            return not reads.isdisjoint(group.members)
        n = size(group.shape)
        return size(domain(step)) == n and any(size(r.shape) == n for r in reads & group.roots)

    def is_before(self, k: int, reads: Iterable[Value]) -> bool:
        """Whether nothing that is read waits for group k."""
        found = {self.where[r] for r in reads if r in self.where} - {k}
        return not any(self.waits(other, k) for other in found)

    def waits(self, a: int, b: int) -> bool:
        """Whether group a runs after group b, directly or through others."""
        stack, seen = [a], set()
        while stack:
            k = stack.pop()
            if k == b:
                return True
            if k not in seen:
                seen.add(k)
                stack.extend(self.groups[k].needs)
        return False

    # -- geometry

    def fitting(self, group: Group, step: Step) -> Index | None:
        """Where in the step's domain the group's loops are, if it can be computed there."""
        for index in candidates(group.shape, group.extents, domain(step)):
            try:
                if self.fits(group, step, index):
                    return index
            except NotAffine:
                continue
        return None

    def fits(self, group: Group, step: Step, index: Index) -> bool:
        """Whether at this index the step reads what the group computes where it computes it."""
        for r, at in self.reads(step, index, group.extents):
            if not group.members.keys().isdisjoint(self.joined.get(r, ())):
                return False  # a part of what is joined here, read as a part of the whole
            if r in group.members:
                if at is None:
                    return False
                loops, mine = len(group.extents), self.result_index(r, group)
                if r in group.summed or (
                    at != mine and numbered(at, r.shape, loops) != numbered(mine, r.shape, loops)
                ):
                    return False
        if step.z in self.places:
            self.address(step.z, index, group.extents)  # raises
        if not is_reduction(step):
            return True
        over, rest = self.reduced_loops(step, index)
        if over is None or over & rest or (group.last in over and len(over) > 1):
            return False
        idle = {d for d, n in enumerate(group.extents) if n > 1} - over - rest
        if over - {group.last} and idle:
            return False  # chunks along a loop that does not matter would count twice
        if group.head is None:
            return True
        if group.last in over:
            return group.extents[-1] <= ROW_LIMIT
        return len(group.extents) == 2 or not over  # chunks of a batch of products do not meet

    def result_index(self, z: Value, group: Group) -> Index:
        """Where the result of a member is: a reduction's axes are gone."""
        step, index = self.maker[z], group.members[z]
        if not isinstance(step, Step) or not is_reduction(step):
            return index
        axes, zero = step.params[0], nowhere(len(group.extents))
        return tuple([run._replace(at=zero) if run.first in axes else run for run in index])

    def reduced_loops(self, step: Step, index: Index) -> tuple[Any, frozenset[int]]:
        """The loops of the axes that a reduction loses (None if mixed), and those of the rest."""
        axes, shape = step.params[0], domain(step)
        over: set[int] = set()
        rest: set[int] = set()
        for run in index:
            lost = {d in axes for d in range(run.first, run.stop) if shape[d] != 1}
            if len(lost) > 1:
                return None, frozenset()
            (over if True in lost else rest).update(run.at.loops)
        return frozenset(over), frozenset(rest)

    def reads(self, step: Step, index: Index, extents: Shape) -> list[tuple[Value, Index | None]]:
        """What is stored or computed that a step reads at an index, and where: None is anywhere."""
        found: list[tuple[Value, Index | None]] = []
        shape, z = domain(step), step.z
        given = [(x, shape) for x in step.inputs if isinstance(x, Value)]
        if is_lookup(step):
            place, index, at = self.lookup(step, index, extents)
            found.append((self.table(step, at, extents)[0], None))
            given = [(place, place.shape)]
        elif is_scatter(step):
            found.append((step.inputs[0], None))
            given = given[1:]
        for x, over in given:
            r, at = self.resolve(x, self.operand(x, over, index, extents, z), extents)
            if self.is_inlined(r):
                found += self.reads(self.maker[r], at, extents)
            else:
                found.append((r, at))
        return found

    def lookup(self, step: Step, index: Index, extents: Shape) -> tuple[Value, Index, Index]:
        """The places of a lookup or a scatter, the index into them, and that into where they are.

        The latter has one loop more, which is the place.  Raises: NotAffine.
        """
        (x, place), (axis,), z = step.inputs[:2], step.params, step.z
        shape = domain(step)
        stop = axis + (len(place.shape) if step.op.name == "take" else 1)
        found: Index | None = index
        for d in (axis, stop):
            found = None if found is None else begun(found, d, shape, extents)
        if found is None:
            raise NotAffine(z)
        at = looked_up(found, axis, axis, stop, len(extents))
        if step.op.name == "take":
            within = [run for run in found if axis <= run.first and run.stop <= stop]
            index = tuple([Run(r.first - axis, r.stop - axis, r.at) for r in within])
        else:  # it may be shorter than x along other axes
            starts = (0,) * len(x.shape)
            whole = shifted(at, starts, shape, x.shape, (*extents, x.shape[axis]))
            if whole is None:
                raise NotAffine(z)
            at = whole
        return place, index, at

    def table(self, step: Step, at: Index, extents: Shape) -> tuple[Value, Access]:
        """What a lookup looks at, and the access, whose last stride is that of the place."""
        x, (axis,) = step.inputs[0], step.params
        extents = (*extents, x.shape[axis])
        found, at = self.resolve(x, at, extents)
        if self.is_inlined(found):
            raise NotAffine(found)
        return found, self.access(found, at, extents)

    # -- groups into larger ones

    def unite(self) -> None:
        """Merge groups of one space when one reads the other, or both read the same large value."""
        merged = True
        while merged:
            merged = False
            for b in range(len(self.groups)):
                for a in sorted(self.neighbours(b)):
                    if self.are_near(a, b) and self.merge(a, b):
                        merged = True
                        break

    def neighbours(self, b: int) -> set[int]:
        """The groups that b reads, or that read what it reads."""
        group = self.groups[b]
        return group.needs.union(*(self.beside[r] for r in group.roots)) - {b}

    def are_near(self, a: int, b: int) -> bool:
        """Whether a's steps, then b's, may make one group as far as others are concerned."""
        A, B = self.groups[a], self.groups[b]
        if a == b or A.is_closed or B.is_closed or not A.members or not B.members:
            return False
        if size(A.shape) != size(B.shape) or (B.head is not None and A.head is not None):
            return False
        if a not in B.needs:
            n = size(A.shape)
            if A.head is not None or not any(size(r.shape) == n for r in A.roots & B.roots):
                return False
        if B.head is not None:  # a is computed in the epilogue of b's product, unless that needs it
            reads = self.sources(B.head)
            if any(self.waits(self.where[r], a) for r in reads if r in self.where):
                return False
            if any(is_reduction(step) for step in A.steps):
                return False
        return not self.waits(a, b) and not any(c != a and self.waits(c, a) for c in B.needs)

    def merge(self, a: int, b: int) -> bool:
        """b's steps after a's, if they fit."""
        A, B = self.groups[a], self.groups[b]
        host = B if B.head is not None else A
        made = Group(host.shape, host.extents, host.head)
        if made.head is not None:
            made.members[made.head.z] = host.members[made.head.z]
        for step in A.steps + B.steps:
            index = self.fitting(made, step)
            if index is None:
                return False
            made.steps.append(step)
            made.members[step.z] = index
            if is_reduction(step) and self.reduced_loops(step, index)[0] - {made.last}:
                made.summed.add(step.z)
        made.roots = (A.roots | B.roots) - {*made.members}
        made.needs = (A.needs | B.needs) - {a, b}
        self.groups[a], self.groups[b] = made, Group((), (1,), is_closed=True)
        self.where.update(dict.fromkeys(made.members, a))
        for r in made.roots:
            self.beside[r].add(a)
        for group in self.groups:
            if b in group.needs:
                group.needs = group.needs - {b} | ({a} if group is not made else set())
        return True

    # -- values that cost less to compute again than to keep

    def thin(self) -> None:
        """Let readers compute again what is cheap and made of values that are stored anyway."""
        stored = self.stored()
        fixed = {r for x in self.kept for r in self.roots(x)}
        fixed = fixed.union(*(self.sources(g.head) for g in self.groups if g.head is not None))
        spare = stored - fixed
        for x in [x for x in self.where if x in spare]:
            cone = self.cone(x, stored)
            if cone is None:
                continue
            steps, leaves = cone
            readers = [self.groups[k] for k in self.beside[x] if x in self.groups[k].roots]
            large = {r for r in leaves if size(r.shape) == size(x.shape)}
            if all(len(large - group.roots) <= 1 for group in readers):
                self.recompute(x, steps, readers)
                stored = self.stored()

    def cone(self, x: Value, stored: set[Value]) -> tuple[set[Value], set[Value]] | None:
        """The values between x and what is stored, and that; None if some of them are dear."""
        steps: set[Value] = set()
        leaves: set[Value] = set()
        left = [x]
        while left:
            y = left.pop()
            step: Any = self.maker.get(y)
            if y is not x and (y in stored or not isinstance(step, Step)):
                leaves.add(y)
            elif y not in steps:
                if not is_pointwise(step) or step.op.name in DEAR or len(steps) == CONE:
                    return None
                steps.add(y)
                left += self.sources(step)
        return steps, leaves

    def recompute(self, x: Value, steps: set[Value], readers: list[Group]) -> None:
        """Have the readers of x compute it from what is stored, where their loops can read that."""
        before = {y: self.inlining.get(y) for y in steps}
        self.inlining.update(dict.fromkeys(steps, True))
        self.behind.clear()
        try:
            for group in readers:
                for step in group.steps:
                    self.reads(step, group.members[step.z], group.extents)
        except NotAffine:
            self.inlining.update({y: bool(was) for y, was in before.items()})
            self.behind.clear()
            return
        for group in readers:
            steps_of = group.steps if group.head is None else [group.head, *group.steps]
            found = frozenset().union(*map(self.sources, steps_of)) - group.members.keys()
            group.roots = {*found}
            group.needs |= {self.where[r] for r in found if r in self.where}

    def ordered(self) -> list[int]:
        """The groups, each after those that it needs, else as they were begun."""
        done: dict[int, None] = {}
        left = [k for k, group in enumerate(self.groups) if group.members]
        while left:
            k = next(k for k in left if self.groups[k].needs <= done.keys())
            left.remove(k)
            done[k] = None
        return [*done]

    def stored(self) -> set[Value]:
        """The values that some other group, or the caller, reads."""
        found = {r for x in self.kept for r in self.roots(x)}
        found |= {r for group in self.groups for r in group.roots}
        for group in self.groups:
            if group.head is not None and not is_product(group.head):
                found |= {*group.members}
        return {x for x in found if x in self.where}

    # -- groups into records

    def record(self, group: Group, stored: set[Value]) -> Record:
        if group.head is None:
            return coalesced(Nesting(self, group, stored).nest())
        if not is_product(group.head):
            given = group.head.inputs
            inputs = tuple([self.lying(x) if isinstance(x, Value) else x for x in given])
            return Call(group.head, inputs, tuple([getattr(x, "shape", None) for x in given]))
        nest = Nesting(self, group, stored).nest()
        x, y = group.head.inputs
        shape = group.head.z.shape
        over = [(*shape[:-2], *operand.shape[-2:]) for operand in (x, y)]
        return Product(self.lying(x, over[0]), self.lying(y, over[1]), x.shape[-1], shape, nest)

    def lying(self, x: Value, shape: Shape | None = None) -> Access:
        """Where a value, broadcast to a shape, lies, an axis a loop.  Raises: NotAffine."""
        shape = x.shape if shape is None else shape
        extents, index = identity(shape, every=True)
        index = self.operand(x, shape, index, extents, x)
        found, at = self.resolve(x, index, extents)
        if self.is_inlined(found):
            raise NotAffine(found)
        access = self.access(found, at, extents)
        return access._replace(strides=access.strides[: len(shape)])


@remembered
def candidates(whole: Shape, extents: Shape, shape: Shape) -> list[Index]:
    """Where loops of a group, which began as `whole`, may be in a value of this shape."""
    loops, found = len(extents), []
    if len(shape) == len(whole):
        _, index = identity(whole, every=loops == len(whole))
        pairs = list(zip(shape, whole, strict=True))
        if all(n in (1, m) for n, m in pairs):
            zero = nowhere(loops)
            runs = zip(index, pairs, strict=True)
            found.append(tuple([run if n == m else run._replace(at=zero) for run, (n, m) in runs]))
    for used in (loops, loops - 1):  # all of it, or a value per row
        if used > 0 and size(shape) == size(extents[:used]):
            strides = (*strides_of(extents[:used]), *(0,) * (loops - used))
            found.append(split(Affine(0, strides), shape, extents))
    return found
