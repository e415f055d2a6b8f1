"""Winograd's minimal filtering F(4 x 4, 3 x 3): 36 multiplications where a window has 144.

    result = A' [sum over channels of (G filter G') * (B' image B)] A      of a tile, 4 x 4 results
    filter's gradient = G' [sum over tiles of (A g A') * (B' image B)] G

The matrices are those of the points 0, +-a, +-b and infinity.  With a = 3/4 and b = 3/2 all but G
are exact, and errors are a third of those of the usual 1 and 2: float32 sums of 576 products have
a root mean square error of 8e-7 of the results' own, where a plain sum of products has 3e-7; the
largest is 1.8e-6 of the largest result, instead of 6e-7.  A value that is not finite reaches all
results of its tiles.

Knows vectors alone: what their lanes are, and where they lie, is for others to know.

Source: Lavin, Gray 2016, Fast algorithms for convolutional neural networks, arXiv:1509.09308; for
the points Barabasz, Anderson, Soodhalter, Gregg 2020, Error analysis and improving the accuracy of
Winograd convolution for deep neural networks, arXiv:1803.10986.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...codegen.llvm import Fn, f32
from ...tiles import Width

RESULTS, TAPS, POINTS = 4, 3, 6  # of a tile, of a filter, and of both, along each axis
PRODUCTS = POINTS * POINTS
A, B = 0.75, 1.5
AA, BB = A * A, B * B
G_0, G_A, G_B = 1 / (AA * BB), 1 / (2 * AA * (AA - BB)), 1 / (2 * BB * (BB - AA))

Line = Callable[["Lanes", Sequence[str]], list[str]]


class Lanes:
    """Arithmetic on vectors, and the transforms along one axis."""

    def __init__(self, f: Fn, w: Width) -> None:
        self.f, self.w = f, w

    def add(self, x: str, y: str) -> str:
        """x + y."""
        return self.f.op(f"fadd {self.w.vector} {x}, {y}")

    def sub(self, x: str, y: str) -> str:
        """x - y."""
        return self.f.op(f"fsub {self.w.vector} {x}, {y}")

    def times(self, factor: float, x: str) -> str:
        """factor x."""
        return self.f.op(f"fmul {self.w.vector} {x}, {self._all(factor)}")

    def plus(self, z: str, factor: float, x: str) -> str:
        """z + factor x, rounded once."""
        name = f"llvm.fma.v{self.w.lanes}f{8 * self.w.size}"
        vector = self.w.vector
        return self.f.call(vector, name, (vector, x), (vector, self._all(factor)), (vector, z))

    def _all(self, factor: float) -> str:
        return f"splat ({self.w.ty} {f32(factor)})"

    def pair(self, even: str, factor: float, odd: str) -> list[str]:
        """even + factor odd, and even - factor odd: what two points of opposite sign come to."""
        return [self.plus(even, factor, odd), self.plus(even, -factor, odd)]


def of_image(v: Lanes, x: Sequence[str]) -> list[str]:
    """B' x: 6 pixels at the 6 points."""
    first = v.plus(v.plus(x[4], -(AA + BB), x[2]), AA * BB, x[0])
    last = v.plus(v.plus(x[5], -(AA + BB), x[3]), AA * BB, x[1])
    at_a = v.pair(v.plus(x[4], -BB, x[2]), A, v.plus(x[3], -BB, x[1]))
    at_b = v.pair(v.plus(x[4], -AA, x[2]), B, v.plus(x[3], -AA, x[1]))
    return [first, *at_a, *at_b, last]


def of_filter(v: Lanes, x: Sequence[str]) -> list[str]:
    """G x: the 3 elements of a filter at the 6 points."""
    made = [v.times(G_0, x[0])]
    for point, scale in ((A, G_A), (B, G_B)):
        even = v.times(scale, v.plus(x[0], point * point, x[2]))
        made += v.pair(even, point * scale, x[1])
    return [*made, x[2]]


def to_filter(v: Lanes, x: Sequence[str]) -> list[str]:
    """G' x: the 3 elements of a filter's gradient."""
    even_a, odd_a = v.times(G_A, v.add(x[1], x[2])), v.sub(x[1], x[2])
    even_b, odd_b = v.times(G_B, v.add(x[3], x[4])), v.sub(x[3], x[4])
    return [
        v.plus(v.add(even_a, even_b), G_0, x[0]),
        v.plus(v.times(A * G_A, odd_a), B * G_B, odd_b),
        v.plus(v.plus(x[5], AA, even_a), BB, even_b),
    ]


def to_results(v: Lanes, x: Sequence[str]) -> list[str]:
    """A' x: the 4 results."""
    even_a, odd_a = v.add(x[1], x[2]), v.sub(x[1], x[2])
    even_b, odd_b = v.add(x[3], x[4]), v.sub(x[3], x[4])
    return [
        v.add(x[0], v.add(even_a, even_b)),
        v.plus(v.times(A, odd_a), B, odd_b),
        v.plus(v.times(AA, even_a), BB, even_b),
        v.plus(v.plus(x[5], A * AA, odd_a), B * BB, odd_b),
    ]


def of_results(v: Lanes, x: Sequence[str]) -> list[str]:
    """A x: the gradients of 4 results at the 6 points."""
    made = [x[0]]
    for point in (A, B):
        square = point * point
        odd = v.plus(x[1], square, x[3])
        made += v.pair(v.plus(x[0], square, x[2]), point, odd)
    return [*made, x[3]]


def both(v: Lanes, line: Line, cells: Sequence[Sequence[str]]) -> list[list[str]]:
    """A transform along both axes of a matrix of vectors."""
    columns = [line(v, column) for column in zip(*cells, strict=True)]
    return [line(v, row) for row in zip(*columns, strict=True)]
