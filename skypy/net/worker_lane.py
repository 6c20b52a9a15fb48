"""The service's end of one worker's lane: its requests in, reports out, and everything that worker owns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from skypy.core.codec import MalformedFrame
from skypy.core.holder import NOBODY
from skypy.core.messages import Message
from skypy.lane import Lane, LaneEnded
from skypy.net.listener import Listener
from skypy.net.reactor import Reactor
from skypy.net.stream import Stream
from skypy.poller import READABLE, WRITABLE

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
        self.streams: dict[int, Stream] = {}
        self.listeners: dict[int, Listener] = {}
        self.emit: Callable[[Message], None] = lane.send
        self.emit_with_descriptor = lane.send_with_descriptor
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
        self._reactor.watch(self, READABLE if self._lane.flush() else READABLE | WRITABLE)
        if self._stalled and not self.full:
            stalled, self._stalled = self._stalled, {}
            for stream in stalled:
                stream.update_interest()

    def _end(self, reason: str) -> None:
        self.alive = False
        self.emit = NOBODY.emit
        self._reactor.ignore(self)
        self._lane.close()
        self._ended(self, reason)
