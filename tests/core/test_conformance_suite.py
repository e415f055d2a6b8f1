"""The conformance suite finds what is wrong with a backend, and says so to its author."""

import re
import subprocess
import sys
from textwrap import dedent

import numpy as np
import pytest

from rushlight import plugins, reference
from rushlight.backend import PROTOCOL, Capabilities, HostBackend
from rushlight.device import Device
from rushlight.op import operations
from rushlight.plugins import Loaded
from rushlight.testing import conformance
from rushlight.testing.case import EXACT, FLOATS, Case
from rushlight.testing.cases import CASES
from rushlight.testing.close import assert_close, assert_same_bits, tolerance
from rushlight.testing.plugin import fresh_plugins
from rushlight.testing.refusals import REFUSALS

KERNELS = reference.KERNELS


class Faulty(HostBackend):
    """The reference with one kernel that is wrong."""

    name = "faulty"
    protocol = PROTOCOL


def found(op, kernel, **options):
    """The tests of an operation that fail on a backend with this kernel for it."""
    with fresh_plugins():
        plugins._known["faulty"] = Loaded(Faulty({op: kernel}, **options), 1)
        place, failed = Device("faulty"), set()
        for test, (_, rows, _) in conformance.TABLES.items():
            for values in rows():
                if getattr(values[0], "op", "") != op.partition(".")[0]:
                    continue
                try:
                    test(*values, place)
                except pytest.skip.Exception:
                    pass
                except (Exception, pytest.fail.Exception):  # as pytest would
                    failed.add(test.__name__)
        return failed


def scratch(shape, dtype, memory={}):  # noqa: B006  the point is that it stays
    """Memory as it was left, as an allocator hands it out."""
    return memory.setdefault((shape, dtype), np.zeros(shape, dtype))


def writes_its_input(x):
    np.negative(x, x)
    return x


def forgets_strides(x):
    packed = x.base if x.base is not None else x
    return np.exp(packed.reshape(-1)[: x.size].reshape(x.shape))


def stale_memory(x):
    z = scratch(x.shape, x.dtype)
    np.add(z, 1e-3, z)
    return np.sqrt(x) + z


def drops_broadcast(x, y):
    z = np.multiply(x, y)
    small = x if getattr(x, "size", 1) <= getattr(y, "size", 1) else y
    return z if np.shape(x) == np.shape(y) else np.broadcast_to(small, z.shape)


def off_by_one(x, index, axis):
    reference.within("take", index, x.shape[axis], axis)
    return np.take(x, (index + 1) % max(x.shape[axis], 1), axis)


