"""A sink that reads everything, and ends the connection when the peer has."""

import skypy
from skypy import socket


@skypy.start
async def main() -> None:
    listener = await socket.listen(skypy.getenv("host"), int(skypy.getenv("port")))
    await socket.start(listener, serve)


async def serve(fd: int, _: str) -> None:
    await socket.start(fd)
    while await socket.read(fd) is not None:
        pass
    await socket.close(fd)
