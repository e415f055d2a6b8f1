"""A backend with nothing wrong: the others must not disturb it."""

from rushlight.extend import HostBackend, hookimpl


class Good(HostBackend):
    name = "good"
    protocol = (1, 0)

    def count(self):
        return 2


@hookimpl
def rushlight_probe():
    return None


@hookimpl
def rushlight_backend():
    return Good()
