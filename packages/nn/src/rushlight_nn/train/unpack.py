"""The content of gzip files, unpacked piece by piece.  Knows nothing of what they hold.

Unlike Python's own reader it says at which byte of the file a damage was met.
"""

from __future__ import annotations

import zlib
from io import BufferedReader
from typing import Protocol

from rushlight import FileRefused

MAGIC = b"\x1f\x8b"
GZIP = zlib.MAX_WBITS | 16  # what zlib calls the gzip format
CHUNK_BYTES = 1 << 16


class Damaged(FileRefused):
    """A gzip file that does not unpack whole."""


class Readable(Protocol):
    """An open file, unpacked or not."""

    def read(self, size: int, /) -> bytes:
        """At most size bytes; none at the end."""


class Decompressor(Protocol):
    """What zlib.decompressobj returns, as far as it is used here."""

    def decompress(self, data: bytes, /) -> bytes:
        """What these bytes unpack to.  Raises: zlib.error."""


def is_packed(file: BufferedReader) -> bool:
    """Whether a file opened just now begins as gzip's do; it stays at its beginning."""
    return file.peek(len(MAGIC)).startswith(MAGIC)


class Unpacked:
    """What a gzip file holds: its members one after the other, zeros after them left out.

    Source: P. Deutsch, GZIP file format specification, RFC 1952, 1996, 2.2 and 2.3.
    """

    def __init__(self, name: str, file: Readable) -> None:
        """name: of the file, for errors."""
        self.name, self.file = name, file
        self.packed, self.offset = b"", 0  # what is still to unpack, and where it stands
        self.member = zlib.decompressobj(GZIP)

    def read(self, size: int, /) -> bytes:
        """At most size bytes; none at the end.

        Raises: Damaged with the offset in the packed file at which the damage is met.
        """
        while self._goes_on():
            piece = self._unpack(size)
            if piece:
                return piece
        return b""

    def check(self) -> None:
        """Read the rest, up to the checksum at its end.  Raises: Damaged if that is another."""
        while self.read(CHUNK_BYTES):
            pass

    def _goes_on(self) -> bool:
        """Whether there are packed bytes; gets them, and begins the next member where one ends."""
        if not self.member.eof:
            if not self.packed and not self._fill():
                raise Damaged(
                    f"{self.name}: ends at offset {self.offset}; "
                    "expected its gzip stream to go on there, fetch the file again"
                )
            return True
        while not (rest := self.packed.lstrip(b"\0")):
            self._keep(rest)
            if not self._fill():
                return False
        self._keep(rest)
        self.member = zlib.decompressobj(GZIP)
        return True

    def _fill(self) -> bool:
        self.packed = self.file.read(CHUNK_BYTES)
        return bool(self.packed)

    def _keep(self, rest: bytes) -> None:
        self.offset += len(self.packed) - len(rest)
        self.packed = rest

    def _unpack(self, size: int) -> bytes:
        before = self.member.copy()
        try:
            piece = self.member.decompress(self.packed, size)
        except zlib.error as broken:
            raise Damaged(
                f"{self.name}: the gzip stream is damaged at or before offset "
                f"{self.offset + readable(before, self.packed)} "
                f"({str(broken).rpartition(': ')[2]}); "
                "expected one that unpacks whole, fetch the file again"
            ) from broken
        self._keep(self.member.unused_data if self.member.eof else self.member.unconsumed_tail)
        return piece


def readable(member: Decompressor, packed: bytes) -> int:
    """How many of these bytes can be unpacked before the one that cannot."""
    for i in range(len(packed)):
        try:
            member.decompress(packed[i : i + 1])
        except zlib.error:
            return i
    return len(packed)
