"""What every operation is tried on, for all devices and types: one line a case.

Knows operations by name; `conformance` runs these.
"""

from collections.abc import Iterator
from math import inf, nan, prod
from typing import Any

from ..dtypes import as_dtype, float32
from ..op import operations
from ..spec import Shape, Spec
from .case import (
    BITS,
    DEVICE,
    EVERYTHING,
    F32,
    FLOATS,
    HIGH,
    INTS,
    LOW,
    NUMBERS,
    TYPE,
    Case,
    Values,
    given,
    index,
    mask,
    x,
)

__all__ = ["CASES"]

ODD = (nan, inf, -inf, 0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0)
odd_rows = given(nan, 1, 2, inf, 1, -inf, inf, 0, 1, -inf, 3, 4, shape=(4, 3))
WHOLE = ("int64", "uint8", "bool")
odd, odd_column = given(*ODD), given(*ODD, shape=(len(ODD), 1))


def unary(
    op: str, low: float = LOW, high: float = HIGH, types: tuple[str, ...] = FLOATS
) -> Iterator[Case]:
    """low, high: of the input."""
    yield Case(op, [x(3, 5, low=low, high=high)], types=types)
    for shape in [(), (63,), (0, 3), (2, 1, 3)]:
        yield Case(op, [Values(shape, low, high)], types=F32)
    yield Case(op, [odd], about="odd", order=0)


BROADCAST: list[tuple[Shape, Shape]] = [
    ((3, 1), (5,)), ((), (4,)), ((3,), ()), ((), ()), ((63,), (63,)),
    ((0, 3), (3,)), ((0, 3), (1, 1)), ((2, 1, 3), (4, 1)),
]  # fmt: skip


def binary(
    op: str, low: float = LOW, high: float = HIGH, types: tuple[str, ...] = NUMBERS
) -> Iterator[Case]:
    """low, high: of the right operand."""

    def right(*shape: int) -> Values:
        return x(*shape, low=low, high=high)

    yield Case(op, [x(3, 5), right(3, 5)], types=types)
    for left, other in BROADCAST:
        yield Case(op, [Values(left), right(*other)], types=F32)
    yield Case(op, [x(3, 5), 2], types=types)
    yield Case(op, [2, right(3, 5)], types=types)
    yield Case(op, [x(5), 1.5], types=(*FLOATS, "int64"))
    yield Case(op, [1.5, right(5)], types=(*FLOATS, "int64"))
    yield Case(op, [odd, odd_column], about="odd", order=0)
    yield Case(op, [x(3, 5), Values((5,), low, high, "int32")])
    yield Case(op, [Values((3, 5), dtype="int8"), right()], types=F32)


def bits(op: str) -> Iterator[Case]:
    """Of integers and bools only."""
    for left, right in [((3, 5), (3, 5)), ((3, 1), (5,)), ((), (0, 4))]:
        yield Case(op, [Values(left), Values(right)], types=BITS)
    yield Case(op, [x(3, 5), 5], types=INTS)
    yield Case(op, [True, x(3, 5)], types=("bool", "int64"))


def casts() -> Iterator[Case]:
    for target in ("float32", "int64", "bool", "float16", "bfloat16", "float64", "uint8", "int8"):
        to = {"dtype": as_dtype(target)}
        yield Case("cast", [x(3, 5, low=0)], to, EVERYTHING, f"to-{target}")
    yield Case("clone", [x(3, 5)], {}, EVERYTHING)
    yield Case("cast", [x(3, 5)], {"dtype": as_dtype("int32")}, FLOATS, "negative-to-int32")
    yield Case("cast", [odd], {"dtype": as_dtype("bool")}, FLOATS, "odd-to-bool")
    bytes_ = given(-1, 127, 128, 255, dtype="int64")
    yield Case("cast", [bytes_], {"dtype": as_dtype("int8")}, ("int64",), "wraps")
    yield Case("cast", [x()], {"dtype": as_dtype("float32")}, about="0d")
    yield Case("cast", [x(0, 3)], {"dtype": as_dtype("float32")}, about="empty")


