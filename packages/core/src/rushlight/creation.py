"""Python data, numpy arrays and plain numbers become tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import dtypes, ops
from .device import Device, resolve
from .errors import ContractError
from .function import lengths
from .spec import Shape
from .tensor import Tensor

Place = str | Device | None


def tensor(
    data: Any, *, dtype: Any = None, device: Place = None, requires_grad: bool = False
) -> Tensor:
    """A copy of data: numbers, nested lists, a numpy array or a tensor.

    Without dtype, Python floats become float32, ints int64; arrays keep theirs.
    Raises: ContractError for rows of different lengths, and for what is no number.
    """
    place = resolve(device if device is not None or not isinstance(data, Tensor) else data.device)
    values = host(data)
    if dtype is not None:
        wanted = dtypes.as_dtype(dtype)
    elif values.dtype == np.float64 and not isinstance(data, (np.ndarray, np.generic, Tensor)):
        wanted = dtypes.default_float
    else:
        wanted = dtypes.as_dtype(values.dtype)
    place.accept("tensor", wanted)
    if values.dtype.kind in "iu" and wanted in dtypes.INTEGER and values.size:
        limits = np.iinfo(wanted)
        if values.min() < limits.min or values.max() > limits.max:
            raise ContractError(
                f"tensor: a number beyond {wanted.name}, which holds {limits.min} to {limits.max}; "
                f"give a wider dtype"
            )
    return held(np.array(values, wanted), place).requires_grad_(requires_grad)


def host(data: Any) -> np.ndarray[Any, Any]:
    """data as a numpy array.  Raises: ContractError."""
    if isinstance(data, Tensor):
        return data.numpy(force=True)
    try:
        values = np.asarray(unwrapped(data))
    except ValueError as error:
        raise ContractError(
            "tensor: rows of different lengths; give every row the same length"
        ) from error
    except OverflowError as error:
        raise ContractError(f"tensor: {error}; give a dtype that can hold it") from error
    if values.dtype.kind in "OUSmM":
        raise ContractError(f"tensor: {type(data).__name__} holds what is no number; give numbers")
    return values


def unwrapped(data: Any) -> Any:
    """Nested lists with their tensors as arrays."""
    if isinstance(data, Tensor):
        return data.numpy(force=True)
    return [unwrapped(x) for x in data] if isinstance(data, (list, tuple)) else data


def held(values: np.ndarray[Any, Any], place: Device) -> Tensor:
    """A tensor of these values, which nobody writes any more."""
    z = Tensor()
    z._data, z.device, z._node = place.put(values), place, None
    return z


def as_tensor(data: Any, dtype: Any = None, device: Place = None) -> Tensor:
    """data itself if a tensor as asked; a numpy array is shared where possible; else a copy."""
    if isinstance(data, Tensor):
        return data.to(device or data.device, dtype or data.dtype)
    if isinstance(data, np.ndarray):
        z = from_numpy(data).to(resolve(device))
        return z if dtype is None else z.to(dtypes.as_dtype(dtype))
    return tensor(data, dtype=dtype, device=device)


def from_numpy(array: np.ndarray[Any, Any]) -> Tensor:
    """The array as a tensor of the numpy device, in shared memory: writing it changes the tensor.

    Raises: ContractError for an element type that tensors do not have.
    """
    if not isinstance(array, np.ndarray):
        raise ContractError(
            f"from_numpy: {type(array).__name__} is no numpy array; use rl.tensor()"
        )
    wanted = dtypes.as_dtype(array.dtype)
    # a view: numpy has equal dtype objects in more than one copy, tensors compare by identity
    values = array.view(wanted) if array.dtype.isnative else array.astype(wanted)
    return held(values, resolve("numpy"))


def full(
    size: Sequence[int] | int, fill_value: Any, *, dtype: Any = None, device: Place = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """fill_value everywhere; without dtype, of the type of tensor(fill_value).  -> [*size]."""
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    inferred = {bool: dtypes.bool_, int: dtypes.int64}.get(type(fill_value), dtypes.default_float)
    return filled(fill_value, lengths((size,)), dtype or inferred, device, requires_grad)


def filled(value: Any, shape: Shape, dtype: Any, device: Place, requires_grad: bool) -> Tensor:
    """Raises: ContractError for a negative length."""
    if any(n < 0 for n in shape):
        raise ContractError(f"full: shape {list(shape)}; lengths are not negative")
    place, wanted = resolve(device), dtypes.as_dtype(dtype or dtypes.default_float)
    place.accept("full", wanted)
    shape = tuple([int(n) for n in shape])
    return ops.full(value, shape=shape, dtype=wanted, device=place).requires_grad_(requires_grad)


def zeros(
    *size: Any, dtype: Any = None, device: Place = None, requires_grad: bool = False
) -> Tensor:
    """Zeros.  -> [*size]."""
    return filled(0, lengths(size), dtype, device, requires_grad)


def ones(
    *size: Any, dtype: Any = None, device: Place = None, requires_grad: bool = False
) -> Tensor:
    """Ones.  -> [*size]."""
    return filled(1, lengths(size), dtype, device, requires_grad)


def empty(
    *size: Any, dtype: Any = None, device: Place = None, requires_grad: bool = False
) -> Tensor:
    """Values of no meaning; zeros, so that no program depends on what memory held.  -> [*size]."""
    return filled(0, lengths(size), dtype, device, requires_grad)


def full_like(input: Tensor, fill_value: Any, *, dtype: Any = None, device: Place = None) -> Tensor:
    """fill_value everywhere, in the shape, type and place of input.  [*s] -> [*s]."""
    return filled(fill_value, input.shape, dtype or input.dtype, device or input.device, False)


def zeros_like(input: Tensor, *, dtype: Any = None, device: Place = None) -> Tensor:
    """Zeros in the shape, type and place of input.  [*s] -> [*s]."""
    return full_like(input, 0, dtype=dtype, device=device)


def ones_like(input: Tensor, *, dtype: Any = None, device: Place = None) -> Tensor:
    """Ones in the shape, type and place of input.  [*s] -> [*s]."""
    return full_like(input, 1, dtype=dtype, device=device)


def empty_like(input: Tensor, *, dtype: Any = None, device: Place = None) -> Tensor:
    """Values of no meaning, here zeros, in the shape, type and place of input.  [*s] -> [*s]."""
    return full_like(input, 0, dtype=dtype, device=device)


def arange(
    start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, device: Place = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """start, start + step, .. below end; start is 0 if left out.  -> [ceil((end - start) / step)].

    int64 if all arguments are ints, else float32.  Raises: ContractError if step is 0.
    """
    if end is None:
        start, end = 0, start
    if step == 0:
        raise ContractError("arange: step 0 never arrives; give another step")
    whole = all(isinstance(x, int) for x in (start, end, step))
    wanted = dtypes.as_dtype(dtype or (dtypes.int64 if whole else dtypes.default_float))
    place = resolve(device)
    place.accept("arange", wanted)
    length = max(0, int(np.ceil((end - start) / step)))
    values = start + step * np.arange(length, dtype=np.int64 if whole else np.float64)
    return held(values.astype(wanted), place).requires_grad_(requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, device: Place = None
) -> Tensor:
    """steps values, evenly from start to end, both included.  -> [steps]."""
    if steps < 0:
        raise ContractError(f"linspace: {steps} steps; their number is not negative")
    wanted, place = dtypes.as_dtype(dtype or dtypes.default_float), resolve(device)
    place.accept("linspace", wanted)
    return held(np.linspace(start, end, steps).astype(wanted), place)


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Place = None) -> Tensor:
    """Ones on the diagonal, zeros elsewhere.  -> [n, m]."""
    wanted, place = dtypes.as_dtype(dtype or dtypes.default_float), resolve(device)
    place.accept("eye", wanted)
    return held(np.eye(n, m, dtype=wanted), place)
