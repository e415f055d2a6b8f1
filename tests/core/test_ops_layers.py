"""Layers and losses as functions: PyTorch's values and gradients, on both devices of core."""

import re

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import rushlight as rl
from rushlight import ops
from rushlight.errors import ContractError, IndexOutOfRange

LIBRARIES = {"ours": (rl, rl), "theirs": (torch, F)}


class Arrays:
    """Inputs by name, drawn once and given to both libraries."""

    def __init__(self, lib, dtype, device):
        self.lib, self.dtype, self.device = lib, dtype, device
        self.leaves = []

    def __call__(self, *shape, low=-2.0, high=2.0, grad=True):
        rng = np.random.default_rng(len(self.leaves) + 17)
        values = rng.uniform(low, high, shape).astype(self.dtype)
        x = self.made(np.asarray(values)).requires_grad_(grad)
        self.leaves.append(x)
        return x

    def made(self, values):
        return (
            self.lib.tensor(values, device=self.device)
            if self.lib is rl
            else self.lib.tensor(values)
        )

    def classes(self, *shape, n, ignored=()):
        rng = np.random.default_rng(3)
        values = rng.integers(0, n, shape)
        values.reshape(-1)[list(ignored)] = -100
        return self.made(values)


CALLS = {
    "linear": lambda f, x: f.linear(x(3, 4), x(5, 4), x(5)),
    "linear without bias": lambda f, x: f.linear(x(2, 3, 4), x(5, 4)),
    "linear of a row": lambda f, x: f.linear(x(4), x(5, 4), x(5)),
    "conv2d": lambda f, x: f.conv2d(x(2, 3, 6, 5), x(4, 3, 3, 2), x(4)),
    "conv2d unbatched": lambda f, x: f.conv2d(x(3, 6, 5), x(4, 3, 3, 2)),
    "conv2d padded": lambda f, x: f.conv2d(x(2, 3, 5, 5), x(4, 3, 3, 3), padding=(1, 2)),
    "conv2d same": lambda f, x: f.conv2d(x(2, 3, 5, 6), x(4, 3, 3, 3), padding="same"),
    "conv2d valid": lambda f, x: f.conv2d(x(2, 3, 5, 6), x(4, 3, 3, 3), padding="valid"),
    "conv2d strided": lambda f, x: f.conv2d(x(2, 3, 7, 8), x(4, 3, 3, 3), stride=(2, 3)),
    "conv2d dilated": lambda f, x: f.conv2d(x(2, 3, 7, 8), x(4, 3, 3, 2), dilation=(2, 3)),
    "conv2d grouped": lambda f, x: f.conv2d(x(2, 4, 5, 5), x(6, 2, 3, 3), x(6), groups=2),
    "conv2d depthwise": lambda f, x: f.conv2d(x(1, 3, 5, 5), x(6, 1, 3, 3), groups=3, padding=1),
    "max_pool2d": lambda f, x: f.max_pool2d(x(2, 3, 6, 4), 2),
    "max_pool2d strided": lambda f, x: f.max_pool2d(x(2, 3, 7, 7), 3, stride=2, padding=1),
    "max_pool2d dilated": lambda f, x: f.max_pool2d(x(2, 3, 7, 7), (2, 3), 1, 0, (2, 1)),
    "max_pool2d unbatched": lambda f, x: f.max_pool2d(x(3, 6, 4), (3, 2)),
    "avg_pool2d": lambda f, x: f.avg_pool2d(x(2, 3, 6, 4), 2),
    "avg_pool2d padded": lambda f, x: f.avg_pool2d(x(2, 3, 6, 6), 3, stride=2, padding=1),
    "avg_pool2d of what is there": lambda f, x: f.avg_pool2d(
        x(2, 3, 6, 6), 3, stride=2, padding=1, count_include_pad=False
    ),
    "avg_pool2d divided": lambda f, x: f.avg_pool2d(x(2, 3, 6, 6), 2, divisor_override=3),
    "adaptive_avg_pool2d": lambda f, x: f.adaptive_avg_pool2d(x(2, 3, 6, 4), (3, 2)),
    "adaptive_avg_pool2d to one": lambda f, x: f.adaptive_avg_pool2d(x(2, 3, 6, 4), 1),
    "batch_norm": lambda f, x: f.batch_norm(x(6, 3), None, None, x(3), x(3), training=True),
    "batch_norm of images": lambda f, x: f.batch_norm(
        x(2, 3, 4, 5), x(3, grad=False), x(3, low=0.5, grad=False), training=True, momentum=0.3
    ),
    "batch_norm in evaluation": lambda f, x: f.batch_norm(
        x(2, 3, 4), x(3, grad=False), x(3, low=0.5, grad=False), x(3), x(3), eps=0.1
    ),
    "layer_norm": lambda f, x: f.layer_norm(x(3, 5), (5,), x(5), x(5)),
    "layer_norm of two dims": lambda f, x: f.layer_norm(x(2, 3, 4), (3, 4), x(3, 4), eps=0.1),
    "layer_norm plain": lambda f, x: f.layer_norm(x(3, 5), [5]),
    "relu": lambda f, x: f.relu(x(3, 5)),
    "gelu": lambda f, x: f.gelu(x(3, 5)),
    "gelu tanh": lambda f, x: f.gelu(x(3, 5), approximate="tanh"),
    "silu": lambda f, x: f.silu(x(3, 5)),
    "leaky_relu": lambda f, x: f.leaky_relu(x(3, 5), 0.2),
    "elu": lambda f, x: f.elu(x(3, 5), 0.7),
    "softplus": lambda f, x: f.softplus(x(3, 5), beta=2.0, threshold=3.0),
    "sigmoid": lambda f, x: f.sigmoid(x(3, 5)),
    "tanh": lambda f, x: f.tanh(x(3, 5)),
    "softmax": lambda f, x: f.softmax(x(3, 5), dim=-1),
    "softmax of a number": lambda f, x: f.softmax(x(), dim=0),
    "log_softmax": lambda f, x: f.log_softmax(x(2, 3, 4), dim=1),
    "one_hot": lambda f, x: f.one_hot(x.classes(2, 3, n=4), 4),
    "one_hot of all": lambda f, x: f.one_hot(x.classes(9, n=4)),
    "embedding": lambda f, x: f.embedding(x.classes(2, 3, n=4), x(4, 5)),
    "mse_loss": lambda f, x: f.mse_loss(x(3, 5), x(3, 5)),
    "mse_loss summed": lambda f, x: f.mse_loss(x(3, 5), x(3, 5), reduction="sum"),
    "mse_loss each": lambda f, x: f.mse_loss(x(3, 5), x(3, 5), reduction="none"),
    "l1_loss": lambda f, x: f.l1_loss(x(3, 5), x(3, 5)),
    "bce": lambda f, x: f.binary_cross_entropy(x(3, 5, low=0, high=1), x(3, 5, low=0, high=1)),
    "bce weighted": lambda f, x: f.binary_cross_entropy(
        x(3, 5, low=0, high=1),
        x(3, 5, low=0, high=1, grad=False),
        x(5, grad=False),
        reduction="sum",
    ),
    "bce with logits": lambda f, x: f.binary_cross_entropy_with_logits(
        x(3, 5, low=-9, high=9), x(3, 5, low=0, high=1)
    ),
    "bce with logits, weighted": lambda f, x: f.binary_cross_entropy_with_logits(
        x(3, 5),
        x(3, 5, low=0, high=1, grad=False),
        x(5, grad=False),
        pos_weight=x(5, low=1, grad=False),
    ),
    "nll_loss": lambda f, x: f.nll_loss(x(5, 3), x.classes(5, n=3)),
    "nll_loss of images": lambda f, x: f.nll_loss(
        x(2, 3, 4), x.classes(2, 4, n=3), reduction="none"
    ),
    "nll_loss weighted": lambda f, x: f.nll_loss(
        x(5, 3), x.classes(5, n=3, ignored=[1]), x(3, low=0.5, grad=False)
    ),
    "nll_loss of a row": lambda f, x: f.nll_loss(x(3), x.classes(n=3)),
    "cross_entropy": lambda f, x: f.cross_entropy(x(5, 3), x.classes(5, n=3)),
    "cross_entropy ignoring": lambda f, x: f.cross_entropy(
        x(5, 3), x.classes(5, n=3, ignored=[0, 3])
    ),
    "cross_entropy weighted": lambda f, x: f.cross_entropy(
        x(5, 3), x.classes(5, n=3), x(3, low=0.5, grad=False)
    ),
    "cross_entropy smoothed": lambda f, x: f.cross_entropy(
        x(5, 3), x.classes(5, n=3, ignored=[2]), x(3, low=0.5, grad=False), label_smoothing=0.1
    ),
    "cross_entropy of shares": lambda f, x: f.cross_entropy(
        x(5, 3), f.softmax(x(5, 3), dim=1), label_smoothing=0.2
    ),
    "cross_entropy each": lambda f, x: f.cross_entropy(
        x(2, 3, 4), x.classes(2, 4, n=3), reduction="none"
    ),
    "cross_entropy of a row": lambda f, x: f.cross_entropy(x(3), x.classes(n=3)),
}


