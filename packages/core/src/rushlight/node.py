"""Node: one step of the tape; edges lead to inputs.  Knows neither tensors nor operations."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from typing import Any
from weakref import ref


class Node:
    """How a result was made: only what the gradient rules of its operation read.

    op: the operation, or what else has a `name` and `cotangents(node, g)`: one cotangent per edge,
        given the result's; None where the edge is None.
    edges: for each input the node that made it, None where no gradient is asked.
    shape, dtype: of the result; a cotangent that reaches this node is brought to them.
    params: the operation's parameters, in order; once spent, its name.
    saved: what the rules read: the inputs (None for those that are not read), their data when they
        were used, the result's data, that of the residuals of the forward pass, the inputs' specs.
    """

    # No __init__: an operation sets the slots itself, which costs a third of a call.
    __slots__ = ("__weakref__", "dtype", "edges", "hooks", "op", "params", "saved", "shape")
    op: Any
    edges: tuple[Node | None, ...]
    shape: tuple[int, ...]
    dtype: Any
    params: tuple[Any, ...]
    saved: tuple[Any, ...]
    hooks: dict[int, Hook]  # unset where there are none

    @property
    def name(self) -> str:
        """The operation's name, as PyTorch's grad_fn.name()."""
        return str(self.params[0] if self.op is SPENT else self.op.name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name}>"

    def spend(self) -> None:
        """Forget everything: its backward pass was taken."""
        self.params = (self.op.name,)
        self.op, self.edges, self.saved = SPENT, (), NOTHING


NOTHING: tuple[Any, ...] = ((), (), None, (), ())  # what a node saves whose rules read nothing


Hook = Callable[[Any], Any]
HOOKED: dict[ref[Node], None] = {}  # the nodes that have hooks: asked at each step of a walk


def hooked(node: Node, g: Any) -> Any:
    """What the hooks of a node make of its cotangent, in the order of registration.

    Those that say they are `last` come after all others.
    """
    hooks = getattr(node, "hooks", {}).values()
    for hook in sorted(hooks, key=lambda hook: getattr(hook, "last", False)):
        g = hook(g)
    return g


keys = count()


class Removable:
    """Takes a hook away again."""

    def __init__(self, node: Node, hook: Hook) -> None:
        if not hasattr(node, "hooks"):
            node.hooks = {}
            HOOKED[ref(node, HOOKED.pop)] = None
        self.hooks = node.hooks
        self.key = next(keys)  # not id(): a handle may be dropped, and its hook stays
        self.hooks[self.key] = hook

    def remove(self) -> None:
        """Call the hook no more."""
        self.hooks.pop(self.key, None)


class Leaf(Node):
    """Where a tape ends: a tensor that asks for its own gradient, held weakly."""

    __slots__ = ("tensor",)
    tensor: ref[Any]


class End:
    """The operation of a leaf's node: none."""

    name = "leaf"

    def cotangents(self, node: Node, g: Any) -> Iterable[Any]:
        raise AssertionError("unreachable: the walk stops at leaves")


class Spent:
    """The operation of a node whose backward pass was taken."""

    name = "spent"

    def cotangents(self, node: Node, g: Any) -> Iterable[Any]:
        raise AssertionError("unreachable: the walk refuses a spent node")


END, SPENT = End(), Spent()
