"""The workers where the next services of this worker start: the node makes one reservation, or several in advance."""

from __future__ import annotations

from collections import deque

from skypy.core.wire.control_lane import RESERVE
from skypy.worker.node_link import NodeLink


class Reservations:
    """The reservations that this worker has and has not used yet."""

    def __init__(self, node_link: NodeLink) -> None:
        self._node_link = node_link
        self._process_numbers: deque[int] = deque()
        self._here: int | None = None

    async def take(self) -> int:
        """Return the process number of the worker where the next service starts."""
        if self._here is not None:
            return self._here
        while not self._process_numbers:
            self._process_numbers += await self._node_link.ask(RESERVE)
        return self._process_numbers.popleft()

    def process_died(self, process_number: int) -> None:
        """Drop the reservations in a worker that has died."""
        self._process_numbers = deque(number for number in self._process_numbers if number != process_number)

    def stay(self, process_number: int) -> None:
        """Start every further service in this worker: the node stops, and the others may be gone before it."""
        self._here = process_number
