"""floordiv, remainder and fmod in nests: the reference's bits, and what they refuse."""

import numpy as np
import pytest

import rushlight as rl
from rushlight import reference
from rushlight.errors import ContractError
from rushlight.extend import as_dtype, bfloat16, float16
from rushlight.testing.close import assert_same_bits
from rushlight_numba.codegen.division import FUNCTIONS
from rushlight_numba.eager import Programs

from .test_lanes import run

INTEGERS = "int8 int16 int32 int64 uint8 uint32".split()
REFERENCE = {"floordiv": reference.floordiv, "remainder": reference.remainder}
SPECIAL = [0.0, -0.0, 1.0, -1.0, 3.0, -0.1, np.inf, -np.inf, np.nan, 1e-45, -5e-324, 1e30, 3e38]


@pytest.fixture
def native():
    """The kernel of an operation with no other behind it, by name."""

    def refused(*given, **named):
        raise AssertionError("the reference's kernel was called")

    return lambda name: Programs(rl.device("numba").backend, name, refused)


def computed(name, x, y, n=16):
    """One of the functions, on vectors of n lanes."""
    dtype = as_dtype(x.dtype)
    return run(
        lambda lanes, _, *given: FUNCTIONS[name](lanes, *given), [dtype] * 2, dtype, [x, y], n
    )


def assert_same(what, z, exact):
    """The same bits, whatever those of nan."""
    nan = np.isnan(exact)
    assert (np.isnan(z) == nan).all()
    assert_same_bits(what, z[~nan], exact[~nan])


