"""An actor that records its messages, and answers as a test tells it."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from types import ModuleType
from typing import Any, NamedTuple, Protocol

from skypy.core.address import Address


class Message(NamedTuple):
    """A message that a probe has received."""

    source: Address
    command: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class StartProbe(Protocol):
    """The type of the fixture `probe`."""

    async def __call__(self) -> Probe:
        """Start a probe in the process of the test, and return it."""


class Probe(int):
    """The address of an actor in the hands of a test, with the messages that it has received."""

    received: list[Message]
    """Every message so far."""
    _unread: deque[Message]
    _answers: dict[str, Any]
    _loop: asyncio.AbstractEventLoop
    _waiting: deque[asyncio.Future[None]]

    def __new__(cls, address: Address, module: ModuleType, loop: asyncio.AbstractEventLoop) -> Probe:
        """Take an actor over by replacing the handler of its module."""
        probe = super().__new__(cls, address)
        probe.received = []
        probe._unread = deque()
        probe._answers = {}
        probe._loop = loop
        probe._waiting = deque()
        module.handle = probe._handle  # type: ignore[attr-defined]
        return probe

    def answer(self, command: str, reply: Any = None) -> None:
        """Set the answer to a command.

        `reply` is a value, an exception to raise, or a function (plain or coroutine) that is called with the arguments
        and returns the answer.
        """
        self._answers[command] = reply

    async def receive(self) -> Message:
        """Wait for the next message and return it."""
        while not self._unread:
            future: asyncio.Future[None] = self._loop.create_future()
            self._waiting.append(future)
            await future
        return self._unread.popleft()

    async def _handle(self, source: Address, command: str, /, *args: Any, **kwargs: Any) -> Any:
        message = Message(source, command, args, kwargs)
        self.received.append(message)
        self._unread.append(message)
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                break
        reply = self._answers.get(command)
        if isinstance(reply, BaseException):
            raise reply
        if callable(reply):
            reply = reply(*args, **kwargs)
            if inspect.isawaitable(reply):
                reply = await reply
        return reply
