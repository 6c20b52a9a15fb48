"""The socket service's end of a connection: it is made, reads, and meets errors."""

from __future__ import annotations

import errno

import pytest

from skypy.core.tcp.connection import Connection
from skypy.core.tcp.connection_read_half import LARGEST_READ, SMALLEST_READ
from skypy.core.tcp.state import DELIVERING, DISCARDING, OWNED, Effect, Input, State
from skypy.core.wire.socket_lane import HIGH, SOCKET_CLOSE, SOCKET_DATA, SOCKET_ERROR, SOCKET_FORGET, SOCKET_MORE
from tests.core.ends import ID, Heard, OneWorker, connection

# -- being opened --


def test_a_connection_that_is_made_becomes_open_and_the_reactor_reports_it() -> None:
    made, heard = connection(State.CONNECTING)
    assert not made.wants_read
    assert made.apply(Input.CONNECTED) == (Effect.REPORT_OPEN,)
    assert (made.state, heard) == (State.OPEN, [])


def test_a_failed_attempt_is_freed_and_keeps_its_errno_for_the_report() -> None:
    made, heard = connection(State.CONNECTING)
    made.met(errno.ECONNREFUSED)
    assert made.apply(Input.CONNECT_FAILED) == (Effect.REPORT_FAILED, Effect.FREE)
    assert (made.state, made.error, heard) == (State.CLOSED, errno.ECONNREFUSED, [])


@pytest.mark.parametrize("how", ["close", "abort"])
def test_giving_up_an_attempt_frees_it_without_a_word(how: str) -> None:
    made, heard = connection(State.CONNECTING)
    assert (made.close() if how == "close" else made.abort()) == (Effect.FREE,)
    assert (made.state, heard) == (State.CLOSED, [])


# -- credit --


def test_nothing_is_read_before_the_first_credit() -> None:
    made = Connection(ID, OneWorker(Heard().append))
    assert not made.wants_read
    made.credit(1)
    assert made.wants_read


def test_reading_pauses_when_the_credit_is_used_up() -> None:
    made, _ = connection(limit=100)
    made.received(99)
    assert made.wants_read
    made.received(1)
    assert not made.wants_read
    made.credit(101)
    assert made.wants_read


def test_credit_is_a_maximum_that_stale_ones_do_not_lower() -> None:
    made, _ = connection(limit=100)
    made.credit(50)
    assert made.read_half.limit == 100


def test_the_first_credit_names_the_owner_and_later_ones_need_not() -> None:
    made, _ = connection()
    made.credit(10, 0x0100000A)
    made.credit(20)
    assert made.owner == 0x0100000A
    made.credit(30, 0x0100000B)
    assert made.owner == 0x0100000B


# -- how much to read at once --


def test_reads_begin_small_and_double_when_they_are_filled() -> None:
    made, _ = connection()
    sizes = []
    while made.read_half.read_size < LARGEST_READ:
        sizes.append(made.read_half.read_size)
        made.received(made.read_half.read_size)
    assert sizes == [SMALLEST_READ << doubled for doubled in range(12)]
    made.received(LARGEST_READ)
    assert made.read_half.read_size == LARGEST_READ
    assert (SMALLEST_READ, LARGEST_READ) == (64, 262144)


def test_reads_shrink_when_less_than_half_is_used_and_never_below_the_smallest() -> None:
    made, _ = connection()
    made.received(64)
    made.received(128)
    assert made.read_half.read_size == 256
    made.received(128)
    assert made.read_half.read_size == 256
    made.received(127)
    assert made.read_half.read_size == 128
    made.received(1)
    made.received(1)
    assert made.read_half.read_size == SMALLEST_READ


def test_a_read_never_goes_beyond_the_credit() -> None:
    made, _ = connection(limit=100)
    made.received(64)
    assert made.read_half.read_size == 36


def test_discarded_input_needs_no_credit_and_is_read_in_large_pieces() -> None:
    made, heard = connection(limit=0)
    made.shutdown("r")
    assert made.wants_read
    assert made.read_half.read_size == LARGEST_READ
    assert not made.received(5)
    assert heard.kinds() == [SOCKET_CLOSE]


