"""Random programs: `drawn(seed)` writes one, and `python -m fuzz.programs` tries many.

Each line runs once while it is written, on the reference: a line that is refused, or whose values
leave the range where a comparison means something, is left out.

    python -m fuzz.programs --device NAME --count 20000 --first 0
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from math import prod, sqrt
from typing import Any

import numpy as np
from fuzz.program import Line, Program, Source, disagreement, outcomes, shrunk, trimmed

import rushlight as rl
from rushlight.backend import EVERY_DTYPE
from rushlight.device import Device
from rushlight.dtypes import FLOATING, as_dtype
from rushlight.errors import BackendUnavailable, DeviceError, RushlightError
from rushlight.random import fork_rng
from rushlight.spec import Shape, Spec

MOST = 3000  # elements of one tensor
LIMIT = 30.0  # of magnitudes while a program is written
BOUND = 1e4  # and in later calls, which optimizers and counters lead further
NARROW = ("float16", "bfloat16")
TYPES = ["float32"] * 8 + ["float64", "float16", "bfloat16", "int32", "int64", "bool"]
SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33]


class Author:
    """Writes one program, and holds what its lines made so far.

    scope: the values by name.  unsteady: names whose values hang on how narrow numbers are rounded,
    so that nothing may jump with them.  exact: names that no rounding has touched.
    """

    def __init__(self, seed: int, attempt: int = 0, types: frozenset[str] = EVERY_DTYPE) -> None:
        self.random = np.random.default_rng((seed, attempt))
        self.seed, self.types = seed, types
        self.device = Device("numpy")
        self.odd = self.random.random() < 0.2
        self.sources: list[Source] = []
        self.lines: list[Line] = []
        self.names: list[str] = []
        self.used: set[str] = set()
        self.exact: set[str] = set()
        self.unsteady: set[str] = set()
        self.terms = 1
        self.scope: dict[str, Any] = {
            "rl": rl,
            "device": self.device,
            "rate": 0.25,
            "step": rl.Cell(1.0),
            "stream": rl.Generator().manual_seed(seed),
        }

    # -- choosing

    def below(self, n: int) -> int:
        """An integer from 0 to n - 1."""
        return int(self.random.integers(n))

    def one(self, *choices: Any) -> Any:
        """One of these."""
        return choices[self.below(len(choices))]

    def chance(self, p: float) -> bool:
        """True with this probability."""
        return bool(self.random.random() < p)

    def tensor(self, name: str) -> rl.Tensor:
        """What a name holds."""
        found: rl.Tensor = self.scope[name]
        return found

    def shape(self, name: str) -> Shape:
        """Of what a name holds."""
        return self.tensor(name).spec.shape

    def pick(self, fits: Callable[[rl.Tensor], Any] = lambda _: True) -> str:
        """A name whose tensor fits, a late one more likely; raises Absent if there is none."""
        found = [name for name in self.names if fits(self.tensor(name))]
        if not found:
            raise Absent
        late = found[-6:]
        chosen: str = self.one(*late) if self.chance(0.7) else self.one(*found)
        return chosen

    def floating(self) -> str:
        """The name of a floating tensor."""
        return self.pick(lambda x: x.dtype in FLOATING)

    def ranked(self, least: int, most: int = 9) -> str:
        """The name of a tensor of so many dims that holds something."""
        return self.pick(lambda x: least <= x.ndim <= most and x.numel() > 0)

    def partner(self, name: str) -> str:
        """The name of a tensor that broadcasts with this one."""
        shape = self.shape(name)
        return self.pick(lambda y: fits_beside(shape, y.spec.shape))

    def alike(self, name: str) -> str:
        """The name of a tensor of the same shape."""
        shape = self.shape(name)
        return self.pick(lambda y: y.spec.shape == shape)

    def index(self, below: int, *shape: int) -> str:
        """A new argument: integers below this."""
        dtype = self.one("int64", "int64", "int32")
        name = f"i{len(self.sources)}"
        self.source(Source(name, Spec(shape, as_dtype(dtype)), 0, below - 1))
        return name

    def dim(self, name: str) -> int:
        """A dim of what a name holds, counted from either end."""
        n = len(self.shape(name))
        return self.below(n) - (n if self.chance(0.3) else 0)

    def dims(self, name: str) -> Any:
        """One or several dims."""
        n = len(self.shape(name))
        if self.chance(0.5):
            return self.dim(name)
        chosen = [i for i in range(n) if self.chance(0.5)] or [self.below(n)]
        return tuple(int(i) for i in self.random.permutation(chosen))

    # -- writing

    def source(self, source: Source) -> None:
        """Take a tensor from outside; an index is no operand of others."""
        self.sources.append(source)
        self.scope[source.name] = source.tensor((self.seed, 1), self.device)
        if source.captured:
            self.scope[source.name] = source.tensor((self.seed,), self.device)
        else:
            self.exact.add(source.name)
        if not source.name.startswith("i"):
            self.names.append(source.name)

    def write(self, text: str, *uses: str, exact: bool = False, jumps: bool = False) -> str:
        """A line that makes a tensor; exact: rounds nothing, jumps: small changes become large.

        Returns: its name.  Raises: Absent if it is left out.
        """
        if jumps and self.unsteady.intersection(uses):
            raise Absent
        makes = f"v{len(self.lines)}"
        line = Line(text if "{z}" in text else "{z} = " + text, uses, makes, exact=exact)
        self.run(line)
        z = self.scope.get(makes)
        if z is None or z.dtype.name not in self.types or not self.tame(z):
            self.scope.pop(makes, None)
            raise Absent
        self.lines.append(line._replace(spec=z.spec))
        self.names.append(makes)
        self.used.update(uses)
        exact = exact and self.exact.issuperset(uses)
        if exact:
            self.exact.add(makes)
        elif z.dtype.name in NARROW or (self.unsteady.intersection(uses)):
            self.unsteady.add(makes)
        self.terms = max(self.terms, *(self.tensor(name).numel() for name in uses), 1)
        return makes

    def tell(self, text: str, *uses: str, changes: bool = False) -> None:
        """A line that makes nothing; changes: its first operand."""
        before = {name: self.tensor(name).detach() for name in uses[:1] if changes}
        self.run(Line(text, uses))
        for name, x in before.items():
            z = self.tensor(name)
            if z.spec != x.spec or not self.tame(z):
                with rl.no_grad():
                    z.copy_(x)
                raise Absent
            self.exact.discard(name)
            if z.dtype.name in NARROW:
                self.unsteady.add(name)
        self.lines.append(Line(text, uses, changes=changes))
        self.used.update(uses)

    def run(self, line: Line) -> None:
        """Run a line now.  Raises: Absent if it is refused."""
        try:
            exec(str(line), self.scope)
        except RushlightError as error:
            raise Absent(f"{line}: {error}") from error

    def tame(self, z: rl.Tensor) -> bool:
        """Whether values are such that a comparison means something."""
        if z.numel() > MOST:
            return False
        values = z.numpy(force=True)
        if z.dtype not in FLOATING:
            return bool((np.abs(values.astype(np.int64)) < 1000).all())
        values = values.astype(np.float64)
        finite = np.isfinite(values)
        return bool((self.odd or finite.all()) and (np.abs(values[finite]) < LIMIT).all())

    # -- beginning and end

    def begin(self) -> None:
        """Arguments and captures whose shapes have to do with each other."""
        b, m, n, k = (self.one(*SIZES) for _ in range(4))
        shapes = [(m, n), (m, n), (n,), (m, 1), (b, m, n), (1, n), (n, k), ()]
        for i in range(3 + self.below(4)):
            shape = shapes[i] if i < 1 else self.one(*shapes)
            dtype = as_dtype(self.one(*[name for name in TYPES if name in self.types]))
            whole = dtype not in FLOATING
            low, high = (0, 1) if dtype.name == "bool" else (-4, 5) if whole else (-1.5, 1.5)
            asks = not whole and self.chance(0.3)
            odd = self.odd and not whole and self.chance(0.7)
            self.source(Source(f"x{i}", Spec(shape, dtype), low, high, asks=asks, odd=odd))
        for i, shape in enumerate([(n, k), (k,), (n,), (m, n)][: 1 + self.below(4)]):
            chosen = self.one("float32", "float32", "float32", "float64", "bfloat16")
            spec = Spec(shape, as_dtype(chosen if chosen in self.types else "float32"))
            self.source(Source(f"w{i}", spec, -0.8, 0.8, captured=True, asks=True))
            for name in (f"m{i}", f"s{i}")[: self.below(3)]:
                self.source(Source(name, spec, 0.1, 0.9, captured=True))
        self.source(Source("c", Spec((n,), as_dtype("float32")), -0.9, 0.9, captured=True))

    def finished(self) -> Program:
        """The program so far: it returns what no line uses, and some of the rest."""
        made = [line.makes for line in self.lines if line.makes]
        kept = [name for name in made if name not in self.used or self.chance(0.1)]
        outside = self.chance(0.25)
        sources = tuple(self.sources)
        return Program(self.seed, sources, tuple(self.lines), tuple(kept), self.terms, outside)


class Absent(Exception):
    """A line that cannot be written here."""


def fits_beside(x: Shape, y: Shape) -> bool:
    """Whether two shapes broadcast to something that is not too large."""
    try:
        return prod(np.broadcast_shapes(x, y)) <= MOST
    except ValueError:
        return False


def fits_into(x: Shape, y: Shape) -> bool:
    """Whether the first shape stretches to the second."""
    return fits_beside(x, y) and np.broadcast_shapes(x, y) == y


# -- kinds of lines -------------------------------------------------------------------------------

SMOOTH = """
{0}.tanh() ; {0}.sigmoid() ; rl.gelu({0}) ; rl.gelu({0}, approximate="tanh") ; rl.silu({0})
({0} * 0.3).exp() ; ({0}.abs() + 0.5).log() ; ({0} * {0} + 0.5).rsqrt() ; {0}.erf() ; {0}.sin()
{0}.cos() ; ({0}.abs() + 0.1).sqrt() ; {0}.square() * 0.5 ; 1.0 / ({0}.abs() + 0.5)
({0} * 0.5).expm1() ; ({0} * {0}).log1p() ; {0}.atan() ; {0}.asinh() ; rl.softplus({0})
rl.elu({0}) ; rl.leaky_relu({0}, 0.1) ; rl.mish({0}) ; {0} * 1.5 ; {0} - 0.25 ; 2.0 - {0} ; {0} / 3
{0} * rate ; {0} + rate ; rate - {0} ; {0} / (rate + 1.5) ; {0} * step.value ; {0} ** 2
({0}.abs() + 0.3) ** 1.5 ; ({0} * 0.5) ** 3 ; 2 ** ({0} * 0.5) ; ({0} * 0.5).tan().tanh()
({0} * 0.4).sinh() ; ({0} * 0.4).cosh() ; ({0}.tanh() * 0.9).atanh() ; ({0} * 0.9).tanh().erfinv()
{0} * 2.0 if rate > 0.3 else {0} * 0.5 ; rl.selu({0}) ; {0} + {0} ; {0} * {0} * 0.5 ; {0} * 0.1
({0}.abs() + 1).log2() ; ({0} * 0.5).exp2() ; {0}.detach() * {0} ; {0} * 1 ; {0} + 0.0
"""
EXACTLY = """
-{0} ; {0}.abs() ; {0}.relu() ; {0}.clamp(-1.0, 1.25) ; {0}.clone() ; rl.relu6({0})
{0}.clamp(min=0) ; rl.hardtanh({0}) ; {0}.detach()
"""
JUMPING = """
{0}.floor() ; {0}.round() ; {0}.ceil() ; {0}.trunc() ; {0}.sign() ; {0} > 0.25 ; {0} <= 0
{0} != 0 ; {0} == 1 ; {0}.isnan() ; {0}.isfinite() ; ~({0} > 0) ; {0}.bool()
"""
OF_WHOLE = """
{0} + 3 ; {0} * 2 - 1 ; {0} // 3 ; {0} % 5 ; {0} & 6 ; {0} | 1 ; {0} ^ 5 ; {0} << 1 ; {0} >> 1
-{0} ; {0}.abs() ; {0} * {0} % 7 ; {0} - rate ; {0} / 4 ; {0}.clamp(-2, 3) ; {0} == 2 ; {0} > 1
""".replace("{0} ; 1", "{0} | 1")
PAIRS = """
{0} + {1} ; {0} - {1} ; {0} * {1} ; {0} / ({1} * {1} + 0.5) ; rl.maximum({0}, {1})
rl.minimum({0}, {1}) ; rl.where({0} > {1}, {0}, {1}) ; rl.atan2({0}, {1}.abs() + 0.5)
rl.hypot({0}, {1}.abs() + 0.25) ; rl.logaddexp({0}, {1}) ; {0} * {1}.tanh() ; {0} - {1} * rate
({0}.abs() + 0.5) ** ({1} * 0.5) ; rl.lerp({0}, {1}, 0.25) ; {0}.mul({1}).add({0}, alpha=0.5)
rl.addcmul({0}, {1}, {1}, value=0.5) ; {0} + {1}.detach() ; rl.xlogy({0}, {1}.abs() + 0.5)
"""
COMPARED = "{0} > {1} ; {0} <= {1} ; {0} == {1} ; {0} != {1} ; {0} < {1} ; ({0} > 0) & ({1} < 0)"


def listed(table: str) -> list[str]:
    """The templates of a table."""
    return [text.strip() for line in table.strip().splitlines() for text in line.split(" ; ")]


SMOOTHLY, EXACT, JUMPS, WHOLE, TWO, COMPARING = map(
    listed, (SMOOTH, EXACTLY, JUMPING, OF_WHOLE, PAIRS, COMPARED)
)


def smooth(a: Author) -> None:
    """A function of each element."""
    a.write(a.one(*SMOOTHLY), a.pick(lambda x: x.dtype in FLOATING or a.chance(0.2)))


def exactly(a: Author) -> None:
    """A function that rounds nothing."""
    a.write(a.one(*EXACT), a.pick(), exact=True)


def jumping(a: Author) -> None:
    """A function with jumps."""
    a.write(a.one(*JUMPS), a.pick(), exact=True, jumps=True)


def whole(a: Author) -> None:
    """Of integers and bools."""
    a.write(a.one(*WHOLE), a.pick(lambda x: x.dtype not in FLOATING))


def both(a: Author) -> None:
    """Two tensors that broadcast."""
    x = a.pick()
    pair = (x, a.partner(x)) if a.chance(0.5) else (a.partner(x), x)
    a.write(a.one(*TWO), *pair)


def comparing(a: Author) -> None:
    """Two tensors compared."""
    x = a.pick()
    a.write(a.one(*COMPARING), x, a.partner(x), exact=True, jumps=True)


def choosing(a: Author) -> None:
    """By a condition."""
    c = a.pick(lambda x: x.dtype.name == "bool")
    x = a.partner(c)
    text = a.one(
        "rl.where({0}, {1}, {2})", "rl.where({0}, {1}, 0.5)", "{1}.masked_fill({0}, -1.0)",
        "rl.where({0}, 0, {1})", "{1} * {0}",
    )  # fmt: skip
    a.write(text, c, x, a.partner(x), exact=True)


def casting(a: Author) -> None:
    """To another type."""
    target = a.one("float32", "float32", "float64", "float16", "bfloat16", "int32", "int64", "bool")
    if a.odd and target[0] == "i":  # nan as an integer is what the hardware says
        raise Absent
    a.write(f'{{0}}.to(rl.dtype("{target}"))', a.pick(), exact=True, jumps=target[0] in "ib")


def reshaping(a: Author) -> None:
    """To other dims."""
    x = a.pick()
    n, shape = a.tensor(x).numel(), list[int]()
    while n > 1 and len(shape) < 3:
        part = a.one(*[d for d in range(2, n + 1) if n % d == 0][:6], n)
        shape.insert(a.below(len(shape) + 1), part)
        n //= part
    shape = [*shape, n] if n > 1 or a.chance(0.2) else shape
    if shape and a.chance(0.3):
        shape[a.below(len(shape))] = -1
    a.write(f"{{0}}.{a.one('reshape', 'view', 'reshape')}({shape})", x, exact=True)


def permuting(a: Author) -> None:
    """Its dims in another order."""
    x = a.ranked(2)
    order = [int(i) for i in a.random.permutation(len(a.shape(x)))]
    a.write(a.one(f"{{0}}.permute({order})", "{0}.mT", "{0}.transpose(0, -1)"), x, exact=True)


def expanding(a: Author) -> None:
    """More dims, or longer ones."""
    x = a.ranked(0, 3)
    shape = list(a.shape(x))
    longer = [a.one(2, 3, 5) if n == 1 and a.chance(0.6) else n for n in shape]
    if a.chance(0.4):
        longer = [a.one(1, 2, 3), *longer]
    text = a.one(
        f"{{0}}.expand({longer})", f"{{0}}.unsqueeze({a.below(len(shape) + 1)})", "{0}.squeeze()",
        "{0}[..., None]", f"{{0}}.expand({longer})",
    )  # fmt: skip
    a.write(text, x, exact=True)


def slicing(a: Author) -> None:
    """Parts of dims, in steps."""
    x = a.ranked(1)
    parts = [piece(a, n) for n in a.shape(x)][: 1 + a.below(len(a.shape(x)))]
    if a.chance(0.15):
        parts.insert(a.below(len(parts) + 1), "None")
    if a.chance(0.15):
        parts = ["...", *parts]
    if a.chance(0.04):
        parts = [":0"]
    a.write(f"{{0}}[{', '.join(parts)}]", x, exact=True)


def piece(a: Author, n: int) -> str:
    """A slice of a dim of length n, or an index."""
    start, step = a.below(n), 1 + a.below(3)
    stop = start + 1 + a.below(n - start)
    return str(
        a.one(
            ":", f"{start}:", f":{stop}", f"{start}:{stop}", f"::{step}", f"{start}:{stop}:{step}",
            f"{start - n}:", str(start), str(start - n),
        )
    )  # fmt: skip


def turning(a: Author) -> None:
    """Flipped, rolled, cut, laid again."""
    x = a.ranked(1)
    d = a.dim(x)
    n = a.shape(x)[d]
    text = a.one(
        f"{{0}}.flip({d})", f"rl.flip({{0}}, dims=[{d}])", f"{{0}}.roll({1 + a.below(4)}, {d})",
        f"{{0}}.narrow({d}, {a.below(n)}, 1)", f"{{0}}.chunk(2, dim={d})[0]", "{0}.tril()",
        f"{{0}}.split({1 + a.below(n)}, dim={d})[-1]", f"{{0}}.unbind({d})[{a.below(n)}]",
        "{0}.triu(1)", "{0}.diagonal()", f"{{0}}.repeat_interleave(2, dim={d})",
        f"{{0}}.tile({[2] * len(a.shape(x))})", "{0}.flatten()", f"{{0}}.movedim({d}, 0)",
        f"{{0}}.unfold({d}, {1 + a.below(n)}, {1 + a.below(2)})",
    )  # fmt: skip
    a.write(text, x, exact=True)


def joining(a: Author) -> None:
    """Several as one."""
    x = a.ranked(1)
    d, shape = a.dim(x), list(a.shape(x))
    y = a.pick(lambda y: [*y.spec.shape] == shape)
    text = a.one(
        f"rl.cat([{{0}}, {{1}}], dim={d})", f"rl.stack([{{0}}, {{1}}], dim={d})",
        f"rl.cat([{{0}}, {{1}}, {{0}}], dim={d})", "rl.cat([{1}[:1], {0}], dim=0)",
    )  # fmt: skip
    a.write(text, x, y, exact=True)


def padding(a: Author) -> None:
    """More at the ends."""
    x = a.ranked(1)
    widths = [a.below(3) for _ in range(2 * (1 + a.below(len(a.shape(x)))))]
    text = a.one(f"rl.pad({{0}}, {widths})", f"rl.pad({{0}}, {widths}, value=0.5)")
    a.write(text, x, exact=True)


def reducing(a: Author) -> None:
    """Dims summed, multiplied, or the like; also of nothing."""
    x = a.pick(lambda x: x.ndim > 0)
    dims, keep = a.dims(x), a.chance(0.4)
    text = a.one(
        f"{{0}}.sum({dims}, keepdim={keep})", f"{{0}}.mean({dims}, keepdim={keep})",
        f"{{0}}.var({dims}, keepdim={keep})", f"{{0}}.var({dims}, correction=0, keepdim={keep})",
        f"rl.logsumexp({{0}}, {dims}, keepdim={keep})", "{0}.sum()", "{0}.mean()",
        f"({{0}}.tanh() * 0.3 + 1.0).prod({a.dim(x)}, keepdim={keep})", f"{{0}}.sum({dims})",
        f"({{0}}.square() + 0.1).sum({dims}, keepdim={keep}).sqrt()",
        f"{{0}} - {{0}}.mean({a.dim(x)}, keepdim=True)", f"{{0}}.cumsum({a.dim(x)})",
        f"{{0}} / ({{0}}.abs().sum({dims}, keepdim=True) + 1.0)", f"{{0}}.norm(dim={dims})",
        f"(({{0}} * 0.5).tanh() + 0.5).cumprod({a.dim(x)})",
    )  # fmt: skip
    a.write(text, x)


def extremes(a: Author) -> None:
    """The largest or smallest, and where they are."""
    x = a.ranked(1)
    dims, d, keep = a.dims(x), a.dim(x), a.chance(0.4)
    text = a.one(
        f"{{0}}.amax({dims}, keepdim={keep})", f"{{0}}.amin({dims}, keepdim={keep})", "{0}.max()",
        f"{{0}}.max({d}, keepdim={keep}).values", f"{{0}}.min({d}).values",
        f"{{0}}.sort({d}).values", f"{{0}}.topk(1, {d}).values", f"{{0}}.cummax({d}).values",
    )  # fmt: skip
    places = a.one(
        f"{{0}}.argmax({d}, keepdim={keep})", f"{{0}}.argmin({d})", f"{{0}}.max({d}).indices",
        f"({{0}} > 0).any({d})", f"({{0}} > 0).all({d})", f"{{0}}.count_nonzero({d})",
        f"{{0}}.argsort({d}, stable=True)", f"({{0}} > 0.5).sum({d})", f"({{0}} > 0.5).cumsum({d})",
    )  # fmt: skip
    jumps = a.chance(0.4)
    a.write(places if jumps else text, x, exact=True, jumps=jumps)


def rows(a: Author) -> None:
    """Softmax, norms and the like."""
    x = a.pick(lambda x: x.dtype in FLOATING and x.ndim > 0 and x.numel() > 0)
    n, d = a.shape(x)[-1], a.dim(x)
    scales = [
        name
        for name in a.names
        if a.shape(name) == (n,) and a.tensor(name).dtype is a.tensor(x).dtype
    ]
    scale = (a.one(*scales), a.one(*scales)) if scales else ()
    if scale and a.chance(0.6):
        text = a.one(
            f"rl.layer_norm({{0}}, [{n}], {{1}}, {{2}}, eps=0.1)",
            f"rl.rms_norm({{0}}, [{n}], {{1}}, 0.1)",
            f"rl.layer_norm({{0}}, [{n}], {{1}}, eps=0.1)",
        )  # fmt: skip
    else:
        scale = ()
        text = a.one(
            f"rl.softmax({{0}}, {d})", f"rl.log_softmax({{0}}, {d})", f"rl.softmax({{0}}, {d})",
            f"rl.layer_norm({{0}}, [{n}], eps=0.1)", f"rl.normalize({{0}}, dim={d}, eps=0.5)",
            f"rl.softmax({{0}} * 3.0, {d}).log()", f"rl.logcumsumexp({{0}}, {d})",
        )  # fmt: skip
    a.write(text, x, *scale)


def losing(a: Author) -> None:
    """Losses."""
    x = a.pick(lambda x: x.dtype in FLOATING and x.ndim > 0 and x.numel() > 0)
    how = a.one("mean", "sum", "none")
    shape = a.shape(x)
    if len(shape) == 2 and a.chance(0.5):
        target = a.index(shape[1], shape[0])
        smoothing = a.one("", ", label_smoothing=0.1")
        text = a.one(
            f"rl.cross_entropy({{0}}, {{1}}, reduction={how!r}{smoothing})",
            f"rl.nll_loss({{0}}.log_softmax(1), {{1}}, reduction={how!r})",
        )
        a.write(text, x, target)
        return
    name = a.one("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")
    text = a.one(
        f"rl.{name}({{0}}, {{1}}, reduction={how!r})",
        f"rl.binary_cross_entropy_with_logits({{0}}, {{1}}.sigmoid(), reduction={how!r})",
    )
    a.write(text, x, a.alike(x))


def multiplying(a: Author) -> None:
    """Products of matrices."""
    x = a.pick(lambda x: x.dtype in FLOATING and x.ndim > 0 and x.numel() > 0)
    shape, dtype = a.shape(x), a.tensor(x).dtype
    n = shape[-1]

    def like(y: rl.Tensor) -> bool:
        return y.dtype is dtype and y.numel() > 0

    def right(y: rl.Tensor) -> bool:
        return like(y) and y.ndim > 1 and y.shape[-2] == n

    kind = a.below(5)
    if kind == 0:
        y = a.pick(lambda y: like(y) and y.ndim == 2 and y.shape[1] == n)
        a.write(f"rl.linear({{0}}, {{1}}) * {factor(n)}", x, y)
    elif kind == 1 and len(shape) > 1:
        a.write(f"{{0}} @ {{0}}.mT * {factor(n)}", x)
    elif kind == 2:
        y = a.pick(lambda y: right(y) and y.ndim == 2)
        bias = a.pick(lambda z: like(z) and z.spec.shape == (a.shape(y)[1],))
        after = a.one("", ".relu()", ".tanh()", " * 0.5")
        text = a.one("({0} @ {1} + {2})", "rl.linear({0}, {1}.mT, {2})")
        a.write(f"({text}){after} * {factor(n)}", x, y, bias)
    elif kind == 3:
        y = a.pick(lambda y: like(y) and y.spec.shape == shape)
        text = a.one(
            "rl.bmm({0}, {1}.mT)" if len(shape) == 3 else "{0} @ {1}.mT",
            "({0} @ {1}.mT).softmax(-1)", "{0}.mT @ {1}",
        )  # fmt: skip
        a.write(f"{text} * {factor(max(shape))}", x, y)
    else:
        a.write(f"{{0}} @ {{1}} * {factor(n)}", x, a.pick(right))


def factor(n: int) -> float:
    """About 1 / sqrt(n), as one writes it."""
    return round(1 / sqrt(n), 3)


def indexing(a: Author) -> None:
    """By tensors of integers."""
    x = a.ranked(1, 3)
    shape, d = list(a.shape(x)), a.below(len(a.shape(x)))
    n, length = shape[d], a.one(1, 3, 6)
    if a.chance(0.5):
        i = a.index(n, length)
        colons = ":, " * d
        texts = [f"{{0}}.index_select({d}, {{1}})", f"{{0}}[{colons}{{1}}]"]
        if len(shape) == 2:
            texts.append("rl.embedding({1}, {0})" if d == 0 else "{0}[:, {1}]")
        a.write(a.one(*texts), x, i, exact=True)
        return
    like = [*shape[:d], length, *shape[d + 1 :]]
    i = a.index(n, *like)
    if a.chance(0.5):
        a.write(a.one(f"{{0}}.gather({d}, {{1}}.long())"), x, i, exact=True)
        return
    dtype = a.tensor(x).dtype
    source = a.pick(lambda y: [*y.spec.shape] == like and y.dtype is dtype)
    a.write(f"{{0}}.scatter_add({d}, {{1}}.long(), {{2}})", x, i, source)


def adding_rows(a: Author) -> None:
    """Rows added where an index says."""
    x = a.pick(lambda x: x.dtype in FLOATING and 0 < x.ndim < 3 and x.numel() > 0)
    dtype, rest = a.tensor(x).dtype, a.shape(x)[1:]
    y = a.pick(lambda y: y.dtype is dtype and y.ndim == 1 + len(rest) and y.spec.shape[1:] == rest)
    a.write("{0}.index_add(0, {1}, {2})", x, a.index(a.shape(x)[0], a.shape(y)[0]), y)


def images(a: Author) -> None:
    """Convolutions and pools."""
    x = a.pick(lambda x: x.dtype.name == "float32" and x.ndim == 3 and min(x.shape) > 2)
    y = a.pick(lambda y: y.dtype.name == "float32" and y.ndim == 3 and y.shape[1] == a.shape(x)[1])
    width = a.shape(y)[2]
    text = a.one(
        "rl.max_pool1d({0}, 2)", "rl.max_pool1d({0}, 3, 1, 1)", "rl.avg_pool1d({0}, 2)",
        f"rl.conv1d({{0}}, {{1}}, padding={width // 2}) * 0.1",
    )  # fmt: skip
    a.write(text, x, y)


def drawing(a: Author) -> None:
    """Random numbers."""
    x = a.floating()
    shape = list(a.shape(x))
    stream = a.one("", ", generator=stream")
    dtype = a.one("float32", "float32", "float64", "bfloat16", "float16")
    if a.chance(0.5):
        text = a.one(
            "rl.dropout({0}, 0.5)", "rl.dropout({0}, 0.25)", "{0} + rl.randn_like({0}) * 0.1"
        )
        a.write(text, x)
        return
    text = a.one(
        f'rl.rand({shape}, device=device, dtype=rl.dtype("{dtype}"){stream})',
        f"rl.randint(-3, 4, {shape}, device=device{stream})",
        f"rl.rand({shape}, device=device{stream}) < 0.4",
    )
    a.write(text, exact=True)


def making(a: Author) -> None:
    """Tensors of nothing."""
    n = a.one(*SIZES)
    text = a.one(
        f"rl.zeros({n}, device=device)", f"rl.arange({n}, device=device)",
        f"rl.full([{n}], 0.5, device=device)", f"rl.eye({n}, device=device)",
        f"rl.ones([1, {n}], device=device) * rate",
    )  # fmt: skip
    a.write(text)


ROWS = listed(
    "{0}[0] = 0.5 ; {0}[::2] = 0.25 ; {0}[-1] += 1 ; {0}[1:].mul_(0.5) ; {0}.view(-1)[:2].neg_()"
)
COLUMNS = listed("{0}[:, 0] = 0.5 ; {0}.mT[0].add_(0.25) ; {0}[..., 1:] = 0.5")


def assigning(a: Author) -> None:
    """A captured tensor or an argument changed in place."""
    names = {s.name for s in a.sources if s.name[0] in "cmsx" and not s.asks}
    c = a.pick(lambda x: any(x is a.scope[name] for name in names))
    x = a.pick(lambda y: fits_into(y.spec.shape, a.shape(c)))
    text = a.one(
        "{0}.mul_(0.5).add_({1}.detach() * 0.25)", "{0}.copy_({1}.detach() * 0.5)",
        "{0}.sub_({1}.detach() * rate)", "{0}.mul_(0.5)", "{0}.fill_(0.25)", "{0}.zero_()",
        "{0}.neg_()", "{0}.clamp_(-0.5, 0.75)", "step.value = step.value * 0.5 + 0.25  # {0}",
        *(ROWS if a.shape(c) else ()), *(COLUMNS if len(a.shape(c)) > 1 else ()),
    )  # fmt: skip
    a.tell(text, c, x, changes=True)


def parts(a: Author) -> None:
    """A new tensor of which a part is assigned."""
    x = a.ranked(1)
    where = ", ".join(piece(a, n) for n in a.shape(x)[: 1 + a.below(len(a.shape(x)))])
    text = a.one(f"{{z}}[{where}] = 0.5", f"{{z}}[{where}] *= 2", f"{{z}}[{where}] += 1")
    a.write("{z} = {0}.clone()\n" + text, x)


def differentiating(a: Author) -> None:
    """Gradients, left on leaves or returned."""
    y = a.pick(lambda x: x.dtype in FLOATING and x.requires_grad)
    x = a.pick(lambda x: x.dtype in FLOATING and x.requires_grad)
    value = a.one(
        "({0} * {0}).mean()", "{0}.sum() * 0.1", "{0}.square().sum() * 0.1", "{0}.tanh().mean()",
        "({0}.float() * 0.5).sum()",
    )  # fmt: skip
    keep = a.one("", "retain_graph=True")
    if a.chance(0.5):
        a.tell(f"({value}).backward({keep})", y)
        return
    keep = a.one(", retain_graph=True", ", create_graph=True", "")
    for _ in range(4):  # most tensors have nothing to do with each other
        with suppress(Absent):
            a.write(f"rl.autograd.grad({value}, {{1}}{keep})[0]", y, x)
            return
        x = a.pick(lambda x: x.dtype in FLOATING and x.requires_grad)


def closing(a: Author) -> None:
    """The loss of a training step, its gradients and what is done with them."""

    def asks(x: rl.Tensor) -> bool:
        return x.dtype in FLOATING and x.requires_grad

    parts = [f"({{{i}}} * {{{i}}}).float().mean()" for i in range(1 + a.below(3))]
    a.tell(f"({' + '.join(parts)}).backward()", *[a.pick(asks) for _ in parts])
    for _ in range(a.below(4)):
        stepping(a)


def stepping(a: Author) -> None:
    """What is done with the gradients of leaves."""
    w = a.pick(lambda x: x.is_leaf and x.requires_grad and x.grad is not None)
    i = w[1:]
    kinds = [
        "{z} = {0}.grad * 0.5",
        "{0}.grad = None",
        "with rl.no_grad():\n    {0}.sub_({0}.grad * rate)",
    ]
    if f"s{i}" in a.scope and w[0] == "w":
        kinds.append(
            "with rl.no_grad():\n"
            f"    m{i}.mul_(0.9).add_({{0}}.grad, alpha=0.1)\n"
            f"    s{i}.mul_(0.99).addcmul_({{0}}.grad, {{0}}.grad, value=0.01)\n"
            f"    {{0}}.sub_(m{i} / (s{i}.sqrt() + 0.1) * rate)\n"
            "    step.value = step.value + 0.125"
        )
    elif f"m{i}" in a.scope and w[0] == "w":
        kinds.append(
            "with rl.no_grad():\n"
            f"    m{i}.mul_(0.9).add_({{0}}.grad, alpha=0.1)\n"
            f"    {{0}}.sub_(m{i} * rate)"
        )
    text = a.one(*kinds)
    if text.startswith("{z}"):
        a.write(text, w)
    else:
        a.tell(text, w, changes=".sub_(" in text)


KINDS: dict[Callable[[Author], None], int] = {
    smooth: 14, exactly: 4, jumping: 3, whole: 3, both: 14, comparing: 3, choosing: 4, casting: 5,
    reshaping: 4, permuting: 4, expanding: 4, slicing: 5, turning: 4, joining: 3, padding: 2,
    reducing: 10, extremes: 4, rows: 6, losing: 4, multiplying: 10, indexing: 4, adding_rows: 1,
    images: 2, drawing: 3, making: 1, assigning: 4, parts: 2, differentiating: 6, stepping: 4,
}  # fmt: skip


def drawn(seed: int, types: frozenset[str] = EVERY_DTYPE) -> Program:
    """The program of a seed, the same in every process: 5 to 60 lines that run without an error.

    types: the names of those that its tensors may have.
    """
    for attempt in count():
        program = written(Author(seed, attempt, types))
        if program.results and runs(program):
            return program
    raise AssertionError("count() has no end")


def written(a: Author) -> Program:
    """A program of as many lines as the author draws."""
    kinds, weights = list(KINDS), np.array(list(KINDS.values()), float)
    length = 5 + int(56 * a.random.random() ** 2)
    with fork_rng():
        rl.manual_seed(a.seed)
        a.begin()
        for _ in range(6 * length):
            if len(a.lines) >= length:
                break
            kind = kinds[int(a.random.choice(len(kinds), p=weights / weights.sum()))]
            with suppress(Absent):
                kind(a)
        if a.chance(0.7):
            with suppress(Absent):
                closing(a)
    return trimmed(a.finished())


def runs(program: Program) -> bool:
    """Whether it ends without an error at each call, with numbers that can be compared."""
    odd = any(source.odd for source in program.sources)
    try:
        calls = outcomes(program, Device("numpy"), compiled=False)
    except RushlightError:
        return False
    for found in calls:
        for name, x in found.items():
            if "counter" not in name:
                values = x.astype(np.float64)
                finite = np.isfinite(values)
                if not (odd or finite.all()) or (np.abs(values[finite]) > BOUND).any():
                    return False
    return True


# -- many of them ---------------------------------------------------------------------------------


def failure(program: Program, device: Device, oracle: Device | None = None) -> str:
    """What differs, and the smallest program found where something does; empty if nothing does."""
    told = disagreement(program, device, oracle)
    if not told:
        return ""
    small = shrunk(program, lambda one: bool(disagreement(one, device, oracle)))
    return (
        f"program {program.seed}: {told}\n"
        f"{len(small.lines)} of its {len(program.lines)} lines fail too: "
        f"{disagreement(small, device, oracle)}\n\n{small}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Try many programs; returns 1 if one differs, 2 if the device is not there."""
    parser = argparse.ArgumentParser(prog="fuzz.programs", description=__doc__)
    parser.add_argument("--device", default="numpy", help="where the programs are compiled")
    parser.add_argument("--against", help="where they run at once; the same device if not given")
    parser.add_argument("--count", type=int, default=1000, help="how many programs")
    parser.add_argument("--first", type=int, default=0, help="the seed of the first")
    parser.add_argument("--script", type=int, help="write this program as a file, and run none")
    given = parser.parse_args(argv)
    if given.script is not None:
        sys.stdout.write(drawn(given.script).script())
        return 0
    try:
        device = Device(given.device)
        oracle = Device(given.against) if given.against else None
    except (BackendUnavailable, DeviceError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    failed = []
    for seed in range(given.first, given.first + given.count):
        told = failure(drawn(seed, device.backend.capabilities.dtypes), device, oracle)
        if told:
            failed.append(seed)
            sys.stdout.write(f"{told}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{given.count} programs on {device}, {len(failed)} differ {failed}\n")
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
