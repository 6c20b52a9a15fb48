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
        self._gone: set[int] = set()
        """The workers that start nothing any more. A number is never given out again."""

    async def take(self) -> int:
        """Return the process number of the worker where the next service starts."""
        while self._here is None:
            while self._process_numbers:
                process_number = self._process_numbers.popleft()
                if process_number not in self._gone:
                    return process_number
            # Not `+=`, which would take the queue before the wait. Workers may die between the answer and its use here.
            self._process_numbers.extend(await self._node_link.ask(RESERVE))
        return self._here

    def drop(self, process_number: int) -> None:
        """Use no reservation any more in a worker that has died, or has given out all its addresses."""
        self._gone.add(process_number)

    def stay(self, process_number: int) -> None:
        """Start every further service in this worker: the node stops, and the others may be gone before it."""
        self._here = process_number
