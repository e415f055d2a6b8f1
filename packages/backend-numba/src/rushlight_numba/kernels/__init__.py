"""What is no loop nest, in native code: by the operation's name, how a step of it becomes works.

`jitted` compiles kernels that are written in Python; convolutions are written in LLVM's language,
and attention is made of programs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rushlight.extend import Call

from . import argmax, argsort, attention, convolution, filling, pooling, scan, searchsorted

if TYPE_CHECKING:
    from ..lowering import Work

# Each returns None for a step that it has no code for, such as one of a type that it does not know.
KERNELS: dict[str, Callable[[Call], list[Work] | None]] = {
    **argmax.KERNELS,
    **argsort.KERNELS,
    **attention.KERNELS,
    **convolution.KERNELS,
    **filling.KERNELS,
    **pooling.KERNELS,
    **scan.KERNELS,
    **searchsorted.KERNELS,
}
