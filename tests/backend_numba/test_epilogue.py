"""What follows a convolution runs in its chunks, and gives what it gives by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as rl
import rushlight_nn.functional as F
from rushlight_numba.codegen.nest import NestCode
from rushlight_numba.epilogue import axes_of

Tail = Callable[[rl.Tensor, rl.Tensor], Any]
CHANNELS = 6


def scaled(z: rl.Tensor) -> rl.Tensor:
    """As a normalisation in evaluation does it."""
    channels = rl.arange(z.shape[1], dtype=z.dtype)
    return F.batch_norm(z, channels, channels + 1, channels - 2, channels * 0.5)


def places(z: rl.Tensor) -> rl.Tensor:
    """A number for each pixel, the same in all images and channels."""
    return rl.arange(int(np.prod(z.shape[2:])), dtype=z.dtype).reshape(z.shape[2:])


# Of the convolution's result and another array of its shape; all but those below are one work.
TAILS: dict[str, Tail] = {
    "relu": lambda z, _: z.relu(),
    "silu": lambda z, _: F.silu(z),
    "gelu": lambda z, _: F.gelu(z),
    "hardswish": lambda z, _: F.hardswish(z),
    "residual": lambda z, r: (z + r).relu(),
    "scaled": lambda z, _: scaled(z).relu(),
    "scaled-residual": lambda z, r: (scaled(z) + r).relu(),
    "turned-residual": lambda z, r: z * r.reshape(-1).flip(0).reshape(z.shape),
    "places": lambda z, _: z + places(z),
    "columns": lambda z, _: z * rl.arange(z.shape[-1], dtype=z.dtype),
    "rows-and-channels": lambda z, r: z * r[:1, :, :, :1] if z.ndim > 3 else z * r[:1, :, :1],
    "kept": lambda z, _: (z.tanh(), z),
    "read-later": lambda z, _: (z.tanh(), z.cumsum(-1)),
    "two": lambda z, r: (z.tanh(), z * r),
    "flat": lambda z, _: z.relu().reshape(z.shape[0], -1),
    "joined": lambda z, r: rl.cat([r, z.relu(), r], 1),
    "longer": lambda z, _: z.relu().to(rl.float64),
    "shorter": lambda z, _: z.relu().to(rl.float16),
    "softmax": lambda z, _: z.softmax(-1),
    "also-row-sum": lambda z, _: (z.tanh(), z.sum(-1)),
}
ROWS = {"softmax", "also-row-sum"}  # need a row whole, and the widest is cut
APART = {  # tails that read at other places than the convolution makes, or more than once
    "sum": lambda z, _: z.sum((0, 1)),
    "also-sum": lambda z, _: (z.tanh(), z.sum(1)),
    "turned": lambda z, _: z.transpose(0, 1) * 2.0,
    "flipped": lambda z, _: z.flip(-1) + 1.0,
    "softmax-of-images": lambda z, _: z.flatten(1).softmax(1),
    "softmax-of-channels": lambda z, _: z.softmax(1),
    "with-itself": lambda z, _: z + z.flip(1),
    "looked-up": lambda z, _: z[..., rl.arange(z.shape[-1] - 1, -1, -1)],
}
# Images, filters, stride, padding, groups.
SHAPES: dict[str, tuple[tuple[int, ...], tuple[int, ...], int, int, int]] = {
    "line": ((3, 4, 137), (CHANNELS, 4, 3), 1, 1, 1),
    "image": ((2, 3, 17, 13), (CHANNELS, 3, 3, 3), 1, 1, 1),
    "grouped": ((2, 4, 9, 15), (CHANNELS, 2, 3, 3), 1, 1, 2),
    "depthwise": ((3, CHANNELS, 12, 11), (CHANNELS, 1, 3, 3), 1, 1, CHANNELS),
    "strided": ((5, 3, 21, 19), (CHANNELS, 3, 3, 3), 2, 0, 1),
    "point": ((2, 8, 10, 9), (CHANNELS, 8, 1, 1), 1, 0, 1),
    "one-image": ((1, 2, 8, 9), (CHANNELS, 2, 3, 3), 1, 1, 1),
    "volume": ((2, 2, 5, 6, 11), (CHANNELS, 2, 3, 3, 3), 1, 1, 1),
    "wide": ((1, 3, 3, 700), (CHANNELS, 3, 3, 3), 1, 1, 1),
    "blocks": ((9, 16, 64, 65), (CHANNELS, 16, 3, 3), 1, 1, 1),
    "tiles": ((3, 16, 15, 18), (20, 16, 3, 3), 1, 1, 1),
    "many-channels": ((2, 40, 14, 14), (130, 40, 5, 5), 1, 2, 1),
}


def drawn(seed: int, shape: tuple[int, ...], dtype: Any) -> rl.Tensor:
    made = np.random.default_rng(seed).standard_normal(shape).astype(dtype)
    return rl.tensor(made)


def convolved(shape: str, tail: Tail) -> Callable[..., Any]:
    """A tail after the convolution of that name."""
    _, filters, stride, padding, groups = SHAPES[shape]
    conv = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}[len(filters)]

    def run(x: rl.Tensor, w: rl.Tensor, b: rl.Tensor, r: rl.Tensor) -> Any:
        return tail(conv(x, w, b, stride=stride, padding=padding, groups=groups), r)

    return run


def arguments(shape: str, dtype: Any) -> list[rl.Tensor]:
    """The images, the filters, a bias, and an array like the result."""
    images, filters, stride, padding, _ = SHAPES[shape]
    sizes = [
        (n + 2 * padding - k) // stride + 1 for n, k in zip(images[2:], filters[2:], strict=True)
    ]
    shapes = [images, filters, filters[:1], (images[0], filters[0], *sizes)]
    return [drawn(i, s, dtype) for i, s in enumerate(shapes)]


def results(made: Any) -> list[Any]:
    return [x.detach().numpy() for x in (made if isinstance(made, tuple) else (made,))]


def exact(shape: str, tail: Tail) -> list[Any]:
    """The results in float64 on the reference, from the same numbers as float32."""
    with rl.device("numpy"):
        given = [x.to(rl.float64) for x in arguments(shape, np.float32)]
        return results(convolved(shape, tail)(*given))


def nests_at_the_end(run: Any) -> int:
    """How many works of a compiled function end in a nest."""
    ((traced,),) = run.traced.values()
    (program,) = traced.program.run.report.args
    return sum(
        any(isinstance(word, NestCode) for word in work.words)
        for work in program.works
        if work.function != "run_nest"
    )


def compiled(shape: str, tail: Tail, dtype: Any = np.float32) -> tuple[list[Any], int]:
    """The results as compiled, and how many nests run within other works."""
    with rl.device("numba"):
        run = rl.compile(convolved(shape, tail))
        made = results(run(*arguments(shape, dtype)))
    return made, nests_at_the_end(run)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("tail", TAILS)
def test_a_nest_in_a_convolution_gives_what_it_gives_alone(shape: str, tail: str) -> None:
    made, count = compiled(shape, TAILS[tail])
    assert count == (shape != "wide" or tail not in ROWS)
    for z, expected in zip(made, exact(shape, TAILS[tail]), strict=True):
        loose = z.dtype == np.float16
        np.testing.assert_allclose(z, expected, rtol=2e-3 if loose else 2e-4, atol=2e-3)


@pytest.mark.parametrize("shape", ["line", "image", "volume"])
@pytest.mark.parametrize("tail", APART)
def test_a_nest_that_reads_other_places_stays_apart(shape: str, tail: str) -> None:
    made, count = compiled(shape, APART[tail])
    assert count == 0
    for z, expected in zip(made, exact(shape, APART[tail]), strict=True):
        np.testing.assert_allclose(z, expected, rtol=2e-4, atol=2e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_float64_is_exact(shape: str) -> None:
    made, count = compiled(shape, TAILS["scaled-residual"], np.float64)
    assert count == 1
    with rl.device("numpy"):
        run = convolved(shape, TAILS["scaled-residual"])
        (expected,) = results(run(*arguments(shape, np.float64)))
    np.testing.assert_allclose(made[0], expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("tail", "count"), [("relu", 0), ("scaled", 1)])
def test_a_nest_is_not_cut_into_short_rows(tail: str, count: int) -> None:
    """Each row costs something by itself; what differs by channel has such rows anyway."""

    def run(x: rl.Tensor, w: rl.Tensor) -> rl.Tensor:
        z: rl.Tensor = TAILS[tail](F.conv2d(x, w), x)
        return z

    with rl.device("numba"):
        once = rl.compile(run)
        z = once(drawn(0, (5, 3, 6, 6), np.float32), drawn(1, (40, 3, 2, 2), np.float32))
    assert z.shape == (5, 40, 5, 5)
    assert nests_at_the_end(once) == count


@pytest.mark.parametrize("shape", SHAPES)
def test_the_bits_are_the_same_for_any_number_of_threads(shape: str) -> None:
    before = rl.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 3):
            rl.set_num_threads(threads)
            made, _ = compiled(shape, TAILS["scaled-residual"])
            found.append(made[0].tobytes())
    finally:
        rl.set_num_threads(before)
    assert len(set(found)) == 1


def agrees(run: Callable[..., Any], *given: rl.Tensor) -> Any:
    """The function, compiled, having made what it makes in float64 on the reference."""
    with rl.device("numpy"):
        expected = results(run(*[x.to(rl.float64) for x in given]))
    with rl.device("numba"):
        once = rl.compile(run)
        for _ in range(3):  # on fresh memory, then on memory that was used
            made = results(once(*[x.to("numba") for x in given]))
            for z, y in zip(made, expected, strict=True):
                np.testing.assert_allclose(z, y, rtol=1e-3, atol=1e-3)
    return once


def test_random_numbers_and_numbers_of_a_call() -> None:
    def run(x: rl.Tensor, w: rl.Tensor, scale: float) -> rl.Tensor:
        return F.dropout(F.conv2d(x, w), 0.3) * scale

    given = drawn(0, (2, 3, 12, 14), np.float32), drawn(1, (5, 3, 3, 3), np.float32)
    once = rl.compile(run)
    for scale in (2.0, -0.5):
        rl.manual_seed(0)
        with rl.device("numba"):
            made = once(*[x.to("numba") for x in given], scale).numpy()
        rl.manual_seed(0)
        with rl.device("numpy"):
            expected = run(*given, scale).numpy()
        np.testing.assert_allclose(made, expected, rtol=1e-4, atol=1e-4)
    assert nests_at_the_end(once) == 1


def test_it_is_told_what_runs_in_what() -> None:
    with rl.device("numba"):
        run = rl.compile(convolved("image", lambda z, r: scaled(z).relu().argsort(-1)))
        page = run.measure(*arguments("image", np.float32))
    lines = [line.split() for line in page.splitlines()]
    assert ["2", "nest", "in", "1"] in [words[:4] for words in lines]
    assert ["1", "call", "conv"] in [words[:3] for words in lines]


def test_a_result_lies_over_nothing_that_the_nest_still_reads() -> None:
    """The residual ends where the sum begins, and both are of one size."""

    def run(x: rl.Tensor, w: rl.Tensor) -> rl.Tensor:
        for _ in range(3):
            x = (F.conv2d(x, w, padding=1) + x.cumsum(1).tanh()).cumsum(-1).tanh()
        return x

    x, w = drawn(0, (4, 8, 16, 16), np.float32), drawn(1, (8, 8, 3, 3), np.float32) * 0.1
    assert nests_at_the_end(agrees(run, x, w)) >= 1


def test_a_network_of_residual_blocks() -> None:
    """Statistics are prepared between a convolution and its nest, and a shortcut is one more."""

    def run(*given: rl.Tensor) -> rl.Tensor:
        x, *ws = given
        for a, b, c in zip(ws[::3], ws[1::3], ws[2::3], strict=True):
            h = scaled(F.conv2d(x, a, stride=2, padding=1)).relu()
            x = (scaled(F.conv2d(h, b, padding=1)) + scaled(F.conv2d(x, c, stride=2))).relu() * 0.1
        return x

    shapes = [(2, 3, 33, 33)]
    for c in (3, 8):
        shapes += [(8, c, 3, 3), (8, 8, 3, 3), (8, c, 1, 1)]
    given = [drawn(i, shape, np.float32) * 0.3 for i, shape in enumerate(shapes)]
    assert nests_at_the_end(agrees(run, *given)) == 4


def test_gradients_of_a_chain_of_convolutions() -> None:
    """The gradient of an activation follows that of the convolution behind it in the same way."""

    def run(x: rl.Tensor, *ws: rl.Tensor) -> tuple[rl.Tensor, ...]:
        ws = tuple([w.detach().requires_grad_() for w in ws])
        h = x.detach().requires_grad_()
        z = h
        for w in ws:
            z = F.silu(F.conv2d(z, w, padding=1))
        return tuple(g.detach() for g in rl.autograd.grad((z * z).sum(), [h, *ws]))

    ws = [drawn(i, (5, 5, 3, 3), np.float32) * 0.2 for i in range(3)]
    assert nests_at_the_end(agrees(run, drawn(9, (2, 5, 11, 12), np.float32), *ws)) >= 4


@pytest.mark.parametrize("waits", [False, True])
def test_a_nest_runs_earlier_unless_it_waits_for_another_gradient(waits: bool) -> None:
    """Both are results of one step, and that of the filters is read first."""

    def run(x: rl.Tensor, w: rl.Tensor, r: rl.Tensor) -> tuple[rl.Tensor, ...]:
        x, w = x.detach().requires_grad_(), w.detach().requires_grad_()
        gx, gw = rl.autograd.grad((F.conv2d(x, w, padding=1) * r).sum(), [x, w])
        sums = gw.cumsum(0)
        return (gx * sums[-1, :, :1, :1] if waits else gx.tanh()).detach(), sums.detach()

    shapes = (2, 3, 10, 12), (4, 3, 3, 3), (2, 4, 10, 12)
    given = [drawn(i, shape, np.float32) for i, shape in enumerate(shapes)]
    assert nests_at_the_end(agrees(run, *given)) == (not waits)


@pytest.mark.parametrize(
    ("extents", "shape", "expected"),
    [
        ((4, 16, 144), (4, 16, 12, 12), [[0], [1], [2, 3]]),
        ((9216,), (4, 16, 12, 12), [[0, 1, 2, 3]]),
        ((1,), (1, 1, 1), [[]]),
        ((3, 5), (1, 3, 1, 5), [[1], [3]]),
        ((4, 8, 288), (4, 16, 12, 12), None),
        ((4, 16), (4, 16, 2), None),
    ],
)
def test_loops_are_axes_in_a_row(extents: Any, shape: Any, expected: Any) -> None:
    assert axes_of(extents, shape) == expected
