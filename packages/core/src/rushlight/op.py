"""How an operation is stated: once, as a contract or in terms of others, with its gradient.

Knows neither what is inside a tensor nor what a backend is: those meet in the interpreter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, overload

from . import pullback, straight
from .errors import WrongType
from .pullback import names_of
from .spec import Spec

operations: dict[str, Operation] = {}
Rule = Callable[..., Any]
F = TypeVar("F", bound=Callable[..., Any])
REMEMBERED = 4096  # contracts kept per operation; a program with more shapes starts afresh

if TYPE_CHECKING:  # of no use when the program runs, and making them takes time
    from typing import Protocol

    from .tensor import Tensor

    class Statement(Protocol):
        """What `@primitive` and `@composite` make: a function that is told more about itself."""

        op: Operation

        def __call__(self, *inputs: Any, **params: Any) -> Tensor: ...
        def gradients(self, **rules: Rule | None) -> None: ...
        def vjp(self, rule: F) -> F: ...
        def residuals(self, *names: str) -> Callable[[F], F]: ...
        def view(self, put: Rule) -> None: ...


class Operation:
    """A statement with its gradient.

    name: of the statement; also the key of its kernel.
    inputs, params: names of the tensor inputs (positional) and of the parameters (keyword-only).
    promotes: brings the inputs to one element type; None: they must agree, and no number is taken.
    floating: computes in floating point only.
    constant: its result never asks for a gradient.
    required: every backend has a kernel; else core computes it on the reference backend.
    numbers: inputs that are Python numbers by nature: a seed, a learning rate.
    free: inputs that need not have the element type of the others: an index, a condition.
    """

    has_body = False  # whether the statement is made of operations

    def __init__(
        self,
        statement: Callable[..., Any],
        *,
        name: str | None = None,
        promotes: Callable[..., tuple[Any, ...]] | None = None,
        floating: bool = False,
        constant: bool = False,
        required: bool = True,
        numbers: Iterable[str] = (),
        free: Iterable[str] = (),
    ) -> None:
        self.name = name or statement.__name__
        self.statement = statement
        self.promotes, self.floating, self.constant = promotes, floating, constant
        self.required = required
        self.free = frozenset(free)
        self.numbers = frozenset(numbers)
        code = statement.__code__
        self.inputs = code.co_varnames[: code.co_argcount]
        self.params = code.co_varnames[code.co_argcount :][: code.co_kwonlyargcount]
        rest = code.co_argcount + len(self.params)
        self.variadic = code.co_varnames[rest] if code.co_flags & 4 else ""
        self.given = statement.__kwdefaults__ or {}
        self.defaults = tuple(self.given[p] for p in self.params if p in self.given)
        self.rules: dict[int, Rule | None] = {}  # of each input, by its place
        self.reads: dict[int, frozenset[str]] = {}  # what each input's rule reads; -1: a joint rule
        self.forward: Operation | None = None
        self.backward: Operation | None = None
        self.residuals: tuple[str, ...] = ()
        self.put: Rule | None = None
        self.contracts: dict[Any, Any] = {}
        self.kept: dict[tuple[bool, ...], tuple[bool, ...]] = {}
        self.keepers: dict[tuple[bool, ...], Any] = {}
        self.keep: Any = None  # picks what is kept, where that is the same whichever inputs ask
        self.has_rule = self.keeps_result = self.keeps_specs = False
        operations[self.name] = self
        self.call: Any = None  # the function that users hold
        self.run: Callable[[Any, Any], Any]  # the same, from inputs and parameters in order
        self.cotangents: pullback.Pullback  # from the result's cotangent to those of the inputs
        self.settle()

    def __repr__(self) -> str:
        return f"<operation {self.name}>"

    @property
    def is_pass(self) -> bool:
        """Whether it is a stated forward or backward pass, `<op>.fwd` or `<op>.vjp`."""
        return "." in self.name

    @property
    def optional(self) -> bool:
        """Whether an input may be None: a body says what that means."""
        return self.has_body and self.promotes is None

    @property
    def traits(self) -> tuple[str, bool, bool, bool, bool]:
        """What a straight path must know: name, floating, constant, opens, keeps_result.

        opens: `apply` must decide when a gradient is asked.
        """
        opens = (self.has_body and not self.has_rule) or self.keeps_specs
        opens = opens or self.forward is not None
        return self.name, self.floating, self.constant, opens, self.keeps_result

    def settle(self) -> None:
        """Make the function anew from what is stated so far; its identity stays."""
        self.has_rule = bool(self.reads)  # a gradient is stated, rather than left to the body
        self.keeps_result = any("z" in names for names in self.reads.values())
        self.keeps_specs = "specs" in self.reads.get(-1, ())
        self.kept.clear()
        self.keepers.clear()
        self.keep = None
        if self.backward is not None and not self.variadic:
            self.keep = straight.kept_of(self.kept_by([False] * len(self.inputs)))
        self.cotangents = self.first_cotangents
        self.run = self.first_run
        if self.call is None:
            made: Any = straight.path(self)
            self.call = made
            made.__doc__ = self.statement.__doc__
            made.__module__ = self.statement.__module__
            made.op, made.gradients, made.vjp = self, self.gradients, self.vjp
            made.residuals, made.view = self.state_residuals, self.view
        else:
            anew: Any = straight.form_of(self)(self)
            for cell, new in zip(self.call.__closure__, anew.__closure__, strict=True):
                cell.cell_contents = new.cell_contents

    def first_cotangents(self, node: Any, g: Any) -> Any:
        """The pull-back, which is made when it is first asked: most never are."""
        self.cotangents = pullback.of(self)
        return self.cotangents(node, g)

    def first_run(self, inputs: Any, params: Any) -> Any:
        """The path from inputs and parameters in order, made when it is first asked."""
        self.run = straight.looped(self)
        return self.run(inputs, params)

    def ordered(self, params: dict[str, Any]) -> tuple[Any, ...]:
        """Keyword parameters in the order of the statement, defaults filled in."""
        if len(params) != len(self.params):
            params = self.given | params
        try:
            values = tuple([params[name] for name in self.params])
        except KeyError as missing:
            raise TypeError(f"{self.name}() is missing the parameter {missing}") from None
        if len(values) != len(params):
            raise TypeError(
                f"{self.name}() takes {', '.join(self.params)}, got {', '.join(params)}"
            )
        return values

    def named(self, params: Sequence[Any]) -> dict[str, Any]:
        """Parameters by name."""
        return dict(zip(self.params, params, strict=True))

    def gradients(self, **rules: Rule | None) -> None:
        """State one rule per input, run only if that input asks.

        A rule names what it reads, and the tape keeps only that: `g` the cotangent of the result,
        `z` the result, inputs and parameters by their names, and `x_shape` the shape of the rule's
        own input x.  None: no gradient flows to that input.  Rules need not undo broadcasting or
        conversion.
        """
        for name, rule in rules.items():
            i = self.inputs.index(name)
            self.rules[i] = rule
            names = names_of(rule) if rule else ()
            pullback.readable(self, names, shape_of=name)
            self.reads[i] = frozenset(names)
        self.settle()

    def vjp(self, rule: F) -> F:
        """State the cotangents of all inputs together, where they share work.

        The rule is itself stated as an operation `<name>.vjp`: what it reads of the step is
        positional (g, z, inputs, residuals), parameters are keyword-only, among them `asked`, which
        inputs want a cotangent, and `specs`, those of all inputs.  It returns one cotangent per
        input, or None.
        """
        pullback.readable(self, names_of(rule))
        self.reads[-1] = frozenset(names_of(rule))
        self.backward = Composite(rule, name=f"{self.name}.vjp", free=self.free)
        self.settle()
        return rule

    def state_residuals(self, *names: str) -> Callable[[F], F]:
        """State the forward pass that also returns what the backward reads: (z, *residuals)."""

        def state(statement: F) -> F:
            self.residuals = names
            self.forward = Composite(statement, name=f"{self.name}.fwd", free=self.free)
            self.settle()
            return statement

        return state

    def view(self, put: Rule) -> None:
        """State that the result is a part of the input, and how it is written.

        put(x, z, parameters ..): the input x with a new value z of the part, which assigning to the
        part assigns to x.
        """
        self.put = put
        self.settle()

    def kept_by(self, asked: Sequence[bool]) -> tuple[bool, ...]:
        """Which inputs the rules read when these inputs ask for a gradient."""
        if not self.reads:
            return (False,) * len(asked)
        key = tuple(asked)
        found = self.kept.get(key)
        if found is None:
            rules = [names for i, names in self.reads.items() if i < 0 or asked[i]]
            read = frozenset().union(*rules)
            fixed = [name in read for name in self.inputs]
            found = self.kept[key] = (*fixed, *[self.variadic in read] * (len(asked) - len(fixed)))
        return found

    def keeper(self, edges: Sequence[Any]) -> Any:
        """What picks the inputs that are kept when a gradient is asked by these edges."""
        asked = tuple([edge is not None for edge in edges])
        found = self.keepers.get(asked)
        if found is None:
            found = self.keepers[asked] = straight.kept_of(self.kept_by(asked))
        return found

    def with_residuals(self, *inputs: Any, **params: Any) -> tuple[Any, ...]:
        """The result, and the residuals as constants: (result, *residuals)."""
        made: tuple[Any, ...] = straight.current().apply(self, inputs, self.ordered(params), True)
        return made

    def contract(self, specs: tuple[Any, ...], params: tuple[Any, ...]) -> Any:
        """The Spec of the result on inputs like these, remembered.  Raises: ContractError."""
        key = (specs, params, types(params))  # 2.0 equals 2
        try:
            return self.contracts[key]
        except KeyError:
            if self.promotes is None and not self.numbers:
                for x in specs:
                    if isinstance(x, (bool, int, float)):
                        raise WrongType(
                            f"{self.name}: {x!r} is no tensor; make one with rl.tensor()"
                        ) from None
            found = self.statement(*specs, **self.named(params))
            if len(self.contracts) >= REMEMBERED:
                self.contracts.clear()
            self.contracts[key] = found
            return found


class Primitive(Operation):
    """Every backend has a kernel of this name.  The statement is the contract: Specs to Spec."""


class Composite(Operation):
    """Stated in operations; a backend may have one kernel for all of it."""

    has_body = True


def checked(op: Operation, kernel: Callable[..., Any]) -> Callable[..., Any]:
    """The kernel behind its contract: for one that does not itself refuse all that is forbidden.

    Where all inputs are numbers by nature only their types are remembered: a counter of random
    numbers is another one at each call.
    """
    count = len(op.inputs)
    seen: set[Any] = set()
    kind: Any = type if op.numbers.issuperset(op.inputs) else spec_of

    def run(*given: Any, **params: Any) -> Any:
        n = len(given) if op.variadic else count
        key = (*[kind(x) for x in given[:n]], *given[n:], *params.values())
        if key not in seen:
            op.contract(tuple(map(spec_of, given[:n])), given[n:] or op.ordered(params))
            if len(seen) >= REMEMBERED:
                seen.clear()
            seen.add(key)
        return kernel(*given, **params)

    return run


def types(x: Any) -> Any:
    """The type of a parameter; of a tuple, those of its parts."""
    return tuple(map(types, x)) if type(x) is tuple else type(x)


def spec_of(x: Any) -> Any:
    """The Spec of an array or a tensor; numbers and None stand for themselves."""
    return Spec(x.shape, x.dtype) if hasattr(x, "dtype") else x


@overload
def primitive(statement: Callable[..., Any]) -> Statement: ...
@overload
def primitive(**options: Any) -> Callable[[Callable[..., Any]], Statement]: ...
def primitive(statement: Callable[..., Any] | None = None, **options: Any) -> Any:
    """State a primitive: its body is its contract, from Specs to the result's Spec."""
    if statement is None:
        return lambda statement: Primitive(statement, **options).call
    return Primitive(statement, **options).call


@overload
def composite(statement: Callable[..., Any]) -> Statement: ...
@overload
def composite(**options: Any) -> Callable[[Callable[..., Any]], Statement]: ...
def composite(statement: Callable[..., Any] | None = None, **options: Any) -> Any:
    """State a composite: its body is its meaning, contract, default kernel and gradient."""
    if statement is None:
        return lambda statement: Composite(statement, **options).call
    return Composite(statement, **options).call
