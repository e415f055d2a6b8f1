"""A fused program as one native call: records, their argument blocks, and the memory between them.

Knows what core fused and the functions of this package; no operation by name.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np

from rushlight.extend import (
    Access,
    Call,
    Fused,
    Life,
    LoopNest,
    Node,
    Number,
    Product,
    Store,
    Value,
    arranged,
)

from . import products
from .codegen.llvm import LANES, native
from .codegen.nest import NestCode
from .entry import Entry, laid_out, view
from .pool import CALLER, Head, aligned, pool
from .report import report

__all__ = ["link"]

SHARED_NS = 20_000.0  # a program shorter than this is run by one thread
SMALL_NS = 3000.0  # records shorter than this are joined with their neighbours
CHUNK_NS = 8000.0  # a chunk of a nest takes at least so long
MOST_CHUNKS = 64
ELEMENT_NS = 0.02  # of a nest, per node and element, and per access; the dear ones:
DEAR_NS = {"exp": 0.25, "tanh": 0.3, "log": 0.35, "erf": 0.3, "div": 0.1, "sqrt": 0.1, "pow": 3.0}
DEAR_NS |= {"sin": 0.4, "cos": 0.4, "random": 0.8}
ROW_LOOPS = 256  # a row longer than eight of these is cut at multiples of one

_native: dict[str, int] = {}  # addresses of the nests of this process, by their key


class Place(NamedTuple):
    """A pointer before memory is known: a buffer and a distance in bytes."""

    buffer: Any
    offset: int


class Start(NamedTuple):
    """A pointer to another argument block: the place of its first word."""

    word: int


class Extra:
    """A buffer that is no value: a packed operand, copies of sums."""


class Work(NamedTuple):
    """A record before it is linked.

    function: its name among the native ones, or a step to be called.  words: its argument block, of
    integers, Places, and lists, which are blocks of their own.
    """

    function: Any
    words: list[Any]
    chunks: int
    ns: float
    scratch_bytes: int = 0


def link(fused: Fused, workers: int) -> Callable[..., list[Any]]:
    """A function of the graph's inputs that returns its outputs."""
    program = Program(fused, workers)
    program.run.report = partial(report, program)  # type: ignore[attr-defined]  # for explain()
    return program.run


