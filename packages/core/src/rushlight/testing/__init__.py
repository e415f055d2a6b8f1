"""Tests that a package's author runs against a device: shipped, never imported by rushlight itself."""
