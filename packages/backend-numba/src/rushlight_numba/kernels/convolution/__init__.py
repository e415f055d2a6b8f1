"""Convolutions, transposed ones and their gradients, of 1 to 3 dims.

`operation` states each as correlations and sums over pixels, and chooses the way; `plane_work`,
`winograd_work`, `correlation_work` and `filter_work` cut those into chunks, with what `part` knows
of copies; `plane`, `winograd_sums`, `winograd_tiles`, `winograd`, `filter_sums`, `outer_sums`,
`correlation` and `window` are the code.  Each knows those behind it in this list, and none before.
"""

from ..widened import widened
from .operation import WORKS

__all__ = ["KERNELS"]

KERNELS = {name: widened(lower) for name, lower in WORKS.items()}