def arithmetic() -> Iterator[Case]:
    for op in ("add", "mul", "sub", "maximum", "minimum"):
        yield from binary(op)
    for op in ("add", "mul", "maximum", "minimum"):
        yield Case(op, [mask(3, 5), mask(5)], types=("bool",))
    yield from binary("div", low=0.3)
    yield Case("div", [x(3, 5), x(3, 5, low=-3, high=-0.3)], about="negative")
    for op in ("floordiv", "remainder"):
        yield from binary(op, low=0.35)
        signed = (*FLOATS, "int64", "int8")
        yield Case(op, [x(3, 5), x(3, 5, low=-3, high=-0.4)], types=signed, about="negative")
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


def choices() -> Iterator[Case]:
    """Comparisons, bits and what depends on them."""
    for op in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"):
        yield from binary(op)
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
    for pieces in [(x(3, 5), x(3, 5)), (x(5), 2), (x(), x(3, 5))]:
        yield Case("kink", [mask(3, 5), *pieces])
    yield Case("kinked", [x(3, 5), mask(3, 5), x(3, 5)])
    for left, right in [((3, 5), (3, 5)), ((3, 1), (5,)), ((0, 3), ())]:
        yield Case("gate", [Values(left), Values(right)])


def functions() -> Iterator[Case]:
    for op in ("neg", "abs", "floor", "sign", "relu"):
        yield from unary(op, types=NUMBERS)
    for op in "exp sin cos tanh erf sigmoid log1p_exp gelu gelu_tanh silu".split():
        yield from unary(op)
        yield Case(op, [x(3, 5)], types=WHOLE, about="whole")
    for op in ("sigmoid", "log1p_exp", "tanh", "silu"):
        wide = ("float32", "float64", "bfloat16")
        yield Case(op, [x(5, low=-80, high=80)], types=wide, about="large", order=0)
    for op in ("log", "sqrt", "root", "rsqrt"):
        yield from unary(op, low=0.3)
        yield Case(op, [x(3, 5, low=0.4)], types=("int64", "uint8"), about="whole")


def functions_by_body() -> Iterator[Case]:
    for op in ("ceil", "trunc", "round"):
        yield from unary(op, types=NUMBERS)
        yield Case(op, [given(0.5, 1.5, 2.5, -0.5, -1.5)], about="halves", order=0)
    yield from unary("signbit", types=NUMBERS)
    for op in ("log1p", "asin", "acos", "atanh", "erfinv"):
        yield from unary(op, low=-0.7, high=0.9)
    for op in ("expm1", "exp2", "tan", "sinh", "cosh", "atan"):
        yield from unary(op, high=1.3)
    for op in ("log2", "log10", "acosh"):
        yield from unary(op, low=1.3)
    yield from unary("asinh")
    for op in ("expm1", "exp2", "tan", "atan", "sinh", "cosh", "log1p"):
        yield Case(op, [x(3, 5)], types=WHOLE, about="whole")
    small = given(1e-3, -1e-3, 1e-6, -1e-6)
    for op in ("log1p", "expm1", "sinh", "atan", "asinh", "atanh", "erfinv"):
        yield Case(op, [small], types=("float32", "float64"), about="small", order=0)
    for op in ("logaddexp", "hypot", "atan2", "xlogy"):
        yield from binary(op, low=0.3, types=FLOATS)
    yield from binary("fmod", low=0.35)
    yield Case("addcmul", [x(3, 1), x(2, 3, 4), x(3, 1)], types=FLOATS)


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
    for shape, axes, keepdim, types in REDUCED:
        floats = tuple(dtype for dtype in types if dtype in FLOATS)
        for op in ("sum", "max", "min"):
            yield reduction(op, shape, axes, keepdim, types)
        yield reduction("mean", shape, axes, keepdim, floats)
        if prod(shape) < 100:
            yield reduction("prod", shape, axes, keepdim, types, low=0.4)
        if axes and 0 not in shape:
            yield reduction("var", shape, axes, keepdim, floats, correction=1)
    for op in ("sum", "prod", "mean"):
        order = 0 if op == "mean" else 2  # the mean of nothing is nan
        yield reduction(op, (0, 3), (0,), False, F32)._replace(order=order)
        yield reduction(op, (3, 0, 2), (0, 1), True, F32)._replace(order=order)
    along = {"axes": (1,), "keepdim": False}
    for op in ("sum", "prod", "max", "min", "mean"):
        yield Case(op, [odd_rows], along, FLOATS, "odd", order=0)
    for op in ("max", "min"):
        yield Case(op, [mask(3, 5)], along, ("bool",))
        ties = given(1, 2, 2, 3, 3, 3, shape=(2, 3))
        yield Case(op, [ties], along, FLOATS, "ties", order=0)
    zeros = given(0, 2, 3, 0, 0, 4, shape=(2, 3))
    yield Case("prod", [zeros], along, FLOATS, "zeros", 3)
    yield Case("prod", [zeros], {"axes": (0, 1), "keepdim": True}, FLOATS, "zeros-in-all", 6)
    for correction in (0, 3, 4):  # of 3 elements: plain, and none left to divide by
        case = reduction("var", (3, 5), (0,), False, FLOATS, correction=correction)
        order = 2 if correction < 3 else 0
        yield case._replace(about=f"correction-{correction}", order=order)


