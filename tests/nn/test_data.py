"""Datasets, samplers, collating, and loaders that go on where they were."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
import pytest

import rushlight as rl
import rushlight_nn as nn
from rushlight_nn import data


@pytest.fixture
def dataset():
    return data.TensorDataset(rl.arange(10.0).reshape(10, 1), rl.arange(10))


def labels(loader):
    """The labels of every batch of an epoch."""
    return [batch[1].tolist() for batch in loader]


class TestDatasets:
    def test_tensors(self, dataset):
        assert len(dataset) == 10
        x, y = dataset[3]
        assert x.tolist() == [3.0]
        assert y.item() == 3
        assert [y.item() for _, y in (dataset[i] for i in range(-2, 0))] == [8, 9]

    def test_tensors_of_different_lengths(self):
        with pytest.raises(rl.ContractError) as caught:
            data.TensorDataset(rl.zeros(3), rl.zeros(4))
        assert str(caught.value) == (
            "TensorDataset: tensors of 3, 4 samples; give tensors of one first length"
        )
        with pytest.raises(rl.ContractError, match="needs an axis of samples"):
            data.TensorDataset()
        with pytest.raises(rl.ContractError, match="needs an axis of samples"):
            data.TensorDataset(rl.tensor(1.0))

    def test_a_dataset_of_ones_own(self):
        class Squares(data.Dataset):
            def __getitem__(self, i):
                return i * i

            def __len__(self):
                return 4

        assert [batch.tolist() for batch in data.DataLoader(Squares(), 3)] == [[0, 1, 4], [9]]

    def test_an_unfinished_one(self):
        class Nothing(data.Dataset):
            pass

        with pytest.raises(NotImplementedError, match="Nothing is missing __getitem__"):
            Nothing()[0]
        with pytest.raises(NotImplementedError, match="Nothing is missing __len__"):
            len(Nothing())

    def test_subset(self, dataset):
        part = data.Subset(dataset, [7, 2])
        assert [part[i][1].item() for i in range(len(part))] == [7, 2]
        assert labels(data.DataLoader(part, 2)) == [[7, 2]]
        inner = data.Subset(part, [1])
        assert labels(data.DataLoader(inner, 2)) == [[2]]

    def test_one_after_another(self, dataset):
        both = dataset + data.Subset(dataset, [5])
        assert len(both) == 11
        assert [both[i][1].item() for i in (0, 9, 10, -1)] == [0, 9, 5, 5]
        with pytest.raises(IndexError):
            both[11]
        with pytest.raises(rl.ContractError, match="no datasets"):
            data.ConcatDataset([])


class TestRandomSplit:
    def test_lengths(self, dataset):
        rl.manual_seed(0)
        parts = data.random_split(dataset, [6, 3, 1])
        assert [len(part) for part in parts] == [6, 3, 1]
        found = sorted(part[i][1].item() for part in parts for i in range(len(part)))
        assert found == list(range(10))

    def test_fractions(self):
        sizes = [len(p) for p in data.random_split(range(11), [0.5, 0.25, 0.25])]
        assert sizes == [6, 3, 2]
        assert [len(p) for p in data.random_split(range(10), [1.0])] == [10]
        assert [len(p) for p in data.random_split(range(1), [1])] == [1]

    def test_a_generator_decides(self):
        first, again = (
            [
                p.indices
                for p in data.random_split(range(20), [10, 10], rl.Generator().manual_seed(3))
            ]
            for _ in range(2)
        )
        assert first == again

    def test_lengths_that_do_not_add_up(self):
        with pytest.raises(rl.ContractError) as caught:
            data.random_split(range(10), [3, 3])
        assert str(caught.value) == (
            "random_split: lengths [3, 3] of 10 samples; "
            "give lengths that add up to them, or fractions that add up to 1"
        )
        with pytest.raises(rl.ContractError):
            data.random_split(range(10), [12, -2])


class TestCollate:
    def test_structures(self):
        class Point(NamedTuple):
            x: int
            y: bool

        batch = data.default_collate(
            [
                {"a": rl.zeros(2), "b": (1, 2.5), "c": "one", "p": Point(1, True)},
                {"a": rl.ones(2), "b": (3, 4.5), "c": "two", "p": Point(2, False)},
            ]
        )
        assert batch["a"].tolist() == [[0.0, 0.0], [1.0, 1.0]]
        assert batch["b"][0].tolist() == [1, 3]
        assert batch["b"][0].dtype is rl.int64
        assert batch["b"][1].dtype is rl.float64
        assert batch["c"] == ["one", "two"]
        assert isinstance(batch["p"], Point)
        assert batch["p"].x.tolist() == [1, 2]
        assert batch["p"].y.dtype is rl.bool

    def test_numpy(self):
        assert data.default_collate([np.zeros(3, np.float32)] * 2).shape == (2, 3)
        assert data.default_collate([np.int64(3), np.int64(4)]).tolist() == [3, 4]
        assert data.default_collate([np.float32(3)]).dtype is rl.float32
        with pytest.raises(TypeError, match="numpy array of <U1"):
            data.default_collate([np.array("a")])

    def test_lengths_that_differ(self):
        with pytest.raises(rl.ContractError, match="samples of 1 to 2 elements"):
            data.default_collate([(1,), (1, 2)])

    def test_other_types(self):
        with pytest.raises(TypeError) as caught:
            data.default_collate([object()])
        assert str(caught.value) == (
            "default_collate: samples hold a object; give tensors, numpy arrays, numbers, strings, "
            "dicts or sequences of them, or a collate_fn"
        )


class TestLoader:
    def test_in_order(self, dataset):
        loader = data.DataLoader(dataset, 4)
        assert labels(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
        assert len(loader) == 3
        x, _ = next(iter(loader))
        assert x.shape == (4, 1)

    def test_drop_last(self, dataset):
        loader = data.DataLoader(dataset, 4, drop_last=True)
        assert len(loader) == len(labels(loader)) == 2

    def test_single_samples(self, dataset):
        samples = list(data.DataLoader(dataset, None))
        assert len(samples) == 10
        assert samples[0][0].shape == (1,)

    def test_shuffle(self, dataset):
        loader = data.DataLoader(dataset, 4, shuffle=True, seed=0)
        first, second = labels(loader), labels(loader)
        assert first != second
        for epoch in (first, second):
            assert sorted(itertools.chain(*epoch)) == list(range(10))

    def test_the_seed_decides(self, dataset):
        loaders = [data.DataLoader(dataset, 3, shuffle=True, seed=seed) for seed in (5, 5, 6)]
        orders = [[labels(loader) for _ in range(3)] for loader in loaders]
        assert orders[0] == orders[1]
        assert orders[0] != orders[2]

    def test_so_does_a_generator_and_the_default_stream(self, dataset):
        def order(**options):
            return labels(data.DataLoader(dataset, 3, shuffle=True, **options))

        assert order(generator=rl.Generator().manual_seed(1)) == order(
            generator=rl.Generator().manual_seed(1)
        )
        rl.manual_seed(4)
        first, second = order(), order()
        rl.manual_seed(4)
        assert order() == first
        assert first != second

    def test_orders_are_evenly_distributed(self):
        loader = data.DataLoader(range(4), 4, shuffle=True, seed=0)
        counts = np.zeros((4, 4))
        for _ in range(2000):
            (batch,) = loader
            counts[np.arange(4), batch.numpy()] += 1
        # chi-squared with 9 degrees of freedom exceeds 27.9 once in a thousand times
        assert ((counts - 500) ** 2 / 500).sum() < 27.9

    def test_what_the_order_does_not_depend_on(self, dataset):
        loader = data.DataLoader(dataset, 3, shuffle=True, seed=0)
        first = labels(loader)
        other = data.DataLoader(dataset, 3, shuffle=True, seed=0)
        next(iter(other))  # an epoch that is left early counts
        rl.rand(7)
        assert labels(other) == labels(loader)
        assert first != labels(loader)

    def test_a_sampler(self, dataset):
        assert labels(data.DataLoader(dataset, 2, sampler=[9, 1, 5])) == [[9, 1], [5]]

    def test_a_batch_sampler(self, dataset):
        loader = data.DataLoader(dataset, batch_sampler=[[1, 2], [3]])
        assert labels(loader) == [[1, 2], [3]]
        assert len(loader) == 2

    def test_a_collate_function(self, dataset):
        loader = data.DataLoader(dataset, 5, collate_fn=len)
        assert list(loader) == [5, 5]

    def test_a_subclass_of_tensor_dataset_is_asked_for_its_samples(self):
        class Doubled(data.TensorDataset):
            def __getitem__(self, i):
                return tuple(x * 2 for x in super().__getitem__(i))

        assert labels(data.DataLoader(Doubled(rl.zeros(2), rl.arange(2)), 2)) == [[0, 2]]

    def test_two_at_once(self, dataset):
        loader = data.DataLoader(dataset, 5)
        assert [(a[1].tolist(), b[1].tolist()) for a, b in zip(loader, loader, strict=True)] == [
            ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4]),
            ([5, 6, 7, 8, 9], [5, 6, 7, 8, 9]),
        ]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            (
                {"num_workers": -1},
                "DataLoader: num_workers=-1; give an integer from 0",
            ),
            ({"batch_size": 0}, "BatchSampler: batch_size is 0; give a positive integer"),
            ({"batch_size": 2.5}, "BatchSampler: batch_size is 2.5; give a positive integer"),
            (
                {"sampler": [1], "shuffle": True},
                "DataLoader: sampler with shuffle; give one of the two, a sampler is the order",
            ),
            (
                {"batch_sampler": [[1]], "drop_last": True},
                (
                    "DataLoader: batch_sampler with batch_size, shuffle, sampler or drop_last; "
                    "give the batch_sampler alone, it decides all of them"
                ),
            ),
            (
                {"batch_size": None, "drop_last": True},
                "DataLoader: drop_last without batches; give a batch_size, or leave drop_last out",
            ),
        ],
    )
    def test_options_that_do_not_fit(self, dataset, options, message):
        with pytest.raises(rl.ContractError) as caught:
            data.DataLoader(dataset, **options)
        assert str(caught.value) == message


class TestResuming:
    def make(self, dataset, seed=0):
        return data.DataLoader(dataset, 3, shuffle=True, seed=seed)

    @pytest.mark.parametrize("done", range(13))
    def test_anywhere(self, dataset, done):
        def batches(loader, epochs):
            for _ in range(epochs):
                yield from loader

        undisturbed = [batch[1].tolist() for batch in batches(self.make(dataset), 3)]
        loader = self.make(dataset)
        stream = batches(loader, 3)
        for _ in range(done):
            next(stream)
        resumed = self.make(dataset, seed=99)
        resumed.load_state_dict(loader.state_dict())
        rest = [batch[1].tolist() for batch in batches(resumed, 3)]
        assert rest[: 12 - done] == undisturbed[done:]

    def test_the_state_is_plain(self, dataset):
        loader = self.make(dataset, seed=7)
        assert loader.state_dict() == {"seed": 7, "epoch": 0, "batch": 0}
        iterator = iter(loader)
        next(iterator)
        assert loader.state_dict() == {"seed": 7, "epoch": 0, "batch": 1}
        list(iterator)
        assert loader.state_dict() == {"seed": 7, "epoch": 1, "batch": 0}

    def test_without_shuffle(self, dataset):
        loader = data.DataLoader(dataset, 4)
        assert loader.state_dict() == {"seed": None, "epoch": 0, "batch": 0}
        loader.load_state_dict({"seed": None, "epoch": 2, "batch": 1})
        assert labels(loader) == [[4, 5, 6, 7], [8, 9]]
        assert len(labels(loader)) == 3

    def test_a_batch_sampler_of_ones_own(self, dataset):
        def make(seed):
            order = data.RandomSampler(dataset, seed=seed)
            return data.DataLoader(
                dataset, batch_sampler=data.BatchSampler(order, 3, drop_last=False)
            )

        loader = make(1)
        labels(loader)
        resumed = make(2)
        resumed.load_state_dict(loader.state_dict())
        assert labels(resumed) == labels(loader)

    def test_an_incomplete_state(self, dataset):
        with pytest.raises(rl.ContractError, match="no 'batch' in the state"):
            self.make(dataset).load_state_dict({"seed": 0, "epoch": 0})


def test_the_names_of_the_package():
    assert nn.data is data
    assert all(hasattr(data, name) for name in data.__all__)
