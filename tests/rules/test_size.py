"""Budgets of attention: how long core may be."""

from collections.abc import Mapping

BUDGETS = {"core": 5000, "compiler": 2500}  # lines; core is rushlight less testing/ and compiler/


def part_of(path: str) -> str:
    second = path.split("/")[1]
    return second if second in {"compiler", "testing"} else "core"


def lengths(sources: Mapping[str, str]) -> dict[str, int]:
    """Lines of each part of core, everything counted."""
    found = dict.fromkeys([*BUDGETS, "testing"], 0)
    for path, text in sources.items():
        found[part_of(path)] += len(text.splitlines())
    return found


def over_budget(sources: Mapping[str, str]) -> dict[str, int]:
    return {part: n for part, n in lengths(sources).items() if n > BUDGETS.get(part, n)}


def test_core_stays_within_its_budgets(core):
    assert over_budget(core) == {}


def test_a_planted_excess_is_found():
    assert over_budget({"rushlight/op.py": "\n" * 5001}) == {"core": 5001}
    assert over_budget({"rushlight/compiler/fuse.py": "\n" * 2501}) == {"compiler": 2501}
    assert over_budget({"rushlight/testing/cases.py": "\n" * 9999}) == {}
