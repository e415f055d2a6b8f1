"""Module: registration, walking, state, modes, hooks and text."""

from __future__ import annotations

import copy
import pickle
from typing import NamedTuple

import numpy as np
import pytest
import torch

import rushlight as rl
import rushlight_nn as nn


class Net(nn.Module):
    """Modules, a plain attribute, a parameter and two buffers."""

    def __init__(self):
        super().__init__()
        self.size = 3
        self.first = nn.Linear(2, 3)
        self.scale = nn.Parameter(rl.ones(3))
        self.register_buffer("count", rl.tensor(0))
        self.register_buffer("scratch", rl.zeros(2), persistent=False)
        self.rest = nn.Sequential(nn.ReLU(), nn.Linear(3, 1))

    def forward(self, x):
        return self.rest(self.first(x) * self.scale)


@pytest.fixture
def net():
    return Net()


class TestRegistration:
    def test_attributes_that_are_parameters_or_modules_are_owned(self, net):
        assert [name for name, _ in net.named_children()] == ["first", "rest"]
        assert [name for name, _ in net.named_parameters(recurse=False)] == ["scale"]
        assert [name for name, _ in net.named_buffers()] == ["count", "scratch"]
        assert net.size == 3

    def test_the_attribute_is_the_object_itself(self, net):
        layer = nn.Linear(1, 1)
        net.first = layer
        assert net.first is layer

    def test_replacing_keeps_the_place(self, net):
        net.first = nn.Linear(5, 5)
        assert [name for name, _ in net.named_children()] == ["first", "rest"]

    def test_none_reserves_the_name(self, net):
        net.scale = None
        assert net.scale is None
        assert "scale" not in dict(net.named_parameters())
        assert "scale" not in net.state_dict()
        net.scale = nn.Parameter(rl.zeros(1))
        assert "scale" in net.state_dict()

    def test_a_parameter_cannot_become_a_plain_tensor(self, net):
        message = (
            "cannot assign Tensor as parameter 'scale' of Net; "
            "give a Parameter or None, or delete the attribute first"
        )
        with pytest.raises(TypeError) as caught:
            net.scale = rl.zeros(3)
        assert str(caught.value) == message

    def test_a_module_cannot_become_a_number(self, net):
        with pytest.raises(
            TypeError, match="cannot assign int as module 'first' of Net; give a Module or None"
        ):
            net.first = 1

    def test_a_buffer_can_be_replaced_by_a_tensor_only(self, net):
        net.count = rl.tensor(5)
        assert net.state_dict()["count"].item() == 5
        with pytest.raises(TypeError, match="give a tensor or None"):
            net.count = 5

    def test_a_replaced_buffer_stays_out_of_the_state(self, net):
        net.scratch = rl.ones(2)
        assert "scratch" not in net.state_dict()

    def test_a_buffer_cannot_be_replaced_while_tracing(self, net):
        @rl.compile
        def step():
            net.count = net.count + 1

        with pytest.raises(rl.TracingError) as caught:
            step()
        assert str(caught.value) == (
            "buffer 'count' of Net is replaced while tracing; "
            "change it in place: self.count.copy_(value)"
        )
        assert net.count.item() == 0

        @rl.compile
        def count():
            net.count.add_(1)

        count()
        count()
        assert net.count.item() == 2

    def test_a_kind_can_change(self, net):
        net.first = nn.Parameter(rl.zeros(1))
        assert "first" in dict(net.named_parameters(recurse=False))
        assert "first" not in dict(net.named_children())

    def test_a_plain_attribute_can_become_a_parameter(self, net):
        net.size = nn.Parameter(rl.zeros(1))
        assert "size" in dict(net.named_parameters())

    def test_deleting(self, net):
        del net.first
        del net.scale
        del net.size
        assert [name for name, _ in net.named_children()] == ["rest"]
        for name in ("first", "scale", "size"):
            assert not hasattr(net, name)
        with pytest.raises(AttributeError):
            del net.first

    def test_a_missing_attribute_names_the_class(self, net):
        with pytest.raises(AttributeError) as caught:
            _ = net.missing
        assert str(caught.value) == "'Net' object has no attribute 'missing'"

    def test_before_init(self):
        class Early(nn.Module):
            def __init__(self):
                self.layer = nn.Linear(1, 1)

        with pytest.raises(AttributeError) as caught:
            Early()
        assert str(caught.value) == (
            "cannot assign module before Module.__init__() call; "
            "call super().__init__() first in Early.__init__"
        )

    @pytest.mark.parametrize(
        ("kind", "value"),
        [("parameter", nn.Parameter(rl.zeros(1))), ("buffer", rl.zeros(1)), ("module", nn.ReLU())],
    )
    def test_names(self, net, kind, value):
        register = getattr(net, f"register_{kind}")
        with pytest.raises(KeyError, match="contain"):
            register("a.b", value)
        with pytest.raises(KeyError, match="empty"):
            register("", value)
        with pytest.raises(KeyError, match="'forward' already exists"):
            register("forward", value)
        with pytest.raises(TypeError, match="name should be a string, not int"):
            register(3, value)

    @pytest.mark.parametrize("kind", ["parameter", "buffer", "module"])
    def test_values(self, net, kind):
        with pytest.raises(TypeError, match="str"):
            getattr(net, f"register_{kind}")("new", "text")

    def test_a_computed_tensor_is_no_parameter(self, net):
        x = nn.Parameter(rl.ones(1))
        x._node = (x * 2)._node
        with pytest.raises(ValueError, match="cannot assign a computed tensor as parameter 'new'"):
            net.register_parameter("new", x)

    def test_registration_makes_programs_stale(self, monkeypatch, net):
        calls = []
        monkeypatch.setattr(rl.compiler, "retrace", lambda: calls.append(1))
        monkeypatch.setattr(rl.compiler, "switch", calls.append)
        for change in (
            lambda: setattr(net, "first", nn.ReLU()),
            net.eval,
            net.train,
            lambda: delattr(net, "scale"),
            lambda: net.register_forward_hook(print),
        ):
            calls.clear()
            change()
            assert calls
        calls.clear()
        net.train()
        net.size = 4
        assert not calls


