"""A backend that fails when it is made."""

from rushlight.extend import hookimpl


@hookimpl
def rushlight_backend():
    raise ValueError("the driver answered\nwith nonsense")
