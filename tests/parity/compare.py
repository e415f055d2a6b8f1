"""Outcome: what a call gives in one library, and how far two of them are alike."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from parity.call import Call, Maker
from parity.exceptions import EXCEPTIONS

import rushlight as rl
from rushlight.dtypes import FLOATING, as_dtype, finfo
from rushlight.testing.close import tolerance

Array = np.ndarray[Any, Any]
BUILT_IN = (
    IndexError,
    ValueError,
    TypeError,
    RuntimeError,
    OverflowError,
    AttributeError,
    AssertionError,
)


# Of these PyTorch is also asked in float64, on the same inputs.
NARROW = ("bfloat16",)
# Units in the last place allowed to them: sums are wider, so what rounds is each of a few steps.
ROUNDINGS = {"result": 3, "gradient": 3, "second gradient": 6}


class Outcome(NamedTuple):
    """What a call gave.

    first, second: gradients of the floating inputs, zeros where there is none; None if not asked.
    asks: whether each floating result requires a gradient.
    elements: of the largest input.  coarsest: the floating type among all with the largest eps.
    exact: the same in float64, of a narrow type.
    """

    error: Exception | None = None
    results: Any = None
    asks: tuple[bool, ...] = ()
    first: list[Any] | None = None
    second: list[Any] | None = None
    elements: int = 1
    coarsest: Any = None
    exact: Outcome | None = None


def as_torch(array: Array, asked: bool) -> torch.Tensor:
    """A leaf of PyTorch's with these values."""
    if array.dtype.name == "bfloat16":
        x = torch.tensor(array.view("int16")).view(torch.bfloat16)
    else:
        x = torch.tensor(array)
    return x.requires_grad_() if asked and x.is_floating_point() else x


def as_ours(array: Array, asked: bool, layout: str = "plain") -> rl.Tensor:
    """The same in rushlight.  layout: of the array in memory."""
    if layout == "strided":
        wide = np.zeros(tuple(2 * n for n in array.shape), array.dtype).T
        every = (slice(None, None, 2),) * array.ndim
        wide.T[every] = array
        array = wide.T[every] if array.ndim else array
    elif layout == "reversed":
        back = (slice(None, None, -1),) * array.ndim
        array = np.ascontiguousarray(array[back])[back] if array.ndim else array
    x = rl.from_numpy(array)
    return x.requires_grad_() if asked and x.is_floating_point() else x


def as_array(x: Any) -> Array:
    """The values of a tensor of either library."""
    x = x.detach()
    if isinstance(x, rl.Tensor):
        return x.numpy()
    if x.dtype is torch.bfloat16:
        return x.view(torch.int16).numpy(force=True).view(as_dtype("bfloat16"))
    return x.numpy(force=True)  # zeros that PyTorch does not hold are made


def flat(x: Any) -> list[Any]:
    """The tensors of a result, one after the other."""
    if isinstance(x, (list, tuple)):
        return [z for one in x for z in flat(one)]
    return [x] if isinstance(x, (rl.Tensor, torch.Tensor)) else []


def pull(library: Any, maker: Maker, zs: list[Any], order: int) -> tuple[Any, Any]:
    """Gradients of the leaves along fixed cotangents; the second, of those along others."""
    found: list[Any] = [None, None]
    xs = maker.leaves
    for n in range(order):
        asking = [(i, z) for i, z in enumerate(zs) if z is not None and z.requires_grad]
        if not asking:
            break
        seeds = [direction(maker, z, n, i) for i, z in asking]
        zs = [z for _, z in asking]
        zs = library.autograd.grad(
            zs, xs, seeds, create_graph=n + 1 < order, allow_unused=True, retain_graph=True
        )
        found[n] = zs
    return found[0], found[1]


def direction(maker: Maker, z: Any, *seed: int) -> Any:
    """Odd eighths like z, of its library."""
    drawn = np.random.default_rng(seed).integers(1, 16, tuple(z.shape))
    array = (2 * drawn - 15) / 8
    dtype = as_dtype(str(z.dtype).removeprefix("torch."))
    make = as_ours if maker.library is rl else as_torch
    return make(np.asarray(array).astype(dtype), False)


