"""Both ends of a connection as the tests make them, with a list in place of the lane."""

from __future__ import annotations

from collections.abc import Callable

from skypy.core.tcp.connection import Connection
from skypy.core.tcp.lease import Lease
from skypy.core.tcp.state import State
from skypy.core.tcp.worker_port import Reader
from skypy.core.wire.socket_lane import HIGH, Message

ID = 7
DESCRIPTOR = 33
OWNER = 0x0100000A
PLENTY = 1 << 30


class Heard(list[Message]):
    """The messages that one end has sent to the other."""

    def kinds(self) -> list[int]:
        return [message[0] for message in self]


class OneWorker:
    """The only worker there is, as the socket service's end knows one."""

    process_number = 1
    full = False

    def __init__(self, send: Callable[[Message], None]) -> None:
        self.send = send

    def send_with_descriptor(self, message: Message, descriptor: int) -> None:
        del descriptor
        self.send(message)

    def stall(self, reader: Reader) -> None:
        raise AssertionError("it is never full")


def connection(state: State = State.OPEN, *, queued: bytes = b"", limit: int = PLENTY) -> tuple[Connection, Heard]:
    """Make the socket service's end."""
    heard = Heard()
    made = Connection(ID, OneWorker(heard.append), state)
    made.credit(limit)
    if queued:
        made.queue.append(queued, HIGH)
    return made, heard


def lease(descriptor: int | None = DESCRIPTOR, *, window: int = 100) -> tuple[Lease, Heard]:
    """Make the worker's end."""
    heard = Heard()
    return Lease(ID, descriptor, window, heard.append), heard


def started_lease(*, window: int = 100, descriptor: int | None = DESCRIPTOR) -> tuple[Lease, Heard]:
    """Make the worker's end, started by an actor; the first credit is out of the list."""
    made, heard = lease(descriptor, window=window)
    made.start(OWNER)
    heard.clear()
    return made, heard


def lent_lease(*, window: int = 100, descriptor: int | None = DESCRIPTOR) -> tuple[Lease, Heard]:
    """Make the worker's end, started, to which the reading has been lent."""
    made, heard = started_lease(window=window, descriptor=descriptor)
    made.lent()
    return made, heard
