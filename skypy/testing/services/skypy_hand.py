"""The hand of a test in a node of real processes: an actor that does verbs for the test, asked over a socket."""

import contextlib
from typing import Any

import skypy
from skypy import socket
from skypy.core.wire.values import pack_value, unpack_value

PEER_HAS_ENDED = {"HALF_CLOSED_READ", "HALF_CLOSED_READ_FINISHING", "WRITE_BROKEN"}


@skypy.start
async def main() -> None:
    """Listen, and log the port for the test."""
    listener = await socket.listen("127.0.0.1", 0)
    await socket.start(listener, serve)
    skypy.log.info("skypy_hand on port %d", socket.local_address(listener).port)


async def serve(fd: int, address: str) -> None:
    """Start a task for each request, as each await of the test is one."""
    await socket.start(fd)
    while (size := await socket.read(fd, 4)) is not None:
        request = await socket.read(fd, int.from_bytes(size, "big"))
        skypy.fork(answer, fd, *unpack_value(request or b""))
    await socket.close(fd)


async def answer(fd: int, ticket: int, verb: str, args: list[Any], kwargs: dict[str, Any]) -> None:
    """Do one verb, and write its result or its error."""
    try:
        result = VERBS[verb](*args, **kwargs)
        if hasattr(result, "__await__"):
            result = await result
        outcome = pack_value([ticket, "", result])
    except Exception as error:
        arguments = [part if isinstance(part, int) else str(part) for part in error.args]
        outcome = pack_value([ticket, type(error).__name__, arguments])
    with contextlib.suppress(skypy.SocketError):
        socket.write(fd, len(outcome).to_bytes(4, "big") + outcome)


async def neglected() -> list[list[int]]:
    """Return [id, owner] of the sockets that are ended by their peers and not closed by their services."""
    return [[row.id, row.owner] for row in await socket.netstat() if row.state in PEER_HAS_ENDED]


VERBS: dict[str, Any] = {
    "newservice": skypy.newservice,
    "uniqueservice": skypy.uniqueservice,
    "queryservice": skypy.queryservice,
    "call": skypy.call,
    "send": skypy.send,
    "kill": skypy.kill,
    "query": skypy.query,
    "neglected": neglected,
}
