"""Tests that run inside an actor: a service offers its functions `test_...`, a test asks for one over a socket.

What fails in one of them comes back as a traceback with the values of its variables.
"""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import skypy
from skypy import socket

PASSED = b"passed"


async def offer(module_name: str) -> None:
    """Run the functions of a service for clients that ask for them by name."""
    listener = await socket.listen("127.0.0.1", 0)
    await socket.start(listener, functools.partial(_run, module_name))
    skypy.log.info("port %d", socket.local_address(listener).port)


async def _run(module_name: str, fd: int, address: str) -> None:
    await socket.start(fd)
    name = await socket.readline(fd) or b""
    try:
        await getattr(sys.modules[module_name], name.decode())()
        socket.write(fd, PASSED)
    except Exception as error:
        lines = traceback.TracebackException.from_exception(error, capture_locals=True).format()
        socket.write(fd, "".join(lines).encode())
    await socket.close(fd)


@asynccontextmanager
async def connection() -> AsyncIterator[tuple[int, int]]:
    """Both ends of a connection, started; closed at the end."""
    accepted: list[int] = []

    async def accept(fd: int, address: str) -> None:
        await socket.start(fd)
        accepted.append(fd)
        skypy.wakeup(accepted_key)

    listener = await socket.listen("127.0.0.1", 0)
    accepted_key = object()
    await socket.start(listener, accept)
    here = await socket.open("127.0.0.1", socket.local_address(listener).port)
    if not accepted:
        await skypy.wait(accepted_key)
    await socket.close(listener)
    try:
        yield here, accepted[0]
    finally:
        await socket.close(here)
        await socket.close(accepted[0])
