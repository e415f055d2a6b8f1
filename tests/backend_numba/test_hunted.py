"""What a hunt for faults found in programs of the device, beside the reference."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as rl

NUMBERS = [127, 128, 300, -129, 2**31 - 1, 2**31, 2**32 + 1, -(2**31) - 1, 2**62, 2**63, -(10**30)]


def compared(x: rl.Tensor, n: int) -> list[rl.Tensor]:
    return [x < n, x <= n, x == n, x != n, x > n]


def results(function: Callable[..., Any], device: str, dtype: str, n: int) -> list[list[bool]]:
    x = rl.tensor(np.array([0, 1, 2, 127]).astype(dtype), device=device)
    return [z.tolist() for z in function(x, n)]


@pytest.mark.parametrize("n", NUMBERS)
@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64"])
def test_integers_are_compared_with_numbers_beyond_their_type(dtype: str, n: int) -> None:
    wanted = results(compared, "numpy", dtype, n)
    assert results(rl.compile(compared), "numba", dtype, n) == wanted  # a number of each call
    fixed = rl.compile(lambda x, _: compared(x, n))
    assert results(fixed, "numba", dtype, n) == wanted
