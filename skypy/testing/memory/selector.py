"""A selector for an event loop that watches descriptors in memory, and real ones beside them."""

from __future__ import annotations

import contextlib
import random
import selectors
from collections.abc import Callable, Mapping
from typing import Any, Final

from skypy.system.poller import READABLE, WRITABLE
from skypy.testing.memory.descriptors import FIRST_DESCRIPTOR, Readiness
from skypy.testing.memory.process import process_of

REAL_WAIT_SECONDS: Final = 0.05
"""The longest that `select` sleeps when something outside of memory may happen."""
_HOLD_BACK: Final = 0.15
"""The probability that a descriptor is found ready later than another."""


class MemorySelector(selectors.BaseSelector):
    """A `Readiness` for descriptors in memory, and a selector of the standard library for real ones."""

    def __init__(self, chance: random.Random) -> None:
        """Make one; its owner sets `everything_waits` and `may_wait_for_real` before the first `select`."""
        self._chance = chance
        self._real = selectors.DefaultSelector()
        self._keys: dict[int, selectors.SelectorKey] = {}
        self._watch = Readiness()
        self.everything_waits: Callable[[float | None], None]
        """The function that is called instead of sleeping, with the seconds that `select` would have slept."""
        self.may_wait_for_real: Callable[[], bool]
        """The function that is called before that; True lets `select` sleep for real."""

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        descriptor = _descriptor_of(fileobj)
        if descriptor < FIRST_DESCRIPTOR:
            return self._real.register(fileobj, events, data)
        if descriptor in self._keys:
            raise KeyError(f"{descriptor} is registered already")
        key = selectors.SelectorKey(fileobj, descriptor, events, data)
        self._watch.add(descriptor, _as_epoll_events(events))
        self._keys[descriptor] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        descriptor = _descriptor_of(fileobj)
        if descriptor < FIRST_DESCRIPTOR:
            return self._real.unregister(fileobj)
        key = self._keys.pop(descriptor)
        with contextlib.suppress(FileNotFoundError):  # it was closed before
            self._watch.remove(descriptor)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        descriptor = _descriptor_of(fileobj)
        if descriptor < FIRST_DESCRIPTOR:
            return self._real.modify(fileobj, events, data)
        self._watch.change(descriptor, _as_epoll_events(events))
        key = self._keys[descriptor] = selectors.SelectorKey(fileobj, descriptor, events, data)
        return key

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        descriptor = _descriptor_of(fileobj)
        return self._real.get_key(fileobj) if descriptor < FIRST_DESCRIPTOR else self._keys[descriptor]

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return {**self._keys, **self._real.get_map()}

    @property
    def watches_real(self) -> bool:
        """True while a library watches real descriptors, besides the loop's own."""
        return len(self._real.get_map()) > 1

    def close(self) -> None:
        self._real.close()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._ready_in_memory() + self._real.select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.may_wait_for_real():
            return self._real.select(REAL_WAIT_SECONDS)
        self.everything_waits(timeout)
        return []

    def _ready_in_memory(self) -> list[tuple[selectors.SelectorKey, int]]:
        found = [(self._keys[descriptor], _as_selector_events(events)) for descriptor, events in self._watch.ready()]
        ready = [(key, events & key.events) for key, events in found if events & key.events and not _suspended(key)]
        if len(ready) > 1:
            self._chance.shuffle(ready)
            first, *others = ready
            ready = [first, *(one for one in others if self._chance.random() >= _HOLD_BACK)]
        return ready


def _descriptor_of(fileobj: Any) -> int:
    descriptor: int = fileobj if isinstance(fileobj, int) else fileobj.fileno()
    return descriptor


def _suspended(key: selectors.SelectorKey) -> bool:
    """Return True if the process that waits for a descriptor is stopped."""
    handle = key.data[0] or key.data[1]
    process = process_of(handle._context)  # noqa: SLF001
    return process is not None and process.suspended


def _as_selector_events(events: int) -> int:
    """Translate epoll's events as `selectors.EpollSelector` does."""
    reads = selectors.EVENT_READ if events & ~WRITABLE else 0
    writes = selectors.EVENT_WRITE if events & ~READABLE else 0
    return reads | writes


def _as_epoll_events(events: int) -> int:
    reads = READABLE if events & selectors.EVENT_READ else 0
    return reads | (WRITABLE if events & selectors.EVENT_WRITE else 0)
