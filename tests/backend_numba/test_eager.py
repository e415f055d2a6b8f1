"""Operations of `numba` as programs of one operation each, beside the reference's kernels.

`sized` chooses by the number of elements; here every one is native, however few there are.
"""

import threading

import numpy as np
import pytest

import rushlight as rl
from rushlight import reference
from rushlight.extend import operations
from rushlight.testing.close import assert_close, assert_same_bits
from rushlight_numba import eager, layout
from rushlight_numba.eager import KEPT, LEAST, Programs

UNARY = "neg abs relu sqrt exp log sin cos tanh erf sigmoid".split()
BINARY = "add sub mul div maximum minimum pow".split()
COMPARISONS = "equal not_equal less less_equal greater greater_equal".split()
REDUCTIONS = "sum max min mean prod".split()


@pytest.fixture(scope="module")
def backend():
    return rl.device("numba").backend


@pytest.fixture
def native(backend):
    """The kernel of an operation with no other behind it, by name."""
    return lambda name: Programs(backend, name, refused)


def refused(*given, **named):
    raise AssertionError("the reference's kernel was called")


def drawn(*shape, dtype="float32", seed=0):
    """Numbers between 0.5 and 2."""
    return np.random.default_rng((seed, *shape)).uniform(0.5, 2, shape).astype(dtype)


def views(x):
    """Views of an array of two axes, of the same shape or its reverse, by how they lie."""
    m, n = x.shape
    wide = np.zeros((2 * m, 3 * n), x.dtype)
    wide[1::2, 1::3] = x
    return {
        "dense": x,
        "turned": np.ascontiguousarray(x.T).T,
        "apart": wide[1::2, 1::3],
        "backwards": np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1],
        "rows": np.concatenate([x, x], 1)[:, :n],
        "repeated": np.broadcast_to(x[:1], (m, n)),
    }


def close(what, ours, theirs, terms=1):
    assert ours.dtype == theirs.dtype
    assert ours.shape == theirs.shape
    assert_close(what, ours, theirs, terms=terms)


KINDS = [*views(drawn(2, 2))]


# -- what lies otherwise


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", UNARY)
def test_one_view(native, name, kind):
    x = views(drawn(5, 7))[kind]
    close(name, native(name)(x), reference.KERNELS[name](x))


@pytest.mark.parametrize("first", KINDS)
@pytest.mark.parametrize("second", KINDS)
def test_two_views(native, first, second):
    x, y = views(drawn(5, 7))[first], views(drawn(5, 7, seed=1))[second]
    before = x.copy(), y.copy()
    assert_same_bits("sub", native("sub")(x, y), x - y)
    assert_same_bits("x", x, before[0])
    assert_same_bits("y", y, before[1])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("keepdim", [False, True])
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1)])
@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_reduction_of_a_view(native, name, axes, keepdim, kind):
    x = views(drawn(5, 7))[kind]
    close(name, native(name)(x, axes, keepdim), reference.KERNELS[name](x, axes, keepdim), terms=35)


@pytest.mark.parametrize("order", [(0, 1, 2), (0, 2, 1), (1, 0, 2), (2, 0, 1), (2, 1, 0)])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_three_axes_in_any_order(native, order, axis):
    x = drawn(3, 4, 5).transpose(order)
    assert_same_bits("mul", native("mul")(x, x), x * x)
    wide = x.astype(np.float64)
    for keepdim in (False, True):
        z = native("sum")(x, (axis,), keepdim)
        close("sum", z, wide.sum(axis, keepdims=keepdim).astype(np.float32), terms=5)
    z = native("softmax")(x, axis)
    close("softmax", z, reference.KERNELS["softmax"](x, axis), terms=8)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("axis", [0, 1])
def test_a_gradient_of_views(native, axis, kind):
    g, z = views(drawn(5, 7))[kind], views(drawn(5, 7, seed=1))[kind]
    ours, theirs = native("softmax.vjp")(g, z, axis), reference.KERNELS["softmax.vjp"](g, z, axis)
    assert type(ours) is type(theirs) is tuple
    close("softmax.vjp", *ours, *theirs, terms=8)
    (gx,) = native("log_softmax.vjp")(g, z, axis)
    close("log_softmax.vjp", gx, g - np.exp(z) * g.sum(axis, keepdims=True), terms=8)


