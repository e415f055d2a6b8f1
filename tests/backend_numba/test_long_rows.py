"""Reductions of one long row, which is cut into pieces, and what is computed from them."""

import numpy as np
import pytest

import rushlight as rl
from rushlight.testing.close import assert_close, assert_same_bits
from rushlight_numba import lowering

N = 300_007  # long enough for several pieces, the last of them shorter


@pytest.fixture
def works(monkeypatch):
    """How many nests were cut so."""
    found = []
    cut = lowering.of_long_row

    def counted(nest):
        found.append(nest)
        return cut(nest)

    monkeypatch.setattr(lowering, "of_long_row", counted)
    return found


def drawn(seed=0, n=N):
    return np.random.default_rng(seed).uniform(-1, 1, n).astype(np.float32)


def run(function, *arrays):
    """What the compiled function makes on numba of arrays."""
    z = rl.compile(function)(*[rl.tensor(x, device="numba") for x in arrays])
    return z.numpy(force=True)


FUNCTIONS = {
    "sum": (lambda x: x.sum(), lambda x: x.sum()),
    "max": (lambda x: x.max(), lambda x: x.max()),
    "mean of squares": (lambda x: (x * x).mean(), lambda x: (x * x).mean()),
    "norm": (lambda x: (x * x).sum().sqrt() * 2.0 + 1.0, lambda x: np.sqrt((x * x).sum()) * 2 + 1),
    "two": (lambda x: x.sum() / (x * x).sum(), lambda x: x.sum() / (x * x).sum()),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_it_is_what_float64_gives(works, name):
    ours, theirs = FUNCTIONS[name]
    x = drawn()
    z = run(ours, x)
    assert works
    assert z.shape == ()
    scale = np.float32(np.abs(x).sum() if name == "sum" else 1)
    wanted = np.float32(theirs(x.astype(np.float64)))
    assert_close(name, z / scale, wanted / scale, terms=N)


def test_a_second_pass_over_the_row_is_not_cut(works):
    x = drawn()
    z = run(lambda x: rl.softmax(x, 0), x)
    assert not works
    assert_close("softmax", z.sum(), np.float32(1), terms=N)


def test_rows_side_by_side_are_not_cut(works):
    run(lambda x: x.reshape(2, -1).sum(1), drawn(n=N + 1))
    assert not works


@pytest.mark.parametrize("at", [0, N // 2, N - 1])
def test_nan_is_found_in_any_piece(works, at):
    x = drawn()
    x[at] = np.nan
    assert np.isnan(run(lambda x: x.max(), x))
    assert np.isnan(run(lambda x: x.sum(), x))
    assert works


def test_the_largest_is_found_in_any_piece(works):
    for at in (0, N // 3, N - 1):
        x = drawn()
        x[at] = 7
        assert run(lambda x: x.max(), x) == 7
    assert works


def test_any_number_of_threads_gives_the_same_bits(works):
    before, found = rl.get_num_threads(), []
    try:
        for n in (1, 2, 3):
            rl.set_num_threads(n)
            found.append(run(lambda x: (x * x).sum().sqrt(), drawn()))
    finally:
        rl.set_num_threads(before)
    assert works
    for other in found[1:]:
        assert_same_bits("threads", found[0], other)
