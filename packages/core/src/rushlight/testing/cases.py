"""What every operation is tried on, and what it must refuse: one line each, for all devices and types.

Knows operations by name only; `conformance` and `gradients` run these cases.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from math import ceil, floor, inf, nan, prod
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from ..dtypes import FLOATING, INTEGER, DType, as_dtype
from ..errors import ContractError, IndexOutOfRange
from ..op import operations
from ..spec import Shape

HostArray = np.ndarray[Any, Any]

F32 = ("float32",)
FLOATS = ("float32", "float64", "float16", "bfloat16")
INTS = ("int64", "int32", "int16", "int8", "uint8", "uint32")
NUMBERS = FLOATS + INTS
BITS = (*INTS, "bool")
EVERYTHING = (*NUMBERS, "bool")

# Stand for the type under test, and for the device, among parameters.
TYPE, DEVICE = "<the type under test>", "<the device>"

LOW, HIGH = -1.4142, 2.7183  # not around 0, so that a sum does not cancel to nothing


class Values(NamedTuple):
    """A tensor among the inputs of a case: evenly spaced values in random order, none near a whole number.

    low, high: between which they lie; of integer types times 3, and no negatives of unsigned types.
    dtype: its type, "" for the one under test.  given: these values instead.
    """

    shape: Shape
    low: float = LOW
    high: float = HIGH
    dtype: str = ""
    given: tuple[float, ...] = ()

    def array(self, under_test: DType, seed: int, offset: float) -> HostArray:
        """The values.  offset: 0 to 1, keeps the inputs of one case apart from each other."""
        dtype = as_dtype(self.dtype) if self.dtype else under_test
        n = prod(self.shape)
        with np.errstate(all="ignore"):  # what a type cannot hold becomes inf, or wraps round
            if self.given:
                return np.array(self.given).reshape(self.shape).astype(dtype)
            steps = (np.random.default_rng(seed).permutation(n) + offset) / max(n, 1)
            if dtype in FLOATING:
                values = self.low + (self.high - self.low) * steps
                whole = np.round(values)
                near = np.abs(values - whole) < 0.002  # kinks are at whole numbers
                return np.where(near, whole + 0.002, values).reshape(self.shape).astype(dtype)
            if dtype not in INTEGER:
                return (steps < 0.6).reshape(self.shape)
            least, most = ceil(3 * self.low), floor(3 * self.high)
            least = max(least, 0) if dtype.kind == "u" else least
            return (
                (least + (most + 1 - least) * steps)
                .astype(np.int64)
                .reshape(self.shape)
                .astype(dtype)
            )


class Case(NamedTuple):
    """An operation on some inputs.

    inputs: Values, Python numbers or None.  types: names of the types that Values without one take in turn.
    about: what is special, for its id.  terms: how many are summed for one element of the result.
    wider: a factor on the tolerance, for the reason beside it.
    order: how often it is differentiated at most.
    """

    op: str
    inputs: list[Any]
    params: dict[str, Any] = {}  # noqa: RUF012  never written
    types: tuple[str, ...] = FLOATS
    about: str = ""
    terms: int = 1
    wider: float = 1.0
    order: int = 2

    @property
    def label(self) -> str:
        """The operation, the shapes of its inputs, and what is special: `matmul-3x4+4x5`."""
        shown = "+".join(spelled(x) for x in self.inputs)
        return "-".join(part for part in (self.op, shown, self.about) if part)

    def id(self, dtype: str) -> str:
        """label and type."""
        return f"{self.label}-{dtype}"

    def arrays(self, dtype: str) -> list[Any]:
        """The inputs, arrays not to be written; numbers and None as they are."""
        return drawn(self.label, tuple(self.inputs), dtype)

    def named(self, dtype: DType, device: Any) -> dict[str, Any]:
        """The parameters, for this type under test and this device."""
        known = {TYPE: dtype, DEVICE: device}
        return {
            name: known.get(value, value) if isinstance(value, str) else value
            for name, value in self.params.items()
        }

    def needs(self, dtype: str) -> set[str]:
        """The types that a device must have for this."""
        named = [x.dtype or dtype for x in self.inputs if isinstance(x, Values)]
        asked = [p.name for p in self.params.values() if isinstance(p, np.dtype)]
        return {dtype, *named, *asked}

    @property
    def exact(self) -> bool:
        """Whether the result is rounded nowhere, so that it must be equal."""
        return self.op in EXACT

    @property
    def elementwise(self) -> bool:
        """Whether each element is rounded by itself, so that the error is relative to each."""
        return self.terms == 1 and not operations[self.op].has_body

    @property
    def narrows(self) -> bool:
        """Whether the result has less precision than float64, so that small differences vanish in it."""
        target = self.params.get("dtype")
        return isinstance(target, np.dtype) and target != np.float64

    @property
    def free_axis(self) -> int:
        """An axis along which the elements may be all alike: a variance of such would be nothing but error."""
        taken = (0,) if self.op == "batch_norm" else self.params.get("axes", ())
        return next((i for i in range(2) if i not in taken), 0)


class Refusal(NamedTuple):
    """What an operation must not accept, though parameters are normalised; told at the latest when values are read."""

    op: str
    inputs: list[Any]
    params: dict[str, Any] = {}  # noqa: RUF012  never written
    about: str = ""
    error: type[Exception] = ContractError

    def as_case(self) -> Case:
        """Inputs and parameters in the form of a case."""
        return Case(self.op, self.inputs, self.params, F32, self.about)


@lru_cache(maxsize=512)
def drawn(label: str, inputs: tuple[Any, ...], dtype: str) -> list[Any]:
    """Inputs from a seed that is the case's name: the same in every process."""
    found = []
    for i, x in enumerate(inputs):
        if isinstance(x, Values):
            seed, offset = crc32(f"{label} {i}".encode()), (i + 1) / (len(inputs) + 1)
            x = x.array(as_dtype(dtype), seed, offset)
            x.flags.writeable = False
        found.append(x)
    return found


