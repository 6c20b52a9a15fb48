"""The rules about sizes (files, functions, classes, folders) and about the beginnings of docstrings."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from tests.sources import MODULES, ROOT, name_of

LONGEST_FILE_LINES = 500
LONGEST_FUNCTION_LINES = 80
MOST_FILES_IN_A_FOLDER = 12
MOST_METHODS = 25
MOST_ATTRIBUTES = 20
LARGE_CLASSES: dict[str, str] = {}
"""The full name of a class: the reason why it may be larger."""
LARGE_FOLDERS: dict[str, str] = {}
"""A folder of `skypy`: the reason why it may hold more files."""
BAD_BEGINNING = re.compile(r"(What|Who|Whoever|Whether|Where|How|The same|The opposite)\b")


def test_files_and_functions_stay_small() -> None:
    for path in MODULES:
        text = path.read_text()
        assert len(text.splitlines()) <= LONGEST_FILE_LINES, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                assert node.end_lineno - node.lineno < LONGEST_FUNCTION_LINES, f"{path}: {node.name}"


def test_folders_stay_small() -> None:
    counts = Counter(str(path.parent.relative_to(ROOT)) for path in MODULES if path.name != "__init__.py")
    large = {folder: count for folder, count in counts.items() if count > MOST_FILES_IN_A_FOLDER}
    assert {folder for folder in large if folder not in LARGE_FOLDERS} == set(), large


def attributes_of(cls: ast.ClassDef) -> set[str]:
    """Return the names that a class declares in its body, or its methods assign to on `self`."""
    found: set[str] = set()
    for node in cls.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            if not ast.unparse(node.annotation).startswith(("ClassVar", "Final")):
                found.add(node.target.id)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__slots__":
            found |= set(ast.literal_eval(node.value))
    for inner in ast.walk(cls):
        targets = inner.targets if isinstance(inner, ast.Assign) else []
        targets = [inner.target] if isinstance(inner, ast.AnnAssign | ast.AugAssign) else targets
        for target in targets:
            for part in ast.walk(target):
                if isinstance(part, ast.Attribute) and ast.unparse(part.value) == "self":
                    found.add(part.attr)
    return found


def classes() -> Iterator[tuple[str, ast.ClassDef]]:
    """Yield every class of skypy, with its full name."""
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                yield f"{name_of(path)}.{node.name}", node


def size_of(cls: ast.ClassDef) -> tuple[int, int]:
    """Return the number of methods of a class, properties included, and of its attributes."""
    methods = sum(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in cls.body)
    return methods, len(attributes_of(cls))


def is_large(methods: int, attributes: int) -> bool:
    """Return True if a class of this size needs a reason."""
    return methods > MOST_METHODS or attributes > MOST_ATTRIBUTES


def test_classes_stay_small() -> None:
    large = []
    for name, cls in classes():
        methods, attributes = size_of(cls)
        if is_large(methods, attributes) and name not in LARGE_CLASSES:
            large.append(f"{name}: {methods} methods, {attributes} attributes")
    assert not large, "\n".join(["too large, without a reason in LARGE_CLASSES:", *large])


def test_reasons_for_size_are_those_of_large_classes() -> None:
    assert LARGE_CLASSES.keys() <= {name for name, cls in classes() if is_large(*size_of(cls))}


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each docstring of a file: of modules, classes, functions and attributes."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value.strip()


def test_docstrings_begin_with_a_verb_or_a_noun() -> None:
    folders = [ROOT / name for name in ("skypy", "services", "tests", "benchmarks")]
    files = [path for folder in folders for path in sorted(folder.rglob("*.py")) if ".venv" not in path.parts]
    bad = [
        f"{path.relative_to(ROOT)}:{line}: {text.splitlines()[0]}"
        for path in files
        for line, text in docstrings(path)
        if BAD_BEGINNING.match(text)
    ]
    assert not bad, "\n".join([f"{len(bad)} docstrings begin with a relative clause:", *bad])
