"""A plug-in with a hook that nobody asks."""

from rushlight.extend import hookimpl


@hookimpl
def rushlight_backend():
    raise AssertionError("not asked, since another hook is unknown")


@hookimpl
def rushlight_prob():
    return None
