"""A backend that lacks kernels which every model needs."""

from rushlight.extend import HostBackend, hookimpl


class MissingKernels(HostBackend):
    name = "missing_kernels"
    protocol = (1, 0)

    def __init__(self):
        super().__init__()
        self.kernels = {k: v for k, v in self.kernels.items() if k not in {"matmul", "sum"}}


@hookimpl
def rushlight_backend():
    return MissingKernels()
