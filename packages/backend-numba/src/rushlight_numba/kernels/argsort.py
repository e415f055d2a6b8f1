"""argsort: the stable order of a line, nan last, by its digits (radix sort, least digit first).

An element becomes an integer that stands in the same order: a float's bits, the negative ones
turned round, one integer for all nan.  Each digit is one pass over keys and places; a digit that
all keys share is left out.  Short lines are sorted by insertion.  Downwards, keys are turned round.
Source: Knuth, The Art of Computer Programming 3, 5.2.5.
"""

from __future__ import annotations

from rushlight.extend import Call

from ..lowering import Place, Work, place
from .jitted import Jitted, Pointer
from .line import grain, lines

INFINITY = {"float16": 0x7C00, "bfloat16": 0x7F80, "float32": 0x7F80_0000, "float64": 0x7FF << 52}
FEW = 48  # elements of a line that is sorted by insertion
DIGITS, DIGIT_BITS = 4, 8  # of a key
BINS = 1 << DIGIT_BITS
ELEMENT_NS = 8.0

# Of the type whose elements are sorted; each has code of its own.
SIGN = -1 << 31  # the sign's bit and all before it
LARGEST = 0  # the bits of infinity, of a float
IS_FLOAT, IS_SIGNED, IS_DESCENDING = False, False, False


def key_of(bits: int) -> int:
    """The integer that stands for an element."""
    key = bits
    if IS_FLOAT:
        if bits & ~SIGN > LARGEST:
            key = ~SIGN
        elif bits < 0:
            key = (bits ^ ~SIGN) + 1  # -0 and 0 are one
    elif not IS_SIGNED:
        key = bits + SIGN
    return ~key if IS_DESCENDING else key


def argsort(
    x: Pointer, z: Pointer, n: int, count: int, inner: int, width: int,
    x_group: int, x_step: int, x_line: int,
    chunk: int, keys: Pointer,
) -> None:  # fmt: skip
    """Lines of this chunk.  keys: n of them, their places, and both again; then counts."""
    for line in range(chunk * width, min((chunk + 1) * width, count)):
        group, place = line // inner, line % inner
        start = group * x_group + place * x_line
        for i in range(n):
            keys[i] = key_of(x[start + i * x_step])
            keys[n + i] = i
        source = inserted(keys, n) if n <= FEW else distributed(keys, n)
        at = group * n * inner + place
        for i in range(n):
            z[at + i * inner] = keys[source + n + i]


def inserted(keys: Pointer, n: int) -> int:
    """Sort by insertion; where keys and their places begin then."""
    for i in range(1, n):
        key, j = keys[i], i
        while j > 0 and keys[j - 1] > key:
            keys[j], keys[n + j] = keys[j - 1], keys[n + j - 1]
            j -= 1
        keys[j], keys[n + j] = key, i
    return 0


def digit(key: int, d: int) -> int:
    """The d-th digit of a key, the least is 0; negative keys before the others."""
    return ((key ^ SIGN) >> (d * DIGIT_BITS)) & (BINS - 1)


def distributed(keys: Pointer, n: int) -> int:
    """Sort by digits; where keys and their places begin then."""
    counts = 4 * n
    for i in range(DIGITS * BINS):
        keys[counts + i] = 0
    for i in range(n):
        key = keys[i]
        for d in range(DIGITS):
            keys[counts + d * BINS + digit(key, d)] += 1
    source, target = 0, 2 * n
    for d in range(DIGITS):
        bins = counts + d * BINS
        if keys[bins + digit(keys[source], d)] == n:
            continue
        before = 0
        for i in range(BINS):
            here = keys[bins + i]
            keys[bins + i] = before
            before += here
        for i in range(n):
            key = keys[source + i]
            place = bins + digit(key, d)
            at = target + keys[place]
            keys[place] += 1
            keys[at] = key
            keys[at + n] = keys[source + n + i]
        source, target = target, source
    return source


def argsort_work(call: Call) -> list[Work] | None:
    """The work of an argsort."""
    (x,), (z,) = call.inputs, call.step.outputs
    axis, descending = call.step.params
    found = lines(call, axis)
    if found is None:
        return None
    name, n_bytes = x.dtype.name, x.dtype.itemsize
    outer, n, inner, x_group, x_step, x_line = found
    bits, key_bytes = 8 * n_bytes, max(4, n_bytes)
    is_float = name in INFINITY
    constants = {
        "SIGN": -1 << (bits - 1),
        "LARGEST": INFINITY.get(name, 0),
        "IS_FLOAT": is_float,
        "IS_SIGNED": name.startswith("int"),
        "IS_DESCENDING": descending,
        "DIGITS": n_bytes,
    }
    element = f"{'int' if is_float or name.startswith('int') else 'uint'}{bits}*"
    code = Jitted(
        argsort,
        element,
        "int64*",
        *["int64"] * 7,
        scratch=f"int{8 * key_bytes}*",
        constants=constants,
    )
    ns = found.size * ELEMENT_NS
    width = grain(outer * inner, ns)
    words = [place(x), Place(z, 0), n, outer * inner, inner, width, x_group, x_step, x_line]
    scratch = (4 * n + n_bytes * BINS) * key_bytes
    return [Work(code, words, -(-outer * inner // width), ns, scratch)]


KERNELS = {"argsort": argsort_work}
