"""Line echo that survives half-close: when the peer has finished sending, it still gets ten FINAL lines."""

import skypy
from skypy import socket


@skypy.start
async def main() -> None:
    """Listen where the config says; `serve` runs as a task of its own for every client."""
    listener = await socket.listen(skypy.getenv("host"), int(skypy.getenv("port")))
    await socket.start(listener, serve)


async def serve(fd: int, address: str) -> None:
    """Echo lines until `quit` or end-of-file."""
    await socket.start(fd)
    while (line := await socket.readline(fd)) is not None:
        if line == b"quit":
            break
        socket.write(fd, line + b"\n")
    else:  # the peer has finished; our half is still open
        socket.write(fd, b"FINAL\n" * 10)
    await socket.close(fd)
