"""The means by which the scenarios of these tests are played, inside of actors.

A topic is a service whose functions `test_...(others)` are scenarios. Each is played by an actor of its own; `others`
starts the actors that it plays with: all on one worker, or spread over two.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import json
import sys
import traceback
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Literal

import skypy
from skypy import socket
from skypy.core.address import process_number_of
from skypy.worker.worker import Worker, current_actor

LONG = 15.0
"""The seconds after which a scenario is taken to hang."""

variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="untouched")


class Others:
    """The actors that a scenario plays with."""

    def __init__(self, placement: str) -> None:
        self.together = placement == "together"
        self.started: list[skypy.Address] = []
        self.expected: list[str] = []
        self._workers = itertools.cycle((2, 1))  # the player is on worker 1

    def where(self) -> int | Literal["here"]:
        """Return the worker where the next one starts."""
        return "here" if self.together else next(self._workers)

    async def start(self, name: str, /, *args: Any) -> skypy.Address:
        """Start one; it is killed when the scenario is over."""
        address = await skypy.newservice(name, *args, worker=self.where())
        self.started.append(address)
        return address

    def expect(self, pattern: str) -> None:
        """Announce that the log will have lines that match."""
        self.expected.append(pattern)


async def play(module_name: str, name: str, placement: str) -> dict[str, Any]:
    """Play a scenario and return its outcome: if it fails, its traceback with the values of its variables."""
    others = Others(placement)
    scenario: Callable[[Others], Coroutine[Any, Any, None]] = getattr(sys.modules[module_name], name)
    error = ""
    try:
        async with asyncio.timeout(LONG):
            await scenario(others)
    except Exception as failure:
        lines = traceback.TracebackException.from_exception(failure, capture_locals=True).format()
        error = "".join(lines).encode("utf-8", "backslashreplace").decode()
    return {"error": error, "expected": others.expected, "started": others.started}


async def offer(*verbs: Callable[..., Coroutine[Any, Any, Any]]) -> None:
    """Run functions for clients that ask for them by a line with a name and arguments; answer in JSON."""
    by_name = {verb.__name__: verb for verb in verbs}

    async def serve(fd: int, address: str) -> None:
        await socket.start(fd)
        name, *words = (await socket.readline(fd) or b"").decode().split()
        try:
            answer = await by_name[name](*words)
        except Exception:
            answer = traceback.format_exc()
        socket.write(fd, json.dumps(answer).encode())
        await socket.close(fd)

    listener = await socket.listen("127.0.0.1", 0)
    await socket.start(listener, serve)
    skypy.log.info("port %d", socket.local_address(listener).port)


def here() -> Worker:
    """Return the worker of the current actor."""
    return current_actor().worker


def process_of(address: skypy.Address) -> int:
    """Return the number of the process that an actor lives in."""
    return process_number_of(address)


async def passes(condition: Callable[[], bool]) -> None:
    """Let others run until a condition holds; the scenario's own time limit bounds it."""
    while not condition():
        await skypy.sleep(0.001)


async def raises(kind: type[BaseException], call: Awaitable[Any]) -> Any:
    """Return the exception of this kind that a call raises."""
    try:
        result = await call
    except kind as error:
        return error
    raise AssertionError(f"it did not raise {kind.__name__}, it returned {result!r}")


async def refuses(function: Callable[..., Awaitable[Any]], /, *args: Any, **kwargs: Any) -> None:
    """Check that a value of the wrong type raises TypeError: in the await, or in the call of a compiled function."""
    try:
        result = await function(*args, **kwargs)
    except TypeError:
        return
    raise AssertionError(f"it did not raise TypeError, it returned {result!r}")


async def outcome(call: Awaitable[Any]) -> str:
    """Return the outcome of a call, in words."""
    try:
        return repr(await call)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
