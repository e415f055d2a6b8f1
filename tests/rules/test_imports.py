"""Who may enter which room.

A room is a module of core, or a folder of modules. Files are keyed by their path below `src`:
`rushlight/compiler/trace.py` is of the room `compiler`.
"""

import ast
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import NamedTuple

import pytest

# Room: the rooms next below it. It may import those, and all that is below them.
BELOW = {
    "errors": "",
    "dtypes": "errors",
    "spec": "dtypes",
    "node": "errors",
    "straight": "spec node",
    "cell": "straight",
    "alias": "straight",
    "pullback": "straight",
    "op": "pullback",
    "ops": "op cell",
    "random": "ops device",
    "function": "random",
    "linalg": "function",
    "backend": "spec",
    "strided": "backend",
    "reference": "backend",
    "plugins": "backend op",
    "device": "plugins",
    "tensor": "function device alias",
    "display": "plugins",
    "indexing": "tensor",
    "eager": "tensor",
    "creation": "tensor",
    "interchange": "creation",
    "autograd": "eager creation",
    "compiler": "autograd",
    "scalar": "autograd",
    "amp": "compiler",
}
DOORS = {"__init__", "extend", "cli"}  # enter every room but testing
FREE = {"testing"}  # enters every room, and only `cli` enters it

# Imports upwards, written inside a function, each with its reason.
LATE = {
    ("backend", "reference"): "a host backend begins with a copy of the reference's table",
    ("plugins", "reference"): "the one backend that is always there, on first use",
    ("tensor", "display"): "the text of a tensor, when one is shown",
    ("tensor", "indexing"): "`x[...]` and its assignment, which make tensors",
    ("tensor", "interchange"): "DLPack, copies and pickles, when they are asked for",
    ("function", "creation"): "lists as tensors, and the new_ methods",
    ("function", "autograd"): "the gradient of a function that is a chain, when it is asked for",
    ("function", "eager"): "the same, which a tape is made for",
    ("alias", "eager"): "what is detached is assigned without being recorded",
    ("indexing", "creation"): "lists as indices, and numbers as what is assigned",
    ("cli", "testing"): "`rushlight conform` and `rushlight new-backend`",
}

# The rooms that may use numpy at run time; the others may name its types.
# `__init__` only imports it, before all else, since that is quicker.
NUMPY = {"__init__", "reference", "creation", "interchange", "dtypes", "testing"}

# What the author of a backend may import, for the backend of this repository is written as if it
# were another's.
DOOR = "rushlight.extend"

DISTRIBUTIONS = {"sklearn": "scikit-learn", "PIL": "pillow", "rushlight_nn": "rushlight-nn"}


class Import(NamedTuple):
    """One imported name, dotted from the top, and whether it waits for a function to be called."""

    name: str
    line: int
    late: bool


def imports(path: str, source: str) -> list[Import]:
    """What a file imports at run time; `if TYPE_CHECKING:` is left out."""
    package = PurePosixPath(path).parent.parts

    def walk(node: ast.AST, late: bool) -> Iterator[Import]:
        match node:
            case ast.If(test=ast.Name("TYPE_CHECKING")):
                for child in node.orelse:
                    yield from walk(child, late)
            case ast.Import():
                for alias in node.names:
                    yield Import(alias.name, node.lineno, late)
            case ast.ImportFrom():
                start = package[: len(package) - node.level + 1] if node.level else ()
                for alias in node.names:
                    parts = (*start, *filter(None, [node.module]), alias.name)
                    yield Import(".".join(parts), node.lineno, late)
            case _:
                inside = late or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
                for child in ast.iter_child_nodes(node):
                    yield from walk(child, inside)

    return list(walk(ast.parse(source), late=False))


def room_of(path: str) -> str:
    return PurePosixPath(path).with_suffix("").parts[1]


@cache
def reach(room: str) -> frozenset[str]:
    """All rooms below this one."""
    below = BELOW[room].split()
    return frozenset(below).union(*map(reach, below))


def wrong_rooms(path: str, source: str) -> Iterator[str]:
    """Imports within core against the table."""
    room = room_of(path)
    if room not in BELOW.keys() | DOORS | FREE:
        yield f"{path}: room {room} has no line in the table"
        return
    for name, line, late in imports(path, source):
        if not name.startswith("rushlight.") or room in FREE:
            continue
        other = name.split(".")[1]
        if other == room or (late and (room, other) in LATE):
            continue
        if other in FREE or (room not in DOORS and other not in reach(room)):
            yield f"{path}:{line}: {room} may not import {other}"


def wrong_numpy(path: str, source: str) -> Iterator[str]:
    """numpy outside the rooms that hold arrays."""
    for name, line, _ in imports(path, source):
        if name.split(".")[0] == "numpy" and room_of(path) not in NUMPY:
            yield f"{path}:{line}: {room_of(path)} may not use numpy"


