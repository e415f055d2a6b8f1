"""What every device must do, as tests: the whole test file of a backend's author is

    from rushlight.testing.conformance import *

and `pytest --device NAME` runs it.  Knows no backend but the reference, whose primitives in float64
are the truth.  A case that needs a type which the device lacks is skipped, and told at the end.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from math import prod
from typing import Any, NamedTuple

import numpy as np
import pytest

from .. import ops
from ..backend import EVERY_DTYPE, HostBackend
from ..compiler import compile
from ..compiler.graph import Value
from ..compiler.trace import Trace, Tracing
from ..creation import held
from ..device import Device, _furnish
from ..dtypes import FLOATING, as_dtype
from ..eager import interpreting
from ..errors import BackendUnavailable, DeviceError
from ..op import Operation, operations
from ..plugins import required_kernels
from ..spec import Spec
from ..straight import wrap
from ..tensor import Tensor
from .case import FLOATS, Case, Refusal, Values, worst
from .cases import CASES
from .close import assert_close, assert_same_bits
from .gradients import assert_gradients, gradients, projected, results_of, slope
from .refusals import REFUSALS

__all__ = [
    "device", "pytest_generate_tests", "test_devices_do_not_mix", "test_forward", "test_gradients",
    "test_gradients_by_differences", "test_put_and_get", "test_refusal", "test_repeated",
    "test_traced", "test_views",
]  # fmt: skip

HostArray = np.ndarray[Any, Any]
Row = tuple[Any, ...]  # the values of a test's arguments


class Definition(HostBackend):
    """The reference's required primitives alone: every composite is computed by its body."""

    name = "definition"
    protocol = (1, 0)

    def __init__(self) -> None:
        super().__init__()
        self.kernels = {name: self.kernels[name] for name in required_kernels()}


@cache
def definition() -> Device:
    """The device of the definition; it has no name by which a program could find it."""
    return _furnish("definition", Definition(), 0)


def widened(case: Case, dtype: str) -> str:
    """The type in which the truth is computed; that of the case where it must be."""
    if case.op in {"uniform", "normal"}:  # other types draw other bits
        return dtype
    if dtype in FLOATS or operations[case.op].floating:
        return "float64"
    return "bool" if dtype == "bool" else "int64"


class Run(NamedTuple):
    """A case for one type, ready to be called on tensors.

    arrays: what it is called on, by place among the inputs; numbers and None stay in `inputs`.
    """

    op: Operation
    inputs: list[Any]
    params: dict[str, Any]
    arrays: dict[int, HostArray]
    device: Device

    def tensors(self) -> list[Tensor]:
        """The arrays on the device, each with memory of its own."""
        return [held(x.copy(), self.device) for x in self.arrays.values()]

    def __call__(self, *tensors: Tensor) -> Any:
        """The operation on these in place of the arrays."""
        inputs = list(self.inputs)
        for i, x in zip(self.arrays, tensors, strict=True):
            inputs[i] = x
        return self.op.call(*inputs, **self.params)

    def differentiable(self) -> tuple[Callable[..., Any], list[Tensor]]:
        """A function of the floating inputs alone, and those."""
        tensors = self.tensors()
        floating = [i for i, x in enumerate(tensors) if x.dtype in FLOATING]

        def function(*xs: Tensor) -> Any:
            given = list(tensors)
            for i, x in zip(floating, xs, strict=True):
                given[i] = x
            return self(*given)

        return function, [tensors[i] for i in floating]


def on(device: Device, case: Case, dtype: str, wide: str = "") -> Run:
    """The case on a device; wide: its values, which dtype holds, in this type instead."""
    inputs = case.arrays(dtype)
    arrays = {}
    for i, x in enumerate(inputs):
        if isinstance(x, np.ndarray):
            given = case.inputs[i]
            arrays[i] = x.astype(as_dtype(wide)) if wide and not given.dtype else x
    params = case.named(as_dtype(wide or dtype), device)
    return Run(operations[case.op], inputs, params, arrays, device)


def stated(run: Run) -> list[Spec]:
    """What the contracts say of the results: those of primitives, of which all else is made."""
    stand_ins = [wrap(Value(Spec(x.shape, x.dtype)), run.device) for x in run.arrays.values()]
    with interpreting(Tracing(Trace(), recording=False, whole=False)):
        return [z.spec for z in results_of(run(*stand_ins))]


def truth(case: Case, dtype: str, arrays: dict[int, HostArray] | None = None) -> list[HostArray]:
    """The results by definition in the wide type; arrays: instead of the case's own."""
    run = on(definition(), case, dtype, widened(case, dtype))
    if arrays is not None:
        run = run._replace(arrays={i: x.astype(run.arrays[i].dtype) for i, x in arrays.items()})
    return values(run(*run.tensors()))


