"""Samplers that draw, or take a part; what else decides which samples there are."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np
import pytest
import torch.utils.data as oracle

import rushlight as rl
from rushlight_nn import data


@pytest.fixture(autouse=True)
def seeded():
    before = rl.get_rng_state()
    rl.manual_seed(11)
    yield
    rl.set_rng_state(before)


def epochs(sampler, count=3):
    """The orders of the first epochs."""
    found = []
    for epoch in range(count):
        sampler.set_epoch(epoch)
        found.append(list(sampler))
    return found


SAMPLERS = {
    "random": lambda **options: data.RandomSampler(range(20), **options),
    "replacement": lambda **options: data.RandomSampler(range(20), True, 30, **options),
    "more": lambda **options: data.RandomSampler(range(20), num_samples=50, **options),
    "fewer": lambda **options: data.RandomSampler(range(20), num_samples=7, **options),
    "subset": lambda **options: data.SubsetRandomSampler(range(5, 25), **options),
    "weighted": lambda **options: data.WeightedRandomSampler(range(20), 30, **options),
    "weighted-once": lambda **options: data.WeightedRandomSampler(
        np.arange(20.0), 12, replacement=False, **options
    ),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_orders_are_a_function_of_seed_and_epoch(name):
    make = SAMPLERS[name]
    first = epochs(make(seed=1))
    assert epochs(make(seed=1)) == first
    assert first[0] != first[1] != first[2]
    assert epochs(make(seed=2)) != first
    drawn = epochs(make(generator=rl.Generator().manual_seed(4)))
    assert epochs(make(generator=rl.Generator().manual_seed(4))) == drawn
    by_default = epochs(make())
    rl.manual_seed(11)
    assert epochs(make()) == by_default
    assert epochs(make()) != by_default
    assert {len(order) for order in first} == {len(make())}
    assert {type(i) for i in first[0]} == {int}


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_loader_goes_on_with_any_of_them(name):
    make = SAMPLERS[name]

    def loader(seed):
        return data.DataLoader(range(30), 4, sampler=make(seed=seed))

    undisturbed = loader(1)
    expected = [[batch.tolist() for batch in undisturbed] for _ in range(2)]
    begun = loader(1)
    batches = iter(begun)
    assert next(batches).tolist() == expected[0][0]
    resumed = loader(9)
    resumed.load_state_dict(begun.state_dict())
    assert [[batch.tolist() for batch in resumed] for _ in range(2)] == [
        expected[0][1:], expected[1]
    ]  # fmt: skip


@pytest.mark.parametrize("workers", [0, 1])
def test_iterators_at_the_same_time_have_epochs_of_their_own(workers):
    def loader():
        return data.DataLoader(range(9), 4, shuffle=True, seed=0, num_workers=workers)

    one, both = loader(), loader()
    expected = [[batch.tolist() for batch in one] for _ in range(2)]
    first, second = iter(both), iter(both)
    assert [[batch.tolist() for batch in epoch] for epoch in (first, second)] == expected


def test_which_samples_there_are():
    assert sorted(SAMPLERS["random"](seed=0)) == list(range(20))
    assert set(SAMPLERS["replacement"](seed=0)) < set(range(20))
    counts = Counter(SAMPLERS["more"](seed=0))
    assert set(counts.values()) == {2, 3}
    assert len(set(SAMPLERS["fewer"](seed=0))) == 7
    assert sorted(SAMPLERS["subset"](seed=0)) == list(range(5, 25))
    assert 0 not in SAMPLERS["weighted"](seed=0)
    assert len(set(SAMPLERS["weighted-once"](seed=0))) == 12
    assert list(data.RandomSampler([])) == []
    assert list(data.SubsetRandomSampler([])) == []


def test_weights_decide():
    drawn = Counter(data.WeightedRandomSampler([1, 0, 3], 40_000, seed=0))
    assert drawn[1] == 0
    assert abs(drawn[0] - 10_000) < 6 * np.sqrt(40_000 * 3 / 16)


@pytest.mark.parametrize("count", [1, 7, 8, 30])
@pytest.mark.parametrize("replicas", [1, 3, 8])
@pytest.mark.parametrize("drop_last", [False, True])
def test_distributed(count, replicas, drop_last):
    def parts(of, shuffle):
        options = {"shuffle": shuffle, "drop_last": drop_last}
        return [
            of.DistributedSampler(range(count), replicas, i, **options) for i in range(replicas)
        ]

    ours, theirs = parts(data, False), parts(oracle, False)
    if count >= replicas:  # with fewer and drop_last PyTorch's has -1 samples
        assert [list(part) for part in ours] == [list(part) for part in theirs]
        assert [len(part) for part in ours] == [len(part) for part in theirs]
    shuffled = [epochs(part) for part in parts(data, True)]
    for orders in zip(*shuffled, strict=True):
        seen = Counter(i for order in orders for i in order)
        assert {len(order) for order in orders} == {len(ours[0])}
        assert sum(seen.values()) == len(ours[0]) * replicas
        if not drop_last:
            assert set(seen) == set(range(count))
        assert max(seen.values(), default=0) <= -(-replicas // count) + (not drop_last)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: data.RandomSampler(range(3), num_samples=0),
            "RandomSampler: num_samples is 0; give a positive integer",
        ),
        (
            lambda: data.WeightedRandomSampler([1.0], 2.5),
            "WeightedRandomSampler: num_samples is 2.5; give a positive integer",
        ),
        (
            lambda: data.WeightedRandomSampler([[1.0]], 2),
            "WeightedRandomSampler: weights float64[1, 1]; give one for each sample",
        ),
        (
            lambda: list(data.RandomSampler([], num_samples=2)),
            "RandomSampler: 2 samples of an empty dataset",
        ),
        (
            lambda: data.DistributedSampler(range(3)),
            (
                "DistributedSampler: rank None of None replicas; give the number of processes, and "
                "the number of this one from 0"
            ),
        ),
        (
            lambda: data.DistributedSampler(range(3), 2, 2),
            (
                "DistributedSampler: rank 2 of 2 replicas; give the number of processes, and the "
                "number of this one from 0"
            ),
        ),
        (
            lambda: data.ConcatDataset([range(3), data.ChainDataset([])]),
            "ConcatDataset: an IterableDataset has no sample numbers; give ChainDataset those",
        ),
    ],
)
def test_mistakes_are_explained(make, message):
    with pytest.raises(rl.ContractError) as caught:
        make()
    assert str(caught.value) == message


def test_an_unfinished_iterable_dataset():
    with pytest.raises(NotImplementedError, match="IterableDataset is missing __iter__"):
        iter(data.IterableDataset())


def test_single_samples_are_converted():
    class Point(NamedTuple):
        x: np.ndarray
        y: str

    sample = {"a": np.ones(2), "b": [np.int64(3), (1, "c")], "p": Point(np.zeros(1), "d")}
    (found,) = data.DataLoader([sample], None)
    assert found["a"].spec == rl.ones(2, dtype=rl.float64).spec
    assert found["b"][0].item() == 3
    assert found["b"][1] == (1, "c")
    assert isinstance(found["p"], Point)
    assert found["p"].x.dtype is rl.float64
    words = np.array(["a"])
    assert data.default_convert(words) is words
    assert list(data.DataLoader([1, 2], None, collate_fn=str)) == ["1", "2"]


def test_several_samples_by_one_call():
    class Several(data.Dataset):
        def __len__(self):
            return 5

        def __getitems__(self, indices):
            return [10 * i for i in indices]

    loader = data.DataLoader(Several(), 2)
    assert [batch.tolist() for batch in loader] == [[0, 10], [20, 30], [40]]


def test_arguments_are_in_pytorch_s_order():
    from inspect import signature

    ours = [name for name in signature(data.DataLoader).parameters if name != "seed"]
    theirs = list(signature(oracle.DataLoader).parameters)
    assert ours == [name for name in theirs if name not in {"pin_memory_device", "in_order"}]
