"""A Tensor behaves as PyTorch's: operators, methods, indexing, types, assignment, errors."""

import copy
import math
import operator
import pickle
import re

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
import torch
from hypothesis import given, strategies as st

import rushlight as rl
from rushlight.errors import (
    BackendUnavailable,
    ContractError,
    DeviceError,
    IndexOutOfRange,
    NoGradient,
    StaleValue,
)

BOTH = {"ours": rl, "theirs": torch}
FLOATING = ["float16", "bfloat16", "float32", "float64"]
INTEGER = ["uint8", "int8", "int16", "int32", "int64"]
DTYPES = [*FLOATING, *INTEGER, "bool"]
TOLERANCE = {"float64": 1e-12, "float32": 1e-5, "float16": 2e-3, "bfloat16": 2e-2}


def kind_of(x):
    return str(x.dtype).removeprefix("torch.")


def host(x):
    """The values of either library's tensor, bfloat16 as float64."""
    if isinstance(x, torch.Tensor):
        return (x.double() if x.dtype is torch.bfloat16 else x).detach().numpy()
    return x.numpy(force=True).astype("float64" if kind_of(x) == "bfloat16" else None, copy=False)


def same(ours, theirs):
    """Whatever both returned is alike: tensors, containers of them, and plain values."""
    if isinstance(theirs, torch.Tensor):
        assert isinstance(ours, rl.Tensor)
        assert (kind_of(ours), ours.shape) == (kind_of(theirs), tuple(theirs.shape))
        assert ours.requires_grad <= theirs.requires_grad  # PyTorch also asks where it is all 0
        close = TOLERANCE.get(kind_of(ours), 0)
        np.testing.assert_allclose(host(ours), host(theirs), rtol=close, atol=close)
    elif isinstance(theirs, (tuple, list)):
        assert len(ours) == len(theirs)
        for one, other in zip(ours, theirs, strict=True):
            same(one, other)
    else:
        assert ours == theirs
        assert type(ours) is type(theirs)


def compare(call, *arrays, grad=True):
    """call(library, *tensors) in both libraries, with gradients of what is floating."""
    results, gradients = [], []
    for lib in BOTH.values():
        wanted = [grad and a.dtype.kind == "f" for a in arrays]
        inputs = [lib.tensor(a, requires_grad=w) for a, w in zip(arrays, wanted, strict=True)]
        made = call(lib, *inputs)
        results.append(made)
        parts = made if isinstance(made, (tuple, list)) else [made]
        parts = [z for z in parts if isinstance(z, lib.Tensor) and z.requires_grad]
        if parts:
            seeds = [
                lib.tensor(np.cos(np.arange(z.numel())).reshape(tuple(z.shape))) for z in parts
            ]
            sum((z.double() * g).sum() for z, g in zip(parts, seeds, strict=True)).backward()
        gradients.append([lib.zeros_like(x) if x.grad is None else x.grad for x in inputs])
    same(*results)
    same(*gradients)


def numbers(*shape, dtype="float64", seed=0):
    values = np.random.default_rng(seed).normal(scale=2, size=shape)
    return np.asarray(values).astype(dtype)


def raises(error, message):
    return pytest.raises(error, match=f"^{re.escape(message)}$")


# -- operators ------------------------------------------------------------------------------------

ARITHMETIC = ["add", "sub", "mul", "truediv", "floordiv", "mod", "pow"]
COMPARISON = ["lt", "le", "gt", "ge", "eq", "ne"]
BITS = ["and_", "or_", "xor"]


def made(lib, values, dtype):
    return lib.tensor(values, dtype=getattr(lib, dtype))


def outcome(call):
    """The result, or None where the operation refuses."""
    try:
        return call()
    except (RuntimeError, TypeError):  # NotImplementedError is a RuntimeError
        return None


def accepted(name, *dtypes):
    """Not where Rushlight goes its own way: bools are numbers to more of its operators."""
    bools = [dtype == "bool" for dtype in dtypes]
    return not (any(bools) and name == "sub") and not (
        all(bools) and name in {"floordiv", "mod", "pow"}
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*ARITHMETIC, *COMPARISON, *BITS])
def test_operators_on_every_pair_of_types(name, dtype):
    call = getattr(operator, name)
    for other in filter(lambda other: accepted(name, dtype, other), DTYPES):
        for x, y in (([[3, 2], [1, 5]], [[2, 1], [4, 3]]), ([3, 2], 2), (3, [1, 2]), (3, 2)):
            ours, theirs = [
                outcome(lambda: call(made(lib, x, dtype), made(lib, y, other)))  # noqa: B023
                for lib in BOTH.values()
            ]
            same(ours, theirs)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", [*ARITHMETIC, *COMPARISON, *BITS])
def test_operators_with_numbers_on_either_side(name, dtype):
    call = getattr(operator, name)
    for number in (True, 3, 2.5, -2):
        if not accepted(name, dtype, type(number).__name__) or (dtype == "uint8" and number == -2):
            continue
        for x in ([[3, 2], [1, 5]], 3):
            for way in (lambda t: call(t, number), lambda t: call(number, t)):  # noqa: B023
                ours, theirs = [
                    outcome(lambda: way(made(lib, x, dtype)))  # noqa: B023
                    for lib in BOTH.values()
                ]
                same(ours, theirs)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["neg", "pos", "abs", "invert"])
def test_operators_of_one(name, dtype):
    call = getattr(operator, name)
    ours, theirs = [
        outcome(lambda: call(made(lib, [[3, 2], [0, 5]], dtype)))  # noqa: B023
        for lib in BOTH.values()
    ]
    if dtype == "bool" and name == "abs":  # PyTorch refuses
        assert ours.tolist() == [[True, True], [False, True]]
    else:
        same(ours, theirs)


shapes = npst.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, max_side=3)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "truediv", "lt", "eq"])
@given(shapes=shapes)
def test_broadcasting(name, shapes):
    x, y = (numbers(*shape, seed=i) for i, shape in enumerate(shapes.input_shapes))
    compare(lambda lib, x, y: getattr(operator, name)(x, y), x, y)


