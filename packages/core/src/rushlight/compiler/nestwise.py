"""Nestwise: a fused program run nest by nest, each by the function that its backend made of it.

Core's part is the order, the memory, Python's numbers and the kernels that are called.  It knows no
code: one function of a backend serves all nests of its text, in every program.  Without this module
such a program would be replayed.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from ..backend import Array, Backend
from ..cell import Number, compute
from ..device import Device
from ..op import operations
from ..spec import Shape, Spec, size, strides_of
from .fuse import Call, Fused, Product
from .graph import Step, Value, is_made
from .nest import Access, LoopNest, Node, Store
from .nesting import coalesced

Function = Callable[[LoopNest, list[Array]], None]

_functions: WeakKeyDictionary[Backend, dict[str, Function | None]] = WeakKeyDictionary()


class Refused(Exception):
    """The backend cannot run one of the nests."""


class Job(NamedTuple):
    """What runs at once.  given: whole buffers, numbers, None.  made: buffers of its results."""

    run: Callable[[list[Any]], Any]
    given: tuple[Any, ...]
    made: tuple[Any, ...] = ()


def linked(fused: Fused, device: Device) -> Callable[..., list[Any]] | None:
    """A function of the graph's inputs that returns its outputs; None if a nest is refused."""
    try:
        return Nestwise(fused, device).run
    except Refused:
        return None


class Nestwise:
    """One program as jobs.  Nothing is kept between runs, so several threads may run it at once."""

    def __init__(self, fused: Fused, device: Device) -> None:
        self.fused, self.graph, self.device = fused, fused.graph, device
        self.jobs: list[Job] = []
        self.begun = {x for x in self.graph.inputs if isinstance(x, Value)}  # have memory
        self.words: dict[tuple[Number, int], Value] = {}  # what nests read of numbers
        kinds: dict[Any, Any] = {LoopNest: self.nest, Product: self.product, Call: self.call}
        for record in fused.records:
            kinds[type(record)](record)
        whole = {x: self.whole(access, x.shape) for x, access in fused.outputs.items()}
        self.outputs = tuple([whole.get(x, x) for x in self.graph.outputs])
        self.checks = [self.whole(check, ()) for check in fused.checks]
        touched = [{x for x in (*a.given, *a.made) if isinstance(x, Value)} for a in self.jobs]
        last = {x: i for i, some in enumerate(touched) for x in some}
        last |= dict.fromkeys([*whole.values(), *self.checks], len(touched))
        self.dying = [[x for x in some if last[x] == i] for i, some in enumerate(touched)]

    def nest(self, nest: LoopNest) -> None:
        """A nest, the memory of what it stores before it."""
        nest = nest._replace(reads=tuple(map(self.read, nest.reads)))
        functions = _functions.setdefault(self.device.backend, {})
        text = nest.text()
        if text not in functions:
            functions[text] = self.device.backend.compile_nest(nest)
        function = functions[text]
        if function is None:
            raise Refused
        stored = [store.access.buffer for store in nest.stores]
        for z in [z for z in dict.fromkeys(stored) if z not in self.begun]:
            self.kernel("full", (0,), (z.shape, z.dtype, self.device), z)
        self.jobs.append(Job(partial(function, nest), (*[x.buffer for x in nest.reads], *stored)))

    def read(self, access: Access) -> Access:
        """Of a number what holds the word that is read; others as they are."""
        x = access.buffer
        if not isinstance(x, Number):
            return access
        if access.dtype.name not in self.device.backend.capabilities.dtypes:
            raise Refused
        word = self.words.setdefault((x, access.offset), Value(Spec((), access.dtype)))
        return access._replace(buffer=word, offset=0)

    def product(self, product: Product) -> None:
        """The backend's product of whole operands, and the nest on all of it."""
        *batch, m, n = product.shape
        given, k, nest = (product.x, product.y), product.k, product.nest
        # what a loop over batches repeats is not copied: the kernel broadcasts it
        once = [[b if s else 1 for b, s in zip(batch, x.strides, strict=False)] for x in given]
        z = Value(Spec((*map(max, *once), m, n), product.x.dtype))
        self.kernel("matmul", given, (), z, ((*once[0], m, k), (*once[1], k, n)))
        block = Access(z, packed(z.shape), 0, z.dtype)
        reads = tuple([block if read.buffer is None else read for read in nest.reads])
        self.nest(coalesced(nest._replace(reads=reads)))

    def kernel(self, name: str, given: Any, params: Any, z: Value, shapes: Any = (None,)) -> None:
        """A kernel of the device that makes z."""
        self.call(Call(Step(operations[name], self.device, (), params, (z,)), given, shapes))

    def call(self, call: Call) -> None:
        """A kernel on whole inputs."""
        pairs = zip(call.inputs, call.shapes, strict=True)
        given = [self.whole(x, shape or ()) if isinstance(x, Access) else x for x, shape in pairs]
        self.begun.update(z for z in call.step.outputs if z is not None)
        self.jobs.append(Job(call.run, tuple(given), call.step.outputs))

    def whole(self, access: Access, shape: Shape) -> Value:
        """A buffer of this shape with the elements of an access in order: a copy if need be."""
        x: Value = access.buffer
        z = Value(Spec(shape, access.dtype))
        if (access.strides, access.offset) != (packed(shape), 0) or size(shape) != size(x.shape):
            self.nest(copying(access, z))
        elif x.shape != shape:
            self.kernel("reshape", (x,), (shape,), z)
        else:
            return x
        return z

    def run(self, *inputs: Any) -> list[Any]:
        """The outputs.  Raises: what a kernel raises; IndexError if a check fails."""
        held: dict[Any, Any] = dict(zip(self.graph.inputs, inputs, strict=True))

        def known(given: tuple[Any, ...]) -> list[Any]:
            return [held[x] if is_made(x) else x for x in given]

        for step in self.fused.sums():
            held[step.outputs[0]] = compute(step.how, *known(step.inputs))
        full, index = self.device.kernels["full"], self.device.index
        for (number, which), word in self.words.items():
            n = held[number]
            if number.kind is int:
                if not (-(2**63) <= n < 2**63 or (number, 1) in self.words):  # beyond any nest
                    return self.graph.program().run(*inputs)
                n = n >> 64 * which & 2**64 - 1
                n -= n >> 63 << 64
            held[word] = self.device.lift(full(n, (), word.dtype, index))
        for job, dying in zip(self.jobs, self.dying, strict=True):
            made = job.run(known(job.given)) or ()
            for z, array in zip(job.made, made, strict=True):
                if z is not None:
                    held[z] = self.device.lift(array)
            for x in dying:
                del held[x]
        if any(self.device.get(held[check]).any() for check in self.checks):
            raise IndexError("an index is out of range; the operation that has it says which")
        return known(self.outputs)


def packed(shape: Shape) -> Shape:
    """The strides of elements in order; 0 along an axis of one, as an Access has it."""
    return tuple([s if n > 1 else 0 for s, n in zip(strides_of(shape), shape, strict=True)])


def copying(access: Access, z: Value) -> LoopNest:
    """The nest that stores the elements of an access in order."""
    axes = [d for d, n in enumerate(z.shape) if n > 1]
    extents = tuple([z.shape[d] for d in axes]) or (1,)
    walked = tuple([access.strides[d] for d in axes]) or (0,)
    loops = frozenset(d for d, s in enumerate(walked) if s)
    node = Node("read", (), 0, z.dtype, loops)
    store = Store(0, Access(z, packed(extents), 0, z.dtype))
    return coalesced(LoopNest(extents, (access._replace(strides=walked),), (node,), (store,)))
