"""Text of LLVM's language, one function at a time; its compilation and loading into this process.

Knows nothing of nests, of lanes' arithmetic, or of what a function is for.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import math
import os
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import llvmlite
from llvmlite import binding

from . import cache

Operand = str | int

binding.initialize_native_target()
binding.initialize_native_asmprinter()
CPU: str = binding.get_host_cpu_name()
FEATURES: str = binding.get_host_cpu_features().flatten()
LANES = 16 if "+avx512f" in FEATURES else 8  # 16 float32 fill one register, or two of 4 or 8
# Addresses of 64 bits: of 32 bits, those of constants do not reach from code that LLVM happens to
# place more than two gigabytes away, and it aborts.
MODEL = {"reloc": "static", "codemodel": "large"}
MADE_BY = (
    f"llvmlite {llvmlite.__version__}, LLVM {binding.llvm_version_info}, {CPU}, {FEATURES}, {MODEL}"
)


def f64(x: float) -> str:
    """The float64 constant `x` in LLVM's notation: its bits."""
    return f"0x{struct.unpack('Q', struct.pack('d', x))[0]:016X}"


def f32(x: float) -> str:
    """The float32 nearest `x` in LLVM's notation: the bits of the float64 of the same value."""
    try:
        return f64(struct.unpack("f", struct.pack("f", x))[0])
    except OverflowError:
        return f64(math.copysign(math.inf, x))


