"""The handles of several virtual processes that are ready to run, in an order by the seed."""

from __future__ import annotations

import asyncio
import random
import zlib
from collections import deque
from typing import Any, Final

from skypy.testing.memory.process import VirtualProcess, process_of

_CHANGE_ORDER: Final = (0.2, 0.05, 0.01)
"""Probabilities per iteration that another process becomes the fastest. A seed keeps one of them, as some races need
long delays."""
_ALONE: Final = 0.3
"""The probability that the fastest process is so fast that the others stand still as long as it can run."""
_LONGEST_ALONE: Final = 10
"""Iterations of the loop after which the others run all the same: the fastest process may never come to rest."""


class ReadyQueue:
    """A stand-in for the `_ready` of asyncio's loop.

    Handles of one process run in the order in which they were scheduled. The seed decides which process is the next.
    """

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._change_order = chance.choice(_CHANGE_ORDER)
        self._queues: dict[VirtualProcess | None, deque[asyncio.Handle]] = {}
        self._order: list[VirtualProcess | None] = []
        self.fastest_is_alone = False
        """True while only the fastest process runs."""
        self._iterations_alone = 0
        self._alone: deque[asyncio.Handle] | None = None
        self.suspended: set[VirtualProcess] = set()
        self.fingerprint = 0
        """A checksum of the order in which processes have run so far."""

    def append(self, handle: asyncio.Handle) -> None:
        """Add a handle, unless it belongs to a process that has died."""
        process = process_of(handle._context)  # type: ignore[attr-defined]  # noqa: SLF001
        if process is not None and not process.alive:
            return
        queue = self._queues.get(process)
        if queue is None:
            queue = self._queues[process] = deque()
            self._order.insert(self._chance.randint(0, len(self._order)), process)
        queue.append(handle)

    def begin_iteration(self) -> None:
        """Decide what an iteration of the loop takes: every ready handle, or those of the fastest process."""
        self._alone = None
        self._iterations_alone += self.fastest_is_alone
        too_long = self._iterations_alone > _LONGEST_ALONE
        if len(self._order) > 1 and (too_long or self._chance.random() < self._change_order):
            self._chance.shuffle(self._order)
            self.fastest_is_alone = self._chance.random() < _ALONE
            self._iterations_alone = 0

    def popleft(self) -> Any:
        """Return the handle that runs next.

        asyncio's loop counts the handles first and then takes that many. When fewer are left, because a process has
        died meanwhile or only the fastest one may run, the loop gets a handle that it takes for a cancelled one.
        """
        if self._alone is not None:
            return self._alone.popleft() if self._alone else _CANCELLED
        for process in self._order:
            queue = self._queues[process]
            if queue and (process is None or not process.suspended):
                if process is not None:
                    self.fingerprint = zlib.crc32(process.title.encode(), self.fingerprint)
                if self.fastest_is_alone:
                    self._alone = queue
                return queue.popleft()
        return _CANCELLED

    def drop(self, process: VirtualProcess) -> None:
        """Drop the handles of a process that has died."""
        self.suspended.discard(process)
        if self._queues.pop(process, None) is not None:
            self._order.remove(process)
            self._alone = None

    def clear(self) -> None:
        """Drop every handle."""
        self._queues.clear()
        self._order.clear()

    def __len__(self) -> int:
        return sum(map(len, self._queues.values())) - sum(len(self._queues.get(one, ())) for one in self.suspended)


class _Cancelled:
    """A handle on which asyncio's loop looks at one attribute only."""

    _cancelled = True


_CANCELLED: Final = _Cancelled()
