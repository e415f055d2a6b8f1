"""rl.compile: what goes in and out, when it traces again, what it writes back, what it refuses."""

import inspect
from collections import namedtuple
from threading import Barrier, Thread

import numpy as np
import pytest

import rushlight as rl
from rushlight.compiler import is_compiling, paused, retrace

Pair = namedtuple("Pair", "first second")  # noqa: PYI024  the untyped kind is to work as well


def programs(compiled):
    """How many programs a compiled function has."""
    return sum(len(found) for found in compiled.traced.values())


def ones(*shape, **options):
    return rl.ones(shape, **options)


def here(offset):
    """This file and the line `offset` lines away, as an error names it."""
    return f"{__file__}:{inspect.currentframe().f_back.f_lineno + offset}"


class TestStructures:
    def test_containers_in_and_out(self):
        @rl.compile
        def turn(parts, *, extra):
            (a, (b, none)), pair = parts
            made = {"sum": a + b, "list": [pair.second, none, 3, "text"]}
            return Pair(made, (extra["scale"], [], a * extra["scale"]))

        a, b = rl.tensor([1.0, 2.0]), rl.tensor([3.0, 4.0])
        for scale in (2.0, 5.0):
            pair = Pair(a, b)
            z = turn([(a, [b, None]), pair], extra={"scale": scale})
            assert type(z) is Pair
            assert list(z.first) == ["sum", "list"]
            assert z.first["sum"].tolist() == [4.0, 6.0]
            assert z.first["list"][0] is b
            assert z.first["list"][1:] == [None, 3, "text"]
            assert z.second[:2] == (scale, [])
            assert type(z.second) is tuple
            assert z.second[2].tolist() == [scale, 2 * scale]
        assert programs(turn) == 1

    @pytest.mark.parametrize("value", [None, 3, True, "text", (), [], {}, (1, [None])])
    def test_plain_results(self, value):
        assert rl.compile(lambda: value)() == value

    def test_results_are_fresh_containers(self):
        f = rl.compile(lambda x: [x + 1.0])
        f(ones(2)).clear()
        assert len(f(ones(2))) == 1

    def test_keys_of_a_dict_are_told_apart_by_type(self):
        f = rl.compile(lambda parts: {key: x + 1.0 for key, x in parts.items()})
        found = [[type(key) for key in f({key: ones(2)})] for key in (1, True)]
        assert found == [[int], [bool]]

    def test_the_order_of_a_dict_is_kept(self):
        f = rl.compile(lambda parts: [x * 1.0 for x in parts.values()])
        a, b = rl.tensor(1.0), rl.tensor(2.0)
        assert [x.item() for x in f({"a": a, "b": b})] == [1.0, 2.0]
        assert [x.item() for x in f({"b": b, "a": a})] == [2.0, 1.0]

    def test_the_same_tensor_twice(self):
        def f(a, b):
            a.add_(1.0)
            return a is b, a * b

        compiled, x, y = rl.compile(f), ones(2), ones(2)
        same, z = compiled(x, x)
        assert same
        assert z.tolist() == [4.0, 4.0]
        same, z = compiled(x, y)
        assert not same
        assert z.tolist() == [3.0, 3.0]
        assert programs(compiled) == 2

    def test_one_result_twice_is_one_object(self):
        def f(x):
            z = x + 1.0
            return z, [z]

        z, (again,) = rl.compile(f)(ones(2))
        assert z is again

    def test_what_was_given_or_captured_is_returned_itself(self):
        w = ones(2, requires_grad=True)
        f = rl.compile(lambda x, rate: (x, w, rate, {"x": x}))
        for rate in (0.5, 0.25):
            x = ones(2)
            a, b, c, d = f(x, rate)
            assert a is x
            assert b is w
            assert c == rate
            assert d["x"] is x
        assert programs(f) == 1

    def test_an_assigned_argument_is_returned_itself(self):
        x = ones(2)
        f = rl.compile(lambda x: x.add_(1.0))
        assert f(x) is x
        assert f(x) is x
        assert x.tolist() == [3.0, 3.0]

    def test_a_numpy_array_is_refused(self):
        f = rl.compile(lambda x: x)
        with pytest.raises(rl.ContractError, match=r"numpy array.*rl\.from_numpy\(\)"):
            f([np.ones(2)])
        with pytest.raises(rl.ContractError, match=r"numpy array"):
            rl.compile(lambda: np.ones(2))()


