"""What the rules read: the text of every Python file in the repository."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("packages", "tests", "bench", "examples")


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def sources() -> dict[str, str]:
    """Text by path from the root, in the form packages/core/src/rushlight/op.py."""
    files = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")]
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in sorted(files)}


@pytest.fixture(scope="session")
def core(sources: dict[str, str]) -> dict[str, str]:
    return under("packages/core/src/", sources)


@pytest.fixture(scope="session")
def nn(sources: dict[str, str]) -> dict[str, str]:
    return under("packages/nn/src/", sources)


@pytest.fixture(scope="session")
def numba(sources: dict[str, str]) -> dict[str, str]:
    return under("packages/backend-numba/src/", sources)


def under(folder: str, sources: dict[str, str]) -> dict[str, str]:
    """The files of a folder, their paths from there."""
    found = {
        path.removeprefix(folder): text for path, text in sources.items() if path.startswith(folder)
    }
    assert found, f"{folder} holds no Python file"
    return found
