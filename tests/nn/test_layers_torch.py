"""Every layer beside PyTorch's: repr, state dict, output, gradients and running statistics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import rushlight as rl
import rushlight_nn as nn

EPS = float(np.finfo(np.float32).eps)

# a layer's constructor call, and the shape of an input
LAYERS = [
    ("Linear(5, 3)", (4, 5)),
    ("Linear(5, 3, bias=False)", (2, 4, 5)),
    ("Linear(5, 3)", (5,)),
    ("Conv2d(3, 4, 3)", (2, 3, 9, 7)),
    ("Conv2d(3, 4, 3)", (3, 9, 7)),
    ("Conv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), bias=False)", (2, 4, 9, 7)),
    ("Conv2d(4, 6, 3, padding=2, dilation=2, groups=2)", (2, 4, 9, 7)),
    ("Conv2d(4, 4, 4, padding='same')", (2, 4, 9, 7)),
    ("Conv2d(4, 4, 3, padding='valid')", (2, 4, 9, 7)),
    ("Conv2d(4, 4, 3, groups=4)", (2, 4, 9, 7)),
    ("MaxPool2d(2)", (2, 3, 9, 7)),
    ("MaxPool2d(3, stride=2, padding=1)", (2, 3, 9, 7)),
    ("MaxPool2d((2, 3), stride=(1, 2), dilation=(2, 1))", (2, 3, 9, 7)),
    ("AvgPool2d(2)", (2, 3, 9, 7)),
    ("AvgPool2d(3, stride=2, padding=1)", (2, 3, 9, 7)),
    ("AvgPool2d(3, stride=2, padding=1, count_include_pad=False)", (2, 3, 9, 7)),
    ("AvgPool2d(2, divisor_override=3)", (2, 3, 9, 7)),
    ("AdaptiveAvgPool2d(1)", (2, 3, 8, 6)),
    ("AdaptiveAvgPool2d((4, None))", (2, 3, 8, 6)),
    ("BatchNorm1d(5)", (4, 5)),
    ("BatchNorm1d(5)", (4, 5, 3)),
    ("BatchNorm2d(3)", (4, 3, 5, 2)),
    ("BatchNorm2d(3, eps=0.1, momentum=0.3)", (4, 3, 5, 2)),
    ("BatchNorm2d(3, affine=False)", (4, 3, 5, 2)),
    ("BatchNorm2d(3, momentum=None)", (4, 3, 5, 2)),
    ("BatchNorm2d(3, track_running_stats=False)", (4, 3, 5, 2)),
    ("LayerNorm(5)", (4, 5)),
    ("LayerNorm((3, 5), eps=0.1)", (4, 3, 5)),
    ("LayerNorm(5, elementwise_affine=False)", (4, 5)),
    ("LayerNorm(5, bias=False)", (4, 5)),
    ("Dropout(0.0)", (4, 5)),
    ("ReLU()", (4, 5)),
    ("ReLU(inplace=True)", (4, 5)),
    ("LeakyReLU(0.2)", (4, 5)),
    ("LeakyReLU(0.2, inplace=True)", (4, 5)),
    ("ELU()", (4, 5)),
    ("ELU(alpha=0.5)", (4, 5)),
    ("SiLU()", (4, 5)),
    ("GELU()", (4, 5)),
    ("GELU(approximate='tanh')", (4, 5)),
    ("Sigmoid()", (4, 5)),
    ("Tanh()", (4, 5)),
    ("Softplus()", (4, 5)),
    ("Softplus(beta=2.0, threshold=1.0)", (4, 5)),
    ("Softmax(dim=-1)", (4, 5)),
    ("Softmax(dim=0)", (4, 5)),
    ("LogSoftmax(dim=1)", (4, 5)),
    ("Identity()", (4, 5)),
    ("Flatten()", (2, 3, 4, 5)),
    ("Flatten(0, 1)", (2, 3, 4, 5)),
    ("Unflatten(1, (2, -1))", (3, 8)),
    ("Unflatten(-1, (2, 4))", (3, 8)),
    ("Sequential(n.Linear(5, 5), n.ReLU(), n.Linear(5, 2))", (4, 5)),
]
CALLS = [call for call, _ in LAYERS]


def pair(call):
    """Our module and PyTorch's, with the same values."""
    theirs = eval(f"n.{call}", {"n": torch.nn})
    ours = eval(f"n.{call}", {"n": nn})
    with torch.no_grad():
        for i, p in enumerate(theirs.parameters()):
            generator = torch.Generator().manual_seed(i)
            p.copy_(torch.randn(p.shape, generator=generator) * 0.5)
    ours.load_state_dict({key: value.numpy() for key, value in theirs.state_dict().items()})
    return ours, theirs


