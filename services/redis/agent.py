"""Talks to clients in the Redis protocol (RESP2), and asks the store for everything about keys.

The commands that have arrived together are answered with one write, and with one call at most.
"""

from typing import Any

import skypy
from skypy import socket

Reply = Any
"""An int, bytes, None, a list of them, or a str, which is a line of the protocol: "+OK" or "-ERR ..."."""

LONGEST_LINE = 65536
MOST_ARGUMENTS = 1048576
LARGEST_ARGUMENT = 536870912
DOLLAR, STAR = b"$*"

ARGUMENTS = {  # fewest and most
    b"PING": (0, 1),
    b"ECHO": (1, 1),
    b"SELECT": (1, 1),
    b"QUIT": (0, None),
    b"COMMAND": (0, None),
    b"CONFIG": (1, None),
    b"INFO": (0, None),
    b"CLIENT": (1, None),
}
ARGUMENTS_FOR_STORE = {
    b"GET": (1, 1),
    b"SET": (2, 2),
    b"DEL": (1, None),
    b"EXISTS": (1, None),
    b"INCR": (1, 1),
    b"DECR": (1, 1),
    b"MGET": (1, None),
    b"KEYS": (1, 1),
    b"FLUSHDB": (0, 1),
}

store = 0


@skypy.start
def main(address: int) -> None:
    """Remember the store's address."""
    global store
    store = address


@skypy.command
async def serve(fd: int) -> None:
    """Take a client over from the listener."""
    await socket.start(fd)
    skypy.fork(talk, fd)


async def talk(fd: int) -> None:
    """Answer commands until the client quits, has finished, or does not keep to the protocol."""
    requests = Requests()
    going_on = True
    while going_on and (data := await socket.read(fd)) is not None:
        commands: list[list[bytes]] = []
        replies: list[Reply] = []
        try:
            for command in requests.feed(data):
                commands.append(command)
                if command[0] == b"QUIT":
                    going_on = False
                    break
        except ValueError as error:
            going_on = False
            replies.append(f"-ERR Protocol error: {error}")
        replies[:0] = await answer(commands)
        socket.write(fd, b"".join(map(encode, replies)))
        await socket.drain(fd)
    await socket.close(fd)
