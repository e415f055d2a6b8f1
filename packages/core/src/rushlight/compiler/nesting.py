"""Nesting: a group of steps written down as a loop nest.  Knows no backend."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..cell import Number
from ..dtypes import FLOATING, DType, bool_, float64, int64, uint32
from ..spec import size
from .affine import Index, numbered
from .graph import Step, Sum, Value
from .kind import (
    COMPARISONS,
    SUMS,
    is_lookup,
    is_narrow,
    is_reduction,
    is_scatter,
    shift,
    value_dtype,
)
from .nest import Access, LoopNest, Node, Store

if TYPE_CHECKING:
    from .fuse import Fuser, Group


class Nesting:
    """A group being written down as a nest."""

    def __init__(self, fuser: Fuser, group: Group, stored: set[Value]) -> None:
        self.fuser, self.group, self.stored = fuser, group, stored
        self.extents = group.extents
        self.known: dict[Any, int] = {}
        self.nodes: list[Node] = []
        self.number_of: dict[Any, int] = {}
        self.reads: dict[Access, int] = {}
        self.member: dict[Value, int] = {}

    def nest(self) -> LoopNest:
        """The nodes of all members, and a store of each that is read elsewhere."""
        stores = []
        head = self.group.head
        steps = self.group.steps if head is None else [head, *self.group.steps]
        for step in steps:
            z = step.z
            how, over = "store", frozenset[int]()
            if is_scatter(step):
                stores.append(self.scatter(step))
                continue
            if step is head:
                self.member[z] = self.block(z)
            elif is_reduction(step):
                how, over = self.reduce(step)
            else:
                self.member[z] = self.apply(step, self.group.members[z])
            if z in self.stored:
                index = self.fuser.result_index(z, self.group)
                access = self.fuser.access(z, index, self.extents)
                stores.append(Store(self.member[z], access, how, over))
        return LoopNest(self.extents, tuple(self.reads), tuple(self.nodes), tuple(stores))

    def push(self, op: str, args: tuple[int, ...], param: Any, dtype: DType, loops: Any) -> int:
        node = Node(op, args, param, dtype, frozenset(loops))
        key = (node, repr(param)) if op == "constant" else node  # 0.0 is not -0.0
        i = self.number_of.setdefault(key, len(self.nodes))
        if i == len(self.nodes):
            self.nodes.append(node)
        return i

    def loops_of(self, args: Iterable[int]) -> frozenset[int]:
        return frozenset().union(*(self.nodes[a].loops for a in args))

    def block(self, z: Value) -> int:
        """The block that the product computed."""
        access = Access(None, (0,) * len(self.extents), 0, z.dtype)
        i = self.reads.setdefault(access, len(self.reads))
        loops = [d for d, n in enumerate(self.extents) if n > 1]
        return self.push("read", (), i, z.dtype, loops)

    def read(self, access: Access) -> int:
        i = self.reads.setdefault(access, len(self.reads))
        loops = [d for d, s in enumerate(access.strides) if s]
        return self.push("read", (), i, access.dtype, loops)

    def reduce(self, step: Step) -> tuple[str, frozenset[int]]:
        """A reduction's node, and how its store accumulates over which loops."""
        z = step.z
        index = self.group.members[z]
        node = self.value(step.inputs[0], index)
        over, _ = self.fuser.reduced_loops(step, index)
        last = self.group.last
        if last in over:
            loops = self.loops_of([node]) - {last}
            node = self.push(f"row_{step.op.name}", (node,), None, z.dtype, loops)
        self.member[z] = node
        outer = frozenset(d for d in over - {last} if self.extents[d] > 1)
        return (step.op.name, outer) if outer else ("store", outer)

    def value(self, x: Value, index: Index) -> int:
        """The node of a value at an index."""
        x, index = self.fuser.resolve(x, index, self.extents)
        if x in self.member:
            return self.member[x]
        key = (x, index)
        if key not in self.known:
            if self.fuser.is_inlined(x):
                self.known[key] = self.anew(self.fuser.maker[x], index)
            else:
                self.known[key] = self.read(self.fuser.access(x, index, self.extents))
        return self.known[key]

    def anew(self, step: Any, index: Index) -> int:
        """The node of what every reader computes for itself."""
        z = step.z
        if step.op.name == "full":
            return self.number(step.inputs[0], z.dtype)
        if step.op.name == "iota":
            at = numbered(index, z.shape, len(self.extents))
            node = self.push("index", (), (at.offset, at.factors), int64, at.loops)
            return node if z.dtype is int64 else self.push("cast", (node,), None, z.dtype, at.loops)
        if step.op.name == "random_bits":
            return self.random(step, index)
        return self.apply(step, index)

    def random(self, step: Step, index: Index) -> int:
        """The node of random words, each told by its number."""
        key, counter = step.inputs
        at = numbered(index, step.z.shape, len(self.extents))
        number = self.push("index", (), (at.offset, at.factors), int64, at.loops)
        args = (self.word(key, 0), self.word(counter, 0), self.word(counter, 1), number)
        return self.push("random", args, None, uint32, at.loops)

    def word(self, x: Any, which: int) -> int:
        """The node of 64 bits of an integer as int64, word 0 the lowest."""
        if isinstance(x, Number):
            return self.read(Access(x, (0,) * len(self.extents), which, int64))
        bits = int(x) >> 64 * which & 2**64 - 1
        return self.push("constant", (), bits - (bits >> 63 << 64), int64, ())

    def apply(self, step: Step, index: Index) -> int:
        """The node of an elementwise step at an index."""
        if is_lookup(step):
            return self.gather(step, index)
        z, met = step.z, value_dtype(step)
        bits = shift(step)
        if bits is not None:
            x, y = step.inputs
            node = self.value(x, self.fuser.operand(x, z.shape, index, self.extents, z))
            how = ("right_shift", bits) if step.op.name == "floordiv" else ("bitwise_and", y - 1)
            by = self.push("constant", (), how[1], z.dtype, ())
            return self.push(how[0], (node, by), None, z.dtype, self.loops_of((node,)))
        args = []
        for x in step.inputs:
            if isinstance(x, Value):
                at = self.fuser.operand(x, z.shape, index, self.extents, z)
                node = self.value(x, at)
                if step.op.name in COMPARISONS and x.dtype is not met:  # as a number may not fit it
                    node = self.push("cast", (node,), None, met, self.nodes[node].loops)
                elif step.op.name in {"cast", *COMPARISONS} and is_narrow(met):
                    node = self.rounded(node)
                args.append(node)
            else:
                args.append(self.number(x, met))
        if step.op.name == "cast" and met is z.dtype:
            return args[0]
        return self.push(step.op.name, tuple(args), None, z.dtype, self.loops_of(args))

    def rounded(self, node: int) -> int:
        """A node of a narrow type as it would be in memory."""
        x = self.nodes[node]
        return (
            node if x.op in ("read", "gather", "cast") else self.push("cast", (node,), None, *x[3:])
        )

    def gather(self, step: Step, index: Index) -> int:
        """The node of a lookup."""
        node, at = self.place(step, index)
        _, access = self.fuser.table(step, at, self.extents)
        *strides, stride = access.strides
        access = access._replace(strides=tuple(strides))
        i = self.reads.setdefault(access, len(self.reads))
        walked = frozenset(d for d, s in enumerate(strides) if s)
        loops = self.nodes[node].loops | walked
        return self.push("gather", (node,), (i, stride), access.dtype, loops)

    def place(self, step: Step, index: Index) -> tuple[int, Index]:
        """The node of the place that a step tells, the nearest that there is, and where it is."""
        n = step.inputs[0].shape[step.params[0]]
        place, index, at = self.fuser.lookup(step, index, self.extents)
        node = self.value(place, index)
        loops = self.nodes[node].loops
        if place.dtype is not int64:
            node = self.push("cast", (node,), None, int64, loops)
        most, least = (self.push("constant", (), x, int64, ()) for x in (n - 1, 0))
        node = self.push("minimum", (node, most), None, int64, loops)
        return self.push("maximum", (node, least), None, int64, loops), at

    def scatter(self, step: Step) -> Store:
        """The store of what changes at indices."""
        z, index, (axis,) = step.z, self.group.members[step.z], step.params
        node, at = self.place(step, index)
        source = self.value(step.inputs[2], index)
        access = self.fuser.access(z, at, (*self.extents, z.shape[axis]))
        *strides, stride = access.strides
        over = frozenset(d for run in index if run.first == axis for d in run.at.loops)
        how = "sum" if step.op.name == "scatter_add" else "store"
        access = access._replace(strides=tuple(strides))
        return Store(source, access, how, over, at=(node, stride))

    def number(self, x: Any, dtype: DType) -> int:
        """The node of a Python number, in the type of what it meets."""
        if not isinstance(x, Number):
            plain = bool(x) if dtype is bool_ else float(x) if dtype in FLOATING else int(x)
            return self.push("constant", (), plain, dtype, ())
        if x not in self.known:
            self.known[x] = self.symbol(x)
        node = self.known[x]
        kind = self.nodes[node].dtype
        return node if kind is dtype else self.push("cast", (node,), None, dtype, ())

    def symbol(self, x: Any) -> int:
        """The node of a number that changes between calls, in float64 or int64."""
        if not isinstance(x, Number):
            return self.push("constant", (), float(x), float64, ())
        step = self.fuser.maker.get(x)
        if not isinstance(step, Sum) or x in self.fuser.hosted:
            dtype = float64 if x.kind is float else int64 if x.kind is int else bool_
            return self.read(Access(x, (0,) * len(self.extents), 0, dtype))
        a, b = (self.number(y, float64) for y in step.inputs)
        if step.how == "sub":
            b = self.push("neg", (b,), None, float64, ())
        op = SUMS[step.how]
        return self.push(op, (a, b), None, float64, ())


