"""Tensors from nothing: these take no tensor, so they are told their device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..dtypes import DType, int64, uint32
from ..op import primitive
from ..spec import Shape, Spec

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["full", "iota", "random_bits"]


@primitive(constant=True, numbers=("value",))
def full(value: Any, *, shape: Shape, dtype: DType, device: Any) -> Spec:
    """value everywhere.  number -> [*shape]."""
    return Spec(shape, dtype)


@primitive(constant=True)
def iota(*, length: int, dtype: DType, device: Any) -> Spec:
    """0, 1, 2, ..  -> [length]."""
    return Spec((length,), dtype)


def constant(value: Any, shape: Shape, like: Any, dtype: DType | None = None) -> Tensor:
    """value everywhere, of the type and device of another tensor.  -> [*shape]."""
    return full(value, shape=shape, dtype=dtype or like.dtype, device=like.device)


def naturals(length: int, like: Any) -> Tensor:
    """0, 1, 2, .. on the device of another tensor.  -> int64[length]."""
    return iota(length=length, dtype=int64, device=like.device)


@primitive(constant=True, numbers=("key", "counter"))
def random_bits(key: Any, counter: Any, *, shape: Shape, device: Any) -> Spec:
    """Uniform 32-bit words of Philox4x32-10, four a block from `counter` on.  -> uint32[*shape].

    Element i is word i % 4 of the block at counter + i // 4.  The key is below 2^64, the counter
    below 2^128: its lower 64 bits count, and wrap; the upper 64, the lane, stay as they are.
    Source: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", sec. 3.
    """
    return Spec(shape, uint32)
