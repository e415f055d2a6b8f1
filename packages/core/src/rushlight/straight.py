"""The straight path of an operation: the commonest case of a call, with nothing left to decide.

The common case: the interpreter is eager, the inputs are tensors of one device and one element type
(or a number that does not change it), and the kernel succeeds.  All else, a failing kernel included,
is left to `Interpreter.apply`, which holds the whole meaning; a straight path only abbreviates it.

There is one hand-written path by form of statement.  Each is a closure over its operation, given the
statement's own parameter names, so it is called, inspected and reported like the statement itself.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any

from .dtypes import ABSORBS, FLOATING
from .node import Node

if TYPE_CHECKING:
    from .op import Interpreter, Operation

Call = Callable[..., Any]

# What the rooms above supply once they exist: the class of tensors and the current interpreter.
Tensor: type[Any]
current: Callable[[], Interpreter]


def connect(tensor_class: type[Any], current_interpreter: Callable[[], Interpreter]) -> None:
    """Close the seam; `eager` calls this once."""
    global Tensor, current
    Tensor, current = tensor_class, current_interpreter


def path(op: Operation) -> Call:
    """The function that users of this operation call."""
    form = None if op.variadic else FORMS.get((len(op.inputs), len(op.params)))
    if form is None:
        return general(op)
    call: FunctionType = form(op)  # type: ignore[assignment]
    code = call.__code__
    names = (*op.inputs, *op.params, *code.co_varnames[code.co_argcount :])
    call.__code__ = code.replace(co_varnames=names, co_name=op.name, co_qualname=op.name)
    call.__kwdefaults__, call.__defaults__ = None, op.defaults or None
    return call


def one(op: Operation) -> Call:
    """f(x)."""
    name, floating, constant, opens, keeps_result = op.traits
    keeps = op.keeps(1)

    def call(x):  # type: ignore[no-untyped-def]
        mode = current()
        if not mode.eager or not isinstance(x, Tensor):
            return mode.apply(op, (x,), ())
        device, x_, x_node = x.device, x._data, x._node
        kernel = device.kernels.get(name)
        asked = x_node is not None and mode.recording and not constant
        if kernel is None or (floating and x_.dtype not in FLOATING) or (asked and opens):
            return mode.apply(op, (x,), ())
        try:
            data = kernel(x_)
        except Exception:  # apply runs it again and says what is wrong
            return mode.apply(op, (x,), ())
        z = Tensor()
        z._data = data if type(data) is device.array else device.lift(data)
        z.device = device
        if asked:
            z._node = node = Node()
            node.op, node.edges, node.params = op, (x_node,), ()
            node.shape, node.dtype = data.shape, data.dtype
            node.inputs, node.used = ((x,), (x_,)) if keeps else ((), ())
            if keeps_result:
                node.result = z._data
        else:
            z._node = None
        return z

    return call


def two(op: Operation) -> Call:
    """f(x, y), a number allowed on either side if the operation promotes."""
    name, floating, constant, opens, keeps_result = op.traits
    keeps = [op.keeps(asked) for asked in range(4)]
    absorbs = ABSORBS if op.promotes else frozenset()

    def call(x, y):  # type: ignore[no-untyped-def]
        mode = current()
        if not mode.eager:
            return mode.apply(op, (x, y), ())
        if isinstance(x, Tensor):
            device, x_, x_node = x.device, x._data, x._node
            dtype = x_.dtype
            if isinstance(y, Tensor):
                y_, y_node = y._data, y._node
                alike = y_.dtype is dtype and y.device is device
            else:
                y_, y_node = y, None
                alike = (dtype, type(y)) in absorbs
        elif isinstance(y, Tensor):
            device, y_, y_node = y.device, y._data, y._node
            x_, x_node, dtype = x, None, y_.dtype
            alike = (dtype, type(x)) in absorbs
        else:
            return mode.apply(op, (x, y), ())
        kernel = device.kernels.get(name)
        asked = (x_node is not None or y_node is not None) and mode.recording and not constant
        if not alike or kernel is None or (floating and dtype not in FLOATING) or (asked and opens):
            return mode.apply(op, (x, y), ())
        try:
            data = kernel(x_, y_)
        except Exception:  # apply runs it again and says what is wrong
            return mode.apply(op, (x, y), ())
        z = Tensor()
        z._data = data if type(data) is device.array else device.lift(data)
        z.device = device
        if asked:
            z._node = node = Node()
            node.op, node.edges, node.params = op, (x_node, y_node), ()
            node.shape, node.dtype = data.shape, data.dtype
            keep = keeps[(x_node is not None) + 2 * (y_node is not None)]
            if keep:
                node.inputs = (x if keep & 1 else None, y if keep & 2 else None)
                node.used = (x_ if keep & 1 else None, y_ if keep & 2 else None)
            else:
                node.inputs = node.used = ()
            if keeps_result:
                node.result = z._data
        else:
            z._node = None
        return z

    return call


def one_with_one(op: Operation) -> Call:
    """f(x, p)."""
    name, floating, constant, opens, keeps_result = op.traits
    keeps = op.keeps(1)

    def call(x, p):  # type: ignore[no-untyped-def]
        mode = current()
        if not mode.eager or not isinstance(x, Tensor):
            return mode.apply(op, (x,), (p,))
        device, x_, x_node = x.device, x._data, x._node
        kernel = device.kernels.get(name)
        asked = x_node is not None and mode.recording and not constant
        if kernel is None or (floating and x_.dtype not in FLOATING) or (asked and opens):
            return mode.apply(op, (x,), (p,))
        try:
            data = kernel(x_, p)
        except Exception:  # apply runs it again and says what is wrong
            return mode.apply(op, (x,), (p,))
        z = Tensor()
        z._data = data if type(data) is device.array else device.lift(data)
        z.device = device
        if asked:
            z._node = node = Node()
            node.op, node.edges, node.params = op, (x_node,), (p,)
            node.shape, node.dtype = data.shape, data.dtype
            node.inputs, node.used = ((x,), (x_,)) if keeps else ((), ())
            if keeps_result:
                node.result = z._data
        else:
            z._node = None
        return z

    return call


def one_with_two(op: Operation) -> Call:
    """f(x, p, q)."""
    name, floating, constant, opens, keeps_result = op.traits
    keeps = op.keeps(1)

    def call(x, p, q):  # type: ignore[no-untyped-def]
        mode = current()
        if not mode.eager or not isinstance(x, Tensor):
            return mode.apply(op, (x,), (p, q))
        device, x_, x_node = x.device, x._data, x._node
        kernel = device.kernels.get(name)
        asked = x_node is not None and mode.recording and not constant
        if kernel is None or (floating and x_.dtype not in FLOATING) or (asked and opens):
            return mode.apply(op, (x,), (p, q))
        try:
            data = kernel(x_, p, q)
        except Exception:  # apply runs it again and says what is wrong
            return mode.apply(op, (x,), (p, q))
        z = Tensor()
        z._data = data if type(data) is device.array else device.lift(data)
        z.device = device
        if asked:
            z._node = node = Node()
            node.op, node.edges, node.params = op, (x_node,), (p, q)
            node.shape, node.dtype = data.shape, data.dtype
            node.inputs, node.used = ((x,), (x_,)) if keeps else ((), ())
            if keeps_result:
                node.result = z._data
        else:
            z._node = None
        return z

    return call


def general(op: Operation) -> Call:
    """f(*inputs, **params): no straight path, `apply` decides everything."""

    def call(*inputs: Any, **params: Any) -> Any:
        return current().apply(op, inputs, op.ordered(params))

    call.__name__ = call.__qualname__ = op.name
    return call


FORMS: dict[tuple[int, int], Callable[[Operation], Call]] = {
    (1, 0): one,
    (2, 0): two,
    (1, 1): one_with_one,
    (1, 2): one_with_two,
}
