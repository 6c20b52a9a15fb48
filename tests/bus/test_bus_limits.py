"""The limits of the bus: bytes that are no batch, messages of dead processes, and too many bytes."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from skypy.bus.bus import _RECEIPT_BYTES, BUDGET_BYTES
from skypy.core.errors import MailboxFull
from skypy.core.wire.codec import pack
from skypy.core.wire.frames import HEADER, MARK
from skypy.core.wire.values import LARGEST_BYTES
from skypy.lane.lane import Lane, lane_pair
from skypy.system.kernel import Kernel
from tests.bus.conftest import Buses

SMALL = 100
MEGABYTE = 1_000_000


# -- bytes that are no batch -------------------------------------------------------------------------------------------


def frame(body: bytes) -> bytes:
    return HEADER.pack(MARK, 0, 0, len(body)) + body


@pytest.mark.parametrize(
    "data",
    [
        frame(b""),
        frame(b"\xc1"),
        frame(b"\x94"),
        frame(pack(None)),
        frame(pack("abcd")),
        frame(pack({"a": 1})),
        frame(random.Random(64).randbytes(64) + b"\xc1"),
    ],
)
def test_bytes_that_are_not_a_batch_end_their_lane_and_no_other(bus: Buses, data: bytes) -> None:
    one, two = bus.join(1), bus.join(2)
    ours, theirs = lane_pair()
    two.join(9, Lane(theirs))
    ours.sendall(data)
    bus.run_until(lambda: bool(bus.broken))
    assert ours.recv(1) == b""
    one.send(2, ["real"], SMALL)
    one.flush()
    bus.run_until(lambda: bus.batches[2] == [[["real"]]])
    assert bus.broken == {(2, 9): 1}
    ours.close()


# -- the dead and the unknown ------------------------------------------------------------------------------------------


def nothing() -> None:
    """Take note of a death."""


def test_nothing_goes_to_the_dead(bus: Buses) -> None:
    one, _ = bus.join(1), bus.join(2)
    one.send(2, ["held back"], SMALL)
    one.died(2, nothing)
    assert one.send(2, ["late"], SMALL) is False
    one.flush()
    one.send(3, ["to the living"], SMALL)
    bus.join(3)
    one.flush()
    bus.run_until(lambda: bus.messages(3) == [["to the living"]])
    assert bus.messages(2) == []


@pytest.mark.parametrize("count", [1, 2000])
def test_the_last_messages_of_the_dead_are_handled_before_its_death_is(bus: Buses, count: int) -> None:
    one, two = bus.join(1), bus.join(2)
    events: list[str] = []
    for number in range(count):
        one.send(2, ["from the grave", number], SMALL)
    one.flush()
    two.died(1, lambda: events.append(f"{len(bus.messages(2))} messages, then its death"))
    assert events == [f"{count} messages, then its death"]
    two.died(1, nothing)  # a second notice does no harm
    assert len(bus.messages(2)) == count


def test_a_message_of_the_dead_that_takes_several_reads_is_read_to_its_end(bus: Buses) -> None:
    ours, theirs = lane_pair()
    two = bus.join(2)
    two.join(9, Lane(theirs, _ShortReads()))
    ours.sendall(frame(pack([["long", "x" * 1000]])))
    two.died(9, nothing)
    assert bus.messages(2) == [["long", "x" * 1000]]
    ours.close()


class _ShortReads(Kernel):
    lane_receive_bytes = 100


def test_the_death_waits_for_messages_that_wait_for_writes_to_sockets(bus: Buses) -> None:
    one, two = bus.join(1), bus.join(2)
    events: list[list[Any]] = []
    bus.fences[1].made = bus.fences[1].left = 1
    one.send(2, ["behind a write"], SMALL)
    one.flush()
    two.died(1, lambda: events.append(bus.messages(2)))
    assert events == []
    assert two.send(1, ["its death is not known yet"], SMALL) is True
    bus.fences[2].reached(1, 1, 1)
    assert events == [[["behind a write"]]]
    assert two.send(1, ["late"], SMALL) is False


def test_messages_that_a_process_sent_before_it_died_arrive(bus: Buses) -> None:
    one, two = bus.join(1), bus.join(2)
    one.send(2, ["last words"], SMALL)
    bus.loop.run_until_complete(one.close(1))
    bus.run_until(lambda: bus.messages(2) == [["last words"]])
    assert two.send(1, ["its death is not known yet"], SMALL) is True
    two.flush()
    two.died(1, nothing)
    assert two.send(1, ["late"], SMALL) is False


def test_messages_for_a_dead_process_do_not_reach_the_next_one(bus: Buses) -> None:
    one = bus.join(1)
    one.send(2, ["to the second"], SMALL)
    one.flush()
    one.died(2, nothing)
    bus.join(3)
    one.send(3, ["to the third"], SMALL)
    one.flush()
    bus.run_until(lambda: bus.messages(3) == [["to the third"]])


def test_a_process_without_a_lane_is_asked_about_once_and_gets_its_messages_later(bus: Buses) -> None:
    one = bus.join(1)
    for number in range(3):
        one.send(2, ["early", number], SMALL)
        one.flush()
    assert bus.unmet[1] == [2]
    bus.join(2)
    bus.run_until(lambda: bus.messages(2) == [["early", 0], ["early", 1], ["early", 2]])
    assert bus.unmet == {1: [2], 2: []}


def test_a_process_that_was_not_there_may_come(bus: Buses) -> None:
    one = bus.join(1)
    one.send(2, ["too early"], SMALL)
    one.flush()
    one.unknown(2)
    two = bus.join(2)
    one.send(2, ["in time"], SMALL)
    one.flush()
    bus.run_until(lambda: bus.messages(2) == [["in time"]])
    two.send(1, ["back"], SMALL)
    two.flush()
    bus.run_until(lambda: bus.messages(1) == [["back"]])
    one.unknown(2)  # old news: it has been heard of
    one.send(2, ["still there"], SMALL)
    one.flush()
    bus.run_until(lambda: len(bus.messages(2)) == 2)


# -- the budget --------------------------------------------------------------------------------------------------------


def fill(send: Callable[[bytes], bool]) -> int:
    """Send megabytes until it is too much; return how many were taken."""
    data = b"x" * MEGABYTE
    for count in range(1000):
        try:
            send(data)
        except MailboxFull:
            return count
    raise AssertionError("there is no end")


def test_the_bytes_under_way_to_one_peer_are_bounded(bus: Buses) -> None:
    one, _ = bus.join(1), bus.join(3)
    count = fill(lambda data: one.send(2, [data], MEGABYTE))  # there is no such process
    assert count == BUDGET_BYTES // MEGABYTE
    one.flush()
    with pytest.raises(MailboxFull, match=f"^{BUDGET_BYTES} bytes are under way to worker process 2$"):
        one.send(2, ["large"], 2 * MEGABYTE)
    assert one.send(2, ["small answers pass"], 0) is True
    assert one.send(3, ["others are not concerned"], MEGABYTE) is True
    one.flush()
    bus.run_until(lambda: bus.messages(3) == [["others are not concerned"]])


def test_a_peer_that_joins_late_gets_everything_and_makes_room(bus: Buses) -> None:
    one = bus.join(1)
    count = fill(lambda data: one.send(2, [data], MEGABYTE))
    one.flush()
    bus.join(2)
    bus.run_until(lambda: len(bus.messages(2)) == count)
    bus.buses[2].flush()  # the end of its turn
    bus.run_until(lambda: _has_room(bus))


def _has_room(bus: Buses) -> bool:
    try:
        return bus.buses[1].send(2, [b"x"], MEGABYTE)
    except MailboxFull:
        return False


def test_one_way_traffic_is_acknowledged(bus: Buses) -> None:
    """Many times the budget passes, in one direction, to a peer that only flushes at the end of its turns."""
    one = bus.join(1)
    arrived: list[int] = []

    def received(messages: list[list[bytes]], handled: Callable[[], None]) -> None:
        arrived.extend(len(data) for (data,) in messages)
        handled()
        bus.buses[2].flush()

    bus.join_slowly(2, received)
    data = b"x" * MEGABYTE
    sent = 0
    while sent < 300:
        try:
            one.send(2, [data], MEGABYTE)
            sent += 1
        except MailboxFull:
            one.flush()
            bus.run_until(lambda: _is_less_than_half_full(bus))
    one.flush()
    bus.run_until(lambda: len(arrived) == 300)


def _is_less_than_half_full(bus: Buses) -> bool:
    peer = bus.buses[1]._peers[2]
    return peer.sent - peer.handled < BUDGET_BYTES // 2


def test_messages_that_have_arrived_and_were_not_handled_are_still_under_way(bus: Buses) -> None:
    one = bus.join(1)
    arrived: list[Any] = []
    unhandled: list[Callable[[], None]] = []

    def receive(messages: list[Any], handled: Callable[[], None]) -> None:
        arrived.extend(messages)
        unhandled.append(handled)

    two = bus.join_slowly(2, receive)
    count = fill(lambda data: one.send(2, [data], MEGABYTE))
    one.flush()
    bus.run_until(lambda: len(arrived) == count)
    two.send(1, ["of something else"], SMALL)
    two.flush()
    bus.run_until(lambda: len(bus.messages(1)) == 1)
    with pytest.raises(MailboxFull):
        one.send(2, ["more"], MEGABYTE)
    for handled in unhandled:
        handled()
    two.flush()
    bus.run_until(lambda: _has_room(bus))


def test_the_largest_message_fits_whatever_has_not_been_acknowledged(bus: Buses) -> None:
    assert LARGEST_BYTES + 1024 <= BUDGET_BYTES - _RECEIPT_BYTES
    one = bus.join(1)
    bus.join(2)
    rest = _RECEIPT_BYTES - SMALL  # so little that nothing is said about it
    one.send(2, [b"x" * (rest - SMALL)], rest)
    one.flush()
    bus.run_until(lambda: len(bus.messages(2)) == 1)
    bus.buses[2].flush()
    assert one.send(2, [b"x" * LARGEST_BYTES], LARGEST_BYTES + SMALL) is True
    one.flush()
    bus.run_until(lambda: len(bus.messages(2)) == 2)
    assert len(bus.messages(2)[1][0]) == LARGEST_BYTES
