"""The lane: batches in order, whatever the pieces, and nothing lost when an end dies."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from skypy.core.errors import MalformedFrame
from skypy.core.wire.frames import HEADER, MARK, encode
from skypy.lane.lane import Lane, LaneEnded, lane_pair
from tests.lanes import BIG, Ends, everything, lane_ends, to_the_end


@pytest.fixture
def ends() -> Iterator[Ends]:
    """A lane."""
    with lane_ends() as ends:
        yield ends


def test_messages_travel_in_batches_when_they_are_flushed(ends: Ends) -> None:
    ends.here.send((1, "one"))
    ends.here.send((2, b"two", None, [3.5, True], {"key": -1}))
    assert not ends.here.idle
    assert ends.there.receive() == []
    assert ends.here.flush()
    assert ends.here.idle
    assert ends.there.receive() == [[1, "one"], [2, b"two", None, [3.5, True], {"key": -1}]]
    assert ends.there.receive() == []


def test_batches_stay_in_order_and_may_be_read_at_once(ends: Ends) -> None:
    for number in range(1000):
        ends.here.send((number,))
        if number % 7 == 0:
            ends.here.flush()
    ends.here.flush()
    assert ends.there.receive() == [[number] for number in range(1000)]


def test_flushing_nothing_sends_nothing(ends: Ends) -> None:
    assert ends.here.flush()
    assert ends.there.receive() == []


def test_output_that_the_kernel_does_not_take_is_kept_and_counted(ends: Ends) -> None:
    ends.here.send((BIG,))
    ends.here.send(("behind",))
    assert not ends.here.flush()
    left = ends.here.unsent
    assert 0 < left < len(BIG)
    assert not ends.here.idle
    ends.here.send(("later",))
    assert not ends.here.flush()
    assert ends.here.unsent > left
    assert everything(ends.here, ends.there) == [[BIG], ["behind"], ["later"]]
    assert ends.here.unsent == 0
    assert ends.here.idle


def test_reading_does_not_wait_for_ones_own_output(ends: Ends) -> None:
    for end in ends:
        end.send((BIG,))
        assert not end.flush()
    assert everything(ends.here, ends.there) == [[BIG]]
    assert everything(ends.there, ends.here) == [[BIG]]


def test_messages_arrive_whole_whatever_the_pieces() -> None:
    here, there = lane_pair()
    lane = Lane(there)
    with here:
        batch = encode([(1, "a"), (2, "b")])
        for byte in batch[:-1]:
            here.send(bytes([byte]))
            assert lane.receive() == []
        here.send(batch[-1:] + encode([(3, "c")]))
        assert lane.receive() == [[1, "a"], [2, "b"], [3, "c"]]
    lane.close()


@pytest.mark.interpreted
def test_a_batch_that_fits_into_no_frame_goes_message_by_message(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("skypy.core.wire.frames._LARGEST_BODY_BYTES", 10)
    for number in range(3):
        ends.here.send((number, "text"))
    assert everything(ends.here, ends.there) == [[0, "text"], [1, "text"], [2, "text"]]


@pytest.mark.parametrize(
    "wrong",
    [
        HEADER.pack(MARK, 0, 0, 1) + b"\xc1",
        HEADER.pack(MARK, 0, 0, 1) + b"\x07",
        HEADER.pack(MARK, 0, 0, 0xFFFFFFFF),
        HEADER.pack(b"no", 0, 0, 10),
        b"\xff\xff\xff\xff\0\0",
        b"hello",
        b"\0",
        encode([(1,)]) + b"\n",
    ],
)
def test_bytes_that_are_not_a_batch_are_malformed_at_once(wrong: bytes) -> None:
    here, there = lane_pair()
    lane = Lane(there)
    with here:
        here.send(wrong)
        with pytest.raises(MalformedFrame):
            lane.receive()
    lane.close()


def test_bytes_that_strayed_in_before_a_batch_are_malformed_when_it_comes() -> None:
    here, there = lane_pair()
    lane = Lane(there)
    with here:
        here.send(MARK[:1])  # it may be the beginning of a header
        assert lane.receive() == []
        here.send(encode([(1,)]))
        with pytest.raises(MalformedFrame):
            lane.receive()
    lane.close()


class Short(socket.socket):
    """A socket whose kernel has no memory for the moment, as often as `errors` say so."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.errors: list[int] = []

    def recvmsg_into(self, *args: Any) -> Any:
        self._fail()
        return super().recvmsg_into(*args)

    def send(self, *args: Any) -> int:
        self._fail()
        return super().send(*args)

    def _fail(self) -> None:
        if self.errors:
            number = self.errors.pop()
            raise OSError(number, os.strerror(number))


@pytest.mark.parametrize("error", [errno.ENOMEM, errno.ENOBUFS])
def test_a_lane_whose_kernel_has_no_memory_for_the_moment_goes_on_later(error: int) -> None:
    one, other = lane_pair()
    here, there = Short(fileno=one.detach()), Short(fileno=other.detach())
    sender, receiver = Lane(here), Lane(there)
    sender.send((1, "one"))
    here.errors = [error]
    assert not sender.flush()
    assert sender.flush()
    there.errors = [error, error]
    assert [receiver.receive(), receiver.receive(), receiver.receive()] == [[], [], [[1, "one"]]]
    for end in (sender, receiver):
        end.close()


@pytest.mark.interpreted
def test_a_batch_without_memory_is_packed_message_by_message(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    most = 1

    def packed(batch: list[Any], descriptors: int = 0) -> bytes:
        if len(batch) > most:
            raise MemoryError
        return encode(batch, descriptors)

    monkeypatch.setattr("skypy.lane.lane.encode", packed)
    with open(os.devnull) as first, open(os.devnull) as second:
        ends.here.send_with_descriptor((1,), first.fileno())
        ends.here.send((2,))
        ends.here.send_with_descriptor((3,), second.fileno())
        most = 0
        with pytest.raises(MemoryError):
            ends.here.flush()
        most = 1
        assert ends.here.flush()  # nothing was lost
    assert everything(ends.here, ends.there) == [[1], [2], [3]]
    for _ in range(2):
        descriptor = ends.there.take_descriptor()
        assert descriptor is not None
        os.close(descriptor)


@pytest.mark.parametrize("unread", [False, True])
def test_messages_of_a_dead_peer_are_read_before_the_end(ends: Ends, unread: bool) -> None:
    if unread:
        ends.there.send(("never read",))
        ends.there.flush()
    for number in range(3):
        ends.here.send((number, BIG[:100_000]))
        ends.here.flush()
    ends.here.close()
    received = to_the_end(ends.there)
    assert [number for number, _ in received] == [0, 1, 2]
    with pytest.raises(LaneEnded):
        ends.there.receive()


def test_the_end_is_not_an_error_for_the_one_that_writes(ends: Ends) -> None:
    ends.here.send((BIG,))
    assert not ends.here.flush()
    ends.there.close()
    ends.here.send(("to nobody",))
    assert ends.here.flush()
    assert ends.here.idle
    assert ends.here.unsent == 0
    with pytest.raises(LaneEnded):
        ends.here.receive()
