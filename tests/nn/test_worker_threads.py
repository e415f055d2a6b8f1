"""Workers of a loader leave the processors to the program."""

import os

import pytest

import rushlight as rl
from rushlight_nn import data

pytestmark = pytest.mark.skipif(os.name != "posix", reason="workers are forked here")


class Threads(data.Dataset):
    """How many threads there are where a sample is fetched, and what numba then computes."""

    def __len__(self):
        return 4

    def __getitem__(self, i):
        x = rl.ones(300_000, device=self.device) + i
        return rl.get_num_threads(), float(x.sum())

    def __init__(self, device):
        self.device = device


def two(worker):
    rl.set_num_threads(2)


@pytest.mark.parametrize(("init", "threads"), [(None, 1), (two, 2)], ids=["plain", "init"])
@pytest.mark.parametrize("device", ["numpy", "numba"])
def test_a_worker_has_one_thread_unless_it_is_told_otherwise(device, init, threads):
    if reason := {d.name: d.reason for d in rl.devices()}[device]:
        pytest.skip(reason)
    float((rl.ones(300_000, device=device) + 1).sum())  # so that threads run before the fork
    before = rl.get_num_threads()
    loader = data.DataLoader(
        Threads(device), batch_size=None, num_workers=2, worker_init_fn=init,
        multiprocessing_context="fork",
    )  # fmt: skip
    assert list(loader) == [(threads, 300_000.0 * (i + 1)) for i in range(4)]
    assert rl.get_num_threads() == before
