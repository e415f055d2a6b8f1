"""The walk along the tape, from a result to the leaves.  Knows neither tensors nor operations.

It is the same for tensors and for scalars: what differs is how a cotangent is mended to fit a node.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from ..errors import NoGradient
from ..node import SPENT, Leaf, Node


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

    No recursion, so the length of a chain is bounded by memory only.  Each node is visited once, when all
    that it feeds has been; with keep=False it is emptied there, so memory falls as the walk goes on.
    """
    uses = count_uses([root for root, _ in roots])
    wanted = leading_to(uses, targets) if prune else uses
    cotangents: dict[Node, Any] = {}
    ends: dict[Node, Any] = {}
    for root, g in roots:
        cotangents[root] = cotangents[root] + g if root in cotangents else g
    ready = [root for root in cotangents if uses[root] == 0]
    while ready:
        node = ready.pop()
        g = cotangents.pop(node, None)
        if g is not None and (isinstance(node, Leaf) or node in targets):
            ends[node] = g
        edges = node.edges
        if g is not None and edges and node in wanted:
            for edge, gx in zip(edges, node.op.cotangents(node, g), strict=True):
                if edge is not None and gx is not None:
                    gx = mend(gx, edge)
                    before = cotangents.get(edge)
                    cotangents[edge] = gx if before is None else before + gx
            gx = None  # nothing here holds a cotangent longer than the walk needs it
        for edge in edges:
            if edge is not None:
                left = uses[edge] = uses[edge] - 1
                if left == 0:
                    ready.append(edge)
        if not keep and edges:
            node.spend()
    return ends


def count_uses(roots: list[Node]) -> dict[Node, int]:
    """How many edges lead to each node that can be reached.  Raises: NoGradient where the tape was used up."""
    uses = dict.fromkeys(roots, 0)
    found = list(uses)
    for node in found:  # grows as it goes
        if node.op is SPENT:
            raise NoGradient(
                "backward: the tape was used up by an earlier backward pass; pass retain_graph=True there"
            )
        for edge in node.edges:
            if edge is not None:
                count = uses.get(edge)
                if count is None:
                    uses[edge] = 1
                    found.append(edge)
                else:
                    uses[edge] = count + 1
    return uses


def leading_to(nodes: dict[Node, int], targets: Collection[Node]) -> set[Node]:
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
