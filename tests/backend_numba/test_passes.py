"""Operations that no numpy kernel does whole, as programs: how many, of every size and layout."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch

import rushlight as rl
from rushlight_nn import functional as F

FUNCTIONS = {
    "gelu": (F.gelu, torch.nn.functional.gelu),
    "gelu_tanh": (
        lambda x: F.gelu(x, approximate="tanh"),
        lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
    ),
    "silu": (F.silu, torch.nn.functional.silu),
}
SHAPES = [(), (1,), (63,), (0, 3), (33, 70), (300, 200)]


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each kernel of numba was called from now on."""
    found: Counter[str] = Counter()
    kernels = rl.zeros(1, device="numba").device.kernels

    def counted(name: str, kernel: Any) -> Any:
        def run(*given: Any, **named: Any) -> Any:
            found[name] += 1
            return kernel(*given, **named)

        return run

    for name, kernel in [*kernels.items()]:
        monkeypatch.setitem(kernels, name, counted(name, kernel))
    return found


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("turned", [False, True], ids=["rows", "columns"])
def test_an_activation_equals_pytorch_in_one_kernel_each_way(name, shape, turned, called):
    ours, theirs = FUNCTIONS[name]
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32) * 3
    x = rl.tensor(values, device="numba")
    x = (x.T if turned and x.ndim == 2 else x).detach().requires_grad_()
    g = rl.ones_like(x)
    called.clear()
    z = ours(x)
    (gx,) = rl.autograd.grad(z, x, g)
    assert called == {f"{name}.fwd": 1, f"{name}.vjp": 1} or not values.size
    y = torch.tensor(values, dtype=torch.float64)
    y = (y.T if turned and y.ndim == 2 else y).requires_grad_()
    wanted = theirs(y)
    (gy,) = torch.autograd.grad(wanted, y, torch.ones_like(y))
    for made, there in ((z.detach(), wanted.detach()), (gx, gy)):
        np.testing.assert_allclose(made.numpy(), there.numpy(), rtol=3e-6, atol=2e-6)


@pytest.mark.parametrize("shape", [(), (5,), (0, 3), (2, 1001)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("seed", [7, -5], ids=["seed", "seed-beyond-int64"])
def test_random_numbers_are_those_of_numpy_in_one_kernel(shape, dtype, seed, called):
    made = {}
    for device in ("numpy", "numba"):
        rl.manual_seed(seed)
        how = {"dtype": rl.dtype(dtype), "device": device}
        made[device] = [rl.rand(shape, **how), rl.randn(shape, **how)]
    assert called == {"uniform": 1, "normal": 1}
    for ours, there in zip(made["numba"], made["numpy"], strict=True):
        assert ours.dtype is there.dtype
        eps = rl.finfo(ours.dtype).eps
        np.testing.assert_allclose(
            ours.double().numpy(), there.double().numpy(), rtol=4 * eps, atol=4 * eps
        )


@pytest.mark.parametrize("shape", [(5,), (0, 3), (33, 70)], ids=str)
def test_dropout_and_its_gradient_are_a_kernel_each(shape, called):
    made = []
    for device in ("numpy", "numba"):
        rl.manual_seed(3)
        x = rl.full(shape, 2.0, device=device).requires_grad_()
        g = rl.ones(shape, device=device)
        called.clear()
        z = F.dropout(x, 0.3)
        (gx,) = rl.autograd.grad(z, x, g)
        made.append([z.detach().numpy(), gx.numpy()])
    assert called == {"dropout": 2} or 0 in shape
    for ours, there in zip(*made, strict=True):
        np.testing.assert_array_equal(ours, there)


@pytest.mark.parametrize("number", [10**30, 2**63, -(2**63) - 1])
def test_a_number_beyond_the_integers_of_programs(number):
    x = np.ones((300, 200), np.float32)
    for made in (rl.tensor(x, device="numba") * number, number + rl.tensor(x, device="numba")):
        assert made.shape == (300, 200)
        np.testing.assert_allclose(made.numpy(), np.float32(number), rtol=1e-6)
