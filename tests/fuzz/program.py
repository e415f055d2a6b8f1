"""Program: a function of tensors as data, that is printed, run at once and compiled, and compared.

Knows no operation by name but those that move values; `programs` draws the programs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple

import numpy as np

import rushlight as rl
from rushlight.backend import PROTOCOL, HostBackend
from rushlight.creation import held
from rushlight.device import Device, _furnish
from rushlight.dtypes import FLOATING, finfo
from rushlight.op import operations
from rushlight.random import fork_rng
from rushlight.spec import Spec
from rushlight.testing.close import assert_close, assert_same_bits, tolerance

HostArray = np.ndarray[Any, Any]
Found = dict[str, HostArray]  # what one call returned and left behind, by name

CALLS = 3  # the second may be traced anew, since gradients are there now; the third is not
RATES = (0.25, 0.5, 0.375)  # the float that each call is given: none needs rounding
ODD = (float("nan"), float("inf"), -float("inf"), 0.0, -0.0)
SHAKES = 8  # runs with noise
SHAKE = 4.0  # how far they lie off at each operation, in units in the last place
SPREAD = 8.0  # how much further than those runs a fused one may lie off


class Source(NamedTuple):
    """A tensor that a program is given afresh at each call, or one that it captures.

    low, high: between which its values lie.  odd: some are nan, infinite or zero.
    asks: it is a leaf that requires a gradient.
    """

    name: str
    spec: Spec
    low: float = -1.5
    high: float = 1.5
    captured: bool = False
    asks: bool = False
    odd: bool = False

    def tensor(self, seed: tuple[int, ...], device: Device) -> rl.Tensor:
        """The values that this seed draws, in memory as it may lie in programs."""
        random = np.random.default_rng((*seed, *self.name.encode()))
        shape, dtype = self.spec
        values: HostArray
        if dtype in FLOATING:
            values = random.uniform(self.low, self.high, shape)
            if self.odd:
                chosen = random.random(shape) < 0.1
                values = np.where(chosen, random.choice(ODD, shape), values)
        else:
            values = random.integers(int(self.low), int(self.high) + 1, shape)
        z = held(laid(np.asarray(values).astype(dtype), int(random.integers(6))), device)
        return z.requires_grad_() if self.asks else z

    def __str__(self) -> str:
        odd = ", some odd" if self.odd else ""
        asks = ", asks for a gradient" if self.asks else ""
        return f"{self.name}: {self.spec} from {self.low} to {self.high}{odd}{asks}"


def laid(x: HostArray, how: int) -> HostArray:
    """x, in half of all cases with its first axis fastest, or every second element, or reversed."""
    if how < 3 or not x.ndim:
        return x
    if how == 3:
        return np.asfortranarray(x)
    return np.repeat(x, 2, -1)[..., ::2] if how == 4 else x[::-1].copy()[::-1]


class Line(NamedTuple):
    """A statement.

    text: Python, where {0}, {1}.. stand for what it uses and {z} for what it makes.
    spec: of what it makes, None for a statement that makes nothing.
    exact: rounds nothing.  changes: the first of what it uses is changed in place.
    """

    text: str
    uses: tuple[str, ...]
    makes: str = ""
    spec: Spec | None = None
    exact: bool = False
    changes: bool = False

    def __str__(self) -> str:
        return self.text.format(*self.uses, z=self.makes)


class Program(NamedTuple):
    """Statements on sources; what it returns is named in results.

    terms: of the longest sum.  outside: its results are differentiated after each call.
    """

    seed: int
    sources: tuple[Source, ...]
    lines: tuple[Line, ...]
    results: tuple[str, ...]
    terms: int
    outside: bool = False

    @property
    def arguments(self) -> list[Source]:
        """What it is given at each call."""
        return [source for source in self.sources if not source.captured]

    @property
    def captured(self) -> list[Source]:
        """What it meets beside its arguments."""
        return [source for source in self.sources if source.captured]

    def __str__(self) -> str:
        given = ", ".join([*(source.name for source in self.arguments), "rate"])
        body = [line for statement in self.lines for line in str(statement).splitlines()]
        returned = ", ".join(f"{name!r}: {name}" for name in self.results)
        lines = [
            *[f"# {source}" for source in self.sources],
            f"def program({given}):",
            *[f"    {line}" for line in body],
            f"    return {{{returned}}}",
        ]
        return "\n".join(lines) + "\n"

    def script(self) -> str:
        """A file of its own that runs it at once and compiled, and prints both."""
        given = ", ".join([*(source.name for source in self.arguments), str(RATES[0])])
        body = [
            f'random, device = np.random.default_rng({self.seed}), rl.device("numpy")',
            *[f"{source.name} = {drawn_by(source)}" for source in self.sources],
            f"step, stream = rl.Cell(1.0), rl.Generator().manual_seed({self.seed})",
            f"rl.manual_seed({self.seed})",
            *str(self).splitlines(),
            f"return (rl.compile(program) if compiled else program)({given})",
        ]
        lines = [
            f'"""Program {self.seed}, at once and compiled."""',
            "import numpy as np",
            "import rushlight as rl",
            "def run(compiled):",
            *[f"    {line}" for line in body],
            "print(run(compiled=False))",
            "print(run(compiled=True))",
        ]
        return "\n".join(lines) + "\n"

    def exact(self) -> set[str]:
        """The results that no rounding has touched: they must be equal.

        What a call changes in place is rounded from the second call on.
        """
        changed = {line.uses[0] for line in self.lines if line.changes}
        exact = {source.name for source in self.arguments} - changed
        for line in self.lines:
            if line.changes:
                exact.discard(line.uses[0])
            elif line.makes and line.exact and exact.issuperset(line.uses):
                exact.add(line.makes)
        return exact.intersection(self.results)

    def function(self, scope: Mapping[str, Any]) -> Callable[..., dict[str, rl.Tensor]]:
        """The Python function, which finds in scope what it captures."""
        names = {"rl": rl, **scope}
        exec(compile(str(self), f"<program {self.seed}>", "exec"), names)
        found: Callable[..., dict[str, rl.Tensor]] = names["program"]
        return found


def drawn_by(source: Source) -> str:
    """The expression that draws a source in a script."""
    shape, dtype = list(source.spec.shape), source.spec.dtype.name
    if source.spec.dtype in FLOATING:
        values = f"random.uniform({source.low}, {source.high}, {shape})"
    else:
        values = f"random.integers({int(source.low)}, {int(source.high) + 1}, {shape})"
    asks = ".requires_grad_()" if source.asks else ""
    return f'rl.tensor({values}, device=device).to(rl.dtype("{dtype}")){asks}'


# -- running --------------------------------------------------------------------------------------


def outcomes(
    program: Program, device: Device, *, compiled: bool, calls: int = CALLS
) -> list[Found]:
    """What each call returns and leaves behind."""
    found: list[Found] = []
    with fork_rng():
        rl.manual_seed(program.seed)
        world = {s.name: s.tensor((program.seed,), device) for s in program.captured}
        numbers = {"step": rl.Cell(1.0), "stream": rl.Generator().manual_seed(program.seed)}
        function = program.function(world | numbers | {"device": device})
        run = rl.compile(function) if compiled else function
        for call in range(calls):
            given = {s.name: s.tensor((program.seed, call + 1), device) for s in program.arguments}
            results: dict[str, rl.Tensor] = run(*given.values(), RATES[call % len(RATES)])
            if program.outside:
                differentiate(results)
            found.append(left(results, world | given, numbers))
    return found


def differentiate(results: Mapping[str, rl.Tensor]) -> None:
    """Leave the gradients of the sum of all results."""
    asked = [z for z in results.values() if z.requires_grad]
    if asked:
        sum((z.float() * 0.5).sum() for z in asked).backward()  # type: ignore[union-attr]


def left(results: Mapping[str, rl.Tensor], tensors: Mapping[str, rl.Tensor], numbers: Any) -> Found:
    """Results, what tensors hold, their gradients, and the states of numbers, on the host."""
    found = {name: host(z) for name, z in results.items()}
    for name, x in tensors.items():
        found[name] = host(x)
        if x.grad is not None:
            found[f"{name}.grad"] = host(x.grad)
    found["step"] = np.array(numbers["step"].value)
    for name, state in (("stream", numbers["stream"].get_state()), ("seed", rl.get_rng_state())):
        found[f"counter of {name}"] = np.array(state["counter"])
    return found


def host(x: rl.Tensor) -> HostArray:
    """A copy of its values."""
    found: HostArray = x.numpy(force=True).copy()
    return found


# -- noise: how far rounding alone carries a program ----------------------------------------------

MOVES = frozenset(
    """
    reshape permute expand slice put_slice unslice pad concat windows fold full iota random_bits
    clone equal not_equal
    """.split()
)
CANCELLING = ("log1p_exp", "erfinv")


class Shaken(HostBackend):
    """The reference, with inputs of each kernel off by some units in the last place.

    Each use of a value is off by another amount, as in fused code, which may compute it again.
    What cancels its own rounding stays whole: kernels, and the bodies of CANCELLING.
    Source: Parker 1997, "Monte Carlo arithmetic", section 3.
    """

    name = "shaken"
    protocol = PROTOCOL

    def __init__(self, seed: int, amount: float = SHAKE) -> None:
        super().__init__()
        random = np.random.default_rng(seed)
        kernels: dict[str, Any] = {
            **self.kernels,
            **{name: partial(by_body, name) for name in CANCELLING},
        }
        self.kernels = {
            name: kernel if name in MOVES else partial(shaking, random, amount, kernel)
            for name, kernel in kernels.items()
        }


def by_body(name: str, *inputs: Any) -> HostArray:
    """The operation on the reference, without noise."""
    with rl.no_grad():
        place = Device("numpy")
        z: rl.Tensor = operations[name].call(*[held(np.asarray(x), place) for x in inputs])
        return z.numpy()


def shaking(
    random: np.random.Generator, amount: float, kernel: Any, *inputs: Any, **params: Any
) -> Any:
    """What the kernel makes of inputs that are slightly off."""
    return kernel(*[off(random, amount, x) for x in inputs], **params)


def off(random: np.random.Generator, amount: float, x: Any) -> Any:
    """x times numbers around 1, at most so many units in the last place away."""
    if not isinstance(x, np.ndarray) or x.dtype not in FLOATING:
        return x
    wide = x.astype(np.float64)
    most = amount * float(finfo(x.dtype).eps)
    return (wide * (1 + most * random.uniform(-1, 1, x.shape))).astype(x.dtype)


def spreads(run: Callable[[Device], list[Found]], wanted: list[Found]) -> list[Found]:
    """How far runs with noise lie from what is wanted; inf where even the kind of value varies.

    run: what each call leaves behind on a device, run at once.
    """
    spread = [{name: np.zeros(x.shape) for name, x in found.items()} for found in wanted]
    for seed in range(SHAKES):
        place = _furnish("shaken", Shaken(seed), 0)
        for found, exact, most in zip(run(place), wanted, spread, strict=True):
            for name, x in exact.items():
                most[name] = np.maximum(most[name], apart(found[name], x))
    return spread


def apart(x: HostArray, y: HostArray) -> HostArray:
    """|x - y|; 0 where both are nan or the same infinity, inf where only one is."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    with np.errstate(invalid="ignore"):
        gap = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, np.abs(x - y))
    return np.where(np.isnan(gap), np.inf, gap)


