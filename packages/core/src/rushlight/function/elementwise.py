"""Functions of each element."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import dtypes, ops
from ..errors import ContractError, WrongDtype
from ..ops.elementwise import number_type
from .chain import chain
from .given import any_floating, beside, floating, operands, rank, representable, tensors, together
from .named import public
from .precision import autocasts, rounds_once

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "abs", "absolute", "acos", "acosh", "add", "addcdiv", "addcmul", "allclose", "arccos",
    "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "asin", "asinh", "atan",
    "atan2", "atanh", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or",
    "bitwise_right_shift", "bitwise_xor", "ceil", "celu", "clamp", "clamp_max", "clamp_min", "clip",
    "copysign", "cos", "cosh", "deg2rad", "div", "divide", "eq", "erf", "erfinv", "exp", "exp2",
    "expm1", "floor", "floor_divide", "fmax", "fmin", "fmod", "frac", "ge", "greater",
    "greater_equal", "gt", "hardshrink", "hardsigmoid", "hardswish", "hardtanh", "hypot", "isclose",
    "isfinite", "isinf", "isnan", "le", "lerp", "less", "less_equal", "log", "log1p", "log2",
    "log10", "logaddexp", "logical_and", "logical_not", "logical_or", "logical_xor", "logit",
    "logsigmoid", "lt", "masked_fill", "maximum", "minimum", "mish", "mul", "multiply",
    "nan_to_num", "ne", "neg", "negative", "not_equal", "pow", "prelu", "rad2deg", "reciprocal",
    "relu", "relu6", "remainder", "round", "rsqrt", "selu", "sgn", "sigmoid", "sign", "signbit",
    "silu", "sin", "sinc", "sinh", "softshrink", "softsign", "sqrt", "square", "sub", "subtract",
    "tan", "tanh", "tanhshrink", "threshold", "true_divide", "trunc", "where", "xlogy",
]  # fmt: skip


equal, not_equal, less, less_equal, greater, greater_equal = public(
    "equal not_equal less less_equal greater greater_equal"
)
eq, ne, lt, le, gt, ge = equal, not_equal, less, less_equal, greater, greater_equal
bitwise_not, bitwise_and, bitwise_or, bitwise_xor = public(
    "bitwise_not bitwise_and bitwise_or bitwise_xor"
)
mul, floordiv, remainder, fmod, maximum, minimum = public(
    "mul floordiv remainder fmod maximum minimum"
)
(pow,) = public("pow", "input", "exponent")
neg, abs, sign, signbit, floor, ceil, trunc = public("neg abs sign signbit floor ceil trunc")
exp, exp2, expm1, log, log2, log10, log1p = public("exp exp2 expm1 log log2 log10 log1p")
logaddexp, xlogy, hypot, sqrt, rsqrt, erf = public("logaddexp xlogy hypot sqrt rsqrt erf")
sin, cos, tan, asin, acos, atan, atan2 = public("sin cos tan asin acos atan atan2")
sinh, cosh, tanh, relu, sigmoid, silu = public("sinh cosh tanh relu sigmoid silu")


@chain
def clamp(input: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """input, but at least min and at most max; None for no bound.  [*s] -> [*s].

    The gradient is 0 where a bound holds or anything is nan, 1 elsewhere, the bounds themselves
    included.
    """
    if min is None and max is None:
        raise ContractError("clamp: neither min nor max is given; give at least one")
    beside("clamp", input, *[x for x in (min, max) if x is not None])
    z = input
    if min is not None:
        z = ops.where(ops.less(z, min), min, z)
    if max is not None:
        z = ops.where(ops.greater(z, max), max, z)
    return ops.where(unordered(input, min, max), math.nan, z) if z.dtype in dtypes.FLOATING else z


def unordered(x: Tensor, *bounds: Any) -> Tensor:
    """Where x or a bound of it, which may be None, is nan."""
    odd = isnan(x)
    for bound in bounds:
        if getattr(bound, "dtype", None) in dtypes.FLOATING:
            odd = ops.bitwise_or(odd, isnan(bound))
        elif isinstance(bound, float) and math.isnan(bound):
            odd = ops.bitwise_or(odd, True)
    return odd


clip = clamp


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """value, as input's type, where mask holds, input elsewhere.  [*s], bool[*s], [] -> [*s].

    Raises: ContractError for a value with dims, or beyond the type.
    """
    op = "masked_fill"
    rank(op, input)
    rank(op, mask)
    operands(op, mask, input, value)
    if mask.dtype is not dtypes.bool_:
        raise ContractError(f"{op}: the mask is {mask.spec}; compare it with something to get bool")
    if number_type(value) is not None:
        return ops.where(mask, representable(op, value, input.dtype), input)
    if value.shape != ():
        raise ContractError(f"{op}: a value {value.spec}; give a number or a tensor []")
    return ops.where(mask, ops.elementwise.convert(value, input.dtype), input)


def where(condition: Tensor, input: Any = None, other: Any = None) -> Any:
    """input where condition holds, other elsewhere.  bool[*s], [*s], [*s] -> [*s].

    Of a condition alone: where it holds, as nonzero(as_tuple=True).
    """
    if input is None and other is None:
        from .indexing import nonzero

        rank("where", condition)
        return nonzero(condition, as_tuple=True)
    if getattr(condition, "dtype", None) is dtypes.uint8:  # what masks were before there were bools
        condition = ops.cast(condition, dtypes.bool_)
    return ops.where(condition, input, other)


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """input / other; rounding_mode "floor" or "trunc" rounds the quotient.  [*s], [*s] -> [*s]."""
    if rounding_mode is None:
        return ops.div(input, other)
    operands("div", input, other)
    if rounding_mode == "floor":
        return ops.floordiv(input, other)
    if rounding_mode == "trunc":
        if ops.elementwise.common((input, other)) in dtypes.FLOATING:
            return ops.trunc(ops.div(input, other))
        z = ops.floordiv(input, other)
        inexact = ops.less(z, 0) & ops.not_equal(z * other, input)
        return z + ops.cast(inexact, z.dtype)
    raise ContractError(f"div: rounding_mode {rounding_mode!r}; choose None, 'floor' or 'trunc'")


def sub(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input - alpha other.  [*s], [*s] -> [*s]."""
    if type(alpha) is not int or alpha != 1:  # a number that is traced has no value to compare
        other = scaled("sub", input, other, alpha)
    return ops.sub(input, other)


