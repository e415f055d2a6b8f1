"""How a tensor shows itself: PyTorch's repr.  Knows no numpy, only nested lists of Python values.

Two things are decided for a whole tensor, as PyTorch decides them: which of its numbers are shown
(`corners`), and how they are written (`Style`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import isfinite
from typing import TYPE_CHECKING, Any, NamedTuple

from . import dtypes
from .errors import TracingError
from .plugins import REFERENCE

if TYPE_CHECKING:
    from .node import Node
    from .tensor import Tensor

DIGITS = 4  # after the point
SUMMARISED = 1000  # elements above which only corners are shown
EDGE = 3  # elements at either end of a dim of which only corners are shown
LINE = 80  # characters
EVIDENT = {dtypes.float32, dtypes.int64, dtypes.bool_}  # types that the numbers themselves tell
OPENING = "tensor("


def shown(x: Tensor) -> str:
    """The tensor as text: its values, and what is not evident from them.

    >>> import rushlight as rl
    >>> rl.tensor([[1.0, 2.5], [float("nan"), -1.0]], dtype=rl.float64)
    tensor([[ 1.0000,  2.5000],
            [    nan, -1.0000]], dtype=float64)
    """
    try:
        every = x.values("repr")
    except TracingError:
        return f"{OPENING}<traced>, {x.spec})"
    body = "[]"
    if x.numel():
        values = corners(every, x.numel() > SUMMARISED)
        how = style(list(leaves(values)), x.is_floating_point())
        body = block(values, x.ndim, len(OPENING), how)
    return with_suffixes(OPENING + body, suffixes(x))


class Style(NamedTuple):
    """How each number is written: a format, what is put behind, and the width of the widest."""

    how: str
    point: str
    width: int

    def text(self, value: Any) -> str:
        """A number, right-aligned."""
        text = format(value, self.how) if self.how else str(value)
        return (text + self.point if self.point and isfinite(value) else text).rjust(self.width)


def style(values: Sequence[Any], floating: bool) -> Style:
    """How to write these numbers.

    Floating ones have an exponent if their sizes span more than a factor of 1000, or leave 1e-4 to
    1e8; else they are integers with a point if all of them are whole, else they have four digits.
    Only finite numbers other than 0 are looked at, also for the width.
    """
    if not floating:
        return Style("", "", max(len(str(value)) for value in values))
    telling = [value for value in values if value and isfinite(value)]
    if not telling:
        return Style(".0f", ".", 1)
    sizes = [abs(value) for value in telling]
    low, high = min(sizes), max(sizes)
    if high / low > 1000.0 or high > 1e8 or low < 1e-4:
        chosen = Style(f".{DIGITS}e", "", 0)
    elif all(value.is_integer() for value in telling):
        chosen = Style(".0f", ".", 0)
    else:
        chosen = Style(f".{DIGITS}f", "", 0)
    return chosen._replace(width=max(len(chosen.text(value)) for value in telling))


def corners(values: Any, summarised: bool) -> Any:
    """The values that are shown, as nested lists; `...` stands for those left out."""
    if not values.ndim:
        return float(values) if values.dtype in dtypes.FLOATING else values.item()
    if not summarised or len(values) <= 2 * EDGE:
        return [corners(row, summarised) for row in values]
    ends = [[corners(row, summarised) for row in part] for part in (values[:EDGE], values[-EDGE:])]
    return [*ends[0], ..., *ends[1]]


def leaves(values: Any) -> Iterator[Any]:
    """The numbers in nested lists."""
    if isinstance(values, list):
        for row in values:
            yield from leaves(row)
    elif values is not ...:
        yield values


def block(values: Any, ndim: int, indent: int, how: Style) -> str:
    """Nested lists as text: rows below each other, a blank line more for each further dim."""
    if ndim == 0:
        return how.text(values)
    if ndim == 1:
        texts = [" ..." if value is ... else how.text(value) for value in values]
        per_line = max(1, (LINE - indent) // (how.width + 2))  # each with a comma and a space
        parts: Iterable[str] = (
            ", ".join(texts[i : i + per_line]) for i in range(0, len(texts), per_line)
        )
    else:
        parts = ("..." if row is ... else block(row, ndim - 1, indent + 1, how) for row in values)
    apart = "," + "\n" * max(1, ndim - 1) + " " * (indent + 1)
    return f"[{apart.join(parts)}]"


def suffixes(x: Tensor) -> Iterator[str]:
    """What the values do not tell."""
    if x.device.name != REFERENCE:
        yield f"device='{x.device}'"
    if not x.numel() and x.ndim != 1:
        yield f"size={x.shape}"
    if x.dtype not in EVIDENT or (not x.numel() and x.dtype is not dtypes.default_float):
        yield f"dtype={x.dtype.name}"
    if x.grad_fn is not None:
        yield f"grad_fn=<{title(x.grad_fn)}>"
    elif x.requires_grad:
        yield "requires_grad=True"


def title(node: Node) -> str:
    """PyTorch's name of a step: AddBackward0 for the operation add, MyBackward for a Function My.

    PyTorch numbers the overloads of an operation; here it has one form, numbered 0.
    """
    if node.name[:1].isupper():
        return f"{node.name}Backward"
    words = node.name.replace(".", "_").split("_")
    return "".join(map(str.capitalize, words)) + "Backward0"


def with_suffixes(text: str, more: Iterable[str]) -> str:
    """The text, its suffixes, each on a new line where the last one is full, and the bracket."""
    used = len(text) - text.rfind("\n") + 1  # PyTorch counts the line so, and what follows a comma
    for suffix in more:
        if used + len(suffix) + 2 > LINE:
            text += ",\n" + " " * len(OPENING) + suffix
            used = len(OPENING) + len(suffix)
        else:
            text += ", " + suffix
            used += len(suffix) + 2
    return text + ")"
