"""Functions of floating lanes, in polynomials; the C library lane by lane where there are none.

Knows `Lanes` only.  Coefficients stand with their source, and the errors stated are measured: of
float32 over every 16th number (pow: over 20 million pairs) against float64, of float64 over
millions of samples against long double (tests/backend_numba/test_lanes.py).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.polynomial import Chebyshev, Polynomial

from rushlight.extend import float32, float64

from .lanes import WIDTH, Lanes, Typed, overloaded
from .llvm import FEATURES, Operand, f32

SCALES = "+avx512f" in FEATURES  # one instruction multiplies by powers of two of any size
ENTRIES = 16  # floats of which one instruction takes any, for each lane


class Format(NamedTuple):
    """What the functions know of float32 or float64.

    shift: adding it rounds to a whole number, which then stands in the lowest bits.
    mantissa: bits below the exponent.  least_mantissa: the bits of the least m of `split`.
    ln2: its upper bits, few enough that a product with an exponent is exact, and the rest, above 0.
    exp_range: where e ** x is neither 0 nor infinite, and a little more.
    exp: (e ** r - 1 - r) / r^2 on [-ln 2 / 2, ln 2 / 2].
    tanh_one: where tanh is 1.
    sin, cos: (sin r - r) / r^3 and (cos r - 1 + r^2 / 2) / r^4 in r^2, on [-pi/4, pi/4].
    reduced_below: larger arguments of sin and cos go to the C library.
    """

    shift: float
    mantissa: int
    bias: int
    least_mantissa: int
    ln2: tuple[float, float]
    exp_range: tuple[float, float]
    exp: tuple[float, ...]
    tanh_one: float
    sin: tuple[float, ...]
    cos: tuple[float, ...]
    reduced_below: float


# Source of exp, sin, cos: Cephes, single/expf.c and single/sinf.c.
FLOAT = Format(
    shift=1.5 * 2**23,
    mantissa=23,
    bias=127,
    least_mantissa=0x3F400000,  # 0.75
    ln2=(0.693145751953125, 1.42860682e-6),
    exp_range=(-104.0, 89.0),
    exp=(
        *(1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3),
        *(4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1),
    ),
    tanh_one=10.0,
    sin=(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1),
    cos=(2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2),
    reduced_below=2.0**45,
)
# Source of ln2: fdlibm, e_log.c; of exp: Taylor's series; of sin, cos: Cephes, double/sin.c.
DOUBLE = Format(
    shift=1.5 * 2**52,
    mantissa=52,
    bias=1023,
    least_mantissa=0x3FE6A09E667F3BCD,  # sqrt(1/2)
    ln2=(6.93147180369123816490e-01, 1.90821492927058770002e-10),
    exp_range=(-746.0, 710.0),
    exp=tuple(1 / math.factorial(k) for k in range(13, 1, -1)),
    tanh_one=20.0,
    sin=(
        *(1.58962301576546568060e-10, -2.50507477628578072866e-8, 2.75573136213857245213e-6),
        *(-1.98412698295895385996e-4, 8.33333333332211858878e-3, -1.66666666666666307295e-1),
    ),
    cos=(
        *(-1.13585365213876817300e-11, 2.08757008419747316778e-9, -2.75573141792967388112e-7),
        *(2.48015872888517045348e-5, -1.38888888888730564116e-3, 4.16666666666665929218e-2),
    ),
    reduced_below=2.0**27,
)
FORMATS = {"float": FLOAT, "double": DOUBLE}


def polynomial(lanes: Lanes, x: str, coefficients: Sequence[float]) -> str:
    """Horner's scheme, the highest power first."""
    found = lanes.literal(coefficients[0])
    for c in coefficients[1:]:
        found = lanes.fma(found, x, lanes.literal(c))
    return found


def rounded(lanes: Lanes, x: str, factor: float) -> tuple[str, str]:
    """x * factor to the nearest whole number: as a number, and as bits whose lowest are it."""
    shift = lanes.literal(FORMATS[lanes.element].shift)
    shifted = lanes.fma(x, lanes.literal(factor), shift)
    return lanes.op("fsub", shifted, shift), lanes.as_bits(shifted)


def whole(lanes: Lanes, bits: str) -> str:
    """The integer in the lowest bits that `rounded` gives."""
    shift = lanes.literal(FORMATS[lanes.element].shift)
    return lanes.on_bits("sub", bits, lanes.as_bits(shift))


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


