"""Tells its clients which modules its worker has loaded."""

import sys

import skypy
from skypy import socket


@skypy.start
async def main() -> None:
    listener = await socket.listen("127.0.0.1", 0)
    await socket.start(listener, tell)
    skypy.log.info("port %d", socket.local_address(listener).port)


async def tell(fd: int, address: str) -> None:
    socket.write(fd, " ".join(sys.modules).encode())
    await socket.close(fd)
