"""When a process that keeps dying is not replaced any more. Time is handed in."""

from __future__ import annotations

from collections import deque


class RestartIntensity:
    """At most `count` restarts within any `seconds`, as an Erlang supervisor's intensity and period."""

    def __init__(self, count: int, seconds: float) -> None:
        self.count = count
        self.seconds = seconds
        self._restarts: deque[float] = deque()

    def allows(self, now: float) -> bool:
        """Note a restart at `now`; False when it is one too many."""
        while self._restarts and now - self._restarts[0] > self.seconds:
            self._restarts.popleft()
        self._restarts.append(now)
        return len(self._restarts) <= self.count
