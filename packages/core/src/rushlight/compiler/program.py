"""From a graph to what is run: by the one device that does it all, or replayed step by step."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from itertools import chain
from typing import Any

from ..errors import RushlightError
from .graph import Graph, Program, Step, Value, blame


def built(graph: Graph) -> Program:
    """The graph as a program: of the one device that does it all and compiles, or replayed."""
    devices = {step.device for step in graph.steps if isinstance(step, Step)}
    if len(devices) == 1 and (device := devices.pop()).backend.compiles and not is_hollow(graph):
        from .fuse import fuse
        from .nestwise import linked
        from .simplify import simplify

        fused = fuse(simplify(graph), device.backend.policy)
        run = device.backend.compile(fused) or linked(fused, device)
        if run is not None:
            return Program(graph, "", run, fused)
    return graph.program()


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
    if not isinstance(error, RushlightError):
        blame(program.graph, inputs)  # step by step, which raises what it was and where
    raise error
