"""What is compiled is compiled once, and compiling that takes long is told."""

import logging

import pytest

from rushlight_numba.codegen import cache

KEY = cache.key("version", "text")


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """A cache and a count of seconds of this test's own."""
    monkeypatch.setenv("RUSHLIGHT_CACHE", str(tmp_path))
    monkeypatch.setattr(cache, "PACE", cache.Pace())


def test_what_is_kept_is_made_once():
    made = []

    def make():
        made.append(None)
        return b"code"

    assert [cache.kept(KEY, make) for _ in range(3)] == [b"code"] * 3
    assert len(made) == 1


def test_making_counts_and_reading_does_not(monkeypatch):
    clock = iter([10.0, 11.5])
    monkeypatch.setattr(cache, "perf_counter", lambda: next(clock))
    for _ in range(3):
        cache.kept(KEY, lambda: b"code")
    assert cache.PACE.spent_s == 1.5


def test_a_line_after_two_seconds_and_then_after_twice_as_long(caplog):
    told = []
    for _ in range(20):
        cache.PACE.add(0.5)
        told.append([record.getMessage() for record in caplog.records])
        caplog.clear()
    at = {(i + 1) / 2: lines for i, lines in enumerate(told) if lines}
    assert at == {
        2.5: ["rushlight: compiling for this processor: 2.5 s so far"],
        5.5: ["rushlight: compiling for this processor: 5.5 s so far"],
    }


def test_the_line_is_a_warning_of_a_logger_below_rushlight(caplog):
    with caplog.at_level(logging.WARNING, "rushlight"):
        cache.PACE.add(3.0)
    assert [(x.name, x.levelname) for x in caplog.records] == [("rushlight.numba", "WARNING")]
