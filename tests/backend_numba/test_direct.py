"""Calls of kernels that no Python function is part of: which program runs, and what it is given."""

import gc
import os
import sys
import threading
import weakref

import numpy as np
import pytest

import rushlight as rl
import rushlight_numba
from rushlight_numba import builtin, direct, memory, plugin
from rushlight_numba.direct import MOST_ARRAYS, PROBES, SLOTS, Table
from rushlight_numba.eager import Programs
from rushlight_numba.pool import HELD


@pytest.fixture
def table():
    """A table of two arguments, and what was left to Python."""
    left = []

    def otherwise(*given, **named):
        left.append((given, named))
        return "otherwise"

    made = Table("test", 2, 10, lambda *_: "small", otherwise)
    made.left = left
    return made


@pytest.fixture
def programs():
    """A function that makes the programs of an operation, and the kernel that finds them."""
    backend = rl.device("numba").backend

    def make(name, least=0):
        def refused(*_, **__):
            raise AssertionError(name)

        large = Programs(backend, name, refused)
        count = large.count + len(large.op.params)
        large.table = Table(name, count, least, None, large)
        return large, large.table.kernel

    return make


def drawn(*shape, dtype=np.float32, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


# -- what native code knows of arrays -------------------------------------------------------------


def test_every_field_of_an_array_is_where_native_code_reads_it():
    assert builtin.misplaced() == []


@pytest.mark.parametrize(
    ("constant", "told"),
    [
        ("DATA", "data"),
        ("AXES", "dimensions"),
        ("EXTENTS", "shape"),
        ("STRIDES", "strides"),
        ("DTYPE", "dtype"),
        ("FLAGS", "flags"),
        ("HANDLER", "allocator"),
        ("TYPE", "type"),
        ("REFERENCES", "references"),
    ],
)
def test_a_numpy_whose_arrays_lie_otherwise_is_refused(monkeypatch, constant, told):
    other = {"EXTENTS": builtin.STRIDES, "STRIDES": builtin.EXTENTS, "TYPE": builtin.DTYPE}
    there = other.get(constant, getattr(builtin, constant) + (8 if constant != "HANDLER" else -8))
    monkeypatch.setattr(builtin, constant, there)
    assert told in builtin.misplaced()
    with pytest.raises(rl.extend.BackendUnavailable, match=rf"^numpy \S+ has the .*{told}"):
        plugin.rushlight_backend()


def test_two_threads_may_make_one_builtin(monkeypatch):
    key, first = ("made at once", direct.functions()["rushlight_place"]), []

    def made(*fields):
        if not first:  # another thread makes it, and is done before
            monkeypatch.undo()
            builtin.builtin(*key, builtin.block(builtin.ARRAY))
            first.append(builtin._methods[key])
        return builtin._Method(*fields)

    monkeypatch.setattr(builtin, "_Method", made)
    builtin.builtin(*key, builtin.block(builtin.ARRAY))
    assert builtin._methods[key] is first[0]


# -- the table ------------------------------------------------------------------------------------


def test_what_is_not_known_is_left_to_python(table):
    x = np.zeros(20)
    assert table.kernel(x, 3) == "otherwise"
    assert table.kernel(x) == "otherwise"
    assert table.kernel(x, 3, 4) == "otherwise"
    assert table.kernel(x, axis=3) == "otherwise"
    assert [len(given) for given, _ in table.left] == [2, 1, 3, 1]
    assert table.left[-1][1] == {"axis": 3}


@pytest.mark.parametrize(("n", "runs"), [(0, "small"), (9, "small"), (10, "here"), (20, "here")])
def test_few_elements_are_anothers(table, n, runs):
    x = np.zeros(n)
    table.add((x, 1), (), lambda *_: "here")
    assert table.kernel(x, 1) == runs
    assert not table.left


DENSE = np.zeros((4, 6), np.float32)
OTHERS = {
    "shape": np.zeros((6, 4), np.float32),
    "axes": np.zeros((4, 6, 1), np.float32),
    "flat": np.zeros(24, np.float32),
    "dtype": np.zeros((4, 6), np.int32),
    "width": np.zeros((4, 6), np.float64),
    "strides": np.zeros((8, 6), np.float32)[::2],
    "turned": np.zeros((6, 4), np.float32).T,
    "bytes": np.zeros((4, 6), ">f4"),
    "number": 3.0,
    "nothing": None,
}


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS.keys())
def test_an_array_of_another_kind_is_not_taken_for_it(table, other):
    table.add((DENSE, DENSE), (), lambda *_: "here")
    assert table.kernel(DENSE, DENSE.copy()) == "here"
    assert table.kernel(DENSE, other) == "otherwise"
    table.add((DENSE, other), (), lambda *_: "there")
    assert table.kernel(DENSE, other) == "there"
    assert table.kernel(DENSE, DENSE) == "here"


