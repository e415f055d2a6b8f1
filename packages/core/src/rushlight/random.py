"""Streams of random numbers: keys and counters.  Knows no tensor.

A stream is a key (the seed) and a counter of blocks drawn so far: nothing else, so it can be saved
as two numbers, and the same seed gives the same bits on every device, eager or compiled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from . import ops
from .cell import Cell
from .device import Device, resolve
from .errors import ContractError, WrongType

__all__ = [
    "Generator", "default_generator", "get_rng_state", "initial_seed", "manual_seed", "seed",
    "set_rng_state",
]  # fmt: skip

BLOCK = 4  # words of 32 bits in a block of Philox4x32
LANE = 2**64  # blocks in a lane: the counter's upper half is the number of the lane


class Generator:
    """A stream of random numbers.

    device: kept for programs that ask; a stream gives the same on all devices.

    >>> Generator().manual_seed(7).initial_seed()
    7
    """

    def __init__(self, device: str | Device | None = None) -> None:
        self.key, self.counter, self._place = Cell(0), Cell(0), device

    @property
    def device(self) -> Device:
        """The device for which it was made."""
        return resolve(self._place)

    def manual_seed(self, seed: int) -> Generator:
        """Begin anew with this seed, an integer of 64 bits: a negative one is taken modulo 2^64.

        Raises: WrongType for what `int` does not take, ContractError for more bits.
        """
        try:
            key = int(seed)
        except (TypeError, ValueError, OverflowError):
            raise WrongType(f"manual_seed: {seed!r}; give an integer") from None
        if not -(2**63) <= key < 2**64:
            raise ContractError(f"manual_seed: {key}; give an integer from -2**63 to 2**64 - 1")
        self.key.value, self.counter.value = key % 2**64, 0
        return self

    def seed(self) -> int:
        """Begin anew with a seed that the system draws, and return it."""
        from secrets import randbits

        return self.manual_seed(randbits(64)).initial_seed()

    def initial_seed(self) -> int:
        """The seed with which the stream began."""
        return int(self.key.value)

    def get_state(self) -> dict[str, int]:
        """Seed and counter: all there is to a stream."""
        return {"seed": int(self.key.value), "counter": int(self.counter.value)}

    def set_state(self, state: dict[str, int]) -> None:
        """Go on where get_state() was called.  Raises: ContractError for anything else."""
        try:
            seed, counter = int(state["seed"]), int(state["counter"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ContractError(
                f"set_state: {state!r} is no state; give what get_state() returned"
            ) from error
        self.key.value, self.counter.value = seed % 2**64, counter % LANE**2

    def draw(self, blocks: int) -> tuple[Any, Any]:
        """The key, and the first of so many blocks, which are used up."""
        with self.counter.lock:
            counter = self.counter.value
            self.counter.value = counter + blocks
        return self.key.value, counter

    def split(self, n: int) -> list[Generator]:
        """n streams, for as many workers or devices, that overlap neither each other nor this one.

        Each takes one block of this stream, 128 bits: a key, and the lane in which it counts.  For
        one key Philox is a bijection from counters to blocks.  So the pairs of key and lane are all
        different, within a call and from call to call; and two streams of one key stay in their
        lanes of 2^64 blocks, where no block is twice.  Streams of two keys are two permutations
        without relation, as those of two seeds are.  That one is given the key and lane of this
        stream has a chance of n / 2^128.

        Raises: ContractError for a negative n, TracingError while tracing.

        >>> [stream.get_state() == Generator().get_state() for stream in Generator().split(2)]
        [False, False]
        """
        if type(n) is not int or n < 0:
            raise ContractError(f"split: {n!r} streams; give an integer from 0")
        key, counter = (int(x) for x in self.draw(n))
        words = ops.random_bits(key, counter, shape=(n, BLOCK), device=Device("numpy")).tolist()
        streams = [Generator(self._place) for _ in words]
        for stream, (a, b, c, d) in zip(streams, words, strict=True):
            stream.set_state({"seed": a << 32 | b, "counter": (c << 32 | d) * LANE})
        return streams


default_generator = Generator()


def manual_seed(seed: int) -> Generator:
    """Begin the default stream anew with this seed."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Begin the default stream anew with a seed that the system draws, and return it."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed of the default stream."""
    return default_generator.initial_seed()


def get_rng_state() -> dict[str, int]:
    """The state of the default stream: its seed and counter."""
    return default_generator.get_state()


def set_rng_state(new_state: dict[str, int]) -> None:
    """Go on with the default stream where get_rng_state() was called."""
    default_generator.set_state(new_state)


@contextmanager
def fork_rng(devices: Iterable[Any] | None = None, enabled: bool = True) -> Iterator[None]:  # noqa: ARG001  PyTorch's: one stream serves all devices
    """Within, the default stream may be drawn from and seeded; after, it is where it was before.

    enabled: if False, nothing is put back.
    """
    stream = default_generator
    before = stream.key.value, stream.counter.value
    try:
        yield
    finally:
        if enabled:
            stream.key.value, stream.counter.value = before
