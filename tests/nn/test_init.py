"""Initialisation: distributions by their moments, beside PyTorch's gains and bounds."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
import torch

import rushlight as rl
from rushlight_nn import init


@pytest.fixture(autouse=True)
def seed():
    rl.manual_seed(0)


def filled(name, shape, *args, **options):
    x = rl.empty(shape)
    assert getattr(init, name)(x, *args, **options) is x
    return x.numpy()


def follows(values, distribution):
    """Kolmogorov-Smirnov at a level of one in a thousand."""
    assert scipy.stats.kstest(values.ravel(), distribution.cdf).pvalue > 1e-3


def test_gains():
    for name, param in [
        ("linear", None), ("conv2d", None), ("sigmoid", None), ("tanh", None), ("relu", None),
        ("selu", None), ("leaky_relu", None), ("leaky_relu", 0.3), ("leaky_relu", 0),
    ]:  # fmt: skip
        assert init.calculate_gain(name, param) == torch.nn.init.calculate_gain(name, param)
    with pytest.raises(rl.ContractError) as caught:
        init.calculate_gain("swish")
    assert str(caught.value) == (
        "calculate_gain: nonlinearity 'swish'; give linear, sigmoid, tanh, relu, leaky_relu or selu"
    )


def test_constants():
    assert filled("constant_", (2, 2), 0.5).tolist() == [[0.5, 0.5], [0.5, 0.5]]
    assert filled("ones_", (2,)).tolist() == [1.0, 1.0]
    assert filled("zeros_", (2,)).tolist() == [0.0, 0.0]
    np.testing.assert_array_equal(filled("eye_", (2, 3)), np.eye(2, 3))
    with pytest.raises(rl.ContractError, match=r"eye_: float32\[2\]; give a tensor of 2 axes"):
        filled("eye_", (2,))


@pytest.mark.parametrize(
    ("name", "args", "distribution"),
    [
        ("uniform_", (), scipy.stats.uniform(0, 1)),
        ("uniform_", (-2.0, 3.0), scipy.stats.uniform(-2, 5)),
        ("normal_", (), scipy.stats.norm()),
        ("normal_", (3.0, 0.5), scipy.stats.norm(3, 0.5)),
        ("xavier_uniform_", (), scipy.stats.uniform(-math.sqrt(6 / 300), 2 * math.sqrt(6 / 300))),
        ("xavier_normal_", (2.0,), scipy.stats.norm(0, 2 * math.sqrt(2 / 300))),
        ("kaiming_uniform_", (), scipy.stats.uniform(-math.sqrt(6 / 100), 2 * math.sqrt(6 / 100))),
        ("kaiming_normal_", (0, "fan_out", "relu"), scipy.stats.norm(0, math.sqrt(2 / 200))),
        ("trunc_normal_", (), scipy.stats.truncnorm(-2, 2)),
        ("trunc_normal_", (1.0, 0.5, 0.8, 3.0), scipy.stats.truncnorm(-0.4, 4, 1, 0.5)),
        ("trunc_normal_", (0.0, 1.0, 2.0, 3.0), scipy.stats.truncnorm(2, 3)),
        ("trunc_normal_", (0.0, 1.0, -9.0, 9.0), scipy.stats.norm()),
    ],
)
def test_distributions(name, args, distribution):
    values = filled(name, (200, 100), *args)
    follows(values, distribution)
    low, high = distribution.support()
    assert low - 1e-6 <= values.min()
    assert values.max() <= high + 1e-6


def test_windows_count_in_the_fans():
    x = filled("kaiming_uniform_", (64, 32, 3, 3))
    bound = math.sqrt(6 / (32 * 9))
    assert 0.99 * bound < np.abs(x).max() <= bound
    with pytest.raises(rl.ContractError) as caught:
        filled("xavier_normal_", (3,))
    assert str(caught.value) == (
        "xavier_normal_: float32[3] has no fan in and fan out; give a tensor of 2 or more axes"
    )
    with pytest.raises(rl.ContractError, match="mode 'fan'; give fan_in or fan_out"):
        filled("kaiming_uniform_", (3, 3), mode="fan")


def test_nothing_to_fill():
    with pytest.warns(UserWarning, match="zero-element tensors is a no-op"):
        filled("kaiming_uniform_", (0, 3))
    with pytest.warns(UserWarning, match="zero-element tensors is a no-op"):
        filled("kaiming_normal_", (3, 0))
    assert filled("orthogonal_", (0, 3)).shape == (0, 3)


@pytest.mark.parametrize("dtype", [rl.float16, rl.float32, rl.float64], ids=str)
def test_erfinv_in_every_type(dtype):
    x = rl.empty(20_000, dtype=dtype)
    init.trunc_normal_(x, std=2.0, a=-5.0, b=1.0)
    follows(x.numpy().astype(np.float64), scipy.stats.truncnorm(-2.5, 0.5, 0, 2))


@pytest.mark.parametrize(("dtype", "digits"), [(rl.float32, 2e-6), (rl.float64, 1e-12)], ids=str)
def test_erfinv(dtype, digits):
    tails = 10.0 ** -np.arange(1, 7 if dtype is rl.float32 else 14)
    y = np.concatenate([np.linspace(-0.99, 0.99, 201), 1 - tails, tails - 1, tails, -tails])
    y = y.astype(dtype)
    expected = scipy.special.erfinv(y.astype(np.float64))
    # a change of y by half a unit in its last place changes x by this much
    given = (
        np.spacing(np.abs(y)).astype(np.float64) / (2 / math.sqrt(math.pi)) * np.exp(expected**2)
    )
    found = init._erfinv(rl.tensor(y)).numpy()
    assert (np.abs(found - expected) <= digits * np.abs(expected) + 2 * given).all()


def test_bounds_in_the_wrong_order():
    with pytest.raises(rl.ContractError, match=r"bounds 2.0 and 1.0; give a < b"):
        filled("trunc_normal_", (3,), a=2.0, b=1.0)


@pytest.mark.parametrize("shape", [(4, 4), (3, 6), (6, 3), (4, 3, 2)], ids=str)
def test_orthogonal(shape):
    x = filled("orthogonal_", shape, 2.0).reshape(shape[0], -1)
    product = x @ x.T if x.shape[0] <= x.shape[1] else x.T @ x
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-5)


def test_orthogonal_is_even():
    traces = [np.trace(filled("orthogonal_", (3, 3))) for _ in range(2000)]
    # of evenly distributed orthogonal matrices the trace has mean 0 and variance 1
    assert abs(np.mean(traces)) < 5 / math.sqrt(2000)
    assert abs(np.var(traces) - 1) < 0.15


def test_orthogonal_of_a_vector():
    with pytest.raises(rl.ContractError, match=r"orthogonal_: float32\[3\]; give"):
        filled("orthogonal_", (3,))


@pytest.mark.parametrize(
    "name", ["uniform_", "normal_", "trunc_normal_", "xavier_uniform_", "orthogonal_"]
)
def test_a_generator_decides(name):
    first, again = (filled(name, (3, 3), generator=rl.Generator().manual_seed(1)) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_a_leaf_that_requires_a_gradient():
    x = rl.zeros(2, 2, requires_grad=True)
    init.normal_(x)
    assert x.is_leaf
    assert x.requires_grad
