"""Every call has exactly one outcome, even if workers die meanwhile, and nothing of it is left."""

from typing import Any

import pytest

from tests.actors.harness import RunningNode, running

KNOWN = {"returned", "raised", "dead", "time limit"}
KILLED = r"worker \d was ended by signal 9"


def history(node: RunningNode, actors: int, calls: int, every_seconds: float, every_calls: int) -> dict[str, Any]:
    """Let actors on 4 workers call each other while workers are killed; return the outcomes of all calls."""
    node.ask("begin", *map(str, (actors, calls, every_seconds, every_calls)))
    for hundredth in range(1, 101):
        node.wait_for_line(rf"history: {hundredth} %$")
    node.wait_for_line("history is complete$")
    told: dict[str, Any] = node.ask("what_became_of_them")
    print(told)
    outcomes: dict[str, int] = told["outcomes"]
    assert set(outcomes) == KNOWN
    assert sum(outcomes.values()) >= calls
    assert told["in flight"] == [0, 0, 0, 0]
    assert told["kills"] >= 2
    assert told["lost rounds"] > 0
    node.wait_for_line(KILLED)
    return told


def test_each_call_has_one_outcome_while_workers_are_killed() -> None:
    with running("history", "workers=4") as node:
        history(node, actors=40, calls=20_000, every_seconds=0, every_calls=6000)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_million_calls_of_a_thousand_actors_while_a_worker_is_killed_every_five_seconds() -> None:
    with running("history", "workers=4") as node:
        told = history(node, actors=1000, calls=1_000_000, every_seconds=5, every_calls=0)
    for outcome, count in sorted(told["outcomes"].items()):
        print(f"{outcome}: {count}")
