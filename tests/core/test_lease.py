"""The worker's end of a socket: the right to write, what is handed over, and how it ends."""

from __future__ import annotations

import errno

import pytest

from skypy.core.tcp.lease import LeaseState, Reading
from skypy.core.wire.socket_lane import ABORT, CLOSE, HALF_SENT, HIGH, LOW, SHUTDOWN, WRITE
from tests.core.ends import DESCRIPTOR, ID, duplicate, started_duplicate

# -- output --


def test_who_has_given_nothing_away_may_write_directly() -> None:
    made, _ = duplicate()
    assert made.may_write_directly
    assert made.unsent == 0


def test_what_the_kernel_takes_whole_concerns_nobody_else() -> None:
    made, heard = duplicate()
    made.corked.append(b"abc", HIGH)
    assert made.unsent == 3
    made.wrote_directly(3, offered=3)
    assert (made.out, made.sent, made.unsent, heard) == (3, 3, 0, [])
    assert made.may_write_directly


def test_the_rest_of_a_partial_write_goes_to_the_service_with_all_that_is_corked() -> None:
    made, heard = duplicate()
    made.corked.append(b"abcdef", HIGH)
    made.corked.append(b"low", LOW)
    made.wrote_directly(2, offered=6)
    assert heard == [(WRITE, ID, 2, [(HALF_SENT, b"cdef"), (LOW, b"low")], 0)]
    assert (made.sent, made.out, made.unsent) == (2, 9, 7)
    assert not made.may_write_directly


def test_a_write_of_all_that_was_offered_goes_on_with_what_was_not() -> None:
    made, heard = duplicate()
    made.corked.append(b"abc", HIGH)
    made.corked.append(b"low", LOW)
    made.wrote_directly(3, offered=3)
    assert heard == []
    assert (made.corked.size, made.may_write_directly) == (3, True)


def test_handing_over_says_where_the_bytes_belong_and_which_errno_was_met() -> None:
    made, heard = duplicate()
    made.corked.append(b"abc", HIGH)
    made.wrote_directly(3, offered=3)
    made.corked.append(b"low", LOW)
    made.corked.append(b"high", HIGH)
    made.hand_over(errno.ECONNRESET)
    assert heard == [(WRITE, ID, 3, [(HIGH, b"high"), (LOW, b"low")], errno.ECONNRESET)]
    assert (made.sent, made.out, made.corked.size) == (3, 10, 0)


def test_handing_over_again_continues_at_the_end_of_what_was_handed_over() -> None:
    made, heard = duplicate()
    for data in (b"abc", b"d"):
        made.corked.append(data, HIGH)
        made.hand_over()
    assert [message[2:] for message in heard] == [(0, [(HIGH, b"abc")], 0), (3, [(HIGH, b"d")], 0)]


@pytest.mark.interpreted
def test_more_than_a_frame_can_say_is_handed_over_in_parts_and_the_errno_with_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("skypy.core.tcp.lease.WRITE_SIZE_LIMIT", 5)
    made, heard = duplicate()
    for data in (b"abc", b"de", b"f", b"ghijk"):
        made.corked.append(data, HIGH)
    made.hand_over(errno.ECONNRESET)
    assert [message[2:] for message in heard] == [
        (0, [(HIGH, b"abc"), (HIGH, b"de")], 0),
        (5, [(HIGH, b"f")], 0),
        (6, [(HIGH, b"ghijk")], errno.ECONNRESET),
    ]
    assert made.out == 11


def test_the_right_to_write_comes_back_when_everything_is_known_to_be_sent() -> None:
    made, _ = duplicate()
    made.corked.append(b"abc", HIGH)
    made.hand_over()
    made.progressed(2)
    assert (made.may_write_directly, made.unsent) == (False, 1)
    made.progressed(3)
    assert (made.may_write_directly, made.unsent) == (True, 0)


def test_progress_that_crossed_another_write_does_not_give_the_right_back() -> None:
    made, _ = duplicate()
    made.corked.append(b"abc", HIGH)
    made.hand_over()
    made.corked.append(b"d", HIGH)
    made.hand_over()
    made.progressed(3)
    assert not made.may_write_directly


