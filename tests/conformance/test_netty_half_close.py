"""Cases of Netty's testsuite about closed halves, under its names, against a subject and plain sockets.

Netty's events are here: its input-shutdown event, the reason "eof" that `onclose` gets; "no more data", None from a
read; auto-read on, a reader that never stops; auto-read off, a socket that is paused until an actor reads;
ALLOW_HALF_CLOSURE, `listen(..., half_close=True)`; `isOutputShutdown`, a write that returns False.

Left out: SO_LINGER at our end (testShutdownOutputSoLingerNoAssertError, testShutdownSoLingerNoAssertError set it on the
channel): a service cannot set it, close is always the safe one; the peer sets it instead. QuicStreamHalfClosureTest: no
QUIC; its last frame without delimiter is `test_a_last_frame_without_delimiter_is_not_lost`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conformance.subject import RESET_LINE, Held, Subject, take
from tests.node.clients import finish, read_to_end, reset
from tests.node.harness import RunningNode

DATA = os.urandom(16384)

auto_read = pytest.mark.parametrize("auto_read", [True, False], ids=["auto_read", "manual_read"])
half_closure = pytest.mark.parametrize("half_closure", [True, False], ids=["half_closure", "full_closure"])


def linger_one_second(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 1))


@contextmanager
def connected(subject: Subject, *, half_close: bool = True) -> Iterator[tuple[socket.socket, Held]]:
    """A client and the subject's socket of it."""
    _, port = subject.serve() if half_close else subject.serve(half_close=False)
    with subject.client(port) as (client, held):
        yield client, held


def sleeps(node: RunningNode) -> bool:
    """Return True if the socket service waits for something, ten looks in a row: one that spins hardly ever does."""
    stat = Path(f"/proc/{node.child('socket service')}/stat")
    return all(stat.read_text().rpartition(")")[2].split()[0] == "S" for _ in range(10))


class TestSocketHalfClosed:
    def test_all_data_read_event_triggered_after_half_closure(self, subject: Subject) -> None:
        """The end is announced although no actor reads."""
        with connected(subject) as (client, held):
            client.sendall(b"x")
            assert held.read() == b"x"
            finish(client)
            assert held("event", "eof") == ["eof"]
            assert held.read() is None

    def test_half_closure_receive_data_on_final_wait2_state_when_so_linger_set(self, subject: Subject) -> None:
        """A side that has finished its half, in FIN_WAIT2, still receives."""
        with connected(subject) as (client, held):
            linger_one_second(client)
            finish(client)
            assert held.read() is None
            assert held.write(bytes(16))
            held.close()
            assert read_to_end(client) == bytes(16)

    def test_half_closure_receive_data_on_final_wait2_state_of_the_subject(self, subject: Subject) -> None:
        with connected(subject) as (client, held):
            held.shutdown("w")
            assert read_to_end(client) == b""
            client.sendall(bytes(16))
            assert held.read(16) == bytes(16)

    def test_half_closure_only_one_event_when_auto_read(self, subject: Subject, node: RunningNode) -> None:
        """One end-of-file, and then the socket service has nothing to do."""
        with connected(subject) as (client, held):
            held("collect")
            finish(client)
            assert held("collected") == [None]
            node.eventually(lambda: sleeps(node), "the socket service spins")
            assert held("events") == ["eof"]

    @auto_read
    def test_all_data_read_after_half_closure(self, subject: Subject, auto_read: bool) -> None:
        """16 KiB and FIN, read one byte at a time: nothing is lost, and the end comes once."""
        with connected(subject) as (client, held):
            if not auto_read:
                held("pause")
            client.sendall(DATA)
            finish(client)
            assert held("read_singly") == DATA
            assert held.read() is None
            assert held("events") == ["eof"]

    @pytest.mark.parametrize("leader", ["server", "client"])
    @half_closure
    def test_auto_close_false_does_shutdown_output(
        self, subject: Subject, node: RunningNode, half_closure: bool, leader: str
    ) -> None:
        """A write fails because the peer is gone; what it had answered before is still read."""
        node.allow_trouble(RESET_LINE)
        ends = connected(subject, half_close=half_closure) if leader == "server" else subject.opened()
        with ends as (follower, held):
            held("pause")
            assert held.write(bytes(100))
            assert take(follower, 100) == bytes(100)
            follower.sendall(b"r" * 100)
            follower.close()
            held("until_disconnected")
            held.write(bytes(100))  # a reset is the answer: the peer is gone
            assert held.read(100) == b"r" * 100
            with contextlib.suppress(ConnectionError):
                while held.write(bytes(100)):
                    pass
            # The answer may overtake the FIN: then it is the only end there was.
            assert held("events") in (["eof"], ["reset"], ["eof", "reset"])

    @half_closure
    @auto_read
    def test_all_data_read_closure(self, subject: Subject, auto_read: bool, half_closure: bool) -> None:
        """16 KiB and a full close: every byte comes before the end, in every mode."""
        with connected(subject, half_close=half_closure) as (client, held):
            held("collect") if auto_read else held("pause")
            client.sendall(DATA)
            client.close()
            if not auto_read:
                held("until_disconnected")
                held("collect")
            *pieces, end = held("collected")
            assert b"".join(pieces) == DATA
            assert end is None
            assert len(pieces) < len(DATA) / 64  # the smallest read there is


