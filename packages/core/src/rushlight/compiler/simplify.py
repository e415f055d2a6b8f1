"""Simplify: a graph with the same results and fewer steps.  Never reorders; knows no backend.

Reductions keep their axes, so that fusing need not undo it; what is exact in every element type is
done here: equal steps become one, views of views one view, and steps that change nothing none.
"""

from bisect import bisect
from collections import Counter
from itertools import accumulate
from typing import Any

from ..dtypes import INTEGER, DType, bool_, float32
from ..op import operations
from ..spec import Shape, Spec, reduced, size
from . import lookup
from .graph import Graph, Step, Sum, Value
from .kind import DIVISIONS, REDUCTIONS, is_narrow, is_pointwise


def simplify(graph: Graph) -> Graph:
    """The same results from fewer steps."""
    builder = Builder(graph)
    for step in graph.steps:
        if isinstance(step, Sum):
            builder.steps.append(step)
        else:
            builder.write(step)
    outputs = tuple([builder.now.get(x, x) for x in graph.outputs])
    steps, checks = tuple(builder.steps), tuple(builder.checks)
    return graph._replace(steps=steps, outputs=outputs, checks=checks).pruned()


class Builder:
    """A graph being written anew.

    now: what stands for a value of the old one.  uses: how often that reads a value.
    """

    def __init__(self, graph: Graph) -> None:
        self.uses = Counter(x for step in graph.steps for x in step.inputs)
        self.checks: dict[Value, None] = {}
        self.steps: list[Step | Sum] = []
        self.now: dict[Any, Any] = {}
        self.maker: dict[Value, Step] = {}
        self.known: dict[Any, Step] = {}
        self.starts: dict[Value, list[int]] = {}  # see `part_at`

    def write(self, step: Step) -> None:
        """A step of the old graph, its inputs as they are now."""
        inputs = tuple([self.now.get(x, x) if isinstance(x, Value) else x for x in step.inputs])
        step = step._replace(inputs=inputs)
        if len(step.outputs) > 1 or step.outputs[0] is None:
            self.steps.append(step)
        else:
            self.now[step.z] = self.simplified(step)

    def simplified(self, step: Step) -> Value:
        """The result of a step, by the rule of its operation or as it stands."""
        rule = RULES.get(step.op.name)
        found = rule(self, step) if rule else None
        found = over_parts(self, step) if found is None else found
        return self.made(step) if found is None else found

    def made(self, step: Step) -> Value:
        """The result of a step, or of the equal one that there is."""
        key = (step.op, step.device, tuple(map(same, step.inputs + step.params)))
        found = self.known.get(key)
        if found is None:
            found = self.known[key] = step
            self.steps.append(step)
            self.maker[step.z] = step
        return found.z

    def step(
        self, name: str, like: Step, inputs: tuple[Any, ...], params: Any, spec: Spec
    ) -> Value:
        """The result of a new step, simplified in its turn."""
        return self.simplified(Step(operations[name], like.device, inputs, params, (Value(spec),)))

    def reshape(self, x: Value, shape: Shape, like: Step) -> Value:
        return self.step("reshape", like, (x,), (shape,), Spec(shape, x.dtype))

    def cast(self, x: Value, dtype: DType, like: Step) -> Value:
        return self.step("cast", like, (x,), (dtype,), Spec(x.shape, dtype))

    def widened(self, step: Step) -> Value:
        """The result of a step of narrow types: one of float32, rounded once."""
        z = step.z
        inputs = [self.cast(x, float32, step) if is_narrow(x.dtype) else x for x in step.inputs]
        made = self.step(step.op.name, step, (*inputs,), step.params, Spec(z.shape, float32))
        return self.cast(made, z.dtype, step)

    def behind(self, x: Any, name: str) -> Any:
        """The step that made x, if it is of this name; else None."""
        step = self.maker.get(x) if isinstance(x, Value) else None
        return step if step is not None and step.op.name == name else None

    def part_at(self, whole: Step, place: int) -> tuple[Value, int]:
        """The part of a concatenation in which a place along its axis lies, and where that begins.

        The nearest one if the place is outside.
        """
        starts = self.starts.get(whole.z)
        if starts is None:
            lengths = [part.shape[whole.params[0]] for part in whole.inputs]
            starts = self.starts[whole.z] = [*accumulate(lengths, initial=0)]
        k = min(max(bisect(starts, place), 1), len(whole.inputs)) - 1
        return whole.inputs[k], starts[k]


