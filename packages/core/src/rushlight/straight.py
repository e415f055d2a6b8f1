"""The straight path of an operation: the commonest case of a call, with nothing left to decide.

The common case: the interpreter is eager, the inputs are tensors of one device and one element type
(or a number that does not change it), and the kernel succeeds.  All else, a failing kernel too, is
left to `Meaning.apply`, which holds the whole meaning; a straight path only abbreviates it.

There is one hand-written path by form of statement.  Each is a closure over its operation, given
the statement's own parameter names, so it is called, inspected and reported like the statement
itself.  That is why a path states no types: its parameters are not those that users see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain, repeat
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from weakref import ref

from .dtypes import ABSORBS, FLOATING
from .node import NOTHING, Node

if TYPE_CHECKING:
    from .eager import Meaning
    from .op import Operation

Call = Callable[..., Any]
ALIKE, FREE, NUMBER = "alike", "free", "number"  # kinds of inputs, see `Operation`
PLAIN = frozenset({bool, int, float})

# What the rooms above supply once they exist: the class of tensors and the current interpreter.
Tensor: type[Any]
current: Callable[[], Meaning]


def connect(tensor_class: type[Any], current_interpreter: Callable[[], Meaning]) -> None:
    """Close the seam; `eager` calls this once."""
    global Tensor, current
    Tensor, current = tensor_class, current_interpreter


def path(op: Operation) -> Call:
    """The function that users of this operation call."""
    form = form_of(op)
    call = form(op)
    if form in FORMS.values():
        code = call.__code__
        names = (*op.inputs, *op.params, *code.co_varnames[code.co_argcount :])
        call.__code__ = code.replace(co_varnames=names, co_name=op.name, co_qualname=op.name)
        call.__kwdefaults__, call.__defaults__ = None, op.defaults or None
    call.__name__ = call.__qualname__ = op.name
    return call


def form_of(op: Operation) -> Callable[[Operation], Call]:
    """What makes the path of this operation."""
    if (not op.inputs and not op.variadic) or "device" in op.params:
        return general  # what makes tensors from nothing is told where
    if op.variadic:
        return grouped if op.numbers and op.constant else several
    last = op.params[len(op.params) - len(op.defaults) :]
    gap = op.given.keys() - set(last)  # a default in front of none
    form = FORMS.get((len(op.inputs), len(op.params)))
    return several if form is None or gap or op.numbers or op.is_pass else form


def one(op: Operation) -> Call:
    """f(x)."""
    name, floating, constant, opens, keeps_result = op.traits
    (keeps,) = op.kept_by([True])

    def call(x):
        mode = current()
        if not mode.eager or not isinstance(x, Tensor):
            return mode.apply(op, (x,), ())
        device, x_, x_node = x.device, x._data, x._node
        asked = x_node is not None and mode.recording and not constant
        if (floating and x_.dtype not in FLOATING) or (asked and opens):
            return mode.apply(op, (x,), ())
        try:
            data = device.kernels[name](x_)
        except Exception:  # apply says what is wrong
            return mode.apply(op, (x,), ())
        z = Tensor()
        z._data = data if type(data) is device.array else device.lift(data)
        z.device, z._base = device, None
        if asked:
            z._node = node = Node()
            node.op, node.edges, node.params = op, (x_node,), ()
            node.shape, node.dtype = data.shape, data.dtype
            if keeps or keeps_result:
                inputs, used = ((x,), (x_,)) if keeps else ((), ())
                node.saved = (inputs, used, z._data if keeps_result else None, (), ())
            else:
                node.saved = NOTHING
        else:
            z._node = None
        return z

    return call


def two(op: Operation) -> Call:
    """f(x, y), a number allowed on either side if the operation promotes."""
    name, floating, constant, opens, keeps_result = op.traits
    keeps = [op.kept_by([bool(asked & 1), bool(asked & 2)]) for asked in range(4)]
    absorbs = ABSORBS if op.promotes else frozenset()

    def call(x, y):
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
        asked = (x_node is not None or y_node is not None) and mode.recording and not constant
        if not alike or (floating and dtype not in FLOATING) or (asked and opens):
            return mode.apply(op, (x, y), ())
        try:
            data = device.kernels[name](x_, y_)
        except Exception:  # apply says what is wrong
            return mode.apply(op, (x, y), ())
        z = Tensor()
        z._data = data if type(data) is device.array else device.lift(data)
        z.device, z._base = device, None
        if asked:
            z._node = node = Node()
            node.op, node.edges, node.params = op, (x_node, y_node), ()
            node.shape, node.dtype = data.shape, data.dtype
            keep_x, keep_y = keeps[(x_node is not None) + 2 * (y_node is not None)]
            if keep_x or keep_y or keeps_result:
                inputs = (x if keep_x else None, y if keep_y else None)
                used = (x_ if keep_x else None, y_ if keep_y else None)
                node.saved = (inputs, used, z._data if keeps_result else None, (), ())
            else:
                node.saved = NOTHING
        else:
            z._node = None
        return z

    return call


def one_with_one(op: Operation) -> Call:
    """f(x, p); of a view, with a link to x."""
    name, floating, constant, opens, keeps_result = op.traits
    views = op.put is not None
    (keeps,) = op.kept_by([True])

    def call(x, p):
        mode = current()
        if not mode.eager or not isinstance(x, Tensor):
            return mode.apply(op, (x,), (p,))
        device, x_, x_node = x.device, x._data, x._node
        asked = x_node is not None and mode.recording and not constant
        if (floating and x_.dtype not in FLOATING) or (asked and opens):
            return mode.apply(op, (x,), (p,))
        try:
            data = device.kernels[name](x_, p)
        except Exception:  # apply says what is wrong
            return mode.apply(op, (x,), (p,))
        z = Tensor()
        z._data = data if type(data) is device.array else device.lift(data)
        z.device = device
        z._base = (ref(x), x._base and trimmed(x._base), op, (p,)) if views else None
        if asked:
            z._node = node = Node()
            node.op, node.edges, node.params = op, (x_node,), (p,)
            node.shape, node.dtype = data.shape, data.dtype
            if keeps or keeps_result:
                inputs, used = ((x,), (x_,)) if keeps else ((), ())
                node.saved = (inputs, used, z._data if keeps_result else None, (), ())
            else:
                node.saved = NOTHING
        else:
            z._node = None
        return z

    return call


def one_with_two(op: Operation) -> Call:
    """f(x, p, q)."""
    name, floating, constant, opens = op.traits[:4]

    def call(x, p, q):
        mode = current()
        if not mode.eager or not isinstance(x, Tensor):
            return mode.apply(op, (x,), (p, q))
        device, x_, x_node = x.device, x._data, x._node
        asked = x_node is not None and mode.recording and not constant
        if (floating and x_.dtype not in FLOATING) or (asked and opens):
            return mode.apply(op, (x,), (p, q))
        try:
            data = device.kernels[name](x_, p, q)
        except Exception:  # apply says what is wrong
            return mode.apply(op, (x,), (p, q))
        z = made(data, device)
        if asked:
            z._node = record(op, (x,), (x_,), (p, q), (x_node,), z._data)
        return z

    return call


def two_with_one(op: Operation) -> Call:
    """f(x, y, p), perhaps with residuals."""
    name, floating, constant = op.traits[:3]
    opens = op.has_body and not op.has_rule
    free = op.inputs[1] in op.free
    forward = op.forward.name if op.forward else ""

    def call(x, y, p):
        mode = current()
        if not mode.eager or not isinstance(x, Tensor) or not isinstance(y, Tensor):
            return mode.apply(op, (x, y), (p,))
        device, x_, y_, x_node, y_node = x.device, x._data, y._data, x._node, y._node
        asked = (x_node is not None or y_node is not None) and mode.recording and not constant
        if (
            y.device is not device
            or not (free or y_.dtype is x_.dtype)
            or (floating and x_.dtype not in FLOATING)
            or (asked and opens)
        ):
            return mode.apply(op, (x, y), (p,))
        residuals: Any = ()
        try:
            if asked and forward:
                data, *residuals = device.kernels[forward](x_, y_, p)
            else:
                data = device.kernels[name](x_, y_, p)
        except Exception:  # apply says what is wrong
            return mode.apply(op, (x, y), (p,))
        z = made(data, device)
        if asked:
            held = [lifted(r, device) for r in residuals]
            z._node = record(op, (x, y), (x_, y_), (p,), (x_node, y_node), z._data, held)
        return z

    return call


def three(op: Operation) -> Call:
    """f(x, y, w), w perhaps a number or None."""
    name, floating, constant, opens, keeps_result = op.traits
    keeps = [op.kept_by([bool(asked & 1 << i) for i in range(3)]) for asked in range(8)]
    free, optional = op.inputs[0] in op.free, op.optional
    absorbs = ABSORBS if op.promotes else frozenset()

    def call(x, y, w):
        mode = current()
        if not mode.eager or not isinstance(x, Tensor) or not isinstance(y, Tensor):
            return mode.apply(op, (x, y, w), ())
        device, x_, y_ = x.device, x._data, y._data
        dtype = y_.dtype
        if isinstance(w, Tensor):
            w_, w_node = w._data, w._node
            alike = w_.dtype is dtype and w.device is device
        else:
            w_, w_node = w, None
            alike = (optional and w is None) or (dtype, type(w)) in absorbs
        x_node, y_node = x._node, y._node
        asked = x_node is not None or y_node is not None or w_node is not None
        asked = asked and mode.recording and not constant
        if (
            not alike
            or y.device is not device
            or not (free or x_.dtype is dtype)
            or (floating and dtype not in FLOATING)
            or (asked and opens)
        ):
            return mode.apply(op, (x, y, w), ())
        try:
            data = device.kernels[name](x_, y_, w_)
        except Exception:  # apply says what is wrong
            return mode.apply(op, (x, y, w), ())
        z = Tensor()
        z._data = data if type(data) is device.array else device.lift(data)
        z.device, z._base = device, None
        if asked:
            z._node = node = Node()
            node.op, node.edges, node.params = op, (x_node, y_node, w_node), ()
            node.shape, node.dtype = data.shape, data.dtype
            keep_x, keep_y, keep_w = keeps[
                (x_node is not None) + 2 * (y_node is not None) + 4 * (w_node is not None)
            ]
            node.saved = (
                (x if keep_x else None, y if keep_y else None, w if keep_w else None),
                (x_ if keep_x else None, y_ if keep_y else None, w_ if keep_w else None),
                z._data if keeps_result else None,
                (),
                (),
            )
        else:
            z._node = None
        return z

    return call


def three_with_two(op: Operation) -> Call:
    """f(x, y, w, p, q), y and w perhaps None, perhaps with residuals."""
    name, floating, constant = op.traits[:3]
    opens, optional = op.has_body and not op.has_rule, op.optional
    forward = op.forward.name if op.forward else ""

    def call(x, y, w, p, q):
        mode = current()
        if not mode.eager or not isinstance(x, Tensor):
            return mode.apply(op, (x, y, w), (p, q))
        device, x_, y_, w_ = x.device, x._data, y, w
        dtype, y_node, w_node, alike = x_.dtype, None, None, True
        if isinstance(y, Tensor):
            y_, y_node = y._data, y._node
            alike = y_.dtype is dtype and y.device is device
        elif not optional or y is not None:
            alike = False
        if isinstance(w, Tensor):
            w_, w_node = w._data, w._node
            alike = alike and w_.dtype is dtype and w.device is device
        elif not optional or w is not None:
            alike = False
        edges = (x._node, y_node, w_node)
        asked = mode.recording and not constant and edges != NOWHERE
        if not alike or (floating and dtype not in FLOATING) or (asked and opens):
            return mode.apply(op, (x, y, w), (p, q))
        residuals: Any = ()
        try:
            if asked and forward:
                data, *residuals = device.kernels[forward](x_, y_, w_, p, q)
            else:
                data = device.kernels[name](x_, y_, w_, p, q)
        except Exception:  # apply says what is wrong
            return mode.apply(op, (x, y, w), (p, q))
        z = made(data, device)
        if asked:
            held = [lifted(r, device) for r in residuals]
            z._node = record(op, (x, y, w), (x_, y_, w_), (p, q), edges, z._data, held)
        return z

    return call


NOWHERE = (None, None, None)


def grouped(op: Operation) -> Call:
    """f(numbers .., tensors .., parameters by name), of no gradient: a step of an optimizer.

    donated: the first tensors are to become the results, and may do so at once.
    """
    name, count = op.name, len(op.numbers)

    def call(*inputs: Any, donated: bool = False, **named: Any) -> Any:
        mode = current()
        params = named if tuple(named) == op.params else op.named(op.ordered(named))
        numbers, tensors = inputs[:count], inputs[count:]
        if not mode.eager or not tensors:
            return mode.apply(op, inputs, tuple(params.values()))
        try:
            data, devices = [x._data for x in tensors], [x.device for x in tensors]
        except AttributeError:  # not a tensor
            return mode.apply(op, inputs, tuple(params.values()))
        device, dtype = devices[0], data[0].dtype
        if (
            devices.count(device) < len(devices)
            or [x.dtype for x in data].count(dtype) < len(data)
            or not PLAIN.issuperset(map(type, numbers))
        ):
            return mode.apply(op, inputs, tuple(params.values()))
        kernel = device.kernels.get(name)
        if donated and not mode.recording and hasattr(kernel, "over"):
            parts = kernel.over(numbers, data, params)  # never tried again: it may have written
            if parts is not None:
                for x, part in zip(tensors, parts):
                    x._data = part
                return tensors[: len(parts)]
        try:
            parts = kernel(*numbers, *data, **params)
        except Exception:  # apply says what is wrong
            return mode.apply(op, inputs, tuple(params.values()))
        return tuple(several_of(parts, device))

    return call


def several(op: Operation) -> Call:
    """f(x, y, z, ..) and f(x, y, p, ..): inputs of one element type, but for free ones."""
    run = looped(op)
    count, variadic = len(op.inputs), op.variadic

    def call(*inputs: Any, **named: Any) -> Any:
        params = tuple(named.values()) if tuple(named) == op.params else op.ordered(named)
        if len(inputs) != count and not variadic:
            raise TypeError(
                f"{op.name}() takes the inputs {', '.join(op.inputs)}, got {len(inputs)}"
            )
        return run(inputs, params)

    return call


def looped(op: Operation) -> Callable[[Any, Any], Any]:  # noqa: C901  for the loop in it
    """The straight path from inputs and parameters in order, for any number of them."""
    name, floating, constant, _, _ = op.traits
    opens, optional = op.has_body and not op.has_rule, op.optional
    forward = op.forward.name if op.forward else ""
    kinds = tuple(
        [NUMBER if name in op.numbers else FREE if name in op.free else ALIKE for name in op.inputs]
    )
    variadic, names = op.variadic, op.params
    absorbs = ABSORBS if op.promotes else frozenset()

    def run(inputs: Any, params: Any) -> Any:  # noqa: C901, PLR0912  in one piece, as all paths are
        mode = current()
        if not mode.eager:
            return mode.apply(op, inputs, params)
        device: Any = None
        dtype: Any = None
        data: list[Any] = []
        edges: list[Node | None] = []
        for x, kind in zip(inputs, chain(kinds, repeat(ALIKE)) if variadic else kinds):
            if isinstance(x, Tensor):
                x_ = x._data
                data.append(x_)
                if device is None:
                    device = x.device
                elif x.device is not device:
                    return mode.apply(op, inputs, params)
                if kind is ALIKE:
                    if dtype is None:
                        dtype = x_.dtype
                    elif x_.dtype is not dtype:
                        return mode.apply(op, inputs, params)
                edges.append(x._node)
            elif (
                (kind is NUMBER and type(x) in PLAIN)
                or (optional and x is None)
                or (dtype is not None and (dtype, type(x)) in absorbs)
            ):
                data.append(x)
                edges.append(None)
            else:
                return mode.apply(op, inputs, params)
        asked = mode.recording and not constant and edges.count(None) < len(edges)
        if (floating and dtype not in FLOATING) or (asked and opens):
            return mode.apply(op, inputs, params)
        try:
            kernel = device.kernels[forward if forward and asked else name]
            if variadic:
                result = kernel(*data, **dict(zip(names, params, strict=True)))
            else:
                result = kernel(*data, *params)
        except Exception:  # apply says what is wrong
            return mode.apply(op, inputs, params)
        residuals: Any = ()
        if isinstance(result, tuple):
            if not asked:
                return tuple(several_of(result, device))
            result, *kept = result
            residuals = [lifted(r, device) for r in kept]
        z = made(result, device)
        if asked:
            z._node = record(op, inputs, data, params, tuple(edges), z._data, residuals)
        return z

    return run


def trimmed(up: Any) -> Any:
    """A link that still leads somewhere: without this a chain of views would grow for ever."""
    gone = up[0]() is None and (up[1] is None or trimmed(up[1]) is None)
    return None if gone else up


def wrap(data: Any, device: Any) -> Any:
    """A tensor of this data, of which no gradient is asked."""
    z = Tensor()
    z._data, z.device, z._node, z._base = data, device, None, None
    return z


def made(data: Any, device: Any) -> Any:
    """A tensor of what a kernel returned."""
    z = Tensor()
    z._data = data if type(data) is device.array else device.lift(data)
    z.device, z._node, z._base = device, None, None
    return z


def lifted(data: Any, device: Any) -> Any:
    """What a kernel returned as an array of the device."""
    return data if type(data) is device.array else device.lift(data)


def several_of(parts: Any, device: Any) -> list[Any]:
    """The same of several, None staying None."""
    found: list[Any] = []
    array = device.array
    for data in parts:
        if data is None:
            found.append(None)
        else:
            z = Tensor()
            z._data = data if type(data) is array else device.lift(data)
            z.device, z._node, z._base = device, None, None
            found.append(z)
    return found


def record(
    op: Any, inputs: Any, data: Any, params: Any, edges: Any, result: Any, residuals: Any = ()
) -> Node:
    """The node of a step: its inputs, what they hold, its parameters, what its result holds, ..."""
    node = Node()
    node.op, node.params, node.edges = op, params, edges
    node.shape, node.dtype = result.shape, result.dtype
    keep = op.keep or op.keeper(edges)
    specs = (
        tuple([x.spec if isinstance(x, Tensor) else x for x in inputs]) if op.keeps_specs else ()
    )
    result = result if op.keeps_result else None
    node.saved = (keep((*inputs, None)), keep((*data, None)), result, residuals, specs)
    return node


def kept_of(kept: Sequence[bool]) -> Callable[[Any], Any]:
    """A function from (*inputs, None) to those that are kept, None in place of the others."""
    places = [i if keep else -1 for i, keep in enumerate(kept)]
    return itemgetter(*places) if len(places) > 1 else lambda given: (given[places[0]],)


def general(op: Operation) -> Call:
    """f(*inputs, **params): no straight path, `apply` decides everything."""

    def call(*inputs: Any, **params: Any) -> Any:
        return current().apply(op, inputs, op.ordered(params))

    return call


FORMS: dict[tuple[int, int], Callable[[Operation], Call]] = {
    (1, 0): one,
    (2, 0): two,
    (2, 1): two_with_one,
    (3, 0): three,
    (3, 2): three_with_two,
    (1, 1): one_with_one,
    (1, 2): one_with_two,
}
