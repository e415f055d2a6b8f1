"""Programs that core runs nest by nest, where a backend has `compile_nest` and no `compile`."""

from threading import Thread

import numpy as np
import pytest
from fuzz import nest as nests
from fuzz.program import disagreement
from fuzz.programs import drawn, failure

import rushlight as rl
import rushlight_nn as nn
from rushlight.backend import EVERY_DTYPE, PROTOCOL, Capabilities, FusionPolicy, HostBackend
from rushlight.compiler import nestwise
from rushlight.device import _furnish
from rushlight.errors import IndexOutOfRange
from rushlight.testing.case import Case
from rushlight.testing.conformance import test_traced as assert_traced, types_in_turn
from rushlight.testing.hostile import Hostile

from .interpreted import compare, numbers

POLICIES = {"epilogues": FusionPolicy(epilogues=True, lanes=16), "plain": FusionPolicy()}


class ByNest(HostBackend):
    """Its nests are interpreted; the rest are the reference's kernels.

    asked: the texts that `compile_nest` was given.  refused: words of texts that it cannot run.
    """

    name = "bynest"
    protocol = PROTOCOL
    compiles = True

    def __init__(self, policy=POLICIES["epilogues"], refused=()):
        super().__init__()
        self.policy, self.refused, self.asked = policy, refused, []

    def compile_nest(self, nest):
        text = nest.text()
        self.asked.append(text)

        def run(nest, arrays):
            assert nest.text() == text
            assert all(type(x) is np.ndarray for x in arrays)
            stored = arrays[len(nest.reads) :]
            assert all(x.flags.c_contiguous and x.flags.writeable for x in stored)
            nests.run_on(nest, arrays, wide=False)

        return None if any(word in text for word in self.refused) else run


def place(backend=None):
    return _furnish("bynest", backend or ByNest(), 0)


@pytest.fixture(scope="module", params=POLICIES)
def device(request):
    return place(ByNest(POLICIES[request.param]))


BYNEST = place()


def on(device, *arrays):
    return [rl.from_numpy(x).to(device) for x in arrays]


def fused(compiled):
    """What each program of a compiled function became; None of one that is replayed."""
    return [traced.program.fused for some in compiled.traced.values() for traced in some]


def agree(function, *given):
    """Twice compiled, a function means what it means at once, and leaves what it is given."""
    compiled = rl.compile(function)
    before = [x.numpy(force=True).copy() for x in given if isinstance(x, rl.Tensor)]
    for _ in range(2):
        compare(compiled(*given), function(*given))
    assert all(found is not None for found in fused(compiled))
    after = [x.numpy(force=True) for x in given if isinstance(x, rl.Tensor)]
    assert all(np.array_equal(x, y, equal_nan=True) for x, y in zip(before, after, strict=True))
    return compiled


@pytest.mark.parametrize("seed", range(40))
def test_a_random_program_means_the_same_nest_by_nest(seed, device):
    told = failure(drawn(seed), device)
    assert not told, told


@pytest.mark.parametrize(
    ("case", "dtype"), [pytest.param(*row, id=Case.id(*row)) for row in types_in_turn()]
)
def test_every_operation_nest_by_nest(case, dtype):
    assert_traced(case, dtype, BYNEST)


# -- arrays that are not numpy's ------------------------------------------------------------------


class Elsewhere(Hostile):
    """Memory that only its backend can read, kernels that fail late, two devices, no float64."""

    compiles = True
    policy = POLICIES["epilogues"]

    def compile_nest(self, nest):
        def run(nest, arrays):
            stored = arrays[len(nest.reads) :]
            failures = [x.failure for x in arrays if x.failure is not None]
            for x in stored:
                x.values.flags.writeable = True
                x.failure = failures[0] if failures else None
            if not failures:
                nests.run_on(nest, [x.values for x in arrays], wide=False)

        return run


@pytest.fixture(scope="module")
def elsewhere():
    return _furnish("hostile:1", Elsewhere(), 1)


@pytest.mark.parametrize("seed", range(20))
def test_a_random_program_elsewhere(seed, elsewhere):
    told = failure(drawn(seed, elsewhere.backend.capabilities.dtypes), elsewhere)
    assert not told, told


@pytest.mark.parametrize("what", ["views and a concatenation", "a batch that repeats",
                                  "gradients of products", "a scalar"])  # fmt: skip
def test_programs_elsewhere(what, elsewhere):
    function, given = PROGRAMS[what]
    agree(function, *on(elsewhere, *given))


def test_a_failure_elsewhere_is_told(elsewhere):
    test_an_index_out_of_range_is_refused_and_changes_nothing(elsewhere)


# -- training -------------------------------------------------------------------------------------


class Reader(nn.Module):
    """Words are looked up, attend to those before, are normed and dropped, and choose a class."""

    def __init__(self):
        super().__init__()
        self.words, self.mix = nn.Embedding(11, 8), nn.Linear(8, 24, bias=False)
        self.norm, self.drop = nn.BatchNorm1d(8), nn.Dropout(0.25)
        self.last = nn.Linear(8, 5)

    def forward(self, tokens):
        b, t = tokens.shape
        x = self.words(tokens)
        q, k, v = self.mix(x).reshape(b, t, 3, 2, 4).permute(2, 0, 3, 1, 4)
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + y.transpose(1, 2).reshape(b, t, 8)
        return self.last(self.drop(self.norm(x.mT).mT.mean(1)).relu())


