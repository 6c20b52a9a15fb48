"""A pair of connected Unix-domain stream sockets in memory: bytes with descriptors beside them, within a capacity."""

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
    """The unread rest of one send, and the descriptions that go with its first byte."""

    __slots__ = ("data", "descriptions")

    def __init__(self, data: bytes, descriptions: list[Description]) -> None:
        self.data = memoryview(data)
        self.descriptions = descriptions


class LaneEndpoint(Description):
    """One of the two sockets."""

    peer: LaneEndpoint

    def __init__(self) -> None:
        super().__init__()
        self.arrived: deque[_Chunk] = deque()
        self.size = 0
        """Bytes that have arrived and were not read."""
        self.closed = False

    def events(self) -> int:
        events = READABLE if self.arrived or self.peer.closed else 0
        if self.peer.closed or self.peer.size < _CAPACITY_BYTES // 2:
            events |= WRITABLE
        return events | (_HUNG_UP if self.peer.closed else 0)

    def send(self, data: bytes | memoryview, descriptors: list[int] | None = None) -> int:
        """Send bytes and descriptors, and return how many bytes were taken.

        Raises BrokenPipeError if the peer has closed, BlockingIOError if there is no room.
        """
        if self.peer.closed:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
        taken = bytes(data[: _CAPACITY_BYTES - self.peer.size])
        if not taken:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        travelling = [description_of(descriptor) for descriptor in descriptors or ()]
        for description in travelling:
            description.references += 1
        self.peer.arrived.append(_Chunk(taken, travelling))
        self.peer.size += len(taken)
        self.peer.changed()
        return len(taken)

    def receive(self, buffer: memoryview) -> tuple[int, list[int]]:
        """Fill `buffer`, and return the count of bytes and new descriptors for those that came with them.

        Raises BlockingIOError if nothing has arrived.
        """
        count = 0
        descriptors: list[int] = []
        while self.arrived and count < len(buffer):
            chunk = self.arrived[0]
            if chunk.descriptions and count:
                break  # they come with their own bytes
            size = min(len(chunk.data), len(buffer) - count)
            buffer[count : count + size] = chunk.data[:size]
            count += size
            chunk.data = chunk.data[size:]
            for description in chunk.descriptions:
                descriptors.append(install(description))
                description.references -= 1
            had, chunk.descriptions = chunk.descriptions, []
            if not chunk.data:
                self.arrived.popleft()
            if had:
                break
        if not count and not self.peer.closed:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        self.size -= count
        self.peer.changed()
        return count, descriptors

    def released(self) -> None:
        self.closed = True
        for chunk in self.arrived:
            for description in chunk.descriptions:
                descriptor = install(description)
                description.references -= 1
                close(descriptor)
        self.arrived.clear()
        self.peer.changed()


def lane_pair() -> tuple[LaneEndpoint, LaneEndpoint]:
    """Return the two sockets of a new lane."""
    one, other = LaneEndpoint(), LaneEndpoint()
    one.peer, other.peer = other, one
    return one, other