@pytest.mark.parametrize("name", ["mod", "floordiv"])
@given(x=st.integers(-9, 9), y=st.integers(-9, 9).filter(bool), floating=st.booleans())
def test_signs_of_division(name, x, y, floating):
    dtype = "float64" if floating else "int32"
    compare(
        lambda lib, x, y: getattr(operator, name)(x, y),
        np.array([x, -x], dtype), np.array([y, y], dtype),
        grad=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 4)), ((5, 2, 3), (3, 4)),
        ((5, 2, 3), (5, 3, 4)), ((1, 2, 3), (5, 3, 4)), ((4, 1, 2, 3), (5, 3, 2)),
        ((5, 2, 3), (3,)), ((0, 3), (3, 2)), ((2, 0), (0, 3)),
    ],
)  # fmt: skip
def test_matmul(left, right):
    x, y = numbers(*left), numbers(*right, seed=1)
    compare(lambda lib, x, y: x @ y, x, y)
    compare(lambda lib, x, y: lib.matmul(x, y), x, y)


@pytest.mark.parametrize(
    "number", [np.float64(2), np.float32(2), np.int64(2), np.bool_(True), np.array(2.0)], ids=repr
)
def test_numpys_scalars_are_numbers(number):
    x = rl.tensor([1.0, 3.0])
    for z in (x * number, number * x, x / number, x - number):
        assert z.dtype is rl.float32
    assert (x * number).tolist() == [1.0 * number, 3.0 * number]
    assert (number - x).tolist() == [number - 1.0, number - 3.0]
    assert (x / np.sqrt(4)).tolist() == [0.5, 1.5]
    assert rl.where(x > np.float64(2), np.float64(0.5), x).tolist() == [1.0, 0.5]


def test_equality_with_what_is_no_number():
    x = rl.tensor([1.0])
    assert (x == None) is False  # noqa: E711  the operator is what is tested
    assert (x != None) is True  # noqa: E711
    assert (x == "1") is False
    assert x in [None, x]
    assert hash(x) != hash(rl.tensor([1.0]))


def test_contains():
    x = rl.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert 3 in x
    assert 5 not in x
    assert rl.tensor(2.0) in x
    assert 1 not in rl.zeros(0)


# -- methods and functions ------------------------------------------------------------------------

ELEMENTWISE = {
    "abs": lambda lib, x: x.abs(), "neg": lambda lib, x: x.neg(), "exp": lambda lib, x: x.exp(),
    "log": lambda lib, x: (x * x + 1).log(), "sqrt": lambda lib, x: (x * x + 1).sqrt(),
    "rsqrt": lambda lib, x: (x * x + 1).rsqrt(), "sin": lambda lib, x: x.sin(),
    "cos": lambda lib, x: x.cos(), "tanh": lambda lib, x: x.tanh(), "erf": lambda lib, x: x.erf(),
    "floor": lambda lib, x: x.floor(), "sign": lambda lib, x: x.sign(),
    "relu": lambda lib, x: x.relu(), "sigmoid": lambda lib, x: x.sigmoid(),
    "square": lambda lib, x: x.square(), "reciprocal": lambda lib, x: x.reciprocal(),
    "pow": lambda lib, x: x.pow(3), "pow 0": lambda lib, x: x.pow(0),
    "pow of abs": lambda lib, x: x.abs().pow(0.5), "power of 2": lambda lib, x: 2**x,
    "pow by tensor": lambda lib, x: (x.abs() + 0.1).pow(x),
    "add": lambda lib, x: x.add(x, alpha=3), "sub": lambda lib, x: x.sub(1, alpha=2),
    "mul": lambda lib, x: x.mul(x), "div": lambda lib, x: x.div(3),
    "div floor": lambda lib, x: x.div(0.7, rounding_mode="floor"),
    "div trunc": lambda lib, x: x.div(0.7, rounding_mode="trunc"),
    "true_divide": lambda lib, x: x.true_divide(2), "remainder": lambda lib, x: x.remainder(0.7),
    "maximum": lambda lib, x: x.maximum(x * 0.5), "minimum": lambda lib, x: x.minimum(x * 0.5),
    "tie": lambda lib, x: x.maximum(x.clone()), "clamp": lambda lib, x: x.clamp(-1, 1),
    "clamp min": lambda lib, x: x.clamp(min=0.5), "clip max": lambda lib, x: x.clip(max=0.5),
    "eq": lambda lib, x: x.eq(x), "ne": lambda lib, x: x.ne(1), "lt": lambda lib, x: x.lt(0.5),
    "le": lambda lib, x: x.le(0.5), "gt": lambda lib, x: x.gt(0.5), "ge": lambda lib, x: x.ge(0.5),
    "isnan": lambda lib, x: (x / x.floor()).isnan(), "isinf": lambda lib, x: (x / 0).isinf(),
    "isfinite": lambda lib, x: (x / 0).isfinite(), "logical_not": lambda lib, x: x.logical_not(),
    "logical_and": lambda lib, x: x.floor().logical_and(x > 0),
    "logical_or": lambda lib, x: x.floor().logical_or(x > 0),
    "masked_fill": lambda lib, x: x.masked_fill(x > 0, 0.5),
    "where": lambda lib, x: lib.where(x > 0, x, x * 2),
    "where numbers": lambda lib, x: lib.where(x > 0, 1.0, x), "clone": lambda lib, x: x.clone(),
    "detach": lambda lib, x: x.detach(), "positive": lambda lib, x: +x,
}  # fmt: skip

