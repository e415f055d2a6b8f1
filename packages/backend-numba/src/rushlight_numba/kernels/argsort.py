"""argsort: the stable order of a line, nan last, by its digits (radix sort).

An element becomes an integer that stands in the same order: a float's bits, the negative ones
turned round, one integer for all nan; downwards, keys are turned round.  Keys are spread by their
most significant digit, of as many bits as there are keys, over the range that they have: that
leaves few for insertion.  Where it leaves many they are sorted digit by digit, the least first.  A
long line is spread by all threads, and each of them sorts digits of its own.
Source: Knuth, The Art of Computer Programming 3, 5.2.1 and 5.2.5.
"""

from __future__ import annotations

from typing import Any

from rushlight.extend import Access, Call

from ..lowering import Extra, Place, Work, place
from .jitted import Jitted, Pointer
from .line import grain, lines

INFINITY = {"float16": 0x7C00, "bfloat16": 0x7F80, "float32": 0x7F80_0000, "float64": 0x7FF << 52}
FEW = 48  # keys that are sorted by insertion
DIGIT_BITS = 8  # of keys that are sorted digit by digit
NARROW_DIGITS = 4  # of keys of up to 32 bits, or within such a range
WIDEST_BITS = 11  # of the most significant digit
BINS = 1 << WIDEST_BITS
LONG = 1 << 17  # keys of a line that all threads sort together; fewer stay in one cache
LONG_LINES = 4  # from how many on each thread has lines of its own
LONG_CHUNKS = 16  # at most, of a pass over a line: each counts in bins of its own
ELEMENT_NS = 6.0
PASS_NS = 1.0  # of an element that is read and counted

# Of the type whose elements are sorted; each has code of its own.
SIGN = -1 << 31  # the sign's bit and all before it
LARGEST = 0  # the bits of infinity, of a float
IS_FLOAT, IS_SIGNED, IS_WIDE, IS_DESCENDING = False, False, False, False


def key_of(bits: int) -> int:
    """The integer that stands for an element."""
    key = bits
    if IS_FLOAT:
        sign = bits >> 63  # -1 or 0: a branch by it would be guessed wrong half of the time
        key = (bits ^ (sign & ~SIGN)) - sign  # -0 and 0 are one
        if bits & ~SIGN > LARGEST:
            key = ~SIGN
    elif not IS_SIGNED:
        key = bits + SIGN
    return ~key if IS_DESCENDING else key


def length(low: int, high: int) -> int:
    """How many bits high - low has."""
    if high - low < 0:  # beyond 63
        return 64
    n = 0
    while (high - low) >> n > 0:
        n += 1
    return n


# keys: n of them, their places, then room for both again; a span of keys begins at `at`.  counts:
# BINS of them, from `base` on.


def ordered(
    keys: Pointer, at: int, m: int, n: int, low: int, counts: Pointer, base: int
) -> int:  # fmt: skip
    """Sort a span of m keys, none below `low`; where it begins then."""
    if m <= FEW:
        insert(keys, at, m, n)
        return at
    if not IS_WIDE:
        return by_digits(keys, at, m, n, low, NARROW_DIGITS, counts, base)
    low = high = keys[at]
    for i in range(1, m):
        low, high = min(low, keys[at + i]), max(high, keys[at + i])
    bits = length(low, high)
    if bits <= NARROW_DIGITS * DIGIT_BITS:
        return by_digits(keys, at, m, n, low, NARROW_DIGITS, counts, base)
    shift = bits - min(length(0, m), WIDEST_BITS)
    if by_first_digit(keys, at, m, n, low, shift, counts, base) > FEW:
        return by_digits(keys, at, m, n, low, 2 * NARROW_DIGITS, counts, base)
    insert(keys, at + 2 * n, m, n)
    return at + 2 * n


def by_first_digit(
    keys: Pointer, at: int, m: int, n: int, low: int, shift: int, counts: Pointer, base: int
) -> int:
    """Put a span in the order of its most significant digit; how many keys have the same, at most.

    If these are more than FEW, nothing is put.
    """
    for b in range(BINS):
        counts[base + b] = 0
    for i in range(at, at + m):
        counts[base + ((keys[i] - low) >> shift & (BINS - 1))] += 1
    most = 0
    for b in range(BINS):
        most = max(most, counts[base + b])
    if most <= FEW:
        spread(keys, at, at + 2 * n, m, n, low, shift, BINS - 1, counts, base)
    return most


