"""Optimizers beside PyTorch's: trajectories, groups, frozen parameters, states and mistakes."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

import rushlight as rl
import rushlight_nn as nn
from rushlight_nn import optim

EPS = float(np.finfo(np.float64).eps)
SHAPES = [(3, 2), (4,), (), (2, 1, 3)]

# an optimizer's name and options
OPTIMIZERS = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.2}),
    ("SGD", {"lr": 0.1, "maximize": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.5}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "maximize": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.7, 0.9), "eps": 1e-3}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.2}),
    ("Adam", {"lr": 0.1, "maximize": True}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.2, "decoupled_weight_decay": True}),
    ("AdamW", {"lr": 0.1}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.2, "maximize": True}),
]
IDS = [f"{name}-{'-'.join(map(str, options))}" for name, options in OPTIMIZERS]


class Pair:
    """The same parameters and gradients for our optimizer and for PyTorch's."""

    def __init__(self, shapes=SHAPES, dtype=np.float64):
        self.random = np.random.default_rng(0)
        values = [np.asarray(self.random.standard_normal(s), dtype) for s in shapes]
        self.ours = [nn.Parameter(rl.tensor(v)) for v in values]
        self.theirs = [torch.nn.Parameter(torch.tensor(v)) for v in values]

    def give_gradients(self, without=()):
        for i, (p, q) in enumerate(zip(self.ours, self.theirs, strict=True)):
            g = np.asarray(self.random.standard_normal(p.shape), p.dtype)
            p.grad = None if i in without else rl.tensor(g)
            q.grad = None if i in without else torch.tensor(g)

    def agree(self, tolerance=256 * EPS):
        for p, q in zip(self.ours, self.theirs, strict=True):
            np.testing.assert_allclose(
                p.detach().numpy(), q.detach().numpy(), rtol=tolerance, atol=tolerance
            )


def states_agree(ours, theirs, tolerance=256 * EPS):
    """Two state dicts: the same keys, options and values."""
    assert list(ours["state"]) == sorted(theirs["state"])
    for number, held in theirs["state"].items():
        assert list(ours["state"][number]) == list(held)
        for name, value in held.items():
            mine = ours["state"][number][name]
            assert tuple(mine.shape) == tuple(value.shape)
            assert mine.dtype.name == str(value.dtype).removeprefix("torch.")
            np.testing.assert_allclose(mine.numpy(), value.numpy(), rtol=tolerance, atol=tolerance)
    assert ours["param_groups"] == theirs["param_groups"]


def in_numpy(state):
    """PyTorch's state dict with numpy arrays."""
    return {
        "state": {
            number: {name: value.numpy() for name, value in held.items()}
            for number, held in state["state"].items()
        },
        "param_groups": state["param_groups"],
    }


