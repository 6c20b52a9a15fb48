"""The hand of a test on a node of real processes: does what the test asks for over a socket."""

import contextlib
from typing import Any

import skypy
from skypy import socket
from skypy.core.values import pack_value, unpack_value


@skypy.start
async def main(*start: str) -> None:
    """Start what the config starts, then tell the test where to ask."""
    if start:
        await skypy.newservice(*start, worker=1)
    listener = await socket.listen("127.0.0.1", 0)
    await socket.start(listener, serve)
    skypy.log.info("skypy_hand on port %d", socket.local_address(listener).port)


async def serve(fd: int, address: str) -> None:
    """Each request is a task of its own, as each await of the test is."""
    await socket.start(fd)
    while (size := await socket.read(fd, 4)) is not None:
        request = await socket.read(fd, int.from_bytes(size, "big"))
        skypy.fork(answer, fd, *unpack_value(request or b""))
    await socket.close(fd)


async def answer(fd: int, number: int, verb: str, args: list[Any], kwargs: dict[str, Any]) -> None:
    """Do one thing, and tell what has come of it."""
    try:
        result = getattr(skypy, verb)(*args, **kwargs)
        if hasattr(result, "__await__"):
            result = await result
        outcome = pack_value([number, "", result])
    except Exception as error:
        arguments = [part if isinstance(part, int) else str(part) for part in error.args]
        outcome = pack_value([number, type(error).__name__, arguments])
    with contextlib.suppress(skypy.SocketError):
        socket.write(fd, len(outcome).to_bytes(4, "big") + outcome)
