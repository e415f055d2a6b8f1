"""The text of a call: what a program relies on, what it is given and writes back, as Python.

A program is called far more often than it is made, and running a small one costs less than looking
through lists of what to check.  So the lists become text, once.  Of a training step that is given
x0, and meets one parameter c and a learning rate in a cell:

    def match(args, kwargs):
        if now.world is not world or kwargs or len(args) != 1:
            return MISS
        [x0] = args
        d = x0._data
        if d.dtype is not t_float32 or d.shape != (50, 2):
            return MISS
        return replay(x0) if holds(x0) else MISS

    def replay(x0):
        [v0, v1, v2] = run(x0._data, c._data, cell.held)
        z0 = Tensor()
        z0._data = v0
        c._data = v1
        c._grad = ..
        return z0

and more of the same: the mode, devices, captures, what run raises.

Knows no operation and no backend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Any

from ..alias import refresh, wholes
from ..cell import Cell
from ..device import Device
from ..eager import QUIET, interpreter, interpreting
from ..errors import ContractError
from ..spec import Spec
from ..straight import wrap
from ..tensor import Tensor
from .argument import Branch, Constant, Owner, Place
from .attributes import ABSENT
from .program import rerun
from .world import now

if TYPE_CHECKING:
    from .traced import Traced

MISS = object()  # what is returned by a call that is not of this shape
COMPARISONS = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}


class Text:
    """Lines of one function, and the objects that it names."""

    def __init__(self, **scope: Any) -> None:
        self.lines: list[str] = []
        self.scope: dict[str, Any] = {"__name__": __name__, **scope}
        self.names = {id(value): name for name, value in scope.items()}
        self.depth = 1

    def add(self, *lines: str) -> None:
        self.lines += ["    " * self.depth + line for line in lines]

    def name(self, value: Any, hint: str) -> str:
        """The name of an object that exists now."""
        if id(value) not in self.names:
            name = hint if hint not in self.scope else f"{hint}_{len(self.scope)}"
            self.names[id(value)] = name
            self.scope[name] = value
        return self.names[id(value)]

    def function(self, head: str) -> Callable[..., Any]:
        """The function of these lines.  It is not among its own names, so it dies when let go."""
        text = "\n".join([f"def {head}:", *self.lines]) + "\n"
        made: dict[str, Any] = {}
        exec(compile(text, "<rushlight call>", "exec"), self.scope, made)  # noqa: S102  our own text
        (function,) = made.values()
        function.text = text
        return function  # type: ignore[no-any-return]  # found by name in what exec made

    def tensor(self, z: str, data: str, device: Device) -> None:
        """A new tensor, as `straight.wrap` makes it."""
        self.add(
            f"{z} = Tensor()",
            f"{z}._data = {data}",
            f"{z}.device = {self.name(device, 'device')}",
            f"{z}._node = {z}._base = None",
        )

    def owner(self, x: Owner) -> str:
        """A captured tensor, or an argument."""
        return f"x{x.i}" if isinstance(x, Place) else self.name(x, "c")


class Unmatched(Exception):
    """The arguments hold what only `flatten` can take apart."""


def matching(traced: Traced, leaves: int) -> Callable[..., Any] | None:
    """match(args, kwargs): the result of the call, or MISS.  None if there is no such text."""
    whole, kinds, mode, world = traced.key
    given, named = whole.parts
    text = Text(
        MISS=MISS, Tensor=Tensor, now=now, mode=interpreter.get, current=mode, world=world,
        holds=traced.holds, replay=traced.replay,
    )  # fmt: skip
    others = f"tuple(kwargs) != {key_names(named)!r}" if named.parts else "kwargs"
    miss(text, f"now.world is not world or {others} or len(args) != {len(given.parts)}")
    miss(text, "mode() is not current and mode() != current")
    seen: set[int] = set()
    try:
        unpack(text, given.parts, "args", kinds, seen)
        unpack(text, named.parts, "kwargs.values()", kinds, seen)
    except Unmatched:
        return None
    tensors = [f"x{i}" for i, kind in enumerate(kinds) if kind is not float]
    if same := " or ".join(f"{x} is {y}" for x, y in combinations(tensors, 2)):
        miss(text, same)
    names = ", ".join(f"x{i}" for i in range(leaves))
    text.add(f"return replay({names}) if holds({names}) else MISS")
    return text.function("match(args, kwargs)")


def miss(text: Text, condition: str) -> None:
    """Give up if this is so."""
    text.add(f"if {condition}:", "    return MISS")


def key_names(branch: Branch) -> tuple[str, ...]:
    """The keys of a dict."""
    return tuple(key.value for key in branch.keys)


def unpack(
    text: Text, parts: Iterable[Any], source: str, kinds: tuple[Any, ...], seen: set[int]
) -> None:
    """Name the parts of a container that has so many, and check each."""
    names = []
    inner = []
    for part in parts:
        if isinstance(part, Place) and part.i not in seen:
            seen.add(part.i)
            names.append(f"x{part.i}")
        else:
            names.append(f"a{len(text.lines)}_{len(names)}")
        inner.append((names[-1], part))
    if names:
        text.add(f"[{', '.join(names)}] = {source}")
    for name, part in inner:
        match part:
            case Place(i) if name != f"x{i}":
                miss(text, f"{name} is not x{i}")
            case Place(i):
                leaf(text, name, kinds[i])
            case Branch():
                branch(text, name, part, kinds, seen)
            case Constant(value=value):
                constant(text, name, value)


def leaf(text: Text, x: str, kind: Any) -> None:
    """A number, or a tensor: what its kind in the key says."""
    if kind is float:
        miss(text, f"type({x}) is not float")
        return
    shape, dtype, device, asks, _ = kind
    place = text.name(device, "device")
    miss(text, f"not isinstance({x}, Tensor) or {x}.device is not {place}")
    miss(text, unlike(text, x, Spec(shape, dtype), asks))


def unlike(text: Text, x: str, spec: Spec, asks: bool) -> str:
    """The condition that a tensor is not what it was: in shape, type, or asking for a gradient."""
    text.add(f"d = {x}._data")
    dtype, node = text.name(spec.dtype, f"t_{spec.dtype.name}"), "is" if asks else "is not"
    kind = f"d.dtype is not {dtype} or d.shape != {tuple(spec.shape)!r}"
    return f"{kind} or {x}._node {node} None"


def branch(text: Text, a: str, part: Branch, kinds: tuple[Any, ...], seen: set[int]) -> None:
    """A container.  Raises: Unmatched."""
    kind = text.name(part.kind, "kind")
    if part.kind is dict:
        if not all(type(key.value) is str for key in part.keys):
            raise Unmatched
        strings = f" or {{*map(type, {a})}} != {{str}}" if part.keys else ""
        miss(text, f"type({a}) is not {kind} or tuple({a}) != {key_names(part)!r}{strings}")
        unpack(text, part.parts, f"{a}.values()", kinds, seen)
        return
    if part.kind not in (list, tuple) and not hasattr(part.kind, "_fields"):
        raise Unmatched  # it may count and iterate as it likes
    miss(text, f"type({a}) is not {kind} or len({a}) != {len(part.parts)}")
    unpack(text, part.parts, a, kinds, seen)


def constant(text: Text, a: str, value: Any) -> None:
    """As constants are compared in keys."""
    if value is None or type(value) is bool:
        miss(text, f"{a} is not {value}")
        return
    k = text.name(value, "k")
    plain = isinstance(value, Constant.PLAIN)
    kind = f" and (type({a}) is not {text.name(type(value), 'kind')} or {a} != {k})"
    miss(text, f"{a} is not {k}{kind if plain else ''}")


def holding(traced: Traced, leaves: int) -> Callable[..., bool]:
    """holds(x0, ..): of what the function met without being given it, and of gradients."""
    text = Text()

    def unless(condition: str) -> None:
        text.add(f"if {condition}:", "    return False")

    for i, x in traced.aliased:
        unless(f"x{i} is not {text.name(x, 'c')}")
    if traced.captured:
        captured = text.name(traced.captured, "captured")
        for i, kind in enumerate(traced.key[1]):
            if kind is not float:
                unless(f"x{i} in {captured}")
    for x, spec, asks in traced.captures:
        unless(unlike(text, text.name(x, "c"), spec, asks))
    for owner in traced.grads_absent:
        unless(f"{gradient(text, owner)} is not None")
    for owner in traced.grads_read:
        unless(f"{gradient(text, owner)} is None")
    for cell, number in traced.cells_read.items():
        unless(f"type({text.name(cell, 'cell')}.held) is not {text.name(number.kind, 'kind')}")
    for held, name, value in traced.attributes:
        if value is ABSENT:
            unless(f"{name!r} in {text.name(held, 'held')}")
            continue
        kind, k = text.name(type(value), "kind"), text.name(value, "k")
        text.add(f"a = {text.name(held, 'held')}.get({name!r})")
        unless(f"a is not {k} and (type(a) is not {kind} or a != {k})")
    for guard in traced.guards:
        sides = [side(text, x) for x in (guard.source, guard.other)]
        unless(f"bool({f' {COMPARISONS[guard.how]} '.join(sides)}) is not {guard.outcome}")
    text.add("return True")
    return text.function(f"holds({', '.join(f'x{i}' for i in range(leaves))})")


def gradient(text: Text, owner: Owner) -> str:
    """The gradient that is there, or None."""
    if isinstance(owner, Place):
        return f"getattr(x{owner.i}, '_grad', None)"
    if not hasattr(owner, "_grad"):
        owner._grad = None  # to ask for what is unset takes ten times as long
    return f"{text.owner(owner)}._grad"


def side(text: Text, x: Any) -> str:
    """One side of a comparison: a cell, the place of a number, or a number."""
    if isinstance(x, Cell):
        return f"{text.name(x, 'cell')}.held"
    return text.name(x, "k") if isinstance(x, (int, float)) else f"x{x.i}"


def replaying(traced: Traced, leaves: int) -> Callable[..., Any]:
    """replay(x0, ..): run the program on what there is now, and write back what it assigned."""
    program = traced.program
    text = Text(Tensor=Tensor, program=program, run=program.run, rerun=rerun)
    given = ", ".join(f"x{i}" for i in range(leaves))
    tensors = [f"x{i}" for i, kind in enumerate(traced.key[1]) if kind is not float]
    if tensors and (traced.writes or traced.argument_writes):
        refuse = partial(
            refuse_tangled,
            traced.captured,
            [i for i, _ in traced.argument_writes],
            [x for x, _ in traced.writes],
        )
        text.add(f"if {' or '.join(f'{x}._base is not None' for x in tensors)}:")
        text.add(f"    {text.name(refuse, 'refuse_tangled')}([{given}])")
    locks = [cell.lock for cell, _ in traced.cells]
    around = []  # what is undone in the end, the last first
    late = getattr(program.run, "late", None)
    if late is not None:  # what it replaces may be gone, so that nothing may come in between
        import signal

        text.scope |= {"mask": signal.pthread_sigmask, "waiting": waiting(signal)}
        text.scope |= {"BLOCK": signal.SIG_BLOCK, "SETMASK": signal.SIG_SETMASK}
        # a handler may raise in the call that blocks, when that is done
        text.add("before = mask(BLOCK, ())", "try:", "    mask(BLOCK, waiting)")
        around.append("mask(SETMASK, before)")
        text.depth += 1
    if locks:
        text.scope["locks"] = locks
        text.add("for lock in locks:", "    lock.acquire()", "try:")
        around.append("for lock in locks: lock.release()")
        text.depth += 1
    for i, _ in traced.argument_writes:
        text.add(f"if x{i}._base is not None:", f"    {text.name(refresh, 'refresh')}(x{i})")
    run(text, traced)
    write_back(text, traced, given)
    if late is not None:
        text.add(f"if {text.name(late, 'late')}:", "    raise late.pop()")
    text.add(f"return {structure(text, traced.structure, results(text, traced))}")
    for undo in reversed(around):
        text.depth -= 1
        text.add("finally:", f"    {undo}")
    return text.function(f"replay({given})")


def waiting(signal: Any) -> set[int]:
    """The signals that can wait: all but those of what a thread does wrong itself."""
    faults = {"SIGSEGV", "SIGBUS", "SIGFPE", "SIGILL", "SIGABRT", "SIGTRAP"}
    return {
        number for number in signal.valid_signals() if getattr(number, "name", "") not in faults
    }


def run(text: Text, traced: Traced) -> None:
    """The program's outputs by name, if there are any."""
    if not traced.program.graph.outputs:
        return
    given = ", ".join(inputs(text, traced))
    text.add("try:", f"    out = run({given})")
    # whatever a kernel raises is named, or is but a warning: `rerun` finds out which
    text.add("except Exception as error:", f"    out = rerun(program, [{given}], error)")
    text.add(f"[{', '.join(values(traced))}] = out")


