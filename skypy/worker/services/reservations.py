"""Where services go that actors of this worker start: the node has a place for each, often for several in advance.

A service whose place is in another worker is asked of that worker itself, by a request like any other, to the address
with index 0, which no actor has.
"""

from __future__ import annotations

import contextvars
from collections import deque
from types import ModuleType
from typing import TYPE_CHECKING, Final

from skypy.core.address import INDEX_BITS, Address
from skypy.core.wire.control_lane import RESERVE
from skypy.worker.actors.actor import Actor

if TYPE_CHECKING:
    from skypy.worker.worker import Worker

LAUNCH: Final = "launch"  # name, packed arguments, process number of the worker that asks: address


def launcher_of(process_number: int) -> Address:
    """Who starts services in a worker on behalf of others."""
    return process_number << INDEX_BITS


class Places:
    """The places that this worker has, and the launcher of those that others have here."""

    def __init__(self, worker: Worker, process_number: int) -> None:
        self._worker = worker
        self._places: deque[int] = deque()
        self.launcher = Actor(launcher_of(process_number), worker, ModuleType(LAUNCH), contextvars.copy_context())
        self.launcher.commands[LAUNCH] = worker.launch

    async def take(self) -> int:
        """The process number of the worker where the next service goes."""
        while not self._places:
            self._places += await self._worker.node_link.ask(RESERVE)
        return self._places.popleft()

    def process_died(self, number: int) -> None:
        """Nothing can be started there any more."""
        self._places = deque(place for place in self._places if place != number)
