"""The examples of docs/testing.md are tests, and they pass."""

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
EXAMPLES = [
    block
    for block in re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "testing.md").read_text(), re.DOTALL)
    if "def test_" in block
]


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 6


@pytest.mark.parametrize("example", EXAMPLES, ids=[re.findall(r"def (test_\w+)", one)[0] for one in EXAMPLES])
def test_an_example_passes(pytester: pytest.Pytester, example: str) -> None:
    for folder in ("services", "config"):
        (pytester.path / folder).symlink_to(ROOT / folder)
    file = pytester.mkdir("tests") / "test_example.py"
    file.write_text(example)
    result = pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "--rootdir", pytester.path
    )
    result.assert_outcomes(passed=len(re.findall(r"def test_", example)))
