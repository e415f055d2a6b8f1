"""The CPU beside PyTorch, torch.compile, jax.jit and numpy: training steps, functions, compiling.

    python bench/cpu.py --eager --keep
    python bench/cpu.py --compiled --rounds 3 --rows gelu,softmax

--eager and --compiled choose ours, and with it the rows; without either there are both.  PyTorch is
measured as users write it, with its one-kernel Adam, and where there are images also with their
channels last (`torch-cl`): the better of both counts.  Rows called -forward have no backward pass,
nor have those of arithmetic, sums, matmul and adam.

One framework and one row per process, processes alternated over rounds; float32, the same weights
and batches in each, arguments as new tensors at each call, caches of compilers warm; what they
compute is compared before it is timed.  A time is the median of a process's calls; shown are the
medians over rounds, and in brackets the least call of all.  `compile-` rows: a first call less a
later one, from an empty cache and from a full one.  --keep writes bench/results/cpu-MODE-DATE.json.
Needs torch and jax in the environment; what is missing is shown and left out.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import platform
import resource
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from math import inf
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import ceiling
import numpy as np
from comparison import OURS, Comparison, compile_bound, eager_mean, modes, ratios, work
from rows import COMPILES, ROWS, SETS, Made, Row
from table import compile_table, time_table, work_table

ROOT = Path(__file__).parents[1]
PACKAGES = ("rushlight", "rushlight-nn", "rushlight-numba", "torch", "jax", "numpy", "numba")
CHECKED = 5  # calls that are compared
BATCH_S = 5e-3  # calls are timed in batches of about this, so that the clock costs nothing
MOST_CALLS = 2000  # of a batch: their arguments exist at the same time
FEWEST_BATCHES = 5


def made(framework: str, row: Row, threads: int) -> tuple[Made, float]:
    """The row in a framework, and the seconds of a first, trivial compilation."""
    if framework == "jax":
        import in_jax

        began = perf_counter()
        in_jax.start()
        return in_jax.made(row), perf_counter() - began
    if framework == "numpy":
        import in_numpy

        return in_numpy.made(row), 0.0
    import in_torch

    if "torch" in framework:
        last = framework == "torch-cl"
        frame = in_torch.torch_frame(framework == "torch.compile", threads, last=last)
    else:
        frame = in_torch.rushlight_frame(framework == "rushlight", threads)
    began = perf_counter()
    in_torch.start(frame)
    start_s = perf_counter() - began
    return in_torch.made(row, frame), start_s


@cache
def signs(n: int) -> Any:
    """n random signs."""
    return np.random.default_rng(n).choice([-1.0, 1.0], n)


def witness(arrays: Iterable[Any]) -> list[list[float]]:
    """Of each array its norm, and a projection on random signs as a part of that."""
    found = []
    for x in arrays:
        x = np.asarray(x, np.float64).ravel()
        norm = float(np.sqrt(x @ x))
        found.append([norm, float(signs(x.size) @ x) / max(norm, 1e-300)])
    return found


def timed(made: Made, seconds: float) -> dict[str, float]:
    """Seconds per call: the least and the median of batches."""
    least, end = inf, perf_counter() + seconds / 3
    while perf_counter() < end:
        args = made.fresh(0)
        began = perf_counter()
        made.call(*args)
        least = min(least, perf_counter() - began)
    number = max(1, min(MOST_CALLS, int(BATCH_S / least)))
    found: list[float] = []
    end = perf_counter() + seconds
    while perf_counter() < end or len(found) < FEWEST_BATCHES:
        batch = [made.fresh(i) for i in range(number)]
        call = made.call
        began = perf_counter()
        for args in batch:
            call(*args)
        found.append((perf_counter() - began) / number)
    return {"min_s": min(found), "median_s": median(found), "calls": len(found) * number}


def child(framework: str, name: str, seconds: float, threads: int) -> dict[str, Any]:
    """All that is measured of a row in this process; without seconds, how long compiling takes."""
    if framework == "ceiling":
        return {"gflops": ceiling.gflops(threads), "gbytes": ceiling.gbytes(threads)}
    row = ROWS[name] if name in ROWS else COMPILES[name].row
    row_made, start_s = made(framework, row, threads)
    seen, calls_s = [], []
    for i in range(CHECKED):
        args = row_made.fresh(i)
        began = perf_counter()
        result = row_made.call(*args)
        calls_s.append(perf_counter() - began)
        seen += witness(row_made.seen(result, args))
    found = {"start_s": start_s, "compile_s": calls_s[0] - min(calls_s[1:]), "seen": seen}
    found |= {"told": row_made.told()}
    if seconds:
        found |= timed(row_made, seconds)
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found | {"process_bytes": kilobytes * (1 if sys.platform == "darwin" else 1024)}


def versions() -> dict[str, str]:
    """Of what takes part."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not there"
    return found


