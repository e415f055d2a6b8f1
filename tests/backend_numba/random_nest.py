"""Random nests with the error that each of their stores may have, for hypothesis.

Every node carries bounds: the largest and least size of its values, and how far a computed value
may lie from the exact one.  Operations that would make them useless are not chosen.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from rushlight.extend import (
    ROW,
    Access,
    LoopNest,
    Node,
    Store,
    as_dtype,
    bool_,
    float32,
    float64,
    int64,
)

FLOATS = [as_dtype(name) for name in ("float32", "float64", "float16", "bfloat16")]
WHOLE = [as_dtype(name) for name in ("int8", "int16", "int32", "int64", "uint8", "uint32")]
EPS = {"float64": 2.0**-51, "float32": 2.0**-23}  # of the type that a node is computed in
STORED = {"float64": 2.0**-52, "float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
LARGE = 3e4
STEEP = 1e5  # the most an error may grow

FLOATING = ["neg", "abs", "exp", "log", "sqrt", "sin", "cos", "tanh", "erf", "add", "sub", "mul"]
FLOATING += ["div", "maximum", "minimum", "where", "cast", "row_sum", "row_max", "floor", "pow"]
INTEGRAL = ["neg", "abs", "add", "sub", "mul", "maximum", "minimum", "bitwise_and", "bitwise_or"]
INTEGRAL += ["bitwise_xor", "bitwise_not", "where", "cast", "row_sum", "row_max", "row_prod"]
BOOLEAN = ["bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not", "add", "mul", "where"]
BOOLEAN += ["equal", "less", "less", "cast", "maximum", "minimum", "row_max"]


class Bounds(NamedTuple):
    """Sizes of a node's values, and the error of a computed one."""

    most: float
    least: float = 0.0  # of the absolute value, all values being positive if it is not 0
    error: float = 0.0


class Drawn(NamedTuple):
    nest: LoopNest
    buffers: dict[Any, np.ndarray]
    errors: list[float]  # of each store


