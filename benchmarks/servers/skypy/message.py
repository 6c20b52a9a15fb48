"""Echo of messages of 64 KiB."""

import skypy
from skypy import socket

MESSAGE_BYTES = 65536


@skypy.start
async def main() -> None:
    listener = await socket.listen(skypy.getenv("host"), int(skypy.getenv("port")))
    await socket.start(listener, serve)


async def serve(fd: int, _: str) -> None:
    await socket.start(fd)
    while (message := await socket.read(fd, MESSAGE_BYTES)) is not None:
        socket.write(fd, message)
        await socket.drain(fd)
    await socket.close(fd)
