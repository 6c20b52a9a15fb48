"""What an actor's socket is in its worker: the lane's view of it, who owns it, and who waits for it."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from skypy.core.close_reason import CloseReason
from skypy.core.errors import BufferLimit, SocketBroken, SocketClosed
from skypy.core.socket_address import SocketAddress
from skypy.core.tcp.lease import Lease, LeaseState, Reading
from skypy.core.wire.socket_lane import CLOSE, CREDIT, Message
from skypy.system.kernel import Kernel
from skypy.worker.sockets.direct_input import DirectInput
from skypy.worker.tasks.waiter import Waiter, resume

if TYPE_CHECKING:
    from skypy.worker.actors.actor import Actor

_BUFFERS_PER_WRITE: Final = 1024
"""What Linux takes in one writev (UIO_MAXIOV)."""
_JOIN_BELOW_BYTES: Final = 65536
"""Small messages are copied together for one write; that is cheaper than a long list of buffers."""
# Python 3.11 takes its time to find a member of an Enum: each wait, or each end of input, asks for these.
_OWNED: Final = LeaseState.OWNED
_BROKEN: Final = Reading.BROKEN
NO_LIMIT: Final = 1 << 63
ACCEPT_WINDOW: Final = 1024
"""Clients that may be on their way from the service to a listener's actor."""


class Claimant(Waiter[None]):
    """The wait of an actor that wants to own a socket."""

    __slots__ = ("actor",)

    def __init__(self, loop: asyncio.AbstractEventLoop, actor: Actor) -> None:
        super().__init__(loop)
        self.actor = actor


class StreamSocket(Lease):
    """A TCP connection."""

    __slots__ = (
        "close_reason",
        "direct_input",
        "kernel",
        "local",
        "loop",
        "on_close",
        "on_warning",
        "owner",
        "peer",
        "reader",
        "sized",
        "started",
        "told",
        "unclaimed",
        "unread_limit",
        "wakes_at",
    )

    def __init__(
        self,
        id: int,  # noqa: A002
        descriptor: int | None,
        window: int,
        send: Callable[[Message], None],
        loop: asyncio.AbstractEventLoop,
        owner: Actor,
        peer: SocketAddress,
        kernel: Kernel,
        direct_input: DirectInput,
    ) -> None:
        super().__init__(id, descriptor, window, send)
        self.kernel = kernel
        self.direct_input = direct_input
        self.loop = loop
        self.owner = owner
        self.peer = peer
        self.local: SocketAddress | None = None
        self.started = False
        """Whether an actor has called start (or open): until then it can read nothing."""
        self.unclaimed: asyncio.TimerHandle | None = None
        self.reader: asyncio.Future[None] | None = None
        self.wakes_at = 1
        """How many buffered bytes the waiting reader needs."""
        self.sized = False
        self.told = False
        """Whether the error that broke it has been logged."""
        self.close_reason: CloseReason | None = None
        """Why it has ended; EOF when only the peer has finished."""
        self.on_close: Callable[[int, str], Any] | None = None
        self.on_warning: Callable[[int, int], Any] | None = None
        self.unread_limit = NO_LIMIT
        """How many bytes may lie unread."""

    def forget_callbacks(self) -> None:
        """What an actor has set up for it ends with its ownership."""
        self.on_close = None
        self.on_warning = None
        self.unread_limit = NO_LIMIT

    # -- reading --

    @property
    def busy(self) -> bool:
        """Whether a task waits for input."""
        reader = self.reader
        return reader is not None and not reader.done()

    @property
    def overflows(self) -> bool:
        """Whether more lies unread than its actor allows, and nobody waits for that much."""
        return self.buffer.size > self.unread_limit and not (self.sized and self.busy)

    def readable(self, size: int = 1, *, sized: bool = False) -> asyncio.Future[None]:
        """A wait for `size` buffered bytes, or for the end of input. `sized`: the reader takes no less."""
        self.sized = sized
        self.wakes_at = size
        waiter: asyncio.Future[None] = asyncio.Future(loop=self.loop)
        self.reader = waiter
        return waiter

    def wake_reader(self) -> None:
        """The reader has something to look at: it goes on at once, so no service's code may be running."""
        waiter, self.reader = self.reader, None
        if waiter is not None and not waiter.done():
            resume(waiter, None)

    def check_reader(self, actor: Actor) -> None:
        """After a wait. Raises SocketClosed when the socket was closed or has changed hands meanwhile."""
        state = self.state
        if state is _OWNED and self.started and self.owner is actor:
            return
        if state is LeaseState.CLOSING:
            raise SocketClosed(f"socket {self.id} was closed while a task was reading from it")
        if not self.started:
            raise SocketClosed(f"socket {self.id} was abandoned while a task was reading from it")
        if self.owner is not actor or state is LeaseState.YIELDED:
            raise SocketClosed(f"socket {self.id} was taken over by another actor while a task was reading from it")

    def end_of_input(self) -> None:
        """For a reader that found the buffer at its end: return if that is end-of-file.

        Raises SocketBroken once when a reset was the end, BufferLimit when it had sent more than `limit` allows.
        """
        if self.reading is _BROKEN:
            self.reading = Reading.ENDED
            if self.close_reason is CloseReason.BUFFER_LIMIT:
                raise BufferLimit(f"socket {self.id} was reset: more than {self.unread_limit} bytes were unread")
            raise SocketBroken(self.error, os.strerror(self.error))

    def take_input(self) -> None:
        """The kernel has input for it, which the service has lent to us: the reader goes on at once."""
        if self.read_directly():
            self.input_arrived()
            if self.received >= self.limit:
                self.give_back()  # its actor has enough

    def input_arrived(self) -> None:
        """Bytes were added to the buffer: wake the reader if they are enough for it, or end it if they are too many."""
        if self.reader is not None and self.buffer.size >= self.wakes_at:
            self.wake_reader()
        if self.buffer.size > self.unread_limit and self.overflows:
            self.break_off(errno.EMSGSIZE, CloseReason.BUFFER_LIMIT)

    def _watch_input(self) -> None:
        self.direct_input.watch(self)

    def _ignore_input(self) -> None:
        self.direct_input.ignore(self)

    def _read_directly(self, size: int) -> bytes:
        assert self.descriptor is not None
        return self.kernel.read(self.descriptor, size)

    # -- writing --

    def _write_directly(self) -> tuple[int, int]:
        assert self.descriptor is not None
        if self.corked.size <= _JOIN_BELOW_BYTES:
            data = self.corked.joined()
            return self.kernel.write(self.descriptor, data), len(data)
        buffers = self.corked.first(_BUFFERS_PER_WRITE)
        return self.kernel.writev(self.descriptor, buffers), sum(map(len, buffers))


