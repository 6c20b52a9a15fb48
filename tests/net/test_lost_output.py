"""A closed socket that loses bytes has no owner any more: the socket service logs one line, or none."""

from __future__ import annotations

import errno
import os
import select
import socket

import pytest

from skypy.core.tcp.state import State
from skypy.core.wire.socket_lane import CLOSE, CREDIT, SHUTDOWN, SOCKET_FORGET
from tests.net.players import CREDIT_FOR_ALL, Held
from tests.net.stage import Stage, await_kernel, reset, unacknowledged
from tests.net.states import bring_to, paused


def line(held: Held) -> str:
    return f"[:01000008] socket: error on {held.id} Connection reset by peer"


@pytest.mark.parametrize("state", [State.CLOSING, State.CLOSING_HALF_CLOSED])
def test_a_reset_before_everything_was_handed_to_the_kernel_is_logged(stage: Stage, state: State) -> None:
    held, peer = bring_to(stage, state)
    reset(peer)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    stage.settle()
    assert stage.lines == [line(held)]
    assert held.news == [(SOCKET_FORGET,)]
    assert stage.state(held) is State.CLOSED


@pytest.mark.parametrize("finished", [False, True])
def test_a_reset_before_everything_was_acknowledged_is_logged(stage: Stage, finished: bool) -> None:
    held, peer = stage.pair()
    held.fill()
    if finished:
        held.shutdown("w")
        stage.until_state(held, State.HALF_CLOSED_WRITE)
    held.close()
    stage.until_state(held, State.LINGERING)
    reset(peer)
    stage.until_state(held, State.CLOSED)
    assert stage.lines == [line(held)]
    assert held.news == [(SOCKET_FORGET,)]


def test_a_reset_after_everything_was_acknowledged_is_no_loss(stage: Stage) -> None:
    held, peer = stage.pair()
    held.write_directly(b"all of it")
    with socket.socket(fileno=os.dup(held.duplicate.fileno())) as copy:
        held.close()
        assert stage.read_to_end(peer) == (b"all of it", 0)
        stage.until(lambda: not unacknowledged(copy), "the acknowledgement")
        reset(peer)
        stage.until_state(held, State.CLOSED)
    assert stage.lines == []


def test_a_reset_that_had_come_before_the_close_is_told_to_the_owner_and_not_logged_again(stage: Stage) -> None:
    held, peer = paused(stage)
    held.fill()
    reset(peer)
    await_kernel(held.duplicate, select.POLLHUP)
    stage.settle()
    assert held.errors == [errno.ECONNRESET]
    held.close()
    stage.until_state(held, State.CLOSED)
    assert stage.lines == []


def test_a_reset_in_the_turn_of_the_close_is_logged_also_after_the_peers_end(stage: Stage) -> None:
    held, peer = bring_to(stage, State.HALF_CLOSED_READ)
    held.fill()
    held.send(CLOSE)
    reset(peer)
    await_kernel(held.duplicate, select.POLLHUP)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    stage.settle()
    assert stage.lines == [line(held)]
    assert held.news == [(SOCKET_FORGET,)]


def test_a_socket_that_no_actor_had_started_is_logged_without_an_owner(stage: Stage) -> None:
    held, peer = stage.pair(credit=0)
    held.fill()
    held.write(b"more")
    held.close()
    stage.until_state(held, State.CLOSING)
    reset(peer)
    stage.until_state(held, State.CLOSED)
    assert stage.lines == [f"[:00000000] socket: error on {held.id} Connection reset by peer"]


def test_the_last_owner_is_named(stage: Stage) -> None:
    held, peer = stage.pair()
    held.credit(owner=0x0200000A)
    held.send(CREDIT, CREDIT_FOR_ALL)  # later credits do not name the owner again
    held.fill()
    held.write(b"more")
    held.close()
    stage.until_state(held, State.CLOSING)
    reset(peer)
    stage.until_state(held, State.CLOSED)
    assert stage.lines == [f"[:0200000a] socket: error on {held.id} Connection reset by peer"]


def test_output_that_the_owner_itself_has_dropped_is_not_logged(stage: Stage) -> None:
    held, peer = bring_to(stage, State.OPEN, unsent=True)
    held.abort()
    assert stage.read_to_end(peer)[1] == errno.ECONNRESET
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert stage.lines == []


def test_of_a_worker_that_has_died_the_lost_output_is_logged(stage: Stage) -> None:
    worker = stage.add_worker()
    held, peer = stage.pair(worker)
    held.fill()
    worker.send_at_once(held.writing(b"more"), (SHUTDOWN, held.id, "w"))
    stage.settle()
    worker.die()
    stage.until_state(held, State.CLOSING)
    reset(peer)
    stage.until_state(held, State.CLOSED)
    assert stage.lines == [line(held)]
