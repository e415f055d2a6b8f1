"""Every public name and every layer beside PyTorch's, on the tables of calls."""

from __future__ import annotations

import pytest
import torch
from parity.call import bad, call
from parity.calls import ELEMENT_TYPES
from parity.compare import Deviation, Outcome, check, compare, outcome
from parity.exceptions import EXCEPTIONS
from parity.layers import CONTAINERS, LAYERS
from parity.names import NAMES, TABLE
from parity.run import COMPARISONS, Comparison

import rushlight as rl
import rushlight_nn as nn
from rushlight.testing.case import Values

GROUPS: dict[str, list[Comparison]] = {}  # a test of each comparison would take thrice as long
for _one in COMPARISONS:
    GROUPS.setdefault(f"{_one.name}-{_one.dtype}", []).append(_one)


@pytest.mark.parametrize("group", GROUPS)
def test_a_name_is_pytorchs(group):
    different = []
    for one in GROUPS[group]:
        try:
            check(one, *one.run())
        except AssertionError as error:
            different.append(f"{one.id}: {error}")
    assert not different, "\n".join(different)


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


def linear_in_all_but_value(x):
    """tanh, whose first derivative is right and whose second is 0."""
    z, at = x.detach().tanh(), x.detach()
    return z + (1 - z * z) * (x - at)


def refused(x):
    raise rl.ContractError("planted")


# What is wrong: a function that is not tanh, and what must be found.
FAULTS = {
    "value": (lambda x: x.tanh() * 1.00001, "result"),
    "shape": (lambda x: x.tanh().reshape(-1), "result"),
    "number of results": (lambda x: (x.tanh(), x), "result"),
    "type": (lambda x: x.tanh().double(), "type"),
    "constant": (lambda x: x.detach().tanh(), "gradient"),
    "gradient": (lambda x: x.detach().tanh() + (x - x.detach()), "gradient"),
    "second gradient": (linear_in_all_but_value, "second gradient"),
    "refused": (refused, "error"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault):
    function, what = FAULTS[fault]
    one = call(Values((3, 5)))
    found = outcome(rl, function, one, "float32", "plain", "planted")
    expected = outcome(torch, torch.tanh, one, "float32", "plain", "planted")
    with pytest.raises(Deviation) as caught:
        compare(one, found, expected)
    assert caught.value.what == what


def test_a_planted_class_of_error_is_found():
    one = bad(Values((3,)), 1)
    expected = outcome(torch, torch.sum, one, "float32", "plain", "planted")
    assert isinstance(expected.error, IndexError)
    for error in (rl.ContractError("planted"), None):
        with pytest.raises(Deviation, match="where PyTorch raises IndexError"):
            compare(one, Outcome(error), expected)
    compare(one, Outcome(rl.IndexOutOfRange("right")), expected)


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
