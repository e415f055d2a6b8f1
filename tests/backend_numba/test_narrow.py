"""Functions of float16 and bfloat16: rounded once, by programs where numpy has only slow ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import rushlight as rl
from rushlight_numba import eager
from rushlight_numba.eager import LEAST, LEAST_OF

HALF = {"float16": rl.float16, "bfloat16": rl.bfloat16}
ROUNDING = {"float16": 2.0**-11, "bfloat16": 2.0**-8}  # half of what lies between 1 and the next
SMALLEST = {"float16": 2.0**-24, "bfloat16": 2.0**-133}
IN_FLOAT32 = 2.0**-20  # a few ulp of it, before the rounding
WIDE, INSIDE, POSITIVE, ABOVE_ONE = (-9.0, 9.0), (-0.99, 0.99), (0.1, 50.0), (1.0, 30.0)
DOMAINS = {
    **dict.fromkeys("sin cos tan sinh cosh tanh asinh atan exp exp2 expm1 atan2".split(), WIDE),
    **dict.fromkeys("asin acos atanh erfinv".split(), INSIDE),
    **dict.fromkeys("log log2 log10 log1p pow".split(), POSITIVE),
    "acosh": ABOVE_ONE,
}
OF_TWO = {"atan2", "pow"}


def drawn(n: int, dtype: str, domain: tuple[float, float], seed: int = 0) -> rl.Tensor:
    values = np.random.default_rng(seed).uniform(*domain, n).astype(np.float32)
    return rl.tensor(values, device="numpy").to(HALF[dtype])


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("name", DOMAINS)
@pytest.mark.parametrize("n", [1, 301, 33_000], ids=["one", "few", "many"])
def test_a_function_rounds_once(name: str, dtype: str, n: int) -> None:
    """Strided and dense; for few elements by either kernel, as their number says."""
    given = [drawn(2 * n, dtype, DOMAINS[name])]
    if name in OF_TWO:
        given.append(drawn(2 * n, dtype, (0.5, 2.0), seed=1))
    function = getattr(rl, name)
    exact = function(*[x[::2].to(rl.float64) for x in given]).numpy()
    with np.errstate(over="ignore"):
        inside = np.abs(exact) < rl.finfo(HALF[dtype]).max
    on = [x.to("numba") for x in given]
    for inputs in ([x[::2] for x in on], [x[::2].contiguous() for x in on]):
        z = function(*inputs)
        assert z.dtype is HALF[dtype]
        got = z.to(rl.float64).numpy()
        within = (ROUNDING[dtype] + IN_FLOAT32) * np.abs(exact) + SMALLEST[dtype]
        assert (np.abs(got - exact) <= within)[inside].all()


# -- which kernel


def test_the_type_says_from_how_many_elements_on_there_are_programs() -> None:
    dtypes = {"d": np.dtype("float64"), "e": np.dtype("float16"), "E": rl.bfloat16}
    names = {name: of_type for of_type in LEAST_OF.values() for name in of_type}
    small: dict[str, Any] = {name: lambda *_, **__: "small" for name in LEAST}
    made = eager.kernels(rl.device("numba").backend, small)
    for name in names:
        for code, dtype in dtypes.items():
            least = LEAST_OF[code].get(name, LEAST[name])
            for n, kind in ((least - 1, str), (least, np.ndarray)):
                if n <= 1 << 16:
                    x = np.ones(n, dtype)
                    given = (x, x) if name in OF_TWO else (x,)
                    for _ in range(2):  # found by Python, and then in the table
                        assert type(made[name](*given)) is kind, (name, code, n)


def test_functions_of_float64_are_programs_where_numpy_is_slow() -> None:
    x = np.linspace(-20, 20, 300)
    for name in LEAST_OF["d"]:
        z = getattr(rl, name)(rl.tensor(x, device="numba")).numpy()
        np.testing.assert_array_max_ulp(z, getattr(np, name)(x), 4)


# -- exponents


@pytest.mark.parametrize("n", [1, 300, 70_000])
def test_known_powers_of_bfloat16_are_products(n: int) -> None:
    x = drawn(n, "bfloat16", (-9.0, 9.0)).to("numba")
    wide = x.to(rl.float32)
    for _ in range(2):
        assert rl.equal(x**2, x * x)
        assert rl.equal(x**3, (wide * wide * wide).to(rl.bfloat16))
        assert rl.equal(x**-1, (1.0 / wide).to(rl.bfloat16))


def test_numbers_of_bfloat16_are_part_of_a_kind() -> None:
    """Each exponent and divisor has its program."""
    x = drawn(70_000, "bfloat16", (0.5, 9.0)).to("numba")
    backend = rl.device("numba").backend
    for name, numbers in (("pow", (2, 1.5, -1)), ("remainder", (7, 2.5)), ("floordiv", (7, -2))):
        programs = eager.Programs(backend, name, None)
        for y in numbers:
            programs(x.numpy(), np.asarray(y).astype(rl.bfloat16))
        assert {key[-1] for key in programs.found} == {float(y).hex() for y in numbers}
