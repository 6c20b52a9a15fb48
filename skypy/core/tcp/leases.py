"""The connections of one worker: those that its actors own, those that are parting, and those of other workers.

A connection that is closed or yielded is kept until FORGET: until then the socket service must not be the only process
that holds it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from skypy.core.close_reason import CloseReason
from skypy.core.tcp.foreign import ForeignSockets, TakeOver
from skypy.core.tcp.lease import Lease, LeaseState
from skypy.core.tcp.write_half import FIRST_WARNING, WriteHalf
from skypy.core.waiting import Waiting, Wakeable
from skypy.core.wire.socket_lane import DRAINED, Message


class LeasedSocket(Protocol):
    """A worker's socket, as far as its place among the leases depends on it. Only its attributes are used."""

    @property
    def id(self) -> int:
        """The id of the connection."""

    @property
    def lease(self) -> Lease:
        """The right to use the connection."""

    @property
    def write_half(self) -> WriteHalf:
        """The write half of the lease."""

    @property
    def addresses(self) -> tuple[tuple[str, int], tuple[str, int] | None]:
        """The (host, port) of the peer and of this side, None if the latter is not known."""


S = TypeVar("S", bound=LeasedSocket)
W = TypeVar("W", bound=Waiting)


class _Reminder:
    """A wait for a socket to be drained, on behalf of a task in another worker."""

    __slots__ = ("_message", "_send")

    def __init__(self, send: Callable[[Message], None], message: Message) -> None:
        self._send = send
        self._message = message

    def done(self) -> bool:
        """Return False: the message goes out once."""
        return False

    def set_result(self, value: None, /) -> None:
        """Send the message."""
        del value
        self._send(self._message)


