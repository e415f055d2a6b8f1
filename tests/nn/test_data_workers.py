"""Loaders with workers: the same batches in the same order, whatever happens to a process."""

from __future__ import annotations

import gc
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from multiprocessing import connection
from pathlib import Path

import numpy as np
import pytest

import rushlight as rl
from rushlight_nn import data
from rushlight_nn.data import message, pool

HANG_S = 60  # nothing here takes long: what is not done by then hangs

pytestmark = pytest.mark.skipif(os.name != "posix", reason="processes are forked and killed here")


@pytest.fixture(autouse=True)
def guarded():
    """A test that hangs fails; none leaves a process or an open file behind."""

    def expire(*_):
        raise TimeoutError(f"not done after {HANG_S} s")

    before, state = signal.signal(signal.SIGALRM, expire), rl.get_rng_state()
    files = open_files()
    rl.manual_seed(5)
    signal.alarm(HANG_S)
    yield
    gc.collect()
    assert multiprocessing.active_children() == []
    assert open_files() == files
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    rl.set_rng_state(state)


def open_files():
    """How many descriptors are open."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def gone(pid):
    """Whether a process has ended, waited for."""
    while True:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.01)


class Squares(data.Dataset):
    """i -> i * i, and what `at` does when sample `place` is fetched."""

    def __init__(self, count=12, at=None, place=-1):
        self.count, self.at, self.place = count, at, place

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        if i == self.place:
            self.at()
        return i * i


class Draws(Squares):
    """Each sample is drawn from all three streams of the worker."""

    def __getitem__(self, i):
        info = data.get_worker_info()
        drawn = [*rl.rand(2, dtype=rl.float64).tolist(), random.random(), *np.random.rand(2)]  # noqa: NPY002  the legacy one is seeded
        return info.id, info.seed, drawn


class Pids(Squares):
    def __getitem__(self, i):
        return os.getpid()


class Lines(data.IterableDataset):
    """0 to count - 1; of several workers each reads every n-th."""

    def __init__(self, count=11):
        self.count = count

    def __len__(self):
        return self.count

    def __iter__(self):
        info = data.get_worker_info()
        start, step = (0, 1) if info is None else (info.id, info.num_workers)
        return iter(range(start, self.count, step))


def listed(loader):
    return [batch.tolist() for batch in loader]


def same(batch):
    return batch


# -- the same batches -----------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 5},
        {"batch_size": 5, "drop_last": True},
        {"batch_size": 2, "shuffle": True, "seed": 3},
        {"batch_size": None},
        {"batch_sampler": [[1, 2, 3], [], [7]], "collate_fn": same},
        {"batch_size": 4, "sampler": [3, 3, 9, 1, 0]},
        {"batch_size": 40},
    ],
    ids="-".join,
)
def test_the_order_does_not_depend_on_workers(workers, options):
    expected = [list(data.DataLoader(Squares(), **options)) for _ in range(2)]
    loader = data.DataLoader(Squares(), num_workers=workers, **options)
    assert len(loader) == len(expected[0])
    for epoch in expected[:1]:
        found = list(loader)
        assert [str(x) for x in found] == [str(x) for x in epoch]
        assert [type(x) for x in found] == [type(x) for x in epoch]


@pytest.mark.parametrize("prefetch", [1, 2, 7, 100])
def test_prefetch(prefetch):
    loader = data.DataLoader(Squares(30), 2, num_workers=2, prefetch_factor=prefetch)
    assert listed(loader) == listed(data.DataLoader(Squares(30), 2))


def test_more_workers_than_batches_and_no_batch_at_all():
    assert listed(data.DataLoader(Squares(2), 2, num_workers=3)) == [[0, 1]]
    assert listed(data.DataLoader(Squares(0), 2, num_workers=2)) == []


def test_several_epochs_and_two_at_once():
    for persistent in (False, True):
        loader = data.DataLoader(Squares(), 5, num_workers=2, persistent_workers=persistent)
        expected = listed(data.DataLoader(Squares(), 5))
        assert listed(loader) == listed(loader) == expected
        pairs = [(a.tolist(), b.tolist()) for a, b in zip(loader, loader, strict=True)]
        assert pairs == [(batch, batch) for batch in expected]
        del loader


@pytest.fixture(scope="module", autouse=True)
def helpers():
    """What `spawn` and `forkserver` start once for a program."""
    from multiprocessing import forkserver, resource_tracker

    resource_tracker.ensure_running()
    forkserver.ensure_running()


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_start_methods(method):
    dataset = data.TensorDataset(rl.arange(20.0).reshape(10, 2), rl.arange(10))
    context = method if method == "spawn" else multiprocessing.get_context(method)
    loader = data.DataLoader(dataset, 4, num_workers=2, multiprocessing_context=context)
    found = [(x.tolist(), y.tolist()) for x, y in loader]
    assert found == [(x.tolist(), y.tolist()) for x, y in data.DataLoader(dataset, 4)]


@pytest.mark.parametrize("done", [0, 1, 2, 4, 6])
@pytest.mark.parametrize("dataset", [Squares(11), Lines(11)], ids=["numbered", "iterable"])
def test_resuming(dataset, done):
    def make():
        numbered = not isinstance(dataset, data.IterableDataset)
        options = {"shuffle": True, "seed": 1} if numbered else {}
        return data.DataLoader(dataset, 3, num_workers=2, **options)

    def batches(loader, epochs):
        for _ in range(epochs):
            yield from (batch.tolist() for batch in loader)

    undisturbed = list(batches(make(), 2))
    loader, resumed = make(), make()
    begun = batches(loader, 2)
    assert [next(begun) for _ in range(done)] == undisturbed[:done]
    resumed.load_state_dict(loader.state_dict())
    rest = list(batches(resumed, 2))
    assert rest[: len(undisturbed) - done] == undisturbed[done:]


# -- datasets without numbers ---------------------------------------------------------------------


def test_iterable():
    assert listed(data.DataLoader(Lines(), 4)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]
    assert len(data.DataLoader(Lines(), 4)) == 3
    assert listed(data.DataLoader(Lines(), 4, drop_last=True)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert len(data.DataLoader(Lines(), 4, drop_last=True)) == 2
    assert list(data.DataLoader(Lines(3), None)) == [0, 1, 2]
    assert len(data.DataLoader(Lines(3), None)) == 3


@pytest.mark.parametrize("prefetch", [1, 2, 9])
def test_iterable_with_workers(prefetch):
    """Worker 0 has 0 3 6 9, worker 1 has 1 4 7 10, worker 2 has 2 5 8: one batch each in turn."""
    options = {"num_workers": 3, "prefetch_factor": prefetch}
    loader = data.DataLoader(Lines(), 2, **options)
    full = [[0, 3], [1, 4], [2, 5], [6, 9], [7, 10]]
    assert listed(loader) == listed(loader) == [*full, [8]]
    assert listed(data.DataLoader(Lines(), 2, drop_last=True, **options)) == full
    assert list(data.DataLoader(Lines(5), None, **options)) == [0, 1, 2, 3, 4]


def test_iterable_without_a_length():
    class Endless(data.IterableDataset):
        def __iter__(self):
            i = 0
            while True:
                yield i
                i += 1

    loader = data.DataLoader(Endless(), 3, num_workers=2)
    with pytest.raises(TypeError):
        len(loader)
    batches = iter(loader)
    assert [next(batches).tolist() for _ in range(3)] == [[0, 1, 2], [0, 1, 2], [3, 4, 5]]


def test_one_after_another():
    both = Lines(3) + Lines(2)
    assert listed(data.DataLoader(both, 2)) == [[0, 1], [2, 0], [1]]
    assert len(both) == 5
    with pytest.raises(TypeError, match="ChainDataset: range is no IterableDataset"):
        list(data.ChainDataset([range(3)]))


# -- what travels ---------------------------------------------------------------------------------


SAMPLES = [
    rl.arange(6.0).reshape(2, 3),
    rl.ones(2, 3).mT,
    rl.zeros(0, 3),
    rl.tensor(2.5),
    rl.ones(3, dtype=rl.bfloat16),
    rl.tensor([True, False]),
    np.arange(100_000, dtype=np.int32).reshape(100, 1000),
    np.asfortranarray(np.arange(60_000.0).reshape(200, 300)),
    np.arange(40_000.0)[::-2],
    np.zeros((0, 2), np.float32),
    "text" * 50_000,
    b"\x00",
    {"a": (1, [2.5, "b"]), "c": None},
    rl.ones(2, requires_grad=True),
]


@pytest.mark.parametrize("place", range(len(SAMPLES)))
def test_any_sample_arrives(place):
    sample = SAMPLES[place]
    (found,) = data.DataLoader([sample], None, num_workers=1, collate_fn=same)
    assert type(found) is type(sample)
    if isinstance(sample, rl.Tensor):
        assert found.spec == sample.spec
        assert found.device == "numpy"
        assert found.requires_grad == sample.requires_grad
        np.testing.assert_array_equal(found.detach(), sample.detach())
    elif isinstance(sample, np.ndarray):
        assert found.dtype == sample.dtype
        np.testing.assert_array_equal(found, sample)
        found[...] = 0  # the receiver's own
    else:
        assert found == sample


def test_many_at_once_and_how_large_they_may_be():
    here, there = multiprocessing.Pipe()
    for size in (0, 1, 63, 64, 65, message.SMALL - 500, message.SMALL, message.SMALL + 1, 10**6):
        arrays = [np.full(size, i, np.uint8) for i in range(3)]
        if sum(array.nbytes for array in arrays) < 100_000 or hasattr(os, "memfd_create"):
            message.send(there, arrays)
            for sent, found in zip(arrays, message.receive(here), strict=True):
                np.testing.assert_array_equal(found, sent)
    here.close()
    with pytest.raises(BrokenPipeError):
        message.send(there, [1])
    there.close()


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="memory is shared on Linux only")
def test_shared_memory_is_freed_with_the_batch():
    def mapped():
        return Path("/proc/self/maps").read_text().count("memfd:batch")

    files = open_files()
    count = message.HUGE // 8
    loader = data.DataLoader([np.full(count, i) for i in range(3)], None, num_workers=2)
    first, second, third = loader
    assert mapped() == 3
    part = second[-3:]
    del first, second, third
    assert mapped() == 1
    assert part.tolist() == [1, 1, 1]
    del part
    assert mapped() == 0
    large = list(data.DataLoader([np.zeros(10**5)] * 3, None, num_workers=2))
    assert mapped() == 0
    assert open_files() == files
    assert large[2].shape == (10**5,)


def test_without_shared_memory(monkeypatch):
    monkeypatch.delattr(os, "memfd_create", raising=False)
    loader = data.DataLoader([np.full(10**6, float(i)) for i in range(6)], 2, num_workers=2)
    assert [batch[:, 0].tolist() for batch in loader] == [[0, 1], [2, 3], [4, 5]]


def test_tensors_arrive_on_the_host():
    with rl.device("hostile"):
        batches = [x.device for x in data.DataLoader(Squares(), 6, num_workers=2)]
    assert batches == ["numpy", "numpy"]


# -- workers know themselves ----------------------------------------------------------------------


def test_worker_info():
    class Told(Squares):
        def __getitem__(self, i):
            info = data.get_worker_info()
            return [info.id, info.num_workers, info.dataset is self, info.seed == rl.initial_seed()]

    assert data.get_worker_info() is None
    loader = data.DataLoader(Told(4), None, num_workers=2, collate_fn=same)
    assert list(loader) == [[i % 2, 2, True, True] for i in range(4)]
    assert data.get_worker_info() is None


def test_worker_init_fn_comes_after_the_seeds_and_once():
    class Prepared(Squares):
        def __getitem__(self, i):
            return self.told

    dataset = Prepared(4)

    def prepare(number):
        info = data.get_worker_info()
        info.dataset.told = [number, getattr(info.dataset, "told", None), random.random()]

    loader = data.DataLoader(
        dataset, None, num_workers=2, worker_init_fn=prepare, collate_fn=same,
        persistent_workers=True,
    )  # fmt: skip
    first, again = list(loader), list(loader)
    assert [told[:2] for told in first] == [[0, None], [1, None]] * 2
    assert again == first
    rl.manual_seed(5)
    loader = data.DataLoader(dataset, None, num_workers=2, worker_init_fn=prepare, collate_fn=same)
    assert list(loader) == first
    assert list(loader) != first
    assert not hasattr(dataset, "told")


# -- random numbers in workers --------------------------------------------------------------------


def drawn(**options):
    loader = data.DataLoader(Draws(8), None, num_workers=2, collate_fn=same, **options)
    return [[sample for _, _, sample in loader] for _ in range(3)]


def test_no_number_is_drawn_twice():
    rl.manual_seed(1)
    first, second = drawn(), drawn(persistent_workers=True)
    numbers = [x for epoch in first + second for sample in epoch for x in sample]
    assert len(set(numbers)) == len(numbers) == 2 * 3 * 8 * 5


def test_the_seed_decides():
    rl.manual_seed(1)
    first = drawn()
    rl.manual_seed(1)
    assert drawn(persistent_workers=True) == first
    rl.manual_seed(2)
    assert drawn() != first
    state = rl.get_rng_state()
    by_generator = [drawn(generator=rl.Generator().manual_seed(3)) for _ in range(2)]
    assert by_generator[0] == by_generator[1]
    assert rl.get_rng_state() == state


def test_seeds_of_workers():
    rl.manual_seed(1)
    seeds = set()
    for _ in range(6):
        loader = data.DataLoader(Draws(3), None, num_workers=3, collate_fn=same)
        seeds |= {(epoch, id_, seed) for epoch in range(2) for id_, seed, _ in loader}
    assert len({seed for _, _, seed in seeds}) == 6 * 2 * 3


def test_the_program_s_own_streams_are_left_alone():
    def state():
        return random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002  the legacy one

    before = state()
    list(data.DataLoader(Squares(), 4, num_workers=2))
    assert state() == before


# -- errors of the program ------------------------------------------------------------------------


def refuse():
    raise KeyError("sample", 7)


class Odd(Exception):
    """Its constructor takes what pickle does not give it."""

    def __init__(self, a, b):
        super().__init__(f"{a} and {b}")


def be_odd():
    raise Odd(1, 2)


@pytest.mark.parametrize("persistent", [False, True])
def test_an_error_arrives_with_its_traceback(persistent):
    loader = data.DataLoader(
        Squares(12, refuse, 6), 2, num_workers=2, persistent_workers=persistent
    )
    found = []
    with pytest.raises(KeyError) as caught:
        found.extend(batch.tolist() for batch in loader)
    assert found == [[0, 1], [4, 9], [16, 25]]
    assert caught.value.args == ("sample", 7)
    (note,) = caught.value.__notes__
    assert note.startswith("in DataLoader worker 1 (process ")
    assert "in refuse\n" in note
    assert note.endswith("KeyError: ('sample', 7)")


def test_an_error_that_cannot_be_sent():
    with pytest.raises(rl.WorkerFailed) as caught:
        list(data.DataLoader(Squares(12, be_odd, 6), 2, num_workers=2))
    assert isinstance(caught.value, RuntimeError)
    assert str(caught.value).startswith("in DataLoader worker 1 (process ")
    assert str(caught.value).endswith("Odd: 1 and 2")


def test_an_error_of_a_contract():
    def mixed(i):
        return [rl.zeros(2), rl.zeros(3)]

    with pytest.raises(rl.ContractError, match=r"samples hold float32\[2\] and float32\[3\]"):
        list(data.DataLoader([rl.zeros(2), rl.zeros(3)], 2, num_workers=1))


def test_errors_elsewhere():
    def fail(*_):
        raise ZeroDivisionError("here")

    class Broken(Lines):
        __iter__ = fail

    for options in ({"worker_init_fn": fail}, {"collate_fn": fail}):
        loader = data.DataLoader(Squares(), 4, num_workers=2, **options)
        with pytest.raises(ZeroDivisionError, match="here"):
            list(loader)
    with pytest.raises(ZeroDivisionError, match="here"):
        list(data.DataLoader(Broken(), 4, num_workers=2))
    with pytest.raises(AttributeError, match="local object"):
        list(data.DataLoader([lambda: 0], None, num_workers=1, collate_fn=same))
    with pytest.raises(ZeroDivisionError, match="here"):  # of this process: the order's own
        list(data.DataLoader(Squares(), 2, sampler=map(fail, range(3)), num_workers=1))


def test_what_cannot_be_sent_to_a_worker():
    loader = data.DataLoader(
        Squares(), 2, num_workers=2, collate_fn=lambda batch: batch, multiprocessing_context="spawn"
    )
    with pytest.raises(rl.ContractError) as caught:
        iter(loader)
    assert str(caught.value).startswith(
        "DataLoader: a worker cannot be given the dataset, collate_fn or worker_init_fn ("
    )
    assert "give multiprocessing_context='fork'" in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_workers": 1.5}, "DataLoader: num_workers=1.5; give an integer from 0"),
        (
            {"num_workers": 1, "prefetch_factor": 0},
            "DataLoader: prefetch_factor=0; give an integer from 1",
        ),
        (
            {"prefetch_factor": 2},
            "DataLoader: prefetch_factor without workers; give num_workers, or leave it out",
        ),
        (
            {"persistent_workers": True},
            "DataLoader: persistent_workers without workers; give num_workers, or leave it out",
        ),
        (
            {"timeout": 3},
            "DataLoader: timeout without workers; give num_workers, or leave it out",
        ),
        (
            {"num_workers": 1, "timeout": -1},
            "DataLoader: timeout=-1; give seconds from 0",
        ),
        (
            {"num_workers": 1, "multiprocessing_context": "thread"},
            (
                "DataLoader: multiprocessing_context 'thread'; give one of "
                f"{', '.join(multiprocessing.get_all_start_methods())}, or a context of "
                "multiprocessing"
            ),
        ),
    ],
)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(rl.ContractError) as caught:
        data.DataLoader(Squares(), 2, **options)
    assert str(caught.value) == message
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("options", [{"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}])
def test_samples_without_numbers_have_no_order(options):
    with pytest.raises(rl.ContractError, match="its samples have no numbers"):
        data.DataLoader(Lines(), **options)


# -- processes that end ---------------------------------------------------------------------------


def kill_itself():
    os.kill(os.getpid(), signal.SIGKILL)


def leave():
    os._exit(3)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (kill_itself, "was ended by SIGKILL, as the system does when memory is short"),
        (leave, "exited with code 3"),
        (sys.exit, "exited with code 0"),
    ],
)
@pytest.mark.parametrize("persistent", [False, True])
def test_a_worker_that_ends_is_an_error(how, said, persistent):
    loader = data.DataLoader(Squares(12, how, 6), 2, num_workers=2, persistent_workers=persistent)
    with pytest.raises(rl.WorkerFailed) as caught:
        list(loader)
    assert str(caught.value).startswith("DataLoader: worker 1 (process ")
    assert f") {said}; see what it printed" in str(caught.value)
    assert isinstance(caught.value, RuntimeError)
    loader.dataset.place = -1
    assert len(listed(loader)) == 6  # new workers


def test_a_killed_worker_is_noticed_while_another_is_waited_for(monkeypatch):
    """Worker 0 sleeps longer than a test may take; worker 1 is killed meanwhile."""
    monkeypatch.setattr(pool, "GRACE_S", 0.2)

    def sleep():
        time.sleep(10 * HANG_S)

    class Mixed(Squares):
        def __getitem__(self, i):
            return sleep() if i == 0 else kill_itself()

    with pytest.raises(rl.WorkerFailed, match=r"worker 1 .* was ended by SIGKILL"):
        list(data.DataLoader(Mixed(), 1, num_workers=2))


def test_a_worker_killed_between_batches():
    batches = iter(data.DataLoader(Pids(100), 1, num_workers=1))
    pid = next(batches).item()
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(rl.WorkerFailed, match=f"process {pid}"):
        list(batches)
    assert gone(pid)


def test_a_killed_worker_with_a_child_of_its_own():
    """The child keeps the worker's end of everything open."""

    class Parent(Squares):
        def __getitem__(self, i):
            if os.fork() == 0:
                time.sleep(3 * pool.CHECK_S)
                os._exit(0)
            kill_itself()

    begun = time.monotonic()
    with pytest.raises(rl.WorkerFailed, match="SIGKILL"):
        list(data.DataLoader(Parent(1), 1, num_workers=1))
    assert time.monotonic() - begun < HANG_S / 2


