"""The worker's end of a socket: what it knows of a connection whose descriptor it holds a duplicate of.

Output. The actor's writes are corked; at the end of the turn they go straight into the kernel, or to the service when
the kernel does not take them all. `out` counts the bytes given away (to the kernel or the service), `sent` those known
to be in the kernel. The right to write directly is arithmetic: `sent == out`. So at most one side has bytes to write.

Input. The service delivers up to `limit`. The actor's reading moves the limit on; an actor that does not read grants
nothing. That is pause: there is no pause message. LEND lets this side read the kernel directly, for as long as it wants
input: whenever it does not, RETURN tells how far it has read, and the service goes on from there.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from skypy.core.close_reason import CloseReason
from skypy.core.tcp.input_buffer import InputBuffer
from skypy.core.tcp.output_queue import OutputQueue
from skypy.core.waiting import Wakeable
from skypy.core.wire.socket_lane import (
    ABORT,
    BREAK,
    CLOSE,
    CREDIT,
    RETURN,
    SHUTDOWN,
    WRITE,
    WRITE_SIZE_LIMIT,
    YIELD,
    Message,
)

FIRST_WARNING: Final = 1048576
"""Unsent bytes that are worth a warning, then twice as many, and so on: skynet's numbers."""
LARGEST_DIRECT_READ: Final = 65536
_LARGEST_POSITION: Final = (1 << 63) - 1
"""More than any connection carries: what a reader may ask for, a peer may have chosen."""


class LeaseState(Enum):
    """Why a worker holds the duplicate."""

    OWNED = "owned"  # an actor here owns the socket, or will start it
    CLOSING = "closing"  # CLOSE or ABORT sent: everything but SOCKET_FORGET is ignored
    BREAKING = "breaking"  # BREAK sent: the actor still has it, and hears of the reset as of any other
    YIELDED = "yielded"  # YIELD sent: the same, and its actors are foreigners to it now
    DEAD = "dead"  # SOCKET_FORGET while owning: no descriptor, what is unread stays readable


class Reading(Enum):
    """The read half, as the actor sees it once the buffer is empty."""

    OPEN = "open"
    ENDED = "ended"  # end-of-file
    BROKEN = "broken"  # a reset that the reader has not been told yet


# Python 3.11 takes its time to find a member of an Enum, and every connection asks for these many times.
_OPEN: Final = Reading.OPEN
_ENDED: Final = Reading.ENDED
_OWNED: Final = LeaseState.OWNED
_CLOSING: Final = LeaseState.CLOSING
_BREAKING: Final = LeaseState.BREAKING
_CLOSED: Final = CloseReason.CLOSED


