"""Kernels of what is no loop nest: the numbers of the reference, in its order, on any strides."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import rushlight as rl
from rushlight.device import Device
from rushlight.extend import operations
from rushlight.reference import KERNELS as REFERENCE
from rushlight_numba import kernels
from rushlight_numba.eager import Programs

# numpy tells of infinities that it subtracts, and of products beyond its types
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

NUMBA = Device("numba").backend
NUMPY = Device("numpy")
FLOATS = ["float32", "float64"]
INTEGERS = ["uint32", "int8", "int64"]  # the code of each takes a second to make


@pytest.fixture
def native(monkeypatch):
    """native(name, *arguments): what the native kernel makes of them, and none but that."""

    def run(name, *arguments):
        found = []
        lower = kernels.KERNELS[name]

        def spied(call):
            found.append(lower(call))
            return found[-1]

        monkeypatch.setitem(kernels.KERNELS, name, spied)
        made = Programs(NUMBA, name, None)(*arguments)
        assert found
        assert None not in found, f"{name} has no native code for this"
        return made

    return run


def numbers(rng, shape, dtype, *, odd=True):
    """Small numbers, so that there are ties; of floats also what is no number, and -0."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return rng.integers(0, 2, shape).astype(dtype)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        found = rng.integers(-3 if info.min else 0, 4, shape)
        return np.where(found == 3, info.max, np.where(found == -3, info.min, found)).astype(dtype)
    x = rng.integers(-3, 4, shape) / 2
    if odd:
        special = rng.choice([np.nan, np.inf, -np.inf, -0.0], shape)
        x = np.where(rng.random(shape) < 0.1, special, x)
    return x.astype(dtype)


def lying(x, how):
    """The same array, lying otherwise in memory."""
    if how == "dense" or x.ndim == 0:
        return x
    if how == "turned":  # the last axis is the outermost
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(x, -1, 0)), 0, -1)
    wide = np.zeros((*x.shape[:-1], 2 * x.shape[-1] + 3), x.dtype)  # every other element of a part
    part = wide[..., 1 : 1 + 2 * x.shape[-1] : 2]
    part[...] = x
    return part


LYING = ["dense", "turned", "apart"]


def same(found, wanted):
    """Equal, nan included, and of one type."""
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


# -- along an axis

SHAPES = [
    (1,),
    (7,),
    (300,),
    (5, 1),
    (1, 6),
    (3, 130),
    (67, 5),
    (2, 3, 4),
    (3, 70, 2),
    (9, 60),
    (8, 70),
]


@pytest.mark.parametrize("how", LYING)
@pytest.mark.parametrize(
    ("name", "dtype"),
    [*[("cumsum", dtype) for dtype in [*FLOATS, *INTEGERS]],
     ("cumprod", "float32"), ("cumprod", "int8"), ("cummax", "float32"), ("cummax", "uint8")],
)  # fmt: skip
def test_running_reductions_are_the_references_to_the_bit(native, name, dtype, how):
    rng = np.random.default_rng(1)
    for shape in SHAPES:
        x = lying(numbers(rng, shape, dtype), how)
        for axis in range(len(shape)):
            if how == "dense" or len(shape) < 3:  # else what is around the axis may be no loop
                same(native(name, x, axis), REFERENCE[name](x, axis))


@pytest.mark.parametrize("how", LYING)
@pytest.mark.parametrize("dtype", ["bool", *FLOATS, *INTEGERS])
def test_argmax_is_the_first_largest_or_the_first_nan(native, dtype, how):
    rng = np.random.default_rng(2)
    for shape in [*SHAPES, (4, 64), (2, 65), (3, 129)]:
        x = lying(numbers(rng, shape, dtype), how)
        for axis in range(len(shape)):
            if how == "dense" or len(shape) < 3:
                for keepdim in (True, False):
                    same(native("argmax", x, axis, keepdim), REFERENCE["argmax"](x, axis, keepdim))


