"""The verbs of actors and sockets, each called inside an actor of a running node: see `services/`."""

import ast
from collections.abc import Iterator

import pytest

from tests.node.clients import finish, read_to_end
from tests.node.harness import SERVICES, RunningNode, running
from tests.node.scenarios import PASSED


def names(service: str) -> list[str]:
    """The tests that a service offers."""
    tree = ast.parse((SERVICES / f"{service}.py").read_text())
    functions = [node.name for node in tree.body if isinstance(node, ast.AsyncFunctionDef)]
    return [name for name in functions if name.startswith("test_")]


@pytest.fixture(scope="module")
def shared(request: pytest.FixtureRequest) -> Iterator[RunningNode]:
    with running(request.param) as node:
        yield node


@pytest.mark.parametrize(
    ("shared", "name"),
    [
        pytest.param(service, name, id=f"{service}-{name.removeprefix('test_')}")
        for service in ("waiting", "reading", "writing")
        for name in names(service)
    ],
    indirect=["shared"],
    scope="module",
)
def test_a_scenario_inside_an_actor_ends_well(node: RunningNode, name: str) -> None:
    if "reset" in name:
        node.allow_trouble(r"^\[:01000001\] socket: error on \d+ Connection reset by peer$")
    with node.connect() as client:
        client.sendall(name.encode() + b"\n")
        finish(client)
        answer = read_to_end(client)
    assert answer == PASSED, answer.decode()
