"""Many short connections, and large answers closed at once: every byte comes, and nothing is left."""

from __future__ import annotations

import socket
from threading import Thread

import pytest

from tests.conformance.subject import MIB, Subject, digest, digest_to_end
from tests.node.harness import SECONDS
from tests.time_wait import in_time_wait


def serve_many(subject: Subject, count: int, **options: str) -> int:
    """Play clients that close as soon as they have everything, and return the port at which they were served."""
    listener, port = subject("serve_shortly", b"answer" * 100, options)
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
            assert digest_to_end(client)[0] == 600
    subject("close", listener)
    return int(port)


def leaves_nothing(subject: Subject, count: int) -> None:
    before = subject("states")
    port = serve_many(subject, count, time_wait="avoid")
    subject.node.eventually(lambda: bool(subject("states") == before), "connections are left")
    assert in_time_wait(port) == 0


def test_with_avoid_a_thousand_short_connections_get_everything_and_leave_nothing(subject: Subject) -> None:
    leaves_nothing(subject, 1000)


@pytest.mark.soak
@pytest.mark.timeout(300)
def test_with_avoid_ten_thousand_short_connections_get_everything_and_leave_nothing(subject: Subject) -> None:
    leaves_nothing(subject, 10_000)


def test_with_keep_short_connections_get_everything_and_wait_as_tcp_wants_it(subject: Subject) -> None:
    port = serve_many(subject, 10, time_wait="keep")
    subject.node.eventually(lambda: in_time_wait(port) == 10, "they do not wait")


@pytest.mark.parametrize("unread", [False, True], ids=["", "with_unread_input"])
def test_64_mebibytes_closed_at_once_reach_a_slow_reader(subject: Subject, unread: bool) -> None:
    """Small reads through a small window; also behind unread input."""
    _, port = subject.serve()
    with subject.client(port, receive_buffer=16384) as (client, held):
        sender = Thread(target=client.sendall, args=(b"never read" * 100_000 * unread,))
        sender.start()
        held("pour_and_close", 64 * MIB)
        assert digest_to_end(client, 65536) == digest(64 * MIB)
        sender.join()
