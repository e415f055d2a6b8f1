"""What a comparison found, as tables.

Knows no framework, and measures nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from math import inf

from comparison import (
    COMPILERS,
    OURS,
    PEERS,
    Comparison,
    compile_bound,
    compiling,
    eager_mean,
    modes,
    ratios,
    times,
    work,
)
from rows import DEPTHS


def number(x: float) -> str:
    """With about three digits."""
    return f"{x:.2f}" if x < 10 else f"{x:,.0f}" if x >= 1000 else f"{x:.1f}"


def time_table(comparison: Comparison, names: list[str]) -> Iterator[str]:
    """Times of all, and ours beside the best peer."""
    ours = modes(comparison.given)
    told = [peer for peer in PEERS if any(peer in comparison.frameworks(name) for name in names)]
    columns = [*(OURS[mode] for mode in ours), *told]
    heads = [f"{OURS[mode]}: x best (least) | bound" for mode in ours]
    yield f"| us: median (least) | {' | '.join(columns)} | {' | '.join(heads)} |"
    yield "|---" * (1 + len(columns) + 2 * len(ours)) + "|"
    for name in names:
        cells = [name]
        for framework in columns:
            middle, least = times(comparison.found.get(name, {}), framework)
            failed = framework in comparison.failures.get(name, {})
            text = f"{number(middle * 1e6)} ({number(least * 1e6)})" if middle < inf else ""
            cells.append("failed" if failed else text)
        for mode in ours:
            ratio = ratios(comparison, name, mode)
            if ratio is None:
                cells += ["", ""]
                continue
            is_beside = ratio["medians"] is not None
            cells.append(f"{ratio['medians']:.2f} ({ratio['least']:.2f})" if is_beside else "")
            cells.append(ratio["bound"] + ("" if ratio["held"] else " missed"))
        yield f"| {' | '.join(cells)} |"
    mean = eager_mean(comparison, names)
    if mean is not None:
        yield ""
        yield (
            f"Eagerly {mean['mean']:.2f} x the best of PyTorch: geometric mean of {mean['rows']} "
            f"rows, bound >= {mean['bound']:g} x{'' if mean['held'] else ' missed'}"
        )


def work_table(comparison: Comparison, names: list[str]) -> Iterator[str]:
    """Ours: records, kernels, memory, speed beside the ceiling."""
    peaks = [comparison.ceiling(unit) for unit in ("gflops", "gbytes")]
    yield (
        f"Ceilings: {peaks[0]:.0f} GFLOP/s (multiply-adds), "
        f"{peaks[1]:.1f} GB/s (sums of large arrays)."
    )
    yield ""
    yield (
        "| | records | kernels | arena MB | moved MB | process MB | GFLOP/s | GB/s at least "
        "| of the ceiling |"
    )
    yield "|---" * 9 + "|"
    for name in names:
        for framework in OURS.values():
            if framework not in comparison.found.get(name, {}):
                continue
            told = work(comparison, name, framework)
            cells = [f"{name}, {framework}"]
            cells += [str(told.get(fact, "")) for fact in ("records", "kernels")]
            memory = ("arena_bytes", "moved_bytes", "process_bytes")
            cells += [number(told[fact] / 1e6) if fact in told else "" for fact in memory]
            cells += [number(told[rate]) if told[rate] else "" for rate in ("gflops", "gbytes")]
            part = told["part_of_ceiling"]
            yield f"| {' | '.join([*cells, f'{part:.0%}' if part else ''])} |"


def compile_table(comparison: Comparison, names: list[str]) -> Iterator[str]:
    """Seconds of first calls, and how they grow with the layers."""
    yield "| s: cold, warm (of a first trivial program) | rushlight | torch.compile | jax | bound |"
    yield "|---" * 5 + "|"
    for name in names:
        cells = [name]
        for framework in COMPILERS:
            texts = [
                f"{cold:.3f}, {warm:.3f} ({start:.3f})"
                for cold, warm, start in [compiling(comparison, name, framework)]
                if cold < inf
            ]
            failed = framework in comparison.failures.get(name, {})
            cells.append("failed" if failed else "".join(texts))
        cells.append(compile_bound(comparison, name)[0])
        yield f"| {' | '.join(cells)} |"
    for i, mode in enumerate(("cold", "warm")):
        found = {n: compiling(comparison, f"compile-{n}-layers", "rushlight")[i] for n in DEPTHS}
        if max(found.values()) < inf:
            pairs = list(pairwise(DEPTHS))
            slopes = [f"{(found[b] - found[a]) / (b - a) * 1e3:.1f}" for a, b in pairs]
            yield f"\n{mode}: ms per further layer between {DEPTHS} layers: {', '.join(slopes)}"
