"""The gradient of filters of 3 x 3 by tiles of 4 x 4 results.

    result[o, c, j] = sum over n, p of other[n, o, p] image[n, c, p + tap j]

Knows nothing of convolutions.  Tiles of the images and of what is multiplied are taken to the 36
points of `winograd`, where their products are summed over all tiles of a chunk; what that comes to
is taken back once.  A chunk writes a copy of the result for its positions, and a nest adds up the
copies in order, so that neither block nor thread changes a sum.
"""

from __future__ import annotations

from typing import NamedTuple

from ...codegen.llvm import Fn, Routine
from ...tiles import RECORD, TILE_ROWS, Width, Word, affine, load_words
from .window import BlockWords, corner, origin
from .winograd import POINTS, PRODUCTS, RESULTS, TAPS, Lanes, both, of_image, of_results, to_filter
from .winograd_tiles import PartWords, collected, counted, multiplied, transformed


class SumWords(NamedTuple):
    """Argument block of `winograd_sums`, between two PartWords and its BlockWords.

    The PartWords are those of the images and of what is multiplied; a chunk is `at_once` positions,
    `channels` channels of the images and `outputs` of what is multiplied.
    product: the function that multiplies rows by a panel; columns: of a panel.
    result, copy_size: the copies of the result, [copies][all_outputs, all_channels, 3, 3].
    sums_at, sums_apart: bytes of scratch before the sums; elements from point to point.
    """

    product: Word
    columns: Word
    result: Word
    copy_size: Word
    all_channels: Word
    all_outputs: Word
    channel_blocks: Word
    output_blocks: Word
    at_once: Word
    sums_at: Word
    sums_apart: Word


def winograd_sums(w: Width) -> Routine:
    """The function that sums by tiles."""
    name = w.name("winograd_sums")
    return Routine(name, lambda: _sums(name, w))


def _sums(name: str, w: Width) -> Fn:
    f = Fn(name, RECORD)
    words_of_part = len(PartWords._fields)
    part = load_words(f, PartWords)
    other = load_words(f, PartWords, first=words_of_part)
    words = load_words(f, SumWords, first=2 * words_of_part)
    blocks = load_words(f, BlockWords, first=2 * words_of_part + len(SumWords._fields))
    output_block, rest = (how("%chunk", words.output_blocks) for how in (f.urem, f.udiv))
    channel_block, number = (how(rest, words.channel_blocks) for how in (f.urem, f.udiv))
    first = f.mul(number, words.at_once)
    c, o = f.mul(channel_block, part.channels), f.mul(output_block, other.channels)
    channels = f.imin(part.channels, f.sub(words.all_channels, c))
    outputs = f.imin(other.channels, f.sub(words.all_outputs, o))
    sums = f.gep("%scratch", words.sums_at, "i8")
    with f.loop(first, f.imin(f.add(first, words.at_once), blocks.positions)) as position:
        image, lo, hi = corner(f, blocks, position)
        counts = counted(f, lo, hi)
        at = affine(f, (image, part.image_n), (c, part.image_c))
        source, begin = f.gep(part.image, at, w.ty), origin(f, blocks, lo)
        x = transformed(f, w, part, source, channels, begin, counts, (POINTS, of_image))
        at = affine(f, (image, other.image_n), (o, other.image_c))
        source = f.gep(other.image, at, w.ty)
        y = transformed(f, w, other, source, outputs, lo, counts, (RESULTS, of_results))
        adds = f.sub(position, first)
        with f.loop(0, PRODUCTS) as k, f.loop(0, channels, words.columns) as column:
            a = f.gep(y, f.mul(k, other.apart), w.ty)
            b = f.gep(x, f.add(f.mul(k, part.apart), column), w.ty)
            to = f.gep(sums, f.add(f.mul(k, words.sums_apart), column), w.ty)
            columns = a, "1", other.pitch, str(TILE_ROWS)
            rows = (b, part.pitch), counts.all, (to, part.pitch)
            multiplied(f, words.product, columns, *rows, adds, outputs)
    at = affine(f, (number, words.copy_size), (f.mul(o, words.all_channels), TAPS * TAPS))
    result = f.gep(words.result, f.add(at, f.mul(c, TAPS * TAPS)), w.ty)
    _stored(f, w, words, part, sums, (outputs, channels), result)
    return f


def _stored(
    f: Fn,
    w: Width,
    words: SumWords,
    part: PartWords,
    sums: str,
    sizes: tuple[str, str],
    result: str,
) -> None:
    """Take the sums of a chunk back, and store them as filters lie."""
    outputs, channels = sizes
    made = f.alloca(w.vector, TAPS * TAPS, align=64)
    with f.loop(0, outputs) as o, f.loop(0, channels, w.lanes) as c:
        place = f.gep(sums, f.add(f.mul(o, part.pitch), c), w.ty)
        steps = f.mul(words.sums_apart, POINTS), words.sums_apart
        cells = both(Lanes(f, w), to_filter, collected(f, w, POINTS, place, steps))
        for j, x in enumerate([x for row in cells for x in row]):
            f.store(w.vector, x, f.gep(made, j, w.vector))
        row = f.add(f.mul(o, words.all_channels), c)
        with f.loop(0, f.imin(w.lanes, f.sub(channels, c))) as lane:
            to = f.gep(result, f.mul(f.add(row, lane), TAPS * TAPS), w.ty)
            for j in range(TAPS * TAPS):
                x = f.load(w.ty, f.gep(f.gep(made, j, w.vector), lane, w.ty))
                f.store(w.ty, x, f.gep(to, j, w.ty))
