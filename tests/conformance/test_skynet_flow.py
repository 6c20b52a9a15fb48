"""Cases that no test of skynet covers: warnings, priorities, pause, resume and limits."""

from __future__ import annotations

from tests.conformance.subject import (
    MIB,
    WINDOW,
    Ends,
    Subject,
    fill,
    take,
)
from tests.node.clients import finish, is_gone
from tests.node.harness import RunningNode

# -- warnings and drain ------------------------------------------------------------------------------------------------


def test_warnings_come_at_one_mebibyte_and_its_doubles_and_at_zero(ends: Ends) -> None:
    client, held = ends
    for _ in range(32):
        held.write(bytes(MIB))
    warnings = list(held("events"))
    for warning, least in zip(warnings, (1, 2, 4, 8, 16), strict=False):
        assert warning >= least * MIB
    assert len(warnings) >= 4  # the kernel has taken a few MiB
    assert len(take(client, 32 * MIB)) == 32 * MIB
    assert held("event", 0) == [*warnings, 0]
    held.write(bytes(MIB // 2))
    assert held("events") == [*warnings, 0]


def test_warnings_begin_anew_when_all_has_gone(ends: Ends) -> None:
    client, held = ends
    for round_ in (1, 2):
        held("pour", 16 * MIB)
        assert len(take(client, 16 * MIB)) == 16 * MIB
        held("event", 0)
        subject_events = held("events")
        assert subject_events.count(0) >= 1
        assert subject_events[0] >= MIB
        held("forget_events")
        assert round_


def test_without_a_function_warnings_go_to_the_log(subject: Subject, ends: Ends) -> None:
    client, held = ends
    held("onwarning", None)
    held("pour", 16 * MIB)
    subject.node.wait_for_line(rf"^\[:01000001\] socket: \d+ bytes wait to be sent on {held.fd}$")
    assert len(take(client, 16 * MIB)) == 16 * MIB
    held("drain")


def test_drain_returns_when_little_enough_is_left(ends: Ends) -> None:
    client, held = ends
    held("pour", 16 * MIB)
    draining = held.begin("drain")
    assert held("info")["queued"] > MIB
    assert len(take(client, 16 * MIB)) == 16 * MIB
    draining.result()
    assert held("info")["queued"] <= MIB


# -- priorities --------------------------------------------------------------------------------------------------------


def test_high_goes_before_low_and_never_into_the_middle_of_a_message(ends: Ends) -> None:
    client, held = ends
    size = 16 * MIB
    held("write_ones", size)  # the kernel has taken a part of it when the others come
    held("write_both", [("low", b"2" * 100), ("high", b"3" * 100), ("low", b"4" * 100), ("high", b"5" * 100)])
    assert set(take(client, size)) == {ord("1")}
    order = take(client, 400)
    assert [order[start : start + 100] for start in range(0, 400, 100)] == [
        b"3" * 100,
        b"5" * 100,
        b"2" * 100,
        b"4" * 100,
    ]


# -- pause, resume, limit ----------------------------------------------------------------------------------------------


def test_a_paused_socket_takes_no_more_than_a_window_until_it_is_resumed(ends: Ends) -> None:
    client, held = ends
    held("pause")
    sent = fill(client)
    assert held("info")["received"] <= WINDOW < sent  # the credit granted before the pause
    held("resume")
    finish(client)
    assert len(held("readall")) == sent


def test_a_read_that_has_to_wait_resumes_by_itself(ends: Ends) -> None:
    client, held = ends
    held("pause")
    reading = held.begin("readline")
    client.sendall(b"line\n")
    assert reading.result() == b"line"


def test_bytes_from_before_a_pause_are_read_during_it(ends: Ends) -> None:
    client, held = ends
    client.sendall(b"abcd")
    assert held.read(2) == b"ab"
    held("pause")
    assert held.read() == b"cd"


def test_a_reader_that_takes_its_time_slows_the_peer_down(ends: Ends) -> None:
    """Without any pause: what lies unread stays within the window."""
    client, held = ends
    sent = fill(client)
    assert held("info")["unread"] <= WINDOW
    finish(client)
    assert len(held("readall")) == sent


def test_a_limit_closes_a_socket_whose_peer_sends_more(ends: Ends, node: RunningNode) -> None:
    node.expect_trouble(r"socket: error on \d+ Message too long \(buffer_limit\)$")
    client, held = ends
    held("limit", 1000)
    client.sendall(bytes(5000))
    assert held("event", "buffer_limit") == ["buffer_limit"]
    assert held.read(1000) == bytes(1000)  # input that has come stays
    held("read")
    assert held.fails("read") == "BufferLimit"
    assert held.read() is None
    assert is_gone(client)


def test_a_limit_lets_a_sized_read_have_its_size(ends: Ends) -> None:
    client, held = ends
    held("limit", 1000)
    reading = held.begin("read", 5000)
    client.sendall(bytes(5000))
    assert reading.result() == bytes(5000)
    held("limit", None)
    client.sendall(bytes(5000))
    assert held.read(5000) == bytes(5000)
    assert held("events") == []
