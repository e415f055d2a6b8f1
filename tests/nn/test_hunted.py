"""What a hunt for faults found in layers, each beside what PyTorch does."""

import numpy as np
import pytest

import rushlight as rl
import rushlight_nn as nn

torch = pytest.importorskip("torch", reason="the tests beside PyTorch need it")


@pytest.mark.parametrize("momentum", [None, 0.0, 0.3])
def test_instance_norm_with_any_momentum(momentum):
    values = np.arange(12, dtype=np.float32).reshape(1, 2, 6)
    ours = nn.InstanceNorm1d(2, momentum=momentum, track_running_stats=True)
    theirs = torch.nn.InstanceNorm1d(2, momentum=momentum, track_running_stats=True)
    for _ in range(2):
        mine, other = ours(rl.tensor(values)), theirs(torch.tensor(values))
        np.testing.assert_allclose(mine.numpy(), other.numpy(), rtol=1e-6, atol=1e-6)
    for name, kept in theirs.named_buffers():
        if kept.ndim:
            np.testing.assert_allclose(getattr(ours, name).numpy(), kept.numpy(), rtol=1e-6)


@pytest.mark.parametrize("momentum", [None, 0.1])
def test_batch_norm_of_an_empty_batch_in_training(momentum):
    ours = nn.BatchNorm2d(2, momentum=momentum)
    theirs = torch.nn.BatchNorm2d(2, momentum=momentum)
    values = np.arange(16, dtype=np.float32).reshape(2, 2, 2, 2)
    for x in values, values[:0]:
        assert ours(rl.tensor(x)).shape == tuple(theirs(torch.tensor(x)).shape)
    for name, kept in theirs.named_buffers():
        np.testing.assert_allclose(getattr(ours, name).numpy(), kept.numpy(), rtol=1e-6)


def test_a_scale_of_zero_makes_no_step():
    scaler = rl.amp.GradScaler(init_scale=5e-324)
    p = rl.ones(1, requires_grad=True)
    optimizer = nn.optim.SGD([p], lr=0.1)
    for _ in range(3):
        p.grad = rl.tensor([rl.inf])
        scaler.step(optimizer)
        scaler.update()
    assert scaler.get_scale() == 0
    assert p.tolist() == [1.0]


def test_the_default_stream_is_not_the_order_of_a_loader():
    rl.manual_seed(0)
    order = rl.randperm(50).tolist()
    loader = nn.data.DataLoader(range(50), batch_size=None, shuffle=True, seed=0)
    assert list(loader) != order
    assert list(loader) != order
