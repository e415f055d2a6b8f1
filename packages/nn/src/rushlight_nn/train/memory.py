"""Memory: what is free here, and refusing beforehand what cannot fit.  Knows no images."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

from rushlight import OutOfMemory

MEMINFO, STATM = Path("/proc/meminfo"), Path("/proc/self/statm")
CONTAINER = Path("/sys/fs/cgroup/memory.max")  # of control groups, version 2
GIB = 2**30


def require(what: str, needed_bytes: float, advice: str) -> None:
    """Raises: OutOfMemory if so much is not free; what: "they take", as the sentence begins."""
    free = free_bytes()
    if needed_bytes > free:
        raise OutOfMemory(
            f"{what} {needed_bytes / GIB:.1f} GiB of memory, and {free / GIB:.1f} GiB are free; "
            f"{advice}"
        )


def free_bytes() -> float:
    """What this process may still take, as far as the system says so; else infinity."""
    return max(min(machine_bytes(), container_bytes(), address_bytes()), 0)


def machine_bytes() -> float:
    """Memory and swap that are free on Linux, all memory on other systems of POSIX."""
    if MEMINFO.exists():
        fields = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
        free = (fields.get(name, "0 kB") for name in ("MemAvailable", "SwapFree"))
        return 1024 * sum(int(amount.split()[0]) for amount in free)
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return math.inf


def container_bytes() -> float:
    """What the container may take in all; its files in memory, which can go, are not told apart."""
    try:
        return float(CONTAINER.read_text())
    except (OSError, ValueError):  # there is none, or its limit is "max"
        return math.inf


def address_bytes() -> float:
    """What `ulimit -v` leaves of the address space."""
    if sys.platform == "win32":
        return math.inf
    import resource

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY or not STATM.exists():
        return math.inf
    taken = int(STATM.read_text().split()[0]) * resource.getpagesize()
    return limit - taken
