"""Eager calls without a Python function on the way: a table of kinds of arguments, and programs.

The kernel of an operation is one builtin.  It finds what it is called with among the kinds that it
met before, takes memory for the results, and runs the program.  What it does not know, it leaves to
a function of Python, which tells it.  Knows arrays and numbers; no operation by name.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np

from rushlight.extend import Value

from . import builtin, memory
from .builtin import Block, block, field, is_null
from .codegen.llvm import Fn, Operand, add_symbol, native
from .entry import is_whole
from .pool import HELD, LIMIT, SLEEP_US, THREADS, WANTED, Head, pool

if TYPE_CHECKING:
    from .program import Program

SLOTS = 512  # of a table
PROBES = 4  # slots that a kind may have
MOST_ARRAYS = 64  # of a program
MIX = -0x61C8864680B583EB  # 2^64 / golden ratio, odd
NUMBER_WORDS = 3  # of a number: which argument, whether an integer, where the program reads it
KIND_WORDS = 5  # of an argument: one of these, and what else there is to compare
AN_ARRAY, AN_OBJECT, A_NUMBER, A_FLOAT = range(4)  # a number of a type, a float of some bits
PLAN = (
    "head state inputs which fresh kinds arena scratch start results order none numbers values "
    "checks guards otherwise owner"
).split()
# Words of a `Table`, and of an entry of it.
COUNT, LEAST, SMALL, OTHERWISE, ENTRIES, CLASS, LEAST_OF, NONE = range(8)
PROGRAM, FUNCTION, KINDS = range(3)
EQUAL = 2  # Py_EQ


# ---- native functions


def part(f: Fn, plan: str, name: str, ty: str = "ptr") -> str:
    """A word of a plan."""
    return f.arg(plan, PLAN.index(name), ty)


def called(f: Fn, function: str, args: str, count: str, names: str) -> str:
    """What a Python function returns."""
    builtin.held(f, function)
    made = f.call(
        "ptr",
        "PyObject_Vectorcall",
        ("ptr", function),
        ("ptr", args),
        ("i64", count),
        ("ptr", names),
    )
    builtin.dropped(f, function)
    return made


def seen() -> Fn:
    """A number that depends on the arrays alone; %most gets the elements of the largest."""
    f = Fn("rushlight_seen", "ptr %args, i64 %count, ptr %most, ptr %type", result="i64")
    mixed, size = f.alloca("i64"), f.alloca("i64")
    f.store("i64", 0, mixed)
    f.store("i64", 0, "%most")

    def mix(x: str) -> None:
        f.store("i64", f.mul(f.add(f.load("i64", mixed), x), MIX), mixed)

    with f.loop(0, "%count") as i:
        x = f.arg("%args", i, "ptr")
        with f.when(f.op(f"icmp eq ptr {field(f, x, builtin.TYPE)}, %type")):
            axes = f.op(f"sext i32 {field(f, x, builtin.AXES, 'i32')} to i64")
            extents, strides = field(f, x, builtin.EXTENTS), field(f, x, builtin.STRIDES)
            mix(f.op(f"ptrtoint ptr {field(f, x, builtin.DTYPE)} to i64"))
            f.store("i64", 1, size)
            with f.loop(0, axes) as d:
                n = f.arg(extents, d)
                mix(n)
                mix(f.arg(strides, d))
                f.store("i64", f.mul(f.load("i64", size), n), size)
            f.store("i64", f.imax(f.load("i64", "%most"), f.load("i64", size)), "%most")
    f.give(f.op(f"lshr i64 {f.load('i64', mixed)}, 32"))
    return f


def fits() -> Fn:
    """1 if the arguments are of an entry's kind, else 0."""
    f = Fn("rushlight_fits", "ptr %kinds, ptr %args, i64 %count, ptr %type", result="i64")
    with f.loop(0, "%count") as i:
        x, at = f.arg("%args", i, "ptr"), f.gep("%kinds", f.mul(i, KIND_WORDS), "i64")
        how, kind = f.arg(at, 0), field(f, x, builtin.TYPE)
        with f.when(f.icmp("eq", how, AN_ARRAY)):
            dtype = field(f, x, builtin.DTYPE)
            axes = f.op(f"sext i32 {field(f, x, builtin.AXES, 'i32')} to i64")
            with f.when(f.op(f"icmp ne ptr {kind}, %type")):
                f.give(0)
            with f.when(f.op(f"icmp ne ptr {dtype}, {f.arg(at, 1, 'ptr')}")):
                f.give(0)
            with f.when(f.icmp("ne", axes, f.arg(at, 2))):
                f.give(0)
            extents, strides = field(f, x, builtin.EXTENTS), field(f, x, builtin.STRIDES)
            with f.loop(0, axes) as d:
                for lie, word in ((extents, 3), (strides, 4)):
                    with f.when(f.icmp("ne", f.arg(lie, d), f.arg(f.arg(at, word, "ptr"), d))):
                        f.give(0)
        other = f.op(f"icmp ne ptr {kind}, {f.arg(at, 1, 'ptr')}")
        with f.when(f.op(f"and i1 {f.icmp('sge', how, A_NUMBER)}, {other}")):
            f.give(0)
        with f.when(f.icmp("eq", how, A_FLOAT)):
            bits = field(f, x, builtin.OBJECT_BYTES, "i64")
            with f.when(f.icmp("ne", bits, f.arg(at, 2))):
                f.give(0)
        with f.when(f.icmp("eq", how, AN_OBJECT)):
            y = f.arg(at, 1, "ptr")
            with f.when(f.op(f"icmp ne ptr {x}, {y}")):
                with f.when(f.op(f"icmp ne ptr {kind}, {field(f, y, builtin.TYPE)}")):
                    f.give(0)
                given = ("ptr", x), ("ptr", y), ("i32", EQUAL)
                same = f.call("i32", "PyObject_RichCompareBool", *given)
                with f.when(f.op(f"icmp ne i32 {same}, 1")):
                    f.call("void", "PyErr_Clear")
                    f.give(0)
    f.give(1)
    return f


