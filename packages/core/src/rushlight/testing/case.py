"""Case: an operation and what it is tried on.  Refusal: what it must not accept.

Knows operations by name; the tables are in `cases` and `refusals`.
"""

from functools import lru_cache
from math import ceil, floor, prod
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np

from ..dtypes import FLOATING, INTEGER, DType, as_dtype
from ..errors import ContractError
from ..op import operations
from ..spec import Shape

HostArray = np.ndarray[Any, Any]

F32 = ("float32",)
FLOATS = ("float32", "float64", "float16", "bfloat16")
INTS = ("int64", "int32", "int16", "int8", "uint8", "uint32")
NUMBERS = FLOATS + INTS
BITS = (*INTS, "bool")
EVERYTHING = (*NUMBERS, "bool")

# Stand for the type under test, and for the device, among parameters.
TYPE, DEVICE = "<the type under test>", "<the device>"

LOW, HIGH = -1.4142, 2.7183  # not around 0, so that a sum does not cancel to nothing


class Values(NamedTuple):
    """A tensor among the inputs of a case: evenly spaced values in random order.

    None is near a whole number, where kinks are.
    low, high: between which they lie; of integer types times 3, and no negatives of unsigned types.
    dtype: its type, "" for the one under test.  given: these values instead.
    """

    shape: Shape
    low: float = LOW
    high: float = HIGH
    dtype: str = ""
    given: tuple[float, ...] = ()

    def array(self, under_test: DType, seed: int, offset: float) -> HostArray:
        """The values.  offset: 0 to 1, keeps the inputs of one case apart from each other."""
        dtype = as_dtype(self.dtype) if self.dtype else under_test
        n = prod(self.shape)
        steps = (np.random.default_rng(seed).permutation(n) + offset) / max(n, 1)
        with np.errstate(all="ignore"):  # what a type cannot hold becomes inf, or wraps round
            if self.given:
                values = np.array(self.given)
            elif dtype in FLOATING:
                values = self.low + (self.high - self.low) * steps
                whole = np.round(values)  # where kinks are
                values = np.where(np.abs(values - whole) < 0.002, whole + 0.002, values)
            elif dtype in INTEGER:
                least, most = ceil(3 * self.low), floor(3 * self.high)
                least = max(least, 0) if dtype.kind == "u" else least
                values = (least + (most + 1 - least) * steps).astype(np.int64)
            else:
                values = steps < 0.6
            return values.reshape(self.shape).astype(dtype)


class Case(NamedTuple):
    """An operation on some inputs.

    inputs: Values, Python numbers or None.
    types: names of the types that Values without one take in turn.
    about: what is special, for its id.
    terms: how many are summed for one element of the result.
    wider: a factor on the tolerance, for the reason beside it.
    order: how often it is differentiated at most.
    """

    op: str
    inputs: list[Any]
    params: dict[str, Any] = {}  # noqa: RUF012  never written
    types: tuple[str, ...] = FLOATS
    about: str = ""
    terms: int = 1
    wider: float = 1.0
    order: int = 2

    @property
    def label(self) -> str:
        """The operation, the shapes of its inputs, and what is special: `matmul-3x4+4x5`."""
        shown = "+".join(spelled(x) for x in self.inputs)
        return "-".join(part for part in (self.op, shown, self.about) if part)

    def id(self, dtype: str) -> str:
        """label and type."""
        return f"{self.label}-{dtype}"

    def arrays(self, dtype: str) -> list[Any]:
        """The inputs, arrays not to be written; numbers and None as they are."""
        return drawn(self.label, tuple(self.inputs), dtype)

    def named(self, dtype: DType, device: Any) -> dict[str, Any]:
        """The parameters, for this type under test and this device."""
        known = {TYPE: dtype, DEVICE: device}
        return {
            name: known.get(value, value) if isinstance(value, str) else value
            for name, value in self.params.items()
        }

    def needs(self, dtype: str) -> set[str]:
        """The types that a device must have for this."""
        named = [x.dtype or dtype for x in self.inputs if isinstance(x, Values)]
        asked = [p.name for p in self.params.values() if isinstance(p, np.dtype)]
        return {dtype, *named, *asked}

    @property
    def exact(self) -> bool:
        """Whether the result is rounded nowhere, so that it must be equal."""
        return self.op in EXACT

    @property
    def elementwise(self) -> bool:
        """Whether each element is rounded by itself, so that the error is relative to each."""
        return self.terms == 1 and not operations[self.op].has_body

    @property
    def narrows(self) -> bool:
        """Whether the result has less precision than float64: small differences vanish in it."""
        target = self.params.get("dtype")
        return isinstance(target, np.dtype) and target != np.float64

    @property
    def free_axis(self) -> int:
        """An axis along which all may be alike; along that of a variance only error is left."""
        taken = (0,) if self.op == "batch_norm" else self.params.get("axes", ())
        return next((i for i in range(2) if i not in taken), 0)


class Refusal(NamedTuple):
    """What an operation must not accept, though its parameters are normalised.

    It says so at the latest when values of the result are read.
    """

    op: str
    inputs: list[Any]
    params: dict[str, Any] = {}  # noqa: RUF012  never written
    about: str = ""
    error: type[Exception] = ContractError

    def as_case(self) -> Case:
        """Inputs and parameters in the form of a case."""
        return Case(self.op, self.inputs, self.params, F32, self.about)


@lru_cache(maxsize=512)
def drawn(label: str, inputs: tuple[Any, ...], dtype: str) -> list[Any]:
    """Inputs from a seed that is the case's name: the same in every process."""
    found = []
    for i, x in enumerate(inputs):
        if isinstance(x, Values):
            seed, offset = crc32(f"{label} {i}".encode()), (i + 1) / (len(inputs) + 1)
            x = x.array(as_dtype(dtype), seed, offset)
            x.flags.writeable = False
        found.append(x)
    return found


def spelled(x: Any) -> str:
    """An input in an id."""
    if not isinstance(x, Values):
        return repr(x)
    return ("x".join(map(str, x.shape)) or "0d") + (f":{x.dtype}" if x.dtype else "")


def x(*shape: int, low: float = LOW, high: float = HIGH) -> Values:
    """Of the type under test."""
    return Values(shape, low, high)


def index(*shape: int, below: int, dtype: str = "int64") -> Values:
    """Integers from 0 to below - 1."""
    return Values(shape, 0.0, (below - 1) / 3, dtype)


def mask(*shape: int) -> Values:
    """Bools, about half of them true."""
    return Values(shape, dtype="bool")


def given(*values: float, shape: Shape | None = None, dtype: str = "") -> Values:
    """These very values."""
    return Values(shape or (len(values),), dtype=dtype, given=values)


def worst(dtype: DType) -> Any:
    """What shows if it is read by mistake."""
    if dtype in FLOATING:
        return float("nan")
    return True if dtype.kind == "b" else np.iinfo(dtype).min


# Operations whose results are rounded nowhere.
EXACT = frozenset(
    """
    ceil trunc round signbit cummax
    reshape permute expand slice put_slice unslice pad concat windows take gather full iota
    random_bits uniform cast clone neg abs sign floor where relu gate maximum minimum max min argmax
    max_pool argsort argselect flat_index middle searchsorted scatter scatter_max equal not_equal
    less less_equal greater greater_equal bitwise_not bitwise_and bitwise_or bitwise_xor
    """.split()
)
