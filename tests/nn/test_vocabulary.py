"""Layers beside PyTorch's with the same weights: repr, state dict, output and gradients."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import rushlight as rl
import rushlight_nn as nn

LOSSES = [
    "SmoothL1Loss()",
    "SmoothL1Loss(beta=0.5, reduction='sum')",
    "HuberLoss()",
    "HuberLoss(delta=0.5, reduction='none')",
    "KLDivLoss(log_target=True)",
    "KLDivLoss(reduction='batchmean', log_target=True)",
    "CosineSimilarity()",
]


def numbers(*shape, seed=0):
    return np.random.default_rng(seed + sum(shape)).standard_normal(shape).astype("f")


def twins(call):
    """A layer by both libraries, with the same weights."""
    ours = eval(call, {"n": nn, **vars(nn)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = eval(call, {"n": torch.nn, **vars(torch.nn)})
    state = theirs.state_dict()
    mine = ours.state_dict()
    assert [*mine] == [*state]
    assert [tuple(v.shape) for v in mine.values()] == [tuple(v.shape) for v in state.values()]
    ours.load_state_dict({k: rl.tensor(v.numpy().copy()) for k, v in state.items()})
    return ours, theirs


def near(mine, other, tolerance=3e-5):
    assert tuple(mine.shape) == tuple(other.shape)
    np.testing.assert_allclose(
        mine.detach().numpy(), other.detach().numpy(), rtol=tolerance, atol=tolerance
    )


def compare(call, *arrays, said=True, **options):
    """repr, state dict, output, the gradients of inputs and parameters, state afterwards."""
    ours, theirs = twins(call)
    if said:
        assert repr(ours) == repr(theirs)
    results = []
    for module, layer in ((rl, ours), (torch, theirs)):
        xs = [module.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
        given = {k: module.tensor(v) if hasattr(v, "shape") else v for k, v in options.items()}
        z = layer(*xs, **given)
        parts = [part for part in (z if isinstance(z, tuple) else (z,)) if part is not None]
        sum((part**2).sum() for part in parts).backward()
        found = [*parts, *[x.grad for x in xs if x.requires_grad]]
        found += [p.grad for p in layer.parameters()]
        results.append([*found, *layer.state_dict().values()])
    for mine, other in zip(*results, strict=True):
        near(mine, other)
    return ours, theirs


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")
@pytest.mark.parametrize("call", LOSSES)
def test_losses(call):
    compare(call, numbers(4, 5), numbers(4, 5, seed=1))
