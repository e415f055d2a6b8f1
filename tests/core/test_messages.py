"""What a mistake is told: by the name that was called, with an error made on purpose."""

import re

import numpy as np
import pytest

import rushlight as rl
from rushlight import ops
from rushlight.errors import (
    ContractError,
    DeviceError,
    IndexOutOfRange,
    OutOfMemory,
    RushlightError,
)
from rushlight.extend import Spec

X = rl.ones(2, 3)
MASK = X > 0.5
INDEX = rl.tensor([0, 1])
IMAGE = rl.ones(1, 2, 5, 5)
WEIGHT = rl.ones(3, 2, 3, 3)

# Each takes the place of a tensor.
WRONG = {
    "list": [1.0, 2.0],
    "numpy": np.ones((2, 3), np.float32),
    "None": None,
    "text": "a",
    "number": 2.5,
}

UNARY = (
    "mean sum prod var std max min amax amin argmax argmin any all square reciprocal isnan isinf "
    "isfinite logical_not norm t squeeze flatten numel clone detach gelu "
    "leaky_relu elu softplus relu sigmoid tanh silu abs exp log sqrt rsqrt neg sign floor sin cos "
    "erf zeros_like ones_like empty_like rand_like randn_like bernoulli dropout one_hot"
).split()

CALLS = {name: getattr(rl, name) for name in UNARY} | {
    "adaptive_avg_pool2d": lambda x: rl.adaptive_avg_pool2d(x, 1),
    "avg_pool2d": lambda x: rl.avg_pool2d(x, 2),
    "batch_norm": lambda x: rl.batch_norm(x, None, None, training=True),
    "binary_cross_entropy": lambda x: rl.binary_cross_entropy(X, x),
    "binary_cross_entropy_with_logits": lambda x: rl.binary_cross_entropy_with_logits(x, X),
    "broadcast_to": lambda x: rl.broadcast_to(x, (4, 2, 3)),
    "cat": lambda x: rl.cat([X, x]),
    "chunk": lambda x: rl.chunk(x, 1),
    "clamp": lambda x: rl.clamp(x, 0),
    "conv2d": lambda x: rl.conv2d(x, WEIGHT),
    "cross_entropy": lambda x: rl.cross_entropy(X, x),
    "embedding": lambda x: rl.embedding(x, X),
    "equal": lambda x: rl.equal(X, x),
    "expand": lambda x: rl.expand(x, 4, 2, 3),
    "flip": lambda x: rl.flip(x, 0),
    "full_like": lambda x: rl.full_like(x, 1),
    "gather": lambda x: rl.gather(X, 0, x),
    "index_select": lambda x: rl.index_select(X, 0, x),
    "l1_loss": lambda x: rl.l1_loss(x, X),
    "layer_norm": lambda x: rl.layer_norm(x, (3,)),
    "linear": lambda x: rl.linear(x, X),
    "log_softmax": lambda x: rl.log_softmax(x, 0),
    "logical_and": lambda x: rl.logical_and(X, x),
    "logical_or": lambda x: rl.logical_or(x, X),
    "logsumexp": lambda x: rl.logsumexp(x, 0),
    "masked_fill": lambda x: rl.masked_fill(x, MASK, 0.0),
    "max_pool2d": lambda x: rl.max_pool2d(x, 2),
    "mse_loss": lambda x: rl.mse_loss(X, x),
    "narrow": lambda x: rl.narrow(x, 0, 0, 1),
    "nll_loss": lambda x: rl.nll_loss(X, x),
    "permute": lambda x: rl.permute(x, 1, 0),
    "softmax": lambda x: rl.softmax(x, 0),
    "split": lambda x: rl.split(x, 1),
    "stack": lambda x: rl.stack([X, x]),
    "transpose": lambda x: rl.transpose(x, 0, 1),
    "unflatten": lambda x: rl.unflatten(x, 0, (1, 2)),
    "unsqueeze": lambda x: rl.unsqueeze(x, 0),
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_tensor_is_named_by_the_function_called(name, wrong):
    with pytest.raises(ContractError, match=rf"^{name}: .+(tensor|of tensors|rl\.tensor\(\))"):
        CALLS[name](wrong)


DIMS = {
    **{
        name: lambda d, name=name: getattr(rl, name)(X, dim=d)
        for name in (
            "mean sum prod var std amax amin any all logsumexp norm squeeze unsqueeze argmax "
            "argmin softmax log_softmax"
        ).split()
    },
    "transpose": lambda d: rl.transpose(X, 0, d),
    "flip": lambda d: rl.flip(X, d),
    "permute": lambda d: rl.permute(X, d, 0),
    "narrow": lambda d: rl.narrow(X, d, 0, 1),
    "split": lambda d: rl.split(X, 1, d),
    "chunk": lambda d: rl.chunk(X, 1, d),
    "cat": lambda d: rl.cat([X, X], d),
    "stack": lambda d: rl.stack([X, X], d),
    "gather": lambda d: rl.gather(X, d, INDEX),
    "index_select": lambda d: rl.index_select(X, d, INDEX),
    "scatter_add": lambda d: rl.scatter_add(X, d, INDEX, X),
    "flatten": lambda d: rl.flatten(X, d),
    "unflatten": lambda d: rl.unflatten(X, d, (1, 2)),
}


@pytest.mark.parametrize("dim", [7, 1.5, "a"], ids=repr)
@pytest.mark.parametrize("name", DIMS)
def test_a_dim_that_is_none_is_refused(name, dim):
    with pytest.raises(RushlightError, match=rf"^{name}: .*; "):
        DIMS[name](dim)


MISTAKES = {
    "cat": lambda: rl.cat([X, rl.ones(3, 4)]),
    "cat of a tensor": lambda: rl.cat(X),
    "cat of 0-d": lambda: rl.cat([rl.tensor(1.0)]),
    "stack": lambda: rl.stack([X, rl.ones(3, 4)]),
    "clamp": lambda: rl.clamp(X, rl.ones(5)),
    "clamp beyond int64": lambda: rl.clamp(INDEX, 2**70),
    "masked_fill": lambda: rl.masked_fill(X, rl.tensor([True] * 5), 0.0),
    "masked_fill by floats": lambda: rl.masked_fill(X, X, 0.0),
    "add with alpha": lambda: rl.add(X, rl.ones(5), alpha=2),
    "sub": lambda: rl.sub(X, rl.ones(5)),
    "remainder": lambda: rl.remainder(X, rl.ones(5)),
    "div rounded": lambda: rl.div(X, rl.ones(5), rounding_mode="floor"),
    "logical_and": lambda: rl.logical_and(X, rl.ones(5)),
    "max of two": lambda: rl.max(X, rl.ones(5)),
    "max of nothing": lambda: rl.max(rl.zeros(0, 3), 0),
    "amin of nothing": lambda: rl.amin(rl.zeros(0, 3), 0),
    "argmin of nothing": lambda: rl.argmin(rl.zeros(0, 3), 0),
    "narrow": lambda: rl.narrow(X, 0, 1, 2),
    "narrow by floats": lambda: rl.narrow(X, 0, 0.5, 1),
    "split": lambda: rl.split(X, [3, -1]),
    "unflatten": lambda: rl.unflatten(X, 1, (7,)),
    "reshape by floats": lambda: rl.reshape(X, 3.0, 2.0),
    "reshape by text": lambda: rl.reshape(X, "a", -1),
    "broadcast_to": lambda: rl.broadcast_to(X, (7,)),
    "linear bias": lambda: rl.linear(X, rl.ones(4, 3), rl.ones(7)),
    "embedding beyond": lambda: rl.embedding(rl.tensor([7]), X),
    "embedding by floats": lambda: rl.embedding(rl.ones(2), X),
    "conv2d stride": lambda: rl.conv2d(IMAGE, WEIGHT, stride=0),
    "conv2d float stride": lambda: rl.conv2d(IMAGE, WEIGHT, stride=1.5),
    "conv2d padding": lambda: rl.conv2d(IMAGE, WEIGHT, padding=-1),
    "conv2d dilation": lambda: rl.conv2d(IMAGE, WEIGHT, dilation=9),
    "conv2d groups": lambda: rl.conv2d(IMAGE, WEIGHT, groups=2),
    "conv2d bias": lambda: rl.conv2d(IMAGE, WEIGHT, rl.ones(7)),
    "max_pool2d": lambda: rl.max_pool2d(IMAGE, 9),
    "max_pool2d of none": lambda: rl.max_pool2d(IMAGE, 0),
    "max_pool2d stride": lambda: rl.max_pool2d(IMAGE, 2, -1),
    "avg_pool2d": lambda: rl.avg_pool2d(IMAGE, 9),
    "avg_pool2d by text": lambda: rl.avg_pool2d(IMAGE, 2, divisor_override="a"),
    "adaptive_avg_pool2d": lambda: rl.adaptive_avg_pool2d(IMAGE, (1, 2, 3)),
    "batch_norm of ints": lambda: rl.batch_norm(X.long(), None, None, training=True),
    "mse_loss of ints": lambda: rl.mse_loss(X.long(), X.long()),
    "binary_cross_entropy weight": lambda: rl.binary_cross_entropy(X, X, rl.ones(5)),
    "nll_loss of floats": lambda: rl.nll_loss(X, rl.ones(2)),
    "nll_loss beyond": lambda: rl.nll_loss(X, rl.tensor([0, 7])),
    "cross_entropy 0-d": lambda: rl.cross_entropy(rl.tensor(1.0), rl.tensor(0)),
    "cross_entropy of a row": lambda: rl.cross_entropy(rl.ones(5), INDEX),
    "cross_entropy of floats": lambda: rl.cross_entropy(X, rl.ones(2)),
    "cross_entropy of bools": lambda: rl.cross_entropy(X, rl.tensor([True, False])),
    "cross_entropy beyond": lambda: rl.cross_entropy(X, rl.tensor([0, 7]), reduction="none"),
    "cross_entropy weight": lambda: rl.cross_entropy(X, INDEX, rl.ones(5)),
    "cross_entropy reduction": lambda: rl.cross_entropy(X, INDEX, reduction="x"),
    "cross_entropy smoothing": lambda: rl.cross_entropy(X, INDEX, label_smoothing=3.0),
    "cross_entropy of no class": lambda: rl.cross_entropy(rl.zeros(2, 0), INDEX),
    "randn": lambda: rl.randn(2, -1),
    "randint": lambda: rl.randint(0, 5, (2.5,)),
    "randperm": lambda: rl.randperm(2.5),
    "manual_seed": lambda: rl.manual_seed("a"),
    "eye": lambda: rl.eye(-1),
    "arange": lambda: rl.arange(float("inf")),
    "arange of text": lambda: rl.arange("a"),
    "linspace": lambda: rl.linspace("a", 1, 3),
    "full of a row": lambda: rl.full((2,), rl.ones(2)),
    "full beyond": lambda: rl.full((2,), 300, dtype=rl.int8),
    "full_like beyond": lambda: rl.full_like(INDEX, 2**70),
    "tensor of nan": lambda: rl.tensor([float("nan")], dtype=rl.int64),
    "tensor beyond": lambda: rl.tensor(2**70),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_told_by_the_name_called(case):
    with pytest.raises(RushlightError, match=rf"^{case.split()[0]}: .+; .+"):
        MISTAKES[case]()


def test_an_index_out_of_range_stays_one():
    with pytest.raises(
        IndexOutOfRange, match=r"^embedding: index 7 is out of range .*; give 0 to 1$"
    ):
        rl.embedding(rl.tensor([7]), X)


def test_inputs_on_two_devices_are_told_by_the_name_called():
    with pytest.raises(DeviceError, match=r"^clamp: inputs on numpy and hostile; move one with"):
        rl.clamp(X, rl.ones(2, 3, device="hostile"))


MAKERS = ["ones", "zeros", "empty", "rand", "randn"]


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(
    ("size", "message"),
    [
        (2.5, "size 2.5; give lengths, which are integers"),
        ("a", "size 'a'; give lengths, which are integers"),
        (None, "size None; give lengths, which are integers"),
        (-1, "size [-1]; lengths are not negative"),
        ((1,) * 40, "40 dims; give at most 32"),
    ],
    ids=["float", "text", "None", "negative", "dims"],
)
def test_a_size_that_is_none_is_refused(name, size, message):
    with pytest.raises(ContractError, match=f"^{re.escape(f'{name}: {message}')}$"):
        getattr(rl, name)(size)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("count", [10**17, 10**30])
def test_a_size_beyond_the_memory_is_told_in_bytes(name, count):
    with pytest.raises(OutOfMemory, match=rf"^{name}: no room for float32\[{count}\], 4e\+"):
        getattr(rl, name)(count)


@pytest.mark.parametrize(
    "make",
    [lambda: rl.arange(10**17), lambda: rl.linspace(0, 1, 10**17), lambda: rl.eye(10**9)],
    ids=["arange", "linspace", "eye"],
)
def test_ranges_beyond_the_memory_are_told_too(make):
    with pytest.raises(OutOfMemory, match=r"^(arange|linspace|eye): no room for .*; give shorter"):
        make()


def test_a_size_may_be_numbers_of_numpy():
    assert rl.ones(np.int64(2), np.int32(3)).shape == (2, 3)


@pytest.mark.parametrize("value", [2**63, 2**70, -(2**63) - 1], ids=str)
def test_an_integer_beyond_int64_is_told_so(value):
    with pytest.raises(ContractError, match=rf"^tensor: {value} is beyond int64, which holds"):
        rl.tensor([value])
    assert rl.tensor([value], dtype=rl.float64).tolist() == [float(value)]


@pytest.mark.parametrize("op", [ops.floordiv, ops.pow], ids=lambda op: op.__name__)
def test_bools_have_no_quotient_and_no_power(op):
    spec = Spec((2,), rl.bool)
    with pytest.raises(ContractError, match=rf"^{op.__name__}: of bools there is none"):
        op.op.contract((spec, spec), ())


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(("low", "high"), [(-0.5, 0.5), (0.25, 1.5), (float("nan"), 0.5)])
def test_binary_cross_entropy_refuses_what_is_no_probability(low, high, reduction):
    x, y = rl.tensor([low, high]), rl.tensor([1.0, 0.0])
    with pytest.raises(
        ContractError, match=r"^binary_cross_entropy: input from .* to .*; give prob"
    ):
        rl.binary_cross_entropy(x, y, reduction=reduction)


def test_binary_cross_entropy_takes_the_bounds():
    x = rl.tensor([0.0, 1.0], requires_grad=True)
    rl.binary_cross_entropy(x, rl.tensor([0.0, 1.0])).backward()
    assert x.grad.tolist() == [0.0, 0.0]


def test_a_compiled_binary_cross_entropy_is_nan_instead():
    loss = rl.compile(rl.binary_cross_entropy)
    for _ in range(2):
        assert np.isnan(loss(rl.tensor([1.5]), rl.tensor([1.0])).item())


def test_narrow_counts_from_the_end():
    assert rl.narrow(rl.arange(5), 0, -2, 2).tolist() == [3, 4]


def test_int32_classes_are_classes():
    x = rl.tensor([[1.0, 2.0], [3.0, 4.0]])
    for reduction in ("mean", "none"):
        expected = rl.cross_entropy(x, INDEX, reduction=reduction).tolist()
        assert rl.cross_entropy(x, INDEX.int(), reduction=reduction).tolist() == expected


def test_a_row_takes_its_class_as_one_element():
    x = rl.tensor([1.0, 2.0])
    assert rl.cross_entropy(x, rl.tensor([1])).item() == rl.cross_entropy(x, rl.tensor(1)).item()