def in_torch(state):
    """Our state dict with PyTorch's tensors."""
    return {
        "state": {
            number: {name: torch.tensor(value.numpy()) for name, value in held.items()}
            for number, held in state["state"].items()
        },
        "param_groups": state["param_groups"],
    }


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS, ids=IDS)
class TestTrajectories:
    def make(self, pair, name, options):
        return (
            getattr(optim, name)(pair.ours, **options),
            getattr(torch.optim, name)(pair.theirs, **options),
        )

    def test_twenty_steps(self, name, options):
        pair = Pair()
        optimizers = self.make(pair, name, options)
        for _ in range(20):
            pair.give_gradients()
            for optimizer in optimizers:
                optimizer.step()
            pair.agree()
        states_agree(optimizers[0].state_dict(), optimizers[1].state_dict())

    def test_in_float32(self, name, options):
        pair = Pair(dtype=np.float32)
        optimizers = self.make(pair, name, options)
        for _ in range(20):
            pair.give_gradients()
            for optimizer in optimizers:
                optimizer.step()
        pair.agree(64 * float(np.finfo(np.float32).eps))

    def test_gradients_come_and_go(self, name, options):
        pair = Pair()
        optimizers = self.make(pair, name, options)
        without = [(), (1,), (1,), (), (0, 2), (0, 1, 2, 3), (3,), (), (), (2,)]
        for absent in [*without, *without]:
            pair.give_gradients(absent)
            for optimizer in optimizers:
                optimizer.step()
            pair.agree()
        states_agree(optimizers[0].state_dict(), optimizers[1].state_dict())

    def test_a_parameter_that_is_never_stepped_has_no_state(self, name, options):
        pair = Pair()
        optimizers = self.make(pair, name, options)
        for _ in range(3):
            pair.give_gradients(without=(0, 3))
            for optimizer in optimizers:
                optimizer.step()
        states_agree(optimizers[0].state_dict(), optimizers[1].state_dict())

    def test_groups_and_one_that_comes_later(self, name, options):
        pair = Pair()
        optimizers = [
            getattr(package, name)(
                [{"params": params[:2], "lr": 0.3}, {"params": params[2]}], **options
            )
            for package, params in ((optim, pair.ours), (torch.optim, pair.theirs))
        ]
        for step in range(20):
            if step == 7:
                optimizers[0].add_param_group({"params": [pair.ours[3]], "weight_decay": 0.5})
                optimizers[1].add_param_group({"params": [pair.theirs[3]], "weight_decay": 0.5})
            if step == 12:
                for optimizer in optimizers:
                    optimizer.param_groups[1]["lr"] *= 0.5
                    optimizer.param_groups[0]["weight_decay"] = 0.01
            pair.give_gradients()
            for optimizer in optimizers:
                optimizer.step()
            pair.agree()
        states_agree(optimizers[0].state_dict(), optimizers[1].state_dict())
        assert repr(optimizers[0]) == repr(optimizers[1])

    def test_pytorchs_state_goes_on_here(self, name, options):
        pair = Pair()
        _, theirs = self.make(pair, name, options)
        for _ in range(5):
            pair.give_gradients(without=(1,))
            theirs.step()
        for p, q in zip(pair.ours, pair.theirs, strict=True):
            with rl.no_grad():
                p.copy_(rl.tensor(q.detach().numpy()))
        ours = getattr(optim, name)(pair.ours, lr=17.0)
        ours.load_state_dict(in_numpy(theirs.state_dict()))
        states_agree(ours.state_dict(), theirs.state_dict())
        for _ in range(5):
            pair.give_gradients()
            ours.step()
            theirs.step()
            pair.agree()
        states_agree(ours.state_dict(), theirs.state_dict())

    def test_our_state_goes_on_there(self, name, options):
        pair = Pair()
        ours, _ = self.make(pair, name, options)
        for _ in range(5):
            pair.give_gradients(without=(2,))
            ours.step()
        with torch.no_grad():
            for p, q in zip(pair.ours, pair.theirs, strict=True):
                q.copy_(torch.tensor(p.detach().numpy()))
        theirs = getattr(torch.optim, name)(pair.theirs, lr=17.0)
        theirs.load_state_dict(in_torch(ours.state_dict()))
        for _ in range(5):
            pair.give_gradients()
            ours.step()
            theirs.step()
            pair.agree()

    def test_copies_go_on_alike(self, name, options):
        pair = Pair()
        ours, _ = self.make(pair, name, options)
        pair.give_gradients()
        ours.step()
        for twin in (copy.deepcopy(ours), pickle.loads(pickle.dumps(ours))):
            mine, other = (o.param_groups[0]["params"] for o in (ours, twin))
            assert mine[0] is not other[0]
            before = [p.detach().numpy().copy() for p in mine]
            for p, q in zip(mine, other, strict=True):
                q.grad = rl.tensor(p.grad.numpy())
            twin.step()
            for p, b in zip(mine, before, strict=True):
                np.testing.assert_array_equal(p.detach().numpy(), b)
            state = ours.state_dict()
            ours.step()
            for p, q in zip(mine, other, strict=True):
                np.testing.assert_array_equal(p.detach().numpy(), q.detach().numpy())
            ours.load_state_dict(state)
            for p, b in zip(mine, before, strict=True):
                with rl.no_grad():
                    p.copy_(rl.tensor(b))

    def test_a_frozen_layer_stays(self, name, options):
        rl.manual_seed(0)
        net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
        optimizer = getattr(optim, name)(net.parameters(), **options)
        x = rl.randn(8, 2)

        def step():
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()

        step()
        net[0].requires_grad_(False)
        frozen = net[0].weight.detach().numpy().copy()
        moving = net[2].weight.detach().numpy().copy()
        step()
        np.testing.assert_array_equal(net[0].weight.detach().numpy(), frozen)
        assert (net[2].weight.detach().numpy() != moving).any()
        net[0].requires_grad_(True)
        step()
        assert (net[0].weight.detach().numpy() != frozen).all()

    def test_several_element_types(self, name, options):
        pair = Pair()
        pair.ours[1] = nn.Parameter(pair.ours[1].detach().float())
        pair.theirs[1] = torch.nn.Parameter(pair.theirs[1].detach().float())
        optimizers = self.make(pair, name, options)
        for _ in range(5):
            pair.give_gradients()
            for optimizer in optimizers:
                optimizer.step()
        pair.agree(64 * float(np.finfo(np.float32).eps))
        assert pair.ours[0].dtype is rl.float64
        assert pair.ours[1].dtype is rl.float32

    def test_compiled(self, name, options):
        def train(compiled):
            rl.manual_seed(1)
            net = nn.Sequential(
                nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3)
            )
            optimizer = getattr(optim, name)(net.parameters(), **options)
            schedule = optim.lr_scheduler.StepLR(optimizer, 6)
            loss_of = nn.CrossEntropyLoss()

            def step(x, y):
                optimizer.zero_grad()
                loss = loss_of(net(x), y)
                loss.backward()
                optimizer.step()
                return loss

            run = rl.compile(step) if compiled else step
            losses = []
            for i in range(20):
                if i in {8, 12}:
                    net[0].requires_grad_(i == 12)
                x, y = rl.randn(16, 4), rl.randint(0, 3, (16,))
                losses.append(run(x, y).item())
                schedule.step()
            return losses, net.state_dict(), optimizer.state_dict()["state"]

        (eager, net, state), (replayed, other_net, other_state) = train(False), train(True)
        assert eager == replayed
        for key, value in net.items():
            np.testing.assert_array_equal(other_net[key].numpy(), value.numpy())
        assert list(state) == list(other_state)
        for number, held in state.items():
            for key, value in held.items():
                np.testing.assert_array_equal(other_state[number][key].numpy(), value.numpy())


