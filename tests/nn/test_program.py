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
