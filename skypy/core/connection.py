"""The service's end of a TCP connection: facts and requests in, reports to the owner and effects for the kernel out.

The owner's worker keeps the other end of it (`duplicate.py`). Positions are bytes since the connection was made: `sent`
is what the kernel has taken, `read` what was read from it, `limit` up to where the owner wants input.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from typing import Final

from skypy.core.errors import InternalError
from skypy.core.messages import (
    FORGET,
    SENT,
    SOCKET_CLOSE,
    SOCKET_DATA,
    SOCKET_ERROR,
    SOCKET_MORE,
    Message,
)
from skypy.core.output_queue import OutputQueue
from skypy.core.socket_state import DELIVERING, DISCARDING, WRITABLE, Effect, Input, State, step

SMALLEST_READ: Final = 64
LARGEST_READ: Final = 262144
"""Reads start at skynet's 64 bytes, double when one is filled, halve when less than half is used."""
SENT_STEP: Final = 65536
"""The owner hears of progress when the queue shrinks below a multiple of this: often enough for drain, seldom else."""

_OWNED: Final = frozenset(State) - {State.CLOSING, State.CLOSING_HALF_CLOSED, State.LINGERING, State.CLOSED}


class Connection:
    """One connection. Methods that can change its state return the effects that are left for the kernel, in order."""

    __slots__ = ("_read_size", "emit", "error", "id", "limit", "owner", "queue", "read", "sent", "state")

    def __init__(self, id: int, emit: Callable[[Message], None], state: State = State.OPEN) -> None:  # noqa: A002
        self.id = id
        self.state = state
        self.emit = emit
        """Says something to the owner's worker."""
        self.owner = 0
        """Address of the actor that started it, for messages about it; 0 before."""
        self.queue = OutputQueue()
        self.sent = 0
        self.read = 0
        self.limit = 0
        self.error = 0
        """The first errno met by any read or write: the kernel tells it only once."""
        self._read_size = SMALLEST_READ

    # -- what the reactor asks --

    @property
    def wants_read(self) -> bool:
        """Whether input may be read now: for the owner, within its credit, or to be discarded."""
        return (self.state in DELIVERING and self.read < self.limit) or self.state in DISCARDING

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
        effects, self.state = step(self.state, Input.DATA)
        self.read += size
        if size >= self._read_size:
            self._read_size = min(self._read_size * 2, LARGEST_READ)
        elif size * 2 < self._read_size:
            self._read_size = max(self._read_size // 2, SMALLEST_READ)
        return bool(effects)

    def deliver(self, data: bytes, *, more: bool = False) -> None:
        """Report input to the owner; `more`: another piece follows at once."""
        self.emit((SOCKET_MORE if more else SOCKET_DATA, self.id, data))

    def end_of_input(self, error: int = 0, *, undelivered: bool = False) -> tuple[Effect, ...]:
        """Reading came to its end: end-of-file, or an errno. After an error was met, end-of-file is that error."""
        self.met(error)
        if not self.error:
            return self._apply(Input.EOF)
        if undelivered and self.state is State.LINGERING:
            return self._apply(Input.RESET_UNDELIVERED)
        return self._apply(Input.RESET)

    def wrote(self, count: int) -> tuple[Effect, ...]:
        """The kernel took `count` bytes from the front of the queue."""
        before = self.queue.size
        self.queue.advance(count)
        self.sent += count
        after = self.queue.size
        if self.owned and (not after or after // SENT_STEP < before // SENT_STEP):
            self.emit((SENT, self.id, self.sent))
        return self._apply(Input.FLUSHED) if not after else ()

    def write_failed(self, error: int) -> tuple[Effect, ...]:
        """A write met an errno, or a hang-up told that none can succeed any more."""
        self.met(error)
        return self._apply(Input.WRITE_FAILED)

    def deadline_passed(self, *, undelivered: bool = False) -> tuple[Effect, ...]:
        """Nothing moved within the flush or linger time."""
        late = undelivered and self.state is State.LINGERING
        return self._apply(Input.DEADLINE_UNDELIVERED if late else Input.DEADLINE)

    def collapse(self, error: int) -> None:
        """The end outside of the table: something here is wrong that must not touch other connections."""
        if self.owned:
            self.emit((SOCKET_CLOSE, self.id, error))
            self.emit((FORGET, self.id))
        self.queue.clear()
        self.state = State.CLOSED

    # -- what the owner's worker asks --

    def credit(self, limit: int, owner: int = 0) -> None:
        """Input may be read up to `limit`. A maximum: stale and crossing credits are harmless."""
        self.limit = max(self.limit, limit)
        self.owner = owner or self.owner

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
        """Finish one half: "w" or "r"."""
        if how == "r":
            return self._apply(Input.STOP_READING)
        return self._apply(Input.FINISH_UNSENT if self.queue.size else Input.FINISH)

    def close(self) -> tuple[Effect, ...]:
        """The safe close: flush, FIN, wait for the peer's end. Also when the owner's worker has died."""
        if self.state is State.CONNECTING:
            return self._apply(Input.ABORT)
        return self._apply(Input.CLOSE_UNSENT if self.queue.size else Input.CLOSE)

    def abort(self, *, dropped: bool = False) -> tuple[Effect, ...]:
        """Drop everything now. `dropped`: the owner's worker had bytes that it has dropped already."""
        missing = self.queue.size or (dropped and self.state in WRITABLE)
        return self._apply(Input.ABORT_UNSENT if missing else Input.ABORT)

    # --

    def _apply(self, given: Input) -> tuple[Effect, ...]:
        effects, self.state = step(self.state, given)
        return tuple(effect for effect in effects if not self._report(effect))

    def _report(self, effect: Effect) -> bool:
        match effect:
            case Effect.REPORT_CLOSE:
                self.emit((SOCKET_CLOSE, self.id, 0))
            case Effect.REPORT_RESET:
                self.emit((SOCKET_CLOSE, self.id, self.error))
            case Effect.REPORT_ERROR:
                self.emit((SOCKET_ERROR, self.id, self.error))
            case Effect.FORGET:
                self.emit((FORGET, self.id))
            case Effect.DROP_QUEUE:
                self.queue.clear()
            case _:
                return False
        return True
