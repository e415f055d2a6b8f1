"""Functions that are one operation where the device compiles: a pass forward and a pass backward.

Knows none of them, nor how a pass is made.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from math import inf
from operator import itemgetter
from typing import Any, TypeVar

from .. import ops, straight
from ..dtypes import FLOATING
from ..errors import RushlightError, TracingError
from ..op import Composite
from ..pullback import refuse_stale
from ..spec import size

F = TypeVar("F", bound=Callable[..., Any])
FORMS = 64  # of what is no tensor; a number that always changes is not worth more
MISSED = RushlightError, IndexError, MemoryError  # the function itself says what is wrong


def chain(function: F) -> F:
    """State, as a decorator, that a function is one operation where the device compiles.

    It returns a tensor and changes nothing; which steps it takes depends on shapes, types and what
    is no tensor.  There it is traced, once for each kind of arguments, and so is its gradient, for
    which it is computed again.  It is called as it is for few elements, narrow types and lists.
    """
    op = Chain(function)

    @wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        x = args[0] if args else None
        if isinstance(x, straight.Tensor) and x.device.backend.compiles:
            mode = straight.current()
            if mode.eager and size(x._data.shape) >= op.least:
                z = op.apply(mode, x.device, args, kwargs)
                if z is not None:
                    return z
        return function(*args, **kwargs)

    return call  # type: ignore[return-value]  # it is called as the function is


class Chain:
    """The operation, as the tape knows it.  form: all but the tensors, types and names too."""

    least: float = 1 << 9  # elements of the first; to trace a kind takes 1 ms, steps of few 0.03
    keeps_specs = keeps_result = False
    keep = itemgetter(slice(-1))  # all inputs

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function, self.name = function, function.__name__
        self.forms: set[Any] = set()
        self.passes: dict[Any, Any] = {}  # kernels of both, by backend

    def apply(self, mode: Any, device: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        """The result; None if the function shall be called."""
        given = (*args, *kwargs.values())
        xs = [x for x in given if isinstance(x, straight.Tensor)]
        used = [x._data for x in xs]
        for x, data in zip(xs, used, strict=True):
            narrow = data.dtype.itemsize < 4 and data.dtype in FLOATING
            if narrow or x.device is not device or type(data) is not device.array:
                return None
        rest = tuple([straight.Tensor if isinstance(x, straight.Tensor) else x for x in given])
        form = rest, tuple([x.hex() if type(x) is float else type(x) for x in rest]), tuple(kwargs)
        try:
            if form not in self.forms and len(self.forms) >= FORMS:
                return None
        except TypeError:  # it holds a list
            return None
        self.forms.add(form)
        try:
            data = straight.lifted(self.kernels(device)[0](*used, form=form), device)
        except TracingError:  # it looks at values, or at tensors that it is not given
            self.least = inf
            return None
        except MISSED:
            return None
        z, edges = straight.wrap(data, device), [x._node for x in xs]
        if mode.recording and any(edges) and data.dtype in FLOATING:
            z._node = straight.record(self, xs, used, (form,), edges, data, ())
        return z

    def kernels(self, device: Any) -> Any:
        """Those of both passes."""
        backend = device.backend
        if backend not in self.passes:
            name = f"{self.function.__module__}.{self.name}"
            forward = Composite(lambda *xs, form: self.alone(xs, form), name=f"{name}.fwd")
            backward = Composite(
                lambda g, *xs, form, asked: self.pulled(g, xs, form, asked), name=f"{name}.vjp"
            )
            self.passes[backend] = [*map(backend.kernel_of, (forward, backward))]
        return self.passes[backend]

    def alone(self, xs: Any, form: Any) -> Any:
        """The same while traced.  Raises: TracingError if it meets more than its arguments."""
        mode: Any = straight.current()
        z, met = self.called(xs, form), mode.trace
        if met.captures or met.cells or not isinstance(z, straight.Tensor):
            raise TracingError(f"{self.name}: more than tensors in, one out; do not chain")
        return z

    def called(self, xs: Any, form: Any) -> Any:
        """The function of these tensors and the rest."""
        rest, _, names = form
        tensors = iter(xs)
        given = [next(tensors) if x is straight.Tensor else x for x in rest]
        n = len(given) - len(names)
        return self.function(*given[:n], **dict(zip(names, given[n:], strict=True)))

    def cotangents(self, node: Any, g: Any) -> Any:
        """One for each tensor that asks.  Raises: StaleValue, of a second derivative only."""
        (form,), (xs, used, *_) = node.params, node.saved
        mode, asked = straight.current(), tuple([edge is not None for edge in node.edges])
        if mode.eager and not mode.recording:
            try:
                data = self.kernels(g.device)[1](g._data, *used, form=form, asked=asked)
            except MISSED:
                pass
            else:
                return straight.several_of(data, g.device)
        for x, data in zip(xs, used, strict=True):
            if x._data is not data:
                refuse_stale(self, x, data)
        return self.pulled(g, xs, form, asked)

    def pulled(self, g: Any, xs: Any, form: Any, asked: Any) -> Any:
        """The cotangents, by the tape of the function called again."""
        from ..autograd import grad
        from ..eager import interpreting

        mode = straight.current()
        pairs = [*zip(xs, asked, strict=True)]
        with interpreting(mode.quiet(True)):
            ys = [ops.reshape(x, tuple(x.shape)).requires_grad_() if a else x for x, a in pairs]
            z = self.called(ys, form)
            if z._node is None:
                return (None,) * len(xs)
            some = [y for y, a in zip(ys, asked, strict=True) if a]
            found = iter(grad(z, some, g, create_graph=mode.recording, allow_unused=True))
        return tuple([next(found) if a else None for a in asked])
