"""functional: PyTorch's names, and what its functions take."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import rushlight as rl
import rushlight_nn.functional as F

X = np.linspace(-3, 3, 12, dtype=np.float32).reshape(3, 4)


@pytest.mark.parametrize("name", F.__all__)
def test_every_name_is_pytorchs(name):
    assert hasattr(torch.nn.functional, name) or hasattr(torch, name)
    assert getattr(F, name).__doc__


@pytest.mark.parametrize(
    ("name", "args"),
    [
        *[(name, ()) for name in "relu silu hardswish hardsigmoid relu6 mish selu".split()],
        ("leaky_relu", (0.2,)),
        ("elu", (0.5,)),
        ("celu", (0.5,)),
        ("hardtanh", (-0.5, 0.75)),
    ],
)
@pytest.mark.parametrize("inplace", [False, True])
def test_in_place(name, args, inplace):
    x, y = rl.tensor(X, requires_grad=True), torch.tensor(X, requires_grad=True)
    a, b = x * 1.0, y * 1.0
    z = getattr(F, name)(a, *args, inplace=inplace)
    w = getattr(torch.nn.functional, name)(b, *args, inplace=inplace)
    assert (z is a) is inplace
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-6)
    (z * z).sum().backward()
    (w * w).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-5, atol=1e-6)


def test_in_place_on_a_leaf():
    with pytest.raises(RuntimeError, match="no_grad"):
        F.relu(rl.tensor(X, requires_grad=True), inplace=True)