def spelled(x: Any) -> str:
    """An input in an id."""
    if not isinstance(x, Values):
        return repr(x)
    return ("x".join(map(str, x.shape)) or "0d") + (f":{x.dtype}" if x.dtype else "")


# -- inputs ---------------------------------------------------------------------------------------


def x(*shape: int, low: float = LOW, high: float = HIGH) -> Values:
    return Values(shape, low, high)


def index(*shape: int, below: int, dtype: str = "int64") -> Values:
    """Integers from 0 to below - 1."""
    return Values(shape, 0.0, (below - 1) / 3, dtype)


def mask(*shape: int) -> Values:
    return Values(shape, dtype="bool")


def given(*values: float, shape: Shape | None = None, dtype: str = "") -> Values:
    return Values(shape or (len(values),), dtype=dtype, given=values)


ODD = (nan, inf, -inf, 0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0)
odd, odd_column = given(*ODD), given(*ODD, shape=(len(ODD), 1))

# Operations whose results are rounded nowhere.
EXACT = frozenset(
    """
    reshape permute expand slice unslice pad concat windows take gather full iota random_bits uniform
    cast neg abs sign floor where relu gate maximum minimum max min argmax max_pool
    equal not_equal less less_equal greater greater_equal bitwise_not bitwise_and bitwise_or bitwise_xor
    """.split()
)

# -- elementwise ----------------------------------------------------------------------------------


def unary(
    op: str, low: float = LOW, high: float = HIGH, types: tuple[str, ...] = FLOATS
) -> Iterator[Case]:
    yield Case(op, [x(3, 5, low=low, high=high)], types=types)
    for shape in [(), (63,), (0, 3), (2, 1, 3)]:
        yield Case(op, [Values(shape, low, high)], types=F32)
    yield Case(op, [odd], types=FLOATS, about="odd", order=0)


def binary(
    op: str, low: float = LOW, high: float = HIGH, types: tuple[str, ...] = NUMBERS
) -> Iterator[Case]:
    """low, high: of the right operand."""

    def right(*shape: int) -> Values:
        return x(*shape, low=low, high=high)

    yield Case(op, [x(3, 5), right(3, 5)], types=types)
    for left, other in [((3, 1), (5,)), ((), (4,)), ((3,), ()), ((), ()), ((63,), (63,))]:
        yield Case(op, [Values(left), right(*other)], types=F32)
    for left, other in [((0, 3), (3,)), ((0, 3), (1, 1)), ((2, 1, 3), (4, 1))]:
        yield Case(op, [Values(left), right(*other)], types=F32)
    yield Case(op, [x(3, 5), 2], types=types)
    yield Case(op, [2, right(3, 5)], types=types)
    yield Case(op, [x(5), 1.5], types=(*FLOATS, "int64"))
    yield Case(op, [1.5, right(5)], types=(*FLOATS, "int64"))
    yield Case(op, [odd, odd_column], types=FLOATS, about="odd", order=0)
    yield Case(op, [x(3, 5), Values((5,), low, high, "int32")], types=FLOATS)
    yield Case(op, [Values((3, 5), dtype="int8"), right()], types=F32)


def bits(op: str) -> Iterator[Case]:
    for left, right in [((3, 5), (3, 5)), ((3, 1), (5,)), ((), (0, 4))]:
        yield Case(op, [Values(left), Values(right)], types=BITS)
    yield Case(op, [x(3, 5), 5], types=INTS)
    yield Case(op, [True, x(3, 5)], types=("bool", "int64"))


