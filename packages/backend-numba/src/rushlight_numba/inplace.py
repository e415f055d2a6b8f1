"""Which results may be written over what they replace.

A step of an optimizer replaces each parameter.  If nothing but the parameter refers to its array,
nobody can see whether that is written or another one; the first saves memory and its bandwidth.

Knows records as works that touch buffers, and no operation by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf, prod
from typing import Any

from rushlight.extend import Call, Fused, LoopNest, Shape, Store, Value, size

from .entry import is_whole
from .lowering import Work


def heirs(fused: Fused, fresh: Mapping[Any, Shape], works: Sequence[Work]) -> dict[Any, Value]:
    """The results that may be written over an input, each with that input.

    It is one that the caller replaces by the result, and of which each element is read for the last
    time before the result's is written.  All that can fail is done by then, so that a run that
    raises has changed nothing.
    """
    touching: dict[Any, list[int]] = {}
    for i, work in enumerate(works):
        for buffer in work.touched():
            touching.setdefault(buffer, []).append(i)
    failing = [touching[check.buffer][-1] for check in fused.checks]
    failing += [i for i, work in enumerate(works) if isinstance(work.function, Call)]
    returned = {access.buffer for access in fused.outputs.values()}
    found: dict[Any, Value] = {}
    for z, x in zip(fused.graph.outputs, fused.graph.replaced, strict=False):
        if x is None or z not in fused.outputs or x in returned or x not in fused.graph.inputs:
            continue
        access = fused.outputs[z]
        buffer = access.buffer
        if buffer in found or fresh.get(buffer) != x.shape or buffer.dtype != x.dtype:
            continue
        start = touching[buffer][0]
        late = start > max(failing, default=-1) and is_whole(access, x.shape, buffer)
        between = {i for i in (*touching[buffer], *touching.get(x, ())) if i >= start}
        if late and follows([works[i] for i in between], buffer, x):
            found[buffer] = x
    return found


def follows(works: Sequence[Work], buffer: Any, x: Any) -> bool:
    """Whether these works write each element of the buffer after that of x is last read.

    They do if none reads of x but what it writes itself, later, and each element is written by one.
    """
    written: float = 0
    reads = places = 0
    for work in works:
        places += sum(place.buffer is x for place in work.places())
        for code in work.codes():
            nest = code.nest
            stores = [k for k, store in enumerate(nest.stores) if store.access.buffer is buffer]
            written += sum(n_elements(nest, nest.stores[k]) for k in stores)
            for i, read in enumerate(nest.reads):
                if read.buffer is x:
                    reads += 1
                    at = [k for k in stores if nest.stores[k].access.offset == read.offset]
                    if not any(code.may_overwrite(k, i) for k in at):
                        return False
    if places > reads:
        return False  # an operand of a product is read many times
    return not reads or written == size(buffer.shape)


def n_elements(nest: LoopNest, store: Store) -> float:
    """How many elements it writes; without limit if only the data say which."""
    steps = zip(nest.extents, store.access.strides, strict=True)
    return inf if store.at else prod(n for n, stride in steps if stride)
