"""The backend: numpy's arrays, programs as native code, the reference's kernels for small arrays.

Knows how core asks for a program and for kernels; what these become is `program`'s and `eager`'s.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rushlight.extend import FusionPolicy, HostBackend

if TYPE_CHECKING:
    from rushlight.extend import Fused, LoopNest, MemoryStats, Operation

LANES = 16  # elements of float32 in one instruction of AVX-512; LLVM splits vectors where fewer fit


class NumbaBackend(HostBackend):
    """One device, `numba`: all processors of the host, its arrays in numpy's memory.

    workers: how many threads a program may use; see `rushlight.set_num_threads`.
    """

    name = "numba"
    protocol = (1, 0)
    compiles = True
    policy = FusionPolicy(epilogues=True, lanes=LANES)
    # Composites that are native code whole, beside the primitives that no nest computes.
    whole = frozenset(
        "conv conv.vjp conv_transpose conv_transpose.vjp round "
        "cumsum cumprod cummax max_pool max_pool.fwd max_pool.vjp sum_pool fold remainder "
        "argselect middle searchsorted".split()
    )

    def __init__(self) -> None:
        from .eager import kernels

        super().__init__()
        self.workers = processors()
        self.stated = self.self_checking  # what these refuse, the kernels in their place refuse too
        self.kernels = {**self.kernels, **kernels(self, self.kernels)}

    def keeps(self, op: str, inputs: Sequence[Any], params: Sequence[Any]) -> bool:
        """Attention whose scores are many: blocks of them stay in cache."""
        asks_mask = op == "attention.vjp" and params[2][3]  # its gradient is all of the scores
        if not op.startswith("attention") or asks_mask:
            return False
        from .kernels.attention import is_large

        q, k = inputs[-6:][:2] if op.endswith(".vjp") else inputs[:2]
        return is_large(q.dtype, q.shape, k.shape[-2], params[0])

    def memory(self, index: int) -> MemoryStats:
        """Of arrays of at least `memory.LARGE` bytes that native code made; numpy counts none."""
        from .memory import stats

        return stats()

    def threads(self, n: int) -> None:
        from .codegen.cache import LOGGER
        from .pool import pool

        pool().threads(n)
        self.workers = pool().limit
        if self.workers < n:
            told = "rushlight: set_num_threads: %d; the device numba uses %d"
            LOGGER.warning(told, n, self.workers)

    def kernel_of(self, op: Operation) -> Callable[..., Any]:
        """A program of the composite for each kind of arguments."""
        from .eager import Programs

        return Programs(self, op.name, None)

    def compile(self, program: Fused) -> Callable[..., list[Any]] | None:
        """The program as one native call; None where core shall run it step by step."""
        from .program import link

        return link(program, self.workers)

    def compile_nest(self, nest: LoopNest) -> Callable[..., None] | None:
        """One function that runs every nest of this text; None if there is none."""
        from .function import function_of

        return function_of(nest, lambda: self.workers)


def processors() -> int:
    """How many processors this process may run on, from 1."""
    if hasattr(os, "sched_getaffinity"):  # a container or taskset may allow fewer than there are
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
