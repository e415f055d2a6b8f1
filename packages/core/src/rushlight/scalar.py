"""Scalar: automatic differentiation of one number at a time, by the walk that tensors take.

Knows no tensor.  Read this file to learn how differentiation works: tensors add shapes, no more.

**Forward.**  A computation is a graph: numbers are made of numbers, by functions.

    x = Scalar(3.0)              x --+-----------------+
    y = Scalar(4.0)                  Mul -- x * y -- Add -- z
    z = x * y + x                y --+

While z is computed, each call of a function leaves a `Node` behind: which function it was, what
that function saved for later (its `Context`), and the nodes of the numbers it was given.  Nodes
point from results to inputs, so z alone keeps its whole history: the tape.

**Backward.**  How much does z change when x changes a little: what is dz/dx?  The answer is found
from the other end, where dz/dz = 1.  A function that made u of a and b knows du/da and du/db; told
dz/du, its `backward` returns dz/da = dz/du du/da and dz/db = dz/du du/db.  That is the chain rule,
and it is all that a function must know.  A number that was used twice, as x is here, is told two
derivatives, and they add up:

    Add, told dz/dz = 1:        dz/d(x * y) = 1    dz/dx = 1
    Mul, told dz/d(x * y) = 1:  dz/dx = y = 4      dz/dy = x = 3
    together:                   dz/dx = 5          dz/dy = 3

>>> x, y = Scalar(3.0), Scalar(4.0)
>>> z = x * y + x
>>> z.backward()
>>> x.derivative, y.derivative
(5.0, 3.0)

Order matters: a number can hand its derivative on only when all that it was used for has reported.
`autograd.tape.walk` sees to that, by counting, and without recursion, so that the length of a
chain is bounded by memory only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any, TypeAlias
from weakref import ref

from .autograd.tape import walk
from .errors import ContractError, NoGradient, WrongGradient
from .node import END, Leaf, Node
from .spec import several

ScalarLike: TypeAlias = "Scalar | float | Real"  # numpy's numbers are Real


class Context:
    """What `forward` leaves for `backward`.

    saved_values: what was saved, always a tuple: `(a,) = ctx.saved_values` for one value.
    """

    saved_values: tuple[Any, ...] = ()

    def save_for_backward(self, *values: Any) -> None:
        """Keep values; backward finds them in `saved_values`."""
        self.saved_values = values


class Scalar:
    """A number that remembers how it was made.

    One that a user makes is a variable: it asks for its derivative.  One that is computed leads to
    the variables it was computed from; if there are none, it is a constant.

    data: the value.
    derivative: of a variable, what `backward()` has added up here; None before.
    name: shown, and nothing else.

    Arithmetic is Python's, and so is what it refuses: 1 / 0, the logarithm of 0, an overflow.  The
    errors are ZeroDivisionError, OverflowError, and ContractError where Python has ValueError.
    """

    __slots__ = ("__weakref__", "_node", "data", "derivative", "name")
    data: float
    derivative: float | None
    name: str
    _node: Node | None  # how it was made: a Leaf for a variable, None for a constant

    def __init__(self, data: float | Real, name: str = "") -> None:
        if not isinstance(data, Real):
            raise ContractError(
                f"Scalar: {type(data).__name__} is no number; give an int or a float"
            )
        self.data, self.name = float(data), name
        self.derivative = self._node = None
        self.requires_grad_()

    def requires_grad_(self, requires_grad: bool = True) -> Scalar:
        """Make this a variable, or a constant.  Raises: ContractError for what was computed."""
        if self.parents:
            raise ContractError(
                "requires_grad_: this number was computed; tell the variables it was computed from"
            )
        self._node = None
        if requires_grad:
            self._node = leaf = Leaf()
            leaf.op, leaf.edges, leaf.saved, leaf.tensor = END, (), ((),), ref(self)
        return self

    # -- the graph

    def is_constant(self) -> bool:
        """Whether no derivative is asked of this number."""
        return self._node is None

    def is_leaf(self) -> bool:
        """Whether this is a variable: it asks for its derivative, and nothing made it."""
        return isinstance(self._node, Leaf)

    @property
    def parents(self) -> tuple[Scalar, ...]:
        """The numbers it was made of; none for variables and constants."""
        return self._node.saved[0] if self._node is not None else ()

    @property
    def unique_id(self) -> int:
        """Tells this number from all others, equal ones included."""
        return id(self)

    def chain_rule(self, d_output: float) -> list[tuple[Scalar, float]]:
        """Each parent with its derivative, given this number's own: one step of the walk.

        >>> x, y = Scalar(3.0, "x"), Scalar(4.0, "y")
        >>> (x * y).chain_rule(10.0)
        [(Scalar(3.0, name='x'), 40.0), (Scalar(4.0, name='y'), 30.0)]
        """
        if self._node is None or isinstance(self._node, Leaf):
            return []
        return list(zip(self.parents, self._node.op.cotangents(self._node, d_output), strict=True))

    def backward(self, d_output: float = 1.0) -> None:
        """Add d self / d variable, times d_output, to the `derivative` of every variable.

        The tape stays, to be looked at or walked again.
        Raises: NoGradient for a constant.
        """
        if self._node is None:
            raise NoGradient(
                "backward: this number is a constant; compute it from a variable, as Scalar(2.0) is"
            )
        for node, derivative in walk({self._node: d_output}, as_it_is, keep=True).items():
            variable = node.tensor() if isinstance(node, Leaf) else None
            if variable is not None:
                variable.accumulate_derivative(derivative)

    def accumulate_derivative(self, d_output: float) -> None:
        """Add to the derivative.  Raises: ContractError unless this is a variable."""
        if not self.is_leaf():
            raise ContractError(
                "accumulate_derivative: this number is no variable; only variables keep derivatives"
            )
        self.derivative = d_output if self.derivative is None else self.derivative + d_output

    # -- what Python writes with operators

    def __add__(self, other: ScalarLike) -> Scalar:
        return Add.apply(self, other)

    def __radd__(self, other: float) -> Scalar:
        return Add.apply(other, self)

    def __sub__(self, other: ScalarLike) -> Scalar:
        return Add.apply(self, Neg.apply(other))

    def __rsub__(self, other: float) -> Scalar:
        return Add.apply(other, Neg.apply(self))

    def __mul__(self, other: ScalarLike) -> Scalar:
        return Mul.apply(self, other)

    def __rmul__(self, other: float) -> Scalar:
        return Mul.apply(other, self)

    def __truediv__(self, other: ScalarLike) -> Scalar:
        return Div.apply(self, other)

    def __rtruediv__(self, other: float) -> Scalar:
        return Div.apply(other, self)

    def __pow__(self, other: ScalarLike) -> Scalar:
        return Pow.apply(self, other)

    def __rpow__(self, other: float) -> Scalar:
        return Pow.apply(other, self)

    def __neg__(self) -> Scalar:
        return Neg.apply(self)

    def __lt__(self, other: ScalarLike) -> Scalar:
        return LT.apply(self, other)

    def __gt__(self, other: ScalarLike) -> Scalar:
        return LT.apply(other, self)

    def __eq__(self, other: object) -> Scalar:  # type: ignore[override]  # a Scalar, as of <
        return EQ.apply(self, other) if isinstance(other, (Scalar, Real)) else NotImplemented

    __hash__ = object.__hash__

    def __bool__(self) -> bool:
        return bool(self.data)

    def __float__(self) -> float:
        return self.data

    def __repr__(self) -> str:
        return f"Scalar({self.data}, name={self.name!r})" if self.name else f"Scalar({self.data})"

    # -- functions of one number

    def log(self) -> Scalar:
        """The natural logarithm."""
        return Log.apply(self)

    def exp(self) -> Scalar:
        """e to this power."""
        return Exp.apply(self)

    def sigmoid(self) -> Scalar:
        """1 / (1 + exp(-self))."""
        return Sigmoid.apply(self)

    def relu(self) -> Scalar:
        """max(self, 0)."""
        return ReLU.apply(self)


def as_it_is(g: float, _: Node) -> float:
    """A derivative, which fits every node: numbers have no shape to be mended."""
    return g


def constant(data: float | Real) -> Scalar:
    """A number of which no derivative is asked."""
    return Scalar(data).requires_grad_(False)


class ScalarFunction:
    """A differentiable function of numbers: derive, state `forward` and `backward`, call `apply`.

    forward(ctx, *values) computes with plain floats, and saves in ctx what backward will need.
    backward(ctx, d_output) is told dz / d result, for whatever z, and returns dz / d value: one
    number, or for several values a tuple of numbers.

    >>> class Square(ScalarFunction):
    ...     @staticmethod
    ...     def forward(ctx, a):
    ...         ctx.save_for_backward(a)
    ...         return a * a
    ...
    ...     @staticmethod
    ...     def backward(ctx, d_output):
    ...         (a,) = ctx.saved_values
    ...         return d_output * 2 * a
    >>> x = Scalar(3.0)
    >>> Square.apply(x).backward()
    >>> x.derivative
    6.0
    """

    @staticmethod
    def forward(ctx: Context, *values: Any) -> Any:
        """The result, a float."""
        raise NotImplementedError("state forward(ctx, *values)")

    @staticmethod
    def backward(ctx: Context, d_output: Any) -> Any:
        """The derivatives of the values, given that of the result."""
        raise NotImplementedError("state backward(ctx, d_output)")

    @classmethod
    def apply(cls, *values: ScalarLike) -> Scalar:
        """forward(ctx, *values), remembered for derivatives; plain numbers are constants."""
        parents = tuple([x if isinstance(x, Scalar) else constant(x) for x in values])
        ctx = Context()
        z = constant(arithmetic(cls, parents, cls.forward, ctx, *[x.data for x in parents]))
        edges = tuple([x._node for x in parents])
        if any(edges):
            z._node = node = Node()
            node.op, node.edges, node.saved = Application(cls, ctx), edges, (parents,)
        return z


def arithmetic(
    function: type[ScalarFunction], given: tuple[Scalar, ...], call: Callable[..., Any], *args: Any
) -> Any:
    """call(*args), of a function of these numbers.  Raises: what Python does, saying of what."""
    try:
        return call(*args)
    except (ArithmeticError, ValueError) as error:
        if function not in NEEDS:
            raise
        kind = ContractError if isinstance(error, ValueError) else type(error)
        values = ", ".join([str(x.data) for x in given])
        raise kind(f"{function.__name__.lower()}: {values}; {NEEDS[function]}") from error


class Application:
    """One call of a function, as the walk knows it: the operation of its node."""

    def __init__(self, function: type[ScalarFunction], ctx: Context) -> None:
        self.function, self.ctx = function, ctx
        self.name = function.__name__

    def cotangents(self, node: Node, g: float) -> tuple[float, ...]:
        """One derivative per input.  Raises: ContractError if backward returns more, or fewer."""
        given = arithmetic(self.function, node.saved[0], self.function.backward, self.ctx, g)
        given = given if isinstance(given, tuple) else (given,)
        if len(given) != len(node.edges):
            raise ContractError(
                f"{self.name}.backward: {several(len(given), 'derivative')} for "
                f"{several(len(node.edges), 'value')} of forward; return one for each"
            )
        return given


# -- the functions: d is dz / d result


class Add(ScalarFunction):
    """a + b."""

    @staticmethod
    def forward(ctx: Context, a: float, b: float) -> float:
        return a + b

    @staticmethod
    def backward(ctx: Context, d: float) -> tuple[float, float]:
        return d, d


class Neg(ScalarFunction):
    """-a."""

    @staticmethod
    def forward(ctx: Context, a: float) -> float:
        return -a

    @staticmethod
    def backward(ctx: Context, d: float) -> float:
        return -d


class Mul(ScalarFunction):
    """a b."""

    @staticmethod
    def forward(ctx: Context, a: float, b: float) -> float:
        ctx.save_for_backward(a, b)
        return a * b

    @staticmethod
    def backward(ctx: Context, d: float) -> tuple[float, float]:
        a, b = ctx.saved_values
        return d * b, d * a


class Div(ScalarFunction):
    """a / b."""

    @staticmethod
    def forward(ctx: Context, a: float, b: float) -> float:
        ctx.save_for_backward(a / b, b)
        return a / b

    @staticmethod
    def backward(ctx: Context, d: float) -> tuple[float, float]:
        z, b = ctx.saved_values
        return d / b, -d * z / b


class Pow(ScalarFunction):
    """a to the power b; of a negative a there is no derivative by b, and nan is returned for it."""

    @staticmethod
    def forward(ctx: Context, a: float, b: float) -> float:
        z = math.pow(a, b)
        ctx.save_for_backward(a, b, z)
        return z

    @staticmethod
    def backward(ctx: Context, d: float) -> tuple[float, float]:
        a, b, z = ctx.saved_values
        by_a = d * b * math.pow(a, b - 1) if b else 0.0
        by_b = d * z * math.log(a) if a > 0 else 0.0 if a == 0 else math.nan
        return by_a, by_b


class Log(ScalarFunction):
    """The natural logarithm of a."""

    @staticmethod
    def forward(ctx: Context, a: float) -> float:
        ctx.save_for_backward(a)
        return math.log(a)

    @staticmethod
    def backward(ctx: Context, d: float) -> float:
        a: float = ctx.saved_values[0]
        return d / a


class Exp(ScalarFunction):
    """e to the power a."""

    @staticmethod
    def forward(ctx: Context, a: float) -> float:
        z = math.exp(a)
        ctx.save_for_backward(z)
        return z

    @staticmethod
    def backward(ctx: Context, d: float) -> float:
        z: float = ctx.saved_values[0]
        return d * z


NEEDS: dict[type[ScalarFunction], str] = {
    Div: "give a divisor other than 0",
    Pow: "give a base greater than 0, or a whole exponent, whose power is below 1.8e308",
    Log: "give a number greater than 0",
    Exp: "give a number below 709.8, since e to it is at most 1.8e308",
}


class Sigmoid(ScalarFunction):
    """1 / (1 + exp(-a)), without overflow: of a negative a, exp(a) / (1 + exp(a)) is the same."""

    @staticmethod
    def forward(ctx: Context, a: float) -> float:
        e = math.exp(-abs(a))
        z = (1.0 if a >= 0 else e) / (1.0 + e)
        ctx.save_for_backward(z)
        return z

    @staticmethod
    def backward(ctx: Context, d: float) -> float:
        z: float = ctx.saved_values[0]
        return d * z * (1.0 - z)


class ReLU(ScalarFunction):
    """max(a, 0); derivative 0 at 0."""

    @staticmethod
    def forward(ctx: Context, a: float) -> float:
        ctx.save_for_backward(a)
        return max(a, 0.0)

    @staticmethod
    def backward(ctx: Context, d: float) -> float:
        (a,) = ctx.saved_values
        return d if a > 0 else 0.0


class LT(ScalarFunction):
    """1 if a < b, else 0; derivative 0."""

    @staticmethod
    def forward(ctx: Context, a: float, b: float) -> float:
        return float(a < b)

    @staticmethod
    def backward(ctx: Context, d: float) -> tuple[float, float]:
        return 0.0, 0.0


class EQ(LT):
    """1 if a == b, else 0; derivative 0."""

    @staticmethod
    def forward(ctx: Context, a: float, b: float) -> float:
        return float(a == b)


# -- is a derivative right?


def central_difference(
    f: Callable[..., Any], *vals: Any, arg: int = 0, epsilon: float = 1e-6
) -> Any:
    """(f(.., v + epsilon, ..) - f(.., v - epsilon, ..)) / (2 epsilon), v the value in place arg.

    Its error is of the order of epsilon^2 f''' by the formula and 1e-16 f / epsilon by rounding.
    """
    above, below = list(vals), list(vals)
    above[arg] = vals[arg] + epsilon
    below[arg] = vals[arg] - epsilon
    return (f(*above) - f(*below)) / (2 * epsilon)


def derivative_check(f: Callable[..., Scalar], *scalars: ScalarLike) -> None:
    """Compare the derivatives of f by backward() with central differences, at these values.

    Raises: WrongGradient, an AssertionError, where they differ by more than 1e-4, both absolutely
    and relatively.
    """
    values = [float(x) for x in scalars]
    variables = [Scalar(value) for value in values]
    f(*variables).backward()

    def plain(*at: float) -> float:
        return float(f(*map(constant, at)))

    for i, variable in enumerate(variables):
        expected, got = central_difference(plain, *values, arg=i), variable.derivative or 0.0
        if not math.isclose(got, expected, rel_tol=1e-4, abs_tol=1e-4):
            name = getattr(f, "__name__", type(f).__name__)
            raise WrongGradient(
                f"derivative_check: {name}({', '.join(map(str, values))}) by argument {i}: "
                f"expected {expected:.6g} from central differences, got {got:.6g} from backward(); "
                f"correct backward(), or move the argument off a kink"
            )
