"""The worker's end of a connection: its right to use the connection, with a duplicate of the descriptor.

The other end is `Connection`, in the socket service. Both are pure: the code around them makes the system calls, tells
an end the outcome (`received` of the read half, `end_of_input`, `wrote`, `write_failed`), and carries the messages that
the end sends.

Output. An actor's writes are corked. At the end of the turn they go straight into the kernel, and to the socket service
as far as the kernel does not take them. The right to write directly is arithmetic, `sent == out` in the write half, so
at any time at most one side has bytes to write.

Input. The socket service delivers up to `limit`. Reading moves the limit on; an actor that does not read grants
nothing, and that is how input pauses: there is no message for it.

LEND and RETURN. At any time at most one side reads from the kernel. LEND is the last word of the socket service about
input: all that it has read stands before LEND on the lane. RETURN is the last word of this side: it carries the
position up to which this side has read, where the socket service goes on, and the errno that this side has met. The
end of input is always left to the socket service, which meets it again when it reads on. Two things may cross LEND:

- CLOSE, ABORT or BREAK, after which the socket service takes the reading back by itself, so LEND is ignored here;
- SHUTDOWN of the read half, or a buffer that is full: LEND is answered by RETURN at once.

A descriptor is given up on FORGET alone: until then the socket service must not be the only process that holds the
connection.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from enum import Enum
from typing import Any, Final

from skypy.core.close_reason import CloseReason
from skypy.core.tcp.read_half import ENDED, LENT, OPEN, ReadHalf
from skypy.core.tcp.write_half import WriteHalf
from skypy.core.wire.socket_lane import ABORT, BREAK, CLOSE, CREDIT, RETURN, SHUTDOWN, WRITE, YIELD, Message


class LeaseState(Enum):
    """The reason why a worker holds the descriptor of a connection."""

    OWNED = "owned"  # an actor of this worker owns the connection, or is about to start it
    LEAVING = "leaving"  # closed by its actor; CLOSE follows messages of this worker that come back first
    CLOSING = "closing"  # CLOSE or ABORT sent: every report but FORGET is ignored
    BREAKING = "breaking"  # BREAK sent: an actor still owns the connection, and hears of the reset as of any other
    YIELDED = "yielded"  # YIELD sent: another worker has the connection next
    DEAD = "dead"  # FORGET came while an actor owned it: there is no descriptor, but unread bytes and the end remain


# Python 3.11 looks up a member of an Enum slowly, and every connection asks for this one many times.
OWNED: Final = LeaseState.OWNED
_HELD: Final = (LeaseState.OWNED, LeaseState.BREAKING, LeaseState.DEAD)
"""States in which an actor has the connection; the socket service is told when it leaves."""


class Lease:
    """A connection that this worker holds; `send` puts a message onto the lane to the socket service.

    The state is the LeaseState, the ReadState of `read_half`, and `writable` of `write_half`. Not part of the state:

    - `error`, because it says why a half is broken, and a half breaks in the same way for every errno;
    - the errno met here, because it means nothing before the socket service has reported the end that it belongs to;
    - `credited`, because it only saves a message.
    """

    __slots__ = ("_met", "credited", "descriptor", "error", "id", "read_half", "send", "state", "write_half")

    def __init__(self, id: int, descriptor: int | None, window: int, send: Callable[[Message], None]) -> None:  # noqa: A002
        self.id = id
        self.descriptor = descriptor
        """The kernel's number, or None when this process was at its limit: then nothing is written or read directly."""
        self.send = send
        self.state = OWNED
        self.read_half = ReadHalf(window)
        self.write_half = WriteHalf()
        self.credited = 0
        """The address of the actor that had the last credit, as far as the socket service knows; 0 for none."""
        self.error = 0
        """The errno that broke the connection, as the socket service has reported it; 0 while it is whole."""
        self._met = 0  # the first errno that this side has met

    # -- requests of the actor --

    def accepted(self, owner: int) -> None:
        """Note the credit that the listener of the actor `owner` has granted to each of its clients."""
        self.credited = owner
        self.read_half.grant(self.read_half.window)

    def start(self, owner: int) -> None:
        """Begin (or go on) reading for an actor: the first credit, which tells the socket service the actor's address.

        The credit is also sent when the read half, or the connection, has ended: it is how the socket service learns
        that a hand-over has succeeded, so that the former owner's descriptor may be forgotten.
        """
        half = self.read_half
        granted = half.limit
        half.grant(max(granted, half.consumed + half.window))
        if (owner != self.credited or half.limit > granted) and self.state in _HELD:
            self.credited = owner
            self.send((CREDIT, self.id, half.limit, owner))

    def want(self, size: int = 0) -> None:
        """Grant credit: a window beyond the consumed input, or the `size` bytes that a reader waits for.

        Half a window must have been used up before another message is worth it. While the reading is lent no message
        is needed at all: RETURN carries the limit.
        """
        half = self.read_half
        consumed = half.consumed
        if consumed + size > half.limit or consumed > half.grant_above:
            half.grant(consumed + max(size, half.window))
            if half.state is OPEN and self.state is OWNED:
                self.send((CREDIT, self.id, half.limit))

    def pause(self) -> None:
        """Grant nothing more until a reader waits, or `resume`; input within the credit may still come."""
        self.give_back()
        self.read_half.pause()

    def resume(self) -> None:
        """Grant a window again."""
        self.read_half.resume()
        self.want()

    def shutdown_write(self) -> None:
        """Finish this side's output: queued bytes, then FIN. The corked bytes have been written or forwarded before."""
        if self.write_half.writable:
            self.write_half.writable = False
            self.send((SHUTDOWN, self.id, "w"))

    def shutdown_read(self) -> None:
        """Stop reading: the reader meets end-of-file behind the buffered bytes."""
        self.give_back()
        if self.read_half.state is OPEN:
            self.read_half.stop()
            self.send((SHUTDOWN, self.id, "r"))

    def close(self, reason: CloseReason = CloseReason.CLOSED) -> None:
        """Close safely; unread input is dropped. The corked bytes have been written or forwarded before."""
        self._leave(CLOSE, *(() if reason is CloseReason.CLOSED else (reason,)))

    def abort(self, *, by_reset: bool = False) -> None:
        """Drop everything now, corked bytes included. `by_reset`: let the peer know by a reset."""
        if by_reset:
            self._leave(ABORT, True, CloseReason.ABORTED)
        else:
            self._leave(ABORT, bool(self.write_half.corked.size))

    def break_off(self, error: int, reason: CloseReason) -> None:
        """Reset the connection because a limit was passed. The actor hears of the reset as if the peer had sent it."""
        self.write_half.stop()
        self.give_back()
        if self.state is OWNED:
            self.state = LeaseState.BREAKING
            self.send((BREAK, self.id, error, reason))

    # -- news of the kernel --

    def end_of_input(self, error: int = 0) -> None:
        """Return the reading after a direct read met the end of input, or an errno.

        The socket service meets the end again and decides what it means. The kernel tells an errno only once, to the
        side that asks first, so the errno goes along. Until it has arrived, an end-of-file in a report is that errno.
        """
        self._met = self._met or error
        self.give_back(error)

    def wrote(self, count: int, offered: int) -> None:
        """Count the corked bytes that the kernel took of those that were offered.

        If the kernel did not take them all, everything left goes to the socket service, which waits for room.
        """
        half = self.write_half
        half.corked.advance(count)
        half.out += count
        half.sent = half.out
        if count < offered:
            self.forward_output()

    def write_failed(self, error: int) -> None:
        """Forward the corked bytes with the errno that a direct write met: the socket service decides what it means.

        EPIPE is not kept here: it comes behind the errno of the reset, which is the one to keep.
        """
        if error != errno.EPIPE:
            self._met = self._met or error
        self.forward_output(error)

    # -- handing work to the socket service --

    @property
    def may_write_directly(self) -> bool:
        """True if this process may give the corked bytes to the kernel."""
        half = self.write_half
        return half.sent == half.out and self.descriptor is not None

    def forward_output(self, error: int = 0) -> None:
        """Give the corked bytes to the socket service, which writes them. `error` is the errno met here, 0 for none."""
        *parts, (last_position, last_messages) = self.write_half.take_corked()
        for position, messages in parts:
            self.send((WRITE, self.id, position, messages, 0))
        self.send((WRITE, self.id, last_position, last_messages, error))

    def give_back(self, error: int = 0) -> None:
        """Return the reading to the socket service, if it is lent; `error` is the errno met here, 0 for none."""
        half = self.read_half
        if half.state is LENT:
            half.state = OPEN
            self.send((RETURN, self.id, half.read, half.limit, error))

    # -- reports of the socket service --

    def lent(self) -> bool:
        """SOCKET_LEND: begin to read from the kernel if input is wanted, else return the reading at once.

        Return True if this side reads from now on.
        """
        if self.state is not OWNED:
            return False  # LEND crossed the end, which takes the reading back
        half = self.read_half
        if half.state is OPEN and self.descriptor is not None and half.read < half.limit:
            half.state = LENT
            return True
        self.send((RETURN, self.id, half.read, half.limit, 0))
        return False

    def closed(self, error: int) -> None:
        """SOCKET_CLOSE: note the end of input, end-of-file (0) or the errno that ended the connection."""
        error = error or self._met
        self.read_half.close(error)
        if error:
            self.broken(error)

    def broken(self, error: int) -> None:
        """SOCKET_ERROR: note that nothing can be written any more; corked bytes are dropped."""
        self.error = self.error or error
        self.write_half.stop()

    def recalled(self, *origin: Any) -> None:
        """SOCKET_RECALL: yield to another worker; `origin` of the connection goes along.

        The order on the lane is the order of the hand-over: the corked bytes first, as they were promised to be
        written, then RETURN, which tells how far this side has read, then YIELD with the unread part of that.
        """
        read_half, write_half = self.read_half, self.write_half
        if write_half.corked.size:
            self.forward_output()
        self.give_back()
        unread = read_half.buffer.read_all()
        state = read_half.state.value
        self.send((YIELD, self.id, unread, write_half.out, state, self.error, write_half.writable, *origin))
        if self.state is OWNED:  # else it has ended: SOCKET_FORGET has come, and there is nothing to wait for
            self.state = LeaseState.YIELDED
        read_half.stop()
        write_half.stop()

    def taken_over(
        self,
        unread: bytes,
        read: int,
        out: int,
        sent: int,
        reading: str,
        error: int,
        *,
        writable: bool = False,
        ended: bool = False,
    ) -> None:
        """SOCKET_HANDED_OVER: go on where the former worker was; `reading` is the value of its ReadState.

        SOCKET_REMAINS (`ended`): have a connection as if it had ended while this worker had it.
        """
        self.read_half.take_over(unread, read, reading)
        self.write_half.take_over(out, sent, writable=writable)
        self.error = error
        if ended:
            self.state = LeaseState.DEAD

    def forgotten(self) -> int | None:
        """SOCKET_FORGET: return the descriptor, which is to be closed now. Unread bytes stay for the owner."""
        descriptor, self.descriptor = self.descriptor, None
        if self.read_half.state is LENT:
            self.read_half.state = OPEN
        self.write_half.stop()
        if self.state is OWNED or self.state is LeaseState.BREAKING:
            self.state = LeaseState.DEAD
        return descriptor

    # --

    def is_drained(self, mark: int) -> bool:
        """Return True if less than `mark` bytes are unsent, or nothing more can be sent."""
        return self.write_half.unsent < mark or self.state is not OWNED or self.error != 0

    def _leave(self, kind: int, *fields: Any) -> None:
        """Leave the connection to the socket service for good."""
        self.give_back()
        self.read_half.buffer.clear()
        self.read_half.state = ENDED
        self.write_half.stop()
        if self.state in _HELD or self.state is LeaseState.LEAVING:
            self.send((kind, self.id, *fields))
            if self.state is not LeaseState.DEAD:
                self.state = LeaseState.CLOSING
