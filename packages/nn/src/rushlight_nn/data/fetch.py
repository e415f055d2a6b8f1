"""Fetch: how batches are made of a dataset, here or in a worker.  Knows no order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, NamedTuple

from .collate import default_collate
from .dataset import IterableDataset, Subset, TensorDataset

END = object()  # there is no further batch


class Fetch(NamedTuple):
    """Makes batches: a value, which is sent to every worker.

    batched: whether several samples are collated, or `collate_fn` is given single ones.
    batch_size, drop_last: of a dataset without numbers; where samples have them, the order decides.
    """

    dataset: Any
    collate_fn: Callable[[Any], Any]
    batched: bool
    batch_size: int | None
    drop_last: bool

    def begin(self) -> Callable[[Any], Any]:
        """The function of an epoch: what the order says next -> a batch, or END."""
        if not isinstance(self.dataset, IterableDataset):
            return self.numbered if self.batched else self.one
        samples = iter(self.dataset)

        def following(_: Any) -> Any:
            if not self.batched:
                sample = next(samples, END)
                return END if sample is END else self.collate_fn(sample)
            batch = list(islice(samples, self.batch_size))
            short = self.batch_size is not None and len(batch) < self.batch_size
            return END if not batch or (short and self.drop_last) else self.collate_fn(batch)

        return following

    def one(self, index: Any) -> Any:
        """The sample of this number."""
        return self.collate_fn(self.dataset[index])

    def numbered(self, indices: Sequence[Any]) -> Any:
        """The samples of these numbers as a batch."""
        dataset = self.dataset
        if self.collate_fn is default_collate:
            while type(dataset) is Subset:
                indices = [dataset.indices[i] for i in indices]
                dataset = dataset.dataset
            if type(dataset) is TensorDataset:  # a subclass may have another __getitem__
                return dataset.batch(indices)
        several = getattr(dataset, "__getitems__", None)
        samples = [dataset[i] for i in indices] if several is None else several(indices)
        return self.collate_fn(samples)
