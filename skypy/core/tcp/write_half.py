"""The write half of a lease: the messages of this turn, and the account of what was given away.

`out` counts the bytes given away, to the kernel or to the socket service; `sent` counts those known to be in the
kernel. While both are equal, no output waits in the socket service, so this worker may write to the kernel.
"""

from __future__ import annotations

from typing import Final

from skypy.core.tcp.output_queue import OutputQueue
from skypy.core.waiting import Wakeable
from skypy.core.wire.socket_lane import WRITE_SIZE_LIMIT

FIRST_WARNING: Final = 1048576
"""Unsent bytes that are worth a warning; the next ones come at each doubling. The numbers are skynet's.

With a high mark of half as much or more, the first warning comes at twice that mark: an actor that waits whenever more
is unsent gets none.
"""


class WriteHalf:
    """Output as a worker has it. A pure object: the lease sends the messages that follow."""

    __slots__ = ("corked", "drainers", "out", "sent", "warned_at", "writable")

    def __init__(self) -> None:
        self.corked = OutputQueue()
        """Messages that wait for the end of the turn."""
        self.out = 0
        self.sent = 0
        self.writable = True
        """True while messages may be corked: this side is neither finished nor known to be broken."""
        self.warned_at = 0
        """The number of unsent bytes that the last warning was for; the next one comes at twice as many."""
        self.drainers: tuple[Wakeable, ...] = ()
        """The waits for `Lease.is_drained`."""

    @property
    def unsent(self) -> int:
        """Bytes that the kernel does not have yet, corked ones included."""
        return self.out - self.sent + self.corked.size

    def progressed(self, position: int) -> None:
        """Note that the kernel has taken the output up to `position`. A maximum, so stale reports are harmless."""
        self.sent = max(self.sent, position)

    def take_corked(self) -> list[tuple[int, list[tuple[int, bytes]]]]:
        """Give the corked messages away in parts that fit into one frame each.

        Return [(position, [(priority, bytes), ...]), ...], with at least one part.
        """
        parts: list[tuple[int, list[tuple[int, bytes]]]] = []
        messages: list[tuple[int, bytes]] = []
        size = 0
        for priority, data in self.corked.take():
            if size + len(data) > WRITE_SIZE_LIMIT:
                parts.append((self.out, messages))
                self.out += size
                messages, size = [], 0
            messages.append((priority, data))
            size += len(data)
        parts.append((self.out, messages))
        self.out += size
        return parts

    def stop(self) -> None:
        """Take no more messages; those that are corked are dropped."""
        self.writable = False
        self.corked.clear()

    def overdue_warning(self, first: int) -> int:
        """Return the number of unsent bytes if it is worth a warning, else 0: `first` is, and each doubling."""
        unsent = self.unsent
        mark = self.warned_at * 2 or first
        if unsent < mark:
            return 0
        while mark <= unsent:
            self.warned_at = mark
            mark *= 2
        return unsent

    def take_over(self, out: int, sent: int, *, writable: bool) -> None:
        """Go on where the write half of the former worker was; `sent < out` while its output is still flushed."""
        self.out = out
        self.sent = sent
        self.writable = writable