def elementwise() -> Iterator[Case]:
    for target in ("float32", "int64", "bool", "float16", "bfloat16", "float64", "uint8", "int8"):
        to = {"dtype": as_dtype(target)}
        yield Case("cast", [x(3, 5, low=0)], to, EVERYTHING, f"to-{target}")
    yield Case("cast", [x(3, 5)], {"dtype": as_dtype("int32")}, FLOATS, "negative-to-int32")
    yield Case("cast", [odd], {"dtype": as_dtype("bool")}, FLOATS, "odd-to-bool")
    yield Case(
        "cast",
        [given(-1, 127, 128, 255, dtype="int64")],
        {"dtype": as_dtype("int8")},
        ("int64",),
        "wraps",
    )
    yield Case("cast", [x()], {"dtype": as_dtype("float32")}, about="0d")
    yield Case("cast", [x(0, 3)], {"dtype": as_dtype("float32")}, about="empty")

    for op in ("add", "mul", "sub", "maximum", "minimum"):
        yield from binary(op)
    for op in ("add", "mul", "maximum", "minimum"):
        yield Case(op, [mask(3, 5), mask(5)], types=("bool",))
    yield from binary("div", low=0.3)
    yield Case("div", [x(3, 5), x(3, 5, low=-3, high=-0.3)], about="negative")
    for op in ("floordiv", "remainder"):
        yield from binary(op, low=0.35)
        yield Case(
            op,
            [x(3, 5), x(3, 5, low=-3, high=-0.4)],
            types=(*FLOATS, "int64", "int8"),
            about="negative",
        )
    yield Case("pow", [x(3, 5, low=0.2), x(3, 5)])
    yield Case("pow", [x(3, 5), x(3, 5, low=0, high=1)], types=INTS)
    yield Case("pow", [x(3, 1, low=0.2), x(0, 1, 5)], types=F32)
    yield Case("pow", [x(low=0.2), x()], types=F32)
    for exponent in (0, 1, 2, 3):
        yield Case("pow", [x(3, 5), exponent], types=NUMBERS)
    for power in (-1.0, 0.5, -0.5, 2.5, 3.0):
        yield Case("pow", [x(5, low=0.2), power])
    yield Case("pow", [2.0, x(5)])
    yield Case("pow", [3, x(5, low=0, high=1)], types=INTS)
    yield Case("pow", [odd, odd_column], about="odd", order=0)

    for op in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
        yield from binary(op, low=LOW)
        yield Case(op, [mask(3, 5), mask(5)], types=("bool",))
    for op in ("bitwise_and", "bitwise_or", "bitwise_xor"):
        yield from bits(op)
    for shape in [(3, 5), (), (0,)]:
        yield Case("bitwise_not", [Values(shape)], types=BITS)

    yield Case("where", [mask(3, 5), x(3, 5), x(3, 5)], types=EVERYTHING)
    yield Case("where", [mask(3, 1), x(5), x()], types=F32)
    yield Case("where", [mask(), x(2, 3), x(3)], types=F32)
    yield Case("where", [mask(0, 3), x(3), x(1)], types=F32)
    yield Case("where", [mask(4, 5), x(5), 2], types=NUMBERS)
    yield Case("where", [mask(4, 5), 1.5, x(5)], types=(*FLOATS, "int64"))
    yield Case("where", [mask(4, 5), 1.5, -2.0], types=F32)
    yield Case("where", [mask(4, 5), 1, 0], types=F32)
    yield Case("where", [mask(len(ODD)), odd, odd_column], about="odd", order=0)

    for op in ("neg", "abs", "floor", "sign", "relu"):
        yield from unary(op, types=NUMBERS)
    for left, right in [((3, 5), (3, 5)), ((3, 1), (5,)), ((0, 3), ())]:
        yield Case("gate", [Values(left), Values(right)])
    for op in (
        "exp",
        "sin",
        "cos",
        "tanh",
        "erf",
        "sigmoid",
        "log1p_exp",
        "gelu",
        "gelu_tanh",
        "silu",
    ):
        yield from unary(op)
        yield Case(op, [x(3, 5)], types=("int64", "uint8", "bool"), about="whole")
    for op in ("sigmoid", "log1p_exp", "tanh", "silu"):
        yield Case(
            op,
            [x(5, low=-80, high=80)],
            types=("float32", "float64", "bfloat16"),
            about="large",
            order=0,
        )
    for op in ("log", "sqrt", "rsqrt"):
        yield from unary(op, low=0.3)
        yield Case(op, [x(3, 5, low=0.4)], types=("int64", "uint8"), about="whole")


# -- reduction ------------------------------------------------------------------------------------

REDUCED: list[tuple[Shape, Shape, bool, tuple[str, ...]]] = [
    ((3, 5), (1,), False, NUMBERS),
    ((3, 5), (0,), True, FLOATS),
    ((3, 5), (0, 1), False, FLOATS),
    ((2, 3, 4), (0, 2), False, F32),
    ((2, 3, 4), (1,), True, F32),
    ((3, 5), (), False, F32),
    ((), (), False, F32),
    ((0, 3), (1,), False, F32),
    ((63, 60), (0,), False, F32),
    ((63, 60), (0, 1), True, F32),
]


def reductions() -> Iterator[Case]:
    def of(
        op: str, shape: Shape, axes: Shape, keepdim: bool, types: tuple[str, ...], low: float
    ) -> Case:
        terms = prod(shape[i] for i in axes)
        about = f"over-{''.join(map(str, axes)) or 'none'}" + "-keepdim" * keepdim
        return Case(
            op, [Values(shape, low)], {"axes": axes, "keepdim": keepdim}, types, about, terms
        )

    for op in ("sum", "max", "min", "mean", "var"):
        for shape, axes, keepdim, types in REDUCED:
            case = of(op, shape, axes, keepdim, types, LOW)
            if op == "var":
                if 0 in shape or not axes:
                    continue
                case = case._replace(params=case.params | {"correction": 1})
            yield case._replace(
                types=types
                if op in {"sum", "max", "min"}
                else tuple(t for t in types if t in FLOATS)
            )
    for shape, axes, keepdim, types in REDUCED:
        if prod(shape) < 100:
            yield of("prod", shape, axes, keepdim, types, 0.4)
    for op in ("sum", "prod", "mean"):
        order = 0 if op == "mean" else 2  # the mean of nothing is nan
        yield of(op, (0, 3), (0,), False, F32, LOW)._replace(order=order)
        yield of(op, (3, 0, 2), (0, 1), True, F32, LOW)._replace(order=order)
    rows = (nan, 1.0, 2.0, inf, 1.0, -inf, inf, 0.0, 1.0, -inf, 3.0, 4.0)
    for op in ("sum", "prod", "max", "min", "mean"):
        params = {"axes": (1,), "keepdim": False}
        yield Case(op, [given(*rows, shape=(4, 3))], params, FLOATS, "odd", order=0)
    for op in ("max", "min"):
        yield Case(op, [mask(3, 5)], {"axes": (1,), "keepdim": False}, ("bool",))
        ties = given(1, 2, 2, 3, 3, 3, shape=(2, 3))
        yield Case(op, [ties], {"axes": (1,), "keepdim": False}, FLOATS, "ties", order=0)
    zeros = given(0, 2, 3, 0, 0, 4, shape=(2, 3))
    yield Case("prod", [zeros], {"axes": (1,), "keepdim": False}, FLOATS, "zeros", 3, order=1)
    for correction in (0, 3, 4):  # of 3 elements: plain, and none left to divide by
        params = {"axes": (0,), "correction": correction, "keepdim": False}
        yield Case(
            "var",
            [x(3, 5)],
            params,
            FLOATS,
            f"correction-{correction}",
            3,
            order=2 if correction < 3 else 0,
        )

    for shape, axis, keepdim in [
        ((3, 5), 1, False),
        ((3, 5), 0, True),
        ((2, 3, 4), 1, False),
        ((63,), 0, False),
    ]:
        yield Case(
            "argmax", [Values(shape)], {"axis": axis, "keepdim": keepdim}, NUMBERS, f"along-{axis}"
        )
    yield Case("argmax", [mask(3, 5)], {"axis": 1, "keepdim": False}, ("bool",))
    yield Case("argmax", [x(0, 3)], {"axis": 1, "keepdim": False}, F32)
    yield Case("argmax", [given(*rows, shape=(4, 3))], {"axis": 1, "keepdim": False}, FLOATS, "odd")
    yield Case(
        "argmax",
        [given(2, 2, 1, 1, 2, 2, shape=(2, 3))],
        {"axis": 1, "keepdim": False},
        NUMBERS,
        "ties",
    )