class TestWalking:
    def test_parameters_once(self):
        shared = nn.Linear(2, 2)
        net = nn.Sequential(shared, nn.ReLU(), shared)
        assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias"]
        assert [name for name, _ in net.named_parameters(remove_duplicate=False)] == [
            "0.weight",
            "0.bias",
            "2.weight",
            "2.bias",
        ]
        assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]

    def test_tied_weights(self):
        net = Net()
        net.rest[1].weight = net.scale
        assert [name for name, _ in net.named_parameters()] == [
            "scale",
            "first.weight",
            "first.bias",
            "rest.1.bias",
        ]

    def test_modules(self, net):
        assert [name for name, _ in net.named_modules()] == [
            "",
            "first",
            "rest",
            "rest.0",
            "rest.1",
        ]
        assert len(list(net.modules())) == 5
        assert list(net.children()) == [net.first, net.rest]

    def test_prefix(self, net):
        assert next(iter(net.named_parameters(prefix="top")))[0] == "top.scale"
        assert next(iter(net.named_modules(prefix="top")))[0] == "top"

    def test_paths(self, net):
        assert net.get_submodule("rest.1") is net.rest[1]
        assert net.get_submodule("") is net
        assert net.get_parameter("rest.1.weight") is net.rest[1].weight
        assert net.get_buffer("count") is net.count
        for get, path in (
            (net.get_submodule, "rest.7"),
            (net.get_submodule, "scale"),
            (net.get_parameter, "count"),
            (net.get_parameter, "rest.1.none"),
            (net.get_buffer, "scale"),
        ):
            with pytest.raises(AttributeError):
                get(path)