# exp


def power_of_two(lanes: Lanes, k: str) -> str:
    """2 ** k of an integer k that a normal number's exponent holds."""
    format = FORMATS[lanes.element]
    biased = lanes.on_bits("add", k, format.bias)
    return lanes.from_bits(lanes.on_bits("shl", biased, format.mantissa))


def exponential(lanes: Lanes, x: str) -> tuple[str, str, str, str]:
    """(r, s, n, bits): e ** x = (1 + r + s) * 2 ** n, |r| < ln 2 / 2; n as `rounded` gives."""
    format = FORMATS[lanes.element]
    n, bits = rounded(lanes, x, math.log2(math.e))
    r = lanes.fma(n, lanes.literal(-format.ln2[0]), x)
    r = lanes.fma(n, lanes.literal(-format.ln2[1]), r)
    s = lanes.mul(polynomial(lanes, r, format.exp), lanes.mul(r, r))
    return r, s, n, bits


def exp(lanes: Lanes, x: str) -> str:
    """e ** x, denormal results included.  float32: within 1.3 ulp; float64: 1.3.

    What is 0 is chosen, not computed: a product that underflows costs 150 cycles, and masks of -inf
    under a softmax are many.
    """
    least, most = FORMATS[lanes.element].exp_range
    nothing = lanes.compare("olt", x, lanes.literal(least))
    x = lanes.smaller(lanes.literal(most), x)
    if not SCALES:
        x = lanes.larger(lanes.literal(least), x)
    r, s, n, bits = exponential(lanes, x)
    y = lanes.add(s, lanes.add(r, lanes.literal(1.0)))
    y = lanes.where(nothing, lanes.literal(0.0), y)
    if SCALES:
        return scaled(lanes, y, n, bits)
    k = whole(lanes, bits)
    half = lanes.on_bits("ashr", k, 1)  # in two steps, since 2 ** k may be no normal number
    rest = lanes.on_bits("sub", k, half)
    y = lanes.op("fmul", y, power_of_two(lanes, half))
    return lanes.op("fmul", y, power_of_two(lanes, rest))


def scaled(lanes: Lanes, y: str, n: str, bits: str) -> str:
    """y * 2 ** n, rounded once."""
    if lanes.ty == "<16 x float>":
        name = "llvm.x86.avx512.mask.scalef.ps.512"
        args: list[tuple[str, Operand]] = [(lanes.ty, y), (lanes.ty, n), (lanes.ty, "undef")]
        return lanes.fn.call(lanes.ty, name, *args, ("i16", -1), ("i32", 4))
    k, exponents = whole(lanes, bits), lanes.vector("i32")
    if lanes.element == "double":
        k = lanes.fn.op(f"trunc {lanes.bits} {k} to {exponents}")
    name = f"llvm.ldexp.{overloaded(lanes.ty)}.{overloaded(exponents)}"
    return lanes.fn.call(lanes.ty, name, (lanes.ty, y), (exponents, k))


# log


def split(lanes: Lanes, x: str) -> tuple[str, str]:
    """(m - 1, e): a positive normal x = m * 2 ** e, m from the least mantissa to twice that."""
    format = FORMATS[lanes.element]
    bits = lanes.as_bits(x)
    e = lanes.on_bits("ashr", lanes.on_bits("sub", bits, format.least_mantissa), format.mantissa)
    mantissa = lanes.on_bits("sub", bits, lanes.on_bits("shl", e, format.mantissa))
    m = lanes.op("fsub", lanes.from_bits(mantissa), lanes.literal(1.0))
    return m, lanes.fn.op(f"sitofp {lanes.bits} {e} to {lanes.ty}")


def split_any(lanes: Lanes, x: str) -> tuple[str, str]:
    """`split` of any float32, by instructions that know all of them, so nothing is put right.

    Of 0 e is -inf, of infinity inf, and of what is below 0 m is NaN.
    """
    from_least, or_nan = 0b11, 0b1000  # m is from 0.75 on; of numbers below 0 there is none
    m = of_floats(lanes, "getmant", x, ("i32", from_least | or_nan))
    e = lanes.op("fsub", of_floats(lanes, "getexp", x), of_floats(lanes, "getexp", m))
    return lanes.op("fsub", m, lanes.literal(1.0)), e