def trained(device, through=lambda step: step, batches=(6, 6, 6, 6)):
    """The losses of some steps and what they leave; through: of the step as a function."""
    with rl.random.fork_rng():
        rl.manual_seed(3)
        model = Reader().to(device)
        optimizer = nn.optim.Adam(model.parameters(), 0.05)

        def step(tokens, classes):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(tokens), classes)
            loss.backward()
            optimizer.step()
            return loss.detach()

        run, losses = through(step), []
        for i, n in enumerate(batches):
            random = np.random.default_rng(i)
            given = on(device, random.integers(0, 11, (n, 7)), random.integers(0, 5, n))
            losses.append(run(*given))
    return [*losses, *model.state_dict().values()]


def test_a_model_is_trained(device):
    steps = []

    def through(step):
        steps.append(rl.compile(step))
        return steps[0]

    compare(trained(device, through), trained(device))
    (found,) = fused(steps[0])
    assert len(found.records) > 10


def test_another_batch_asks_for_no_function():
    device = place()
    trained(device, rl.compile, (6,))
    asked = device.backend.asked
    first = len(asked)
    assert first == len({*asked})  # each once
    ours = trained(device, rl.compile, (6, 4, 6, 9))
    assert len(asked) == first
    compare(ours, trained(device, batches=(6, 4, 6, 9)))


# -- views, kernels, numbers ----------------------------------------------------------------------


def rolled(x):
    return rl.cat([x[:, 3:] * 2, x[:, :3]], 1) + 1, x.T[::2, ::-1]


def gradient(x, y):
    x = x.detach().requires_grad_()
    loss = ((x @ y).tanh() @ y.T.softmax(0)).square().mean()
    return loss.detach(), rl.autograd.grad(loss, x)[0]


