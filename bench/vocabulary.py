"""Operations on a million elements of every element type, ours beside PyTorch's, called eagerly.

    python bench/vocabulary.py [--only remainder,isnan] [--dtypes int64,float32] [--below 1.0]

prints what is slower than `below` times PyTorch, the worst first.  One framework a process, the
best of many calls: a table to find what to mend, where bench/cpu.py says how fast a framework is.
With --threads 1 it is time of the processor that counts, which a busy machine hardly lengthens.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from math import exp, inf, log
from typing import Any

import numpy as np

N = 1_000_000
ROWS = 1000  # the same elements as a matrix
CALL_S = 0.02  # how long a call is repeated
FLOATS = "float32 float64 float16 bfloat16".split()
INTEGERS = "int64 int32 int16 int8 uint8".split()
SIGNED = FLOATS + INTEGERS[:-1]
NUMBERS = FLOATS + INTEGERS
EVERY = [*NUMBERS, "bool"]
MOVED = "float32 int64 float16 bool".split()
THREADS = ("OMP", "OPENBLAS", "MKL", "NUMEXPR")
FRAMEWORKS = {  # the functions of each, and its device
    "rushlight": ("rushlight_nn.functional", "numba"),
    "torch": ("torch.nn.functional", "cpu"),
}

# What is measured on which types: x, y of 1e6 elements, y nowhere 0, p positive, u between 0 and 1,
# c a condition, n an exponent or a shift, w x as a matrix, k places, m and F the framework.
MADE: list[tuple[list[str], str]] = [
    (NUMBERS, "x + y; x * y; x + 1; x * 2; x / y; x ** 2; x ** 3"),
    (SIGNED, "x - y; -x; m.abs(x); m.sign(x)"),
    (NUMBERS, "x // y; x % y; x // 7; x % 7; m.fmod(x, y); m.fmod(x, 7)"),
    (NUMBERS, "m.div(x, y, rounding_mode='floor'); m.div(x, y, rounding_mode='trunc')"),
    (NUMBERS, "m.div(x, 7, rounding_mode='trunc')"),
    (FLOATS, "x ** 0.5; x ** -1; p ** 1.7; p ** y; 1.5 ** x"),
    (INTEGERS, "x ** n; x << n; x >> n; x << 3; x >> 3"),
    (EVERY, "x == y; x < y; x >= 1; x != 0"),
    ([*INTEGERS, "bool"], "x & y; x | y; x ^ y; ~x"),
    (EVERY, "m.logical_and(x, y); m.logical_or(x, y); m.logical_xor(x, y); m.logical_not(x)"),
    (EVERY, "m.where(c, x, y); m.where(c, x, 0); x.masked_fill(c, 0)"),
    (FLOATS, "m.isnan(x); m.isinf(x); m.isfinite(x); m.nan_to_num(x)"),
    (FLOATS, "m.round(x); m.floor(x); m.ceil(x); m.trunc(x); m.frac(x)"),
    (NUMBERS, "x.clamp(-1, 1); x.clamp(min=0); m.maximum(x, y); m.minimum(x, y)"),
    (FLOATS, "m.fmax(x, y); m.lerp(x, y, 0.3); m.copysign(x, y)"),
    (FLOATS, "m.addcmul(x, x, y, value=2); m.addcdiv(x, x, y)"),
    (FLOATS, "m.exp(x); m.exp2(x); m.expm1(x); m.sin(x); m.cos(x); m.tan(x); m.sinh(x); m.cosh(x)"),
    (FLOATS, "m.tanh(x); m.atan(x); m.asinh(x); m.erf(x); m.sigmoid(x); m.square(x)"),
    (FLOATS, "m.reciprocal(x); m.sinc(x); m.deg2rad(x); m.sqrt(p); m.rsqrt(p)"),
    (FLOATS, "m.log(p); m.log2(p); m.log10(p); m.log1p(p); m.acosh(p + 1)"),
    (FLOATS, "m.asin(u); m.acos(u); m.atanh(u); m.erfinv(u); m.logit(u)"),
    (FLOATS, "m.atan2(x, y); m.hypot(x, y); m.xlogy(x, p); m.logaddexp(x, y)"),
    (EVERY, "; ".join(f"x.to(m.{to})" for to in EVERY)),
    (NUMBERS, "x.sum(); w.sum(0); w.sum(1); w.prod(1); x.max(); x.min(); w.amax(0); w.amax(1)"),
    (NUMBERS, "w.min(1); w.max(0); w.argmax(1); w.argmin(1)"),
    (EVERY, "x.any(); x.all(); w.any(1); w.all(0); m.count_nonzero(x)"),
    (FLOATS, "x.mean(); w.mean(0); w.mean(1); w.var(0); w.std(1); x.norm(); w.norm(dim=1)"),
    (FLOATS, "w.norm(1, 1); w.logsumexp(1); m.nansum(w, 1)"),
    (NUMBERS, "w.cumsum(1); w.cumsum(0); w.cumprod(1); w.cummax(1)"),
    (["float32", "float64"], "m.quantile(w, 0.3, 1)"),
    (["float32", "int64"], "w.median(1); w.mode(1)"),
    (MOVED, "w.flip(0); w.flip(1); w.roll(3, 1); w.tile(2, 2); w.repeat(1, 2); w.tril(); w.triu()"),
    (MOVED, "w.clone(); w.t().contiguous(); m.cat([w, w], 1); m.stack([w, w]); m.zeros_like(x)"),
    (["float32"], "m.full((1000, 1000), 3); m.zeros(1000, 1000); m.ones(1000, 1000); m.eye(1000)"),
    (["float32"], "m.arange(1000000); m.linspace(0., 1., 1000000)"),
    (["int64"], "F.one_hot(k, 100)"),
]
CALLS = {text: types for types, texts in MADE for text in texts.split("; ")}


def arguments(m: Any, device: str, dtype: str) -> dict[str, Any]:
    """What the calls are of."""
    draw = np.random.default_rng(7)
    is_whole, is_signed = dtype in INTEGERS or dtype == "bool", dtype in SIGNED

    def tensor(x: Any, dtype: str = dtype) -> Any:
        return m.from_numpy(x).to(getattr(m, dtype)).to(device)

    x = draw.integers(-100 if is_signed else 0, 101, N) if is_whole else draw.normal(0, 3, N)
    y = draw.integers(1, 51, N) if is_whole else draw.uniform(0.5, 5, N)
    if is_signed:
        y *= draw.choice([-1, 1], N)
    given = {"x": x, "y": y, "p": draw.uniform(0.1, 10, N), "u": draw.uniform(0.01, 0.99, N)}
    found = {name: tensor(value) for name, value in given.items()}
    found |= {"n": tensor(draw.integers(0, 6, N)), "w": found["x"].reshape(ROWS, -1)}
    found["c"] = tensor(draw.integers(0, 2, N), "bool")
    return found | {"k": tensor(draw.integers(0, 100, N // 100), "int64"), "m": m}


def measure(framework: str, calls: dict[str, list[str]], threads: int) -> dict[str, Any]:
    """Seconds of the best call, or why there is none."""
    name, device = FRAMEWORKS[framework]
    m, functional = map(importlib.import_module, (framework, name))
    m.set_num_threads(threads)
    clock = time.thread_time if threads == 1 else time.perf_counter
    found: dict[str, Any] = {}
    for dtype in dict.fromkeys(dtype for types in calls.values() for dtype in types):
        given = arguments(m, device, dtype) | {"F": functional}
        for text in [text for text, types in calls.items() if dtype in types]:
            code = compile(text, text, "eval")
            try:
                found[f"{text}: {dtype}"] = best(code, given, clock)
            except (RuntimeError, TypeError, ValueError, AttributeError) as error:
                found[f"{text}: {dtype}"] = f"{type(error).__name__}: {error}"[:200]
    return found


def best(code: Any, given: dict[str, Any], clock: Callable[[], float]) -> float:
    """Seconds of the best of many calls."""
    for _ in range(3):  # compiles, and meets memory that was used before
        eval(code, given)  # noqa: S307  our own text
    least, until = inf, clock() + CALL_S
    while least == inf or clock() < until:
        start = clock()
        eval(code, given)  # noqa: S307  our own text
        least = min(least, clock() - start)
    return least


def run(framework: str, given: argparse.Namespace) -> dict[str, Any]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--child", framework, "--threads", str(given.threads)]
    command += ["--only", given.only, "--dtypes", given.dtypes]
    env = os.environ | {f"{part}_NUM_THREADS": str(given.threads) for part in THREADS}
    env |= {"RUSHLIGHT_DEVICE": "numba"}
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def chosen(given: argparse.Namespace) -> dict[str, list[str]]:
    """The calls that are asked for."""
    words, dtypes = given.only.split(","), given.dtypes.split(",")
    return {
        text: [dtype for dtype in types if not given.dtypes or dtype in dtypes]
        for text, types in CALLS.items()
        if any(word in text for word in words)
    }


def main() -> None:
    """Measure both and compare, or one as a child."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="calls whose text has one of these words")
    parser.add_argument("--dtypes", default="")
    parser.add_argument("--below", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--child", default="", choices=["", *FRAMEWORKS])
    given = parser.parse_args()
    if given.child:
        print(json.dumps(measure(given.child, chosen(given), given.threads)))
        return
    ours, theirs = (run(framework, given) for framework in FRAMEWORKS)
    beside = {}
    for name, time_s in ours.items():
        if isinstance(time_s, str) or isinstance(theirs[name], str):
            print(f"{name}: ours {time_s}, PyTorch's {theirs[name]}")
        else:
            beside[name] = theirs[name] / time_s
    print("| | ours, us | PyTorch's, us | x |\n|---|---|---|---|")
    for name, ratio in sorted(beside.items(), key=lambda item: item[1]):
        if ratio < given.below:
            print(f"| `{name}` | {ours[name] * 1e6:.0f} | {theirs[name] * 1e6:.0f} | {ratio:.2f} |")
    mean = exp(sum(map(log, beside.values())) / max(1, len(beside)))
    slower = sum(ratio < 1 for ratio in beside.values())
    print(f"\n{len(beside)} calls, geometric mean {mean:.2f} x, {slower} below 1.0")


if __name__ == "__main__":
    main()
