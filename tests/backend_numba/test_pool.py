"""The thread pool: records in order, every chunk once, whatever threads, forks and callers do."""

import contextlib
import ctypes
import itertools
import os
import platform
import re
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from rushlight.extend import BackendUnavailable, ContractError
from rushlight_numba import pool as module
from rushlight_numba.codegen import llvm
from rushlight_numba.codegen.llvm import Fn, native
from rushlight_numba.pool import (
    ACTIVE,
    BUSY,
    CALLER,
    LINE_BYTES,
    MOST_LOOPS,
    MOST_THREADS,
    OPEN,
    PARKED,
    SEQUENCE,
    WORKER_BYTES,
    WORKERS,
    Head,
    Pool,
    pool,
)

ARGS = "ptr noalias %args, i64 %chunk, ptr noalias %scratch"
THREADS = [1, 2, 3, 4]


@pytest.fixture(autouse=True)
def _limit():
    """Whatever a test sets, the next one finds what was."""
    before = pool().limit
    yield
    pool().threads(before)


def add_up():
    """args: x, y, n.  y[chunk] = 1 + the sum of x[chunk * n : (chunk + 1) * n]."""
    f = Fn("add_up", ARGS)
    x, y, n = f.arg("%args", 0, "ptr"), f.arg("%args", 1, "ptr"), f.arg("%args", 2)
    total = f.alloca("i64")
    f.store("i64", 1, total)
    lo = f.mul("%chunk", n)
    with f.loop(lo, f.add(lo, n)) as i:
        f.store("i64", f.add(f.load("i64", total), f.arg(x, i)), total)
    f.store("i64", f.load("i64", total), f.gep(y, "%chunk", "i64"))
    return f


def fill_scratch():
    """args: y, n.  n words of scratch become the chunk's number; y[chunk] is their sum."""
    f = Fn("fill_scratch", ARGS)
    y, n = f.arg("%args", 0, "ptr"), f.arg("%args", 1)
    with f.loop(0, n) as i:
        f.store("i64", "%chunk", f.gep("%scratch", i, "i64"))
    total = f.alloca("i64")
    f.store("i64", 0, total)
    with f.loop(0, n) as i:
        f.store("i64", f.add(f.load("i64", total), f.arg("%scratch", i)), total)
    f.store("i64", f.load("i64", total), f.gep(y, "%chunk", "i64"))
    return f


def note_ranges():
    """A nest of two loops.  args: y [i, j], row.  Adds 1 + the chunk's number to all in range."""
    f = Fn("note_ranges", "ptr noalias %args, ptr noalias %ranges, ptr noalias %scratch")
    y, row = f.arg("%args", 0, "ptr"), f.arg("%args", 1)
    one = f.add(f.arg("%ranges", 4), 1)
    with (
        f.loop(f.arg("%ranges", 0), f.arg("%ranges", 1)) as i,
        f.loop(f.arg("%ranges", 2), f.arg("%ranges", 3)) as j,
    ):
        at = f.gep(y, f.add(f.mul(i, row), j), "i64")
        f.store("i64", f.add(f.load("i64", at), one), at)
    return f


@pytest.fixture(scope="module")
def at():
    return native([add_up(), fill_scratch(), note_ranges()])


class Sums:
    """A program of three records: sums of pieces of x, 1 added to each, then their sum.

    x and the result are arrays of the call, the pieces' sums lie in the program.
    """

    def __init__(self, at, threads, chunks=64, n=10, *, through=None):
        self.x = np.arange(chunks * n)
        self.parts, self.more = np.zeros((2, chunks), np.int64)
        self.blocks = np.array(
            [
                [0, self.parts.ctypes.data, n],
                [self.parts.ctypes.data, self.more.ctypes.data, 1],
                [self.more.ctypes.data, 0, chunks],
            ],
            np.int64,
        )
        first, second, third = (self.blocks.ctypes.data + 24 * i for i in range(3))
        records = [(at, first, chunks), (at, second, chunks), (at, third, 1)]
        relocations = [(first, 0, 0), (third + 8, 1, 8)]  # the result is element 1
        self.head = Head(records, relocations, threads=threads)
        self.run = (through or pool()).runner(self.head)
        self.expected = int(self.x.sum()) + 2 * chunks + 1

    def __call__(self, x=None):
        out = np.full(2, -1)
        self.parts[:] = self.more[:] = -1
        self.run((self.x if x is None else x, out))
        assert out[0] == -1
        return int(out[1])