def values(traced: Traced) -> Iterator[str]:
    """The names of the program's outputs."""
    return (f"v{i}" for i in range(len(traced.program.graph.outputs)))


def write_back(text: Text, traced: Traced, leaves: str) -> None:
    """Put every output where it belongs: first what is called, then what no signal interrupts."""
    value = values(traced)
    for i, device in enumerate(traced.devices):
        if device is None:
            text.add(f"z{i} = {next(value)}")
        else:
            text.tensor(f"z{i}", next(value), device)
    writes = [(x, next(value)) for x, _ in traced.writes]
    argument_writes = [(i, next(value)) for i, _ in traced.argument_writes]
    grads = [(of, next(value), device) for of, _, device in traced.grads]
    for n, (of, v, device) in enumerate(grads):
        if of not in traced.grads_kept:
            text.tensor(f"g{n}", v, device)
    for x, v in writes:
        text.add(f"{text.name(x, 'c')}._data = {v}")
    for n, (of, v, _) in enumerate(grads):
        owner = text.owner(of)
        kept = of in traced.grads_kept  # changed in place
        text.add(f"{owner}._grad._data = {v}" if kept else f"{owner}._grad = g{n}")
    for of in traced.cleared:
        text.add(f"{text.owner(of)}._grad = None")
    for cell, _ in traced.cells:
        text.add(f"{text.name(cell, 'cell')}.held = {next(value)}")
    for i, v in argument_writes:
        assign = text.name(assigned, "assign")
        text.add(f"if x{i}._base is None:", f"    x{i}._data = {v}")  # all that assign_ would do
        text.add("else:", f"    {assign}(x{i}, {v})")
    if traced.backward is not None:
        fresh = ", ".join(f"z{i}" for i in range(len(traced.devices)))
        attach = text.name(traced.backward.attach, "attach")
        text.add(f"{attach}([{fresh}], [{leaves}], [{', '.join(value)}])")


