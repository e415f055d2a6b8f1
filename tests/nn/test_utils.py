"""nn.utils beside torch.nn.utils."""

import warnings
from math import inf, nan
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import utils as theirs
from torch.nn.utils.rnn import pad_sequence as their_pad_sequence

import rushlight as rl
import rushlight_nn as nn
from rushlight_nn.utils import clip_grad_norm_
from rushlight_nn.utils.rnn import pad_sequence

SHAPES = [(3, 4), (5,), (), (2, 1, 3)]
ORDERS = [2.0, 1, 3.5, inf, 0.5, -inf, "inf"]


def given(library: Any, dtype: str = "float32", scale: float = 1.0) -> list[Any]:
    """Parameters with the same gradients in either library, and one without."""
    random = np.random.default_rng(0)
    params = []
    for shape in SHAPES:
        values = random.standard_normal(shape) * scale
        p = library.zeros(shape, dtype=getattr(library, dtype)).requires_grad_()
        p.grad = library.tensor(values.tolist(), dtype=getattr(library, dtype))
        params.append(p)
    return [*params, library.zeros(2, requires_grad=True)]


def numbers(x: Any) -> np.ndarray:
    return np.asarray(x.detach().tolist(), np.float64)


def assert_alike(ours: list[Any], others: list[Any], eps: float = 2.0**-22) -> None:
    """Gradients are PyTorch's within a few roundings of `eps`, and of its types."""
    for p, q in zip(ours, others, strict=True):
        assert (p.grad is None) is (q.grad is None)
        if p.grad is not None:
            assert f"torch.{p.grad.dtype}" == str(q.grad.dtype)
            np.testing.assert_allclose(numbers(p.grad), numbers(q.grad), rtol=4 * eps, atol=4 * eps)


@pytest.mark.parametrize("max_norm", [0.5, 100.0, 0.0, -1.0])
@pytest.mark.parametrize("order", ORDERS)
def test_norms_are_clipped_as_in_pytorch(order, max_norm):
    ours, others = given(rl), given(torch)
    held = [p.grad for p in ours]
    total = nn.utils.clip_grad_norm_(ours, max_norm, order)
    expected = theirs.clip_grad_norm_(others, max_norm, order)
    np.testing.assert_allclose(total.item(), expected.item(), rtol=2.0**-20)
    assert (total.shape, total.requires_grad) == ((), False)
    assert_alike(ours, others, 2.0**-20)
    assert all(p.grad is g for p, g in zip(ours, held, strict=True))  # in place


@pytest.mark.parametrize(("dtype", "eps"), [("float64", 2.0**-50), ("bfloat16", 2.0**-8)])
def test_norms_of_other_types(dtype, eps):
    ours, others = given(rl, dtype), given(torch, dtype)
    total, expected = (
        library.clip_grad_norm_(params, 1.0)
        for library, params in ((nn.utils, ours), (theirs, others))
    )
    assert f"torch.{total.dtype}" == str(expected.dtype)
    np.testing.assert_allclose(total.item(), expected.item(), rtol=4 * eps)
    assert_alike(ours, others, eps)


def test_types_may_differ():
    ours, others = (
        [*given(library), *given(library, "float64"), *given(library, "bfloat16")]
        for library in (rl, torch)
    )
    total, expected = clip_grad_norm_(ours, 1.0), theirs.clip_grad_norm_(others, 1.0)
    assert f"torch.{total.dtype}" == str(expected.dtype)
    np.testing.assert_allclose(total.item(), expected.item(), rtol=2.0**-7)
    assert_alike(ours, others, 2.0**-8)


def test_devices_may_differ():
    here, there = rl.zeros(1, requires_grad=True), rl.zeros(1, device="hostile", requires_grad=True)
    here.grad, there.grad = rl.tensor([3.0]), rl.tensor([4.0], device="hostile")
    total = clip_grad_norm_([here, there], 1.0)
    assert (total.item(), str(total.device)) == (5.0, "numpy")
    np.testing.assert_allclose([here.grad.item(), there.grad.item()], [0.6, 0.8], rtol=1e-6)


