"""A peer that resets the connection is reported exactly once, in any state, and never as a clean end."""

from __future__ import annotations

import errno
import select
import socket

import pytest

from skypy.core.tcp.state import State
from skypy.core.wire.socket_lane import (
    CLOSE,
    SHUTDOWN,
    SOCKET_CLOSE,
    SOCKET_DATA,
    SOCKET_ERROR,
    SOCKET_FORGET,
    SOCKET_HANGUP,
)
from tests.net.players import PLENTY
from tests.net.stage import Stage, await_kernel, reset
from tests.net.states import bring_to, paused

ENDED = (SOCKET_CLOSE, errno.ECONNRESET)
BROKE = (SOCKET_ERROR, errno.ECONNRESET)
FORGOTTEN = (SOCKET_FORGET,)


@pytest.mark.parametrize(
    ("state", "reported"),
    [
        (State.OPEN, [ENDED]),
        (State.FINISHING, [BROKE, ENDED]),
        (State.HALF_CLOSED_WRITE, [ENDED]),
        (State.WRITE_BROKEN, [ENDED]),  # the error was reported when the write failed
        (State.HALF_CLOSED_READ, [BROKE]),  # the end was reported when the peer finished
        (State.HALF_CLOSED_READ_FINISHING, [BROKE]),
        (State.READ_STOPPED, [BROKE]),  # the end was reported when the owner stopped
        (State.READ_STOPPED_FINISHING, [BROKE]),
    ],
)
def test_a_reset_in_any_state_is_reported_once_and_ends_the_connection(
    stage: Stage, state: State, reported: list[tuple[int, int]]
) -> None:
    held, peer = bring_to(stage, state)
    reset(peer)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    stage.settle()
    assert held.news == [*reported, FORGOTTEN]
    assert stage.state(held) is State.CLOSED
    assert stage.lines == []  # the owner was told


@pytest.mark.parametrize(
    ("state", "reported"),
    [(State.OPEN, [BROKE, ENDED]), (State.HALF_CLOSED_READ, [BROKE]), (State.READ_STOPPED, [BROKE])],
)
def test_a_reset_with_output_queued_is_met_by_the_write(
    stage: Stage, state: State, reported: list[tuple[int, int]]
) -> None:
    held, peer = bring_to(stage, state, unsent=True)
    reset(peer)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    stage.settle()
    assert held.news == [*reported, FORGOTTEN]


@pytest.mark.parametrize("state", [State.OPEN, State.HALF_CLOSED_WRITE, State.WRITE_BROKEN])
def test_bytes_before_a_reset_are_delivered_before_it_is_reported(stage: Stage, state: State) -> None:
    held, peer = bring_to(stage, state)
    peer.sendall(PLENTY[:1000])
    reset(peer)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.input == PLENTY[:1000]
    assert held.news[-3:] == [(SOCKET_DATA,), ENDED, FORGOTTEN]


@pytest.mark.parametrize("state", [State.OPEN, State.FINISHING])
def test_bytes_before_a_reset_are_delivered_also_when_a_write_has_met_it(stage: Stage, state: State) -> None:
    held, peer = bring_to(stage, state, unsent=True)
    peer.sendall(b"last words")
    reset(peer)
    await_kernel(held.duplicate, select.POLLHUP)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.news == [BROKE, (SOCKET_DATA,), ENDED, FORGOTTEN]
    assert held.input == b"last words"


def test_a_reset_behind_the_peers_own_end_is_noticed_without_a_write(stage: Stage) -> None:
    held, peer = bring_to(stage, State.HALF_CLOSED_READ)
    stage.settle()
    reset(peer)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.news == [BROKE, FORGOTTEN]


@pytest.mark.parametrize("state", [State.OPEN, State.FINISHING, State.HALF_CLOSED_WRITE, State.WRITE_BROKEN])
def test_a_paused_socket_whose_peer_resets_rests_until_its_owner_reads_on(stage: Stage, state: State) -> None:
    held, peer = paused(stage)
    if state is State.FINISHING:
        stage.worker.send_at_once(held.writing(PLENTY), (SHUTDOWN, held.id, "w"))
    elif state is State.HALF_CLOSED_WRITE:
        held.shutdown("w")
    elif state is State.WRITE_BROKEN:
        held.write(b"never sent", error=errno.EPIPE)
    stage.until_state(held, state)
    stage.settle()
    reset(peer)
    await_kernel(held.duplicate, select.POLLHUP)
    stage.settle()
    assert stage.ready == []
    assert held.ends == []
    held.credit()
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.input == b"b"
    assert held.ends == [errno.ECONNRESET]
    assert held.errors == ([errno.ECONNRESET] if state is not State.HALF_CLOSED_WRITE else [])