def add(input: Any, other: Any, *, alpha: Any = 1) -> Tensor:
    """input + alpha other.  [*s], [*s] -> [*s]."""
    if type(alpha) is not int or alpha != 1:
        other = scaled("add", input, other, alpha)
    return ops.add(input, other)


def scaled(op: str, x: Any, y: Any, alpha: Any) -> Any:
    """alpha y.  Raises: ContractError for a float alpha beside integers."""
    operands(op, x, y, alpha)
    if isinstance(alpha, float) and not (any_floating((x, y)) or isinstance(y, float)):
        raise ContractError(f"{op}: alpha={alpha} of integers; give an integer")
    kinds = [number_type(given) or given.dtype for given in (x, y)]
    if not all(kind in (bool, dtypes.bool_) for kind in kinds):
        return y * alpha
    return bool(y * alpha) if kinds[1] is bool else ops.cast(y * alpha, dtypes.bool_)


def square(input: Tensor) -> Tensor:
    """input * input; of bools as int64.  [*s] -> [*s]."""
    rank("square", input)
    x = ops.cast(input, dtypes.int64) if input.dtype is dtypes.bool_ else input
    return ops.mul(x, x)


def reciprocal(input: Tensor) -> Tensor:
    """1 / input.  [*s] -> [*s]."""
    rank("reciprocal", input)
    return ops.div(1.0, input)


def isnan(input: Tensor) -> Tensor:
    """Whether each element is nan.  [*s] -> bool[*s]."""
    rank("isnan", input)
    return ops.not_equal(input, input)


@chain
def isinf(input: Tensor) -> Tensor:
    """Whether each element is infinite.  [*s] -> bool[*s]."""
    rank("isinf", input)
    return ops.equal(ops.abs(input), float("inf"))


@chain
def isfinite(input: Tensor) -> Tensor:
    """Whether each element is neither infinite nor nan.  [*s] -> bool[*s]."""
    rank("isfinite", input)
    return ops.less(ops.abs(input), float("inf"))