class Fn:
    """One function under construction, `void name(parameters)`, or of another `result`.

    Methods append instructions and return the names of their results; an operand is such a name or
    an integer.  Mutable values are `alloca`s, which compilation turns into registers.

    name: unique in what it says, since it names the function in a debugger and a profile.
    parameters: as LLVM writes them, `ptr noalias %args, i64 %chunk`.
    attributes: further ones of the function.  result: its type; every path ends in a `give` then.
    """

    def __init__(
        self, name: str, parameters: str, attributes: str = "", result: str = "void"
    ) -> None:
        self.name = name
        self.parameters = parameters
        self.attributes = attributes
        self.result = result
        self.declarations: dict[str, str] = {}  # of the functions called, by name
        self.block = "start"  # the one being written
        self._places: list[str] = []
        self._lines: list[str] = []
        self._count = 0

    # text

    def fresh(self, hint: str = "v") -> str:
        """A name that nothing has yet: %hint1."""
        self._count += 1
        return f"%{hint}{self._count}"

    def emit(self, line: str) -> None:
        """Append an instruction without a result."""
        self._lines.append(f"  {line}")

    def op(self, text: str) -> str:
        """Append an instruction; the name of its result."""
        name = self.fresh()
        self.emit(f"{name} = {text}")
        return name

    def label(self, name: str) -> None:
        """Begin the block `name`, a result of `fresh`; the one before it has been left."""
        self.block = name.removeprefix("%")
        self._lines.append(f"{self.block}:")

    def text(self) -> str:
        """The whole function."""
        head = f"define {self.result} @{self.name}({self.parameters}) nounwind {self.attributes}"
        end = "  ret void\n}\n" if self.result == "void" else "  unreachable\n}\n"
        return "\n".join([f"{head} {{", "start:", *self._places, *self._lines, end])

    # integers of 64 bits

    def add(self, a: Operand, b: Operand) -> str:
        """a + b."""
        return self.op(f"add i64 {a}, {b}")

    def sub(self, a: Operand, b: Operand) -> str:
        """a - b."""
        return self.op(f"sub i64 {a}, {b}")

    def mul(self, a: Operand, b: Operand) -> str:
        """a * b."""
        return self.op(f"mul i64 {a}, {b}")

    def udiv(self, a: Operand, b: Operand) -> str:
        """a // b, of numbers that are not negative."""
        return self.op(f"udiv i64 {a}, {b}")

    def urem(self, a: Operand, b: Operand) -> str:
        """a % b, of numbers that are not negative."""
        return self.op(f"urem i64 {a}, {b}")

    def imin(self, a: Operand, b: Operand) -> str:
        """The lesser of a and b, signed."""
        return self.call("i64", "llvm.smin.i64", ("i64", a), ("i64", b))

    def imax(self, a: Operand, b: Operand) -> str:
        """The greater of a and b, signed."""
        return self.call("i64", "llvm.smax.i64", ("i64", a), ("i64", b))

    def icmp(self, condition: str, a: Operand, b: Operand) -> str:
        """An i1: whether `a condition b`, with LLVM's eq ne slt sle sgt sge ult ule ugt uge."""
        return self.op(f"icmp {condition} i64 {a}, {b}")

    def select(
        self, condition: Operand, ty: str, a: Operand, b: Operand, condition_type: str = "i1"
    ) -> str:
        """`a` where the condition holds, else `b`."""
        return self.op(f"select {condition_type} {condition}, {ty} {a}, {ty} {b}")

    # memory

    def gep(self, pointer: str, index: Operand, ty: str = "float") -> str:
        """The address of element `index` of type `ty`."""
        return self.op(f"getelementptr {ty}, ptr {pointer}, i64 {index}")

    def load(self, ty: str, pointer: str, align: int | None = None) -> str:
        """What lies at `pointer`; without `align` (bytes) it is as aligned as its type wants."""
        return self.op(f"load {ty}, ptr {pointer}{_aligned(align)}")

    def store(
        self,
        ty: str,
        value: Operand,
        pointer: str,
        align: int | None = None,
        *,
        nontemporal: bool = False,
    ) -> None:
        """Write `value` at `pointer`; `nontemporal` past the caches."""
        hint = ", !nontemporal !0" if nontemporal else ""
        self.emit(f"store {ty} {value}, ptr {pointer}{_aligned(align)}{hint}")

    def arg(self, words: str, index: Operand, ty: str = "i64") -> str:
        """Word `index` of a block of 8-byte words, read as `ty`."""
        return self.load(ty, self.gep(words, index, "i64"))

    def alloca(self, ty: str, count: int | None = None, align: int | None = None) -> str:
        """The address of memory of this call, `count` elements."""
        name = self.fresh("a")
        many = "" if count is None else f", i64 {count}"
        self._places.append(f"  {name} = alloca {ty}{many}{_aligned(align)}")
        return name

    # calls

    def call(self, result: str, name: str, *args: tuple[str, Operand], flags: str = "") -> str:
        """Call the function `name` of arguments (type, value); "" if `result` is void.

        flags: what LLVM may assume of floating point, `contract` or `reassoc contract`.
        """
        types = ", ".join(ty for ty, _ in args)
        values = ", ".join(f"{ty} {value}" for ty, value in args)
        self.declarations[name] = f"declare {result} @{name}({types})"
        text = f"call {flags}{' ' if flags else ''}{result} @{name}({values})"
        if result != "void":
            return self.op(text)
        self.emit(text)
        return ""

    def indirect(self, pointer: str, args: str) -> None:
        """Call the function at an address; `args` as LLVM writes them, `ptr %x, i64 0`."""
        self.emit(f"call void {pointer}({args})")

    # control

    def give(self, value: Operand) -> None:
        """Return `value`; what is emitted next is never reached but by a label."""
        self.emit(f"ret {self.result} {value}")
        self.label(self.fresh("after"))

    def jump(self, label: str) -> None:
        """Leave this block for another."""
        self.emit(f"br label {label}")

    def branch(self, condition: str, yes: str, no: str) -> None:
        """Leave this block for one of two."""
        self.emit(f"br i1 {condition}, label {yes}, label {no}")

    @contextlib.contextmanager
    def loop(self, lo: Operand, hi: Operand, step: Operand = 1) -> Iterator[str]:
        """For i in range(lo, hi, step), of a positive step: what is emitted inside is its body."""
        head, body, latch, done = (self.fresh(x) for x in ("head", "body", "latch", "done"))
        i, following = self.fresh("i"), self.fresh("next")
        before = self.block
        self.jump(head)
        self.label(head)
        self.emit(f"{i} = phi i64 [ {lo}, %{before} ], [ {following}, {latch} ]")
        self.branch(self.icmp("slt", i, hi), body, done)
        self.label(body)
        yield i
        self.jump(latch)
        self.label(latch)
        self.emit(f"{following} = add nsw i64 {i}, {step}")
        self.jump(head)
        self.label(done)

    @contextlib.contextmanager
    def when(self, condition: str) -> Iterator[None]:
        """What is emitted inside happens only if the i1 `condition` holds."""
        yes, no = self.fresh("yes"), self.fresh("no")
        self.branch(condition, yes, no)
        self.label(yes)
        yield
        self.jump(no)
        self.label(no)


def _aligned(align: int | None) -> str:
    return "" if align is None else f", align {align}"


def module(functions: Sequence[Fn]) -> str:
    """One text of all functions; what they call and do not define is declared."""
    called: dict[str, str] = {}
    for function in functions:
        called |= function.declarations
    for function in functions:
        called.pop(function.name, None)
    lines = [called[name] for name in sorted(called)]
    lines += [function.text() for function in functions]
    return "\n".join([*lines, "!0 = !{i32 1}\n"])


@functools.cache
def _machine(level: int) -> binding.TargetMachine:
    return binding.Target.from_default_triple().create_target_machine(
        cpu=CPU, features=FEATURES, opt=level, **MODEL
    )