# -- comparing ------------------------------------------------------------------------------------


def replays(device: Device) -> bool:
    """Whether compiled programs run the very kernels of eager, so that all bits are the same."""
    return not device.backend.compiles


def disagreement(program: Program, device: Device, oracle: Device | None = None) -> str:
    """What differs between the program at once and compiled; empty if nothing does.

    oracle: where it is run at once; None for the same device.  What fails there is no program.
    Bits are the same where compiled programs replay.  Elsewhere whole numbers and results that no
    rounding has touched are equal, others within the tolerance of their type and of the longest
    sum; or, if the program magnifies rounding, within some times what noise does to it.
    """
    try:
        wanted = outcomes(program, oracle or device, compiled=False)
    except Exception:  # a program that was made smaller may fail in any way
        return ""
    try:
        found = outcomes(program, device, compiled=True)
    except Exception as error:  # a refusal or a crash is what is looked for
        return f"compiled: {type(error).__name__}: {error}"
    # Asked from outside, a gradient is summed in another order: a result's own cotangent is first.
    same_bits = oracle in {None, device} and replays(device) and not program.outside
    exact = program.exact()
    spread: list[Found] = []
    for i, (ours, theirs) in enumerate(zip(found, wanted, strict=True)):
        if kinds(ours) != kinds(theirs):
            return f"call {i}: {unlike(kinds(ours), kinds(theirs))}"
        for name, x in ours.items():
            told = apart_by(f"call {i}, {name}", x, theirs[name], program, same_bits, name in exact)
            if told and not same_bits and name not in exact:
                spread = spread or spreads(partial(outcomes, program, compiled=False), wanted)
                told = told if beyond(x, theirs[name], spread[i][name], program.terms) else ""
            if told:
                return told
    return ""


