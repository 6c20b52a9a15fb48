"""Workers die while everybody talks to everybody: whoever waits is told why, and nobody hangs."""

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from skypy.core.address import process_number
from tests.actors.harness import RunningNode, running

KILLED = "was ended by signal 9 (SIGKILL; the kernel may have run out of memory)"
CALLS = 50


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    """A node of which worker 2 is killed, once for a file of tests that look at what follows."""
    with running("mourner", "workers=3") as node:
        yield node


@pytest.fixture(scope="module")
def killed(node: RunningNode) -> dict[str, Any]:
    """What became of everything that was under way with worker 2 when it was killed."""
    node.ask("prepare")
    node.wait_for_line(r"^\[:02\w+\] it starts$")
    node.signal_worker(2, signal.SIGKILL)
    outcomes: dict[str, Any] = node.ask("mourn")
    return outcomes


def dead(address: int, reason: str) -> str:
    return f"ActorDead: actor :{address:08x}: {reason}"


def test_every_call_to_a_killed_worker_fails_and_says_how_it_ended(killed: dict[str, Any]) -> None:
    text = dead(0x02000001, f"its process {KILLED}")
    assert killed["calls"] == [text] * CALLS
    assert killed["third"] == [f"ActorDead({0x02000001}, 'its process {KILLED}')"] * CALLS


def test_a_start_on_a_killed_worker_fails_and_a_kill_has_succeeded(killed: dict[str, Any]) -> None:
    assert killed["start"] == [f"ServiceError: its worker {KILLED}"]
    assert killed["kill"] == ["None"]


def test_nothing_of_a_killed_worker_is_left(node: RunningNode, killed: dict[str, Any]) -> None:
    del killed
    left = node.ask("is_forgotten")
    victim = int(left["victim"][1:], 16)
    assert left["call"] == dead(victim, "there is no such actor")
    assert left["send"] is False
    assert left["third"] == "'x'"
    assert left["sessions"] == [0, 0]


def test_the_new_worker_serves_and_gets_no_old_message(node: RunningNode, killed: dict[str, Any]) -> None:
    del killed
    new = node.ask("serves_again")
    assert new == {"process": 4, "received": [], "results": [["5"], ["5"]], "name": True}


def test_an_address_of_a_process_that_comes_later_is_dead_now_and_lives_then(node: RunningNode) -> None:
    assert node.ask("meet_the_unborn").endswith("there is no such process")
    node.signal_worker(3, signal.SIGKILL)
    node.wait_for_line(r"worker 3 .* it is replaced$")
    process, results, received = node.ask("meet_the_born", "3")
    assert (process, results, received) == (5, ["5"], [])


def test_a_worker_without_descriptors_cannot_reach_one_that_comes_later_and_says_so(node: RunningNode) -> None:
    node.ask("use_up_descriptors")
    lines = len(node.lines)
    node.signal_worker(3, signal.SIGKILL)
    node.wait_for_line(r"no descriptor is left for a lane to worker process 6:", after=lines)
    born, known = node.ask("meet_the_unreachable", "3")
    assert born == dead(0x06000001, "there is no such actor")
    assert process_number(int(known)) == 4


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("exit_process 3", "its process ended with exit status 3"),
        ("exit_process_later 0", "its process ended with exit status 0"),
        ("crash", "its process was ended by signal 11 (SIGSEGV)"),
    ],
)
def test_a_handler_that_ends_its_process_is_found_out(mortals: RunningNode, command: str, reason: str) -> None:
    outcomes = mortals.ask("dies_by", *command.split())
    assert len(outcomes) == 3
    for text in outcomes:
        assert "ActorDead" in text
        assert reason in text


def test_a_start_function_that_ends_its_process_fails_its_start(mortals: RunningNode) -> None:
    assert mortals.ask("start_fails") == "ServiceError: its worker ended with exit status 4"
    first, query, again = mortals.ask("unique_fails")
    assert first == query == "ServiceError: its worker ended with exit status 4"
    assert again.isdecimal()


@pytest.fixture(scope="module")
def mortals() -> Iterator[RunningNode]:
    """A node whose workers end themselves."""
    with running("mourner", "workers=3") as node:
        yield node
