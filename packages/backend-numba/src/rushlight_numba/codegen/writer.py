"""The instructions of a nest: loops around a row that is walked in passes, vector by vector.

Knows the nest, its schedule and its argument block; not how functions are compiled or run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

import numpy as np

from rushlight.extend import ROW, DType, Node, int64

from . import division, mathematics, philox, power
from .lanes import FORMS, Lanes
from .llvm import Fn, Operand
from .schedule import Schedule
from .words import NestWords

PARAMETERS = "ptr noalias %args, ptr noalias %ranges, ptr noalias %scratch"


class Writer:
    """One function under construction: registers that hold what has been computed so far."""

    def __init__(self, name: str, layout: NestWords, schedule: Schedule, lanes: int) -> None:
        self.nest = layout.nest
        self.layout = layout
        self.schedule = schedule
        self.n = lanes
        self.last = schedule.last
        self.fn = Fn(name, PARAMETERS)
        self._lanes: dict[tuple[DType, int, bool], Lanes] = {}
        self.lo: list[str] = []
        self.hi: list[str] = []
        self.index: list[str] = []  # the variables of the loops entered so far
        self.pointers: list[str] = []  # of each access, where these loops stand
        self.nontemporal: frozenset[int] = frozenset()
        self.scalars: dict[int, str] = {}
        self.splats: dict[int, str] = {}
        self.inverses: dict[int, tuple[str, str]] = {}
        self.strides: dict[tuple[int, int], str] = {}
        self.coefficients: dict[tuple[int, int], str] = {}  # of `index` nodes
        self.starts: dict[int, str] = {}  # of `index` nodes in lanes, at the row's element 0
        self.stash: dict[int, str] = {}

    def lanes(self, dtype: DType, n: int | None = None, *, contract: bool = True) -> Lanes:
        """Vectors of a type."""
        key = (dtype, n or self.n, contract)
        if key not in self._lanes:
            self._lanes[key] = Lanes(self.fn, n or self.n, dtype, contract=contract)
        return self._lanes[key]

    def one(self, dtype: DType) -> Lanes:
        """Scalars of a type."""
        return self.lanes(dtype, 1)

    # outside the loops

    def write(self, nontemporal: frozenset[int]) -> Fn:
        """The whole function; the stores of these numbers bypass the caches."""
        self.nontemporal = nontemporal
        fn = self.fn
        loops = range(len(self.nest.extents))
        self.lo = [fn.arg("%ranges", 2 * d) for d in loops]
        self.hi = [fn.arg("%ranges", 2 * d + 1) for d in loops]
        self.strides = {at: fn.arg("%args", word) for at, word in self.layout.strides.items()}
        self.coefficients = {
            k: fn.arg("%args", word) for k, word in self.layout.coefficients.items()
        }
        self.pointers = [self.pointer(a) for a in range(len(self.layout.accesses))]
        self.place_stash()
        self.compute_scalars(0)
        self.enter(0)
        if nontemporal:
            fn.emit("fence seq_cst")  # what bypassed the caches is seen by whoever reads it next
        return fn

    def pointer(self, a: int) -> str:
        """Where an access begins, before any loop."""
        fn, access = self.fn, self.layout.accesses[a]
        if access.buffer is None:
            return self.block(a)
        found = fn.arg("%args", a, "ptr")
        store = a - len(self.nest.reads)
        if store in self.layout.copies:
            distance = fn.arg("%args", self.layout.copies[store])
            chunk = fn.arg("%ranges", 2 * len(self.nest.extents))
            found = self.moved(a, found, fn.mul(chunk, distance))
        return found

    def block(self, a: int) -> str:
        """Where the element of a product's block for loop variables 0 would lie."""
        fn = self.fn
        n = len(self.nest.extents)
        back: Operand = self.lo[self.last]
        if self.last:
            length = fn.arg("%ranges", 2 * n + 2)
            self.strides[a, self.last - 1] = length
            back = fn.add(fn.mul(self.lo[self.last - 1], length), back)
        return self.moved(a, fn.arg("%ranges", 2 * n + 1, "ptr"), fn.sub(0, back))

    def moved(self, a: int, pointer: str, elements: Operand) -> str:
        """An address so many elements of an access further on."""
        return self.fn.gep(pointer, elements, FORMS[self.layout.accesses[a].dtype.name].held)

    def place_stash(self) -> None:
        """Where the row's element 0 of each kept value would lie."""
        fn, layout = self.fn, self.layout
        if not self.schedule.stash:
            return
        length = fn.arg("%args", layout.stash_length)
        begin = fn.gep("%scratch", fn.arg("%args", layout.stash_offset), "i8")
        back = fn.sub(0, self.lo[self.last])
        for i, kept in self.schedule.stash.items():
            slot = fn.gep(begin, fn.mul(length, kept.slot), "float")
            self.stash[i] = fn.gep(slot, back, self.lanes(self.nest.nodes[i].dtype).element)

    # loops

    def enter(self, d: int) -> None:
        """Loop d and all inside it."""
        fn = self.fn
        if d == self.last:
            self.row()
            return
        with fn.loop(self.lo[d], self.hi[d]) as i:
            outside = self.pointers
            self.index.append(i)
            self.pointers = [
                self.moved(a, p, fn.mul(i, self.strides[a, d])) if (a, d) in self.strides else p
                for a, p in enumerate(outside)
            ]
            self.compute_scalars(d + 1)
            self.enter(d + 1)
            self.pointers = outside

    def compute_scalars(self, depth: int, passes: int = 0) -> None:
        """What is known once so many loops have a value, and so many passes are over."""
        for i, x in enumerate(self.nest.nodes):
            known = self.schedule.depth[i] == depth and not self.schedule.in_lanes(i)
            if known and self.schedule.at[i] == passes and x.op not in ROW:
                self.scalars[i] = self.scalar(i, x)

    def scalar(self, i: int, x: Node) -> str:
        """The value of a node that is the same in all lanes."""
        one = self.one(x.dtype)
        if x.op == "read":
            return one.load(self.pointers[x.param])
        if x.op == "gather":
            return one.load(self.gathered(i, x))
        if x.op == "index":
            return one.truncated(self.start(i))
        if i in self.layout.constants:
            return self.passed(one, self.layout.constants[i])
        return self.pointwise(i, [self.scalars[a] for a in x.args], 1)

    def gathered(self, i: int, x: Node) -> str:
        """Where a `gather` whose place is the same in all lanes reads the row's element 0."""
        return self.away(x.param[0], x.args[0], self.layout.gathered[i])

    def away(self, a: int, node: int, word: int) -> str:
        """Where an access begins, so many strides from where these loops are."""
        away = self.fn.mul(self.scalars[node], self.fn.arg("%args", word))
        return self.moved(a, self.pointers[a], away)

    def passed(self, one: Lanes, word: int) -> str:
        """A constant from the argument block."""
        if one.kind != "f":
            return one.truncated(self.fn.arg("%args", word))
        found = self.fn.arg("%args", word, "double")
        if one.element == "double":
            return found
        return self.fn.op(f"fptrunc double {found} to float")

    def start(self, i: int) -> str:
        """offset + sum of coefficient * variable over the loops outside the row."""
        fn = self.fn
        found = fn.arg("%args", self.layout.offsets[i])
        for d, variable in enumerate(self.index):
            if (i, d) in self.coefficients:
                found = fn.add(found, fn.mul(variable, self.coefficients[i, d]))
        return found

    def pointwise(self, i: int, args: list[str], n: int) -> str:
        """An elementwise operation on `n` lanes of values that are at hand."""
        x = self.nest.nodes[i]
        to = self.lanes(x.dtype, n, contract=i not in self.schedule.stepped)
        operands = [self.lanes(self.nest.nodes[a].dtype, n) for a in x.args]
        if x.op == "constant":
            return to.constant(x.param)
        if x.op == "cast":
            return to.cast(args[0], operands[0])
        if x.op == "random":
            return to.cast(philox.words(operands[0], *args), operands[0])
        if x.op == "pow":
            exponent = self.nest.nodes[x.args[1]]
            known = power.KNOWN.get(exponent.param) if exponent.op == "constant" else None
            if to.kind != "f" or known is not None:
                return known(to, args[0]) if known else power.of_integers(to, *args)
        if x.op in mathematics.FUNCTIONS:
            return mathematics.function(to, x.op, *args)
        if x.op in division.FUNCTIONS:
            return division.FUNCTIONS[x.op](to, *args)
        found: str = getattr(operands[0] if x.op in ("equal", "less") else to, x.op)(*args)
        return found

    # the row

    def row(self) -> None:
        """All passes over the innermost loop, and what is stored once per row."""
        for i, x in enumerate(self.nest.nodes):
            if x.op == "index" and self.schedule.in_lanes(i):
                self.starts[i] = self.start(i)
        for number in range(self.schedule.passes):
            self.one_pass(number)
            self.compute_scalars(self.last, number + 1)
        for k in self.schedule.row_stores:
            with self.once(k):
                self.store_scalar(k)

    def store_scalar(self, k: int) -> None:
        """Write a scalar of the row, or take it into what is there."""
        s = self.nest.stores[k]
        a = len(self.nest.reads) + k
        one = self.one(s.access.dtype)
        value = self.converted(self.scalars[s.node], s.node, one, self.one)
        place = self.pointers[a]
        if s.at is not None:
            place = self.away(a, s.at[0], self.layout.put[k])
        if s.how != "store":
            before = one.load(place)
            merged = one.merged(s.how, before, value)
            value = merged if s.at else one.where(self.first(k), value, merged)
        one.store(value, place)

    def begins(self, loops: Iterable[int]) -> str:
        """An i1: whether these loops are at their first turn."""
        found = "true"
        for d in sorted(loops):
            begins = self.fn.icmp("eq", self.index[d], self.lo[d])
            found = self.fn.op(f"and i1 {found}, {begins}")
        return found

    def first(self, k: int) -> str:
        """An i1: whether the loops that a store accumulates over are at their first turn."""
        return self.begins(self.nest.stores[k].over)

    def once(self, k: int) -> contextlib.AbstractContextManager[None]:
        """What is accumulated counts once, however often other loops come by."""
        s = self.nest.stores[k]
        idle = [d for d in range(self.last) if not s.access.strides[d] and d not in s.over]
        if s.how == "store" or not idle:
            return contextlib.nullcontext()
        return self.fn.when(self.begins(idle))

    def converted(self, value: str, node: int, to: Lanes, lanes: Callable[[DType], Lanes]) -> str:
        """A node's value in the type of what it is written to."""
        given = lanes(self.nest.nodes[node].dtype)
        same = (given.kind, given.element) == (to.kind, to.element)
        return value if same else to.cast(value, given)

    def one_pass(self, number: int) -> None:
        """The main loop of whole vectors, some at a time, and the masked one of what is left."""
        fn, n = self.fn, self.n
        work = RowPass(self, number)
        lo, hi = self.lo[self.last], self.hi[self.last]
        step = n * work.unroll
        whole = fn.op(f"sdiv i64 {fn.sub(hi, lo)}, {step}")
        main = fn.add(lo, fn.mul(whole, step))
        with fn.loop(lo, main, step) as j:
            for turn in range(work.unroll):
                work.vector(fn.add(j, turn * n) if turn else j, None, turn)
        if step > 1:
            with fn.loop(main, hi, n) as j:
                mask = self.lanes(self.nest.nodes[0].dtype).tail(fn.sub(hi, j)) if n > 1 else None
                work.vector(j, mask, 0)
        work.finish()