def counting(room):
    """Layers of a library, the middle one with a count that is no tensor."""

    class Counting(room.PReLU):
        count = 0

        def get_extra_state(self):
            return self.count

        def set_extra_state(self, state):
            self.count = state

    return lambda: room.Sequential(room.Linear(2, 2), Counting(), room.Linear(2, 2))


class TestState:
    def test_round_trip(self, net):
        other = Net()
        result = other.load_state_dict(net.state_dict())
        assert repr(result) == "<All keys matched successfully>"
        result = other.load_state_dict({}, strict=False)
        assert repr(result).startswith("IncompatibleKeys(missing_keys=['scale', 'count', ")
        for key, value in net.state_dict().items():
            np.testing.assert_array_equal(other.state_dict()[key].numpy(), value.numpy())

    def test_detached(self, net):
        assert not any(x.requires_grad for x in net.state_dict().values())
        assert net.state_dict(keep_vars=True)["scale"] is net.scale

    def test_all_faults_in_one_sentence(self, net):
        state = net.state_dict()
        state["scale"] = rl.zeros(7)
        del state["first.bias"]
        state["more"] = rl.zeros(1)
        with pytest.raises(rl.ContractError) as caught:
            net.load_state_dict(state)
        assert isinstance(caught.value, RuntimeError)
        assert str(caught.value) == (
            "load_state_dict: the state does not fit Net; missing keys: 'first.bias'; "
            "unexpected keys: 'more'; size mismatch for scale: [7] in the state, [3] in the module"
        )

    def test_nothing_is_half_loaded(self, net):
        before = {key: value.numpy().copy() for key, value in net.state_dict().items()}
        state = {key: rl.zeros_like(value) for key, value in net.state_dict().items()}
        state["rest.1.bias"] = rl.zeros(9)
        with pytest.raises(rl.ContractError):
            net.load_state_dict(state)
        for key, value in net.state_dict().items():
            np.testing.assert_array_equal(value.numpy(), before[key])

    def test_not_strict(self, net):
        state = net.state_dict()
        del state["scale"]
        state["more"] = rl.zeros(1)
        result = net.load_state_dict(state, strict=False)
        assert result.missing_keys == ["scale"]
        assert result.unexpected_keys == ["more"]
        state["count"] = rl.zeros(3)
        with pytest.raises(rl.ContractError, match="size mismatch for count"):
            net.load_state_dict(state, strict=False)

    def test_values_are_converted(self, net):
        net.load_state_dict({**net.state_dict(), "scale": np.full(3, 2.0)})
        assert net.scale.dtype is rl.float32
        assert net.scale.tolist() == [2.0, 2.0, 2.0]
        assert net.scale.requires_grad

    def test_loading_is_a_copy(self, net):
        given = rl.ones(3)
        scale = net.scale
        net.load_state_dict({**net.state_dict(), "scale": given})
        given.zero_()
        assert net.scale is scale
        assert net.scale.tolist() == [1.0, 1.0, 1.0]

    def test_assign(self, net):
        scale = net.scale
        net.load_state_dict(
            {**net.state_dict(), "scale": rl.zeros(3, dtype=rl.float64)}, assign=True
        )
        assert net.scale is not scale
        assert isinstance(net.scale, nn.Parameter)
        assert net.scale.dtype is rl.float64

    def test_what_is_no_state(self, net):
        with pytest.raises(TypeError, match="Expected state_dict to be dict-like, got list"):
            net.load_state_dict([1])
        with pytest.raises(rl.ContractError, match="scale is a float; give a tensor"):
            net.load_state_dict({**net.state_dict(), "scale": 1.0})

    def test_extra_state_is_pytorchs(self):
        states = []
        for room in (nn, torch.nn):
            first, second = counting(room)(), counting(room)()
            first[1].count = 5
            first.load_state_dict(first.state_dict())
            state = first.state_dict()
            second.load_state_dict(state)
            assert (second[0].weight == first[0].weight).all()
            assert second[1].count == 5
            del state["1._extra_state"]
            with pytest.raises(RuntimeError, match=r"1\._extra_state"):
                second.load_state_dict(state)
            found = second.load_state_dict(state, strict=False)
            plain = room.Linear(2, 2)
            more = {**plain.state_dict(), "_extra_state": 1}
            with pytest.raises(RuntimeError, match="_extra_state"):
                plain.load_state_dict(more)
            states.append((list(first.state_dict()), found.missing_keys))
            with pytest.raises(RuntimeError):
                plain.get_extra_state()
            with pytest.raises(RuntimeError):
                plain.set_extra_state(1)
        assert (
            states[0]
            == states[1]
            == (
                ["0.weight", "0.bias", "1.weight", "1._extra_state", "2.weight", "2.bias"],
                ["1._extra_state"],
            )
        )

    def test_extra_state_is_saved_if_it_is_of_plain_things(self, tmp_path):
        net, other = counting(nn)(), counting(nn)()
        net[1].count = {"seen": [1, 2.5, None], "of": rl.ones(2)}
        rl.save(net.state_dict(), tmp_path / "net.safetensors")
        other.load_state_dict(rl.load(tmp_path / "net.safetensors"))
        assert other[1].count["seen"] == [1, 2.5, None]
        assert other[1].count["of"].tolist() == [1.0, 1.0]
        net[1].count = object()
        with pytest.raises(
            rl.ContractError, match=r"^save: state\['1\._extra_state'\] is a object"
        ):
            rl.save(net.state_dict(), tmp_path / "net.safetensors")

    def test_copies(self, net):
        for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
            assert repr(twin) == repr(net)
            assert list(twin.state_dict()) == list(net.state_dict())
            assert twin.scale is not net.scale
            assert isinstance(twin.scale, nn.Parameter)
            assert twin.scale.requires_grad
            with rl.no_grad():
                twin.scale.zero_()
            assert net.scale.tolist() == [1.0, 1.0, 1.0]

    def test_a_copy_keeps_what_is_shared(self):
        net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
        net[1].weight = net[0].weight
        twin = copy.deepcopy(net)
        assert twin[0].weight is twin[1].weight