@pytest.mark.parametrize("state", State, ids=lambda state: state.name)
def test_only_states_that_deliver_or_discard_read(state: State) -> None:
    made, _ = connection(state)
    assert made.wants_read == (state in DELIVERING | DISCARDING)


# -- input --


def test_input_is_reported_as_data_or_as_more_when_another_piece_follows_at_once() -> None:
    made, heard = connection()
    assert made.received(3)
    made.read_half.deliver(made.worker, b"abc", more=True)
    assert made.received(2)
    made.read_half.deliver(made.worker, b"de")
    assert heard == [(SOCKET_MORE, ID, b"abc"), (SOCKET_DATA, ID, b"de")]
    assert made.read_half.read == 5


def test_peer_fin_leaves_the_write_side_open() -> None:
    made, heard = connection()
    assert made.end_of_input() == (Effect.AWAIT_ANSWER,)
    assert heard == [(SOCKET_CLOSE, ID, 0)]
    assert made.state in OWNED
    assert not made.wants_read
    made.write(0, [(HIGH, b"FINAL\n")], 0)
    assert made.queue.size
    assert made.wrote(6) == ()
    assert made.close() == (Effect.SEND_FIN, Effect.FREE)


def test_our_fin_leaves_the_read_side_open() -> None:
    made, heard = connection()
    assert made.shutdown("w") == (Effect.SEND_FIN,)
    assert made.wants_read
    assert made.received(1)
    assert made.end_of_input() == (Effect.FREE,)
    assert heard == [(SOCKET_CLOSE, ID, 0), (SOCKET_FORGET, ID)]


def test_a_reset_ends_the_connection_with_its_errno() -> None:
    made, heard = connection(queued=b"unsent")
    assert made.end_of_input(errno.ECONNRESET) == (Effect.FREE,)
    assert heard == [(SOCKET_CLOSE, ID, errno.ECONNRESET), (SOCKET_FORGET, ID)]
    assert made.state is State.CLOSED


# -- errors --


def test_the_first_errno_is_kept() -> None:
    made, _ = connection()
    made.met(0)
    made.met(errno.ETIMEDOUT)
    made.met(errno.ECONNRESET)
    assert made.error == errno.ETIMEDOUT


def test_a_broken_pipe_is_a_reset() -> None:
    made, heard = connection()
    made.write_failed(errno.EPIPE)
    assert heard == [(SOCKET_ERROR, ID, errno.ECONNRESET)]


def test_a_failed_write_breaks_the_write_half_only() -> None:
    made, heard = connection(queued=b"unsent")
    assert made.write_failed(errno.ECONNRESET) == ()
    assert heard == [(SOCKET_ERROR, ID, errno.ECONNRESET)]
    assert not made.queue.size
    assert made.state in OWNED
    assert made.wants_read
    assert made.received(4)


def test_end_of_file_behind_a_failed_write_is_that_error_and_never_clean() -> None:
    made, heard = connection()
    made.write_failed(errno.ETIMEDOUT)
    assert made.end_of_input() == (Effect.FREE,)
    assert heard[1:] == [(SOCKET_CLOSE, ID, errno.ETIMEDOUT), (SOCKET_FORGET, ID)]


def test_a_failed_write_behind_the_peers_fin_leaves_nothing_to_wait_for() -> None:
    made, heard = connection(queued=b"unsent")
    made.end_of_input()
    assert made.write_failed(errno.EPIPE) == (Effect.FREE,)
    assert heard[1:] == [(SOCKET_ERROR, ID, errno.ECONNRESET), (SOCKET_FORGET, ID)]


@pytest.mark.parametrize("undelivered", [True, False])
def test_a_reset_while_lingering_is_a_loss_if_something_was_not_acknowledged(undelivered: bool) -> None:
    made, _ = connection()
    made.close()
    lost = (Effect.LOG_LOST,) if undelivered else ()
    assert made.end_of_input(errno.ECONNRESET, undelivered=undelivered) == (*lost, Effect.FREE)


def test_output_that_an_owner_has_not_seen_acknowledged_is_its_own_affair() -> None:
    made, heard = connection()
    assert made.end_of_input(errno.ECONNRESET, undelivered=True) == (Effect.FREE,)
    assert heard.kinds() == [SOCKET_CLOSE, SOCKET_FORGET]
