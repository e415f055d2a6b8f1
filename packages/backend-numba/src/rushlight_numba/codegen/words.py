"""Which word of a nest's argument block holds what.

Knows the nest only; neither addresses nor instructions.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from rushlight.extend import LoopNest, Node

from .lanes import FORMS


class NestWords:
    """The words of a nest's argument block, by what they hold.

    In order: a pointer per read (0 for the block of a product) and per store, strides that code
    does not know, constants, the affine coefficients of `index` nodes, the strides of `gather`
    nodes and of stores at indices, the stash's length and place, the distance between the copies
    of each store that is `apart`.
    """

    def __init__(self, nest: LoopNest) -> None:
        self.nest = nest
        self.accesses = [*nest.reads, *(s.access for s in nest.stores)]
        self.words = len(self.accesses)
        self.last = len(nest.extents) - 1
        self.strides = {
            (a, d): self._word()
            for a, access in enumerate(self.accesses)
            if access.buffer is not None
            for d in self._unknown(access.strides)
        }
        nodes = list(enumerate(nest.nodes))
        self.constants = {i: self._word() for i, x in nodes if x.is_passed}
        affine = [(i, x.param[1]) for i, x in nodes if x.op == "index"]
        self.offsets = {i: self._word() for i, _ in affine}
        self.coefficients = {(i, d): self._word() for i, c in affine for d in self._unknown(c)}
        self.gathered = {i: self._word() for i, x in nodes if x.op == "gather"}
        stores = enumerate(nest.stores)
        self.put = {k: self._word() for k, s in stores if s.at is not None}
        self.stash_length = self._word()
        self.stash_offset = self._word()
        apart = [k for k, s in enumerate(nest.stores) if s.apart]
        self.copies = {k: self._word() for k in apart}

    def _word(self) -> int:
        self.words += 1
        return self.words - 1

    def _unknown(self, strides: Sequence[int]) -> list[int]:
        """The loops whose stride is neither 0 nor the row's 1."""
        return [d for d, s in enumerate(strides) if s and not (d == self.last and s == 1)]


def constant_word(x: Node) -> int:
    """A passed constant as a word: a floating one as the bits of a float64, rounded to its type."""
    if FORMS[x.dtype.name].kind != "f":
        return int(x.param)
    with np.errstate(over="ignore"):
        value = float(np.asarray(x.param).astype(x.dtype))
    found: int = struct.unpack("q", struct.pack("d", value))[0]
    return found
