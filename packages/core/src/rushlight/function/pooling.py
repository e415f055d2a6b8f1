"""Pooling: one number for each window."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import dtypes, ops
from ..errors import ContractError, IndexOutOfRange
from ..ops.creation import constant, naturals
from ..ops.movement import Widths, part
from ..spec import Shape, size
from .given import rank, whole
from .layer import COUNT, SPATIAL, each, repeated, windowed
from .movement import numbered, squeeze
from .precision import autocasts, rounds_once

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "avg_pool1d", "avg_pool2d",
    "avg_pool3d", "max_pool1d", "max_pool2d", "max_pool3d",
]  # fmt: skip


def pool_windows(
    op: str, n: int, x: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool,
) -> tuple[Shape, Shape, Shape, Widths, Shape]:  # fmt: skip
    """Sizes, strides, dilations and widths of a pooling, and how far windows reach beyond these.

    Raises: ContractError.
    """
    dims = SPATIAL[n]
    if rank(op, x) not in (n + 1, n + 2):
        short = x.ndim <= n and op == "avg_pool2d"  # PyTorch reads dims before it counts them
        kind = IndexOutOfRange if short else ContractError
        raise kind(f"{op}: {x.spec}; give [b, c, {dims}] or [c, {dims}]")
    sizes, strides, pads = geometry(op, n, kernel_size, stride, padding)
    steps = repeated(op, "dilation", dilation, 1, n)
    for p, k in zip(pads, sizes, strict=True):
        if not 0 <= p <= k // 2:
            raise ContractError(
                f"{op}: padding {padding} for kernel_size {kernel_size}; at most half of it"
            )
    beyond = [0] * n
    for i, (m, k, s, p, d) in enumerate(
        zip(x.shape[x.ndim - n :], sizes, strides, pads, steps, strict=True)
    ):
        room = m + 2 * p - d * (k - 1) - 1
        last = -(-room // s) * s  # where the last window begins, if it begins within
        if ceil_mode and last > room and 0 <= last < m + p and m:
            beyond[i] = last - room
    widths = tuple((p, p) for p in pads)
    reaching = tuple((p, p + e) for p, e in zip(pads, beyond, strict=True))
    windowed(op, x, sizes, reaching if ceil_mode else widths, steps)
    return sizes, strides, steps, widths, tuple(beyond)


def geometry(
    op: str, n: int, kernel_size: Any, stride: Any, padding: Any
) -> tuple[Shape, Shape, Shape]:
    """Sizes, strides, which are the sizes if left out, and paddings.  Raises: ContractError."""
    sizes = repeated(op, "kernel_size", kernel_size, 1, n)
    strides = sizes if stride is None or stride == () else repeated(op, "stride", stride, 1, n)
    return sizes, strides, repeated(op, "padding", padding, 0, n)


def reach(widths: Widths, beyond: Shape) -> Widths:
    """Widths, with what lies beyond them."""
    return tuple((p, q + e) for (p, q), e in zip(widths, beyond, strict=True))


def max_pool(
    n: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool, return_indices: bool,
) -> Any:  # fmt: skip
    """max_pool1d, max_pool2d or max_pool3d."""
    sizes, strides, steps, widths, beyond = pool_windows(
        f"max_pool{n}d", n, input, kernel_size, stride, padding, dilation, ceil_mode
    )
    options: Any = {
        "sizes": sizes, "stride": strides, "padding": reach(widths, beyond), "dilation": steps
    }  # fmt: skip
    if not return_indices:
        return ops.max_pool(input, **options)
    z, place = ops.max_pool.op.with_residuals(input, **options)
    places = [
        (numbered(z.shape[i], i, z) * s - p, d)
        for i, s, (p, _), d in zip(range(z.ndim - n, z.ndim), strides, widths, steps, strict=True)
    ]
    index, rest, unit = numbered(1, 0, z), ops.reshape(place, z.shape), 1
    for k, m, (start, d) in reversed(
        [*zip(sizes, input.shape[input.ndim - n :], places, strict=True)]
    ):
        at = start + rest % k * d
        at = ops.where(ops.less(at, 0), at % d, at)  # of a window of -inf, the first beyond padding
        index, rest, unit = index + at * unit, rest // k, unit * m
    if input.dtype not in dtypes.FLOATING:
        return z, index
    image = input.shape[input.ndim - n :]
    numbers = naturals(size(image), input)
    nans = ops.where(ops.not_equal(input, input), ops.reshape(numbers, image), -1)
    return z, ops.maximum(index, ops.max_pool(nans, **options))  # of several nan, the last


def avg_pool(
    n: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
    count_include_pad: bool, divisor_override: int | None,
) -> Tensor:  # fmt: skip
    """avg_pool1d, avg_pool2d or avg_pool3d."""
    op = f"avg_pool{n}d"
    sizes, strides, _, widths, beyond = pool_windows(
        op, n, input, kernel_size, stride, padding, 1, ceil_mode
    )
    if divisor_override is not None:
        whole(op, "divisor_override", divisor_override, 1)
    wide = reach(widths, beyond)
    total = ops.sum_pool(input, sizes=sizes, stride=strides, padding=wide)
    counted = widths if count_include_pad else ((0, 0),) * n
    if divisor_override is not None or counted == wide:
        return total / float(divisor_override or size(sizes))
    image = input.shape[input.ndim - n :]
    shape = (1, 1, *(m + p + q for m, (p, q) in zip(image, counted, strict=True)))
    rest = tuple((a - p, b - q) for (a, b), (p, q) in zip(wide, counted, strict=True))
    ones = constant(1, shape, input)
    counts = ops.sum_pool(ones, sizes=sizes, stride=strides, padding=rest)
    return total / (counts if input.ndim == n + 2 else squeeze(counts, 0))


def max_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest in each window, nan if any is.  [b, c, t] -> [b, c, t'].

    Options and errors: as in `max_pool2d`.
    """
    return max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def max_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest in each window, nan if any is.  [b, c, h, w] -> [b, c, h', w'].

    stride: None for kernel_size.  h' = (h + 2 padding - dilation (k - 1) - 1) // stride + 1.
    ceil_mode: rounds h' up; the last window reaches beyond the border.
    return_indices: returns also int64[b, c, h', w'], where in its image of h w each one stands.
    Raises: ContractError if windows do not fit.
    """
    return max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


@autocasts("wide")
def max_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
    ceil_mode: bool = False, return_indices: bool = False,
) -> Any:  # fmt: skip
    """The largest in each window, nan if any is.  [b, c, d, h, w] -> [b, c, d', h', w'].

    Options and errors: as in `max_pool2d`.
    """
    return max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices)


def avg_pool1d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:  # fmt: skip
    """The mean of each window.  [b, c, t] -> [b, c, t'].

    Options and errors: as in `avg_pool2d`.
    """
    return avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


def avg_pool2d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window.  [b, c, h, w] -> [b, c, h', w'].

    ceil_mode: rounds h' up; what lies beyond the padding does not count.
    count_include_pad: whether zeros beyond the border count.
    divisor_override: divide by this instead.
    Raises: ContractError if windows do not fit.
    """
    return avg_pool(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@autocasts("wide")
def avg_pool3d(
    input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: int | None = None,
) -> Tensor:  # fmt: skip
    """The mean of each window.  [b, c, d, h, w] -> [b, c, d', h', w'].

    Options and errors: as in `avg_pool2d`.
    """
    return avg_pool(
        3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@rounds_once
def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Means of output_size windows that cover the sequence.  [b, c, t] -> [b, c, output_size].

    Window i of o over t is floor(i t / o) to ceil((i + 1) t / o).
    """
    return adaptive(1, input, output_size)


@rounds_once
def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Means of output_size windows that cover the image.  [b, c, h, w] -> [b, c, *output_size].

    Window i of o over h is floor(i h / o) to ceil((i + 1) h / o).  None keeps a length.
    """
    return adaptive(2, input, output_size)


@autocasts("wide")
@rounds_once
def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Means of output_size windows that cover the volume.  [b, c, d, h, w] -> [b, c, *output_size].

    Windows: as in `adaptive_avg_pool2d`.
    """
    return adaptive(3, input, output_size)


def adaptive(n: int, input: Tensor, output_size: Any) -> Tensor:
    """adaptive_avg_pool1d, adaptive_avg_pool2d or adaptive_avg_pool3d."""
    _, out, sizes = adapted(f"adaptive_avg_pool{n}d", n, input, output_size)
    if sizes:
        return avg_pool(n, input, sizes, None, 0, False, True, None)
    z = input
    for i, o in enumerate(out, input.ndim - n):
        z = z if o == z.shape[i] else spans_mean(z, i, o)
    return z


def adapted(op: str, n: int, input: Tensor, output_size: Any) -> tuple[Shape, Shape, Shape]:
    """The lengths of the last n dims, what they become, and windows if all are alike.

    Raises: ContractError.
    """
    dims = SPATIAL[n]
    if rank(op, input) not in (n + 1, n + 2):
        raise ContractError(f"{op}: {input.spec}; give [b, c, {dims}] or [c, {dims}]")
    image = input.shape[input.ndim - n :]
    given = each(output_size, n)
    if len(given) != n:
        raise ContractError(
            f"{op}: output_size {output_size!r}; give one integer" + f" or {COUNT[n]}" * (n > 1)
        )
    if 0 in image:
        raise ContractError(f"{op}: {input.spec}; give lengths from 1")
    pairs = zip(given, image, strict=True)
    out = tuple([m if o is None else whole(op, "output_size", o, 1) for o, m in pairs])
    sizes = tuple([m // o for o, m in zip(out, image, strict=True) if m % o == 0])
    return image, out, sizes if len(sizes) == n else ()


def spans_mean(x: Tensor, axis: int, o: int) -> Tensor:
    """Means of o spans that cover an axis, as even as can be.  [.., n, ..] -> [.., o, ..]."""
    n = x.shape[axis]
    parts = []
    for i in range(o):
        start, stop = i * n // o, -(-(i + 1) * n // o)
        parts.append(ops.mean(part(x, axis, start, stop - start), (axis,), keepdim=True))
    return ops.concat(*parts, axis=axis)
