"""Cases of Erlang's gen_tcp_misc_SUITE under its names, against a subject and plain sockets.

Erlang's options are here: `exit_on_close=false`, `listen(..., half_close=True)`, the default; `active`, a reader
that never stops; passive, a socket that is paused until somebody reads; `show_econnreset`, always;
`linger {true, 0}`, `abort`.

Left out, because there is nothing that could fail: accept_timeouts (no accept call: clients come to a function),
active_n and active_once (credit is granted by the runtime and not by hand), delay_send_error, `check_length` and
`autoclose` of send_timeout (a write is queued whole or refused, never sent in part), iter_max_socks (its own limit;
descriptors that run out are in test_skynet.py).
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest

from tests.conformance.subject import Failed, Held, Subject, digest, digest_to_end, take
from tests.node.clients import finish, is_gone, read_to_end, reset
from tests.node.harness import SECONDS, RunningNode

MIB = 1 << 20
RESET_LINE = r"socket: error on \d+ (Connection reset by peer|Broken pipe)$"

Ends = tuple[socket.socket, Held]
passive = pytest.mark.parametrize("passive", [False, True], ids=["active", "passive"])


@pytest.fixture
def ends(subject: Subject) -> Iterator[Ends]:
    """A client, and what the subject holds of it."""
    with subject.client(subject.serve()[1]) as ends:
        yield ends


@contextmanager
def sending(peer: socket.socket, data: bytes) -> Iterator[None]:
    """A thread that sends while the test goes on."""
    sender = Thread(target=peer.sendall, args=(data,))
    sender.start()
    yield
    sender.join()


# -- shutdown and close ------------------------------------------------------------------------------------------------


@passive
def test_shutdown(subject: Subject, passive: bool) -> None:
    """A sort server answers when the client has finished: the answer can only begin after the client's end."""
    _, port = subject.serve()
    for count in (0, 1, 3, 31, 231, 923, 1209):
        lines = [b"%016x\n" % random.getrandbits(64) for _ in range(count)]
        with subject.client(port) as (client, held):
            if passive:
                held("pause")
            sorting = held.begin("sort")
            client.sendall(b"".join(lines))
            finish(client)
            assert read_to_end(client) == b"".join(sorted(lines))
            sorting.result()


@pytest.mark.parametrize("size", [512 << 10, 8 << 20])
def test_shutdown_pending(ends: Ends, size: int) -> None:
    """The peer's FIN does not overtake what it has sent."""
    client, held = ends
    held.begin("count")
    client.sendall(bytes(size))
    finish(client)
    assert read_to_end(client) == b"%d" % size


def test_shutdown_pending_at_our_end(subject: Subject) -> None:
    """Nor does ours: `shutdown("w")` at once behind a large write, to a peer that begins to read later."""
    with subject.opened() as (peer, held):
        held("pour", 8 * MIB)
        held.shutdown("w")
        assert held("info")["queued"] > 0
        assert digest_to_end(peer) == digest(8 * MIB)
        peer.sendall(b"counted")
        assert held.read() == b"counted"


def test_close_with_pending_output(ends: Ends) -> None:
    client, held = ends
    held("pour_and_close", 8 * MIB)
    assert digest_to_end(client) == digest(8 * MIB)


@passive
def test_data_before_close(ends: Ends, passive: bool) -> None:
    """What was sent before a close comes before the end."""
    client, held = ends
    if passive:
        held("pause")
    client.sendall(bytes(100_000))
    client.close()
    held("collect")
    *data, end = held("collected")
    assert (len(b"".join(data)), end) == (100_000, None)


def test_close_while_a_reader_waits(ends: Ends) -> None:
    """It is woken, and told that it is its own side that has closed."""
    client, held = ends
    held("collect")
    held.close()
    assert held("collected") == ["SocketClosed"]
    assert read_to_end(client) == b""


# -- resets ------------------------------------------------------------------------------------------------------------


@passive
def test_show_econnreset(ends: Ends, node: RunningNode, passive: bool) -> None:
    """Data that came before a reset, then the reset, then the end: each once."""
    node.expect_trouble(RESET_LINE)
    client, held = ends
    if passive:
        held("pause")
    client.sendall(b"x" * 1000)
    reset(client)
    if passive:
        held("until_disconnected")
    held("collect")
    *data, broken, end = held("collected")
    assert (b"".join(data), broken, end) == (b"x" * 1000, "SocketBroken", None)
    assert held("events") == ["reset"]


