"""rl.compile: a function is traced once for each kind of arguments, and replayed.

Tensors met inside the function are captures, read afresh at each call; those that it assigns, the
gradients that it leaves and the Cells that it changes are written back when a call has succeeded.
"""

from .attributes import watch
from .compiled import Compiled, compile, is_compiling, paused
from .world import retrace, switch

__all__ = ["Compiled", "compile", "is_compiling", "paused", "retrace", "switch", "watch"]
