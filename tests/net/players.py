"""The workers that a test plays, and the sockets that they hold."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import socket
from typing import TYPE_CHECKING, Any, Final

from skypy.core.wire.socket_lane import (
    ABORT,
    CLOSE,
    CONNECT,
    CREDIT,
    LISTEN,
    LOW,
    SHUTDOWN,
    SOCKET_ACCEPT,
    SOCKET_CLOSE,
    SOCKET_DATA,
    SOCKET_ERROR,
    SOCKET_FAILED,
    SOCKET_FORGET,
    SOCKET_HANDED_OVER,
    SOCKET_HANGUP,
    SOCKET_LEND,
    SOCKET_MORE,
    SOCKET_OPEN,
    SOCKET_SENT,
    WRITE,
)
from skypy.lane.lane import Lane, LaneEnded, lane_pair

if TYPE_CHECKING:
    from tests.net.stage import Stage

Report = list[Any]

HOST: Final = "127.0.0.1"
OWNER: Final = 0x01000008
"""The actor that owns the sockets, where the test names no other: `:01000008`."""
PLENTY: Final = bytes(range(256)) * 2048
"""Far more than a tight connection holds while its peer does not read."""
CREDIT_FOR_ALL: Final = 1 << 30
WITH_DESCRIPTOR: Final = {SOCKET_OPEN, SOCKET_ACCEPT, SOCKET_HANDED_OVER}
"""The reports that take a descriptor."""


class Held:
    """A socket that a played worker owns, with the worker's duplicate of the descriptor."""

    def __init__(self, worker: Worker, id: int, duplicate: socket.socket | None) -> None:  # noqa: A002
        self.worker = worker
        self.id = id
        self._duplicate = duplicate
        self.out = 0
        self.granted = 0

    @property
    def duplicate(self) -> socket.socket:
        """The worker's duplicate of the connection's socket."""
        assert self._duplicate is not None, f"socket {self.id} came without its descriptor"
        return self._duplicate

    @property
    def address(self) -> tuple[str, int]:
        """The local address."""
        host, port = self.duplicate.getsockname()
        return host, port

    def drop_duplicate(self) -> None:
        """Close the worker's duplicate."""
        if self._duplicate is not None:
            self._duplicate.close()

    # -- requests --

    def send(self, kind: int, *fields: Any) -> None:
        """Send one request about this socket."""
        self.worker.send(kind, self.id, *fields)

    def credit(self, limit: int = CREDIT_FOR_ALL, owner: int = OWNER) -> None:
        """Grant input up to `limit`, as an actor that starts the socket."""
        self.send(CREDIT, limit, owner)

    def writing(self, data: bytes, priority: int = LOW, error: int = 0) -> tuple[Any, ...]:
        """Return the WRITE that hands `data` over, to be sent together with others."""
        position = self.out
        self.out += len(data)
        return (WRITE, self.id, position, [(priority, data)] if data else [], error)

    def write(self, data: bytes, priority: int = LOW, error: int = 0) -> None:
        """Hand `data` over, with the errno that a direct write met."""
        self.worker.send(*self.writing(data, priority, error))

    def write_directly(self, data: bytes) -> None:
        """Give `data` to the kernel by way of the duplicate, as a worker does while nothing is queued."""
        assert self.duplicate.send(data) == len(data)
        self.out += len(data)

    def fill(self) -> None:
        """Give the kernel as much as it takes, directly; the peer must not be reading."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.out += self.duplicate.send(PLENTY)

    def shutdown(self, how: str) -> None:
        """Finish one half."""
        self.send(SHUTDOWN, how)

    def close(self) -> None:
        """Close safely."""
        self.send(CLOSE)

    def abort(self, *, dropped: bool = False) -> None:
        """End the connection at once; `dropped`: the worker had bytes that it gave up."""
        self.send(ABORT, dropped)

    # -- reports --

    @property
    def reports(self) -> list[Report]:
        """The reports about this socket, in order, after OPEN or ACCEPT."""
        return [
            one for one in self.worker.reports if one[0] not in {SOCKET_FAILED, *WITH_DESCRIPTOR} and one[1] == self.id
        ]

    @property
    def news(self) -> list[tuple[int, ...]]:
        """The reports as tuples, without SOCKET_SENT and without the bytes of DATA and MORE."""
        return [
            (one[0],)
            if one[0] in (SOCKET_DATA, SOCKET_MORE, SOCKET_FORGET, SOCKET_HANGUP, SOCKET_LEND)
            else (one[0], one[2])
            for one in self.reports
            if one[0] != SOCKET_SENT
        ]

    @property
    def pieces(self) -> list[bytes]:
        """The input, as it was delivered."""
        return [one[2] for one in self.reports if one[0] in (SOCKET_DATA, SOCKET_MORE)]

    @property
    def input(self) -> bytes:
        """All input so far."""
        return b"".join(self.pieces)

    @property
    def ends(self) -> list[int]:
        """The errno of each SOCKET_CLOSE."""
        return [one[2] for one in self.reports if one[0] == SOCKET_CLOSE]

    @property
    def errors(self) -> list[int]:
        """The errno of each SOCKET_ERROR."""
        return [one[2] for one in self.reports if one[0] == SOCKET_ERROR]

    @property
    def sent(self) -> int:
        """The last position that SOCKET_SENT told."""
        return max((one[2] for one in self.reports if one[0] == SOCKET_SENT), default=0)

    @property
    def forgotten(self) -> bool:
        """True if SOCKET_FORGET has come."""
        return (SOCKET_FORGET,) in self.news


class Worker:
    """A worker that a test plays: the other end of a lane."""

    def __init__(self, stage: Stage) -> None:
        here, there = lane_pair()
        self.stage = stage
        self.lane = Lane(here)
        self.reports: list[Report] = []
        self.held: dict[int, Held] = {}
        self.reading = True
        self.ended = False
        self._socket = here
        self._poll = select.poll()
        self._poll.register(here, select.POLLIN)
        self._tickets = itertools.count(1)
        self.far_end = stage.service.add_lane(Lane(there), len(stage.workers) + 1)
        stage.workers.append(self)

    def send(self, *message: Any) -> None:
        """Send one message."""
        self.send_at_once(message)

    def send_at_once(self, *messages: tuple[Any, ...]) -> None:
        """Send messages in one batch, so that the socket service gets them in one turn."""
        for message in messages:
            self.lane.send(message)
        self.lane.flush()

    def send_bytes(self, data: bytes) -> None:
        """Send bytes that need not be a message."""
        self._socket.sendall(data)

    def request(self, kind: int, *fields: Any) -> int:
        """Send a request that has a ticket, and return the ticket."""
        ticket = next(self._tickets)
        self.send(kind, ticket, *fields)
        return ticket

    def take(self) -> None:
        """Read the reports that have come, unless the test has this worker not reading."""
        if not self.reading or self.ended:
            return
        self.lane.flush()
        try:
            while self._poll.poll(0):
                for report in self.lane.receive():
                    self._note(report)
        except LaneEnded:
            self.ended = True

    def _note(self, report: Report) -> None:
        self.reports.append(report)
        if report[0] in WITH_DESCRIPTOR:
            descriptor = self.lane.take_descriptor()
            duplicate = None if descriptor is None else socket.socket(fileno=descriptor)
            self.held[report[2]] = Held(self, report[2], duplicate)
        elif report[0] == SOCKET_FORGET:
            self.held[report[1]].drop_duplicate()

    def die(self) -> None:
        """Close every descriptor, as the kernel does when a process ends."""
        self.ended = True
        self.lane.close()
        for held in self.held.values():
            held.drop_duplicate()

    # -- requests with their answers --

    def answer(self, ticket: int) -> Report:
        """Wait for the answer to a request: SOCKET_OPEN or SOCKET_FAILED."""

        def found() -> list[Report]:
            return [one for one in self.reports if one[0] in (SOCKET_OPEN, SOCKET_FAILED) and one[1] == ticket]

        self.stage.until(found, f"an answer to ticket {ticket}")
        return found()[0]

    def opened(self, ticket: int) -> Held:
        """Wait for the socket that a request opens."""
        answer = self.answer(ticket)
        assert answer[0] == SOCKET_OPEN, f"failed: {os.strerror(answer[2])}"
        return self.held[answer[2]]

    def listen(
        self, backlog: int = 64, *, credit: int = 0, avoid_time_wait: bool = False, half_close: bool = True
    ) -> Held:
        """Listen on a free port; up to `credit` clients may be accepted."""
        listener = self.opened(self.request(LISTEN, [(socket.AF_INET, HOST, 0)], backlog, avoid_time_wait, half_close))
        if credit:
            listener.send(CREDIT, credit)
        return listener

    def connect(self, *ports: int) -> int:
        """Ask for a connection to one of the ports, and return the ticket."""
        return self.request(CONNECT, [(socket.AF_INET, HOST, port) for port in ports])

    def accepted(self, listener: Held) -> list[Held]:
        """Return the clients of a listener, in their order."""
        return [self.held[one[2]] for one in self.reports if one[0] == SOCKET_ACCEPT and one[1] == listener.id]
