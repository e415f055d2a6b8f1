"""argsort: the stable order of a line, nan last, by its digits (radix sort); and parts of it.

An element becomes an integer that stands in the same order: a float's bits, the negative ones
turned round, one integer for all nan; downwards, keys are turned round.  Keys are spread by their
most significant digit, of as many bits as there are keys, over the range that they have: that
leaves few for insertion.  Where it leaves many they are sorted digit by digit, the least first.  A
long line is spread by all threads, and each of them sorts digits of its own.  Of whom only some
ranks are asked, as of topk and the median, only the digits are sorted into which those fall; the
first few ranks of a short line are kept in a list.
Source: Knuth, The Art of Computer Programming 3, 5.2.1 and 5.2.5.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from rushlight.extend import Access, Call

from ..lowering import Extra, Place, Work, place
from .jitted import Jitted, Pointer
from .line import grain, lines

INFINITY = {"float16": 0x7C00, "bfloat16": 0x7F80, "float32": 0x7F80_0000, "float64": 0x7FF << 52}
FEW = 48  # keys that are sorted by insertion
DIGIT_BITS = 8  # of keys that are sorted digit by digit
BLOCK = 32  # keys that are compared at once with the last of a list
MOVES = 4  # within a list, for each key: with more of them it is given up
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
IS_MIDDLE = False  # whether the rank that is asked is that of the first nan, if there is one


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
    if by_first_digit(keys, at, m, n, low, bits, counts, base) > FEW:
        return by_digits(keys, at, m, n, low, 2 * NARROW_DIGITS, counts, base)
    insert(keys, at + 2 * n, m, n)
    return at + 2 * n


def by_first_digit(
    keys: Pointer, at: int, m: int, n: int, low: int, bits: int, counts: Pointer, base: int
) -> int:
    """Put a span in the order of its most significant digit; how many keys have the same, at most.

    If these are more than FEW, nothing is put.  bits: of its range.
    """
    digit_bits = min(length(0, m), WIDEST_BITS)
    shift, mask = bits - digit_bits, (1 << digit_bits) - 1
    for b in range(mask + 1):
        counts[base + b] = 0
    for i in range(at, at + m):
        counts[base + ((keys[i] - low) >> shift & mask)] += 1
    most = 0
    for b in range(mask + 1):
        most = max(most, counts[base + b])
    if most <= FEW:
        spread(keys, at, at + 2 * n, m, n, low, shift, mask, counts, base)
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


def argselect(
    x: Pointer, z: Pointer, n: int, lines: int, inner: int, width: int,
    x_group: int, x_step: int, x_line: int, first: int, count: int,
    chunk: int, keys: Pointer,
) -> None:  # fmt: skip
    """`count` ranks from `first` on, of lines of this chunk.  keys: of a line, then counts."""
    for line in range(chunk * width, min((chunk + 1) * width, lines)):
        group, place = line // inner, line % inner
        start = group * x_group + place * x_line
        for i in range(n):
            keys[i] = key_of(x[start + i * x_step])
        before = rank = first
        if IS_MIDDLE:
            before = rank = middle_rank(first, n, nans(keys, n))
        source = 0
        if rank > 0 or count * count > n or not listed(keys, n, count):
            source, before = digits_asked(keys, n, rank, count)
        at = group * count * inner + place
        for i in range(count):
            z[at + i * inner] = keys[source + n + rank - before + i]


def nans(keys: Pointer, n: int) -> int:
    """How many keys are that of nan, if they are kept upwards."""
    found = 0
    for i in range(n):
        found += keys[i] == ~SIGN
    return found if IS_FLOAT else 0


def middle_rank(rank: int, n: int, odd: int) -> int:
    """The rank of the median, the lower of two; of the first nan if there is one."""
    return n - odd if odd > 0 else rank


def listed(keys: Pointer, n: int, count: int) -> bool:
    """Keep the first ranks in a list behind the keys, then put it first; False if given up."""
    m, moved, at = 0, 0, 2 * n
    for block in range(0, n, BLOCK):
        end = min(block + BLOCK, n)
        if m == count:
            last, is_any = keys[at + m - 1], False
            if end - block == BLOCK:
                for k in range(BLOCK):
                    is_any |= keys[block + k] < last
            else:
                for i in range(block, end):
                    is_any |= keys[i] < last
            if not is_any:
                continue
        for i in range(block, end):
            key = keys[i]
            if m == count and key >= keys[at + m - 1]:
                continue
            m = min(m + 1, count)
            j = at + m - 1
            while j > at and keys[j - 1] > key:
                keys[j], keys[n + j] = keys[j - 1], keys[n + j - 1]
                j -= 1
            keys[j], keys[n + j] = key, i
            moved += 1
        if count * (moved - count) > MOVES * n:
            return False
    for i in range(m):
        keys[n + i] = keys[at + n + i]
    return True


def digits_asked(keys: Pointer, n: int, rank: int, count: int) -> tuple[int, int]:
    """Sort the keys of the digits of these ranks: where they begin, and how many come before."""
    low = high = keys[0]
    for i in range(1, n):
        low, high = min(low, keys[i]), max(high, keys[i])
    bins, mask = 4 * n, (1 << DIGIT_BITS) - 1
    shift = max(0, length(low, high) - DIGIT_BITS)
    for b in range(mask + 1):
        keys[bins + b] = 0
    for i in range(n):
        keys[bins + ((keys[i] - low) >> shift & mask)] += 1
    one, end, before = 0, 0, 0
    while before + keys[bins + one] <= rank:
        before += keys[bins + one]
        one += 1
    there = before
    end = one
    while there < rank + count:
        there += keys[bins + end]
        end += 1
    m = 0
    for i in range(n):
        key = keys[i]
        if one <= (key - low) >> shift & mask < end:
            keys[m], keys[n + m] = key, i
            m += 1
    return ordered(keys, 0, m, n, low + (one << shift), keys, 4 * n), before


# -- a long line, in passes: its range, how often each digit occurs, the digits' places, the rest


def key_range(
    x: Pointer, ranges: Pointer, n: int, width: int, x_step: int, chunk: int
) -> None:  # fmt: skip
    """The least and the largest key of this chunk, and how many are that of nan."""
    first, odd = chunk * width, 0
    low = high = key_of(x[first * x_step])
    for i in range(first, min(first + width, n)):
        key = key_of(x[i * x_step])
        low, high = min(low, key), max(high, key)
        odd += key == ~SIGN
    ranges[3 * chunk], ranges[3 * chunk + 1], ranges[3 * chunk + 2] = low, high, odd


def digit_of_all(ranges: Pointer, chunks: int) -> tuple[int, int]:
    """The least of all keys, and the shift of the most significant digit."""
    low, high = ranges[0], ranges[1]
    for i in range(1, chunks):
        low, high = min(low, ranges[3 * i]), max(high, ranges[3 * i + 1])
    return low, max(0, length(low, high) - WIDEST_BITS)


def rank_asked(ranges: Pointer, chunks: int, n: int, first: int) -> int:
    """The first rank that is asked."""
    odd = 0
    for i in range(chunks):
        odd += ranges[3 * i + 2]
    return middle_rank(first, n, odd) if IS_MIDDLE and IS_FLOAT else first


def bins_asked(counts: Pointer, starts: int, rank: int, count: int) -> tuple[int, int]:
    """Into which digits these ranks fall: the first, and the one behind the last."""
    one, end = 0, BINS
    while counts[starts + one + 1] <= rank:
        one += 1
    while counts[starts + end - 1] >= rank + count:
        end -= 1
    return one, end


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
    x_step: int, first: int, count: int,
    chunk: int,
) -> None:  # fmt: skip
    """The keys of this chunk, and their places, where those of their digits go."""
    low, shift = digit_of_all(ranges, chunks)
    one, end = bins_asked(counts, chunks * BINS, rank_asked(ranges, chunks, n, first), count)
    base = chunk * BINS
    for i in range(chunk * width, min((chunk + 1) * width, n)):
        key = key_of(x[i * x_step])
        b = (key - low) >> shift & (BINS - 1)
        if one <= b < end:
            at = counts[base + b]
            counts[base + b] = at + 1
            keys[at], keys[n + at] = key, i


def order_long(
    ranges: Pointer, counts: Pointer, keys: Pointer, z: Pointer, n: int, chunks: int, width: int,
    z_step: int, first: int, count: int,
    chunk: int, scratch: Pointer,
) -> None:  # fmt: skip
    """The digits whose keys begin in this chunk.  scratch: counts."""
    low, shift = digit_of_all(ranges, chunks)
    starts = chunks * BINS
    rank = rank_asked(ranges, chunks, n, first)
    one, end = bins_asked(counts, starts, rank, count)
    for b in range(one, end):
        at = counts[starts + b]
        if chunk * width <= at < (chunk + 1) * width:
            m = counts[starts + b + 1] - at
            source = ordered(keys, at, m, n, low + (b << shift), scratch, 0) + n
            for i in range(max(0, rank - at), min(m, rank + count - at)):
                z[(at + i - rank) * z_step] = keys[source + i]


# -- steps as works


class Ranks(NamedTuple):
    """What is asked of the order of a line: n ranks from `first` on.

    is_middle: the rank of the first nan instead, if there is one.
    """

    first: int
    n: int
    descending: bool = False
    is_middle: bool = False


def argsort_work(call: Call) -> list[Work] | None:
    """The works of an argsort."""
    axis, descending = call.step.params
    return ranks_work(call, axis, Ranks(0, length_along(call, axis), descending))


def argselect_work(call: Call) -> list[Work] | None:
    """The works of a part of an argsort."""
    axis, first, count, descending = call.step.params
    return ranks_work(call, axis, Ranks(first, count, descending))


def middle_work(call: Call) -> list[Work] | None:
    """The works of finding the median."""
    (axis,) = call.step.params
    return ranks_work(call, axis, Ranks((length_along(call, axis) - 1) // 2, 1, is_middle=True))


def length_along(call: Call, axis: int) -> int:
    """The length of the one input along an axis."""
    (shape,) = call.shapes
    assert shape is not None
    return shape[axis]


def ranks_work(call: Call, axis: int, ranks: Ranks) -> list[Work] | None:
    """The works of some ranks of each line along an axis."""
    (x,), (z,) = call.inputs, call.step.outputs
    found = lines(call, axis)
    if found is None or not ranks.n:
        return None
    outer, n, inner, x_group, x_step, x_line = found
    many = outer * inner
    if many < LONG_LINES and n >= LONG:
        works = []
        for line in range(many):
            group, at = divmod(line, inner)
            start = x._replace(offset=x.offset + group * x_group + at * x_line)
            to = Place(z, 8 * (group * ranks.n * inner + at))
            works += long_works(start, to, n, (x_step, inner), ranks)
        return works
    constants, element, key = kinds(x, ranks)
    is_whole = ranks.n == n
    kind = [element, "int64*", *["int64"] * (7 if is_whole else 9)]
    code = Jitted(argsort if is_whole else argselect, *kind, scratch=key, constants=constants)
    ns = found.size * (ELEMENT_NS if is_whole else PASS_NS)
    width = grain(many, ns)
    words = [place(x), Place(z, 0), n, many, inner, width, x_group, x_step, x_line]
    words += [] if is_whole else [ranks.first, ranks.n]
    scratch = (4 * n + BINS) * max(4, x.dtype.itemsize)
    return [Work(code, words, -(-many // width), ns, scratch)]


def kinds(x: Access, ranks: Ranks) -> tuple[dict[str, Any], str, str]:
    """The constants of an element type, the type that its elements are read as, that of keys."""
    name, n_bytes = x.dtype.name, x.dtype.itemsize
    bits, is_float = 8 * n_bytes, name in INFINITY
    constants = {
        "SIGN": -1 << (bits - 1),
        "LARGEST": INFINITY.get(name, 0),
        "IS_FLOAT": is_float,
        "IS_SIGNED": name.startswith("int"),
        "IS_WIDE": n_bytes > 4,
        "IS_DESCENDING": ranks.descending,
        "IS_MIDDLE": ranks.is_middle,
    }
    element = f"{'int' if is_float or name.startswith('int') else 'uint'}{bits}*"
    return constants, element, f"int{8 * max(4, n_bytes)}*"


def long_works(x: Access, to: Place, n: int, steps: tuple[int, int], ranks: Ranks) -> list[Work]:
    """The works of a line that all threads sort.  steps: of it and of its result, at `to`."""
    constants, element, key = kinds(x, ranks)
    key_bytes = max(4, x.dtype.itemsize)
    width = max(LONG // 4, -(-n // LONG_CHUNKS))
    chunks = -(-n // width)
    start, (x_step, z_step), asked = place(x), steps, [ranks.first, ranks.n]
    ranges, counts = Place(Extra(24 * chunks), 0), Place(Extra(8 * (BINS * (chunks + 1) + 1)), 0)
    keys = Place(Extra(4 * n * key_bytes), 0)

    def code(function: Any, *types: str, scratch: str | None = None) -> Jitted:
        return Jitted(function, *types, scratch=scratch, constants=constants)

    i, p = "int64", "int64*"
    share = n if ranks.n == n else n // DIGIT_BITS  # of the keys that are sorted, about
    fine_width = grain(n, share * ELEMENT_NS)
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
            code(spread_long, element, p, p, key, *[i] * 6),
            [start, ranges, counts, keys, n, chunks, width, x_step, *asked],
            chunks, 3 * n * PASS_NS,
        ),
        Work(
            code(order_long, p, p, key, p, *[i] * 6, scratch=key),
            [ranges, counts, keys, to, n, chunks, fine_width, z_step, *asked],
            -(-n // fine_width), share * ELEMENT_NS, BINS * key_bytes,
        ),
    ]  # fmt: skip


KERNELS = {"argsort": argsort_work, "argselect": argselect_work, "middle": middle_work}