def inputs(text: Text, traced: Traced) -> Iterator[str]:
    """What the program is run on, in the order of its inputs."""
    for source in traced.sources:
        match source:
            case Place(i):
                yield f"x{i}" if traced.key[1][i] is float else f"x{i}._data"
            case Tensor():
                yield f"{text.name(source, 'c')}._data"
            case Cell():
                yield f"{text.name(source, 'cell')}.held"
            case _:  # a gradient
                yield f"{text.owner(source.owner)}._grad._data"


def results(text: Text, traced: Traced) -> list[str]:
    """Each leaf of the result: made, given, or there before."""
    made = iter([f"z{i}" for i in range(len(traced.devices))])
    return [next(made) if x is None else text.owner(x) for x in traced.same]


def structure(text: Text, part: Any, leaves: list[str]) -> str:
    """The expression that makes the result."""
    match part:
        case Place(i):
            return leaves[i]
        case Constant(value=value):
            return repr(value) if value is None or type(value) is bool else text.name(value, "k")
    parts = [structure(text, x, leaves) for x in part.parts]
    if part.kind is dict:
        keys = [text.name(key.value, "k") for key in part.keys]
        return "{" + ", ".join(f"{k}: {x}" for k, x in zip(keys, parts, strict=True)) + "}"
    items = ", ".join(parts)
    if part.kind is tuple:
        return f"({items},)" if parts else "()"
    if part.kind is list:
        return f"[{items}]"
    kind = text.name(part.kind, "kind")  # a named tuple takes its parts one by one
    return f"{kind}({items})" if hasattr(part.kind, "_fields") else f"{kind}([{items}])"


def refuse_tangled(
    captured: set[Tensor], places: list[int], written: list[Tensor], leaves: list[Any]
) -> None:
    """Raises: ContractError if an argument is a part of another tensor, and one is changed."""
    for x in leaves:
        for whole in wholes(x) if isinstance(x, Tensor) else ():
            changed = {leaves[i] for i in places}.union(written)
            known = {x for x in leaves if isinstance(x, Tensor)} | captured
            others = [y for y in known if y is whole or (y is not x and whole in {*wholes(y)})]
            if others and not changed.isdisjoint((x, *others)):
                raise ContractError(
                    f"compile: an argument {x.spec} is a part of {whole.spec}, of which the "
                    f"function knows more, and that is changed; take the parts inside"
                )


def assigned(x: Tensor, data: Any) -> None:
    """An argument that is a part of another tensor becomes this, and its whole changes with it."""
    with interpreting(QUIET):
        x.assign_(wrap(data, x.device))
