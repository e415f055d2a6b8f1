"""A backend whose table of kernels cannot be made."""

from rushlight.extend import HostBackend, hookimpl


class RaisingTable(HostBackend):
    name = "raising_table"
    protocol = (1, 0)

    def __init__(self):
        pass

    @property
    def kernels(self):
        raise OSError("no compiler")


@hookimpl
def rushlight_backend():
    return RaisingTable()
