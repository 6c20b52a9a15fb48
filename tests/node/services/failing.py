"""Fails where it is asked to: a line at the first port names what to do, a client at the second one meets the rest."""

import asyncio
import sys

import skypy
from skypy import socket

target = 0
attempts: list[asyncio.Task[object]] = []


@skypy.start
async def main() -> None:
    global target
    listener = await socket.listen("127.0.0.1", 0)
    await socket.start(listener, obey)
    target = await socket.listen("127.0.0.1", 0)
    skypy.log.info("target %d", socket.local_address(target).port)
    skypy.log.info("port %d", socket.local_address(listener).port)


async def obey(fd: int, address: str) -> None:
    await socket.start(fd)
    while (line := await socket.readline(fd)) is not None:
        verb, name = line.decode().split()
        function = globals()[name]
        if verb == "accept":
            await socket.start(target, function)
        elif verb == "fork":
            skypy.fork(function)
        elif verb == "timeout":
            skypy.timeout(0, function)
        elif verb == "task":
            attempts.append(asyncio.create_task(function()))
        elif verb == "forget":
            await asyncio.wait(attempts)
            attempts.clear()
        socket.write(fd, line + b"\n")
    await socket.close(fd)


# -- what clients of the target get ------------------------------------------------------------------------------------


async def raise_before_start(fd: int, address: str) -> None:
    raise ValueError("before start")


def raise_plainly(fd: int, address: str) -> None:
    raise ValueError("plainly")


async def raise_after_start(fd: int, address: str) -> None:
    await socket.start(fd)
    await socket.readline(fd)
    raise ValueError("after start")


async def raise_with_output(fd: int, address: str) -> None:
    await socket.start(fd)
    socket.write(fd, b"x" * (16 << 20))
    raise ValueError("with output")


async def exit_in_accept(fd: int, address: str) -> None:
    sys.exit("in accept")


async def exit_later_in_accept(fd: int, address: str) -> None:
    await socket.start(fd)
    await socket.readline(fd)
    sys.exit("later in accept")


async def raise_after_close(fd: int, address: str) -> None:
    await socket.start(fd)
    socket.write(fd, b"goodbye\n")
    await socket.close(fd)
    raise ValueError("after close")


async def return_at_once(fd: int, address: str) -> None:
    skypy.log.info("fd %d", fd)


def return_plainly(fd: int, address: str) -> None:
    skypy.log.info("fd %d", fd)


async def start_too_late(fd: int, address: str) -> None:
    skypy.log.info("fd %d", fd)
    await skypy.wait("never")


async def start_in_time(fd: int, address: str) -> None:
    skypy.fork(answer, fd)


async def answer(fd: int) -> None:
    await socket.start(fd)
    socket.write(fd, b"in time\n")
    await socket.readall(fd)
    await socket.close(fd)


# -- what fails by itself ----------------------------------------------------------------------------------------------


async def coroutine() -> None:
    raise ValueError("in a coroutine function")


async def late_coroutine() -> None:
    await skypy.sleep(0)
    raise ValueError("later")


def plain() -> None:
    raise ValueError("in a plain function")


async def exiting() -> None:
    sys.exit("in a task")


async def late_exiting() -> None:
    await skypy.sleep(0)
    sys.exit("later")


def plain_exiting() -> None:
    sys.exit("plainly")


async def interrupted() -> None:
    raise KeyboardInterrupt


def leave() -> None:
    try:
        skypy.exit()
    finally:
        skypy.log.info("left")


@skypy.stop
def bye() -> None:
    skypy.log.info("the stop function runs")
