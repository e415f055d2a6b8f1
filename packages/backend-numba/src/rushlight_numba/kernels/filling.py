"""clone, full and iota: memory that is filled, by all threads.  Knows nests of one store."""

from __future__ import annotations

from math import prod
from typing import Any

from rushlight.extend import Access, Call, LoopNest, Node, Number, Store, float64, int64

from ..layout import dense_strides, is_dense
from ..lowering import Work, of_nest

Shape = tuple[int, ...]


def clone_work(call: Call) -> list[Work] | None:
    """The work of a copy: of one loop if the array lies in order."""
    (x,), z = call.inputs, call.step.z
    shape = z.shape or (1,)
    strides = x.strides or (0,)
    if is_dense(shape, strides):
        shape, strides = (prod(shape),), (1,)
    return stored(z, shape, dense_strides(shape), x._replace(strides=strides))


def full_work(call: Call) -> list[Work] | None:
    """The work of one number everywhere."""
    (x,), z = call.inputs, call.step.z
    if isinstance(x, Number):
        dtype = float64 if x.kind is float else int64
        return stored(z, (prod(z.shape),), (1,), Access(x, (0,), 0, dtype))
    return stored(z, (prod(z.shape),), (1,), Node("constant", (), x, z.dtype, frozenset()))


def iota_work(call: Call) -> list[Work] | None:
    """The work of 0, 1, 2, .."""
    z = call.step.z
    return stored(z, z.shape, (1,), Node("index", (), (0, (1,)), int64, frozenset((0,))))


def stored(z: Any, shape: Shape, strides: Shape, x: Access | Node) -> list[Work]:
    """The work that reads or makes x, brings it to the type of z, and stores it."""
    reads: tuple[Access, ...] = ()
    if isinstance(x, Access):
        loops = frozenset(d for d, stride in enumerate(x.strides) if stride)
        reads, x = (x,), Node("read", (), 0, x.dtype, loops)
    nodes = [x] if x.dtype is z.dtype else [x, Node("cast", (0,), None, z.dtype, x.loops)]
    store = Store(len(nodes) - 1, Access(z, strides, 0, z.dtype))
    return [*of_nest(LoopNest(shape, reads, tuple(nodes), (store,)))]


KERNELS = {"clone": clone_work, "full": full_work, "iota": iota_work}
