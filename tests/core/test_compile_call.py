"""A call of a compiled function: what the text made for it decides, and what it leaves to others.

Every case is run at once too, and must mean the same; `seen` tells which calls took the long way.
"""

import gc
import weakref
from collections import namedtuple
from threading import Barrier, Thread

import numpy as np
import pytest

import rushlight as rl
from rushlight.compiler import retrace, switch, world
from rushlight.compiler.argument import flatten
from rushlight.errors import BackendUnavailable

Pair = namedtuple("Pair", "first second")  # noqa: PYI024  the untyped kind is to work as well


@pytest.fixture(params=["numpy", "hostile", "numba"])
def device(request):
    try:
        return rl.device(request.param)
    except BackendUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(autouse=True)
def there(device):
    with device:
        yield


class Watched:
    """A compiled function that counts the calls that its texts did not take."""

    def __init__(self, fn):
        self.compiled, self.long = rl.compile(fn), 0
        general = self.compiled.general

        def counted(args, kwargs):
            self.long += 1
            return general(args, kwargs)

        self.compiled.general = counted

    def __call__(self, *args, **kwargs):
        return self.compiled(*args, **kwargs)

    @property
    def programs(self):
        return sum(map(len, self.compiled.traced.values()))


def ones(*shape, **options):
    return rl.ones(shape, **options)


# -- which calls a text takes ---------------------------------------------------------------------


def test_a_call_of_the_same_shape_takes_the_short_way():
    f = Watched(lambda x, y: x * 2.0 + y)
    for i in range(4):
        assert f(rl.full((2,), float(i)), ones(2)).tolist() == [2.0 * i + 1.0] * 2
    assert (f.long, f.programs) == (1, 1)


def test_shapes_in_turn_take_the_short_way():
    f = Watched(lambda x: x.sum())
    for _ in range(3):
        assert [f(ones(n)).item() for n in (1, 2, 3)] == [1.0, 2.0, 3.0]
    assert (f.long, f.programs) == (3, 3)


@pytest.mark.parametrize(
    "other",
    [
        lambda: ones(3),
        lambda: ones(2, 1),
        lambda: rl.tensor(1.0),
        lambda: ones(2, dtype=rl.int16),
        lambda: ones(2, dtype=rl.bool),
        lambda: ones(2, requires_grad=True),
        lambda: 1.0,
        lambda: 1,
        lambda: True,
    ],
    ids=["shape", "dims", "0-d", "dtype", "mask", "asks", "float", "int-number", "bool"],
)
def test_another_argument_is_another_program(other):
    f = Watched(lambda x: x * 3 if isinstance(x, rl.Tensor) else ones(2) * x)
    for _ in range(3):
        assert f(ones(2)).tolist() == [3.0, 3.0]
        x = other()
        y, expected = f(x), f.compiled.fn(x)
        assert (y.tolist(), y.dtype) == (expected.tolist(), expected.dtype)
        assert y.requires_grad is expected.requires_grad
    assert (f.long, f.programs) == (2, 2)


def test_another_device_is_another_program(device):
    away = rl.device("hostile" if device == "numpy" else "numpy")
    f = Watched(lambda x: x + 1.0)
    for _ in range(2):
        assert f(ones(2)).device is device
        assert f(ones(2, device=away)).device is away
    assert (f.long, f.programs) == (2, 2)


def test_no_grad_is_another_program():
    f, x = Watched(lambda x: x * 2.0), ones(2, requires_grad=True)
    for _ in range(3):
        assert f(x).requires_grad
        with rl.no_grad():
            assert not f(x).requires_grad
    assert (f.long, f.programs) == (2, 2)


def test_autocast_is_another_program_for_each_type():
    f = Watched(lambda x: x @ x)
    for _ in range(3):
        assert f(ones(2, 2)).dtype is rl.float32
        with rl.autocast("cpu", rl.bfloat16):
            assert f(ones(2, 2, device="numpy")).dtype is rl.bfloat16
    assert (f.long, f.programs) == (2, 2)


def test_inside_another_trace_it_is_a_part():
    inner = Watched(lambda x: x * 2.0)
    assert inner(ones(1)).item() == 2.0
    outer = rl.compile(lambda x: inner(x) + 1.0)
    assert outer(ones(1)).item() == 3.0
    assert inner.programs == 1


