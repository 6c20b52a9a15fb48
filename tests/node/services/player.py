"""An actor that does with any socket what it is told to, and may pass it around among several of its kind."""

import asyncio
import random
from typing import Any

import skypy
from skypy import socket

others: list[int] = []
held: set[int] = set()
taken = [0]
"""Return the number of sockets that have come here."""


# -- one step at a time ------------------------------------------------------------------------------------------------


@skypy.command
async def start(fd: int) -> None:
    await socket.start(fd)


@skypy.command
async def start_and_give_up(fd: int) -> None:
    task = asyncio.create_task(socket.start(fd))
    await skypy.sleep(0)
    task.cancel()


@skypy.command
async def read_to_end(fd: int) -> list[Any]:
    """Read everything, and return it with the name of the error behind it, if there is one."""
    received = b""
    while True:
        try:
            data = await socket.read(fd)
        except skypy.SocketError as error:
            return [received, type(error).__name__]
        if data is None:
            return [received, None]
        received += data


@skypy.command
async def accept(listener: int, name: bytes) -> None:
    """Start a listener whose clients are told a name."""

    async def tell(fd: int, address: str) -> None:
        await socket.start(fd)
        socket.write(fd, name)
        await socket.close(fd)

    await socket.start(listener, tell)


@skypy.command
async def abort(fd: int) -> None:
    socket.abort(fd)


@skypy.command
async def read(fd: int, size: int | None = None) -> bytes | None:
    return await socket.read(fd, size)


@skypy.command
async def write(fd: int, messages: list[bytes], priority: Any = "high") -> bool:
    accepted = [socket.write(fd, message, priority) for message in messages]
    return all(accepted)


@skypy.command
async def write_and_start(fd: int, before: bytes, meanwhile: bytes, after: bytes) -> None:
    socket.write(fd, before)
    task = asyncio.create_task(socket.start(fd))
    await asyncio.sleep(0)
    socket.write(fd, meanwhile)
    await task
    socket.write(fd, after)


@skypy.command
async def drain(fd: int) -> None:
    await socket.drain(fd)


@skypy.command
async def shutdown(fd: int, how: Any) -> None:
    socket.shutdown(fd, how)


@skypy.command
async def close(fd: int) -> None:
    await socket.close(fd)


@skypy.command
async def speak(fd: int, name: str, count: int, size: int) -> None:
    """Write large messages one after the other, no faster than they leave."""
    for number in range(count):
        head = b"%s %d " % (name.encode(), number)
        assert socket.write(fd, head.ljust(size - 1, b".") + b"\n", "low" if number % 3 else "high")
        await socket.drain(fd)


# -- passing around ----------------------------------------------------------------------------------------------------


@skypy.command
def meet(players: list[int]) -> None:
    """The other players, to which sockets are passed."""
    others.extend(player for player in players if player != skypy.self())


@skypy.command
async def echo(fd: int) -> None:
    """Take a socket over, echo what comes, and let others take it over at any moment."""
    if fd in held:
        return
    held.add(fd)
    try:
        await socket.start(fd)
        taken[0] += 1
        if taken[0] == 100:
            skypy.log.info("taken over 100 times")
        await echo_until_taken(fd)
    except (skypy.SocketClosed, skypy.SocketBroken):
        pass
    finally:
        held.discard(fd)


async def echo_until_taken(fd: int) -> None:
    pass_on(fd)
    while (data := await socket.read(fd)) is not None:
        socket.write(fd, data)
        pass_on(fd)
    await socket.close(fd)


def pass_on(fd: int) -> None:
    """Ask none, one or both of the others to take the socket over."""
    for player in others:
        if random.random() < 0.4:
            skypy.send(player, "echo", fd)