def test_what_is_large_and_lies_far_apart(native):
    x, y = drawn(600, 512), drawn(512, 600)
    assert x.nbytes >= layout.MANY_BYTES
    assert_same_bits("add", native("add")(x, y.T), x + y.T)
    z = drawn(600, 3, 512, dtype="float64").transpose(1, 2, 0)
    assert_same_bits("copy", layout.in_order(z), np.ascontiguousarray(z))


def test_a_result_lies_as_its_arguments_do(native):
    x = drawn(3, 4, 5).transpose(2, 0, 1)
    assert native("exp")(x).strides == np.exp(x).strides


# -- shapes and numbers


@pytest.mark.parametrize(
    ("left", "right"),
    [((5, 7), (7,)), ((5, 1), (1, 7)), ((), (5,)), ((3, 1, 2), (4, 1)), ((1,), (1, 1)), ((), ())],
)
@pytest.mark.parametrize("name", BINARY)
def test_broadcasting(native, name, left, right):
    x, y = drawn(*left), drawn(*right, seed=1)
    wanted = np.asarray(reference.KERNELS[name](x.astype(np.float64), y.astype(np.float64)))
    close(name, native(name)(x, y), wanted.astype(np.float32), terms=8)


@pytest.mark.parametrize("number", [0.0, -0.0, 2, 2.0, -1.5, float("inf"), float("nan")])
@pytest.mark.parametrize("name", ["add", "mul", "maximum", "less"])
def test_numbers_on_either_side(native, name, number):
    x = np.array([-1.0, -0.0, 0.0, 2.0, np.inf, np.nan], np.float32)
    for given in ((x, number), (number, x)):
        with np.errstate(invalid="ignore"):
            wanted = reference.KERNELS[name](*given)
        assert_same_bits(name, native(name)(*given), wanted)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0)])
def test_what_is_empty_is_the_references(backend, shape):
    x = np.zeros(shape, np.float32)
    for name, params in [("exp", ()), ("sum", ((0,), False)), ("add", (x,)), ("mul", (2.0,))]:
        kernel = Programs(backend, name, reference.KERNELS[name])
        wanted = reference.KERNELS[name](x, *params)
        assert_same_bits(name, np.asarray(kernel(x, *params)), np.asarray(wanted))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float64"])
@pytest.mark.parametrize("name", [*COMPARISONS, "add", "mul", "maximum"])
def test_other_types(backend, name, dtype):
    x, y = (np.array([0, 1, 1, 0, 3], dtype), np.array([1, 1, 0, 0, 2], dtype))
    kernel = Programs(backend, name, reference.KERNELS[name])
    assert_same_bits(name, kernel(x, y), reference.KERNELS[name](x, y))


def test_types_are_mixed_where_an_operation_takes_several(native):
    x, cond = drawn(4, 5), drawn(5, seed=1) > 1
    assert_same_bits("where", native("where")(cond, x, 0.0), np.where(cond, x, np.float32(0)))
    for dtype in map(np.dtype, ["int32", "bool", "float64"]):
        for view in views(x).values():
            assert_same_bits("cast", native("cast")(view, dtype), view.astype(dtype))


# -- programs are told apart


def test_kinds_of_arguments_do_not_collide(native):
    x, n = drawn(6), np.arange(6)
    power = native("pow")
    for y in (2, 2.0, 3, 0.5, -0.0, 0.0, True):
        close(f"pow {y}", power(x, y), np.power(x, np.float32(y)), terms=8)
    add = native("add")
    for y in (1, 1.0, 2, 2.5):
        assert_same_bits(f"add {y}", add(x, y), x + np.float32(y))
    for y in (True, 1, 3, False, 0):
        assert_same_bits(f"add {y!r}", add(n, y), n + int(y))
    total = native("sum")
    square = drawn(3, 3)
    found = [total(square, axes, keepdim) for axes in ((0,), (1,)) for keepdim in (False, True)]
    assert [z.shape for z in found] == [(3,), (1, 3), (3,), (3, 1)]


def test_shapes_and_strides_do_not_collide(native):
    add, x = native("add"), drawn(8, 8)
    for y in (x, x.T, x[:4], x[::2], x[:, ::2], x[:, :4], x.reshape(4, 16), x.reshape(-1)):
        for _ in range(2):
            assert_same_bits("add", add(y, y), y + y)


