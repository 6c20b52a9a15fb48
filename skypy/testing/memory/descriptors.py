"""Descriptors in memory: which description each stands for, which process holds it, and readiness.

A descriptor is a number that stands for an open description, which lives as long as any number stands for it.
Readiness follows the description, not the number, as epoll's does.
"""

from __future__ import annotations

import errno
import itertools
import os
import random
import signal
from collections.abc import Callable
from typing import Final

from skypy.system.poller import HANG_UP, READABLE, Poller
from skypy.testing.memory.process import VirtualProcess, current_process

FIRST_DESCRIPTOR: Final = 1 << 20
"""The smallest descriptor in memory; no real one is so large."""
_NOTICED: Final = 0.85
"""The probability that a poller finds a ready descriptor at once, when it has found another before."""
_table: Final[dict[int, tuple[Description, VirtualProcess | None]]] = {}
"""Every open descriptor in memory. There is one table, as in a real kernel, so no two systems share a number."""
_numbers: Final = itertools.count(FIRST_DESCRIPTOR)


class Description:
    """An open description: a socket, a poller, a process handle."""

    def __init__(self) -> None:
        self.references = 0
        self._watchers: dict[tuple[Readiness, int], None] = {}

    def events(self) -> int:
        """Return the events for which it is ready, as epoll's flags."""
        return 0

    def released(self) -> None:
        """Act on the close of the last descriptor."""

    def changed(self) -> None:
        """Tell the watchers that its readiness may have changed."""
        for watcher, descriptor in list(self._watchers):
            watcher.touched(descriptor)

    def watch(self, watcher: Readiness, descriptor: int) -> None:
        """Tell `watcher` of changes, under the number by which it knows the description."""
        self._watchers[watcher, descriptor] = None

    def unwatch(self, watcher: Readiness, descriptor: int) -> None:
        """Tell `watcher` no more of changes."""
        self._watchers.pop((watcher, descriptor), None)

    def drop_watchers(self) -> None:
        """Tell the watchers that it is gone."""
        for watcher, descriptor in list(self._watchers):
            watcher.gone(descriptor)
        self._watchers.clear()


class Readiness:
    """epoll in memory, level-triggered."""

    def __init__(self) -> None:
        self._interest: dict[int, tuple[Description, int]] = {}
        self._touched: dict[int, None] = {}
        self.wake: Callable[[], None] | None = None
        """The function that is called when something may have become ready."""

    def add(self, descriptor: int, events: int) -> None:
        """Watch a descriptor. Raises OSError if it is not open or is watched already."""
        if descriptor in self._interest:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        description = description_of(descriptor)
        self._interest[descriptor] = (description, events)
        description.watch(self, descriptor)
        self.touched(descriptor)

    def change(self, descriptor: int, events: int) -> None:
        """Watch for other events. Raises FileNotFoundError if the descriptor is not watched."""
        description, _ = self._known(descriptor)
        self._interest[descriptor] = (description, events)
        self.touched(descriptor)

    def remove(self, descriptor: int) -> None:
        """Stop watching a descriptor. Raises FileNotFoundError if it is not watched."""
        description, _ = self._known(descriptor)
        description.unwatch(self, descriptor)
        self.gone(descriptor)

    def ready(self) -> list[tuple[int, int]]:
        """Return (descriptor, events) for everything that is ready."""
        found = []
        for descriptor in list(self._touched):
            description, interest = self._interest[descriptor]
            events = description.events() & (interest | HANG_UP)
            if events:
                found.append((descriptor, events))
            else:
                del self._touched[descriptor]
        return found

    def touched(self, descriptor: int) -> None:
        """Look at a descriptor again when the next `ready` asks."""
        self._touched[descriptor] = None
        if self.wake is not None:
            self.wake()

    def gone(self, descriptor: int) -> None:
        """Drop a descriptor, without asking its description."""
        self._interest.pop(descriptor, None)
        self._touched.pop(descriptor, None)

    def clear(self) -> None:
        """Stop watching everything."""
        for descriptor in list(self._interest):
            self.remove(descriptor)

    def _known(self, descriptor: int) -> tuple[Description, int]:
        known = self._interest.get(descriptor)
        if known is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return known


class MemoryPoller(Poller, Description):
    """The poller of a process in memory: itself a descriptor, as epoll is."""

    def __init__(self, chance: random.Random) -> None:
        Description.__init__(self)
        self._chance = chance
        self._descriptor = install(self)
        self.readiness = Readiness()
        self.readiness.wake = self.changed
        self.add = self.readiness.add
        self.change = self.readiness.change
        self.remove = self.readiness.remove

    def fileno(self) -> int:
        """Return its own descriptor."""
        return self._descriptor

    def events(self) -> int:
        """Return READABLE while anything is ready."""
        return READABLE if self.readiness.ready() else 0

    def released(self) -> None:
        """Stop watching everything."""
        self.readiness.clear()

    def wait(self, seconds: float | None) -> list[tuple[int, int]]:
        """Return (descriptor, events) of descriptors that are ready now, in any order, without waiting.

        Some may be left for a later call, as if they had become ready later.
        """
        del seconds
        ready = self.readiness.ready()
        self._chance.shuffle(ready)
        return [one for position, one in enumerate(ready) if not position or self._chance.random() < _NOTICED]

    def close(self) -> None:
        """Close its descriptor."""
        close(self._descriptor)


def install(description: Description, process: VirtualProcess | None = None) -> int:
    """Return a new descriptor for a description, in a process (None: the current one)."""
    descriptor = next(_numbers)
    description.references += 1
    _table[descriptor] = (description, process or current_process())
    return descriptor


def description_of(descriptor: int) -> Description:
    """Return the description of a descriptor. Raises OSError if it is not open."""
    known = _table.get(descriptor)
    if known is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return known[0]


def close(descriptor: int) -> None:
    """Close a descriptor. Raises OSError if it is not open."""
    description = description_of(descriptor)
    del _table[descriptor]
    description.references -= 1
    if not description.references:
        description.drop_watchers()
        description.released()


def descriptors_of(process: VirtualProcess) -> list[int]:
    """Return the open descriptors of a process."""
    return [descriptor for descriptor, (_, holder) in _table.items() if holder is process]


def open_descriptors() -> set[int]:
    """Return the open descriptors of all processes."""
    return set(_table)


def replace(descriptor: int, description: Description) -> None:
    """Make a descriptor stand for another description, as for a socket that begins to listen."""
    before, holder = _table[descriptor]
    before.references -= 1
    description.references += 1
    _table[descriptor] = (description, holder)


class SharedNumbers(Description):
    """Memory that processes share."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.numbers = [0] * count


class ProcessHandle(Description):
    """A pidfd."""

    def __init__(self, kill: Callable[[], None], process: VirtualProcess) -> None:
        super().__init__()
        self._kill = kill
        self._process = process

    def signal(self, signal_number: int) -> None:
        """Send a signal; SIGKILL is the only one that does anything. Raises OSError if the process has ended."""
        if not self._process.alive:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        if signal_number == signal.SIGKILL:
            self._kill()
