"""Differentiation of one number at a time, with the interface of the MiniTorch course."""

import gc
import math
import random
import weakref

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st

import rushlight as rl
from rushlight import scalar as module
from rushlight.errors import ContractError, NoGradient, RushlightError, WrongGradient
from rushlight.scalar import (
    EQ,
    LT,
    Context,
    Scalar,
    ScalarFunction,
    central_difference,
    constant,
    derivative_check,
)

moderate = st.floats(-10, 10).filter(lambda x: x == 0 or abs(x) > 1e-3)
positive = st.floats(0.1, 10)


def derivatives(f, *values):
    """The derivatives of f at these values, by backward."""
    variables = [Scalar(value) for value in values]
    f(*variables).backward()
    return [x.derivative for x in variables]


# -- functions of a user's own --------------------------------------------------------------------


class ReLU(ScalarFunction):
    """The course's exercise, with its bodies filled in."""

    @staticmethod
    def forward(ctx, a):
        ctx.save_for_backward(a)
        return max(0.0, a)

    @staticmethod
    def backward(ctx, d_output):
        (a,) = ctx.saved_values
        return d_output if a > 0 else 0.0


class TimesPlus(ScalarFunction):
    """x y + x."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y + x

    @staticmethod
    def backward(ctx, d_output):
        x, y = ctx.saved_values
        return d_output * (y + 1), d_output * x


@pytest.mark.parametrize(("a", "z", "d"), [(2.0, 2.0, 1.0), (-2.0, 0.0, 0.0), (0.0, 0.0, 0.0)])
def test_the_courses_exercise(a, z, d):
    x = Scalar(a)
    y = ReLU.apply(x)
    assert isinstance(y, Scalar)
    assert y.data == z
    y.backward()
    assert x.derivative == d


def test_a_number_is_a_constant():
    y = ReLU.apply(3.0)
    assert (y.data, y.is_constant()) == (3.0, True)
    x = Scalar(5)
    z = TimesPlus.apply(10, x)
    z.backward()
    assert z.parents[0].is_constant()
    assert z.parents[0].derivative is None
    assert x.derivative == 10


def test_saved_values_is_always_a_tuple():
    ctx = Context()
    assert ctx.saved_values == ()
    ctx.save_for_backward(1.5)
    assert ctx.saved_values == (1.5,)
    ctx.save_for_backward(1.5, None)
    assert ctx.saved_values == (1.5, None)


def test_one_context_for_each_call():
    x = Scalar(3.0)
    (ReLU.apply(x) * ReLU.apply(-x) + ReLU.apply(x)).backward()
    assert x.derivative == 1.0


def test_the_chain_rule_is_one_step():
    x, y = Scalar(5, "x"), Scalar(10, "y")
    z = TimesPlus.apply(x, y)
    assert [(v.name, d) for v, d in z.chain_rule(5)] == [("x", 55), ("y", 25)]
    assert x.derivative is None
    ((parent, d),) = ReLU.apply(z).chain_rule(d_output=2.0)
    assert parent is z
    assert d == 2.0


def test_the_chain_rule_gives_constants_theirs():
    (_, first), (_, second) = TimesPlus.apply(10, Scalar(5)).chain_rule(5)
    assert (first, second) == (5 * 6, 5 * 10)


def test_the_chain_rule_ends_at_variables_and_constants():
    assert Scalar(1.0).chain_rule(1.0) == []
    assert TimesPlus.apply(1, 2).chain_rule(1.0) == []


def test_a_wrong_number_of_derivatives():
    class Short(TimesPlus):
        @staticmethod
        def backward(ctx, d_output):
            return d_output

    class Long(module.Exp):
        @staticmethod
        def backward(ctx, d_output):
            return d_output, d_output

    with pytest.raises(ContractError) as caught:
        Short.apply(Scalar(1.0), 2.0).backward()
    assert str(caught.value) == (
        "Short.backward: 1 derivative for 2 values of forward; return one for each"
    )
    with pytest.raises(ContractError) as caught:
        Long.apply(Scalar(1.0)).backward()
    assert str(caught.value) == (
        "Long.backward: 2 derivatives for 1 value of forward; return one for each"
    )


def test_what_is_not_stated():
    class Nothing(ScalarFunction):
        pass

    with pytest.raises(NotImplementedError, match="state forward"):
        Nothing.apply(1.0)

    class Forward(ScalarFunction):
        @staticmethod
        def forward(ctx, a):
            return a

    with pytest.raises(NotImplementedError, match="state backward"):
        Forward.apply(Scalar(1.0)).backward()


@pytest.mark.parametrize("given", ["2", None, [2.0], 1j, np.ones(1), rl.tensor(2.0)], ids=repr)
def test_what_is_no_number(given):
    for use in (Scalar, ReLU.apply, lambda x: Scalar(1.0) * x):
        with pytest.raises(ContractError) as caught:
            use(given)
        assert str(caught.value) == (
            f"Scalar: {type(given).__name__} is no number; give an int or a float"
        )


@pytest.mark.parametrize("given", [2, 2.0, True, np.float32(2), np.int64(2)], ids=repr)
def test_what_is_a_number(given):
    assert type(Scalar(given).data) is float
    assert Scalar(given).data == given


# -- the graph ------------------------------------------------------------------------------------


def test_variables_constants_and_what_is_computed():
    x = Scalar(2.0)
    y = x * 3.0
    assert (x.is_leaf(), x.is_constant(), x.parents) == (True, False, ())
    assert (y.is_leaf(), y.is_constant()) == (False, False)
    assert y.parents[0] is x
    assert y.parents[1].data == 3.0
    assert y.parents[1].is_constant()
    assert not y.parents[1].is_leaf()
    c = constant(2.0)
    assert (c.is_constant(), (c * 3.0).is_constant()) == (True, True)
    assert c.requires_grad_().is_leaf()


def test_a_derivative_may_be_asked_of_leaves_only():
    y = Scalar(2.0) * 3.0
    with pytest.raises(ContractError) as caught:
        y.requires_grad_()
    assert str(caught.value) == (
        "requires_grad_: this number was computed; tell the variables it was computed from"
    )
    with pytest.raises(ContractError) as caught:
        y.accumulate_derivative(1.0)
    assert str(caught.value) == (
        "accumulate_derivative: this number is no variable; only variables keep derivatives"
    )


def test_backward_of_a_constant():
    with pytest.raises(NoGradient) as caught:
        (constant(2.0) * 3.0).backward()
    assert str(caught.value) == (
        "backward: this number is a constant; compute it from a variable, as Scalar(2.0) is"
    )


def test_only_variables_keep_derivatives():
    x = Scalar(2.0)
    y = x * 3.0
    (y * y).backward()
    assert (x.derivative, y.derivative) == (36.0, None)


def test_derivatives_add_up_until_they_are_taken_away():
    x = Scalar(2.0)
    y = x * x
    y.backward()
    y.backward(d_output=10.0)
    assert x.derivative == 44.0
    x.derivative = None
    (x * 5.0).backward()
    assert x.derivative == 5.0


def test_backward_of_a_variable_itself():
    x = Scalar(2.0)
    x.backward(3.0)
    assert x.derivative == 3.0


def test_a_number_used_often_is_visited_once():
    calls = []

    class Watched(ScalarFunction):
        @staticmethod
        def forward(ctx, a):
            return a

        @staticmethod
        def backward(ctx, d_output):
            calls.append(d_output)
            return d_output

    x = Scalar(1.0)
    y = Watched.apply(x)
    for _ in range(50):  # 2^50 ways lead from the end to x
        y = y + y
    y.backward()
    assert calls == [2.0**50]
    assert x.derivative == 2.0**50


def test_a_chain_of_100_000():
    x = Scalar(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1e-5 * y
    y.backward()
    assert y.data == pytest.approx(math.exp(1), rel=1e-4)
    assert x.derivative == pytest.approx(y.data)
    del y  # nor is it freed by recursion


def test_the_tape_lives_as_long_as_its_end():
    x = Scalar(2.0)
    y = x * x
    inner = weakref.ref(y)
    z = y + 1.0
    del y
    gc.collect()
    assert inner() is not None
    del z
    gc.collect()
    assert inner() is None


def test_how_a_number_shows():
    assert repr(Scalar(2)) == "Scalar(2.0)"
    assert repr(Scalar(-0.5, name="w")) == "Scalar(-0.5, name='w')"
    assert repr(Scalar(2.0) * 3.0) == "Scalar(6.0)"


def test_numbers_are_told_apart():
    x, y = Scalar(2.0), Scalar(2.0)
    assert x.unique_id != y.unique_id
    assert len({x, y}) == 2
    assert {x: 1}[x] == 1


# -- operators ------------------------------------------------------------------------------------

TWO = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "pow": lambda a, b: a**b,
    "lt": lambda a, b: a < b,
    "gt": lambda a, b: a > b,
    "eq": lambda a, b: a == b,
}
ONE = {
    "neg": (lambda a: -a, lambda a: -a),
    "log": (Scalar.log, math.log),
    "exp": (Scalar.exp, math.exp),
    "sigmoid": (Scalar.sigmoid, lambda a: 1 / (1 + math.exp(-a))),
    "relu": (Scalar.relu, lambda a: max(a, 0.0)),
    "square": (lambda a: a**2, lambda a: a**2),
    "inverse": (lambda a: 1 / a, lambda a: 1 / a),
    "cubic": (lambda a: 3 * a**3 - 2 * a**2 + a - 7, lambda a: 3 * a**3 - 2 * a**2 + a - 7),
    "mixed": (lambda a: (a * a + 1).log().sigmoid() - a.relu() / 3, None),
}


@pytest.mark.parametrize("name", TWO)
@given(a=positive, b=positive)
def test_operators_of_two(name, a, b):
    f = TWO[name]
    expected = float(f(a, b))
    for x, y in ((Scalar(a), Scalar(b)), (Scalar(a), b), (a, Scalar(b))):
        z = f(x, y)
        assert isinstance(z, Scalar)
        assert z.data == expected
    if name in {"lt", "gt", "eq"}:
        assert derivatives(f, a, b) == [0.0, 0.0]
    else:
        derivative_check(f, a, b)
        derivative_check(lambda x: f(x, b), a)
        derivative_check(lambda y: f(a, y), b)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div"])
@given(a=moderate, b=moderate)
def test_arithmetic_of_any_sign(name, a, b):
    f = TWO[name]
    assume(name != "div" or abs(b) > 0.1)
    assert f(Scalar(a), Scalar(b)).data == f(a, b)
    derivative_check(f, a, b)


@pytest.mark.parametrize("name", ONE)
@given(a=moderate)
def test_functions_of_one(name, a):
    f, plain = ONE[name]
    if name == "log":
        a = abs(a) + 0.1
    assume(abs(a) > 0.1)  # no kink, no pole
    if plain:
        assert f(Scalar(a)).data == pytest.approx(plain(a), rel=1e-15, abs=1e-15)
    derivative_check(f, a)


@given(a=positive, b=positive, c=moderate)
def test_as_tensors_do(a, b, c):
    def f(x, y, z):
        return (x.log() * y + z.exp() / y).sigmoid() * (x**y) - (z * x).relu()

    ours = derivatives(f, a, b, c)
    tensors = [rl.tensor(v, dtype=rl.float64, requires_grad=True) for v in (a, b, c)]
    f(*tensors).backward()
    assert ours == pytest.approx([x.grad.item() for x in tensors], rel=1e-9, abs=1e-12)


def test_powers_where_a_derivative_is_special():
    assert derivatives(lambda a: a**2, -3.0) == [-6.0]
    assert derivatives(lambda a: a**0, 0.0) == [0.0]
    assert derivatives(lambda a: a**1, 0.0) == [1.0]
    assert derivatives(lambda a, b: a**b, 0.0, 2.0) == [0.0, 0.0]
    by_a, by_b = derivatives(lambda a, b: a**b, -2.0, 3.0)
    assert by_a == 12.0
    assert math.isnan(by_b)
    assert derivatives(lambda b: 2**b, 3.0) == [8.0 * math.log(2.0)]


def test_a_sigmoid_far_out():
    for a in (-1e4, 1e4):
        x = Scalar(a)
        y = x.sigmoid()
        y.backward()
        assert (y.data, x.derivative) == (float(a > 0), 0.0)
    assert Scalar(-700.0).sigmoid().data == pytest.approx(math.exp(-700.0))


def test_pythons_refusals():
    with pytest.raises(ZeroDivisionError):
        Scalar(1.0) / 0.0
    with pytest.raises(ValueError, match=r"^log: 0\.0; give a number greater than 0$"):
        Scalar(0.0).log()
    with pytest.raises(OverflowError, match=r"^exp: 1000\.0; give a number below 709"):
        Scalar(1000.0).exp()
    with pytest.raises(ContractError, match=r"^pow: -1\.0, 0\.5; give a base greater than 0"):
        Scalar(-1.0) ** 0.5


def test_a_derivative_that_python_refuses_is_told_of_its_function():
    x = Scalar(0.0)
    y = x**0.5
    with pytest.raises(ContractError, match=r"^pow: 0\.0, 0\.5; give a base greater than 0"):
        y.backward()


def test_the_errors_of_a_users_function_are_its_own():
    class Broken(ScalarFunction):
        @staticmethod
        def forward(ctx, a):
            raise ValueError("mine")

    with pytest.raises(ValueError, match=r"^mine$"):
        Broken.apply(Scalar(1.0))


def test_comparisons_are_numbers():
    x = Scalar(2.0)
    assert (x < 3).data == LT.apply(x, 3).data == LT.apply(1, x).data == 1.0
    assert (x > 3).data == (x < 2).data == (x > 2).data == 0.0
    assert (x == 2).data == EQ.apply(x, 2.0).data == 1.0
    assert (x == 3).data == 0.0
    assert [bool(x != 2), bool(x != 3)] == [False, True]


def test_equal_to_what_is_no_number():
    assert Scalar(2.0) != "2"
    assert Scalar(2.0) is not None
    assert (Scalar(2.0) == None) is False  # noqa: E711  the operator is what is tested
    assert Scalar(1.0) not in ["a", None]


def test_bool_and_float():
    assert bool(Scalar(0.5))
    assert not Scalar(0.0)
    assert not Scalar(2.0) - 2.0
    assert float(Scalar(0.5)) == 0.5
    assert math.sqrt(Scalar(4.0)) == 2.0
    assert sum([Scalar(1.0), Scalar(2.0)]).data == 3.0


# -- checks of derivatives ------------------------------------------------------------------------


def test_central_difference():
    assert central_difference(lambda x: x * x, 3.0) == pytest.approx(6.0)
    assert central_difference(lambda x, y: x * y, 3.0, 4.0, arg=1) == pytest.approx(3.0)
    assert central_difference(abs, 3.0, epsilon=3.0) == pytest.approx(1.0)
    assert central_difference(lambda x: x * x, Scalar(3.0)).data == pytest.approx(6.0)


def test_a_wrong_derivative_is_found():
    class Wrong(TimesPlus):
        @staticmethod
        def backward(ctx, d_output):
            _, y = ctx.saved_values
            return d_output * (y + 1), d_output * y

    def product(x, y):
        return Wrong.apply(x, y)

    with pytest.raises(WrongGradient) as caught:
        derivative_check(product, Scalar(2.0), Scalar(5.0))
    assert str(caught.value) == (
        "derivative_check: product(2.0, 5.0) by argument 1: expected 2 from central differences, "
        "got 5 from backward(); correct backward(), or move the argument off a kink"
    )
    assert isinstance(caught.value, AssertionError)
    assert isinstance(caught.value, RushlightError)
    derivative_check(product, 5.0, 5.0)  # where it happens to be right


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), 6.001])
def test_any_wrong_number_is_found(wrong):
    class Square(ScalarFunction):
        @staticmethod
        def forward(ctx, a):
            return a * a

        @staticmethod
        def backward(ctx, d_output):
            return wrong

    with pytest.raises(AssertionError):
        derivative_check(Square.apply, 3.0)


def test_a_kink_is_found():
    with pytest.raises(AssertionError, match=r"argument 0: expected 0\.5 .* got 0 "):
        derivative_check(lambda x: x.relu(), 0.0)


def test_an_unused_argument_has_derivative_0():
    derivative_check(lambda x, y: x * 2, 1.0, 2.0)
    with pytest.raises(AssertionError):
        derivative_check(lambda x, y: x * 2 + float(y), 1.0, 2.0)


def test_a_check_leaves_its_scalars_alone():
    x = Scalar(2.0)
    derivative_check(lambda a: a * a, x)
    assert x.derivative is None


@pytest.mark.parametrize(
    "name", ["Add", "Neg", "Mul", "Div", "Pow", "Log", "Exp", "Sigmoid", "ReLU", "LT", "EQ"]
)
def test_every_function_states_a_right_derivative(name):
    function = getattr(module, name)
    count = function.forward.__code__.co_argcount - 1
    derivative_check(function.apply, *[2.5, 0.75][:count])


# -- training -------------------------------------------------------------------------------------


class Layer:
    """Sums of inputs, weighted."""

    def __init__(self, inputs, outputs):
        self.weights = [
            [Scalar(random.uniform(-1, 1)) for _ in range(inputs)] for _ in range(outputs)
        ]
        self.biases = [Scalar(random.uniform(-0.5, 0.5)) for _ in range(outputs)]

    def parameters(self):
        return [w for row in self.weights for w in row] + self.biases

    def __call__(self, inputs):
        return [
            sum((w * x for w, x in zip(row, inputs, strict=True)), b)
            for row, b in zip(self.weights, self.biases, strict=True)
        ]


def test_a_network_of_scalars_learns_xor():
    random.seed(1)
    points = [(x, y) for x in (-1.0, -0.6, 0.7, 1.0) for y in (-1.0, -0.5, 0.6, 1.0)]
    labels = [(x < 0) != (y < 0) for x, y in points]
    first, second = Layer(2, 6), Layer(6, 1)
    parameters = first.parameters() + second.parameters()

    def predict(point):
        (z,) = second([h.relu() for h in first(point)])
        return z.sigmoid()

    losses = []
    for _ in range(150):
        for p in parameters:
            p.derivative = None
        loss = constant(0.0)
        for point, label in zip(points, labels, strict=True):
            p = predict(point)
            loss = loss - (p if label else 1.0 - p).log()
        (loss / len(points)).backward()
        losses.append(loss.data / len(points))
        for p in parameters:
            p.data -= 0.5 * p.derivative
    assert losses[0] > 0.5
    assert losses[-1] < 0.1
    assert [bool(predict(point) > 0.5) for point in points] == labels