def test_timeout(monkeypatch):
    monkeypatch.setattr(pool, "GRACE_S", 0.2)

    def sleep():
        time.sleep(10 * HANG_S)

    loader = data.DataLoader(Squares(12, sleep, 6), 2, num_workers=2, timeout=0.5)
    with pytest.raises(rl.WorkerFailed) as caught:
        list(loader)
    assert str(caught.value) == (
        "DataLoader: no batch within 0.5 s; give a longer timeout, more workers, or 0 for no limit"
    )


# -- leaving --------------------------------------------------------------------------------------


@pytest.mark.parametrize("persistent", [False, True])
def test_leaving_early(persistent):
    loader = data.DataLoader(Pids(100), 1, num_workers=2, persistent_workers=persistent)
    pids = set()
    for batch in loader:
        pids.add(batch.item())
        if len(pids) == 2:
            break
    del batch
    if persistent:  # they stay, and what they had begun is not seen
        assert pids == set(os_children())
        loader.dataset.count = 4
        assert {batch.item() for batch in loader} == pids
        del loader
    assert all(gone(pid) for pid in pids)
    assert multiprocessing.active_children() == []


def os_children():
    return [process.pid for process in multiprocessing.active_children()]


def test_an_abandoned_epoch_is_not_seen_in_the_next():
    loader = data.DataLoader(
        Squares(40), 2, num_workers=2, prefetch_factor=5, persistent_workers=True
    )
    expected = listed(data.DataLoader(Squares(40), 2))
    for done in (0, 1, 2, 3, 11):
        for i, _ in enumerate(loader):
            if i == done:
                break
        assert listed(loader) == expected
    iter(loader)  # never asked for anything
    assert listed(loader) == expected


