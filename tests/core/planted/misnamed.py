"""A backend that calls itself otherwise than its entry point does."""

from rushlight.extend import HostBackend, hookimpl


class Misnamed(HostBackend):
    name = "somebody"
    protocol = (1, 0)


@hookimpl
def rushlight_backend():
    return Misnamed()
