"""What was given, checked here so that a message names the function that was called."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from operator import index as as_index
from typing import Any

from .. import dtypes, straight
from ..dtypes import DType
from ..errors import ContractError, DeviceError, OutOfMemory, WrongDtype, WrongType
from ..ops.elementwise import number_type
from ..spec import MAX_NDIM, Shape, broadcast, size

Dim = int | Sequence[int] | None


def no_dims(dim: Any) -> bool:
    """Whether dim is an empty sequence, which some functions take for all dims."""
    return isinstance(dim, (tuple, list)) and not dim


def rank(op: str, x: Any) -> int:
    """The number of dims of x.  Raises: WrongType for what is no tensor."""
    try:
        return len(x._data.shape)
    except AttributeError:
        raise WrongType(
            f"{op}: {type(x).__name__} is not a tensor; make one with rl.tensor()"
        ) from None


def together(op: str, *xs: Any, optional: tuple[Any, ...] = ()) -> None:
    """Raises: WrongType for what is no tensor, DeviceError for two devices.

    optional: these may be None.
    """
    device: Any = None
    for x in (*xs, *[x for x in optional if x is not None]):
        rank(op, x)
        device = device or x.device
        if x.device is not device:
            raise DeviceError(
                f"{op}: inputs on {device} and {x.device}; move one with .to({str(device)!r})"
            )


def operands(op: str, *xs: Any) -> None:
    """Raises: ContractError unless these are tensors or numbers, and their shapes meet."""
    tensors = [x for x in xs if number_type(x) is None and getattr(x, "shape", None) != ()]
    together(op, *tensors)
    if len(tensors) > 1:
        broadcast(op, *[x.shape for x in tensors])
    if any_floating(xs):
        return
    for x in xs:
        if type(x) is int and not -(2**63) <= x < 2**63:
            raise ContractError(f"{op}: {x} is beyond int64; give a smaller number or a float")


def beside(op: str, x: Any, *others: Any) -> None:
    """Raises: as operands does, and for an x that is no tensor."""
    rank(op, x)
    operands(op, x, *others)


def tensors(op: str, *xs: Any) -> None:
    """Raises: as together and operands do, of numbers too: these are tensors, whose shapes meet."""
    together(op, *xs)
    operands(op, *xs)


def any_floating(xs: Sequence[Any]) -> bool:
    """Whether one of these is a tensor of a floating type."""
    return builtins.any(getattr(x, "dtype", None) in dtypes.FLOATING for x in xs)


def floating(op: str, x: Any) -> None:
    """Raises: WrongType for what is no tensor, WrongDtype unless it is of a floating type."""
    rank(op, x)
    if x.dtype not in dtypes.FLOATING:
        raise WrongDtype(f"{op}: {x.spec} is not floating point; convert it with .float()")


def whole(op: str, name: str, value: Any, least: int = 0) -> int:
    """value as an int.  Raises: WrongType for what is none, ContractError below the least."""
    try:
        n = as_index(value)
    except TypeError:
        raise WrongType(f"{op}: {name} {value!r}; give an integer from {least}") from None
    if n < least:
        raise ContractError(f"{op}: {name} {value!r}; give an integer from {least}")
    return n


def representable(op: str, value: Any, dtype: DType) -> Any:
    """A number as this type holds it; a negative one wraps where there is no minus, as in PyTorch.

    Raises: ContractError for one beyond the type.
    """
    floats = dtype in dtypes.FLOATING
    if type(value) not in dtypes.NUMBERS or (floats and not math.isfinite(value)):
        return value
    if dtype is dtypes.bool_:
        return bool(value)
    limits = dtypes.finfo(dtype) if floats else dtypes.iinfo(dtype)
    wraps = limits.min == 0 and type(value) is int
    least, most = -limits.max if wraps else limits.min, limits.max
    if not least <= value <= most:
        raise ContractError(
            f"{op}: {value} is beyond {dtype.name}, which holds {limits.min} to {most}; give a "
            f"wider dtype"
        )
    return value if floats else int(value) % (most + 1) if wraps else int(value)


def hold(op: str, sound: Any, message: str) -> None:
    """Raises: ContractError unless this tensor is true everywhere; a trace does not know."""
    if straight.current().eager and not sound.all().item():
        raise ContractError(f"{op}: {message}")


def sized(op: str, given: Any) -> Shape:
    """The lengths of f(2, 3), f((2, 3)) or f([2, 3]).  Raises: WrongType for no lengths."""
    try:
        shape = tuple([as_index(n) for n in lengths(given)])
    except TypeError:
        said = ", ".join(map(repr, given))
        raise WrongType(f"{op}: size {said}; give lengths, which are integers") from None
    if builtins.min(shape, default=0) < 0:
        raise ContractError(f"{op}: size {list(shape)}; lengths are not negative")
    if len(shape) > MAX_NDIM:
        raise ContractError(f"{op}: {len(shape)} dims; give at most {MAX_NDIM}")
    return shape


def roomy(op: str, shape: Shape, dtype: DType, make: Any) -> Any:
    """make().  Raises: OutOfMemory, which says for what there is no room."""
    try:
        if size(shape) * dtype.itemsize < 2**63:
            return make()
    except (MemoryError, OutOfMemory):
        pass
    raise OutOfMemory(
        f"{op}: no room for {dtype.name}{list(shape)}, {size(shape) * dtype.itemsize:.3g} bytes; "
        f"give shorter lengths or a smaller dtype"
    )


def called(error: ContractError, inner: str, op: str) -> ContractError:
    """The refusal of an inner function as one of the function that was called."""
    return type(error)(str(error).replace(f"{inner}: ", f"{op}: ", 1))


def lengths(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """The lengths of f(2, 3), f((2, 3)) or f([2, 3]), as one tuple."""
    one = len(given) == 1 and hasattr(given[0], "__iter__") and getattr(given[0], "shape", 0) != ()
    return tuple(given[0]) if one else given
