"""The wheels, installed in a fresh environment: what is imported, and how much it weighs.

Usage: python -I wheel.py MOST_BYTES
MOST_BYTES: of core, installed, without bytecode.
"""

import sys
from importlib.metadata import distribution
from pathlib import Path

import rushlight
import rushlight_nn
import rushlight_numba

for module in (rushlight, rushlight_nn, rushlight_numba):
    assert module.__file__ is not None
    assert "site-packages" in module.__file__, f"{module.__name__} is not from its wheel"
    assert (Path(module.__file__).parent / "py.typed").exists()

for name in ("rushlight", "rushlight-nn", "rushlight-numba"):
    licence = [file for file in distribution(name).files or () if file.name == "LICENSE"]
    assert licence, f"{name} ships without its licence"

there = {device.name for device in rushlight.devices() if device.available}
assert there == {"numpy", "hostile", "numba"}, rushlight.devices()

# Without bytecode: whether it is compiled, and how long it is, is up to the installer and Python.
files = [Path(file.locate()) for file in distribution("rushlight").files or ()]
files = [file for file in files if file.suffix != ".pyc"]
size = sum(file.stat().st_size for file in files)
told = f"core is {size} bytes installed, without bytecode, in {len(files)} files"
assert size < int(sys.argv[1]), f"{told}; it may be {sys.argv[1]}"
print(f"wheels: {told}")