REDUCTIONS = {
    "sum": lambda lib, x: x.sum(), "sum 0": lambda lib, x: x.sum(0),
    "sum dims": lambda lib, x: x.sum((0, -1), keepdim=True), "mean": lambda lib, x: x.mean(),
    "mean -1": lambda lib, x: x.mean(dim=-1, keepdim=True), "prod": lambda lib, x: x.prod(),
    "prod 1": lambda lib, x: x.prod(1), "max": lambda lib, x: x.max(),
    "max 1": lambda lib, x: tuple(x.max(1)), "max keep": lambda lib, x: tuple(x.max(1, True)),
    "min": lambda lib, x: x.min(), "min 0": lambda lib, x: (x.min(0).values, x.min(0).indices),
    "max of two": lambda lib, x: x.max(x * 0.5), "amax": lambda lib, x: x.amax((0, 1)),
    "amin": lambda lib, x: x.amin(-1, keepdim=True), "argmax": lambda lib, x: x.argmax(),
    "argmax 1": lambda lib, x: x.argmax(1, keepdim=True), "argmin": lambda lib, x: x.argmin(dim=0),
    "any": lambda lib, x: (x > 3).any(), "all": lambda lib, x: (x > -3).all(1),
    "any of floats": lambda lib, x: x.any(0), "var": lambda lib, x: x.var(),
    "var dims": lambda lib, x: x.var((0, 2), keepdim=True), "var 0": lambda lib, x: x.var(0),
    "var biased": lambda lib, x: x.var(unbiased=False),
    "var positional": lambda lib, x: x.var(0, False), "var flag": lambda lib, x: x.var(False),
    "var correction": lambda lib, x: x.var(1, correction=2), "std": lambda lib, x: x.std(),
    "std biased": lambda lib, x: x.std(1, False, True), "norm": lambda lib, x: x.norm(),
    "norm 1": lambda lib, x: x.norm(p=1, dim=1), "norm inf": lambda lib, x: x.norm(float("inf")),
    "norm 3": lambda lib, x: x.norm(3, dim=(0, 1)), "logsumexp": lambda lib, x: x.logsumexp(1),
    "logsumexp dims": lambda lib, x: x.logsumexp((0, 2), True),
    "softmax": lambda lib, x: x.softmax(1), "log_softmax": lambda lib, x: x.log_softmax(dim=-1),
    "softmax as": lambda lib, x: x.float().softmax(0, dtype=lib.float64),
    "sum as": lambda lib, x: x.sum(dtype=lib.float32),
    "mean as": lambda lib, x: x.mean(dtype=lib.float32),
}  # fmt: skip

MOVEMENT = {
    "reshape": lambda lib, x: x.reshape(4, 6), "reshape -1": lambda lib, x: x.reshape(2, -1),
    "reshape tuple": lambda lib, x: x.reshape((6, 4)), "view": lambda lib, x: x.view(-1),
    "permute": lambda lib, x: x.permute(2, 0, 1),
    "permute tuple": lambda lib, x: x.permute((0, -1, 1)),
    "transpose": lambda lib, x: x.transpose(0, -1), "swapaxes": lambda lib, x: x.swapaxes(1, 2),
    "mT": lambda lib, x: x.mT, "T": lambda lib, x: x[0].T, "t": lambda lib, x: x[0].t(),
    "flatten": lambda lib, x: x.flatten(), "flatten 1": lambda lib, x: x.flatten(1),
    "flatten 0 1": lambda lib, x: x.flatten(0, 1),
    "unflatten": lambda lib, x: x.unflatten(2, (2, -1)), "squeeze": lambda lib, x: x[:1].squeeze(),
    "squeeze 0": lambda lib, x: x[:1].squeeze(0), "squeeze none": lambda lib, x: x.squeeze(1),
    "unsqueeze": lambda lib, x: x.unsqueeze(-1),
    "expand": lambda lib, x: x[:, :1].expand(-1, 5, -1),
    "expand new": lambda lib, x: x.expand(2, *x.shape),
    "expand_as": lambda lib, x: x[:1].expand_as(x),
    "view_as": lambda lib, x: x.view_as(x.mT.reshape(4, 6)),
    "broadcast_to": lambda lib, x: x[:1].broadcast_to((2, 3, 4)),
    "flip": lambda lib, x: x.flip(0, 2), "narrow": lambda lib, x: x.narrow(1, 1, 2),
    "split": lambda lib, x: x.split(3, dim=2), "split lengths": lambda lib, x: x.split([1, 3], 2),
    "chunk": lambda lib, x: x.chunk(3, dim=2), "cat": lambda lib, x: lib.cat([x, x * 2], dim=1),
    "cat types": lambda lib, x: lib.cat([x, x.float()], -1),
    "stack": lambda lib, x: lib.stack([x, -x], dim=-1),
    "contiguous": lambda lib, x: x.mT.contiguous(),
    "gather": lambda lib, x: x.gather(2, lib.tensor([[[0, 0], [3, 1]]])),
    "index_select": lambda lib, x: x.index_select(1, lib.tensor([2, 0, 2])),
    "scatter_add": lambda lib, x: x.scatter_add(2, lib.tensor([[[0], [3]]]), x[:1, :2, :1] * 2),
}  # fmt: skip


@pytest.mark.parametrize("name", ELEMENTWISE)
@pytest.mark.parametrize("shape", [(3, 4), (), (0, 2)], ids=str)
def test_elementwise_methods(name, shape):
    compare(ELEMENTWISE[name], numbers(*shape))


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions(name):
    compare(REDUCTIONS[name], numbers(2, 3, 4))


@pytest.mark.parametrize("name", MOVEMENT)
def test_movement_and_indexing_methods(name):
    compare(MOVEMENT[name], numbers(2, 3, 4))


@pytest.mark.parametrize("dtype", INTEGER)
@pytest.mark.parametrize(
    "name", ["sum", "prod", "max", "min", "argmax", "any", "all", "abs", "sign"]
)
def test_reductions_of_integers(name, dtype):
    values = np.array([[3, 1, 2], [1, 3, 0]], dtype)
    compare(lambda lib, x: getattr(x, name)(), values)
    if name not in {"abs", "sign"}:
        compare(lambda lib, x: getattr(x, name)(dim=1), values)


