"""Schedules beside PyTorch's: the same bits in every epoch, alone, chained and resumed."""

from __future__ import annotations

import pytest
import torch

import rushlight as rl
import rushlight_nn as nn
from rushlight_nn import checkpoint, optim

SCHEDULES = [
    ("StepLR", {"step_size": 3}),
    ("StepLR", {"step_size": 1, "gamma": 0.9}),
    ("MultiStepLR", {"milestones": [2, 5, 5, 9], "gamma": 0.3}),
    ("ExponentialLR", {"gamma": 0.93}),
    ("LinearLR", {}),
    ("LinearLR", {"start_factor": 0.1, "end_factor": 0.7, "total_iters": 8}),
    ("LinearLR", {"start_factor": 1.0, "end_factor": 0.0, "total_iters": 4}),
    ("CosineAnnealingLR", {"T_max": 7}),
    ("CosineAnnealingLR", {"T_max": 5, "eta_min": 0.01}),
    ("LambdaLR", {"lr_lambda": lambda epoch: 0.9**epoch}),
    ("LambdaLR", {"lr_lambda": [lambda epoch: 1 / (1 + epoch), lambda epoch: epoch % 3]}),
]
IDS = [f"{name}-{i}" for i, (name, _) in enumerate(SCHEDULES)]
EPOCHS = 25


def optimizer_of(package, parameter, lr=0.1, other=0.3):
    return package.SGD(
        [{"params": [parameter()]}, {"params": [parameter()], "lr": other}], lr=lr, momentum=0.9
    )


def ours(**options):
    return optimizer_of(optim, lambda: nn.Parameter(rl.ones(1)), **options)


def theirs(**options):
    return optimizer_of(torch.optim, lambda: torch.nn.Parameter(torch.ones(1)), **options)


def rates(optimizer):
    return [group["lr"] for group in optimizer.param_groups]


@pytest.mark.filterwarnings("ignore:Detected call of:UserWarning")
@pytest.mark.parametrize(("name", "options"), SCHEDULES, ids=IDS)
class TestBesidePyTorch:
    def pair(self, name, options, **more):
        for package, make in ((optim, ours), (torch.optim, theirs)):
            optimizer = make(**more)
            yield optimizer, getattr(package.lr_scheduler, name)(optimizer, **options)

    def test_every_epoch(self, name, options):
        (mine, schedule), (other, reference) = self.pair(name, options)
        for epoch in range(EPOCHS):
            assert rates(mine) == rates(other), epoch
            assert schedule.get_last_lr() == reference.get_last_lr()
            assert schedule.last_epoch == reference.last_epoch == epoch
            schedule.step()
            reference.step()
        assert schedule.base_lrs == reference.base_lrs
        for group, expected in zip(mine.param_groups, other.param_groups, strict=True):
            assert group["initial_lr"] == expected["initial_lr"]

    def test_chained(self, name, options):
        (mine, schedule), (other, reference) = self.pair(name, options)
        warm = optim.lr_scheduler.LinearLR(mine, total_iters=4)
        reference_warm = torch.optim.lr_scheduler.LinearLR(other, total_iters=4)
        for _ in range(EPOCHS):
            assert rates(mine) == rates(other)
            for each in (schedule, warm, reference, reference_warm):
                each.step()

    def test_a_rate_that_the_program_changes(self, name, options):
        (mine, schedule), (other, reference) = self.pair(name, options)
        for epoch in range(EPOCHS):
            if epoch == 6:
                for optimizer in (mine, other):
                    optimizer.param_groups[0]["lr"] *= 0.5
            assert rates(mine) == rates(other)
            schedule.step()
            reference.step()

    @pytest.mark.parametrize("done", [0, 1, 5, 6, 11])
    def test_resumed(self, name, options, done, tmp_path):
        (mine, schedule), _ = self.pair(name, options)
        for _ in range(done):
            schedule.step()
        state = {"schedule": schedule.state_dict(), "optimizer": mine.state_dict()}
        checkpoint.save(state, tmp_path / "state")
        state = checkpoint.load(tmp_path / "state")
        (again, resumed), _ = self.pair(name, options, lr=7.0, other=8.0)
        resumed.load_state_dict(state["schedule"])
        again.load_state_dict(state["optimizer"])
        for _ in range(EPOCHS):
            assert rates(mine) == rates(again)
            assert schedule.get_last_lr() == resumed.get_last_lr()
            schedule.step()
            resumed.step()

    def test_pytorchs_state_goes_on_here(self, name, options):
        (mine, schedule), (other, reference) = self.pair(name, options)
        for _ in range(5):
            reference.step()
        schedule.load_state_dict(reference.state_dict())
        for group, lr in zip(mine.param_groups, rates(other), strict=True):
            group["lr"] = lr
        for _ in range(EPOCHS):
            assert rates(mine) == rates(other)
            schedule.step()
            reference.step()

    def test_constructed_in_the_middle(self, name, options):
        (mine, schedule), (other, reference) = self.pair(name, options)
        for _ in range(4):
            schedule.step()
            reference.step()
        schedule = getattr(optim.lr_scheduler, name)(mine, **options, last_epoch=4)
        reference = getattr(torch.optim.lr_scheduler, name)(other, **options, last_epoch=4)
        for _ in range(EPOCHS):
            assert rates(mine) == rates(other)
            schedule.step()
            reference.step()


