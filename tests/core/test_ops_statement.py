"""How an operation is stated, what its kernels are given, and how they fail."""

import re
import threading
import warnings

import numpy as np
import pytest

import rushlight as rl
from rushlight import ops, plugins, reference
from rushlight.autograd import gradcheck
from rushlight.backend import PROTOCOL, HostBackend
from rushlight.device import Device
from rushlight.errors import (
    ContractError,
    DeviceError,
    IndexOutOfRange,
    KernelFailed,
    NoGradient,
    OutOfMemory,
    TracingError,
)
from rushlight.extend import Spec, composite, operations, primitive
from rushlight.plugins import Loaded
from rushlight.testing.plugin import fresh_plugins


def raises(error, message):
    return pytest.raises(error, match=f"^{re.escape(message)}$")


@pytest.fixture(autouse=True)
def scratch():
    """Operations stated by a test are forgotten after it."""
    before = dict(operations)
    yield
    operations.clear()
    operations.update(before)


@pytest.fixture
def backend():
    """Puts a host backend of these kernels in place of `mine`."""
    with fresh_plugins():

        def install(kernels):
            class Mine(HostBackend):
                name = "mine"
                protocol = PROTOCOL

            plugins._known["mine"] = Loaded(Mine(kernels), 1)
            return Device("mine")

        yield install


# -- stating --------------------------------------------------------------------------------------


def test_a_composite_is_its_body():
    @composite
    def smooth(x, *, beta):
        """x sigmoid(beta x).  [*s] -> [*s]."""
        return x * ops.sigmoid(x * beta)

    x = rl.tensor([0.5, -1.5], dtype=rl.float64, requires_grad=True)
    assert gradcheck(lambda x: smooth(x, beta=2.0), x)
    assert smooth(x, beta=1.0).tolist() == pytest.approx(rl.silu(x).tolist())
    assert (smooth.__name__, smooth.__doc__) == ("smooth", "x sigmoid(beta x).  [*s] -> [*s].")
    assert repr(smooth.op) == "<operation smooth>"


def test_a_stated_gradient_takes_the_place_of_the_bodys():
    @composite
    def straight_through(x):
        """floor(x), with the gradient of x.  [*s] -> [*s]."""
        return ops.floor(x)

    straight_through.gradients(x=lambda g: g)
    x = rl.tensor([0.7], requires_grad=True)
    straight_through(x).backward()
    assert x.grad.tolist() == [1]


def test_a_joint_rule_with_residuals():
    @composite
    def unit(x):
        """x / |x|.  [n] -> [n]."""
        return unit_fwd(x)[0]

    @unit.residuals("length")
    def unit_fwd(x):
        """unit, with |x|."""
        length = ops.sqrt(ops.sum(x * x, axes=(0,), keepdim=True))
        return x / length, length

    @unit.vjp
    def unit_vjp(g, z, length):
        """(g - z (g z)) / |x|."""
        return ((g - z * ops.sum(g * z, axes=(0,), keepdim=True)) / length,)

    x = rl.tensor([3.0, -4.0, 1.0], dtype=rl.float64, requires_grad=True)
    assert gradcheck(unit, x)
    z, length = unit.op.with_residuals(x)
    assert (z.requires_grad, length.requires_grad) == (True, False)
    assert length.item() == pytest.approx(26**0.5)


def test_a_rule_that_reads_what_there_is_not():
    @composite
    def planted(x):
        """[*s] -> [*s]."""
        return x

    with pytest.raises(
        NameError, match=r"^planted: its rule reads \['y'\]; it may read \['asked', 'g'"
    ):
        planted.gradients(x=lambda g, y: g)


def test_an_operation_without_a_gradient_says_so():
    @primitive(required=False)
    def roll(x):
        """x, turned.  [n] -> [n]."""
        return x

    x = rl.tensor([1.0], requires_grad=True)
    with raises(NoGradient, "roll: has no gradient; detach() its input if none is meant"):
        node = ops.neg(x)._node
        roll.op.cotangents(node, rl.ones(1))


def test_parameters_are_given_by_name_in_any_order():
    x = rl.ones(2, 3)
    assert ops.sum(x, keepdim=True, axes=(1,)).shape == (2, 1)
    assert ops.concat(x, x, axis=1).shape == (2, 6)
    with raises(TypeError, "concat() is missing the parameter 'axis'"):
        ops.concat(x, x)
    with raises(TypeError, "concat() takes axis, got axis, dim"):
        ops.concat(x, x, axis=0, dim=0)
    with pytest.raises(TypeError, match="keepdim"):
        ops.sum(x, axes=(1,))


def test_defaults_of_a_statement():
    @composite
    def scaled(x, *, by=3.0, plus):
        """[*s] -> [*s]."""
        return x * by + plus

    assert scaled(rl.ones(1), plus=1.0).tolist() == [4]
    assert scaled(rl.ones(1), plus=1.0, by=2.0).tolist() == [3]


# -- inputs ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong", [[1.0], "one", object(), None, 1j], ids=lambda x: type(x).__name__
)
def test_what_is_no_tensor(wrong):
    kind = type(wrong).__name__
    with raises(ContractError, f"add: {kind} is not a tensor; make one with rl.tensor()"):
        ops.add(rl.ones(2), wrong)


def test_numbers_alone():
    with raises(ContractError, "add: no tensor among the inputs; make one with rl.tensor()"):
        ops.add(1, 2)
    with raises(ContractError, "matmul: 2 is no tensor; make one with rl.tensor()"):
        ops.matmul(rl.ones(2, 2), 2)


