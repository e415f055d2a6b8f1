"""A claim: for as long as one process writes in a folder, no other begins to.

It is a lock on a file in that folder, which the system lets go of when the process ends in whatever
way; so what a killed one leaves behind claims nothing.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LOCK = ".lock"


class Claimed(Exception):
    """Another process holds the claim."""


@contextmanager
def claim(folder: Path) -> Iterator[None]:
    """Hold a folder for the `with` block; it is made, and removed afterwards if it stayed empty.

    Where files cannot be written or locked (on Windows) the block runs without a claim.
    Raises: Claimed.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    descriptor = locked(folder)
    try:
        yield
    finally:
        if descriptor is not None:
            (folder / LOCK).unlink(missing_ok=True)
            os.close(descriptor)
        with suppress(OSError):  # not empty, or never made
            for path in made:
                path.rmdir()


def locked(folder: Path) -> int | None:
    """The open lock of a folder; None where there are none.  Raises: Claimed."""
    if sys.platform == "win32":
        return None
    import fcntl

    path = folder / LOCK
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # The holder before removes its file: a lock on that one would claim nothing.
                if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
                    return descriptor
            except BlockingIOError:
                os.close(descriptor)
                raise Claimed from None
            os.close(descriptor)
    return None
