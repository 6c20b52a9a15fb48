"""The output of a socket: whole messages in two priorities, and at most one message that is half sent."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import islice

from skypy.core.wire.socket_lane import HALF_SENT, HIGH, LOW

_Messages = list[bytes] | deque[bytes] | tuple[()]


class OutputQueue:
    """High before low, order kept within each, nothing before a half-sent message (so messages never interleave).

    Nearly all queues of a node are empty at any time, so a list is made with the first message and given up with the
    last. Most queues are sent whole. A list that is not becomes a deque, whose front can be taken without moving the
    rest.
    """

    __slots__ = ("_half_sent", "_high", "_low", "size")

    def __init__(self) -> None:
        self._half_sent: bytes | memoryview = b""
        self._high: _Messages = ()
        self._low: _Messages = ()
        self.size = 0
        """Bytes queued."""

    def append(self, data: bytes, priority: int) -> None:
        """Queue a message, or (HALF_SENT, into an empty queue only) the rest of one."""
        if priority == HIGH:
            if self._high:
                self._high.append(data)
            else:
                self._high = [data]
        elif priority == LOW:
            if self._low:
                self._low.append(data)
            else:
                self._low = [data]
        elif self.size:
            raise ValueError("a second half-sent message: two writers would be interleaved")
        else:
            self._half_sent = data
        self.size += len(data)

    def first(self, count: int) -> list[bytes | memoryview]:
        """Return at most `count` buffers from the front, to be sent with one call."""
        if not self._low and not self._half_sent and len(self._high) <= count:
            return list(self._high)
        buffers: list[bytes | memoryview] = [self._half_sent] if self._half_sent else []
        buffers += islice(self._high, count - len(buffers))
        buffers += islice(self._low, count - len(buffers))
        return buffers

    def joined(self) -> bytes | memoryview:
        """Return all bytes as one piece."""
        if not self._low and not self._half_sent:
            high = self._high
            return high[0] if high and len(high) == 1 else b"".join(high)
        return b"".join((self._half_sent, *self._high, *self._low))

    def advance(self, sent: int) -> None:
        """Drop `sent` bytes from the front: the kernel has taken them."""
        if sent == self.size:
            self.clear()
            return
        self.size -= sent
        if self._half_sent:
            taken = min(sent, len(self._half_sent))
            self._half_sent = memoryview(self._half_sent)[taken:] if taken < len(self._half_sent) else b""
            sent -= taken
        while sent:
            message = self._take_first()
            if sent < len(message):
                self._half_sent = memoryview(message)[sent:]
            sent -= min(sent, len(message))

    def _take_first(self) -> bytes:
        if self._high:
            self._high = high = _with_a_front(self._high)
            return high.popleft()
        self._low = low = _with_a_front(self._low)
        return low.popleft()

    def take(self) -> list[tuple[int, bytes]]:
        """Empty the queue. Return [(priority, bytes), ...] as WRITE carries it."""
        messages: list[tuple[int, bytes]] = []
        if self._half_sent:
            messages.append((HALF_SENT, bytes(self._half_sent)))
        messages += _tagged(HIGH, self._high)
        messages += _tagged(LOW, self._low)
        self.clear()
        return messages

    def clear(self) -> None:
        """Drop everything."""
        self._half_sent = b""
        self._high = ()
        self._low = ()
        self.size = 0


def _with_a_front(messages: _Messages) -> deque[bytes]:
    return messages if isinstance(messages, deque) else deque(messages)


def _tagged(priority: int, messages: Iterable[bytes]) -> list[tuple[int, bytes]]:
    return [(priority, message) for message in messages]
