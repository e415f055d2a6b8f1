"""Element types asked for without a computation: how they meet, and what is meant by default."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..dtypes import DType
from ..errors import WrongType
from ..ops.elementwise import common, number_type

__all__ = [
    "can_cast", "get_default_dtype", "is_tensor", "promote_types", "result_type",
    "set_default_dtype",
]  # fmt: skip


def promote_types(type1: Any, type2: Any) -> DType:
    """The type in which tensors of two types meet."""
    return dtypes.promote(dtypes.as_dtype(type1), dtypes.as_dtype(type2))


def result_type(tensor1: Any, tensor2: Any) -> DType:
    """The type of the sum of two tensors, or of a tensor and a number."""
    given = (tensor1, tensor2)
    kinds = [number_type(x) for x in given]
    if None in kinds:
        return common(given)
    return (dtypes.bool_, dtypes.int64, dtypes.default_float)[max(map(dtypes.NUMBERS.index, kinds))]


def can_cast(from_: Any, to: Any) -> bool:
    """Whether values of one type become another's without loss of kind: no float an integer."""
    return dtypes.kind(dtypes.as_dtype(from_)) <= dtypes.kind(dtypes.as_dtype(to))


def is_tensor(obj: Any) -> bool:
    """Whether obj is a tensor."""
    return hasattr(obj, "_data")


def get_default_dtype() -> DType:
    """The type of new tensors of Python's floats, and of integers that are divided."""
    return dtypes.default_float


def set_default_dtype(d: Any) -> None:
    """Make this the default floating type.  What was compiled before keeps the one it knew.

    Raises: WrongType for a type that is not floating.
    """
    dtype = dtypes.as_dtype(d)
    if dtype not in dtypes.FLOATING:
        raise WrongType(f"set_default_dtype: {dtype.name}; give a floating type")
    dtypes.default_float = dtype
    dtypes.promote_number.cache_clear()