def logical_not(input: Tensor) -> Tensor:
    """input == 0.  [*s] -> bool[*s]."""
    rank("logical_not", input)
    return ~input if input.dtype is dtypes.bool_ else ops.equal(input, 0)


def logical_and(input: Tensor, other: Tensor) -> Tensor:
    """Whether both are nonzero.  [*s], [*s] -> bool[*s]."""
    return logical("logical_and", ops.bitwise_and, input, other)


def logical_or(input: Tensor, other: Tensor) -> Tensor:
    """Whether either is nonzero.  [*s], [*s] -> bool[*s]."""
    return logical("logical_or", ops.bitwise_or, input, other)


def logical_xor(input: Tensor, other: Tensor) -> Tensor:
    """Whether just one is nonzero.  [*s], [*s] -> bool[*s]."""
    return logical("logical_xor", ops.bitwise_xor, input, other)


def logical(op: str, combine: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    """An operation on bits, of whether the elements are nonzero."""
    tensors(op, x, y)
    return combine(truths(x), truths(y))


def truths(x: Tensor) -> Tensor:
    """Whether each element is nonzero: x itself if it is of bools."""
    return x if x.dtype is dtypes.bool_ else ops.not_equal(x, 0)


@rounds_once
def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """The nearest multiple of 10^-decimals, of two the even one.  [*s] -> [*s].

    Raises: ContractError for decimals of integers.
    """
    if rank("round", input) >= 0 and input.dtype is dtypes.bool_:
        raise WrongDtype(f"round: {input.spec} has no fraction; convert it with .to()")
    if decimals == 0:
        return ops.round(input)
    floating("round", input)
    scale = 10.0 ** max(decimals, -decimals)
    if decimals < 0:
        return ops.mul(ops.round(input / scale), scale)
    return ops.div(ops.round(input * scale), scale)


def frac(input: Tensor) -> Tensor:
    """input - trunc(input), with the sign of input.  [*s] -> [*s]."""
    floating("frac", input)
    return ops.sub(input, ops.trunc(input))


def clamp_min(input: Tensor, min: Any) -> Tensor:
    """input, but at least min.  [*s] -> [*s]."""
    beside("clamp_min", input, min)
    return clamp(input, min=min)


def clamp_max(input: Tensor, max: Any) -> Tensor:
    """input, but at most max.  [*s] -> [*s]."""
    beside("clamp_max", input, max)
    return clamp(input, max=max)


def fmax(input: Tensor, other: Tensor) -> Tensor:
    """The larger; the other one if one is nan; a tie is input's.  [*s], [*s] -> [*s]."""
    tensors("fmax", input, other)
    return ops.where(ops.greater_equal(input, other) | isnan(other), input, other)


def fmin(input: Tensor, other: Tensor) -> Tensor:
    """The smaller; the other one if one is nan; a tie is input's.  [*s], [*s] -> [*s]."""
    tensors("fmin", input, other)
    return ops.where(ops.less_equal(input, other) | isnan(other), input, other)


@chain
@rounds_once
def lerp(input: Tensor, end: Tensor, weight: Any) -> Tensor:
    """input + weight (end - input), end itself where weight is 1.  [*s], [*s], [*s] -> [*s].

    Raises: ContractError unless all are of one floating type.
    """
    together("lerp", input, end)
    operands("lerp", input, end, weight)
    floating("lerp", input)
    if {input.dtype, getattr(weight, "dtype", input.dtype)} != {end.dtype}:
        raise ContractError(f"lerp: from {input.spec} to {end.spec}; convert one with .to()")
    away = end - input
    low, high = ops.add(input, away * weight), ops.sub(end, away * (1 - weight))
    if number_type(weight) is not None:
        return low if -0.5 < weight < 0.5 else high
    return ops.where(ops.less(ops.abs(weight), 0.5), low, high)


@chain
@rounds_once
def addcmul(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """input + value tensor1 tensor2.  [*s], [*s], [*s] -> [*s]."""
    tensors("addcmul", input, tensor1, tensor2)
    value = value if any_floating((input, tensor1, tensor2)) else int(value)
    return ops.add(input, tensor1 * tensor2 * value)


@chain
@rounds_once
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Any = 1) -> Tensor:
    """input + value tensor1 / tensor2.  [*s], [*s], [*s] -> [*s].

    Raises: ContractError if both of the quotient are integers, as in PyTorch.
    """
    tensors("addcdiv", input, tensor1, tensor2)
    if not any_floating((tensor1, tensor2)):
        floating("addcdiv", tensor1)
    return ops.add(input, tensor1 / tensor2 * value)


@chain
def nan_to_num(
    input: Tensor, nan: float | None = None, posinf: float | None = None,
    neginf: float | None = None,
) -> Tensor:  # fmt: skip
    """input, but nan (0 if None) for nan and bounds for infinities.  [*s] -> [*s].

    posinf, neginf: None for the largest and the lowest finite number of the type.
    """
    rank("nan_to_num", input)
    if input.dtype not in dtypes.FLOATING:
        return ops.clone(input)
    most = float(dtypes.finfo(input.dtype).max)
    z = ops.where(isnan(input), 0.0 if nan is None else nan, input)
    z = ops.where(ops.equal(input, math.inf), most if posinf is None else posinf, z)
    return ops.where(ops.equal(input, -math.inf), -most if neginf is None else neginf, z)


def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08,
    equal_nan: bool = False,
) -> Tensor:  # fmt: skip
    """|input - other| <= atol + rtol |other|; infinities if equal.  [*s], [*s] -> bool[*s].

    equal_nan: whether nan is close to nan.
    Raises: ContractError for two dtypes, and for a negative rtol or atol.
    """
    return near("isclose", input, other, rtol, atol, equal_nan)


