"""A plug-in that asks for its own device while it is imported."""

from rushlight.device import Device

Device("eager_asker")
