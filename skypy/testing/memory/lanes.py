"""A pair of Unix-domain stream ends in memory: bytes with descriptors beside them, and no more than fits."""

from __future__ import annotations

import errno
import os
from collections import deque
from typing import Final

from skypy.system.poller import READABLE, WRITABLE
from skypy.testing.memory.descriptors import Description, close, description_of, install

_CAPACITY_BYTES: Final = 1048576
_HUNG_UP: Final = 0x10


class _Chunk:
    """What one send has left, and the descriptors that go with its first byte."""

    __slots__ = ("data", "descriptors")

    def __init__(self, data: bytes, descriptors: list[Description]) -> None:
        self.data = memoryview(data)
        self.descriptors = descriptors


class LaneEnd(Description):
    """One end."""

    peer: LaneEnd

    def __init__(self) -> None:
        super().__init__()
        self.arrived: deque[_Chunk] = deque()
        self.size = 0
        self.closed = False

    def events(self) -> int:
        events = READABLE if self.arrived or self.peer.closed else 0
        if self.peer.closed or self.peer.size < _CAPACITY_BYTES // 2:
            events |= WRITABLE
        return events | (_HUNG_UP if self.peer.closed else 0)

    def send(self, data: bytes | memoryview, descriptors: list[int] | None = None) -> int:
        """How much was taken. Raises OSError."""
        if self.peer.closed:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        taken = bytes(data[: _CAPACITY_BYTES - self.peer.size])
        if not taken:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        travelling = [description_of(number) for number in descriptors or ()]
        for description in travelling:
            description.references += 1
        self.peer.arrived.append(_Chunk(taken, travelling))
        self.peer.size += len(taken)
        self.peer.changed()
        return len(taken)

    def receive(self, buffer: memoryview) -> tuple[int, list[int]]:
        """How many bytes came, and new numbers of the descriptors that came with them. Raises BlockingIOError."""
        count = 0
        numbers: list[int] = []
        while self.arrived and count < len(buffer):
            chunk = self.arrived[0]
            if chunk.descriptors and count:
                break  # they come with their own bytes
            size = min(len(chunk.data), len(buffer) - count)
            buffer[count : count + size] = chunk.data[:size]
            count += size
            chunk.data = chunk.data[size:]
            for description in chunk.descriptors:
                numbers.append(install(description))
                description.references -= 1
            had, chunk.descriptors = chunk.descriptors, []
            if not chunk.data:
                self.arrived.popleft()
            if had:
                break
        if not count and not self.peer.closed:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        self.size -= count
        self.peer.changed()
        return count, numbers

    def released(self) -> None:
        self.closed = True
        for chunk in self.arrived:
            for description in chunk.descriptors:
                number = install(description)
                description.references -= 1
                close(number)
        self.arrived.clear()
        self.peer.changed()


def lane_ends() -> tuple[LaneEnd, LaneEnd]:
    """The two ends of a new lane."""
    one, other = LaneEnd(), LaneEnd()
    one.peer, other.peer = other, one
    return one, other
