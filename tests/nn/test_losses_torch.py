"""Every loss beside PyTorch's: value, gradient and repr."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import rushlight as rl
import rushlight_nn as nn

EPS = float(np.finfo(np.float32).eps)
REDUCTIONS = ["mean", "sum", "none"]


def compare(ours, theirs, x, y):
    mine = rl.tensor(x, requires_grad=True)
    other = torch.tensor(x, requires_grad=True)
    z, w = ours(mine, rl.tensor(y)), theirs(other, torch.tensor(y))
    tolerance = 16 * EPS * np.sqrt(x.size)
    np.testing.assert_allclose(
        z.detach().numpy(), w.detach().numpy(), rtol=tolerance, atol=tolerance
    )
    z.sum().backward()
    w.sum().backward()
    np.testing.assert_allclose(
        mine.grad.numpy(), other.grad.numpy(), rtol=tolerance, atol=tolerance
    )
    assert repr(ours) == repr(theirs)


@pytest.fixture
def random():
    return np.random.default_rng(0)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", ["L1Loss", "MSELoss"])
def test_distances(name, reduction, random):
    x, y = random.standard_normal((2, 4, 5)).astype("f")
    compare(getattr(nn, name)(reduction), getattr(torch.nn, name)(reduction=reduction), x, y)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
def test_binary_cross_entropy(reduction, weighted, random):
    x = random.uniform(0.05, 0.95, (4, 5)).astype("f")
    y = random.uniform(0, 1, (4, 5)).astype("f")
    w = random.uniform(0, 2, 5).astype("f") if weighted else None
    compare(
        nn.BCELoss(None if w is None else rl.tensor(w), reduction),
        torch.nn.BCELoss(None if w is None else torch.tensor(w), reduction=reduction),
        x,
        y,
    )


def test_binary_cross_entropy_of_certainty():
    x = np.array([0.0, 1.0, 0.0, 1.0], "f")
    y = np.array([0.0, 0.0, 1.0, 1.0], "f")
    compare(nn.BCELoss(reduction="none"), torch.nn.BCELoss(reduction="none"), x, y)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("positive", [False, True])
def test_binary_cross_entropy_with_logits(reduction, weighted, positive, random):
    x = (random.standard_normal((4, 5)) * 20).astype("f")
    y = random.uniform(0, 1, (4, 5)).astype("f")
    w, p = random.uniform(0, 2, (2, 5)).astype("f")

    def make(package, tensor):
        return package.BCEWithLogitsLoss(
            weight=tensor(w) if weighted else None,
            reduction=reduction,
            pos_weight=tensor(p) if positive else None,
        )

    compare(make(nn, rl.tensor), make(torch.nn, torch.tensor), x, y)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(6, 3), (3,), (2, 3, 4, 5)])
@pytest.mark.parametrize("options", [{}, {"ignore_index": 1}], ids=["all", "ignore"])
def test_nll(reduction, weighted, shape, options, random):
    x = random.standard_normal(shape).astype("f")
    y = random.integers(0, 3, (*shape[:1], *shape[2:]) if len(shape) > 1 else ())
    if len(shape) == 1 and options:
        y = np.array(0)
    w = random.uniform(0.5, 2, 3).astype("f")

    def make(package, tensor):
        return package.NLLLoss(tensor(w) if weighted else None, reduction=reduction, **options)

    compare(make(nn, rl.tensor), make(torch.nn, torch.tensor), x, y)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(6, 3), (3,), (2, 3, 4)])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"ignore_index": 1},
        {"label_smoothing": 0.2},
        {"label_smoothing": 0.2, "ignore_index": 2},
    ],
    ids=["plain", "ignore", "smooth", "both"],
)
def test_cross_entropy_of_classes(reduction, weighted, shape, options, random):
    x = (random.standard_normal(shape) * 10).astype("f")
    y = random.integers(0, 3, (*shape[:1], *shape[2:]) if len(shape) > 1 else ())
    if len(shape) == 1:
        y = np.array(0)
    w = random.uniform(0.5, 2, 3).astype("f")

    def make(package, tensor):
        return package.CrossEntropyLoss(
            tensor(w) if weighted else None, reduction=reduction, **options
        )

    compare(make(nn, rl.tensor), make(torch.nn, torch.tensor), x, y)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
def test_cross_entropy_of_probabilities(reduction, smoothing, weighted, random):
    x = random.standard_normal((6, 3)).astype("f")
    y = random.dirichlet([1, 1, 1], 6).astype("f")
    w = random.uniform(0.5, 2, 3).astype("f")

    def make(package, tensor):
        return package.CrossEntropyLoss(
            tensor(w) if weighted else None, reduction=reduction, label_smoothing=smoothing
        )

    compare(make(nn, rl.tensor), make(torch.nn, torch.tensor), x, y)


def test_weights_are_buffers():
    ours = nn.CrossEntropyLoss(weight=rl.ones(3))
    theirs = torch.nn.CrossEntropyLoss(weight=torch.ones(3))
    assert list(ours.state_dict()) == list(theirs.state_dict()) == ["weight"]
    assert list(nn.BCEWithLogitsLoss(pos_weight=rl.ones(3)).state_dict()) == ["pos_weight"]


def test_shapes_that_differ():
    with pytest.raises(rl.ContractError) as caught:
        nn.MSELoss()(rl.zeros(3), rl.zeros(3, 1))
    assert str(caught.value) == (
        "mse_loss: input float32[3] and target float32[3, 1]; give both the same shape"
    )


def test_a_target_that_is_no_class():
    with pytest.raises(IndexError):
        nn.CrossEntropyLoss()(rl.zeros(2, 3), rl.tensor([0, 3]))
