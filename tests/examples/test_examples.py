"""Every program of examples/ runs to its end, without a warning."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = sorted(EXAMPLES.glob("*.py"))
SHORT = {"gpt": ["--steps", "3", "--sample", "20"]}  # for those that would run for minutes


def test_there_are_examples():
    assert len(PROGRAMS) >= 3


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_it_runs(program, tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error", str(program), *SHORT.get(program.stem, [])],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout
    assert list(tmp_path.iterdir()) == []
