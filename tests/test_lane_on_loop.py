"""A lane on an asyncio loop: batches to a callback, the rest of the output when there is room, one way to end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from skypy.core.errors import MalformedFrame
from skypy.core.wire.frames import HEADER, MARK
from skypy.lane.lane import Lane, LaneEnded, lane_pair
from skypy.lane.on_loop import LoopLane
from tests.lanes import BIG, everything, lane_ends
from tests.net.descriptors import open_descriptors

SECONDS = 20.0
MALFORMED = HEADER.pack(MARK, 0, 0, 1) + b"\xc1"


class Stage:
    """A lane on a loop, its other end, and the calls that were made."""

    def __init__(self, loop: asyncio.AbstractEventLoop, here: Lane, there: Lane) -> None:
        self.loop = loop
        self.there = there
        self.received: list[Any] = []
        self.errors: list[Exception] = []
        self.lane = LoopLane(here, loop, self.received.append, self.errors.append)

    def run_until(self, condition: Callable[[], bool]) -> None:
        """Run the loop until a condition holds."""

        async def wait() -> None:
            async with asyncio.timeout(SECONDS):
                while not condition():
                    await asyncio.sleep(0.001)

        self.loop.run_until_complete(wait())


@pytest.fixture
def stage() -> Iterator[Stage]:
    loop = asyncio.new_event_loop()
    with lane_ends() as ends:
        stage = Stage(loop, *ends)
        yield stage
        stage.lane.close()
    loop.close()


def test_batches_come_to_the_callback(stage: Stage) -> None:
    stage.there.send((1, "one"))
    stage.there.flush()
    stage.run_until(lambda: stage.received == [[[1, "one"]]])


def test_the_rest_of_the_output_leaves_when_there_is_room(stage: Stage) -> None:
    stage.lane.send((BIG,))
    stage.lane.flush()
    assert stage.lane.writing
    assert not stage.lane.idle
    arrived: list[Any] = []
    stage.loop.add_reader(stage.there.fileno(), lambda: arrived.extend(stage.there.receive()))
    stage.run_until(lambda: arrived == [[BIG]])
    stage.loop.remove_reader(stage.there.fileno())
    assert not stage.lane.writing
    assert stage.lane.idle


def test_reading_by_hand_says_whether_there_was_something(stage: Stage) -> None:
    assert stage.lane.read() is False
    stage.there.send(("by hand",))
    stage.there.flush()
    assert stage.lane.read() is True
    assert stage.received == [[["by hand"]]]


def test_the_end_comes_behind_the_last_message_and_once(stage: Stage) -> None:
    stage.there.send(("last",))
    stage.there.flush()
    stage.there.close()
    stage.run_until(lambda: bool(stage.errors))
    assert stage.received == [[["last"]]]
    assert stage.lane.read() is False
    assert [type(error) for error in stage.errors] == [LaneEnded]
    assert stage.lane.closed


def test_an_end_while_output_is_left_drops_it_and_later_messages(stage: Stage) -> None:
    stage.lane.send((BIG,))
    stage.lane.flush()
    stage.there.close()
    stage.run_until(lambda: bool(stage.errors))
    stage.lane.send(("late",))
    stage.lane.flush()
    assert stage.lane.idle
    assert not stage.lane.writing


def test_bytes_that_are_no_batch_end_the_lane_for_both_sides() -> None:
    loop = asyncio.new_event_loop()
    before = open_descriptors()
    here, there = lane_pair()
    errors: list[Exception] = []
    lane = LoopLane(Lane(here), loop, print, errors.append)
    with there:
        there.sendall(MALFORMED)
        while not errors:
            loop.run_until_complete(asyncio.sleep(0.001))
        assert [type(error) for error in errors] == [MalformedFrame]
        assert lane.closed
        assert there.recv(1) == b""
    assert open_descriptors() == before
    loop.close()


def test_a_lane_that_was_closed_here_hears_nothing(stage: Stage) -> None:
    stage.there.send(("too late",))
    stage.there.flush()
    stage.lane.close()
    stage.lane.close()
    assert stage.lane.read() is False
    assert (stage.received, stage.errors) == ([], [])


def test_the_loop_watches_no_lane_that_was_closed_while_output_was_left(stage: Stage) -> None:
    descriptor = stage.lane._descriptor
    stage.lane.send((BIG,))
    stage.lane.flush()
    assert stage.lane.writing
    stage.lane.close()
    assert not stage.loop.remove_writer(descriptor)  # else the next socket with this number would be taken for the lane
    assert not stage.loop.remove_reader(descriptor)


def test_waiting_for_a_lane_that_was_closed_here_returns_at_once() -> None:
    with lane_ends() as ends, contextlib.suppress(LaneEnded):
        ends.here.close()
        ends.here.wait()
        ends.here.receive()
        raise AssertionError("a closed lane has not ended")


def test_room_may_be_dealt_with_by_the_caller() -> None:
    loop = asyncio.new_event_loop()
    with lane_ends() as ends:
        asked: list[bool] = []

        def room() -> None:
            asked.append(True)
            lane.flush()

        lane = LoopLane(ends.here, loop, print, print, room)
        lane.send((BIG,))
        lane.flush()
        while lane.writing:
            ends.there.receive()
            loop.run_until_complete(asyncio.sleep(0))
        assert asked
        assert everything(ends.here, ends.there) == [[BIG]]
        lane.close()
    loop.close()


@pytest.mark.parametrize("closed", [True, False])
def test_the_rest_of_a_process_that_has_died_is_read_at_once(stage: Stage, *, closed: bool) -> None:
    for number in range(3):
        stage.there.send((number,))
        stage.there.flush()
    if closed:
        stage.there.close()
    assert stage.lane.receive_rest() == [[0], [1], [2]]
    assert stage.lane.closed
    assert stage.lane.receive_rest() == []
    assert (stage.received, stage.errors) == ([], [])
