"""Memory of arrays: that of large ones is kept for the next, since fresh pages cost more than sums.

Knows neither programs nor tensors.  A large array owns a block of the `cache`, by numpy's protocol
of allocators; with the last view of the array, in whatever thread, its block is free again.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from rushlight.extend import DType, MemoryStats, OutOfMemory, Shape

from . import builtin
from .builtin import Block, block, field, is_null
from .codegen.llvm import Fn, add_symbol, native

LARGE = 1 << 10  # bytes from which an array has a block; what is smaller, numpy keeps itself
ALIGNED = 64  # bytes of a line of cache; a block has one before it, with the address of its size
KEPT_SHARE = 4  # at most one part of so many of the machine's memory is kept free
CONTAINER = Path("/sys/fs/cgroup/memory.max")  # of control groups, version 2
BYTE = np.dtype(np.uint8)

# Words of a cache, of a size, and of a kind of arrays.  SIZE is 0 where numpy keeps their memory
# itself; HELD is how many references there are to one that a new one may replace.
USED, PEAK, TAKEN, MOST, CLEAR = range(5)
FREE, N_BYTES, CACHE, MORE = range(4)
SIZE, DTYPE, AXES, EXTENTS, HANDLER, CLASS, HELD = range(7)


class NoRoom(OutOfMemory, MemoryError):
    """The system has no memory left; core says for what, where it knows."""


# ---- native functions, all of which run while Python's lock is held


def take() -> Fn:
    """A free block of a size, and the first word of it is where the next one lies.

    Null if there is none to be had, and Python's error is set.
    """
    f = Fn("rushlight_take", "ptr %size", result="ptr")
    free, cache = f.gep("%size", FREE, "i64"), f.arg("%size", CACHE, "ptr")
    look, more, on = f.fresh("look"), f.fresh("more"), f.fresh("on")
    f.jump(look)
    f.label(look)  # again: another thread of Python may have taken what was made
    found = f.load("ptr", free)
    f.branch(is_null(f, found), more, on)
    f.label(more)
    made = f.call("ptr", "PyObject_CallNoArgs", ("ptr", f.arg("%size", MORE, "ptr")))
    with f.when(is_null(f, made)):
        f.give("null")
    builtin.dropped(f, made)
    f.jump(look)
    f.label(on)
    f.store("ptr", f.load("ptr", found), free)
    at = f.gep(cache, USED, "i64")
    used = f.add(f.load("i64", at), f.arg("%size", N_BYTES))
    f.store("i64", used, at)
    f.store("i64", f.imax(used, f.arg(cache, PEAK)), f.gep(cache, PEAK, "i64"))
    f.give(found)
    return f


def release() -> Fn:
    """Free a block, as numpy asks; clear the cache if more is free than it may keep."""
    f = Fn("rushlight_release", "ptr %cache, ptr %data, i64 %count")
    size = field(f, "%data", -ALIGNED)
    f.store("ptr", f.arg(size, FREE, "ptr"), "%data")
    f.store("ptr", "%data", f.gep(size, FREE, "i64"))
    used = f.sub(f.arg("%cache", USED), f.arg(size, N_BYTES))
    f.store("i64", used, f.gep("%cache", USED, "i64"))
    kept = f.sub(f.arg("%cache", TAKEN), used)
    with f.when(f.icmp("sgt", kept, f.arg("%cache", MOST))):
        error = f.alloca("ptr", 3)
        parts = [("ptr", f.gep(error, i, "ptr")) for i in range(3)]
        f.call("void", "PyErr_Fetch", *parts)
        done = f.call("ptr", "PyObject_CallNoArgs", ("ptr", f.arg("%cache", CLEAR, "ptr")))
        with f.when(is_null(f, done)):
            f.call("void", "PyErr_Clear")
        with f.when(f.op(f"icmp ne ptr {done}, null")):
            builtin.dropped(f, done)
        f.call("void", "PyErr_Restore", *[("ptr", f.load("ptr", at)) for _, at in parts])
    return f


def refuse() -> Fn:
    """What numpy asks of an allocator besides: no block grows, none is for other arrays."""
    f = Fn("rushlight_refuse", "ptr %cache, ptr %data, i64 %count", result="ptr")
    f.give("null")
    return f


def new_array() -> Fn:
    """An array of undefined values of a kind; null with Python's error set if there is no room."""
    f = Fn("rushlight_new_array", "ptr %kind", result="ptr")
    size, dtype, extents, handler, kind = (
        f.arg("%kind", word, "ptr") for word in (SIZE, DTYPE, EXTENTS, HANDLER, CLASS)
    )
    axes = f.op(f"trunc i64 {f.arg('%kind', AXES)} to i32")
    data, own = f.alloca("ptr"), f.op(f"icmp ne ptr {size}, null")
    f.store("ptr", "null", data)
    with f.when(own):
        f.store("ptr", f.call("ptr", "rushlight_take", ("ptr", size)), data)
        with f.when(is_null(f, f.load("ptr", data))):
            f.give("null")
    builtin.held(f, dtype)  # the array takes it over
    lies = f.load("ptr", data)
    array = f.call(
        "ptr", "PyArray_NewFromDescr", ("ptr", kind), ("ptr", dtype), ("i32", axes),
        ("ptr", extents), ("ptr", "null"), ("ptr", lies),
        ("i32", f.op(f"select i1 {own}, i32 {builtin.DENSE}, i32 0")), ("ptr", "null"),
    )  # fmt: skip
    with f.when(own):
        with f.when(is_null(f, array)):
            words = f.arg(size, CACHE, "ptr")
            f.call("void", "rushlight_release", ("ptr", words), ("ptr", lies), ("i64", 0))
            f.give("null")
        flags = f.gep(array, builtin.FLAGS, "i8")
        f.store("i32", f.op(f"or i32 {f.load('i32', flags)}, {builtin.OWNS_DATA}"), flags)
        builtin.held(f, handler)
        f.store("ptr", handler, f.gep(array, builtin.HANDLER, "i8"))
    f.give(array)
    return f


