"""The worker's end of the lane to the socket service: batches of reports in, requests out, questions and answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from skypy.core.errors import MalformedFrame, SocketBroken
from skypy.core.output_marks import OutputMarks
from skypy.core.wire.socket_lane import SOCKET_SERVICE_GONE, Message
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
        ended: Callable[[], None],
        marks: OutputMarks,
    ) -> None:
        """`ended` is called behind the last report. `marks` are cleared when all output has left."""
        self._marks = marks
        self._scheduler = scheduler
        self._loop = scheduler.loop
        self.handlers: dict[int, Callable[[Sequence[Any]], None]] = {}
        """A function for each kind of report; filled in before the loop runs."""
        self._ended = ended
        self._questions: dict[int, Waiter[Any]] = {}  # by ticket
        self._last_ticket = 0
        self._flushed: asyncio.Future[None] | None = None
        self._ahead: list[Sequence[Any]] = []  # reports that came before the one that `wait_for` was waiting for
        self._lane = LoopLane(lane, self._loop, self._received, self._end, self.flush)
        self._raw_lane = lane
        self.take_descriptor = lane.take_descriptor

    def send(self, message: Message) -> None:
        """Send a message with the batch of this turn."""
        if self._lane.idle:  # else a flush is due already, or comes when there is room
            self._scheduler.send_at_end(self.flush)
            self._marks.in_lane = True
        self._lane.send(message)

    def abandon(self) -> None:
        """Close this process's copy of the lane in a forked child."""
        self._lane.abandon()

    @property
    def ended(self) -> bool:
        """True if the socket service is gone."""
        return self._lane.closed

    def wait_for(self, wanted: Callable[[Sequence[Any]], bool]) -> Sequence[Any] | None:
        """Return the first report that is wanted, and let nothing else run meanwhile; None if the lane ends.

        This blocks the worker, which is harmless because the socket service never blocks. All reports are handled
        afterwards, in their order.
        """
        self._loop.call_soon(self._handle_ahead)
        while not self._lane.closed:
            self.flush()
            self._raw_lane.wait()
            reports: list[Sequence[Any]] = self._lane.receive()
            self._ahead += reports
            for report in reports:
                if wanted(report):
                    return report
        return None

    def _handle_ahead(self) -> None:
        if self._ahead:
            ahead, self._ahead = self._ahead, []
            self._scheduler.handle_all(self._handle, ahead)

    def _received(self, reports: list[Sequence[Any]]) -> None:
        if self._ahead:
            self._handle_ahead()
        self._scheduler.handle_all(self._handle, reports)

    def _handle(self, report: Sequence[Any]) -> None:
        self.handlers[report[0]](report)

    def flush(self) -> None:
        """Send the batch of this turn."""
        if not self._lane.idle:
            self._lane.flush()
            marks = self._marks
            marks.in_lane = not self._lane.idle
            if marks.count and not (marks.corked or marks.in_lane):
                marks.clear()
        if self._flushed is not None and self._lane.idle and not self._flushed.done():
            self._flushed.set_result(None)

    async def flushed(self) -> None:
        """Wait until every message has left this process."""
        self._flushed = self._loop.create_future()
        self._scheduler.send_at_end(self.flush)
        await self._flushed

    def _end(self, error: LaneEnded | MalformedFrame) -> None:
        del error  # the socket service is gone, or as good as gone
        for ticket in list(self._questions):
            self.refused(ticket, SocketBroken(SOCKET_SERVICE_GONE, "the socket service is gone"))
        self._ended()

    # -- questions --

    async def ask(
        self, kind: int, *fields: Any, cancelled: Callable[[int], None], unwanted: Callable[..., None]
    ) -> Any:
        """Ask the socket service, and return its answer. Raises the error that `refused` is given.

        When the task that asks is cancelled, `cancelled(ticket)` is called, or `unwanted(*answer)` when the answer has
        crossed the cancellation.
        """
        self._last_ticket += 1
        ticket = self._last_ticket
        self._questions[ticket] = waiter = Waiter[Any](self._loop)
        self.send((kind, ticket, *fields))
        try:
            return await waiter
        except asyncio.CancelledError:
            if self._questions.pop(ticket, None) is not None:
                cancelled(ticket)
            else:
                with contextlib.suppress(OSError, asyncio.CancelledError, asyncio.InvalidStateError):
                    unwanted(*waiter.result())
            raise

    def ask_now(self, kind: int, answer: int, *fields: Any) -> Sequence[Any] | None:
        """Ask the socket service, and let nothing else run until the `answer` has come.

        Return its fields behind the ticket; None if the lane ends.
        """
        self._last_ticket += 1
        ticket = self._last_ticket
        self.send((kind, ticket, *fields))
        report = self.wait_for(lambda report: report[0] == answer and report[1] == ticket)
        return None if report is None else report[2:]

    def answered(self, ticket: int, answer: Any) -> bool:
        """Give an answer to the task that waits for it. Return False if the task waits no longer."""
        waiter = self._questions.pop(ticket, None)
        if waiter is None or waiter.done():
            return False
        waiter.set_result(answer)
        return True

    def refused(self, ticket: int, error: Exception) -> None:
        """Give an error to the task that waits for an answer."""
        waiter = self._questions.pop(ticket, None)
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
