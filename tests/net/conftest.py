"""The stage of every test here, and the record of what the connections went through."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from skypy.core.settings import SocketSettings
from skypy.core.tcp import connection
from skypy.core.tcp.state import Effect, Input, State, step
from skypy.net.service import SocketService
from tests.net.descriptors import open_descriptors
from tests.net.stage import Stage

Cell = tuple[State, Input]
VISITED = pytest.StashKey[set[Cell]]()
"""Cells of the connections' table that real connections have been in."""
RAN = pytest.StashKey[set[tuple[str, str]]]()
"""(file name, function name) of every test that has run here."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the test of all visited cells behind the tests that visit them."""
    items.sort(key=lambda item: item.path.name == "test_every_cell.py")


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name cells and states in the tests' ids."""
    return val.name if isinstance(val, (State, Input)) else None


@pytest.fixture(scope="session", autouse=True)
def visited(pytestconfig: pytest.Config) -> Iterator[set[Cell]]:
    """Collect every cell that a connection of this session has been in, while the tests run."""
    cells: set[Cell] = pytestconfig.stash.setdefault(VISITED, set())

    def recorded(state: State, given: Input) -> tuple[tuple[Effect, ...], State]:
        row = step(state, given)
        cells.add((state, given))
        return row

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection, "step", recorded)
        yield cells


@pytest.fixture(autouse=True)
def ran(request: pytest.FixtureRequest) -> set[tuple[str, str]]:
    """Collect every test that has run, this one included."""
    tests = request.config.stash.setdefault(RAN, set())
    tests.add((request.path.name, getattr(request.node, "originalname", request.node.name)))
    return tests


@pytest.fixture
def lend_after() -> int:
    """Lend nothing: a played worker reads nothing by itself. Tests of lending give another number."""
    return 1 << 30


@pytest.fixture
def stage(lend_after: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Set up a socket service with one played worker; at the end all is at rest and no descriptor is left."""
    monkeypatch.setattr(connection, "LEND_AFTER", lend_after)
    before = open_descriptors()
    lines: list[str] = []
    stage = Stage(SocketService(SocketSettings(), log=lines.append), lines)
    yield stage
    stage.close()
    assert open_descriptors() == before