class TestModes:
    def test_train_and_eval(self, net):
        assert net.training
        assert net.eval() is net
        assert not any(module.training for module in net.modules())
        net.train()
        assert all(module.training for module in net.modules())
        with pytest.raises(ValueError, match="training mode is expected to be boolean"):
            net.train(1)

    def test_apply_reaches_the_inner_first(self, net):
        seen = []
        assert net.apply(seen.append) is net
        assert seen == [net.first, net.rest[0], net.rest[1], net.rest, net]

    def test_requires_grad(self, net):
        net.first.requires_grad_(False)
        assert [p.requires_grad for p in net.parameters()] == [True, False, False, True, True]

    def test_zero_grad(self, net):
        net(rl.ones(1, 2)).sum().backward()
        net.zero_grad(set_to_none=False)
        assert all((p.grad == 0).all() for p in net.parameters())
        net.zero_grad()
        assert all(p.grad is None for p in net.parameters())

    def test_to(self, net):
        parameters = list(net.parameters())
        net(rl.ones(1, 2)).sum().backward()
        assert net.double() is net
        assert list(map(id, net.parameters())) == list(map(id, parameters))
        assert all(p.dtype is rl.float64 for p in net.parameters())
        assert all(p.grad.dtype is rl.float64 for p in net.parameters())
        assert net.count.dtype is rl.int64
        assert net.scratch.dtype is rl.float64
        assert net.half().scale.dtype is rl.float16
        assert net.bfloat16().scale.dtype is rl.bfloat16
        assert net.float().scale.dtype is rl.float32
        assert net.to("numpy", rl.float64).scale.dtype is rl.float64
        assert net.to(rl.zeros(1)).scale.dtype is rl.float32
        net(rl.ones(1, 2)).sum().backward()

    def test_type_converts_integers_too(self, net):
        assert net.type(rl.float64).count.dtype is rl.float64

    def test_to_an_integer_type(self, net):
        with pytest.raises(TypeError, match="only accepts floating point dtypes"):
            net.to(rl.int64)

    def test_no_forward(self):
        with pytest.raises(NotImplementedError) as caught:
            nn.Module()(1)
        assert str(caught.value) == 'Module [Module] is missing the required "forward" function'


