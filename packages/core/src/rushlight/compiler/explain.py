"""Explain: a page about the programs of a compiled function, for its author.  Knows no backend.

What a program does is core's to tell: steps, records, bytes.  How long a record takes is the
backend's, by the `report` of what its `compile` returned.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from inspect import signature
from math import prod
from typing import Any

from ..backend import Report
from ..cell import Cell
from ..spec import several, size
from ..tensor import Tensor
from .argument import Place
from .compiled import arguments, changed
from .fuse import ROW_LIMIT, Call, Fused, Fuser, Group, Product, Record
from .graph import Program, Step, Value
from .kind import POINTWISE, REDUCTIONS, VIEWS, is_product, is_reduction, value_dtype
from .nest import ROW, Access, LoopNest
from .source import LOOPS, times
from .traced import Gradient

SHOWN = 12  # stored values that a page lists: the largest
WIDE = 48  # characters for what a record computes
HEAD = ("#", "kind", "loops", "computes", "bytes", "est us", "us", "share")
QUIET = frozenset("read constant index cast".split())  # nodes that are no news


def explained(compiled: Any) -> str:
    """All programs of a compiled function, and why each was traced."""
    found = [(key, traced) for key, some in compiled.traced.items() for traced in some]
    name = getattr(compiled.fn, "__qualname__", compiled.fn)
    parts = [f"{several(len(found), 'program')} of {name}\n"]
    before = None
    for i, (key, traced) in enumerate(found, 1):
        parts.append(f"{i}. {given(compiled, key)}")
        if before is not None:
            parts.append(f"traced anew: {anew(compiled, before, (key, traced))}")
        before = (key, traced)
        parts += pages(traced)
    return "\n".join(parts)


def told(compiled: Any, traced: Any, leaves: list[Any]) -> str:
    """The program for these leaves of arguments, measured on them."""
    inputs = [value_of(source, leaves) for source in traced.sources]
    return "\n".join([given(compiled, traced.key), *pages(traced, inputs)])


def value_of(source: Any, leaves: list[Any]) -> Any:
    """What a program reads now from one of its sources."""
    match source:
        case Place(i):
            return getattr(leaves[i], "_data", leaves[i])
        case Cell():
            return source.held
        case Tensor():
            return source._data
        case Gradient(owner):
            held: Any = leaves[owner.i] if isinstance(owner, Place) else owner
            return held._grad._data


def given(compiled: Any, key: Any) -> str:
    """The arguments that a program was traced for, in words."""
    words = [f"{named(compiled, place)}: {text}" for place, text in arguments(key).items()]
    shown = words if len(words) <= SHOWN else [*words[:SHOWN], f"and {len(words) - SHOWN} more"]
    return "; ".join(shown) or "no arguments"


def named(compiled: Any, place: str) -> str:
    """The place of an argument, by its name if it was given by position: `0[1]` as `batch[1]`."""
    number, bracket, rest = place.partition("[")
    try:
        names = [*signature(compiled.fn).parameters]
    except (TypeError, ValueError):
        return place
    known = number.isdigit() and int(number) < len(names)
    return names[int(number)] + bracket + rest if known else place


def anew(compiled: Any, before: tuple[Any, Any], after: tuple[Any, Any]) -> str:
    """Why the last program did not serve."""
    (was_key, was), (key, traced) = before, after
    if arguments(was_key) == arguments(key) and was_key != key:
        if was_key[-1] is not key[-1]:
            return "a module was switched between train and eval, or changed"
        if was_key[2] is not key[2]:
            return "it was called in another mode, such as no_grad or autocast"
    if was_key != key:
        words = changed(was_key, key).split(" ")
        words[1:2] = [named(compiled, words[1])]
        return " ".join(words)
    captures = {x.tensor: x for x in was.captures}
    for x in traced.captures:
        old = captures.get(x.tensor, x)
        if old.spec != x.spec:
            return f"a tensor that it captures was {old.spec} and is {x.spec}"
        if old.asks != x.asks:
            return f"a tensor {x.spec} that it captures asks for a gradient, or no longer"
    if [(g.how, g.outcome) for g in was.guards] != [(g.how, g.outcome) for g in traced.guards]:
        return "a number that it compares came out otherwise"
    return changed(key, key)


def pages(traced: Any, inputs: Any = None) -> list[str]:
    """The program, and that of its backward pass if results are differentiated outside."""
    found = [page(traced.program, inputs)]
    if traced.backward is not None:
        found += ["its backward pass, when a result is differentiated outside of it:"]
        found += [page(traced.backward.program)]
    return found


def page(program: Program, inputs: Any = None) -> str:
    """One program: how much there is of what, its records, and what stayed apart."""
    fused, steps = program.fused, several(len(program.graph.steps), "step")
    if fused is None:
        return f"{steps}, replayed one by one\n\n{program}"
    report = getattr(program.run, "report", None)
    found = Report() if report is None else report(inputs)
    records = fused.records
    counts = [several(n, which) for which, n in Counter(map(kind, records)).items()]
    nests = {nest.text() for nest in map(nest_of, records) if nest is not None}
    moved = sum(map(bytes_of, records))
    arena = "" if found.arena_bytes is None else f", arena of {amount(found.arena_bytes)}"
    head = [
        f"{steps}, {len(fused.graph.steps)} once composites are opened and simplified,",
        f"{several(len(records), 'record')} ({', '.join(counts)}) of "
        + several(len(nests), "different nest"),
        f"{amount(moved)} read and written{arena}",
    ]
    parts = (head, table(records, found), called(fused), kept(fused))
    return "\n\n".join(["\n".join(part) for part in parts if part]) + "\n"


def kind(record: Record) -> str:
    """Nest, product or call."""
    return {LoopNest: "nest", Product: "product", Call: "call"}[type(record)]


def nest_of(record: Record) -> LoopNest | None:
    """The nest of a record, if it has one."""
    return record if isinstance(record, LoopNest) else getattr(record, "nest", None)


def touched(record: Record) -> Iterator[tuple[Access, Sequence[int]]]:
    """The accesses of a record, and the loops that each is walked by."""
    nest = nest_of(record)
    if nest is not None:
        looked = {x.param[0]: x.loops for x in nest.nodes if x.op == "gather"}
        places = [(x, looked.get(i, frozenset())) for i, x in enumerate(nest.reads)]
        at = [nest.nodes[s.at[0]].loops if s.at else frozenset() for s in nest.stores]
        places += zip([s.access for s in nest.stores], at, strict=True)
        for x, loops in places:
            walked = tuple([s or int(d in loops) for d, s in enumerate(x.strides)])
            yield x._replace(strides=walked), nest.extents
    if isinstance(record, Product):
        *batch, m, n = record.shape
        yield record.x, (*batch, m, record.k)
        yield record.y, (*batch, record.k, n)
    if isinstance(record, Call):
        for x, shape in zip(record.inputs, record.shapes, strict=True):
            if isinstance(x, Access):
                yield x, shape or ()


def bytes_of(record: Record) -> int:
    """The bytes that a record reads and writes, each element once."""
    found = 0
    for access, extents in touched(record):
        if isinstance(access.buffer, Value):
            walked = prod(n for n, s in zip(extents, access.strides, strict=True) if s)
            found += min(walked, size(access.buffer.shape)) * access.dtype.itemsize
    if isinstance(record, Call):
        made = [z for z in record.step.outputs if z is not None]
        found += sum(size(z.shape) * z.dtype.itemsize for z in made)
    return found


def computes(record: Record) -> str:
    """What a record computes, in the names of operations."""
    if isinstance(record, Call):
        return record.step.op.name
    nest = nest_of(record)
    assert nest is not None, "all but calls have one"
    words = [f"row {ROW[x.op]}" if x.op in ROW else x.op for x in nest.nodes if x.op not in QUIET]
    for s in nest.stores:
        words += [f"{s.how} over {', '.join(LOOPS[d] for d in sorted(s.over))}"] * bool(s.over)
    if isinstance(record, Product):
        *batch, m, n = record.shape
        each = f"{prod(batch)} of " if batch else ""
        words.insert(0, f"{each}{m}x{record.k} @ {record.k}x{n}")
    text = ", ".join(dict.fromkeys(words)) or "copy"
    return text if len(text) <= WIDE else text[: text.rfind(",", 0, WIDE - 4)] + ", .."


def table(records: Sequence[Record], report: Report) -> list[str]:
    """A line for each record.  share: of the measured time, else of the estimated."""
    estimated, measured = report.estimated_s, report.measured_s
    spent, within = measured or estimated, dict(report.within)
    rows: list[Sequence[str]] = [HEAD]
    for i, record in enumerate(records):
        nest = nest_of(record)
        loops = times(nest.extents) if nest is not None else ""
        share = f"{100 * spent[i] / sum(spent):.0f} %" if spent and sum(spent) else ""
        what = f"{kind(record)} in {within[i] + 1}" if i in within else kind(record)
        cells = [str(i + 1), what, loops, computes(record), amount(bytes_of(record))]
        rows.append([*cells, *[micro(s[i]) if s else "" for s in (estimated, measured)], share])
    sums = [micro(sum(s)) if s else "" for s in (estimated, measured)]
    rows.append(["", "", "", "", amount(sum(map(bytes_of, records))), *sums, ""])
    return aligned(rows, words=(1, 2, 3))


def aligned(rows: Sequence[Sequence[str]], words: Sequence[int]) -> list[str]:
    """Rows under a head as lines.  words: the columns that begin on the left; empty ones go."""
    columns = []
    for d, column in enumerate(zip(*rows, strict=True)):
        if any(column[1:]):
            width = max(map(len, column))
            columns.append([x.ljust(width) if d in words else x.rjust(width) for x in column])
    return ["  ".join(line).rstrip() for line in zip(*columns, strict=True)]


def micro(time_s: float) -> str:
    """A time in microseconds."""
    return f"{1e6 * time_s:.{1 if time_s > 1e-5 else 2}f}"


def amount(n_bytes: int) -> str:
    """Bytes in words: 1.3 kB."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.1f} {unit}"
    return f"{n_bytes} B"