def contents(draw: Any, dtype: np.dtype, count: int) -> np.ndarray:
    """Small numbers that are exact in every type."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    if dtype.kind == "b":
        return rng.integers(0, 2, count).astype(bool)
    if dtype in WHOLE:
        return rng.integers(0 if dtype.kind == "u" else -9, 10, count).astype(dtype)
    return (rng.integers(-12, 13, count) / 4).astype(dtype)


class Drawing:
    """A nest in the making."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        outer = draw(st.lists(st.integers(1, 4), max_size=3))
        self.extents = (*outer, draw(st.integers(1, 70)) + self.one_of([0, 0, 0, 0, 100]))
        self.last = len(outer)
        self.reads: list[Access] = []
        self.nodes: list[Node] = []
        self.bounds: list[Bounds] = []
        self.stores: list[Store] = []
        self.errors: list[float] = []
        self.buffers: dict[Any, np.ndarray] = {}

    def one_of(self, choices: list[Any]) -> Any:
        return self.draw(st.sampled_from(choices))

    # accesses

    def access(self, dtype: np.dtype, loops: list[int]) -> Access:
        """A fresh buffer, walked by these loops in some order, with gaps and backwards."""
        strides = [0] * len(self.extents)
        length, offset = 1, 0
        for d in self.draw(st.permutations(loops)) if self.one_of([0, 0, 1]) else loops[::-1]:
            length *= self.one_of([1, 1, 1, 2])
            forward = self.one_of([True, True, True, False])
            strides[d] = length if forward else -length
            offset += 0 if forward else length * (self.extents[d] - 1)
            length *= self.extents[d]
        start = self.one_of([0, 0, 3])
        name = f"b{len(self.buffers)}"
        self.buffers[name] = contents(self.draw, dtype, start + length)
        return Access(name, tuple(strides), start + offset, dtype)

    def some_loops(self) -> list[int]:
        return [d for d in range(len(self.extents)) if self.one_of([True, True, False])]

    def read(self) -> None:
        dtype = self.one_of([float32, float32, *FLOATS, *WHOLE, bool_])
        if None not in self.buffers and dtype in FLOATS[:2] and self.one_of([0, 0, 0, 1]):
            shape = self.extents[-2:]
            self.buffers[None] = contents(self.draw, dtype, math.prod(shape)).reshape(shape)
            loops = range(max(0, self.last - 1), self.last + 1)
            found = Access(None, (0,) * len(self.extents), 0, dtype)
        else:
            loops = self.some_loops()
            found = self.access(dtype, loops)
        self.reads.append(found)
        most = {"b": 1.0}.get(dtype.kind, 3.0 if dtype in FLOATS else 9.0)
        self.node("read", (), len(self.reads) - 1, dtype, frozenset(loops), Bounds(most))

    def gather(self) -> None:
        """Elements of a fresh buffer at places that another one tells."""
        loops, others = self.some_loops(), self.some_loops()
        places = self.access(int64, loops)
        n, stride = self.one_of([1, 3, 7]), self.one_of([1, 2, 40])
        self.buffers[places.buffer] %= n
        self.reads.append(places)
        self.node("read", (), len(self.reads) - 1, int64, loops, Bounds(9.0))
        dtype = self.one_of([float32, float32, *FLOATS, *WHOLE, bool_])
        found = self.access(dtype, others)
        length = len(self.buffers[found.buffer]) + (n - 1) * stride
        self.buffers[found.buffer] = contents(self.draw, dtype, length)
        self.reads.append(found)
        param = (len(self.reads) - 1, stride)
        most = {"b": 1.0}.get(dtype.kind, 3.0 if dtype in FLOATS else 9.0)
        at = (len(self.nodes) - 1,)
        self.node("gather", at, param, dtype, {*loops, *others}, Bounds(most))

    # nodes

    def node(self, op: str, args: tuple, param: Any, dtype: np.dtype, loops, bounds) -> int:
        self.nodes.append(Node(op, args, param, dtype, frozenset(loops)))
        self.bounds.append(bounds)
        return len(self.nodes) - 1

    def constant(self) -> None:
        dtype = self.one_of([float32, float32, *FLOATS, *WHOLE, bool_])
        if dtype.kind == "b":
            value = self.one_of([True, False])
        elif dtype in WHOLE:
            value = self.one_of([0, 1, 2, 3, 7])
        else:
            value = self.one_of([0, 1.0, -1.0, 0.5, 0.75, 2, 2.5, -0.25])
        least = value if value > 0 and dtype.kind != "b" else 0.0
        self.node("constant", (), value, dtype, (), Bounds(abs(float(value)), least))

    def index(self) -> None:
        loops = self.some_loops()
        steps = tuple(self.one_of([1, 1, 2, -3]) if d in loops else 0 for d in range(self.last + 1))
        offset = self.one_of([0, 5, -7])
        most = abs(offset) + sum(abs(s) * n for s, n in zip(steps, self.extents, strict=True))
        dtype = self.one_of([int64, int64, as_dtype("int32")])
        self.node("index", (), (offset, steps), dtype, loops, Bounds(float(most)))

    def exact(self, i: int) -> bool:
        return self.bounds[i].error == 0

    def of(self, dtype: np.dtype) -> list[int]:
        return [i for i, x in enumerate(self.nodes) if x.dtype == dtype]

    def step(self) -> None:
        """One more operation, if a drawn one can be had."""
        dtype = self.one_of([float32, float32, float32, *FLOATS, *WHOLE, bool_])
        names = FLOATING if dtype in FLOATS else BOOLEAN if dtype == bool_ else INTEGRAL
        op = self.one_of(names)
        args = self.operands(op, dtype)
        if args is not None:
            self.apply(op, dtype, *args)

    def apply(self, op: str, dtype: np.dtype, *args: int) -> int:
        """The operation on these nodes, or the last of them where its bounds say nothing."""
        found = self.bounded(op, dtype, args)
        if found is None or not found.most <= LARGE or found.error > STEEP * self.eps(dtype):
            if dtype in FLOATS:
                return args[-1]
            found = Bounds(math.inf)
        if dtype.kind == "u" and op in ("neg", "sub", "bitwise_not"):
            found = Bounds(math.inf)
        loops = frozenset().union(*(self.nodes[a].loops for a in args))
        if op in ROW:
            loops -= {self.last}
        return self.node(op, args, None, dtype, loops, found)

    def softmax(self) -> None:
        """exp(x - max) / sum, of some floating node."""
        choices = [i for i, x in enumerate(self.nodes) if x.dtype in FLOATS]
        if not choices:
            return
        x = self.one_of(choices)
        dtype = self.nodes[x].dtype
        z = self.apply("exp", dtype, self.apply("sub", dtype, x, self.apply("row_max", dtype, x)))
        y = self.apply("div", dtype, z, self.apply("row_sum", dtype, z))
        if self.one_of([True, False]):
            self.apply("sub", dtype, self.apply("mul", dtype, y, x), z)

    def normalised(self) -> None:
        """(x - c sum) / sqrt(c sum of squares + c), of some floating node."""
        choices = [i for i, x in enumerate(self.nodes) if x.dtype in FLOATS[:2]]
        if not choices:
            return
        x = self.one_of(choices)
        dtype = self.nodes[x].dtype
        c = self.node("constant", (), 1 / self.extents[-1], dtype, (), Bounds(1.0, 1e-3))
        mean = self.apply("mul", dtype, self.apply("row_sum", dtype, x), c)
        off = self.apply("sub", dtype, x, mean)
        square = self.apply("row_sum", dtype, self.apply("abs", dtype, off))
        size = self.apply("maximum", dtype, square, c)
        deviation = self.apply("sqrt", dtype, size)
        self.apply("div", dtype, off, size)
        self.apply("div", dtype, off, deviation)

    def operands(self, op: str, dtype: np.dtype) -> tuple[int, ...] | None:
        every = list(range(len(self.nodes)))
        if op == "cast":
            choices = [i for i in every if self.may_cast(i, dtype)]
            return (self.one_of(choices),) if choices else None
        if op in ("equal", "less"):
            choices = [i for i in every if self.exact(i)]
            x = self.one_of(choices) if choices else None
            same = [
                i for i in choices if x is not None and self.nodes[i].dtype == self.nodes[x].dtype
            ]
            return (x, self.one_of(same)) if same else None
        same = self.of(dtype)
        if op in ROW:  # of what varies along it, or not
            same = [i for i in same if self.last in self.nodes[i].loops or self.one_of([0, 0, 1])]
        if not same:
            return None
        if op == "where":
            conditions = self.of(bool_)
            if not conditions:
                return None
            return self.one_of(conditions), self.one_of(same), self.one_of(same)
        two = op in ("add", "sub", "mul", "div", "pow", "maximum", "minimum")
        two = two or op in ("bitwise_and", "bitwise_or", "bitwise_xor")
        return tuple(self.one_of(same) for _ in range(1 + two))

    def may_cast(self, i: int, dtype: np.dtype) -> bool:
        given = self.nodes[i].dtype
        if dtype in FLOATS:
            return self.bounds[i].most <= LARGE
        if given in FLOATS:  # digits are cut off, so that errors would be steps
            fits = self.bounds[i].most < 100
            signed = dtype.kind != "u" or self.bounds[i].least > 0
            return self.exact(i) and (dtype == bool_ or (fits and signed))
        return True

    def eps(self, dtype: np.dtype) -> float:
        return EPS["float64" if dtype == float64 else "float32"]

    def bounded(self, op: str, dtype: np.dtype, args: tuple[int, ...]) -> Bounds | None:
        """Bounds of a result; None where it may not be computed."""
        b = [self.bounds[a] for a in args]
        x, y = b[0], b[-1]
        n = self.extents[-1]
        if op == "cast":
            extra = STORED[dtype.name] * x.most if dtype in FLOATS else 0.0
            exact = x.most <= 16 and x.error == 0 and self.quarters(args[0])
            return Bounds(x.most, x.least * 0.99, x.error + (0 if exact else extra))
        if dtype not in FLOATS:
            most = {"add": x.most + y.most, "sub": x.most + y.most, "mul": x.most * y.most}
            most |= {"row_sum": n * x.most, "row_prod": x.most**n if x.most <= 1 else math.inf}
            kept = {"neg", "abs", "maximum", "minimum", "where", "row_max"}
            most |= dict.fromkeys(kept, max(b[-1].most, b[-2].most if len(b) > 1 else 0))
            found = most.get(op, math.inf)
            return (
                Bounds(found if found <= min(np.iinfo(dtype).max, LARGE) else math.inf)
                if dtype != bool_
                else Bounds(1.0)
            )
        return self.floating(op, self.eps(dtype), b, n)

    def quarters(self, i: int) -> bool:
        """Whether the values are small multiples of 1/4, exact in every type."""
        return self.nodes[i].op in ("read", "gather", "constant")

    def floating(self, op: str, eps: float, b: list[Bounds], n: int) -> Bounds | None:
        x, y = b[0], b[-1]
        if op in ("neg", "abs", "floor", "row_max"):
            if op == "floor" and x.error:
                return None
            return Bounds(
                x.most + (op == "floor"), 0 if op in ("neg", "floor") else x.least, x.error
            )
        if op in ("maximum", "minimum", "where"):
            b = b[-2:]
            least = max(b[0].least, b[1].least) if op == "maximum" else min(b[0].least, b[1].least)
            return Bounds(max(v.most for v in b), least, max(v.error for v in b))
        if op in ("add", "sub"):
            most = x.most + y.most
            least = x.least + y.least if op == "add" and min(x.least, y.least) > 0 else 0.0
            return Bounds(most, least, x.error + y.error + eps * most)
        if op == "mul":
            most = x.most * y.most
            return Bounds(most, x.least * y.least, x.error * y.most + y.error * x.most + eps * most)
        if op == "div" and y.least > 1e-2:
            most = x.most / y.least
            error = x.error / y.least + y.error * most / y.least + 2 * eps * most
            return Bounds(most, x.least / y.most, error)
        if op == "exp" and x.most < 8:
            most = math.exp(x.most)
            return Bounds(most, 0.9 / most, 1.01 * most * (x.error + 4 * eps))
        if op == "sqrt" and x.least > 0:
            most = math.sqrt(x.most)
            error = x.error / math.sqrt(x.least)
            return Bounds(most, math.sqrt(x.least), error + eps * (most + 1))
        if op == "log" and x.least > 1e-2:
            most = max(abs(math.log(x.least)), abs(math.log(x.most))) + 0.1
            return Bounds(most, 0, 1.01 * x.error / x.least + 4 * eps * (most + 1))
        if op in ("sin", "cos", "tanh", "erf"):
            return Bounds(1.0, 0, 1.2 * x.error + 4 * eps)
        if op == "pow" and x.least > 1e-2 and y.most <= 3:
            most = max(x.most, 1 / x.least, 1.0) ** y.most
            slope = y.most / x.least * x.error + y.error * 10 + 4 * eps
            return Bounds(most, 0.9 / most, 1.1 * most * slope)
        if op == "row_sum":
            return Bounds(n * x.most, x.least, n * x.error + n * (n + 8) * x.most * eps)
        return None

    # stores

    def store(self, node: int) -> None:
        x, b = self.nodes[node], self.bounds[node]
        outer = [d for d in range(self.last) if self.one_of([0, 0, 1])]
        how = self.one_of(["store", "sum", "max"] if x.dtype != bool_ else ["store", "max"])
        over = frozenset(outer) if how != "store" else frozenset()
        how = how if over else "store"
        free = [d for d in range(len(self.extents)) if d not in over]
        loops = [d for d in free if d in x.loops or self.one_of([0, 1])]
        turns = math.prod(self.extents[d] for d in over) if how == "sum" else 1
        rounding = STORED.get(x.dtype.name, 0.0)
        error = turns * b.error + (turns * turns if over else 1) * b.most * rounding
        if x.dtype in FLOATS and not turns * b.most < LARGE:
            return
        apart = self.one_of([False, False, True])
        found = self.access(x.dtype, loops)
        self.stores.append(Store(node, found, how, over, apart))
        self.errors.append(error if x.dtype in FLOATS else 0.0)


@st.composite
def nests(draw: Any) -> Drawn:
    """A nest of up to some thirty nodes, and its buffers."""
    made = Drawing(draw)
    for _ in range(draw(st.integers(1, 4))):
        made.read()
    for _ in range(draw(st.integers(0, 3))):
        made.one_of([made.constant, made.constant, made.index, made.gather])()
    for _ in range(draw(st.integers(1, 24))):
        made.one_of([made.step] * 12 + [made.softmax, made.normalised])()
    n = len(made.nodes)
    made.store(n - 1)
    for _ in range(draw(st.integers(0, 3))):
        made.store(draw(st.integers(0, n - 1)))
    nest = LoopNest(made.extents, tuple(made.reads), tuple(made.nodes), tuple(made.stores))
    return Drawn(nest, made.buffers, made.errors)
