"""What a compiled function tells of itself: its programs as a page, and as loops."""

from textwrap import dedent

import pytest

import rushlight as rl
from rushlight import plugins
from rushlight.backend import PROTOCOL, FusionPolicy, HostBackend
from rushlight.cell import Cell
from rushlight.compiler.source import lines
from rushlight.extend import Access, LoopNest, Node, Report, Store, float32
from rushlight.plugins import Loaded
from rushlight.testing.plugin import fresh_plugins


class Telling(HostBackend):
    """The reference, which fuses as a backend that compiles, and tells times."""

    name = "telling"
    protocol = PROTOCOL
    compiles = True
    policy = FusionPolicy(epilogues=True, lanes=16)

    def compile(self, program):
        def run(*inputs):
            return replay(*inputs)

        def report(inputs=None):
            times = [1e-6 * (1 + i) for i in range(len(program.records))]
            measured = [] if inputs is None else [2e-6 for _ in times]
            return Report(tuple(times), tuple(measured), 4096)

        replay = program.graph.program().run
        run.report = report
        return run


@pytest.fixture(autouse=True)
def telling():
    with fresh_plugins():
        plugins._known["telling"] = Loaded(Telling(), 1)
        with rl.device("telling"):
            yield


def source(fn, *args):
    """The loops of a function, compiled for these arguments."""
    compiled = rl.compile(fn)
    compiled(*args)
    return compiled.source()


def text(expected):
    return dedent(expected).lstrip("\n")


# -- source ---------------------------------------------------------------------------------------


def test_elementwise_steps_are_one_expression():
    found = source(lambda x, b: (x * 2 + b).tanh() - x / b, rl.ones(8, 5), rl.ones(5))
    assert found == text("""
        # x0: float32[8, 5]; x1: float32[5]

        # 1: nest 8 x 5
        for i in range(8):
            for j in range(5):
                v0[i, j] = tanh(x0[i, j] * 2 + x1[j]) - x0[i, j] / x1[j]

        return v0
        """)


def test_axes_that_are_walked_together_are_one_loop():
    found = source(lambda x: x.exp(), rl.ones(8, 5))
    assert found == text("""
        # x0: float32[8, 5]

        # 1: nest 40
        for i in range(40):
            v0[i] = exp(x0[i])

        return v0
        """)


def test_softmax_passes_three_times_over_a_row():
    assert source(lambda x: rl.softmax(x, 1), rl.ones(8, 5)) == text("""
        # x0: float32[8, 5]

        # 1: nest 8 x 5
        for i in range(8):
            m0 = -inf
            for j in range(5):
                m0 = max(m0, x0[i, j])
            s0 = 0
            for j in range(5):
                t0[j] = exp(x0[i, j] - m0)
                s0 += t0[j]
            for j in range(5):
                v0[i, j] = t0[j] / s0

        return v0
        """)


def test_a_layer_norm_and_its_gradients_are_one_nest():
    def step(x, w, b, g):
        for leaf in (x, w, b):
            leaf.requires_grad_()
        y = rl.layer_norm(x, (5,), w, b)
        return y.detach(), *rl.autograd.grad(y, (x, w, b), g)

    found = source(step, rl.ones(8, 5), rl.ones(5), rl.zeros(5), rl.ones(8, 5))
    assert found == text("""
        # x0: float32[8, 5]; x1: float32[5]; x2: float32[5]; x3: float32[8, 5]

        # 1: nest 8 x 5
        for i in range(8):
            s0 = 0
            s1 = 0
            for j in range(5):
                s0 += x0[i, j]
                t0[j] = x3[i, j] * x1[j]
                s1 += t0[j]
                v0[0, j] += x3[i, j]
            t1 = -s0 / 5
            t2 = -s1 / 5
            s2 = 0
            for j in range(5):
                t3[j] = x0[i, j] + t1
                s2 += t3[j] * t3[j]
                t4[j] = t0[j] + t2
            t5 = 1 / sqrt(s2 / 5 + 1e-05)
            s3 = 0
            for j in range(5):
                t6[j] = t3[j] * t5
                s3 += t0[j] * t6[j]
                v1[i, j] = t6[j] * x1[j] + x2[j]
                v2[0, j] += x3[i, j] * t6[j]
            t7 = s3 / 5
            for j in range(5):
                v3[i, j] = (t4[j] - t6[j] * t7) * t5

        return v1, v3, v2, v0
        """)


def test_what_follows_a_product_is_in_its_loops():
    found = source(lambda x, w, b: rl.relu(x @ w.mT + b), rl.ones(8, 5), rl.ones(7, 5), rl.ones(7))
    assert found == text("""
        # x0: float32[8, 5]; x1: float32[7, 5]; x2: float32[7]

        # 1: product 8 x 7, each a sum of 5
        for i in range(8):
            for j in range(7):
                z0 = sum(x0[i, k] * x1[j, k] for k in range(5))
                v0[i, j] = max(z0 + x2[j], 0)

        return v0
        """)


