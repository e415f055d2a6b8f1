"""Random programs mean the same compiled; what is wrong with a compiler or a kernel is found."""

import subprocess
import sys
from itertools import count

import numpy as np
import pytest
from fuzz import program as programs_of
from fuzz.program import CALLS, Shaken, disagreement, outcomes, shrunk
from fuzz.programs import drawn, failure, main

import rushlight as rl
from rushlight import plugins, reference
from rushlight.backend import PROTOCOL, HostBackend
from rushlight.compiler import traced
from rushlight.compiler.graph import Graph, Step
from rushlight.device import Device
from rushlight.errors import BackendUnavailable
from rushlight.plugins import Loaded
from rushlight.testing.case import EXACT
from rushlight.testing.plugin import fresh_plugins

SEEDS = {"numpy": range(300), "hostile": range(40), "numba": range(300)}


def place(name):
    try:
        return Device(name)
    except BackendUnavailable as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(
    ("device", "seed"), [(name, seed) for name, seeds in SEEDS.items() for seed in seeds]
)
def test_a_random_program_means_the_same_compiled(device, seed):
    device = place(device)
    told = failure(drawn(seed, device.backend.capabilities.dtypes), device)
    assert not told, told


# -- planted faults -------------------------------------------------------------------------------

KERNELS = reference.KERNELS


class Faulty(HostBackend):
    """The reference with one kernel that is wrong; or with other roundings."""

    name = "faulty"
    protocol = PROTOCOL


@pytest.fixture
def faulty():
    """Makes a device with these kernels in place of the reference's."""
    with fresh_plugins():

        def make(kernels):
            backend = Faulty(kernels)
            plugins._known["faulty"] = Loaded(backend, 1)
            return Device("faulty")

        yield make


def first(fails, most):
    """The first program, of so many, for which this says something, and what."""
    for seed in range(most):
        told = fails(drawn(seed))
        if told:
            return drawn(seed), told
    pytest.fail(f"{most} programs did not find it")


def drops_broadcast(x, y):
    z = KERNELS["mul"](x, y)
    small = x if np.size(x) <= np.size(y) else y
    alike = np.shape(x) == np.shape(y) or not np.shape(small)
    return z if alike else np.broadcast_to(small, z.shape).astype(z.dtype)


def last_wins(x, index, y, axis):
    z = x.copy()
    np.put_along_axis(z, index[tuple(map(slice, index.shape))], y, axis)
    return z


def loses_the_last(x, axes, keepdim):
    part = tuple(slice(-1) if i in axes and n > 3 else slice(None) for i, n in enumerate(x.shape))
    return KERNELS["sum"](x[part], axes, keepdim)


def sum_without_nan(x, axes, keepdim):
    return KERNELS["sum"](np.where(np.isnan(x), 0, x).astype(x.dtype), axes, keepdim)


# What is wrong with a kernel, and within how many programs it must be found.
WRONG_KERNELS = {
    "wrong broadcast": ("mul", drops_broadcast, 20),
    "swapped operands": ("sub", lambda x, y: KERNELS["sub"](y, x), 10),
    "swapped branches": ("where", lambda c, x, y: KERNELS["where"](c, y, x), 30),
    "dropped accumulation": ("scatter_add", last_wins, 100),
    "short sum": ("sum", loses_the_last, 20),
    "slightly wrong": (
        "tanh",
        lambda x: (KERNELS["tanh"](x) * (1 + 1e-4)).astype(x.dtype),
        30,
    ),
    "loses nan": ("sum", sum_without_nan, 100),
    "unflipped": ("slice", lambda x, bounds: KERNELS["slice"](
        x, tuple((a, b, s) if s > 0 else (b + 1, a + 1, -s) for a, b, s in bounds)
    ), 100),
}  # fmt: skip


@pytest.mark.parametrize("fault", WRONG_KERNELS)
def test_a_wrong_kernel_is_found(fault, faulty):
    op, kernel, most = WRONG_KERNELS[fault]
    device, oracle = faulty({op: kernel}), Device("numpy")
    program, _ = first(lambda one: disagreement(one, device, oracle), most)
    small = shrunk(program, lambda one: disagreement(one, device, oracle), tries=150)
    assert len(small.lines) <= 5, str(small)


def merged(graph):
    """Steps of the same operation on the same inputs as one, whatever their parameters."""
    known, instead, kept = {}, {}, []
    for step in graph.steps:
        step = step._replace(inputs=tuple(instead.get(x, x) for x in step.inputs))
        key = isinstance(step, Step) and (step.op.name, step.inputs)
        if key and key in known and [*map(str, known[key])] == [*map(str, step.outputs)]:
            instead |= dict(zip(step.outputs, known[key], strict=True))
            continue
        if key:
            known[key] = step.outputs
        kept.append(step)
    outputs = tuple(instead.get(x, x) for x in graph.outputs)
    return graph._replace(steps=tuple(kept), outputs=outputs)


def replacing(op, change):
    """A pass that changes the inputs of one operation's steps."""

    def run(graph):
        steps = [
            step._replace(inputs=change(step.inputs)) if of(step, op) else step
            for step in graph.steps
        ]
        return graph._replace(steps=tuple(steps))

    return run


def of(step, op):
    return isinstance(step, Step) and step.op.name == op


