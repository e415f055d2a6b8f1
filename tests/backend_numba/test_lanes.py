"""Arithmetic on lanes against numpy: functions within their ulps, the rest bit by bit."""

import ctypes
import math
from collections.abc import Callable

import numpy as np
import pytest

from rushlight.extend import as_dtype, bfloat16, bool_, float16, float32, float64
from rushlight_numba.codegen import mathematics
from rushlight_numba.codegen.lanes import FORMS, Lanes
from rushlight_numba.codegen.llvm import Fn, native
from rushlight_numba.codegen.nest import supports

EVERY = [as_dtype(name) for name in FORMS]
INTEGERS = [d for d in EVERY if d.kind in "iu"]
FLOATS = [float32, float64, float16, bfloat16()]
SPECIAL = np.array([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan, 2.0**-149, -(2.0**-149)])
SPECIAL = np.concatenate([SPECIAL, [2.0**-126, 3.4028235e38, -3.4028235e38, 0.5, 1e-30, 1e30]])

erf = np.frompyfunc(math.erf, 1, 1)
EXACT: dict[str, Callable] = {
    "exp": np.exp,
    "log": np.log,
    "tanh": np.tanh,
    "erf": lambda x: erf(x).astype(np.float64),
    "sin": np.sin,
    "cos": np.cos,
}


def run(body: Callable, dtypes: list, result, arrays: list, n: int = 16) -> np.ndarray:
    """body(lanes of the first type, lanes of the result, *operands) over whole arrays."""
    fn = Fn("of_lanes", "ptr %args, i64 %n")
    places = [fn.arg("%args", i, "ptr") for i in range(len(arrays) + 1)]
    to = Lanes(fn, n, result)
    sources = [Lanes(fn, n, d) for d in dtypes]

    def at(k: int, lanes: Lanes, i: str) -> str:
        return fn.gep(places[k], i, lanes.held)

    with fn.loop(0, "%n", n) as i:
        left = fn.sub("%n", i)
        mask = sources[0].tail(left) if n > 1 else None
        values = [s.load(at(k, s, i), mask) for k, s in enumerate(sources)]
        to.store(body(sources[0], to, *values), at(len(arrays), to, i), mask)
    arrays = [np.ascontiguousarray(x, d) for x, d in zip(arrays, dtypes, strict=True)]
    made = np.empty(arrays[0].shape, result)
    words = np.array([x.ctypes.data for x in (*arrays, made)], np.int64)
    entry = native([fn])[fn.name]
    ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(entry)(words.ctypes.data, made.size)
    return made


def call(name: str, dtype, *arrays: np.ndarray, n: int = 16) -> np.ndarray:
    """One of the functions of floating lanes."""
    body = lambda lanes, to, *x: mathematics.function(lanes, name, *x)  # noqa: E731
    return run(body, [dtype] * len(arrays), dtype, list(arrays), n)


