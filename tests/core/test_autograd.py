"""Differentiation: backward, grad, modes, higher derivatives, Function, gradcheck, memory."""

import asyncio
import gc
import re
import sys
import threading
import time
import tracemalloc
import weakref
from itertools import pairwise

import numpy as np
import pytest
import torch

import rushlight as rl
from rushlight.autograd import Function, gradcheck
from rushlight.errors import ContractError, NoGradient, StaleValue, WrongGradient

DEVICES = ["numpy", "hostile"]


def leaf(*values, dtype="float32", device="numpy"):
    data = values[0] if len(values) == 1 else list(values)
    return rl.tensor(data, dtype=dtype, device=device, requires_grad=True)


def raises(error, message):
    return pytest.raises(error, match=f"^{re.escape(message)}$")


# -- backward -------------------------------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
def test_a_small_network_has_pytorchs_gradients(device):
    rng = np.random.default_rng(0)
    shapes = [(7, 4), (4, 5), (5,), (5, 3), (3,)]
    arrays = [rng.normal(size=shape).astype("float32") for shape in shapes]

    def loss(lib, x, w, b, v, c):
        hidden = (x @ w + b).tanh()
        scores = (hidden @ v + c).softmax(1)
        return -((scores + 0.1).log() * scores).sum() / len(x)

    ours = [rl.tensor(a, device=device, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    loss(rl, *ours).backward()
    loss(torch, *theirs).backward()
    for x, y in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-4, atol=1e-6)


def test_a_value_used_many_times_sums_its_gradients():
    x = leaf(3.0)
    y = x * x
    z = y + y * x + y  # x^3 + 2 x^2
    z.backward()
    assert x.grad.item() == 3 * 9 + 4 * 3


def test_several_roots_at_once():
    x = leaf(1.0, 2.0)
    y, z = x * 2, x * x
    rl.autograd.backward([y, z], [rl.tensor([1.0, 1.0]), rl.tensor([10.0, 100.0])])
    assert x.grad.tolist() == [2 + 20, 2 + 400]


def test_a_root_below_another():
    x = leaf(2.0)
    y = x * x
    z = y * 3
    rl.autograd.backward([z, y], [None, rl.tensor(100.0)])
    assert x.grad.item() == 12 + 400


def test_every_gradient_is_a_tensor_of_its_own():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    given = rl.tensor([1.0, 1.0])
    (x + y).backward(given)
    x.grad.mul_(9)
    assert (y.grad.tolist(), given.tolist()) == ([1, 1], [1, 1])
    one = leaf(1.0)
    one.backward()
    one.grad.mul_(5)
    other = leaf(1.0)
    other.backward()
    assert other.grad.item() == 1


def test_leaves_that_are_gone_are_passed_over():
    x = leaf(2.0)
    z = x * leaf(3.0)
    z.backward()
    assert x.grad.item() == 3


MISTAKES = {
    "nothing asks": (
        lambda x: rl.tensor([1.0]).backward(),
        (
            "backward: float32[1] does not require a gradient; "
            "set requires_grad on what it is computed from"
        ),
    ),
    "not one number": (
        lambda x: (x * 2).backward(),
        "backward: float32[3] is not one number; sum it, or give its cotangent",
    ),
    "input without a gradient": (
        lambda x: rl.autograd.grad(x.sum(), rl.ones(2)),
        ("grad: input float32[2] does not require a gradient; set requires_grad before it is used"),
    ),
    "unused input": (
        lambda x: rl.autograd.grad(x.sum(), leaf(1.0)),
        "grad: the outputs do not depend on input float32[]; pass allow_unused=True to get None",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_has_no_gradient(mistake):
    call, message = MISTAKES[mistake]
    with raises(NoGradient, message):
        call(leaf(1.0, 2.0, 3.0))


def test_a_cotangent_of_another_shape():
    with raises(
        ContractError, "backward: cotangent float32[2] for float32[3]; give it the same shape"
    ):
        (leaf(1.0, 2.0, 3.0) * 2).backward(rl.ones(2))
    with raises(ContractError, "backward: 1 cotangents for 2 outputs; give one for each"):
        x = leaf(1.0)
        rl.autograd.backward([x, x], [None])


USED_UP = "backward: the tape was used up by an earlier backward pass; pass retain_graph=True there"


def test_a_tape_is_used_up_unless_retained():
    x = leaf(2.0)
    z = x * x
    z.backward(retain_graph=True)
    z.backward()
    assert x.grad.item() == 8
    with raises(NoGradient, USED_UP):
        z.backward()


def test_part_of_a_tape_is_used_up():
    x = leaf(2.0)
    y = x * x
    (y * 3).backward()
    with raises(NoGradient, USED_UP):
        (y * 4).backward()
    with raises(NoGradient, USED_UP):
        rl.autograd.grad(y * 4, x)


def test_backward_of_a_leaf():
    x = leaf(2.0)
    x.backward()
    x.backward()  # there is no tape to use up
    assert x.grad.item() == 2


# -- grad -----------------------------------------------------------------------------------------


def test_grad_leaves_no_trace_on_leaves():
    x, y = leaf(2.0), leaf(3.0)
    gx, gy = rl.autograd.grad(x * x * y, [x, y])
    assert (gx.item(), gy.item()) == (12, 4)
    assert x.grad is None
    assert not gx.requires_grad


def test_grad_of_what_was_computed():
    x = leaf(2.0)
    y = x * x
    z = y * y
    gy, gx = rl.autograd.grad(z, [y, x])
    assert (gy.item(), gx.item()) == (8, 32)


def test_unused_inputs():
    x, y = leaf(2.0), leaf(3.0)
    assert rl.autograd.grad(x * 2, [x, y], allow_unused=True)[1] is None


@pytest.mark.parametrize("lib", [rl, torch], ids=["rushlight", "torch"])
def test_an_unused_input_may_get_zeros(lib):
    x = lib.tensor([1.0, 2.0], requires_grad=True)
    y = lib.tensor([[3.0], [4.0]], requires_grad=True)
    gx, gy = lib.autograd.grad((x * x).sum(), [x, y], materialize_grads=True)
    assert (gx.tolist(), gy.tolist()) == ([2.0, 4.0], [[0.0], [0.0]])
    with pytest.raises(ValueError, match="materialize_grads"):
        lib.autograd.grad(x.sum(), [x], allow_unused=False, materialize_grads=True)
    positional = lib.autograd.grad(x.sum(), [x, y], None, None, False, True, True)
    assert positional[1] is None


def test_grad_refuses_batches_of_cotangents():
    x = leaf(3.0)
    with raises(ContractError, "grad: is_grads_batched; call it for each cotangent instead"):
        rl.autograd.grad(x * 2, x, rl.ones(4), is_grads_batched=True)


def test_grad_visits_only_what_leads_to_its_inputs():
    visited = []

    class Watched(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, g):
            visited.append(g)
            return g

    x, y = leaf(2.0), leaf(3.0)
    z = Watched.apply(x) * y
    rl.autograd.grad(z, y, retain_graph=True)
    assert not visited
    rl.autograd.grad(z, x)
    assert len(visited) == 1


def test_the_same_input_twice_and_an_output_as_its_own_input():
    x = leaf(2.0)
    z = x * 3
    assert [g.item() for g in rl.autograd.grad(z, [x, x, z])] == [3, 3, 1]


# -- modes ----------------------------------------------------------------------------------------


def test_modes_nest_and_end_with_their_block():
    x = leaf(1.0)
    with rl.no_grad():
        assert not rl.is_grad_enabled()
        assert not (x * 2).requires_grad
        with rl.enable_grad():
            assert (x * 2).requires_grad
            with pytest.raises(KeyError), rl.no_grad():
                raise KeyError
            assert rl.is_grad_enabled()
        assert not rl.is_grad_enabled()
    assert (x * 2).requires_grad


def test_modes_as_decorators():
    x = leaf(1.0)

    @rl.no_grad()
    def quiet(deep=0):
        made = x * 2
        return quiet(deep - 1) if deep else made

    assert not quiet(3).requires_grad
    assert rl.is_grad_enabled()
    with rl.no_grad():
        assert rl.enable_grad()(lambda: x * 2)().requires_grad


def test_set_grad_enabled():
    x = leaf(1.0)
    with rl.set_grad_enabled(False):
        assert not (x * 2).requires_grad
    assert rl.is_grad_enabled()
    rl.set_grad_enabled(False)
    try:
        assert not (x * 2).requires_grad
    finally:
        rl.set_grad_enabled(True)
    assert (x * 2).requires_grad


def test_modes_are_of_one_thread():
    x, seen = leaf(1.0), []
    with rl.no_grad():
        thread = threading.Thread(target=lambda: seen.append((x * 2).requires_grad))
        thread.start()
        thread.join()
    assert seen == [True]


def test_modes_are_of_one_task():
    x = leaf(1.0)

    async def quiet():
        with rl.no_grad():
            await asyncio.sleep(0.001)
            return (x * 2).requires_grad

    async def loud():
        await asyncio.sleep(0)
        return (x * 2).requires_grad

    async def both():
        return await asyncio.gather(quiet(), loud())

    assert asyncio.run(both()) == [False, True]


def test_threads_differentiate_side_by_side():
    w, found = leaf(2.0), {}

    def work(i):
        x = leaf(float(i))
        for _ in range(20):
            z = x * w
            for _ in range(20):
                z = z * 1.0 + 0.0
            found[i] = [g.item() for g in rl.autograd.grad(z, [x, w])]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {i: [2, i] for i in range(4)}


# -- higher derivatives ---------------------------------------------------------------------------


@pytest.mark.parametrize("device", DEVICES)
def test_derivatives_of_every_order(device):
    x = leaf(1.5, device=device)
    z = x**4
    for expected in (4 * 1.5**3, 12 * 1.5**2, 24 * 1.5, 24):
        (z,) = rl.autograd.grad(z, x, create_graph=True)
        assert z.item() == pytest.approx(expected, rel=1e-6)


def test_second_derivatives_are_pytorchs():
    rng = np.random.default_rng(1)
    arrays = [rng.normal(size=shape) for shape in [(5, 3), (3, 4), (4,)]]

    def penalty(lib, x, w, b):
        hidden = (x @ w + b).sigmoid()
        score = (hidden * hidden).mean() + hidden.softmax(1).max()
        (gx,) = lib.autograd.grad(score, x, create_graph=True)
        return (gx * gx).sum() + score

    ours = [rl.tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    penalty(rl, *ours).backward()
    penalty(torch, *theirs).backward()
    for x, y in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-9, atol=1e-12)


def test_backward_with_create_graph_leaves_differentiable_gradients():
    x = leaf(3.0)
    (x**3).backward(create_graph=True)
    first = x.grad
    assert first.requires_grad
    x.grad = None
    first.backward()
    assert x.grad.item() == 18


def test_a_hessian_times_a_vector():
    rng = np.random.default_rng(2)
    a, v = rng.normal(size=(4, 4)), rng.normal(size=4)
    x = rl.tensor(rng.normal(size=4), requires_grad=True)
    z = x @ rl.tensor(a) @ x
    (g,) = rl.autograd.grad(z, x, create_graph=True)
    (hv,) = rl.autograd.grad(g, x, rl.tensor(v))
    np.testing.assert_allclose(hv.numpy(), (a + a.T) @ v, rtol=1e-12)


# -- values that were assigned since --------------------------------------------------------------


def test_what_backward_reads_must_not_have_changed():
    x, y = leaf(2.0), leaf(3.0)
    z = x * y
    with rl.no_grad():
        y.add_(1)
    message = (
        "backward: mul reads a float32[] that was assigned in place since; "
        "call backward() first, or use the tensor's clone()"
    )
    with raises(StaleValue, message):
        z.backward()


def test_what_backward_does_not_read_may_change():
    x, y = leaf(2.0), leaf(3.0)
    total, activated = x + y, x.exp()
    with rl.no_grad():
        x.add_(1)
        y.add_(1)
    total.backward()
    activated.backward()
    assert x.grad.item() == pytest.approx(1 + np.exp(2), rel=1e-6)


@pytest.mark.parametrize("name", ["exp", "tanh", "sigmoid", "softmax", "relu", "sqrt"])
def test_a_result_that_backward_reads_is_kept_even_if_assigned(name):
    x = leaf(0.5, 2.0)
    make = {"softmax": lambda x: x.softmax(0)}.get(name, lambda x: getattr(x, name)())
    z = make(x)
    total = z * rl.tensor([1.0, 10.0])
    expected = rl.autograd.grad(total.sum(), x, retain_graph=True)[0].tolist()
    z.detach().fill_(7)  # arrays are never written: the tape holds what was computed
    assert rl.autograd.grad(total.sum(), x)[0].tolist() == expected


# -- Function -------------------------------------------------------------------------------------


class Scale(Function):
    """x times a plain number, its gradient stated by hand."""

    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x * factor

    @staticmethod
    def backward(ctx, g):
        return g * ctx.factor, None


class Cube(Function):
    """x^3, differentiable as often as asked."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x * x * 3


class Split(Function):
    """Whole and fractional part; the whole part has no gradient."""

    @staticmethod
    def forward(ctx, x):
        whole = x.floor()
        ctx.mark_non_differentiable(whole)
        return whole, x - whole

    @staticmethod
    def backward(ctx, g_whole, g_rest):
        assert g_whole.tolist() == [0.0, 0.0]  # zeros for what has no gradient, as PyTorch's
        return g_rest


class Both(Function):
    """Sum and difference."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.asked = ctx.needs_input_grad
        return x + y, x - y

    @staticmethod
    def backward(ctx, g, h):
        g = rl.zeros(2) if g is None else g
        h = rl.zeros(2) if h is None else h
        return g + h, g - h


def test_a_function_with_a_number_among_its_arguments():
    x = leaf(1.0, 2.0)
    z = Scale.apply(x, 3)
    assert (z.grad_fn.name, z.requires_grad) == ("Scale", True)
    z.sum().backward()
    assert x.grad.tolist() == [3, 3]
    with rl.no_grad():
        assert not Scale.apply(x, 3).requires_grad
    assert not Scale.apply(rl.ones(2), 3).requires_grad


def test_a_function_is_differentiated_twice():
    x = leaf(2.0)
    (g,) = rl.autograd.grad(Cube.apply(x), x, create_graph=True)
    (h,) = rl.autograd.grad(g, x)
    assert (g.item(), h.item()) == (12, 12)
    assert gradcheck(Cube.apply, leaf(0.5, -1.5, dtype="float64"))


def test_a_function_of_several_results():
    x, y = leaf(1.0, 2.0), leaf(5.0, 7.0)
    s, d = Both.apply(x, y)
    (s * rl.tensor([1.0, 10.0])).sum().backward(retain_graph=True)
    assert (x.grad.tolist(), y.grad.tolist()) == ([1, 10], [1, 10])
    x.grad = y.grad = None
    (s + d * 2).sum().backward()
    assert (x.grad.tolist(), y.grad.tolist()) == ([3, 3], [-1, -1])


def test_a_result_without_a_gradient():
    x = leaf(1.25, -0.5)
    whole, rest = Split.apply(x)
    assert (whole.requires_grad, rest.requires_grad) == (False, True)
    (whole * rest).sum().backward()
    assert x.grad.tolist() == [1, -1]


def test_which_arguments_ask_is_known():
    seen = []

    class Asking(Both):
        @staticmethod
        def forward(ctx, x, y):
            seen.append(ctx.needs_input_grad)
            return x + y

    Asking.apply(leaf(1.0), rl.tensor(1.0))
    assert seen == [(True, False)]


def test_a_function_may_return_its_argument():
    class Same(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 10

    x = leaf(1.0)
    z = Same.apply(x)
    assert z is not x
    z.backward()
    assert x.grad.item() == 10


def test_a_function_with_too_few_cotangents():
    class Short(Both):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, g):
            return g

    message = (
        "Short.backward: 1 cotangents for 2 arguments of forward; "
        "return one for each, None where there is none"
    )
    with raises(ContractError, message):
        Short.apply(leaf(1.0), leaf(2.0)).backward()


def test_a_saved_tensor_that_was_assigned():
    x = leaf(2.0)
    z = Cube.apply(x)
    with rl.no_grad():
        x.add_(1)
    message = (
        "backward: a saved tensor float32[] was assigned in place since; save its clone() instead"
    )
    with raises(StaleValue, message):
        z.backward()


def test_a_function_within_a_compiled_function():
    x = leaf(1.0, 2.0)

    @rl.compile
    def step(x):
        return Cube.apply(x).sum()

    for _ in range(2):
        step(x).backward()
    assert x.grad.tolist() == [6, 24]


# -- gradcheck ------------------------------------------------------------------------------------


class Wrong(Cube):
    """A gradient that forgets a factor."""

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x * x * 2


def test_gradcheck_finds_a_wrong_gradient_and_says_where():
    x = leaf(1.0, -2.0, dtype="float64")
    message = r"^gradcheck: d output 0\[0\] / d input 0\[0\] is 2 by backward, 3 by differences; "
    with pytest.raises(WrongGradient, match=message):
        gradcheck(Wrong.apply, x)
    assert not gradcheck(Wrong.apply, x, raise_exception=False)


def test_gradcheck_of_several_inputs_and_outputs():
    x, y = leaf(0.5, -1.5, dtype="float64"), leaf(2.0, 3.0, dtype="float64")
    assert gradcheck(lambda x, y: (x * y, (x / y).sum()), (x, y))
    assert gradcheck(lambda x, n: x**n, (x, 3))
    assert not gradcheck(lambda x, y: x * y.detach(), (x, y), raise_exception=False)


def test_gradcheck_refuses_what_it_cannot_measure():
    with raises(
        ContractError, "gradcheck: input 0 is float32[2]; use float64, finite differences need it"
    ):
        gradcheck(lambda x: x, leaf(1.0, 2.0))
    with raises(ContractError, "gradcheck: no input requires a gradient; set requires_grad on one"):
        gradcheck(lambda x: x, rl.ones(2, dtype=rl.float64))


# -- what the tape costs --------------------------------------------------------------------------


def test_a_chain_of_100_000_operations():
    x = leaf(1.0)
    z = x
    for _ in range(50_000):
        z = z * 1.0 + 0.0
    assert sys.getrecursionlimit() < 50_000
    start = time.perf_counter()
    z.backward()
    assert time.perf_counter() - start < 20
    assert x.grad.item() == 1


def test_a_long_chain_is_forgotten_without_recursion():
    x = leaf(1.0)
    z = x
    for _ in range(100_000):
        z = z * 1.0
    node = weakref.ref(z.grad_fn)
    del z  # destroying it node by node must not overflow the stack
    assert node() is None


def test_a_chain_differentiated_twice():
    x = leaf(1.0)
    z = x
    for _ in range(3_000):
        z = z * x * 1.0
    (g,) = rl.autograd.grad(z, x, create_graph=True)
    (h,) = rl.autograd.grad(g, x)
    assert (g.item(), h.item()) == (3001, 3001 * 3000)


def test_a_wide_graph_is_walked_once():
    """Sixty doublings have 2^60 paths, and sixty nodes."""
    x = leaf(1.0, dtype="float64")
    z = x
    for _ in range(60):
        z = z + z
    z.backward()
    assert x.grad.item() == 2.0**60


ACTIVATION = 512 * 256 * 4  # bytes


@pytest.fixture
def held():
    """How many activations are held now, as numpy tells tracemalloc."""
    gc.collect()
    gc.disable()
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[0] / ACTIVATION
    tracemalloc.stop()
    gc.enable()


def weights():
    rl.manual_seed(0)
    return rl.randn(256, 256).mul_(0.05).requires_grad_(), rl.zeros(256, requires_grad=True)


def block(x, w, b):
    return x + rl.relu(x @ w + b)


def test_a_residual_block_holds_two_activations(held):
    (w, b), x = weights(), rl.randn(512, 256)
    x = block(x, w, b)  # from here on x asks for a gradient, as in the middle of a network
    before = held()
    for _ in range(8):
        x = block(x, w, b)
    assert (held() - before) / 8 < 2.1  # its result, and that of relu


def test_memory_falls_while_backward_runs(held):
    (w, b), x = weights(), rl.randn(512, 256)
    levels = []

    class Watched(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            levels.append(held())
            return g

    for _ in range(8):
        x = block(Watched.apply(x), w, b) if levels or x.requires_grad else block(x, w, b)
    loss = x.sum()
    del x
    loss.backward()
    assert len(levels) == 7
    steps = [before - after for before, after in pairwise(levels)]
    assert min(steps) > 1.5, steps  # each block gives back nearly two activations


def test_what_no_rule_reads_is_not_kept(held):
    x = rl.randn(512, 256).requires_grad_()
    before = held()
    z = x
    for _ in range(10):
        z = z + 1.0
        z = z.reshape(256, 512).reshape(512, 256)
        z = -z
        z = z.permute((1, 0)).mT
        z = z - 2.0
    assert held() - before < 1.1  # the last result


def test_a_product_keeps_only_what_the_asking_side_reads(held):
    x, constant = rl.randn(512, 256).requires_grad_(), rl.randn(512, 256)
    before = held()
    z = x * constant
    assert held() - before < 1.1
    z = z * 2.0
    assert held() - before < 1.1  # the first product is read by nobody
    assert z.requires_grad


def test_a_tape_goes_with_its_result_at_once(held):
    (w, b), x = weights(), rl.randn(512, 256)
    before = held()
    z = block(block(x, w, b), w, b)
    assert held() - before > 2
    del z  # the garbage collector is off: there is no cycle to collect
    assert held() - before < 0.1


def test_the_tape_is_gone_after_backward(held):
    (w, b), x = weights(), rl.randn(512, 256)
    w.grad, b.grad = rl.zeros(256, 256), rl.zeros(256)
    before = held()
    loss = block(block(x, w, b), w, b).sum()
    loss.backward()
    assert held() - before < 0.1


# -- hooks ----------------------------------------------------------------------------------------


def hooked_run(t):
    """What hooks of a computed tensor, of a leaf and of a retained one see, in either framework."""
    seen = []
    x = t.tensor([1.0, 2.0], requires_grad=True)
    h = x * 3.0
    y = (h * h).sum() + h.sum()  # used before the hook is registered
    h.register_hook(lambda g: seen.append(g.tolist()))
    h.register_hook(lambda g: g * 2.0)
    x.register_hook(lambda g: g + 1.0)
    h.retain_grad()
    y.backward(retain_graph=True)
    (of_x,) = t.autograd.grad(y, x, retain_graph=True)
    of_h, _ = t.autograd.grad(y, (h, x))
    return seen, x.grad.tolist(), h.grad.tolist(), of_x.tolist(), of_h.tolist()


def test_hooks_see_and_change_what_pytorchs_do():
    assert hooked_run(rl) == hooked_run(torch)


def test_a_hook_that_is_removed_is_called_no_more():
    x = rl.tensor([1.0], requires_grad=True)
    h = x * 2.0
    handle = h.register_hook(lambda g: g * 10.0)
    handle.remove()
    h.sum().backward()
    assert x.grad.tolist() == [2.0]


def test_hooks_go_with_their_node():
    from rushlight.node import HOOKED

    before = len(HOOKED)
    h = leaf(1.0) * 2.0
    h.register_hook(print)
    assert len(HOOKED) == before + 1
    del h
    gc.collect()
    assert len(HOOKED) == before


def test_a_hook_that_returns_another_shape_is_refused():
    x = rl.tensor([1.0, 2.0], requires_grad=True)
    h = x * 2.0
    h.register_hook(lambda g: rl.ones(3))
    with pytest.raises(rl.ContractError, match="must have the shape of the input"):
        h.sum().backward()


# -- what users may do to what they are given -----------------------------------------------------


def test_a_hook_that_works_in_place_changes_this_pass_only():
    for factor in (2.0, 1.0):
        x = rl.tensor(3.0, requires_grad=True)
        if factor == 2.0:
            x.register_hook(lambda g: g.mul_(2.0))
        (x + 0.0).backward()
        assert x.grad.item() == factor


def test_a_function_that_works_in_place_changes_its_own_branch_only():
    class Doubled(Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2.0

        @staticmethod
        def backward(ctx, g):
            g *= 2.0
            return g

    x, y = leaf(1.0), leaf(1.0)
    (Doubled.apply(x) + y).sum().backward()
    assert (x.grad.item(), y.grad.item()) == (2.0, 1.0)
    z = leaf(1.0)
    (z * 1.0).sum().backward()
    assert z.grad.item() == 1.0


def exponential(t):
    """A function that saves its result: value, first and second derivative of F(x) x."""

    class Exponential(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            z = x.exp()
            ctx.save_for_backward(z)
            return z

        @staticmethod
        def backward(ctx, g):
            (z,) = ctx.saved_tensors
            return g * z

    x = t.tensor([1.0], requires_grad=True)
    z = Exponential.apply(x) * x
    (first,) = t.autograd.grad(z.sum(), x, create_graph=True)
    (second,) = t.autograd.grad(first.sum(), x)
    return [z.item(), first.item(), second.item()]


def test_a_saved_result_is_differentiated_again():
    np.testing.assert_allclose(exponential(rl), exponential(torch), rtol=1e-6)


def pair(t, materialize=True):
    """A function of two results, one of which is not used."""
    seen = []

    class Pair(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(materialize)
            return x * 2.0, x * 3.0

        @staticmethod
        def backward(ctx, g, h):
            seen.append(None if h is None else h.tolist())
            return g * 2.0

    x = t.tensor([1.0], requires_grad=True)
    Pair.apply(x)[0].sum().backward()
    return seen, x.grad.tolist()


@pytest.mark.parametrize("materialize", [True, False])
def test_unused_results_have_zeros_or_none(materialize):
    assert pair(rl, materialize) == pair(torch, materialize)


@pytest.mark.parametrize("name", "sign floor ceil trunc round".split())
def test_steps_have_the_gradient_0(name):
    x = leaf(0.0, 1.5, -1.5)
    getattr(rl, name)(x).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]


def test_the_second_derivative_of_abs_is_zero():
    x = leaf(0.0, 1.0, -1.0)
    (first,) = rl.autograd.grad(x.abs().sum(), x, create_graph=True)
    assert not first.requires_grad or rl.autograd.grad(first.sum(), x)[0].tolist() == [0, 0, 0]


def split_backward(t):
    """The gradient of the middle first, then from there on."""
    w = t.tensor([1.0, 2.0], requires_grad=True)
    h = w * w
    (gh,) = t.autograd.grad((h * h).sum(), h)
    h.backward(gh)
    return w.grad.tolist()


def test_grad_uses_up_only_what_it_visits():
    assert split_backward(rl) == split_backward(torch) == [4.0, 32.0]


def test_threads_add_up_in_one_leaf():
    x = leaf(0.0)

    def work():
        for _ in range(200):
            (x * 1.0).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert x.grad.item() == 1600


def test_set_grad_enabled_as_a_decorator_says_nothing_outside():
    @rl.set_grad_enabled(False)
    def inside():
        return rl.is_grad_enabled()

    assert (rl.is_grad_enabled(), inside(), rl.is_grad_enabled()) == (True, False, True)


def test_no_grad_holds_in_each_step_of_a_generator():
    @rl.no_grad()
    def steps():
        try:
            given = yield rl.is_grad_enabled()
            yield given, rl.is_grad_enabled()
        except ValueError as error:
            yield str(error), rl.is_grad_enabled()
        return "done"

    generator = steps()
    assert next(generator) is False
    assert rl.is_grad_enabled()
    assert generator.send(7) == (7, False)
    assert generator.throw(ValueError("x")) == ("x", False)
    with pytest.raises(StopIteration, match="done"):
        next(generator)
    abandoned = steps()
    next(abandoned)
    abandoned.close()
    assert rl.is_grad_enabled()


# -- places without a slope -----------------------------------------------------------------------


def length(t, x):
    return x.norm(dim=1).sum()


def deviation(t, x):
    return x.std(dim=1).sum()


@pytest.mark.parametrize("function", [length, deviation])
def test_norms_and_deviations_have_the_gradient_zero_at_zero(function):
    found = []
    for t in (rl, torch):
        x = t.tensor([[0.0, 0.0], [3.0, -4.0]], requires_grad=True)
        function(t, x).backward()
        found.append(x.grad.tolist())
    np.testing.assert_allclose(*found, rtol=1e-6)
    assert gradcheck_second(function)


def gradcheck_second(function):
    x = rl.tensor([[0.3, -0.7], [3.0, -4.0]], dtype=rl.float64, requires_grad=True)
    return rl.autograd.gradgradcheck(lambda x: function(rl, x), (x,))


def test_powers_of_numbers_that_change_are_differentiated_in_compiled_functions():
    power = rl.compile(lambda x, n: x**n)
    base = rl.compile(lambda x, n: n**x)
    for n in (2.0, 3.0, 0.5):
        for compiled, eager in ((power, lambda x, n=n: x**n), (base, lambda x, n=n: n**x)):
            x, y = leaf(0.5, 2.0), leaf(0.5, 2.0)
            compiled(x, n).sum().backward()
            eager(y).sum().backward()
            np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), rtol=1e-6)


# -- hooks and retained gradients, beside PyTorch -------------------------------------------------


def retained_twice(t):
    w = t.ones(3, requires_grad=True)
    x = w * 2
    x.retain_grad()
    x.retain_grad()
    x.sum().backward()
    return x.grad.tolist()


def retained_then_in_place(t):
    w = t.ones(3, requires_grad=True)
    x = w * 2
    x.retain_grad()
    x.mul_(4)
    x.sum().backward()
    return x.grad.tolist(), w.grad.tolist()


def retained_apart(t):
    """Gradients that are retained are changed in place, and nothing else follows."""
    p, q = (t.ones(2, requires_grad=True) * 1 for _ in range(2))
    p.retain_grad()
    q.retain_grad()
    (p + q).sum().backward()
    p.grad.zero_()
    w = t.ones(2, requires_grad=True)
    loss = (w * 2).sum()
    loss.retain_grad()
    loss.backward()
    loss.grad.zero_()
    v = t.ones(2, requires_grad=True)
    (v * 2).sum().backward()
    return p.grad.tolist(), q.grad.tolist(), v.grad.tolist()


def hooked_target(t):
    w = t.ones(2, requires_grad=True)
    x = w * 2
    x.register_hook(lambda g: g * 10)
    y = (x * 3).sum()
    (alone,) = t.autograd.grad(y, [x], retain_graph=True)
    both = t.autograd.grad(y, [x, w])
    return alone.tolist(), [g.tolist() for g in both]


@pytest.mark.parametrize(
    "program", [retained_twice, retained_then_in_place, retained_apart, hooked_target]
)
def test_hooks_do_what_pytorchs_do(program):
    assert program(rl) == program(torch)


def test_a_hook_that_returns_no_tensor_is_refused():
    x = leaf(1.0)
    x.register_hook(lambda g: 2.0)
    with pytest.raises(rl.ContractError, match="the hook returned float"):
        x.sum().backward()


def test_a_leaf_in_its_own_hook_is_freed():
    x = leaf(1.0)
    gone = weakref.ref(x)
    x.register_hook(lambda g, x=x: None)
    del x
    gc.collect()
    assert gone() is None


def lenient(t):
    """A function whose backward returns more than it need."""

    class Both(t.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2.0, x * 3.0

        @staticmethod
        def backward(ctx, g, h):
            return g * 2.0 + h * 3.0, None, None

    x = t.tensor([1.0], requires_grad=True)
    a, b = Both.apply(x)
    (a + b).sum().backward()
    return x.grad.tolist()


def test_functions_may_return_more_nones():
    assert lenient(rl) == lenient(torch) == [5.0]


def test_no_grad_decorates_without_brackets():
    @rl.no_grad
    def inside():
        return rl.is_grad_enabled()

    assert (inside(), rl.is_grad_enabled()) == (False, True)