def outcome(
    library: Any,
    function: Callable[..., Any],
    call: Call,
    dtype: str,
    layout: str,
    label: str,
    parameters: Sequence[Any] = (),
    wide: bool = False,
) -> Outcome:
    """What the function of a library gives on the arguments of a call.

    parameters: what it is differentiated by, besides them.
    wide: whether the arguments, made in a narrow type, are handed over in float64.
    """
    ours = library is rl
    asked = layout == "plain" and call.order > 0

    def tensor(array: Array) -> Any:
        array = array.astype(np.float64) if wide and array.dtype.name in NARROW else array
        return as_ours(array, asked, layout) if ours else as_torch(array, asked)

    maker = Maker(library, dtype, tensor, label)
    with warnings.catch_warnings():
        if not ours:
            warnings.simplefilter("ignore")
        try:
            args, options = maker.made(call.args), maker.made(call.options)
            made = call.program(library) if call.program else function(*args, **options)
        except BUILT_IN as error:
            return Outcome(error)
        maker.leaves += parameters
        maker.elements = max([maker.elements, *[math.prod(p.shape) for p in parameters]])
        zs = [z for z in flat(made) if z.is_floating_point()]
        first = second = None
        if maker.leaves and asked:
            try:
                first, second = pull(library, maker, zs, 1)[0], None
                if call.order > 1:
                    first, second = pull(library, maker, zs, call.order)
            except BUILT_IN as error:
                first, second = first or error, error
    kinds = [as_array(z).dtype for z in (*zs, *maker.leaves)]
    coarsest = max(kinds, key=lambda kind: finfo(kind).eps, default=None)
    asks = tuple(z.requires_grad for z in zs)
    return Outcome(None, made, asks, first, second, max(maker.elements, 1), coarsest)


class Deviation(AssertionError):
    """What is unlike PyTorch: `what` is error, result, type, requires_grad, gradient or second
    gradient; or "no gradient" or "no second gradient" where PyTorch has one."""

    def __init__(self, what: str, told: str) -> None:
        super().__init__(f"{what}: {told}")
        self.what = what


def compare(call: Call, ours: Outcome, theirs: Outcome) -> Iterator[Deviation]:
    """All that is not PyTorch's: of the error, or of the result and of each gradient."""
    if theirs.error is not None:
        if lacking(ours, theirs):
            return
        wanted = next(kind for kind in BUILT_IN if isinstance(theirs.error, kind))
        # PyTorch's own slips: an attribute of what is no tensor, an assertion
        wanted = {AttributeError: TypeError, AssertionError: ValueError}.get(wanted, wanted)
        if not isinstance(ours.error, wanted):
            said = str(theirs.error).partition("\n")[0][:120]
            got = "a result" if ours.error is None else repr(ours.error)
            yield Deviation("error", f"{got} where PyTorch raises {wanted.__name__}: {said}")
        return
    if ours.error is not None:
        yield Deviation("error", f"{ours.error!r} where PyTorch has a result")
        return
    exact = theirs.exact or Outcome()
    terms = 0.0 if call.drawn else largest(theirs.results)  # memory never written holds anything
    yield from alike(ours.results, theirs.results, exact.results, call, theirs)
    if len(ours.asks) == len(theirs.asks) and ours.asks != theirs.asks:
        yield Deviation("requires_grad", f"{ours.asks} where PyTorch has {theirs.asks}")
    for what, mine, other, wide in (
        ("gradient", ours.first, theirs.first, exact.first),
        ("second gradient", ours.second, theirs.second, exact.second),
    ):
        if isinstance(other, Exception) or (mine is None and other is None):
            continue  # what PyTorch cannot differentiate is not compared
        if isinstance(mine, Exception):
            yield Deviation(what, repr(mine))
            continue
        terms = max(terms, largest([*(other or [])]))
        n = len(mine or other or [])
        wide = None if isinstance(wide, Exception) else wide
        nothing = [None] * n
        for x, y, z in zip(mine or nothing, other or nothing, wide or nothing, strict=True):
            if x is None and y is None:
                continue
            if x is None:
                yield Deviation(f"no {what}", "none where PyTorch has one, if only of zeros")
            like = as_array(x if y is None else y)
            a, b = (np.zeros_like(like) if g is None else as_array(g) for g in (x, y))
            yield from near(what, a, b, None if z is None else as_array(z), call, theirs, terms)


def lacking(ours: Outcome, theirs: Outcome) -> bool:
    """Whether PyTorch lacks a kernel for what is computed here, and refuses nothing."""
    return ours.error is None and "not implemented for '" in str(theirs.error)