def values(made: Any) -> list[HostArray]:
    return [z.numpy(force=True) for z in results_of(made)]


def assert_true(case: Case, what: str, found: list[HostArray], exact: list[HostArray]) -> None:
    """Every result is as close to the truth as the case must be."""
    assert len(found) == len(exact), f"{what}: {len(found)} results instead of {len(exact)}"
    for i, (ours, theirs) in enumerate(zip(found, exact, strict=True)):
        told = f"{what}, result {i}" if len(found) > 1 else what
        wider, elementwise = 0.0 if case.exact else case.wider, case.elementwise
        assert_close(told, ours, theirs, terms=case.terms, wider=wider, elementwise=elementwise)


def lacks(device: Device, needed: Iterable[str]) -> str:
    """Why a case is outside the capabilities of a device; empty if it is inside."""
    missing = sorted(set(needed) - device.backend.capabilities.dtypes)
    return f"{device} has no {' and no '.join(missing)}" if missing else ""


def outside(device: Device) -> dict[str, list[str]]:
    """The cases that the device cannot be asked for, by reason."""
    found: dict[str, list[str]] = {}
    for case in CASES:
        for dtype in case.types:
            reason = lacks(device, case.needs(dtype))
            if reason:
                found.setdefault(reason, []).append(case.id(dtype))
    return found


def skip_outside(device: Device, needed: Iterable[str]) -> None:
    """Skip this test, with the reason, if the device cannot be asked for it."""
    reason = lacks(device, needed)
    if reason:
        pytest.skip(reason)


def fitting(device: Device, case: Case, dtype: str) -> Run:
    """The case on a device; skips this test if it is outside of the capabilities."""
    skip_outside(device, case.needs(dtype))
    return on(device, case, dtype)


class Report:
    """At the end of a run, how many cases were outside of the capabilities, and with -v which."""

    def __init__(self, device: Device) -> None:
        self.device = device

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Write the section."""
        found = outside(self.device)
        if not found:
            return
        count = sum(map(len, found.values()))
        total = sum(len(case.types) for case in CASES)
        terminalreporter.section(
            f"{count} of {total} cases are outside the capabilities of {self.device}"
        )
        for reason, ids in found.items():
            terminalreporter.write_line(f"{len(ids)}: {reason}")
            if terminalreporter.verbosity > 0:
                terminalreporter.write_line(f"    {' '.join(ids)}")


def found_device(config: pytest.Config) -> Device:
    """The device of `--device`; an unavailable one skips, or fails with `--device-required`."""
    name = config.getoption("--device", "numpy")
    try:
        return Device(name)
    except (BackendUnavailable, DeviceError) as error:
        if config.getoption("--device-required", False):
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def device(pytestconfig: pytest.Config) -> Device:
    """The device under test: that of `--device`."""
    return found_device(pytestconfig)


# Of each test its arguments, the rows of their values, and the id of a row.
TABLES: dict[Any, tuple[str, Callable[[], Iterable[Row]], Callable[..., str]]] = {}


def over(
    names: str, rows: Callable[[], Iterable[Row]], told: Callable[..., str] = Case.id
) -> Callable[[Any], Any]:
    """Run a test on every row; its id gains the name of the device."""

    def register(test: Any) -> Any:
        TABLES[test] = (names, rows, told)
        return test

    return register


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """pytest's hook: give the tests of this module their rows."""
    if metafunc.function not in TABLES:
        return
    place = found_device(metafunc.config)
    manager = metafunc.config.pluginmanager
    if not manager.has_plugin("rushlight-outside"):
        manager.register(Report(place), "rushlight-outside")
    names, rows, told = TABLES[metafunc.function]
    metafunc.parametrize(names, [pytest.param(*row, id=f"{told(*row)}-{place}") for row in rows()])


def every_type() -> list[Row]:
    return [(case, dtype) for case in CASES for dtype in case.types]


def first_type() -> list[Row]:
    return [(case, case.types[0]) for case in CASES]


def types_in_turn() -> Iterator[Row]:
    """The first case of each operation in all its types, the others in one of theirs in turn."""
    seen: Counter[str] = Counter()
    for case in CASES:
        n = seen[case.op]
        seen[case.op] += 1
        for dtype in case.types[n % len(case.types) :][:1] if n else case.types:
            yield case, dtype


def smooth(case: Case) -> bool:
    """Whether the case has a gradient to speak of."""
    return case.order > 0 and not operations[case.op].constant


def differentiable() -> list[Row]:
    """The cases with a gradient, in all their floating types."""
    return [(case, dtype) for case, dtype in every_type() if smooth(case) and dtype in FLOATS]