class Lease:
    """One socket held by this worker. `send` says something to the service."""

    __slots__ = (
        "_met",
        "buffer",
        "corked",
        "credited",
        "descriptor",
        "drainers",
        "error",
        "grant_above",
        "hung_up",
        "id",
        "limit",
        "out",
        "reading",
        "reads_directly",
        "received",
        "send",
        "sent",
        "state",
        "warns_at",
        "window",
        "writable",
    )

    def __init__(self, id: int, descriptor: int | None, window: int, send: Callable[[Message], None]) -> None:  # noqa: A002
        self.id = id
        self.descriptor = descriptor
        """The kernel's number, or None when this process was at its limit: then nothing is written directly."""
        self.send = send
        self.window = window
        """Bytes that may lie unread before the service pauses."""
        self.state = _OWNED
        self.buffer = InputBuffer()
        self.corked = OutputQueue()
        self.received = 0
        self.limit = 0
        self.credited = 0
        """The actor that had the last credit, as far as the service knows; 0 for none."""
        self.grant_above = 0
        """`want` need not be called after reading before more than this has been received."""
        self.out = 0
        self.sent = 0
        self.reading = _OPEN
        self.reads_directly = False
        """Whether the service has lent the reading to this worker."""
        self.writable = True
        """Whether messages may be corked: this side is neither closed nor known to be broken."""
        self._met = 0  # by a direct write
        self.error = 0
        """The errno that broke the connection, 0 while nothing did."""
        self.hung_up = False
        """Whether the peer has ended it, ahead of the input that is still to come."""
        self.warns_at = FIRST_WARNING
        """How many unsent bytes are worth the next warning."""
        self.drainers: tuple[Wakeable, ...] = ()
        """Who waits until `drained`."""

    # -- what the actor does --

    def accepted(self, owner: int) -> None:
        """It comes from a listener of this actor, which has granted it a window: there is nothing to add to that."""
        self.credited = owner
        self._set_limit(self.window)

    def start(self, owner: int) -> None:
        """Begin (or go on) reading for an actor: the first credit, which tells the service who it is.

        It is said even when the read half has ended: the service learns from it that a hand-over has succeeded.
        """
        granted = self.limit
        self._set_limit(max(granted, self.received - self.buffer.size + self.window))
        if self.state is _OWNED and (owner != self.credited or self.limit > granted):
            self.credited = owner
            self.send((CREDIT, self.id, self.limit, owner))

    def want(self, size: int = 0) -> None:
        """Grant credit: a window beyond what was consumed, or the `size` bytes that a reader waits for.

        Half a window must have been used up before another message is worth it.
        """
        consumed = self.received - self.buffer.size
        if consumed + size > self.limit or consumed > self.grant_above:
            self._set_limit(consumed + max(size, self.window))
            if self.reading is _OPEN and self.state is _OWNED and not self.reads_directly:
                self.send((CREDIT, self.id, self.limit))

    def pause(self) -> None:
        """Grant nothing more until a reader waits, or `resume`; what was granted may still come."""
        self.give_back()
        self.grant_above = _LARGEST_POSITION

    def resume(self) -> None:
        """Grant a window again."""
        self.grant_above = -1
        self.want()

    def _set_limit(self, limit: int) -> None:
        self.limit = max(self.limit, min(limit, _LARGEST_POSITION))  # what was granted once may come
        self.grant_above = self.limit - self.window // 2

    def read_directly(self) -> bool:
        """Take what has arrived. Returns whether that was anything; the end of input, and an error, are given back."""
        size = self.limit - self.received
        try:
            data = self._read_directly(min(size, LARGEST_DIRECT_READ))
        except BlockingIOError:
            return False
        except OSError as error:
            self.give_back(error.errno or 0)
            return False
        if not data:
            self.give_back()
            return False
        self.received += len(data)
        self.buffer.feed(data)
        return True

    def give_back(self, error: int = 0) -> None:
        """Read no more by ourselves, with the errno that was met (0: none). The service goes on where we are."""
        if self.reads_directly:
            self.reads_directly = False
            self._met = self._met or error
            self._ignore_input()
            self.send((RETURN, self.id, self.received, self.limit, error))

    def _watch_input(self) -> None:
        """`read_directly` is to be called whenever there is input."""
        raise NotImplementedError

    def _ignore_input(self) -> None:
        """It is not to be called any more."""
        raise NotImplementedError

    def _read_directly(self, size: int) -> bytes:
        """What the kernel has, at most `size` bytes; nothing at the end. Raises OSError."""
        raise NotImplementedError

    @property
    def unsent(self) -> int:
        """Bytes that the kernel does not have yet, corked ones included."""
        return self.out - self.sent + self.corked.size

    @property
    def may_write_directly(self) -> bool:
        """Whether the kernel may be given the corked bytes by this process."""
        return self.sent == self.out and self.descriptor is not None

    def drained(self, mark: int) -> bool:
        """Whether drain may go on: less than `mark` bytes are unsent, or nothing more can be sent."""
        return self.unsent < mark or self.state is not _OWNED or self.error != 0

    def flush(self) -> None:
        """Give the corked bytes to the kernel, and to the service what the kernel does not take."""
        while self.corked.size:
            if not self.may_write_directly:
                self.hand_over()
                return
            try:
                self.wrote_directly(*self._write_directly())
            except BlockingIOError:
                self.hand_over()
            except OSError as error:
                # The kernel tells a reset once, to whoever asks first, so its errno goes along; the service alone
                # decides what it means.
                self.hand_over(error.errno or 0)

    def _write_directly(self) -> tuple[int, int]:
        """How much of what is corked the kernel took, and how much it was offered. Raises OSError."""
        raise NotImplementedError

    def wrote_directly(self, count: int, offered: int) -> None:
        """The kernel took `count` of the `offered` bytes; if not all, everything left goes to the service."""
        self.corked.advance(count)
        self.out += count
        self.sent = self.out
        if count < offered:
            self.hand_over()

    def hand_over(self, error: int = 0) -> None:
        """Give the corked bytes to the service, with the errno that a direct write met.

        The kernel tells a reset once: until the service has this errno, it may take the reset for an end-of-file. EPIPE
        is no such case, it comes behind a real one.
        """
        if error != errno.EPIPE:
            self._met = self._met or error
        messages: list[tuple[int, bytes]] = []
        size = 0
        for priority, data in self.corked.take():
            if size + len(data) > WRITE_SIZE_LIMIT:  # or the message about them could be too large for a frame
                self._write(messages, size, 0)
                messages, size = [], 0
            messages.append((priority, data))
            size += len(data)
        self._write(messages, size, error)

    def _write(self, messages: list[tuple[int, bytes]], size: int, error: int) -> None:
        self.send((WRITE, self.id, self.out, messages, error))
        self.out += size

    def shutdown_write(self) -> None:
        """Finish our half: what is queued, then FIN. The corked bytes have been written or handed over before."""
        if self.writable:
            self.writable = False
            self.send((SHUTDOWN, self.id, "w"))

    def shutdown_read(self) -> None:
        """Stop reading: the reader meets end-of-file behind what is buffered."""
        if self.reading is _OPEN:
            self.give_back()
            self.reading = _ENDED
            self.send((SHUTDOWN, self.id, "r"))

    def close(self, reason: CloseReason = _CLOSED) -> None:
        """The safe close; unread input is dropped. The corked bytes have been written or handed over before."""
        self._let_go(CLOSE, *(() if reason is _CLOSED else (reason,)))

    def shutdown(self) -> None:
        """Drop everything now, corked bytes included."""
        self._let_go(ABORT, bool(self.corked.size))

    def abort(self) -> None:
        """Drop everything now, and let the peer know by a reset."""
        self._let_go(ABORT, True, CloseReason.ABORTED)

    def break_off(self, error: int, reason: CloseReason) -> None:
        """A limit was passed: the peer gets a reset, and the actor hears of it as if it had come from there."""
        self.corked.clear()
        self.writable = False
        self.give_back()
        if self.state is _OWNED:
            self.state = LeaseState.BREAKING
            self.send((BREAK, self.id, error, reason))

    def overdue_warning(self) -> int:
        """The unsent bytes, when they are worth a warning; 0 else."""
        unsent = self.unsent
        if unsent < self.warns_at:
            return 0
        while self.warns_at <= unsent:
            self.warns_at *= 2
        return unsent

    def _let_go(self, kind: int, *fields: Any) -> None:
        self.give_back()
        self.corked.clear()
        self.buffer.clear()
        self.writable = False
        self.reading = _ENDED
        if self.state is _OWNED:
            self.state = _CLOSING
            self.send((kind, self.id, *fields))

    # -- what the service reports --

    def recalled(self) -> None:
        """RECALL: let go of it for another worker. What is corked goes before, as it was promised to be written."""
        if self.corked.size:
            self.hand_over()
        self.give_back()
        unread = self.buffer.read_all()
        self.send((YIELD, self.id, unread, self.out, self.reading.value, self.error, self.writable))
        self.state = LeaseState.YIELDED
        self.writable = False
        self.reading = _ENDED

    def taken_over(
        self, unread: bytes, received: int, out: int, sent: int, reading: str, error: int, *, writable: bool
    ) -> None:
        """HANDED_OVER: go on where the former worker was; where `sent < out` the service still flushes for it."""
        if unread:
            self.buffer.feed(unread)
        self.received = received
        self.limit = received
        self.out = out
        self.sent = sent
        self.reading = Reading(reading)
        self.error = error
        self.writable = writable

    def lend(self) -> None:
        """SOCKET_LEND: read the kernel directly from here on, if that is wanted."""
        if self.state is not _OWNED:
            return  # it crossed the end, which takes it back
        if self.reading is _OPEN and self.descriptor is not None and self.received < self.limit:
            self.reads_directly = True
            self._watch_input()
        else:
            self.send((RETURN, self.id, self.received, self.limit, 0))

    def data_received(self, data: bytes) -> None:
        """DATA or MORE."""
        self.received += len(data)
        if self.reading is _OPEN:  # else it crossed a shutdown or a close
            self.buffer.feed(data)

    def input_ended(self, error: int) -> None:
        """CLOSE: end-of-file, or the errno that ended the connection."""
        error = error or self._met
        if self.reading is _OPEN:
            self.reading = Reading.BROKEN if error else _ENDED
        if error:
            self.write_broke(error)

    def write_broke(self, error: int) -> None:
        """ERROR: nothing can be written any more, corked bytes are dropped."""
        self.error = self.error or error
        self.writable = False
        self.corked.clear()

    def progressed(self, position: int) -> None:
        """SOCKET_SENT: the kernel has taken the output up to `position`."""
        self.sent = max(self.sent, position)

    def forgotten(self) -> int | None:
        """FORGET: returns the descriptor that is to be closed now. What is unread stays readable for the owner."""
        if self.reads_directly:
            self.reads_directly = False
            self._ignore_input()
        descriptor, self.descriptor = self.descriptor, None
        self.writable = False
        self.corked.clear()
        if self.state is _OWNED or self.state is _BREAKING:
            self.state = LeaseState.DEAD
        return descriptor
