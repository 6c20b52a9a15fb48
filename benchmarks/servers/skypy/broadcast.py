"""One actor with all connections: a line from one of them goes to every one."""

import skypy
from skypy import socket

members: set[int] = set()


@skypy.start
async def main() -> None:
    listener = await socket.listen(skypy.getenv("host"), int(skypy.getenv("port")))
    await socket.start(listener, serve)


async def serve(fd: int, _: str) -> None:
    await socket.start(fd)
    members.add(fd)
    while (line := await socket.readline(fd)) is not None:
        message = line + b"\n"
        for member in members:
            socket.write(member, message)
    members.discard(fd)
    await socket.close(fd)
