"""Convolutions and pooling of float16 and bfloat16 are native, in float32, and rounded once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as rl
import rushlight_nn.functional as F
from rushlight.extend import Call
from rushlight_numba.eager import Programs

Function = Callable[..., rl.Tensor]

# Of images and filters; pooling takes images alone.
FUNCTIONS: dict[str, Function] = {
    "conv": lambda x, w: F.conv2d(x, w, padding=1),
    "conv-strided": lambda x, w: F.conv2d(x, w, stride=2),
    "conv-depthwise": lambda x, w: F.conv2d(x, w[:8, :1], padding=1, groups=8),
    "conv-transposed": lambda x, w: F.conv_transpose2d(x, w[:8], stride=2),
    "max-pool": lambda x, _: F.max_pool2d(x, 3, stride=2, padding=1),
    "sum-pool": lambda x, _: F.avg_pool2d(x, 4, stride=2),  # its quotient by 16 is exact
}
HALF = {"float16": rl.float16, "bfloat16": rl.bfloat16}
ROUNDING = {"float16": 2.0**-11, "bfloat16": 2.0**-8}  # half of what lies between 1 and the next


def given(dtype: Any) -> list[rl.Tensor]:
    """Images whose rows are columns, and filters."""
    rng = np.random.default_rng(0)
    images = rl.tensor(rng.standard_normal((2, 8, 13, 11)).astype(np.float32)).to(dtype)
    filters = rl.tensor(rng.standard_normal((24, 8, 3, 3)).astype(np.float32)).to(dtype)
    return [images.transpose(2, 3), filters]


def exact(function: Function, dtype: Any) -> Any:
    """In float64 on the reference, of the same numbers."""
    with rl.device("numpy"):
        return function(*[x.to(rl.float64) for x in given(dtype)]).numpy()


def is_rounded_once(z: rl.Tensor, wanted: Any, dtype: str) -> bool:
    got = z.detach().to(rl.float64).numpy()
    within = 1e-5 * np.abs(wanted).max()  # of the sums in float32
    return bool((np.abs(got - wanted) <= ROUNDING[dtype] * np.abs(wanted) + within).all())


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operations that are done by kernels of Python, or by their statements."""
    found: list[str] = []
    other, run = Programs.other, Call.run

    def noted(self: Programs, *args: Any) -> Any:
        found.append(self.op.name)
        return other(self, *args)

    def noted_run(self: Call, args: list[Any]) -> Any:
        found.append(self.step.op.name)
        return run(self, args)

    monkeypatch.setattr(Programs, "other", noted)
    monkeypatch.setattr(Call, "run", noted_run)
    return found


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("compiles", [False, True], ids=["eager", "compiled"])
def test_results(name: str, dtype: str, compiles: bool, called: list[str]) -> None:
    function = FUNCTIONS[name]
    wanted = exact(function, HALF[dtype])
    with rl.device("numba"):
        z = (rl.compile(function) if compiles else function)(*given(HALF[dtype]))
    assert z.dtype is HALF[dtype]
    assert is_rounded_once(z, wanted, dtype)
    assert not called


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients(name: str, dtype: str, called: list[str]) -> None:
    function = FUNCTIONS[name]

    def step(*inputs: rl.Tensor) -> list[rl.Tensor]:
        leaves = [x.detach().requires_grad_() for x in inputs]
        z = function(*leaves)
        return [*rl.autograd.grad(z, leaves, [rl.ones_like(z)], allow_unused=True)]

    with rl.device("numpy"):
        wanted = step(*[x.to(rl.float64) for x in given(HALF[dtype])])
    with rl.device("numba"):
        made = step(*given(HALF[dtype]))
    for z, exactly in zip(made, wanted, strict=True):
        assert (z is None) == (exactly is None)
        if z is not None:
            assert z.dtype is HALF[dtype]
            assert is_rounded_once(z, exactly.numpy(), dtype)
    assert not called


@pytest.mark.parametrize("dtype", HALF)
def test_what_follows_a_convolution_sees_it_rounded(dtype: str) -> None:
    """The nest that rounds is a work of its own: none that follows runs before it."""

    def function(x: rl.Tensor, w: rl.Tensor) -> rl.Tensor:
        return (F.conv2d(x, w, padding=1) + 1.0).relu()

    with rl.device("numba"):
        compiled = rl.compile(function)(*given(HALF[dtype]))
        eager = function(*given(HALF[dtype]))
    assert is_rounded_once(compiled, eager.to(rl.float64).numpy(), dtype)


@pytest.mark.parametrize("dtype", HALF)
def test_a_convolution_of_no_image_of_its_own(dtype: str) -> None:
    """What it has lies in the padding behind: zeros, of which some are results."""
    x, w = (rl.ones(*s, dtype=HALF[dtype]) for s in ((1, 4, 8, 1), (4, 1, 1, 1)))
    how = {"stride": 3, "padding": 1, "output_padding": (0, 2)}
    z, wanted = (F.conv_transpose2d(x.to(d), w.to(d), **how) for d in ("numba", "numpy"))
    assert z.tolist() == wanted.tolist()


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize(
    "largest",
    [
        lambda x: (x * x).amax(0).sum(),
        lambda x: (x * x).amax(),
        lambda x: rl.norm(x.exp(), float("inf")),
        lambda x: (x * x).clamp(max=1.5).sum(),
    ],
    ids=["columns", "all", "norm", "clamp"],
)
def test_what_is_compared_is_rounded_as_it_is_in_memory(largest: Function, dtype: str) -> None:
    """The gradient of a maximum goes to the elements that equal it, computed again or not."""

    def gradient(x: rl.Tensor) -> rl.Tensor:
        x = x.detach().requires_grad_()
        return rl.autograd.grad(largest(x), x)[0]

    values = np.random.default_rng(0).standard_normal((64, 16)).astype(np.float32)
    x = rl.tensor(values, device="numba").to(HALF[dtype])
    assert rl.compile(gradient)(x).tolist() == gradient(x).tolist()
