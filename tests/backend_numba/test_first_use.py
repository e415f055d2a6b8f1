"""What a person meets first who moves a model to `numba`, beside numpy's device."""

import numpy as np
import pytest

import rushlight as rl
from rushlight.reference import random_bits
from rushlight.testing.close import assert_close
from rushlight_numba.eager import Programs


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


def test_random_words_are_native():
    """A nest makes words where it reads them; as a result alone they were left to numpy."""

    def refused(*_):
        raise AssertionError("the reference's kernel was called")

    kernel = Programs(rl.device("numba").backend, "random_bits", refused)
    for key, counter in [(5, 0), (2**64 - 1, 2**40), (2**63, 2**100)]:
        words = kernel(key, counter, (33, 3), 0)
        assert words.dtype == np.uint32
        np.testing.assert_array_equal(words, random_bits(key, counter, (33, 3), 0))


@pytest.mark.parametrize("name", "sign signbit rsqrt log1p_exp erfinv var sgd sgd_plain".split())
def test_what_numpy_has_no_kernel_for_is_one(name):
    """Else an eager call of it is many of its parts: 4 to 20 times as long."""
    assert name not in rl.device("numpy").backend.kernels
    assert name in rl.device("numba").backend.kernels


@pytest.mark.parametrize("dtype", [rl.float32, rl.float64], ids=["float32", "float64"])
def test_acosh_below_1_is_nan_however_far(dtype):
    """The square of a number far below 1 hides its sign."""
    x = rl.tensor([-1e38, -1e5, -1.0, 0.5, 1.0], dtype=dtype, device="numba")
    np.testing.assert_array_equal(rl.compile(rl.acosh)(x).isnan().numpy(), [1, 1, 1, 1, 0])
