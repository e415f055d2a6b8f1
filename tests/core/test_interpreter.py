"""Fused programs run by numpy: the laws that they are held to, and every operation's cases."""

import numpy as np
import pytest
from fuzz.fused import execute

from rushlight.compiler.fuse import Fused, Product
from rushlight.compiler.graph import Graph, Value
from rushlight.compiler.nest import Access, LoopNest, Node, Store
from rushlight.dtypes import float32, int32
from rushlight.spec import Spec
from rushlight.testing.conformance import test_traced as assert_traced, types_in_turn

from .interpreted import fusing


def value(*shape, dtype=float32):
    return Value(Spec(shape, dtype))


def at(buffer, *strides, offset=0):
    return Access(buffer, strides, offset, buffer.dtype)


def copying(extents, read, write, over=frozenset()):
    """A nest that copies what one access reads to where another stores."""
    loops = frozenset(d for d, s in enumerate(read.strides) if s)
    node = Node("read", (), 0, read.dtype, loops)
    return LoopNest(extents, (read,), (node,), (Store(0, write, "sum" if over else "store", over),))


def program(x, z, *records):
    """A program of one input and one output, which lies as it is."""
    strides = [1] if len(z.shape) == 1 else [z.shape[1], 1]
    stored = frozenset(s.access.buffer for r in records for s in getattr(r, "nest", r).stores)
    return Fused(Graph((x,), (), (z,)), records, stored, {}, {z: at(z, *strides)})


X, Z, Y, M = value(6), value(6), value(6), value(2, 3)
GIVEN = np.arange(6, dtype=np.float32)

UNLAWFUL = {
    "read too early": [copying((6,), at(Y, 1), at(Z, 1)), copying((6,), at(X, 1), at(Y, 1))],
    "written twice": [copying((6,), at(X, 1), at(Z, 1)), copying((2,), at(X, 1), at(Z, 1))],
    "read and written": [copying((3,), at(X, 1), at(Z, 1)),
                         copying((3,), at(Z, 1), at(Z, 1, offset=3))],
    "outside of its buffer": [copying((6,), at(X, 1, offset=1), at(Z, 1))],
    "over each other": [copying((6,), at(X, 1), at(Z, 0))],
}  # fmt: skip


@pytest.mark.parametrize("law", UNLAWFUL)
def test_a_law_is_held(law):
    with pytest.raises(AssertionError, match=law):
        execute(program(X, Z, *UNLAWFUL[law]), GIVEN)


def test_other_places_outside_and_twice():
    for nest, told in (
        (copying((6,), at(X, 1), at(Z, 1, offset=-1)), "outside"),
        (copying((7,), at(X, 0), at(Z, 1)), "outside"),
        (copying((2, 3), at(X, 3, 1), at(Z, 1, 1)), "twice"),
        (copying((6,), at(X, 1)._replace(dtype=int32), at(Z, 1)), "another type"),
    ):
        with pytest.raises(AssertionError, match=told):
            execute(program(X, Z, nest), GIVEN)


def test_what_is_not_written_is_read_too_early_by_the_caller():
    with pytest.raises(AssertionError, match="read too early"):
        execute(program(X, Z, copying((5,), at(X, 1), at(Z, 1))), GIVEN)


def test_records_in_order():
    turn = copying((2, 3), at(X, 3, 1), at(M, 3, 1))
    total = value(3)
    sums = copying((2, 3), at(M, 3, 1), at(total, 0, 1), frozenset({0}))
    assert execute(program(X, total, turn, sums), GIVEN)[0].tolist() == [3.0, 5.0, 7.0]


def test_a_product_is_one_block():
    block = Access(None, (0, 0), 0, float32)
    nest = LoopNest(
        (2, 2),
        (block,),
        (Node("read", (), 0, float32, frozenset({0, 1})), Node("neg", (0,), None, float32,
                                                             frozenset({0, 1}))),
        (Store(1, at(z := value(2, 2), 2, 1)),),
    )  # fmt: skip
    product = Product(at(X, 3, 1), at(X, 1, 3), 3, (2, 2), nest)
    x = GIVEN.reshape(2, 3)
    assert np.array_equal(execute(program(X, z, product), GIVEN)[0], -(x @ x.T))


def test_the_inputs_stay_and_results_are_new():
    given = GIVEN.copy()
    (made,) = execute(program(X, X), given)
    made[...] = 9
    assert np.array_equal(given, GIVEN)


@pytest.fixture(scope="module")
def device():
    return fusing()


@pytest.mark.parametrize(
    ("case", "dtype"), [pytest.param(*row, id=row[0].id(row[1])) for row in types_in_turn()]
)
def test_every_operation_fused(case, dtype, device):
    assert_traced(case, dtype, device)
