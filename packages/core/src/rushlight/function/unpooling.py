"""Pooling that fewer programs need: adaptive maxima, maxima undone, norms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import ops
from ..errors import ContractError
from ..ops.creation import constant
from ..spec import size
from .given import floating, together
from .layer import repeated
from .movement import numbered
from .pooling import adapted, avg_pool, geometry, max_pool
from .precision import autocasts
from .reduction import power

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "adaptive_max_pool1d", "adaptive_max_pool2d", "adaptive_max_pool3d", "lp_pool1d", "lp_pool2d",
    "lp_pool3d", "max_unpool1d", "max_unpool2d", "max_unpool3d",
]  # fmt: skip


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest in each of output_size windows.  [b, c, t] -> [b, c, output_size].

    Windows: as in `adaptive_avg_pool1d`.  return_indices: as in `max_pool2d`.
    """
    return adaptive_max(1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest in each of output_size windows.  [b, c, h, w] -> [b, c, *output_size].

    Windows: as in `adaptive_avg_pool2d`.  return_indices: as in `max_pool2d`.
    """
    return adaptive_max(2, input, output_size, return_indices)


@autocasts("wide")
def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """The largest in each of output_size windows.  [b, c, d, h, w] -> [b, c, *output_size].

    Windows: as in `adaptive_avg_pool3d`.  return_indices: as in `max_pool2d`.
    """
    return adaptive_max(3, input, output_size, return_indices)


def adaptive_max(n: int, input: Tensor, output_size: Any, return_indices: bool) -> Any:
    """adaptive_max_pool1d, adaptive_max_pool2d or adaptive_max_pool3d."""
    op = f"adaptive_max_pool{n}d"
    image, out, sizes = adapted(op, n, input, output_size)
    if sizes:
        return max_pool(n, input, sizes, None, 0, 1, False, return_indices)
    # Spans made equally long: the shorter ones repeat their last element, which changes no maximum.
    spans: list[Tensor] = []
    long: list[int] = []
    z = input
    for i, (o, m) in enumerate(zip(out, image, strict=True), input.ndim - n):
        long.append(max(-(-(j + 1) * m // o) - j * m // o for j in range(o)))
        j, k = numbered(o, 0, input), numbered(long[-1], 1, input)
        at = ops.minimum(j * m // o + k, ((j + 1) * m + (o - 1)) // o - 1)
        spans.append(ops.reshape(at, (o * long[-1],)))
        z = ops.take(z, spans[-1], axis=i)
    z, index = max_pool(n, z, tuple(long), None, 0, 1, False, True)
    if not return_indices:
        return z
    found: Tensor = numbered(1, 0, z)
    unit = 1
    for at, m in reversed([*zip(spans, image, strict=True)]):
        found = found + ops.take(at, index % at.shape[0], axis=0) * unit
        index, unit = index // at.shape[0], unit * m
    return z, found


@autocasts("wide")
def max_unpool1d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """max_pool1d undone: zeros, and input at indices.  [b, c, t], int64[b, c, t] -> [b, c, t'].

    Options and errors: as in `max_unpool2d`.
    """
    return unpool(1, input, indices, kernel_size, stride, padding, output_size)


@autocasts("wide")
def max_unpool2d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """max_pool2d undone: zeros, and input at indices.

    [b, c, h, w], int64[b, c, h, w] -> [b, c, h', w'].
    h' = (h - 1) stride - 2 padding + kernel_size, or as output_size says, which may begin with the
    batch and the channels; less than a stride away.
    Raises: ContractError for other lengths, and an index beyond them.
    """
    return unpool(2, input, indices, kernel_size, stride, padding, output_size)


@autocasts("wide")
def max_unpool3d(
    input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
    output_size: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """max_pool3d undone: zeros, and input at indices.

    [b, c, d, h, w], int64[b, c, d, h, w] -> [b, c, d', h', w'].
    Options and errors: as in `max_unpool2d`.
    """
    return unpool(3, input, indices, kernel_size, stride, padding, output_size)


def unpool(
    n: int, input: Tensor, indices: Tensor, kernel_size: Any, stride: Any, padding: Any,
    output_size: Sequence[int] | None,
) -> Tensor:  # fmt: skip
    """max_unpool1d, max_unpool2d or max_unpool3d."""
    op = f"max_unpool{n}d"
    together(op, input, indices)
    if input.ndim not in (n + 1, n + 2) or indices.shape != input.shape:
        raise ContractError(
            f"{op}: input {input.spec}, indices {indices.spec}; give both as max_pool{n}d made them"
        )
    sizes, strides, pads = geometry(op, n, kernel_size, stride, padding)
    kept, short = input.shape[: input.ndim - n], input.shape[input.ndim - n :]
    full = [(m - 1) * s - 2 * p + k for m, s, p, k in zip(short, strides, pads, sizes, strict=True)]
    image = full if output_size is None else [*output_size][-n:]
    fits = len(image) == n and (output_size is None or len(output_size) in (n, n + 1, n + 2))
    if not fits or any(
        abs(m - w) >= s or m < 0 for m, w, s in zip(image, full, strides, strict=True)
    ):
        raise ContractError(
            f"{op}: output_size {output_size} of {input.spec}; give {full}, or less than stride "
            f"{list(strides)} away"
        )
    rows = (*kept, size(short))
    zeros = constant(0, (*kept, size(tuple(image))), input)
    z = ops.scatter(zeros, ops.reshape(indices, rows), ops.reshape(input, rows), axis=len(kept))
    return ops.reshape(z, (*kept, *image))


def lp_pool1d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x^norm_type over each window)^(1 / norm_type).  [b, c, t] -> [b, c, t'].

    Options and errors: as in `lp_pool2d`.
    """
    return lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool2d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x^norm_type over each window)^(1 / norm_type).  [b, c, h, w] -> [b, c, h', w'].

    norm_type: inf for the largest |x|, -inf for the smallest.  The gradient is 0 where the sum is.
    ceil_mode: as in `avg_pool2d`; a window beyond the border counts as if it were full.
    Raises: ContractError if windows do not fit.
    """
    return lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode)


@autocasts("wide")
def lp_pool3d(
    input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False
) -> Tensor:
    """(sum of x^norm_type over each window)^(1 / norm_type).  [*b, d, h, w] -> [*b, d', h', w'].

    Options and errors: as in `lp_pool2d`.
    """
    return lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode)


def lp_pool(
    n: int, input: Tensor, norm_type: float, kernel_size: Any, stride: Any, ceil_mode: bool
) -> Tensor:
    """lp_pool1d, lp_pool2d or lp_pool3d."""
    op, p = f"lp_pool{n}d", norm_type
    floating(op, input)
    sizes = repeated(op, "kernel_size", kernel_size, 1, n)
    if math.isinf(p):
        sign = 1 if p > 0 else -1
        z: Tensor = max_pool(n, ops.abs(input) * sign, sizes, stride, 0, 1, ceil_mode, False)
        return z * sign
    means = avg_pool(n, ops.pow(input, p), sizes, stride, 0, ceil_mode, True, None)
    return power(means * size(sizes), 1.0 / p)
