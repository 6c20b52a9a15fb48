"""An actor that leaves something behind, of every kind."""

import asyncio
import contextlib
import os
import socket as library
import subprocess
import sys
from typing import Any

import skypy
from skypy import socket

kept: list[Any] = []
listeners: list[int] = []


@skypy.start
async def main() -> None:
    listeners.append(await socket.listen("127.0.0.1", int(skypy.getenv("port"))))
    await socket.start(listeners[0], serve)


async def serve(fd: int, address: str) -> None:
    await socket.start(fd)
    await socket.readall(fd)  # and never closes it


@skypy.command
def open_file() -> None:
    os.open(os.devnull, os.O_RDONLY)


@skypy.command
def start_program() -> None:
    kept.append(subprocess.Popen(["sleep", "10"], start_new_session=True))
    subprocess.Popen.__del__ = lambda _: None  # type: ignore[method-assign]


@skypy.command
def start_stubborn_task() -> None:
    skypy.fork(never_end)


async def never_end() -> None:
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(1)


@skypy.command
def fail() -> None:
    1 / 0  # noqa: B018


@skypy.command
def log_half_a_character() -> None:
    """Log a lone surrogate, as names of files may have."""
    skypy.log.error("\ud800")


@skypy.command
def open_socket() -> None:
    """Keep a socket that is unknown to skypy."""
    kept.append(library.socket())


@skypy.command
def lose_socket() -> None:
    """Make a socket that not even the garbage collector can close."""
    library.socket().detach()


@skypy.command
def duplicate_socket(fd: int) -> None:
    """Duplicate the worker's descriptor of a socket, and lose the duplicate."""
    worker = sys.modules["skypy.worker.worker"].current_actor().worker
    worker.sockets.kernel.duplicate(worker.sockets.get(fd).descriptor)


@skypy.command
def fail_politely() -> None:
    skypy.log.error("no traceback,\nbut an error")


@skypy.command
def a_listener() -> int:
    return listeners[0]
