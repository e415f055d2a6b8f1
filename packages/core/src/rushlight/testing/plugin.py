"""For the tests of a third party's package: does its entry point load, and if not, why not?

Knows no backend: it sees a plug-in just as a user's program does.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from .. import plugins
from ..backend import Backend
from ..device import Device, _places, default, devices


@contextmanager
def fresh_plugins() -> Iterator[None]:
    """Inside, no backend was loaded yet and none has failed; after it, all is as it was before.

    A plug-in's module that was imported before stays imported.
    """
    known, places = dict(plugins._known), dict(_places)
    forget()
    try:
        yield
    finally:
        forget()
        plugins._known.update(known)
        _places.update(places)


def forget() -> None:
    """Forget every backend, as a new process would: its failure, its devices, the default."""
    plugins._known.clear()
    _places.clear()
    default.cache_clear()


def assert_plugin(name: str) -> Backend:
    """The backend of this name, found through its entry point as a user's program finds it.

        def test_the_entry_point():
            assert_plugin("mine")

    Raises: BackendUnavailable, with the sentence that users would read and the cause chained;
    AssertionError if `rushlight.devices()` does not list it, or its first device is not its own.
    """
    with fresh_plugins():
        backend = plugins.load(name).backend
        listed = {info.name: info for info in devices()}
        assert listed[name].available, listed[name]
        assert Device(name).backend is backend
    return backend
