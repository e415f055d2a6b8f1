"""A fused program as one native call: its works, and the memory between them.

Knows what core fused and the functions of this package; no operation by name.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from functools import cache, partial
from math import prod
from typing import Any, NamedTuple

import numpy as np

from rushlight.extend import Access, Call, Fused, Life, Number, Value, arranged

from . import products
from .backend import processors
from .codegen.llvm import written_once
from .entry import SHARED, TELLING, Entry, laid_out, view
from .epilogue import gathered
from .inplace import heirs, successors
from .lowering import SHARED_NS, Extra, Place, Work, lowered, place
from .pool import CALLER, Head, aligned, pool
from .report import report

__all__ = ["link"]

SMALL_NS = 3000.0  # records shorter than this are joined with their neighbours
ARENA_BYTES = 1 << 15  # from which a program that keeps no memory has an arena of each call's own
ARENA = Extra(0)  # stands for the memory between records where every call has its own

_native: dict[str, int] = {}  # addresses of the code of works in this process, by its key


def link(fused: Fused, workers: int) -> Callable[..., list[Any]]:
    """A function of the graph's inputs that returns its outputs."""
    program = Program(fused, workers)
    program.run.report = partial(report, program)  # type: ignore[attr-defined]  # for explain()
    if program.heirs:
        program.run.late = program.head.late  # type: ignore[attr-defined]  # see Backend.compile
    return program.run


class Start(NamedTuple):
    """A pointer to another argument block: the place of its first word."""

    word: int