def reduction(
    op: str,
    shape: Shape,
    axes: Shape,
    keepdim: bool,
    types: tuple[str, ...],
    *,
    low: float = LOW,
    **more: Any,
) -> Case:
    """One reduction; more: its other parameters."""
    terms = prod(shape[i] for i in axes)
    about = f"over-{''.join(map(str, axes)) or 'none'}" + "-keepdim" * keepdim
    params = {"axes": axes, "keepdim": keepdim} | more
    return Case(op, [Values(shape, low)], params, types, about, terms)


def scans() -> Iterator[Case]:
    """Along an axis, up to each element."""
    for op in ("cumsum", "cumprod", "cummax", "logcumsumexp"):
        whole = op in ("cumsum", "cummax")
        low, high = (0.4, 1.6) if op == "cumprod" else (LOW, HIGH)
        types = NUMBERS if whole else FLOATS
        for shape, axis, kinds in [
            ((3, 5), 1, types),
            ((2, 3, 4), 1, F32),
            ((63,), 0, F32),
            ((2, 1), 1, F32),
            ((0, 3), 0, F32),
            ((3, 0), 0, F32),
        ]:
            values = Values(shape, low, high)
            yield Case(op, [values], {"axis": axis}, kinds, f"along-{axis}", shape[axis] or 1)
        terms = 1 if op == "cummax" else 3
        yield Case(op, [odd_rows], {"axis": 1}, FLOATS, "odd", terms, order=0)
    zeros = given(0, 2, 3, 0, 0, 4, shape=(2, 3))
    yield Case("cumprod", [zeros], {"axis": 1}, FLOATS, "zeros", 3)


def places() -> Iterator[Case]:
    """Where the largest stands."""
    for shape, axis, keepdim in [
        ((3, 5), 1, False),
        ((3, 5), 0, True),
        ((2, 3, 4), 1, False),
        ((63,), 0, False),
    ]:
        params = {"axis": axis, "keepdim": keepdim}
        yield Case("argmax", [Values(shape)], params, NUMBERS, f"along-{axis}")
    along = {"axis": 1, "keepdim": False}
    yield Case("argmax", [mask(3, 5)], along, ("bool",))
    yield Case("argmax", [x(0, 3)], along, F32)
    yield Case("argmax", [odd_rows], along, FLOATS, "odd")
    yield Case("argmax", [given(2, 2, 1, 1, 2, 2, shape=(2, 3))], along, NUMBERS, "ties")


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
        shape, about = (2, 3, 5, 4)[: len(order)], "".join(map(str, order))
        types = EVERYTHING if about == "10" else F32
        yield Case("permute", [Values(shape)], {"order": order}, types, about)
    for shape, to in [
        ((3, 1), (3, 5)),
        ((5,), (2, 3, 5)),
        ((), (4,)),
        ((1, 3), (0, 3)),
        ((2, 3), (2, 3)),
    ]:
        yield Case("expand", [Values(shape)], {"shape": to}, EVERYTHING if to == (3, 5) else F32)

    yield Case("concat", [x(3, 5), x(2, 5)], {"axis": 0}, EVERYTHING)
    yield Case("concat", [x(3, 2), x(3, 0), x(3, 4)], {"axis": 1})
    yield Case("concat", [x(5)], {"axis": 0}, F32)
    yield Case("concat", [x(2, 3, 4), x(2, 1, 4), x(2, 2, 4), x(2, 3, 4)], {"axis": 1}, F32)