class TestSocketShutdownOutputBySelf:
    def test_shutdown_output(self, subject: Subject) -> None:
        """Our half is finished, the other one is open."""
        with connected(subject) as (client, held):
            held.write(b"x")
            held.shutdown("w")
            assert read_to_end(client) == b"x"
            assert not held.write(b"y")
            assert not held("disconnected")
            client.sendall(b"z")
            assert held.read() == b"z"
            assert held("events") == []

    def test_shutdown_output_after_closed(self, subject: Subject) -> None:
        """Harmless here, as a second close is; what could still be asked of the socket fails."""
        with connected(subject) as (client, held):
            held.close()
            for how in ("w", "r", "rw"):
                held.shutdown(how)
            assert not held.write(b"x")
            assert held.fails("read") == "SocketClosed"
            assert held.fails("drain") == "SocketClosed"
            assert read_to_end(client) == b""

    def test_write_after_shutdown_output_no_writability_change(self, subject: Subject) -> None:
        with connected(subject) as (client, held):
            held.shutdown("w")
            assert not held.write(bytes(2 << 20))
            assert read_to_end(client) == b""
            assert held("events") == []

    def test_shutdown_output_so_linger_no_assert_error(self, subject: Subject) -> None:
        """A peer that lingers finishes its half: an orderly end."""
        with connected(subject) as (client, held):
            linger_one_second(client)
            finish(client)
            assert held.read() is None
            held.close()
            assert read_to_end(client) == b""

    def test_shutdown_so_linger_no_assert_error(self, subject: Subject) -> None:
        with connected(subject) as (client, held):
            linger_one_second(client)
            client.shutdown(socket.SHUT_RDWR)
            assert held.read() is None


class TestSocketShutdownOutputByPeer:
    def test_shutdown_output(self, subject: Subject) -> None:
        """One event, and our half stays open."""
        with connected(subject) as (client, held):
            held("collect")
            client.sendall(b"x")
            finish(client)
            assert held("collected") == [b"x", None]
            assert held("events") == ["eof"]
            assert held("disconnected")
            assert not held("invalid")
            assert held.write(b"y")
            held.close()
            assert read_to_end(client) == b"y"
            assert held("events") == ["eof"]

    def test_shutdown_output_without_option(self, subject: Subject) -> None:
        """The peer's end is the end of both halves if half-close is not allowed."""
        with connected(subject, half_close=False) as (client, held):
            client.sendall(b"x")
            finish(client)
            assert read_to_end(client) == b""  # it was closed by the socket service alone
            assert held.read() == b"x"
            assert held.read() is None
            assert not held.write(b"y")
            assert len(held("events")) == 1

    def test_a_last_frame_without_delimiter_is_not_lost(self, subject: Subject) -> None:
        with connected(subject) as (client, held):
            client.sendall(b"one\nlast")
            finish(client)
            assert held("readline") == b"one"
            assert held("readline") is None
            assert held.read() == b"last"
            assert held.read() is None


class TestDetectPeerCloseWithoutRead:
    @pytest.mark.parametrize("extra_read", [False, True])
    @pytest.mark.parametrize("closes", ["client", "server"])
    def test_detect_peer_close_without_read(self, subject: Subject, closes: str, extra_read: bool) -> None:
        """Reading is paused, and yet a close is noticed; what came before it is still delivered, and first."""
        with connected(subject) if closes == "client" else subject.opened() as (peer, held):
            held("pause")
            if extra_read:
                peer.sendall(b"y")
                assert held.read(1) == b"y"
                held("pause")
            peer.sendall(bytes(100))
            peer.close()
            held("until_disconnected")
            assert held("readall") == bytes(100)
            assert held.read() is None
            assert held("events") == ["eof"]

    def test_a_reset_is_detected_as_well(self, subject: Subject, node: RunningNode) -> None:
        node.expect_trouble(RESET_LINE)
        with connected(subject) as (client, held):
            held("pause")
            client.sendall(bytes(100))
            reset(client)
            held("until_disconnected")
            assert held.read(100) == bytes(100)
            assert held.fails("read") == "SocketBroken"
            assert held.read() is None
            assert held("events") == ["reset"]
