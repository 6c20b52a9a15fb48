"""Sockets that another worker owns: what actors here write to them, and how one comes here.

A foreign write goes through the service to the owner's worker, which is the only sequencer of a socket's output. While
an actor here claims a socket, what is written to it waits for the outcome: sent on, it could overtake what comes after.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from skypy.core.errors import SocketClosed
from skypy.core.tcp.output_queue import OutputQueue
from skypy.core.waiting import Waiting
from skypy.core.wire.socket_lane import DRAIN, SEND, TAKE_OVER, Message

W = TypeVar("W", bound=Waiting)

_REMEMBERED: Final = 65536
"""Ids that cannot be written to; for older ones the service is asked again."""


class Claim(Generic[W]):
    """Actors of this worker want to own a socket."""

    __slots__ = ("asked", "corked", "waiters")

    def __init__(self) -> None:
        self.asked = False
        self.corked = OutputQueue()
        self.waiters: list[W] = []


class ForeignSockets(Generic[W]):
    """What this worker has to do with sockets that it does not own. `send` says something to the service.

    `alone`: there are no other workers, so a socket that is not here is nowhere.
    """

    def __init__(self, send: Callable[[Message], None], *, alone: bool) -> None:
        self._send = send
        self._alone = alone
        self.corked: dict[int, OutputQueue] = {}
        self._claims: dict[int, Claim[W]] = {}
        self._gone: dict[int, None] = {}  # in the order in which they went
        self._drains: dict[int, tuple[int, Waiting]] = {}
        self._requests = itertools.count(1)

    # -- writing --

    def write(self, id_: int, data: bytes, priority: int) -> bool:
        """Send a message at the end of the turn; False when the socket is known to take none."""
        if self._alone or id_ in self._gone:
            return False
        claim = self._claims.get(id_)
        if claim is not None:
            claim.corked.append(data, priority)
        elif data:
            self.corked.setdefault(id_, OutputQueue()).append(data, priority)
        return True

    def flush(self) -> None:
        """The end of a turn."""
        corked, self.corked = self.corked, {}
        for id_, queue in corked.items():
            self._send((SEND, id_, queue.take()))

    def drain(self, id_: int, waiter: Waiting) -> int:
        """Wait until the owner has got rid of what was sent before; returns what `end_drain` takes.

        Raises SocketClosed when the socket takes no output; the waiter gets it when what was sent may be lost.
        """
        if id_ in self._gone:
            raise closed(id_)
        self.flush()
        request = next(self._requests)
        self._drains[request] = (id_, waiter)
        self._send((DRAIN, id_, request))
        return request

    def end_drain(self, request: int) -> None:
        """SOCKET_DRAIN_DONE, or nobody waits any more."""
        _, waiter = self._drains.pop(request, (0, None))
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def gone(self, id_: int) -> None:
        """SOCKET_GONE, or closed here: it takes no output from now on, and what was sent last may be lost."""
        self._gone[id_] = None
        if len(self._gone) > _REMEMBERED:
            del self._gone[next(iter(self._gone))]
        if not self._drains:
            return
        for request in [request for request, (drained, _) in self._drains.items() if drained == id_]:
            _, waiter = self._drains.pop(request)
            if not waiter.done():
                waiter.set_exception(closed(id_))

    # -- claiming --

    def claim(self, id_: int, waiter: W, *, yielded: bool) -> None:
        """Wait until this worker owns the socket; the waiter gets SocketClosed when it is closed or unknown.

        `yielded`: this worker has just given it away and still holds the old duplicate: it asks when that is forgotten.
        """
        claim = self._claims.get(id_)
        if claim is None:
            self.flush()  # what was written before goes before
            claim = self._claims[id_] = Claim()
            if not yielded:
                self._ask(id_, claim)
        claim.waiters.append(waiter)

    def forgotten(self, id_: int) -> None:
        """The old duplicate of a socket that was yielded is gone: it may be claimed back."""
        claim = self._claims.get(id_)
        if claim is not None and not claim.asked:
            self._ask(id_, claim)

    def _ask(self, id_: int, claim: Claim[W]) -> None:
        claim.asked = True
        self._send((TAKE_OVER, id_))

    def take_claim(self, id_: int) -> Claim[W] | None:
        """SOCKET_HANDED_OVER: who and what was waiting for it."""
        return self._claims.pop(id_, None)

    def refused(self, id_: int) -> None:
        """SOCKET_REFUSED: nobody here gets it."""
        claim = self._claims.pop(id_, None)
        self.gone(id_)
        for waiter in claim.waiters if claim is not None else ():
            if not waiter.done():
                waiter.set_exception(closed(id_))


def closed(id_: int) -> SocketClosed:
    """For who wants something of a socket that is not there."""
    return SocketClosed(f"socket {id_} is closed or was never open")
