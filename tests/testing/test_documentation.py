"""The examples of the documentation are tests, and they pass."""

import re
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
ROOT = Path(__file__).parents[2]
FEWEST_EXAMPLES = {"actors.md": 6, "testing.md": 6}


def blocks(document: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / "docs" / document).read_text(), re.DOTALL)


def services(document: str) -> dict[str, str]:
    """The services that a document defines: a block that begins with the name of a file is that file."""
    named = [(re.match(r'"""services/(\w+\.py)"""\n', block), block) for block in blocks(document)]
    return {name[1]: block for name, block in named if name is not None}


EXAMPLES = [(document, block) for document in FEWEST_EXAMPLES for block in blocks(document) if "def test_" in block]


@pytest.mark.parametrize("document", FEWEST_EXAMPLES)
def test_there_are_examples(document: str) -> None:
    assert sum(one == document for one, _ in EXAMPLES) >= FEWEST_EXAMPLES[document]


@pytest.mark.parametrize(
    ("document", "example"), EXAMPLES, ids=[re.findall(r"def (test_\w+)", example)[0] for _, example in EXAMPLES]
)
def test_an_example_passes(pytester: pytest.Pytester, document: str, example: str) -> None:
    for folder in ("services", "config"):
        (pytester.path / folder).symlink_to(ROOT / folder)
    tests = pytester.mkdir("tests")
    for name, source in services(document).items():
        file = tests / "services" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(source)
    (tests / "test_example.py").write_text(example)
    result = pytester.runpytest_inprocess(
        "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "--rootdir", pytester.path
    )
    result.assert_outcomes(passed=len(re.findall(r"def test_", example)))
