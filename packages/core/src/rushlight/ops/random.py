"""Random values, all made of `random_bits`: the same key and counter give the same everywhere."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from ..dtypes import DType
from ..op import composite
from ..spec import Shape, size
from .creation import random_bits
from .elementwise import bitwise_and, cast, cos, floordiv, greater_equal, log, sqrt, where
from .movement import reshape, slice

__all__ = ["dropout", "integers", "normal", "uniform"]

TWO_PI = 6.283185307179586


def blocks(count: int, dtype: DType, words: int = 1) -> int:
    """Blocks of four words that this many uniform values of a type use up."""
    return -(-count * words * (2 if dtype is dtypes.float64 else 1) // 4)


def uniform_words(key: Any, counter: Any, count: int, dtype: DType, device: Any) -> Any:
    """count uniform values in [0, 1): 24 bits, or 53 of two words for float64.  -> [count]."""
    if dtype is not dtypes.float64:
        bits = random_bits(key, counter, shape=(count,), device=device)
        return cast(floordiv(bits, 256), dtypes.float32) * 2.0**-24
    bits = reshape(random_bits(key, counter, shape=(2 * count,), device=device), (count, 2))
    high, low = (slice(bits, ((0, count, 1), (i, 1, 1))) for i in range(2))
    values = cast(floordiv(high, 32), dtype) * 2.0**26 + cast(floordiv(low, 64), dtype)
    return reshape(values * 2.0**-53, (count,))


@composite(constant=True, numbers=("key", "counter"))
def uniform(key: Any, counter: Any, *, shape: Shape, dtype: DType, device: Any) -> Any:
    """Uniform in [0, 1).  -> [*shape].

    float32 has 24 random bits, float64 53; float16 and bfloat16 keep their leading 11 and 8 bits.
    """
    n = size(shape)
    if dtype in (dtypes.float32, dtypes.float64):
        return reshape(uniform_words(key, counter, n, dtype, device), shape)
    bits, step = (2**21, 2.0**-11) if dtype is dtypes.float16 else (2**24, 2.0**-8)
    words = floordiv(random_bits(key, counter, shape=(n,), device=device), bits)
    return reshape(cast(cast(words, dtypes.float32) * step, dtype), shape)


@composite(constant=True, numbers=("key", "counter"))
def integers(key: Any, counter: Any, *, shape: Shape, words: int, device: Any) -> Any:
    """Random bits: 32 of one word, or 63 of two.  -> int64[*shape]."""
    n = size(shape)
    bits = cast(random_bits(key, counter, shape=(n, words), device=device), dtypes.int64)
    if words == 2:
        high, low = (slice(bits, ((0, n, 1), (i, 1, 1))) for i in range(2))
        bits = bitwise_and(high, 2**31 - 1) * 2**32 + low
    return reshape(bits, shape)


@composite(constant=True, numbers=("key", "counter"))
def normal(key: Any, counter: Any, *, shape: Shape, dtype: DType, device: Any) -> Any:
    """Normal with mean 0 and variance 1: sqrt(-2 log(1 - u)) cos(2 pi v).  -> [*shape].

    Source: Box, Muller 1958, "A note on the generation of random normal deviates".
    """
    n = size(shape)
    wide = dtype if dtype is dtypes.float64 else dtypes.float32
    pairs = reshape(uniform_words(key, counter, 2 * n, wide, device), (n, 2))
    u, v = (slice(pairs, ((0, n, 1), (i, 1, 1))) for i in range(2))
    values = sqrt(log(1.0 - u) * -2.0) * cos(v * TWO_PI)
    return cast(reshape(values, shape), dtype)


@composite(numbers=("key", "counter"))
def dropout(x: Any, key: Any, counter: Any, *, p: float) -> Any:
    """x / (1 - p) with probability 1 - p, else 0.  [*s] -> [*s].

    The mask is made anew from key and counter in the backward pass, so nothing is kept for it.
    Source: Srivastava et al. 2014, "Dropout: a simple way to prevent neural networks from
    overfitting", section 4.
    """
    draws = uniform(key, counter, shape=x.shape, dtype=dtypes.float32, device=x.device)
    return where(greater_equal(draws, p), x * (1.0 / (1.0 - p) if p < 1 else 0.0), 0.0)


dropout.gradients(
    x=lambda g, key, counter, p: dropout(g, key, counter, p=p), key=None, counter=None
)
