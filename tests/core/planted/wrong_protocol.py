"""A backend written for a protocol of the future."""

from rushlight.extend import HostBackend, hookimpl


class WrongProtocol(HostBackend):
    name = "wrong_protocol"
    protocol = (2, 0)


@hookimpl
def rushlight_backend():
    return WrongProtocol()
