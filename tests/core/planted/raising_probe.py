"""A backend that fails when it is asked whether it can run."""

from rushlight.extend import hookimpl


@hookimpl
def rushlight_probe():
    return {}["device"]


@hookimpl
def rushlight_backend():
    raise AssertionError("not asked, since the probe failed")
