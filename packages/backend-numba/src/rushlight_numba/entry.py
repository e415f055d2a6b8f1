"""The Python function through which a program is called, written for its inputs and outputs.

It does Python's arithmetic on numbers, finds memory for results, and makes the one native call.
Knows nothing of records.  For one array, one number and one result it reads

    def run(v0, n0):
        with lock:
            n1 = n0 * 2
            pack(words, 0, n1)
            a0 = spare0[0]  # memory that nobody else holds
            if count(a0) != alone:
                a0 = spare0[1]
                if count(a0) != alone:
                    a0 = new0()
            arrays = (v0 if v0.flags.c_contiguous else contiguous(v0), a0)
            start(arrays)
            return [a0]

A result that may be written over an input v1, which the caller replaces by it, is that array itself
if the program made it before, no other Python thread runs, and nothing but what is replaced refers
to it:

            a0 = spare0[0]
            if a0 is not v1 or not solo or count(a0) != held:
                (as above)

A program that keeps no memory takes all of it anew, and its inputs as they lie:

    def run(v0, n0):
        with lock:
            n1 = n0 * 2
            pack(words, 0, n1)
            a0 = new0()
            arrays = (v0, a0, arena())
            start(arrays)
            return a0

One of those whose results replace inputs is lent these in a list, and writes over what nobody else
sees:

    def run(given, lent):
        [n0] = given
        [v0] = lent
        with lock:
            a0 = heir0(v0)  # which is v0 if nobody else sees it
            arrays = (v0, a0)
            if not start(arrays, a0 is v0):  # another thread has come to see it
                a0 = new0()
                arrays = (v0, a0)
                start(arrays)
            if head.late:  # what a signal's handler raised meanwhile
                raise head.late.pop()
            return [a0]
"""

from __future__ import annotations

import ctypes
import operator
import os
import struct
import sys
from _thread import _count  # of threads beside the first; `threading` counts its own only
from collections.abc import Callable, Mapping, Sequence
from sys import getrefcount
from threading import RLock
from typing import Any
from weakref import WeakSet

import numpy as np

from rushlight.extend import Access, DType, Fused, Number, Shape, Value, size

from .builtin import REFERENCES
from .layout import is_dense
from .memory import heir, source

FORMATS = {float: "d", int: "Q", bool: "q"}  # of a number's word
WORD = 2**64 - 1


class Spare:
    """Memory for one result: two arrays, or a new one where both are in use.

    A step writes one while the last step's result is still held.  Fresh memory costs more than most
    arithmetic on it: the system clears every page of it.
    """

    def __init__(self, shape: Shape, dtype: DType) -> None:
        self.make = source(shape, dtype)
        self.arrays = [self.make(), self.make()]

    def new(self) -> Any:
        """An array of undefined values, in place of the older of the two."""
        array = self.make()
        self.arrays[:] = [self.arrays[1], array]
        return array


def _references() -> int:
    """How many references the interpreter counts where a list and a variable hold an array."""
    arrays = [np.empty(1)]
    array = arrays[0]
    return getrefcount(array)


def _references_of_input() -> int:
    """The same where besides something else holds the array, whose function is given it."""
    arrays = [np.empty(1)]
    owner = [arrays[0]]

    def run(given: Any) -> int:
        array = arrays[0]
        assert array is given
        return getrefcount(array)

    return run(owner[0])


def _references_of_lent() -> int:
    """The same where two lists hold the array, one of which the function is given."""
    owner = [np.empty(1)]

    def run(lent: list[Any]) -> int:
        [given] = lent
        return getrefcount(given)

    return run([*owner])


def _references_of_shared() -> int:
    """As native code counts them: the same, and of another variable, and a tuple's two."""
    owner = [np.empty(1)]

    def run(lent: list[Any]) -> int:
        [given] = lent
        array = given
        at, arrays = id(array) + REFERENCES, (given, array)
        count = ctypes.c_uint32.from_address(at).value
        del arrays  # until here
        return count

    return run([*owner])


def _tells() -> bool:
    """Whether these counts tell who sees an array."""
    array = np.empty(1)
    at = id(array) + REFERENCES
    before = ctypes.c_uint32.from_address(at).value
    more = [array, array]
    after = ctypes.c_uint32.from_address(at).value
    return after == before + len(more) and bool(getattr(sys, "_is_gil_enabled", lambda: True)())


ALONE = _references()
HELD = _references_of_input()
LENT = _references_of_lent()
SHARED = _references_of_shared()
TELLING = _tells()