def test_a_product_alone_is_stored():
    found = source(lambda x, y: x @ y, rl.ones(2, 3, 4, 5), rl.ones(2, 3, 5, 6))
    assert found.splitlines()[3:-2] == [
        "for i in range(2):",
        "    for j in range(3):",
        "        for k in range(4):",
        "            for l in range(6):",
        "                v0[i, j, k, l] = sum(x0[i, j, k, m] * x1[i, j, m, l] for m in range(5))",
    ]


def test_numbers_that_change_are_arguments():
    """Adam: its count and its rate are read at each call."""
    count, lr = Cell(0), Cell(0.1)
    p, m, v = rl.ones(6), rl.zeros(6), rl.zeros(6)

    def step(g):
        count.value = count.value + 1
        m.copy_(m * 0.9 + g * 0.1)
        v.copy_(v * 0.999 + g * g * 0.001)
        scale = lr.value / (1 - 0.9**count.value)
        p.sub_(m / (v.sqrt() / (1 - 0.999**count.value) ** 0.5 + 1e-8) * scale)

    assert source(step, rl.ones(6)) == text("""
        # x0: float32[6]; x1: float32[6]; x2: float32[6]; x3: float32[6]; n0: int; n1: float
        n2 = n0 + 1

        # 1: nest 6
        t0 = float32((1 - 0.999 ** float64(n2)) ** 0.5)
        t1 = float32(n1 / (1 - 0.9 ** float64(n2)))
        for i in range(6):
            t2 = x1[i] * 0.9 + x0[i] * 0.1
            t3 = x2[i] * 0.999 + x0[i] * x0[i] * 0.001
            v0[i] = t2
            v1[i] = t3
            v2[i] = x3[i] - t2 / (sqrt(t3) / t0 + 1e-08) * t1

        return v0, v1, v2, n2
        """)


def test_views_are_places():
    def views(x):
        return x.flip(1) + 1, x[:, ::2].mT.reshape(-1), x[2:4, 1].exp()

    assert source(views, rl.ones(8, 5)) == text("""
        # x0: float32[8, 5]

        # 1: nest 8 x 5
        for i in range(8):
            for j in range(5):
                v0[i, j] = x0[i, 4 - j] + 1

        # 2: nest 3 x 8
        for i in range(3):
            for j in range(8):
                v1[i, j] = x0[j, 2*i]

        # 3: nest 2
        for i in range(2):
            v2[i] = exp(x0[i + 2, 1])

        return v0, v1, v2
        """)


def test_kernels_are_called_in_order():
    found = source(lambda x: rl.argsort(x * 2, 1)[:, :2], rl.ones(8, 5))
    assert found == text("""
        # x0: float32[8, 5]

        # 1: nest 40
        for i in range(40):
            v0[i] = x0[i] * 2

        # 2: call of argsort
        v1 = argsort(v0, axis=1, descending=False)

        return v1[i, j]
        """)


def test_an_element_is_looked_up():
    found = source(lambda table, at: table[at] * 2, rl.ones(50, 6), rl.zeros(7, dtype=rl.int64))
    assert found == text("""
        # x0: float32[50, 6]; x1: int64[7]

        # 1: nest 7
        m0 = -inf
        for i in range(7):
            t0 = (x1[i] < -50) | ((50 < x1[i]) | (x1[i] == 50))
            t1 = where(t0, -1, where(x1[i] < 0, x1[i] + 50, x1[i]) + 0)
            m0 = max(m0, int32((t1 < 0) | (49 < t1)))
        v0[0] = m0

        # 2: nest 7 x 6
        for i in range(7):
            t0 = (x1[i] < -50) | ((50 < x1[i]) | (x1[i] == 50))
            t1 = where(t0, -1, where(x1[i] < 0, x1[i] + 50, x1[i]) + 0)
            t2 = max(min(t1, 49), 0)
            for j in range(6):
                v1[i, j] = x0[t2, j] * 2

        return v1
        """)


def test_elements_are_added_where_indices_say():
    at = rl.zeros(7, dtype=rl.int64)
    found = source(lambda x, at: rl.zeros(50, 6).index_add(0, at, x), rl.ones(7, 6), at)
    assert found == text("""
        # x0: float32[7, 6]; x1: int64[7]

        # 1: nest 7
        m0 = -inf
        for i in range(7):
            m0 = max(m0, int32((x1[i] < 0) | (49 < x1[i])))
        v0[0] = m0

        # 2: nest 300
        for i in range(300):
            v1[i] = 0

        # 3: nest 7 x 6
        for i in range(7):
            t0 = max(min(x1[i], 49), 0)
            for j in range(6):
                v1[t0, j] += x0[i, j]

        return v1
        """)


