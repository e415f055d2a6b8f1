"""What computes little: copies, fillings, powers, roundings, running and bool reductions."""

import numpy as np
import pytest

import rushlight as rl
from rushlight import reference
from rushlight.extend import bfloat16, float16
from rushlight.testing.close import assert_same_bits
from rushlight_numba.eager import Programs

INTEGERS = ["int8", "int16", "int32", "int64", "uint8"]
EVERY = [*INTEGERS, "bool", "float32", "float64", float16, bfloat16()]


def refused(*given, **named):
    raise AssertionError("the reference's kernel was called")


def native(name):
    """The kernel of an operation with no other behind it."""
    return Programs(rl.device("numba").backend, name, refused)


@pytest.mark.parametrize("dtype", EVERY)
def test_a_clone_is_the_same_elsewhere(dtype):
    x = np.arange(7 * 6 * 4).astype(dtype).reshape(7, 6, 4)
    repeated = np.broadcast_to(x[:, :1], x.shape)
    for given in (x, x[::2], x[:, ::3], x.transpose(2, 0, 1), repeated, x[:1, 0, 1].reshape(())):
        z = native("clone")(given)
        assert_same_bits("clone", z, given)
        assert not np.shares_memory(z, given)
        assert z.flags.c_contiguous


@pytest.mark.parametrize("shape", [(), (1,), (1000,), (3, 1, 70)])
@pytest.mark.parametrize("dtype", EVERY)
def test_one_number_everywhere(dtype, shape):
    dtype = np.dtype(dtype)
    for value in (0, 1, 3, True, 2.5):
        if isinstance(value, float) and dtype.kind in "biu":
            continue
        exact = np.full(shape, value).astype(dtype)
        assert_same_bits("full", native("full")(value, shape, dtype, 0), exact)


@pytest.mark.parametrize("length", [1, 5, 1000])
@pytest.mark.parametrize("dtype", [x for x in EVERY if x != "bool"])
def test_the_natural_numbers(dtype, length):
    dtype = np.dtype(dtype)
    exact = np.arange(length).astype(dtype)
    assert_same_bits("iota", native("iota")(length, dtype, 0), exact)


def test_what_is_made_in_a_compiled_program_is_native():
    made = rl.compile(lambda x: (rl.zeros(3, 5, device="numba"), rl.arange(70, device="numba"), -x))
    zeros, numbers, _ = made(rl.ones(3, device="numba"))
    assert_same_bits("zeros", zeros.numpy(), np.zeros((3, 5), np.float32))
    assert_same_bits("numbers", numbers.numpy(), np.arange(70))


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integers_are_raised(dtype):
    draw, least = np.random.default_rng(4), np.iinfo(dtype).min
    x = draw.integers(max(least, -9), 10, 1000).astype(dtype)
    x[:3] = 0, 1, least
    for top in (2, 9, 70):
        y = draw.integers(-5 if least else 0, top, 1000).astype(dtype)
        assert_same_bits("pow", native("pow")(x, y), reference.power(x, y))
    for y in (1, 2, 3, 5, 64):
        assert_same_bits("pow", native("pow")(x, y), x**y)


@pytest.mark.parametrize("dtype", ["float32", "float64", float16, bfloat16()])
def test_halves_are_rounded_to_even(dtype):
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, 0.0, -0.0, 3.3, 1e4, np.inf, -np.inf]).astype(dtype)
    assert_same_bits("round", native("round")(x), np.round(x.astype(np.float64)).astype(dtype))


@pytest.mark.parametrize("by", [0, 1, 3, 6, 7, 8, 63, -1])
@pytest.mark.parametrize("dtype", INTEGERS)
def test_bits_are_moved(dtype, by):
    x = np.arange(-60, 60).astype(dtype)
    wide = x.astype(np.int64)
    t, far = rl.from_numpy(x).to("numba"), not 0 <= by < 8 * x.itemsize
    left = 0 * wide if far else wide << by
    right = np.where(wide < 0, -1, 0) if far else wide >> by
    assert_same_bits("left", (t << by).numpy(), left.astype(dtype))
    assert_same_bits("right", (t >> by).numpy(), right.astype(dtype))


@pytest.mark.parametrize("name", ["cumsum", "cumprod", "cummax"])
@pytest.mark.parametrize("dtype", [float16, bfloat16()])
def test_narrow_running_reductions_are_carried_in_float32(name, dtype):
    x = np.random.default_rng(2).uniform(0.5, 1.5, (7, 90)).astype(dtype)
    assert_same_bits(name, native(name)(x, 1), reference.KERNELS[name](x, 1))


@pytest.mark.parametrize("shape", [(), (1,), (0, 3), (3, 0), (4, 700)])
@pytest.mark.parametrize("dtype", ["float32", "int64", "uint8", "bool"])
def test_whether_an_element_is_true(dtype, shape):
    x = np.asarray(np.random.default_rng(3).integers(0, 700, shape) < 2).astype(dtype)
    t = rl.from_numpy(x).to("numba")
    kind = np.uint8 if dtype == "uint8" else np.bool_
    for axis in (None, *range(len(shape))):
        over = () if axis is None else (axis,)
        assert_same_bits("any", rl.any(t, *over).numpy(), np.asarray(x.any(axis)).astype(kind))
        assert_same_bits("all", rl.all(t, *over).numpy(), np.asarray(x.all(axis)).astype(kind))