def laid_out(fused: Fused, inputs: Mapping[Any, int]) -> dict[Any, Shape]:
    """The buffers that each call makes anew, and the shape in which a result shows them whole."""
    shapes: dict[Any, Shape] = {}
    for value, access in fused.outputs.items():
        if access.buffer not in inputs:
            shapes.setdefault(access.buffer, access.buffer.shape)
            if is_whole(access, value.shape, access.buffer):
                shapes[access.buffer] = value.shape
    return shapes


def is_whole(access: Access, shape: Shape, buffer: Any) -> bool:
    """Whether a result is all of a buffer, in order."""
    is_all = access.offset == 0 and size(shape) == size(buffer.shape)
    return is_all and is_dense(shape, access.strides)


def view(array: Any, access: Access, shape: Sequence[int]) -> Any:
    """A part of an array's memory."""
    n = int(array.itemsize)
    strides = [s * n for s in access.strides]
    return np.ndarray(shape, array.dtype, array, access.offset * n, strides)


_entries: WeakSet[Entry] = WeakSet()


def _unlock() -> None:
    """In the child of a fork: who held a lock did not follow."""
    for entry in _entries:
        entry.scope["lock"] = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)


class Entry:
    """Writes the function.

    fresh: the buffers made at each call and their shapes, in order.  heirs: those of them that may
    be written over an input, and that input.  keeps: memory between calls; else all is new, inputs
    lie as they like, and one result is no list; with heirs, numbers and arrays are given in a list
    each, and results are a list.  arena_bytes: what lives during a call only, if each call has that
    anew too.
    """

    def __init__(
        self,
        fused: Fused,
        fresh: Mapping[Any, Shape],
        numbers: Sequence[tuple[Number, int]],
        words: Any,
        heirs: Mapping[Any, Value] | None = None,
        *,
        keeps: bool = True,
        arena_bytes: int = 0,
    ) -> None:
        self.fused, self.graph = fused, fused.graph
        self.given = [x for x in fused.graph.inputs if isinstance(x, Value)]
        self.fresh, self.numbers, self.words = fresh, numbers, words
        self.heirs = heirs or {}
        self.keeps, self.arena_bytes = keeps, arena_bytes
        self.names: dict[Any, str] = {}
        self.scope: dict[str, Any] = {}

    def name(self, x: Any) -> str:
        """The variable of a value or number; a plain number as it is written."""
        if not isinstance(x, (Value, Number)):
            return repr(x) if abs(x) < float("inf") else f"float({str(x)!r})"
        letter = "n" if isinstance(x, Number) else "v"
        return self.names.setdefault(x, f"{letter}{len(self.names)}")

    def function(
        self,
        start: Callable[..., Any],
        begin: Callable[[Any, dict[Number, Any]], None] | None = None,
        finish: Callable[[], None] | None = None,
    ) -> Callable[..., list[Any]]:
        """The function.  begin and finish surround the native call where it calls Python."""
        inputs = [*map(self.name, self.graph.inputs)]
        names = [*map(self.name, self.given)]
        dense = "{0} if {0}.flags.c_contiguous else contiguous({0})" if self.keeps else "{0}"
        arrays = [dense.format(v) for v in names]
        lines = self.arithmetic()
        lends = bool(self.heirs) and not self.keeps
        if self.heirs and self.keeps:
            lines.append("solo = threads() == 0")
        if lends:
            numbers = [name for name in inputs if name not in names]
            lines[:0] = [f"[{', '.join(numbers)}] = given", f"[{', '.join(names)}] = lent"]
            inputs = ["given", "lent"]
        for i, x in enumerate(self.fresh):
            lines += self.memory(i, x) if self.keeps else self.memory_anew(i, x)
            arrays.append(self.name(x))
        if self.arena_bytes:
            self.scope["arena"] = source((self.arena_bytes,), np.dtype(np.uint8))
            arrays.append("arena()")
        together = f"arrays = ({''.join(f'{array}, ' for array in arrays)})"
        lines.append(together)
        if begin is not None:
            known = ", ".join(f"{self.key(x)}: {n}" for x, n in self.names.items() if n[0] == "n")
            lines.append(f"begin(arrays, {{{known}}})")
        if lends:
            lines += self.written_over(together)
        else:
            lines.append("start(arrays, solo)" if self.heirs else "start(arrays)")
        lines += ["finish()"] if finish is not None else []
        results = ", ".join(map(self.result, self.graph.outputs))
        one = not self.keeps and not lends and len(self.graph.outputs) == 1
        lines.append(f"return {results if one else f'[{results}]'}")
        body = "\n".join(f"        {line}" for line in lines)
        text = f"def run({', '.join(inputs)}):\n    with lock:\n{body}\n"
        self.scope |= {
            "start": start,
            "begin": begin,
            "finish": finish,
            "lock": RLock(),  # a signal's handler may call what it interrupted
            "entry": self,
        }
        _entries.add(self)
        self.scope |= {"count": getrefcount, "alone": ALONE, "held": HELD, "threads": _count}
        self.scope |= {"contiguous": np.ascontiguousarray, "words": self.words, "view": view}
        exec(compile(text, "<rushlight entry>", "exec"), self.scope)  # noqa: S102  our own text
        made: Callable[..., list[Any]] = self.scope["run"]
        return made

    def memory(self, i: int, x: Any) -> list[str]:
        """How a result finds one of its two arrays, or the one that it replaces."""
        spare, array = Spare(self.fresh[x], x.dtype), self.name(x)
        self.scope |= {f"spare{i}": spare.arrays, f"new{i}": spare.new}
        lines = [f"{array} = spare{i}[0]"]
        search = [
            f"if count({array}) != alone:",
            f"    {array} = spare{i}[1]",
            f"    if count({array}) != alone:",
            f"        {array} = new{i}()",
        ]
        if x in self.heirs:
            old = self.name(self.heirs[x])
            lines.append(f"if {array} is not {old} or not solo or count({array}) != held:")
            search = [f"    {line}" for line in search]
        return lines + search

    def memory_anew(self, i: int, x: Any) -> list[str]:
        """How a result finds new memory, or that of what it replaces."""
        self.scope[f"new{i}"] = source(self.fresh[x], x.dtype)
        array = self.name(x)
        if x not in self.heirs:
            return [f"{array} = new{i}()"]
        self.scope[f"heir{i}"] = heir(self.fresh[x], x.dtype, LENT)
        return [f"{array} = heir{i}({self.name(self.heirs[x])})"]

    def written_over(self, together: str) -> list[str]:
        """The run that does not take place where another thread has come to see an heir's array."""
        pairs = [f"{self.name(x)} is {self.name(old)}" for x, old in self.heirs.items()]
        new = [f"{self.name(x)} = new{i}()" for i, x in enumerate(self.fresh) if x in self.heirs]
        again = [f"    {line}" for line in (*new, together, "start(arrays)")]
        late = ["if head.late:", "    raise head.late.pop()"]
        return [f"if not start(arrays, {' or '.join(pairs)}):", *again, *late]

    def key(self, x: Any) -> str:
        """A name in the scope for an object."""
        name = f"key_{self.name(x)}"
        self.scope[name] = x
        return name

    def arithmetic(self) -> list[str]:
        """Python's arithmetic, and its results written where native code reads them."""
        lines = []
        for step in self.fused.sums():
            x, y = map(self.name, step.inputs)
            how = step.how
            self.scope[how] = getattr(operator, how)
            lines.append(f"{self.name(step.outputs[0])} = {how}({x}, {y})")
        if self.numbers:
            packed = struct.Struct("=" + "".join(FORMATS[x.kind] for x, _ in self.numbers))
            self.scope["pack"] = packed.pack_into
            lines += self.guarded()
            lines.append(f"pack(words, 0, {', '.join(map(self.word, self.numbers))})")
        return lines

    def guarded(self) -> list[str]:
        """An integer beyond what nests compute with leaves the whole call to the kernels."""
        several = {x for x, which in self.numbers if which}
        single = [self.name(x) for x, _ in self.numbers if x.kind is int and x not in several]
        if not single:
            return []
        self.scope["replay"] = lambda *given: self.graph.program().run(*given)  # made if need be
        beyond = " or ".join(f"not {-(2**63)} <= {n} < {2**63}" for n in single)
        given = ", ".join(map(self.name, self.graph.inputs))
        return [f"if {beyond}:", f"    return replay({given})"]

    def word(self, given: tuple[Number, int]) -> str:
        """An expression of a word of a number; an integer has several, the lowest first."""
        x, which = given
        if x.kind is not int:
            return self.name(x)
        return f"{self.name(x)} >> {64 * which} & {WORD}" if which else f"{self.name(x)} & {WORD}"

    def result(self, x: Any) -> str:
        """How the function returns an output."""
        if not isinstance(x, Value):
            return self.name(x)
        access = self.fused.outputs[x]
        buffer = access.buffer
        shape = self.fresh.get(buffer, buffer.shape)
        held = self.name(buffer) if buffer in self.fresh else f"arrays[{self.given.index(buffer)}]"
        if shape == x.shape and is_whole(access, x.shape, buffer):
            return held
        place = f"at{len(self.scope)}"
        self.scope[place] = access
        return f"view({held}, {place}, {x.shape})"
