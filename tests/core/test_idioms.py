"""Habits of PyTorch's users, beside PyTorch: what they write without looking it up."""

import numpy as np
import pytest
import torch

import rushlight as rl

LIBRARIES = pytest.mark.parametrize("t", [rl, torch], ids=["rushlight", "torch"])


def same(x, y):
    assert str(x.dtype) == str(y.dtype).removeprefix("torch.")
    np.testing.assert_array_equal(x.detach().numpy(), y.detach().numpy(), strict=True)


class TestAListThatBeginsEmpty:
    @pytest.mark.parametrize(
        ("shape", "dim"),
        [((3,), 0), ((2, 3), 0), ((2, 3), 1), ((2, 3), -1), ((0,), 0), ((0, 3), 0)],
    )
    @pytest.mark.parametrize("dtype", ["float64", "int64", "bool"])
    def test_joins(self, shape, dim, dtype):
        def joined(t):
            x = t.ones(shape, dtype=getattr(t, dtype))
            return t.cat([t.tensor([]), x, t.tensor([]), x], dim)

        same(joined(rl), joined(torch))

    def test_grows(self):
        def grown(t):
            x = t.tensor([], requires_grad=True)
            z = x
            for i in range(3):
                z = t.cat((z, t.full((1, 2), float(i), requires_grad=True)))
            z.sum().backward()
            return z

        same(grown(rl), grown(torch))

    @LIBRARIES
    def test_other_shapes_still_have_to_fit(self, t):
        with pytest.raises(RuntimeError):
            t.cat([t.tensor([]), t.ones(2, 3), t.ones(2, 4)])
        with pytest.raises(RuntimeError):
            t.cat([t.ones(0, 2), t.ones(1, 3)])
        with pytest.raises(IndexError):
            t.cat([t.tensor([]), t.ones(2, 3)], 2)


class TestOneHot:
    @pytest.mark.parametrize(("classes", "n"), [([0, -1], -1), ([0, 3], 2), ([-5], 3), ([1], 0)])
    def test_refuses_a_class_that_is_none(self, classes, n):
        with pytest.raises(RuntimeError):
            torch.nn.functional.one_hot(torch.tensor(classes), n)
        with pytest.raises(RuntimeError, match=r"^one_hot: index .* is out of range"):
            rl.one_hot(rl.tensor(classes), n)

    def test_refuses_it_when_compiled(self):
        hot = rl.compile(lambda x: rl.one_hot(x, 4))
        assert hot(rl.tensor([3])).tolist() == [[0, 0, 0, 1]]
        with pytest.raises(rl.IndexOutOfRange):
            hot(rl.tensor([4]))

    @pytest.mark.parametrize("classes", [1, [], [[0, 2], [1, 1]]])
    def test_agrees(self, classes):
        def hot(t, function):
            return function(t.tensor(classes, dtype=t.int64), 3)

        same(hot(rl, rl.one_hot), hot(torch, torch.nn.functional.one_hot))
