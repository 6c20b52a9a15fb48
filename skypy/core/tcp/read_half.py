"""The read half of a lease: the bytes that wait for a reader, and how far input may come.

Positions are bytes since the connection was made, as in `Connection`: `read` is what was read from the connection, by
the socket service or by this worker, and `limit` is the position up to which the actor wants input.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from skypy.core.tcp.input_buffer import InputBuffer

_LARGEST_POSITION: Final = (1 << 63) - 1
"""More than any connection carries. It bounds the sizes that readers ask for, which a peer may have chosen."""


class ReadState(Enum):
    """The state of the read half behind the buffered bytes, which stay readable in every state."""

    OPEN = "open"  # input comes over the lane
    LENT = "lent"  # this worker reads from the kernel, until it returns the reading to the socket service
    ENDED = "ended"  # end-of-file
    BROKEN = "broken"  # a reset that the reader has not been told of yet


# Python 3.11 looks up a member of an Enum slowly, and every read asks for these.
OPEN: Final = ReadState.OPEN
LENT: Final = ReadState.LENT
ENDED: Final = ReadState.ENDED
BROKEN: Final = ReadState.BROKEN


class ReadHalf:
    """Input as a worker has it. A pure object: the lease sends the messages that follow.

    `hung_up` is not part of the state, because input may still come, and be lent, when it is set.
    """

    __slots__ = ("buffer", "grant_above", "hung_up", "limit", "read", "state", "window")

    def __init__(self, window: int) -> None:
        self.window = window
        """Bytes that may lie unread before the socket service pauses."""
        self.state = OPEN
        self.buffer = InputBuffer()
        self.read = 0
        self.limit = 0
        self.grant_above = 0
        """A reader does not have to ask for more credit before `read` has passed this position."""
        self.hung_up = False
        """True once the peer has ended the connection, ahead of the input that is still to come."""

    @property
    def consumed(self) -> int:
        """The position up to which the actor has taken the input."""
        return self.read - self.buffer.size

    def received(self, data: bytes) -> None:
        """Count bytes that came over the lane or from the kernel, and buffer them for the reader."""
        self.read += len(data)
        state = self.state
        if state is LENT or state is OPEN:  # else they crossed a shutdown or a close
            self.buffer.feed(data)

    def grant(self, limit: int) -> None:
        """Let input come up to `limit`. Credit that was granted once is never taken back."""
        self.limit = max(self.limit, min(limit, _LARGEST_POSITION))
        self.grant_above = self.limit - self.window // 2

    def pause(self) -> None:
        """Grant nothing more until a reader waits for more than was granted, or `resume`."""
        self.grant_above = _LARGEST_POSITION

    def resume(self) -> None:
        """Let the next question for credit grant a window again."""
        self.grant_above = -1

    def stop(self) -> None:
        """End the half on this side: later input is counted and dropped, buffered bytes stay."""
        self.state = ENDED

    def close(self, error: int) -> None:
        """End the half for the reason that the socket service reports: end-of-file (0) or an errno."""
        if self.state is OPEN or self.state is LENT:
            self.state = BROKEN if error else ENDED

    def take_over(self, unread: bytes, read: int, state: str) -> None:
        """Go on where the read half of the former worker was."""
        if unread:
            self.buffer.feed(unread)
        self.read = self.limit = read
        self.state = ReadState(state)
