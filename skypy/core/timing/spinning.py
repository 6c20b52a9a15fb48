"""The decision to look for input again and again before sleeping. The clock and the look at the machine are handed in.

A process that sleeps has to be woken up by the kernel, which takes longer than many an answer. A process that spins
finds the answer at once, and burns its core until then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, Protocol, TypeAlias

SpinSetting: TypeAlias = int | Literal["auto"]
"""The config's `spin`: "auto", or the microseconds to spin before every sleep; 0: never."""

SHORT_WAIT_SECONDS: Final = 0.0002
"""The limit between short waits and long ones, and the longest time that AdaptiveSpin looks before it sleeps."""
_ENOUGH: Final = 8
_MOST: Final = 16
_PRICE_OF_A_LONG_WAIT: Final = 8
"""Short waits count one up, long ones this many down. A request of fewer than eight hops that comes alone never makes
a process spin, so a node with little to do stays as cheap as one that always sleeps."""
_FIRST_LOOK_SECONDS: Final = 0.001
_LOOK_EVERY_SECONDS: Final = 0.016
_SHORTEST_PAUSE_SECONDS: Final = 0.01
_LONGEST_PAUSE_SECONDS: Final = 0.64


class Spin(Protocol):
    """A way to decide how long to look for input. Times are in seconds on one clock."""

    def window(self, now: float) -> float:
        """Return the seconds to look for input before sleeping; 0.0: sleep at once."""

    def waited(self, seconds: float) -> None:
        """Learn that a wait is over, by input or by time, after so many seconds of spinning and sleeping."""

    def held_up(self, now: float) -> None:
        """Learn that a look for input took far longer than its window: the process was kept from running."""


class SteadySpin:
    """A window before every sleep, always as long, whatever it costs."""

    __slots__ = ("_seconds",)

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def window(self, now: float) -> float:
        """Return the window."""
        del now
        return self._seconds

    def waited(self, seconds: float) -> None:
        """Learn nothing."""

    def held_up(self, now: float) -> None:
        """Learn nothing."""


class AdaptiveSpin:
    """A window while nearly all waits are short and there are cores to spare.

    Two signs tell that a core is wanted elsewhere. One is the number of threads that want to run; to ask for it takes
    some microseconds, so that is done after 1 ms of spinning, after 2 ms more, and so on up to every 16 ms. The other
    costs nothing: a process that was held up in the middle of a look for input has met another process on its core, a
    thread that holds the interpreter, or its cgroup's quota. Either sign is followed by a pause of 10 ms, which doubles
    as long as the next sign comes sooner after a pause than the pause was long.
    """

    __slots__ = ("_cores", "_look_at", "_look_every", "_pause", "_resume_at", "_running_threads", "_score")

    def __init__(self, running_threads: Callable[[], int], cores: int) -> None:
        """`running_threads` returns how many threads run or wait for one of the `cores`, this one included."""
        self._running_threads = running_threads
        self._cores = cores
        self._score = 0
        self._look_at = 0.0
        self._look_every = _FIRST_LOOK_SECONDS
        self._resume_at = 0.0
        self._pause = _SHORTEST_PAUSE_SECONDS

    def window(self, now: float) -> float:
        """Return the seconds to look for input before sleeping; 0.0: sleep at once."""
        if self._score < _ENOUGH or now < self._resume_at:
            return 0.0
        if now >= self._look_at:
            if self._running_threads() > self._cores:
                self.held_up(now)
                return 0.0
            self._look_at = now + self._look_every
            self._look_every = min(2 * self._look_every, _LOOK_EVERY_SECONDS)
        return SHORT_WAIT_SECONDS

    def waited(self, seconds: float) -> None:
        """Count a wait, short or long."""
        if seconds >= SHORT_WAIT_SECONDS:
            self._score = max(0, self._score - _PRICE_OF_A_LONG_WAIT)
        elif self._score < _MOST:
            self._score += 1

    def held_up(self, now: float) -> None:
        """Pause: sleep without spinning for a while."""
        went_well = now - self._resume_at > self._pause
        self._pause = _SHORTEST_PAUSE_SECONDS if went_well else min(2 * self._pause, _LONGEST_PAUSE_SECONDS)
        self._resume_at = self._look_at = now + self._pause
        self._look_every = _FIRST_LOOK_SECONDS
