"""A module that goes from training to evaluation and back is traced once for each mode."""

import copy

import pytest

import rushlight as rl
import rushlight_nn as nn


def programs(compiled):
    return sum(map(len, compiled.traced.values()))


def test_each_mode_is_traced_once():
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    f, x = rl.compile(model.forward), rl.rand(4, 2)
    for _ in range(3):
        model.train()
        assert not rl.equal(f(x), f(x))
        model.eval()
        assert rl.equal(f(x), f(x))
        assert rl.allclose(f(x), model(x), atol=1e-6)
    assert programs(f) == 2


def test_every_combination_of_modes_is_told_apart():
    one, other = nn.Dropout(0.5), nn.Dropout(0.5)
    copied = copy.deepcopy(one)
    f = rl.compile(lambda x: (one(x), other(x), copied(x)))
    x = rl.ones(64)
    for _ in range(2):
        for bits in range(8):
            modules = [one, other, copied]
            for i, module in enumerate(modules):
                module.train(bool(bits >> i & 1))
            found = [not rl.equal(z, x) for z in f(x)]
            assert found == [module.training for module in modules]
    assert programs(f) == 8


@pytest.mark.parametrize("value", [1, None])
def test_what_is_no_mode_makes_programs_stale(value):
    module = nn.Dropout(0.5)
    f = rl.compile(module.forward)
    f(rl.ones(2))
    module.training = value
    f(rl.ones(2))
    assert programs(f) == 1
