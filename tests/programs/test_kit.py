"""The kit sees what differs."""

import pytest
import torch
from programs.kit import beside_pytorch


@pytest.mark.parametrize(
    "differs",
    [
        lambda k: k.normal(3) * (1 + 1e-8 * (k.t is torch)),
        lambda k: k.normal(3).to(k.t.float32 if k.t is torch else k.t.float64),
        lambda k: k.normal(3).reshape(3 if k.t is torch else (3, 1)),
        lambda k: [1.0] * (1 + (k.t is torch)),
        lambda k: {"a" if k.t is torch else "b": 1},
        lambda k: 1 if k.t is torch else True,
        lambda k: [],
    ],
    ids=["value", "dtype", "shape", "length", "key", "type", "nothing"],
)
def test_a_difference_is_seen(differs):
    with pytest.raises(AssertionError):
        beside_pytorch(differs)()
