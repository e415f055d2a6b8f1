"""LoopNest -> one native function, `void nest(i64* args, i64* ranges, i8* scratch)`.

args: pointers of reads and stores, strides, constants (`NestCode.arguments`).  ranges: lo and hi of
every loop, the chunk's number, and for the block of a product its address and its row length.
Knows neither who made the nest nor how functions are run.
"""

from __future__ import annotations

import ctypes
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from rushlight.extend import ROW, Access, DType, LoopNest

from . import division, mathematics
from .lanes import FORMS
from .llvm import LANES, Fn, module, native, written_once
from .schedule import Schedule
from .words import NestWords, constant_word
from .writer import Writer

# The kinds of operand (f floating, i signed, u unsigned, b bool) that each operation computes with.
KINDS = dict.fromkeys(["sqrt", "div", *mathematics.FUNCTIONS], "f")
KINDS |= dict.fromkeys(["neg", "sub", "pow", *division.FUNCTIONS], "fiu")
KINDS |= dict.fromkeys(["bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_not"], "iub")
KINDS |= dict.fromkeys(["abs", "floor", "add", "mul", "maximum", "minimum"], "fiub")
KINDS |= dict.fromkeys(["equal", "less", "cast", "where", "read", "constant", *ROW], "fiub")
KINDS["gather"] = "fiub"
KINDS |= dict.fromkeys(["index", "right_shift"], "iu")
KINDS["random"] = "i"


def supports(op: str, dtypes: Sequence[DType]) -> bool:
    """Whether there is code for an operation on operands of these types (of `where`: any)."""
    forms = [FORMS.get(dtype.name) for dtype in dtypes]
    return op in KINDS and all(form is not None and form.kind in KINDS[op] for form in forms)


_forms: dict[str, tuple[Schedule, NestWords]] = {}  # of the nests of this process, by their text


def formed(nest: LoopNest) -> tuple[Schedule, NestWords]:
    """What depends on a nest's text alone.  It holds no buffer, which may hold what is large."""
    reads = [x if x.buffer is None else x._replace(buffer=...) for x in nest.reads]
    stores = [s._replace(access=s.access._replace(buffer=...)) for s in nest.stores]
    bare = nest._replace(reads=tuple(reads), stores=tuple(stores))
    return Schedule(bare), NestWords(bare)


class NestCode:
    """The code of a nest, for any sizes.

    lanes: of a vector, of every element type.  nontemporal: numbers of stores (`how` is store,
    contiguous rows) that bypass the caches, whose every row is aligned to 64 bytes.
    stash_count: how many rows of `stash_elements` float32 the scratch memory must hold for it.
    """

    def __init__(self, nest: LoopNest, lanes: int = LANES, nontemporal: Iterable[int] = ()) -> None:
        self.nest = nest
        self.lanes = lanes
        self.nontemporal = frozenset(nontemporal)
        text = nest.text()
        self.schedule, self.layout = _forms.get(text) or _forms.setdefault(text, formed(nest))
        self.stash_count = self.schedule.slots
        self.key = f"{text}\nlanes {lanes} nontemporal {sorted(self.nontemporal)}"
        self.name = f"nest_{hashlib.sha256(self.key.encode()).hexdigest()[:24]}"

    def address(self) -> int:
        """Of the function, compiled and loaded."""
        return written_once(self.key, lambda: [self.function()])[self.name]

    def function(self) -> Fn:
        """The function, in LLVM's language."""
        return Writer(self.name, self.layout, self.schedule, self.lanes).write(self.nontemporal)

    def arguments(
        self,
        address: Callable[[Access], Any],
        stash_elements: int = 0,
        stash_offset_bytes: int = 0,
        apart: Mapping[int, int] | None = None,
    ) -> list[Any]:
        """The argument block: integers, and what `address` gives for a pointer.

        stash_elements: at least the row's length rounded up to whole vectors.
        stash_offset_bytes: where in the scratch memory the stash begins.
        apart: of each store that is `apart`, by its number, how many elements lie between copies.
        """
        layout, nodes = self.layout, self.nest.nodes
        accesses = [*self.nest.reads, *(s.access for s in self.nest.stores)]
        words: list[Any] = [0] * layout.words
        for a, access in enumerate(accesses):
            words[a] = 0 if access.buffer is None else address(access)
        for (a, d), word in layout.strides.items():
            words[word] = accesses[a].strides[d]
        for i, word in layout.constants.items():
            words[word] = constant_word(nodes[i])
        for i, word in layout.offsets.items():
            words[word] = nodes[i].param[0]
        for (i, d), word in layout.coefficients.items():
            words[word] = nodes[i].param[1][d]
        for i, word in layout.gathered.items():
            words[word] = nodes[i].param[1]
        for k, word in layout.put.items():
            found = self.nest.stores[k].at
            words[word] = found[1] if found else 0
        words[layout.stash_length] = stash_elements
        words[layout.stash_offset] = stash_offset_bytes
        for k, word in layout.copies.items():
            words[word] = (apart or {})[k]
        return words

    def may_overwrite(self, store: int, read: int) -> bool:
        """Whether a store may lie where a read does: each element is written after its last use.

        Both walk the same places, which no loop visits twice.
        """
        s, r = self.nest.stores[store], self.nest.reads[read]
        if s.how != "store" or r.buffer is None:
            return False
        if s.at or any(x.op == "gather" and x.param[0] == read for x in self.nest.nodes):
            return False
        if (s.access.strides, s.access.dtype) != (r.strides, r.dtype):
            return False
        *outer, last = zip(r.strides, self.nest.extents, strict=True)
        if any(stride == 0 and n > 1 for stride, n in outer):
            return False
        if not last[0]:  # read before the row's passes, stored after: as long as no row is cut
            return last[1] == 1 or bool(self.schedule.reductions)
        return self.schedule.last_use(read) <= self.schedule.at[s.node]

    def run(
        self,
        buffers: Mapping[Any, Any],
        ranges: Sequence[tuple[int, int]] | None = None,
        chunk: int = 0,
        apart: Mapping[int, int] | None = None,
    ) -> None:
        """Compile and run it here, once, on numpy arrays: for tests.

        buffers: contiguous arrays by the name that an access gives; None is the block of a product.
        """

        def address(access: Access) -> int:
            held = buffers[access.buffer]
            return int(held.ctypes.data) + access.offset * int(held.itemsize)

        ranges = ranges or [(0, n) for n in self.nest.extents]
        row = -(-(ranges[-1][1] - ranges[-1][0]) // self.lanes) * self.lanes
        args = np.array(self.arguments(address, row, 64, apart), np.int64)
        block = buffers.get(None)
        tail = (0, 0) if block is None else (block.ctypes.data, block.shape[-1])
        words = np.array([*(x for pair in ranges for x in pair), chunk, *tail], np.int64)
        scratch = np.full(64 + 4 * row * self.stash_count, 0xFF, np.uint8)
        entry = native([self.function()])[self.name]
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
        kind(entry)(args.ctypes.data, words.ctypes.data, scratch.ctypes.data)

    def text(self) -> str:
        """The module that holds the function alone."""
        return module([self.function()])
