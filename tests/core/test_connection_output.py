"""The socket service's end of a connection: output that the worker hands over, reports of progress, and ends."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from skypy.core.close_reason import CloseReason
from skypy.core.errors import InternalError
from skypy.core.tcp.connection import SENT_STEP
from skypy.core.tcp.state import OWNED, WRITABLE, Effect, State
from skypy.core.wire.socket_lane import (
    HALF_SENT,
    HIGH,
    LOW,
    SOCKET_CLOSE,
    SOCKET_ERROR,
    SOCKET_FORGET,
    SOCKET_SENT,
    Message,
)
from tests.core.ends import ID, connection

# -- output --


def test_forwarded_output_is_sent_half_sent_first_then_high_then_low() -> None:
    made, _ = connection()
    assert made.write(10, [(HALF_SENT, b"rest"), (HIGH, b"high"), (LOW, b"low")], 0) == ()
    made.write(21, [(LOW, b"low 2"), (HIGH, b"high 2")], 0)
    assert b"".join(made.queue.first(10)) == b"resthighhigh 2lowlow 2"


def test_output_continues_where_the_worker_stopped_writing_itself() -> None:
    made, heard = connection()
    made.write(1000, [(HIGH, b"abc")], 0)
    made.wrote(3)
    assert heard == [(SOCKET_SENT, ID, 1003)]


@pytest.mark.parametrize("position", [102, 104])
def test_a_position_that_is_not_where_the_queue_ends_is_a_bug(position: int) -> None:
    made, _ = connection()
    made.write(100, [(HIGH, b"abc")], 0)
    with pytest.raises(InternalError, match=f"{ID}.* {position}.* 103"):
        made.write(position, [(HIGH, b"d")], 0)
    assert made.queue.size == 3


def test_a_position_counts_what_has_been_sent_since() -> None:
    made, _ = connection()
    made.write(100, [(HIGH, b"abc")], 0)
    made.wrote(2)
    made.write(103, [(HIGH, b"d")], 0)
    assert made.queue.size == 2


def test_an_errno_that_the_worker_met_breaks_the_write_half_here() -> None:
    made, heard = connection(queued=b"before")
    assert made.write(6, [(HIGH, b"behind")], errno.ECONNRESET) == ()
    assert heard == [(SOCKET_ERROR, ID, errno.ECONNRESET)]
    assert made.queue.size == 0
    made.end_of_input()
    assert heard[1] == (SOCKET_CLOSE, ID, errno.ECONNRESET)


@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_output_is_taken_only_while_the_write_half_is_open(state: State) -> None:
    made, heard = connection(state)
    assert made.write(0, [(HIGH, b"abc")], 0) == ()
    assert (made.queue.size == 3) == (state in WRITABLE)
    assert (made.state, heard) == (state, [])


def test_output_that_crossed_an_error_is_dropped_whatever_its_position_and_errno() -> None:
    made, heard = connection(queued=b"abc")
    made.write_failed(errno.ECONNRESET)
    assert made.write(12345, [(HIGH, b"d")], errno.EPIPE) == ()
    assert heard.kinds() == [SOCKET_ERROR]
    assert not made.queue.size


# -- SOCKET_SENT --


def test_progress_is_told_when_the_queue_falls_below_a_multiple_of_the_step() -> None:
    made, heard = connection(queued=bytes(2 * SENT_STEP + 2))
    made.wrote(1)
    made.wrote(1)
    assert heard == []  # exactly two steps are left
    made.wrote(1)
    assert heard == [(SOCKET_SENT, ID, 3)]
    made.wrote(SENT_STEP - 1)
    assert len(heard) == 1  # exactly one step is left
    made.wrote(1)
    assert heard[1:] == [(SOCKET_SENT, ID, SENT_STEP + 3)]
    assert SENT_STEP == 65536


def test_an_empty_queue_is_always_told_once() -> None:
    made, heard = connection(queued=b"abc")
    made.wrote(2)
    assert heard == []
    made.wrote(1)
    assert heard == [(SOCKET_SENT, ID, 3)]


def test_an_owner_that_finishes_hears_that_everything_is_sent_before_it_must_forget() -> None:
    made, heard = connection(queued=b"abc")
    made.end_of_input()
    assert made.shutdown("w") == (Effect.AWAIT_FLUSH,)
    assert made.wrote(3) == (Effect.SEND_FIN, Effect.FREE)
    assert heard == [(SOCKET_CLOSE, ID, 0), (SOCKET_SENT, ID, 3), (SOCKET_FORGET, ID)]


def test_the_progress_of_a_closed_connection_is_not_reported() -> None:
    made, heard = connection(queued=bytes(SENT_STEP + 1))
    assert made.close() == (Effect.AWAIT_FLUSH,)
    assert made.wrote(2) == ()
    assert made.wrote(SENT_STEP - 1) == (Effect.SEND_FIN, Effect.AWAIT_END)
    assert heard == [(SOCKET_FORGET, ID)]


# -- requests are resolved by what is unsent --


@pytest.mark.parametrize(
    ("request_", "queued", "effects", "reports", "state"),
    [
        ("finish", b"", (Effect.SEND_FIN,), [], State.HALF_CLOSED_WRITE),
        ("finish", b"abc", (), [], State.FINISHING),
        ("stop reading", b"", (), [(SOCKET_CLOSE, ID, 0)], State.READ_STOPPED),
        ("stop reading", b"abc", (), [(SOCKET_CLOSE, ID, 0)], State.READ_STOPPED),
        ("close", b"", (Effect.SEND_FIN, Effect.AWAIT_END), [(SOCKET_FORGET, ID)], State.LINGERING),
        ("close", b"abc", (Effect.AWAIT_FLUSH,), [], State.CLOSING),
        ("abort", b"", (Effect.SEND_FIN, Effect.FREE), [(SOCKET_FORGET, ID)], State.CLOSED),
        ("abort", b"abc", (Effect.FORCE_RESET, Effect.FREE), [(SOCKET_FORGET, ID)], State.CLOSED),
    ],
)
def test_a_request_means_what_the_queue_makes_of_it(
    request_: str, queued: bytes, effects: tuple[Effect, ...], reports: list[Message], state: State
) -> None:
    made, heard = connection(queued=queued)
    requests: dict[str, Callable[[], tuple[Effect, ...]]] = {"close": made.close, "abort": made.abort}
    requests |= {"finish": lambda: made.shutdown("w"), "stop reading": lambda: made.shutdown("r")}
    assert requests[request_]() == effects
    assert heard == reports
    assert made.state is state


@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_a_connection_is_owned_until_it_was_closed(state: State) -> None:
    made, _ = connection(state)
    closed = {State.CLOSING, State.CLOSING_HALF_CLOSED, State.LINGERING, State.CUT_OFF, State.CLOSED}
    assert (made.state in OWNED) == (state not in closed)


def test_unsent_bytes_of_a_closed_connection_are_given_up_at_the_deadline() -> None:
    made, heard = connection(queued=b"abc")
    made.close()
    assert made.deadline_passed() == (Effect.LOG_LOST, Effect.FORCE_RESET, Effect.FREE)
    assert heard == [(SOCKET_FORGET, ID)]


@pytest.mark.parametrize("undelivered", [True, False])
def test_a_peer_that_never_finishes_is_reset_and_a_loss_if_it_has_not_acknowledged_everything(
    undelivered: bool,
) -> None:
    made, _ = connection()
    made.close()
    lost = (Effect.LOG_LOST,) if undelivered else ()
    assert made.deadline_passed(undelivered=undelivered) == (*lost, Effect.FORCE_RESET, Effect.FREE)


def test_queued_output_counts_as_undelivered() -> None:
    made, _ = connection(queued=b"abc")
    made.close()
    assert made.deadline_passed(undelivered=True)[0] is Effect.LOG_LOST


def test_an_abort_whose_bytes_the_worker_dropped_is_a_reset() -> None:
    made, heard = connection()
    assert made.abort(by_reset=True) == (Effect.FORCE_RESET, Effect.FREE)
    assert heard == [(SOCKET_FORGET, ID)]


# -- outside of the table --


def test_a_connection_that_collapses_tells_its_owner_and_drops_everything() -> None:
    made, heard = connection(queued=b"abc")
    made.collapse(errno.EIO)
    assert heard == [(SOCKET_CLOSE, ID, errno.EIO, CloseReason.INTERNAL_ERROR), (SOCKET_FORGET, ID)]
    assert (made.state, made.queue.size, made.wants_read) == (State.CLOSED, 0, False)


def test_a_connection_that_collapses_behind_its_forget_does_so_in_silence() -> None:
    made, heard = connection()
    made.close()
    heard.clear()
    made.collapse(errno.EIO)
    assert (made.state, heard) == (State.CLOSED, [])
