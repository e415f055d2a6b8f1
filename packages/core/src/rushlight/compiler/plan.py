"""Plan: places in one piece of memory for what lives at different times.  Pure arithmetic."""

from bisect import insort
from collections.abc import Hashable, Mapping
from typing import NamedTuple, TypeVar

ALIGN = 64  # bytes: a line of the cache
Key = TypeVar("Key", bound=Hashable)


class Life(NamedTuple):
    """How large something is, and the first and the last record that touch it."""

    bytes: int
    first: int
    last: int


def arranged(lives: Mapping[Key, Life]) -> tuple[dict[Key, int], int]:
    """The place of each, and the bytes of all: what lives at the same time shares no byte.

    The largest are placed first, each where it first fits.
    """
    placed: list[tuple[int, int, Life]] = []  # in order
    places: dict[Key, int] = {}
    for key, life in sorted(lives.items(), key=lambda item: -item[1].bytes):
        n_bytes = -(-life.bytes // ALIGN) * ALIGN
        start = 0
        for low, high, other in placed:
            if other.last < life.first or life.last < other.first:
                continue
            if start + n_bytes <= low:
                break
            start = max(start, high)
        insort(placed, (start, start + n_bytes, life))
        places[key] = start
    return places, max((high for _, high, _ in placed), default=0)
