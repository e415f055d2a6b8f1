"""Kernels written in numba's Python: compiled once per machine, and kept as object code.

Only what compiles imports numba, which takes half a second.  A kernel is a function of pointers and
numbers: it indexes memory as a list, and calls functions of its own module and of Python's
builtins.  It makes no arrays, raises nothing, and starts no threads.  What it writes by one pointer
it reaches by no other.  Knows no kernel.
"""

from __future__ import annotations

import functools
import hashlib
import re
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from types import FunctionType
from typing import Any

from rushlight.extend import BackendUnavailable

from ..codegen import cache
from ..codegen.llvm import MADE_BY, emitted, load

Pointer = Any  # to elements of one type: x[i], without any check of i
Function = Callable[..., None]

# Element types that its arithmetic has; half-width floats are bits to it.
NUMBERS = frozenset("uint8 uint32 int8 int16 int32 int64 float32 float64".split())
LLVM = {f"{sign}int{bits}": f"i{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
LLVM |= {"float32": "float", "float64": "double"}
# What may be left for the loader to find: memory that is set or copied.
OUTSIDE = re.compile(r"declare .*@(?!llvm\.|memset|memcpy|memmove)([\w.$]+)")


class Jitted:
    """A kernel for arguments of these types: a `Code`.

    function: of one argument per word of its block, of the chunk's number, and, if `scratch` is its
    type, of scratch memory.  types: those of its words; element types of numpy, with a star for a
    pointer.  constants: what names of the function's module mean in its code:
    numbers, or functions of that module.
    """

    def __init__(
        self,
        function: Function,
        *types: str,
        scratch: str | None = None,
        constants: Mapping[str, int | Callable[..., Any]] | None = None,
    ) -> None:
        self.function, self.types, self.scratch = function, types, scratch
        self.constants = constants or {}
        named = {name: getattr(x, "__name__", x) for name, x in sorted(self.constants.items())}
        name, source = function.__name__, source_of(function.__module__)
        self.key = f"{source} {name}({', '.join(types)}; {scratch}) {named}"
        self.name = f"{name}_{hashlib.sha256(self.key.encode()).hexdigest()[:24]}"

    def address(self) -> int:
        """Of the function, compiled and loaded."""
        key = cache.key(MADE_BY, version("numba"), source_of(__name__), self.key)
        code = cache.kept(key, lambda: emitted(self.text(), keep=self.name))
        return load(code, [self.name])[self.name]

    def text(self) -> str:
        """LLVM's text of the function and of what hands it the words of its block."""
        scratch = () if self.scratch is None else (self.scratch,)
        inner, text = compiled(self.function, (*self.types, "int64", *scratch), self.constants)
        assert not OUTSIDE.search(text), f"{self.name} calls {OUTSIDE.findall(text)}"
        lines = ["%nothing = alloca ptr"]  # numba's functions write there that they have no result
        given = ["ptr %nothing", "ptr %nothing"]
        for i, kind in enumerate(map(llvm_type, self.types)):
            lines.append(f"%p{i} = getelementptr i64, ptr %words, i64 {i}")
            lines.append(f"%w{i} = load {kind}, ptr %p{i}")
            given.append(f"{kind} %w{i}")
        given += ["i64 %chunk", *(["ptr %scratch"] if scratch else [])]
        lines += [f"call i32 @{inner}({', '.join(given)})", "ret void"]
        body = "\n".join(lines)
        return f"""{text}
define void @{self.name}(ptr %words, i64 %chunk, ptr %scratch) {{
{body}
}}
"""


def llvm_type(name: str) -> str:
    """LLVM's name of an element type, or of a pointer."""
    if name.endswith("*"):
        return "ptr"
    return LLVM[name]


@functools.cache
def source_of(module: str) -> str:
    """The digest of a module's source text."""
    found = sys.modules[module].__file__
    assert found is not None
    return hashlib.sha256(Path(found).read_bytes()).hexdigest()


def compiled(
    function: Function, types: tuple[str, ...], constants: Mapping[str, Any]
) -> tuple[str, str]:
    """A function compiled by numba: its name, and LLVM's text of it and of all that it calls.

    Raises: BackendUnavailable if numba is there, but refuses to be imported.
    """
    try:
        from numba.core import compiler as numba_compiler, types as numba_types
        from numba.core.registry import CPUDispatcher, cpu_target
    except ImportError as error:  # numba's own words: which numpy it wants
        raise BackendUnavailable(
            f"numba cannot be imported: {error}; run: pip install --upgrade rushlight-numba, or "
            f"use the device numpy"
        ) from error

    compiler: Any = numba_compiler  # says nothing of its types
    elements: Any = numba_types

    def numba_type(name: str) -> Any:
        element = getattr(elements, name.rstrip("*"))
        return elements.CPointer(element) if name.endswith("*") else element

    # the module's own functions, and what the constants call so, are inlined where they are called
    scope = {**function.__globals__, **constants}
    helpers = {name: x for name, x in scope.items() if isinstance(x, FunctionType)}
    options = {"nopython": True, "error_model": "numpy"}
    for name, x in helpers.items():
        if x.__module__ == function.__module__:
            scope[name] = CPUDispatcher(FunctionType(x.__code__, scope, x.__name__), {}, options)
    flags = compiler.Flags()
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = flags.noalias = True
    flags.error_model = "numpy"
    made = compiler.compile_extra(
        cpu_target.typing_context,
        cpu_target.target_context,
        FunctionType(function.__code__, scope, function.__name__),
        tuple(map(numba_type, types)),
        elements.void,
        flags,
        {},
    )
    return made.fndesc.llvm_func_name, made.library.get_llvm_str()
