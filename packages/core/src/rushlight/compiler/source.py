"""Source: what the records of a program do, as loops that a person reads.  Knows no backend.

Each pass over a row is a loop of its own.  What a later pass needs too is written as a row, t[j];
whether code keeps it or computes it again is the backend's.  Subscripts may count neighbouring axes
as one, as the loops do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import count
from textwrap import wrap
from typing import Any

from ..cell import Number
from ..spec import Shape, size, strides_of
from .fuse import Call, Fused, Product, Record
from .graph import SIGNS, Sum, Value
from .nest import NEUTRAL, ROW, Access, LoopNest, Node, Store

LOOPS = "ijklmnpqabcdefgh"
WIDTH = 96
INFIX = {"add": ("+", 1), "mul": ("*", 2), "div": ("/", 2), "less": ("<", 0), "equal": ("==", 0)}
INFIX |= {"pow": ("**", 3), "bitwise_and": ("&", 0), "bitwise_or": ("|", 0)}
INFIX |= {"right_shift": (">>", 0), "floordiv": ("//", 2), "remainder": ("%", 2)}
SIGN = {"store": "=", "sum": "+=", "prod": "*="}
NAMES = {"maximum": "max", "minimum": "min"}
ATOM = 4  # what binds more closely than any sign
LONG = 40  # an operand of more characters gets a name

Text = tuple[str, int]  # an expression, and how closely it binds
Walk = tuple[str, int, int]  # a loop in words, its stride, its turns


def source(fused: Fused) -> str:
    """All records in order, as one text."""
    names = Names(fused)
    parts = []
    for i, record in enumerate(fused.records, 1):
        parts.append("\n".join([f"# {i}: {title(record)}", *lines(record, names)]))
    results = [names.result(x) for x in fused.graph.outputs]
    head = [names.legend(fused.graph.inputs), *names.sums()]
    end = wrap(f"return {', '.join(results)}", WIDTH, subsequent_indent="    ")
    return "\n\n".join(["\n".join(head), *parts, "\n".join(end)]) + "\n"


class Names:
    """Names of buffers: x of inputs, v of what is computed, n of numbers; in order of mention."""

    def __init__(self, fused: Fused) -> None:
        self.fused = fused
        self.known: dict[Any, str] = {}
        self.counts: defaultdict[str, Iterator[int]] = defaultdict(count)
        for x in fused.graph.inputs:
            self(x, "x")

    def __call__(self, buffer: Any, letter: str = "v") -> str:
        letter = "n" if isinstance(buffer, Number) else letter
        if buffer not in self.known:
            self.known[buffer] = f"{letter}{next(self.counts[letter])}"
        return self.known[buffer]

    def legend(self, inputs: Iterable[Any]) -> str:
        """The inputs and what they are."""
        kinds = [
            f"{self(x)}: {x.spec if isinstance(x, Value) else x.kind.__name__}" for x in inputs
        ]
        text = wrap("; ".join(kinds), WIDTH, initial_indent="# ", subsequent_indent="# ")
        return "\n".join(text)

    def sums(self) -> list[str]:
        """The arithmetic on numbers that Python does, as far as something mentions its result."""
        found = []
        for step in reversed(self.fused.graph.steps):
            if isinstance(step, Sum) and step.outputs[0] in self.known:
                a, b = (self(x) if isinstance(x, Number) else repr(x) for x in step.inputs)
                found.append(f"{self(step.outputs[0])} = {a} {SIGNS[step.how]} {b}")
        return found[::-1]

    def result(self, x: Any) -> str:
        if not isinstance(x, Value):
            return self(x) if isinstance(x, Number) else repr(x)
        return self.seen(self.fused.outputs[x], x.shape)

    def seen(self, access: Access, shape: Shape) -> str:
        """A buffer, or the part of it that is shown as an array of a shape."""
        found = self(access.buffer)
        pairs = zip(access.strides, strides_of(shape), shape, strict=True)
        if size(shape) == size(access.buffer.shape) and all(s == t or n == 1 for s, t, n in pairs):
            return found
        at = ", ".join(subscripts(access, shape))
        return f"{found}[{at}]" if at else found


def sources(compiled: Any) -> str:
    """Those of all programs of a compiled function."""
    return "\n".join(str(x.program) for some in compiled.traced.values() for x in some)


def title(record: Record) -> str:
    """What kind of record it is, and over which loops."""
    if isinstance(record, LoopNest):
        return f"nest {times(record.extents)}"
    if isinstance(record, Product):
        return f"product {times(record.shape)}, each a sum of {record.k}"
    return f"call of {record.step.op.name}"


def times(extents: Sequence[int]) -> str:
    """128 x 10."""
    return " x ".join(map(str, extents))


def lines(record: Record, name: Any = str) -> Iterator[str]:
    """A record as loops.  name: of a buffer."""
    if isinstance(record, LoopNest):
        return Loops(record, name).lines()
    if isinstance(record, Product):
        extents, k = (*record.shape, record.k), LOOPS[len(record.shape)]
        *batch, m, along = record.x.strides
        x = at(record.x._replace(strides=(*batch, m, 0, along)), extents, name)
        *batch, along, n = record.y.strides
        y = at(record.y._replace(strides=(*batch, 0, n, along)), extents, name)
        return Loops(record.nest, name, f"sum({x} * {y} for {k} in range({record.k}))").lines()
    return call_lines(record, name)


def call_lines(call: Call, name: Any) -> Iterator[str]:
    """A step that a kernel does."""
    step = call.step
    pairs = zip(call.inputs, call.shapes, strict=True)
    given = [name.seen(x, shape) if isinstance(x, Access) else name.result(x) for x, shape in pairs]
    given += [f"{p}={v!r}" for p, v in zip(step.op.params, step.params, strict=True)]
    made = [name(z) if z is not None else "_" for z in step.outputs]
    yield f"{', '.join(made)} = {step.op.name}({', '.join(given)})"


class Loops:
    """A nest being written.  block: the expression of a product's element."""

    def __init__(self, nest: LoopNest, name: Any, block: str = "block") -> None:
        self.nest, self.name, self.block = nest, name, block
        self.nodes, self.last = nest.nodes, len(nest.extents) - 1
        self.row = LOOPS[self.last]
        self.operands = {a for x in self.nodes for a in x.args}
        self.due: list[int] = []  # the pass over the row in which each node can be computed
        for x in self.nodes:
            self.due.append(max(map(self.ready, x.args), default=0))
        # of each, the passes in which it is used, and whether inside the row
        self.users: list[list[tuple[int, bool]]] = [[] for _ in self.nodes]
        for i, x in enumerate(self.nodes):
            for a in x.args:
                self.users[a].append((self.due[i], self.is_inside(i)))
        for s in nest.stores:
            for a in operands(s):
                self.users[a].append(self.turn(s))
        self.named: dict[int, str] = {}
        self.counts: defaultdict[str, Iterator[int]] = defaultdict(count)

    def ready(self, a: int) -> int:
        """The first pass that may use a node: of a reduction, the one after its own."""
        return self.due[a] + (self.nodes[a].op in ROW)

    def turn(self, s: Store) -> tuple[int, bool]:
        """The pass in which a store is done, and whether for each element of the row."""
        used = operands(s)
        inside = bool(s.access.strides[self.last]) or any(map(self.in_row, used))
        return max(map(self.ready, used)), inside

    def in_row(self, i: int) -> bool:
        """Whether a node differs along the row."""
        return self.last in self.nodes[i].loops

    def is_inside(self, i: int) -> bool:
        """Whether it is computed for each element of the row."""
        return self.in_row(i) or self.nodes[i].op in ROW

    def lines(self) -> Iterator[str]:
        """The outer loops, and within them the passes over the row."""
        depth = ""
        for letter, n in zip(LOOPS, self.nest.extents[:-1], strict=False):
            if n != 1:
                yield f"{depth}for {letter} in range({n}):"
                depth += "    "
        if not self.nest.stores:
            yield f"{depth}pass  # nothing of it is read"
        passes = max([self.turn(s)[0] for s in self.nest.stores], default=-1) + 1
        for p in range(passes):
            before, body = self.single_pass(p)
            if body and self.nest.extents[-1] != 1:
                body = [
                    f"for {self.row} in range({self.nest.extents[-1]}):",
                    *("    " + line for line in body),
                ]
            yield from [depth + line for line in before + body]

    def single_pass(self, p: int) -> tuple[list[str], list[str]]:
        """What is computed before a pass over the row, and in it."""
        found: tuple[list[str], list[str]] = [], []
        for i in sorted(range(len(self.nodes)), key=self.is_inside):  # what is outside first
            x = self.nodes[i]
            if self.due[i] != p or not self.users[i]:
                continue
            if x.op in ROW:
                term, how = self.text(x.args[0])[0], ROW[x.op]
                place = self.named[i] = self.new(how[0])
                found[0].append(f"{place} = {NEUTRAL[how]:g}")
                found[1].append(accumulated(place, how, term))
            elif self.deserves_name(i):
                found[self.is_inside(i)].append(self.definition(i))
        for s in self.nest.stores:
            turn, inside = self.turn(s)
            if turn == p:
                more = [] if s.at is None else [(self.text(s.at[0])[0], s.at[1], 1)]
                line = accumulated(self.at(s.access, *more), s.how, self.text(s.node)[0])
                found[inside].append(line)
        return found

    def definition(self, i: int) -> str:
        """The line that computes a node and gives it a name, that of a row if it is kept."""
        text = self.expression(i)[0]
        found = self.new("z" if self.is_block(i) else "t")
        kept = self.in_row(i) and self.is_kept(i) and self.nest.extents[-1] != 1
        self.named[i] = f"{found}[{self.row}]" if kept else found
        return f"{self.named[i]} = {text}"

    def new(self, letter: str) -> str:
        return f"{letter}{next(self.counts[letter])}"

    def is_block(self, i: int) -> bool:
        x = self.nodes[i]
        return x.op == "read" and self.nest.reads[x.param].buffer is None

    def is_kept(self, i: int) -> bool:
        """Whether a later pass uses it."""
        return max(self.users[i])[0] > self.due[i]

    def deserves_name(self, i: int) -> bool:
        """Whether it gets a line: it is long, of several uses, or no part of the row."""
        if self.is_block(i):
            return i in self.operands
        x = self.nodes[i]
        is_sign = x.op in ("neg", "cast") and " " not in self.text(x.args[0])[0]
        if not x.args or (is_sign and not (self.in_row(i) and self.is_kept(i))):
            return False
        moved = not self.in_row(i) and any(inside for _, inside in self.users[i])
        is_long = i in self.operands and len(self.expression(i)[0]) > LONG
        return len(self.users[i]) > 1 or moved or self.is_kept(i) or is_long

    def at(self, access: Access, *more: Walk) -> str:
        return at(access, self.nest.extents, self.name, *more)

    def text(self, i: int) -> Text:
        """What stands for a node where it is used."""
        return (self.named[i], ATOM) if i in self.named else self.expression(i)

    def expression(self, i: int) -> Text:
        x = self.nodes[i]
        args = [self.text(a) for a in x.args]
        match x.op:
            case "read":
                return self.block if self.is_block(i) else self.at(self.nest.reads[x.param]), ATOM
            case "gather":
                number, stride = x.param
                return self.at(self.nest.reads[number], (args[0][0], stride, 1)), ATOM
            case "constant":  # as short as it is told apart
                return f"{x.param:.7g}" if isinstance(x.param, float) else str(x.param), ATOM
            case "index":
                offset, factors = x.param
                walks = [(c, f) for c, f in zip(LOOPS, factors, strict=False) if f]
                return total(walks, offset), ATOM if len(walks) < 2 and not offset else 1
        return combined(x, args)