@pytest.mark.parametrize("limit", THREADS)
@pytest.mark.parametrize("threads", THREADS)
def test_every_chunk_is_computed_once_and_in_order(at, threads, limit):
    pool().threads(limit)
    sums = Sums(at["add_up"], threads)
    assert {sums() for _ in range(2000)} == {sums.expected}


@pytest.mark.parametrize("chunks", [1, 2, 3, 1000])
def test_any_number_of_chunks(at, chunks):
    pool().threads(3)
    sums = Sums(at["add_up"], 3, chunks, 3)
    assert {sums() for _ in range(200)} == {sums.expected}


def test_arrays_are_those_of_the_call(at):
    sums = Sums(at["add_up"], 2)
    for k in range(100):
        x = np.full(640, k)
        assert sums(x) == 640 * k + 2 * 64 + 1
    wide = np.arange(2000)
    assert sums(wide[5:]) == wide[5:645].sum() + 2 * 64 + 1


@pytest.mark.parametrize("threads", [1, 3])
def test_a_program_without_records_does_nothing(threads):
    pool().threads(threads)
    run = pool().runner(Head([], threads=threads))
    assert run(()) is True


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(("rows", "grain"), [(10, 3), (9, 3), (2, 5), (40, 1)])
@pytest.mark.parametrize("cut", [0, 1])
def test_run_nest_covers_the_nest(at, threads, rows, grain, cut):
    pool().threads(threads)
    extents = (rows, 7) if cut == 0 else (7, rows)
    y = np.zeros(extents, np.int64)
    args = np.array([y.ctypes.data, extents[1]], np.int64)
    block = np.array([at["note_ranges"], args.ctypes.data, 2, grain, cut, *extents], np.int64)
    chunks = -(-rows // grain)
    head = Head([(pool().at["run_nest"], block.ctypes.data, chunks)], threads=threads)
    pool().runner(head)(())
    number = np.arange(rows) // grain + 1
    expected = np.broadcast_to(number[:, None] if cut == 0 else number, extents)
    np.testing.assert_array_equal(y, expected)


def test_run_nest_has_room_for_many_loops():
    f = Fn("last", "ptr noalias %args, ptr noalias %ranges, ptr noalias %scratch")
    y = f.arg("%args", 0, "ptr")
    for i in range(3):
        word = f.arg("%ranges", 2 * MOST_LOOPS - 2 + i)
        f.store("i64", word, f.gep(y, i, "i64"))
    y = np.zeros(3, np.int64)
    args = np.array([y.ctypes.data], np.int64)
    extents = range(1, MOST_LOOPS + 1)
    block = np.array([native([f])["last"], args.ctypes.data, MOST_LOOPS, 1, 4, *extents], np.int64)
    pool().runner(Head([(pool().at["run_nest"], block.ctypes.data, 3)]))(())
    assert y.tolist() == [0, MOST_LOOPS, 2]


@pytest.mark.parametrize("threads", [1, 2])
def test_small_records_are_one(at, threads):
    sums = Sums(at["add_up"], 1)
    block = sums.head.words[:2].copy()
    record = (pool().at["run_serial"], block.ctypes.data, 1)
    moved = [(sums.blocks.ctypes.data, 0, 0), (sums.blocks.ctypes.data + 56, 1, 8)]
    sums.run = pool().runner(Head([record], moved, threads=threads))
    assert sums() == sums.expected


# ---- records in Python

RECORD = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)