def test_objects_are_saved_with_their_attributes():
    class Decay:
        def __init__(self, factor):
            self.factor = factor

        def __call__(self, epoch):
            return self.factor**epoch

    schedule = optim.lr_scheduler.LambdaLR(ours(), Decay(0.5))
    assert schedule.state_dict()["lr_lambdas"] == [{"factor": 0.5}] * 2
    other = optim.lr_scheduler.LambdaLR(ours(), Decay(0.9))
    other.load_state_dict(schedule.state_dict())
    assert other.lr_lambdas[0].factor == 0.5


def test_one_of_ones_own():
    class Halves(optim.lr_scheduler.LRScheduler):
        def get_lr(self):
            return [base / 2**self.last_epoch for base in self.base_lrs]

    optimizer = ours()
    schedule = Halves(optimizer)
    schedule.step()
    assert rates(optimizer) == [0.05, 0.15]
    with pytest.raises(NotImplementedError, match="LRScheduler is missing get_lr"):
        optim.lr_scheduler.LRScheduler(ours())


def test_it_is_not_to_be_compiled():
    optimizer = ours()
    schedule = optim.lr_scheduler.StepLR(optimizer, 1)

    @rl.compile
    def step():
        schedule.step()

    with pytest.raises(rl.TracingError) as caught:
        step()
    assert str(caught.value) == (
        "StepLR.step: called while tracing; call it outside of the compiled function, "
        "which reads the learning rate at each call"
    )
    assert schedule.last_epoch == 0


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        (
            lambda: optim.lr_scheduler.StepLR(3, 1),
            TypeError,
            "StepLR: int is not an Optimizer; give one of optim",
        ),
        (
            lambda: optim.lr_scheduler.StepLR(ours(), 1, last_epoch=3),
            KeyError,
            (
                "StepLR: param_groups[0] has no 'initial_lr' to go on from epoch 3; "
                "load the optimizer's state first, or begin with last_epoch=-1"
            ),
        ),
        (
            lambda: optim.lr_scheduler.LambdaLR(ours(), [abs]),
            ValueError,
            "LambdaLR: 1 functions for 2 groups; give one, or one for each",
        ),
        (
            lambda: optim.lr_scheduler.LinearLR(ours(), start_factor=0.0),
            ValueError,
            "LinearLR: factors from 0.0 to 1.0; begin greater than 0, and stay between 0 and 1",
        ),
        (
            lambda: optim.lr_scheduler.StepLR(ours(), 1).load_state_dict({}),
            ValueError,
            "StepLR.load_state_dict: no 'last_epoch' in the state; give what state_dict() returned",
        ),
    ],
)
def test_mistakes(make, kind, message):
    with pytest.raises(kind) as caught:
        make()
    assert caught.value.args[0] == message
