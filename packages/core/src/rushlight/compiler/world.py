"""World: what programs rely on that no key shows, such as the modes of modules.

Knows no program: a key contains the world in which it was made, and another world is another key.
"""

from random import getrandbits
from threading import RLock
from typing import Any
from weakref import WeakValueDictionary, finalize


class World:
    """One state of all that keys do not show.

    epoch: how often everything became stale.
    modes: the tokens of what is switched, added without carry, so that order does not matter.
    """

    __slots__ = ("__weakref__", "epoch", "modes")

    def __init__(self, epoch: int, modes: int) -> None:
        self.epoch, self.modes = epoch, modes


class Now:
    """Where the present world stands: `now.world`, compared by identity."""

    __slots__ = ("world",)
    world: World


now = Now()
now.world = World(0, 0)
_known: WeakValueDictionary[int, World] = WeakValueDictionary({0: now.world})  # by their modes
_tokens: dict[int, int] = {}  # by the id of what can be switched
_lock = RLock()


def retrace() -> None:
    """Programs traced before now are stale: what changed is of a kind that no key shows."""
    with _lock:
        _known.clear()
        _enter(now.world.epoch + 1, now.world.modes)


def switch(owner: Any) -> None:
    """One of two modes of this object, such as a module, became the other.

    Programs traced before hold again when it is switched back.
    """
    with _lock:
        token = _tokens.get(id(owner))
        if token is None:
            token = _tokens[id(owner)] = getrandbits(62)
            finalize(owner, _tokens.pop, id(owner)).atexit = False
        _enter(now.world.epoch, now.world.modes ^ token)


def _enter(epoch: int, modes: int) -> None:
    world = _known.get(modes)
    if world is None:
        world = _known[modes] = World(epoch, modes)
    now.world = world
