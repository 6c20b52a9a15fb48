"""An actor that records what it is sent, and answers as it is told."""

from __future__ import annotations

import asyncio
import inspect
from collections import deque
from types import ModuleType
from typing import Any, NamedTuple, Protocol

from skypy.core.address import Address


class Message(NamedTuple):
    """What a probe was sent."""

    source: Address
    command: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class StartProbe(Protocol):
    """What the fixture `probe` is."""

    async def __call__(self) -> Probe:
        """Start one, in a process of its own."""


class Probe(int):
    """Its address, with what the actor there was sent."""

    received: list[Message]

    def __new__(cls, address: Address, module: ModuleType, loop: asyncio.AbstractEventLoop) -> Probe:
        """The probe behind an actor."""
        probe = super().__new__(cls, address)
        probe.received = []
        probe._unread = deque()
        probe._answers = {}
        probe._loop = loop
        probe._waiting = deque()
        module.handle = probe._handle  # type: ignore[attr-defined]
        return probe

    _unread: deque[Message]
    _answers: dict[str, Any]
    _loop: asyncio.AbstractEventLoop
    _waiting: deque[asyncio.Future[None]]

    def answer(self, command: str, reply: Any = None) -> None:
        """Answer a command: with a value, with what a function (plain or coroutine) returns, or by an exception."""
        self._answers[command] = reply

    async def receive(self) -> Message:
        """The next message; waits for it."""
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