class TestHooks:
    def test_forward_hooks(self, net):
        seen = []
        before = net.register_forward_pre_hook(lambda module, args: seen.append(("before", module)))
        after = net.register_forward_hook(lambda module, args, out: out * 2)
        x = rl.ones(1, 2)
        doubled = net(x)
        after.remove()
        after.remove()
        plain = net(x)
        before.remove()
        net(x)
        assert seen == [("before", net)] * 2
        np.testing.assert_allclose(doubled.detach().numpy(), 2 * plain.detach().numpy())

    def test_a_pre_hook_changes_the_arguments(self):
        net = nn.Identity()
        with net.register_forward_pre_hook(lambda module, args: args[0] + 1):
            assert net(rl.zeros(1)).item() == 1
        assert net(rl.zeros(1)).item() == 0

    def test_keyword_arguments(self):
        class Adds(nn.Module):
            def forward(self, x, *, more):
                return x + more

        net = Adds()
        net.register_forward_pre_hook(
            lambda module, args, kwargs: (args, {"more": kwargs["more"] * 10}), with_kwargs=True
        )
        seen = []
        net.register_forward_hook(
            lambda module, args, kwargs, out: seen.append(kwargs), with_kwargs=True
        )
        assert net(1, more=2) == 21
        assert seen == [{"more": 20}]
        net.register_forward_pre_hook(lambda module, args, kwargs: 3, with_kwargs=True)
        with pytest.raises(rl.ContractError, match="return None or"):
            net(1, more=2)

    def test_order(self):
        net, seen = nn.Identity(), []
        net.register_forward_hook(lambda *_: seen.append(1))
        net.register_forward_hook(lambda *_: seen.append(2))
        net.register_forward_hook(lambda *_: seen.append(0), prepend=True)
        net(rl.zeros(1))
        assert seen == [0, 1, 2]

    def test_always_call(self):
        class Breaks(nn.Module):
            def forward(self):
                raise ZeroDivisionError

        net, seen = Breaks(), []
        net.register_forward_hook(lambda module, args, out: seen.append(("never", out)))
        net.register_forward_hook(lambda module, args, out: seen.append(out), always_call=True)
        with pytest.raises(ZeroDivisionError):
            net()
        assert seen == [None]

    def test_backward_hooks_of_several_outputs(self):
        class Pair(NamedTuple):
            sum: rl.Tensor
            difference: rl.Tensor

        class Both(nn.Module):
            def forward(self, x, y):
                return Pair(x + y, x - y)

        net, seen = Both(), []
        net.register_full_backward_hook(lambda module, into, out: seen.append((into, out)))
        x, y = rl.ones(1, requires_grad=True), rl.ones(1)
        result = net(x, y)
        assert isinstance(result, Pair)
        (result.sum * 3 + result.difference * 5).sum().backward()
        ((into, out),) = seen
        assert into[0].item() == x.grad.item() == 8.0
        assert into[1] is None
        assert [g.item() for g in out] == [3.0, 5.0]
        with rl.no_grad():
            net(x, y)
        assert len(seen) == 1

    def test_a_backward_hook_of_the_wrong_length(self):
        net = nn.Linear(2, 2)
        net.register_full_backward_hook(lambda module, grad_input, grad_output: (1, 2, 3))
        out = net(rl.ones(1, 2, requires_grad=True))
        with pytest.raises(rl.ContractError, match="returned 3 gradients for 1"):
            out.sum().backward()

    def test_backward_hooks_need_tensors(self):
        class Named(nn.Module):
            def forward(self, x):
                return {"x": x}

        net = Named()
        net.register_full_backward_hook(print)
        with pytest.warns(UserWarning, match="backward hooks of Named are not called"):
            net(rl.ones(1, requires_grad=True))