# -- movement -------------------------------------------------------------------------------------


def movement() -> Iterator[Case]:
    for shape, to in [
        ((3, 4), (2, 6)),
        ((), (1, 1)),
        ((0, 3), (3, 0, 2)),
        ((2, 3, 4), (24,)),
        ((60,), (3, 4, 5)),
    ]:
        yield Case("reshape", [Values(shape)], {"shape": to}, EVERYTHING if to == (2, 6) else F32)
    for order in [(1, 0), (2, 0, 1), (0, 2, 1), (), (0,), (3, 1, 0, 2)]:
        about = "".join(map(str, order))
        yield Case(
            "permute",
            [Values((2, 3, 5, 4)[: len(order)])],
            {"order": order},
            EVERYTHING if about == "10" else F32,
            about,
        )
    for shape, to in [
        ((3, 1), (3, 5)),
        ((5,), (2, 3, 5)),
        ((), (4,)),
        ((1, 3), (0, 3)),
        ((2, 3), (2, 3)),
    ]:
        yield Case("expand", [Values(shape)], {"shape": to}, EVERYTHING if to == (3, 5) else F32)

    sliced: list[tuple[Shape, str, tuple[tuple[int, int, int], ...]]] = [
        ((5, 7), "steps", ((1, 3, 1), (0, 4, 2))),
        ((5, 7), "backward", ((4, 5, -1), (6, 4, -2))),
        ((5, 7), "one", ((2, 1, 1), (6, 1, -3))),
        ((5, 7), "nothing", ((0, 0, 1), (0, 7, 1))),
        ((5, 7), "all", ((0, 5, 1), (0, 7, 1))),
        ((63,), "far", ((62, 21, -3),)),
        ((2, 3, 4), "middle", ((0, 2, 1), (1, 2, 1), (3, 4, -1))),
        ((), "0d", ()),
        ((0, 3), "empty", ((0, 0, 1), (0, 2, 2))),
    ]
    for shape, about, bounds in sliced:
        types = EVERYTHING if about in {"steps", "backward"} else F32
        yield Case("slice", [Values(shape)], {"bounds": bounds}, types, about)
        part = tuple(length for _, length, _ in bounds)
        yield Case("unslice", [Values(part)], {"shape": shape, "bounds": bounds}, types, about)

    for shape, widths, value in [
        ((3, 5), ((1, 2), (0, 3)), 0),
        ((3, 5), ((0, 0), (2, 0)), 2.5),
        ((3,), ((1, 1),), -inf),
        ((0, 2), ((1, 2), (0, 0)), 1),
        ((), (), 0),
        ((2, 3, 4), ((0, 1), (2, 0), (1, 1)), 0),
    ]:
        params = {"widths": widths, "value": value}
        types = EVERYTHING if value == 0 else FLOATS
        yield Case(
            "pad", [Values(shape)], params, types, f"with-{value}", order=0 if value == -inf else 2
        )

    yield Case("concat", [x(3, 5), x(2, 5)], {"axis": 0}, EVERYTHING)
    yield Case("concat", [x(3, 2), x(3, 0), x(3, 4)], {"axis": 1})
    yield Case("concat", [x(5)], {"axis": 0}, F32)
    yield Case("concat", [x(2, 3, 4), x(2, 1, 4), x(2, 2, 4), x(2, 3, 4)], {"axis": 1}, F32)

    for about, shape, axes, sizes, strides, dilations in [
        ("dense", (3, 7), (1,), (3,), (1,), (1,)),
        ("apart", (3, 9), (1,), (2,), (4,), (1,)),
        ("dilated", (3, 9), (1,), (3,), (2,), (2,)),
        ("square", (2, 5, 6), (1, 2), (2, 3), (2, 1), (1, 2)),
        ("ones", (2, 5), (1,), (1,), (1,), (1,)),
        ("whole", (4, 3), (0, 1), (4, 3), (1, 1), (1, 1)),
        ("empty", (0, 5), (1,), (2,), (1,), (1,)),
    ]:
        params = {"axes": axes, "sizes": sizes, "strides": strides, "dilations": dilations}
        types = EVERYTHING if about == "dense" else F32
        yield Case("windows", [Values(shape)], params, types, about)
        windows = (*(counted(shape, *params.values())), *sizes)
        types = NUMBERS if about == "dense" else F32
        terms = prod(sizes)
        yield Case("fold", [Values(windows)], {"shape": shape} | params, types, about, terms)


