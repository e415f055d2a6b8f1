"""Nests that run within the work that makes what they read, part by part, while it is in cache.

Knows what a work tells of its `Ending`, and neither what it computes nor an operation by name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import NamedTuple

from rushlight.extend import ROW, Access, Call, Fused, LoopNest, Node, Shape

from .codegen.nest import NestCode
from .layout import is_dense
from .lowering import Ending, Work, coded, element_ns, moved, place

LONG_ROW = 64  # elements; silu of planes of 49, each a row, took three times as long as of one row
Walk = tuple[int, ...]  # a number for each loop


class Gathered(NamedTuple):
    """The works of a program in order.

    records: of each work, the number of its record.  within: of each nest that runs within the work
    of another record, that record.
    """

    works: list[Work]
    records: list[int]
    within: dict[int, int]


def gathered(fused: Fused, works: Sequence[Sequence[Work]]) -> Gathered:
    """The works of all records, which are given by record.

    A nest that is the first to read what a work makes runs in that, where one of the two can take
    the place of the other.
    """
    made = [[*some] for some in works]
    touched = [{x for work in some for x in work.touched} for some in works]
    given = {*fused.graph.inputs}
    kept = {access.buffer for access in (*fused.outputs.values(), *fused.checks)}
    order, within = [*range(len(made))], dict[int, int]()
    for i, record in enumerate(fused.records):
        for k, work in enumerate(made[i]):
            if work.ending is None or not isinstance(record, Call):
                continue
            z = work.ending.value
            readers = [j for j in order[order.index(i) + 1 :] if z in touched[j]]
            nest = fused.records[readers[0]] if readers else None
            if not isinstance(nest, LoopNest):
                continue
            j = readers[0]
            joined = ended(work, nest, is_alone=len(readers) == 1 and z not in kept)
            here, there = order.index(i), order.index(j)
            between = {x for other in order[here + 1 : there] for x in touched[other]}
            sinks = between.isdisjoint(record.step.outputs)
            if joined is None or not (sinks or between.isdisjoint(touched[j] - given)):
                continue
            order[there if sinks else here] = i
            del order[here if sinks else there]
            made[i][k] = joined
            touched[i] |= touched[j]
            within[j] = i
    records = [i for i in order for _ in made[i]]
    return Gathered([work for i in order for work in made[i]], records, within)


def ended(work: Work, nest: LoopNest, *, is_alone: bool) -> Work | None:
    """The work with a nest that reads its result; None if that is not read part by part.

    is_alone: nothing else reads the result, which a result of the nest may then lie over.
    """
    ending = work.ending
    assert ending is not None, "asked for"
    z, words = ending.value, [*work.words]
    found = walked(nest, ending)
    if found is None:
        return None
    line, reduces = 0, any(x.op in ROW for x in nest.nodes)
    if reduces and not (ending.whole_rows and nest.extents[-1] == z.shape[-1]):
        return None
    long = with_long_rows(found) if ending.whole_rows and not reduces else None
    if long is not None:
        line, found = found.extents[-1], long
    if found.extents[-1] < min(nest.extents[-1], LONG_ROW):
        return None
    read = next(i for i, x in enumerate(found.reads) if x.buffer is z)
    same = [k for k in range(len(found.stores)) if NestCode(found).may_overwrite(k, read)]
    if is_alone and same:
        access = found.stores[same[0]].access
        reads = [access if i == read else x for i, x in enumerate(found.reads)]
        found = found._replace(reads=tuple(reads))
        words = moved(words, {z: place(access)})
    code, block, scratch = coded(found, found.extents[-1], work.scratch_bytes, {})
    words[ending.first : ending.first + 3] = code, block, line
    ns = work.ns + prod(found.extents) * element_ns(found)
    return work._replace(words=words, ns=ns, scratch_bytes=scratch, ending=None)


def walked(nest: LoopNest, ending: Ending) -> LoopNest | None:
    """The nest over the loops of an ending; None if it does not go through the result in order."""
    z = ending.value
    reads = [i for i, x in enumerate(nest.reads) if x.buffer is z]
    if len(reads) != 1 or any(x.op == "gather" and x.param[0] in reads for x in nest.nodes):
        return None
    if any(s.how != "store" or s.over or s.at is not None for s in nest.stores):
        return None
    access, parts = nest.reads[reads[0]], axes_of(nest.extents, z.shape)
    if parts is None or access.offset or not is_dense(nest.extents, access.strides):
        return None

    def walk(strides: Walk) -> Walk:
        made = [0] * len(ending.extents)
        for stride, axes in zip(strides, parts, strict=True):
            for axis in reversed(axes):
                made[ending.axes[axis]] = stride
                stride *= z.shape[axis]
        return tuple(made)

    places = [frozenset([ending.axes[axis] for axis in axes]) for axes in parts]
    return over(nest, ending.extents, walk, places)


def with_long_rows(nest: LoopNest) -> LoopNest | None:
    """The nest with its last two loops as the last; None if something walks them otherwise."""
    *outer, rows, row = nest.extents

    def along(strides: Walk) -> int | None:
        y, x = strides[-2:]
        return y if row == 1 else x if rows == 1 or y == x * row else None

    walks = [x.strides for x in (*nest.reads, *(s.access for s in nest.stores))]
    walks += [x.param[1] for x in nest.nodes if x.op == "index"]
    if any(along(strides) is None for strides in walks):
        return None
    last = len(outer) + 1
    places = [frozenset((d if d < last - 1 else last,)) for d in range(last + 1)]
    extents = (*outer, 1, rows * row)
    return over(nest, extents, lambda strides: (*strides[:-2], 0, along(strides) or 0), places)


def over(
    nest: LoopNest, extents: Shape, walk: Callable[[Walk], Walk], places: Sequence[frozenset[int]]
) -> LoopNest:
    """The nest over other loops.

    walk: strides over these, of those over its own.  places: which of them each of its own is.
    """

    def walking(access: Access) -> Access:
        return access._replace(strides=walk(access.strides))

    def put(x: Node) -> Node:
        loops = frozenset[int]().union(*(places[d] for d in x.loops))
        param = (x.param[0], walk(x.param[1])) if x.op == "index" else x.param
        return x._replace(loops=loops, param=param)

    stores = [s._replace(access=walking(s.access)) for s in nest.stores]
    return LoopNest(
        extents, tuple(map(walking, nest.reads)), tuple(map(put, nest.nodes)), tuple(stores)
    )


def axes_of(extents: Sequence[int], shape: Shape) -> list[list[int]] | None:
    """The axes that each loop runs through, in order; None if one ends within an axis."""
    left = [d for d, n in enumerate(shape) if n > 1]
    found: list[list[int]] = []
    for n in extents:
        mine: list[int] = []
        while n > 1 and left and n % shape[left[0]] == 0:
            n //= shape[left[0]]
            mine.append(left.pop(0))
        if n > 1:
            return None
        found.append(mine)
    return None if left else found
