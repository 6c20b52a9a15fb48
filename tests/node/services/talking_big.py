"""A listener in each worker, which answers a number with so many bytes and a newline."""

import skypy
from skypy import socket


@skypy.start
async def main(role: str = "first") -> None:
    if role == "second":
        skypy.register(".second")
    elif skypy.query(".second") is None:  # else this is another first one, after the death of its worker
        await skypy.newservice("talking_big", "second", worker=2)
    listener = await socket.listen("127.0.0.1", 0)
    await socket.start(listener, serve)
    skypy.log.info("port %d", socket.local_address(listener).port)


async def serve(fd: int, address: str) -> None:
    await socket.start(fd)
    while (line := await socket.readline(fd)) is not None:
        socket.write(fd, b"x" * int(line) + b"\n")
    await socket.close(fd)
