"""DataLoader: an iterable of batches, which knows how far it is and can be brought there again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import rushlight as rl

from .collate import default_collate
from .dataset import Dataset, Subset, TensorDataset
from .sampler import BatchSampler, RandomSampler, SequentialSampler, set_epoch


class DataLoader:
    """Batches of a dataset; each `for` over it is one epoch.

    dataset: any object with `__getitem__` and `__len__`.
    batch_size: samples in a batch; None gives single samples, not collated.
    shuffle: a new order every epoch, a function of (seed, epoch) and of nothing else.
    sampler: the order instead, an iterable of sample numbers; or batch_sampler, of lists of them.
    collate_fn: makes a batch of a list of samples; `default_collate` if None.
    drop_last: leave out a last batch that is shorter.
    generator, seed: where the order comes from.  With neither, the seed is drawn from the default
        random stream when the first epoch begins, so that `rl.manual_seed` decides it.

    `state_dict()` is {"seed", "epoch", "batch"}: saved at any time, also within an epoch, and
    loaded into a loader made alike, the next `for` goes on with the batch after the last one given
    out.

    Raises: ContractError for options that exclude each other, a batch_size that is not positive,
    and num_workers other than 0.

    >>> [batch.tolist() for batch in DataLoader([10, 11, 12], batch_size=2)]
    [[10, 11], [12]]
    """

    def __init__(
        self,
        dataset: Dataset[Any] | Sequence[Any],
        batch_size: int | None = 1,
        shuffle: bool = False,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[Sequence[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        drop_last: bool = False,
        *,
        generator: rl.Generator | None = None,
        seed: int | None = None,
    ) -> None:
        if num_workers != 0:
            raise rl.ContractError(
                f"DataLoader: num_workers={num_workers}; "
                "batches are loaded in this process, leave num_workers at 0"
            )
        self.dataset = dataset
        self.collate_fn = collate_fn
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise rl.ContractError(
                    "DataLoader: batch_sampler with batch_size, shuffle, sampler or drop_last; "
                    "give the batch_sampler alone, it decides all of them"
                )
            batch_size = None
        elif sampler is not None:
            if shuffle:
                raise rl.ContractError(
                    "DataLoader: sampler with shuffle; give one of the two, a sampler is the order"
                )
        elif shuffle:
            sampler = RandomSampler(dataset, generator=generator, seed=seed)
        else:
            sampler = SequentialSampler(dataset)
        if batch_sampler is None and batch_size is None and drop_last:
            raise rl.ContractError(
                "DataLoader: drop_last without batches; give a batch_size, or leave drop_last out"
            )
        if batch_size is not None and sampler is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = getattr(batch_sampler, "sampler", None) if sampler is None else sampler
        self.batch_sampler = batch_sampler
        self._next = (0, 0)  # the epoch and batch that the next `for` begins with
        self._at = (0, 0)  # where the present one is

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self._order())  # type: ignore[arg-type]  # TypeError if it has no length

    def _order(self) -> Iterable[Any]:
        """Lists of sample numbers, or sample numbers where nothing is to be collated."""
        order = self.batch_sampler if self.batch_sampler is not None else self.sampler
        assert order is not None
        return order

    def __iter__(self) -> Iterator[Any]:
        epoch, done = self._next
        self._next, self._at = (epoch + 1, 0), (epoch, done)
        order = self._order()
        set_epoch(order, epoch)
        fetch = self._fetch if self.batch_sampler is not None else self.dataset.__getitem__
        return self._batches(epoch, done, islice(iter(order), done, None), fetch)

    def _batches(
        self, epoch: int, done: int, order: Iterator[Any], fetch: Callable[[Any], Any]
    ) -> Iterator[Any]:
        for chosen in order:
            batch = fetch(chosen)
            done += 1
            self._at = (epoch, done)
            yield batch
        self._at = (epoch + 1, 0)

    def _fetch(self, indices: Sequence[int]) -> Any:
        dataset = self.dataset
        if self.collate_fn is not None:
            return self.collate_fn([dataset[i] for i in indices])
        while type(dataset) is Subset:
            indices = [dataset.indices[i] for i in indices]
            dataset = dataset.dataset
        if type(dataset) is TensorDataset:  # a subclass may have another __getitem__
            return dataset.batch(indices)
        return default_collate([dataset[i] for i in indices])

    def state_dict(self) -> dict[str, int | None]:
        """The seed of the order, the epoch, and how many of its batches were given out."""
        seed = self.sampler.seed if isinstance(self.sampler, RandomSampler) else None
        epoch, batch = self._at
        return {"seed": seed, "epoch": epoch, "batch": batch}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go where that state was taken: the next `for` goes on there.

        Raises: ContractError if something is missing in it.
        """
        try:
            seed, epoch, batch = (state_dict[key] for key in ("seed", "epoch", "batch"))
        except KeyError as missing:
            raise rl.ContractError(
                f"DataLoader.load_state_dict: no {missing} in the state; "
                "give what state_dict() returned"
            ) from None
        if isinstance(self.sampler, RandomSampler) and seed is not None:
            self.sampler.seed = seed
        self._next = self._at = (epoch, batch)
