"""What kinds of step there are: views, what a nest computes, products, and calls of kernels."""

from __future__ import annotations

from typing import Any

from ..cell import Number
from ..dtypes import FLOATING, INTEGER, DType, bool_, float32, float64, iinfo, int64
from ..spec import Shape
from .graph import Graph, Step, Sum, Value

VIEWS = frozenset("reshape permute expand slice".split())
MADE = frozenset("full iota random_bits".split())  # of nothing: every reader makes them anew
JOINED = frozenset("concat pad".split())  # parts that are stored in place
COMPARISONS = frozenset("equal less".split())
BITS = frozenset("bitwise_and bitwise_or bitwise_xor bitwise_not".split())
ARITHMETIC = frozenset("neg abs add mul maximum minimum".split())
FLOATING_ONLY = frozenset("exp log sqrt sin cos tanh erf floor round div".split())
DIVISIONS = frozenset("floordiv remainder".split())
BY = DIVISIONS | {"pow"}  # of integers by none but some
POINTWISE = COMPARISONS | BITS | ARITHMETIC | FLOATING_ONLY | BY | {"cast", "where"}
REDUCTIONS = frozenset("sum prod max".split())
LOOKUPS = frozenset("take gather".split())
SCATTERS = frozenset("scatter scatter_add".split())
# Python's arithmetic as elementwise operations; a difference is a sum with the negative.
SUMS = {"add": "add", "sub": "add", "mul": "mul", "truediv": "div", "pow": "pow"}


def is_pointwise(step: Step) -> bool:
    """Whether a nest can compute it element by element."""
    name = step.op.name
    if name not in POINTWISE or not all(fits(x, int64) for x in step.inputs):
        return False
    dtype = step.z.dtype  # but for comparisons and casts that of its inputs too
    if name in FLOATING_ONLY:
        return dtype in FLOATING
    if name in BY and dtype in INTEGER:
        y = step.inputs[1]  # divisors of tensors are checked
        return isinstance(y, Value) or (isinstance(y, int) and y > 0)
    if name in BITS:
        return dtype is bool_ or dtype in INTEGER
    return name not in ARITHMETIC or dtype is not bool_


def is_narrow(dtype: DType) -> bool:
    """Whether it is float16 or bfloat16."""
    return dtype in FLOATING and dtype.itemsize < float32.itemsize


def shift(step: Step) -> int | None:
    """By how many bits a division of integers shifts to the right, if it does."""
    if step.op.name not in DIVISIONS:
        return None
    x, y = step.inputs
    if not isinstance(x, Value) or x.dtype not in INTEGER or not isinstance(y, int) or y < 1:
        return None
    return y.bit_length() - 1 if y & (y - 1) == 0 else None


def is_lookup(step: Step) -> bool:
    """Whether it reads elements of a stored value at places that the elements of another tell."""
    return step.op.name in LOOKUPS and all(isinstance(x, Value) for x in step.inputs)


def is_scatter(step: Step) -> bool:
    """Whether it changes elements of a value at places that the elements of another tell."""
    if step.op.name not in SCATTERS or not all(isinstance(x, Value) for x in step.inputs):
        return False
    _, index, source = step.inputs
    return bool(index.shape == source.shape)


def is_elementwise(step: Step) -> bool:
    """Whether each of its elements is computed for itself."""
    return is_pointwise(step) or is_lookup(step)


def value_dtype(step: Step) -> DType:
    """The type in which its inputs meet."""
    *_, met = [step.z.dtype, *(x.dtype for x in step.inputs if isinstance(x, Value))]
    is_wider = step.op.name in COMPARISONS and not all(fits(x, met) for x in step.inputs)
    return int64 if is_wider else met


def fits(x: Any, dtype: DType) -> bool:
    """Whether it is no integer, or one that this type of integers holds, as far as one can tell."""
    if dtype not in INTEGER or isinstance(x, Number):
        return dtype not in INTEGER or dtype is int64 or x.kind is not int
    return not isinstance(x, int) or iinfo(dtype).min <= x <= iinfo(dtype).max


def is_reduction(step: Step) -> bool:
    """Whether a nest can reduce it: along its row, or as sums over outer loops."""
    return step.op.name in REDUCTIONS and step.z.dtype is not bool_


def is_product(step: Step) -> bool:
    """Whether the backend's products do it; others are calls."""
    x, y = step.inputs if step.op.name == "matmul" else (None, None)
    if not isinstance(x, Value) or not isinstance(y, Value):
        return False
    return x.dtype in (float32, float64) and max(len(x.shape), len(y.shape)) <= 4


def is_call(step: Step) -> bool:
    """Whether nothing but its kernel can do it."""
    if len(step.outputs) > 1 or step.outputs[0] is None:
        return True
    if step.op.name in VIEWS | MADE | JOINED or is_product(step) or is_scatter(step):
        return False
    return not (is_elementwise(step) or is_reduction(step))


def domain(step: Step) -> Shape:
    """The shape over which a step computes."""
    if is_scatter(step):
        return tuple(step.inputs[1].shape)
    source = step.inputs[0] if is_reduction(step) else step.z
    return tuple(source.shape)


def hosted(graph: Graph) -> set[Number]:
    """The numbers that Python computes at each call: integers, results, and what kernels take."""
    taken = {x for x in graph.outputs if isinstance(x, Number)}
    for step in graph.steps:
        numbers = {x for x in step.inputs if isinstance(x, Number)}
        if numbers and isinstance(step, Step) and not is_nested(step):
            taken |= numbers
    found: set[Number] = set()
    for step in reversed(graph.steps):
        if isinstance(step, Sum):
            (z,) = step.outputs
            if z in taken or z.kind is not float or step.how not in SUMS:
                found.add(z)
                taken |= {x for x in step.inputs if isinstance(x, Number)}
    return found


def is_nested(step: Step) -> bool:
    """Whether a nest takes the step's numbers."""
    return is_pointwise(step) or step.op.name in MADE
