"""Line echo."""

import skypy
from skypy import socket


@skypy.start
async def main() -> None:
    listener = await socket.listen(skypy.getenv("host"), int(skypy.getenv("port")))
    await socket.start(listener, serve)


async def serve(fd: int, _: str) -> None:
    await socket.start(fd)
    while (line := await socket.readline(fd)) is not None:
        socket.write(fd, line + b"\n")
    await socket.close(fd)
