"""The GPT of examples/gpt.py learns as it does in PyTorch: the same program, other imports."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

import rushlight as rl

BENCH = Path(__file__).parents[2] / "bench" / "gpt_parity.py"


@pytest.fixture(scope="module")
def gpt():
    """bench/gpt_parity.py, which runs both."""
    spec = importlib.util.spec_from_file_location("gpt_parity", BENCH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def text(gpt):
    """A text that learning is quick on: the program's own source."""
    return gpt.PROGRAM.read_text("utf-8")


def test_fifty_steps_in_float32(gpt, text):
    ours, theirs = gpt.losses(text, 50)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=gpt.BOUND)
    assert abs(ours[0] - np.log(len(set(text)))) < 0.1  # at first a guess
    assert ours[-1] < 0.7 * ours[0]


def test_some_steps_in_float64(gpt, text):
    ours, theirs = gpt.losses(text, 4, "float64")
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)
    assert len(set(ours)) == 4


def test_compiled_steps_have_the_same_losses(gpt, text):
    eager, _ = gpt.losses(text, 4)
    compiled, _ = gpt.losses(text, 4, compiled=True)
    assert compiled == eager


def test_the_first_weights_are_pytorchs_in_name_and_shape(gpt):
    ours, theirs = gpt.program().GPT(30), gpt.program(gpt.IMPORTS).GPT(30)
    mine, other = ours.state_dict(), theirs.state_dict()
    assert [(k, tuple(v.shape)) for k, v in mine.items()] == [
        (k, tuple(v.shape)) for k, v in other.items()
    ]
    ours.load_state_dict({name: w.numpy() for name, w in other.items()})
    assert ours.head.weight is ours.characters.weight
    x = np.arange(30).reshape(1, 30)
    z = ours(rl.tensor(x)).detach().numpy()
    import torch

    np.testing.assert_allclose(z, theirs(torch.tensor(x)).detach().numpy(), rtol=0, atol=1e-5)


def test_a_fault_is_seen(gpt, text, monkeypatch):
    """Attention that sees one character too many: the losses part at once."""
    program = gpt.program

    def faulty(*imports):
        module = program(*imports)
        if not imports:
            monkeypatch.setattr(module, "F", FutureSeen(module.F))
        return module

    monkeypatch.setattr(gpt, "program", faulty)
    ours, theirs = gpt.losses(text, 2)
    assert abs(ours[1] - theirs[1]) > gpt.BOUND


class FutureSeen:
    """nn.functional with an attention that is not causal."""

    def __init__(self, functional):
        self.functional = functional

    def __getattr__(self, name):
        return getattr(self.functional, name)

    def scaled_dot_product_attention(self, q, k, v, is_causal):
        return self.functional.scaled_dot_product_attention(q, k, v)
