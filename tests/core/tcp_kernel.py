"""The kernel's side of one connection, as a model between both ends of a socket and its peer.

It takes any part of a write, tells a reset once, to the side that asks first, and keeps every byte that had arrived
before. A reset before the peer's end-of-file looks like one to the side that asks second.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Protocol


class Receiver(Protocol):
    """The peer, as far as the kernel knows one."""

    def receive(self, data: bytes) -> None:
        """Bytes have come."""


class Kernel:
    """One TCP connection: what was given to it, what it still takes, what has arrived, and how it ended."""

    def __init__(self, peer: Receiver) -> None:
        self.peer = peer
        self.room = 0
        self.arrived = bytearray()  # all input there ever was
        self.consumed = 0
        self.fin_sent = False
        self.fin_received = False
        self.reset = False
        self.error = 0

    def send(self, buffers: Sequence[bytes | memoryview]) -> int:
        """Raises what a real one raises."""
        assert not self.fin_sent, "a write behind our FIN"
        if self.reset:
            self._tell_error()
            raise BrokenPipeError(errno.EPIPE, "both halves have ended")
        data = b"".join(buffers)[: self.room]
        if not data:
            raise BlockingIOError
        self.room -= len(data)
        self.peer.receive(data)
        return len(data)

    def receive(self, size: int) -> bytes:
        """Raises what a real one raises."""
        data = bytes(self.arrived[self.consumed : self.consumed + size])
        self.consumed += len(data)
        if not data and not self.fin_received:
            self._tell_error()
            if not self.reset:
                raise BlockingIOError
        return data

    def take_error(self) -> int:
        """SO_ERROR."""
        error, self.error = self.error, 0
        return error

    def be_reset(self) -> None:
        """The peer resets the connection."""
        self.reset = True
        self.error = errno.EPIPE if self.fin_received else errno.ECONNRESET

    @property
    def readable(self) -> bool:
        return self.consumed < len(self.arrived) or self.fin_received or self.reset

    def _tell_error(self) -> None:
        error = self.take_error()
        if error:
            raise OSError(error, "told once")
