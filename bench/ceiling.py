"""What the machine can do: float32 products by numpy, and sums of arrays in several threads.

The sum a = b + c is of arrays that no cache holds, and counts three of them; that a line is read
before it is written is not counted.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter

import numpy as np

SIDE = 1024
LENGTH = 1 << 25  # 128 MB an array
REPEATS = 7


def best_s(run) -> float:
    """The shortest of some runs, after one that warms up."""
    run()
    found = []
    for _ in range(REPEATS):
        start = perf_counter()
        run()
        found.append(perf_counter() - start)
    return min(found)


def gflops() -> float:
    """Of a product of square matrices, in 10^9 multiplications and additions a second."""
    a, b = (np.random.default_rng(0).standard_normal((SIDE, SIDE), np.float32) for _ in range(2))
    z = np.empty_like(a)
    return 2 * SIDE**3 / best_s(lambda: np.matmul(a, b, out=z)) / 1e9


def gbytes(threads: int) -> float:
    """Of sums of arrays, in 10^9 bytes a second."""
    a, b, c = (np.ones(LENGTH, np.float32) for _ in range(3))

    def part(i: int) -> None:
        at = slice(LENGTH * i // threads, LENGTH * (i + 1) // threads)
        np.add(b[at], c[at], out=a[at])

    with ThreadPoolExecutor(threads) as pool:
        return 3 * a.nbytes / best_s(lambda: list(pool.map(part, range(threads)))) / 1e9
