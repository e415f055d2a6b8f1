"""Networks under autocast beside PyTorch's, from the same weights."""

from typing import Any

import numpy as np
import pytest
import torch

import rushlight as rl
import rushlight_nn as nn

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.standard_normal((8, 1, 6, 6)).astype(np.float32)
CLASSES = np.array([0, 1, 2, 0, 1, 2, 0, 1])
SEQUENCES = RANDOM.standard_normal((2, 5, 8)).astype(np.float32)


def picture_net(library: Any) -> Any:
    return library.Sequential(
        library.Conv2d(1, 4, 3), library.BatchNorm2d(4), library.ReLU(), library.MaxPool2d(2),
        library.Flatten(), library.Linear(16, 8), library.LayerNorm(8), library.GELU(),
        library.Linear(8, 3),
    )  # fmt: skip


def same_weights(ours: Any, theirs: Any) -> None:
    state = {name: rl.tensor(x.numpy()) for name, x in theirs.state_dict().items()}
    ours.load_state_dict(state)


def losses(
    library: Any, nets: Any, optim: Any, net: Any, low: str | None, steps: int
) -> list[float]:
    """Of training on the images."""
    x, y = library.tensor(IMAGES), library.tensor(CLASSES)
    optimizer = optim.Adam(net.parameters(), lr=0.01)
    found = []
    for _ in range(steps):
        optimizer.zero_grad()
        with library.autocast(
            "cpu", dtype=getattr(library, low or "bfloat16"), enabled=low is not None
        ):
            loss = nets.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


@pytest.mark.parametrize("low", ["bfloat16", "float16"])
def test_a_network_learns_as_in_pytorch(low):
    torch.manual_seed(0)
    theirs, ours = picture_net(torch.nn), picture_net(nn)
    same_weights(ours, theirs)
    expected = losses(torch, torch.nn, torch.optim, theirs, low, 30)
    found = losses(rl, nn, nn.optim, ours, low, 30)
    # Rounding to the low type differs from step to step; without it both agree to 1e-5.
    np.testing.assert_allclose(found, expected, atol=0.02 if low == "bfloat16" else 0.005)
    assert found[-1] < found[0] / 3
    assert {p.dtype for p in ours.parameters()} == {rl.float32}
    assert {p.grad.dtype for p in ours.parameters()} == {rl.float32}


@pytest.mark.parametrize("low", [None, "bfloat16"])
def test_a_compiled_step_is_the_eager_one(low):
    torch.manual_seed(0)
    theirs = picture_net(torch.nn)
    eager, compiled = picture_net(nn), picture_net(nn)
    same_weights(eager, theirs)
    same_weights(compiled, theirs)
    expected = losses(rl, nn, nn.optim, eager, low, 5)
    x, y = rl.tensor(IMAGES), rl.tensor(CLASSES)
    optimizer = nn.optim.Adam(compiled.parameters(), lr=0.01)

    @rl.compile
    def step(x, y):
        optimizer.zero_grad()
        with rl.autocast("cpu", dtype=rl.bfloat16, enabled=low is not None):
            loss = nn.functional.cross_entropy(compiled(x), y)
        loss.backward()
        optimizer.step()
        return loss

    found = [step(x, y).item() for _ in range(5)]
    assert found == expected


def test_scaled_steps_in_float16_and_one_that_overflows():
    torch.manual_seed(0)
    theirs, ours = picture_net(torch.nn), picture_net(nn)
    same_weights(ours, theirs)
    found = []
    for library, nets, optim, net in (
        (rl, nn, nn.optim, ours),
        (torch, torch.nn, torch.optim, theirs),
    ):
        x, y = library.tensor(IMAGES), library.tensor(CLASSES)
        optimizer = optim.SGD(net.parameters(), lr=0.1)
        scaler = library.amp.GradScaler("cpu", init_scale=2.0**40, growth_interval=4)
        scales, values = [], []
        for _ in range(40):
            optimizer.zero_grad()
            with library.autocast("cpu", dtype=library.float16):
                loss = nets.functional.cross_entropy(net(x), y)
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            nets.utils.clip_grad_norm_(net.parameters(), 1.0)
            scaler.step(optimizer)
            scaler.update()
            scales.append(scaler.get_scale())
            values.append(loss.item())
        found.append((scales, values))
    (scales, values), (_, expected) = found
    assert min(scales) < 2.0**30  # that much overflows float16
    assert values[0] == pytest.approx(expected[0], rel=1e-3)
    assert values[-1] < values[0] / 2
    assert values[-1] == pytest.approx(expected[-1], abs=0.01)


