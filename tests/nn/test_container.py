"""Containers beside PyTorch's: the same program on both, and what it leaves."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch

import rushlight as rl
import rushlight_nn as nn

PACKAGES = [nn, torch.nn]


def both(program):
    """The results of a program of a package, which must agree in text."""
    ours, theirs = (program(package) for package in PACKAGES)
    assert repr(ours) == repr(theirs)
    if isinstance(ours, nn.Module):
        assert list(ours.state_dict()) == list(theirs.state_dict())
    return ours


class TestSequential:
    def test_by_position(self):
        net = both(lambda n: n.Sequential(n.Linear(2, 3), n.ReLU(), n.Linear(3, 1)))
        assert len(net) == 3
        assert net[0] is next(iter(net))
        assert net[-1] is net[2]
        assert net(rl.zeros(4, 2)).shape == (4, 1)

    def test_by_name(self):
        net = both(lambda n: n.Sequential(OrderedDict(first=n.Linear(2, 3), second=n.ReLU())))
        assert net.first is net[0]

    def test_a_plain_dict(self):
        assert list(nn.Sequential({"a": nn.ReLU()}).state_dict()) == []

    def test_slices(self):
        both(lambda n: n.Sequential(n.Linear(2, 3), n.ReLU(), n.Linear(3, 1))[1:])
        both(lambda n: n.Sequential(OrderedDict(a=n.Linear(2, 3), b=n.ReLU(), c=n.Tanh()))[::2])

    def test_changes(self):
        def program(n):
            net = n.Sequential(n.Linear(2, 3), n.ReLU(), n.Linear(3, 1))
            net.append(n.Tanh())
            net.insert(1, n.Sigmoid())
            net[0] = n.Linear(2, 4)
            del net[2]
            net.extend([n.ReLU(), n.ReLU()])
            net.pop(-1)
            del net[3:]
            return net

        both(program)

    def test_deleting_renumbers(self):
        def program(n):
            net = n.Sequential(OrderedDict(a=n.Linear(2, 3), b=n.ReLU(), c=n.Tanh()))
            del net[0]
            return net

        both(program)

    def test_none(self):
        x = rl.ones(2)
        assert both(lambda n: n.Sequential())(x) is x

    def test_nested(self):
        both(lambda n: n.Sequential(n.Sequential(n.Linear(1, 2)), n.Sequential()))

    def test_what_is_no_module(self):
        with pytest.raises(TypeError) as caught:
            nn.Sequential(nn.ReLU(), "relu")
        assert str(caught.value) == "Sequential.extend: str is not a Module subclass"
        with pytest.raises(TypeError):
            nn.Sequential({"a": 1})

    @pytest.mark.parametrize("at", [3, -4])
    def test_out_of_range(self, at):
        with pytest.raises(IndexError, match=f"index {at} is out of range"):
            nn.Sequential(nn.ReLU(), nn.ReLU(), nn.ReLU())[at]

    def test_a_name_that_is_taken(self):
        with pytest.raises(KeyError, match="'forward' already exists"):
            nn.Sequential({"forward": nn.ReLU()})


class TestModuleList:
    def test_repeated_layers_are_told_once(self):
        both(lambda n: n.ModuleList([n.ReLU(), n.ReLU(), n.Linear(1, 2), n.Linear(1, 2), n.Tanh()]))
        both(lambda n: n.ModuleList([n.Sequential(n.ReLU(), n.Tanh()) for _ in range(3)]))
        both(lambda n: n.ModuleList())

    def test_changes(self):
        def program(n):
            layers = n.ModuleList([n.Linear(1, 2)])
            layers.append(n.ReLU())
            layers.insert(0, n.Tanh())
            layers.extend([n.Sigmoid(), n.ReLU()])
            layers += [n.Linear(2, 3)]
            layers[1] = n.Linear(4, 4)
            del layers[2]
            layers.pop(0)
            return layers + n.ModuleList([n.ReLU()])

        both(program)

    def test_slices(self):
        layers = both(lambda n: n.ModuleList([n.ReLU(), n.Linear(1, 2), n.Tanh()])[1:])
        assert isinstance(layers, nn.ModuleList)
        both(lambda n: n.ModuleList([n.ReLU(), n.Linear(1, 2), n.Tanh()])[::-1])

    def test_extend_with_a_wrong_one_adds_nothing(self):
        layers = nn.ModuleList()
        with pytest.raises(TypeError):
            layers.extend([nn.ReLU(), 3])
        assert len(layers) == 0
        with pytest.raises(TypeError, match="called with an iterable, but got int"):
            layers.extend(3)

    def test_the_owner_finds_the_parameters(self):
        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(2))

            def forward(self, x):
                for layer in self.layers:
                    x = layer(x)
                return x

        net = Net()
        assert [name for name, _ in net.named_parameters()] == [
            "layers.0.weight",
            "layers.0.bias",
            "layers.1.weight",
            "layers.1.bias",
        ]
        assert net(rl.zeros(1, 2)).shape == (1, 2)

    def test_it_has_no_forward(self):
        with pytest.raises(NotImplementedError, match="ModuleList"):
            nn.ModuleList([nn.ReLU()])(1)


class TestModuleDict:
    def test_as_a_dict(self):
        def program(n):
            layers = n.ModuleDict({"a": n.Linear(1, 2), "b": n.ReLU()})
            layers["c"] = n.Tanh()
            layers.update([("d", n.Sigmoid()), ("a", n.Linear(3, 3))])
            layers.pop("b")
            del layers["c"]
            return layers

        layers = both(program)
        assert list(layers) == list(layers.keys()) == ["a", "d"]
        assert len(layers) == 2
        assert "a" in layers
        assert "b" not in layers
        assert 3 not in layers
        assert dict(layers.items())["d"] is layers["d"]
        assert list(layers.values()) == [layers["a"], layers["d"]]
        layers.clear()
        assert len(layers) == 0

    def test_a_missing_key(self):
        layers = nn.ModuleDict()
        for use in (lambda: layers["a"], lambda: layers.pop("a"), lambda: layers.__delitem__("a")):
            with pytest.raises(KeyError, match="a"):
                use()
        with pytest.raises(KeyError, match="training"):
            layers["training"]

    def test_a_name_that_is_taken(self):
        with pytest.raises(KeyError, match="'keys' already exists"):
            nn.ModuleDict({"keys": nn.ReLU()})

    def test_what_holds_no_pairs(self):
        with pytest.raises(TypeError, match="key/value pairs, but got int"):
            nn.ModuleDict(3)


class TestParameterList:
    def test_as_a_list(self):
        tensors = {nn: rl.ones, torch.nn: torch.ones}

        def program(n):
            ones = tensors[n]
            row = n.ParameterList([n.Parameter(ones(2)), ones(3)])
            row.append(n.Parameter(ones(1)))
            row += [n.Parameter(ones(4))]
            row.extend([n.Parameter(ones(5))])
            return row

        ours, theirs = (program(package) for package in PACKAGES)
        assert list(ours.state_dict()) == list(theirs.state_dict())
        assert [p.shape for p in ours] == [tuple(p.shape) for p in theirs]
        assert all(isinstance(p, nn.Parameter) for p in ours)
        assert ours[1].requires_grad
        assert "(1): Parameter containing: [float32 of size 3]" in repr(ours)

    def test_what_is_no_tensor(self):
        with pytest.raises(TypeError, match=r"ParameterList\.append: int is no tensor"):
            nn.ParameterList().append(3)


@pytest.mark.parametrize("library", [nn, torch.nn], ids=["rushlight", "torch"])
def test_sequentials_are_joined_and_repeated_with_the_same_modules(library):
    one, two = library.Linear(2, 2), library.ReLU()
    first, second = library.Sequential(one), library.Sequential(two)
    assert list(first + second) == [one, two]
    assert list(first) == [one]
    twice = (first + second) * 2
    assert list(twice) == list(2 * (first + second)) == [one, two, one, two]
    assert len(list(twice.parameters())) == 2
    assert list(twice.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    kept = first
    first += second
    first *= 3
    assert first is kept
    assert list(first) == [one, two] * 3
    for wrong in (0, -1):
        with pytest.raises(ValueError, match=str(wrong)):
            first * wrong


@pytest.mark.parametrize("other", [[nn.ReLU()], 3, None], ids=["list", "number", "none"])
def test_a_sequential_is_joined_with_its_like_alone(other):
    row = nn.Sequential(nn.ReLU())
    with pytest.raises(TypeError, match="unsupported operand"):
        row + other
    with pytest.raises(TypeError, match="unsupported operand"):
        row += other
    assert len(row) == 1
    with pytest.raises(TypeError, match=r"unsupported operand|can't multiply"):
        row * 1.5
