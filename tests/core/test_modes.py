"""What holds for a while or for the whole program: inference, threads, precision, waiting."""

import subprocess
import sys
import threading

import pytest
import torch

import rushlight as rl
from rushlight import extend
from rushlight.device import Device
from rushlight.errors import ContractError, KernelFailed

BOTH = pytest.mark.parametrize("lib", [rl, torch], ids=["ours", "theirs"])


def state(lib):
    return lib.is_grad_enabled(), lib.is_inference_mode_enabled()


@BOTH
class TestInference:
    def test_nothing_is_remembered(self, lib):
        x = lib.ones(2, requires_grad=True)
        with lib.inference_mode():
            assert state(lib) == (False, True)
            y = x * 2
        assert state(lib) == (True, False)
        assert (y.requires_grad, y.grad_fn) == (False, None)

    def test_enable_grad_does_not_lift_it(self, lib):
        x = lib.ones(2, requires_grad=True)
        with lib.inference_mode():
            with lib.enable_grad():
                assert not (x * 2).requires_grad
            with lib.set_grad_enabled(True):
                assert not (x * 2).requires_grad
            lib.set_grad_enabled(True)
            assert not (x * 2).requires_grad
        assert (x * 2).requires_grad

    def test_it_can_be_switched_off_inside(self, lib):
        x = lib.ones(2, requires_grad=True)
        with lib.inference_mode():
            with lib.inference_mode(False):
                assert state(lib) == (True, False)
                assert (x * 2).requires_grad
            assert state(lib) == (False, True)
            with lib.inference_mode():
                assert state(lib) == (False, True)
            assert state(lib) == (False, True)
        with lib.no_grad(), lib.inference_mode(mode=False):
            assert state(lib) == (True, False)

    def test_an_exception_ends_it(self, lib):
        with pytest.raises(KeyError), lib.inference_mode():
            raise KeyError
        assert state(lib) == (True, False)

    def test_leaves_are_made_inside(self, lib):
        with lib.inference_mode():
            assert lib.ones(2, requires_grad=True).requires_grad

    def test_backward_inside(self, lib):
        x = lib.ones(2, requires_grad=True)
        with lib.inference_mode(), pytest.raises(RuntimeError, match="does not require"):
            (x * 2).sum().backward()

    def test_decorators(self, lib):
        x = lib.ones(2, requires_grad=True)

        def double(x):
            """Twice x."""
            return x * 2

        for decorator in (lib.inference_mode, lib.inference_mode(), lib.inference_mode(mode=True)):
            decorated = decorator(double)
            assert not decorated(x).requires_grad
            assert (decorated.__name__, decorated.__doc__) == ("double", "Twice x.")
        with lib.no_grad():
            assert lib.inference_mode(mode=False)(double)(x).requires_grad
        assert state(lib) == (True, False)

    def test_a_decorated_function_calls_itself(self, lib):
        @lib.inference_mode()
        def depth(n):
            return [state(lib), *(depth(n - 1) if n else [])]

        assert depth(2) == [(False, True)] * 3
        assert state(lib) == (True, False)

    def test_generators(self, lib):
        @lib.inference_mode()
        def steps():
            yield state(lib)
            yield state(lib)

        seen = [(inside, state(lib)) for inside in steps()]
        assert seen == [((False, True), (True, False))] * 2

    def test_generators_in_which_it_is_off(self, lib):
        @lib.inference_mode(mode=False)
        def steps():
            yield state(lib)

        with lib.inference_mode():
            assert list(steps()) == [(True, False)]
            assert state(lib) == (False, True)

    def test_other_threads_do_not_see_it(self, lib):
        seen = []
        with lib.inference_mode():
            thread = threading.Thread(target=lambda: seen.append(state(lib)))
            thread.start()
            thread.join()
        assert seen == [(True, False)]

    def test_values_are_the_same(self, lib):
        x = lib.arange(6.0).reshape(2, 3)
        outside = (x.softmax(1) @ x.mT).tolist()
        with lib.inference_mode():
            x[0].add_(0.0)
            assert (x.softmax(1) @ x.mT).tolist() == outside


def test_results_of_inference_are_tensors_like_others():
    # PyTorch marks them, and refuses to record what reads them
    with rl.inference_mode():
        y = rl.ones(2) * 2
    x = rl.ones(2, requires_grad=True)
    (x * y).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    y.add_(1.0)
    assert y.requires_grad_().tolist() == [3.0, 3.0]


@BOTH
def test_inference_keeps_autocast(lib):
    x, place = lib.ones(2, 2), {rl: "numpy", torch: "cpu"}[lib]
    with lib.autocast(place, dtype=lib.bfloat16), lib.inference_mode():
        assert (x @ x).dtype == lib.bfloat16
    with lib.inference_mode(), lib.autocast(place, dtype=lib.bfloat16):
        assert (x @ x).dtype == lib.bfloat16
        assert not (x.requires_grad_() @ x).requires_grad


