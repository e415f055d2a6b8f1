"""What bools do not have is refused in the same words on all devices, of few elements and many."""

from __future__ import annotations

from typing import Any

import pytest

import rushlight as rl
from rushlight.errors import WrongDtype

OPERATIONS = {"floordiv": rl.floor_divide, "remainder": rl.remainder, "fmod": rl.fmod}


@pytest.mark.parametrize("traced", [False, True], ids=["eager", "compiled"])
@pytest.mark.parametrize("n", [3, 5000], ids=["few", "many"])
@pytest.mark.parametrize("device", ["numpy", "hostile", "numba"])
@pytest.mark.parametrize("name", OPERATIONS)
def test_bools_have_no_quotient(name: str, device: str, n: int, *, traced: bool) -> None:
    x = rl.ones(n, dtype=rl.bool, device=device)
    call: Any = rl.compile(OPERATIONS[name]) if traced else OPERATIONS[name]
    for y in (x, True):
        with pytest.raises(WrongDtype, match=rf"^{name}: of bools there is none; convert one"):
            call(x, y)
