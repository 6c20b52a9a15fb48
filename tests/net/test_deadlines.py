"""Closed sockets do not take for ever: the deadlines of a flush and of lingering."""

from __future__ import annotations

import errno
import socket
import time

import pytest

from skypy.core.tcp.state import State
from skypy.core.wire.socket_lane import CLOSE, SHUTDOWN, SOCKET_FORGET
from tests.net.players import PLENTY, Held
from tests.net.stage import Stage, await_kernel
from tests.net.states import OWNED, bring_to


def lost(held: Held) -> str:
    return f"[:01000008] socket: error on {held.id} not delivered in time"


def let_pass(stage: Stage, seconds: float) -> None:
    """Keep the socket service turning for a while."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        stage.turn(left)


def test_a_peer_that_never_ends_is_cut_off_after_the_linger_time(stage: Stage) -> None:
    stage.patience(linger=0.05)
    held, peer = stage.pair()
    held.write(b"all of it")
    held.close()
    assert stage.read_to_end(peer) == (b"all of it", 0)
    stage.until_state(held, State.CLOSED)
    await_kernel(peer, 0)  # the reset
    assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in (errno.EPIPE, errno.ECONNRESET)
    assert stage.lines == []
    assert held.news == [(SOCKET_FORGET,)]


def test_a_peer_that_goes_on_sending_is_cut_off_as_well(stage: Stage) -> None:
    stage.patience(linger=0.05)
    held, peer = bring_to(stage, State.LINGERING)

    def talk() -> bool:
        try:
            peer.send(b"more")
        except OSError:
            return True
        return False

    stage.until(talk, "the reset")
    assert stage.state(held) is State.CLOSED
    assert stage.lines == []


@pytest.mark.parametrize("state", [state for state in OWNED if state is not State.HALF_CLOSED_WRITE])
def test_a_peer_that_reads_nothing_is_reset_after_the_flush_time_and_a_line_says_so(stage: Stage, state: State) -> None:
    stage.patience(flush_timeout=0.05)
    held, peer = bring_to(stage, state, unsent=True)
    held.close()
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert stage.state(held) is State.CLOSED
    data, end = stage.read_to_end(peer)
    assert (PLENTY.startswith(data), end) == (True, errno.ECONNRESET)
    assert len(data) < len(PLENTY)
    stage.settle()
    assert stage.lines == [lost(held)]
    assert held.news == [(SOCKET_FORGET,)]


@pytest.mark.parametrize("finished", [False, True])
def test_output_that_only_the_kernel_still_had_is_reset_and_logged_as_well(stage: Stage, finished: bool) -> None:
    stage.patience(flush_timeout=0.05)
    held, peer = stage.pair()
    held.fill()
    if finished:
        held.shutdown("w")
        stage.until_state(held, State.HALF_CLOSED_WRITE)
    held.close()
    stage.until_state(held, State.LINGERING)
    stage.until_state(held, State.CLOSED)
    assert stage.read_to_end(peer)[1] == errno.ECONNRESET
    assert stage.lines == [lost(held)]


@pytest.mark.parametrize(
    ("state", "last"),
    [
        (State.OPEN, (CLOSE,)),
        (State.HALF_CLOSED_WRITE, (CLOSE,)),
        (State.HALF_CLOSED_WRITE, (SHUTDOWN, "r")),
        (State.READ_STOPPED, (CLOSE,)),
        (State.READ_STOPPED, (SHUTDOWN, "w")),
        (State.READ_STOPPED_FINISHING, ()),
        (State.CLOSING, ()),
    ],
)
def test_lingering_ends_whatever_led_to_it(
    stage: Stage, state: State, last: tuple[int, str] | tuple[int] | tuple[()]
) -> None:
    stage.patience(linger=0.05)
    held, peer = bring_to(stage, state)
    if last:
        held.send(*last)
    assert stage.read_to_end(peer) == (PLENTY[: held.out], 0)
    stage.until_state(held, State.CLOSED)
    await_kernel(peer, 0)  # the reset
    assert stage.lines == []


@pytest.mark.parametrize("state", [State.CLOSING, State.CLOSING_HALF_CLOSED, State.LINGERING])
def test_a_forced_end_resets_what_is_being_closed_and_says_what_was_lost(stage: Stage, state: State) -> None:
    held, peer = bring_to(stage, state)
    friend, friends_peer = stage.pair()
    stage.service.end_by_force()
    assert stage.state(held) is State.CLOSED
    assert stage.lines == ([lost(held)] if held.out else [])
    stage.turn()
    await_kernel(peer, 0)
    stage.echo(friend, friends_peer)  # it is not being closed


def test_a_peer_that_reads_slowly_but_reads_is_never_cut_off(stage: Stage) -> None:
    stage.patience(flush_timeout=0.2, linger=0.2)
    held, peer = bring_to(stage, State.CLOSING)
    received = b""
    while len(received) < len(PLENTY):
        received += stage.read(peer, min(20000, len(PLENTY) - len(received)))
        let_pass(stage, 0.02)  # more than twice the flush time in all
    assert received == PLENTY
    assert stage.read_to_end(peer) == (b"", 0)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert stage.lines == []


@pytest.mark.parametrize("state", [State.OPEN, State.HALF_CLOSED_READ])
def test_a_short_linger_time_does_not_cut_off_a_flush(stage: Stage, state: State) -> None:
    stage.patience(linger=0.05)
    held, peer = bring_to(stage, state)
    stage.worker.send_at_once(held.writing(PLENTY), (CLOSE, held.id))
    let_pass(stage, 0.2)
    assert stage.read_to_end(peer) == (PLENTY, 0)


def test_a_short_linger_time_does_not_cut_off_what_the_kernel_is_still_delivering(stage: Stage) -> None:
    stage.patience(linger=0.05)
    held, peer = stage.pair()
    held.fill()
    held.close()
    stage.until_state(held, State.LINGERING)
    let_pass(stage, 0.2)
    data, end = stage.read_to_end(peer)
    assert (len(data), end) == (held.out, 0)


def test_output_of_a_socket_that_is_not_closed_has_no_deadline(stage: Stage) -> None:
    stage.patience(linger=0.05, flush_timeout=0.05)
    held, peer = bring_to(stage, State.FINISHING)
    let_pass(stage, 0.2)
    assert stage.read_to_end(peer) == (PLENTY, 0)
    assert not held.forgotten


def test_a_shorter_linger_time_holds_for_those_that_linger_already(stage: Stage) -> None:
    stage.patience(linger=1000)
    held, peer = bring_to(stage, State.LINGERING)
    stage.patience(linger=0.05)  # as when the node stops
    stage.until_state(held, State.CLOSED)
    await_kernel(peer, 0)


def test_the_linger_time_begins_when_everything_was_delivered(stage: Stage) -> None:
    stage.patience(linger=0.05)
    held, peer = bring_to(stage, State.CLOSING)
    let_pass(stage, 0.2)
    assert stage.read_to_end(peer) == (PLENTY, 0)
    stage.until_state(held, State.CLOSED)
    assert stage.lines == []
