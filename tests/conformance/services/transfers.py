"""Commands of a subject that read and write at length."""

import asyncio
import hashlib
import random
from typing import Literal

import skypy
from skypy import socket


async def do_read_singly(fd: int) -> bytes:
    """Read byte for byte to the end."""
    data = bytearray()
    while (piece := await socket.read(fd, 1)) is not None:
        data += piece
    return bytes(data)


async def do_frames(fd: int, size: int) -> list[bytes]:
    """Read pieces of one size to the end."""
    frames = []
    while (frame := await socket.read(fd, size)) is not None:
        frames.append(frame)
    return frames


async def do_digest(fd: int) -> tuple[int, str]:
    """Read to the end, and return the size and the SHA-256 of the input."""
    size, seen = 0, hashlib.sha256()
    while (data := await socket.read(fd)) is not None:
        size += len(data)
        seen.update(data)
    return size, seen.hexdigest()


async def do_digest_of(fd: int, size: int) -> tuple[int, str]:
    """Read a piece at once, and return its size and SHA-256."""
    data = await socket.read(fd, size) or b""
    return len(data), hashlib.sha256(data).hexdigest()


async def do_count(fd: int) -> None:
    """Read to the end, and answer with the size of the input."""
    socket.write(fd, b"%d" % len(await socket.readall(fd)))
    await socket.close(fd)


async def do_sort(fd: int) -> None:
    """Read to the end, and answer with the lines, sorted."""
    lines = (await socket.readall(fd)).splitlines(keepends=True)
    for line in sorted(lines):
        socket.write(fd, line)
    await socket.close(fd)


async def do_echo(fd: int) -> None:
    """Echo the input to its end."""
    while (data := await socket.read(fd)) is not None:
        socket.write(fd, data)
        await socket.drain(fd)
    await socket.close(fd)


def do_pour(fd: int, size: int, seed: int = 0) -> bool:
    """Write `size` random bytes at once."""
    return socket.write(fd, random.Random(seed).randbytes(size))


def do_pour_and_close(fd: int, size: int, seed: int = 0) -> None:
    """Write `size` random bytes at once, and close before any of them can have gone."""
    do_pour(fd, size, seed)
    skypy.fork(socket.close, fd)


async def do_produce(fd: int, count: int, size: int) -> None:
    """Write pieces, no faster than they leave."""
    for number in range(count):
        socket.write(fd, b"%08d" % number + bytes(size - 8))
        await socket.drain(fd)
    socket.shutdown(fd, "w")


def do_write_ones(fd: int, size: int) -> bool:
    """Write one large message of low priority."""
    return socket.write(fd, b"1" * size, "low")


def do_write_both(fd: int, messages: list[tuple[Literal["high", "low"], bytes]]) -> bool:
    """Write messages with their priorities, in one turn."""
    accepted = [socket.write(fd, data, priority) for priority, data in messages]
    return all(accepted)


async def do_drain_within(fd: int, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        await socket.drain(fd)


async def do_cancelled_open(port: int) -> None:
    opening = asyncio.create_task(socket.open("127.0.0.1", port))
    await asyncio.sleep(0)
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
