"""A worker's link to its node: messages and questions over the control lane, and the messages that come back.

A message to the node may lead to a write by an actor of any worker. So it waits until the foreign writes of this worker
have passed the socket service, and carries their total if that has changed. See `Fence`.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from skypy.core import errors
from skypy.core.causal.fence import Fence
from skypy.core.errors import MalformedFrame, ServiceError, SkypyError
from skypy.core.wire.control_lane import ANSWER, ASK, GIVE_UP, NAMES, NEW_SERVICE, REFUSAL, TOTAL
from skypy.lane.lane import Lane, LaneEnded
from skypy.lane.on_loop import LoopLane
from skypy.worker.actors.scheduler import Scheduler
from skypy.worker.tasks.waiter import Waiter

LONGEST_WAIT_SECONDS: Final = 1.0
"""The time for which a plain function may hold up its worker for the node, which answers within a millisecond."""
_NO_ANSWER: Final = f"the node has not answered within {LONGEST_WAIT_SECONDS:g} s"
_KNOWN_ERRORS: Final = {name: value for name, value in vars(errors).items() if isinstance(value, type)}


class NodeLink:
    """The control lane of a worker."""

    def __init__(
        self,
        control: Lane,
        scheduler: Scheduler,
        handlers: Mapping[int, Callable[..., None]],
        node_gone: Callable[[LaneEnded | MalformedFrame], None],
        fence: Fence,
    ) -> None:
        """`handlers` take the fields of all messages but answers, by their kind; `node_gone` is for the node's end."""
        self._control = control
        self._scheduler = scheduler
        self._loop = scheduler.loop
        self._handlers = handlers
        self._tickets = itertools.count(1)
        self._waiting: dict[int, Waiter[Any]] = {}
        self._unwanted: dict[int, Callable[[Any], object]] = {}
        """Functions for answers to NEW_SERVICE, in case that they are not waited for any more."""
        self._later: deque[Sequence[Any]] = deque()
        """Messages that were read by the way, and that wait for a turn."""
        self._asked = 0
        """The ticket of the last question of `ask_now`."""
        self._answer: Sequence[Any] | None = None
        """The answer to this question."""
        self._overdue = 0
        """The ticket of the question that the node has not answered in time and still owes; 0: there is none."""
        self._fence = fence
        self._kept: deque[tuple[int, tuple[Any, ...]]] = deque()
        """Messages that wait for foreign writes of this worker, each with their count."""
        self._told_total = 0
        self._lane = LoopLane(control, self._loop, self.received, node_gone)
        self.flush = self._lane.flush
        """The function that sends as much as the lane takes; the rest follows when there is room."""

    def abandon(self) -> None:
        """Close this process's copy of the lane in a forked child."""
        self._lane.abandon()

    def send(self, message: tuple[Any, ...]) -> None:
        """Send a message to the node at once."""
        if self._may_go(message):
            self._put(message)
            self.flush()

    def send_later(self, message: tuple[Any, ...]) -> None:
        """Send a message at the end of this turn: a burst of messages costs one system call."""
        fence = self._fence
        if (self._kept or fence.own_passed < fence.made) and not self._may_go(message):
            return
        if self._control.idle:  # else a flush is due already, or comes when there is room
            self._scheduler.send_last(self.flush)
        if fence.known > self._told_total:
            self._tell(fence.known)
        self._control.send(message)

    def _put(self, message: tuple[Any, ...]) -> None:
        """Put a message on the lane, behind the total that this worker knows of."""
        if self._fence.known > self._told_total:
            self._tell(self._fence.known)
        self._control.send(message)

    def _tell(self, total: int) -> None:
        """Tell the node a higher total than before."""
        self._told_total = total
        self._control.send((TOTAL, total))

    def _may_go(self, message: tuple[Any, ...]) -> bool:
        """Return True if a message may go now; else it goes when the foreign writes made before have passed."""
        fence = self._fence
        if not self._kept and fence.own_has_passed:
            return True
        self._kept.append((fence.made, message))
        if len(self._kept) == 1:
            fence.wait(fence.own, fence.made, 0, self._let_go)
        return False

    def _let_go(self) -> None:
        fence, kept = self._fence, self._kept
        while kept:
            made, message = kept[0]
            if not fence.is_met(fence.own, made, 0):
                fence.wait(fence.own, made, 0, self._let_go)
                break
            kept.popleft()
            self._put(message)
        self.flush()

    async def ask(self, verb: str, *arguments: Any) -> Any:
        """Return the node's answer. Raises the error by which the node refuses."""
        ticket = next(self._tickets)
        waiter = self._waiting[ticket] = Waiter[Any](self._loop)
        self.send((ASK, ticket, verb, *arguments))
        try:
            return await waiter
        finally:
            self._waiting.pop(ticket, None)

    async def ask_for_service(self, unwanted: Callable[[Any], object], *arguments: Any) -> Any:
        """Return the node's answer to NEW_SERVICE.

        When the task that asks is cancelled the service is given up, and `unwanted(address)` is called if it has
        started all the same.
        """
        ticket = next(self._tickets)
        waiter = self._waiting[ticket] = Waiter[Any](self._loop)
        self._unwanted[ticket] = unwanted
        self.send((ASK, ticket, NEW_SERVICE, *arguments))
        try:
            return await waiter
        except asyncio.CancelledError:
            if ticket in self._waiting:
                self.tell(GIVE_UP, ticket)
            else:  # the answer has crossed the cancellation
                with suppress(SkypyError, asyncio.CancelledError, asyncio.InvalidStateError):
                    unwanted(waiter.result())
            raise

    def tell(self, verb: str, *arguments: Any) -> None:
        """Ask, and wait for no answer."""
        self.send((ASK, next(self._tickets), verb, *arguments))

    # -- blocking the worker: nothing else runs meanwhile --

    def ask_now(self, verb: str, *arguments: Any) -> Any:
        """Return the node's answer, and let nothing else run meanwhile: for rare verbs that are plain functions.

        This blocks the worker, for at most a second. Raises as `ask` does, and ServiceError when the node is gone or
        does not answer in time; as long as that answer is missing, further questions fail without a wait.
        """
        if self._overdue:
            self.look()
            if self._overdue:
                raise ServiceError(_NO_ANSWER)
        ticket = next(self._tickets)
        if self._kept or not self._fence.own_has_passed:
            self._tell(max(self._fence.pass_now(), self._told_total))
            while self._kept:
                self._put(self._kept.popleft()[1])
        self._put((ASK, ticket, verb, *arguments))
        self.flush()
        self._expect(ticket)
        if not self.wait_until(lambda: self._answer is not None):
            self._overdue = ticket
            raise ServiceError(_NO_ANSWER)
        answer = self._answer
        assert answer is not None
        if answer[0] == REFUSAL:
            raise _error(*answer[2:])
        return answer[2]

    def _expect(self, ticket: int) -> None:
        """Keep the answer with this ticket for `ask_now`."""
        # By itself: behind such an assignment the compiler takes the attribute for None, whatever is called.
        self._asked, self._answer = ticket, None

    def wait_until(self, arrived: Callable[[], bool]) -> bool:
        """Read the lane until `arrived()` is true. Return False if that takes more than a second.

        Raises ServiceError when the node is gone.
        """
        deadline = self._loop.time() + LONGEST_WAIT_SECONDS
        while not arrived():
            left = deadline - self._loop.time()
            if left <= 0:
                return False
            self._control.wait(left)
            self.flush()
            self._read()
            if self._lane.closed:
                raise ServiceError("the node is gone")
        return True

    def look(self) -> None:
        """Read the messages that have arrived: names count at once, others wait for a turn."""
        while self._read():
            pass

    def _read(self) -> bool:
        messages: list[Any] = self._lane.receive()
        self._sort(messages)
        if self._later:
            self._loop.call_soon(self._handle_later)
        return bool(messages)

    # -- messages of the node --

    def received(self, messages: Iterable[Sequence[Any]]) -> None:
        """Handle messages of the node, in a turn."""
        self._sort(messages)
        self._handle_later()

    def _sort(self, messages: Iterable[Sequence[Any]]) -> None:
        """Let names and totals count at once, and keep the rest for a turn.

        A handler that runs in this turn finds the names of all messages that have come, and never waits for one of
        them.
        """
        for message in messages:
            kind = message[0]
            if kind in (TOTAL, NAMES):
                self._handle(message)
            elif kind in (ANSWER, REFUSAL) and message[1] == self._asked:
                self._answer = message
                self._overdue = 0
            else:
                self._later.append(message)

    def _handle_later(self) -> None:
        if self._later:
            later, self._later = self._later, deque()
            self._scheduler.handle_all(self._handle, later)

    def _handle(self, message: Sequence[Any]) -> None:
        kind, *fields = message
        if kind == TOTAL:
            self._fence.require(*fields)
            return
        if kind not in (ANSWER, REFUSAL):
            self._handlers[kind](*fields)
            return
        ticket, *answer = fields
        if ticket == self._overdue:
            self._overdue = 0
        waiter, unwanted = self._waiting.pop(ticket, None), self._unwanted.pop(ticket, None)
        if waiter is None or waiter.done():  # the task that has asked was cancelled
            if unwanted is not None and kind == ANSWER:
                unwanted(answer[0])
            return
        if kind == ANSWER:
            waiter.set_result(answer[0])
        else:
            waiter.set_exception(_error(*answer))


def _error(name: str, text: str) -> SkypyError:
    cls = _KNOWN_ERRORS.get(name, ServiceError)
    return cls(text) if issubclass(cls, SkypyError) else ServiceError(text)
