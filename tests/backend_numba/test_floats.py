"""Numbers that functions take: 0.0 and -0.0 are equal and are two, nan is not equal and is one."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight.extend import operations
from rushlight_nn import functional as F
from rushlight_numba.direct import Table
from rushlight_numba.eager import KEPT, Programs

N = 8000  # elements, so that programs run
ZEROS = (-0.0, 0.0, -0.0)
FUNCTIONS: dict[str, Callable[[Any, float], Any]] = {
    "divided by": lambda x, v: x // v,
    "divided": lambda x, v: v // x,
    "remainder": lambda x, v: v % x,
    "fmod": lambda x, v: rl.fmod(x * 0.0 + v, x),
    "add": lambda x, v: x * 0.0 + v,
    "mul": lambda x, v: x * v,
    "div": lambda x, v: x / v,
    "pow": lambda x, v: (x * 0.0) ** v,
    "copysign": rl.copysign,
    "clamp": lambda x, v: x.clamp(v),
    "clamp max": lambda x, v: (-x).clamp(max=v),
    "hardtanh": lambda x, v: F.hardtanh(x, v, 1.0),
    "threshold": lambda x, v: F.threshold(x, 0.0, v),
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "nan_to_num": lambda x, v: rl.nan_to_num(x * math.nan, nan=v),
    "lerp": lambda x, v: rl.lerp(x * 0.0, x, v),
    "addcmul": lambda x, v: rl.addcmul(x * 0.0, x, x, value=v),
    "addcdiv": lambda x, v: rl.addcdiv(x * 0.0, x, x, value=v),
    "masked_fill": lambda x, v: x.masked_fill(x < 0, v),
    "where": lambda x, v: rl.where(x > 0, x, v),
    "pad": lambda x, v: F.pad(x, (1, 1), value=v),
    "full": lambda x, v: rl.full((70_000,), v, device=x.device),
    "full_like": rl.full_like,
}


def signs(name: str, device: str, *, traced: bool) -> list[Any]:
    """Where the result is negative, or nan, of one zero after another."""
    function = FUNCTIONS[name]
    call = rl.compile(function) if traced else function
    x = -rl.ones(N, device=device)
    results = [call(x, v).numpy() for v in ZEROS]
    return [np.where(np.isnan(z), z, np.signbit(z)) for z in results]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_zero_with_a_sign_is_a_number_of_its_own(name: str) -> None:
    expected = signs(name, "numpy", traced=False)
    np.testing.assert_array_equal(signs(name, "numba", traced=False), expected)


@pytest.mark.parametrize(
    "name", sorted(FUNCTIONS.keys() - {"pad"})
)  # whose value is known when traced
def test_a_compiled_function_tells_zeros_apart(name: str) -> None:
    expected = signs(name, "numpy", traced=False)
    np.testing.assert_array_equal(signs(name, "numba", traced=True), expected)


@pytest.mark.parametrize("device", ["numpy", "numba"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_steps_of_one_program_tell_zeros_apart(name: str, device: str) -> None:
    both = rl.compile(lambda x: [FUNCTIONS[name](x, v) for v in ZEROS])
    found = [np.signbit(z.numpy()) for z in both(-rl.ones(N, device=device))]
    expected = [FUNCTIONS[name](-rl.ones(N, device="numpy"), v).numpy() for v in ZEROS]
    for z, y in zip(found, expected, strict=True):
        np.testing.assert_array_equal(z[~np.isnan(y)], np.signbit(y)[~np.isnan(y)])


def test_the_gradient_has_the_sign_of_the_zero_too() -> None:
    for v in ZEROS:
        x = (-rl.ones(N, device="numba")).requires_grad_()
        rl.addcmul(x.detach(), x, x.detach() * -1.0, value=v).sum().backward()
        assert x.grad is not None
        np.testing.assert_array_equal(np.signbit(x.grad.numpy()), math.copysign(1, v) < 0)


def native(name: str) -> tuple[Programs, Any]:
    """The programs of an operation, and the kernel that finds them."""
    backend: Any = rl.device("numba").backend
    programs = Programs(backend, name, None)
    count = len(operations[name].inputs) + len(operations[name].params)
    programs.table = Table(name, count, 0, None, programs)
    return programs, programs.table.kernel


def test_every_nan_is_the_same_number() -> None:
    programs, pad = native("pad")
    x = np.ones(8, np.float32)
    for _ in range(3):
        z = pad(x, ((1, 1),), float("nan"))
        np.testing.assert_array_equal(z, [math.nan, *x, math.nan])
    assert len(programs.found) == 1


def test_what_an_operation_let_go_its_table_does_too() -> None:
    programs, neg = native("neg")
    x = np.arange(KEPT + 20, dtype=np.float32)
    first = []
    for n in range(1, KEPT + 20):
        np.testing.assert_array_equal(neg(x[:n]), -x[:n])
        assert len(programs.found) <= KEPT
        if n == 20:
            runs: list[Any] = [*programs.found.values()]
            first = [weakref.ref(run.__self__) for run in runs]
            del runs
    gc.collect()
    assert len(first) == 20
    assert not any(words() is not None for words in first)