def values(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def agree(ours, theirs, terms):
    """Equal up to rounding in a sum of so many terms."""
    ours, theirs = ours.detach().numpy(), theirs.detach().numpy()
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    tolerance = 8 * EPS * np.sqrt(terms)
    scale = max(1.0, float(np.abs(theirs).max(initial=0)))
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * scale)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize(("call", "shape"), LAYERS)
@pytest.mark.parametrize("training", [True, False], ids=["train", "eval"])
def test_output_gradients_and_buffers(call, shape, training):
    ours, theirs = pair(call)
    ours.train(training)
    theirs.train(training)
    terms = int(np.prod(shape)) * 4
    for step in range(3):
        x = values(shape, step)
        mine = rl.tensor(x, requires_grad=True)
        other = torch.tensor(x, requires_grad=True)
        # in place needs a tensor that is no leaf
        z, w = ours(mine * 1.0), theirs(other * 1.0)
        agree(z, w, terms)
        g = values(tuple(w.shape), step + 10)
        z.backward(rl.tensor(g))
        w.backward(torch.tensor(g))
        agree(mine.grad, other.grad, terms)
    for (name, p), (other_name, q) in zip(
        ours.named_parameters(), theirs.named_parameters(), strict=True
    ):
        assert name == other_name
        agree(p.grad, q.grad, terms)
    for (name, b), (other_name, c) in zip(
        ours.named_buffers(), theirs.named_buffers(), strict=True
    ):
        assert name == other_name
        agree(b, c, terms)


@pytest.mark.parametrize("call", CALLS)
def test_repr(call):
    ours, theirs = pair(call)
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("call", CALLS)
def test_state_dict(call):
    ours, theirs = pair(call)
    mine, other = ours.state_dict(), theirs.state_dict()
    assert list(mine) == list(other)
    for key, value in other.items():
        assert mine[key].shape == tuple(value.shape)
        assert mine[key].dtype.name == str(value.dtype).removeprefix("torch.")


@pytest.mark.parametrize(
    "call", ["Linear(400, 300)", "Conv2d(20, 30, 5)", "Linear(7, 2, bias=False)"]
)
def test_first_values_are_distributed_alike(call):
    ours = eval(f"n.{call}", {"n": nn})
    theirs = eval(f"n.{call}", {"n": torch.nn})
    for (name, p), (_, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        mine, other = p.detach().numpy(), q.detach().numpy()
        fan_in = int(np.prod(ours.weight.shape[1:]))
        assert np.abs(mine).max() <= 1 / np.sqrt(fan_in), name
        if mine.size > 1000:
            assert np.abs(mine).max() > 0.99 / np.sqrt(fan_in)
            assert abs(mine.mean()) < 5 * other.std() / np.sqrt(mine.size)
            np.testing.assert_allclose(mine.std(), other.std(), rtol=0.03)


def test_weights_that_pytorch_saved(tmp_path):
    theirs = torch.nn.Sequential(
        torch.nn.Conv2d(1, 4, 3, padding=1),
        torch.nn.BatchNorm2d(4),
        torch.nn.ReLU(),
        torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(64, 10),
    )
    x = values((5, 1, 8, 8))
    theirs(torch.tensor(x))  # moves the running statistics
    theirs.eval()
    save_file(theirs.state_dict(), tmp_path / "model.safetensors")
    ours = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10),
    ).eval()
    result = ours.load_state_dict(rl.load(tmp_path / "model.safetensors"))
    assert not result.missing_keys
    assert not result.unexpected_keys
    agree(ours(rl.tensor(x)), theirs(torch.tensor(x)), 64)


def test_backward_hooks_see_the_same():
    ours, theirs = pair("Sequential(n.Linear(5, 4), n.Tanh(), n.Linear(4, 2))")
    x = values((3, 5))
    seen = {"ours": [], "theirs": []}
    for name, net in (("ours", ours), ("theirs", theirs)):

        def before(module, grad_output, name=name):
            seen[name].append(("before", [g.detach().numpy() for g in grad_output]))
            return tuple(g * 2 for g in grad_output)

        def after(module, grad_input, grad_output, name=name):
            arrays = [
                None if g is None else g.detach().numpy() for g in (*grad_input, *grad_output)
            ]
            seen[name].append(("after", arrays))
            return tuple(None if g is None else g * 3 for g in grad_input)

        net[2].register_full_backward_pre_hook(before)
        net[2].register_full_backward_hook(after)
    ours(rl.tensor(x)).sum().backward()
    theirs(torch.tensor(x)).sum().backward()
    assert [kind for kind, _ in seen["ours"]] == [kind for kind, _ in seen["theirs"]]
    for (_, mine), (_, other) in zip(seen["ours"], seen["theirs"], strict=True):
        for a, b in zip(mine, other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6)
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        agree(p.grad, q.grad, 20)


@pytest.mark.filterwarnings("ignore:Full backward hook is firing:UserWarning")
def test_a_backward_hook_where_no_input_asks():
    ours, theirs = pair("Linear(5, 4)")
    x = values((3, 5))
    seen = []
    for net, tensor in ((ours, rl.tensor), (theirs, torch.tensor)):
        net.register_full_backward_hook(
            lambda module, grad_input, grad_output: seen.append((grad_input, grad_output[0].shape))
        )
        net(tensor(x)).sum().backward()
    assert seen[0][0] == seen[1][0] == (None,)
    assert tuple(seen[0][1]) == tuple(seen[1][1])


