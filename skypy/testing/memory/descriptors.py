"""Descriptors in memory: numbers with duplicates, readiness, and which process holds what.

A number stands for an open description, which lives as long as any number stands for it. Readiness follows the
description, not the number, as epoll's does.
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

FIRST_NUMBER: Final = 1 << 20
"""Numbers from here on are in memory; no real descriptor is so large."""
_table: Final[dict[int, tuple[Description, VirtualProcess | None]]] = {}
"""Every number in memory. Like the kernel's own there is one: numbers are given out once, whatever system asks."""
_numbers: Final = itertools.count(FIRST_NUMBER)


class Description:
    """What a number stands for."""

    def __init__(self) -> None:
        self.references = 0
        self._watchers: dict[tuple[Readiness, int], None] = {}

    def events(self) -> int:
        """What it is ready for, as epoll says it."""
        return 0

    def released(self) -> None:
        """The last number was closed."""

    def changed(self) -> None:
        """It may be ready for something else now."""
        for watcher, number in list(self._watchers):
            watcher.touched(number)

    def watch(self, watcher: Readiness, number: int) -> None:
        """`watcher` wants to know."""
        self._watchers[watcher, number] = None

    def unwatch(self, watcher: Readiness, number: int) -> None:
        """It does not any more."""
        self._watchers.pop((watcher, number), None)

    def forget_watchers(self) -> None:
        """It is gone."""
        for watcher, number in list(self._watchers):
            watcher.gone(number)
        self._watchers.clear()


class Readiness:
    """epoll in memory, level-triggered."""

    def __init__(self) -> None:
        self._interest: dict[int, tuple[Description, int]] = {}
        self._touched: dict[int, None] = {}
        self.wake: Callable[[], None] | None = None

    def add(self, number: int, events: int) -> None:
        """Raises OSError for what is no descriptor, or is there already."""
        if number in self._interest:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))
        description = description_of(number)
        self._interest[number] = (description, events)
        description.watch(self, number)
        self.touched(number)

    def change(self, number: int, events: int) -> None:
        """Raises FileNotFoundError for what is not there."""
        description, _ = self._known(number)
        self._interest[number] = (description, events)
        self.touched(number)

    def remove(self, number: int) -> None:
        """Raises FileNotFoundError for what is not there."""
        description, _ = self._known(number)
        description.unwatch(self, number)
        self.gone(number)

    def ready(self) -> list[tuple[int, int]]:
        """(number, events) of what is ready."""
        found = []
        for number in list(self._touched):
            description, interest = self._interest[number]
            events = description.events() & (interest | HANG_UP)
            if events:
                found.append((number, events))
            else:
                del self._touched[number]
        return found

    def touched(self, number: int) -> None:
        """Look at it again."""
        self._touched[number] = None
        if self.wake is not None:
            self.wake()

    def gone(self, number: int) -> None:
        """Its description is gone."""
        self._interest.pop(number, None)
        self._touched.pop(number, None)

    def forget(self) -> None:
        """Watch nothing any more."""
        for number in list(self._interest):
            self.remove(number)

    def _known(self, number: int) -> tuple[Description, int]:
        known = self._interest.get(number)
        if known is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        return known


class MemoryPoller(Poller, Description):
    """What a process watches its sockets with: itself a descriptor, as epoll is."""

    def __init__(self, chance: random.Random) -> None:
        Description.__init__(self)
        self._chance = chance
        self._number = install(self)
        self.readiness = Readiness()
        self.readiness.wake = self.changed
        self.add = self.readiness.add
        self.change = self.readiness.change
        self.remove = self.readiness.remove

    def fileno(self) -> int:
        """Its own number."""
        return self._number

    def events(self) -> int:
        """Readable while anything is ready."""
        return READABLE if self.readiness.ready() else 0

    def released(self) -> None:
        """It watches nothing any more."""
        self.readiness.forget()

    def wait(self, seconds: float | None) -> list[tuple[int, int]]:
        """What is ready now, in any order; some of it may be found ready later."""
        del seconds
        ready = self.readiness.ready()
        self._chance.shuffle(ready)
        return [one for place, one in enumerate(ready) if not place or self._chance.random() < 0.85]

    def close(self) -> None:
        """Closes its descriptor."""
        close(self._number)


def install(description: Description, process: VirtualProcess | None = None) -> int:
    """A new number for a description, in a process (None: the one whose code is running)."""
    number = next(_numbers)
    description.references += 1
    _table[number] = (description, process or current_process())
    return number


def description_of(number: int) -> Description:
    """Raises OSError for what is no descriptor."""
    known = _table.get(number)
    if known is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    return known[0]


def close(number: int) -> None:
    """Give up a number. Raises OSError for what is no descriptor."""
    description = description_of(number)
    del _table[number]
    description.references -= 1
    if not description.references:
        description.forget_watchers()
        description.released()


def numbers_of(process: VirtualProcess) -> list[int]:
    """What a process holds."""
    return [number for number, (_, holder) in _table.items() if holder is process]


def all_numbers() -> set[int]:
    """Everything that is open."""
    return set(_table)


def replace(number: int, description: Description) -> None:
    """A number stands for something else: a socket that begins to listen."""
    before, holder = _table[number]
    before.references -= 1
    description.references += 1
    _table[number] = (description, holder)


class ProcessHandle(Description):
    """A pidfd."""

    def __init__(self, kill: Callable[[], None], process: VirtualProcess) -> None:
        super().__init__()
        self._kill = kill
        self._process = process

    def signal(self, number: int) -> None:
        """Raises OSError when the process has ended."""
        if not self._process.alive:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        if number == signal.SIGKILL:
            self._kill()
