"""The functions behind layers and losses beside PyTorch's: values, both gradients, errors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import rushlight as rl

TOLERANCE = 1e-9  # of float64, sums of some hundred


def numbers(*shape, low=-2.0, high=2.0, seed=0):
    return np.random.default_rng(seed + sum(shape)).uniform(low, high, shape)


def as_tensors(module, values):
    """Arrays as tensors of float64 that ask for a gradient; the rest as it is."""
    made = []
    for value in values:
        if isinstance(value, np.ndarray):
            value = module.tensor(value)
            if value.dtype == module.float64:
                value.requires_grad_()
        made.append(value)
    return made


def twice(module, function, inputs, options):
    """The value, and the gradients of its cubes' sum, of first and second order."""
    xs = as_tensors(module, inputs)
    z = function(*xs, **options)
    asked = [x for x in xs if isinstance(x, module.Tensor) and x.requires_grad]
    first = module.autograd.grad((z**3).sum(), asked, create_graph=True)
    kept = [g for g in first if g.requires_grad]
    total = sum((g**2).sum() for g in kept)
    second = module.autograd.grad(total, asked, allow_unused=True) if kept else []
    second = [None if g is None or not bool((g != 0).any()) else g for g in second]
    return [z, *first, *second]


def same(name, inputs, options=None, *, ours=None, theirs=None, tolerance=TOLERANCE):
    options = options or {}
    mine = twice(rl, ours or getattr(rl, name), inputs, options)
    other = twice(torch, theirs or getattr(F, name), inputs, options)
    assert len(mine) == len(other)
    for a, b in zip(mine, other, strict=True):
        if a is None or b is None:
            assert a is b
            continue
        assert tuple(a.shape) == tuple(b.shape)
        assert str(a.dtype) == str(b.dtype).partition(".")[2]
        b = b.detach().numpy()
        np.testing.assert_allclose(a.detach().numpy(), b, rtol=tolerance, atol=tolerance)


REDUCTIONS = ["mean", "sum", "none"]
X, Y = numbers(3, 5), numbers(3, 5, seed=1)
LOSSES = [
    ("smooth_l1_loss", (X, Y), {}),
    ("smooth_l1_loss", (X, Y), {"beta": 0.3}),
    ("smooth_l1_loss", (X, Y), {"beta": 0.0}),
    ("huber_loss", (X, Y), {}),
    ("huber_loss", (X, Y), {"delta": 0.3}),
    ("kl_div", (X, np.abs(Y)), {}),
    ("kl_div", (X, Y), {"log_target": True}),
]


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("name", "inputs", "options"), LOSSES)
def test_losses(name, inputs, options, reduction):
    same(name, inputs, options | {"reduction": reduction})


@pytest.mark.parametrize("log_target", [False, True])
def test_divergence_of_a_batch(log_target):
    same("kl_div", (X, np.abs(Y)), {"reduction": "batchmean", "log_target": log_target})


def test_divergence_from_impossible_targets():
    x, y = rl.tensor([-1.0, -2.0], requires_grad=True), rl.tensor([0.0, 1.0])
    z = rl.kl_div(x, y, "none")
    assert z.tolist() == [0.0, 2.0]
    z.sum().backward()
    assert x.grad.tolist() == [0.0, -1.0]


def test_weights_of_huber():
    inputs = (X, Y, "mean", 1.0, np.abs(Y))
    same("huber_loss", inputs)


@pytest.mark.parametrize("name", ["smooth_l1_loss", "huber_loss"])
def test_what_is_infinitely_far(name):
    x = rl.tensor([np.inf, np.nan, 0.0], requires_grad=True)
    z = getattr(rl, name)(x, rl.zeros(3), "none")
    z.sum().backward()
    y = torch.tensor([np.inf, np.nan, 0.0], requires_grad=True)
    w = getattr(F, name)(y, torch.zeros(3), reduction="none")
    w.sum().backward()
    np.testing.assert_array_equal(z.detach().numpy(), w.detach().numpy())
    np.testing.assert_array_equal(x.grad.numpy(), y.grad.numpy())


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_cosine_similarity(dim):
    same("cosine_similarity", (X, Y), {"dim": dim})
    same("cosine_similarity", (X, Y[:1]), {"dim": dim})


@pytest.mark.parametrize("options", [{}, {"p": 1.0}, {"dim": 0}, {"p": 3.0, "dim": -1}])
def test_normalize(options):
    same("normalize", (X,), options)