def parts() -> Iterator[Case]:
    """Slices and borders, and the adjoint of slices."""
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
        yield Case("put_slice", [Values(shape), Values(part)], {"bounds": bounds}, types, about)

    padded: list[tuple[Shape, tuple[tuple[int, int], ...], float]] = [
        ((3, 5), ((1, 2), (0, 3)), 0),
        ((3, 5), ((0, 0), (2, 0)), 2.5),
        ((3,), ((1, 1),), -inf),
        ((0, 2), ((1, 2), (0, 0)), 1),
        ((), (), 0),
        ((2, 3, 4), ((0, 1), (2, 0), (1, 1)), 0),
    ]
    for shape, widths, value in padded:
        params = {"widths": widths, "value": value}
        kinds, order = EVERYTHING if value == 0 else FLOATS, 0 if value == -inf else 2
        yield Case("pad", [Values(shape)], params, kinds, f"with-{value}", order=order)


def sliding() -> Iterator[Case]:
    """Windows, and their adjoint."""
    table: list[tuple[str, Shape, Shape, Shape, Shape, Shape]] = [
        ("dense", (3, 7), (1,), (3,), (1,), (1,)),
        ("apart", (3, 9), (1,), (2,), (4,), (1,)),
        ("dilated", (3, 9), (1,), (3,), (2,), (2,)),
        ("square", (2, 5, 6), (1, 2), (2, 3), (2, 1), (1, 2)),
        ("ones", (2, 5), (1,), (1,), (1,), (1,)),
        ("whole", (4, 3), (0, 1), (4, 3), (1, 1), (1, 1)),
        ("empty", (0, 5), (1,), (2,), (1,), (1,)),
    ]
    for about, shape, axes, sizes, strides, dilations in table:
        params = {"axes": axes, "sizes": sizes, "strides": strides, "dilations": dilations}
        dense = about == "dense"
        yield Case("windows", [Values(shape)], params, EVERYTHING if dense else F32, about)
        found = operations["windows"].contract((Spec(shape, float32),), tuple(params.values()))
        params = {"shape": shape} | params
        yield Case(
            "fold", [Values(found.shape)], params, NUMBERS if dense else F32, about, prod(sizes)
        )


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
        types = F32 if prod(left) else FLOATS
        yield Case("matmul", [Values(left), Values(right)], types=types, terms=left[-1])
    yield Case("matmul", [odd_rows, x(3, 4, low=0.5)], about="odd", terms=3, order=0)
    yield Case("linear", [x(3, 4), x(5, 4), x(5)], terms=4)
    yield Case("linear", [x(3, 4), x(5, 4), None], terms=4)
    yield Case("linear", [x(2, 3, 63), x(5, 63), x(5)], types=F32, terms=63)
    yield Case("linear", [x(0, 4), x(5, 4), x(5)], types=F32, terms=4)


def conv(image: Shape, weight: Shape, about: str, bias: bool = True, **options: Any) -> Case:
    """One convolution; options: what is not as plain as can be."""
    n = len(image) - 2
    plain = {"stride": (1,) * n, "padding": ((0, 0),) * n, "dilation": (1,) * n, "groups": 1}
    inputs = [Values(image), Values(weight), x(weight[0]) if bias else None]
    types = FLOATS if about == "plain" else F32
    return Case("conv", inputs, plain | options, types, about, prod(weight[1:]))


