"""Division with a remainder on lanes: `floordiv` and `remainder`, exact for every pair of operands.

Knows `Lanes` only, and the C library's fmod for quotients that fill a mantissa.  What integers
divided by 0 give is left open: the program is done again by kernels that raise.
"""

from __future__ import annotations

from rushlight.extend import float32, float64

from .lanes import Lanes
from .mathematics import FORMATS, per_lane

EXACT = 2**52  # below it an int64 is a float64, and the next one too


def floordiv(lanes: Lanes, x: str, y: str) -> str:
    """floor(x / y); of the least integer and -1, the least integer."""
    if lanes.kind != "f":
        return of_integers(lanes, x, y)[0]
    q, left, _ = of_sizes(lanes, x, y)
    signs = lanes.on_bits("xor", lanes.as_bits(x), lanes.as_bits(y))
    up = lanes.where(uneven(lanes, left, signs), lanes.literal(1.0), lanes.literal(0.0))
    return lanes.intrinsic("copysign", lanes.add(q, up), lanes.from_bits(signs))


def remainder(lanes: Lanes, x: str, y: str) -> str:
    """x - y floor(x / y), with the sign of y; a 0 has the sign of x."""
    if lanes.kind != "f":
        return of_integers(lanes, x, y)[1]
    _, left, by = of_sizes(lanes, x, y)
    signs = lanes.on_bits("xor", lanes.as_bits(x), lanes.as_bits(y))
    size = lanes.where(uneven(lanes, left, signs), lanes.sub(by, left), left)
    zero = lanes.equal(left, lanes.literal(0.0))
    return lanes.intrinsic("copysign", size, lanes.where(zero, x, y))


def uneven(lanes: Lanes, left: str, signs: str) -> str:
    """Where something is left of operands whose signs differ, so that floor and trunc do."""
    differ = lanes.fn.op(f"icmp slt {lanes.bits} {signs}, {lanes.integer(0)}")
    return lanes.fn.op(
        f"and {lanes.truth} {differ}, {lanes.compare('one', left, lanes.literal(0.0))}"
    )


def of_sizes(lanes: Lanes, x: str, y: str) -> tuple[str, str, str]:
    """(q, |x| - q |y|, |y|) with q = trunc(|x| / |y|), of floating numbers.

    The rounded ratio is never below a whole number that the exact one reaches: its whole part is q,
    or q + 1.  What either leaves is a number of the type.
    """
    fn, zero = lanes.fn, lanes.literal(0.0)
    x, y = lanes.abs(x), lanes.abs(y)
    ratio = lanes.div(x, y)
    q = lanes.floor(ratio)
    left = lanes.fma(lanes.neg(q), y, x)
    left = lanes.where(lanes.equal(q, zero), x, left)  # 0 times an infinite y is nan
    beyond = lanes.less(left, zero)
    q = lanes.where(beyond, lanes.op("fsub", q, lanes.literal(1.0)), q)
    left = lanes.where(beyond, lanes.op("fadd", left, y), left)
    places = [fn.alloca(lanes.ty, align=64) for _ in range(2)]
    for place, found in zip(places, (q, left), strict=True):
        fn.store(lanes.ty, found, place)
    many = lanes.compare("oge", ratio, lanes.literal(2.0 ** FORMATS[lanes.element].mantissa))
    with fn.when(lanes.any(many)):
        exact = per_lane(lanes, "fmod", x, y)
        whole = lanes.intrinsic("rint", lanes.div(lanes.op("fsub", x, exact), y))
        whole = lanes.where(lanes.equal(y, zero), ratio, whole)
        for place, found, near in zip(places, (whole, exact), (q, left), strict=True):
            fn.store(lanes.ty, lanes.where(many, found, near), place)
    q, left = (fn.load(lanes.ty, place) for place in places)
    return q, left, y


def of_integers(lanes: Lanes, x: str, y: str) -> tuple[str, str]:
    """(floor(x / y), x - y floor(x / y)) of integers, by way of the ratio in floating point.

    float32 has bits enough that the floor of a ratio of 16 bits is exact, float64 for 32 bits.
    """
    if lanes.element == "i64":
        return of_int64(lanes, x, y)
    narrow = lanes.dtype.itemsize < float32.itemsize
    wide = Lanes(lanes.fn, lanes.n, float32 if narrow else float64)
    q = whole(lanes, wide, wide.floor(ratio(lanes, wide, x, y)))
    return q, lanes.sub(x, lanes.mul(q, y))


def ratio(lanes: Lanes, wide: Lanes, x: str, y: str) -> str:
    """x / y in floating point."""
    return wide.div(wide.cast(x, lanes), wide.cast(y, lanes))


def whole(lanes: Lanes, wide: Lanes, q: str) -> str:
    """A whole number that x / y may be as an integer; of types of 32 bits the largest may wrap."""
    fn, through = lanes.fn, lanes.vector("i32")
    if lanes.kind == "u":
        found = fn.op(f"fptoui {wide.ty} {q} to {through}")
    else:
        top, least = wide.literal(2.0**31), wide.literal(-(2.0**31))
        found = fn.op(f"fptosi {wide.ty} {wide.where(wide.less(q, top), q, least)} to {through}")
    return found if lanes.element == "i32" else fn.op(f"trunc {through} {found} to {lanes.ty}")


def of_int64(lanes: Lanes, x: str, y: str) -> tuple[str, str]:
    """The same of int64: the ratio of what the first one leaves puts it right.

    Where x is below EXACT the first floor is exact.  What else it leaves is less than twice y, or
    both are float64: the second is never too small, as rounding keeps order, nor too large by 2.
    """
    fn, wide = lanes.fn, Lanes(lanes.fn, lanes.n, float64)
    most = wide.literal(2.0**63 - 2.0**10)

    def step(x: str) -> tuple[str, str]:
        found = wide.smaller(most, wide.floor(ratio(lanes, wide, x, y)))
        q = fn.op(f"fptosi {wide.ty} {found} to {lanes.ty}")
        return q, lanes.sub(x, lanes.mul(q, y))

    zero = lanes.constant(0)
    places = [fn.alloca(lanes.ty, align=64) for _ in range(2)]
    q, left = step(x)
    for place, found in zip(places, (q, left), strict=True):
        fn.store(lanes.ty, found, place)
    beyond = lanes.op("icmp ugt", lanes.add(x, lanes.constant(EXACT)), lanes.constant(2 * EXACT))
    with fn.when(lanes.any(beyond)):
        more, left = step(left)
        q = lanes.add(q, more)
        against = lanes.less(lanes.op("xor", left, y), zero)
        against = fn.op(f"and {lanes.truth} {against}, {lanes.op('icmp ne', left, zero)}")
        q = lanes.where(against, lanes.sub(q, lanes.constant(1)), q)
        left = lanes.where(against, lanes.add(left, y), left)
        for place, found in zip(places, (q, left), strict=True):
            fn.store(lanes.ty, found, place)
    q, left = (fn.load(lanes.ty, place) for place in places)
    return q, left


FUNCTIONS = {"floordiv": floordiv, "remainder": remainder}