def test_what_is_zero_has_no_direction():
    assert rl.normalize(rl.zeros(2, 3)).tolist() == [[0.0] * 3] * 2
    assert rl.cosine_similarity(rl.zeros(1, 3), rl.ones(1, 3)).tolist() == [0.0]


IMAGES = numbers(4, 6, 3, 2)
W, B = numbers(6, seed=2), numbers(6, seed=3)
NORMS = [
    ("rms_norm", (X, (5,)), {}),
    ("rms_norm", (X, (5,), numbers(5)), {"eps": 0.1}),
    ("rms_norm", (IMAGES, (3, 2), numbers(3, 2)), {}),
    ("group_norm", (IMAGES, 3), {}),
    ("group_norm", (IMAGES, 2, W, B), {"eps": 0.1}),
    ("group_norm", (numbers(2, 6), 1, W, B), {}),
    ("group_norm", (IMAGES, 6, W, B), {}),
    ("instance_norm", (IMAGES,), {}),
    ("instance_norm", (IMAGES, None, None, W, B), {"eps": 0.1}),
    ("instance_norm", (IMAGES[:, :, :, 0], None, None, W, B), {}),
]


@pytest.mark.parametrize(("name", "inputs", "options"), NORMS)
def test_norms(name, inputs, options):
    same(name, inputs, options)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("name", ["rms_norm", "group_norm"])
def test_norms_of_short_types(name, dtype):
    x = numbers(4, 6).astype("f")
    argument = (6,) if name == "rms_norm" else 2
    z = getattr(rl, name)(rl.tensor(x).to(getattr(rl, dtype)), argument)
    w = getattr(F, name)(torch.tensor(x).to(getattr(torch, dtype)), argument)
    assert str(w.dtype) == f"torch.{z.dtype}"
    tolerance = 8 * float(rl.finfo(z.dtype).eps)
    np.testing.assert_allclose(z.float().numpy(), w.float().numpy(), rtol=tolerance, atol=tolerance)


def test_running_statistics_of_instances():
    found = []
    for module, function in ((rl, rl.instance_norm), (torch, F.instance_norm)):
        mean, var = module.zeros(6, dtype=module.float64), module.ones(6, dtype=module.float64)
        x = module.tensor(IMAGES)
        function(x, mean, var, momentum=0.3)
        z = function(x, mean, var, use_input_stats=False)
        found.append([mean.numpy(), var.numpy(), z.numpy()])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=TOLERANCE)


def test_norms_of_nothing():
    assert rl.group_norm(rl.zeros(0, 6, 2), 3).shape == (0, 6, 2)
    assert rl.instance_norm(rl.zeros(0, 6, 2)).shape == (0, 6, 2)
    assert rl.rms_norm(rl.zeros(0, 6), 6).shape == (0, 6)


LINE, VOLUME = numbers(2, 4, 9), numbers(2, 4, 5, 4, 3)
PLANE = numbers(2, 4, 6, 5)
CONVOLUTIONS = [
    ("conv1d", (LINE, numbers(6, 4, 3), W), {}),
    ("conv1d", (LINE[0], numbers(6, 2, 3), None), {"stride": 2, "padding": 2, "groups": 2}),
    ("conv1d", (LINE, numbers(6, 4, 4), W), {"padding": "same", "dilation": (2,)}),
    ("conv3d", (VOLUME, numbers(3, 4, 2, 2, 2), W[:3]), {"stride": (1, 2, 1), "padding": 1}),
    ("conv_transpose1d", (LINE, numbers(4, 3, 3), W[:3]), {}),
    ("conv_transpose1d", (LINE[0], numbers(4, 3, 3)), {"stride": 3, "output_padding": 2}),
    ("conv_transpose2d", (PLANE, numbers(4, 3, 3, 2), W[:3]), {"stride": (2, 1), "padding": 1}),
    (
        "conv_transpose2d",
        (PLANE, numbers(4, 3, 3, 2), W),
        {"groups": 2, "stride": 2, "output_padding": (1, 0), "padding": (1, 0)},
    ),
    (
        "conv_transpose2d",
        (PLANE, numbers(4, 3, 2, 2)),
        {"dilation": 3, "padding": 1, "output_padding": 2},
    ),
    ("conv_transpose3d", (VOLUME, numbers(4, 2, 2, 3, 1), W[:2]), {"stride": 2}),
]