def coalesced(nest: LoopNest) -> LoopNest:
    """Neighbouring loops that every access walks as one become one."""
    extents = nest.extents
    has_row = any(x.op.startswith("row_") for x in nest.nodes)
    last = len(extents) - 1
    runs = [[0]]
    for d in range(1, len(extents)):
        joins = not (has_row and d == last) and can_join(nest, d - 1, d)
        if joins:
            runs[-1].append(d)
        else:
            runs.append([d])
    if any(s.over & {*runs[-1]} for s in nest.stores):
        runs.append([])  # what is summed over outer loops is no lane
    if len(runs) == len(extents) and runs[-1]:
        return nest
    where = {d: k for k, run in enumerate(runs) for d in run}

    def strides(given: tuple[int, ...]) -> tuple[int, ...]:
        return tuple([given[run[-1]] if run else 0 for run in runs])

    def loops(given: frozenset[int]) -> frozenset[int]:
        return frozenset(where[d] for d in given)

    reads = [x if x.buffer is None else x._replace(strides=strides(x.strides)) for x in nest.reads]
    nodes = [
        x._replace(
            loops=loops(x.loops),
            param=(x.param[0], strides(x.param[1])) if x.op == "index" else x.param,
        )
        for x in nest.nodes
    ]
    stores = [
        s._replace(access=s.access._replace(strides=strides(s.access.strides)), over=loops(s.over))
        for s in nest.stores
    ]
    sizes = tuple([size(tuple(extents[d] for d in run)) for run in runs])
    return LoopNest(sizes, tuple(reads), tuple(nodes), tuple(stores))


def can_join(nest: LoopNest, d: int, e: int) -> bool:
    """Whether loops d and e = d + 1 are one, walked everywhere in steps of e."""
    if any((d in s.over) != (e in s.over) for s in nest.stores):
        return False
    walks = [x.strides for x in nest.reads] + [s.access.strides for s in nest.stores]
    walks += [x.param[1] for x in nest.nodes if x.op == "index"]
    return all(walk[d] == walk[e] * nest.extents[e] for walk in walks)
