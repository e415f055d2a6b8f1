"""GradScaler beside PyTorch's: scales, skipped steps, errors."""

import copy
import pickle
from math import inf, nan
from typing import Any

import pytest
import torch

import rushlight as rl


class Plain:
    """An optimizer that subtracts gradients, and counts its steps; for either library."""

    def __init__(self, *params: Any) -> None:
        self.param_groups = [{"params": [p]} for p in params]
        self.steps = 0

    def step(self, closure: Any = None) -> str:
        library = rl if isinstance(self.param_groups[0]["params"][0], rl.Tensor) else torch
        with library.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        p.sub_(p.grad)
        self.steps += 1
        return "stepped"


def pair(library: Any, **options: Any) -> tuple[Any, Any, Any]:
    """A scaler, a parameter and its optimizer."""
    p = library.ones(2, requires_grad=True)
    return library.amp.GradScaler("cpu", **options), p, Plain(p)


def turn(library: Any, scaler: Any, p: Any, optimizer: Any, value: float) -> Any:
    """One step of a loss with this gradient."""
    p.grad = None
    scaler.scale((p * library.tensor([value, 0.5])).sum()).backward()
    made = scaler.step(optimizer)
    scaler.update()
    return made


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"init_scale": 4.0, "growth_interval": 2},
        {"init_scale": 3.0, "growth_factor": 1.5, "backoff_factor": 0.25, "growth_interval": 1},
    ],
    ids=["usual", "interval", "factors"],
)
def test_scales_and_parameters_follow_pytorchs(options):
    ours, theirs = (pair(library, **options) for library in (rl, torch))
    for value in [1.0, 0.25, inf, 1.0, nan, -inf, 2.0, 0.5, 1.0]:
        made = turn(rl, *ours, value)
        assert made == turn(torch, *theirs, value)
        assert ours[0].state_dict() == theirs[0].state_dict()
        assert ours[1].tolist() == theirs[1].tolist()
        assert ours[2].steps == theirs[2].steps


def test_the_scale_stays_finite():
    ours, theirs = (
        pair(library, init_scale=2.0**127, growth_interval=1) for library in (rl, torch)
    )
    for library, each in ((rl, ours), (torch, theirs)):
        turn(library, *each, 0.0)
        each[1].grad = library.zeros(2)
        each[0].step(each[2])
        each[0].update()
    assert ours[0].get_scale() == theirs[0].get_scale() == 2.0**127


def test_gradients_are_unscaled_once_and_where_they_are():
    scaler, p, optimizer = pair(rl, init_scale=8.0)
    scaler.scale((p * rl.tensor([3.0, 0.5])).sum()).backward()
    before = p.grad
    assert before.tolist() == [24.0, 4.0]
    scaler.unscale_(optimizer)
    assert p.grad is before
    assert p.grad.tolist() == [3.0, 0.5]
    assert scaler.step(optimizer) == "stepped"
    assert p.tolist() == [-2.0, 0.5]


def test_a_huge_double_is_finite():
    scaler = rl.amp.GradScaler()
    p = rl.ones(2, dtype=rl.float64, requires_grad=True)
    optimizer = Plain(p)
    p.grad = rl.full((2,), 1e300, dtype=rl.float64)
    assert scaler.step(optimizer) == "stepped"


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3), (3, 2)])
def test_gradients_of_every_shape(shape):
    scaler = rl.amp.GradScaler(init_scale=2.0)
    p, without = rl.ones(shape, requires_grad=True), rl.ones(3, requires_grad=True)
    optimizer = Plain(p, without)
    scaler.scale((p * 3.0).sum()).backward()
    assert scaler.step(optimizer) == "stepped"
    scaler.update()
    assert p.tolist() == (rl.zeros(shape) - 2.0).tolist()


def test_parameters_on_two_devices():
    scaler = rl.amp.GradScaler(init_scale=2.0)
    here, there = rl.ones(2, requires_grad=True), rl.ones(2, device="hostile", requires_grad=True)
    optimizer = Plain(here, there)
    for loss in scaler.scale([(here * 2.0).sum(), (there * inf).sum()]):
        loss.backward()
    assert scaler.step(optimizer) is None
    scaler.update()
    assert (scaler.get_scale(), optimizer.steps) == (1.0, 0)


