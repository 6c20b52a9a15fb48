"""The worker's end of the lane: batches of reports in, requests out, answers to who has asked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from skypy.core.errors import MalformedFrame, SocketBroken
from skypy.core.wire.socket_lane import SERVICE_GONE, Message
from skypy.lane.lane import Lane, LaneEnded
from skypy.lane.on_loop import LoopLane
from skypy.worker.actors.scheduler import Scheduler
from skypy.worker.tasks.waiter import Waiter


class SocketLane:
    """The lane to the socket service, in the turns of the worker's scheduler."""

    def __init__(
        self,
        lane: Lane,
        scheduler: Scheduler,
        reports: Mapping[int, Callable[[Sequence[Any]], None]],
        ended: Callable[[], None],
    ) -> None:
        """`reports` handles messages by their kind; `ended` is called behind the last one."""
        self._scheduler = scheduler
        self._loop = scheduler.loop
        self._reports = reports
        self._ended = ended
        self._requests: dict[int, Waiter[Any]] = {}
        self._last_request = 0
        self._flushed: asyncio.Future[None] | None = None
        self._lane = LoopLane(lane, self._loop, self._received, self._end, scheduler.end_turn)
        self.take_descriptor = lane.take_descriptor

    def send(self, message: Message) -> None:
        """Say something with the batch of this turn."""
        self._lane.send(message)
        self._scheduler.request_turn()

    def _received(self, messages: list[Any]) -> None:
        scheduler = self._scheduler
        reports = self._reports
        scheduler.begin_turn()
        left = iter(messages)
        while True:
            try:
                for message in left:
                    reports[message[0]](message)
                    if scheduler.unsettled:
                        scheduler.settle()
                break
            except (SystemExit, KeyboardInterrupt):
                continue  # raised by a task's step; the task has it, and whoever looks after the task logs it
        scheduler.end_turn()

    def flush(self) -> None:
        """The end of a turn: one send."""
        if not self._lane.idle:
            self._lane.flush()
        if self._flushed is not None and self._lane.idle and not self._flushed.done():
            self._flushed.set_result(None)

    async def flushed(self) -> None:
        """Wait until everything that was said has left this process."""
        self._flushed = self._loop.create_future()
        self._scheduler.request_turn()
        await self._flushed

    def _end(self, error: LaneEnded | MalformedFrame) -> None:
        del error  # the socket service is gone, whichever it is
        for request in list(self._requests):
            self.refused(request, SocketBroken(SERVICE_GONE, "the socket service is gone"))
        self._ended()

    # -- questions --

    async def ask(
        self, kind: int, *fields: Any, cancelled: Callable[[int], None], unwanted: Callable[..., None]
    ) -> Any:
        """The answer of the service. Raises what `refused` is given.

        When whoever asks is cancelled, `cancelled(request)` is called, or `unwanted(*answer)` when the answer has
        crossed the cancellation.
        """
        self._last_request += 1
        request = self._last_request
        self._requests[request] = waiter = Waiter[Any](self._loop)
        self.send((kind, request, *fields))
        try:
            return await waiter
        except asyncio.CancelledError:
            if self._requests.pop(request, None) is not None:
                cancelled(request)
            else:
                with contextlib.suppress(OSError, asyncio.CancelledError, asyncio.InvalidStateError):
                    unwanted(*waiter.result())
            raise

    def answered(self, request: int, answer: Any) -> bool:
        """Give an answer to who waits for it; False when nobody does any more."""
        waiter = self._requests.pop(request, None)
        if waiter is None or waiter.done():
            return False
        waiter.set_result(answer)
        return True

    def refused(self, request: int, error: Exception) -> None:
        """Give an error to who waits."""
        waiter = self._requests.pop(request, None)
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