def alike(x: Any, y: Any, exact: Any, call: Call, of: Outcome) -> Iterator[Deviation]:
    """How x, of rushlight, is not what y is in PyTorch.  exact: y in float64, if there is one."""
    if isinstance(y, torch.Tensor):
        if not isinstance(x, rl.Tensor):
            yield Deviation("result", f"{type(x).__name__} where PyTorch has a tensor")
            return
        a, b = as_array(x), as_array(y)
        if not call.drawn or told(a) != told(b):
            z = as_array(exact) if isinstance(exact, torch.Tensor) else None
            yield from near("result", a, b, z, call, of)
    elif isinstance(y, np.ndarray):
        yield from near("result", x, y, None, call, of)
    elif isinstance(y, torch.dtype):
        if getattr(x, "name", x) != str(y).removeprefix("torch."):
            yield Deviation("result", f"{x} where PyTorch has {y}")
    elif isinstance(y, (list, tuple)):
        fields = getattr(x, "_fields", ())
        if not isinstance(x, (list, tuple)) or len(x) != len(y):
            yield Deviation("result", f"{x!r:.80} where PyTorch has {len(y)} results")
            return
        if type(y).__module__ == "torch.return_types":
            names = {name for name in vars(type(y)) if not name.startswith(("_", "n_"))}
            if names != set(fields):
                told_names = f"results named {fields} where PyTorch has {sorted(names)}"
                yield Deviation("result", told_names)
        exacts = exact if isinstance(exact, (list, tuple)) else [None] * len(y)
        for one, other, wide in zip(x, y, exacts, strict=True):
            yield from alike(one, other, wide, call, of)
    elif type(x) is not type(y) or (x != y and not (x != x and y != y)):  # noqa: PLR0124  nan
        yield Deviation("result", f"{x!r} where PyTorch has {y!r}")


def near(
    what: str,
    x: Array,
    y: Array,
    exact: Array | None,
    call: Call,
    of: Outcome,
    terms: float = 0.0,
) -> Iterator[Deviation]:
    """How x is of another shape or type than y, or not alike up to rounding.

    exact: y in float64; x may be near either.  terms: the largest that a gradient sums.
    """
    if (x.dtype, x.shape) != (y.dtype, y.shape):
        kind = "type" if what == "result" and x.dtype != y.dtype else what
        yield Deviation(kind, f"{told(x)} where PyTorch has {told(y)}")
        if x.shape != y.shape or not {x.dtype, y.dtype} <= FLOATING:
            return
    wrong = far(what, x, y, call, of, terms)
    if exact is not None and exact.shape == y.shape and y.dtype in FLOATING:
        with np.errstate(over="ignore"):
            wrong &= far(what, x, exact.astype(y.dtype), call, of, terms)
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        said = f"{x[place]} where PyTorch has {y[place]} at {list(place)}"
        yield Deviation(what, f"{said}; {wrong.sum()} of {wrong.size} differ")


def far(what: str, x: Array, y: Array, call: Call, of: Outcome, terms: float) -> Array:
    """Where x is not y up to rounding.

    The error is relative to the largest element, since terms of a sum that cancel leave an error
    of their own size; that of an elementwise function, to the element.  Gradients are sums of terms
    as large as the results and the other gradients, but no larger than 1: those are rare.
    """
    if y.dtype not in FLOATING:
        return np.asarray(x != y)
    mine, other = x.astype(np.float64), y.astype(np.float64)
    size = np.where(np.isfinite(other), np.abs(other), 0.0)
    if not call.elementwise:
        size = np.full(size.shape, size.max(initial=0.0))
    size = np.maximum(size, min(terms, 1.0))
    dtype = y.dtype if what == "result" else of.coarsest
    if dtype.name in NARROW:
        relative = ROUNDINGS[what] * float(finfo(dtype).eps)
    else:
        relative = tolerance(dtype, of.elements)
    with np.errstate(invalid="ignore"):
        off = np.abs(mine - other)
    same = (mine == other) | (np.isnan(mine) & np.isnan(other))
    allowed = size * relative * call.wider
    return ~(same | (np.isfinite(other) & (off <= allowed)))


def largest(made: Any) -> float:
    """The largest finite number among the floating tensors."""
    arrays = [as_array(z).astype(np.float64) for z in flat(made) if z.is_floating_point()]
    return max((np.abs(x[np.isfinite(x)]).max(initial=0.0) for x in arrays), default=0.0)


def told(x: Array) -> str:
    """An array in a message."""
    return f"{x.dtype.name}{list(x.shape)}"


def check(one: Any, ours: Outcome, theirs: Outcome) -> str:
    """Whether they are `alike`, PyTorch is `lacking` a kernel, or one `differs` as is known.

    Raises: Deviation where a comparison differs that is no known exception; AssertionError if
    PyTorch refuses what the table thinks good, or takes what it thinks bad.
    """
    if one.strict and one.dtype == one.call.usual:
        assert one.call.bad == (theirs.error is not None), f"PyTorch: {theirs.error}"
    known = {e.what for e in EXCEPTIONS if e.covers(one.name, one.label, one.dtype)}
    different = [*compare(one.call, ours, theirs)]
    for found in different:
        if found.what not in known:
            raise found
    if different:
        return "differs"
    return "lacking" if theirs.error is not None and lacking(ours, theirs) else "alike"