class TestPrograms:
    def test_floats_change_freely(self):
        f = rl.compile(lambda x, scale: x * scale + scale / 2)
        assert [f(ones(1), s).item() for s in (1.0, 2.0, -4.0)] == [1.5, 3.0, -6.0]
        assert programs(f) == 1

    def test_cells_change_freely(self):
        rate = rl.Cell(1.0)

        @rl.compile
        def f(x):
            rate.value = rate.value * 2
            return x * rate.value

        assert f(ones(1)).item() == 2.0
        assert rate.value == 2.0
        rate.value = 10.0
        assert f(ones(1)).item() == 20.0
        assert rate.value == 20.0
        assert programs(f) == 1

    @pytest.mark.parametrize(
        ("one", "other"),
        [(1, 2), (True, False), (1, True), ("a", "b"), (None, 0), ([1], (1,)), ([], [0])],
    )
    def test_other_values_are_traced_again(self, one, other):
        f = rl.compile(lambda x, value: (x + 1.0, value))
        for value in (one, other, one, other):
            found = f(ones(2), value)[1]
            assert (type(found), found) == (type(value), value)
        assert programs(f) == 2

    @pytest.mark.parametrize(
        "other",
        [
            lambda: ones(3),
            lambda: ones(1, 2),
            lambda: ones(2, dtype=rl.float64),
            lambda: ones(2, device="hostile"),
            lambda: ones(2, requires_grad=True),
            lambda: 1.0,
        ],
    )
    def test_other_tensors_are_traced_again(self, other):
        f = rl.compile(lambda x: x + 1.0)
        for _ in range(2):
            f(ones(2))
            f(other())
        assert programs(f) == 2

    def test_no_grad_is_traced_again(self):
        f, x = rl.compile(lambda x: x * 2.0), ones(2, requires_grad=True)
        for _ in range(2):
            assert f(x).requires_grad
            with rl.no_grad():
                assert not f(x).requires_grad
        assert programs(f) == 2

    def test_captures_are_read_afresh_and_their_kind_is_watched(self):
        w = ones(2)
        f = rl.compile(lambda x: x * w)
        assert f(ones(1)).tolist() == [1.0, 1.0]
        w.fill_(3.0)
        assert f(ones(1)).tolist() == [3.0, 3.0]
        assert programs(f) == 1
        w.data = rl.full((3,), 4.0)
        assert f(ones(1)).tolist() == [4.0] * 3
        assert programs(f) == 2
        w.requires_grad_()
        assert f(ones(1)).requires_grad
        assert programs(f) == 3

    @pytest.mark.parametrize("where", ["cell", "argument"])
    def test_a_comparison_is_a_guard(self, where):
        step = rl.Cell(0.0)

        @rl.compile
        def f(x, number):
            number = number if where == "argument" else step.value
            return x * 2.0 if number > 1.0 else x

        for value, expected, made in [
            (0.0, 1, 1),
            (1.0, 1, 1),
            (2.0, 2, 2),
            (3.0, 2, 2),
            (0, 1, 2),
        ]:
            step.value = float(value)
            assert f(ones(1), float(value)).item() == expected
            assert programs(f) == made

    def test_a_gradient_present_or_absent(self):
        w = ones(2, requires_grad=True)

        @rl.compile
        def f(x):
            (x * w).sum().backward()
            return w.grad

        assert f(ones(2)) is w.grad or w.grad.tolist() == [1.0, 1.0]
        f(ones(2))
        assert w.grad.tolist() == [2.0, 2.0]
        assert programs(f) == 2
        f(ones(2))
        assert w.grad.tolist() == [3.0, 3.0]
        w.grad = None
        f(ones(2))
        assert w.grad.tolist() == [1.0, 1.0]
        assert programs(f) == 2

    def test_many_programs_are_warned_about(self):
        f = rl.compile(lambda x, i: x + i)
        for i in range(8):
            f(ones(1), i)
        with pytest.warns(
            UserWarning, match=r"traced 9 times; argument 1 changed, last from 7 to 8"
        ) as seen:
            f(ones(1), 8)
        assert len(seen) == 1
        f(ones(1), 9)  # once is enough

    def test_the_warning_is_at_the_line_of_the_call(self):
        f = rl.compile(lambda x, i: x + i)
        for i in range(8):
            f(ones(1), i)
        with pytest.warns(UserWarning, match="traced 9 times") as seen:
            f(ones(1), 8)
        assert seen[0].filename == __file__

    def test_the_warning_names_a_changing_shape(self):
        f = rl.compile(lambda x: x + 1.0)
        for n in range(1, 9):
            f(ones(n))
        with pytest.warns(UserWarning, match=r"argument 0 changed, .*\b8\b.* to .*\b9\b"):
            f(ones(9))

    @pytest.mark.parametrize(
        ("call", "words"),
        [
            (lambda f, i: f(ones(1), i), "argument 1 changed, last from 7 to 8;"),
            (lambda f, i: f(ones(1), n=i), "argument n changed, last from 7 to 8;"),
            (
                lambda f, i: f(ones(1), {"a": [0, i]}),
                r"argument 1\['a'\]\[1\] changed, last from 7",
            ),
            (
                lambda f, i: f(ones(1), (0,) * i),
                r"argument 1\[7\] changed, last from not given to 0",
            ),
            (lambda f, i: f(ones(1), "x" * 80 * i), r"last from 'x{57}\.\. to 'x{57}\.\.;"),
        ],
    )
    def test_the_warning_names_what_changed(self, call, words):
        f = rl.compile(lambda x, n: x)
        for i in range(8):
            call(f, i)
        with pytest.warns(UserWarning, match=words):
            call(f, 8)

    def test_the_warning_says_when_a_gradient_came(self):
        f = rl.compile(lambda x: x * 2.0)
        for n in range(1, 9):
            f(ones(n))
        given = ones(8, requires_grad=True)
        with pytest.warns(UserWarning, match="to float32.8. on numpy that asks for a gradient"):
            f(given)

    def test_what_is_no_function_is_refused(self):
        with pytest.raises(rl.ContractError, match="compile: int is no function; give one"):
            rl.compile(3)

    def test_the_warning_names_what_is_captured(self):
        step = rl.Cell(0)
        now = [0]
        f = rl.compile(lambda x: x + 1.0 if step.value == now[0] else x)
        for i in range(8):
            step.value = now[0] = i
            f(ones(1))
        step.value = now[0] = 8
        with pytest.warns(UserWarning, match="what it captures changes"):
            f(ones(1))

    def test_retrace_makes_programs_stale(self):
        factor = [2.0]
        f = rl.compile(lambda x: x * factor[0])
        assert f(ones(1)).item() == 2.0
        factor[0] = 3.0
        assert f(ones(1)).item() == 2.0
        retrace()
        assert f(ones(1)).item() == 3.0
        assert programs(f) == 1

    def test_paused_runs_now(self):
        state = {}

        @rl.compile
        def f(x):
            assert is_compiling()
            if not state:
                with paused():
                    assert not is_compiling()
                    state["sum"] = rl.zeros(1)
                    assert state["sum"].tolist() == [0.0]
            assert is_compiling()
            return state["sum"].add_(x).clone()

        assert not is_compiling()
        assert [f(ones(1)).item() for _ in range(3)] == [1.0, 2.0, 3.0]
        assert state["sum"].item() == 3.0

    def test_explain_shows_each_program(self):
        f = rl.compile(lambda x, scale: (x * scale).tanh())
        assert f.explain().startswith("0 programs of ")
        f(ones(1), 2.0)
        f(ones(2), 2.0)
        text = f.explain()
        assert text.startswith("2 programs of ")
        assert text.count("def run(") == 2
        assert text.count("tanh(") == 2
        compile(f.source(), "text", "exec")  # it is Python