def apart_by(
    what: str, x: HostArray, y: HostArray, program: Program, same_bits: bool, exact: bool
) -> str:
    """How far x is off, if that is more than rounding allows; else empty."""
    try:
        if same_bits:
            assert_same_bits(what, x, y)
        else:
            assert_close(what, x, y, terms=program.terms, wider=0.0 if exact else 1.0)
    except AssertionError as error:
        return str(error)
    return ""


def kinds(found: Found) -> dict[str, Spec]:
    """The shapes and types of what a call left, by name."""
    return {name: Spec(x.shape, x.dtype) for name, x in found.items()}


def unlike(ours: dict[str, Spec], theirs: dict[str, Spec]) -> str:
    """The first that differs."""
    name = next(name for name in [*theirs, *ours] if ours.get(name) != theirs.get(name))
    return f"{name} is {ours.get(name)} instead of {theirs.get(name)}"


def beyond(ours: HostArray, theirs: HostArray, spread: HostArray, terms: int) -> bool:
    """Whether one is further off than noise explains.

    Where a tie decides, noise may happen to leave one element as it is, but not all of them.
    """
    finite = spread[np.isfinite(spread)]
    allowed = SPREAD * np.maximum(spread, finite.max(initial=0.0))
    if theirs.dtype in FLOATING:
        size = np.abs(theirs.astype(np.float64))
        most = np.where(np.isfinite(size), size, 0.0).max(initial=0.0)
        allowed = allowed + tolerance(theirs.dtype, terms) * most
    return bool((apart(ours, theirs) > allowed).any())