def test_numbers_change_freely_and_numpy_numbers_are_numbers():
    f = Watched(lambda x, scale: x * scale)
    for scale in (2.0, -1.5, np.float64(3.0)):
        assert f(ones(1), scale).item() == scale
    assert (f.long, f.programs) == (2, 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, 2),
        (1, True),
        (0, False),
        (1, None),
        ("a", "b"),
        (b"a", "a"),
        (1j, 2j),
        (10**30, 10**31),
        (Pair, object),
        (object(), object()),
    ],
)
def test_other_constants_are_other_programs(one, other):
    f = Watched(lambda x, value: (x + 1.0, value))
    for value in (one, other) * 3:
        found = f(ones(1), value)[1]
        assert type(found) is type(value)
        assert found == value
    assert (f.long, f.programs) == (2, 2)


def test_equal_constants_of_other_identity_take_the_short_way():
    f = Watched(lambda x, number, text: x + 1.0)
    for i in range(3):
        f(ones(1), int(f"{10**20}"), f"te{10**20}")
        assert f.long == 1, i


@pytest.mark.parametrize(
    "calls",
    [
        [
            lambda x, y: ((x, y), {}),
            lambda x, y: ((x,), {"y": y}),
            lambda x, y: ((), {"x": x, "y": y}),
            lambda x, y: ((), {"y": y, "x": x}),
        ],
        [lambda x, y: (([x, y], None), {}), lambda x, y: (((x, y), None), {})],
        [lambda x, y: ((Pair(x, y), None), {}), lambda x, y: ((Pair(x, [y]), None), {})],
        [lambda x, y: (([[x], [[y]]], ()), {}), lambda x, y: (([[x], [[y], []]], ()), {})],
        [
            lambda x, y: (({"a": x, "b": {"c": y}}, 1), {}),
            lambda x, y: (({"b": {"c": y}, "a": x}, 1), {}),
            lambda x, y: (({"a": x, "b": {"d": y}}, 1), {}),
        ],
    ],
    ids=["keywords", "lists", "named", "nested", "dicts"],
)
def test_containers_take_the_short_way(calls):
    def fn(*args, **kwargs):
        found = []
        flatten([args, kwargs], found, {}, (rl.Tensor,))
        return sum(x * (i + 1.0) for i, x in enumerate(found)), [args, kwargs]

    f = Watched(fn)
    for k in range(3):
        for call in calls:
            args, kwargs = call(rl.tensor([1.0 + k]), rl.tensor([10.0]))
            total, back = f(*args, **kwargs)
            expected, again = fn(*args, **kwargs)
            assert total.tolist() == expected.tolist()
            ours, theirs = [], []
            assert flatten(back, ours, {}, (rl.Tensor,)) == flatten(again, theirs, {}, (rl.Tensor,))
            assert list(map(id, ours)) == list(map(id, theirs))
    assert (f.long, f.programs) == (len(calls), len(calls))


class Many(list):
    """A list that may count as it likes."""


@pytest.mark.parametrize("make", [lambda x: {1: x}, lambda x: Many([x])], ids=["keys", "subclass"])
def test_what_is_not_taken_apart_by_text_goes_the_long_way(make):
    f = Watched(lambda parts: [x + 1.0 for x in getattr(parts, "values", lambda: parts)()])
    for i in range(3):
        assert f(make(rl.full((1,), float(i))))[0].item() == i + 1.0
    assert (f.long, f.programs) == (3, 1)


def test_the_same_tensor_twice():
    def fn(a, b):
        a.add_(1.0)
        return a is b, a * b

    f = Watched(fn)
    for _ in range(3):
        x, y = ones(1), ones(1)
        same, z = f(x, x)
        assert (same, z.item()) == (True, 4.0)
        same, z = f(x, y)
        assert (same, z.item()) == (False, 3.0)
    assert (f.long, f.programs) == (2, 2)


def test_stale_programs_are_not_called():
    factor = [2.0]
    f = Watched(lambda x: x * factor[0])
    assert f(ones(1)).item() == 2.0
    factor[0] = 3.0
    retrace()
    assert [f(ones(1)).item() for _ in range(2)] == [3.0, 3.0]
    assert (f.long, f.programs) == (2, 1)


# -- what the function met without being given it -------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda w: setattr(w, "data", rl.full((3,), 2.0)),
        lambda w: setattr(w, "data", rl.full((1,), 2, dtype=rl.int16)),
        lambda w: w.requires_grad_(),
    ],
    ids=["shape", "dtype", "asks"],
)
def test_a_captured_tensor_of_another_kind_is_traced_again(change):
    w = rl.tensor([2.0])
    f = Watched(lambda x: w * 3.0)
    for value in (2.0, 5.0):
        w.data = rl.tensor([value])
        assert f(ones(1)).tolist() == [3.0 * value]
    assert f.programs == 1
    change(w)
    for _ in range(2):
        z, expected = f(ones(1)), w * 3.0
        assert (z.tolist(), z.dtype) == (expected.tolist(), expected.dtype)
        assert z.requires_grad is expected.requires_grad
    assert (f.long, f.programs) == (2, 2)