def differentiable_once() -> list[Row]:
    floats = [case for case in CASES if smooth(case) and set(case.types) & set(FLOATS)]
    return [(case, "float64") for case in floats if not case.narrows]


def several_tensors() -> Iterable[Row]:
    """For each operation on several tensors its first such case."""
    found: dict[str, Row] = {}
    for case in CASES:
        if sum(isinstance(x, Values) for x in case.inputs) > 1:
            found.setdefault(case.op, (case, case.types[0]))
    return found.values()


@over("case, dtype", every_type)
def test_forward(case: Case, dtype: str, device: Device) -> None:
    """The value is the truth, rounded; shape and type are what the contract says."""
    run = fitting(device, case, dtype)
    made = results_of(run(*run.tensors()))
    for z, promised in zip(made, stated(run), strict=True):
        assert z.spec == promised, f"{case.label}: made {z.spec}, its contract says {promised}"
        assert z.dtype is promised.dtype
        assert z.device is device
        assert isinstance(z._data, device.array), f"{case.label}: made a {type(z._data).__name__}"
    assert_true(case, case.label, values(made), truth(case, dtype))


@over("case, dtype", differentiable)
def test_gradients(case: Case, dtype: str, device: Device) -> None:
    """Gradients, and in float32 second ones, are those of the definition in float64, rounded."""
    skip_outside(device, case.needs(dtype))
    wide = widened(case, dtype)
    for n in range(1, 1 + (case.order if dtype == "float32" else 1)):
        found = derivatives(on(device, case, dtype), n)
        exact = derivatives(on(definition(), case, dtype, wide), n)
        assert found.keys() == exact.keys(), (
            f"{case.label}: gradients of {list(found)}, not of {list(exact)}"
        )
        for i, g in found.items():
            what = f"{case.label}: derivative {n} by floating input {i}"
            # Each order takes the steps of the one before once more, and sums what was stretched.
            terms = max(case.terms, *(prod(x.shape) for x in exact.values()), 1)
            assert_close(what, g, exact[i], terms=terms, wider=case.wider * 2 * n)


def derivatives(run: Run, order: int) -> dict[int, HostArray]:
    """The gradients of a projection of the results that was differentiated order - 1 times."""
    function, xs = run.differentiable()
    value = projected(function, 0)
    for n in range(1, order):
        value = slope(value, n)
    return {i: g.numpy(force=True) for i, g in gradients(value, xs).items()}


@over("case, dtype", differentiable_once)
def test_gradients_by_differences(case: Case, dtype: str, device: Device) -> None:
    """Gradients of all orders agree with finite differences, in float64."""
    function, xs = fitting(device, case, dtype).differentiable()
    assert_gradients(case.label, function, xs, order=case.order)


@over("case, dtype", first_type)
def test_views(case: Case, dtype: str, device: Device) -> None:
    """Inputs that lie backwards, apart, transposed or stretched give what packed ones give."""
    run = fitting(device, case, dtype)
    stretch = partial(stretched, case.free_axis)
    for how, lay in (("backward", backward), ("transposed", transposed), ("stretched", stretch)):
        tensors = [lay(x, device) for x in run.arrays.values()]
        arrays = {i: x.numpy() for i, x in zip(run.arrays, tensors, strict=True)}
        what, exact = f"{case.label}, inputs {how}", truth(case, dtype, arrays)
        assert_true(case, what, values(run(*tensors)), exact)


def backward(x: HostArray, device: Device) -> Tensor:
    """x as every second element, in reverse, of what else holds nan or the lowest value."""
    around = np.full([2 * n for n in x.shape], worst(x.dtype), x.dtype)
    around[(np.s_[::-2],) * x.ndim] = x
    bounds = tuple((2 * n - 1, n, -2) if n else (0, 0, 1) for n in x.shape)
    return ops.slice(held(around, device), bounds)


def transposed(x: HostArray, device: Device) -> Tensor:
    """x with its last axis first in memory."""
    order = tuple(range(x.ndim))[::-1]
    return ops.permute(held(x.transpose(order).copy(), device), order)


def stretched(axis: int, x: HostArray, device: Device) -> Tensor:
    """The first of x along an axis in place of all others, in the memory of one."""
    axis = min(axis, max(x.ndim - 1, 0))
    first = x[(np.s_[:],) * axis + (np.s_[:1],)] if x.ndim else x
    return ops.expand(held(first.copy(), device), x.shape)


