"""epoll, level-triggered, and waiting without sleeping: the only file that names epoll."""

from __future__ import annotations

import os
import select
import selectors
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from skypy.core.timing.spinning import AdaptiveSpin, Spin, SpinSetting, SteadySpin
from skypy.system.cores import available_cores, cores_of_machine, running_threads

READABLE: Final = select.EPOLLIN
WRITABLE: Final = select.EPOLLOUT
PEER_FINISHED: Final = select.EPOLLRDHUP
"""The end of input has arrived, even if data before it has not been read."""
HANG_UP: Final = select.EPOLLHUP | select.EPOLLERR
"""Always watched, whatever the interest: it cannot be masked."""

_HELD_UP_SECONDS: Final = 0.0002
"""A look that ends this much after its window was held up: one poll takes a microsecond."""
_NO_WAIT_SECONDS: Final = 0.00002
"""Input that comes sooner was there already: to ask for it and to unpack it takes a few microseconds."""
_ONE_CORE: Final = 1.0

T = TypeVar("T")


def new_spin(setting: SpinSetting) -> Spin | None:
    """Return the way to spin that the config asks for; None: sleep at once, always.

    On a single core, or with the quota of one, the process that is to answer could not run meanwhile.
    """
    if setting == "auto":
        return AdaptiveSpin(running_threads, cores_of_machine()) if available_cores() > _ONE_CORE else None
    return SteadySpin(setting / 1e6) if setting else None


class SpinningWait(Generic[T]):
    """A wait for readiness that looks again and again before it sleeps.

    Between two looks it gives way to any process that wants its core: without that a process that has an answer to give
    could wait for milliseconds behind one that only looks for it. Where the core comes back soon nothing is lost; where
    it does not, the look was held up, and the spinning pauses.
    """

    __slots__ = ("_busy", "_give_way", "_now", "_poll", "_spin")

    def __init__(
        self,
        poll: Callable[[float | None], list[T]],
        spin: Spin,
        now: Callable[[], float] = time.monotonic,
        give_way: Callable[[], None] = os.sched_yield,
    ) -> None:
        """`poll(seconds)` returns what is ready, after at most so many seconds (None: without a limit)."""
        self._poll = poll
        self._spin = spin
        self._now = now
        self._give_way = give_way
        self._busy = False  # input was there at once: the next may be there as well

    def __call__(self, timeout: float | None = None) -> list[T]:
        """Return what is ready, after at most `timeout` seconds (None: without a limit)."""
        if timeout is not None and timeout <= 0:
            return self._poll(0)
        if self._busy:
            ready = self._poll(0)
            if ready:
                return ready  # there was no wait: nothing to decide, and nothing to learn
        began = self._now()
        window = self._spin.window(began)
        if window and (timeout is None or timeout > window):
            ready, now = self._look_until(began + window)
            if ready:
                self._ended(now - began)
                return ready
            if timeout is not None:
                timeout = max(0.0, timeout - (now - began))
        ready = self._poll(timeout)
        self._ended(self._now() - began)
        return ready

    def _ended(self, waited_seconds: float) -> None:
        self._busy = waited_seconds < _NO_WAIT_SECONDS
        self._spin.waited(waited_seconds)

    def _look_until(self, until: float) -> tuple[list[T], float]:
        """Look until something is ready or the time has come; return what is ready, and the time."""
        while True:
            ready = self._poll(0)
            now = self._now()
            if ready or now >= until:
                break
            self._give_way()
        if now > until + _HELD_UP_SECONDS:
            self._spin.held_up(now)
        return ready, now


class Poller:
    """The descriptors that the socket service watches.

    epoll follows the open description, not the number: a descriptor must be removed before it is closed, because a
    duplicate in another process would keep its registration alive under a number that is soon another socket's.
    """

    def __init__(self, spin: Spin | None = None) -> None:
        """Watch nothing yet; `wait` sleeps at once if `spin` is None."""
        self._epoll = select.epoll()
        self.add: Callable[[int, int], None] = self._epoll.register
        self.change: Callable[[int, int], None] = self._epoll.modify
        self.remove: Callable[[int], None] = self._epoll.unregister
        poll: Callable[[float | None], list[tuple[int, int]]] = self._epoll.poll
        self._wait = poll if spin is None else SpinningWait(poll, spin)

    def fileno(self) -> int:
        """Return a descriptor that is readable while anything is ready."""
        return self._epoll.fileno()

    def wait(self, seconds: float | None) -> list[tuple[int, int]]:
        """Return (descriptor, events) of each that is ready, after at most `seconds` (None: without a limit)."""
        return self._wait(seconds)

    def close(self) -> None:
        """Close the epoll descriptor."""
        self._epoll.close()

    def abandon(self) -> None:
        """Close this process's copy in a forked child: the registrations are the parent's, and nothing changes them."""
        self._epoll.close()
        self.add = self.change = self.remove = _ignore


def _ignore(descriptor: int, interest: int = 0) -> None:
    """Change nothing."""


class SpinningSelector(selectors.EpollSelector):
    """A selector for an asyncio loop, which may spin before it sleeps."""

    def __init__(self, spin: Spin) -> None:
        super().__init__()
        # A method that passed the call on would be paid for in each turn of the loop.
        self.select = SpinningWait(super().select, spin)  # type: ignore[method-assign]


def new_selector(setting: SpinSetting) -> selectors.BaseSelector:
    """Return a selector for an asyncio loop that spins as the config asks."""
    spin = new_spin(setting)
    return selectors.EpollSelector() if spin is None else SpinningSelector(spin)
