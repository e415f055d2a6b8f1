"""The pull-back of every operation gives what its rules say, given their values by name.

Quiet, where a joint rule takes its straight path, and recording, where it is differentiable; and
it refuses inputs that were assigned since.
"""

import numpy as np
import pytest

import rushlight as rl
from rushlight import pullback
from rushlight.autograd import grad, gradcheck, gradgradcheck, mend
from rushlight.creation import held
from rushlight.device import Device
from rushlight.dtypes import FLOATING, as_dtype, float64
from rushlight.eager import QUIET, RECORDING, interpreting
from rushlight.errors import StaleValue
from rushlight.op import composite, operations
from rushlight.pullback import names_of
from rushlight.testing.case import FLOATS
from rushlight.testing.cases import CASES
from rushlight.testing.close import assert_close, assert_same_bits
from rushlight.testing.conformance import lacks
from rushlight.testing.gradients import direction, inner

DEVICES = ["numpy", "hostile"]
STATED = list(dict.fromkeys(case.op for case in CASES))
RULED = [name for name in STATED if operations[name].has_rule]
JOINT = [name for name in RULED if operations[name].backward is not None]


@pytest.fixture
def scratch():
    """Operations stated by a test are forgotten after it."""
    before = dict(operations)
    yield
    operations.clear()
    operations.update(before)


# -- steps on the tape ----------------------------------------------------------------------------


class Step:
    """One operation on the tape, and the cotangent that reaches it."""

    def __init__(self, op, inputs, params, device):
        self.op, self.inputs, self.params = op, inputs, params
        self.z = op.call(*inputs, **op.named(params))
        self.node = self.z._node
        self.g = direction(self.z, 1, 0)
        self.asking = [x for x in inputs if isinstance(x, rl.Tensor) and x.requires_grad]

    def environment(self):
        """All that a rule may read, by name: the inputs themselves, not what the node kept."""
        op, recording = self.op, rl.is_grad_enabled()
        known = {"g": self.g, "z": self.z if recording else self.z.detach()}
        inputs = self.inputs if op.promotes is None else op.promotes(*self.inputs)
        known |= op.named(self.params) | dict(zip(op.inputs, inputs, strict=False))
        known["specs"] = tuple([getattr(x, "spec", x) for x in inputs])
        known["asked"] = tuple([edge is not None for edge in self.node.edges])
        if op.forward is not None:
            made = op.forward.call(*self.inputs, **op.named(self.params))
            known |= dict(zip(op.residuals, made[1:], strict=True))
        return known

    def stated(self):
        """The cotangents by the rules, of which each is called with what it names."""
        op, known = self.op, self.environment()
        if op.backward is not None:
            called = op.backward
            mode = RECORDING if rl.is_grad_enabled() else QUIET
            inputs, params = (
                tuple([known[name] for name in names]) for names in (called.inputs, called.params)
            )
            return mode.apply(called, inputs, params)
        return [self.by_rule(i, known) for i in range(len(op.inputs))]

    def by_rule(self, i, known):
        rule = self.op.rules.get(i)
        if rule is None or self.node.edges[i] is None:
            return None
        known = known | {f"{self.op.inputs[i]}_shape": self.inputs[i].shape}
        return rule(**{name: known[name] for name in names_of(rule)})

    def pulled(self, cotangents=None):
        """The cotangents by the pull-back, of the edges that ask."""
        return list((cotangents or self.op.cotangents)(self.node, self.g))

    def second(self, found):
        """The gradients of a projection of these cotangents."""
        total = inner({i: gx for i, gx in enumerate(found) if gx is not None}, 7)
        if not isinstance(total, rl.Tensor) or not total.requires_grad:
            return [None for _ in self.asking]
        return grad(total, self.asking, retain_graph=True, allow_unused=True)


def steps(op, device, *, smooth=False, types=FLOATS):
    """Every case of an operation with a gradient, whichever inputs ask."""
    for case in CASES:
        if case.op != op.name or (smooth and not case.order):
            continue
        if case.label == "mse-0x3+0x3":
            continue  # its rule divides by no elements: rl.mse_loss takes another way there
        for dtype in set(case.types) & set(types):
            if not lacks(device, case.needs(dtype)):
                yield from asked_steps(op, case, dtype, device)


