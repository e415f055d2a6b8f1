"""What a person is told where numba, the cache or the threads are not as they should be."""

import logging
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

import rushlight as rl
from rushlight_numba import pool
from rushlight_numba.backend import NumbaBackend
from rushlight_numba.codegen import cache


def ran(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A program in a process of its own."""
    command = [sys.executable, "-c", dedent(program)]
    given = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=given)


@pytest.mark.parametrize("how", ["rl.sort(x)", "rl.compile(rl.sort)(x)"], ids=["eager", "compiled"])
def test_a_numba_that_refuses_numpy_is_named_with_its_reason(tmp_path, how):
    (tmp_path / "modules" / "numba").mkdir(parents=True)
    reason = "Numba needs NumPy 2.9 or less. Got NumPy 3.0."
    (tmp_path / "modules" / "numba" / "__init__.py").write_text(f"raise ImportError({reason!r})")
    done = ran(
        f"""
        import rushlight as rl

        x = rl.randn(40000, device="numba")
        print((x + 1).shape)  # what needs no numba runs
        try:
            {how}
        except rl.BackendUnavailable as error:
            print(error)
        """,
        PYTHONPATH=os.pathsep.join([str(tmp_path / "modules"), os.environ.get("PYTHONPATH", "")]),
        RUSHLIGHT_CACHE=str(tmp_path / "cache"),
    )
    _, told = done.stdout.splitlines()
    assert told == (
        f"numba cannot be imported: {reason}; run: pip install --upgrade rushlight-numba, or use "
        "the device numpy"
    )


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("RUSHLIGHT_CACHE", str(tmp_path / "file" / "folder"))
    cache.unkept.cache_clear()
    for i in range(3):
        cache.write(cache.key(str(i)), b"code")
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("rushlight.numba", "WARNING")
    assert record.getMessage() == (
        "rushlight: compiled code is not kept, so each process compiles anew: "
        f"{tmp_path / 'file' / 'folder'}: Not a directory; name a folder that can be written in "
        "RUSHLIGHT_CACHE"
    )


def test_without_a_home_the_reason_is_told(monkeypatch, caplog):
    def nobody(self):
        raise RuntimeError("Could not determine home directory")

    monkeypatch.delenv("RUSHLIGHT_CACHE", raising=False)
    monkeypatch.setattr(Path, "expanduser", nobody)
    cache.unkept.cache_clear()
    cache.write("key", b"code")
    (record,) = caplog.records
    assert "compiles anew: Could not determine home directory; name" in record.getMessage()


def test_lines_of_a_plain_script_say_whose_they_are():
    done = ran(
        """
        from rushlight_numba.codegen import cache

        cache.PACE.add(4.1)
        """
    )
    assert done.stderr == "rushlight: compiling for this processor: 4.1 s so far\n"


def test_more_threads_than_there_can_be_are_told(caplog):
    backend, before = NumbaBackend(), rl.get_num_threads()
    try:
        backend.threads(pool.MOST_THREADS)
        assert caplog.records == []
        backend.threads(400)
        assert backend.workers == pool.pool().limit == 256
    finally:
        rl.set_num_threads(before)
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("rushlight.numba", logging.WARNING)
    assert record.getMessage() == "rushlight: set_num_threads: 400; the device numba uses 256"