def test_inference_in_and_around_a_compiled_function():
    x = rl.ones(2, requires_grad=True)

    @rl.compile
    def inside(x):
        with rl.inference_mode(), rl.enable_grad():
            return x * 2, rl.is_inference_mode_enabled()

    @rl.compile
    def around(x):
        return x * 2

    y, held = inside(x)
    assert (y.requires_grad, held, y.tolist()) == (False, True, [2.0, 2.0])
    assert around(x).requires_grad
    with rl.inference_mode():
        assert not around(x).requires_grad


class TestThreads:
    @pytest.fixture(autouse=True)
    def told(self, monkeypatch):
        """What the backend of numpy was told; nothing is left of it."""
        told = []
        monkeypatch.setattr(sys.modules[Device.__module__], "_set", {})
        monkeypatch.setattr(Device("numpy").backend, "threads", told.append, raising=False)
        return told

    def test_before_it_is_set(self):
        assert rl.get_num_threads() >= 1

    def test_backends_are_told(self, told):
        rl.set_num_threads(3)
        assert (rl.get_num_threads(), told) == (3, [3])
        rl.set_num_threads(1)
        assert (rl.get_num_threads(), told) == (1, [3, 1])

    def test_a_backend_that_is_loaded_later_is_told(self):
        program = (
            "import rushlight as rl\n"
            "from rushlight.testing.hostile import Hostile\n"
            "told = []\n"
            "Hostile.threads = lambda self, n: told.append(n)\n"
            "rl.set_num_threads(2)\n"
            "rl.ones(1, device='hostile')\n"
            "assert told == [2], told\n"
        )
        subprocess.run([sys.executable, "-c", program], check=True)

    @pytest.mark.parametrize("n", [0, -1, 1.5, True, "2", None], ids=repr)
    def test_no_number_of_threads(self, n, told):
        with pytest.raises(RuntimeError):
            torch.set_num_threads(n)
        with pytest.raises(ContractError) as caught:
            rl.set_num_threads(n)
        assert str(caught.value) == f"set_num_threads: {n!r}; give an integer from 1"
        assert told == []


class TestPrecision:
    @pytest.fixture(autouse=True)
    def restored(self):
        yield
        rl.set_float32_matmul_precision("highest")

    def test_default(self):
        assert rl.get_float32_matmul_precision() == torch.get_float32_matmul_precision()

    @pytest.mark.parametrize("precision", ["highest", "high", "medium"])
    def test_backends_can_ask(self, precision):
        rl.set_float32_matmul_precision(precision)
        assert rl.get_float32_matmul_precision() == precision
        assert extend.get_float32_matmul_precision() == precision

    def test_numpy_is_always_precise(self):
        x = rl.full((1, 1), 1.0 + 2**-20)
        rl.set_float32_matmul_precision("medium")
        assert (x @ rl.ones(1, 1)).item() == 1.0 + 2**-20

    @pytest.mark.parametrize("precision", ["low", "", 3, None], ids=repr)
    def test_no_precision(self, precision):
        # of a word that it does not know PyTorch warns only
        with pytest.raises(ContractError) as caught:
            rl.set_float32_matmul_precision(precision)
        assert str(caught.value) == (
            f"set_float32_matmul_precision: {precision!r}; choose from highest, high, medium"
        )
        assert rl.get_float32_matmul_precision() == "highest"


class TestSynchronize:
    def test_a_device_is_waited_for(self, monkeypatch):
        waited = []
        for name in ("numpy", "hostile"):
            backend = Device(name).backend
            monkeypatch.setattr(
                backend, "wait", lambda i, name=name: waited.append((name, i)), raising=False
            )
        rl.synchronize()
        rl.synchronize("hostile:1")
        with rl.device("hostile"):
            rl.synchronize()
        rl.synchronize(rl.device("numpy"))
        assert waited == [("numpy", 0), ("hostile", 1), ("hostile", 0), ("numpy", 0)]

    def test_a_failure_that_nobody_has_seen(self):
        place = rl.device("hostile:1")
        rl.synchronize(place)
        index = rl.tensor([5], device=place)
        lost = rl.ones(2, 2, device=place).index_select(0, index)
        with pytest.raises((KernelFailed, IndexError)):
            rl.synchronize(place)
        rl.synchronize(place)  # seen
        del lost

    def test_a_device_that_is_not_there(self):
        with pytest.raises(rl.BackendUnavailable, match="backend nowhere: not installed"):
            rl.synchronize("nowhere")
