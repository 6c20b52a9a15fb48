"""A worker's link to its node: messages and questions over the control lane, and the messages that come back."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from skypy.core import errors
from skypy.core.errors import MalformedFrame, ServiceError, SkypyError
from skypy.core.wire.control_lane import ANSWER, ASK, REFUSAL
from skypy.lane.lane import Lane, LaneEnded
from skypy.lane.on_loop import LoopLane
from skypy.worker.actors.scheduler import Scheduler
from skypy.worker.tasks.waiter import Waiter

_KNOWN_ERRORS: Final = {name: value for name, value in vars(errors).items() if isinstance(value, type)}


class NodeLink:
    """The control lane of a worker."""

    def __init__(
        self,
        control: Lane,
        scheduler: Scheduler,
        handlers: Mapping[int, Callable[..., None]],
        node_gone: Callable[[], None],
    ) -> None:
        """`handlers` take the fields of all messages but answers, by their kind; `node_gone` is for the node's end."""
        self._control = control
        self._scheduler = scheduler
        self._loop = scheduler.loop
        self._handlers = handlers
        self._node_gone = node_gone
        self._tickets = itertools.count(1)
        self._waiting: dict[int, Waiter[Any]] = {}
        self._later: deque[Sequence[Any]] = deque()
        """Messages that came before the answer that `ask_now` was waiting for."""
        self._lane = LoopLane(control, self._loop, self._received, self._node_has_gone)
        self.flush = self._lane.flush
        """The function that sends as much as the lane takes; the rest follows when there is room."""

    def send(self, message: tuple[Any, ...]) -> None:
        """Send a message to the node at once."""
        self._control.send(message)
        self.flush()

    def send_later(self, message: tuple[Any, ...]) -> None:
        """Send a message at the end of this turn: a burst of messages costs one system call."""
        if self._control.idle:  # else a flush is due already, or comes when there is room
            self._scheduler.send_last(self.flush)
        self._control.send(message)

    async def ask(self, verb: str, *arguments: Any) -> Any:
        """Return the node's answer. Raises the error by which the node refuses."""
        ticket = next(self._tickets)
        waiter = self._waiting[ticket] = Waiter[Any](self._loop)
        self.send((ASK, ticket, verb, *arguments))
        try:
            return await waiter
        finally:
            self._waiting.pop(ticket, None)

    def ask_now(self, verb: str, *arguments: Any) -> Any:
        """Return the node's answer, and let nothing else run meanwhile: for rare verbs that are plain functions.

        This blocks the worker, which is harmless because the node never blocks. Raises as `ask` does, and ServiceError
        when the node is gone.
        """
        ticket = next(self._tickets)
        self.send((ASK, ticket, verb, *arguments))
        while True:
            self._control.wait()
            self.flush()
            try:
                messages = self._control.receive()
            except (LaneEnded, MalformedFrame):
                raise ServiceError("the node is gone") from None
            answer = next(
                (message for message in messages if message[0] in (ANSWER, REFUSAL) and message[1] == ticket), None
            )
            self._later += (message for message in messages if message is not answer)
            if answer is not None:
                self._loop.call_soon(self._handle_later)
                if answer[0] == REFUSAL:
                    raise _error(*answer[2:])
                return answer[2]

    def handle_all(self, messages: Iterable[Sequence[Any]]) -> None:
        """Handle messages of the node, in a turn."""
        self._scheduler.handle_all(self._handle, messages)

    def _handle(self, message: Sequence[Any]) -> None:
        kind, *fields = message
        if kind not in (ANSWER, REFUSAL):
            self._handlers[kind](*fields)
            return
        ticket, *answer = fields
        waiter = self._waiting.get(ticket)
        if waiter is None or waiter.done():
            return  # the task that has asked was cancelled
        if kind == ANSWER:
            waiter.set_result(answer[0])
        else:
            waiter.set_exception(_error(*answer))

    def _received(self, messages: list[Any]) -> None:
        self._handle_later()
        self.handle_all(messages)

    def _node_has_gone(self, error: LaneEnded | MalformedFrame) -> None:
        del error  # a node that sends nonsense is treated like one that is gone
        self._node_gone()

    def _handle_later(self) -> None:
        if self._later:
            later, self._later = self._later, deque()
            self.handle_all(later)


def _error(name: str, text: str) -> SkypyError:
    cls = _KNOWN_ERRORS.get(name, ServiceError)
    return cls(text) if issubclass(cls, SkypyError) else ServiceError(text)
