"""A socket that its owner reads no more: input is discarded, output goes on, and the end is a clean one."""

from __future__ import annotations

import errno
import socket

import pytest

from skypy.core.tcp.state import State
from skypy.core.wire.socket_lane import CLOSE, SHUTDOWN, SOCKET_CLOSE, SOCKET_DATA, SOCKET_FORGET, WRITE
from tests.net.players import PLENTY
from tests.net.stage import Stage, reset
from tests.net.states import bring_to


def test_to_stop_reading_is_answered_with_one_end_of_file(stage: Stage) -> None:
    held, peer = stage.pair()
    held.shutdown("r")
    stage.until(lambda: held.ends, "the end")
    peer.sendall(b"nobody reads this")
    peer.shutdown(socket.SHUT_WR)
    stage.until_state(held, State.HALF_CLOSED_READ)
    assert held.news == [(SOCKET_CLOSE, 0)]


def test_input_is_discarded_without_credit_and_without_end(stage: Stage) -> None:
    held, peer = stage.pair(credit=1)
    held.shutdown("r")
    stage.until(lambda: held.ends, "the end")
    for _ in range(4):
        rest = memoryview(PLENTY)
        while rest:  # only a reader makes room for so much
            try:
                rest = rest[peer.send(rest) :]
            except BlockingIOError:
                stage.turn(0.01)
    assert held.news == [(SOCKET_CLOSE, 0)]


def test_writing_goes_on_after_reading_was_stopped(stage: Stage) -> None:
    held, peer = bring_to(stage, State.READ_STOPPED)
    held.write(PLENTY)
    assert stage.read(peer, len(PLENTY)) == PLENTY
    stage.until(lambda: held.sent == len(PLENTY), "the last SOCKET_SENT")
    held.write(b"more")
    assert stage.read(peer, 4) == b"more"


def test_a_later_close_delivers_everything_though_the_peer_goes_on_sending(stage: Stage) -> None:
    held, peer = bring_to(stage, State.READ_STOPPED)
    peer.sendall(PLENTY[:5000])
    stage.worker.send_at_once(held.writing(PLENTY), (CLOSE, held.id))
    stage.until_state(held, State.CLOSING)
    peer.sendall(PLENTY[:5000])
    assert stage.read_to_end(peer) == (PLENTY, 0)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.news == [(SOCKET_FORGET,)]
    peer.sendall(PLENTY[:5000])  # still no reset
    peer.shutdown(socket.SHUT_WR)
    stage.until_state(held, State.CLOSED)
    assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


def test_unread_input_at_a_stop_and_close_in_one_turn_causes_no_reset(stage: Stage) -> None:
    held, peer = stage.pair(credit=0)
    peer.sendall(b"unread")
    stage.worker.send_at_once((SHUTDOWN, held.id, "r"), held.writing(b"answer"), (CLOSE, held.id))
    assert stage.read_to_end(peer) == (b"answer", 0)
    peer.close()
    stage.until_state(held, State.CLOSED)
    assert held.news == [(SOCKET_CLOSE, 0), (SOCKET_FORGET,)]


def test_finishing_as_well_lets_go_of_the_socket_at_once(stage: Stage) -> None:
    held, peer = bring_to(stage, State.READ_STOPPED)
    held.shutdown("w")
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert stage.state(held) is State.LINGERING
    peer.sendall(b"discarded")
    assert stage.read_to_end(peer) == (b"", 0)
    assert held.news == [(SOCKET_FORGET,)]


def test_finishing_with_output_queued_lets_go_once_it_is_delivered(stage: Stage) -> None:
    held, peer = bring_to(stage, State.READ_STOPPED_FINISHING)
    peer.sendall(b"discarded")
    stage.settle()
    assert held.news == []
    assert stage.read_to_end(peer) == (PLENTY, 0)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.news == [(SOCKET_FORGET,)]
    assert stage.state(held) is State.LINGERING


def test_the_peer_may_end_while_the_last_bytes_of_a_stopped_socket_are_under_way(stage: Stage) -> None:
    held, peer = bring_to(stage, State.READ_STOPPED_FINISHING)
    peer.shutdown(socket.SHUT_WR)
    stage.until_state(held, State.HALF_CLOSED_READ_FINISHING)
    assert stage.read_to_end(peer) == (PLENTY, 0)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.news == [(SOCKET_FORGET,)]


def test_reading_can_be_stopped_while_our_last_bytes_are_under_way(stage: Stage) -> None:
    held, peer = bring_to(stage, State.FINISHING)
    held.shutdown("r")
    stage.until(lambda: held.ends, "the end")
    assert stage.read_to_end(peer) == (PLENTY, 0)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.news == [(SOCKET_CLOSE, 0), (SOCKET_FORGET,)]


def test_reading_can_be_stopped_after_our_end_which_leaves_nothing_to_do(stage: Stage) -> None:
    held, peer = bring_to(stage, State.HALF_CLOSED_WRITE)
    held.shutdown("r")
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.news == [(SOCKET_CLOSE, 0), (SOCKET_FORGET,)]
    assert stage.read_to_end(peer) == (b"", 0)
    peer.sendall(b"discarded")
    stage.settle()
    assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0


@pytest.mark.parametrize("state", [State.HALF_CLOSED_READ, State.HALF_CLOSED_READ_FINISHING])
def test_a_stop_that_crosses_the_peers_end_is_not_answered_again(stage: Stage, state: State) -> None:
    held, peer = bring_to(stage, state)
    held.shutdown("r")
    stage.settle()
    assert held.news == []
    assert stage.state(held) is state
    if state is State.HALF_CLOSED_READ:
        stage.worker.send_at_once(held.writing(PLENTY), (SHUTDOWN, held.id, "w"))
    assert stage.read_to_end(peer) == (PLENTY, 0)


def test_a_broken_socket_that_is_not_read_either_is_let_go(stage: Stage) -> None:
    held, _ = bring_to(stage, State.WRITE_BROKEN)
    held.shutdown("r")
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.news == [(SOCKET_CLOSE, 0), (SOCKET_FORGET,)]
    assert stage.state(held) is State.CLOSED


def test_a_stop_in_the_middle_of_input_gives_what_had_been_read_and_then_the_end(stage: Stage) -> None:
    held, peer = stage.pair(credit=100)
    peer.sendall(PLENTY[:200])
    stage.until(lambda: len(held.input) == 100, "what was granted")
    held.shutdown("r")
    held.credit()
    stage.settle()
    assert held.input == PLENTY[:100]
    assert [kind for kind, *_ in held.news if kind != SOCKET_DATA][-1] == SOCKET_CLOSE
    assert held.ends == [0]


def test_a_write_that_fails_is_reported_to_an_owner_that_had_stopped_reading(stage: Stage) -> None:
    held, peer = bring_to(stage, State.READ_STOPPED)
    reset(peer)
    stage.worker.send(WRITE, held.id, 0, [], errno.ECONNRESET)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.errors == [errno.ECONNRESET]
    assert held.ends == []
