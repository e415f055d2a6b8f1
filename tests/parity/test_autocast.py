"""Every public name under autocast: results are of the element types that PyTorch's are of."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from parity.compare import flat, outcome
from parity.names import TABLE, function, places

import rushlight as rl

TYPES = ("float32", "bfloat16")
OTHERWISE = {  # names whose types differ from PyTorch's, and why
    "linalg.pinv": "its inner products would lose the digits that an inverse needs: float32 here",
    "local_response_norm": "PyTorch's is float32 where it happens to pool over three dims",
}


def types_of(result: Any) -> list[str]:
    """The element type of each tensor of a result."""
    return [str(x.dtype).removeprefix("torch.") for x in flat(result)]


@pytest.mark.parametrize("name", [name for name in TABLE if TABLE[name]])
def test_types_of_results_are_pytorchs(name):
    unlike = list(unlike_pytorch(name))
    assert bool(unlike) is (name in OTHERWISE), unlike


def unlike_pytorch(name: str) -> Iterator[str]:
    """The calls of this name whose results are of other types, or are refused, under autocast."""
    for where in places(name):
        ours, theirs = (function(library, where, name) for library in (rl, torch))
        for call in TABLE[name]:
            for dtype in set(TYPES).intersection(call.dtypes):
                about = f"{where}.{name}({call.label})-{dtype}"
                forward = call.up_to(0)
                with torch.autocast("cpu", torch.bfloat16):
                    expected = outcome(torch, theirs, forward, dtype, "plain", name)
                with rl.autocast("cpu", rl.bfloat16):
                    found = outcome(rl, ours, forward, dtype, "plain", name)
                if expected.error is not None:
                    continue
                if found.error is None and types_of(found.results) != types_of(expected.results):
                    yield f"{about}: {types_of(found.results)}"
                # what is refused without autocast too is compared elsewhere
                elif found.error and not outcome(rl, ours, forward, dtype, "plain", name).error:
                    yield f"{about}: {found.error}"
