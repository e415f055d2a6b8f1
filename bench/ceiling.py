"""What the machine can do in several threads: multiply and add float32, and move large arrays.

Both are loops of native code, and no library's.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import numpy as np
from llvmlite import binding
from rows import aligned

LENGTH = 1 << 26  # 256 MB an array: three of them are more than the caches hold
REPEATS = 5
LANES = 16  # of a vector, which is several registers where they are shorter
VECTOR = f"<{LANES} x float>"
CHAINS = 12  # of vectors that do not wait for each other
TURNS = 20_000_000  # of the loop, about 50 ms


def best_s(run: Callable[[], object]) -> float:
    """The shortest of some runs, after one that warms up."""
    run()
    found = []
    for _ in range(REPEATS):
        start = perf_counter()
        run()
        found.append(perf_counter() - start)
    return min(found)


def gflops(threads: int) -> float:
    """Of multiplying and adding in registers, in 10^9 of both a second."""
    turn = function("chains", chains(), ctypes.c_void_p, ctypes.c_int64)
    vectors = [np.full(CHAINS * LANES, 0.5, np.float32) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        least_s = best_s(lambda: list(pool.map(lambda x: turn(x.ctypes.data, TURNS), vectors)))
    return threads * 2 * CHAINS * LANES * TURNS / least_s / 1e9


def gbytes(threads: int) -> float:
    """Of sums of arrays, stored past the caches, in 10^9 bytes read or written a second."""
    add = function("added", added(), *[ctypes.c_void_p] * 3, ctypes.c_int64)
    arrays = [aligned(np.ones(LENGTH, np.float32)) for _ in range(3)]
    part = LENGTH // threads // LANES  # in vectors
    starts = [[x[i * part * LANES :].ctypes.data for x in arrays] for i in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        least_s = best_s(lambda: list(pool.map(lambda at: add(*at, part), starts)))
    return 3 * threads * part * LANES * arrays[0].itemsize / least_s / 1e9


def loop(parameters: str, before: list[str], carried: list[str], body: list[str]) -> list[str]:
    """LLVM's text of a function's start and of its loop, for %i from 0 to %n."""
    return [
        f"({parameters}, i64 %n) {{",
        "start:",
        *before,
        "br label %loop",
        "loop:",
        "%i = phi i64 [0, %start], [%next, %loop]",
        *carried,
        *body,
        "%next = add i64 %i, 1",
        "%more = icmp slt i64 %next, %n",
        "br i1 %more, label %loop, label %done",
        "done:",
    ]


def chains() -> str:
    """x = x * x + x, for some vectors x that are read before and stored after."""
    every = range(CHAINS)
    before, fma = [], f"@llvm.fma.v{LANES}f32"
    for i in every:
        before.append(f"%p{i} = getelementptr {VECTOR}, ptr %at, i64 {i}")
        before.append(f"%x{i} = load {VECTOR}, ptr %p{i}, align 4")
    carried = [f"%y{i} = phi {VECTOR} [%x{i}, %start], [%z{i}, %loop]" for i in every]
    body = [f"%z{i} = call {VECTOR} {fma}({', '.join([f'{VECTOR} %y{i}'] * 3)})" for i in every]
    after = [f"store {VECTOR} %z{i}, ptr %p{i}, align 4" for i in every]
    declared = f"declare {VECTOR} {fma}({VECTOR}, {VECTOR}, {VECTOR})"
    lines = loop("ptr %at", before, carried, body)
    return "\n".join([declared, "define void @chains", *lines, *after, "ret void", "}"])


def added() -> str:
    """z[i] = x[i] + y[i], of vectors at multiples of their size."""
    align = 4 * LANES
    body = [f"%{x}i = getelementptr {VECTOR}, ptr %{x}, i64 %i" for x in "xyz"]
    body += [f"%{x}v = load {VECTOR}, ptr %{x}i, align {align}" for x in "xy"]
    body.append(f"%zv = fadd {VECTOR} %xv, %yv")
    body.append(f"store {VECTOR} %zv, ptr %zi, align {align}, !nontemporal !0")
    lines = loop("ptr %x, ptr %y, ptr %z", [], [], body)
    return "\n".join(["define void @added", *lines, "ret void", "}", "!0 = !{i32 1}"])


ENGINES: list[binding.ExecutionEngine] = []  # that hold loaded code


def function(name: str, text: str, *types: Any) -> Callable[..., None]:
    """A function of a module's text, compiled and loaded for good."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten()
    )
    engine = binding.create_mcjit_compiler(binding.parse_assembly(text), machine)
    engine.finalize_object()
    ENGINES.append(engine)
    return ctypes.CFUNCTYPE(None, *types)(engine.get_function_address(name))
