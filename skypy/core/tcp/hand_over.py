"""Other workers at a connection: how the connection goes from one worker to another, and output of workers without it.

A worker that wants the connection sends TAKE_OVER. The owner's worker is recalled (SOCKET_RECALL) and answers with
YIELD, its last word, which brings its unread input and the position of its output. The taker then gets everything with
SOCKET_HANDED_OVER. Requests of the owner may cross the recall. CLOSE, ABORT and BREAK end the connection for everybody,
so they are an answer as well: the takers are refused. SHUTDOWN of one half is no answer: it is postponed until YIELD
has come, because YIELD carries what the former owner has not read.
"""

from __future__ import annotations

from collections.abc import Sequence

from skypy.core.tcp.state import ACCEPTING, OWNED, State
from skypy.core.tcp.worker_port import NOBODY, WorkerPort
from skypy.core.wire.socket_lane import (
    SOCKET_DRAIN_BY,
    SOCKET_DRAIN_DONE,
    SOCKET_FORGET,
    SOCKET_GONE,
    SOCKET_RECALL,
    SOCKET_REFUSED,
)


class HandOver:
    """The other workers at one connection; it is made when the first of them appears.

    It has two states: settled, and `recalled`, from SOCKET_RECALL to the answer. They are no states of the table, as
    any state with an owner can be recalled and none of its rows changes by that: the inputs wait (`postponed`, and a
    queue that was flushed) instead of meaning something else.
    """

    __slots__ = (
        "_drains",
        "_held",
        "_id",
        "_postponed",
        "_previous",
        "_sent_since",
        "_takers",
        "_writers",
        "dropped",
        "recalled",
    )

    def __init__(self, id: int) -> None:  # noqa: A002
        self._id = id
        self.recalled = False
        """True from SOCKET_RECALL to YIELD: no worker has the connection for sure. Nothing is read, no half ends."""
        self._takers: tuple[WorkerPort, ...] = ()  # want to own it, in the order of their asking
        self._postponed = ""  # halves that the owner has finished before it saw SOCKET_RECALL
        self._previous: WorkerPort | None = None  # yielded, and is told SOCKET_FORGET when the taker has shown itself
        self._writers: tuple[WorkerPort, ...] = ()  # sent output, and are told SOCKET_GONE if it cannot go
        self._held: list[tuple[int, bytes]] = []  # such output that came during the recall
        self._sent_since: dict[WorkerPort, int] = {}  # writes of the takers since they have asked
        self.dropped = 0
        """The messages that waited for a new owner when the connection ended."""
        self._drains: tuple[tuple[WorkerPort, int], ...] = ()  # DRAINs that the owner has not answered, with tickets

    def accepts(self, state: State) -> bool:
        """Return True if output is still taken in a state: a half that was finished during the recall takes none."""
        return state in ACCEPTING and "w" not in self._postponed

    # -- taking over --

    def add_taker(self, taker: WorkerPort, owner: WorkerPort) -> None:
        """Let a worker stand in line for the connection, and recall the owner's worker for it."""
        self._takers += (taker,)
        self.recall(owner)

    def recall(self, owner: WorkerPort) -> None:
        """Ask the owner's worker to yield, if a taker waits and this was not asked yet."""
        if self._takers and not self.recalled:
            self.recalled = True
            owner.send((SOCKET_RECALL, self._id))

    def postpone(self, how: str, state: State) -> None:
        """Keep the end of a half ("w" or "r") until YIELD has come."""
        self._postponed += how
        self.dismiss(state)

    def next_owner(self, previous: WorkerPort) -> WorkerPort:
        """Return the worker that has the connection after `previous` has yielded; NOBODY if every taker has died."""
        self._previous = previous
        if not self._takers:
            return NOBODY
        following, *takers = self._takers
        self._takers = tuple(takers)
        return following

    def take_held(self) -> list[tuple[int, bytes]]:
        """Return the output of others that came during the recall, as (priority, bytes), and keep it no longer.

        It goes with SOCKET_HANDED_OVER and not behind it: it comes before everything that the taker writes as owner.
        """
        held, self._held = self._held, []
        return held

    def sent_since(self, owner: WorkerPort) -> int:
        """Return how many writes of the new owner's worker have come since it has asked for the connection.

        They have been passed to former owners or are held, and will not come back to their writer.
        """
        return self._sent_since.pop(owner, 0)

    def settle(self) -> str:
        """End the recall. Returns the halves that were finished meanwhile, which are to be finished now."""
        self.recalled = False
        postponed, self._postponed = self._postponed, ""
        return postponed

    def confirmed(self) -> None:
        """Let the former owner's worker close its duplicate: the taker has the connection for sure, or it has ended."""
        if self._previous is not None:
            self._previous.send((SOCKET_FORGET, self._id))
            self._previous = None

    # -- output of others --

    def foreign_write(self, source: WorkerPort, messages: Sequence[tuple[int, bytes]]) -> bool:
        """Take messages of a worker without the connection. Return True if they are to be passed to the owner's worker.

        They are kept during a recall.
        """
        if source not in self._writers:
            self._writers += (source,)
        if self._takers and source in self._takers:
            self._sent_since[source] = self._sent_since.get(source, 0) + 1
        if self.recalled:
            self._held += messages
        return not self.recalled

    def drain(self, owner: WorkerPort, source: WorkerPort, ticket: int) -> None:
        """Send a DRAIN of a worker without the connection to the owner's worker, once it is known which that is."""
        if source not in self._writers:
            self._writers += (source,)
        self._drains += ((source, ticket),)
        if not self.recalled:
            owner.send((SOCKET_DRAIN_BY, self._id, source.process_number, ticket))

    def drained(self, process_number: int, ticket: int) -> None:
        """Answer the DRAIN of a worker: the owner's worker has said DRAINED."""
        for drain in self._drains:
            source, asked = drain
            if (source.process_number, asked) == (process_number, ticket):
                self._drains = tuple(other for other in self._drains if other is not drain)
                source.send((SOCKET_DRAIN_DONE, self._id, ticket))
                return

    def ask_again(self, owner: WorkerPort) -> None:
        """Send the DRAINs that the former owner has not answered to the new owner's worker."""
        for source, ticket in self._drains:
            owner.send((SOCKET_DRAIN_BY, self._id, source.process_number, ticket))

    # -- ends --

    def dismiss(self, state: State) -> None:
        """Tell the writers when nothing can be written any more, and the takers when the connection has ended."""
        if self._writers and not self.accepts(state):
            for writer in self._writers:
                writer.send((SOCKET_GONE, self._id))
            self._writers = ()
            self._drains = ()
        if self._takers and state not in OWNED:
            for taker in self._takers:
                taker.send((SOCKET_REFUSED, self._id))
            self._takers = ()
        if self._held and state not in ACCEPTING:
            self.dropped += len(self._held)
            self._held = []

    def worker_died(self, dead: WorkerPort) -> None:
        """Drop a worker that has died. A recall for it goes on: the owner's worker has been told, and will yield."""
        self._takers = tuple(taker for taker in self._takers if taker is not dead)
        self._sent_since.pop(dead, None)
        self._drains = tuple(drain for drain in self._drains if drain[0] is not dead)
        self._writers = tuple(writer for writer in self._writers if writer is not dead)
        if self._previous is dead:
            self._previous = None
