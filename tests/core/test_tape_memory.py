"""What backward passes leave behind: nothing, however many there were, in however many threads."""

import gc
import sys
import threading
import tracemalloc
import weakref

import numpy as np
import pytest

import rushlight as rl
from rushlight import autograd
from rushlight.autograd import grad
from rushlight.op import operations

PASSES = 1_000
ROUNDS = 200


@pytest.fixture
def uncollected():
    """No garbage collector: what goes must go at once, since nothing holds itself."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def network():
    rl.manual_seed(0)
    w, b = rl.randn(5, 4).requires_grad_(), rl.zeros(5, requires_grad=True)
    return w, b, rl.randn(3, 4)


def loss_of(w, b, x):
    """Rules of one input, of two, of several and joint ones, with residuals and without."""
    h = rl.layer_norm(rl.linear(x, w, b).tanh() * w.mean(), (5,))
    scores = rl.cat([h, h.exp() + 1.0]).log_softmax(1)
    return rl.cross_entropy(scores, rl.tensor([0, 1, 2, 3, 4, 0])) + (scores**2).mean()


def nodes_of(z):
    found = [z._node]
    for node in found:
        found += [edge for edge in node.edges if edge is not None and edge not in found]
    return found


def step_backward(w, b, x):
    loss = loss_of(w, b, x)
    loss.backward()
    w.grad = b.grad = None
    return loss


def step_grad(w, b, x):
    loss = loss_of(w, b, x)
    grad(loss, [w, b])
    return loss


def step_retained(w, b, x):
    loss = loss_of(w, b, x)
    loss.backward(retain_graph=True)
    loss.backward()
    w.grad = b.grad = None
    return loss


def step_twice(w, b, x):
    (g,) = grad((x @ w.mT).tanh().sum(), w, create_graph=True)
    loss = (g * g).sum()
    grad(loss, [w])
    return loss


def step_unused(w, b, x):
    """A tape that nobody walks."""
    return loss_of(w, b, x)


STEPS = [step_backward, step_grad, step_retained, step_twice, step_unused]


@pytest.mark.parametrize("step", STEPS)
def test_nodes_die_with_their_result(step, uncollected):
    w, b, x = network()
    loss = loss_of(w, b, x) if step is not step_twice else (x @ w.mT).tanh().sum()
    leaves = {id(w._node), id(b._node)}
    inner = [weakref.ref(node) for node in nodes_of(loss) if id(node) not in leaves]
    assert len(inner) > 2
    if step is step_twice:
        grad(loss, w, create_graph=True)
    elif step is not step_unused:
        loss.backward(retain_graph=step is step_retained)
    del loss
    w.grad = b.grad = None
    assert [node() for node in inner if node() is not None] == []


def left_by(step):
    """Bytes, and objects known to the collector, that a thousand passes leave behind."""
    given = network()
    for _ in range(20):
        step(*given)  # contracts, seeds and caches are filled
    # Python keeps up to 2000 tuples of each length for later; they are no leak, so fill that now.
    del [[tuple(range(n)) for _ in range(2000)] for n in range(1, 12)][:]
    count = len(gc.get_objects())
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(PASSES):
            step(*given)
        return tracemalloc.get_traced_memory()[0] - before, len(gc.get_objects()) - count
    finally:
        tracemalloc.stop()


SOME_BYTES = 60_000  # Python's own stock of small objects still grows by some 30,000
SOME_OBJECTS = PASSES // 10


@pytest.mark.parametrize("step", STEPS)
def test_a_thousand_passes_leave_nothing(step, uncollected):
    left, objects = left_by(step)
    assert left < SOME_BYTES
    assert objects < SOME_OBJECTS


def test_one_node_kept_of_each_pass_is_found(uncollected):
    kept = []

    def step(w, b, x):
        kept.append(step_backward(w, b, x)._node)

    left, objects = left_by(step)
    assert left > SOME_BYTES
    assert objects > SOME_OBJECTS


def test_seeds_are_few():
    """One for each type and number of axes, of whichever device came last."""
    for _ in range(3):
        for device in ("numpy", "hostile"):
            for shape in [(), (1,), (1, 1)]:
                x = rl.ones(shape, device=device, requires_grad=True)
                for _ in range(10):
                    (x * 2).backward()
                assert x.grad.device is x.device
                assert x.grad.reshape(()).item() == 20
    for n in range(2, 100):
        rl.ones(n, requires_grad=True).sum().backward()
    shapes = [shape for _, shape in autograd.seeds]
    assert all(set(shape) <= {1} for shape in shapes)
    assert len(shapes) <= 4 * 33  # floating types, numbers of axes
    assert all(g._node is None and g.reshape(()).item() == 1 for g in autograd.seeds.values())


def test_contracts_of_changing_shapes_are_bounded():
    w = rl.ones(1, requires_grad=True)
    for n in range(1, 5000):
        (rl.ones(n) * w).sum().backward()
        w.grad = None
    assert max(len(op.contracts) for op in operations.values()) <= 4096


# -- threads --------------------------------------------------------------------------------------


def in_threads(count, work):
    """Run work(i) in threads that begin together; their first error is raised."""
    ready, errors = threading.Barrier(count), []
    before = sys.getswitchinterval()

    def run(i):
        try:
            ready.wait()
            work(i)
        except BaseException as error:  # of any kind: the thread that waits raises it
            errors.append(error)

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    sys.setswitchinterval(1e-6)  # as often as can be
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    if errors:
        raise errors[0]


def expected():
    w, b, x = network()
    loss_of(w, b, x).backward()
    return [p.grad.numpy().copy() for p in (w, b)]


def test_threads_on_tapes_of_their_own():
    truth, found = expected(), {}

    def work(i):
        w, b, x = (v.detach() for v in given)
        for p in (w, b):
            p.requires_grad_()
        wrong = 0
        for _ in range(ROUNDS):
            loss_of(w, b, x).backward()
            wrong += sum(
                p.grad.numpy().tobytes() != g.tobytes() for p, g in zip((w, b), truth, strict=True)
            )
            w.grad = b.grad = None
        found[i] = wrong

    given = network()
    in_threads(2, work)
    assert found == {0: 0, 1: 0}


def test_threads_on_one_shared_tape():
    """By grad(), which adds to nothing that is shared."""
    w, b, x = network()
    loss, truth, wrong = loss_of(w, b, x), expected(), []

    def work(i):
        for _ in range(ROUNDS):
            found = grad(loss, [w, b], retain_graph=True)
            if any(g.numpy().tobytes() != t.tobytes() for g, t in zip(found, truth, strict=True)):
                wrong.append(i)

    in_threads(2, work)
    assert wrong == []


def test_threads_that_add_to_one_leaf():
    """backward() on one shared tape: no addition to .grad is lost.  Halves, so sums are exact."""
    x = rl.tensor([0.5, 1.0, 2.0], requires_grad=True)
    z = (x * x).sum() * 0.5

    def work(i):
        for _ in range(5 * ROUNDS):
            z.backward(retain_graph=True)

    in_threads(2, work)
    np.testing.assert_array_equal(x.grad.numpy(), 10 * ROUNDS * x.detach().numpy())


def test_threads_with_weights_in_common():
    """Tapes of their own above the same leaves, as data is split among threads."""
    w = rl.tensor([1.0, 2.0], requires_grad=True)

    def work(i):
        for _ in range(5 * ROUNDS):
            (w * (i + 1)).sum().backward()

    in_threads(2, work)
    assert w.grad.tolist() == [15 * ROUNDS] * 2
