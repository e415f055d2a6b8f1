"""What a person meets first who moves a model to `numba`, beside numpy's device."""

import numpy as np
import pytest

import rushlight as rl
from rushlight.testing.close import assert_close


@pytest.fixture(params=[False, True], ids=["eager", "compiled"])
def maybe_compiled(request):
    return rl.compile if request.param else lambda fn: fn


@pytest.mark.parametrize("dtype", [rl.bfloat16, rl.float16], ids=str)
def test_narrow_running_statistics_move(dtype, maybe_compiled):
    """Though a program of batch_norm gives the batch's mean and variance in float32."""
    x = rl.tensor(np.random.default_rng(0).normal(1, 2, (300, 16)), dtype=dtype, device="numba")
    mean, var = rl.zeros(16, dtype=dtype, device="numba"), rl.ones(16, dtype=dtype, device="numba")
    maybe_compiled(lambda x: rl.batch_norm(x, mean, var, training=True, momentum=0.5))(x)
    wide = x.double().numpy()
    for what, running, exact in [
        ("mean", mean, wide.mean(0) / 2),
        ("var", var, 0.5 + wide.var(0, ddof=1) / 2),
    ]:
        assert running.dtype == dtype
        assert_close(what, running.numpy(), exact, terms=2)