def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08,
    equal_nan: bool = False,
) -> bool:  # fmt: skip
    """Whether all are close, see isclose.  [*s], [*s] -> a bool."""
    away = ops.bitwise_not(near("allclose", input, other, rtol, atol, equal_nan))
    axes = tuple(range(away.ndim))
    return not bool(ops.sum(ops.cast(away, dtypes.int64), axes, keepdim=False))


def near(op: str, x: Tensor, y: Tensor, rtol: float, atol: float, equal_nan: bool) -> Tensor:
    """isclose, called by this name."""
    tensors(op, x, y)
    if x.dtype is not y.dtype:
        raise ContractError(f"{op}: {x.spec} and {y.spec}; convert one with .to()")
    if not (rtol >= 0 and atol >= 0):
        raise ContractError(f"{op}: rtol={rtol}, atol={atol}; they are not negative")
    z = ops.equal(x, y)
    if equal_nan:
        z = z | (isnan(x) & isnan(y))
    bools = x.dtype is dtypes.bool_
    x, y = (ops.cast(v, dtypes.int64) if bools else v.detach() for v in (x, y))
    away = ops.abs(x - y)
    return z | (isfinite(away) & ops.less_equal(away, ops.abs(y * rtol) + atol))


asinh, acosh, atanh, erfinv = public("asinh acosh atanh erfinv")


def deg2rad(input: Tensor) -> Tensor:
    """Degrees as radians.  [*s] -> [*s]."""
    rank("deg2rad", input)
    return ops.mul(input, math.pi / 180)


def rad2deg(input: Tensor) -> Tensor:
    """Radians as degrees.  [*s] -> [*s]."""
    rank("rad2deg", input)
    return ops.mul(input, 180 / math.pi)


@chain
@rounds_once
def sinc(input: Tensor) -> Tensor:
    """sin(pi x) / (pi x) with x = input, and 1 at 0.  [*s] -> [*s]."""
    rank("sinc", input)
    x = ops.mul(input, math.pi)
    near = ops.less(ops.abs(x), 0.01)  # where the next term, x^6 / 5040, is below all precision
    square = ops.where(near, x * x, 0.0)
    x = ops.where(near, 1.0, x)
    return ops.where(near, 1 - square / 6 + square * square / 120, ops.sin(x) / x)


@chain
def copysign(input: Tensor, other: Any) -> Tensor:
    """|input| with the sign of other, that of -0.0 too.  [*s], [*s] -> [*s]."""
    beside("copysign", input, other)
    x, other = ops.elementwise.floated_tensors(input, other)
    size, down = ops.abs(x), ops.signbit(other)
    # other is nowhere chosen: its gradient is 0, and not none
    return ops.where(down, -size, ops.where(ops.bitwise_not(down), size, other))