def same(x: Any) -> Any:
    """What makes one argument equal to another: a number with its type, and 0.0 is not -0.0."""
    return (type(x), repr(x)) if isinstance(x, (bool, int, float)) else x


def view(_: Builder, step: Step) -> Any:
    """A view that shows all of its input as it is."""
    x = step.inputs[0]
    return x if isinstance(x, Value) and x.shape == step.z.shape else None


def reshape(builder: Builder, step: Step) -> Any:
    """A reshape of a reshape is one."""
    before = builder.behind(step.inputs[0], "reshape")
    if before is not None:
        step = step._replace(inputs=before.inputs)
        return view(builder, step) or builder.made(step)
    return view(builder, step)


def permute(builder: Builder, step: Step) -> Any:
    """A permutation of a permutation is one; of axes of length 1 it is a reshape."""
    (x,), (order,), z = step.inputs, step.params, step.z
    before = builder.behind(x, "permute")
    if before is not None:
        order = tuple([before.params[0][d] for d in order])
        return builder.step("permute", step, before.inputs, (order,), z.spec)
    if order == tuple(range(len(order))):
        return x
    long = [d for d in order if x.shape[d] != 1]
    return builder.reshape(x, z.shape, step) if long == sorted(long) else None


def slice(builder: Builder, step: Step) -> Any:
    """A slice of all is its input; one within a part of a concatenation is a slice of that."""
    (x,), (bounds,), z = step.inputs, step.params, step.z
    if all(b == (0, n, 1) for b, n in zip(bounds, x.shape, strict=True)):
        return x
    whole = builder.behind(x, "concat")
    if whole is None:
        return None
    axis = whole.params[0]
    first, length, stride = bounds[axis]
    least, most = sorted((first, first + (length - 1) * stride))
    part, start = builder.part_at(whole, least)
    if not start <= least <= most < start + part.shape[axis]:
        return None
    within = (*bounds[:axis], (first - start, length, stride), *bounds[axis + 1 :])
    return builder.step("slice", step, (part,), (within,), z.spec)


def cast(_: Builder, step: Step) -> Any:
    """A cast to the type that is there."""
    x = step.inputs[0]
    return x if x.dtype is step.z.dtype else None


def reduction(builder: Builder, step: Step) -> Any:
    """Keeps its axes; over axes of length 1 it is nothing.  Narrow sums are carried in float32."""
    (x,), (axes, keepdim), z = step.inputs, step.params, step.z
    if is_narrow(x.dtype) and step.op.name != "max":
        return builder.widened(step)
    long = tuple([d for d in axes if x.shape[d] != 1])
    if keepdim and long == axes:
        return None
    if not long:
        return builder.reshape(x, z.shape, step)
    spec = Spec(reduced(x.shape, long, keepdim=True), x.dtype)
    made = builder.step(step.op.name, step, (x,), (long, True), spec)
    return builder.reshape(made, z.shape, step)


def neg(builder: Builder, step: Step) -> Any:
    """A negative of a negative."""
    before = builder.behind(step.inputs[0], "neg")
    return before.inputs[0] if before else None


def matmul(builder: Builder, step: Step) -> Any:
    """Of a batch and one matrix: one product.  Of narrow types: one in float32, rounded once."""
    (x, y), z = step.inputs, step.z
    if is_narrow(x.dtype):
        return builder.widened(step)
    if len(x.shape) > 2 and size(y.shape[:-2]) == 1:
        rows, k, n = size(x.shape[:-1]), x.shape[-1], y.shape[-1]
        flat = builder.reshape(x, (rows, k), step)
        right = builder.reshape(y, (k, n), step)
        made = builder.step("matmul", step, (flat, right), (), Spec((rows, n), z.dtype))
        return builder.reshape(made, z.shape, step)
    return None


def pad(_: Builder, step: Step) -> Any:
    """A pad by nothing is its input."""
    return step.inputs[0] if not any(map(any, step.params[0])) else None