class TestFunctions:
    def test_a_function_keeps_its_name(self):
        @rl.compile
        def twice(x):
            """Two of it."""
            return x + x

        assert (twice.__name__, twice.__doc__) == ("twice", "Two of it.")
        assert "twice" in repr(twice)
        assert rl.compile()(abs)(rl.tensor(-1.0)).item() == 1.0

    def test_options_are_refused(self):
        with pytest.raises(rl.ContractError, match="no option 'mode'"):
            rl.compile(lambda: None, mode="fast")

    def test_a_method(self):
        class Scale:
            def __init__(self, by):
                self.by = rl.tensor(by)

            @rl.compile
            def apply(self, x, *, extra=0.0):
                return x * self.by + extra

        two, three = Scale(2.0), Scale(3.0)
        assert two.apply(ones(1)).item() == 2.0
        assert three.apply(ones(1), extra=1.0).item() == 4.0
        two.by.fill_(5.0)
        assert two.apply(ones(1)).item() == 5.0
        assert programs(Scale.apply) == 2

    def test_one_compiled_function_inside_another(self):
        w = ones(2, requires_grad=True)
        inner = rl.compile(lambda x: x * w)
        outer = rl.compile(lambda x: inner(x) + inner(x + 1.0))
        for _ in range(2):
            w.grad = None
            outer(ones(2)).sum().backward()
            assert w.grad.tolist() == [3.0, 3.0]
        assert (programs(inner), programs(outer)) == (0, 1)

    def test_two_threads_at_once(self):
        w = rl.tensor([1.0, 2.0])
        f = rl.compile(lambda x, scale: (x * w * scale).sum())
        barrier, found = Barrier(2), {}

        def work(me):
            barrier.wait()
            # each thread meets kinds that are new and kinds that the other has traced
            found[me] = [f(ones(n, 2), float(me)).item() for n in (1, 2, 3) for _ in range(20)]

        threads = [Thread(target=work, args=(me,)) for me in (1, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for me in (1, 2):
            assert found[me] == [3.0 * n * me for n in (1, 2, 3) for _ in range(20)]
        assert not is_compiling()


class TestGradients:
    def test_left_on_captured_leaves_and_arguments(self):
        w = rl.tensor([2.0, 3.0], requires_grad=True)

        @rl.compile
        def f(x):
            (x * w).sum().backward()

        for times in (1, 2, 3):
            x = rl.tensor([5.0, 7.0], requires_grad=True)
            assert f(x) is None
            assert x.grad.tolist() == [2.0, 3.0]
            assert w.grad.tolist() == [5.0 * times, 7.0 * times]
        f(x)
        assert x.grad.tolist() == [4.0, 6.0]

    def test_cleared(self):
        w = ones(2, requires_grad=True)

        @rl.compile
        def f(x):
            x.grad = w.grad = None
            return x + w

        for _ in range(2):
            x = ones(2, requires_grad=True)
            w.grad, x.grad = ones(2), ones(2)
            f(x)
            assert w.grad is None
            assert x.grad is None

    def test_backward_outside(self):
        w = rl.tensor([2.0, 3.0], requires_grad=True)
        f = rl.compile(lambda x: (x * w).square())
        for _ in range(2):
            w.grad, x = None, rl.tensor([1.0, 2.0], requires_grad=True)
            h = x * 1.0  # an argument that is no leaf
            (f(h) * 3.0).sum().backward()
            assert x.grad.tolist() == [24.0, 108.0]
            assert w.grad.tolist() == [12.0, 72.0]
        assert programs(f) == 1

    @pytest.mark.parametrize("used", [(0,), (1,), (0, 1), ()])
    def test_several_results_of_which_some_are_used(self, used):
        w = rl.tensor([2.0, 3.0], requires_grad=True)

        def f(x):
            h = x * w
            return h.sum(), [h.square()], h.detach()

        def gradients(f):
            w.grad, x = None, rl.tensor([1.0, 2.0], requires_grad=True)
            a, (b,), c = f(x)
            assert (a.requires_grad, b.requires_grad, c.requires_grad) == (True, True, False)
            loss = x.sum()
            for i in used:
                loss = loss + (a, b)[i].sum()
            loss.backward()
            return [None if g is None else g.tolist() for g in (x.grad, w.grad)]

        compiled = rl.compile(f)
        assert [gradients(compiled), gradients(compiled)] == [gradients(f), gradients(f)]

    def test_results_differentiated_one_after_the_other(self):
        w = rl.tensor(2.0, requires_grad=True)
        f = rl.compile(lambda: (w * w, w * 3.0))
        a, b = f()
        a.backward(retain_graph=True)
        assert w.grad.item() == 4.0
        b.backward()
        assert w.grad.item() == 7.0

    def test_a_leaf_that_is_argument_and_capture(self):
        w = rl.tensor(3.0, requires_grad=True)
        rl.compile(lambda x: x * w)(w).backward()
        assert w.grad.item() == 6.0

    def test_backward_outside_twice_is_refused_as_in_eager(self):
        w = rl.tensor(2.0, requires_grad=True)
        for f in (lambda: w * w, rl.compile(lambda: w * w)):
            z = f()
            z.backward()
            with pytest.raises(rl.RushlightError):
                z.backward()

    def test_a_second_derivative_through_it_is_refused(self):
        x = rl.tensor(2.0, requires_grad=True)
        z = rl.compile(lambda x: x**3)(x)
        with pytest.raises(rl.NoGradient, match="second derivative through a compiled function"):
            rl.autograd.grad(z, x, create_graph=True)

    def test_a_second_derivative_inside_of_it(self):
        @rl.compile
        def f(x):
            (g,) = rl.autograd.grad(x**3, x, create_graph=True)
            return g

        for value in (2.0, 5.0):
            x = rl.tensor(value, requires_grad=True)
            f(x).backward()
            assert x.grad.item() == 6.0 * value


class Breaks(Exception):
    """Of a function that breaks while it is traced."""


class TestWritingBack:
    def test_arguments_captures_and_cells(self):
        total, count = rl.zeros(2), rl.Cell(0)

        @rl.compile
        def f(x):
            x.mul_(2.0)
            total.add_(x)
            count.value = count.value + 1

        for i in (1, 2):
            x = ones(2)
            f(x)
            assert x.tolist() == [2.0, 2.0]
            assert total.tolist() == [2.0 * i] * 2
            assert count.value == i
            assert type(count.value) is int

    @pytest.mark.parametrize("warm", [False, True])
    def test_a_kernel_that_fails_leaves_everything(self, warm):
        rl.manual_seed(5)
        total, count = rl.zeros(2), rl.Cell(0)
        w = ones(2, requires_grad=True)

        @rl.compile
        def f(x, index):
            count.value = count.value + 1
            x.add_(rl.rand(2))
            total.add_(1.0)
            (w * x).sum().backward()
            return total + rl.index_select(x, 0, index)

        if warm:
            f(ones(2), rl.tensor([0, 1]))
        x = ones(2)
        grad = None if w.grad is None else w.grad.tolist()
        before = total.tolist(), count.value, rl.get_rng_state(), grad
        with pytest.raises(rl.IndexOutOfRange, match=r"^take: index 7 "):
            f(x, rl.tensor([0, 7]))
        grad = None if w.grad is None else w.grad.tolist()
        assert (total.tolist(), count.value, rl.get_rng_state(), grad) == before
        assert x.tolist() == [1.0, 1.0]
        f(x, rl.tensor([1, 0]))
        assert count.value == before[1] + 1

    def test_an_exception_while_tracing_leaves_everything(self):
        rl.manual_seed(5)
        total, count, x = rl.zeros(2), rl.Cell(1), ones(2, requires_grad=True)
        buffer, fails = ones(2), [True]

        @rl.compile
        def f(x, buffer):
            count.value = count.value * 2
            total.add_(rl.rand(2))
            buffer.zero_()
            (x * 2.0).sum().backward()
            if fails[0]:
                raise Breaks
            return buffer

        state = rl.get_rng_state()
        with pytest.raises(Breaks):
            f(x, buffer)
        assert (total.tolist(), buffer.tolist(), count.value) == ([0.0, 0.0], [1.0, 1.0], 1)
        assert x.grad is None
        assert rl.get_rng_state() == state
        assert programs(f) == 0
        assert not is_compiling()
        fails[0] = False
        assert f(x, buffer).tolist() == [0.0, 0.0]
        assert x.grad.tolist() == [2.0, 2.0]

    def test_the_random_stream_continues(self):
        f = rl.compile(lambda: rl.randn(3) + rl.dropout(ones(3), 0.5))

        def stream(*functions):
            rl.manual_seed(3)
            return [g().tolist() for g in functions]

        assert stream(f, f.fn, f, f.fn, f) == stream(*[f.fn] * 5)
        assert len({tuple(x) for x in stream(f, f, f)}) == 3
        assert programs(f) == 1

    def test_an_argument_that_is_also_captured(self):
        w = ones(2)

        def f(x):
            x.add_(1.0)
            return w * 2.0

        eager = f(w).tolist()
        w.fill_(1.0)
        assert rl.compile(f)(w).tolist() == eager

    def test_an_argument_that_is_also_captured_is_assigned_as_both(self):
        w = ones(2)
        rl.compile(lambda x: (x.add_(1.0), w.mul_(3.0)))(w)
        assert w.tolist() == [6.0, 6.0]

    def test_the_gradient_of_an_argument_that_is_also_captured(self):
        w = rl.tensor(3.0, requires_grad=True)
        rl.compile(lambda x: (x * w).backward())(w)
        assert w.grad.item() == 6.0


LOOKS = [("bool", bool), ("float", float), ("item", rl.Tensor.item), ("numpy", rl.Tensor.numpy)]
LOOKS += [("tolist", rl.Tensor.tolist)]


class TestTracingErrors:
    @pytest.mark.parametrize(("name", "look"), LOOKS)
    @pytest.mark.parametrize("which", ["argument", "made", "captured"])
    def test_a_look_at_a_value_names_the_line(self, name, look, which):
        w = ones(1)

        def f(x):
            t = {"argument": x, "made": x + 1.0, "captured": w}[which]
            return look(t)

        with pytest.raises(rl.TracingError) as caught:
            rl.compile(f)(ones(1))
        text = str(caught.value)
        assert text.startswith(f"{name}: ")
        assert "has no values while tracing" in text
        assert f"at {here(-7)};" in text
        assert not is_compiling()
        assert isinstance(caught.value, TypeError)

    def test_if_names_the_line(self):
        def f(x):
            if x.sum() > 0:
                return x
            return -x

        with pytest.raises(rl.TracingError, match=r"^bool: .* rl\.where\(\)") as caught:
            rl.compile(f)(ones(1))
        assert f"at {here(-6)};" in str(caught.value)

    def test_the_float_of_a_number(self):
        with pytest.raises(rl.TracingError, match="changes between calls"):
            rl.compile(lambda x, scale: x * float(scale))(ones(1), 2.0)

    def test_a_comparison_of_a_computed_number(self):
        def f(x, scale):
            return x if scale * 2 > 1 else -x

        with pytest.raises(rl.TracingError, match=r"^compare: ") as caught:
            rl.compile(f)(ones(1), 2.0)
        assert f"at {here(-4)};" in str(caught.value)

    def test_what_is_left_over_from_a_trace(self):
        kept = []
        rl.compile(lambda x, scale: kept.extend([x + 1.0, scale]))(ones(1), 2.0)
        with pytest.raises(rl.TracingError, match="left over from a trace"):
            kept[0] + 1.0
        with pytest.raises(rl.TracingError, match="number of a finished trace"):
            ones(1) * kept[1]


# -- what changes outside -------------------------------------------------------------------------


def test_threads_draw_different_numbers_in_compiled_functions():
    rl.manual_seed(3)
    draw = rl.compile(lambda x: rl.dropout(x, 0.5))
    draw(ones(64))
    found = []

    def work():
        for _ in range(100):
            found.append(draw(ones(64)).numpy().tobytes())  # noqa: PERF401  from many threads

    threads = [Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 800


MADE = {
    "tensor": lambda: rl.tensor([1.0, 2.0]),
    "a number": lambda: rl.tensor(0.0),
    "from_numpy": lambda: rl.from_numpy(np.ones(2, "float32")),
    "arange": lambda: rl.arange(3.0),
    "linspace": lambda: rl.linspace(0, 1, 3),
    "eye": lambda: rl.eye(2),
    "zeros": lambda: rl.zeros(2),
    "full": lambda: rl.full((2,), 0.5),
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE)
def test_what_is_made_inside_is_made_anew_by_each_call(make):
    def total(x):
        z = make()
        z += x[0]
        return z

    f, g = rl.compile(total), rl.compile(make)
    wanted = total(ones(1))
    for _ in range(3):
        assert f(ones(1)).tolist() == wanted.tolist()
    for _ in range(3):
        z = g()
        assert z.tolist() == make().tolist()
        z.add_(1.0)


BESIDE = {  # of y, which is in the default place, beside x, which is elsewhere
    "the same operations": lambda x, y: (x * 2.0, y * 2.0, x.sum(), y.sum()),
    "rand": lambda x, y: (x * 1.0, rl.rand(3)),
    "normal_": lambda x, y: (rl.zeros(3).normal_(), x * 1.0),
    "ones": lambda x, y: (x * 2.0, rl.ones(3) * 2.0),
    "in place": lambda x, y: (x.clone().add_(1.0), y.clone().add_(1.0)),
}


@pytest.mark.parametrize("function", BESIDE.values(), ids=BESIDE)
def test_two_devices_share_a_program(function):
    x, y, compiled = ones(2, device="hostile"), ones(3), rl.compile(function)
    rl.manual_seed(1)
    wanted = [*function(x, y), *function(x, y)]
    rl.manual_seed(1)
    found = [*compiled(x, y), *compiled(x, y)]
    assert [(z.device, z.tolist()) for z in found] == [(z.device, z.tolist()) for z in wanted]


def test_gradients_go_back_to_two_devices():
    x = ones(2, device="hostile").requires_grad_()
    y = ones(3).requires_grad_()
    rl.autograd.backward([*rl.compile(lambda x, y: ((x * x).sum(), (y * y).sum()))(x, y)])
    assert (str(x.grad.device), x.grad.tolist()) == ("hostile", [2.0, 2.0])
    assert (str(y.grad.device), y.grad.tolist()) == ("numpy", [2.0, 2.0, 2.0])


def test_numbers_are_compared_with_numbers():
    a, b = rl.Cell(1.0), rl.Cell(1.0)
    f = rl.compile(lambda x: x * 2.0 if a.value == b.value else x * 3.0)
    assert f(ones(1)).item() == 2.0
    b.value = 2.0
    assert f(ones(1)).item() == 3.0
    a.value = 2.0
    assert f(ones(1)).item() == 2.0


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (abs, "abs, round"),
        (round, "abs, round"),
        (lambda n: f"{n}", "format"),
        (lambda n: f"{n:.2f}", "format"),
        (float, "float"),
    ],
)
def test_numbers_that_change_refuse_what_cannot_be_traced(use, words):
    cell = rl.Cell(1.0)
    with pytest.raises(rl.TracingError, match=words):
        rl.compile(lambda x: x * 2.0 if use(cell.value) else x)(ones(1))


def test_a_part_of_another_argument_is_refused_where_one_changes():
    x = ones(3)
    change = rl.compile(lambda whole, part: (whole.add_(1.0), part.add_(1.0)))
    with pytest.raises(rl.ContractError, match=r"is a part of float32\[3\].*take the parts inside"):
        change(x, x[:2])
    assert x.tolist() == [1.0, 1.0, 1.0]
    look = rl.compile(lambda whole, part: whole.sum() + part.sum())
    assert look(x, x[:2]).item() == 5.0


def test_cells_are_copied_by_their_numbers():
    import copy

    cell = rl.Cell(2.0)
    other = copy.deepcopy(cell)
    other.value = 3.0
    assert (cell.value, other.value) == (2.0, 3.0)


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda kept, x: kept * x.sum(), r"mul uses a float32\[2\]"),
        (lambda kept, x: kept, r"the function uses a float32\[2\]"),
    ],
    ids=["in a step", "as a result"],
)
def test_a_tensor_kept_from_another_trace_is_refused(use, words):
    kept = []

    @rl.compile
    def function(x):
        if not kept:
            kept.append(x[:2] * 2.0)
        return use(kept[0], x)

    function(ones(2))
    with pytest.raises(rl.TracingError, match=f"^compile: {words} that is left over from another"):
        function(ones(3))


def test_a_number_kept_from_another_trace_is_refused():
    kept = []

    @rl.compile
    def function(x, scale):
        kept.append(scale * 2.0)
        return x * kept[0]

    assert function(ones(2), 3.0).tolist() == [6.0, 6.0]
    with pytest.raises(rl.TracingError, match=r"^compile: mul uses a number that is left over"):
        function(ones(3), 3.0)


@pytest.mark.parametrize("name", ["add", "sub", "add_", "sub_"])
def test_alpha_may_be_computed_from_a_number_that_changes(name):
    cell = rl.Cell(0.25)

    @rl.compile
    def function(x):
        return getattr(x * 1.0, name)(x, alpha=1.0 - cell.value)

    sign = 1.0 if name.startswith("add") else -1.0
    for held in (0.25, 0.0, 0.5):
        cell.value = held
        assert function(ones(1)).item() == 1.0 + sign * (1.0 - held)
    assert programs(function) == 1
