"""The messages that wait in a worker, in another order than they came: any that breaks no promise.

What one actor says to another arrives in its order. Whose message comes first of several senders', and which of several
receivers is told first, nobody promises: on different workers it is as the processes happen to run.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from skypy.core.address import Address
from skypy.worker.actors.actor import Request
from skypy.worker.messages.from_bus import FromBus
from skypy.worker.messages.replies import Replies

Waiting = tuple[Callable[[Any], None], Any]
Route = tuple[Address, Address]
"""From whom to whom."""

_ANSWERS: Final = (Replies.deliver, Replies.deliver_error)
_OVERTAKE: Final = 0.3
"""How often the message that has waited longest is not the next one."""
_WINDOW: Final = 16
"""Messages that are looked at: who is overtaken by so many has had bad luck enough."""


class SeededQueue(deque[Waiting]):
    """What waits for the scheduler of a worker in memory."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self._chance = chance

    def popleft(self) -> Waiting:
        """The next one."""
        if len(self) > 1 and self._chance.random() < _OVERTAKE:
            place = self._chance.choice(self._places())
            self.rotate(-place)
            chosen = super().popleft()
            self.rotate(place)
            return chosen
        return super().popleft()

    def _places(self) -> list[int]:
        """Where messages are that may be the next: the first of each sender to each receiver."""
        places: list[int] = []
        seen: set[Route] = set()
        for place in range(min(len(self), _WINDOW)):
            route = route_of(*self[place])
            if route is None:
                break
            if route not in seen:
                places.append(place)
                seen.add(route)
        return places or [0]


def route_of(handle: Callable[[Any], None], message: Any) -> Route | None:
    """From whom to whom a message goes. None for what is no message: everything before it comes before it."""
    function = getattr(handle, "__func__", handle)
    if isinstance(message, Request):
        assert message.actor is not None
        return message.source, message.actor.address
    if function in _ANSWERS:
        request, _ = message
        return request.actor.address, request.source
    if function is FromBus.handle_message:
        _, target, source, *_ = message
        return source, target
    return None
