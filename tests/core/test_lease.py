"""The worker's end of a connection: the right to write, the output that is forwarded, and how it ends."""

from __future__ import annotations

import errno

import pytest

from skypy.core.tcp.lease import LeaseState
from skypy.core.tcp.read_half import ReadState
from skypy.core.wire.socket_lane import ABORT, CLOSE, CREDIT, HALF_SENT, HIGH, LOW, SHUTDOWN, WRITE, YIELD
from tests.core.ends import DESCRIPTOR, ID, OWNER, lease, started_lease

# -- output --


def test_a_worker_that_has_given_nothing_away_may_write_directly() -> None:
    made, _ = lease()
    assert made.may_write_directly
    assert made.write_half.unsent == 0


def test_bytes_that_the_kernel_takes_whole_are_not_reported() -> None:
    made, heard = lease()
    made.write_half.corked.append(b"abc", HIGH)
    assert made.write_half.unsent == 3
    made.wrote(3, offered=3)
    assert (made.write_half.out, made.write_half.sent, made.write_half.unsent, heard) == (3, 3, 0, [])
    assert made.may_write_directly


def test_the_rest_of_a_partial_write_goes_to_the_socket_service_with_all_that_is_corked() -> None:
    made, heard = lease()
    made.write_half.corked.append(b"abcdef", HIGH)
    made.write_half.corked.append(b"low", LOW)
    made.wrote(2, offered=6)
    assert heard == [(WRITE, ID, 2, [(HALF_SENT, b"cdef"), (LOW, b"low")], 0)]
    assert (made.write_half.sent, made.write_half.out, made.write_half.unsent) == (2, 9, 7)
    assert not made.may_write_directly


def test_a_write_of_all_that_was_offered_goes_on_with_what_was_not() -> None:
    made, heard = lease()
    made.write_half.corked.append(b"abc", HIGH)
    made.write_half.corked.append(b"low", LOW)
    made.wrote(3, offered=3)
    assert heard == []
    assert (made.write_half.corked.size, made.may_write_directly) == (3, True)


def test_forwarding_says_where_the_bytes_belong_and_which_errno_was_met() -> None:
    made, heard = lease()
    made.write_half.corked.append(b"abc", HIGH)
    made.wrote(3, offered=3)
    made.write_half.corked.append(b"low", LOW)
    made.write_half.corked.append(b"high", HIGH)
    made.write_failed(errno.ECONNRESET)
    assert heard == [(WRITE, ID, 3, [(HIGH, b"high"), (LOW, b"low")], errno.ECONNRESET)]
    assert (made.write_half.sent, made.write_half.out, made.write_half.corked.size) == (3, 10, 0)


def test_forwarding_again_continues_at_the_end_of_the_forwarded_bytes() -> None:
    made, heard = lease()
    for data in (b"abc", b"d"):
        made.write_half.corked.append(data, HIGH)
        made.forward_output()
    assert [message[2:] for message in heard] == [(0, [(HIGH, b"abc")], 0), (3, [(HIGH, b"d")], 0)]


@pytest.mark.interpreted
def test_more_than_a_frame_can_say_is_forwarded_in_parts_and_the_errno_with_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("skypy.core.tcp.write_half.WRITE_SIZE_LIMIT", 5)
    made, heard = lease()
    for data in (b"abc", b"de", b"f", b"ghijk"):
        made.write_half.corked.append(data, HIGH)
    made.write_failed(errno.ECONNRESET)
    assert [message[2:] for message in heard] == [
        (0, [(HIGH, b"abc"), (HIGH, b"de")], 0),
        (5, [(HIGH, b"f")], 0),
        (6, [(HIGH, b"ghijk")], errno.ECONNRESET),
    ]
    assert made.write_half.out == 11


def test_the_right_to_write_comes_back_when_everything_is_known_to_be_sent() -> None:
    made, _ = lease()
    made.write_half.corked.append(b"abc", HIGH)
    made.forward_output()
    made.write_half.progressed(2)
    assert (made.may_write_directly, made.write_half.unsent) == (False, 1)
    made.write_half.progressed(3)
    assert (made.may_write_directly, made.write_half.unsent) == (True, 0)


def test_progress_that_crossed_another_write_does_not_give_the_right_back() -> None:
    made, _ = lease()
    made.write_half.corked.append(b"abc", HIGH)
    made.forward_output()
    made.write_half.corked.append(b"d", HIGH)
    made.forward_output()
    made.write_half.progressed(3)
    assert not made.may_write_directly


def test_stale_progress_is_harmless() -> None:
    made, _ = lease()
    made.write_half.corked.append(b"abc", HIGH)
    made.wrote(3, offered=3)
    made.write_half.progressed(1)
    assert made.write_half.sent == 3


def test_without_a_descriptor_nothing_is_written_directly() -> None:
    made, _ = lease(None)
    assert not made.may_write_directly


# -- ending --