def test_argmax_finds_what_stands_once_at_any_place(native):
    for n in (1, 63, 64, 65, 200):
        for value in (5.0, np.nan, -np.inf):
            x = np.full((n, n), -np.inf if value == 5.0 else 0.0, "float32")
            x[np.arange(n), np.arange(n)] = value
            wanted = np.zeros(n, int) if value == -np.inf and n > 1 else np.arange(n)
            wanted[:1] = 1 if value == -np.inf and n > 1 else 0
            same(native("argmax", x, 1, False), wanted)
            same(native("argmax", np.ascontiguousarray(x.T), 0, False), wanted)


@pytest.mark.parametrize("how", LYING)
@pytest.mark.parametrize("dtype", ["bool", "float16", *FLOATS, *INTEGERS])
@pytest.mark.parametrize("descending", [False, True])
def test_argsort_is_the_references_and_stable(native, dtype, descending, how):
    rng = np.random.default_rng(3)
    for shape in [*SHAPES, (2, 48), (2, 49), (1, 1000)]:
        x = lying(numbers(rng, shape, dtype), how)
        for axis in range(len(shape)):
            if how == "dense" or len(shape) < 3:
                wanted = REFERENCE["argsort"](x, axis, descending)
                same(native("argsort", x, axis, descending), wanted)


@pytest.mark.parametrize("dtype", ["float16", *FLOATS, *INTEGERS])
def test_argsort_of_all_magnitudes(native, dtype):
    rng = np.random.default_rng(4)
    bits = rng.integers(0, 256, (3, 500 * np.dtype(dtype).itemsize), dtype=np.uint8)
    x = bits.view(dtype)
    for descending in (False, True):
        wanted = REFERENCE["argsort"](x, 1, descending)
        same(native("argsort", x, 1, descending), wanted)


# -- windows

WINDOWS = [  # shape of images, sizes, strides, padding, dilations
    ((2, 3, 8, 8), (2, 2), (2, 2), ((0, 0), (0, 0)), (1, 1)),
    ((2, 3, 9, 37), (3, 3), (2, 2), ((1, 1), (1, 1)), (1, 1)),
    ((1, 7, 11), (3, 3), (1, 1), ((1, 1), (1, 1)), (1, 1)),
    ((3, 13), (4,), (3,), ((1, 2),), (1,)),
    ((2, 2, 5, 6, 7), (2, 3, 2), (1, 2, 1), ((1, 0), (1, 1), (0, 1)), (1, 1, 2)),
    ((2, 1, 4, 4), (4, 1), (1, 3), ((0, 0), (0, 0)), (1, 1)),
    ((1, 1, 2, 1), (3, 3), (1, 1), ((2, 2), (1, 1)), (2, 1)),
]


@st.composite
def pools(draw):
    """The same at random."""
    n = draw(st.integers(1, 3))
    sizes = tuple(draw(st.integers(1, 4)) for _ in range(n))
    strides = tuple(draw(st.integers(1, 3)) for _ in range(n))
    dilations = tuple(draw(st.integers(1, 2)) for _ in range(n))
    padding = tuple((draw(st.integers(0, k - 1)), draw(st.integers(0, k - 1))) for k in sizes)
    image = []
    for k, d, (a, b) in zip(sizes, dilations, padding, strict=True):
        least = max(1, d * (k - 1) + 1 - a - b)
        image.append(draw(st.integers(least, least + 9)))
    lead = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=2)))
    return (*lead, *image), sizes, strides, padding, dilations


def on_numpy(name, *arguments):
    """What the operation comes to on the numpy device."""
    op = operations[name]
    inputs = tuple([rl.tensor(x, device=NUMPY) for x in arguments[: len(op.inputs)]])
    z = op.run(inputs, arguments[len(op.inputs) :])
    return [y.numpy() for y in z] if isinstance(z, (tuple, list)) else z.numpy()


