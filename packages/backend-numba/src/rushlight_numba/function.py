"""A nest as a function of arrays: a program of one record, all of whose buffers are given.

Knows how a program is linked; neither its code nor its memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from rushlight.extend import Fused, Graph, LoopNest, Spec, Value

from .codegen.nest import supports
from .pool import MOST_LOOPS
from .program import link

KEPT = 256  # linked nests of one text: other sizes, strides and constants


def function_of(
    nest: LoopNest, workers: Callable[[], int]
) -> Callable[[LoopNest, Sequence[Any]], None] | None:
    """What runs any nest of this text on arrays, of its reads and then of its stores.

    None for what there is no code for.  The code is compiled now, and again only where a sum first
    becomes so long that its chunks are summed apart.
    """
    if not is_native(nest):
        return None

    @lru_cache(KEPT)
    def linked(nest: LoopNest, workers: int) -> Callable[..., list[Any]]:
        return link(alone(nest), workers)

    def run(nest: LoopNest, arrays: Sequence[Any]) -> None:
        linked(with_buffers(nest, range(len(arrays))), workers())(*arrays)

    count = len(nest.reads) + len(nest.stores)
    linked(with_buffers(nest, range(count)), workers())
    return run


def is_native(nest: LoopNest) -> bool:
    """Whether there is code for all of its nodes, and it reads no block of a product."""
    nodes = nest.nodes
    known = all(supports(x.op, [nodes[a].dtype for a in x.args] or [x.dtype]) for x in nodes)
    blocks = any(read.buffer is None for read in nest.reads)
    return known and not blocks and len(nest.extents) <= MOST_LOOPS


def with_buffers(nest: LoopNest, buffers: Sequence[Any]) -> LoopNest:
    """The nest on these buffers: of its reads, then of its stores."""
    count = len(nest.reads)
    reads = zip(nest.reads, buffers[:count], strict=True)
    stores = zip(nest.stores, buffers[count:], strict=True)
    return nest._replace(
        reads=tuple([x._replace(buffer=b) for x, b in reads]),
        stores=tuple([s._replace(access=s.access._replace(buffer=b)) for s, b in stores]),
    )


def alone(nest: LoopNest) -> Fused:
    """A program of one record whose inputs are all arrays of it: it writes into some of them."""
    accesses = [*nest.reads, *(store.access for store in nest.stores)]
    values = [Value(Spec((), access.dtype)) for access in accesses]
    stored = frozenset(values[len(nest.reads) :])
    return Fused(Graph(tuple(values), (), ()), (with_buffers(nest, values),), stored, {}, {})
