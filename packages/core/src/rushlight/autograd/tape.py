"""The walk along the tape, from a result to the leaves.  Knows neither tensors nor operations.

It is the same for tensors and for scalars: what differs is how a cotangent is mended to fit a node.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from itertools import repeat
from typing import Any

from ..errors import NoGradient
from ..node import SPENT, Node


def walk(
    roots: list[tuple[Node, Any]],
    mend: Callable[[Any, Node], Any],
    *,
    targets: Collection[Node] = (),
    prune: bool = False,
    keep: bool = False,
) -> dict[Node, Any]:
    """The cotangents of all leaves (and targets) under the roots, given the roots' own.

    mend: brings a cotangent to the shape and type of a node's result.
    prune: visit only what leads to a target.  keep: do not use the tape up.
    Raises: NoGradient where the tape was used up.

    No recursion, so the length of a chain is bounded by memory only.  Each node is visited once,
    when all that it feeds has been; with keep=False it is emptied there, so memory falls as the
    walk goes on.
    """
    states, leaves = count_uses([root for root, _ in roots])
    wanted = leading_to(states, targets) if prune else ()
    ends: dict[Node, Any] = {}
    for root, g in roots:
        state = states[root]
        state[1] = g if state[1] is None else state[1] + g
    ready = [states[root] for root in dict(roots) if not states[root][0] and root.edges]
    while ready:
        state = ready.pop()
        _, g, node = state
        state[1] = None
        if targets and g is not None and node in targets:
            ends[node] = g
        if g is None or (prune and node not in wanted):
            given: Any = repeat(None)
        else:
            given = node.op.cotangents(node, g)
        for edge, gx in zip(node.edges, given):  # noqa: B905  strict costs a tenth
            if edge is not None:
                state = states[edge]
                if gx is not None:
                    gx = mend(gx, edge)
                    state[1] = gx if state[1] is None else state[1] + gx
                state[0] -= 1
                if not state[0] and edge.edges:
                    ready.append(state)
        if not keep:
            node.spend()
        g = gx = given = None  # nothing here holds a cotangent longer than the walk needs it
    for leaf in leaves:
        g = states[leaf][1]
        if g is not None:
            ends[leaf] = g
    return ends


def count_uses(roots: list[Node]) -> tuple[dict[Node, list[Any]], list[Node]]:
    """The state of each node that can be reached, and the leaves.

    A state: [how many edges lead to the node, room for its cotangent, the node].
    Raises: NoGradient where the tape was used up.
    """
    states: dict[Node, list[Any]] = {root: [0, None, root] for root in roots}
    leaves = []
    found = list(states)
    for node in found:  # grows as it goes
        edges = node.edges
        if not edges:
            if node.op is SPENT:
                raise NoGradient(
                    "backward: the tape was used up by an earlier backward pass; pass "
                    "retain_graph=True there"
                )
            leaves.append(node)
        for edge in edges:
            if edge is not None:
                state = states.get(edge)
                if state is None:
                    states[edge] = [1, None, edge]
                    found.append(edge)
                else:
                    state[0] += 1
    return states, leaves


def leading_to(nodes: Collection[Node], targets: Collection[Node]) -> set[Node]:
    """The nodes from which a target can be reached."""
    found = set(targets)
    consumers: dict[Node, list[Node]] = {}
    for node in nodes:
        for edge in node.edges:
            if edge is not None:
                consumers.setdefault(edge, []).append(node)
    ready = list(found)
    while ready:
        for node in consumers.get(ready.pop(), ()):
            if node not in found:
                found.add(node)
                ready.append(node)
    return found
