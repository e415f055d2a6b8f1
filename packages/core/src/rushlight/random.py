"""Streams of random numbers, and tensors of them.

A stream is a key (the seed) and a counter of blocks drawn so far: nothing else, so it can be saved
as two numbers, and the same seed gives the same bits on every device, eager or compiled.
"""

from __future__ import annotations

from typing import Any

from . import dtypes, ops
from .cell import Cell
from .creation import Place, asking
from .device import resolve
from .errors import ContractError
from .function import searchsorted
from .function.given import operands, rank, roomy, sized, whole
from .spec import size as size_of
from .tensor import Tensor

BLOCK = 4  # words of 32 bits in a block of Philox4x32


class Generator:
    """A stream of random numbers.

    >>> Generator().manual_seed(7).initial_seed()
    7
    """

    def __init__(self, device: Place = None) -> None:
        self.key, self.counter = Cell(0), Cell(0)

    def manual_seed(self, seed: int) -> Generator:
        """Begin anew with this seed, an integer taken modulo 2^64."""
        try:
            self.key.value, self.counter.value = int(seed) % 2**64, 0
        except (TypeError, ValueError):
            raise ContractError(f"manual_seed: {seed!r}; give an integer") from None
        return self

    def initial_seed(self) -> int:
        """The seed with which the stream began."""
        return int(self.key.held)

    def get_state(self) -> dict[str, int]:
        """Seed and counter: all there is to a stream."""
        return {"seed": int(self.key.held), "counter": int(self.counter.held)}

    def set_state(self, state: dict[str, int]) -> None:
        """Go on where get_state() was called.  Raises: ContractError for anything else."""
        try:
            seed, counter = state["seed"], state["counter"]
        except (KeyError, TypeError) as error:
            raise ContractError(
                f"set_state: {state!r} is no state; give what get_state() returned"
            ) from error
        self.key.value, self.counter.value = int(seed) % 2**64, int(counter) % 2**64

    def draw(self, blocks: int) -> tuple[Any, Any]:
        """The key, and the first of so many blocks, which are used up."""
        with self.counter.lock:
            counter = self.counter.value
            self.counter.value = counter + blocks
        return self.key.value, counter


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Begin the default stream anew with this seed."""
    return default_generator.manual_seed(seed)


def initial_seed() -> int:
    """The seed of the default stream."""
    return default_generator.initial_seed()


def get_rng_state() -> dict[str, int]:
    """The state of the default stream: its seed and counter."""
    return default_generator.get_state()


def set_rng_state(new_state: dict[str, int]) -> None:
    """Go on with the default stream where get_rng_state() was called."""
    default_generator.set_state(new_state)


def draws(
    name: str, op: Any, words: int, given: Any, dtype: Any, device: Place,
    generator: Generator | None,
) -> Tensor:  # fmt: skip
    """The operation on the next part of a stream, called by this name.

    words: how many uniform values make one of its elements.
    """
    shape = sized(name, given)
    wanted, place = dtypes.as_dtype(dtype or dtypes.default_float), resolve(device)
    if wanted not in dtypes.FLOATING:
        raise ContractError(f"{name}: dtype {wanted.name}; give a floating one")
    place.accept(name, wanted)
    blocks = ops.random.blocks(size_of(shape), wanted, words)
    key, counter = (generator or default_generator).draw(blocks)
    z: Tensor = roomy(
        name, shape, wanted, lambda: op(key, counter, shape=shape, dtype=wanted, device=place)
    )
    return z


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
    input: Tensor, *, dtype: Any = None, device: Place = None,
    generator: Generator | None = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Uniform in [0, 1), in the shape, type and place of input.  [*s] -> [*s]."""
    rank("rand_like", input)
    z = draws("rand_like", ops.uniform, 1, input.shape, *found(input, dtype, device), generator)
    return z.requires_grad_(requires_grad)


