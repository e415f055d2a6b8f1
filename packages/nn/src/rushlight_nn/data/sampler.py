"""Samplers: in what order samples are taken.  They know only how many there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import Generic, TypeVar

import rushlight as rl

Item = TypeVar("Item", covariant=True)

# Weyl's sequence: the multiples of 2**64 / golden ratio are all different, and far apart.
STRIDE = 0x9E3779B97F4A7C15


class Sampler(Generic[Item]):
    """Yields the numbers of samples, in the order in which they are to be taken.

    A sampler whose order changes from epoch to epoch states `set_epoch(epoch)`; a loader calls it
    before it asks for the order, and resumes any epoch by calling it with its number.
    """

    def __iter__(self) -> Iterator[Item]:
        raise NotImplementedError(f"{type(self).__name__} is missing __iter__(self)")


class SequentialSampler(Sampler[int]):
    """0, 1, 2, ... up to the number of samples.

    >>> list(SequentialSampler("abc"))
    [0, 1, 2]
    """

    def __init__(self, data_source: Sized) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


class RandomSampler(Sampler[int]):
    """Every sample once, in an order that is a function of (seed, epoch) and of nothing else.

    seed: None draws one from the generator, or from the default random stream, when the first order
        is asked for.
    """

    def __init__(
        self,
        data_source: Sized,
        *,
        generator: rl.Generator | None = None,
        seed: int | None = None,
    ) -> None:
        self.data_source = data_source
        self.generator = generator
        self.epoch = 0
        self._seed = seed

    @property
    def seed(self) -> int:
        """The seed of every epoch's order; drawn now if it has not been yet."""
        if self._seed is None:
            drawn = rl.randint(
                0, 2**31 - 1, (2,), generator=self.generator, device="numpy"
            ).tolist()
            self._seed = drawn[0] << 31 | drawn[1]
        return self._seed

    @seed.setter
    def seed(self, seed: int) -> None:
        self._seed = seed

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order is asked for next."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        stream = rl.Generator().manual_seed((self.seed + self.epoch * STRIDE) % 2**64)
        order: list[int] = rl.randperm(len(self), generator=stream, device="numpy").tolist()
        return iter(order)

    def __len__(self) -> int:
        return len(self.data_source)


class BatchSampler(Sampler[list[int]]):
    """The order of another sampler, in lists of batch_size.

    drop_last: whether to leave out a last list that is shorter.
    Raises: ContractError for a batch_size that is no positive integer.

    >>> list(BatchSampler(SequentialSampler(range(5)), batch_size=2, drop_last=False))
    [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, drop_last: bool) -> None:
        if type(batch_size) is not int or batch_size <= 0:
            raise rl.ContractError(
                f"BatchSampler: batch_size is {batch_size!r}; give a positive integer"
            )
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def set_epoch(self, epoch: int) -> None:
        """Pass the epoch on to the sampler within, if its order depends on it."""
        set_epoch(self.sampler, epoch)

    def __iter__(self) -> Iterator[list[int]]:
        batch: list[int] = []
        for i in self.sampler:
            batch.append(i)
            if len(batch) == self.batch_size:
                yield batch
                batch = []
        if batch and not self.drop_last:
            yield batch

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]  # TypeError if it has no length
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


def set_epoch(sampler: object, epoch: int) -> None:
    """Tell a sampler the epoch, if its order depends on it."""
    tell = getattr(sampler, "set_epoch", None)
    if tell is not None:
        tell(epoch)
