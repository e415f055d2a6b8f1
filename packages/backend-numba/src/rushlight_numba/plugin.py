"""What core asks before it uses this package: can it run here, and what is the backend?

Knows no LLVM: to probe imports nothing, so that a list of devices costs no compiler.
"""

from __future__ import annotations

import os
import platform
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from rushlight.extend import BackendUnavailable, hookimpl

if TYPE_CHECKING:
    from .backend import NumbaBackend

MACHINES = ("x86_64", "amd64", "aarch64", "arm64")  # one architecture each has two names
NEEDED = ("numba", "llvmlite")


@hookimpl
def rushlight_probe() -> str | None:
    """Why native code cannot be made on this machine, as one sentence; None if it can."""
    machine = platform.machine()
    if machine.lower() not in MACHINES or sys.maxsize < 2**32:
        bits = 64 if sys.maxsize > 2**32 else 32
        return (
            f"no native code for {bits}-bit {machine or 'machines without a name'}; "
            "use a 64-bit Python on x86-64 or ARM, or the device numpy"
        )
    # Objects of a free-threaded build lie otherwise, even with PYTHON_GIL=1.
    if "t" in getattr(sys, "abiflags", ""):
        return (
            "native code here relies on the lock of Python, which this one is built without; "
            "use a Python that is not free-threaded, or the device numpy"
        )
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        names = " and ".join(missing)
        return f"{names} cannot be imported; run: pip install --upgrade rushlight-numba"
    least = os.environ.get("RUSHLIGHT_NUMBA_LEAST", "0")
    if not least.isdecimal():
        return f"RUSHLIGHT_NUMBA_LEAST is {least!r}; give a number of elements, or unset it"
    return None


@hookimpl
def rushlight_backend() -> NumbaBackend:
    """The one backend of the host's processors.  Raises: BackendUnavailable for a strange numpy."""
    import numpy as np

    from .backend import NumbaBackend
    from .builtin import misplaced

    if names := misplaced():
        raise BackendUnavailable(
            f"numpy {np.__version__} has the {', '.join(names)} of arrays in places that native "
            f"code here does not know; run: pip install 'numpy<3' --upgrade rushlight-numba"
        )
    return NumbaBackend()