def test_a_paused_socket_whose_peer_resets_after_its_end_takes_no_more_output(stage: Stage) -> None:
    held, peer = paused(stage)
    peer.shutdown(socket.SHUT_WR)
    stage.until(lambda: (SOCKET_HANGUP,) in held.news, "SOCKET_HANGUP")
    stage.settle()
    assert stage.ready == []
    reset(peer)
    await_kernel(held.duplicate, select.POLLHUP)
    stage.settle()
    assert held.errors == [errno.ECONNRESET]
    held.credit()
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.input == b"b"
    assert held.ends == [errno.ECONNRESET]


def test_a_paused_socket_whose_peer_has_reset_can_be_closed(stage: Stage) -> None:
    held, peer = paused(stage)
    reset(peer)
    await_kernel(held.duplicate, select.POLLHUP)
    stage.settle()
    held.close()
    stage.until_state(held, State.CLOSED)
    assert held.news == [(SOCKET_HANGUP,), BROKE, FORGOTTEN]
    assert stage.lines == []


def test_a_paused_socket_whose_peer_has_reset_can_stop_reading(stage: Stage) -> None:
    held, peer = paused(stage)
    reset(peer)
    await_kernel(held.duplicate, select.POLLHUP)
    stage.settle()
    held.shutdown("r")
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.news == [(SOCKET_HANGUP,), BROKE, (SOCKET_CLOSE, 0), FORGOTTEN]


@pytest.mark.parametrize("error", [errno.EPIPE, errno.ECONNRESET])
def test_an_error_that_the_worker_met_is_reported_and_the_end_is_the_same_error(stage: Stage, error: int) -> None:
    held, peer = stage.pair()
    peer.sendall(b"readable")
    held.write(b"refused", error=error)
    stage.until(lambda: held.errors, "the error")
    assert held.errors == [errno.ECONNRESET]
    peer.close()  # in order; but the error was first
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.input == b"readable"
    assert held.ends == [errno.ECONNRESET]


def test_another_error_keeps_its_name(stage: Stage) -> None:
    held, peer = stage.pair()
    held.write(b"", error=errno.ETIMEDOUT)
    stage.until(lambda: held.errors, "the error")
    peer.close()
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.news == [(SOCKET_ERROR, errno.ETIMEDOUT), (SOCKET_CLOSE, errno.ETIMEDOUT), FORGOTTEN]


def test_the_first_error_is_the_one_that_counts(stage: Stage) -> None:
    held, peer = stage.pair()
    held.write(b"", error=errno.ETIMEDOUT)
    stage.until(lambda: held.errors, "the error")
    reset(peer)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.ends == [errno.ETIMEDOUT]


@pytest.mark.parametrize("state", [State.HALF_CLOSED_READ, State.READ_STOPPED])
def test_an_error_that_the_worker_met_on_a_socket_that_is_not_read_ends_it(stage: Stage, state: State) -> None:
    held, _ = bring_to(stage, state)
    held.write(b"refused", error=errno.EPIPE)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.news == [BROKE, FORGOTTEN]


def test_a_worker_whose_own_write_meets_the_reset_first_hears_of_it_once(stage: Stage) -> None:
    held, peer = paused(stage)
    peer.sendall(b" - the last words")
    reset(peer)
    await_kernel(held.duplicate, select.POLLHUP)
    with pytest.raises(OSError, match="reset") as met:  # the kernel tells it once, to the first call
        held.duplicate.send(b"answer")
    held.write(b"answer", error=met.value.errno or 0)
    held.credit()
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.input == b"b - the last words"
    assert (held.errors, held.ends) == ([errno.ECONNRESET], [errno.ECONNRESET])


def test_a_broken_socket_takes_no_more_output_and_may_be_finished(stage: Stage) -> None:
    held, peer = bring_to(stage, State.WRITE_BROKEN)
    held.write(b"crossed the error")
    held.shutdown("w")
    stage.settle()
    assert stage.state(held) is State.WRITE_BROKEN
    assert held.news == []
    held.close()
    assert stage.read_to_end(peer) == (b"", 0)


@pytest.mark.parametrize(
    ("state", "last", "reported"),
    [
        (State.OPEN, (SHUTDOWN, "w"), [ENDED, FORGOTTEN]),
        (State.READ_STOPPED, (SHUTDOWN, "w"), [BROKE, FORGOTTEN]),
        (State.OPEN, (CLOSE,), [FORGOTTEN]),
    ],
)
def test_a_reset_in_the_turn_of_the_last_write_is_met_by_reading(
    stage: Stage, state: State, last: tuple[int, ...], reported: list[tuple[int, ...]]
) -> None:
    held, peer = bring_to(stage, state)
    kind, *how = last
    stage.worker.send_at_once(held.writing(b"too late"), (kind, held.id, *how))
    reset(peer)
    await_kernel(held.duplicate, select.POLLHUP)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    stage.settle()
    assert held.news == reported
    lost = f"[:01000008] socket: error on {held.id} Connection reset by peer"
    assert stage.lines == ([lost] if kind == CLOSE else [])
