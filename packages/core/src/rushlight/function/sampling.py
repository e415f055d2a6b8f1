"""Functions that read images at other places: resized, warped, cut into patches."""

from __future__ import annotations

import builtins
import math
from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import product
from typing import TYPE_CHECKING, Any

from .. import dtypes, ops
from ..errors import ContractError, IndexOutOfRange, NotOffered
from ..ops.conv import pooled, unpooled
from ..ops.creation import constant
from ..spec import Shape, size
from .elementwise import bounded
from .given import floating, lengths, rank, together
from .indexing import matmul
from .layer import each, repeated
from .movement import each_row, movedim, select, stack
from .pooling import adaptive
from .precision import autocasts

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["affine_grid", "fold", "grid_sample", "interpolate", "unfold"]

# for each mode of interpolate, of how many spatial dims it is
DIMS = {"linear": (1,), "bilinear": (2,), "trilinear": (3,), "bicubic": (2,)}
LINEAR = ("linear", "bilinear", "trilinear")
FLAT = ("nearest", "nearest-exact", "area")  # modes that know no corners
SHARPNESS = -0.75  # of bicubic: a of Keys 1981, as PyTorch has it; -0.5 with antialias
REACH = {"bilinear": 1, "bicubic": 2}  # in elements, of the modes that know antialias