def asked_steps(op, case, dtype, device):
    given = [held(x.copy(), device) if isinstance(x, np.ndarray) else x for x in case.arrays(dtype)]
    floating = [i for i, x in enumerate(given) if isinstance(x, rl.Tensor) and x.dtype in FLOATING]
    params = op.ordered(case.named(as_dtype(dtype), device))
    for chosen in range(1, 2 ** len(floating)):
        asked = {i for k, i in enumerate(floating) if chosen >> k & 1}
        inputs = tuple(
            [
                x.detach().requires_grad_(i in asked) if isinstance(x, rl.Tensor) else x
                for i, x in enumerate(given)
            ]
        )
        with interpreting(RECORDING):
            step = Step(op, inputs, params, device)
        if step.node is not None and step.node.op is op:  # its inputs were not converted first
            yield step


# -- what must hold of one step -------------------------------------------------------------------


def assert_same(what, found, expected):
    """The same cotangents are there, in the same types, to the last bit."""
    assert len(found) >= len(expected)
    for i, (ours, theirs) in enumerate(zip(found, expected, strict=False)):
        assert (ours is None) == (theirs is None), f"{what}: cotangent {i} is {ours}, not {theirs}"
        if ours is not None:
            assert ours.device is theirs.device
            assert ours._data.dtype is theirs._data.dtype
            assert type(ours._data) is type(theirs._data)
            values = ours.numpy(force=True), theirs.numpy(force=True)
            assert_same_bits(f"{what}, cotangent {i}", *values)


def assert_quiet(step, cotangents=None):
    """Quiet: the rules' values, of which no gradient is asked."""
    with interpreting(QUIET):
        found, expected = step.pulled(cotangents), step.stated()
    assert_same(f"{step.op.name}, quiet", found, expected)
    assert all(gx is None or gx._node is None for gx in found)
    for gx, edge in zip(found, step.node.edges, strict=True):
        assert edge is not None or gx is None or step.op.backward is not None


def assert_recording(step, cotangents=None):
    """Recording: the rules' values, and their derivatives."""
    with interpreting(RECORDING):
        found, expected = step.pulled(cotangents), step.stated()
        assert_same(f"{step.op.name}, recording", found, expected)
        derivatives = step.second(found), step.second(expected)
    assert_same(f"{step.op.name}, differentiated", *derivatives)


def assert_alike(step):
    """Quiet and recording agree: exactly where the same kernels run, else within rounding."""
    with interpreting(QUIET):
        quiet = step.pulled()
    with interpreting(RECORDING):
        recorded = step.pulled()
    for i, (ours, theirs, edge) in enumerate(zip(quiet, recorded, step.node.edges, strict=True)):
        assert (ours is None) == (theirs is None)
        if ours is None or edge is None:
            continue
        with interpreting(QUIET):
            values = [mend(gx, edge).numpy(force=True) for gx in (ours, theirs)]
        what = f"{step.op.name}, cotangent {i}"
        if step.g.device.name == "hostile":  # it has no kernels of composites, so both ways are one
            assert_same_bits(what, *values)
        else:
            assert_close(what, *values, terms=max(step.g.numel(), values[0].size, 1), wider=2)


def assert_refuses_stale(step, cotangents=None):
    """An input that a rule reads must be as it was; any other may change."""
    for mode in (QUIET, RECORDING):
        with interpreting(mode):
            before = step.pulled(cotangents)
            for x, kept in zip(step.inputs, step.node.saved[0] or step.inputs, strict=True):
                if not isinstance(x, rl.Tensor):
                    continue
                data, reads = x._data, kept is x and step.node.saved[0]
                x._data = held(x.numpy(force=True).copy(), x.device)._data
                try:
                    if reads:
                        with pytest.raises(StaleValue, match=f"^backward: {step.op.name} reads a "):
                            step.pulled(cotangents)
                    else:
                        assert_same(step.op.name, step.pulled(cotangents), before)
                finally:
                    x._data = data


def assert_straight(step, cotangents=None):
    """Quiet, a joint rule's kernel is called once: a call that failed would have a second."""
    kernels, rule = step.g.device.kernels, step.op.backward
    if rule is None or rule.name not in kernels:
        return
    kernel, calls = kernels[rule.name], []

    def counted(*given):
        calls.append(given)
        return kernel(*given)

    kernels[rule.name] = counted
    try:
        with interpreting(QUIET):
            step.pulled(cotangents)
    finally:
        kernels[rule.name] = kernel
    assert len(calls) == 1


