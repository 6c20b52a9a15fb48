"""Sockets that another worker owns: writing to them, ending them, and taking them over.

A foreign write goes through the socket service to the owner's worker, which is the only sequencer of a socket's output.
That holds while this worker takes a socket over, too. So when the socket has come, messages of this worker may still be
under way to it: they come back, and until then all others go the same way, behind them (`returning`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from skypy.core.causal.fence import Fence
from skypy.core.causal.foreign_output import ForeignOutput
from skypy.core.errors import SocketClosed
from skypy.core.waiting import Waiting
from skypy.core.wire.socket_lane import DRAIN, TAKE_OVER, Message

W = TypeVar("W", bound=Waiting)

LAST_ID: Final = (1 << 63) - 1
"""No socket has a higher id, and no message carries one that is much higher."""
_REMEMBERED: Final = 65536
"""Ids that are remembered as gone; for older ones the socket service is asked again."""


class TakeOver(Generic[W]):
    """A socket on its way to this worker, and the actors that want it."""

    __slots__ = ("asked", "takers")

    def __init__(self) -> None:
        self.asked = False
        self.takers: list[W] = []


class ForeignSockets(Generic[W]):
    """The sockets of other workers; `send` puts a message onto the lane to the socket service.

    `alone`: there are no other workers, so a socket that is not here is nowhere.
    """

    def __init__(
        self, send: Callable[[Message], None], wants_flush: Callable[[], None], fence: Fence, *, alone: bool
    ) -> None:
        self._send = send
        self._alone = alone
        self.output = ForeignOutput(send, wants_flush, fence)
        """The messages of this turn."""
        self.flush = self.output.flush
        """Send the messages of this turn."""
        self.returning = fence.returning
        """The writes and ENDs of this worker that come back to it, by the socket that it has or takes over."""
        self._take_overs: dict[int, TakeOver[W]] = {}
        self._gone: dict[int, bool] = {}  # in the order in which they went; True: nothing is left to be ended
        self._drains: dict[int, tuple[int, Waiting]] = {}
        self._tickets = itertools.count(1)

    # -- writing --

    def write(self, id_: int, data: bytes, priority: int) -> bool:
        """Send a message at the end of the turn.

        Return False when the socket is known to take none, or too much is under way to its owner's worker.
        """
        if self._alone or id_ in self._gone or not 0 < id_ <= LAST_ID:
            return False
        if not data:
            return True
        count = self.output.write(id_, data, priority)
        if count == 1 and self._take_overs:
            self._count_return(id_)
        return count >= 0

    def _count_return(self, id_: int) -> None:
        """Note a write or an END that comes back if it is for a socket that was asked for."""
        take_over = self._take_overs.get(id_)
        if take_over is not None and take_over.asked:
            self.returning[id_] = self.returning.get(id_, 0) + 1

    def write_to_own(self, id_: int, data: bytes, priority: int) -> bool:
        """Send a message to a socket that is here, behind others that are under way.

        Return False when one of these finishes the output (an END), or too much is under way.
        """
        if id_ in self._gone:
            return False
        count = self.output.write(id_, data, priority)
        if count == 1:
            self.returning[id_] = self.returning.get(id_, 0) + 1
        return count >= 0

    def returned(self, id_: int, count: int) -> None:
        """Note that so many writes of this worker have come back, or have been written by a former owner."""
        left = self.returning.get(id_, 0) - count
        if left > 0:
            self.returning[id_] = left
        else:
            self.returning.pop(id_, None)

    def drain(self, id_: int, waiter: Waiting) -> int:
        """End the wait once the owner has got rid of the messages sent before. Return the ticket for `end_drain`.

        Raises SocketClosed when the socket takes no output; the waiter gets it when sent messages may be lost.
        """
        if id_ in self._gone or id_ > LAST_ID:
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
        self.output.gone(id_)
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
        """End a socket, or a half of it, behind the messages sent before; `how` as in END.

        It is in causal order with foreign writes, as one of them.
        """
        if self._alone or self.has_ended(id_) or id_ > LAST_ID:
            return
        self.output.end(id_, how)
        self._count_return(id_)
        if how != "r":
            self.gone(id_)
        if how not in ("r", "w"):
            self.ended(id_)

    def has_ended(self, id_: int) -> bool:
        """Return True if it is known that no actor has the socket any more."""
        return self._gone.get(id_, False)

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
        if id_ > LAST_ID:
            taker.set_exception(closed(id_))
            return
        take_over = self._take_overs.get(id_)
        if take_over is None:
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
        self.flush()  # earlier messages go before: they do not come back
        take_over.asked = True
        self._send((TAKE_OVER, id_))

    def handed_over(self, id_: int) -> TakeOver[W] | None:
        """SOCKET_HANDED_OVER: return the takers that were waiting for the socket."""
        self.output.gone(id_)
        return self._take_overs.pop(id_, None)

    def refused(self, id_: int) -> None:
        """SOCKET_REFUSED: no actor here gets the socket."""
        take_over = self._take_overs.pop(id_, None)
        self.returning.pop(id_, None)
        self.gone(id_)
        self.ended(id_)
        for taker in take_over.takers if take_over is not None else ():
            if not taker.done():
                taker.set_exception(closed(id_))


def closed(id_: int) -> SocketClosed:
    """Return the error for a socket that is not there."""
    return SocketClosed(f"socket {id_} is closed or was never open")
