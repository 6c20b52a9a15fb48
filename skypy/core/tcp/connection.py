"""The service's end of a TCP connection: facts and requests in, reports to the owner and effects for the kernel out.

The owner's worker keeps the other end of it (`duplicate.py`). Positions are bytes since the connection was made: `sent`
is what the kernel has taken, `read` what was read from it, `limit` up to where the owner wants input.

Who reads. Input of a connection that is seldom heard of goes to the owner over the lane. The reading of a busy one is
lent to the owner's worker, which spares it the way over the lane: LEND goes behind all DATA, and RETURN tells how far
the worker has read and which errno it has met. Each is the last word of the side that stops reading, so at any time
at most one reads. The worker returns it whenever it does not go on: at the end of input, at an error, and when its
actor has enough, closes the connection or lets it go. What an end means the service alone decides: it meets it again.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from skypy.core.close_reason import CloseReason
from skypy.core.errors import InternalError
from skypy.core.tcp.output_queue import OutputQueue
from skypy.core.tcp.state import (
    ACCEPTING,
    DELIVERING,
    DISCARDING,
    TRANSITIONS,
    WRITABLE,
    Effect,
    Input,
    State,
    step,
)
from skypy.core.tcp.worker_port import NOBODY, WorkerPort
from skypy.core.wire.socket_lane import (
    DRAIN,
    SEND,
    SOCKET_CLOSE,
    SOCKET_DATA,
    SOCKET_DRAIN_BY,
    SOCKET_DRAIN_DONE,
    SOCKET_ERROR,
    SOCKET_FORGET,
    SOCKET_GONE,
    SOCKET_HANDED_OVER,
    SOCKET_HANGUP,
    SOCKET_LEND,
    SOCKET_MORE,
    SOCKET_RECALL,
    SOCKET_REFUSE_HALF_CLOSE,
    SOCKET_REFUSED,
    SOCKET_SENT,
    SOCKET_SENT_BY,
    Message,
)

SMALLEST_READ: Final = 64  # skynet's: doubled when a read fills it, halved when less than half is used
LARGEST_READ: Final = 262144
LEND_AFTER: Final = 2  # deliveries, and with every return twice as many: some would be better off on the lane
SENT_STEP: Final = 65536
"""The owner hears of progress when the queue shrinks below a multiple of this: often enough for drain, seldom else."""
# Python 3.11 takes its time to find a member of an Enum: these are asked for by each read, or each connection.
_DATA, _EOF, _CLOSE, _CONNECTING, _LINGERING = Input.DATA, Input.EOF, Input.CLOSE, State.CONNECTING, State.LINGERING
_OWNED: Final = frozenset(State) - {State.CLOSING, State.CLOSING_HALF_CLOSED, State.LINGERING, State.CLOSED}
_RESETTABLE: Final = frozenset(state for state, given in TRANSITIONS if given is Input.ABORT_BY_RESET)
_BROKEN_BY_PEER: Final = frozenset({Input.RESET, Input.RESET_UNDELIVERED, Input.WRITE_FAILED})
_FLUSHING: Final = (State.HALF_CLOSED_READ_FINISHING, State.CLOSING, State.CLOSING_HALF_CLOSED)
_TOO_LATE: Final = dict.fromkeys(_FLUSHING, CloseReason.FLUSH_TIMEOUT) | {
    State.HALF_CLOSED_READ: CloseReason.HALF_CLOSE_TIMEOUT
}
"""What a deadline means; in LINGERING it depends on what was acknowledged."""


class Connection:
    """One connection. Methods that can change its state return the effects that are left for the kernel, in order."""

    __slots__ = (
        "_claims",
        "_deliveries",
        "_drains",
        "_held",
        "_lend_after",
        "_postponed",
        "_previous",
        "_read_size",
        "_recalled",
        "_writers",
        "error",
        "half_close",
        "hung_up",
        "id",
        "lent",
        "limit",
        "owner",
        "queue",
        "read",
        "reason",
        "sent",
        "state",
        "worker",
    )

    def __init__(self, id: int, worker: WorkerPort, state: State = State.OPEN) -> None:  # noqa: A002
        self.id = id
        self.state = state
        self.worker = worker
        """The worker whose actor owns it."""
        # What other workers have to do with it: mostly nothing, and what cannot change has no copy for each connection.
        self._claims: tuple[WorkerPort, ...] = ()
        self._recalled = (
            False  # between SOCKET_RECALL and YIELD nobody owns it for sure: nothing is read, and it cannot end
        )
        self._postponed = ""  # halves that the owner finished before it saw SOCKET_RECALL
        self._previous: WorkerPort | None = (
            None  # has yielded, and must be told SOCKET_FORGET when the next one has it for sure
        )
        self._writers: tuple[
            WorkerPort, ...
        ] = ()  # have sent output for the owner, and must be told SOCKET_GONE if it cannot go
        self._held: tuple[tuple[int, bytes], ...] = ()  # such output that came while it was recalled
        self._drains: tuple[
            tuple[WorkerPort, int], ...
        ] = ()  # DRAINs that the owner has not answered, with their requests
        self.owner = 0
        """Address of the actor that started it, for messages about it; 0 before."""
        self.queue = OutputQueue()
        self.sent = 0
        self.read = 0
        self.limit = 0
        self.error = 0
        """The first errno met by any read or write: the kernel tells it only once."""
        self.reason: CloseReason | None = None
        """Why it has ended, or is being closed; None as long as nothing says so."""
        self.half_close = True
        """Whether the owner may go on writing when the peer has finished."""
        self.hung_up = False
        """Whether the owner has been told that the peer has ended it, ahead of the input that comes before."""
        self._read_size = SMALLEST_READ
        self.lent = False
        """Whether the owner's worker reads it by itself; only what it does is known then, not how far it is."""
        self._deliveries = 0  # since it was last lent
        self._lend_after = LEND_AFTER

    # -- what the reactor asks --

    @property
    def wants_read(self) -> bool:
        """Whether input may be read now: for the owner, within its credit, or to be discarded."""
        if self.state in DELIVERING:
            return self.read < self.limit and not self._recalled and not self.lent
        return self.state in DISCARDING

    @property
    def may_meet_end(self) -> bool:
        """Whether the end of input may be reported now although nothing may be read: it needs no credit."""
        return self.state in DELIVERING and not self._recalled and not self.lent

    @property
    def busy(self) -> bool:
        """Whether so much of its input is delivered that the owner's worker should read it by itself."""
        return self._deliveries >= self._lend_after and self.state in DELIVERING and self.wants_read

    @property
    def wants_write(self) -> bool:
        """Whether bytes wait for the kernel."""
        return self.queue.size > 0

    @property
    def read_size(self) -> int:
        """How much to read at once: adaptive, and never beyond the owner's credit."""
        return min(self._read_size, self.limit - self.read) if self.state in DELIVERING else LARGEST_READ

    @property
    def owned(self) -> bool:
        """Whether an actor still has it."""
        return self.state in _OWNED

    # -- what the kernel tells --

    def met(self, error: int) -> None:
        """Keep the first errno: the kernel tells it only once, to whoever asks first.

        A write to a connection that the peer has finished and then reset fails with EPIPE; it is the same reset.
        """
        if error and not self.error:
            self.error = errno.ECONNRESET if error == errno.EPIPE else error

    def connected(self) -> tuple[Effect, ...]:
        """Our SYN was answered."""
        return self._apply(Input.CONNECTED)

    def connect_failed(self, error: int) -> tuple[Effect, ...]:
        """No address could be reached; the errno is the last one's."""
        self.met(error)
        return self._apply(Input.CONNECT_FAILED)

    def received(self, size: int) -> bool:
        """`size` bytes were read. Returns whether they are to be delivered (REPORT_DATA) or discarded."""
        effects, self.state = step(self.state, _DATA)
        self.read += size
        if size >= self._read_size:
            self._read_size = min(self._read_size * 2, LARGEST_READ)
        elif size * 2 < self._read_size:
            self._read_size = max(self._read_size // 2, SMALLEST_READ)
        return bool(effects)

    def deliver(self, data: bytes, *, more: bool = False) -> None:
        """Report input to the owner; `more`: another piece follows at once."""
        self.worker.send((SOCKET_MORE if more else SOCKET_DATA, self.id, data))
        self._deliveries += 1

    def lend(self) -> None:
        """From here on the owner's worker reads by itself."""
        self.lent = True
        self._deliveries = 0
        self._lend_after *= 2
        self.worker.send((SOCKET_LEND, self.id))

    def end_of_input(self, error: int = 0, *, undelivered: bool = False) -> tuple[Effect, ...]:
        """Reading came to its end: end-of-file, or an errno. After an error was met, end-of-file is that error."""
        self.met(error)
        if not self.error:
            return self._apply(_EOF)
        if undelivered and self.state is _LINGERING:
            return self._apply(Input.RESET_UNDELIVERED)
        return self._apply(Input.RESET)

    def wrote(self, count: int) -> tuple[Effect, ...]:
        """The kernel took `count` bytes from the front of the queue."""
        before = self.queue.size
        self.queue.advance(count)
        self.sent += count
        after = self.queue.size
        if self.owned and (not after or after // SENT_STEP < before // SENT_STEP):
            self.worker.send((SOCKET_SENT, self.id, self.sent))
        return self._flushed()

    def hang_up(self) -> None:
        """The peer has ended it, but input that the owner does not want yet comes before: tell that ahead, once."""
        if not self.hung_up:
            self.hung_up = True
            self.worker.send((SOCKET_HANGUP, self.id))

    def write_failed(self, error: int) -> tuple[Effect, ...]:
        """A write met an errno, or a hang-up told that none can succeed any more."""
        self.met(error)
        return self._apply(Input.WRITE_FAILED)

    def deadline_passed(self, *, undelivered: bool = False, reason: CloseReason | None = None) -> tuple[Effect, ...]:
        """Nothing moved within the flush, linger or half-close time, or (`reason`) there is no more time."""
        late = undelivered and self.state in (State.LINGERING, State.HALF_CLOSED_READ)
        lingered = CloseReason.FLUSH_TIMEOUT if late else CloseReason.LINGER
        self.reason = reason or _TOO_LATE.get(self.state, lingered)
        if undelivered:
            self.met(errno.ETIMEDOUT)
        return self._apply(Input.DEADLINE_UNDELIVERED if late else Input.DEADLINE)

    def delivered(self) -> tuple[Effect, ...]:
        """The peer has acknowledged everything, our FIN included, and need not keep us in TIME_WAIT."""
        return self._apply(Input.DELIVERED)

    def collapse(self, error: int) -> None:
        """The end outside of the table: something here is wrong that must not touch other connections."""
        self.reason = CloseReason.INTERNAL_ERROR
        if self.owned:
            closed = self.state not in DELIVERING  # it has been told, and is told once
            self.worker.send((SOCKET_ERROR if closed else SOCKET_CLOSE, self.id, error, self.reason))
        if self.state not in (State.LINGERING, State.CLOSED):
            self.worker.send((SOCKET_FORGET, self.id))
        self.queue.clear()
        self.state = State.CLOSED
        self._forget_previous()
        self._dismiss_others()

    # -- what the owner's worker asks --

    def credit(self, limit: int, owner: int = 0) -> None:
        """Input may be read up to `limit`. A maximum: stale and crossing credits are harmless."""
        self.limit = max(self.limit, limit)
        self.owner = owner or self.owner
        self._forget_previous()

    def returned(self, position: int, limit: int, error: int) -> tuple[Effect, ...]:
        """The owner's worker has read up to `position`, has met an errno (0: none), and reads no more.

        Nothing can be written to a connection behind an errno, which is told at once; the reader meets it at the end.
        Raises InternalError when that is less than it was given: somebody lost or doubled bytes.
        """
        if self.lent:  # else its SHUTDOWN crossed SOCKET_LEND
            if position < self.read:
                raise InternalError(f"socket {self.id}: RETURN at {position}, read up to {self.read}")
            self.lent = False
            self.read = position
            self.limit = max(self.limit, limit)
        self.met(error)
        return self.write_failed(error) if error and self.state in WRITABLE else ()

    def write(self, position: int, messages: Sequence[tuple[int, bytes]], error: int) -> tuple[Effect, ...]:
        """Output that the worker could not give to the kernel, with the errno that it met (0: none).

        Raises InternalError when `position` is not where our output ends: somebody lost or doubled bytes.
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
        """Finish one half: "w" or "r". What crossed SOCKET_RECALL waits for YIELD, which brings the unread input."""
        if self._recalled:
            self._postponed += how
            self._dismiss_others()
            return ()
        if how == "r":
            self.lent = False  # it reads no more, even if SOCKET_LEND is still on its way
            return self._apply(Input.STOP_READING)
        return self._apply(Input.FINISH_UNSENT if self.queue.size else Input.FINISH)

    def close(self, reason: CloseReason = CloseReason.CLOSED) -> tuple[Effect, ...]:
        """The safe close: flush, FIN, wait for the peer's end. Also when the owner's worker has died."""
        self.reason = reason
        if self.state is _CONNECTING:
            return self._apply(Input.ABORT)
        return self._end(Input.CLOSE_UNSENT if self.queue.size else _CLOSE)

    def abort(self, reason: CloseReason = CloseReason.SHUTDOWN, *, by_reset: bool = False) -> tuple[Effect, ...]:
        """Drop everything now. `by_reset`: it was asked for, or the owner's worker had bytes that it has dropped."""
        self.reason = reason
        missing = self.queue.size or (by_reset and self.state in _RESETTABLE)
        return self._end(Input.ABORT_BY_RESET if missing else Input.ABORT)

    def break_off(self, error: int, reason: CloseReason) -> tuple[Effect, ...]:
        """A limit of the owner was passed: a reset, reported as if the peer had done it."""
        self.met(error)
        self.reason = reason
        return self._end(Input.BREAK)

    # -- other workers --

    def pass_on(self, source: WorkerPort, kind: int, *fields: Any) -> None:
        """A SEND or DRAIN of a worker that does not own it goes to the owner, whatever the state of the queue."""
        if not self._accepting:
            source.send((SOCKET_GONE, self.id))
            return
        if source not in self._writers:
            self._writers += (source,)
        if kind == DRAIN:
            self._drains += ((source, *fields),)
        elif self._recalled:
            self._held += tuple(fields[0])
        if not self._recalled:
            self.worker.send((SOCKET_SENT_BY if kind == SEND else SOCKET_DRAIN_BY, self.id, source.number, *fields))

    def drained(self, worker: WorkerPort, number: int, request: int) -> None:
        """DRAINED for the worker with that number. From a former owner it means nothing: the new one is asked again."""
        for drain in self._drains:
            source, asked = drain
            if worker is self.worker and (source.number, asked) == (number, request):
                self._drains = tuple(other for other in self._drains if other is not drain)
                source.send((SOCKET_DRAIN_DONE, self.id, request))
                return

    def claim(self, taker: WorkerPort) -> None:
        """Another worker wants to own it: nothing is read until the owner has yielded."""
        if not self.owned or self.state is _CONNECTING:
            taker.send((SOCKET_REFUSED, self.id))
            return
        self._claims += (taker,)
        self._recall()

    def yielded(self, unread: bytes, out: int, reading: str, error: int, writable: bool) -> Message | None:
        """The owner has let go, its output ends at `out`. Returns HANDED_OVER for the next one; `resume` follows.

        None when whoever asked has died: nobody has it then, and it is to be closed.
        """
        if not self.queue.size:
            self.sent = out
        self.met(error)
        self.limit = self.read
        self._previous = self.worker
        if not self._claims:
            self.worker = NOBODY
            return None
        self.worker, *claims = self._claims
        self._claims = tuple(claims)
        position = (self.read, out, self.sent)
        told = self.error if self.state is State.WRITE_BROKEN else 0  # what a reader has met comes with the end
        condition = (reading, told, writable and self._accepting)
        # The taker may have sent some of what was held before it claimed: that goes before what it has corked since.
        held, self._held = self._held, ()
        return (SOCKET_HANDED_OVER, self.id, unread, *position, *condition, held)

    def resume(self) -> tuple[Effect, ...]:
        """HANDED_OVER has been sent: what the former owner has not answered follows, and the next claim."""
        for source, request in self._drains:
            self.worker.send((SOCKET_DRAIN_BY, self.id, source.number, request))
        if self.hung_up:
            self.worker.send((SOCKET_HANGUP, self.id))
        effects = self._end_recall()
        self._recall()
        return effects

    def worker_died(self, dead: WorkerPort) -> bool:
        """A worker has died. Returns whether it was the owner's: then the connection is to be closed."""
        self._claims = tuple(claim for claim in self._claims if claim is not dead)
        self._drains = tuple(drain for drain in self._drains if drain[0] is not dead)
        self._writers = tuple(writer for writer in self._writers if writer is not dead)
        if self._previous is dead:
            self._previous = None
        return self.worker is dead and self.owned

    # --

    @property
    def _accepting(self) -> bool:
        return self.state in ACCEPTING and "w" not in self._postponed

    def _recall(self) -> None:
        if self._claims and not self._recalled:
            self._recalled = True
            self.worker.send((SOCKET_RECALL, self.id))

    def _end_recall(self) -> tuple[Effect, ...]:
        """What waited for the end of the recall happens now."""
        self._recalled = False
        effects = self._flushed()
        postponed, self._postponed = self._postponed, ""
        for how in postponed:
            if self.owned:
                effects += self.shutdown(how)
        return effects

    def _flushed(self) -> tuple[Effect, ...]:
        due = not self.queue.size and self.state in WRITABLE and not self._recalled
        return self._apply(Input.FLUSHED) if due else ()

    def _end(self, given: Input) -> tuple[Effect, ...]:
        """The owner lets go for good; if that crossed SOCKET_RECALL, it is the answer to it."""
        self.lent = False  # else its worker has died with it
        effects = self._end_recall() if self._recalled else ()
        return effects + self._apply(given) if self.owned else effects

    def _dismiss_others(self) -> None:
        """Nothing can be written any more, or nobody can have it any more."""
        if self._writers and not self._accepting:
            for writer in self._writers:
                writer.send((SOCKET_GONE, self.id))
            self._writers = ()
            self._drains = ()
        if self._claims and not self.owned:
            for taker in self._claims:
                taker.send((SOCKET_REFUSED, self.id))
            self._claims = ()
            self._held = ()

    def _forget_previous(self) -> None:
        if self._previous is not None:
            self._previous.send((SOCKET_FORGET, self.id))
            self._previous = None

    def _apply(self, given: Input) -> tuple[Effect, ...]:
        effects, self.state = step(self.state, given)
        if given in _BROKEN_BY_PEER:
            self.reason = CloseReason.RESET
        self._dismiss_others()
        left: list[Effect] = []
        for effect in effects:
            report = self._REPORTS.get(effect)
            if report is None:
                left.append(effect)
            else:
                report(self)
        return tuple(left)

    def _report_close(self) -> None:
        if not self.half_close:
            self.worker.send((SOCKET_REFUSE_HALF_CLOSE, self.id))  # first, so that who sees end-of-file finds it closed
        self.worker.send((SOCKET_CLOSE, self.id, 0))

    def _report_error(self, kind: int) -> None:
        unusual = () if self.reason in (None, CloseReason.RESET) else (self.reason,)
        self.worker.send((kind, self.id, self.error, *unusual))

    def _forget(self) -> None:
        forgotten = self.reason is CloseReason.HALF_CLOSE_TIMEOUT  # the one end that nothing else tells
        self.worker.send((SOCKET_FORGET, self.id, self.reason) if forgotten else (SOCKET_FORGET, self.id))
        self._forget_previous()

    # What the connection does by itself for an effect; the others are for the kernel.
    _REPORTS: ClassVar[Mapping[Effect, Callable[[Connection], None]]] = {
        Effect.REPORT_CLOSE: _report_close,
        Effect.REPORT_RESET: lambda self: self._report_error(SOCKET_CLOSE),
        Effect.REPORT_ERROR: lambda self: self._report_error(SOCKET_ERROR),
        Effect.FORGET: _forget,
        Effect.DROP_QUEUE: lambda self: self.queue.clear(),
    }
