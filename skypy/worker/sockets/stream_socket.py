"""A connection in its worker: the system calls, the actor that owns it, and the task that waits for its input.

The lease says what may be done with the connection; this class does it, and tells the lease the outcome.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from typing import Any, Final

from skypy.core.close_reason import CloseReason
from skypy.core.errors import BufferLimit, SocketBroken, SocketClosed
from skypy.core.socket_address import SocketAddress
from skypy.core.tcp.lease import OWNED, Lease, LeaseState
from skypy.core.tcp.read_half import BROKEN, LENT
from skypy.core.wire.socket_lane import Message
from skypy.system.kernel import Kernel
from skypy.worker.actors.actor import Actor
from skypy.worker.tasks.waiter import resume

LARGEST_DIRECT_READ: Final = 65536
"""Bytes that one read takes at most."""
NO_LIMIT: Final = 1 << 63
_BUFFERS_PER_WRITE: Final = 1024
"""The most buffers that Linux takes in one writev (UIO_MAXIOV)."""
_JOIN_BELOW_BYTES: Final = 65536
"""Small messages are copied together for one write; that is cheaper than a long list of buffers."""


class StreamSocket:
    """A TCP connection."""

    __slots__ = (
        "close_reason",
        "has_connected",
        "id",
        "kernel",
        "lease",
        "local",
        "loop",
        "on_close",
        "on_warning",
        "owner",
        "peer",
        "read_half",
        "reader",
        "reports_to",
        "sized",
        "unread_limit",
        "wakes_at",
        "write_half",
    )

    def __init__(
        self,
        id: int,  # noqa: A002
        descriptor: int | None,
        window: int,
        send: Callable[[Message], None],
        loop: asyncio.AbstractEventLoop,
        reports_to: Actor,
        peer: SocketAddress,
        kernel: Kernel,
    ) -> None:
        self.id = id
        self.lease = Lease(id, descriptor, window, send)
        self.read_half = self.lease.read_half
        self.write_half = self.lease.write_half
        self.kernel = kernel
        self.loop = loop
        self.owner: Actor | None = None
        """The actor that has started (or opened) the connection and may read; None while it is unclaimed."""
        self.reports_to = reports_to
        """The actor that the log names: the owner, or the one that accepted or abandoned an unclaimed connection."""
        self.peer = peer
        self.local: SocketAddress | None = None
        """This end's address; None until it is asked for."""
        self.reader: asyncio.Future[None] | None = None
        self.wakes_at = 1
        """The number of buffered bytes that the waiting reader needs."""
        self.sized = False
        """True if the reader waits for exactly `wakes_at` bytes: they may lie unread although they exceed the limit."""
        self.close_reason: CloseReason | None = None
        """The reason why the connection has ended; EOF when only the peer has finished; None before."""
        self.on_close: Callable[[int, str], Any] | None = None
        self.on_warning: Callable[[int, int], Any] | None = None
        self.unread_limit = NO_LIMIT
        """The number of bytes that may lie unread."""
        self.has_connected = False
        """True if an actor has opened the connection: TCP counts its SYN as a byte that the peer has acknowledged."""

    @property
    def descriptor(self) -> int | None:
        """The kernel's number of the connection, or None."""
        return self.lease.descriptor

    @property
    def origin(self) -> tuple[tuple[str, int], tuple[str, int] | None, bool]:
        """The (host, port) of the peer and of this side, None if the latter was not asked for, and `has_connected`."""
        local = self.local
        return (self.peer.host, self.peer.port), None if local is None else (local.host, local.port), self.has_connected

    def clear_callbacks(self) -> None:
        """Undo the set-up of an actor whose ownership ends."""
        self.on_close = None
        self.on_warning = None
        self.unread_limit = NO_LIMIT

    # -- input --

    def take_input(self) -> bool:
        """Read once from the kernel, which has input for a connection that is lent. The reader goes on at once.

        Return True if the kernel is to be watched further: the reading is still lent.
        """
        half = self.read_half
        if half.state is not LENT:
            return False  # it was returned outside of this call
        descriptor = self.lease.descriptor
        assert descriptor is not None
        try:
            data = self.kernel.read(descriptor, min(half.limit - half.read, LARGEST_DIRECT_READ))
        except BlockingIOError:
            return True
        except OSError as error:
            self.lease.end_of_input(error.errno or 0)
            return False
        if not data:
            self.lease.end_of_input()
            return False
        half.received(data)
        self.input_arrived()
        if half.read >= half.limit:
            self.lease.give_back()  # its actor has enough
        return half.state is LENT

    def input_arrived(self) -> None:
        """Wake the reader if the buffered bytes are enough for it; break the connection if they are too many."""
        size = self.read_half.buffer.size
        if self.reader is not None and size >= self.wakes_at:
            self.wake_reader()
            size = self.read_half.buffer.size
        if size > self.unread_limit and not (self.sized and self.busy):
            self.lease.break_off(errno.EMSGSIZE, CloseReason.BUFFER_LIMIT)

    # -- the reader --

    @property
    def busy(self) -> bool:
        """True while a task waits for input."""
        reader = self.reader
        return reader is not None and not reader.done()

    def readable(self, size: int = 1, *, sized: bool = False) -> asyncio.Future[None]:
        """Return a wait for `size` buffered bytes, or for the end of input. `sized`: the reader takes no fewer."""
        self.sized = sized
        self.wakes_at = size
        waiter: asyncio.Future[None] = asyncio.Future(loop=self.loop)
        self.reader = waiter
        return waiter

    def wake_reader(self) -> None:
        """Let the waiting task look again. It goes on at once, so no service's code may be running."""
        waiter, self.reader = self.reader, None
        if waiter is not None and not waiter.done():
            resume(waiter, None)

    def check_reader(self, actor: Actor) -> None:
        """Check after a wait that the actor may read on.

        Raises SocketClosed when the socket was closed or has changed hands meanwhile.
        """
        state = self.lease.state
        if state is OWNED and self.owner is actor:
            return
        if state is LeaseState.CLOSING:
            raise SocketClosed(f"socket {self.id} was closed while a task was reading from it")
        if self.owner is None:
            raise SocketClosed(f"socket {self.id} was abandoned while a task was reading from it")
        if self.owner is not actor or state is LeaseState.YIELDED:
            raise SocketClosed(f"socket {self.id} was taken over by another actor while a task was reading from it")

    def raise_if_broken(self) -> None:
        """Return if the end of input, which a reader has reached, is end-of-file.

        Raises SocketBroken once when it is a reset, BufferLimit when the reset came from a limit that was passed.
        """
        if self.read_half.state is BROKEN:
            self.read_half.stop()
            if self.close_reason is CloseReason.BUFFER_LIMIT:
                raise BufferLimit(f"socket {self.id} was reset: more bytes were unread than `limit` had allowed")
            raise SocketBroken(self.lease.error, os.strerror(self.lease.error))

    # -- output --

    def flush(self) -> None:
        """Give the corked bytes to the kernel, and to the socket service as far as the kernel does not take them."""
        lease, kernel = self.lease, self.kernel
        corked = self.write_half.corked
        while corked.size:
            descriptor = lease.descriptor
            if descriptor is None or not lease.may_write_directly:
                lease.forward_output()
                return
            try:
                if corked.size <= _JOIN_BELOW_BYTES:
                    data = corked.joined()
                    offered = len(data)
                    count = kernel.write(descriptor, data)
                else:
                    buffers = corked.first(_BUFFERS_PER_WRITE)
                    offered = sum(map(len, buffers))
                    count = kernel.writev(descriptor, buffers)
            except BlockingIOError:
                lease.forward_output()
            except OSError as error:
                lease.write_failed(error.errno or 0)
            else:
                lease.wrote(count, offered)

    def shutdown_write(self) -> None:
        """Send the corked bytes, then FIN."""
        self.flush()
        self.lease.shutdown_write()
