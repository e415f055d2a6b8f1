"""When a nest's nodes are computed: at which loop, in which pass over the row, kept or made again.

Knows the nest only, and no instruction.
"""

from __future__ import annotations

from typing import NamedTuple

from rushlight.extend import ROW, LoopNest

# Worth keeping in the row's stash rather than computing twice: the rest costs less than a load.
DEAR = frozenset({"exp", "log", "tanh", "erf", "sin", "cos", "pow", "random"})
# What a last bit of its operand may turn into a whole step.
STEPS = frozenset({"floor", "round", "equal", "less", "floordiv", "remainder"})


class Kept(NamedTuple):
    """A value of the row that later passes read again: where in the stash, filled in which pass."""

    slot: int
    filled: int


class Schedule:
    """The order of a nest's work.

    The row is walked once per pass; a pass ends where a reduction along the row must be known.
    depth: per node, how many loops must have a value before it can be computed; one that stands
    in every lane has as many as there are loops.
    at: per node, the first pass that can use it; of one in lanes, the first that can compute it.
    """

    def __init__(self, nest: LoopNest) -> None:
        self.nest = nest
        self.last = len(nest.extents) - 1
        self.at: list[int] = []
        self.depth: list[int] = []
        for i, x in enumerate(nest.nodes):
            ends = x.op in ROW
            self.at.append(max((self.at[a] for a in x.args), default=0) + ends)
            deep = self.last if self.at[i] else 0
            self.depth.append(max([deep, *(d + 1 for d in x.loops)]))
        self.reductions = [i for i, x in enumerate(nest.nodes) if x.op in ROW]
        inside = [k for k in range(len(nest.stores)) if self.is_in_lanes(k)]
        self.row_stores = [k for k in range(len(nest.stores)) if k not in inside]
        ends_of = [self.at[i] for i in self.reductions]
        self.passes = max([*ends_of, *(self.stored_at(k) + 1 for k in inside)], default=0)
        self.stores = [[k for k in inside if self.stored_at(k) == p] for p in range(self.passes)]
        self.stash: dict[int, Kept] = {}
        self.slots = 0
        self._keep()
        self.stepped = self._stepped()

    def in_lanes(self, node: int) -> bool:
        """Whether it differs from lane to lane."""
        return self.depth[node] > self.last

    def stored(self, store: int) -> list[int]:
        """The nodes that a store needs: what it writes, and the index of one at an index."""
        s = self.nest.stores[store]
        return [s.node] if s.at is None else [s.node, s.at[0]]

    def stored_at(self, store: int) -> int:
        """The first pass in which a store can be done."""
        return max(self.at[i] for i in self.stored(store))

    def is_in_lanes(self, store: int) -> bool:
        """Whether a store writes along the row."""
        s = self.nest.stores[store]
        return bool(s.access.strides[self.last]) or self.in_lanes(s.node)

    def ended(self, number: int) -> list[int]:
        """The reductions that a pass computes."""
        return [i for i in self.reductions if self.at[i] == number + 1]

    def heads(self, number: int) -> list[int]:
        """The nodes that a pass reduces or stores."""
        reduced = [self.nest.nodes[i].args[0] for i in self.ended(number)]
        return reduced + [i for k in self.stores[number] for i in self.stored(k)]

    def needed(self, number: int) -> tuple[list[int], list[int]]:
        """What a pass computes in lanes, and which scalars its lanes use."""
        lanes: dict[int, None] = {}
        scalars: dict[int, None] = {}
        waiting = self.heads(number)
        while waiting:
            i = waiting.pop()
            if not self.in_lanes(i):
                scalars[i] = None
            elif i not in lanes:
                lanes[i] = None
                if not self.is_kept_from(i, number):
                    waiting += self.nest.nodes[i].args
        return list(lanes), list(scalars)

    def is_kept_from(self, node: int, number: int) -> bool:
        """Whether a pass finds it in the stash."""
        return node in self.stash and self.stash[node].filled < number

    def last_use(self, read: int) -> int:
        """The last pass that reads an access in lanes; -1 if none does."""
        nodes = self.nest.nodes
        uses = [
            number
            for number in range(self.passes)
            for i in self.needed(number)[0]
            if (nodes[i].op, nodes[i].param) == ("read", read) and not self.is_kept_from(i, number)
        ]
        return max(uses, default=-1)

    def _keep(self) -> None:
        """Decide what lies in the stash: what is dear and needed in several passes."""
        first: dict[int, int] = {}
        for number in range(self.passes):
            seen: set[int] = set()
            waiting = self.heads(number)[::-1]
            while waiting:
                i = waiting.pop()
                if i in seen or not self.in_lanes(i):
                    continue
                seen.add(i)
                if first.setdefault(i, number) < number and self._is_dear(i):
                    if i not in self.stash:
                        self.stash[i] = Kept(self.slots, first[i])
                        self.slots += 2 if self.nest.nodes[i].dtype.itemsize == 8 else 1
                    continue
                waiting += self.nest.nodes[i].args

    def _is_dear(self, node: int) -> bool:
        """Whether computing a floating value costs more than keeping it."""
        if self.nest.nodes[node].dtype.kind in "biu":
            return False
        seen: set[int] = set()
        waiting = [node]
        while waiting:
            i = waiting.pop()
            if i in seen or not self.in_lanes(i) or (i in self.stash and i != node):
                continue
            seen.add(i)
            if self.nest.nodes[i].op in DEAR:
                return True
            waiting += self.nest.nodes[i].args
        return False

    def _stepped(self) -> set[int]:
        """Nodes that a step follows, so that they must be rounded as they are when alone."""
        found: set[int] = set()
        for i in reversed(range(len(self.nest.nodes))):
            x = self.nest.nodes[i]
            digits = x.op == "cast" and x.dtype.kind in "biu"
            if i in found or x.op in STEPS or digits:
                found.update(x.args)
        return found
