"""Depthwise convolutions equal the reference in float64, with their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import rushlight as rl
from rushlight.ops.conv import conv, conv_transpose, conv_vjp
from rushlight_numba import tiles
from rushlight_numba.backend import NumbaBackend
from rushlight_numba.kernels.convolution import operation, plane_work

KERNELS = NumbaBackend().kernels
EVERY = (True, True, True)


def drawn(*shape: int, dtype: Any = np.float32, layout: str = "rows") -> Any:
    """Values in an array that lies in order, or as rows of a wider one of NaN."""
    made = np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)
    if layout == "rows":
        return made
    wide = np.full([n + 3 for n in shape], np.nan, dtype)
    part = wide[tuple(slice(2, 2 + n) for n in shape)]
    part[...] = made
    return part


def check(made: Any, function: Any, *inputs: Any, **params: Any) -> None:
    """Results are as near as their sums of magnitudes allow, of one rounding for each term."""
    made = made if isinstance(made, (tuple, list)) else (made,)
    with rl.device("numpy"):
        exact = [None if x is None else rl.tensor(x.astype(np.float64)) for x in inputs]
        whole = [None if x is None else x.abs() for x in exact]
        pairs = [function(*given, **params) for given in (exact, whole)]
    wanted, magnitudes = (z if isinstance(z, (tuple, list)) else (z,) for z in pairs)
    for got, exactly, magnitude in zip(made, wanted, magnitudes, strict=True):
        assert got.shape == exactly.shape
        assert got.dtype == inputs[0].dtype
        error = 8 * np.finfo(got.dtype).eps * max(1.0, magnitude.numpy().max())
        assert np.abs(got - exactly.numpy()).max() <= error


@settings(deadline=None, max_examples=150)
@given(
    window=st.tuples(st.integers(1, 5), st.integers(1, 6)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 3)),
    padding=st.tuples(*[st.tuples(st.integers(0, 3), st.integers(0, 3))] * 2),
    image=st.tuples(st.integers(1, 20), st.integers(1, 40)),
    sizes=st.tuples(st.integers(1, 3), st.integers(5, 11)),
    layouts=st.tuples(*[st.sampled_from(["rows", "parts"])] * 2),
    dtype=st.sampled_from([np.float32, np.float64]),
    biased=st.booleans(),
)
def test_any_window(
    window: tuple[int, int],
    dilation: tuple[int, int],
    padding: tuple[tuple[int, int], ...],
    image: tuple[int, int],
    sizes: tuple[int, int],
    layouts: tuple[str, str],
    dtype: Any,
    biased: bool,
) -> None:
    batch, channels = sizes
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, window, strict=True)]
    pixels = [
        max(n, span - a - b, 1) for n, span, (a, b) in zip(image, spans, padding, strict=True)
    ]
    x = drawn(batch, channels, *pixels, dtype=dtype, layout=layouts[0])
    weight = drawn(channels, 1, *window, dtype=dtype, layout=layouts[1])
    bias = drawn(channels, dtype=dtype) if biased else None
    params = {"stride": (1, 1), "padding": padding, "dilation": dilation, "groups": channels}
    z = KERNELS["conv"](x, weight, bias, *params.values())
    check(z, conv, x, weight, bias, **params)
    given = drawn(*z.shape, dtype=dtype, layout=layouts[0]), x, weight
    made = KERNELS["conv.vjp"](*given, *params.values(), EVERY)
    check(made, conv_vjp, *given, **params, asked=EVERY)


def test_a_line_a_volume_and_a_transposed_one() -> None:
    line = {"stride": (1,), "padding": ((2, 1),), "dilation": (1,), "groups": 4}
    x, weight = drawn(3, 4, 50), drawn(4, 1, 4)
    check(KERNELS["conv"](x, weight, None, *line.values()), conv, x, weight, None, **line)
    padding = ((0, 0), (1, 1), (1, 0))
    volume = {"stride": (1,) * 3, "padding": padding, "dilation": (1,) * 3, "groups": 3}
    x, weight = drawn(2, 3, 4, 9, 17), drawn(3, 1, 1, 3, 3)
    check(KERNELS["conv"](x, weight, None, *volume.values()), conv, x, weight, None, **volume)
    params = {"stride": (1, 1), "padding": ((1, 0), (2, 1)), "dilation": (1, 1), "groups": 6}
    x, weight = drawn(2, 6, 9, 10), drawn(6, 1, 3, 3)
    z = KERNELS["conv_transpose"](x, weight, *params.values())
    check(z, conv_transpose, x, weight, **params)


@pytest.mark.parametrize("lanes", sorted({tiles.LANES, 8}))
def test_the_same_bits_by_any_number_of_threads(
    monkeypatch: pytest.MonkeyPatch, lanes: int
) -> None:
    monkeypatch.setattr(operation, "width", lambda dtype: tiles.width(dtype, lanes))
    kernels = NumbaBackend().kernels
    params = {"stride": (1, 1), "padding": ((1, 1), (1, 1)), "dilation": (1, 1), "groups": 60}
    x, weight, bias = drawn(8, 60, 33, 35), drawn(60, 1, 3, 3), drawn(60)
    before, found = rl.get_num_threads(), []
    try:
        for threads in (2, 1, 3):
            rl.set_num_threads(threads)
            z = kernels["conv"](x, weight, bias, *params.values())
            made = kernels["conv.vjp"](z, x, weight, *params.values(), EVERY)
            found.append([z, *made])
    finally:
        rl.set_num_threads(before)
    z, *gradients = found[0]
    check(z, conv, x, weight, bias, **params)
    check(gradients, conv_vjp, z, x, weight, **params, asked=EVERY)
    for other in found[1:]:
        assert all(np.array_equal(*pair) for pair in zip(found[0], other, strict=True))


def test_a_value_that_is_not_finite_reaches_its_windows_only() -> None:
    x = drawn(1, 2, 12, 40)
    x[0, 1, 7, 15] = np.nan
    z = KERNELS["conv"](x, drawn(2, 1, 3, 3), None, (1, 1), ((1, 1), (1, 1)), (1, 1), 2)
    touched = np.zeros(z.shape, bool)
    touched[0, 1, 6:9, 14:17] = True
    assert np.array_equal(np.isnan(z), touched)


def test_images_of_one_channel_are_read_where_they_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    windows, chosen = [], plane_work.planes

    def noted(w: Any, window: Any) -> Any:
        windows.append(window)
        return chosen(w, window)

    monkeypatch.setattr(plane_work, "planes", noted)
    params = (1, 1), ((1, 1), (1, 1)), (1, 1), 2
    x, weight = drawn(1, 2, 12, 10), drawn(2, 1, 3, 3)
    kernels = NumbaBackend().kernels
    kernels["conv"](x.transpose(0, 1, 3, 2), weight, None, *params)  # rows of pixels far apart
    assert not windows
    kernels["conv"](x, weight, None, *params)
    assert {*windows} == {plane_work.Window(3, 3, 1, 1, plane_work.MOST_ROWS)}
