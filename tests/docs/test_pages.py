"""README and the pages of docs/: their Python runs, their links lead somewhere."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("packages/*/*.md")])
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(text: str, language: str) -> list[str]:
    return [body for found, body in FENCE.findall(text) if found == language]


def program(text: str) -> str:
    """A page's Python blocks as one program, on the lines that they have in the page."""
    lines = [""] * text.count("\n")
    for match in FENCE.finditer(text):
        if match[1] == "python":
            start = text.count("\n", 0, match.start(2))
            body = match[2].splitlines()
            lines[start : start + len(body)] = body
    return "\n".join(lines)


def anchor(heading: str) -> str:
    """A heading's name in links: lower case, no punctuation, hyphens for spaces."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def broken_links(page: Path) -> Iterator[str]:
    """Links to files that are not there, or to headings that their page lacks."""
    prose = FENCE.sub("", page.read_text("utf-8"))
    for link in LINK.findall(prose):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, fragment = link.partition("#")
        target = page.parent / path if path else page
        if not target.exists():
            yield link
        elif fragment:
            headings = HEADING.findall(FENCE.sub("", target.read_text("utf-8")))
            if fragment not in map(anchor, headings):
                yield link


PROGRAMS = [page for page in PAGES if blocks(page.read_text("utf-8"), "python")]


@pytest.mark.parametrize("page", PROGRAMS, ids=name_of)
def test_the_code_of_a_page_runs(page, tmp_path):
    path = tmp_path / page.with_suffix(".py").name
    path.write_text(program(page.read_text("utf-8")), "utf-8")
    command = [sys.executable, "-W", "error", str(path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    assert list(broken_links(page)) == []


def test_every_decision_is_in_the_list():
    page = (ROOT / "docs/README.md").read_text("utf-8")
    listed = re.findall(r"^(\d+)\. .*\]\((.+)\)$", page, re.MULTILINE)
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [*enumerate([f"decisions/{page.name}" for page in pages], 1)] == [
        (int(number), link) for number, link in listed
    ]


def test_readme_begins_with_the_two_commands():
    readme = (ROOT / "README.md").read_text("utf-8")
    (first, train), (second, check) = FENCE.findall(readme)[:2]
    assert (first, second) == ("bash", "bash")
    assert "rushlight train digits" in train
    assert "nox" in check


def test_each_package_ships_the_licence():
    licence = (ROOT / "LICENSE").read_text("utf-8")
    packages = [path.parent for path in ROOT.glob("packages/*/pyproject.toml")]
    assert {(path / "LICENSE").read_text("utf-8") for path in packages} == {licence}


def test_a_planted_broken_link_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One heading, here\n[a](#one-heading-here) [b](#two) [c](page.md) [d](no.md)")
    assert list(broken_links(page)) == ["#two", "no.md"]


def test_a_program_keeps_the_lines_of_its_page():
    text = "# Page\n\n```python\nx = 1\n```\nand\n```bash\nls\n```\n```python\ny = x\n```\n"
    assert program(text).splitlines()[3] == "x = 1"
    assert program(text).splitlines()[10] == "y = x"
    assert "ls" not in program(text)
