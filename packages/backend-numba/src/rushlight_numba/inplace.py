"""Which results may be written over what they replace.

A step of an optimizer replaces each parameter.  If nothing but the parameter refers to its array,
nobody can see whether that is written or another one; the first saves memory and its bandwidth.

Knows records as works that touch buffers, and no operation by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rushlight.extend import Call, Fused, Life, Shape, Value, size

from .codegen.nest import NestCode
from .entry import is_whole
from .lowering import Work, n_elements

LARGE = 1 << 15  # bytes of a result for which it pays to ask at each call who refers to it


def heirs(
    fused: Fused, fresh: Mapping[Any, Shape], works: Sequence[Work], *, small: bool = False
) -> dict[Any, Value]:
    """The results that may be written over an input, each with that input.

    It is one that the caller replaces by the result, and of which each element is read for the last
    time before the result's is written.  All checks are done by then, so that a run that raises has
    changed nothing.  There are none where a kernel is called: Python runs then, and may look.

    small: also those for which it does not pay in compiled programs.
    """
    if any(isinstance(work.function, Call) for work in works):
        return {}
    touching = touched(works)
    checked = max([touching[check.buffer][-1] for check in fused.checks], default=-1)
    returned = {access.buffer for access in fused.outputs.values()}
    found: dict[Any, Value] = {}
    for z, x in zip(fused.graph.outputs, fused.graph.replaced, strict=False):
        if x is None or z not in fused.outputs or x in returned or x not in fused.graph.inputs:
            continue
        access = fused.outputs[z]
        buffer = access.buffer
        if buffer in found or fresh.get(buffer) != x.shape or buffer.dtype != x.dtype:
            continue
        if not small and size(x.shape) * x.dtype.itemsize < LARGE:
            continue
        late = touching[buffer][0] > checked
        if late and is_whole(access, x.shape, buffer) and follows(works, touching, buffer, x):
            found[buffer] = x
    return found


def successors(works: Sequence[Work], lives: Mapping[Any, Life]) -> dict[Any, Any]:
    """The buffers that may take the memory of another, which ends where they begin; and that one.

    Of a chain of them, each has the first.
    """
    touching, last = touched(works), {x: life.last for x, life in lives.items()}
    found: dict[Any, Any] = {}
    for buffer, life in sorted(lives.items(), key=lambda item: item[1].first):
        for x in works[life.first].touched:
            home = found.get(x, x)
            if (
                x in lives
                and x is not buffer
                and last[x] == last[home] == life.first
                and lives[home].bytes == life.bytes
                and follows(works, touching, buffer, x)
            ):
                found[buffer] = home
                last[home] = life.last
                break
    return found


def touched(works: Sequence[Work]) -> dict[Any, list[int]]:
    """The works that read or write each buffer."""
    found: dict[Any, list[int]] = {}
    for i, work in enumerate(works):
        for buffer in work.touched:
            found.setdefault(buffer, []).append(i)
    return found


def follows(
    works: Sequence[Work], touching: Mapping[Any, Sequence[int]], buffer: Any, x: Any
) -> bool:
    """Whether each element of the buffer is written after that of x is last read.

    It is if a work reads of x only what it writes itself, later, and each element is written once.
    """
    start = touching[buffer][0]
    between = {i for i in (*touching[buffer], *touching.get(x, ())) if i >= start}
    written = reads = places = 0
    for work in map(works.__getitem__, between):
        places += sum(place.buffer is x for place in work.places)
        for code in work.codes():
            if not isinstance(code, NestCode):
                continue  # what it reads counts as places, below
            nest = code.nest
            if work is works[start] and any(read.buffer is buffer for read in nest.reads):
                return False  # written before the nest, by the work that this is the end of
            stores = [k for k, store in enumerate(nest.stores) if store.access.buffer is buffer]
            written += sum(n_elements(nest, nest.stores[k]) for k in stores)
            if any(nest.stores[k].at for k in stores):
                return False  # only the data say what is written
            for i, read in enumerate(nest.reads):
                if read.buffer is x:
                    reads += 1
                    at = [k for k in stores if nest.stores[k].access.offset == read.offset]
                    if not any(code.may_overwrite(k, i) for k in at):
                        return False
    if places > reads:
        return False  # an operand of a product is read many times
    return not reads or written == size(buffer.shape)