def test_two_optimizers_are_apart():
    scaler = rl.amp.GradScaler(init_scale=2.0)
    p, q = rl.ones(2, requires_grad=True), rl.ones(2, requires_grad=True)
    first, second = Plain(p), Plain(q)
    scaler.scale((p * 2.0).sum() + (q * inf).sum()).backward()
    assert (scaler.step(first), scaler.step(second)) == ("stepped", None)
    scaler.update()
    assert scaler.get_scale() == 1.0


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16", "float64"])
@pytest.mark.parametrize("shape", [(), (3,)])
def test_what_a_scaled_output_is_of(dtype, shape):
    z = rl.amp.GradScaler(init_scale=4.0).scale(rl.ones(shape, dtype=getattr(rl, dtype)))
    w = torch.amp.GradScaler("cpu", init_scale=4.0).scale(
        torch.ones(shape, dtype=getattr(torch, dtype))
    )
    assert str(w.dtype) == f"torch.{z.dtype}"
    assert z.tolist() == w.tolist()


def test_outputs_in_containers():
    scaler, x = rl.amp.GradScaler(init_scale=4.0), rl.ones(1)
    assert [z.item() for z in scaler.scale([x, x])] == [4.0, 4.0]
    one, (two,) = scaler.scale((x, [x]))
    assert (one.item(), two.item()) == (4.0, 4.0)
    assert [z.item() for z in scaler.scale(iter([x]))] == [4.0]


def test_new_scales_and_settings():
    scaler, p, optimizer = pair(rl)
    assert (scaler.get_scale(), scaler.get_growth_interval(), scaler.is_enabled()) == (
        65536.0, 2000, True
    )  # fmt: skip
    assert (scaler.get_growth_factor(), scaler.get_backoff_factor()) == (2.0, 0.5)
    scaler.set_growth_factor(4.0)
    scaler.set_backoff_factor(0.1)
    scaler.set_growth_interval(1)
    scaler.update(8.0)
    assert scaler.scale(rl.tensor(1.0)).item() == 8.0
    turn(rl, scaler, p, optimizer, 1.0)
    assert scaler.get_scale() == 32.0
    scaler.update(rl.tensor(2.0))
    assert scaler.get_scale() == 2.0


def test_disabled_it_does_nothing():
    scaler, p, optimizer = pair(rl, enabled=False, growth_factor=0.0)
    loss = (p * inf).sum()
    assert scaler.scale(loss) is loss
    loss.backward()
    scaler.unscale_(optimizer)
    assert scaler.step(optimizer) == "stepped"
    scaler.update()
    scaler.load_state_dict({})
    assert (scaler.get_scale(), scaler.state_dict(), scaler.is_enabled()) == (1.0, {}, False)


def test_states_are_exchanged_with_pytorch():
    scaler, p, optimizer = pair(rl, growth_interval=3)
    turn(rl, scaler, p, optimizer, 1.0)
    other = torch.amp.GradScaler("cpu")
    other.load_state_dict(scaler.state_dict())
    assert other.state_dict() == scaler.state_dict()
    again = rl.amp.GradScaler()
    again.scale(rl.ones(1))
    again.load_state_dict(other.state_dict())
    assert again.state_dict() == scaler.state_dict()
    for copied in (copy.deepcopy(scaler), pickle.loads(pickle.dumps(scaler))):
        assert copied.state_dict() == scaler.state_dict()
        assert copied.scale(rl.ones(1)).item() == 65536.0


def unscale_twice(scaler, p, optimizer):
    scaler.unscale_(optimizer)
    scaler.unscale_(optimizer)


def unscale_after_step(scaler, p, optimizer):
    scaler.step(optimizer)
    scaler.unscale_(optimizer)


def step_twice(scaler, p, optimizer):
    scaler.step(optimizer)
    scaler.step(optimizer)