def outcome(library, name, dtype, device="numpy"):
    """The value, then the gradient of each leaf, or what another input holds afterwards."""
    lib, functions = LIBRARIES[library]
    arrays = Arrays(lib, dtype, device)
    z = CALLS[name](functions, arrays)
    if z.requires_grad:
        weights = np.cos(np.arange(z.numel())).astype(dtype).reshape(tuple(z.shape))
        (z * arrays.made(weights)).sum().backward()
    found = [z, *(x.grad if x.requires_grad else x for x in arrays.leaves)]
    return [None if x is None else x.detach().numpy() for x in found]


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    ("device", "dtype"), [("numpy", "float64"), ("numpy", "float32"), ("hostile", "float32")]
)
def test_values_and_gradients_are_pytorchs(name, device, dtype):
    close = {"float64": 1e-10, "float32": 2e-5}[dtype]
    ours, theirs = outcome("ours", name, dtype, device), outcome("theirs", name, dtype)
    for i, (x, y) in enumerate(zip(ours, theirs, strict=True)):
        what = "value" if i == 0 else f"input {i - 1}"
        if y is None:
            assert x is None or not x.any(), what
            continue
        assert (x.shape, x.dtype) == (y.shape, y.dtype), what
        np.testing.assert_allclose(x, y, rtol=close, atol=close, err_msg=what)


