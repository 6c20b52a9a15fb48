"""The messages that wait in a worker, in another order than they came: any order that breaks no promise.

The messages of one actor to another arrive in their order. No order is promised between the messages of several
senders, or between several receivers: on different workers it depends on the pace of the processes.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from skypy.core.address import Address
from skypy.worker.actors.actor import Request

QueueEntry = tuple[Callable[[Any], None], Any]
"""An entry of the scheduler's queue: a function and the message to call it with."""
Route = tuple[Address, Address]
"""The sender of a message and its receiver."""

_OVERTAKE: Final = 0.3
"""The probability that the message that has waited longest is not the next one."""
_WINDOW: Final = 16
"""Messages at the head of the queue from which the next one is chosen."""


class SeededQueue(deque[QueueEntry]):
    """The queue of a scheduler in memory."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    def popleft(self) -> QueueEntry:
        """Remove and return the next entry."""
        if len(self) > 1 and self._chance.random() < _OVERTAKE:
            position = self._chance.choice(self._candidates())
            self.rotate(-position)
            chosen = super().popleft()
            self.rotate(position)
            return chosen
        return super().popleft()

    def _candidates(self) -> list[int]:
        """Return the positions of entries that may be the next: the first of each sender to each receiver."""
        positions: list[int] = []
        seen: set[Route] = set()
        for position in range(min(len(self), _WINDOW)):
            _, message = self[position]
            route = route_of(message)
            if route is None:
                break
            if route not in seen:
                positions.append(position)
                seen.add(route)
        return positions or [0]


def route_of(message: Any) -> Route | None:
    """Return the sender and the receiver of a message that waits in a scheduler's queue.

    A request knows both, an answer comes with its request, and a message of the bus begins with (kind, target,
    source). Anything else is not a message between actors, such as the end of a batch: the result is None, and the
    entries before such an entry stay before it.
    """
    match message:
        case Request(actor=actor):
            assert actor is not None
            return message.source, actor.address
        case (Request() as request, _):
            assert request.actor is not None
            return request.actor.address, request.source
        case (int(), target, source, *_):
            return source, target
    return None