@pytest.mark.parametrize(
    ("known", "same", "others"),
    [
        (1, [1], [True, 1.0, 2, None, (1,)]),
        ((0, 1), [tuple(range(2))], [(1, 0), (0,), [0, 1]]),
        (None, [None], [0, False]),
        (np.dtype("f4"), [np.dtype("f4")], [np.dtype("f8"), "f4"]),
        (float("nan"), [float("nan")], [1.0, None]),
        (0.0, [0.0], [-0.0, 0, False]),
    ],
    ids=["integer", "axes", "none", "dtype", "nan", "zero"],
)
def test_parameters_are_compared_by_type_and_value(table, known, same, others):
    table.add((DENSE, known), (), lambda *_: "here")
    assert table.kernel(DENSE, known) == "here"
    assert [table.kernel(DENSE, x) for x in same] == ["here"] * len(same)
    assert [table.kernel(DENSE, x) for x in others] == ["otherwise"] * len(others)


def test_of_numbers_only_the_type_matters(table):
    table.add((DENSE, 1.0), (int, float), lambda *_: "here")
    assert table.kernel(DENSE, -7.5) == "here"
    assert table.kernel(DENSE, 7) == "otherwise"
    assert table.kernel(DENSE, True) == "otherwise"


def test_arrays_of_subclasses_are_not_kept(table):
    x = DENSE.view(type("Array", (np.ndarray,), {}))
    gone = weakref.ref(x)
    table.add((DENSE, DENSE), (), lambda *_: "here")
    table.add((DENSE, x), (), lambda *_: "there")
    assert table.kernel(DENSE, x) == "otherwise"
    table.left.clear()
    del x
    gc.collect()
    assert gone() is None


def test_what_cannot_be_compared_is_not_the_same(table):
    class Stubborn:
        def __eq__(self, other):
            raise ValueError

        __hash__ = None

    table.add((DENSE, Stubborn()), (), lambda *_: "here")
    assert table.kernel(DENSE, Stubborn()) == "otherwise"


def test_an_error_of_a_function_is_raised(table):
    table.add((DENSE, 0), (), lambda x, y: x.size / y)
    with pytest.raises(ZeroDivisionError):
        table.kernel(DENSE, 0)


def test_a_kind_may_be_forgotten_while_it_is_compared(table):
    class Forgetful:
        def __eq__(self, other):
            table.clear()
            gc.collect()
            return True

        __hash__ = None

    def run(*_):
        return "here"

    gone = weakref.ref(run)
    table.add((DENSE, Forgetful()), (), run)
    del run
    assert table.kernel(DENSE, Forgetful()) == "here"
    assert gone() is None
    assert table.kernel(DENSE, Forgetful()) == "otherwise"


def test_two_threads_may_add_one_kind(table):
    lines, junk = 0, []

    def added(line):
        """Add a kind; another thread adds it, and is done, before that line is run."""
        nonlocal lines
        lines = 0

        def step(_frame, event, _):
            nonlocal lines
            lines += event == "line"
            if lines == line and event == "line":
                table.add((DENSE, 1), (), lambda *_: "second")
            return step

        before = sys.gettrace()
        sys.settrace(lambda frame, *_: step if frame.f_code is Table.add.__code__ else None)
        try:
            table.add((DENSE, 1), (), lambda *_: "first")
        finally:
            sys.settrace(before)

    added(0)
    for line in range(1, lines + 1):
        table.clear()
        added(line)
        junk += [np.full(3, -1) for _ in range(1000)]  # where an entry lay that was let go
        assert table.kernel(DENSE, 1) in ("first", "second")


def test_more_kinds_than_there_are_slots(table):
    arrays = [np.zeros(20 + i, np.int8) for i in range(2 * SLOTS)]
    for i, x in enumerate(arrays):
        table.add((x, i), (), lambda *_, i=i: i)
    found = [table.kernel(x, i) for i, x in enumerate(arrays)]
    known = [i for i, x in enumerate(found) if x == i]
    assert SLOTS // 2 < len(known) <= SLOTS
    assert all(x in (i, "otherwise") for i, x in enumerate(found))


def test_parameters_share_the_slots_of_their_arrays(table):
    for i in range(PROBES + 1):
        table.add((DENSE, i), (), lambda *_, i=i: i)
    found = [table.kernel(DENSE, i) for i in range(PROBES + 1)]
    assert found.count("otherwise") == 1
    table.clear()
    assert {table.kernel(DENSE, i) for i in range(PROBES + 1)} == {"otherwise"}