def by_digits(
    keys: Pointer, at: int, m: int, n: int, low: int, digits: int, counts: Pointer, base: int
) -> int:
    """Sort a span digit by digit, the least first, without those that all keys share."""
    mask = (1 << DIGIT_BITS) - 1
    for b in range(base, base + (digits << DIGIT_BITS)):
        counts[b] = 0
    for i in range(at, at + m):
        key = keys[i] - low
        for d in range(digits):
            counts[base + (d << DIGIT_BITS) + (key >> (d * DIGIT_BITS) & mask)] += 1
    source, target = at, at + 2 * n
    for d in range(digits):
        bins, shift = base + (d << DIGIT_BITS), d * DIGIT_BITS
        if counts[bins + ((keys[source] - low) >> shift & mask)] < m:
            spread(keys, source, target, m, n, low, shift, mask, counts, bins)
            source, target = target, source
    return source


def insert(keys: Pointer, at: int, m: int, n: int) -> None:
    """Sort a span by insertion."""
    for i in range(at + 1, at + m):
        key, place, j = keys[i], keys[n + i], i
        while j > at and keys[j - 1] > key:
            keys[j], keys[n + j] = keys[j - 1], keys[n + j - 1]
            j -= 1
        keys[j], keys[n + j] = key, place


def spread(
    keys: Pointer, at: int, to: int, m: int, n: int, low: int, shift: int, mask: int,
    counts: Pointer, base: int,
) -> None:  # fmt: skip
    """Put a span in the order of a digit that was counted."""
    before = 0
    for b in range(base, base + mask + 1):
        here = counts[b]
        counts[b] = before
        before += here
    for i in range(at, at + m):
        key = keys[i]
        b = base + ((key - low) >> shift & mask)
        there = to + counts[b]
        counts[b] += 1
        keys[there], keys[n + there] = key, keys[n + i]


def argsort(
    x: Pointer, z: Pointer, n: int, lines: int, inner: int, width: int,
    x_group: int, x_step: int, x_line: int,
    chunk: int, keys: Pointer,
) -> None:  # fmt: skip
    """Lines of this chunk.  keys: of a line, then counts."""
    for line in range(chunk * width, min((chunk + 1) * width, lines)):
        group, place = line // inner, line % inner
        start = group * x_group + place * x_line
        for i in range(n):
            keys[i] = key_of(x[start + i * x_step])
            keys[n + i] = i
        source = ordered(keys, 0, n, n, -1 << 31, keys, 4 * n)
        at = group * n * inner + place
        for i in range(n):
            z[at + i * inner] = keys[source + n + i]


# -- a long line, in passes: its range, how often each digit occurs, the digits' places, the rest


def key_range(
    x: Pointer, ranges: Pointer, n: int, width: int, x_step: int, chunk: int
) -> None:  # fmt: skip
    """The least and the largest key of this chunk."""
    first = chunk * width
    low = high = key_of(x[first * x_step])
    for i in range(first + 1, min(first + width, n)):
        key = key_of(x[i * x_step])
        low, high = min(low, key), max(high, key)
    ranges[2 * chunk], ranges[2 * chunk + 1] = low, high


def digit_of_all(ranges: Pointer, chunks: int) -> tuple[int, int]:
    """The least of all keys, and the shift of the most significant digit."""
    low, high = ranges[0], ranges[1]
    for i in range(1, chunks):
        low, high = min(low, ranges[2 * i]), max(high, ranges[2 * i + 1])
    return low, max(0, length(low, high) - WIDEST_BITS)


def count_long(
    x: Pointer, ranges: Pointer, counts: Pointer, n: int, chunks: int, width: int, x_step: int,
    chunk: int,
) -> None:  # fmt: skip
    """How many keys of this chunk have each digit."""
    low, shift = digit_of_all(ranges, chunks)
    base = chunk * BINS
    for b in range(BINS):
        counts[base + b] = 0
    for i in range(chunk * width, min((chunk + 1) * width, n)):
        counts[base + ((key_of(x[i * x_step]) - low) >> shift & (BINS - 1))] += 1


def place_long(counts: Pointer, chunks: int, chunk: int) -> None:  # noqa: ARG001  the only one
    """Where the keys of each digit and chunk begin; behind, where those of each digit do."""
    starts = chunks * BINS
    for b in range(BINS + 1):
        counts[starts + b] = 0
    for c in range(chunks):
        for b in range(BINS):
            counts[starts + 1 + b] += counts[c * BINS + b]
    for b in range(BINS):
        counts[starts + 1 + b] += counts[starts + b]
    for b in range(BINS):
        before = counts[starts + b]
        for c in range(chunks):
            here = counts[c * BINS + b]
            counts[c * BINS + b] = before
            before += here


def spread_long(
    x: Pointer, ranges: Pointer, counts: Pointer, keys: Pointer, n: int, chunks: int, width: int,
    x_step: int, chunk: int,
) -> None:  # fmt: skip
    """The keys of this chunk, and their places, where those of their digits go."""
    low, shift = digit_of_all(ranges, chunks)
    base = chunk * BINS
    for i in range(chunk * width, min((chunk + 1) * width, n)):
        key = key_of(x[i * x_step])
        b = base + ((key - low) >> shift & (BINS - 1))
        at = counts[b]
        counts[b] = at + 1
        keys[at], keys[n + at] = key, i


