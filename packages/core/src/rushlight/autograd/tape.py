"""The walk along the tape, from a result to the leaves.  Knows neither tensors nor operations.

It is the same for tensors and for scalars: what differs is how a cotangent is mended to fit a node.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from itertools import repeat
from typing import Any

from ..errors import NoGradient
from ..node import HOOKED, SPENT, Node, hooked


def walk(  # noqa: C901, PLR0912  one loop, the hottest: calls in it would cost a tenth of a step
    roots: dict[Node, Any],
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
    walk goes on.  Hooks are called on the way; those of leaves are the caller's.
    """
    uses = count_uses(roots)
    wanted = leading_to(uses, targets) if prune else ()
    ends: dict[Node, Any] = {}
    held: dict[Node, Any] = {}  # what has arrived at nodes that wait for more
    ready: list[tuple[Node, Any]] = []
    for root, g in roots.items():
        if uses[root]:
            held[root] = g
        elif root.edges:
            ready.append((root, g))
        else:
            ends[root] = g
    while ready:
        node, g = ready.pop()
        if targets and g is not None and node in targets:
            ends[node] = g
        if HOOKED and g is not None:
            g = mend(hooked(node, g), node)
            if node in ends and node not in wanted:  # as PyTorch has it: where the walk ends here
                ends[node] = g
        if g is None or (prune and node not in wanted):
            given: Any = repeat(None)
        else:
            given = node.op.cotangents(node, g)
        for edge, gx in zip(node.edges, given):
            if edge is None:
                continue
            if gx is not None:
                gx = mend(gx, edge)
            if held and edge in held:
                before = held.pop(edge)
                gx = before if gx is None else before + gx
            if uses[edge] > 1:
                uses[edge] -= 1
                if gx is not None:
                    held[edge] = gx
            elif edge.edges:
                ready.append((edge, gx))
            elif gx is not None:
                ends[edge] = gx
        if not keep and (not prune or node in wanted):
            node.spend()
        g = gx = given = before = None  # nothing here holds a cotangent longer than the walk needs
    return ends


def gathered(roots: Iterable[tuple[Node, Any]]) -> dict[Node, Any]:
    """Roots with their cotangents, those of the same node added up."""
    found: dict[Node, Any] = {}
    for node, g in roots:
        found[node] = found[node] + g if node in found else g
    return found


def count_uses(roots: Iterable[Node]) -> dict[Node, int]:
    """For each node that can be reached, how many edges lead to it.

    Raises: NoGradient where the tape was used up.
    """
    uses = dict.fromkeys(roots, 0)
    found = list(uses)
    for node in found:  # grows as it goes
        for edge in node.edges:
            if edge is not None:
                if edge in uses:
                    uses[edge] += 1
                else:
                    uses[edge] = 1
                    found.append(edge)
        if not node.edges and node.op is SPENT:
            raise NoGradient(
                "backward: the tape was used up by an earlier backward pass; pass "
                "retain_graph=True there"
            )
    return uses


def leading_to(nodes: Collection[Node], targets: Collection[Node]) -> set[Node]:
    """The nodes from which a target can be reached, by one edge at least."""
    found: set[Node] = set()
    consumers: dict[Node, list[Node]] = {}
    for node in nodes:
        for edge in node.edges:
            if edge is not None:
                consumers.setdefault(edge, []).append(node)
    ready = list(targets)
    while ready:
        for node in consumers.get(ready.pop(), ()):
            if node not in found:
                found.add(node)
                ready.append(node)
    return found
