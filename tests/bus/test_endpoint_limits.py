"""What the bus does not take: bytes of strangers, messages of the dead, and more than is good."""

import os
import socket
from collections.abc import Callable

import pytest
import zmq

from skypy.bus.endpoint import _ACKNOWLEDGE_EVERY_BYTES, BUDGET_BYTES
from skypy.core.codec import pack
from skypy.core.errors import MailboxFull
from skypy.core.values import LARGEST_BYTES
from tests.bus.conftest import TOKEN, Bus

SMALL = 100
MEGABYTE = 1_000_000


# -- strangers ---------------------------------------------------------------------------------------------------------


class Stranger:
    """Somebody who can reach the path of an endpoint and sends frames of his own."""

    def __init__(self, bus: Bus, number: int) -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PUSH)
        self._socket.connect(f"ipc://{bus.directory}/{number}")

    def send(self, frame: bytes) -> None:
        self._socket.send(frame)

    def close(self) -> None:
        self._socket.close(linger=0)
        self._context.term()


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "malformed"),
        (b"\xc1", "malformed"),
        (b"\x94", "malformed"),
        (pack(None), "malformed"),
        (pack([]), "malformed"),
        (pack("abcd"), "token"),
        (pack({"a": 1, "b": 2, "c": 3, "d": 4}), "token"),
        (pack([TOKEN, 1, 0]), "malformed"),
        (pack([TOKEN, 1, 0, [], 5]), "malformed"),
        (pack([TOKEN, [1], 0, []]), "malformed"),
        (pack([TOKEN, "1", 0, []]), "malformed"),
        (pack([TOKEN, 1, None, []]), "malformed"),
        (pack([TOKEN, 1, 0, {}]), "malformed"),
        (pack([TOKEN, True, 0, []]), "malformed"),
        (pack([b"another secret..", 1, 0, [["forged"]]]), "token"),
        (pack([TOKEN.decode(), 1, 0, [["forged"]]]), "token"),
        (pack([None, 1, 0, [["forged"]]]), "token"),
        (pack([TOKEN, 9, 0, [["from the dead"]]]), "dead"),
        (os.urandom(1000), None),
    ],
)
def test_frames_of_strangers_are_dropped_and_counted(bus: Bus, frame: bytes, reason: str | None) -> None:
    one, two = bus.join(1), bus.join(2)
    two.died(9)
    stranger = Stranger(bus, 2)
    stranger.send(frame)
    bus.run_until(lambda: two.dropped.total() == 1)
    if reason is not None:
        assert two.dropped == {reason: 1}
    one.post(2, ["real"], SMALL)
    one.flush()
    bus.run_until(lambda: bus.batches[2] == [[["real"]]])
    stranger.close()


def test_random_bytes_on_the_path_of_an_endpoint_do_no_harm(bus: Bus) -> None:
    one, two = bus.join(1), bus.join(2)
    for number in range(50):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"{bus.directory}/2")
            # What does not begin like ZeroMQ's greeting is taken for an older protocol's message.
            client.sendall(bytes([1 + number % 3]) + os.urandom(299))
    for number in range(100):
        one.post(2, [number], SMALL)
        one.flush()
    bus.run_until(lambda: len(bus.messages(2)) == 100)
    assert bus.messages(2) == [[number] for number in range(100)]
    assert set(two.dropped) <= {"malformed", "token"}


# -- the dead and the unborn -------------------------------------------------------------------------------------------


def test_nothing_goes_to_the_dead(bus: Bus) -> None:
    one, _ = bus.join(1), bus.join(2)
    one.post(2, ["held back"], SMALL)
    one.died(2)
    assert one.post(2, ["late"], SMALL) is False
    one.flush()
    one.post(3, ["to the living"], SMALL)
    bus.join(3)
    one.flush()
    bus.run_until(lambda: bus.messages(3) == [["to the living"]])
    assert bus.messages(2) == []


def test_nothing_is_taken_from_the_dead(bus: Bus) -> None:
    one, two = bus.join(1), bus.join(2)
    two.died(1)
    two.died(1)
    one.post(2, ["from the grave"], SMALL)
    one.flush()
    bus.run_until(lambda: two.dropped == {"dead": 1})
    assert bus.batches[2] == []


def test_what_was_sent_to_a_dead_process_does_not_reach_the_next_one(bus: Bus) -> None:
    one = bus.join(1)
    one.post(2, ["to the second"], SMALL)
    one.flush()
    one.died(2)
    bus.join(3)
    one.post(3, ["to the third"], SMALL)
    one.flush()
    bus.run_until(lambda: bus.messages(3) == [["to the third"]])