# What is wrong: the kernel, and tests that must find it.
FAULTS = {
    "wrong value": ("tanh", lambda x: np.tanh(x) * x.dtype.type(1.125), {"test_forward"}),
    "slightly wrong value": (
        "sigmoid",
        lambda x: (KERNELS["sigmoid"](x.astype(np.float32)) + 1e-4).astype(x.dtype),
        {"test_forward"},
    ),
    "wrong shape": ("sum", lambda x, axes, keepdim: np.sum(x, axes), {"test_forward"}),
    "wrong type": ("floor", lambda x: np.floor(x).astype(np.float64), {"test_forward"}),
    "wrong gradient": (
        "softmax.vjp",
        lambda g, z, axis: (g * z,),
        {"test_gradients", "test_gradients_by_differences"},
    ),
    "dropped broadcast": ("mul", drops_broadcast, {"test_forward"}),
    "off-by-one index": ("take", off_by_one, {"test_forward"}),
    "writes its input": ("neg", writes_its_input, {"test_repeated"}),
    "forgets strides": ("exp", forgets_strides, {"test_views"}),
    "reads stale memory": ("sqrt", stale_memory, {"test_repeated"}),
    "nan where it was not": (
        "maximum",
        lambda x, y: np.where(np.equal(x, y), np.nan, np.maximum(x, y)),
        {"test_forward"},
    ),
    "loses nan": ("minimum", np.fmin, {"test_forward"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault):
    op, kernel, expected = FAULTS[fault]
    assert found(op, kernel) >= expected


def test_a_kernel_that_wrongly_says_it_checks_itself_is_found():
    lax = KERNELS["where"]
    assert found("where", lax) == set()
    assert found("where", lax, self_checking=["where"]) == {"test_refusal"}


def test_sound_kernels_pass():
    for op in ("tanh", "sum", "mul", "take", "softmax"):
        assert found(op, KERNELS[op]) == set()


# -- closeness ------------------------------------------------------------------------------------


def test_a_tolerance_grows_as_the_root_of_the_terms():
    assert tolerance(np.dtype("float32")) == pytest.approx(10 * 2**-23)
    assert tolerance(np.dtype("float64"), 100) == pytest.approx(28 * 2**-52)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_hair_beyond_the_tolerance_is_told_with_its_place(dtype):
    exact = np.array([[1.0, 2.0], [4.0, -8.0]])
    near = exact * (1 + 0.9 * tolerance(np.dtype(dtype)))
    assert_close("near", near.astype(dtype), exact, elementwise=True)
    off = exact.copy()
    off[1, 0] *= 1 + 2 * tolerance(np.dtype(dtype))
    with pytest.raises(
        AssertionError, match=r"^off: 4.* instead of 4.0 at \[1, 0\], off by .*; 1 of 4"
    ):
        assert_close("off", off.astype(dtype), exact, elementwise=True)


@pytest.mark.parametrize(
    ("actual", "exact", "close"),
    [
        (np.nan, np.nan, True),
        (np.inf, np.inf, True),
        (np.inf, 1e300, True),  # out of range, rounded
        (0.0, -0.0, True),
        (1e-40, 0.0, True),  # flushed to zero
        (np.nan, 1.0, False),
        (1.0, np.nan, False),
        (np.inf, -np.inf, False),
        (3e38, np.inf, False),
        (0.0, 1e-30, False),
    ],
)
def test_what_is_close(actual, exact, close):
    given = np.array([actual], "float32"), np.array([exact])
    if close:
        assert_close("x", *given)
    else:
        with pytest.raises(AssertionError):
            assert_close("x", *given)


def test_whole_numbers_must_be_equal():
    with pytest.raises(AssertionError, match=r"^x: 3 instead of 2 at \[1\], off by 1 where 0 is"):
        assert_close("x", np.array([1, 3]), np.array([1, 2]))


def test_bits_tell_zeros_and_types_apart():
    assert_same_bits("x", np.array([np.nan]), np.array([np.nan]))
    with pytest.raises(AssertionError, match=r"^x: -0.0 instead of 0.0 at \[1\]; 1 of 2 elements"):
        assert_same_bits("x", np.array([1.0, -0.0]), np.array([1.0, 0.0]))
    with pytest.raises(AssertionError, match=r"^x: int64\[1\] instead of int32\[1\]"):
        assert_same_bits("x", np.array([1]), np.array([1], "int32"))


# -- the cases ------------------------------------------------------------------------------------


def test_every_case_has_an_id_of_its_own():
    ids = [case.id(dtype) for case in CASES for dtype in case.types]
    assert len(ids) == len(set(ids))
    assert "softmax-3x5-float32" in ids
    told = [refusal.as_case().label for refusal in REFUSALS]
    assert len(told) == len(set(told))
    assert not [one for one in ids + told if re.search(r"[\s\[\]]", one)]


def test_inputs_are_the_same_every_time_and_away_from_kinks():
    case = next(case for case in CASES if case.label == "relu-3x5")
    (first,) = case.arrays("float64")
    case.arrays.__globals__["drawn"].cache_clear()
    (again,) = case.arrays("float64")
    np.testing.assert_array_equal(first, again)
    assert len(np.unique(first)) == first.size
    for case in CASES:
        for x, described in zip(case.arrays("float64"), case.inputs, strict=True):
            if isinstance(x, np.ndarray) and not described.given and x.dtype == np.float64:
                assert np.abs(x - np.round(x)).min(initial=1) > 1e-3, case.label


# -- every operation is complete ------------------------------------------------------------------

STATED = [op for name, op in operations.items() if "." not in name]

# They read one triangle of a matrix, and their gradient is that of symmetric ones: differences
# along single elements are not.  test_linalg differentiates them.
ONE_TRIANGLE = {"cholesky", "eigh"}


@pytest.mark.parametrize("op", STATED, ids=lambda op: op.name)
def test_an_operation_is_complete(op):
    cases = [case for case in CASES if case.op == op.name]
    assert cases, f"{op.name} has no case in rushlight/testing/cases.py"
    assert op.has_body or not op.required or op.name in KERNELS, f"{op.name}: no reference kernel"
    assert "->" in (op.statement.__doc__ or ""), f"{op.name}: its docstring has no shapes"
    assert op.has_rule or op.constant or op.has_body, f"{op.name}: no gradient is stated"
    if set(FLOATS) & {dtype for case in cases for dtype in case.types}:
        differentiated = [case for case in cases if conformance.smooth(case)]
        known = op.constant or op.name in ONE_TRIANGLE
        assert known or differentiated, f"{op.name}: no case is differentiated"


def test_exact_operations_are_operations():
    assert operations.keys() >= EXACT


def test_a_planted_operation_without_a_case_is_found():
    from rushlight.op import primitive

    @primitive
    def planted(x):
        """No shapes."""
        return x

    try:
        with pytest.raises(AssertionError, match="planted has no case"):
            test_an_operation_is_complete(planted.op)
    finally:
        del operations["planted"]


# -- what is outside ------------------------------------------------------------------------------


def test_cases_outside_the_capabilities_are_listed_by_reason():
    assert conformance.outside(Device("numpy")) == {}
    listed = conformance.outside(Device("hostile"))
    assert set(listed) == {
        "hostile has no float16",
        "hostile has no float64",
        "hostile has no float16 and no float64",
    }
    assert "softmax-3x5-float16" in listed["hostile has no float16"]
    assert "softmax-3x5-float32" not in {one for ids in listed.values() for one in ids}


def test_a_narrow_backend_is_asked_only_for_what_it_can():
    class Narrow(HostBackend):
        name = "faulty"
        protocol = PROTOCOL
        capabilities = Capabilities(dtypes=frozenset({"float32", "int64", "bool"}))

    with fresh_plugins():
        plugins._known["faulty"] = Loaded(Narrow(), 1)
        listed = {one for ids in conformance.outside(Device("faulty")).values() for one in ids}
        assert "add-3x5+3x5-float32" not in listed
        assert "add-3x5+3x5-int8" in listed
        assert "cast-3x5-to-uint8-float32" in listed


# -- as its author runs it ------------------------------------------------------------------------

PLUGIN = """
    import numpy as np
    from rushlight.extend import HostBackend, hookimpl


    class Mine(HostBackend):
        name = "mine"
        protocol = (1, 0)


    @hookimpl
    def rushlight_backend():
        return Mine({"tanh": lambda x: np.tanh(x) * 2})
"""


@pytest.fixture
def author(tmp_path, monkeypatch):
    """A folder with a third party's plug-in and its one test file; runs pytest there."""
    (tmp_path / "mine_plugin.py").write_text(dedent(PLUGIN))
    (tmp_path / "test_mine.py").write_text("from rushlight.testing.conformance import *\n")
    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[rushlight.backends]\nmine = mine_plugin\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def run(*options):
        command = [sys.executable, "-m", "pytest", "-q", "-ra", "-p", "no:cacheprovider", *options]
        return subprocess.run(
            [*command, "test_mine.py"], cwd=tmp_path, capture_output=True, text=True, check=False
        )

    return run


def test_an_author_sees_which_case_failed_and_by_how_much(author):
    done = author("--device", "mine", "-k", "tanh and not gelu")
    assert done.returncode == 1, done.stdout
    assert "FAILED test_mine.py::test_forward[tanh-3x5-float32-mine]" in done.stdout
    assert re.search(r"tanh-3x5: -?\d\.\d+ instead of -?0\.\d+ at \[\d, \d\], off by", done.stdout)
    done = author("--device", "mine", "-k", "softmax")
    assert done.returncode == 0, done.stdout


def test_an_unavailable_device_skips_with_its_sentence(author):
    done = author("--device", "absent")
    assert re.search(r"SKIPPED \[1\] .*backend absent: not installed; choose from", done.stdout)
    assert done.returncode == 5  # nothing ran
    required = author("--device", "absent", "--device-required")
    assert "backend absent: not installed; choose from" in required.stdout
    assert required.returncode == 2


def test_the_end_of_a_run_lists_what_was_outside(author):
    done = author("--device", "hostile", "-k", "test_put_and_get", "-vv")
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d+ of \d+ cases are outside the capabilities of hostile", done.stdout)
    assert "hostile has no float64" in done.stdout
    assert " softmax-3x5-float64 " in done.stdout


def test_pytest_starts_without_importing_rushlight():
    program = "import sys, pytest; pytest.main(['--version']); print('rushlight' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split()[-1] == "False"


def test_a_case_can_be_read_by_its_id():
    case = Case("matmul", [], {}, about="odd")
    assert case.id("float32") == "matmul-odd-float32"
