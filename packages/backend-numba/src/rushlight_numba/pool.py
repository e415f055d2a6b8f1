"""The thread pool: native code that runs a program's records, and threads that share their chunks.

Knows nothing of nests, of products, or of what a record computes.

A record is three words (function, arguments, chunks) and its function is
`void f(i64* arguments, i64 chunk, i8* scratch)`.  All threads of a run walk the same records in
order.  Each begins with its own share of a record's chunks, the same in every run, so that it finds
in its core's cache what it left there; then it takes what is left of the others' shares.  Atomic
counters hand chunks out, and the next record begins when all of them are done, so a thread that
wakes late, or never, holds nobody up.  Which thread computes a chunk changes no result as long as
chunks of one record touch different memory.  CALLER in place of the number of chunks is one chunk
that the calling thread computes: what must run in Python.
"""

from __future__ import annotations

import ctypes
import functools
import os
import platform
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from rushlight.extend import BackendUnavailable, ContractError

from .backend import processors
from .builtin import REFERENCES
from .codegen.llvm import Fn, Operand, native

Words = npt.NDArray[np.int64]
Arrays = tuple[npt.NDArray[Any], ...]

CALLER = -1
MOST_LOOPS = 31  # of a nest: room for their ranges, the chunk's number and a block
MOST_THREADS = 256
PAGE_BYTES = 4096
LINE_BYTES = 64  # what one thread writes shares no line with what another one does
LINE_WORDS = LINE_BYTES // 8  # per record a line of chunks done, and one per thread of its share
SLEEP_US = "20"  # of a thread that waits longer than it spins: the one it waits for needs its core
FOREVER = (1 << 63) - 1

# How to wait a moment, and how often before a thread yields its core: 50 us on a Xeon with AVX-512,
# 160 on Zen 4.
PAUSE = {
    "x86_64": ("llvm.x86.sse2.pause", (), 4000),
    "amd64": ("llvm.x86.sse2.pause", (), 4000),
    "aarch64": ("llvm.aarch64.isb", (("i32", 15),), 8000),
    "arm64": ("llvm.aarch64.isb", (("i32", 15),), 8000),
}
# A thread without work looks so many times as long before it sleeps.  Waking it costs 30 us, and
# between eager operations Python takes 100: steps of an MLP 2.02 -> 1.89 ms, of a small ResNet 17.2
# -> 15.7, of Adam on 1.9 million parameters 0.65 -> 0.59.
IDLE = 4

# Words of a `Head`.
RECORDS, N_RECORDS, COUNTERS, RELOCATIONS, N_RELOCATIONS, THREADS, N_BYTES = range(7)
OVER, HELD, SHARES, N_SHARES = range(7, 11)

# Words of the shared state, in bytes.
SEQUENCE, RUN, TEAM, LIMIT = 0, 8, 16, 24  # runs begun; the last one's head and threads; allowed
WANTED = 32  # threads that would be allowed if all of them had started
OPEN = 64  # whether a thread may still join the run
ACTIVE = 128  # threads that look at the run
BUSY = 192  # whether someone runs a program
WORKERS = 256  # then of each worker:
STATE, NUMBER, SCRATCH, SEEN = 0, 8, 16, 24  # the state, its number from 1, memory, SEQUENCE then
PARKED = 64  # whether it sleeps
MUTEX, CONDITION = 128, 192
WORKER_BYTES = 256


# ---- native functions


def _word(f: Fn, at: str, offset: Operand) -> str:
    return f.gep(at, offset, "i8")


def _peek(f: Fn, pointer: str) -> str:
    return f.op(f"load atomic i64, ptr {pointer} seq_cst, align 8")


def _put(f: Fn, value: Operand, pointer: str) -> None:
    f.emit(f"store atomic i64 {value}, ptr {pointer} seq_cst, align 8")


def _swap(f: Fn, how: str, pointer: str, value: Operand) -> str:
    """`*pointer how= value` in one step; what was there before."""
    return f.op(f"atomicrmw {how} ptr {pointer}, i64 {value} seq_cst")