class Program:
    """One linked program.  `run` keeps it to one caller at a time: its memory is one."""

    def __init__(self, fused: Fused, workers: int) -> None:
        self.fused, self.graph = fused, fused.graph
        self.sizes: dict[Any, int] = {}  # bytes of buffers
        self.failure: BaseException | None = None  # of a kernel that native code called
        self.calls: list[Any] = []
        self.finished = 0  # of these calls, in this run
        lowered = [[*self.lowered(record)] for record in fused.records]
        self.works = [work for works in lowered for work in works]
        self.counts = [len(works) for works in lowered]  # of the works of each record
        self.numbers = {x: i for i, x in enumerate(self.numbers_read())}
        self.settle(workers)

    # -- records into works

    def lowered(self, record: Any) -> Iterator[Work]:
        if isinstance(record, LoopNest):
            yield from self.nest(record)
        elif isinstance(record, Product):
            yield from self.product(record)
        else:
            yield Work(record, [], CALLER, SHARED_NS)

    def nest(self, nest: LoopNest) -> Iterator[Work]:
        """A nest cut into chunks along a loop; what is summed over that loop is summed apart."""
        dim, grain, ns = cut(nest)
        chunks = -(-nest.extents[dim] // grain)
        sums = [i for i, s in enumerate(nest.stores) if dim in s.over and chunks > 1]
        nest, apart, joins = self.apart(nest, sums, chunks)
        code, words, scratch = self.coded(nest, nest.extents[-1], 0, apart)
        words = [code, words, len(nest.extents), grain, dim, *nest.extents]
        yield Work("run_nest", words, chunks, ns, scratch)
        for join in joins:
            yield from self.nest(join)

    def product(self, product: Product) -> Iterator[Work]:
        nest, shape = product.nest, product.shape
        last = len(shape) - 1
        sums = frozenset(d for s in nest.stores for d in s.over)
        plan = products.plan(
            shape,
            product.k,
            product.x.strides,
            product.y.strides,
            product.x.dtype,
            whole_rows=any(x.op.startswith("row_") for x in nest.nodes),
            sums=sums,
        )
        assert last not in sums, "rows are reduced by nodes"
        which = [i for i, s in enumerate(nest.stores) if s.over and plan.copies > 1]
        nest, apart, joins = self.apart(nest, which, plan.copies)
        pack_b, gemm = products.entry_points(product.x.dtype)
        y: Place = place(product.y)
        if plan.pack is not None:
            panels = Extra()
            self.sizes[panels] = plan.pack.bytes
            words = plan.pack.words._replace(source=y, panels=Place(panels, 0))
            yield Work(pack_b, list(words), plan.pack.chunks, plan.pack.ns)
            y = Place(panels, 0)
        code, block, scratch = self.coded(nest, plan.block_columns, plan.scratch_bytes, apart)
        given = plan.words._replace(a=place(product.x), b=y, nest=code, nest_arguments=block)
        ns = plan.ns + prod(shape) * element_ns(nest)
        yield Work(gemm, list(given), plan.chunks, ns, scratch)
        for join in joins:
            yield from self.nest(join)

    def coded(
        self, nest: LoopNest, row: int, offset: int, apart: dict[int, int]
    ) -> tuple[NestCode, list[Any], int]:
        """A nest's code, its argument block, and the scratch memory it needs beyond offset."""
        code = NestCode(nest)
        row = -(-row // LANES) * LANES
        words = code.arguments(place, row, offset, apart)
        return code, words, offset + code.stash_count * row * 4 + 64

    def apart(
        self, nest: LoopNest, which: Sequence[int], copies: int
    ) -> tuple[LoopNest, dict[int, int], list[LoopNest]]:
        """The nest with these stores into a copy per chunk, and the nests that join the copies."""
        stores, distances, joins = list(nest.stores), {}, []
        for i in which:
            store = stores[i]
            access = store.access
            ends = zip(nest.extents, access.strides, strict=True)
            length = 1 + sum((n - 1) * s for n, s in ends)
            copy = Extra()
            self.sizes[copy] = length * copies * access.dtype.itemsize
            strides = access.strides
            stores[i] = store._replace(access=Access(copy, strides, 0, access.dtype), apart=True)
            distances[i] = length
            joins.append(joined(nest.extents, store, copy, copies, length))
        return nest._replace(stores=tuple(stores)), distances, joins

    # -- memory

    def numbers_read(self) -> list[Any]:
        """The numbers that nests read, and of each which word of 64 bits."""
        found = [(p.buffer, p.offset // 8) for p in self.places() if isinstance(p.buffer, Number)]
        return list(dict.fromkeys(found))

    def places(self) -> Iterator[Place]:
        for work in self.works:
            yield from places_of(work.words)

    def touched(self, work: Work) -> set[Any]:
        """The buffers of a work."""
        if not isinstance(work.function, Call):
            return {p.buffer for p in places_of(work.words)}
        read = {x.buffer for x in work.function.inputs if isinstance(x, Access)}
        return read | {z for z in work.function.step.outputs if z is not None}

    def size(self, buffer: Any) -> int:
        if isinstance(buffer, Extra):
            return self.sizes[buffer]
        n_bytes: int = max(1, prod(buffer.shape)) * buffer.dtype.itemsize
        return n_bytes

    def settle(self, workers: int) -> None:
        """Give every buffer its memory and make the head that is run."""
        inputs = [x for x in self.graph.inputs if isinstance(x, Value)]
        self.slots: dict[Any, int] = {x: i for i, x in enumerate(inputs)}
        fresh = laid_out(self.fused, self.slots)
        self.slots |= {x: len(inputs) + i for i, x in enumerate(fresh)}
        lives: dict[Any, Life] = {}
        for i, work in enumerate(self.works):
            for buffer in self.touched(work):
                if buffer not in self.slots and not isinstance(buffer, Number):
                    first = lives[buffer].first if buffer in lives else i
                    lives[buffer] = Life(self.size(buffer), first, i)
        for check in self.fused.checks:  # looked at when all is done
            lives[check.buffer] = lives[check.buffer]._replace(last=len(self.works))
        self.offsets, n_bytes = arranged(lives)
        self.arena = aligned(n_bytes + 64)
        self.checks = [self.view(check, ()) for check in self.fused.checks]
        self.number_words = np.zeros(len(self.numbers) + 1, np.int64)
        self.head = self.linked(workers)
        entry = Entry(self.fused, fresh, list(self.numbers), self.number_words)
        start = pool().runner(self.head)
        begin = self.begin if self.calls else None
        finish = self.finish if self.calls or self.checks else None
        self.entry = entry
        entry.scope["program"] = self  # whose memory the native code uses
        self.run = entry.function(start, begin, finish)

    def linked(self, workers: int) -> Head:
        """The head of all records: their blocks lie in one array of words."""
        words: list[Any] = []
        records = []
        at = self.functions()
        for work in self.works:
            if isinstance(work.function, Call):
                function = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
                made = function(self.callback(work.function))
                self.calls.append(made)
                address = ctypes.cast(made, ctypes.c_void_p).value or 0
                records.append((address, 0, CALLER, work.ns))
            else:
                records.append(
                    (at[work.function], self.block(work.words, words, at), work.chunks, work.ns)
                )
        alone = [(f, a, n) for f, a, n, _ in records]
        total = sum(ns for *_, ns in records)
        threads = workers if total > SHARED_NS else 1
        if threads > 1:
            records = self.grouped(records, words, at["run_serial"])
        self.words = np.zeros(len(words) + 1, np.int64)
        base, relocations = self.words.ctypes.data, []
        for i, word in enumerate(words):
            if isinstance(word, Place):
                if word.buffer in self.slots:
                    relocations.append((base + 8 * i, self.slots[word.buffer], word.offset))
                else:
                    self.words[i] = self.address(word)
            else:
                self.words[i] = base + 8 * word.word if isinstance(word, Start) else word
        final = [(f, base + 8 * a, n) for f, a, n, _ in records]
        self.alone = [(f, base + 8 * a, n) for f, a, n in alone]  # each work, as a record
        scratch = max((work.scratch_bytes for work in self.works), default=0) + 64
        return Head(final, relocations, threads=threads, scratch_bytes=scratch)

    def block(self, block: Sequence[Any], words: list[Any], at: dict[Any, int]) -> int:
        """Where an argument block begins among the words, its inner blocks before it."""
        ready: list[Any] = []
        for word in block:
            if isinstance(word, list):
                ready.append(Start(self.block(word, words, at)))
            elif isinstance(word, NestCode):
                ready.append(at[word.key])
            else:
                ready.append(0 if word is None else word)
        start = len(words)
        words.extend(ready)
        return start

    def grouped(self, records: list[Any], words: list[Any], run_serial: int) -> list[Any]:
        """Neighbouring records that are too small to share become one."""
        made: list[Any] = []
        small: list[Any] = []

        def close() -> None:
            if len(small) > 1:
                start = len(words)
                for function, block, chunks, _ in small:
                    words.extend([function, Start(block), chunks])
                words.extend([Start(start), len(small)])
                made.append((run_serial, len(words) - 2, 1, sum(ns for *_, ns in small)))
            else:
                made.extend(small)
            small.clear()

        for record in records:
            if record[2] != CALLER and record[3] < SMALL_NS:
                small.append(record)
            else:
                close()
                made.append(record)
        close()
        return made

    def functions(self) -> dict[Any, int]:
        """The addresses of all native functions that the works name."""
        at: dict[Any, int] = dict(pool().at)
        for work in self.works:
            for code in codes_of(work.words):
                if code.key not in _native:
                    _native[code.key] = native([code.function()])[code.name]
                at[code.key] = _native[code.key]
            if isinstance(work.function, str) and work.function not in at:
                at |= product_functions(work.function)
        return at

    def address(self, place: Place) -> int:
        if isinstance(place.buffer, Number):
            word = self.numbers[place.buffer, place.offset // 8]
            return int(self.number_words.ctypes.data) + 8 * word
        return int(self.arena.ctypes.data) + self.offsets[place.buffer] + place.offset

    # -- running

    def callback(self, call: Call) -> Callable[[int, int, int], None]:
        """A step that its kernel does, on views of this program's memory."""

        def run(_args: int, _chunk: int, _scratch: int) -> None:
            if self.failure is not None:
                return
            try:
                given = [
                    self.view(x, shape)
                    if isinstance(x, Access)
                    else self.known[x]
                    if isinstance(x, Number)
                    else x
                    for x, shape in zip(call.inputs, call.shapes, strict=True)
                ]
                for value, array in zip(call.step.outputs, call.run(given), strict=True):
                    if value is not None:
                        np.copyto(self.whole(value).reshape(value.shape), array)
                self.finished += 1
            except BaseException as error:  # native code cannot pass it on; `run` raises it
                self.failure = error

        return run

    def whole(self, buffer: Any) -> Any:
        """The memory of a buffer as an array."""
        slot = self.slots.get(buffer)
        if slot is not None:
            return self.arrays[slot]
        start = self.offsets[buffer]
        return self.arena[start : start + self.size(buffer)].view(buffer.dtype)

    def view(self, access: Access, shape: Any) -> Any:
        return view(self.whole(access.buffer), access, shape)

    def begin(self, arrays: tuple[Any, ...], known: dict[Number, Any]) -> None:
        """Before a run in which kernels are called."""
        self.arrays, self.known, self.failure, self.finished = arrays, known, None, 0

    def finish(self) -> None:
        """After it.  Raises: what a kernel raised; an IndexError if a check failed."""
        self.arrays = ()
        if any(self.checks):
            raise IndexError("an index is out of range; the operation that has it says which")
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        if self.finished < len(self.calls):  # a signal's handler raised before a kernel began
            raise KeyboardInterrupt


def place(access: Access) -> Place:
    return Place(access.buffer, access.offset * access.dtype.itemsize)


def places_of(words: Sequence[Any]) -> Iterator[Place]:
    for word in words:
        if isinstance(word, Place):
            yield word
        elif isinstance(word, list):
            yield from places_of(word)


def codes_of(words: Sequence[Any]) -> Iterator[NestCode]:
    return (word for word in words if isinstance(word, NestCode))


def product_functions(name: str) -> dict[str, int]:
    """Addresses of all functions of products of the type for which `name` is one."""
    for dtype in (np.dtype("float32"), np.dtype("float64")):
        if name in products.entry_points(dtype):
            return native(products.functions(dtype), level=3)
    raise KeyError(name)


def element_ns(nest: LoopNest) -> float:
    """The estimated time per element of the innermost loop."""
    last = len(nest.extents) - 1
    accesses = 2 * ELEMENT_NS * (len(nest.reads) + len(nest.stores))
    return accesses + sum(DEAR_NS.get(x.op, ELEMENT_NS) for x in nest.nodes if last in x.loops)


def cut(nest: LoopNest) -> tuple[int, int, float]:
    """The loop that is cut into chunks, the turns of one, and the estimated time of all."""
    extents, last = nest.extents, len(nest.extents) - 1
    ns = prod(extents) * element_ns(nest)
    has_rows = any(x.op.startswith("row_") for x in nest.nodes)
    sums_first = any(0 in s.over for s in nest.stores)
    lanes_kept = all(s.access.strides[last] for s in nest.stores)
    by_row = sums_first and not has_rows and last > 0 and lanes_kept
    dim = last if by_row else 0
    n = extents[dim]
    if any(s.at is not None and dim in s.over for s in nest.stores):
        return dim, n, ns
    if ns < 2 * CHUNK_NS or n == 1 or (dim == last and has_rows):
        return dim, n, ns
    grain = -(-n // int(min(MOST_CHUNKS, ns // CHUNK_NS)))
    if dim == last:
        step = ROW_LOOPS if n > 8 * ROW_LOOPS else LANES
        grain = -(-grain // step) * step
    return dim, min(grain, n), ns


def joined(extents: Sequence[int], store: Store, copy: Extra, copies: int, length: int) -> LoopNest:
    """The nest that reduces the copies of a store into its place."""
    access = store.access
    kept = [d for d, stride in enumerate(access.strides) if stride] or [len(extents) - 1]
    lengths = [extents[d] if access.strides[d] else 1 for d in kept]
    strides = [access.strides[d] for d in kept]
    read = Access(copy, (length, *strides), 0, access.dtype)
    node = Node("read", (), 0, access.dtype, frozenset(range(1 + len(kept))))
    into = Store(0, access._replace(strides=(0, *strides)), store.how, frozenset((0,)))
    return LoopNest((copies, *lengths), (read,), (node,), (into,))
