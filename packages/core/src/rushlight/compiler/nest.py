"""LoopNest: what one fused kernel computes, over loop variables.  Pure: knows no backend.

A nest reads elements of buffers at affine places, computes scalars of its iteration space, and
stores some of them.  The innermost loop is the row: its elements are a vector's lanes, and a
reduction along it makes a scalar of the row that later passes over the same row may use.
"""

from functools import cache, lru_cache
from typing import Any, NamedTuple

from ..dtypes import DType

LITERAL = (0, 1, -1, 2, 3, 0.5)  # constants that stand in the text, so that code may depend on them
ROW = {"row_sum": "sum", "row_prod": "prod", "row_max": "max"}  # reductions along the row
NEUTRAL = {"sum": 0.0, "prod": 1.0, "max": float("-inf")}  # what a reduction begins with


@cache
def name_of(dtype: DType) -> str:
    """Its name, which numpy would put together anew each time."""
    return dtype.name


@cache
def listed(loops: frozenset[int]) -> str:
    """Numbers of loops, in order."""
    return str(sorted(loops))


@lru_cache(4096)
def marks(strides: tuple[int, ...]) -> str:
    """Of each stride whether it is 0, the row's 1, or another."""
    last = len(strides) - 1
    return "".join(
        "0" if s == 0 else "1" if s == 1 and d == last else "s" for d, s in enumerate(strides)
    )


class Access(NamedTuple):
    """Where a nest touches a buffer: element `offset` + sum over loops of stride * variable.

    buffer: what the program resolves to an address; None is the block that a product computed.
    strides: one per loop, in elements.
    """

    buffer: Any
    strides: tuple[int, ...]
    offset: int
    dtype: DType

    def pattern(self) -> str:
        """What code depends on: the type, and of each stride whether it is 0, the row's 1, or not.

        float32(s01): a strided outer loop, a repeated one, and a contiguous row.
        """
        return (
            f"{name_of(self.dtype)}({marks(self.strides)})" if self.buffer is not None else "block"
        )


class Node(NamedTuple):
    """One scalar of the iteration space.

    op: `read`, `gather`, `constant`, `index`, `random`, `right_shift`, a reduction of ROW, or the
    name of an elementwise primitive.
    args: the nodes it is computed from, which stand before it; of `gather`, an int64; of `random`,
    four: the key, the lower and the upper half of the counter, and which of the words.
    param: of `read`, the number of the read; of `gather`, (the number of the read, a stride): what
    lies stride * argument elements from where the read is, which is inside of the buffer whatever
    the data; of `constant`, its value; of `index`, (offset, one coefficient per loop): an integer
    that is affine in the loop variables.  Strides and coefficients are passed as arguments.
    dtype: of the value.  float16 and bfloat16 are computed in float32 and rounded by a `cast` to
    them and by a store.
    loops: those it varies over.
    """

    op: str
    args: tuple[int, ...]
    param: Any
    dtype: DType
    loops: frozenset[int]

    @property
    def is_passed(self) -> bool:
        """Whether it is a constant that the code takes as an argument."""
        return self.op == "constant" and self.param not in LITERAL and self.dtype.kind != "b"


class Store(NamedTuple):
    """A node that is written.

    how: `store`, or `sum`, `prod` or `max` accumulated over the outer loops in `over`; the first
    turn of these loops stores, so that nobody prepares the memory.
    apart: each chunk of the work accumulates into a copy of its own.
    at: (a node, a stride) of a store at indices: it writes stride * node elements from where the
    access is, which is inside of the buffer whatever the data, in the order of the loops, and
    `sum` adds to what was there before.  Only turns of the loops in `over` may meet at one element,
    so they are no lanes and no work is cut along them.
    """

    node: int
    access: Access
    how: str = "store"
    over: frozenset[int] = frozenset()
    apart: bool = False
    at: tuple[int, int] | None = None


class LoopNest(NamedTuple):
    """Loops over `extents`, the last one innermost; what they read, compute and store."""

    extents: tuple[int, ...]
    reads: tuple[Access, ...]
    nodes: tuple[Node, ...]
    stores: tuple[Store, ...]

    def text(self) -> str:
        """The nest without sizes and without the constants that are passed: the key of its code."""
        lines = [f"{len(self.extents)} loops"]
        lines += [f"r{i} = {read.pattern()}" for i, read in enumerate(self.reads)]
        for i, x in enumerate(self.nodes):
            param = "" if x.param is None or x.is_passed else f"[{x.param}]"
            if x.op in ("index", "gather"):
                param = f"[{marks(x.param[1]) if x.op == 'index' else x.param[0]}]"
            args = ", ".join([f"v{a}" for a in x.args])
            lines.append(f"v{i} = {x.op}{param}({args}) {name_of(x.dtype)} over {listed(x.loops)}")
        for s in self.stores:
            more = " apart" if s.apart else f" at v{s.at[0]}" if s.at else ""
            lines.append(f"{s.how} {s.access.pattern()} over {listed(s.over)}{more} <- v{s.node}")
        return "\n".join(lines)

    def __str__(self) -> str:
        return f"for {' x '.join(map(str, self.extents))}\n{self.text()}"
