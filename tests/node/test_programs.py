"""Programs that services start: what they inherit, and how they end."""

import re
from collections.abc import Iterator

import pytest

from tests.node.harness import RunningNode, running

WAYS = ("os.system", "subprocess", "close_fds=False", "asyncio", "posix_spawn", "spawn", "exec")


@pytest.fixture(scope="module")
def shared() -> Iterator[RunningNode]:
    with running("programs", "workers=2") as node:
        yield node


@pytest.mark.parametrize("way", WAYS)
def test_a_program_inherits_the_three_standard_descriptors_and_nothing_else(shared: RunningNode, way: str) -> None:
    had = [found for line in shared.lines if (found := re.fullmatch(rf"{re.escape(way)} has (\d+) (\S+)", line))]
    assert [found[1] for found in had] == ["0", "1", "2"]
    assert had[0][2] == "/dev/null"
    assert had[1][2] == had[2][2]  # the pipe to the log of the node
    assert had[1][2].startswith("pipe:")
