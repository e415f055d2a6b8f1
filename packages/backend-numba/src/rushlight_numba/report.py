"""Report: how long each record of a program takes, estimated and measured.

Measuring runs on memory for results of its own, so nothing that somebody holds is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from rushlight.extend import Report, Value

from .entry import Entry, laid_out
from .pool import Head, pool

if TYPE_CHECKING:
    from .program import Program

TURNS = 20  # of each record at most; the fastest counts
LONG_S = 0.02  # a record is repeated for so long
SHORT_S = 5e-6  # a shorter one is run by one thread, as in the program


def report(program: Program, inputs: Sequence[Any] | None = None) -> Report:
    """What there is to tell of a program; measured if inputs are given."""
    estimated = per_record(program, [1e-9 * work.ns for work in program.works])
    measured = () if inputs is None else per_record(program, measured_on(program, inputs))
    return Report(estimated, measured, program.arena.nbytes, tuple(program.within.items()))


def per_record(program: Program, times: list[float]) -> tuple[float, ...]:
    """The times of each record's works, added up."""
    found = [0.0] * len(program.fused.records)
    for i, time_s in zip(program.records, times, strict=True):
        found[i] += time_s
    return tuple(found)


def measured_on(program: Program, inputs: Sequence[Any]) -> list[float]:
    """The seconds that each work takes within a run on these inputs."""
    program = type(program)(program.fused, program.workers, apart=True)
    given = {x: i for i, x in enumerate(program.graph.inputs) if isinstance(x, Value)}
    fresh = laid_out(program.fused, given)
    entry = Entry(program.fused, fresh, list(program.numbers), program.number_words)
    found: list[float] = []

    def start(arrays: tuple[Any, ...]) -> None:
        """In order, so that every record finds what it reads, however often it is run."""
        pool().runner(program.head)(arrays)  # writes the addresses of these arrays
        idle = fastest(program, [], 1)
        for record, work in zip(program.alone, program.works, strict=True):
            threads = program.head.threads if work.ns > 1e9 * SHORT_S else 1
            found.append(max(0.0, fastest(program, [record], threads) - idle))

    around = program.begin if program.calls else None, program.finish
    with program.entry.scope["lock"]:
        entry.function(start, *around)(*inputs)
    return found


def fastest(program: Program, records: list[tuple[int, int, int]], threads: int) -> float:
    """The seconds that records take, at best."""
    head = Head(records, threads=threads, scratch_bytes=program.head.scratch_bytes)
    run = pool().runner(head)
    best = spent = float("inf")
    for turn in range(TURNS):
        before = perf_counter()
        run(())
        taken = perf_counter() - before
        best, spent = min(best, taken), taken + (spent if turn else 0.0)
        if spent > LONG_S:
            break
    return best
