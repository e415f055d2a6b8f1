"""Compiled: a function with the programs that were made of it."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, update_wrapper
from threading import RLock
from typing import Any, NamedTuple

from ..cell import Number
from ..eager import QUIET, interpreter, interpreting
from ..errors import ContractError
from ..spec import Spec
from ..straight import wrap
from ..tensor import Tensor
from .argument import Constant, Place, flatten, parts, rebuild
from .attributes import ABSENT, noted
from .call import MISS
from .graph import Value
from .trace import Trace, Tracing
from .traced import Traced
from .world import now

MANY = 8  # programs of one function after which a warning says what keeps changing


def is_compiling() -> bool:
    """Whether operations are being written down now, instead of run."""
    return bool(interpreter.get().traces)


@contextmanager
def paused() -> Iterator[None]:
    """Inside, operations run now although a trace is going on: they are no part of the program.

    For state that is made when it is first needed, such as an optimizer's: the trace captures it.
    """
    with interpreting(QUIET):
        yield


def compile(fn: Callable[..., Any] | None = None, **options: Any) -> Any:
    """A function that does what fn does, traced once for each kind of arguments and then replayed.

    A kind: the shapes, types and devices of tensors, whether they require gradients and whether
    gradients are remembered, the values of ints, bools, strings and other objects, and those that
    fn reads from modules, such as a Dropout's p.  A float may change freely, and so may tensors
    that fn uses without being given them, the numbers of an optimizer, and a random stream.  All
    else that fn finds, such as globals and what it changes itself, is as it was when traced.
    Python code that looks at the value of a tensor (`if t:`, `float(t)`) raises TracingError.

    >>> import rushlight as rl
    >>> double = rl.compile(lambda x: x + x)
    >>> double(rl.tensor([1.0, 2.0])).tolist()
    [2.0, 4.0]
    """
    if options:
        raise ContractError(f"compile: no option {next(iter(options))!r}; give the function only")
    if fn is not None and not callable(fn):
        raise ContractError(f"compile: {type(fn).__name__} is no function; give one to compile")
    return Compiled(fn) if fn is not None else Compiled


class Argument(NamedTuple):
    """Where a symbolic number came from: the i-th leaf of the arguments."""

    i: int
    value: float


class Compiled:
    """A function with its programs.  Attributes that it lacks are the function's (or module's)."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn
        self.traced: dict[Any, list[Traced]] = {}
        self.latest: Any = None
        self.matches: tuple[Callable[..., Any], ...] = ()
        self.count = 0
        self.lock = RLock()
        if hasattr(fn, "__name__"):
            update_wrapper(self, fn)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else partial(self, instance)

    def __getattr__(self, name: str) -> Any:
        if name == "fn":  # not set yet, while being copied or unpickled
            raise AttributeError(name)
        return getattr(self.fn, name)

    def __reduce__(self) -> tuple[Any, ...]:
        return Compiled, (self.fn,)  # a copy traces anew: programs belong to what they capture

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for match in self.matches:
            result = match(args, kwargs)
            if result is not MISS:
                return result
        return self.general(args, kwargs)

    def general(self, args: Any, kwargs: Any) -> Any:
        """The whole meaning of a call, which a match only abbreviates."""
        mode = interpreter.get()
        if mode.traces:
            return self.fn(*args, **kwargs)  # part of a larger trace
        traced, leaves = self.program_for(mode, args, kwargs)
        return traced.replay(*leaves)

    def program_for(self, mode: Any, args: Any, kwargs: Any) -> tuple[Traced, list[Any]]:
        """The program that a call runs, made if there is none, and the leaves of its arguments."""
        leaves: list[Any] = []
        structure = flatten((args, kwargs), leaves, {}, (Tensor, float))
        key = (structure, tuple(map(kind, leaves)), mode, now.world)
        for traced in self.traced.get(key, ()):
            if traced.holds(*leaves):
                return traced, leaves
        with self.lock:
            traced = self.trace(key, leaves)
            self.remember(key, traced)
        return traced, leaves

    def trace(self, key: Any, leaves: list[Any]) -> Traced:
        """Run the function on stand-ins for the leaves, and make a program of what it did."""
        structure, _, mode, _ = key
        trace = Trace()
        tracing = Tracing(trace, mode.recording)
        with interpreting(mode.around(tracing)):
            stand_ins = [stand_in(tracing, i, x) for i, x in enumerate(leaves)]
            given = [x._data if isinstance(x, Tensor) else x for x in stand_ins]
            args, kwargs = rebuild(structure, stand_ins)
            known = [
                (x, z) for x, z in zip(leaves, stand_ins, strict=True) if isinstance(x, Tensor)
            ]
            trace.aliases = dict(known)
            trace.given = {z: x for x, z in known}
            try:
                with noted() as read:
                    result = self.fn(*args, **kwargs)
            finally:
                trace.restore()
            # what the function itself changes is Python's, done once: nothing holds it to that
            trace.attributes = [
                (held, name, value)
                for (_, name), (held, value) in read.items() if held.get(name, ABSENT) is value
            ]  # fmt: skip
        return Traced(key, trace, mode.recording, stand_ins, given, result)

    def remember(self, key: Any, traced: Traced) -> None:
        """Keep a program, and drop stale ones."""
        stale = [other for other in self.traced if other[-1].epoch != now.world.epoch]
        for other in stale:
            del self.traced[other]
        if key[-1] is now.world:
            kept = self.traced.setdefault(key, [])
            kept[:] = [*kept[1 - MANY :], traced]
        found = [traced.match for some in self.traced.values() for traced in some]
        self.matches = tuple([match for match in found[::-1] if match is not None][:MANY])
        self.count = 1 if stale else self.count + 1
        if self.count == MANY + 1:
            warnings.warn(
                f"compile: {self.fn!r} was traced {self.count} times; {changed(self.latest, key)}; "
                f"keep it the same, or pass what changes as a float or in a tensor",
                stacklevel=5,
            )
        self.latest = key

    def explain(self) -> str:
        """A page for a person: what was traced, and why anew; records, bytes, what was not fused.

        A program that is replayed is shown as Python.
        """
        from .explain import explained

        return explained(self)

    def measure(self, *args: Any, **kwargs: Any) -> str:
        """What `explain` says of the program for these arguments, with the time of each record.

        Nothing changes but memory that is in cache: no result is kept, no parameter assigned.
        """
        from .explain import told

        traced, leaves = self.program_for(interpreter.get(), args, kwargs)
        return told(self, traced, leaves)

    def source(self) -> str:
        """Every program that was compiled, as loops in Python's notation.

        x0 is an input, v0 what is computed.  What is accumulated over outer loops begins at zero.
        """
        from .source import sources

        return sources(self)

    def __repr__(self) -> str:
        return f"<compiled {self.fn!r}>"


