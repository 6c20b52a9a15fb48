"""How a test reaches into a node of real processes: what it asks for is done by the service `skypy_hand` there."""

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
    """One connection, over which everything is done in the order in which it was asked for."""

    def __init__(self, port: int, limit_seconds: float) -> None:
        """`limit_seconds`: how long the node may take to answer. Raises OSError."""
        self._limit_seconds = limit_seconds
        self._socket = socket.create_connection(("127.0.0.1", port), limit_seconds)
        self._received = bytearray()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._answers: dict[int, tuple[str, Any]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    async def do(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        """What has come of it, as if it had been done here. Raises AssertionError when there is no answer."""
        loop = self._watch()
        number = self._ask(verb, args, kwargs)
        future = self._waiting[number] = loop.create_future()
        try:
            async with asyncio.timeout(self._limit_seconds) as limit:
                return await future
        except TimeoutError:
            if not limit.expired():
                raise
            raise AssertionError(f"no answer to {verb}{args} within {self._limit_seconds:g} s") from None
        finally:
            self._waiting.pop(number, None)

    def do_now(self, verb: str, *args: Any, **kwargs: Any) -> Any:
        """The same for verbs that nobody awaits: the test waits meanwhile."""
        number = self._ask(verb, args, kwargs)
        while number not in self._answers:
            self._read()
        return _outcome(*self._answers.pop(number))

    def close(self) -> None:
        """Let go."""
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
        number = next(self._numbers)
        request = pack_value([number, verb, list(args), kwargs])
        self._socket.sendall(len(request).to_bytes(_SIZE_BYTES, "big") + request)
        return number

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
            number, kind, value = unpack_value(bytes(received[_SIZE_BYTES:end]))
            del received[:end]
            self._answered(number, kind, value)

    def _answered(self, number: int, kind: str, value: Any) -> None:
        future = self._waiting.get(number)
        if future is None:
            self._answers[number] = (kind, value)
        elif not future.done():
            try:
                future.set_result(_outcome(kind, value))
            except Exception as error:
                future.set_exception(error)


def _end_of_first(received: bytearray) -> int:
    return _SIZE_BYTES + int.from_bytes(received[:_SIZE_BYTES], "big")


def _outcome(kind: str, value: Any) -> Any:
    """The value, or what the verb has raised."""
    if not kind:
        return value
    known = getattr(errors, kind, None) or getattr(builtins, kind, None)
    if isinstance(known, type) and issubclass(known, Exception):
        raise known(*value)
    raise errors.SkypyError(f"{kind}: {value}")
