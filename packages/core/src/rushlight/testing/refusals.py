"""What every operation must refuse, on all devices: one line each.

Here alone a kernel earns `self_checking`: it raises on all of these by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import nan

from ..dtypes import as_dtype
from ..errors import IndexOutOfRange
from .case import Refusal, Values, given, index, mask, x


def elementwise() -> Iterator[Refusal]:
    """Shapes that do not broadcast, types that have no such operation."""
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
    for op in ("sub", "floordiv", "pow"):
        yield Refusal(op, [mask(3), mask(3)], about="bools")
    yield Refusal("bitwise_not", [x(3)], about="floats")
    yield Refusal("gate", [x(3), x(4)])
    yield Refusal("where", [x(3), x(3), x(3)], about="condition-of-floats")
    yield Refusal("where", [mask(3), x(4), x(4)])
    yield Refusal("where", [mask(3), x(3), x(4)])
    for op in "neg abs floor exp log sqrt sin cos tanh erf sigmoid relu".split():
        yield Refusal(op, [2.0])

    yield Refusal("cast", [2.0], {"dtype": as_dtype("int64")})


def reductions() -> Iterator[Refusal]:
    """Axes that are not there, and nothing to choose from."""
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


def movement() -> Iterator[Refusal]:
    """Shapes that do not fit, and places outside."""
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


def contractions() -> Iterator[Refusal]:
    """Lengths, dims and channels that do not fit."""
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


def factors() -> Iterator[Refusal]:
    """What is no matrix, not square, singular or not positive definite."""
    for op in ("inv", "det", "slogdet", "cholesky", "eigh"):
        yield Refusal(op, [x(3, 4)], about="not-square")
        yield Refusal(op, [x(3)], about="vector")
        yield Refusal(op, [index(3, 3, below=3)], about="integers")
    flat = given(1.0, 2.0, 2.0, 4.0, shape=(2, 2))
    yield Refusal("inv", [flat], about="singular")
    yield Refusal("solve", [flat, x(2, 1)], about="singular")
    yield Refusal("solve", [x(3, 3), x(2, 1)])
    yield Refusal("cholesky", [given(1.0, 2.0, 2.0, 1.0, shape=(2, 2))], about="indefinite")
    yield Refusal("qr", [x(2, 3)])
    yield Refusal("svd", [given(nan, 1.0, shape=(1, 2))], {"full": False}, "nan")


def indexing() -> Iterator[Refusal]:
    """What is no index, and what is out of range."""
    down, across = {"axis": 0}, {"axis": 1}
    for op in ("take", "gather"):
        yield Refusal(op, [x(3, 4), index(1, 2, below=3)], {"axis": 2}, "axis")
        yield Refusal(op, [x(3, 4), x(3, 4)], down, "index-of-floats")
        for wrong in (-1, 3):
            at = given(0, wrong, shape=(2,) if op == "take" else (1, 2), dtype="int64")
            yield Refusal(op, [x(3, 4), at], down, f"at-{wrong}", IndexOutOfRange)
    yield Refusal("gather", [x(3, 4), index(3, below=3)], down)
    yield Refusal("gather", [x(3, 4), index(4, 4, below=3)], across)
    yield Refusal("scatter_add", [x(3, 4), index(2, 4, below=3), x(1, 4)], down, "too-short")
    yield Refusal("scatter_add", [x(3, 4), x(2, 4), x(2, 4)], down, "index-of-floats")
    yield Refusal(
        "scatter_add", [x(3, 4), index(2, 4, below=3), index(2, 4, below=3)], down, "mixed"
    )
    yield Refusal("scatter_add", [x(3, 4), index(2, 4, below=3), x(8)], down, "dims")
    at = given(0, 3, 1, 0, shape=(1, 4), dtype="int64")
    yield Refusal("scatter_add", [x(3, 4), at, x(1, 4)], down, "at-3", IndexOutOfRange)
    yield Refusal("scatter", [x(3, 4), at, x(1, 4)], down, "at-3", IndexOutOfRange)
    yield Refusal("scatter", [x(3, 4), index(2, 4, below=3), x(1, 4)], down, "too-short")
    yield Refusal("scatter", [x(3, 4), x(2, 4), x(2, 4)], down, "index-of-floats")
    yield Refusal("argsort", [x(3, 4)], {"axis": 2, "descending": False})


def fused() -> Iterator[Refusal]:
    """Weights and targets that do not fit."""
    how = {"causal": False, "scale": 0.5}
    yield Refusal("attention", [x(3, 4), x(5, 3), x(5, 4)], how, "inner")
    yield Refusal("attention", [x(3, 4), x(5, 4), x(6, 4)], how, "keys")
    yield Refusal("attention", [x(3, 4), x(0, 4), x(0, 4)], how, "none")
    yield Refusal("layer_norm", [x(3, 5), x(3), x(5)], {"axes": (1,), "eps": 0.01})
    yield Refusal("batch_norm", [x(6, 3), x(6), x(3)], {"eps": 0.01})
    yield Refusal("cross_entropy", [x(5, 3), index(4, below=3)], {"ignore": -100})
    yield Refusal("cross_entropy", [x(5, 3), index(5, 3, below=3)], {"ignore": -100})
    wrong_class = given(0, 3, dtype="int64")
    yield Refusal(
        "cross_entropy", [x(2, 3), wrong_class], {"ignore": -100}, "class-3", IndexOutOfRange
    )


REFUSALS: list[Refusal] = [
    *elementwise(),
    *reductions(),
    *movement(),
    *contractions(),
    *factors(),
    *indexing(),
    *fused(),
]
