"""Attention by blocks of query's rows, so that scores stay in cache and are never all in memory.

forward   z = e v / total with e = exp(s - top), s = q k^T scale + mask; top, total: of a row of s
          the largest, and the sum of e
backward  p = exp(s - top) / total, h = p (y - sum(y p)) with y = g v^T;
          gq = h k scale; gk = h^T q scale and gv = p^T g, summed over the blocks

A block is a program of operations, fused once for all blocks of its kind: each of them is the same
works at places of its own.  Causal rows read no more of k and v than they see.
Source: Dao et al. 2022, arXiv:2205.14135, algorithms 1 and 4, whose blocks have columns too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, product, repeat
from math import inf, prod
from typing import Any, NamedTuple

from rushlight.extend import (
    Access,
    Call,
    DType,
    Shape,
    Spec,
    bool_,
    float32,
    float64,
    int32,
    ops,
    written,
)

from ..backend import NumbaBackend
from ..entry import is_whole
from ..layout import laid
from ..lowering import Place, Work, lowered, moved, place, whole
from ..packing import PackWords
from ..products import entry_points

# On two cores with 2 MB each; T: rows and keys of 8 heads of 64.
BLOCK_BYTES = 3 << 19  # of the scores of a block; T = 2048: 108 ms, with a third 120
LEAST_BYTES = {False: 1 << 24, True: 1 << 22}  # of all scores, by causal; T = 512: 6.3 ms, else 6.9
ROWS = 96  # of a block or a multiple of them, so that threads have tiles alike; causal blocks have
# but so many: what they compute and nobody sees is half of them, of T = 512 a tenth
PANEL = 64  # keys of panels of any type: causal blocks see some of the panels packed once


class Operand(NamedTuple):
    """An array of which a block has some rows; all that it sees if it is tall: k, v and gradients.

    shape: [*b, rows, n].
    """

    access: Access
    shape: Shape
    is_tall: bool

    def part(self, heads: int, rows: int) -> tuple[Shape, tuple[int, ...]]:
        """Shape and strides of rows, of several heads or without an axis of them."""
        shape, strides = (rows, self.shape[-1]), self.access.strides[-2:]
        if heads == 1:
            return shape, strides
        return (heads, *shape), (self.access.strides[-3], *strides)

    def at(self, index: Sequence[int], row: int) -> Place:
        """Where the rows of a head begin."""
        steps = zip((*index, 0 if self.is_tall else row), self.access.strides, strict=False)
        start = sum(i * stride for i, stride in steps)
        return place(self.access._replace(offset=self.access.offset + start))


class Kind(NamedTuple):
    """What a block's works depend on.

    operands: of each the shape and the strides in elements; first the mask if there is one.  mask:
    its type.  start: how many keys the first row sees before its own; None if all rows see all.
    """

    rule: Callable[..., tuple[Any, ...]]
    operands: tuple[tuple[Shape, tuple[int, ...]], ...]
    dtype: DType
    mask: DType | None
    scale: float
    start: int | None


class RowBlock(NamedTuple):
    """The works of a block, and the buffers that stand for its operands and its results."""

    works: tuple[Work, ...]
    operands: tuple[Any, ...]
    results: tuple[Any, ...]

    def placed(self, operands: Sequence[Place], results: Sequence[Place]) -> Iterator[Work]:
        """The works on these; a result that has no place stays where it is."""
        homes = dict(zip(self.operands, operands, strict=True))
        homes |= zip(self.results, results, strict=False)
        for work in self.works:
            yield work._replace(words=moved(work.words, homes))


def forward(
    q: Any, k: Any, v: Any, *, mask: Any, scale: float, start: int | None
) -> tuple[Any, ...]:
    """z, top, total of rows of q; 0, 0 and 1 of one that sees no key."""
    s = scores(q, k, mask, scale, start)
    top = s.amax(-1, keepdim=True)
    blind = None if mask is None else ops.equal(top, -inf)
    top = top if mask is None else ops.where(blind, 0.0, top)
    e = (s - top).exp()
    total = e.sum(-1, keepdim=True)
    total = total if mask is None else ops.where(blind, 1.0, total)
    return e @ v / total, top, total


def backward(
    g: Any, q: Any, k: Any, v: Any, top: Any, total: Any, *before: Any,
    mask: Any, scale: float, start: int | None,
) -> tuple[Any, ...]:  # fmt: skip
    """gq of these rows, and what they add to gk and gv.  before: gk and gv of other rows."""
    p = (scores(q, k, mask, scale, start) - (top + total.log())).exp()
    y = g @ v.mT
    h = (y - (y * p).sum(-1, keepdim=True)) * p
    gk, gv = h.mT @ q * scale, p.mT @ g
    if before:
        gk, gv = before[0] + gk, before[1] + gv
    return h @ k * scale, gk, gv


def scores(q: Any, k: Any, mask: Any, scale: float, start: int | None) -> Any:
    """q k^T scale + mask, -inf where a row does not see a key."""
    s = q @ k.mT * scale
    if mask is not None:
        s = ops.where(mask, s, -inf) if mask.dtype == bool_ else s + mask.to(s.dtype)
    if start is None:
        return s
    rows, columns = [ops.iota(length=n, dtype=int32, device=q.device) for n in s.shape[-2:]]
    return ops.where(ops.greater_equal((rows + start).unsqueeze(1), columns), s, -inf)


# What a pass is given and makes, by its rule, and which of these have a row for each key.
NAMES = {
    forward: ("q k v mask", "z top total"),
    backward: ("g q k v mask top total", "gq gk gv"),
}
TALL = frozenset("k v gk gv".split())


@lru_cache(maxsize=512)
def row_block(kind: Kind) -> RowBlock | None:
    """The block of a kind; None if an operand lies as no program reads, or a result elsewhere."""
    layouts = [found for operand in kind.operands if (found := laid(*operand)) is not None]
    if len(layouts) < len(kind.operands):
        return None

    def do(*given: Any) -> Any:
        views = [layout.view(x) for layout, x in zip(layouts, given, strict=True)]
        mask = views.pop(0) if kind.mask is not None else None
        return kind.rule(*views, mask=mask, scale=kind.scale, start=kind.start)

    types = chain([] if kind.mask is None else [kind.mask], repeat(kind.dtype))
    specs = [Spec(layout.block, dtype) for layout, dtype in zip(layouts, types, strict=False)]
    fused = written(do, specs, NumbaBackend.name)
    results = [(fused.outputs[z], z.shape) for z in fused.graph.outputs]
    if not all(is_whole(access, shape, access.buffer) for access, shape in results):
        return None
    works = [work for record in fused.records for work in lowered(record)]
    return RowBlock((*works,), fused.graph.inputs, tuple([access.buffer for access, _ in results]))


def packed_once(works: Sequence[Work], dtype: DType, given: frozenset[Any]) -> Iterator[Work]:
    """The works without those that pack a part of what is packed: all of k and v, for each block.

    given: buffers that none of them writes.
    """
    pack = entry_points(dtype)[0]
    held: dict[PackWords, PackWords] = {}  # by what decides how panels begin
    homes: dict[Any, Place] = {}  # panels that are not packed, and those in their place
    for work in works:
        if work.function == pack:
            words = PackWords(*work.words)
            key = words._replace(panels=None, batch_size=0, columns=0, span=0, across=0, pieces=0)
            packed = held.get(key)
            homes.pop(words.panels.buffer, None)
            if packed and words.columns <= packed.columns:  # a multiple of PANEL, or all of them
                homes[words.panels.buffer] = packed.panels
                continue
            held = {x: y for x, y in held.items() if y.panels != words.panels}
            if words.source.buffer in given:
                held[key] = words
        yield work._replace(words=moved(work.words, homes)) if homes else work


def is_large(dtype: DType, shape: Shape, keys: int, causal: bool) -> bool:
    """Whether scores of rows as these results, or queries, are better computed by blocks."""
    n_bytes = prod(shape[:-1]) * keys * dtype.itemsize
    seen = not causal or keys <= shape[-2]
    return seen and n_bytes >= LEAST_BYTES[causal] and dtype in (float32, float64)


class Arrays(NamedTuple):
    """What a pass reads and makes.  given: the mask first, if there is one."""

    given: list[Operand]
    made: list[Operand]
    mask: DType | None


def arrays_of(call: Call, rule: Callable[..., Any]) -> Arrays:
    """The arrays of a pass by this rule."""
    inputs, results = (names.split() for names in NAMES[rule])
    shapes = [shape or () for shape in call.shapes]
    read = dict(zip(inputs, zip(call.inputs, shapes, strict=True), strict=True))
    mask, mask_shape = read.pop("mask")
    given = [Operand(x, shape, name in TALL) for name, (x, shape) in read.items()]
    if mask is not None:
        given.insert(0, Operand(mask, mask_shape, is_tall=False))
    outputs = zip(results, call.step.outputs, strict=False)
    made = [Operand(whole(z), z.shape, name in TALL) for name, z in outputs if z is not None]
    return Arrays(given, made, None if mask is None else mask.dtype)


def size_of(heads: int, rows: int, row_bytes: int, *, causal: bool) -> tuple[int, int]:
    """Of how many heads a block is, and of how many rows.  row_bytes: of a row of scores."""
    together = max(1, min(heads, BLOCK_BYTES // (rows * row_bytes)))
    together = next(n for n in range(together, 0, -1) if heads % n == 0)
    height = ROWS if causal else max(1, BLOCK_BYTES // row_bytes // ROWS) * ROWS
    return together, rows if together > 1 else min(rows, height)


def attention(call: Call) -> list[Work] | None:
    """The works of a pass; None for what the body does as well, or only it does."""
    rule = backward if call.step.op.name.endswith(".vjp") else forward
    causal, scale, *asked = call.step.params
    given, made, mask = arrays_of(call, rule)
    (*batch, rows, _), keys = made[0].shape, next(x for x in given if x.is_tall).shape[-2]
    dtype = made[0].access.dtype
    if not is_large(dtype, made[0].shape, keys, causal):
        return None
    asks_mask = asked and asked[0][3]  # its gradient is all of the scores
    if mask is not None and (causal or asks_mask):
        return None
    heads = batch[-1] if batch else 1
    together, height = size_of(heads, rows, keys * dtype.itemsize, causal=causal)
    works: list[Work] = []
    steps = [*[range(n) for n in batch[:-1]], range(0, heads, together)][: len(batch)]
    # backwards, since the last rows of causal ones see all keys: these are packed once, for all
    for index, first in product(product(*steps), reversed(range(0, rows, height))):
        last = min(rows, first + height)
        seen = min(keys, -(-last // PANEL) * PANEL) if causal else keys
        operands = [*given, *made[1:]] if rule is backward and last < rows else given
        parts = [x.part(together, seen if x.is_tall else last - first) for x in operands]
        start = first if causal and first + 1 < seen else None
        found = row_block(Kind(rule, (*parts,), dtype, mask, scale, start))
        if found is None:
            return None
        works += found.placed(*[[x.at(index, first) for x in xs] for xs in (operands, made)])
    untouched = frozenset(x.access.buffer for x in given)
    return [*packed_once(works, dtype, untouched)]


KERNELS = dict.fromkeys(("attention", "attention.fwd", "attention.vjp"), attention)