def factors() -> Iterator[Case]:
    """Of matrices: well conditioned ones, whose eigenvalues lie apart, in a batch.

    wider: backward errors of a factorization grow with the square of the length.
    """
    types = ("float32", "float64")
    wide = given(4, -1, 0.5, 2, 5, 1, -0.5, 1.5, 3, shape=(1, 3, 3))
    even = given(4, 1, 0.5, 1, 5, -1, 0.5, -1, 7, shape=(1, 3, 3))
    for op in ("inv", "det", "slogdet", "cofactor"):
        yield Case(op, [wide], {}, types, terms=3, wider=9)
        yield Case(op, [x(2, 0, 0)], {}, F32, order=0)
    yield Case("solve", [wide, x(2, 3, 2)], {}, types, terms=3, wider=9)
    for op in ("cholesky", "eigh"):  # read one triangle: their gradients are those of symmetric x
        yield Case(op, [even], {}, types, terms=3, wider=9, order=0)
    tall = given(4, -1, 0.5, 2, 5, 1, -0.5, 1.5, 3, 1, 0.5, -2, shape=(4, 3))
    flat = given(4, -1, 0.5, 2, 5, 1, shape=(2, 3))
    params: dict[str, dict[str, Any]]
    params = {"qr": {}, "svd": {"full": False}, "pinv": {"atol": 0.0, "rtol": 1e-6}}
    for op, how in params.items():
        yield Case(op, [tall], how, types, terms=4, wider=16)
        for matrix in (wide,) if op == "qr" else (wide, flat):
            yield Case(op, [matrix], how, F32, terms=3, wider=9)
    yield Case("svd", [flat], {"full": True}, F32, "full", terms=3, wider=9, order=0)


def convolutions() -> Iterator[Case]:
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

    transposed: list[tuple[str, Shape, Shape, dict[str, Any]]] = [
        ("plain", (2, 3, 3, 4), (3, 4, 3, 2), {}),
        ("strided", (1, 2, 3, 3), (2, 3, 3, 2), {"stride": (2, 3), "padding": ((1, 0), (0, 1))}),
        ("dilated", (1, 2, 3, 3), (2, 3, 2, 2), {"dilation": (3, 2)}),
        ("grouped", (2, 4, 3), (4, 3, 3), {"groups": 2, "stride": (2,)}),
        ("empty", (0, 3, 3), (3, 4, 3), {}),
    ]
    for about, image, weight, options in transposed:
        case = conv(image, weight, about, False, **options)
        terms = image[1] * prod(weight[2:])
        yield case._replace(op="conv_transpose", inputs=case.inputs[:2], terms=terms)

    plain = ((0, 0), (0, 0))
    pools: list[tuple[str, Shape, Shape, Shape, tuple[tuple[int, int], ...]]] = [
        ("even", (2, 3, 6, 4), (2, 2), (2, 2), plain),
        ("overlapping", (2, 3, 5, 6), (3, 2), (1, 2), plain),
        ("padded", (1, 2, 5, 5), (3, 3), (2, 2), ((1, 1), (1, 1))),
        ("1d", (2, 3, 7), (3,), (2,), ((1, 0),)),
        ("empty", (0, 3, 6, 4), (2, 2), (2, 2), plain),
    ]
    for about, image, sizes, stride, padding in pools:
        params = {"sizes": sizes, "stride": stride, "padding": padding}
        types = FLOATS if about == "even" else F32
        yield Case("sum_pool", [Values(image)], params, types, about, prod(sizes))
        params = params | {"dilation": (1,) * len(sizes)}
        yield Case("max_pool", [Values(image)], params, types, about)
    pairs = {"sizes": (2, 2), "stride": (1, 1), "padding": plain, "dilation": (2, 3)}
    yield Case("max_pool", [x(1, 2, 5, 6)], pairs, F32, "dilated")
    ties = given(1, 1, 2, 2, 2, 2, 1, nan, shape=(1, 1, 2, 4))
    pairs = pairs | {"stride": (2, 2), "dilation": (1, 1)}
    yield Case("max_pool", [ties], pairs, FLOATS, "ties", order=0)


