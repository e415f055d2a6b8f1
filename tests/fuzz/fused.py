"""Fused programs run by numpy, record by record: what a backend that compiles is compared with.

It holds a program to laws: nothing is read outside of its buffer or before it is written, nothing
is written twice, no nest reads a buffer that it writes or stores values over each other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np
from fuzz import nest as nests

from rushlight.backend import PROTOCOL, FusionPolicy, HostBackend
from rushlight.cell import Number, compute
from rushlight.compiler.fuse import Call, Fused, Product
from rushlight.compiler.graph import Value
from rushlight.compiler.nest import Access, LoopNest, Store
from rushlight.dtypes import FLOATING
from rushlight.spec import Shape

HostArray = np.ndarray[Any, Any]
TYPES = {float: np.float64, int: np.int64, bool: np.bool_}  # of a number that a nest reads


class Interpreter(HostBackend):
    """Fusing without a compiler: compiled programs are run by `execute`."""

    name = "fused"
    protocol = PROTOCOL
    compiles = True

    def __init__(self, policy: FusionPolicy | None = None) -> None:
        super().__init__()
        self.policy = policy or FusionPolicy(epilogues=True, lanes=16)

    def compile(self, program: Fused) -> Callable[..., list[Any]] | None:
        """The program to be interpreted; None where something is empty, as loops need a turn."""
        graph = program.graph
        values = [x for step in graph.steps for x in (*step.inputs, *step.outputs)]
        empty = any(0 in x.shape for x in (*values, *graph.inputs) if isinstance(x, Value))
        return None if empty else partial(execute, program)


def execute(fused: Fused, *inputs: Any) -> list[Any]:
    """The outputs.  Raises: AssertionError if a law is broken, IndexError if a check fails."""
    run = Run(fused, inputs)
    for record in fused.records:
        if isinstance(record, LoopNest):
            run.nest(record)
        elif isinstance(record, Product):
            run.product(record)
        else:
            run.call(record)
    if any(run.read(check, ()).any() for check in fused.checks):
        raise IndexError
    return [
        run.read(fused.outputs[x], x.shape).copy() if isinstance(x, Value) else run.number(x)
        for x in fused.graph.outputs
    ]


def words(kind: type, n: Any) -> HostArray:
    """A number as a nest reads it: an integer as two words of 64 bits, the lower first."""
    if kind is int:
        return np.array([n % 2**64, (n >> 64) % 2**64], np.uint64).view(np.int64)
    return np.array(n, TYPES[kind])


class Buffers(dict[Any, HostArray]):
    """What each buffer holds: at first what `made` makes of it."""

    def __init__(self, made: Callable[[Value], HostArray]) -> None:
        self.made = made

    def __missing__(self, value: Value) -> HostArray:
        return self.setdefault(value, self.made(value))


def poisoned(value: Value) -> HostArray:
    """Memory in which nothing was written: what is read of it shows."""
    return np.full(value.shape, np.nan if value.dtype in FLOATING else 113, value.dtype)


class Run:
    """One run of a program.  written: which elements of its buffers are."""

    def __init__(self, fused: Fused, inputs: Sequence[Any]) -> None:
        self.buffers = Buffers(poisoned)
        self.written = Buffers(lambda value: np.zeros(value.shape, bool))
        self.numbers: dict[Number, Any] = {}
        for x, given in zip(fused.graph.inputs, inputs, strict=True):
            if isinstance(x, Number):
                self.numbers[x] = given
            else:
                self.buffers[x] = np.ascontiguousarray(given)
        for step in fused.sums():
            self.numbers[step.outputs[0]] = compute(step.how, *map(self.number, step.inputs))
        self.buffers |= {x: words(x.kind, n) for x, n in self.numbers.items()}
        self.written |= {x: np.ones(held.shape, bool) for x, held in self.buffers.items()}

    def number(self, x: Any) -> Any:
        """The value of a number, or None."""
        return self.numbers[x] if isinstance(x, Number) else x

    def read(self, access: Access, extents: Shape) -> HostArray:
        """The elements of an access, all of which must have been written."""
        self.inside(access, extents)
        assert nests.place(access, extents, self.written).all(), f"read too early: {access}"
        return nests.place(access, extents, self.buffers)

    def write(self, access: Access, extents: Shape) -> None:
        """Note that the elements of an access are written, for the first time and once each."""
        self.inside(access, extents)
        held = self.written[access.buffer]
        wanted = held.sum() + prod(n for n, s in zip(extents, access.strides, strict=True) if s)
        nests.place(access, extents, self.written)[...] = True
        assert held.sum() == wanted, f"written twice: {access}"

    def inside(self, access: Access, extents: Shape) -> None:
        """Hold an access to its buffer."""
        ends = [s * (n - 1) for s, n in zip(access.strides, extents, strict=True)]
        least, most = (access.offset + sum(f(end, 0) for end in ends) for f in (min, max))
        held = self.buffers[access.buffer]
        assert 0 <= least <= most < held.size, f"outside of its buffer: {access}"
        assert held.dtype == access.dtype, f"of another type: {access}"

    def nest(self, nest: LoopNest) -> None:
        """Run loops."""
        given = {x.buffer: self.read(x, nest.extents) for x in nest.reads if x.buffer is not None}
        for store in nest.stores:
            assert store.access.buffer not in given, f"read and written: {store.access}"
            assert not lost(store, nest), f"stores values over each other: {store}"
            note = self.write if store.at is None else self.read  # at indices: onto what is there
            note(store.access, nest.extents)
        nests.run(nest, self.buffers, wide=False)

    def product(self, product: Product) -> None:
        """Multiply, and run the nest on all of the product as one block."""
        *batch, m, n = product.shape
        x = self.read(product.x, (*batch, m, product.k))
        y = self.read(product.y, (*batch, product.k, n))
        self.buffers[None] = x @ y
        self.nest(product.nest)

    def call(self, call: Call) -> None:
        """Let the device's kernel do it."""
        given = [
            self.read(x, shape or ()) if isinstance(x, Access) else self.number(x)
            for x, shape in zip(call.inputs, call.shapes, strict=True)
        ]
        for z, made in zip(call.step.outputs, call.run(given), strict=True):
            if z is not None:
                self.buffers[z][...] = made
                assert not self.written[z].any(), "written twice"
                self.written[z][...] = True


def lost(store: Store, nest: LoopNest) -> frozenset[int]:
    """The loops over which a node varies, while its place stays and nothing is accumulated."""
    kept = {d for d, s in enumerate(store.access.strides) if s or nest.extents[d] == 1}
    return nest.nodes[store.node].loops - store.over - kept
