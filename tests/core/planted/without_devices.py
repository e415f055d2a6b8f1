"""A backend that forgot its probe, and finds no device."""

from rushlight.extend import HostBackend, hookimpl


class WithoutDevices(HostBackend):
    name = "without_devices"
    protocol = (1, 0)

    def count(self):
        return 0


@hookimpl
def rushlight_backend():
    return WithoutDevices()
