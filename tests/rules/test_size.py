"""Budgets of attention: how much code core may be.

A line counts if it holds code: not a blank one, a comment or a docstring.  Those the style asks for,
so a budget must not make anyone leave them out.
"""

import ast
import ast
import io
import tokenize
from collections.abc import Mapping

SILENT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
BUDGETS = {
    "core": 5000,
    "compiler": 2500,
}  # lines of code; core is rushlight less testing/ and compiler/


def part_of(path: str) -> str:
    second = path.split("/")[1]
    return second if second in {"compiler", "testing"} else "core"


def lines_of(node: ast.AST) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def names_exports(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and (node.targets[0].id == "__all__")
    )


def code_lines(source: str) -> int:
    """Lines that hold code; a docstring is any statement that is a string and nothing else."""
    lines = enumerate(source.splitlines(), 1)
    held = {number for number, line in lines if line.strip() and line.lstrip()[0] != "#"}
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                held.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(held)


def lines_of(node: ast.AST) -> range:
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def names_exports(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and (node.targets[0].id == "__all__")
    )


def code_lines(text: str) -> int:
    """Lines that hold code: not blank, nor of a comment, a docstring, an import or a list of names."""
    counted: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in SILENT:
            counted.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            said = node.body[0]
            counted.difference_update(lines_of(said))
        if isinstance(node, ast.Import | ast.ImportFrom) or names_exports(node):
            counted.difference_update(lines_of(node))
    return len(counted)


def lengths(sources: Mapping[str, str]) -> dict[str, int]:
    """Lines of code of each part of core.  Docstrings are asked for, so they cost nothing."""
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
    assert over_budget({"rushlight/op.py": "x = 1\n" * 5001}) == {"core": 5001}
    assert over_budget({"rushlight/compiler/fuse.py": "x = 1\n" * 2501}) == {"compiler": 2501}
    assert over_budget({"rushlight/testing/cases.py": "x = 1\n" * 9999}) == {}


def test_only_code_counts():
    source = '''"""What it is."""

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


def test_only_code_counts():
    assert code_lines('"""Says."""\n\n# why\nx = [\n    1,\n]\n') == 3