def operands(s: Store) -> list[int]:
    """The nodes that a store reads: what it writes, and where."""
    return [s.node] if s.at is None else [s.node, s.at[0]]


def combined(x: Node, args: list[Text]) -> Text:
    """An operation on expressions, in signs where there are some."""
    if x.op == "neg":
        return f"-{bound(args[0], 2)}", 2
    if x.op == "cast":
        return f"{x.dtype.name}({args[0][0]})", ATOM
    if x.op == "add":
        if args[0][0].startswith("-") and args[0][1] > 1:
            args = [args[1], args[0]]
        if args[1][0].startswith("-") and args[1][1] > 1:
            return f"{bound(args[0], 1)} - {args[1][0][1:]}", 1
    if x.op in INFIX:
        sign, rank = INFIX[x.op]
        left = rank + (rank in (0, 3))
        right = rank + (x.op not in ("add", "mul", "pow"))
        return f"{bound(args[0], left)} {sign} {bound(args[1], right)}", rank
    return f"{NAMES.get(x.op, x.op)}({', '.join(text for text, _ in args)})", ATOM


def bound(x: Text, rank: int) -> str:
    """An expression as an operand of something that binds so closely."""
    return x[0] if x[1] >= rank else f"({x[0]})"


def accumulated(place: str, how: str, text: str) -> str:
    """The line that stores, or adds to what is there; the first turn of the loops stores."""
    if how == "max":
        return f"{place} = max({place}, {text})"
    return f"{place} {SIGN[how]} {text}"


