"""From a graph to what is run: by the one device that does it all, or replayed step by step."""

import gc
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any

from ..cell import Number
from ..device import Device
from ..eager import interpreting
from ..errors import IndexOutOfRange, RushlightError
from ..spec import Spec
from ..straight import wrap
from .graph import Graph, Program, Step, Value, blame
from .trace import Trace, Tracing


@contextmanager
def uncollected() -> Iterator[None]:
    """Inside, nothing looks for garbage: making programs leaves little, and all else is large.

    What was imported would be looked through: 15 of 37 ms for the training step of an MLP.
    """
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


@uncollected()
def built(graph: Graph) -> Program:
    """The graph as a program: of the one device that does it all and compiles, or replayed."""
    devices = {step.device for step in graph.steps if isinstance(step, Step)}
    if len(devices) == 1 and (device := devices.pop()).backend.compiles and not is_hollow(graph):
        from .nestwise import linked

        fused = fused_for(device, graph)
        run = device.backend.compile(fused) or linked(fused, device)
        if run is not None:
            return Program(graph, "", run, fused)
    return graph.program()


def fused_for(device: Device, graph: Graph) -> Any:
    """The graph simplified, and fused as the device's backend wishes."""
    from .fuse import fuse
    from .simplify import simplify

    return fuse(simplify(graph), device.backend.policy)


def written(do: Callable[..., Any], given: Sequence[Any], device: str, unopened: str = "") -> Any:
    """What a function of operations does, as the `extend.Fused` of which a kernel can be made.

    do: takes a tensor for each Spec that is given and a number for each type; returns tensors.
    unopened: the name of a composite that is left whole, beside those that the backend wishes.
    """
    place, tracing = Device(device), Tracing(Trace(), recording=False, unopened=unopened)
    inputs = [Value(x) if isinstance(x, Spec) else Number(tracing, x) for x in given]
    with interpreting(tracing):
        made = do(*[wrap(x, place) if isinstance(x, Value) else x for x in inputs])
        outputs = tuple([tracing.read(z) for z in made])
    return fused_for(place, Graph((*inputs,), (*tracing.trace.steps,), outputs).pruned())


def is_hollow(graph: Graph) -> bool:
    """Whether a value has no elements: loops without a turn would leave sums unwritten."""
    values = chain(graph.inputs, *[(*step.inputs, *step.outputs) for step in graph.steps])
    return any(isinstance(x, Value) and 0 in x.shape for x in values)


def run(program: Program, inputs: Iterable[Any]) -> list[Any]:
    """The program's outputs; a failure names the operation."""
    inputs = list(inputs)
    try:
        return program.run(*inputs)
    except Exception as error:  # whatever a kernel raises is named there
        return rerun(program, inputs, error)


def rerun(program: Program, inputs: list[Any], error: Exception) -> list[Any]:
    """The outputs of a program that failed, if that was but a warning.  Raises: what it was."""
    if isinstance(error, Warning):  # a user who made warnings errors gets the value that others get
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return program.run(*inputs)
    if isinstance(error, IndexOutOfRange) or not isinstance(error, RushlightError):
        blame(program.graph, inputs)  # step by step, which raises what it was and where
    raise error
