"""Budgets of attention: how much code core may be.

A line counts if it holds code.  Blank lines, comments and docstrings are free, since the style asks
for them; so are imports and `__all__`, lists of names that the formatter writes one to a line.
"""

import ast
from collections.abc import Iterator, Mapping

# Lines of code.  The mechanism is what one reads to know how core works, the vocabulary what one
# looks up: what every operation is, how numpy computes it, and PyTorch's signature of it.  Services
# are what nothing else rests on: each may be taken away alone.
BUDGETS = {"mechanism": 3500, "vocabulary": 6000, "services": 1800, "compiler": 2500}
VOCABULARY = {"ops", "function", "reference.py"}
SERVICES = {"amp", "interchange", "cli.py", "display.py", "scalar.py"}
LONE = {  # services, in other rooms
    "rushlight/autograd/check.py",
    "rushlight/compiler/explain.py",
    "rushlight/compiler/nestwise.py",
    "rushlight/compiler/source.py",
}


def part_of(path: str) -> str:
    second = path.split("/")[1]
    if second in VOCABULARY:
        return "vocabulary"
    if second in SERVICES or path in LONE:
        return "services"
    return second if second in {"compiler", "testing"} else "mechanism"


def free(tree: ast.AST) -> Iterator[ast.stmt]:
    """The statements that cost nothing: strings alone, imports, lists of exported names."""
    for node in ast.walk(tree):
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                yield node
            case ast.Import() | ast.ImportFrom() | ast.Assign(targets=[ast.Name("__all__")]):
                yield node


def code_lines(source: str) -> int:
    """How many lines of a file count."""
    lines = enumerate(source.splitlines(), 1)
    counted = {number for number, line in lines if line.strip() and line.lstrip()[0] != "#"}
    for node in free(ast.parse(source)):
        counted.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(counted)


def lengths(sources: Mapping[str, str]) -> dict[str, int]:
    """Lines of code of each part of core."""
    found = dict.fromkeys([*BUDGETS, "testing"], 0)
    for path, text in sources.items():
        if path.startswith("rushlight/"):
            found[part_of(path)] += code_lines(text)
    return found


def over_budget(sources: Mapping[str, str]) -> dict[str, int]:
    return {part: n for part, n in lengths(sources).items() if n > BUDGETS.get(part, n)}


def test_core_stays_within_its_budgets(core):
    assert over_budget(core) == {}


def test_a_planted_excess_is_found():
    assert over_budget({"rushlight/op.py": "x = 1\n" * 3501}) == {"mechanism": 3501}
    assert over_budget({"rushlight/ops/x.py": "x = 1\n" * 6001}) == {"vocabulary": 6001}
    assert over_budget({"rushlight/amp/x.py": "x = 1\n" * 1801}) == {"services": 1801}
    assert over_budget({"rushlight/compiler/fuse.py": "x = 1\n" * 2501}) == {"compiler": 2501}
    assert over_budget({"rushlight/testing/cases.py": "x = 1\n" * 9999}) == {}


def test_only_code_counts():
    source = '''"""What it is."""

from a import (
    b,
)

__all__ = [
    "f",
]

# why
def f(x):
    """One
    and two.
    """
    y = """no
    docstring"""  # a comment behind code
    return x + y
'''
    assert code_lines(source) == 4
