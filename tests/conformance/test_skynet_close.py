"""Cases that no test of skynet covers: closed halves, shutdown against close, the reasons of an end."""

from __future__ import annotations

import random
import socket

import pytest

from tests.conformance.subject import (
    MIB,
    RESET_LINE,
    Ends,
    Held,
    Subject,
    digest,
    digest_to_end,
)
from tests.node.clients import finish, read_to_end, reset
from tests.node.harness import RunningNode

# -- half-close in both directions -------------------------------------------------------------------------------------


def test_the_peer_finishes_first_and_still_gets_everything(ends: Ends) -> None:
    client, held = ends
    client.sendall(b"question")
    finish(client)
    assert held("readall") == b"question"
    held("pour", 4 * MIB)
    held.shutdown("w")
    assert digest_to_end(client) == digest(4 * MIB)


def test_we_finish_first_and_still_get_everything(ends: Ends) -> None:
    client, held = ends
    held.write(b"question")
    held.shutdown("w")
    assert read_to_end(client) == b"question"
    reading = held.begin("digest")
    client.sendall(random.Random(0).randbytes(4 * MIB))
    finish(client)
    assert reading.result() == digest(4 * MIB)
    assert held.read() is None


def test_both_finish_at_once(ends: Ends) -> None:
    client, held = ends
    held.write(b"ours")
    client.sendall(b"theirs")
    finish(client)
    held.shutdown("w")
    assert read_to_end(client) == b"ours"
    assert held("readall") == b"theirs"


def test_a_half_closed_socket_changes_hands(subject: Subject, ends: Ends) -> None:
    """The new owner reads what is left, then the end, and can still answer."""
    client, held = ends
    client.sendall(b"left")
    finish(client)
    held("event", "eof")
    other = subject("another", 2)
    subject("ask", other, "start", held.fd)
    assert subject("ask", other, "readall", held.fd) == b"left"
    assert subject("ask", other, "read", held.fd) is None
    assert subject("ask", other, "write", held.fd, b"answer")
    subject("kill", other)
    assert read_to_end(client) == b"answer"


def test_a_new_owner_is_told_of_an_end_that_came_before(subject: Subject, ends: Ends) -> None:
    client, held = ends
    finish(client)
    held("event", "eof")
    other = subject("another", 2)
    subject("ask", other, "start", held.fd)
    assert subject("ask", other, "disconnected", held.fd)
    subject("ask", other, "watch", held.fd)
    assert subject("ask", other, "event", held.fd, "eof") == ["eof"]
    subject("kill", other)
    assert read_to_end(client) == b""


# -- shutdown and close with output that has not gone ------------------------------------------------------------------


def test_close_delivers_queued_output(ends: Ends) -> None:
    client, held = ends
    held("pour", 16 * MIB)
    held.close()
    assert held("events")[-1] == "closed"
    assert digest_to_end(client) == digest(16 * MIB)


def test_shutdown_drops_queued_output_and_says_so_to_the_peer(ends: Ends) -> None:
    client, held = ends
    held("pour", 16 * MIB)
    held.shutdown("rw")
    assert held("events")[-1] == "shutdown"
    with pytest.raises(ConnectionResetError):
        digest_to_end(client)


def test_shutdown_cuts_a_close_short_no_more(ends: Ends) -> None:
    """A closed socket is gone: nothing that its former owner does can harm what is on its way."""
    client, held = ends
    held("pour", 16 * MIB)
    held.close()
    held.shutdown("rw")
    assert digest_to_end(client) == digest(16 * MIB)


# -- the end is told once, with its reason -----------------------------------------------------------------------------


def closes(client: socket.socket, held: Held) -> None:
    held.close()


def shuts_down(client: socket.socket, held: Held) -> None:
    held.shutdown("rw")


def aborts(client: socket.socket, held: Held) -> None:
    held("abort")


def peer_finishes(client: socket.socket, held: Held) -> None:
    finish(client)
    held("event", "eof")
    held.close()


def peer_resets(client: socket.socket, held: Held) -> None:
    reset(client)
    held("event", "reset")
    held.close()


@pytest.mark.parametrize(
    ("ends_it", "reason"),
    [
        (closes, "closed"),
        (shuts_down, "shutdown"),
        (aborts, "aborted"),
        (peer_finishes, "eof"),
        (peer_resets, "reset"),
    ],
)
def test_the_end_is_told_once_with_its_reason(ends: Ends, node: RunningNode, ends_it: object, reason: str) -> None:
    node.allow_trouble(RESET_LINE)
    client, held = ends
    assert callable(ends_it)
    ends_it(client, held)
    assert held("events") == [reason]


def test_a_reset_behind_the_end_is_told_as_well(ends: Ends, node: RunningNode) -> None:
    """The owner still means to answer, and learns that the peer is gone."""
    node.expect_trouble(RESET_LINE)
    client, held = ends
    finish(client)
    held("event", "eof")
    reset(client)
    assert held("event", "reset") == ["eof", "reset"]
    assert not held.write(b"answer")
