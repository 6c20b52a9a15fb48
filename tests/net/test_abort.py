"""ABORT ends a connection now: by a reset if bytes are missing, else without one."""

from __future__ import annotations

import errno
import socket

import pytest

from skypy.core.tcp.state import State
from skypy.core.wire.socket_lane import SOCKET_FORGET
from tests.net.players import PLENTY
from tests.net.stage import Stage, await_kernel
from tests.net.states import bring_to

WITH_UNSENT = [State.FINISHING, State.HALF_CLOSED_READ_FINISHING, State.READ_STOPPED_FINISHING]
WITHOUT = [State.OPEN, State.HALF_CLOSED_READ, State.READ_STOPPED]


@pytest.mark.parametrize("state", WITH_UNSENT + WITHOUT)
def test_an_abort_with_bytes_unsent_is_a_reset(stage: Stage, state: State) -> None:
    held, peer = bring_to(stage, state, unsent=True)
    held.abort()
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert stage.state(held) is State.CLOSED
    data, end = stage.read_to_end(peer)
    assert end == errno.ECONNRESET
    assert PLENTY.startswith(data)
    assert len(data) < len(PLENTY)
    assert held.news == [(SOCKET_FORGET,)]
    assert stage.lines == []


@pytest.mark.parametrize("state", [*WITHOUT, State.HALF_CLOSED_WRITE])
def test_an_abort_with_nothing_unsent_is_no_reset(stage: Stage, state: State) -> None:
    held, peer = bring_to(stage, state)
    if state is not State.HALF_CLOSED_WRITE:
        held.write_directly(b"delivered")
    held.abort()
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert stage.state(held) is State.CLOSED
    assert stage.read_to_end(peer) == (b"delivered"[: held.out], 0)
    assert held.news == [(SOCKET_FORGET,)]


@pytest.mark.parametrize("dropped", [False, True])
def test_an_abort_of_a_broken_socket_lets_go_of_it(stage: Stage, dropped: bool) -> None:
    held, _ = bring_to(stage, State.WRITE_BROKEN)
    held.abort(dropped=dropped)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.news == [(SOCKET_FORGET,)]
    assert stage.state(held) is State.CLOSED
    assert stage.lines == []


@pytest.mark.parametrize("state", WITHOUT)
def test_an_abort_for_which_the_worker_dropped_bytes_is_a_reset(stage: Stage, state: State) -> None:
    held, peer = bring_to(stage, state)
    held.write_directly(b"some of it")
    held.abort(dropped=True)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert stage.read_to_end(peer)[1] == errno.ECONNRESET
    assert held.news == [(SOCKET_FORGET,)]


def test_after_an_abort_the_peer_cannot_be_answered_any_more(stage: Stage) -> None:
    held, peer = stage.pair()
    held.abort()
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert stage.read_to_end(peer) == (b"", 0)
    peer.send(b"anybody there?")
    await_kernel(peer, 0)
    assert peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in (errno.EPIPE, errno.ECONNRESET)