def integers(dtype, count):
    """Pairs of every number of bits, near multiples too, and of the ends of the type."""
    draw, info = np.random.default_rng(5), np.iinfo(dtype)
    bits = 8 * np.dtype(dtype).itemsize

    def some():
        high = draw.integers(0, 2**63, count, np.uint64) << np.uint64(1) >> np.uint64(64 - bits)
        return (high >> draw.integers(0, bits, count, np.uint64)).astype(dtype)

    x, y = some(), np.maximum(some(), 1)
    if info.min < 0:
        x, y = (z * draw.choice(np.array([-1, 1], dtype), count) for z in (x, y))
    with np.errstate(over="ignore"):
        near = (x // y * y + draw.integers(0, 2, count)).astype(dtype)
    ends = np.array([info.min, info.min + 1, info.max, info.max - 1, 1, 2, 3, info.max // 2], dtype)
    ends = np.append(ends, [np.array(-1).astype(dtype)])
    left, right = (z.ravel() for z in np.meshgrid(ends, ends[ends != 0]))
    return np.concatenate([x, near, left]), np.concatenate([y, y, right])


def floats(dtype, count):
    """Pairs with quotients of every size, near whole numbers too, and special ones."""
    draw = np.random.default_rng(6)
    x, y = 10.0 ** draw.uniform(-8, 8, (2, count)) * draw.choice([-1, 1], (2, count))
    near, by = draw.integers(-999, 999, count) * 0.1, draw.integers(1, 50, count) * -0.1
    left, right = (z.ravel() for z in np.meshgrid(SPECIAL, SPECIAL))
    with np.errstate(over="ignore"):
        found = np.concatenate([x, near, left]), np.concatenate([y, by, right])
        return tuple(z.astype(dtype) for z in found)


@pytest.mark.parametrize("n", [1, 8, 16])
@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_integers_are_divided_exactly(name, dtype, n):
    x, y = integers(dtype, 20_000)
    with np.errstate(over="ignore"):
        exact = REFERENCE[name](x, y)
    assert_same_bits(name, computed(name, x, y, n), exact)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_pair_of_bytes(name, dtype):
    every = np.arange(256, dtype=np.uint8).view(dtype)
    x, y = (z.ravel() for z in np.meshgrid(every, every[every != 0]))
    with np.errstate(over="ignore"):
        exact = REFERENCE[name](x, y)
    assert_same_bits(name, computed(name, x, y), exact)


@pytest.mark.parametrize("n", [1, 16])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_remainder_of_floating_numbers_is_exact(dtype, n):
    x, y = floats(dtype, 20_000)
    with np.errstate(all="ignore"):
        exact = reference.remainder(x, y)
    assert_same("remainder", computed("remainder", x, y, n), exact)


@pytest.mark.parametrize("n", [1, 16])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_quotient_of_floating_numbers(dtype, n):
    """The reference's is a rounded quotient of what is left over, so it is 1 off where that is."""
    x, y = floats(dtype, 20_000)
    with np.errstate(all="ignore"):
        exact = reference.floordiv(x, y)
        many = np.abs(x / y) >= 2.0 ** (np.finfo(dtype).nmant - 2)
    z = computed("floordiv", x, y, n)
    assert_same("floordiv", z[~many], exact[~many])
    with np.errstate(all="ignore"):
        off = np.abs(z[many] - exact[many]) / np.spacing(np.abs(exact[many]))
    same = (z[many] == exact[many]) | (np.isnan(z[many]) & np.isnan(exact[many]))
    assert (same | (off <= 4)).all()


@pytest.mark.parametrize("name", [*FUNCTIONS, "fmod"])
@pytest.mark.parametrize("dtype", [*INTEGERS, "float32", "float64", float16, bfloat16()])
def test_operations_are_native_however_their_operands_lie(native, name, dtype):
    draw = np.random.default_rng(1)
    x = draw.integers(0, 100, (7, 10)).astype(dtype)[:, ::2]
    y = draw.integers(1, 9, (5, 7)).astype(dtype).T
    for right in (y, y[:1], y[:1, :1].reshape(())):
        z = native(name)(x, right)
        exact = np.fmod(x, right) if name == "fmod" else REFERENCE[name](x, right)
        assert_same_bits(name, z, exact.astype(dtype))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_fmod_is_exact_at_the_ends_of_a_type(native, dtype):
    ends = np.iinfo(dtype)
    values = [ends.min, ends.min + 1, ends.min // 2, ends.max, ends.max - 1, ends.max // 2]
    x = np.array([*values, 0, 1, 2, 3, 7] + [-1, -2, -3] * (ends.min < 0)).astype(dtype)
    y = x[x != 0]
    assert_same_bits("fmod", native("fmod")(x[:, None], y), np.fmod(x[:, None], y))


@pytest.mark.parametrize("by", [7, 8, 1, 1000])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_number_divides(native, name, by):
    x = np.arange(-500, 500).reshape(10, 100)
    assert_same_bits(name, native(name)(x, by), REFERENCE[name](x, by))
    x = x.astype(np.float32) / np.float32(3)
    assert_same_bits(name, native(name)(x, by), REFERENCE[name](x, np.float32(by)))


@pytest.mark.parametrize("count", [1, 1000, 70_000])
@pytest.mark.parametrize("divide", [rl.floor_divide, rl.remainder, rl.fmod])
def test_no_integer_is_divided_by_zero(divide, count):
    x = rl.arange(count, device="numba")
    compiled = rl.compile(divide)
    assert compiled(x, x + 1).tolist()[-1] == divide(x, x + 1).tolist()[-1]
    for run_it in (divide, compiled):
        with pytest.raises(ContractError, match="an integer divided by zero"):
            run_it(x, x)
        with pytest.raises(ContractError, match="an integer divided by zero"):
            run_it(x, 0)


def test_a_divided_value_is_fused():
    x = rl.arange(1000, device="numba")

    @rl.compile
    def where_it_lies(x, y):
        return x // 28 * 100 + x % 28 + x % y

    found = where_it_lies(x, x + 3)
    n = np.arange(1000)
    assert_same_bits("sum", found.numpy(), n // 28 * 100 + n % 28 + n % (n + 3))
    assert "call" not in where_it_lies.explain()
    assert "// 28 * 100" in where_it_lies.source()
