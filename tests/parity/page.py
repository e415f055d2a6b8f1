"""docs/coverage.md: what every public operation is, on each device, and where it is not PyTorch's.

`python tests/write_page.py` writes the page.  It calls every name as the comparison does, in
rushlight alone, and looks which kernels ran.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from parity.call import Call, Maker
from parity.calls import CALLS, ELEMENT_TYPES
from parity.differences import DEVIATIONS, DIFFERENT, NOT_OFFERED
from parity.exceptions import COUNTED, EXCEPTIONS, OWN
from parity.layers import CONTAINERS, LAYERS
from parity.names import METHODS, NAMES, function, places

import rushlight as rl
import rushlight_nn as nn

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "coverage.md"
FLOATS = ("float64", "float32", "float16", "bfloat16")
INTS = ("int64", "int32", "int16", "int8", "uint8", "uint32")
DTYPES = (*FLOATS, *INTS, "bool")
SHORT = {
    DTYPES: "all",
    FLOATS: "floats",
    (*FLOATS, *INTS): "numbers",
    (*INTS, "bool"): "integers, bool",
    INTS: "integers",
    FLOATS[:2]: "float64, float32",
}
ROOMS = {"rl": "rl", "F": "functional", "Tensor": "method", "linalg": "linalg"}

HEAD = """\
# Coverage

Made by `python tests/write_page.py` from the code; a test keeps it up to date.

`nox -s parity` calls every public name in rushlight and in PyTorch 2.13, on usual, broadcast,
empty, 0-d, odd and wrong arguments, of float64, float32, bfloat16, int64 and bool, and on arrays
with strides; layers with the same parameters, in training and in evaluation. It compares results,
their types, first and second gradients, and classes of errors. Rounding aside, all must be alike;
bfloat16 is held to 3 units in the last place of PyTorch's float64 result on the same inputs, 6 in
second gradients, relative to the largest element, and in elementwise functions to each. float16 is
not compared.

{total} comparisons of {names} names and {layers} layers: {alike} alike, {differs} unlike as the
exceptions below tell, and {lacking} not compared, since PyTorch has no kernel for the type (`not
implemented for 'Bool'`), which may be computed here. **{share:.1f} % of those compared are
PyTorch's**.
"""
EXPLAINED = """\
## Operations

