"""The whole test file of a backend's author; here it runs on the devices of this repository."""

from rushlight.testing.conformance import *  # noqa: F403
