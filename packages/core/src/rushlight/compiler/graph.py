"""Graph: what a function does, written down.  It can be printed and replayed; knows no tape."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from math import isfinite
from typing import Any, NamedTuple

from ..cell import Number, compute
from ..device import Device
from ..dtypes import DType
from ..eager import call
from ..errors import IndexOutOfRange, KernelFailed, RushlightError, TracingError
from ..op import Operation
from ..spec import Shape, Spec, inside


class Value:
    """An array to be: what a tensor holds while tracing.  parts: of an index, see `rows`."""

    __slots__ = ("dtype", "parts", "shape")

    def __init__(self, spec: Spec) -> None:
        self.shape: Shape = tuple(spec.shape)
        self.dtype: DType = spec.dtype

    @property
    def spec(self) -> Spec:
        return Spec(self.shape, self.dtype)

    def __str__(self) -> str:
        return str(self.spec)


class Step(NamedTuple):
    """One call of a kernel.

    inputs: Values, Numbers, plain numbers and None.  outputs: Values, or None for what is not made.
    """

    op: Operation
    device: Device
    inputs: tuple[Any, ...]
    params: tuple[Any, ...]
    outputs: tuple[Value | None, ...]

    @property
    def z(self) -> Value:
        """Its result, if it has one only and that is made."""
        (made,) = self.outputs
        assert made is not None, "of several results some may be left out"
        return made


class Sum(NamedTuple):
    """One piece of arithmetic on Python numbers, done at each call."""

    how: str
    inputs: tuple[Any, ...]
    outputs: tuple[Number]


SIGNS = {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "truediv": "/",
    "floordiv": "//",
    "mod": "%",
    "pow": "**",
}


class Graph(NamedTuple):
    """Steps from inputs to outputs, both Values and Numbers.

    checks: one integer each, not 0 where a step of the graph that this one stands for would raise.
    replaced: of each output the input whose place it takes, if it does: what held that input holds
        the output next, so one may be written over the other if nothing else refers to it.
    """

    inputs: tuple[Any, ...]
    steps: tuple[Step | Sum, ...]
    outputs: tuple[Any, ...]
    checks: tuple[Value, ...] = ()
    replaced: tuple[Value | None, ...] = ()

    def pruned(self) -> Graph:
        """Without the steps on which no output depends."""
        needed, kept = {*self.outputs, *self.checks}, []
        for step in reversed(self.steps):
            if any(value in needed for value in step.outputs if value is not None):
                needed.update(x for x in step.inputs if is_made(x))
                kept.append(step)
        return self._replace(steps=tuple(kept[::-1]))

    def refuse_leftovers(self) -> None:
        """Raises: TracingError for what is read, or handed out, and made by another trace."""
        known = set(self.inputs)
        reads = [(step.inputs, step.outputs, step) for step in self.steps]
        for read, made, step in [*reads, (self.outputs, (), None)]:
            for x in read:
                if is_made(x) and x not in known:
                    who = step.op.name if isinstance(step, Step) else "the function"
                    told = str(x) if isinstance(x, Value) else "number"
                    raise TracingError(
                        f"compile: {who} uses a {told} that is left over from another trace; make "
                        f"what the function keeps before it is called, and change it in place"
                    )
            known.update(made)

    def program(self) -> Program:
        """The steps as one straight Python function, in which what dies is let go."""
        names: dict[Any, str] = {}
        scope: dict[str, Any] = {"__name__": __name__}  # of which warnings of numpy's are not shown

        def name(x: Any) -> str:
            if not is_made(x):
                return repr(x) if x is None or abs(x) < float("inf") else f"float({str(x)!r})"
            letter = "n" if isinstance(x, Number) else "v"
            return names.setdefault(x, f"{letter}{len(names)}")

        lines = [f"def run({', '.join(map(name, self.inputs))}):"]
        last: dict[Any, int] = {}  # the step after which each is needed no more
        for i, step in enumerate(self.steps):
            last |= dict.fromkeys(filter(is_made, (*step.inputs, *step.outputs)), i)
        last |= dict.fromkeys(filter(is_made, self.outputs), len(self.steps))
        lines += [f"    del {name(x)}" for x in self.inputs if x not in last]
        for i, step in enumerate(self.steps):
            lines += [f"    {line}" for line in lines_of(step, i, name, scope)]
            dying = {x for x in (*step.inputs, *step.outputs) if is_made(x) and last[x] == i}
            if dying:
                lines.append(f"    del {', '.join(sorted(map(name, dying)))}")
        lines.append(f"    return [{', '.join(map(name, self.outputs))}]")
        text = "\n".join(lines) + "\n"
        exec(compile(text, "<rushlight program>", "exec"), scope)  # noqa: S102  our own text
        return Program(self, text, scope["run"])


class Program(NamedTuple):
    """A graph that can be run: `run(*inputs) -> outputs`, on arrays and Python numbers.

    text: Python, unless a backend compiled it: then it is empty.
    fused: what the backend was given.
    """

    graph: Graph
    text: str
    run: Callable[..., list[Any]]
    fused: Any = None

    def __str__(self) -> str:
        if self.fused is None:
            return self.text
        from .source import source

        return source(self.fused)


def blame(graph: Graph, inputs: Iterable[Any]) -> None:
    """Run a graph whose program failed step by step, to name the operation.

    Raises: IndexOutOfRange, KernelFailed, what a kernel refuses.
    """
    known = dict(zip(graph.inputs, inputs, strict=True))
    for step in graph.steps:
        given = [known[x] if is_made(x) else x for x in step.inputs]
        if isinstance(step, Sum):
            known[step.outputs[0]] = compute(step.how, *given)
            continue
        try:
            made = call(step.device.kernels[step.op.name], step.op, given, step.params)
            step.device.backend.wait(step.device.index)  # a kernel may fail late
        except RushlightError:  # which names the operation, an index as `take` got it
            for x, *at in getattr(step.inputs[-1], "parts", ()):
                inside(step.device.get(known[x]).reshape(-1).tolist(), *at)
            raise
        except IndexError as error:
            raise IndexOutOfRange(f"{step.op.name}: {error}") from error
        except Exception as error:  # whatever a plug-in's kernel raises becomes one kind of error
            shown = ", ".join(map(str, step.inputs))
            raise KernelFailed(
                f"{step.op.name}: the kernel of {step.device} failed on {shown}: {error}"
            ) from error
        made = made if isinstance(made, (tuple, list)) else (made,)
        pairs = zip(step.outputs, made, strict=True)
        known |= {value: step.device.lift(x) for value, x in pairs if value is not None}


def is_made(x: Any) -> bool:
    """Whether x is the input of a graph or made by a step, rather than a constant."""
    return isinstance(x, (Value, Number))


def lines_of(
    step: Step | Sum, i: int, name: Callable[[Any], str], scope: dict[str, Any]
) -> Iterable[str]:
    """The i-th step in Python; what it calls is put into scope."""
    if isinstance(step, Sum):
        x, y = map(name, step.inputs)
        yield f"{name(step.outputs[0])} = {x} {SIGNS[step.how]} {y}"
        return
    called = step.op.name.replace(".", "_")
    kernel = placed(called, step.device.kernels[step.op.name], step.device, scope)
    arguments = list(map(name, step.inputs))
    for parameter, value in zip(step.op.params, step.params, strict=True):
        value = value.index if isinstance(value, Device) else value
        text = repr(value) if is_literal(value) else f"{parameter}{i}"
        scope[f"{parameter}{i}"] = value
        arguments.append(f"{parameter}={text}" if step.op.variadic else text)
    call = f"{kernel}({', '.join(arguments)})"
    results = ["_" if value is None else name(value) for value in step.outputs]
    of_one = len(results) == 1 and step.op.name.endswith(".vjp")  # the kernel returns a tuple
    yield f"{', '.join(results)}{',' * of_one} = {call}"
    for value, result in zip(step.outputs, results, strict=True):
        if value is not None and value.shape == ():  # a kernel may return a scalar of its own
            lift = placed("lift", step.device.lift, step.device, scope)
            yield f"{result} = {lift}({result})"


def placed(name: str, what: Any, device: Device, scope: dict[str, Any]) -> str:
    """The name under which scope has what a device runs; its own where another has taken this."""
    while scope.setdefault(name, what) is not what:
        name += re.sub(r"\W", "_", f"_{device}")
    return name


def is_literal(value: Any) -> bool:
    """Whether repr() of a parameter is Python that makes it."""
    if type(value) is tuple:
        return all(map(is_literal, value))
    return type(value) in (int, bool) or (type(value) is float and isfinite(value))
