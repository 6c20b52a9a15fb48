"""An actor that runs verbs of sockets for a test, and answers with the value, or [name of the error, errno]."""

import asyncio
import inspect
from collections import defaultdict
from typing import Any

import skypy
from skypy import socket

accepted: asyncio.Queue[int] = asyncio.Queue()
ends: dict[int, list[str]] = defaultdict(list)
"""The reasons that onclose has got for a socket."""


@skypy.command
async def do(verb: str, *args: Any) -> Any:
    function = globals().get(f"do_{verb}") or getattr(socket, verb)
    try:
        result = function(*args)
        return await result if inspect.isawaitable(result) else result
    except Exception as error:
        return [type(error).__name__, getattr(error, "errno", None)]


@skypy.command
async def text_of_error(verb: str, *args: Any) -> str:
    """Run a verb of sockets that raises, and return the text of its error."""
    try:
        result = getattr(socket, verb)(*args)
        if inspect.isawaitable(result):
            await result
    except Exception as error:
        return str(error)
    return ""


async def do_serve(start: bool = True, half_close: bool = True) -> int:
    """Accept clients; return the port."""
    listener = await socket.listen("127.0.0.1", 0, half_close=half_close)
    await socket.start(listener, greet if start else notice)
    return socket.local_address(listener).port


async def do_listen(port: int = 0, backlog: int = 16) -> list[int]:
    """Listen and accept no clients; return the listener and its port."""
    listener = await socket.listen("127.0.0.1", port, backlog)
    return [listener, socket.local_address(listener).port]


async def do_accept(listener: int, name: bytes) -> int:
    """Start a listener whose clients are told a name; return its port."""

    async def accept(fd: int, address: str) -> None:
        await socket.start(fd)
        socket.write(fd, name)
        await socket.close(fd)

    await socket.start(listener, accept)
    return socket.local_address(listener).port


async def greet(fd: int, address: str) -> None:
    await socket.start(fd)
    notice(fd, address)


def notice(fd: int, address: str) -> None:
    socket.onclose(fd, note_end)
    accepted.put_nowait(fd)


def note_end(fd: int, reason: str) -> None:
    ends[fd].append(str(reason))
    skypy.wakeup(f"end {fd}")


async def do_client() -> int:
    """Wait for the next client and return its socket."""
    return await accepted.get()


async def do_open(port: int, timeout: float | None = None) -> int:
    fd = await socket.open("127.0.0.1", port, timeout)
    socket.onclose(fd, note_end)
    return fd


async def do_end(fd: int, reason: str) -> list[str]:
    """Wait until onclose has got a reason, and return all its reasons."""
    while reason not in ends[fd]:
        await skypy.wait(f"end {fd}")
    return ends[fd]


async def do_counted(reason: str) -> int:
    """Wait until connections have ended with a reason, and return their count."""
    while not (count := (await socket.counters()).get(f"closed: {reason}", 0)):
        await skypy.sleep(0.001)
    return count


def do_state(fd: int) -> str:
    return socket.info(fd).state


def do_unread(fd: int) -> int:
    return socket.info(fd).unread


async def do_until_disconnected(fd: int) -> None:
    while not socket.disconnected(fd):
        await skypy.sleep(0.001)


async def do_read_to_end(fd: int) -> list[Any]:
    """Read everything, and return it with the name of the error behind it, if there is one, and what comes then."""
    received = b""
    ends: list[Any] = []
    while len(ends) < 2:
        try:
            data = await socket.read(fd)
        except Exception as error:
            ends.append(type(error).__name__)
        else:
            if data is None:
                ends.append(None)
            else:
                received += data
    return [received, *ends]


async def do_onclose_reason(fd: int) -> str:
    """Return the reason that onclose gets now."""
    socket.onclose(fd, note_end)
    while not ends[fd]:
        await skypy.wait(f"end {fd}")
    return ends[fd][-1]


async def do_read_for(fd: int, n: int | None, seconds: float) -> Any:
    async with asyncio.timeout(seconds):
        return await socket.read(fd, n)


async def do_read_length(fd: int, size: int) -> int:
    """Read until `size` bytes or the end have come, and return the count."""
    received = 0
    while received < size and (data := await socket.read(fd)) is not None:
        received += len(data)
    return received


def do_write_much(fd: int, count: int) -> int:
    """Write 64 KiB `count` times, and return how many writes were accepted."""
    return sum(socket.write(fd, b"x" * 65536) for _ in range(count))
