"""Workers that end themselves, by os._exit and by a crash. `tests/contract` has deaths that memory knows as well."""

import signal
from collections.abc import Iterator

import pytest

from tests.actors.harness import RunningNode, running


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    """Run a node whose workers end themselves."""
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


def test_a_worker_without_descriptors_cannot_reach_one_that_comes_later_and_says_so() -> None:
    with running("suicides", "workers=3") as node:
        node.ask("use_up_descriptors")
        lines = len(node.lines)
        node.signal_worker(3, signal.SIGKILL)
        node.wait_for_line(r"no descriptor is left for a lane to worker process \d+:", after=lines)
        born, known = node.ask("meet_the_unreachable")
        assert born.startswith("ActorDead")
        assert born.endswith("there is no such actor")
        assert known.isdecimal()
