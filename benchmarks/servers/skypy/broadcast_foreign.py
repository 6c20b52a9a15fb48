"""A hub on worker 1 writes each line to all connections; they belong to an actor on the last worker."""

import skypy
from skypy import socket

members: set[int] = set()
hub = 0


@skypy.start
async def main(address: int = 0) -> None:
    global hub
    if not address:
        await skypy.newservice("broadcast_foreign", skypy.self(), worker=int(skypy.getenv("owners", 2)))
        return
    hub = address
    listener = await socket.listen(skypy.getenv("host"), int(skypy.getenv("port")))
    await socket.start(listener, serve)


async def serve(fd: int, _: str) -> None:
    await socket.start(fd)
    skypy.send(hub, "join", fd)
    while (line := await socket.readline(fd)) is not None:
        skypy.send(hub, "say", line)
    skypy.send(hub, "leave", fd)
    await socket.close(fd)


@skypy.command
def join(fd: int) -> None:
    members.add(fd)


@skypy.command
def leave(fd: int) -> None:
    members.discard(fd)


@skypy.command
def say(line: bytes) -> None:
    message = line + b"\n"
    for member in members:
        socket.write(member, message)
