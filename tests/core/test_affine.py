"""Places as sums over loops: what views do to them is what numpy does to an array of numbers."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from rushlight.backend import FusionPolicy
from rushlight.compiler.affine import (
    Affine,
    Run,
    expanded,
    identity,
    nowhere,
    numbered,
    parted,
    permuted,
    reshaped,
    shifted,
    sliced,
    split,
)
from rushlight.compiler.fuse import Fuser, NotAffine
from rushlight.reference import cut
from rushlight.spec import size, strides_of

from .interpreted import Writing

sizes = st.sampled_from([1, 1, 2, 2, 3, 4, 5, 7])
shapes = st.lists(sizes, min_size=0, max_size=4).map(tuple)
thorough = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def places(at, extents):
    """The values of an affine over its loops."""
    grid = np.ogrid[tuple(slice(n) for n in extents)]
    found = sum((f * i for f, i in zip(at.factors, grid, strict=True)), np.asarray(at.offset))
    return np.broadcast_to(found, extents)


def assert_index(index, shape, extents):
    """An index covers the axes in order, and stays within each run."""
    assert [run.first for run in index] == [0, *[run.stop for run in index]][: len(index)]
    assert not index or index[-1].stop == len(shape)
    for run in index:
        found = places(run.at, extents)
        assert found.min() >= 0
        assert found.max() < size(shape[run.first : run.stop])


@st.composite
def factorings(draw, n):
    """A shape of n elements."""
    shape, left = [], n
    while left > 1 and len(shape) < 4:
        divisors = [d for d in range(1, left + 1) if left % d == 0]
        shape.append(draw(st.sampled_from(divisors)))
        left //= shape[-1]
    if left > 1:
        shape.append(left)
    return tuple(shape)


@st.composite
def bounds_of(draw, shape):
    """(start, length, step) for each axis."""
    found = []
    for n in shape:
        length = draw(st.integers(1, n))
        most = (n - 1) // (length - 1) if length > 1 else 3
        step = draw(st.integers(1, max(1, most))) * draw(st.sampled_from([1, 1, -1]))
        span = (length - 1) * abs(step)
        start = draw(st.integers(0, n - 1 - span)) + (span if step < 0 else 0)
        found.append((start, length, step))
    return tuple(found)


@st.composite
def viewed(draw, kinds=("reshape", "permute", "expand", "slice")):
    """A chain of views: the graph, its input, the last view, and what numpy makes of it."""
    writing = Writing()
    shape = draw(shapes)
    root = z = writing.input(*shape)
    array = np.arange(size(shape)).reshape(shape)
    for _ in range(draw(st.integers(1, 5))):
        name = draw(st.sampled_from(kinds))
        if name == "reshape":
            params = (draw(factorings(array.size)),)
            array = array.reshape(params[0])
        elif name == "permute":
            params = (tuple(draw(st.permutations(range(array.ndim)))),)
            array = array.transpose(params[0])
        elif name == "expand":
            new = draw(st.lists(sizes, max_size=max(0, 4 - array.ndim)))
            params = ((*new, *[n if n > 1 else draw(sizes) for n in array.shape]),)
            if size(params[0]) > 3000:
                continue
            array = np.broadcast_to(array, params[0])
        else:
            params = (draw(bounds_of(array.shape)),)
            array = array[cut(params[0])]
        z = writing(name, z, params=params)
    return writing.graph(z), root, z, array


@st.composite
def loops_over(draw, shape):
    """Loops in which all of a value is walked in order, and the index that they mean."""
    if draw(st.booleans()):
        return identity(shape, every=draw(st.booleans()))
    extents = draw(factorings(size(shape))) or (1,)
    return extents, split(Affine(0, strides_of(extents)), shape, extents)


class TestViews:
    @thorough
    @given(st.data())
    def test_an_index_addresses_what_numpys_view_shows(self, data):
        graph, root, z, array = data.draw(viewed())
        extents, index = data.draw(loops_over(z.shape))
        assert_index(index, z.shape, extents)
        try:
            found, at = Fuser(graph, FusionPolicy(), set()).resolve(z, index, extents)
        except NotAffine:
            return
        assert found is root
        assert_index(at, root.shape, extents)
        shown = places(numbered(at, root.shape, len(extents)), extents)
        assert (shown.reshape(-1) == array.reshape(-1)).all()

    @thorough
    @given(st.data())
    def test_without_reshapes_every_view_is_a_sum_over_loops(self, data):
        graph, root, z, array = data.draw(viewed(kinds=("permute", "expand", "slice")))
        extents, index = identity(z.shape)
        found, at = Fuser(graph, FusionPolicy(), set()).resolve(z, index, extents)
        assert found is root
        shown = places(numbered(at, root.shape, len(extents)), extents)
        assert (shown.reshape(-1) == array.reshape(-1)).all()

    def test_a_slice_of_a_slice(self):
        _, index = identity((2,))
        later = sliced(index, ((3, 2, -1),), (2,), (4,))
        first = sliced(later, ((1, 4, 2),), (4,), (9,))
        assert numbered(first, (9,), 1) == Affine(7, (-2,))
        assert np.arange(9)[1:9:2][3:1:-1].tolist() == [7, 5]

    @thorough
    @given(shapes, st.data())
    def test_reshapes_there_and_back_are_lossless(self, shape, data):
        other = data.draw(factorings(size(shape)))
        extents, index = identity(shape)
        there = reshaped(index, shape, other, extents)
        back = reshaped(there, other, shape, extents)
        assert numbered(back, shape, len(extents)) == numbered(index, shape, len(extents))
        assert_index(there, other, extents)
        assert_index(back, shape, extents)

    def test_what_merges_and_splits_axes_in_order_is_split_as_far_as_it_goes(self):
        extents, index = identity((2, 3, 4))
        merged = reshaped(index, (2, 3, 4), (6, 4), extents)
        assert merged == (
            Run(0, 1, Affine(0, (3, 1, 0))),
            Run(1, 2, Affine(0, (0, 0, 1))),
        )
        assert reshaped(merged, (6, 4), (2, 3, 4), extents) == index

    def test_what_crosses_axes_is_one_run(self):
        extents, index = identity((2, 3))
        assert [run[:2] for run in reshaped(index, (2, 3), (3, 2), extents)] == [(0, 2)]
        assert permuted(reshaped(index, (2, 3), (3, 2), extents), (1, 0)) is None

    def test_a_run_over_stretched_and_kept_axes_is_halved(self):
        extents = (6,)
        run = split(Affine(0, (1,)), (2, 3), extents)
        assert expanded(run, (2, 3), (1, 3), extents) is None
        extents, index = (2, 3), (Run(0, 2, Affine(0, (3, 1))),)
        assert numbered(expanded(index, (2, 3), (1, 3), extents), (1, 3), 2) == Affine(0, (0, 1))
        assert numbered(expanded(index, (2, 3), (2, 1), extents), (2, 1), 2) == Affine(0, (1, 0))

    def test_a_run_that_is_stretched_in_the_middle_is_not_halved(self):
        index = (Run(0, 3, Affine(0, (6, 1))),)
        assert expanded(index, (2, 3, 2), (2, 1, 2), (2, 6)) is None
        assert expanded(index, (2, 3, 2), (1, 3, 1), (2, 6)) is None

    def test_a_slice_of_a_run_may_be_of_its_first_axis(self):
        extents, index = (6,), (Run(0, 2, Affine(0, (1,))),)
        first = sliced(index, ((1, 2, 1), (0, 3, 1)), (2, 3), (4, 3))
        assert first == (Run(0, 2, Affine(3, (1,))),)
        assert sliced(index, ((0, 2, 1), (0, 3, 1)), (2, 3), (2, 4)) is None
        assert sliced(index, ((0, 2, 2), (0, 3, 1)), (2, 3), (4, 3)) is None
        assert_index(first, (4, 3), extents)


@st.composite
def affines(draw, least=-7, most=12):
    """An affine over loops, which stays at 0 or more."""
    extents = draw(st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple))
    factors = tuple(draw(st.integers(least, most)) for _ in extents)
    down = sum(min(0, f * (n - 1)) for f, n in zip(factors, extents, strict=True))
    return Affine(draw(st.integers(0, 30)) - down, factors), extents


class TestParts:
    @thorough
    @given(affines(), st.integers(1, 13))
    def test_parted_is_divmod(self, drawn, n):
        at, extents = drawn
        found = parted(at, n, extents)
        if found is not None:
            quotient, rest = np.divmod(places(at, extents), n)
            assert (places(found[0], extents) == quotient).all()
            assert (places(found[1], extents) == rest).all()

    @thorough
    @given(st.integers(1, 5), st.integers(1, 5), st.integers(2, 6))
    def test_what_was_put_together_is_parted(self, a, b, n):
        quotient, rest = Affine(2, (3, 0)), Affine(0, (0, 1))
        if b <= n:
            whole = quotient.scaled(n) + rest
            assert parted(whole, n, (a, b)) == (quotient, rest)

    @pytest.mark.parametrize("factor", [1, 2, 3])
    def test_what_wraps_is_not_parted(self, factor):
        assert parted(Affine(0, (factor,)), 4, (5,)) is None
        assert parted(Affine(5, (-factor,)), 4, (5,)) is None

    @thorough
    @given(affines(least=0), st.data())
    def test_split_counts_as_the_whole(self, drawn, data):
        at, extents = drawn
        most = int(places(at, extents).max())
        shape = data.draw(st.lists(sizes, min_size=1, max_size=4).map(tuple))
        shape = (-(-(most + 1) // size(shape)), *shape)
        index = split(at, shape, extents)
        assert (places(numbered(index, shape, len(extents)), extents) == places(at, extents)).all()
        assert_index(index, shape, extents)

    def test_runs_are_as_short_as_they_can_be(self):
        shape = (2, 3, 4)
        extents, index = identity(shape)
        assert split(numbered(index, shape, 3), shape, extents) == index


class TestShifted:
    @thorough
    @given(st.data())
    def test_a_part_lies_where_numpy_puts_it(self, data):
        whole = data.draw(shapes)
        bounds = [b[:2] for b in data.draw(bounds_of(whole))]
        shape = tuple(n for _, n in bounds)
        starts = tuple(data.draw(st.integers(0, n - m)) for n, m in zip(whole, shape, strict=True))
        extents, index = data.draw(loops_over(shape))
        found = shifted(index, starts, shape, whole, extents)
        if found is None:
            return
        part = tuple(slice(s, s + n) for s, n in zip(starts, shape, strict=True))
        array = np.arange(size(whole)).reshape(whole)[part]
        shown = places(numbered(found, whole, len(extents)), extents)
        assert (shown.reshape(-1) == array.reshape(-1)).all()

    @thorough
    @given(st.data())
    def test_an_axis_a_run_always_moves(self, data):
        whole = data.draw(shapes)
        shape = tuple(data.draw(st.integers(1, n)) for n in whole)
        extents, index = identity(shape)
        found = shifted(index, tuple(n - m for n, m in zip(whole, shape, strict=True)), shape,
                        whole, extents)  # fmt: skip
        assert found is not None
        assert_index(found, whole, extents)

    def test_a_part_of_an_inner_axis_is_cut_out_of_its_run(self):
        extents, index = (2, 3), (Run(0, 2, Affine(0, (3, 1))),)
        found = shifted(index, (1, 2), (2, 3), (4, 5), extents)
        assert numbered(found, (4, 5), 2) == Affine(7, (5, 1))
        assert shifted((Run(0, 2, Affine(0, (1,))),), (0, 2), (2, 3), (2, 5), (6,)) is None


@thorough
@given(shapes)
def test_identity_walks_all_in_order(shape):
    for every in (False, True):
        extents, index = identity(shape, every)
        at = numbered(index, shape, len(extents))
        assert (places(at, extents).reshape(-1) == np.arange(size(shape))).all()
        assert extents
        if not every:
            assert 1 not in extents or extents == (1,)


def test_strides_and_nothing():
    assert strides_of(()) == ()
    assert strides_of((2, 3, 4)) == (12, 4, 1)
    assert nowhere(2) == Affine(0, (0, 0))
    assert Affine(1, (2, 0, 3)).loops == {0, 2}
    assert all(a > b for a, b in pairwise(strides_of((2, 3, 4))))
