"""epoll, level-triggered: the only file that names it. And how to wait without sleeping."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Final, TypeVar

READABLE: Final = select.EPOLLIN
WRITABLE: Final = select.EPOLLOUT
PEER_FINISHED: Final = select.EPOLLRDHUP
"""The end of input has arrived, whether or not what comes before has been read."""
HANG_UP: Final = select.EPOLLHUP | select.EPOLLERR
"""Always watched, whatever the interest: it cannot be masked."""

T = TypeVar("T")


def spin(poll: Callable[[float], list[T]], seconds: float) -> list[T]:
    """Ask `poll(0)` again and again until something is ready or `seconds` have passed: what sleeps must be woken up."""
    until = time.monotonic() + seconds
    while not (ready := poll(0)) and time.monotonic() < until:
        pass
    return ready


class Poller:
    """Which descriptors are ready.

    epoll follows the open description, not the number: a descriptor must be removed before it is closed, because a
    duplicate in another process would keep its registration alive under a number that is soon another socket's.
    """

    def __init__(self, spin_seconds: float = 0.0) -> None:
        """It spins for `spin_seconds` before it sleeps."""
        self._spin_seconds = spin_seconds
        self._epoll = select.epoll()
        self.add: Callable[[int, int], None] = self._epoll.register
        self.change: Callable[[int, int], None] = self._epoll.modify
        self.remove: Callable[[int], None] = self._epoll.unregister

    def fileno(self) -> int:
        """A descriptor that is readable while anything is ready."""
        return self._epoll.fileno()

    def wait(self, seconds: float | None) -> list[tuple[int, int]]:
        """(descriptor, events) of what is ready, after at most `seconds` (None: however long it takes)."""
        if self._spin_seconds and (seconds is None or seconds > self._spin_seconds):
            ready = spin(self._epoll.poll, self._spin_seconds)
            if ready:
                return ready
        return self._epoll.poll(seconds)

    def close(self) -> None:
        """Closes the epoll descriptor."""
        self._epoll.close()