# -- shrinking ------------------------------------------------------------------------------------


def shrunk(program: Program, fails: Callable[[Program], bool], tries: int = 600) -> Program:
    """The smallest program found that still fails.  tries: how many are run at most."""
    while True:
        for smaller in candidates(program):
            tries -= 1
            if tries < 0:
                return program
            if fails(smaller):
                program = smaller
                break
        else:
            return program


def candidates(program: Program) -> Iterator[Program]:
    """Smaller programs: fewer results, arguments for what lines make, fewer lines."""
    n = len(program.lines)
    if program.outside:
        yield program._replace(outside=False)
    if len(program.results) > 1:
        for name in program.results:
            yield trimmed(program._replace(results=(name,)))
    for i in reversed(range(n)):
        yield from given(program, i)
    length = n
    while length > 1:
        length = (length + 1) // 2
        for start in range(0, n, length):
            yield from without(program, range(start, min(start + length, n)))
    for i in range(n):
        yield from stepped_over(program, i)
        yield from without(program, [i])
    for name in program.results if len(program.results) > 1 else ():
        rest = tuple(other for other in program.results if other != name)
        yield trimmed(program._replace(results=rest))


def without(program: Program, places: Iterable[int]) -> Iterator[Program]:
    """Without these lines and those that need them; results are what nothing else uses."""
    places, gone, kept = set(places), set[str](), []
    for i, line in enumerate(program.lines):
        if i in places or gone.intersection(line.uses):
            gone.add(line.makes)
        else:
            kept.append(line)
    results = tuple(name for name in program.results if name not in gone)
    if not results:
        used = {name for line in kept for name in line.uses}
        results = tuple(line.makes for line in kept if line.makes and line.makes not in used)
    if len(kept) < len(program.lines):
        yield trimmed(program._replace(lines=tuple(kept), results=results))


def given(program: Program, i: int) -> Iterator[Program]:
    """With an argument in place of what a line makes, and without what only that line needed."""
    line = program.lines[i]
    if not line.spec:
        return
    low, high = (-1.5, 1.5) if line.spec.dtype in FLOATING else (0, 1)
    used, kept = {*program.results}, []
    for one in program.lines[::-1]:
        if one is not line and (one.makes in used or not one.makes):
            used.update(one.uses)
            kept.append(one)
    sources = (*program.sources, Source(line.makes, line.spec, low, high))
    yield trimmed(program._replace(lines=tuple(kept[::-1]), sources=sources))


def stepped_over(program: Program, i: int) -> Iterator[Program]:
    """With an operand in place of what a line makes, if it is of the same kind."""
    line = program.lines[i]
    specs = {s.name: s.spec for s in program.sources}
    specs |= {one.makes: one.spec for one in program.lines if one.spec}
    for name in line.uses if line.spec else ():
        if specs[name] == line.spec:
            instead = {line.makes: name}
            lines = [
                one._replace(uses=tuple(instead.get(used, used) for used in one.uses))
                for one in program.lines
                if one is not line
            ]
            results = dict.fromkeys(instead.get(one, one) for one in program.results)
            yield trimmed(program._replace(lines=tuple(lines), results=tuple(results)))


def trimmed(program: Program) -> Program:
    """Without sources that nothing uses."""
    text = " ".join([*program.results, *map(str, program.lines)])
    used = set(re.findall(r"\w+", text))
    return program._replace(sources=tuple(s for s in program.sources if s.name in used))