def ulps(given: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """The distance of numbers from exact ones, of a wider type, in units of the last place."""
    with np.errstate(all="ignore"):
        near = exact.astype(given.dtype)
        unit = np.spacing(np.maximum(np.abs(near), np.finfo(given.dtype).tiny))
        off = np.abs(given.astype(exact.dtype) - exact) / unit.astype(exact.dtype)
    same = (given == near) | (np.isnan(given) & np.isnan(near))
    return np.where(same, 0.0, np.where(np.isnan(off), np.inf, off))


def all_exponents(count: int) -> np.ndarray:
    """So many float32 numbers of every sign and exponent, infinities and NaN included."""
    draw = np.random.default_rng(7)
    high = np.repeat(np.arange(512, dtype=np.uint32), count) << 23
    return (high | draw.integers(0, 2**23, high.size, np.uint32)).view(np.float32)


@pytest.mark.parametrize("n", [1, 8, 16])
@pytest.mark.parametrize("name", EXACT)
def test_functions_of_float32_are_within_4_ulp_for_every_exponent(name, n):
    x = np.concatenate([all_exponents(1000), SPECIAL.astype(np.float32)])
    with np.errstate(all="ignore"):
        exact = EXACT[name](x.astype(np.float64))
    assert ulps(call(name, float32, x, n=n), exact).max() <= 4


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("bound", [1, 10, 105])
def test_functions_of_float32_are_within_4_ulp_where_they_bend(name, bound):
    x = np.linspace(-bound, bound, 400_001).astype(np.float32)
    with np.errstate(all="ignore"):
        exact = EXACT[name](x.astype(np.float64))
    assert ulps(call(name, float32, x), exact).max() <= 4


def test_log_of_float32_is_within_0_9_ulp_and_the_same_of_any_number_of_lanes():
    bits = np.arange(0, 0x7F80_0000, 4999, dtype=np.int32)  # zero, denormals and all above
    around_one = np.linspace(0.5, 2.0, 200_001, dtype=np.float32)
    x = np.concatenate([bits.view(np.float32), around_one, SPECIAL.astype(np.float32)])
    with np.errstate(all="ignore"):
        exact = np.log(x.astype(np.float64))
    given = [call("log", float32, x, n=n) for n in (1, 8, 16)]
    assert ulps(given[0], exact).max() <= 0.9
    for other in given[1:]:
        np.testing.assert_array_equal(other, given[0])


def test_erf_of_float32_is_within_2_4_ulp_and_one_where_it_ends():
    bits = np.arange(*np.array([2.0**-20, 5.0], np.float32).view(np.int32), 1999, dtype=np.int32)
    x = np.concatenate([bits.view(np.float32), np.linspace(3.9, 4.0, 20_000, dtype=np.float32)])
    exact = EXACT["erf"](x.astype(np.float64))
    given = call("erf", float32, x)
    assert ulps(given, exact).max() <= 2.4
    assert given.max() == 1
    assert (call("erf", float32, np.array([3.93, 4, 1e30, np.inf], np.float32)) == 1).all()
    np.testing.assert_array_equal(call("erf", float32, -x), -given)
    np.testing.assert_array_equal(call("erf", float32, x[::50], n=1), given[::50])


@pytest.mark.parametrize("name", [name for name in EXACT if name != "erf"])
def test_functions_of_float64_are_within_4_ulp(name):
    draw = np.random.default_rng(5)
    bits = draw.integers(0, 2**64, 50_000, np.uint64).view(np.float64)
    bends = [draw.uniform(-bound, bound, 50_000) for bound in (1, 20, 750, 1.3e8)]
    turns = np.arange(20_000) * (math.pi / 2) * (1 + draw.integers(-2, 3, 20_000) * 2.0**-53)
    x = np.concatenate([bits, *bends, turns, 1 + draw.normal(size=20_000) / 100])
    with np.errstate(all="ignore"):
        exact = EXACT[name](x.astype(np.longdouble))
    assert ulps(call(name, float64, x), exact).max() <= 4


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
@pytest.mark.parametrize("name", EXACT)
def test_functions_of_special_values_are_numpys(name, dtype):
    x = SPECIAL.astype(dtype)
    with np.errstate(all="ignore"):
        exact = EXACT[name](x.astype(np.float64)).astype(dtype)
    given = call(name, dtype, x)
    np.testing.assert_array_max_ulp(np.nan_to_num(given), np.nan_to_num(exact), 4, dtype)
    np.testing.assert_array_equal(np.isnan(given), np.isnan(exact))
    np.testing.assert_array_equal(np.isinf(given), np.isinf(exact))
    zero = exact == 0
    np.testing.assert_array_equal(np.signbit(given[zero]), np.signbit(exact[zero]))


# -- arithmetic, bit by bit -----------------------------------------------------------------------


def samples(dtype, seed: int, size: int = 1003) -> np.ndarray:
    """Numbers of a type, extremes and special values among them."""
    rng = np.random.default_rng(seed)
    if dtype.kind == "b":
        return rng.integers(0, 2, size).astype(bool)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        found = rng.integers(info.min, info.max, size, dtype, endpoint=True)
        found[::3] = rng.integers(0, 5, found[::3].size)
        found[:2] = info.min, info.max
        return found
    with np.errstate(over="ignore"):
        found = (rng.normal(size=size) * 10.0 ** rng.integers(-12, 12, size)).astype(dtype)
        found[::4] = rng.integers(-3, 4, found[::4].size)
        found[-SPECIAL.size :] = rng.permutation(SPECIAL).astype(dtype)
    return found


def same(given: np.ndarray, exact: np.ndarray) -> None:
    """Equal, signs of zeros included; nan is nan."""
    np.testing.assert_array_equal(given.astype(np.float64), exact.astype(np.float64))
    if exact.dtype not in INTEGERS and exact.dtype.kind != "b":
        known = ~np.isnan(exact.astype(np.float64))
        np.testing.assert_array_equal(np.signbit(given[known]), np.signbit(exact[known]))


def wide(dtype) -> np.dtype:
    """What a narrow type is computed in."""
    return float32 if dtype in FLOATS and dtype.itemsize < 4 else dtype


ARITHMETIC = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}
BITS = {"bitwise_and": np.bitwise_and, "bitwise_or": np.bitwise_or, "bitwise_xor": np.bitwise_xor}
ONE = {"neg": np.negative, "abs": np.abs, "floor": np.floor, "bitwise_not": np.invert}
TABLE = {**ARITHMETIC, **BITS, **ONE, "sqrt": np.sqrt}
TABLE |= {"maximum": np.maximum, "minimum": np.minimum}
COMPUTED = [(op, dtype) for op in TABLE for dtype in EVERY if supports(op, [dtype])]


@pytest.mark.parametrize("n", [1, 16])
@pytest.mark.parametrize(("op", "dtype"), COMPUTED, ids=str)
def test_arithmetic_is_numpys(op, dtype, n):
    arity = 1 if op in ONE or op == "sqrt" else 2
    arrays = [samples(dtype, seed) for seed in range(arity)]
    with np.errstate(all="ignore"):
        exact = TABLE[op](*[x.astype(wide(dtype)) for x in arrays]).astype(dtype)
    given = run(lambda lanes, to, *x: getattr(to, op)(*x), [dtype] * arity, dtype, arrays, n)
    if op in ("maximum", "minimum"):  # which of two zeros is the larger nobody says
        given, exact = given + dtype.type(0), exact + dtype.type(0)
    same(given, exact)