def new() -> Fn:
    """`new_array` of the kind that the builtin has."""
    f = builtin.function("rushlight_new")
    f.give(f.call("ptr", "rushlight_new_array", ("ptr", builtin.words_of(f, "%self"))))
    return f


def heir_of() -> Fn:
    """The array that is given, if it has a block and is held as its kind says; else a new one."""
    f = builtin.function("rushlight_heir")
    words, given = builtin.words_of(f, "%self"), f.load("ptr", "%args")
    count = f.op(f"zext i32 {field(f, given, builtin.REFERENCES, 'i32')} to i64")
    sole = f.icmp("eq", count, f.arg(words, HELD))
    ours = f.op(f"icmp eq ptr {field(f, given, builtin.HANDLER)}, {f.arg(words, HANDLER, 'ptr')}")
    with f.when(f.op(f"and i1 {sole}, {ours}")):
        builtin.held(f, given)
        f.give(given)
    f.give(f.call("ptr", "rushlight_new_array", ("ptr", words)))
    return f


def pop() -> Fn:
    """The address of a free block of a size, which is the cache's no more; 0 if there is none."""
    f = builtin.function("rushlight_pop")
    size = builtin.words_of(f, "%self")
    found, cache = f.arg(size, FREE, "ptr"), f.arg(size, CACHE, "ptr")
    with f.when(f.op(f"icmp ne ptr {found}, null")):
        f.store("ptr", f.load("ptr", found), f.gep(size, FREE, "i64"))
        taken = f.sub(f.arg(cache, TAKEN), f.arg(size, N_BYTES))
        f.store("i64", taken, f.gep(cache, TAKEN, "i64"))
    f.give(f.call("ptr", "PyLong_FromSsize_t", ("i64", f.op(f"ptrtoint ptr {found} to i64"))))
    return f


def push() -> Fn:
    """Make a block at an address free; the address."""
    f = builtin.function("rushlight_push")
    size, given = builtin.words_of(f, "%self"), f.load("ptr", "%args")
    cache = f.arg(size, CACHE, "ptr")
    address = f.call("i64", "PyLong_AsSsize_t", ("ptr", given))
    data = f.op(f"inttoptr i64 {address} to ptr")
    f.store("ptr", size, f.gep(data, -ALIGNED, "i8"))
    f.store("ptr", f.arg(size, FREE, "ptr"), data)
    f.store("ptr", data, f.gep(size, FREE, "i64"))
    taken = f.add(f.arg(cache, TAKEN), f.arg(size, N_BYTES))
    f.store("i64", taken, f.gep(cache, TAKEN, "i64"))
    builtin.held(f, given)
    f.give(given)
    return f


@functools.cache
def functions() -> dict[str, int]:
    """The addresses of these; code that is loaded from now on may call them."""
    builtin.interfaces()
    at = native([take(), release(), refuse(), new_array(), new(), heir_of(), pop(), push()])
    for name, address in at.items():
        add_symbol(name, address)
    return at


# ---- what Python holds