def add(builder: Builder, step: Step) -> Any:
    """A sum of values that lie apart in frames of zeros, and fill it: their concatenation."""
    parts = lying_apart(builder, step.inputs, step.z.shape)
    if parts is None:
        return None
    axis, found = parts
    at = 0
    for start, x in found:
        if start != at:
            return None
        at += x.shape[axis]
    z = step.z
    if at != z.shape[axis]:
        return None
    return builder.step("concat", step, tuple([x for _, x in found]), (axis,), z.spec)


def lying_apart(builder: Builder, inputs: Any, shape: Shape) -> tuple[int, list[Any]] | None:
    """The axis along which the padded terms of a sum lie, and where each begins."""
    found: list[tuple[int, Value]] = []
    axes = set()
    left = list(inputs)
    while left:
        x = left.pop()
        step = builder.maker.get(x) if isinstance(x, Value) and x.shape == shape else None
        if step is not None and step.op.name == "add":
            left += step.inputs
            continue
        if step is None or step.op.name != "pad" or step.params[1] != 0:
            return None
        padded = [d for d, widths in enumerate(step.params[0]) if any(widths)]
        axes.update(padded)
        if len(axes) != 1:
            return None
        found.append((step.params[0][padded[0]][0], step.inputs[0]))
    return axes.pop(), sorted(found, key=lambda part: part[0])


def concat(_: Builder, step: Step) -> Any:
    """A concatenation of one."""
    return step.inputs[0] if len(step.inputs) == 1 else None


def over_parts(builder: Builder, step: Step) -> Any:
    """An elementwise step on concatenations of the same 1-d parts: a concatenation of steps."""
    z = step.z
    if len(z.shape) != 1 or not is_pointwise(step):
        return None
    wholes = [w for x in step.inputs if (w := builder.behind(x, "concat")) is not None]
    if not wholes:
        return None
    lengths = [part.shape[0] for part in wholes[0].inputs]
    if any([part.shape[0] for part in w.inputs] != lengths for w in wholes):
        return None
    parts, start = [], 0
    for n in lengths:
        inputs = [part_of(builder, step, x, start, n) for x in step.inputs]
        spec = Spec((n,), z.dtype)
        parts.append(builder.step(step.op.name, step, (*inputs,), step.params, spec))
        start += n
    return builder.step("concat", step, (*parts,), (0,), z.spec)


def part_of(builder: Builder, step: Step, x: Any, start: int, n: int) -> Any:
    """Elements start to start + n of an operand of a step on concatenations."""
    if not isinstance(x, Value) or x.shape in ((), (1,)):
        return x
    before = builder.maker.get(x)
    if before is not None and before.op.name == "concat":
        part, begins = builder.part_at(before, start)
        if (begins, part.shape) == (start, (n,)):
            return part
    if before is not None and is_pointwise(before):
        inputs = [part_of(builder, before, y, start, n) for y in before.inputs]
        return builder.step(before.op.name, before, (*inputs,), before.params, Spec((n,), x.dtype))
    return builder.step("slice", step, (x,), (((start, n, 1),),), Spec((n,), x.dtype))


def running(builder: Builder, step: Step) -> Any:
    """Of narrow types it is carried in float32."""
    return builder.widened(step) if is_narrow(step.z.dtype) else None


def division(builder: Builder, step: Step) -> None:
    """As it is, and divisors of integers are checked."""
    y = step.inputs[1]
    if isinstance(y, Value) and y.dtype in INTEGER and 0 not in y.shape:
        wrong = builder.step("equal", step, (y, 0), (), Spec(y.shape, bool_))
        lookup.refuse(builder, step, wrong)


RULES = {
    "reshape": reshape,
    "expand": view,
    "permute": permute,
    "slice": slice,
    "cast": cast,
    "neg": neg,
    "matmul": matmul,
    "concat": concat,
    "pad": pad,
    "add": add,
    **dict.fromkeys(REDUCTIONS, reduction),
    **dict.fromkeys(DIVISIONS, division),
    **dict.fromkeys(("cumsum", "cumprod", "cummax"), running),
    **lookup.RULES,
}
