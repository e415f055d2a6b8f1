"""Places in memory: what lives at the same time shares no byte, and little is left unused."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from rushlight.compiler.plan import ALIGN, Life, arranged

lives = st.dictionaries(
    st.integers(0, 60),
    st.builds(
        lambda n, first, length: Life(n, first, first + length),
        st.integers(0, 3000), st.integers(0, 20), st.integers(0, 12),
    ),
    max_size=24,
)  # fmt: skip


def aligned(n_bytes):
    return -(-n_bytes // ALIGN) * ALIGN


def peak(found):
    """The bytes that live at once at most: no plan needs fewer."""
    times = range(max((life.last for life in found.values()), default=0) + 1)
    alive = [[life for life in found.values() if life.first <= t <= life.last] for t in times]
    return max(sum(aligned(life.bytes) for life in at) for at in alive)


def assert_apart(found, places, n_bytes):
    """No two that live at the same time share a byte, and all are within."""
    for key, life in found.items():
        assert places[key] % ALIGN == 0
        assert 0 <= places[key] <= places[key] + life.bytes <= n_bytes
    for (a, x), (b, y) in combinations(found.items(), 2):
        if x.first <= y.last and y.first <= x.last:
            assert places[a] + x.bytes <= places[b] or places[b] + y.bytes <= places[a]


@settings(max_examples=500, deadline=None, derandomize=True)
@given(lives)
def test_what_lives_at_once_is_apart(found):
    places, n_bytes = arranged(found)
    assert places.keys() == found.keys()
    assert_apart(found, places, n_bytes)
    assert n_bytes >= peak(found)


@pytest.mark.parametrize("seed", range(40))
def test_little_is_unused(seed):
    random = np.random.default_rng(seed)
    found = {}
    for key in range(int(random.integers(2, 120))):
        first = int(random.integers(0, 60))
        length = int(random.geometric(0.2)) if random.random() < 0.9 else 40
        found[key] = Life(int(2 ** random.uniform(0, 20)), first, first + length)
    places, n_bytes = arranged(found)
    assert_apart(found, places, n_bytes)
    assert n_bytes <= 1.25 * peak(found)


def test_a_chain_needs_two_places():
    found = {k: Life(100, k, k + 1) for k in range(10)}
    places, n_bytes = arranged(found)
    assert n_bytes == 2 * 128
    assert {*places.values()} == {0, 128}


def test_what_ends_where_another_begins_is_apart():
    found = {"read": Life(64, 0, 3), "written": Life(64, 3, 4), "later": Life(64, 5, 5)}
    places, _ = arranged(found)
    assert places["read"] != places["written"]
    assert places["later"] == 0


def test_nothing_needs_nothing():
    assert arranged({}) == ({}, 0)
