"""Functions of floating lanes: polynomials for float32, the C library lane by lane for the rest.

Knows `Lanes` only.  Coefficients stand with their source; the errors stated beside them were
measured over the float32 numbers against float64 (tests/backend_numba/test_lanes.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from rushlight.extend import float64

from .lanes import Lanes

SHIFT = {"float": 1.5 * 2**23, "double": 1.5 * 2**52}  # adding it rounds to a whole number
EXPONENT = 23  # bits below a float32's exponent
BIAS = 127


def polynomial(lanes: Lanes, x: str, coefficients: Sequence[float]) -> str:
    """Horner's scheme, the highest power first."""
    found = lanes.literal(coefficients[0])
    for c in coefficients[1:]:
        found = lanes.fma(found, x, lanes.literal(c))
    return found


def rounded(lanes: Lanes, x: str, factor: float) -> tuple[str, str]:
    """x * factor to the nearest whole number: as a number, and as bits whose lowest are it."""
    shift = lanes.literal(SHIFT[lanes.element])
    shifted = lanes.fma(x, lanes.literal(factor), shift)
    return lanes.op("fsub", shifted, shift), lanes.as_bits(shifted)


def per_lane(lanes: Lanes, name: str, *operands: str) -> str:
    """A function of the C library, called for each lane."""
    fn = lanes.fn
    element = lanes.element
    symbol = name if element == "double" else f"{name}f"
    if lanes.n == 1:
        return fn.call(element, symbol, *[(element, x) for x in operands])
    places = [fn.alloca(lanes.ty, align=64) for _ in operands]
    for x, place in zip(operands, places, strict=True):
        fn.store(lanes.ty, x, place)
    with fn.loop(0, lanes.n) as i:
        ones = [(element, fn.load(element, fn.gep(place, i, element))) for place in places]
        fn.store(element, fn.call(element, symbol, *ones), fn.gep(places[0], i, element))
    return fn.load(lanes.ty, places[0])


def power_of_two(lanes: Lanes, k: str) -> str:
    """2 ** k of an integer k that a normal number's exponent holds."""
    biased = lanes.on_bits("add", k, BIAS)
    return lanes.from_bits(lanes.on_bits("shl", biased, EXPONENT))


# exp on [-ln 2 / 2, ln 2 / 2].  Source: Cephes, single/expf.c.
EXP = (
    1.9875691500e-4,
    1.3981999507e-3,
    8.3334519073e-3,
    4.1665795894e-2,
    1.6666665459e-1,
    5.0000001201e-1,
)
LN2 = (0.693359375, -2.12194440e-4)  # its upper bits, and the rest


def exponential(lanes: Lanes, x: str) -> tuple[str, str]:
    """(y, k): e ** x = y * 2 ** k, y between sqrt(1/2) and sqrt(2)."""
    n, bits = rounded(lanes, x, math.log2(math.e))
    r = lanes.fma(n, lanes.literal(-LN2[0]), x)
    r = lanes.fma(n, lanes.literal(-LN2[1]), r)
    p = polynomial(lanes, r, EXP)
    y = lanes.fma(p, lanes.mul(r, r), lanes.add(r, lanes.literal(1.0)))
    return y, lanes.on_bits("sub", bits, lanes.as_bits(lanes.literal(SHIFT["float"])))


def exp(lanes: Lanes, x: str) -> str:
    """e ** x: inf above 88.73, denormal below -87.33, 0 below -103.97.  Within 1.3 ulp."""
    x = lanes.smaller(lanes.literal(89.0), lanes.larger(lanes.literal(-104.0), x))
    y, k = exponential(lanes, x)
    half = lanes.on_bits("ashr", k, 1)  # in two steps, since 2 ** k may be no normal number
    rest = lanes.on_bits("sub", k, half)
    y = lanes.op("fmul", y, power_of_two(lanes, half))
    return lanes.op("fmul", y, power_of_two(lanes, rest))


