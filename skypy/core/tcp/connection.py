"""The socket service's end of a TCP connection: facts and requests in, reports to the owner and effects out.

The owner's worker keeps the other end (`lease.py`). Positions are bytes since the connection was made. The read half is
an object of its own (`connection_read_half.py`), and so are other workers, once there are any (`hand_over.py`). The
write half is a queue and the position of its front, `sent`, up to which the kernel has taken the output.

The socket service alone decides what an end of input means. A worker that reads by itself gives the reading back at the
end and at an error, and the socket service meets them again.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from skypy.core.close_reason import CloseReason
from skypy.core.errors import InternalError
from skypy.core.tcp.connection_read_half import ConnectionReadHalf
from skypy.core.tcp.hand_over import End, HandOver, Remains
from skypy.core.tcp.output_queue import OutputQueue
from skypy.core.tcp.state import (
    ACCEPTING,
    CLOSE,
    CLOSED,
    CONNECTING,
    DATA,
    DELIVERING,
    DISCARDING,
    EOF,
    FLUSHED,
    LINGERING,
    OPEN,
    OWNED,
    RESETTABLE,
    WRITABLE,
    Effect,
    Input,
    State,
    step,
)
from skypy.core.tcp.worker_port import NOBODY, WorkerPort
from skypy.core.wire.socket_lane import (
    SOCKET_CLOSE,
    SOCKET_END_BY,
    SOCKET_ERROR,
    SOCKET_FORGET,
    SOCKET_HANDED_OVER,
    SOCKET_HANGUP,
    SOCKET_REFUSE_HALF_CLOSE,
    SOCKET_REFUSED,
    SOCKET_SENT,
    Message,
)

LEND_AFTER: Final = 2  # deliveries over the lane that make a connection busy, the first time
SENT_STEP: Final = 65536
"""The owner hears of progress when the queue shrinks below a multiple of this: often enough for drain, but seldom."""
_BROKEN_BY_PEER: Final = frozenset({Input.RESET, Input.RESET_UNDELIVERED, Input.WRITE_FAILED})
_FLUSHING: Final = (State.HALF_CLOSED_READ_FINISHING, State.CLOSING, State.CLOSING_HALF_CLOSED, State.CUT_OFF)
_TOO_LATE: Final = dict.fromkeys(_FLUSHING, CloseReason.FLUSH_TIMEOUT) | {
    State.HALF_CLOSED_READ: CloseReason.HALF_CLOSE_TIMEOUT
}
"""The meaning of a deadline; in LINGERING it depends on what was acknowledged."""


class Connection:
    """One connection. Methods that can change its state return the effects that are left for the kernel, in order.

    Its state is a row of the table, and five facts stand beside it. Each is independent of the row: it would double
    states without changing what any input means in them.

    - `read_half.lent`, the side that reads. A loan changes neither states nor effects, only where bytes come from.
    - `read_half.hung_up`, whether one report was sent already.
    - `half_close`, a wish of the owner's listener, which never changes.
    - `hand_over`, whether the owner's worker was recalled. Inputs wait for the end of a recall; see HandOver.
    - `remains`, whether the owner's worker still has a connection that has ended under it; see Remains.
    """

    __slots__ = (
        "error",
        "half_close",
        "hand_over",
        "id",
        "left",
        "owner",
        "queue",
        "read_half",
        "reason",
        "remains",
        "sent",
        "state",
        "worker",
    )

    def __init__(self, id: int, worker: WorkerPort, state: State = OPEN) -> None:  # noqa: A002
        self.id = id
        self.state = state
        self.worker = worker
        """The worker whose actor owns the connection; NOBODY when it has yielded and no other worker is left."""
        self.hand_over: HandOver | None = None
        """The other workers; None until one appears."""
        self.owner = 0
        """The address of the actor that started the connection, for log lines; 0 before."""
        self.read_half = ConnectionReadHalf(id, LEND_AFTER)
        self.queue = OutputQueue()
        self.sent = 0
        self.error = 0
        """The first errno met by any read or write, 0 for none."""
        self.reason: CloseReason | None = None
        """The reason of the end; None as long as nothing says so."""
        self.half_close = True
        """True if the owner may go on writing when the peer has finished."""
        self.left = False
        """True once the owner has left the connection for good, by CLOSE or ABORT, or its worker has died."""
        self.remains: Remains | None = None
        """The part that goes on when the connection has ended under its owner; requests about it go there."""

    @property
    def wants_read(self) -> bool:
        """True if input may be read now: for the owner, within its credit, or to be discarded."""
        if self.state in DELIVERING:
            return self.read_half.wanted and (self.hand_over is None or not self.hand_over.recalled)
        return self.state in DISCARDING

    @property
    def may_meet_end(self) -> bool:
        """True if the end of input may be reported now although nothing may be read: it needs no credit."""
        if self.hand_over is not None and self.hand_over.recalled:
            return False
        return self.state in DELIVERING and not self.read_half.lent

    # -- news from the kernel and the clock --

    def apply(self, given: Input) -> tuple[Effect, ...]:
        """Let an input happen that needs no guard: the reports are sent, the other effects returned."""
        effects, self.state = step(self.state, given)
        if given in _BROKEN_BY_PEER:
            self.reason = CloseReason.RESET
        if self.hand_over is not None:
            self.hand_over.dismiss_writers(self.state)
        left: list[Effect] = []
        for effect in effects:
            report = _REPORTS.get(effect)
            if report is None:
                left.append(effect)
            else:
                report(self)
        if self.hand_over is not None and self.state not in OWNED and self.remains is None:
            self.hand_over.dismiss_takers()
        return tuple(left)

    def met(self, error: int) -> None:
        """Keep an errno, if it is the first one (0: none).

        The kernel tells the error of a connection once, to the first call that asks: a write of the worker, or a read
        or write here. All later calls see an end-of-file, or EPIPE. So the first errno is the only one that says why
        the connection is broken, and it must stay known until the end of input is met, which is then this error and
        never a clean end-of-file. A write to a connection that the peer has finished and then reset fails with EPIPE
        at once; it stands for that same reset.
        """
        if error and not self.error:
            self.error = errno.ECONNRESET if error == errno.EPIPE else error

    def received(self, size: int) -> bool:
        """Note that `size` bytes were read. Returns True if they are to be delivered, False to discard them."""
        effects, self.state = step(self.state, DATA)
        self.read_half.received(size)
        return bool(effects)

    def end_of_input(self, error: int = 0, *, undelivered: bool = False) -> tuple[Effect, ...]:
        """Meet the end of reading: end-of-file, or an errno. After an error was met, end-of-file is that error."""
        self.met(error)
        if not self.error:
            return self.apply(EOF)
        if undelivered and self.state is LINGERING:
            return self.apply(Input.RESET_UNDELIVERED)
        return self.apply(Input.RESET)

    def wrote(self, count: int) -> tuple[Effect, ...]:
        """Note that the kernel took `count` bytes from the front of the queue."""
        before = self.queue.size
        self.queue.advance(count)
        self.sent += count
        after = self.queue.size
        if (not after or after // SENT_STEP < before // SENT_STEP) and self.state in OWNED:
            self.worker.send((SOCKET_SENT, self.id, self.sent))
        return self.apply(FLUSHED) if not after and self.state in WRITABLE else ()

    def write_failed(self, error: int) -> tuple[Effect, ...]:
        """Meet the errno of a write, or a hang-up, after which no write can succeed."""
        self.met(error)
        return self.apply(Input.WRITE_FAILED)

    def deadline_passed(self, *, undelivered: bool = False, reason: CloseReason | None = None) -> tuple[Effect, ...]:
        """End without progress in the flush, linger or half-close time, or (`reason`) because no time is left."""
        late = undelivered and self.state in (LINGERING, State.HALF_CLOSED_READ)
        lingered = CloseReason.FLUSH_TIMEOUT if late else CloseReason.LINGER
        self.reason = reason or _TOO_LATE.get(self.state, lingered)
        if undelivered:
            self.met(errno.ETIMEDOUT)
        return self.apply(Input.DEADLINE_UNDELIVERED if late else Input.DEADLINE)

    def collapse(self, error: int) -> None:
        """End outside of the table: a bug was met, which must not touch other connections."""
        self.reason = CloseReason.INTERNAL_ERROR
        if self.state in OWNED:
            closed = self.state not in DELIVERING  # SOCKET_CLOSE was sent, and is sent once
            self.worker.send((SOCKET_ERROR if closed else SOCKET_CLOSE, self.id, error, self.reason))
            self.met(error)
            _leave_remains(self, self.reason)
        if self.state not in (LINGERING, CLOSED):
            self.worker.send((SOCKET_FORGET, self.id))
        self.queue.clear()
        self.state = CLOSED
        if self.hand_over is not None:
            self.hand_over.confirmed()
            self.hand_over.dismiss_writers(CLOSED)
            if self.remains is None:
                self.hand_over.dismiss_takers()

    # -- requests of the owner's worker --

    def credit(self, limit: int, owner: int = 0) -> None:
        """Allow input up to `limit`; `owner` is the address of the actor, where it is a new one."""
        self.read_half.credit(limit)
        self.owner = owner or self.owner
        if self.hand_over is not None:
            self.hand_over.confirmed()

    def returned(self, position: int, limit: int, error: int) -> tuple[Effect, ...]:
        """Take the reading back from the owner's worker, which has read up to `position` and met an errno (0: none).

        Nothing can be written to a connection behind an errno, which is told at once; the reader meets it at the end.
        Raises InternalError when `position` is before what was delivered.
        """
        self.read_half.returned(position, limit)
        self.met(error)
        return self.write_failed(error) if error and self.state in WRITABLE else ()

    def write(self, position: int, messages: Sequence[tuple[int, bytes]], error: int) -> tuple[Effect, ...]:
        """Queue output that the worker could not give to the kernel, with the errno that the worker met (0: none).

        `messages` are (priority, bytes). Raises InternalError when `position` is not where our output ends: bytes were
        lost or doubled.
        """
        if self.state not in WRITABLE:
            return ()  # it crossed our ERROR, or came after its own SHUTDOWN: the write half is gone
        if not self.queue.size:
            self.sent = position
        elif position != self.sent + self.queue.size:
            raise InternalError(f"socket {self.id}: WRITE at {position}, expected {self.sent + self.queue.size}")
        for priority, data in messages:
            self.queue.append(data, priority)
        return self.write_failed(error) if error else ()

    def shutdown(self, how: str) -> tuple[Effect, ...]:
        """Finish one half: "w" or "r". During a recall this waits for YIELD, which brings the unread input."""
        if self.hand_over is not None and self.hand_over.recalled:
            self.hand_over.postpone(how, self.state)
            return ()
        if how == "r":
            self.read_half.discard()
            return self.apply(Input.STOP_READING)
        return self.apply(Input.FINISH_UNSENT if self.queue.size else Input.FINISH)

    def close(self, reason: CloseReason = CloseReason.CLOSED, *, missing: bool = False) -> tuple[Effect, ...]:
        """Close safely: flush, FIN, wait for the peer's end. A connection whose worker has died is closed so too.

        If its output is not whole, a reset comes in place of FIN. `missing`: bytes of it are known to be lost, or to
        wait in the kernel. Bytes that are unsent here say the same: the actor was ahead of the peer and may have had
        more to write, and the peer can only tell by the kind of the end.
        """
        self.reason = reason
        self.left = True
        if self.state is CONNECTING:
            return self.apply(Input.ABORT)
        if reason is CloseReason.WORKER_DIED:  # nothing is queued: the dead may have had half a message in the kernel
            if missing or self.queue.size:
                return self._end(Input.CUT_OFF)
        else:
            self._queue_held()
        return self._end(Input.CLOSE_UNSENT if self.queue.size else CLOSE)

    def abort(self, reason: CloseReason = CloseReason.SHUTDOWN, *, by_reset: bool = False) -> tuple[Effect, ...]:
        """Drop everything now. `by_reset`: a reset was asked for, or the owner's worker has dropped bytes."""
        self.reason = reason
        self.left = True
        missing = self.queue.size or (by_reset and self.state in RESETTABLE)
        return self._end(Input.ABORT_BY_RESET if missing else Input.ABORT)

    def break_off(self, error: int, reason: CloseReason) -> tuple[Effect, ...]:
        """Reset the connection because a limit of the owner was passed, and report that as if the peer had done it."""
        self.met(error)
        self.reason = reason
        effects = self._end(Input.BREAK)
        if self.remains is not None:
            self.remains.recall_again()
        return effects

    # -- requests of other workers, and the answer to a recall --

    def take_over(self, taker: WorkerPort) -> None:
        """Recall the owner's worker for another one; until it has yielded, nothing is read."""
        if self.state not in OWNED or self.state is CONNECTING:
            taker.send((SOCKET_REFUSED, self.id))
            return
        if self.hand_over is None:
            self.hand_over = HandOver(self.id)
        self.hand_over.add_taker(taker, self.worker)

    def end_by(self, source: WorkerPort, end: End) -> bool:
        """Send an END of a worker without the connection to the owner's. Return False if no actor has it any more."""
        if self.state not in OWNED:
            return False
        if self.hand_over is None:
            self.worker.send((SOCKET_END_BY, self.id, *end))
        else:
            self.hand_over.end_by(self.worker, source, end)
        return True

    def yielded(
        self, unread: bytes, out: int, reading: str, error: int, writable: bool, *origin: Any
    ) -> Message | None:
        """Let the owner's worker go; its output ends at `out`.

        Returns SOCKET_HANDED_OVER for the next worker, behind which `resume` is to be called. Returns None when every
        taker has died: no worker has the connection then, and it is to be closed.
        """
        hand_over = self.hand_over = self.hand_over or HandOver(self.id)
        if not self.queue.size:
            self.sent = out
        self.met(error)
        self.read_half.limit = self.read_half.read
        self.worker = hand_over.next_owner(self.worker)
        if self.worker is NOBODY or not hand_over.accepts(self.state):
            self._queue_held()
        if self.worker is NOBODY:
            return None
        position = (self.read_half.read, self.sent + self.queue.size, self.sent)
        told = self.error if self.state is State.WRITE_BROKEN else 0  # an errno met by a reader comes with the end
        condition = (reading, told, writable and hand_over.accepts(self.state))
        since = hand_over.sent_since(self.worker)
        waited = (hand_over.take_held(), since, hand_over.take_ends())
        return (SOCKET_HANDED_OVER, self.id, unread, *position, *condition, *waited, *origin)

    def resume(self) -> tuple[Effect, ...]:
        """Go on after SOCKET_HANDED_OVER was sent: with what the former owner left open, and with the next taker."""
        hand_over = self.hand_over
        assert hand_over is not None
        hand_over.ask_again(self.worker)
        if self.read_half.hung_up:
            self.worker.send((SOCKET_HANGUP, self.id))
        effects = self._settle(hand_over)
        hand_over.recall(self.worker)
        return effects

    def _settle(self, hand_over: HandOver) -> tuple[Effect, ...]:
        """Let everything happen that waited for the end of the recall."""
        effects: tuple[Effect, ...] = ()
        for how in hand_over.settle():
            if self.state in OWNED:
                effects += self.shutdown(how)
        return effects

    def _queue_held(self) -> None:
        """Queue the output of others that came during a recall: the owner has written its last, and no other follows.

        Some of it may have been written by the owner's worker itself, before the end.
        """
        if self.hand_over is not None and self.state in ACCEPTING:
            for priority, data in self.hand_over.take_held(ended=self.worker is not NOBODY):
                self.queue.append(data, priority)

    def _end(self, given: Input) -> tuple[Effect, ...]:
        """Let the owner go for good; a request that crossed SOCKET_RECALL is the answer to it."""
        self.read_half.discard()
        hand_over = self.hand_over
        effects = self._settle(hand_over) if hand_over is not None and hand_over.recalled else ()
        if self.state not in OWNED:
            return effects
        if given is Input.CUT_OFF and self.state not in ACCEPTING:  # the owner has finished its output, so it is whole
            given = Input.CLOSE_UNSENT if self.queue.size else CLOSE
        return effects + self.apply(given)


