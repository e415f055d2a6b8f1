"""The hostile backend: two devices that help with nothing, to keep core honest where no GPU is.

Knows numpy only to hold bytes and to borrow the reference's arithmetic.  What it denies:

- No views: every result is fresh memory, full of nan (or the lowest integer, or True) before it is
  written; what comes in and goes out is copied; an array cannot be taken for one of numpy's.
- No float64 and no float16: refused where they would be made.
- No mixing of its two devices.
- No failure in time: a kernel that fails on its values returns as if nothing had happened, and its
  array carries the failure to all that is computed from it.  `get` of such an array raises it; so
  does `wait`, if nobody has seen it before.
- No parameters that are not normalised: a negative or unsorted axis, a list, a number of numpy's.
- No kernels but those of required primitives, none of them checking itself.

Kernels run at once and in order, so all that is hostile about it is deterministic.
"""

from types import NoneType
from typing import Any, NoReturn

import numpy as np

from .. import reference
from ..extend import (
    Backend,
    Capabilities,
    ContractError,
    DeviceError,
    Kernel,
    KernelFailed,
    MemoryStats,
    Operation,
    Spec,
    as_dtype,
    hookimpl,
    operations,
    required_kernels,
)
from .case import worst

HostArray = np.ndarray[Any, Any]
DEVICES = 2
DTYPES = frozenset("bool uint8 uint32 int8 int16 int32 int64 bfloat16 float32".split())


class Memory:
    """The bytes alive on one device, and the first failure that nobody has seen."""

    def __init__(self) -> None:
        self.used_bytes = self.peak_bytes = 0
        self.unseen: Exception | None = None

    def take(self, count: int) -> None:
        """Count bytes that become alive; negative ones die."""
        self.used_bytes += count
        self.peak_bytes = max(self.peak_bytes, self.used_bytes)


