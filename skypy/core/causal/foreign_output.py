"""The writes of one turn to sockets of other workers, packed for the way, and the bound of what is under way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from skypy.core.causal.fence import Fence
from skypy.core.wire.socket_lane import END, SEND, Message

BUDGET_BYTES: Final = 67108864
"""The bytes of foreign writes that may be under way to one worker; more is refused at the writer."""
NOTE_BYTES: Final = 4194304
"""The bytes after which the socket service is asked whether they have come."""
_MOST_MESSAGES_COMPARED: Final = 8


class _Outgoing:
    """A SEND that is being filled: its messages are for each of its sockets."""

    __slots__ = ("ids", "messages", "size")

    def __init__(self, id_: int, priority: int, data: bytes) -> None:
        self.ids = [id_]
        self.messages = [(priority, data)]
        self.size = len(data)

    def is_like(self, other: _Outgoing) -> bool:
        """Return True if both carry the very same messages."""
        mine, its = self.messages, other.messages
        return len(mine) == len(its) <= _MOST_MESSAGES_COMPARED and all(
            one[1] is two[1] and one[0] == two[0] for one, two in zip(mine, its, strict=True)
        )


class ForeignOutput:
    """The foreign writes of this turn, in their order.

    A message that is written to many sockets one after the other goes to the socket service once, with a list of ids.
    Each id in the list counts as one write for the fence.
    """

    __slots__ = ("_ahead", "_fence", "_filled", "_outgoing", "_send", "_unasked", "_wants_flush", "refused")

    def __init__(self, send: Callable[[Message], None], wants_flush: Callable[[], None], fence: Fence) -> None:
        self._send = send
        self._wants_flush = wants_flush
        self._fence = fence
        self._outgoing: deque[_Outgoing] = deque()
        self._filled: dict[int, int] = {}  # the bytes under way to the owner's worker, by socket, where they are many
        self._ahead = 0  # bytes that may not have come to the socket service yet
        self._unasked = 0  # of these, those for which it was not asked
        self.refused = 0
        """The writes that were refused because too much was under way."""

    def write(self, id_: int, data: bytes, priority: int) -> int:
        """Cork a message until the end of the turn.

        Return 1 if it counts as a write of its own, 0 if it joins the one before, and -1 if it is refused.
        """
        size = len(data)
        outgoing = self._outgoing
        last = outgoing[-1] if outgoing else None
        under_way = self._ahead
        if self._filled:
            under_way += self._filled.get(id_, 0)
            if under_way >= BUDGET_BYTES:
                self.refused += 1
                return -1
        if last is not None and len(last.messages) == 1 and last.ids[-1] != id_:
            first = last.messages[0]
            if first[1] is data and first[0] == priority:
                last.ids.append(id_)
                self._fence.made += 1
                return 1
        if under_way + size > BUDGET_BYTES and under_way > NOTE_BYTES:
            self.refused += 1
            return -1
        self._ahead += size
        self._unasked += size
        if last is None:
            self._wants_flush()
        elif len(last.ids) == 1 and last.ids[0] == id_:
            last.messages.append((priority, data))
            last.size += size
            return 0
        elif len(last.messages) > 1:
            self._join_the_last_two()
        outgoing.append(_Outgoing(id_, priority, data))
        self._fence.made += 1
        return 1

    def _join_the_last_two(self) -> None:
        """Let the last SEND become part of the one before it, if both carry the very same messages."""
        outgoing = self._outgoing
        if len(outgoing) > 1 and outgoing[-1].is_like(outgoing[-2]):
            last = outgoing.pop()
            outgoing[-1].ids += last.ids
            self._ahead -= last.size
            self._unasked -= last.size

    def flush(self) -> None:
        """Send the writes of this turn."""
        if not self._outgoing:
            self._fence.left = self._fence.made  # an END may have been sent
            return
        self._join_the_last_two()
        for one in self._outgoing:
            self._send((SEND, one.ids, one.messages))
        self._outgoing.clear()
        fence = self._fence
        fence.left = fence.made
        if self._unasked >= NOTE_BYTES:
            asked, self._unasked = self._unasked, 0
            fence.wait(fence.own, fence.made, 0, partial(self._noted, asked))

    def end(self, id_: int, how: str) -> None:
        """Send an END behind the writes of this turn; it counts as a write."""
        self.flush()
        self._send((END, id_, how))
        self._fence.made += 1  # and it leaves with the next flush of the lane

    def _noted(self, size: int) -> None:
        self._ahead -= size

    def filled(self, ids: list[int], size: int) -> None:
        """SOCKET_FILLED: so many bytes are under way from the socket service to the worker of these sockets."""
        for id_ in ids:
            if size:
                self._filled[id_] = size
            else:
                self._filled.pop(id_, None)

    def gone(self, id_: int) -> None:
        """Note that a socket is gone, or that this worker has it now."""
        self._filled.pop(id_, None)
