"""What the extra `apps` installs: imported on need, and missed in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rushlight import MissingExtra

INSTALL = 'pip install "rushlight-nn[apps]"'
PACKAGES = {
    "sklearn": "scikit-learn",
    "PIL": "pillow",
    "matplotlib": "matplotlib",
    "rich": "rich",
    "threadpoolctl": "threadpoolctl",
}


@contextmanager
def apps(purpose: str) -> Iterator[None]:
    """Let a block import a package of the extra `apps`.

    Raises: MissingExtra, with the command that installs it, if one of those packages is missing.
    """
    try:
        yield
    except ModuleNotFoundError as missing:
        package = PACKAGES.get((missing.name or "").partition(".")[0])
        if package is None:
            raise
        raise MissingExtra(f"{purpose}: needs {package}; {INSTALL}") from missing
