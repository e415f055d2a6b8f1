"""Element types and how they meet: PyTorch's promotion.  Knows no tensor and no operation.

An element type *is* numpy's dtype object: there is one object per type, so `is` compares them, no
backend has to translate them, and promotion costs the straight path of an operation nothing.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from .errors import WrongType

__all__ = [
    "FLOATING", "INTEGER", "DType", "as_dtype", "bfloat16", "bool_", "finfo", "float16", "float32",
    "float64", "iinfo", "int8", "int16", "int32", "int64", "promote", "uint8", "uint32",
]  # fmt: skip

DType = np.dtype[Any]

bool_, uint8, uint32 = map(np.dtype, ("bool", "uint8", "uint32"))
int8, int16, int32, int64 = map(np.dtype, ("int8", "int16", "int32", "int64"))
float16, float32, float64 = map(np.dtype, ("float16", "float32", "float64"))

default_float = float32
NUMBERS = (bool, int, float)

INTEGER: set[DType] = {uint8, uint32, int8, int16, int32, int64}
FLOATING: set[DType] = {float16, float32, float64}
BY_NAME: dict[str, DType] = {d.name: d for d in (bool_, *INTEGER, *FLOATING)}
# The (type, number) pairs that a kernel takes as they are.  A product of float16 does not: numpy
# would round the number first.
ABSORBS: set[tuple[DType, type]] = set()


FOREIGN: set[DType] = set()  # numpy knows them as another library's: its numbers would widen them


def register(dtype: DType) -> DType:
    """Let the straight path take numbers beside tensors of this type."""
    for number in NUMBERS:
        if promote_number(dtype, number) is dtype and dtype is not float16:
            ABSORBS.add((dtype, number))
    return dtype


def bfloat16() -> DType:
    """The bfloat16 type, from ml_dtypes, which is imported when first asked for."""
    found = BY_NAME.get("bfloat16")
    if found is None:
        import ml_dtypes

        found = np.dtype(ml_dtypes.bfloat16)
        BY_NAME["bfloat16"] = found
        FLOATING.add(found)
        FOREIGN.add(found)
    return found


@cache
def name_of(dtype: DType) -> str:
    """dtype.name, which numpy makes anew at each call, in 3 us."""
    return dtype.name


def as_dtype(given: Any) -> DType:
    """The element type that a dtype, a name or a Python type stands for.

    Raises: WrongType for what is no type, or one that tensors cannot hold.
    """
    try:
        name = {bool: "bool", int: "int64", float: "float64"}.get(given)
        name = name or name_of(np.dtype(given))
    except TypeError:
        name = str(given)
    if name == "bfloat16":
        return bfloat16()
    if name not in BY_NAME:
        known = ", ".join(sorted({*BY_NAME, "bfloat16"}))
        raise WrongType(f"dtype: {given!r} is no element type; choose one of {known}")
    return BY_NAME[name]


def kind(dtype: DType) -> int:
    """0 bool, 1 integer, 2 floating: only a higher kind of operand changes another's type."""
    return 2 if dtype in FLOATING else 1 if dtype in INTEGER else 0


@cache
def promote(x: DType, y: DType) -> DType:
    """The type in which two dimensioned tensors meet; a float is never widened by an integer."""
    if kind(x) != kind(y):
        return max(x, y, key=kind)
    if x is not y and "bfloat16" in (x.name, y.name):  # numpy knows no way between it and float16
        return float32 if float16 in (x, y) else max(x, y, key=lambda dtype: dtype.itemsize)
    return as_dtype(np.promote_types(x, y))


@cache
def promote_number(dtype: DType, number: type) -> DType:
    """The type of a tensor after meeting a Python number: only a higher kind changes it."""
    rank = NUMBERS.index(number)
    if rank <= kind(dtype):
        return dtype
    return default_float if number is float else int64


def finfo(dtype: DType) -> Any:
    """Machine limits of a floating type: eps, max, tiny, as numpy's finfo has them.

    Raises: WrongType for another.
    """
    dtype = as_dtype(dtype)
    if dtype not in FLOATING:
        raise WrongType(f"finfo: {dtype} is no floating type; iinfo has the limits of integers")
    if dtype is BY_NAME.get("bfloat16"):
        import ml_dtypes

        return ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]  # states no types of it
    return np.finfo(dtype)


def iinfo(dtype: DType) -> Any:
    """Limits of an integer type: min, max, bits, as numpy's iinfo has them.

    Raises: WrongType for another.
    """
    dtype = as_dtype(dtype)
    if dtype not in INTEGER:
        raise WrongType(f"iinfo: {dtype} is no integer type; finfo has the limits of floats")
    return np.iinfo(dtype)


for _dtype in tuple(BY_NAME.values()):
    register(_dtype)