def test_finishing_to_write_is_said_once() -> None:
    made, heard = started_lease()
    made.shutdown_write()
    made.shutdown_write()
    assert heard == [(SHUTDOWN, ID, "w")]
    assert (made.write_half.writable, made.read_half.state) == (False, ReadState.OPEN)


def test_a_broken_write_half_cannot_be_finished() -> None:
    made, heard = started_lease()
    made.broken(errno.ECONNRESET)
    made.shutdown_write()
    assert heard == []


def test_stopping_to_read_is_said_once_and_keeps_what_is_buffered_and_nothing_later() -> None:
    made, heard = started_lease()
    made.read_half.received(b"abc")
    made.shutdown_read()
    made.shutdown_read()
    made.read_half.received(b"crossed it")
    assert heard == [(SHUTDOWN, ID, "r")]
    assert (made.read_half.state, made.write_half.writable, made.read_half.read) == (ReadState.ENDED, True, 13)
    assert made.read_half.buffer.read_all() == b"abc"


def test_a_reset_that_crossed_a_stop_is_no_news_to_the_reader() -> None:
    made, _ = started_lease()
    made.shutdown_read()
    made.closed(errno.ECONNRESET)
    assert (made.read_half.state, made.write_half.writable) == (ReadState.ENDED, False)


@pytest.mark.parametrize(("how", "kind", "fields"), [("close", CLOSE, ()), ("abort", ABORT, (True,))])
def test_letting_go_is_said_once_and_drops_what_is_unread_and_corked(
    how: str, kind: int, fields: tuple[bool, ...]
) -> None:
    made, heard = started_lease()
    made.read_half.received(b"unread")
    made.write_half.corked.append(b"corked", HIGH)
    for _ in range(2):
        (made.close if how == "close" else made.abort)()
    assert heard == [(kind, ID, *fields)]
    assert (made.state, made.read_half.state, made.write_half.writable) == (LeaseState.CLOSING, ReadState.ENDED, False)
    assert (made.read_half.buffer.size, made.write_half.corked.size) == (0, 0)


def test_an_abort_says_whether_it_dropped_anything() -> None:
    made, heard = started_lease()
    made.abort()
    assert heard == [(ABORT, ID, False)]


def test_reports_that_cross_a_close_change_nothing() -> None:
    made, heard = started_lease()
    made.close()
    made.read_half.received(b"abc")
    made.closed(0)
    made.broken(errno.ECONNRESET)
    made.write_half.progressed(0)
    assert (made.state, made.read_half.state, made.read_half.buffer.size) == (LeaseState.CLOSING, ReadState.ENDED, 0)
    assert heard == [(CLOSE, ID)]


def test_a_descriptor_is_kept_until_it_may_be_forgotten_and_then_given_up_once() -> None:
    made, _ = started_lease()
    made.close()
    assert made.descriptor == DESCRIPTOR
    assert made.forgotten() == DESCRIPTOR
    assert made.forgotten() is None
    assert made.state is LeaseState.CLOSING


def test_unread_bytes_survive_their_connection() -> None:
    made, _ = started_lease()
    made.read_half.received(b"abc")
    made.write_half.corked.append(b"late", HIGH)
    made.closed(0)
    assert made.forgotten() == DESCRIPTOR
    assert (made.state, made.write_half.writable, made.write_half.corked.size) == (LeaseState.DEAD, False, 0)
    assert not made.may_write_directly
    assert made.read_half.buffer.read_all() == b"abc"


@pytest.mark.parametrize("how", ["close", "abort"])
def test_the_socket_service_hears_once_that_the_owner_leaves_a_connection_that_has_ended(how: str) -> None:
    made, heard = started_lease()
    made.closed(0)
    made.forgotten()
    made.shutdown_write()
    made.shutdown_read()
    assert not heard
    (made.close if how == "close" else made.abort)()
    assert heard.kinds() == [CLOSE if how == "close" else ABORT]
    assert made.state is LeaseState.DEAD


def test_a_connection_that_has_ended_is_yielded_with_its_rest_and_has_no_descriptor_to_wait_for() -> None:
    made, heard = started_lease()
    made.read_half.received(b"abc")
    made.closed(errno.ECONNRESET)
    made.forgotten()
    made.recalled("peer", None)
    assert heard == [(YIELD, ID, b"abc", 0, "broken", errno.ECONNRESET, False, "peer", None)]
    assert made.state is LeaseState.DEAD


def test_what_remains_of_a_connection_goes_on_in_another_worker_and_is_left_from_there() -> None:
    made, heard = lease(None)
    made.taken_over(b"abc", 3, 10, 10, "broken", errno.ECONNRESET, ended=True)
    made.start(OWNER)
    assert heard.kinds() == [CREDIT]
    assert (made.state, made.error, made.write_half.writable) == (LeaseState.DEAD, errno.ECONNRESET, False)
    assert made.read_half.buffer.read_all() == b"abc"
    made.close()
    assert heard.kinds() == [CREDIT, CLOSE]