def order_long(
    ranges: Pointer, counts: Pointer, keys: Pointer, z: Pointer, n: int, chunks: int, width: int,
    z_step: int,
    chunk: int, scratch: Pointer,
) -> None:  # fmt: skip
    """The digits whose keys begin in this chunk.  scratch: counts."""
    low, shift = digit_of_all(ranges, chunks)
    starts = chunks * BINS
    for b in range(BINS):
        at = counts[starts + b]
        if chunk * width <= at < (chunk + 1) * width:
            m = counts[starts + b + 1] - at
            source = ordered(keys, at, m, n, low + (b << shift), scratch, 0) + n
            for i in range(m):
                z[(at + i) * z_step] = keys[source + i]


# -- steps as works


def kinds(x: Access, *, descending: bool) -> tuple[dict[str, Any], str, str]:
    """The constants of an element type, the type that its elements are read as, that of keys."""
    name, n_bytes = x.dtype.name, x.dtype.itemsize
    bits, is_float = 8 * n_bytes, name in INFINITY
    constants = {
        "SIGN": -1 << (bits - 1),
        "LARGEST": INFINITY.get(name, 0),
        "IS_FLOAT": is_float,
        "IS_SIGNED": name.startswith("int"),
        "IS_WIDE": n_bytes > 4,
        "IS_DESCENDING": descending,
    }
    element = f"{'int' if is_float or name.startswith('int') else 'uint'}{bits}*"
    return constants, element, f"int{8 * max(4, n_bytes)}*"


def argsort_work(call: Call) -> list[Work] | None:
    """The works of an argsort."""
    (x,), (z,) = call.inputs, call.step.outputs
    axis, descending = call.step.params
    found = lines(call, axis)
    if found is None:
        return None
    outer, n, inner, x_group, x_step, x_line = found
    count = outer * inner
    if count < LONG_LINES and n >= LONG:
        works = []
        for line in range(count):
            group, at = divmod(line, inner)
            start = x._replace(offset=x.offset + group * x_group + at * x_line)
            to = Place(z, 8 * (group * n * inner + at))
            works += long_works(start, to, n, x_step, inner, descending=descending)
        return works
    constants, element, key = kinds(x, descending=descending)
    code = Jitted(argsort, element, "int64*", *["int64"] * 7, scratch=key, constants=constants)
    ns = found.size * ELEMENT_NS
    width = grain(count, ns)
    words = [place(x), Place(z, 0), n, count, inner, width, x_group, x_step, x_line]
    scratch = (4 * n + BINS) * max(4, x.dtype.itemsize)
    return [Work(code, words, -(-count // width), ns, scratch)]


def long_works(
    x: Access, to: Place, n: int, x_step: int, z_step: int, *, descending: bool
) -> list[Work]:
    """The works of the argsort of a line by all threads.  to: where its result begins."""
    constants, element, key = kinds(x, descending=descending)
    key_bytes = max(4, x.dtype.itemsize)
    width = max(LONG // 4, -(-n // LONG_CHUNKS))
    chunks = -(-n // width)
    start = place(x)
    ranges, counts = Place(Extra(16 * chunks), 0), Place(Extra(8 * (BINS * (chunks + 1) + 1)), 0)
    keys = Place(Extra(4 * n * key_bytes), 0)

    def code(function: Any, *types: str, scratch: str | None = None) -> Jitted:
        return Jitted(function, *types, scratch=scratch, constants=constants)

    i, p = "int64", "int64*"
    fine = -(-n // grain(n, n * ELEMENT_NS))
    fine_width = -(-n // fine)
    return [
        Work(
            code(key_range, element, p, i, i, i), [start, ranges, n, width, x_step],
            chunks, n * PASS_NS,
        ),
        Work(
            code(count_long, element, p, p, i, i, i, i),
            [start, ranges, counts, n, chunks, width, x_step], chunks, n * PASS_NS,
        ),
        Work(code(place_long, p, i), [counts, chunks], 1, BINS * chunks * PASS_NS),
        Work(
            code(spread_long, element, p, p, key, i, i, i, i),
            [start, ranges, counts, keys, n, chunks, width, x_step], chunks, 3 * n * PASS_NS,
        ),
        Work(
            code(order_long, p, p, key, p, i, i, i, i, scratch=key),
            [ranges, counts, keys, to, n, chunks, fine_width, z_step], fine, n * ELEMENT_NS,
            BINS * key_bytes,
        ),
    ]  # fmt: skip


KERNELS = {"argsort": argsort_work}