Where: `rl.name`, a method of `Tensor`, in `nn.functional`, in `rl.linalg`. Place: whether there is
`name_`. Gradient: of first and second order, `-` if it has none to give. Types: of the first
argument. The last columns are the operations that the first call of the table runs, by the kernel
of each device: one is a kernel for it, several are what it is composed of.
"""


class Row(NamedTuple):
    """What the page says of a name."""

    name: str
    where: str
    in_place: str
    gradient: str
    types: str
    numpy: str
    hostile: str


@contextmanager
def watched(place: Any) -> Iterator[list[str]]:
    """The operations whose kernels run on a device meanwhile."""
    seen: list[str] = []
    kernels = dict(place.kernels)

    def watching(name: str, kernel: Any) -> Any:
        def run(*given: Any, **options: Any) -> Any:
            seen.append(name)
            return kernel(*given, **options)

        return run

    try:
        place.kernels.update({name: watching(name, run) for name, run in kernels.items()})
        yield seen
    finally:
        place.kernels.update(kernels)


def called(name: str, call: Call, dtype: str, place: str, asked: bool = False) -> tuple[Any, Any]:
    """The results of a call on a device, and what made its arguments; None where it is refused."""
    device = rl.device(place)

    def tensor(array: Any) -> Any:
        x = rl.from_numpy(array).to(device)
        return x.requires_grad_() if asked and x.is_floating_point() else x

    maker = Maker(rl, dtype, tensor, name)
    run = function(rl, places(name)[0], name)
    with warnings.catch_warnings(), device:
        warnings.simplefilter("ignore")
        try:
            return run(*maker.made(call.args), **maker.made(call.options)), maker
        except (RuntimeError, ValueError, TypeError, IndexError):
            return None, maker


def tensors(made: Any) -> list[Any]:
    """The floating tensors of a result."""
    if isinstance(made, (list, tuple)):
        return [z for one in made for z in tensors(one)]
    return [made] if isinstance(made, rl.Tensor) and made.is_floating_point() else []


def gradient(name: str, calls: list[Call]) -> str:
    """1 if it has gradients, 2 if it is recorded how these depend on inputs or cotangents."""
    for call in calls:
        made, maker = called(name, call, "float64", "numpy", asked=not call.drawn)
        zs = [z for z in tensors(made) if z.requires_grad]
        if zs and maker.leaves:
            return orders(zs, maker.leaves)
    return "-"


def orders(zs: list[Any], xs: list[Any]) -> str:
    """Which orders of gradients of results by leaves there are."""
    cotangents = [rl.ones_like(z).requires_grad_() for z in zs]
    found = rl.autograd.grad(zs, xs, cotangents, create_graph=True, allow_unused=True)
    first = [g for g in found if g is not None]
    recorded = [g for g in first if g.requires_grad]
    if recorded and len(recorded) == len(first):
        seeds = [rl.ones_like(g) for g in recorded]
        rl.autograd.grad(recorded, [*xs, *cotangents], seeds, allow_unused=True)
        return "1, 2"
    return "1" if first else "-"


def types(name: str, call: Call) -> str:
    """The types on which a call is answered."""
    if call.dtypes == ("float32",) and "float32" not in repr(call.types[:1]):
        return ""
    held = tuple(dtype for dtype in DTYPES if called(name, call, dtype, "numpy")[0] is not None)
    missing = [dtype for dtype in DTYPES if dtype not in held]
    return SHORT.get(held) or (
        f"all but {', '.join(missing)}" if len(missing) < 4 else ", ".join(held)
    )


def ran(name: str, call: Call, place: str) -> str:
    """The operations that a call runs on a device."""
    dtype = "float32" if "float32" in call.dtypes else call.dtypes[0]
    with watched(rl.device(place)) as seen:
        made, _ = called(name, call, dtype, place)
    if made is None:
        return "-"
    return ", ".join(f"`{one}`" for one in dict.fromkeys(seen)) or "none"


def row(name: str) -> Row | None:
    """The row of a name; None for an in-place form, or what is no call."""
    calls = [one for one in CALLS.get(name, ()) if not one.bad and not one.program]
    if not calls or name.startswith("__"):
        return None
    first = calls[0]
    where = ", ".join(ROOMS[one] for one in everywhere(name))
    in_place = "yes" if f"{name}_" in METHODS else ""
    gradients = gradient(name, calls)
    kernels = [ran(name, first, place) for place in ("numpy", "hostile")]
    return Row(f"`{name}`", where, in_place, gradients, types(name, first), *kernels)


def everywhere(name: str) -> list[str]:
    """All places of a name, also where it is the same function."""
    found = places(name)
    if name in nn.functional.__all__ and "F" not in found:
        found.append("F")
    return found


def table(rows: list[tuple[str, ...]]) -> str:
    """Markdown; the first row is the head."""
    lines = ["| " + " | ".join(one) + " |" for one in rows]
    return "\n".join([lines[0], "|" + "---|" * len(rows[0]), *lines[1:]])


def exceptions() -> str:
    """Each with its reason."""
    rows = [("name", "what", "types", "how it differs")]
    for one in EXCEPTIONS:
        names = ", ".join(f"`{name}`" for name in one.names.split())
        rows.append((names, one.what, one.dtypes or "all", one.reason))
    return table(rows)


def edges() -> str:
    """Expressions that differ, by reason."""
    code = {reason: ", ".join(f"`{one}`" for one in some) for reason, some in DIFFERENT.items()}
    return table([("how it differs", "where"), *code.items()])


def signatures() -> str:
    """Arguments that are not offered, and what else differs, by reason."""
    rows = [("argument", "of", "why")]
    for name, (reason, names) in NOT_OFFERED.items():
        rows.append((f"`{name}`", ", ".join(f"`{one}`" for one in names.split()), reason))
    rows += [(what, f"`{name}`", reason) for (name, what), reason in DEVIATIONS.items()]
    return table(rows)


def not_compared() -> str:
    """Names without a comparison, by reason."""
    reasons: dict[str, list[str]] = {}
    for name, reason in {**OWN, **CONTAINERS}.items():
        reasons.setdefault(reason, []).append(f"`{name}`")
    return table([("names", "why"), *[(", ".join(v), k) for k, v in reasons.items()]])


def page() -> str:
    """The text of docs/coverage.md."""
    compared = COUNTED["alike"] + COUNTED["differs"]
    rows = [one for one in map(row, NAMES) if one]
    head = HEAD.format(
        total=f"{compared + COUNTED['lacking']:,}",
        **{what: f"{count:,}" for what, count in COUNTED.items()},
        names=len(NAMES),
        layers=len(nn.layers.__all__) - len(CONTAINERS),
        share=100 * COUNTED["alike"] / compared,
    )
    others = [f"`{name}`" for name in NAMES if name not in ELEMENT_TYPES]
    rest = [
        one for one in others if one not in {r.name for r in rows} and not one.startswith("`__")
    ]
    layers = [f"`{name}`" for name in nn.layers.__all__ if name in LAYERS]
    columns = ("name", "where", "in place", "gradient", "types", "numpy", "hostile")
    return "\n".join(
        [
            head,
            "## Exceptions\n",
            exceptions(),
            "\n## Edges\n\n`m` is the library, `F` its nn.functional.\n",
            edges(),
            "\n## Arguments\n\nNot offered, or otherwise named, placed or preset.\n",
            signatures(),
            "\n## Not compared\n",
            not_compared(),
            "\n" + EXPLAINED,
            table([columns, *rows]),
            "\nIn-place forms, and what is compared in a program of several lines: "
            + ", ".join(rest)
            + ".\n\n## Layers\n\nIn training and evaluation, with their parameters' gradients: "
            + ", ".join(layers)
            + ".\n",
        ]
    )
