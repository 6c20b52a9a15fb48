"""Cases of Netty's testsuite about connections, resets and flow, under its names, against a subject.

Left out, because there is nothing that could fail: SocketCancelWriteTest (a write is accepted when it returns and
cannot be taken back), SocketMultipleConnectTest and SocketChannelNotYetConnectedTest (`open` makes a socket of its own
each time, and there is no id before it is connected), BufRelease (bytes are immutable, or copied: no reference counts).
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import socket
from collections.abc import Iterator
from threading import Thread

import pytest

from tests.conformance.subject import MIB, RESET_LINE, WINDOW, Ends, Failed, Held, Subject, fill, take
from tests.node.clients import finish, random_pieces, read_to_end, reset
from tests.node.harness import RunningNode, free_port


@pytest.fixture
def port(subject: Subject) -> int:
    """The port of a listener of the subject."""
    return subject.serve()[1]


@pytest.fixture
def ends(subject: Subject, port: int) -> Iterator[tuple[socket.socket, Held]]:
    """A client, and the subject's socket of it."""
    with subject.client(port) as ends:
        yield ends


class TestSocketCloseForcibly:
    def test_close_forcibly(self, ends: Ends) -> None:
        client, held = ends
        held("abort")
        with pytest.raises(ConnectionResetError):
            client.recv(1)


class TestSocketRst:
    def test_so_linger_zero_causes_only_rst_on_close(self, ends: Ends, node: RunningNode) -> None:
        """A reset is an error with its errno, once, and never a clean end-of-file."""
        node.expect_trouble(RESET_LINE)
        client, held = ends
        reading = held.begin("read")
        reset(client)
        with pytest.raises(Failed) as failed:
            reading.result()
        assert (failed.value.name, failed.value.errno) == ("SocketBroken", errno.ECONNRESET)
        assert held.read() is None
        assert held("events") == ["reset"]

    def test_an_abort_of_ours_is_a_reset_for_the_peer(self, ends: Ends) -> None:
        client, held = ends
        held.write(b"x")
        held("abort")
        with pytest.raises(ConnectionResetError):
            read_to_end(client)

    def test_no_rst_if_so_linger_on_close(self, ends: Ends) -> None:
        client, held = ends
        reading = held.begin("read")
        client.close()
        assert reading.result() is None
        assert held("events") == ["eof"]


class TestSocketConditionalWritability:
    def test_conditional_writability(self, ends: Ends) -> None:
        """100 MiB, written only while the socket takes them: no wake-up is lost."""
        client, held = ends
        producing = held.begin("produce", 6400, 16384)
        for number in range(6400):
            assert take(client, 16384)[:8] == b"%08d" % number
        assert client.recv(1) == b""
        producing.result()


class TestSocketAutoRead:
    def test_auto_read_off_during_read(self, ends: Ends) -> None:
        """A pause within the handling of data: what was granted before still comes, and no more."""
        client, held = ends
        client.sendall(b"first")
        assert held.read() == b"first"
        held("pause")
        sent = fill(client)
        assert held("info")["received"] <= len(b"first") + WINDOW
        held("resume")
        finish(client)
        assert len(held("readall")) == sent


class TestSocketReadPending:
    def test_read_pending(self, ends: Ends) -> None:
        """One read takes what it asks for and leaves the rest."""
        client, held = ends
        client.sendall(b"abcd")
        assert held.read(2) == b"ab"
        assert held.read(2) == b"cd"

    def test_two_reads_at_once_are_refused(self, ends: Ends) -> None:
        client, held = ends
        reading = held.begin("read")
        assert held.fails("read") == "SocketBusy"
        client.sendall(b"x")
        assert reading.result() == b"x"


class TestSocketDataReadInitialState:
    def test_auto_read_off_no_data_read_until_read_called(self, subject: Subject) -> None:
        """A client that no actor has started is not read from."""
        _, port = subject.serve(start=False)
        with subject.client(port) as (client, held):
            client.sendall(b"x")
            assert held.fails("read") == "RuntimeError"
            held("start")
            assert held.read() == b"x"

    def test_auto_read_on_data_read_immediately(self, ends: Ends) -> None:
        client, held = ends
        held("collect")
        client.sendall(b"x")
        finish(client)
        assert held("collected") == [b"x", None]


