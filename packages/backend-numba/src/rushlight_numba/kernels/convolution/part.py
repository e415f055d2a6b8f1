"""How images are cut into parts for blocks of results, and the words that say so.

Has the figures of the models of time too.  Knows neither code nor what is done with a part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from math import prod
from typing import Any, NamedTuple

from ...codegen.llvm import LANES
from ...lowering import Place
from ...tiles import Width
from .window import BlockWords, WindowWords

COPY_BYTES = 384 << 10  # of parts of images, which share the second cache with weights
NEAR_BYTES, FEW_OUTPUTS = 24 << 10, 8  # the same in the first, for so few outputs
ALIGN = 64
CHUNK_NS = 20_000.0  # a chunk takes at least so long: it copies parts of its own

# The model of a tile's time on a core that begins two vectors of multiply-adds in a cycle.
REGISTERS = 32 if LANES == 16 else 16
LOAD_CYCLES = 1.4  # of a vector of pixels, which lies on two lines and often not in the first cache
STEP_CYCLES = 0.5  # beside them
TILE_CYCLES = 30.0  # of its beginning and end


class Axis(NamedTuple):
    """One axis of a correlation.

    size, stride: extent and stride of the image.  taps: where the elements of the first window lie;
    negative: before the image.  step: from one window to the next.  results: windows.
    start, apart: of the results in memory: the first, and from one to the next.
    """

    size: int
    stride: int
    taps: tuple[int, ...]
    step: int
    results: int
    start: int
    apart: int

    @property
    def base(self) -> int:
        """Where the first window begins."""
        return min(self.taps, default=0)

    @property
    def reach(self) -> tuple[int, ...]:
        """How far each element of a window is from its beginning."""
        return tuple([tap - self.base for tap in self.taps])


ONE = Axis(1, 0, (0,), 1, 1, 0, 0)  # an axis that an image lacks


class Images(NamedTuple):
    """Many images: where they lie, [batch, groups, channels, *axes], and strides of the first 3."""

    at: Place
    n: int
    group: int
    c: int


class Part(NamedTuple):
    """The copy of a part of the images: its layout for blocks of results.

    block: results along each axis.  planes, rows, width, phases: of a channel.
    plane, phase: pitches.  taps: where the elements of a window begin.
    """

    block: tuple[int, int, int]
    planes: int
    rows: int
    width: int
    phases: tuple[int, ...]
    plane: int
    phase: int
    taps: list[int]

    @property
    def slice(self) -> int:
        """From one z to the next."""
        return self.rows * self.width


def part(axes: Sequence[Axis], block: tuple[int, int, int]) -> Part:
    """The copy that the windows of a block need."""
    step = axes[2].step
    phases = sorted({far % step for far in axes[2].reach}) or [0]
    shifts = [far // step for far in axes[2].reach]
    width = block[2] + max(shifts, default=0)
    planes, rows = (
        (n - 1) * axis.step + max(axis.reach, default=0) + 1
        for n, axis in zip(block[:2], axes[:2], strict=True)
    )
    phase = planes * rows * width
    plane = rounded(phase * len(phases), 16)
    if plane % 256 == 0:  # lines so far apart would fall on the same sets of the first cache
        plane += 16
    taps = [
        phases.index(far % step) * phase + (z * rows + y) * width + far // step
        for z, y, far in product(*(axis.reach for axis in axes))
    ]
    return Part(block, planes, rows, width, tuple(phases), plane, phase, taps)


def cut(
    axes: Sequence[Axis], fits: Callable[[Sequence[int]], bool], least: float
) -> tuple[int, int, int]:
    """The largest block of results that fits, if there are at least so many; else a smaller one."""
    block = [axis.results for axis in axes]
    for d, end in enumerate((1, 1, 64)):
        while block[d] > end and not fits(block):
            block[d] = -(-block[d] // 2)
    for d, end in enumerate((1, 7)):
        while block[d] > end and blocks_of(axes, block) < least:
            block[d] = -(-block[d] // 2)
    return block[0], block[1], block[2]


def cache_bytes(outputs: int) -> int:
    """How much of the images a block may need: what is read once only stays in the first cache."""
    return NEAR_BYTES if outputs <= FEW_OUTPUTS else COPY_BYTES


def room(axes: Sequence[Axis], channels: int, block: Sequence[int], w: Width) -> int:
    """Bytes of the copy for a block."""
    found = part(axes, (block[0], block[1], block[2]))
    return rounded((channels * found.plane + 4 * w.lanes) * w.size)


def window_words(images: Images, axes: Sequence[Axis], found: Part) -> list[Any]:
    """How a part is copied: rows that lie one behind another as one."""
    words = WindowWords(
        images.c, axes[0].stride, axes[1].stride, axes[2].stride,
        axes[0].size, axes[1].size, axes[2].size, found.planes, found.rows, found.width,
        found.plane, found.phase, found.slice, found.width, axes[2].step, len(found.phases),
        list(found.phases),
    )  # fmt: skip
    _, y, x = axes
    are_whole = all(one.step == 1 and one.taps == (0,) for one in (y, x)) and x.stride == 1
    if are_whole and y.stride == x.size == found.width and y.size % found.rows == 0:
        words = words._replace(rows=1, width=found.slice, size_x=found.slice)
    return list(words)


def block_words(axes: Sequence[Axis], batch: int, found: Part, far: Sequence[int]) -> BlockWords:
    """How results are cut into blocks.  far: strides of results beside the copy."""
    counts = [-(-axis.results // n) for axis, n in zip(axes, found.block, strict=True)]
    return BlockWords._make(
        [
            *[axis.results for axis in axes], *found.block, *counts[1:], prod(counts),
            batch * prod(counts), *[axis.step for axis in axes], *[axis.base for axis in axes],
            found.slice * axes[0].step, found.width * axes[1].step, *far,
        ]
    )  # fmt: skip


def blocks_of(axes: Sequence[Axis], block: Sequence[int]) -> int:
    """How many blocks of results there are."""
    return prod(-(-axis.results // n) for axis, n in zip(axes, block, strict=True))


def even(n: int, most: int) -> int:
    """The size of equal parts of n, none larger than `most`."""
    return -(-n // -(-n // most))


def rounded(x: int, to: int = ALIGN) -> int:
    """The least multiple of `to` that is not below x."""
    return -(-x // to) * to
