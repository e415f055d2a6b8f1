"""Python data, numpy arrays and plain numbers become tensors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from . import dtypes, ops, straight
from .device import Device, resolve
from .errors import ContractError, WrongType
from .function.given import operands, rank, representable, roomy, sized, whole
from .spec import Shape
from .tensor import Tensor

__all__ = [
    "arange", "as_tensor", "asarray", "empty", "empty_like", "eye", "from_numpy", "full",
    "full_like", "linspace", "ones", "ones_like", "tensor", "zeros", "zeros_like",
]  # fmt: skip

Place = str | Device | None


def tensor(
    data: Any, *, dtype: Any = None, device: Place = None, requires_grad: bool = False
) -> Tensor:
    """A copy of data: numbers, nested lists, a numpy array or a tensor.

    Without dtype, Python floats become float32, ints int64; arrays keep theirs.
    Raises: ContractError for rows of different lengths, and for what is no number.
    """
    place = resolve(device if device is not None or not isinstance(data, Tensor) else data.device)
    wanted = None if dtype is None else dtypes.as_dtype(dtype)
    values = host(data, wanted in dtypes.FLOATING)
    if wanted is None:
        plain = values.dtype == np.float64 and not double(data)
        wanted = dtypes.default_float if plain else dtypes.as_dtype(values.dtype)
    place.accept("tensor", wanted)
    fitting("tensor", values, wanted)
    return asking("tensor", held(np.array(values, wanted), place), requires_grad)


def double(data: Any) -> bool:
    """Whether some of it is float64, which Python's own floats are not."""
    if isinstance(data, (list, tuple)):
        return any(map(double, data))
    return str(getattr(data, "dtype", "")).endswith("float64")


def fitting(op: str, values: np.ndarray[Any, Any], wanted: dtypes.DType) -> None:
    """Raises: ContractError unless an integer type can hold these numbers."""
    if wanted in dtypes.INTEGER and values.size and values.dtype.kind in "iuf":
        for x in (values.min(), values.max()):
            representable(op, x.item(), wanted)


def asking(op: str, x: Tensor, requires_grad: bool) -> Tensor:
    """x, a variable if that is meant.  Raises: ContractError for integers."""
    if requires_grad and x.dtype not in dtypes.FLOATING:
        raise ContractError(
            f"{op}: requires_grad=True for {x.spec}; only floating point has gradients, give a "
            f"floating dtype"
        )
    return x.requires_grad_(requires_grad)


def host(data: Any, floating: bool = False) -> np.ndarray[Any, Any]:
    """data as a numpy array.  Raises: ContractError.

    floating: it will be, so that integers of any size are numbers.
    """
    if isinstance(data, Tensor):
        return data.numpy(force=True)
    try:
        values = np.asarray(unwrapped(data))
    except ValueError as error:
        raise ContractError(
            "tensor: rows of different lengths; give every row the same length"
        ) from error
    except RecursionError as error:
        raise ContractError("tensor: a list that holds itself; give nested lists") from error
    if values.dtype.kind == "O" or (values.dtype == np.uint64 and not hasattr(data, "dtype")):
        values = large(values, floating)
    if values.dtype.kind in "OUSmM":
        raise WrongType(f"tensor: {type(data).__name__} holds what is no number; give numbers")
    return values


def large(values: np.ndarray[Any, Any], floating: bool) -> np.ndarray[Any, Any]:
    """Integers beyond int64 as float64 if that is meant.  Raises: ContractError if it is not."""
    numbers = values.ravel().tolist()
    if not all(isinstance(x, (int, float)) for x in numbers):
        return values
    if floating or any(isinstance(x, float) for x in numbers):
        try:
            return values.astype(np.float64)
        except OverflowError as error:
            raise ContractError(f"tensor: {error}; give a smaller number") from error
    most = max(numbers, key=abs)
    said = most if abs(most) < 10**40 else f"an integer of {most.bit_length()} bits"
    raise ContractError(
        f"tensor: {said} is beyond int64, which holds {-(2**63)} to {2**63 - 1}; "
        f"give a floating dtype, or smaller numbers"
    )