def called(fused: Fused) -> list[str]:
    """Why steps are calls of kernels, each reason with its records."""
    found: dict[str, list[str]] = {}
    for i, record in enumerate(fused.records, 1):
        if isinstance(record, Call):
            found.setdefault(refusal(record.step), []).append(str(i))
    return ["calls"] * bool(found) + [f"  {', '.join(i)}: {why}" for why, i in found.items()]


def refusal(step: Step) -> str:
    """Why no nest computes a step."""
    name = step.op.name
    if step.op.has_body:
        return f"{step.device} wants {name} whole"
    if name in POINTWISE | REDUCTIONS | {"matmul"}:
        return f"no nest computes {name} of {value_dtype(step).name}"
    return f"no nest computes {name}"


def kept(fused: Fused) -> list[str]:
    """The largest values that are stored between records, and why each is."""
    fuser = fused.fuser
    number = {k: i for i, k in enumerate(fuser.ordered(), 1)}
    outputs = {access.buffer for access in fused.outputs.values()}
    found: Counter[tuple[int, str, str, str]] = Counter()
    for x in fused.stored - outputs:
        readers = [k for k in number if x in fuser.groups[k].roots and k != fuser.where[x]]
        if readers:
            whys = dict.fromkeys(why(fuser, x, fuser.groups[k], number) for k in readers)
            way = f"{number[fuser.where[x]]} -> {', '.join(str(number[k]) for k in readers)}"
            found[size(x.shape) * x.dtype.itemsize, way, str(x), "; ".join(whys)] += 1
    lines = [["stored from -> for", "", ""]]
    for line in sorted(found, key=lambda line: (-line[0], *line[1:]))[:SHOWN]:
        n_bytes, way, text, because = line
        several = f"{found[line]} of " if found[line] > 1 else ""
        lines.append([f"  {way}", f"{several}{text}, {amount(n_bytes)}", because])
    rest = [f"  and {len(found) - SHOWN} smaller"] * (len(found) > SHOWN)
    return [*aligned(lines, words=(0, 1, 2)), *rest] if found else []


