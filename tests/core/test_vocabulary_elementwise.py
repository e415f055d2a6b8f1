"""Functions of each element and over dims, and their in-place forms, beside torch."""

import numpy as np
import pytest
import torch

import rushlight as rl
from rushlight.errors import ContractError

ROWS = [[0.5, -1.25, 2.0], [3.5, 0.25, -0.75]]
POSITIVE = [[0.5, 1.25, 2.0], [3.5, 0.25, 0.75]]


def assert_like(ours, theirs, rtol=1e-6):
    """Equal in shape, element type and values; nan equals nan."""
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert ours.dtype.name == str(theirs.dtype).removeprefix("torch.")
    theirs = theirs.detach().numpy()
    np.testing.assert_allclose(ours.detach().numpy(), theirs, rtol=rtol, atol=rtol / 10)


IN_PLACE = {
    **{f"{name}_": (POSITIVE, ()) for name in ("log", "sqrt", "rsqrt", "reciprocal")},
    **{
        f"{name}_": (ROWS, ())
        for name in "abs neg exp sin cos tanh erf floor sign relu sigmoid square".split()
    },
    **{f"{name}_": (ROWS, (0.25,)) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    "logical_not_": (ROWS, ()),
    "pow_": (ROWS, (2,)),
    "remainder_": (ROWS, (2,)),
    "clip_": (ROWS, (-0.5, 1.0)),
}


@pytest.mark.parametrize("name", IN_PLACE)
def test_an_in_place_form_has_torchs_values_and_gradients(name):
    rows, given = IN_PLACE[name]
    found = []
    for lib in (rl, torch):
        leaf = lib.tensor(rows, requires_grad=True)
        x = leaf * 1.0
        assert getattr(x, name)(*given) is x
        ((x * x).sum() + leaf.sum()).backward()  # steps have the gradient 0 here, or none
        found.append((x, leaf.grad))
    (ours, gradient), (theirs, other) = found
    assert_like(ours, theirs)
    assert_like(gradient, other)


@pytest.mark.parametrize("lib", [rl, torch])
def test_in_place_forms_of_two_operands(lib):
    x = lib.tensor(ROWS)
    assert x.clone().masked_fill_(x > 0, 7.0).tolist() == [[7.0, -1.25, 7.0], [7.0, 7.0, -0.75]]
    assert lib.tensor([1, 0, 2]).logical_and_(lib.tensor([1, 1, 0])).tolist() == [1, 0, 0]
    assert lib.tensor([1, 0, 2]).logical_or_(lib.tensor([1, 0, 0])).tolist() == [1, 0, 1]


@pytest.mark.parametrize("lib", [rl, torch])
def test_an_in_place_form_writes_to_the_whole(lib):
    x = lib.tensor(ROWS)
    x[0].neg_()
    assert x.tolist() == [[-0.5, 1.25, -2.0], [3.5, 0.25, -0.75]]


def test_bernoulli_in_place():
    rl.manual_seed(3)
    x = rl.zeros(1000).bernoulli_(0.25)
    assert set(x.tolist()) == {0.0, 1.0}
    assert 0.2 < x.mean().item() < 0.3
    assert rl.zeros(3).bernoulli_(rl.tensor([0.0, 1.0, 0.0])).tolist() == [0.0, 1.0, 0.0]


@pytest.mark.parametrize("name", ["exp_", "log_", "sigmoid_", "rsqrt_"])
def test_what_integers_cannot_hold_is_refused(name):
    for lib in (rl, torch):
        with pytest.raises(RuntimeError):
            getattr(lib.tensor([1, 2]), name)()


def test_another_shape_is_refused():
    with pytest.raises(ContractError, match="cannot become"):
        rl.ones(3).unsqueeze_(0)


def test_in_place_forms_are_traced():
    step = rl.compile(lambda x: (x * 1.0).exp_().clip_(0.0, 2.0))
    x = rl.tensor(ROWS)
    assert step(x).tolist() == x.exp().clip(0.0, 2.0).tolist()
