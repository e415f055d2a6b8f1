"""Convolutions in native code equal the reference in float64, whatever their shapes and strides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import rushlight as rl
from rushlight.ops.conv import conv, conv_transpose, conv_transpose_vjp, conv_vjp
from rushlight_numba import tiles
from rushlight_numba.backend import NumbaBackend
from rushlight_numba.kernels.convolution import operation

KERNELS = NumbaBackend().kernels
LAYOUTS = ("rows", "turned", "repeated", "sliced")
ATTRIBUTES = ("stride", "padding", "dilation", "groups")


class Case(NamedTuple):
    """Shapes and parameters of a convolution."""

    shape: tuple[int, ...]
    filters: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int

    @property
    def params(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ATTRIBUTES}

    @property
    def counts(self) -> tuple[int, ...]:
        """How many results there are along each axis."""
        return tuple(
            (n + p + q - d * (k - 1) - 1) // s + 1
            for n, k, s, (p, q), d in zip(
                self.shape[2:], self.filters[2:], self.stride, self.padding, self.dilation,
                strict=True,
            )
        )  # fmt: skip


@st.composite
def cases(draw: Callable[[Any], Any], *, longest: int = 40) -> Case:
    """Any convolution that has results."""
    dims = draw(st.integers(1, 3))
    groups, channels, outputs = (draw(st.integers(1, most)) for most in (3, 4, 20))
    most = longest if dims == 1 else {2: 19, 3: 7}[dims]

    def each(least: int, most: int) -> tuple[int, ...]:
        return tuple(draw(st.integers(least, most)) for _ in range(dims))

    kernel, dilation, stride = each(1, 4), each(1, 2), each(1, 3)
    padding = tuple(zip(each(0, 2), each(0, 2), strict=True))
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    sizes = tuple(
        max(n, r - p - q, 1) for n, r, (p, q) in zip(each(1, most), reach, padding, strict=True)
    )
    batch = draw(st.integers(1, 3))
    shape, filters = (batch, groups * channels, *sizes), (groups * outputs, channels, *kernel)
    return Case(shape, filters, stride, padding, dilation, groups)


def drawn(*shape: int, dtype: Any, layout: str = "rows") -> Any:
    """Values in an array that lies in order, turned, repeated, or as a part of one of NaN."""
    rng = np.random.default_rng(len(shape) + sum(shape))
    if layout == "rows":
        return rng.standard_normal(shape).astype(dtype)
    if layout == "turned":
        return rng.standard_normal(shape[::-1]).astype(dtype).T
    if layout == "repeated":
        few = (shape[0], *[1] * (len(shape) - 1))
        return np.broadcast_to(rng.standard_normal(few).astype(dtype), shape)
    wide = np.full([2 * n + 1 for n in shape], np.nan, dtype)
    part = wide[tuple(slice(1, 2 * n, 2) for n in shape)]
    part[...] = rng.standard_normal(shape)
    return part


def exact(function: Callable[..., Any], *given: Any, **params: Any) -> list[Any]:
    """The results of a statement in float64 on the reference."""
    with rl.device("numpy"):
        tensors = [None if x is None else rl.tensor(x.astype(np.float64)) for x in given]
        made = function(*tensors, **params)
    made = made if isinstance(made, (tuple, list)) else (made,)
    return [None if z is None else z.numpy() for z in made]


def agrees(got: Any, wanted: Any, length: int) -> bool:
    """Whether a result is as near as sums of `length` products of such numbers must be."""
    assert got.shape == wanted.shape
    # every term is below 25 or so, the square of the largest of some thousand normal numbers
    error = 25 * np.finfo(got.dtype).eps * (length + 2)
    return bool(np.abs(got - wanted).max(initial=0.0) <= error)


def size(*extents: int) -> int:
    return int(np.prod(extents))


dtypes = st.sampled_from([np.float32, np.float64])
layouts = st.tuples(*[st.sampled_from(LAYOUTS)] * 3)


@settings(deadline=None, max_examples=150)
@given(case=cases(), dtype=dtypes, layouts=layouts, biased=st.booleans())
def test_any_convolution(case: Case, dtype: Any, layouts: tuple[str, ...], biased: bool) -> None:
    x = drawn(*case.shape, dtype=dtype, layout=layouts[0])
    weight = drawn(*case.filters, dtype=dtype, layout=layouts[1])
    bias = drawn(case.filters[0], dtype=dtype, layout=layouts[2]) if biased else None
    got = KERNELS["conv"](x, weight, bias, *case.params.values())
    (wanted,) = exact(conv, x, weight, bias, **case.params)
    assert agrees(got, wanted, size(*case.filters[1:]))


@settings(deadline=None, max_examples=150)
@given(
    case=cases(),
    dtype=dtypes,
    layouts=layouts,
    asked=st.tuples(*[st.booleans()] * 3).filter(any),
)
def test_gradients_of_any_convolution(
    case: Case, dtype: Any, layouts: tuple[str, ...], asked: tuple[bool, ...]
) -> None:
    results = (case.shape[0], case.filters[0], *case.counts)
    shapes = results, case.shape, case.filters
    given = [drawn(*s, dtype=dtype, layout=at) for s, at in zip(shapes, layouts, strict=True)]
    got = KERNELS["conv.vjp"](*given, *case.params.values(), asked)
    wanted = exact(conv_vjp, *given, **case.params, asked=asked)
    assert [z is not None for z in got] == [*asked]
    lengths = size(case.filters[0], *case.filters[2:]), *[size(*results)] * 2
    for z, exactly, length in zip(got, wanted, lengths, strict=True):
        assert z is None or agrees(z, exactly, length)


@settings(deadline=None, max_examples=150)
@given(case=cases(), dtype=dtypes, layouts=layouts, asked=st.tuples(*[st.booleans()] * 2))
def test_any_transposed_convolution(
    case: Case, dtype: Any, layouts: tuple[str, ...], asked: tuple[bool, ...]
) -> None:
    images = (case.shape[0], case.filters[0], *case.counts)
    x = drawn(*images, dtype=dtype, layout=layouts[0])
    weight = drawn(*case.filters, dtype=dtype, layout=layouts[1])
    try:
        (wanted,) = exact(conv_transpose, x, weight, **case.params)
    except rl.ContractError:  # more padding than there is image
        return
    got = KERNELS["conv_transpose"](x, weight, *case.params.values())
    assert agrees(got, wanted, size(case.filters[0], *case.filters[2:]))
    g = drawn(*wanted.shape, dtype=dtype, layout=layouts[2])
    gradients = exact(conv_transpose_vjp, g, x, weight, **case.params, asked=asked)
    made = KERNELS["conv_transpose.vjp"](g, x, weight, *case.params.values(), asked)
    lengths = size(*case.filters[1:]), size(*wanted.shape)
    for z, exactly, length in zip(made, gradients, lengths, strict=True):
        assert (z is None) == (exactly is None)
        assert z is None or agrees(z, exactly, length)


# Each is cut differently: by images, groups, rows, columns, output channels and input channels.
LARGE = {
    "images": Case((8, 16, 17, 17), (24, 16, 3, 3), (1, 1), ((1, 1),) * 2, (1, 1), 1),
    "groups": Case((2, 48, 20, 20), (48, 1, 3, 3), (1, 1), ((1, 1),) * 2, (1, 1), 48),
    "rows": Case((1, 12, 90, 61), (20, 12, 3, 3), (2, 2), ((1, 0),) * 2, (1, 1), 1),
    "columns": Case((1, 4, 40_000), (6, 4, 9), (1,), ((4, 4),), (1,), 1),
    "outputs": Case((1, 96, 4, 4), (300, 96, 3, 3), (1, 1), ((1, 1),) * 2, (1, 1), 1),
    "inputs": Case((2, 260, 6, 6), (140, 260, 3, 3), (1, 1), ((1, 1),) * 2, (1, 1), 1),
    "volumes": Case((2, 6, 20, 21, 22), (9, 6, 3, 3, 3), (1, 2, 1), ((1, 1),) * 3, (1, 1, 1), 1),
}


def whole_step(case: Case) -> tuple[Callable[..., list[Any]], list[Any]]:
    """A convolution with its gradients, and what it is called with."""

    def step(x: Any, weight: Any, bias: Any, g: Any) -> list[Any]:
        leaves = [x.detach().requires_grad_() for x in (x, weight, bias)]
        z = conv(*leaves, **case.params)
        return [z.detach(), *rl.autograd.grad((z * g).sum(), leaves)]

    shapes = (
        case.shape,
        case.filters,
        case.filters[:1],
        (case.shape[0], case.filters[0], *case.counts),
    )
    return step, [drawn(*shape, dtype=np.float32) for shape in shapes]


@pytest.mark.parametrize("name", LARGE)
def test_large_ones_have_the_same_bits_by_any_number_of_threads_and_compiled(name: str) -> None:
    case = LARGE[name]
    step, given = whole_step(case)
    before, found = rl.get_num_threads(), []
    try:
        for threads in (2, 1, 2):
            rl.set_num_threads(threads)
            for function in (step, rl.compile(step)):
                with rl.device("numba"):
                    found.append([z.numpy() for z in function(*map(rl.tensor, given))])
    finally:
        rl.set_num_threads(before)
    wanted = exact(step, *given)
    results = size(case.shape[0], *case.counts)
    lengths = size(*case.filters[1:]), size(case.filters[0], *case.filters[2:]), results, results
    for z, exactly, length in zip(found[0], wanted, lengths, strict=True):
        assert agrees(z, exactly, length)
    for other in found[1:]:
        assert all(np.array_equal(*pair) for pair in zip(found[0], other, strict=True))


@pytest.mark.parametrize("name", ["images", "groups", "rows", "outputs"])
def test_vectors_of_processors_without_avx512(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operation, "width", lambda dtype: tiles.width(dtype, 8))
    kernels = NumbaBackend().kernels
    case = LARGE[name]
    _, (x, weight, bias, g) = whole_step(case)
    z = kernels["conv"](x, weight, bias, *case.params.values())
    (wanted,) = exact(conv, x, weight, bias, **case.params)
    assert agrees(z, wanted, size(*case.filters[1:]))
    asked = (True, True, True)
    made = kernels["conv.vjp"](g, x, weight, *case.params.values(), asked)
    gradients = exact(conv_vjp, g, x, weight, **case.params, asked=asked)
    results = size(case.shape[0], *case.counts)
    lengths = size(case.filters[0], *case.filters[2:]), results, results
    for got, exactly, length in zip(made, gradients, lengths, strict=True):
        assert agrees(got, exactly, length)


def test_what_no_window_reaches_has_no_gradient() -> None:
    """Windows of one pixel at every second one: the others have zeros, and not what lay there."""
    x, weight = np.ones((1, 2, 5, 5), np.float32), np.ones((3, 2, 1, 1), np.float32)
    params = (2, 2), ((0, 0), (0, 0)), (1, 1), 1
    gx, _, _ = KERNELS["conv.vjp"](
        np.ones((1, 3, 3, 3), np.float32), x, weight, *params, (True, False, False)
    )
    wanted = np.zeros((5, 5), np.float32)
    wanted[::2, ::2] = 3
    assert np.array_equal(gx, np.broadcast_to(wanted, gx.shape))


@pytest.mark.parametrize("hole", [np.inf, np.nan])
def test_a_value_that_is_not_finite_reaches_its_windows_only(hole: float) -> None:
    """Vectors read pixels of other rows beside those that they compute with."""
    x = drawn(1, 3, 9, 9, dtype=np.float32)
    x[0, 1, 4, 8] = hole
    weight, g = drawn(4, 3, 2, 2, dtype=np.float32), drawn(1, 4, 8, 8, dtype=np.float32)
    params = (1, 1), ((0, 0), (0, 0)), (1, 1), 1
    z = KERNELS["conv"](x, weight, None, *params)
    touched = np.zeros(z.shape, bool)
    touched[:, :, 3:5, 7] = True
    assert np.array_equal(~np.isfinite(z), touched)
    _, gweight, _ = KERNELS["conv.vjp"](g, x, weight, *params, (False, True, False))
    touched = np.zeros(weight.shape, bool)
    touched[:, 1, :, 1] = True
    assert np.array_equal(~np.isfinite(gweight), touched)
