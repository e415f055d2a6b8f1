"""What a last bit or a special operand decides: powers, inverse hyperbolic functions far out."""

import math

import numpy as np
import pytest

import rushlight as rl
from rushlight.extend import float16, float64
from rushlight.testing.close import assert_close
from rushlight_numba.eager import Programs

from .test_lanes import call

SPECIAL = [0.0, -0.0, 1.0, -1.0, 2.0, -3.0, 0.5, 1e-30, np.inf, -np.inf, np.nan]


def native(name):
    """The kernel of an operation with no other behind it."""
    return Programs(rl.device("numba").backend, name, None)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, float16])
@pytest.mark.parametrize("power", [-1, 0, 0.5, 1, 2, 3, 4])
def test_a_power_that_is_known(power, dtype):
    """As PyTorch has it, whose root of -inf is nan and of -0.0 is -0.0."""
    x = np.array(SPECIAL, dtype)
    root = {0.5: np.sqrt, -1: np.reciprocal}
    with np.errstate(all="ignore"):
        exact = root[power](x) if power in root else x**power
    z = native("pow")(x, power)
    nan = np.isnan(exact)
    assert (np.isnan(z) == nan).all()
    assert_close("pow", z[~nan], exact[~nan])
    assert (np.signbit(z) == np.signbit(exact))[~nan].all()


def test_an_exponent_that_is_read_is_no_constant():
    """The third array is read by number 2, which as a constant would be the power."""
    power = rl.compile(lambda a, b, c: (a + b, (a + b) ** c))
    a, b, c = (rl.linspace(low, 2, 40, device="numba") for low in (0.5, 1.0, 1.5))
    x = (a + b).numpy()
    assert_close("pow", power(a, b, c)[1].numpy(), np.power(x, c.numpy()))


@pytest.mark.parametrize("name", ["acosh", "asinh"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_is_far_out_is_exact(name, dtype):
    x = (10.0 ** np.random.default_rng(3).uniform(3, 9, 2000)).astype(dtype)
    exact = getattr(np, f"arc{name[1:]}")(x.astype(np.longdouble))
    assert_close(name, native(name)(x), exact.astype(dtype))


def test_erf_of_float64():
    """The C library's is within 1 ulp; where its sides meet and where it ends too."""
    draw = np.random.default_rng(8)
    x = np.concatenate([draw.uniform(-6.5, 6.5, 9000), draw.uniform(0.99, 1.01, 1000)])
    x = np.concatenate([x, 10.0 ** draw.uniform(-310, 0, 1000)])
    exact = np.array([math.erf(v) for v in x])
    z = call("erf", float64, x)
    assert (np.abs(z - exact) <= 2 * np.spacing(np.abs(exact))).all()
    ends = np.array([0.0, -0.0, 5e-324, np.inf, -np.inf, 1e308, 6.0, np.nan])
    z = call("erf", float64, ends)
    assert z[:7].tolist() == [0.0, 0.0, 5e-324, 1.0, -1.0, 1.0, 1.0]
    assert np.signbit(z[1])
    assert np.isnan(z[7])