class RowPass:
    """One pass over the row."""

    def __init__(self, writer: Writer, number: int) -> None:
        self.writer = writer
        self.number = number
        self.nest = writer.nest
        self.fn = writer.fn
        schedule = writer.schedule
        self.reductions = schedule.ended(number)
        self.stores = schedule.stores[number]
        lanes, scalars = schedule.needed(number)
        self.unroll = self.turns(len(lanes))
        self.accumulators = {r: self.begin(r) for r in self.reductions}
        largest = [r for r in self.reductions if self.is_largest(r)]
        self.numbers = {r: self.begin_numbers(r) for r in largest}
        for i in scalars:
            if i not in writer.splats:
                to = writer.lanes(self.nest.nodes[i].dtype)
                writer.splats[i] = to.splat(writer.scalars[i])
        for i in lanes:
            x = self.nest.nodes[i]
            if self.is_by_row(i) and x.args[1] not in writer.inverses:
                writer.inverses[x.args[1]] = self.inverse(x)
        self.rows = {
            i: writer.gathered(i, self.nest.nodes[i])
            for i in lanes
            if self.nest.nodes[i].op == "gather" and self.nest.nodes[i].args[0] in scalars
        }
        summed = [k for k in self.stores if self.nest.stores[k].how != "store"]
        self.firsts = {k: self.first(k) for k in summed if self.nest.stores[k].at is None}
        self.begins = {
            k: writer.away(len(self.nest.reads) + k, s.at[0], writer.layout.put[k])
            for k in self.stores
            if (s := self.nest.stores[k]).at is not None and not schedule.in_lanes(s.at[0])
        }
        self.values: dict[int, str] = {}  # of the vector at hand
        self.at = ""
        self.mask: str | None = None

    def turns(self, work: int) -> int:
        """How many vectors a turn of the loop computes.

        Sums need four in flight to hide an addition's latency; long bodies are in flight anyhow.
        """
        if self.writer.n == 1:
            return 1
        return 4 if self.reductions and work <= 6 else 2 if work <= 14 else 1

    def begin(self, r: int) -> list[str]:
        """Registers for partial sums, one per vector of a turn."""
        x = self.nest.nodes[r]
        lanes = self.writer.lanes(x.dtype)
        places = [self.fn.alloca(lanes.ty, align=64) for _ in range(self.unroll)]
        for place in places:
            self.fn.store(lanes.ty, lanes.neutral(ROW[x.op]), place)
        return places

    def is_largest(self, r: int) -> bool:
        """Whether a reduction is a maximum that NaN must pass through."""
        x = self.nest.nodes[r]
        return ROW[x.op] == "max" and self.writer.lanes(x.dtype).kind == "f"

    def begin_numbers(self, r: int) -> list[str]:
        """Registers for masks of the lanes that have met no NaN, one per vector of a turn."""
        lanes = self.writer.lanes(self.nest.nodes[r].dtype)
        places = [self.fn.alloca(lanes.truth) for _ in range(self.unroll)]
        for place in places:
            self.fn.store(lanes.truth, lanes.repeated("i1", "true"), place)
        return places

    def first(self, k: int) -> str:
        """A mask of all lanes: whether a store's loops are at their first turn."""
        lanes = self.writer.lanes(self.nest.stores[k].access.dtype)
        return lanes.splat(self.writer.first(k), "i1")

    def is_walked(self, x: Node) -> bool:
        """Whether the row's random words are one after another."""
        *known, number = x.args
        index = self.nest.nodes[number]
        is_next = index.op == "index" and index.param[1][self.writer.last] == 1
        steady = not any(map(self.writer.schedule.in_lanes, known))
        return self.writer.n > 4 and is_next and steady

    def is_by_row(self, i: int) -> bool:
        """Whether it is a division by a scalar of the row that may be a product with its inverse.

        That is off by up to 1 ulp, so not where a step follows: floor(49 * (1 / 49)) is 0.
        """
        x, schedule = self.nest.nodes[i], self.writer.schedule
        if x.op != "div" or i in schedule.stepped or not schedule.in_lanes(i):
            return False
        return not schedule.in_lanes(x.args[1]) and schedule.depth[x.args[1]] > 0

    def inverse(self, x: Node) -> tuple[str, str]:
        """(1 / (s c), c) in all lanes: c is 1, or what keeps the inverse of s a normal number."""
        one = self.writer.one(x.dtype)
        s = self.writer.scalars[x.args[1]]
        info = np.finfo(np.float64 if one.element == "double" else np.float32)
        size = one.abs(s)
        few = one.compare("olt", size, one.literal(float(info.tiny)))
        many = one.compare("ogt", size, one.literal(0.25 / float(info.tiny)))
        scale = one.where(few, one.literal(2.0 ** (info.nmant + 1)), one.literal(1.0))
        scale = one.where(many, one.literal(2.0 ** -(info.nmant + 1)), scale)
        inverse = one.div(one.literal(1.0), one.op("fmul", s, scale))
        lanes = self.writer.lanes(x.dtype)
        return lanes.splat(inverse), lanes.splat(scale)

    # one vector

    def vector(self, at: str, mask: str | None, turn: int) -> None:
        """Everything of this pass for the elements at and after `at`.

        All values are computed before the first is stored: a store may overwrite what is read.
        """
        self.values, self.at, self.mask = {}, at, mask
        reduced = [self.value(self.nest.nodes[r].args[0]) for r in self.reductions]
        stored = [self.value(self.nest.stores[k].node) for k in self.stores]
        for r, value in zip(self.reductions, reduced, strict=True):
            self.accumulate(r, value, turn)
        for k, value in zip(self.stores, stored, strict=True):
            with self.writer.once(k):
                self.store(k, value)

    def value(self, i: int) -> str:
        """A node in lanes, or a scalar in all of them."""
        writer = self.writer
        if not writer.schedule.in_lanes(i):
            return writer.splats[i]
        if i not in self.values:
            x = self.nest.nodes[i]
            lanes = writer.lanes(x.dtype)
            kept = writer.schedule.stash.get(i)
            place = self.fn.gep(writer.stash[i], self.at, lanes.element) if kept else ""
            if kept and kept.filled < self.number:
                found = self.fn.load(lanes.ty, place, 4)
            else:
                found = self.computed(i, x)
                if kept and kept.filled == self.number:
                    self.fn.store(lanes.ty, found, place, 4)
            self.values[i] = found
        return self.values[i]

    def computed(self, i: int, x: Node) -> str:
        """A node in lanes, from memory or from others."""
        writer = self.writer
        lanes = writer.lanes(x.dtype)
        if x.op == "read":
            return self.read(x.param, writer.pointers[x.param])
        if i in self.rows:
            return self.read(x.param[0], self.rows[i])
        if x.op == "gather":
            return self.gather(i, x)
        if x.op == "index":
            known = str(x.param[1][writer.last])  # 0 or 1, or else passed
            step = writer.coefficients.get((i, writer.last), known)
            return lanes.ramp(self.fn.add(writer.starts[i], self.fn.mul(self.at, step)), step)
        if x.op == "random" and self.is_walked(x):
            key, low, high = (writer.scalars[a] for a in x.args[:3])
            number = self.fn.add(writer.starts[x.args[3]], self.at)
            return philox.row(lanes, writer.lanes(int64, writer.n // 2), key, low, high, number)
        if self.is_by_row(i):
            inverse, scale = writer.inverses[x.args[1]]
            return lanes.mul(lanes.op("fmul", self.value(x.args[0]), inverse), scale)
        return writer.pointwise(i, [self.value(a) for a in x.args], writer.n)

    def gather(self, i: int, x: Node) -> str:
        """Elements of an access along the row, each at a place of its own."""
        places = self.places(x.param[0], x.args[0], self.writer.layout.gathered[i])
        return self.writer.lanes(x.dtype).picked(places, self.mask)

    def places(self, a: int, node: int, word: int) -> str:
        """The addresses of an access along the row, each so many strides further by a node."""
        writer, access = self.writer, self.writer.layout.accesses[a]
        lanes = writer.lanes(int64)
        away = lanes.mul(self.value(node), lanes.splat(self.fn.arg("%args", word)))
        if access.strides[writer.last]:
            step = writer.strides.get((a, writer.last), "1")
            away = lanes.add(away, lanes.ramp(self.fn.mul(self.at, step), step))
        return writer.lanes(access.dtype).places(writer.pointers[a], away)

    def read(self, a: int, pointer: str) -> str:
        """Elements of an access along the row, of which element 0 lies at a pointer."""
        writer, access = self.writer, self.nest.reads[a]
        lanes = writer.lanes(access.dtype)
        stride = writer.strides.get((a, writer.last))
        if stride is not None:
            place = writer.moved(a, pointer, self.fn.mul(self.at, stride))
            return lanes.gather(place, stride, self.mask)
        if access.buffer is not None and not access.strides[writer.last]:
            return lanes.splat(writer.one(access.dtype).load(pointer))
        return lanes.load(writer.moved(a, pointer, self.at), self.mask)

    def accumulate(self, r: int, value: str, turn: int) -> None:
        """Take a vector into a reduction; what the mask leaves out does not count."""
        x, place = self.nest.nodes[r], self.accumulators[r][turn]
        lanes = self.writer.lanes(x.dtype)
        value = self.writer.converted(value, x.args[0], lanes, self.writer.lanes)
        if self.mask is not None:
            value = lanes.where(self.mask, value, lanes.neutral(ROW[x.op]))
        before = self.fn.load(lanes.ty, place)
        if r in self.numbers:  # half of what a maximum costs that gives NaN on at every step
            numbers = self.numbers[r][turn]
            known = self.fn.load(lanes.truth, numbers)
            known = self.fn.op(f"and {lanes.truth} {known}, {lanes.compare('ord', value, value)}")
            self.fn.store(lanes.truth, known, numbers)
            merged = lanes.larger(before, value)
        else:
            merged = lanes.merged(ROW[x.op], before, value)
        self.fn.store(lanes.ty, merged, place)

    def store(self, k: int, value: str) -> None:
        """Write a vector, or take it into what is there."""
        writer, s = self.writer, self.nest.stores[k]
        a = len(self.nest.reads) + k
        lanes = writer.lanes(s.access.dtype)
        value = writer.converted(value, s.node, lanes, writer.lanes)
        if s.at is not None and writer.schedule.in_lanes(s.at[0]):
            places = self.places(a, s.at[0], writer.layout.put[k])
            if s.how != "store":
                value = lanes.merged(s.how, lanes.picked(places, self.mask), value)
            lanes.put(value, places, self.mask)
            return
        stride = writer.strides.get((a, writer.last))
        along: Operand = self.at if stride is None else self.fn.mul(self.at, stride)
        place = writer.moved(a, self.begins.get(k, writer.pointers[a]), along)
        if s.how != "store":
            if stride is None:
                before = lanes.load(place, self.mask)
            else:
                before = lanes.gather(place, stride, self.mask)
            merged = lanes.merged(s.how, before, value)
            value = merged if s.at else lanes.where(self.firsts[k], value, merged)
        if stride is not None:
            lanes.scatter(value, place, stride, self.mask)
            return
        past = k in writer.nontemporal and self.mask is None
        lanes.store(value, place, self.mask, nontemporal=past)

    # after the last vector

    def finish(self) -> None:
        """Make scalars of the partial sums."""
        for r in self.reductions:
            self.writer.scalars[r] = self.total(r)

    def total(self, r: int) -> str:
        """The scalar that the partial sums of a reduction make."""
        fn, x = self.fn, self.nest.nodes[r]
        lanes, how = self.writer.lanes(x.dtype), ROW[x.op]
        parts = [fn.load(lanes.ty, place) for place in self.accumulators[r]]
        if r not in self.numbers:
            return lanes.reduced(how, joined(parts, lambda a, b: lanes.merged(how, a, b)))
        masks = [fn.load(lanes.truth, place) for place in self.numbers[r]]
        numbers = joined(masks, lambda a, b: fn.op(f"and {lanes.truth} {a}, {b}"))
        return lanes.largest(joined(parts, lanes.larger), numbers)


def joined(parts: list[str], join: Callable[[str, str], str]) -> str:
    """One of 1, 2 or 4 parts, in pairs."""
    while len(parts) > 1:
        parts = [join(a, b) for a, b in zip(parts[::2], parts[1::2], strict=True)]
    return parts[0]
