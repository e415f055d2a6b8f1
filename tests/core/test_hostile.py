"""The hostile backend denies what it says it denies, and computes what the reference does."""

import gc

import numpy as np
import pytest

import rushlight as rl
from rushlight.device import Device
from rushlight.dtypes import as_dtype
from rushlight.errors import ContractError, DeviceError, IndexOutOfRange
from rushlight.op import operations
from rushlight.plugins import required_kernels
from rushlight.spec import Spec
from rushlight.testing.hostile import HostileArray
from rushlight.testing.plugin import assert_plugin, fresh_plugins

F32 = np.dtype("float32")


@pytest.fixture
def place():
    """Its first device, on which nothing ran yet."""
    with fresh_plugins():
        yield Device("hostile")


@pytest.fixture
def run(place):
    """Call a kernel on host arrays or numbers, then parameters; gives a host array."""

    def call(op, *given):
        count = len(operations[op].inputs)
        inputs = [place.put(x) if isinstance(x, np.ndarray) else x for x in given[:count]]
        return place.get(place.kernels[op](*inputs, *given[count:]))

    return call


def values(*shape):
    return np.arange(np.prod(shape), dtype=F32).reshape(shape)


def test_its_entry_point_loads_and_it_has_nothing_but_required_primitives():
    backend = assert_plugin("hostile")
    assert set(backend.kernels) == set(required_kernels())
    assert backend.self_checking == frozenset()


# -- no views -------------------------------------------------------------------------------------


def test_nothing_shares_memory(place):
    given = values(2, 3)
    x = place.put(given)
    given[:] = 9
    same = place.kernels["reshape"](x, (2, 3))
    assert same is not x
    assert not np.shares_memory(same.values, x.values)
    got = place.get(x)
    got[:] = 9
    np.testing.assert_array_equal(place.get(x), values(2, 3))


def test_an_array_cannot_be_taken_for_numpys(place):
    x = place.put(values(3))
    for misuse in (np.asarray, bool, lambda x: np.add(x, 1)):
        with pytest.raises(TypeError, match="get\\(\\) it from its device"):
            misuse(x)
    with pytest.raises(TypeError):
        len(x)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8", "int64", "uint8", "bool"])
def test_memory_is_poisoned_until_it_is_written(place, dtype):
    x = place.backend.fresh("test", Spec((3,), as_dtype(dtype)), 0)
    held = place.get(x).astype("float64")
    lowest = {"int8": -128, "int64": -(2.0**63), "uint8": 0, "bool": 1}.get(dtype, np.nan)
    np.testing.assert_array_equal(held, [lowest] * 3)


def test_a_kernel_cannot_write_its_inputs(place):
    x = place.put(values(3))
    with pytest.raises(ValueError, match="read-only"):
        x.values += 1


# -- types, places --------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_types_that_it_lacks_are_refused_by_core_and_by_itself(place, dtype):
    choice = "bfloat16, bool, float32, int16, int32, int64, int8, uint32, uint8"
    with pytest.raises(DeviceError) as caught:
        place.put(np.zeros(2, dtype))
    assert str(caught.value) == f"put: device hostile has no {dtype}; choose from {choice}"
    with pytest.raises(DeviceError) as caught:
        place.backend.put(np.zeros(2, dtype), 0)
    assert str(caught.value) == f"put: hostile has no {dtype}; choose from {choice}"
    for kernels, who in ((place.kernels, "device hostile"), (place.backend.kernels, "hostile")):
        with pytest.raises(DeviceError) as caught:
            kernels["cast"](place.put(values(2)), np.dtype(dtype))
        assert str(caught.value) == f"cast: {who} has no {dtype}; choose from {choice}"


def test_its_two_devices_do_not_mix(place):
    x, y = place.put(values(2)), Device("hostile:1").put(values(2))
    with pytest.raises(DeviceError) as caught:
        place.kernels["add"](x, y)
    assert str(caught.value) == "add: hostile got arrays of both its devices; move one with .to()"
    assert Device("hostile:1").kernels["neg"](y).index == 1


def test_there_is_no_third_device():
    with pytest.raises(DeviceError, match="hostile has 2 devices, the last is 1"):
        Device("hostile:2")


# -- failures come late ---------------------------------------------------------------------------


def test_a_failure_shows_when_a_dependent_value_is_asked_for(place):
    x = place.put(values(3))
    bad = place.kernels["take"](x, place.put(np.array([0, 7])), 0)
    assert (bad.shape, bad.dtype) == ((2,), F32)
    worse = place.kernels["neg"](bad)
    place.get(place.kernels["neg"](x))
    for array in (worse, bad):
        with pytest.raises(IndexOutOfRange, match="index 7 is out of range"):
            place.get(array)
    place.backend.wait(0)