def indexing() -> Iterator[Case]:
    down, across = {"axis": 0}, {"axis": 1}
    yield Case("take", [x(5, 3), index(4, below=5)], down, EVERYTHING)
    yield Case("take", [x(5, 3), index(2, 4, below=3)], across, F32)
    yield Case("take", [x(2, 5, 3), index(7, below=5, dtype="int32")], across, F32)
    yield Case("take", [x(5, 3), index(below=5)], down, F32)
    yield Case("take", [x(5, 3), index(0, below=5)], down, F32)
    yield Case("take", [x(5), index(3, below=5, dtype="uint8")], down, F32)
    rows, columns = {"shape": (5, 3), "axis": 0}, {"shape": (5, 3), "axis": 1}
    yield Case("untake", [x(4, 3), index(4, below=5)], rows, NUMBERS, terms=4)
    yield Case("untake", [x(5, 2, 4), index(2, 4, below=3)], columns, F32, terms=8)
    yield Case("untake", [x(0, 3), index(0, below=5)], rows, F32)

    yield Case("gather", [x(3, 5), index(3, 2, below=5)], across, EVERYTHING)
    yield Case("gather", [x(3, 5), index(7, 5, below=3)], down, F32)
    yield Case("gather", [x(3, 5), index(2, 4, below=5)], across, F32, "shorter")
    yield Case("gather", [x(2, 3, 4), index(2, 1, 4, below=3, dtype="int32")], across, F32)
    yield Case("gather", [x(3, 5), index(0, 2, below=5)], across, F32)
    wide, tall = {"shape": (3, 5), "axis": 1}, {"shape": (3, 2), "axis": 0}
    yield Case("ungather", [x(3, 4), index(3, 4, below=5)], wide, NUMBERS, terms=4)
    yield Case("ungather", [x(3, 1), index(3, 1, below=5)], wide)
    yield Case("ungather", [x(63, 2), index(63, 2, below=3)], tall, F32, terms=63)

    yield Case("scatter_add", [x(3, 5), index(3, 4, below=5), x(3, 4)], across, NUMBERS, terms=4)
    yield Case("scatter_add", [x(3, 5), index(60, 5, below=3), x(60, 5)], down, FLOATS, terms=60)
    yield Case("scatter_add", [x(3, 5), index(2, 2, below=5), x(3, 4)], across, F32, "shorter", 3)
    yield Case("scatter_add", [x(4), index(6, below=4, dtype="int32"), x(6)], down, F32, terms=6)
    yield Case("scatter_add", [x(3, 5), index(0, 5, below=3), x(0, 5)], down, F32)

    yield Case("scatter_max", [x(3, 5), index(6, 4, below=3), x(6, 4)], down, NUMBERS)
    yield Case("scatter_max", [x(5), index(0, below=5), x(0)], down, F32)
    ties = given(1, 2, 2, 1), given(0, 1, 1, 1, 0, dtype="int64"), given(1, 2, 2, 0, 0)
    yield Case("scatter_max", [*ties], down, FLOATS, "ties", order=0)

    apart = given(4, 0, 2, 1, 2, 3, 0, 4, 1, shape=(3, 3), dtype="int64")
    yield Case("scatter", [x(3, 5), apart, x(3, 3)], across, EVERYTHING)
    small = given(1, 0, 1, 0, 2, 2, shape=(2, 3), dtype="int32")
    yield Case("scatter", [x(4, 5), small, x(2, 3)], down, F32, "shorter")
    yield Case("scatter", [x(3, 5), index(0, 5, below=3), x(0, 5)], down, F32)
    again = given(1, 0, 1, 1, dtype="int64")
    yield Case("scatter", [x(3), again, x(4)], down, NUMBERS, "repeated", order=0)
    odd = given(nan, 1, inf, -inf, nan, 1, 0, -0.0, shape=(2, 4))
    for downwards in (False, True):
        about = "down" if downwards else "up"
        params = {"axis": 1, "descending": downwards}
        yield Case("argsort", [x(3, 5)], params, NUMBERS, about)
        yield Case("argsort", [mask(3, 5)], params, ("bool",), about)
        yield Case("argsort", [x(3, 0)], params, F32, about)
        yield Case("argsort", [x(63, 3)], params | down, F32, about)
        yield Case("argsort", [odd], params, FLOATS, f"odd-{about}")
    yield Case("median", [x(3, 5)], types=NUMBERS)
    yield Case("median", [x()], types=F32)
    yield from (
        Case("argselect", [odd], {"axis": 1, "descending": True, "first": 1, "count": 2}, FLOATS),
        Case("middle", [x(3, 4, 2)], across, NUMBERS),
        Case("flat_index", [again, index(4, below=3)], {"lengths": (2, 3)}, ("int64",)),
        Case("searchsorted", [given(1, 2, 2), given(3, nan, 1, 2)], {"right": True}, FLOATS),
    )
    yield Case("median", [given(1, 2, 2, 1, 3, 2, 2, 0)], about="ties", order=0)
    yield Case("median", [given(nan, 1, inf, -inf, nan)], about="odd", order=0)