class TestDropout:
    def test_the_share_that_is_dropped(self):
        rl.manual_seed(0)
        x = rl.ones(100_000, requires_grad=True)
        z = nn.Dropout(0.3)(x)
        kept = z.detach().numpy() != 0
        # five standard deviations of the share
        assert abs(kept.mean() - 0.7) < 5 * np.sqrt(0.3 * 0.7 / kept.size)
        np.testing.assert_allclose(z.detach().numpy()[kept], np.float32(1 / 0.7), rtol=2 * EPS)
        z.sum().backward()
        np.testing.assert_array_equal(x.grad.numpy(), z.detach().numpy())

    def test_all_and_nothing(self):
        x = rl.ones(5)
        assert nn.Dropout(1.0)(x).tolist() == [0.0] * 5
        assert nn.Dropout(1.0).eval()(x) is x

    def test_repr(self):
        assert repr(nn.Dropout(0.2, inplace=True)) == repr(torch.nn.Dropout(0.2, inplace=True))

    def test_in_place(self):
        x = rl.ones(50)
        z = nn.Dropout(0.5, inplace=True)(x)
        assert z is x
        assert set(x.tolist()) == {0.0, 2.0}


class TestMistakes:
    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (
                lambda: nn.Conv2d(3, 4, 3, groups=2),
                (
                    "Conv2d: 3 and 4 channels in 2 groups; "
                    "give a positive number of groups that divides both"
                ),
            ),
            (
                lambda: nn.Conv2d(3, 4, 3, padding="full"),
                "Conv2d: padding 'full'; give a number, a pair, 'same' or 'valid'",
            ),
            (
                lambda: nn.Conv2d(3, 4, 3, padding="same", stride=2),
                "Conv2d: padding 'same' with stride [2, 2]; give stride 1",
            ),
            (
                lambda: nn.Dropout(1.5),
                "Dropout: p is 1.5; give a probability between 0 and 1",
            ),
            (
                lambda: nn.BatchNorm2d(3)(rl.zeros(2, 3)),
                "BatchNorm2d: float32[2, 3]; give an input of 4 axes, channels in axis 1",
            ),
            (
                lambda: nn.BatchNorm1d(3)(rl.zeros(3)),
                "BatchNorm1d: float32[3]; give an input of 2 or 3 axes, channels in axis 1",
            ),
            (
                lambda: nn.Softmax()(rl.zeros(3)),
                "Softmax: no axis is given; construct it with dim=, -1 for the last axis",
            ),
            (
                lambda: nn.MSELoss(reduction="avg"),
                "MSELoss: reduction 'avg'; give 'mean', 'sum' or 'none'",
            ),
        ],
    )
    def test_message(self, make, message):
        with pytest.raises(rl.ContractError) as caught:
            make()
        assert str(caught.value) == message
        assert isinstance(caught.value, ValueError)
        assert isinstance(caught.value, RuntimeError)

    def test_unflatten(self):
        with pytest.raises(IndexError, match="Unflatten: axis 3 of"):
            nn.Unflatten(3, (2, 2))(rl.zeros(2, 4))
        with pytest.raises(TypeError, match="give an axis number and lengths"):
            nn.Unflatten("name", (2, 2))

    def test_the_wrong_width(self):
        with pytest.raises(rl.ContractError, match=r"float32\[1, 4\]"):
            nn.Linear(3, 2)(rl.zeros(1, 4))


def test_layers_of_other_types_and_places():
    layer = nn.Linear(3, 2, device="numpy", dtype=rl.float64)
    assert layer.weight.dtype is rl.float64
    norm = nn.BatchNorm2d(3, dtype=rl.float64)
    assert norm.running_var.dtype is rl.float64
    assert norm.num_batches_tracked.dtype is rl.int64


def test_no_features():
    assert nn.Linear(0, 3)(rl.zeros(2, 0)).shape == (2, 3)
    assert nn.Linear(3, 0)(rl.zeros(2, 3)).shape == (2, 0)


def test_running_statistics_can_be_reset():
    norm = nn.BatchNorm2d(2)
    norm(rl.randn(3, 2, 4, 4))
    with rl.no_grad():
        norm.weight.mul_(2)
    norm.reset_parameters()
    assert norm.running_mean.tolist() == [0.0, 0.0]
    assert norm.running_var.tolist() == [1.0, 1.0]
    assert norm.num_batches_tracked.item() == 0
    assert norm.weight.tolist() == [1.0, 1.0]
    layer = nn.LayerNorm(2)
    with rl.no_grad():
        layer.weight.mul_(2)
        layer.bias.add_(1)
    layer.reset_parameters()
    assert layer.weight.tolist() == [1.0, 1.0]
    assert layer.bias.tolist() == [0.0, 0.0]