def test_an_exception_in_the_loop():
    loader = data.DataLoader(Pids(100), 1, num_workers=2)

    def step():
        for batch in loader:
            pids.append(batch.item())
            raise LookupError("in the loop")

    pids = []
    with pytest.raises(LookupError):
        step()
    assert gone(pids[0])


def test_an_iterator_that_is_dropped():
    iter(data.DataLoader(Squares(), 2, num_workers=2))
    batches = iter(data.DataLoader(Pids(), 1, num_workers=2))
    pid = next(batches).item()
    cycle = [batches]
    cycle.append(cycle)
    del batches, cycle
    gc.collect()
    assert gone(pid)


def test_a_worker_that_does_not_want_to_end(monkeypatch):
    def resist():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(10 * HANG_S)

    monkeypatch.setattr(pool, "GRACE_S", 0.2)
    batches = iter(data.DataLoader(Squares(12, resist, 2), 1, num_workers=2))
    assert next(batches).item() == 0
    pids = os_children()
    batches.close()
    assert all(gone(pid) for pid in pids)


def test_a_process_forked_since_keeps_no_worker_alive(monkeypatch):
    """It holds copies of the parent's ends of all connections."""
    monkeypatch.setattr(pool, "GRACE_S", HANG_S)
    batches = iter(data.DataLoader(Pids(100), 1, num_workers=1))
    pid = next(batches).item()
    end, other = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(other)
        os.read(end, 1)
        os._exit(0)
    begun = time.monotonic()
    try:
        batches.close()
        assert gone(pid)
        assert time.monotonic() - begun < HANG_S / 2
    finally:
        os.close(other)
        os.close(end)
        os.waitpid(child, 0)


