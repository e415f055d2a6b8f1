"""The functions behind rarer layers: second derivatives, other devices, tracing, short types."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import rushlight as rl
from rushlight_nn import functional


def numbers(*shape, seed=0):
    return np.random.default_rng(seed + sum(shape)).standard_normal(shape)


X, Y, Z = numbers(3, 4), numbers(3, 4, seed=1), numbers(3, 4, seed=2)
SIGNS = np.where(Z > 0, 1, -1)
CLASSES = np.array([0, 3, 2])
LABELS = np.array([[1, 3, -1, 0], [2, -1, -1, 2], [-1, 0, 1, 2]])
ROWS = numbers(2, 3, 9)
PLACES = np.array([[[0, 3, 5], [1, 2, 6], [0, 2, 4]]] * 2)
CALLS = {
    "hardshrink": lambda f, x: f.hardshrink(x),
    "softshrink": lambda f, x: f.softshrink(x, 0.25),
    "tanhshrink": lambda f, x: f.tanhshrink(x),
    "threshold": lambda f, x: f.threshold(x, 0.1, 3.0),
    "glu": lambda f, x: f.glu(x),
    "pairwise_distance": lambda f, x, y: f.pairwise_distance(x, y),
    "margin_ranking_loss": lambda f, x, y, signs: f.margin_ranking_loss(x, y, signs),
    "hinge_embedding_loss": lambda f, x, signs: f.hinge_embedding_loss(x, signs),
    "soft_margin_loss": lambda f, x, signs: f.soft_margin_loss(x, signs),
    "cosine_embedding_loss": lambda f, x, y, sign: f.cosine_embedding_loss(x, y, sign, 0.1),
    "triplet_margin_loss": lambda f, x, y, z: f.triplet_margin_loss(x, y, z, swap=True),
    "multi_margin_loss": lambda f, x, classes: f.multi_margin_loss(x, classes, p=2),
    "multilabel_margin_loss": lambda f, x, labels: f.multilabel_margin_loss(x, labels),
    "multilabel_soft_margin_loss": lambda f, x, hits: f.multilabel_soft_margin_loss(x, hits),
    "poisson_nll_loss": lambda f, x, counts: f.poisson_nll_loss(x, counts, full=True),
    "gaussian_nll_loss": lambda f, x, y, var: f.gaussian_nll_loss(x, y, var, full=True),
    "bilinear": lambda f, x, y, w: f.bilinear(x, y, w),
    "max_pool": lambda f, x: f.max_pool1d(x, 3, 2, 1, return_indices=True)[0],
    "adaptive_max_pool": lambda f, x: f.adaptive_max_pool1d(x, 4),
    "max_unpool": lambda f, x, at: f.max_unpool1d(x, at, 3),
    "lp_pool": lambda f, x: f.lp_pool1d(x, 2.0, 3),
}
INPUTS = {
    "pairwise_distance": (X, Y),
    "margin_ranking_loss": (X, Y, SIGNS),
    "hinge_embedding_loss": (X, SIGNS),
    "soft_margin_loss": (X, SIGNS),
    "cosine_embedding_loss": (X, Y, SIGNS[:, 0]),
    "triplet_margin_loss": (X, Y, Z),
    "multi_margin_loss": (X, CLASSES),
    "multilabel_margin_loss": (X, LABELS),
    "multilabel_soft_margin_loss": (X, (SIGNS + 1) // 2),
    "poisson_nll_loss": (X, LABELS + 1),
    "gaussian_nll_loss": (X, Y, np.abs(Z)),
    "bilinear": (X, Y, numbers(2, 4, 4)),
    "max_pool": (ROWS,),
    "adaptive_max_pool": (ROWS,),
    "max_unpool": (ROWS[:, :, :3], PLACES),
    "lp_pool": (np.abs(ROWS) + 0.1,),
}


@pytest.mark.parametrize("name", CALLS)
def test_first_and_second_derivatives(name):
    given = [rl.tensor(a) for a in INPUTS.get(name, (X,))]
    asked = [x.requires_grad_() for x in given if x.dtype is rl.float64]

    def call(*xs):
        return CALLS[name](functional, *xs, *given[len(xs) :])

    assert rl.autograd.gradcheck(call, asked)
    assert rl.autograd.gradgradcheck(call, asked)


@pytest.mark.parametrize("name", CALLS)
def test_other_devices_and_tracing(name):
    arrays = [a.astype("f") if a.dtype.kind == "f" else a for a in INPUTS.get(name, (X,))]
    given = [rl.tensor(a) for a in arrays]
    z = CALLS[name](functional, *given)
    there = CALLS[name](functional, *[x.to("hostile") for x in given])
    np.testing.assert_allclose(there.numpy(), z.numpy(), rtol=2e-6, atol=2e-6)
    traced = rl.compile(lambda *xs: CALLS[name](functional, *xs))
    assert (traced(*given).numpy() == z.numpy()).all()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", CALLS)
def test_short_types(name, dtype):
    mine, other = ([], [])
    for a in INPUTS.get(name, (X,)):
        of_floats = a.dtype.kind == "f"
        mine.append(rl.tensor(a, dtype=getattr(rl, dtype)) if of_floats else rl.tensor(a))
        other.append(torch.tensor(a, dtype=getattr(torch, dtype)) if of_floats else torch.tensor(a))
    z = CALLS[name](functional, *mine)
    w = CALLS[name](F, *[x.float() if x.is_floating_point() else x for x in other])
    assert z.dtype is getattr(rl, dtype)
    # a handful of steps, each rounded to 8 or 11 bits, of numbers up to about 4
    tolerance = 8 * float(rl.finfo(getattr(rl, dtype)).eps)
    np.testing.assert_allclose(z.float().numpy(), w.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", [(0, 4), (3, 0)])
@pytest.mark.parametrize(
    "name", ["hardshrink", "softshrink", "tanhshrink", "threshold", "glu", "soft_margin_loss"]
)
def test_nothing(name, shape):
    x = np.zeros(shape)
    inputs = (x, x) if name == "soft_margin_loss" else (x,)
    z = CALLS[name](functional, *map(rl.tensor, inputs))
    w = CALLS[name](F, *map(torch.tensor, inputs))
    assert tuple(z.shape) == tuple(w.shape)
    np.testing.assert_array_equal(z.numpy(), w.numpy())


def test_indices_of_nan_and_strided_inputs():
    x = np.array([[1.0, np.nan, 0.0, 3.0, 2.0, np.inf]])
    a = functional.max_pool1d(rl.tensor(x), 2, return_indices=True)
    b = F.max_pool1d(torch.tensor(x), 2, return_indices=True)
    for mine, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(mine.numpy(), other.numpy())
    image = numbers(2, 8, 6)
    a = functional.max_pool2d(rl.tensor(image)[:, ::-2].transpose(1, 2), 2, return_indices=True)
    b = F.max_pool2d(
        torch.tensor(np.ascontiguousarray(image[:, ::-2].swapaxes(1, 2))), 2, return_indices=True
    )
    for mine, other in zip(a, b, strict=True):
        np.testing.assert_array_equal(mine.numpy(), other.numpy())