@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "sin", "tanh", "sigmoid", "erf", "relu"])
@pytest.mark.parametrize("dtype", ["int32", "bool", "float16"])
def test_functions_of_other_types(name, dtype):
    if (name, dtype) == ("relu", "bool"):
        pytest.skip("PyTorch has no relu of bools")
    compare(lambda lib, x: getattr(x, name)(), np.array([[1, 0], [1, 1]], dtype), grad=False)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.max(), lambda x: x.min(), lambda x: x.sum(), lambda x: x.argmax(),
        lambda x: x.abs(), lambda x: x.relu(), lambda x: x.sigmoid(), lambda x: x.tanh(),
        lambda x: x.exp(), lambda x: x.log(), lambda x: x.sqrt(), lambda x: x.floor(),
        lambda x: x.clamp(-1, 1), lambda x: x.maximum(x * 0), lambda x: x == +x, lambda x: x != +x,
        lambda x: x < x[3], lambda x: x >= x[3], lambda x: x**2, lambda x: x**0, lambda x: x / 0,
        lambda x: x % 2, lambda x: x // 2, lambda x: x[1:].softmax(0), lambda x: x.isfinite(),
    ],
)  # fmt: skip
def test_special_values(call):
    values = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0])
    compare(lambda lib, x: call(x), values, grad=False)
    compare(lambda lib, x: call(x), np.roll(values, 3).astype("float32"), grad=False)
    assert rl.tensor(values).sign().tolist()[1:] == [1, -1, 0, 0, 1, -1]  # and 0 of nan


def test_methods_are_functions_of_the_same_name():
    x = rl.tensor([[1.0, 2.0], [3.0, 4.0]])
    names = [n for n in rl.__all__ if hasattr(torch, n) and callable(getattr(torch.Tensor, n, 0))]
    assert len(names) > 60
    assert {n for n in names if not hasattr(rl.Tensor, n)} == set()
    for name in ("sum", "exp", "softmax", "reshape", "clone", "numel", "eq", "clip"):
        given = {"softmax": (1,), "reshape": (4,), "eq": (2,), "clip": (2, 3)}.get(name, ())
        same_as = getattr(x, name)(*given)
        assert rl.equal(rl.as_tensor(getattr(rl, name)(x, *given)), rl.as_tensor(same_as))


def test_equal_is_one_bool():
    x = rl.tensor([[1.0, 2.0]])
    assert rl.equal(x, x.clone()) is True
    assert x.equal(x + 1) is False
    assert x.equal(rl.tensor([1.0, 2.0])) is False
    assert x.equal(x * float("nan")) is False


def test_every_exported_name_is_meant():
    """Helpers of the modules are not in `rl`."""
    for name in ("lengths", "builtins", "floating", "repeated", "extreme", "Sequence"):
        assert not hasattr(rl, name)


# -- what is known without values -----------------------------------------------------------------


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 0, 4)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES)
def test_sizes(shape, dtype):
    ours, theirs = (lib.zeros(shape, dtype=getattr(lib, dtype)) for lib in BOTH.values())
    for name in ("ndim", "itemsize", "nbytes", "is_leaf", "requires_grad", "grad", "grad_fn"):
        assert getattr(ours, name) == getattr(theirs, name)
    for name in ("dim", "numel", "element_size", "is_floating_point"):
        assert getattr(ours, name)() == getattr(theirs, name)()
    assert ours.shape == ours.size() == shape
    assert [ours.size(d) for d in range(-ours.ndim, ours.ndim)] == [*shape, *shape]
    assert str(ours.spec) == f"{dtype}{list(shape)}"
    if shape:
        assert len(ours) == shape[0]


def test_places_and_types():
    x = rl.tensor([1.0], device="hostile:1")
    assert x.device == "hostile:1"
    assert (x.device.type, x.device.index) == ("hostile", 1)
    assert x.dtype is rl.float32 is np.dtype("float32")


# -- indexing -------------------------------------------------------------------------------------

ARRAY = numbers(4, 3, 5)
part = st.one_of(
    st.integers(-3, 2),
    st.slices(4).filter(lambda s: s.step is None or s.step > 0),  # PyTorch has no backward steps
    st.just(slice(None)),
    st.none(),
)


@st.composite
def basic_indices(draw):
    parts = draw(st.lists(part, max_size=5).filter(lambda ps: sum(p is not None for p in ps) <= 3))
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))), ...)
    return parts[0] if len(parts) == 1 and draw(st.booleans()) else tuple(parts)


@given(basic_indices())
def test_basic_indexing(index):
    compare(lambda lib, x: x[index], ARRAY)


@given(basic_indices(), st.booleans())
def test_assignment_through_an_index(index, scalar):
    value = 7.5 if scalar else np.random.default_rng(1).normal(size=ARRAY[index].shape)

    def assigned(lib, x, v):
        z = x * 1
        z[index] = 7.5 if scalar else v
        return z

    compare(assigned, ARRAY, np.asarray(value))


@pytest.mark.parametrize("step", [-1, -2, -7])
def test_backward_steps_as_in_numpy(step):
    x = rl.tensor(ARRAY)
    for index in (slice(None, None, step), slice(3, 0, step), slice(-1, None, step)):
        assert np.array_equal(x[index].numpy(), ARRAY[index])
        assert np.array_equal(x[:, index].numpy(), ARRAY[:, index])


@pytest.mark.parametrize(
    "index",
    [
        lambda lib: lib.tensor([2, 0, -1]), lambda lib: lib.tensor([[0, 1], [3, 3]]),
        lambda lib: lib.tensor(2), lambda lib: [1, 0],
        lambda lib: (slice(None), lib.tensor([2, 0])), lambda lib: (..., lib.tensor([4, 0])),
        lambda lib: (lib.tensor([0, 3]), lib.tensor([2, -1])), lambda lib: (0, lib.tensor([0, 2])),
        lambda lib: (lib.tensor([[0], [3]]), lib.tensor([2, 1])),
        lambda lib: (None, lib.tensor([0, 2])), lambda lib: (slice(1, 3), lib.tensor([0]), 1),
        lambda lib: np.array([1, 1, 2]),
        lambda lib: (slice(None), slice(None), [True, False] * 2 + [True]),
    ],
)  # fmt: skip
def test_indexing_by_tensors(index):
    compare(lambda lib, x: x[index(lib)], ARRAY)