def exp_normal(lanes: Lanes, x: str) -> str:
    """e ** x of an x between -87 and 88."""
    y, k = exponential(lanes, x)
    return lanes.op("fmul", y, power_of_two(lanes, k))


# log(1 + x) on [sqrt(1/2) - 1, sqrt(2) - 1].  Source: Cephes, single/logf.c.
LOG = (
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)
ROOT_HALF = 0x3F3504F3  # the bits of sqrt(1/2)
TINY = 2.0**-126  # the least normal float32


def log(lanes: Lanes, x: str) -> str:
    """The natural logarithm: -inf of 0, NaN below.  Within 0.9 ulp."""
    small = lanes.compare("olt", x, lanes.literal(TINY))
    normal = lanes.where(small, lanes.mul(x, lanes.literal(2.0**23)), x)
    bits = lanes.as_bits(normal)
    above = lanes.on_bits("sub", bits, ROOT_HALF)
    whole = lanes.on_bits("ashr", above, EXPONENT)
    mantissa = lanes.on_bits("sub", bits, lanes.on_bits("shl", whole, EXPONENT))
    m = lanes.sub(lanes.from_bits(mantissa), lanes.literal(1.0))
    e = lanes.fn.op(f"sitofp {lanes.bits} {whole} to {lanes.ty}")
    e = lanes.where(small, lanes.sub(e, lanes.literal(23.0)), e)
    z = lanes.mul(m, m)
    y = lanes.mul(lanes.mul(polynomial(lanes, m, LOG), m), z)
    y = lanes.fma(e, lanes.literal(LN2[1]), y)
    y = lanes.fma(z, lanes.literal(-0.5), y)
    y = lanes.fma(e, lanes.literal(LN2[0]), lanes.add(m, y))
    return outside(lanes, x, y)


def outside(lanes: Lanes, x: str, y: str) -> str:
    """A logarithm y of x, put right where x is no positive finite number."""
    zero, infinity = lanes.literal(0.0), lanes.literal(math.inf)
    positive = lanes.compare("ogt", x, zero)
    finite = lanes.compare("olt", x, infinity)
    at_zero = lanes.where(lanes.equal(x, zero), lanes.literal(-math.inf), x)
    below = lanes.where(lanes.less(x, zero), lanes.literal(math.nan), at_zero)
    inside = lanes.fn.op(f"and {lanes.truth} {positive}, {finite}")
    return lanes.where(inside, y, below)


# tanh(x) = x + x^3 P(x^2) below the bound, 1 - 2 / (exp(2 x) + 1) above.
# Source: Cephes, single/tanhf.c.
TANH = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
TANH_BOUND = 0.625
TANH_ONE = 10.0  # from 9.02 on tanh is 1


def tanh(lanes: Lanes, x: str) -> str:
    """The hyperbolic tangent.  Within 1.4 ulp."""
    size = lanes.abs(x)
    z = lanes.mul(x, x)
    near = lanes.fma(polynomial(lanes, z, TANH), lanes.mul(z, size), size)
    double = lanes.smaller(lanes.literal(2 * TANH_ONE), lanes.add(size, size))
    above = lanes.add(exp_normal(lanes, double), lanes.literal(1.0))
    far = lanes.sub(lanes.literal(1.0), lanes.div(lanes.literal(2.0), above))
    small = lanes.compare("olt", size, lanes.literal(TANH_BOUND))
    return lanes.intrinsic("copysign", lanes.where(small, near, far), x)


# erf(x) = x + x P(x^2) below the bound, 1 - exp(|x| Q(|x|) - |x|) above.
# Source: N. Juffa, "erff", stackoverflow.com/questions/35148198 (2016, BSD).
ERF_BOUND = 0.927734375
ERF_ONE = -20.0  # 1 - exp(-20) is 1
ERF_P = (
    -5.96761703e-4,
    4.99119423e-3,
    -2.67681349e-2,
    1.12819925e-1,
    -3.76125336e-1,
    1.28379166e-1,
)
ERF_Q = (
    -1.72853470e-5,
    3.83197126e-4,
    -3.88396438e-3,
    2.42546219e-2,
    -1.06777877e-1,
    -6.34846687e-1,
    -1.28717512e-1,
)


