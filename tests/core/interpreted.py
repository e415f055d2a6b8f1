"""What tests of fusing share: graphs written by hand, and functions fused and then interpreted."""

import numpy as np
from fuzz.fused import Interpreter

import rushlight as rl
from rushlight.compiler.fuse import Call, Product
from rushlight.compiler.graph import Graph, Step, Value
from rushlight.compiler.trace import infer
from rushlight.device import Device, _furnish
from rushlight.dtypes import float32
from rushlight.op import operations
from rushlight.spec import Spec
from rushlight.testing.close import assert_close


def fusing(policy=None):
    """A device on which compiled programs are fused, and then interpreted."""
    return _furnish("fused", Interpreter(policy), 0)


class Writing:
    """A graph being written by hand."""

    def __init__(self):
        self.inputs, self.steps = [], []

    def input(self, *shape, dtype=float32):
        self.inputs.append(Value(Spec(shape, dtype)))
        return self.inputs[-1]

    def __call__(self, name, *inputs, params=()):
        """A step of an operation and its result."""
        device, op = Device("numpy"), operations[name]
        specs = tuple(x.spec if isinstance(x, Value) else x for x in inputs)
        params = tuple(device if p == "here" else p for p in params)
        z = Value(infer(op, device, specs, params))
        self.steps.append(Step(op, device, inputs, params, (z,)))
        return z

    def graph(self, *outputs):
        return Graph(tuple(self.inputs), tuple(self.steps), outputs)


def told(graph):
    """The steps of a graph as text, without what lets go of values."""
    lines = graph.program().text.splitlines()[1:]
    return [line.strip() for line in lines if not line.strip().startswith("del ")]


def fused(function, *tensors, calls=1):
    """What a function became; it means what it means at once.  tensors: numpy's, or floats."""
    device = fusing()
    compiled = rl.compile(function)
    given = [x if isinstance(x, float) else rl.from_numpy(x).to(device) for x in tensors]
    for _ in range(calls):
        compare(compiled(*given), function(*given))
    (program,) = [traced.program for found in compiled.traced.values() for traced in found]
    assert program.fused is not None
    return program.fused


def compare(ours, theirs):
    """Hold tensors to tensors."""
    ours, theirs = ([z] if isinstance(z, rl.Tensor) else [*z] for z in (ours, theirs))
    for i, (x, y) in enumerate(zip(ours, theirs, strict=True)):
        x, y = (z.numpy(force=True) for z in (x, y))
        assert_close(f"result {i}", x, y, terms=1000)


def kinds(program):
    """Each record in words: `nest`, `product`, or the operation that is called."""
    return [kind(record) for record in program.records]


def kind(record):
    if isinstance(record, Call):
        return record.step.op.name
    return "product" if isinstance(record, Product) else "nest"


def texts(program):
    """The texts of all nests."""
    nests = [getattr(record, "nest", record) for record in program.records]
    return [nest.text() for nest in nests if not isinstance(nest, Call)]


def stored(program):
    """How many arrays each record stores."""
    nests = [getattr(record, "nest", record) for record in program.records]
    return [len(nest.stores) for nest in nests if not isinstance(nest, Call)]


def numbers(*shape, seed=0, dtype=np.float32):
    return np.random.default_rng((seed, *shape)).uniform(-1.0, 1.0, shape).astype(dtype)