def of_floats(lanes: Lanes, name: str, x: str, *params: Typed) -> str:
    """An instruction on as many float32 as it takes, or on one."""
    fn, ty = lanes.fn, f"<{ENTRIES} x float>"
    if lanes.n == 1:
        x = fn.op(f"insertelement {ty} zeroinitializer, float {x}, i32 0")
    rest: list[Typed] = [(ty, "undef"), ("i16", -1), ("i32", 4)]  # all lanes, rounded as ever
    z = fn.call(ty, f"llvm.x86.avx512.mask.{name}.ps.512", (ty, x), *params, *rest)
    return z if lanes.n > 1 else fn.op(f"extractelement {ty} {z}, i32 0")


def outside(lanes: Lanes, x: str, y: str) -> str:
    """A logarithm y of x, put right where x is no positive finite number."""
    zero, infinity = lanes.literal(0.0), lanes.literal(math.inf)
    positive = lanes.compare("ogt", x, zero)
    finite = lanes.compare("olt", x, infinity)
    at_zero = lanes.where(lanes.equal(x, zero), lanes.literal(-math.inf), x)
    below = lanes.where(lanes.less(x, zero), lanes.literal(math.nan), at_zero)
    inside = lanes.fn.op(f"and {lanes.truth} {positive}, {finite}")
    return lanes.where(inside, y, below)


# (log(1 + m) - m + m^2 / 2) / m^3 at Chebyshev's nodes on [-1/4, 1/2], off by 8e-9 of log(1 + m).
LOG = (
    *(0.042871978, -0.095613398, 0.11680682, -0.12639311, 0.14268306),
    *(-0.16660817, 0.2000014, -0.25000057, 0.33333334),
)
# (log((1 + s) / (1 - s)) - 2 s) / s^3 in s^2.  Source: fdlibm, e_log.c.
LOG_64 = (
    *(1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01),
    *(2.222219843214978396e-01, 2.857142874366239149e-01, 3.999999999940941908e-01),
    6.666666666666735130e-01,
)


def log(lanes: Lanes, x: str) -> str:
    """The natural logarithm: -inf of 0, NaN below.  float32: within 0.9 ulp; float64: 1.0."""
    if SCALES and lanes.element == "float" and lanes.n in (1, ENTRIES):
        return log_float(lanes, *split_any(lanes, x))
    format = FORMATS[lanes.element]
    small = lanes.compare("olt", x, lanes.literal(2.0 ** (1 - format.bias)))
    large = lanes.op("fmul", x, lanes.literal(2.0**format.mantissa))
    m, e = split(lanes, lanes.where(small, large, x))
    shifted = lanes.op("fsub", e, lanes.literal(float(format.mantissa)))
    e = lanes.where(small, shifted, e)
    found = log_float(lanes, m, e) if lanes.element == "float" else log_double(lanes, m, e)
    return outside(lanes, x, found)


def log_float(lanes: Lanes, m: str, e: str) -> str:
    """log((1 + m) * 2 ** e) of float32."""
    z = lanes.mul(m, m)
    y = lanes.mul(lanes.mul(polynomial(lanes, m, LOG), m), z)
    y = lanes.fma(e, lanes.literal(FLOAT.ln2[1]), y)
    y = lanes.fma(z, lanes.literal(-0.5), y)
    return lanes.fma(e, lanes.literal(FLOAT.ln2[0]), lanes.add(m, y))


def log_double(lanes: Lanes, m: str, e: str) -> str:
    """log((1 + m) * 2 ** e) of float64."""
    s = lanes.div(m, lanes.add(m, lanes.literal(2.0)))
    z = lanes.mul(s, s)
    half = lanes.mul(lanes.mul(m, m), lanes.literal(0.5))
    rest = lanes.fma(z, polynomial(lanes, z, LOG_64), half)
    low = lanes.fma(s, rest, lanes.mul(e, lanes.literal(DOUBLE.ln2[1])))
    low = lanes.op("fsub", lanes.op("fsub", half, low), m)
    return lanes.op("fsub", lanes.op("fmul", e, lanes.literal(DOUBLE.ln2[0])), low)


# tanh


