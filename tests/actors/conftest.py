"""One node for all scenarios: each leaves it as it was."""

from collections.abc import Iterator

import pytest

from tests.actors.harness import RunningNode, running


@pytest.fixture(scope="session")
def stage() -> Iterator[RunningNode]:
    """A node with two workers whose first service plays scenarios."""
    with running("stage") as node:
        yield node
