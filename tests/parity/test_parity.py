"""Every public name and every layer beside PyTorch's, on the tables of calls."""

from __future__ import annotations

import pytest
import torch
from parity.calls import ELEMENT_TYPES
from parity.compare import Deviation, check, compare
from parity.exceptions import EXCEPTIONS
from parity.layers import CONTAINERS, LAYERS
from parity.names import NAMES, TABLE
from parity.run import COMPARISONS

import rushlight as rl
import rushlight_nn as nn


@pytest.mark.parametrize("one", COMPARISONS, ids=lambda one: one.id)
def test_a_call_is_pytorchs(one):
    ours, theirs = one.run()
    check(one, ours, theirs)


@pytest.mark.parametrize(
    ("deviates", "name"),
    [(one, name) for one in EXCEPTIONS for name in one.names.split()],
    ids=lambda one: one if isinstance(one, str) else one.what,
)
def test_an_exception_is_still_one(deviates, name):
    for one in COMPARISONS:
        if one.name == name and deviates.covers(name, one.label, one.dtype):
            try:
                compare(one.call, *one.run())
            except Deviation as found:
                if found.what == deviates.what:
                    return
    pytest.fail(f"{name} no longer differs: take it out of tests/parity/exceptions.py")


@pytest.mark.parametrize("name", ELEMENT_TYPES)
def test_an_element_type_is_pytorchs(name):
    ours, theirs = (lib.ones(2, dtype=getattr(lib, name)) for lib in (rl, torch))
    assert ours.dtype.name == str(theirs.dtype).removeprefix("torch.")
    assert ours.element_size() == theirs.element_size()


def test_every_public_name_is_compared():
    missing = [name for name in NAMES if not TABLE[name] and name not in ELEMENT_TYPES]
    assert missing == [], "give each a line in tests/parity/calls.py, or a reason in exceptions.py"


def test_every_layer_is_compared():
    missing = [name for name in nn.layers.__all__ if name not in LAYERS.keys() | CONTAINERS]
    assert missing == [], "give each a line in tests/parity/layers.py"
