"""The connections of one worker: those that its actors own, those it has let go of, and those of other workers.

A connection that is closed or yielded is kept until FORGET: until then somebody besides the service must hold it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Generic, TypeVar

from skypy.core.close_reason import CloseReason
from skypy.core.tcp.foreign import Claim, ForeignSockets
from skypy.core.tcp.lease import FIRST_WARNING, Lease, LeaseState
from skypy.core.waiting import Waiting, Wakeable
from skypy.core.wire.socket_lane import DRAINED, Message

D = TypeVar("D", bound=Lease)
W = TypeVar("W", bound=Waiting)


_DEAD: Final = LeaseState.DEAD
_YIELDED: Final = LeaseState.YIELDED


class _Reminder:
    """Stands among those who wait for a socket to be drained, for one who waits in another worker."""

    __slots__ = ("_message", "_send")

    def __init__(self, send: Callable[[Message], None], message: Message) -> None:
        self._send = send
        self._message = message

    def done(self) -> bool:
        """It is told once."""
        return False

    def set_result(self, value: None, /) -> None:
        del value
        self._send(self._message)


class Leases(Generic[D, W]):
    """All connections of a worker, by id. `D` is what it holds, `W` is who waits for a claim."""

    def __init__(
        self,
        send: Callable[[Message], None],
        wants_flush: Callable[[], None],
        wake: Callable[[Wakeable], None],
        high_water: int,
        low_water: int,
        write_limit: int,
        backlog: Callable[[D, int], None],
        *,
        alone: bool = False,
    ) -> None:
        """`send` says something to the service, `wants_flush` asks for a `flush`, `wake` resumes who waits.

        `backlog(socket, bytes)` hears of output that the peer does not take, and of its end (0).
        """
        self._send = send
        self._wants_flush = wants_flush
        self._wake = wake
        self._high_water = high_water
        self._low_water = min(low_water, high_water)
        self._write_limit = write_limit
        self._backlog = backlog
        self.own: dict[int, D] = {}
        """Those that actors here have."""
        self.parting: dict[int, D] = {}
        """Closed or yielded; their descriptors wait for SOCKET_FORGET."""
        self.foreign: ForeignSockets[W] = ForeignSockets(send, alone=alone)
        self._dirty: list[D] = []

    # -- what actors do --

    def write(self, id_: int, data: bytes, priority: int) -> bool:
        """Cork a message until the end of the turn; False when nothing can be written."""
        socket = self.own.get(id_)
        if socket is None:
            if not self.foreign.corked:
                self._wants_flush()
            return self.foreign.write(id_, data, priority)
        if not socket.writable:
            return False
        if data:
            corked = socket.corked
            if not corked.size:
                if not self._dirty:
                    self._wants_flush()
                self._dirty.append(socket)
            corked.append(data, priority)
            if socket.out - socket.sent + corked.size > self._write_limit:
                socket.break_off(errno.ENOBUFS, CloseReason.WRITE_LIMIT)
                return False
        return True

    def flush(self) -> None:
        """The end of a turn: one write for every socket with corked bytes."""
        if self._dirty:
            dirty, self._dirty = self._dirty, []
            for socket in dirty:
                socket.flush()
                if socket.sent != socket.out and (unsent := socket.overdue_warning()):
                    self._backlog(socket, unsent)
                if socket.drainers:
                    self.wake_drainers(socket)
        self.foreign.flush()

    def claim(self, id_: int, waiter: W) -> None:
        """Wait until this worker owns a socket that it does not own now."""
        parting = self.parting.get(id_)
        self.foreign.claim(id_, waiter, yielded=parting is not None and parting.state is LeaseState.YIELDED)

    def close(self, socket: D, reason: CloseReason = CloseReason.CLOSED) -> None:
        """The safe close."""
        socket.flush()  # CLOSE must come behind its output
        socket.close(reason)
        self.let_go(socket)

    def shutdown(self, socket: D) -> None:
        """Drop everything now."""
        socket.shutdown()
        self.let_go(socket)

    def abort(self, socket: D) -> None:
        """Drop everything now, by a reset."""
        socket.abort()
        self.let_go(socket)

    def shutdown_write(self, socket: D) -> None:
        """What is queued, then FIN."""
        socket.flush()
        socket.shutdown_write()

    def wake_drainers(self, socket: D) -> None:
        """Resume those who wait for output to leave, if enough has left."""
        if socket.drainers and socket.drained(self._low_water):
            for waiter in socket.drainers:
                self._wake(waiter)
            socket.drainers = ()

    def progressed(self, socket: D, position: int) -> None:
        """SOCKET_SENT: output has left."""
        socket.progressed(position)
        if socket.warns_at > FIRST_WARNING and socket.sent == socket.out:
            socket.warns_at = FIRST_WARNING
            self._backlog(socket, 0)
        self.wake_drainers(socket)

    def let_go(self, socket: D) -> None:
        """No actor has it any more; its descriptor waits for SOCKET_FORGET."""
        del self.own[socket.id]
        state = socket.state
        if state is not _DEAD:
            self.parting[socket.id] = socket
        if state is not _YIELDED:
            self.foreign.gone(socket.id)
        self.wake_drainers(socket)

    # -- what the service reports --

    def forget(self, id_: int) -> D | None:
        """SOCKET_FORGET: the socket whose descriptor is to be closed now, if this worker holds one."""
        socket = self.parting.pop(id_, None) or self.own.get(id_)
        self.foreign.forgotten(id_)
        return socket

    def sent_by(self, id_: int, messages: Iterable[Sequence[Any]]) -> bool:
        """SENT_BY: another worker's output. False when it cannot be written: the service tells its writers so."""
        socket = self.own.get(id_)
        return socket is not None and all(self.write(id_, data, priority) for priority, data in messages)

    def drain_by(self, id_: int, source: int, request: int) -> None:
        """SOCKET_DRAIN_BY: tell another worker when the output that came before has left."""
        socket = self.own.get(id_)
        reminder = _Reminder(self._send, (DRAINED, id_, source, request))
        if socket is None or socket.drained(self._high_water):
            reminder.set_result(None)
        else:
            socket.drainers += (reminder,)

    def recall(self, id_: int) -> D | None:
        """SOCKET_RECALL: let go of the socket for another worker. None when it crossed a close, which answers it."""
        socket = self.own.get(id_)
        if socket is None or socket.state is not LeaseState.OWNED:
            return None
        if not socket.writable:
            self.foreign.gone(id_)  # nor will it be for any other owner
        socket.recalled()
        self.let_go(socket)
        return socket

    def take_over(self, socket: D, claim: Claim[W], owner: int, fields: Sequence[Any]) -> None:
        """HANDED_OVER: the actor `owner` has it now, at `fields`. What waited for it is written."""
        *condition, writable, sent_by_others = fields
        self.own[socket.id] = socket
        socket.taken_over(*condition, writable=writable)
        socket.start(owner)
        for priority, data in (*sent_by_others, *claim.corked.take()):
            self.write(socket.id, data, priority)
