"""Cases of Erlang's gen_tcp_misc_SUITE about full queues, large reads and owners; see test_erlang.py."""

from __future__ import annotations

import random
import socket
from threading import Thread

import pytest

from tests.conformance.subject import (
    MIB,
    RESET_LINE,
    Ends,
    Failed,
    Held,
    Subject,
    digest,
    digest_to_end,
    take,
)
from tests.node.clients import finish, is_gone, read_to_end, reset
from tests.node.harness import SECONDS, RunningNode

passive = pytest.mark.parametrize("passive", [False, True], ids=["active", "passive"])


# -- a full queue ------------------------------------------------------------------------------------------------------


@passive
@pytest.mark.parametrize("ends_with", ["close", "reset"])
def test_busy_disconnect(subject: Subject, node: RunningNode, passive: bool, ends_with: str) -> None:
    """A writer that waits for a full queue and a reader that waits for data both hear of the end. Ten times."""
    node.expect_trouble(RESET_LINE, 10)
    _, port = subject.serve()
    for _ in range(10):
        with subject.client(port) as (client, held):
            if passive:
                held("pause")
            held("pour", 16 * MIB)
            draining, reading = held.begin("drain"), held.begin("read")
            client.recv(1, socket.MSG_PEEK)
            client.close() if ends_with == "close" else reset(client)
            for waiting in (draining, reading):
                with pytest.raises(Failed, match="SocketBroken"):
                    waiting.result()


def test_fill_sendq(ends: Ends) -> None:
    """Two tasks wait for one queue: both go on when the peer reads."""
    client, held = ends
    held("pour", 16 * MIB)
    waiting = [held.begin("drain"), held.begin("drain")]
    assert len(take(client, 16 * MIB)) == 16 * MIB
    for one in waiting:
        one.result()


class TestSendTimeout:
    def test_basic(self, ends: Ends) -> None:
        """A time limit is asyncio's; what was accepted is still sent."""
        client, held = ends
        held("pour", 16 * MIB)
        assert held.fails("drain_within", 0.01) == "TimeoutError"
        held.close()
        assert digest_to_end(client) == digest(16 * MIB)

    def test_para(self, ends: Ends) -> None:
        """Two at once."""
        client, held = ends
        held("pour", 16 * MIB)
        waiting = [held.begin("drain_within", 0.01), held.begin("drain_within", 0.01)]
        for one in waiting:
            with pytest.raises(Failed, match="TimeoutError"):
                one.result()
        held.close()
        assert digest_to_end(client) == digest(16 * MIB)

    def test_active(self, ends: Ends) -> None:
        """Reading goes on meanwhile."""
        client, held = ends
        held("pour", 16 * MIB)
        draining = held.begin("drain_within", 0.01)
        client.sendall(b"x")
        assert held.read() == b"x"
        with pytest.raises(Failed, match="TimeoutError"):
            draining.result()

    def test_resume(self, ends: Ends) -> None:
        """After a time limit the socket is as it was."""
        client, held = ends
        held("pour", 16 * MIB)
        assert held.fails("drain_within", 0.01) == "TimeoutError"
        assert len(take(client, 16 * MIB)) == 16 * MIB
        held("drain")
        held.write(b"more")
        assert take(client, 4) == b"more"


def test_recv_of_many_mebibytes(ends: Ends) -> None:
    """A sized read of more than any window."""
    client, held = ends
    reading = held.begin("digest_of", 32 * MIB)
    sender = Thread(target=client.sendall, args=(random.Random(0).randbytes(32 * MIB) + b"rest",))
    sender.start()
    assert reading.result() == digest(32 * MIB)
    assert held.read(4) == b"rest"
    sender.join()


# -- owners ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("worker", [1, 2])
def test_controlling_process(subject: Subject, ends: Ends, worker: int) -> None:
    """Unread input moves to the new owner, in its worker or in another one."""
    client, held = ends
    client.sendall(b"first,second")
    assert held.read(6) == b"first,"
    other = subject("another", worker)
    subject("ask", other, "start", held.fd)
    assert subject("ask", other, "read", held.fd, 6) == b"second"
    assert held("invalid")
    assert held.fails("read") == "SocketClosed"
    finish(client)
    assert subject("ask", other, "read", held.fd) is None
    subject("ask", other, "write", held.fd, b"answer")
    subject("kill", other)
    assert read_to_end(client) == b"answer"


def test_controlling_process_self(ends: Ends) -> None:
    client, held = ends
    client.sendall(b"x")
    held("start")
    held("start")
    assert held.read() == b"x"


def test_killing_acceptor(subject: Subject) -> None:
    """A listener ends with its owner; its clients end in order, with every byte that was written."""
    other = subject("another", 2)
    _, port = subject("ask", other, "serve")
    with subject.client_of(other, port) as (client, held):
        subject("ask", other, "write", held.fd, b"last words")
        subject("kill", other)
        assert read_to_end(client) == b"last words"
        subject.node.eventually(lambda: refused(port), "somebody listens")


def refused(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
            return is_gone(client) and False
    except ConnectionRefusedError:
        return True


def test_several_accepts_in_one_go(subject: Subject) -> None:
    _, port = subject.serve()
    clients = [socket.create_connection(("127.0.0.1", port), SECONDS) for _ in range(200)]
    for number, client in enumerate(clients):
        client.sendall(b"%d" % number)
        finish(client)
    for number, client in enumerate(clients):
        with client:
            held = Held(subject, subject("client", client.getsockname()[1]))
            assert held("readall") == b"%d" % number
            held.close()
            assert read_to_end(client) == b""


def test_zombie_sockets(subject: Subject) -> None:
    """Clients that come and go in every way leave nothing behind."""
    before = subject("states")
    listener, port = subject.serve()
    subject.node.allow_trouble(RESET_LINE)
    for number in range(60):
        with subject.client(port) as (client, held):
            client.sendall(b"x")
            ends = [finish, reset, socket.socket.close][number % 3]
            ends(client)
            held("until_disconnected")
            held.close()
    subject("close", listener)
    subject.node.eventually(lambda: bool(subject("states") == before), "sockets are left")


def test_bidirectional_traffic(subject: Subject) -> None:
    """16 MiB each way at once over one connection, both ends ours."""
    _, port = subject.serve()
    here = Held(subject, subject("open", port))
    there = Held(subject, subject("client", subject("addresses", here.fd)[0][1]))
    digests = []
    for held, seed in ((here, 1), (there, 2)):
        held("pour", 16 * MIB, seed)
        held.shutdown("w")
        digests.append(held.begin("digest"))
    assert [tuple(pending.result()) for pending in digests] == [digest(16 * MIB, 2), digest(16 * MIB, 1)]
    for held in (here, there):
        assert [event for event in held("events") if isinstance(event, str)] == ["eof"]


def test_socket_monitor(ends: Ends) -> None:
    """Each actor that asked is told of the end, once, also when it had come before."""
    client, held = ends
    finish(client)
    assert held("event", "eof") == ["eof"]
    held("watch")
    assert held("events") == ["eof", "eof"]  # the second one for the second question