def erf(lanes: Lanes, x: str) -> str:
    """2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.  Within 1.0 ulp."""
    size = lanes.abs(x)
    near = polynomial(lanes, lanes.mul(x, x), ERF_P)
    near = lanes.fma(near, x, x)
    far = polynomial(lanes, size, ERF_Q)
    far = lanes.fma(far, size, lanes.neg(size))
    far = lanes.larger(lanes.literal(ERF_ONE), far)
    far = lanes.sub(lanes.literal(1.0), exp_normal(lanes, far))
    far = lanes.intrinsic("copysign", far, x)
    return lanes.where(lanes.compare("ogt", size, lanes.literal(ERF_BOUND)), far, near)


# sin and cos on [-pi/4, pi/4].  Source: Cephes, single/sinf.c.
SIN = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
COS = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
HALF_PI = (math.pi / 2, 6.123233995736766e-17)  # float64, and what it lacks
REDUCED_BELOW = 2.0**45  # two float64 numbers reduce smaller arguments to float32's precision


def quadrant(lanes: Lanes, x: str) -> tuple[str, str]:
    """(r, q): x - q pi/2 in [-pi/4, pi/4], and q, of which the lowest bits count."""
    wide = Lanes(lanes.fn, lanes.n, float64)
    far = wide.cast(x, lanes)
    n, bits = rounded(wide, far, 2 / math.pi)
    r = wide.fma(n, wide.literal(-HALF_PI[0]), far)
    r = wide.fma(n, wide.literal(-HALF_PI[1]), r)
    q = lanes.fn.op(f"trunc {wide.bits} {bits} to {lanes.bits}")
    return lanes.cast(r, wide), q


def circular(lanes: Lanes, name: str, x: str, turns: int) -> str:
    """sin(x + turns * pi/2); what is too large to be reduced goes to the C library."""
    fn = lanes.fn
    r, q = quadrant(lanes, x)
    q = lanes.on_bits("add", q, turns)
    z = lanes.mul(r, r)
    sine = lanes.fma(lanes.mul(r, z), polynomial(lanes, z, SIN), r)
    cosine = lanes.fma(z, lanes.literal(-0.5), lanes.literal(1.0))
    cosine = lanes.fma(lanes.mul(z, z), polynomial(lanes, z, COS), cosine)
    odd = fn.op(f"trunc {lanes.bits} {q} to {lanes.truth}")
    sign = lanes.on_bits("shl", lanes.on_bits("and", q, 2), 30)
    found = lanes.as_bits(lanes.where(odd, cosine, sine))
    place = fn.alloca(lanes.ty, align=64)
    fn.store(lanes.ty, lanes.from_bits(lanes.on_bits("xor", found, sign)), place)
    huge = lanes.compare("oge", lanes.abs(x), lanes.literal(REDUCED_BELOW))
    with fn.when(lanes.any(huge)):
        fn.store(lanes.ty, per_lane(lanes, name, x), place)
    return fn.load(lanes.ty, place)


def sin(lanes: Lanes, x: str) -> str:
    """The sine.  Within 1.6 ulp."""
    y = circular(lanes, "sin", x, 0)
    return lanes.where(lanes.equal(x, lanes.literal(0.0)), x, y)  # -0 stays -0


def cos(lanes: Lanes, x: str) -> str:
    """The cosine.  Within 1.6 ulp."""
    return circular(lanes, "cos", x, 1)


# log2(m) = 2 / ln 2 atanh((m - 1) / (m + 1)) on [sqrt(1/2), sqrt(2)] and 2 ** x on [-1/2, 1/2]:
# Taylor's series in float64, cut where the rest is below 2 ** -36.
ATANH = tuple(2 / math.log(2) / k for k in (15, 13, 11, 9, 7, 5, 3, 1))
EXP2 = tuple(math.log(2) ** k / math.factorial(k) for k in range(10, -1, -1))
ROOT_HALF_64 = 0x3FE6A09E667F3BCD
EXPONENT_64 = 52
BIAS_64 = 1023


