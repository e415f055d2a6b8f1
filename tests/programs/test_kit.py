"""The kit sees what differs."""

import pytest
import torch
from programs.kit import beside_pytorch, reading_values


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


def test_a_compiled_run_that_differs_is_seen():
    runs = []

    def third_differs(k):
        runs.append(k)
        return k.t.ones(2) * (1.0 if len(runs) < 3 else 2.0)

    with pytest.raises(AssertionError):
        beside_pytorch(third_differs)()
    assert len(runs) == 3


def test_a_program_that_could_be_compiled_is_seen():
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        reading_values(lambda k: k.normal(3))()
