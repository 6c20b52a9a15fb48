"""The read half of a connection in the socket service: the position, the credit, and the side that reads."""

from __future__ import annotations

from typing import Final

from skypy.core.errors import InternalError
from skypy.core.tcp.worker_port import WorkerPort
from skypy.core.wire.socket_lane import SOCKET_DATA, SOCKET_HANGUP, SOCKET_LEND, SOCKET_MORE

SMALLEST_READ: Final = 64  # skynet's: doubled when a read fills it, halved when less than half is used
LARGEST_READ: Final = 262144


class ConnectionReadHalf:
    """Positions, credit and the loan of the reading. Positions count bytes since the connection was made.

    Input of a connection that is seldom heard of goes to the owner's worker over the lane. The reading of a busy one is
    lent to that worker, which spares its input the way over the lane: LEND goes behind all DATA, and RETURN tells how
    far the worker has read and which errno it has met. Each is the last word of the side that stops reading, so at any
    time at most one side reads.

    LEND and RETURN cross other messages. A worker that cannot use the loan when LEND arrives (its actor has enough, or
    has stopped reading) answers with RETURN at once, so each LEND has one RETURN, sooner or later. While a loan is open
    the position here stands still, and RETURN brings the new one. A SHUTDOWN that crossed LEND ends the loan without
    it: the socket service reads on at once to discard the input, and the RETURN that still arrives names a position
    that is out of date. `lent` is False then, which is how it is told from one that counts.
    """

    __slots__ = ("_deliveries", "_id", "_lend_after", "_read_size", "hung_up", "lent", "limit", "read")

    def __init__(self, id: int, lend_after: int) -> None:  # noqa: A002
        """`lend_after` deliveries over the lane make a connection busy; each loan doubles the number."""
        self._id = id
        self.read = 0
        """The position up to which input was read."""
        self.limit = 0
        """The position up to which the owner wants input."""
        self.lent = False
        """True while the owner's worker reads by itself; then only the worker knows how far it is."""
        self.hung_up = False
        """True if the owner was told that the peer has ended the connection, ahead of the input that comes before."""
        self._read_size = SMALLEST_READ
        self._deliveries = 0  # since the last loan
        self._lend_after = lend_after

    @property
    def wanted(self) -> bool:
        """True if the socket service may read for the owner: within its credit, and while the reading is not lent."""
        return self.read < self.limit and not self.lent

    @property
    def read_size(self) -> int:
        """The number of bytes to ask the kernel for: adaptive, never beyond the credit; much where all is discarded."""
        left = self.limit - self.read
        return min(self._read_size, left) if left > 0 else LARGEST_READ

    @property
    def busy(self) -> bool:
        """True if the owner's worker should read by itself: enough was delivered over the lane, and more is wanted."""
        return self._deliveries >= self._lend_after and self.wanted

    def credit(self, limit: int) -> None:
        """Allow reading up to `limit`. Credits are a maximum, so stale and crossing ones are harmless."""
        if limit > self.limit:
            self.limit = limit

    def received(self, size: int) -> None:
        """Note that `size` bytes were read, and adapt the size of the next read."""
        self.read += size
        if size >= self._read_size:
            self._read_size = min(self._read_size * 2, LARGEST_READ)
        elif size * 2 < self._read_size:
            self._read_size = max(self._read_size // 2, SMALLEST_READ)

    def deliver(self, worker: WorkerPort, data: bytes, *, more: bool = False) -> None:
        """Report input to the owner's worker; `more`: another piece follows at once."""
        worker.send((SOCKET_MORE if more else SOCKET_DATA, self._id, data))
        self._deliveries += 1

    def lend(self, worker: WorkerPort) -> None:
        """Let the owner's worker read by itself from here on."""
        self.lent = True
        self._deliveries = 0
        self._lend_after *= 2  # some connections are better off on the lane: their worker keeps returning the reading
        worker.send((SOCKET_LEND, self._id))

    def returned(self, position: int, limit: int) -> None:
        """Go on where the owner's worker has stopped reading, with its credit.

        Raises InternalError when `position` is before what was delivered: bytes were lost or doubled.
        """
        if not self.lent:
            return  # a SHUTDOWN that crossed SOCKET_LEND has ended the loan already
        if position < self.read:
            raise InternalError(f"socket {self._id}: RETURN at {position}, read up to {self.read}")
        self.lent = False
        self.read = position
        self.credit(limit)

    def discard(self) -> None:
        """Read on only to throw the input away, if at all: the owner has stopped reading, or has gone."""
        self.lent = False  # the worker reads no more, even if SOCKET_LEND is still on its way
        self.limit = self.read

    def hang_up(self, worker: WorkerPort) -> None:
        """Tell the owner's worker, once, that the peer has ended it while unwanted input comes before the end."""
        if not self.hung_up:
            self.hung_up = True
            worker.send((SOCKET_HANGUP, self._id))
