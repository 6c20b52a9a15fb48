"""Every case is played twice: in memory, and by real processes."""

import pytest

from skypy.testing import Node, System

Place = System | Node


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "place" in metafunc.fixturenames:
        metafunc.parametrize("place", ["system", "node"], indirect=True)


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Place:
    place: Place = request.getfixturevalue(request.param)
    request.node.funcargs[request.param] = place
    return place