@pytest.mark.parametrize("odd", [inf, -inf, nan])
def test_what_is_not_finite(odd):
    ours, others = (library.zeros(2, requires_grad=True) for library in (rl, torch))
    for library, p in ((rl, ours), (torch, others)):
        p.grad = library.tensor([odd, 1.0])
    for library, p in ((nn.utils, ours), (theirs, others)):
        with pytest.raises(RuntimeError):
            library.clip_grad_norm_([p], 1.0, error_if_nonfinite=True)
        assert p.grad.tolist()[1] == 1.0
    told = f"get_total_norm: the norm of order 2 is {abs(odd)}; find what overflows, or leave out "
    with pytest.raises(rl.ContractError, match="^" + told):
        nn.utils.get_total_norm([ours.grad], error_if_nonfinite=True)
    total, expected = clip_grad_norm_([ours], 1.0), theirs.clip_grad_norm_([others], 1.0)
    np.testing.assert_equal(total.item(), expected.item())
    np.testing.assert_equal(ours.grad.tolist(), others.grad.tolist())


def test_one_parameter_no_parameters_and_empty_ones():
    p = rl.zeros(2, requires_grad=True)
    p.grad = rl.tensor([3.0, 4.0])
    assert clip_grad_norm_(p, 10.0).item() == 5.0
    assert clip_grad_norm_([], 1.0).item() == 0.0
    assert clip_grad_norm_(iter([p]), 10.0).item() == 5.0
    with pytest.warns(UserWarning, match="clip_grad_norm_: the generator is empty"):
        clip_grad_norm_((p for p in []), 1.0)
    empty = rl.zeros(0, requires_grad=True)
    empty.grad = rl.zeros(0)
    assert clip_grad_norm_([p, empty], 10.0).item() == 5.0
    with pytest.raises(RuntimeError):  # as PyTorch: nothing has no largest
        clip_grad_norm_([empty], 1.0, inf)
    nn.utils.clip_grad_value_([], 1.0)


@pytest.mark.parametrize("clip", ["clip_grad_norm_", "clip_grad_value_"])
def test_what_is_no_parameter(clip):
    with pytest.raises(TypeError, match=f"^{clip}: int; give a tensor or several"):
        getattr(nn.utils, clip)(3, 1.0)
    with pytest.raises(TypeError):
        getattr(theirs, clip)(3, 1.0)


@pytest.mark.parametrize("bound", [0.5, 2, 0.0, -1.0, inf])
def test_values_are_clipped_as_in_pytorch(bound):
    ours, others = given(rl), given(torch)
    ours[1].grad[0] = nan
    others[1].grad[0] = nan
    held = [p.grad for p in ours]
    assert nn.utils.clip_grad_value_(ours, bound) is None
    theirs.clip_grad_value_(others, bound)
    assert_alike(ours, others)
    assert all(p.grad is g for p, g in zip(ours, held, strict=True))


def test_total_norm_and_clipping_by_it_are_apart():
    ours, others = given(rl), given(torch)
    total = nn.utils.get_total_norm([p.grad for p in ours if p.grad is not None], 3.0)
    expected = theirs.get_total_norm([p.grad for p in others if p.grad is not None], 3.0)
    np.testing.assert_allclose(total.item(), expected.item(), rtol=2.0**-20)
    nn.utils.clip_grads_with_norm_(ours, 0.5, total, foreach=True)
    theirs.clip_grads_with_norm_(others, 0.5, expected)
    assert_alike(ours, others)


def test_gradients_are_clipped_within_programs():
    eager, compiled = given(rl)[:2], given(rl)[:2]

    def step(params, x):
        for p in params:
            p.grad = None
        ((params[0] * x).sum() + (params[1] * params[1] * 8.0 + params[1]).sum()).backward()
        total = nn.utils.clip_grad_norm_(params, 1.0)
        nn.utils.clip_grad_value_(params, 0.25)
        with rl.no_grad():
            for p in params:
                p.sub_(p.grad)
        return total

    program = rl.compile(lambda x: step(compiled, x))
    for scale in (1.0, 3.0, 0.1):
        x = rl.ones(3, 4) * scale
        assert program(x).item() == pytest.approx(step(eager, x).item(), rel=1e-6)
        for p, q in zip(eager, compiled, strict=True):
            np.testing.assert_allclose(numbers(p), numbers(q), rtol=1e-6)
            np.testing.assert_allclose(numbers(p.grad), numbers(q.grad), rtol=1e-6)
    assert len(program.traced) <= 2  # gradients absent at first


def test_a_program_cannot_ask_whether_a_norm_is_finite():
    p = rl.zeros(2, requires_grad=True)
    p.grad = rl.ones(2)
    with pytest.raises(rl.TracingError):
        rl.compile(lambda: clip_grad_norm_([p], 1.0, error_if_nonfinite=True))()


# -- vectors


