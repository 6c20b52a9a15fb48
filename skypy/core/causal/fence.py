"""A worker's side of the order of foreign writes: a message of another worker waits for the writes that came before it.

A write to a socket of another worker goes through the socket service; a message to an actor takes the shorter way over
the bus and may overtake it. So the socket service counts the foreign writes, those of each worker and all together
(the *total*), and what it passes on carries both counts. A worker's batches to other workers carry a *stamp*: how many
foreign writes it has made, and the highest total that it has heard of. The receiver of a batch handles it when it knows
that the socket service has passed on so many writes of the sender, and when its own socket lane has come to that total:
every write that may be a cause of the batch has then been given to its owner, or has come here. Where the receiver does
not know it asks the socket service (FENCE); the answer comes behind everything that the socket service has said before.
Only batches of that one worker wait meanwhile, and only for the socket service, which no actor can hold up.

Two counts are needed. The first alone would not do: B, which has heard of a write of A, may tell C, and B's own count
says nothing of that write. The total alone would not do either: the writes of A may still be on their way to the socket
service.

The stamp has a third count, of the changes of names. It holds up no batch: a worker that looks for a name reads its
lane to the node until it has come to that change (`skypy.worker.services.directory`).

Messages by way of the node (names, new services) have no stamp of their own, as the node would have to keep one for
each worker. Their sender waits for its own fence instead, and tells the node the total. A receiver that has not come to
that total is *behind*, and until it has caught up it writes to no socket directly: its writes go through the socket
service, where those that came before have arrived for certain.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

BEHIND: Final = 0
"""No socket has this id."""


class _Wait(NamedTuple):
    process_number: int
    made: int
    total: int
    met: Callable[[], None]


class Fence:
    """The counts of one worker, and what waits for those of others."""

    __slots__ = (
        "_ask",
        "_passed",
        "_waits",
        "caught_up",
        "flush",
        "known",
        "left",
        "made",
        "names",
        "own",
        "own_passed",
        "pass_now",
        "returning",
        "total",
    )

    def __init__(self, own: int) -> None:
        """Begin with no writes. `own` is the process number of this worker."""
        self.own = own
        self.made = 0
        """The foreign writes that actors of this worker have made, also those that wait for the end of the turn."""
        self.left = 0
        """Of these, those that have left for the socket service."""
        self.total = 0
        """The highest total that this worker's socket lane has come to."""
        self.known = 0
        """The highest total that this worker knows of: that one, or a higher one of which the node has told."""
        self.names = 0
        """The number of the last change of names of which this worker has heard, from the node or another worker."""
        self.own_passed = 0
        """The writes of this worker that have passed the socket service for certain."""
        self.returning: dict[int, int] = {}
        """The writes of this worker that come back to it, by socket, as it owns the socket or takes it over.

        While the worker is behind there is an entry for BEHIND as well: so each write to a socket asks one question, if
        this is empty.
        """
        self.flush: Callable[[], object] = _nothing
        """Send the foreign writes of this turn now."""
        self.caught_up: Callable[[], object] = _nothing
        """Called when the worker is no longer behind."""
        self.pass_now: Callable[[], int] = lambda: self.total
        """Wait, with everything else in this worker, until its writes have passed. Returns the total then."""
        self._ask: Callable[[int, int], object] = _nothing
        self._passed: dict[int, int] = {}  # by process number
        self._waits: list[_Wait] = []

    def begin(
        self,
        ask: Callable[[int, int], object],
        flush: Callable[[], object],
        pass_now: Callable[[], int],
        caught_up: Callable[[], object],
    ) -> None:
        """Work with a socket lane: `ask(process_number, count)` sends FENCE; see the attributes for the others."""
        self._ask = ask
        self.flush = flush
        self.pass_now = pass_now
        self.caught_up = caught_up

    @property
    def own_has_passed(self) -> bool:
        """True if every write of this worker has passed the socket service for certain."""
        return self.own_passed >= self.made

    @property
    def behind(self) -> bool:
        """True if a message by way of the node has told of a higher total than this worker has heard of."""
        return BEHIND in self.returning

    def is_met(self, process_number: int, made: int, total: int) -> bool:
        """Return True if a batch with this stamp may be handled now."""
        return self.total >= total and self._passed.get(process_number, 0) >= made

    def wait(self, process_number: int, made: int, total: int, met: Callable[[], None]) -> None:
        """Ask the socket service, and call `met` once the stamp is met."""
        self._waits.append(_Wait(process_number, made, total, met))
        self._ask(process_number, made)

    def require(self, total: int) -> None:
        """Note a total that a message by way of the node tells of."""
        if total > self.known:
            self.known = total
            self.returning[BEHIND] = 1
            self.wait(self.own, 0, total, self._catch_up)

    def reached(self, process_number: int, passed: int, total: int) -> None:
        """Note what a report of the socket service carries: `passed` writes of a worker, and the total."""
        if passed > self._passed.get(process_number, 0):
            self._passed[process_number] = passed
            if process_number == self.own:
                self.own_passed = passed
        if total > self.total:
            self.total = total
            if total > self.known:
                self.known = total
        if self._waits:
            waits, self._waits = self._waits, []
            for wait in waits:
                if self.is_met(wait.process_number, wait.made, wait.total):
                    wait.met()
                else:
                    self._waits.append(wait)

    def _catch_up(self) -> None:
        if self.behind and self.total >= self.known:
            del self.returning[BEHIND]
            self.caught_up()


class Gate:
    """The batches of one other worker, as far as they have to wait."""

    __slots__ = ("_fence", "_number", "_open", "held")

    def __init__(self, fence: Fence, process_number: int, release: Callable[[Any], None]) -> None:
        """`release(batch)` is given each batch that had to wait, in the order in which they came."""
        self._fence = fence
        self._number = process_number
        self._open = release
        self.held: deque[tuple[int, int, Any]] = deque()
        """The batches that wait, each with its stamp."""

    def admit(self, made: int, total: int, batch: Any) -> bool:
        """Return True if a batch with this stamp (zeros: none) may be handled now; else it waits here."""
        if not self.held:
            if not (made or total) or self._fence.is_met(self._number, made, total):
                return True
            self._fence.wait(self._number, made, total, self._release)
        self.held.append((made, total, batch))
        return False

    def _release(self) -> None:
        held, fence = self.held, self._fence
        while held:
            made, total, batch = held[0]
            if not fence.is_met(self._number, made, total):
                fence.wait(self._number, made, total, self._release)
                return
            held.popleft()
            self._open(batch)


def _nothing(*_: object) -> None:
    """Do nothing: there is no socket lane yet."""
