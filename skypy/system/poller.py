"""epoll, level-triggered, and waiting without sleeping: the only file that names epoll."""

from __future__ import annotations

import select
import selectors
import time
from collections.abc import Callable
from typing import Final, TypeVar

READABLE: Final = select.EPOLLIN
WRITABLE: Final = select.EPOLLOUT
PEER_FINISHED: Final = select.EPOLLRDHUP
"""The end of input has arrived, even if data before it has not been read."""
HANG_UP: Final = select.EPOLLHUP | select.EPOLLERR
"""Always watched, whatever the interest: it cannot be masked."""

T = TypeVar("T")


def spin(poll: Callable[[float], list[T]], seconds: float) -> list[T]:
    """Ask `poll(0)` again and again until something is ready or `seconds` have passed.

    A process that spins needs no wake-up by the kernel, which takes longer than many an answer.
    """
    until = time.monotonic() + seconds
    while not (ready := poll(0)) and time.monotonic() < until:
        pass
    return ready


class Poller:
    """The descriptors that the socket service watches.

    epoll follows the open description, not the number: a descriptor must be removed before it is closed, because a
    duplicate in another process would keep its registration alive under a number that is soon another socket's.
    """

    def __init__(self, spin_seconds: float = 0.0) -> None:
        """Watch nothing yet; `wait` spins for `spin_seconds` before it sleeps."""
        self._spin_seconds = spin_seconds
        self._epoll = select.epoll()
        self.add: Callable[[int, int], None] = self._epoll.register
        self.change: Callable[[int, int], None] = self._epoll.modify
        self.remove: Callable[[int], None] = self._epoll.unregister

    def fileno(self) -> int:
        """Return a descriptor that is readable while anything is ready."""
        return self._epoll.fileno()

    def wait(self, seconds: float | None) -> list[tuple[int, int]]:
        """Return (descriptor, events) of each that is ready, after at most `seconds` (None: without a limit)."""
        if self._spin_seconds and (seconds is None or seconds > self._spin_seconds):
            ready = spin(self._epoll.poll, self._spin_seconds)
            if ready:
                return ready
        return self._epoll.poll(seconds)

    def close(self) -> None:
        """Close the epoll descriptor."""
        self._epoll.close()


class SpinningSelector(selectors.EpollSelector):
    """A selector for an asyncio loop, which spins before it sleeps."""

    def __init__(self, spin_seconds: float) -> None:
        super().__init__()
        self._spin_seconds = spin_seconds

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready, after at most `timeout` seconds (None: without a limit)."""
        if timeout is None or timeout > self._spin_seconds:
            ready = spin(super().select, self._spin_seconds)
            if ready:
                return ready
        return super().select(timeout)
