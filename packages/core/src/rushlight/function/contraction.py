"""Sums of products by labelled dims: einsum."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_lowercase, ascii_uppercase
from typing import TYPE_CHECKING, Any

from .. import ops
from ..errors import ContractError, WrongType
from ..spec import size
from .given import together
from .indexing import matmul
from .movement import diagonal

if TYPE_CHECKING:
    from ..tensor import Tensor

__all__ = ["einsum"]

Labels = tuple[str, ...]  # one for each dim of a tensor
Path = list[tuple[int, ...]]
LETTERS = ascii_uppercase + ascii_lowercase


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Products summed over labels that the result has not: "ij,jk->ik".  [*s], [*t], .. -> [*u].

    "..." stands for dims that stretch to meet.  Without "->" the labels that occur once remain, in
    alphabetical order.  Three operands or more are multiplied in the order that opt_einsum finds,
    where that is installed, else from left to right.
    Numbers from 0 to 51 may be labels too: einsum(x, [0, 1], y, [1, 2], [0, 2]).
    Raises: ContractError for an equation that does not fit the operands.
    """
    if hasattr(equation, "_data"):
        equation, operands = written((equation, *operands))
    given = operands
    if len(operands) == 1 and isinstance(operands[0], (tuple, list)):
        given = tuple(operands[0])
    if not given or not isinstance(equation, str):
        said = equation if isinstance(equation, str) else type(equation).__name__
        raise WrongType(f"einsum: {said!r} without tensors; give an equation and tensors")
    together("einsum", *given)
    terms, wanted = labelled(equation, given)
    sizes = lengths(equation, terms, given)
    held = [once(term, x, sizes) for term, x in zip(terms, given, strict=True)]
    for pair in path(terms, wanted, sizes):
        (xs, x), (ys, y) = (held[i] for i in sorted(pair))
        held = [one for i, one in enumerate(held) if i not in pair]
        held.append(product(xs, x, ys, y, {*wanted}.union(*[term for term, _ in held])))
    term, x = summed(*held[0], set(wanted))
    return ops.permute(x, tuple([term.index(label) for label in wanted]))


def written(given: tuple[Any, ...]) -> tuple[str, tuple[Any, ...]]:
    """The equation of numbers behind each operand, and the operands."""
    count = len(given) // 2
    labels = *given[1 : 2 * count : 2], *given[2 * count :]
    try:
        terms = ["".join(["..." if i is Ellipsis else LETTERS[i] for i in each]) for each in labels]
    except (IndexError, TypeError):
        raise ContractError(f"einsum: labels {labels}; give lists of 0 to 51 and ...") from None
    arrow = "->" + terms[-1] if len(terms) > count else ""
    return ",".join(terms[:count]) + arrow, given[: 2 * count : 2]


