"""Other workers at a connection: how the connection goes from one worker to another, and output of workers without it.

A worker that wants the connection sends TAKE_OVER. The owner's worker is recalled (SOCKET_RECALL) and answers with
YIELD, its last word, which brings its unread input and the position of its output. The taker then gets everything with
SOCKET_HANDED_OVER. Requests of the owner may cross the recall. CLOSE, ABORT and BREAK end the connection for everybody,
so they are an answer as well: the takers are refused, or, behind a BREAK, the worker is recalled again. SHUTDOWN of one
half is no answer: it is postponed until YIELD has come, because YIELD carries what the former owner has not read.

A connection that has ended is handed over in the same way, as long as its owner's worker has not left it: that worker
holds the unread input and the end that stands behind it, the `Remains`. They go to the taker without a descriptor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from skypy.core.close_reason import CloseReason
from skypy.core.tcp.state import ACCEPTING, State
from skypy.core.tcp.worker_port import NOBODY, WorkerPort
from skypy.core.wire.socket_lane import (
    ABORT,
    BREAK,
    CLOSE,
    CREDIT,
    SOCKET_DRAIN_BY,
    SOCKET_DRAIN_DONE,
    SOCKET_END_BY,
    SOCKET_FORGET,
    SOCKET_GONE,
    SOCKET_RECALL,
    SOCKET_REFUSED,
    SOCKET_REMAINS,
    YIELD,
)

End = tuple[str, int, int, int]
"""An END of a worker: "close", "abort", "rw", "w" or "r", its process number, its count and the total."""


class HandOver:
    """The other workers at one connection; it is made when the first of them appears.

    It has two states: settled, and `recalled`, from SOCKET_RECALL to the answer. They are no states of the table, as
    any state with an owner can be recalled and none of its rows changes by that: requests wait (`postponed`) instead of
    meaning something else.
    """

    __slots__ = (
        "_drains",
        "_ends",
        "_finished_at",
        "_held",
        "_id",
        "_postponed",
        "_previous",
        "_sent_since",
        "_takers",
        "_writers",
        "dropped",
        "held_of",
        "recalled",
    )

    def __init__(self, id: int) -> None:  # noqa: A002
        self._id = id
        self.recalled = False
        """True from SOCKET_RECALL to YIELD: no worker has the connection for sure. Nothing is read for an owner."""
        self._takers: tuple[WorkerPort, ...] = ()  # want to own it, in the order of their asking
        self._postponed = ""  # halves that the owner has finished before it saw SOCKET_RECALL
        self._previous: WorkerPort | None = None  # yielded, and is told SOCKET_FORGET when the taker has shown itself
        self._writers: tuple[WorkerPort, ...] = ()  # sent output, and are told SOCKET_GONE if it cannot go
        self._held: list[Sequence[Any]] = []  # such output that came during the recall
        self.held_of: WorkerPort | None = None
        """The last worker of which such output came."""
        self._ends: tuple[End, ...] = ()  # ENDs of others that came during the recall
        self._finished_at: int | None = None  # how much of that output stands before an END that finishes it
        self._sent_since: dict[WorkerPort, int] = {}  # writes and ENDs of the takers since they have asked
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
        self.dismiss_writers(state)

    def next_owner(self, previous: WorkerPort, *, ended: bool = False) -> WorkerPort:
        """Return the worker that has the connection after `previous` has yielded; NOBODY if every taker has died.

        `ended`: the connection had ended before, and `previous` has nothing to forget any more.
        """
        self._previous = None if ended else previous
        if not self._takers:
            return NOBODY
        following, *takers = self._takers
        self._takers = tuple(takers)
        return following

    def take_held(self, *, ended: bool = False) -> list[Sequence[Any]]:
        """Return the output of others that came during the recall, as (priority, bytes), and keep it no longer.

        Output behind an END that finishes it is dropped, as that END comes next; not if the owner has finished the
        output by itself before (`ended`). It goes with SOCKET_HANDED_OVER and not behind it: it comes before everything
        that the taker writes as owner.
        """
        held, self._held = self._held, []
        if self._finished_at is not None and not ended:
            self.dropped += len(held[self._finished_at :])
            del held[self._finished_at :]
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

    def foreign_write(self, source: WorkerPort, messages: Sequence[Sequence[Any]]) -> bool:
        """Take messages of a worker without the connection. Return True if they are to be passed to the owner's worker.

        They are kept during a recall.
        """
        if source not in self._writers:
            self._writers += (source,)
        if self._takers and source in self._takers:
            self._sent_since[source] = self._sent_since.get(source, 0) + 1
        if self.recalled:
            self._held += messages
            self.held_of = source
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

    def end_by(self, owner: WorkerPort, source: WorkerPort, end: End) -> None:
        """Send an END of a worker without the connection to the owner's, once it is known which worker that is."""
        if self._takers and source in self._takers:
            self._sent_since[source] = self._sent_since.get(source, 0) + 1
        if self.recalled:
            self._ends += (end,)
            if end[0] != "r" and self._finished_at is None:
                self._finished_at = len(self._held)
        else:
            owner.send((SOCKET_END_BY, self._id, *end))

    def take_ends(self) -> tuple[End, ...]:
        """Return the ENDs that came during the recall, and keep them no longer. They stand behind the held output."""
        ends, self._ends = self._ends, ()
        self._finished_at = None
        return ends

    def end_again(self, owner: WorkerPort) -> None:
        """Send the ENDs that came during the recall to the worker that has the socket now."""
        for end in self.take_ends():
            owner.send((SOCKET_END_BY, self._id, *end))

    def dismiss_writers(self, state: State) -> None:
        """Tell the writers when nothing can be written any more."""
        if self._writers and not self.accepts(state):
            for writer in self._writers:
                writer.send((SOCKET_GONE, self._id))
            self._writers = ()
            self._drains = ()
        if self._held and state not in ACCEPTING:
            self.dropped += len(self._held)
            self._held = []

    def dismiss_takers(self) -> None:
        """Refuse the takers: the owner's worker has left the connection, and there is nothing to be handed over."""
        for taker in self._takers:
            taker.send((SOCKET_REFUSED, self._id))
        self._takers = ()
        self.take_ends()

    def worker_died(self, dead: WorkerPort) -> None:
        """Drop a worker that has died. A recall for it goes on: the owner's worker has been told, and will yield."""
        self._takers = tuple(taker for taker in self._takers if taker is not dead)
        self._sent_since.pop(dead, None)
        self._drains = tuple(drain for drain in self._drains if drain[0] is not dead)
        self._writers = tuple(writer for writer in self._writers if writer is not dead)
        if self._previous is dead:
            self._previous = None
        if self.held_of is dead:
            self.held_of = None


