"""Sockets that another worker owns: writing to them, ending them, and taking them over.

A foreign write goes through the socket service to the owner's worker, which is the only sequencer of a socket's output.
While this worker takes a socket over, messages written to it wait for the outcome: a message that was sent on could
overtake those that are written once the socket is here.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from skypy.core.errors import SocketClosed
from skypy.core.tcp.output_queue import OutputQueue
from skypy.core.waiting import Waiting
from skypy.core.wire.socket_lane import DRAIN, END, SEND, TAKE_OVER, Message

W = TypeVar("W", bound=Waiting)

_REMEMBERED: Final = 65536
"""Ids that are remembered as gone; for older ones the socket service is asked again."""


class TakeOver(Generic[W]):
    """A socket on its way to this worker: the actors that want it, and the messages written to it meanwhile."""

    __slots__ = ("asked", "corked", "takers")

    def __init__(self) -> None:
        self.asked = False
        self.corked = OutputQueue()
        self.takers: list[W] = []


class ForeignSockets(Generic[W]):
    """The sockets of other workers; `send` puts a message onto the lane to the socket service.

    `alone`: there are no other workers, so a socket that is not here is nowhere.
    """

    def __init__(self, send: Callable[[Message], None], *, alone: bool) -> None:
        self._send = send
        self._alone = alone
        self.corked: dict[int, OutputQueue] = {}
        """The messages of this turn, by socket."""
        self._take_overs: dict[int, TakeOver[W]] = {}
        self._gone: dict[int, bool] = {}  # in the order in which they went; True: nothing is left to be ended
        self._drains: dict[int, tuple[int, Waiting]] = {}
        self._tickets = itertools.count(1)

    # -- writing --

    def write(self, id_: int, data: bytes, priority: int) -> bool:
        """Send a message at the end of the turn. Return False when the socket is known to take none."""
        if self._alone or id_ in self._gone:
            return False
        take_over = self._take_overs.get(id_)
        if take_over is not None:
            take_over.corked.append(data, priority)
        elif data:
            self.corked.setdefault(id_, OutputQueue()).append(data, priority)
        return True

    def flush(self) -> None:
        """Send the messages of this turn."""
        corked, self.corked = self.corked, {}
        for id_, queue in corked.items():
            self._send((SEND, id_, queue.take()))

    def drain(self, id_: int, waiter: Waiting) -> int:
        """End the wait once the owner has got rid of the messages sent before. Return the ticket for `end_drain`.

        Raises SocketClosed when the socket takes no output; the waiter gets it when sent messages may be lost.
        """
        if id_ in self._gone:
            raise closed(id_)
        self.flush()
        ticket = next(self._tickets)
        self._drains[ticket] = (id_, waiter)
        self._send((DRAIN, id_, ticket))
        return ticket

    def end_drain(self, ticket: int) -> None:
        """SOCKET_DRAIN_DONE, or the wait was given up: end it."""
        _, waiter = self._drains.pop(ticket, (0, None))
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def gone(self, id_: int) -> None:
        """SOCKET_GONE, or closed here: the socket takes no more output, and the last messages may be lost."""
        self._gone.setdefault(id_, False)
        if len(self._gone) > _REMEMBERED:
            del self._gone[next(iter(self._gone))]
        if not self._drains:
            return
        for ticket in [ticket for ticket, (drained, _) in self._drains.items() if drained == id_]:
            _, waiter = self._drains.pop(ticket)
            if not waiter.done():
                waiter.set_exception(closed(id_))

    # -- ending --

    def end(self, id_: int, how: str) -> None:
        """End a socket, or a half of it, behind the messages sent before; `how` as in END."""
        if self._alone or self._gone.get(id_):
            return
        self.flush()
        self._send((END, id_, how))
        if how != "r":
            self.gone(id_)
        if how not in ("r", "w"):
            self.ended(id_)

    def ended(self, id_: int) -> None:
        """Note that no actor has the socket any more: END would mean nothing."""
        if id_ in self._gone:
            self._gone[id_] = True

    # -- taking over --

    def take_over(self, id_: int, taker: W, *, yielded: bool) -> None:
        """Ask for a socket; the taker's wait ends when it is here, with SocketClosed when it is closed or unknown.

        `yielded`: this worker has just given the socket away and still holds the old descriptor. The socket service
        knows one descriptor for each worker and socket, so it is asked once the old one is forgotten.
        """
        take_over = self._take_overs.get(id_)
        if take_over is None:
            self.flush()  # earlier messages go before
            take_over = self._take_overs[id_] = TakeOver()
            if not yielded:
                self._ask(id_, take_over)
        take_over.takers.append(taker)

    def forgotten(self, id_: int) -> None:
        """Note that the old descriptor of a yielded socket is forgotten: the socket may be asked for again."""
        take_over = self._take_overs.get(id_)
        if take_over is not None and not take_over.asked:
            self._ask(id_, take_over)

    def _ask(self, id_: int, take_over: TakeOver[W]) -> None:
        take_over.asked = True
        self._send((TAKE_OVER, id_))

    def handed_over(self, id_: int) -> TakeOver[W] | None:
        """SOCKET_HANDED_OVER: return the takers and messages that were waiting for the socket."""
        return self._take_overs.pop(id_, None)

    def refused(self, id_: int) -> None:
        """SOCKET_REFUSED: no actor here gets the socket."""
        take_over = self._take_overs.pop(id_, None)
        self.gone(id_)
        self.ended(id_)
        for taker in take_over.takers if take_over is not None else ():
            if not taker.done():
                taker.set_exception(closed(id_))


def closed(id_: int) -> SocketClosed:
    """Return the error for a socket that is not there."""
    return SocketClosed(f"socket {id_} is closed or was never open")
