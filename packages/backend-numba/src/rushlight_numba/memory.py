"""Memory of arrays: that of large ones is kept for the next, since fresh pages cost more than sums.

Knows neither programs nor tensors.  A large array lies in a `Lease` of a `Block` of the `cache`;
the lease ends with the last view of the array, in whatever thread, and its block is free again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from rushlight.extend import DType, MemoryStats, OutOfMemory, Shape

LARGE = 1 << 16  # bytes from which an array has a block; what is smaller, malloc keeps itself
ALIGNED = 64  # bytes of a line of cache
KEPT_SHARE = 4  # at most one part of so many of the machine's memory is kept free
CONTAINER = Path("/sys/fs/cgroup/memory.max")  # of control groups, version 2
BYTE = np.dtype(np.uint8)


class NoRoom(OutOfMemory, MemoryError):
    """The system has no memory left; core says for what, where it knows."""


class Block(np.ndarray[Any, np.dtype[np.uint8]]):
    """Memory from the system.  A class of its own, or numpy would not hold the lease between."""

    __slots__ = ("cache", "free")
    cache: Cache
    free: list[Block]  # of its size


class Lease(np.ndarray[Any, np.dtype[np.uint8]]):
    """A block while an array lies in it; a new one each time, since an object ends but once."""

    __slots__ = ()

    def __del__(self) -> None:
        block = self.base
        if type(block) is Block:  # else this is a view or a copy of a lease
            cache = block.cache
            cache.used_bytes -= block.nbytes
            block.free.append(block)
            if cache.taken_bytes - cache.used_bytes > cache.most_bytes:
                cache.clear()  # of sizes that are not asked for any more, it may be


class Cache:
    """Blocks that are free, by their size in bytes.

    No locks, since a lease may end at any instruction, in any thread and in a collection of
    garbage: a list's pop and append, and a sum that is one statement, are whole to CPython.

    most_bytes: so much is kept free at most.  taken_bytes: from the system, used or free.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.free: dict[int, list[Block]] = {}
        self.used_bytes = self.peak_bytes = self.taken_bytes = 0

    def source(self, shape: Shape, dtype: DType) -> Callable[[], Any]:
        """A function that makes arrays of undefined values, of at least LARGE bytes.

        It raises NoRoom.
        """
        n_bytes = rounded(prod(shape) * dtype.itemsize)
        free, flat = self.free.setdefault(n_bytes, []), (n_bytes,)
        array, lease = np.ndarray, Lease.__new__

        def make() -> Any:
            try:
                block = free.pop()
            except IndexError:
                block = self.block(n_bytes, free)
            lies = lease(Lease, flat, BYTE, block)
            self.used_bytes += n_bytes
            if self.used_bytes > self.peak_bytes:  # noqa: PLR1730  a call would let others in
                self.peak_bytes = self.used_bytes
            return array(shape, dtype, lies)

        return make

    def block(self, n_bytes: int, free: list[Block]) -> Block:
        """One from the system, if need be once all that is free went back to it."""
        try:
            memory = np.empty(n_bytes + ALIGNED, BYTE)
        except MemoryError:
            self.clear()
            try:
                memory = np.empty(n_bytes + ALIGNED, BYTE)
            except MemoryError:
                raise NoRoom(
                    f"memory: no room for {n_bytes:.3g} bytes beside the {self.used_bytes:.3g} of "
                    f"arrays on numba; use smaller ones, or let go of some"
                ) from None
        start = -memory.ctypes.data % ALIGNED
        block = memory[start : start + n_bytes].view(Block)
        block.cache, block.free = self, free
        self.taken_bytes += n_bytes
        return block

    def clear(self) -> None:
        """Give the system what is free."""
        for n_bytes, blocks in [*self.free.items()]:
            while blocks:
                try:
                    blocks.pop()
                except IndexError:  # another thread took the last
                    break
                self.taken_bytes -= n_bytes


def rounded(n_bytes: int) -> int:
    """A size that others have too: the next of eight between powers of two."""
    step = 1 << max((n_bytes - 1).bit_length() - 4, 6)
    return -(-n_bytes // step) * step


def machine_bytes() -> int:
    """The memory of the machine, or of the container if that is less."""
    n_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # there is none, or its limit is "max"
        return min(n_bytes, int(CONTAINER.read_text()))
    return n_bytes


cache = Cache(machine_bytes() // KEPT_SHARE)


def source(shape: Shape, dtype: DType) -> Callable[[], Any]:
    """A function that makes arrays of undefined values; it raises OutOfMemory."""
    if prod(shape) * dtype.itemsize < LARGE:
        return partial(np.empty, shape, dtype)
    return cache.source(shape, dtype)


def empty(shape: Shape, dtype: DType) -> Any:
    """An array of undefined values.  Raises: OutOfMemory."""
    return source(shape, dtype)()


def stats() -> MemoryStats:
    """What arrays of at least LARGE bytes hold, and held at most."""
    return MemoryStats(cache.used_bytes, cache.peak_bytes, cache.taken_bytes, machine_bytes())


def empty_cache() -> None:
    """Give the system the memory of arrays that are no more."""
    cache.clear()