KEY, COUNTER = 0x9E3779B97F4A7C15, 2**64 - 3  # every bit is used, and the counter wraps round


def creation() -> Iterator[Case]:
    place = {"dtype": TYPE, "device": DEVICE}
    for whole, shape in [(2, (3, 5)), (0, ()), (1, (0, 3))]:
        yield Case("full", [whole], {"shape": shape} | place, EVERYTHING, f"{len(shape)}d")
    for value in (2.5, nan, -inf):
        yield Case("full", [value], {"shape": (7,)} | place)
    for length in (0, 1, 63):
        yield Case("iota", [], {"length": length} | place, NUMBERS, str(length))
    for about, key, counter, shape in [
        ("zero", 0, 0, (4,)),
        ("keyed", KEY, 5, (63,)),
        ("wraps", KEY, COUNTER, (3, 5)),
        ("lane", KEY, KEY << 64 | COUNTER, (63,)),
        ("0d", 1, 2, ()),
        ("empty", 1, 2, (0, 3)),
    ]:
        params = {"shape": shape, "device": DEVICE}
        yield Case("random_bits", [key, counter], params, ("uint32",), about)
        yield Case("integers", [key, counter], params | {"words": 1 + key % 2}, ("int64",), about)
        for op in ("uniform", "normal"):
            yield Case(op, [key, counter], {"shape": shape} | place, FLOATS, about)
    for p in (0.25, 1.0):
        yield Case("dropout", [x(3, 63), 7, 3], {"p": p}, FLOATS if p < 1 else F32, f"p-{p}")


def fused() -> Iterator[Case]:
    for op in ("softmax", "log_softmax"):
        yield Case(op, [x(3, 5)], {"axis": 1}, terms=5)
        yield Case(op, [x(63, 2)], {"axis": 0}, about="columns", terms=63)
        yield Case(op, [x(2, 3, 4)], {"axis": 1}, F32, terms=3)
        yield Case(op, [x(2, 1)], {"axis": 1}, F32, "alone")
        yield Case(op, [x(0, 3)], {"axis": 1}, F32)
        far = x(3, 60, low=-900, high=900)
        yield Case(op, [far], {"axis": 1}, ("float32", "float64"), "large", 60, order=0)
        rows = given(-inf, 1.0, 2.0, nan, 1.0, 2.0, inf, 1.0, 2.0, shape=(3, 3))
        yield Case(op, [rows], {"axis": 1}, FLOATS, "odd", 3, order=0)
        yield Case(op, [x(3, 5)], {"axis": 1}, ("int64",), "whole", terms=5)

    params: dict[str, Any]
    inputs: list[Values | None]
    for batch, lines, keys, types in [((2,), 3, 4, FLOATS), ((2, 3), 5, 5, F32), ((0,), 3, 3, F32)]:
        inputs = [x(*batch, lines, 4), x(*batch, keys, 4), x(*batch, keys, 3), None]
        for causal in (False, True):
            params = {"causal": causal, "scale": 0.3}
            yield Case("attention", inputs, params, types, f"causal-{causal}", 4 * keys)
        params = {"causal": False, "scale": 0.3}
        for kind in (mask, x):  # of bools, or added
            inputs = [*inputs[:3], kind(*batch, lines, keys)]
            yield Case("attention", inputs, params, types, kind.__name__, 4 * keys)
    blind = given(1, 1, 0, 1, 0, 0, 0, 0, 0, 1, 1, 1, shape=(3, 4), dtype="bool")
    yield Case("attention", [x(3, 5), x(4, 5), x(4, 2), blind], params, F32, "blind", 20)
    both, first, second, neither = (True, True), (True, False), (False, True), (False, False)
    for shape, axes, has, types in [
        ((3, 5), (1,), both, FLOATS),
        ((2, 3, 4), (1, 2), both, F32),
        ((2, 3, 63), (2,), first, F32),
        ((3, 5), (1,), neither, F32),
        ((3, 5), (1,), second, F32),
        ((5,), (0,), both, F32),
        ((0, 5), (1,), both, F32),
    ]:
        scale = Values(shape[axes[0] :])
        inputs = [Values(shape), *[scale if there else None for there in has]]
        params = {"axes": axes, "eps": 0.01}
        yield Case("layer_norm", inputs, params, types, terms=prod(scale.shape))
    for shape, has, types in [
        ((6, 3), both, FLOATS),
        ((2, 3, 4, 5), both, F32),
        ((2, 3, 7), first, F32),
        ((6, 3), neither, F32),
    ]:
        inputs = [Values(shape), *[x(shape[1]) if there else None for there in has]]
        terms = prod(shape) // shape[1]
        yield Case("batch_norm", inputs, {"eps": 0.01}, types, terms=terms)


