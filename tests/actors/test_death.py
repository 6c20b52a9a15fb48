"""Workers end themselves, by os._exit and by a crash, which real processes alone can; `tests/contract` has the rest."""

from collections.abc import Iterator

import pytest

from tests.actors.harness import RunningNode, running


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    """A node whose workers end themselves."""
    with running("suicides", "workers=3") as node:
        yield node


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("exit_process 3", "its process ended with exit status 3"),
        ("exit_process_later 0", "its process ended with exit status 0"),
        ("crash", "its process was ended by signal 11 (SIGSEGV)"),
    ],
)
def test_a_handler_that_ends_its_process_is_found_out(node: RunningNode, command: str, reason: str) -> None:
    outcomes = node.ask("dies_by", *command.split())
    assert len(outcomes) == 3
    for text in outcomes:
        assert "ActorDead" in text
        assert reason in text


def test_a_start_function_that_ends_its_process_fails_its_start(node: RunningNode) -> None:
    assert node.ask("start_fails") == "ServiceError: its worker ended with exit status 4"
    first, query, again = node.ask("unique_fails")
    assert first == query == "ServiceError: its worker ended with exit status 4"
    assert again.isdecimal()