def run() -> Fn:
    """Run a plan on arguments of its kind; what it returns, or null with Python's error set."""
    f = Fn("rushlight_run", "ptr %plan, ptr %args, i64 %count", result="ptr")
    head, state = part(f, "%plan", "head"), part(f, "%plan", "state")
    inputs, fresh = part(f, "%plan", "inputs", "i64"), part(f, "%plan", "fresh", "i64")
    shared = f.icmp("sgt", f.arg(head, THREADS), 1)
    start(f, state, shared, part(f, "%plan", "start"))
    read = numbers_read(f)

    items = f.alloca("ptr", MOST_ARRAYS + 1)  # inputs, new arrays, and the arena as if it were one
    which = part(f, "%plan", "which")
    with f.loop(0, inputs) as i:
        f.store("ptr", f.arg("%args", f.arg(which, i), "ptr"), f.gep(items, i, "ptr"))
    new_arrays(f, inputs, fresh, items)
    every = f.add(inputs, fresh)
    arena, scratch = part(f, "%plan", "arena"), part(f, "%plan", "scratch")
    has_arena = f.op(f"icmp ne ptr {arena}, null")
    shown = f.alloca("i64", 1 + builtin.DATA // 8)
    lies = f.gep(shown, builtin.DATA, "i8")
    with f.when(has_arena):
        f.store("ptr", f.call("ptr", "rushlight_take", ("ptr", arena)), lies)
        f.store("ptr", shown, f.gep(items, every, "ptr"))
        with f.when(is_null(f, f.load("ptr", lies))):
            drop(f, inputs, every, items)
            f.give("null")
    own = f.call("ptr", "rushlight_take", ("ptr", scratch))
    with f.when(is_null(f, own)):
        with f.when(has_arena):
            give_back(f, arena, f.load("ptr", lies))
        drop(f, inputs, every, items)
        f.give("null")

    wrong = launched(f, head, read, (("ptr", state), ("ptr", items), ("ptr", own)), shared)
    give_back(f, scratch, own)
    with f.when(has_arena):
        give_back(f, arena, f.load("ptr", lies))
    with f.when(f.icmp("ne", wrong, 0)):
        drop(f, inputs, every, items)
        f.give(called(f, part(f, "%plan", "otherwise"), "%args", "%count", "null"))
    result(f, inputs, items)
    return f


def launched(f: Fn, head: str, read: str, words: Sequence[tuple[str, Operand]], shared: str) -> str:
    """Run the head alone, without Python's lock if threads share it; whether a check failed."""
    held = f.gep(head, HELD, "i64")
    wrong, given = f.alloca("i64"), (("ptr", head), *words)
    with f.when(shared):
        acquire(f, held)
    numbers_written(f, read)
    with f.when(shared):
        thread = f.call("ptr", "PyEval_SaveThread")
        f.call("void", "launch", *given)
        f.store("i64", f.call("i64", "rushlight_failed", ("ptr", "%plan")), wrong)
        f.emit(f"store atomic i64 0, ptr {held} seq_cst, align 8")
        f.call("void", "PyEval_RestoreThread", ("ptr", thread))
    with f.when(f.op(f"xor i1 {shared}, true")):
        f.call("void", "launch", *given)
        f.store("i64", f.call("i64", "rushlight_failed", ("ptr", "%plan")), wrong)
    return f.load("i64", wrong)


def failed() -> Fn:
    """Whether a byte that a check of the program wrote is not 0."""
    f = Fn("rushlight_failed", "ptr %plan", result="i64")
    guards, found = part(f, "%plan", "guards"), f.alloca("i64")
    f.store("i64", 0, found)
    with f.loop(0, part(f, "%plan", "checks", "i64")) as i:
        byte = f.op(f"zext i8 {f.load('i8', f.arg(guards, i, 'ptr'))} to i64")
        f.store("i64", f.op(f"or i64 {f.load('i64', found)}, {byte}"), found)
    f.give(f.load("i64", found))
    return f


def numbers_read(f: Fn) -> str:
    """The words of the numbers; what has more than one is left to Python's function."""
    numbers, values = part(f, "%plan", "numbers", "i64"), part(f, "%plan", "values")
    read, over = f.alloca("i64", MOST_ARRAYS), f.alloca("i32")
    with f.loop(0, numbers) as i:
        at = f.gep(values, f.mul(i, NUMBER_WORDS), "i64")
        x, into = f.arg("%args", f.arg(at, 0), "ptr"), f.gep(read, i, "i64")
        f.store("i64", field(f, x, builtin.OBJECT_BYTES, "i64"), into)  # the bits of a float
        with f.when(f.icmp("ne", f.arg(at, 1), 0)):
            value = f.call("i64", "PyLong_AsLongLongAndOverflow", ("ptr", x), ("ptr", over))
            f.store("i64", value, into)
            with f.when(f.op(f"icmp ne i32 {f.load('i32', over)}, 0")):
                f.give(called(f, part(f, "%plan", "otherwise"), "%args", "%count", "null"))
    return read


def numbers_written(f: Fn, read: str) -> None:
    """Put them where the program reads them."""
    numbers, values = part(f, "%plan", "numbers", "i64"), part(f, "%plan", "values")
    with f.loop(0, numbers) as i:
        at = f.arg(values, f.add(f.mul(i, NUMBER_WORDS), 2), "ptr")
        f.store("i64", f.arg(read, i), at)


def new_arrays(f: Fn, inputs: str, fresh: str, items: str) -> None:
    """Make the arrays of the results, behind the inputs."""
    kinds = part(f, "%plan", "kinds")
    with f.loop(0, fresh) as i:
        array = f.call("ptr", "rushlight_new_array", ("ptr", f.arg(kinds, i, "ptr")))
        at = f.add(inputs, i)
        with f.when(is_null(f, array)):
            drop(f, inputs, at, items)
            f.give("null")
        f.store("ptr", array, f.gep(items, at, "ptr"))


def drop(f: Fn, first: str, end: str, items: str) -> None:
    """Give new arrays back, which nobody shall have."""
    with f.loop(first, end) as i:
        builtin.dropped(f, f.load("ptr", f.gep(items, i, "ptr")))


def give_back(f: Fn, size: str, data: str) -> None:
    """Free a block of this call's own."""
    cache = f.arg(size, memory.CACHE, "ptr")
    f.call("void", "rushlight_release", ("ptr", cache), ("ptr", data), ("i64", 0))


def start(f: Fn, state: str, shared: str, function: str) -> None:
    """Start the threads of the pool that are missing, if the program wants any."""
    missing = f.icmp("slt", f.arg(state, LIMIT // 8), f.arg(state, WANTED // 8))
    with f.when(f.op(f"and i1 {shared}, {missing}")):
        done = f.call("ptr", "PyObject_CallNoArgs", ("ptr", function))
        with f.when(is_null(f, done)):
            f.give("null")
        builtin.dropped(f, done)


def acquire(f: Fn, word: str) -> None:
    """Set a word that is 0 to 1; while another thread has it, wait without Python's lock."""
    look, wait, on = f.fresh("look"), f.fresh("wait"), f.fresh("on")
    f.jump(look)
    f.label(look)
    before = f.op(f"atomicrmw xchg ptr {word}, i64 1 seq_cst")
    f.branch(f.icmp("eq", before, 0), on, wait)
    f.label(wait)
    thread = f.call("ptr", "PyEval_SaveThread")
    f.call("i32", "usleep", ("i32", SLEEP_US))
    f.call("void", "PyEval_RestoreThread", ("ptr", thread))
    f.jump(look)
    f.label(on)


def result(f: Fn, inputs: str, items: str) -> None:
    """Return one of the new arrays, or a tuple of them and of None."""
    results, order = part(f, "%plan", "results", "i64"), part(f, "%plan", "order")
    with f.when(f.icmp("eq", results, 0)):
        f.give(f.load("ptr", f.gep(items, f.add(inputs, f.arg(order, 0)), "ptr")))
    made, none = f.call("ptr", "PyTuple_New", ("i64", results)), part(f, "%plan", "none")
    with f.loop(0, results) as i:
        which, at = f.arg(order, i), f.alloca("ptr")
        f.store("ptr", none, at)
        with f.when(f.icmp("sge", which, 0)):
            f.store("ptr", f.load("ptr", f.gep(items, f.add(inputs, which), "ptr")), at)
        with f.when(f.icmp("slt", which, 0)):
            builtin.held(f, none)
        f.call("i32", "PyTuple_SetItem", ("ptr", made), ("i64", i), ("ptr", f.load("ptr", at)))
    f.give(made)


def program() -> Fn:
    """The builtin of a plan alone."""
    f = builtin.function("rushlight_program")
    plan = builtin.words_of(f, "%self")
    f.give(f.call("ptr", "rushlight_run", ("ptr", plan), ("ptr", "%args"), ("i64", "%count")))
    return f


def kernel() -> Fn:
    """The builtin of an operation; its words are those of a `Table`."""
    f = builtin.function("rushlight_kernel")
    table = builtin.words_of(f, "%self")
    count, least = f.arg(table, COUNT), f.arg(table, LEAST)
    small, otherwise, entries, none, class_of_arrays = (
        f.arg(table, word, "ptr") for word in (SMALL, OTHERWISE, ENTRIES, NONE, CLASS)
    )
    kind = ("ptr", class_of_arrays)
    given = ("ptr", "%args"), ("i64", "%count")
    most, bound = f.alloca("i64"), f.alloca("i64")
    f.store("i64", least, bound)
    unnamed = is_null(f, "%names")
    with f.when(f.op(f"and i1 {unnamed}, {f.icmp('eq', '%count', count)}")):
        place = f.call("i64", "rushlight_seen", *given, ("ptr", most), kind)
        least_of = f.arg(table, LEAST_OF, "ptr")
        with f.when(f.op(f"icmp ne ptr {least_of}, null")), f.loop(0, count) as i:
            x = f.arg("%args", i, "ptr")
            with f.when(f.op(f"icmp eq ptr {field(f, x, builtin.TYPE)}, {class_of_arrays}")):
                code = field(f, field(f, x, builtin.DTYPE), builtin.CODE, "i8")
                f.store("i64", f.arg(least_of, f.op(f"zext i8 {code} to i64")), bound)
        with f.when(f.icmp("slt", f.load("i64", most), f.load("i64", bound))):
            f.give(called(f, small, "%args", "%count", "null"))
        with f.loop(0, PROBES) as probe:
            at = f.urem(f.add(place, probe), SLOTS)
            entry = f.call("ptr", "PyList_GetItem", ("ptr", entries), ("i64", at))
            with f.when(f.op(f"icmp ne ptr {entry}, {none}")):
                builtin.held(f, entry)  # and all that it keeps, if another thread puts one there
                words, made = builtin.words_of(f, entry), f.alloca("ptr")
                kinds = ("ptr", f.arg(words, KINDS, "ptr"))
                good = f.call("i64", "rushlight_fits", kinds, *given, kind)
                with f.when(f.icmp("ne", good, 0)):
                    plan, function = f.arg(words, PROGRAM, "ptr"), f.arg(words, FUNCTION, "ptr")
                    with f.when(f.op(f"icmp ne ptr {plan}, null")):
                        z = f.call("ptr", "rushlight_run", ("ptr", plan), *given)
                        f.store("ptr", z, made)
                    with f.when(is_null(f, plan)):
                        f.store("ptr", called(f, function, "%args", "%count", "null"), made)
                    builtin.dropped(f, entry)
                    f.give(f.load("ptr", made))
                builtin.dropped(f, entry)
    f.give(called(f, otherwise, "%args", "%count", "%names"))
    return f


def place() -> Fn:
    """The builtin that says in which slot a table looks first; its word is the class of arrays."""
    f = builtin.function("rushlight_place")
    kind = f.arg(builtin.words_of(f, "%self"), 0, "ptr")
    given = ("ptr", "%args"), ("i64", "%count"), ("ptr", f.alloca("i64")), ("ptr", kind)
    mixed = f.urem(f.call("i64", "rushlight_seen", *given), SLOTS)
    f.give(f.call("ptr", "PyLong_FromSsize_t", ("i64", mixed)))
    return f


@functools.cache
def functions() -> dict[str, int]:
    """The addresses of these."""
    memory.functions()
    add_symbol("launch", pool().at["launch"])
    return native([seen(), fits(), failed(), run(), program(), kernel(), place()])


# ---- what Python holds

_heads: WeakSet[Head] = WeakSet()


def _let_go() -> None:
    """In the child of a fork: who ran a program did not follow."""
    for head in _heads:
        head.words[HELD] = 0


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_let_go)


class Table:
    """The kinds of arguments that the kernel of an operation has met.

    count: of its arguments.  least: of fewer elements, `small` takes care.  otherwise: of all that
    is not in the table, and of arguments by name; it may `add` to it.  least_of: what is `least`
    of arrays of some types instead, by the character that numpy has for each.

    Threads need no lock but Python's: an entry comes and goes by one assignment to a list, and
    native code holds the one that it looks at.
    """

    def __init__(
        self,
        name: str,
        count: int,
        least: int,
        small: Callable[..., Any] | None,
        otherwise: Callable[..., Any],
        least_of: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        self.entries: list[Block | None] = [None] * SLOTS
        self.turn = 0
        least = 0 if small is None else least
        by_code = None
        if least_of and small is not None:
            by_code = np.array([least_of.get(chr(code), least) for code in range(128)])
        words = block(
            count, least, small, otherwise, self.entries, builtin.ARRAY, by_code, id(None)
        )
        self.kernel = builtin.builtin(name, functions()["rushlight_kernel"], words)
        self.place = builtin.builtin(name, functions()["rushlight_place"], block(builtin.ARRAY))

    def add(
        self, given: Sequence[Any], numbers: tuple[type, ...], run: Callable[..., Any],
        inputs: int | None = None,
    ) -> None:  # fmt: skip
        """From now on, what is given and all of its kind goes to `run`.

        Arrays of subclasses are of no kind: they would have to be kept, to be compared with.
        numbers: the types of those whose values do not matter.
        inputs: how many there are, all if None; parameters come behind, and matter.
        """
        if any(isinstance(x, np.ndarray) and type(x) is not np.ndarray for x in given):
            return
        first = self.place(*given)
        places = [(first + i) % SLOTS for i in range(PROBES)]
        at = next((i for i in places if self.entries[i] is None), places[self.turn % PROBES])
        self.turn += 1
        kind = [kind_of(x, numbers) for x in given[:inputs]]
        kind += [kind_of(x, ()) for x in given[len(kind) :]]
        kinds = block(*[word for words in kind for word in words])
        kinds.kept += [x for x in given if type(x) is not np.ndarray]
        plan = getattr(run, "__self__", None)
        self.entries[at] = block(plan if isinstance(plan, Block) else None, run, kinds)

    def clear(self) -> None:
        """Forget all kinds."""
        self.entries[:] = [None] * SLOTS


def kind_of(x: Any, numbers: tuple[type, ...]) -> list[Any]:
    """What `fits` compares of an argument."""
    if type(x) is np.ndarray:
        extents, strides = np.array([*x.shape], np.int64), np.array([*x.strides], np.int64)
        return [AN_ARRAY, x.dtype, x.ndim, extents, strides]
    if type(x) in numbers:
        return [A_NUMBER, id(type(x)), 0, 0, 0]
    if isinstance(x, float):  # 0.0 == -0.0, and nan != nan
        return [A_FLOAT, id(type(x)), np.float64(x).view(np.int64), 0, 0]
    return [AN_OBJECT, id(x), 0, 0, 0]


def results_of(program: Program) -> list[Any]:
    """The buffers of a program's results, but for numbers."""
    outputs = program.fused.outputs
    return [outputs[z].buffer for z in program.graph.outputs if isinstance(z, Value)]


def can_be_direct(program: Program) -> bool:
    """Whether no Python function takes part, and every result is a new array, stored whole."""
    fused, graph, fresh = program.fused, program.graph, program.entry.fresh
    if program.calls or program.heirs or program.head.has_gate or any(True for _ in fused.sums()):
        return False
    if len(program.slots) > MOST_ARRAYS or len(program.numbers) > MOST_ARRAYS:
        return False
    known = {*graph.inputs}  # a set, since numbers of a trace cannot be compared
    if not all(x in known and which == 0 for x, which in program.numbers):
        return False
    if not len({*results_of(program)}) == len(graph.outputs) == len(fresh):
        return False
    return all(
        fresh.get(access.buffer) == z.shape and is_whole(access, z.shape, access.buffer)
        for z, access in fused.outputs.items()
    )


def direct(
    program: Program,
    taken: Sequence[int],
    made: Sequence[bool] | None,
    otherwise: Callable[..., Any],
) -> Callable[..., Any] | None:
    """A builtin that runs a program, which nobody else runs; None if it takes a Python function.

    taken: which arguments are those of the program.  made: if it has several results, which of
    them there are.  otherwise: what is called for integers of more than 64 bits, and if one of the
    program's checks fails.
    """
    if not can_be_direct(program):
        return None
    head, entry, graph, cache = program.head, program.entry, program.graph, memory.cache
    known = {x: i for i, x in zip(taken, graph.inputs, strict=True)}
    kinds = [cache.kind(shape, x.dtype) for x, shape in entry.fresh.items()]
    start = program.number_words.ctypes.data
    values = [
        (known[x], int(x.kind is int), start + 8 * i) for (x, _), i in program.numbers.items()
    ]
    order = [[*entry.fresh].index(x) for x in results_of(program)]
    if made is not None:
        left = iter(order)
        order = [next(left) if there else -1 for there in made]
    guards = program.guards()
    pool().reserve(head.scratch_bytes)
    _heads.add(head)
    inputs = [known[x] for x in graph.inputs if isinstance(x, Value)]
    words = {
        "head": head.address,
        "state": pool().state,
        "inputs": len(inputs),
        "which": np.array(inputs, np.int64),
        "fresh": len(kinds),
        "kinds": block(*kinds),
        "arena": cache.size(entry.arena_bytes) if entry.arena_bytes else None,
        "scratch": cache.size(head.scratch_bytes),
        "start": pool().start,
        "results": 0 if made is None else len(made),
        "order": np.array(order, np.int64),
        "none": id(None),
        "numbers": len(values),
        "values": np.array(values, np.int64).reshape(-1),
        "checks": len(guards),
        "guards": np.array(guards, np.int64),
        "otherwise": otherwise,
        "owner": program,
    }
    plan = block(*[words[name] for name in PLAN])
    return builtin.builtin("program", functions()["rushlight_program"], plan)
