"""Sockets that another worker owns: what actors here write to them, and how one comes here.

A foreign write goes through the service to the owner's worker, which is the only sequencer of a socket's output. While
an actor here claims a socket, what is written to it waits for the outcome: sent on, it could overtake what comes after.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from skypy.core.errors import SocketClosed
from skypy.core.messages import CLAIM, DRAIN, SEND, Message
from skypy.core.output_queue import OutputQueue
from skypy.worker.waiter import Waiter

if TYPE_CHECKING:
    from skypy.worker.actor import Actor

_REMEMBERED: Final = 65536
"""Ids known to be gone; for older ones the service is asked again."""


class Claim:
    """Actors of this worker want to own a socket."""

    __slots__ = ("actor", "asked", "corked", "waiters")

    def __init__(self, actor: Actor) -> None:
        self.actor = actor
        self.asked = False
        self.corked = OutputQueue()
        self.waiters: list[Waiter[None]] = []


class Reminder:
    """Stands among those who wait for a socket to be drained, for one who waits in another worker."""

    __slots__ = ("_emit", "_message")

    def __init__(self, emit: Callable[[Message], None], message: Message) -> None:
        self._emit = emit
        self._message = message

    def done(self) -> bool:
        """It is told once."""
        return False

    def set_result(self, value: None) -> None:
        """Tell it."""
        del value
        self._emit(self._message)


class ForeignSockets:
    """What this worker has to do with sockets that it does not own."""

    def __init__(self, emit: Callable[[Message], None], loop: asyncio.AbstractEventLoop) -> None:
        self._emit = emit
        self._loop = loop
        self._corked: dict[int, OutputQueue] = {}
        self._claims: dict[int, Claim] = {}
        self._gone: dict[int, None] = {}
        self._drains: dict[int, tuple[int, Waiter[None]]] = {}
        self._requests = itertools.count(1)

    # -- writing --

    def write(self, id_: int, data: bytes, priority: int) -> bool:
        """Send a message at the end of the turn; False when the socket is known to be gone."""
        if id_ in self._gone:
            return False
        claim = self._claims.get(id_)
        if claim is not None:
            claim.corked.append(data, priority)
        elif data:
            self._corked.setdefault(id_, OutputQueue()).append(data, priority)
        return True

    @property
    def dirty(self) -> bool:
        """Whether something waits for the end of the turn."""
        return bool(self._corked)

    def flush(self) -> None:
        """The end of a turn."""
        corked, self._corked = self._corked, {}
        for id_, queue in corked.items():
            self._emit((SEND, id_, queue.take()))

    async def drain(self, id_: int) -> None:
        """Wait until the owner has got rid of what was sent before. Raises SocketClosed when it is lost."""
        if id_ in self._gone:
            raise _closed(id_)
        self.flush()
        request = next(self._requests)
        waiter: Waiter[None] = Waiter(self._loop)
        self._drains[request] = (id_, waiter)
        self._emit((DRAIN, id_, request))
        try:
            await waiter
        finally:
            self._drains.pop(request, None)

    def drain_done(self, request: int) -> None:
        """DRAIN_DONE."""
        known = self._drains.pop(request, None)
        if known is not None and not known[1].done():
            known[1].set_result(None)

    # -- claiming --

    async def claim(self, id_: int, actor: Actor, *, yielded: bool) -> None:
        """Wait until this worker owns the socket. Raises SocketClosed when it is closed or unknown.

        `yielded`: this worker has just given it away and still holds the old duplicate: it asks when that is forgotten.
        """
        if id_ in self._gone:
            raise _closed(id_)
        claim = self._claims.get(id_)
        if claim is None:
            self.flush()  # what was written before goes before
            claim = self._claims[id_] = Claim(actor)
            if not yielded:
                self._ask(id_, claim)
        waiter: Waiter[None] = Waiter(self._loop)
        claim.waiters.append(waiter)
        await waiter

    def forgotten(self, id_: int) -> None:
        """The old duplicate of a socket that was yielded is gone: it may be claimed back."""
        claim = self._claims.get(id_)
        if claim is not None and not claim.asked:
            self._ask(id_, claim)

    def _ask(self, id_: int, claim: Claim) -> None:
        claim.asked = True
        self._emit((CLAIM, id_))

    def take_claim(self, id_: int) -> Claim | None:
        """OWN: what was waiting for it."""
        return self._claims.pop(id_, None)

    # -- ends --

    def gone(self, id_: int) -> None:
        """GONE, REFUSED, or closed here: nothing can be written to it from now on, and nobody here gets it."""
        self._gone[id_] = None
        if len(self._gone) > _REMEMBERED:
            del self._gone[next(iter(self._gone))]
        claim = self._claims.pop(id_, None)
        waiting: list[Waiter[Any]] = claim.waiters if claim is not None else []
        waiting += [waiter for drained, waiter in self._drains.values() if drained == id_]
        for waiter in waiting:
            if not waiter.done():
                waiter.set_exception(_closed(id_))


def _closed(id_: int) -> SocketClosed:
    return SocketClosed(f"socket {id_} is closed or was never open")
