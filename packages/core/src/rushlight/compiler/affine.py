"""Affine: places in memory as sums over loop variables, and how views move them.  Pure arithmetic.

A fused kernel never copies a view: it composes the way from a reader's loops back to the value that
is stored.  An Index says where in a value the loops are; every view turns one into an Index of its
input, or into None where that place is no sum over the loops.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from ..spec import Shape, size


class Affine(NamedTuple):
    """offset + sum over loops of factor * variable."""

    offset: int
    factors: Shape

    def __add__(self, other: Affine) -> Affine:  # type: ignore[override]  # no tuple is joined
        factors = tuple([a + b for a, b in zip(self.factors, other.factors, strict=True)])
        return Affine(self.offset + other.offset, factors)

    def scaled(self, by: int) -> Affine:
        """by times this."""
        return Affine(self.offset * by, tuple([f * by for f in self.factors]))

    @property
    def loops(self) -> frozenset[int]:
        """The loops over which it varies."""
        return frozenset([d for d, f in enumerate(self.factors) if f])


class Run(NamedTuple):
    """Consecutive axes [first, stop) of a value, and the place along them counted as one axis."""

    first: int
    stop: int
    at: Affine


Index = tuple[Run, ...]  # covers the axes of a value in order

# Layers repeat, and so do the places in them: of a GPT's nine in ten have been computed before.
remembered = lru_cache(4096)


def nowhere(loops: int) -> Affine:
    """0, of so many loops."""
    return Affine(0, (0,) * loops)


@remembered
def identity(shape: Shape, every: bool = False) -> tuple[Shape, Index]:
    """Loops over all axes longer than 1 (or every one), at least one; the index that they mean."""
    looped = [d for d, n in enumerate(shape) if n != 1 or every]
    count = max(1, len(looped))
    runs = []
    for d, n in enumerate(shape):
        factors = [int(n != 1 and looped[k : k + 1] == [d]) for k in range(count)]
        runs.append(Run(d, d + 1, Affine(0, tuple(factors))))
    return tuple([shape[d] for d in looped]) or (1,), tuple(runs)


@remembered
def numbered(index: Index, shape: Shape, loops: int) -> Affine:
    """The place counted through the whole value, which lies contiguous."""
    total = nowhere(loops)
    for run in index:
        total += run.at.scaled(size(shape[run.stop :]))
    return total


@remembered
def parted(whole: Affine, n: int, extents: Shape) -> tuple[Affine, Affine] | None:
    """whole // n and whole % n; None where they are no sums over the loops."""
    quotient = tuple([f // n if f % n == 0 else 0 for f in whole.factors])
    rest = tuple([f if f % n else 0 for f in whole.factors])
    start = whole.offset % n
    ends = [f * (e - 1) for f, e in zip(rest, extents, strict=True)]
    least = start + sum(x for x in ends if x < 0)
    most = start + sum(x for x in ends if x > 0)
    if least < 0 or most >= n:
        return None
    return Affine(whole.offset // n, quotient), Affine(start, rest)


def split(whole: Affine, shape: Shape, extents: Shape) -> Index:
    """The index into a contiguous value of this shape, in runs as short as they can be."""
    runs: list[Run] = []
    stop = len(shape)
    while stop > 0:
        first, length = stop - 1, shape[stop - 1]
        found = parted(whole, length, extents) if length else None
        while found is None and first > 0:
            first -= 1
            length *= shape[first]
            found = parted(whole, length, extents) if length else None
        if found is None or (first == 0 and found[0] != nowhere(len(extents))):
            found = nowhere(len(extents)), whole
        whole, at = found
        runs.append(Run(first, stop, at))
        stop = first
    return tuple(runs[::-1])


@remembered
def reshaped(index: Index, shape: Shape, source: Shape, extents: Shape) -> Index:
    """The index into x of shape `source`, given that into reshape(x, shape)."""
    return split(numbered(index, shape, len(extents)), source, extents)


def permuted(index: Index, order: Shape) -> Index | None:
    """The index into x, given that into permute(x, order)."""
    runs = []
    for run in index:
        axes = order[run.first : run.stop]
        if axes != tuple(range(axes[0], axes[0] + len(axes))):
            return None
        runs.append(Run(axes[0], axes[0] + len(axes), run.at))
    return tuple(sorted(runs))


@remembered
def expanded(index: Index, shape: Shape, source: Shape, extents: Shape) -> Index | None:
    """The index into x of shape `source`, given that into x broadcast to shape."""
    new = len(shape) - len(source)
    zero = nowhere(len(extents))
    runs: list[Run] = []
    for run in index:
        pieces = [run]
        stretched = [d < new or source[d - new] != shape[d] for d in range(run.first, run.stop)]
        if any(stretched) and run.stop - run.first > 1:
            pieces = halves(run, stretched, shape, extents)
            if not pieces:
                return None
        for piece in pieces:
            first, stop = max(piece.first - new, 0), piece.stop - new
            if stop > first:
                lost = stretched[piece.first - run.first]
                runs.append(Run(first, stop, zero if lost else piece.at))
    return tuple(runs)


def halves(run: Run, stretched: list[bool], shape: Shape, extents: Shape) -> list[Run]:
    """A run in two, of which one is stretched and the other not; nothing where it cannot be cut."""
    cut = run.first + stretched.index(not stretched[0]) if len({*stretched}) == 2 else run.stop
    if cut == run.stop:
        return [run]
    return [] if len({*stretched[cut - run.first :]}) > 1 else parts(run, cut, shape, extents)


def parts(run: Run, d: int, shape: Shape, extents: Shape) -> list[Run]:
    """A run in two, of which the second begins with axis d; nothing where it cannot be cut."""
    found = parted(run.at, size(shape[d : run.stop]), extents)
    return [] if found is None else [Run(run.first, d, found[0]), Run(d, run.stop, found[1])]


def sliced(
    index: Index, bounds: tuple[tuple[int, int, int], ...], shape: Shape, source: Shape
) -> Index | None:
    """The index into x, given that into slice(x, bounds): (start, length, step) per axis."""
    runs = []
    for run in index:
        whole = [bounds[d] == (0, source[d], 1) for d in range(run.first, run.stop)]
        at = run.at
        if run.stop - run.first == 1:
            start, _, step = bounds[run.first]
            at = Affine(at.offset * step + start, tuple([f * step for f in at.factors]))
        elif all(whole[1:]) and bounds[run.first][2] == 1:  # part of the first axis
            inner = size(shape[run.first + 1 : run.stop])
            at = Affine(at.offset + bounds[run.first][0] * inner, at.factors)
        else:
            return None
        runs.append(Run(run.first, run.stop, at))
    return tuple(runs)


def shifted(
    index: Index, starts: Shape, shape: Shape, whole: Shape, extents: Shape
) -> Index | None:
    """The index into a whole, given that into a part of this shape that begins at `starts`."""
    runs = []
    for run in index:
        for d in range(run.stop - 1, run.first, -1):  # an axis of which the part has less
            if shape[d] != whole[d]:
                cut = parts(run, d, shape, extents)
                if not cut:
                    return None
                run, rest = cut
                runs.append(moved(rest, starts, whole))
        runs.append(moved(run, starts, whole))
    return tuple(sorted(runs))


def begun(index: Index, d: int, shape: Shape, extents: Shape) -> Index | None:
    """An index into a value of this shape in which axis d begins a run."""
    runs: list[Run] = []
    for run in index:
        inner = run.first < d < run.stop
        cut = parts(run, d, shape, extents) if inner else [run]
        if not cut:
            return None
        runs += cut
    return tuple(runs)


def looked_up(index: Index, axis: int, first: int, stop: int, loops: int) -> Index:
    """The index into x, given that into what is looked up in it along an axis.

    first, stop: the axes of the latter that are axes of the place looked at; they begin and end
    runs.  That place is a loop of its own, after all others.
    """
    place = Run(axis, axis + 1, Affine(0, (*(0,) * loops, 1)))
    runs = [place]
    for run in index:
        if run.stop <= first or run.first >= stop:
            by = 0 if run.stop <= first else axis + 1 - stop
            at = Affine(run.at.offset, (*run.at.factors, 0))
            runs.append(Run(run.first + by, run.stop + by, at))
    return tuple(sorted(runs))


def moved(run: Run, starts: Shape, whole: Shape) -> Run:
    """A run of a part as one of the whole: all but its first axis are as long there."""
    inner = size(whole[run.first + 1 : run.stop])
    return run._replace(at=Affine(run.at.offset + starts[run.first] * inner, run.at.factors))