class Leases(Generic[S, W]):
    """All connections of a worker, by id: `S` is its kind of socket, `W` the wait of an actor that takes one over."""

    def __init__(
        self,
        send: Callable[[Message], None],
        wants_flush: Callable[[], None],
        wake: Callable[[Wakeable], None],
        high_water: int,
        low_water: int,
        write_limit: int,
        warn: Callable[[S, int], None],
        *,
        alone: bool = False,
    ) -> None:
        """Begin with no connection.

        `send` puts a message onto the lane to the socket service. `wants_flush` asks for a flush of `take_dirty()`
        and of `foreign` at the end of the turn. `wake` ends a wait. `warn(socket, bytes)` hears of
        output that the peer does not take, and of its end (0).
        """
        self._send = send
        self._wants_flush = wants_flush
        self._wake = wake
        self._high_water = high_water
        self._low_water = min(low_water, high_water)
        self._write_limit = write_limit
        self._warn = warn
        self.own: dict[int, S] = {}
        """The connections that actors of this worker have."""
        self.parting: dict[int, S] = {}
        """Closed or yielded connections, whose descriptors wait for SOCKET_FORGET."""
        self.foreign: ForeignSockets[W] = ForeignSockets(send, alone=alone)
        self.dirty: list[S] = []
        """The sockets with corked bytes."""

    # -- output --

    def write(self, id_: int, data: bytes, priority: int) -> bool:
        """Cork a message until the end of the turn. Return False when nothing can be written."""
        socket = self.own.get(id_)
        if socket is None:
            if not self.foreign.corked:
                self._wants_flush()
            return self.foreign.write(id_, data, priority)
        half = socket.write_half
        if not half.writable:
            return False
        if data:
            corked = half.corked
            if not corked.size:
                if not self.dirty:
                    self._wants_flush()
                self.dirty.append(socket)
            corked.append(data, priority)
            if half.out - half.sent + corked.size > self._write_limit:
                socket.lease.break_off(errno.ENOBUFS, CloseReason.WRITE_LIMIT)
                return False
        return True

    def take_dirty(self) -> list[S]:
        """Return the sockets with corked bytes: each is to be flushed, and told to `flushed` if output is left."""
        dirty, self.dirty = self.dirty, []
        return dirty

    def flushed(self, socket: S) -> None:
        """Warn of output that the peer does not take, and end waits for output to leave."""
        half = socket.write_half
        if half.sent != half.out and (unsent := half.overdue_warning()):
            self._warn(socket, unsent)
        self.wake_drainers(socket)

    def progressed(self, socket: S, position: int) -> None:
        """SOCKET_SENT: the kernel has taken the output up to `position`."""
        half = socket.write_half
        half.progressed(position)
        if half.warns_at > FIRST_WARNING and half.sent == half.out:
            half.warns_at = FIRST_WARNING
            self._warn(socket, 0)
        self.wake_drainers(socket)

    def wake_drainers(self, socket: S) -> None:
        """End the waits for output to leave, if enough has left."""
        half = socket.write_half
        if half.drainers and socket.lease.is_drained(self._low_water):
            for waiter in half.drainers:
                self._wake(waiter)
            half.drainers = ()

    # -- parting --

    def close(self, socket: S, reason: CloseReason = CloseReason.CLOSED) -> None:
        """Close safely. The corked bytes have been flushed before."""
        socket.lease.close(reason)
        self._part_with(socket)

    def abort(self, socket: S, *, by_reset: bool = False) -> None:
        """Drop everything now. `by_reset`: let the peer know by a reset."""
        socket.lease.abort(by_reset=by_reset)
        self._part_with(socket)

    def recall(self, id_: int) -> S | None:
        """SOCKET_RECALL: yield the socket to another worker.

        Return None when RECALL crossed CLOSE or ABORT, its answer, or BREAK, behind which RECALL comes again.
        """
        socket = self.own.get(id_)
        if socket is None or socket.lease.state is LeaseState.BREAKING:
            return None
        if not socket.write_half.writable:
            self.foreign.gone(id_)  # it takes no output from any other owner either
        socket.lease.recalled(*socket.addresses)
        if socket.lease.state is LeaseState.YIELDED:
            self._part_with(socket)
        else:  # nothing of it is left here
            del self.own[id_]
        return socket

    def _part_with(self, socket: S) -> None:
        """Move the socket to those that wait for SOCKET_FORGET: no actor here has it any more."""
        del self.own[socket.id]
        state = socket.lease.state
        if state is not LeaseState.DEAD:
            self.parting[socket.id] = socket
        if state is not LeaseState.YIELDED:
            self.foreign.gone(socket.id)
            self.foreign.ended(socket.id)
        self.wake_drainers(socket)

    def forget(self, id_: int) -> S | None:
        """SOCKET_FORGET: return the socket whose descriptor is to be closed now, if this worker holds one."""
        socket = self.parting.pop(id_, None) or self.own.get(id_)
        self.foreign.forgotten(id_)
        return socket

    # -- other workers --

    def take_over(self, id_: int, taker: W) -> None:
        """Wait until this worker has a socket that it does not have now."""
        parting = self.parting.get(id_)
        self.foreign.take_over(id_, taker, yielded=parting is not None and parting.lease.state is LeaseState.YIELDED)

    def handed_over(self, socket: S, take_over: TakeOver[W], owner: int, fields: Sequence[Any]) -> None:
        """SOCKET_HANDED_OVER: the actor `owner` has the socket now, at `fields`. The messages that waited are written.

        Messages that the socket service held come before those corked here: this worker may have sent some of them
        before it asked for the socket.
        """
        *condition, writable, held = fields
        self.own[socket.id] = socket
        socket.lease.taken_over(*condition, writable=writable)
        socket.lease.start(owner)
        for priority, data in (*held, *take_over.corked.take()):
            self.write(socket.id, data, priority)

    def took_remains(self, socket: S, owner: int, fields: Sequence[Any]) -> None:
        """SOCKET_REMAINS: the actor `owner` has the ended connection, at `fields`. Messages that waited are lost."""
        self.own[socket.id] = socket
        socket.lease.taken_over(*fields, ended=True)
        socket.lease.start(owner)
        self.foreign.gone(socket.id)

    def sent_by(self, id_: int, messages: Iterable[Sequence[Any]]) -> bool:
        """SOCKET_SENT_BY: write another worker's messages. Return False when they cannot be written."""
        socket = self.own.get(id_)
        return socket is not None and all(self.write(id_, data, priority) for priority, data in messages)

    def drain_by(self, id_: int, process_number: int, ticket: int) -> None:
        """SOCKET_DRAIN_BY: tell another worker when the output that came before has left."""
        socket = self.own.get(id_)
        reminder = _Reminder(self._send, (DRAINED, id_, process_number, ticket))
        if socket is None or socket.lease.is_drained(self._high_water):
            reminder.set_result(None)
        else:
            socket.write_half.drainers += (reminder,)
