"""Long lines, which all threads sort together: the reference's order, whatever the keys are."""

import numpy as np
import pytest

import rushlight as rl
from rushlight.device import Device
from rushlight.reference import KERNELS as REFERENCE
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


@pytest.mark.parametrize("descending", [False, True], ids=["up", "down"])
@pytest.mark.parametrize(
    "which",
    "odd half double bools bytes unsigned wide few ends backwards alike".split(),
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
