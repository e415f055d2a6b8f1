"""Datasets: samples by number.  They know neither order nor batches."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from math import floor, isclose
from typing import Any, Generic, TypeVar

import rushlight as rl

Sample = TypeVar("Sample", covariant=True)


class Dataset(Generic[Sample]):
    """Samples by number: derive from it and state `__getitem__` and `__len__`.

    Laws: dataset[i] is the same sample at each call, for i from 0 to len(dataset) - 1.
    """

    def __getitem__(self, index: int) -> Sample:
        raise NotImplementedError(f"{type(self).__name__} is missing __getitem__(self, index)")

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} is missing __len__(self)")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset:
        return ConcatDataset([self, other])


class IterableDataset(Generic[Sample]):
    """Samples one after another, as from a file or a line: derive from it and state `__iter__`.

    In workers each has a copy and reads it from the beginning: `get_worker_info()` says which part
    is a worker's own.
    """

    def __iter__(self) -> Iterator[Sample]:
        raise NotImplementedError(f"{type(self).__name__} is missing __iter__(self)")

    def __add__(self, other: IterableDataset[Any]) -> ChainDataset:
        return ChainDataset([self, other])


class ChainDataset(IterableDataset[Any]):
    """The samples of several iterable datasets, one after another: what `a + b` makes."""

    def __init__(self, datasets: Iterable[IterableDataset[Any]]) -> None:
        self.datasets = datasets

    def __iter__(self) -> Iterator[Any]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise TypeError(
                    f"ChainDataset: {type(dataset).__name__} is no IterableDataset; give those"
                )
            yield from dataset

    def __len__(self) -> int:
        return sum(map(len, self.datasets))  # type: ignore[arg-type]  # TypeError if one has none


class TensorDataset(Dataset[tuple[rl.Tensor, ...]]):
    """Sample i is the tuple of row i of every tensor.

    Raises: ContractError for no tensors, or tensors of different lengths.

    >>> TensorDataset(rl.arange(3), rl.tensor([5, 6, 7]))[1]
    (tensor(1), tensor(6))
    """

    def __init__(self, *tensors: rl.Tensor) -> None:
        if not tensors or any(x.ndim == 0 for x in tensors):
            raise rl.ContractError(
                f"TensorDataset: {len(tensors)} tensors, each needs an axis of samples; "
                "give one or more of at least 1 axis"
            )
        lengths = [x.shape[0] for x in tensors]
        if len(set(lengths)) > 1:
            raise rl.ContractError(
                f"TensorDataset: tensors of {', '.join(map(str, lengths))} samples; "
                "give tensors of one first length"
            )
        self.tensors = tensors

    def __getitem__(self, index: int) -> tuple[rl.Tensor, ...]:
        return tuple(x[index] for x in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0].shape[0])

    def batch(self, indices: Sequence[int]) -> list[rl.Tensor]:
        """The samples at these places, collated: one gather for each tensor."""
        return [
            x.index_select(0, rl.tensor(indices, dtype=rl.int64, device=x.device))
            for x in self.tensors
        ]


class Subset(Dataset[Sample]):
    """The samples of another dataset at these places, in this order."""

    def __init__(self, dataset: Dataset[Sample], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset[Any]):
    """The samples of several datasets, one after another: what `a + b` makes."""

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise rl.ContractError("ConcatDataset: no datasets; give at least one")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise rl.ContractError(
                "ConcatDataset: an IterableDataset has no sample numbers; give ChainDataset those"
            )
        self.cumulative_sizes = list(accumulate(len(dataset) for dataset in self.datasets))

    def __getitem__(self, index: int) -> Any:
        length = len(self)
        if not -length <= index < length:
            raise IndexError(f"ConcatDataset: index {index} of {length} samples")
        place = index % length
        which = bisect_right(self.cumulative_sizes, place)
        return self.datasets[which][place - (self.cumulative_sizes[which - 1] if which else 0)]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


def random_split(
    dataset: Dataset[Sample],
    lengths: Sequence[int] | Sequence[float],
    generator: rl.Generator | None = None,
) -> list[Subset[Sample]]:
    """Part a dataset into subsets of these lengths, at random and without overlap.

    lengths: numbers of samples that add up to all, or fractions that add up to 1: each gets
        floor(fraction * n), and what is left over goes to the first ones, one sample each.
    generator: the random stream; None for the default one.
    Raises: ContractError if the lengths do not add up.
    """
    count = len(dataset)
    if isclose(sum(lengths), 1):
        sizes = [floor(count * fraction) for fraction in lengths]
        for i in range(count - sum(sizes)):
            sizes[i % len(sizes)] += 1
    else:
        sizes = [int(length) for length in lengths]
    if sum(sizes) != count or min(sizes, default=0) < 0:
        raise rl.ContractError(
            f"random_split: lengths {list(lengths)} of {count} samples; "
            "give lengths that add up to them, or fractions that add up to 1"
        )
    order = rl.randperm(count, generator=generator).tolist()
    ends = list(accumulate(sizes))
    return [Subset(dataset, order[end - size : end]) for size, end in zip(sizes, ends, strict=True)]