def log2(lanes: Lanes, x: str) -> str:
    """log2 of positive float64 numbers that are 0, normal, infinite or NaN; within 2 ** -36."""
    bits = lanes.as_bits(x)
    whole = lanes.on_bits("ashr", lanes.on_bits("sub", bits, ROOT_HALF_64), EXPONENT_64)
    mantissa = lanes.on_bits("sub", bits, lanes.on_bits("shl", whole, EXPONENT_64))
    m, one = lanes.from_bits(mantissa), lanes.literal(1.0)
    s = lanes.div(lanes.sub(m, one), lanes.add(m, one))
    p = polynomial(lanes, lanes.mul(s, s), ATANH)
    e = lanes.fn.op(f"sitofp {lanes.bits} {whole} to {lanes.ty}")
    return outside(lanes, x, lanes.fma(s, p, e))


def exp2(lanes: Lanes, x: str) -> str:
    """2 ** x of float64 numbers between -1000 and 1000."""
    n, bits = rounded(lanes, x, 1.0)
    y = polynomial(lanes, lanes.sub(x, n), EXP2)
    k = lanes.on_bits("sub", bits, lanes.as_bits(lanes.literal(SHIFT["double"])))
    scale = lanes.on_bits("shl", lanes.on_bits("add", k, BIAS_64), EXPONENT_64)
    return lanes.op("fmul", y, lanes.from_bits(scale))


def pow(lanes: Lanes, x: str, y: str) -> str:
    """x ** y as C's powf, by way of float64.  Within 0.6 ulp."""
    wide = Lanes(lanes.fn, lanes.n, float64)
    size = lanes.abs(x)
    t = wide.op("fmul", wide.cast(y, lanes), log2(wide, wide.cast(size, lanes)))
    t = wide.smaller(wide.literal(200.0), wide.larger(wide.literal(-200.0), t))
    return signed_power(lanes, x, y, lanes.cast(exp2(wide, t), wide))


def signed_power(lanes: Lanes, x: str, y: str, found: str) -> str:
    """|x| ** y put right for negative x, and for operands that decide alone."""
    fn, one = lanes.fn, lanes.literal(1.0)
    zero, infinity = lanes.literal(0.0), lanes.literal(math.inf)

    def both(a: str, b: str) -> str:
        return fn.op(f"and {lanes.truth} {a}, {b}")

    half = lanes.mul(y, lanes.literal(0.5))
    whole = lanes.compare("oeq", lanes.floor(y), y)
    odd = both(whole, lanes.compare("one", lanes.floor(half), half))
    turned = lanes.intrinsic("copysign", found, x)
    found = lanes.where(odd, turned, found)
    negative = both(lanes.less(x, zero), lanes.less(lanes.neg(infinity), x))
    fraction = both(lanes.compare("one", lanes.floor(y), y), negative)
    found = lanes.where(fraction, lanes.literal(math.nan), found)
    endless = both(lanes.equal(lanes.abs(x), one), lanes.equal(lanes.abs(y), infinity))
    found = lanes.where(endless, one, found)
    found = lanes.where(lanes.equal(x, one), one, found)
    return lanes.where(lanes.equal(y, zero), one, found)


FLOAT32: dict[str, Callable[..., str]] = {
    "exp": exp,
    "log": log,
    "tanh": tanh,
    "erf": erf,
    "sin": sin,
    "cos": cos,
    "pow": pow,
}
FUNCTIONS = frozenset(FLOAT32)


def function(lanes: Lanes, name: str, *operands: str) -> str:
    """One of FUNCTIONS of floating lanes."""
    if lanes.element == "double":
        return per_lane(lanes, name, *operands)
    return FLOAT32[name](lanes, *operands)
