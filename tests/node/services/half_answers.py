"""Answers its clients by halves, and dies."""

import os
import signal

import skypy
from skypy import socket

MUCH = bytes(8 << 20)


@skypy.start
async def main(role: str = "starter") -> None:
    if role == "starter":  # the start service is started again when its worker dies; this one stays where it is
        await skypy.newservice("half_answers", "server", worker=2)
        return
    listener = await socket.listen("127.0.0.1", 0)
    skypy.log.info("port %d", socket.local_address(listener).port)
    await socket.start(listener, serve)


async def serve(fd: int, address: str) -> None:
    await socket.start(fd)
    while (line := await socket.readline(fd)) is not None:
        socket.write(fd, b"first half, ")
        await skypy.sleep(0)
        await answer(fd, line.decode())
    await socket.close(fd)


async def answer(fd: int, how: str) -> None:
    if how == "whole":
        socket.write(fd, b"second half")
    elif how == "corked":
        socket.write(fd, b"second half")
        die()
    elif how == "much":
        socket.write(fd, MUCH)
        await skypy.sleep(0)
        die()
    elif how == "much at once":
        socket.write(fd, MUCH)
        await socket.close(fd)
        die()
    elif how == "closed":
        socket.write(fd, MUCH)
        await socket.close(fd)
        await skypy.sleep(0.5)
        die()
    elif how == "die":
        die()
    elif how == "stuck":
        socket.write(fd, b"second half")
        skypy.log.info("stuck")
        while True:
            pass


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
