"""Tensors of random numbers: the next part of a stream, in PyTorch's distributions.

The draws are made by operations on a key and a counter, so a compiled function draws what an eager
one does.  Nothing here has a gradient, but dropout.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

from .. import dtypes, ops
from ..device import resolve
from ..dtypes import DType
from ..errors import ContractError, WrongType
from ..random import BLOCK, default_generator
from ..spec import Shape, broadcast, size as size_of
from .given import floating, hold, operands, rank, roomy, sized, whole
from .indexing import searchsorted
from .reduction import all, any

if TYPE_CHECKING:
    from ..device import Device
    from ..random import Generator
    from ..tensor import Tensor

__all__ = [
    "bernoulli", "dropout", "multinomial", "normal", "rand", "rand_like", "randint", "randint_like",
    "randn", "randn_like", "randperm",
]  # fmt: skip

Kind = TypeVar("Kind", bound="Tensor")
Place = Any
FEW = 2**16  # below this range one word modulo it is even to 2^-16; beyond, 63 bits are taken


def draws(
    op: str, operation: Any, words: int, given: Any, dtype: Any, device: Place,
    generator: Generator | None,
) -> Tensor:  # fmt: skip
    """The operation on the next part of a stream, called by this name.

    words: how many uniform values make one of its elements.
    """
    shape = sized(op, given)
    wanted, place = dtypes.as_dtype(dtype or dtypes.default_float), resolve(device)
    if wanted not in dtypes.FLOATING:
        raise ContractError(f"{op}: dtype {wanted.name}; give a floating one")
    place.accept(op, wanted)
    blocks = ops.random.blocks(size_of(shape), wanted, words)
    key, counter = (generator or default_generator).draw(blocks)
    how = {"shape": shape, "dtype": wanted, "device": place}
    z: Tensor = roomy(op, shape, wanted, lambda: operation(key, counter, **how))
    return z


def integers(
    op: str, span: int, shape: Shape, place: Device, generator: Generator | None, words: int
) -> Tensor:
    """Random bits modulo a range: 32 of one word, or 63 of two.  -> int64[*shape]."""
    n = size_of(shape)
    key, counter = (generator or default_generator).draw(-(-n * words // BLOCK))

    def make() -> Tensor:
        return ops.integers(key, counter, shape=shape, words=words, device=place)

    bits = roomy(op, (n, words), dtypes.int64, make)
    return bits if span == 2**63 else ops.remainder(bits, span)


def numbers(op: str, **given: Any) -> None:
    """Raises: WrongType for what is no number, ContractError for what is not finite."""
    for name, x in given.items():
        if ops.elementwise.number_type(x) is None:
            raise WrongType(f"{op}: {name} {x!r}; give a number")
        if isinstance(x, float) and not math.isfinite(x):
            raise ContractError(f"{op}: {name} {x}; give a finite number")


def rand(
    size: Any, *more: Any, dtype: Any = None, device: Place = None,
    generator: Generator | None = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Uniform in [0, 1).  -> [*size]."""
    z = draws("rand", ops.uniform, 1, (size, *more), dtype, device, generator)
    return z.requires_grad_(requires_grad)