def test_two_places():
    x, y = rl.ones(2), rl.ones(2, device="hostile")
    with raises(DeviceError, "mul: inputs on numpy and hostile; move one with .to('numpy')"):
        x * y


def test_numbers_beyond_their_type():
    x = rl.ones(2, dtype=rl.uint8)
    assert (x + 300).tolist() == [45, 45]  # wrapped, as in PyTorch
    message = (
        f"add: a number does not fit the element type in uint8[2], {2**64}; "
        "convert the tensor to a wider type with .to()"
    )
    with raises(ContractError, message):
        x + 2**64


def test_integers_divided_by_zero_and_to_negative_powers():
    x = rl.tensor([4, 2])
    with raises(
        ContractError,
        "floordiv: an integer divided by zero; make the divisor nonzero or floating point",
    ):
        x // rl.tensor([2, 0])
    with pytest.raises(ContractError, match=r"^pow: .*; convert the base to floating point$"):
        x**-1
    assert (x.float() // 0.0).tolist() == [float("inf")] * 2


def test_powers_of_numbers():
    y = rl.tensor([0.0, 2.0, -1.0], dtype=rl.float64, requires_grad=True)
    for base, expected in [
        (2.0, [np.log(2), 4 * np.log(2), np.log(2) / 2]),
        (0.0, [0, 0, -np.inf]),
    ]:
        (g,) = rl.autograd.grad((base**y).sum(), y)
        np.testing.assert_allclose(g.numpy(), expected)
    (g,) = rl.autograd.grad(((-2.0) ** y).sum(), y)
    assert np.isnan(g.numpy()).all()


# -- how kernels fail -----------------------------------------------------------------------------


def failing(error):
    def kernel(*_):
        raise error

    return kernel


def test_a_kernel_without_memory(backend):
    place = backend({"exp": failing(MemoryError())})
    with raises(OutOfMemory, "exp: no room on mine for the result of float32[2]"):
        rl.ones(2, device=place).exp()


def test_a_kernel_that_breaks(backend):
    place = backend({"exp": failing(ZeroDivisionError("oh"))})
    message = (
        "exp: the kernel of mine failed on float32[2]: oh; "
        "please report it to the authors of that backend"
    )
    with raises(KernelFailed, message) as caught:
        rl.ones(2, device=place).exp()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_kernel_with_an_index_error(backend):
    place = backend({"exp": failing(IndexError("row 7"))})
    with raises(IndexOutOfRange, "exp: row 7; indices of float32[2]"):
        rl.ones(2, device=place).exp()


def test_the_body_explains_a_composites_failure(backend):
    place = backend({"softmax": failing(ValueError("what?"))})
    with pytest.raises(ContractError, match=r"^max: axes \(1,\) of float32\[2\]; give sorted axes"):
        ops.softmax(rl.ones(2, device=place), axis=1)


def test_warnings_made_errors_change_no_value():
    x = rl.tensor([-1.0, 0.0])
    compiled = rl.compile(lambda x: x.log())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(x.log().tolist()[0])
        assert compiled(x).tolist()[1] == -float("inf")


def test_a_backend_replaces_a_composites_passes(backend):
    calls = []

    def forward(x, weight, bias, axes, eps):
        calls.append("forward")
        return reference.KERNELS["layer_norm.fwd"](x, weight, bias, axes, eps)

    def backward(*given):
        calls.append("backward")
        return reference.KERNELS["layer_norm.vjp"](*given)

    place = backend({"layer_norm.fwd": forward, "layer_norm.vjp": backward})
    x = rl.randn(3, 5, device=place, requires_grad=True)
    rl.layer_norm(x, (5,)).sum().backward()
    assert calls == ["forward", "backward"]


def test_what_is_left_over_from_a_trace():
    kept = []

    def leak(x):
        kept.append(x * 2)
        return x

    rl.compile(leak)(rl.ones(2))
    message = "neg: float32[2] is left over from a trace; return it from the compiled function"
    with raises(TracingError, message):
        -kept[0]


# -- kernels are called rightly -------------------------------------------------------------------


def test_a_kernel_gets_arrays_numbers_and_positional_parameters(backend):
    seen = []

    def spy(name):
        def kernel(*given, **named):
            seen.append((name, [type(x).__name__ for x in given], list(named)))
            return reference.KERNELS[name](*given, **named)

        return kernel

    place = backend({name: spy(name) for name in ("add", "sum", "concat", "full")})
    x = rl.full((2,), 1.0, device=place)
    ops.concat(x, x, axis=0)
    (x + 2).sum()
    assert seen == [
        ("full", ["float", "tuple", dtype_name(), "int"], []),
        ("concat", ["ndarray", "ndarray"], ["axis"]),
        ("add", ["ndarray", "int"], []),
        ("sum", ["ndarray", "tuple", "bool"], []),
    ]


def dtype_name():
    return type(np.dtype("float32")).__name__


def test_a_contract_is_asked_once_for_each_kind_of_input(backend):
    asked = []

    @primitive(required=False)
    def twice(x):
        """x + x.  [*s] -> [*s]."""
        asked.append(x)
        return Spec(x.shape, x.dtype)

    place = backend({"twice": lambda x: x + x})
    for _ in range(3):
        twice(rl.ones(2, device=place))
    twice(rl.ones(3, device=place))
    assert asked == [Spec((2,), rl.float32), Spec((3,), rl.float32)]


def test_operations_from_many_threads_at_once(backend):
    @primitive(required=False)
    def same(x):
        """x.  [*s] -> [*s]."""
        return x

    place, found = backend({"same": lambda x: x}), []

    def work(n):
        for i in range(50):
            z = same(rl.ones(n, i % 7, device=place))
            found.append(z.shape == (n, i % 7))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [True] * 200