class TestStep:
    def test_a_closure(self):
        p = nn.Parameter(rl.ones(1))
        optimizer = optim.SGD([p], lr=0.5)

        def closure():
            optimizer.zero_grad()
            loss = (p * p).sum()
            loss.backward()
            return loss

        assert optimizer.step(closure).item() == 1.0
        assert p.item() == 0.0
        assert optimizer.step() is None

    def test_no_gradients(self):
        optimizer = optim.Adam([nn.Parameter(rl.ones(1))])
        optimizer.step()
        assert optimizer.state_dict()["state"] == {}
        assert len(optimizer.state) == 0

    def test_zero_grad(self):
        p = nn.Parameter(rl.ones(1))
        optimizer = optim.SGD([p])
        p.grad = rl.ones(1)
        optimizer.zero_grad(set_to_none=False)
        assert p.grad.tolist() == [0.0]
        optimizer.zero_grad()
        assert p.grad is None

    def test_one_operation_for_a_group(self, monkeypatch):
        from rushlight import ops

        calls = []
        adam = ops.adam
        monkeypatch.setattr(ops, "adam", lambda *a, **k: (calls.append(len(a)), adam(*a, **k))[1])
        params = [nn.Parameter(rl.ones(2)) for _ in range(5)]
        optimizer = optim.Adam(params)
        for p in params:
            p.grad = rl.ones(2)
        optimizer.step()
        assert calls == [6 + 2 + 5 + 5]

    def test_state_by_parameter(self):
        p = nn.Parameter(rl.ones(2, 3))
        optimizer = optim.Adam([p])
        p.grad = rl.ones(2, 3)
        optimizer.step()
        held = optimizer.state[p]
        assert list(held) == ["step", "exp_avg", "exp_avg_sq"]
        assert held["step"].item() == 1.0
        assert held["exp_avg"].shape == (2, 3)

    def test_momentum_that_is_switched_on_and_off(self):
        pair = Pair()
        optimizers = [optim.SGD(pair.ours, 0.1), torch.optim.SGD(pair.theirs, 0.1)]
        for momentum in (0, 0, 0.9, 0.9, 0, 0.9, 0.5):
            for optimizer in optimizers:
                optimizer.param_groups[0]["momentum"] = momentum
            pair.give_gradients()
            for optimizer in optimizers:
                optimizer.step()
            pair.agree()

    def test_a_parameter_that_is_replaced_in_its_group(self):
        p, q = nn.Parameter(rl.ones(1)), nn.Parameter(rl.ones(1))
        optimizer = optim.SGD([p], lr=1.0)
        p.grad, q.grad = rl.ones(1), rl.ones(1)
        optimizer.step()
        optimizer.param_groups[0]["params"][0] = q
        optimizer.step()
        assert q.item() == 0.0
        assert p.item() == 0.0

    def test_an_optimizer_of_ones_own(self):
        class Signs(optim.Optimizer):
            def __init__(self, params, lr):
                super().__init__(params, {"lr": lr})

            def step(self, closure=None):
                with rl.no_grad():
                    for group in self.param_groups:
                        for p in group["params"]:
                            state = self.state[p]
                            state["count"] = state.get("count", 0) + 1
                            p.sub_(p.grad.sign() * group["lr"])

        p = nn.Parameter(rl.ones(2))
        optimizer = Signs([p], 0.5)
        p.grad = rl.tensor([3.0, -3.0])
        optimizer.step()
        assert p.tolist() == [0.5, 1.5]
        state = optimizer.state_dict()
        assert state["state"] == {0: {"count": 1}}
        other = Signs([p], 0.1)
        other.load_state_dict(state)
        assert other.state[p] == {"count": 1}
        assert other.param_groups[0]["lr"] == 0.5
        with pytest.raises(NotImplementedError, match="Optimizer is missing step"):
            optim.Optimizer([p], {}).step()


