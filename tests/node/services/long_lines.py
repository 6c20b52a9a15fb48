"""Echoes lines of up to 1 MiB; takes the number of bytes in a line "send N", sends that many and closes at once."""

import random

import skypy
from skypy import socket

LIMIT = 1 << 20


@skypy.start
async def main() -> None:
    listener = await socket.listen("127.0.0.1", 0)
    await socket.start(listener, serve)
    skypy.log.info("port %d", socket.local_address(listener).port)


async def serve(fd: int, address: str) -> None:
    await socket.start(fd)
    while (line := await socket.readline(fd, limit=LIMIT)) is not None:
        if line.startswith(b"send "):
            data = random.Random(0).randbytes(int(line[5:]))
            for start in range(0, len(data), LIMIT):
                socket.write(fd, data[start : start + LIMIT])
            break
        socket.write(fd, line + b"\n")
    await socket.close(fd)
