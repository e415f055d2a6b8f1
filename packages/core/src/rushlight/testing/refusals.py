"""What every operation must refuse, on all devices: one line each.

Here alone a kernel earns `self_checking`: it raises on all of these by itself.
"""

from collections.abc import Iterator
from math import nan
from typing import Any

from ..dtypes import as_dtype
from ..errors import IndexOutOfRange
from .case import Refusal, Values, given, index, mask, x

Row = tuple[Any, ...]  # of a Refusal, as far as it is not the default


def elementwise() -> Iterator[Row]:
    """Shapes that do not broadcast, types that have no such operation."""
    either = (
        "add sub mul div floordiv remainder pow maximum minimum "
        "equal not_equal less less_equal greater greater_equal"
    ).split()
    for op in either:
        yield op, [x(3), x(4)]
        yield op, [x(2, 3), x(3, 2)]
        yield op, [x(0), x(3)]
        yield op, [1.5, 2]
    for op in ("bitwise_and", "bitwise_or", "bitwise_xor"):
        yield op, [mask(3), mask(4)]
        yield op, [x(3), x(3)], {}, "floats"
        yield op, [index(3, below=4), 1.5]
    for op in "sub floordiv remainder fmod pow".split():
        yield op, [mask(3), mask(3)], {}, "bools"
    yield "bitwise_not", [x(3)], {}, "floats"
    yield "gate", [x(3), x(4)]
    yield "where", [x(3), x(3), x(3)], {}, "condition-of-floats"
    yield "where", [mask(3), x(4), x(4)]
    yield "where", [mask(3), x(3), x(4)]
    for op in "neg abs floor exp log sqrt sin cos tanh erf sigmoid relu".split():
        yield op, [2.0]

    yield "cast", [2.0], {"dtype": as_dtype("int64")}


def reductions() -> Iterator[Row]:
    """Axes that are not there, and nothing to choose from."""
    for op in ("sum", "prod", "max", "min", "mean"):
        for axes in [(2,), (0, 2), (5,)]:
            about = f"over-{''.join(map(str, axes))}"
            yield op, [x(3, 4)], {"axes": axes, "keepdim": False}, about
        yield op, [x()], {"axes": (0,), "keepdim": False}
    for op in ("max", "min"):
        yield op, [x(0, 3)], {"axes": (0,), "keepdim": False}
        yield op, [x(3, 0)], {"axes": (0, 1), "keepdim": True}
    yield "argmax", [x(3, 4)], {"axis": 2, "keepdim": False}
    yield "argmax", [x(3, 0)], {"axis": 1, "keepdim": False}
    for op in ("softmax", "log_softmax"):
        yield op, [x(3, 4)], {"axis": 2}
        yield op, [x(3, 0)], {"axis": 1}, "of-nothing"


def movement() -> Iterator[Row]:
    """Shapes that do not fit, and places outside."""
    yield "reshape", [x(3, 4)], {"shape": (5, 2)}
    yield "reshape", [x(3, 4)], {"shape": (13,)}, "longer"
    yield "reshape", [x(0, 3)], {"shape": (1,)}
    for order in [(0,), (0, 0), (0, 2), (0, 1, 2)]:
        yield "permute", [x(3, 4)], {"order": order}, "".join(map(str, order))
    for shape in [(3, 5), (4,), (2, 4, 4), (0, 4)]:
        yield "expand", [x(3, 4)], {"shape": shape}, "x".join(map(str, shape))
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
        yield "slice", [x(3, 4)], {"bounds": bounds}, about
    yield "pad", [x(3, 4)], {"widths": ((1, 1),), "value": 0}, "too-few"
    yield "pad", [x(3, 4)], {"widths": ((1, -1), (0, 0)), "value": 0}, "negative"
    yield "concat", [x(3, 4), x(3, 5)], {"axis": 0}
    yield "concat", [x(3, 4), x(3)], {"axis": 0}
    yield "concat", [x(3), index(3, below=3)], {"axis": 0}, "mixed"
    yield "concat", [x(3, 4), x(3, 4)], {"axis": 2}
    for size, stride, dilation in [(5, 1, 1), (3, 1, 2), (0, 1, 1), (2, 0, 1), (2, 1, 0)]:
        params = {"axes": (1,), "sizes": (size,), "strides": (stride,), "dilations": (dilation,)}
        yield "windows", [x(3, 4)], params, f"{size}{stride}{dilation}"