def test_an_argument_that_is_what_the_function_met():
    w = ones(1)

    def fn(x):
        x.add_(1.0)
        return w * 2.0

    f = Watched(fn)
    for k in range(3):
        assert f(ones(1)).item() == 2.0 * (k + 1.0)
        assert f(w).item() == 2.0 * (k + 2.0)
    assert (f.long, f.programs) == (2, 2)


def test_a_gradient_that_is_looked_at_decides():
    w = ones(1, requires_grad=True)
    f = Watched(lambda x: x * 1.0 if w.grad is None else x + w.grad)
    for grad in (None, ones(1), rl.full((1,), 4.0), None):
        w.grad = grad
        assert f(ones(1)).item() == (1.0 if grad is None else 1.0 + grad.item())
    assert (f.long, f.programs) == (2, 2)


def test_the_gradient_of_an_argument_decides_where_it_is_looked_at():
    f = Watched(lambda x: x * 1.0 if x.grad is None else x + x.grad)
    g = Watched(lambda x: x * 2.0)
    for grad in (None, ones(1), None, rl.full((1,), 4.0)):
        x = ones(1)
        if grad is not None:
            x.grad = grad
        assert f(x).item() == (1.0 if grad is None else 1.0 + grad.item())
        assert g(x).item() == 2.0
    assert (f.long, f.programs) == (2, 2)
    assert (g.long, g.programs) == (1, 1)


def test_gradients_that_are_cleared_first_make_one_program():
    w = rl.tensor([2.0], requires_grad=True)

    @Watched
    def f(x):
        w.grad = None
        (x * w).sum().backward()

    for grad in (None, ones(1), None, rl.full((1,), 4.0)):
        w.grad = grad
        f(rl.tensor([3.0]))
        assert w.grad.tolist() == [3.0]
        assert w.grad is not grad
    assert (f.long, f.programs) == (1, 1)


def test_gradients_add_up_in_arguments():
    f = Watched(lambda x: (x * 3.0).sum().backward())
    x = ones(1, requires_grad=True)
    for times in (1, 2, 3):
        f(x)
        assert x.grad.item() == 3.0 * times
    f(y := ones(1, requires_grad=True))
    assert y.grad.item() == 3.0
    assert (f.long, f.programs) == (2, 2)


@pytest.mark.parametrize("how", ["eq", "ne", "lt", "le", "gt", "ge"])
def test_comparisons_decide(how):
    import operator

    cell = rl.Cell(0.0)
    compare = getattr(operator, how)
    f = Watched(lambda x, y: x * 2.0 if compare(cell.value, y) else x * 3.0)
    for held, y in [(0.0, 1.0), (1.0, 1.0), (2.0, 1.0), (0.0, 0.0), (-1.0, 0.5)]:
        cell.value = held
        assert f(ones(1), y).item() == (2.0 if compare(held, y) else 3.0)
    assert f.long == f.programs == 2


def test_a_cell_of_another_type_is_traced_again():
    rate = rl.Cell(1)
    x = rl.tensor([2, 4])
    f = Watched(lambda: x * rate.value)
    for value in (1, 3, 0.5, 0.25, 2):
        rate.value = value
        z, expected = f(), x * value
        assert (z.tolist(), z.dtype) == (expected.tolist(), expected.dtype)
    assert f.long == f.programs == 2


# -- what is written back -------------------------------------------------------------------------


def test_a_part_that_is_assigned_writes_its_whole():
    f = Watched(lambda part: part.mul_(2.0))
    for _ in range(3):
        whole = rl.tensor([1.0, 2.0, 3.0])
        part = whole[:2]
        whole.add_(1.0)  # the part shows it when it is changed
        assert f(part) is part
        assert part.tolist() == [4.0, 6.0]
        assert whole.tolist() == [4.0, 6.0, 4.0]
    x = rl.tensor([5.0, 6.0])
    assert f(x).tolist() == [10.0, 12.0]
    assert (f.long, f.programs) == (1, 1)