class HostileArray:
    """Memory of one device, which only its backend can read.

    failure: what a kernel failed with that should have written it, or one before that.
    """

    __slots__ = ("dtype", "failure", "index", "memory", "shape", "values")

    def __init__(
        self, values: HostArray, index: int, memory: Memory, failure: Exception | None
    ) -> None:
        self.shape, self.dtype, self.values = values.shape, values.dtype, values
        self.index, self.memory, self.failure = index, memory, failure
        memory.take(values.nbytes)

    def __del__(self) -> None:
        self.memory.take(-self.values.nbytes)

    def write(self, values: HostArray) -> None:
        """Fill the memory, once.  Raises: KernelFailed if the values are not what was promised."""
        made = Spec(values.shape, values.dtype)
        if made != (self.shape, self.dtype):
            raise KernelFailed(f"hostile: a kernel made {made}, not the {spec_of(self)} promised")
        np.copyto(self.values, values)
        self.values.flags.writeable = False

    def __array__(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("hostile: this array is not numpy's; get() it from its device")

    def __bool__(self) -> NoReturn:
        raise TypeError("hostile: an array has no truth value; get() it from its device")


class Hostile(Backend):
    """Every required primitive, computed by the reference behind the denials of this module."""

    name = "hostile"
    protocol = (1, 0)
    array = HostileArray
    capabilities = Capabilities(dtypes=DTYPES, asynchronous=True)

    def __init__(self) -> None:
        self.kernels = {name: self.kernel(operations[name]) for name in required_kernels()}
        self.memories = [Memory() for _ in range(DEVICES)]

    def count(self) -> int:
        return DEVICES

    def put(self, values: HostArray, index: int) -> HostileArray:
        array = self.fresh("put", Spec(values.shape, as_dtype(values.dtype)), index)
        array.write(values)
        return array

    def get(self, array: HostileArray) -> HostArray:
        if array.failure is not None:
            if self.memories[array.index].unseen is array.failure:
                self.memories[array.index].unseen = None
            raise array.failure
        return array.values.copy()

    def wait(self, index: int) -> None:
        failure, self.memories[index].unseen = self.memories[index].unseen, None
        if failure is not None:
            raise failure

    def memory(self, index: int) -> MemoryStats:
        memory = self.memories[index]
        return MemoryStats(used_bytes=memory.used_bytes, peak_bytes=memory.peak_bytes)

    def fresh(
        self, op: str, spec: Spec, index: int, failure: Exception | None = None
    ) -> HostileArray:
        """Poisoned memory.  Raises: DeviceError for a type that there is not."""
        if spec.dtype.name not in DTYPES:
            choice = ", ".join(sorted(DTYPES))
            raise DeviceError(f"{op}: hostile has no {spec.dtype.name}; choose from {choice}")
        values = np.full(spec.shape, worst(spec.dtype), spec.dtype)
        return HostileArray(values, index, self.memories[index], failure)

    def kernel(self, op: Operation) -> Kernel:
        """The reference's kernel of this operation, made hostile."""
        compute = reference.KERNELS[op.name]

        def run(*given: Any, **named: Any) -> HostileArray:
            count = len(given) if op.variadic else len(op.inputs)
            inputs, params = given[:count], given[count:] or op.ordered(named)
            examine_inputs(op, inputs)
            examine_params(op, inputs, params)
            arrays = [x for x in inputs if isinstance(x, HostileArray)]
            index = arrays[0].index if arrays else params[op.params.index("device")]
            specs = tuple([spec_of(x) for x in inputs])
            failure = next((x.failure for x in arrays if x.failure is not None), None)
            result = self.fresh(op.name, op.contract(specs, params), index, failure)
            if failure is None:
                values = [x.values if isinstance(x, HostileArray) else x for x in inputs]
                try:
                    with np.errstate(all="ignore"):
                        computed = compute(*values, *given[count:], **named)
                    result.write(np.asarray(computed))
                except Exception as error:  # of any kind, and told late
                    result.failure = error
                    self.memories[index].unseen = self.memories[index].unseen or error
            return result

        return run


def spec_of(x: Any) -> Any:
    """The Spec of an array; a number stands for itself."""
    return Spec(x.shape, x.dtype) if isinstance(x, HostileArray) else x


def examine_inputs(op: Operation, inputs: tuple[Any, ...]) -> None:
    """Raises: ContractError for what is no array or number, DeviceError for a mix of devices."""
    for x in inputs:
        if not isinstance(x, HostileArray) and type(x) not in {bool, int, float}:
            raise ContractError(f"{op.name}: hostile got {type(x).__name__} as an input; put() it")
    if len({x.index for x in inputs if isinstance(x, HostileArray)}) > 1:
        raise DeviceError(f"{op.name}: hostile got arrays of both its devices; move one with .to()")


def examine_params(op: Operation, inputs: tuple[Any, ...], params: tuple[Any, ...]) -> None:
    """Raises: ContractError for parameters that core should have normalised."""
    ndim = len(inputs[0].shape) if inputs and isinstance(inputs[0], HostileArray) else 0
    for name, value in zip(op.params, params, strict=True):
        if not (is_plain(value) and is_normal(name, value, ndim)):
            raise ContractError(
                f"{op.name}: hostile got {name}={value!r}; normalise it before it reaches a kernel"
            )


def is_plain(value: Any) -> bool:
    """Whether it is an element type, or made of nothing but tuples and Python's own scalars."""
    if type(value) is tuple:
        return all(map(is_plain, value))
    if isinstance(value, np.dtype):
        return as_dtype(value) is value
    return type(value) in {bool, int, float, str, NoneType}


def is_normal(name: str, value: Any, ndim: int) -> bool:
    """Whether the parameter of this name is what kernels are promised.  value is plain."""
    match name:
        case "axis":
            return type(value) is int and 0 <= value < ndim
        case "axes":
            inside = are_ints(value) and all(0 <= axis < ndim for axis in value)
            return inside and list(value) == sorted(set(value))
        case "shape" | "order" | "sizes" | "strides" | "dilations":
            return are_ints(value) and min(value, default=0) >= 0
        case "bounds" | "widths":
            return type(value) is tuple and all(map(are_ints, value))
        case "dtype":
            return isinstance(value, np.dtype)
        case "keepdim":
            return type(value) is bool
        case "device":
            return type(value) is int and 0 <= value < DEVICES
        case _:
            return True


def are_ints(value: Any) -> bool:
    """Whether it is a tuple of ints."""
    return type(value) is tuple and all(type(n) is int for n in value)


@hookimpl
def rushlight_probe() -> str | None:
    """It runs everywhere."""
    return None


@hookimpl
def rushlight_backend() -> Hostile:
    """The backend."""
    return Hostile()
