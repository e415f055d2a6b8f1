"""Outcome: what a call gives in one library, and how far two of them are alike."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from parity.call import Call, Maker
from parity.exceptions import EXCEPTIONS

import rushlight as rl
from rushlight.dtypes import FLOATING, as_dtype, finfo
from rushlight.testing.close import tolerance

BUILT_IN = (
    IndexError,
    ValueError,
    TypeError,
    RuntimeError,
    OverflowError,
    AttributeError,
    AssertionError,
)


# Each pass backward rounds as often as all before it.
PASSES = {"result": 1, "gradient": 2, "second gradient": 4}


class Outcome(NamedTuple):
    """What a call gave.

    first, second: gradients of the floating inputs, zeros where there is none; None if not asked.
    asks: whether each floating result requires a gradient.
    elements: of the largest input.  coarsest: the floating type among all with the largest eps.
    """

    error: Exception | None = None
    results: Any = None
    asks: tuple[bool, ...] = ()
    first: list[Any] | None = None
    second: list[Any] | None = None
    elements: int = 1
    coarsest: Any = None


def as_torch(array: np.ndarray[Any, Any], asked: bool) -> torch.Tensor:
    """A leaf of PyTorch's with these values."""
    if array.dtype.name == "bfloat16":
        x = torch.tensor(array.view("int16")).view(torch.bfloat16)
    else:
        x = torch.tensor(array)
    return x.requires_grad_() if asked and x.is_floating_point() else x


def as_ours(array: np.ndarray[Any, Any], asked: bool, layout: str = "plain") -> rl.Tensor:
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


def as_array(x: Any) -> np.ndarray[Any, Any]:
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
        zs = [z for z in zs if z is not None and z.requires_grad]
        if not zs:
            break
        seeds = [direction(maker, z, n, i) for i, z in enumerate(zs)]
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
) -> Outcome:
    """What the function of a library gives on the arguments of a call.

    parameters: what it is differentiated by, besides them.
    """
    ours = library is rl
    asked = layout == "plain" and call.order > 0

    def tensor(array: np.ndarray[Any, Any]) -> Any:
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
    """What is unlike PyTorch: `what` is error, result, type, gradient or second gradient."""

    def __init__(self, what: str, told: str) -> None:
        super().__init__(f"{what}: {told}")
        self.what = what


def compare(call: Call, ours: Outcome, theirs: Outcome) -> None:
    """Raises: Deviation where ours is not PyTorch's."""
    if theirs.error is not None:
        if ours.error is None and "not implemented for '" in str(theirs.error):
            return  # PyTorch lacks a kernel, and refuses nothing
        wanted = next(kind for kind in BUILT_IN if isinstance(theirs.error, kind))
        # PyTorch's own slips: an attribute of what is no tensor, an assertion
        wanted = {AttributeError: TypeError, AssertionError: ValueError}.get(wanted, wanted)
        if not isinstance(ours.error, wanted):
            said = str(theirs.error).partition("\n")[0][:120]
            got = "a result" if ours.error is None else repr(ours.error)
            raise Deviation("error", f"{got} where PyTorch raises {wanted.__name__}: {said}")
        return
    if ours.error is not None:
        raise Deviation("error", f"{ours.error!r} where PyTorch has a result")
    alike("result", ours.results, theirs.results, call, theirs)
    if ours.asks != theirs.asks:
        raise Deviation("gradient", f"requires_grad {ours.asks} where PyTorch has {theirs.asks}")
    for what, mine, other in (
        ("gradient", ours.first, theirs.first),
        ("second gradient", ours.second, theirs.second),
    ):
        if isinstance(other, Exception) or (mine is None and other is None):
            continue  # what PyTorch cannot differentiate is not compared
        if isinstance(mine, Exception):
            raise Deviation(what, repr(mine))
        n = len(mine or other or [])
        for x, y in zip(mine or [None] * n, other or [None] * n, strict=True):
            if x is None and y is None:
                continue
            like = as_array(x if y is None else y)
            a, b = (np.zeros_like(like) if g is None else as_array(g) for g in (x, y))
            near(what, a, b, call, theirs)