def test_running_statistics_move_by_momentum():
    mean, var = rl.zeros(3), rl.ones(3)
    x = rl.randn(8, 3)
    rl.batch_norm(x, mean, var, training=True, momentum=0.5)
    np.testing.assert_allclose(mean.numpy(), x.numpy().mean(0) / 2, rtol=1e-5)
    np.testing.assert_allclose(var.numpy(), 0.5 + x.numpy().var(0, ddof=1) / 2, rtol=1e-5)


def test_probabilities_of_zero_and_one_have_finite_losses_and_gradients():
    for lib, f in LIBRARIES.values():
        p = lib.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True)
        loss = f.binary_cross_entropy(p, lib.tensor([0.0, 1.0, 1.0, 0.0]))
        loss.backward()
        assert loss.item() == 50
        np.testing.assert_allclose(p.grad.numpy(), [0, 0, -2.5e11, 2.5e11], rtol=1e-6)


def test_extreme_logits_do_not_overflow():
    logits = rl.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    loss = rl.cross_entropy(logits, rl.tensor([1]))
    loss.backward()
    assert loss.item() == 2e4
    assert logits.grad.tolist() == [[1.0, -1.0, 0.0]]
    sure = rl.tensor([1e4, -1e4], requires_grad=True)
    loss = rl.binary_cross_entropy_with_logits(sure, rl.tensor([0.0, 1.0]))
    loss.backward()
    assert loss.item() == 1e4
    assert sure.grad.tolist() == [0.5, -0.5]


