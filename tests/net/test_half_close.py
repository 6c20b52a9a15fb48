"""Each half of a connection ends by itself; the other goes on until it is ended too."""

from __future__ import annotations

import errno
import socket

from skypy.core.tcp.state import State
from skypy.core.wire.socket_lane import SHUTDOWN, SOCKET_CLOSE, SOCKET_DATA, SOCKET_ERROR, SOCKET_FORGET, SOCKET_HANGUP
from tests.net.players import PLENTY
from tests.net.stage import Stage
from tests.net.states import bring_to, paused


def test_after_our_end_the_peer_may_go_on_sending(stage: Stage) -> None:
    held, peer = stage.pair()
    held.shutdown("w")
    assert stage.read_to_end(peer) == (b"", 0)
    peer.sendall(b"still talking")
    stage.until(lambda: held.input == b"still talking", "the peer's bytes")
    peer.shutdown(socket.SHUT_WR)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.news == [(SOCKET_DATA,), (SOCKET_CLOSE, 0), (SOCKET_FORGET,)]


def test_our_end_goes_out_behind_everything_that_is_queued(stage: Stage) -> None:
    held, peer = stage.pair()
    stage.worker.send_at_once(held.writing(PLENTY), held.writing(b"the last"), (SHUTDOWN, held.id, "w"))
    stage.until_state(held, State.FINISHING)
    peer.sendall(b"meanwhile")
    stage.until(lambda: held.input == b"meanwhile", "the peer's bytes")
    assert stage.read_to_end(peer) == (PLENTY + b"the last", 0)
    stage.until(lambda: held.sent == held.out, "the last SOCKET_SENT")
    assert not held.forgotten
    peer.sendall(b" and afterwards")
    stage.until(lambda: held.input == b"meanwhile and afterwards", "the peer's bytes")
    peer.close()
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.ends == [0]


def test_after_the_peers_end_we_may_go_on_writing(stage: Stage) -> None:
    held, peer = stage.pair()
    peer.sendall(b"shut_w4\n")
    peer.shutdown(socket.SHUT_WR)
    stage.until(lambda: held.ends, "the end")
    held.write_directly(b"shut_w4\n")
    for _ in range(10):
        held.write(b"FINAL\n")
        stage.turn()
    held.close()
    assert stage.read_to_end(peer) == (b"shut_w4\n" + b"FINAL\n" * 10, 0)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.news == [(SOCKET_DATA,), (SOCKET_CLOSE, 0), (SOCKET_FORGET,)]


def test_after_the_peers_end_a_lot_of_output_still_arrives(stage: Stage) -> None:
    held, peer = bring_to(stage, State.HALF_CLOSED_READ)
    held.write(PLENTY)
    assert stage.read(peer, len(PLENTY)) == PLENTY
    stage.until(lambda: held.sent == len(PLENTY), "the last SOCKET_SENT")
    held.write(b"more")
    assert stage.read(peer, 4) == b"more"
    assert held.news == []


def test_a_half_closed_socket_does_not_keep_the_service_awake(stage: Stage) -> None:
    for state in (State.HALF_CLOSED_READ, State.HALF_CLOSED_WRITE, State.READ_STOPPED):
        bring_to(stage, state)
        stage.settle()
        assert stage.ready == []


def test_ending_our_half_after_the_peers_end_is_the_end_of_the_connection(stage: Stage) -> None:
    held, peer = bring_to(stage, State.HALF_CLOSED_READ)
    held.write_directly(b"bye")
    held.shutdown("w")
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert stage.state(held) is State.CLOSED
    assert stage.read_to_end(peer) == (b"bye", 0)
    assert held.news == [(SOCKET_FORGET,)]


def test_ending_our_half_after_the_peers_end_delivers_what_is_queued_first(stage: Stage) -> None:
    held, peer = bring_to(stage, State.HALF_CLOSED_READ_FINISHING)
    assert stage.read_to_end(peer) == (PLENTY, 0)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.news == [(SOCKET_FORGET,)]
    assert held.sent == len(PLENTY)


def test_the_peer_may_end_its_half_while_our_last_bytes_are_under_way(stage: Stage) -> None:
    held, peer = bring_to(stage, State.FINISHING)
    peer.sendall(b"and now I am done")
    peer.shutdown(socket.SHUT_WR)
    stage.until(lambda: held.ends, "the end")
    assert held.news == [(SOCKET_DATA,), (SOCKET_CLOSE, 0)]
    assert stage.read_to_end(peer) == (PLENTY, 0)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.news == [(SOCKET_DATA,), (SOCKET_CLOSE, 0), (SOCKET_FORGET,)]


def test_a_paused_socket_is_half_closed_like_any_other(stage: Stage) -> None:
    held, peer = paused(stage)
    held.write(PLENTY)
    held.shutdown("w")
    assert stage.read_to_end(peer) == (PLENTY, 0)
    peer.shutdown(socket.SHUT_WR)
    stage.settle()  # both halves have ended, which cannot be masked, and the owner does not read
    assert held.news == [(SOCKET_HANGUP,)]
    held.credit()
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.input == b"b"
    assert held.ends == [0]


def test_the_peers_end_needs_no_credit_when_nothing_is_unread(stage: Stage) -> None:
    held, peer = stage.pair(credit=1)
    peer.sendall(b"a")
    stage.until(lambda: held.input == b"a", "the byte that was granted")
    stage.settle()
    peer.shutdown(socket.SHUT_WR)
    stage.until(lambda: held.ends, "the end")
    assert held.ends == [0]
    stage.settle()
    assert stage.ready == []


def test_a_peer_that_goes_away_while_we_write_is_an_error_and_nothing_breaks(stage: Stage) -> None:
    held, peer = bring_to(stage, State.HALF_CLOSED_READ)
    peer.close()
    held.write(b"FINAL\n")
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    stage.settle()
    assert held.news == [
        (SOCKET_ERROR, errno.ECONNRESET),
        (SOCKET_FORGET,),
    ]  # the kernel's errno is EPIPE, which stands for the reset
    assert stage.lines == []