def shifted(op: str, x: Any, y: Any, once: Callable[[Any, Any], Tensor]) -> Tensor:
    """once(once(x, 2^h), 2^(y - h)) with h about y / 2: in two steps, since 2^63 is no int64.

    A y that is negative, or beyond the bits of the type, moves all bits out, as in PyTorch.
    Raises: ContractError unless these meet; WrongDtype if one is floating, or both are bools.
    """
    operands(op, x, y)
    if any_floating((x, y)) or float in map(number_type, (x, y)):
        raise WrongDtype(f"{op}: floats have no bits to shift; convert them to int with .to()")
    dtype = ops.elementwise.common((x, y))
    ops.elementwise.refuse_bools(op, dtype)
    bits = 8 * dtype.itemsize
    if number_type(y) is None:
        y = ops.cast(y, dtype)
        y = ops.where(ops.less(y, 0) | ops.greater(y, bits), bits, y)
    elif type(y) is int and not 0 <= y < bits:
        y = bits
    elif type(y) is int and y < bits - 1:
        return once(x, 2**y)
    half = y // 2
    return once(once(x, 2**half), 2 ** (y - half))


def bitwise_left_shift(input: Any, other: Any) -> Tensor:
    """input 2^other, what leaves the type lost; 0 of a negative other.  [*s], [*s] -> [*s]."""
    return shifted("bitwise_left_shift", input, other, ops.mul)


def bitwise_right_shift(input: Any, other: Any) -> Tensor:
    """floor(input / 2^other); 0 or -1 of a negative other.  [*s], [*s] -> [*s]."""
    return shifted("bitwise_right_shift", input, other, ops.floordiv)


# -- activations


@chain
@rounds_once
def logit(input: Tensor, eps: float | None = None) -> Tensor:
    """log(x / (1 - x)) with x = input, clamped to [eps, 1 - eps] if given.  [*s] -> [*s]."""
    rank("logit", input)
    x = input if eps is None else clamp(input, eps, 1 - eps)
    x = x if x.dtype in dtypes.FLOATING else x.float()
    return ops.log(x / (1.0 - x))