def test_programs_of_an_operation_are_bounded(native):
    neg, x = native("neg"), drawn(KEPT + 20)
    for n in (*range(1, KEPT + 20), 1, 2, 3):
        assert_same_bits("neg", neg(x[:n]), -x[:n])
    assert len(neg.found) <= KEPT


# -- results


@pytest.mark.parametrize("n", [1, 7, 40_000])
def test_results_share_no_memory(native, n):
    x = drawn(n)
    made = [native("add")(x, 0.0), native("relu")(x), native("cast")(x, np.dtype("int32"))]
    add = native("add")
    made += [add(x, x) for _ in range(3)]
    for i, z in enumerate(made):
        assert not np.shares_memory(z, x)
        assert not any(np.shares_memory(z, other) for other in made[:i])


def test_a_pass_returns_what_was_asked(native):
    x, target, g = drawn(4, 3), drawn(4, 3, seed=1), np.float32(1).reshape(())
    for asked in ((True, True), (True, False), (False, True)):
        z = native("mse.vjp")(g, x, target, asked)
        wanted = reference.KERNELS["mse.vjp"](g, x, target, asked)
        assert [part is None for part in z] == [part is None for part in wanted]
        for ours, theirs in zip(z, wanted, strict=True):
            if ours is not None:
                close("mse.vjp", ours, theirs, terms=8)


def test_twice_gives_the_same_bits_with_any_number_of_threads(native):
    x, before = drawn(300_000), rl.get_num_threads()
    try:
        found = []
        for n in (1, 2, 3):
            rl.set_num_threads(n)
            found.append([native(name)(x, (0,), False) for name in ("sum", "prod", "mean")])
    finally:
        rl.set_num_threads(before)
    for other in found[1:]:
        for ours, theirs in zip(found[0], other, strict=True):
            assert_same_bits("threads", ours, theirs)


def test_threads_call_one_kernel_at_once(native):
    kernel, wrong = native("mul"), []

    def work(seed):
        for i in range(50):
            x = drawn(100 + 37 * (i % 5), seed=seed)
            if not np.array_equal(kernel(x, float(seed)), x * np.float32(seed)):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


# -- as users meet them


def test_the_environment_says_from_how_many_elements_on(monkeypatch, backend):
    small = {name: lambda *_, **__: "small" for name in LEAST}
    x = drawn(5)
    for said, chosen in [("5", np.ndarray), ("6", str), ("0", np.ndarray)]:
        monkeypatch.setenv("RUSHLIGHT_NUMBA_LEAST", said)
        made = eager.kernels(backend, small)
        for name, params in [("exp", ()), ("add", (x,)), ("add", (1.0,)), ("sum", ((0,), True))]:
            assert type(made[name](x, *params)) is chosen


def test_large_and_small_arguments_together_are_large(backend):
    made = eager.kernels(backend, dict.fromkeys(LEAST, refused))
    x, y = drawn(1 << 16), drawn(1)
    for left, right in [(x, y), (y, x), (x, 2.0), (2.0, x)]:
        assert_same_bits("add", made["add"](left, right), left + right)


@pytest.mark.parametrize("n", [3, 50_000])
def test_errors_are_those_of_the_reference(n):
    def told(device, function):
        with pytest.raises(rl.RushlightError) as caught:
            function(rl.ones(n, 2, device=device), rl.ones(3, device=device))
        return type(caught.value), str(caught.value).replace(device, "a device")

    mistakes = [
        lambda x, y: x + y,
        lambda x, y: x.sum(5),
        lambda x, y: rl.softmax(x, 3),
        lambda x, y: rl.where(x, x, y),
        lambda x, y: x.max(dim=2),
    ]
    for mistake in mistakes:
        assert told("numba", mistake) == told("numpy", mistake)


def test_gradients_flow_through_large_operations():
    values = drawn(300, 200)
    found = []
    for device in ("numba", "numpy"):
        x = rl.tensor(values, device=device, requires_grad=True)
        rl.softmax((x.T * 2.0 + x.T.exp()).relu(), 0).square().sum().backward()
        found.append(x.grad.numpy(force=True))
    close("gradient", *found, terms=200)


def test_every_operation_of_the_table_exists():
    assert LEAST.keys() <= operations.keys()
