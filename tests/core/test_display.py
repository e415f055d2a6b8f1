"""The text of a tensor is PyTorch's, character for character."""

import re

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
import torch
from hypothesis import example, given, strategies as st

import rushlight as rl
from rushlight.errors import TracingError

BFLOAT16 = rl.dtype("bfloat16")
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint32"]
FLOATS = ["float16", "float32", "float64"]

# Shapes around every decision: one line or several, all or corners, and which dims have corners.
SHAPES = [
    (), (1,), (7,), (25,), (1000,), (1001,), (1, 1), (3, 4), (1, 1001), (7, 143), (6, 167),
    (1001, 1), (8, 126), (2, 3, 4), (1, 2, 1, 2, 1), (7, 2, 80), (8, 9, 15), (5, 5, 5, 9),
    (2, 2, 7, 8, 9),
]  # fmt: skip


def oracle(values):
    """PyTorch's text of a numpy array, without its `torch.`."""
    made = torch.from_numpy(values.copy())
    return repr(made).replace("dtype=torch.", "dtype=")


def on_one_line(text):
    """`torch.` makes PyTorch's suffixes longer, so lines may end elsewhere between them."""
    return re.sub(r",\s+(?=\w+=)", ", ", text)


def same(values):
    ours, theirs = repr(rl.tensor(values)), oracle(values)
    if values.dtype in (np.float32, np.int64, np.bool_):
        assert ours == theirs
    assert on_one_line(ours) == on_one_line(theirs)


# -- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", [*FLOATS, *INTEGERS, "bool"])
def test_shapes(shape, dtype):
    values = np.random.default_rng(0).normal(scale=3, size=shape)
    same(np.asarray(np.abs(values) if dtype.startswith("u") else values).astype(dtype))


@pytest.mark.parametrize(
    "values",
    [
        [1.0, 2.0], [1.0, 2.5], [0.0], [-0.0, 0.0], [0.0, 0.5], [-1.0, 1.0], [12345.0, -6.0],
        [1.0, 1000.0], [1.0, 1001.0], [0.5, 500.0], [0.5, 500.5], [1e8], [1.1e8], [1e8 + 8],
        [1e-4], [0.9e-4], [1e-4, 1e-1], [1e-5, 1.0], [1e38, 1e-38], [1e-45], [3.4e38],
        [np.nan], [np.inf], [-np.inf], [np.nan, 1.0], [np.inf, 1.5], [-np.inf, 1e9], [np.nan, 0.0],
        [-np.inf, np.nan, 0.0, -1.0], [123.456, -0.001], [0.00005, 0.5], [99999999.0], [9.99999],
        [0.99995], [1e10, np.nan, -np.inf], [2.0**24, 1.0],
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_how_numbers_are_written(values, dtype):
    same(np.array(values, dtype))
    same(np.array(values[0], dtype))


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_extremes_of_a_type(dtype):
    limits = np.finfo(dtype)
    same(np.array([limits.max, limits.tiny, limits.smallest_subnormal, -limits.max], dtype))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_the_extremes_of_integers(dtype):
    limits = np.iinfo(dtype)
    same(np.array([limits.min, 0, limits.max], dtype))


def test_bfloat16():
    values = np.random.default_rng(1).normal(size=(3, 7)).astype("float32")
    ours = repr(rl.tensor(values).to(BFLOAT16))
    assert ours == repr(torch.from_numpy(values).bfloat16()).replace("torch.", "")
    assert repr(rl.tensor([1.0, 2.0], dtype=BFLOAT16)) == "tensor([1., 2.], dtype=bfloat16)"


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 2000)], ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "bool", "int8"])
def test_empty(shape, dtype):
    same(np.zeros(shape, dtype))


def test_a_strided_view():
    values = np.arange(60.0, dtype="float32").reshape(3, 4, 5)
    ours, theirs = rl.tensor(values).permute(2, 0, 1)[::2], torch.tensor(values).permute(2, 0, 1)
    assert repr(ours) == repr(theirs[::2])


shapes = npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=9)
arrays = st.sampled_from([*FLOATS, *INTEGERS, "bool"]).flatmap(
    lambda dtype: npst.arrays(dtype, shapes)
)
narrow = npst.arrays(
    "float32", shapes, elements=st.floats(-2000, 2000, width=32) | st.integers(-999, 999)
)


@given(arrays)
def test_any_array(values):
    same(values)


@given(narrow)
@example(np.float32([0.0001, 0.1]))
def test_arrays_of_ordinary_numbers(values):
    same(values)


# -- what the values do not tell ------------------------------------------------------------------