PROGRAMS = {
    "views and a concatenation": (rolled, [numbers(6, 8)]),
    "an input as it is": (lambda x: (x, x.reshape(8, 6), x.sum()), [numbers(6, 8)]),
    "products of views": (lambda x, y: x.T[1:] @ y[::-1], [numbers(6, 8), numbers(6, 4)]),
    "a batch that repeats": (lambda x, y: (x @ y).exp(), [numbers(2, 3, 4, 5), numbers(3, 5, 6)]),
    "both repeat": (lambda x, y: (x.expand(3, 4, 5) @ y.expand(3, 5, 6)).sum(0),
                    [numbers(4, 5), numbers(5, 6)]),
    "a vector and a row": (lambda x, y: (x @ y, y.T @ y), [numbers(3, 1), numbers(1, 4)]),
    "gradients of products": (gradient, [numbers(6, 8), numbers(8, 4)]),
    "kernels on views": (lambda x: (x[:, ::2].sort(1).values * 2, rl.linalg.inv(x[:6, :6].T)),
                         [numbers(6, 8) + 2 * np.eye(6, 8, dtype=np.float32)]),
    "whole numbers": (lambda x: (x // 4 + x.T[:6, :6].sum(), x > 2, x.cumsum(1)),
                      [np.arange(36).reshape(6, 6)]),
    "numbers that change": (lambda x, rate: (x * rate**2, rate * 3.0, x + (rate > 0.25)),
                            [numbers(6, 8), 0.5]),
    "a scalar": (lambda x: x.sum() * x.amax(), [numbers(6, 8)]),
}  # fmt: skip


@pytest.mark.parametrize("what", PROGRAMS)
def test_a_program_means_the_same_nest_by_nest(what, device):
    function, given = PROGRAMS[what]
    tensors = [rl.from_numpy(x).to(device) if isinstance(x, np.ndarray) else x for x in given]
    if what == "numbers that change":
        compiled = rl.compile(function)
        for rate in (0.5, 3.0):
            *ours, theirs = compiled(tensors[0], rate), function(tensors[0], rate)
            compare([*ours[0][::2]], [*theirs[::2]])
            assert ours[0][1] == theirs[1]
        assert None not in fused(compiled)
    else:
        agree(function, *tensors)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int8", "uint32"])
def test_any_type(dtype, device):
    x = rl.from_numpy(numbers(6, 8) * 10).to(device).abs().to(rl.dtype(dtype))
    agree(lambda x: (x * x + 1, x.T.amax(1), rl.cat([x, x[:2]], 0)), x)


def test_strided_inputs(device):
    x, y = on(device, numbers(8, 6).T, numbers(6, 8)[:, ::-1])
    agree(lambda x, y: ((x + y).exp(), x @ y.T, x.T.softmax(-1)), x, y)


def test_a_counter_of_any_size(device):
    """A random stream's counter is read in two words; a number beyond one leaves it to kernels."""
    (x,) = on(device, numbers(6, 8))
    cell = rl.Cell(2**40)
    compiled = rl.compile(lambda x: x * cell.value)
    for n in (2**40, -3, 2**70):
        cell.value = n
        assert np.array_equal(compiled(x).numpy(), (x * n).numpy())
    stream = rl.Generator(device=device).manual_seed(5)
    draw = rl.compile(lambda: rl.rand(40, generator=stream, device=device))
    state = stream.get_state() | {"counter": 2**64 + 2**63 - 1}
    for _ in range(2):
        stream.set_state(state)
        ours = draw()
        stream.set_state(state)
        assert np.array_equal(ours.numpy(), rl.rand(40, generator=stream, device=device).numpy())
        state = stream.get_state()


def test_an_index_out_of_range_is_refused_and_changes_nothing(device):
    compiled = rl.compile(lambda x, i: (x.exp(), rl.index_select(x, 0, i) * 2))
    (x,) = on(device, numbers(6, 8))
    assert compiled(x, rl.tensor([5, 0], device=device))[1].shape == (2, 8)
    with pytest.raises(IndexOutOfRange, match="take: index 6 is out of range"):
        compiled(x, rl.tensor([6, 0], device=device))
    assert np.array_equal(x.numpy(force=True), numbers(6, 8))


def test_several_threads_run_one_program(device):
    compiled = rl.compile(lambda x, scale: (x * scale).softmax(-1) @ x.T)
    (x,) = on(device, numbers(6, 8))
    compiled(x, 1.0)
    found = {}

    def work(scale):
        found[scale] = [compiled(x, scale).numpy() for _ in range(20)]

    threads = [Thread(target=work, args=(float(i),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for scale, made in found.items():
        wanted = compiled(x, scale).numpy()
        assert len(made) == 20
        assert all(np.array_equal(z, wanted) for z in made)


def test_it_is_explained(device):
    (x,) = on(device, numbers(6, 8))
    compiled = rl.compile(lambda x: (x @ x.T).exp().sum(0))
    compiled(x)
    assert "matmul" not in compiled.source()
    assert "sum(x0[i, k] * x0[j, k] for k in range(8))" in compiled.source()
    assert "different nest" in compiled.explain()
    assert "different nest" in compiled.measure(x)


# -- what is not run nest by nest -----------------------------------------------------------------


def replayed(device, function, *given):
    compiled = rl.compile(function)
    compare(compiled(*given), function(*given))
    return fused(compiled) == [None]


def test_without_functions_a_program_is_replayed():
    device = place(ByNest(refused=["loops"]))
    assert replayed(device, lambda x: x.exp() + 1, *on(device, numbers(6, 8)))
    assert len(device.backend.asked) == 1


def test_one_nest_that_is_refused_leaves_all_to_kernels():
    device = place(ByNest(refused=["erf"]))
    (x,) = on(device, numbers(6, 8))
    for _ in range(2):
        assert replayed(device, lambda x: (x @ x.T.erf()) * 2, x)
    assert sum("erf" in text for text in device.backend.asked) == 1
    assert not replayed(device, lambda x: (x @ x.T.tanh()) * 2, x)


def test_a_device_without_float64_reads_no_numbers():
    class Narrow(ByNest):
        capabilities = Capabilities(dtypes=EVERY_DTYPE - {"float64"})

    device = place(Narrow())
    (x,) = on(device, numbers(6, 8))
    rate = rl.Cell(0.5)
    assert not replayed(device, lambda x: x * 0.5, x)
    assert replayed(device, lambda x: x * rate.value, x)


def test_two_devices_of_a_backend_are_replayed():
    backend = ByNest()
    first, second = _furnish("bynest", backend, 0), _furnish("bynest:1", backend, 1)
    (x,), (y,) = on(first, numbers(6, 8)), on(second, numbers(6, 8))
    assert replayed(first, lambda x, y: (x + 1, y * 2), x, y)


# -- planted faults -------------------------------------------------------------------------------

# A name of the module, what stands there, and what is wrong instead.
FAULTS = {
    "a copy begins at 0": (
        "copying", "access._replace(strides=walked)", "access._replace(strides=walked, offset=0)"
    ),
    "a copy has no order": ("copying", "[access.strides[d]", "[packed(z.shape)[d]"),
    "numbers have one word": ("Nestwise", "64 * which", "0"),
    "an axis that is cut off is whole": ("Nestwise", "!= size(x.shape)", "!= size(shape)"),
    "checks are not looked at": ("Nestwise", ".any() for check", ".all() and 0 for check"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")  # of the reference, which is asked what went wrong
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault, planted, monkeypatch):
    name, right, wrong = FAULTS[fault]
    monkeypatch.setattr(nestwise, "linked", planted(nestwise, name, right, wrong).linked)
    device = place()
    if fault == "checks are not looked at":
        with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
            test_an_index_out_of_range_is_refused_and_changes_nothing(device)
    elif fault == "numbers have one word":
        with pytest.raises(AssertionError):
            test_a_counter_of_any_size(device)
    else:
        assert any(disagreement(drawn(seed), device) for seed in range(40))
