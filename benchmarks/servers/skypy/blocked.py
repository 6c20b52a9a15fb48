"""A line echo on worker 2, while worker 1 is blocked most of the time ("blocking") or idle ("quiet")."""

import time

import skypy
from skypy import socket


@skypy.start
async def main(role: str) -> None:
    if role == "serving":
        listener = await socket.listen(skypy.getenv("host"), int(skypy.getenv("port")))
        await socket.start(listener, serve)
        return
    await skypy.newservice("blocked", "serving", worker=2)
    if role == "blocking":
        skypy.fork(block)


async def block() -> None:
    while True:
        time.sleep(1.0)  # noqa: ASYNC251 - what no service should do is what is measured
        await skypy.sleep(0.01)


async def serve(fd: int, _: str) -> None:
    await socket.start(fd)
    while (line := await socket.readline(fd)) is not None:
        socket.write(fd, line + b"\n")
    await socket.close(fd)
