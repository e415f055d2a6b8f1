"""Lookup: rules of `simplify` for steps that read or write at indices.  Knows no backend.

One element of each row is what is left of the row where all others are masked: that is arithmetic,
which fuses.  Such arithmetic raises nothing, so the graph checks the indices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..dtypes import FLOATING, DType, bool_, iinfo, int32, int64
from ..spec import Spec, size
from .graph import Step, Value
from .kind import VIEWS, is_narrow, is_pointwise, is_reduction

if TYPE_CHECKING:
    from .simplify import Builder

ONE_ROW = 65536  # indices that are checked as one row, by one thread
WHOLE = VIEWS - {"slice"}  # views that show every element


def take(builder: Builder, step: Step) -> Value | None:
    """As it is, and checked."""
    check(builder, step)
    return None


def gather(builder: Builder, step: Step) -> Value | None:
    """One element of each row: the largest of the row with -inf everywhere else."""
    (x, index), (axis,) = step.inputs, step.params
    check(builder, step)
    is_row = all(n == 1 for n in x.shape[axis + 1 :])
    if not (is_row and picks(x, index, axis) and is_read_anyhow(builder, x)):
        return None
    is_there = matches(builder, step)
    lonely = builder.step("where", step, (is_there, x, least(x.dtype)), (), x.spec)
    return builder.step("max", step, (lonely,), ((axis,), True), Spec(index.shape, x.dtype))


def scatter(builder: Builder, step: Step) -> Value | None:
    """One element of each row replaced: a choice between two."""
    (x, index, source), (axis,) = step.inputs, step.params
    check(builder, step)
    if not picks(x, index, axis):
        return None
    is_there = matches(builder, step)
    return builder.step("where", step, (is_there, source, constant(builder, x)), (), x.spec)


def scatter_add(builder: Builder, step: Step) -> Value | None:
    """One element of each row added to: a choice between two.  Narrow sums are of float32."""
    (x, index, source), (axis,) = step.inputs, step.params
    check(builder, step)
    if source.shape != index.shape:
        bounds = tuple([(0, n, 1) for n in index.shape])
        spec = Spec(index.shape, source.dtype)
        source = builder.step("slice", step, (source,), (bounds,), spec)
    if not picks(x, index, axis):
        step = step._replace(inputs=(x, index, source))
        return builder.widened(step) if is_narrow(x.dtype) else builder.made(step)
    is_there = matches(builder, step)
    before = constant(builder, x)
    if type(before) not in (int, float) or before != 0:
        source = builder.step("add", step, (x, source), (), x.spec)
    return builder.step("where", step, (is_there, source, before), (), x.spec)


RULES: dict[str, Callable[[Builder, Step], Value | None]] = {
    rule.__name__: rule for rule in (take, gather, scatter, scatter_add)
}


def picks(x: Value, index: Any, axis: int) -> bool:
    """Whether there is one index for each row along an axis."""
    if not isinstance(index, Value) or x.dtype is bool_ or x.shape[axis] >= 2**31:
        return False
    return index.shape == (*x.shape[:axis], 1, *x.shape[axis + 1 :])


def is_read_anyhow(builder: Builder, x: Value) -> bool:
    """Whether all of x is computed, or read by others, where one element of each row is taken."""
    while builder.uses[x] < 2:
        step = builder.maker.get(x)
        if step is None or step.op.name not in VIEWS:
            return step is not None and (is_pointwise(step) or is_reduction(step))
        x = step.inputs[0]
    return True


def matches(builder: Builder, step: Step) -> Value:
    """Which of the places along an axis the index of a step names.  -> bool[.., n, ..]."""
    (x, index), (axis,) = step.inputs[:2], step.params
    n = x.shape[axis]
    at = builder.cast(index, int32, step)
    places = builder.step("iota", step, (), (n, int32, step.device), Spec((n,), int32))
    places = builder.reshape(places, (n, *[1] * (len(x.shape) - axis - 1)), step)
    return builder.step("equal", step, (places, at), (), Spec(x.shape, bool_))


def check(builder: Builder, step: Step) -> None:
    """Let the graph find out whether an index of a step is below 0 or from n on."""
    (x, index), (axis,) = step.inputs[:2], step.params
    while (before := builder.maker.get(index)) is not None and before.op.name in WHOLE:
        index = before.inputs[0]
    shape = index.shape
    if 0 in shape:
        return
    if len(shape) > 1 and size(shape) <= ONE_ROW:
        shape = (size(shape),)
        index = builder.reshape(index, shape, step)
    at = builder.cast(index, int64, step)
    below = builder.step("less", step, (at, 0), (), Spec(shape, bool_))
    above = builder.step("less", step, (x.shape[axis] - 1, at), (), Spec(shape, bool_))
    either = builder.step("bitwise_or", step, (below, above), (), Spec(shape, bool_))
    refuse(builder, step, either)


def refuse(builder: Builder, step: Step, wrong: Value) -> None:
    """Let the graph find out whether a condition holds anywhere."""
    found = builder.cast(wrong, int32, step)
    axes = tuple(range(len(wrong.shape)))
    if axes:
        found = builder.step("max", step, (found,), (axes, False), Spec((), int32))
    builder.checks[found] = None


def constant(builder: Builder, x: Value) -> Any:
    """The number that x is made of, or x."""
    step = builder.behind(x, "full")
    return x if step is None else step.inputs[0]


def least(dtype: DType) -> float:
    """What no number of this type is below."""
    return float("-inf") if dtype in FLOATING else int(iinfo(dtype).min)
