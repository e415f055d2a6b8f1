"""Functions that are one operation on this device: as on the reference, of one program each way."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import rushlight as rl
from rushlight import extend
from rushlight.errors import ContractError, DeviceError, IndexOutOfRange, StaleValue
from rushlight.function import chain
from rushlight_nn import functional as F

EPS = np.finfo(np.float64).eps
OF_ONE = {  # name -> what is called on x
    **{
        name: getattr(F, name)
        for name in (
            "hardtanh relu6 hardsigmoid hardswish elu selu celu leaky_relu softplus mish softsign "
            "logsigmoid tanhshrink hardshrink softshrink"
        ).split()
    },
    "clamp": lambda x: x.clamp(-0.5, max=0.7),
    "threshold": lambda x: F.threshold(x, 0.1, 20.0),
    "nan_to_num": rl.nan_to_num,
    "sinc": rl.sinc,
    "logit": lambda x: rl.logit(x, eps=0.1),
    "logsumexp": lambda x: rl.logsumexp(x, 0),
    "norm": lambda x: x.norm(dim=0),
    "std": lambda x: x.std(),
    "normalize": lambda x: F.normalize(x, dim=0),
    "rms_norm": lambda x: F.rms_norm(x, x.shape[-1:]),
}
OF_SEVERAL = {  # name -> what is called, and the shapes of its tensors
    "clamp tensors": (lambda x, low: rl.clamp(x, low, 0.5), [(6, 5), (5,)]),
    "prelu": (F.prelu, [(3, 4, 5), (4,)]),
    "lerp": (lambda x, y: rl.lerp(x, y, 0.3), [(7,), (7,)]),
    "lerp by a tensor": (rl.lerp, [(6, 5), (6, 5), (5,)]),
    "addcmul": (lambda x, y, w: x.addcmul(y, w, value=0.5), [(6, 5), (5,), (6, 1)]),
    "addcdiv": (lambda x, y, w: rl.addcdiv(x, y, w + 9, value=2), [(6, 5), (5,), (6, 1)]),
    "smooth_l1_loss": (lambda x, y: F.smooth_l1_loss(x, y, beta=0.5), [(6, 5), (6, 5)]),
    "huber_loss": (lambda x, y: F.huber_loss(x, y, "none"), [(6, 5), (6, 5)]),
    "l1_loss": (F.l1_loss, [(6, 5), (6, 5)]),
    "mse_loss": (lambda x, y: F.mse_loss(x, y, reduction="sum"), [(6, 5), (6, 5)]),
    "bce": (F.binary_cross_entropy_with_logits, [(6, 5), (6, 5)]),
    "kl_div": (lambda x, y: F.kl_div(x, y, reduction="sum", log_target=True), [(6, 5), (6, 5)]),
    "poisson_nll_loss": (F.poisson_nll_loss, [(6, 5), (6, 5)]),
    "soft_margin_loss": (F.soft_margin_loss, [(6, 5), (6, 5)]),
    "cosine_similarity": (F.cosine_similarity, [(6, 5), (6, 5)]),
    "pairwise_distance": (F.pairwise_distance, [(6, 5), (6, 5)]),
    "triplet_margin_loss": (F.triplet_margin_loss, [(6, 5), (6, 5), (6, 5)]),
    "margin_ranking_loss": (F.margin_ranking_loss, [(7,), (7,), (7,)]),
    "cdist": (rl.cdist, [(4, 3), (5, 3)]),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b), [(3, 4, 5), (4,), (4,)]),
}


@pytest.fixture(autouse=True)
def _of_few_elements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain.Chain, "least", 0)


def values(shape: tuple[int, ...], seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape) * 2


def derivatives(function, given, device: str) -> list[Any]:
    """The result, the gradients of all inputs, and theirs of a sum of squares of these."""
    xs = [rl.tensor(x, device=device).requires_grad_() for x in given]
    z = function(*xs)
    g = rl.tensor(values(z.shape, 9), device=device)
    firsts = rl.autograd.grad(z, xs, g, create_graph=True, allow_unused=True)
    total = sum(
        [x.square().sum() for x in firsts if x is not None and x.requires_grad], 0 * z.sum()
    )
    seconds = rl.autograd.grad(total, xs, allow_unused=True)
    plain = rl.autograd.grad(function(*xs), xs, g, allow_unused=True)
    found = [z, *firsts, *seconds, *plain]
    return [None if x is None else x.detach().numpy() for x in found]


def agree(ours, theirs, terms: int) -> None:
    for x, y in zip(ours, theirs, strict=True):
        assert (x is None) == (y is None)
        if x is not None:
            scale = 1 + np.max(np.abs(y), initial=0, where=np.isfinite(y))
            np.testing.assert_allclose(x, y, rtol=0, atol=64 * EPS * scale * max(terms, 4))


@pytest.mark.parametrize("name", OF_ONE)
@pytest.mark.parametrize("shape", [(1,), (7,), (63,), (17, 9)], ids=str)
def test_one_operation_is_what_its_steps_are_with_both_derivatives(name, shape):
    if name in {"std", "normalize", "rms_norm"} and shape == (1,):
        pytest.skip("of one element the derivative is a difference of equals, or of none")
    given = [values(shape)]
    agree(*[derivatives(OF_ONE[name], given, device) for device in ("numba", "numpy")], len(shape))


@pytest.mark.parametrize("name", OF_SEVERAL)
def test_several_tensors_broadcast_and_each_has_its_gradient(name):
    function, shapes = OF_SEVERAL[name]
    given = [values(shape, i) for i, shape in enumerate(shapes)]
    agree(*[derivatives(function, given, device) for device in ("numba", "numpy")], given[0].size)


@pytest.mark.parametrize("name", [*OF_ONE, *OF_SEVERAL])
def test_it_is_one_node_on_the_tape_whose_backward_pass_is_a_program(name, monkeypatch):
    function, shapes = OF_SEVERAL.get(name) or (OF_ONE[name], [(5, 4)])
    xs = [rl.tensor(values(s, i), device="numba").requires_grad_() for i, s in enumerate(shapes)]
    z = function(*xs)
    z.backward(rl.ones_like(z))  # now both programs are made, and no step is taken by itself
    monkeypatch.setattr(chain.Chain, "called", None)
    z = function(*xs)
    assert isinstance(z._node.op, chain.Chain)
    z.backward(rl.ones_like(z))
    assert [x.grad.shape for x in xs] == shapes


@pytest.mark.parametrize("name", OF_ONE)
def test_what_is_no_number_goes_where_it_goes_on_the_reference(name):
    given = np.array([[0.0, -0.0, 3.0, -3.0], [np.inf, -np.inf, np.nan, 1e30]], np.float64)
    found = []
    for device in ("numba", "numpy"):
        x = rl.tensor(given, device=device).requires_grad_()
        z = OF_ONE[name](x)
        z.sum().backward()
        found.append((z.detach().numpy(), x.grad.numpy()))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=16 * EPS, atol=EPS)


@pytest.mark.parametrize("turned", [lambda x: x.T, lambda x: x[::2, 1:], lambda x: x[:, :1]])
def test_arrays_may_lie_as_views_do(turned):
    given = values((9, 6))
    ours, theirs = (turned(rl.tensor(given, device=device)) for device in ("numba", "numpy"))
    for name, function in OF_ONE.items():
        x, y = (v.detach().requires_grad_() for v in (ours, theirs))
        for v in (x, y):
            function(v).sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), y.grad.numpy(), 1e-9, 1e-9, err_msg=name)


def test_float32_equals_pytorch():
    given, other = (values((40, 50), i).astype(np.float32) for i in range(2))
    x, y = (rl.tensor(v, device="numba").requires_grad_() for v in (given, other))
    tx, ty = (torch.tensor(v, requires_grad=True) for v in (given, other))
    F.smooth_l1_loss(F.hardswish(x), F.elu(y)).backward()
    f = torch.nn.functional
    f.smooth_l1_loss(f.hardswish(tx), f.elu(ty)).backward()
    for ours, theirs in ((x, tx), (y, ty)):
        np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), 1e-5, 1e-9)


def test_a_tensor_given_twice_has_both_its_gradients():
    found = []
    for device in ("numba", "numpy"):
        x = rl.tensor(values((7,)), device=device).requires_grad_()
        found.append(derivatives(lambda x: rl.addcmul(x, x, x, value=3), [values((7,))], device))
        rl.addcmul(x, x, x).sum().backward()
        found[-1].append(x.grad.numpy())
    agree(*found, 4)


def test_what_is_assigned_after_the_call_changes_no_gradient_but_a_second_one():
    start = rl.ones(4, device="numba", requires_grad=True)
    x = start * 2.0
    z = F.hardswish(x)
    x.mul_(0.0)
    (g,) = rl.autograd.grad(z.sum(), start, retain_graph=True)
    assert g.tolist() == pytest.approx([2 * (2 * 2 + 3) / 6] * 4)
    with pytest.raises(StaleValue, match="hardswish reads a float32"):
        rl.autograd.grad(z.sum(), start, create_graph=True)


def test_in_place_forms_have_the_same_gradient():
    x = rl.tensor(values((7,)), device="numba").requires_grad_()
    y = x * 1.0
    y.clamp_(-1.0, 1.0).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), np.abs(values((7,))) <= 1)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: x.clamp(),
        lambda x: F.hardtanh(x, 2.0, 1.0),
        lambda x: F.smooth_l1_loss(x, x[:2]),
        lambda x: F.mse_loss(x, x, reduction="middle"),
        lambda x: F.hardswish(x.int()),
        lambda x: rl.lerp(x, x.float(), 0.5),
        lambda x: rl.logsumexp(x, 3),
        lambda x: rl.addcmul(x, x, rl.ones(4, device="numpy")),
    ],
)
def test_mistakes_are_refused_as_their_steps_refuse_them(wrong, monkeypatch):
    x = rl.ones(4, dtype=rl.float64, device="numba")
    told = []
    for least in (0, 1 << 60):
        monkeypatch.setattr(chain.Chain, "least", least)
        with pytest.raises((ContractError, DeviceError, IndexError)) as refusal:
            wrong(x)
        told.append(str(refusal.value))
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "options",
    [{}, {"label_smoothing": 0.1}, {"ignore_index": 2}, {"reduction": "none"}, {"weight": True}],
    ids=str,
)
def test_losses_of_classes_look_them_up(options):
    found = []
    for device in ("numba", "numpy"):
        how = {**options}
        if "weight" in how:
            how["weight"] = rl.tensor(values((4,)) ** 2, device=device)
        x = rl.tensor(values((5, 4)), device=device).requires_grad_()
        target = rl.tensor([0, 3, 2, 2, 1], device=device)
        losses = [F.cross_entropy(x, target, **how), F.nll_loss(x, target, how.get("weight"))]
        losses[0].sum().backward()
        losses[1].backward()
        found.append([x.grad.numpy(), *[z.detach().numpy() for z in losses]])
    agree(*found, 5)


@pytest.mark.parametrize("function", [rl.isfinite, rl.isinf])
def test_tests_of_elements_ask_for_no_gradient(function):
    x = rl.tensor([1.0, float("inf"), float("nan")], device="numba", requires_grad=True)
    z = function(x)
    assert z.tolist() == function(x.detach().to("numpy")).tolist()
    assert not z.requires_grad


def test_a_class_that_is_none_is_named_by_the_loss():
    x = rl.zeros(3, 4, device="numba", requires_grad=True)
    target = rl.tensor([0, 9, 1], device="numba")
    with pytest.raises(IndexOutOfRange, match="nll_loss"):
        F.nll_loss(x, target)


def test_narrow_types_and_integers_are_as_on_the_reference():
    for dtype in (rl.float16, rl.bfloat16, rl.int32):
        given = rl.tensor(values((50,)) * 2).to(dtype)
        ours, theirs = (given.to(device).clamp(-1, 2) for device in ("numba", "numpy"))
        assert ours.dtype is theirs.dtype is dtype
        assert ours.tolist() == theirs.tolist()


def test_a_number_that_always_changes_is_not_traced_for_ever():
    x = rl.ones(4, device="numba")
    op = chain.Chain(lambda x, y: x * y)
    mode = rl.eager.interpreter.get()
    made = [op.apply(mode, x.device, (x, float(i)), {}) for i in range(chain.FORMS + 1)]
    assert made[-2].tolist() == [chain.FORMS - 1.0] * 4
    assert made[-1] is None
    assert op.apply(mode, x.device, (x, 1.0), {}).tolist() == [1.0] * 4


def test_numbers_of_two_types_are_two_kinds():
    x = rl.tensor([1, 5], device="numba")
    assert x.clamp(max=2).dtype is rl.int64
    assert x.clamp(max=2.0).dtype is rl.float32


def test_a_function_of_a_users_own_may_look_at_values_or_take_lists():
    @extend.chain
    def halved(x, axes, least=0.0):
        """Half of x, summed."""
        return x.sum(axes) / 2 if float(x.min()) > least else x

    x = rl.ones(4, 3, device="numba")
    assert halved(x, [0]).tolist() == [2.0] * 3
    assert halved(x, (0, 1), least=-1.0).item() == 6.0
    assert halved.__doc__ == "Half of x, summed."


def test_what_depends_on_more_than_its_arguments_is_called_as_it_is():
    weight = rl.full((4,), 3.0, device="numba", requires_grad=True)

    @extend.chain
    def weighted(x):
        return x * weight

    @extend.chain
    def noisy(x):
        return x + rl.rand(4, device="numba")

    @extend.chain
    def halves(x):
        return x[:2], x[2:]

    x = rl.ones(4, device="numba", requires_grad=True)
    weighted(x).sum().backward()
    assert x.grad.tolist() == [3.0] * 4
    assert weight.grad.tolist() == [1.0] * 4
    assert noisy(x).tolist() != noisy(x).tolist()
    assert [half.tolist() for half in halves(x)] == [[1.0, 1.0]] * 2


def test_a_function_without_a_gradient_leaves_none():
    @extend.chain
    def step(x, y):
        return x.detach() * 2 + y.detach()

    x, y = (rl.ones(3, device="numba", requires_grad=True) for _ in range(2))
    (x * 2 + step(x, y)).sum().backward()
    assert x.grad.tolist() == [2.0] * 3
    assert y.grad is None


def test_inside_a_compiled_function_the_steps_are_taken():
    x = rl.tensor(values((33,)), device="numba")
    compiled = rl.compile(lambda x: F.hardswish(x).square().mean())
    assert compiled(x).item() == pytest.approx(F.hardswish(x).square().mean().item(), rel=64 * EPS)


def test_under_autocast_a_loss_is_wide():
    x, y = (rl.tensor(values((8, 8), i)).float().to("numba") for i in range(2))
    wanted = F.smooth_l1_loss(x.bfloat16().float(), y).item()
    with rl.autocast("cpu", dtype=rl.bfloat16):
        z = F.smooth_l1_loss(x.bfloat16(), y)
    assert z.dtype is rl.float32
    assert z.item() == wanted


def test_the_same_bits_for_any_number_of_threads():
    x = rl.randn(400, 700, device="numba").requires_grad_()
    found = []
    for n in (1, 2):
        rl.set_num_threads(n)
        x.grad = None
        z = rl.logsumexp(F.mish(x), 1)
        F.huber_loss(z, z.detach() * 0.5).backward()
        found.append((z.detach().numpy().tobytes(), x.grad.numpy().tobytes()))
    assert found[0] == found[1]