def contractions() -> Iterator[Row]:
    """Lengths, dims and channels that do not fit."""
    for left, right in [
        ((3, 4), (3, 4)),
        ((4,), (4, 3)),
        ((4,), (4,)),
        ((2, 3, 4), (3, 4, 5)),
        ((3, 4), ()),
    ]:
        yield "matmul", [Values(left), Values(right)]
    yield "matmul", [x(3, 4), Values((4, 5), dtype="int64")]
    yield "matmul", [x(3, 4), 2.0]
    yield "linear", [x(3, 4), x(5, 3), x(5)]
    yield "linear", [x(3, 4), x(5, 4), x(4)]
    conv = {"stride": (1, 1), "padding": ((0, 0), (0, 0)), "dilation": (1, 1), "groups": 1}
    yield "conv", [x(2, 3, 5, 6), x(4, 2, 3, 3), None], conv, "channels"
    yield "conv", [x(2, 3, 5, 6), x(4, 3, 6, 3), None], conv, "too-large"
    yield "conv", [x(2, 3, 5, 6), x(4, 3, 3, 3), x(3)], conv, "bias"
    yield "conv", [x(2, 4, 5, 6), x(3, 2, 3, 3), None], conv | {"groups": 2}, "groups"
    pool = {"sizes": (4, 2), "stride": (1, 1), "padding": ((0, 0), (0, 0))}
    yield "sum_pool", [x(2, 3, 3, 6)], pool
    yield "max_pool", [x(2, 3, 3, 6)], pool | {"dilation": (1, 1)}


def factors() -> Iterator[Row]:
    """What is no matrix, not square, singular or not positive definite."""
    for op in ("inv", "det", "slogdet", "cholesky", "eigh"):
        yield op, [x(3, 4)], {}, "not-square"
        yield op, [x(3)], {}, "vector"
        yield op, [index(3, 3, below=3)], {}, "integers"
    flat = given(1.0, 2.0, 2.0, 4.0, shape=(2, 2))
    yield "inv", [flat], {}, "singular"
    yield "solve", [flat, x(2, 1)], {}, "singular"
    yield "solve", [x(3, 3), x(2, 1)]
    yield "cholesky", [given(1.0, 2.0, 2.0, 1.0, shape=(2, 2))], {}, "indefinite"
    yield "qr", [x(2, 3)]
    yield "svd", [given(nan, 1.0, shape=(1, 2))], {"full": False}, "nan"


def indexing() -> Iterator[Row]:
    """What is no index, and what is out of range."""
    down, across = {"axis": 0}, {"axis": 1}
    for op in ("take", "gather"):
        yield op, [x(3, 4), index(1, 2, below=3)], {"axis": 2}, "axis"
        yield op, [x(3, 4), x(3, 4)], down, "index-of-floats"
        for wrong in (-1, 3):
            at = given(0, wrong, shape=(2,) if op == "take" else (1, 2), dtype="int64")
            yield op, [x(3, 4), at], down, f"at-{wrong}", IndexOutOfRange
    yield "gather", [x(3, 4), index(3, below=3)], down
    yield "gather", [x(3, 4), index(4, 4, below=3)], across
    yield "scatter_add", [x(3, 4), index(2, 4, below=3), x(1, 4)], down, "too-short"
    yield "scatter_add", [x(3, 4), x(2, 4), x(2, 4)], down, "index-of-floats"
    yield "scatter_add", [x(3, 4), index(2, 4, below=3), index(2, 4, below=3)], down, "mixed"
    yield "scatter_add", [x(3, 4), index(2, 4, below=3), x(8)], down, "dims"
    at = given(0, 3, 1, 0, shape=(1, 4), dtype="int64")
    yield "scatter_add", [x(3, 4), at, x(1, 4)], down, "at-3", IndexOutOfRange
    yield "scatter", [x(3, 4), at, x(1, 4)], down, "at-3", IndexOutOfRange
    yield "scatter", [x(3, 4), index(2, 4, below=3), x(1, 4)], down, "too-short"
    yield "scatter", [x(3, 4), x(2, 4), x(2, 4)], down, "index-of-floats"
    yield "argsort", [x(3, 4)], {"axis": 2, "descending": False}


def fused() -> Iterator[Row]:
    """Weights and targets that do not fit."""
    how = {"causal": False, "scale": 0.5}
    yield "attention", [x(3, 4), x(5, 3), x(5, 4), None], how, "inner"
    yield "attention", [x(3, 4), x(5, 4), x(6, 4), None], how, "keys"
    yield "attention", [x(3, 4), x(0, 4), x(0, 4), None], how, "none"
    yield "attention", [x(3, 4), x(5, 4), x(5, 4), x(5)], how, "mask"
    yield "layer_norm", [x(3, 5), x(3), x(5)], {"axes": (1,), "eps": 0.01}
    yield "batch_norm", [x(6, 3), x(6), x(3)], {"eps": 0.01}
    yield "cross_entropy", [x(5, 3), index(4, below=3)], {"ignore": -100}
    yield "cross_entropy", [x(5, 3), index(5, 3, below=3)], {"ignore": -100}
    wrong_class = given(0, 3, dtype="int64")
    yield "cross_entropy", [x(2, 3), wrong_class], {"ignore": -100}, "class-3", IndexOutOfRange


TABLES = (elementwise, reductions, movement, contractions, factors, indexing, fused)
REFUSALS = [Refusal(*row) for table in TABLES for row in table()]