X34, W, B = rl.ones(3, 4), rl.ones(5, 4), rl.ones(5)
IMAGE = rl.ones(2, 3, 5, 6)

MISTAKES = {
    "matmul: inner lengths differ": (
        lambda: X34 @ X34,
        (
            "matmul: inner lengths differ: float32[3, 4] @ float32[3, 4]; "
            "transpose one with .mT if that is meant"
        ),
    ),
    "matmul of numbers": (
        lambda: X34 @ rl.tensor(2.0),
        "matmul: float32[3, 4] @ float32[]; both need at least 1 dim, use * for numbers",
    ),
    "matmul of vectors": (
        lambda: rl.ones(3) @ rl.ones(4),
        (
            "matmul: inner lengths differ: float32[3] @ float32[4]; "
            "give both one inner length, 3 or 4"
        ),
    ),
    "matmul of a vector and a matrix": (
        lambda: rl.ones(3) @ X34.mT,
        (
            "matmul: inner lengths differ: float32[3] @ float32[4, 3]; "
            "give both one inner length, 3 or 4"
        ),
    ),
    "matmul of matrices and a vector": (
        lambda: X34[None] @ rl.ones(3),
        (
            "matmul: inner lengths differ: float32[1, 3, 4] @ float32[3]; "
            "give both one inner length, 4 or 3"
        ),
    ),
    "matmul of vectors of two types": (
        lambda: rl.ones(3) @ rl.ones(3, dtype=rl.float64),
        "matmul: element types differ: float32[3] @ float64[3]; convert one with .to()",
    ),
    "matmul as an operation, of vectors": (
        lambda: ops.matmul(rl.ones(3), rl.ones(3)),
        "matmul: float32[3] @ float32[3]; give both at least 2 dims",
    ),
    "matmul of two types": (
        lambda: X34 @ rl.ones(4, 2, dtype=rl.float64),
        "matmul: element types differ: float32[3, 4] @ float64[4, 2]; convert one with .to()",
    ),
    "broadcast": (
        lambda: rl.ones(3) + rl.ones(4),
        (
            "add: shapes [3] and [4] do not broadcast; axis 0 has lengths 3 and 4, "
            "make them equal or one of them 1"
        ),
    ),
    "reshape": (
        lambda: X34.reshape(5, 2),
        (
            "reshape: float32[3, 4] has 12 elements, shape [5, 2] needs 10; "
            "use a shape of the same size"
        ),
    ),
    "reshape -1": (
        lambda: X34.reshape(5, -1),
        "reshape: shape [5, -1] for 12 elements; they do not divide evenly",
    ),
    "expand": (
        lambda: X34.expand(3, 5),
        (
            "expand: shapes [3, 4] and [3, 5] do not broadcast; axis 1 has lengths 4 and 5, "
            "make them equal or one of them 1"
        ),
    ),
    "permute": (
        lambda: X34.permute(0, 0),
        "permute: order (0, 0) for float32[3, 4]; name each of its 2 axes once",
    ),
    "cat": (
        lambda: rl.cat([X34, W], 1),
        "cat: float32[3, 4] and float32[5, 4] along dim 1; give all other dims the same lengths",
    ),
    "max of nothing": (
        lambda: rl.zeros(0).max(),
        "max: float32[0] has no elements along axes (0,); there is no max of nothing",
    ),
    "mean of ints": (
        lambda: rl.arange(3).mean(),
        "mean: int64[3] is not floating point; convert it with .float()",
    ),
    "conv2d channels": (
        lambda: rl.conv2d(IMAGE, rl.ones(4, 2, 3, 3)),
        (
            "conv2d: input float32[2, 3, 5, 6] with weight float32[4, 2, 3, 3] and groups=1; "
            "input channels must be weight.shape[1] * groups, and output channels divisible by "
            "groups"
        ),
    ),
    "conv2d dims": (
        lambda: rl.conv2d(rl.ones(3, 5), rl.ones(4, 3, 3, 3)),
        (
            "conv2d: input float32[3, 5] with weight float32[4, 3, 3, 3]; "
            "give [b, c, h, w] (or [c, h, w]) and [o, c / groups, k, l]"
        ),
    ),
    "conv2d too large": (
        lambda: rl.conv2d(IMAGE, rl.ones(4, 3, 6, 3)),
        (
            "conv2d: windows spanning [6, 3] over float32[2, 3, 5, 6], which with its padding is "
            "[5, 6]; give smaller windows or more padding"
        ),
    ),
    "conv2d same, strided": (
        lambda: rl.conv2d(IMAGE, rl.ones(4, 3, 3, 3), padding="same", stride=2),
        "conv2d: padding 'same' with stride [2, 2]; give stride 1",
    ),
    "max_pool2d padding": (
        lambda: rl.max_pool2d(IMAGE, 2, padding=2),
        "max_pool2d: padding 2 for kernel_size 2; at most half of it",
    ),
    "layer_norm shape": (
        lambda: rl.layer_norm(X34, (3,)),
        "layer_norm: float32[3, 4] over [3]; give the shape of its last dims",
    ),
    "batch_norm of one": (
        lambda: rl.batch_norm(rl.ones(1, 3), None, None, training=True),
        "batch_norm: float32[1, 3] has 1 value per channel; training needs more than 1",
    ),
    "mse_loss": (
        lambda: rl.mse_loss(rl.ones(3), rl.ones(3, 1)),
        "mse_loss: input float32[3] and target float32[3, 1]; give both the same shape",
    ),
    "reduction": (
        lambda: rl.l1_loss(rl.ones(3), rl.ones(3), reduction="max"),
        "l1_loss: reduction='max'; choose 'none', 'mean' or 'sum'",
    ),
    "cross_entropy shapes": (
        lambda: rl.cross_entropy(X34, rl.zeros(4, dtype=rl.int64)),
        "cross_entropy: logits float32[3, 4] with targets int64[4]; give [n, classes] and int [n]",
    ),
    "clamp": (lambda: rl.clamp(X34), "clamp: neither min nor max is given; give at least one"),
    "bits of floats": (
        lambda: ~X34,
        "bitwise_not: float32[3, 4] has no bits to work on; convert it to int or bool with .to()",
    ),
    "condition of floats": (
        lambda: rl.where(X34, 1.0, 2.0),
        "where: the condition is float32[3, 4]; compare it with something to get bool",
    ),
    "minus of bools": (
        lambda: (X34 > 0) - (X34 > 0),
        "sub: bool has no minus; use ^ for a difference, or convert with .to()",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_explained(mistake):
    call, message = MISTAKES[mistake]
    with pytest.raises(ContractError, match=f"^{re.escape(message)}$"):
        call()


@pytest.mark.parametrize("device", ["numpy", "hostile"])
@pytest.mark.parametrize("wrong", [3, -1])
def test_a_target_that_is_no_class(device, wrong):
    logits = rl.ones(2, 3, device=device)
    with pytest.raises(
        IndexOutOfRange, match=f"index {wrong} is out of range for axis 1 of length 3"
    ):
        rl.cross_entropy(logits, rl.tensor([0, wrong], device=device)).item()


def test_dims_that_are_not_there():
    for call in (lambda: X34.sum(2), lambda: X34.softmax(-3), lambda: X34.argmax(5)):
        with pytest.raises(
            IndexOutOfRange, match=r"dim -?\d of a tensor with 2 dims; use -2 to 1$"
        ):
            call()
