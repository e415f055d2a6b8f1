"""Object code on disk, by the digest of all that it was made from.

Knows nothing of what the bytes are.  $RUSHLIGHT_CACHE names the folder, else it is the platform's.
Several processes may share it: an entry appears whole or not at all, and one that is damaged reads
as absent.  A folder that cannot be written is a cache that stays empty.  Nothing is ever removed.

That the folder cannot be written, and that compiling takes long, is told to the logger
`rushlight.numba`, as a warning: where logging is left as it is, a line on standard error.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

FORMAT = b"rushlight object 1\n"  # first in every entry, then the length, the digest, the bytes
LENGTH_BYTES = 8
DIGEST_BYTES = 32
HEAD_BYTES = len(FORMAT) + LENGTH_BYTES + DIGEST_BYTES
PATIENCE_S = 2.0  # of compiling before the first line; each further one comes after twice as long
LOGGER = logging.getLogger("rushlight.numba")


def folder() -> Path:
    """Where entries lie: $RUSHLIGHT_CACHE, or `rushlight` in the platform's folder of caches."""
    given = os.environ.get("RUSHLIGHT_CACHE")
    if given:
        return Path(given)
    if sys.platform == "darwin":
        return Path("~/Library/Caches/rushlight").expanduser()
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", "~/AppData/Local"), "rushlight").expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "rushlight").expanduser()


def key(*parts: str) -> str:
    """The name of the entry made from these texts, in this order."""
    digest = hashlib.sha256(FORMAT)
    for part in parts:
        encoded = part.encode()
        digest.update(len(encoded).to_bytes(LENGTH_BYTES, "little") + encoded)
    return digest.hexdigest()


def _place(key: str) -> Path:
    return folder() / f"{key}.o"


def _head(code: bytes) -> bytes:
    length = len(code).to_bytes(LENGTH_BYTES, "little")
    return FORMAT + length + hashlib.sha256(code).digest()


class Pace:
    """How long this process has compiled, in seconds, and when it says so next."""

    def __init__(self) -> None:
        self.spent_s, self.told_at_s = 0.0, PATIENCE_S

    def add(self, seconds: float) -> None:
        """So much more was spent."""
        self.spent_s += seconds
        if self.spent_s > self.told_at_s:
            self.told_at_s = 2 * self.spent_s
            LOGGER.warning("rushlight: compiling for this processor: %.1f s so far", self.spent_s)


PACE = Pace()


def kept(key: str, make: Callable[[], bytes]) -> bytes:
    """What was written under `key`; else what `make` makes, which is then kept."""
    code = read(key)
    if code is None:
        began = perf_counter()
        code = make()
        PACE.add(perf_counter() - began)
        write(key, code)
    return code


def read(key: str) -> bytes | None:
    """What was written under `key`; None if nothing was, or not all of it is there."""
    try:
        entry = _place(key).read_bytes()
    except (OSError, RuntimeError):  # RuntimeError: nobody knows the user's home
        return None
    code = entry[HEAD_BYTES:]
    return code if entry[:HEAD_BYTES] == _head(code) else None


def write(key: str, code: bytes) -> None:
    """Keep `code` under `key`; where the folder cannot be written, say so once."""
    try:
        place = _place(key)
    except RuntimeError as error:  # nobody knows the user's home
        unkept(str(error))
        return
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=place.parent, prefix=f"{key}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(_head(code) + code)
            Path(temporary).replace(place)
        except BaseException:  # an interrupt too leaves no half-written file behind
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        unkept(f"{place.parent}: {error.strerror}")


@functools.cache
def unkept(reason: str) -> None:
    """Say that compiled code is not kept; a second time, nothing."""
    LOGGER.warning(
        "rushlight: compiled code is not kept, so each process compiles anew: %s; name a folder "
        "that can be written in RUSHLIGHT_CACHE",
        reason,
    )