def step_without_gradients(scaler, p, optimizer):
    p.grad = None
    scaler.step(optimizer)


def step_with_closure(scaler, p, optimizer):
    scaler.step(optimizer, closure=lambda: None)


def update_too_early(scaler, p, optimizer):
    scaler.update()


def update_twice(scaler, p, optimizer):
    scaler.step(optimizer)
    scaler.update()
    scaler.update()


def scale_a_number(scaler, p, optimizer):
    scaler.scale(3)


def load_nothing(scaler, p, optimizer):
    scaler.load_state_dict({})


def pickle_within_a_step(scaler, p, optimizer):
    scaler.unscale_(optimizer)
    pickle.dumps(scaler)


@pytest.mark.parametrize(
    ("misuse", "said"),
    [
        (unscale_twice, "GradScaler.unscale_: a second time for this optimizer since the last "),
        (unscale_after_step, "GradScaler.unscale_: after step(); call it before"),
        (step_twice, "GradScaler.step: a second time for this optimizer since the last update()"),
        (step_without_gradients, "GradScaler.step: no parameter has a gradient; call backward() "),
        (step_with_closure, "GradScaler.step: a closure, which would be scaled by nothing; "),
        (update_too_early, "GradScaler.update: no gradients were looked at; call step() before"),
        (update_twice, "GradScaler.update: no gradients were looked at; call step() before"),
        (scale_a_number, "GradScaler.scale: int; give a tensor or an iterable of tensors"),
        (load_nothing, "GradScaler.load_state_dict: an empty state, perhaps of a disabled scaler"),
        (pickle_within_a_step, "GradScaler: copied within a step; do so after update()"),
    ],
)
def test_misuse_is_refused_as_in_pytorch(misuse, said):
    raised = []
    for library in (rl, torch):
        scaler, p, optimizer = pair(library)
        scaler.scale(p.sum()).backward()
        with pytest.raises((RuntimeError, ValueError, AssertionError)) as error:
            misuse(scaler, p, optimizer)
        raised.append(error.value)
    ours, theirs = raised
    assert isinstance(ours, type(theirs))
    assert str(ours).startswith(said)


@pytest.mark.parametrize("options", [{"growth_factor": 1.0}, {"backoff_factor": 1.0}])
def test_factors_are_checked(options):
    with pytest.raises(AssertionError):
        torch.amp.GradScaler("cpu", **options)
    with pytest.raises(AssertionError) as error:
        rl.amp.GradScaler(**options)
    assert isinstance(error.value, rl.ContractError)


def test_gradients_in_float16_are_refused():
    p = rl.ones(2, dtype=rl.float16, requires_grad=True)
    p.grad = rl.ones(2, dtype=rl.float16)
    with pytest.raises(ValueError, match=r"a gradient float16.2.; keep parameters in float32"):
        rl.amp.GradScaler().unscale_(Plain(p))


# -- programs


def test_scaled_losses_are_compiled():
    scaler, p, optimizer = pair(rl, init_scale=4.0, growth_interval=1)

    def gradients(x):
        loss = (p * x).sum()
        scaler.scale(loss).backward()
        return loss

    compiled = rl.compile(gradients)
    for scale in (4.0, 8.0, 16.0):
        p.grad = None
        compiled(rl.tensor([0.25, 0.5]))
        assert p.grad.tolist() == [0.25 * scale, 0.5 * scale]
        scaler.step(optimizer)
        scaler.update()
    assert len(compiled.traced) == 1


@pytest.mark.parametrize("method", ["unscale_", "step"])
def test_what_depends_on_values_is_not_compiled(method):
    scaler, p, optimizer = pair(rl)
    p.grad = rl.ones(2)
    with pytest.raises(rl.TracingError, match=rf"GradScaler.{method}: whether a step is made"):
        rl.compile(lambda: getattr(scaler, method)(optimizer))()
    with pytest.raises(rl.TracingError, match=r"GradScaler.update: whether"):
        rl.compile(lambda: scaler.update())()  # noqa: PLW0108  a function of its own
