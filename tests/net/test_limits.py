"""A limit of the owner that is passed, an abort, and a half-closed connection that is not written to."""

from __future__ import annotations

import errno
import time

import pytest

from skypy.core.close_reason import CloseReason
from skypy.core.tcp.state import DELIVERING, State
from skypy.core.wire.socket_lane import (
    ABORT,
    BREAK,
    SOCKET_CLOSE,
    SOCKET_ERROR,
    SOCKET_FORGET,
    SOCKET_REFUSE_HALF_CLOSE,
)
from skypy.net.deadlines import AnswerDeadline
from tests.net.players import CREDIT_FOR_ALL, PLENTY, Held
from tests.net.stage import Stage
from tests.net.states import bring_to


def counted(stage: Stage) -> dict[str, int]:
    return {str(reason): count for reason, count in stage.service.closed.items()}


@pytest.mark.parametrize(
    "state",
    [
        State.OPEN,
        State.FINISHING,
        State.HALF_CLOSED_WRITE,
        State.WRITE_BROKEN,
        State.HALF_CLOSED_READ,
        State.HALF_CLOSED_READ_FINISHING,
        State.READ_STOPPED,
    ],
)
def test_a_limit_that_is_passed_resets_the_connection_and_the_owner_hears_why(stage: Stage, state: State) -> None:
    held, peer = bring_to(stage, state)
    held.send(BREAK, errno.ENOBUFS, CloseReason.WRITE_LIMIT)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    report, forget = held.reports
    error = errno.ECONNRESET if state is State.WRITE_BROKEN else errno.ENOBUFS  # the first that was met
    kind = SOCKET_CLOSE if state in DELIVERING else SOCKET_ERROR
    assert report == [kind, held.id, error, "write_limit"]
    assert forget[0] == SOCKET_FORGET
    assert stage.read_to_end(peer)[1] == errno.ECONNRESET or state in (State.HALF_CLOSED_WRITE, State.WRITE_BROKEN)
    assert counted(stage) == {"write_limit": 1}


@pytest.mark.parametrize("state", [State.OPEN, State.HALF_CLOSED_READ, State.READ_STOPPED])
def test_an_abort_is_a_reset_also_when_nothing_is_unsent(stage: Stage, state: State) -> None:
    held, peer = bring_to(stage, state)
    held.send(ABORT, True, CloseReason.ABORTED)
    assert stage.read_to_end(peer) == (b"", errno.ECONNRESET)
    assert held.news == [(SOCKET_FORGET,)]
    assert counted(stage) == {"aborted": 1}


def test_an_abort_behind_our_fin_is_a_reset_for_a_peer_that_goes_on_sending(stage: Stage) -> None:
    held, peer = bring_to(stage, State.HALF_CLOSED_WRITE)
    held.send(ABORT, True, CloseReason.ABORTED)
    stage.until_state(held, State.CLOSED)

    def refused() -> bool:
        try:
            peer.send(b"more")
        except OSError:
            return True
        return False

    stage.until(refused, "the reset")


def half_close_timeout_line(held: Held) -> str:
    return (
        f"[:01000008] socket: {held.id} was finished by its peer and nothing was written for "
        "half_close_timeout (0.05 s): closed"
    )


@pytest.mark.parametrize("state", [State.HALF_CLOSED_READ, State.READ_STOPPED])
def test_a_half_closed_connection_that_its_owner_neglects_is_closed_with_a_line(stage: Stage, state: State) -> None:
    stage.patience(half_close_timeout=0.05)
    held, peer = bring_to(stage, State.OPEN)
    if state is State.READ_STOPPED:
        held.shutdown("r")
    peer.shutdown(1)
    assert stage.read_to_end(peer) == (b"", 0)
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    assert held.reports[-1] == [SOCKET_FORGET, held.id, "half_close_timeout"]
    assert stage.lines == [half_close_timeout_line(held)]
    assert counted(stage) == {"half_close_timeout": 1}


def test_a_half_closed_connection_that_is_written_to_is_kept(stage: Stage) -> None:
    held, _ = bring_to(stage, State.HALF_CLOSED_READ)
    held.write_directly(b"another part of a long answer\n")
    connected = stage.service._sockets[held.id]
    deadline = AnswerDeadline(connected._shared, connected._call_at, connected.socket, connected._run_out_of_time)
    deadline.look(time.monotonic())  # as when the time is over
    assert stage.state(held) is State.HALF_CLOSED_READ
    assert stage.lines == []


@pytest.mark.parametrize("state", [State.HALF_CLOSED_READ, State.HALF_CLOSED_READ_FINISHING])
def test_a_peer_that_has_finished_and_reads_nothing_is_reset_in_the_end(stage: Stage, state: State) -> None:
    stage.patience(half_close_timeout=0.2, flush_timeout=0.2)
    held, peer = bring_to(stage, State.HALF_CLOSED_READ)
    held.write(PLENTY)
    if state is State.HALF_CLOSED_READ_FINISHING:
        held.shutdown("w")
    stage.until(lambda: held.forgotten, "SOCKET_FORGET")
    reason = "half_close_timeout" if state is State.HALF_CLOSED_READ else "flush_timeout"
    assert [one for one in held.reports if one[0] == SOCKET_ERROR] == [[SOCKET_ERROR, held.id, errno.ETIMEDOUT, reason]]
    assert stage.read_to_end(peer)[1] == errno.ECONNRESET


def test_an_owner_that_wants_no_half_closed_connections_is_told_to_finish(stage: Stage) -> None:
    listener = stage.worker.listen(credit=CREDIT_FOR_ALL, half_close=False)
    held, peer = stage.pair(listener=listener)
    peer.sendall(b"all of it")
    peer.shutdown(1)
    stage.until(lambda: held.ends, "the end")
    assert held.input == b"all of it"
    assert [one[0] for one in held.reports][-2:] == [SOCKET_REFUSE_HALF_CLOSE, SOCKET_CLOSE]