def test_indexing_by_masks():
    compare(lambda lib, x: x[x > 0], ARRAY)
    compare(lambda lib, x: x[x[:, 0, 0] > 0], ARRAY)
    compare(lambda lib, x: x[x[..., 0] > 0], ARRAY)
    compare(lambda lib, x: x[:, x[0, :, 0] > 0], ARRAY)
    compare(lambda lib, x: x[x > 100], ARRAY)

    def assigned(lib, x):
        z = x * 1
        z[z > 0] = 0.5
        return z

    compare(assigned, ARRAY)


def test_iterating():
    compare(lambda lib, x: list(x), ARRAY)
    rows = [row.tolist() for row in rl.tensor([[1, 2], [3, 4]])]
    assert rows == [[1, 2], [3, 4]]
    first, second = rl.tensor([1.0, 2.0])
    assert (first.item(), second.item()) == (1.0, 2.0)


def test_in_place_on_what_an_index_returned_writes_through():
    x = rl.zeros(2, 3)
    x[0].add_(1)
    x[1][2] = 5
    x[:, 1] += 10
    assert x.tolist() == [[1, 11, 1], [0, 10, 5]]


# -- to other types and places --------------------------------------------------------------------


@pytest.mark.parametrize("target", DTYPES)
@pytest.mark.parametrize("source", DTYPES)
def test_conversions(source, target):
    x, y = (made(lib, [[3, 0], [1, 2]], source) for lib in BOTH.values())
    same(x.to(getattr(rl, target)), y.to(getattr(torch, target)))
    assert x.to(target).dtype is x.type(getattr(rl, target)).dtype is getattr(rl, target)
    assert (x.to(target) is x) == (source == target)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("float", "float32"), ("double", "float64"), ("half", "float16"), ("bfloat16", "bfloat16"),
        ("int", "int32"), ("long", "int64"), ("bool", "bool"),
    ],
)  # fmt: skip
def test_conversions_by_name(name, dtype):
    compare(lambda lib, x: getattr(x, name)(), np.array([1.75, -1.75, 0.0]))
    x = made(rl, [1, 0], dtype)
    assert getattr(x, name)() is x


def test_floats_become_integers_towards_zero():
    compare(lambda lib, x: x.to(lib.int8), np.array([1.9, -1.9, 0.5, -0.5]))
    compare(lambda lib, x: x.to(lib.bool), np.array([0.1, -0.0, np.nan, np.inf]))


def test_every_form_of_to():
    x, other = rl.ones(2), rl.zeros(1, dtype=rl.int32, device="hostile:1")
    for z in (x.to(other), x.to("hostile:1", rl.int32), x.to(device="hostile:1", dtype="int32")):
        assert (z.device, z.dtype, z.tolist()) == (other.device, rl.int32, [1, 1])
    assert x.to(rl.device("hostile")).device == "hostile"
    assert x.to("float64").dtype is rl.float64
    assert x.to("hostile", non_blocking=True).device == "hostile"
    assert x.to("numpy") is x.to(rl.float32) is x.to("numpy", rl.float32, False) is x.cpu() is x
    assert x.to("hostile").cpu().device == "numpy"


def test_a_copy_is_a_tensor_of_its_own():
    x = rl.ones(2, requires_grad=True)
    z = x.to(rl.float32, copy=True)
    assert z is not x
    assert z.requires_grad
    y = rl.ones(2)
    for made in (y.to(y, copy=True), y.clone(), rl.tensor(y)):
        made.add_(1)
        assert y.tolist() == [1, 1]


def test_gradients_come_back_through_types_and_places():
    x = rl.tensor([1.0, 2.0], requires_grad=True)
    (x.double() * 2 + x.to("hostile:1").cpu()).sum().backward()
    assert x.grad.tolist() == [3, 3]
    assert (x.grad.dtype, x.grad.device) == (rl.float32, x.device)
    x.grad = None
    (x.to("hostile", rl.bfloat16) * 4).sum().backward()
    assert (x.grad.tolist(), x.grad.dtype, x.grad.device) == ([4, 4], rl.float32, x.device)


def test_with_a_device_new_tensors_are_there():
    with rl.device("hostile:1"):
        assert rl.zeros(2).device == "hostile:1"
        assert rl.tensor([1.0]).device == "hostile:1"
    assert rl.zeros(2).device == "numpy"


# -- values ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
def test_lists_and_numbers(dtype):
    x, y = (made(lib, [[1, 0], [1, 1]], dtype) for lib in BOTH.values())
    same(x[0, 0].item(), y[0, 0].item())
    assert x.tolist() == y.tolist()
    assert type(x[0, 0].tolist()) is type(y[0, 0].tolist())
    assert type(x.tolist()[0][0]) is type(y.tolist()[0][0])
    assert (bool(x[0, 0]), bool(x[0, 1]), int(x[0, 0]), float(x[0, 0])) == (True, False, 1, 1.0)


def test_numbers_where_python_wants_them():
    assert math.sqrt(rl.tensor(4.0)) == 2.0
    assert [10, 20, 30][rl.tensor(1)] == 20
    assert list(range(rl.tensor(2))) == [0, 1]
    assert int(rl.tensor([[2.9]])) == 2
    assert rl.zeros(1, 1, 1).item() == 0.0
    assert "x" * rl.tensor(3).item() == "xxx"


def test_numpy_is_a_view_that_cannot_be_written():
    x = rl.tensor([1.0, 2.0])
    a = x.numpy()
    assert a.dtype is x.dtype
    assert np.shares_memory(a, x.numpy())
    with pytest.raises(ValueError, match="read-only"):
        a[0] = 5
    x.add_(1)
    assert a.tolist() == [1, 2]  # arrays are never written
    assert x.numpy().tolist() == [2, 3]


def test_from_numpy_shares_and_tensor_copies():
    a = np.array([1.0, 2.0], "float32")
    shared, copied = rl.from_numpy(a), rl.tensor(a)
    a[0] = 9
    assert (shared.tolist(), copied.tolist()) == ([9, 2], [1, 2])