@pytest.mark.parametrize("threads", THREADS)
def test_what_is_the_callers_runs_once_on_its_thread_and_in_its_turn(at, threads):
    pool().threads(threads)
    sums, seen = Sums(at["add_up"], threads), []

    @RECORD
    def look(args, chunk, scratch):
        seen.append((threading.get_ident(), chunk, int(sums.parts.min()), int(sums.more.max())))

    first, second, third = (sums.blocks.ctypes.data + 24 * i for i in range(3))
    records = [(at["add_up"], first, 64), (ctypes.cast(look, ctypes.c_void_p).value, 0, CALLER)]
    records += [(at["add_up"], second, 64), (at["add_up"], third, 1)]
    sums.run = pool().runner(Head(records, [(first, 0, 0), (third + 8, 1, 8)], threads=threads))
    for _ in range(50):
        assert sums() == sums.expected
    assert set(seen) == {(threading.get_ident(), 0, int(sums.x[:10].sum()) + 1, -1)}
    assert len(seen) == 50


def test_a_record_may_run_another_program(at):
    pool().threads(2)
    inner, seen = Sums(at["add_up"], 2), []
    look = RECORD(lambda args, chunk, scratch: seen.append(inner()))
    record = (ctypes.cast(look, ctypes.c_void_p).value, 0, CALLER)
    for threads in (1, 2):
        pool().runner(Head([record], threads=threads))(())
    assert seen == [inner.expected] * 2


# ---- workers


class Meeting:
    """A program of one record, whose chunks wait for each other: each needs a thread of its own."""

    def __init__(self, threads, *, through=None):
        self.pool = through or pool()
        self.pool.threads(threads)
        self.barrier = threading.Barrier(threads)
        self.came = []
        self.record = RECORD(lambda args, chunk, scratch: self.meet())
        address = ctypes.cast(self.record, ctypes.c_void_p).value
        self.run = self.pool.runner(Head([(address, 0, threads)], threads=threads))

    def meet(self):
        self.came.append(threading.get_ident())
        self.barrier.wait(60)

    def __call__(self):
        """Whether as many threads came as were wanted, this one among them."""
        self.came.clear()
        self.run(())
        return len(set(self.came)) == self.barrier.parties and threading.get_ident() in self.came


