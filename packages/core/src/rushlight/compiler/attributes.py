"""Attributes that a function reads while it is traced: a program holds while they stay as they are.

Knows no module: a class is watched once it says so, and only while something is traced.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any

PLAIN = frozenset({bool, int, float, str, type(None)})

watched: dict[type[Any], Collection[str]] = {}
reading: ContextVar[dict[Any, Any] | None] = ContextVar("reading", default=None)
_lock = Lock()
_traces: list[None] = []  # one for each that goes on, in any thread


def watch(cls: type[Any], besides: Collection[str] = ()) -> None:
    """Let programs hold only while the plain attributes of objects of this class stay as read.

    besides: names of those that need no watching.
    """
    watched[cls] = besides


@contextmanager
def noted() -> Iterator[dict[Any, Any]]:
    """Inside, plain attributes that are read: {(id of an object's dict, name): (dict, value)}."""
    found: dict[Any, Any] = {}
    with _lock:
        _traces.append(None)
        for cls, besides in watched.items():
            if "__getattribute__" not in vars(cls):
                cls.__getattribute__ = reader(besides)
    token = reading.set(found)
    try:
        yield found
    finally:
        reading.reset(token)
        with _lock:
            _traces.pop()
            if not _traces:
                for cls in watched:
                    del cls.__getattribute__


def reader(besides: Collection[str]) -> Any:
    """An attribute lookup that notes what it finds."""

    def read(self: Any, name: str) -> Any:
        value = object.__getattribute__(self, name)
        found = reading.get()
        if found is not None and type(value) in PLAIN and name not in besides:
            held = object.__getattribute__(self, "__dict__")
            if name in held:
                found.setdefault((id(held), name), (held, value))
        return value

    return read