def tanh(lanes: Lanes, x: str) -> str:
    """The hyperbolic tangent: m / (m + 2), m = exp(2 |x|) - 1.  float32: 3.5 ulp; float64: 1.6."""
    one = lanes.literal(1.0)
    size = lanes.smaller(lanes.literal(FORMATS[lanes.element].tanh_one), lanes.abs(x))
    r, s, _, bits = exponential(lanes, lanes.add(size, size))
    power = power_of_two(lanes, whole(lanes, bits))
    m = lanes.fma(power, lanes.add(r, s), lanes.op("fsub", power, one))
    found = lanes.smaller(one, lanes.quotient(m, lanes.add(m, lanes.literal(2.0))))
    return lanes.intrinsic("copysign", found, x)


# erf(x) = |x| P(|x| - c) with the sign of x, c the nearest multiple of a step; P interpolates
# erf(x) / x at Chebyshev's nodes around c with an error of 7e-9, so it is as good near 0.
ERF_STEP = 0.25390625
ERF_DEGREE = 5
ERF_LAST = 3.92578125  # from where erf is 1, and so is the product there


@functools.cache
def erf_tables() -> list[list[float]]:
    """The coefficients of each power, the highest first, around each multiple of the step."""
    half = ERF_STEP / 2
    around = []
    for k in range(ENTRIES):
        ratio = np.vectorize(lambda t, c=k * ERF_STEP: math.erf(c + t) / (c + t))
        found = Chebyshev.interpolate(ratio, ERF_DEGREE, domain=[-half, half])
        around.append(found.convert(kind=Polynomial).coef)
    return [[float(x) for x in power] for power in np.array(around).T[::-1]]


def looked_up(lanes: Lanes, index: str, table: Sequence[float]) -> str:
    """What a table of float32 has at the lowest four bits of an index."""
    fn, entries = lanes.fn, f"<{', '.join(f'float {f32(x)}' for x in table)}>"
    if lanes.n == 1:
        place = fn.op(f"and i32 {index}, {ENTRIES - 1}")
        return fn.op(f"extractelement <{ENTRIES} x float> {entries}, i32 {place}")
    name = "llvm.x86.avx512.permvar.sf.512"
    return fn.call(lanes.ty, name, (lanes.ty, entries), (lanes.bits, index))


def erf_by_table(lanes: Lanes, x: str) -> str:
    """erf in two thirds of the instructions, where one looks up sixteen floats."""
    size = lanes.smaller(lanes.literal(ERF_LAST), lanes.abs(x))
    n, index = rounded(lanes, size, 1 / ERF_STEP)
    t = lanes.fma(n, lanes.literal(-ERF_STEP), size)
    first, *tables = erf_tables()
    found = looked_up(lanes, index, first)
    for table in tables:
        found = lanes.fma(found, t, looked_up(lanes, index, table))
    found = lanes.smaller(lanes.literal(1.0), lanes.mul(size, found))
    return lanes.intrinsic("copysign", found, x)


# Elsewhere x + x P(x^2) below the bound, 1 - 2 ** (|x| Q(|x|)) above, where that power is below 0.2
# and may be rougher: a polynomial of 2 ** r with a relative error of 7e-8.
# Source of P and of Q, here times log2(e): N. Juffa, "erff", stackoverflow.com/questions/35148198
# (2016, BSD).
ERF_BOUND = 0.927734375
ERF_ONE = 4.0  # from where erf is 1
ERF_P = (
    *(-5.96761703e-4, 4.99119423e-3, -2.67681349e-2),
    *(1.12819925e-1, -3.76125336e-1, 1.28379166e-1),
)
ERF_Q = (
    *(-2.49374844e-5, 5.528365934e-4, -5.60337615e-3, 3.499202273e-2),
    *(-1.540479136e-1, -9.158901671e-1, -1.628395157),
)
ERF_EXP2 = (
    *(1.32763815e-3, 9.675540609e-3, 5.550713553e-2),
    *(2.402211974e-1, 6.931469669e-1, 1.000000072),
)