def test_arrays_made_of_tensors():
    x = rl.tensor([[1.5, 2.5]])
    assert np.asarray(x).flags.writeable is False
    assert np.array(x).flags.writeable is True
    assert np.asarray(x, dtype="int64").tolist() == [[1, 2]]
    assert np.array(x, copy=True).tolist() == [[1.5, 2.5]]
    assert np.concatenate([x, x]).shape == (2, 2)
    assert rl.tensor([1.0], device="hostile").numpy().tolist() == [1.0]


def test_numpy_of_what_requires_a_gradient_by_force():
    x = rl.tensor([1.0], requires_grad=True)
    assert (x * 2).numpy(force=True).tolist() == [2.0]
    assert x.detach().numpy().tolist() == [1.0]


# -- in place -------------------------------------------------------------------------------------

IN_PLACE = {
    "add_": lambda lib, x, y: x.add_(y), "add_ alpha": lambda lib, x, y: x.add_(y, alpha=3),
    "sub_": lambda lib, x, y: x.sub_(y), "sub_ alpha": lambda lib, x, y: x.sub_(2, alpha=3),
    "mul_": lambda lib, x, y: x.mul_(y), "div_": lambda lib, x, y: x.div_(y),
    "clamp_": lambda lib, x, y: x.clamp_(-1, 1), "clamp_ min": lambda lib, x, y: x.clamp_(min=0),
    "fill_": lambda lib, x, y: x.fill_(2.5),
    "fill_ tensor": lambda lib, x, y: x.fill_(lib.tensor(3.0)),
    "zero_": lambda lib, x, y: x.zero_(), "copy_": lambda lib, x, y: x.copy_(y),
    "copy_ row": lambda lib, x, y: x.copy_(y[0]),
    "copy_ type": lambda lib, x, y: x.copy_(y.float()),
    "chain": lambda lib, x, y: x.add_(1).mul_(y).sub_(x),
    "number": lambda lib, x, y: x.mul_(2).add_(1),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_methods(name):
    def call(lib, x, y):
        z = x * 1
        returned = IN_PLACE[name](lib, z, y)
        assert returned is z
        return z * 2

    compare(call, numbers(2, 3), numbers(2, 3, seed=1))


@pytest.mark.parametrize("name", ["iadd", "isub", "imul", "itruediv"])
def test_in_place_operators(name):
    def call(lib, x, y):
        z = before = x * 1
        z = getattr(operator, name)(z, y)
        assert z is before
        return z

    compare(call, numbers(2, 3), numbers(3, seed=1))


def test_in_place_keeps_the_type():
    x = rl.tensor([1, 2], dtype=rl.int32)
    assert x.add_(rl.tensor([1, 1])).dtype is rl.int32
    half = rl.ones(2, dtype=rl.float16)
    assert half.add_(rl.ones(2)).dtype is rl.float16
    assert half.copy_(rl.tensor([1, 2])).tolist() == [1.0, 2.0]
    assert rl.ones(2).copy_(rl.zeros(2, device="hostile")).device == "numpy"


def test_random_in_place():
    rl.manual_seed(0)
    x = rl.empty(10_000)
    assert x.uniform_(-2, 3) is x
    assert x.min().item() >= -2
    assert x.max().item() < 3
    assert abs(x.mean().item() - 0.5) < 0.1
    assert x.normal_(3, 0.5) is x
    assert abs(x.mean().item() - 3) < 0.05
    assert abs(x.std().item() - 0.5) < 0.05
    first, second = (
        rl.empty(5).uniform_(generator=rl.Generator().manual_seed(3)) for _ in range(2)
    )
    assert first.equal(second)


def test_leaves_change_in_place_without_a_gradient():
    x = rl.tensor([1.0, 2.0], requires_grad=True)
    with rl.no_grad():
        x.add_(1)
        x[0] = 7
        x -= rl.tensor([0.0, 1.0])
    assert x.tolist() == [7.0, 2.0]
    assert x.is_leaf
    assert x.requires_grad
    (x * x).sum().backward()
    assert x.grad.tolist() == [14.0, 4.0]


def test_data_and_detach_write_through():
    x = rl.tensor([1.0, 2.0], requires_grad=True)
    x.data.mul_(3)
    x.detach().add_(1)
    x.data[0] = 9
    assert x.tolist() == [9.0, 7.0]
    assert x.data.requires_grad is False
    x.data = rl.tensor([[5.0]])
    assert (x.tolist(), x.requires_grad, x.is_leaf) == ([[5.0]], True, True)
    (x * 2).sum().backward()
    assert x.grad.tolist() == [[2.0]]


def test_what_backward_reads_must_not_change():
    x = rl.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    z = y * y
    y.add_(1)
    with raises(
        StaleValue,
        "backward: mul reads a float32[2] that was assigned in place since; call backward() first, "
        "or use the tensor's clone()",
    ):
        z.sum().backward()


def test_assignments_that_backward_does_not_read():
    def call(lib, x):
        y = x * 2
        z = y + 1
        y.mul_(3)
        return z + y

    compare(call, numbers(3))


# -- gradients of tensors -------------------------------------------------------------------------


def test_requires_grad():
    x = rl.tensor([1.0])
    assert x.requires_grad_() is x
    assert (x.requires_grad, x.is_leaf, x.grad_fn) == (True, True, None)
    y = x * 2
    assert (y.requires_grad, y.is_leaf, y.grad_fn.name) == (True, False, "mul")
    assert y.requires_grad_() is y
    x.requires_grad = False
    assert not x.requires_grad
    assert not (x * 2).requires_grad
    assert y.detach().is_leaf


def test_gradients_add_up():
    x = rl.tensor([1.0, 2.0], requires_grad=True)
    assert x.grad is None
    (x * 2).sum().backward()
    (x * 3).sum().backward()
    assert x.grad.tolist() == [5, 5]
    x.grad.zero_()
    assert x.grad.tolist() == [0, 0]
    x.grad = rl.ones(2)
    (x * 2).backward(rl.tensor([1.0, 10.0]))
    assert x.grad.tolist() == [3, 21]
    x.grad = None
    assert x.grad is None


def test_hooks():
    x = rl.tensor([1.0, 2.0], requires_grad=True)
    seen = []
    watching = x.register_hook(lambda g: seen.append(g.tolist()))
    doubling = x.register_hook(lambda g: g * 2)
    (x * 3).sum().backward()
    assert (seen, x.grad.tolist()) == ([[3.0, 3.0]], [6.0, 6.0])
    doubling.remove()
    doubling.remove()
    (x * 3).sum().backward()
    assert (seen, x.grad.tolist()) == ([[3.0, 3.0]] * 2, [9.0, 9.0])
    watching.remove()
    x.sum().backward()
    assert len(seen) == 2


# -- copies of the object -------------------------------------------------------------------------


class Named(rl.Tensor):
    __slots__ = ()


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
}


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("device", ["numpy", "hostile:1"])
def test_copies(how, dtype, device):
    if (device, dtype) in {("hostile:1", "float64"), ("hostile:1", "float16")}:
        pytest.skip("hostile has no such type")
    x = rl.tensor([[1, 0], [1, 1]], dtype=getattr(rl, dtype), device=device)
    z = COPIES[how](x)
    assert z is not x
    assert (z.tolist(), z.dtype, z.device) == (x.tolist(), x.dtype, x.device)
    assert not z.requires_grad
    z.zero_()
    assert x.tolist() == [[1, 0], [1, 1]]


