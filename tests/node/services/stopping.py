"""An echo that says goodbye to its clients at its end, at length to those that have asked for that."""

import asyncio

import skypy
from skypy import socket

clients: dict[int, bytes] = {}
tasks: list[asyncio.Task[None]] = []


@skypy.start
async def main() -> None:
    listener = await socket.listen("127.0.0.1", 0)
    await socket.start(listener, serve)
    skypy.log.info("port %d", socket.local_address(listener).port)
    skypy.fork(work, "a fork")
    tasks.append(asyncio.create_task(work("a task of asyncio")))


async def serve(fd: int, address: str) -> None:
    clients[fd] = b"goodbye\n"
    await socket.start(fd)
    while (line := await socket.readline(fd)) is not None:
        if line == b"a lot":
            clients[fd] *= 1 << 20
        socket.write(fd, line + b"\n")
    del clients[fd]
    await socket.close(fd)


async def work(name: str) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        skypy.log.info("%s cleans up", name)


@skypy.stop
async def say_goodbye() -> None:
    skypy.log.info("the first stop function runs")
    await skypy.sleep(0.01)
    for fd, words in clients.items():
        socket.write(fd, words)


@skypy.stop
def last() -> None:
    skypy.log.info("the second stop function runs")
