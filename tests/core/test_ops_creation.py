"""Tensors from Python data, numpy arrays and nothing: PyTorch's values, types and errors."""

import re

import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

import rushlight as rl
from rushlight.errors import ContractError, DeviceError

DEVICES = ["numpy", "hostile"]
CALLS = {
    "zeros": lambda lib: lib.zeros(2, 3),
    "zeros of a tuple": lambda lib: lib.zeros((2, 3)),
    "zeros of nothing": lambda lib: lib.zeros(0, 3),
    "0-d zeros": lambda lib: lib.zeros(()),
    "ones": lambda lib: lib.ones([2], dtype=lib.int32),
    "bool ones": lambda lib: lib.ones(2, dtype=lib.bool),
    "full": lambda lib: lib.full((2, 2), 1.5),
    "full of ints": lambda lib: lib.full((2,), 7),
    "full of bools": lambda lib: lib.full((2,), True),
    "full as": lambda lib: lib.full((2,), 7, dtype=lib.float32),
    "zeros_like": lambda lib: lib.zeros_like(lib.ones(2, dtype=lib.int64)),
    "ones_like": lambda lib: lib.ones_like(lib.zeros(2, 2), dtype=lib.int8),
    "full_like": lambda lib: lib.full_like(lib.zeros(3, dtype=lib.uint8), 9),
    "arange": lambda lib: lib.arange(5),
    "arange from": lambda lib: lib.arange(2, 5),
    "arange by": lambda lib: lib.arange(1, 10, 3),
    "arange down": lambda lib: lib.arange(5, 0, -2),
    "arange of floats": lambda lib: lib.arange(0.0, 1.0, 0.25),
    "arange of nothing": lambda lib: lib.arange(3, 3),
    "arange to a float": lambda lib: lib.arange(2.5),
    "arange as": lambda lib: lib.arange(3, dtype=lib.float32),
    "linspace": lambda lib: lib.linspace(0, 1, 5),
    "linspace down": lambda lib: lib.linspace(3, -1, 4),
    "linspace of one": lambda lib: lib.linspace(2, 9, 1),
    "eye": lambda lib: lib.eye(3),
    "eye of another width": lambda lib: lib.eye(2, 3, dtype=lib.int64),
    "tensor of floats": lambda lib: lib.tensor([1.5, -2.0]),
    "tensor of ints": lambda lib: lib.tensor([[1, 2], [3, 4]]),
    "tensor of bools": lambda lib: lib.tensor([True, False]),
    "tensor of a mix": lambda lib: lib.tensor([1, 2.5]),
    "tensor of a number": lambda lib: lib.tensor(3),
    "tensor of nothing": lambda lib: lib.tensor([]),
    "tensor as": lambda lib: lib.tensor([1.7, -1.7], dtype=lib.int64),
    "tensor of an array": lambda lib: lib.tensor(np.arange(3, dtype="float64")),
    "tensor of tensors": lambda lib: lib.tensor([lib.tensor(1.0), lib.tensor(2.0)]),
    "tensor as bool": lambda lib: lib.tensor([0.0, 0.5], dtype=lib.bool),
    "as_tensor": lambda lib: lib.as_tensor([1, 2], dtype=lib.float64),
    "from_numpy": lambda lib: lib.from_numpy(np.arange(6, dtype="int16").reshape(2, 3)),
}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", CALLS)
def test_what_is_made(name, device):
    expected = CALLS[name](torch)
    dtype = str(expected.dtype).removeprefix("torch.")
    if device == "hostile" and dtype == "float64":
        with rl.device(device), pytest.raises(DeviceError, match="device hostile has no float64"):
            CALLS[name](rl)
        return
    with rl.device(device):
        made = CALLS[name](rl)
    assert made.dtype.name == dtype
    assert made.shape == tuple(expected.shape)
    assert made.device == (device if name != "from_numpy" else "numpy")
    np.testing.assert_allclose(made.numpy(), expected.numpy(), rtol=1e-6)


@given(st.integers(-20, 20), st.integers(-20, 20), st.integers(-5, 5).filter(bool))
def test_arange_of_ints(start, end, step):
    if (end - start) * step < 0:  # numpy's is empty
        start, end = end, start
    np.testing.assert_array_equal(rl.arange(start, end, step).numpy(), np.arange(start, end, step))


@pytest.mark.parametrize("make", [rl.zeros, rl.ones, rl.empty])
def test_leaves_are_made_at_once(make):
    leaf = make(2, requires_grad=True)
    assert leaf.requires_grad
    assert leaf.is_leaf
    assert rl.tensor([1.0], requires_grad=True).requires_grad
    assert rl.arange(3.0, requires_grad=True).requires_grad


def test_empty_is_the_same_every_time():
    assert rl.empty(3).tolist() == rl.empty_like(rl.ones(3)).tolist() == [0.0] * 3


def test_data_is_copied_or_shared_as_promised():
    array = np.zeros(2, "float32")
    copied, shared, same = rl.tensor(array), rl.from_numpy(array), rl.as_tensor(array)
    array[0] = 5
    assert (copied[0].item(), shared[0].item(), same[0].item()) == (0, 5, 5)
    assert rl.as_tensor(shared) is shared
    assert rl.as_tensor(shared, dtype=rl.float64).dtype is rl.float64


def test_arrays_of_the_other_byte_order_are_turned():
    assert rl.from_numpy(np.array([1, 2], ">i4")).tolist() == [1, 2]
    assert rl.tensor(np.array([1.5], ">f8")).tolist() == [1.5]


MISTAKES = {
    "ragged rows": (
        lambda: rl.tensor([[1, 2], [3]]),
        ContractError,
        "tensor: rows of different lengths; give every row the same length",
    ),
    "text": (
        lambda: rl.tensor("one"),
        ContractError,
        "tensor: str holds what is no number; give numbers",
    ),
    "objects": (
        lambda: rl.tensor([None]),
        ContractError,
        "tensor: list holds what is no number; give numbers",
    ),
    "a list for from_numpy": (
        lambda: rl.from_numpy([1.0]),
        ContractError,
        "from_numpy: list is no numpy array; use rl.tensor()",
    ),
    "a negative length": (
        lambda: rl.zeros(2, -1),
        ContractError,
        "zeros: size [2, -1]; lengths are not negative",
    ),
    "a step of nothing": (
        lambda: rl.arange(0, 5, 0),
        ContractError,
        "arange: step 0 never arrives; give another step",
    ),
    "too few steps": (
        lambda: rl.linspace(0, 1, -1),
        ContractError,
        "linspace: steps -1; give an integer from 0",
    ),
    "ints that ask for gradients": (
        lambda: rl.tensor([1], requires_grad=True),
        ContractError,
        (
            "tensor: requires_grad=True for int64[1]; only floating point has gradients, give a "
            "floating dtype"
        ),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_explained(mistake):
    call, error, message = MISTAKES[mistake]
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()