def test_parameters_as_a_vector_and_back():
    model, other = nn.Linear(3, 2), nn.Linear(3, 2)
    vector = nn.utils.parameters_to_vector(model.parameters())
    assert vector.tolist() == [*model.weight.reshape(-1).tolist(), *model.bias.tolist()]
    held = [*other.parameters()]
    nn.utils.vector_to_parameters(vector.detach(), other.parameters())
    assert other.weight.tolist() == model.weight.tolist()
    assert [p is q for p, q in zip(held, other.parameters(), strict=True)] == [True, True]
    assert other.bias.requires_grad
    (vector * vector).sum().backward()
    np.testing.assert_allclose(numbers(model.bias.grad), 2 * numbers(model.bias), rtol=1e-6)


def test_vectors_that_do_not_fit():
    p = rl.zeros(2, requires_grad=True)
    q = torch.zeros(2, requires_grad=True)
    for error, ours, other in [(TypeError, 3, 3), (RuntimeError, rl.ones(1), torch.ones(1))]:
        with pytest.raises(error):
            theirs.vector_to_parameters(other, [q])
        with pytest.raises(error):
            nn.utils.vector_to_parameters(ours, [p])
    with pytest.raises(ValueError):  # noqa: PT011  the class is compared with PyTorch's
        theirs.parameters_to_vector([])
    with pytest.raises(ValueError):  # noqa: PT011  the same
        nn.utils.parameters_to_vector([])
    first, second = rl.zeros(1), rl.zeros(2)
    with pytest.raises(rl.ContractError, match=r"float32\[2\] for 3 elements; give a vector"):
        nn.utils.vector_to_parameters(rl.ones(2), [first, second])
    assert first.item() == 0.0  # nothing changed


# -- sequences


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("batch_first", [False, True])
@pytest.mark.parametrize("shapes", [[(3,), (1,), (2,)], [(2, 2), (4, 2)], [(0, 3), (2, 3)], [(2,)]])
def test_sequences_are_padded_as_in_pytorch(shapes, batch_first, side):
    random = np.random.default_rng(0)
    values = [random.standard_normal(shape).astype(np.float32) for shape in shapes]
    ours = [rl.from_numpy(x).clone().requires_grad_() for x in values]
    others = [torch.tensor(x).requires_grad_() for x in values]
    z = pad_sequence(ours, batch_first, 0.5, side)
    w = their_pad_sequence(others, batch_first, 0.5, side)
    assert z.shape == w.shape
    assert z.tolist() == w.tolist()
    (z * z).sum().backward()
    (w * w).sum().backward()
    for x, y in zip(ours, others, strict=True):
        np.testing.assert_allclose(numbers(x.grad), numbers(y.grad), rtol=1e-6)


def test_types_of_sequences():
    for pair in [("float32", "int64"), ("int64", "float32"), ("bfloat16", "float32")]:
        ours = [rl.ones(n, dtype=getattr(rl, d)) for n, d in zip((2, 3), pair, strict=True)]
        others = [torch.ones(n, dtype=getattr(torch, d)) for n, d in zip((2, 3), pair, strict=True)]
        z, w = pad_sequence(ours), their_pad_sequence(others)
        assert f"torch.{z.dtype}" == str(w.dtype)
        assert z.tolist() == w.tolist()
    assert pad_sequence(rl.ones(2, 3)).shape == (3, 2)


@pytest.mark.parametrize(
    "make",
    [
        lambda library: 3,
        lambda library: [],
        lambda library: [3],
        lambda library: [library.ones(2), library.ones(2, 2)],
        lambda library: [library.ones(2, 3), library.ones(2, 2)],
        lambda library: [library.ones(()), library.ones(2)],
    ],
    ids=["number", "none", "numbers", "dims", "lengths", "0-d"],
)
def test_sequences_that_are_refused(make):
    with pytest.raises((RuntimeError, TypeError)) as expected:
        their_pad_sequence(make(torch))
    with pytest.raises(rl.ContractError, match=r"^pad_sequence: ") as error:
        pad_sequence(make(rl))
    assert isinstance(error.value, type(expected.value))


def test_sides_that_are_refused():
    with pytest.raises(RuntimeError):
        their_pad_sequence([torch.ones(1)], padding_side="up")
    with pytest.raises(RuntimeError, match="pad_sequence: padding_side 'up'; choose 'left' or"):
        pad_sequence([rl.ones(1)], padding_side="up")


def test_nothing_is_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clip_grad_norm_(given(rl), 1.0)