class ListenerSocket:
    """A listening socket."""

    __slots__ = ("_limit", "_send", "_window", "accept", "accepted", "descriptor", "id", "local", "owner", "state")

    def __init__(
        self,
        id: int,  # noqa: A002
        descriptor: int | None,
        window: int,
        send: Callable[[Message], None],
        owner: Actor,
        local: SocketAddress,
    ) -> None:
        self.id = id
        self.descriptor = descriptor
        self.owner = owner
        self.local = local
        self.accept: Callable[[int, SocketAddress], Any] | None = None
        self.accepted = 0
        self.state = LeaseState.OWNED
        self._limit = 0
        self._window = window
        self._send = send

    def start(self, accept: Callable[[int, SocketAddress], Any], owner: Actor) -> None:
        """Begin (or go on) accepting for an actor."""
        self.accept = accept
        self.owner = owner
        self.want()

    def want(self) -> None:
        """Grant more clients when half of the last grant is used up."""
        if self.accepted + ACCEPT_WINDOW - self._limit >= ACCEPT_WINDOW // 2:
            self._limit = self.accepted + ACCEPT_WINDOW
            self._send((CREDIT, self.id, self._limit, self.owner.address, self._window))

    def close(self) -> None:
        """Stop listening at once."""
        if self.state is LeaseState.OWNED:
            self.state = LeaseState.CLOSING
            self._send((CLOSE, self.id))

    def forgotten(self) -> int | None:
        """SOCKET_FORGET: returns the descriptor that is to be closed now."""
        descriptor, self.descriptor = self.descriptor, None
        return descriptor
