"""unsqueeze_ and its kin: a tensor becomes another view of its own elements."""

import gc

import pytest
import torch

import rushlight as rl

TURNS = {
    "unsqueeze_": ("unsqueeze_", (0,)),
    "squeeze_": ("squeeze_", ()),
    "t_": ("t_", ()),
    "transpose_": ("transpose_", (0, 1)),
}


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("lib", [rl, torch], ids=["rushlight", "torch"])
def test_what_is_turned_stays_a_part(lib, turn):
    name, given = TURNS[turn]
    whole = lib.arange(6.0).reshape(1, 2, 3) * 1.0
    row = whole[:, 1]  # [1, 3]
    assert getattr(row, name)(*given) is row
    expected = {"unsqueeze_": (1, 1, 3), "squeeze_": (3,)}.get(name, (3, 1))
    assert tuple(row.shape) == expected
    gc.collect()
    row.add_(10.0)
    assert whole.tolist() == [[[0.0, 1.0, 2.0], [13.0, 14.0, 15.0]]]
    whole.mul_(2.0)
    row.add_(0.0)  # looks at its whole again
    assert row.reshape(-1).tolist() == [26.0, 28.0, 30.0]


@pytest.mark.parametrize("lib", [rl, torch], ids=["rushlight", "torch"])
def test_gradients_flow_through_turns(lib):
    x = lib.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], requires_grad=True)
    y = x * x
    y.t_().mul_(lib.tensor([1.0, 10.0])).unsqueeze_(0)
    (y * y).sum().backward()
    assert x.grad.tolist() == [[4.0, 32.0, 108.0], [25600.0, 50000.0, 86400.0]]


@pytest.mark.parametrize("lib", [rl, torch], ids=["rushlight", "torch"])
def test_a_leaf_is_turned_apart_from_the_tape_only(lib):
    x = lib.ones(2, 3, requires_grad=True)
    with pytest.raises(RuntimeError, match="leaf"):
        x.t_()
    with lib.no_grad():
        x.t_()
    (x * lib.ones(3, 2)).sum().backward()
    assert tuple(x.grad.shape) == (3, 2)


def test_compiled():
    @rl.compile
    def turned(x):
        y = x * 2.0
        y.unsqueeze_(-1).transpose_(0, 2)
        return y

    assert turned(rl.ones(2, 3)).shape == (1, 3, 2)


def test_another_number_of_elements_is_refused():
    with pytest.raises(rl.IndexOutOfRange):
        rl.ones(2, 3).unsqueeze_(4)
    with pytest.raises(rl.ContractError, match="more than 2 dims"):
        rl.ones(2, 3, 4).t_()