def word(of, offset):
    """A word of the state of a pool."""
    return of._words(offset // LINE_BYTES * LINE_BYTES)[offset % LINE_BYTES // 8]


def until(happened):
    for _ in range(60_000):
        if happened():
            return
        time.sleep(0.001)
    pytest.fail("it did not happen within a minute")


def until_asleep(of):
    """Wait until every worker of a pool sleeps."""
    parked = [WORKERS + i * WORKER_BYTES + PARKED for i in range(len(of._worker_scratch))]
    until(lambda: all(word(of, at) for at in parked))


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_all_threads_take_part(threads):
    meeting = Meeting(threads)
    assert all(meeting() for _ in range(20))


def test_threads_that_sleep_are_woken():
    meeting = Meeting(3)
    for _ in range(5):
        assert meeting()
        until_asleep(pool())


def test_a_program_wakes_no_more_threads_than_it_wants(at):
    fresh = Pool()
    assert Meeting(4, through=fresh)()
    until_asleep(fresh)
    sums = Sums(at["add_up"], 2, through=fresh)
    assert {sums() for _ in range(100)} == {sums.expected}
    parked = [word(fresh, WORKERS + i * WORKER_BYTES + PARKED) for i in range(3)]
    assert parked[1:] == [1, 1]


def test_who_finds_the_pool_taken_runs_alone(at):
    fresh = Pool()
    assert Meeting(2, through=fresh)()
    until_asleep(fresh)
    runs = word(fresh, SEQUENCE)
    fresh._words(BUSY)[0] = 1
    sums = Sums(at["add_up"], 2, through=fresh)
    assert sums() == sums.expected
    assert (word(fresh, BUSY), word(fresh, SEQUENCE)) == (1, runs)
    fresh._words(BUSY)[0] = 0
    assert sums() == sums.expected
    assert (word(fresh, BUSY), word(fresh, SEQUENCE)) == (0, runs + 1)


def test_a_run_ends_when_nobody_looks_at_it(at):
    fresh = Pool()
    assert Meeting(2, through=fresh)()
    until_asleep(fresh)
    runs = word(fresh, SEQUENCE)
    sums, found = Sums(at["add_up"], 2, through=fresh), []
    fresh._words(ACTIVE)[0] += 1  # as a worker does that is held up there
    caller = threading.Thread(target=lambda: found.append(sums()))
    caller.start()
    until(lambda: word(fresh, SEQUENCE) == runs + 1 and not word(fresh, OPEN))
    until_asleep(fresh)
    caller.join(0.05)
    assert found == []
    fresh._words(ACTIVE)[0] -= 1
    caller.join()
    assert found == [sums.expected]


# ---- scratch


@pytest.mark.parametrize("threads", [1, 3])
def test_scratch_grows_and_is_nobody_elses(at, threads):
    pool().threads(threads)
    runs = []
    for n in (1000, 10, 100_000, 30_000):
        y = np.zeros(40, np.int64)
        args = np.array([y.ctypes.data, n], np.int64)
        record = (at["fill_scratch"], args.ctypes.data, 40)
        run = pool().runner(Head([record], threads=threads, scratch_bytes=8 * n))
        runs.append((run, n, y, args))
    for run, n, y, _ in 5 * (runs + runs[::-1]):
        y[:] = 0
        run(())
        assert y.tolist() == [n * k for k in range(40)]


# ---- several callers


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_several_callers_run_at_once(at, threads):
    pool().threads(threads)
    found = {}

    def call(k):
        sums = Sums(at["add_up"], threads, 30 + k)
        y = np.zeros(20, np.int64)
        args = np.array([y.ctypes.data, 500], np.int64)
        record = (at["fill_scratch"], args.ctypes.data, 20)
        fill = pool().runner(Head([record], threads=threads, scratch_bytes=4000))
        for _ in range(1000):
            fill(())
            found[k] = sums() == sums.expected and y.tolist() == [500 * i for i in range(20)]
            if not found[k]:
                return

    callers = [threading.Thread(target=call, args=(k,)) for k in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert found == dict.fromkeys(range(4), True)


def test_the_number_of_threads_changes_between_and_during_runs(at):
    sums = Sums(at["add_up"], 4)
    over = threading.Event()

    def change():
        for n in itertools.cycle([1, 4, 2, 3]):
            pool().threads(n)
            if over.is_set():
                return

    changer = threading.Thread(target=change)
    changer.start()
    try:
        found = {sums() for _ in range(3000)}
    finally:
        over.set()
        changer.join()
    assert found == {sums.expected}


def test_one_thread_and_back(at):
    sums = Sums(at["add_up"], 4)
    for n in (4, 1, 4, 1, 2):
        pool().threads(n)
        assert pool().limit == n
        assert {sums() for _ in range(100)} == {sums.expected}


def test_number_of_threads():
    with pytest.raises(ContractError) as caught:
        pool().threads(0)
    assert str(caught.value) == "threads: 0; give 1 or more"
    pool().threads(10**6)
    assert pool().limit == MOST_THREADS


# ---- processes


@contextlib.contextmanager
def a_caller_beside(run):
    """Another thread of Python that runs programs all the while."""
    over = threading.Event()

    def call():
        while not over.is_set():
            run()

    thread = threading.Thread(target=call)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def in_a_child(act):
    """The exit status of a forked child that acts, 0 if what it returns is true."""
    child = os.fork()
    if not child:
        signal.alarm(60)  # a child that hangs is ended, and fails
        status = 1
        with contextlib.suppress(BaseException):
            status = 0 if act() else 1
        os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_fork_in_the_middle(at):
    pool().threads(3)
    sums, mine = Sums(at["add_up"], 3), Sums(at["add_up"], 3)
    with a_caller_beside(sums):
        for _ in range(20):
            child = in_a_child(lambda: {mine() for _ in range(100)} == {mine.expected})
            assert child == 0
            assert mine() == mine.expected


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_has_threads_of_its_own():
    assert Meeting(3)()
    assert in_a_child(Meeting(3)) == 0
    assert Meeting(3)()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_child_forks_again(at):
    pool().threads(2)
    sums = Sums(at["add_up"], 2)

    def act():
        return sums() == sums.expected and in_a_child(lambda: sums() == sums.expected) == 0

    assert in_a_child(act) == 0


PROGRAM = """
import numpy as np
from rushlight_numba.codegen.llvm import Fn, native
from rushlight_numba.pool import Head, pool

nothing = native([Fn("nothing", "ptr %args, i64 %chunk, ptr %scratch")])["nothing"]
pool().threads(4)
run = pool().runner(Head([(nothing, 0, 100)] * 10, threads=4, scratch_bytes=1 << 20))
for _ in range(100):
    run(())
"""


def test_a_process_ends_while_its_threads_wait():
    for _ in range(3):
        subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=120)


def test_signals_are_for_the_threads_of_python():
    assert Meeting(3, through=Pool())()
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_workers_take_no_signals():
    before = set(Path("/proc/self/task").iterdir())
    fresh = Pool()
    assert Meeting(3, through=fresh)()
    for task in set(Path("/proc/self/task").iterdir()) - before:
        status = (task / "status").read_text()
        blocked = int(re.search(r"SigBlk:\s*(\w+)", status)[1], 16)
        assert blocked >> (signal.SIGINT - 1) & 1


class NoThreads:
    """A C library whose system allows no further thread."""

    def __init__(self, libc, allowed):
        self._libc, self._allowed = libc, allowed

    def __getattr__(self, name):
        return getattr(self._libc, name)

    def pthread_create(self, *args):
        self._allowed -= 1
        return 11 if self._allowed < 0 else self._libc.pthread_create(*args)


@pytest.mark.parametrize("allowed", [0, 1])
def test_a_system_that_allows_few_threads(at, allowed, monkeypatch):
    fresh = Pool()
    monkeypatch.setattr(fresh, "_libc", NoThreads(fresh._libc, allowed))
    fresh.threads(3)
    sums = Sums(at["add_up"], 3, through=fresh)
    assert {sums() for _ in range(100)} == {sums.expected}
    assert fresh.limit == allowed + 1


def test_ten_thousand_runs_leave_no_memory_behind(at):
    pool().threads(2)
    y = np.zeros(4, np.int64)
    args = np.array([y.ctypes.data, 1000], np.int64)
    record = (at["fill_scratch"], args.ctypes.data, 4)
    runs = [pool().runner(Head([record], threads=n, scratch_bytes=8000)) for n in (1, 2)]

    def peak():
        for _ in range(5000):
            for run in runs:
                run(())
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    peak()
    before = peak()
    kilobyte = 1024 if sys.platform == "darwin" else 1
    assert peak() - before < 200 * kilobyte


# ---- other machines


def test_other_systems_are_named(monkeypatch):
    monkeypatch.setattr(module.sys, "platform", "win32")
    with pytest.raises(BackendUnavailable) as caught:
        Pool()
    assert str(caught.value) == "pool: cpython on win32; use CPython on Linux or macOS"


def test_arrays_of_unknown_layout_are_refused(monkeypatch):
    monkeypatch.setattr(module, "_reads_arrays", lambda: False)
    with pytest.raises(BackendUnavailable, match="pool: numpy or Python of unknown layout"):
        Pool()


@pytest.mark.parametrize(
    ("machine", "triple", "pause"),
    [
        ("x86_64", "x86_64-apple-darwin", "pause"),
        ("aarch64", "aarch64-unknown-linux-gnu", "isb"),
        ("arm64", "arm64-apple-darwin", "isb"),
        ("riscv64", None, None),
    ],
)
def test_code_for_other_machines(monkeypatch, machine, triple, pause):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    parsed = llvm.binding.parse_assembly(llvm.module([module.participate(), module.worker()]))
    parsed.verify()
    llvm.binding.initialize_all_targets()
    llvm.binding.initialize_all_asmprinters()
    if triple is not None:
        target = llvm.binding.Target.from_triple(triple)
        text = target.create_target_machine(reloc="pic").emit_assembly(parsed)
        assert pause in text.split()


def test_cores_are_counted():
    assert 1 <= module.processors() <= os.cpu_count()
