"""Every public name says what it computes."""

import inspect
from collections.abc import Iterator
from types import ModuleType

import pytest

import rushlight
import rushlight_nn
import rushlight_numba.backend
import rushlight_numba.plugin


def undocumented(module: ModuleType) -> Iterator[str]:
    """Public functions and classes, and the public methods of those classes.

    An override inherits the docstring of what it overrides.
    """
    top = module.__name__
    for name in dir(module):
        value = getattr(module, name)
        if name.startswith("_") or not (inspect.isclass(value) or inspect.isroutine(value)):
            continue
        if not value.__module__.startswith(top):
            continue
        if not inspect.getdoc(value):
            yield f"{top}.{name}"
        for attribute in vars(value) if inspect.isclass(value) else ():
            found = getattr(value, attribute)
            documented = inspect.isroutine(found) or isinstance(vars(value)[attribute], property)
            if documented and not attribute.startswith("_") and not inspect.getdoc(found):
                yield f"{top}.{name}.{attribute}"


MODULES = [rushlight, rushlight_nn, rushlight_numba.backend, rushlight_numba.plugin]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_public_name_has_a_docstring(module):
    assert list(undocumented(module)) == []


def test_a_planted_bare_name_is_found():
    class Bare:
        def method(self): ...

    class Child(Bare):
        """Documented."""

    planted = ModuleType("planted")
    Bare.__module__ = Child.__module__ = "planted"
    planted.Bare, planted.Child = Bare, Child
    assert list(undocumented(planted)) == ["planted.Bare", "planted.Bare.method"]
