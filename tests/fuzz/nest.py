"""A LoopNest run by numpy over grids of its loop variables: what generated code is compared with.

Knows the nest and numpy; neither who made the nest nor who compiles it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from rushlight.compiler.nest import ROW, Access, LoopNest, Node, Store
from rushlight.dtypes import FLOATING, DType, as_dtype
from rushlight.reference import erf, power, random_bits, remainder

HostArray = np.ndarray[Any, Any]

REDUCE: dict[str, np.ufunc] = {"sum": np.add, "prod": np.multiply, "max": np.maximum}
POINTWISE: dict[str, Callable[..., Any]] = {
    "neg": np.negative,
    "abs": np.abs,
    "exp": np.exp,
    "log": np.log,
    "sqrt": np.sqrt,
    "sin": np.sin,
    "cos": np.cos,
    "tanh": np.tanh,
    "erf": erf,
    "floor": np.floor,
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
    "pow": power,
    "round": np.round,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "equal": np.equal,
    "less": np.less,
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
    "bitwise_not": np.invert,
    "right_shift": np.right_shift,
    "where": np.where,
    "floordiv": np.floor_divide,
    "remainder": remainder,
}


def place(access: Access, extents: tuple[int, ...], buffers: Mapping[Any, HostArray]) -> HostArray:
    """The elements that an access touches, one axis per loop; the block has the last two loops."""
    held = buffers[access.buffer]
    if access.buffer is None:
        return held.reshape((1,) * (len(extents) - held.ndim) + held.shape)
    flat = held.reshape(-1)
    assert np.shares_memory(flat, held) or not held.size, "a buffer is contiguous"
    return as_strided(flat[access.offset :], extents, [s * held.itemsize for s in access.strides])


def computed_in(dtype: DType, wide: bool) -> DType:
    """The type in which a node is evaluated."""
    if dtype not in FLOATING:
        return dtype
    return (
        as_dtype("float64") if wide else max(dtype, as_dtype("float32"), key=lambda d: d.itemsize)
    )


def index(x: Node, extents: tuple[int, ...]) -> HostArray:
    """offset + sum of coefficient * loop variable, over the grid."""
    offset, coefficients = x.param
    grid = np.ogrid[tuple(slice(n) for n in extents)]
    return sum(
        (c * i for c, i in zip(coefficients, grid, strict=True)), np.asarray(offset, np.int64)
    )


def philox(key: int, low: int, high: int, *, number: HostArray) -> HostArray:
    """The random words of these numbers."""
    words: HostArray = random_bits(key, high << 64 | low, (int(number.max()) + 1,), 0)
    return words[number]


def evaluate(x: Node, args: list[HostArray], read: Callable[[int], HostArray], **how: Any) -> Any:
    """The value of one node over the grid, axes that it does not vary over of length 1."""
    extents, wide = how["extents"], how["wide"]
    if x.op == "read":
        return read(x.param)
    if x.op == "gather":
        return how["gather"](*x.param, args[0])
    if x.op == "constant":
        return np.asarray(x.param).astype(x.dtype).reshape((1,) * len(extents))
    if x.op == "index":
        return index(x, extents)
    if x.op == "random":
        key, low, high, number = args
        return philox(*[int(x.item()) % 2**64 for x in (key, low, high)], number=number)
    if x.op in ROW:
        over = np.broadcast_to(args[0], (*args[0].shape[:-1], extents[-1]))
        return REDUCE[ROW[x.op]].reduce(over, axis=-1, keepdims=True, dtype=args[0].dtype)
    if x.op == "cast":
        narrow = x.dtype.itemsize < 4 or x.dtype not in FLOATING or not wide
        return args[0].astype(x.dtype) if narrow else args[0]
    return POINTWISE[x.op](*args)


def write(store: Store, value: HostArray, target: HostArray, extents: tuple[int, ...]) -> None:
    """Put a value where it belongs, reduced over the loops that the store sums."""
    over = tuple(sorted(store.over))
    shape = tuple(
        n if d in over else k for d, (n, k) in enumerate(zip(extents, value.shape, strict=True))
    )
    if over:
        value = np.broadcast_to(value, shape)
        value = REDUCE[store.how].reduce(value, axis=over, keepdims=True, dtype=value.dtype)
    once = tuple(slice(-1, None) if s == 0 else slice(None) for s in target.strides)
    kept = tuple(s if n > 1 else slice(None) for s, n in zip(once, value.shape, strict=True))
    target[once] = value[kept].astype(target.dtype)


def spots(access: Access, stride: int, at: HostArray, extents: tuple[int, ...]) -> HostArray:
    """The elements of a flat buffer that lie stride * at from an access."""
    grid = np.ogrid[tuple(slice(n) for n in extents)]
    walked = sum(s * i for s, i in zip(access.strides, grid, strict=True) if s)
    return np.asarray(access.offset + walked + stride * at)


def change(
    store: Store, where: HostArray, value: HostArray, buffers: Mapping[Any, HostArray]
) -> None:
    """Put or add values at elements of a flat buffer, in the order of the loops."""
    flat = buffers[store.access.buffer].reshape(-1)
    value = np.broadcast_to(value, where.shape).astype(flat.dtype)
    if store.how == "sum":
        np.add.at(flat, where, value)
    else:
        flat[where] = value


def run(nest: LoopNest, buffers: Mapping[Any, HostArray], *, wide: bool = True) -> None:
    """Run a nest: its stores write into the buffers.

    buffers: contiguous arrays by the name that an access gives; None is the block of a product,
    of the last two loops.  wide: floating values are computed in float64, casts to float32 with
    them; else in their own type, float16 and bfloat16 in float32.
    """
    extents = nest.extents

    def read(number: int) -> HostArray:
        found = place(nest.reads[number], extents, buffers)
        once = tuple(slice(1) if s == 0 else slice(None) for s in found.strides)
        return found[once].copy()

    def gather(number: int, stride: int, at: HostArray) -> HostArray:
        access = nest.reads[number]
        flat = buffers[access.buffer].reshape(-1)
        found: HostArray = flat[spots(access, stride, at, extents)]
        return found

    how = {"extents": extents, "wide": wide, "gather": gather}
    values: list[HostArray] = []
    with np.errstate(all="ignore"):
        for x in nest.nodes:
            args = [values[a] for a in x.args]
            found = evaluate(x, args, read, **how)
            values.append(np.asarray(found).astype(computed_in(x.dtype, wide)))
        for s in nest.stores:
            if s.at is None:
                write(s, values[s.node], place(s.access, extents, buffers), extents)
            else:
                where = spots(s.access, s.at[1], values[s.at[0]], extents)
                change(s, np.broadcast_to(where, extents), values[s.node], buffers)


def run_on(nest: LoopNest, arrays: Sequence[HostArray], *, wide: bool = True) -> None:
    """Run a nest on an array for each of its reads, of any strides, and then of its stores."""
    count = len(nest.reads)
    buffers = {i: x if i >= count else np.ascontiguousarray(x) for i, x in enumerate(arrays)}
    reads = tuple(x._replace(buffer=i) for i, x in enumerate(nest.reads))
    stores = tuple(
        s._replace(access=s.access._replace(buffer=i)) for i, s in enumerate(nest.stores, count)
    )
    assert len(arrays) == count + len(stores), "an array for each access"
    run(nest._replace(reads=reads, stores=stores), buffers, wide=wide)
