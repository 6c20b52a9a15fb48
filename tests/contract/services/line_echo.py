"""An echo with a few commands, on a port of its own."""

import skypy
from skypy import socket

listeners: list[int] = []
ends: list[str] = []
heard: list[str] = []


@skypy.start
async def main() -> None:
    listeners.append(await socket.listen("127.0.0.1", 0))
    await socket.start(listeners[0], serve)


async def serve(fd: int, address: str) -> None:
    await socket.start(fd)
    try:
        await echo(fd)
    except skypy.SocketBroken as error:
        ends.append(f"{type(error).__name__} {error.errno}")
        skypy.wakeup("end")
        await socket.close(fd)


async def echo(fd: int) -> None:
    while (line := await socket.readline(fd)) is not None:
        match line.split():
            case [b"flood"]:
                for _ in range(300):
                    socket.write(fd, b"x" * 10_000)
                break
            case [b"give", other]:
                await skypy.call(int(other), "take", fd)
                return
        heard.append(line.decode())
        socket.write(fd, line + b"\n")
    else:
        socket.write(fd, b"FINAL\n" * 10)
    await socket.close(fd)


@skypy.command
async def take(fd: int) -> None:
    await socket.start(fd)
    skypy.fork(echo, fd)


@skypy.command
def port() -> int:
    return socket.local_address(listeners[0]).port


@skypy.command
def lines() -> list[str]:
    return heard


@skypy.command
async def next_end() -> str:
    while not ends:
        await skypy.wait("end")
    return ends.pop(0)