def at(access: Access, extents: Sequence[int], name: Any, *more: Walk) -> str:
    """An element of a buffer: x0[i, 2*j + 1].  more: places along an axis that no loop tells."""
    found = subscripts(access, extents, *more)
    return f"{name(access.buffer)}[{', '.join(found)}]" if found else str(name(access.buffer))


def subscripts(access: Access, extents: Sequence[int], *more: Walk) -> list[str]:
    """One for each axis of the buffer; axes that a loop runs through together count as one."""
    every = zip(LOOPS, access.strides, extents, strict=False)
    walks = [*((c, s, n) for c, s, n in every if s and n != 1), *more]
    shape = getattr(access.buffer, "shape", ())
    if not (shape or walks or access.offset):
        return []
    return parted(shape or (1,), walks, access.offset)


def parted(shape: Shape, walks: Sequence[Walk], offset: int) -> list[str]:
    """Those of an array; an axis that the loops leave counts as one with its neighbour."""
    left, rest, found = list(walks), offset, []
    strides = strides_of(shape)
    for d, s in enumerate(strides):
        first, rest = divmod(rest, s)
        is_last = d == len(shape) - 1
        along = [w for w in left if is_last or (shape[d] > 1 and w[1] % s == 0)]
        left = [w for w in left if w not in along]
        ends = [stride // s * (n - 1) for _, stride, n in along]
        low, high = (first + sum(pick(0, end) for end in ends) for pick in (min, max))
        if len(shape) > 1 and not 0 <= low <= high < shape[d]:
            k = max(d, 1)
            shape = *shape[: k - 1], shape[k - 1] * shape[k], *shape[k + 1 :]
            return parted(shape, walks, offset)
        found.append(total([(c, stride // s) for c, stride, _ in along], first))
    return found


def total(terms: Iterable[tuple[str, int]], offset: int) -> str:
    """2*i + j + 3."""
    pairs = [(f"({c})" if " " in c and abs(f) != 1 else c, f) for c, f in terms]
    parts = [c if f == 1 else f"-{c}" if f == -1 else f"{f}*{c}" for c, f in pairs]
    parts += [str(offset)] * bool(offset or not parts)
    parts.sort(key=lambda part: part[0] == "-")  # 4 - j
    return " + ".join(parts).replace("+ -", "- ")
