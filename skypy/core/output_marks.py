"""The marks of a worker's output, in memory that outlives the worker: the connections with bytes that have not left it.

A worker that is killed says nothing any more: the messages of its turn, and the requests that its lane had no room for,
are gone with it. The marks say which connections they belonged to, so that the socket service does not take what has
left the worker for all there was. The first number counts the marks, behind it stand the ids.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any, Final

MARKS: Final = 8192
"""The numbers of a worker: more connections than this are seldom written to in one turn."""
_EVERY_ID: Final = range(1 << 63)


class OutputMarks:
    """The marks as their worker makes them; `Leases.write` does so by itself, since it is called for every message.

    They are cleared together, once no output is corked any more and no request waits in the lane. The mark of a
    connection is held while a task waits in `drain` to go on writing to it.
    """

    __slots__ = ("corked", "count", "held", "in_lane", "numbers", "size")

    def __init__(self, numbers: list[int] | memoryview[int]) -> None:
        self.numbers = numbers
        self.size = len(numbers)
        self.count = 0
        self.held: dict[int, int] = {}
        """The tasks that wait to go on writing, counted by the id of their connection."""
        self.corked = False
        """True from the first message of a turn until all sockets are flushed."""
        self.in_lane = False
        """True while requests wait in the lane to the socket service."""

    def abandon(self) -> None:
        """Give the shared memory up in a forked child, which has no output."""
        numbers, self.numbers = self.numbers, [0]
        self.size = 1
        if isinstance(numbers, memoryview):
            memory: Any = numbers.obj
            numbers.release()
            memory.close()

    def clear(self) -> None:
        """Note that all output has left the worker, except what tasks wait to add."""
        count = min(len(self.held), self.size - 1)
        for place, id_ in zip(range(1, count + 1), self.held, strict=False):
            self.numbers[place] = id_
        self.numbers[0] = self.count = len(self.held)

    def hold(self, id_: int) -> None:
        """Mark a connection until `release`: a task waits to go on writing."""
        self.held[id_] = self.held.get(id_, 0) + 1
        self.count += 1
        if self.count < self.size:
            self.numbers[self.count] = id_
        self.numbers[0] = self.count

    def release(self, id_: int) -> None:
        """Note that a task has gone on; its next message marks the connection anew."""
        self.held[id_] -= 1
        if not self.held[id_]:
            del self.held[id_]
        if not (self.corked or self.in_lane):
            self.clear()


def marked(numbers: Sequence[int]) -> Container[int]:
    """Return the ids that a worker has marked: all there are if it had more than it could mark."""
    count = numbers[0]
    return frozenset(numbers[1 : count + 1]) if 0 <= count < len(numbers) else _EVERY_ID
