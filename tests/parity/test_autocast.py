"""Every public name under autocast: results are of the element types that PyTorch's are of."""

from typing import Any

import pytest
import torch
from parity.compare import flat, outcome
from parity.test_parity import TABLE, public

import rushlight as rl

TYPES = ("float32", "bfloat16")


def types_of(result: Any) -> list[str]:
    """The element type of each tensor of a result."""
    return [str(x.dtype).removeprefix("torch.") for x in flat(result)]


@pytest.mark.parametrize("name", [name for name, calls in TABLE.items() if calls])
def test_types_of_results_are_pytorchs(name):
    for where, (ours, theirs) in public(name).items():
        for call in TABLE[name]:
            for dtype in set(TYPES).intersection(call.dtypes):
                about = f"{where}.{name}({call.label})-{dtype}"
                forward = call.up_to(0)
                with torch.autocast("cpu", torch.bfloat16):
                    expected = outcome(torch, theirs, forward, dtype, "plain", name)
                with rl.autocast("cpu", rl.bfloat16):
                    found = outcome(rl, ours, forward, dtype, "plain", name)
                if expected.error is None and found.error is None:
                    assert types_of(found.results) == types_of(expected.results), about
                elif expected.error is None:  # as without autocast, where it is compared
                    assert outcome(rl, ours, forward, dtype, "plain", name).error, about
