"""A source that answers each line with a block of 1 MiB."""

import skypy
from skypy import socket

BLOCK = b"x" * (1 << 20)


@skypy.start
async def main() -> None:
    listener = await socket.listen(skypy.getenv("host"), int(skypy.getenv("port")))
    await socket.start(listener, serve)


async def serve(fd: int, _: str) -> None:
    await socket.start(fd)
    while await socket.readline(fd) is not None:
        socket.write(fd, BLOCK)
        await socket.drain(fd)
    await socket.close(fd)