def _wait(f: Fn, pointer: str, condition: str, value: Operand, *, at_most: bool) -> str:
    """Wait until `*pointer condition value`; what was there last.

    at_most: give up when a thread without work sleeps; else, from when it yields its core on, sleep
    between looks.
    """
    name, args, spins = PAUSE.get(platform.machine().lower(), ("", (), 100_000))
    look, pause, on = f.fresh("look"), f.fresh("pause"), f.fresh("on")
    count = f.alloca("i64")
    f.store("i64", 0, count)
    f.jump(look)
    f.label(look)
    seen = _peek(f, pointer)
    turns = f.add(f.load("i64", count), 1)
    f.store("i64", turns, count)
    most = spins * IDLE if at_most else spins
    enough, tired = f.icmp(condition, seen, value), f.icmp("sgt", turns, most)
    f.branch(f.op(f"or i1 {enough}, {tired}") if at_most else enough, on, pause)
    f.label(pause)
    if name:
        f.call("void", name, *args)
    if not at_most:
        with f.when(tired):
            f.call("i32", "usleep", ("i32", SLEEP_US))
    f.jump(look)
    f.label(on)
    return seen


def _record(f: Fn, records: str, i: str) -> tuple[str, str, str, str]:
    """Function, arguments, and number of chunks of a record, and whether it is the caller's."""
    at = f.gep(records, f.mul(i, 3), "i64")
    function, args, chunks = f.arg(at, 0, "ptr"), f.arg(at, 1, "ptr"), f.arg(at, 2)
    own = f.icmp("eq", chunks, CALLER)
    return function, args, f.select(own, "i64", 1, chunks), own


def run_nest() -> Fn:
    """A record's function that runs a chunk of a nest.

    arguments: the nest's function, its arguments, the number of loops, the grain, the loop that is
    cut into chunks of so many turns, and the extent of every loop.  The function is called with
    (arguments, ranges, scratch), the ranges lo, hi of every loop and the chunk's number.
    """
    f = Fn("run_nest", "ptr noalias %args, i64 %chunk, ptr noalias %scratch")
    function, args = f.arg("%args", 0, "ptr"), f.arg("%args", 1, "ptr")
    loops, grain, cut = f.arg("%args", 2), f.arg("%args", 3), f.arg("%args", 4)
    ranges = f.alloca("i64", 2 * MOST_LOOPS + 3, align=LINE_BYTES)
    with f.loop(0, loops) as i:
        at = f.gep(ranges, f.mul(i, 2), "i64")
        f.store("i64", 0, at)
        f.store("i64", f.arg("%args", f.add(i, 5)), f.gep(at, 1, "i64"))
    at = f.gep(ranges, f.mul(cut, 2), "i64")
    end = f.gep(at, 1, "i64")
    lo = f.mul("%chunk", grain)
    f.store("i64", lo, at)
    f.store("i64", f.imin(f.add(lo, grain), f.load("i64", end)), end)
    f.store("i64", "%chunk", f.gep(ranges, f.mul(loops, 2), "i64"))
    f.indirect(function, f"ptr {args}, ptr {ranges}, ptr %scratch")
    return f


def run_serial() -> Fn:
    """A record's function that runs records on one thread: several small ones as one.

    arguments: address of the records, their number; a program's head begins so.  None of them is
    the CALLER's, unless this one is.
    """
    f = Fn("run_serial", "ptr noalias %args, i64 %chunk, ptr noalias %scratch")
    records, count = f.arg("%args", RECORDS, "ptr"), f.arg("%args", N_RECORDS)
    with f.loop(0, count) as i:
        function, args, chunks, _ = _record(f, records, i)
        with f.loop(0, chunks) as chunk:
            f.indirect(function, f"ptr {args}, i64 {chunk}, ptr %scratch")
    return f


def gate() -> Fn:
    """A record's function that ends the run if one of some bytes is not 0.

    arguments: how many bytes, how many records follow, the address of the number of chunks of the
    first of those, and that of each byte.  The records that follow have no chunks then.
    """
    f = Fn("gate", "ptr noalias %args, i64 %chunk, ptr noalias %scratch")
    n_bytes, following, chunks = f.arg("%args", 0), f.arg("%args", 1), f.arg("%args", 2, "ptr")
    seen = f.alloca("i8")
    f.store("i8", 0, seen)
    with f.loop(0, n_bytes) as i:
        byte = f.load("i8", f.arg("%args", f.add(i, 3), "ptr"))
        f.store("i8", f.op(f"or i8 {f.load('i8', seen)}, {byte}"), seen)
    with f.when(f.op(f"icmp ne i8 {f.load('i8', seen)}, 0")), f.loop(0, following) as i:
        f.store("i64", 0, f.gep(chunks, f.mul(i, 3), "i64"))
    return f


