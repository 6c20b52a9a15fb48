"""The documents: the tests that they name are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROWS = [line for line in (ROOT / "docs" / "reliability.md").read_text().splitlines() if "`tests/" in line]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split("|")[1].strip()[:60])
def test_each_situation_names_tests_that_are_there(row: str) -> None:
    sources = ""
    for word in re.findall(r"`([\w/]+(?:\.py)?)`", row.rpartition(" | ")[2]):
        if word.endswith(".py"):
            sources = (ROOT / word).read_text()
        else:
            assert f"def {word}(" in sources, f"{word} is not in the file before it"
    assert sources
