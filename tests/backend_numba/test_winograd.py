"""Winograd's tiles equal the reference in float64, whatever the sizes, paddings and layouts."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

import rushlight as rl
from rushlight.ops.conv import conv, conv_transpose, conv_vjp
from rushlight_numba import tiles
from rushlight_numba.backend import NumbaBackend
from rushlight_numba.kernels.convolution import operation

Padding = tuple[tuple[int, int], tuple[int, int]]
LAYOUTS = ("rows", "turned", "sliced")
EVERY = (True, True, True)
REACHES = 3  # pixels of a window along each axis
# The largest error in 600 cases was 14 times the type's epsilon of the largest sum of magnitudes, 3
# where windows are summed one by one; a coefficient that is off by a thousandth comes to thousands.
ERROR = 32 * float(np.finfo(np.float32).eps)


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Kernels that use tiles wherever there are any."""
    monkeypatch.setattr(operation, "pays", lambda *_: True)
    monkeypatch.setattr(operation, "sums_pay", lambda _: True)
    return NumbaBackend().kernels


def drawn(*shape: int, layout: str = "rows") -> Any:
    """Values in an array that lies in order, turned, or as a part of one of NaN."""
    rng = np.random.default_rng(len(shape) + sum(shape))
    if layout == "turned":
        return rng.standard_normal(shape[::-1]).astype(np.float32).T
    made = rng.standard_normal(shape).astype(np.float32)
    if layout == "sliced":
        wide = np.full([2 * n + 1 for n in shape], np.nan, np.float32)
        part = wide[tuple(slice(1, 2 * n, 2) for n in shape)]
        part[...] = made
        return part
    return made


def stated(padding: Padding = ((1, 1), (1, 1))) -> dict[str, Any]:
    """The parameters of a convolution that has tiles."""
    return {"stride": (1, 1), "padding": padding, "dilation": (1, 1), "groups": 1}


def exact(function: Any, *inputs: Any, **params: Any) -> list[Any]:
    """What a statement comes to in float64 on the reference."""
    with rl.device("numpy"):
        given = [None if x is None else rl.tensor(x.astype(np.float64)) for x in inputs]
        made = function(*given, **params)
    made = made if isinstance(made, (tuple, list)) else (made,)
    return [None if z is None else z.numpy() for z in made]


def check(made: Any, function: Any, *inputs: Any, **params: Any) -> None:
    """Results are as near as their sums of magnitudes allow."""
    made = made if isinstance(made, (tuple, list)) else (made,)
    wanted = exact(function, *inputs, **params)
    whole = exact(function, *[None if x is None else abs(x) for x in inputs], **params)
    for got, exactly, magnitude in zip(made, wanted, whole, strict=True):
        assert got.shape == exactly.shape
        assert got.dtype == np.float32
        assert np.abs(got - exactly).max() < ERROR * max(1.0, magnitude.max())


sides = st.sampled_from([0, 1, 2, 3])
layouts = st.tuples(*[st.sampled_from(LAYOUTS)] * 3)


@settings(
    deadline=None, max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    sizes=st.tuples(*[st.integers(1, most) for most in (5, 40, 90)]),
    image=st.tuples(st.integers(1, 40), st.integers(1, 23)),
    padding=st.tuples(*[st.tuples(sides, sides)] * 2),
    layouts=layouts,
    biased=st.booleans(),
)
def test_results_and_gradients(
    kernels: dict[str, Any],
    sizes: tuple[int, int, int],
    image: tuple[int, int],
    padding: Padding,
    layouts: tuple[str, ...],
    biased: bool,
) -> None:
    """The fixture is the same for every example: it changes nothing that an example sees."""
    n, c, o = sizes
    height, width = (
        max(pixels, REACHES - a - b, 1) for pixels, (a, b) in zip(image, padding, strict=True)
    )
    params = stated(padding)
    x = drawn(n, c, height, width, layout=layouts[0])
    weight = drawn(o, c, REACHES, REACHES, layout=layouts[1])
    bias = drawn(o, layout="sliced") if biased else None
    z = kernels["conv"](x, weight, bias, *params.values())
    check(z, conv, x, weight, bias, **params)
    given = drawn(*z.shape, layout=layouts[2]), x, weight
    made = kernels["conv.vjp"](*given, *params.values(), EVERY)
    check(made, conv_vjp, *given, **params, asked=EVERY)