def test_a_failure_that_nobody_saw_shows_at_wait_once_and_on_its_device_only(place):
    for _ in range(2):
        place.kernels["take"](place.put(values(3)), place.put(np.array([-1])), 0)
    place.backend.wait(1)
    with pytest.raises(IndexOutOfRange, match="index -1"):
        place.backend.wait(0)
    place.backend.wait(0)


# -- parameters -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("op", "params"),
    [
        ("sum", ((-1,), True)),
        ("sum", ((1, 0), True)),
        ("sum", ((0, 0), True)),
        ("sum", ((2,), True)),
        ("sum", ([0], True)),
        ("sum", (0, True)),
        ("sum", ((np.int64(0),), True)),
        ("sum", ((0,), 1)),
        ("argmax", (-1, True)),
        ("argmax", (np.int64(1), True)),
        ("reshape", ((-1,),)),
        ("reshape", ([6],)),
        ("permute", ((0, -1),)),
        ("slice", ([(0, 2, 1), (0, 3, 1)],)),
        ("slice", (((0, 2, 1), slice(0, 3)),)),
        ("pad", (((0, 1), (0, np.int64(1))), 0)),
        ("pad", (((0, 1), (0, 1)), np.float32(0))),
        ("cast", ("int64",)),
        ("cast", (np.int64,)),
        ("cast", (np.dtype(">i8"),)),
    ],
    ids=repr,
)
def test_parameters_that_are_not_normalised_are_refused(place, op, params):
    with pytest.raises(ContractError, match=f"^{op}: hostile got .*; normalise it before"):
        place.backend.kernels[op](place.put(values(2, 3)), *params)


@pytest.mark.parametrize("given", [np.float32(1), np.ones(2, F32), [1.0], None], ids=repr)
def test_inputs_that_are_neither_its_arrays_nor_numbers_are_refused(place, given):
    with pytest.raises(ContractError, match=r"^add: hostile got .* as an input; put\(\) it$"):
        place.backend.kernels["add"](place.put(values(2)), given)


# -- and yet it computes --------------------------------------------------------------------------


def test_it_computes_what_the_reference_does(run):
    x = values(2, 3)
    np.testing.assert_array_equal(run("add", x, x[0]), x + x[0])
    np.testing.assert_array_equal(run("mul", x, 2.5), x * F32.type(2.5))
    np.testing.assert_array_equal(run("matmul", x, x.T.copy()), x @ x.T)
    np.testing.assert_array_equal(run("sum", x, (0,), False), x.sum(0))
    np.testing.assert_array_equal(run("slice", x, ((1, 2, -1), (0, 2, 2))), x[::-1, ::2])
    np.testing.assert_array_equal(run("log", -x[:1]), [[-np.inf, np.nan, np.nan]])
    assert run("sum", x, (0, 1), False).shape == ()


def test_a_program_runs_forward_and_backward_as_on_the_reference(place):
    def program(name):
        rl.manual_seed(3)
        with rl.device(name):
            x, labels = rl.randn(5, 4), rl.randint(0, 3, (5,))
            w, b = (rl.randn(s).requires_grad_() for s in ((3, 4), (3,)))
            loss = rl.cross_entropy(rl.linear(x, w, b).tanh(), labels)
            loss.backward()
        assert w.grad.device == name
        return [t.to("numpy").numpy() for t in (loss.detach(), w.grad, b.grad)]

    for here, there in zip(program("hostile:1"), program("numpy"), strict=True):
        np.testing.assert_allclose(here, there, rtol=64 * np.finfo(F32).eps, atol=1e-7)


def test_tensors_on_its_two_devices_do_not_meet_unasked(place):
    x, y = rl.ones(2, device="hostile"), rl.ones(2, device="hostile:1")
    with pytest.raises(DeviceError) as caught:
        x + y
    assert str(caught.value) == (
        "add: inputs on hostile and hostile:1; move one with .to('hostile')"
    )
    assert (x + y.to("hostile")).tolist() == [2.0, 2.0]


def test_a_tensor_tells_its_failure_when_it_is_read(place):
    x = rl.gather(rl.ones(3, device="hostile"), 0, rl.tensor([5], device="hostile"))
    y = (x * 2).sum()
    with pytest.raises(IndexOutOfRange, match="gather: index 5 is out of range"):
        y.item()


def test_it_counts_the_bytes_that_are_alive(place):
    gc.collect()
    before = place.backend.memory(0).used_bytes
    x = place.put(values(5, 5))
    y = place.kernels["neg"](x)
    assert place.backend.memory(0).used_bytes == before + 200
    assert place.backend.memory(1).used_bytes == 0
    del x, y
    assert place.backend.memory(0).used_bytes == before
    assert place.backend.memory(0).peak_bytes >= before + 200
    assert isinstance(place.put(values(1)), HostileArray)
