"""A plug-in that returns something else."""

from rushlight.extend import hookimpl


@hookimpl
def rushlight_backend():
    return 42