@pytest.mark.parametrize(("name", "inputs", "options"), CONVOLUTIONS)
def test_convolutions(name, inputs, options):
    same(name, inputs, options, tolerance=1e-7)


POOLS = [
    ("max_pool1d", LINE, (2,), {}),
    ("max_pool1d", LINE[0], (3, 2, 1), {"ceil_mode": True}),
    ("max_pool2d", PLANE, (2,), {"ceil_mode": True}),
    ("max_pool2d", PLANE, (3, 2, 1, 2), {"ceil_mode": True}),
    ("max_pool2d", PLANE, ((3, 2), (4, 3), 1), {"ceil_mode": True}),
    ("max_pool3d", VOLUME, (2, 1), {"padding": 1}),
    ("avg_pool1d", LINE, (2,), {}),
    ("avg_pool1d", LINE[0], (3, 2, 1), {"count_include_pad": False}),
    ("avg_pool1d", LINE, (4, 3, 1), {"ceil_mode": True}),
    ("avg_pool2d", PLANE, (4, 3, 1), {"ceil_mode": True}),
    ("avg_pool2d", PLANE, (4, 3, 1), {"ceil_mode": True, "count_include_pad": False}),
    ("avg_pool2d", PLANE, (4, 3, 1), {"ceil_mode": True, "divisor_override": 3}),
    ("avg_pool2d", PLANE, ((2, 3), (3, 4)), {"ceil_mode": True}),
    ("avg_pool3d", VOLUME, (2, 1), {"padding": 1}),
    ("adaptive_avg_pool1d", LINE, (3,), {}),
    ("adaptive_avg_pool1d", LINE, (4,), {}),
    ("adaptive_avg_pool2d", PLANE, ((4, None),), {}),
    ("adaptive_avg_pool2d", PLANE, ((3, 7),), {}),
    ("adaptive_avg_pool3d", VOLUME, (2,), {}),
]


@pytest.mark.parametrize(("name", "x", "args", "options"), POOLS)
def test_pools(name, x, args, options):
    def pool(function):
        return lambda x: function(x, *args, **options)

    same(name, (x,), ours=pool(getattr(rl, name)), theirs=pool(getattr(F, name)))


def test_convolutions_compiled():
    w = rl.tensor(numbers(4, 3, 3, 2))
    function = lambda x: rl.conv_transpose2d(x, w, None, 2)  # noqa: E731
    x = rl.tensor(PLANE)
    assert rl.equal(rl.compile(function)(x), function(x))


REFUSED = {
    "conv1d: stride (1, 2); give an integer from 1": lambda: rl.conv1d(
        rl.ones(1, 1, 3), rl.ones(1, 1, 1), stride=(1, 2)
    ),
    "conv3d: stride 0; give an integer from 1, or three of them": lambda: rl.conv3d(
        rl.ones(1, 1, 1, 1, 1), rl.ones(1, 1, 1, 1, 1), stride=0
    ),
    "conv_transpose1d: output_padding 2; give less than stride or dilation": (
        lambda: rl.conv_transpose1d(rl.ones(1, 1, 3), rl.ones(1, 1, 1), output_padding=2)
    ),
    "rms_norm: float32[2, 3] over [2]; give the shape of its last dims": lambda: rl.rms_norm(
        rl.ones(2, 3), 2
    ),
    "group_norm: float32[2, 3] in 2 groups; give a number that divides the channels": (
        lambda: rl.group_norm(rl.ones(2, 3), 2)
    ),
    "instance_norm: float32[2, 3, 1] has one value per channel; give more than 1": (
        lambda: rl.instance_norm(rl.ones(2, 3, 1))
    ),
    "smooth_l1_loss: beta -1; give a number from 0": lambda: rl.smooth_l1_loss(
        rl.ones(2), rl.ones(2), beta=-1
    ),
    "huber_loss: delta 0; give a number above 0": lambda: rl.huber_loss(
        rl.ones(2), rl.ones(2), delta=0
    ),
    "kl_div: reduction='avg'; choose 'none', 'mean' or 'sum'": lambda: rl.kl_div(
        rl.ones(2), rl.ones(2), "avg"
    ),
}


@pytest.mark.parametrize("message", REFUSED)
def test_refusals(message):
    with pytest.raises(rl.ContractError) as caught:
        REFUSED[message]()
    assert str(caught.value) == message
