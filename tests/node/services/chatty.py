"""An echo that writes a lot to the log when it is asked to: "log 1000" and "print 1000" are so many numbered lines."""

import skypy
from skypy import socket


@skypy.start
async def main() -> None:
    await socket.start(await socket.listen("127.0.0.1", int(skypy.getenv("port"))), serve)


async def serve(fd: int, address: str) -> None:
    await socket.start(fd)
    while (line := await socket.readline(fd)) is not None:
        verb, _, count = line.partition(b" ")
        for number in range(int(count or 0)):
            if verb == b"log":
                skypy.log.info("line %d %s", number, "x" * 80)
            else:
                print(f"line {number} {'x' * 80}")
        socket.write(fd, line + b"\n")
    await socket.close(fd)
