"""CALLS: what every public name is called with, by the name; aliases share a line.

Knows neither library: a test compares both on these, on every element type.
"""

from __future__ import annotations

from copy import copy
from math import inf, nan

import numpy as np
from parity import programs
from parity.call import TYPE, Attribute, Call, Still, bad, call, drawn, program, still

from rushlight.testing.case import Values, given, index, mask, x

ODD = (nan, inf, -inf, 0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0)
odd, odd_column = given(*ODD), given(*ODD, shape=(len(ODD), 1))
not_nan = given(*ODD[1:])
odd_rows = given(nan, 1, 2, inf, 1, -inf, inf, 0, 1, -inf, 3, 4, shape=(4, 3))
ties = given(1, 2, 2, 3, 3, 3, 0, 0, 0, shape=(3, 3))
few = given(1.0, 0.0, 2.0, 1.0, 0.0, shape=(5,))
origin, kinks = given(0.0, 0.0), given(0.0, -1.0, 1.0)
one_zero, zeros = given(2, 0, 3, 0.5), given(0, 2, 3, 0, 0, 4, 1, 2, 3, shape=(3, 3))
F64, F32, BF16, INT, BOOL = map(Attribute, ("float64", "float32", "bfloat16", "int64", "bool"))
INT32, UINT8, HALF = map(Attribute, ("int32", "uint8", "float16"))
FLOATS = ("float64", "float32", "bfloat16")
WIDE = ("float64", "float32")
EXACT = ("int64", "bool")


def unary(low: float = -1.4142, high: float = 2.7183) -> list[Call]:
    """Of each element: usual, 0-d, empty, odd."""
    shapes: list[tuple[int, ...]] = [(3, 5), (), (0, 3)]
    values = [call(Values(shape, low, high)) for shape in shapes]
    odds = [call(odd).up_to(0), call(not_nan).up_to(1), call(given(nan)).up_to(1)]
    good = [*values, *[one.on(*FLOATS) for one in odds]]
    return [*[one.of_elements() for one in good], bad(2.5), bad()]


def binary(low: float = 0.35, high: float = 2.7183, number: float = 2) -> list[Call]:
    """Of two operands: broadcast, of other types, with numbers, odd."""
    left, right = x(3, 5), Values((3, 5), low, high)
    good = [
        call(left, right),
        call(x(3, 1), Values((4,), low, high)),
        call(x(), Values((0, 3), low, high)),
        call(x(), Values((), low, high)),
        call(left, Values((5,), low, high, "int32")),
        call(left, Values((), low, high, "float64")),
        call(Values((3,), dtype="uint8"), Values((), low, high)),
        call(left, number),
        call(left, 1.5),
        call(odd, odd_column).on(*FLOATS).up_to(0),
        call(not_nan, given(2.0, -3.0, shape=(2, 1))).on("float32").up_to(1),
    ]
    return [
        *[one.of_elements() for one in good],
        bad(x(3), x(4)),
        bad(x(2, 3), x(0, 3)),
        bad(x(3), "a"),
        bad(x(3)),
    ]


def bits() -> list[Call]:
    """Of integers and bools."""
    whole = [
        call(x(3, 5), x(5)),
        call(x(3, 1), x(0)),
        call(x(), x(4)),
        call(x(3), 5),
        call(x(3), True),
        call(x(3), Values((3,), dtype="uint8")),
        bad(x(3), x(4)),
        bad(x(3), 1.5),
    ]
    return [*[one.on(*EXACT) for one in whole], bad(x(3), x(3)).on(*FLOATS)]


def reflected() -> list[Call]:
    """Of a number and a tensor: the tensor is the right operand, and given first."""
    return [call(Values((3, 5), 0.35), 2), call(Values((5,), 0.35), 1.5), bad(x(3), "a")]


def tensors(low: float = 0.35, high: float = 2.7183) -> list[Call]:
    """Of two operands that are both tensors."""
    numbers = (2, 1.5)
    return [one for one in binary(low, high) if not {*map(id, numbers)} & {*map(id, one.args)}]


def over(low: float = -1.4142) -> list[Call]:
    """Over dims."""
    rows = Values((3, 5), low)
    return [
        call(rows),
        call(rows, 1),
        call(rows, dim=-2, keepdim=True),
        call(Values((2, 3, 4), low), dim=(0, 2)),
        call(x()),
        call(x(), dim=0),
        call(x(0, 3), dim=1),
        call(x(0, 3), 0),
        call(odd_rows, dim=1).on(*FLOATS).up_to(1),
        call(ties, dim=1).up_to(1),
        bad(x(3, 4), dim=2),
        bad(x(3, 4), dim=(0, 0)),
        bad(2.0),
    ]


def places() -> list[Call]:
    """Along one dim, or over all."""
    return [
        call(x(3, 5)),
        call(x(3, 5), 1),
        call(x(3, 5), dim=0, keepdim=True),
        call(x()),
        call(x(0, 3), dim=1),
        call(odd_rows, dim=1).on(*FLOATS),
        bad(x(3, 4), dim=2),
    ]


def scan(low: float = -1.4142, high: float = 2.7183) -> list[Call]:
    """Along a dim, up to each element."""
    return [
        call(Values((3, 5), low, high), 1),
        call(Values((2, 3, 4), low, high), dim=-2),
        call(x(), 0),
        call(x(0, 3), 0),
        call(odd_rows, 1).on(*FLOATS).up_to(1),
        call(ties, 0).up_to(1),
        bad(x(3), 1),
        bad(x(3)),
    ]


def extreme() -> list[Call]:
    """max and min, in three forms."""
    return [
        call(x(3, 5)),
        call(x(3, 5), 1),
        call(x(3, 5), dim=0, keepdim=True),
        call(x(3, 5), x(5)),
        call(x(3, 5), x(0, 1, 1)),
        call(x()),
        call(x(), 0),
        call(odd_rows, 1).on(*FLOATS).up_to(1),
        call(ties, 1).up_to(1),
        call(ties).up_to(1),
        bad(x(0)),
        bad(x(0, 3), 0),
        bad(x(3), 1),
    ]


def spread() -> list[Call]:
    """Variances."""
    return [
        call(x(3, 5)),
        call(x(3, 5), 1),
        call(x(3, 5), dim=(0, 1), correction=0, keepdim=True),
        call(x(3, 5), 0, unbiased=False),
        call(x(3, 5), unbiased=True),
        call(x(4, 2), dim=0, correction=2),
        call(odd_rows, dim=1).on(*FLOATS).up_to(1),
        bad(x(3), dim=1),
    ]


def conv(n: int) -> list[Call]:
    """Of n dims."""
    space = (7, 6, 5)[:n]
    ones = (3, 2, 3)[:n]
    return [
        call(x(2, 3, *space), x(4, 3, *ones), x(4)),
        call(x(3, *space), x(4, 3, *ones), stride=2, padding=1),
        call(x(2, 4, *space), x(6, 2, *(2,) * n), None, 1, 2, 2, 2),
        call(x(2, 3, *space), x(4, 3, *(3,) * n), padding="same", dilation=(1,) * n),
        call(x(0, 3, *space), x(4, 3, *ones), x(4), padding="valid"),
        bad(x(2, 3, *space), x(4, 2, *ones)),
        bad(x(2, 3, *space), x(4, 3, *(9,) * n)),
        bad(x(2, 3, *space), x(4, 3, *ones), x(3)),
        bad(x(3), x(4, 3, *ones)),
    ]


def transposed(n: int) -> list[Call]:
    """Transposed convolutions of n dims."""
    space = (4, 3, 2)[:n]
    return [
        call(x(2, 3, *space), x(3, 4, *(3,) * n), x(4)),
        call(x(3, *space), x(3, 4, *(2,) * n), stride=2, padding=1, output_padding=1),
        call(x(2, 4, *space), x(4, 3, *(2,) * n), groups=2, dilation=2),
        bad(x(2, 3, *space), x(4, 2, *(2,) * n)),
        bad(x(2, 3, *space), x(3, 4, *(2,) * n), stride=1, output_padding=2),
    ]


def pool(n: int) -> list[Call]:
    """Of n dims."""
    space = (7, 6, 5)[:n]
    return [
        call(x(2, 3, *space), 2),
        call(x(3, *space), (3,) * n, stride=2, padding=1),
        call(x(2, 3, *space), 2, stride=2, ceil_mode=True),
        bad(x(2, 3, *(1,) * n), 3),
        bad(x(2, 3, *space), 2, padding=2),
        bad(x(3), 2) if n > 1 else bad(x(), 2),
    ]


def adaptive(n: int) -> list[Call]:
    """Adaptive pools of n dims."""
    space = (7, 6, 5)[:n]
    return [
        call(x(2, 3, *space), 3),
        call(x(3, *space), 1),
        call(x(2, 3, *space), (4, None, 2)[:n] if n > 1 else 4),
        bad(x(2, 3, *space), (2,) * (n + 1)),
    ]


def loss(low: float = -1.4142, high: float = 2.7183) -> list[Call]:
    """Of an input and a target of its shape."""
    two = Values((3, 5), low, high), Values((3, 5), low, high)
    return [
        call(*two),
        call(*two, reduction="sum"),
        call(*two, reduction="none"),
        call(Values((), low, high), Values((), low, high)),
        call(x(0, 3), x(0, 3), reduction="sum"),
        bad(*two, reduction="avg"),
        bad(x(3), x(4)),
    ]


classes = index(4, below=3)
signs = Still(given(1, -1, 1, -1))
spd = given(4, 1, 0.5, 1, 3, 0.25, 0.5, 0.25, 2, shape=(3, 3))
lower = given(2, 0, 0, 1, 1.5, 0, 0.5, 0.25, 1, shape=(3, 3))
singles, flat = given(2, shape=(1, 1)), given(1, 2, 2, 4, shape=(2, 2))

