"""Gradients against finite differences, along random directions, as often as one differentiates.

One direction costs two evaluations, however many elements there are.  With probability one it is
not orthogonal to what a wrong gradient is wrong by.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..autograd import grad
from ..creation import held
from ..dtypes import FLOATING, float64
from ..eager import enable_grad
from ..tensor import Tensor

Function = Callable[..., Any]

# With a step h, central differences are off by h^2 / 6 of the third derivative and by eps / h of
# the value; h = eps^(1/3) makes both about eps^(2/3) = 4e-11.
STEP = 6e-6
# Third derivatives of the cases are at most some thousand times their values.
ALLOWED = 2e-7


def results_of(made: Any) -> list[Tensor]:
    """The results of a call, as a list."""
    return list(made) if isinstance(made, (tuple, list)) else [made]


def direction(x: Tensor, seed: int, i: int) -> Tensor:
    """Random odd eighths up to 15/8, which every floating type holds, like x.  [*s] -> [*s]."""
    drawn = np.random.default_rng((seed, i)).integers(-8, 8, x.shape)
    return held(np.asarray((2 * drawn + 1) / 8).astype(x.dtype), x.device)


def inner(xs: dict[int, Tensor], seed: int) -> Any:
    """The sum over all elements of x_i times their direction; 0.0 of nothing.  -> []."""
    total: Any = 0.0
    for i, x in xs.items():
        total = total + (x * direction(x, seed, i)).sum()
    return total


def projected(function: Function, seed: int) -> Function:
    """xs -> the floating results of function, times random numbers, as one sum.  -> []."""

    def value(*xs: Tensor) -> Any:
        results = enumerate(results_of(function(*xs)))
        return inner({i: z for i, z in results if z.dtype in FLOATING}, seed)

    return value


def slope(function: Function, seed: int) -> Function:
    """xs -> the derivative of function, of one number, along a random direction.  -> []."""

    def value(*xs: Tensor) -> Any:
        with enable_grad():
            return inner(gradients(function, xs, create_graph=True), seed)

    return value


def gradients(
    function: Function, xs: Sequence[Tensor], *, create_graph: bool = False
) -> dict[int, Tensor]:
    """d function / d x by backward, for each x on which function, of one number, depends."""
    leaves = [x if x.requires_grad else x.detach().requires_grad_() for x in xs]
    z = function(*leaves)
    if not isinstance(z, Tensor) or not z.requires_grad:
        return {}
    found = grad(z, leaves, create_graph=create_graph, allow_unused=True)
    return {i: g for i, g in enumerate(found) if g is not None}


def assert_gradients(
    what: str, function: Function, xs: Sequence[Tensor], *, order: int = 2, seed: int = 0
) -> None:
    """Derivatives of function by backward agree with central differences, up to the given order.

    function: of tensors, one or several results.  xs: float64, away from kinks.
    Raises: AssertionError naming the order and both values.
    """
    assert all(x.dtype is float64 for x in xs), "finite differences need float64"
    value = projected(function, seed)
    for n in range(1, order + 1):
        steps = [direction(x, seed + n, i) * STEP for i, x in enumerate(xs)]
        derivative = slope(value, seed + n)
        ahead, behind = (
            [x + s if sign > 0 else x - s for x, s in zip(xs, steps, strict=True)]
            for sign in (1, -1)
        )
        at, up, down = (float(value(*point)) for point in (xs, ahead, behind))
        numeric = (up - down) / (2 * STEP)
        allowed = ALLOWED * max(1.0, abs(numeric), abs(at))
        # Gradients that are to be differentiated take other ways than those that are not.
        last = inner(gradients(value, xs), seed + n)
        for stated in (float(last), float(derivative(*xs))):
            assert abs(numeric - stated) <= allowed, (
                f"{what}: derivative {n} along a random direction is {stated:.9g} by backward, "
                f"{numeric:.9g} by differences; off by {abs(numeric - stated):.3g} where "
                f"{allowed:.3g} is allowed"
            )
        value = derivative
