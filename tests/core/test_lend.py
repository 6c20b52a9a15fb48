"""Who reads: the service lends it to the owner's worker, which returns it when it does not go on."""

from __future__ import annotations

import errno
from collections import deque

import pytest

from skypy.core.close_reason import CloseReason
from skypy.core.errors import InternalError
from skypy.core.tcp.connection import LEND_AFTER, Connection
from skypy.core.tcp.lease import LARGEST_DIRECT_READ, Lease, LeaseState, Reading
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
    Message,
)
from tests.core.ends import DESCRIPTOR, ID, OWNER, Heard, OneWorker, connection

pytestmark = pytest.mark.interpreted

# -- the service's end --


def lent_connection(state: State = State.OPEN, *, limit: int = 1000) -> tuple[Connection, Heard]:
    made, heard = connection(state, limit=limit)
    made.input.lend(made.worker)
    heard.clear()
    return made, heard


def deliver(made: Connection, times: int) -> None:
    for _ in range(times):
        made.received(1)
        made.input.deliver(made.worker, b"x")


def test_a_connection_that_is_heard_of_again_is_busy() -> None:
    made, _ = connection()
    deliver(made, LEND_AFTER - 1)
    assert not made.input.busy
    deliver(made, 1)
    assert made.input.busy


def test_one_whose_owner_has_enough_is_not() -> None:
    made, _ = connection(limit=LEND_AFTER)
    deliver(made, LEND_AFTER)
    assert not made.input.busy


def test_every_return_makes_it_stay_on_the_lane_for_twice_as_long() -> None:
    made, _ = lent_connection()
    made.returned(0, 1000, 0)
    deliver(made, 2 * LEND_AFTER - 1)
    assert not made.input.busy
    deliver(made, 1)
    assert made.input.busy


def test_while_it_is_lent_the_service_reads_nothing_and_looks_for_no_end() -> None:
    made, _ = lent_connection()
    assert not made.wants_read
    assert not made.may_meet_end


def test_what_comes_back_is_read_from_where_the_worker_is() -> None:
    made, heard = lent_connection()
    made.returned(600, 700, 0)
    assert (made.input.read, made.input.limit, made.wants_read) == (600, 1000, True)
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
    made.input.lend(made.worker)
    with pytest.raises(InternalError, match="RETURN at 4, read up to 5"):
        made.returned(4, 1000, 0)


def test_what_crossed_a_shutdown_of_the_reading_half_changes_nothing() -> None:
    made, _ = lent_connection()
    made.shutdown("r")
    made.received(50)
    made.returned(0, 1000, 0)
    assert (made.input.read, made.wants_read) == (50, True)


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
    own = made.yielded(b"", 0, "open", 0, True)
    assert own is not None
    assert own[3] == 30


def test_an_errno_that_nobody_has_been_told_does_not_come_with_own() -> None:
    made, _ = lent_connection(State.HALF_CLOSED_WRITE)
    made.take_over(OneWorker(lambda message: None))
    made.returned(0, 1000, errno.ECONNRESET)
    own = made.yielded(b"", 0, "open", 0, True)
    assert own is not None
    assert own[7] == 0


# -- the worker's end --


class Arriving(Lease):
    """A duplicate whose kernel has what the test says: bytes, or an error."""

    def __init__(self, descriptor: int | None, send: list[Message], window: int) -> None:
        super().__init__(ID, descriptor, window, send.append)
        self.arrived: deque[bytes | OSError] = deque()
        self.sizes: list[int] = []
        self.watched = False

    def _watch_input(self) -> None:
        self.watched = True

    def _ignore_input(self) -> None:
        self.watched = False

    def _read_directly(self, size: int) -> bytes:
        self.sizes.append(size)
        one = self.arrived.popleft() if self.arrived else BlockingIOError()
        if isinstance(one, OSError):
            raise one
        return one


def borrower(*, window: int = 100, descriptor: int | None = DESCRIPTOR) -> tuple[Arriving, Heard]:
    """A started one, to which the reading has been lent."""
    heard = Heard()
    made = Arriving(descriptor, heard, window)
    made.start(OWNER)
    heard.clear()
    made.lend()
    return made, heard


def test_what_is_lent_is_watched_without_a_word() -> None:
    made, heard = borrower()
    assert (made.reads_directly, made.watched, heard) == (True, True, [])