def test_what_a_later_pass_needs_is_a_row():
    found = source(lambda x: rl.softmax(x.to(rl.bfloat16).float(), 1), rl.ones(3, 5))
    assert found == text("""
        # x0: float32[3, 5]

        # 1: nest 3 x 5
        for i in range(3):
            m0 = -inf
            for j in range(5):
                t0[j] = float32(bfloat16(x0[i, j]))
                m0 = max(m0, t0[j])
            s0 = 0
            for j in range(5):
                t1[j] = exp(t0[j] - m0)
                s0 += t1[j]
            for j in range(5):
                v0[i, j] = t1[j] / s0

        return v0
        """)


def test_a_nest_alone_has_names_of_its_own():
    both = frozenset((0, 1))
    nodes = (
        Node("read", (), 0, float32, both),
        Node("neg", (0,), None, float32, both),
        Node("constant", (), 0.1, float32, frozenset()),
        Node("add", (2, 1), None, float32, both),
        Node("mul", (3, 3), None, float32, both),
        Node("row_prod", (4,), None, float32, frozenset((0,))),
    )
    stores = (
        Store(4, Access("y", (0, 1), 3, float32), "max", frozenset((0,))),
        Store(5, Access("z", (1, 0), 0, float32)),
    )
    nest = LoopNest((4, 9), (Access("x", (18, 2), 0, float32),), nodes, stores)
    assert list(lines(nest)) == [
        "for i in range(4):",
        "    p0 = 1",
        "    for j in range(9):",
        "        t0 = 0.1 - x[18*i + 2*j]",
        "        t1 = t0 * t0",
        "        p0 *= t1",
        "        y[j + 3] = max(y[j + 3], t1)",
        "    z[i] = p0",
    ]


# -- explain --------------------------------------------------------------------------------------


def test_a_page():
    f = rl.compile(lambda x, w: (rl.softmax(x @ w, 1) @ w.mT, rl.argsort(x)))
    f(rl.ones(8, 5), rl.ones(5, 7))
    assert f.explain() == text("""
        1 program of test_a_page.<locals>.<lambda>

        1. x: float32[8, 5] on telling; w: float32[5, 7] on telling
        10 steps, 10 once composites are opened and simplified,
        3 records (2 products, 1 call) of 2 different nests
        1.5 kB read and written, arena of 4.1 kB

        #  kind     loops  computes                                          bytes  est us  share
        1  product  8 x 7  8x5 @ 5x7, row max, neg, add, exp, row sum, div   524 B    1.00   17 %
        2  product  8 x 5  8x7 @ 7x5                                         524 B    2.00   33 %
        3  call            argsort                                           480 B    3.00   50 %
                                                                            1.5 kB    6.00

        calls
          3: no nest computes argsort

        stored from -> for
          1 -> 2            float32[8, 7], 224 B  an operand of a product
        """)


def test_what_changed_is_told_by_name():
    f = rl.compile(lambda x, n: x * n)
    f(rl.ones(2), 2)
    f(rl.ones(2), 3)
    f(rl.ones(4), 3)
    with rl.no_grad():
        f(rl.ones(4), 3)
    assert [line for line in f.explain().splitlines() if line[:6] == "traced"] == [
        "traced anew: argument n changed, last from 2 to 3",
        "traced anew: argument x changed, last from float32[2] on telling to float32[4] on telling",
        "traced anew: it was called in another mode, such as no_grad or autocast",
    ]


def test_what_changed_of_a_capture_is_told():
    w = rl.ones(3)
    f = rl.compile(lambda x: x * w)
    f(rl.ones(1))
    w.requires_grad_()
    f(rl.ones(1))
    w.data = rl.ones(4)
    f(rl.ones(1))
    assert [line for line in f.explain().splitlines() if line[:6] == "traced"] == [
        "traced anew: a tensor float32[3] that it captures asks for a gradient, or no longer",
        "traced anew: a tensor that it captures was float32[3] and is float32[4]",
    ]


def test_measuring_changes_nothing():
    total = rl.zeros(3)
    f = rl.compile(lambda x: total.add_(x * 2))
    page = f.measure(rl.ones(3))
    assert total.tolist() == [0.0, 0.0, 0.0]
    assert "us  share" in page
    assert " 2.00 " in page
    f(rl.ones(3))
    assert total.tolist() == [2.0, 2.0, 2.0]


def test_a_replayed_program_is_python():
    with rl.device("numpy"):
        f = rl.compile(lambda x: x * 2)
        f(rl.ones(3))
    assert f.explain() == text("""
        1 program of test_a_replayed_program_is_python.<locals>.<lambda>

        1. x: float32[3] on numpy
        1 step, replayed one by one

        def run(v0):
            v1 = mul(v0, 2)
            del v0
            return [v1]
        """)
    assert f.source() == str(f.explain().partition("\n\n")[2].partition("\n\n")[2])
