"""Order: long lines, parts of it, and places in it; the reference's, whatever the keys are."""

import numpy as np
import pytest

import rushlight as rl
from rushlight.device import Device
from rushlight.reference import KERNELS as REFERENCE
from rushlight_numba import eager, few
from rushlight_numba.eager import Programs
from rushlight_numba.kernels import argsort

NUMBA = Device("numba").backend
N = argsort.LONG + 101


def line(which, rng):
    """N keys: of few values, of many, in order, of one value, and far apart."""
    odd = rng.standard_normal(N).astype(np.float32)
    odd[::7], odd[::21], odd[::1001], odd[3], odd[4] = 0, -0.0, np.nan, np.inf, -np.inf
    made = {
        "odd": lambda: odd,
        "half": lambda: odd.astype(np.float16),
        "double": lambda: np.where(rng.random(N) < 0.001, 1e300, odd.astype(np.float64)),
        "bools": lambda: odd > 0,
        "bytes": lambda: rng.integers(-128, 128, N, np.int8),
        "unsigned": lambda: rng.integers(0, 2**32, N, np.uint32),
        "wide": lambda: rng.integers(-(2**63), 2**63 - 1, N),
        "few": lambda: rng.integers(-3, 1000, N),
        "ends": lambda: rng.integers(0, 50, N) << 50 | rng.integers(0, 50, N),
        "backwards": lambda: np.arange(N)[::-1],
        "alike": lambda: np.zeros(N, np.float32),
    }
    return made[which]()


UP = "odd half double bools bytes unsigned wide few ends backwards alike".split()
DOWN = "odd wide unsigned".split()  # the code of each takes seconds to make


@pytest.mark.parametrize(
    ("which", "descending"), [*[(which, False) for which in UP], *[(which, True) for which in DOWN]]
)
def test_a_long_line_is_sorted_as_the_reference_does(which, descending):
    x = line(which, np.random.default_rng(0))
    made = Programs(NUMBA, "argsort", None)(x, 0, descending)
    assert np.array_equal(made, REFERENCE["argsort"](x, 0, descending))


def test_long_lines_side_by_side_are_sorted_each():
    x = np.random.default_rng(1).integers(0, 10**6, (3, N), np.int32)
    by_rows, by_columns = Programs(NUMBA, "argsort", None), Programs(NUMBA, "argsort", None)
    wanted = REFERENCE["argsort"](x, 1, False)
    assert np.array_equal(by_rows(x, 1, False), wanted)
    columns = np.ascontiguousarray(x.T)
    assert np.array_equal(by_columns(columns, 0, False), wanted.T)


def test_an_axis_is_told_from_another():
    """A parameter that is an integer matters to an eager call, unlike a number among its inputs."""
    x = rl.from_numpy(np.random.default_rng(4).standard_normal((60, 60)).astype("f"))
    with rl.device("numba"):
        here = rl.tensor(x.numpy())
        for function in (rl.argsort, rl.cumsum, rl.softmax):
            for axis in (0, 1, 0):
                made = function(here, axis).numpy()
                np.testing.assert_allclose(made, function(x, axis).numpy(), rtol=1e-5)


# -- parts of the order, and places in it