@pytest.mark.parametrize("how", COPIES)
def test_copies_of_leaves(how):
    x = rl.tensor([1.0, 2.0], requires_grad=True).as_subclass(Named)
    x = x.detach().as_subclass(Named).requires_grad_()
    z = COPIES[how](x)
    assert type(z) is Named
    assert (z.requires_grad, z.is_leaf) == (True, True)
    (z * 2).sum().backward()
    assert (z.grad.tolist(), x.grad) == ([2.0, 2.0], None)


def test_a_deep_copy_has_its_own_gradient():
    x = rl.tensor([1.0], requires_grad=True)
    (x * 3).sum().backward()
    first, second = copy.deepcopy([x, x])
    assert first is second
    assert first.grad.tolist() == [3.0]
    first.grad.zero_()
    assert x.grad.tolist() == [3.0]


def test_subclasses():
    x = rl.tensor([1.0, 2.0]).as_subclass(Named)
    assert type(x) is Named
    assert type(x + 1) is rl.Tensor
    assert type(x.requires_grad_()) is Named
    with rl.no_grad():
        assert type(x.add_(1)) is Named


# -- the commonest mistakes -----------------------------------------------------------------------

MATRIX = [[1.0, 2.0], [3.0, 4.0]]


@pytest.fixture
def x():
    return rl.tensor(MATRIX)


@pytest.fixture
def leaf():
    return rl.tensor([1.0, 2.0], requires_grad=True)


@pytest.mark.parametrize(
    "other", [np.ones(2), [1.0, 2.0], "1", None, 1j, object()], ids=lambda x: type(x).__name__
)
def test_operands_that_are_no_tensors(x, other):
    for name in ("add", "mul", "truediv", "lt", "matmul"):
        op = {"truediv": "div", "lt": "less"}.get(name, name)
        message = f"{op}: {type(other).__name__} is not a tensor; make one with rl.tensor()"
        with raises(ContractError, message):
            getattr(operator, name)(x, other)
        if name != "lt":
            with raises(ContractError, message):
                getattr(operator, name)(other, x)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "matmul", "eq"])
def test_operands_in_two_places(x, name):
    op = {"eq": "equal"}.get(name, name)
    with raises(DeviceError, f"{op}: inputs on numpy and hostile:1; move one with .to('numpy')"):
        getattr(operator, name)(x, x.to("hostile:1"))


