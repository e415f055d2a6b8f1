"""The same elements in another arrangement."""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from operator import index as as_index
from typing import TYPE_CHECKING, Any, SupportsIndex

from .. import dtypes, ops
from ..errors import ContractError, IndexOutOfRange, NotOffered, WrongType
from ..ops.creation import constant, naturals
from ..ops.movement import Bounds, part
from ..spec import Shape, broadcast, normal_axes, normal_axis, resolve_shape, size
from .given import Dim, called, lengths, no_dims, rank, sized, together, whole
from .named import named
from .precision import autocasts

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "broadcast_shapes", "broadcast_tensors",
    "broadcast_to", "cat", "chunk", "column_stack", "concat", "concatenate", "diag", "diag_embed",
    "diagflat", "diagonal", "dstack", "expand", "flatten", "flip", "fliplr", "flipud", "hstack",
    "moveaxis", "movedim", "narrow", "pad", "permute", "ravel", "repeat", "repeat_interleave",
    "reshape", "roll", "rot90", "select", "split", "split_with_sizes", "squeeze", "stack",
    "swapaxes", "swapdims", "t", "tensor_split", "tile", "transpose", "tril", "triu", "unbind",
    "unflatten", "unsqueeze", "vstack",
]  # fmt: skip


# A shape or dims may be given one by one: the first of them has the name, `more` are the others.


def reshape(input: Tensor, shape: Any, *more: Any) -> Tensor:
    """The same elements in the same order, folded to shape.  [*s] -> [*shape].

    One length may be -1: what the others leave.
    """
    if more:
        shape = (shape, *more)
    elif type(shape) is not tuple:
        shape = lengths((shape,))
    if -1 in shape:
        shape = resolve_shape("reshape", shape, size(input.shape))
    return ops.reshape(input, shape)


def view(self: Tensor, size: Any, *more: Any) -> Tensor:
    """The same elements in the same order, folded to size: reshape.  [*s] -> [*size]."""
    try:
        return reshape(self, size, *more)
    except ContractError as error:
        raise called(error, "reshape", "view") from None


def permute(input: Tensor, dims: Any, *more: Any) -> Tensor:
    """Dims in a new order.  [*s] -> [s[dims[0]], s[dims[1]], ..]."""
    if more:
        dims = (dims, *more)
    try:
        known = dims in ORDERS
    except TypeError:  # a list
        known = False
    if not known:
        n = rank("permute", input)
        dims = tuple([normal_axis("permute", d, n) for d in lengths((dims,))])
        if len(ORDERS) < REMEMBERED:
            ORDERS.add(dims)
    return ops.permute(input, dims)


ORDERS: set[tuple[Any, ...]] = set()  # in which dims were asked for so far, none negative
REMEMBERED = 4096


def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dims exchanged.  [.., m, .., n, ..] -> [.., n, .., m, ..]."""
    n = rank("transpose", input)
    i, j = normal_axis("transpose", dim0, n), normal_axis("transpose", dim1, n)
    order = list(range(n))
    if n:
        order[i], order[j] = j, i
    return ops.permute(input, tuple(order))


def t(input: Tensor) -> Tensor:
    """A matrix transposed; a vector as it is.  [m, n] -> [n, m].

    Raises: ContractError for more dims.
    """
    if rank("t", input) > 2:
        raise ContractError(f"t: {input.spec} has more than 2 dims; use .mT or .permute()")
    return ops.permute(input, tuple(reversed(range(input.ndim))))


def squeeze(input: Tensor, dim: Dim = None) -> Tensor:
    """Without the dims of length one, or those of them that are named.  [.., 1, ..] -> [.., ..]."""
    axes = () if no_dims(dim) else normal_axes("squeeze", dim, rank("squeeze", input))
    shape = tuple([n for i, n in enumerate(input.shape) if n != 1 or i not in axes])
    return ops.reshape(input, shape)


def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A new dim of length one.  [.., ..] -> [.., 1, ..]."""
    i = normal_axis("unsqueeze", dim, rank("unsqueeze", input) + 1)
    return ops.reshape(input, (*input.shape[:i], 1, *input.shape[i:]))


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """Dims from start_dim to end_dim as one.  [.., a, b, ..] -> [.., a b, ..]."""
    n = rank("flatten", input)
    first, last = normal_axis("flatten", start_dim, n), normal_axis("flatten", end_dim, n)
    if first > last:
        raise ContractError(
            f"flatten: start_dim {start_dim} comes after end_dim {end_dim}; exchange them"
        )
    whole = input.shape or (1,)
    shape = (*whole[:first], size(whole[first : last + 1]), *whole[last + 1 :])
    return ops.reshape(input, shape)


