"""The safe close: the peer gets every byte and then a clean end-of-file, also while it sends."""

from __future__ import annotations

import socket

import pytest

from skypy.core.tcp.state import State
from skypy.core.wire.socket_lane import CLOSE, SOCKET_FORGET, SOCKET_SENT
from tests.net.players import PLENTY, Held
from tests.net.stage import Stage
from tests.net.states import OWNED, bring_to


def close_ends_well(stage: Stage, held: Held, peer: socket.socket) -> None:
    """Close: the peer gets everything, then end-of-file, and the only report is SOCKET_FORGET."""
    held.close()
    assert stage.read_to_end(peer) == (PLENTY[: held.out], 0)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    peer.close()
    stage.until_state(held, State.CLOSED)
    stage.settle()
    assert held.news == [(SOCKET_FORGET,)]
    assert stage.lines == []


@pytest.mark.parametrize("state", OWNED)
def test_a_close_in_any_state_delivers_what_is_queued_and_ends_cleanly(stage: Stage, state: State) -> None:
    close_ends_well(stage, *bring_to(stage, state))


@pytest.mark.parametrize("state", [State.OPEN, State.HALF_CLOSED_READ, State.READ_STOPPED])
def test_a_close_with_a_lot_queued_delivers_it_and_ends_cleanly(stage: Stage, state: State) -> None:
    close_ends_well(stage, *bring_to(stage, state, unsent=True))


@pytest.mark.parametrize("credit", [0, 1, 1000])
def test_unread_input_causes_no_reset(stage: Stage, credit: int) -> None:
    held, peer = stage.pair(credit=credit)
    peer.sendall(PLENTY[:5000])
    stage.settle()
    stage.worker.send_at_once(held.writing(PLENTY), (CLOSE, held.id))
    assert stage.read_to_end(peer) == (PLENTY, 0)


def test_input_that_comes_during_the_flush_causes_no_reset(stage: Stage) -> None:
    held, peer = bring_to(stage, State.CLOSING)
    received = b""
    while len(received) < len(PLENTY):
        peer.sendall(b"a peer that never stops talking")
        received += stage.read(peer, min(20000, len(PLENTY) - len(received)))
    assert received == PLENTY
    assert stage.read_to_end(peer) == (b"", 0)
    assert held.pieces == []


def test_input_that_comes_after_our_end_causes_no_reset(stage: Stage) -> None:
    held, peer = bring_to(stage, State.LINGERING)
    for _ in range(20):
        peer.sendall(PLENTY[:1000])
        stage.settle()
    assert stage.read_to_end(peer) == (b"", 0)
    assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
    peer.shutdown(socket.SHUT_WR)
    stage.until_state(held, State.CLOSED)
    assert held.news == []


def test_the_peer_may_end_during_the_flush(stage: Stage) -> None:
    held, peer = bring_to(stage, State.CLOSING)
    peer.sendall(b"bye")
    peer.shutdown(socket.SHUT_WR)
    stage.until_state(held, State.CLOSING_HALF_CLOSED)
    stage.settle()
    assert stage.ready == []
    assert stage.read_to_end(peer) == (PLENTY, 0)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert stage.state(held) is State.CLOSED


def test_an_accepted_client_that_was_never_started_is_closed_cleanly(stage: Stage) -> None:
    held, peer = stage.pair(credit=0)
    peer.sendall(b"is anybody there?")
    held.close()
    assert stage.read_to_end(peer) == (b"", 0)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")


def test_bytes_that_the_worker_wrote_itself_are_delivered_as_well(stage: Stage) -> None:
    held, peer = stage.pair()
    held.write_directly(b"straight into the kernel")
    held.close()
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert stage.read_to_end(peer) == (b"straight into the kernel", 0)


def test_the_worker_is_told_to_forget_only_when_everything_is_in_the_kernel(stage: Stage) -> None:
    held, peer = bring_to(stage, State.CLOSING)
    assert held.reports == []
    read = 0
    while not held.forgotten:
        read += len(stage.read(peer, 4096))
    assert read < len(PLENTY)  # the bytes in the kernel's buffers are safe
    assert [report for report in held.reports if report[0] == SOCKET_SENT] == []
    assert stage.read_to_end(peer) == (PLENTY[read:], 0)


def test_a_closed_socket_waits_for_the_peers_end_and_then_is_gone(stage: Stage) -> None:
    held, peer = stage.pair()
    held.close()
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    stage.settle()
    assert stage.state(held) is State.LINGERING
    assert stage.ready == []
    peer.close()
    stage.until_state(held, State.CLOSED)
    assert held.news == [(SOCKET_FORGET,)]


def test_closing_a_broken_socket_lets_go_of_it_at_once(stage: Stage) -> None:
    held, _ = bring_to(stage, State.WRITE_BROKEN)
    held.close()
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert stage.state(held) is State.CLOSED
    assert held.news == [(SOCKET_FORGET,)]


def test_ten_closed_connections_end_independently(stage: Stage) -> None:
    pairs = [stage.pair() for _ in range(10)]
    for held, _ in pairs:
        stage.worker.send_at_once(held.writing(PLENTY), (CLOSE, held.id))
    for _, peer in reversed(pairs):
        assert stage.read_to_end(peer) == (PLENTY, 0)
    stage.until(lambda: all(held.forgotten for held, _ in pairs), "SOCKET_FORGET")