def _report_close(connection: Connection) -> None:
    if not connection.half_close:  # first, so that a reader that sees end-of-file finds the connection closed
        connection.worker.send((SOCKET_REFUSE_HALF_CLOSE, connection.id))
    connection.worker.send((SOCKET_CLOSE, connection.id, 0))


def _report_error(connection: Connection, kind: int) -> None:
    unusual = () if connection.reason in (None, CloseReason.RESET) else (connection.reason,)
    connection.worker.send((kind, connection.id, connection.error, *unusual))


def _forget(connection: Connection) -> None:
    timed_out = connection.reason is CloseReason.HALF_CLOSE_TIMEOUT  # the one end of which no other report tells
    reason = (connection.reason,) if timed_out else ()
    connection.worker.send((SOCKET_FORGET, connection.id, *reason))
    if not connection.left:
        orderly = CloseReason.HALF_CLOSE_TIMEOUT if timed_out else CloseReason.EOF
        _leave_remains(connection, (connection.reason or CloseReason.RESET) if connection.error else orderly)
    if connection.hand_over is not None:
        connection.hand_over.confirmed()


def _leave_remains(connection: Connection, reason: CloseReason) -> None:
    """Let the part go on that the owner has after the end, of which it has been told."""
    connection.remains = Remains(
        connection.id,
        connection.worker,
        connection.owner,
        read=connection.read_half.read,
        sent=connection.sent,
        error=connection.error,
        reason=reason,
        hand_over=connection.hand_over,
    )


_REPORTS: Final[Mapping[Effect, Callable[[Connection], None]]] = {
    Effect.REPORT_CLOSE: _report_close,
    Effect.REPORT_RESET: lambda connection: _report_error(connection, SOCKET_CLOSE),
    Effect.REPORT_ERROR: lambda connection: _report_error(connection, SOCKET_ERROR),
    Effect.FORGET: _forget,
    Effect.DROP_QUEUE: lambda connection: connection.queue.clear(),
}
"""The effects that the connection has done by itself; the others are for the kernel."""
