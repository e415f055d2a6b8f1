"""The device `numba` of rushlight: programs of the CPU, compiled by LLVM.

Found by its entry point, so programs name the device and import nothing from here.  Knows of core
only what `rushlight.extend` offers to the author of a backend.  Importing it loads no compiler.
"""

__all__ = ["empty_cache"]


def empty_cache() -> None:
    """Give the system the memory of arrays that are no more."""
    from .memory import cache

    cache.clear()
