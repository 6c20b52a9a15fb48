"""The worker's end of a connection: the credit that it grants, and the input that comes."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypy.core.tcp.read_half import ReadState
from skypy.core.wire.codec import pack, unpack
from skypy.core.wire.socket_lane import CREDIT, HIGH
from tests.core.ends import ID, OWNER, lease, started_lease

# -- credit --


def test_nothing_is_granted_before_the_start() -> None:
    made, heard = lease()
    made.want()
    assert heard == []


def test_the_first_credit_is_a_window_and_names_the_owner() -> None:
    made, heard = lease(window=100)
    made.start(OWNER)
    assert heard == [(CREDIT, ID, 100, OWNER)]


def test_a_client_that_came_with_credit_is_started_without_a_word() -> None:
    made, heard = lease(window=100)
    made.accepted(OWNER)
    made.read_half.received(bytes(60))  # the peer need not wait for the start
    made.start(OWNER)
    assert (made.read_half.limit, heard) == (100, [])
    made.read_half.buffer.read(60)
    made.want()
    assert heard == [(CREDIT, ID, 160)]


def test_a_client_that_came_with_credit_names_the_owner_when_another_actor_starts_it() -> None:
    made, heard = lease(window=100)
    made.accepted(OWNER)
    made.start(OWNER + 1)
    made.start(OWNER + 1)
    assert heard == [(CREDIT, ID, 100, OWNER + 1)]


def test_another_start_names_the_new_owner_and_takes_no_credit_back() -> None:
    made, heard = started_lease()
    made.want(500)
    made.start(OWNER + 1)
    assert heard[1:] == [(CREDIT, ID, 500, OWNER + 1)]


def test_another_start_lets_reading_go_on_a_window_further() -> None:
    made, heard = started_lease(window=100)
    made.read_half.received(bytes(40))
    made.read_half.buffer.read(40)
    made.start(OWNER)
    assert heard == [(CREDIT, ID, 140, OWNER)]


def test_an_actor_that_does_not_read_grants_nothing() -> None:
    made, heard = started_lease()
    made.read_half.received(bytes(100))
    made.want()
    assert heard == []


def test_credit_is_granted_when_more_than_half_a_window_is_used_up() -> None:
    made, heard = started_lease(window=100)
    made.read_half.received(bytes(60))
    made.read_half.buffer.read(50)
    made.want()
    assert heard == []
    made.read_half.buffer.read(1)
    made.want()
    assert heard == [(CREDIT, ID, 151)]


def test_a_reader_that_waits_for_more_than_the_window_gets_the_credit_it_needs() -> None:
    made, heard = started_lease(window=100)
    made.read_half.received(bytes(100))
    made.want(250)
    assert heard == [(CREDIT, ID, 250)]
    made.want(250)
    assert len(heard) == 1


def test_a_paused_socket_grants_nothing_until_it_is_resumed() -> None:
    made, heard = started_lease(window=100)
    made.pause()
    made.read_half.received(bytes(100))
    made.read_half.buffer.read(100)
    made.want()
    assert heard == []
    made.resume()
    assert heard == [(CREDIT, ID, 200)]


def test_a_reader_that_needs_more_than_was_granted_ends_a_pause() -> None:
    made, heard = started_lease(window=100)
    made.pause()
    made.want(101)
    assert heard == [(CREDIT, ID, 101)]


def test_resuming_takes_no_credit_back() -> None:
    made, _ = started_lease(window=100)
    made.want(500)
    made.resume()
    assert made.read_half.limit == 500


def test_a_reader_that_waits_within_the_credit_asks_for_nothing() -> None:
    made, heard = started_lease(window=100)
    made.want(100)
    assert heard == []
    made.want(101)
    assert heard == [(CREDIT, ID, 101)]


def test_no_reader_can_ask_for_a_position_that_no_message_carries() -> None:
    made, heard = started_lease()
    made.want(1 << 70)
    assert unpack(pack(heard[0])) == [CREDIT, ID, (1 << 63) - 1]


@pytest.mark.parametrize("end", ["end-of-file", "stopped", "closed", "forgotten"])
def test_no_credit_is_granted_for_input_that_cannot_come(end: str) -> None:
    made, heard = started_lease()
    made.read_half.received(bytes(100))
    made.read_half.buffer.read(90)
    {
        "end-of-file": lambda: made.closed(0),
        "stopped": made.shutdown_read,
        "closed": made.close,
        "forgotten": made.forgotten,
    }[end]()
    heard.clear()
    made.want()
    made.want(1000)
    assert heard == []


@given(
    st.integers(1, 200),
    st.lists(st.tuples(st.sampled_from(["arrive", "read", "want"]), st.integers(0, 300)), max_size=40),
)
def test_credit_only_rises_and_always_leaves_a_waiting_reader_room(window: int, steps: list[tuple[str, int]]) -> None:
    made, heard = started_lease(window=window)
    limit = window
    for step, size in steps:
        if step == "arrive":
            made.read_half.received(bytes(min(size, limit - made.read_half.read)))
        elif step == "read":
            made.read_half.buffer.read(min(size, made.read_half.buffer.size))
            needed = made.read_half.read > made.read_half.grant_above
            made.want()
            assert needed or not heard, "grant_above said that there was no need to ask"
        else:
            made.want(size)
            assert made.read_half.limit >= made.read_half.read - made.read_half.buffer.size + size
        for message in heard:
            assert message == (CREDIT, ID, made.read_half.limit)
            assert made.read_half.limit > limit
            limit = made.read_half.limit
        heard.clear()
        consumed = made.read_half.read - made.read_half.buffer.size
        assert step == "arrive" or limit - consumed >= window // 2, (
            "the socket service would pause while the actor reads"
        )


# -- input --


def test_input_is_counted_and_buffered() -> None:
    made, _ = started_lease()
    made.read_half.received(b"abc")
    made.read_half.received(b"de")
    assert (made.read_half.read, made.read_half.buffer.read_all()) == (5, b"abcde")


def test_end_of_file_leaves_what_is_buffered_and_the_write_half() -> None:
    made, _ = started_lease()
    made.read_half.received(b"abc")
    made.closed(0)
    assert (made.read_half.state, made.error, made.write_half.writable) == (ReadState.ENDED, 0, True)
    assert made.read_half.buffer.read_all() == b"abc"


def test_a_reset_leaves_what_is_buffered_and_ends_writing() -> None:
    made, _ = started_lease()
    made.read_half.received(b"abc")
    made.write_half.corked.append(b"late", HIGH)
    made.closed(errno.ECONNRESET)
    assert (made.read_half.state, made.error, made.write_half.writable) == (ReadState.BROKEN, errno.ECONNRESET, False)
    assert (made.write_half.corked.size, made.read_half.buffer.size) == (0, 3)


def test_an_error_ends_writing_and_leaves_the_read_half() -> None:
    made, _ = started_lease()
    made.write_half.corked.append(b"late", HIGH)
    made.broken(errno.ECONNRESET)
    assert (made.write_half.writable, made.write_half.corked.size, made.error) == (False, 0, errno.ECONNRESET)
    made.read_half.received(b"abc")
    assert (made.read_half.state, made.read_half.buffer.size) == (ReadState.OPEN, 3)


def test_the_first_error_is_kept() -> None:
    made, _ = started_lease()
    made.broken(errno.ETIMEDOUT)
    made.closed(errno.ECONNRESET)
    assert (made.error, made.read_half.state) == (errno.ETIMEDOUT, ReadState.BROKEN)