@pytest.mark.parametrize("name", JOINT)
def test_a_joint_rule_takes_its_straight_path(name):
    for step in steps(operations[name], Device("numpy"), smooth=True):
        assert_straight(step)


# Read one triangle of a matrix: no case of theirs is differentiated, see test_conformance_suite.
ONE_TRIANGLE = {"cholesky", "eigh"}


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", RULED)
@pytest.mark.parametrize("check", [assert_quiet, assert_recording, assert_refuses_stale])
def test_pull_backs(check, name, device):
    count = 0
    for step in steps(operations[name], Device(device), smooth=check is assert_recording):
        check(step)
        count += 1
    assert count or (check is assert_recording and name in ONE_TRIANGLE)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", RULED)
def test_quiet_and_recording_agree(name, device):
    for step in steps(operations[name], Device(device), smooth=True):
        assert_alike(step)


def forms_of(op):
    """How the rules of an operation that read inputs read them, as `pullback.pull` tells apart."""
    for i, names in op.reads.items():
        if names & set(op.inputs):
            yield "joint" if i < 0 else "one input" if len(names) == 2 else "several"


def test_stale_inputs_are_tried_with_every_form_of_rule():
    found = {form for name in RULED for form in forms_of(operations[name])}
    assert found == {"joint", "one input", "several"}


# -- residuals: what a joint rule reads of the forward pass ----------------------------------------


WITH_RESIDUALS = [name for name in RULED if operations[name].residuals]


def forgotten(op, step):
    """Inputs on which a floating residual that the rule reads depends, but which it does not keep.

    The residual is computed anew when its derivative is asked, from the inputs that were kept.
    """
    read = op.reads[-1]
    with interpreting(RECORDING):
        made = op.forward.call(*step.inputs, **op.named(step.params))[1:]
        for residual, name in zip(made, op.residuals, strict=True):
            if name not in read or not residual.requires_grad:
                continue
            found = grad(residual.sum(), step.asking, retain_graph=True, allow_unused=True)
            for x, gx in zip(step.asking, found, strict=True):
                place = next(i for i, given in enumerate(step.inputs) if given is x)
                if gx is not None and op.inputs[place] not in read:
                    yield f"{op.name}: {name} depends on {op.inputs[place]}, which its rule forgets"


@pytest.mark.parametrize("name", WITH_RESIDUALS)
def test_rules_keep_what_their_residuals_depend_on(name):
    op = operations[name]
    found = {line for step in steps(op, Device("numpy")) for line in forgotten(op, step)}
    assert found == set()


@pytest.mark.parametrize("name", JOINT)
def test_second_derivatives_of_joint_rules_by_differences(name):
    """Of every case, whichever inputs ask; in float64, element by element."""
    count = 0
    for case in CASES:
        if case.op != name or case.order < 2 or size_of(case) > MOST:
            continue
        for step in asked_steps(operations[name], case, "float64", Device("numpy")):
            call = operations[name].call
            named = operations[name].named(step.params)

            def function(*inputs, call=call, named=named):
                return call(*inputs, **named)

            assert gradgradcheck(function, step.inputs, atol=1e-6, rtol=1e-5)
            count += 1
    assert count


MOST = 130  # elements of a case: each costs two evaluations for each element of the gradients


def size_of(case):
    return sum(x.size for x in case.arrays("float64") if isinstance(x, np.ndarray))


def stated_scale(reads_weight):
    """x * exp(weight), weight None or not; its rule forgets weight or reads it."""

    @composite
    def planted_scale(x, weight):
        return planted_scale_fwd(x, weight)[0]

    @planted_scale.residuals("factor")
    def planted_scale_fwd(x, weight):
        factor = x * 0.0 + 1.0 if weight is None else weight.exp() + x * 0.0
        return x * factor, factor

    if reads_weight:

        @planted_scale.vjp
        def planted_scale_vjp(g, x, weight, factor, *, asked):
            return g * factor, g * x * factor if asked[1] else None

    else:

        @planted_scale.vjp
        def planted_scale_vjp(g, x, factor, *, asked):
            return g * factor, g * x * factor if asked[1] else None

    return planted_scale


