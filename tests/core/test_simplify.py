"""Fewer steps for the same results: each rule once, and what looks alike and must stay."""

import numpy as np
import pytest

import rushlight as rl
from rushlight.compiler.simplify import simplify
from rushlight.dtypes import as_dtype, float16, float32, float64, int32, int64

from .interpreted import Writing, told

bfloat16 = as_dtype("bfloat16")


def simplified(build):
    """The text of what a function of a Writing wrote, simplified."""
    writing = Writing()
    made = build(writing)
    graph = writing.graph(*(made if isinstance(made, tuple) else (made,)))
    return told(simplify(graph))


def as_it_is(build):
    """The text of what it wrote, which must stay."""
    writing = Writing()
    made = build(writing)
    return told(writing.graph(*(made if isinstance(made, tuple) else (made,))))


def reshape(w, x, *shape):
    return w("reshape", x, params=(shape,))


def permute(w, x, *order):
    return w("permute", x, params=(order,))


def part(w, x, *bounds):
    return w("slice", x, params=(bounds,))


def pad(w, x, *widths, value=0.0):
    return w("pad", x, params=(widths, value))


def cast(w, x, dtype):
    return w("cast", x, params=(dtype,))


def reduced(w, name, x, axes, keepdim=True):
    return w(name, x, params=(axes, keepdim))


def parts(w):
    """Two 1-d values and their concatenation."""
    x, y = w.input(3), w.input(2)
    return w("concat", x, y, params=(0,))


