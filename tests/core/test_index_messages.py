"""An index that is out of range is named as the program wrote it, compiled or not."""

import re

import pytest

import rushlight as rl


def put(x, *index):
    x[index] = 1.0
    return x


READS = {
    "first": (lambda x, i, _: x[i], 6, "index: 6 is out of range for dim 0 with size 5"),
    "from-end": (lambda x, i, _: x[i], -6, "index: -6 is out of range for dim 0 with size 5"),
    "second": (lambda x, i, _: x[:, i], 3, "index: 3 is out of range for dim 1 with size 3"),
    "after-int": (lambda x, i, _: x[0, i], -9, "index: -9 is out of range for dim 1 with size 3"),
    "two": (lambda x, i, j: x[j, i], 4, "index: 4 is out of range for dim 1 with size 3"),
    "apart": (lambda x, i, j: x[None, j, None, i], 4, "index: 4 is out of range for dim 1 with"),
    "put": (put, 5, "index: 5 is out of range for dim 0 with size 5"),
}


@pytest.fixture(params=["numpy", "numba"])
def device(request):
    if reason := {d.name: d.reason for d in rl.devices()}[request.param]:
        pytest.skip(reason)
    return request.param


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize(("f", "wrong", "told"), READS.values(), ids=READS)
def test_the_index_is_named(device, f, wrong, told, compiled):
    with rl.device(device):
        x, i, j = rl.ones(5, 3), rl.tensor([0, wrong]), rl.tensor([1, 2])
        with pytest.raises(rl.IndexOutOfRange, match=f"^{re.escape(told)}"):
            (rl.compile(f) if compiled else f)(x, i, j)


def test_what_is_captured_is_looked_at_as_it_is_now(device):
    with rl.device(device):
        x, i = rl.ones(5, 3), rl.tensor([0, 1])
        f = rl.compile(lambda x: x[i] * 2)
        assert f(x).shape == (2, 3)
        i.copy_(rl.tensor([0, 7]))
        with pytest.raises(rl.IndexOutOfRange, match=r"^index: 7 is out of range for dim 0"):
            f(x)
