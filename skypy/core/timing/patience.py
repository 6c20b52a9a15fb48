"""The time that a closed connection may still take. The clock is handed in."""

from __future__ import annotations

from typing import Final

_LOOK_EVERY_SECONDS: Final = 1.0


class Patience:
    """Two limits: `flush_timeout` without the peer acknowledging a byte, `linger` once it has acknowledged everything.

    Only acknowledgements count as progress: the kernel takes output from us in large and rare steps.
    """

    __slots__ = ("_since", "_undelivered", "flush_timeout", "linger")

    def __init__(self, now: float, undelivered: int, *, flush_timeout: float, linger: float) -> None:
        """`undelivered` counts the bytes that the peer has not acknowledged; all times are in seconds."""
        self._since = now
        self._undelivered = undelivered
        self.flush_timeout = flush_timeout
        self.linger = linger

    def look(self, now: float, undelivered: int) -> float | None:
        """Return the time of the next look (seconds on the same clock), or None when the time is over."""
        if undelivered < self._undelivered:
            self._since = now
        self._undelivered = undelivered
        limit = self.flush_timeout if undelivered else self.linger
        if now - self._since >= limit:
            return None
        return min(now + _LOOK_EVERY_SECONDS, self._since + limit)
