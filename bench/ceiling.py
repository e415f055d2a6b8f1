"""What the machine can do in several threads: multiply and add float32, and move large arrays.

Arrays are larger than any cache.  That a line is read before it is written is not counted.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import numpy as np
from llvmlite import binding

LENGTH = 1 << 25  # 128 MB an array
REPEATS = 7
LANES = 16  # of a vector, which is several registers where they are shorter
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
    engine = compiled(chains())
    turn = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(
        engine.get_function_address("chains")
    )
    vectors = [np.full(CHAINS * LANES, 0.5, np.float32) for _ in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        least_s = best_s(lambda: list(pool.map(lambda x: turn(x.ctypes.data, TURNS), vectors)))
    return threads * 2 * CHAINS * LANES * TURNS / least_s / 1e9


def chains() -> str:
    """LLVM's text of a loop over x = x * x + x, for some vectors x that are read and stored."""
    vector = f"<{LANES} x float>"
    lines = [
        f"declare {vector} @llvm.fma.v{LANES}f32({vector}, {vector}, {vector})",
        "define void @chains(ptr %at, i64 %turns) {",
        "start:",
    ]
    for i in range(CHAINS):
        lines.append(f"%p{i} = getelementptr {vector}, ptr %at, i64 {i}")
        lines.append(f"%x{i} = load {vector}, ptr %p{i}, align 4")
    lines += ["br label %loop", "loop:", "%i = phi i64 [0, %start], [%next, %loop]"]
    lines += [f"%y{i} = phi {vector} [%x{i}, %start], [%z{i}, %loop]" for i in range(CHAINS)]
    lines += [
        f"%z{i} = call {vector} @llvm.fma.v{LANES}f32("
        f"{vector} %y{i}, {vector} %y{i}, {vector} %y{i})"
        for i in range(CHAINS)
    ]
    lines += ["%next = add i64 %i, 1", "%more = icmp slt i64 %next, %turns"]
    lines += ["br i1 %more, label %loop, label %done", "done:"]
    lines += [f"store {vector} %z{i}, ptr %p{i}, align 4" for i in range(CHAINS)]
    return "\n".join([*lines, "ret void", "}"])


def compiled(text: str) -> binding.ExecutionEngine:
    """An engine that holds the functions of a module's text."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(), features=binding.get_host_cpu_features().flatten()
    )
    engine = binding.create_mcjit_compiler(binding.parse_assembly(text), machine)
    engine.finalize_object()
    return engine


def gbytes(threads: int) -> float:
    """Of a sum or a copy of arrays, whichever is faster, in 10^9 bytes read or written a second."""
    a, b, c = (np.ones(LENGTH, np.float32) for _ in range(3))
    parts = [slice(LENGTH * i // threads, LENGTH * (i + 1) // threads) for i in range(threads)]

    def added(part: slice) -> None:
        np.add(b[part], c[part], out=a[part])

    def copied(part: slice) -> None:
        np.copyto(a[part], b[part])

    with ThreadPoolExecutor(threads) as pool:
        sum_s, copy_s = (best_s(lambda do=do: list(pool.map(do, parts))) for do in (added, copied))
    return max(3 / sum_s, 2 / copy_s) * a.nbytes / 1e9