def parts(n):
    """Ranks of a line of n: the first, few, many, the middle, the last, a span."""
    return {(0, 1), (0, min(n, 10)), (0, n // 2), (n // 2, 1), (n - 1, 1), (n // 3, n // 3 + 1)}


@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
@pytest.mark.parametrize("which", "odd wide few alike".split())
def test_some_ranks_are_those_of_the_whole_order(which, descending):
    x = line(which, np.random.default_rng(2))
    for part in (x, x[:3000].reshape(3, 1000), x[:350].reshape(70, 5), x[:63]):
        axis = part.ndim - 1
        wanted = REFERENCE["argsort"](part, axis, descending)
        for first, count in parts(part.shape[axis]):
            for kernel in (Programs(NUMBA, "argselect", None), few.kernels(REFERENCE)["argselect"]):
                made = kernel(part, axis, first, count, descending)
                assert np.array_equal(made, wanted[..., first : first + count]), (first, count)


def test_a_list_of_first_ranks_is_left_where_all_come_down():
    """Each element is less than those before it, so that all would go through the list."""
    x = np.arange(5000, dtype="f")[::-1].reshape(5, 1000).copy()
    made = Programs(NUMBA, "argselect", None)(x, 1, 0, 20, False)
    assert np.array_equal(made, REFERENCE["argsort"](x, 1, False)[:, :20])


def test_ranks_along_an_axis_that_is_not_the_last():
    x = np.random.default_rng(5).integers(-3, 4, (2, 60, 7)).astype("f")
    made = Programs(NUMBA, "argselect", None)(x, 1, 2, 5, True)
    assert np.array_equal(made, REFERENCE["argsort"](x, 1, True)[:, 2:7])


@pytest.mark.parametrize("shape", [(1,), (8,), (1001,), (N,), (3, 64), (9, 2)])
@pytest.mark.parametrize("odd", [0, 1, 3])
def test_the_middle_is_the_lower_of_two_or_the_first_nan(shape, odd):
    x = np.random.default_rng(3).integers(-9, 9, shape).astype("f")
    x[..., shape[-1] // 2 : shape[-1] // 2 + odd] = np.nan
    order = REFERENCE["argsort"](x, x.ndim - 1, False)
    nans = np.isnan(x).sum(-1, keepdims=True)
    rank = np.where(nans > 0, shape[-1] - nans, (shape[-1] - 1) // 2)
    for kernel in (Programs(NUMBA, "middle", None), few.kernels(REFERENCE)["middle"]):
        assert np.array_equal(kernel(x, x.ndim - 1), np.take_along_axis(order, rank, -1))


@pytest.mark.parametrize("right", [False, True], ids=["left", "right"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "float16"])
def test_places_in_a_sorted_line(dtype, right):
    """float16 has no native code, and goes by the statement; few x are numpy's."""
    rng = np.random.default_rng(6)
    for n in (0, 1, 2, 63, 100):
        for m in (1, 63, 64, 200):
            for lead in ((), (3,)):
                sequence = np.sort(rng.integers(0, 9, (*lead, n)).astype(dtype), -1)
                x = rng.integers(0, 9, (*lead, m)).astype(dtype)
                if dtype.startswith("float"):
                    x[..., :1] = np.nan
                    sequence[..., n // 2 :] = np.inf
                    sequence[..., n - 1 :] = np.nan
                less = sequence[..., None, :] <= x[..., None]
                less = less if right else sequence[..., None, :] < x[..., None]
                wanted = np.where(x == x, less.sum(-1), n)  # noqa: PLR0124  nan is beyond all
                made = Programs(NUMBA, "searchsorted", None)(sequence, x, right)
                assert np.array_equal(made, wanted)
                assert np.array_equal(few.searchsorted(sequence, x, right), wanted)


def test_places_are_found_in_and_of_what_lies_apart():
    rng = np.random.default_rng(7)
    sequence = np.sort(rng.standard_normal((4, 200)), 1)
    x = rng.standard_normal((4, 300))
    made = Programs(NUMBA, "searchsorted", None)(sequence[:, ::2], x[:, ::3], False)
    wanted = [np.searchsorted(a, b) for a, b in zip(sequence[:, ::2], x[:, ::3], strict=True)]
    assert np.array_equal(made, wanted)


# -- elements at indices


def test_indices_of_many_elements_are_those_of_few():
    """Negative ones, several tensors that stretch to meet, and what is out of range."""
    n = eager.LEAST["flat_index"]
    rng = np.random.default_rng(8)
    x, i = rng.standard_normal((50, 70)), rng.integers(-50, 50, n)
    j = rng.integers(-70, 70, n)
    with rl.device("numba"):
        here, rows, columns = rl.tensor(x), rl.tensor(i), rl.tensor(j)
        assert np.array_equal(here[rows, columns].numpy(), x[i, j])
        assert np.array_equal(here[rows, columns[:1]].numpy(), x[i, j[:1]])
        assert np.array_equal(here[rows[:9], columns[:9]].numpy(), x[i[:9], j[:9]])
        j[n // 2] = 70
        with pytest.raises(rl.errors.IndexOutOfRange, match="70 is out of range for dim 1"):
            here[rows, rl.tensor(j)]


def test_parts_of_the_order_are_records_of_a_compiled_program():
    rng = np.random.default_rng(9)
    x, bounds = rng.standard_normal((20, 100)).astype("f"), np.sort(rng.standard_normal(50))

    def function(x, bounds):
        top, at = rl.topk(x * 2, 5)
        places = rl.searchsorted(bounds, x.double(), right=True)
        return top.exp(), at, rl.median(x, 1).values + 1, rl.kthvalue(x, 3).indices, places

    wanted = function(rl.from_numpy(x), rl.from_numpy(bounds))
    with rl.device("numba"):
        step = rl.compile(function)
        made = step(rl.tensor(x), rl.tensor(bounds))
    for z, one in zip(made, wanted, strict=True):
        np.testing.assert_allclose(z.numpy(), one.numpy(), rtol=1e-6)
    page = step.explain()
    assert "argselect" in page
    assert "argsort" not in page
