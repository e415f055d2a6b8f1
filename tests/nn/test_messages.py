"""What a mistake with a layer, a loader, an optimizer or a schedule is told."""

import re

import numpy as np
import pytest

import rushlight as rl
import rushlight_nn as nn
from rushlight.errors import ContractError
from rushlight_nn import optim
from rushlight_nn.data import DataLoader, default_collate

LAYERS = {
    "linear": lambda: nn.Linear(3, 2),
    "conv2d": lambda: nn.Conv2d(1, 2, 3),
    "flatten": nn.Flatten,
    "Unflatten": lambda: nn.Unflatten(1, (3, -1)),
    "BatchNorm1d": lambda: nn.BatchNorm1d(3),
    "layer_norm": lambda: nn.LayerNorm(3),
    "max_pool2d": lambda: nn.MaxPool2d(2),
    "relu": nn.ReLU,
    "softmax": lambda: nn.Softmax(0),
    "dropout": nn.Dropout,
}


@pytest.mark.parametrize("x", [[1.0], np.ones((2, 3))], ids=["list", "numpy"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_given_no_tensor_says_so(name, x):
    what = type(x).__name__
    told = f"{name}: {what} is not a tensor; make one with rl.tensor()"
    with pytest.raises(ContractError, match=f"^{re.escape(told)}$"):
        LAYERS[name]()(x)


def sgd(**options):
    return optim.SGD([nn.Parameter(rl.ones(1))], **options)


def adam(**options):
    return optim.Adam([nn.Parameter(rl.ones(1))], **options)


schedules = optim.lr_scheduler

MISTAKES = {
    "Linear: in_features is 2.5; give an integer from 0": lambda: nn.Linear(2.5, 3),
    "Linear: out_features is -1; give an integer from 0": lambda: nn.Linear(2, -1),
    "Conv2d: kernel_size 0; give an integer from 1, or two of them": lambda: nn.Conv2d(1, 2, 0),
    "Conv2d: stride 1.5; give an integer from 1, or two of them": (
        lambda: nn.Conv2d(1, 2, 3, stride=1.5)
    ),
    "Conv2d: padding -1; give an integer from 0, or two of them": (
        lambda: nn.Conv2d(1, 2, 3, padding=-1)
    ),
    "LayerNorm: normalized_shape is None; give an integer from 0": lambda: nn.LayerNorm(None),
    "BatchNorm2d: num_features is 'a'; give an integer from 0": lambda: nn.BatchNorm2d("a"),
    "SGD: dampening is -1; give a number of at least 0.0": lambda: sgd(dampening=-1),
    "SGD: lr is nan; give a number of at least 0.0": lambda: sgd(lr=float("nan")),
    "Adam: betas is (0.9,); give two numbers": lambda: adam(betas=(0.9,)),
    "Adam: betas is 0.9; give two numbers": lambda: adam(betas=0.9),
    "StepLR: step_size is 0; give an integer from 1": lambda: schedules.StepLR(sgd(), 0),
    "StepLR: step_size is -1; give an integer from 1": lambda: schedules.StepLR(sgd(), -1),
    "StepLR: step_size is 1.5; give an integer from 1": lambda: schedules.StepLR(sgd(), 1.5),
    "StepLR: gamma is 'a'; give a number of at least 0.0": (
        lambda: schedules.StepLR(sgd(), 1, gamma="a")
    ),
    "StepLR: last_epoch is -2; give an integer from -1": (
        lambda: schedules.StepLR(sgd(), 1, last_epoch=-2)
    ),
    "MultiStepLR: milestones is 3; give a list of epochs": lambda: schedules.MultiStepLR(sgd(), 3),
    "MultiStepLR: one of milestones is 0.5; give an integer from 0": (
        lambda: schedules.MultiStepLR(sgd(), [0.5])
    ),
    "ExponentialLR: gamma is -1; give a number of at least 0.0": (
        lambda: schedules.ExponentialLR(sgd(), -1)
    ),
    "LinearLR: total_iters is 0; give an integer from 1": (
        lambda: schedules.LinearLR(sgd(), total_iters=0)
    ),
    "LinearLR: start_factor is 'a'; give a number of at least 0.0": (
        lambda: schedules.LinearLR(sgd(), start_factor="a")
    ),
    "CosineAnnealingLR: T_max is 0; give an integer from 1": (
        lambda: schedules.CosineAnnealingLR(sgd(), 0)
    ),
    "CosineAnnealingLR: eta_min is None; give a number of at least 0.0": (
        lambda: schedules.CosineAnnealingLR(sgd(), 3, eta_min=None)
    ),
    "LambdaLR: lr_lambda is 0.5; give a function of the epoch": (
        lambda: schedules.LambdaLR(sgd(), 0.5)
    ),
    "default_collate: no samples; give at least one": lambda: default_collate([]),
    (
        "default_collate: samples hold float32[2] and float32[3]; give samples alike, or a "
        "collate_fn that makes them so"
    ): lambda: list(DataLoader([rl.ones(2), rl.ones(3)], batch_size=2)),
    (
        "default_collate: samples hold float64[2] and float64[3]; give samples alike, or a "
        "collate_fn that makes them so"
    ): lambda: default_collate([np.ones(2), np.ones(3)]),
    (
        "default_collate: samples hold int and str; give samples alike, or a collate_fn that makes "
        "them so"
    ): lambda: default_collate([1, "a"]),
    (
        "default_collate: samples with keys ['a'] and ['b']; give samples of the same keys, or a "
        "collate_fn"
    ): lambda: default_collate([{"a": 1}, {"b": 1}]),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_a_mistake_is_told(message):
    with pytest.raises(ContractError, match=f"^{re.escape(message)}$"):
        MISTAKES[message]()


def test_a_schedule_of_no_optimizer_says_so():
    with pytest.raises(TypeError, match=r"^LambdaLR: int is not an Optimizer; give one of optim$"):
        schedules.LambdaLR(3, lambda epoch: 1.0)