class TestGroups:
    def test_a_group_is_a_mapping(self):
        optimizer = optim.Adam([nn.Parameter(rl.ones(1))], lr=0.5)
        (group,) = optimizer.param_groups
        theirs = torch.optim.Adam([torch.nn.Parameter(torch.ones(1))], lr=0.5).param_groups[0]
        assert set(group) == set(theirs)
        assert {k: v for k, v in group.items() if k != "params"} == {
            k: v for k, v in theirs.items() if k != "params"
        }
        assert group["betas"] == (0.9, 0.999)
        group["betas"] = (0.5, 0.6)
        assert group["betas"] == (0.5, 0.6)
        assert group.get("none") is None
        group["note"] = "text"
        assert dict(group)["note"] == group.copy()["note"] == "text"
        del group["note"]
        assert "note" not in group
        assert len(group) == len(theirs)
        assert repr(group) == repr(dict(group))
        group["lr"] = rl.tensor(0.25)
        assert group["lr"] == 0.25

    def test_numbers_keep_their_cell(self, monkeypatch):
        calls = []
        optimizer = optim.SGD([nn.Parameter(rl.ones(1))], lr=0.5)
        monkeypatch.setattr(rl.compiler, "retrace", lambda: calls.append(1))
        (group,) = optimizer.param_groups
        group["lr"] *= 0.5
        assert not calls
        group["maximize"] = True
        assert calls

    def test_copies(self):
        optimizer = optim.Adam([nn.Parameter(rl.ones(1))], lr=0.5)
        group = copy.deepcopy(optimizer.param_groups[0])
        group["lr"] = 1.0
        assert optimizer.param_groups[0]["lr"] == 0.5


