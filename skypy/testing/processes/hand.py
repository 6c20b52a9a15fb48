"""The connection of a test to the service `skypy_hand` in a node of real processes, which does verbs for the test."""

from __future__ import annotations

import asyncio
import builtins
import itertools
import socket
from typing import Any, Final

from skypy.core import errors
from skypy.core.wire.values import pack_value, unpack_value

_SIZE_BYTES: Final = 4


class Hand:
    """One connection, over which verbs are begun in the order in which they were asked for."""

    def __init__(self, port: int, limit_seconds: float) -> None:
        """Connect to the port of `skypy_hand`; an answer may take `limit_seconds`. Raises OSError."""
        self._limit_seconds = limit_seconds
        self._socket = socket.create_connection(("127.0.0.1", port), limit_seconds)
        self._received = bytearray()
        self._tickets = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._answers: dict[int, tuple[str, Any]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def do(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        """Do a verb in the node, and return its result or raise its error as if it had been done here.

        Raises AssertionError if there is no answer in time.
        """
        loop = self._watch()
        ticket = self._ask(verb, args, kwargs)
        future = self._waiting[ticket] = loop.create_future()
        try:
            async with asyncio.timeout(self._limit_seconds) as limit:
                return await future
        except TimeoutError:
            if not limit.expired():
                raise
            raise AssertionError(f"no answer to {verb}{args} within {self._limit_seconds:g} s") from None
        finally:
            self._waiting.pop(ticket, None)

    def do_now(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        """Do a verb that is not a coroutine function, and block until its result is there; return or raise it."""
        ticket = self._ask(verb, args, kwargs)
        while ticket not in self._answers:
            self._read()
        return _outcome(*self._answers.pop(ticket))

    def close(self) -> None:
        """Close the connection."""
        if self._loop is not None:
            self._loop.remove_reader(self._socket)
        self._socket.close()

    def _watch(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
            loop.add_reader(self._socket, self._readable)
        return loop

    def _ask(self, verb: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
        ticket = next(self._tickets)
        request = pack_value([ticket, verb, list(args), kwargs])
        self._socket.sendall(len(request).to_bytes(_SIZE_BYTES, "big") + request)
        return ticket

    def _readable(self) -> None:
        try:
            self._read()
        except OSError as error:
            assert self._loop is not None
            self._loop.remove_reader(self._socket)
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(error)

    def _read(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionError("the node has ended")
        received = self._received
        received += data
        while len(received) >= _SIZE_BYTES and len(received) >= (end := _end_of_first(received)):
            ticket, error, value = unpack_value(bytes(received[_SIZE_BYTES:end]))
            del received[:end]
            self._answered(ticket, error, value)

    def _answered(self, ticket: int, error: str, value: Any) -> None:
        future = self._waiting.get(ticket)
        if future is None:
            self._answers[ticket] = (error, value)
        elif not future.done():
            try:
                future.set_result(_outcome(error, value))
            except Exception as raised:
                future.set_exception(raised)


def _end_of_first(received: bytearray) -> int:
    return _SIZE_BYTES + int.from_bytes(received[:_SIZE_BYTES], "big")


def _outcome(error: str, value: Any) -> Any:
    """Return a verb's result, or raise the error of this name with `value` as its arguments."""
    if not error:
        return value
    known = getattr(errors, error, None) or getattr(builtins, error, None)
    if isinstance(known, type) and issubclass(known, Exception):
        raise known(*value)
    raise errors.SkypyError(f"{error}: {value}")
