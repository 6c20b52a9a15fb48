"""An actor that does with a socket what it is told: it writes, talks to others, takes the socket over, ends it."""

import asyncio
import contextlib
from typing import Any

import skypy
from skypy import socket

accepted: asyncio.Queue[int] = asyncio.Queue()
Script = list[Any]


@skypy.start
async def main(fd: int = 0, script: Script | None = None) -> None:
    await play(fd, script or [])


@skypy.command
async def play(fd: int, script: Script) -> list[Any]:
    """Take the steps of a script, and return the outcome of each."""
    return [await globals()[f"do_{verb}"](fd, *args) for verb, *args in script]


@skypy.command
async def serve() -> int:
    """Accept clients, and return the port."""
    listener = await socket.listen("127.0.0.1", 0)
    await socket.start(listener, accept)
    return socket.local_address(listener).port


async def accept(fd: int, address: str) -> None:
    await socket.start(fd)
    accepted.put_nowait(fd)


@skypy.command
async def client() -> int:
    """Wait for the next client, and return its socket."""
    return await accepted.get()


@skypy.command
async def connect(port: int) -> int:
    """Open a connection, and return it."""
    return await socket.open("127.0.0.1", port)


@skypy.command
async def counters() -> dict[str, int]:
    return await socket.counters()


async def do_write(fd: int, data: bytes) -> bool:
    return socket.write(fd, data)


async def do_fill(fd: int, size: int, times: int) -> int:
    """Write often in one turn, and return how often the answer was True."""
    data = bytes(size)
    return sum(socket.write(fd, bytes(data)) for _ in range(times))


async def do_call(fd: int, address: int, script: Script) -> Any:
    return await skypy.call(address, "play", fd, script)


async def do_send(fd: int, address: int, script: Script) -> None:
    skypy.send(address, "play", fd, script)


async def do_many(fd: int, address: int, count: int) -> None:
    """Send so much that the first messages leave before the end of the turn."""
    for _ in range(count):
        skypy.send(address, "play", fd, [])


async def do_take(fd: int) -> None:
    await socket.start(fd)


async def do_take_if_open(fd: int) -> None:
    with contextlib.suppress(skypy.SocketClosed):
        await socket.start(fd)


async def do_readall(fd: int) -> bytes:
    return await socket.readall(fd)


async def do_drain(fd: int) -> None:
    await socket.drain(fd)


async def do_close(fd: int) -> None:
    await socket.close(fd)


async def do_finish(fd: int) -> None:
    socket.shutdown(fd, "w")


async def do_new(fd: int, worker: int | None, script: Script) -> None:
    await skypy.newservice("scripted", fd, script, worker=worker)


async def do_register(fd: int, name: str) -> None:
    skypy.register(name)


async def do_find(fd: int, name: str) -> None:
    while skypy.query(name) is None:
        await skypy.sleep(0.001)


async def do_set(fd: int, key: str) -> None:
    skypy.setenv(key, "1")


async def do_get(fd: int, key: str) -> None:
    while skypy.getenv(key) is None:
        await skypy.sleep(0.001)


async def do_kill(fd: int, address: int) -> None:
    await skypy.kill(address)


async def do_leave(fd: int) -> None:
    skypy.fork(skypy.exit)


async def do_info(fd: int) -> int:
    return socket.info(fd).queued


async def do_block(fd: int, begun: str, path: str) -> None:
    """Hold the whole worker up until a file is there."""
    import pathlib
    import time

    pathlib.Path(begun).touch()
    while not pathlib.Path(path).exists():
        time.sleep(0.005)