def counted(shape: Shape, axes: Shape, sizes: Shape, strides: Shape, dilations: Shape) -> Shape:
    """How many windows there are along each axis."""
    found = list(shape)
    for i, k, s, d in zip(axes, sizes, strides, dilations, strict=True):
        found[i] = (shape[i] - d * (k - 1) - 1) // s + 1
    return tuple(found)


# -- contraction and convolution ------------------------------------------------------------------


def contractions() -> Iterator[Case]:
    yield Case("matmul", [x(3, 4), x(4, 5)], types=NUMBERS, terms=4)
    for left, right in [
        ((1, 1), (1, 1)),
        ((3, 63), (63, 2)),
        ((60, 5), (5, 63)),
        ((2, 3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (5, 4, 2)),
        ((3, 4), (2, 4, 5)),
        ((3, 0), (0, 5)),
        ((0, 4), (4, 5)),
        ((2, 0, 3), (2, 3, 4)),
    ]:
        yield Case(
            "matmul",
            [Values(left), Values(right)],
            types=F32 if prod(left) else FLOATS,
            terms=left[-1],
        )
    odd_rows = given(nan, 1.0, 2.0, 1.0, inf, 2.0, 1.0, 2.0, 3.0, shape=(3, 3))
    yield Case("matmul", [odd_rows, x(3, 4, low=0.5)], about="odd", terms=3, order=0)
    yield Case("linear", [x(3, 4), x(5, 4), x(5)], terms=4)
    yield Case("linear", [x(3, 4), x(5, 4), None], terms=4)
    yield Case("linear", [x(2, 3, 63), x(5, 63), x(5)], types=F32, terms=63)
    yield Case("linear", [x(0, 4), x(5, 4), x(5)], types=F32, terms=4)

    def conv(image: Shape, weight: Shape, about: str, bias: bool = True, **options: Any) -> Case:
        n = len(image) - 2
        params = {
            "stride": (1,) * n, "padding": ((0, 0),) * n, "dilation": (1,) * n, "groups": 1,
        } | options  # fmt: skip
        inputs = [Values(image), Values(weight), x(weight[0]) if bias else None]
        return Case(
            "conv", inputs, params, FLOATS if about == "plain" else F32, about, prod(weight[1:])
        )

    yield conv((2, 3, 5, 6), (4, 3, 3, 2), "plain")
    yield conv((2, 3, 5, 6), (4, 3, 3, 3), "padded", padding=((1, 1), (1, 1)))
    yield conv((2, 3, 5, 6), (4, 3, 2, 2), "lopsided", padding=((0, 1), (2, 0)))
    yield conv((1, 2, 7, 8), (3, 2, 3, 3), "strided", False, stride=(2, 3))
    yield conv((1, 2, 7, 8), (3, 2, 2, 3), "dilated", dilation=(3, 2))
    yield conv((2, 4, 5, 5), (6, 2, 3, 3), "grouped", groups=2)
    yield conv((2, 4, 5, 5), (4, 1, 3, 3), "depthwise", groups=4, padding=((1, 1), (1, 1)))
    yield conv((2, 3, 4, 5), (5, 3, 1, 1), "pointwise")
    yield conv((2, 3, 9), (4, 3, 3), "1d", stride=(2,), padding=((1, 1),))
    yield conv((1, 2, 3, 4, 5), (2, 2, 2, 2, 2), "3d")
    yield conv((0, 3, 5, 6), (4, 3, 3, 2), "empty")

    for about, image, sizes, stride, padding in [
        ("even", (2, 3, 6, 4), (2, 2), (2, 2), ((0, 0), (0, 0))),
        ("overlapping", (2, 3, 5, 6), (3, 2), (1, 2), ((0, 0), (0, 0))),
        ("padded", (1, 2, 5, 5), (3, 3), (2, 2), ((1, 1), (1, 1))),
        ("1d", (2, 3, 7), (3,), (2,), ((1, 0),)),
        ("empty", (0, 3, 6, 4), (2, 2), (2, 2), ((0, 0), (0, 0))),
    ]:
        params = {"sizes": sizes, "stride": stride, "padding": padding}
        types = FLOATS if about == "even" else F32
        yield Case("sum_pool", [Values(image)], params, types, about, prod(sizes))
        yield Case(
            "max_pool", [Values(image)], params | {"dilation": (1,) * len(sizes)}, types, about
        )
    params = {"sizes": (2, 2), "stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (2, 3)}
    yield Case("max_pool", [x(1, 2, 5, 6)], params, F32, "dilated")
    ties = given(1, 1, 2, 2, 2, 2, 1, nan, shape=(1, 1, 2, 4))
    params = {"sizes": (2, 2), "stride": (2, 2), "padding": ((0, 0), (0, 0)), "dilation": (1, 1)}
    yield Case("max_pool", [ties], params, FLOATS, "ties", order=0)


# -- indexing -------------------------------------------------------------------------------------


def indexing() -> Iterator[Case]:
    yield Case("take", [x(5, 3), index(4, below=5)], {"axis": 0}, EVERYTHING)
    yield Case("take", [x(5, 3), index(2, 4, below=3)], {"axis": 1}, F32)
    yield Case("take", [x(2, 5, 3), index(7, below=5, dtype="int32")], {"axis": 1}, F32)
    yield Case("take", [x(5, 3), index(below=5)], {"axis": 0}, F32)
    yield Case("take", [x(5, 3), index(0, below=5)], {"axis": 0}, F32)
    yield Case("take", [x(5), index(3, below=5, dtype="uint8")], {"axis": 0}, F32)
    yield Case(
        "untake", [x(4, 3), index(4, below=5)], {"shape": (5, 3), "axis": 0}, NUMBERS, terms=4
    )
    yield Case(
        "untake", [x(5, 2, 4), index(2, 4, below=3)], {"shape": (5, 3), "axis": 1}, F32, terms=8
    )
    yield Case("untake", [x(0, 3), index(0, below=5)], {"shape": (5, 3), "axis": 0}, F32)

    yield Case("gather", [x(3, 5), index(3, 2, below=5)], {"axis": 1}, EVERYTHING)
    yield Case("gather", [x(3, 5), index(7, 5, below=3)], {"axis": 0}, F32)
    yield Case("gather", [x(3, 5), index(2, 4, below=5)], {"axis": 1}, F32, "shorter")
    yield Case("gather", [x(2, 3, 4), index(2, 1, 4, below=3, dtype="int32")], {"axis": 1}, F32)
    yield Case("gather", [x(3, 5), index(0, 2, below=5)], {"axis": 1}, F32)
    yield Case(
        "ungather", [x(3, 4), index(3, 4, below=5)], {"shape": (3, 5), "axis": 1}, NUMBERS, terms=4
    )
    yield Case("ungather", [x(3, 1), index(3, 1, below=5)], {"shape": (3, 5), "axis": 1}, FLOATS)
    yield Case(
        "ungather", [x(63, 2), index(63, 2, below=3)], {"shape": (3, 2), "axis": 0}, F32, terms=63
    )

    yield Case(
        "scatter_add", [x(3, 5), index(3, 4, below=5), x(3, 4)], {"axis": 1}, NUMBERS, terms=4
    )
    yield Case(
        "scatter_add", [x(3, 5), index(60, 5, below=3), x(60, 5)], {"axis": 0}, FLOATS, terms=60
    )
    yield Case(
        "scatter_add", [x(3, 5), index(2, 2, below=5), x(3, 4)], {"axis": 1}, F32, "shorter", 3
    )
    yield Case(
        "scatter_add", [x(4), index(6, below=4, dtype="int32"), x(6)], {"axis": 0}, F32, terms=6
    )
    yield Case("scatter_add", [x(3, 5), index(0, 5, below=3), x(0, 5)], {"axis": 0}, F32)


# -- creation and randomness ----------------------------------------------------------------------

KEY, COUNTER = 0x9E3779B97F4A7C15, 2**64 - 3  # every bit is used, and the counter wraps round


def creation() -> Iterator[Case]:
    place = {"dtype": TYPE, "device": DEVICE}
    for value, shape in [(2, (3, 5)), (0, ()), (1, (0, 3))]:
        yield Case("full", [value], {"shape": shape} | place, EVERYTHING, f"{len(shape)}d")
    for value in (2.5, nan, -inf):
        yield Case("full", [value], {"shape": (7,)} | place)
    for length in (0, 1, 63):
        yield Case("iota", [], {"length": length} | place, NUMBERS, str(length))
    for about, key, counter, shape in [
        ("zero", 0, 0, (4,)),
        ("keyed", KEY, 5, (63,)),
        ("wraps", KEY, COUNTER, (3, 5)),
        ("0d", 1, 2, ()),
        ("empty", 1, 2, (0, 3)),
    ]:
        yield Case(
            "random_bits", [key, counter], {"shape": shape, "device": DEVICE}, ("uint32",), about
        )
        for op in ("uniform", "normal"):
            yield Case(op, [key, counter], {"shape": shape} | place, FLOATS, about)
    for p in (0.25, 1.0):
        yield Case("dropout", [x(3, 63), 7, 3], {"p": p}, FLOATS if p < 1 else F32, f"p-{p}")


# -- fused ----------------------------------------------------------------------------------------


def fused() -> Iterator[Case]:
    for op in ("softmax", "log_softmax"):
        yield Case(op, [x(3, 5)], {"axis": 1}, terms=5)
        yield Case(op, [x(63, 2)], {"axis": 0}, about="columns", terms=63)
        yield Case(op, [x(2, 3, 4)], {"axis": 1}, F32, terms=3)
        yield Case(op, [x(2, 1)], {"axis": 1}, F32, "alone")
        yield Case(op, [x(0, 3)], {"axis": 1}, F32)
        yield Case(
            op,
            [x(3, 60, low=-900, high=900)],
            {"axis": 1},
            ("float32", "float64"),
            "large",
            60,
            order=0,
        )
        rows = given(-inf, 1.0, 2.0, nan, 1.0, 2.0, inf, 1.0, 2.0, shape=(3, 3))
        yield Case(op, [rows], {"axis": 1}, FLOATS, "odd", 3, order=0)
        yield Case(op, [x(3, 5)], {"axis": 1}, ("int64",), "whole", terms=5)

    def norm(
        shape: Shape, axes: Shape, types: tuple[str, ...], weight: bool = True, bias: bool = True
    ) -> Case:
        inner = shape[axes[0] :]
        inputs = [Values(shape), Values(inner) if weight else None, Values(inner) if bias else None]
        return Case("layer_norm", inputs, {"axes": axes, "eps": 0.01}, types, terms=prod(inner))

    yield norm((3, 5), (1,), FLOATS)
    yield norm((2, 3, 4), (1, 2), F32)
    yield norm((2, 3, 63), (2,), F32, bias=False)
    yield norm((3, 5), (1,), F32, weight=False, bias=False)
    yield norm((3, 5), (1,), F32, weight=False)
    yield norm((5,), (0,), F32)
    yield norm((0, 5), (1,), F32)

    def batch(shape: Shape, types: tuple[str, ...], weight: bool = True, bias: bool = True) -> Case:
        c = shape[1]
        inputs = [Values(shape), x(c) if weight else None, x(c) if bias else None]
        return Case("batch_norm", inputs, {"eps": 0.01}, types, terms=prod(shape) // c)

    yield batch((6, 3), FLOATS)
    yield batch((2, 3, 4, 5), F32)
    yield batch((2, 3, 7), F32, bias=False)
    yield batch((6, 3), F32, weight=False, bias=False)

    chances = [x(3, 5, low=0.1, high=0.9), x(3, 5, low=0.1, high=0.9)]
    yield Case("binary_cross_entropy", chances, types=FLOATS)
    sure = [given(0.0, 1.0, 0.0, 1.0), given(0.0, 0.0, 1.0, 1.0)]
    yield Case("binary_cross_entropy", sure, types=FLOATS, about="sure", order=0)

    for left, right, types in [
        ((3, 5), (3, 5), FLOATS),
        ((3, 1), (5,), F32),
        ((), (), F32),
        ((0, 3), (0, 3), F32),
    ]:
        inputs = [Values(left, 0.05, 0.95), Values(right, 0.05, 0.95)]
        yield Case("binary_cross_entropy", inputs, types=types)
    certain = [given(0, 0, 1, 1), given(0, 1, 0, 1)]
    yield Case("binary_cross_entropy", certain, types=FLOATS, about="certain", order=0)
    for shape, types in [((5, 3), FLOATS), ((1, 1), F32), ((63, 60), F32)]:
        inputs = [Values(shape), index(shape[0], below=shape[1])]
        yield Case("cross_entropy", inputs, {"ignore": -100}, types, terms=shape[0] + shape[1])
    ignored = given(1, -100, 2, -100, dtype="int64")
    yield Case("cross_entropy", [x(4, 3), ignored], {"ignore": -100}, FLOATS, "ignored", 7)
    nothing = given(0, 0, dtype="int64")
    yield Case("cross_entropy", [x(2, 3), nothing], {"ignore": 0}, F32, "all-ignored", 5, order=0)


def optimizers() -> Iterator[Case]:
    group = [x(2, 3), x(5), x(2, 3), x(5)]
    for maximize in (False, True):
        about = "maximize" if maximize else ""
        yield Case("sgd_plain", [0.1, 0.01, *group], {"maximize": maximize}, FLOATS, about)
    for nesterov in (False, True):
        params = {"nesterov": nesterov, "maximize": nesterov}
        yield Case(
            "sgd",
            [0.1, 0.9, 0.2, 0.01, x(11), *group],
            params,
            FLOATS,
            "nesterov" if nesterov else "",
        )
    moments = [x(11), x(11, low=0.1)]
    for decoupled in (False, True):
        params = {"decoupled": decoupled, "maximize": decoupled}
        numbers = [3, 0.01, 0.9, 0.99, 0.001, 0.1]
        about = "decoupled" if decoupled else ""
        yield Case("adam", [*numbers, *moments, *group], params, FLOATS, about)
    yield Case(
        "adam",
        [1, 0.01, 0.9, 0.99, 0.001, 0.0, *moments, *group],
        {"decoupled": False, "maximize": False},
        F32,
        "first",
    )


CASES: list[Case] = [
    *elementwise(), *reductions(), *movement(), *contractions(), *indexing(), *creation(), *fused(), *optimizers(),
]  # fmt: skip

# -- what must be refused -------------------------------------------------------------------------


def refusals() -> Iterator[Refusal]:
    either = (
        "add sub mul div floordiv remainder pow maximum minimum "
        "equal not_equal less less_equal greater greater_equal"
    ).split()
    for op in either:
        yield Refusal(op, [x(3), x(4)])
        yield Refusal(op, [x(2, 3), x(3, 2)])
        yield Refusal(op, [x(0), x(3)])
        yield Refusal(op, [1.5, 2])
    for op in ("bitwise_and", "bitwise_or", "bitwise_xor"):
        yield Refusal(op, [mask(3), mask(4)])
        yield Refusal(op, [x(3), x(3)], about="floats")
        yield Refusal(op, [index(3, below=4), 1.5])
    yield Refusal("sub", [mask(3), mask(3)], about="bools")
    yield Refusal("bitwise_not", [x(3)], about="floats")
    yield Refusal("gate", [x(3), x(4)])
    yield Refusal("where", [x(3), x(3), x(3)], about="condition-of-floats")
    yield Refusal("where", [mask(3), x(4), x(4)])
    yield Refusal("where", [mask(3), x(3), x(4)])
    for op in "neg abs floor exp log sqrt sin cos tanh erf sigmoid relu".split():
        yield Refusal(op, [2.0])

    yield Refusal("cast", [2.0], {"dtype": as_dtype("int64")})
    for op in ("sum", "prod", "max", "min", "mean"):
        for axes in [(2,), (0, 2), (5,)]:
            about = f"over-{''.join(map(str, axes))}"
            yield Refusal(op, [x(3, 4)], {"axes": axes, "keepdim": False}, about)
        yield Refusal(op, [x()], {"axes": (0,), "keepdim": False})
    for op in ("max", "min"):
        yield Refusal(op, [x(0, 3)], {"axes": (0,), "keepdim": False})
        yield Refusal(op, [x(3, 0)], {"axes": (0, 1), "keepdim": True})
    yield Refusal("argmax", [x(3, 4)], {"axis": 2, "keepdim": False})
    yield Refusal("argmax", [x(3, 0)], {"axis": 1, "keepdim": False})
    for op in ("softmax", "log_softmax"):
        yield Refusal(op, [x(3, 4)], {"axis": 2})
        yield Refusal(op, [x(3, 0)], {"axis": 1}, "of-nothing")

    yield Refusal("reshape", [x(3, 4)], {"shape": (5, 2)})
    yield Refusal("reshape", [x(3, 4)], {"shape": (13,)}, "longer")
    yield Refusal("reshape", [x(0, 3)], {"shape": (1,)})
    for order in [(0,), (0, 0), (0, 2), (0, 1, 2)]:
        yield Refusal("permute", [x(3, 4)], {"order": order}, "".join(map(str, order)))
    for shape in [(3, 5), (4,), (2, 4, 4), (0, 4)]:
        yield Refusal("expand", [x(3, 4)], {"shape": shape}, "x".join(map(str, shape)))
    for bounds in [
        ((0, 4, 1), (0, 1, 1)),
        ((0, 2, 2), (3, 2, 1)),
        ((3, 1, 1), (0, 1, 1)),
        ((1, 3, -1), (0, 1, 1)),
        ((0, 1, 0), (0, 1, 1)),
        ((0, 1, 1),),
        ((0, 1, 1),) * 3,
    ]:
        about = "-".join("".join(map(str, one)) for one in bounds)
        yield Refusal("slice", [x(3, 4)], {"bounds": bounds}, about)
    yield Refusal("pad", [x(3, 4)], {"widths": ((1, 1),), "value": 0}, "too-few")
    yield Refusal("pad", [x(3, 4)], {"widths": ((1, -1), (0, 0)), "value": 0}, "negative")
    yield Refusal("concat", [x(3, 4), x(3, 5)], {"axis": 0})
    yield Refusal("concat", [x(3, 4), x(3)], {"axis": 0})
    yield Refusal("concat", [x(3), index(3, below=3)], {"axis": 0}, "mixed")
    yield Refusal("concat", [x(3, 4), x(3, 4)], {"axis": 2})
    for size, stride, dilation in [(5, 1, 1), (3, 1, 2), (0, 1, 1), (2, 0, 1), (2, 1, 0)]:
        params = {"axes": (1,), "sizes": (size,), "strides": (stride,), "dilations": (dilation,)}
        yield Refusal("windows", [x(3, 4)], params, f"{size}{stride}{dilation}")

    for left, right in [
        ((3, 4), (3, 4)),
        ((4,), (4, 3)),
        ((4,), (4,)),
        ((2, 3, 4), (3, 4, 5)),
        ((3, 4), ()),
    ]:
        yield Refusal("matmul", [Values(left), Values(right)])
    yield Refusal("matmul", [x(3, 4), Values((4, 5), dtype="int64")])
    yield Refusal("matmul", [x(3, 4), 2.0])
    yield Refusal("linear", [x(3, 4), x(5, 3), x(5)])
    yield Refusal("linear", [x(3, 4), x(5, 4), x(4)])
    conv = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    yield Refusal("conv", [x(2, 3, 5, 6), x(4, 2, 3, 3), None], conv, "channels")
    yield Refusal("conv", [x(2, 3, 5, 6), x(4, 3, 6, 3), None], conv, "too-large")
    yield Refusal("conv", [x(2, 3, 5, 6), x(4, 3, 3, 3), x(3)], conv, "bias")
    yield Refusal("conv", [x(2, 4, 5, 6), x(3, 2, 3, 3), None], conv | {"groups": 2}, "groups")
    pool = {"sizes": (4, 2), "stride": (1, 1), "padding": ((0, 0), (0, 0))}
    yield Refusal("sum_pool", [x(2, 3, 3, 6)], pool)
    yield Refusal("max_pool", [x(2, 3, 3, 6)], pool | {"dilation": (1, 1)})

    for op in ("take", "gather"):
        yield Refusal(op, [x(3, 4), x(3, 4)], {"axis": 0}, "index-of-floats")
        for wrong in (-1, 3):
            at = given(0, wrong, shape=(2,) if op == "take" else (1, 2), dtype="int64")
            yield Refusal(op, [x(3, 4), at], {"axis": 0}, f"at-{wrong}", IndexOutOfRange)
    yield Refusal("gather", [x(3, 4), index(3, below=3)], {"axis": 0})
    yield Refusal("gather", [x(3, 4), index(4, 4, below=3)], {"axis": 1})
    yield Refusal("scatter_add", [x(3, 4), index(2, 4, below=3), x(1, 4)], {"axis": 0}, "too-short")
    yield Refusal("scatter_add", [x(3, 4), x(2, 4), x(2, 4)], {"axis": 0}, "index-of-floats")
    yield Refusal(
        "scatter_add", [x(3, 4), index(2, 4, below=3), index(2, 4, below=3)], {"axis": 0}, "mixed"
    )
    yield Refusal("scatter_add", [x(3, 4), index(2, 4, below=3), x(8)], {"axis": 0}, "dims")
    at = given(0, 3, 1, 0, shape=(1, 4), dtype="int64")
    yield Refusal("scatter_add", [x(3, 4), at, x(1, 4)], {"axis": 0}, "at-3", IndexOutOfRange)

    yield Refusal("layer_norm", [x(3, 5), x(3), x(5)], {"axes": (1,), "eps": 0.01})
    yield Refusal("batch_norm", [x(6, 3), x(6), x(3)], {"eps": 0.01})
    yield Refusal("cross_entropy", [x(5, 3), index(4, below=3)], {"ignore": -100})
    yield Refusal("cross_entropy", [x(5, 3), index(5, 3, below=3)], {"ignore": -100})
    wrong_class = given(0, 3, dtype="int64")
    yield Refusal(
        "cross_entropy", [x(2, 3), wrong_class], {"ignore": -100}, "class-3", IndexOutOfRange
    )


REFUSALS: list[Refusal] = list(refusals())
