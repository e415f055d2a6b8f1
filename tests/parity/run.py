"""Comparison: one call, or one layer, ready to be run in both libraries."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
import torch
from parity.call import LAYOUTS, Call
from parity.calls import CALLS, ELEMENT_TYPES
from parity.compare import BUILT_IN, NARROW, Outcome, outcome
from parity.layers import LAYERS, Layer
from parity.names import TABLE, function, places

import rushlight as rl
import rushlight_nn as nn
from rushlight.testing.case import Values


class Comparison(NamedTuple):
    """What is compared.

    name: public; with `nn.` of a layer.  label: the arguments.  id: of its test.
    strict: whether it is the first of its kind, which must be as the table says.
    run: gives our outcome and PyTorch's.
    """

    name: str
    label: str
    dtype: str
    call: Call
    id: str
    strict: bool
    run: Callable[[], tuple[Outcome, Outcome]]


def of_functions() -> Iterator[Comparison]:
    """All types where a name stands first; float32 in other places, and in other layouts."""
    for name, calls in TABLE.items():
        for first, where in enumerate(places(name) if calls else ()):
            if where == "rl" and name in ELEMENT_TYPES:
                continue
            if where == "Tensor" and not hasattr(torch.Tensor, name):
                continue
            for one in CALLS.get(f"{where}.{name}", calls):
                if where == "Tensor" and one.args and not isinstance(one.args[0], Values):
                    continue
                for dtype in one.dtypes if not first else {*one.dtypes} & {"float32"}:
                    for layout in LAYOUTS if dtype == "float32" and not first else LAYOUTS[:1]:
                        yield of_function(name, where, one, dtype, layout)


def of_function(name: str, where: str, call: Call, dtype: str, layout: str) -> Comparison:
    """A function, method or operator on a call."""
    plain = layout == "plain"
    shown = f"{where}.{name.removeprefix(where + '.')}({call.label})-{dtype}"
    call = call if plain else call.up_to(0)

    def run() -> tuple[Outcome, Outcome]:
        ours, theirs = (function(library, where, name) for library in (rl, torch))
        seed = f"{name} {call.label}"
        found = outcome(rl, ours, call, dtype, layout, seed)
        expected = outcome(torch, theirs, call, dtype, "plain", seed)
        if dtype in NARROW and expected.error is None:
            exact = outcome(torch, theirs, call, dtype, "plain", seed, wide=True)
            expected = expected._replace(exact=exact)
        return found, expected

    strict = plain and name in CALLS and where == places(name)[0]
    about = shown if plain else f"{shown}-{layout}"
    return Comparison(name, call.label, dtype, call, about, strict, run)


def constructed(library: Any, name: str, given: str) -> Any:
    """The layer of a library."""
    room = torch.nn if library is torch else nn
    with warnings.catch_warnings():
        if library is torch:
            warnings.simplefilter("ignore")
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


def run(
    library: Any, layer: Any, call: Any, dtype: str, label: str, training: bool, wide: bool = False
) -> Outcome:
    """What the layer gives, and its buffers afterwards; or the error of its constructor.

    wide: whether in float64, on parameters and inputs of the type.
    """
    if isinstance(layer, Exception):
        return Outcome(layer)
    layer = layer.to(getattr(library, dtype)).train(training)
    layer = layer.to(library.float64) if wide else layer

    def function(*xs: Any) -> Any:
        made = layer(*xs)
        return [made, [*layer.buffers()]]

    parameters = [*layer.parameters()]
    return outcome(library, function, call, dtype, "plain", label, parameters, wide)


def attempt(make: Callable[..., Any], *given: Any) -> Any:
    """What it makes, or its error."""
    try:
        return make(*given)
    except BUILT_IN as error:
        return error


def of_layers() -> Iterator[Comparison]:
    """All floating types in training, float32 in evaluation."""
    for name in nn.layers.__all__:
        for one in LAYERS.get(name, ()):
            for dtype in one.call.types:
                for mode in ("train", "eval") if dtype == "float32" else ("train",):
                    yield of_layer(name, one, dtype, mode)


def of_layer(name: str, layer: Layer, dtype: str, mode: str) -> Comparison:
    """A layer on a call."""

    def both() -> tuple[Outcome, Outcome]:
        theirs = attempt(constructed, torch, name, layer.given)
        if not isinstance(theirs, Exception):
            filled(theirs)
        ours = attempt(constructed, rl, name, layer.given)
        if not isinstance(ours, Exception) and not isinstance(theirs, Exception):
            filled(ours, theirs)
        label, training = f"{name} {layer.label}", mode == "train"
        exact = None
        if dtype in NARROW:
            exact = run(torch, deepcopy(theirs), layer.call, dtype, label, training, wide=True)
        found, expected = (
            run(library, one, layer.call, dtype, label, training)
            for library, one in ((rl, ours), (torch, theirs))
        )
        return found, expected._replace(exact=exact)

    about = f"nn.{name}({layer.label})-{dtype}-{mode}"
    return Comparison(f"nn.{name}", layer.label, dtype, layer.call, about, mode == "train", both)


COMPARISONS = [*of_functions(), *of_layers()]
