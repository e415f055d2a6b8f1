"""isin, mode and products that are scattered, which sort: beside PyTorch, and not quadratic."""

import time

import numpy as np
import pytest
import torch

import rushlight as rl

RNG = np.random.default_rng(11)
NAN = float("nan")


def both(call, *arrays):
    """The results of both libraries."""
    return [call(lib, *[lib.tensor(x) for x in arrays]) for lib in (rl, torch)]


def alike(ours, theirs):
    assert str(ours.dtype).rpartition(".")[2] == str(theirs.dtype).rpartition(".")[2]
    np.testing.assert_allclose(ours.tolist(), theirs.tolist(), rtol=1e-12)


@pytest.mark.parametrize("invert", [False, True])
@pytest.mark.parametrize(
    ("x", "among"),
    [
        ([[3, 1], [7, 9]], [1, 2, 3, 9, 9]),
        ([1.0, NAN, -0.0, float("inf")], [NAN, 0.0, float("inf")]),
        ([1.5, 2.0], [1, 2]),
        ([1, 2], []),
        ([], [1.0]),
        (2, [[1, 2]]),
        ([2**53 + 1, 2**53], [2**53]),
        ([True - 1, 5], 5),
    ],
)
def test_isin(x, among, invert):
    alike(*both(lambda lib, a, b: lib.isin(a, b, invert=invert), x, among))


def test_isin_beside_a_number():
    alike(*both(lambda lib, a: lib.isin(a, 2), [[1, 2]]))
    alike(*both(lambda lib, a: lib.isin(2, a), [[1, 2]]))
    alike(*both(lambda lib, a: lib.isin(2, a, invert=True), [[1, 2]]))


@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_mode(dim, keepdim):
    x = RNG.integers(0, 4, (9, 11))
    for ours, theirs in zip(*both(lambda lib, a: lib.mode(a, dim, keepdim), x), strict=True):
        alike(ours, theirs)


@pytest.mark.parametrize("x", [[3.0], 2.0, [[1.0, 1.0]], [5, 5, 1, 1], [NAN, 1.0, 1.0], [[], []]])
def test_mode_of_little(x):
    if x == [[], []]:
        with pytest.raises(IndexError):
            rl.mode(rl.tensor(x))
        return
    for ours, theirs in zip(*both(lambda lib, a: lib.mode(a), x), strict=True):
        alike(ours, theirs)


@pytest.mark.parametrize("include_self", [True, False])
@pytest.mark.parametrize("dim", [0, 1])
@pytest.mark.parametrize("dtype", ["float64", "int64"])
def test_products_that_are_scattered(dtype, dim, include_self):
    x, source = (RNG.integers(-3, 4, (4, 5)).astype(dtype) for _ in range(2))
    # PyTorch's gradient breaks where the index is shorter than the input
    index = RNG.integers(0, 4, (4, 5) if dtype == "float64" else (3, 4))
    made = []
    for lib in (rl, torch):
        a, b = (lib.tensor(v, requires_grad=dtype == "float64") for v in (x, source))
        z = lib.scatter_reduce(a, dim, lib.tensor(index), b, "prod", include_self=include_self)
        made.append([z])
        if dtype == "float64":
            (z * z).sum().backward()
            made[-1] += [a.grad, b.grad]
    for ours, theirs in zip(*made, strict=True):
        alike(ours, theirs)


def test_second_gradients_of_products():
    x, source = (rl.tensor(RNG.normal(size=(2, 3)), requires_grad=True) for _ in range(2))
    index = rl.tensor([[0, 0, 0], [1, 2, 1]])
    call = lambda a, b: rl.scatter_reduce(a, 1, index, b, "prod")  # noqa: E731  once, in place
    assert rl.autograd.gradcheck(call, (x, source))
    assert rl.autograd.gradgradcheck(call, (x, source))


def test_products_of_nothing_and_beyond():
    alike(
        *both(
            lambda lib, x: lib.scatter_reduce(x, 0, lib.zeros(0, dtype=lib.int64), x, "prod"),
            [2.0, 3.0],
        )
    )
    with pytest.raises(IndexError, match=r"^scatter_reduce: "):
        rl.scatter_reduce(rl.ones(2), 0, rl.tensor([2]), rl.ones(1), "prod")


@pytest.mark.filterwarnings("ignore:The reduce argument")
@pytest.mark.parametrize("source", [[3.0, 4.0, 5.0], 3.0])
def test_scatter_that_multiplies(source):
    def call(lib, x):
        src = source if isinstance(source, float) else lib.tensor(source, dtype=lib.float64)
        how = {"value": src} if isinstance(source, float) else {"src": src}
        index = lib.tensor([0, 0, 2])
        assert x.clone().scatter_(0, index, **how, reduce="multiply").tolist()[1] == 2.0
        return lib.scatter(x, 0, index, **how, reduce="multiply")

    alike(*both(call, np.array([1.0, 2.0, 3.0])))
    with pytest.raises(rl.ContractError, match=r"^scatter: reduce 'x'; give 'add' or 'multiply'$"):
        rl.scatter(rl.ones(1), 0, rl.tensor([0]), rl.ones(1), reduce="x")


def test_what_is_traced_is_what_is_eager():
    x, index = rl.tensor(RNG.integers(0, 5, 20)), rl.tensor(RNG.integers(0, 20, 20))
    for call in (
        lambda: rl.isin(x, rl.tensor([1, 3])),
        lambda: rl.mode(x)[1],
        lambda: rl.scatter_reduce(x, 0, index, x, "prod"),
    ):
        assert rl.compile(call)().tolist() == call().tolist()


def test_many_elements_take_little_time():
    """A comparison of every pair would take 4e8 bytes, and more than a second."""
    x = rl.tensor(RNG.integers(0, 20000, 20000))
    y = rl.tensor(RNG.normal(size=20000))
    for call in (
        lambda: rl.isin(x, x),
        lambda: rl.mode(x),
        lambda: rl.scatter_reduce(y, 0, x, y, "prod"),
    ):
        start = time.process_time()
        call()
        assert time.process_time() - start < 0.5