def _optimise(parsed: binding.ModuleRef) -> None:
    """The five passes that code with explicit vectors needs: half the time of O3, as fast code."""
    tuning = binding.create_pipeline_tuning_options(speed_level=1)
    passes = binding.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.add_new_gvn_pass()
    passes.add_simplify_cfg_pass()
    passes.add_loop_rotate_pass()
    passes.add_instruction_combine_pass()
    passes.run(parsed, binding.create_pass_builder(_machine(2), tuning))


def compile_object(text: str, *, level: int = 2) -> bytes:
    """Object code of a module's text, from the cache on disk when it was made before.

    level: LLVM's effort in generating code, 0 to 3.
    Raises: RuntimeError with LLVM's own message if the text is no module.
    """

    def made() -> bytes:
        parsed = binding.parse_assembly(text)
        parsed.verify()
        _optimise(parsed)
        return bytes(_machine(level).emit_object(parsed))

    return cache.kept(cache.key(MADE_BY, str(level), text), made)


def emitted(text: str, *, keep: str) -> bytes:
    """Object code of a text that is optimised already; of its functions only one can be seen."""
    parsed = binding.parse_assembly(text)
    for x in (*parsed.functions, *parsed.global_variables):
        if not x.is_declaration and x.name != keep:
            x.linkage = "internal"
    parsed.verify()
    return bytes(_machine(3).emit_object(parsed))


class _Loader:
    """The engines that hold loaded code.

    A name means one function per engine, and an engine costs 0.8 ms beside 0.04 ms for an object:
    all objects go into the first one that has none of their names.  Code is never unloaded.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._engines: list[tuple[binding.ExecutionEngine, dict[str, bytes]]] = []

    def load(self, code: bytes, names: Iterable[str]) -> dict[str, int]:
        digest = hashlib.sha256(code).digest()
        names = tuple(names)
        with self._lock:
            engine = self._engine(code, digest, names)
            return {name: engine.get_function_address(name) for name in names}

    def _engine(
        self, code: bytes, digest: bytes, names: tuple[str, ...]
    ) -> binding.ExecutionEngine:
        for engine, held in self._engines:
            holders = {held.get(name) for name in names}
            if holders == {digest}:
                return engine
            if holders == {None}:
                break
        else:
            machine = binding.Target.from_default_triple().create_target_machine(
                cpu=CPU, features=FEATURES, opt=2, **MODEL
            )
            engine = binding.create_mcjit_compiler(binding.parse_assembly(""), machine)
            held = {}
            self._engines.append((engine, held))
        engine.add_object_file(binding.object_file.ObjectFileRef.from_data(code))
        engine.finalize_object()
        held |= dict.fromkeys(names, digest)
        return engine


_LOADER = _Loader()


def _unlock() -> None:
    """In the child of a fork: who loaded code did not follow."""
    _LOADER._lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_unlock)


def load(code: bytes, names: Iterable[str]) -> dict[str, int]:
    """Addresses of functions of an object file, linked into this process for good.

    Loading the same object again costs nothing; another object may use the same names.
    """
    return _LOADER.load(code, names)


def add_symbol(name: str, address: int) -> None:
    """Let code that is loaded from now on call `name`."""
    binding.add_symbol(name, address)


def native(functions: Sequence[Fn], *, level: int = 2) -> dict[str, int]:
    """Compile and load functions that belong together; the address of each by name."""
    names = [function.name for function in functions]
    return load(compile_object(module(functions), level=level), names)


@functools.cache
def _sources() -> str:
    """A digest of this package's text, all of which decides what it writes; empty if it is gone."""
    files = sorted(Path(__file__).parents[1].rglob("*.py"))
    return cache.key(*[file.read_text("utf-8") for file in files]) if files else ""


def written_once(key: str, write: Callable[[], Sequence[Fn]], *, level: int = 2) -> dict[str, int]:
    """`native(write())`, but that nothing is written where this package has done so before.

    key: all that decides what is written, beside the text of this package.
    """
    entry = cache.key(MADE_BY, _sources(), str(level), key)
    told = cache.read(entry) if _sources() else None
    if told is not None:
        place, *names = told.decode().splitlines()
        code = cache.read(place)
        if code is not None:
            return load(code, names)
    functions = write()
    found = native(functions, level=level)
    if _sources():
        place = cache.key(MADE_BY, str(level), module(functions))
        cache.write(entry, "\n".join([place, *found]).encode())
    return found


class Routine(NamedTuple):
    """A native function that is written, compiled and loaded when a program first has it.

    key: its name, which is all that decides what it is.
    """

    key: str
    made: Callable[[], Fn]

    def address(self) -> int:
        """Of the function, compiled and loaded."""
        return written_once(self.key, lambda: [self.made()])[self.key]
