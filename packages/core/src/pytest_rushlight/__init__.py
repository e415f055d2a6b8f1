"""pytest's options `--device` and `--device-required`, for Rushlight's conformance suite.

Beside `rushlight` and not in it: pytest imports this at every start, and would import all of that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """State the options."""
    group = parser.getgroup("rushlight", "devices of rushlight")
    group.addoption(
        "--device",
        default="numpy",
        metavar="NAME",
        help="run conformance on this device (default: numpy)",
    )
    group.addoption(
        "--device-required",
        action="store_true",
        help="fail if that device is unavailable, instead of skipping",
    )


def pytest_configure() -> None:
    """Let the suite's assertions say what they compared."""
    import pytest

    pytest.register_assert_rewrite("rushlight.testing.conformance")