class Program:
    """One linked program.  `run` keeps it to one caller at a time: its memory is one."""

    def __init__(
        self,
        fused: Fused,
        workers: int,
        *,
        apart: bool = False,
        keeps: bool = True,
        works: list[list[Work]] | None = None,
    ) -> None:
        """apart: nothing is written over anything, so that each work can be repeated.

        keeps: memory stays with the program between calls, and results are a list; else results
        and a large arena are fresh memory at each call, inputs lie as their values' shapes say,
        whatever those of the arrays are, and one result is returned by itself; where results may
        replace inputs, see `entry`.
        works: of each record, if they are known.
        """
        self.fused, self.graph = fused, fused.graph
        self.workers, self.is_apart, self.keeps = workers, apart, keeps
        self.failure: BaseException | None = None  # of a kernel that native code called
        self.calls: list[Any] = []
        self.finished = 0  # of these calls, in this run
        works = works or [[*lowered(record)] for record in fused.records]
        self.works, self.records, self.within = gathered(fused, works)
        self.numbers = {x: i for i, x in enumerate(self.numbers_read())}
        self.settle(workers)

    # -- memory

    def numbers_read(self) -> list[Any]:
        """The numbers that nests read, and of each which word of 64 bits."""
        found = [place for work in self.works for place in work.places]
        words = [(x, offset // 8) for x, offset in found if isinstance(x, Number)]
        return list(dict.fromkeys(words))

    def size(self, buffer: Any) -> int:
        """The bytes of a buffer."""
        if isinstance(buffer, Extra):
            return buffer.bytes
        n_bytes: int = max(1, prod(buffer.shape)) * buffer.dtype.itemsize
        return n_bytes

    def settle(self, workers: int) -> None:
        """Give every buffer its memory and make the head that is run."""
        inputs = [x for x in self.graph.inputs if isinstance(x, Value)]
        self.slots: dict[Any, int] = {x: i for i, x in enumerate(inputs)}
        fresh = laid_out(self.fused, self.slots)
        self.slots |= {x: len(inputs) + i for i, x in enumerate(fresh)}
        asks = TELLING and not self.is_apart
        self.heirs = heirs(self.fused, fresh, self.works, small=not self.keeps) if asks else {}
        lives: dict[Any, Life] = {}
        for i, work in enumerate(self.works):
            for buffer in work.touched:
                if buffer not in self.slots and not isinstance(buffer, Number):
                    first = lives[buffer].first if buffer in lives else i
                    lives[buffer] = Life(self.size(buffer), first, i)
        for check in self.fused.checks:  # looked at when all is done
            lives[check.buffer] = lives[check.buffer]._replace(last=len(self.works))
        homes = {} if self.is_apart else successors(self.works, lives)
        for buffer, home in homes.items():
            lives[home] = lives[home]._replace(last=max(lives[home].last, lives[buffer].last))
        places, n_bytes = arranged({x: life for x, life in lives.items() if x not in homes})
        self.offsets = {x: places[homes.get(x, x)] for x in lives}
        given = not self.keeps and not self.fused.checks and n_bytes >= ARENA_BYTES
        if given:
            self.slots[ARENA] = len(self.slots)
        self.arena = aligned((0 if given else n_bytes) + 64)
        self.checks = [self.view(check, ()) for check in self.fused.checks]
        self.number_words = np.zeros(len(self.numbers) + 1, np.int64)
        self.head = self.linked(workers)
        entry = Entry(
            self.fused, fresh, list(self.numbers), self.number_words, self.heirs,
            keeps=self.keeps, arena_bytes=n_bytes if given else 0,
        )  # fmt: skip
        start = pool().runner(self.head)
        begin = self.begin if self.calls else None
        finish = self.finish if self.calls or self.checks else None
        self.entry = entry
        entry.scope |= {"program": self, "head": self.head}  # whose memory the native code uses
        self.run = entry.function(start, begin, finish)

    def linked(self, workers: int) -> Head:
        """The head of all records: their blocks lie in one array of words."""
        words: list[Any] = []
        records = []
        at = self.functions()
        for work in self.works:
            if isinstance(work.function, Call):
                kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
                made = kind(self.callback(work.function))
                self.calls.append(made)
                address = ctypes.cast(made, ctypes.c_void_p).value or 0
                records.append((address, 0, CALLER, work.ns))
            else:
                function = at[getattr(work.function, "key", work.function)]
                arguments = self.appended(work.words, words, at)
                records.append((function, arguments, work.chunks, work.ns))
        alone = [(f, a, n) for f, a, n, _ in records]
        total = sum(ns for *_, ns in records)
        guards, block = self.guards() if self.heirs else [], 0
        if guards:
            overwrites = [not self.heirs.keys().isdisjoint(x.touched) for x in self.works]
            block = self.appended([len(guards), 0, 0, *guards], words, at)
            records.insert(overwrites.index(True), (at["gate"], block, CALLER, 0.0))
        # as many as the system has, since more may be allowed after this is linked
        threads = max(workers, processors()) if total > SHARED_NS else 1
        if threads > 1:
            records = self.grouped(records, words, at["run_serial"])
        relocations = self.settled(words)
        base = self.words.ctypes.data
        final = [(f, base + 8 * a, n) for f, a, n, _ in records]
        self.alone = [(f, base + 8 * a, n) for f, a, n in alone]  # each work, as a record
        scratch = max((work.scratch_bytes for work in self.works), default=0) + 64
        heirs = {} if self.keeps else self.heirs
        shares = [(self.slots[old], self.slots[new], SHARED) for new, old in heirs.items()]
        head = Head(final, relocations, shares, threads=threads, scratch_bytes=scratch)
        if guards:
            self.words[block + 1 : block + 3] = head.after([f for f, *_ in final].index(at["gate"]))
        return head

    def settled(self, words: Sequence[Any]) -> list[tuple[int, int, int]]:
        """Write the words; those that each call changes: address, slot of the array, offset."""
        self.words = np.zeros(len(words) + 1, np.int64)
        base, relocations = self.words.ctypes.data, []
        for i, word in enumerate(words):
            if isinstance(word, Place):
                if word.buffer in self.slots:
                    relocations.append((base + 8 * i, self.slots[word.buffer], word.offset))
                elif ARENA in self.slots and not isinstance(word.buffer, Number):
                    offset = self.offsets[word.buffer] + word.offset
                    relocations.append((base + 8 * i, self.slots[ARENA], offset))
                else:
                    self.words[i] = self.address(word)
            else:
                self.words[i] = base + 8 * word.word if isinstance(word, Start) else word
        return relocations

    def guards(self) -> list[int]:
        """The addresses of the bytes that are 0 if no check failed."""
        checks = [(self.address(place(x)), x.dtype.itemsize) for x in self.fused.checks]
        return [start + i for start, count in checks for i in range(count)]

    def appended(self, block: Sequence[Any], words: list[Any], at: dict[Any, int]) -> int:
        """Where an argument block begins among the words, its inner blocks before it."""
        ready: list[Any] = []
        for word in block:
            if isinstance(word, list):
                ready.append(Start(self.appended(word, words, at)))
            elif hasattr(word, "address"):
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
            for code in work.codes():
                if code.key not in _native:
                    _native[code.key] = code.address()
                at[code.key] = _native[code.key]
            if isinstance(work.function, str) and work.function not in at:
                at |= product_functions(work.function)
        return at

    def address(self, place: Place) -> int:
        """Of a place in the program's own memory."""
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
        if ARENA in self.slots:
            return self.arrays[-1][start : start + self.size(buffer)].view(buffer.dtype)
        return self.arena[start : start + self.size(buffer)].view(buffer.dtype)

    def view(self, access: Access, shape: Any) -> Any:
        """What an access reaches, as an array."""
        return view(self.whole(access.buffer), access, shape)

    def begin(self, arrays: tuple[Any, ...], known: dict[Number, Any]) -> None:
        """Before a run in which kernels are called."""
        self.arrays, self.known, self.failure, self.finished = arrays, known, None, 0

    def finish(self) -> None:
        """After it.  Raises: what a kernel raised; an IndexError if a check failed."""
        self.arrays = ()
        failure, self.failure = self.failure, None
        if any(self.checks):
            told = "an index is out of range, or an integer divided by 0; the operation says which"
            failure = IndexError(told)
        elif failure is None and self.finished < len(self.calls):
            failure = KeyboardInterrupt()  # a signal's handler raised before a kernel began
        if failure is not None:
            raise self.head.late.pop() if self.head.late else failure


@cache
def product_functions(name: str) -> dict[str, int]:
    """Addresses of all functions of products of the type for which `name` is one."""
    for dtype in (np.dtype("float32"), np.dtype("float64")):
        if name in products.entry_points(dtype):
            return written_once(f"products {name}", partial(products.functions, dtype), level=3)
    raise KeyError(name)