def labelled(equation: str, xs: Sequence[Tensor]) -> tuple[list[Labels], Labels]:
    """The labels of each operand's dims and of the result's; those of "..." count from its end."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    given = left.split(",")
    if len(given) != len(xs):
        raise ContractError(f"einsum: {equation!r} for {len(xs)} operands; give {len(given)}")
    terms = [spelled(equation, term, x.ndim) for term, x in zip(given, xs, strict=True)]
    every = [label for term in terms for label in term]
    dots = sorted({label for label in every if len(label) > 1}, reverse=True)
    if not arrow:
        alone = sorted(label for label in set(every) if len(label) == 1 and every.count(label) == 1)
        return terms, (*dots, *alone)
    hidden = len(dots) if "..." in right else 0
    wanted = spelled(equation, right, len(right.replace("...", "")) + hidden)
    for label in wanted:
        if label not in every or wanted.count(label) > 1:
            raise ContractError(
                f"einsum: the result's {label!r} in {equation!r}; name labels of operands once"
            )
    return terms, wanted


def spelled(equation: str, term: str, ndim: int) -> Labels:
    """The labels of one operand of ndim dims."""
    before, dots, after = term.partition("...")
    hidden = ndim - len(before) - len(after)
    if hidden < 0 or (hidden and not dots):
        raise ContractError(
            f"einsum: {term!r} in {equation!r} for {ndim} dims; give a label for each"
        )
    if not all(label.isascii() and label.isalpha() for label in before + after):
        raise ContractError(f"einsum: {term!r} in {equation!r}; labels are letters")
    return (*before, *[f".{i:02}" for i in reversed(range(hidden))], *after)


def lengths(equation: str, terms: Sequence[Labels], xs: Sequence[Tensor]) -> dict[str, int]:
    """The length of each label.  Raises: ContractError for two that do not meet."""
    found: dict[str, int] = {}
    for term, x in zip(terms, xs, strict=True):
        for label, n in zip(term, x.shape, strict=True):
            known = found.get(label, 1)
            if n != 1 and known not in (1, n):
                raise ContractError(
                    f"einsum: {label!r} has lengths {known} and {n} in {equation!r}; make them "
                    f"equal"
                )
            found[label] = n if known == 1 else known
    return found


def once(term: Labels, x: Tensor, sizes: dict[str, int]) -> tuple[Labels, Tensor]:
    """An operand stretched to the lengths of its labels, a diagonal where one is repeated."""
    x = ops.expand(x, tuple([sizes[label] for label in term]))
    for label in dict.fromkeys(term):
        while term.count(label) > 1:
            i = term.index(label)
            j = term.index(label, i + 1)
            x = diagonal(x, 0, i, j)
            term = (*term[:i], *term[i + 1 : j], *term[j + 1 :], label)
    return term, x


def path(terms: Sequence[Labels], wanted: Labels, sizes: dict[str, int]) -> Path:
    """Which two are multiplied next; their product comes last in the list."""
    count = len(terms)
    plain: Path = [(0, count - i - 1 if i else 1) for i in range(count - 1)]
    if count < 3:
        return plain
    try:
        import opt_einsum
    except ImportError:
        return plain
    letters = {label: opt_einsum.get_symbol(i) for i, label in enumerate(sizes)}
    left = ",".join("".join(letters[x] for x in dict.fromkeys(term)) for term in terms)
    shapes = [tuple([sizes[x] for x in dict.fromkeys(term)]) for term in terms]
    right = "".join(letters[x] for x in wanted)
    found: Path
    found, _ = opt_einsum.contract_path(f"{left}->{right}", *shapes, shapes=True, optimize="greedy")
    return found if all(len(pair) == 2 for pair in found) else plain


def summed(term: Labels, x: Tensor, rest: set[str]) -> tuple[Labels, Tensor]:
    """An operand without the labels that nothing else asks for."""
    lost = tuple([i for i, label in enumerate(term) if label not in rest])
    if not lost:
        return term, x
    return tuple([label for label in term if label in rest]), ops.sum(x, lost, False)


def product(xs: Labels, x: Tensor, ys: Labels, y: Tensor, rest: set[str]) -> tuple[Labels, Tensor]:
    """Two operands multiplied as matrices, over the labels that both have and nothing else asks."""
    xs, x = summed(xs, x, rest | set(ys))
    ys, y = summed(ys, y, rest | set(xs))
    batch = [label for label in xs if label in ys and label in rest]
    inner = [label for label in xs if label in ys and label not in rest]
    left = [label for label in xs if label not in ys]
    right = [label for label in ys if label not in xs]
    sizes = dict(zip((*xs, *ys), (*x.shape, *y.shape), strict=True))
    b, m, k, n = (
        size(tuple([sizes[label] for label in part])) for part in (batch, left, inner, right)
    )
    x = ops.permute(x, tuple([xs.index(label) for label in (*batch, *left, *inner)]))
    y = ops.permute(y, tuple([ys.index(label) for label in (*batch, *inner, *right)]))
    x, y = ops.reshape(x, (b, m, k)), ops.reshape(y, (b, k, n))
    z = matmul(x, y) if inner else ops.mul(x, y)  # [b, m, 1] * [b, 1, n]
    made = (*batch, *left, *right)
    return made, ops.reshape(z, tuple([sizes[label] for label in made]))