def test_a_part_of_what_changes_is_refused_at_each_call():
    w = rl.tensor([1.0, 2.0, 3.0])
    f = Watched(lambda x: (w.add_(1.0), x.sum())[1])
    assert f(rl.tensor([1.0, 2.0])).item() == 3.0
    for _ in range(2):
        with pytest.raises(rl.ContractError, match="is a part of"):
            f(w[:2])
    assert w.tolist() == [2.0, 3.0, 4.0]
    assert f(rl.tensor([1.0, 2.0])).item() == 3.0


def test_cells_are_locked_while_they_are_changed():
    count, barrier = rl.Cell(0), Barrier(4)

    @rl.compile
    def f(x):
        count.value = count.value + 1
        return x + 1.0

    f(ones(1))

    def work():
        barrier.wait()
        for _ in range(200):
            f(ones(1))

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count.value == 801


def test_a_failing_call_leaves_everything_and_gives_its_locks_back(device):
    if device == "hostile":
        pytest.skip("its kernels do not look at indices")
    count, total = rl.Cell(0), rl.zeros(2)

    @rl.compile
    def f(x, index):
        count.value = count.value + 1
        total.add_(1.0)
        return rl.index_select(x, 0, index)

    f(ones(2), rl.tensor([0, 1]))
    for _ in range(2):
        with pytest.raises(rl.IndexOutOfRange, match="index 7"):
            f(ones(2), rl.tensor([0, 7]))
    assert (count.value, total.tolist()) == (1, [1.0, 1.0])
    thread = Thread(target=f, args=(ones(2), rl.tensor([1, 1])))
    with rl.device(ones(1).device):
        thread.start()
        thread.join(timeout=30)
    assert not thread.is_alive()
    assert (count.value, total.tolist()) == (2, [2.0, 2.0])


def test_a_backward_pass_outside():
    w = rl.tensor([2.0], requires_grad=True)
    f = Watched(lambda x, scale: ((x * w).square(), scale, [x.detach() * 2.0]))
    for k in (1.0, 2.0, 3.0):
        w.grad = None
        x = rl.tensor([k], requires_grad=True)
        z, scale, (doubled,) = f(x, k)
        assert (scale, doubled.item(), doubled.requires_grad) == (k, 2.0 * k, False)
        z.sum().backward()
        assert (x.grad.item(), w.grad.item()) == (8.0 * k, 4.0 * k * k)
    assert (f.long, f.programs) == (1, 1)


def test_a_function_that_computes_nothing():
    x, w = ones(1), ones(1)
    f = Watched(lambda x, n: {"x": (x, [w], n), 3: (), "none": None, "text": "text"})
    for n in (1.0, 2.0):
        z = f(x, n)
        assert list(z) == ["x", 3, "none", "text"]
        assert z["x"][0] is x
        assert z["x"][1][0] is w
        assert (z["x"][2], z[3], z["none"], z["text"]) == (n, (), None, "text")
    assert (f.long, f.programs) == (1, 1)


def test_programs_that_go_let_their_captures_go():
    gc.collect()
    gc.disable()
    try:
        w = ones(3)
        gone = weakref.ref(w)
        f = rl.compile(lambda x, w=[w]: x + w[0])
        f(ones(3))
        f(ones(3))
        f.fn.__defaults__[0].clear()
        del w
        assert gone() is not None
        f.traced.clear()
        f.matches = ()
        assert gone() is None
    finally:
        gc.enable()


# -- modes ----------------------------------------------------------------------------------------


class Switched:
    """Something with two modes, as a module."""

    def __init__(self):
        self.training = True

    def flip(self):
        self.training = not self.training
        switch(self)


def test_programs_of_either_mode_are_kept():
    one, other = Switched(), Switched()
    f = Watched(lambda x: x * (2.0 if one.training else 3.0) + (0.0 if other.training else 1.0))
    for _ in range(3):
        for flipped in (one, other, one, other):
            flipped.flip()
            expected = (2.0 if one.training else 3.0) + (0.0 if other.training else 1.0)
            assert f(ones(1)).item() == expected
    assert (f.long, f.programs) == (4, 4)


def test_a_mode_that_is_switched_while_tracing_keeps_no_program():
    owner = Switched()

    @Watched
    def f(x):
        if owner.training:
            owner.flip()
        return x + 1.0

    f(ones(1))
    assert (f.programs, owner.training) == (0, False)
    f(ones(1))
    f(ones(1))
    assert (f.long, f.programs) == (2, 1)


def test_tokens_go_with_their_owners():
    before = len(world._tokens)
    owner = Switched()
    owner.flip()
    assert len(world._tokens) == before + 1
    del owner
    assert len(world._tokens) == before
