"""The cache of object code: whole entries or none, shared by processes, never in the way."""

import subprocess
import sys
from pathlib import Path

import pytest

from rushlight_numba.codegen import cache
from rushlight_numba.codegen.llvm import Fn, compile_object, module

CODE = b"some object code" * 100
KEY = cache.key("version", "text")


@pytest.fixture(autouse=True)
def entry(tmp_path, monkeypatch):
    """The file of KEY, in a folder that does not exist yet."""
    monkeypatch.setenv("RUSHLIGHT_CACHE", str(tmp_path / "new" / "folder"))
    return tmp_path / "new" / "folder" / f"{KEY}.o"


def flip_a_bit(entry):
    return entry[:-1] + bytes([entry[-1] ^ 1])


DAMAGE = {
    "empty": lambda entry: b"",
    "cut in the head": lambda entry: entry[:30],
    "cut": lambda entry: entry[:-1],
    "longer": lambda entry: entry + b"\0",
    "a bit": flip_a_bit,
    "another format": lambda entry: b"R" + entry[1:],
    "zeros": lambda entry: bytes(len(entry)),
}


def test_nothing_is_found_before_it_is_written():
    assert cache.read(KEY) is None


@pytest.mark.parametrize("code", [CODE, b""])
def test_what_was_written_is_read(entry, code):
    cache.write(KEY, code)
    assert cache.read(KEY) == code
    assert list(entry.parent.iterdir()) == [entry]


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_entry_is_absent_and_is_written_anew(entry, damage):
    cache.write(KEY, CODE)
    entry.write_bytes(damage(entry.read_bytes()))
    assert cache.read(KEY) is None
    cache.write(KEY, CODE)
    assert cache.read(KEY) == CODE


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_entry_is_compiled_again(entry, damage):
    text = module([Fn("nothing", "ptr %args")])
    code = compile_object(text)
    (found,) = entry.parent.iterdir()
    whole = found.read_bytes()
    found.write_bytes(damage(whole))
    assert compile_object(text) == code
    assert found.read_bytes() == whole


def test_a_key_tells_its_parts_apart():
    keys = [("ab", "c"), ("a", "bc"), ("abc",), ("c", "ab"), ("ab", "c", "")]
    assert len({cache.key(*parts) for parts in keys}) == len(keys)


@pytest.mark.parametrize("in_the_way", ["file", "folder", "entry"])
def test_a_folder_that_cannot_be_written_is_no_error(entry, in_the_way):
    if in_the_way == "file":
        entry.parent.parent.write_text("")
    elif in_the_way == "folder":
        entry.parent.parent.mkdir()
        entry.parent.write_text("")
    else:
        entry.mkdir(parents=True)
    cache.write(KEY, CODE)
    assert cache.read(KEY) is None
    assert compile_object(module([Fn("nothing", "ptr %args")]))


def test_a_full_disk_leaves_nothing_behind(entry, monkeypatch):
    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    cache.write(KEY, CODE)
    assert list(entry.parent.iterdir()) == []


def test_a_user_without_a_home_has_no_cache(monkeypatch):
    def nobody(self):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("RUSHLIGHT_CACHE")
    monkeypatch.setattr(Path, "expanduser", nobody)
    cache.write(KEY, CODE)
    assert cache.read(KEY) is None


@pytest.mark.parametrize(
    ("system", "variables", "expected"),
    [
        ("linux", {}, "~/.cache/rushlight"),
        ("linux", {"XDG_CACHE_HOME": "/caches"}, "/caches/rushlight"),
        ("linux", {"XDG_CACHE_HOME": ""}, "~/.cache/rushlight"),
        ("darwin", {}, "~/Library/Caches/rushlight"),
        ("win32", {}, "~/AppData/Local/rushlight"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/rushlight"),
        ("linux", {"RUSHLIGHT_CACHE": "/given"}, "/given"),
    ],
)
def test_folder(monkeypatch, system, variables, expected):
    for name in ("RUSHLIGHT_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cache.sys, "platform", system)
    assert cache.folder() == Path(expected).expanduser()


CONTENDER = """
import sys
from rushlight_numba.codegen import cache

codes = {cache.key(str(i)): bytes([i]) * 50_000 for i in range(8)}
for turn in range(50):
    for key, code in codes.items():
        found = cache.read(key)
        assert found is None or found == code
        cache.write(key, code)
        assert cache.read(key) == code
"""


def test_processes_write_the_same_entries_at_once(entry):
    command = [sys.executable, "-c", CONTENDER]
    processes = [subprocess.Popen(command) for _ in range(3)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    expected = {f"{cache.key(str(i))}.o" for i in range(8)}
    assert {found.name for found in entry.parent.iterdir()} == expected