def participate() -> Fn:
    """Walk the records of a head beside %team - 1 other threads; %number is 0 for the caller's."""
    f = Fn("participate", "ptr %head, i64 %number, i64 %team, ptr %scratch")
    records, counters = f.arg("%head", RECORDS, "ptr"), f.arg("%head", COUNTERS, "ptr")
    lines = f.add(f.arg("%head", THREADS), 1)
    with f.loop(0, f.arg("%head", N_RECORDS)) as i:
        function, args, chunks, own = _record(f, records, i)
        done = f.gep(counters, f.mul(f.mul(i, lines), LINE_WORDS), "i64")
        barred = f.op(f"and i1 {own}, {f.icmp('ne', '%number', 0)}")
        with f.when(f.op(f"xor i1 {barred}, true")), f.loop(0, "%team") as nth:
            whose = f.urem(f.add("%number", nth), "%team")
            handed = f.gep(done, f.mul(f.add(whose, 1), LINE_WORDS), "i64")
            first, end = _share(f, chunks, whose), _share(f, chunks, f.add(whose, 1))
            count_of_share = f.sub(end, first)
            look, take, work, on = (f.fresh(x) for x in ("look", "take", "work", "on"))
            f.jump(look)
            f.label(look)
            f.branch(f.icmp("slt", _peek(f, handed), count_of_share), take, on)
            f.label(take)
            turn = _swap(f, "add", handed, 1)
            f.branch(f.icmp("slt", turn, count_of_share), work, on)
            f.label(work)
            f.indirect(function, f"ptr {args}, i64 {f.add(first, turn)}, ptr %scratch")
            _swap(f, "add", done, 1)
            f.jump(look)
            f.label(on)
        _wait(f, done, "sge", chunks, at_most=False)
    return f


def _share(f: Fn, chunks: str, number: str) -> str:
    """The first chunk of a thread's share: the first threads have one more than the last."""
    return f.udiv(f.add(f.mul(chunks, number), f.sub("%team", 1)), "%team")


def _lock(f: Fn, what: str, worker: str) -> None:
    f.call("i32", f"pthread_mutex_{what}", ("ptr", _word(f, worker, MUTEX)))


def park() -> Fn:
    """Sleep until a run has begun since number %last.

    The caller raises SEQUENCE and then looks at PARKED, the worker sets PARKED and then looks at
    SEQUENCE: one of them sees the other.  The mutex holds the caller's signal back until the
    worker waits for it.
    """
    f = Fn("park", "ptr %worker, ptr %sequence, i64 %last")
    parked = _word(f, "%worker", PARKED)
    _lock(f, "lock", "%worker")
    _put(f, 1, parked)
    look, sleep, on = f.fresh("look"), f.fresh("sleep"), f.fresh("on")
    f.jump(look)
    f.label(look)
    f.branch(f.icmp("eq", _peek(f, "%sequence"), "%last"), sleep, on)
    f.label(sleep)
    condition, mutex = _word(f, "%worker", CONDITION), _word(f, "%worker", MUTEX)
    f.call("i32", "pthread_cond_wait", ("ptr", condition), ("ptr", mutex))
    f.jump(look)
    f.label(on)
    _put(f, 0, parked)
    _lock(f, "unlock", "%worker")
    return f


