"""What tests of core share: modules with a fault planted in them."""

import inspect
from types import ModuleType

import pytest

import rushlight as rl
from rushlight import eager, straight


@pytest.fixture
def planted():
    """A copy of a module of core with a fault in one of its functions; `rushlight` stays whole."""

    def plant(module, function, right, wrong):
        source = inspect.getsource(module)
        whole = inspect.getsource(getattr(module, function))
        assert whole.count(right) == 1, f"{function} holds {whole.count(right)} times: {right}"
        faulty = ModuleType(module.__name__)
        faulty.__package__ = module.__package__
        text = source.replace(whole, whole.replace(right, wrong))
        exec(compile(text, f"<{module.__name__} with a fault>", "exec"), vars(faulty))
        if module is straight:
            faulty.connect(rl.Tensor, eager.interpreter.get)
        return faulty

    return plant
