"""Comparison: processes of every framework in turn, and what they found.

Knows no framework: a process is bench/cpu.py, told which framework and which row.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
from math import exp, inf, log
from pathlib import Path
from statistics import median
from typing import Any

import in_numpy
from rows import COMPILES, EAGER_BOUND, EAGER_MEAN, ROWS, SETS

PROGRAM = Path(__file__).with_name("cpu.py")
OURS = {"compiled": "rushlight", "eager": "rushlight eager"}
PEERS = ("torch", "torch-cl", "torch.compile", "jax", "numpy")
COMPILERS = ("rushlight", "torch.compile", "jax")
THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")
CACHES = ("RUSHLIGHT_CACHE", "TORCHINDUCTOR_CACHE_DIR", "JAX_COMPILATION_CACHE_DIR")
BUSY = 0.5  # processes of others, by the load of the last minute
APART = 1e-3  # of results in different frameworks: of their norms, and of projections per norm


class Comparison:
    """Runs of processes, and what they found.

    found: by row and framework, one result a round.  failures: why there is none.
    """

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.found: dict[str, dict[str, list[dict[str, Any]]]] = {}
        self.failures: dict[str, dict[str, str]] = {}
        self.ceilings: list[dict[str, float]] = []

    def frameworks(self, name: str) -> list[str]:
        """Who takes part in a row."""
        given = self.given
        if name in COMPILES:
            everyone = list(COMPILERS if COMPILES[name].cold_s < inf else COMPILERS[:1])
        elif ROWS[name].kind in {"identity", "increment"}:
            everyone = list(COMPILERS)
        else:
            everyone = [*(OURS[mode] for mode in modes(given, name)), *peers(given, name)]
        asked = given.frameworks.split(",") if given.frameworks else everyone
        return [x for x in everyone if x in asked]

    def run(self, framework: str, name: str, seconds: float, env: dict[str, str]) -> Any:
        """The result of a process, or in words why there is none."""
        given = self.given
        command = [sys.executable, str(PROGRAM), "--child", framework, "--rows", name]
        command += ["--seconds", str(seconds), "--threads", str(given.threads)]
        env = os.environ | {f"{part}_NUM_THREADS": str(given.threads) for part in THREADS} | env
        # workers of a compiler would outlive a process that takes too long
        env |= {"TORCHINDUCTOR_COMPILE_THREADS": "1", "RUSHLIGHT_DEVICE": "numba"}
        try:
            done = subprocess.run(
                command, env=env, capture_output=True, text=True, timeout=given.limit, check=False
            )
        except subprocess.TimeoutExpired:
            return f"took more than {given.limit:g} s"
        try:
            return json.loads(done.stdout.splitlines()[-1])
        except (IndexError, ValueError):
            if done.returncode < 0:
                return f"ended by {signal.Signals(-done.returncode).name}"
            said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
            return said[-1][:200] if said else f"ended with status {done.returncode}"

    def measure(self, framework: str, name: str) -> None:
        """One process more of a row, or two where compiling is measured."""
        if self.failures.get(name, {}).get(framework):
            return
        if name in COMPILES:
            with tempfile.TemporaryDirectory() as folder:
                env = dict.fromkeys(CACHES, folder)
                env |= {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
                result = self.run(framework, name, 0, env)
                warm = self.run(framework, name, 0, env) if isinstance(result, dict) else result
            if isinstance(warm, dict):
                both = {"cold_s": result["compile_s"], "warm_s": warm["compile_s"]}
                result = warm | both | {"cold_start_s": result["start_s"]}
            else:
                result = warm
        else:
            result = self.run(framework, name, self.given.seconds, {})
        if isinstance(result, str):
            self.failures.setdefault(name, {})[framework] = result
        else:
            self.found.setdefault(name, {}).setdefault(framework, []).append(result)
        print(f"{name}, {framework}: {shown(result)}", file=sys.stderr, flush=True)

    def all(self, names: list[str]) -> None:
        """All rounds, or as many as there are until somebody interrupts."""
        load = os.getloadavg()[0]
        if load > BUSY:
            print(f"the machine is busy: load {load:.1f}; times are too long", file=sys.stderr)
        try:
            self.rounds(names)
        except KeyboardInterrupt:
            print("interrupted: what follows is what there is", file=sys.stderr)
        self.compare()

    def rounds(self, names: list[str]) -> None:
        """Everything, in turn; who begins changes with the round."""
        for i in range(self.given.rounds):
            peak = self.run("ceiling", "", 0, {})
            if isinstance(peak, dict):
                self.ceilings.append(peak)
            for name in names:
                order = self.frameworks(name)
                at = i % max(1, len(order))
                for framework in order[at:] + order[:at]:
                    self.measure(framework, name)

    def compare(self) -> None:
        """Take out what computes something else than the first of its peers."""
        for name, found in self.found.items():
            peers = [framework for framework in PEERS if framework in found]
            for framework in list(found):
                if not peers or framework == peers[0]:
                    continue
                for result in found[framework]:
                    if not agree(result["seen"], found[peers[0]][0]["seen"]):
                        self.failures.setdefault(name, {})[framework] = f"disagrees with {peers[0]}"
            for framework in self.failures.get(name, {}):
                found.pop(framework, None)

    def ceiling(self, unit: str) -> float:
        return max((peak[unit] for peak in self.ceilings), default=inf)


def modes(given: argparse.Namespace, name: str = "") -> list[str]:
    """Which of ours are measured, of a row or of any."""
    return [m for m in OURS if getattr(given, m) and (not name or name in SETS[m])]


def peers(given: argparse.Namespace, name: str) -> list[str]:
    """Who else takes part in a row."""
    row = ROWS[name]
    is_compiled = "compiled" in modes(given, name)
    there = {
        "torch": True,
        "torch-cl": row.kind in {"conv", "lenet", "resnet"},
        "torch.compile": is_compiled,
        "jax": is_compiled or not row.is_forward,  # alone, a function has little to compile
        "numpy": in_numpy.takes_part(row),
    }
    return [peer for peer in PEERS if there[peer]]


def agree(x: list[list[float]], y: list[list[float]]) -> bool:
    """Whether norms and projections are equal, nearly."""
    return len(x) == len(y) and all(
        abs(a - c) <= APART * abs(c) and abs(b - d) <= APART
        for (a, b), (c, d) in zip(x, y, strict=True)
    )


def shown(result: Any) -> str:
    """A result in short."""
    if isinstance(result, str):
        return result
    if "cold_s" in result:
        return f"cold {result['cold_s']:.3f} s, warm {result['warm_s']:.3f} s"
    return f"{result['median_s'] * 1e6:.1f} us, least {result['min_s'] * 1e6:.1f} us"


def times(found: dict[str, list[dict[str, Any]]], framework: str) -> tuple[float, float]:
    """The median over rounds of medians, and the least, in seconds."""
    results = found.get(framework, [])
    if not results:
        return inf, inf
    return median(x["median_s"] for x in results), min(x["min_s"] for x in results)


def ratios(comparison: Comparison, name: str, mode: str) -> dict[str, Any] | None:
    """How many times the speed of the best peer ours has, and whether that is what was asked.

    medians, least: None where no peer that counts has a time.  None altogether: ours has none.
    """
    found = comparison.found.get(name, {})
    bound = ROWS[name].bound if mode == "compiled" else EAGER_BOUND
    if OURS[mode] not in found:
        return None
    ours = times(found, OURS[mode])
    peers = [times(found, peer) for peer in bound.against if peer in found]
    by_median, by_least = (
        min(peer[i] for peer in peers) / ours[i] if peers else None for i in (0, 1)
    )
    beaten = (by_median or 0.0) >= bound.at_least
    held = beaten and ours[0] * 1e6 <= bound.at_most_us
    return {"medians": by_median, "least": by_least, "bound": str(bound), "held": held}


def eager_mean(comparison: Comparison, names: list[str]) -> dict[str, Any] | None:
    """The geometric mean of all ratios of medians, eagerly; None where there are none."""
    found = [ratios(comparison, name, "eager") for name in names]
    beside = [ratio["medians"] for ratio in found if ratio and ratio["medians"]]
    if not beside:
        return None
    mean = exp(sum(map(log, beside)) / len(beside))
    return {"mean": mean, "rows": len(beside), "bound": EAGER_MEAN, "held": mean >= EAGER_MEAN}


def work(comparison: Comparison, name: str, framework: str) -> dict[str, Any]:
    """What one of ours does in a second, and what part of the nearer ceiling that is."""
    row, results = ROWS[name], comparison.found[name][framework]
    middle, _ = times(comparison.found[name], framework)
    gflops, gbytes = row.flops / middle / 1e9, row.least_bytes / middle / 1e9
    part = max(gflops / comparison.ceiling("gflops"), gbytes / comparison.ceiling("gbytes"))
    found = {"gflops": gflops, "gbytes": gbytes, "part_of_ceiling": part}
    return found | {"process_bytes": results[-1]["process_bytes"]} | results[-1]["told"]


def compiling(comparison: Comparison, name: str, framework: str) -> tuple[float, float, float]:
    """Medians over rounds of a cold and a warm compilation and of the start before it, in s."""
    results = comparison.found.get(name, {}).get(framework, [])
    facts = ("cold_s", "warm_s", "start_s")
    if not results:
        return inf, inf, inf
    cold, warm, start = (median(x[fact] for x in results) for fact in facts)
    return cold, warm, start


def compile_bound(comparison: Comparison, name: str) -> tuple[str, bool]:
    """What is asked, in words, and whether it is held."""
    asked = COMPILES[name]
    cold, warm, _ = compiling(comparison, name, "rushlight")
    if asked.cold_s == inf:
        return "", cold < inf
    held = cold <= asked.cold_s and warm <= asked.warm_s
    return f"<= {asked.cold_s:g}, {asked.warm_s:g}{'' if held else ' missed'}", held