def test_transposed(kernels: dict[str, Any]) -> None:
    x, weight = drawn(2, 20, 9, 10), drawn(20, 33, REACHES, REACHES)
    params = stated(((1, 0), (2, 1)))
    z = kernels["conv_transpose"](x, weight, *params.values())
    check(z, conv_transpose, x, weight, **params)


def test_planes_of_volumes(kernels: dict[str, Any]) -> None:
    x, weight = drawn(3, 17, 4, 9, 10), drawn(18, 17, 1, REACHES, REACHES)
    padding = ((0, 0), (1, 1), (1, 0))
    params = {"stride": (1,) * 3, "padding": padding, "dilation": (1,) * 3, "groups": 1}
    z = kernels["conv"](x, weight, None, *params.values())
    check(z, conv, x, weight, None, **params)
    given = drawn(*z.shape), x, weight
    made = kernels["conv.vjp"](*given, *params.values(), EVERY)
    check(made, conv_vjp, *given, **params, asked=EVERY)


# Each is cut differently: several images or some rows in a block, outputs and channels of sums.
LARGE = {
    "images": (40, 32, 32, 7, 9),
    "rows": (2, 64, 64, 61, 70),
    "columns": (1, 16, 16, 5, 900),
    "panels": (3, 48, 200, 14, 14),
    "channels": (3, 300, 130, 8, 8),
}


@pytest.mark.parametrize("name", LARGE)
@pytest.mark.parametrize("lanes", sorted({tiles.LANES, 8}))
def test_large_ones_have_the_same_bits_by_any_number_of_threads(
    kernels: dict[str, Any], monkeypatch: pytest.MonkeyPatch, name: str, lanes: int
) -> None:
    monkeypatch.setattr(operation, "width", lambda dtype: tiles.width(dtype, lanes))
    n, c, o, *image = LARGE[name]
    x, g, weight = drawn(n, c, *image), drawn(n, o, *image), drawn(o, c, REACHES, REACHES)
    params = stated()
    before, found = rl.get_num_threads(), []
    try:
        for threads in (2, 1, 3):
            rl.set_num_threads(threads)
            made = kernels["conv.vjp"](g, x, weight, *params.values(), EVERY)
            found.append([kernels["conv"](x, weight, None, *params.values()), *made])
    finally:
        rl.set_num_threads(before)
    z, *gradients = found[0]
    check(z, conv, x, weight, None, **params)
    check(gradients, conv_vjp, g, x, weight, **params, asked=EVERY)
    for other in found[1:]:
        assert all(np.array_equal(*pair) for pair in zip(found[0], other, strict=True))


def test_errors_are_those_of_the_header(kernels: dict[str, Any]) -> None:
    """Root mean squares, of sums of 576 products: 8e-7 for results, 1e-6 for filters."""
    x, weight, g = drawn(4, 64, 32, 32), drawn(64, 64, REACHES, REACHES), drawn(4, 64, 32, 32)
    params = stated()
    (z,) = exact(conv, x, weight, None, **params)
    got = kernels["conv"](x, weight, None, *params.values())
    asked = (False, True, False)
    gradient = exact(conv_vjp, g, x, weight, **params, asked=asked)[1]
    _, summed, _ = kernels["conv.vjp"](g, x, weight, *params.values(), asked)
    for made, wanted in ((got, z), (summed, gradient)):
        rms = np.sqrt(np.mean((made - wanted) ** 2) / np.mean(wanted**2))
        assert rms < 1e-6


def test_what_is_chosen_needs_no_asking() -> None:
    """Of 64 channels tiles are used: a value that is not finite reaches more than its windows."""
    x, weight = drawn(2, 64, 16, 16), drawn(64, 64, REACHES, REACHES)
    x[0, 3, 6, 6] = np.inf
    z = NumbaBackend().kernels["conv"](x, weight, None, *stated().values())
    reached = ~np.isfinite(z[0]).all(0)
    assert reached[4:8, 4:8].all()
    assert not reached[8:, :].any()
    assert np.isfinite(z[1]).all()