def unwrapped(data: Any) -> Any:
    """Nested lists with their tensors as arrays."""
    if isinstance(data, Tensor):
        return data.numpy(force=True)
    return [unwrapped(x) for x in data] if isinstance(data, (list, tuple)) else data


def held(values: np.ndarray[Any, Any], place: Device) -> Tensor:
    """A tensor of these values, which nobody writes any more."""
    z: Tensor = straight.wrap(place.put(values), place)
    mode: Any = straight.current()
    if mode.traces:
        mode.bear(z)
    return z


def as_tensor(data: Any, dtype: Any = None, device: Place = None) -> Tensor:
    """data itself if a tensor as asked; a numpy array is shared where possible; else a copy."""
    if isinstance(data, Tensor):
        return data.to(device or data.device, dtype or data.dtype)
    if isinstance(data, np.ndarray):
        z = from_numpy(data).to(resolve(device))
        return z if dtype is None else z.to(dtypes.as_dtype(dtype))
    return tensor(data, dtype=dtype, device=device)


asarray = as_tensor


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """The array as a tensor of the numpy device, in shared memory: writing it changes the tensor.

    Raises: WrongType for what is no array, or has an element type that tensors do not have.
    """
    if not isinstance(array, np.ndarray):
        raise WrongType(f"from_numpy: {type(array).__name__} is no numpy array; use rl.tensor()")
    wanted = dtypes.as_dtype(array.dtype)
    # a view: numpy has equal dtype objects in more than one copy, tensors compare by identity
    values = array.view(wanted) if array.dtype.isnative else array.astype(wanted)
    return held(values, resolve("numpy"))


