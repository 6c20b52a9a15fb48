"""LEND and RETURN: at any time one side reads, the socket service or the owner's worker."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest

from skypy.core.close_reason import CloseReason
from skypy.core.errors import InternalError
from skypy.core.tcp.connection import LEND_AFTER, Connection
from skypy.core.tcp.lease import Lease, LeaseState
from skypy.core.tcp.read_half import ReadState
from skypy.core.tcp.state import State
from skypy.core.wire.socket_lane import (
    ABORT,
    BREAK,
    CLOSE,
    CREDIT,
    RETURN,
    SHUTDOWN,
    SOCKET_CLOSE,
    SOCKET_ERROR,
    SOCKET_LEND,
    YIELD,
)
from tests.core.ends import DESCRIPTOR, ID, Heard, OneWorker, connection, lent_lease, started_lease

pytestmark = pytest.mark.interpreted

# -- the socket service's end --


def lent_connection(state: State = State.OPEN, *, limit: int = 1000) -> tuple[Connection, Heard]:
    made, heard = connection(state, limit=limit)
    made.read_half.lend(made.worker)
    heard.clear()
    return made, heard


def deliver(made: Connection, times: int) -> None:
    for _ in range(times):
        made.received(1)
        made.read_half.deliver(made.worker, b"x")


def test_a_connection_that_is_heard_of_again_is_busy() -> None:
    made, _ = connection()
    deliver(made, LEND_AFTER - 1)
    assert not made.read_half.busy
    deliver(made, 1)
    assert made.read_half.busy


def test_a_connection_whose_owner_has_enough_is_not_lent() -> None:
    made, _ = connection(limit=LEND_AFTER)
    deliver(made, LEND_AFTER)
    assert not made.read_half.busy


def test_every_return_makes_it_stay_on_the_lane_for_twice_as_long() -> None:
    made, _ = lent_connection()
    made.returned(0, 1000, 0)
    deliver(made, 2 * LEND_AFTER - 1)
    assert not made.read_half.busy
    deliver(made, 1)
    assert made.read_half.busy


def test_while_it_is_lent_the_service_reads_nothing_and_looks_for_no_end() -> None:
    made, _ = lent_connection()
    assert not made.wants_read
    assert not made.may_meet_end


def test_a_returned_connection_is_read_from_where_the_worker_is() -> None:
    made, heard = lent_connection()
    made.returned(600, 700, 0)
    assert (made.read_half.read, made.read_half.limit, made.wants_read) == (600, 1000, True)
    assert heard == []


def test_an_end_behind_an_errno_that_the_worker_has_met_is_that_error() -> None:
    made, heard = lent_connection()
    made.returned(0, 1000, errno.ECONNRESET)
    made.end_of_input()
    assert (SOCKET_CLOSE, ID, errno.ECONNRESET) in heard


def test_an_errno_that_the_worker_has_met_breaks_the_write_half_at_once() -> None:
    made, heard = lent_connection()
    assert made.returned(0, 1000, errno.ECONNRESET) == ()
    assert (made.state, heard) == (State.WRITE_BROKEN, [(SOCKET_ERROR, ID, errno.ECONNRESET)])


def test_a_worker_that_has_read_less_than_it_was_given_is_a_bug() -> None:
    made, _ = connection()
    deliver(made, 5)
    made.read_half.lend(made.worker)
    with pytest.raises(InternalError, match="RETURN at 4, read up to 5"):
        made.returned(4, 1000, 0)


def test_a_return_that_crossed_a_shutdown_of_the_read_half_changes_nothing() -> None:
    made, _ = lent_connection()
    made.shutdown("r")
    made.received(50)
    made.returned(0, 1000, 0)
    assert (made.read_half.read, made.wants_read) == (50, True)


def test_when_the_owners_worker_has_died_the_rest_is_discarded() -> None:
    made, _ = lent_connection()
    made.close(CloseReason.WORKER_DIED)
    assert (made.state, made.wants_read) == (State.LINGERING, True)


def test_a_recalled_connection_is_returned_before_it_is_yielded() -> None:
    made, _ = lent_connection()
    taker = OneWorker(lambda message: None)
    made.take_over(taker)
    made.returned(30, 1000, 0)
    assert not made.wants_read
    handed_over = made.yielded(b"", 0, "open", 0, True)
    assert handed_over is not None
    assert handed_over[3] == 30


def test_an_errno_that_was_not_reported_does_not_come_with_the_hand_over() -> None:
    made, _ = lent_connection(State.HALF_CLOSED_WRITE)
    made.take_over(OneWorker(lambda message: None))
    made.returned(0, 1000, errno.ECONNRESET)
    handed_over = made.yielded(b"", 0, "open", 0, True)
    assert handed_over is not None
    assert handed_over[7] == 0


# -- the worker's end --


def test_a_lease_reads_without_a_word() -> None:
    made, heard = lent_lease()
    assert (made.read_half.state, heard) == (ReadState.LENT, [])


def test_a_lease_without_a_descriptor_returns_the_reading_at_once() -> None:
    made, heard = started_lease(descriptor=None)
    assert not made.lent()
    assert (made.read_half.state, heard) == (ReadState.OPEN, [(RETURN, ID, 0, 100, 0)])


def test_when_the_actor_has_enough_the_reading_is_returned_at_once() -> None:
    made, heard = started_lease()
    made.read_half.received(bytes(100))
    assert not made.lent()
    assert heard == [(RETURN, ID, 100, 100, 0)]


def test_input_is_counted_and_buffered_while_the_worker_reads() -> None:
    made, heard = lent_lease(window=100)
    for size in (60, 40):
        made.read_half.received(bytes(size))
    assert (made.read_half.read, made.read_half.buffer.size, heard) == (100, 100, [])


def test_credit_is_a_matter_of_the_worker_while_it_reads() -> None:
    made, heard = lent_lease(window=100)
    made.read_half.received(bytes(100))
    made.read_half.buffer.read(80)
    made.want()
    assert (made.read_half.limit, heard) == (180, [])


def test_the_end_of_input_is_left_to_the_socket_service() -> None:
    made, heard = lent_lease()
    made.end_of_input()
    assert (made.read_half.state, heard) == (ReadState.OPEN, [(RETURN, ID, 0, 100, 0)])


def test_an_errno_goes_along() -> None:
    made, heard = lent_lease()
    made.end_of_input(errno.ECONNRESET)
    assert heard == [(RETURN, ID, 0, 100, errno.ECONNRESET)]


def test_an_end_that_crosses_the_errno_is_that_error() -> None:
    made, _ = lent_lease()
    made.end_of_input(errno.ECONNRESET)
    made.closed(0)
    assert (made.read_half.state, made.error) == (ReadState.BROKEN, errno.ECONNRESET)


def test_input_is_credited_over_the_lane_again_once_the_reading_is_returned() -> None:
    made, heard = lent_lease(window=100)
    made.read_half.received(bytes(100))
    made.give_back()
    made.read_half.buffer.read(100)
    made.want()
    assert heard == [(RETURN, ID, 100, 100, 0), (CREDIT, ID, 200)]


@pytest.mark.parametrize(
    ("verb", "sent"),
    [
        (Lease.close, CLOSE),
        (Lease.abort, ABORT),
        (lambda made: made.abort(by_reset=True), ABORT),
        (Lease.shutdown_read, SHUTDOWN),
        (Lease.recalled, YIELD),
        (lambda made: made.break_off(errno.ENOBUFS, CloseReason.WRITE_LIMIT), BREAK),
        (Lease.pause, None),
    ],
    ids=["close", "abort", "abort by reset", "shutdown_read", "recalled", "break_off", "pause"],
)
def test_the_reading_is_returned_before_it_is_over(verb: Callable[[Lease], None], sent: int | None) -> None:
    made, heard = lent_lease()
    made.read_half.received(b"read")
    verb(made)
    assert made.read_half.state is not ReadState.LENT
    assert heard[0] == (RETURN, ID, 4, 100, 0)
    assert heard.kinds() == [RETURN] if sent is None else [RETURN, sent]


def test_lend_that_crosses_the_end_is_ignored() -> None:
    made, heard = started_lease()
    made.close()
    heard.clear()
    assert not made.lent()
    assert (made.read_half.state, heard) == (ReadState.ENDED, [])


def test_lend_that_crosses_the_end_of_the_read_half_is_answered_by_return() -> None:
    made, heard = started_lease()
    made.shutdown_read()
    assert not made.lent()
    assert heard.kinds() == [SHUTDOWN, RETURN]


def test_forget_ends_the_reading_without_a_word() -> None:
    made, heard = lent_lease()
    assert made.forgotten() == DESCRIPTOR
    assert (made.read_half.state, made.state, heard) == (ReadState.OPEN, LeaseState.DEAD, [])


def test_lend_is_sent_once() -> None:
    made, heard = connection()
    made.read_half.lend(made.worker)
    assert heard == [(SOCKET_LEND, ID)]