class TestServerSocketSuspend:
    def test_suspend_and_resume_accept(self, subject: Subject) -> None:
        """A listener that is not started lets its clients wait in the kernel, and serves them when it is."""
        listener = subject("listen", "127.0.0.1", 0)
        port = subject("port_of", listener)
        clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(10)]
        for client in clients:
            client.sendall(b"x")
        subject("start_listening", listener)
        for client in clients:
            with client:
                held = Held(subject, subject("client", client.getsockname()[1]))
                assert held.read() == b"x"


class TestSocketExceptionHandling:
    def test_read_pending_is_reset_after_each_read(self, subject: Subject, node: RunningNode) -> None:
        """A failure for a client is logged once, and ends that client alone."""
        _, port = subject("serve_badly")
        node.expect_trouble("error in accept of 127.0.0.1:")
        node.allow_trouble(r"raise ValueError")
        node.expect_trouble("Traceback")
        node.expect_trouble("ValueError: as told$")
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"x")
            with contextlib.suppress(ConnectionResetError):
                assert client.recv(1) == b""


class TestSocketConnectionAttempt:
    def test_connect_timeout(self, subject: Subject) -> None:
        """A listener with a full backlog answers no SYN."""
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen(0)
            late = pytest.raises(Failed, match=r"TimeoutError: .*no answer within 0.05 s")
            with socket.create_connection(server.getsockname()), late:
                subject("open", server.getsockname()[1], 0.05)

    @pytest.mark.parametrize("half_closure", [True, False])
    def test_connect_refused(self, subject: Subject, half_closure: bool) -> None:
        """Half-closure is a matter of listeners here; the error is the same, and no socket is left."""
        subject.serve() if half_closure else subject.serve(half_close=False)
        before = subject("states")
        with pytest.raises(Failed) as failed:
            subject("open", free_port())
        assert (failed.value.name, failed.value.errno) == ("ConnectionRefusedError", errno.ECONNREFUSED)
        assert subject("states") == before

    def test_connect_cancellation(self, subject: Subject) -> None:
        """A cancelled attempt leaves no socket: the listener has a client that ends, or none."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            before = subject("states")
            subject("cancelled_open", server.getsockname()[1])
            server.setblocking(False)
            try:
                client, _ = server.accept()
            except BlockingIOError:
                pass
            else:
                client.settimeout(20)
                with client:
                    assert client.recv(1) == b""
            assert subject("states") == before


class TestSocketConnect:
    def test_close_twice(self, ends: Ends) -> None:
        client, held = ends
        held.close()
        held.close()
        assert read_to_end(client) == b""
        assert held("events") == ["closed"]

    def test_local_address_after_connect(self, subject: Subject) -> None:
        with subject.opened() as (peer, held):
            assert subject("addresses", held.fd) == [peer.getpeername(), peer.getsockname()]

    def test_channel_events_fired_when_closed_directly(self, subject: Subject) -> None:
        """Connected and closed at once: the peer gets a connection and its orderly end."""
        with subject.opened() as (peer, held):
            held.close()
            assert read_to_end(peer) == b""
            assert held("events") == ["closed"]

    def test_a_write_right_after_connect(self, subject: Subject) -> None:
        """WriteBeforeRegistered."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            opening = subject.begin("open_and_write", server.getsockname()[1], b"at once")
            peer, _ = server.accept()
            with peer:
                assert take(peer, 7) == b"at once"
            opening.result()

    def test_a_write_before_start(self, subject: Subject) -> None:
        _, port = subject.serve(start=False)
        with subject.client(port) as (client, held):
            assert held.write(b"hello")
            assert take(client, 5) == b"hello"


class TestSocketEcho:
    """SocketFixedLengthEcho, SocketStringEcho, SocketObjectEcho, SocketGatheringWrite."""

    @pytest.mark.parametrize("seed", range(3))
    def test_frames_do_not_depend_on_how_they_are_cut(self, ends: Ends, seed: int) -> None:
        client, held = ends
        data = os.urandom(4 * MIB)
        held.begin("echo")

        def send() -> None:
            for piece in random_pieces(random.Random(seed), data):
                client.sendall(piece)
            finish(client)

        sender = Thread(target=send)
        sender.start()
        assert read_to_end(client) == data
        sender.join()

    def test_fixed_lengths(self, ends: Ends) -> None:
        client, held = ends
        data = os.urandom(1024 * 64)
        reading = held.begin("frames", 1024)
        for piece in random_pieces(random.Random(1), data):
            client.sendall(piece)
        finish(client)
        assert reading.result() == [data[start : start + 1024] for start in range(0, len(data), 1024)]
