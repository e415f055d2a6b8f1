"""The works of correlations of images of one channel, and of the gradient of their filters.

Knows nothing of convolutions.  Nothing here depends on the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from rushlight.extend import Value

from ...lowering import Place, Work, place
from ...tiles import Width
from .correlation_work import Weights, ending, pixel_order
from .part import Axis, Images
from .plane import PixelWords, PlaneSumWords, PlaneWords, Window, plane_sums, planes

MOST_ROWS = 8  # of results that are held in registers
MOST_ELEMENTS = 25  # of a window, which all have code; 49 took as long as by copies
ELEMENT_NS = 0.1  # of a result, and for each element of a window as much by lanes
CHUNK_NS, MOST_CHUNKS = 10_000.0, 64
LEAST_GROUPS = 8  # which chunks of the gradient of filters are made of


def window_of(axes: Sequence[Axis], sizes: tuple[int, int, int, int]) -> Window | None:
    """The window, if it is one of single channels that lies evenly, at every pixel of dense rows.

    sizes: batch, groups; channels and outputs of a group.
    """
    z, y, x = axes
    count = len(y.taps) * len(x.taps)
    is_plane = z.taps == (0,) and (z.step, y.step, x.step, x.stride) == (1, 1, 1, 1)
    if sizes[2:] != (1, 1) or not is_plane or not 0 < count <= MOST_ELEMENTS:
        return None
    reaches = [sorted(axis.reach) for axis in (y, x)]
    below, beside = (reach[1] if len(reach) > 1 else 1 for reach in reaches)
    if reaches != [
        [below * t for t in range(len(y.taps))],
        [beside * j for j in range(len(x.taps))],
    ]:
        return None
    at_once = min(MOST_ROWS, 1 << (y.results - 1).bit_length())
    return Window(len(y.taps), len(x.taps), below, beside, at_once)


def of_planes(
    window: Window,
    images: Images,
    axes: Sequence[Axis],
    weights: Weights,
    result: Images,
    sizes: tuple[int, int, int, int],
    w: Width,
) -> list[Work]:
    """The work of a correlation with such windows."""
    batch, groups, _, _ = sizes
    z, y, _ = axes
    pixels = pixel_words(images, axes, sizes)
    at = result.at._replace(offset=result.at.offset + w.size * sum(axis.start for axis in axes))
    count = batch * z.results * groups
    ns = plane_ns(window, axes, sizes, w)
    at_once = -(-count // chunks_for(ns, count))
    bias = weights.bias
    words = PlaneWords(
        at, result.n, z.apart, result.group, y.apart, weights.at, weights.group,
        pixel_order(weights, axes), weights.at if bias is None else place(bias),
        0 if bias is None else bias.strides[0], int(bias is not None), at_once, None, None, 0,
    )  # fmt: skip
    first = len(PixelWords._fields) + PlaneWords._fields.index("nest")
    whole = [axis.results for axis in axes]
    end = ending(result.at.buffer, (batch, groups), axes, whole, first)
    return [Work(planes(w, window), [*pixels, *words], -(-count // at_once), ns, 0, end)]


def sums_of_planes(
    window: Window,
    images: Images,
    axes: Sequence[Axis],
    values: Images,
    others: Sequence[Axis],
    sizes: tuple[int, int, int, int],
    z: Value,
    w: Width,
) -> list[Work]:
    """The work that sums values times such windows of images into z, as `filter_gradient` does."""
    groups = sizes[1]
    ns = plane_ns(window, axes, sizes, w)
    at_once = -(-groups // chunks_for(ns, groups))
    words = PlaneSumWords(
        values.at, values.n, others[0].stride, values.group, others[1].stride, Place(z, 0), at_once
    )
    given = [*pixel_words(images, axes, sizes), *words]
    return [Work(plane_sums(w, window), given, -(-groups // at_once), ns)]


def pixel_words(
    images: Images, axes: Sequence[Axis], sizes: tuple[int, int, int, int]
) -> PixelWords:
    """The words of what windows read."""
    z, y, x = axes
    return PixelWords(
        images.at, images.n, z.stride, images.group, y.stride, y.size, x.size, y.base, x.base,
        y.results, x.results, sizes[0], z.results, sizes[1],
    )  # fmt: skip


def plane_ns(
    window: Window, axes: Sequence[Axis], sizes: tuple[int, int, int, int], w: Width
) -> float:
    """The estimated time of all planes."""
    results = sizes[0] * sizes[1] * prod(axis.results for axis in axes)
    return results * ELEMENT_NS * (1 + window.rows * window.columns / w.lanes)


def chunks_for(ns: float, most: int) -> int:
    """How many chunks so much time is cut into."""
    return int(max(1, min(MOST_CHUNKS, most, ns // CHUNK_NS)))
