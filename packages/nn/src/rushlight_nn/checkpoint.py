"""Checkpoints: `rushlight.save` and `rushlight.load`, and how they write a file in one stroke."""

from rushlight import load, save
from rushlight.interchange.file import replacing, write

__all__ = ["load", "replacing", "save", "write"]