def check_pooling(run, case, dtype, how):
    """max_pool with places and gradient, sum_pool, windows and fold of one case."""
    rng = np.random.default_rng(5)
    shape, sizes, strides, padding, dilations = case
    x = lying(numbers(rng, shape, dtype), how)
    named = (sizes, strides, padding, dilations)
    z, places = on_numpy("max_pool.fwd", x, *named)
    found, at = run("max_pool.fwd", x, *named)
    same(found, z)
    same(at, places)
    same(run("max_pool", x, *named), z)
    specs = (rl.tensor(x).spec,)
    g = lying((rng.normal(size=z.shape) * 9).astype(dtype), how)  # their sums tell the order
    (wanted,) = on_numpy("max_pool.vjp", g, places, *named, specs)
    same(run("max_pool.vjp", g, places, *named, specs)[0], wanted)
    x = lying(numbers(rng, shape, dtype, odd=False), how)
    same(run("sum_pool", x, sizes, strides, padding), on_numpy("sum_pool", x, *named[:3]))
    axes = tuple(range(len(shape) - len(sizes), len(shape)))
    if all(d * (k - 1) < shape[i] for i, k, d in zip(axes, sizes, dilations, strict=True)):
        over = (axes, sizes, strides, dilations)
        parts = on_numpy("windows", x, *over)
        same(run("windows", x, *over), parts)
        parts = lying((rng.normal(size=parts.shape) * 9).astype(dtype), how)
        same(run("fold", parts, shape, *over), on_numpy("fold", parts, shape, *over))


@pytest.mark.parametrize("how", LYING)
@pytest.mark.parametrize("case", WINDOWS, ids=lambda case: "-".join(map(str, case[:2])))
def test_pooling_follows_its_statement(native, case, how):
    check_pooling(native, case, "float32", how)


@pytest.mark.parametrize("dtype", ["float64", "int16", "uint8"])
def test_pooling_of_other_types(native, dtype):
    check_pooling(native, WINDOWS[3], dtype, "dense")


@settings(max_examples=40, deadline=None)
@given(case=pools(), how=st.sampled_from(LYING))
def test_pooling_at_random(case, how):
    def run(name, *arguments):
        return Programs(NUMBA, name, None)(*arguments)

    check_pooling(run, case, "float32", how)


def test_a_gradient_that_padding_won_goes_nowhere(native):
    x = np.full((1, 1, 2, 2), -np.inf, "float32")
    named = ((2, 2), (1, 1), ((1, 0), (1, 0)), (1, 1))
    z, places = native("max_pool.fwd", x, *named)
    assert places.ravel().tolist() == [0, 0, 0, 0]
    g = np.ones_like(z)
    (gx,) = native("max_pool.vjp", g, places, *named, (rl.tensor(x).spec,))
    assert gx.ravel().tolist() == [1, 0, 0, 0]


# -- indices


@pytest.mark.parametrize("name", ["take", "gather", "scatter", "scatter_add"])
@pytest.mark.parametrize("wrong", [-1, 50])
def test_an_index_out_of_range_is_named_as_on_numpy(name, wrong):
    rng = np.random.default_rng(7)
    x, index = rng.normal(size=(50, 400)).astype("float32"), rng.integers(0, 50, (50, 400))
    index[3, 5] = wrong
    told = []
    for device in ("numpy", "numba"):
        given = [rl.tensor(y, device=device) for y in (x, index, x)]
        with pytest.raises(IndexError) as error:
            operations[name].run(tuple(given[: len(operations[name].inputs)]), (0,))
        told.append(str(error.value))
    assert told[0] == told[1]
    assert f"index {wrong} is out of range" in told[0]


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("name", ["untake", "ungather"])
def test_gradients_of_lookups_add_up_in_order(name, axis):
    rng = np.random.default_rng(8)
    index = rng.integers(0, 7, (90,) if name == "untake" else (90, 80))
    g = rng.normal(size=(90, 80) if axis == 0 or name == "ungather" else (80, 90))
    shape = (7, 80) if axis == 0 else (90 if name == "ungather" else 80, 7)
    g = g.astype("float32")
    same(Programs(NUMBA, name, None)(g, index, shape, axis), on_numpy(name, g, index, shape, axis))
