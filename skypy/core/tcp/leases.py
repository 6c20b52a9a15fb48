"""The connections of one worker: those that its actors own, those that are parting, and those of other workers.

A connection that is closed or yielded is kept until FORGET: until then the socket service must not be the only process
that holds it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from skypy.core.causal.fence import Fence
from skypy.core.close_reason import CloseReason
from skypy.core.output_marks import OutputMarks
from skypy.core.tcp.foreign import ForeignSockets
from skypy.core.tcp.lease import OWNED, Lease, LeaseState
from skypy.core.tcp.read_half import ENDED
from skypy.core.tcp.write_half import FIRST_WARNING, WriteHalf
from skypy.core.waiting import Waiting, Wakeable
from skypy.core.wire.socket_lane import DRAINED, RECEIPT, Message


class LeasedSocket(Protocol):
    """A worker's socket, as far as its place among the leases depends on it."""

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
    def origin(self) -> tuple[tuple[str, int], tuple[str, int] | None, bool]:
        """The (host, port) of the peer and of this side, None if unknown, and True if this side has connected."""

    def flush(self) -> None:
        """Give the corked bytes to the kernel, and to the socket service as far as the kernel does not take them."""

    def shutdown_write(self) -> None:
        """Send the corked bytes, then FIN."""


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
        fence: Fence,
        marks: OutputMarks,
        *,
        alone: bool = False,
    ) -> None:
        """Begin with no connection.

        `send` puts a message onto the lane to the socket service. `wants_flush` asks for a flush of `take_dirty()`
        and of `foreign`, and for `send_receipt`, at the end of the turn. `wake` ends a wait. `warn(socket, bytes)`
        hears of output that the peer does not take, and of its end (0). `fence` has the counts of foreign writes.
        `marks` are to be cleared once all output has left this worker.
        """
        self._send = send
        self.marks = marks
        self._wants_flush = wants_flush
        self._wake = wake
        self._high_water = high_water
        self._first_warning = max(FIRST_WARNING, 2 * high_water)
        self._low_water = min(low_water, high_water)
        self._write_limit = write_limit
        self._warn = warn
        self.own: dict[int, S] = {}
        """The connections that actors of this worker have."""
        self.parting: dict[int, S] = {}
        """Closed or yielded connections, whose descriptors wait for SOCKET_FORGET."""
        self.foreign: ForeignSockets[W] = ForeignSockets(send, wants_flush, fence, alone=alone)
        self._fence = fence
        self._returning = self.foreign.returning
        self._ending: dict[int, tuple[S, CloseReason | None]] = {}
        """Connections to be closed, or with None only to be finished for writing, behind messages that come back."""
        self._receipt = [0, 0, 0, 0]  # the fields of the next RECEIPT
        self.dirty: list[S] = []
        """The sockets with corked bytes."""

    # -- output --

    def write(self, id_: int, data: bytes, priority: int, socket: S | None = None) -> bool:
        """Cork a message until the end of the turn. Return False when nothing can be written.

        `socket` is given for a message that comes from the socket service: it is next in order, whatever is under way.
        """
        if socket is None:
            socket = self.own.get(id_)
            if socket is None:
                return self.foreign.write(id_, data, priority)
            if self._returning and self._is_indirect(socket):
                return id_ not in self._ending and (not data or self.foreign.write_to_own(id_, data, priority))
        half = socket.write_half
        if not half.writable:
            return False
        if data:
            corked = half.corked
            if not corked.size:
                marks = self.marks
                if not self.dirty:
                    self._wants_flush()
                    marks.corked = True
                self.dirty.append(socket)
                marks.count = count = marks.count + 1
                if count < marks.size:
                    marks.numbers[count] = id_
                marks.numbers[0] = count
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
        if half.sent != half.out and (unsent := half.overdue_warning(self._first_warning)):
            self._warn(socket, unsent)
        self.wake_drainers(socket)

    def progressed(self, socket: S, position: int) -> None:
        """SOCKET_SENT: the kernel has taken the output up to `position`."""
        half = socket.write_half
        half.progressed(position)
        if half.warned_at and half.sent == half.out:
            half.warned_at = 0
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
        """Close safely. If messages of this worker come back to it, CLOSE goes out behind them."""
        socket.flush()  # CLOSE must come behind its output
        if self._is_indirect(socket):
            self._ending[socket.id] = (socket, reason)
            _take_leave(socket.lease)
        else:
            socket.lease.close(reason)
        self._part_with(socket)

    def shutdown_write(self, socket: S) -> None:
        """Finish this side's output, behind the messages of this worker that come back to it."""
        if self._is_indirect(socket):
            self._ending[socket.id] = (socket, None)
        else:
            socket.shutdown_write()

    def _is_indirect(self, socket: S) -> bool:
        """Return True if messages are on their way here that come first: this worker's, or others that it knows of."""
        if not self._returning:
            return False
        return socket.write_half.writable and (self._fence.behind or socket.id in self._returning)

    def _end(self, id_: int) -> None:
        """Do what waited for messages that come back."""
        if id_ in self._ending:
            socket, reason = self._ending.pop(id_)
            if reason is None:
                socket.shutdown_write()
            else:
                socket.flush()
                socket.lease.close(reason)

    def caught_up(self) -> None:
        """Do what waited for writes of which a message by way of the node has told."""
        for id_ in list(self._ending):
            if id_ not in self._returning:
                self._end(id_)

    @property
    def settled(self) -> bool:
        """True if no end of a connection waits for messages that come back."""
        return not self._ending

    def abort(self, socket: S, *, by_reset: bool = False) -> None:
        """Drop everything now. `by_reset`: let the peer know by a reset."""
        self._ending.pop(socket.id, None)
        socket.lease.abort(by_reset=by_reset)
        self._part_with(socket)

    def recall(self, id_: int) -> S | None:
        """SOCKET_RECALL: yield the socket to another worker.

        Return None when RECALL crossed CLOSE or ABORT, its answer, or BREAK, behind which RECALL comes again. The
        socket service has what would have come back, and keeps it for the next owner, or writes it before an end.
        """
        if id_ in self._ending:
            self.foreign.flush()
            self._end(id_)
        socket = self.own.get(id_)
        self._returning.pop(id_, None)
        if socket is None or socket.lease.state is LeaseState.BREAKING:
            return None
        if not socket.write_half.writable:
            self.foreign.gone(id_)  # it takes no output from any other owner either
        socket.lease.recalled(*socket.origin)
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
        if socket.id not in self._ending:
            self._returning.pop(socket.id, None)
        if state is not LeaseState.YIELDED:
            self.foreign.gone(socket.id)
            self.foreign.ended(socket.id)
        self.wake_drainers(socket)

    def forget(self, id_: int) -> S | None:
        """SOCKET_FORGET: return the socket whose descriptor is to be closed now, if this worker holds one."""
        socket = self.parting.pop(id_, None) or self.own.get(id_)
        leaving, reason = self._ending.pop(id_, (None, None))
        if leaving is not None and reason is not None:  # it has ended before CLOSE; its remains are left, too
            leaving.lease.close(reason)
        self._returning.pop(id_, None)
        self.foreign.forgotten(id_)
        return socket

    # -- other workers --

    def take_over(self, id_: int, taker: W) -> None:
        """Wait until this worker has a socket that it does not have now."""
        parting = self.parting.get(id_)
        self.foreign.take_over(id_, taker, yielded=parting is not None and parting.lease.state is LeaseState.YIELDED)

    def handed_over(self, socket: S, owner: int, fields: Sequence[Any]) -> None:
        """SOCKET_HANDED_OVER: the actor `owner` has the socket now, at `fields`.

        Messages that the socket service held are written first; some of them may be this worker's own. The ENDs that
        stand behind them are left to the caller.
        """
        *condition, writable, held, sent_since, _ends = fields
        self.own[socket.id] = socket
        socket.lease.taken_over(*condition, writable=writable)
        socket.lease.start(owner)
        self.foreign.returned(socket.id, sent_since)
        for priority, data in held:
            self.write(socket.id, data, priority, socket)

    def took_remains(self, socket: S, owner: int, fields: Sequence[Any]) -> None:
        """SOCKET_REMAINS: the actor `owner` has the ended connection, at `fields`. Messages that waited are lost."""
        self.own[socket.id] = socket
        socket.lease.taken_over(*fields, ended=True)
        socket.lease.start(owner)
        self.foreign.gone(socket.id)
        self._returning.pop(socket.id, None)

    def sent_by(
        self, ids: Sequence[int], process_number: int, passed: int, total: int, messages: Sequence[Sequence[Any]]
    ) -> int:
        """SOCKET_SENT_BY: write the messages of another worker, or those of this one that come back.

        Return the number of those that came too late for their sockets.
        """
        late = 0
        receipt = self._receipt
        if not receipt[0]:
            self._wants_flush()
        own = self.own
        for id_ in ids:
            socket = own.get(id_)
            if socket is None and id_ in self._ending:
                socket = self._ending[id_][0]
            for priority, data in messages:
                if socket is None or not self.write(id_, data, priority, socket):
                    late += 1
                    receipt[3] = id_
            if self._returning and process_number == self._fence.own:
                self._returned(id_)
        receipt[0] += len(ids) * len(messages)
        receipt[1] += sum([len(data) for _, data in messages])
        receipt[2] += late
        self._fence.reached(process_number, passed, total)
        return late

    def _returned(self, id_: int) -> None:
        """Note that a write of this worker, or an END, has come back."""
        self.foreign.returned(id_, 1)
        if id_ not in self._returning and not self._fence.behind:
            self._end(id_)

    def ended_by(self, id_: int, process_number: int, passed: int, total: int) -> None:
        """SOCKET_END_BY: note that an END of another worker, or of this one, was handled."""
        if process_number == self._fence.own:
            self._returned(id_)
        self._fence.reached(process_number, passed, total)

    def send_receipt(self) -> None:
        """Tell the socket service at the end of a turn what was handled of SOCKET_SENT_BY, if there was any."""
        receipt = self._receipt
        if receipt[0]:
            self._send((RECEIPT, *receipt))
            receipt[:] = [0, 0, 0, 0]

    def gone(self, id_: int) -> None:
        """SOCKET_GONE: nothing that is sent to the socket is written any more, nor comes back."""
        self.foreign.gone(id_)
        self._returning.pop(id_, None)
        if not self._fence.behind:
            self._end(id_)

    def drain_by(self, id_: int, process_number: int, ticket: int) -> None:
        """SOCKET_DRAIN_BY: tell another worker when the output that came before has left.

        A connection that is about to be closed answers nothing: its end tells the other worker.
        """
        socket = self.own.get(id_)
        if socket is None and id_ in self._ending:
            return
        reminder = _Reminder(self._send, (DRAINED, id_, process_number, ticket))
        if socket is None or socket.lease.is_drained(self._high_water):
            reminder.set_result(None)
        else:
            socket.write_half.drainers += (reminder,)


def _take_leave(lease: Lease) -> None:
    """Let a connection go for its actor, but not yet for the socket service: CLOSE follows."""
    lease.give_back()
    lease.read_half.buffer.clear()
    lease.read_half.state = ENDED
    if lease.state is OWNED:
        lease.state = LeaseState.LEAVING
    half = lease.write_half  # other workers hear of the end, those that wait here are told
    half.drainers = tuple(waiter for waiter in half.drainers if not isinstance(waiter, _Reminder))
