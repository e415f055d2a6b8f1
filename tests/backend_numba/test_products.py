"""Products end in their epilogue, equal numpy's in float64, and touch nothing else."""

import ctypes
import functools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from rushlight_numba import products
from rushlight_numba.codegen.llvm import Fn, native

GUARD = 64  # elements around memory that nobody may touch


def copy_block(ty: str) -> Fn:
    """Epilogue of four loops: C[b0, b1, i, j] = block[i, j]; its own copy counts the blocks.

    args: address of C, its four strides, address of counters.
    """
    f = Fn(f"copy_{ty}", "ptr %args, ptr %ranges, ptr %scratch")
    c, counts = f.arg("%args", 0, "ptr"), f.arg("%args", 5, "ptr")
    strides = [f.arg("%args", 1 + d) for d in range(4)]
    ends = [(f.arg("%ranges", 2 * d), f.arg("%ranges", 2 * d + 1)) for d in range(4)]
    copy, block = f.arg("%ranges", 8), f.arg("%ranges", 9, "ptr")
    row = f.arg("%ranges", 10)
    count = f.gep(counts, copy, "i64")
    f.store("i64", f.add(f.load("i64", count), 1), count)
    with (
        f.loop(*ends[0]) as b0,
        f.loop(*ends[1]) as b1,
        f.loop(*ends[2]) as i,
        f.loop(*ends[3]) as j,
    ):
        at = f.add(f.mul(f.sub(i, ends[2][0]), row), f.sub(j, ends[3][0]))
        to = [f.mul(x, s) for x, s in zip((b0, b1, i, j), strides, strict=True)]
        x = f.load(ty, f.gep(block, at, ty))
        f.store(ty, x, f.gep(c, functools.reduce(f.add, to), ty))
    return f


@functools.cache
def code(dtype: Any, lanes: int) -> tuple[Any, Any, int]:
    """Callables of pack_b and gemm, and the address of the epilogue."""
    epilogue = copy_block({4: "float", 8: "double"}[dtype.itemsize])
    at = native([*products.functions(dtype, lanes), epilogue])
    record = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
    pack, gemm = (record(at[name]) for name in products.entry_points(dtype, lanes))
    return pack, gemm, at[epilogue.name]


class Guarded:
    """Memory full of NaN, 64-byte aligned, between guards that must keep theirs."""

    def __init__(self, size_bytes: int) -> None:
        room = size_bytes + 2 * GUARD * 8 + 64
        self.raw = np.full(room // 8 + 1, np.nan)
        self.start = -(-(self.raw.ctypes.data + GUARD * 8) // 64) * 64 - self.raw.ctypes.data
        self.end = self.start + size_bytes
        self.address = self.raw.ctypes.data + self.start
        self.before = self.raw.view(np.uint8).copy()

    def view(self, dtype: Any, shape: tuple[int, ...]) -> Any:
        flat = self.raw.view(np.uint8)[self.start : self.end].view(dtype)
        return flat[: math.prod(shape)].reshape(shape)

    def is_intact(self) -> bool:
        now = self.raw.view(np.uint8)
        same = now == self.before
        return bool(same[: self.start].all() and same[self.end :].all())


def words(values: Any) -> Any:
    return np.array(values, np.int64)


def strides(x: Any) -> tuple[int, ...]:
    return tuple(s // x.itemsize for s in x.strides)


def product(a: Any, b: Any, lanes: int = 16, cut: Any = None, **needs: Any) -> tuple[Any, Any]:
    """(A B computed by chunks in reverse order, how many blocks each copy has seen)."""
    dtype = a.dtype
    extents = (*a.shape[:-1], b.shape[-1])
    p = products.plan(extents, a.shape[-1], strides(a), strides(b), dtype, lanes=lanes, **needs)
    if cut is not None:
        p = cut(p)
    pack, gemm, nest = code(dtype, lanes)
    panels = Guarded(p.pack.bytes if p.pack else 0)
    c, scratch = Guarded(math.prod(extents) * dtype.itemsize), Guarded(p.scratch_bytes)
    result = c.view(dtype, extents)
    counts = np.zeros(p.copies, np.int64)
    missing = 4 - len(extents)
    nest_arguments = words([c.address, *(0,) * missing, *strides(result), counts.ctypes.data])
    if p.pack:
        pack_words = p.pack.words._replace(source=b.ctypes.data, panels=panels.address)
        pack_arguments = words(pack_words)
        for chunk in reversed(range(p.pack.chunks)):
            pack(pack_arguments.ctypes.data, chunk, 0)
    gemm_words = p.words._replace(
        a=a.ctypes.data,
        b=panels.address if p.pack else b.ctypes.data,
        nest=nest,
        nest_arguments=nest_arguments.ctypes.data,
        skip=0,
    )
    arguments = words(gemm_words)
    for chunk in reversed(range(p.chunks)):
        gemm(arguments.ctypes.data, chunk, scratch.address)
    assert panels.is_intact()
    assert c.is_intact()
    assert scratch.is_intact()
    assert counts.sum() == p.chunks
    return result.copy(), counts


def agrees(got: Any, a: Any, b: Any) -> bool:
    """Within the error of k roundings of sums of absolute products."""
    wide, other = a.astype(np.float64), b.astype(np.float64)
    exact = wide @ other
    bound = np.abs(wide) @ np.abs(other) * (a.shape[-1] + 2) * np.finfo(a.dtype).eps
    return bool((np.abs(got - exact) <= bound).all())


def normal(*shape: int, dtype: Any = np.float32) -> Any:
    return np.random.default_rng(math.prod(shape)).standard_normal(shape).astype(dtype)


@pytest.mark.parametrize("n", [1, 6, 7, 63, 64, 100, 256])
def test_square(n: int) -> None:
    a, b = normal(n, n), normal(n, n + 1)
    got, _ = product(a, b)
    assert agrees(got, a, b)