def test_requires_grad():
    assert repr(rl.tensor([1.0], requires_grad=True)) == "tensor([1.], requires_grad=True)"
    assert repr(rl.zeros(0, 2, requires_grad=True)) == (
        "tensor([], size=(0, 2), requires_grad=True)"
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x + x, lambda x: x * 2, lambda x: x - x, lambda x: x / 2, lambda x: -x,
        lambda x: x**2, lambda x: x.exp(), lambda x: x.log(), lambda x: x.sqrt(),
        lambda x: x.tanh(), lambda x: x.sigmoid(), lambda x: x.relu(), lambda x: x.sum(),
        lambda x: x.permute(1, 0), lambda x: x.abs(), lambda x: x.log_softmax(1),
        lambda x: x.softmax(1),
    ],
    ids=[
        "add", "mul", "sub", "div", "neg", "pow", "exp", "log", "sqrt", "tanh", "sigmoid", "relu",
        "sum", "permute", "abs", "log_softmax", "softmax",
    ],
)  # fmt: skip
def test_names_of_steps_that_are_pytorchs(call):
    values = [[1.0, 2.0], [3.0, 4.0]]
    ours = call(rl.tensor(values, requires_grad=True))
    assert repr(ours) == repr(call(torch.tensor(values, requires_grad=True)))


def test_a_step_of_ones_own():
    class Twice(rl.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    z = Twice.apply(rl.tensor([1.0], requires_grad=True))
    assert repr(z) == "tensor([2.], grad_fn=<TwiceBackward>)"


def test_a_step_keeps_its_name_after_backward():
    z = (rl.tensor([1.0], requires_grad=True) * 2).sum()
    z.backward()
    assert repr(z) == "tensor(2., grad_fn=<SumBackward0>)"
    assert z.grad_fn.name == "sum"


def test_detached_and_computed_without_a_tape():
    x = rl.tensor([1.0], requires_grad=True)
    assert repr(x.detach()) == "tensor([1.])"
    with rl.no_grad():
        assert repr(x + 1) == "tensor([2.])"


def test_the_device_unless_it_is_numpy():
    x = rl.tensor([1.0, 2.5], device="hostile:1")
    assert repr(x) == "tensor([1.0000, 2.5000], device='hostile:1')"
    assert repr(x.to("hostile")) == "tensor([1.0000, 2.5000], device='hostile')"


def test_all_suffixes_in_order():
    x = rl.zeros(0, 2, dtype=rl.int8, device="hostile:1")
    assert repr(x) == "tensor([], device='hostile:1', size=(0, 2), dtype=int8)"


@pytest.mark.parametrize("length", range(18, 24))
def test_a_suffix_that_does_not_fit_takes_a_new_line(length):
    values = np.linspace(0.1, 0.9, length, dtype="float32").reshape(1, -1)[:, -9:]
    for width in range(1, 10):
        part = values[:, :width]
        theirs = torch.tensor(part, requires_grad=True)
        assert repr(rl.tensor(part, requires_grad=True)) == repr(theirs)
        assert repr(rl.tensor(part, requires_grad=True).sum(0, keepdim=True) * 2) == repr(
            theirs.sum(0, keepdim=True) * 2
        )


def test_a_subclass_may_put_words_before():
    class Named(rl.Tensor):
        __slots__ = ()

        def __repr__(self):
            return f"Named: {super().__repr__()}"

    assert repr(rl.tensor([1.0]).as_subclass(Named)) == "Named: tensor([1.])"
    assert str(rl.tensor([1.0]).as_subclass(Named)) == "Named: tensor([1.])"


def test_while_tracing_there_are_no_values():
    weight, shown = rl.tensor([2.0, 3.0]), []

    @rl.compile
    def step(x):
        y = x * weight
        shown.extend(map(repr, (x, y, weight, y.sum())))
        with pytest.raises(TracingError):
            y.tolist()
        return y

    y = step(rl.ones(1, 2, requires_grad=True))
    assert shown == [
        "tensor(<traced>, float32[1, 2])",
        "tensor(<traced>, float32[1, 2])",
        "tensor(<traced>, float32[2])",
        "tensor(<traced>, float32[])",
    ]
    assert repr(y.detach()) == "tensor([[2., 3.]])"
    assert repr(weight) == "tensor([2., 3.])"


def test_format():
    assert f"{rl.tensor(3.14159):.2f}" == "3.14"
    assert f"{rl.tensor([1.0, 2.0])}" == "tensor([1., 2.])"
    assert f"{rl.tensor(1.5)}" == f"{torch.tensor(1.5)}" == "1.5"
    assert f"{rl.tensor(7):>4}" == f"{torch.tensor(7):>4}" == "   7"