@pytest.mark.parametrize("reads_weight", [True, False], ids=["read", "forgotten"])
def test_a_forgotten_input_of_a_residual_is_found(reads_weight, scratch):
    call = stated_scale(reads_weight)
    x, w = (rl.tensor(v, dtype=float64, requires_grad=True) for v in ([0.5, -1.5], [0.25, 2.0]))
    step = Step(call.op, (x, w), (), Device("numpy"))
    line = "planted_scale: factor depends on weight, which its rule forgets"
    assert list(forgotten(call.op, step)) == ([] if reads_weight else [line])
    assert gradcheck(call, (x, w))
    assert gradgradcheck(call, (x, w), raise_exception=False) == reads_weight
    try:
        assert_recording(step)
    except AssertionError:
        assert not reads_weight
    else:
        assert reads_weight


# -- planted faults -------------------------------------------------------------------------------

STALE = """if x is not data and x._data is not data:
                refuse_stale(op, x, data)"""
OF_ONE_INPUT = """x, data = saved[0][j], saved[1][j]
        if x is not data and x._data is not data:"""

# In which function, what is right, what is wrong in its place, and which check must find it.
FAULTS = [
    ("separately", "return (x and pulls[0](g, node, x),)", "return (None,)", assert_quiet),
    ("separately", "y and pulls[1](g, node, y)", "y and pulls[0](g, node, y)", assert_quiet),
    ("separately", "x and pulls[0](g, node, x), y", "pulls[0](g, node, x or y), y", assert_quiet),
    ("separately", "[x and pull(g", "[pull(g", assert_quiet),
    ("pull", "return rule(g, x)", "return rule(x, g)", assert_quiet),
    ("pull", "return rule(g, revived(node, g))", "return rule(revived(node, g), g)", assert_quiet),
    ("pull", OF_ONE_INPUT, OF_ONE_INPUT.replace("x is not data", "False"), assert_refuses_stale),
    ("pull", STALE, STALE.replace("x is not data", "False"), assert_refuses_stale),
    ("pull", 'if "z" in names else None', "if False else None", assert_quiet),
    ("pull", "edge.shape, z", "node.shape, z", assert_quiet),
    ("pull", "*node.params, *inputs]", "*inputs, *node.params]", assert_quiet),
    ("pull", "op.inputs.index(names[1])", "0", assert_quiet),
    ("jointly", STALE, STALE.replace("x is not data", "False"), assert_refuses_stale),
    (
        "jointly",
        "ALL[len(edges)] if None not in edges else",
        "ALL[len(edges)] if True else",
        assert_quiet,
    ),
    ("jointly", "(g._data, None, result", "(g._data, None, g._data", assert_quiet),
    ("jointly", "*node.params, *used,", "*used, *node.params,", assert_straight),
    ("jointly", "*residuals, asked, specs)", "*residuals, specs, asked)", assert_straight),
    ("jointly", "*used, *residuals, asked", "*used, *used, asked", assert_straight),
    ("jointly", "if variadic or mode.recording or", "if", assert_recording),
    ("jointly", "if straight.current().recording and", "if False and", assert_recording),
    ("jointly", "**op.named(node.params))[1:]", "**op.named(node.params))[:-1]", assert_recording),
    ("jointly", "revived(node, g) if keeps_result else None", "None", assert_recording),
    ("jointly", "residuals, asked, specs]", "residuals, specs, asked]", assert_recording),
    ("jointly", "(*inputs[:fixed], inputs[fixed:])", "inputs", assert_quiet),
    ("revived", "node if straight.current().recording else None", "None", assert_recording),
    ("revived", "node.saved[2], g.device", "g._data, g.device", assert_quiet),
    ("refuse_stale", "is not data", "is data", assert_refuses_stale),
    ("readable", "op.params, *op.inputs]", "op.inputs, *op.params]", assert_quiet),
]


def first_fault(check, module):
    """What a check says of pull-backs made by a faulty module, of the first that is wrong."""
    for name in RULED:
        op = operations[name]
        for step in steps(op, Device("numpy"), smooth=True, types=("float32",)):
            try:
                check(step, module.of(op))
            except (Exception, pytest.fail.Exception) as error:  # whatever a fault leads to
                return f"{name}: {type(error).__name__}: {error}"
    return None


@pytest.mark.parametrize(("function", "right", "wrong", "check"), FAULTS)
def test_a_planted_fault_is_found(function, right, wrong, check, planted):
    assert first_fault(check, planted(pullback, function, right, wrong))


@pytest.mark.parametrize("check", [assert_quiet, assert_recording, assert_refuses_stale])
def test_without_a_fault_nothing_is_found(check):
    assert first_fault(check, pullback) is None