TABLE: dict[str, list[Call]] = {
    # -- elementwise, of one
    """
    abs absolute neg negative sin cos tan tanh erf exp exp2 expm1 sinh cosh atan arctan
    floor ceil trunc frac sign sgn square signbit isnan isinf isfinite logical_not
    sigmoid relu silu relu6 hardswish hardsigmoid mish logsigmoid softsign tanhshrink
    """: unary(),
    "asin arcsin acos arccos log1p": unary(-0.7, 0.9),
    "log log2 log10 sqrt rsqrt reciprocal": unary(0.3),
    "bitwise_not": [*[one.on(*EXACT) for one in unary() if not one.bad], bad(x(3)).on(*FLOATS)],
    "round": [
        *unary(),
        call(given(0.5, 1.5, 2.5, -0.5, 1.25)),
        call(x(5), decimals=1).on(*WIDE),
        call(given(15.0, 25.0, -14.9), decimals=-1),
    ],
    "logit": [*unary(0.1, 0.9), call(given(0.1, 0.5, 0.95), eps=0.2)],
    "gelu": [*unary(), call(x(3, 5), approximate="tanh"), bad(x(3), approximate="no")],
    "elu": [*unary(), call(x(3, 5), 1.5), call(kinks)],
    "selu": [*unary(), call(kinks)],
    "celu": [*unary(), call(x(3, 5), alpha=0.5), call(kinks), bad(x(3), alpha=0.0)],
    "leaky_relu": [*unary(), call(x(3, 5), 0.2)],
    "softplus": [*unary(), call(x(3, 5), 2.0, 1.0)],
    "hardtanh": [*unary(), call(x(3, 5), -0.5, 2.0)],
    "hardshrink softshrink": [*unary(), call(x(3, 5), 0.8)],
    "threshold": [
        call(x(3, 5), 0.1, 20.0),
        call(not_nan, 0.5, -1.0).on(*FLOATS).up_to(1),
        bad(x(3)),
    ],
    "prelu": [
        call(x(3, 5), x(5)),
        call(x(2, 3, 4), x(3)),
        call(x(3, 5), x(1)),
        call(x(), x(1)),
        call(kinks, x(1)),
        call(not_nan, given(0.25)).on(*FLOATS).up_to(1),
        bad(x(2, 3), x(2)),
    ],
    "nan_to_num": [*unary(), call(odd, nan=1.0, posinf=2.0, neginf=-2.0)],
    # -- elementwise, of two
    "mul multiply remainder floor_divide fmod xlogy": binary(),
    "maximum minimum fmax fmin hypot logaddexp atan2 arctan2": tensors(),
    "pow": [
        *binary(0.2),
        *[call(Values((5,), 0.2), power) for power in (0, 1, 3, -1.0, 0.5, 2.5)],
        call(2, x(5)),
        call(2.5, x(5)),
    ],
    "true_divide": binary(),
    "div divide": [
        *binary(),
        *[call(x(3, 5), Values((5,), 0.35), rounding_mode=how) for how in ("floor", "trunc")],
        call(given(7, -7, 0), 2, rounding_mode="trunc"),
        bad(x(3), x(3), rounding_mode="round"),
    ],
    "add sub subtract": [
        *binary(),
        call(x(3, 5), x(5), alpha=2),
        call(x(3, 5), 2, alpha=3),
        call(x(3, 5), x(5), alpha=0.5),
    ],
    """
    eq ne not_equal lt less le less_equal gt greater ge greater_equal
    """: [*binary(-1.0), call(ties, 2)],
    "logical_and logical_or logical_xor": tensors(-1.0),
    "bitwise_and bitwise_or bitwise_xor": bits(),
    "isclose": [
        call(given(1.0, 2.0, nan, inf), given(1.0 + 1e-6, 2.5, nan, inf)),
        call(given(1.0, 2.0, nan), given(1.2, 2.5, nan), rtol=0.5, equal_nan=True),
        call(x(3, 1), x(4), atol=1.0),
        bad(x(3), x(4)),
        bad(x(3), x(3), rtol=-1.0),
        bad(x(3), Values((3,), dtype="int32")),
    ],
    "allclose": [
        call(given(1.0, 2.0), given(1.0 + 1e-6, 2.0)),
        call(given(1.0, nan), given(1.0, nan)),
        call(given(1.0, nan), given(1.0, nan), equal_nan=True),
        call(x(0, 3), x(3)),
        bad(x(3), x(4)),
    ],
    "equal": [
        call(x(3), x(3)),
        call(few, given(1, 0, 2, 1, 0)),
        call(x(3), x(1, 3)),
        call(given(nan), given(nan)),
        bad(x(3), 2),
    ],
    "clamp clip": [
        call(x(3, 5), -0.5, 1.0),
        call(x(3, 5), min=0.25),
        call(x(3, 5), max=1),
        call(x(3, 5), x(5), x(3, 1)),
        call(x(3, 5), 2, 1),
        call(odd, -1.0, 1.0).on(*FLOATS).up_to(0),
        call(not_nan, -1.0, 1.0).on(*FLOATS).up_to(1),
        call(given(nan), -1.0, 1.0).on(*FLOATS).up_to(1),
        call(odd, given(nan, shape=(1,)), None).on(*FLOATS).up_to(1),
        bad(x(3)),
        bad(x(3), x(4)),
    ],
    "clamp_min clamp_max": [call(x(3, 5), 0.5), call(x(3, 5), x(5)), call(x(3), 1), bad(x(3))],
    "lerp": [
        call(x(3, 5), x(5), 0.25),
        call(x(3, 5), x(3, 5), 0.75),
        call(x(3, 5), x(5), x(3, 1)),
        call(x(), x(), 2),
        bad(x(3), Values((3,), dtype="float16"), 0.5),
        bad(x(3), x(4), 0.5),
    ],
    "addcmul addcdiv": [
        call(x(3, 5), x(5), Values((3, 1), 0.35)),
        call(x(3, 5), x(3, 5), Values((5,), 0.35), value=2),
        call(x(), x(), Values((), 0.35), value=0.5),
        bad(x(3), x(4), x(3)),
    ],
    "where": [
        call(mask(3, 5), x(3, 5), x(5)),
        call(mask(3, 1), x(5), 2),
        call(mask(3), 1.5, x(3)),
        call(mask(0, 3), x(3), x()),
        call(mask(5), 1, 0),
        call(mask(3), x(3), Values((3,), dtype="float64")),
        bad(mask(3), x(4), x(4)),
        bad(x(3), x(3), x(3)).on(*FLOATS, "int64"),
    ],
    "Tensor.where": [
        call(x(3, 5), mask(3, 5), x(5)),
        call(x(3), mask(3), 2),
        bad(x(3), mask(4), x(3)),
    ],
    "masked_fill": [
        call(x(3, 5), mask(5), 1.0),
        call(x(3, 5), mask(3, 1), x()),
        call(x(0), mask(0), 1),
        call(x(3), mask(2, 3), 1),
        bad(x(3), mask(4), 1.0),
        bad(x(3), Values((3,), dtype="float32"), 1.0),
        bad(x(3), mask(3), x(2)),
    ],
    # -- reductions
    "sum": [*over(), call(x(3, 5), 1, dtype=F64), call(still(3, 5), dtype=INT), call(x(3), None)],
    "nansum": [*over(), call(odd_rows).on(*FLOATS)],
    "mean": [*over(), call(x(3, 5), dtype=F64)],
    "prod": [
        *[
            one if one.bad else one.rounding(4, "PyTorch's second gradient divides by each element")
            for one in [*places(), call(Values((2, 3, 2), 0.6, 1.6))]
            if one.args[0] != x(0, 3)
        ],
        call(x(0, 3), 0),
        call(ties, 1),
        call(ties),
        call(few),
        call(one_zero),
        call(zeros, 1),
        call(zeros, 0, keepdim=True),
    ],
    "amax amin": [one for one in over() if one.args[:1] != (x(0, 3),)] + [bad(x(0, 3), 0)],
    "max": [*extreme()],
    "min": [*extreme()],
    "aminmax": [
        call(x(3, 5)),
        call(x(3, 5), dim=1),
        call(x(3, 5), dim=0, keepdim=True),
        call(x()),
        call(odd_rows, dim=1).on(*FLOATS).up_to(1),
        bad(x(0)),
        bad(x(3), 1),
    ],
    "argmax argmin": [
        *places()[:-2],
        call(ties, 1),
        call(odd_rows).on(*FLOATS),
        bad(x(0)),
        bad(x(3), 1),
    ],
    "any all": [*over()],
    "logsumexp": [one for one in over() if one.args[1:] or one.options],
    "count_nonzero": [call(few), call(ties, 0), call(ties, dim=(0, 1)), call(x()), bad(x(3), 1)],
    "median": [
        *[one for one in places() if one.args[0] != x(0, 3)],
        call(ties, 1),
        call(ties).up_to(1),
        call(given(1, 1, 1)).up_to(1),
        call(given(-inf, -inf, -inf, 1)).on(*FLOATS).up_to(1),
        call(given(nan, 1, 2, nan)).on(*FLOATS).up_to(1),
        bad(x(0, 3), 0),
    ],
    "var std var_mean std_mean": spread(),
    "norm": [
        call(x(3, 5)),
        *[call(x(3, 5), p, 1) for p in (0, 1, 2, 3, 0.5, inf, -inf)],
        call(x(2, 3, 4), dim=(0, 2), keepdim=True),
        call(x()),
        call(origin),
        call(x(0, 3), 2, 1),
        call(x(3), dtype=F64).on("float32", "bfloat16"),
        call(x(3), dtype=F32).on("bfloat16"),
        bad(x(3), dtype=F32).on("float64"),
        bad(x(3), 2, 1),
    ],
    "dist": [
        call(x(3, 5), x(5)),
        call(x(3), x(3), 1),
        call(x(3), x(3), inf),
        call(origin, origin),
        bad(x(3), x(4)),
    ],
    "cdist": [
        call(x(3, 4), x(2, 4)),
        call(x(2, 3, 4), x(1, 2, 4), p=1.0),
        call(x(3, 4), x(2, 4), p=inf),
        call(x(0, 4), x(2, 4)),
        bad(x(3, 4), x(3, 5)),
        bad(x(3), x(3)),
    ],
    "trace": [call(x(3, 5)), call(x(0, 3)), bad(x(3))],
    "cumsum": [*scan(), call(x(3), 0, dtype=F64)],
    "cumprod": [*scan(0.4, 1.6)],
    "logcumsumexp": scan(),
    "cummax cummin": scan(),
    "bincount": [
        call(index(5, below=4)),
        call(index(5, below=4), minlength=6),
        call(index(5, below=4), Values((5,), dtype="float32")),
        call(index(0, below=4)),
        bad(given(-1, 2, dtype="int64")),
        bad(index(2, 2, below=3)),
        bad(Values((3,), dtype="float32")),
    ],
    # -- shape
    "reshape": [
        call(x(2, 6), (3, 4)),
        call(x(2, 6), (-1,)),
        call(x(), (1, 1)),
        call(x(0, 3), (3, 0)),
        bad(x(2, 6), (5,)),
        bad(x(2, 6), (-1, -1)),
        bad(x(0, 3), (-1, 0)),
    ],
    "view": [call(x(2, 6), 3, 4), call(x(2, 6), (-1,)), call(x(2, 6), [4, -1]), bad(x(2, 6), 5)],
    "permute": [
        call(x(2, 3, 4), (2, 0, 1)),
        call(x(2, 3), (-1, 0)),
        call(x(), ()),
        bad(x(2, 3), (0, 0)),
        bad(x(2, 3), (0,)),
        bad(x(2, 3), (0, 2)),
    ],
    "transpose swapaxes swapdims": [
        call(x(2, 3, 4), 0, -1),
        call(x(), 0, 0),
        call(x(0, 3), 0, 1),
        bad(x(2, 3), 0, 2),
        bad(x(2, 3), 0),
    ],
    "t": [call(x(2, 3)), call(x(3)), call(x()), bad(x(2, 3, 4))],
    "squeeze": [
        call(x(1, 3, 1)),
        call(x(1, 3, 1), 0),
        call(x(1, 3, 1), -2),
        call(x(1, 3, 1), dim=(0, 2)),
        call(x(), 0),
        bad(x(3), 1),
    ],
    "unsqueeze": [call(x(3), 0), call(x(3), -1), call(x(), dim=0), bad(x(3), 2), bad(x(3))],
    "flatten": [
        call(x(2, 3, 4)),
        call(x(2, 3, 4), 1),
        call(x(2, 3, 4), start_dim=0, end_dim=-2),
        call(x()),
        call(x(0, 3)),
        bad(x(2, 3), 1, 0),
        bad(x(2, 3), 2),
    ],
    "unflatten": [
        call(x(6, 2), 0, (2, 3)),
        call(x(2, 6), -1, (3, -1)),
        bad(x(6), 0, (4, 2)),
        bad(x(6), 1, (2, 3)),
    ],
    "ravel": [call(x(2, 3)), call(x()), call(x(0, 2))],
    "expand": [
        call(x(3, 1), 3, 4),
        call(x(3), (2, -1)),
        call(x(), 0),
        call(x(1, 3), 0, 3),
        bad(x(3), 4),
        bad(x(2, 3), 3),
        bad(x(3), -1, 3),
    ],
    "broadcast_to": [call(x(3, 1), (3, 4)), call(x(), (2,)), bad(x(3), (4,))],
    "expand_as": [call(x(3, 1), x(3, 4)), bad(x(3), x(4))],
    "view_as reshape_as": [call(x(2, 6), x(3, 4)), bad(x(2), x(3))],
    "type_as": [call(x(3), Values((1,), dtype="float64")), call(x(3), index(1, below=2))],
    "flip": [call(x(3, 5), (0,)), call(x(3, 5), (0, -1)), call(x(0, 3), (0, 1)), bad(x(3), (1,))],
    "roll": [
        call(x(3, 5), 2),
        call(x(3, 5), 1, 0),
        call(x(3, 5), (1, -2), (0, 1)),
        call(x(0), 1, 0),
        bad(x(3), 1, 1),
        bad(x(3, 4), (1, 2), 0),
    ],
    "narrow": [
        call(x(5, 3), 0, 1, 3),
        call(x(5, 3), -1, 2, 0),
        call(x(5), 0, -2, 2),
        bad(x(5), 0, 3, 3),
        bad(x(5), 1, 0, 1),
        bad(x(5), 0, 0, -1),
    ],
    "select": [
        call(x(3, 5), 0, 1),
        call(x(3, 5), -1, -2),
        bad(x(3), 0, 3),
        bad(x(3), 1, 0),
        bad(x(), 0, 0),
    ],
    "split": [
        call(x(5, 3), 2),
        call(x(5, 3), [1, 4]),
        call(x(3, 5), 5, dim=1),
        call(x(0, 3), 2),
        bad(x(5), [1, 3]),
        bad(x(5), 2, 1),
        bad(x(5), -1),
    ],
    "chunk": [call(x(5, 3), 2), call(x(3, 5), 3, 1), call(x(2), 5), bad(x(5), 0), bad(x(), 1)],
    "unbind": [call(x(3, 5)), call(x(3, 2), 1), call(x(0, 3)), bad(x(3), 1), bad(x())],
    "cat concat concatenate": [
        call([x(2, 3), x(1, 3)]),
        call([x(2, 3), x(2, 0), x(2, 1)], dim=1),
        call((x(2), Values((2,), dtype="float64"))),
        call([x(2, 3), x(0)]),
        bad([x(2, 3), x(2, 4)]),
        bad([x(2), x(2, 1)]),
        bad([x(), x()]),
        bad([]),
        bad([x(3)], 1),
    ],
    "stack": [
        call([x(3), x(3)]),
        call([x(2, 3), x(2, 3)], dim=-1),
        call([x(), Values((), dtype="float64")]),
        bad([x(3), x(4)]),
        bad([]),
        bad([x(3)], 2),
    ],
    "hstack vstack dstack column_stack": [
        call([x(3), x(3)]),
        call((x(2, 3), x(2, 3))),
        call([x(), x()]),
        bad([x(2, 3, 1), x(3)]),
    ],
    "atleast_1d atleast_2d atleast_3d": [call(x()), call(x(3)), call(x(2, 3)), call([x(), x(3)])],
    "broadcast_tensors": [call(x(3, 1), x(4)), call(x(), x(0, 2)), bad(x(3), x(4))],
    "meshgrid": [
        call(x(2), x(3), indexing="ij"),
        call(x(2), x(3), indexing="xy"),
        call([x(2), x()], indexing="ij"),
        bad(x(2), x(3), indexing="yx"),
        bad(x(2, 2), x(3), indexing="ij"),
    ],
    "repeat": [
        call(x(3, 1), 2, 3),
        call(x(3), (2, 2)),
        call(x(), 2),
        call(x(3), 0),
        bad(x(2, 3), 2),
        bad(x(3), -1),
    ],
    "tile": [call(x(3, 1), (2, 3)), call(x(2, 3), (2,)), call(x(3), (0, 2)), bad(x(3), (-1,))],
    "repeat_interleave": [
        call(x(3, 2), 2),
        call(x(3, 2), 2, dim=0),
        call(x(3, 2), given(1, 0, 2, dtype="int64"), 0),
        call(x(), 2),
        bad(x(3), given(1, 2, dtype="int64"), 0),
        bad(x(3), -1),
    ],
    "movedim moveaxis": [
        call(x(2, 3, 4), 0, -1),
        call(x(2, 3, 4), (0, 1), (2, 0)),
        bad(x(2, 3), 0, 2),
        bad(x(2, 3), (0, 1), 0),
        bad(x(2, 3), (0, 0), (0, 1)),
    ],
    "diagonal": [
        call(x(3, 4)),
        call(x(3, 4), 1),
        call(x(2, 3, 4), offset=-1, dim1=1, dim2=2),
        call(x(3, 4), 9),
        bad(x(3)),
        bad(x(3, 4), 0, 0, 0),
    ],
    "diag": [call(x(3)), call(x(3), 1), call(x(3, 4), -1), bad(x()), bad(x(2, 3, 4))],
    "tril triu": [
        call(x(3, 4)),
        call(x(3, 4), 1),
        call(x(2, 3, 3), diagonal=-1),
        call(x(0, 3)),
        bad(x(3)),
    ],
    "Tensor.unfold": [
        call(x(7), 0, 3, 2),
        call(x(2, 5), 1, 2, 1),
        bad(x(3), 0, 4, 1),
        bad(x(3), 0, 1, 0),
    ],
    "pad": [
        call(x(3, 5), (1, 2)),
        call(x(3, 5), (1, 0, 2, 1), value=2.0),
        call(x(3, 5), (-1, 2, 0, -1)),
        call(x(2, 3, 5), (1, 2), "reflect"),
        call(x(2, 3, 4, 5), (1, 2, 3, 0), "replicate"),
        call(x(2, 3, 5), (2, 5), mode="circular"),
        call(x(0, 3), (1, 1)),
        bad(x(3, 5), (1,)),
        bad(x(3), (1, 1, 1, 1)),
        bad(x(2, 3, 5), (5, 0), "reflect"),
        bad(x(3, 5), (1, 1), "mirror"),
    ],
    "clone detach detach_ contiguous": [call(x(3, 5)), call(x()), call(x(0, 3))],
    # -- products
    "matmul": [
        call(x(3, 4), x(4, 5)),
        call(x(4), x(4)),
        call(x(3, 4), x(4)),
        call(x(4), x(4, 5)),
        call(x(2, 1, 3, 4), x(5, 4, 2)),
        call(x(3, 0), x(0, 2)),
        call(x(2, 3, 4), x(4)),
        bad(x(3, 4), x(3, 4)),
        bad(x(), x(3)),
        bad(x(3, 4), Values((4, 2), dtype="float16")),
        bad(x(3, 4), 2.0),
    ],
    "mm": [call(x(3, 4), x(4, 5)), call(x(0, 4), x(4, 2)), bad(x(3, 4), x(3, 4)), bad(x(3), x(3))],
    "bmm": [call(x(2, 3, 4), x(2, 4, 5)), bad(x(2, 3, 4), x(3, 4, 5)), bad(x(3, 4), x(4, 5))],
    "mv": [call(x(3, 4), x(4)), bad(x(3, 4), x(3)), bad(x(3, 4), x(4, 1))],
    "dot": [call(x(4), x(4)), call(x(0), x(0)), bad(x(3), x(4)), bad(x(2, 2), x(2, 2))],
    "outer": [call(x(3), x(4)), call(x(0), x(4)), bad(x(2, 2), x(3))],
    "einsum": [
        call("ij,jk->ik", x(3, 4), x(4, 5)),
        call("bij,bkj->bik", x(2, 3, 4), x(2, 5, 4)),
        call("ii->i", x(3, 3)),
        call("...i,i->...", x(2, 3, 4), x(4)),
        call("ij", x(3, 4)),
        call("i,j,k->ijk", x(2), x(3), x(2)),
        bad("ij,jk->ik", x(3, 4), x(5, 4)),
        bad("ij->ijk", x(3, 4)),
        bad("ij", x(3)),
    ],
    "linear": [
        call(x(3, 4), x(5, 4), x(5)),
        call(x(2, 3, 4), x(5, 4)),
        call(x(4), x(5, 4), x(5)),
        call(x(0, 4), x(5, 4)),
        bad(x(3, 4), x(5, 3)),
        bad(x(3, 4), x(5, 4), x(4)),
    ],
    **{f"conv{n}d": conv(n) for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": transposed(n) for n in (1, 2, 3)},
    **{f"max_pool{n}d": [*pool(n), call(x(2, 3, *(7,) * n), 2, 1, 0, 2)] for n in (1, 2, 3)},
    **{
        f"avg_pool{n}d": [*pool(n), call(x(2, 3, *(6,) * n), 3, 2, 1, False, False)]
        for n in (1, 2, 3)
    },
    **{f"adaptive_avg_pool{n}d": adaptive(n) for n in (1, 2, 3)},
    # -- indexing and order
    "gather": [
        call(x(3, 4), 0, index(2, 4, below=3)),
        call(x(3, 4), 1, index(3, 6, below=4)),
        call(x(3, 4), -1, index(2, 1, below=4)),
        call(x(3, 4), 0, index(0, 4, below=3)),
        bad(x(3, 4), 0, given(0, 3, shape=(1, 2), dtype="int64")),
        bad(x(3, 4), 0, index(3, below=3)),
        bad(x(3, 4), 2, index(3, 4, below=3)),
        bad(x(3, 4), 0, Values((3, 4), dtype="float32")),
    ],
    "take_along_dim": [
        call(x(3, 4), index(3, 2, below=4), 1),
        call(x(3, 4), index(1, 2, below=4), dim=1),
        call(x(3, 4), index(5, below=12)),
        bad(x(3, 4), index(3, below=3), 0),
    ],
    "index_select": [
        call(x(3, 4), 0, index(5, below=3)),
        call(x(3, 4), -1, index(2, below=4)),
        call(x(3), 0, given(1, dtype="int64", shape=(1,))),
        call(x(3, 4), 0, index(0, below=3)),
        bad(x(3), 0, given(3, dtype="int64")),
        bad(x(3), 1, index(2, below=3)),
        bad(x(3), 0, index(2, 2, below=3)),
        bad(x(3), 0, Values((2,), dtype="float32")),
    ],
    "index_add": [
        call(x(3, 4), 0, index(5, below=3), x(5, 4)),
        call(x(3, 4), 1, index(2, below=4), x(3, 2), alpha=2),
        bad(x(3, 4), 0, given(3, dtype="int64"), x(1, 4)),
        bad(x(3, 4), 0, index(2, below=3), x(3, 4)),
    ],
    "index_copy": [
        call(x(3, 4), 0, given(2, 0, dtype="int64"), x(2, 4)),
        bad(x(3, 4), 0, given(3, dtype="int64"), x(1, 4)),
        bad(x(3, 4), 0, index(2, below=3), x(3, 4)),
    ],
    "index_fill": [
        call(x(3, 4), 0, given(2, 0, dtype="int64"), 2.0),
        call(x(3, 4), 1, given(1, dtype="int64"), x()),
        bad(x(3, 4), 0, given(3, dtype="int64"), 1.0),
    ],
    "scatter": [
        call(x(3, 4), 0, given(2, 0, 1, 0, shape=(1, 4), dtype="int64"), x(2, 4)),
        call(x(3, 4), 1, given(3, 1, 2, shape=(3, 1), dtype="int64"), 1.5),
        call(x(3, 4), 0, index(2, 4, below=3), x(2, 4), reduce="add").up_to(0),
        bad(x(3, 4), 0, given(3, shape=(1, 1), dtype="int64"), x(1, 4)),
        bad(x(3, 4), 0, index(4, 4, below=3), x(1, 4)),
        bad(x(3, 4), 2, index(1, 4, below=3), x(1, 4)),
    ],
    "scatter_add": [
        call(x(3, 4), 0, index(2, 4, below=3), x(2, 4)),
        call(x(3, 4), 1, index(3, 6, below=4), x(3, 6)),
        bad(x(3, 4), 0, given(3, shape=(1, 1), dtype="int64"), x(1, 4)),
        bad(x(3, 4), 0, index(2, 4, below=3), x(1, 4)),
    ],
    "masked_select": [
        call(x(3, 4), mask(3, 4)),
        call(x(3, 1), mask(4)),
        bad(x(3), mask(4)),
        bad(x(3), Values((3,), dtype="float32")),
    ],
    "embedding": [
        call(index(2, 3, below=5), x(5, 4)),
        call(given(2, shape=(1,), dtype="int64"), x(5, 4)),
        call(index(0, below=5), x(5, 4)),
        bad(given(5, dtype="int64"), x(5, 4)),
        bad(Values((2,), dtype="float32"), x(5, 4)),
    ],
    "one_hot": [
        call(index(2, 3, below=4)),
        call(index(3, below=4), 6),
        bad(given(3, dtype="int64"), 2),
        bad(given(-1, dtype="int64")),
        bad(Values((3,), dtype="float32")),
    ],
    "nonzero": [call(few), call(ties), call(x()), call(x(0, 3)), call(ties, as_tuple=True)],
    "unique": [
        call(few),
        call(ties, return_inverse=True, return_counts=True),
        call(given(1, 2, 1, 2, 0, 1, shape=(3, 2)), dim=0),
        call(x(0)),
        bad(x(3), dim=1),
    ],
    "sort": [
        call(x(3, 5)),
        call(x(3, 5), 0, True),
        call(ties, stable=True, dim=1),
        call(x()),
        call(x(0, 3), 0),
        call(odd_rows).on(*FLOATS),
        bad(x(3), 1),
    ],
    "argsort": [
        call(Values((5,))).on(*FLOATS, "int64"),
        call(x(2, 4), 1, True).on(*FLOATS),
        call(ties, dim=1, stable=True),
        call(x()),
        bad(x(3), 1),
    ],
    "topk": [
        call(x(3, 5), 2).on(*FLOATS),
        call(Values((4,)), 3, largest=False).on(*FLOATS, "int64"),
        call(x(5, 3), 2, dim=0).on(*FLOATS),
        call(x(), 1),
        call(x(3), 0),
        bad(x(3), 4),
        bad(x(3), 1, 1),
    ],
    "searchsorted": [
        call(given(1, 3, 5, 7), given(3, 6, 9, 0)),
        call(given(1, 3, 5, 7), given(3, 6, 9, 0), right=True),
        call(given(1, 3, 5, 2, 4, 6, shape=(2, 3)), given(3, 4, shape=(2, 1)), side="right"),
        call(given(1, 3, 5), 3, out_int32=True),
        bad(given(1, 3, 5, 2, 4, 6, shape=(2, 3)), given(3, 4, 5, shape=(3, 1))),
    ],
    "bucketize": [
        call(given(3, 6, 9, 0), given(1, 3, 5, 7)),
        call(given(3, 6), given(1, 3, 5), right=True, out_int32=True),
        bad(given(3, 6), given(1, 3, 5, 7, shape=(2, 2))),
    ],
    # -- layers and losses
    "softmax": [
        call(x(3, 5), 1),
        call(x(2, 3, 4), dim=0),
        call(x(), 0),
        call(x(0, 3), 1),
        call(x(3, 0), 0),
        call(odd_rows, 1).on(*FLOATS).up_to(1),
        call(x(3, 5), dim=1, dtype=F64).on("float32", "int64"),
        bad(x(3), 1),
    ],
    "layer_norm": [
        call(x(3, 5), (5,)),
        call(x(3, 5), (5,), x(5), x(5), 0.01),
        call(x(2, 3, 4), [3, 4], x(3, 4), None),
        call(x(0, 5), (5,)),
        bad(x(3, 5), (4,)),
        bad(x(3, 5), (5,), x(4)),
    ],
    "rms_norm": [
        call(x(3, 5), (5,)),
        call(x(2, 3, 4), (3, 4), x(3, 4), 0.01),
        bad(x(3, 5), (4,)),
    ],
    "group_norm": [
        call(x(2, 4, 3), 2),
        call(x(2, 4, 3, 2), 4, x(4), x(4), 0.01),
        bad(x(2, 4, 3), 3),
        bad(x(4), 2),
    ],
    "batch_norm": [
        call(x(6, 3), None, None, training=True),
        call(x(6, 3), still(3), still(3, low=0.3), x(3), x(3)),
        call(x(2, 3, 4), None, None, x(3), x(3), True, 0.1, 0.01),
        bad(x(6, 3), x(4), x(4)),
        bad(x(6, 3), None, None),
        bad(x(1, 3), None, None, training=True),
    ],
    "instance_norm": [
        call(x(2, 3, 4)),
        call(x(2, 3, 4, 2), None, None, x(3), x(3), eps=0.01),
        bad(x(2, 3, 1)),
    ],
    "dropout": [
        drawn(x(3, 5)).up_to(0),
        call(x(3, 5), 0.0),
        call(x(3, 5), 1.0).up_to(1),
        call(x(3, 5), 0.5, False),
        bad(x(3), 1.5),
    ],
    "dropout1d": [drawn(x(2, 3, 4)).up_to(0), call(x(2, 3, 4), 0.0), bad(x(2, 3, 4), 2.0)],
    "dropout2d": [drawn(x(2, 3, 4, 5)).up_to(0), call(x(2, 3, 4, 5), 0.0), bad(x(2, 3, 4, 5), 2.0)],
    "dropout3d": [drawn(x(1, 2, 3, 4, 5)).up_to(0), call(x(1, 2, 3, 4, 5), 0.0)],
    "mse_loss l1_loss": loss(),
    "smooth_l1_loss": [*loss(), call(x(3, 5), x(3, 5), beta=0.5), bad(x(3), x(3), beta=-1.0)],
    "huber_loss": [*loss(), call(x(3, 5), x(3, 5), delta=0.5), bad(x(3), x(3), delta=0.0)],
    "binary_cross_entropy": [
        *loss(0.1, 0.9),
        call(Values((3, 5), 0.1, 0.9), Values((3, 5), 0.1, 0.9), still(5, low=0.1)),
        call(given(0.0, 1.0, 0.0, 1.0), given(0.0, 0.0, 1.0, 1.0)).up_to(1).of_elements(),
        bad(given(0.5, 1.5), given(0.5, 0.5)),
    ],
    "binary_cross_entropy_with_logits": [
        *loss(),
        call(x(3, 5), x(3, 5), still(5, low=0.1), pos_weight=still(5, low=0.1)),
    ],
    "kl_div": [
        *loss(0.1, 0.9),
        call(x(3, 5), x(3, 5), reduction="batchmean", log_target=True),
        call(given(-1, -2), given(0.0, 0.5), reduction="sum").up_to(1),
    ],
    "nll_loss": [
        call(x(4, 3), classes),
        call(x(4, 3), classes, still(3), reduction="sum"),
        call(x(4, 3), classes, ignore_index=1, reduction="none"),
        call(x(2, 3, 5), index(2, 5, below=3)),
        call(x(3), index(below=3)),
        bad(x(4, 3), index(3, below=3)),
        bad(x(4, 3), given(0, 1, 3, 0, dtype="int64")),
        bad(x(4, 3), Values((4,), dtype="float32")),
    ],
    "cross_entropy": [
        call(x(4, 3), classes),
        call(x(4, 3), classes, still(3, low=0.3), reduction="sum"),
        call(x(4, 3), classes, ignore_index=1, label_smoothing=0.2),
        call(x(2, 3, 5), index(2, 5, below=3), reduction="none"),
        call(x(4, 3), Values((4, 3), 0.1, 0.9)),
        call(x(4, 3), Values((4, 3), 0.1, 0.9), still(3, low=0.3), label_smoothing=0.2),
        call(x(3), index(below=3)),
        call(x(0, 3), index(0, below=3), reduction="sum"),
        bad(x(4, 3), index(3, below=3)),
        bad(x(4, 3), given(0, 1, 3, 0, dtype="int64")),
        bad(x(4, 3), classes, label_smoothing=2.0),
    ],
    "cosine_similarity": [
        call(x(3, 5), x(3, 5)),
        call(x(3, 5), x(5), dim=-1),
        call(origin, given(1, 2), 0),
        bad(x(3), x(4), 0),
    ],
    "normalize": [
        call(x(3, 5)),
        call(x(3, 5), 1.0, 0),
        call(x(0, 3)),
        call(origin, 2.0, 0),
        bad(x(3), dim=1),
    ],
    "scaled_dot_product_attention": [
        call(x(2, 3, 4), x(2, 5, 4), x(2, 5, 6)),
        call(x(2, 3, 4), x(2, 3, 4), x(2, 3, 4), is_causal=True),
        call(x(2, 3, 4), x(2, 5, 4), x(2, 5, 4), given(1, 1, 0, 1, 0, shape=(1, 5), dtype="bool")),
        call(x(2, 3, 4), x(2, 5, 4), x(2, 5, 4), x(3, 5), scale=0.3),
        call(x(1, 4, 3, 2), x(1, 2, 5, 2), x(1, 2, 5, 2), enable_gqa=True),
        bad(x(2, 3, 4), x(2, 5, 3), x(2, 5, 4)),
        bad(x(4), x(4), x(4)),
    ],
    "pixel_shuffle": [
        call(x(2, 8, 3, 2), 2),
        call(x(4, 1, 1), 2),
        bad(x(2, 3, 2, 2), 2),
        bad(x(4, 4), 2),
    ],
    # -- more of nn.functional
    "glu": [call(x(3, 4)), call(x(2, 4, 3), 1), bad(x(3, 5))],
    "softmin": [call(x(3, 5), 1), call(x(), 0), bad(x(3), 1)],
    "log_softmax": [
        call(x(3, 5), 1),
        call(x(2, 3, 4), dim=0),
        call(x(0, 3), 1),
        call(odd_rows, 1).on(*FLOATS).up_to(1),
        call(x(3, 5), dim=1, dtype=F64).on("float32", "int64"),
        bad(x(3), 1),
    ],
    "gumbel_softmax": [drawn(x(3, 5)).up_to(0), drawn(x(3, 5), hard=True).up_to(0)],
    "rrelu": [call(x(3, 5), 0.2, 0.2, True), call(x(3, 5)), drawn(x(3, 5), training=True).up_to(0)],
    "alpha_dropout feature_alpha_dropout": [
        call(x(2, 3, 4), 0.0),
        call(x(2, 3, 4), 0.5, False),
        drawn(x(2, 3, 4), 0.5, True).up_to(0),
        bad(x(3), 1.5),
    ],
    "local_response_norm": [
        call(x(2, 5, 3), 3),
        call(x(1, 4, 2, 2), 2, 0.1, 0.5, 2.0),
        bad(x(3), 2),
    ],
    "pairwise_distance": [call(x(3, 5), x(3, 5)), call(x(3, 5), x(5), 1.0), bad(x(3), x(4))],
    "bilinear": [
        call(x(2, 3), x(2, 4), x(5, 3, 4), x(5)),
        call(x(0, 3), x(0, 4), x(5, 3, 4)),
        bad(x(2, 3), x(2, 3), x(5, 3, 4)),
    ],
    "embedding_bag": [
        call(index(2, 3, below=5), x(5, 4)),
        call(index(5, below=5), x(5, 4), given(0, 2, dtype="int64"), mode="sum"),
        call(index(2, 3, below=5), x(5, 4), mode="max").up_to(1),
        bad(index(3, below=5), x(5, 4)),
    ],
    "channel_shuffle": [call(x(2, 4, 3), 2), bad(x(2, 3, 3), 2)],
    "pixel_unshuffle": [call(x(2, 2, 4, 6), 2), bad(x(2, 2, 3, 3), 2)],
    **{f"adaptive_max_pool{n}d": adaptive(n) for n in (1, 2, 3)},
    **{
        f"lp_pool{n}d": [
            call(Values((2, 3, *(7, 6, 5)[:n]), 0.2), 2.0, 2),
            call(Values((2, 3, *(7, 6, 5)[:n]), 0.2), 3.0, 3, 2, True),
        ]
        for n in (1, 2, 3)
    },
    **{
        f"max_unpool{n}d": [
            call(x(1, 1, *ones), given(0, 2 * 2 ** (n - 1), dtype="int64", shape=(1, 1, *ones)), 2),
            bad(x(1, 1, *ones), given(0, 99, dtype="int64", shape=(1, 1, *ones)), 2),
        ]
        for n, ones in [(1, (2,)), (2, (2, 1)), (3, (2, 1, 1))]
    },
    "interpolate": [
        call(x(1, 2, 3), scale_factor=2),
        call(x(1, 2, 3, 4), (5, 2)),
        call(x(1, 2, 3), 5, mode="linear"),
        call(x(1, 2, 3, 4), (5, 7), mode="bilinear", align_corners=True),
        call(x(1, 2, 3, 4), scale_factor=(2, 1.5), mode="bicubic"),
        call(x(1, 1, 2, 3, 2), 4, mode="trilinear"),
        call(x(1, 2, 6, 5), (3, 2), mode="area"),
        call(x(1, 2, 6, 5), (3, 2), mode="bilinear", antialias=True),
        call(x(1, 2, 6, 5), scale_factor=0.7, mode="bicubic", antialias=True),
        bad(x(1, 2, 3)),
        bad(x(1, 2, 3), 5, mode="bilinear"),
    ],
    "grid_sample": [
        call(x(1, 2, 3, 4), Values((1, 2, 3, 2), -1.2, 1.2), align_corners=False).up_to(1),
        call(
            x(1, 2, 3, 4), Values((1, 2, 3, 2), -1.2, 1.2), "nearest", "border", align_corners=True
        ).up_to(1),
        bad(x(1, 2, 3, 4), x(2, 2, 3, 2), align_corners=False),
    ],
    "affine_grid": [
        call(x(1, 2, 3), (1, 1, 3, 4), align_corners=False),
        call(x(1, 3, 4), (1, 1, 2, 3, 2), align_corners=True),
        bad(x(1, 3, 3), (1, 1, 3, 4), align_corners=False),
    ],
    "fold": [call(x(2, 12, 12), (4, 5), 2), bad(x(2, 12, 7), (4, 5), 2)],
    "col2im": [call(x(2, 12, 12), (4, 5), (2, 2), (1, 1), (0, 0), (1, 1))],
    "unfold": [call(x(2, 3, 4, 5), 2), call(x(3, 4, 5), 2, 1, 1, 2), bad(x(2, 3, 1, 1), 2)],
    "im2col": [call(x(2, 3, 4, 5), (2, 2), (1, 1), (0, 0), (1, 1))],
    "soft_margin_loss": [call(x(4), signs), call(x(3, 4), Still(Values((3, 4))), reduction="sum")],
    "poisson_nll_loss": [
        call(x(3, 5), Values((3, 5), 0.1)),
        call(Values((3, 5), 0.1), Values((3, 5), 1.1), False, full=True, reduction="sum"),
    ],
    "gaussian_nll_loss": [
        call(x(3, 5), x(3, 5), Values((3, 5), 0.2)),
        call(x(3, 5), x(3, 5), Values((3,), 0.2), full=True, reduction="none"),
        bad(x(3, 5), x(3, 5), Values((3, 5), -2.0, -0.5)),
    ],
    "hinge_embedding_loss": [call(x(4), signs), call(x(4), signs, 0.5, reduction="sum")],
    "margin_ranking_loss": [
        call(x(4), x(4), signs),
        call(x(4), x(4), signs, 0.5, reduction="none"),
    ],
    "cosine_embedding_loss": [
        call(x(4, 3), x(4, 3), signs),
    ],
    "multi_margin_loss": [
        call(x(4, 3), classes),
        call(x(4, 3), classes, 2, 0.5, still(3, low=0.1), reduction="sum"),
        bad(x(4, 3), index(3, below=3)),
    ],
    "multilabel_margin_loss": [
        call(x(2, 4), given(1, 3, -1, 0, 2, -1, 0, 0, shape=(2, 4), dtype="int64")),
    ],
    "multilabel_soft_margin_loss": [
        call(x(3, 5), still(3, 5, low=0.1, high=0.9)),
        call(x(3, 5), still(3, 5, low=0.1, high=0.9), still(5, low=0.1), reduction="sum"),
    ],
    "triplet_margin_loss": [
        call(x(4, 3), x(4, 3), x(4, 3)),
        call(x(4, 3), x(4, 3), x(4, 3), 0.5, 1.0, swap=True, reduction="sum"),
    ],
    "triplet_margin_with_distance_loss": [call(x(4, 3), x(4, 3), x(4, 3), margin=0.5)],
    # -- more of elements and dims
    "acosh arccosh": unary(1.2, 3.0),
    "asinh arcsinh deg2rad rad2deg": unary(),
    # near 0 its gradients are differences of what is nearly equal
    "sinc": [*unary(0.5), *[one.up_to(0) for one in unary() if not one.bad]],
    "atanh arctanh erfinv": unary(-0.7, 0.9),
    "copysign": binary(),
    "bitwise_left_shift bitwise_right_shift __lshift__ __rshift__": [
        call(x(3, 5), index(5, below=3)).on("int64"),
        call(x(3), 2).on("int64"),
        bad(x(3), index(4, below=3)).on("int64"),
        call(x(3, low=-3.0, high=3.0), -1).on("int64"),
        call(x(3), 64).on("int64"),
        bad(x(3), x(3)).on(*FLOATS),
    ],
    "__rlshift__ __rrshift__": [
        call(index(5, below=70), 5).on("int64"),
        call(x(3), True).on("int64"),
        bad(x(3), 1).on(*FLOATS),
    ],
    "addmm": [
        call(x(3, 5), x(3, 4), x(4, 5)),
        call(x(5), x(3, 4), x(4, 5), beta=2, alpha=3),
        bad(x(3, 5), x(3, 4), x(3, 5)),
        bad(x(3, 5), x(4), x(4, 5)),
    ],
    "addmv": [
        call(x(3), x(3, 4), x(4)),
        call(x(3), x(3, 4), x(4), beta=0),
        bad(x(3), x(3, 4), x(3)),
    ],
    "baddbmm": [
        call(x(2, 3, 5), x(2, 3, 4), x(2, 4, 5)),
        call(x(2, 3, 5), x(2, 3, 4), x(2, 4, 5), beta=2, alpha=3),
        bad(x(2, 3, 5), x(2, 3, 4), x(3, 4, 5)),
    ],
    "ger": [call(x(3), x(4)), bad(x(2, 2), x(3))],
    "vdot": [call(x(4), x(4)), bad(x(3), x(4))],
    "inner": [call(x(3, 4), x(2, 4)), call(x(4), x(4)), call(x(), x(3)), bad(x(3), x(4))],
    "kron": [call(x(2, 3), x(3, 2)), call(x(2), x(2, 2)), call(x(), x(3))],
    "cross": [call(x(4, 3), x(4, 3)), call(x(3, 2), x(3, 2), dim=0), bad(x(4), x(4))],
    "tensordot": [
        call(x(2, 3, 4), x(3, 4, 5)),
        call(x(2, 3, 4), x(4, 3, 5), ([1, 2], [1, 0])),
        call(x(2), x(3), 0),
        bad(x(2, 3), x(4, 5), 1),
    ],
    "block_diag": [call(x(2, 3), x(1, 2), x(2)), call(x()), bad(x(2, 2, 2))],
    "cartesian_prod": [call(x(2), x(3)), call(x(3)), bad(x(2, 2), x(2))],
    "diag_embed": [
        call(x(3)),
        call(x(2, 3), 1),
        call(x(2, 3), offset=-1, dim1=0, dim2=2),
        bad(x(3), 0, 0, 0),
    ],
    "diagflat": [call(x(3)), call(x(2, 2), 1), call(x())],
    "diff": [call(x(3, 5)), call(x(3, 5), 2, 0), call(x(3), prepend=x(1), append=x(2)), bad(x())],
    "fliplr flipud": [call(x(3, 4)), call(x(2, 3, 4)), bad(x())],
    "rot90": [
        call(x(3, 4)),
        call(x(3, 4), -1),
        call(x(2, 3, 4), 2, (1, 2)),
        bad(x(3)),
        bad(x(3, 4), 1, (0, 0)),
    ],
    "split_with_sizes": [call(x(5, 3), [1, 4]), call(x(3, 5), [5, 0], 1), bad(x(5), [1, 3])],
    "tensor_split": [
        call(x(5, 3), 2),
        call(x(5), (1, 3)),
        call(x(3, 5), 3, dim=1),
        bad(x(5), 0),
        bad(x(), 1),
    ],
    "trapezoid trapz": [call(x(3, 5)), call(x(3, 5), x(5)), call(x(3, 5), dx=0.5, dim=0)],
    "take": [
        call(x(3, 4), index(2, 2, below=12)),
        call(x(3), given(-1, dtype="int64")),
        bad(x(3), given(3, dtype="int64")),
        bad(x(3), Values((2,), dtype="float32")),
    ],
    "put": [
        call(x(3, 4), given(5, 0, dtype="int64"), x(2)),
        call(x(3), given(1, 1, dtype="int64"), x(2), True),
        bad(x(3), given(3, dtype="int64"), x(1)),
    ],
    "index_put": [
        call(x(3, 4), (given(2, 0, dtype="int64"),), x(2, 4)),
        call(
            x(3, 4), (given(1, 1, dtype="int64"), given(2, 2, dtype="int64")), x(2), accumulate=True
        ),
        call(x(3), (mask(3),), x()),
        bad(x(3), (given(3, dtype="int64"),), x(1)),
    ],
    "masked_scatter": [
        call(x(3, 4), mask(3, 4), x(12)),
        call(x(3, 4), mask(4), x(12)),
        bad(x(5), mask(4), x(5)),
    ],
    "scatter_reduce": [
        call(x(3, 4), 0, index(2, 4, below=3), x(2, 4), how)
        for how in ("sum", "mean", "amax", "amin")
    ]
    + [
        call(x(3, 4), 0, index(2, 4, below=3), x(2, 4), "prod").rounding(
            8, "products larger than 1 cancel in the second gradient"
        ),
        call(x(3, 4), 0, index(2, 4, below=3), x(2, 4), "sum", include_self=False),
        *[
            call(given(3, 1), 0, given(0, 1, dtype="int64"), given(3, 2), how, include_self=False)
            for how in ("amax", "amin", "prod", "mean")
        ],
        bad(x(3, 4), 0, index(2, 4, below=3), x(2, 4), "no"),
    ],
    "fill": [call(x(3, 5), 2.0), call(x(3), x()), bad(x(3), x(2))],
    "fill_diagonal_": [call(x(3, 3), 2.0), call(x(5, 2), 1, wrap=True), bad(x(3), 1.0)],
    "argwhere": [call(few), call(ties), call(x()), call(x(0, 3))],
    "histc": [call(x(7), 4), call(x(3, 5), bins=3, min=-1, max=2), bad(x(3), 0)],
    "isin": [call(ties, given(1, 3)), call(ties, 2), call(few, given(1), invert=True)],
    "kthvalue": [call(x(3, 5), 2), call(x(4, 3), 1, 0, True), bad(x(3), 4), bad(x(3), 1, 1)],
    "mode": [call(ties), call(ties, 0), call(x()), bad(x(3), 1)],
    "nanmean": [call(x(3, 5)), call(x(3, 5), 1), call(odd_rows, dim=0, keepdim=True).on(*FLOATS)],
    "quantile nanquantile": [
        call(x(3, 5), 0.3),
        call(x(3, 5), still(2, low=0.1, high=0.9), 1).on(*WIDE),
        call(x(7), 0.5, interpolation="nearest"),
        bad(x(3), 1.5),
    ],
    "unique_consecutive": [
        call(ties, dim=0),
        call(given(1, 1, 2, 2, 1), return_inverse=True, return_counts=True),
        call(x(0)),
    ],
    "tril_indices triu_indices": [call(3, 4), call(3, 3, 1), call(2, 4, offset=-1), bad(-1, 2)],
    "scalar_tensor": [call(2.5), call(3), call(1, dtype=TYPE)],
    "broadcast_shapes": [call((3, 1), (4,)), call((), (2,)), bad((3,), (4,))],
    "can_cast promote_types": [call(F32, INT), call(INT, F64), call(BOOL, UINT8), call(BF16, HALF)],
    "result_type": [
        call(x(3), 2),
        call(x(3), 1.5),
        call(x(3), Values((), dtype="float64")),
        call(1, 2.0),
    ],
    "is_tensor": [call(x(3)), call(2.0)],
    "get_default_dtype set_default_dtype": [program("set and read", programs.default)],
    # -- linear algebra
    "det logdet linalg.det": [call(spd), call(Values((0, 0))), bad(x(2, 3))],
    "slogdet linalg.slogdet": [call(spd), call(x(2, 3, 3)), bad(x(2, 3))],
    "inverse linalg.inv": [call(spd), call(singles), bad(x(2, 3)), bad(flat)],
    "matrix_power linalg.matrix_power": [
        call(spd, 3),
        call(spd, 0),
        call(spd, -2),
        bad(x(2, 3), 2),
    ],
    "pinverse linalg.pinv": [call(x(3, 2)).up_to(1), call(spd).up_to(1)],
    "cholesky_solve": [
        call(x(3, 2), lower),
        call(x(3, 2), lower, True),
        program("of a triangle", programs.solved_by_a_triangle),
    ],
    "linalg.cholesky": [call(spd), call(spd, upper=True), bad(x(2, 3)), bad(flat)],
    "linalg.solve": [call(spd, x(3)), call(spd, x(3, 2)), bad(spd, x(2)), bad(flat, x(2))],
    "linalg.solve_triangular": [
        call(lower, x(3, 2), upper=False),
        call(lower, x(2, 3, 2), upper=False, unitriangular=True),
        call(spd, x(2, 3), upper=True, left=False),
        bad(lower, x(2, 2), upper=False),
        bad(lower, x(3, 2)),
    ],
    "linalg.lstsq": [call(still(4, 2), still(4, 1)).up_to(0)],
    "linalg.qr": [call(x(4, 3)), call(x(3, 3)), call(still(3, 4), "complete")],
    "linalg.eigh": [program("rebuilt", programs.eigen)],
    "linalg.eigvalsh": [call(spd), bad(x(2, 3))],
    "linalg.svd": [program("rebuilt", programs.singular)],
    "linalg.svdvals": [call(x(3, 2)), call(x(0, 2))],
    "linalg.cross": [call(x(4, 3), x(4, 3)), bad(x(4), x(4))],
    "linalg.matmul": [call(x(3, 4), x(4, 2)), bad(x(3, 4), x(3, 4))],
    "linalg.multi_dot": [call([x(3, 4), x(4, 2), x(2, 5)]), call([x(4), x(4, 2)]), bad([x(3, 4)])],
    "linalg.matrix_rank": [call(spd), call(flat), call(x(3, 2))],
    "linalg.norm": [
        call(x(3, 4)),
        call(x(4), 3),
        call(x(3, 4), "nuc"),
        call(x(3, 4), 1),
        bad(x(3), "no"),
    ],
    "linalg.vector_norm": [
        call(x(3, 4)),
        call(origin),
        call(x(3, 4), 1, 1),
        call(x(3), inf),
        call(x(), 2),
    ],
    "linalg.matrix_norm": [call(x(3, 4)), call(x(3, 4), "nuc"), call(x(3, 4), inf), bad(x(3))],
    # -- creation
    "zeros ones": [
        call(2, 3, dtype=TYPE),
        call((2, 0)),
        bad(),
        call([3], requires_grad=True),
        bad(-1),
        bad(2.5),
    ],
    "empty": [drawn(2, 3, dtype=TYPE), drawn((2, 0)), bad(-1)],
    "full": [
        call((2, 3), 1.5),
        call((2,), 7),
        call((), True),
        call((2,), 1, dtype=TYPE),
        bad((-1,), 1.0),
        bad((2,)),
    ],
    "eye": [call(3), call(2, 4, dtype=TYPE), call(0), bad(-1)],
    "arange": [
        call(5),
        call(2, 7, 2),
        call(1.0, 2.0, 0.25),
        call(5, 0, -2),
        call(0, 5, dtype=TYPE).on(*FLOATS, "int64"),
        call(3, 3),
        bad(0, 5, -1),
        bad(0, 5, 0),
    ],
    "linspace": [
        call(0, 1, 5),
        call(0.0, 10.0, 4, dtype=TYPE).on(*FLOATS, "int64"),
        call(3, -3, 1),
        call(0, 1, 0),
        bad(0, 1, -1),
    ],
    "tensor": [
        call([[1, 2], [3, 4]]),
        call(2.5),
        call(True),
        call([]),
        call([1, 2.5]),
        call([True, 2]),
        call([1.0, 2.0], dtype=TYPE),
        call([1.0], requires_grad=True),
        call(np.arange(3, dtype="float64")),
        bad([[1], [1, 2]]),
        bad("a"),
        bad([1, 2], requires_grad=True),
        bad(None),
    ],
    "as_tensor asarray": [
        call([1, 2]),
        call(np.arange(3.0)),
        call(x(3)),
        call([1.5], dtype=TYPE),
        bad("a"),
    ],
    "from_numpy": [
        call(np.arange(3)),
        call(np.ones((2, 0), "float32")),
        bad([1, 2]),
        bad(np.array("a")),
    ],
    "zeros_like ones_like": [call(x(3, 5)), call(x(0)), call(x(3), dtype=F64), bad(2.0)],
    "empty_like": [drawn(x(3, 5)), drawn(x(3), dtype=INT), bad(2.0)],
    "full_like": [call(x(3, 5), 1.5), call(x(2), 1), call(x(2), 2, dtype=F64), bad(x(2))],
    "new_tensor": [call(x(1), [1, 2]), call(x(1), [1.5], dtype=F64), bad(x(1), "a")],
    "new_zeros new_ones": [
        call(x(1), 2, 3),
        call(x(1), (2, 0)),
        call(x(1), 2, dtype=INT),
        bad(x(1), -1),
    ],
    "new_empty": [drawn(x(1), 2, 3), drawn(x(1), (2, 0), dtype=INT)],
    "new_full": [call(x(1), (2, 3), 1), call(x(1), (2,), 2.5), bad(x(1), (-1,), 1)],
    # -- random: shape and type only
    "rand randn": [drawn(2, 3, dtype=TYPE), drawn((0, 2)), bad(), bad(-1)],
    "rand_like randn_like": [drawn(x(3, 5)), drawn(x(3), dtype=F64), bad(2.0)],
    "randint": [drawn(5, (2, 3)), drawn(2, 5, (2,), dtype=F32), bad(5, 5, (2,)), bad(5, (-1,))],
    "randperm": [drawn(5), drawn(0), bad(-1)],
    "bernoulli": [
        drawn(Values((3, 5), 0.1, 0.9)).up_to(0),
        call(given(0.0, 1.0, 1.0)).up_to(0),
        bad(given(1.5)),
    ],
    "multinomial": [
        drawn(Values((3, 5), 0.1, 0.9), 2).up_to(0),
        drawn(Values((5,), 0.1, 0.9), 9, True).up_to(0),
        call(given(0.0, 1.0, 0.0), 1).up_to(0),
        bad(Values((5,), 0.1, 0.9), 6),
        bad(given(-1.0, 2.0), 1),
        bad(x(2, 3, 4), 1),
    ],
    # -- what is known of a tensor
    """
    numel nelement ndim ndimension dim shape itemsize nbytes element_size dtype is_floating_point
    """: [call(x(3, 5)), call(x()), call(x(0, 3))],
    "copy_": [call(x(3, 5), x(5)), call(x(3), index(3, below=4)), bad(x(3), x(4)), bad(x(3), "a")],
    "fill_": [call(x(3, 5), 2.0), call(x(3), x()), bad(x(3), x(2))],
    "zero_": [call(x(3, 5)), call(x())],
    "cauchy_ exponential_ geometric_ log_normal_": [drawn(x(3, 5), 0.5).up_to(0)],
    "random_": [drawn(x(3, 5)).up_to(0), drawn(x(3), 2, 5).up_to(0), bad(x(3), 5, 2)],
    "randint_like": [drawn(x(3, 5), 5), drawn(x(3), 2, 5), bad(x(3), 5, 5)],
    "normal": [
        drawn(0.0, 1.0, (2, 3)),
        drawn(x(3, 5), Values((3, 5), 0.1)).up_to(0),
        drawn(x(3), 2.0).up_to(0),
        bad(x(3), -1.0),
    ],
    "normal_ uniform_": [drawn(x(3, 5)).up_to(0), drawn(x(3), 0.0, 2.0).up_to(0)],
    "bernoulli_": [drawn(x(3, 5), 0.3).up_to(0), bad(x(3), 1.5)],
    "requires_grad is_leaf": [call(x(3)), call(x())],
    "T": [call(x(2, 3)), call(x(0, 2))],
    "mT": [call(x(2, 3)), call(x(4, 2, 3)), bad(x(3))],
    "data": [call(x(2, 3))],
    "size": [call(x(3, 5)), call(x(3, 5), 1), call(x(3, 5), -2), call(x()), bad(x(3), 1)],
    "item": [
        call(given(2.5, shape=(1,))),
        call(x()),
        call(given(1, shape=(1, 1))),
        bad(x(2)),
        bad(x(0)),
    ],
    "tolist": [call(given(0.5, 1, 2, 3, shape=(2, 2))), call(given(1, shape=(1,))), call(x(0, 3))],
    # -- to other types
    "to": [
        call(x(3), F64),
        call(x(3), dtype=INT),
        call(x(3), BOOL),
        call(x(3), Values((1,), dtype="float64")),
        call(x(3), BF16),
        bad(x(3), "nowhere"),
    ],
    "type": [call(x(3), F64), call(x(3), INT32)],
    "float double half bfloat16 int long bool": [
        call(x(3, 5)),
        call(given(0.0, -1.5, 2.5)),
        call(x(0)),
    ],
    "byte char short": [call(given(0.0, 1.5, 2.5)), call(x(0))],
    # -- indexing by brackets
    "__getitem__": [
        call(x(3, 5), 1),
        call(x(3, 5), (slice(None), -1)),
        call(x(5, 3), slice(1, None, 2)),
        call(x(3, 5), (..., None, 0)),
        call(x(3, 5), mask(3, 5)),
        call(x(3, 5), mask(3)),
        call(x(3, 5), [2, 0, 0]),
        call(x(3, 5), index(2, 2, below=3)),
        call(x(3, 5), (index(4, below=3), index(4, below=5))),
        call(x(3, 5, 2), (0, slice(None), index(3, below=2))),
        call(x(), ...),
        call(x(0, 3), slice(None)),
        call(x(3), True),
        bad(x(3), 3),
        bad(x(3), (0, 0)),
        bad(x(3), -4),
        bad(x(3), slice(None, None, -1)),
        bad(x(3), given(3, dtype="int64")),
        bad(x(3), mask(4)),
        bad(x(), 0),
        bad(x(3), 1.5),
        bad(x(3), "a"),
    ],
    "__setitem__": [
        call(x(3, 5), 1, 2.0),
        call(x(3, 5), (slice(None), 1), x(3)),
        call(x(3, 5), mask(3, 5), 1),
        call(x(3, 5), given(2, 0, dtype="int64"), x(2, 5)),
        call(x(3, 5), ..., x(1)),
        call(x(3), True, given(7, shape=(1,), dtype="int64")),
        bad(x(3), (True,), given(7, shape=(1,), dtype="int64")).on(*FLOATS, "bool"),
        bad(x(3), 3, 1.0),
        bad(x(3), 0, x(2)),
        bad(x(3), slice(0, 2), x(3)),
    ],
    "__len__": [call(x(3, 5)), call(x(0)), bad(x())],
    "__contains__": [call(given(1, 2, 3), 2), call(given(1, 2, 3), 5)],
    "__bool__ __float__ __int__": [call(given(1.0, shape=(1,))), call(x()), bad(x(2)), bad(x(0))],
    "__index__": [call(given(2, shape=(), dtype="int64")), bad(x()).on(*FLOATS), bad(x(2))],
    "__array__": [call(x(3)).on("float64", "float32", "int64", "bool").up_to(0)],
    "__iter__": [program("rows", lambda lib: list(lib.tensor([[1, 2], [3, 4]])))],
    "numpy": [
        call(x(3)).on("float64", "float32", "int64", "bool").up_to(0),
        program("of a gradient", lambda lib: lib.ones(2, requires_grad=True).numpy(), bad=True),
    ],
    # -- operators
    "__add__ __mul__ __sub__ __truediv__ __floordiv__ __mod__": binary(),
    "__radd__ __rmul__ __rsub__ __rtruediv__ __rfloordiv__": reflected(),
    "__rmod__": [one for one in reflected() if "a" not in one.args],
    "__pow__": binary(0.2),
    "__rpow__": reflected(),
    "__neg__ __abs__ __pos__": [call(x(3, 5)), call(x())],
    "__invert__": [call(x(3, 5)).on(*EXACT), bad(x(3)).on(*FLOATS)],
    "__and__ __or__ __xor__": bits(),
    "__rand__ __ror__ __rxor__": [call(x(3), 5).on(*EXACT), call(x(3), True).on(*EXACT)],
    "__lt__ __le__ __gt__ __ge__": binary(-1.0),
    "__eq__ __ne__": [one for one in binary(-1.0) if "a" not in one.args],
    "__matmul__": [call(x(3, 4), x(4, 2)), bad(x(3, 4), x(3, 4)), bad(x(3), 2.0)],
    "__rmatmul__": [bad(x(3), 2.0)],
    # -- gradients and modes
    "grad": [
        program("of a leaf", programs.gradient_of_a_square),
        program("of none", lambda lib: lib.ones(2).grad),
    ],
    "grad_fn": [
        program("of a leaf", lambda lib: lib.ones(2, requires_grad=True).grad_fn),
        program("of a result", lambda lib: (lib.ones(2, requires_grad=True) * 2).grad_fn is None),
    ],
    "backward": [
        program("with a cotangent", programs.with_cotangent),
        program(
            "of no scalar", lambda lib: lib.ones(2, requires_grad=True).exp().backward(), bad=True
        ),
        program("of no gradient", lambda lib: lib.ones(()).backward(), bad=True),
        program("twice", programs.backward_twice, bad=True),
    ],
    "register_hook": [
        program("doubles", programs.doubled_by_a_hook),
        program("of no gradient", lambda lib: lib.ones(2).register_hook(print), bad=True),
    ],
    "retain_grad": [
        program("of a result", programs.retained),
        program("of no gradient", lambda lib: lib.ones(2).retain_grad(), bad=True),
    ],
    "requires_grad_": [
        program("of a leaf", lambda lib: lib.ones(2).requires_grad_().requires_grad),
        program("of integers", lambda lib: lib.ones(2, dtype=lib.int64).requires_grad_(), bad=True),
        program(
            "declined",
            lambda lib: lib.ones(2, requires_grad=True).exp().requires_grad_(False),
            bad=True,
        ),
    ],
    "no_grad enable_grad set_grad_enabled is_grad_enabled": [program("nested", programs.modes)],
    "inference_mode is_inference_mode_enabled": [program("nested", programs.inference)],
    "autocast is_autocast_enabled get_autocast_dtype": [program("types", programs.autocast)],
    "seed": [program("a number", lambda lib: type(lib.seed()).__name__)],
    "iinfo": [
        program("limits", programs.whole_limits),
        program("of floats", lambda lib: lib.iinfo(lib.float32), bad=True),
    ],
    "get_float32_matmul_precision set_float32_matmul_precision": [
        program("set and read", programs.precision),
    ],
    "get_num_threads set_num_threads": [
        program("set and read", programs.threads),
        program("none", lambda lib: lib.set_num_threads(0), bad=True),
    ],
    "default_generator": [
        program("a seed", lambda lib: lib.default_generator.manual_seed(5).initial_seed())
    ],
    "from_dlpack": [program("shares", programs.shared), bad([1])],
    "__dlpack__ __dlpack_device__": [
        program("of the host", lambda lib: tuple(map(int, lib.ones(2).__dlpack_device__())))
    ],
    "__copy__": [program("same values", lambda lib: copy(lib.tensor([1.0, 2.0])))],
    "__reversed__": [call(x(3, 2)), call(x())],
    "save load": [program("there and back", programs.saved)],
    "e inf nan pi": [program("numbers", lambda lib: [lib.e, lib.inf, lib.nan, lib.pi])],
    "finfo": [
        program("limits", programs.limits),
        program("of integers", lambda lib: lib.finfo(lib.int64), bad=True),
    ],
    "manual_seed initial_seed get_rng_state set_rng_state": [program("repeats", programs.seeded)],
    "Generator": [program("repeats", programs.generated)],
}

ELEMENT_TYPES = """
bool uint8 uint32 int8 int16 int32 int64 short int long
float16 half bfloat16 float32 float float64 double
""".split()

CALLS = {name: calls for names, calls in TABLE.items() for name in names.split()}
assert len(CALLS) == sum(len(names.split()) for names in TABLE), "a name has two lines"
