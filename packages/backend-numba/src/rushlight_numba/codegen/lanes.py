"""Arithmetic on the lanes of a vector, or on one scalar: each operation appends instructions.

Knows an element type and how it lies in memory; nothing of nests, loops over rows, or functions
beyond arithmetic (those are `mathematics`).
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from rushlight.extend import DType

from .llvm import Fn, Operand, f32, f64

CONTRACT = "contract"  # what LLVM may do to arithmetic on elements: a * b + c in one rounding
REASSOCIATE = "reassoc contract"  # and to sums of whole vectors: any order


Typed = tuple[str, Operand]  # an argument of a call


class Form(NamedTuple):
    """An element type in LLVM: how it lies in memory, what it is in a register, and its kind.

    kind: f floating, i signed, u unsigned, b bool.
    """

    held: str
    element: str
    kind: str


FORMS = {
    "bool": Form("i8", "i1", "b"),
    "int8": Form("i8", "i8", "i"),
    "int16": Form("i16", "i16", "i"),
    "int32": Form("i32", "i32", "i"),
    "int64": Form("i64", "i64", "i"),
    "uint8": Form("i8", "i8", "u"),
    "uint32": Form("i32", "i32", "u"),
    "bfloat16": Form("i16", "float", "f"),
    "float16": Form("half", "float", "f"),
    "float32": Form("float", "float", "f"),
    "float64": Form("double", "double", "f"),
}
WIDTH = {"i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "half": 16, "float": 32, "double": 64}


def overloaded(ty: str) -> str:
    """A type as it stands in the name of an intrinsic: <16 x float> is v16f32."""
    if not ty.startswith("<"):
        return ty if ty[0] == "i" else f"f{WIDTH[ty]}"
    n, _, element = ty.strip("<>").split(" ")
    return f"v{n}{overloaded(element)}"


class Lanes:
    """Values of one element type, `n` at a time; n == 1 is a scalar.

    An operand is the name of a register (or a constant's text) of type `ty`; what compares gives
    one of type `truth`.  float16 and bfloat16 are float32 in registers: `load` widens them, `store`
    and `round` round.  NaN: `maximum`, `minimum` and reductions by max give it on, comparisons with
    it are false.  Integers wrap around.

    contract: a * b + c may be rounded once.
    """

    def __init__(self, fn: Fn, n: int, dtype: DType, *, contract: bool = True) -> None:
        self.fn = fn
        self.n = n
        self.dtype = dtype
        self.flags = CONTRACT if contract else ""
        self.held, self.element, self.kind = FORMS[dtype.name]
        self.ty = self.vector(self.element)
        self.truth = self.vector("i1")
        self.bits = self.vector(f"i{WIDTH[self.element]}")  # integers as wide as the elements

    # types and constants

    def vector(self, element: str) -> str:
        """The type of `n` elements."""
        return f"<{self.n} x {element}>" if self.n > 1 else element

    def repeated(self, element: str, value: Operand) -> str:
        """A constant in all lanes."""
        return f"splat ({element} {value})" if self.n > 1 else str(value)

    def constant(self, value: float) -> str:
        """A number of the element type in all lanes; float16 and bfloat16 round it."""
        if self.kind == "b":
            return self.repeated("i1", "true" if value else "false")
        if self.kind != "f":
            return self.repeated(self.element, int(value))
        return self.literal(float(np.asarray(value).astype(self.dtype)))

    def literal(self, value: float) -> str:
        """A floating constant as precise as a register."""
        text = f64(value) if self.element == "double" else f32(value)
        return self.repeated(self.element, text)

    def integer(self, value: int) -> str:
        """A constant of type `bits`."""
        return self.repeated(f"i{WIDTH[self.element]}", value)

    def splat(self, scalar: Operand, element: str | None = None) -> str:
        """A scalar of type `element`, this one's unless given, in all lanes."""
        if self.n == 1:
            return str(scalar)
        ty = self.vector(element or self.element)
        one = self.fn.op(f"insertelement {ty} poison, {element or self.element} {scalar}, i32 0")
        return self.fn.op(
            f"shufflevector {ty} {one}, {ty} poison, <{self.n} x i32> zeroinitializer"
        )

    def ramp(self, start: Operand, step: Operand) -> str:
        """start + step * lane, of scalars that are i64."""
        fn = self.fn
        if self.n == 1:
            return self.truncated(start)
        lane = ", ".join(f"{self.element} {i}" for i in range(self.n))
        steps = fn.op(f"mul {self.ty} {self.splat(self.truncated(step))}, <{lane}>")
        return fn.op(f"add {self.ty} {self.splat(self.truncated(start))}, {steps}")

    def truncated(self, scalar: Operand) -> str:
        """An i64 as this integer type."""
        if self.element == "i64":
            return str(scalar)
        return self.fn.op(f"trunc i64 {scalar} to {self.element}")

    def tail(self, left: Operand) -> str:
        """A mask of the lanes below `left`, an i64."""
        lane = ", ".join(f"i32 {i}" for i in range(self.n))
        fewer = self.splat(self.fn.op(f"trunc i64 {left} to i32"), "i32")
        return self.fn.op(f"icmp slt <{self.n} x i32> <{lane}>, {fewer}")

    # arithmetic

    def op(self, name: str, *operands: str) -> str:
        """An instruction on values of this type."""
        return self.fn.op(f"{name} {self.ty} {', '.join(operands)}")

    def intrinsic(self, name: str, *operands: str, flags: str = "") -> str:
        """A function of LLVM that takes and gives values of this type."""
        args = [(self.ty, x) for x in operands]
        return self.fn.call(self.ty, f"llvm.{name}.{overloaded(self.ty)}", *args, flags=flags)

    def either(self, floating: str, integer: str, boolean: str, *operands: str) -> str:
        """One of three instructions, by the kind of the element type."""
        name = f"{floating} {self.flags}" if self.kind == "f" else integer
        return self.op(boolean if self.kind == "b" else name, *operands)

    def add(self, x: str, y: str) -> str:
        """x + y; of bools, or."""
        return self.either("fadd", "add", "or", x, y)

    def sub(self, x: str, y: str) -> str:
        """x - y."""
        return self.either("fsub", "sub", "xor", x, y)

    def mul(self, x: str, y: str) -> str:
        """x * y; of bools, and."""
        return self.either("fmul", "mul", "and", x, y)

    def div(self, x: str, y: str) -> str:
        """x / y, of floating types."""
        return self.op("fdiv", x, y)

    def quotient(self, x: str, y: str) -> str:
        """x / y of finite numbers, float32's within 2 ulp: an estimate and a Newton step."""
        return self.op("fdiv arcp ninf contract", x, y)

    def fma(self, x: str, y: str, z: str) -> str:
        """x * y + z in one rounding."""
        return self.intrinsic("fma", x, y, z)

    def neg(self, x: str) -> str:
        """-x."""
        return self.op("fneg", x) if self.kind == "f" else self.op("sub", self.constant(0), x)

    def abs(self, x: str) -> str:
        """|x|; of the least integer, itself."""
        if self.kind == "f":
            return self.intrinsic("fabs", x)
        if self.kind != "i":
            return x
        name = f"llvm.abs.{overloaded(self.ty)}"
        return self.fn.call(self.ty, name, (self.ty, x), ("i1", "false"))

    def sqrt(self, x: str) -> str:
        """The square root, correctly rounded."""
        return self.intrinsic("sqrt", x)

    def floor(self, x: str) -> str:
        """The largest whole number that is not above x."""
        return self.intrinsic("floor", x) if self.kind == "f" else x

    def larger(self, x: str, y: str) -> str:
        """The larger of two floating numbers; y if either is NaN: one instruction."""
        return self.where(self.compare("ogt", x, y), x, y)

    def smaller(self, x: str, y: str) -> str:
        """The smaller of two floating numbers; y if either is NaN: one instruction."""
        return self.where(self.compare("olt", x, y), x, y)

    def maximum(self, x: str, y: str) -> str:
        """The larger; NaN if either is."""
        if self.kind == "f":
            return self.where(self.compare("uno", x, x), x, self.larger(x, y))
        return self.op("or", x, y) if self.kind == "b" else self.extreme("max", x, y)

    def minimum(self, x: str, y: str) -> str:
        """The smaller; NaN if either is."""
        if self.kind == "f":
            return self.where(self.compare("uno", x, x), x, self.smaller(x, y))
        return self.op("and", x, y) if self.kind == "b" else self.extreme("min", x, y)

    def extreme(self, which: str, x: str, y: str) -> str:
        """The `max` or `min` of integers."""
        return self.intrinsic(("u" if self.kind == "u" else "s") + which, x, y)

    # comparisons and bits

    def compare(self, condition: str, x: str, y: str) -> str:
        """A comparison of floating numbers by LLVM's name: olt is false for NaN, ult true."""
        return self.op(f"fcmp {condition}", x, y)

    def equal(self, x: str, y: str) -> str:
        """x == y."""
        return self.compare("oeq", x, y) if self.kind == "f" else self.op("icmp eq", x, y)

    def less(self, x: str, y: str) -> str:
        """x < y."""
        if self.kind == "f":
            return self.compare("olt", x, y)
        return self.op("icmp slt" if self.kind == "i" else "icmp ult", x, y)

    def bitwise_and(self, x: str, y: str) -> str:
        """x & y."""
        return self.op("and", x, y)

    def bitwise_or(self, x: str, y: str) -> str:
        """x | y."""
        return self.op("or", x, y)

    def bitwise_xor(self, x: str, y: str) -> str:
        """x ^ y."""
        return self.op("xor", x, y)

    def bitwise_not(self, x: str) -> str:
        """~x; of bools, not."""
        return self.op("xor", x, self.constant(1 if self.kind == "b" else -1))

    def right_shift(self, x: str, y: str) -> str:
        """x >> y of integers, which is x / 2 ** y without the fraction: towards -infinity."""
        return self.op("ashr" if self.kind == "i" else "lshr", x, y)

    def where(self, condition: str, x: str, y: str) -> str:
        """x where the condition (of type `truth`) holds, else y."""
        return self.fn.select(condition, self.ty, x, y, self.truth)

    def any(self, condition: str) -> str:
        """An i1: whether it holds in some lane."""
        if self.n == 1:
            return condition
        name = f"llvm.vector.reduce.or.{overloaded(self.truth)}"
        return self.fn.call("i1", name, (self.truth, condition))

    def as_bits(self, x: str) -> str:
        """The same bits as integers of type `bits`."""
        return self.fn.op(f"bitcast {self.ty} {x} to {self.bits}")

    def from_bits(self, x: str) -> str:
        """And back."""
        return self.fn.op(f"bitcast {self.bits} {x} to {self.ty}")

    def on_bits(self, name: str, x: str, y: str | int) -> str:
        """An instruction on integers of type `bits`; a number stands for a constant."""
        y = self.integer(y) if isinstance(y, int) else y
        return self.fn.op(f"{name} {self.bits} {x}, {y}")

    # reductions

    def neutral(self, how: str) -> str:
        """What a `sum`, `prod` or `max` begins with."""
        if how != "max":
            return self.constant(0 if how == "sum" else 1)
        if self.kind == "f":
            return self.repeated(self.element, f64(-math.inf))
        return self.constant(np.iinfo(self.dtype).min if self.kind == "i" else 0)

    def merged(self, how: str, x: str, y: str) -> str:
        """One step of a `sum`, `prod` or `max`."""
        return {"sum": self.add, "prod": self.mul, "max": self.maximum}[how](x, y)

    def reduced(self, how: str, x: str) -> str:
        """The scalar that all lanes make."""
        if self.n == 1:
            return x
        if self.kind != "f":
            names = {"sum": "or", "prod": "and", "max": "or"}
            if self.kind != "b":
                names = {"sum": "add", "prod": "mul", "max": "smax"}
                names["max"] = "umax" if self.kind == "u" else "smax"
            return self.across(names[how], x)
        if how == "max":
            return self.largest(x, self.compare("ord", x, x))
        # -0 leaves the sign of a sum of -0 alone
        start = f64(-0.0) if how == "sum" else f64(1.0)
        name = "fadd" if how == "sum" else "fmul"
        return self.across(name, x, (self.element, start), flags=REASSOCIATE)

    def across(self, name: str, x: str, *before: tuple[str, str], flags: str = "") -> str:
        """One of LLVM's reductions of a vector."""
        name = f"llvm.vector.reduce.{name}.{overloaded(self.ty)}"
        return self.fn.call(self.element, name, *before, (self.ty, x), flags=flags)

    def largest(self, x: str, numbers: str) -> str:
        """The largest lane of floating ones; NaN if one is, where the mask `numbers` is false."""
        found = x
        if self.n > 1:
            found = self.across("fmax", x, flags="nnan")
            name = f"llvm.vector.reduce.and.{overloaded(self.truth)}"
            numbers = self.fn.call("i1", name, (self.truth, numbers))
        return self.fn.select(numbers, self.element, found, f64(math.nan))

    # memory

    @functools.cached_property
    def align(self) -> int:
        """Bytes of one element in memory."""
        return WIDTH[self.held] // 8

    def widened(self, x: str) -> str:
        """What lay in memory as a value."""
        if self.kind == "b":
            return self.fn.op(f"icmp ne {self.vector('i8')} {x}, {self.repeated('i8', 0)}")
        if self.held == "half":
            return self.fn.op(f"fpext {self.vector('half')} {x} to {self.ty}")
        if self.dtype.name == "bfloat16":
            wide = self.fn.op(f"zext {self.vector('i16')} {x} to {self.bits}")
            return self.from_bits(self.on_bits("shl", wide, 16))
        return x

    def narrowed(self, x: str) -> str:
        """A value as it lies in memory, rounded to nearest even where that is narrower."""
        if self.kind == "b":
            return self.fn.op(f"zext {self.ty} {x} to {self.vector('i8')}")
        if self.held == "half":
            return self.fn.op(f"fptrunc {self.ty} {x} to {self.vector('half')}")
        if self.dtype.name == "bfloat16":
            high = self.on_bits("lshr", self.as_bits(self.bfloat16(x)), 16)
            return self.fn.op(f"trunc {self.bits} {high} to {self.vector('i16')}")
        return x

    def bfloat16(self, x: str) -> str:
        """x rounded to 8 bits of mantissa; a quiet NaN stays one."""
        bits = self.as_bits(x)
        odd = self.on_bits("and", self.on_bits("lshr", bits, 16), 1)
        up = self.on_bits("add", self.on_bits("add", bits, 0x7FFF), odd)
        nan = self.on_bits("or", bits, 0x400000)
        number = self.compare("uno", x, x)
        kept = self.fn.select(number, self.bits, nan, up, self.truth)
        return self.from_bits(self.on_bits("and", kept, 0xFFFF0000 - 2**32))

    def round(self, x: str) -> str:
        """A value as a store and a load would return it."""
        if self.dtype.name == "bfloat16":
            return self.bfloat16(x)
        return self.widened(self.narrowed(x)) if self.held == "half" else x

    def load(self, pointer: str, mask: str | None = None) -> str:
        """Contiguous elements; where the mask is false nothing is read, and the value is 0."""
        ty = self.vector(self.held)
        if mask is None:
            return self.widened(self.fn.load(ty, pointer, self.align))
        name = f"llvm.masked.load.{overloaded(ty)}.p0"
        args: list[Typed] = [
            ("ptr", pointer),
            ("i32", self.align),
            (self.truth, mask),
            (ty, "zeroinitializer"),
        ]
        return self.widened(self.fn.call(ty, name, *args))

    def store(
        self, value: str, pointer: str, mask: str | None = None, *, nontemporal: bool = False
    ) -> None:
        """Write contiguous elements; `nontemporal` ones past the caches, aligned to the vector."""
        ty = self.vector(self.held)
        held = self.narrowed(value)
        if mask is None:
            align = min(64, self.align * self.n) if nontemporal else self.align
            self.fn.store(ty, held, pointer, align, nontemporal=nontemporal)
            return
        name = f"llvm.masked.store.{overloaded(ty)}.p0"
        args: list[Typed] = [(ty, held), ("ptr", pointer), ("i32", self.align), (self.truth, mask)]
        self.fn.call("void", name, *args)

    def addresses(self, pointer: str, stride: Operand) -> str:
        """Addresses of elements `stride` apart."""
        fn = self.fn
        lane = ", ".join(f"i64 {i}" for i in range(self.n))
        steps = fn.op(f"mul <{self.n} x i64> {self.splat(stride, 'i64')}, <{lane}>")
        return fn.op(f"getelementptr {self.held}, ptr {pointer}, <{self.n} x i64> {steps}")

    def gather(self, pointer: str, stride: Operand, mask: str | None = None) -> str:
        """Elements `stride` apart; where the mask is false nothing is read."""
        if self.n == 1:
            return self.load(pointer)
        return self.picked(self.addresses(pointer, stride), mask)

    def picked(self, addresses: str, mask: str | None = None) -> str:
        """Elements wherever they lie; where the mask is false nothing is read."""
        if self.n == 1:
            return self.load(addresses)
        ty = self.vector(self.held)
        name = f"llvm.masked.gather.{overloaded(ty)}.v{self.n}p0"
        args: list[Typed] = [(f"<{self.n} x ptr>", addresses), ("i32", self.align)]
        args += [(self.truth, mask or self.repeated("i1", "true")), (ty, "zeroinitializer")]
        return self.widened(self.fn.call(ty, name, *args))

    def scatter(self, value: str, pointer: str, stride: Operand, mask: str | None = None) -> None:
        """Write elements `stride` apart."""
        if self.n == 1:
            self.store(value, pointer)
        else:
            self.put(value, self.addresses(pointer, stride), mask)

    def places(self, pointer: str, away: str) -> str:
        """Addresses of elements so far from a pointer, i64s."""
        ty = "i64" if self.n == 1 else f"<{self.n} x i64>"
        return self.fn.op(f"getelementptr {self.held}, ptr {pointer}, {ty} {away}")

    def put(self, value: str, addresses: str, mask: str | None = None) -> None:
        """Write elements wherever they lie, all apart."""
        if self.n == 1:
            self.store(value, addresses)
            return
        ty = self.vector(self.held)
        name = f"llvm.masked.scatter.{overloaded(ty)}.v{self.n}p0"
        args: list[Typed] = [(ty, self.narrowed(value)), (f"<{self.n} x ptr>", addresses)]
        args += [("i32", self.align), (self.truth, mask or self.repeated("i1", "true"))]
        self.fn.call("void", name, *args)

    # conversion

    def cast(self, x: str, source: Lanes) -> str:
        """x, a value of `source`, in this type, as numpy's astype.

        A number becomes True if it is not 0; a fraction loses its digits; an integer wraps.
        """
        if self.kind == "b":
            return self.as_truth(x, source)
        if source.kind == "f":
            return self.from_floating(x, source)
        widen = "sext" if source.kind == "i" else "zext"
        if self.kind == "f":
            name = "sitofp" if source.kind == "i" else "uitofp"
            return self.round(self.fn.op(f"{name} {source.ty} {x} to {self.ty}"))
        less = WIDTH[self.element] - WIDTH[source.element]
        if not less:
            return x
        return self.fn.op(f"{widen if less > 0 else 'trunc'} {source.ty} {x} to {self.ty}")

    def as_truth(self, x: str, source: Lanes) -> str:
        """Whether x is not 0; NaN is not."""
        if source.kind == "f":
            return source.compare("une", x, source.constant(0))
        return x if source.kind == "b" else source.op("icmp ne", x, source.constant(0))

    def from_floating(self, x: str, source: Lanes) -> str:
        """A floating number in this type, which is no bool."""
        if self.kind != "f":
            return self.whole(x, source)
        if self.element == source.element:
            return self.round(x)
        if self.element == "double":
            return self.fn.op(f"fpext {source.ty} {x} to {self.ty}")
        if self.held == "half":  # rounded once: first to odd, which leaves the second rounding free
            return self.round(self.to_odd(x, source))
        return self.round(self.fn.op(f"fptrunc {source.ty} {x} to {self.ty}"))

    def to_odd(self, x: str, source: Lanes) -> str:
        """A float64 as the float32 towards 0, its last bit set if that is not exact.

        Source: Boldo, Melquiond 2008, "Emulation of FMA and correctly rounded sums", theorem 3.
        """
        near = self.fn.op(f"fptrunc {source.ty} {x} to {self.ty}")
        back = self.fn.op(f"fpext {self.ty} {near} to {source.ty}")
        beyond = source.compare("ogt", source.abs(back), source.abs(x))
        inexact = source.compare("one", back, x)
        step = self.fn.op(f"zext {self.truth} {beyond} to {self.bits}")
        odd = self.fn.op(f"zext {self.truth} {inexact} to {self.bits}")
        bits = self.on_bits("sub", self.as_bits(near), step)
        return self.from_bits(self.on_bits("or", bits, odd))

    def whole(self, x: str, source: Lanes) -> str:
        """A floating number without its digits, wrapped as x86 does; NaN as the least int32."""
        wide = self.element == "i64"
        through = self.vector("i64" if wide else "i32")
        least = -(2**63) if wide else -(2**31)
        name = self.dtype.name
        high = None
        if name == "uint32":  # the upper half by way of the lower
            high = source.compare("oge", x, source.literal(-least))
            x = source.where(high, source.sub(x, source.literal(-least)), x)
        fits = source.compare("olt", source.abs(x), source.literal(-least))
        exact = self.fn.op(f"fptosi {source.ty} {x} to {through}")
        element = "i64" if wide else "i32"
        found = self.fn.select(fits, through, exact, self.repeated(element, least), self.truth)
        if high is not None:
            flip = self.repeated("i32", least)
            turned = self.fn.op(f"xor {through} {found}, {flip}")
            found = self.fn.select(high, through, turned, found, self.truth)
        if self.element in ("i64", "i32"):
            return found
        return self.fn.op(f"trunc {through} {found} to {self.ty}")
