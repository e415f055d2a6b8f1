"""Whole programs in PyTorch's own idiom."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import rushlight as rl
import rushlight_nn as nn
from rushlight_nn import optim


class Network(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.layer1 = nn.Linear(2, hidden)
        self.layer2 = nn.Linear(hidden, hidden)
        self.layer3 = nn.Linear(hidden, 1)

    def forward(self, x):
        h = self.layer1.forward(x).relu()
        h = self.layer2.forward(h).relu()
        return self.layer3.forward(h).sigmoid()


def xor(count=50):
    """Points of the unit square; 1 where exactly one coordinate is less than a half."""
    x = np.random.default_rng(0).random((count, 2), np.float32)
    y = (x[:, :1] < 0.5) != (x[:, 1:] < 0.5)
    return rl.tensor(x), rl.tensor(y.astype(np.float32))


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize(
    "make",
    [
        lambda params: optim.SGD(params, lr=0.5),
        lambda params: optim.SGD(params, lr=0.1, momentum=0.9),
        lambda params: optim.Adam(params, lr=0.05),
    ],
    ids=["sgd", "momentum", "adam"],
)
def test_the_plane_is_learnt(make, compiled):
    rl.manual_seed(0)
    x, y = xor()
    model = Network(10)
    optimizer = make(model.parameters())
    loss_of = nn.BCELoss()

    def step():
        optimizer.zero_grad()
        loss = loss_of(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    run = rl.compile(step) if compiled else step
    for _ in range(1500):
        loss = run()
    assert ((model(x) > 0.5).float() == y).all()
    assert np.isfinite(loss.item())


def test_the_same_seed_gives_the_same_bits():
    def train():
        rl.manual_seed(3)
        dataset = nn.data.TensorDataset(*xor())
        loader = nn.data.DataLoader(dataset, 8, shuffle=True)
        model = nn.Sequential(
            nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(), nn.Linear(8, 1)
        )
        optimizer = optim.AdamW(model.parameters())
        loss_of = nn.BCEWithLogitsLoss()
        for _ in range(3):
            for x, y in loader:
                optimizer.zero_grad()
                loss_of(model(x), y).backward()
                optimizer.step()
        return model.eval().state_dict()

    first, again = train(), train()
    for key, value in first.items():
        np.testing.assert_array_equal(again[key].numpy(), value.numpy())


@pytest.mark.parametrize("device", ["numpy", "hostile", "hostile:1"])
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_every_device_trains_alike(device, compiled, tmp_path):
    def train(place):
        rl.manual_seed(0)
        images = rl.tensor(np.random.default_rng(0).random((24, 1, 8, 8), np.float32), device=place)
        dataset = nn.data.TensorDataset(images, rl.arange(24, device=place) % 3)
        loader = nn.data.DataLoader(dataset, 8, shuffle=True, seed=0)
        with rl.device(place):
            model = nn.Sequential(
                nn.Conv2d(1, 4, 3, padding=1),
                nn.BatchNorm2d(4),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Flatten(),
                nn.Dropout(0.2),
                nn.Linear(64, 3),
            )
        optimizer = optim.Adam(model.parameters(), 1e-2)
        loss_of = nn.CrossEntropyLoss()

        def step(x, y):
            optimizer.zero_grad()
            loss = loss_of(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        run = rl.compile(step) if compiled else step
        losses = [run(x, y).item() for _ in range(2) for x, y in loader]
        nn.checkpoint.save(
            {"model": model.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "state"
        )
        state = nn.checkpoint.load(tmp_path / "state", place)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        return losses + [run(x, y).item() for x, y in loader]

    # sums in another order, through nine steps
    np.testing.assert_allclose(train(device), train("numpy"), rtol=1e-4)


@pytest.mark.parametrize("hooked", [False, True])
def test_a_compiled_module(hooked):
    model = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1))
    if hooked:
        model[1].register_forward_hook(lambda module, args, out: out * 2)
        model[1].register_full_backward_hook(lambda module, into, out: (into[0] * 3,))
    x, _ = xor()
    compiled = rl.compile(model)
    for _ in range(2):
        model.zero_grad()
        model(x).sum().backward()
        expected = [p.grad.numpy() for p in model.parameters()]
        model.zero_grad()
        compiled(x).sum().backward()
        for p, g in zip(model.parameters(), expected, strict=True):
            np.testing.assert_array_equal(p.grad.numpy(), g)


def test_importing_it_is_light():
    code = (
        "import sys, rushlight_nn\n"
        "heavy = 'safetensors tqdm ml_dtypes pluggy torch sklearn PIL matplotlib rich'.split()\n"
        "sys.exit(' '.join(m for m in heavy if m in sys.modules) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == 0


def test_every_public_name_is_there():
    assert len(set(nn.__all__)) == len(nn.__all__)
    for name in nn.__all__:
        assert getattr(nn, name).__doc__