def inner_names(path: str, source: str) -> Iterator[str]:
    """Names of rushlight, in a package that stands on it, which no module lists in `__all__`."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ImportFrom(module=str(module), level=0) if within(module):
                used = [(module, alias.name) for alias in node.names]
            case ast.Import():
                names = [alias.name for alias in node.names if "." in alias.name]
                used = [tuple(name.rsplit(".", 1)) for name in names if within(name)]
            case ast.Attribute(attr=name) if holder := module_read(node.value):
                used = [(holder, name)]
            case _:
                continue
        for module, name in used:
            if not name.startswith("__") and name not in offered(module):
                yield f"{path}:{node.lineno}: {module} does not offer {name}"


def other_doors(path: str, source: str) -> Iterator[str]:
    """Imports of rushlight, in a backend, past the door that its author has."""
    for name, line, _ in imports(path, source):
        if within(name) and not f"{name}.".startswith(f"{DOOR}."):
            yield f"{path}:{line}: imports {name}; a backend has {DOOR}"


def own_threads(path: str, source: str) -> Iterator[str]:
    """Loops that numba would run on threads of its own, beside the pool that the device has."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.keyword(arg="parallel", value=value) if not is_false(value):
                yield f"{path}:{value.lineno}: parallel= of numba; chunks run on the pool"
            case ast.Name(id="prange") | ast.Attribute(attr="prange"):
                yield f"{path}:{node.lineno}: prange of numba; chunks run on the pool"
            case ast.ImportFrom(names=names) if any(one.name == "prange" for one in names):
                yield f"{path}:{node.lineno}: prange of numba; chunks run on the pool"


def is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def within(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] == "rushlight"


def module_read(node: ast.AST) -> str | None:
    """The module of rushlight that an expression is, by its full name."""
    match node:
        case ast.Name("rl" | "rushlight"):
            return "rushlight"
        case ast.Attribute(attr=name) if holder := module_read(node.value):
            found = getattr(import_module(holder), name, None)
            return found.__name__ if isinstance(found, ModuleType) else None
    return None


@cache
def offered(module: str) -> frozenset[str]:
    """What a module lists in its `__all__`; none that has no such list."""
    return frozenset(getattr(import_module(module), "__all__", ()))


def borrowed_slots(sources: dict[str, str], private: set[str]) -> Iterator[str]:
    """Attributes that are private to another package's classes."""
    for path, source in sources.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Attribute) and node.attr in private:
                yield f"{path}:{node.lineno}: reads {node.attr}, private to rushlight"


def undeclared(path: str, source: str, always: set[str], extras: set[str]) -> Iterator[str]:
    """Third-party imports: at the top only what is always installed, in functions also extras."""
    own = PurePosixPath(path).parts[0]
    for name, line, late in imports(path, source):
        top = name.split(".")[0]
        distribution = DISTRIBUTIONS.get(top, top)
        known = always | extras if late else always
        if top == own or top in sys.stdlib_module_names or distribution in known:
            continue
        yield f"{path}:{line}: {top} is no declared dependency" + (" of its top" * (not late))


def declared(root: Path, package: str) -> tuple[set[str], set[str]]:
    """The dependencies that a package always has, and those of its extras."""
    project = tomllib.loads((root / "packages" / package / "pyproject.toml").read_text("utf-8"))
    project = project["project"]

    def names(requirements: list[str]) -> set[str]:
        return {requirement.split(">")[0].split("[")[0] for requirement in requirements}

    extras = project.get("optional-dependencies", {}).values()
    return names(project["dependencies"]), names([one for extra in extras for one in extra])


def complaints(rule, sources, *more) -> list[str]:
    return [found for path, source in sources.items() for found in rule(path, source, *more)]


def test_each_room_imports_only_what_is_below_it(core):
    assert complaints(wrong_rooms, core) == []


def test_every_line_of_the_table_is_a_room(core):
    rooms = {room_of(path) for path in core}
    assert (BELOW.keys() | DOORS | FREE) - rooms == set()


def test_numpy_stays_in_its_rooms(core):
    assert complaints(wrong_numpy, core) == []


def test_core_imports_what_it_declares(root, core):
    always, extras = declared(root, "core")
    shipped = {path: text for path, text in core.items() if room_of(path) != "testing"}
    assert complaints(undeclared, shipped, always, extras) == []
    suite = {path: text for path, text in core.items() if room_of(path) == "testing"}
    assert complaints(undeclared, suite, always | extras, set()) == []


def test_nn_imports_what_it_declares(root, nn):
    always, extras = declared(root, "nn")
    core_always, core_extras = declared(root, "core")
    assert complaints(undeclared, nn, always | core_always | core_extras, extras) == []


def test_nn_uses_public_names_only(core, nn):
    assert complaints(inner_names, nn) == []
    defined = {name for source in core.values() for name in private_attributes(source)}
    own = {name for source in nn.values() for name in private_attributes(source)}
    assert list(borrowed_slots(nn, defined - own)) == []


def test_numba_imports_what_it_declares(root, numba):
    always, extras = declared(root, "backend-numba")
    assert complaints(undeclared, numba, always, extras) == []