def why(fuser: Fuser, x: Value, reader: Group, number: dict[int, int]) -> str:
    """Why a group reads a value from memory, instead of computing with the group that makes it."""
    a = fuser.where[x]
    maker = fuser.groups[a]
    if x in fuser.forced:
        return view_of(fuser, x)
    for head in (maker.head, reader.head):
        if head is not None and not is_product(head):
            return f"{head.op.name} is a call"
    if reader.head is not None and x in fuser.sources(reader.head):
        return "an operand of a product"
    if x in maker.summed:
        return "a sum over outer loops, known when all is done"
    if maker.head is not None and reader.head is not None:
        return "both are products"
    if size(maker.shape) != size(reader.shape):
        return f"computed over {over(maker)}, read over {over(reader)}"
    for c in sorted(reader.needs - {a}):
        if fuser.waits(c, a):
            return f"its reader also waits for {number[c]}"
    row = maker.extents[-1]
    if maker.head is not None and row > ROW_LIMIT and any(map(is_reduction, reader.steps)):
        return f"a row of {row} is too long for the epilogue of a product"
    return "read elsewhere than where it is computed"


def over(group: Group) -> str:
    """The loops of a group that turn more than once."""
    return times([n for n in group.shape if n != 1]) or "one element"


def view_of(fuser: Fuser, x: Value) -> str:
    """How a value is read that had to be stored as it is."""
    step = fuser.maker[x]
    before = fuser.maker.get(step.inputs[0]) if step.inputs else None
    if isinstance(before, Step) and before.op.name in VIEWS:
        return f"read through a {before.op.name} that is no sum over loops"
    return "read at places that are no sums over loops"