class TestMistakes:
    @pytest.mark.parametrize(
        ("make", "kind", "message"),
        [
            (
                lambda net: optim.Adam(net.parameters),
                TypeError,
                "Adam: params is a method; call it: model.parameters()",
            ),
            (
                optim.Adam,
                TypeError,
                "Adam: params is a Linear; give its parameters()",
            ),
            (
                lambda net: optim.Adam(net.weight),
                TypeError,
                "Adam: params is one tensor; give a list of them: [tensor]",
            ),
            (
                lambda net: optim.Adam(3),
                TypeError,
                "Adam: params is a int; give model.parameters()",
            ),
            (
                lambda net: optim.Adam(set(net.parameters())),
                TypeError,
                (
                    "Adam: params is a set, which has no order; "
                    "give a list, so that a state dict can name them by number"
                ),
            ),
            (
                lambda net: optim.Adam([net]),
                TypeError,
                "Adam: one of the params is a Linear; give tensors, as model.parameters() does",
            ),
            (
                lambda net: optim.Adam([]),
                ValueError,
                "Adam: no parameters; give model.parameters() of a model that has some",
            ),
            (
                lambda net: optim.Adam([net.weight * 2]),
                ValueError,
                (
                    "Adam: one of the params was computed from others; "
                    "give the leaf itself, or detach() it and let it require a gradient"
                ),
            ),
            (
                lambda net: optim.Adam([{"params": net.weight}, {"params": [net.weight]}]),
                ValueError,
                "Adam: some parameters appear in more than one group; give each once",
            ),
            (
                lambda net: optim.Adam(net.parameters(), lr=-1),
                ValueError,
                "Adam: lr is -1; give a number of at least 0.0",
            ),
            (
                lambda net: optim.Adam(net.parameters(), lr="0.1"),
                ValueError,
                "Adam: lr is '0.1'; give a number of at least 0.0",
            ),
            (
                lambda net: optim.Adam(net.parameters(), betas=(0.9, 1.0)),
                ValueError,
                "Adam: betas is 1.0; give a number of at least 0.0 and less than 1.0",
            ),
            (
                lambda net: optim.Adam(net.parameters(), amsgrad=True),
                ValueError,
                "Adam: amsgrad=True is not supported; leave it out",
            ),
            (
                lambda net: optim.SGD(net.parameters(), nesterov=True),
                ValueError,
                "SGD: nesterov with momentum 0 and dampening 0; give a momentum, and no dampening",
            ),
        ],
    )
    def test_message(self, make, kind, message):
        with pytest.raises(kind) as caught:
            make(nn.Linear(2, 2))
        assert str(caught.value) == message

    def test_state_of_another_model(self):
        def make(*shapes):
            params = [nn.Parameter(rl.ones(s)) for s in shapes]
            optimizer = optim.Adam(params)
            for p in params:
                p.grad = rl.ones(p.shape)
            optimizer.step()
            return optimizer

        optimizer = make((2,), (3,))
        before = optimizer.state_dict()
        with pytest.raises(ValueError, match=r"groups of \[1\] parameters, here of \[2\]"):
            optimizer.load_state_dict(make((2,)).state_dict())
        with pytest.raises(rl.ContractError) as caught:
            optimizer.load_state_dict(make((2,), (4,)).state_dict())
        assert str(caught.value) == (
            "Adam.load_state_dict: exp_avg of parameter 1 is [4], the parameter [3]; "
            "load the state of the same model"
        )
        broken = make((2,), (3,)).state_dict()
        del broken["state"][1]["exp_avg_sq"]
        broken["param_groups"][0]["lr"] = 7.0
        with pytest.raises(rl.ContractError, match="no 'exp_avg_sq'; give the state of an Adam"):
            optimizer.load_state_dict(broken)
        after = optimizer.state_dict()
        assert after["param_groups"] == before["param_groups"]
        for number, held in before["state"].items():
            for name, value in held.items():
                assert after["state"][number][name].tolist() == value.tolist()

    def test_what_is_no_state_dict(self):
        optimizer = optim.SGD([nn.Parameter(rl.ones(1))])
        with pytest.raises(rl.ContractError, match="no 'param_groups' in the state; give what"):
            optimizer.load_state_dict({"state": {}})

    def test_a_group_without_parameters(self):
        optimizer = optim.SGD([nn.Parameter(rl.ones(1))])
        with pytest.raises(rl.ContractError) as caught:
            optimizer.add_param_group({"lr": 0.1})
        assert str(caught.value) == (
            'SGD: a group with lr alone; give its parameters under "params"'
        )

    def test_a_group_that_is_no_dict(self):
        optimizer = optim.SGD([nn.Parameter(rl.ones(1))])
        with pytest.raises(TypeError, match="param_group is a list; give a dict"):
            optimizer.add_param_group([nn.Parameter(rl.ones(1))])

    def test_loading_is_seen_by_compiled_steps(self):
        p = nn.Parameter(rl.ones(2))
        optimizer = optim.Adam([p], lr=0.1)

        @rl.compile
        def step():
            optimizer.zero_grad()
            (p * p).sum().backward()
            optimizer.step()

        step()
        step()
        state = optimizer.state_dict()
        values = p.detach().numpy().copy()
        step()
        after = p.detach().numpy().copy()
        optimizer.load_state_dict(state)
        with rl.no_grad():
            p.copy_(rl.tensor(values))
        step()
        np.testing.assert_array_equal(p.detach().numpy(), after)
