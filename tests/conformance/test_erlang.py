"""Cases of Erlang's gen_tcp_misc_SUITE under its names, against a subject and plain sockets.

Erlang's options are here: `exit_on_close=false`, `listen(..., half_close=True)`, the default; `active`, a reader
that never stops; passive, a socket that is paused until an actor reads; `show_econnreset`, always;
`linger {true, 0}`, `abort`.

Left out, because there is nothing that could fail: accept_timeouts (no accept call: clients come to a function),
active_n and active_once (credit is granted by the runtime and not by hand), delay_send_error, `check_length` and
`autoclose` of send_timeout (a write is queued whole or refused, never sent in part), iter_max_socks (its own limit;
descriptors that run out are in test_skynet.py).
"""

from __future__ import annotations

import random
import socket

import pytest

from tests.conformance.subject import (
    MIB,
    RESET_LINE,
    Ends,
    Failed,
    Subject,
    digest,
    digest_to_end,
)
from tests.node.clients import finish, read_to_end, reset
from tests.node.harness import RunningNode

passive = pytest.mark.parametrize("passive", [False, True], ids=["active", "passive"])


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
    """Bytes sent before a close come before the end."""
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
    """It comes while more is queued than the kernel takes: a task that waits for the queue is told."""
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
        """The end comes while the read waits, behind a huge send of ours."""
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
    """An end that came while reading was paused is told to the next reader."""
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
