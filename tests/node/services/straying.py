"""An actor that writes stray bytes into the lanes of its worker, as a write to a wrong descriptor does."""

import os

import skypy
from skypy import socket
from skypy.worker.worker import current_actor

other = 0


@skypy.start
async def main(role: str = "listener") -> None:
    global other
    if role == "listener":
        other = await skypy.newservice("straying", "other", worker=2)
        listener = await socket.listen("127.0.0.1", 0)
        await socket.start(listener, serve)
        skypy.log.info("port %d", socket.local_address(listener).port)


def lane(name: str) -> int:
    """Return the descriptor of a lane of this worker."""
    worker = current_actor().worker
    if name == "node":
        return worker.node_link._control.fileno()
    if name == "socket service":
        return worker.sockets.lane._raw_lane.fileno()
    bus = worker.calls._routes._send_to_process.__self__  # type: ignore[attr-defined]
    descriptor: int = bus._peers[1].lane._descriptor
    return descriptor


@skypy.command
def stray(name: str, data: bytes) -> None:
    os.write(lane(name), data)


@skypy.command
def length(data: bytes) -> int:
    return len(data)


async def serve(fd: int, address: str) -> None:
    """Answer the lines of a client: a lane and bytes in hexadecimal digits, or a number of bytes to be sent along."""
    await socket.start(fd)
    while (line := await socket.readline(fd)) is not None:
        first, _, second = line.decode().partition(":")
        try:
            if first == "new":
                answer = f"{await skypy.newservice('straying', 'other', worker=2):08x}"
            elif first == "argument":
                answer = f"{await skypy.newservice('straying', 'x' * int(second), worker=2):08x}"
            elif first == "length":
                answer = str(await skypy.call(other, "length", bytes(int(second))))
            else:
                skypy.send(other, "stray", first, bytes.fromhex(second))
                answer = "sent"
        except skypy.SkypyError as error:
            answer = type(error).__name__
        socket.write(fd, answer.encode() + b"\n")
    await socket.close(fd)