def without_casts(graph):
    """Steps that widen and narrow again are left out, with the rounding between them."""
    made = {step.outputs[0]: step for step in graph.steps if of(step, "cast")}
    instead = {}
    for z, step in made.items():
        inner = made.get(step.inputs[0])
        if inner and inner.inputs[0].dtype is z.dtype:
            instead[z] = inner.inputs[0]
    steps = tuple(
        step._replace(inputs=tuple(instead.get(x, x) for x in step.inputs)) for step in graph.steps
    )
    return graph._replace(steps=steps, outputs=tuple(instead.get(x, x) for x in graph.outputs))


# A pass that simplifies wrongly, and within how many programs it must be found.
WRONG_PASSES = {
    "merges what differs": (merged, 20),
    "swaps a difference": (replacing("sub", lambda xs: (xs[1], xs[0])), 20),
    "forgets an addend": (replacing("add", lambda xs: (xs[0], 0)), 20),
    "drops a cast": (without_casts, 300),
}


@pytest.mark.parametrize("bits", [True, False], ids=["bits", "tolerance"])
@pytest.mark.parametrize("fault", WRONG_PASSES)
def test_a_wrong_pass_is_found(fault, bits, monkeypatch):
    change, most = WRONG_PASSES[fault]
    right = Graph.pruned
    monkeypatch.setattr(Graph, "pruned", lambda self: right(change(right(self))))
    monkeypatch.setattr(programs_of, "replays", lambda device: bits)
    first(lambda one: disagreement(one, Device("numpy")), most)


@pytest.mark.parametrize("which", [float, np.ndarray], ids=["floats", "arrays"])
def test_what_is_not_read_afresh_is_found(which, monkeypatch):
    right, known = traced.built, {}

    def stale(graph):
        program = right(graph)

        def run(*inputs):
            before = known.setdefault(id(program), (program, inputs))[1]
            pairs = zip(inputs, before, strict=True)
            return program.run(*[old if isinstance(x, which) else x for x, old in pairs])

        return program._replace(run=run)

    monkeypatch.setattr(traced, "built", stale)
    told = first(lambda one: disagreement(one, Device("numpy")), 20)[1]
    assert told.startswith(("call 1", "call 2"))


def test_a_refusal_is_found(monkeypatch):
    def refuse(graph):
        raise rl.TracingError("no such thing")

    monkeypatch.setattr(Graph, "refuse_leftovers", refuse)
    assert "TracingError: no such thing" in first(
        lambda one: disagreement(one, Device("numpy")), 1
    )[1]  # fmt: skip


# -- what is no fault -----------------------------------------------------------------------------


def widened(kernel):
    """The kernel in float64, rounded at the end, where the other rounds at every step."""

    def run(*inputs, **params):
        z = kernel(*inputs, **params)
        if isinstance(z, tuple) or not any(map(is_narrow, inputs)):
            return z
        wide = kernel(*[x.astype("float64") if is_narrow(x) else x for x in inputs], **params)
        return np.asarray(wide).astype(z.dtype)

    return run


def is_narrow(x):
    return isinstance(x, np.ndarray) and x.dtype in rl.dtypes.FLOATING


def test_other_roundings_are_no_fault(faulty):
    kept = {*EXACT, "dropout"}
    wide = {name: widened(kernel) for name, kernel in KERNELS.items() if name not in kept}
    device = faulty(wide)
    for seed in range(60):
        assert not disagreement(drawn(seed), device, Device("numpy")), seed


def test_noise_is_small_and_everywhere(faulty):
    shaken = faulty(Shaken(0).kernels)
    program = next(p for p in map(drawn, count()) if "tanh" in str(p) and not p.outside)
    plain, off = (outcomes(program, d, compiled=False) for d in (Device("numpy"), shaken))
    assert len(plain) == CALLS
    assert any((x[name] != y[name]).any() for x, y in zip(plain, off, strict=True) for name in x)


# -- programs -------------------------------------------------------------------------------------


def test_a_seed_is_a_program():
    for seed in range(5):
        assert drawn(seed) == drawn(seed)
    lengths = [len(drawn(seed).lines) for seed in range(60)]
    assert max(lengths) > 40
    assert min(lengths) < 10


def test_programs_hold_everything():
    text = "".join(str(drawn(seed)) for seed in range(250))
    words = """
        reshape permute expand flip :: sum( mean( prod( var( logsumexp softmax layer_norm gelu
        cross_entropy linear bmm @ cat stack pad where gather index_select embedding float16
        bfloat16 float64 int32 int64 bool backward autograd.grad create_graph dropout generator=
        rate step.value no_grad copy_ scatter_add index_add cumsum amax argmax clone
        """.split()
    assert [word for word in words if word not in text] == []


def test_a_program_is_a_script_of_its_own(tmp_path):
    path = tmp_path / "program.py"
    path.write_text(drawn(4).script())
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    once, again = done.stdout[: len(done.stdout) // 2], done.stdout[len(done.stdout) // 2 :]
    assert once == again


def test_the_command_tells_how_many_differ(capsys, monkeypatch):
    assert main(["--count", "3"]) == 0
    assert capsys.readouterr().out == "3 programs on numpy, 0 differ []\n"
    right = Graph.pruned
    change = WRONG_PASSES["swaps a difference"][0]
    monkeypatch.setattr(Graph, "pruned", lambda self: right(change(right(self))))
    assert main(["--count", "6"]) == 1
    told = capsys.readouterr().out
    assert "lines fail too" in told
    assert "def program(" in told
    assert main(["--device", "absent"]) == 2
    assert "absent: not installed" in capsys.readouterr().err


def test_the_command_writes_a_script(capsys):
    assert main(["--script", "7"]) == 0
    assert capsys.readouterr().out == drawn(7).script()
