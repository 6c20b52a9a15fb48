"""The tests of this folder together put real connections into every cell of their table (this one runs last)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from skypy.core.tcp.state import TRANSITIONS
from tests.net.conftest import Cell


def names_of_tests_in(file: Path) -> set[tuple[str, str]]:
    """Return (file name, function name) of every test in a file."""
    tree = ast.parse(file.read_text())
    names = (node.name for node in tree.body if isinstance(node, ast.FunctionDef))
    return {(file.name, name) for name in names if name.startswith("test_")}


def test_every_cell_of_the_table_was_visited_by_a_real_connection(
    request: pytest.FixtureRequest, visited: set[Cell], ran: set[tuple[str, str]]
) -> None:
    every = {test for file in request.path.parent.glob("test_*.py") for test in names_of_tests_in(file)}
    if not every <= ran or any("[" in argument for argument in request.config.args):
        pytest.skip("only a part of tests/net was run")
    missing = [f"{state.name}, {given.name}" for state, given in TRANSITIONS if (state, given) not in visited]
    assert missing == []
