"""Labels: class names as short as pictures need them, and still told apart.  Knows no pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence

LENGTH = 14  # letters of a label
GAP = "…"


def labels(names: Sequence[str], drawable: Callable[[str], bool]) -> list[str]:
    """A label for each name, all different; a short name is its own.

    Of names that are alike at both ends it keeps where they differ; if that is too long, the number
    of the class, from 1.
    drawable: whether a character can be drawn; others, and what is not printed, are escaped.
    """
    spelt = ["".join([spelling(character, drawable) for character in name]) for name in names]
    found = [ends(name) for name in spelt]
    for alike in collisions(found):
        for i, label in zip(alike, middles([spelt[i] for i in alike]), strict=True):
            found[i] = label
    for alike in collisions(found):
        for i in alike:
            found[i] = ends(f"{i + 1} {spelt[i]}")
    return found


def spelling(character: str, drawable: Callable[[str], bool]) -> str:
    r"""A character, or its escape: \u9ce5."""
    if character.isprintable() and drawable(character):
        return character
    return character.encode("unicode_escape").decode()


def collisions(found: Sequence[str]) -> list[list[int]]:
    """The places of labels that are equal to others, by label."""
    places: dict[str, list[int]] = {}
    for i, label in enumerate(found):
        places.setdefault(label, []).append(i)
    return [alike for alike in places.values() if len(alike) > 1]


def ends(name: str) -> str:
    """The name, or its beginning and its end."""
    half = LENGTH // 2
    return name if len(name) <= LENGTH else f"{name[: half - 1]}{GAP}{name[-half:]}"


def middles(names: Sequence[str]) -> list[str]:
    """Where these names differ, with as much of what they share around it as there is room for."""
    start = shared(names)
    end = shared([name[start:][::-1] for name in names])
    room = LENGTH - 2 * len(GAP) - max(len(name) - start - end for name in names)
    before = max(start - max(room, 0) // 2, 0)
    found = []
    for name in names:
        stop = min(len(name) - end + max(room - (start - before), 0), len(name))
        found.append(f"{GAP * (before > 0)}{name[before:stop]}{GAP * (stop < len(name))}")
    return [ends(label) for label in found]


def shared(names: Sequence[str]) -> int:
    """How many letters these names begin with together."""
    places = enumerate(zip(*names, strict=False))
    return next((i for i, met in places if len(set(met)) > 1), min(map(len, names)))
