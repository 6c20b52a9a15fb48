"""An echo of lines that survives half-close.

Each line comes back to its client. A client that has finished sending still gets everything, and then ten FINAL lines;
one that sends `quit` is closed at once.
"""

import skypy
from skypy import socket


@skypy.start
async def main() -> None:
    """Listen at `host` and `port` of the config; each client is served by a task of its own."""
    listener = await socket.listen(skypy.getenv("host"), int(skypy.getenv("port")))
    await socket.start(listener, serve)


async def serve(fd: int, address: str) -> None:
    """Echo the lines of a client until `quit` or end-of-file."""
    await socket.start(fd)
    while (line := await socket.readline(fd)) is not None:
        if line == b"quit":
            break
        socket.write(fd, line + b"\n")
    else:  # the peer has finished; our half is still open
        socket.write(fd, b"FINAL\n" * 10)
    await socket.close(fd)
