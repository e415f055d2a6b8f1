"""The device numba from outside: found, named, sharing memory with numpy, saved and loaded."""

import os
import pickle
import subprocess
import sys
from textwrap import dedent

import numpy as np
import pytest

import rushlight as rl
from rushlight.extend import FusionPolicy
from rushlight.testing.plugin import assert_plugin, fresh_plugins
from rushlight_numba import plugin


@pytest.fixture
def x():
    return rl.tensor([[1.0, -2.0], [0.5, 4.0]])


def printed(program: str, **environment: str) -> str:
    """What a program prints in a process of its own, without a warning."""
    command = [sys.executable, "-W", "error", "-c", dedent(program)]
    given = {**os.environ, **environment}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=given)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


# -- found by name --------------------------------------------------------------------------------


def test_the_entry_point_loads():
    backend = assert_plugin("numba")
    assert (backend.name, backend.protocol, backend.count()) == ("numba", (1, 0), 1)
    assert backend.host
    assert backend.policy == FusionPolicy(epilogues=True, lanes=16)


def test_devices_shows_it():
    (info,) = [info for info in rl.devices() if info.name == "numba"]
    assert (info.available, info.reason, info.count) == (True, None, 1)
    assert info.distribution == "rushlight-numba"


def test_it_is_a_device_like_others():
    device = rl.device("numba")
    assert device is rl.device("numba:0")
    assert str(device) == "numba"
    assert not device.fallbacks
    with device:
        assert rl.ones(2).device is device
    with pytest.raises(rl.DeviceError, match="numba has 1 device, the last is 0"):
        rl.device("numba:1")


def test_it_can_be_the_default():
    program = "import rushlight as rl; print((rl.ones(2) + 1).device)"
    assert printed(program, RUSHLIGHT_DEVICE="numba") == "numba\n"


def test_asking_whether_it_can_run_loads_no_compiler():
    program = """
        import sys
        import rushlight as rl
        from rushlight_numba import plugin
        assert plugin.rushlight_probe() is None
        print({"numba", "llvmlite", "rushlight_numba.backend"} & sys.modules.keys())
    """
    assert printed(program) == "set()\n"


# -- why it cannot run ----------------------------------------------------------------------------

MISSING = [
    ({"numba"}, "numba cannot be imported"),
    ({"llvmlite"}, "llvmlite cannot be imported"),
    ({"numba", "llvmlite"}, "numba and llvmlite cannot be imported"),
]


@pytest.mark.parametrize(("absent", "told"), MISSING, ids=[told for _, told in MISSING])
def test_what_is_missing_is_told_in_one_sentence(monkeypatch, absent, told):
    found = plugin.find_spec
    monkeypatch.setattr(plugin, "find_spec", lambda name: None if name in absent else found(name))
    told += "; run: pip install --upgrade rushlight-numba"
    with fresh_plugins():
        with pytest.raises(rl.BackendUnavailable) as caught:
            rl.device("numba")
        assert str(caught.value) == f"backend numba: {told}"
        (info,) = [info for info in rl.devices() if info.name == "numba"]
        assert (info.available, info.reason) == (False, f"backend numba: {told}")


@pytest.mark.parametrize(
    ("machine", "largest", "told"),
    [
        ("riscv64", 2**63 - 1, "no native code for 64-bit riscv64"),
        ("AMD64", 2**31 - 1, "no native code for 32-bit AMD64"),
        ("", 2**63 - 1, "no native code for 64-bit machines without a name"),
    ],
)
def test_a_machine_without_native_code_is_told_in_one_sentence(monkeypatch, machine, largest, told):
    monkeypatch.setattr(plugin.platform, "machine", lambda: machine)
    monkeypatch.setattr(plugin.sys, "maxsize", largest)
    assert plugin.rushlight_probe() == (
        f"{told}; use a 64-bit Python on x86-64 or ARM, or the device numpy"
    )


@pytest.mark.parametrize("machine", ["x86_64", "AMD64", "aarch64", "arm64"])
def test_the_machines_it_is_for(monkeypatch, machine):
    monkeypatch.setattr(plugin.platform, "machine", lambda: machine)
    assert plugin.rushlight_probe() is None


def test_a_python_without_its_lock_is_told_in_one_sentence(monkeypatch):
    monkeypatch.setattr(plugin.sys, "abiflags", "t", raising=False)
    assert plugin.rushlight_probe() == (
        "native code here relies on the lock of Python, which this one is built without; "
        "use a Python that is not free-threaded, or the device numpy"
    )


def test_a_wrong_number_in_the_environment_is_told_in_one_sentence(monkeypatch):
    monkeypatch.setenv("RUSHLIGHT_NUMBA_LEAST", "-1")
    told = "RUSHLIGHT_NUMBA_LEAST is '-1'; give a number of elements, or unset it"
    assert plugin.rushlight_probe() == told


# -- one memory with numpy ------------------------------------------------------------------------


def test_moving_copies_nothing(x):
    there = x.to("numba")
    assert there.device == "numba"
    assert np.shares_memory(there.numpy(), x.numpy())
    assert np.shares_memory(there.cpu().numpy(), x.numpy())
    assert there.cpu().device == "numpy"


def test_results_stay_on_the_device_and_equal_numpy(x):
    there = x.to("numba").requires_grad_()
    loss = (there @ there.T).relu().sum()
    loss.backward()
    here = x.clone().requires_grad_()
    expected = (here @ here.T).relu().sum()
    expected.backward()
    assert loss.device == there.grad.device == "numba"
    assert rl.equal(loss.cpu(), expected)
    assert rl.equal(there.grad.cpu(), here.grad)


def test_devices_do_not_mix_unasked(x):
    with pytest.raises(rl.DeviceError, match="numba"):
        x + x.to("numba")


# -- files and pickles ----------------------------------------------------------------------------


def test_a_pickle_returns_to_the_device(x):
    back = pickle.loads(pickle.dumps(x.to("numba").requires_grad_()))
    assert back.device == "numba"
    assert back.requires_grad
    assert back.tolist() == x.tolist()
    assert pickle.loads(pickle.dumps(rl.device("numba"))) is rl.device("numba")


@pytest.mark.parametrize(("saved", "loaded"), [("numba", "numpy"), ("numpy", "numba")])
def test_a_file_is_of_no_device(x, tmp_path, saved, loaded):
    narrow = x.to(saved, rl.bfloat16)
    rl.save({"wide": x.to(saved), "narrow": [narrow]}, tmp_path / "state")
    back = rl.load(tmp_path / "state", map_location=loaded)
    assert back["wide"].device == back["narrow"][0].device == loaded
    assert back["wide"].tolist() == x.tolist()
    assert back["narrow"][0].dtype is rl.bfloat16
    assert back["narrow"][0].tolist() == narrow.tolist()


# -- threads and programs -------------------------------------------------------------------------


def test_it_is_told_of_threads(monkeypatch):
    backend = rl.device("numba").backend
    monkeypatch.setattr(backend, "workers", backend.workers)
    assert backend.workers >= 1
    backend.threads(3)
    assert backend.workers == 3


def test_set_num_threads_reaches_a_device_that_is_loaded_later():
    program = """
        import rushlight as rl
        rl.set_num_threads(2)
        print(rl.device("numba").backend.workers)
    """
    assert printed(program) == "2\n"


def test_a_compiled_function_runs(x):
    there = x.to("numba")
    double = rl.compile(lambda x: x * 2 + 1)
    for _ in range(3):
        result = double(there)
    assert result.device == "numba"
    assert result.tolist() == (x * 2 + 1).tolist()
