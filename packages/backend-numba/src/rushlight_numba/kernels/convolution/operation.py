"""Convolutions, transposed ones and their gradients as correlations and sums over pixels.

    conv              z = correlation of x with weight
    conv.vjp          gx = correlations of g with weight, one for each phase of the stride
                      gweight = sums of g times the windows of x;  gbias = sums of g
    conv_transpose    what gx is to conv, and the other way round

Knows no code, and nothing of how the work is cut.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import prod
from typing import NamedTuple

from rushlight.extend import (
    Access,
    Call,
    LoopNest,
    Node,
    Shape,
    Store,
    Value,
    float32,
    float64,
)

from ...layout import dense_strides
from ...lowering import Place, Work, of_nest, place
from ...tiles import Width, width
from .correlation_work import Weights, correlated
from .filter_work import filter_gradient
from .part import ONE, Axis, Images
from .plane_work import LEAST_GROUPS, of_planes, sums_of_planes, window_of
from .winograd_work import filter_tiles, is_tiled, minimal, pays, sums_pay

MOST_PHASES = 16  # of strides, each of which copies g and has two works


class Stated(NamedTuple):
    """A convolution: its parameters and weights; see `rushlight.ops.conv`."""

    weight: Access
    filters: Shape
    stride: Shape
    padding: Sequence[tuple[int, int]]
    dilation: Shape
    groups: int

    @property
    def channels(self) -> int:
        """Of the images, of one group."""
        return self.filters[1]

    @property
    def outputs(self) -> int:
        """Of one group."""
        return self.filters[0] // self.groups

    def offset(self, tap: Sequence[int]) -> int:
        """Where an element of the window lies in the weights."""
        return sum(j * along for j, along in zip(tap, self.weight.strides[2:], strict=True))


class Batch(NamedTuple):
    """Images, [batch, channels, *axes]: an array that is read."""

    access: Access
    shape: Shape

    def images(self, channels: int) -> Images:
        """With so many channels of a group."""
        n, c = self.access.strides[:2]
        return Images(place(self.access), n, channels * c, c)


def whole(z: Value, channels: int) -> Images:
    """The images of a result, with so many channels of a group."""
    n, c = dense_strides(z.shape)[:2]
    return Images(Place(z, 0), n, channels * c, c)


def three(axes: Sequence[Axis], batch: Axis) -> list[Axis]:
    """Three axes: the batch is one, if there is room, so that a block may be of several images."""
    return [*axes] if len(axes) == 3 else [batch, *[ONE] * (2 - len(axes)), *axes]


def beyond(batch: int, dims: int) -> int:
    """The batch that is not among those axes."""
    return batch if dims == 3 else 1


def of_batch(x: Batch, apart: int) -> Axis:
    """The axis of the images of a batch, whose results lie so far apart."""
    n = x.shape[0]
    return Axis(n, x.access.strides[0], (0,), 1, n, 0, apart)


def windows(x: Batch, counts: Shape, apart: Sequence[int], stated: Stated) -> list[Axis]:
    """The axes of a convolution of x.  counts, apart: of its results, of which the batch first."""
    axes = [
        Axis(size, along, tuple([d * j - p for j in range(k)]), s, count, 0, step)
        for size, along, k, s, (p, _), d, count, step in zip(
            x.shape[2:], x.access.strides[2:], stated.filters[2:], stated.stride, stated.padding,
            stated.dilation, counts[2:], apart[2:], strict=True,
        )
    ]  # fmt: skip
    return three(axes, of_batch(x, apart[0]))


def sums(
    images: Images,
    axes: Sequence[Axis],
    weights: Weights,
    result: Images,
    sizes: tuple[int, int, int, int],
    w: Width,
) -> list[Work]:
    """The works of one correlation, in the way that takes the least time."""
    window = window_of(axes, sizes)
    if window is not None and axes[2].apart == 1:
        return of_planes(window, images, axes, weights, result, sizes, w)
    by_tiles = is_tiled(axes, sizes[1], w) and pays(axes, sizes, w)
    correlate = minimal if by_tiles else correlated
    return correlate(images, axes, weights, result, sizes, w)


def forward(x: Batch, stated: Stated, bias: Access | None, z: Value, w: Width) -> list[Work]:
    """z = conv(x, weight, bias)."""
    axes = windows(x, z.shape, dense_strides(z.shape), stated)
    group, o, c = stated.weight.strides[0] * stated.outputs, *stated.weight.strides[:2]
    taps = [stated.offset(tap) for tap in product(*map(range, stated.filters[2:]))]
    weights = Weights(place(stated.weight), group, o, c, taps, bias)
    batch = beyond(x.shape[0], len(z.shape) - 2)
    sizes = batch, stated.groups, stated.channels, stated.outputs
    images = x.images(stated.channels)
    return sums(images, axes, weights, whole(z, stated.outputs), sizes, w)


def spread(g: Batch, stated: Stated, z: Value, w: Width) -> list[Work]:
    """z[b, c, u] = sum over o and s t + d j - p = u of g[b, o, t] weight[o, c, j].

    For each phase u + p = r modulo s it is a correlation of g with the weights of those j whose
    d j is r modulo s.
    """
    group, c, o = stated.weight.strides[0] * stated.outputs, *stated.weight.strides[:2]
    batch = beyond(g.shape[0], len(z.shape) - 2)
    sizes = batch, stated.groups, stated.outputs, stated.channels
    images, result = g.images(stated.outputs), whole(z, stated.channels)
    works: list[Work] = []
    phases = _Phases(g, stated, z.shape, dense_strides(z.shape))
    per_axis = [[phases.phase(d, r) for r in range(s)] for d, s in enumerate(stated.stride)]
    for chosen in product(*per_axis):
        axes = three([axis for axis, _ in chosen], of_batch(g, phases.pitches[0]))
        if all(axis.results > 0 for axis in axes):
            taps = [stated.offset(tap) for tap in product(*(js for _, js in chosen))]
            weights = Weights(place(stated.weight), group, o, c, taps, None)
            works += sums(images, axes, weights, result, sizes, w)
    return works


class _Phases(NamedTuple):
    """The results of `spread` along each axis, by their phases."""

    g: Batch
    stated: Stated
    shape: Shape
    pitches: Sequence[int]

    def phase(self, number: int, r: int) -> tuple[Axis, list[int]]:
        """The axis of the results u of phase r, and the elements of the window that reach them."""
        s, d = self.stated.stride[number], self.stated.dilation[number]
        p, pitch = self.stated.padding[number][0], self.pitches[2 + number]
        first = -((r - p) // s)  # the least q for which u = s q + r - p is not negative
        u = s * first + r - p
        reached = [j for j in range(self.stated.filters[2 + number]) if d * j % s == r]
        axis = Axis(
            self.g.shape[2 + number], self.g.access.strides[2 + number],
            tuple([first - d * j // s for j in reached]), 1,
            -(-(self.shape[2 + number] - u) // s), u * pitch, s * pitch,
        )  # fmt: skip
        return axis, reached


def summed(x: Batch, g: Batch, stated: Stated, z: Value, w: Width) -> list[Work]:
    """z[o, c, j] = sum over n, t of g[n, o, t] x[n, c, s t + d j - p]."""
    axes = windows(x, g.shape, [0] * len(g.shape), stated)
    others = [
        Axis(size, along, (0,), 1, size, 0, 0)
        for size, along in zip(g.shape[2:], g.access.strides[2:], strict=True)
    ]
    batch = beyond(x.shape[0], len(g.shape) - 2)
    sizes = batch, stated.groups, stated.channels, stated.outputs
    images, values = x.images(stated.channels), g.images(stated.outputs)
    others = three(others, of_batch(g, 0))
    window = window_of(axes, sizes)
    if window is not None and others[2].stride == 1 and stated.groups >= LEAST_GROUPS:
        return sums_of_planes(window, images, axes, values, others, sizes, z, w)
    by_tiles = is_tiled(axes, stated.groups, w) and sums_pay(sizes)
    add = filter_tiles if by_tiles else filter_gradient
    return add(images, axes, values, others, sizes, z, w)


def totals(g: Batch, z: Value) -> list[Work]:
    """z[o] = sum over n, t of g[n, o, t]."""
    order = [1, 0, *range(2, len(g.shape))]
    extents = [g.shape[d] for d in order]
    strides = [g.access.strides[d] for d in order]
    while len(extents) > 3 and strides[-2] == extents[-1] * strides[-1]:  # rows one behind another
        n, step = extents.pop(), strides.pop()
        extents[-1], strides[-1] = extents[-1] * n, step
    every = range(len(extents))
    dtype = g.access.dtype
    read = Node("read", (), 0, dtype, frozenset(every))
    row = Node("row_sum", (0,), None, dtype, frozenset(every[:-1]))
    into = Access(z, (1, *[0] * (len(extents) - 1)), 0, dtype)
    store = Store(1, into, "sum", frozenset(every[1:-1]))
    source = g.access._replace(strides=tuple(strides))
    return [*of_nest(LoopNest(tuple(extents), (source,), (read, row), (store,)))]


def conv(call: Call) -> list[Work] | None:
    """The works of a convolution; None of one that there is no code for."""
    given, (z,) = fitting(call, 2), call.step.outputs
    if given is None or z is None or not prod(z.shape):
        return None
    w, (x, weight) = given
    stated = Stated(weight.access, weight.shape, *call.step.params)
    return forward(x, stated, call.inputs[2], z, w)


def conv_vjp(call: Call) -> list[Work] | None:
    """The works of its gradients; None of one that there is no code for."""
    given = fitting(call, 3)
    if given is None:
        return None
    w, (g, x, weight) = given
    stated = Stated(weight.access, weight.shape, *call.step.params[:4])
    gx, gweight, gbias = call.step.outputs
    if gx is not None and prod(stated.stride) > MOST_PHASES:
        return None
    works = [] if gx is None else spread(g, stated, gx, w)
    works += [] if gweight is None else summed(x, g, stated, gweight, w)
    return works + ([] if gbias is None else totals(g, gbias))


def conv_transpose(call: Call) -> list[Work] | None:
    """The works of a transposed convolution; None of one that there is no code for."""
    given, (z,) = fitting(call, 2), call.step.outputs
    if given is None or z is None or not prod(z.shape):
        return None
    w, (x, weight) = given
    stated = Stated(weight.access, weight.shape, *call.step.params)
    return None if prod(stated.stride) > MOST_PHASES else spread(x, stated, z, w)


def conv_transpose_vjp(call: Call) -> list[Work] | None:
    """The works of its gradients; None of one that there is no code for."""
    given = fitting(call, 3)
    if given is None:
        return None
    w, (g, x, weight) = given
    stated = Stated(weight.access, weight.shape, *call.step.params[:4])
    gx, gweight = call.step.outputs
    works = [] if gx is None else forward(g, stated, None, gx, w)
    return works + ([] if gweight is None else summed(g, x, stated, gweight, w))


def fitting(call: Call, n: int) -> tuple[Width, list[Batch]] | None:
    """The width of vectors and the first n inputs.

    None where there is no code for the element type, dims or sizes.
    """
    shapes = [shape for shape in call.shapes[:n] if shape is not None]
    dtype = call.inputs[0].dtype
    if dtype not in (float32, float64) or len(shapes) < n:
        return None
    if not all(3 <= len(shape) <= 5 and prod(shape) for shape in shapes):
        return None
    given = zip(call.inputs[:n], shapes, strict=True)
    return width(dtype), [Batch(access, shape) for access, shape in given]


WORKS: dict[str, Callable[[Call], list[Work] | None]] = {
    "conv": conv,
    "conv.vjp": conv_vjp,
    "conv_transpose": conv_transpose,
    "conv_transpose.vjp": conv_transpose_vjp,
}
