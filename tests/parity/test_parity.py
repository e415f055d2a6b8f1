"""Every public name and every layer beside PyTorch's, on the tables of calls."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from parity.call import bad, call
from parity.calls import ELEMENT_TYPES, FLOATS
from parity.compare import NARROW, Outcome, check, compare, outcome
from parity.exceptions import COUNTED, EXCEPTIONS
from parity.layers import CONTAINERS, LAYERS
from parity.names import NAMES, TABLE
from parity.run import COMPARISONS, Comparison

import rushlight as rl
import rushlight_nn as nn
from rushlight.testing.case import Values

GROUPS: dict[str, list[Comparison]] = {}  # a test of each comparison would take thrice as long
OUTCOMES: Counter[str] = Counter()
for _one in COMPARISONS:
    GROUPS.setdefault(f"{_one.name}-{_one.dtype}", []).append(_one)


@pytest.mark.parametrize("group", GROUPS)
def test_a_name_is_pytorchs(group):
    different = []
    for one in GROUPS[group]:
        try:
            OUTCOMES[check(one, *one.run())] += 1
        except AssertionError as error:
            different.append(f"{one.id}: {error}")
    assert not different, "\n".join(different)


def test_the_page_counts_what_was_run():
    if OUTCOMES.total() < len(COMPARISONS):
        pytest.skip("counts all comparisons, and not all were run")
    assert pytest.approx(dict(OUTCOMES), abs=0.01 * len(COMPARISONS)) == COUNTED, dict(OUTCOMES)


@pytest.mark.parametrize(
    ("deviates", "name"),
    [(one, name) for one in EXCEPTIONS for name in one.names.split()],
    ids=lambda one: one if isinstance(one, str) else one.what,
)
def test_an_exception_is_still_one(deviates, name):
    for one in COMPARISONS:
        if one.name == name and deviates.covers(name, one.label, one.dtype):
            found = {different.what for different in compare(one.call, *one.run())}
            if deviates.what in found:
                return
    pytest.fail(f"{name} no longer differs: take it out of tests/parity/exceptions.py")


def linear_in_all_but_value(x):
    """tanh, whose first derivative is right and whose second is 0."""
    z, at = x.detach().tanh(), x.detach()
    return z + (1 - z * z) * (x - at)


def refused(x):
    raise rl.ContractError("planted")


# What is wrong: a function that is not tanh, and all that must be found.
GRADIENTS = {"gradient", "second gradient"}
NONE = {f"no {what}" for what in GRADIENTS}
FAULTS = {
    "value": (lambda x: x.tanh() * 1.03, {"result", "gradient"}),
    "gradient": (lambda x: x.tanh() + 0.1 * (x - x.detach()), {"gradient"}),
    "zero": (lambda x: x.tanh() * 0, {"result", *GRADIENTS}),
    "shape": (lambda x: x.tanh().reshape(-1), {"result"}),
    "number of results": (lambda x: (x.tanh(), x), {"result"}),
    "constant": (lambda x: x.detach().tanh(), {"requires_grad", *GRADIENTS, *NONE}),
    "second gradient": (linear_in_all_but_value, {"second gradient"}),
    "refused": (refused, {"error"}),
}


def found_in(function, dtype, one):
    """What is found of a function in place of tanh."""
    given = (one, dtype, "plain", "planted")
    expected = outcome(torch, torch.tanh, *given)
    exact = outcome(torch, torch.tanh, *given, wide=True) if dtype in NARROW else None
    found = outcome(rl, function, *given)
    return {different.what for different in compare(one, found, expected._replace(exact=exact))}


@pytest.mark.parametrize("elementwise", [True, False])
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault, dtype, elementwise):
    function, what = FAULTS[fault]
    one = call(Values((3, 5)))._replace(elementwise=elementwise)
    assert found_in(rl.tanh, dtype, one) == set()
    assert what <= found_in(function, dtype, one)


def test_a_planted_fault_of_rounding_is_found():
    one = call(Values((3, 5)))
    assert "result" in found_in(lambda x: x.tanh() * 1.00001, "float32", one)
    assert "result" in found_in(lambda x: x.tanh() * (1 + 1e-14), "float64", one)


def test_a_planted_type_is_found_and_the_values_are_compared_all_the_same():
    one = call(Values((3, 5)))
    assert "type" in found_in(lambda x: x.tanh().double(), "float32", one)
    assert {"type", "result"} <= found_in(lambda x: x.tanh().double() * 1.03, "float32", one)


def test_a_planted_fault_beside_a_large_element_is_found():
    large = call(Values((2,), given=(1e30, 0.5)))
    plain = outcome(torch, torch.clone, large, "float32", "plain", "planted")
    wrong = outcome(rl, lambda x: x + rl.tensor([0.0, 0.01]), large, "float32", "plain", "planted")
    assert "result" in {one.what for one in compare(large.of_elements(), wrong, plain)}


def test_a_planted_class_of_error_is_found():
    one = bad(Values((3,)), 1)
    expected = outcome(torch, torch.sum, one, "float32", "plain", "planted")
    assert isinstance(expected.error, IndexError)
    for error in (rl.ContractError("planted"), None):
        (found,) = compare(one, Outcome(error), expected)
        assert "where PyTorch raises IndexError" in str(found)
    assert not [*compare(one, Outcome(rl.IndexOutOfRange("right")), expected)]


def test_every_exception_names_its_calls_and_every_wider_tolerance_its_reason():
    assert [one for one in EXCEPTIONS if "*" in one.calls.split(" | ")] == []
    assert [one.id for one in COMPARISONS if one.call.wider != 1 and not one.call.why] == []


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
