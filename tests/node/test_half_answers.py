"""Workers that die in the middle of an answer: half of it is never followed by a clean end-of-file."""

from __future__ import annotations

import signal
import socket

import pytest

from tests.node.clients import read_exactly, read_to_end
from tests.node.harness import RunningNode, running

FIRST, WHOLE = b"first half, ", b"first half, second half"
CUT_OFF = (
    r"^\[:02000001\] socket: \d+ gets a reset behind its last bytes, because its worker has died .*: \d+ bytes are on"
)


def ask(node: RunningNode, question: bytes) -> socket.socket:
    client = node.connect()
    client.sendall(question + b"\n")
    return client


@pytest.mark.parametrize(
    "how",
    [
        pytest.param(b"corked", id="while output waits for the end of a turn"),
        pytest.param(b"much", id="while the peer has no room"),
        pytest.param(b"much at once", id="before the rest has left the worker"),
    ],
)
def test_a_worker_that_dies_in_the_middle_of_an_answer_resets_it_with_a_line(how: bytes) -> None:
    with running("half_answers", "workers=2") as node:
        node.allow_trouble("was ended by signal 9")
        with ask(node, how) as client:
            assert read_exactly(client, len(FIRST)) == FIRST
            node.wait_for_line("worker 2 was ended by signal 9")
            node.wait_for_line(CUT_OFF)
            with pytest.raises(ConnectionResetError):
                read_to_end(client)


def test_a_worker_that_is_stuck_at_the_stop_in_the_middle_of_an_answer_resets_it_too() -> None:
    with running("half_answers", "workers=2", "stop_timeout=0.2") as node, ask(node, b"stuck") as client:
        assert read_exactly(client, len(FIRST)) == FIRST
        node.wait_for_line("stuck$")
        node.signal(signal.SIGTERM)
        node.wait_for_line(CUT_OFF)
        with pytest.raises(ConnectionResetError):
            read_to_end(client)
        assert node.wait() == 0


def test_a_connection_between_two_answers_has_a_clean_end_when_its_worker_dies() -> None:
    with running("half_answers", "workers=2") as node, ask(node, b"whole") as client:
        assert read_exactly(client, len(WHOLE)) == WHOLE
        with ask(node, b"die") as other:
            assert read_to_end(other) == FIRST
        assert read_to_end(client) == b""
        assert not node.has_line(CUT_OFF)


def test_an_answer_that_was_closed_is_delivered_whole_after_the_death_of_its_worker() -> None:
    with running("half_answers", "workers=2") as node, ask(node, b"closed") as client:
        node.wait_for_line("worker 2 was ended by signal 9")
        assert len(read_to_end(client)) == len(FIRST) + (8 << 20)
        assert not node.has_line(CUT_OFF)
