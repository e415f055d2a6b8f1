"""What `import rushlight` loads beyond numpy; its time is measured by bench/importing.py."""

import subprocess
import sys
from importlib import import_module

import rushlight as rl
from rushlight.function import LATE

NOT_AT_IMPORT = {
    "ml_dtypes": "needed by bfloat16 only",
    "pluggy": "needed once a plug-in is looked for",
    "inspect": "slow to import",
    "importlib.metadata": "no package metadata is read",
    "rushlight.interchange": "needed once memory, copies or files are asked for",
    "rushlight.plugins": "needed with the first device",
    "rushlight.backend": "needed with the first device",
    "rushlight.reference": "loaded with its device",
    **{f"rushlight.function.{room}": "few programs need it" for room in set(LATE.values())},
    "rushlight.amp": "few programs need it",
    "rushlight.compiler": "few programs need it",
    "rushlight.display": "needed once a tensor is shown",
    "rushlight.autograd.check": "few programs need it",
    "rushlight.scalar": "for readers",
    "rushlight.testing": "for tests",
    "rushlight.cli": "for the command",
    "rushlight_nn": "core knows no layers",
    "rushlight_numba": "loaded with its device",
    "llvmlite": "loaded with a device that compiles",
}


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh process has loaded after the statement."""
    program = f"{statement}\nimport sys\nprint(*sys.modules, sep='\\n')"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def loaded_too_early(statement: str) -> list[str]:
    beyond = loaded_by(statement) - loaded_by("import numpy")
    return sorted(f"{module}: {NOT_AT_IMPORT[module]}" for module in beyond & NOT_AT_IMPORT.keys())


def test_import_loads_nothing_that_can_wait():
    assert loaded_too_early("import rushlight") == []


def test_late_rooms_offer_what_is_said_of_them():
    for room in set(LATE.values()):
        offered = import_module(f"rushlight.function.{room}").__all__
        assert offered == sorted(name for name, where in LATE.items() if where == room)
    for name in LATE:
        assert getattr(rl, name) is getattr(rl.function, name)


def test_a_planted_early_import_is_found():
    assert loaded_too_early("import numpy, pluggy, ml_dtypes") >= ["ml_dtypes", "pluggy"]
