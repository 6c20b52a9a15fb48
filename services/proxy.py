"""A TCP proxy that passes half-close on: each direction ends by itself, in order, and a reset stays a reset.

Bytes from one side go to the other, no faster than they are taken. The end of one side's bytes is passed on behind the
last of them, and the other side may go on answering.
"""

import asyncio
from functools import partial

import skypy
from skypy import socket


@skypy.start
async def main() -> None:
    """Listen at `host` and `port` of the config."""
    listener = await socket.listen(skypy.getenv("host"), int(skypy.getenv("port")))
    await socket.start(listener, serve)
    skypy.log.info("proxy on %s for %s:%s", socket.local_address(listener), *target())


def target() -> tuple[str, int]:
    """Return the host and the port to which clients are connected."""
    return skypy.getenv("target_host"), int(skypy.getenv("target_port"))


async def serve(client: int, address: str) -> None:
    """Connect a client with the target until both directions have ended; reset it if the target is out of reach."""
    try:
        server = await socket.open(*target(), timeout=float(skypy.getenv("connect_timeout")))
    except OSError as error:  # TimeoutError is one
        skypy.log.info("turned %s away: %s", address, error)
        socket.abort(client)
        return
    await socket.start(client)  # reading begins now, when there is a target to read for
    for fd, other in ((client, server), (server, client)):
        socket.onclose(fd, partial(pass_on_reset, other))
    try:
        async with asyncio.TaskGroup() as directions:
            directions.create_task(copy(client, server))
            directions.create_task(copy(server, client))
    except* skypy.SocketError:
        socket.abort(client)
        socket.abort(server)
    else:
        await socket.close(client)
        await socket.close(server)


async def copy(source: int, sink: int) -> None:
    """Copy one direction to its end, and pass the end on.

    Raises SocketError if a side is broken.
    """
    while (data := await socket.read(source)) is not None:
        socket.write(sink, data)
        await socket.drain(sink)  # a sink that takes nothing stops the reading, and TCP stops the source
    socket.shutdown(sink, "w")


def pass_on_reset(other: int, fd: int, reason: str) -> None:
    """Reset the other side of a broken connection, even while neither side is read from or written to."""
    if reason != "eof":
        socket.abort(other)