class _Allocator(ctypes.Structure):
    """What numpy reads of an allocator (NEP 49)."""

    _fields_ = (
        ("name", ctypes.c_char * 127),
        ("version", ctypes.c_uint8),
        *[(name, ctypes.c_void_p) for name in ("cache", "malloc", "calloc", "realloc", "free")],
    )


class Cache:
    """Blocks that are free, by their size in bytes.  It stays until the process ends.

    No locks: what native code changes, it changes while it has Python's.
    """

    def __init__(self, most_bytes: int) -> None:
        self.words = block(0, 0, 0, most_bytes, self.clear)
        self.sizes: dict[int, Block] = {}
        self.memory: dict[int, Any] = {}  # of each block, by its address
        at = functions()
        refused, released = at["rushlight_refuse"], at["rushlight_release"]
        self.allocator = _Allocator(
            b"rushlight", 1, self.words.address, refused, refused, refused, released
        )
        capsule = ctypes.pythonapi.PyCapsule_New
        capsule.argtypes = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p
        capsule.restype = ctypes.py_object
        self.name = ctypes.c_char_p(b"mem_handler")
        self.handler = capsule(ctypes.addressof(self.allocator), self.name, None)
        builtin.for_good(self)  # arrays may outlive all else

    @property
    def most_bytes(self) -> int:
        """That are kept free."""
        return int(self.words[MOST])

    @property
    def used_bytes(self) -> int:
        """That arrays have."""
        return int(self.words[USED])

    @property
    def peak_bytes(self) -> int:
        """That they had at most."""
        return int(self.words[PEAK])

    @property
    def taken_bytes(self) -> int:
        """From the system, used or free."""
        return int(self.words[TAKEN])

    def size(self, n_bytes: int) -> Block:
        """The words of blocks of at least so many bytes."""
        n_bytes = rounded(n_bytes)
        if n_bytes not in self.sizes:
            made = block(0, n_bytes, self.words, partial(self.more, n_bytes))
            self.sizes.setdefault(n_bytes, made)  # another thread may have made it meanwhile
        return self.sizes[n_bytes]

    def kind(self, shape: Shape, dtype: DType, references: int = 0) -> Block:
        """What `new_array` reads, of arrays of this kind, and `heir_of`."""
        n_bytes = prod(shape) * dtype.itemsize
        size = self.size(n_bytes) if n_bytes >= LARGE else None
        extents = np.array([*shape], np.int64)
        return block(size, dtype, len(shape), extents, self.handler, builtin.ARRAY, references)

    def source(self, shape: Shape, dtype: DType) -> Callable[[], Any]:
        """A function that makes arrays of undefined values; it raises NoRoom."""
        return builtin.builtin("new", functions()["rushlight_new"], self.kind(shape, dtype))

    def more(self, n_bytes: int) -> None:
        """Take a block from the system, if need be once all that is free went back to it."""
        try:
            memory = np.empty(n_bytes + 2 * ALIGNED, BYTE)
        except MemoryError:
            self.clear()
            try:
                memory = np.empty(n_bytes + 2 * ALIGNED, BYTE)
            except MemoryError:
                raise NoRoom(
                    f"memory: no room for {n_bytes:.3g} bytes beside the {self.used_bytes:.3g} of "
                    f"arrays on numba; use smaller ones, or let go of some"
                ) from None
        address = -(-memory.ctypes.data // ALIGNED) * ALIGNED + ALIGNED
        self.memory[address] = memory
        builtin.builtin("push", functions()["rushlight_push"], self.sizes[n_bytes])(address)

    def clear(self) -> None:
        """Give the system what is free."""
        for size in [*self.sizes.values()]:
            popped = builtin.builtin("pop", functions()["rushlight_pop"], size)
            while address := popped():
                del self.memory[address]


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
    return cache.source(shape, dtype)


def empty(shape: Shape, dtype: DType) -> Any:
    """An array of undefined values.  Raises: OutOfMemory."""
    return source(shape, dtype)()


def heir(shape: Shape, dtype: DType, references: int) -> Callable[[Any], Any]:
    """A function of an array of this kind, which is to be replaced: memory for its successor.

    It is that array, if it has a block and so many references to it are counted; else a new one.
    The function raises OutOfMemory.
    """
    words = cache.kind(shape, dtype, references)
    return builtin.builtin("heir", functions()["rushlight_heir"], words)


def stats() -> MemoryStats:
    """What arrays hold, and held at most: those of at least LARGE bytes that native code made.

    What numpy's kernels make, and what came from numpy, is not counted.
    """
    return MemoryStats(cache.used_bytes, cache.peak_bytes, cache.taken_bytes, machine_bytes())
