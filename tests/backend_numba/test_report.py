"""What the device numba tells of a program: times of records, and that telling changes nothing."""

import math

import pytest

import rushlight as rl
from rushlight.extend import Number


@pytest.fixture(autouse=True)
def numba():
    with rl.device("numba"):
        yield


def program_of(fn):
    """The one program of a compiled function."""
    ((traced,),) = fn.traced.values()
    return traced.program


@rl.compile
def several(x, w, scale):
    """A product, a sum over its rows and columns, and a call."""
    z = (x @ w).tanh() * scale
    return z.sum(0), rl.argsort(z, 1), z


def test_times_are_told_for_each_record():
    x, w = rl.randn(300, 200), rl.randn(200, 100)
    before = [z.tolist() for z in several(x, w, 2.0)]
    program = program_of(several)
    arrays = iter([x._data, w._data])
    inputs = [2.0 if isinstance(v, Number) else next(arrays) for v in program.graph.inputs]
    told = program.run.report(inputs)
    assert len(told.estimated_s) == len(told.measured_s) == len(program.fused.records)
    assert all(math.isfinite(s) and s >= 0 for s in told.measured_s)
    assert sum(told.measured_s) > 0
    assert told.arena_bytes > 0
    assert [z.tolist() for z in several(x, w, 2.0)] == before


def test_results_of_the_last_call_are_not_written():
    x, w = rl.randn(30, 20), rl.randn(20, 10)
    held = several(x, w, 2.0)
    before = [z.tolist() for z in held]
    several.measure(rl.zeros(30, 20), w, 3.0)
    assert [z.tolist() for z in held] == before


def test_what_is_assigned_stays():
    total = rl.zeros(1000)

    @rl.compile
    def step(x):
        total.add_(x * 2)

    page = step.measure(rl.ones(1000))  # makes the program, and does not run it
    assert "1 record (1 nest)" in page
    assert total.sum().item() == 0.0
    step(rl.ones(1000))
    step.measure(rl.ones(1000))
    assert total.sum().item() == 2000.0


def test_an_index_out_of_range_is_told_as_in_a_call():
    look = rl.compile(lambda table, at: table[at] + 1)
    look(rl.ones(5, 3), rl.zeros(2, dtype=rl.int64))
    with pytest.raises(IndexError):
        look.measure(rl.ones(5, 3), rl.ones(2, dtype=rl.int64) * 9)