def test_econnreset_after_sync_send(ends: Ends, node: RunningNode) -> None:
    """The peer closes with our bytes unread: that is a reset."""
    node.expect_trouble(RESET_LINE)
    client, held = ends
    held.write(b"x")
    client.recv(1, socket.MSG_PEEK)
    client.close()
    assert held.fails("read") == "SocketBroken"
    assert held.read() is None
    assert not held.write(b"y")


@passive
def test_econnreset_after_async_send(ends: Ends, node: RunningNode, passive: bool) -> None:
    """It comes while more is queued than the kernel takes: whoever waits for the queue is told."""
    node.expect_trouble(RESET_LINE)
    client, held = ends
    if passive:
        held("pause")
    held("pour", 64 * MIB)
    draining = held.begin("drain")
    client.recv(1, socket.MSG_PEEK)
    client.close()
    with pytest.raises(Failed, match="SocketBroken"):
        draining.result()
    assert held.fails("read") == "SocketBroken"
    assert held("events")[-1] == "reset"


@pytest.mark.parametrize("unsent", [0, 64 * MIB], ids=["", "sndbuf"])
def test_linger_zero(ends: Ends, unsent: int) -> None:
    """An abort discards what is queued, and the peer is told so."""
    client, held = ends
    held("pour", unsent)
    held("abort")
    assert held("events")[-1] == "aborted"
    with pytest.raises(ConnectionResetError):
        digest_to_end(client)


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


# -- reading in part ---------------------------------------------------------------------------------------------------


class TestPartialRecvAndClose:
    def test_1(self, ends: Ends) -> None:
        """The end comes before the read: what there is stays."""
        client, held = ends
        client.sendall(b"abc")
        finish(client)
        held("event", "eof")
        assert held.read(4) is None
        assert held.read() == b"abc"
        assert held.read() is None

    def test_2(self, ends: Ends) -> None:
        """The end comes while the read waits."""
        client, held = ends
        reading = held.begin("read", 4)
        client.sendall(b"abc")
        finish(client)
        assert reading.result() is None
        assert held.read() == b"abc"

    def test_3(self, ends: Ends) -> None:
        """The same, behind a huge send of ours."""
        client, held = ends
        held("pour", 16 * MIB)
        reading = held.begin("read", 4)
        client.sendall(b"abc")
        finish(client)
        assert reading.result() is None
        assert held.read() == b"abc"
        held.close()
        assert digest_to_end(client) == digest(16 * MIB)


def test_active_once_closed(ends: Ends) -> None:
    """An end that came while reading was paused is told to whoever reads on."""
    client, held = ends
    for _ in range(2):
        client.sendall(b"x")
        assert held.read() == b"x"
        held("pause")
    finish(client)
    held("until_disconnected")
    held("resume")
    assert held.read() is None
    assert held("events") == ["eof"]


def test_recv_of_many_mebibytes(ends: Ends) -> None:
    """A sized read of more than any window."""
    client, held = ends
    reading = held.begin("digest_of", 32 * MIB)
    with sending(client, random.Random(0).randbytes(32 * MIB) + b"rest"):
        assert reading.result() == digest(32 * MIB)
    assert held.read(4) == b"rest"


# -- owners ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("worker", [1, 2])
def test_controlling_process(subject: Subject, ends: Ends, worker: int) -> None:
    """What has come and was not read moves to the new owner, in its worker or in another one."""
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
    """When the owner of a listener ends, so does the listener; its clients end in order, with what it had written."""
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
    for end, seed in ((here, 1), (there, 2)):
        end("pour", 16 * MIB, seed)
        end.shutdown("w")
        digests.append(end.begin("digest"))
    assert [tuple(pending.result()) for pending in digests] == [digest(16 * MIB, 2), digest(16 * MIB, 1)]
    assert [here("events")[-1], there("events")[-1]] == ["eof", "eof"]


def test_socket_monitor(ends: Ends) -> None:
    """Whoever asked is told of the end, once, also when it had come before."""
    client, held = ends
    finish(client)
    assert held("event", "eof") == ["eof"]
    held("watch")
    assert held("events") == ["eof", "eof"]  # the second one for the second question
