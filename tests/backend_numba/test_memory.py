"""Memory of large arrays on `numba`: kept for the next, counted, given back, and none left."""

import gc
import os
import subprocess
import sys
import threading
from textwrap import dedent

import numpy as np
import pytest

import rushlight as rl
import rushlight_numba
from rushlight.testing.close import assert_same_bits
from rushlight_numba import memory
from rushlight_numba.builtin import block
from rushlight_numba.memory import ALIGNED, LARGE, MORE, Cache, NoRoom, rounded

FLOAT = np.dtype(np.float32)
BYTE = np.dtype(np.uint8)
MEGABYTE = 1 << 20


@pytest.fixture
def cache():
    return Cache(4 * MEGABYTE)


@pytest.fixture
def device():
    return rl.device("numba")


def address(array):
    return array.ctypes.data


def free_bytes(cache):
    return cache.taken_bytes - cache.used_bytes


# -- blocks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_bytes", [LARGE, LARGE + 1, 100_000, MEGABYTE - 1, MEGABYTE, 5**9])
def test_an_array_is_aligned_and_its_size_rounded_up_by_an_eighth_at_most(cache, n_bytes):
    array = cache.source((n_bytes,), BYTE)()
    assert type(array) is np.ndarray
    assert (array.shape, array.dtype, array.nbytes) == ((n_bytes,), BYTE, n_bytes)
    assert array.flags.c_contiguous
    assert array.flags.writeable
    assert address(array) % ALIGNED == 0
    assert n_bytes <= cache.used_bytes <= n_bytes * 9 / 8


@pytest.mark.parametrize("n_bytes", [1, 63, 64, 65, 1000, LARGE, 3 * LARGE + 1, 10**9])
def test_a_rounded_size_is_that_of_itself(n_bytes):
    assert rounded(rounded(n_bytes)) == rounded(n_bytes) >= n_bytes
    assert rounded(n_bytes) % ALIGNED == 0


def test_memory_comes_back_with_the_last_view(cache):
    make = cache.source((512, 512), FLOAT)
    array = make()
    start, views = address(array), [array[3:], array.T, array.reshape(-1)[::2], memoryview(array)]
    del array
    assert free_bytes(cache) == 0
    while views:
        assert free_bytes(cache) == 0
        views.pop()
    assert (cache.used_bytes, free_bytes(cache)) == (0, MEGABYTE)
    assert address(make()) == start


def test_what_is_alive_is_never_given_twice(cache):
    make = cache.source((LARGE,), BYTE)
    held = [make() for _ in range(20)]
    for i, array in enumerate(held):
        array[:] = i
    del held[::2]
    held += [make() for _ in range(30)]
    assert len({address(array) for array in held}) == len(held) == 40
    assert all((array == 2 * i + 1).all() for i, array in enumerate(held[:10]))


def test_no_array_grows_where_it_lies(cache):
    array = cache.source((LARGE,), BYTE)()
    array[:] = 3
    assert array.flags.owndata
    with pytest.raises(MemoryError):
        array.resize(2 * LARGE, refcheck=False)
    assert array.shape == (LARGE,)
    assert (array == 3).all()
    copy = array.copy()
    del array
    assert (cache.used_bytes, free_bytes(cache)) == (0, LARGE)
    assert (copy == 3).all()


def test_an_error_that_is_raised_while_memory_goes_back_is_kept(cache):
    make = cache.source((5 * MEGABYTE,), BYTE)  # more than may be kept: it is cleared
    with pytest.raises(ZeroDivisionError):
        divided_by(0, make())
    gc.collect()
    assert cache.taken_bytes == 0


def test_a_cycle_of_garbage_gives_its_memory_back(cache):
    cycle = [cache.source((LARGE,), BYTE)()]
    cycle.append(cycle)
    del cycle
    gc.collect()
    assert (cache.used_bytes, free_bytes(cache)) == (0, LARGE)