def attention(library: Any, q: Any, k: Any, v: Any, **options: Any) -> Any:
    return library.functional.scaled_dot_product_attention(q, k, v, **options)


@pytest.mark.parametrize("mask", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
def test_attention_computes_in_the_low_type(dtype, mask):
    q, m = SEQUENCES[:, None], RANDOM.standard_normal((5, 5)).astype(np.float32)
    found = []
    for library, nets in ((rl, nn), (torch, torch.nn)):
        x = library.tensor(q, dtype=getattr(library, dtype)).requires_grad_()
        options = {"attn_mask": library.tensor(m, dtype=x.dtype)} if mask else {}
        with library.autocast("cpu", library.bfloat16):
            z = attention(nets, x, x, x, **options)
        z.float().sum().backward()
        found.append((z, x.grad))
    for mine, other in zip(*found, strict=True):
        assert f"torch.{mine.dtype}" == str(other.dtype)
        a, b = (np.asarray(x.detach().float().tolist()) for x in (mine, other))
        assert np.abs(a - b).max() <= 10 * 2.0**-8 * max(1.0, np.abs(b).max())


@pytest.mark.parametrize(
    "layer",
    [
        lambda nets: nets.MultiheadAttention(8, 2, batch_first=True),
        lambda nets: nets.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True),
    ],
    ids=["attention", "encoder"],
)
def test_layers_of_attention(layer):
    torch.manual_seed(0)
    ours, theirs = layer(nn), layer(torch.nn)
    same_weights(ours, theirs)
    found = []
    for library, net in ((rl, ours), (torch, theirs)):
        x = library.tensor(SEQUENCES)
        with library.autocast("cpu", library.bfloat16):
            z = net(x, x, x) if "Multihead" in type(net).__name__ else net(x)
        found.append(z[0] if isinstance(z, tuple) else z)
    z, w = found
    assert f"torch.{z.dtype}" == str(w.dtype)
    a, b = (np.asarray(x.detach().float().tolist()) for x in (z, w))
    assert np.abs(a - b).max() <= 10 * 2.0**-8 * max(1.0, np.abs(b).max())


SAMPLED = {
    "grid_sample": lambda f, x, _, grid: f.grid_sample(x, grid, align_corners=False),
    "affine_grid": lambda f, _, theta, __: f.affine_grid(theta, (1, 1, 2, 2), False),
    "interpolate": lambda f, x, *_: f.interpolate(x, scale_factor=2.0, mode="bilinear"),
}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float64"])
@pytest.mark.parametrize("name", SAMPLED)
def test_types_of_sampled_images(name, dtype):
    found = []
    for library, nets in ((rl, nn), (torch, torch.nn)):
        x = library.tensor(IMAGES[:1], dtype=getattr(library, dtype))
        theta = library.tensor([[[1.0, 0.5, 0.0], [0.0, 1.0, 0.25]]], dtype=x.dtype)
        grid = library.tensor([[[[0.5, 0.25], [-0.5, 0.75]]]], dtype=x.dtype)
        with library.autocast("cpu", library.bfloat16):
            found.append(SAMPLED[name](nets.functional, x, theta, grid))
    z, w = found
    assert f"torch.{z.dtype}" == str(w.dtype)
    a, b = (np.asarray(x.float().tolist()) for x in (z, w))
    assert np.abs(a - b).max() <= 10 * 2.0**-8 * max(1.0, np.abs(b).max())


@pytest.mark.parametrize("name", ["LSTM", "GRU", "RNN"])
def test_recurrent_layers_under_autocast_have_pytorchs_types(name):
    made = []
    for lib, layers in ((rl, nn), (torch, torch.nn)):
        with lib.autocast("cpu", lib.bfloat16):
            z, last = getattr(layers, name)(4, 5)(lib.ones(3, 2, 4))
        results = [z, *(last if isinstance(last, tuple) else [last])]
        made.append([str(one.dtype).removeprefix("torch.") for one in results])
    assert made[0] == made[1]
