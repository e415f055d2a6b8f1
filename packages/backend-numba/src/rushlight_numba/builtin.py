"""Functions that Python calls and LLVM compiled, with no argument converted on the way.

Knows the C interfaces of CPython and of numpy; nothing of programs.  Such a function is
`PyObject *f(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names)`; `self` is
a `Block`, whose words say all that it shall know.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy._core import _multiarray_umath  # type: ignore[attr-defined]  # not in its stubs

from .codegen.llvm import Fn, Operand, add_symbol

PARAMETERS = "ptr %self, ptr %args, i64 %count, ptr %names"
FAST_WITH_NAMES = 0x80 | 0x02  # METH_FASTCALL | METH_KEYWORDS
OBJECT_BYTES = object.__basicsize__
# Fields of an array, in bytes; those of any object precede them.
DATA, AXES, EXTENTS, STRIDES = (OBJECT_BYTES + 8 * i for i in range(4))
DTYPE, FLAGS, HANDLER = (OBJECT_BYTES + 8 * i for i in (5, 6, 9))
TYPE, REFERENCES = OBJECT_BYTES - 8, OBJECT_BYTES - 16  # of any object; of the count, 32 bits
CODE = OBJECT_BYTES + 9  # of a type, one character
OWNS_DATA = 0x4
DENSE = 0x1 | 0x100 | 0x400  # in order, aligned, may be written
NEW_FROM_DESCR = 94  # among numpy's functions
ARRAY = id(np.ndarray)

_PYTHON = (
    "Py_IncRef Py_DecRef PyObject_Vectorcall PyObject_CallNoArgs PyObject_RichCompareBool "
    "PyErr_Clear PyErr_Fetch PyErr_Restore PyTuple_New PyTuple_SetItem PyLong_FromSsize_t "
    "PyLong_AsSsize_t PyLong_AsLongLongAndOverflow PyList_GetItem PyEval_SaveThread "
    "PyEval_RestoreThread"
).split()


class Block(np.ndarray[Any, np.dtype[np.int64]]):
    """Words that native code reads, and the objects that they point at, which it keeps."""

    __slots__ = ("kept",)
    kept: list[Any]

    @property
    def address(self) -> int:
        """Of its first word."""
        return int(self.ctypes.data)


def block(*words: Any) -> Block:
    """Words: integers; the elements' addresses of arrays; those of any other objects; None is 0."""
    made = np.zeros(max(len(words), 1), np.int64).view(Block)
    made.kept = []
    for i, word in enumerate(words):
        put(made, i, word)
    return made


def put(words: Block, i: int, word: Any) -> None:
    """Write one of the words of a block."""
    if isinstance(word, (int, np.integer)):
        words[i] = word
    elif word is not None:
        words[i] = word.ctypes.data if isinstance(word, np.ndarray) else id(word)
        words.kept.append(word)


class _Method(ctypes.Structure):
    """What CPython reads of a builtin."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("text", ctypes.c_char_p),
    )


_methods: dict[tuple[str, int], _Method] = {}  # kept, as are the builtins' names


def builtin(name: str, function: int, words: Block) -> Callable[..., Any]:
    """The native function at an address as one of Python's."""
    method = _methods.get((name, function))
    if method is None:
        ours = _Method(name.encode(), function, FAST_WITH_NAMES, None)
        method = _methods.setdefault((name, function), ours)  # another thread's, if it was first
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.argtypes = ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p
    make.restype = ctypes.py_object
    made: Callable[..., Any] = make(ctypes.addressof(method), words, None)
    return made


def misplaced() -> list[str]:
    """The fields of an array that this numpy, on this Python, has elsewhere; none in those known.

    Native code reads and writes these places, so this is asked before any of it runs.
    """
    x = np.empty((3, 8), np.float32)[:, ::2]
    owners = np.empty(3), np.empty(5)

    def number(offset: int) -> int:
        return ctypes.c_int32.from_address(id(x) + offset).value

    def word(offset: int, of: Any = x) -> int:
        return ctypes.c_ssize_t.from_address(id(of) + offset).value

    def pair(offset: int) -> tuple[int, ...]:
        return tuple((ctypes.c_ssize_t * 2).from_address(word(offset)))

    first = {"dimensions": number(AXES) == x.ndim, "data": word(DATA) == x.ctypes.data}
    if not all(first.values()):  # then nobody knows what the pointers are
        return [name for name, is_there in first.items() if not is_there]
    before = number(REFERENCES)
    more = [x, x]
    handlers = [word(HANDLER, owner) for owner in owners]
    there = {
        "shape": pair(EXTENTS) == x.shape,
        "strides": pair(STRIDES) == x.strides,
        "dtype": word(DTYPE) == id(x.dtype),
        "type's character": ctypes.string_at(id(x.dtype) + CODE, 1) == x.dtype.char.encode(),
        "flags": number(FLAGS) == x.flags.num,
        "type": word(TYPE) == ARRAY,
        "references": number(REFERENCES) == before + len(more),
        "allocator": handlers[0] == handlers[1] != 0 == word(HANDLER),  # of a view there is none
    }
    return [name for name, is_there in there.items() if not is_there]


def for_good(x: Any) -> None:
    """Keep an object until the process ends, later than Python frees what it holds."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(x))


@functools.cache
def interfaces() -> Mapping[str, int]:
    """The addresses of functions that native code may call by name, from now on."""
    found = {name: getattr(ctypes.pythonapi, name) for name in _PYTHON}
    at = {name: ctypes.cast(x, ctypes.c_void_p).value or 0 for name, x in found.items()}
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.argtypes, pointer.restype = (ctypes.py_object, ctypes.c_char_p), ctypes.c_void_p
    start = pointer(_multiarray_umath._ARRAY_API, None) + 8 * NEW_FROM_DESCR
    at["PyArray_NewFromDescr"] = ctypes.c_void_p.from_address(start).value or 0
    for name, address in at.items():
        add_symbol(name, address)
    return at


def function(name: str) -> Fn:
    """Begin a native function that is to be a builtin."""
    return Fn(name, PARAMETERS, result="ptr")


def field(f: Fn, pointer: str, offset: Operand, ty: str = "ptr") -> str:
    """What lies so many bytes behind an address."""
    return f.load(ty, f.gep(pointer, offset, "i8"))


def words_of(f: Fn, array: str) -> str:
    """The elements of an array."""
    return field(f, array, DATA)


def is_null(f: Fn, pointer: str) -> str:
    """An i1."""
    return f.op(f"icmp eq ptr {pointer}, null")


def held(f: Fn, pointer: str) -> None:
    """Take a reference."""
    f.call("void", "Py_IncRef", ("ptr", pointer))


def dropped(f: Fn, pointer: str) -> None:
    """Give a reference back, unless the pointer is null, which refers to no object."""
    f.call("void", "Py_DecRef", ("ptr", pointer))
