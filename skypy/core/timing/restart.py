"""A limit for the replacement of processes that keep dying. The caller passes the time."""

from __future__ import annotations

from collections import deque


class RestartIntensity:
    """A limit of `count` restarts within any `seconds`, like the intensity and period of Erlang/OTP."""

    def __init__(self, count: int, seconds: float) -> None:
        self.count = count
        self.seconds = seconds
        self._restarts: deque[float] = deque()

    def allows(self, now: float) -> bool:
        """Note a restart at `now`, in seconds; return False if it is one too many."""
        while self._restarts and now - self._restarts[0] > self.seconds:
            self._restarts.popleft()
        self._restarts.append(now)
        return len(self._restarts) <= self.count