class Remains:
    """A connection that has ended under its owner: the owner's worker holds the unread input, and knows the end.

    The kernel's socket is freed as always. This is remembered until the owner has left, so that another worker can take
    over what was not read, and the end behind it, as long as they are there.
    """

    __slots__ = ("_error", "_hand_over", "_id", "_position", "_reason", "left", "owner", "worker")

    def __init__(
        self,
        id: int,  # noqa: A002
        worker: WorkerPort,
        owner: int,
        *,
        read: int,
        sent: int,
        error: int,
        reason: CloseReason,
        hand_over: HandOver | None,
    ) -> None:
        """Remember the end as the owner's worker has been told of it: its errno, 0 for an orderly one, and its reason.

        `read` and `sent` are the last positions of input and output. A recall in `hand_over` goes on.
        """
        self._id = id
        self.worker: WorkerPort = worker
        """The worker that holds the unread input."""
        self.owner = owner
        """The address of the actor that owned the connection last."""
        self.left = False
        """True once the owner has left, or its worker has died: there is nothing to be remembered."""
        self._position = (read, sent)
        self._error = error
        self._reason = reason
        self._hand_over = hand_over or HandOver(id)

    # -- requests of the owner's worker --

    def serve(self, kind: int, fields: Sequence[Any]) -> bool:
        """Take a request of the owner's worker. Return False if it crossed the end and means nothing any more."""
        if kind in (CLOSE, ABORT):
            self._leave()
        elif kind == CREDIT:
            self.owner = fields[1] if len(fields) > 1 else self.owner
        elif kind == BREAK:
            self.recall_again()
        elif kind == YIELD:
            self._yielded(*fields)
        else:
            return False
        return True

    def recall_again(self) -> None:
        """Recall a worker that was breaking the connection when it was recalled, and has not answered for that."""
        self._hand_over.settle()
        self._go_on()

    def _yielded(self, unread: bytes, out: int, reading: str, error: int, writable: bool, *origin: Any) -> None:
        """Give the remains to the next worker, if it has not died."""
        del error, writable  # older than the end, if the worker has yielded before it heard of the end
        if reading in ("open", "lent"):
            reading = "broken" if self._error else "ended"
        self.worker = self._hand_over.next_owner(self.worker, ended=True)
        if self.worker is NOBODY:
            self._leave()
            return
        read, sent = self._position
        end = (reading, self._error, self._reason)
        self.worker.send((SOCKET_REMAINS, self._id, unread, read, out, sent, *end, *origin))
        self._hand_over.settle()
        self._go_on()

    def _go_on(self) -> None:
        self._hand_over.end_again(self.worker)
        self._hand_over.recall(self.worker)

    def _leave(self) -> None:
        self.left = True
        self._hand_over.settle()
        self._hand_over.dismiss_takers()

    # -- other workers --

    def take_over(self, taker: WorkerPort) -> None:
        """Recall the owner's worker for another one."""
        self._hand_over.add_taker(taker, self.worker)

    def end_by(self, source: WorkerPort, end: End) -> bool:
        """Send an END of another worker to the owner's. Return True."""
        self._hand_over.end_by(self.worker, source, end)
        return True

    def worker_died(self, dead: WorkerPort) -> None:
        """Note that a worker has died, and the remains with it if it held them."""
        self._hand_over.worker_died(dead)
        if self.worker is dead:
            self._leave()