def test_without_a_descriptor_it_goes_back_at_once() -> None:
    made, heard = borrower(descriptor=None)
    assert (made.watched, heard) == (False, [(RETURN, ID, 0, 100, 0)])


def test_when_the_actor_has_enough_it_goes_back_at_once() -> None:
    heard = Heard()
    made = Arriving(DESCRIPTOR, heard, 100)
    made.start(OWNER)
    made.data_received(bytes(100))
    made.lend()
    assert heard[1:] == [(RETURN, ID, 100, 100, 0)]


def test_input_is_read_within_the_credit_that_the_actor_grants() -> None:
    made, heard = borrower(window=100)
    made.arrived += [bytes(60), bytes(40)]
    assert made.read_directly()
    assert made.read_directly()
    assert (made.sizes, made.received, made.buffer.size, heard) == ([100, 40], 100, 100, [])


def test_no_read_asks_for_more_than_is_good() -> None:
    made, _ = borrower(window=1 << 20)
    made.read_directly()
    assert made.sizes == [LARGEST_DIRECT_READ]


def test_credit_is_a_matter_of_the_worker_while_it_reads() -> None:
    made, heard = borrower(window=100)
    made.arrived.append(bytes(100))
    made.read_directly()
    made.buffer.read(80)
    made.want()
    assert (made.limit, heard) == (180, [])


def test_nothing_there_yet_is_no_news() -> None:
    made, heard = borrower()
    assert not made.read_directly()
    assert (made.reads_directly, heard) == (True, [])


def test_the_end_of_input_is_left_to_the_service() -> None:
    made, heard = borrower()
    made.arrived.append(b"")
    assert not made.read_directly()
    assert (made.reading, made.watched, heard) == (Reading.OPEN, False, [(RETURN, ID, 0, 100, 0)])


def test_an_errno_goes_along() -> None:
    made, heard = borrower()
    made.arrived.append(ConnectionResetError(errno.ECONNRESET, "reset"))
    assert not made.read_directly()
    assert heard == [(RETURN, ID, 0, 100, errno.ECONNRESET)]


def test_an_end_that_crosses_the_errno_is_that_error() -> None:
    made, _ = borrower()
    made.arrived.append(ConnectionResetError(errno.ECONNRESET, "reset"))
    made.read_directly()
    made.input_ended(0)
    assert (made.reading, made.error) == (Reading.BROKEN, errno.ECONNRESET)


def test_what_was_given_back_is_credited_over_the_lane_again() -> None:
    made, heard = borrower(window=100)
    made.arrived.append(bytes(100))
    made.read_directly()
    made.give_back()
    made.buffer.read(100)
    made.want()
    assert heard == [(RETURN, ID, 100, 100, 0), (CREDIT, ID, 200)]


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        (Lease.close, CLOSE),
        (Lease.abort, ABORT),
        (Lease.shutdown, ABORT),
        (Lease.shutdown_read, SHUTDOWN),
        (Lease.recalled, YIELD),
        (lambda made: made.break_off(errno.ENOBUFS, CloseReason.WRITE_LIMIT), BREAK),
        (Lease.pause, None),
    ],
    ids=["close", "abort", "shutdown", "shutdown_read", "recalled", "break_off", "pause"],
)
def test_it_is_returned_before_the_reading_is_over(verb: object, said: int | None) -> None:
    made, heard = borrower()
    made.arrived.append(b"read")
    made.read_directly()
    assert callable(verb)
    verb(made)
    assert (made.watched, heard[0]) == (False, (RETURN, ID, 4, 100, 0))
    assert heard.kinds() == [RETURN] if said is None else [RETURN, said]


def test_what_crosses_the_end_is_not_taken() -> None:
    made, heard = borrower()
    made.close()
    heard.clear()
    made.lend()
    assert (made.watched, heard) == (False, [])


def test_what_crosses_the_end_of_the_reading_half_is_returned() -> None:
    heard = Heard()
    made = Arriving(DESCRIPTOR, heard, 100)
    made.start(OWNER)
    made.shutdown_read()
    made.lend()
    assert heard.kinds() == [CREDIT, SHUTDOWN, RETURN]


def test_forget_ends_it_without_a_word() -> None:
    made, heard = borrower()
    assert made.forgotten() == DESCRIPTOR
    assert (made.watched, made.state, heard) == (False, LeaseState.DEAD, [])


def test_lend_is_said_once() -> None:
    made, heard = connection()
    made.input.lend(made.worker)
    assert heard == [(SOCKET_LEND, ID)]
