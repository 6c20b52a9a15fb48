"""The socket service's end of one worker's lane: requests in, reports out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from skypy.core.errors import MalformedFrame
from skypy.core.tcp.worker_port import NOBODY, Reader
from skypy.core.wire.socket_lane import Message
from skypy.lane.lane import Lane, LaneEnded
from skypy.net.reactor import Reactor
from skypy.system.poller import READABLE, WRITABLE

MARK_BYTES: Final = 1048576
"""A lane that holds more than this unsent gets nothing more to carry: the kernel's buffers slow its peers down."""

Serve = Callable[["WorkerLane", Sequence[Any]], None]


class WorkerLane:
    """One worker, as the socket service knows it: a WorkerPort for the connections, a handler for the reactor."""

    def __init__(
        self,
        lane: Lane,
        process_number: int,
        reactor: Reactor,
        requests: dict[int, Serve],
        ended: Callable[[WorkerLane, str], None],
    ) -> None:
        """`requests` serve a message, by its kind; `ended(worker, reason)` is called once, "" for an orderly end."""
        self._lane = lane
        self.process_number = process_number
        self._reactor = reactor
        self._requests = requests
        self._ended = ended
        self._stalled: dict[Reader, None] = {}
        self.alive = True
        self.send: Callable[[Message], None] = lane.send
        self.send_with_descriptor: Callable[[Message, int], None] = lane.send_with_descriptor
        self.take_descriptor = lane.take_descriptor
        self.marks: int | None = None
        """A descriptor of the marks of the worker's output."""
        self._watched = READABLE
        reactor.watch(self, READABLE)

    def fileno(self) -> int:
        """Return the lane's descriptor."""
        return self._lane.fileno()

    @property
    def full(self) -> bool:
        """True if the lane holds more than its mark."""
        return self._lane.unsent > MARK_BYTES

    def stall(self, reader: Reader) -> None:
        """Resume a socket that has input for a full lane when there is room again."""
        self._stalled[reader] = None

    def handle(self, events: int) -> None:
        """Serve the requests that have arrived; the reports leave at the end of the turn."""
        if events & ~WRITABLE:
            try:
                for message in self._lane.receive():
                    self._requests[message[0]](self, message)
            except LaneEnded:
                self._end("")
            except (MalformedFrame, LookupError, TypeError, ValueError) as error:
                self._end(f"it does not keep to the protocol: {error!r}")

    def fail(self) -> None:
        """Cut the worker off after code here has raised; the worker ends when it notices."""
        if self.alive:
            self._end("an error in the socket service")

    def flush(self) -> None:
        """Send the batch of this turn."""
        if not self.alive or self._lane.idle:
            return
        events = READABLE if self._lane.flush() else READABLE | WRITABLE
        if events != self._watched:
            self._watched = events
            self._reactor.watch(self, events)
        if self._stalled and not self.full:
            stalled, self._stalled = self._stalled, {}
            for reader in stalled:
                reader.update_interest()

    def _end(self, reason: str) -> None:
        self.alive = False
        self.send = NOBODY.send
        self._reactor.ignore(self)
        self._lane.close()
        self._ended(self, reason)
