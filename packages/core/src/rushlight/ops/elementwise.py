"""Elementwise operations: each result element depends on the elements at its place."""

from __future__ import annotations

import math
from typing import Any

from .. import dtypes
from ..cell import Number
from ..dtypes import DType
from ..errors import ContractError, WrongDtype, WrongType
from ..op import composite, primitive
from ..spec import Spec, broadcast
from .creation import constant

__all__ = [
    "abs", "acos", "acosh", "add", "addcmul", "asin", "asinh", "atan", "atan2", "atanh",
    "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "cast", "ceil", "clone", "cos",
    "cosh", "div", "equal", "erf", "erfinv", "exp", "exp2", "expm1", "floor", "floordiv", "fmod",
    "gate", "gelu", "gelu_tanh", "greater", "greater_equal", "hypot", "kink", "kinked", "less",
    "less_equal", "log", "log1p", "log1p_exp", "log2", "log10", "logaddexp", "maximum", "minimum",
    "mul", "neg", "not_equal", "pow", "relu", "remainder", "root", "round", "rsqrt", "sigmoid",
    "sign", "signbit", "silu", "sin", "sinh", "sqrt", "sub", "tan", "tanh", "trunc", "where",
    "xlogy",
]  # fmt: skip

# -- element types: how inputs meet


def number_type(x: Any) -> type | None:
    """The Python type of a number, symbolic or not; None for anything else."""
    if isinstance(x, Number):
        return x.kind
    return type(x) if type(x) in dtypes.NUMBERS else None


def common(inputs: tuple[Any, ...]) -> DType:
    """The type in which inputs meet: a 0-d tensor yields to others of its kind, a number to all."""
    found: DType | None = None
    alone: DType | None = None
    numbers = []
    for x in inputs:
        number = number_type(x)
        if number is not None:
            numbers.append(number)
        elif x.shape:
            found = x.dtype if found is None else dtypes.promote(found, x.dtype)
        else:
            alone = x.dtype if alone is None else dtypes.promote(alone, x.dtype)
    if found is None:
        found = alone
    elif alone is not None and dtypes.kind(alone) > dtypes.kind(found):
        found = dtypes.promote(found, alone)
    assert found is not None, "the interpreter refuses calls without a tensor"
    for number in numbers:
        found = dtypes.promote_number(found, number)
    return found


def convert(x: Any, dtype: DType) -> Any:
    """x as that type; a number as it is, an integer beyond the type as its bits are there."""
    if number_type(x) is None:
        return x if x.dtype is dtype else cast(x, dtype)
    if type(x) is not int or dtype not in dtypes.INTEGER:
        return x
    most = 2 ** (8 * dtype.itemsize)
    least = -most // 2 if dtype.kind == "i" else 0
    return (x - least) % most + least if -(2**64) < x < 2**64 else x


def converted(inputs: tuple[Any, ...], dtype: DType) -> tuple[Any, ...]:
    """The inputs in one type.  Numbers stay numbers, unless it is foreign to the host library."""
    inputs = tuple([convert(x, dtype) for x in inputs])
    return filled(inputs) if dtype in dtypes.FOREIGN else inputs


def promoted(*inputs: Any) -> tuple[Any, ...]:
    """The inputs in the type in which they meet."""
    return converted(inputs, common(inputs))


def compared(*inputs: Any) -> tuple[Any, ...]:
    """The inputs in the type in which they meet, but integers beyond it as they are."""
    dtype = common(inputs)
    if dtype not in dtypes.INTEGER:
        return converted(inputs, dtype)
    return tuple([x if type(x) is int else convert(x, dtype) for x in inputs])


def floated(*inputs: Any) -> tuple[Any, ...]:
    """The same, in floating point."""
    dtype = common(inputs)
    return converted(inputs, dtype if dtype in dtypes.FLOATING else dtypes.default_float)


floating_primitive = primitive(promotes=floated, floating=True)
floating_composite = composite(promotes=floated, floating=True)