def alike(what: str, x: Any, y: Any, call: Call, of: Outcome) -> None:
    """Raises: Deviation unless x, of rushlight, is what y is in PyTorch."""
    if isinstance(y, torch.Tensor):
        if not isinstance(x, rl.Tensor):
            raise Deviation(what, f"{type(x).__name__} where PyTorch has a tensor")
        a, b = as_array(x), as_array(y)
        if call.drawn and told(a) == told(b):
            return
        near(what, a, b, call, of)
    elif isinstance(y, np.ndarray):
        near(what, x, y, call, of)
    elif isinstance(y, torch.dtype):
        if getattr(x, "name", x) != str(y).removeprefix("torch."):
            raise Deviation(what, f"{x} where PyTorch has {y}")
    elif isinstance(y, (list, tuple)):
        fields = getattr(x, "_fields", ())
        if not isinstance(x, (list, tuple)) or len(x) != len(y):
            raise Deviation(what, f"{x!r:.80} where PyTorch has {len(y)} results")
        if type(y).__module__ == "torch.return_types":
            names = {name for name in vars(type(y)) if not name.startswith(("_", "n_"))}
            if names != set(fields):
                raise Deviation(what, f"results named {fields} where PyTorch has {sorted(names)}")
        for one, other in zip(x, y, strict=True):
            alike(what, one, other, call, of)
    elif type(x) is not type(y) or (x != y and not (x != x and y != y)):  # noqa: PLR0124  nan
        raise Deviation(what, f"{x!r} where PyTorch has {y!r}")


def near(
    what: str, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any], call: Call, of: Outcome
) -> None:
    """Raises: Deviation unless of one shape and type, and alike up to rounding.

    Errors are those of sums over the inputs, relative to the largest of the result and of 1: the
    inputs are about as large, and what cancels leaves an error of their size.
    """
    if (x.dtype, x.shape) != (y.dtype, y.shape):
        kind = "type" if what == "result" and x.dtype != y.dtype else what
        raise Deviation(kind, f"{told(x)} where PyTorch has {told(y)}")
    if y.dtype in FLOATING:
        mine, other = x.astype(np.float64), y.astype(np.float64)
        finite = np.isfinite(other)
        size = max(1.0, np.abs(other[finite]).max(initial=0.0))
        coarse = of.coarsest if what != "result" else y.dtype
        wider = call.wider * PASSES[what]
        allowed = np.where(finite, size * tolerance(coarse, of.elements) * wider, 0.0)
        with np.errstate(invalid="ignore"):
            off = np.abs(mine - other)
        same = (mine == other) | (np.isnan(mine) & np.isnan(other))
        wrong = ~(same | (off <= allowed))
    else:
        mine, other = x, y
        wrong = x != y
    if wrong.any():
        place = tuple(int(i) for i in np.argwhere(wrong)[0])
        said = f"{mine[place]} where PyTorch has {other[place]} at {list(place)}"
        raise Deviation(what, f"{said}; {wrong.sum()} of {wrong.size} differ")


def told(x: np.ndarray[Any, Any]) -> str:
    """An array in a message."""
    return f"{x.dtype.name}{list(x.shape)}"


def check(one: Any, ours: Outcome, theirs: Outcome) -> None:
    """Raises: Deviation where a comparison differs that is no known exception.

    AssertionError if PyTorch refuses what the table thinks good, or takes what it thinks bad.
    """
    if one.strict and one.dtype == one.call.usual:
        assert one.call.bad == (theirs.error is not None), f"PyTorch: {theirs.error}"
    try:
        compare(one.call, ours, theirs)
    except Deviation as found:
        known = [e for e in EXCEPTIONS if e.covers(one.name, one.label, one.dtype)]
        if found.what not in {e.what for e in known}:
            raise
