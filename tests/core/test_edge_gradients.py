"""Gradients where functions are flat, tied or unbounded: PyTorch's, or listed with a reason."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as torch_functional

import rushlight as rl
from rushlight_nn import functional

POINTS = {
    "numbers": [[1.5, -2.5, 0.0], [3.0, 2.0, -0.0]],
    "nan": [[1.5, -2.5, 0.0], [3.0, math.nan, -0.0]],
}
EXPRESSIONS = """
x.norm(0)
x.norm(p=0, dim=1)
x.floor()
x.ceil()
x.round()
x.round(decimals=1)
x.trunc()
x.sign()
x.frac()
x.norm()
x.norm(p=1)
x.norm(p=inf)
x.norm(p=3)
x.norm(p=0.5)
(x*0).norm()
(x*0).norm(p=3)
(x*0).norm(p=1)
(x*0).norm(p=inf)
x.abs()
x.clamp(0, 2)
x.clamp(min=1.5)
x.clamp(max=m.tensor(1.5))
x.clamp(nan)
x.relu()
x.max()
x.min()
x.max(1)[0]
x.amax()
x.amax(1)
x.amin()
x.median()
x.median(1)[0]
x.sort(1)[0]
x.topk(2)[0]
x.cumsum(1)
x.cumprod(1)
x.prod()
x.prod(1)
x.std()
x.var(1)
(x*0).std()
x.var(correction=6)
x.logsumexp(1)
x.softmax(1)
x.sqrt()
x.rsqrt()
x.log()
x.pow(0)
x.pow(0.5)
x.pow(-1)
x.pow(2)
x ** x.detach()
2 ** x
0 ** x
m.maximum(x, -x)
m.where(x > 0, x, 0.)
m.where(x > 0, x.log(), 0.)
x.masked_fill(x > 0, 1.)
x % 2
x.fmod(2)
x.div(2, rounding_mode='floor')
x.div(2, rounding_mode='trunc')
m.fmod(m.tensor(5.), x)
m.remainder(m.tensor(5.), x)
m.atan2(x, x*0)
m.hypot(x, x*0)
x.nan_to_num()
x.sinh()
x.tanh()
x.sigmoid()
x.expm1()
x.reciprocal()
x.square()
x.mean()
x.sum()
x.nansum()
x.logcumsumexp(1)
x.cummax(1)[0]
x.unsqueeze(0)[..., ::2]
x.repeat(2, 2)
x.flip(0)
x.roll(1)
x.tril()
x.gather(1, m.tensor([[0, 0, 1]]))
x.index_select(1, m.tensor([0, 0]))
x[m.tensor([0, 0])]
x[x > 0]
x.take_along_dim(m.tensor([[-1]]), 1)
x.scatter(1, m.tensor([[0]]), 5.)
x.scatter_add(1, m.tensor([[0, 0]]), x[:1, :2].detach())
x.index_fill(1, m.tensor([0]), 3.)
x.lerp(x*2, 0.3)
m.cdist(x, x*2)
m.dist(x, x*2)
m.logaddexp(x, x)
m.xlogy(x, x)
x.erf()
x.hardshrink()
F.gelu(x)
F.softplus(x)
F.logsigmoid(x)
F.hardswish(x)
F.hardsigmoid(x*3)
F.elu(x)
F.normalize(x*0)
F.huber_loss(x, x*3)
F.smooth_l1_loss(x, x*3)
F.l1_loss(x, x*1)
""".strip().splitlines()
# What differs: where, and why.
DIFFERENT = {
    ("x.norm(p=inf)", "nan"): "nan is nowhere the largest",
    ("(x*0).norm(p=inf)", "nan"): "nan is nowhere the largest",
    ("x.max()", "nan"): "nan is nowhere the largest",
    ("x.min()", "nan"): "nan is nowhere the smallest",
    ("x.norm(p=3)", "nan"): "0 at 0, whatever the norm is",
    ("x.norm(p=0.5)", "nan"): "0 at 0, whatever the norm is",
    ("(x*0).norm(p=3)", "nan"): "0 at 0, whatever the norm is",
    ("x.relu()", "nan"): "nan is not positive, in PyTorch not negative",
    ("F.hardsigmoid(x*3)", "nan"): "nan is within bounds, in PyTorch beyond",
    ("x.prod()", "nan"): "nan passes on, also beside a 0",
    ("x.cumprod(1)", "nan"): "nan does not reach its own gradient",
    ("x.var(correction=6)", "both"): "nan: the number that it is divided by is 0",
    ("x.pow(0.5)", "both"): "inf at -0.0, in PyTorch -inf",
    ("0 ** x", "nan"): "0 of nan, in PyTorch nan",
}


def gradient(expression, lib, layers, values):
    """The value, and its gradient; PyTorch's None, of norm(0), is 0."""
    x = lib.tensor(values, dtype=lib.float64, requires_grad=True)
    names = {"m": lib, "F": layers, "x": x, "inf": math.inf, "nan": math.nan}
    z = eval(expression, names)
    z.sum().backward()
    if lib is torch and x.grad is None:
        x.grad = torch.zeros_like(x)
    return z.detach().numpy(), x.grad.numpy()


def agrees(expression, point):
    """Whether value and gradient are PyTorch's."""
    ours = gradient(expression, rl, functional, POINTS[point])
    theirs = gradient(expression, torch, torch_functional, POINTS[point])
    return all(np.allclose(x, y, equal_nan=True) for x, y in zip(ours, theirs, strict=True))


@pytest.mark.filterwarnings("ignore:var:UserWarning")  # PyTorch's, of too few degrees of freedom
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_gradient_is_pytorchs(expression, point):
    known = (expression, point) in DIFFERENT or (expression, "both") in DIFFERENT
    assert agrees(expression, point) is not known


def test_every_difference_is_of_an_expression():
    assert {expression for expression, _ in DIFFERENT} <= set(EXPRESSIONS)