# -- programs -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 15, 16, 17, 1000, 300_000])
@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_a_program_is_given_its_arrays(programs, n, dtype):
    large, add = programs("add")
    x, y = (drawn(n, seed=i) * 100 for i in range(2))
    x, y = x.astype(dtype), y.astype(dtype)
    for _ in range(3):
        z = add(x, y)
        np.testing.assert_array_equal(z, x + y)
        assert (z.dtype, z.shape, z.flags.c_contiguous) == (x.dtype, x.shape, True)
    (run,) = large.found.values()
    assert run.__name__ == "program"
    assert z.ctypes.data not in (x.ctypes.data, y.ctypes.data)


@pytest.mark.parametrize("number", [2.5, float("inf"), float("nan"), 3, -(2**63), 2**63 - 1, 0])
def test_a_program_is_given_its_numbers(programs, number):
    large, add = programs("mul")
    x = drawn(40, dtype=np.float64) if type(number) is float else np.arange(40)
    for y in (number, type(number)(1), number):
        np.testing.assert_array_equal(add(x, y), x * np.asarray(y, x.dtype))
        np.testing.assert_array_equal(add(y, x), x * np.asarray(y, x.dtype))
    assert {run.__name__ for run in large.found.values()} == {"program"}


def test_an_integer_of_more_than_64_bits_is_left_to_the_other_kernel():
    said = []
    large = Programs(rl.device("numba").backend, "mul", lambda *given: said.append(given))
    large.table = Table("mul", 2, 0, None, large)
    x = np.arange(40)
    large.table.kernel(x, 3)
    assert large.table.kernel(x, 2**64) is None
    assert said[0][1] == 2**64
    np.testing.assert_array_equal(large.table.kernel(x, 3), 3 * x)


def test_parameters_choose_the_program(programs):
    _, total = programs("sum")
    x = drawn(30, 40)
    for axes in [(0,), (1,), (0, 1), (0,), (1,)]:
        for keepdim in (False, True):
            z = total(x, axes, keepdim)
            np.testing.assert_allclose(z, x.sum(axes, keepdims=keepdim), rtol=1e-5, atol=1e-5)


def test_several_results(programs):
    x, w, b = drawn(50, 64), drawn(64, seed=2), drawn(64, seed=3)
    large, forward = programs("layer_norm.fwd")
    made = [forward(x, w, b, (1,), 1e-5) for _ in range(3)]
    expected = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5) * w + b
    np.testing.assert_allclose(made[-1][0], expected, rtol=1e-4, atol=1e-5)
    assert [run.__name__ for run in large.found.values()] == ["program"]
    assert all(type(parts) is tuple for parts in made)
    for parts in made:
        for one, other in zip(made[0], parts, strict=True):
            np.testing.assert_array_equal(one, other)


