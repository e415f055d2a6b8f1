"""Operations whose gradient is stated are one kernel each way, of every size and layout."""

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
