"""gradcheck of functions that themselves differentiate, and gradgradcheck."""

import re

import pytest
import torch

import rushlight as rl
from rushlight.autograd import Function, grad, gradcheck, gradgradcheck
from rushlight.errors import ContractError, WrongGradient


def leaf(*values):
    return rl.tensor(list(values), dtype=rl.float64, requires_grad=True)


def penalty(lib):
    """The square of a gradient: what gradient penalties are made of."""

    def function(x, y):
        (g,) = lib.autograd.grad((x**3 * y).sum(), x, create_graph=True)
        return g * g * y

    return function


def test_a_function_may_differentiate_inside():
    x, y = leaf(1.0, 2.0, -0.5), leaf(0.3, -2.0, 1.5)
    assert gradcheck(penalty(rl), (x, y))
    assert gradgradcheck(penalty(rl), (x, y))
    theirs = [torch.tensor(v.tolist(), dtype=torch.float64, requires_grad=True) for v in (x, y)]
    assert torch.autograd.gradcheck(penalty(torch), theirs)
    assert torch.autograd.gradgradcheck(penalty(torch), theirs)


def test_a_function_may_differentiate_twice_inside():
    def curvature(x):
        (g,) = grad((x.exp() * x).sum(), x, create_graph=True)
        (h,) = grad(g.sum(), x, create_graph=True)
        return h

    assert gradcheck(curvature, leaf(0.5, -1.0))


def test_a_function_may_call_backward_inside():
    def value(x):
        inner = x.detach().requires_grad_()
        (inner**3).sum().backward()
        return x * inner.grad

    x = leaf(1.0, 2.0)
    assert not gradcheck(value, x, raise_exception=False)  # what is detached is not seen
    assert x.grad is None


def test_a_graph_that_is_not_made_is_found():
    def forgetful(x):
        (g,) = grad((x**3).sum(), x)
        return g * x

    with pytest.raises(WrongGradient, match=r"^gradcheck: d output 0\[0\] / d input 0\[0\] is 3 "):
        gradcheck(forgetful, leaf(1.0, 2.0))


def test_under_no_grad_and_of_computed_inputs():
    x = leaf(1.0, 2.0)
    with rl.no_grad():
        assert gradcheck(penalty(rl), (x, x.detach() + 1))
        assert gradgradcheck(lambda x: x**3, x)
    computed = x * 2
    assert gradcheck(lambda m: m**3, computed)
    assert gradgradcheck(lambda m: m**3, computed)
    computed.sum().backward()  # its tape is still there
    assert x.grad.tolist() == [2, 2]


def test_inputs_without_elements_and_several_outputs():
    x, nothing = leaf(1.0, -2.0), rl.zeros(0, dtype=rl.float64, requires_grad=True)
    assert gradcheck(lambda x, y: rl.cat([x, y]) ** 2, (x, nothing))
    assert gradgradcheck(lambda x, y: rl.cat([x, y]) ** 2, (x, nothing))
    assert gradgradcheck(lambda x, y: (x * y, (x / y).sum(), y.detach()), (x, leaf(3.0, 4.0)))


def test_given_cotangents():
    x, given = leaf(1.0, -2.0), rl.tensor([2.0, 3.0], dtype=rl.float64)
    assert gradgradcheck(lambda x: x**3, x, given)
    assert gradgradcheck(lambda x: (x**3, x.exp()), x, [given, given])
    with pytest.raises(ContractError, match=r"^grad: 1 cotangents for 2 outputs"):
        gradgradcheck(lambda x: (x**3, x.exp()), x, given)


class Cube(Function):
    """Its gradient is right, and that of its gradient is lost on the way."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x.detach() * x * 3


def test_a_wrong_second_derivative_is_found_and_said_where():
    x = leaf(1.0, 2.0)
    assert gradcheck(Cube.apply, x)
    with pytest.raises(
        WrongGradient, match=r"^gradcheck: d output 0\[0\] / d input 0\[0\] is 3 by"
    ):
        gradgradcheck(Cube.apply, x)
    assert not gradgradcheck(Cube.apply, x, raise_exception=False)


class Fickle(Cube):
    """Another gradient if it is to be differentiated."""

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x * x * (4 if rl.is_grad_enabled() else 3)


def test_a_gradient_that_changes_when_it_is_recorded_is_found():
    message = "gradgradcheck: gradient 0[0] is 4 with create_graph=True, 3 without; correct the "
    with pytest.raises(WrongGradient, match=f"^{re.escape(message)}"):
        gradgradcheck(Fickle.apply, leaf(1.0))
    assert not gradgradcheck(Fickle.apply, leaf(1.0), raise_exception=False)


def test_what_gradgradcheck_cannot_measure():
    with pytest.raises(ContractError, match=r"^gradgradcheck: no output requires a gradient; "):
        gradgradcheck(lambda x: x.detach(), leaf(1.0))
    with pytest.raises(ContractError, match=r"^gradcheck: input 0 is float32\[\]; use float64"):
        gradgradcheck(lambda x: x * x, rl.tensor(1.0, requires_grad=True))


def test_an_output_of_no_dims_is_checked():
    x = rl.tensor([0.3, 0.7], dtype=rl.float64, requires_grad=True)
    assert gradcheck(lambda x: (x * x).sum(), x)
    assert not gradcheck(lambda x: (x * x.detach()).sum(), x, raise_exception=False)