def interpolate(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:  # fmt: skip
    """input, resized to size or by scale_factor.  [b, c, *s] -> [b, c, *size], up to three dims.

    mode: "nearest" (which rounds down), "nearest-exact", "area", "linear", "bilinear", "trilinear"
    or "bicubic", the last four by their number of spatial dims.
    align_corners: the outermost values stay the outermost; else each stands for an area.
    recompute_scale_factor: distances are those of the rounded size, not scale_factor itself.
    antialias: in modes "bilinear" and "bicubic", what is shrunk is read from wider surroundings.
    Raises: ContractError for arguments that do not fit together; NotOffered for another mode, and
    for a mode of other dims.
    Source: Keys 1981, "Cubic convolution interpolation for digital image processing", eq. 4.
    """
    op, n = "interpolate", rank("interpolate", input) - 2
    if mode not in DIMS and mode not in FLAT:
        raise NotOffered(f"{op}: mode {mode!r}; give one of {', '.join([*FLAT, *DIMS])}")
    choice = DIMS.get(mode, (1, 2, 3))
    if n not in choice:
        more = " or ".join(str(k + 2) for k in choice)
        raise NotOffered(f"{op}: {input.spec} in mode {mode!r}; give [b, c, *s] of {more} dims")
    if 0 in input.shape[1:]:
        raise ContractError(f"{op}: {input.spec}; only the batch may be empty")
    if antialias and mode not in REACH:
        raise ContractError(f"{op}: antialias in mode {mode!r}; give one of {', '.join(REACH)}")
    if mode in FLAT and align_corners is not None:
        raise ContractError(f"{op}: align_corners in mode {mode!r}; leave it out")
    if (size is None) == (scale_factor is None) or (recompute_scale_factor and size is not None):
        raise ContractError(f"{op}: size {size}, scale_factor {scale_factor}; give one of the two")
    if mode not in FLAT or input.dtype is not dtypes.uint8:
        floating(op, input)
    image = input.shape[2:]
    scales: list[Any] = [None] * n
    if size is None:
        scales = [float(s) for s in each(scale_factor, n)]
        if len(scales) != n:
            raise ContractError(f"{op}: scale_factor {scale_factor}; give one number, or {n}")
        size = [math.floor(m * s) for m, s in zip(image, scales, strict=True)]
        scales = [None] * n if recompute_scale_factor else scales
    out = repeated(op, "size", size, n=n)
    if mode == "area":
        return adaptive(n, input, out)
    wide = input.dtype if input.dtype is dtypes.float64 else dtypes.float32
    z = input if mode in FLAT else ops.cast(input, wide)
    for axis, (m, o, s) in enumerate(zip(image, out, scales, strict=True), 2):
        ends = (m - 1) / (o - 1) if o > 1 else 0.0
        # PyTorch's exceptions from what scale_factor means
        plain = (mode in LINEAR and o == m) or ((mode, n) == ("nearest", 2) and o in (m, 2 * m))
        step = ends if align_corners else m / o if plain or not s else 1 / s
        if antialias:
            z = z if m == o else smoothed(z, axis, o, step, mode)
        elif (m, step) != (o, 1.0):
            z = resampled(z, axis, o, step, mode, bool(align_corners), wide)
    return ops.cast(z, input.dtype)


def resampled(
    x: Tensor, axis: int, n: int, step: float, mode: str, align: bool, wide: Any
) -> Tensor:
    """x read at n places along an axis, so many of its elements apart.  [.., m, ..] -> [.., n, ..].

    wide: the type of the places.
    """
    m = x.shape[axis]
    if mode in FLAT and n % m == 0 and step == m / n:
        return each_row(x, axis, n // m)
    places = ops.iota(length=n, dtype=wide, device=x.device)
    if mode in FLAT:
        places = (places + 0.5 if mode == "nearest-exact" else places) * step
        return ops.take(x, spot(ops.floor(places), m), axis)
    places = places * step if align else (places + 0.5) * step - 0.5
    places = places if mode == "bicubic" else ops.maximum(places, 0.0)
    column = (n, *(1 for _ in x.shape[axis + 1 :]))
    return total(
        ops.take(x, spot(place, m), axis) * ops.reshape(weight, column)
        for place, weight in taps(places, mode)
    )


def total(parts: Iterable[Tensor]) -> Tensor:
    """The sum of tensors.  [*s], .. -> [*s]."""
    return reduce(ops.add, parts)


def smoothed(x: Tensor, axis: int, n: int, step: float, mode: str) -> Tensor:
    """Weighted means around n places along an axis, of all that lies within reach of each.

    step: between the places, in elements; where it is above 1 the reach grows with it.
    [.., m, ..] -> [.., n, ..].
    """
    m, wide = x.shape[axis], builtins.max(step, 1.0)
    rows, columns = (ops.iota(length=k, dtype=x.dtype, device=x.device) for k in (n, m))
    center = ops.reshape((rows + 0.5) * step, (n, 1))
    reach = REACH[mode] * wide
    first, last = ops.floor(center - reach + 0.5), ops.floor(center + reach + 0.5)
    inside = ops.greater_equal(columns, first) & ops.less(columns, last)
    t = ops.abs(columns + 0.5 - center) / wide
    if mode == "bilinear":
        share = 1 - t
    else:
        share = ops.where(ops.less(t, 1), cubic(t, True, -0.5), cubic(t, False, -0.5))
    share = ops.where(inside & ops.less(t, REACH[mode]), share, 0.0)
    share = share / ops.sum(share, (1,), keepdim=True)
    return movedim(matmul(movedim(x, axis, -1), ops.permute(share, (1, 0))), -1, axis)


def spot(place: Tensor, n: int) -> Tensor:
    """The nearest index inside.  [*s] -> int64[*s]."""
    return ops.cast(ops.minimum(ops.maximum(place, 0), n - 1), dtypes.int64)


def taps(places: Tensor, mode: str) -> list[tuple[Tensor, Any]]:
    """Whole numbers around places, and what share each has in the value there."""
    if mode == "nearest":
        return [(ops.round(places), 1.0)]
    low = ops.floor(places)
    t = places - low
    if mode != "bicubic":
        return [(low, 1 - t), (low + 1, t)]
    return [(low + i, cubic(ops.abs(t - i), i in (0, 1))) for i in (-1, 0, 1, 2)]


def cubic(t: Tensor, near: bool, a: float = SHARPNESS) -> Tensor:
    """The share of a neighbour at distance t, below 1 if near, else below 2."""
    if near:
        return ((a + 2) * t - (a + 3)) * t * t + 1
    return ((t - 5) * t * a + 8 * a) * t - 4 * a


@autocasts("wide")
def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """input read at the places of a grid.  [b, c, *s], [b, *o, n] -> [b, c, *o], n spatial dims.

    grid: its last dim is x first, from -1 to 1 over the width, then y, then z.
    mode: "bilinear", "nearest", or in two dims "bicubic".
    padding_mode: what is outside: "zeros", "border" (the outermost) or "reflection".
    align_corners: -1 and 1 are the middles of the outermost elements, not their outer edges.
    Raises: ContractError for shapes, types and modes that do not fit.
    Source: Jaderberg et al. 2015, arXiv:1506.02025, section 3.3.
    """
    n, align = fitting(input, grid, mode, padding_mode), bool(align_corners)
    around = []
    for i, m in enumerate(input.shape[2:]):
        u = select(grid, -1, n - 1 - i)
        u = (u + 1) / 2 * (m - 1) if align else ((u + 1) * m - 1) / 2
        if mode == "bicubic":
            found = [(within(p.detach(), m, padding_mode, align), w) for p, w in taps(u, mode)]
        else:
            found = taps(within(u, m, padding_mode, align), mode)
        around.append(found)
    flat = ops.reshape(input, (*input.shape[:2], size(input.shape[2:])))
    return total(at_corner(flat, input.shape[2:], corner, mode) for corner in product(*around))


def fitting(input: Tensor, grid: Tensor, mode: str, padding_mode: str) -> int:
    """How many spatial dims grid_sample has.  Raises: ContractError for what does not fit."""
    op, n = "grid_sample", rank("grid_sample", input) - 2
    together(op, input, grid)
    batched = grid.ndim == n + 2 and grid.shape[:1] == input.shape[:1]
    if n not in (2, 3) or 0 in input.shape[2:] or not batched:
        raise ContractError(f"{op}: {input.spec} at {grid.spec}; give [b, c, *s] and [b, *o, n]")
    if grid.shape[-1] != n or grid.dtype is not input.dtype:
        raise ContractError(f"{op}: a grid {grid.spec} for {input.spec}; end in {n}, of one dtype")
    if mode not in ("bilinear", "nearest", "bicubic") or (mode, n) == ("bicubic", 3):
        raise ContractError(f"{op}: mode {mode!r} in {n} dims; give 'bilinear' or 'nearest'")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ContractError(
            f"{op}: padding_mode {padding_mode!r}; give 'zeros', 'border' or 'reflection'"
        )
    floating(op, input)
    return n


def within(u: Tensor, n: int, padding_mode: str, align: bool) -> Tensor:
    """Places along an axis of n elements, as the padding has them."""
    if padding_mode == "zeros":
        return u
    u = reflected(u, n, align) if padding_mode == "reflection" else u
    return bounded("grid_sample", u, 0.0, n - 1.0)


def at_corner(
    flat: Tensor, image: Shape, corner: Sequence[tuple[Tensor, Any]], mode: str
) -> Tensor:
    """What one neighbour of each place adds to it, 0 from outside.  [b, c, n] -> [b, c, *o].

    image: the lengths of what is flat.
    corner: whole numbers and a share along each of its axes, [b, *o].
    """
    b, c, out = *flat.shape[:2], corner[0][0].shape[1:]
    index: Any = 0
    weight: Any = 1.0
    seen: Any = True
    for (p, w), m in zip(corner, image, strict=True):
        seen = ops.greater_equal(p, 0) & ops.less(p, m) & seen
        index, weight = index * m + spot(ops.where(ops.equal(p, p), p, 0.0), m), weight * w
    index = ops.expand(ops.reshape(index, (b, 1, size(out))), (b, c, size(out)))
    part = ops.reshape(ops.gather(flat, index, axis=2), (b, c, *out))
    if mode != "nearest":
        part = part * ops.reshape(weight, (b, 1, *out))
    return ops.where(ops.reshape(seen, (b, 1, *out)), part, 0.0)


def reflected(u: Tensor, n: int, align: bool) -> Tensor:
    """Places folded back at the middles, or the outer edges, of the outermost of n elements."""
    low, span = (0.0, n - 1) if align else (-0.5, n)
    if span == 0:
        return u * 0.0
    away = ops.remainder(ops.abs(u - low), 2 * span)
    return span - ops.abs(away - span) + low


def affine_grid(theta: Tensor, size: Any, align_corners: bool | None = None) -> Tensor:
    """theta times (x, y, 1) or (x, y, z, 1) of each place of an image, see grid_sample.

    [b, n, n + 1] -> [b, *s, n] where size is (b, c, *s).
    Raises: ContractError unless they fit.
    """
    b, _, *image = lengths((size,)) if hasattr(size, "__iter__") else (0, 0)
    n = len(image)
    floating("affine_grid", theta) if rank("affine_grid", theta) else None
    if n not in (2, 3) or theta.shape != (b, n, n + 1):
        raise ContractError(f"affine_grid: {theta.spec} for size {size}; give [b, n, n + 1]")
    columns = [constant(1.0, tuple(image), theta)]
    for i, m in enumerate(image):
        u = ops.iota(length=m, dtype=theta.dtype, device=theta.device) * 2 - (m - 1)
        u = u / (max(m - 1, 1) if align_corners else m)
        u = ops.reshape(u, (m, *(1 for _ in image[i + 1 :])))
        columns.insert(0, ops.expand(u, tuple(image)))
    places = ops.reshape(stack(columns, -1), (1, math.prod(image), n + 1))
    return ops.reshape(matmul(places, theta.mT), (b, *image, n))


def unfold(
    input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Patches of an image as columns.  [b, c, h, w] -> [b, c kh kw, patches].

    Without b, [c, h, w] -> [c kh kw, patches].  Raises: ContractError if no patch fits.
    """
    if rank("unfold", input) not in (3, 4):
        kind = IndexOutOfRange if input.ndim < 3 else ContractError  # as PyTorch's
        raise kind(f"unfold: {input.spec}; give [b, c, h, w] or [c, h, w]")
    sizes, dilations, widths, strides = patches("unfold", kernel_size, dilation, padding, stride)
    x = ops.reshape(input, (1,) * (4 - input.ndim) + input.shape)
    z = pooled(x, sizes, strides, tuple((p, p) for p in widths), dilations, 0)
    b, c, h, w, kh, kw = z.shape
    lead = (b, c * kh * kw, h * w)[4 - input.ndim :]
    return ops.reshape(ops.permute(z, (0, 1, 4, 5, 2, 3)), lead)


def patches(op: str, kernel: Any, dilation: Any, padding: Any, stride: Any) -> list[Shape]:
    """What describes patches, two numbers of each kind."""
    names = ("kernel_size", "dilation", "padding", "stride")
    given = zip(names, (kernel, dilation, padding, stride), (1, 1, 0, 1), strict=True)
    return [repeated(op, name, value, least) for name, value, least in given]


def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0,
    stride: Any = 1,
) -> Tensor:  # fmt: skip
    """Patches summed to where unfold took them.

    [b, c kh kw, patches] -> [b, c, h, w], or both without b; h and w are output_size.
    Raises: ContractError for another number of channels or patches.
    """
    image = repeated("fold", "output_size", output_size)
    sizes, dilations, widths, strides = patches("fold", kernel_size, dilation, padding, stride)
    whole = [m + 2 * p for m, p in zip(image, widths, strict=True)]
    spans = [d * (k - 1) + 1 for d, k in zip(dilations, sizes, strict=True)]
    counts = [(m - k) // s + 1 for m, k, s in zip(whole, spans, strides, strict=True)]
    n, area = rank("fold", input), size(sizes)
    if n not in (2, 3) or input.shape[-2] % area or input.shape[-1] != math.prod(counts):
        raise ContractError(
            f"fold: {input.spec}; give [b, c {area}, {math.prod(counts)}] for {list(image)} and "
            f"patches of {list(sizes)}"
        )
    b, c = input.shape[0] if n == 3 else 1, input.shape[-2] // area
    x = ops.permute(ops.reshape(input, (b, c, *sizes, *counts)), (0, 1, 4, 5, 2, 3))
    around = tuple((p, p) for p in widths)
    z = unpooled(x, (b, c, *image), sizes, strides, around, dilations)
    return ops.reshape(z, z.shape[4 - n - 1 :])
