"""Batch normalisation in evaluation is one pass over its input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as rl

KERNELS = rl.device("numba").kernels


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", [(4, 6, 15, 13), (7, 6), (2, 6, 3, 4, 5)])
def test_one_kernel_touches_the_input(
    shape: tuple[int, ...], affine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(np.float32)
    mean, var, weight, bias = rng.random((4, 6)).astype(np.float32)
    scale = [weight, bias] if affine else []
    large: list[str] = []

    def counted(name: str, kernel: Any) -> Any:
        def run(*given: Any, **named: Any) -> Any:
            if any(np.size(a) == x.size for a in given if isinstance(a, np.ndarray)):
                large.append(name)
            return kernel(*given, **named)

        return run

    given = [rl.tensor(a).to("numba") for a in (x, mean, var, *scale)]
    for name, kernel in [*KERNELS.items()]:
        monkeypatch.setitem(KERNELS, name, counted(name, kernel))
    z = rl.batch_norm(*given, eps=1e-3)
    assert len(large) == 1
    along = (1, 6, *[1] * (len(shape) - 2))
    expected = (x - mean.reshape(along)) / np.sqrt(var.reshape(along) + 1e-3)
    if affine:
        expected = expected * weight.reshape(along) + bias.reshape(along)
    np.testing.assert_allclose(z.numpy(), expected, rtol=1e-4, atol=1e-4)
