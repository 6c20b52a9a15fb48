"""Does with a client what its first line says, and puts into the log how each call ended: "record of PORT: ...".

`go` waits for a file, so that a test can let something happen before the next call, even with a stopped socket service.
"""

import errno
from collections.abc import Awaitable
from pathlib import Path

import skypy
from skypy import socket

LARGE = b"x" * (32 << 20)


@skypy.start
async def main() -> None:
    listener = await socket.listen("127.0.0.1", 0)
    await socket.start(listener, serve)
    skypy.log.info("port %d", socket.local_address(listener).port)


async def serve(fd: int, address: str) -> None:
    assert isinstance(address, socket.SocketAddress)
    await socket.start(fd)
    how, *file = (await socket.readline(fd) or b"").decode().split()
    record: list[str] = []
    if how == "read":
        await read_on(fd, record)
    elif how == "write":
        record.append(await outcome(socket.readline(fd)))
        await go(address, file[0])
        record.append(str(socket.write(fd, b"into the void")))
        await skypy.sleep(0)  # that is when it is written
        skypy.log.info("%d has written", address.port)
        await read_on(fd, record)
    elif how == "queue":
        record.append(str(socket.write(fd, LARGE)))
        record.append(await outcome(socket.drain(fd)))
        await read_on(fd, record)
    elif how == "readall":
        record.append(await outcome(socket.readall(fd)))
        record.append(await outcome(socket.read(fd)))
    elif how == "exactly":
        record.append(await outcome(socket.read(fd, 1000)))
        record.append(await outcome(socket.read(fd)))
    elif how == "close":
        socket.write(fd, LARGE)
        await socket.close(fd)
        record.append(await outcome(socket.read(fd)))
    record.append(str(socket.write(fd, b"again")))
    skypy.log.info("record of %d: %s", address.port, ", ".join(record))
    await socket.close(fd)


async def go(address: socket.SocketAddress, file: str) -> None:
    skypy.log.info("%d waits", address.port)
    while not Path(file).exists():
        await skypy.sleep(0.005)


async def read_on(fd: int, record: list[str]) -> None:
    """Read to the end, and once more."""
    while record[-1:] != ["None"]:
        record.append(await outcome(socket.readline(fd)))
    record.append(await outcome(socket.read(fd)))


async def outcome(call: Awaitable[object]) -> str:
    try:
        value = await call
    except skypy.SocketBroken as broken:
        return f"{errno.errorcode[broken.errno or 0]} raised"
    except skypy.SocketError as error:
        return f"{type(error).__name__} raised"
    if isinstance(value, bytes):
        return value.decode() if len(value) < 100 else f"{len(value)} bytes"
    return repr(value)
