"""A worker's way to its node: what it says and asks over the control lane, and what it is told."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from skypy.core import errors
from skypy.core.errors import MalformedFrame, ServiceError, SkypyError
from skypy.core.wire.control_lane import ANSWER, ASK, REFUSAL
from skypy.lane.lane import Lane, LaneEnded
from skypy.lane.on_loop import LoopLane
from skypy.worker.tasks.waiter import Waiter

_KNOWN_ERRORS: Final = {name: value for name, value in vars(errors).items() if isinstance(value, type)}


class NodeLink:
    """The control lane. `told` handles what is no answer, by kind; `node_gone` is called when the node has ended."""

    def __init__(
        self,
        control: Lane,
        loop: asyncio.AbstractEventLoop,
        told: Mapping[int, Callable[..., None]],
        node_gone: Callable[[], None],
    ) -> None:
        self._control = control
        self._loop = loop
        self._told = told
        self._node_gone = node_gone
        self._requests = itertools.count(1)
        self._waiting: dict[int, Waiter[Any]] = {}
        self._later: deque[Sequence[Any]] = deque()
        self._lane = LoopLane(control, loop, self._received, self._node_has_gone)
        self.flush = self._lane.flush
        """Send what the lane takes; the rest follows when there is room."""

    def send(self, message: tuple[Any, ...]) -> None:
        """Tell the node something."""
        self._control.send(message)
        self.flush()

    def send_later(self, message: tuple[Any, ...]) -> None:
        """The same, with the next `flush`: what comes in numbers costs one system call."""
        self._control.send(message)

    async def ask(self, verb: str, *arguments: Any) -> Any:
        """The node's answer. Raises the error that the node refused with."""
        request = next(self._requests)
        waiter = self._waiting[request] = Waiter[Any](self._loop)
        self.send((ASK, request, verb, *arguments))
        try:
            return await waiter
        finally:
            self._waiting.pop(request, None)

    def ask_now(self, verb: str, *arguments: Any) -> Any:
        """The same without giving up control: for the rare verbs that are no coroutines. The node never blocks."""
        request = next(self._requests)
        self.send((ASK, request, verb, *arguments))
        while True:
            self._control.wait()
            self.flush()
            try:
                messages = self._control.receive()
            except (LaneEnded, MalformedFrame):
                raise ServiceError("the node is gone") from None
            answer = next(
                (message for message in messages if message[0] in (ANSWER, REFUSAL) and message[1] == request), None
            )
            self._later += (message for message in messages if message is not answer)
            if answer is not None:
                self._loop.call_soon(self._do_later)
                if answer[0] == REFUSAL:
                    raise _error(*answer[2:])
                return answer[2]

    def do(self, messages: Sequence[Any]) -> None:
        """Act on what the node has said."""
        for message in messages:
            try:
                self._do(*message)
            except (SystemExit, KeyboardInterrupt):
                continue  # raised by a task's step; the task has it, and whoever looks after the task logs it

    def _do(self, kind: int, *fields: Any) -> None:
        if kind not in (ANSWER, REFUSAL):
            self._told[kind](*fields)
            return
        request, *answer = fields
        waiter = self._waiting.get(request)
        if waiter is None or waiter.done():
            return  # whoever asked has given up
        if kind == ANSWER:
            waiter.set_result(answer[0])
        else:
            waiter.set_exception(_error(*answer))

    def _received(self, messages: list[Any]) -> None:
        self._do_later()
        self.do(messages)

    def _node_has_gone(self, error: LaneEnded | MalformedFrame) -> None:
        del error  # a node that sends nonsense is none
        self._node_gone()

    def _do_later(self) -> None:
        later, self._later = list(self._later), deque()
        self.do(later)


def _error(name: str, text: str) -> SkypyError:
    cls = _KNOWN_ERRORS.get(name, ServiceError)
    return cls(text) if issubclass(cls, SkypyError) else ServiceError(text)
