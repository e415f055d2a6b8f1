"""Arguments and results: containers taken apart into tensors and numbers, and rebuilt."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from ..errors import ContractError
from ..tensor import Tensor


class Place(NamedTuple):
    """Where in a structure a tensor or a number stands: the i-th of all."""

    i: int


Owner = Tensor | Place  # of a gradient: a captured tensor, or the place of an argument


class Constant:
    """Anything else in a structure: equal if it is the same object, or an equal plain value."""

    __slots__ = ("value",)
    PLAIN = (bool, int, float, str, bytes, complex, type(None))

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Constant):
            return NotImplemented
        mine, theirs = self.value, other.value
        if mine is theirs:
            return True
        return type(mine) is type(theirs) and isinstance(mine, self.PLAIN) and bool(mine == theirs)

    def __hash__(self) -> int:
        return hash(self.value) if isinstance(self.value, self.PLAIN) else id(self.value)

    def __repr__(self) -> str:
        return repr(self.value)


class Branch(NamedTuple):
    """A list, tuple, named tuple or dict of structures."""

    kind: type
    keys: tuple[Any, ...]
    parts: tuple[Any, ...]


def flatten(value: Any, leaves: list[Any], seen: dict[int, int], kinds: tuple[type, ...]) -> Any:
    """The structure of value; its leaves of these kinds are put into `leaves`, each once."""
    if not isinstance(value, Tensor) and getattr(value, "shape", None) == ():
        value = value.item()  # one of numpy's numbers
    if isinstance(value, kinds):
        i = seen.setdefault(id(value), len(leaves)) if isinstance(value, Tensor) else len(leaves)
        if i == len(leaves):
            leaves.append(value)
        return Place(i)
    if isinstance(value, (list, tuple)):
        return Branch(type(value), (), tuple([flatten(x, leaves, seen, kinds) for x in value]))
    if type(value) is dict:
        parts = [flatten(x, leaves, seen, kinds) for x in value.values()]
        return Branch(dict, tuple(map(Constant, value)), tuple(parts))
    if hasattr(value, "__array_interface__"):
        raise ContractError(
            "compile: an argument or result is a numpy array; make it a tensor with rl.from_numpy()"
        )
    return Constant(value)


def parts(structure: Any, path: str = "") -> Iterator[tuple[str, Place | Constant]]:
    """Every leaf of a structure, with the way to it: `[0]['x']`."""
    if not isinstance(structure, Branch):
        yield path, structure
        return
    keys = [key.value for key in structure.keys] or range(len(structure.parts))
    for key, part in zip(keys, structure.parts, strict=True):
        yield from parts(part, f"{path}[{key!r}]")


def rebuild(structure: Any, leaves: list[Any]) -> Any:
    """The value that has this structure and these leaves."""
    if isinstance(structure, Place):
        return leaves[structure.i]
    if isinstance(structure, Branch):
        parts = [rebuild(part, leaves) for part in structure.parts]
        if structure.kind is dict:
            return {key.value: part for key, part in zip(structure.keys, parts, strict=True)}
        named = hasattr(structure.kind, "_fields")  # a named tuple takes its parts one by one
        return structure.kind(*parts) if named else structure.kind(parts)
    return structure.value
