"""Edge values, gradients at nan and classes of errors, beside PyTorch."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as torch_functional

import rushlight as rl
import rushlight_nn.functional as rl_functional

NAN, INF = math.nan, math.inf
LIBRARIES = ((rl, rl_functional), (torch, torch_functional))


def alike(ours, theirs):
    """Two tensors of one type, shape and values."""
    assert str(ours.dtype).rpartition(".")[2] == str(theirs.dtype).rpartition(".")[2]
    np.testing.assert_allclose(ours.tolist(), theirs.tolist(), rtol=1e-6)


def beside(code):
    """What code gives in both libraries, m and F."""
    how = {"nan": NAN, "inf": INF, "np": np}
    return [eval(code, {**how, "m": lib, "F": functional}) for lib, functional in LIBRARIES]


AT_NAN = """
F.elu(x); F.elu(x, 0.5); F.celu(x); F.celu(x, 2.0); F.selu(x); F.hardswish(x)
m.clamp(x, 0, 1); m.clamp(x, min=0); m.clamp(x, max=0); m.clamp(x, 2, 1); x.clip(-1.0, 1.0)
m.clamp(x, m.tensor(0.0), m.tensor([1.0])); m.clamp(x, m.tensor(nan), m.tensor(1.0))
m.clamp(x, max=m.tensor(nan)); m.clamp(x, nan, 1.0).detach() * x
"""


def lines(text):
    """The calls in a text, between semicolons and ends of lines."""
    return [call.strip() for call in text.replace("\n", ";").split(";") if call.strip()]


@pytest.mark.parametrize("call", lines(AT_NAN))
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_gradients_at_nan_and_infinity(call, dtype):
    made = []
    for lib, functional in LIBRARIES:
        at = [NAN, INF, -INF, -4.0, -1.0, 0.5, 1.5, 4.0]
        x = lib.tensor(at, dtype=getattr(lib, dtype), requires_grad=True)
        z = eval(call, {"m": lib, "F": functional, "x": x, "nan": NAN})
        z.sum().backward()
        made.append((z, x.grad))
    eps = float(torch.finfo(getattr(torch, dtype)).eps)
    for ours, theirs in zip(*made, strict=True):  # exp(x) is expm1(x) + 1 here: that much is lost
        np.testing.assert_allclose(ours.tolist(), theirs.tolist(), rtol=4 * eps, atol=eps)


BESIDE = """
m.tensor([2, 1, -1, -1, 0, -2, 3]) ** m.tensor([-1, -5, -2, -3, -1, -7, 2])
2 ** m.tensor([-1, 2]); m.pow(-1, m.tensor([-1, -2], dtype=m.int8)); m.tensor([0]) ** m.tensor([0])
m.tensor([[2, -1]], dtype=m.int32) ** m.tensor([[-1], [3]])
m.norm(m.ones(2, 3), p='nuc'); m.norm(m.ones(2, 3), 'nuc', (0, 1), True)
m.searchsorted(m.tensor([1., 2.]), m.tensor([nan, 1.])); m.searchsorted(m.tensor([1., nan]), nan)
m.searchsorted(m.tensor([1., 2.]), m.tensor([nan, 1.]), right=True)
m.bucketize(m.tensor([nan, inf]), m.tensor([1., 2.]))
m.searchsorted(m.tensor([False, True]), 3); m.searchsorted(m.tensor([False, True]), 0.5)
m.isclose(m.tensor([True, False]), m.tensor([True, True]), atol=1.0)
m.isclose(m.tensor([True, False]), m.tensor([False, True]), rtol=1.0)
m.isclose(m.tensor([True, False]), m.tensor([True, True]))
m.add(m.tensor([True]), True, alpha=2); m.tensor([True, False]).add(True, alpha=0)
m.tensor([1]).add(True, alpha=2); m.tensor([True, False]).add(1, alpha=2)
F.max_pool1d(m.tensor([[1, nan, nan, 2, 3, 1]]), 3, return_indices=True)[1]
F.max_pool2d(m.tensor([[[1, nan], [nan, 2]]]), 2, return_indices=True)[1]
F.max_pool2d(m.tensor([[[1, nan], [nan, 2]]]), 2, 1, 1, return_indices=True)[1]
F.adaptive_max_pool1d(m.tensor([[1, nan, nan, 2, 3]]), 2, return_indices=True)[1]
F.dropout(m.tensor([nan, inf, -1.0]), 1.0); F.dropout(m.tensor([[2.0]]), 1.0)
F.cross_entropy(m.ones(0, 3), m.ones(0, 3)); F.cross_entropy(m.ones(2, 3, 0), m.ones(2, 3, 0))
F.cross_entropy(m.ones(0, 3), m.ones(0, 3), label_smoothing=0.1)
F.cross_entropy(m.ones(0, 3), m.ones(0, 3), reduction='sum'); F.cross_entropy(m.ones(3), m.ones(3))
F.binary_cross_entropy_with_logits(m.ones(2), m.ones(2, dtype=m.float64))
F.scaled_dot_product_attention(*[m.ones(2, 2, dtype=m.bfloat16)] * 3, m.ones(2, 2))
F.scaled_dot_product_attention(*[m.ones(2, 2, dtype=m.float64)] * 3, m.ones(2, 2))
m.tensor([True]).add(m.tensor([True]), alpha=2); m.tensor([1.]).add(True, alpha=2.)
"""


@pytest.mark.parametrize("call", lines(BESIDE))
def test_values_beside_pytorch(call):
    alike(*beside(call))


REFUSED = """
m.tensor([2]) ** -1; m.tensor([True]) ** m.tensor([True]); m.tensor([True]).add(True, alpha=2.5)
m.norm(m.ones(3), p='nuc'); m.norm(m.ones(2, 2, 3), p='nuc'); m.norm(m.ones(3), p='x')
~m.ones(1); m.bitwise_not(m.ones(1)); m.ones(2, 3).movedim((0, 1), 0);
m.moveaxis(m.ones(2), 0, (0,))
m.ones(2, 3).movedim((0, 0), (0, 1)); m.from_numpy(np.array(['a'])); m.from_numpy('a')
m.set_default_dtype(m.int32); m.set_default_dtype(3); m.promote_types(1, 2)
m.can_cast(m.float32, 3); m.zeros(2, dtype=3)
F.avg_pool2d(m.ones(3), 2); F.avg_pool2d(m.ones(3, 3), 2); F.avg_pool2d(m.ones(1, 1, 1, 3, 3), 2)
F.avg_pool3d(m.ones(3, 3), 2); F.unfold(m.ones(3), 2)
m.ones(3).narrow(0, 5, 1); m.ones(3).narrow(0, -5, 1); m.ones(3).narrow(0, 2, 5)
m.mv(m.tensor(1.0), m.ones(3)); m.mv(m.ones(3), m.ones(3)); m.diag_embed(m.tensor(1.0))
m.ones(0).kthvalue(1); m.ones(3, 0).kthvalue(1); m.ones(0, 3).kthvalue(1, 0); m.ones(3).kthvalue(5)
F.cross_entropy(m.tensor([[1, 2]]), m.tensor([0]))
F.cross_entropy(m.tensor([[1, 2]]), m.tensor([0]), reduction='sum')
F.cross_entropy(m.tensor([1, 2]), m.tensor(0)); F.cross_entropy(m.tensor([[1, 2]]), m.ones(1, 2))
F.nll_loss(m.tensor([[1, 2]]), m.tensor([0]))
F.binary_cross_entropy(m.ones(2), m.tensor([0, 1]))
F.binary_cross_entropy(m.tensor([0, 1]), m.tensor([0, 1]))
F.binary_cross_entropy(m.ones(2), m.ones(2, dtype=m.float64))
F.binary_cross_entropy(m.ones(2, dtype=m.float64), m.ones(2))
F.binary_cross_entropy_with_logits(m.ones(2), m.tensor([0, 1]))
F.binary_cross_entropy_with_logits(m.ones(2), m.tensor([True, False]))
F.binary_cross_entropy_with_logits(m.tensor([0, 1]), m.ones(2))
F.kl_div(m.ones(2), m.tensor([0, 1]), reduction='sum')
F.kl_div(m.tensor([0, 1]), m.ones(2), reduction='sum')
F.kl_div(m.ones(2), m.tensor([0, 1]), reduction='sum', log_target=True)
F.scaled_dot_product_attention(*[m.ones(2, 2)] * 3, m.tensor([[1, 0], [1, 1]]))
F.scaled_dot_product_attention(*[m.ones(2, 2)] * 3, m.tensor([[1, 0], [1, 1]], dtype=m.uint8))
F.scaled_dot_product_attention(*[m.ones(2, 2)] * 3, m.ones(2, 2, dtype=m.float64))
F.scaled_dot_product_attention(*[m.ones(2, 2)] * 3, m.ones(2, 2, dtype=m.bfloat16))
m.var(m.ones(3, 2), 0, correction=0, unbiased=True); m.ones(3).std(0, unbiased=False, correction=1)
"""


@pytest.mark.parametrize("call", lines(REFUSED))
def test_what_pytorch_refuses_is_refused_with_its_class(call):
    told = []
    for (lib, functional), kinds in zip(LIBRARIES, (rl.RushlightError, Exception), strict=True):
        with pytest.raises(kinds) as caught:
            eval(call, {"m": lib, "F": functional, "np": np})
        told.append(caught.value)
    assert isinstance(told[0], type(told[1]))


@pytest.mark.parametrize("name", ["quantile", "nanquantile"])
def test_quantiles_compile(name):
    x = torch.randn(4, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x[0, 1] = NAN
    q = [0.0, 0.3, 1.0]
    call = lambda v, parts: getattr(rl, name)(v, parts, 1)  # noqa: E731  compiled and not
    given = rl.tensor(x.numpy()), rl.tensor(q, dtype=rl.float64)
    alike(rl.compile(call)(*given), getattr(torch, name)(x, torch.tensor(q, dtype=x.dtype), 1))
    for wrong in (-0.1, 1.5, NAN):
        with pytest.raises(rl.ContractError, match=rf"^{name}: q float64\[\] of .*; give it that"):
            call(given[0], wrong)


def test_what_is_a_part_in_one_library_and_a_copy_in_the_other():
    """As docs/aliasing.md says."""
    for (lib, _), shared in zip(LIBRARIES, (True, False), strict=True):
        for turn in (lib.fliplr, lib.flipud, lambda v: v.flip(0), lambda v, lib=lib: lib.rot90(v)):
            x = lib.zeros(2, 3)
            turn(x).fill_(1.0)
            assert x.tolist() == [[float(shared)] * 3] * 2
        x = lib.zeros(4)
        x.unfold(0, 2, 2).fill_(1.0)
        assert x.tolist() == [float(not shared)] * 4


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
def test_weighted_losses(name, reduction):
    made = []
    for lib, functional in LIBRARIES:
        x = lib.tensor([[1.0, 2.0], [4.0, -1.0]], requires_grad=True)
        weight = lib.tensor([[1.0, 0.0], [3.0, 0.5]], requires_grad=True)
        loss = getattr(functional, name)
        z = loss(x, lib.zeros(2, 2), reduction=reduction, weight=weight)
        z.sum().backward()
        made.append((z, x.grad, weight.grad))
        with pytest.raises(ValueError, match=r"same (size|shape)"):
            loss(x, lib.zeros(2, 2), weight=lib.ones(2))
    for ours, theirs in zip(*made, strict=True):
        alike(ours, theirs)


def test_backward_adds_to_some_leaves_only():
    made = []
    for lib, _ in LIBRARIES:
        a, b, c = (lib.tensor(float(k), requires_grad=True) for k in (2, 3, 5))
        (a * b + b * c).backward(inputs=[a, b])
        (a * c).backward(inputs=[a])
        lib.autograd.backward([a * b, b * c], inputs=[b])
        a.backward(inputs=a)
        assert c.grad is None
        made.append((a.grad.item(), b.grad.item()))
    assert made[0] == made[1]


def test_backward_refuses_what_is_no_leaf():
    a = rl.ones(1, requires_grad=True)
    with pytest.raises(rl.ContractError, match=r"^backward: input float32\[1\] is no leaf"):
        (a * 2).backward(inputs=[a * 2])
    with pytest.raises(RuntimeError, match=r"^backward: no inputs; give leaves"):
        (a * 2).backward(inputs=[])
    assert a.grad is None


IN_PLACE = {
    "**=": "float32 int64",
    "//=": "float32 int64",
    "%=": "float32 int64",
    "&=": "int64 bool",
    "|=": "int64 bool",
    "^=": "int64 bool",
    "<<=": "int64 uint8",
    ">>=": "int64 uint8",
}


@pytest.mark.parametrize(
    ("sign", "dtype"),
    [(sign, dtype) for sign, types in IN_PLACE.items() for dtype in types.split()],
)
def test_operators_in_place_are_seen_by_views_and_aliases(sign, dtype):
    made = []
    for lib, _ in LIBRARIES:
        x = lib.tensor([[5, 2, 0], [1, 3, 4]]).to(getattr(lib, dtype))
        alias, other = x, lib.tensor([1, 3, 2]).to(x.dtype)
        exec(f"x {sign} other", {"x": x, "other": other})
        part = x[1]
        one = True if dtype == "bool" else 1
        exec(f"part {sign} one", {"part": part, "one": one})
        exec(f"x[:, 0] {sign} one", {"x": x, "one": one})
        assert alias is x
        made.append(x)
    alike(*made)


@pytest.mark.parametrize("sign", ["**=", "//=", "%="])
def test_operators_in_place_refuse_leaves_and_floats_in_integers(sign):
    for lib, _ in LIBRARIES:
        leaf = lib.ones(2, requires_grad=True)
        with pytest.raises(RuntimeError, match="leaf"):
            exec(f"x {sign} 2", {"x": leaf})
        with pytest.raises(RuntimeError):
            exec(f"x {sign} 2.5", {"x": lib.tensor([1, 2])})


SHIFTS = """
1 << m.tensor([0, 3]); 9 >> m.tensor([0, 3]); True << m.tensor([2]); 3 << m.tensor(2, dtype=m.int8)
m.tensor([1, -5, 8]) << m.tensor([-1, 64, 70]); m.tensor([1, -5, 8]) >> m.tensor([-1, 64, 70])
m.tensor([1, -5, 8]) << -1; m.tensor([1, -5, 8]) >> -1; m.tensor([1, -5, 8]) >> 100
m.tensor([1, 8], dtype=m.uint8) >> -1; m.tensor([1, 8], dtype=m.uint8) << 9
m.tensor([1, -8], dtype=m.int8) >> 8; m.tensor([1, -8], dtype=m.int8) << 300
m.tensor([2**50, -2**50]) >> m.tensor([40, 50], dtype=m.int8); m.tensor([True, False]) << 1
m.tensor([-2**63, 2**62]) >> 62; m.tensor([1, 3]) << 63
m.logit(m.tensor([0, 1, 2], dtype=m.uint8)); m.logit(m.tensor([0, 1, 2], dtype=m.uint8), 0.25)
m.tensor([3], dtype=m.uint8) ** m.tensor([-1]); m.tensor([3], dtype=m.uint8) ** -1.0
"""


@pytest.mark.parametrize("call", lines(SHIFTS))
def test_bits_beside_pytorch(call):
    alike(*beside(call))


@pytest.mark.parametrize("call", ["m.tensor([True]) << m.tensor([True])", "1.5 << m.tensor([1])"])
def test_shifts_of_bools_and_floats_are_refused(call):
    for lib, _ in LIBRARIES:
        with pytest.raises(RuntimeError):
            eval(call, {"m": lib})


def test_a_type_without_minus_has_no_negative_power():
    for lib, _ in LIBRARIES:
        with pytest.raises(RuntimeError, match=r"(?i)integers to negative integer powers"):
            lib.tensor([3], dtype=lib.uint8) ** -1


NORMS = """
x.norm(dtype=m.float32); x.norm(dtype=m.float64); x.norm(1, 0, True, dtype=m.float32)
m.norm(x, 3.0, dtype=m.float64); m.norm(x.reshape(1, 3), 'fro', dtype=m.float32)
m.norm(x, inf, dtype=m.float32); x.norm(); x.float().norm(dtype=m.float64)
"""


@pytest.mark.parametrize("call", lines(NORMS))
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_norms_in_a_wider_type(call, dtype):
    made = []
    for lib, _ in LIBRARIES:
        x = lib.tensor([1.1, -2.3, 0.7]).to(getattr(lib, dtype))
        made.append(eval(call, {"m": lib, "x": x, "inf": INF}))
    alike(*made)


@pytest.mark.parametrize("dtype", ["bfloat16", "int64"])
def test_norms_in_a_narrower_type_are_refused(dtype):
    for lib, _ in LIBRARIES:
        for norm in (lib.norm, lib.linalg.vector_norm):
            with pytest.raises(RuntimeError):
                norm(lib.ones(3), dtype=getattr(lib, dtype))


KINKS = """
F.leaky_relu(x); F.relu(x); F.hardtanh(x); F.relu6(x); F.threshold(x, 0.5, 2.0); F.softshrink(x)
F.hardshrink(x); F.prelu(x, m.tensor([0.3], dtype=m.float64)); m.abs(x)
F.l1_loss(x, x.detach() + 1); F.rrelu(x); x.norm(1); x.norm(inf)
"""


@pytest.mark.parametrize("call", lines(KINKS))
def test_the_gradient_of_straight_pieces_has_the_gradient_zero(call):
    made = []
    for lib, functional in LIBRARIES:
        x = lib.tensor([[1.0, -2.0, 0.3, 9.0]], dtype=lib.float64, requires_grad=True)
        z = eval(call, {"m": lib, "F": functional, "x": x, "inf": INF})
        (g,) = lib.autograd.grad(z.sum(), x, create_graph=True)
        (again,) = lib.autograd.grad((g * g).sum(), x)
        made.append((g.detach(), again + 0))  # PyTorch holds no zeros until they are added to
    for ours, theirs in zip(*made, strict=True):
        alike(ours, theirs)
    assert made[0][1].tolist() == [[0.0] * 4]


def test_a_hook_that_returns_no_tensor_is_a_mistake_of_type():
    for lib, _ in LIBRARIES:
        x = lib.ones(2, requires_grad=True)
        x.register_hook(lambda g: 3)
        with pytest.raises(TypeError, match=r"hook returned '?int"):
            x.sum().backward()


def test_a_function_whose_context_is_set_up_apart():
    made = []
    for lib, _ in LIBRARIES:

        class Scaled(lib.autograd.Function):
            @staticmethod
            def forward(x, factor):
                return x * x * factor, x.sum()

            @staticmethod
            def setup_context(ctx, inputs, output):
                x, ctx.factor = inputs
                ctx.save_for_backward(x, output[0])
                ctx.mark_non_differentiable(output[1])

            @staticmethod
            def backward(ctx, g, _):
                x, z = ctx.saved_tensors
                return g * 2 * z / x, None

        x = lib.tensor([1.0, -2.0], dtype=lib.float64, requires_grad=True)
        z, total = Scaled.apply(x, 3.0)
        (first,) = lib.autograd.grad(z.sum(), x, create_graph=True)
        (second,) = lib.autograd.grad(first.sum(), x)
        assert not total.requires_grad
        made.append((z.detach(), total, first.detach(), second))
    for ours, theirs in zip(*made, strict=True):
        alike(ours, theirs)