@chain
def hardtanh(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """input between the two bounds; gradient 0 at both.  [*s] -> [*s]."""
    return bounded("hardtanh", input, min_val, max_val)


@chain
def relu6(input: Tensor) -> Tensor:
    """min(max(input, 0), 6); gradient 0 at both.  [*s] -> [*s]."""
    return bounded("relu6", input, 0, 6)


def bounded(op: str, x: Tensor, low: float, high: float) -> Tensor:
    """hardtanh, called by this name."""
    beside(op, x, low, high)
    if low > high:
        raise ContractError(f"{op}: from {low} to {high}; give the lower bound first")
    if x.dtype is dtypes.bool_:
        raise WrongDtype(f"{op}: {x.spec} has no bounds; convert it with .to()")
    if x.dtype in dtypes.INTEGER:
        low, high = int(low), int(high)
    return ops.where(ops.less_equal(x, low), low, ops.kink(ops.less(x, high), x, over(x, high)))


def over(x: Tensor, high: float) -> Tensor:
    """high, or nan where x is nan."""
    return ops.where(isnan(x), x, high)


@chain
def hardsigmoid(input: Tensor) -> Tensor:
    """min(max(input + 3, 0), 6) / 6.  [*s] -> [*s].

    Raises: ContractError for bools and integers.
    """
    floating("hardsigmoid", input)
    return bounded("hardsigmoid", input + 3, 0, 6) / 6


@chain
@rounds_once
def hardswish(input: Tensor) -> Tensor:
    """input min(max(input + 3, 0), 6) / 6; gradient 1 at nan.  [*s] -> [*s].

    Raises: ContractError for bools and integers.
    Source: Howard et al. 2019, arXiv:1905.02244, section 5.2.
    """
    floating("hardswish", input)
    curved = ops.less_equal(input, 3)
    x = ops.where(curved, input, 0.0)
    return ops.where(curved, x * bounded("hardswish", x + 3, 0, 6) / 6, input)


@chain
@rounds_once
def mish(input: Tensor) -> Tensor:
    """input tanh(log(1 + exp(input))).  [*s] -> [*s].

    Source: Misra 2019, arXiv:1908.08681.
    """
    floating("mish", input)
    return input * ops.tanh(ops.log1p_exp(input))


@chain
def logsigmoid(input: Tensor) -> Tensor:
    """log(1 / (1 + exp(-input))), without overflow.  [*s] -> [*s]."""
    floating("logsigmoid", input)
    return -ops.log1p_exp(-input)


@chain
def softsign(input: Tensor) -> Tensor:
    """input / (1 + |input|).  [*s] -> [*s]."""
    rank("softsign", input)
    return input / (ops.abs(input) + 1)


@chain
def celu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """input where positive, alpha (exp(input / alpha) - 1) elsewhere.  [*s] -> [*s].

    Raises: ContractError for alpha 0.
    """
    floating("celu", input)
    if alpha == 0:
        raise ContractError("celu: alpha=0; give a number that can be divided by")
    return bent(input, alpha, 1 / alpha)


@chain
@rounds_once
def selu(input: Tensor) -> Tensor:
    """1.0507 input where positive, 1.0507 * 1.6733 (exp(input) - 1) elsewhere.  [*s] -> [*s].

    Source: Klambauer et al. 2017, arXiv:1706.02515, eq. 2.
    """
    floating("selu", input)
    return bent(input, 1.6732632423543772) * 1.0507009873554805


def bent(x: Tensor, height: float, steepness: float = 1.0) -> Tensor:
    """height (exp(steepness x) - 1) where x <= 0, x elsewhere, nan included.  [*s] -> [*s]."""
    down = ops.less_equal(x, 0)
    low = ops.where(down, x, 0.0)  # what overflows would make its gradient nan
    low = low if steepness == 1 else low * steepness
    return ops.where(down, ops.expm1(low) * height, x)


@autocasts("narrow")
@chain
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """input where positive, weight input elsewhere.  [b, c, *s], [c] or [1] -> [b, c, *s].

    Raises: ContractError unless weight has one element, or one for each channel.
    """
    together("prelu", input, weight)
    n = input.ndim
    channels = input.shape[1] if n > 1 else 1
    if weight.shape not in {(), (1,), (channels,)}:
        raise ContractError(
            f"prelu: weight {weight.spec} for {input.spec}; give 1 or {channels} elements"
        )
    if weight.shape and n:
        weight = ops.reshape(weight, (weight.shape[0], *(1,) * (n - 2)))
    elif not n:
        weight = ops.reshape(weight, ())
    up = ops.greater(input, 0)
    return ops.kink(up, input, ops.where(up, 0.0, input) * weight)


@chain
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """0 where |input| <= lambd, input elsewhere.  [*s] -> [*s]."""
    floating("hardshrink", input)
    return ops.kink(~ops.less_equal(ops.abs(input), lambd), input, 0.0)


@chain
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """input, moved by lambd towards 0 and no further.  [*s] -> [*s].

    Raises: ContractError for a lambd below 0.
    """
    floating("softshrink", input)
    if lambd < 0:
        raise ContractError(f"softshrink: lambd {lambd}; give a number from 0")
    outside = ~ops.less_equal(ops.abs(input), lambd)
    low = ops.where(ops.less(input, 0), input + lambd, input - lambd)
    return ops.kink(outside, low, 0.0)


@chain
def tanhshrink(input: Tensor) -> Tensor:
    """input - tanh(input).  [*s] -> [*s]."""
    rank("tanhshrink", input)
    return input - ops.tanh(input)


@chain
def threshold(input: Tensor, threshold: float, value: float) -> Tensor:
    """value where input <= threshold, input elsewhere.  [*s] -> [*s]."""
    beside("threshold", input, threshold, value)
    value = value if input.dtype in dtypes.FLOATING else int(value)
    return ops.kink(~ops.less_equal(input, threshold), input, value)


multiply, subtract, divide, true_divide = mul, sub, div, div
negative, absolute, floor_divide, sgn = neg, abs, floordiv, sign
arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
arcsinh, arccosh, arctanh = asinh, acosh, atanh