def randn_like(
    input: Tensor, *, dtype: Any = None, device: Place = None,
    generator: Generator | None = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Normal, in the shape, type and place of input.  [*s] -> [*s]."""
    rank("randn_like", input)
    z = draws("randn_like", ops.normal, 2, input.shape, *found(input, dtype, device), generator)
    return z.requires_grad_(requires_grad)


def found(x: Tensor, dtype: Any, device: Place) -> tuple[Any, Place]:
    """The type and place that are asked for, or those of x."""
    return dtype or x.dtype, device or x.device


def words(op: str, count: int, place: Any, generator: Generator | None) -> Tensor:
    """count words of 32 random bits.  -> uint32[count]."""
    key, counter = (generator or default_generator).draw(-(-count // BLOCK))
    z: Tensor = roomy(
        op,
        (count,),
        dtypes.int64,
        lambda: ops.random_bits(key, counter, shape=(count,), device=place),
    )
    return z


def randint(
    low: int = 0, high: Any = None, size: Any = None, *, dtype: Any = None, device: Place = None,
    generator: Generator | None = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Integers from low (0 if only high and size are given) to high - 1.  -> int64[*size].

    A word of 32 bits modulo the range: the lowest are more frequent by at most range / 2^32.
    Raises: ContractError if the range is empty or exceeds 2^32.
    """
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    low, high = whole("randint", "low", low, -(2**63)), whole("randint", "high", high, -(2**63))
    span = high - low
    if not 0 < span <= 2**32:
        raise ContractError(f"randint: from {low} to {high}; the range holds 1 to 2^32 integers")
    operands("randint", low, high)
    shape, place = sized("randint", (size,)), resolve(device)
    bits = words("randint", size_of(shape), place, generator).long()
    z = ops.reshape(ops.remainder(bits, span) + low, shape)
    return asking("randint", z.to(dtypes.as_dtype(dtype or dtypes.int64)), requires_grad)


def randperm(
    n: int, *, dtype: Any = None, device: Place = None, generator: Generator | None = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """0 to n - 1 in random order: the order that sorts n random words.  -> int64[n]."""
    n, place = whole("randperm", "n", n), resolve(device)
    order = ops.argsort(words("randperm", n, place, generator), axis=0, descending=False)
    return asking("randperm", order.to(dtypes.as_dtype(dtype or dtypes.int64)), requires_grad)


def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None
) -> Tensor:
    """1 with probability input, or p, else 0.  [*s] -> [*s]."""
    rank("bernoulli", input)
    draw = rand(input.shape, dtype=dtypes.float32, device=input.device, generator=generator)
    return ops.cast(ops.less(draw, input.detach().float() if p is None else p), input.dtype)


def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *,
    generator: Generator | None = None,
) -> Tensor:  # fmt: skip
    """Places drawn with chances in proportion to input.  [*b, n] -> int64[*b, num_samples].

    Without replacement none twice: the first to arrive, each after an exponential time.
    Raises: ContractError for chances that are negative, not finite or all 0, and without
    replacement for more samples than places.
    """
    count, device = whole("multinomial", "num_samples", num_samples, 1), input.device
    if rank("multinomial", input) not in (1, 2) or input.dtype not in dtypes.FLOATING:
        raise ContractError(f"multinomial: {input.spec}; give chances [n] or [b, n], floating")
    chances = input.detach().float()
    open_ = ops.greater(chances, 0)
    sound = open_.any(-1).all() & (chances >= 0).all() & chances.isfinite().all()
    if not sound or not (replacement or count <= input.shape[-1]):
        raise ContractError(
            f"multinomial: {count} samples of chances {input.spec}; give finite ones, none "
            f"negative, one above 0 in each row, and without replacement no fewer than samples"
        )
    if not replacement:
        draws = rand(input.shape, dtype=dtypes.float32, device=device, generator=generator)
        times = ops.where(open_, ops.log(1 - draws) / -chances, float("inf"))
        return times.argsort(-1)[..., :count]
    shape = (*input.shape[:-1], count)
    ends = chances.cumsum(-1)
    total = ends[..., -1:]
    draws = rand(shape, dtype=dtypes.float32, device=device, generator=generator) * total
    # what is rounded up to the total belongs to the last place with a chance
    return searchsorted(ends, draws, right=True).minimum(searchsorted(ends, total))


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
    key, counter = default_generator.draw(ops.random.blocks(size_of(input.shape), dtypes.float32))
    z: Tensor = ops.dropout(input, key, counter, p=float(p))
    return input.assign_(z) if inplace else z
