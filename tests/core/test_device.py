"""Names of places: what they mean, which one is meant, and what stands in for what it lacks."""

import asyncio
import copy
import pickle
import threading

import numpy as np
import pytest

import rushlight as rl
from rushlight import plugins
from rushlight.backend import PROTOCOL, Capabilities, HostBackend
from rushlight.device import Device, default, devices, resolve, strict
from rushlight.errors import BackendUnavailable, ContractError, DeviceError
from rushlight.op import operations, primitive
from rushlight.plugins import Loaded
from rushlight.spec import Spec
from rushlight.testing.plugin import fresh_plugins


class Two(HostBackend):
    """Two devices, no float64 and no bfloat16."""

    name = "two"
    protocol = PROTOCOL
    capabilities = Capabilities(dtypes=frozenset({"bool", "int64", "float32"}))

    def count(self):
        return 2


@pytest.fixture(autouse=True)
def two(monkeypatch):
    """A backend of two devices beside the reference, and nothing chosen by the environment."""
    monkeypatch.delenv("RUSHLIGHT_DEVICE", raising=False)
    monkeypatch.delenv("RUSHLIGHT_STRICT", raising=False)
    with fresh_plugins():
        plugins._known["two"] = Loaded(Two(), 2)
        yield


# -- one object per place -------------------------------------------------------------------------


def test_every_spelling_is_one_object():
    place = Device("numpy")
    assert Device("numpy:0") is Device("numpy", 0) is Device(place) is resolve("numpy:0") is place
    assert Device("two:1") is Device("two", 1) is Device(Device("two"), 1)
    assert Device("two:01") is Device("two:1")
    assert Device("two:1") is not Device("two")


def test_cpu_is_the_reference_device():
    assert rl.device("cpu") is rl.device("cpu:0") is rl.device("numpy")
    assert rl.ones(1, device="hostile").to("cpu").device is rl.ones(1).cpu().device
    with pytest.raises(rl.DeviceError, match="numpy has 1 device"):
        rl.device("cpu:1")


def test_copies_and_pickles_are_the_same_object():
    place = Device("two:1")
    assert copy.copy(place) is copy.deepcopy(place) is pickle.loads(pickle.dumps(place)) is place