def test_a_process_that_was_not_there_may_come(bus: Bus) -> None:
    one = bus.join(1)
    one.post(2, ["too early"], SMALL)
    one.flush()
    one.unborn(2)
    two = bus.join(2)
    one.post(2, ["in time"], SMALL)
    one.flush()
    bus.run_until(lambda: bus.messages(2) == [["in time"]])
    two.post(1, ["back"], SMALL)
    two.flush()
    bus.run_until(lambda: bus.messages(1) == [["back"]])
    one.unborn(2)  # old news: it has been heard of
    one.post(2, ["still there"], SMALL)
    one.flush()
    bus.run_until(lambda: len(bus.messages(2)) == 2)


# -- the budget --------------------------------------------------------------------------------------------------------


def fill(post: Callable[[bytes], bool]) -> int:
    """Post megabytes until it is too much; how many were taken."""
    data = b"x" * MEGABYTE
    for count in range(1000):
        try:
            post(data)
        except MailboxFull:
            return count
    raise AssertionError("there is no end")


def test_what_is_under_way_to_one_peer_is_bounded(bus: Bus) -> None:
    one, _ = bus.join(1), bus.join(3)
    count = fill(lambda data: one.post(2, [data], MEGABYTE))  # nobody is there
    assert count == BUDGET_BYTES // MEGABYTE
    one.flush()
    with pytest.raises(MailboxFull, match=f"^{BUDGET_BYTES} bytes are under way to worker process 2$"):
        one.post(2, ["large"], 2 * MEGABYTE)
    assert one.post(2, ["small answers pass"], 0) is True
    assert one.post(3, ["others are not concerned"], MEGABYTE) is True
    one.flush()
    bus.run_until(lambda: bus.messages(3) == [["others are not concerned"]])


def test_who_comes_late_gets_everything_and_makes_room(bus: Bus) -> None:
    one = bus.join(1)
    count = fill(lambda data: one.post(2, [data], MEGABYTE))
    one.flush()
    bus.join(2)
    bus.run_until(lambda: len(bus.messages(2)) == count)
    bus.endpoints[2].flush()  # the end of its turn
    bus.run_until(lambda: _has_room(bus))


def _has_room(bus: Bus) -> bool:
    try:
        return bus.endpoints[1].post(2, [b"x"], MEGABYTE)
    except MailboxFull:
        return False


def test_one_way_traffic_is_acknowledged(bus: Bus) -> None:
    """Many times the budget passes, in one direction, to a peer that only flushes at the end of its turns."""
    one = bus.join(1)
    arrived: list[int] = []

    def received(messages: list[list[bytes]], handled: Callable[[], None]) -> None:
        arrived.extend(len(data) for (data,) in messages)
        handled()
        bus.endpoints[2].flush()

    bus.join_slowly(2, received)
    data = b"x" * MEGABYTE
    sent = 0
    while sent < 300:
        try:
            one.post(2, [data], MEGABYTE)
            sent += 1
        except MailboxFull:
            one.flush()
            bus.run_until(lambda: _is_less_than_half_full(bus))
    one.flush()
    bus.run_until(lambda: len(arrived) == 300)


def _is_less_than_half_full(bus: Bus) -> bool:
    peer = bus.endpoints[1]._peers[2]
    return peer.sent - peer.acknowledged < BUDGET_BYTES // 2


def test_what_has_arrived_and_was_not_handled_is_still_under_way(bus: Bus) -> None:
    one = bus.join(1)
    unhandled: list[Callable[[], None]] = []
    two = bus.join_slowly(2, lambda _, handled: unhandled.append(handled))
    fill(lambda data: one.post(2, [data], MEGABYTE))
    one.flush()
    bus.run_until(lambda: len(unhandled) == 1)
    two.post(1, ["of something else"], SMALL)  # which would carry an acknowledgement
    two.flush()
    bus.run_until(lambda: len(bus.messages(1)) == 1)
    with pytest.raises(MailboxFull):
        one.post(2, ["more"], MEGABYTE)
    unhandled.pop()()
    two.flush()
    bus.run_until(lambda: _has_room(bus))


def test_the_largest_message_fits_whatever_has_not_been_acknowledged(bus: Bus) -> None:
    assert LARGEST_BYTES + 1024 <= BUDGET_BYTES - _ACKNOWLEDGE_EVERY_BYTES
    one = bus.join(1)
    bus.join(2)
    rest = _ACKNOWLEDGE_EVERY_BYTES - SMALL  # so little that nothing is said about it
    one.post(2, [b"x" * (rest - SMALL)], rest)
    one.flush()
    bus.run_until(lambda: len(bus.messages(2)) == 1)
    bus.endpoints[2].flush()
    assert one.post(2, [b"x" * LARGEST_BYTES], LARGEST_BYTES + SMALL) is True
    one.flush()
    bus.run_until(lambda: len(bus.messages(2)) == 2)
    assert len(bus.messages(2)[1][0]) == LARGEST_BYTES
