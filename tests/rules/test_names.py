"""Names that say nothing, backends that core must not know, marks of unfinished work."""

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

EMPTY_NAMES = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "base"}
GIVEN = {"packages/nn/src/rushlight_nn/utils": "programs import torch.nn.utils by this name"}
BACKENDS = re.compile(r"\b(numba|triton|cuda)\b", re.IGNORECASE)
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b")
CATCH_ALL = {"Exception", "BaseException"}
TEXTS = ("*.md", "*.toml", ".ci/run", "noxfile.py")


def empty_names(path: str) -> Iterator[str]:
    """Modules and folders named after no thing."""
    for given in GIVEN:
        path = path.removeprefix(given)
    for part in PurePosixPath(path).with_suffix("").parts:
        if part.strip("_") in EMPTY_NAMES or part.endswith("_impl"):
            yield f"{path}: {part} says nothing about its contents"


def backends_named(path: str, source: str) -> Iterator[str]:
    """Words of core's text that name a backend other than the reference."""
    for number, line in enumerate(source.splitlines(), 1):
        for word in BACKENDS.findall(line):
            yield f"{path}:{number}: names the backend {word}"


def unfinished(path: str, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), 1):
        for mark in UNFINISHED.findall(line):
            yield f"{path}:{number}: {mark}"


def unreasoned_catches(path: str, source: str) -> Iterator[str]:
    """Catch-all handlers that neither raise again nor have a comment on their line."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        all_of_them = any(
            one is None or (isinstance(one, ast.Name) and one.id in CATCH_ALL) for one in caught
        )
        raised_again = any(isinstance(end, ast.Raise) and not end.exc for end in node.body[-1:])
        if all_of_them and not raised_again and "#" not in lines[node.lineno - 1]:
            yield f"{path}:{node.lineno}: catches everything and does not say why"


def test_modules_are_named_after_things(sources):
    assert [found for path in sources for found in empty_names(path)] == []


def test_core_names_no_backend(core):
    assert [found for path, text in core.items() for found in backends_named(path, text)] == []


def test_nothing_is_marked_unfinished(root, sources):
    texts = {str(path): path.read_text("utf-8") for kind in TEXTS for path in root.glob(kind)}
    docs = {str(path): path.read_text("utf-8") for path in (root / "docs").rglob("*.md")}
    everything = sources | texts | docs
    del everything["tests/rules/test_names.py"]  # it must write the words
    assert [found for path, text in everything.items() for found in unfinished(path, text)] == []


def test_every_catch_all_says_why(sources):
    assert [
        found for path, text in sources.items() for found in unreasoned_catches(path, text)
    ] == []


def test_planted_names_are_found():
    assert list(empty_names("rushlight/utils.py"))
    assert list(empty_names("rushlight/common/shape.py"))
    assert list(empty_names("rushlight/_base.py"))
    assert list(empty_names("rushlight/conv_impl.py"))
    assert not list(empty_names("rushlight/baseline.py"))


def test_a_planted_backend_is_found():
    assert list(backends_named("op.py", 'if device == "' + 'cuda:0":'))
    assert not list(backends_named("op.py", 'device = "numpy"'))


def test_planted_marks_are_found():
    assert list(unfinished("op.py", "x = 1  # TODO: more"))
    assert not list(unfinished("op.py", "todos = []"))


def test_planted_catches_are_found():
    assert list(unreasoned_catches("a.py", "try: f()\nexcept: pass"))
    assert list(unreasoned_catches("a.py", "try: f()\nexcept Exception: pass"))
    assert list(unreasoned_catches("a.py", "try: f()\nexcept (OSError, BaseException): pass"))
    assert not list(unreasoned_catches("a.py", "try: f()\nexcept OSError: pass"))
    assert not list(
        unreasoned_catches("a.py", "try: f()\nexcept BaseException:\n    g()\n    raise")
    )
    reasoned = "try: f()\nexcept Exception:  # a plug-in may raise anything\n    pass"
    assert not list(unreasoned_catches("a.py", reasoned))
