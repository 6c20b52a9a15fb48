"""The lines that wait to be written to the log."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

LONGEST_ATOMIC_WRITE_BYTES: Final = 4096
"""PIPE_BUF of Linux: a pipe takes no more as a whole, and lines of programs that share it would mix."""


class LogQueue:
    """Whole lines in their order, bounded: when there is no room, lines are dropped and counted.

    The line that says how many stands where they would have stood. It comes once half of the room is free again, so
    that a slow reader finds long runs of lines and few such notes among them.
    """

    __slots__ = ("_begun_bytes", "_entries", "_limit_bytes", "_loss_line", "_lost", "_waiting_bytes")

    def __init__(self, limit_bytes: int, loss_line: Callable[[int], bytes]) -> None:
        """Make an empty queue. `loss_line(count)` returns the line, with its newline, that says how many are lost."""
        self._limit_bytes = limit_bytes
        self._loss_line = loss_line
        self._entries: deque[bytes] = deque()  # one or more whole lines each
        self._waiting_bytes = 0
        self._begun_bytes = 0  # of the first entry, which are written
        self._lost = 0

    def __bool__(self) -> bool:
        """Return True if there is anything to write."""
        return bool(self._entries or self._lost)

    def put(self, lines: bytes) -> None:
        """Add one or more lines, each with its newline, or drop them all."""
        if self._lost or (self._entries and self._waiting_bytes + len(lines) > self._limit_bytes):
            self._lost += lines.count(b"\n")
        else:
            self._entries.append(lines)
            self._waiting_bytes += len(lines)

    def next_piece(self) -> bytes:
        """Return the bytes to write next, b"" if there are none.

        They are whole lines that a pipe takes as a whole, or one longer line, or the rest of one.
        """
        if self._lost and self._waiting_bytes <= self._limit_bytes // 2:
            line = self._loss_line(self._lost)
            self._entries.append(line)
            self._waiting_bytes += len(line)
            self._lost = 0
        if not self._entries:
            return b""
        entry, begin = self._entries[0], self._begun_bytes
        if len(entry) - begin <= LONGEST_ATOMIC_WRITE_BYTES:
            return entry[begin:]
        end = entry.rfind(b"\n", begin, begin + LONGEST_ATOMIC_WRITE_BYTES)
        if end < 0:
            end = entry.find(b"\n", begin)
        return entry[begin : end + 1]

    def written(self, count: int) -> None:
        """Remove the first `count` bytes of the last piece."""
        self._waiting_bytes -= count
        self._begun_bytes += count
        if self._begun_bytes == len(self._entries[0]):
            self._entries.popleft()
            self._begun_bytes = 0

    def begin_file(self) -> None:
        """Begin with a whole line in a new file: a line of which a part is in the old one is written again."""
        if self._begun_bytes:
            begin = self._entries[0].rfind(b"\n", 0, self._begun_bytes) + 1
            self._waiting_bytes += self._begun_bytes - begin
            self._begun_bytes = begin

    def end_torn_line(self) -> None:
        """End the last line of a file to which a process that is gone has written a part of it."""
        if self._begun_bytes:
            first = self._entries.popleft()
            self._entries.appendleft(first[self._begun_bytes :])
            self._begun_bytes = 0
        self._entries.appendleft(b"\n")
        self._waiting_bytes += 1

    def clear(self) -> int:
        """Remove everything, and return how many lines were not written."""
        count = self._lost + sum(entry.count(b"\n") for entry in self._entries)
        if self._begun_bytes:
            count -= self._entries[0].count(b"\n", 0, self._begun_bytes)
        self._entries.clear()
        self._waiting_bytes = self._begun_bytes = self._lost = 0
        return count


def describe_loss(count: int) -> str:
    """Return in words how many lines were lost."""
    return "1 line of the log was lost" if count == 1 else f"{count} lines of the log were lost"
