"""Attributes that a function reads while it is traced: a program holds while they stay as they are.

Knows no module: a class is watched once it says so, and only while something is traced.
"""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any

PLAIN = frozenset({bool, int, float, str, type(None)})
ABSENT = object()  # what is found of an attribute that the object itself does not hold

watched: dict[type[Any], Collection[str]] = {}
reading: ContextVar[dict[Any, Any] | None] = ContextVar("reading", default=None)
_lock = Lock()
_traces: list[None] = []  # one for each that goes on, in any thread


def watch(cls: type[Any], besides: Collection[str] = ()) -> None:
    """Let programs hold only while the plain attributes of its objects stay as read, or absent.

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
                unwatch()


def unwatch() -> None:
    """Look attributes up as always."""
    for cls in watched:
        if "__getattribute__" in vars(cls):
            del cls.__getattribute__


def _forget() -> None:
    """In the child of a fork: who traced did not follow."""
    global _lock  # noqa: PLW0603  it may be held for ever
    _lock = Lock()
    _traces.clear()
    unwatch()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def reader(besides: Collection[str]) -> Any:
    """An attribute lookup that notes what it finds."""

    def read(self: Any, name: str) -> Any:
        found = reading.get()
        if found is None or name in besides:
            return object.__getattribute__(self, name)
        value = ABSENT
        try:
            value = object.__getattribute__(self, name)
            return value
        finally:
            if value is ABSENT or type(value) in PLAIN:
                held = object.__getattribute__(self, "__dict__")
                found.setdefault((id(held), name), (held, held.get(name, ABSENT)))

    return read
