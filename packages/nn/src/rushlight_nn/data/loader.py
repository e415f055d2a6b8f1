"""DataLoader: an iterable of batches, which knows how far it is and can be brought there again."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any

import rushlight as rl

from .collate import default_collate, default_convert
from .dataset import Dataset, IterableDataset
from .fetch import END, Fetch
from .sampler import BatchSampler, RandomSampler, Seeded, SequentialSampler, set_epoch

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

    from .pool import Pool


class DataLoader:
    """Batches of a dataset; each `for` over it is one epoch.

    dataset: any object with `__getitem__` and `__len__`, or an `IterableDataset`.
    batch_size: samples in a batch; None gives single samples, not collated.
    shuffle: a new order every epoch, a function of (seed, epoch) and of nothing else.
    sampler: the order instead, an iterable of sample numbers; or batch_sampler, of lists of them.
    num_workers: processes that fetch batches ahead; with 0, this one fetches them when asked.
    collate_fn: makes a batch of a list of samples; `default_collate` if None.  Of single samples,
        `default_convert`.
    pin_memory: accepted, and means nothing here: how memory moves is the backend's affair.
    drop_last: leave out a last batch that is shorter; of an IterableDataset, that of each worker.
    timeout: seconds that a batch may take its worker; 0 for any time.
    worker_init_fn: called with the worker's number in each worker, after it was seeded.
    multiprocessing_context: how workers start: "fork", "spawn", "forkserver" or a context.
    generator, seed: where the order comes from.  With neither, the seed is drawn from the default
        random stream when the first epoch begins, so that `rl.manual_seed` decides it.
    prefetch_factor: how many batches each worker is ahead; 2 if None.
    persistent_workers: keep the workers from epoch to epoch.

    Workers.  The order is the same with any number of them.  They are forked where that is Python's
    own choice, as PyTorch's are: what they are given need not be pickled and is not copied.  A
    program that runs threads, or computes on devices in its dataset, gives
    multiprocessing_context="forkserver".  A worker's tensors arrive on the host, "numpy".  At each
    epoch every worker gets a random stream of its own, split from `generator` or the default one:
    none is given twice, and the same seed gives the same batches for the same num_workers.  What a
    worker raises is raised here, with the worker's traceback as a note.

    `state_dict()` is {"seed", "epoch", "batch"}: saved at any time, also within an epoch, and
    loaded into a loader made alike, the next `for` goes on with the batch after the last one given
    out.

    What the dataset or collate_fn raises ends the epoch for that iterator; a new `for` begins the
    next one.  PyTorch's goes on with the batch after.

    Raises: ContractError for options that exclude each other or make no sense; WorkerFailed, while
    it is iterated, if a worker ends or takes longer than the timeout.

    >>> [batch.tolist() for batch in DataLoader([10, 11, 12], batch_size=2)]
    [[10, 11], [12]]
    """

    def __init__(
        self,
        dataset: Dataset[Any] | Sequence[Any],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[Sequence[int]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: str | BaseContext | None = None,
        generator: rl.Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        seed: int | None = None,
    ) -> None:
        self.dataset = dataset
        self.generator = generator
        self.num_workers = num_workers
        self.pin_memory = pin_memory
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.prefetch_factor = prefetch_factor
        self.persistent_workers = persistent_workers
        self._check_workers()
        self._streams = isinstance(dataset, IterableDataset)
        self._check_order(batch_size, shuffle, sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size = None
        elif self._streams:
            if batch_size is not None:
                BatchSampler((), batch_size, drop_last)  # which checks it
        else:
            if sampler is None and shuffle:
                sampler = RandomSampler(dataset, generator=generator, seed=seed)
            elif sampler is None:
                sampler = SequentialSampler(dataset)
            if batch_size is not None:
                batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        batched = batch_sampler is not None or batch_size is not None
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = getattr(batch_sampler, "sampler", None) if sampler is None else sampler
        self.batch_sampler = batch_sampler
        self.collate_fn = collate_fn or (default_collate if batched else default_convert)
        self._batched = batched
        self._next = (0, 0)  # the epoch and batch that the next `for` begins with
        self._at = (0, 0)  # where the present one is
        self._idle: list[Pool] = []  # persistent workers that no iterator uses

    def _check_order(
        self,
        batch_size: int | None,
        shuffle: bool | None,
        sampler: Iterable[int] | None,
        batch_sampler: Iterable[Sequence[int]] | None,
        drop_last: bool,
    ) -> None:
        """Raises: ContractError for options of the order that exclude each other."""
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise rl.ContractError(
                    "DataLoader: batch_sampler with batch_size, shuffle, sampler or drop_last; "
                    "give the batch_sampler alone, it decides all of them"
                )
        elif sampler is not None and shuffle:
            raise rl.ContractError(
                "DataLoader: sampler with shuffle; give one of the two, a sampler is the order"
            )
        elif batch_size is None and drop_last:
            raise rl.ContractError(
                "DataLoader: drop_last without batches; give a batch_size, or leave drop_last out"
            )
        if self._streams and (batch_sampler is not None or sampler is not None or shuffle):
            raise rl.ContractError(
                "DataLoader: an IterableDataset with shuffle, sampler or batch_sampler; leave "
                "them out, its samples have no numbers"
            )

    def _check_workers(self) -> None:
        """Raises: ContractError for options of workers without any, or that make no sense."""
        count, ahead, timeout = self.num_workers, self.prefetch_factor, self.timeout
        if type(count) is not int or count < 0:
            raise rl.ContractError(f"DataLoader: num_workers={count!r}; give an integer from 0")
        if count == 0:
            options = {
                "prefetch_factor": ahead is not None,
                "persistent_workers": self.persistent_workers,
                "timeout": timeout != 0,
                "multiprocessing_context": self.multiprocessing_context is not None,
            }
            for name, given in options.items():
                if given:
                    raise rl.ContractError(
                        f"DataLoader: {name} without workers; give num_workers, or leave it out"
                    )
            return
        if ahead is not None and (type(ahead) is not int or ahead < 1):
            raise rl.ContractError(f"DataLoader: prefetch_factor={ahead!r}; give an integer from 1")
        if not timeout >= 0:
            raise rl.ContractError(f"DataLoader: timeout={timeout}; give seconds from 0")
        if self.multiprocessing_context is not None:
            from .pool import chosen_context

            chosen_context(self.multiprocessing_context)

    def __len__(self) -> int:
        """Batches in an epoch."""
        if not self._streams:
            return len(self._order())  # type: ignore[arg-type]  # TypeError if it has no length
        count = len(self.dataset)
        if self.batch_size is None:
            return count
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def _order(self) -> Iterable[Any]:
        """Lists of sample numbers, or sample numbers where nothing is to be collated."""
        if self._streams:
            return repeat(None)
        order = self.batch_sampler if self.batch_sampler is not None else self.sampler
        assert order is not None
        return order

    def __iter__(self) -> Iterator[Any]:
        epoch, done = self._next
        self._next, self._at = (epoch + 1, 0), (epoch, done)
        order = self._order()
        set_epoch(order, epoch)
        skipped = done if self._streams else 0  # samples without numbers are read, and left out
        said = islice(iter(order), done - skipped, None)
        batches = self._from_workers(said) if self.num_workers else self._from_here(said)
        return self._counted(epoch, done, batches, skipped)

    def _counted(
        self, epoch: int, done: int, batches: Generator[Any, None, None], skipped: int
    ) -> Iterator[Any]:
        with closing(batches):
            for batch in islice(batches, skipped, None):
                done += 1
                self._at = (epoch, done)
                yield batch
        self._at = (epoch + 1, 0)

    def _fetch(self) -> Fetch:
        return Fetch(self.dataset, self.collate_fn, self._batched, self.batch_size, self.drop_last)

    def _from_here(self, order: Iterator[Any]) -> Generator[Any, None, None]:
        fetch = self._fetch().begin()
        for chosen in order:
            batch = fetch(chosen)
            if batch is END:
                return
            yield batch

    def _from_workers(self, order: Iterator[Any]) -> Generator[Any, None, None]:
        from .pool import Pool, chosen_context

        pool = (
            self._idle.pop()
            if self._idle
            else Pool(
                self._fetch(),
                self.num_workers,
                chosen_context(self.multiprocessing_context),
                self.worker_init_fn,
            )
        )
        streams = (self.generator or rl.default_generator).split(self.num_workers)
        ahead = 2 if self.prefetch_factor is None else self.prefetch_factor
        return self._kept(pool, pool.batches(order, streams, ahead, self.timeout))

    def _kept(self, pool: Pool, batches: Iterator[Any]) -> Generator[Any, None, None]:
        try:
            yield from batches
        finally:
            if self.persistent_workers and pool.close.alive:
                self._idle.append(pool)
            else:
                pool.close()

    def state_dict(self) -> dict[str, int | None]:
        """The seed of the order, the epoch, and how many of its batches were given out."""
        seed = self.sampler.seed if isinstance(self.sampler, Seeded) else None
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
        if isinstance(self.sampler, Seeded) and seed is not None:
            self.sampler.seed = seed
        self._next = self._at = (epoch, batch)