def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """One dim as several; one of sizes may be -1.  [.., a b, ..] -> [.., a, b, ..]."""
    i = along("unflatten", input, dim)
    if not isinstance(sizes, (tuple, list)):
        raise ContractError(f"unflatten: sizes {sizes!r}; give a tuple of lengths")
    inner = resolve_shape("unflatten", sizes, input.shape[i])
    if size(inner) != input.shape[i]:
        raise ContractError(
            f"unflatten: dim {dim} of {input.spec} to {list(inner)}; give lengths whose product is "
            f"{input.shape[i]}"
        )
    return ops.reshape(input, (*input.shape[:i], *inner, *input.shape[i + 1 :]))


def expand(input: Tensor, size: Any, *more: Any) -> Tensor:
    """Dims of length one stretched, and new ones in front.  [.., 1, ..] -> [.., n, ..].

    A size of -1 keeps a length.  Raises: ContractError for fewer sizes than dims.
    """
    return stretched("expand", input, lengths((size, *more)))


def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """input stretched to size.  [.., 1, ..] -> [.., n, ..]."""
    return stretched("broadcast_to", input, lengths((size,)))


def stretched(op: str, x: Tensor, shape: tuple[Any, ...]) -> Tensor:
    """expand, called by this name."""
    lead = len(shape) - rank(op, x)
    if lead < 0:
        raise ContractError(f"{op}: {x.spec} to {list(shape)}; give at least {x.ndim} lengths")
    old = (-1,) * lead + x.shape
    new = tuple([m if n == -1 else n for n, m in zip(shape, old, strict=True)])
    if new[lead:] != x.shape or -1 in new or not builtins.all(type(n) is int for n in new):
        new = sized(op, new)
        if broadcast(op, x.shape, new) != new:
            raise ContractError(
                f"{op}: {x.spec} does not stretch to {list(new)}; only dims of length 1 do"
            )
    return ops.expand(x, new)


def flip(input: Tensor, dims: Any, *more: Any) -> Tensor:
    """Backwards along dims.  [.., n, ..] -> [.., n, ..]."""
    n, given = rank("flip", input), lengths((dims, *more))
    axes = normal_axes("flip", given, n) if given else ()
    bounds = [(n - 1, n, -1) if i in axes and n else (0, n, 1) for i, n in enumerate(input.shape)]
    return ops.slice(input, tuple(bounds))


def narrow(input: Tensor, dim: int, start: int, length: int) -> Tensor:
    """length elements from start on along dim.  [.., n, ..] -> [.., length, ..].

    A start below 0 counts from the end.
    Raises: IndexOutOfRange for a start beyond dim, ContractError for an end beyond it.
    """
    op = "narrow"
    axis = normal_axis(op, dim, rank(op, input))
    n = input.shape[axis] if input.ndim else 0
    first = whole(op, "start", start, -(2**63))
    if input.ndim and not -n <= first <= n:
        raise IndexOutOfRange(f"{op}: start {start} in dim {dim} of {input.spec}; give {-n} to {n}")
    first, length = first + n if first < 0 else first, whole(op, "length", length)
    if first + length > n:
        raise ContractError(
            f"{op}: start {start}, length {length} along dim {dim} of {input.spec}; end at {n}"
        )
    return part(input, axis, first, length)


def cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Joined along dim.  [.., n_i, ..], .. -> [.., sum n_i, ..].

    A tensor [0] counts for its element type alone: a list may begin with `rl.tensor([])`.
    Raises: ContractError unless all else is equal, or if there is nothing to join.
    """
    given = several("cat", tensors)
    shaped = [x for x in given if x.shape != (0,)]
    if shaped and len(shaped) < len(given):
        found = ops.elementwise.common(given)
        given = tuple([ops.elementwise.convert(x, found) for x in shaped])
    first = given[0].shape
    axis = normal_axis("cat", dim, len(first))
    if not first:
        raise ContractError(f"cat: {given[0].spec} has no dims to join along; use stack")
    around = (first[:axis], first[axis + 1 :])
    for x in given:
        if x.shape != first and (x.shape[:axis], x.shape[axis + 1 :]) != around:
            raise ContractError(
                f"cat: {given[0].spec} and {x.spec} along dim {dim}; give all other dims the same "
                f"lengths"
            )
    return joined(given, axis)


def several(op: str, tensors: Any) -> tuple[Tensor, ...]:
    """The tensors of a sequence.  Raises: WrongType for anything else, ContractError for none."""
    if hasattr(tensors, "_data") or not hasattr(tensors, "__iter__"):
        raise WrongType(f"{op}: one {type(tensors).__name__}; give a list or tuple of tensors")
    given = tuple(tensors)
    if not given:
        raise ContractError(f"{op}: no tensors; give at least one")
    together(op, *given)
    return given


def joined(tensors: Sequence[Tensor], axis: int) -> Tensor:
    """Joined along an axis, in the type in which they meet."""
    found = ops.elementwise.common(tuple(tensors))
    return ops.concat(*[ops.elementwise.convert(x, found) for x in tensors], axis=axis)


def stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor:
    """Joined along a new dim.  [*s], .. -> [.., k, ..].

    Raises: ContractError unless all are alike, or if there is nothing to join.
    """
    given = several("stack", tensors)
    shape = given[0].shape
    for x in given:
        if x.shape != shape:
            raise ContractError(f"stack: {given[0].spec} and {x.spec}; give all the same shape")
    axis = normal_axis("stack", dim, len(shape) + 1)
    return joined([unsqueeze(x, axis) for x in given], axis)


def split(
    tensor: Tensor, split_size_or_sections: int | Sequence[int], dim: int = 0
) -> tuple[Tensor, ...]:
    """Parts of the given length, the last one perhaps shorter, or of the given lengths.

    [.., n, ..] -> [.., n_i, ..], ..
    """
    axis = along("split", tensor, dim)
    n = tensor.shape[axis]
    if isinstance(split_size_or_sections, (tuple, list)):
        sections = [whole("split", "length", k) for k in split_size_or_sections]
        if builtins.sum(sections) != n:
            raise ContractError(
                f"split: lengths {sections} of a dim of {n}; they must add up to it"
            )
    else:
        step = whole("split", "length", split_size_or_sections, 1 if n else 0)
        sections = [builtins.min(step, n - i) for i in range(0, n, step or 1)] or [0]
    parts, start = [], 0
    for length in sections:
        parts.append(part(tensor, axis, start, length))
        start += length
    return tuple(parts)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` parts of equal length, the last one perhaps shorter; all of no length.

    [.., n, ..] -> [.., n_i, ..], ..
    """
    chunks = whole("chunk", "number", chunks, 1)
    axis = along("chunk", input, dim)
    n = input.shape[axis]
    return split(input, builtins.max(-(-n // chunks), 1) if n else (0,) * chunks, dim)


def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """So many parts, the first ones longer by one; or parts that end before these indices.

    [.., n, ..] -> [.., n_i, ..], ..
    """
    axis = along("tensor_split", input, dim)
    n, given = input.shape[axis], indices_or_sections
    given = given.tolist() if hasattr(given, "_data") else given
    if isinstance(given, int):
        k = whole("tensor_split", "number", given, 1)
        ends = [i * (n // k) + builtins.min(i, n % k) for i in range(1, k + 1)]
    else:
        ends = [slice(i).indices(n)[1] for i in given] + [n]
    starts = [0, *ends[:-1]]
    pairs = zip(starts, ends, strict=True)
    return tuple([part(input, axis, i, builtins.max(j - i, 0)) for i, j in pairs])


def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Parts of the given lengths.  [.., n, ..] -> [.., n_i, ..], .."""
    return split(input, [*split_sizes], dim)


def broadcast_shapes(*shapes: Any) -> Shape:
    """The shape to which all the given ones stretch."""
    given = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    return broadcast("broadcast_shapes", *given)


def along(op: str, x: Tensor, dim: int, kind: type[ContractError] = ContractError) -> int:
    """dim as an axis.  Raises: an error of this kind if there is none."""
    axis = normal_axis(op, dim, rank(op, x))
    if x.ndim == 0:
        raise kind(f"{op}: {x.spec} has no dims; give it one with .reshape(1)")
    return axis


def repeat(input: Tensor, repeats: Any, *more: Any) -> Tensor:
    """input so many times along each dim; more numbers than dims make new ones in front.

    [*s] -> [r s, ..].  Raises: ContractError for fewer numbers than dims.
    """
    counts = sized("repeat", (repeats, *more))
    if len(counts) < rank("repeat", input):
        raise ContractError(
            f"repeat: {list(counts)} for {input.spec}; give a number for each of its "
            f"{input.ndim} dims"
        )
    return repeated(input, counts)


def repeated(x: Tensor, counts: Shape) -> Tensor:
    """repeat, all checked."""
    old = (1,) * (len(counts) - x.ndim) + x.shape
    pairs = tuple(zip(counts, old, strict=True))
    apart = ops.reshape(x, chained([(1, n) for n in old]))
    shape = tuple([r * n for r, n in pairs])
    return ops.reshape(ops.clone(ops.expand(apart, chained(pairs))), shape)


def chained(pairs: Sequence[Shape]) -> Shape:
    """Tuples joined to one."""
    return tuple([n for pair in pairs for n in pair])


def tile(input: Tensor, dims: Any, *more: Any) -> Tensor:
    """repeat, with ones in front if there are fewer numbers than dims.  [*s] -> [r s, ..]."""
    counts = sized("tile", (dims, *more))
    return repeated(input, (1,) * (rank("tile", input) - len(counts)) + counts)


def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each row along dim so many times, one after the other; of all elements if dim is None.

    [.., n, ..] -> [.., r n, ..]; a tensor of n integers repeats each row its own number of times.
    Of a vector of integers alone: each place as often as it says.
    """
    op = "repeat_interleave"
    n = rank(op, input)
    if repeats is None:
        places = naturals(size(input.shape), input)
        return repeat_interleave(places, input, 0, output_size=output_size)
    if dim is None:
        input, n = flat(input), 1
    if n == 0:
        raise IndexOutOfRange(f"{op}: dim {dim} of {input.spec}, which has none; omit it")
    axis = normal_axis(op, dim or 0, n)
    length = input.shape[axis]
    if hasattr(repeats, "_data") and repeats.numel() == 1:
        repeats = repeats.item()
    if not hasattr(repeats, "_data"):
        return each_row(input, axis, whole(op, "repeats", repeats))
    if repeats.dtype not in dtypes.INTEGER or repeats.shape != (length,):
        raise ContractError(f"{op}: repeats {repeats.spec} for {length} rows; give int64[{length}]")
    from ..creation import tensor

    counts = [whole(op, "repeats", k) for k in repeats.tolist()]
    rows = [i for i, k in enumerate(counts) for _ in range(k)]
    if output_size is not None and output_size != len(rows):
        raise ContractError(f"{op}: output_size {output_size}; they are {len(rows)}")
    return ops.take(input, tensor(rows, dtype=dtypes.int64, device=input.device), axis)


def each_row(x: Tensor, axis: int, k: int) -> Tensor:
    """Each row along an axis k times.  [.., n, ..] -> [.., n k, ..]."""
    before, n, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    wide = ops.expand(ops.reshape(x, (*before, n, 1, *after)), (*before, n, k, *after))
    return ops.reshape(ops.clone(wide), (*before, n * k, *after))


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """More elements around, or fewer for numbers below 0: pad has two for each dim, last dim first.

    [.., n] -> [.., before + n + after].
    mode: constant, of value; reflect; replicate, the outermost again; circular.
    Raises: ContractError for more numbers than dims, and for what a mode cannot reach; NotOffered
    for another mode, and for dims around which a mode does not pad.
    """
    n = rank("pad", input)
    if not isinstance(pad, (tuple, list)):
        raise WrongType(f"pad: pad {pad!r}; give a tuple, two integers for each dim")
    if len(pad) % 2 or len(pad) > 2 * n:
        raise ContractError(f"pad: {list(pad)} for {input.spec}; give two numbers for each dim")
    if not builtins.all(isinstance(k, SupportsIndex) for k in pad):
        raise WrongType(f"pad: pad {pad!r}; give integers, two for each dim")
    ends = [as_index(k) for k in pad]
    around = {n - 1 - i: (ends[2 * i], ends[2 * i + 1]) for i in range(len(ends) // 2)}
    if mode == "constant":
        return padded(input, around, 0 if value is None else value)
    if mode not in FOLDS:
        raise NotOffered(f"pad: mode {mode!r}; use constant, reflect, replicate or circular")
    if value:
        raise ContractError(f"pad: value {value} in mode {mode!r}; leave it out")
    if n - len(around) not in (1, 2) or not 1 <= len(around) <= 3:
        raise NotOffered(
            f"pad: {list(pad)} for {input.spec} in mode {mode!r}; give [b, c, *s] or [c, *s] and "
            f"two numbers for each dim of s"
        )
    left = [input.shape[i] + a + b > 0 for i, (a, b) in around.items()]
    if mode != "circular" and not (
        builtins.any(left) and builtins.all(input.shape[-1 - len(left) :])
    ):
        raise ContractError(
            f"pad: {list(pad)} for {input.spec} in mode {mode!r}; only the batch may be empty"
        )
    if mode == "circular":  # what is cut off does not come back at the other end
        input = padded(input, {i: (shortage(a), shortage(b)) for i, (a, b) in around.items()}, 0)
        around = {i: (a - shortage(a), b - shortage(b)) for i, (a, b) in around.items()}
    alike = mode == "circular" or (mode == "reflect" and len(around) == 3)
    return (continued if alike else continued_wide)(input, around, mode)


def continued(x: Tensor, around: dict[int, tuple[int, int]], mode: str) -> Tensor:
    """Each axis continued beyond both ends.  [.., n] -> [.., before + n + after]."""
    for axis, (before, after) in around.items():
        if (before, after) != (0, 0):
            x = wrapped(x, axis, before, after, mode)
    return x


continued_wide = autocasts("wide")(continued)


def shortage(n: int) -> int:
    """n, if below 0."""
    return builtins.min(n, 0)


def padded(x: Tensor, around: dict[int, tuple[int, int]], value: Any) -> Tensor:
    """Cut where a width is below 0, then value around.  [.., n] -> [.., before + n + after]."""
    widths = [around.get(i, (0, 0)) for i in range(x.ndim)]
    bounds = [
        (builtins.max(-a, 0), n + shortage(a) + shortage(b), 1)
        for (a, b), n in zip(widths, x.shape, strict=True)
    ]
    if builtins.any(length < 0 for _, length, _ in bounds):
        raise ContractError(f"pad: {widths} of {x.spec}; cut off no more than there is")
    x = ops.slice(x, tuple([b if b[1] else (0, 0, 1) for b in bounds]))
    return ops.pad(x, tuple([(builtins.max(a, 0), builtins.max(b, 0)) for a, b in widths]), value)


def wrapped(x: Tensor, axis: int, before: int, after: int, mode: str) -> Tensor:
    """An axis continued beyond both ends.  [.., n, ..] -> [.., before + n + after, ..]."""
    n, most = x.shape[axis], builtins.max(before, after)
    length = before + n + after
    reach = {"reflect": n - 1, "replicate": most if n else 0, "circular": n}[mode]
    if most > reach or length < 0:
        raise ContractError(
            f"pad: {before} and {after} around dim {axis} of {x.spec} in mode {mode!r}; give "
            f"at most {reach}"
        )
    index = naturals(length, x) - before
    return ops.take(x, FOLDS[mode](index, n), axis)


FOLDS: dict[str, Any] = {  # from places beyond the ends to those inside
    "reflect": lambda i, n: (n - 1) - ops.abs((n - 1) - ops.abs(i)),
    "replicate": lambda i, n: ops.minimum(ops.maximum(i, 0), n - 1),
    "circular": ops.remainder,
}


def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The elements on and below a diagonal, 0 above.  [*b, m, n] -> [*b, m, n]."""
    return triangle("tril", input, diagonal, ops.less_equal)


def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The elements on and above a diagonal, 0 below.  [*b, m, n] -> [*b, m, n]."""
    return triangle("triu", input, diagonal, ops.greater_equal)


def triangle(op: str, x: Tensor, diagonal: int, inside: Any) -> Tensor:
    """x where the column, less the row, is inside of the diagonal."""
    if rank(op, x) < 2:
        raise ContractError(f"{op}: {x.spec}; give at least 2 dims")
    k = whole(op, "diagonal", diagonal, -(2**62))
    m, n = x.shape[-2:]
    dtype = dtypes.int32 if m + n < 2**31 else dtypes.int64  # half as wide, half the time
    rows, columns = [ops.iota(length=i, dtype=dtype, device=x.device) for i in (m, n)]
    ends = ops.reshape(rows, (m, 1)) + min(max(k, -m), n)
    return ops.where(inside(columns, ends), x, constant(0, (), x))


def roll(input: Tensor, shifts: Any, dims: Any = None) -> Tensor:
    """Elements shifted along dims, what leaves at the end enters in front.  [*s] -> [*s].

    Without dims, of the flattened tensor.
    """
    n = rank("roll", input)
    by = lengths((shifts,))
    if dims is None or lengths((dims,)) == ():
        if len(by) != 1:
            raise ContractError(f"roll: shifts {list(by)} without dims; give one, or dims")
        return ops.reshape(roll(flat(input), by, 0), input.shape)
    axes = lengths((dims,))
    if len(by) != len(axes):
        raise ContractError(f"roll: shifts {list(by)} along dims {list(axes)}; give as many")
    if n == 0:
        raise IndexOutOfRange(f"roll: dims {list(axes)} of {input.spec}, which has none; omit them")
    for k, dim in zip(by, axes, strict=True):
        axis = normal_axis("roll", dim, n)
        length = input.shape[axis] if n else 0
        start = whole("roll", "shift", k, -(2**62)) % length if length else 0
        if start:
            parts = part(input, axis, length - start, start), part(input, axis, 0, length - start)
            input = ops.concat(*parts, axis=axis)
    return input if input.ndim and input.shape else ops.clone(input)


def unbind(input: Tensor, dim: int = 0) -> tuple[Tensor, ...]:
    """The rows along dim.  [.., n, ..] -> [.., ..], .."""
    axis = along("unbind", input, dim, IndexOutOfRange)
    return tuple([select(input, axis, i) for i in range(input.shape[axis])])


def select(input: Tensor, dim: int, index: int) -> Tensor:
    """One row along dim, as input[.., index, ..].  [.., n, ..] -> [.., ..].

    Raises: IndexOutOfRange.
    """
    axis = along("select", input, dim, IndexOutOfRange)
    n, i = input.shape[axis], whole("select", "index", index, -(2**62))
    if not -n <= i < n:
        raise IndexOutOfRange(f"select: index {i} is out of range for dim {dim} with size {n}")
    row = part(input, axis, i % n, 1)
    return ops.reshape(row, (*input.shape[:axis], *input.shape[axis + 1 :]))


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """input stretched to the shape of other.  [.., 1, ..], [*s] -> [*s]."""
    together("expand_as", other)
    return stretched("expand_as", input, other.shape)


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """input folded to the shape of other.  [*s], [*t] -> [*t]."""
    together("view_as", input, other)
    try:
        return ops.reshape(input, other.shape)
    except ContractError as error:
        raise called(error, "reshape", "view_as") from None


def type_as(input: Tensor, other: Tensor) -> Tensor:
    """input as the element type of other.  [*s], [*t] -> [*s]."""
    together("type_as", input, other)
    return input.to(other.dtype)


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Dims taken from some places to others, the rest in their order.  [*s] -> [*t]."""
    n = rank("movedim", input)
    before = [normal_axis("movedim", d, n) for d in lengths((source,))]
    after = [normal_axis("movedim", d, n) for d in lengths((destination,))]
    mixed = isinstance(source, int) != isinstance(destination, int)
    if mixed or not len(before) == len(after) == len(set(before)) == len(set(after)):
        raise (WrongType if mixed else ContractError)(
            f"movedim: source {source}, destination {destination}; name as many, each once"
        )
    if n == 0:
        return ops.permute(input, ())
    rest = iter([i for i in range(n) if i not in before])
    moves = dict(zip(after, before, strict=True))
    return ops.permute(input, tuple([moves[i] if i in moves else next(rest) for i in range(n)]))


def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """Elements whose index along dim2 is that along dim1 plus offset, as the last dim.

    [.., m, .., n, ..] -> [.., .., .., k].
    """
    x = movedim(input, plane("diagonal", dim1, dim2, rank("diagonal", input)), (-2, -1))
    m, n = x.shape[-2:]
    length = builtins.max(builtins.min(m + shortage(offset), n - builtins.max(offset, 0)), 0)
    flat = ops.reshape(x, (*x.shape[:-2], m * n))
    return ops.slice(flat, downwards(x.shape[:-2], length, n, offset))


def plane(op: str, dim1: int, dim2: int, n: int) -> tuple[int, int]:
    """Two of n dims as axes.  Raises: ContractError if they are one."""
    i, j = (normal_axis(op, dim, n) for dim in (dim1, dim2))
    if i == j:
        raise ContractError(f"{op}: dim1 {dim1} and dim2 {dim2}; give two different dims")
    return i, j


def downwards(batch: Shape, length: int, n: int, offset: int) -> Bounds:
    """Where a diagonal lies in matrices [*batch, m, n] whose rows are joined."""
    start = offset if offset > 0 else -offset * n
    return (*[(0, k, 1) for k in batch], (start, length, n + 1) if length else (0, 0, 1))


diagonal_of = diagonal  # where an argument has the name


def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A matrix with this diagonal, 0 elsewhere; or the diagonal of a matrix.  [n] -> [n, n]."""
    if rank("diag", input) == 2:
        return ops.clone(diagonal_of(input, diagonal))
    if input.ndim != 1:
        raise ContractError(f"diag: {input.spec}; give a vector or a matrix")
    return diag_embed(input, diagonal)


def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices in two new dims with the last dim on a diagonal, 0 elsewhere.

    [*b, n] -> [.., n + |offset|, .., n + |offset|, ..].
    """
    op = "diag_embed"
    if not rank(op, input):
        raise IndexOutOfRange(f"{op}: {input.spec} has no dims; give at least one")
    length = input.shape[along(op, input, -1)]
    axes = plane(op, dim1, dim2, input.ndim + 1)
    n, before = length + abs(offset), input.shape[:-1]
    bounds = downwards(before, length, n, offset)
    z = ops.unslice(input, shape=(*before, n * n), bounds=bounds)
    return movedim(ops.reshape(z, (*before, n, n)), (-2, -1), axes)


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with all elements on a diagonal.  [*s] -> [n, n]."""
    rank("diagflat", input)
    return diag_embed(flat(input), offset)


def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned by k right angles, from the first of two dims to the second.  [m, n] -> [n, m]."""
    n = rank("rot90", input)
    axes = [normal_axis("rot90", d, n) for d in dims]
    if len(axes) != 2 or len(set(axes)) != 2 or n < 2:
        raise ContractError(f"rot90: dims {list(dims)} of {input.spec}; give two different dims")
    first, second = axes
    z = flip(input, {0: (), 1: (second,), 2: (first, second), 3: (first,)}[k % 4])
    return transpose(z, first, second) if k % 2 else ops.clone(z)


def fliplr(input: Tensor) -> Tensor:
    """Backwards along the second dim.  [m, n, ..] -> [m, n, ..]."""
    along("fliplr", unsqueeze(input, 0), 2)
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """Backwards along the first dim.  [m, ..] -> [m, ..]."""
    return flip(input, along("flipud", input, 0))


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Windows of size along a dim, step apart, as the last dim.  [.., n, ..] -> [.., k, .., size].

    Raises: ContractError if there is not one window.
    """
    axis = along("unfold", input, dimension)
    n = input.shape[axis]
    size, step = whole("unfold", "size", size, 1), whole("unfold", "step", step, 1)
    if size > n:
        raise ContractError(f"unfold: size {size} along a dim of {n}; give at most {n}")
    return ops.windows(input, axes=(axis,), sizes=(size,), strides=(step,), dilations=(1,))


def vector(x: Any) -> Any:
    """A 0-d tensor as a vector of one element; others as they are."""
    return x if getattr(x, "shape", None) != () else ops.reshape(x, (1,))


def flat(x: Any) -> Any:
    """A tensor as a vector; a number as it is."""
    return ops.reshape(x, (size(x.shape),)) if hasattr(x, "_data") else x


def numbered(length: int, axis: int, like: Tensor) -> Tensor:
    """0, 1, .. along an axis, stretching along the others.  [1, .., length, .., 1]."""
    shape = tuple([length if i == axis else 1 for i in range(like.ndim)])
    return ops.reshape(naturals(length, like), shape)


def broadcast_tensors(*tensors: Tensor) -> tuple[Tensor, ...]:
    """All stretched to the shape in which they meet.  [*s], [*t], .. -> [*u], .."""
    given = several("broadcast_tensors", tensors)
    shape = broadcast("broadcast_tensors", *[x.shape for x in given])
    return tuple([ops.expand(x, shape) for x in given])


def atleast_1d(*tensors: Any) -> Any:
    """Tensors without dims get one.  [] -> [1]."""
    return each("atleast_1d", tensors, lambda x: x.reshape(1) if x.ndim < 1 else x)


def atleast_2d(*tensors: Any) -> Any:
    """Tensors get a first dim until they have two.  [n] -> [1, n]."""
    return each("atleast_2d", tensors, matrix)


def atleast_3d(*tensors: Any) -> Any:
    """Tensors get a first, then a last dim until they have three.  [n] -> [1, n, 1]."""
    return each("atleast_3d", tensors, block)


def matrix(x: Tensor) -> Tensor:
    """[] -> [1, 1], [n] -> [1, n]."""
    return ops.reshape(x, (1,) * (2 - x.ndim) + x.shape) if x.ndim < 2 else x


def block(x: Tensor) -> Tensor:
    """[] -> [1, 1, 1], [n] -> [1, n, 1], [m, n] -> [m, n, 1]."""
    return unsqueeze(matrix(x), -1) if x.ndim < 3 else x


def each(op: str, tensors: tuple[Any, ...], change: Any) -> Any:
    """change of one tensor, or of each of several."""
    if len(tensors) == 1 and hasattr(tensors[0], "_data"):
        return change(tensors[0])
    return tuple([change(x) for x in several(op, lengths(tensors))])


def hstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined along the second dim, or the first of vectors.  [m, n_i], .. -> [m, sum n_i]."""
    given = atleast_1d(several("hstack", tensors))
    return cat(given, 0 if given[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined as rows.  [n], .. -> [k, n]; [m_i, n], .. -> [sum m_i, n]."""
    return cat(atleast_2d(several("vstack", tensors)), 0)


def dstack(tensors: Sequence[Tensor]) -> Tensor:
    """Joined along the third dim.  [m, n], .. -> [m, n, k]."""
    return cat(atleast_3d(several("dstack", tensors)), 2)


def column_stack(tensors: Sequence[Tensor]) -> Tensor:
    """Vectors joined as columns, matrices beside each other.  [n], .. -> [n, k]."""
    given = several("column_stack", tensors)
    return cat([ops.reshape(x, (size(x.shape), 1)) if x.ndim < 2 else x for x in given], 1)


concat = concatenate = cat
swapdims, moveaxis, ravel = transpose, movedim, flatten
swapaxes = named(transpose, "input", "axis0", "axis1")
