"""The output of a socket: no message is ever cut by another, and none is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skypy.core.tcp.output_queue import OutputQueue
from skypy.core.wire.socket_lane import HALF_SENT, HIGH, LOW


def queue(*messages: tuple[int, bytes]) -> OutputQueue:
    made = OutputQueue()
    for priority, data in messages:
        made.append(data, priority)
    return made


def content(of: OutputQueue) -> bytes:
    return b"".join(of.first(1000))


def test_high_goes_before_low_and_order_is_kept_within_each() -> None:
    made = queue((LOW, b"l1"), (HIGH, b"h1"), (LOW, b"l2"), (HIGH, b"h2"))
    assert made.first(4) == [b"h1", b"h2", b"l1", b"l2"]
    assert made.size == 8


@pytest.mark.parametrize("priority", [HIGH, LOW])
def test_nothing_goes_before_a_half_sent_message(priority: int) -> None:
    made = queue((priority, b"abc"))
    made.advance(1)
    made.append(b"high", HIGH)
    made.append(b"low", LOW)
    assert content(made) == b"bchighlow"


def test_a_half_sent_message_may_be_cut_again() -> None:
    made = queue((LOW, b"abcdef"))
    made.advance(1)
    made.advance(2)
    made.append(b"high", HIGH)
    assert made.take() == [(HALF_SENT, b"def"), (HIGH, b"high")]


def test_a_rest_from_elsewhere_comes_first() -> None:
    made = queue((HALF_SENT, b"rest"))
    made.append(b"high", HIGH)
    assert content(made) == b"resthigh"


@pytest.mark.parametrize("before", [HALF_SENT, HIGH, LOW])
def test_a_rest_must_come_first_of_all(before: int) -> None:
    made = queue((before, b"abc"))
    with pytest.raises(ValueError, match="half-sent"):
        made.append(b"rest", HALF_SENT)
    assert content(made) == b"abc"


def test_a_message_that_ends_exactly_with_what_was_sent_leaves_no_rest() -> None:
    made = queue((HIGH, b"abc"), (LOW, b"d"))
    made.advance(3)
    assert made.take() == [(LOW, b"d")]


def test_as_many_buffers_as_are_asked_for_come_from_the_front() -> None:
    made = queue((HIGH, b"abc"), (HIGH, b"h"), (LOW, b"l"))
    assert made.first(2) == [b"abc", b"h"]
    assert made.first(3) == [b"abc", b"h", b"l"]
    made.advance(1)
    assert made.first(1) == [b"bc"]
    assert made.first(2) == [b"bc", b"h"]


def test_looking_at_the_front_takes_nothing() -> None:
    made = queue((HIGH, b"abc"))
    made.first(1).clear()
    assert content(made) == b"abc"


def test_taken_messages_are_bytes_wherever_they_were_cut() -> None:
    made = queue((HIGH, b"abc"), (LOW, b"l"))
    made.advance(1)
    assert [type(data) for _, data in made.take()] == [bytes, bytes]


def test_a_cleared_queue_is_as_new() -> None:
    made = queue((HIGH, b"abc"), (LOW, b"low"))
    made.advance(1)
    made.clear()
    assert (made.size, made.first(10), made.take()) == (0, [], [])
    made.append(b"rest", HALF_SENT)
    assert content(made) == b"rest"


steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from([HIGH, LOW]), st.binary(max_size=6)),
        st.tuples(st.just("advance"), st.integers(0, 12)),
        st.tuples(st.just("hand over"), st.integers(1, 3)),
    ),
    max_size=40,
)


@given(steps)
def test_any_use_of_it_equals_one_sorted_list_of_messages(uses: list[tuple[int | str, bytes | int]]) -> None:
    made = OutputQueue()
    model: list[tuple[int, bytes]] = []
    for use, value in uses:
        if isinstance(value, bytes):
            assert isinstance(use, int)
            made.append(value, use)
            model.append((use, value))
            model.sort(key=lambda message: message[0])
        elif use == "advance":
            sent = min(value, made.size)
            made.advance(sent)
            while sent:
                _, data = model.pop(0)
                if len(data) > sent:
                    model.insert(0, (HALF_SENT, data[sent:]))
                sent -= min(sent, len(data))
        else:
            made = queue(*made.take())
        expected = b"".join(data for _, data in model)
        assert content(made) == expected
        assert made.joined() == expected
        assert made.size == len(expected)
        for count in (1, 2, 3):
            assert len(made.first(count)) <= count
            assert expected.startswith(b"".join(made.first(count)))