def losses() -> Iterator[Case]:
    yield Case("mse", [x(3, 5), x(3, 5)], terms=15)
    yield Case("mse", [x(), x()], types=F32)
    yield Case("mse", [x(0, 3), x(0, 3)], types=F32, order=0)
    yield Case("binary_cross_entropy", [x(3, 5, low=0.1, high=0.9)] * 2)
    sure = [given(0.0, 1.0, 0.0, 1.0), given(0.0, 0.0, 1.0, 1.0)]
    yield Case("binary_cross_entropy", sure, about="sure", order=0)
    for left, right in [((3, 1), (5,)), ((), ()), ((0, 3), (0, 3))]:
        inputs = [Values(left, 0.05, 0.95), Values(right, 0.05, 0.95)]
        yield Case("binary_cross_entropy", inputs, types=F32)
    for shape, types in [((5, 3), FLOATS), ((1, 1), F32), ((63, 60), F32)]:
        inputs = [Values(shape), index(shape[0], below=shape[1])]
        yield Case("cross_entropy", inputs, {"ignore": -100}, types, terms=shape[0] + shape[1])
    ignored = given(1, -100, 2, -100, dtype="int64")
    yield Case("cross_entropy", [x(4, 3), ignored], {"ignore": -100}, FLOATS, "ignored", 7)
    nothing = given(0, 0, dtype="int64")
    yield Case("cross_entropy", [x(2, 3), nothing], {"ignore": 0}, F32, "all-ignored", 5, order=0)


def optimizers() -> Iterator[Case]:
    """Steps of a group of two parameters."""
    group = [x(2, 3), x(5)] * 2
    for maximize in (False, True):
        about = "maximize" if maximize else ""
        yield Case("sgd_plain", [0.1, 0.01, *group], {"maximize": maximize}, FLOATS, about)
    for nesterov in (False, True):
        params = {"nesterov": nesterov, "maximize": nesterov}
        about = "nesterov" if nesterov else ""
        yield Case("sgd", [0.1, 0.9, 0.2, 0.01, x(11), *group], params, FLOATS, about)
    moments = [x(11), x(11, low=0.1)]
    for decoupled in (False, True):
        params = {"decoupled": decoupled, "maximize": decoupled}
        numbers = [3, 0.01, 0.9, 0.99, 0.001, 0.1]
        about = "decoupled" if decoupled else ""
        yield Case("adam", [*numbers, *moments, *group], params, FLOATS, about)
    numbers = [1, 0.01, 0.9, 0.99, 0.001, 0.0]
    params = {"decoupled": False, "maximize": False}
    yield Case("adam", [*numbers, *moments, *group], params, F32, "first")


CASES: list[Case] = [
    *casts(),
    *arithmetic(),
    *choices(),
    *functions(),
    *functions_by_body(),
    *reductions(),
    *scans(),
    *places(),
    *movement(),
    *parts(),
    *sliding(),
    *contractions(),
    *factors(),
    *convolutions(),
    *indexing(),
    *creation(),
    *fused(),
    *losses(),
    *optimizers(),
]