def test_a_copy_in_a_child_is_not_the_parent_s():
    """A forked child that drops its copy of an iterator ends nobody."""
    batches = iter(data.DataLoader(Squares(), 2, num_workers=2))
    next(batches)
    child = os.fork()
    if child == 0:
        batches.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert len(list(batches)) == 5


# -- programs -------------------------------------------------------------------------------------

PROGRAM = """
    import os, sys, time
    import rushlight as rl
    from rushlight_nn import data

    class Pids(data.Dataset):
        def __len__(self):
            return 1000
        def __getitem__(self, i):
            if i > 5:
                time.sleep(0.05)
            return os.getpid()

    def pids(batches):
        found = {next(batches).item() for _ in range(4)}
        print(*found, flush=True)

"""


def started(text, **options):
    program = textwrap.dedent(PROGRAM) + textwrap.dedent(text)
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options,
    )  # fmt: skip


@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.parametrize("way", ["pass", "sys.exit(3)", "1 / 0"])
def test_exit_leaves_nothing(persistent, way):
    program = started(
        f"""
        loader = data.DataLoader(Pids(), 1, num_workers=2, persistent_workers={persistent})
        batches = iter(loader)
        pids(batches)
        {way}
        """
    )
    out, err = program.communicate(timeout=HANG_S)
    assert program.returncode == {"pass": 0, "sys.exit(3)": 3, "1 / 0": 1}[way]
    assert err == "" or (way == "1 / 0" and err.endswith("ZeroDivisionError: division by zero\n"))
    assert err.count("Traceback") == (way == "1 / 0")
    assert len(out.split()) == 2
    assert all(gone(int(pid)) for pid in out.split())


