"""Every case is played twice: in memory, and by real processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from skypy.core.settings import Settings, SocketSettings
from skypy.testing import Node, System

SERVICES = str(Path(__file__).parent / "services")
Place = System | Node


class SharedNode(Node):
    """One node of real processes for many cases: it goes on when a case has ended."""

    def end(self) -> list[str]:
        problems = self.end_clients()
        for pattern in self.expectations.expected:
            self.log.wait_for(pattern.pattern, 30.0, after=self.lines_checked)
        return problems + self.log_problems()

    def really_end(self) -> list[str]:
        return super().end()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "place" in metafunc.fixturenames:
        metafunc.parametrize("place", ["system", "node"], indirect=True)
    if "tapped" in metafunc.fixturenames:
        metafunc.parametrize("tapped", ["system", "shared_node"], ids=["system", "node"], indirect=True)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Place:
    place: Place = request.getfixturevalue(request.param)
    request.node.funcargs[request.param] = place
    return place


@pytest.fixture
def tapped(request: pytest.FixtureRequest) -> Place:
    """A system or a node, which many cases share, for cases that leave nothing in it."""
    place: Place = request.getfixturevalue(request.param)
    request.node.funcargs["system" if isinstance(place, System) else "node"] = place
    return place


@pytest.fixture(scope="module")
def shared_node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SharedNode]:
    limits = getattr(request.module, "LIMITS", {})
    settings = Settings("contract.toml", "", 2, (SERVICES,), socket=SocketSettings(**limits))
    node = SharedNode(settings, tmp_path_factory.mktemp("node"))
    try:
        node.begin()
        yield node
        assert node.really_end() == []
    finally:
        node.really_end()
