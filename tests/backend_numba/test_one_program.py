"""Gradients of max and prod are one program each on numba, with the results of their steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as rl

Function = Callable[[rl.Tensor], rl.Tensor]

FUNCTIONS: dict[str, Function] = {
    "amax": lambda x: x.amax(0),
    "amax-all": lambda x: x.max(),
    "amin-kept": lambda x: x.amin(1, keepdim=True),
    "prod": lambda x: x.prod(0),
    "prod-kept": lambda x: x.prod(1, keepdim=True),
}
ONCE = {"float64": 1e-12, "float32": 2e-6}  # of at most 13 factors


def drawn(shape: tuple[int, ...], *, transposed: bool, dtype: str) -> Any:
    """Numbers with zeros, and with equals of which some are the largest."""
    values = np.random.default_rng(3).integers(-2, 3, shape[::-1] if transposed else shape) / 2
    return (values.T if transposed else values).astype(dtype)


def both(function: Function, x: Any, device: str) -> list[Any]:
    """A function and its gradient."""
    leaf = rl.tensor(x.base if x.base is not None else x, device=device, requires_grad=True)
    z = function(leaf.t() if x.base is not None else leaf)
    (g,) = rl.autograd.grad(z, [leaf], [rl.ones_like(z) * 1.5])
    return [z.detach().numpy(), g.numpy()]


@pytest.mark.parametrize("dtype", ONCE)
@pytest.mark.parametrize("transposed", [False, True], ids=["dense", "transposed"])
@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (13, 3)], ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_results_and_gradients(
    name: str, shape: tuple[int, ...], transposed: bool, dtype: str
) -> None:
    x = drawn(shape, transposed=transposed, dtype=dtype)
    made, wanted = (both(FUNCTIONS[name], x, device) for device in ("numba", "numpy"))
    for z, exactly in zip(made, wanted, strict=True):
        assert z.dtype == exactly.dtype
        np.testing.assert_allclose(z, exactly, rtol=ONCE[dtype], atol=ONCE[dtype])


@pytest.mark.parametrize("name", ["prod", "prod-kept"])
def test_of_nothing(name: str) -> None:
    made, wanted = (both(FUNCTIONS[name], np.ones((4, 0)), d) for d in ("numba", "numpy"))
    for z, exactly in zip(made, wanted, strict=True):
        np.testing.assert_array_equal(z, exactly)


@pytest.mark.parametrize("name", ["max.vjp", "prod.vjp"])
def test_it_is_one_kernel(name: str) -> None:
    assert name in rl.device("numba").backend.kernels
