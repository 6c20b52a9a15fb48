"""A worker that does not read: who sends to it is told when it is too much, and it catches up when it goes on."""

import signal
from collections.abc import Iterator

import pytest

from tests.actors.harness import RunningNode, running

FULL = "67108864 bytes are under way to worker process 2"


@pytest.fixture(scope="module")
def node() -> Iterator[RunningNode]:
    """A node of which worker 2 is stopped and goes on."""
    with running("flooder", "workers=3") as node:
        yield node


def test_a_flood_is_refused_and_everything_goes_on_afterwards(node: RunningNode) -> None:
    node.signal_worker(2, signal.SIGSTOP)
    try:
        flood = node.ask("flood")
        assert node.ask("time_limit") == "TimeoutError: "
    finally:
        node.signal_worker(2, signal.SIGCONT)
    assert 50 < flood["count"] < 68
    assert flood["send"] == FULL
    assert flood["call"] == f"MailboxFull: {FULL}"
    assert flood["others"] == [True, True]
    drained = node.ask("drained")
    assert drained["early"] is True
    assert drained["arrived"] == list(range(flood["count"]))
    assert drained["room"] == {"None": 200}


def test_replies_that_are_too_much_become_errors_and_nobody_waits_for_ever(node: RunningNode) -> None:
    node.ask("ask_for_replies")
    node.signal_worker(2, signal.SIGSTOP)
    try:
        node.ask("open_gate")
    finally:
        node.signal_worker(2, signal.SIGCONT)
    replies = node.ask("replies")
    full = next(text for text in replies if "MailboxFull" in text)
    assert full.startswith(f"RemoteError('MailboxFull', '{FULL}'")
    assert replies["1000000"] > 50
    assert sum(replies.values()) == 120
