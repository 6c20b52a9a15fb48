"""One node for all scenarios: each leaves it as it was."""

import json
from collections.abc import Iterator

import pytest

from tests.actors.harness import SERVICES, RunningNode, running


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """Run a node with two workers whose first service plays scenarios."""
    folder = tmp_path_factory.mktemp("services")
    (folder / "no_python.py").write_text("this is no Python\n")  # which no tool that reads our files would like
    with running("stage", f"service_path={json.dumps([str(SERVICES), str(folder)])}") as node:
        yield node
