"""What is no loop nest, in native code: by the operation's name, how a step of it becomes works."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from rushlight.extend import Call

from . import argmax, attention, convolution, order, pooling, scan

if TYPE_CHECKING:
    from ..lowering import Work

# Each returns None for a step that it has no code for, such as one of a type that it does not know.
KERNELS: dict[str, Callable[[Call], list[Work] | None]] = {
    **scan.KERNELS,
    **convolution.KERNELS,
    **argmax.KERNELS,
    **attention.KERNELS,
    **order.KERNELS,
    **pooling.KERNELS,
}