def filled(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """The inputs, which are of one type, numbers made tensors of it."""
    like = next(x for x in inputs if number_type(x) is None)
    return tuple([x if number_type(x) is None else constant(x, (), like) for x in inputs])


def promoted_tensors(*inputs: Any) -> tuple[Any, ...]:
    """promoted, and numbers made tensors."""
    return filled(promoted(*inputs))


def floated_tensors(*inputs: Any) -> tuple[Any, ...]:
    """The same, in floating point."""
    return filled(floated(*inputs))


def masked(cond: Any, *inputs: Any) -> tuple[Any, ...]:
    """The same for all inputs but the condition."""
    if number_type(cond) is not None:
        raise WrongType(f"where: the condition is {cond}; make it a tensor with rl.tensor()")
    if all(number_type(x) is not None for x in inputs):
        kinds = [dtypes.NUMBERS.index(number_type(x)) for x in inputs]
        dtype = (dtypes.bool_, dtypes.int64, dtypes.default_float)[max(kinds)]
        x, *rest = inputs
        zeros = cast(cond, dtype) * False  # where() needs one tensor among its values
        return cond, zeros + x, *rest
    return cond, *promoted(*inputs)


def elementwise(op: str, *inputs: Any, dtype: DType | None = None) -> Spec:
    """The Spec of an elementwise result.  Raises: ContractError if shapes do not broadcast."""
    specs = [x for x in inputs if isinstance(x, Spec)]
    found = {x.dtype for x in specs}
    if len(found) > 1 and dtype is None:
        given = " and ".join(map(str, specs))
        raise ContractError(f"{op}: element types {given}; convert one with .to()")
    return Spec(broadcast(op, *(x.shape for x in specs)), dtype or specs[0].dtype)


def meet(op: str, x: Any, y: Any) -> None:
    """Raises: ContractError unless the operands of a composite broadcast."""
    broadcast(op, *[tuple(v.shape) for v in (x, y) if number_type(v) is None])


def quotient(op: str, x: Any, y: Any) -> Spec:
    """The Spec of an operation that bools do not have, as in PyTorch.  Raises: WrongDtype."""
    made = elementwise(op, x, y)
    refuse_bools(op, made.dtype)
    return made


def refuse_bools(op: str, dtype: DType) -> None:
    """Raises: WrongDtype if this is bool."""
    if dtype is dtypes.bool_:
        raise WrongDtype(f"{op}: of bools there is none; convert one with .to()")


def integral(op: str, *inputs: Any) -> Spec:
    """The Spec of an operation on bits.  Raises: WrongDtype for floating inputs."""
    for x in inputs:
        if isinstance(x, float) or (isinstance(x, Spec) and x.dtype in dtypes.FLOATING):
            raise WrongDtype(
                f"{op}: {x} has no bits to work on; convert it to int or bool with .to()"
            )
    return elementwise(op, *inputs)


# -- arithmetic


@primitive
def cast(x: Spec, *, dtype: DType) -> Spec:
    """The values of x as another element type; to bool: x != 0.  [*s] -> [*s]."""
    return Spec(x.shape, dtype)


cast.gradients(x=lambda g: g)  # the tape walk converts it back


@composite
def clone(x: Any) -> Any:
    """x in memory of its own, where somebody may write that of x.  [*s] -> [*s]."""
    return cast(x, x.dtype)


clone.gradients(x=lambda g: g)


@primitive(promotes=promoted)
def add(x: Any, y: Any) -> Spec:
    """x + y; of bools, or.  [*s], [*s] -> [*s]."""
    return elementwise("add", x, y)


add.gradients(x=lambda g: g, y=lambda g: g)


@primitive(promotes=promoted)
def mul(x: Any, y: Any) -> Spec:
    """x * y; of bools, and.  [*s], [*s] -> [*s]."""
    return elementwise("mul", x, y)


mul.gradients(x=lambda g, y: g * y, y=lambda g, x: g * x)


def signed(x: Any, y: Any) -> tuple[Any, ...]:
    """promoted, but for bools, which have no minus."""
    for v in (x, y):
        if number_type(v) is None and v.dtype is dtypes.bool_:
            raise WrongDtype(
                "sub: bool has no minus; use ^ for a difference, or convert with .to()"
            )
    return promoted(x, y)


@composite(promotes=signed)
def sub(x: Any, y: Any) -> Any:
    """x - y; of bools: WrongDtype, as in PyTorch.  [*s], [*s] -> [*s]."""
    meet("sub", x, y)
    if number_type(y) is not None and x.dtype.kind == "u":
        return -(-x + y)  # -y is no number of x's type
    return x + -y


sub.gradients(x=lambda g: g, y=lambda g: -g)


@floating_primitive
def div(x: Any, y: Any) -> Spec:
    """x / y in floating point; by zero: inf with the sign of x, or nan.  [*s], [*s] -> [*s]."""
    return elementwise("div", x, y)


div.gradients(x=lambda g, y: g / y, y=lambda g, z, y: -g * z / y)


def level(g: Any) -> Any:
    """The gradient of steps: 0 everywhere.  [*s] -> [*s]."""
    return constant(0, g.shape, g)


@primitive(promotes=promoted)
def floordiv(x: Any, y: Any) -> Spec:
    """floor(x / y); ContractError for an integer by a known zero, and for bools.

    [*s], [*s] -> [*s].
    """
    return quotient("floordiv", x, y)


floordiv.gradients(x=level, y=level)


@composite(promotes=promoted)
def remainder(x: Any, y: Any) -> Any:
    """x - floor(x / y) * y, with the sign of y; a 0 has that of x.  [*s], [*s] -> [*s]."""
    meet("remainder", x, y)
    refuse_bools("remainder", common((x, y)))
    q = floordiv(x, y)
    left = x - where(equal(q, 0), 0, q * y)  # 0 times an infinite y is nan, and x is left
    return where(equal(left, 0), x * 0, left)


remainder.gradients(x=lambda g: g, y=lambda g, x, y: -g * floordiv(x, y))


def raised(x: Any, y: Any) -> tuple[Any, ...]:
    """promoted; of a type without minus, -1 would become the largest."""
    if type(y) is int and y < 0 and number_type(x) is None and x.dtype.kind == "u":
        raise ContractError(
            f"pow: {x.dtype.name} to {y}; integers to negative integer powers are not allowed, "
            f"convert the base to floating point"
        )
    return promoted(x, y)


@primitive(promotes=raised)
def pow(x: Any, y: Any) -> Spec:
    """x ** y; 0 ** 0 is 1; a negative base to a fraction is nan.  [*s], [*s] -> [*s].

    Of integers to negative ones 0 is left, but of 1 and -1.
    Raises: ContractError for bools, and for an integer to a negative number.
    """
    return quotient("pow", x, y)


def pow_gx(g: Any, x: Any, y: Any) -> Any:
    """g y x^(y-1), and 0 where y is 0."""
    if isinstance(y, Number):
        y = constant(y, (), x)
    if number_type(y) is not None:
        return g * 0.0 if y == 0 else g * (x ** (y - 1) * y)
    return where(equal(y, 0), 0.0, g * y * pow(x, y - 1))


def pow_gy(g: Any, z: Any, x: Any, y: Any) -> Any:
    """g z log(x), and 0 where x is 0 and y is not negative, as the limit is."""
    if isinstance(x, Number):
        x = constant(x, (), y)
    if number_type(x) is None:
        return where(equal(x, 0) & ~less(y, 0), 0.0, g * z * log(x))
    if x > 0:
        return g * z * math.log(x)
    at_negative, elsewhere = (-math.inf, 0.0) if x == 0 else (math.nan, math.nan)
    return where(less(y, 0), g * z * at_negative, elsewhere)


pow.gradients(x=pow_gx, y=pow_gy)


@primitive(promotes=promoted)
def maximum(x: Any, y: Any) -> Spec:
    """The larger; nan if either is; a tie gives each half the gradient.  [*s], [*s] -> [*s]."""
    return elementwise("maximum", x, y)


def to_larger(g: Any, x: Any, y: Any) -> Any:
    """g where x > y, half of it at a tie."""
    return where(greater(x, y), g, where(less(x, y), 0.0, g * 0.5))


def to_smaller(g: Any, x: Any, y: Any) -> Any:
    """g where x < y, half of it at a tie."""
    return to_larger(g, y, x)


maximum.gradients(x=to_larger, y=to_smaller)


@primitive(promotes=promoted)
def minimum(x: Any, y: Any) -> Spec:
    """The smaller; nan if either is; a tie gives each half the gradient.  [*s], [*s] -> [*s]."""
    return elementwise("minimum", x, y)


minimum.gradients(x=to_smaller, y=to_larger)


# -- comparison and bits


@primitive(promotes=compared, constant=True)
def equal(x: Any, y: Any) -> Spec:
    """x == y; nan equals nothing.  [*s], [*s] -> bool[*s]."""
    return elementwise("equal", x, y)._replace(dtype=dtypes.bool_)


@primitive(promotes=compared, constant=True)
def less(x: Any, y: Any) -> Spec:
    """x < y; false beside nan.  [*s], [*s] -> bool[*s]."""
    return elementwise("less", x, y)._replace(dtype=dtypes.bool_)


@composite(promotes=compared, constant=True)
def not_equal(x: Any, y: Any) -> Any:
    """x != y; nan differs from everything.  [*s], [*s] -> bool[*s]."""
    meet("not_equal", x, y)
    return ~equal(x, y)


@composite(promotes=compared, constant=True)
def greater(x: Any, y: Any) -> Any:
    """x > y; false beside nan.  [*s], [*s] -> bool[*s]."""
    meet("greater", x, y)
    return less(y, x)


@composite(promotes=compared, constant=True)
def less_equal(x: Any, y: Any) -> Any:
    """x <= y; false beside nan.  [*s], [*s] -> bool[*s]."""
    meet("less_equal", x, y)
    return less(x, y) | equal(x, y)


@composite(promotes=compared, constant=True)
def greater_equal(x: Any, y: Any) -> Any:
    """x >= y; false beside nan.  [*s], [*s] -> bool[*s]."""
    meet("greater_equal", x, y)
    return less(y, x) | equal(x, y)


@primitive(constant=True)
def bitwise_not(x: Spec) -> Spec:
    """Every bit turned; of bools, not.  [*s] -> [*s]."""
    return integral("bitwise_not", x)


@primitive(promotes=promoted, constant=True)
def bitwise_and(x: Any, y: Any) -> Spec:
    """Bits set in both; of bools, and.  [*s], [*s] -> [*s]."""
    return integral("bitwise_and", x, y)


@primitive(promotes=promoted, constant=True)
def bitwise_or(x: Any, y: Any) -> Spec:
    """Bits set in either; of bools, or.  [*s], [*s] -> [*s]."""
    return integral("bitwise_or", x, y)


@primitive(promotes=promoted, constant=True)
def bitwise_xor(x: Any, y: Any) -> Spec:
    """Bits set in one of the two; of bools, unlike.  [*s], [*s] -> [*s]."""
    return integral("bitwise_xor", x, y)


@primitive(promotes=masked, free=("cond",))
def where(cond: Spec, x: Any, y: Any) -> Spec:
    """x where cond holds, y elsewhere.  bool[*s], [*s], [*s] -> [*s]."""
    if cond.dtype is not dtypes.bool_:
        raise ContractError(
            f"where: the condition is {cond}; compare it with something to get bool"
        )
    return elementwise("where", cond, x, y, dtype=elementwise("where", x, y).dtype)


where.gradients(
    cond=None,
    x=lambda g, cond: where(cond, g, 0.0),
    y=lambda g, cond: where(cond, 0.0, g),
)


@composite(promotes=masked, free=("cond",))
def kink(cond: Any, x: Any, y: Any) -> Any:
    """where, for a condition that x decides: what depends on x by steps alone still depends on it.

    bool[*s], [*s], [*s] -> [*s].
    The gradient of x asks for a gradient then, which is 0 as PyTorch's is, and not none.
    """
    return where(cond, x, y)


@composite(free=("cond", "by"))
def kinked(x: Any, cond: Any, by: Any) -> Any:
    """x where cond holds, 0 elsewhere; its gradient by what decided is 0.

    [*s], bool[*s], [*s] -> [*s].
    """
    return where(cond, x, 0.0)


kinked.gradients(x=lambda g, cond: where(cond, g, 0.0), cond=None, by=level)
kink.gradients(
    cond=None,
    x=lambda g, cond, x: kinked(g, cond, x),  # noqa: PLW0108  its names say what it reads
    y=lambda g, cond: where(cond, 0.0, g),
)


# -- functions of one number


@primitive
def neg(x: Spec) -> Spec:
    """-x.  [*s] -> [*s].  Raises: WrongDtype for bools."""
    if x.dtype is dtypes.bool_:
        raise WrongDtype(f"neg: {x} has no minus; use ~ for not, or convert it with .to()")
    return x


neg.gradients(x=lambda g: -g)


@composite
def sign(x: Any) -> Any:
    """-1, 0 or 1, and 0 for nan.  [*s] -> [*s]."""
    if x.dtype is dtypes.bool_:
        return bitwise_or(x, x)
    positive = cast(greater(x, 0), x.dtype)
    return positive if x.dtype.kind == "u" else where(less(x, 0), -1, positive)


sign.gradients(x=level)


@primitive
def abs(x: Spec) -> Spec:
    """|x|; gradient 0 at 0.  [*s] -> [*s]."""
    return x


abs.gradients(x=lambda g, x: g * sign(x))


@primitive
def floor(x: Spec) -> Spec:
    """The largest integer not above x.  [*s] -> [*s]."""
    return x


floor.gradients(x=level)


@floating_primitive
def exp(x: Spec) -> Spec:
    """e ** x.  [*s] -> [*s]."""
    return x


exp.gradients(x=lambda g, z: g * z)


@floating_primitive
def log(x: Spec) -> Spec:
    """Natural logarithm; -inf at 0, nan below.  [*s] -> [*s]."""
    return x


log.gradients(x=lambda g, x: g / x)


@floating_primitive
def sqrt(x: Spec) -> Spec:
    """Square root; nan below 0, gradient inf at 0.  [*s] -> [*s]."""
    return x


sqrt.gradients(x=lambda g, z: g * 0.5 / z)


@floating_composite
def root(x: Any) -> Any:
    """sqrt(x) with the gradient 0 in 0, as norms and deviations have it.  [*s] -> [*s]."""
    return sqrt(x)


def root_gx(g: Any, z: Any) -> Any:
    """g / (2 z), and 0 where z is 0."""
    flat = equal(z, 0)
    return where(flat, 0.0, g * 0.5 / where(flat, 1.0, z))


root.gradients(x=root_gx)


@floating_composite
def rsqrt(x: Any) -> Any:
    """1 / sqrt(x); inf at 0, nan below.  [*s] -> [*s]."""
    return 1.0 / sqrt(x)


rsqrt.gradients(x=lambda g, z: g * -0.5 * z * z * z)


@floating_primitive
def sin(x: Spec) -> Spec:
    """Sine of x in radians.  [*s] -> [*s]."""
    return x


@floating_primitive
def cos(x: Spec) -> Spec:
    """Cosine of x in radians.  [*s] -> [*s]."""
    return x


sin.gradients(x=lambda g, x: g * cos(x))
cos.gradients(x=lambda g, x: -g * sin(x))


@floating_primitive
def tanh(x: Spec) -> Spec:
    """Hyperbolic tangent.  [*s] -> [*s]."""
    return x


tanh.gradients(x=lambda g, z: g * (1.0 - z * z))

TWO_BY_ROOT_PI = 1.1283791670955126


@floating_primitive
def erf(x: Spec) -> Spec:
    """2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.  [*s] -> [*s]."""
    return x


erf.gradients(x=lambda g, x: g * exp(x * -x) * TWO_BY_ROOT_PI)


# -- activations


@composite
def relu(x: Any) -> Any:
    """max(x, 0); gradient 0 at 0.  [*s] -> [*s]."""
    return maximum(x, 0)


@composite
def gate(x: Any, open: Any) -> Any:
    """x where open is positive, 0 elsewhere.  [*s], [*s] -> [*s]."""
    return where(greater(open, 0), x, 0.0)


# a rule's parameters name what it reads, so gate itself would be another rule
gate.gradients(x=lambda g, open: gate(g, open), open=level)  # noqa: PLW0108
relu.gradients(x=lambda g, z: gate(g, z))  # noqa: PLW0108


@floating_composite
def sigmoid(x: Any) -> Any:
    """1 / (1 + exp(-x)), without overflow.  [*s] -> [*s]."""
    e = exp(-abs(x))
    return where(less(x, 0), e, 1.0) / (1.0 + e)


sigmoid.gradients(x=lambda g, z: g * (z * (1.0 - z)))


@floating_composite
def log1p_exp(x: Any) -> Any:
    """log(1 + exp(x)), without overflow: softplus with beta 1.  [*s] -> [*s]."""
    e = exp(-abs(x))
    u = 1.0 + e  # its rounding error is divided out again: Kahan's log1p
    return maximum(x, 0) + where(equal(u, 1.0), e, log(u) * e / (u - 1.0))


log1p_exp.gradients(x=lambda g, x: g * sigmoid(x))


@floating_composite
def gelu(x: Any) -> Any:
    """x Phi(x), Phi the normal distribution's function.  [*s] -> [*s].

    Source: Hendrycks, Gimpel 2016, arXiv:1606.08415, eq. 1.
    """
    return gelu_fwd(x)[0]


@gelu.residuals("phi")
def gelu_fwd(x: Any) -> tuple[Any, Any]:
    """gelu, with Phi(x)."""
    phi = (erf(x * 0.7071067811865476) + 1.0) * 0.5
    return x * phi, phi


@gelu.vjp
def gelu_vjp(g: Any, x: Any, phi: Any) -> tuple[Any]:
    """g (Phi(x) + x Phi'(x))."""
    return (g * (phi + x * exp(x * x * -0.5) * 0.3989422804014327),)


@floating_composite
def gelu_tanh(x: Any) -> Any:
    """x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.  [*s] -> [*s].

    Source: Hendrycks, Gimpel 2016, arXiv:1606.08415, section 2.
    """
    return gelu_tanh_fwd(x)[0]


@gelu_tanh.residuals("t")
def gelu_tanh_fwd(x: Any) -> tuple[Any, Any]:
    """gelu_tanh, with the tanh."""
    t = tanh((x + x * x * x * 0.044715) * 0.7978845608028654)
    return x * (t + 1.0) * 0.5, t


@gelu_tanh.vjp
def gelu_tanh_vjp(g: Any, x: Any, t: Any) -> tuple[Any]:
    """g (1 + t + x (1 - t^2) u') / 2 with t = tanh(u)."""
    slope = x * x * 0.10703222440890037 + 0.7978845608028654
    return (g * (t + x * (1.0 - t * t) * slope + 1.0) * 0.5,)


@floating_composite
def silu(x: Any) -> Any:
    """x sigmoid(x).  [*s] -> [*s].

    Source: Elfwing, Uchibe, Doya 2017, arXiv:1702.03118.
    """
    return silu_fwd(x)[0]


@silu.residuals("s")
def silu_fwd(x: Any) -> tuple[Any, Any]:
    """silu, with sigmoid(x)."""
    s = sigmoid(x)
    return x * s, s


@silu.vjp
def silu_vjp(g: Any, x: Any, s: Any) -> tuple[Any]:
    """g s (1 + x (1 - s))."""
    return (g * (s * (x * (1.0 - s) + 1.0)),)


# -- rounding and its remainders


@composite
def ceil(x: Any) -> Any:
    """The smallest integer not below x.  [*s] -> [*s]."""
    return -floor(-x) if x.dtype in dtypes.FLOATING else floor(x)


ceil.gradients(x=level)


@composite
def trunc(x: Any) -> Any:
    """x without its fraction.  [*s] -> [*s]."""
    return where(less(x, 0), ceil(x), floor(x)) if x.dtype in dtypes.FLOATING else floor(x)


trunc.gradients(x=level)


@composite
def round(x: Any) -> Any:
    """The nearest integer, of two the even one.  [*s] -> [*s]."""
    if x.dtype not in dtypes.FLOATING:
        return floor(x)
    size = abs(x)
    low = floor(size)
    up = greater(size - low, 0.5) | (equal(size - low, 0.5) & equal(remainder(low, 2), 1))
    near = low + cast(up, x.dtype)
    return where(equal(low, size), x, where(less(x, 0), -near, near))


round.gradients(x=level)


@composite(promotes=promoted_tensors)
def fmod(x: Any, y: Any) -> Any:
    """x - trunc(x / y) * y, with the sign of x.  [*s], [*s] -> [*s]."""
    meet("fmod", x, y)
    refuse_bools("fmod", x.dtype)
    if x.dtype in dtypes.FLOATING:
        return remainder(x, where(less(x, 0), -abs(y), abs(y)))
    left = remainder(x, y)  # the lowest integer has no abs
    return where(less(x ^ y, 0) & ~equal(left, 0), left - y, left)


fmod.gradients(x=lambda g: g, y=lambda g, x, y: -g * trunc(x / y))


# -- logarithms and exponentials

# Kahan's way to log1p: the error of a rounded 1 + x is divided out again.


@floating_composite
def log1p(x: Any) -> Any:
    """log(1 + x), exact for small x too; -inf at -1, nan below.  [*s] -> [*s]."""
    u = x + 1.0
    return where(equal(u, 1.0) | equal(u, math.inf), x, log(u) * (x / (u - 1.0)))


log1p.gradients(x=lambda g, x: g / (x + 1.0))


@floating_composite
def expm1(x: Any) -> Any:
    """exp(x) - 1, exact for small x too.  [*s] -> [*s]."""
    return tanh(x * 0.5) * (exp(x) + 1.0)


expm1.gradients(x=lambda g, x: g * exp(x))


@floating_composite
def log2(x: Any) -> Any:
    """Logarithm to base 2; -inf at 0, nan below.  [*s] -> [*s]."""
    return log(x) / math.log(2.0)


@floating_composite
def log10(x: Any) -> Any:
    """Logarithm to base 10; -inf at 0, nan below.  [*s] -> [*s]."""
    return log(x) / math.log(10.0)


log2.gradients(x=lambda g, x: g / (x * math.log(2.0)))
log10.gradients(x=lambda g, x: g / (x * math.log(10.0)))


@floating_composite
def exp2(x: Any) -> Any:
    """2 ** x.  [*s] -> [*s]."""
    return pow(2.0, x)


exp2.gradients(x=lambda g, z: g * z * math.log(2.0))


@floating_composite
def logaddexp(x: Any, y: Any) -> Any:
    """log(exp(x) + exp(y)), without overflow.  [*s], [*s] -> [*s]."""
    meet("logaddexp", x, y)
    x, y = filled((x, y))
    return maximum(x, y) + log1p_exp(-abs(apart(x, y)))


def apart(x: Any, y: Any) -> Any:
    """x - y, and 0 of equal infinities."""
    return where(equal(x, y) & equal(abs(x), math.inf), 0.0, x - y)


logaddexp.gradients(
    x=lambda g, x, y: g * sigmoid(apart(x, y)),
    y=lambda g, x, y: g * sigmoid(apart(y, x)),
)


@composite(promotes=floated_tensors, floating=True)
def xlogy(x: Any, y: Any) -> Any:
    """x log(y), and 0 where x is 0, unless y is nan.  [*s], [*s] -> [*s]."""
    meet("xlogy", x, y)
    none = equal(x, 0) & equal(y, y)
    return where(none, 0.0, x * log(where(none, 1.0, y)))


xlogy.gradients(
    x=lambda g, x, y: g * where(bitwise_and(equal(x, 0), less_equal(y, 0)), 0.0, log(y)),
    y=lambda g, x, y: g * x / y,
)


# -- trigonometry


@floating_composite
def tan(x: Any) -> Any:
    """Tangent of x in radians.  [*s] -> [*s]."""
    return sin(x) / cos(x)


tan.gradients(x=lambda g, z: g * (z * z + 1.0))


@floating_composite
def sinh(x: Any) -> Any:
    """Hyperbolic sine.  [*s] -> [*s]."""
    size = abs(x)
    u = expm1(minimum(size, 1.0))
    root = exp(size * 0.5)  # its square would overflow sooner than the half of it
    far = root * 0.5 * root - 0.5 / root / root
    z = where(less(size, 1.0), (u + u / (u + 1.0)) * 0.5, far)
    return where(less(x, 0), -z, z)


@floating_composite
def cosh(x: Any) -> Any:
    """Hyperbolic cosine.  [*s] -> [*s]."""
    root = exp(abs(x) * 0.5)
    return root * 0.5 * root + 0.5 / root / root


sinh.gradients(x=lambda g, x: g * cosh(x))
cosh.gradients(x=lambda g, x: g * sinh(x))

# Cephes' atan.c: below tan(pi / 8) about, atan(x) = x + x z P(z) / Q(z) with z = x^2.
ATAN_P = (-0.8750608600031904, -16.157537187333652, -75.00855792314705, -122.88666844901361,
          -64.85021904942025)  # fmt: skip
ATAN_Q = (1.0, 24.858464901423062, 165.02700983169885, 432.88106049129027, 485.3903996359137,
          194.5506571482614)  # fmt: skip


def polynomial(x: Any, coefficients: tuple[float, ...]) -> Any:
    """The value of a polynomial, the highest power first."""
    z: Any = coefficients[0]
    for c in coefficients[1:]:
        z = x * z + c
    return z


@floating_composite
def atan(x: Any) -> Any:
    """The angle in radians, between -pi / 2 and pi / 2, whose tangent is x.  [*s] -> [*s].

    Source: Moshier, Cephes Mathematical Library, atan.c.
    """
    size = abs(cast(x, dtypes.float32) if x.dtype.itemsize == 2 else x)
    far, middle = greater(size, 2.414213562373095), greater(size, 0.66)
    small = where(far, -1.0 / size, where(middle, (size - 1.0) / (size + 1.0), size))
    start = where(far, math.pi / 2, cast(middle, size.dtype) * (math.pi / 4))
    square = small * small
    rest = small * square * polynomial(square, ATAN_P) / polynomial(square, ATAN_Q)
    z = cast(start + (small + rest), x.dtype)
    return where(less(x, 0), -z, z)


atan.gradients(x=lambda g, x: g / (x * x + 1.0))


@composite(constant=True)
def signbit(x: Any) -> Any:
    """Whether x has a minus, as -0.0 has.  [*s] -> bool[*s]."""
    return less(x, 0) | less(1.0 / x, 0) if x.dtype in dtypes.FLOATING else less(x, 0)


@floating_composite
def atan2(x: Any, y: Any) -> Any:
    """The angle in radians, from -pi to pi, of the point (y, x).  [*s], [*s] -> [*s]."""
    meet("atan2", x, y)
    x, y = filled((x, y))
    up, along = abs(x), abs(y)
    low, high = minimum(up, along), maximum(up, along)
    level = cast(greater(high, 0), high.dtype)
    z = atan(where(equal(low, high), level, low / high))
    z = where(greater(up, along), math.pi / 2 - z, z)
    z = where(signbit(y), math.pi - z, z)
    return where(signbit(x), -z, z)


def slope(x: Any, y: Any) -> Any:
    """y / (x^2 + y^2), and 0 at the origin."""
    square = x * x + y * y
    return y / where(equal(square, 0), 1.0, square)


atan2.gradients(x=lambda g, x, y: g * slope(x, y), y=lambda g, x, y: -g * slope(y, x))


@floating_composite
def asin(x: Any) -> Any:
    """The angle in radians, from -pi / 2, whose sine is x; nan beyond 1.  [*s] -> [*s]."""
    return atan2(x, sqrt((1.0 - x) * (x + 1.0)))


@floating_composite
def acos(x: Any) -> Any:
    """The angle in radians, from 0 to pi, whose cosine is x; nan beyond 1.  [*s] -> [*s]."""
    return atan2(sqrt((1.0 - x) * (x + 1.0)), x)


asin.gradients(x=lambda g, x: g * rsqrt((1.0 - x) * (x + 1.0)))
acos.gradients(x=lambda g, x: -g * rsqrt((1.0 - x) * (x + 1.0)))


@floating_composite
def asinh(x: Any) -> Any:
    """The number whose hyperbolic sine is x.  [*s] -> [*s]."""
    size = abs(x)
    near = minimum(size, 1e4)  # whose square every type holds
    z = log1p(near + near * near / (sqrt(near * near + 1.0) + 1.0))
    z = where(less(size, 1e4), z, log(size) + (0.25 / size / size + math.log(2.0)))
    return where(less(x, 0), -z, z)


@floating_composite
def acosh(x: Any) -> Any:
    """The number from 0 whose hyperbolic cosine is x; nan below 1.  [*s] -> [*s]."""
    t = minimum(x, 1e4) - 1.0
    far = log(x) + (math.log(2.0) - 0.25 / x / x)
    return where(less(x, 1e4), log1p(t + sqrt(t) * sqrt(t + 2.0)), far)


@floating_composite
def atanh(x: Any) -> Any:
    """The number whose hyperbolic tangent is x; inf at 1, nan beyond.  [*s] -> [*s]."""
    size = abs(x)
    z = log1p(size * 2.0 / (1.0 - size)) * 0.5
    return where(less(x, 0), -z, z)


asinh.gradients(x=lambda g, x: g * rsqrt(x * x + 1.0))
acosh.gradients(x=lambda g, x: g * rsqrt(x * x - 1.0))
atanh.gradients(x=lambda g, x: g / (1.0 - x * x))


@floating_composite
def erfinv(x: Any) -> Any:
    """The number whose erf is x; infinite at -1 and 1, nan beyond.  [*s] -> [*s].

    Three of Newton's steps from the formula of Winitzki 2008, "A handy approximation for the error
    function and its inverse", eq. 7, which is off by 0.2 %.  As exact as erf is at the result.
    """
    y = cast(x, dtypes.float32) if x.dtype.itemsize == 2 else x
    inside = less(abs(y), 1.0)
    y = where(inside, y, 0.0)
    low = log1p(-y * y)
    half = low * 0.5 + 4.330746750799873  # 2 / (pi a) with a = 0.147
    z = sqrt(maximum(sqrt(half * half - low / 0.147) - half, 0.0))
    z = where(less(y, 0), -z, z)
    for _ in range(3):
        z = z - (erf(z) - y) * exp(z * z) / TWO_BY_ROOT_PI
    z = where(inside, cast(z, x.dtype), math.nan)
    return where(equal(abs(x), 1.0), x * math.inf, z)


erfinv.gradients(x=lambda g, z: g * exp(z * z) / TWO_BY_ROOT_PI)


@composite(promotes=floated_tensors, floating=True)
def hypot(x: Any, y: Any) -> Any:
    """sqrt(x^2 + y^2), without overflow; inf if either is infinite.  [*s], [*s] -> [*s]."""
    meet("hypot", x, y)
    low, high = minimum(abs(x), abs(y)), maximum(abs(x), abs(y))
    ratio = low / where(equal(high, 0), 1.0, high)
    infinite = equal(abs(x), math.inf) | equal(abs(y), math.inf)
    return where(infinite, math.inf, high * sqrt(ratio * ratio + 1.0))


hypot.gradients(x=lambda g, z, x: g * (x / z), y=lambda g, z, y: g * (y / z))


@floating_composite
def addcmul(x: Any, u: Any, v: Any) -> Any:
    """x + u v.  [*s], [*s], [*s] -> [*s]."""
    return x + u * v


addcmul.gradients(x=lambda g: g, u=lambda g, v: g * v, v=lambda g, u: g * u)
