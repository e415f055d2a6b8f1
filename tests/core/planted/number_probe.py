"""A backend whose reason not to run is a number."""

from rushlight.extend import hookimpl


@hookimpl
def rushlight_probe():
    return 5


@hookimpl
def rushlight_backend():
    raise AssertionError("not asked, since the probe answered")
