"""Samplers: in what order samples are taken.  They know only how many there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence, Sized
from itertools import chain, cycle, islice
from typing import Any, Generic, TypeVar

import rushlight as rl

Item = TypeVar("Item", covariant=True)

# Weyl's sequence: the multiples of 2**64 / golden ratio are all different, and far apart.
STRIDE = 0x9E3779B97F4A7C15
FAR = 2**127  # half of all blocks away from where a seeded stream begins


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


class Seeded(Sampler[int]):
    """An order that is a function of (seed, epoch) and of nothing else.

    seed: None draws one from the generator, or from the default random stream, when the first order
        is asked for.
    """

    def __init__(self, generator: rl.Generator | None, seed: int | None) -> None:
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

    def stream(self) -> rl.Generator:
        """The random stream of this epoch: no part of one that is seeded alike."""
        stream = rl.Generator()
        stream.set_state({"seed": self.seed + self.epoch * STRIDE, "counter": FAR})
        return stream

    def permutation(self, count: int, stream: rl.Generator) -> list[int]:
        """0 to count - 1 in random order."""
        order: list[int] = rl.randperm(count, generator=stream, device="numpy").tolist()
        return order


class RandomSampler(Seeded):
    """Every sample once, in an order that is a function of (seed, epoch) and of nothing else.

    replacement: draw each anew from all instead.
    num_samples: how many; without replacement whole orders follow each other.  All if None.
    generator, seed: see Seeded.
    Raises: ContractError for a num_samples that is no positive integer.
    """

    def __init__(
        self,
        data_source: Sized,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: rl.Generator | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        super().__init__(generator, seed)
        if num_samples is not None:
            _positive("RandomSampler", num_samples)
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples

    @property
    def num_samples(self) -> int:
        """How many samples an epoch has."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self) -> Iterator[int]:
        stream, count, wanted = self.stream(), len(self.data_source), self.num_samples
        if wanted and not count:
            raise rl.ContractError(f"RandomSampler: {wanted} samples of an empty dataset")
        if self.replacement:
            drawn = rl.randint(0, max(count, 1), (wanted,), generator=stream, device="numpy")
            return iter(drawn.tolist())
        orders = -(-wanted // count) if wanted else 0
        return islice(chain(*(self.permutation(count, stream) for _ in range(orders))), wanted)

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Seeded):
    """These samples, each once, in an order that is a function of (seed, epoch).

    generator, seed: see Seeded.
    """

    def __init__(
        self,
        indices: Sequence[int],
        generator: rl.Generator | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        super().__init__(generator, seed)
        self.indices = indices

    def __iter__(self) -> Iterator[int]:
        order = self.permutation(len(self.indices), self.stream())
        return iter([self.indices[i] for i in order])

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Seeded):
    """Samples drawn with chances in proportion to weights; they need not add up to 1.

    replacement: whether a sample may be drawn twice in an epoch.
    generator, seed: see Seeded.
    Raises: ContractError for a num_samples that is no positive integer, and weights that are not
    one row of finite chances.
    """

    def __init__(
        self,
        weights: Any,
        num_samples: int,
        replacement: bool = True,
        generator: rl.Generator | None = None,
        *,
        seed: int | None = None,
    ) -> None:
        super().__init__(generator, seed)
        _positive("WeightedRandomSampler", num_samples)
        self.weights = rl.as_tensor(weights, dtype=rl.float64, device="numpy")
        if self.weights.ndim != 1:
            raise rl.ContractError(
                f"WeightedRandomSampler: weights {self.weights.spec}; give one for each sample"
            )
        self.num_samples = num_samples
        self.replacement = replacement

    def __iter__(self) -> Iterator[int]:
        drawn = rl.multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.stream()
        )
        return iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class DistributedSampler(Seeded):
    """Every num_replicas-th sample, from the rank-th on: the part of one of several processes.

    All parts have one length: the first samples are taken again to fill the last places, or with
    drop_last the last ones are left out.
    shuffle: a new order every epoch, the same in all processes.  A loader counts the epochs itself:
        to go on in a later one, load its state_dict.

    Raises: ContractError without num_replicas and rank, and for a rank beyond them.

    >>> [list(DistributedSampler(range(5), 2, rank, shuffle=False)) for rank in (0, 1)]
    [[0, 2, 4], [1, 3, 0]]
    """

    def __init__(
        self,
        dataset: Sized,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        super().__init__(None, seed)
        if num_replicas is None or rank is None or not 0 <= rank < num_replicas:
            raise rl.ContractError(
                f"DistributedSampler: rank {rank} of {num_replicas} replicas; give the number of "
                "processes, and the number of this one from 0"
            )
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.shuffle = shuffle
        self.drop_last = drop_last

    @property
    def num_samples(self) -> int:
        """How many samples this process has."""
        count, parts = len(self.dataset), self.num_replicas
        return count // parts if self.drop_last else -(-count // parts)

    def __iter__(self) -> Iterator[int]:
        count, total = len(self.dataset), self.num_samples * self.num_replicas
        order = self.permutation(count, self.stream()) if self.shuffle else range(count)
        return islice(cycle(order), self.rank, total, self.num_replicas)

    def __len__(self) -> int:
        return self.num_samples


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
        return self._lists(iter(self.sampler))  # begun now: later, the epoch may be another one

    def _lists(self, order: Iterator[int]) -> Iterator[list[int]]:
        while batch := list(islice(order, self.batch_size)):
            if len(batch) == self.batch_size or not self.drop_last:
                yield batch

    def __len__(self) -> int:
        count = len(self.sampler)  # type: ignore[arg-type]  # TypeError if it has no length
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


def set_epoch(sampler: object, epoch: int) -> None:
    """Tell a sampler the epoch, if its order depends on it."""
    tell = getattr(sampler, "set_epoch", None)
    if tell is not None:
        tell(epoch)


def _positive(name: str, num_samples: object) -> None:
    """Raises: ContractError unless this is a positive integer."""
    if type(num_samples) is not int or num_samples <= 0:
        raise rl.ContractError(f"{name}: num_samples is {num_samples!r}; give a positive integer")
