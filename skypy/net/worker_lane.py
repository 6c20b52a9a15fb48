"""The service's end of one worker's lane: its requests in, reports out, and everything that worker owns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from skypy.core.errors import MalformedFrame
from skypy.core.tcp.worker_port import NOBODY
from skypy.core.wire.socket_lane import Message
from skypy.lane.lane import Lane, LaneEnded
from skypy.net.connected_socket import Stream
from skypy.net.listener import Listener
from skypy.net.reactor import Reactor
from skypy.system.poller import READABLE, WRITABLE

MARK_BYTES: Final = 1048576
"""A lane that holds more than this unsent gets nothing more to carry: the kernel's buffers slow its peers down."""

Command = Callable[["WorkerLane", Sequence[Any]], None]


class WorkerLane:
    """One worker, seen from the service."""

    def __init__(
        self,
        lane: Lane,
        number: int,
        reactor: Reactor,
        commands: dict[int, Command],
        ended: Callable[[WorkerLane, str], None],
    ) -> None:
        self._lane = lane
        self.number = number
        self._reactor = reactor
        self._commands = commands
        self._ended = ended
        self._stalled: dict[Stream, None] = {}
        self.alive = True
        self.listeners: dict[int, Listener] = {}
        self.send: Callable[[Message], None] = lane.send
        self.send_with_descriptor = lane.send_with_descriptor
        self._watched = READABLE
        reactor.watch(self, READABLE)

    def fileno(self) -> int:
        """The lane's descriptor."""
        return self._lane.fileno()

    @property
    def full(self) -> bool:
        """Whether it holds more than its mark."""
        return self._lane.unsent > MARK_BYTES

    def stall(self, stream: Stream) -> None:
        """`stream` has input for a full lane; it is resumed when there is room again."""
        self._stalled[stream] = None

    def handle(self, events: int) -> None:
        """Requests have arrived, or there is room for reports."""
        if events & ~WRITABLE:
            try:
                for message in self._lane.receive():
                    self._commands[message[0]](self, message)
            except LaneEnded:
                self._end("")
            except (MalformedFrame, LookupError, TypeError, ValueError) as error:
                self._end(f"it does not keep to the protocol: {error!r}")

    def fail(self) -> None:
        """Its code has raised: the worker is cut off, and ends when it notices."""
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
            for stream in stalled:
                stream.update_interest()

    def _end(self, reason: str) -> None:
        self.alive = False
        self.send = NOBODY.send
        self._reactor.ignore(self)
        self._lane.close()
        self._ended(self, reason)