RULES = {
    "a reshape of a reshape": (
        lambda w: reshape(w, reshape(w, w.input(2, 3), 6), 3, 2),
        ["v1 = reshape(v0, (3, 2))", "return [v1]"],
    ),
    "a reshape there and back": (
        lambda w: reshape(w, reshape(w, w.input(2, 3), 6), 2, 3),
        ["return [v0]"],
    ),
    "a permutation of a permutation": (
        lambda w: permute(w, permute(w, w.input(2, 3, 4), 2, 0, 1), 2, 0, 1),
        ["v1 = permute(v0, (1, 2, 0))", "return [v1]"],
    ),
    "a permutation there and back": (
        lambda w: permute(w, permute(w, w.input(2, 3, 4), 2, 0, 1), 1, 2, 0),
        ["return [v0]"],
    ),
    "a permutation of axes of length 1": (
        lambda w: permute(w, w.input(2, 1, 4), 1, 0, 2),
        ["v1 = reshape(v0, (1, 2, 4))", "return [v1]"],
    ),
    "a view of all": (
        lambda w: part(w, w("expand", w.input(2, 3), params=((2, 3),)), (0, 2, 1), (0, 3, 1)),
        ["return [v0]"],
    ),
    "a slice within a part of a concatenation": (
        lambda w: part(w, parts(w), (4, 2, -1)),
        ["v2 = slice(v1, ((1, 2, -1),))", "return [v2]"],
    ),
    "a concatenation of one": (
        lambda w: w("concat", w.input(2, 3), params=(1,)),
        ["return [v0]"],
    ),
    "a cast to its type": (lambda w: cast(w, w.input(2), float32), ["return [v0]"]),
    "a pad by nothing": (lambda w: pad(w, w.input(2), (0, 0)), ["return [v0]"]),
    "a negative of a negative": (
        lambda w: w("neg", w("neg", w.input(2))),
        ["return [v0]"],
    ),
    "a reduction keeps its axes": (
        lambda w: reduced(w, "sum", w.input(2, 1, 3), (0, 1), keepdim=False),
        ["v1 = sum(v0, (0,), True)", "v2 = reshape(v1, (3,))", "return [v2]"],
    ),
    "a reduction over nothing": (
        lambda w: reduced(w, "max", w.input(2, 1), (1,)),
        ["return [v0]"],
    ),
    "equal steps": (
        lambda w: [x := w.input(2), w("add", w("exp", x), w("exp", x))][1],
        ["v1 = exp(v0)", "v2 = add(v1, v1)", "return [v2]"],
    ),
    "equal steps by way of others": (
        lambda w: [
            x := w.input(2, 3),
            w("add", reduced(w, "sum", x, (1,)),
              reshape(w, reduced(w, "sum", x, (1,), keepdim=False), 2, 1)),
        ][1],
        ["v1 = sum(v0, (1,), True)", "v2 = add(v1, v1)", "return [v2]"],
    ),
    "a product of a batch and one matrix": (
        lambda w: w("matmul", w.input(2, 5, 3), w.input(3, 4)),
        ["v2 = reshape(v0, (10, 3))", "v3 = matmul(v2, v1)", "v4 = reshape(v3, (2, 5, 4))",
         "return [v4]"],
    ),
    "padded parts that fill the whole": (
        lambda w: w("add", pad(w, w.input(2, 3), (0, 0), (0, 2)),
                    pad(w, w.input(2, 2), (0, 0), (3, 0))),
        ["v2 = concat(v0, v1, axis=1)", "return [v2]"],
    ),
    "three padded parts in any order": (
        lambda w: w("add", pad(w, w.input(2), (3, 0)),
                    w("add", pad(w, w.input(1), (2, 2)), pad(w, w.input(2), (0, 3)))),
        ["v3 = concat(v0, v1, v2, axis=0)", "return [v3]"],
    ),
    "elementwise steps on a concatenation": (
        lambda w: w("mul", w("add", parts(w), 1.0), w.input(5)),
        ["v3 = add(v0, 1.0)", "v4 = add(v1, 1.0)", "v5 = slice(v2, ((0, 3, 1),))",
         "v6 = mul(v3, v5)", "v7 = slice(v2, ((3, 2, 1),))", "v8 = mul(v4, v7)",
         "v9 = concat(v6, v8, axis=0)", "return [v9]"],
    ),
    "steps that nothing needs": (
        lambda w: [x := w.input(2), w("exp", x), x][2],
        ["return [v0]"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_a_rule(rule):
    build, after = RULES[rule]
    found, before = simplified(build), as_it_is(build)
    if rule == "three padded parts in any order":  # the order of the inputs stands in their names
        assert found[0] in {"v3 = concat(v2, v1, v0, axis=0)", "v3 = concat(v0, v1, v2, axis=0)"}
        return
    assert found == after
    assert found != before


@pytest.mark.parametrize("dtype", [float16, bfloat16], ids=str)
def test_narrow_sums_and_products_are_carried_in_float32(dtype):
    def build(w):
        x, y = w.input(2, 3, dtype=dtype), w.input(3, 4, dtype=dtype)
        return reduced(w, "sum", w("matmul", x, y), (1,))

    writing = Writing()
    graph = simplify(writing.graph(build(writing)))
    names = [step.op.name for step in graph.steps]
    assert names == ["cast", "cast", "matmul", "cast", "cast", "sum", "cast"]
    assert all(step.inputs[0].dtype is float32 for step in graph.steps if step.op.name != "cast")
    assert graph.outputs[0].dtype is dtype


STAYS = {
    "0.0 is not -0.0": lambda w: [
        x := w.input(2), (w("add", x, 0.0), w("add", x, -0.0), w("add", x, 0))
    ][1],
    "a zero that is added": lambda w: w("add", w.input(2), 0.0),  # -0.0 + 0.0 is 0.0
    "a factor of one": lambda w: w("mul", w.input(2), 1.0),
    "a factor of zero": lambda w: w("mul", w.input(2), 0.0),  # nan times 0 is nan
    "a difference with itself": lambda w: [x := w.input(2), w("add", x, w("neg", x))][1],
    "a negative inside": lambda w: w("neg", w("abs", w("neg", w.input(2)))),
    "a cast that rounds": lambda w: cast(w, cast(w, w.input(2), float16), float32),
    "a cast that widens and narrows": lambda w: cast(w, cast(w, w.input(2), float64), float32),
    "a cast to whole numbers": lambda w: cast(w, cast(w, w.input(2), int32), float32),
    "log(1 + exp(x))": lambda w: w("log", w("add", w("exp", w.input(2)), 1.0)),
    "exp of a log": lambda w: w("exp", w("log", w.input(2))),
    "other axes": lambda w: [
        x := w.input(2, 2), (reduced(w, "sum", x, (0,)), reduced(w, "sum", x, (1,)))
    ][1],
    "other reductions": lambda w: [
        x := w.input(2, 2), (reduced(w, "sum", x, (0,)), reduced(w, "max", x, (0,)))
    ][1],
    "swapped operands": lambda w: [
        x := w.input(2), y := w.input(2), (w("div", x, y), w("div", y, x))
    ][2],
    "other types of numbers": lambda w: [
        x := w.input(2, dtype=int64), (w("add", x, 1), w("mul", x, 1))
    ][1],
    "a slice over two parts": lambda w: part(w, parts(w), (2, 2, 1)),
    "a backward slice": lambda w: part(w, w.input(3), (2, 3, -1)),
    "parts that overlap": lambda w: w(
        "add", pad(w, w.input(3), (0, 2)), pad(w, w.input(3), (2, 0))
    ),
    "parts that leave a gap": lambda w: w(
        "add", pad(w, w.input(3), (0, 3)), pad(w, w.input(2), (4, 0))
    ),
    "parts that overlap and leave a gap": lambda w: w(
        "add", pad(w, w.input(3), (0, 2)), pad(w, w.input(2), (2, 1))
    ),
    "parts that are padded along two axes": lambda w: w(
        "add", pad(w, w.input(1, 2), (0, 1), (0, 0)), pad(w, w.input(1, 1), (1, 0), (1, 0))
    ),
    "a largest of float16": lambda w: reduced(w, "max", w.input(2, 2, dtype=float16), (0,)),
    "parts along different axes": lambda w: w(
        "add", pad(w, w.input(1, 2), (0, 1), (0, 0)), pad(w, w.input(2, 1), (0, 0), (1, 0))
    ),
    "parts in frames of ones": lambda w: w(
        "add", pad(w, w.input(3), (0, 2), value=1.0), pad(w, w.input(2), (3, 0))
    ),
    "a product of two batches": lambda w: w("matmul", w.input(2, 5, 3), w.input(2, 3, 4)),
    "a sum of float64": lambda w: reduced(w, "sum", w.input(2, 2, dtype=float64), (0,)),
}  # fmt: skip


@pytest.mark.parametrize("what", STAYS)
def test_what_stays(what):
    assert simplified(STAYS[what]) == as_it_is(STAYS[what])


# -- what is looked up ----------------------------------------------------------------------------


def names(graph):
    return [step.op.name for step in graph.steps]


def looking(x_of):
    """The graph of one element of each row, simplified.  x_of: what is looked at, from an input."""
    w = Writing()
    x, index = w.input(2, 5), w.input(2, 1, dtype=int64)
    return simplify(w.graph(w("gather", x_of(w, x), index, params=(1,))))


def test_one_element_of_each_row_that_is_computed_is_a_choice():
    graph = looking(lambda w, x: w("exp", x))
    assert "gather" not in names(graph)
    assert names(graph)[-2:] == ["where", "max"]
    assert graph.steps[-2].inputs[2] == float("-inf")
    assert len(graph.checks) == 1


def test_one_element_of_each_row_of_an_input_is_looked_up_and_checked():
    graph = looking(lambda w, x: x)
    assert names(graph)[-1] == "gather"
    assert len(graph.checks) == 1


@pytest.mark.parametrize("before", [0.0, 2.0])
def test_what_is_added_to_one_element_of_each_row_is_a_choice(before):
    w = Writing()
    index, source = w.input(2, 1, dtype=int64), w.input(2, 1)
    x = w("full", before, params=((2, 5), float32, "here"))
    graph = simplify(w.graph(w("scatter_add", x, index, source, params=(1,))))
    assert names(graph)[-1] == "where"
    assert ("add" in names(graph)) is (before != 0)
    assert len(graph.checks) == 1


def test_equal_checks_are_one():
    w = Writing()
    x, y, index = w.input(4, 3), w.input(4, 2), w.input(2, dtype=int64)
    made = [w("take", z, index, params=(0,)) for z in (x, y)]
    assert len(simplify(w.graph(*made)).checks) == 1


# -- results --------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", [*RULES, *STAYS])
def test_the_results_are_the_same_bits(what):
    writing = Writing()
    made = (RULES.get(what, (None,))[0] or STAYS[what])(writing)
    graph = writing.graph(*(made if isinstance(made, tuple) else (made,)))
    random = np.random.default_rng(3)
    given = []
    for x in graph.inputs:
        values = random.normal(size=x.shape) * 3
        values.reshape(-1)[:1] = -0.0 if "padded" not in what else 1.0
        given.append(values.astype(x.dtype))
    with np.errstate(all="ignore"):
        before, after = (g.program().run(*given) for g in (graph, simplify(graph)))
    for x, y in zip(before, after, strict=True):
        assert x.dtype == y.dtype
        assert x.shape == y.shape
        assert np.array_equal(x, y, equal_nan=True)
        assert (np.signbit(x) == np.signbit(y))[~np.isnan(x)].all()


def test_simplified_twice_is_simplified_once():
    for build, _ in RULES.values():
        writing = Writing()
        once = simplify(writing.graph(build(writing)))
        assert told(simplify(once)) == told(once)


def test_what_a_graph_captures_is_not_mixed_up():
    """The same number as a float and as an int meets integers as what it is."""
    x = rl.tensor([1, 2])
    assert rl.compile(lambda x: (x * 1, x * 1.0))(x)[1].dtype is float32