def erf(lanes: Lanes, x: str) -> str:
    """2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.  float32: 2.4 ulp; float64: 1.2."""
    if lanes.element == "double":
        return erf_double(lanes, x)
    if SCALES and lanes.n in (1, ENTRIES):
        return erf_by_table(lanes, x)
    near = polynomial(lanes, lanes.mul(x, x), ERF_P)
    near = lanes.fma(near, x, x)
    size = lanes.abs(x)
    least = lanes.smaller(lanes.literal(ERF_ONE), size)
    power = lanes.mul(least, polynomial(lanes, least, ERF_Q))
    n, bits = rounded(lanes, power, 1.0)
    rest = polynomial(lanes, lanes.op("fsub", power, n), ERF_EXP2)
    exponent = lanes.on_bits("shl", bits, FLOAT.mantissa)
    rest = lanes.from_bits(lanes.on_bits("add", lanes.as_bits(rest), exponent))
    far = lanes.intrinsic("copysign", lanes.sub(lanes.literal(1.0), rest), x)
    return lanes.where(lanes.compare("ogt", size, lanes.literal(ERF_BOUND)), far, near)


# erf(x) / x - 1 on [-1, 1], in 2 x^2 - 1, and log(erfc(x)) + x^2 on [1, 6], in (x - 3.5) / 2.5:
# fitted in 60 digits to erf, off by 7e-18 at most.
ERF_NEAR = (
    *(-3.8091130861576496e-13, 9.211251231805432e-12, -2.035225021441655e-10),
    *(4.115751497655001e-09, -7.511569320435527e-08, 1.2233827638116419e-06),
    *(-1.7537169440976798e-05, 0.00021751715603563406, -0.0022854855611441397),
    *(0.019852496688984218, -0.1405360890227171, -0.0345312613301327),
)
ERF_FAR = (
    *(-2.831031960353857e-05, -0.00020352272434717738, -0.0006343579986701402),
    *(-0.0011709370972140252, -0.001354148996611575, -0.0009980576325734941),
    *(-0.00041006616504011526, 0.00010391925120953141, -0.00020005825970831703),
    *(0.0009525162968927471, -0.0023608394364351033, 0.005953097793565458),
    *(-0.014385614698593297, 0.03412817597335254, -0.08165092422720957),
    *(0.2077934095890667, -0.665248970656479, -1.8624374021415513),
)
ERF_LAST_64 = 6.0  # from where erf is 1


def erf_double(lanes: Lanes, x: str) -> str:
    """erf of float64."""
    size = lanes.smaller(lanes.literal(ERF_LAST_64), lanes.abs(x))
    at = lanes.fma(lanes.mul(x, x), lanes.literal(2.0), lanes.literal(-1.0))
    near = lanes.fma(polynomial(lanes, at, ERF_NEAR), x, x)
    at = lanes.fma(size, lanes.literal(0.4), lanes.literal(-1.4))
    exponent = lanes.fma(lanes.neg(size), size, polynomial(lanes, at, ERF_FAR))
    far = lanes.sub(lanes.literal(1.0), exp(lanes, exponent))
    far = lanes.intrinsic("copysign", far, x)
    return lanes.where(lanes.compare("ogt", size, lanes.literal(1.0)), far, near)


# sin and cos

HALF_PI = (math.pi / 2, 6.123233995736766e-17, -1.4973849048591833e-33)  # the sum of three float64


def quadrant(lanes: Lanes, x: str) -> tuple[str, str]:
    """(r, q): x - q pi/2 in [-pi/4, pi/4], and q, of which the lowest bits count.

    Reduced in float64.  Each product is exact in its fma, and so is the first difference.
    """
    wide = Lanes(lanes.fn, lanes.n, float64)
    far = wide.cast(x, lanes)
    r, bits = rounded(wide, far, 2 / math.pi)
    n, r = r, far
    for part in HALF_PI if lanes.element == "double" else HALF_PI[:2]:
        r = wide.fma(n, wide.literal(-part), r)
    if lanes.element == "double":
        return r, bits
    single = Lanes(lanes.fn, lanes.n, float32)  # a narrow type would round here, and at the end
    return single.cast(r, wide), lanes.fn.op(f"trunc {wide.bits} {bits} to {lanes.bits}")


