"""The unread bytes of a socket, and the three ways to take them: all of them, an exact number, a line."""

from __future__ import annotations

from typing import Final

from skypy.core.errors import BufferLimit

_COMPACT_FROM: Final = 65536
"""The smallest piece of consumed bytes that is dropped from the front: dropping moves the bytes behind it."""
_CUT_BYTES: Final = 65536
"""The most bytes that are cut into lines ahead."""


class InputBuffer:
    """Bytes in, bytes or lines out. A lone chunk is kept as it came; only data that piles up is copied together.

    Where lines are read one after the other, many are cut at once. `_lines` holds the next ones in reverse order. They
    are still part of the data and only a shortcut to it, so any other way of reading just drops the list.
    """

    __slots__ = ("_data", "_in_lines", "_lines", "_scanned", "_separator", "size")

    def __init__(self) -> None:
        self._data: bytes | bytearray = b""  # its last `size` bytes are unread
        self._lines: list[bytes] | tuple[()] = ()  # an idle connection has no list of its own
        self._in_lines = False  # True if the last thing read was a line
        self._separator = b""
        self._scanned = 0  # unread bytes that cannot begin a separator
        self.size = 0
        """Bytes unread."""

    def feed(self, data: bytes) -> None:
        """Append bytes that have arrived."""
        if not self.size:
            self._data = data
            self._scanned = 0
            self.size = len(data)
            return
        if isinstance(self._data, bytearray):
            self._data += data
        else:
            joined = bytearray(memoryview(self._data)[-self.size :])
            joined += data
            self._data = joined
        self.size += len(data)

    def read(self, count: int) -> bytes | None:
        """Take exactly `count` bytes. Return None, and take nothing, while there are fewer."""
        if count > self.size:
            return None
        start = len(self._data) - self.size
        taken = bytes(self._data[start : start + count])
        self._in_lines = False
        self._consume(count)
        return taken

    def read_all(self) -> bytes:
        """Take all bytes, maybe none."""
        taken = self.read(self.size)
        assert taken is not None
        return taken

    def read_line(self, separator: bytes, limit: int) -> bytes | None:
        """Take the next line and its separator, and return the line. Return None while there is no separator.

        Raises BufferLimit, and takes nothing, as soon as more than `limit` bytes have no separator.
        """
        lines = self._lines
        if lines and separator == self._separator:
            line = lines.pop()
            length = len(line)
            if length > limit:
                lines.append(line)
                raise _too_long(length, limit)
            if lines:  # with the last one, the consumed data is dropped
                self.size -= length + len(separator)
            else:
                self._consume(length + len(separator))
            return line
        if not self.size:
            return None
        if separator != self._separator:
            self._separator = separator
            self._lines = ()
            self._scanned = 0
        return self._find_line(separator, limit)

    def clear(self) -> None:
        """Drop everything."""
        self._consume(self.size)

    def _find_line(self, separator: bytes, limit: int) -> bytes | None:
        data = self._data
        start = len(data) - self.size
        end = data.find(separator, start + self._scanned)
        if end < 0:
            self._scanned = max(0, self.size - len(separator) + 1)
            if self._scanned > limit:
                raise BufferLimit(f"{self.size} bytes have no separator {separator!r}, the limit is {limit}")
            return None
        length = end - start
        if length > limit:
            raise _too_long(length, limit)
        line = data[start:end]
        self._consume(length + len(separator))
        if self.size and self._in_lines:
            self._cut_ahead(separator)
        self._in_lines = True
        return line if type(line) is bytes else bytes(line)

    def _cut_ahead(self, separator: bytes) -> None:
        start = len(self._data) - self.size
        lines = bytes(self._data[start : start + _CUT_BYTES]).split(separator)
        lines.pop()  # the last piece has no separator yet
        lines.reverse()
        self._lines = lines

    def _consume(self, count: int) -> None:
        self.size -= count
        self._scanned = 0
        self._lines = ()
        if not self.size:
            self._data = b""
        elif isinstance(self._data, bytearray) and len(self._data) - self.size >= _COMPACT_FROM:
            del self._data[: -self.size]


def _too_long(size: int, limit: int) -> BufferLimit:
    return BufferLimit(f"a line has {size} bytes, the limit is {limit}")