def test_an_interrupt():
    """As by Ctrl-C: the whole group of processes gets it, one of them reports it."""
    program = started(
        """
        for n, batch in enumerate(data.DataLoader(Pids(), 1, num_workers=2)):
            if n < 2:
                print(batch.item(), flush=True)
        """,
        start_new_session=True,
    )
    pids = [int(program.stdout.readline()) for _ in range(2)]
    os.killpg(program.pid, signal.SIGINT)
    _, err = program.communicate(timeout=HANG_S)
    assert program.returncode == -signal.SIGINT
    assert err.count("Traceback") == 1
    assert err.endswith("KeyboardInterrupt\n")
    assert all(gone(pid) for pid in pids)


def test_a_parent_that_is_killed_leaves_no_workers():
    program = started(
        """
        batches = iter(data.DataLoader(Pids(), 1, num_workers=3))
        pids(batches)
        time.sleep(1000)
        """
    )
    pids = [int(pid) for pid in program.stdout.readline().split()]
    program.kill()
    program.communicate(timeout=HANG_S)
    assert len(pids) == 3
    assert all(gone(pid) for pid in pids)


def test_a_daemon_may_have_no_workers():
    def work(end):
        try:
            list(data.DataLoader(Squares(), 2, num_workers=2))
        except rl.ContractError as error:
            end.send(str(error))

    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(
        target=work, args=(there,), daemon=True, name="its name"
    )
    process.start()
    assert connection.wait([here], HANG_S)
    assert here.recv() == (
        "DataLoader: num_workers=2 in its name, a daemonic process, which may have no children; "
        "give num_workers=0 there"
    )
    process.join()
    process.close()
    here.close()
    there.close()


def test_nor_may_a_worker():
    def nested():
        list(data.DataLoader(Squares(), 2, num_workers=1))

    with pytest.raises(rl.ContractError, match="DataLoader worker 0, a daemonic process"):
        list(data.DataLoader(Squares(2, nested, 0), 2, num_workers=1))
    loader = data.DataLoader([data.DataLoader(Squares(4), 4)], None, num_workers=1, collate_fn=list)
    assert [[x.tolist() for x in batch] for batch in loader] == [[[0, 1, 4, 9]]]