def randn(
    size: Any, *more: Any, dtype: Any = None, device: Place = None,
    generator: Generator | None = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Normal with mean 0 and variance 1.  -> [*size]."""
    z = draws("randn", ops.normal, 2, (size, *more), dtype, device, generator)
    return z.requires_grad_(requires_grad)


def rand_like(
    input: Tensor, *, dtype: Any = None, device: Place = None, generator: Generator | None = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Uniform in [0, 1), in the shape, type and place of input.  [*s] -> [*s]."""
    rank("rand_like", input)
    dtype, device = dtype or input.dtype, device or input.device
    z = draws("rand_like", ops.uniform, 1, (input.shape,), dtype, device, generator)
    return z.requires_grad_(requires_grad)


def randn_like(
    input: Tensor, *, dtype: Any = None, device: Place = None, generator: Generator | None = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Normal, in the shape, type and place of input.  [*s] -> [*s]."""
    rank("randn_like", input)
    dtype, device = dtype or input.dtype, device or input.device
    z = draws("randn_like", ops.normal, 2, (input.shape,), dtype, device, generator)
    return z.requires_grad_(requires_grad)


def randint(
    low: int = 0, high: Any = None, size: Any = None, *, dtype: Any = None, device: Place = None,
    generator: Generator | None = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Integers from low (0 if only high and size are given) to high - 1.  -> int64[*size].

    Random bits modulo the range: up to 2^16 of 32 bits, beyond of 63, so that the lowest are more
    frequent by at most range / 2^32 or range / 2^63.
    Raises: ContractError if the range is empty, exceeds 2^63 or what the dtype holds.
    """
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    z = between("randint", low, high, size, dtype or dtypes.int64, device, generator)
    return z.requires_grad_(requires_grad)


def randint_like(
    input: Tensor, low: int = 0, high: Any = None, *, dtype: Any = None, device: Place = None,
    generator: Generator | None = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Integers from low (0 if only high is given) to high - 1, as input is.  [*s] -> [*s]."""
    rank("randint_like", input)
    low, high = (0, low) if high is None else (low, high)
    dtype, device = dtype or input.dtype, device or input.device
    z = between("randint_like", low, high, input.shape, dtype, device, generator)
    return z.requires_grad_(requires_grad)


def between(
    op: str, low: Any, high: Any, size: Any, dtype: Any, device: Place, generator: Generator | None
) -> Tensor:
    """randint, called by this name."""
    low, high = whole(op, "low", low, -(2**63)), whole(op, "high", high, -(2**63))
    span = high - low
    if not 0 < span <= 2**63:
        raise ContractError(f"{op}: from {low} to {high}; the range holds 1 to 2^63 integers")
    shape, place, wanted = sized(op, (size,)), resolve(device), dtypes.as_dtype(dtype)
    place.accept(op, wanted)
    if wanted is not dtypes.bool_:
        broad = wanted in dtypes.FLOATING
        found = dtypes.finfo(wanted) if broad else dtypes.iinfo(wanted)
        least, most = (int(float(x) if broad else x) for x in (found.min, found.max))
        if low < least or high - 1 > most:
            raise ContractError(
                f"{op}: from {low} to {high} in {wanted.name}, which holds {least} to {most}; give "
                f"a wider dtype"
            )
    z = integers(op, span, shape, place, generator, 1 if span <= FEW else 2)
    return ops.cast(z + low if low else z, wanted)


def most_whole(dtype: DType) -> int:
    """The greatest integer up to which this type holds all."""
    if dtype in dtypes.FLOATING:
        return int(2 / dtypes.finfo(dtype).eps)
    return 1 if dtype is dtypes.bool_ else int(dtypes.iinfo(dtype).max)


def randperm(
    n: int, *, dtype: Any = None, device: Place = None, generator: Generator | None = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """0 to n - 1 in random order: the order that sorts n random integers.  -> int64[n].

    Of 32 bits up to n = 2^16, so that two are alike, and keep their order, with a chance below 1/2;
    beyond, of 63 bits.
    Raises: ContractError for a dtype that does not hold all of them.
    """
    n, place = whole("randperm", "n", n), resolve(device)
    wanted = dtypes.as_dtype(dtype or dtypes.int64)
    if n - 1 > most_whole(wanted):
        raise ContractError(
            f"randperm: 0 to {n - 1} in {wanted.name}, which holds all up to {most_whole(wanted)}; "
            f"give a wider dtype"
        )
    keys = integers("randperm", 2**63, (n,), place, generator, 1 if n <= FEW else 2)
    z = ops.argsort(keys, axis=0, descending=False)
    return ops.cast(z, wanted).requires_grad_(requires_grad)


def wide(dtype: DType) -> DType:
    """float64 for itself, float32 for all others: in which chances are compared."""
    return dtype if dtype is dtypes.float64 else dtypes.float32


def uniform(op: str, shape: Shape, like: Tensor, generator: Generator | None) -> Tensor:
    """Uniform in [0, 1) in the wide type of a tensor, where it is.  -> [*shape]."""
    return draws(op, ops.uniform, 1, (shape,), wide(like.dtype), like.device, generator)


def waits(op: str, shape: Shape, like: Tensor, generator: Generator | None) -> Tensor:
    """-log(1 - u), u uniform in [0, 1): exponential times, none of them 0.  -> [*shape].

    A u of 0 stands for all below its step, whose mean is half a step.
    """
    u = uniform(op, shape, like, generator)
    return ops.maximum(-ops.log(1 - u), 2.0**-54 if u.dtype is dtypes.float64 else 2.0**-25)


def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None
) -> Tensor:
    """1 with probability input (or p, where that is given), else 0.  [*s] -> [*s].

    Raises: ContractError for an input that is not floating, and chances outside 0 to 1.
    """
    rank("bernoulli", input)
    if p is None:
        floating("bernoulli", input)
    return happening("bernoulli", input, input if p is None else p, generator)


def bernoulli_(input: Kind, p: Any = 0.5, *, generator: Generator | None = None) -> Kind:
    """Become 1 with probability p, 0 otherwise; p a number, or a tensor that broadcasts."""
    return input.assign_(happening("bernoulli_", input, p, generator))


def happening(op: str, x: Tensor, p: Any, generator: Generator | None) -> Tensor:
    """1 with probability p, else 0, in the shape and type of x.  A trace does not check p."""
    if hasattr(p, "_data"):
        p = p.detach()
        p = ops.cast(p, wide(p.dtype))
        hold(op, (p >= 0) & (p <= 1), "chances beyond 0 to 1 or nan; a probability is from 0 to 1")
    else:
        numbers(op, p=p)
        if not 0 <= p <= 1:
            raise ContractError(f"{op}: p={p}; a probability is from 0 to 1")
    operands(op, x, p)
    u = uniform(op, x.shape, p if hasattr(p, "_data") else x, generator)
    return ops.cast(ops.less(u, p), x.dtype)


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Places drawn with chances in proportion to input.  [*b, n] -> int64[*b, num_samples].

    Without replacement none twice: the first to arrive, each after an exponential time.
    Raises: ContractError for chances that are negative, not finite or all 0 (not while tracing),
    and without replacement for more samples than places.
    """
    op = "multinomial"
    count = whole(op, "num_samples", num_samples, 1)
    if rank(op, input) not in (1, 2) or input.dtype not in dtypes.FLOATING:
        raise ContractError(f"{op}: {input.spec}; give chances [n] or [b, n], floating")
    chances = ops.cast(input.detach(), wide(input.dtype))
    wrong = (
        f"{count} samples of chances {input.spec}; give finite ones, none negative, one above 0 in "
        f"each row, and without replacement no fewer than samples"
    )
    if not replacement and count > input.shape[-1]:
        raise ContractError(f"{op}: {wrong}")
    open_ = ops.greater(chances, 0)
    finite = (chances >= 0) & ops.less(chances, math.inf)
    hold(op, any(open_, -1) & all(finite), wrong)
    if not replacement:
        times = waits(op, input.shape, chances, generator) / chances
        return ops.where(open_, times, math.inf).topk(count, -1, False).indices
    ends = chances.cumsum(-1)
    total = ends[..., -1:]
    u = uniform(op, (*input.shape[:-1], count), chances, generator) * total
    # what is rounded up to the total belongs to the last place with a chance
    return searchsorted(ends, u, right=True).minimum(searchsorted(ends, total))


def normal(
    mean: Any, std: Any = 1.0, size: Any = None, *, dtype: Any = None, device: Place = None,
    generator: Generator | None = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Normal with this mean and standard deviation.  -> [*size].

    Where mean or std is a tensor, in the shape that both have together: [*s], [*t] -> [*s or *t].
    Raises: ContractError for a negative std (of a tensor's not while tracing).
    """
    op = "normal"
    mean, std = (x.detach() if hasattr(x, "_data") else x for x in (mean, std))
    given = [x for x in (mean, std) if hasattr(x, "_data")]
    if (not given) == (size is None):
        raise ContractError(
            f"{op}: size {size} with {len(given)} tensors; give a size for two numbers, and none "
            f"beside tensors"
        )
    if given:
        operands(op, mean, std)
        for x in given:
            floating(op, x)
        if std is given[-1]:
            hold(op, std >= 0, "a negative std or nan; give standard deviations from 0")
        size, device = broadcast(op, *[x.shape for x in given]), given[0].device
        dtype = ops.elementwise.common(tuple(given))
    z = moved(op, mean, std, (size,), dtype, device, generator)
    return z.requires_grad_(requires_grad)


def moved(
    op: str, mean: Any, std: Any, size: Any, dtype: Any, device: Place, generator: Generator | None
) -> Tensor:
    """std z + mean, z standard normal, called by this name."""
    for name, x in (("mean", mean), ("std", std)):
        if not hasattr(x, "_data"):
            numbers(op, **{name: x})
    if not hasattr(std, "_data") and not std >= 0:
        raise ContractError(f"{op}: std {std}; give a standard deviation from 0")
    z: Tensor = draws(op, ops.normal, 2, size, dtype, device, generator) * std + mean
    return z


def uniform_(
    input: Kind, low: float = 0.0, to: float = 1.0, *, generator: Generator | None = None
) -> Kind:
    """Become uniform in [low, to); rounding may reach the end.  [*s] -> [*s]."""
    numbers("uniform_", low=low, to=to)
    if not low <= to:
        raise ContractError(f"uniform_: from {low} to {to}; give the lower end first")
    z = draws("uniform_", ops.uniform, 1, (input.shape,), input.dtype, input.device, generator)
    return input.assign_(z * (to - low) + low)


def normal_(
    input: Kind, mean: float = 0.0, std: float = 1.0, *, generator: Generator | None = None
) -> Kind:
    """Become normal with this mean and standard deviation.  [*s] -> [*s]."""
    shape, dtype, device = (input.shape,), input.dtype, input.device
    return input.assign_(moved("normal_", mean, std, shape, dtype, device, generator))


def log_normal_(
    input: Kind, mean: float = 1.0, std: float = 2.0, *, generator: Generator | None = None
) -> Kind:
    """Become exp(x), x normal with this mean and standard deviation.  [*s] -> [*s]."""
    op = "log_normal_"
    floating(op, input)
    numbers(op, mean=mean, std=std)
    if not std > 0:
        raise ContractError(f"{op}: std {std}; give a standard deviation above 0")
    shape, dtype = (input.shape,), wide(input.dtype)
    z = ops.exp(moved(op, mean, std, shape, dtype, input.device, generator))
    return input.assign_(ops.cast(z, input.dtype))


def exponential_(input: Kind, lambd: float = 1.0, *, generator: Generator | None = None) -> Kind:
    """Become exponential, of density lambd exp(-lambd x), above 0.  [*s] -> [*s]."""
    op = "exponential_"
    floating(op, input)
    numbers(op, lambd=lambd)
    if not lambd > 0:
        raise ContractError(f"{op}: lambd {lambd}; give a rate above 0")
    z = waits(op, input.shape, input, generator) / lambd
    return input.assign_(ops.cast(z, input.dtype))


def geometric_(input: Kind, p: float, *, generator: Generator | None = None) -> Kind:
    """Become the number of trials, each with chance p, up to the first success.  [*s] -> [*s].

    1, 2, .. with the probability (1 - p)^(k - 1) p: an exponential time, rounded up.
    """
    numbers("geometric_", p=p)
    if not 0 < p < 1:
        raise ContractError(f"geometric_: p={p}; give a probability between 0 and 1")
    z = waits("geometric_", input.shape, input, generator) / -math.log1p(-p)
    return input.assign_(ops.cast(ops.ceil(z), input.dtype))


def cauchy_(
    input: Kind, median: float = 0.0, sigma: float = 1.0, *, generator: Generator | None = None
) -> Kind:
    """Become median + sigma tan(pi (u - 1/2)), u uniform: Cauchy's distribution.  [*s] -> [*s]."""
    floating("cauchy_", input)
    numbers("cauchy_", median=median, sigma=sigma)
    if not sigma > 0:
        raise ContractError(f"cauchy_: sigma {sigma}; give a width above 0")
    u = uniform("cauchy_", input.shape, input, generator)
    angle = (u - 0.5) * math.pi
    z = ops.sin(angle) / ops.cos(angle) * sigma + median
    return input.assign_(ops.cast(z, input.dtype))


def random_(
    input: Kind, low: int | None = None, to: int | None = None, *,
    generator: Generator | None = None,
) -> Kind:  # fmt: skip
    """Become integers from low to to - 1, from 0 if only one is given.  [*s] -> [*s].

    With neither, up to the greatest of the type; of a floating one, up to which it holds all.
    """
    least = 0 if low is None or to is None else low
    if to is None:
        to = most_whole(input.dtype) + 1 if low is None else low
    z = between("random_", least, to, input.shape, input.dtype, input.device, generator)
    return input.assign_(z)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """input / (1 - p) with probability 1 - p, else 0; input itself unless training.  [*s] -> [*s].

    Raises: ContractError unless 0 <= p <= 1.
    """
    rank("dropout", input)
    operands("dropout", p)
    if not 0 <= p <= 1:
        raise ContractError(f"dropout: p={p}; a probability is from 0 to 1")
    if not training or p == 0:
        return input
    if p == 1:
        z = ops.mul(input, 0.0)  # nan and infinities show, as in PyTorch
        return input.assign_(z) if inplace else z
    key, counter = default_generator.draw(ops.random.blocks(size_of(input.shape), dtypes.float32))
    z = ops.dropout(input, key, counter, p=float(p))
    return input.assign_(z) if inplace else z
