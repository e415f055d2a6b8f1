"""Copies are copies, of a numpy array that the user goes on writing too."""

import copy

import numpy as np
import pytest

import rushlight as rl
import rushlight_nn as nn

COPIES = {
    "clone": rl.Tensor.clone,
    "rl.clone": rl.clone,
    "to": lambda t: t.to(rl.float32, copy=True),
    "deepcopy": copy.deepcopy,
    "copy_": rl.zeros(2).copy_,
    "data.copy_": nn.Parameter(rl.zeros(2)).data.copy_,
    "assignment": lambda t: assigned(rl.zeros(2), slice(None), t),
    "assignment of everything": lambda t: assigned(rl.zeros(2), ..., t),
    "cat": lambda t: rl.cat([t]),
    "tensor": rl.tensor,
}


def assigned(x, index, value):
    x[index] = value
    return x


@pytest.mark.parametrize("how", COPIES)
def test_a_copy_does_not_follow_the_array_it_came_from(how):
    array = np.ones(2, np.float32)
    made = COPIES[how](rl.from_numpy(array))
    array[:] = 9.0
    assert made.tolist() == [1.0, 1.0]


def test_loaded_state_does_not_follow_the_array_it_came_from():
    array = np.ones((1, 2), np.float32)
    layer = nn.Linear(2, 1, bias=False)
    layer.load_state_dict({"weight": rl.from_numpy(array)})
    array[:] = 9.0
    assert layer.weight.tolist() == [[1.0, 1.0]]


def test_a_copy_has_its_gradient():
    x = rl.tensor([1.0, 2.0], requires_grad=True)
    (x.clone() * 3.0).sum().backward()
    assert x.grad.tolist() == [3.0, 3.0]


def test_sums_of_halves_do_not_overflow():
    for dtype in (rl.float16, rl.bfloat16):
        assert rl.full((30_000,), 4.0, dtype=dtype).mean().item() == 4.0
        many = rl.ones(70_000, dtype=dtype)
        assert (many.mean().item(), many.var().item()) == (1.0, 0.0)


def test_sums_of_halves_do_not_overflow_without_a_kernel():
    many = rl.full((30_000,), 4.0, dtype=rl.float16)
    assert rl.ops.mean.op.statement(many, axes=(0,), keepdim=False).item() == 4.0


@pytest.mark.parametrize("operation", [rl.remainder, lambda x, y: x % y, lambda x, y: x // y])
def test_integers_have_no_remainder_by_zero(operation):
    for zero in (0, rl.tensor([0])):
        with pytest.raises(rl.ContractError, match="divided by zero"):
            operation(rl.tensor([7]), zero)


def test_none_is_no_value():
    with pytest.raises(rl.ContractError, match="NoneType is not a tensor"):
        rl.ops.where(rl.tensor([True, False]), rl.ones(2), None)


def test_bools_have_no_power():
    yes = rl.tensor([True])
    for operation in (lambda: yes**yes, lambda: yes // yes):
        with pytest.raises(rl.ContractError, match="bools"):
            operation()