def full(
    size: Sequence[int], fill_value: Any, *, dtype: Any = None, device: Place = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """fill_value everywhere; without dtype, of the type of tensor(fill_value).  -> [*size].

    Raises: WrongType for a size that is one number.
    """
    if hasattr(size, "__index__"):
        raise WrongType(f"full: size {size}; give a tuple, ({size},)")
    value = single("full", fill_value)
    inferred = {bool: dtypes.bool_, int: dtypes.int64}.get(type(value), dtypes.default_float)
    return filled("full", value, (size,), dtype or inferred, device, requires_grad)


def single(op: str, value: Any) -> Any:
    """value as a number.  Raises: WrongType for anything else."""
    if getattr(value, "shape", ()) != ():
        raise WrongType(f"{op}: a fill_value of shape {list(value.shape)}; give one number")
    value = value.item() if hasattr(value, "item") else value
    operands(op, value)
    return value


def filled(
    op: str, value: Any, size: Any, dtype: Any, device: Place, requires_grad: bool = False
) -> Tensor:
    """Raises: ContractError for lengths that are none, OutOfMemory."""
    shape = sized(op, size)
    place, wanted = resolve(device), dtypes.as_dtype(dtype or dtypes.default_float)
    place.accept(op, wanted)
    value = representable(op, value, wanted)

    def make() -> Tensor:
        return ops.full(value, shape=shape, dtype=wanted, device=place)

    return asking(op, roomy(op, shape, wanted, make), requires_grad)


def zeros(
    size: Any, *more: Any, dtype: Any = None, device: Place = None, requires_grad: bool = False
) -> Tensor:
    """Zeros.  -> [*size]."""
    return filled("zeros", 0, (size, *more), dtype, device, requires_grad)


def ones(
    size: Any, *more: Any, dtype: Any = None, device: Place = None, requires_grad: bool = False
) -> Tensor:
    """Ones.  -> [*size]."""
    return filled("ones", 1, (size, *more), dtype, device, requires_grad)


def empty(
    size: Any, *more: Any, dtype: Any = None, device: Place = None, requires_grad: bool = False
) -> Tensor:
    """Values of no meaning; zeros, so that no program depends on what memory held.  -> [*size]."""
    return filled("empty", 0, (size, *more), dtype, device, requires_grad)


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, device: Place = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """fill_value everywhere, in the shape, type and place of input.  [*s] -> [*s]."""
    return like("full_like", input, fill_value, dtype, device, requires_grad)


def like(
    op: str, input: Tensor, value: Any, dtype: Any, device: Place, requires_grad: bool,
    size: Any = None,
) -> Tensor:  # fmt: skip
    """full_like, called by this name; of another size if one is given."""
    rank(op, input)
    value, place = single(op, value), device or input.device
    shape = input.shape if size is None else size
    return filled(op, value, shape, dtype or input.dtype, place, requires_grad)


def zeros_like(
    input: Tensor, *, dtype: Any = None, device: Place = None, requires_grad: bool = False
) -> Tensor:
    """Zeros in the shape, type and place of input.  [*s] -> [*s]."""
    return like("zeros_like", input, 0, dtype, device, requires_grad)


def ones_like(
    input: Tensor, *, dtype: Any = None, device: Place = None, requires_grad: bool = False
) -> Tensor:
    """Ones in the shape, type and place of input.  [*s] -> [*s]."""
    return like("ones_like", input, 1, dtype, device, requires_grad)


def empty_like(
    input: Tensor, *, dtype: Any = None, device: Place = None, requires_grad: bool = False
) -> Tensor:
    """Values of no meaning, here zeros, in the shape, type and place of input.  [*s] -> [*s]."""
    return like("empty_like", input, 0, dtype, device, requires_grad)


def arange(
    start: Any = None, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Place = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """start, start + step, .. below end; start is 0 if left out.  -> [ceil((end - start) / step)].

    int64 if all arguments are ints, else float32.  Raises: ContractError if step is 0.
    """
    op = "arange"
    if start is None and end is None:
        raise WrongType(f"{op}: no end; give where the numbers end")
    start, end = (0, start) if end is None else (0 if start is None else start, end)
    start, end, step = (single(op, x) for x in (start, end, step))
    if step == 0:
        raise ContractError(f"{op}: step 0 never arrives; give another step")
    if not all(np.isfinite(float(x)) for x in (start, end, step)):
        raise ContractError(f"{op}: from {start} to {end} by {step}; give finite numbers")
    counted = all(isinstance(x, int) for x in (start, end, step))
    wanted = dtypes.as_dtype(dtype or (dtypes.int64 if counted else dtypes.default_float))
    if wanted is dtypes.int64 and not counted:
        start, end, step = int(start), int(end), int(step)
        return arange(start, end, step, device=device, requires_grad=requires_grad)
    if (end < start) if step > 0 else (end > start):
        raise ContractError(f"{op}: from {start} to {end} by {step}; give the other sign")
    place = resolve(device)
    place.accept(op, wanted)
    length = int(np.ceil((end - start) / step))

    def make() -> Tensor:
        if (start, step, counted) == (0, 1, True):
            return ops.iota(length=length, dtype=wanted, device=place)
        values = start + step * np.arange(length, dtype=np.int64 if counted else np.float64)
        return held(values.astype(wanted), place)

    return asking(op, roomy(op, (length,), wanted, make), requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, device: Place = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """steps values, evenly from start to end, both included.  -> [steps]."""
    op = "linspace"
    steps = whole(op, "steps", steps)
    start, end = single(op, start), single(op, end)
    return computed(
        op, (steps,), dtype, device, requires_grad, lambda: np.linspace(start, end, steps)
    )


def computed(
    op: str, shape: Shape, dtype: Any, device: Place, requires_grad: bool, values: Any
) -> Tensor:
    """A tensor of these values, which numpy computes.  Raises: OutOfMemory."""
    wanted, place = dtypes.as_dtype(dtype or dtypes.default_float), resolve(device)
    place.accept(op, wanted)
    made = roomy(op, shape, wanted, lambda: held(values().astype(wanted), place))
    return asking(op, made, requires_grad)


def eye(
    n: int, m: int | None = None, *, dtype: Any = None, device: Place = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Ones on the diagonal, zeros elsewhere.  -> [n, m]."""
    rows = whole("eye", "n", n)
    shape = rows, rows if m is None else whole("eye", "m", m)
    values = partial(np.eye, *shape, dtype=bool)
    return computed("eye", shape, dtype, device, requires_grad, values)