def machine() -> dict[str, Any]:
    """The processor's name, how many there are, and how busy they are now."""
    described = Path("/proc/cpuinfo")
    lines = described.read_text("utf-8").splitlines() if described.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor()
    found = {"processor": name, "count": os.cpu_count(), "system": platform.platform()}
    return found | {"load": os.getloadavg()}


def record(comparison: Comparison, names: list[str]) -> dict[str, Any]:
    """All that was found, as it is kept."""
    given = comparison.given
    timed_names = [name for name in names if name in ROWS]
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": f"python bench/cpu.py {' '.join(sys.argv[1:])}",
        "versions": versions(),
        "threads": given.threads,
        "ceilings": comparison.ceilings,
        "failures": comparison.failures,
        "ratios": {
            mode: {n: ratios(comparison, n, mode) for n in timed_names if n in SETS[mode]}
            for mode in modes(given)
        },
        "eager_mean": eager_mean(comparison, timed_names),
        "work": {
            f"{name}, {framework}": work(comparison, name, framework)
            for name in timed_names
            for framework in OURS.values()
            if framework in comparison.found.get(name, {})
        },
        "found": {
            name: {
                framework: [{k: v for k, v in x.items() if k != "seen"} for x in results]
                for framework, results in found.items()
            }
            for name, found in comparison.found.items()
        },
    }


def main(given: argparse.Namespace) -> int:
    """Measure, show, keep; the exit status counts the bounds that are missed."""
    chosen = modes(given)
    rows = [name for name in ROWS if any(name in SETS[mode] for mode in chosen)]
    everything = [*rows, *(COMPILES if given.compiled else ())]
    names = given.rows.split(",") if given.rows else everything
    unknown = set(names) - {*ROWS, *COMPILES}
    if unknown:
        sys.exit(f"no row {', '.join(sorted(unknown))}; there are {', '.join([*ROWS, *COMPILES])}")
    host = machine()
    comparison = Comparison(given)
    comparison.all(names)
    timed_names = [name for name in names if name in ROWS]
    compile_names = [name for name in names if name in COMPILES]
    for table, some in (
        (time_table, timed_names), (work_table, timed_names), (compile_table, compile_names),
    ):  # fmt: skip
        if some:
            print(*table(comparison, some), sep="\n", end="\n\n")
    for name, failures in comparison.failures.items():
        for framework, reason in failures.items():
            print(f"{name}, {framework} failed: {reason}")
    if given.keep:
        date = datetime.now(UTC).date().isoformat()
        path = ROOT / "bench" / "results" / f"cpu-{'-'.join(chosen)}-{date}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            json.dumps(record(comparison, names) | {"machine": host}, indent=1) + "\n", "utf-8"
        )
        print(f"written: {path.relative_to(ROOT)}")
    missed = 0
    for name in timed_names:
        judged = [m for m in modes(given, name) if OURS[m] in comparison.frameworks(name)]
        held = [ratios(comparison, name, mode) for mode in judged]
        missed += sum(1 for ratio in held if ratio is None or not ratio["held"])
    mean = eager_mean(comparison, timed_names) if given.eager else None
    missed += mean is not None and not mean["held"]
    return missed + sum(1 for name in compile_names if not compile_bound(comparison, name)[1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--compiled", action="store_true", help="rushlight.compile on numba")
    parser.add_argument("--eager", action="store_true", help="the numba device, eagerly")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", default="", help="names with commas between; else all")
    parser.add_argument("--frameworks", default="", help="the same")
    parser.add_argument("--seconds", type=float, default=0.5, help="of timing, in each process")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds a process may take")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        if hasattr(os, "sched_setaffinity"):  # pools that count processors find as many
            allowed = sorted(os.sched_getaffinity(0))[: options.threads]
            os.sched_setaffinity(0, allowed)
        print(json.dumps(child(options.child, options.rows, options.seconds, options.threads)))
    else:
        if not options.compiled and not options.eager:
            options.compiled = options.eager = True
        sys.exit(main(options))
