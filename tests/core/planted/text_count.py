"""A backend that counts its devices in letters."""

from rushlight.extend import HostBackend, hookimpl


class TextCount(HostBackend):
    name = "text_count"
    protocol = (1, 0)

    def count(self):
        return "2"


@hookimpl
def rushlight_backend():
    return TextCount()