@over("case, dtype", first_type)
def test_repeated(case: Case, dtype: str, device: Device) -> None:
    """Twice the same bits, also in memory that held nan before; the inputs keep theirs."""
    run = fitting(device, case, dtype)
    tensors = run.tensors()
    before = [x.numpy().copy() for x in tensors]
    first = [z.copy() for z in values(run(*tensors))]
    for i, (x, kept) in enumerate(zip(tensors, before, strict=True)):
        assert_same_bits(f"{case.label} wrote its input {i}", x.numpy(), kept)
    if adds_in_any_order(case, device):
        return
    for how in ("again", "in memory that held nan"):
        for i, (z, same) in enumerate(zip(values(run(*tensors)), first, strict=True)):
            assert_same_bits(f"{case.label} {how}, result {i}", z, same)
            poison(z, device)


def poison(like: HostArray, device: Device) -> None:
    """Fill memory of this size with nan, and give it back."""
    for x in [held(np.full(like.shape, worst(like.dtype), like.dtype), device) for _ in range(4)]:
        ops.reshape(x, x.shape)


def adds_in_any_order(case: Case, device: Device) -> bool:
    """Whether a sum may come out differently each time."""
    scatters = case.op in {"scatter_add", "untake", "ungather"}
    return scatters and not device.backend.capabilities.deterministic_scatter


@over("case, dtype", types_in_turn)
def test_traced(case: Case, dtype: str, device: Device) -> None:
    """Compiled, the operation and its gradients are what they are at once, on other values too.

    They have the same bits, unless the device compiles: then rounding may differ.
    """
    run = fitting(device, case, dtype)
    if adds_in_any_order(case, device):
        pytest.skip(f"{device} adds in any order")
    if not smooth(case) or dtype not in FLOATS:
        compare(case, run.__call__, run.tensors(), device)
        return
    function, xs = run.differentiable()

    def step(*xs: Tensor) -> list[Tensor]:
        return [*results_of(function(*xs)), *gradients(projected(function, 0), xs).values()]

    compare(case, step, xs, device)


def compare(case: Case, function: Callable[..., Any], xs: list[Tensor], device: Device) -> None:
    """What the function makes, at once and compiled, of these inputs and of others."""
    compiled = compile(function)
    turned = [held(np.array(np.flip(x.numpy(force=True))), x.device) for x in xs]
    for how, given in (("traced", xs), ("replayed", xs), ("on other values", turned)):
        asked = [y.requires_grad_(x.requires_grad) for x, y in zip(xs, given, strict=True)]
        expected = values(function(*asked))
        results = len(results_of(expected))
        for i, (z, same) in enumerate(zip(values(compiled(*asked)), expected, strict=True)):
            what = f"{case.label} {how}, result {i}"
            if not device.backend.compiles:
                assert_same_bits(what, z, same)
                continue
            terms = max(case.terms, results > 1 and max(prod(x.shape) for x in xs))
            exact = case.exact and results == 1
            assert_close(what, z, same, terms=terms, wider=0.0 if exact else case.wider * 4)


@over("refusal", lambda: zip(REFUSALS), lambda refusal: refusal.as_case().label)
def test_refusal(refusal: Refusal, device: Device) -> None:
    """What the contract forbids raises what it says: no wrong result, no obscure failure."""
    case = refusal.as_case()
    run = fitting(device, case, "float32")
    with pytest.raises(refusal.error):
        values(run(*run.tensors()))


@over("dtype", lambda: zip(sorted(EVERY_DTYPE)), str)
def test_put_and_get(dtype: str, device: Device) -> None:
    """get(put(a)) has the bits of a, on every device of the backend, for any view a."""
    skip_outside(device, [dtype])
    kind = as_dtype(dtype)
    odd = np.array([float("nan"), -0.0, 0.0, 1.0, 2.0, float("inf")])
    with np.errstate(invalid="ignore"):
        grid = (odd if kind in FLOATING else np.arange(6)).astype(kind).reshape(2, 3)
    read_only = grid.copy()
    read_only.flags.writeable = False
    given: list[HostArray] = [
        grid,
        read_only,
        grid[::-1, ::2],
        grid.T,
        grid[:0],
        np.asarray(grid[0, 0]),
        np.broadcast_to(grid[:1], (4, 3)),
    ]
    for index in range(device.backend.count()):
        place = Device(device, index)
        for x in given:
            array = place.put(x)
            assert issubclass(type(array), place.array)
            assert tuple(array.shape) == x.shape
            assert array.dtype is kind
            assert_same_bits(f"put and get on {place}", place.get(array), x)


@over("case, dtype", several_tensors)
def test_devices_do_not_mix(case: Case, dtype: str, device: Device) -> None:
    """Inputs on two devices of one backend are refused."""
    run = fitting(device, case, dtype)
    if device.backend.count() < 2:
        pytest.skip(f"{device} has one device")
    first, *rest = run.tensors()
    other = Device(device, (device.index + 1) % device.backend.count())
    moved = [held(x.numpy(), other) for x in rest]
    with pytest.raises(DeviceError, match=r"move one with \.to\("):
        run(first, *moved)
