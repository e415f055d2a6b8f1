"""A backend without a statement of the protocol that it speaks."""

from rushlight.extend import HostBackend, hookimpl


class Incomplete(HostBackend):
    name = "incomplete"


@hookimpl
def rushlight_backend():
    return Incomplete()