@pytest.mark.parametrize("dtype", EVERY, ids=str)
@pytest.mark.parametrize("op", ["equal", "less"])
def test_comparisons_are_numpys(op, dtype):
    arrays = [samples(dtype, 1), samples(dtype, 2)]
    body = lambda lanes, to, x, y: getattr(lanes, op)(x, y)  # noqa: E731
    given = run(body, [dtype] * 2, bool_, arrays)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(given, getattr(np, op)(*arrays))


def fits(x: np.ndarray, to) -> np.ndarray:
    """Where a floating number has a whole part of the type: elsewhere C says nothing."""
    if x.dtype not in FLOATS or to not in INTEGERS:
        return np.full(x.shape, True)
    x = x.astype(np.float64)
    info = np.iinfo(to)
    return (x > float(info.min) - 1) & (x < float(info.max) + 1) & (np.abs(x) < 2.0**63)


@pytest.mark.parametrize("n", [1, 16])
@pytest.mark.parametrize("to", EVERY, ids=str)
@pytest.mark.parametrize("given", EVERY, ids=str)
def test_casts_are_numpys(given, to, n):
    x = samples(given, 3)
    if given in FLOATS and to in INTEGERS:
        x = np.concatenate([x, np.linspace(-300, 300, 777).astype(given)])
    made = run(lambda lanes, to, x: to.cast(x, lanes), [given], to, [x], n)
    with np.errstate(all="ignore"):
        exact = x.astype(to)
    if given == float64 and to == bfloat16():  # numpy's goes through float32, and rounds twice
        exact = x.astype(np.float32).astype(to)
    same(made[fits(x, to)], exact[fits(x, to)])


def test_float64_is_rounded_once_to_float16():
    x = np.array(
        [1 + 2.0**-11 + 2.0**-40, 1 + 2.0**-11, 65519.999999, 65520, -(2.0**-25), 2.0**-25]
    )
    x = np.append(x, [2.0**-25 * (1 + 2.0**-50), np.inf, np.nan, -0.0])
    made = run(lambda lanes, to, x: to.cast(x, lanes), [float64], float16, [x])
    with np.errstate(all="ignore"):
        same(made, x.astype(np.float16))


def test_bfloat16_keeps_nan_and_rounds_to_even():
    bits = np.arange(0, 2**32, 65521, dtype=np.uint64).astype(np.uint32)
    x = bits.view(np.float32)
    made = run(lambda lanes, to, x: to.cast(x, lanes), [float32], bfloat16(), [x])
    with np.errstate(all="ignore"):
        same(made, x.astype(bfloat16()))


@pytest.mark.parametrize("to", [d for d in INTEGERS if d.itemsize >= 4], ids=str)
def test_what_no_integer_holds_is_cast_as_on_x86(to):
    x = np.array([np.nan, np.inf, -np.inf, 1e20, -1e20], np.float32)
    least = {"int32": -(2**31), "int64": -(2**63)}.get(to.name)
    made = run(lambda lanes, to, x: to.cast(x, lanes), [float32], to, [x])
    wanted = [least] * 5 if least else [2**31, 0, 2**31, 0, 2**31]
    np.testing.assert_array_equal(made, np.array(wanted, to))


def test_where_selects_exactly():
    x, y = samples(float32, 1), samples(float32, 2)
    body = lambda lanes, to, c, x, y: to.where(c, x, y)  # noqa: E731
    c = samples(bool_, 3)
    given = run(body, [bool_, float32, float32], float32, [c, x, y])
    same(given, np.where(c, x, y))


def test_pow_of_float32_is_within_an_ulp():
    x = np.random.default_rng(0).permutation(all_exponents(2000))
    draw = np.random.default_rng(1)
    y = (draw.normal(size=x.size) * 10.0 ** draw.integers(-3, 3, x.size)).astype(np.float32)
    y[::5] = draw.integers(-5, 6, y[::5].size)
    with np.errstate(all="ignore"):
        exact = np.power(x.astype(np.float64), y.astype(np.float64))
    assert ulps(call("pow", float32, x, y), exact).max() <= 1


@pytest.mark.parametrize("dtype", [float32, float64], ids=str)
def test_pow_is_the_c_librarys(dtype):
    x, y = np.meshgrid(
        np.append(SPECIAL, [2.0, -2.0, 3.7]), np.append(SPECIAL, [2.0, 3.0, -2.5, 2.0**24 + 2, 1e9])
    )
    x, y = x.ravel().astype(dtype), y.ravel().astype(dtype)
    with np.errstate(all="ignore"):
        exact = np.power(x.astype(np.float64), y.astype(np.float64)).astype(dtype)
    given = call("pow", dtype, x, y)
    np.testing.assert_array_equal(np.isnan(given), np.isnan(exact))
    finite = np.isfinite(exact)
    np.testing.assert_array_equal(
        given[~finite & ~np.isnan(exact)], exact[~finite & ~np.isnan(exact)]
    )
    np.testing.assert_array_max_ulp(given[finite], exact[finite], 4, dtype)
