"""The pull-back of an operation: from the cotangent of its result to those of its inputs.

A closure over what was stated, made anew when more is: a backward pass calls one for every node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from . import straight
from .dtypes import FLOATING
from .errors import NoGradient, StaleValue
from .node import Node

if TYPE_CHECKING:
    from .op import Operation

Rule = Callable[..., Any]
Pullback = Callable[[Node, Any], Iterable[Any]]  # one cotangent per edge, None where none is asked


def of(op: Operation) -> Pullback:
    """The pull-back by the rules stated so far."""
    if op.backward is not None:
        return jointly(op)
    return separately(op) if op.has_rule else nowhere(op)


def nowhere(op: Operation) -> Pullback:
    """No gradient is stated."""

    def cotangents(_node: Node, _g: Any) -> Iterable[Any]:
        raise NoGradient(f"{op.name}: has no gradient; detach() its input if none is meant")

    return cotangents


def separately(op: Operation) -> Pullback:
    """By one rule per input, run only if that input asks."""
    pulls = [pull(op, i, op.rules.get(i)) for i in range(len(op.inputs))]

    def of_one(node: Node, g: Any) -> Iterable[Any]:
        (x,) = node.edges
        return (x and pulls[0](g, node, x),)

    def of_two(node: Node, g: Any) -> Iterable[Any]:
        x, y = node.edges
        return x and pulls[0](g, node, x), y and pulls[1](g, node, y)

    def of_several(node: Node, g: Any) -> Iterable[Any]:
        return [x and pull(g, node, x) for x, pull in zip(node.edges, pulls)]

    return {1: of_one, 2: of_two}.get(len(pulls), of_several)


def pull(op: Operation, i: int, rule: Rule | None) -> Callable[[Any, Node, Node], Any]:
    """The rule of input i as a function of g, the node, and the node at its edge."""
    if rule is None:
        return lambda _g, _node, _edge: None
    names = names_of(rule)

    def by_g(g: Any, _node: Node, _edge: Node) -> Any:
        return rule(g)

    def by_input(g: Any, node: Node, _edge: Node) -> Any:
        saved = node.saved
        x, data = saved[0][j], saved[1][j]
        if x is not data and x._data is not data:
            refuse_stale(op, x, data)
        return rule(g, x)

    def by_result(g: Any, node: Node, _edge: Node) -> Any:
        return rule(g, revived(node, g))

    def by_all(g: Any, node: Node, edge: Node) -> Any:
        inputs, used = node.saved[:2]
        for x, data in zip(inputs, used):
            if x is not data and x._data is not data:
                refuse_stale(op, x, data)
        z = revived(node, g) if "z" in names else None
        return rule(*pick([g, edge.shape, z, *node.params, *inputs]))

    pick = picker(op, names, shape_of=op.inputs[i])
    if names == ("g",):
        return by_g
    if names == ("g", "z"):
        return by_result
    if len(names) == 2 and names[0] == "g" and names[1] in op.inputs:
        j = op.inputs.index(names[1])
        return by_input
    return by_all


def jointly(op: Operation) -> Pullback:
    """By one rule for all inputs, which is itself an operation."""
    forward, backward, keeps_result = op.forward, op.backward, op.keeps_result
    assert backward is not None
    name, count, fixed, variadic = backward.name, len(backward.inputs), len(op.inputs), op.variadic
    pick = picker(op, (*backward.inputs, *backward.params))

    def cotangents(node: Node, g: Any) -> Iterable[Any]:
        inputs, used, result, residuals, specs = node.saved
        for x, data in zip(inputs, used):
            # the first two comparisons settle nearly every case without asking the interpreter
            if x is not data and x._data is not data:
                refuse_stale(op, x, data)
        edges = node.edges
        asked = ALL[len(edges)] if None not in edges else tuple([e is not None for e in edges])
        mode, device = straight.current(), g.device
        if variadic or mode.recording or not mode.eager:
            return by_operation(node, g, asked)
        environment = (g._data, None, result, *node.params, *used, *residuals, asked, specs)
        try:
            made = device.kernels[name](*pick(environment))
        except Exception:  # the operation says what is wrong
            return by_operation(node, g, asked)
        return straight.several_of(made, device)

    def by_operation(node: Node, g: Any, asked: tuple[bool, ...]) -> Iterable[Any]:
        inputs, _, _, residuals, specs = node.saved
        if straight.current().recording and any(r.dtype in FLOATING for r in residuals):
            # they depend on the inputs, and so must their derivative
            assert forward is not None
            residuals = forward.call(*inputs, **op.named(node.params))[1:]
        else:
            residuals = [straight.wrap(r, g.device) for r in residuals]
        z = revived(node, g) if keeps_result else None
        if variadic:
            inputs = (*inputs[:fixed], inputs[fixed:])
        values = pick([g, None, z, *node.params, *inputs, *residuals, asked, specs])
        found: Iterable[Any] = backward.run(values[:count], values[count:])
        return found

    return cotangents


def picker(op: Operation, names: Sequence[str], shape_of: str = "") -> Callable[[Any], Any]:
    """A function from the environment of a rule to the values of these names."""
    where = readable(op, names, shape_of)
    places = [where.index(name) for name in names]
    if len(places) == 1:
        return lambda environment: (environment[places[0]],)
    return itemgetter(*places)


def readable(op: Operation, names: Sequence[str], shape_of: str = "") -> list[str]:
    """The environment of a rule: g, the shape of the rule's own input, z, parameters, and so on.

    Raises: NameError if a rule that reads these names reads anything else.
    """
    where = ["g", f"{shape_of}_shape", "z", *op.params, *op.inputs]
    where += [op.variadic] if op.variadic else []
    where += [*op.residuals, "asked", "specs"]
    unknown = [name for name in names if name not in where]
    if unknown:
        raise NameError(f"{op.name}: its rule reads {unknown}; it may read {sorted(where)}")
    return where


def names_of(function: Any) -> tuple[str, ...]:
    """The names of a function's parameters."""
    code = function.__code__
    return tuple(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])


def revived(node: Node, g: Any) -> Any:
    """The result of the node, which kept only what it holds."""
    z = straight.Tensor()
    z._data, z.device, z._base = node.saved[2], g.device, None
    z._node = node if straight.current().recording else None
    return z


def refuse_stale(op: Any, x: Any, data: Any) -> None:
    """Raises: StaleValue, unless x still holds this for the interpreter."""
    if straight.current().read(x) is not data:
        raise StaleValue(
            f"backward: {op.name} reads a {x.spec} that was assigned in place since; "
            f"call backward() first, or use the tensor's clone()"
        )


class Asked(dict[int, tuple[bool, ...]]):
    """For each number of inputs: all of them ask for a gradient."""

    def __missing__(self, count: int) -> tuple[bool, ...]:
        self[count] = (True,) * count
        return self[count]


ALL = Asked()