def worker() -> Fn:
    """What a thread of the pool does until the process ends."""
    f = Fn("worker", "ptr %worker")
    state, number = f.arg("%worker", STATE // 8, "ptr"), f.arg("%worker", NUMBER // 8)
    sequence, active = _word(f, state, SEQUENCE), _word(f, state, ACTIVE)
    seen = f.alloca("i64")
    f.store("i64", f.arg("%worker", SEEN // 8), seen)
    with f.loop(0, FOREVER):
        last = f.load("i64", seen)
        now = _wait(f, sequence, "ne", last, at_most=True)
        with f.when(f.icmp("eq", now, last)):
            f.call("void", "park", ("ptr", "%worker"), ("ptr", sequence), ("i64", last))
        f.store("i64", _peek(f, sequence), seen)
        _swap(f, "add", active, 1)
        with f.when(f.icmp("ne", _peek(f, _word(f, state, OPEN)), 0)):
            team = f.arg(state, TEAM // 8)
            with f.when(f.icmp("slt", number, team)):
                head, scratch = f.arg(state, RUN // 8, "ptr"), f.arg("%worker", SCRATCH // 8, "ptr")
                args: tuple[tuple[str, Operand], ...]
                args = ("ptr", head), ("i64", number), ("i64", team), ("ptr", scratch)
                f.call("void", "participate", *args)
        _swap(f, "sub", active, 1)
    return f


def wake() -> Fn:
    """Signal the workers 1 to %team - 1 that sleep."""
    f = Fn("wake", "ptr %state, i64 %team")
    with f.loop(0, f.sub("%team", 1)) as i:
        at = _word(f, "%state", f.add(f.mul(i, WORKER_BYTES), WORKERS))
        with f.when(f.icmp("ne", _peek(f, _word(f, at, PARKED)), 0)):
            _lock(f, "lock", at)
            f.call("i32", "pthread_cond_signal", ("ptr", _word(f, at, CONDITION)))
            _lock(f, "unlock", at)
    return f


def run_shared() -> Fn:
    """Run a head on %team threads; the caller holds BUSY."""
    f = Fn("run_shared", "ptr %head, ptr %state, i64 %team, ptr %scratch")
    counters = f.arg("%head", COUNTERS, "ptr")
    lines, used = f.add(f.arg("%head", THREADS), 1), f.add("%team", 1)
    with f.loop(0, f.arg("%head", N_RECORDS)) as record, f.loop(0, used) as line:
        place = f.mul(f.add(f.mul(record, lines), line), LINE_WORDS)
        f.store("i64", 0, f.gep(counters, place, "i64"))
    f.store("ptr", "%head", _word(f, "%state", RUN))
    f.store("i64", "%team", _word(f, "%state", TEAM))
    _put(f, 1, _word(f, "%state", OPEN))
    _swap(f, "add", _word(f, "%state", SEQUENCE), 1)
    f.call("void", "wake", ("ptr", "%state"), ("i64", "%team"))
    args: tuple[tuple[str, Operand], ...]
    args = ("ptr", "%head"), ("i64", 0), ("i64", "%team"), ("ptr", "%scratch")
    f.call("void", "participate", *args)
    _put(f, 0, _word(f, "%state", OPEN))
    _wait(f, _word(f, "%state", ACTIVE), "eq", 0, at_most=False)
    return f


def relocate() -> Fn:
    """Write the addresses of the arrays of this call where a head's relocations say.

    An array's first field behind those of every object is the address of its elements.
    """
    f = Fn("relocate", "ptr %head, ptr %arrays")
    relocations = f.arg("%head", RELOCATIONS, "ptr")
    with f.loop(0, f.arg("%head", N_RELOCATIONS)) as i:
        at = f.gep(relocations, f.mul(i, 3), "i64")
        where, which, offset = f.arg(at, 0, "ptr"), f.arg(at, 1), f.arg(at, 2)
        array = f.arg("%arrays", which, "ptr")
        elements = f.load("i64", _word(f, array, object.__basicsize__))
        f.store("i64", f.add(elements, offset), where)
    return f


def launch() -> Fn:
    """Run a program: on the pool, or alone if it wants one thread or somebody else has the pool.

    %arrays: the addresses of numpy's arrays, those that the head's relocations name.
    """
    f = Fn("launch", "ptr %head, ptr %state, ptr %arrays, ptr %scratch")
    f.call("void", "relocate", ("ptr", "%head"), ("ptr", "%arrays"))
    team = f.imin(f.arg("%head", THREADS), f.arg("%state", LIMIT // 8))
    busy = _word(f, "%state", BUSY)
    taken = f.alloca("i64")
    f.store("i64", 1, taken)
    with f.when(f.icmp("sgt", team, 1)):
        f.store("i64", _swap(f, "xchg", busy, 1), taken)
    alone = f.icmp("ne", f.load("i64", taken), 0)
    with f.when(alone):
        f.call("void", "run_serial", ("ptr", "%head"), ("i64", 0), ("ptr", "%scratch"))
    with f.when(f.op(f"xor i1 {alone}, true")):
        args: tuple[tuple[str, Operand], ...]
        args = ("ptr", "%head"), ("ptr", "%state"), ("i64", team), ("ptr", "%scratch")
        f.call("void", "run_shared", *args)
        _put(f, 0, busy)
    f.store("i64", 1, f.gep("%head", OVER, "i64"))
    return f


def execute() -> Fn:
    """`launch` of the arrays of a tuple, as CPython lays it out: its items follow its fields."""
    f = Fn("execute", "ptr %head, ptr %state, ptr %arrays, ptr %scratch")
    items = _word(f, "%arrays", tuple.__basicsize__)
    args = ("ptr", "%head"), ("ptr", "%state"), ("ptr", items), ("ptr", "%scratch")
    f.call("void", "launch", *args)
    return f


def execute_unseen() -> Fn:
    """`execute`, unless more than the head says refers to an array that would be written over.

    It is called with Python's lock, so that nothing comes between.
    """
    f = Fn("execute_unseen", "ptr %head, ptr %state, ptr %arrays, ptr %scratch")
    items, shares = _word(f, "%arrays", tuple.__basicsize__), f.arg("%head", SHARES, "ptr")
    seen = f.alloca("i1")
    f.store("i1", 0, seen)
    with f.loop(0, f.arg("%head", N_SHARES)) as i:
        share = f.gep(shares, f.mul(i, 3), "i64")
        old, new = (f.arg(items, f.arg(share, k), "ptr") for k in range(2))
        one = f.op(f"icmp eq ptr {old}, {new}")
        count = f.op(f"zext i32 {f.load('i32', _word(f, old, REFERENCES))} to i64")
        more = f.op(f"and i1 {one}, {f.icmp('ne', count, f.arg(share, 2))}")
        f.store("i1", f.op(f"or i1 {f.load('i1', seen)}, {more}"), seen)
    with f.when(f.op(f"xor i1 {f.load('i1', seen)}, true")):
        args: tuple[tuple[str, Operand], ...]
        args = ("ptr", "%head"), ("ptr", "%state"), ("ptr", "%arrays"), ("ptr", "%scratch")
        f.call("void", "execute", *args)
    return f


# ---- what Python holds


def aligned(n_bytes: int) -> npt.NDArray[np.uint8]:
    """Memory of zeros that begins a page."""
    memory = np.zeros(n_bytes + PAGE_BYTES, np.uint8)
    start = -memory.ctypes.data % PAGE_BYTES
    return memory[start : start + n_bytes]


class Head:
    """A program as `launch` takes it: eleven words.

    RECORDS: address of three words each, (function, arguments, chunks).
    COUNTERS: address of a line per record, and one per record and thread.
    RELOCATIONS: address of three words each, (where to write, which array, byte offset): before
    each run, the address of that array's elements plus the offset is written there.
    SHARES: address of three words each, (which array is an input, which one a result, how many
    references to the input there are if nobody else sees it), where both may be one array.
    N_RECORDS, N_RELOCATIONS, N_SHARES: how many there are.
    THREADS: at most so many take part; 1 for what is too short to share.
    N_BYTES: of scratch that each thread needs.
    OVER: whether the last run is over.
    HELD: whether a direct call has it; see `direct`.

    late: what a signal's handler raised as a run ended that had written over arrays; its caller
    raises that once what it holds is as the run left it.
    A head is run by one caller at a time, since its counters and argument blocks are one.
    """

    def __init__(
        self,
        records: Sequence[tuple[int, int, int]],
        relocations: Sequence[tuple[int, int, int]] = (),
        shares: Sequence[tuple[int, int, int]] = (),
        *,
        threads: int = 1,
        scratch_bytes: int = 0,
    ) -> None:
        self.threads = threads
        self.scratch_bytes = scratch_bytes
        self._records = np.array(records, np.int64).reshape(-1)
        self._relocations = np.array(relocations, np.int64).reshape(-1)
        self._counters = aligned(LINE_BYTES * len(records) * (threads + 1))
        records_at, relocations_at = self._records.ctypes.data, self._relocations.ctypes.data
        words = [records_at, len(records), self._counters.ctypes.data]
        words += [relocations_at, len(relocations), threads, scratch_bytes, 0, 0]
        self._shares = np.array(shares, np.int64).reshape(-1)
        words += [self._shares.ctypes.data, len(shares)]
        self.words: Words = np.array(words, np.int64)
        self.address: int = self.words.ctypes.data
        self._complete = self._records.copy()
        self.has_gate = False
        self.late: list[BaseException] = []

    def after(self, record: int) -> tuple[int, int]:
        """How many records follow a `gate`, and the address of the chunks of the first of them."""
        self.has_gate = True
        first = 3 * (record + 1)
        at = self._records.ctypes.data + 8 * (first + 2)
        return len(self._records[first:]) // 3, at

    def reset(self) -> None:
        """Open the gate, which an earlier run may have shut."""
        if self.has_gate:
            self._records[:] = self._complete


class _Scratch(NamedTuple):
    """Memory that one caller uses during one run."""

    memory: npt.NDArray[np.uint8]
    address: int
    n_bytes: int

    @classmethod
    def of(cls, n_bytes: int) -> _Scratch:
        memory = aligned(n_bytes)
        return cls(memory, memory.ctypes.data, n_bytes)


class Pool:
    """Threads of this process that run programs together.

    They start when the first program wants them, and never end; those that `threads` bars sleep.
    A child of a fork begins without them and starts its own.  Several Python threads may run
    programs at once: one has the pool, the others run alone.

    Raises: BackendUnavailable where there are no POSIX threads, or no CPython.
    """

    def __init__(self) -> None:
        if sys.platform == "win32" or sys.implementation.name != "cpython":
            where = f"{sys.implementation.name} on {sys.platform}"
            raise BackendUnavailable(f"pool: {where}; use CPython on Linux or macOS")
        if not _reads_arrays():
            raise BackendUnavailable(
                "pool: numpy or Python of unknown layout; update rushlight-numba"
            )
        functions = [run_nest(), run_serial(), gate(), participate(), park(), worker(), wake()]
        functions += [run_shared(), relocate(), launch(), execute(), execute_unseen()]
        self.at = native(functions)  # addresses by name
        kinds = (None, ctypes.c_void_p, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
        self._execute_holding = ctypes.PYFUNCTYPE(*kinds)(self.at["execute"])
        self._execute_unseen = ctypes.PYFUNCTYPE(*kinds)(self.at["execute_unseen"])
        self._execute_releasing = ctypes.CFUNCTYPE(*kinds)(self.at["execute"])
        self._libc = ctypes.CDLL(None)
        self._limit = min(processors(), MOST_THREADS)
        self._scratch_bytes = 0
        self._free: list[_Scratch] = []  # taken and given back by atomic operations of a list
        self._state = aligned(WORKERS + MOST_THREADS * WORKER_BYTES)
        # Threads look at the state until the process ends, later than Python frees what it holds.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._state))
        self._forget()
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        """Begin without workers: at first, and in the child of a fork, where none followed."""
        self._lock = threading.Lock()
        self._worker_scratch: list[_Scratch] = []
        self._outgrown: list[_Scratch] = []  # a run that began before may still use it
        self._state[:] = 0
        self._words(0)[LIMIT // 8], self._words(0)[WANTED // 8] = 1, self._limit

    def _words(self, start: int) -> Words:
        return self._state[start : start + LINE_BYTES].view(np.int64)

    # threads

    @property
    def limit(self) -> int:
        """How many threads a run has at most, the calling one included."""
        return self._limit

    def threads(self, n: int) -> None:
        """Use at most n threads from the next run on; never more than MOST_THREADS.

        Raises: ContractError if n is less than 1.
        """
        if n < 1:
            raise ContractError(f"threads: {n}; give 1 or more")
        with self._lock:
            self._limit = min(n, MOST_THREADS)
            self._allow()

    def _allow(self) -> None:
        started = len(self._worker_scratch) + 1
        self._words(0)[LIMIT // 8] = min(self._limit, started)
        self._words(0)[WANTED // 8] = self._limit

    @property
    def state(self) -> int:
        """The address of the words that all threads share."""
        return int(self._state.ctypes.data)

    def start(self) -> None:
        """Start the workers that are missing, without signals: those are for Python's threads."""
        with self._lock:
            before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
            try:
                signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
                while len(self._worker_scratch) < self._limit - 1:
                    if not self._start_one(len(self._worker_scratch)):
                        self._limit = len(self._worker_scratch) + 1  # the system allows no more
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            self._allow()

    def _start_one(self, index: int) -> bool:
        start = WORKERS + index * WORKER_BYTES
        address = self._state.ctypes.data + start
        scratch = _Scratch.of(self._scratch_bytes)
        sequence = self._words(0)[SEQUENCE // 8]
        self._words(start)[:4] = self._state.ctypes.data, index + 1, scratch.address, sequence
        self._libc.pthread_mutex_init(ctypes.c_void_p(address + MUTEX), None)
        self._libc.pthread_cond_init(ctypes.c_void_p(address + CONDITION), None)
        entry, thread = ctypes.c_void_p(self.at["worker"]), ctypes.c_void_p()
        refused: int = self._libc.pthread_create(
            ctypes.byref(thread), None, entry, ctypes.c_void_p(address)
        )
        if refused:
            return False
        self._libc.pthread_detach(thread)
        self._worker_scratch.append(scratch)
        return True

    # scratch

    def reserve(self, n_bytes: int) -> None:
        """Give every worker scratch of at least so many bytes; it doubles, so little is lost."""
        with self._lock:
            if n_bytes <= self._scratch_bytes:
                return
            self._scratch_bytes = 1 << (n_bytes - 1).bit_length()
            self._outgrown += self._worker_scratch
            for i in range(len(self._worker_scratch)):
                self._worker_scratch[i] = scratch = _Scratch.of(self._scratch_bytes)
                self._words(WORKERS + i * WORKER_BYTES)[SCRATCH // 8] = scratch.address

    def _borrow(self, n_bytes: int) -> _Scratch:
        try:
            scratch = self._free.pop()
        except IndexError:
            return _Scratch.of(self._scratch_bytes)
        return scratch if scratch.n_bytes >= n_bytes else _Scratch.of(self._scratch_bytes)

    # runs

    def runner(self, head: Head) -> Callable[..., bool]:
        """A function that runs the program on a tuple of arrays, those its relocations name.

        It returns whether it did: not if it is to hold Python's lock, and somebody sees one of the
        head's shares.

        The arrays are not looked at: their number, dtype, shape and strides are what the records
        were made for.  Python's lock is kept by a program for one thread, and released by others
        unless the second argument says to hold it.
        """
        self.reserve(head.scratch_bytes)
        state, free, n_bytes = self._state.ctypes.data, self._free, head.scratch_bytes
        holding, releasing = self._execute_holding, self._execute_releasing
        unseen = self._execute_unseen

        def run_alone(arrays: Arrays, hold: bool = False) -> bool:
            scratch, done = self._borrow(n_bytes), True
            if hold:
                done = run_held(arrays, scratch)
            else:
                head.reset()
                holding(head.address, state, arrays, scratch.address)
            free.append(scratch)
            return done

        def run_together(arrays: Arrays, hold: bool = False) -> bool:
            if len(self._worker_scratch) < self._limit - 1:
                self.start()
            scratch, done = self._borrow(n_bytes), True
            if hold:
                done = run_held(arrays, scratch)
            else:
                head.reset()
                releasing(head.address, state, arrays, scratch.address)
            free.append(scratch)
            return done

        def run_held(arrays: Arrays, scratch: _Scratch) -> bool:
            head.reset()
            head.words[OVER] = 0
            try:
                unseen(head.address, state, arrays, scratch.address)
            except BaseException as error:  # of a signal's handler, before the call or after it
                if not head.words[OVER]:
                    raise
                head.late.append(error)
            return bool(head.words[OVER])

        return run_alone if head.threads == 1 else run_together


def _reads_arrays() -> bool:
    """Whether tuples and arrays are laid out as `relocate` reads them."""
    array = np.zeros(1)
    arrays = (array,)
    item = ctypes.c_void_p.from_address(id(arrays) + tuple.__basicsize__)
    elements = ctypes.c_void_p.from_address(id(array) + object.__basicsize__)
    return item.value == id(array) and elements.value == array.ctypes.data


@functools.cache
def pool() -> Pool:
    """The pool of this process."""
    return Pool()