def kind(x: Any) -> Any:
    """What of a leaf is part of the key."""
    if not isinstance(x, Tensor):
        return float
    ungiven = getattr(x, "_grad", None) is None
    return (x._data.shape, x._data.dtype, x.device, x._node is not None, ungiven)


def changed(before: Any, after: Any) -> str:
    """What differs between two keys, in words."""
    was, now = arguments(before), arguments(after)
    for name in [*now, *was]:
        x, y = (texts.get(name, "not given") for texts in (was, now))
        if x != y:
            x, y = (text if len(text) <= 60 else f"{text[:58]}.." for text in (x, y))
            return f"argument {name} changed, last from {x} to {y}"
    if before[0] != after[0]:
        return "the type of a container among its arguments changed"
    return (
        "what it captures changes: a tensor's shape, a number it compares, an attribute of a "
        "module, or whether a gradient is there"
    )


def arguments(key: Any) -> dict[str, str]:
    """The leaves of the arguments in words, by their places: `0`, `options['rate']`."""
    structure, kinds = key[:2]
    given, named = structure.parts
    found: dict[str, str] = {}
    for i, part in enumerate(given.parts):
        found |= {f"{i}{path}": described(leaf, kinds) for path, leaf in parts(part)}
    for name, part in zip(named.keys, named.parts, strict=True):
        found |= {f"{name.value}{path}": described(leaf, kinds) for path, leaf in parts(part)}
    return found


def described(leaf: Place | Constant, kinds: Any) -> str:
    """A leaf of the arguments in words: what of it is part of a key."""
    if isinstance(leaf, Constant):
        return repr(leaf.value)
    if kinds[leaf.i] is float:
        return "a float"
    shape, dtype, device, asks, ungiven = kinds[leaf.i]
    gradient = "" if not asks else " that asks for a gradient" if ungiven else " with a gradient"
    return f"{Spec(shape, dtype)} on {device}{gradient}"


def stand_in(tracing: Tracing, i: int, x: Any) -> Any:
    """What the function gets in place of an argument."""
    if not isinstance(x, Tensor):
        return Number(tracing, float, Argument(i, x))
    z = wrap(Value(x.spec), x.device)
    if x._node is not None:
        z.requires_grad_()
    return z
