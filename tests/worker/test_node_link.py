"""A worker's link to the node: what counts at once, and what has to wait for a turn."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from skypy.core.causal.fence import Fence
from skypy.core.errors import NameTaken, ServiceError
from skypy.core.wire.control_lane import ANSWER, ASK, DOWN, NAMES, REFUSAL, REGISTER, WITHDRAW
from skypy.lane.lane import Lane, lane_pair
from skypy.worker.actors.scheduler import Scheduler
from skypy.worker.node_link import NodeLink
from skypy.worker.services.directory import Directory

HERE, ELSEWHERE = 0x01000001, 0x02000001


class Stage:
    """The link and the directory of worker 1, and the node's end of the lane."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        ours, theirs = lane_pair()
        self.node = Lane(ours)
        self.found: list[int | None] = []
        self.fence = Fence(1)
        scheduler = Scheduler(loop, time.monotonic, deque(), 1000)
        handlers: dict[int, Callable[..., None]] = {NAMES: self._changed, DOWN: self._look}
        self.link = NodeLink(Lane(theirs), scheduler, handlers, lambda _: None, self.fence)
        self.directory = Directory(self.link, {}, self.fence)

    def _changed(self, number: int, changes: dict[str, int | None]) -> None:
        self.directory.changed(number, changes)

    def _look(self, name: str) -> None:
        self.found.append(self.directory.find(name))

    def node_sends(self, *messages: tuple[Any, ...]) -> None:
        """Send a batch as the node."""
        self.node.send_all(messages)
        self.node.flush()

    def asked(self) -> list[Any]:
        """Return the verbs and arguments of the questions that have come to the node."""
        return [message[2:] for message in self.node.receive() if message[0] == ASK]


@pytest.fixture
def stage() -> Iterator[Stage]:
    loop = asyncio.new_event_loop()
    stage = Stage(loop)
    yield stage
    stage.node.close()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def test_a_handler_finds_a_name_that_stands_behind_it_in_the_batch(stage: Stage) -> None:
    stage.fence.names = 2  # another worker has told of it
    stage.node_sends((NAMES, 1, {".a": HERE}), (DOWN, ".a"), (NAMES, 2, {".a": ELSEWHERE}))
    stage.link.look()
    stage.link.look()
    stage.loop.run_until_complete(asyncio.sleep(0))
    assert stage.found == [ELSEWHERE]


def test_a_handler_of_the_loop_does_so_too(stage: Stage) -> None:
    stage.fence.names = 2
    stage.node_sends((NAMES, 1, {".a": HERE}), (DOWN, ".a"), (NAMES, 2, {".a": ELSEWHERE}))
    while not stage.found:
        stage.loop.run_until_complete(asyncio.sleep(0))
    assert stage.found == [ELSEWHERE]


def test_a_name_that_the_node_refuses_is_asked_for_once(stage: Stage) -> None:
    stage.node_sends((REFUSAL, 1, "NameTaken", "it belongs to another"), (DOWN, ".a"))
    with pytest.raises(NameTaken, match="it belongs to another"):
        stage.directory.register(".a", HERE)
    assert stage.asked() == [[REGISTER, ".a", HERE]]
    stage.loop.run_until_complete(asyncio.sleep(0))
    assert stage.found == [None]


def test_a_name_whose_answer_is_missing_is_withdrawn_and_later_ones_are_not_asked_for(stage: Stage) -> None:
    for _ in range(2):
        with pytest.raises(ServiceError, match="the node has not answered"):
            stage.directory.register(".a", HERE)
    assert stage.asked() == [[REGISTER, ".a", HERE], [WITHDRAW, ".a", HERE], [WITHDRAW, ".a", HERE]]
    stage.node_sends((ANSWER, 1, None), (ANSWER, 2, None), (ANSWER, 3, None))
    stage.link.look()
    stage.node_sends((ANSWER, 4, None))
    stage.directory.register(".b", HERE)
    assert stage.asked() == [[REGISTER, ".b", HERE]]


def test_a_node_that_is_gone_is_said(stage: Stage) -> None:
    stage.node.close()
    with pytest.raises(ServiceError, match="the node is gone"):
        stage.directory.register(".a", HERE)


def test_an_actor_has_its_name_asked_for_once(stage: Stage) -> None:
    stage.node_sends((NAMES, 1, {".a": HERE}), (ANSWER, 1, None))
    stage.directory.register(".a", HERE)
    stage.directory.register(".a", HERE)
    assert stage.asked() == [[REGISTER, ".a", HERE]]