class TestText:
    def test_repr(self, net):
        assert repr(net) == (
            "Net(\n"
            "  (first): Linear(in_features=2, out_features=3, bias=True)\n"
            "  (rest): Sequential(\n"
            "    (0): ReLU()\n"
            "    (1): Linear(in_features=3, out_features=1, bias=True)\n"
            "  )\n"
            ")"
        )

    def test_many_lines_of_extra(self):
        class Talks(nn.Module):
            def extra_repr(self):
                return "one\ntwo"

        assert repr(nn.Sequential(Talks())) == (
            "Sequential(\n  (0): Talks(\n    one\n    two\n  )\n)"
        )


class TestParameter:
    def test_of_a_tensor(self):
        p = nn.Parameter(rl.tensor([1.0, 2.0]))
        assert p.requires_grad
        assert p.is_leaf
        assert isinstance(p, rl.Tensor)
        assert not nn.Parameter(rl.zeros(1), requires_grad=False).requires_grad
        assert nn.Parameter().shape == (0,)

    def test_of_a_computed_tensor(self):
        p = nn.Parameter(rl.ones(1, requires_grad=True) * 2)
        assert p.is_leaf

    def test_it_does_not_follow_its_source(self):
        source = rl.ones(2)
        p = nn.Parameter(source)
        with rl.no_grad():
            p.zero_()
        assert source.tolist() == [1.0, 1.0]

    def test_repr(self):
        assert repr(nn.Parameter(rl.zeros(2))) == (
            "Parameter containing:\ntensor([0., 0.], requires_grad=True)"
        )

    def test_what_is_no_tensor(self):
        with pytest.raises(rl.ContractError) as caught:
            nn.Parameter([1.0])
        assert str(caught.value) == (
            "Parameter: data is a list; make it a tensor first, with rl.tensor(data)"
        )

    def test_integers(self):
        with pytest.raises(RuntimeError, match="floating"):
            nn.Parameter(rl.tensor([1]))
        assert nn.Parameter(rl.tensor([1]), requires_grad=False).dtype is rl.int64


class TestAParameter:
    def test_has_attributes_that_copies_keep(self):
        p = nn.Parameter(rl.ones(2))
        p.no_decay = True
        copies = copy.copy(p), copy.deepcopy(p), pickle.loads(pickle.dumps(p))
        assert all(one.no_decay for one in copies)
        assert not hasattr(rl.ones(2), "no_decay")

    @pytest.mark.parametrize("lib", [rl, torch], ids=["rushlight", "torch"])
    def test_leaves_its_gradient_behind_in_a_deep_copy(self, lib):
        layer = {rl: nn, torch: torch.nn}[lib].Linear(2, 1)
        layer(lib.ones(1, 2)).sum().backward()
        twin = copy.deepcopy(layer)
        assert twin.weight.grad is None
        assert twin.weight.requires_grad
        assert type(twin.weight) is type(layer.weight)
        leaf = lib.ones(2, requires_grad=True)
        leaf.sum().backward()
        assert copy.deepcopy(leaf).grad.tolist() == [1.0, 1.0]
        del leaf.grad
        assert leaf.grad is None

    def test_is_one_in_a_deep_copy_of_what_shares_it(self):
        p = nn.Parameter(rl.ones(2), requires_grad=False)
        one, other = copy.deepcopy([p, p])
        assert one is other is not p
        assert not one.requires_grad


@pytest.mark.parametrize("of", ["module", "optimizer"])
def test_gradients_that_become_zeros_are_the_same_tensors(of):
    model = nn.Linear(2, 1)
    (model(rl.ones(1, 2)).sum() ** 2).backward(create_graph=True)
    grads = [p.grad for p in model.parameters()]
    zeroed = model if of == "module" else nn.optim.SGD(model.parameters(), lr=0.1)
    zeroed.zero_grad(set_to_none=False)
    assert all(p.grad is g for p, g in zip(model.parameters(), grads, strict=True))
    assert not any(g.any() or g.requires_grad for g in grads)
