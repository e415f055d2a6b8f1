"""Records as works: native functions, their argument blocks, and how many chunks each is cut into.

Knows no memory: what becomes an address is a Place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from math import prod
from typing import Any, NamedTuple, Protocol

from rushlight.extend import ROW, Access, Call, LoopNest, Node, Product, Shape, Store, Value

from . import products
from .codegen.llvm import LANES
from .codegen.nest import NestCode
from .layout import dense_strides
from .pool import CALLER
from .tiles import AHEAD_WORDS, width

SHARED_NS = 8000.0  # a shorter program is run by one thread; a kernel's call counts as so long
CHUNK_NS = 4000.0  # a chunk of a nest takes at least so long
MOST_CHUNKS = 64
ELEMENT_NS = 0.02  # of a nest, per node and element, and per access; the dear ones:
DEAR_NS = {"exp": 0.25, "tanh": 0.3, "log": 0.35, "erf": 0.3, "div": 0.1, "sqrt": 0.1, "pow": 3.0}
DEAR_NS |= {"sin": 0.4, "cos": 0.4, "random": 0.8, "floordiv": 0.6, "remainder": 0.6}
ROW_LOOPS = 256  # a row longer than eight of these is cut at multiples of one
LONG_ROW = 1024  # elements of a row that lie on a page or more, so that reading is ahead of use
COPY_SHARE = 4  # copies of sums are so many times smaller than what is summed


class Place(NamedTuple):
    """A pointer before memory is known: a buffer and a distance in bytes."""

    buffer: Any
    offset: int


class Extra:
    """A buffer that is no value: a packed operand, copies of sums."""

    def __init__(self, n_bytes: int) -> None:
        self.bytes = n_bytes


class Code(Protocol):
    """A native function that is compiled when a program first has it."""

    @property
    def key(self) -> str:
        """All that decides what it is."""

    def address(self) -> int:
        """Of the function, compiled and loaded."""


class Ending(NamedTuple):
    """How a work can run a nest on each part of its result that it has made.

    value: the result, all of it and in order.  extents: of the nest's loops; axes: which of these
    each axis of the result is, others turn once.  whole_rows: if no part ends within the last loop,
    so that the last two can be one.
    first: of the three words of its argument block that say so: the nest, the nest's arguments, and
    the length of the last loop if the last two are one, else 0.
    """

    value: Value
    extents: Shape
    axes: Shape
    whole_rows: bool
    first: int


class Lowered(NamedTuple):
    """What there is to say of a work."""

    function: str | Code | Call
    words: list[Any]
    chunks: int
    ns: float
    scratch_bytes: int = 0
    ending: Ending | None = None


class Work(Lowered):
    """A record before it is linked.

    function: its name among the pool's and the products' functions, or its code, or a step to be
    called.  words: its argument block, of integers, Places, Codes, and lists, which are blocks of
    their own, none of which changes.
    """

    @cached_property
    def places(self) -> list[Place]:
        """All of its pointers."""
        return [*places_of(self.words)]

    def codes(self) -> list[Code]:
        """What is compiled for it."""
        return [x for x in (self.function, *self.words) if hasattr(x, "address")]

    @cached_property
    def touched(self) -> dict[Any, None]:
        """The buffers that it reads or writes, each once."""
        if not isinstance(self.function, Call):
            return dict.fromkeys([place.buffer for place in self.places])
        read = [x.buffer for x in self.function.inputs if isinstance(x, Access)]
        return dict.fromkeys([*read, *(z for z in self.function.step.outputs if z is not None)])


def places_of(words: Sequence[Any]) -> Iterator[Place]:
    """The pointers among words and in their inner blocks."""
    for word in words:
        if isinstance(word, Place):
            yield word
        elif isinstance(word, list):
            yield from places_of(word)


def place(access: Access) -> Place:
    """Where an access begins."""
    return Place(access.buffer, access.offset * access.dtype.itemsize)


def whole(z: Value) -> Access:
    """All of an array that lies in order."""
    return Access(z, dense_strides(z.shape), 0, z.dtype)


def moved(words: Sequence[Any], homes: Mapping[Any, Place]) -> list[Any]:
    """Words of an argument block, of which some buffers lie at places in others."""
    made: list[Any] = []
    for word in words:
        if isinstance(word, list):
            made.append(moved(word, homes))
        elif isinstance(word, Place) and word.buffer in homes:
            home = homes[word.buffer]
            made.append(Place(home.buffer, home.offset + word.offset))
        else:
            made.append(word)
    return made


def lowered(record: LoopNest | Product | Call) -> Iterator[Work]:
    """The works of a record, in order."""
    if isinstance(record, LoopNest):
        yield from of_nest(record)
    elif isinstance(record, Product):
        yield from of_product(record)
    else:
        works = native_works(record)
        yield from [Work(record, [], CALLER, SHARED_NS)] if works is None else works


def native_works(call: Call) -> list[Work] | None:
    """The works of a step that has a kernel of native code; None if Python must call one."""
    from .kernels import KERNELS

    lower = KERNELS.get(call.step.op.name)
    return None if lower is None else lower(call)


def of_nest(nest: LoopNest) -> Iterator[Work]:
    """A nest cut into chunks along a loop; what is summed over that loop is summed apart."""
    if row_pieces(nest) > 1:
        yield from of_long_row(nest)
        return
    dim, grain, ns = cut(nest)
    chunks = -(-nest.extents[dim] // grain)
    sums = [i for i, s in enumerate(nest.stores) if dim in s.over and chunks > 1]
    nest, distances, joins = apart(nest, sums, chunks)
    code, words, scratch = coded(nest, nest.extents[-1], 0, distances)
    words = [code, words, len(nest.extents), grain, dim, *nest.extents]
    yield Work("run_nest", words, chunks, ns, scratch)
    for join in joins:
        yield from of_nest(join)


def row_pieces(nest: LoopNest) -> int:
    """Into how many pieces the one row of a nest is cut, whose reductions are all that is used.

    1 if there are several rows, which chunks are made of, or a second pass over the row.
    """
    *outer, n = nest.extents
    last = len(outer)
    reduced: set[int] = set()  # what is computed from reductions
    for i, x in enumerate(nest.nodes):
        if not reduced.isdisjoint(x.args):
            if last in x.loops or x.op in ROW:
                return 1
            reduced.add(i)
        elif x.op in ROW:
            reduced.add(i)
    scalar = all(s.node in reduced and s.how == "store" and s.at is None for s in nest.stores)
    if prod(outer) > 1 or not scalar or any(s.access.strides[last] for s in nest.stores):
        return 1
    return int(min(MOST_CHUNKS, n * element_ns(nest) // CHUNK_NS))


def of_long_row(nest: LoopNest) -> Iterator[Work]:
    """The reductions of each piece of the row, and then the nest on these instead of the row."""
    *outer, n = nest.extents
    last, nodes = len(outer), nest.nodes
    grain = -(-n // row_pieces(nest))
    grain = -(-grain // ROW_LOOPS) * ROW_LOOPS
    pieces = -(-n // grain)
    rows = [i for i, x in enumerate(nodes) if x.op in ROW]
    copies = [Extra(pieces * nodes[i].dtype.itemsize) for i in rows]
    accesses = [
        Access(copy, (0,) * (last + 1), 0, nodes[i].dtype)
        for i, copy in zip(rows, copies, strict=True)
    ]
    stores = [Store(i, access, apart=True) for i, access in zip(rows, accesses, strict=True)]
    first = nest._replace(nodes=nodes[: rows[-1] + 1], stores=tuple(stores))
    code, words, scratch = coded(first, n, 0, dict.fromkeys(range(len(rows)), 1))
    words = [code, words, len(nest.extents), grain, last, *nest.extents]
    yield Work("run_nest", words, pieces, n * element_ns(nest), scratch)

    again: list[Node] = []
    at: dict[int, int] = {}  # of the nodes that are computed again: their new numbers
    for i, x in enumerate(nodes):
        if x.op in ROW:
            k = len(nest.reads) + rows.index(i)
            again.append(Node("read", (), k, x.dtype, frozenset((last,))))
            again.append(x._replace(args=(len(again) - 1,)))
        elif last not in x.loops:
            again.append(x._replace(args=tuple([at[a] for a in x.args])))
        else:
            continue
        at[i] = len(again) - 1
    reads = [access._replace(strides=(*access.strides[:-1], 1)) for access in accesses]
    stores = [s._replace(node=at[s.node]) for s in nest.stores]
    whole = LoopNest((*outer, pieces), (*nest.reads, *reads), tuple(again), tuple(stores))
    yield from of_nest(whole)


def of_product(product: Product) -> Iterator[Work]:
    """A product cut into blocks, each of which its nest finds in cache."""
    nest, shape = product.nest, product.shape
    sums = frozenset(d for s in nest.stores for d in s.over)
    assert len(shape) - 1 not in sums, "rows are reduced by nodes"
    plan = products.plan(
        shape,
        product.k,
        product.x.strides,
        product.y.strides,
        product.x.dtype,
        whole_rows=any(x.op.startswith("row_") for x in nest.nodes),
        sums=sums,
    )
    which = [i for i, s in enumerate(nest.stores) if s.over and plan.copies > 1]
    nest, distances, joins = apart(nest, which, plan.copies)
    pack_b, gemm = products.entry_points(product.x.dtype)
    y = place(product.y)
    if plan.pack is not None:
        panels = Place(Extra(plan.pack.bytes), 0)
        words = plan.pack.words._replace(source=y, panels=panels)
        yield Work(pack_b, list(words), plan.pack.chunks, plan.pack.ns)
        y = panels
    given, scratch = plan.words, plan.scratch_bytes
    result = bare(product)
    if result is not None:
        *batches, row, _ = result.strides
        batches = [0] * (2 - len(batches)) + batches
        given = given._replace(
            c=place(result), c_row=row or shape[-1], c_batch0=batches[0], c_batch1=batches[1]
        )
    else:
        code, block, scratch = coded(nest, plan.block_columns, scratch, distances)
        given = given._replace(nest=code, nest_arguments=block)
    ahead = rows_touched(nest)
    if len(ahead) > products.room_ahead(product.k, product.x.dtype):
        ahead = []
    given = given._replace(
        a=place(product.x), b=y,
        ahead=[word for words in ahead for word in words], ahead_count=len(ahead),
    )  # fmt: skip
    ns = plan.ns + prod(shape) * element_ns(nest)
    yield Work(gemm, list(given), plan.chunks, ns, scratch)
    for join in joins:
        yield from of_nest(join)


def bare(product: Product) -> Access | None:
    """Where the product itself is stored in rows of whole vectors, if that is all that is done."""
    nest, dtype = product.nest, product.x.dtype
    if len(nest.nodes) != 1 or len(nest.stores) != 1 or len(product.shape) > 4:
        return None
    (store,) = nest.stores
    access = store.access
    is_copy = [read.buffer for read in nest.reads] == [None] and store.how == "store"
    is_copy = is_copy and not store.at and access.dtype is dtype
    whole = product.shape[-1] % width(dtype).lanes == 0
    return access if is_copy and whole and access.strides[-1] == 1 else None


def rows_touched(nest: LoopNest) -> list[tuple[Any, ...]]:
    """What the nest of a product reads and writes row by row: addresses, and strides in bytes."""
    found: dict[Place, tuple[Any, ...]] = {}
    stores = [s.access for s in nest.stores if s.how == "store" and not s.at]
    for access in (*nest.reads, *stores):
        *outer, row = access.strides
        if access.buffer is not None and row == 1 and outer and outer[-1]:
            n_bytes = [stride * access.dtype.itemsize for stride in outer]
            found[place(access)] = (*[0] * (AHEAD_WORDS - 1 - len(outer)), *n_bytes)
    return [(at, *n_bytes) for at, n_bytes in found.items()]


def coded(
    nest: LoopNest, row: int, offset: int, distances: dict[int, int]
) -> tuple[NestCode, list[Any], int]:
    """A nest's code, its argument block, and the scratch memory it needs beyond offset."""
    code = NestCode(nest)
    row = -(-row // LANES) * LANES
    words = code.arguments(place, row, offset, distances)
    return code, words, offset + code.stash_count * row * 4 + 64


def apart(
    nest: LoopNest, which: Sequence[int], copies: int
) -> tuple[LoopNest, dict[int, int], list[LoopNest]]:
    """The nest with these stores into a copy per chunk, and the nests that join the copies.

    Between them: how many elements lie from one copy to the next, by the number of the store.
    """
    stores, distances, joins = list(nest.stores), {}, []
    for i in which:
        store = stores[i]
        access = store.access
        ends = zip(nest.extents, access.strides, strict=True)
        length = 1 + sum((n - 1) * s for n, s in ends)
        copy = Extra(length * copies * access.dtype.itemsize)
        into = Access(copy, access.strides, 0, access.dtype)
        stores[i] = store._replace(access=into, apart=True)
        distances[i] = length
        joins.append(joined(nest.extents, store, copy, copies, length))
    return nest._replace(stores=tuple(stores)), distances, joins


def joined(extents: Sequence[int], store: Store, copy: Extra, copies: int, length: int) -> LoopNest:
    """The nest that reduces the copies of a store into its place."""
    access = store.access
    kept = [d for d, stride in enumerate(access.strides) if stride] or [len(extents) - 1]
    lengths = [extents[d] if access.strides[d] else 1 for d in kept]
    strides = [access.strides[d] for d in kept]
    read = Access(copy, (length, *strides), 0, access.dtype)
    node = Node("read", (), 0, access.dtype, frozenset(range(1 + len(kept))))
    into = Store(0, access._replace(strides=(0, *strides)), store.how, frozenset((0,)))
    return LoopNest((copies, *lengths), (read,), (node,), (into,))


def element_ns(nest: LoopNest) -> float:
    """The estimated time per element of the innermost loop."""
    last = len(nest.extents) - 1
    accesses = 2 * ELEMENT_NS * (len(nest.reads) + len(nest.stores))
    return accesses + sum(DEAR_NS.get(x.op, ELEMENT_NS) for x in nest.nodes if last in x.loops)


def cut(nest: LoopNest) -> tuple[int, int, float]:
    """The loop that is cut into chunks, the turns of one, and the estimated time of all.

    It is the first, or the row if that saves copies of what is summed over the first and if each
    chunk still reads long pieces of rows, or if such sums are stored at indices.
    """
    extents, last = nest.extents, len(nest.extents) - 1
    ns = prod(extents) * element_ns(nest)
    chunks = int(min(MOST_CHUNKS, ns // CHUNK_NS))
    has_rows = any(x.op.startswith("row_") for x in nest.nodes)
    sums = [s for s in nest.stores if 0 in s.over]
    dim = 0
    if sums and not has_rows and last > 0 and all(s.access.strides[last] for s in nest.stores):
        room = min(prod(extents) // (COPY_SHARE * n_elements(nest, s)) for s in sums)
        if room < 2 or extents[last] >= chunks * LONG_ROW or any(s.at for s in sums):
            dim = last
        chunks = chunks if dim else min(chunks, room)
    n = extents[dim]
    if any(s.at is not None and dim in s.over for s in nest.stores):
        return dim, n, ns
    if chunks < 2 or n == 1 or (dim == last and has_rows):
        return dim, n, ns
    grain = -(-n // chunks)
    if dim == last:
        step = ROW_LOOPS if n > 8 * ROW_LOOPS else LANES
        grain = -(-grain // step) * step
    return dim, min(grain, n), ns


def n_elements(nest: LoopNest, store: Store) -> int:
    """How many elements of its buffer a store reaches."""
    steps = zip(nest.extents, store.access.strides, strict=True)
    return prod(n for n, stride in steps if stride)