def test_numba_enters_by_the_door_of_backends(core, numba):
    assert complaints(other_doors, numba) == []
    assert complaints(inner_names, numba) == []
    defined = {name for source in core.values() for name in private_attributes(source)}
    own = {name for source in numba.values() for name in private_attributes(source)}
    assert list(borrowed_slots(numba, defined - own)) == []


def test_numba_starts_no_threads_but_those_of_its_pool(numba):
    assert complaints(own_threads, numba) == []


def private_attributes(source: str) -> set[str]:
    """Underscore names that the classes of a file define or assign on self."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
            case ast.Attribute(attr=name, ctx=ast.Store()):
                found.add(name)
    return {name for name in found if name.startswith("_") and not name.startswith("__")}


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("rushlight/spec.py", "from .tensor import Tensor"),
        ("rushlight/spec.py", "from . import tensor"),
        ("rushlight/spec.py", "import rushlight.tensor"),
        ("rushlight/spec.py", "def f():\n    from .tensor import Tensor"),
        ("rushlight/ops/conv.py", "from ..backend import Backend"),
        ("rushlight/ops/conv.py", "from rushlight import backend"),
        ("rushlight/compiler/trace.py", "from ..testing import cases"),
        ("rushlight/backend.py", "from .reference import KERNELS"),
        ("rushlight/__init__.py", "from .testing import conformance"),
        ("rushlight/new_room.py", ""),
    ],
)
def test_a_planted_import_of_a_room_above_is_found(path, source):
    assert len(list(wrong_rooms(path, source))) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("rushlight/spec.py", "from .errors import ContractError"),
        ("rushlight/ops/conv.py", "from ..op import composite\nfrom .movement import pad"),
        ("rushlight/backend.py", "def f():\n    from . import reference"),
        ("rushlight/op.py", "if TYPE_CHECKING:\n    from .tensor import Tensor"),
    ],
)
def test_an_import_of_a_room_below_is_allowed(path, source):
    assert list(wrong_rooms(path, source)) == []


def test_planted_numpy_is_found():
    assert list(wrong_numpy("rushlight/ops/scan.py", "import numpy as np"))
    assert list(wrong_numpy("rushlight/tensor.py", "def f():\n    from numpy import array"))
    assert not list(wrong_numpy("rushlight/reference.py", "import numpy as np"))


def test_a_planted_undeclared_import_is_found():
    assert list(undeclared("rushlight/op.py", "import torch", {"numpy"}, set()))
    assert list(undeclared("rushlight_nn/a.py", "from PIL import Image", set(), {"pillow"}))
    late = "def f():\n    from PIL import Image"
    assert not list(undeclared("rushlight_nn/a.py", late, set(), {"pillow"}))


@pytest.mark.parametrize(
    "source",
    [
        "from rushlight.function.given import rank",
        "from rushlight.function.layer import convolve",
        "from rushlight.tensor import Tensor",
        "from rushlight.errors import NotOffered",
        "from rushlight import straight",
        "import rushlight.straight",
        "if TYPE_CHECKING:\n    from rushlight.node import Node",
        "def f():\n    from rushlight.spec import size",
        "rl._hidden()",
        "rl.straight.current()",
        "rl.function.layer.repeated()",
    ],
)
def test_a_planted_inner_name_is_found(source):
    assert list(inner_names("rushlight_nn/a.py", source))


@pytest.mark.parametrize(
    "source",
    [
        "import rushlight as rl",
        "from rushlight import Tensor, ops",
        "from rushlight.extend import repeated",
        "from rushlight.function.sampling import unfold",
        "rl.__version__",
        "rl.autograd.Function.apply",
        "rl.Tensor.reshape",
    ],
)
def test_a_public_name_is_allowed(source):
    assert list(inner_names("rushlight_nn/a.py", source)) == []


@pytest.mark.parametrize(
    "source",
    [
        "import rushlight as rl",
        "import rushlight.backend",
        "from rushlight import ops",
        "from rushlight.extension import x",
        "from rushlight.compiler.nest import Node",
        "def f():\n    from rushlight.spec import size",
    ],
)
def test_a_planted_way_past_the_door_is_found(source):
    assert len(list(other_doors("rushlight_numba/a.py", source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import rushlight.extend",
        "from rushlight import extend",
        "from rushlight.extend import Spec",
        "from .backend import NumbaBackend",
        "import numpy as np",
    ],
)
def test_the_door_is_allowed(source):
    assert list(other_doors("rushlight_numba/a.py", source)) == []


def test_planted_threads_are_found():
    path = "rushlight_numba/a.py"
    assert list(own_threads(path, "@njit(parallel=True)\ndef f(): ..."))
    assert list(own_threads(path, "from numba import prange"))
    assert list(own_threads(path, "for i in numba.prange(3): ..."))
    assert not list(own_threads(path, "@njit(parallel=False)\ndef f(): ..."))


def test_a_planted_private_attribute_is_found():
    assert list(borrowed_slots({"a.py": "x = tensor._data"}, {"_data"}))
    assert private_attributes("class A:\n    _a: int\n    def _b(self): self._c = 1") == {
        "_a", "_b", "_c"
    }  # fmt: skip
