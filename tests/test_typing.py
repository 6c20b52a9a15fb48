"""The public surface as a type checker sees it: mistakes are found, and returned values have types."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WRONG_USES = ROOT / "tests" / "typing" / "wrong_uses.py"


def expected() -> set[tuple[int, str]]:
    """(line, error code) of each mistake, as the comments in the file name them."""
    found = set()
    for number, line in enumerate(WRONG_USES.read_text().splitlines(), 1):
        if match := re.search(r"# error: (.+)$", line):
            found |= {(number, code) for code in match[1].split(", ")}
    return found


@pytest.mark.timeout(180)
def test_mypy_finds_exactly_the_mistakes() -> None:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context", str(WRONG_USES)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    lines = [re.search(r"wrong_uses\.py:(\d+): error: .*\[([a-z-]+)\]$", line) for line in told.splitlines()]
    found = {(int(match[1]), match[2]) for match in lines if match}
    assert found == expected(), told


@pytest.mark.timeout(180)
def test_pyright_finds_a_mistake_in_the_lines_where_mypy_does() -> None:
    pyright = shutil.which("pyright")
    if pyright is None:
        pytest.skip("pyright is not installed")
    command = [pyright, "--pythonpath", sys.executable, str(WRONG_USES)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    found = {int(line) for line in re.findall(r"wrong_uses\.py:(\d+):\d+ - error", told)}
    own_rules = {"unused-coroutine", "untyped-decorator", "assert-type"}
    assert found >= {line for line, code in expected() if code not in own_rules}, told
