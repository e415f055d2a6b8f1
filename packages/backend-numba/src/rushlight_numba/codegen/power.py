"""Powers on lanes: of integers, and of floating numbers to exponents that are known.

Knows `Lanes` only; other powers of floating numbers are `mathematics`'.
"""

from __future__ import annotations

from collections.abc import Callable

from .lanes import Lanes, overloaded


def inverse(lanes: Lanes, x: str) -> str:
    """1 / x."""
    return lanes.div(lanes.literal(1.0), x)


def square(lanes: Lanes, x: str) -> str:
    """x x."""
    return lanes.mul(x, x)


def cube(lanes: Lanes, x: str) -> str:
    """x x x."""
    return lanes.mul(square(lanes, x), x)


# x ** y of constants y that stand in a nest's text; PyTorch's root of -inf is nan too, of -0 -0.
KNOWN: dict[float, Callable[[Lanes, str], str]] = {
    -1: inverse,
    0.5: Lanes.sqrt,
    2: square,
    3: cube,
}


def of_integers(lanes: Lanes, x: str, y: str) -> str:
    """x ** y, which wraps around; of negative y 0, but of 1 and -1.

    Squares of x, multiplied where a bit of y is 1, for as many bits as the largest y has.
    """
    fn, one, zero = lanes.fn, lanes.constant(1), lanes.constant(0)
    if lanes.kind == "i":
        negative = lanes.less(y, zero)
        unit = lanes.equal(lanes.abs(x), one)
        x = lanes.where(negative, lanes.where(unit, x, zero), x)
        # of 1 and -1 only the lowest bit counts; of 0 any other than 0
        y = lanes.where(negative, lanes.op("sub", lanes.constant(2), lanes.op("and", y, one)), y)
    places = [fn.alloca(lanes.ty, align=64) for _ in range(3)]
    found, power, left = places
    for place, value in zip(places, (one, x, y), strict=True):
        fn.store(lanes.ty, value, place)
    most = y if lanes.n == 1 else lanes.across("umax", y)
    zeros = fn.call(
        lanes.element,
        f"llvm.ctlz.{overloaded(lanes.element)}",
        (lanes.element, most),
        ("i1", "false"),
    )
    bits = 8 * lanes.dtype.itemsize
    if bits < 64:
        zeros = fn.op(f"zext {lanes.element} {zeros} to i64")
    with fn.loop(0, fn.sub(bits, zeros)):
        z, p, e = (fn.load(lanes.ty, place) for place in places)
        odd = fn.op(f"trunc {lanes.ty} {e} to {lanes.truth}")
        fn.store(lanes.ty, lanes.where(odd, lanes.mul(z, p), z), found)
        fn.store(lanes.ty, lanes.mul(p, p), power)
        fn.store(lanes.ty, lanes.op("lshr", e, one), left)
    return fn.load(lanes.ty, found)