HERE = ", ".join(sorted(info.name for info in rl.devices()))
MISTAKES = [
    (lambda x, leaf: x.item(), ContractError,
     "item: float32[2, 2] has 4 elements; use .tolist() for more than one"),
    (lambda x, leaf: bool(x), ContractError,
     "bool: the truth of float32[2, 2] with 4 elements is ambiguous; use .any() or .all()"),
    (lambda x, leaf: bool(x[:0]), ContractError,
     "bool: the truth of float32[0, 2] with 0 elements is ambiguous; use .any() or .all()"),
    (lambda x, leaf: float(x), ContractError,
     "float: float32[2, 2] has 4 elements; only one can become a Python number"),
    (lambda x, leaf: int(x), ContractError,
     "int: float32[2, 2] has 4 elements; only one can become a Python number"),
    (lambda x, leaf: [1, 2][x[0, 0]], TypeError,
     "index: float32[] is no integer; convert it with int()"),
    (lambda x, leaf: len(x[0, 0]), TypeError,
     "len: a 0-d tensor has no length; use .numel() or .item()"),
    (lambda x, leaf: list(x[0, 0]), TypeError, "iter: a 0-d tensor has no rows; use .item()"),
    (lambda x, leaf: leaf.numpy(), ContractError,
     "numpy: this tensor requires a gradient; use .detach().numpy()"),
    (lambda x, leaf: np.asarray(leaf), ContractError,
     "numpy: this tensor requires a gradient; use .detach().numpy()"),
    (lambda x, leaf: leaf.add_(1), ContractError,
     "in place: a leaf that requires a gradient is changed; do it under rl.no_grad()"),
    (lambda x, leaf: leaf.__setitem__(0, 1.0), ContractError,
     "in place: a leaf that requires a gradient is changed; do it under rl.no_grad()"),
    (lambda x, leaf: rl.tensor([1, 2]).requires_grad_(), ContractError,
     "requires_grad: int64[2] is not floating point; convert it with .float()"),
    (lambda x, leaf: rl.tensor([1, 2], requires_grad=True), ContractError,
     ("tensor: requires_grad=True for int64[2]; only floating point has gradients, give a floating "
      "dtype")),
    (lambda x, leaf: (leaf * 2).requires_grad_(False), ContractError,
     "requires_grad: this tensor was computed; only leaves can be told, use detach()"),
    (lambda x, leaf: x + rl.ones(3), ContractError,
     ("add: shapes [2, 2] and [3] do not broadcast; axis 1 has lengths 2 and 3, make them equal"
      " or one of them 1")),
    (lambda x, leaf: x @ rl.ones(3, 2), ContractError,
     ("matmul: inner lengths differ: float32[2, 2] @ float32[3, 2]; transpose one with .mT if "
      "that is meant")),
    (lambda x, leaf: x @ rl.tensor(2.0), ContractError,
     "matmul: float32[2, 2] @ float32[]; both need at least 1 dim, use * for numbers"),
    (lambda x, leaf: x.reshape(3), ContractError,
     "reshape: float32[2, 2] has 4 elements, shape [3] needs 3; use a shape of the same size"),
    (lambda x, leaf: x.view(3), ContractError,
     "view: float32[2, 2] has 4 elements, shape [3] needs 3; use a shape of the same size"),
    (lambda x, leaf: x.view(2, "a"), TypeError, "view: shape [2, 'a']; lengths are integers"),
    (lambda x, leaf: x.view_as(rl.ones(3)), ContractError,
     "view_as: float32[2, 2] has 4 elements, shape [3] needs 3; use a shape of the same size"),
    (lambda x, leaf: x.view(-1, 3), ContractError,
     "view: shape [-1, 3] for 4 elements; they do not divide evenly"),
    (lambda x, leaf: x.sum(2), IndexOutOfRange, "sum: dim 2 of a tensor with 2 dims; use -2 to 1"),
    (lambda x, leaf: x[5], IndexOutOfRange, "index: 5 is out of range for dim 0 with size 2"),
    (lambda x, leaf: x[0, 0, 0], IndexOutOfRange,
     "index: 3 indices for float32[2, 2]; it has 2 dims"),
    (lambda x, leaf: x[1.0], ContractError,
     "index: float is no index; use ints, slices, None, '...' or tensors"),
    (lambda x, leaf: x[rl.tensor([1.0])], ContractError,
     "index: a tensor float32[1] is no index; convert it to int64 or bool"),
    (lambda x, leaf: rl.tensor([1, 2]).mean(), ContractError,
     "mean: int64[2] is not floating point; convert it with .float()"),
    (lambda x, leaf: rl.tensor([1, 2]).add_(0.5), ContractError,
     "in place: the result float32[2] cannot be kept in int64[2]; convert it first"),
    (lambda x, leaf: x[0].clone().add_(x), ContractError,
     "assign_: float32[2] cannot become float32[2, 2]; reshape or convert it first"),
    (lambda x, leaf: x.sum().backward(), NoGradient,
     ("backward: float32[] does not require a gradient; set requires_grad on what it is "
      "computed from")),
    (lambda x, leaf: (leaf * 2).backward(), NoGradient,
     "backward: float32[2] is not one number; sum it, or give its cotangent"),
    (lambda x, leaf: setattr(leaf, "grad", x), ContractError,
     "grad: float32[2, 2] for a tensor float32[2]; give a tensor of the same shape and dtype"),
    (lambda x, leaf: setattr(leaf, "grad", 0), ContractError,
     "grad: int for a tensor float32[2]; give a tensor of the same shape and dtype"),
    (lambda x, leaf: setattr(x, "data", np.ones(2)), ContractError,
     "data: ndarray is not a tensor; make one with rl.tensor()"),
    (lambda x, leaf: x.register_hook(print), ContractError,
     "register_hook: float32[2, 2] requires no gradient; set requires_grad first"),
    (lambda x, leaf: copy.deepcopy(leaf * 2), ContractError,
     "deepcopy: this tensor was computed with gradients; use .detach().clone()"),
    (lambda x, leaf: x.to("nowhere"), BackendUnavailable,
     (f"backend nowhere: not installed; choose from {HERE}, or install the package that "
      "provides it")),
    (lambda x, leaf: x.to(memory_format=1), TypeError,
     "to() has no argument 'memory_format'; it takes device and dtype"),
    (lambda x, leaf: x.double().to("hostile"), DeviceError,
     ("put: device hostile has no float64; choose from bfloat16, bool, float32, int16, int32, "
      "int64, int8, uint32, uint8")),
    (lambda x, leaf: x.max(0)[1].to(rl.uint8) + 2**64, ContractError,
     ("add: a number does not fit the element type in uint8[2], 18446744073709551616; convert the "
      "tensor to a wider type with .to()")),
    (lambda x, leaf: x.reshape(0, -1), ContractError,
     "reshape: shape [0, -1] for 4 elements; they do not divide evenly"),
    (lambda x, leaf: rl.zeros(0).max(), ContractError,
     "max: float32[0] has no elements along axes (0,); there is no max of nothing"),
    (lambda x, leaf: x.foo, AttributeError, "'Tensor' object has no attribute 'foo'"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), MISTAKES, ids=[m[:40] for *_, m in MISTAKES])
def test_mistakes_are_explained(x, leaf, call, error, message):
    with raises(error, message):
        call(x, leaf)


def test_two_backward_passes(leaf):
    y = (leaf * 2).sum()
    y.backward()
    with raises(
        NoGradient,
        "backward: the tape was used up by an earlier backward pass; pass retain_graph=True there",
    ):
        y.backward()


def test_errors_are_what_pytorch_raises(x, leaf):
    """A handler written for PyTorch catches ours."""
    for lib in BOTH.values():
        t = lib.tensor(MATRIX)
        with pytest.raises(RuntimeError):
            t + lib.ones(3)
        with pytest.raises(RuntimeError):
            t.item()
        with pytest.raises(RuntimeError):
            bool(t)
        with pytest.raises(IndexError):
            t.sum(2)
        with pytest.raises(IndexError):
            t[5]
        with pytest.raises(RuntimeError):
            lib.ones(2, requires_grad=True).add_(1)
        with pytest.raises(RuntimeError):
            t.sum().backward()
        with pytest.raises(TypeError):
            len(lib.tensor(1.0))