def test_results_that_nobody_asked_for_are_none(programs):
    g, x, w = drawn(50, 30), drawn(50, 64, seed=1), drawn(30, 64, seed=2)
    large, backward = programs("linear.vjp")
    both = backward(g, x, w, (True, True, False))
    np.testing.assert_allclose(both[0], g @ w, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(both[1], g.T @ x, rtol=1e-4, atol=1e-4)
    held = sys.getrefcount(None)
    for _ in range(100):
        first, none, _ = backward(g, x, w, (True, False, False))
        assert none is None
        np.testing.assert_array_equal(first, both[0])
        none, second, _ = backward(g, x, w, (False, True, False))
        assert none is None
        np.testing.assert_array_equal(second, both[1])
    assert abs(sys.getrefcount(None) - held) < 50
    assert {run.__name__ for run in large.found.values()} == {"program"}


def test_references_and_memory_are_given_back(programs):
    _, add = programs("add")
    _, matmul = programs("matmul")
    x, y = drawn(300, 300), drawn(300, 300, seed=1)
    for _ in range(3):
        add(x, y), matmul(x, y), add(x, 2.0)
    gc.collect()
    before = memory.stats(), sys.getrefcount(x), sys.getrefcount(x.dtype)
    for _ in range(1000):
        add(x, y), matmul(x, y), add(x, 2.0)
    after = memory.stats(), sys.getrefcount(x), sys.getrefcount(x.dtype)
    assert after == before
    assert sys.getrefcount(add(x, y)) == sys.getrefcount(np.empty(1))


def test_no_room_is_raised_and_nothing_is_lost(programs, monkeypatch):
    _, add = programs("add")
    x, y = drawn(700, 700), drawn(700, 700, seed=1)
    expected = add(x, y)
    memory.cache.clear()
    held = memory.stats(), sys.getrefcount(x)

    def refused(*_):
        raise MemoryError

    monkeypatch.setattr(memory.np, "empty", refused)
    for _ in range(3):
        with pytest.raises(rl.OutOfMemory, match=r"^memory: no room for"):
            add(x, y)
    assert (memory.stats(), sys.getrefcount(x)) == held
    monkeypatch.undo()
    np.testing.assert_array_equal(add(x, y), expected)


@pytest.mark.parametrize("n", [100, 300_000], ids=["one thread", "threads"])
def test_python_threads_call_the_same_program(programs, n):
    _, add = programs("add")
    x = np.ones(n, np.float32)
    add(x, 0.0)
    wrong = []

    def work(me):
        for i in range(200):
            z = add(x, float(me * 1000 + i))
            if not (z == me * 1000 + i + 1).all():
                wrong.append((me, i))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_the_child_of_a_fork_calls_what_a_thread_of_its_parent_ran(programs):
    large, add = programs("add")
    x = np.ones(300_000, np.float32)
    add(x, x)
    (run,) = large.found.values()
    (head,) = [head for head in direct._heads if head.address == run.__self__[0]]
    head.words[HELD] = 1  # as if one were in the midst of it
    child = os.fork()
    if not child:
        os._exit(0 if (add(x, x) == 2).all() else 1)
    head.words[HELD] = 0
    assert os.waitpid(child, 0)[1] == 0


def test_a_program_of_many_arrays_has_a_python_function(programs):
    backend = rl.device("numba").backend
    stack = Programs(backend, "concat", None)
    xs = [drawn(20, seed=i) for i in range(MOST_ARRAYS + 3)]
    z = stack(*xs, axis=0)
    np.testing.assert_array_equal(z, np.concatenate(xs))


@pytest.mark.parametrize(
    ("x", "shape", "copies"),
    [
        (drawn(64, 300), (300, 64), False),
        (drawn(64, 300)[:, :150], (64, 150, 1), False),
        (drawn(64, 300)[:, :150], (150, 64), True),
        (drawn(30, 40, 50).transpose(1, 0, 2), (40, 1500), True),
        (drawn(30, 40, 50).transpose(1, 0, 2), (40, 30, 10, 5), False),
    ],
    ids=["dense", "part kept", "part", "turned", "turned kept"],
)
def test_a_view_is_no_program(x, shape, copies):
    backend = rl.device("numba").backend
    large = Programs(backend, "reshape", rl.device("numpy").backend.kernels["reshape"])
    large.table = Table("reshape", 2, 0, None, large)
    for _ in range(3):
        z = large.table.kernel(x, shape)
        np.testing.assert_array_equal(z, x.reshape(shape))
        assert np.may_share_memory(z, x) is not copies
    (run,) = large.found.values()
    assert (getattr(run, "__name__", "") == "program") is copies
    assert sum(entry is not None for entry in large.table.entries) == 1


@pytest.mark.parametrize("bounds", [((0, 8, 1), (3, 5, 7)), ((7, 8, -1), (2, 5, 1))], ids=str)
def test_the_gradient_of_a_slice_is_a_program(programs, bounds):
    _, unslice = programs("unslice")
    x = drawn(8, 5)
    expected = rl.device("numpy").backend.kernels["unslice"](x, (8, 40), bounds)
    for _ in range(3):
        np.testing.assert_array_equal(unslice(x, (8, 40), bounds), expected)


@pytest.mark.parametrize("rows", [8, 5000], ids=["one thread", "threads"])
def test_what_fails_a_check_is_left_to_the_other_kernel(rows):
    backend = rl.device("numba").backend
    large = Programs(backend, "take", rl.device("numpy").backend.kernels["take"])
    count = large.count + len(large.op.params)
    large.table = Table("take", count, 0, None, large)
    x, index = drawn(rows, 64), np.arange(rows)[::-1].copy()
    for _ in range(3):
        np.testing.assert_array_equal(large.table.kernel(x, index, 0), x[index])
    assert [run.__name__ for run in large.found.values()] == ["program"]
    held = memory.stats().used_bytes
    for at in (0, rows // 2, rows - 1):
        wrong = index.copy()
        wrong[at] = rows
        for _ in range(2):
            with pytest.raises(IndexError, match=str(rows)):
                large.table.kernel(x, wrong, 0)
    assert memory.stats().used_bytes == held
    np.testing.assert_array_equal(large.table.kernel(x, index, 0), x[index])


def test_a_program_stays_while_it_runs_though_the_table_forgets_it(programs):
    large, add = programs("add")
    x = drawn(3000)
    add(x, x)
    (run,) = large.found.values()
    gone = weakref.ref(run.__self__)
    size = memory.cache.size(x.nbytes)
    more = next(x for x in reversed(size.kept) if callable(x))

    def forgets():
        large.table.clear()
        large.found.clear()
        gc.collect()
        more()

    del run
    rushlight_numba.empty_cache()
    size[memory.MORE] = id(forgets)
    try:
        z = add(x, x)
    finally:
        size[memory.MORE] = id(more)
    np.testing.assert_array_equal(z, x + x)
    assert gone() is None
