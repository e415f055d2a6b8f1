"""Every layer and loss beside PyTorch's, with the same parameters, in training and evaluation."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from parity.compare import BUILT_IN, Outcome, check, outcome
from parity.layers import CONTAINERS, LAYERS, Layer

import rushlight as rl
import rushlight_nn as nn


def constructed(library: Any, name: str, given: str) -> Any:
    """The layer of a library."""
    room = torch.nn if library is torch else nn
    return eval(f"n.{name}({given})", {"n": room})


def filled(layer: Any, like: Any = None) -> Any:
    """The layer with drawn parameters, or with those of a layer of PyTorch's."""
    if like is None:
        draw = np.random.default_rng(0)
        with torch.no_grad():
            for p in layer.parameters():
                p.copy_(torch.tensor(draw.uniform(-0.5, 0.5, tuple(p.shape))))
        return layer
    state = like.state_dict()
    mine, other = (
        [(key, tuple(value.shape)) for key, value in one.items()]
        for one in (layer.state_dict(), state)
    )
    assert mine == other
    layer.load_state_dict({key: rl.from_numpy(value.numpy()) for key, value in state.items()})
    return layer


def run(library: Any, layer: Any, call: Any, dtype: str, label: str, training: bool) -> Outcome:
    """What the layer gives, and its buffers afterwards; or the error of its constructor."""
    if isinstance(layer, Exception):
        return Outcome(layer)
    layer = layer.to(getattr(library, dtype)).train(training)

    def function(*xs: Any) -> Any:
        made = layer(*xs)
        return [made, [*layer.buffers()]]

    parameters = [*layer.parameters()]
    return outcome(library, function, call, dtype, "plain", label, parameters)


def attempt(make: Callable[..., Any], *given: Any) -> Any:
    """What it makes, or its error."""
    try:
        return make(*given)
    except BUILT_IN as error:
        return error


def comparisons() -> Iterator[Any]:
    """(name, layer, dtype, training) of each."""
    for name in nn.layers.__all__:
        for one in LAYERS.get(name, ()):
            for dtype in one.call.types:
                for mode in ("train", "eval") if dtype == "float32" else ("train",):
                    about = f"nn.{name}({one.label})-{dtype}-{mode}"
                    yield pytest.param(name, one, dtype, mode == "train", id=about)


@pytest.mark.parametrize(("name", "layer", "dtype", "training"), [*comparisons()])
def test_a_layer_is_pytorchs(name, layer: Layer, dtype, training):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = attempt(constructed, torch, name, layer.given)
        if not isinstance(theirs, Exception):
            filled(theirs)
    ours = attempt(constructed, rl, name, layer.given)
    if not isinstance(ours, Exception) and not isinstance(theirs, Exception):
        filled(ours, theirs)
    label = f"{name} {layer.label}"
    expected = run(torch, theirs, layer.call, dtype, label, training)
    found = run(rl, ours, layer.call, dtype, label, training)
    check(f"nn.{name}", layer.label, dtype, layer.call, found, expected)


def test_every_layer_is_compared():
    missing = [name for name in nn.layers.__all__ if name not in LAYERS.keys() | CONTAINERS]
    assert missing == [], "give each a line in tests/parity/layers.py"