def circular(lanes: Lanes, name: str, x: str, turns: int) -> str:
    """sin(x + turns * pi/2); what is too large to be reduced goes to the C library."""
    fn, format = lanes.fn, FORMATS[lanes.element]
    r, q = quadrant(lanes, x)
    q = lanes.on_bits("add", q, turns)
    z = lanes.mul(r, r)
    sine = lanes.fma(lanes.mul(r, z), polynomial(lanes, z, format.sin), r)
    cosine = lanes.fma(z, lanes.literal(-0.5), lanes.literal(1.0))
    cosine = lanes.fma(lanes.mul(z, z), polynomial(lanes, z, format.cos), cosine)
    odd = fn.op(f"trunc {lanes.bits} {q} to {lanes.truth}")
    sign = lanes.on_bits("shl", lanes.on_bits("and", q, 2), WIDTH[lanes.element] - 2)
    found = lanes.as_bits(lanes.where(odd, cosine, sine))
    place = fn.alloca(lanes.ty, align=64)
    fn.store(lanes.ty, lanes.from_bits(lanes.on_bits("xor", found, sign)), place)
    huge = lanes.compare("oge", lanes.abs(x), lanes.literal(format.reduced_below))
    with fn.when(lanes.any(huge)):
        fn.store(lanes.ty, per_lane(lanes, name, x), place)
    return fn.load(lanes.ty, place)


def sin(lanes: Lanes, x: str) -> str:
    """The sine.  float32: within 1.6 ulp; float64: 1.6."""
    y = circular(lanes, "sin", x, 0)
    return lanes.where(lanes.equal(x, lanes.literal(0.0)), x, y)  # -0 stays -0


def cos(lanes: Lanes, x: str) -> str:
    """The cosine.  float32: within 1.6 ulp; float64: 1.6."""
    return circular(lanes, "cos", x, 1)


# pow of float32: log2(m) = 2 / ln 2 atanh((m - 1) / (m + 1)) on [sqrt(1/2), sqrt(2)] and 2 ** x on
# [-1/2, 1/2], Taylor's series in float64, cut where the rest is below 2 ** -36.
ATANH = tuple(2 / math.log(2) / k for k in (15, 13, 11, 9, 7, 5, 3, 1))
EXP2 = tuple(math.log(2) ** k / math.factorial(k) for k in range(10, -1, -1))


def log2(lanes: Lanes, x: str) -> str:
    """log2 of positive float64 numbers that are 0, normal, infinite or NaN; within 2 ** -36."""
    m, e = split(lanes, x)
    s = lanes.div(m, lanes.add(m, lanes.literal(2.0)))
    p = polynomial(lanes, lanes.mul(s, s), ATANH)
    return outside(lanes, x, lanes.fma(s, p, e))


def exp2(lanes: Lanes, x: str) -> str:
    """2 ** x of float64 numbers between -1000 and 1000; within 2 ** -36."""
    n, bits = rounded(lanes, x, 1.0)
    y = polynomial(lanes, lanes.op("fsub", x, n), EXP2)
    return lanes.op("fmul", y, power_of_two(lanes, whole(lanes, bits)))


def pow(lanes: Lanes, x: str, y: str) -> str:
    """x ** y as C's pow.  float32: within 0.6 ulp, by way of float64."""
    if lanes.element == "double":
        return per_lane(lanes, "pow", x, y)
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
    is_whole = lanes.compare("oeq", lanes.floor(y), y)
    odd = both(is_whole, lanes.compare("one", lanes.floor(half), half))
    turned = lanes.intrinsic("copysign", found, x)
    found = lanes.where(odd, turned, found)
    negative = both(lanes.less(x, zero), lanes.less(lanes.neg(infinity), x))
    fraction = both(lanes.compare("one", lanes.floor(y), y), negative)
    found = lanes.where(fraction, lanes.literal(math.nan), found)
    endless = both(lanes.equal(lanes.abs(x), one), lanes.equal(lanes.abs(y), infinity))
    found = lanes.where(endless, one, found)
    found = lanes.where(lanes.equal(x, one), one, found)
    return lanes.where(lanes.equal(y, zero), one, found)


def nearest(lanes: Lanes, x: str) -> str:
    """The nearest whole number, of two the even one."""
    return lanes.intrinsic("rint", x)


TABLE: dict[str, Callable[..., str]] = {
    "exp": exp,
    "log": log,
    "tanh": tanh,
    "erf": erf,
    "sin": sin,
    "cos": cos,
    "pow": pow,
    "round": nearest,
}
FUNCTIONS = frozenset(TABLE)


def function(lanes: Lanes, name: str, *operands: str) -> str:
    """One of FUNCTIONS of floating lanes."""
    return TABLE[name](lanes, *operands)