def test_threads_that_ask_at_once_get_one_object():
    found, barrier = [], threading.Barrier(8)

    def ask():
        barrier.wait()
        found.append(Device("two:1"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1


@pytest.mark.parametrize(
    ("name", "type_", "index", "repr_"),
    [
        ("numpy", "numpy", 0, "device(type='numpy')"),
        ("two", "two", 0, "device(type='two')"),
        ("two:1", "two", 1, "device(type='two', index=1)"),
    ],
)
def test_how_a_place_shows(name, type_, index, repr_):
    place = Device(name)
    assert (place.name, str(place), place.type, place.index) == (name, name, type_, index)
    assert repr(place) == repr_


def test_a_place_equals_its_name():
    assert Device("numpy") == "numpy"
    assert Device("numpy") == "numpy:0"
    assert Device("two:1") == "two:1"
    assert Device("two:1") != "two"
    assert Device("two:1") != Device("two")
    assert Device("numpy") != 0
    assert {Device("two:1"): 1}["two:1"] == 1


# -- names that name nothing ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["", ":0", "numpy:", "numpy:x", "numpy:-1", "numpy:0:0", "a b", "1"]
)
def test_a_malformed_name(name):
    with pytest.raises(DeviceError) as caught:
        Device(name)
    assert str(caught.value) == (
        f"device: {name!r} names no device; write it as 'numpy' or 'numpy:0'"
    )


@pytest.mark.parametrize("given", [0, 1.5, ["numpy"], b"numpy"], ids=repr)
def test_what_is_no_name(given):
    with pytest.raises(DeviceError) as caught:
        resolve(given)
    assert str(caught.value) == f"device: {given!r} is no device; give a name, such as 'numpy:0'"


def test_an_index_beyond_the_count():
    with pytest.raises(DeviceError) as caught:
        Device("two:2")
    assert str(caught.value) == "device: 'two:2' is not there; two has 2 devices, the last is 1"
    with pytest.raises(DeviceError) as caught:
        Device("numpy:1")
    assert str(caught.value) == "device: 'numpy:1' is not there; numpy has 1 device, the last is 0"


# -- which place is meant -------------------------------------------------------------------------


def test_precedence(monkeypatch):
    assert resolve() is Device("numpy")
    monkeypatch.setenv("RUSHLIGHT_DEVICE", "two:1")
    default.cache_clear()
    assert resolve() is Device("two:1")
    with Device("two"):
        assert resolve() is Device("two")
        assert resolve("numpy") is Device("numpy")
        assert resolve(Device("numpy")) is Device("numpy")
    assert resolve() is Device("two:1")


def test_new_tensors_are_made_where_the_context_says():
    with rl.device("two:1"):
        made = [rl.zeros(2), rl.tensor([1.0]), rl.randn(2), rl.arange(3)]
        elsewhere = rl.ones(2, device="two")
    assert {x.device for x in made} == {rl.device("two:1")}
    assert elsewhere.device == "two"
    assert (made[0] + 1).device == "two:1"
    assert isinstance(made[0].device, rl.device)


def test_contexts_nest_even_of_the_same_device():
    outer, inner = Device("two"), Device("two:1")
    with outer as entered:
        assert entered is outer
        with inner, outer, inner:
            assert resolve() is inner
        assert resolve() is outer
    assert resolve() is Device("numpy")


def test_a_context_ends_with_an_error():
    with pytest.raises(KeyError), Device("two"):
        raise KeyError
    assert resolve() is Device("numpy")


def test_a_context_is_of_its_thread():
    found = []
    with Device("two"):
        thread = threading.Thread(target=lambda: found.append(resolve()))
        thread.start()
        thread.join()
    assert found == [Device("numpy")]


def test_a_context_is_of_its_task():
    async def within(name, pause):
        with Device(name):
            await asyncio.sleep(pause)
            return resolve().name

    async def both():
        return await asyncio.gather(within("two", 0.02), within("two:1", 0.01)), resolve().name

    assert asyncio.run(both()) == (["two", "two:1"], "numpy")


def test_an_unknown_device_in_the_environment_says_where_it_came_from(monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_DEVICE", "nowhere")
    for _ in range(2):
        with pytest.raises(BackendUnavailable, match="not installed") as caught:
            resolve()
        assert caught.value.__notes__ == ["asked for by RUSHLIGHT_DEVICE=nowhere"]


# -- tables of kernels ----------------------------------------------------------------------------


def test_a_kernel_stands_behind_its_contract_unless_it_checks_itself():
    place, backend = Device("numpy"), Device("numpy").backend
    assert isinstance(place.kernels, dict)
    assert place.kernels["add"] is backend.kernels["add"]
    x = np.zeros((2, 3), np.float32)
    with pytest.raises(ContractError, match="expand"):
        place.kernels["expand"](x, (5, 3))


def test_a_kernel_that_replaces_a_self_checking_one_is_checked():
    def lax(x, y):
        return x

    backend = HostBackend({"add": lax})
    assert "add" not in backend.self_checking
    assert "mul" in backend.self_checking
    assert "add" in HostBackend({"add": lax}, self_checking={"add"}).self_checking
    later = HostBackend()
    later.kernels = {**later.kernels, "add": lax}
    assert "add" not in later.self_checking
    assert "mul" in later.self_checking


def test_types_outside_the_capabilities_are_refused_with_the_choice():
    place = Device("two")
    sentence = "device two has no float64; choose from bool, float32, int64"
    with pytest.raises(DeviceError, match=f"^put: {sentence}$"):
        place.put(np.zeros(3))
    with pytest.raises(DeviceError, match=f"^cast: {sentence}$"):
        place.kernels["cast"](np.zeros(3, np.float32), np.dtype("float64"))
    with pytest.raises(DeviceError, match=f"^full: {sentence}$"):
        place.kernels["full"](0, (3,), np.dtype("float64"), 0)
    assert place.kernels["cast"](np.ones(3, np.float32), np.dtype("int64")).dtype == np.int64


# -- what a backend may lack ----------------------------------------------------------------------


@pytest.fixture
def optional():
    """An operation that backends may lack; of those here only the reference has a kernel."""

    @primitive(required=False)
    def doubled_for_test(x, *, times):
        """x + x, times times.  [*s] -> [*s]."""
        return Spec(x.shape, x.dtype)

    reference = Device("numpy")
    reference.kernels["doubled_for_test"] = lambda x, times: x * 2**times
    yield doubled_for_test
    del operations["doubled_for_test"]


def test_a_missing_optional_kernel_is_computed_by_the_reference_and_counted(optional, monkeypatch):
    x = rl.tensor([1.0, 3.0], device="two:1")
    result = optional(x, times=2)
    assert (result.device, result.tolist()) == (Device("two:1"), [4.0, 12.0])
    optional(x.to("two"), times=1)
    monkeypatch.setattr(plugins, "sources", lambda: ({"two": []}, {}))
    counted = {info.name: info.fallbacks for info in devices()}
    assert counted == {"numpy": {}, "two": {"doubled_for_test": 2}}


def test_strict_refuses_what_would_be_done_unseen(optional, monkeypatch):
    x = rl.zeros(1, device="two")
    monkeypatch.setenv("RUSHLIGHT_STRICT", "1")
    with pytest.raises(DeviceError) as caught:
        optional(x, times=2)
    assert str(caught.value) == (
        "doubled_for_test: device two has no kernel for it; move the input with .to('numpy'), "
        "or unset RUSHLIGHT_STRICT to have that done unseen"
    )
    assert x.device.fallbacks == {}


def test_strictness_is_read_from_the_environment(monkeypatch):
    assert not strict()
    monkeypatch.setenv("RUSHLIGHT_STRICT", "0")
    assert not strict()
    monkeypatch.setenv("RUSHLIGHT_STRICT", "1")
    assert strict()