def test_sizes_that_are_near_share_memory(cache):
    start = address(cache.source((LARGE * 2 - 5,), BYTE)())
    assert address(cache.source((LARGE // 2 - 2,), FLOAT)()) == start


def test_small_arrays_are_numpys():
    before = memory.stats()
    array = memory.empty((LARGE // 4 - 1,), FLOAT)
    assert array.flags.owndata
    assert memory.stats() == before
    assert memory.empty((), FLOAT).shape == ()
    assert memory.empty((0, 5), FLOAT).shape == (0, 5)


# -- bounds ---------------------------------------------------------------------------------------


def test_no_more_is_kept_than_allowed(cache):
    make = cache.source((MEGABYTE,), BYTE)
    held = [make() for _ in range(6)]
    while held:
        held.pop()
        assert free_bytes(cache) <= cache.most_bytes
    assert cache.used_bytes == 0
    assert cache.peak_bytes == 6 * MEGABYTE


def test_what_is_larger_than_all_that_may_be_kept_is_not(cache):
    cache.source((5 * MEGABYTE,), BYTE)()
    assert (cache.used_bytes, cache.taken_bytes) == (0, 0)


def test_clear_gives_the_system_what_is_free_and_no_more(cache):
    make = cache.source((MEGABYTE,), BYTE)
    held, _ = make(), make()
    held[:] = 7
    del _
    cache.clear()
    assert (cache.used_bytes, cache.taken_bytes) == (MEGABYTE, MEGABYTE)
    assert (held == 7).all()


# -- no memory left -------------------------------------------------------------------------------


def refusing(monkeypatch, most_bytes, cache):
    """From now on the system has so much, for all that this cache takes."""
    empty = np.empty

    def limited(shape, dtype=float):
        if cache.taken_bytes + np.prod(shape) > most_bytes:
            raise MemoryError
        return empty(shape, dtype)

    monkeypatch.setattr(memory.np, "empty", limited)


def test_what_is_free_goes_before_an_allocation_fails(monkeypatch, cache):
    cache.source((MEGABYTE,), BYTE)()
    refusing(monkeypatch, 3 * MEGABYTE, cache)
    array = cache.source((2 * MEGABYTE + 5,), BYTE)()
    assert cache.taken_bytes == cache.used_bytes >= array.nbytes
    with pytest.raises(NoRoom) as caught:
        cache.source((2 * MEGABYTE,), BYTE)()
    assert str(caught.value) == (
        "memory: no room for 2.1e+06 bytes beside the 2.36e+06 of arrays on numba; "
        "use smaller ones, or let go of some"
    )
    assert isinstance(caught.value, rl.OutOfMemory)
    assert isinstance(caught.value, MemoryError)
    assert cache.used_bytes == cache.taken_bytes


def test_an_operation_says_for_what_there_is_no_room(monkeypatch, device):
    x = rl.ones(512, 512, device=device)
    kept = x.exp()  # its program is made
    refusing(monkeypatch, 0, memory.cache)
    rushlight_numba.empty_cache()
    with pytest.raises(rl.OutOfMemory, match=r"^exp: no room on numba for the result of float32"):
        x.exp()
    monkeypatch.undo()
    assert_same_bits("exp", x.exp().numpy(), kept.numpy())


def test_a_compiled_function_says_it_too(monkeypatch, device):
    x = rl.ones(511, 512, device=device)
    double = rl.compile(lambda x: x * 2.0 + 1.0)
    held = [double(x) for _ in range(3)]
    refusing(monkeypatch, 0, memory.cache)
    rushlight_numba.empty_cache()
    with pytest.raises(rl.OutOfMemory, match=r"^memory: no room for 1\.05e\+06 bytes"):
        held.append(double(x))
    monkeypatch.undo()
    held.append(double(x))
    assert all(float(z.sum()) == 3.0 * 511 * 512 for z in held)


# -- a thousand times -----------------------------------------------------------------------------


def test_a_thousand_cycles_end_where_they_began(device):
    x = rl.ones(300, 300, device=device, requires_grad=True)
    y = rl.ones(7, 300, device=device)

    def cycle():
        (x.exp() * 2.0).sum().backward()
        x.grad = None
        with pytest.raises(rl.ContractError):
            x + y
        with pytest.raises(ZeroDivisionError):
            divided_by(0, x.exp())

    for _ in range(3):
        cycle()
    gc.collect()
    before = device.backend.memory(0)
    for _ in range(1000):
        cycle()
    gc.collect()
    assert device.backend.memory(0) == before


def divided_by(n, z):
    """It raises for 0, with a traceback that holds an array."""
    return 1 / n, z


def test_stats_count_large_arrays(device):
    x = rl.ones(512, 512, device=device)
    gc.collect()
    before = device.backend.memory(0)
    z = x.exp()
    during = device.backend.memory(0)
    assert during.used_bytes - before.used_bytes == MEGABYTE
    assert during.peak_bytes >= during.used_bytes
    assert during.reserved_bytes >= during.used_bytes
    assert during.total_bytes > during.used_bytes
    del z
    after = device.backend.memory(0)
    assert after.used_bytes == before.used_bytes
    rushlight_numba.empty_cache()
    emptied = device.backend.memory(0)
    assert emptied.reserved_bytes == emptied.used_bytes == before.used_bytes


# -- threads, forks, exit -------------------------------------------------------------------------


def test_threads_share_the_cache(cache):
    make = cache.source((LARGE,), BYTE)
    wrong = []

    def work(me):
        for _ in range(300):
            held = [make() for _ in range(5)]
            for array in held:
                array[:] = me
            wrong.extend(me for array in held if not (array == me).all())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert cache.used_bytes == 0
    assert cache.taken_bytes == LARGE * len(cache.memory)


def test_a_block_that_another_thread_takes_first_is_made_again(cache):
    make = cache.source((LARGE,), BYTE)
    size = cache.sizes[LARGE]
    more, others = size.kept[-1], []

    def robbed():
        more()
        if len(others) < 3:
            size[MORE] = id(more)  # for what takes it: it makes no other
            others.append(make())
            size[MORE] = id(robbed)

    size[MORE] = id(robbed)
    array = make()
    assert len({address(x) for x in (array, *others)}) == 4
    assert cache.used_bytes == 4 * LARGE


def test_a_size_that_two_threads_ask_for_at_once_is_one(monkeypatch, cache):
    found = []

    def made(*words):
        if not found:  # another thread asks, and is done before
            monkeypatch.undo()
            found.append(cache.size(LARGE))
        return block(*words)

    monkeypatch.setattr(memory, "block", made)
    assert cache.size(LARGE) is found[0]


def test_an_array_that_dies_in_another_thread_gives_its_memory_back(cache):
    held = [cache.source((LARGE,), BYTE)()]
    thread = threading.Thread(target=held.clear)
    thread.start()
    thread.join()
    assert (cache.used_bytes, free_bytes(cache)) == (0, LARGE)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_the_child_of_a_fork_has_its_own(device):
    x = rl.ones(512, 512, device=device)
    z = x.exp()
    child = os.fork()
    if not child:
        w = x * 3.0
        del z
        good = float((x.exp() + w).sum().item()) > 0
        os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert np.allclose(z.numpy(), np.e)


def test_arrays_may_outlive_everything():
    program = """
        import atexit, gc, sys
        import rushlight as rl
        x = rl.ones(512, 512, device="numba")
        kept = [x.exp()]
        kept.append(kept)
        atexit.register(lambda: kept.append(x * 2.0))
        sys.kept = x + 1.0
        sys.modules["rushlight_numba.memory"].other = x + 2.0
        print("done")
    """
    command = [sys.executable, "-W", "error", "-c", dedent(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_a_container_may_have_less_than_the_machine(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(memory, "CONTAINER", limit)
    whole = memory.machine_bytes()
    assert whole > 1 << 28
    for text, told in [("max\n", whole), ("1000000\n", 1_000_000), (f"{whole + 1}\n", whole)]:
        limit.write_text(text)
        assert memory.machine_bytes() == told
