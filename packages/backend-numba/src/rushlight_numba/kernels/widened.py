"""Steps on float16 and bfloat16 as steps on float32, for kernels that know only that.

Inputs are copied as float32, and results rounded once, each by a nest.  Knows no kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod

from rushlight.extend import (
    Access,
    Call,
    LoopNest,
    Node,
    Shape,
    Spec,
    Store,
    Value,
    float32,
)

from ..layout import dense_strides
from ..lowering import Work, of_nest, whole
from .line import merged

Lower = Callable[[Call], list[Work] | None]
HALF = frozenset({"float16", "bfloat16"})


def widened(lower: Lower) -> Lower:
    """What lowers a step, for steps on float16 and bfloat16 too."""

    def works(call: Call) -> list[Work] | None:
        made = [z.shape for z in call.step.outputs if z is not None]
        if any(0 in shape for shape in (*made, *call.shapes) if shape is not None):
            return None
        before: list[Work] = []
        after: list[Work] = []
        inputs, outputs = [*call.inputs], [*call.step.outputs]
        for i, (x, shape) in enumerate(zip(call.inputs, call.shapes, strict=True)):
            if isinstance(x, Access) and x.dtype.name in HALF and shape is not None:
                inputs[i] = whole(Value(Spec(shape, float32)))
                before += copied(x, shape, inputs[i])
        for i, z in enumerate(call.step.outputs):
            if z is not None and z.dtype.name in HALF:
                wide = outputs[i] = Value(Spec(z.shape, float32))
                after += copied(whole(wide), z.shape, whole(z))
        step = call.step._replace(outputs=tuple(outputs))
        found = lower(Call(step, tuple(inputs), call.shapes))
        return None if found is None else [*before, *found, *after]

    return works


def copied(x: Access, shape: Shape, to: Access) -> Iterator[Work]:
    """The works that copy an array to another, which lies in order."""
    strides = x.strides
    step = merged(shape, strides)
    if step is not None:  # one long row
        shape, strides = (prod(shape),), (step,)
    every = frozenset(range(len(shape)))
    read = Node("read", (), 0, x.dtype, every)
    into = to._replace(strides=dense_strides(shape))
    yield from of_nest(LoopNest(shape, (x._replace(strides=strides),), (read,), (Store(0, into),)))
