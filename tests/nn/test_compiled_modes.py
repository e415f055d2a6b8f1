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


class Scaled(nn.Module):
    """Plain attributes of every kind that a program may depend on."""

    def __init__(self):
        super().__init__()
        self.factor, self.power, self.is_shifted, self.how, self.bound = 2.0, 1, True, "sum", None
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        z = (x * self.factor) ** self.power
        z = z + 1 if self.is_shifted else z
        z = getattr(z, self.how)()
        return z if self.bound is None else z.clamp(max=self.bound)


CHANGES = {"factor": 3.0, "power": 2, "is_shifted": False, "how": "mean", "bound": 0.5}


@pytest.mark.parametrize("name", CHANGES)
def test_an_attribute_that_was_read_is_read_again(name):
    module = Scaled()
    f, x = rl.compile(module), rl.tensor([1.0, 2.0])
    before = f(x).item()
    traced_by, old = module.calls, getattr(module, name)
    assert f(x).item() == before
    assert module.calls == traced_by  # what the function itself changes has it traced no more
    setattr(module, name, CHANGES[name])
    changed = f(x).item()
    assert changed == module(x).item() != before
    setattr(module, name, old)
    assert f(x).item() == before
    assert programs(f) == 2


def test_options_of_layers_take_effect():
    dropout, norm = nn.Dropout(0.5), nn.BatchNorm1d(2)
    f, x = rl.compile(lambda x: norm(dropout(x))), rl.rand(8, 2)
    f(x)
    dropout.p, norm.momentum = 0.0, 1.0
    f(x)
    assert rl.allclose(norm.running_mean, x.mean(0))


def test_a_number_that_changes_at_each_call_keeps_few_programs(recwarn):
    module = Scaled()
    f, x = rl.compile(module), rl.ones(2)
    for i in range(30):
        module.factor = float(i)
        assert f(x).item() == module(x).item()
    assert programs(f) <= 8
    (warning,) = recwarn
    assert "an attribute of a module" in str(warning.message)


def test_nothing_is_watched_outside_of_a_trace():
    module = Scaled()
    f = rl.compile(module)
    f(rl.ones(2))
    with pytest.raises(TypeError):
        f("no tensor")
    assert "__getattribute__" not in vars(nn.Module)


class Inherits(nn.Module):
    """What it has of its class it may get for itself later."""

    scale = 1.0

    def forward(self, x):
        return x * self.scale + getattr(self, "shift", 0.0) + hasattr(self, "more")


@pytest.mark.parametrize("name", ["scale", "shift", "more"])
def test_an_attribute_that_an_object_gets_is_read(name):
    module = Inherits()
    f, x = rl.compile(module), rl.ones(2)
    f(x)
    setattr(module, name, 3.0)
    assert rl.equal(f(x), module(x))
    delattr(module, name)
    assert rl.equal(f(x), module(x))
    assert programs(f) == 2