def test_stale_progress_is_harmless() -> None:
    made, _ = duplicate()
    made.corked.append(b"abc", HIGH)
    made.wrote_directly(3, offered=3)
    made.progressed(1)
    assert made.sent == 3


def test_without_a_descriptor_nothing_is_written_directly() -> None:
    made, _ = duplicate(None)
    assert not made.may_write_directly


# -- ending --


def test_finishing_to_write_is_said_once() -> None:
    made, heard = started_duplicate()
    made.shutdown_write()
    made.shutdown_write()
    assert heard == [(SHUTDOWN, ID, "w")]
    assert (made.writable, made.reading) == (False, Reading.OPEN)


def test_a_broken_write_half_cannot_be_finished() -> None:
    made, heard = started_duplicate()
    made.write_broke(errno.ECONNRESET)
    made.shutdown_write()
    assert heard == []


def test_stopping_to_read_is_said_once_and_keeps_what_is_buffered_and_nothing_later() -> None:
    made, heard = started_duplicate()
    made.data_received(b"abc")
    made.shutdown_read()
    made.shutdown_read()
    made.data_received(b"crossed it")
    assert heard == [(SHUTDOWN, ID, "r")]
    assert (made.reading, made.writable, made.received) == (Reading.ENDED, True, 13)
    assert made.buffer.read_all() == b"abc"


def test_a_reset_that_crossed_a_stop_is_no_news_to_the_reader() -> None:
    made, _ = started_duplicate()
    made.shutdown_read()
    made.input_ended(errno.ECONNRESET)
    assert (made.reading, made.writable) == (Reading.ENDED, False)


@pytest.mark.parametrize(("how", "kind", "fields"), [("close", CLOSE, ()), ("shutdown", ABORT, (True,))])
def test_letting_go_is_said_once_and_drops_what_is_unread_and_corked(
    how: str, kind: int, fields: tuple[bool, ...]
) -> None:
    made, heard = started_duplicate()
    made.data_received(b"unread")
    made.corked.append(b"corked", HIGH)
    for _ in range(2):
        (made.close if how == "close" else made.shutdown)()
    assert heard == [(kind, ID, *fields)]
    assert (made.state, made.reading, made.writable) == (LeaseState.CLOSING, Reading.ENDED, False)
    assert (made.buffer.size, made.corked.size) == (0, 0)


def test_a_shutdown_says_whether_it_dropped_anything() -> None:
    made, heard = started_duplicate()
    made.shutdown()
    assert heard == [(ABORT, ID, False)]


def test_what_crosses_a_close_changes_nothing() -> None:
    made, heard = started_duplicate()
    made.close()
    made.data_received(b"abc")
    made.input_ended(0)
    made.write_broke(errno.ECONNRESET)
    made.progressed(0)
    assert (made.state, made.reading, made.buffer.size) == (LeaseState.CLOSING, Reading.ENDED, 0)
    assert heard == [(CLOSE, ID)]


def test_a_duplicate_is_kept_until_it_may_be_forgotten_and_then_given_up_once() -> None:
    made, _ = started_duplicate()
    made.close()
    assert made.descriptor == DESCRIPTOR
    assert made.forgotten() == DESCRIPTOR
    assert made.forgotten() is None
    assert made.state is LeaseState.CLOSING


def test_what_is_unread_survives_its_connection() -> None:
    made, _ = started_duplicate()
    made.data_received(b"abc")
    made.corked.append(b"late", HIGH)
    made.input_ended(0)
    assert made.forgotten() == DESCRIPTOR
    assert (made.state, made.writable, made.corked.size) == (LeaseState.DEAD, False, 0)
    assert not made.may_write_directly
    assert made.buffer.read_all() == b"abc"


@pytest.mark.parametrize("how", ["close", "shutdown"])
def test_the_service_hears_nothing_of_what_it_has_forgotten(how: str) -> None:
    made, heard = started_duplicate()
    made.input_ended(0)
    made.forgotten()
    made.shutdown_write()
    made.shutdown_read()
    (made.close if how == "close" else made.shutdown)()
    assert not heard
    assert made.state is LeaseState.DEAD
